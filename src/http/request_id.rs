//! The edge around all routes: request ids, the headers of every reply, the envelope around failures that are not
//! ours, and the access log.

use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::{Error, HttpMessage, HttpResponse};
use tracing::Level;

use super::envelope::SUCCESS;
use super::error::{ApiError, ErrorCode};

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The number of a request: 16 hex digits, unique within a run of the server and unlikely to repeat in another.
///
/// Handlers find it in the extensions of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// With which HTTP status an enveloped failure is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureStatus {
    /// With the one of the table.
    OfTheTable,
    /// With 200, for clients that look at the envelope only (`server.errors_as_200`).
    Always200,
}

/// The edge; wrap the whole `App` in a clone of the one that was made at start.
#[derive(Clone, Debug)]
pub struct Edge {
    ids: Arc<RequestIds>,
    failure_status: FailureStatus,
}

#[derive(Debug)]
struct RequestIds {
    /// Tells the ids of this run from those of other runs.
    prefix: u32,
    next: AtomicU32,
}

impl Edge {
    /// `prefix` is random and new at every start.
    pub fn new(prefix: u32, failure_status: FailureStatus) -> Self {
        let ids = RequestIds {
            prefix,
            next: AtomicU32::new(1),
        };
        Self {
            ids: Arc::new(ids),
            failure_status,
        }
    }

    fn next_id(&self) -> RequestId {
        let number = self.ids.next.fetch_add(1, Ordering::Relaxed);
        RequestId(u64::from(self.ids.prefix) << 32 | u64::from(number))
    }

    /// Puts failures into the envelope, and the headers on every reply.
    fn finish<B>(&self, response: ServiceResponse<B>, id: RequestId) -> Finished<B> {
        let judgement = judge(&response, id);
        let mut response = match judgement.replacement {
            Some(enveloped) => response.into_response(enveloped.map_into_right_body()),
            None => response.map_into_left_body(),
        };
        let outcome = Outcome {
            http: response.status(),
            failure: judgement.failure,
        };
        if outcome.failure.is_some() && self.failure_status == FailureStatus::Always200 {
            *response.response_mut().status_mut() = StatusCode::OK;
        }
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
            headers.insert(X_REQUEST_ID.clone(), value);
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if !headers.contains_key(CACHE_CONTROL) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        Finished { response, outcome }
    }
}

struct Finished<B> {
    response: ServiceResponse<EitherBody<B, BoxBody>>,
    outcome: Outcome,
}

/// What the access log tells of a reply.
struct Outcome {
    /// Before `errors_as_200`.
    http: StatusCode,
    failure: Option<ErrorCode>,
}

struct Judgement {
    failure: Option<ErrorCode>,
    /// What is answered instead of what the route answered.
    replacement: Option<HttpResponse>,
}

/// Tells successes, our failures and those of actix itself apart.
fn judge<B>(response: &ServiceResponse<B>, id: RequestId) -> Judgement {
    let error = response.response().error();
    if let Some(ours) = error.and_then(|error| error.as_error::<ApiError>()) {
        let is_our_fault = ours.code() == ErrorCode::Internal;
        if is_our_fault {
            log_cause(response, ours.cause().map(Chain), id);
        }
        return Judgement {
            failure: Some(ours.code()),
            // A 0099 tells the request id, which its maker did not know.
            replacement: is_our_fault.then(|| ours.response(&id.to_string())),
        };
    }
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return Judgement {
            failure: None,
            replacement: None,
        };
    }
    let code = ErrorCode::of_http(status);
    if code == ErrorCode::Internal {
        log_cause(response, error, id);
    }
    Judgement {
        failure: Some(code),
        replacement: Some(ApiError::from(code).response(&id.to_string())),
    }
}

/// Our own faults are handled, and therefore logged, here and nowhere else.
fn log_cause<B>(response: &ServiceResponse<B>, cause: Option<impl fmt::Display>, id: RequestId) {
    let cause = cause.map(|cause| cause.to_string()).unwrap_or_default();
    let route = route_of(response);
    tracing::error!(request_id = %id, route, cause, "request failed");
}

/// The pattern of the route: a path may hold ids.
fn route_of<B>(response: &ServiceResponse<B>) -> String {
    response.request().match_pattern().unwrap_or_default()
}

/// An error and what it was caused by.
struct Chain<'e>(&'e (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// One line for a request. Only what is broken shows by default: refusals, and 503 under overload, are ordinary and
/// may come by the thousand.
fn log_access<B>(finished: &Finished<B>, id: RequestId, started: Instant) {
    let status = finished.outcome.http;
    let is_broken = status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE;
    if !is_broken && !tracing::enabled!(Level::DEBUG) {
        return;
    }
    let route = route_of(&finished.response);
    let method = finished.response.request().method().as_str();
    let status = status.as_u16();
    let code = finished
        .outcome
        .failure
        .map_or(SUCCESS, |code| code.row().status);
    let latency_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    if is_broken {
        tracing::info!(request_id = %id, method, route, status, code, latency_us, "request");
    } else {
        tracing::debug!(request_id = %id, method, route, status, code, latency_us, "request");
    }
}

impl<S, B> Transform<S, ServiceRequest> for Edge
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B, BoxBody>>;
    type Error = Error;
    type InitError = ();
    type Transform = EdgeService<S>;
    type Future = Ready<Result<EdgeService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(EdgeService {
            inner,
            edge: Rc::new(self.clone()),
        }))
    }
}

/// The edge around the routes of one worker.
#[derive(Debug)]
pub struct EdgeService<S> {
    inner: S,
    edge: Rc<Edge>,
}

impl<S, B> Service<ServiceRequest> for EdgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B, BoxBody>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let started = Instant::now();
        let id = self.edge.next_id();
        request.extensions_mut().insert(id);
        let edge = Rc::clone(&self.edge);
        let reply = self.inner.call(request);
        Box::pin(async move {
            let finished = edge.finish(reply.await?, id);
            log_access(&finished, id, started);
            Ok(finished.response)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use actix_web::http::header::HeaderMap;
    use actix_web::{App, test as serving, web};

    use super::super::envelope;
    use super::*;

    async fn fails() -> Result<HttpResponse, ApiError> {
        Err(ApiError::internal("the disk is on fire"))
    }

    async fn refuses() -> Result<HttpResponse, ApiError> {
        Err(ErrorCode::SlotTaken.into())
    }

    async fn fails_foreign() -> Result<HttpResponse, Error> {
        Err(actix_web::error::ErrorInternalServerError(
            "phone 13800000001",
        ))
    }

    async fn id_of(request: actix_web::HttpRequest) -> HttpResponse {
        let id = request.extensions().get::<RequestId>().copied();
        envelope::ok(id.expect("given by the edge").to_string())
    }

    struct Reply {
        http: StatusCode,
        headers: HeaderMap,
        body: serde_json::Value,
    }

    async fn reply(failure_status: FailureStatus, request: serving::TestRequest) -> Reply {
        let app = App::new()
            .wrap(Edge::new(0x00c0_ffee, failure_status))
            .route("/fails", web::get().to(fails))
            .route("/fails_foreign", web::get().to(fails_foreign))
            .route("/refuses", web::get().to(refuses))
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
        reply(
            FailureStatus::OfTheTable,
            serving::TestRequest::get().uri(path),
        )
        .await
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
        assert_eq!(
            reply.headers.get("x-request-id").expect("there"),
            "00c0ffee00000001"
        );
    }

    #[actix_web::test]
    async fn our_fault_tells_the_id_and_nothing_else() {
        for path in ["/fails", "/fails_foreign"] {
            let reply = get(path).await;
            assert_eq!(reply.http, StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(reply.body["status"], "0099");
            let message = reply.body["message"].as_str().expect("a sentence");
            assert!(message.contains("00c0ffee00000001"), "{message}");
            assert!(
                !message.contains("fire") && !message.contains("138"),
                "{message}"
            );
        }
    }

    #[actix_web::test]
    async fn failures_of_actix_are_enveloped() {
        let unknown = get("/nowhere").await;
        assert_eq!(unknown.http, StatusCode::NOT_FOUND);
        assert_eq!(unknown.body["status"], "0404");
        let wrong_method = reply(
            FailureStatus::OfTheTable,
            serving::TestRequest::post().uri("/id"),
        )
        .await;
        assert_eq!(wrong_method.http, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(wrong_method.body["status"], "0405");
        assert!(wrong_method.body["data"].is_null());
    }

    #[actix_web::test]
    async fn failures_may_be_answered_with_200() {
        for (path, status) in [
            ("/refuses", "401004"),
            ("/fails", "0099"),
            ("/nowhere", "0404"),
            ("/null", "000"),
        ] {
            let request = serving::TestRequest::get().uri(path);
            let reply = reply(FailureStatus::Always200, request).await;
            assert_eq!(reply.http, StatusCode::OK, "{path}");
            assert_eq!(reply.body["status"], status, "{path}");
        }
        assert_eq!(get("/refuses").await.http, StatusCode::CONFLICT);
    }

    #[actix_web::test]
    async fn ids_do_not_repeat_across_clones() {
        let edge = Edge::new(7, FailureStatus::OfTheTable);
        let other = edge.clone();
        let ids: HashSet<String> = (0..100)
            .flat_map(|_| [edge.next_id(), other.next_id()])
            .map(|id| id.to_string())
            .collect();
        assert_eq!(ids.len(), 200);
        assert!(ids.iter().all(|id| id.len() == 16));
    }

    #[test]
    fn causes_are_told_to_the_root() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot open the data folder")]
        struct Outer(#[source] std::io::Error);
        let error = Outer(std::io::Error::other("no space"));
        assert_eq!(
            Chain(&error).to_string(),
            "cannot open the data folder: no space"
        );
    }
}
