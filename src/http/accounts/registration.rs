//! Opening an account: a code to the phone, then phone, code and password.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::{Phone, TenantId, Timestamp, UserId};
use storage::records::{CodePurpose, Consent, PhoneRecord, Profile, UserPersonal, UserRecord};
use storage::{Commit, Sequence, keys};
use utoipa::ToSchema;

use super::{LoggedIn, Login, phone_key};
use crate::app::App;
use crate::http::caller::Tenant;
use crate::http::codes::{CodeRequest, Codes, RightCode};
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::limits::ClientNetwork;
use crate::http::openapi::{Done, Success};
use crate::http::params::Params;
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};
use crate::passwords::Password;
use crate::sms::VerificationCode;

/// What `register` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct RegisterRequest {
    /// 手机号
    phone: String,
    /// 验证码
    #[schema(rename = "verCode")]
    code: String,
    /// 密码, 8 to 64 characters
    #[schema(min_length = 8, max_length = 64)]
    password: String,
    /// The version of the privacy notice (隐私政策) that was agreed to: 1 to 32 visible characters. The clinic's settings
    /// may ask for it.
    privacy_version: Option<String>,
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
    let network = ClientNetwork::of_client(&app, &request);
    CodeRequest { tenant: tenant.id, purpose: CodePurpose::Register, phone, network }.send(app).await?;
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
    let notice = match params.optional("privacy_version", "隐私政策版本") {
        Some(version) => Some(version.parse(NoticeVersion::parse)?),
        None => None,
    };
    let registration = Registration { app: &app, tenant: tenant.id, phone, code, notice };
    Ok(envelope::ok(registration.complete(password).await?))
}

/// The version of a privacy notice, as the page that showed it names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoticeVersion(String);

/// Not 1 to 32 visible characters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAVersion;

impl NoticeVersion {
    const MAX_CHARACTERS: usize = 32;

    pub(super) fn parse(text: &str) -> Result<Self, NotAVersion> {
        let length = text.chars().take(Self::MAX_CHARACTERS + 1).count();
        let is_visible = |c: char| !c.is_control() && !c.is_whitespace();
        if !(1..=Self::MAX_CHARACTERS).contains(&length) || !text.chars().all(is_visible) {
            return Err(NotAVersion);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Somebody who wants an account, and says that the phone is theirs.
pub(super) struct Registration<'a> {
    pub(super) app: &'a App,
    pub(super) tenant: TenantId,
    pub(super) phone: Phone,
    pub(super) code: VerificationCode,
    /// The privacy notice that was agreed to.
    pub(super) notice: Option<NoticeVersion>,
}

impl Registration<'_> {
    /// Uses the code up and opens the account, in one commit.
    ///
    /// The code is looked at before the phone, so that only who holds the phone learns that it has an account.
    pub(super) async fn complete(&self, password: Password) -> Result<LoggedIn, ApiError> {
        let (app, tenant) = (self.app, self.tenant);
        let storage = &app.storage;
        // Only a right code is worth the hash of a password.
        self.check().await?;
        password.refuse_weak(self.phone.as_str()).map_err(|_| ErrorCode::PasswordWeak)?;
        if app.limits.requires_privacy_consent && self.notice.is_none() {
            return Err(ErrorCode::ConsentMissing.into());
        }
        let password_hash = app.passwords.hash(password).await?;
        let user = UserId::new(app.sequences.next(storage, tenant, Sequence::User).await?);
        let user = user.map_err(ApiError::internal)?;
        let login = Login::prepare(app, tenant, user).await?;
        let answer = login.answer(app)?;
        let personal = UserPersonal { phone: self.phone.clone(), password_hash, profile: Profile::default() };

        for _ in 0..MAX_TRIES {
            let code = self.check().await?;
            let (key, now) = (keys::user(tenant, user), login.identity.issued_at);
            let record = UserRecord::seal(&app.vault, &key, &personal, now, self.consent(now));
            let phone_key = phone_key(app, tenant, &self.phone);
            let mut commit = Commit::new();
            code.consume(&mut commit);
            commit.require_absent(&phone_key).put(&phone_key, &PhoneRecord { user });
            commit.require_absent(&key).put(&key, &record.map_err(ApiError::internal)?);
            login.put(app, &mut commit)?;
            match outcome(storage.commit(commit).await)? {
                Outcome::Made => return Ok(answer),
                Outcome::Outdated => {}
            }
        }
        Err(ErrorCode::Busy.into())
    }

    /// The right code for a phone that is free.
    async fn check(&self) -> Result<RightCode, ApiError> {
        let code =
            Codes::of(self.app, self.tenant, CodePurpose::Register).check(&self.phone, &self.code).await?;
        let taken = self.app.storage.contains(&phone_key(self.app, self.tenant, &self.phone));
        match taken.map_err(ApiError::internal)? {
            true => Err(ErrorCode::PhoneTaken.into()),
            false => Ok(code),
        }
    }

    fn consent(&self, given_at: Timestamp) -> Option<Consent> {
        self.notice.as_ref().map(|notice| Consent { version: notice.0.clone(), given_at })
    }
}
