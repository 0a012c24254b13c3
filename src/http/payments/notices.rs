//! What WeChat Pay tells on its own: that an order was paid, and what became of a refund.
//!
//! Anyone can post here, so nothing is looked at before its signature. A notice comes again until it is answered with
//! success, also when it was taken long ago: the order decides what it changes.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::rt::time::timeout;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use domain::{OrderCommand, OrderReply, TenantId};
use serde_json::json;
use storage::keys;

use crate::app::App;
use crate::http::request_id::Unenveloped;
use crate::http::routes::Pattern;
use crate::pay::PayError;
use crate::pay::client::Caller;
use crate::pay::merchant::Merchant;
use crate::pay::orders::{self, News};
use crate::pay::signing::{Signed, SigningError};
use crate::pay::wire;

/// No notice comes near it.
const MAX_BYTES: usize = 64 * 1024;

/// Within which time it has to arrive.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Why a notice is not taken.
enum Refusal {
    /// There is no such clinic, or it is not paid through WeChat.
    NobodyHere,
    /// It did not arrive.
    Incomplete,
    /// It is not from WeChat, or not of now.
    Unsigned(SigningError),
    /// It is signed, but not about this clinic's orders, or cannot be true.
    Untrue(&'static str),
    /// It could not be written now.
    NotNow(PayError),
}

/// The two addresses, below both prefixes. They have no envelope: it is WeChat that reads the answer.
pub fn serve(config: &mut ServiceConfig) {
    for prefix in ["/pati_service", "/api/pati_service"] {
        config.service(
            web::resource(format!("{prefix}/pay/notify/{{tenant}}"))
                .app_data(Pattern("/pay/notify/{tenant}"))
                .route(web::post().to(paid)),
        );
        config.service(
            web::resource(format!("{prefix}/pay/refund_notify/{{tenant}}"))
                .app_data(Pattern("/pay/refund_notify/{tenant}"))
                .route(web::post().to(refunded)),
        );
    }
}

/// `POST pay/notify/{tenant}`: an order was paid.
async fn paid(app: web::Data<App>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let taken = take_payment(&app, &request, payload).await;
    answer(&app, "payment", taken)
}

/// `POST pay/refund_notify/{tenant}`: how a refund ended.
async fn refunded(app: web::Data<App>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let taken = take_refund(&app, &request, payload).await;
    answer(&app, "refund", taken)
}

async fn take_payment(app: &App, request: &HttpRequest, payload: web::Payload) -> Result<(), Refusal> {
    let (tenant, merchant, told) = opened(app, request, payload).await?;
    let told = wire::trade(&told).map_err(|_| Refusal::Untrue("it cannot be read"))?;
    if told.app_id != merchant.app_id || told.mch_id != merchant.mch_id {
        return Err(Refusal::Untrue("it is about another account or merchant"));
    }
    if told.order.tenant() != tenant {
        return Err(Refusal::Untrue("it is about another clinic"));
    }
    tell(app, told.order, &News::Trade(told.news)).await
}

async fn take_refund(app: &App, request: &HttpRequest, payload: web::Payload) -> Result<(), Refusal> {
    let (tenant, merchant, told) = opened(app, request, payload).await?;
    let told = wire::refund(&told).map_err(|_| Refusal::Untrue("it cannot be read"))?;
    if told.mch_id.as_deref() != Some(merchant.mch_id.as_str()) {
        return Err(Refusal::Untrue("it is about another merchant"));
    }
    if told.order.tenant() != tenant {
        return Err(Refusal::Untrue("it is about another clinic"));
    }
    let refund =
        app.storage.get(&keys::refund(told.report.no)).map_err(|error| Refusal::NotNow(error.into()))?;
    if refund.is_none_or(|refund| refund.record.order != told.order) {
        return Err(Refusal::Untrue("there is no such refund"));
    }
    tell(app, told.order, &News::Plain(OrderCommand::RefundResult(told.report))).await
}

async fn tell(app: &App, no: domain::OutTradeNo, news: &News) -> Result<(), Refusal> {
    match orders::tell(app, no, news).await {
        Ok(told) => match told.reply {
            OrderReply::Mismatch => Err(Refusal::Untrue("it contradicts the order")),
            OrderReply::AskWechat(_) | OrderReply::Payable { .. } | OrderReply::Done => Ok(()),
        },
        Err(PayError::Rejected(_)) => Err(Refusal::Untrue("there is no such order")),
        Err(error) => Err(Refusal::NotNow(error)),
    }
}

/// Reads a notice, checks who has sent it, and decrypts what it tells.
async fn opened(
    app: &App,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<(TenantId, Merchant, Vec<u8>), Refusal> {
    let tenant = request.match_info().get("tenant").and_then(|text| TenantId::parse(text).ok());
    let tenant = tenant.ok_or(Refusal::NobodyHere)?;
    let mut merchant = Merchant::of(app, tenant).map_err(Refusal::NotNow)?.ok_or(Refusal::NobodyHere)?;
    let read = timeout(READ_WITHIN, payload.to_bytes_limited(MAX_BYTES)).await;
    let Ok(Ok(Ok(body))) = read else { return Err(Refusal::Incomplete) };
    let header = |name: &'static str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let signed = Signed::read(header).map_err(Refusal::Unsigned)?;
    let mut told = merchant.open_notice(signed, &body, app.clock.now());
    if told == Err(SigningError::UnknownKey) && merchant.has_certificates() {
        // WeChat has begun to sign with a certificate that is new here, or it is not WeChat.
        let caller = Caller { merchant: &merchant, clock: &*app.clock };
        if let Ok(keys) = app.pay.client.refresh_certificates(caller, Some(signed.serial)).await {
            merchant.verify_with(keys);
            told = merchant.open_notice(signed, &body, app.clock.now());
        }
    }
    Ok((tenant, merchant, told.map_err(Refusal::Unsigned)?))
}

fn answer(app: &App, kind: &'static str, taken: Result<(), Refusal>) -> HttpResponse {
    let refusal = match taken {
        Ok(()) => {
            app.metrics.pay_notice(kind, "taken");
            return HttpResponse::NoContent().finish();
        }
        Err(refusal) => refusal,
    };
    let (status, outcome, message) = match refusal {
        Refusal::NobodyHere => (StatusCode::NOT_FOUND, "nobody", "nobody is paid here"),
        Refusal::Incomplete => (StatusCode::BAD_REQUEST, "incomplete", "the notice did not arrive"),
        Refusal::Unsigned(error) => {
            tracing::warn!(error = %error, "a notice of WeChat Pay is not believed");
            (StatusCode::UNAUTHORIZED, "unsigned", "the notice is not signed by WeChat Pay")
        }
        Refusal::Untrue(why) => {
            tracing::warn!(why, "a notice of WeChat Pay is not taken");
            (StatusCode::BAD_REQUEST, "untrue", why)
        }
        Refusal::NotNow(error) => {
            tracing::error!(error = %error, "a notice of WeChat Pay could not be taken");
            (StatusCode::SERVICE_UNAVAILABLE, "not_now", "not now")
        }
    };
    app.metrics.pay_notice(kind, outcome);
    let mut reply = HttpResponse::build(status).json(json!({ "code": "FAIL", "message": message }));
    // Its status counts, whatever the settings say of the envelope.
    reply.extensions_mut().insert(Unenveloped { code: "FAIL" });
    reply
}
