//! Paying for a booking through WeChat: the order, the page's signature, WeChat's notices, and what the clinic enters.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::{
    Booking, BookingId, OpenId, OrderCommand, OrderReply, OutTradeNo, PayOrder, PaymentRejection,
    PrepaidOrder, PrepayId,
};
use serde::Serialize;
use storage::keys;
use utoipa::ToSchema;

use super::bookings::own_booking;
use super::caller::Patient;
use super::envelope;
use super::error::{ApiError, ErrorCode};
use super::idempotency::{self, Idempotency, Route};
use super::openapi::Success;
use super::params::Params;
use crate::app::App;
use crate::pay::client::{CallError, Caller, nonce};
use crate::pay::merchant::Merchant;
use crate::pay::orders::{self, News};
use crate::pay::{PayError, notify_url};

pub mod conf;
pub mod listed;
pub mod notices;
pub mod paysign;
pub mod retries;

/// How orders of v3 are signed in the page.
const SIGN_TYPE: &str = "RSA";

/// WeChat takes so many characters of a description.
const MAX_DESCRIPTION: usize = 127;

/// As many numbers are left out before the last attempt: more than a day's orders.
const MOST_LEFT_OUT: usize = 10_000;

#[derive(Serialize, ToSchema)]
struct AppoOrder {
    is_success: bool,
    trade_type: &'static str,
    prepay_id: String,
    trade_no: String,
    out_trade_no: String,
    url: String,
    error_code: &'static str,
    error_msg: String,
    nonce_str: String,
    sign_type: &'static str,
    agency_id: String,
    timestamp: String,
}

/// What `pay/appo_order` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct AppoOrderRequest {
    /// 预约id
    appo_id: String,
    /// 微信用户对应公众号的唯一ID
    open_id: String,
}

/// `POST pay/appo_order`: makes the order with which a booking is paid, or answers the one that there is.
///
/// What WeChat refuses is a success with `error_code` FAIL; that it does not answer is a failure, after which the same
/// request gets the same order.
#[utoipa::path(
    post,
    path = "/pati_service/book_service/pay/appo_order",
    tag = "支付",
    security(("token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 64 visible ASCII characters")),
    request_body = AppoOrderRequest,
    responses((status = 200, body = Success<AppoOrder>)),
)]
pub async fn order(
    app: web::Data<App>,
    patient: Patient,
    request: HttpRequest,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let id = params.required("appo_id", "预约id")?.parse(BookingId::parse)?;
    let payer = params.required("open_id", "微信用户ID")?.parse(OpenId::parse)?;
    let content: Vec<u64> = [id.get()].into_iter().chain(payer.as_str().bytes().map(u64::from)).collect();
    let repeat = match idempotency::read(&app, &request, patient, Route::AppoOrder, &content)? {
        Idempotency::New(repeat) => Some(repeat),
        // What was answered is the order, which is found again.
        Idempotency::Answered(_) | Idempotency::None => None,
    };
    let booking = own_booking(&app, patient, id)?;
    orders::check(&app, patient.tenant, (patient.user, &booking), &payer)?;
    let merchant = Merchant::of(&app, patient.tenant)?.ok_or(ErrorCode::PayNotOffered)?;
    require_bound(&app, patient, &merchant, &payer)?;
    let (no, prepay) = payable(&app, &merchant, &booking, (patient, &payer)).await?;
    if let Some(repeat) = &repeat
        && prepay.is_ok()
    {
        idempotency::remember(&app, repeat).await?;
    }
    reply(&app, no, prepay)
}

/// An order that WeChat has made, or what it says to the last one that it would not make.
///
/// Where WeChat has something else under the order's number, another number is taken. Each time ten times as many are left
/// out, since a store that was restored from a backup has forgotten many at once.
async fn payable(
    app: &App,
    merchant: &Merchant,
    booking: &Booking,
    (patient, payer): (Patient, &OpenId),
) -> Result<(OutTradeNo, Result<PrepayId, String>), ApiError> {
    let (tenant, owner) = (patient.tenant, (patient.user, booking.id));
    let mut left_out = 1;
    loop {
        let told = orders::create(app, tenant, owner, payer).await?;
        let no = told.order.no;
        let asked = match told.reply {
            OrderReply::Payable { prepay, .. } => Asked::Made(prepay),
            OrderReply::AskWechat(_) => ask(app, merchant, &told.order, booking).await?,
            OrderReply::Mismatch | OrderReply::Done => {
                return Err(ApiError::internal("a new order was answered with something else"));
            }
        };
        match asked {
            Asked::Made(prepay) => return Ok((no, Ok(prepay))),
            Asked::Unusable(_) if left_out <= MOST_LEFT_OUT => {
                orders::skip_numbers(app, tenant, left_out - 1).await?;
                left_out *= 10;
            }
            Asked::Refused(message) | Asked::Unusable(message) => return Ok((no, Err(message))),
        }
    }
}

/// Refuses an open id that is not the account's own.
fn require_bound(app: &App, patient: Patient, merchant: &Merchant, payer: &OpenId) -> Result<(), ApiError> {
    let key = keys::open_id(patient.tenant, patient.user);
    let stored = app.storage.get(&key).map_err(ApiError::internal)?.ok_or(ErrorCode::OpenIdForeign)?;
    let bound = stored.record.open(&app.vault, &key).map_err(ApiError::internal)?;
    if bound.app_id == merchant.app_id && bound.open_id == *payer {
        return Ok(());
    }
    Err(ErrorCode::OpenIdForeign.into())
}

/// What WeChat says to an order.
enum Asked {
    /// It has made it.
    Made(PrepayId),
    /// It has not, and why is for the patient to read. The same order may be made later.
    Refused(String),
    /// The same, and this order is closed for good: it takes another one.
    Unusable(String),
}

/// Has WeChat make the order.
async fn ask(app: &App, merchant: &Merchant, order: &PayOrder, booking: &Booking) -> Result<Asked, ApiError> {
    let caller = Caller { merchant, clock: &*app.clock };
    let description = description(app, order, booking)?;
    let url = notify_url(app, "notify", order.no.tenant());
    let asked_at = app.clock.now();
    match app.pay.client.order(caller, order, (&description, &url)).await {
        Ok(prepay) => {
            let prepaid = OrderCommand::Prepaid(PrepaidOrder { prepay, asked_at });
            match orders::tell(app, order.no, &News::Plain(prepaid)).await?.reply {
                OrderReply::Payable { prepay, .. } => Ok(Asked::Made(prepay)),
                OrderReply::AskWechat(_) | OrderReply::Mismatch | OrderReply::Done => {
                    Err(ApiError::internal("a prepaid order was answered with something else"))
                }
            }
        }
        Err(CallError::NoAnswer) => Err(ErrorCode::PayUnanswered.into()),
        Err(CallError::Refused { status, code, message }) => {
            tracing::warn!(order = %order.no, status, code, "WeChat Pay refused an order");
            let is_open = explained(app, caller, order, &code).await?;
            let message = format!("{message}（{code}）");
            Ok(if is_open { Asked::Refused(message) } else { Asked::Unusable(message) })
        }
    }
}

/// An order that WeChat does not make may have been paid or closed meanwhile, or be another one, or be this one with other
/// content. Answers whether it can still be made.
///
/// # Errors
/// 402002 when it was paid.
async fn explained(app: &App, caller: Caller<'_>, order: &PayOrder, code: &str) -> Result<bool, ApiError> {
    // Without an answer it is asked again later.
    let Ok(news) = app.pay.client.query(caller, order.no).await else { return Ok(true) };
    let mut told = orders::tell(app, order.no, &News::Trade(news)).await?;
    if code == "OUT_TRADE_NO_USED" && told.order.state.is_open() {
        told = orders::tell(app, order.no, &News::Plain(OrderCommand::OtherContent)).await?;
    }
    match told.order.state.receipt() {
        Some(_) => Err(ErrorCode::AlreadyPaid.into()),
        None => Ok(told.order.state.is_open()),
    }
}

/// What the payer reads: department and doctor, nothing of the patient.
fn description(app: &App, order: &PayOrder, booking: &Booking) -> Result<String, ApiError> {
    let tenant = order.no.tenant();
    let department = app.storage.get(&keys::department(tenant, booking.department));
    let department = department.map_err(ApiError::internal)?.map(|stored| stored.record.name);
    let doctor = match booking.doctor {
        Some(doctor) => app.storage.get(&keys::doctor(tenant, doctor)).map_err(ApiError::internal)?,
        None => None,
    };
    let parts = [Some("挂号费".to_owned()), department, doctor.map(|stored| stored.record.name)];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    Ok(text.chars().take(MAX_DESCRIPTION).collect())
}

fn reply(app: &App, no: OutTradeNo, prepay: Result<PrepayId, String>) -> Result<HttpResponse, ApiError> {
    let nonce_str = nonce().ok_or_else(|| ApiError::internal("no randomness"))?;
    let timestamp = (app.clock.now().as_millis() / 1_000).to_string();
    let (prepay_id, error_code, error_msg) = match prepay {
        Ok(prepay) => (prepay.as_str().to_owned(), "SUCCESS", String::new()),
        Err(message) => (String::new(), "FAIL", message),
    };
    Ok(envelope::ok(AppoOrder {
        is_success: true,
        trade_type: "JSAPI",
        prepay_id,
        // The transaction, which there is none of before it is paid.
        trade_no: String::new(),
        out_trade_no: no.to_string(),
        url: String::new(),
        error_code,
        error_msg,
        nonce_str,
        sign_type: SIGN_TYPE,
        agency_id: no.tenant().to_string(),
        timestamp,
    }))
}

impl From<PaymentRejection> for ErrorCode {
    fn from(rejection: PaymentRejection) -> Self {
        match rejection {
            PaymentRejection::OrderUnknown => Self::NotFound,
            PaymentRejection::NothingToPay => Self::NothingToPay,
            PaymentRejection::AlreadyPaid => Self::AlreadyPaid,
            PaymentRejection::BookingOver | PaymentRejection::NotYet | PaymentRejection::WrongState => {
                Self::WrongStatus
            }
            PaymentRejection::OrderClosed => Self::OrderClosed,
            PaymentRejection::TooManyOrders => Self::TooManyOrders,
        }
    }
}

impl From<PayError> for ApiError {
    fn from(error: PayError) -> Self {
        match error {
            PayError::Rejected(rejection) => ErrorCode::from(rejection).into(),
            PayError::Number(error) => error.into(),
            PayError::Commit(error) => error.into(),
            PayError::Ask(error) => error.into(),
            PayError::Contended => ErrorCode::Busy.into(),
            PayError::Read(_) | PayError::Seal(_) | PayError::Keys(_) | PayError::Missing(_) => {
                Self::internal(error)
            }
        }
    }
}
