//! Accounts (患者认证): register by a code, log in by a password.

use actix_web::{HttpRequest, HttpResponse, rt, web};
use domain::{Phone, SessionId, TenantId, UserId};
use serde::Serialize;
use storage::records::{CodePurpose, PhoneRecord, Profile, SessionRecord, UserPersonal, UserRecord};
use storage::{Commit, Key, Sequence, Version, keys};
use utoipa::ToSchema;

use super::caller::Tenant;
use super::codes::{self, Codes};
use super::envelope;
use super::error::{ApiError, ErrorCode};
use super::limits::ClientNetwork;
use super::openapi::{Done, Success};
use super::params::Params;
use super::refusals::{MAX_TRIES, Outcome, outcome};
use crate::app::App;
use crate::passwords::Password;
use crate::sms::VerificationCode;
use crate::tokens::{Identity, Subject};

pub mod closing;
pub mod export;
pub mod phone;
mod sessions;

#[cfg(test)]
pub(super) mod fixture;
#[cfg(test)]
mod tests;

#[derive(Serialize, ToSchema)]
struct LoggedIn {
    #[serde(rename = "userId")]
    user: String,
    token: String,
}

/// What `register` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct RegisterRequest {
    /// 手机号
    phone: String,
    /// 验证码
    #[schema(rename = "verCode")]
    code: String,
    /// 密码
    password: String,
}

/// What `login` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct LoginRequest {
    /// 手机号
    phone: String,
    /// 密码
    password: String,
}

/// `GET patient_service/register/phone_identifying_code`: sends a code for registering.
#[utoipa::path(
    get,
    path = "/pati_service/patient_service/register/phone_identifying_code",
    tag = "患者认证",
    params(("phone" = String, Query, description = "手机号")),
    responses((status = 200, body = Done)),
)]
pub async fn register_code(
    app: web::Data<App>,
    tenant: Tenant,
    request: HttpRequest,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let phone = params.required("phone", "手机号")?.parse(Phone::parse)?;
    let network = ClientNetwork::of(&request, &app.limits.trusted_proxies);
    // A task of its own, because a client that hangs up must not stop it between counting and sending.
    let sending =
        rt::spawn(async move { codes::send(&app, tenant.id, &phone, network, CodePurpose::Register).await });
    sending.await.map_err(ApiError::internal)??;
    Ok(envelope::ok_null())
}

/// `POST patient_service/register`: opens an account and logs it in.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/register",
    tag = "患者认证",
    request_body = RegisterRequest,
    responses((status = 200, body = Success<LoggedIn>)),
)]
pub async fn register(app: web::Data<App>, tenant: Tenant, params: Params) -> Result<HttpResponse, ApiError> {
    let phone = params.required("phone", "手机号")?.parse(Phone::parse)?;
    let code = params.required("verCode", "验证码")?.parse(VerificationCode::parse)?;
    let password = params.required("password", "密码")?.parse(Password::parse)?;
    let registration = Registration { app: &app, tenant: tenant.id, phone, code };
    Ok(envelope::ok(registration.complete(password).await?))
}

/// `POST patient_service/login`: begins a session.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/login",
    tag = "患者认证",
    request_body = LoginRequest,
    responses((status = 200, body = Success<LoggedIn>)),
)]
pub async fn login(app: web::Data<App>, tenant: Tenant, params: Params) -> Result<HttpResponse, ApiError> {
    let phone = params.required("phone", "手机号")?.parse(Phone::parse)?;
    let password = params.required("password", "密码")?.parse(Password::parse)?;
    Ok(envelope::ok(log_in(&app, tenant.id, &phone, &password).await?))
}

/// An account as it was read.
struct Account {
    user: UserId,
    key: Key<UserRecord>,
    version: Version,
    personal: UserPersonal,
}

impl Account {
    /// The account that logs in with this phone, if there is one.
    fn of_phone(app: &App, tenant: TenantId, phone: &Phone) -> Result<Option<Self>, ApiError> {
        let phone_key = keys::phone(tenant, &app.vault.blind_phone(tenant, phone));
        let Some(found) = app.storage.get(&phone_key).map_err(ApiError::internal)? else { return Ok(None) };
        let user = found.record.user;
        let key = keys::user(tenant, user);
        let stored = app.storage.get(&key).map_err(ApiError::internal)?;
        let stored = stored.ok_or_else(|| ApiError::internal("a phone's account is not stored"))?;
        let personal = stored.record.open(&app.vault, &key).map_err(ApiError::internal)?;
        Ok(Some(Self { user, key, version: stored.version, personal }))
    }
}

/// Somebody who wants an account, and says that the phone is theirs.
struct Registration<'a> {
    app: &'a App,
    tenant: TenantId,
    phone: Phone,
    code: VerificationCode,
}

impl Registration<'_> {
    /// Uses the code up and opens the account, in one commit.
    ///
    /// The code is looked at before the phone, so that only who holds the phone learns that it has an account.
    async fn complete(&self, password: Password) -> Result<LoggedIn, ApiError> {
        let (app, tenant) = (self.app, self.tenant);
        let storage = &app.storage;
        let clock = app.clock.as_ref();
        let codes = Codes { storage, vault: &app.vault, clock, tenant, purpose: CodePurpose::Register };
        // Only a right code is worth the hash of a password.
        codes.check(&self.phone, &self.code).await?;
        let password_hash = app.passwords.hash(password).await?;
        let user = UserId::new(app.sequences.next(storage, tenant, Sequence::User).await?);
        let user = user.map_err(ApiError::internal)?;
        let login = Login::new(app, tenant, user, next_session(app, tenant).await?);
        let token = login.token(app)?;
        let personal = UserPersonal { phone: self.phone.clone(), password_hash, profile: Profile::default() };

        for _ in 0..MAX_TRIES {
            let code = codes.check(&self.phone, &self.code).await?;
            let phone_key = keys::phone(tenant, &app.vault.blind_phone(tenant, &self.phone));
            if storage.contains(&phone_key).map_err(ApiError::internal)? {
                return Err(ErrorCode::PhoneTaken.into());
            }
            let user_key = keys::user(tenant, user);
            let record = UserRecord::seal(&app.vault, &user_key, &personal, login.identity.issued_at, None);
            let mut commit = Commit::new();
            code.consume(&mut commit);
            commit.require_absent(&phone_key).put(&phone_key, &PhoneRecord { user });
            commit.require_absent(&user_key).put(&user_key, &record.map_err(ApiError::internal)?);
            login.put(&mut commit);
            match outcome(storage.commit(commit).await)? {
                Outcome::Made => return Ok(LoggedIn { user: user.to_string(), token }),
                Outcome::Outdated => {}
            }
        }
        Err(ErrorCode::Busy.into())
    }
}

/// Begins a session, if phone and password belong together.
async fn log_in(
    app: &App,
    tenant: TenantId,
    phone: &Phone,
    password: &Password,
) -> Result<LoggedIn, ApiError> {
    for _ in 0..MAX_TRIES {
        let Some(account) = Account::of_phone(app, tenant, phone)? else {
            // Takes as long as with an account, so that the time tells nobody which phones have one.
            app.passwords.verify_dummy(password.clone()).await?;
            return Err(ErrorCode::CredentialsWrong.into());
        };
        if !app.passwords.verify(password.clone(), account.personal.password_hash).await? {
            return Err(ErrorCode::CredentialsWrong.into());
        }
        let login = Login::new(app, tenant, account.user, next_session(app, tenant).await?);
        let token = login.token(app)?;
        let mut commit = Commit::new();
        // A password that was changed meanwhile must not begin a session any more.
        commit.require_version(&account.key, account.version);
        login.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(LoggedIn { user: account.user.to_string(), token }),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

/// A session that begins: its record goes into a commit, its token to the client.
struct Login {
    user: UserId,
    identity: Identity,
}

impl Login {
    fn new(app: &App, tenant: TenantId, user: UserId, session: SessionId) -> Self {
        let issued_at = app.clock.now();
        let expires_at = issued_at.plus(app.limits.token_ttl);
        Self {
            user,
            identity: Identity { subject: Subject::Patient(user), tenant, session, issued_at, expires_at },
        }
    }

    fn token(&self, app: &App) -> Result<String, ApiError> {
        app.tokens.issue(&self.identity).map_err(ApiError::internal)
    }

    fn put(&self, commit: &mut Commit) {
        let Identity { subject: _, tenant, session, issued_at, expires_at } = self.identity;
        let record = SessionRecord { user: self.user, created_at: issued_at, expires_at };
        let key = keys::session(tenant, self.user, session);
        commit.require_absent(&key).put_expiring(&key, &record, expires_at);
    }
}

async fn next_session(app: &App, tenant: TenantId) -> Result<SessionId, ApiError> {
    let number = app.sequences.next(&app.storage, tenant, Sequence::Session).await?;
    SessionId::new(number).map_err(ApiError::internal)
}
