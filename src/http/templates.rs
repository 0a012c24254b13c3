//! Templates (排班模板): the week that schedules are made from. A change of one concerns the schedules that are not made
//! yet; those that are stay as they are.
//!
//! No two templates are for the same place and half-day. Two that would be are of the same department, so whoever saves
//! one writes its department's record as well, as it is, and of two at the same time one sees the other.

use actix_web::{HttpResponse, web};
use domain::{
    ClinicKind, Date, DepartmentId, DoctorId, Pace, Template, TemplateError, TemplateId, TenantId, Weekday,
};
use serde::Serialize;
use storage::records::{Action, TemplateRecord};
use storage::{Commit, Scan, Sequence, Storage, Stored, Version, keys};
use utoipa::ToSchema;

use super::caller::{Desk, Staff};
use super::envelope;
use super::error::{ApiError, ErrorCode};
use super::openapi::{Done, Success};
use super::paging::{Page, PageRequest, SnakePage, SnakePageQuery};
use super::params::{Param, Params};
use super::refusals::{MAX_TRIES, Outcome, outcome};
use super::slot_grids::{PlannedSlots, period_name};
use crate::app::App;
use crate::texts::{self, LINE_LIMIT};

pub mod exceptions;
pub mod generation;

/// Templates that a clinic may have.
const MAX_TEMPLATES: usize = 5_000;

#[derive(Serialize, ToSchema)]
struct TemplateRow {
    template_id: String,
    department_id: String,
    department_name: String,
    /// Null for the ordinary clinic (普通门诊), and so is the name.
    doctor_id: Option<String>,
    doctor_name: Option<String>,
    /// 1 星期一 to 7 星期日
    weekday: u8,
    /// `AM` or `PM`
    period: &'static str,
    start: String,
    end: String,
    /// How many slots there are, whichever way they were entered.
    slot_count: u16,
    /// Null where the number of slots was entered.
    interval_minutes: Option<u16>,
    desk_only: u16,
    #[serde(rename = "type")]
    kind: u8,
    fee: f64,
    location: String,
    valid_from: String,
    valid_to: Option<String>,
}

/// What `template` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct TemplateRequest {
    /// 模板ID; without one a template is added.
    template_id: Option<String>,
    /// 科室ID
    department_id: String,
    /// 医生ID; without one the ordinary clinic (普通门诊).
    doctor_id: Option<String>,
    /// 1 星期一 to 7 星期日
    weekday: u8,
    /// `AM` or `PM`
    period: String,
    /// HH:mm
    start: String,
    /// HH:mm; no slot begins then or later.
    end: String,
    /// 号源数, 1 to 500; either this or `interval_minutes`.
    slot_count: Option<u16>,
    /// 间隔分钟数, 1 to 240
    interval_minutes: Option<u16>,
    /// 现场号: so many of the slots, the last ones, are for the desk alone. Without it none.
    desk_only: Option<u16>,
    /// 0 普通, 1 专家
    #[schema(rename = "type")]
    kind: u8,
    /// Yuan, with at most two decimals.
    fee: f64,
    /// 就诊地点
    location: Option<String>,
    /// yyyy-MM-dd
    valid_from: String,
    /// yyyy-MM-dd, the last day; without one until further notice.
    valid_to: Option<String>,
}

/// What `template/del` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct TemplateDeletionRequest {
    /// 模板ID
    template_id: String,
}

#[derive(Serialize, ToSchema)]
struct SavedTemplate {
    template_id: String,
}

/// `GET manager_service/templates`: all templates, or those of a department or doctor, in the order in which they were
/// added.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/templates",
    tag = "管理：排班",
    security(("token" = [])),
    params(
        ("department_id" = Option<String>, Query, description = "科室ID; without one all"),
        ("doctor_id" = Option<String>, Query, description = "医生ID; without one all"),
        SnakePageQuery,
    ),
    responses((status = 200, body = Success<SnakePage<TemplateRow>>)),
)]
pub async fn list(app: web::Data<App>, desk: Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let Desk(staff) = desk;
    let department = match params.optional("department_id", "科室ID") {
        Some(param) => Some(param.parse(DepartmentId::parse)?),
        None => None,
    };
    let doctor = match params.optional("doctor_id", "医生ID") {
        Some(param) => Some(param.parse(DoctorId::parse)?),
        None => None,
    };
    let page = PageRequest::read_snake(&params)?;
    let mut all = read_all(&app, staff.tenant).await?;
    all.retain(|(_, stored)| {
        let template = &stored.record.0;
        department.is_none_or(|id| template.department == id)
            && doctor.is_none_or(|id| template.doctor == Some(id))
    });
    let total = all.len() as u64;
    let mut rows = Vec::new();
    for (id, stored) in all.into_iter().skip(page.offset()).take(page.limit()) {
        rows.push(row(&app, staff.tenant, id, &stored.record.0)?);
    }
    Ok(envelope::ok(SnakePage::from(Page::new(page, total, rows))))
}

fn row(app: &App, tenant: TenantId, id: TemplateId, template: &Template) -> Result<TemplateRow, ApiError> {
    let profiles = app.availability.profiles();
    let department =
        profiles.department(&app.storage, tenant, template.department).map_err(ApiError::internal)?;
    let doctor = match template.doctor {
        Some(doctor) => profiles.doctor(&app.storage, tenant, doctor).map_err(ApiError::internal)?,
        None => None,
    };
    Ok(TemplateRow {
        template_id: id.to_string(),
        department_id: template.department.to_string(),
        department_name: department.map(|department| department.name.clone()).unwrap_or_default(),
        doctor_id: template.doctor.map(|doctor| doctor.to_string()),
        doctor_name: doctor.map(|doctor| doctor.name.clone()),
        weekday: template.weekday.number(),
        period: period_name(template.period),
        start: template.grid.start().to_string(),
        end: template.grid.end().to_string(),
        slot_count: template.grid.count(),
        interval_minutes: match template.grid.pace() {
            Pace::Every(minutes) => Some(minutes),
            Pace::Slots(_) => None,
        },
        desk_only: template.desk_only,
        kind: template.kind.code(),
        fee: template.fee.to_yuan(),
        location: template.location.clone(),
        valid_from: template.valid_from.to_string(),
        valid_to: template.valid_through.map(|day| day.to_string()),
    })
}

/// `POST manager_service/template`: adds a template, or replaces one. Schedules that were made stay as they are.
///
/// Adding one that is there with the same content answers the one that is there.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/template",
    tag = "管理：排班",
    security(("token" = [])),
    request_body = TemplateRequest,
    responses((status = 200, body = Success<SavedTemplate>)),
)]
pub async fn save(app: web::Data<App>, desk: Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let Desk(staff) = desk;
    let id = match params.optional("template_id", "模板ID") {
        Some(param) => Some(param.parse(TemplateId::parse)?),
        None => None,
    };
    let template = read(&params)?;
    let id = store(&app, staff, id, &template).await?;
    Ok(envelope::ok(SavedTemplate { template_id: id.to_string() }))
}

fn read(params: &Params) -> Result<Template, ApiError> {
    let department = params.required("department_id", "科室ID")?.parse(DepartmentId::parse)?;
    let doctor = match params.optional("doctor_id", "医生ID") {
        Some(param) => Some(param.parse(DoctorId::parse)?),
        None => None,
    };
    let weekday = read_weekday(params.required("weekday", "星期")?)?;
    let PlannedSlots { period, grid, desk_only } = PlannedSlots::read(params)?;
    let kind = params.required("type", "号别")?.parse(|text| {
        text.parse().ok().and_then(ClinicKind::from_code).ok_or(ErrorCode::ParameterMalformed)
    })?;
    let fee = params.required("fee", "费用")?.yuan()?;
    let location = match params.optional("location", "就诊地点") {
        Some(param) => param.parse(|text| texts::text(text, LINE_LIMIT))?,
        None => String::new(),
    };
    let valid_from = params.required("valid_from", "开始日期")?.parse(Date::parse_lenient)?;
    let valid_through = match params.optional("valid_to", "结束日期") {
        Some(param) => Some(param.parse(Date::parse_lenient)?),
        None => None,
    };
    let template = Template {
        department,
        doctor,
        weekday,
        period,
        grid,
        desk_only,
        kind,
        fee,
        location,
        valid_from,
        valid_through,
    };
    template.validate().map_err(|error| match error {
        TemplateError::OutsidePeriod => ApiError::malformed("开始时间"),
        TemplateError::TooManyForDesk => ApiError::malformed("现场号数"),
        TemplateError::NeverValid => ApiError::malformed("结束日期"),
    })?;
    Ok(template)
}

fn read_weekday(param: Param<'_>) -> Result<Weekday, ApiError> {
    let number = u8::try_from(param.integer(1..=7)?).map_err(|_| param.malformed())?;
    Weekday::from_number(number).map_err(|_| param.malformed())
}

/// All templates of the clinic.
async fn read_all(
    app: &App,
    tenant: TenantId,
) -> Result<Vec<(TemplateId, Stored<TemplateRecord>)>, ApiError> {
    let storage = app.storage.clone();
    let read = web::block(move || scan(&storage, tenant));
    read.await.map_err(ApiError::internal)?
}

fn scan(storage: &Storage, tenant: TenantId) -> Result<Vec<(TemplateId, Stored<TemplateRecord>)>, ApiError> {
    let stored = storage.scan(&keys::templates(tenant), Scan::ALL).map_err(ApiError::internal)?;
    Ok(stored.into_iter().filter_map(|(key, stored)| Some((keys::template_id(&key)?, stored))).collect())
}

async fn store(
    app: &App,
    staff: Staff,
    id: Option<TemplateId>,
    template: &Template,
) -> Result<TemplateId, ApiError> {
    let mut new = None;
    for _ in 0..MAX_TRIES {
        let mut commit = Commit::new();
        let ward_key = keys::department(staff.tenant, template.department);
        let ward = app.storage.get(&ward_key).map_err(ApiError::internal)?.ok_or(ErrorCode::NotFound)?;
        commit.require_version(&ward_key, ward.version).put(&ward_key, &ward.record);
        require_doctor(app, staff.tenant, template)?;
        let all = read_all(app, staff.tenant).await?;
        let stored = match id {
            Some(id) => Some(all.iter().find(|(other, _)| *other == id).ok_or(ErrorCode::NotFound)?),
            None => None,
        };
        let rival = all.iter().find(|(other, it)| Some(*other) != id && it.record.0.overlaps(template));
        if let Some((other, rival)) = rival {
            return if id.is_none() && rival.record.0 == *template {
                Ok(*other)
            } else {
                Err(ErrorCode::TemplateOverlap.into())
            };
        }
        let (id, version) = match (stored, new) {
            (Some((id, stored)), _) if stored.record.0 == *template => return Ok(*id),
            (Some((id, stored)), _) => (*id, stored.version),
            (None, Some(id)) => (id, Version::ABSENT),
            (None, None) if all.len() >= MAX_TEMPLATES => return Err(ErrorCode::TooManyEntries.into()),
            (None, None) => {
                let number = app.sequences.next(&app.storage, staff.tenant, Sequence::Template).await?;
                (*new.insert(TemplateId::new(number).map_err(ApiError::internal)?), Version::ABSENT)
            }
        };
        let key = keys::template(staff.tenant, id);
        commit.require_version(&key, version).put(&key, &TemplateRecord(template.clone()));
        staff.require_session(app, &mut commit)?;
        staff.audit(app, Action::TemplateSaved, Some(id.get())).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(id),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

fn require_doctor(app: &App, tenant: TenantId, template: &Template) -> Result<(), ApiError> {
    let Some(doctor) = template.doctor else { return Ok(()) };
    let profile =
        app.availability.profiles().doctor(&app.storage, tenant, doctor).map_err(ApiError::internal)?;
    let profile = profile.ok_or(ErrorCode::NotFound)?;
    if profile.departments.contains(&template.department) {
        return Ok(());
    }
    Err(ErrorCode::DoctorElsewhere.into())
}

/// `POST manager_service/template/del`: no more schedules are made from it. Those that were made stay.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/template/del",
    tag = "管理：排班",
    security(("token" = [])),
    request_body = TemplateDeletionRequest,
    responses((status = 200, body = Done)),
)]
pub async fn remove(app: web::Data<App>, desk: Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let Desk(staff) = desk;
    let id = params.required("template_id", "模板ID")?.parse(TemplateId::parse)?;
    let key = keys::template(staff.tenant, id);
    for _ in 0..MAX_TRIES {
        let stored = app.storage.get(&key).map_err(ApiError::internal)?.ok_or(ErrorCode::NotFound)?;
        let mut commit = Commit::new();
        commit.require_version(&key, stored.version).delete(&key);
        staff.require_session(&app, &mut commit)?;
        staff.audit(&app, Action::TemplateDeleted, Some(id.get())).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(envelope::ok_null()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}
