//! What the clinic tells its patients about itself.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use storage::records::{Action, TenantRecord};
use storage::{Commit, keys};
use utoipa::ToSchema;

use super::caller::{Admin, Staff, Tenant};
use super::envelope;
use super::error::{ApiError, ErrorCode};
use super::openapi::{Done, Success};
use super::params::Params;
use super::refusals::{MAX_TRIES, Outcome, outcome};
use crate::app::App;
use crate::texts::{self, NAME_LIMIT};

/// Characters of the notice.
const NOTICE_LIMIT: usize = 1_000;

#[derive(Serialize, ToSchema)]
struct ServiceInfo {
    /// 预约须知
    appo_notice: String,
    /// 客服热线
    phone: String,
}

/// What `service_info` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct ServiceInfoRequest {
    /// 预约须知, at most 1,000 characters; without it there is none.
    appo_notice: Option<String>,
    /// 客服热线; without it there is none.
    phone: Option<String>,
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

/// `POST wechat/service_info`: replaces both.
#[utoipa::path(
    post,
    path = "/pati_service/wechat/service_info",
    tag = "管理：科室与医生",
    security(("token" = [])),
    request_body = ServiceInfoRequest,
    responses((status = 200, body = Done)),
)]
pub async fn update(app: web::Data<App>, admin: Admin, params: Params) -> Result<HttpResponse, ApiError> {
    let Admin(staff) = admin;
    let read = |name, label, limit| match params.optional(name, label) {
        Some(param) => param.parse(|text| texts::text(text, limit)),
        None => Ok(String::new()),
    };
    let appo_notice = read("appo_notice", "预约须知", NOTICE_LIMIT)?;
    let phone = read("phone", "客服热线", NAME_LIMIT)?;
    store(&app, staff, &ServiceInfo { appo_notice, phone }).await?;
    Ok(envelope::ok_null())
}

async fn store(app: &App, staff: Staff, info: &ServiceInfo) -> Result<(), ApiError> {
    let key = keys::tenant(staff.tenant);
    for _ in 0..MAX_TRIES {
        let stored = app.storage.get(&key).map_err(ApiError::internal)?.ok_or(ErrorCode::TenantUnknown)?;
        let record = TenantRecord {
            name: stored.record.name.clone(),
            appo_notice: info.appo_notice.clone(),
            phone: info.phone.clone(),
        };
        if record == stored.record {
            return Ok(());
        }
        let mut commit = Commit::new();
        commit.require_version(&key, stored.version).put(&key, &record);
        staff.require_session(app, &mut commit)?;
        staff.audit(app, Action::ServiceInfoChanged, None).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}
