//! Adding a schedule, and changing one that nobody has ever booked.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use actors::{Addition, Change, add_schedule, change_schedule};
use domain::{ClinicKind, Date, DepartmentId, DoctorId, Schedule, ScheduleId, Standing, TenantId};
use serde::Serialize;
use storage::records::{Action, DoctorRecord};
use storage::{ReadError, Sequence, keys};
use utoipa::ToSchema;

use super::upcoming;
use crate::app::App;
use crate::http::caller::{Desk, Staff};
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::Success;
use crate::http::params::{Param, Params};
use crate::http::slot_grids::PlannedSlots;

/// How far ahead a schedule may be planned.
const MAX_DAYS_AHEAD: i32 = 366;

/// The greatest length of a place, in characters.
const MAX_LOCATION: usize = 200;

/// What `schedule` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct ScheduleRequest {
    /// Empty adds one; given changes one that nobody has ever booked.
    schedule_id: Option<String>,
    department_id: String,
    /// Without one the ordinary clinic (普通门诊).
    doctor_id: Option<String>,
    /// yyyy-MM-dd, from today on
    date: String,
    /// `AM` or `PM`
    period: String,
    /// 0 普通, 1 专家
    #[schema(minimum = 0, maximum = 1)]
    r#type: u8,
    /// Yuan, with at most two decimals.
    fee: String,
    location: Option<String>,
    /// HH:mm, of the first slot
    start: String,
    /// HH:mm, before which the last slot begins
    end: String,
    /// Minutes between two slots; this or `slot_count`.
    #[schema(minimum = 1, maximum = 240)]
    interval_minutes: Option<u16>,
    /// How many slots, evenly spread; this or `interval_minutes`.
    #[schema(minimum = 1, maximum = 500)]
    slot_count: Option<u16>,
    /// How many of the last slots are for the desk alone (现场号).
    desk_only: Option<u16>,
}

#[derive(Serialize, ToSchema)]
struct ScheduleSaved {
    schedule_id: String,
}

/// `POST manager_service/schedule`: adds a schedule, or changes one that nobody has ever booked. The same again is
/// answered the same and adds nothing.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/schedule",
    tag = "管理：排班",
    security(("token" = [])),
    request_body = ScheduleRequest,
    responses((status = 200, body = Success<ScheduleSaved>)),
)]
pub async fn save(app: web::Data<App>, Desk(staff): Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let id = match params.optional("schedule_id", "排班ID") {
        Some(param) => Some(param.parse(ScheduleId::parse)?),
        None => None,
    };
    // The number that a new one is given, once there will be one.
    let unnumbered = ScheduleId::new(1).map_err(ApiError::internal)?;
    let told = read(&app, staff.tenant, &params, id.unwrap_or(unnumbered))?;
    let id = match id {
        Some(id) => change(&app, staff, told).await.map(|()| id)?,
        None => add(&app, staff, told).await?,
    };
    Ok(envelope::ok(ScheduleSaved { schedule_id: id.to_string() }))
}

/// What the desk says of a schedule, which is open.
fn read(app: &App, tenant: TenantId, params: &Params, id: ScheduleId) -> Result<Schedule, ApiError> {
    let department = params.required("department_id", "科室")?.parse(DepartmentId::parse)?;
    let doctor = params.optional("doctor_id", "医生");
    let doctor = doctor.map(|param| Ok::<_, ApiError>((param, param.parse(DoctorId::parse)?))).transpose()?;
    let date = params.required("date", "日期")?;
    let today = app.policy.zone.date_of(app.clock.now());
    let date = match date.parse(Date::parse_lenient)? {
        day if (0..=MAX_DAYS_AHEAD).contains(&today.days_until(day)) => day,
        _ => return Err(date.malformed()),
    };
    let planned = PlannedSlots::read(params)?;
    let kind = params.required("type", "门诊类型")?.parse(parse_kind)?;
    let fee = params.required("fee", "挂号费")?.yuan()?;
    let location = match params.optional("location", "就诊地点") {
        Some(param) => parse_location(param)?,
        None => String::new(),
    };
    require_department(app, tenant, department)?;
    if let Some((param, doctor)) = doctor {
        require_doctor(app, tenant, doctor, (param, department))?;
    }
    let doctor = doctor.map(|(_, doctor)| doctor);
    Ok(Schedule {
        id,
        department,
        doctor,
        date,
        period: planned.period,
        kind,
        fee,
        location,
        slots: planned.slots(),
        standing: Standing::Open,
    })
}

async fn add(app: &App, staff: Staff, mut told: Schedule) -> Result<ScheduleId, ApiError> {
    if let Some(same) = same_there(app, staff.tenant, &told)? {
        return Ok(same);
    }
    let number = app.sequences.next(&app.storage, staff.tenant, Sequence::Schedule).await?;
    told.id = ScheduleId::new(number).map_err(ApiError::internal)?;
    let row = staff.audit(app, Action::ScheduleAdded, Some(number)).await?;
    let (id, wanted) = (told.id, told.clone());
    match add_schedule(&app.storage, &app.availability, staff.tenant, (told, Some(row))).await? {
        Addition::Added => Ok(id),
        // Of two that say the same at the same time, both are right.
        Addition::PlaceTaken => {
            same_there(app, staff.tenant, &wanted)?.ok_or_else(|| ErrorCode::PlaceTaken.into())
        }
    }
}

/// The schedule that was added by the same words before.
///
/// # Errors
/// The place is taken by another.
fn same_there(app: &App, tenant: TenantId, told: &Schedule) -> Result<Option<ScheduleId>, ApiError> {
    let read = || -> Result<Option<Schedule>, ReadError> {
        let place = keys::schedule_at(tenant, &keys::SchedulePlace::of(told));
        let Some(at) = app.storage.get(&place)? else { return Ok(None) };
        let stored = app.storage.get(&keys::schedule(tenant, at.record.schedule))?;
        Ok(stored.map(|stored| stored.record.schedule))
    };
    match read().map_err(ApiError::internal)? {
        None => Ok(None),
        Some(there) if there == (Schedule { id: there.id, ..told.clone() }) => Ok(Some(there.id)),
        Some(_) => Err(ErrorCode::PlaceTaken.into()),
    }
}

async fn change(app: &App, staff: Staff, told: Schedule) -> Result<(), ApiError> {
    let id = told.id;
    upcoming(app, staff.tenant, id, app.clock.now())?;
    let row = staff.audit(app, Action::ScheduleChanged, Some(id.get())).await?;
    match change_schedule(&app.storage, &app.directory, staff.tenant, (told, Some(row))).await? {
        Change::Changed | Change::Unchanged => Ok(()),
        Change::Unknown => Err(ErrorCode::ScheduleUnknown.into()),
        Change::BookedBefore => Err(ErrorCode::ScheduleBooked.into()),
        Change::PlaceTaken => Err(ErrorCode::PlaceTaken.into()),
    }
}

/// A place where patients are seen.
///
/// # Errors
/// 0001 when it is too long or has control characters.
pub(super) fn parse_location(param: Param<'_>) -> Result<String, ApiError> {
    let text = param.text()?;
    if text.chars().count() > MAX_LOCATION || text.chars().any(char::is_control) {
        return Err(param.malformed());
    }
    Ok(text.to_owned())
}

/// # Errors
/// 0404 where there is no such department, or it is disabled.
pub(super) fn require_department(app: &App, tenant: TenantId, id: DepartmentId) -> Result<(), ApiError> {
    let profile = app.availability.profiles().department(&app.storage, tenant, id);
    let profile = profile.map_err(ApiError::internal)?.filter(|profile| profile.enabled);
    profile.map(drop).ok_or_else(|| ErrorCode::NotFound.into())
}

/// # Errors
/// 0404 where there is no such doctor, or they are disabled; 0001 where they do not work in the department.
pub(super) fn require_doctor(
    app: &App,
    tenant: TenantId,
    id: DoctorId,
    (param, department): (Param<'_>, DepartmentId),
) -> Result<(), ApiError> {
    let profile = app.availability.profiles().doctor(&app.storage, tenant, id).map_err(ApiError::internal)?;
    let profile: Arc<DoctorRecord> = profile.filter(|profile| profile.enabled).ok_or(ErrorCode::NotFound)?;
    if profile.departments.contains(&department) { Ok(()) } else { Err(param.malformed()) }
}

fn parse_kind(text: &str) -> Result<ClinicKind, ()> {
    text.parse().ok().and_then(ClinicKind::from_code).ok_or(())
}
