//! Another password: by a code where it was forgotten, by the old one where it was not.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::{Phone, TenantId};
use storage::Commit;
use storage::records::{CodePurpose, UserPersonal};
use utoipa::ToSchema;

use super::{Account, Ended, end_sessions};
use crate::app::App;
use crate::http::caller::{Patient, Tenant};
use crate::http::claimant::Claimant;
use crate::http::codes::{CodeRequest, Codes};
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::limits::{ClientNetwork, Holder};
use crate::http::openapi::Done;
use crate::http::params::Params;
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};
use crate::passwords::Password;
use crate::sms::VerificationCode;

/// What `phone_identifying_code_validate` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct ValidateRequest {
    /// 手机号
    phone: String,
    /// 验证码
    #[schema(rename = "verCode")]
    code: String,
}

/// What `reset_password` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct ResetRequest {
    /// 手机号
    phone: String,
    /// 验证码
    #[schema(rename = "verCode")]
    code: String,
    /// 新密码, 8 to 64 characters
    #[schema(rename = "newPassword", min_length = 8, max_length = 64)]
    new_password: String,
}

/// What `change_password` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct ChangeRequest {
    /// 旧密码
    #[schema(rename = "oldPassword")]
    old_password: String,
    /// 新密码, 8 to 64 characters
    #[schema(rename = "newPassword", min_length = 8, max_length = 64)]
    new_password: String,
}

/// `GET patient_service/reset_password/phone_identifying_code`: sends a code for a new password.
///
/// A phone without an account gets a text that says so; the reply is the same.
#[utoipa::path(
    get,
    path = "/pati_service/patient_service/reset_password/phone_identifying_code",
    tag = "患者认证",
    params(("phone" = String, Query, description = "手机号")),
    responses((status = 200, body = Done)),
)]
pub async fn reset_code(
    app: web::Data<App>,
    tenant: Tenant,
    request: HttpRequest,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let phone = params.required("phone", "手机号")?.parse(Phone::parse)?;
    let network = ClientNetwork::of_client(&app, &request);
    CodeRequest { tenant: tenant.id, purpose: CodePurpose::Reset, phone, network }.send(app).await?;
    Ok(envelope::ok_null())
}

/// `POST patient_service/reset_password/phone_identifying_code_validate`: whether the code is right. A wrong one
/// counts as a try, a right one goes on working.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/reset_password/phone_identifying_code_validate",
    tag = "患者认证",
    request_body = ValidateRequest,
    responses((status = 200, body = Done)),
)]
pub async fn validate_reset_code(
    app: web::Data<App>,
    tenant: Tenant,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let phone = params.required("phone", "手机号")?.parse(Phone::parse)?;
    let code = params.required("verCode", "验证码")?.parse(VerificationCode::parse)?;
    Codes::of(&app, tenant.id, CodePurpose::Reset).check(&phone, &code).await?;
    Ok(envelope::ok_null())
}

/// `POST patient_service/reset_password`: sets a new password by a code, and ends all sessions of the account.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/reset_password",
    tag = "患者认证",
    request_body = ResetRequest,
    responses((status = 200, body = Done)),
)]
pub async fn reset(app: web::Data<App>, tenant: Tenant, params: Params) -> Result<HttpResponse, ApiError> {
    let phone = params.required("phone", "手机号")?.parse(Phone::parse)?;
    let code = params.required("verCode", "验证码")?.parse(VerificationCode::parse)?;
    let password = params.required("newPassword", "新密码")?.parse(Password::parse)?;
    let reset = Reset { app: &app, tenant: tenant.id, phone, code };
    reset.complete(password).await?;
    Ok(envelope::ok_null())
}

/// Somebody who has forgotten a password, and says that the phone is theirs.
pub(super) struct Reset<'a> {
    pub(super) app: &'a App,
    pub(super) tenant: TenantId,
    pub(super) phone: Phone,
    pub(super) code: VerificationCode,
}

impl Reset<'_> {
    /// Uses the code up, stores the hash and ends all sessions, in one commit.
    pub(super) async fn complete(&self, password: Password) -> Result<(), ApiError> {
        let (app, tenant) = (self.app, self.tenant);
        // Only a right code is worth the hash of a password.
        Codes::of(app, tenant, CodePurpose::Reset).check(&self.phone, &self.code).await?;
        password.refuse_weak(self.phone.as_str()).map_err(|_| ErrorCode::PasswordWeak)?;
        let password_hash = app.passwords.hash(password).await?;
        for _ in 0..MAX_TRIES {
            let commit = self.commit(&password_hash).await?;
            match outcome(app.storage.commit(commit).await)? {
                Outcome::Made => return Ok(()),
                Outcome::Outdated => {}
            }
        }
        Err(ErrorCode::Busy.into())
    }

    /// The commit that does it, if nothing it was decided on changes meanwhile.
    pub(super) async fn commit(&self, password_hash: &str) -> Result<Commit, ApiError> {
        let (app, tenant) = (self.app, self.tenant);
        let code = Codes::of(app, tenant, CodePurpose::Reset).check(&self.phone, &self.code).await?;
        // Without an account nobody was told the code: who guessed it learns no more than from a wrong one.
        let account = Account::of_phone(app, tenant, &self.phone)?.ok_or(ErrorCode::CodeWrong)?;
        let mut commit = Commit::new();
        code.consume(&mut commit);
        let personal = UserPersonal { password_hash: password_hash.to_owned(), ..account.personal.clone() };
        account.put(app, &mut commit, &personal)?;
        end_sessions(app, tenant, &account, Ended::All, &mut commit)?;
        Ok(commit)
    }
}

/// `POST patient_service/change_password`: sets a new password by the old one. This session stays, all others end.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/change_password",
    tag = "患者认证",
    security(("token" = [])),
    request_body = ChangeRequest,
    responses((status = 200, body = Done)),
)]
pub async fn change(
    app: web::Data<App>,
    patient: Patient,
    request: HttpRequest,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let old = params.required("oldPassword", "旧密码")?.parse(Password::parse)?;
    let new = params.required("newPassword", "新密码")?.parse(Password::parse)?;
    let claimant = Claimant::admitted(&app, patient.tenant, &request, old).await?;
    change_by_old(claimant, patient, new).await?;
    Ok(envelope::ok_null())
}

async fn change_by_old(mut claimant: Claimant<'_>, patient: Patient, new: Password) -> Result<(), ApiError> {
    let (app, tenant) = (claimant.app, patient.tenant);
    let mut new_hash = None;
    for _ in 0..MAX_TRIES {
        let account = Account::of_patient(app, patient)?;
        let phone = &account.personal.phone;
        let unlocked = claimant
            .prove(Holder::Phone(phone), Some(&account.personal.password_hash), ErrorCode::OldPasswordWrong)
            .await?;
        new.refuse_weak(phone.as_str()).map_err(|_| ErrorCode::PasswordWeak)?;
        let password_hash = match &new_hash {
            Some(hash) => String::clone(hash),
            None => new_hash.insert(app.passwords.hash(new.clone()).await?).clone(),
        };
        let mut commit = Commit::new();
        patient.require_session(app, &mut commit)?;
        unlocked.forget(&mut commit);
        let personal = UserPersonal { password_hash, ..account.personal.clone() };
        account.put(app, &mut commit, &personal)?;
        end_sessions(app, tenant, &account, Ended::AllBut(patient.session), &mut commit)?;
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}
