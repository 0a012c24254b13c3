//! One patient's file, as the staff reads it.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use domain::{Age, DoctorId, PatientId, TenantId};
use serde::Serialize;
use storage::keys;
use storage::records::{Action, Certificate, PatientNotes};
use utoipa::ToSchema;

use super::certificates::{kind_and_number, masked_number};
use super::photo::{self, PhotoError};
use super::visits::Visits;
use super::{LabelOfPatient, labels_of};
use crate::app::App;
use crate::http::caller::Staff;
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::members::files::OnFile;
use crate::http::openapi::Success;
use crate::http::params::Params;

/// What `pati_info` reads.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes a query; Params reads it")]
pub(in crate::http) struct PatientQuery {
    /// 患者ID
    pati_id: String,
}

#[derive(Serialize, ToSchema)]
struct PatientInfo {
    pati_id: String,
    pati_name: String,
    pati_gender: u8,
    /// yyyy-MM-dd
    pati_birthday: String,
    pati_age: String,
    pati_phone: String,
    /// 建档日期, yyyy-MM-dd
    pati_create_time: String,
    pati_group_id: Option<String>,
    pati_group_name: Option<String>,
    list: Vec<LabelOfPatient>,
    pati_id_type: Option<String>,
    /// Masked for doctors.
    pati_id_number: Option<String>,
    pati_province: Option<String>,
    pati_city: Option<String>,
    pati_county: Option<String>,
    pati_address: Option<String>,
    pati_splice_address: Option<String>,
    cont_name: Option<String>,
    cont_relation: Option<u8>,
    cont_phone: Option<String>,
    /// The picture of an account whose default member the patient is; else empty.
    pati_photo: String,
    /// Today's booking once the patient has registered; else empty.
    trea_id: String,
}

/// `GET manager_service/pati_info`: one patient's file. The desk reads the whole ID number; a doctor reads own patients
/// only, with the number masked.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/pati_info",
    tag = "管理：患者",
    security(("token" = [])),
    params(PatientQuery),
    responses((status = 200, body = Success<PatientInfo>)),
)]
pub async fn show(app: web::Data<App>, staff: Staff, params: Params) -> Result<HttpResponse, ApiError> {
    let patient = params.required("pati_id", "患者ID")?.parse(PatientId::parse)?;
    let only_of = staff.only_of();
    let Elsewhere { trea_id, pati_photo } = admit(&app, staff.tenant, patient, only_of).await?;
    let info = PatientInfo { trea_id, pati_photo, ..read(&app, staff.tenant, patient, only_of)? };
    staff.audit_read(&app, Action::PatientRead, Some(patient.get())).await?;
    Ok(envelope::ok(info))
}

/// What of a patient stands with others.
struct Elsewhere {
    trea_id: String,
    pati_photo: String,
}

/// Looks up what stands with others of the patient, whom the caller may read.
///
/// # Errors
/// 0404 for no patient, and for a doctor also for somebody else's.
async fn admit(
    app: &web::Data<App>,
    tenant: TenantId,
    patient: PatientId,
    only_of: Option<DoctorId>,
) -> Result<Elsewhere, ApiError> {
    let today = app.policy.zone.date_of(app.clock.now());
    let (storage, vault) = (app.storage.clone(), app.vault.clone());
    let day_book = Arc::clone(&app.day_book);
    let found = web::block(move || {
        let visits = Visits { day_book: &day_book, storage: &storage, tenant };
        let admitted = match only_of {
            Some(doctor) => visits.has_booking_with(patient, doctor)?,
            None => storage.contains(&keys::patient(tenant, patient))?,
        };
        if !admitted {
            return Ok(None);
        }
        let registered = visits.registered_on(today, patient)?;
        let photo = photo::key_for(&storage, &vault, tenant, patient)?;
        Ok::<_, PhotoError>(Some((registered, photo)))
    });
    let found = found.await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    let (registered, photo) = found.ok_or(ErrorCode::NotFound)?;
    Ok(Elsewhere {
        trea_id: registered.map(|booking| booking.to_string()).unwrap_or_default(),
        pati_photo: photo.map(|key| app.picture_url(&key)).unwrap_or_default(),
    })
}

fn read(
    app: &App,
    tenant: TenantId,
    patient: PatientId,
    only_of: Option<DoctorId>,
) -> Result<PatientInfo, ApiError> {
    let OnFile { record, personal, .. } = OnFile::find(app, tenant, patient)?.ok_or(ErrorCode::NotFound)?;
    let key = keys::patient_file(tenant, patient);
    let file = app.storage.get(&key).map_err(ApiError::internal)?.map(|file| file.record);
    let notes = file.as_ref().map(|file| file.open(&app.vault, &key)).transpose();
    let notes = notes.map_err(ApiError::internal)?.unwrap_or_default();
    let group = file.as_ref().and_then(|file| file.group).and_then(|id| app.patients.label(tenant, id));
    let labels = file.map(|file| file.labels).unwrap_or_default();
    let whole = |certificate: &Certificate| kind_and_number(certificate).1.to_owned();
    let number = if only_of.is_none() { whole } else { masked_number };
    let zone = &app.policy.zone;
    Ok(PatientInfo {
        pati_id: patient.to_string(),
        pati_name: personal.name.as_str().to_owned(),
        pati_gender: personal.gender.code(),
        pati_birthday: personal.birthday.to_string(),
        pati_age: Age::between(personal.birthday, zone.date_of(app.clock.now())).to_string(),
        pati_phone: personal.phone.as_str().to_owned(),
        pati_create_time: zone.date_of(record.created_at).to_string(),
        pati_group_id: group.as_ref().map(|group| group.id.to_string()),
        pati_group_name: group.map(|group| group.name.as_str().to_owned()),
        list: labels_of(app, tenant, &labels),
        pati_id_type: personal.certificate.as_ref().map(|held| kind_and_number(held).0.to_string()),
        pati_id_number: personal.certificate.as_ref().map(number),
        pati_splice_address: given(whole_address(&notes)),
        pati_province: given(notes.province),
        pati_city: given(notes.city),
        pati_county: given(notes.county),
        pati_address: given(notes.address),
        cont_name: given(notes.contact_name),
        cont_relation: notes.contact_relation,
        cont_phone: given(notes.contact_phone),
        pati_photo: String::new(),
        trea_id: String::new(),
    })
}

fn whole_address(notes: &PatientNotes) -> String {
    [&*notes.province, &notes.city, &notes.county, &notes.address].concat()
}

fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
