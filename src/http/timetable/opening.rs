//! When schedules are released (放号): how many days before their date, and at which time.

use actix_web::{HttpResponse, web};
use domain::{DepartmentId, Policy, TenantId, TimeOfDay};
use serde::Serialize;
use storage::records::{Action, OpeningRecord};
use storage::{Commit, Version, keys};
use utoipa::ToSchema;

use super::saving::require_department;
use crate::app::App;
use crate::http::caller::{Admin, Staff};
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::{Done, Success};
use crate::http::params::Params;
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};

/// As in the settings.
const HORIZON_DAYS: std::ops::RangeInclusive<i64> = 1..=180;

/// What `opening` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct OpeningRequest {
    /// Without one it is said of the whole clinic.
    department_id: Option<String>,
    /// How many days before its date a schedule is released; without it as for the clinic, or as in the settings.
    #[schema(minimum = 1, maximum = 180)]
    horizon_days: Option<u16>,
    /// HH:mm, at which it is released; without it as for the clinic, or as in the settings.
    release_time: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Opening {
    department_id: Option<String>,
    /// What was set here; null where nothing was.
    horizon_days: Option<u16>,
    /// HH:mm
    release_time: Option<String>,
    /// What holds.
    effective_horizon_days: u16,
    /// HH:mm
    effective_release_time: String,
}

/// `GET manager_service/opening`: when the schedules of the clinic, or of a department, are released.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/opening",
    tag = "管理：排班",
    security(("token" = [])),
    params(("department_id" = Option<String>, Query, description = "Without one the whole clinic")),
    responses((status = 200, body = Success<Opening>)),
)]
pub async fn show(app: web::Data<App>, staff: Staff, params: Params) -> Result<HttpResponse, ApiError> {
    let department = read_department(&app, staff.tenant, &params)?;
    let stored = app.storage.get(&keys::opening(staff.tenant, department)).map_err(ApiError::internal)?;
    let set = stored.map(|stored| stored.record).unwrap_or_default();
    let policy = app.directory.openings().policy_for(staff.tenant, department).map_err(ApiError::internal)?;
    let Policy { horizon_days, release_time, .. } = *policy;
    Ok(envelope::ok(Opening {
        department_id: department.map(|department| department.to_string()),
        horizon_days: set.horizon_days,
        release_time: set.release_time.map(|time| time.to_string()),
        effective_horizon_days: horizon_days,
        effective_release_time: release_time.to_string(),
    }))
}

/// `POST manager_service/opening`: sets when schedules are released, from now on. What is left out goes back to what
/// holds for the clinic, or stands in the settings.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/opening",
    tag = "管理：排班",
    security(("token" = [])),
    request_body = OpeningRequest,
    responses((status = 200, body = Done)),
)]
pub async fn set(app: web::Data<App>, Admin(staff): Admin, params: Params) -> Result<HttpResponse, ApiError> {
    let horizon_days = match params.optional("horizon_days", "放号天数") {
        Some(param) => u16::try_from(param.integer(HORIZON_DAYS)?).ok(),
        None => None,
    };
    let release_time = match params.optional("release_time", "放号时间") {
        Some(param) => Some(param.parse(TimeOfDay::parse)?),
        None => None,
    };
    let department = read_department(&app, staff.tenant, &params)?;
    store(&app, staff, department, OpeningRecord { horizon_days, release_time }).await?;
    Ok(envelope::ok_null())
}

async fn store(
    app: &App,
    staff: Staff,
    department: Option<DepartmentId>,
    told: OpeningRecord,
) -> Result<(), ApiError> {
    let key = keys::opening(staff.tenant, department);
    for _ in 0..MAX_TRIES {
        let stored = app.storage.get(&key).map_err(ApiError::internal)?;
        let (version, before) = match stored {
            Some(stored) => (stored.version, stored.record),
            None => (Version::ABSENT, OpeningRecord::default()),
        };
        if before == told {
            return Ok(());
        }
        let mut commit = Commit::new();
        staff.require_session(app, &mut commit)?;
        commit.require_version(&key, version);
        if told == OpeningRecord::default() {
            commit.delete(&key);
        } else {
            commit.put(&key, &told);
        }
        staff.audit(app, Action::OpeningChanged, None).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

fn read_department(app: &App, tenant: TenantId, params: &Params) -> Result<Option<DepartmentId>, ApiError> {
    let Some(param) = params.optional("department_id", "科室") else { return Ok(None) };
    let department = param.parse(DepartmentId::parse)?;
    require_department(app, tenant, department)?;
    Ok(Some(department))
}
