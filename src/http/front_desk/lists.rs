//! The day's bookings, and one of them.

use actix_web::{HttpResponse, web};
use domain::{Booking, BookingCode, BookingId, Date, TenantId};
use storage::records::Action;

use super::ledger::{DeskBooking, Ledger, Wanted, only};
use super::{Whose, booking_of, day, days};
use crate::app::App;
use crate::http::caller::Staff;
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::Success;
use crate::http::paging::{Page, PageRequest, SnakePage};
use crate::http::params::Params;

/// The most days that one list covers.
const MAX_DAYS: i32 = 31;

/// `GET manager_service/bookings`: the bookings of some days, in the order in which the patients are expected.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/bookings",
    tag = "管理：前台",
    security(("token" = [])),
    params(
        ("from" = Option<String>, Query, description = "yyyy-MM-dd; without it the same as `to`, or today"),
        ("to" = Option<String>, Query, description = "yyyy-MM-dd; without it the same as `from`; 31 days at most"),
        ("department_id" = Option<String>, Query, description = "科室ID"),
        ("doctor_id" = Option<String>, Query, description = "医生ID: who sees the patients now"),
        ("status" = Option<u8>, Query, description = "0 已预约, 1 已取消, 2 已挂号, 3 已失约"),
        ("pati_name" = Option<String>, Query, description = "a part of the patient's name"),
        ("pati_phone" = Option<String>, Query, description = "a part of the patient's phone"),
        ("page_num" = Option<u64>, Query, description = "From 1; without it 1.", minimum = 1),
        ("page_size" = Option<u64>, Query, description = "From 1; without it 10; above 100 it counts as 100.", minimum = 1),
    ),
    responses((status = 200, body = Success<SnakePage<DeskBooking>>)),
)]
pub async fn list(app: web::Data<App>, staff: Staff, params: Params) -> Result<HttpResponse, ApiError> {
    let days = days(&app, &params, MAX_DAYS)?;
    let whose = Whose::read(&params, &staff)?;
    let status = match params.optional("status", "预约状态") {
        Some(param) => u8::try_from(param.integer(0..=3)?).ok(),
        None => None,
    };
    let text =
        |name, label| params.optional(name, label).map(|param| param.text().map(str::to_owned)).transpose();
    let wanted = Wanted {
        days,
        whose,
        status,
        name: text("pati_name", "患者姓名")?,
        phone: text("pati_phone", "患者手机号")?,
    };
    let page = PageRequest::read_snake(&params)?;
    staff.audit_read(&app, Action::BookingsListed, None).await?;
    let rows = web::block(move || page_of(&app, staff.tenant, &wanted, page))
        .await
        .map_err(ApiError::internal)??;
    Ok(envelope::ok(SnakePage::from(rows)))
}

fn page_of(
    app: &App,
    tenant: TenantId,
    wanted: &Wanted,
    page: PageRequest,
) -> Result<Page<DeskBooking>, ApiError> {
    let mut ledger = Ledger::new(app, tenant);
    let found = ledger.wanted(wanted)?;
    let mut rows = Vec::new();
    for found in found.iter().skip(page.offset()).take(page.limit()) {
        rows.push(ledger.row(found)?);
    }
    Ok(Page::new(page, found.len() as u64, rows))
}

/// Which booking is asked for.
#[derive(Clone, Copy)]
enum Named {
    ById(BookingId),
    /// What the patient shows at the desk, and the day of the visit.
    ByCode(BookingCode, Date),
}

/// `GET manager_service/booking`: one booking, by its number or by what the patient shows at the desk.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/booking",
    tag = "管理：前台",
    security(("token" = [])),
    params(
        ("book_id" = Option<String>, Query, description = "预约ID"),
        ("book_code" = Option<String>, Query, description = "预约码, where there is no `book_id`"),
        ("date" = Option<String>, Query, description = "yyyy-MM-dd: the day of the visit of `book_code`; without it today"),
    ),
    responses((status = 200, body = Success<DeskBooking>)),
)]
pub async fn one(app: web::Data<App>, staff: Staff, params: Params) -> Result<HttpResponse, ApiError> {
    let named = match params.optional("book_id", "预约ID") {
        Some(id) => Named::ById(id.parse(BookingId::parse)?),
        None => {
            let code = params.required("book_code", "预约ID或预约码")?.parse(BookingCode::parse)?;
            Named::ByCode(code, day(&app, &params)?)
        }
    };
    let whose = Whose { department: None, doctor: None, only_of: staff.only_of() };
    let reader = app.clone();
    let read = move || {
        let Some(booking) = find(&reader, staff, named)? else { return Ok(None) };
        let mut ledger = Ledger::new(&reader, staff.tenant);
        let patient = booking.patient;
        match ledger.one(booking, &whose)? {
            Some(found) => Ok::<_, ApiError>(Some((patient, ledger.row(&found)?))),
            None => Ok(None),
        }
    };
    let found = web::block(read).await.map_err(ApiError::internal)??;
    let (patient, row) = found.ok_or(ErrorCode::BookingUnknown)?;
    staff.audit_read(&app, Action::PatientRead, Some(patient.get())).await?;
    Ok(envelope::ok(row))
}

fn find(app: &App, staff: Staff, named: Named) -> Result<Option<Booking>, ApiError> {
    match named {
        Named::ById(id) => Ok(Some(booking_of(app, staff, id)?.0)),
        Named::ByCode(code, date) => {
            let everybodys = Whose { department: None, doctor: None, only_of: None };
            let found = Ledger::new(app, staff.tenant).bookings(&only(date), &everybodys)?;
            Ok(found.into_iter().map(|found| found.booking).find(|booking| booking.code == code))
        }
    }
}
