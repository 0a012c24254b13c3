//! The calls to WeChat Pay v3.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::Clock;
use aws_lc_rs::rand;
use domain::{Fen, OutTradeNo, PayOrder, PrepayId, Receipt, Refund, RefundNo};
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, header, redirect};
use serde::Serialize;
use thiserror::Error;

use super::certificates::Certificates;
use super::merchant::Merchant;
use super::signing::{Signed, SigningError, request_text};
use super::wire::{self, RefundTold, TradeNews};
use crate::metrics::{CallOutcome, Metrics};

/// No reply of WeChat Pay comes near it.
const MAX_REPLY_BYTES: usize = 256 * 1024;

/// The client could not be set up.
#[derive(Debug, Error)]
#[error("cannot set up the HTTPS client of WeChat Pay: {0}")]
pub struct PaySetupError(String);

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// There was no answer, or none that can be believed: perhaps it was done.
    #[error("WeChat Pay did not answer")]
    NoAnswer,
    /// WeChat has refused it: nothing was done.
    #[error("WeChat Pay refused with {status} {code}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What to branch on.
        code: String,
        /// For the eyes of people.
        message: String,
    },
}

impl CallError {
    /// Whether WeChat has refused it for this reason.
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }
}

/// The way to WeChat Pay: 2 s to connect, 5 s for everything; neither redirects nor proxies.
pub struct PayClient {
    client: reqwest::Client,
    base: String,
    metrics: Arc<Metrics>,
    pub(super) certificates: Certificates,
}

/// What is called, as metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Order,
    Query,
    Close,
    Refund,
    RefundQuery,
    Certificates,
}

impl Endpoint {
    const fn name(self) -> &'static str {
        match self {
            Self::Order => "pay_order",
            Self::Query => "pay_query",
            Self::Close => "pay_close",
            Self::Refund => "pay_refund",
            Self::RefundQuery => "pay_refund_query",
            Self::Certificates => "pay_certificates",
        }
    }
}

/// A reply of success that nobody has verified yet.
pub(super) struct Unverified {
    headers: HeaderMap,
    /// Its body.
    pub(super) body: Vec<u8>,
}

impl Unverified {
    /// Its `Wechatpay-` headers.
    pub(super) fn signed(&self) -> Result<Signed<'_>, SigningError> {
        Signed::read(|name| self.headers.get(name).and_then(|value| value.to_str().ok()))
    }
}

#[derive(Serialize)]
struct OrderBody<'a> {
    appid: &'a str,
    mchid: &'a str,
    description: &'a str,
    out_trade_no: String,
    time_expire: String,
    attach: String,
    notify_url: &'a str,
    amount: OrderAmount,
    payer: Payer<'a>,
}

#[derive(Serialize)]
struct OrderAmount {
    total: u32,
    currency: &'static str,
}

#[derive(Serialize)]
struct Payer<'a> {
    openid: &'a str,
}

#[derive(Serialize)]
struct CloseBody<'a> {
    mchid: &'a str,
}

#[derive(Serialize)]
struct RefundBody<'a> {
    transaction_id: &'a str,
    out_refund_no: String,
    reason: &'static str,
    notify_url: &'a str,
    amount: RefundAmount,
}

#[derive(Serialize)]
struct RefundAmount {
    refund: u32,
    total: u32,
    currency: &'static str,
}

/// What a call is made with.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// Who calls.
    pub merchant: &'a Merchant,
    /// What time it is.
    pub clock: &'a dyn Clock,
}

impl PayClient {
    /// A client of the WeChat Pay at this address, which has no slash at its end.
    ///
    /// # Errors
    /// When the HTTPS client cannot be set up.
    pub fn new(base: &str, metrics: Arc<Metrics>, certificates: Certificates) -> Result<Self, PaySetupError> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(2))
            .timeout(Duration::from_secs(5))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("pati-service/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|cause| PaySetupError(cause.without_url().to_string()))?;
        Ok(Self { client, base: base.to_owned(), metrics, certificates })
    }

    /// Makes an order; the same order twice is one.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn order(
        &self,
        caller: Caller<'_>,
        order: &PayOrder,
        (description, notify_url): (&str, &str),
    ) -> Result<PrepayId, CallError> {
        let body = OrderBody {
            appid: &caller.merchant.app_id,
            mchid: &caller.merchant.mch_id,
            description,
            out_trade_no: order.no.to_string(),
            time_expire: beijing(order.expires_at),
            attach: order.mark().to_string(),
            notify_url,
            amount: OrderAmount { total: order.amount.get(), currency: "CNY" },
            payer: Payer { openid: order.payer.as_str() },
        };
        let reply = self.post(caller, (Endpoint::Order, "/v3/pay/transactions/jsapi"), &body).await?;
        wire::prepaid(&reply).map_err(|_| CallError::NoAnswer)
    }

    /// How an order stands.
    ///
    /// # Errors
    /// [`CallError`], also when the answer is about something else. That there is no such order is an answer.
    pub async fn query(&self, caller: Caller<'_>, no: OutTradeNo) -> Result<TradeNews, CallError> {
        let mch_id = &caller.merchant.mch_id;
        let target = format!("/v3/pay/transactions/out-trade-no/{no}?mchid={mch_id}");
        let reply = match self.call(caller, (Endpoint::Query, Method::GET, &target), Vec::new()).await {
            Err(error) if error.is("ORDER_NOT_EXIST") => return Ok(TradeNews::NOT_FOUND),
            reply => reply?,
        };
        let told = wire::trade(&reply).map_err(|_| CallError::NoAnswer)?;
        let is_ours = told.order == no && told.mch_id == *mch_id && told.app_id == caller.merchant.app_id;
        if is_ours { Ok(told.news) } else { Err(CallError::NoAnswer) }
    }

    /// Closes an order. That it is closed, or that there is none, is a success.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn close(&self, caller: Caller<'_>, no: OutTradeNo) -> Result<(), CallError> {
        let target = format!("/v3/pay/transactions/out-trade-no/{no}/close");
        let body = CloseBody { mchid: &caller.merchant.mch_id };
        match self.post(caller, (Endpoint::Close, &target), &body).await {
            Err(error) if error.is("ORDER_CLOSED") || error.is("ORDER_NOT_EXIST") => Ok(()),
            reply => reply.map(|_| ()),
        }
    }

    /// Gives money back; the same refund twice is one.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn refund(
        &self,
        caller: Caller<'_>,
        (refund, receipt, amount): (&Refund, &Receipt, Fen),
        notify_url: &str,
    ) -> Result<RefundTold, CallError> {
        let body = RefundBody {
            transaction_id: receipt.transaction.as_str(),
            out_refund_no: refund.no.to_string(),
            reason: "退还挂号费",
            notify_url,
            amount: RefundAmount { refund: amount.get(), total: amount.get(), currency: "CNY" },
        };
        let reply = self.post(caller, (Endpoint::Refund, "/v3/refund/domestic/refunds"), &body).await?;
        wire::refund(&reply).map_err(|_| CallError::NoAnswer)
    }

    /// How a refund stands.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn refund_query(&self, caller: Caller<'_>, no: RefundNo) -> Result<RefundTold, CallError> {
        let target = format!("/v3/refund/domestic/refunds/{no}");
        let reply = self.call(caller, (Endpoint::RefundQuery, Method::GET, &target), Vec::new()).await?;
        wire::refund(&reply).map_err(|_| CallError::NoAnswer)
    }

    /// WeChat's certificates for a merchant, still encrypted, as a reply that is to be verified with them.
    pub(super) async fn listed_certificates(&self, caller: Caller<'_>) -> Result<Unverified, CallError> {
        self.exchange(caller, (Endpoint::Certificates, Method::GET, "/v3/certificates"), Vec::new()).await
    }

    async fn post(
        &self,
        caller: Caller<'_>,
        (endpoint, target): (Endpoint, &str),
        body: &impl Serialize,
    ) -> Result<Vec<u8>, CallError> {
        let body = serde_json::to_vec(body).map_err(|_| CallError::NoAnswer)?;
        self.call(caller, (endpoint, Method::POST, target), body).await
    }

    /// Signs, sends, and verifies what comes back.
    async fn call(
        &self,
        caller: Caller<'_>,
        what: (Endpoint, Method, &str),
        body: Vec<u8>,
    ) -> Result<Vec<u8>, CallError> {
        let reply = self.exchange(caller, what, body).await?;
        let Caller { merchant, clock } = caller;
        let verified = match reply.signed() {
            Ok(signed) => match merchant.wechat.verify(signed, &reply.body, clock.now()) {
                Err(SigningError::UnknownKey) if merchant.has_certificates() => {
                    let keys = self.refresh_certificates(caller, Some(signed.serial)).await?;
                    keys.verify(signed, &reply.body, clock.now())
                }
                verified => verified,
            },
            Err(error) => Err(error),
        };
        match verified {
            Ok(()) => Ok(reply.body),
            Err(error) => {
                tracing::warn!(error = %error, "a reply of WeChat Pay is not believed");
                Err(CallError::NoAnswer)
            }
        }
    }

    async fn exchange(
        &self,
        caller: Caller<'_>,
        what: (Endpoint, Method, &str),
        body: Vec<u8>,
    ) -> Result<Unverified, CallError> {
        let (endpoint, begun) = (what.0, Instant::now());
        let (outcome, reply) = self.attempt(caller, what, body).await;
        self.metrics.wechat_call(endpoint.name(), outcome, begun.elapsed());
        reply
    }

    /// The body is sent as it was signed.
    async fn attempt(
        &self,
        Caller { merchant, clock }: Caller<'_>,
        (_, method, target): (Endpoint, Method, &str),
        body: Vec<u8>,
    ) -> (CallOutcome, Result<Unverified, CallError>) {
        let unsent = || (CallOutcome::Unreachable, Err(CallError::NoAnswer));
        let Some(nonce) = nonce() else { return unsent() };
        let timestamp = clock.now().as_millis() / 1_000;
        let text = request_text(method.as_str(), target, &timestamp.to_string(), &nonce, &body);
        let Ok(signature) = merchant.key.sign(&text) else { return unsent() };
        let authorization = format!(
            "WECHATPAY2-SHA256-RSA2048 mchid=\"{}\",nonce_str=\"{nonce}\",signature=\"{signature}\",\
             timestamp=\"{timestamp}\",serial_no=\"{}\"",
            merchant.mch_id, merchant.serial_no
        );
        let mut request = self
            .client
            .request(method, format!("{}{target}", self.base))
            .header(header::AUTHORIZATION, authorization)
            .header(header::ACCEPT, "application/json");
        if let Some(id) = merchant.wechat.announced() {
            request = request.header("Wechatpay-Serial", id);
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(cause) if cause.is_connect() => return unsent(),
            Err(_) => return (CallOutcome::NoAnswer, Err(CallError::NoAnswer)),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let Some(body) = read(response).await else {
            return (CallOutcome::NoAnswer, Err(CallError::NoAnswer));
        };
        if status.is_success() {
            return (CallOutcome::Done, Ok(Unverified { headers, body }));
        }
        // Failures are not signed. Those of its own and of a hurry are no answer to what was asked.
        let (code, message) = wire::failure(&body);
        if status.is_client_error() && status.as_u16() != 429 && !code.is_empty() {
            let refused = CallError::Refused { status: status.as_u16(), code, message };
            return (CallOutcome::Refused, Err(refused));
        }
        (CallOutcome::Busy, Err(CallError::NoAnswer))
    }
}

async fn read(mut response: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > MAX_REPLY_BYTES {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

/// 32 random characters that WeChat takes; none when the machine gives no randomness.
pub fn nonce() -> Option<String> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02X}")).collect())
}

/// As WeChat Pay wants times: RFC 3339 in Beijing's zone, whole seconds.
fn beijing(at: domain::Timestamp) -> String {
    let at = jiff::Timestamp::from_second(at.as_millis().div_euclid(1_000)).unwrap_or_default();
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    at.to_zoned_datetime(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_beijings() {
        let at = domain::Timestamp::from_millis(1_800_000_000_999);
        assert_eq!(beijing(at), "2027-01-15T16:00:00+08:00");
    }

    #[test]
    fn a_nonce_has_thirty_two_characters_and_is_new() {
        let (first, second) = (nonce().expect("random"), nonce().expect("random"));
        assert_eq!(first.len(), 32);
        assert_ne!(first, second);
    }
}
