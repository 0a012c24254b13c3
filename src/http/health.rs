//! What monitors ask: whether the process lives, and whether it can do its work. Neither needs a tenant or a token.

use actix_web::{HttpResponse, web};
use storage::Writable;

use super::envelope;
use super::error::{ApiError, ErrorCode};
use super::openapi::Done;
use crate::app::App;

/// `GET /health`: the process answers. It never looks at anything that could fail.
#[utoipa::path(get, path = "/health", tag = "运维", responses((status = 200, body = Done)))]
pub async fn health() -> HttpResponse {
    envelope::ok_null()
}

/// `GET /metrics`: everything a monitor may want to know, in the text format of OpenMetrics.
pub async fn metrics(app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let rendered = app.metrics.render(&app).map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(rendered))
}

/// `GET /ready`: bookings can be written; otherwise 503 with the reason that patients get as well.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "运维",
    responses((status = 200, body = Done), (status = 503, description = "not now, and why")),
)]
pub async fn ready(app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    if app.draining.has_begun() {
        return Err(ErrorCode::ShuttingDown.into());
    }
    match app.storage.status().writable {
        Writable::Yes => Ok(envelope::ok_null()),
        Writable::NoSpace => Err(ErrorCode::ReadOnly.into()),
        Writable::Failed | Writable::Closed => Err(ErrorCode::ShuttingDown.into()),
    }
}
