//! The two addresses that are listened on: for patients and staff, and for the administrator; and how listening ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::Server;
use actix_web::{App as Routes, HttpServer, web};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use storage::{OsRandom, Random};
use tokio::time::MissedTickBehavior;

use super::ServeError;
use super::tls::Certificate;
use crate::app::{App, Draining};
use crate::http::connections::Connections;
use crate::http::params::BodyWithin;
use crate::http::request_id::{Edge, FailureStatus};
use crate::http::security::Transport;
use crate::http::{cors, routes};
use crate::settings::Settings;

/// When the server is told to stop, actix closes every connection on which it has not read a request yet, although one
/// may have arrived in full. So it is told only after no request came or went for so long.
const QUIET: Duration = Duration::from_millis(250);

/// The same while requests are under way: one of them may wait for the disk, and hold up the thread that would read
/// the others. It may also wait for a slow client, who is left to actix.
const QUIET_WHILE_BUSY: Duration = Duration::from_secs(2);

/// Clients that have not gone by then are disconnected when the server stops.
const DRAIN_SECONDS: u64 = 10;

/// Between two looks for connections whose next request does not come.
const LOOK_FOR_LATE: Duration = Duration::from_secs(1);

/// The edge around all routes.
///
/// # Errors
/// [`ServeError::Random`]
pub fn edge(settings: &Settings, app: &App) -> Result<Edge, ServeError> {
    let mut prefix = [0; 4];
    OsRandom::default().fill(&mut prefix)?;
    let failure_status =
        if settings.server.errors_as_200 { FailureStatus::Always200 } else { FailureStatus::OfTheTable };
    let by_https = settings.public_url().starts_with("https:") || settings.server.tls_cert.is_some();
    let transport = if by_https { Transport::Https } else { Transport::Any };
    Ok(Edge::new(u32::from_be_bytes(prefix), failure_status, Arc::clone(&app.draining)).over(transport))
}

/// Lets the process open as many files as the operating system permits at all: the usual limit is meant for programs that
/// use `select`, and a connection takes two.
pub(super) fn permit_many_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => {}
        Err(error) => tracing::warn!(error = %error, "the limit of open files stays as it is"),
    }
}

/// The connections of patients and staff, which wait for their next request only so long.
pub(super) fn watched_connections(settings: &Settings) -> Arc<Connections> {
    Arc::new(Connections::new(keep_alive(settings) + request_within(settings)))
}

/// Listens for patients and staff.
pub(super) fn listen_public(
    settings: &Settings,
    app: &web::Data<App>,
    edge: &Edge,
    connections: Arc<Connections>,
    certificate: Option<&Arc<Certificate>>,
) -> Result<Server, ServeError> {
    let (app, edge) = (app.clone(), edge.clone());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = if settings.server.workers == 0 { cores } else { settings.server.workers };
    let address = settings.server.bind;
    let within = request_within(settings);
    let origins = settings.server.cors_origins.clone();
    let server = HttpServer::new(move || {
        Routes::new()
            .app_data(app.clone())
            .app_data(BodyWithin(within))
            .wrap(cors::allow(&origins))
            .wrap(edge.clone())
            .configure(routes::all)
    });
    let most = settings.server.max_connections.div_ceil(workers);
    let server = server
        .workers(workers)
        .max_connections(most)
        // Otherwise 256 clients that do not finish their handshakes would keep out everybody else.
        .max_connection_rate(most)
        .tls_handshake_timeout(within)
        .keep_alive(keep_alive(settings))
        // It holds for the first request of a connection; `Connections` see to the others.
        .client_request_timeout(within)
        .on_connect(move |stream, data| connections.watch(stream, data))
        .shutdown_timeout(DRAIN_SECONDS)
        .disable_signals();
    let server = match certificate {
        Some(certificate) => server.bind_rustls_0_23(address, certificate.config()?),
        None => server.bind(address),
    };
    let server = server.map_err(|source| ServeError::Bind { setting: "server.bind", address, source })?;
    for address in server.addrs() {
        tracing::info!(%address, workers, tls = certificate.is_some(), "listening");
    }
    Ok(server.run())
}

/// Listens for the administrator.
pub(super) fn listen_admin(
    settings: &Settings,
    app: &web::Data<App>,
    edge: &Edge,
) -> Result<Server, ServeError> {
    let (app, edge) = (app.clone(), edge.clone());
    let address = settings.server.admin_bind;
    let server = HttpServer::new(move || {
        Routes::new().app_data(app.clone()).wrap(edge.clone()).configure(routes::admin)
    });
    let server = server.workers(1).disable_signals().bind(address).map_err(|source| ServeError::Bind {
        setting: "server.admin_bind",
        address,
        source,
    })?;
    for address in server.addrs() {
        tracing::info!(%address, "listening for the administrator");
    }
    Ok(server.run())
}

/// Ends connections that wait too long for a request, once in a while.
pub(super) async fn end_late(connections: Arc<Connections>) {
    let mut looks = tokio::time::interval(LOOK_FOR_LATE);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let ended = connections.end_late(Instant::now());
        if ended > 0 {
            tracing::debug!(ended, "ended connections whose next request did not come");
        }
    }
}

/// Waits until the requests that have arrived are read; not for longer than clients are waited for.
pub(super) async fn until_quiet(draining: &Draining) {
    const LOOK: Duration = Duration::from_millis(10);
    let begun = Instant::now();
    let mut quiet_since = begun;
    let mut before = draining.requests();
    while begun.elapsed() < Duration::from_secs(DRAIN_SECONDS) {
        tokio::time::sleep(LOOK).await;
        let now = draining.requests();
        if now != before {
            quiet_since = Instant::now();
        }
        before = now;
        let (taken, finished) = now;
        let enough = if taken == finished { QUIET } else { QUIET_WHILE_BUSY };
        if quiet_since.elapsed() >= enough {
            return;
        }
    }
}

/// A client that is silent for longer is disconnected.
fn keep_alive(settings: &Settings) -> Duration {
    Duration::from_secs(settings.server.keep_alive_seconds.into())
}

/// What a client has begun to send has to arrive within this time.
fn request_within(settings: &Settings) -> Duration {
    Duration::from_secs(settings.server.request_seconds.into())
}
