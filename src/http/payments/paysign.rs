//! The signature with which a page calls `wx.chooseWXPay`.
//!
//! Whoever could have anything signed could pay in the clinic's name, so nothing is signed that is not the caller's own
//! order as it is stored: see the traps of the contract.

use actix_web::{HttpResponse, web};
use domain::{OrderState, PrepayId, TenantId};
use serde::Serialize;
use storage::records::BookingOwner;
use storage::{Order, Scan, keys};
use utoipa::ToSchema;

use super::SIGN_TYPE;
use crate::app::App;
use crate::http::caller::Patient;
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::Success;
use crate::http::params::{Param, Params};
use crate::pay::merchant::Merchant;
use crate::pay::orders;

/// Of so many bookings of the account, the newest, one may be paid now. It has a few to come.
const BOOKINGS: usize = 200;

#[derive(Serialize, ToSchema)]
struct PaySign {
    #[serde(rename = "paySign")]
    signature: String,
}

/// What `wx/jsapi/paysign` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct PaySignRequest {
    /// 运营机构, as `appo_order` answered it
    #[schema(rename = "agencyId")]
    agency: String,
    /// 租户id
    #[schema(rename = "tenantId")]
    tenant: String,
    /// 公众号id
    #[schema(rename = "appId")]
    app: String,
    /// 时间戳, 10 digits
    #[schema(rename = "timeStamp")]
    timestamp: String,
    /// 随机字符串: 1 to 32 letters and digits
    #[schema(rename = "nonceStr")]
    nonce: String,
    /// 预支付会话标识, as `appo_order` answered it
    #[schema(rename = "prepayId")]
    prepay: String,
    /// 签名类型: `RSA`
    #[schema(rename = "signType")]
    sign_type: String,
}

/// `POST wx/jsapi/paysign`: signs what a page needs to have the caller's own order paid.
#[utoipa::path(
    post,
    path = "/pati_service/wx/jsapi/paysign",
    tag = "支付",
    security(("token" = [])),
    request_body = PaySignRequest,
    responses((status = 200, body = Success<PaySign>)),
)]
pub async fn sign(app: web::Data<App>, patient: Patient, params: Params) -> Result<HttpResponse, ApiError> {
    for (name, label) in [("agencyId", "运营机构"), ("tenantId", "租户id")] {
        let given = params.required(name, label)?;
        if given.parse(TenantId::parse)? != patient.tenant {
            return Err(given.malformed());
        }
    }
    let app_id = params.required("appId", "公众号id")?;
    let app_text = app_id.text()?;
    let timestamp = shaped(params.required("timeStamp", "时间戳")?, |text| {
        text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit())
    })?;
    let nonce = shaped(params.required("nonceStr", "随机字符串")?, |text| {
        text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })?;
    let prepay = shaped(params.required("prepayId", "预支付会话标识")?, |text| {
        text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })?;
    shaped(params.required("signType", "签名类型")?, |text| text == SIGN_TYPE)?;
    let merchant = Merchant::of(&app, patient.tenant)?.ok_or(ErrorCode::PayNotOffered)?;
    if app_text != merchant.app_id {
        return Err(app_id.malformed());
    }
    let prepay = own_session(&app, patient, prepay)?.ok_or(ErrorCode::PayPageUnknown)?;
    let signature = merchant.page_signature(timestamp, nonce, prepay.as_str());
    Ok(envelope::ok(PaySign { signature: signature.map_err(ApiError::internal)? }))
}

fn shaped<'p>(param: Param<'p>, fits: impl Fn(&str) -> bool) -> Result<&'p str, ApiError> {
    let text = param.text()?;
    if fits(text) { Ok(text) } else { Err(param.malformed()) }
}

/// The session of an order of the caller's that can be paid now, if this is one.
fn own_session(app: &App, patient: Patient, wanted: &str) -> Result<Option<PrepayId>, ApiError> {
    let range = keys::bookings_of(patient.tenant, BookingOwner::Account(patient.user));
    let scan = Scan { limit: BOOKINGS, order: Order::Descending };
    let now = app.clock.now();
    for (_, stored) in app.storage.scan(&range, scan).map_err(ApiError::internal)? {
        let booking = stored.record.0;
        if !booking.is_live() {
            continue;
        }
        let Some(order) = orders::newest_of(app, patient.tenant, booking.id)? else { continue };
        let OrderState::Prepaid(session) = &order.state else { continue };
        if session.id.as_str() == wanted && order.user == patient.user {
            let open = now < session.valid_until && now < order.expires_at;
            return Ok(open.then(|| session.id.clone()));
        }
    }
    Ok(None)
}
