//! Starting and stopping.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::web::{self, Data};
use actix_web::{App as HttpApp, HttpServer};
use aws_lc_rs::error::Unspecified;
use jiff::SignedDuration;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::accounts::{App, Merchant};
use crate::aliyun::{SmsAccount, SmsState};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::door;
use crate::gateway::MerchantState;
use crate::mp::AppState;
use crate::oss::{Bucket, OssState};
use crate::outbox::Outbox;
use crate::scripts::Scripts;
use crate::world::{Shared, World};

/// The pictures of an object store included.
const BODY_MOST: usize = 8 << 20;
const TICK: Duration = Duration::from_millis(50);

/// When notices and events are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deliveries {
    /// Whenever the clock says that they are due, looked at every 50 ms.
    WhenDue,
    /// Only in [`Simulator::deliver_due`].
    WhenAsked,
}

/// How a simulator is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The service accounts.
    pub apps: Vec<App>,
    /// The merchants of WeChat Pay.
    pub merchants: Vec<Merchant>,
    /// The accounts of Aliyun's SMS service.
    pub sms_accounts: Vec<SmsAccount>,
    /// The buckets of Aliyun's object store.
    pub buckets: Vec<Bucket>,
    /// What time it is.
    pub clock: Clock,
    /// The same seed makes the same ids. Keys are always new.
    pub seed: u64,
    /// When notices and events are sent.
    pub deliveries: Deliveries,
    /// How long the server may take to answer a notice or event, in real time.
    pub patience: Duration,
    /// How long a refund is processed, by the clock.
    pub refunds_take: SignedDuration,
}

impl Default for Options {
    /// One account with one merchant, the machine's clock, deliveries when they are due.
    fn default() -> Self {
        Self {
            port: 0,
            apps: vec![App::simulated(1)],
            merchants: vec![Merchant::simulated(1)],
            sms_accounts: vec![SmsAccount::simulated()],
            buckets: vec![Bucket::simulated()],
            clock: Clock::system(),
            seed: 51,
            deliveries: Deliveries::WhenDue,
            patience: Duration::from_secs(5),
            refunds_take: SignedDuration::from_secs(2),
        }
    }
}

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or no thread can be had.
    #[error("cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// The machine gives no randomness for keys.
    #[error("cannot make keys")]
    Keys,
    /// The client for notices could not be set up.
    #[error("cannot set up the client for notices: {0}")]
    Client(#[from] reqwest::Error),
}

impl From<Unspecified> for StartError {
    fn from(_: Unspecified) -> Self {
        Self::Keys
    }
}

/// A running simulator; dropping it stops it.
pub struct Simulator {
    pub(crate) shared: Arc<Shared>,
    pub(crate) runtime: Handle,
    address: SocketAddr,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Listens on 127.0.0.1, on a thread of its own; returns when it can be reached. Works inside and outside of any runtime.
    ///
    /// # Errors
    /// When the port is taken, or keys or the client cannot be made.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        let address = listener.local_addr()?;
        let client = reqwest::Client::builder()
            .timeout(options.patience)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let deliveries = options.deliveries;
        let shared = Arc::new(Shared {
            clock: options.clock.clone(),
            world: Mutex::new(world(options)?),
            client,
            release: Notify::new(),
        });
        let stop = Arc::new(Notify::new());
        let (ready, started) = mpsc::channel();
        let (inside, stopped) = (Arc::clone(&shared), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("simulator".to_owned()).spawn(move || {
            let system = actix_web::rt::System::new();
            system.block_on(async {
                // Nobody listens when the start has been given up.
                let _ = ready.send(Handle::current());
                run(listener, inside, deliveries, stopped).await;
            });
        })?;
        let runtime = started.recv().map_err(|_| std::io::Error::other("the simulator's thread ended"))?;
        Ok(Self { shared, runtime, address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`: the base URL of the service account, of its browser pages and of WeChat Pay.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The endpoint of the object store, which buckets stand before: `http://localhost:port`.
    #[must_use]
    pub fn oss_url(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// The address of the SMS webhook.
    #[must_use]
    pub fn sms_url(&self) -> String {
        format!("{}/sms", self.url())
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.notify_one();
        self.shared.release.notify_waiters();
        if let Some(thread) = self.thread.take() {
            // A panic over there has been printed already.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Simulator({})", self.address)
    }
}

fn world(options: Options) -> Result<World, Unspecified> {
    let now = options.clock.now();
    let apps = options.apps.into_iter().map(|app| (app.app_id.clone(), AppState::new(app)));
    let merchants = options.merchants.into_iter();
    Ok(World {
        apps: apps.collect(),
        merchants: merchants
            .map(|merchant| Ok((merchant.mch_id.clone(), MerchantState::new(merchant, now)?)))
            .collect::<Result<_, Unspecified>>()?,
        outbox: Outbox::default(),
        sms: Vec::new(),
        sms_service: SmsState::of(options.sms_accounts),
        oss: OssState { buckets: options.buckets, ..OssState::default() },
        scripts: Scripts::default(),
        received: VecDeque::new(),
        chance: Chance::seeded(options.seed),
        refunds_take: options.refunds_take,
        refund_ends: VecDeque::new(),
    })
}

async fn run(listener: TcpListener, shared: Arc<Shared>, deliveries: Deliveries, stop: Arc<Notify>) {
    let data = Data::new(Arc::clone(&shared));
    let server = HttpServer::new(move || {
        HttpApp::new()
            .app_data(web::PayloadConfig::new(BODY_MOST))
            .app_data(data.clone())
            .default_service(web::to(door::answer))
    })
    .on_connect(door::on_connect)
    .workers(1)
    .disable_signals()
    .shutdown_timeout(0)
    .listen(listener);
    let Ok(server) = server else { return };
    let server = server.run();
    let handle = server.handle();
    let serving = actix_web::rt::spawn(server);
    let deliver = async {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            if deliveries == Deliveries::WhenDue {
                shared.deliver_due().await;
            }
        }
    };
    tokio::select! {
        () = deliver => {}
        () = stop.notified() => {}
    }
    handle.stop(false).await;
    // It has been told to end; how it ended changes nothing.
    let _ = serving.await;
}
