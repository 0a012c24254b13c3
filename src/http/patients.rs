//! The clinic's patients as its staff sees them: searched, opened (建档), changed, and sorted by groups and labels.
//!
//! Whoever changes a patient writes the patient's record too, even where only a label changes: who corrects or erases
//! a file because nobody relies on it sees that the clinic does.

use actix_web::{HttpResponse, web};
use actors::{PhonePrefix, Sought};
use domain::{Age, Date, LabelId, LabelKind, PatientId, PersonName, TenantId};
use serde::Serialize;
use storage::keys;
use storage::records::Action;
use utoipa::ToSchema;

use super::caller::Desk;
use super::envelope;
use super::error::{ApiError, ErrorCode};
use super::members::files::OnFile;
use super::openapi::Success;
use super::paging::{Page, PageRequest, SnakePage};
use super::params::Params;
use crate::app::App;
use certificates::masked_number;
use form::PatientForm;
use saving::Saving;

pub(super) mod certificates;
mod form;
pub mod info;
pub mod labels;
mod photo;
mod saving;
#[cfg(test)]
mod tests;
mod visits;

/// What `patients` reads; all of it has to fit.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes a query; Params reads it")]
pub(in crate::http) struct PatientsQuery {
    /// A part of the name.
    name: Option<String>,
    /// The first digits of the phone, or all of it.
    phone: Option<String>,
    /// 分组编码
    pati_group_id: Option<String>,
    /// 标签编码
    label_id: Option<String>,
    /// From 1; without it 1.
    #[param(minimum = 1)]
    page_num: Option<u64>,
    /// From 1; without it 10; above 100 it counts as 100.
    #[param(minimum = 1)]
    page_size: Option<u64>,
}

/// A patient as lists show one; the ID number is masked.
#[derive(Serialize, ToSchema)]
struct PatientRow {
    pati_id: String,
    pati_name: String,
    pati_gender: u8,
    pati_age: String,
    pati_phone: String,
    /// The first three and the last four characters; null without a certificate.
    pati_id_number: Option<String>,
    pati_group_id: Option<String>,
    pati_group_name: Option<String>,
    /// yyyy-MM-dd HH:mm:ss
    pati_create_time: String,
}

/// A label (标签) of a patient.
#[derive(Serialize, ToSchema)]
struct LabelOfPatient {
    label_name: String,
    label_id: String,
}

/// What `patient` answers.
#[derive(Serialize, ToSchema)]
struct SavedPatient {
    pati_id: String,
    list: Vec<LabelOfPatient>,
}

/// What `patient` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct PatientSaveRequest {
    /// 患者ID 为空表示新增 有数据表示修改
    pati_id: Option<String>,
    /// 姓名
    pati_name: String,
    /// 0 未知, 1 男, 2 女
    pati_gender: u8,
    /// yyyy-MM-dd
    pati_birthday: String,
    /// 手机号码
    pati_phone: String,
    /// 证件类型: empty, 1 and 99 are 身份证
    pati_id_type: Option<String>,
    /// 证件号码
    pati_id_number: Option<String>,
    /// 省
    pati_province: Option<String>,
    /// 市
    pati_city: Option<String>,
    /// 区县
    pati_county: Option<String>,
    /// 详细地址
    pati_address: Option<String>,
    /// 联系人
    cont_name: Option<String>,
    /// 0 to 99, by the clinic's list
    cont_relation: Option<u8>,
    /// 联系人电话
    cont_phone: Option<String>,
    /// 分组
    pati_group_id: Option<String>,
    /// 标签: objects with a label_id, or the ids; absent = as they are, empty = none
    list: Option<Vec<LabelIdRequest>>,
}

/// A label that a patient is to have.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a part of a body; Params reads it")]
struct LabelIdRequest {
    /// 标签编码
    label_id: String,
}

/// `GET manager_service/patients`: the clinic's patients by name, phone, group and label, the newest first. Ours, not
/// the contract's.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/patients",
    tag = "管理：患者",
    security(("token" = [])),
    params(PatientsQuery),
    responses((status = 200, body = Success<SnakePage<PatientRow>>)),
)]
pub async fn list(app: web::Data<App>, Desk(staff): Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let tenant = staff.tenant;
    let sought = sought(&app, tenant, &params)?;
    let page = PageRequest::read_snake(&params)?;
    let index = app.patients.clone();
    // Looks at every patient of the clinic, off the threads that serve requests.
    let found = web::block(move || index.search(tenant, &sought, (page.offset(), page.limit()))).await;
    let (total, patients) = found.map_err(ApiError::internal)?;
    let today = app.policy.zone.date_of(app.clock.now());
    let mut rows = Vec::with_capacity(patients.len());
    for patient in patients {
        rows.extend(row(&app, tenant, patient, today)?);
    }
    staff.audit_read(&app, Action::PatientsListed, None).await?;
    Ok(envelope::ok(SnakePage::from(Page::new(page, total as u64, rows))))
}

fn sought(app: &App, tenant: TenantId, params: &Params) -> Result<Sought, ApiError> {
    let name = params.optional("name", "姓名").map(|param| param.parse(PersonName::parse)).transpose()?;
    let phone = match params.optional("phone", "手机号") {
        Some(param) => Some(PhonePrefix::parse(param.text()?).ok_or_else(|| param.malformed())?),
        None => None,
    };
    let label_of = |name, title, kind| match params.optional(name, title) {
        Some(param) => live_label(app, tenant, param.parse(LabelId::parse)?, kind).map(Some),
        None => Ok(None),
    };
    Ok(Sought {
        name: name.map(|name| name.as_str().to_owned()),
        phone,
        group: label_of("pati_group_id", "分组编码", LabelKind::Group)?,
        label: label_of("label_id", "标签编码", LabelKind::Label)?,
    })
}

/// The id, if it is a group or label of this kind that was not deleted.
///
/// # Errors
/// 0404 otherwise.
fn live_label(app: &App, tenant: TenantId, label: LabelId, kind: LabelKind) -> Result<LabelId, ApiError> {
    match app.patients.label(tenant, label).filter(|view| view.kind == kind) {
        Some(view) => Ok(view.id),
        None => Err(ErrorCode::NotFound.into()),
    }
}

/// `None` for a patient who was erased since it was found.
fn row(app: &App, tenant: TenantId, patient: PatientId, today: Date) -> Result<Option<PatientRow>, ApiError> {
    let Some(OnFile { record, personal, .. }) = OnFile::find(app, tenant, patient)? else { return Ok(None) };
    let file = app.storage.get(&keys::patient_file(tenant, patient)).map_err(ApiError::internal)?;
    let group = file.and_then(|file| file.record.group).and_then(|group| app.patients.label(tenant, group));
    Ok(Some(PatientRow {
        pati_id: patient.to_string(),
        pati_name: personal.name.as_str().to_owned(),
        pati_gender: personal.gender.code(),
        pati_age: Age::between(personal.birthday, today).to_string(),
        pati_phone: personal.phone.as_str().to_owned(),
        pati_id_number: personal.certificate.as_ref().map(masked_number),
        pati_group_id: group.as_ref().map(|group| group.id.to_string()),
        pati_group_name: group.map(|group| group.name.as_str().to_owned()),
        pati_create_time: app.policy.zone.date_time_text(record.created_at),
    }))
}

/// `POST manager_service/patient`: opens a patient's file (建档), or changes one.
///
/// With `pati_id` all optional fields are replaced, but for `list`: absent it leaves the labels as they are. Without it,
/// a person who is on file already is found again: by the ID number, otherwise by name, birthday, phone and certificate.
/// Then the name must be that on file, and what is not given stays.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/patient",
    tag = "管理：患者",
    security(("token" = [])),
    request_body = PatientSaveRequest,
    responses((status = 200, body = Success<SavedPatient>)),
)]
pub async fn save(app: web::Data<App>, Desk(staff): Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let today = app.policy.zone.date_of(app.clock.now());
    let form = PatientForm::read(&params, today)?;
    let (patient, labels) = Saving { app: &app, staff, form }.complete().await?;
    let list = labels_of(&app, staff.tenant, &labels);
    Ok(envelope::ok(SavedPatient { pati_id: patient.to_string(), list }))
}

/// Saves the patient of these parameters, for the tests of other parts too.
#[cfg(test)]
pub(super) async fn save_for_tests(
    app: &App,
    staff: super::caller::Staff,
    body: &serde_json::Value,
) -> Result<(PatientId, Vec<LabelId>), ErrorCode> {
    let params = Params::from_json(body.to_string().as_bytes()).map_err(|refusal| refusal.code())?;
    let today = app.policy.zone.date_of(app.clock.now());
    let form = PatientForm::read(&params, today).map_err(|refusal| refusal.code())?;
    Saving { app, staff, form }.complete().await.map_err(|refusal| refusal.code())
}

/// Those of the labels that were not deleted.
fn labels_of(app: &App, tenant: TenantId, labels: &[LabelId]) -> Vec<LabelOfPatient> {
    let live = labels.iter().filter_map(|&label| app.patients.label(tenant, label));
    live.map(|view| LabelOfPatient {
        label_name: view.name.as_str().to_owned(),
        label_id: view.id.to_string(),
    })
    .collect()
}
