//! What a clinic enters to be paid through WeChat.

use actix_web::{HttpResponse, web};
use domain::TenantId;
use serde::Serialize;
use storage::records::{Action, PayConfRecord, PayIdentity, PaySecrets};
use storage::{Commit, Version, keys};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::{Admin, Staff};
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::{Done, Success};
use crate::http::params::{Param, Params};
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};
use crate::pay::merchant::Merchant;
use crate::pay::signing::SigningError;

/// What stands for a key that is set. Posted again, it keeps the key.
const MASK: &str = "****";

#[derive(Serialize, ToSchema)]
struct PayConf {
    /// That of the clinic's service account, if it has entered one.
    app_id: String,
    mch_id: String,
    serial_no: String,
    /// `****` when there is one.
    private_key: String,
    /// `****` and its last four characters.
    api_v3_key: String,
    /// Empty, as is the key, where WeChat's platform certificates are downloaded.
    wechat_key_id: String,
    wechat_key: String,
    /// Serial numbers of the platform certificates that were downloaded.
    certificates: Vec<String>,
}

/// What `wechat/pay_conf` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct PayConfRequest {
    /// 公众号 AppID; that of the clinic's service account, and without it that one.
    app_id: Option<String>,
    /// 商户号
    mch_id: String,
    /// 商户API证书序列号
    serial_no: String,
    /// The content of apiclient_key.pem; as it was answered, it stays.
    private_key: String,
    /// APIv3密钥, 32 characters; as it was answered, it stays.
    api_v3_key: String,
    /// 微信支付公钥ID; without it and `wechat_key` WeChat's platform certificates (平台证书) are downloaded and verified with.
    wechat_key_id: Option<String>,
    /// 微信支付公钥 as PEM
    wechat_key: Option<String>,
}

/// `GET wechat/pay_conf`: what was entered. Keys are not shown.
#[utoipa::path(
    get,
    path = "/pati_service/wechat/pay_conf",
    tag = "管理：微信",
    security(("token" = [])),
    responses((status = 200, body = Success<PayConf>)),
)]
pub async fn show(app: web::Data<App>, Admin(staff): Admin) -> Result<HttpResponse, ApiError> {
    let key = keys::pay_conf(staff.tenant);
    staff.audit_read(&app, Action::PayConfRead, None).await?;
    let empty = || PayConf {
        app_id: String::new(),
        mch_id: String::new(),
        serial_no: String::new(),
        private_key: String::new(),
        api_v3_key: String::new(),
        wechat_key_id: String::new(),
        wechat_key: String::new(),
        certificates: Vec::new(),
    };
    let Some(stored) = app.storage.get(&key).map_err(ApiError::internal)? else {
        return Ok(envelope::ok(empty()));
    };
    let record = stored.record;
    let secrets = record.open(&app.vault, &key).map_err(ApiError::internal)?;
    let (_, account) = service_account(&app, staff.tenant)?;
    let kept = app.storage.get(&keys::pay_certificates(staff.tenant)).map_err(ApiError::internal)?;
    let kept = kept
        .map(|kept| kept.record)
        .filter(|kept| record.wechat_key.is_empty() && kept.mch_id == record.mch_id);
    let certificates = kept.map(|kept| kept.certificates).unwrap_or_default();
    Ok(envelope::ok(PayConf {
        app_id: if record.app_id.is_empty() { account.unwrap_or_default() } else { record.app_id },
        mch_id: record.mch_id,
        serial_no: record.serial_no,
        private_key: MASK.to_owned(),
        api_v3_key: masked(&secrets.api_v3_key),
        wechat_key_id: record.wechat_key_id,
        wechat_key: record.wechat_key,
        certificates: certificates.into_iter().map(|one| one.serial_no).collect(),
    }))
}

/// A key is ASCII; of anything else nothing is shown.
fn masked(key: &str) -> String {
    let end = key.len().checked_sub(4).and_then(|start| key.get(start..)).unwrap_or_default();
    format!("{MASK}{end}")
}

/// `POST wechat/pay_conf`: replaces what was entered. It is tried out before it is kept: keys that are none are refused.
#[utoipa::path(
    post,
    path = "/pati_service/wechat/pay_conf",
    tag = "管理：微信",
    security(("token" = [])),
    request_body = PayConfRequest,
    responses((status = 200, body = Done)),
)]
pub async fn update(
    app: web::Data<App>,
    Admin(staff): Admin,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let is_id = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let fits = |param: Param<'_>, most: usize| {
        let text = param.text()?;
        if text.len() <= most && is_id(text) { Ok(text.to_owned()) } else { Err(param.malformed()) }
    };
    let read = |name: &str, label, most| fits(params.required(name, label)?, most);
    let given = |name: &str, label| {
        params.optional(name, label).filter(|param| !param.text().is_ok_and(str::is_empty))
    };
    let text = |name: &str, label| params.required(name, label)?.text().map(str::to_owned);
    let app_id = given("app_id", APP_ID).map_or(Ok(String::new()), |param| fits(param, 32))?;
    let mch_id = read("mch_id", "商户号", 32)?;
    let serial_no = read("serial_no", "证书序列号", 64)?.to_ascii_uppercase();
    let secrets = PaySecrets {
        private_key: text("private_key", PRIVATE_KEY)?,
        api_v3_key: text("api_v3_key", API_KEY)?,
    };
    let (wechat_key_id, wechat_key) = match given("wechat_key_id", WECHAT_KEY_ID) {
        Some(id) => (fits(id, 64)?, text("wechat_key", WECHAT_KEY)?),
        None if given("wechat_key", WECHAT_KEY).is_some() => return Err(ApiError::missing(WECHAT_KEY_ID)),
        None => (String::new(), String::new()),
    };
    let identity = PayIdentity { app_id, mch_id, serial_no, wechat_key_id, wechat_key };
    store(&app, staff, &identity, &secrets).await?;
    Ok(envelope::ok_null())
}

const PRIVATE_KEY: &str = "商户私钥";
const API_KEY: &str = "APIv3密钥";
const WECHAT_KEY_ID: &str = "微信支付公钥ID";
const WECHAT_KEY: &str = "微信支付公钥";
const APP_ID: &str = "公众号AppID";

/// The clinic's service account, if it has entered one, and the version of the settings it was read from.
fn service_account(app: &App, tenant: TenantId) -> Result<(Version, Option<String>), ApiError> {
    let key = keys::wechat_conf(tenant);
    let Some(stored) = app.storage.get(&key).map_err(ApiError::internal)? else {
        return Ok((Version::ABSENT, None));
    };
    let secrets = stored.record.open(&app.vault, &key).map_err(ApiError::internal)?;
    Ok((stored.version, secrets.account.map(|account| account.app_id)))
}

/// The account to be paid in as it is stored: nothing where there is a service account, so that there is one truth.
fn paid_in(given: &str, account: Option<&str>) -> Result<String, ApiError> {
    match (given, account) {
        ("", None) => Err(ApiError::missing(APP_ID)),
        ("", Some(_)) => Ok(String::new()),
        (given, Some(account)) if given == account => Ok(String::new()),
        (_, Some(_)) => Err(ErrorCode::AppIdDiffers.into()),
        (given, None) => Ok(given.to_owned()),
    }
}

async fn store(app: &App, staff: Staff, identity: &PayIdentity, given: &PaySecrets) -> Result<(), ApiError> {
    let key = keys::pay_conf(staff.tenant);
    for _ in 0..MAX_TRIES {
        let stored = app.storage.get(&key).map_err(ApiError::internal)?;
        let version = stored.as_ref().map_or(Version::ABSENT, |stored| stored.version);
        let mut secrets = given.clone();
        if let Some(stored) = &stored {
            let kept = stored.record.open(&app.vault, &key).map_err(ApiError::internal)?;
            if secrets.private_key == MASK {
                secrets.private_key = kept.private_key;
            }
            if secrets.api_v3_key == masked(&kept.api_v3_key) {
                secrets.api_v3_key = kept.api_v3_key;
            }
        }
        Merchant::new(staff.tenant, identity, &secrets).map_err(refused)?;
        let (account_version, account) = service_account(app, staff.tenant)?;
        let app_id = paid_in(&identity.app_id, account.as_deref())?;
        let identity = PayIdentity { app_id, ..identity.clone() };
        let record = PayConfRecord::seal(&app.vault, &key, &secrets, identity);
        let mut commit = Commit::new();
        commit.require_version(&keys::wechat_conf(staff.tenant), account_version);
        commit.require_version(&key, version).put(&key, &record.map_err(ApiError::internal)?);
        staff.require_session(app, &mut commit)?;
        staff.audit(app, Action::PayConfChanged, None).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

/// Which of the keys is none.
fn refused(error: SigningError) -> ApiError {
    match error {
        SigningError::PrivateKey => ApiError::malformed(PRIVATE_KEY),
        SigningError::PublicKey => ApiError::malformed(WECHAT_KEY),
        SigningError::ApiKey => ApiError::malformed(API_KEY),
        SigningError::Unsigned
        | SigningError::Certificate
        | SigningError::Headers
        | SigningError::Stale
        | SigningError::UnknownKey
        | SigningError::Signature
        | SigningError::Encrypted => ApiError::internal(error),
    }
}
