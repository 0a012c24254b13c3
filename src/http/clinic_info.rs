//! What the clinic tells its patients about itself.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use storage::keys;
use utoipa::ToSchema;

use super::caller::Tenant;
use super::envelope;
use super::error::{ApiError, ErrorCode};
use super::openapi::Success;
use crate::app::App;

#[derive(Serialize, ToSchema)]
struct ServiceInfo {
    /// 预约须知
    appo_notice: String,
    /// 客服热线
    phone: String,
}

/// `GET wechat/service_info`: what to know before booking (预约须知), and whom to call (客服热线).
#[utoipa::path(
    get,
    path = "/pati_service/wechat/service_info",
    tag = "就诊人",
    responses((status = 200, body = Success<ServiceInfo>)),
)]
pub async fn show(app: web::Data<App>, tenant: Tenant) -> Result<HttpResponse, ApiError> {
    let stored = app.storage.get(&keys::tenant(tenant.id)).map_err(ApiError::internal)?;
    let clinic = stored.ok_or(ErrorCode::TenantUnknown)?.record;
    Ok(envelope::ok(ServiceInfo { appo_notice: clinic.appo_notice, phone: clinic.phone }))
}
