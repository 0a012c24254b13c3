//! What became of the orders of patients, for the desk: above all refunds that do not go through.

use std::ops::Range;

use actix_web::{HttpResponse, web};
use domain::{BookingId, Date, MismatchKind, OrderState, PatientId, RefundFailure, TenantId, Timestamp};
use serde::Serialize;
use storage::records::{Action, PatientPersonal, PayOrderRecord, PayTroubleRecord};
use storage::{Order, Scan, keys};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::Desk;
use crate::http::envelope;
use crate::http::error::ApiError;
use crate::http::openapi::Success;
use crate::http::paging::{Page, PageRequest, SnakePage, SnakePageQuery};
use crate::http::params::Params;
use crate::pay::stuck::{is_stuck, unsettled};

/// So many orders are looked through, the newest. A clinic of a hundred orders a day has as many in three years.
const MOST: usize = 100_000;

#[derive(Serialize, ToSchema)]
struct PaymentRow {
    /// 商户订单号
    out_trade_no: String,
    book_id: String,
    /// Empty where the booking is not known any more.
    pati_id: String,
    /// The first character of the name and `*`.
    pati_name: String,
    /// 元, with two decimals
    amount: String,
    /// `created`, `prepaid`, `closing`, `closed`, `paid`, `refund_due`, `refunding`, `refunded` or `failed`
    state: &'static str,
    /// yyyy-MM-dd HH:mm:ss, since when it is in this state
    since: String,
    /// yyyy-MM-dd HH:mm:ss
    created_at: String,
    /// 微信支付订单号; empty before it is paid
    transaction_id: String,
    /// 商户退款单号; empty where no money is to go back
    out_refund_no: String,
    /// Whether the money should be back and is not, or the last attempt failed.
    is_stuck: bool,
    /// For `failed`: `refused` (WeChat does not take the request), `closed` (WeChat has given it up) or `abnormal` (the
    /// payer's account takes no money: settle it on WeChat's merchant platform)
    failure: Option<&'static str>,
    /// The code with which WeChat last refused, or `NO_ANSWER`; null where nothing stands in the way.
    last_error: Option<String>,
    /// How often was asked what is to be asked in this state.
    attempts: u16,
    /// yyyy-MM-dd HH:mm:ss, null where nothing is to be asked.
    next_attempt_at: Option<String>,
    /// What WeChat has told of it that cannot be true. None of it was booked.
    differences: Vec<Difference>,
}

#[derive(Serialize, ToSchema)]
struct Difference {
    /// `amount`, `second_payment`, `refunded_elsewhere`, `other_refund`, `refund_amount`, or `other_order` (WeChat has an
    /// order of another booking under this number)
    kind: &'static str,
    /// yyyy-MM-dd HH:mm:ss
    at: String,
}

/// Which orders are asked for.
#[derive(Clone, Copy)]
enum Standing {
    Any,
    /// In the state with this word.
    In(&'static str),
    Stuck,
    Differing,
}

struct Wanted {
    standing: Standing,
    made: Range<Timestamp>,
    patient: Option<PatientId>,
    booking: Option<BookingId>,
}

/// An order and what stands in its way.
type Found = (PayOrderRecord, Option<PayTroubleRecord>);

/// `GET manager_service/payments`: the orders of patients, newest first, among the newest 100,000.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/payments",
    tag = "管理：支付",
    security(("token" = [])),
    params(
        ("state" = Option<String>, Query, description = "One of the states; or `stuck`: refunds that do not go through or \
            take too long; or `differing`: of which WeChat has told what cannot be true."),
        ("from" = Option<String>, Query, description = "yyyy-MM-dd, the first day on which they were made."),
        ("to" = Option<String>, Query, description = "yyyy-MM-dd, the last day."),
        ("pati_id" = Option<String>, Query, description = "Only of this patient."),
        ("book_id" = Option<String>, Query, description = "Only of this booking."),
        SnakePageQuery,
    ),
    responses((status = 200, body = Success<SnakePage<PaymentRow>>)),
)]
pub async fn list(app: web::Data<App>, Desk(staff): Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let wanted = read(&app, &params)?;
    let page = PageRequest::read_snake(&params)?;
    staff.audit_read(&app, Action::PaymentsListed, None).await?;
    let listed = web::block(move || {
        let found = find(&app, staff.tenant, &wanted)?;
        let shown = found.iter().skip(page.offset()).take(page.limit());
        let rows = shown.map(|found| row(&app, staff.tenant, found)).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, ApiError>(Page::new(page, found.len() as u64, rows))
    });
    let listed = listed.await.map_err(ApiError::internal)??;
    Ok(envelope::ok(SnakePage::from(listed)))
}

fn read(app: &App, params: &Params) -> Result<Wanted, ApiError> {
    let zone = &app.policy.zone;
    let date =
        |name, label| params.optional(name, label).map(|date| date.parse(Date::parse_lenient)).transpose();
    let (from, to) = (date("from", "开始日期")?, date("to", "结束日期")?);
    let start = from.map_or(Timestamp::ZERO, |date| zone.start_of_day(date));
    let end =
        to.map_or(Timestamp::from_millis(i64::MAX), |date| zone.start_of_day(date.saturating_add_days(1)));
    let standing = match params.optional("state", "状态") {
        Some(state) => state.parse(parse_standing)?,
        None => Standing::Any,
    };
    let patient = params.optional("pati_id", "患者ID").map(|id| id.parse(PatientId::parse)).transpose()?;
    let booking = params.optional("book_id", "预约ID").map(|id| id.parse(BookingId::parse)).transpose()?;
    Ok(Wanted { standing, made: start..end, patient, booking })
}

fn parse_standing(text: &str) -> Result<Standing, ()> {
    const STATES: [&str; 9] =
        ["created", "prepaid", "closing", "closed", "paid", "refund_due", "refunding", "refunded", "failed"];
    match text {
        "stuck" => Ok(Standing::Stuck),
        "differing" => Ok(Standing::Differing),
        state => STATES.into_iter().find(|known| *known == state).map(Standing::In).ok_or(()),
    }
}

/// All that are wanted, newest first.
fn find(app: &App, tenant: TenantId, wanted: &Wanted) -> Result<Vec<Found>, ApiError> {
    let now = app.clock.now();
    let mut found = candidates(app, tenant, wanted)?;
    found.retain(|(order, trouble)| {
        let stands = match wanted.standing {
            Standing::Any => true,
            Standing::In(state) => order.state.name() == state,
            Standing::Stuck => is_stuck(order, trouble.as_ref(), now),
            Standing::Differing => !order.mismatches.is_empty(),
        };
        stands && wanted.made.contains(&order.created_at)
    });
    found.sort_by_key(|(order, _)| std::cmp::Reverse(order.no));
    Ok(found)
}

/// Those among which they are, by the shortest way.
fn candidates(app: &App, tenant: TenantId, wanted: &Wanted) -> Result<Vec<Found>, ApiError> {
    let bookings: Vec<BookingId> = match (wanted.booking, wanted.patient) {
        (Some(booking), None) => vec![booking],
        (booking, Some(patient)) => {
            let of_patient = app.day_book.of_patient(tenant, patient);
            let of_patient = of_patient.iter().map(|entry| entry.booking);
            of_patient.filter(|id| booking.is_none_or(|wanted| wanted == *id)).collect()
        }
        (None, None) if matches!(wanted.standing, Standing::Stuck) => {
            return unsettled(&app.storage, tenant).map_err(ApiError::internal);
        }
        (None, None) => {
            let scan = Scan { limit: MOST, order: Order::Descending };
            let orders = app.storage.scan(&keys::pay_orders(tenant), scan).map_err(ApiError::internal)?;
            return orders.into_iter().map(|(_, stored)| with_trouble(app, stored.record)).collect();
        }
    };
    let mut found = Vec::new();
    for booking in bookings {
        let orders =
            app.storage.get(&keys::orders_of_booking(tenant, booking)).map_err(ApiError::internal)?;
        for no in orders.map(|stored| stored.record.orders).unwrap_or_default() {
            if let Some(order) = app.storage.get(&keys::pay_order(no)).map_err(ApiError::internal)? {
                found.push(with_trouble(app, order.record)?);
            }
        }
    }
    Ok(found)
}

fn with_trouble(app: &App, order: PayOrderRecord) -> Result<Found, ApiError> {
    let trouble = match order.state.refund() {
        Some(_) => app.storage.get(&keys::pay_trouble(order.no)).map_err(ApiError::internal)?,
        // Of what is on its way to being paid or closed it is looked up for the page alone.
        None => None,
    };
    Ok((order, trouble.map(|stored| stored.record)))
}

fn row(app: &App, tenant: TenantId, (order, _): &Found) -> Result<PaymentRow, ApiError> {
    let zone = &app.policy.zone;
    let trouble = app.storage.get(&keys::pay_trouble(order.no)).map_err(ApiError::internal)?;
    let trouble = trouble.map(|stored| stored.record);
    let job = app.storage.get(&keys::pay_job(order.no)).map_err(ApiError::internal)?;
    let job = job.map(|stored| stored.record);
    let patient = app.day_book.find(tenant, order.booking).map(|entry| entry.patient);
    let attempts = job.as_ref().map(|job| job.attempts).or(trouble.as_ref().map(|it| it.attempts));
    let differences = order.mismatches.iter().map(|mismatch| Difference {
        kind: difference(&mismatch.kind),
        at: zone.date_time_text(mismatch.at),
    });
    Ok(PaymentRow {
        out_trade_no: order.no.to_string(),
        book_id: order.booking.to_string(),
        pati_id: patient.map(|id| id.to_string()).unwrap_or_default(),
        pati_name: patient.map_or(Ok(String::new()), |id| masked_name(app, tenant, id))?,
        amount: order.amount.to_string(),
        state: order.state.name(),
        since: zone.date_time_text(order.state.since().unwrap_or(order.created_at)),
        created_at: zone.date_time_text(order.created_at),
        transaction_id: order
            .state
            .receipt()
            .map(|it| it.transaction.as_str().to_owned())
            .unwrap_or_default(),
        out_refund_no: order.state.refund().map(|refund| refund.no.to_string()).unwrap_or_default(),
        is_stuck: is_stuck(order, trouble.as_ref(), app.clock.now()),
        failure: failure(&order.state),
        last_error: trouble.map(|trouble| trouble.code().to_owned()),
        attempts: attempts.unwrap_or_default(),
        next_attempt_at: job.map(|job| zone.date_time_text(job.due_at)),
        differences: differences.collect(),
    })
}

/// Enough to see who is meant where the booking is known.
fn masked_name(app: &App, tenant: TenantId, patient: PatientId) -> Result<String, ApiError> {
    let key = keys::patient(tenant, patient);
    let Some(file) = app.storage.get(&key).map_err(ApiError::internal)? else { return Ok(String::new()) };
    let personal: PatientPersonal = file.record.open(&app.vault, &key).map_err(ApiError::internal)?;
    Ok(personal.name.as_str().chars().take(1).chain(['*']).collect())
}

fn failure(state: &OrderState) -> Option<&'static str> {
    match state {
        OrderState::Failed { failure, .. } => Some(match failure {
            RefundFailure::Refused => "refused",
            RefundFailure::Closed => "closed",
            RefundFailure::Abnormal => "abnormal",
        }),
        OrderState::Created
        | OrderState::Prepaid(_)
        | OrderState::Closing { .. }
        | OrderState::Closed { .. }
        | OrderState::Paid(_)
        | OrderState::RefundDue { .. }
        | OrderState::Refunding { .. }
        | OrderState::Refunded { .. } => None,
    }
}

fn difference(kind: &MismatchKind) -> &'static str {
    match kind {
        MismatchKind::Money { .. } => "amount",
        MismatchKind::SecondPayment { .. } => "second_payment",
        MismatchKind::RefundedElsewhere => "refunded_elsewhere",
        MismatchKind::OtherRefund { .. } => "other_refund",
        MismatchKind::RefundMoney { .. } => "refund_amount",
        MismatchKind::OtherOrder { .. } => "other_order",
    }
}
