//! The edge around all routes: request ids, the headers of every reply, the envelope around failures that are not
//! ours, compression, and the access log.

use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, HeaderMap, HeaderName,
    HeaderValue, VARY,
};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::{Error, HttpMessage, HttpResponse, web};
use futures_util::FutureExt;
use tracing::Level;

use super::compression::{self, Gzip};
use super::connections::{Sending, UnderWay};
use super::envelope::SUCCESS;
use super::error::{ApiError, ErrorCode};
use super::routes::Pattern;
use super::security::{self, ContentPolicy, Transport};
use crate::app::{App, Draining};
use crate::metrics::NO_ROUTE;

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

/// Among the extensions of a reply: it is a failure in the format of another protocol, and stays as it is.
#[derive(Clone, Copy, Debug)]
pub struct Unenveloped {
    /// The code of the failure in that protocol, for the access log.
    pub code: &'static str,
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
    transport: Transport,
    draining: Arc<Draining>,
}

#[derive(Debug)]
struct RequestIds {
    /// Tells the ids of this run from those of other runs.
    prefix: u32,
    next: AtomicU32,
}

impl Edge {
    /// `prefix` is random and new at every start.
    pub fn new(prefix: u32, failure_status: FailureStatus, draining: Arc<Draining>) -> Self {
        let ids = RequestIds { prefix, next: AtomicU32::new(1) };
        Self { ids: Arc::new(ids), failure_status, transport: Transport::Any, draining }
    }

    /// The same for a server that is reached by `transport`.
    #[must_use]
    pub fn over(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    fn next_id(&self) -> RequestId {
        let number = self.ids.next.fetch_add(1, Ordering::Relaxed);
        RequestId(u64::from(self.ids.prefix) << 32 | u64::from(number))
    }

    /// Puts failures into the envelope, and the headers on every reply.
    fn finish<B>(&self, response: ServiceResponse<B>, id: RequestId, under_way: &UnderWay) -> Finished<B> {
        let judgement = judge(&response, id);
        let mut response = match judgement.replacement {
            Some(mut enveloped) => {
                keep_cors(response.headers(), enveloped.headers_mut());
                response.into_response(enveloped.map_into_right_body())
            }
            None => response.map_into_left_body(),
        };
        let outcome = Outcome { http: response.status(), failure: judgement.failure };
        if outcome.failure.is_some() && self.failure_status == FailureStatus::Always200 {
            *response.response_mut().status_mut() = StatusCode::OK;
        }
        if self.draining.has_begun() || under_way.is_last() {
            response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        }
        let policy = ContentPolicy::of(response.request().path());
        protect(response.headers_mut(), id, policy, self.transport);
        Finished { response, outcome }
    }

    /// The reply to a request whose handler panicked. The request is gone, so that it is neither counted nor in the
    /// access log; the panic itself is logged where it happened.
    fn after_panic(&self, id: RequestId, policy: ContentPolicy) -> Error {
        tracing::error!(request_id = %id, cause = "a panic", "request failed");
        let mut response = ApiError::from(ErrorCode::Internal).response(&id.to_string());
        if self.failure_status == FailureStatus::Always200 {
            *response.status_mut() = StatusCode::OK;
        }
        protect(response.headers_mut(), id, policy, self.transport);
        InternalError::from_response("a panic", response).into()
    }
}

/// What every reply carries.
fn protect(headers: &mut HeaderMap, id: RequestId, policy: ContentPolicy, transport: Transport) {
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(X_REQUEST_ID.clone(), value);
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    security::protect(headers, policy, transport);
}

/// A page of another origin may read that it was refused, and why.
fn keep_cors(from: &HeaderMap, to: &mut HeaderMap) {
    for name in [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, VARY] {
        if let Some(value) = from.get(&name) {
            to.insert(name, value.clone());
        }
    }
}

struct Finished<B> {
    response: ServiceResponse<EitherBody<B, BoxBody>>,
    outcome: Outcome,
}

impl<B> Finished<B> {
    /// How it ended, for log and metrics: the status of the envelope, or the code of another protocol.
    fn code(&self) -> &'static str {
        let foreign = self.response.response().extensions().get::<Unenveloped>().map(|foreign| foreign.code);
        let ours = self.outcome.failure.map(|code| code.row().status);
        foreign.or(ours).unwrap_or(SUCCESS)
    }
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
    if response.response().extensions().get::<Unenveloped>().is_some() {
        return Judgement { failure: None, replacement: None };
    }
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
        return Judgement { failure: None, replacement: None };
    }
    let code = ErrorCode::of_http(status);
    if code == ErrorCode::Internal {
        log_cause(response, error, id);
    }
    Judgement { failure: Some(code), replacement: Some(ApiError::from(code).response(&id.to_string())) }
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

/// Counts the request for whoever monitors the server.
fn count<B>(finished: &Finished<B>, started: Instant) {
    let request = finished.response.request();
    let Some(app) = request.app_data::<web::Data<App>>() else { return };
    let route = request.app_data::<Pattern>().map_or(NO_ROUTE, |pattern| pattern.0);
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        _ => "other",
    };
    app.metrics.request(method, route, finished.code(), started.elapsed());
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
    let code = finished.code();
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
    type Response = ServiceResponse<Sending>;
    type Error = Error;
    type InitError = ();
    type Transform = EdgeService<S>;
    type Future = Ready<Result<EdgeService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(EdgeService { inner, edge: Rc::new(self.clone()) }))
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
    type Response = ServiceResponse<Sending>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let started = Instant::now();
        let id = self.edge.next_id();
        request.extensions_mut().insert(id);
        let gzip = Gzip::of(request.headers());
        let edge = Rc::clone(&self.edge);
        let taken = edge.draining.take();
        let under_way = UnderWay::begin(&request);
        let policy = ContentPolicy::of(request.path());
        let reply = self.inner.call(request);
        Box::pin(async move {
            let _taken = taken;
            // What a panic leaves half done belongs to this request alone: what is shared is changed by actors and storage.
            let reply = AssertUnwindSafe(reply).catch_unwind().await;
            let reply = reply.map_err(|_| edge.after_panic(id, policy))??;
            let finished = edge.finish(reply, id, &under_way);
            count(&finished, started);
            log_access(&finished, id, started);
            Ok(under_way.until_sent(compression::compress(finished.response, gzip).await))
        })
    }
}

#[cfg(test)]
mod tests;
