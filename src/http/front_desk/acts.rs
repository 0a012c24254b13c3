//! What the desk does to a booking: the patient has come, has paid, does not come, or did come after all.

use actix_web::{HttpResponse, web};
use actors::{Request, Terms};
use domain::{BookingId, Cancel, CancelBy, Charge, CheckIn, Correct, Paid, PaidBy, Reason, Reply};
use storage::Commit;
use storage::records::Action;
use utoipa::ToSchema;

use super::booking_of;
use crate::app::App;
use crate::http::caller::{Desk, Staff};
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::Done;
use crate::http::params::Params;
use crate::pay::orders;

/// What `booking/check_in`, `booking/cash_paid` and `booking/cancel` read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct DeskBookingRequest {
    /// 预约ID
    book_id: String,
}

/// What `booking/correct` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct DeskCorrectRequest {
    /// 预约ID
    book_id: String,
    /// 原因: 1 to 200 characters. It is kept among the notes of the schedule.
    reason: String,
}

/// `POST manager_service/booking/check_in`: the patient is at the desk (签到).
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/booking/check_in",
    tag = "管理：前台",
    security(("token" = [])),
    request_body = DeskBookingRequest,
    responses((status = 200, body = Done)),
)]
pub async fn check_in(
    app: web::Data<App>,
    Desk(staff): Desk,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let booking = book_id(&params)?;
    ask(&app, staff, booking, Action::CheckedIn, Request::CheckIn(CheckIn { booking, staff: staff.id }))
        .await?;
    Ok(envelope::ok_null())
}

/// `POST manager_service/booking/cash_paid`: the desk takes the fee in cash (现金).
///
/// What the booking cannot take is refused before it changes hands: nothing is paid back because of it. An order at WeChat
/// that is still open is closed; money that comes in spite of that goes back.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/booking/cash_paid",
    tag = "管理：前台",
    security(("token" = [])),
    request_body = DeskBookingRequest,
    responses((status = 200, body = Done)),
)]
pub async fn cash_paid(
    app: web::Data<App>,
    Desk(staff): Desk,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let id = book_id(&params)?;
    let (booking, _) = booking_of(&app, staff, id)?;
    match booking.charge {
        Charge::Unpaid | Charge::Paid if booking.is_live() => {}
        Charge::Unpaid | Charge::Paid | Charge::RefundDue | Charge::Refunded | Charge::Expired => {
            return Err(ErrorCode::WrongStatus.into());
        }
    }
    if booking.fee.is_zero() {
        return Err(ErrorCode::NothingToPay.into());
    }
    let also = orders::look_now(&app, staff.tenant, id)?;
    let paid = Paid { booking: id, paid_at: app.clock.now(), by: PaidBy::Desk(staff.id) };
    ask_with(&app, staff, id, (Action::CashPaid, Request::Paid(paid)), also).await?;
    Ok(envelope::ok_null())
}

/// `POST manager_service/booking/cancel`: gives the slot back on behalf of the patient, also after the deadline.
///
/// What was paid is to be paid back: the booking's charge becomes 未退费.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/booking/cancel",
    tag = "管理：前台",
    security(("token" = [])),
    request_body = DeskBookingRequest,
    responses((status = 200, body = Done)),
)]
pub async fn cancel(
    app: web::Data<App>,
    Desk(staff): Desk,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let booking = book_id(&params)?;
    let cancel = Cancel { booking, by: CancelBy::Staff(staff.id) };
    ask(&app, staff, booking, Action::BookingCancelled, Request::Cancel(cancel)).await?;
    Ok(envelope::ok_null())
}

/// `POST manager_service/booking/correct`: a visit that was marked as missed took place, 3 to 2, within seven days.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/booking/correct",
    tag = "管理：前台",
    security(("token" = [])),
    request_body = DeskCorrectRequest,
    responses((status = 200, body = Done)),
)]
pub async fn correct(
    app: web::Data<App>,
    Desk(staff): Desk,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let booking = book_id(&params)?;
    let reason = params.required("reason", "原因")?.parse(Reason::parse)?;
    let correct = Correct { booking, staff: staff.id, reason };
    ask(&app, staff, booking, Action::VisitCorrected, Request::Correct(correct)).await?;
    Ok(envelope::ok_null())
}

fn book_id(params: &Params) -> Result<BookingId, ApiError> {
    params.required("book_id", "预约ID")?.parse(BookingId::parse)
}

/// Asks the booking's schedule for a change that is written with a row of the audit trail.
async fn ask(
    app: &App,
    staff: Staff,
    id: BookingId,
    action: Action,
    request: Request,
) -> Result<Reply, ApiError> {
    ask_with(app, staff, id, (action, request), None).await
}

/// The same, with something else that is written with it.
async fn ask_with(
    app: &App,
    staff: Staff,
    id: BookingId,
    (action, request): (Action, Request),
    also: Option<Commit>,
) -> Result<Reply, ApiError> {
    let (_, target) = booking_of(app, staff, id)?;
    let audit = Some(staff.audit(app, action, Some(id.get())).await?);
    let terms = Terms { deadline: app.deadline(), repeat: None, audit, also };
    Ok(app.directory.ask(target, request, terms).await?)
}
