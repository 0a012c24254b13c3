//! Booking (预约挂号): hold, book, list, look, cancel.

use actix_web::{HttpRequest, HttpResponse, web};
use actors::{Booker, Request, Target, Terms};
use domain::{
    Age, Booking, BookingId, Cancel, CancelBy, DepartmentId, DoctorId, Gender, MemberId, Reply, ScheduleId,
    SerialNo, Status, TenantId,
};
use serde::Serialize;
use storage::records::{BookingOwner, PatientPersonal};
use storage::sabotage::{self, Place};
use storage::{Order, Scan, keys};
use utoipa::ToSchema;

use super::caller::Patient;
use super::envelope;
use super::error::{ApiError, ErrorCode};
use super::idempotency::{self, Idempotency, Route};
use super::members::certificate_number;
use super::openapi::{Done, Success};
use super::paging::{Page, PageQuery, PageRequest};
use super::params::{Param, Params};
use crate::app::App;

#[derive(Serialize, ToSchema)]
struct Presubmitted {
    #[serde(rename = "deptId")]
    department: String,
    #[serde(rename = "deptName")]
    department_name: String,
    #[serde(rename = "type")]
    kind: u8,
    #[serde(rename = "doctor")]
    doctor_name: Option<String>,
    #[serde(rename = "appoTime")]
    starts_at: String,
    bookfee: f64,
}

#[derive(Serialize, ToSchema)]
struct Submitted {
    #[serde(rename = "bookId")]
    id: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct BookingRow {
    #[serde(rename = "bookId")]
    id: String,
    #[serde(rename = "treaTime")]
    starts_at: String,
    #[serde(rename = "bookStatus")]
    status: u8,
    #[serde(rename = "deptId")]
    department: String,
    #[serde(rename = "deptName")]
    department_name: String,
    #[serde(rename = "type")]
    kind: u8,
    #[serde(rename = "doctorId")]
    doctor: Option<String>,
    #[serde(rename = "doctorName")]
    doctor_name: Option<String>,
    #[serde(rename = "memberName")]
    member_name: String,
    #[serde(rename = "visiSerialno")]
    visit_serial: Option<String>,
    #[serde(rename = "visiCharge")]
    charge: u8,
}

#[derive(Serialize, ToSchema)]
struct BookingDetail {
    #[serde(rename = "bookId")]
    id: String,
    #[serde(rename = "bookCode")]
    code: String,
    #[serde(rename = "bookStatus")]
    status: u8,
    #[serde(rename = "deptId")]
    department: String,
    #[serde(rename = "deptName")]
    department_name: String,
    #[serde(rename = "type")]
    kind: u8,
    #[serde(rename = "doctorId")]
    doctor: Option<String>,
    #[serde(rename = "doctorName")]
    doctor_name: Option<String>,
    bookfee: f64,
    #[serde(rename = "treaTime")]
    starts_at: String,
    #[serde(rename = "treaNo")]
    serial: u16,
    #[serde(rename = "treaArea")]
    location: String,
    #[serde(rename = "memberName")]
    member_name: String,
    #[serde(rename = "memberGender")]
    member_gender: String,
    #[serde(rename = "memberAge")]
    member_age: String,
    #[serde(rename = "memberIDNo")]
    member_id_number: String,
    #[serde(rename = "bookTime")]
    booked_at: String,
    #[serde(rename = "visiCharge")]
    charge: u8,
}

/// What `book/presubmit` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct SlotRequest {
    /// 排班ID
    #[schema(rename = "scheduleId")]
    schedule: String,
    /// 就诊编号
    #[schema(rename = "serialNo")]
    serial: u16,
}

/// What `book/submit` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct SubmitRequest {
    /// 排班ID
    #[schema(rename = "scheduleId")]
    schedule: String,
    /// 就诊编号
    #[schema(rename = "serialNo")]
    serial: u16,
    /// 就诊人ID
    #[schema(rename = "memberId")]
    member: String,
}

/// What `book/schedule` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct HalfDayRequest {
    /// 排班ID
    #[schema(rename = "scheduleId")]
    schedule: String,
    /// 就诊人ID
    #[schema(rename = "memberId")]
    member: String,
}

/// What `book/cancel` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct CancelRequest {
    /// 预约ID
    #[schema(rename = "bookId")]
    booking: String,
}

/// `POST book/presubmit`: holds a slot while the patient fills in the rest.
#[utoipa::path(
    post,
    path = "/pati_service/book_service/book/presubmit",
    tag = "预约挂号",
    security(("token" = [])),
    request_body = SlotRequest,
    responses((status = 200, body = Success<Presubmitted>)),
)]
pub async fn presubmit(
    app: web::Data<App>,
    patient: Patient,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let (schedule, serial) = slot_of(&params)?;
    let target = Target { tenant: patient.tenant, schedule };
    let request = Request::Presubmit { user: patient.user, serial };
    app.directory
        .ask(target, request, Terms { deadline: app.deadline(), repeat: None, audit: None, also: None })
        .await?;
    let stored = app.storage.get(&keys::schedule(patient.tenant, schedule)).map_err(ApiError::internal)?;
    let schedule = stored.ok_or(ErrorCode::ScheduleUnknown)?.record.schedule;
    let slot = schedule.slot(serial).ok_or(ErrorCode::SlotUnknown)?;
    let zone = &app.policy.zone;
    Ok(envelope::ok(Presubmitted {
        department: schedule.department.to_string(),
        department_name: department_name(&app, patient.tenant, schedule.department)?,
        kind: schedule.kind.code(),
        doctor_name: doctor_name(&app, patient.tenant, schedule.doctor)?,
        starts_at: zone.date_time_text(zone.instant(schedule.date, slot.time)),
        bookfee: schedule.fee.to_yuan(),
    }))
}

/// `POST book/submit`: books the slot for a member.
#[utoipa::path(
    post,
    path = "/pati_service/book_service/book/submit",
    tag = "预约挂号",
    security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 64 visible ASCII characters")),
    request_body = SubmitRequest,
    responses((status = 200, body = Success<Submitted>)),
)]
pub async fn submit(
    app: web::Data<App>,
    patient: Patient,
    request: HttpRequest,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    sabotage::pass(Place::Handler);
    let (schedule, serial) = slot_of(&params)?;
    let member = params.required("memberId", "就诊人ID")?.parse(MemberId::parse)?;
    let content = [schedule.get(), u64::from(serial.get()), member.get()];
    let repeat = match idempotency::read(&app, &request, patient, Route::Submit, &content)? {
        Idempotency::Answered(reply) => return submitted(reply),
        Idempotency::New(repeat) => Some(repeat),
        Idempotency::None => None,
    };
    let target = Target { tenant: patient.tenant, schedule };
    let wish = Request::Submit { booker: Booker::Account { user: patient.user, member }, serial };
    let terms = Terms { deadline: app.deadline(), repeat, audit: None, also: None };
    let reply = idempotency::or_stored(&app, repeat, app.directory.ask(target, wish, terms).await)?;
    submitted(reply)
}

fn submitted(reply: Reply) -> Result<HttpResponse, ApiError> {
    match reply {
        Reply::Booked(id) => Ok(envelope::ok(Submitted { id: id.to_string() })),
        other => Err(ApiError::internal(format!("a submit was answered with {other:?}"))),
    }
}

/// `POST book/schedule`: whether the member's half-day is still free (同一时间段就诊判断).
#[utoipa::path(
    post,
    path = "/pati_service/book_service/book/schedule",
    tag = "预约挂号",
    security(("token" = [])),
    request_body = HalfDayRequest,
    responses((status = 200, body = Done)),
)]
pub async fn check_half_day(
    app: web::Data<App>,
    patient: Patient,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let schedule = params.required("scheduleId", "排班ID")?.parse(ScheduleId::parse)?;
    let member = params.required("memberId", "就诊人ID")?.parse(MemberId::parse)?;
    let tenant = patient.tenant;
    let stored = app.storage.get(&keys::schedule(tenant, schedule)).map_err(ApiError::internal)?;
    let schedule = stored.ok_or(ErrorCode::ScheduleUnknown)?.record.schedule;
    let members = app.storage.get(&keys::members(tenant, patient.user)).map_err(ApiError::internal)?;
    let members = members.map(|stored| stored.record.members).unwrap_or_default();
    let member = members.into_iter().find(|entry| entry.member == member).ok_or(ErrorCode::MemberUnknown)?;
    let visit = keys::visit(tenant, member.patient, schedule.date, schedule.period);
    match app.storage.contains(&visit).map_err(ApiError::internal)? {
        true => Err(ErrorCode::HalfDayTaken.into()),
        false => Ok(envelope::ok_null()),
    }
}

/// `GET books`: the account's bookings, newest first.
#[utoipa::path(
    get,
    path = "/pati_service/book_service/books",
    tag = "预约挂号",
    security(("token" = [])),
    params(PageQuery),
    responses((status = 200, body = Success<Page<BookingRow>>)),
)]
pub async fn list(app: web::Data<App>, patient: Patient, params: Params) -> Result<HttpResponse, ApiError> {
    let page = PageRequest::read(&params)?;
    let range = keys::bookings_of(patient.tenant, BookingOwner::Account(patient.user));
    let total = app.storage.scan_keys(&range, Scan::ALL).map_err(ApiError::internal)?.len();
    let scan = Scan { limit: page.offset().saturating_add(page.limit()), order: Order::Descending };
    let bookings = app.storage.scan(&range, scan).map_err(ApiError::internal)?;
    let mut rows = Vec::new();
    for (_, stored) in bookings.into_iter().skip(page.offset()) {
        rows.push(row(&app, patient.tenant, &stored.record.0)?);
    }
    Ok(envelope::ok(Page::new(page, total as u64, rows)))
}

/// A booking as the lists show it.
pub(super) fn row(app: &App, tenant: TenantId, booking: &Booking) -> Result<BookingRow, ApiError> {
    Ok(BookingRow {
        id: booking.id.to_string(),
        starts_at: app.policy.zone.date_time_text(booking.starts_at),
        status: booking.status.code(),
        department: booking.department.to_string(),
        department_name: department_name(app, tenant, booking.department)?,
        kind: booking.kind.code(),
        doctor: booking.doctor.map(|id| id.to_string()),
        doctor_name: doctor_name(app, tenant, booking.doctor)?,
        member_name: name_of(person(app, tenant, booking)?.as_ref()),
        visit_serial: visit_serial(booking),
        charge: booking.charge.code(),
    })
}

/// The number to wait with; known once the visit is registered (已挂号).
fn visit_serial(booking: &Booking) -> Option<String> {
    match booking.status {
        Status::Registered { .. } => Some(booking.serial.to_string()),
        Status::Booked | Status::Cancelled { .. } | Status::NoShow { .. } => None,
    }
}

/// `GET book/{bookId}`: one booking of the account.
#[utoipa::path(
    get,
    path = "/pati_service/book_service/book/{bookId}",
    tag = "预约挂号",
    security(("token" = [])),
    params(("bookId" = String, Path, description = "预约ID")),
    responses((status = 200, body = Success<BookingDetail>)),
)]
pub async fn detail(
    app: web::Data<App>,
    patient: Patient,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = Param::from_path(&request, "bookId", "预约记录ID")?.parse(BookingId::parse)?;
    let tenant = patient.tenant;
    let booking = own_booking(&app, patient, id)?;
    let person = person(&app, tenant, &booking)?;
    let schedule = app.storage.get(&keys::schedule(tenant, booking.schedule)).map_err(ApiError::internal)?;
    let zone = &app.policy.zone;
    let today = zone.date_of(app.clock.now());
    Ok(envelope::ok(BookingDetail {
        id: booking.id.to_string(),
        code: booking.code.to_string(),
        status: booking.status.code(),
        department: booking.department.to_string(),
        department_name: department_name(&app, tenant, booking.department)?,
        kind: booking.kind.code(),
        doctor: booking.doctor.map(|id| id.to_string()),
        doctor_name: doctor_name(&app, tenant, booking.doctor)?,
        bookfee: booking.fee.to_yuan(),
        starts_at: zone.date_time_text(booking.starts_at),
        serial: booking.serial.get(),
        location: schedule.map(|stored| stored.record.schedule.location).unwrap_or_default(),
        member_name: name_of(person.as_ref()),
        member_gender: person.as_ref().map_or(Gender::Unknown, |person| person.gender).code().to_string(),
        member_age: person
            .as_ref()
            .map(|it| Age::between(it.birthday, today).to_string())
            .unwrap_or_default(),
        member_id_number: person.as_ref().map(certificate_number).unwrap_or_default(),
        booked_at: zone.date_time_text(booking.booked_at),
        charge: booking.charge.code(),
    }))
}

/// `POST book/cancel`: gives the slot back.
#[utoipa::path(
    post,
    path = "/pati_service/book_service/book/cancel",
    tag = "预约挂号",
    security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 64 visible ASCII characters")),
    request_body = CancelRequest,
    responses((status = 200, body = Done)),
)]
pub async fn cancel(
    app: web::Data<App>,
    patient: Patient,
    request: HttpRequest,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let id = params.required("bookId", "预约记录ID")?.parse(BookingId::parse)?;
    let repeat = match idempotency::read(&app, &request, patient, Route::Cancel, &[id.get()])? {
        Idempotency::Answered(_) => return Ok(envelope::ok_null()),
        Idempotency::New(repeat) => Some(repeat),
        Idempotency::None => None,
    };
    let booking = own_booking(&app, patient, id)?;
    let target = Target { tenant: patient.tenant, schedule: booking.schedule };
    let wish = Request::Cancel(Cancel { booking: id, by: CancelBy::Patient(patient.user) });
    let terms = Terms { deadline: app.deadline(), repeat, audit: None, also: None };
    idempotency::or_stored(&app, repeat, app.directory.ask(target, wish, terms).await)?;
    Ok(envelope::ok_null())
}

fn slot_of(params: &Params) -> Result<(ScheduleId, SerialNo), ApiError> {
    let schedule = params.required("scheduleId", "排班ID")?.parse(ScheduleId::parse)?;
    let serial = params.required("serialNo", "就诊编号")?.parse(SerialNo::parse)?;
    Ok((schedule, serial))
}

/// A booking of the caller's account; anybody else's is not found under the caller's keys.
pub(super) fn own_booking(app: &App, patient: Patient, id: BookingId) -> Result<Booking, ApiError> {
    let key = keys::booking(patient.tenant, BookingOwner::Account(patient.user), id);
    let stored = app.storage.get(&key).map_err(ApiError::internal)?;
    Ok(stored.ok_or(ErrorCode::BookingUnknown)?.record.0)
}

/// Whom a booking is for; nobody any more when the file was erased with an account that was closed.
fn person(app: &App, tenant: TenantId, booking: &Booking) -> Result<Option<PatientPersonal>, ApiError> {
    let key = keys::patient(tenant, booking.patient);
    let stored = app.storage.get(&key).map_err(ApiError::internal)?;
    let opened = stored.map(|stored| stored.record.open(&app.vault, &key)).transpose();
    opened.map_err(ApiError::internal)
}

fn name_of(person: Option<&PatientPersonal>) -> String {
    person.map(|person| person.name.as_str().to_owned()).unwrap_or_default()
}

fn department_name(app: &App, tenant: TenantId, id: DepartmentId) -> Result<String, ApiError> {
    let stored = app.storage.get(&keys::department(tenant, id)).map_err(ApiError::internal)?;
    Ok(stored.map(|stored| stored.record.name).unwrap_or_default())
}

fn doctor_name(app: &App, tenant: TenantId, id: Option<DoctorId>) -> Result<Option<String>, ApiError> {
    let Some(id) = id else { return Ok(None) };
    let stored = app.storage.get(&keys::doctor(tenant, id)).map_err(ApiError::internal)?;
    Ok(stored.map(|stored| stored.record.name))
}
