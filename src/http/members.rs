//! The members of an account (就诊人): the patients that it books for.

use actix_web::{HttpResponse, web};
use domain::{Age, MemberId};
use serde::Serialize;
use storage::records::{Certificate, PatientPersonal};
use utoipa::ToSchema;

use super::barcodes;
use super::caller::Patient;
use super::envelope;
use super::error::ApiError;
use super::openapi::{Done, Success};
use super::params::Params;
use crate::app::App;
use admission::Admission;
use correction::Correction;
use files::OnFile;
use own::OwnMembers;
use person::Person;

mod admission;
mod correction;
pub(in crate::http) mod files;
pub(in crate::http) mod own;
pub(in crate::http) mod person;
#[cfg(test)]
mod tests;

#[derive(Serialize, ToSchema)]
struct Added {
    #[serde(rename = "memberId")]
    id: String,
}

/// Both tables of the contract for this endpoint in one.
#[derive(Serialize, ToSchema)]
struct MemberRow {
    #[serde(rename = "memberId")]
    id: String,
    name: String,
    gender: u8,
    age: String,
    #[serde(rename = "IDNo")]
    id_number: String,
    phone: String,
    #[serde(rename = "defaultMember")]
    is_default: bool,
    #[serde(rename = "patiImg")]
    barcode: String,
    #[serde(rename = "bindPatiId")]
    patient: String,
}

/// What `member` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct MemberRequest {
    /// 就诊人姓名
    name: String,
    /// 0 未知, 1 男, 2 女
    gender: u8,
    /// yyyy-MM-dd
    birthday: String,
    /// 身份证号码
    #[schema(rename = "IDNo")]
    id_number: String,
    /// 手机号
    phone: String,
}

/// What `member/update` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct MemberUpdateRequest {
    /// 就诊人ID
    #[schema(rename = "memberId")]
    id: String,
    /// 就诊人姓名
    name: String,
    /// 0 未知, 1 男, 2 女
    gender: u8,
    /// yyyy-MM-dd
    birthday: String,
    /// 身份证号码
    #[schema(rename = "IDNo")]
    id_number: String,
    /// 手机号
    phone: String,
}

/// What `member/del` and `member/default` read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct OneMemberRequest {
    /// 就诊人ID
    #[schema(rename = "memberId")]
    id: String,
}

/// `POST patient_service/member`: adds a member, and opens the patient's file (建档) where there is none.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/member",
    tag = "就诊人",
    security(("token" = [])),
    request_body = MemberRequest,
    responses((status = 200, body = Success<Added>)),
)]
pub async fn add(app: web::Data<App>, patient: Patient, params: Params) -> Result<HttpResponse, ApiError> {
    let person = Person::read(&params)?;
    let admission = Admission { app: &app, account: patient, person };
    Ok(envelope::ok(Added { id: admission.complete().await?.to_string() }))
}

/// `POST patient_service/member/update`: corrects a member.
///
/// The phone is this account's own. Name and ID number are the patient's: they change while no other account has the
/// patient among its members and no booking but cancelled ones is known, otherwise at the front desk.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/member/update",
    tag = "就诊人",
    security(("token" = [])),
    request_body = MemberUpdateRequest,
    responses((status = 200, body = Done)),
)]
pub async fn update(app: web::Data<App>, patient: Patient, params: Params) -> Result<HttpResponse, ApiError> {
    let member = member_of(&params)?;
    let person = Person::read(&params)?;
    Correction { app: &app, account: patient, member, person }.complete().await?;
    Ok(envelope::ok_null())
}

/// `POST patient_service/member/del`: takes a member out of the account. The patient's file stays.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/member/del",
    tag = "就诊人",
    security(("token" = [])),
    request_body = OneMemberRequest,
    responses((status = 200, body = Done)),
)]
pub async fn remove(app: web::Data<App>, patient: Patient, params: Params) -> Result<HttpResponse, ApiError> {
    own::remove(&app, patient, member_of(&params)?).await?;
    Ok(envelope::ok_null())
}

/// `POST patient_service/member/default`: makes a member the account's default one (默认就诊人).
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/member/default",
    tag = "就诊人",
    security(("token" = [])),
    request_body = OneMemberRequest,
    responses((status = 200, body = Done)),
)]
pub async fn make_default(
    app: web::Data<App>,
    patient: Patient,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    own::make_default(&app, patient, member_of(&params)?).await?;
    Ok(envelope::ok_null())
}

/// Adds the person of these parameters to an account, for the tests of other parts.
#[cfg(test)]
pub(super) async fn admit_for_tests(
    app: &App,
    account: Patient,
    body: &serde_json::Value,
) -> Result<MemberId, super::error::ErrorCode> {
    let params = Params::from_json(body.to_string().as_bytes()).map_err(|refusal| refusal.code())?;
    let person = Person::read(&params).map_err(|refusal| refusal.code())?;
    Admission { app, account, person }.complete().await.map_err(|refusal| refusal.code())
}

fn member_of(params: &Params) -> Result<MemberId, ApiError> {
    params.required("memberId", "就诊人ID")?.parse(MemberId::parse)
}

/// `GET patient_service/members`: the members of the account, in the order they were added.
#[utoipa::path(
    get,
    path = "/pati_service/patient_service/members",
    tag = "就诊人",
    security(("token" = [])),
    responses((status = 200, body = Success<Vec<MemberRow>>)),
)]
pub async fn list(app: web::Data<App>, patient: Patient) -> Result<HttpResponse, ApiError> {
    let own = OwnMembers::read(&app, patient)?;
    let today = app.policy.zone.date_of(app.clock.now());
    let mut rows = Vec::with_capacity(own.members.len());
    for member in &own.members {
        let person = OnFile::read(&app, patient.tenant, member.patient)?.personal;
        let contact = member.open(&app.vault, &own.key).map_err(ApiError::internal)?;
        rows.push(MemberRow {
            id: member.member.to_string(),
            name: person.name.as_str().to_owned(),
            gender: person.gender.code(),
            age: Age::between(person.birthday, today).to_string(),
            id_number: certificate_number(&person),
            phone: contact.phone.as_str().to_owned(),
            is_default: member.is_default,
            barcode: barcodes::base64_png(member.patient)?,
            patient: member.patient.to_string(),
        });
    }
    Ok(envelope::ok(rows))
}

/// The number of the person's certificate, `""` without one.
pub(super) fn certificate_number(person: &PatientPersonal) -> String {
    match &person.certificate {
        Some(Certificate::IdCard(number)) => number.as_str().to_owned(),
        Some(Certificate::Other { number, .. }) => number.clone(),
        None => String::new(),
    }
}
