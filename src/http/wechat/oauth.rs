//! Who an account is to the service account: the browser is sent to WeChat, and comes back with a code that tells.
//!
//! The `state` belongs to the account that asked for it and goes with one code only, so that nobody can make another's
//! account theirs by a link. WeChat opens the page twice now and then: the same code again gets the same answer.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use aws_lc_rs::digest::{self, SHA256};
use domain::UserId;
use serde::Serialize;
use storage::records::{FollowerRecord, Following, OauthRecord, OpenIdRecord, WechatIdentity};
use storage::{Commit, Key, Stored, Version, keys};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::Patient;
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::Success;
use crate::http::params::Params;
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};
use crate::wechat::oauth::Exchange;
use crate::wechat::{DomainHost, letters};

/// How long a patient may take from the address to the code, which itself lives for five minutes.
const LASTS: Duration = Duration::from_secs(10 * 60);

/// Characters of a state.
const STATE_LEN: usize = 32;

/// The longest address to come back to, and the longest code, in bytes.
const MAX_URL_BYTES: usize = 1_024;
const MAX_CODE_BYTES: usize = 512;

#[derive(Serialize, ToSchema)]
struct Authorisation {
    /// What the browser opens; it comes back to `redirect_uri` with `code` and `state`.
    url: String,
    /// What it has to come back with.
    state: String,
}

#[derive(Serialize, ToSchema)]
struct BoundOpenId {
    open_id: String,
}

/// What `oauth/login` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct OauthLoginRequest {
    /// What the browser came back with.
    code: String,
    /// The same.
    state: String,
}

/// `GET wechat/oauth/url`: begins an authorisation (网页授权). A newer one ends it.
#[utoipa::path(
    get,
    path = "/pati_service/wechat/oauth/url",
    tag = "微信",
    security(("token" = [])),
    params(("redirect_uri" = String, Query, description = "A page on the clinic's domain, to come back to.")),
    responses((status = 200, body = Success<Authorisation>)),
)]
pub async fn begin(app: web::Data<App>, patient: Patient, params: Params) -> Result<HttpResponse, ApiError> {
    let back = params.required("redirect_uri", "回跳地址")?;
    let page = back.text()?;
    if page.len() > MAX_URL_BYTES {
        return Err(back.malformed());
    }
    let account = app.wechat.account(patient.tenant)?;
    let domain = DomainHost::parse(&account.auth_url).map_err(ApiError::internal)?;
    if !domain.has_page(page) {
        return Err(ErrorCode::WechatDomainOther.into());
    }
    let state = letters(STATE_LEN).map_err(ApiError::internal)?;
    let url = app.wechat.authorisation_url(&account, page, &state)?;
    let expires_at = app.clock.now().plus(LASTS);
    let record = OauthRecord { state_hash: hash(&state), code_hash: None, expires_at };
    let key = keys::oauth(patient.tenant, patient.user);
    let mut commit = Commit::new();
    commit.put_expiring(&key, &record, expires_at);
    patient.require_session(&app, &mut commit)?;
    app.storage.commit(commit).await?;
    Ok(envelope::ok(Authorisation { url, state }))
}

/// `POST wechat/oauth/login`: asks WeChat who brought the code, and makes that the account's open id.
#[utoipa::path(
    post,
    path = "/pati_service/wechat/oauth/login",
    tag = "微信",
    security(("token" = [])),
    request_body = OauthLoginRequest,
    responses((status = 200, body = Success<BoundOpenId>)),
)]
pub async fn login(app: web::Data<App>, patient: Patient, params: Params) -> Result<HttpResponse, ApiError> {
    let code = params.required("code", "授权码")?.parse(parse_code)?;
    let state = params.required("state", "授权状态")?.text()?;
    let account = app.wechat.account(patient.tenant)?;
    if let Some(identity) = redeem(&app, patient, state, code).await?
        && identity.app_id == account.app_id
    {
        return Ok(envelope::ok(BoundOpenId { open_id: identity.open_id.as_str().to_owned() }));
    }
    let identity = match app.wechat.exchange(patient.tenant, code).await? {
        Exchange::Known(identity) => identity,
        Exchange::CodeVoid => return Err(ErrorCode::WechatCodeVoid.into()),
        Exchange::Snapshot => return Err(ErrorCode::WechatSnapshot.into()),
    };
    bind(&app, patient, &identity).await?;
    Ok(envelope::ok(BoundOpenId { open_id: identity.open_id.as_str().to_owned() }))
}

fn parse_code(text: &str) -> Result<&str, ErrorCode> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let fits = text.len() <= MAX_CODE_BYTES && text.bytes().all(plain);
    if fits { Ok(text) } else { Err(ErrorCode::ParameterMalformed) }
}

fn hash(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

/// Makes the authorisation go with this code and no other. Answers what came of the same code before.
///
/// # Errors
/// 404005 when there is no such authorisation, or it went with another code.
async fn redeem(
    app: &App,
    patient: Patient,
    state: &str,
    code: &str,
) -> Result<Option<WechatIdentity>, ApiError> {
    let key = keys::oauth(patient.tenant, patient.user);
    for _ in 0..MAX_TRIES {
        let stored = app.storage.get(&key).map_err(ApiError::internal)?.ok_or(ErrorCode::WechatCodeVoid)?;
        let OauthRecord { state_hash, code_hash, expires_at } = stored.record;
        let is_same = bool::from(state_hash.ct_eq(&hash(state)));
        if !is_same || expires_at <= app.clock.now() {
            return Err(ErrorCode::WechatCodeVoid.into());
        }
        match code_hash {
            Some(former) if former == hash(code) => return bound_since(app, patient, &stored.record),
            Some(_) => return Err(ErrorCode::WechatCodeVoid.into()),
            None => {}
        }
        let record = OauthRecord { code_hash: Some(hash(code)), ..stored.record };
        let mut commit = Commit::new();
        commit.require_version(&key, stored.version).put_expiring(&key, &record, expires_at);
        patient.require_session(app, &mut commit)?;
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(None),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

/// Who the account has proven to be since the authorisation began.
fn bound_since(app: &App, patient: Patient, oauth: &OauthRecord) -> Result<Option<WechatIdentity>, ApiError> {
    let bound = Bound::read(app, patient)?;
    let Some(stored) = bound.stored.filter(|stored| stored.record.bound_at.plus(LASTS) >= oauth.expires_at)
    else {
        return Ok(None);
    };
    stored.record.open(&app.vault, &bound.key).map(Some).map_err(ApiError::internal)
}

/// The open id of an account as it is stored.
struct Bound {
    key: Key<OpenIdRecord>,
    stored: Option<Stored<OpenIdRecord>>,
}

impl Bound {
    fn read(app: &App, patient: Patient) -> Result<Self, ApiError> {
        Self::of(app, patient, patient.user)
    }

    fn of(app: &App, patient: Patient, user: UserId) -> Result<Self, ApiError> {
        let key = keys::open_id(patient.tenant, user);
        let stored = app.storage.get(&key).map_err(ApiError::internal)?;
        Ok(Self { key, stored })
    }

    fn version(&self) -> Version {
        self.stored.as_ref().map_or(Version::ABSENT, |stored| stored.version)
    }

    fn identity(&self, app: &App) -> Result<Option<WechatIdentity>, ApiError> {
        let opened = self.stored.as_ref().map(|stored| stored.record.open(&app.vault, &self.key));
        opened.transpose().map_err(ApiError::internal)
    }
}

/// What is known of somebody by their open id, as it is stored.
struct Known {
    key: Key<FollowerRecord>,
    version: Version,
    record: FollowerRecord,
}

impl Known {
    fn read(app: &App, patient: Patient, identity: &WechatIdentity) -> Result<Self, ApiError> {
        let blind = app.vault.blind_open_id(patient.tenant, &identity.open_id);
        let key = keys::follower(patient.tenant, &blind);
        let stored = app.storage.get(&key).map_err(ApiError::internal)?;
        let (version, record) = match stored {
            Some(stored) => (stored.version, stored.record),
            None => (Version::ABSENT, FollowerRecord { user: None, following: Following::Unknown }),
        };
        Ok(Self { key, version, record })
    }

    fn put(&self, commit: &mut Commit, user: Option<UserId>) {
        let record = FollowerRecord { user, ..self.record };
        commit.require_version(&self.key, self.version).put(&self.key, &record);
    }
}

/// Makes this the account's open id. Somebody who has proven to be the same person with another account before moves here:
/// messages go to one account's bookings only.
async fn bind(app: &App, patient: Patient, identity: &WechatIdentity) -> Result<(), ApiError> {
    for _ in 0..MAX_TRIES {
        let mut commit = Commit::new();
        patient.require_session(app, &mut commit)?;
        let bound = Bound::read(app, patient)?;
        if let Some(former) = bound.identity(app)?.filter(|former| former.open_id != identity.open_id) {
            let known = Known::read(app, patient, &former)?;
            if known.record.user == Some(patient.user) {
                known.put(&mut commit, None);
            }
        }
        let known = Known::read(app, patient, identity)?;
        if let Some(other) = known.record.user.filter(|other| *other != patient.user) {
            let theirs = Bound::of(app, patient, other)?;
            commit.require_version(&theirs.key, theirs.version()).delete(&theirs.key);
        }
        known.put(&mut commit, Some(patient.user));
        let record = OpenIdRecord::seal(&app.vault, &bound.key, identity, app.clock.now());
        let record = record.map_err(ApiError::internal)?;
        commit.require_version(&bound.key, bound.version()).put(&bound.key, &record);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

/// Makes `commit` forget who the account is to WeChat, for an account that is closed.
///
/// # Errors
/// What is stored cannot be read.
pub(in crate::http) fn forget(app: &App, patient: Patient, commit: &mut Commit) -> Result<(), ApiError> {
    let bound = Bound::read(app, patient)?;
    if let Some(identity) = bound.identity(app)? {
        let known = Known::read(app, patient, &identity)?;
        if known.record.user == Some(patient.user) {
            known.put(commit, None);
        }
    }
    commit.require_version(&bound.key, bound.version()).delete(&bound.key);
    commit.delete(&keys::oauth(patient.tenant, patient.user));
    Ok(())
}
