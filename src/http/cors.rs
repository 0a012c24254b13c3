//! Which web pages of other origins may call the API: those of `server.cors_origins`, by their exact origin.

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::middleware::Condition;

use crate::settings::WebOrigin;

/// What pages may send; the contract's headers and what browsers ask leave for.
const REQUEST_HEADERS: [&str; 10] = [
    "token",
    "tenantId",
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "userid",
    "depaid",
    "station",
    "os",
    "device",
];

/// What pages may read besides the body.
const REPLY_HEADERS: [&str; 2] = ["X-Request-Id", "Retry-After"];

/// For how long a browser need not ask again.
const MAX_AGE_SECONDS: usize = 3600;

/// Lets pages of these origins call the API; without any it does nothing. No cookies are used, so that no page gets
/// to send credentials of its own accord.
pub fn allow(origins: &[WebOrigin]) -> Condition<Cors> {
    let cors = Cors::default()
        .allowed_methods([Method::GET, Method::POST])
        .allowed_headers(REQUEST_HEADERS)
        .expose_headers(REPLY_HEADERS)
        .max_age(MAX_AGE_SECONDS);
    let cors = origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin.as_str()));
    Condition::new(!origins.is_empty(), cors)
}
