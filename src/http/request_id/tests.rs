//! What the edge does to replies, and what it logs.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::{Mutex, OnceLock, PoisonError};

use actix_web::http::header::HeaderMap;
use actix_web::{App, test as serving, web};

use super::*;
use crate::http::envelope;

async fn fails() -> Result<HttpResponse, ApiError> {
    Err(ApiError::internal("the disk is on fire"))
}

async fn refuses() -> Result<HttpResponse, ApiError> {
    Err(ErrorCode::SlotTaken.into())
}

async fn fails_foreign() -> Result<HttpResponse, Error> {
    Err(actix_web::error::ErrorInternalServerError("phone 13800000001"))
}

async fn id_of(request: actix_web::HttpRequest) -> HttpResponse {
    let id = request.extensions().get::<RequestId>().copied();
    envelope::ok(id.expect("given by the edge").to_string())
}

async fn fails_in_xml() -> HttpResponse {
    let mut reply = HttpResponse::Forbidden().body("\"<Error/>\"");
    reply.extensions_mut().insert(Unenveloped { code: "AccessDenied" });
    reply
}

struct Reply {
    http: StatusCode,
    headers: HeaderMap,
    body: serde_json::Value,
}

async fn reply(failure_status: FailureStatus, request: serving::TestRequest) -> Reply {
    let app = App::new()
        .wrap(Edge::new(0x00c0_ffee, failure_status, Arc::default()))
        .route("/fails", web::get().to(fails))
        .route("/fails_foreign", web::get().to(fails_foreign))
        .route("/refuses", web::get().to(refuses))
        .route("/fails_in_xml", web::get().to(fails_in_xml))
        .service(web::resource("/id").route(web::get().to(id_of)))
        .route("/null", web::get().to(async || envelope::ok_null()));
    let app = serving::init_service(app).await;
    let response = serving::call_service(&app, request.to_request()).await;
    Reply {
        http: response.status(),
        headers: response.headers().clone(),
        body: serving::read_body_json(response).await,
    }
}

async fn get(path: &str) -> Reply {
    reply(FailureStatus::OfTheTable, serving::TestRequest::get().uri(path)).await
}

#[actix_web::test]
async fn every_reply_carries_the_headers() {
    for path in ["/null", "/refuses", "/fails", "/nowhere"] {
        let headers = get(path).await.headers;
        let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(value("x-request-id"), Some("00c0ffee00000001"), "{path}");
        assert_eq!(value("cache-control"), Some("no-store"), "{path}");
        assert_eq!(value("x-content-type-options"), Some("nosniff"), "{path}");
    }
}

#[actix_web::test]
async fn a_handler_finds_the_id_that_the_reply_carries() {
    let reply = get("/id").await;
    assert_eq!(reply.body["data"], "00c0ffee00000001");
    assert_eq!(reply.headers.get("x-request-id").expect("there"), "00c0ffee00000001");
}

#[actix_web::test]
async fn our_fault_tells_the_id_and_nothing_else() {
    for path in ["/fails", "/fails_foreign"] {
        let reply = get(path).await;
        assert_eq!(reply.http, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(reply.body["status"], "0099");
        let message = reply.body["message"].as_str().expect("a sentence");
        assert!(message.contains("00c0ffee00000001"), "{message}");
        assert!(!message.contains("fire") && !message.contains("138"), "{message}");
    }
}

#[actix_web::test]
async fn failures_of_actix_are_enveloped() {
    let unknown = get("/nowhere").await;
    assert_eq!(unknown.http, StatusCode::NOT_FOUND);
    assert_eq!(unknown.body["status"], "0404");
    let wrong_method = reply(FailureStatus::OfTheTable, serving::TestRequest::post().uri("/id")).await;
    assert_eq!(wrong_method.http, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong_method.body["status"], "0405");
    assert!(wrong_method.body["data"].is_null());
}

/// Seen to fail when the mark on the reply was not looked at.
#[actix_web::test]
async fn a_failure_of_another_protocol_stays_as_it_is() {
    for failure_status in [FailureStatus::OfTheTable, FailureStatus::Always200] {
        let reply = reply(failure_status, serving::TestRequest::get().uri("/fails_in_xml")).await;
        assert_eq!(reply.http, StatusCode::FORBIDDEN);
        assert_eq!(reply.body, "<Error/>");
        assert_eq!(reply.headers.get("x-request-id").expect("there"), "00c0ffee00000001");
    }
}

#[actix_web::test]
async fn failures_may_be_answered_with_200() {
    for (path, status) in [("/refuses", "401004"), ("/fails", "0099"), ("/nowhere", "0404"), ("/null", "000")]
    {
        let request = serving::TestRequest::get().uri(path);
        let reply = reply(FailureStatus::Always200, request).await;
        assert_eq!(reply.http, StatusCode::OK, "{path}");
        assert_eq!(reply.body["status"], status, "{path}");
    }
    assert_eq!(get("/refuses").await.http, StatusCode::CONFLICT);
}

#[actix_web::test]
async fn ids_do_not_repeat_across_clones() {
    let edge = Edge::new(7, FailureStatus::OfTheTable, Arc::default());
    let other = edge.clone();
    let ids: HashSet<String> =
        (0..100).flat_map(|_| [edge.next_id(), other.next_id()]).map(|id| id.to_string()).collect();
    assert_eq!(ids.len(), 200);
    assert!(ids.iter().all(|id| id.len() == 16));
}

#[test]
fn causes_are_told_to_the_root() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot open the data folder")]
    struct Outer(#[source] io::Error);
    let error = Outer(io::Error::other("no space"));
    assert_eq!(Chain(&error).to_string(), "cannot open the data folder: no space");
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// What all tests of this process log. Set once and for all threads: a subscriber of one thread's own
/// may miss what another thread has met before.
fn logged() -> &'static Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(Level::DEBUG)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("nothing else sets one");
        lines
    })
}

/// The planted bug: the path of the request in place of the pattern of its route.
#[actix_web::test]
async fn the_log_names_the_route_and_not_what_was_asked() {
    let lines = logged();
    let app = App::new()
        .wrap(Edge::new(0x0a11_7e57, FailureStatus::OfTheTable, Arc::default()))
        .route("/book/{bookId}", web::get().to(refuses))
        .route("/broken/{bookId}", web::get().to(fails));
    let app = serving::init_service(app).await;
    for path in ["/book/13800000001?phone=13800000001", "/broken/13800000001"] {
        let request = serving::TestRequest::get().uri(path).to_request();
        serving::call_service(&app, request).await;
    }

    let text = lines.text();
    let text: Vec<_> = text.lines().filter(|line| line.contains("0a117e57")).collect();
    let text = text.join("\n");
    for expected in [
        r#""route":"/book/{bookId}""#,
        r#""code":"401004""#,
        r#""request_id":"0a117e5700000001""#,
        r#""latency_us":"#,
        r#""cause":"the disk is on fire""#,
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(!text.contains("138"), "{text}");
}
