//! One doctor and how much is left on each of the next days.

use actix_web::{HttpResponse, web};
use domain::{DepartmentId, DoctorId};
use serde::Serialize;
use utoipa::ToSchema;

use super::{release_policy, shown_department, shown_doctor};
use crate::app::App;
use crate::http::caller::Tenant;
use crate::http::envelope;
use crate::http::error::ApiError;
use crate::http::openapi::Success;
use crate::http::params::Params;

const DEFAULT_DAYS: i32 = 7;
const MAX_DAYS: i32 = 31;

/// A doctor, or the ordinary clinic (普通门诊), whose doctor fields are null.
#[derive(Serialize, ToSchema)]
struct DoctorInfo<'a> {
    #[serde(rename = "doctorId")]
    doctor: Option<String>,
    #[serde(rename = "doctorName")]
    doctor_name: Option<&'a str>,
    #[serde(rename = "doctorPortrait")]
    doctor_portrait: Option<&'a str>,
    #[serde(rename = "doctorTitle")]
    doctor_title: Option<&'a str>,
    #[serde(rename = "doctorDesp")]
    doctor_description: Option<&'a str>,
    #[serde(rename = "deptId")]
    department: String,
    #[serde(rename = "deptName")]
    department_name: &'a str,
    #[serde(rename = "deptPortrait")]
    department_portrait: &'a str,
    #[serde(rename = "deptDesp")]
    department_description: &'a str,
    /// Without the days on which there is no schedule.
    #[serde(rename = "leftBookCountList")]
    days: Vec<LeftOnDay>,
}

#[derive(Serialize, ToSchema)]
struct LeftOnDay {
    date: String,
    /// 0 when the day is full.
    #[serde(rename = "leftCount")]
    left: usize,
}

/// `GET tenant_service/schedule/info`: a doctor, or the ordinary clinic, and what is left from tomorrow on. The
/// contract answers an array; it has one element.
#[utoipa::path(
    get,
    path = "/pati_service/tenant_service/schedule/info",
    tag = "预约挂号",
    params(
        ("doctorId" = Option<String>, Query, description = "医生ID; without one the ordinary clinic (普通门诊)"),
        ("deptId" = String, Query, description = "科室ID"),
        ("days" = Option<i32>, Query, minimum = 1, maximum = 31, description = "From tomorrow on; without it 7"),
    ),
    responses((status = 200, body = Success<Vec<DoctorInfo>>)),
)]
pub async fn of_doctor(
    app: web::Data<App>,
    tenant: Tenant,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let doctor = match params.optional("doctorId", "医生ID") {
        Some(param) => Some(param.parse(DoctorId::parse)?),
        None => None,
    };
    let department = params.required("deptId", "科室ID")?.parse(DepartmentId::parse)?;
    let days = match params.optional("days", "天数") {
        Some(param) => param.integer(1..=i64::from(MAX_DAYS))?,
        None => i64::from(DEFAULT_DAYS),
    };
    let ward = shown_department(&app, tenant, department)?;
    let profile = match doctor {
        Some(doctor) => Some(shown_doctor(&app, tenant, doctor)?),
        None => None,
    };
    let profile = profile.as_deref();
    let given = |text: &'_ str| !text.is_empty();
    Ok(envelope::ok([DoctorInfo {
        doctor: doctor.map(|doctor| doctor.to_string()),
        doctor_name: profile.map(|doctor| doctor.name.as_str()),
        doctor_portrait: profile.map(|doctor| doctor.avatar.as_str()),
        doctor_title: profile.map(|doctor| doctor.title.as_str()).filter(|title| given(title)),
        doctor_description: profile.map(|doctor| doctor.description.as_str()).filter(|text| given(text)),
        department: department.to_string(),
        department_name: &ward.name,
        department_portrait: &ward.avatar,
        department_description: &ward.description,
        days: left_on_days(&app, tenant, department, doctor, days)?,
    }]))
}

/// Of the `days` days from tomorrow on those with a schedule that admits patients.
fn left_on_days(
    app: &App,
    tenant: Tenant,
    department: DepartmentId,
    doctor: Option<DoctorId>,
    days: i64,
) -> Result<Vec<LeftOnDay>, ApiError> {
    let policy = release_policy(app, tenant, department)?;
    let now = app.clock.now();
    let today = policy.zone.date_of(now);
    let mut found = Vec::new();
    for ahead in 1..=i32::try_from(days).unwrap_or(MAX_DAYS) {
        let date = today.saturating_add_days(ahead);
        let halves = app.availability.look_at_day(tenant.id, department, date, |view| {
            let is_shown = view.schedule.doctor == doctor && view.schedule.admits(now, &policy).is_ok();
            is_shown.then(|| view.left(now))
        });
        let halves: Vec<usize> = halves.into_iter().flatten().collect();
        if !halves.is_empty() {
            found.push(LeftOnDay { date: date.to_string(), left: halves.iter().sum() });
        }
    }
    Ok(found)
}
