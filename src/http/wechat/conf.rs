//! What an administrator enters about the service account: the account itself, and its server configuration (服务器配置).

use actix_web::{HttpResponse, web};
use serde::Serialize;
use storage::records::{Action, WechatAccount, WechatCallback};
use utoipa::ToSchema;

use super::{Conf, change, masked, unmasked};
use crate::app::App;
use crate::http::caller::Admin;
use crate::http::envelope;
use crate::http::error::ApiError;
use crate::http::openapi::{Done, Success};
use crate::http::params::Params;
use crate::wechat::callback::MessageKey;
use crate::wechat::{DomainHost, parse_app_id, parse_app_secret};

const SECRET: &str = "AppSecret";
const KEY: &str = "EncodingAESKey";

#[derive(Serialize, ToSchema)]
struct WechatConf {
    /// Empty before it is entered, and so are the others.
    app_id: String,
    /// The last four characters behind `****`.
    app_secret: String,
    /// 网页授权域名
    auth_url: String,
}

/// What `conf` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct WechatConfRequest {
    /// `wx…`
    app_id: String,
    /// AppSecret; as it is shown, it stays.
    app_secret: String,
    /// 网页授权域名: a host, or an address on it.
    auth_url: String,
}

/// `GET wechat/conf`: the clinic's service account, its secret masked.
#[utoipa::path(
    get,
    path = "/pati_service/wechat/conf",
    tag = "管理：微信",
    security(("token" = [])),
    responses((status = 200, body = Success<WechatConf>)),
)]
pub async fn show(app: web::Data<App>, Admin(staff): Admin) -> Result<HttpResponse, ApiError> {
    let account = Conf::read(&app, staff.tenant)?.secrets.account;
    let shown = match account {
        Some(WechatAccount { app_id, app_secret, auth_url }) => {
            WechatConf { app_id, app_secret: masked(&app_secret), auth_url }
        }
        None => WechatConf { app_id: String::new(), app_secret: String::new(), auth_url: String::new() },
    };
    Ok(envelope::ok(shown))
}

/// `POST wechat/conf`: replaces it. What WeChat lent another account or for another secret is forgotten.
#[utoipa::path(
    post,
    path = "/pati_service/wechat/conf",
    tag = "管理：微信",
    security(("token" = [])),
    request_body = WechatConfRequest,
    responses((status = 200, body = Done)),
)]
pub async fn save(
    app: web::Data<App>,
    Admin(staff): Admin,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let app_id = params.required("app_id", "AppID")?.parse(parse_app_id)?;
    let posted = params.required("app_secret", SECRET)?.text()?;
    let auth_url = params.required("auth_url", "网页授权域名地址")?;
    auth_url.parse(DomainHost::parse)?;
    let auth_url = auth_url.text()?;
    change(&app, staff, Action::WechatConfChanged, |conf| {
        // The secret of another account is no secret of this one.
        let former = conf.secrets.account.as_ref().filter(|former| former.app_id == app_id);
        let secret = unmasked(posted, former.map(|former| former.app_secret.as_str()));
        let app_secret = parse_app_secret(secret).map_err(|_| ApiError::malformed(SECRET))?;
        let (app_id, auth_url) = (app_id.clone(), auth_url.to_owned());
        conf.secrets.account = Some(WechatAccount { app_id, app_secret, auth_url });
        Ok(())
    })
    .await?;
    app.channels.connect(staff.tenant);
    Ok(envelope::ok_null())
}

#[derive(Serialize, ToSchema)]
struct CallbackConf {
    /// What to enter at WeChat as URL.
    url: String,
    /// `****`, with its last four characters if it is long enough; empty before it is entered.
    token: String,
    /// The last four characters behind `****`; empty when messages come in plain (明文模式).
    encoding_aes_key: String,
}

/// What `callback_conf` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct CallbackConfRequest {
    /// 3 to 32 letters and digits; as it is shown, it stays.
    token: String,
    /// 43 letters and digits; as it is shown, it stays. Without one messages come in plain.
    encoding_aes_key: Option<String>,
}

/// `GET wechat/callback_conf`: the server configuration, its secrets masked.
#[utoipa::path(
    get,
    path = "/pati_service/wechat/callback_conf",
    tag = "管理：微信",
    security(("token" = [])),
    responses((status = 200, body = Success<CallbackConf>)),
)]
pub async fn show_callback(app: web::Data<App>, Admin(staff): Admin) -> Result<HttpResponse, ApiError> {
    let callback = Conf::read(&app, staff.tenant)?.secrets.callback;
    let key = callback.as_ref().and_then(|callback| callback.aes_key.as_deref());
    Ok(envelope::ok(CallbackConf {
        url: format!("{}/pati_service/wechat/callback/{}", app.public_url, staff.tenant),
        token: callback.as_ref().map(|callback| masked(&callback.token)).unwrap_or_default(),
        encoding_aes_key: key.map(masked).unwrap_or_default(),
    }))
}

/// `POST wechat/callback_conf`: replaces it.
#[utoipa::path(
    post,
    path = "/pati_service/wechat/callback_conf",
    tag = "管理：微信",
    security(("token" = [])),
    request_body = CallbackConfRequest,
    responses((status = 200, body = Done)),
)]
pub async fn save_callback(
    app: web::Data<App>,
    Admin(staff): Admin,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let token = params.required("token", "Token")?;
    let posted_token = token.text()?;
    let posted_key = params.optional("encoding_aes_key", KEY).map(|key| key.text()).transpose()?;
    change(&app, staff, Action::WechatCallbackChanged, |conf| {
        let former = conf.secrets.callback.as_ref();
        let text = unmasked(posted_token, former.map(|former| former.token.as_str()));
        let fits = (3..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !fits {
            return Err(token.malformed());
        }
        let key = posted_key.map(|key| unmasked(key, former.and_then(|former| former.aes_key.as_deref())));
        if key.is_some_and(|key| MessageKey::parse(key).is_err()) {
            return Err(ApiError::malformed(KEY));
        }
        let callback = WechatCallback { token: text.to_owned(), aes_key: key.map(str::to_owned) };
        conf.secrets.callback = Some(callback);
        Ok(())
    })
    .await?;
    Ok(envelope::ok_null())
}
