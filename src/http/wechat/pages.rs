//! The signature by which WeChat lets a page of the clinic use its JS-SDK.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::Tenant;
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::Success;
use crate::http::params::Params;
use crate::wechat::{DomainHost, letters, signatures};

/// The longest address that is signed, in bytes.
const MAX_URL_BYTES: usize = 2_048;

/// Characters of a nonce.
const NONCE_LEN: usize = 16;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PageSignature {
    app_id: String,
    nonce_str: String,
    /// Seconds since 1970.
    timestamp: String,
    /// What was signed: without its fragment.
    url: String,
    signature: String,
}

/// What `signature` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct PageSignatureRequest {
    /// 当前页面的url, as the browser shows it; a fragment is cut off.
    url: String,
}

/// `POST wx/jsapi/signature`: what a page gives to `wx.config`. Only pages on the clinic's domain are signed.
#[utoipa::path(
    post,
    path = "/pati_service/wx/jsapi/signature",
    tag = "微信",
    request_body = PageSignatureRequest,
    responses((status = 200, body = Success<PageSignature>)),
)]
pub async fn sign(app: web::Data<App>, tenant: Tenant, params: Params) -> Result<HttpResponse, ApiError> {
    let url = params.required("url", "页面地址")?;
    let shown = url.text()?.split('#').next().unwrap_or_default();
    if shown.is_empty() || shown.len() > MAX_URL_BYTES {
        return Err(url.malformed());
    }
    let account = app.wechat.account(tenant.id)?;
    let domain = DomainHost::parse(&account.auth_url).map_err(ApiError::internal)?;
    if !domain.has_page(shown) {
        return Err(ErrorCode::WechatDomainOther.into());
    }
    let ticket = app.wechat.ticket(tenant.id).await?;
    let nonce = letters(NONCE_LEN).map_err(ApiError::internal)?;
    let timestamp = (app.clock.now().as_millis() / 1000).to_string();
    let signature = signatures::of_page(&ticket, &nonce, &timestamp, shown);
    let (app_id, url) = (account.app_id, shown.to_owned());
    Ok(envelope::ok(PageSignature { app_id, nonce_str: nonce, timestamp, url, signature }))
}
