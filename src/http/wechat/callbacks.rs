//! Where WeChat calls the clinic's server (消息推送): it checks the address, and tells who follows the service account and
//! what became of messages.

use actix_web::web::{self, Payload};
use actix_web::{HttpRequest, HttpResponse, rt};
use domain::{OpenId, TenantId};
use storage::records::{FollowerRecord, Following, WechatAccount, WechatCallback};
use storage::{Commit, Version, keys};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::Tenant;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::params::{Param, Params, raw_body};
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};
use crate::outbox::receipts;
use crate::wechat::callback::{self, Configured, Event, MessageKey, Refused, Signed};

/// What tells WeChat that a message arrived; anything else is shown to the follower as a failure.
const TAKEN: &str = "success";

/// The text that WeChat wants back.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a text")]
struct Echo(String);

/// What WeChat posts, in XML.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; the parser of XML reads it")]
struct MessageRequest {
    #[schema(rename = "ToUserName")]
    to: String,
    #[schema(rename = "Encrypt")]
    encrypted: Option<String>,
}

/// The clinic whose server is called. Its account and the server configuration must have been entered.
struct Called {
    tenant: TenantId,
    account: WechatAccount,
    callback: WechatCallback,
}

impl Called {
    fn of(app: &App, request: &HttpRequest) -> Result<Self, ApiError> {
        let tenant = Param::from_path(request, "tenant", "租户ID")?.text()?;
        let tenant = TenantId::parse(tenant).map_err(|_| ErrorCode::TenantUnknown)?;
        if !app.storage.contains(&keys::tenant(tenant)).map_err(ApiError::internal)? {
            return Err(ErrorCode::TenantUnknown.into());
        }
        let secrets = app.wechat.secrets(tenant)?;
        match (secrets.account, secrets.callback) {
            (Some(account), Some(callback)) => Ok(Self { tenant, account, callback }),
            (None, _) | (_, None) => Err(ErrorCode::WechatNotConfigured.into()),
        }
    }
}

fn signed(params: &Params) -> Result<Signed<'_>, ApiError> {
    Ok(Signed {
        signature: params.required("signature", "签名")?.text()?,
        timestamp: params.required("timestamp", "时间戳")?.text()?,
        nonce: params.required("nonce", "随机数")?.text()?,
        msg_signature: params.optional("msg_signature", "消息签名").map(|param| param.text()).transpose()?,
    })
}

fn refused(reason: Refused) -> ApiError {
    match reason {
        Refused::Signature | Refused::OtherAccount => ErrorCode::NotAllowed.into(),
        Refused::Malformed => ApiError::malformed("请求内容"),
    }
}

/// `GET wechat/callback/{tenant}`: answers WeChat's check of the address.
#[utoipa::path(
    get,
    path = "/pati_service/wechat/callback/{tenant}",
    tag = "微信服务器",
    params(
        ("tenant" = String, Path, description = "租户ID"),
        ("signature" = String, Query, description = "签名"),
        ("timestamp" = String, Query, description = "时间戳"),
        ("nonce" = String, Query, description = "随机数"),
        ("echostr" = String, Query, description = "What is to be answered"),
    ),
    responses((status = 200, body = Echo, content_type = "text/plain")),
)]
pub async fn verify(
    app: web::Data<App>,
    _named: Tenant,
    request: HttpRequest,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let (signed, echo) = (signed(&params)?, params.required("echostr", "随机字符串")?.text()?);
    let called = Called::of(&app, &request)?;
    signed.check(&called.callback.token).map_err(refused)?;
    Ok(HttpResponse::Ok().content_type("text/plain").body(echo.to_owned()))
}

/// `POST wechat/callback/{tenant}`: takes a message. WeChat sends one up to three times; it has its effect once.
#[utoipa::path(
    post,
    path = "/pati_service/wechat/callback/{tenant}",
    tag = "微信服务器",
    params(
        ("tenant" = String, Path, description = "租户ID"),
        ("signature" = String, Query, description = "签名"),
        ("timestamp" = String, Query, description = "时间戳"),
        ("nonce" = String, Query, description = "随机数"),
        ("msg_signature" = Option<String>, Query, description = "Signature of an encrypted message"),
    ),
    request_body(content = MessageRequest, content_type = "text/xml"),
    responses((status = 200, body = Echo, content_type = "text/plain")),
)]
pub async fn receive(
    app: web::Data<App>,
    _named: Tenant,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let params = Params::from_query(request.query_string())?;
    let signed = signed(&params)?;
    let called = Called::of(&app, &request)?;
    signed.check(&called.callback.token).map_err(refused)?;
    let body = raw_body(&request, payload.into_inner()).await?;
    let key = called.callback.aes_key.as_deref().map(MessageKey::parse).transpose();
    let key = key.map_err(ApiError::internal)?;
    let (token, app_id) = (called.callback.token.as_str(), called.account.app_id.as_str());
    let configured = Configured { token, key: key.as_ref(), app_id };
    match callback::read(configured, signed, &body).map_err(refused)? {
        Event::Subscribe(who, at) => note(&app, called.tenant, &who, Following::Since(at)).await?,
        Event::Unsubscribe(who, at) => note(&app, called.tenant, &who, Following::Left(at)).await?,
        Event::TemplateSent { message, outcome } => {
            // A task of its own: it may send a text, and WeChat hangs up after five seconds.
            let tenant = called.tenant;
            let taking = rt::spawn(async move { receipts::take(&app, tenant, message, outcome).await });
            taking.await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
        }
        Event::Other => {}
    }
    Ok(HttpResponse::Ok().content_type("text/plain").body(TAKEN))
}

/// Notes whether somebody follows the account. Events may come twice and out of order: the newest counts.
async fn note(app: &App, tenant: TenantId, who: &OpenId, following: Following) -> Result<(), ApiError> {
    let key = keys::follower(tenant, &app.vault.blind_open_id(tenant, who));
    for _ in 0..MAX_TRIES {
        let stored = app.storage.get(&key).map_err(ApiError::internal)?;
        let (version, former) = match stored {
            Some(stored) => (stored.version, stored.record),
            None => (Version::ABSENT, FollowerRecord { user: None, following: Following::Unknown }),
        };
        if former.following.told_at() >= following.told_at() {
            return Ok(());
        }
        let mut commit = Commit::new();
        commit.require_version(&key, version).put(&key, &FollowerRecord { following, ..former });
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}
