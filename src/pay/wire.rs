//! What WeChat Pay writes, read into domain types.

use domain::{
    Attached, Currency, OrderMark, OutTradeNo, Payment, PrepayId, RefundNo, RefundReport, RefundState,
    Timestamp, TradeState, TransactionId, WechatRefundId,
};
use serde::Deserialize;

/// It is not what the documentation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("WeChat Pay has written something that cannot be read")]
pub struct Unreadable;

/// How an order stands, and of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeTold {
    /// The official account.
    pub app_id: String,
    /// The merchant.
    pub mch_id: String,
    /// The order.
    pub order: OutTradeNo,
    /// How it stands.
    pub news: TradeNews,
}

/// How an order stands, and whose WeChat says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeNews {
    /// How it stands.
    pub trade: TradeState,
    /// Whose it is.
    pub attached: Attached,
}

impl TradeNews {
    /// WeChat has no such order.
    pub const NOT_FOUND: Self = Self { trade: TradeState::NotFound, attached: Attached::Nothing };
}

/// How a refund stands, and of which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundTold {
    /// The merchant, which replies do not name.
    pub mch_id: Option<String>,
    /// The order.
    pub order: OutTradeNo,
    /// How it stands.
    pub report: RefundReport,
}

/// A notice, still encrypted.
#[derive(Debug, Deserialize)]
pub struct Envelope {
    /// `TRANSACTION.SUCCESS`, `REFUND.SUCCESS`, …
    pub event_type: String,
    /// What it tells.
    pub resource: Resource,
}

/// What a notice tells, encrypted.
#[derive(Debug, Deserialize)]
pub struct Resource {
    /// `AEAD_AES_256_GCM`
    pub algorithm: String,
    /// Base64.
    pub ciphertext: String,
    /// 12 bytes.
    pub nonce: String,
    /// Authenticated with it; may be absent.
    #[serde(default)]
    pub associated_data: String,
}

#[derive(Deserialize)]
struct Trade {
    appid: String,
    mchid: String,
    out_trade_no: String,
    trade_state: String,
    #[serde(default)]
    attach: Option<String>,
    transaction_id: Option<String>,
    success_time: Option<String>,
    amount: Option<TradeAmount>,
}

#[derive(Deserialize)]
struct TradeAmount {
    total: i64,
    #[serde(default = "cny")]
    currency: String,
}

#[derive(Deserialize)]
struct Refund {
    mchid: Option<String>,
    out_trade_no: String,
    out_refund_no: String,
    refund_id: String,
    #[serde(alias = "refund_status")]
    status: String,
    amount: RefundAmount,
}

#[derive(Deserialize)]
struct RefundAmount {
    refund: i64,
    #[serde(default = "cny")]
    currency: String,
}

#[derive(Deserialize)]
struct Certificates {
    data: Vec<ListedCertificate>,
}

#[derive(Deserialize)]
struct ListedCertificate {
    serial_no: String,
    expire_time: String,
    encrypt_certificate: Resource,
}

/// A certificate of WeChat's, still encrypted.
#[derive(Debug)]
pub struct CertificateTold {
    /// Its serial number.
    pub serial_no: String,
    /// From when on it is good for nothing.
    pub expires_at: Timestamp,
    /// The certificate.
    pub resource: Resource,
}

#[derive(Deserialize)]
struct Prepaid {
    prepay_id: String,
}

#[derive(Deserialize)]
struct Failure {
    code: String,
    #[serde(default)]
    message: String,
}

fn cny() -> String {
    Currency::CNY.to_string()
}

/// Reads an order as queries and notices tell it.
///
/// # Errors
/// [`Unreadable`], also for an order that cannot be ours.
pub fn trade(body: &[u8]) -> Result<TradeTold, Unreadable> {
    let told: Trade = serde_json::from_slice(body).map_err(|_| Unreadable)?;
    let trade = match told.trade_state.as_str() {
        "SUCCESS" => TradeState::Success(payment(&told)?),
        "REFUND" => TradeState::Refund,
        "NOTPAY" => TradeState::NotPaid,
        "USERPAYING" => TradeState::UserPaying,
        "PAYERROR" => TradeState::PayError,
        "CLOSED" => TradeState::Closed,
        "REVOKED" => TradeState::Revoked,
        _ => return Err(Unreadable),
    };
    let order = OutTradeNo::parse(&told.out_trade_no).map_err(|_| Unreadable)?;
    let attached = match told.attach.as_deref() {
        None | Some("") => Attached::Nothing,
        Some(text) => OrderMark::parse(text).map_or(Attached::Foreign, Attached::Mark),
    };
    Ok(TradeTold { app_id: told.appid, mch_id: told.mchid, order, news: TradeNews { trade, attached } })
}

fn payment(told: &Trade) -> Result<Payment, Unreadable> {
    let amount = told.amount.as_ref().ok_or(Unreadable)?;
    let transaction = told.transaction_id.as_deref().ok_or(Unreadable)?;
    Ok(Payment {
        transaction: TransactionId::parse(transaction).map_err(|_| Unreadable)?,
        total: amount.total,
        currency: Currency::parse(&amount.currency).map_err(|_| Unreadable)?,
        paid_at: instant(told.success_time.as_deref().ok_or(Unreadable)?)?,
    })
}

/// Reads a refund as replies and notices tell it.
///
/// # Errors
/// [`Unreadable`], also for a refund that cannot be ours.
pub fn refund(body: &[u8]) -> Result<RefundTold, Unreadable> {
    let told: Refund = serde_json::from_slice(body).map_err(|_| Unreadable)?;
    let state = match told.status.as_str() {
        "PROCESSING" => RefundState::Processing,
        "SUCCESS" => RefundState::Success,
        "CLOSED" => RefundState::Closed,
        "ABNORMAL" => RefundState::Abnormal,
        _ => return Err(Unreadable),
    };
    let report = RefundReport {
        no: RefundNo::parse(&told.out_refund_no).map_err(|_| Unreadable)?,
        id: WechatRefundId::parse(&told.refund_id).map_err(|_| Unreadable)?,
        state,
        total: told.amount.refund,
        currency: Currency::parse(&told.amount.currency).map_err(|_| Unreadable)?,
    };
    let order = OutTradeNo::parse(&told.out_trade_no).map_err(|_| Unreadable)?;
    Ok(RefundTold { mch_id: told.mchid, order, report })
}

/// Reads what a new order is answered with.
///
/// # Errors
/// [`Unreadable`]
pub fn prepaid(body: &[u8]) -> Result<PrepayId, Unreadable> {
    let told: Prepaid = serde_json::from_slice(body).map_err(|_| Unreadable)?;
    PrepayId::parse(&told.prepay_id).map_err(|_| Unreadable)
}

/// Reads the list of WeChat's certificates.
///
/// # Errors
/// [`Unreadable`]
pub fn certificates(body: &[u8]) -> Result<Vec<CertificateTold>, Unreadable> {
    let told: Certificates = serde_json::from_slice(body).map_err(|_| Unreadable)?;
    let certificates = told.data.into_iter().map(|one| {
        Ok(CertificateTold {
            expires_at: instant(&one.expire_time)?,
            serial_no: one.serial_no,
            resource: one.encrypt_certificate,
        })
    });
    certificates.collect()
}

/// Reads code and message of a failure; those of a gateway that writes none are empty.
pub fn failure(body: &[u8]) -> (String, String) {
    serde_json::from_slice::<Failure>(body).map(|told| (told.code, told.message)).unwrap_or_default()
}

/// RFC 3339, with whatever offset.
fn instant(text: &str) -> Result<Timestamp, Unreadable> {
    let at: jiff::Timestamp = text.parse().map_err(|_| Unreadable)?;
    Ok(Timestamp::from_millis(at.as_millisecond()))
}
