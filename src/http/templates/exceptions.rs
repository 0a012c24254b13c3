//! Days that differ from the templates: holidays (放假), and days that are worked as another day of the week (调休).
//!
//! For the same people a day takes one pattern. Whoever saves one writes the clinic's record as well, as it is, so that of
//! two at the same time one sees the other.

use actix_web::{HttpResponse, web};
use domain::{Date, DayChange, DayException, DepartmentId, DoctorId, ExceptionId, Scope, TenantId};
use serde::Serialize;
use storage::records::{Action, DayExceptionRecord};
use storage::{Commit, Scan, Sequence, Stored, Version, keys};
use utoipa::ToSchema;

use super::read_weekday;
use crate::app::App;
use crate::http::caller::{Desk, Staff};
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::{Done, Success};
use crate::http::paging::{Page, PageRequest, SnakePage, SnakePageQuery};
use crate::http::params::Params;
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};

/// Exceptions that a clinic may have.
const MAX_EXCEPTIONS: usize = 2_000;

/// Days of one holiday.
const MAX_DAYS: i32 = 366;

#[derive(Serialize, ToSchema)]
struct ExceptionRow {
    exception_id: String,
    /// Null, as the doctor is, where it is for the whole clinic.
    department_id: Option<String>,
    department_name: Option<String>,
    doctor_id: Option<String>,
    doctor_name: Option<String>,
    from: String,
    to: String,
    /// The day of the week whose pattern the day takes; null for a holiday.
    like_weekday: Option<u8>,
}

/// What `exception` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct ExceptionRequest {
    /// Without one an exception is added.
    exception_id: Option<String>,
    /// 科室ID, for one department; without it and without a doctor it is for the whole clinic.
    department_id: Option<String>,
    /// 医生ID, for one doctor; not together with a department.
    doctor_id: Option<String>,
    /// yyyy-MM-dd
    from: String,
    /// yyyy-MM-dd, the last day; without one it is one day. At most 366 days.
    to: Option<String>,
    /// 1 星期一 to 7 星期日: the day takes the pattern of this day (调休), for one day only. Without it, it is a holiday (放假).
    like_weekday: Option<u8>,
}

/// What `exception/del` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct ExceptionDeletionRequest {
    exception_id: String,
}

#[derive(Serialize, ToSchema)]
struct SavedException {
    exception_id: String,
}

/// `GET manager_service/exceptions`: the days that differ, the earliest first; those that are over too.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/exceptions",
    tag = "管理：排班",
    security(("token" = [])),
    params(SnakePageQuery),
    responses((status = 200, body = Success<SnakePage<ExceptionRow>>)),
)]
pub async fn list(app: web::Data<App>, desk: Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let Desk(staff) = desk;
    let page = PageRequest::read_snake(&params)?;
    let mut all = read_all(&app, staff.tenant).await?;
    all.sort_by_key(|(id, stored)| (stored.record.0.first(), *id));
    let total = all.len() as u64;
    let mut rows = Vec::new();
    for (id, stored) in all.into_iter().skip(page.offset()).take(page.limit()) {
        rows.push(row(&app, staff.tenant, id, &stored.record.0)?);
    }
    Ok(envelope::ok(SnakePage::from(Page::new(page, total, rows))))
}

fn row(
    app: &App,
    tenant: TenantId,
    id: ExceptionId,
    exception: &DayException,
) -> Result<ExceptionRow, ApiError> {
    let profiles = app.availability.profiles();
    let mut row = ExceptionRow {
        exception_id: id.to_string(),
        department_id: None,
        department_name: None,
        doctor_id: None,
        doctor_name: None,
        from: exception.first().to_string(),
        to: exception.last().to_string(),
        like_weekday: match exception.change {
            DayChange::Holiday { .. } => None,
            DayChange::Swapped { like, .. } => Some(like.number()),
        },
    };
    match exception.scope {
        Scope::Clinic => {}
        Scope::Department(id) => {
            let profile = profiles.department(&app.storage, tenant, id).map_err(ApiError::internal)?;
            row.department_id = Some(id.to_string());
            row.department_name = profile.map(|profile| profile.name.clone());
        }
        Scope::Doctor(id) => {
            let profile = profiles.doctor(&app.storage, tenant, id).map_err(ApiError::internal)?;
            row.doctor_id = Some(id.to_string());
            row.doctor_name = profile.map(|profile| profile.name.clone());
        }
    }
    Ok(row)
}

/// `POST manager_service/exception`: adds days that differ, or replaces them. Schedules that were made stay as they are:
/// those of a holiday have to be stopped.
///
/// Adding what is there with the same content answers what is there.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/exception",
    tag = "管理：排班",
    security(("token" = [])),
    request_body = ExceptionRequest,
    responses((status = 200, body = Success<SavedException>)),
)]
pub async fn save(app: web::Data<App>, desk: Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let Desk(staff) = desk;
    let id = match params.optional("exception_id", "特殊日期ID") {
        Some(param) => Some(param.parse(ExceptionId::parse)?),
        None => None,
    };
    let exception = read(&params)?;
    let is_known = match exception.scope {
        Scope::Clinic => Ok(true),
        Scope::Department(id) => app.storage.contains(&keys::department(staff.tenant, id)),
        Scope::Doctor(id) => app.storage.contains(&keys::doctor(staff.tenant, id)),
    };
    if !is_known.map_err(ApiError::internal)? {
        return Err(ErrorCode::NotFound.into());
    }
    let id = store(&app, staff, id, exception).await?;
    Ok(envelope::ok(SavedException { exception_id: id.to_string() }))
}

fn read(params: &Params) -> Result<DayException, ApiError> {
    let department = params.optional("department_id", "科室ID");
    let doctor = params.optional("doctor_id", "医生ID");
    let scope = match (department, doctor) {
        (None, None) => Scope::Clinic,
        (Some(department), None) => Scope::Department(department.parse(DepartmentId::parse)?),
        (None, Some(doctor)) => Scope::Doctor(doctor.parse(DoctorId::parse)?),
        (Some(_), Some(doctor)) => return Err(doctor.malformed()),
    };
    let first = params.required("from", "开始日期")?.parse(Date::parse_lenient)?;
    let last = match params.optional("to", "结束日期") {
        Some(param) => match param.parse(Date::parse_lenient)? {
            last if (0..MAX_DAYS).contains(&first.days_until(last)) => last,
            _ => return Err(param.malformed()),
        },
        None => first,
    };
    let change = match params.optional("like_weekday", "调休星期") {
        None => DayChange::Holiday { first, last },
        Some(param) => {
            let like = read_weekday(param)?;
            if last != first {
                return Err(ApiError::malformed("结束日期"));
            }
            DayChange::Swapped { date: first, like }
        }
    };
    Ok(DayException { scope, change })
}

async fn read_all(
    app: &App,
    tenant: TenantId,
) -> Result<Vec<(ExceptionId, Stored<DayExceptionRecord>)>, ApiError> {
    let storage = app.storage.clone();
    let scan = web::block(move || storage.scan(&keys::day_exceptions(tenant), Scan::ALL));
    let stored = scan.await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    Ok(stored.into_iter().filter_map(|(key, stored)| Some((keys::exception_id(&key)?, stored))).collect())
}

async fn store(
    app: &App,
    staff: Staff,
    id: Option<ExceptionId>,
    exception: DayException,
) -> Result<ExceptionId, ApiError> {
    let mut new = None;
    for _ in 0..MAX_TRIES {
        let mut commit = Commit::new();
        let clinic_key = keys::tenant(staff.tenant);
        let clinic = app.storage.get(&clinic_key).map_err(ApiError::internal)?;
        let clinic = clinic.ok_or(ErrorCode::TenantUnknown)?;
        commit.require_version(&clinic_key, clinic.version).put(&clinic_key, &clinic.record);
        let all = read_all(app, staff.tenant).await?;
        let stored = match id {
            Some(id) => Some(all.iter().find(|(other, _)| *other == id).ok_or(ErrorCode::NotFound)?),
            None => None,
        };
        if id.is_none()
            && let Some((same, _)) = all.iter().find(|(_, it)| it.record.0 == exception)
        {
            return Ok(*same);
        }
        if all.iter().any(|(other, it)| Some(*other) != id && it.record.0.contradicts(&exception)) {
            return Err(ErrorCode::DaySwappedTwice.into());
        }
        let (id, version) = match (stored, new) {
            (Some((id, stored)), _) if stored.record.0 == exception => return Ok(*id),
            (Some((id, stored)), _) => (*id, stored.version),
            (None, Some(id)) => (id, Version::ABSENT),
            (None, None) if all.len() >= MAX_EXCEPTIONS => return Err(ErrorCode::TooManyEntries.into()),
            (None, None) => {
                // Exceptions share the numbers of the templates.
                let number = app.sequences.next(&app.storage, staff.tenant, Sequence::Template).await?;
                (*new.insert(ExceptionId::new(number).map_err(ApiError::internal)?), Version::ABSENT)
            }
        };
        let key = keys::day_exception(staff.tenant, id);
        commit.require_version(&key, version).put(&key, &DayExceptionRecord(exception));
        staff.require_session(app, &mut commit)?;
        staff.audit(app, Action::ExceptionSaved, None).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(id),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

/// `POST manager_service/exception/del`: the days are as the templates have them again.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/exception/del",
    tag = "管理：排班",
    security(("token" = [])),
    request_body = ExceptionDeletionRequest,
    responses((status = 200, body = Done)),
)]
pub async fn remove(app: web::Data<App>, desk: Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let Desk(staff) = desk;
    let id = params.required("exception_id", "特殊日期ID")?.parse(ExceptionId::parse)?;
    let key = keys::day_exception(staff.tenant, id);
    for _ in 0..MAX_TRIES {
        let stored = app.storage.get(&key).map_err(ApiError::internal)?.ok_or(ErrorCode::NotFound)?;
        let mut commit = Commit::new();
        commit.require_version(&key, stored.version).delete(&key);
        staff.require_session(&app, &mut commit)?;
        staff.audit(&app, Action::ExceptionSaved, None).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(envelope::ok_null()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}
