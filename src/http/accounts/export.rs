//! Everything that is kept about an account, for its owner (个人信息副本).

use actix_web::{HttpResponse, web};
use domain::Gender;
use serde::Serialize;
use storage::records::{BookingOwner, Consent};
use storage::{Order, Scan, keys};
use utoipa::ToSchema;

use super::super::bookings::{self, BookingRow};
use super::super::caller::Patient;
use super::super::envelope;
use super::super::error::ApiError;
use super::super::members::certificate_number;
use super::super::members::files::OnFile;
use super::super::members::own::OwnMembers;
use super::super::openapi::Success;
use super::super::profile::Account;
use crate::app::App;

#[derive(Serialize, ToSchema)]
struct Export {
    #[serde(rename = "userId")]
    user: String,
    phone: String,
    created_at: String,
    consent: Option<ConsentRow>,
    name: String,
    gender: u8,
    birthday: Option<String>,
    avatar: String,
    sessions: Vec<SessionRow>,
    members: Vec<MemberExport>,
    bookings: Vec<BookingRow>,
}

/// To which version of the privacy notice was agreed, and when.
#[derive(Serialize, ToSchema)]
struct ConsentRow {
    privacy_version: String,
    given_at: String,
}

/// A login that has not ended.
#[derive(Serialize, ToSchema)]
struct SessionRow {
    created_at: String,
    expires_at: String,
}

#[derive(Serialize, ToSchema)]
struct MemberExport {
    #[serde(rename = "memberId")]
    id: String,
    #[serde(rename = "bindPatiId")]
    patient: String,
    name: String,
    gender: u8,
    birthday: String,
    #[serde(rename = "IDNo")]
    id_number: String,
    phone: String,
    #[serde(rename = "defaultMember")]
    is_default: bool,
    created_at: String,
}

/// `GET patient_service/myinfo/export`: everything that is kept about the account, its members and its bookings.
#[utoipa::path(
    get,
    path = "/pati_service/patient_service/myinfo/export",
    tag = "患者认证",
    security(("token" = [])),
    responses((status = 200, body = Success<Export>)),
)]
pub async fn export(app: web::Data<App>, patient: Patient) -> Result<HttpResponse, ApiError> {
    let Account { record, personal, .. } = Account::read(&app, patient)?;
    let zone = &app.policy.zone;
    let profile = personal.profile;
    Ok(envelope::ok(Export {
        user: patient.user.to_string(),
        phone: personal.phone.as_str().to_owned(),
        created_at: zone.date_time_text(record.created_at),
        consent: record.consent.map(|Consent { version, given_at }| ConsentRow {
            privacy_version: version,
            given_at: zone.date_time_text(given_at),
        }),
        name: profile.name.map(|name| name.as_str().to_owned()).unwrap_or_default(),
        gender: Gender::code(profile.gender),
        birthday: profile.birthday.map(|birthday| birthday.to_string()),
        avatar: profile.avatar.map(|key| app.picture_url(&key)).unwrap_or_default(),
        sessions: sessions(&app, patient)?,
        members: members(&app, patient)?,
        bookings: all_bookings(&app, patient)?,
    }))
}

fn sessions(app: &App, patient: Patient) -> Result<Vec<SessionRow>, ApiError> {
    let zone = &app.policy.zone;
    let range = keys::sessions_of(patient.tenant, patient.user);
    let stored = app.storage.scan(&range, Scan::ALL).map_err(ApiError::internal)?;
    let alive = stored.iter().map(|(_, stored)| stored.record).filter(|it| it.expires_at > app.clock.now());
    let rows = alive.map(|session| SessionRow {
        created_at: zone.date_time_text(session.created_at),
        expires_at: zone.date_time_text(session.expires_at),
    });
    Ok(rows.collect())
}

fn members(app: &App, patient: Patient) -> Result<Vec<MemberExport>, ApiError> {
    let own = OwnMembers::read(app, patient)?;
    let mut rows = Vec::with_capacity(own.members.len());
    for member in &own.members {
        let person = OnFile::read(app, patient.tenant, member.patient)?.personal;
        let contact = member.open(&app.vault, &own.key).map_err(ApiError::internal)?;
        rows.push(MemberExport {
            id: member.member.to_string(),
            patient: member.patient.to_string(),
            name: person.name.as_str().to_owned(),
            gender: person.gender.code(),
            birthday: person.birthday.to_string(),
            id_number: certificate_number(&person),
            phone: contact.phone.as_str().to_owned(),
            is_default: member.is_default,
            created_at: app.policy.zone.date_time_text(member.created_at),
        });
    }
    Ok(rows)
}

fn all_bookings(app: &App, patient: Patient) -> Result<Vec<BookingRow>, ApiError> {
    let range = keys::bookings_of(patient.tenant, BookingOwner::Account(patient.user));
    let newest_first = Scan { order: Order::Descending, ..Scan::ALL };
    let stored = app.storage.scan(&range, newest_first).map_err(ApiError::internal)?;
    stored.iter().map(|(_, stored)| bookings::row(app, patient.tenant, &stored.record.0)).collect()
}
