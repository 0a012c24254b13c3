//! Another phone number for an account (更换手机号): a code to the old phone, and one to the new.

use actix_web::{HttpRequest, HttpResponse, rt, web};
use domain::{Phone, TenantId};
use storage::records::{CodePurpose, PhoneRecord};
use storage::{Commit, keys};
use utoipa::ToSchema;

use super::super::caller::Patient;
use super::super::codes::{self, Codes};
use super::super::envelope;
use super::super::error::{ApiError, ErrorCode};
use super::super::limits::ClientNetwork;
use super::super::openapi::Done;
use super::super::params::Params;
use super::super::profile::Account;
use super::super::refusals::{MAX_TRIES, Outcome, outcome};
use crate::app::App;
use crate::sms::VerificationCode;

/// What `change_phone` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct ChangePhoneRequest {
    /// 旧手机号收到的验证码
    #[schema(rename = "oldVerCode")]
    old_code: String,
    /// 新手机号
    #[schema(rename = "newPhone")]
    new_phone: String,
    /// 新手机号收到的验证码
    #[schema(rename = "newVerCode")]
    new_code: String,
}

/// `GET patient_service/phone/identifying_code`: sends a code for changing the phone, to the old one or the new one.
#[utoipa::path(
    get,
    path = "/pati_service/patient_service/phone/identifying_code",
    tag = "患者认证",
    security(("token" = [])),
    params(
        ("which" = String, Query, description = "`old`: to the account's phone; `new`: to `phone`"),
        ("phone" = Option<String>, Query, description = "新手机号; only with `new`"),
    ),
    responses((status = 200, body = Done)),
)]
pub async fn send_code(
    app: web::Data<App>,
    patient: Patient,
    request: HttpRequest,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let which = params.required("which", "验证码类型")?;
    let (phone, purpose) = match which.text()? {
        "old" => (Account::read(&app, patient)?.personal.phone, CodePurpose::LeavePhone),
        "new" => (params.required("phone", "手机号")?.parse(Phone::parse)?, CodePurpose::TakePhone),
        _ => return Err(which.malformed()),
    };
    let network = ClientNetwork::of(&request, &app.limits.trusted_proxies);
    // A task of its own, because a client that hangs up must not stop it between counting and sending.
    let sending = rt::spawn(async move { codes::send(&app, patient.tenant, &phone, network, purpose).await });
    sending.await.map_err(ApiError::internal)??;
    Ok(envelope::ok_null())
}

/// `POST patient_service/change_phone`: moves the account to another phone. Its sessions go on.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/change_phone",
    tag = "患者认证",
    security(("token" = [])),
    request_body = ChangePhoneRequest,
    responses((status = 200, body = Done)),
)]
pub async fn change(app: web::Data<App>, patient: Patient, params: Params) -> Result<HttpResponse, ApiError> {
    let old_code = params.required("oldVerCode", "旧手机验证码")?.parse(VerificationCode::parse)?;
    let new_phone = params.required("newPhone", "新手机号")?.parse(Phone::parse)?;
    let new_code = params.required("newVerCode", "新手机验证码")?.parse(VerificationCode::parse)?;
    Move { app: &app, account: patient, old_code, new_phone, new_code }.complete().await?;
    Ok(envelope::ok_null())
}

/// Somebody who says that both phones are theirs.
struct Move<'a> {
    app: &'a App,
    account: Patient,
    old_code: VerificationCode,
    new_phone: Phone,
    new_code: VerificationCode,
}

impl Move<'_> {
    /// Uses both codes up and moves the account, in one commit.
    ///
    /// As when registering, only who holds the new phone learns whether it has an account.
    async fn complete(&self) -> Result<(), ApiError> {
        let Self { app, account: Patient { tenant, user, .. }, .. } = *self;
        for _ in 0..MAX_TRIES {
            let Account { key, version, record, mut personal } = Account::read(app, self.account)?;
            if personal.phone == self.new_phone {
                return Err(ErrorCode::PhoneUnchanged.into());
            }
            let leaving = self.codes(CodePurpose::LeavePhone).check(&personal.phone, &self.old_code).await?;
            let taking = self.codes(CodePurpose::TakePhone).check(&self.new_phone, &self.new_code).await?;
            let (old_key, new_key) =
                (self.phone_key(tenant, &personal.phone), self.phone_key(tenant, &self.new_phone));
            if app.storage.contains(&new_key).map_err(ApiError::internal)? {
                return Err(ErrorCode::PhoneTaken.into());
            }
            personal.phone = self.new_phone.clone();
            let record = record.with_personal(&app.vault, &key, &personal).map_err(ApiError::internal)?;
            let mut commit = Commit::new();
            leaving.consume(&mut commit);
            taking.consume(&mut commit);
            commit.require_version(&key, version).put(&key, &record);
            // Nobody else can have the old phone while the account's record says that it is its own.
            commit.delete(&old_key);
            commit.require_absent(&new_key).put(&new_key, &PhoneRecord { user });
            match outcome(app.storage.commit(commit).await)? {
                Outcome::Made => return Ok(()),
                Outcome::Outdated => {}
            }
        }
        Err(ErrorCode::Busy.into())
    }

    fn codes(&self, purpose: CodePurpose) -> Codes<'_> {
        let App { storage, vault, clock, .. } = self.app;
        Codes { storage, vault, clock: clock.as_ref(), tenant: self.account.tenant, purpose }
    }

    fn phone_key(&self, tenant: TenantId, phone: &Phone) -> storage::Key<PhoneRecord> {
        keys::phone(tenant, &self.app.vault.blind_phone(tenant, phone))
    }
}
