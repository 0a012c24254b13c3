//! The lists of a department's doctors: those who see patients on a day, and those who do at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::{HttpResponse, web};
use actors::ScheduleView;
use domain::{ClinicKind, Date, DepartmentId, DoctorId, Fen, Period, Policy, Timestamp};
use serde::Serialize;
use storage::records::{DepartmentRecord, DoctorRecord};
use utoipa::ToSchema;

use super::{release_policy, shown_department};
use crate::app::App;
use crate::http::caller::Tenant;
use crate::http::envelope;
use crate::http::error::ApiError;
use crate::http::openapi::Success;
use crate::http::paging::{Page, PageQuery, PageRequest};
use crate::http::params::Params;

/// A doctor, or the ordinary clinic (普通门诊), whose doctor fields are null.
#[derive(Serialize, ToSchema)]
struct DoctorOnDay<'a> {
    /// Empty for the ordinary clinic.
    #[serde(rename = "doctorId")]
    doctor: String,
    #[serde(rename = "doctorName")]
    doctor_name: Option<&'a str>,
    #[serde(rename = "doctorAvatar")]
    doctor_avatar: Option<&'a str>,
    #[serde(rename = "doctorTitle")]
    doctor_title: Option<&'a str>,
    #[serde(rename = "doctorDesp")]
    doctor_description: Option<&'a str>,
    #[serde(rename = "deptId")]
    department: &'a str,
    #[serde(rename = "deptName")]
    department_name: &'a str,
    #[serde(rename = "deptAvatar")]
    department_avatar: &'a str,
    #[serde(rename = "deptDesp")]
    department_description: &'a str,
    date: &'a str,
    #[serde(rename = "type")]
    kind: u8,
    status: u8,
    bookfee: f64,
}

/// As [`DoctorOnDay`], whatever the day.
#[derive(Serialize, ToSchema)]
struct DoctorOfDepartment<'a> {
    /// Empty for the ordinary clinic.
    #[serde(rename = "doctorId")]
    doctor: String,
    #[serde(rename = "doctorName")]
    doctor_name: Option<&'a str>,
    #[serde(rename = "doctorAvatar")]
    doctor_avatar: Option<&'a str>,
    #[serde(rename = "doctorTitle")]
    doctor_title: Option<&'a str>,
    #[serde(rename = "doctorDesp")]
    doctor_description: Option<&'a str>,
    #[serde(rename = "deptId")]
    department: &'a str,
    #[serde(rename = "deptName")]
    department_name: &'a str,
    #[serde(rename = "deptPortrait")]
    department_portrait: &'a str,
    #[serde(rename = "deptDesp")]
    department_description: &'a str,
    status: u8,
}

/// Whether a slot is left (号源状态).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// 可约.
    Some,
    /// 约满.
    None,
}

impl Left {
    fn of(view: &ScheduleView, now: Timestamp) -> Self {
        if view.has_left(now) { Self::Some } else { Self::None }
    }

    fn code(self) -> u8 {
        match self {
            Self::Some => 1,
            Self::None => 2,
        }
    }
}

/// What a list shows of a half-day.
struct HalfDay {
    period: Period,
    kind: ClinicKind,
    fee: Fen,
    left: Left,
}

/// One doctor's day in a department: one half-day, or the morning and the afternoon.
struct Day {
    doctor: Option<DoctorId>,
    first: HalfDay,
    second: Option<HalfDay>,
}

/// Who a row is about: `None` is the ordinary clinic.
type Who = Option<(DoctorId, Arc<DoctorRecord>)>;

/// `GET tenant_service/schedule_by_date`: who sees patients in a department on a day.
#[utoipa::path(
    get,
    path = "/pati_service/tenant_service/schedule_by_date",
    tag = "预约挂号",
    params(
        ("deptId" = String, Query, description = "科室ID"),
        ("date" = String, Query, description = "yyyy-MM-dd"),
        PageQuery,
    ),
    responses((status = 200, body = Success<Page<DoctorOnDay>>)),
)]
pub async fn by_date(app: web::Data<App>, tenant: Tenant, params: Params) -> Result<HttpResponse, ApiError> {
    let now = app.clock.now();
    let department = params.required("deptId", "科室ID")?.parse(DepartmentId::parse)?;
    let date = params.required("date", "日期")?.parse(Date::parse_lenient)?;
    let page = PageRequest::read(&params)?;
    let profile = shown_department(&app, tenant, department)?;
    let mut rows = Vec::new();
    // The read model may still have yesterday a little after midnight.
    if date >= app.policy.zone.date_of(now) {
        let policy = release_policy(&app, tenant, department)?;
        for day in days_on((&app, &policy), tenant, department, date, now) {
            if let Some(who) = shown(&app, tenant, day.doctor)? {
                rows.push((who, day));
            }
        }
    }
    let (department, date) = (department.to_string(), date.to_string());
    let rows = rows.iter().map(|(who, day)| DoctorOnDay::new(who, (&department, &profile), &date, day));
    Ok(envelope::ok(Page::cut(page, rows)))
}

/// `GET tenant_service/schedule_by_doctor`: who sees patients in a department from today to the horizon.
#[utoipa::path(
    get,
    path = "/pati_service/tenant_service/schedule_by_doctor",
    tag = "预约挂号",
    params(("deptId" = String, Query, description = "科室ID"), PageQuery),
    responses((status = 200, body = Success<Page<DoctorOfDepartment>>)),
)]
pub async fn by_doctor(
    app: web::Data<App>,
    tenant: Tenant,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let now = app.clock.now();
    let department = params.required("deptId", "科室ID")?.parse(DepartmentId::parse)?;
    let page = PageRequest::read(&params)?;
    let profile = shown_department(&app, tenant, department)?;
    let mut rows = Vec::new();
    let policy = release_policy(&app, tenant, department)?;
    for (doctor, left) in until_horizon((&app, &policy), tenant, department, now) {
        if let Some(who) = shown(&app, tenant, doctor)? {
            rows.push((who, left));
        }
    }
    let department = department.to_string();
    let rows = rows.iter().map(|(who, left)| DoctorOfDepartment::new(who, (&department, &profile), *left));
    Ok(envelope::ok(Page::cut(page, rows)))
}

/// The days of all doctors of a department that admit patients: the ordinary clinic first, then by id.
fn days_on(
    (app, policy): (&App, &Policy),
    tenant: Tenant,
    department: DepartmentId,
    date: Date,
    now: Timestamp,
) -> Vec<Day> {
    let halves = app.availability.look_at_day(tenant.id, department, date, |view| {
        let schedule = &view.schedule;
        let half = || HalfDay {
            period: schedule.period,
            kind: schedule.kind,
            fee: schedule.fee,
            left: Left::of(view, now),
        };
        schedule.admits(now, policy).is_ok().then(|| (schedule.doctor, half()))
    });
    let mut halves: Vec<_> = halves.into_iter().flatten().collect();
    halves.sort_unstable_by_key(|(doctor, half)| (*doctor, half.period));
    let mut days: Vec<Day> = Vec::new();
    for (doctor, half) in halves {
        match days.last_mut() {
            Some(day) if day.doctor == doctor => day.second = Some(half),
            Some(_) | None => days.push(Day { doctor, first: half, second: None }),
        }
    }
    days
}

/// All doctors with a schedule that admits patients, and whether one of theirs has a slot left: the ordinary clinic
/// first, then by id.
fn until_horizon(
    (app, policy): (&App, &Policy),
    tenant: Tenant,
    department: DepartmentId,
    now: Timestamp,
) -> BTreeMap<Option<DoctorId>, Left> {
    let today = policy.zone.date_of(now);
    let mut doctors = BTreeMap::new();
    for days in 0..=i32::from(policy.horizon_days) {
        app.availability.look_at_day(tenant.id, department, today.saturating_add_days(days), |view| {
            if view.schedule.admits(now, policy).is_ok() {
                let left = doctors.entry(view.schedule.doctor).or_insert(Left::None);
                if *left == Left::None {
                    *left = Left::of(view, now);
                }
            }
        });
    }
    doctors
}

/// Who a row is about; `None` when the doctor is not shown, so that there is no row.
fn shown(app: &App, tenant: Tenant, doctor: Option<DoctorId>) -> Result<Option<Who>, ApiError> {
    let Some(id) = doctor else { return Ok(Some(None)) };
    let profile =
        app.availability.profiles().doctor(&app.storage, tenant.id, id).map_err(ApiError::internal)?;
    Ok(profile.filter(|profile| profile.enabled).map(|profile| Some((id, profile))))
}

impl Day {
    /// The half-day whose type and fee the row has: the first that can be booked, else the first.
    fn foremost(&self) -> &HalfDay {
        match &self.second {
            Some(second) if self.first.left == Left::None && second.left == Left::Some => second,
            Some(_) | None => &self.first,
        }
    }
}

impl<'a> DoctorOnDay<'a> {
    fn new(who: &'a Who, department: (&'a str, &'a DepartmentRecord), date: &'a str, day: &Day) -> Self {
        let doctor = who.as_ref().map(|(_, profile)| profile.as_ref());
        let (department, profile) = department;
        let half = day.foremost();
        Self {
            doctor: id_text(who),
            doctor_name: doctor.map(|doctor| doctor.name.as_str()),
            doctor_avatar: doctor.map(|doctor| doctor.avatar.as_str()),
            doctor_title: doctor.map(|doctor| doctor.title.as_str()).filter(|title| !title.is_empty()),
            doctor_description: doctor.map(|doctor| doctor.description.as_str()),
            department,
            department_name: &profile.name,
            department_avatar: &profile.avatar,
            department_description: &profile.description,
            date,
            kind: half.kind.code(),
            status: half.left.code(),
            bookfee: half.fee.to_yuan(),
        }
    }
}

impl<'a> DoctorOfDepartment<'a> {
    fn new(who: &'a Who, department: (&'a str, &'a DepartmentRecord), left: Left) -> Self {
        let doctor = who.as_ref().map(|(_, profile)| profile.as_ref());
        let (department, profile) = department;
        Self {
            doctor: id_text(who),
            doctor_name: doctor.map(|doctor| doctor.name.as_str()),
            doctor_avatar: doctor.map(|doctor| doctor.avatar.as_str()),
            doctor_title: doctor.map(|doctor| doctor.title.as_str()),
            doctor_description: doctor.map(|doctor| doctor.description.as_str()),
            department,
            department_name: &profile.name,
            department_portrait: &profile.avatar,
            department_description: &profile.description,
            status: left.code(),
        }
    }
}

fn id_text(who: &Who) -> String {
    who.as_ref().map(|(id, _)| id.to_string()).unwrap_or_default()
}
