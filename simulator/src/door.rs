//! The listener: which endpoint a request is for, what its script says, and the bytes of the answer.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::BodyStream;
use actix_web::dev::Extensions;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;

use crate::aliyun;
use crate::http::{Call, Reply};
use crate::mp::Errcode;
use crate::page;
use crate::scripts::{Answer, Endpoint};
use crate::world::Shared;

const GARBAGE: &str = "<html><head><title>502 Bad Gateway</title></head><body>\u{FFFD}\u{0001}{\"errcode\":";

/// Where a request leads.
enum Target {
    Endpoint(Endpoint),
    Page,
    /// A path that is known, asked with another method.
    WrongMethod,
    Nowhere,
}

fn target(method: &str, path: &str) -> Target {
    let pay = |wanted: &str, endpoint| {
        if method == wanted { Target::Endpoint(endpoint) } else { Target::WrongMethod }
    };
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        ["cgi-bin", "token"] => Target::Endpoint(Endpoint::Token),
        ["cgi-bin", "stable_token"] => Target::Endpoint(Endpoint::StableToken),
        ["cgi-bin", "ticket", "getticket"] => Target::Endpoint(Endpoint::Ticket),
        ["connect", "oauth2", "authorize"] => Target::Endpoint(Endpoint::Authorize),
        ["sns", "oauth2", "access_token"] => Target::Endpoint(Endpoint::OauthToken),
        ["cgi-bin", "template", "get_all_private_template"] => Target::Endpoint(Endpoint::Templates),
        ["cgi-bin", "message", "template", "send"] => Target::Endpoint(Endpoint::TemplateSend),
        ["v3", "pay", "transactions", "jsapi"] => pay("POST", Endpoint::PayOrder),
        ["v3", "pay", "transactions", "out-trade-no" | "id", _] => pay("GET", Endpoint::PayQuery),
        ["v3", "pay", "transactions", "out-trade-no", _, "close"] => pay("POST", Endpoint::PayClose),
        ["v3", "refund", "domestic", "refunds"] => pay("POST", Endpoint::Refund),
        ["v3", "refund", "domestic", "refunds", _] => pay("GET", Endpoint::RefundQuery),
        ["v3", "certificates"] => pay("GET", Endpoint::Certificates),
        ["sms"] => Target::Endpoint(Endpoint::Sms),
        ["" | "pay" | "refuse" | "follow"] => Target::Page,
        _ => Target::Nowhere,
    }
}

/// The connection's socket, so that it can be reset.
struct Socket(OwnedFd);

/// Keeps the socket of a new connection at hand.
pub(crate) fn on_connect(connection: &dyn std::any::Any, extensions: &mut Extensions) {
    if let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>()
        && let Ok(socket) = stream.as_fd().try_clone_to_owned()
    {
        extensions.insert(Socket(socket));
    }
}

/// Answers any request.
pub(crate) async fn answer(request: HttpRequest, body: Bytes, shared: Data<Arc<Shared>>) -> HttpResponse {
    let headers = request.headers().iter();
    let call = Call {
        method: request.method().as_str().to_owned(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        headers: headers
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect::<BTreeMap<_, _>>(),
        body: body.to_vec(),
        now: shared.clock.now(),
    };
    let is_bucket = call.header("host").is_some_and(|host| shared.world.lock().oss.bucket_of(host).is_some());
    let target = if is_bucket {
        Target::Endpoint(Endpoint::Oss)
    } else if aliyun::is_call(&call) {
        Target::Endpoint(Endpoint::AliyunSms)
    } else {
        target(&call.method, &call.path)
    };
    match target {
        Target::Endpoint(endpoint) => match scripted(endpoint, &call, &shared).await {
            Some(reply) => response(reply),
            None => reset(&request),
        },
        Target::Page => response(page::answer(&call, &mut shared.world.lock())),
        Target::WrongMethod => response(Reply::empty(405)),
        Target::Nowhere => response(Reply::empty(404)),
    }
}

/// What the endpoint answers, by its script or of itself; nothing when the connection is to be reset.
async fn scripted(endpoint: Endpoint, call: &Call, shared: &Shared) -> Option<Reply> {
    let script = shared.world.lock().scripts.call(endpoint);
    let instead = match &script {
        Some(Answer::Errcode(code, message)) => {
            let error = Errcode::new(*code, message.clone());
            Some(shared.world.lock().mp_reply(Err(error)))
        }
        Some(Answer::Http(status, body)) => Some(Reply::raw(*status, body)),
        Some(Answer::Garbage) => Some(Reply::raw(200, GARBAGE)),
        Some(Answer::Hang) => {
            shared.world.lock().remember(endpoint, call, None);
            shared.release.notified().await;
            return None;
        }
        Some(Answer::Reset) => {
            shared.world.lock().remember(endpoint, call, None);
            return None;
        }
        Some(Answer::Delay(time)) => {
            wait(*time).await;
            None
        }
        Some(
            Answer::DoneThenReset
            | Answer::DoneThenHang
            | Answer::WrongSignature
            | Answer::ProbeSignature
            | Answer::Unsigned
            | Answer::StaleSignature,
        )
        | None => None,
    };
    let lost = matches!(script, Some(Answer::DoneThenReset | Answer::DoneThenHang));
    let reply = {
        let mut world = shared.world.lock();
        let reply = instead.unwrap_or_else(|| world.answer(endpoint, call, script.as_ref()));
        world.remember(endpoint, call, Some(&reply).filter(|_| !lost));
        reply
    };
    if script == Some(Answer::DoneThenHang) {
        shared.release.notified().await;
    }
    if lost { None } else { Some(reply) }
}

async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}

fn response(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in reply.headers {
        response.insert_header((name, value));
    }
    response.body(reply.body)
}

/// Ends the connection with a reset: the body fails, and the socket does not linger.
fn reset(request: &HttpRequest) -> HttpResponse {
    if let Some(Socket(socket)) = request.conn_data::<Socket>() {
        // Where it fails the connection is still closed without an answer.
        let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
    }
    let broken = stream::once(async { Err::<Bytes, _>(std::io::Error::other("reset by script")) });
    HttpResponse::Ok().body(BodyStream::new(broken))
}
