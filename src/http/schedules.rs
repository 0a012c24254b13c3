//! Schedules (排班) and their free slots (号源), as patients see them.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use actors::ScheduleView;
use domain::{Date, DepartmentId, DoctorId, Period, Policy, ScheduleId, Timestamp};
use serde::Serialize;
use storage::keys;
use storage::records::{DepartmentRecord, DoctorRecord};
use utoipa::ToSchema;

use super::caller::Tenant;
use super::envelope;
use super::error::{ApiError, ErrorCode};
use super::openapi::Success;
use super::params::Params;
use crate::app::App;

pub mod info;
pub mod lists;
#[cfg(test)]
mod tests;

#[derive(Serialize, ToSchema)]
struct DayOfDoctor {
    date: String,
    #[serde(rename = "scheduleAM")]
    morning: Option<HalfDay>,
    #[serde(rename = "schedulePM")]
    afternoon: Option<HalfDay>,
}

#[derive(Serialize, ToSchema)]
struct HalfDay {
    #[serde(rename = "scheduleId")]
    id: String,
    #[serde(rename = "type")]
    kind: u8,
    bookfee: f64,
    #[serde(rename = "leftCount")]
    left: usize,
    /// Spelled so in the contract.
    #[serde(rename = "scheAdderss")]
    location: String,
}

#[derive(Serialize, ToSchema)]
struct FreeSlotRow {
    #[serde(rename = "serialNo")]
    serial: u16,
    time: String,
}

/// `GET tenant_service/schedule`: one doctor's day, or the department's ordinary clinic (普通门诊).
#[utoipa::path(
    get,
    path = "/pati_service/tenant_service/schedule",
    tag = "预约挂号",
    params(
        ("doctorId" = Option<String>, Query, description = "医生ID; without one the ordinary clinic (普通门诊)"),
        ("deptId" = String, Query, description = "科室ID"),
        ("date" = Option<String>, Query, description = "yyyy-MM-dd; without one today"),
    ),
    responses((status = 200, body = Success<DayOfDoctor>)),
)]
pub async fn day_of_doctor(
    app: web::Data<App>,
    tenant: Tenant,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let now = app.clock.now();
    let department = params.required("deptId", "科室ID")?.parse(DepartmentId::parse)?;
    let doctor = match params.optional("doctorId", "医生ID") {
        Some(param) => Some(param.parse(DoctorId::parse)?),
        None => None,
    };
    let date = match params.optional("date", "日期") {
        Some(param) => param.parse(Date::parse_lenient)?,
        None => app.policy.zone.date_of(now),
    };
    shown_department(&app, tenant, department)?;
    if let Some(doctor) = doctor {
        shown_doctor(&app, tenant, doctor)?;
    }
    let policy = release_policy(&app, tenant, department)?;
    let mut day = DayOfDoctor { date: date.to_string(), morning: None, afternoon: None };
    let halves = app.availability.look_at_day(tenant.id, department, date, |view| {
        let shown = view.schedule.doctor == doctor && view.schedule.admits(now, &policy).is_ok();
        shown.then(|| (view.schedule.period, HalfDay::of(view, now)))
    });
    for (period, half) in halves.into_iter().flatten() {
        match period {
            Period::Am => day.morning = Some(half),
            Period::Pm => day.afternoon = Some(half),
        }
    }
    Ok(envelope::ok(day))
}

/// `GET tenant_service/schedule/left_appo`: the slots of one schedule that can be booked now.
#[utoipa::path(
    get,
    path = "/pati_service/tenant_service/schedule/left_appo",
    tag = "预约挂号",
    params(("scheduleId" = String, Query, description = "排班ID")),
    responses((status = 200, body = Success<Vec<FreeSlotRow>>)),
)]
pub async fn left_slots(
    app: web::Data<App>,
    tenant: Tenant,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let now = app.clock.now();
    let schedule = params.required("scheduleId", "排班ID")?.parse(ScheduleId::parse)?;
    let whose =
        app.availability.look(tenant.id, schedule, |view| (view.schedule.department, view.schedule.doctor));
    if let Some((department, doctor)) = whose
        && !are_shown(&app, tenant, department, doctor)?
    {
        return Err(ErrorCode::Stopped.into());
    }
    let rows = app.availability.look(tenant.id, schedule, |view| {
        let policy = release_policy(&app, tenant, view.schedule.department)?;
        view.schedule.admits(now, &policy)?;
        let rows = view
            .free_slots(now)
            .map(|slot| FreeSlotRow { serial: slot.serial.get(), time: slot.time.to_string() });
        Ok::<Vec<_>, ApiError>(rows.collect())
    });
    match rows {
        Some(rows) => Ok(envelope::ok(rows?)),
        // The model begins today: a schedule of the past has nothing left.
        None => {
            match app.storage.contains(&keys::schedule(tenant.id, schedule)).map_err(ApiError::internal)? {
                true => Ok(envelope::ok(Vec::<FreeSlotRow>::new())),
                false => Err(ErrorCode::ScheduleUnknown.into()),
            }
        }
    }
}

impl HalfDay {
    fn of(view: &ScheduleView, now: Timestamp) -> Self {
        let schedule = &view.schedule;
        Self {
            id: schedule.id.to_string(),
            kind: schedule.kind.code(),
            bookfee: schedule.fee.to_yuan(),
            left: view.left(now),
            location: schedule.location.clone(),
        }
    }
}

/// The rules by which the schedules of a department are released.
fn release_policy(app: &App, tenant: Tenant, department: DepartmentId) -> Result<Arc<Policy>, ApiError> {
    app.directory.openings().policy_for(tenant.id, Some(department)).map_err(ApiError::internal)
}

/// Whether neither the department nor the doctor was disabled: what a submit asks too.
fn are_shown(
    app: &App,
    tenant: Tenant,
    department: DepartmentId,
    doctor: Option<DoctorId>,
) -> Result<bool, ApiError> {
    let profiles = app.availability.profiles();
    let ward = profiles.department(&app.storage, tenant.id, department).map_err(ApiError::internal)?;
    let person = match doctor {
        Some(doctor) => profiles.doctor(&app.storage, tenant.id, doctor).map_err(ApiError::internal)?,
        None => None,
    };
    Ok(ward.is_none_or(|ward| ward.enabled) && person.is_none_or(|person| person.enabled))
}

/// A department that patients are shown.
///
/// # Errors
/// 0404
fn shown_department(
    app: &App,
    tenant: Tenant,
    department: DepartmentId,
) -> Result<Arc<DepartmentRecord>, ApiError> {
    let profiles = app.availability.profiles();
    let profile = profiles.department(&app.storage, tenant.id, department).map_err(ApiError::internal)?;
    profile.filter(|profile| profile.enabled).ok_or_else(|| ErrorCode::NotFound.into())
}

/// A doctor that patients are shown.
///
/// # Errors
/// 0404
fn shown_doctor(app: &App, tenant: Tenant, doctor: DoctorId) -> Result<Arc<DoctorRecord>, ApiError> {
    let profiles = app.availability.profiles();
    let profile = profiles.doctor(&app.storage, tenant.id, doctor).map_err(ApiError::internal)?;
    profile.filter(|profile| profile.enabled).ok_or_else(|| ErrorCode::NotFound.into())
}
