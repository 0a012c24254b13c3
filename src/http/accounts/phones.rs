//! Moving an account to another phone (更换手机号), by a code to each of the two. Ours, not the contract's.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::Phone;
use storage::Commit;
use storage::records::{CodePurpose, PhoneRecord, UserPersonal};
use utoipa::ToSchema;

use super::{Account, phone_key};
use crate::app::App;
use crate::http::caller::Patient;
use crate::http::codes::{CodeRequest, Codes};
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::limits::ClientNetwork;
use crate::http::openapi::Done;
use crate::http::params::Params;
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};
use crate::sms::VerificationCode;

/// What `change_phone` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct ChangePhoneRequest {
    /// 原手机验证码
    #[schema(rename = "oldVerCode")]
    old_code: String,
    /// 新手机号
    #[schema(rename = "newPhone")]
    new_phone: String,
    /// 新手机验证码
    #[schema(rename = "newVerCode")]
    new_code: String,
}

/// Which of the two phones a code is for.
#[derive(Clone, Copy)]
enum Which {
    Old,
    New,
}

impl Which {
    fn parse(text: &str) -> Result<Self, ErrorCode> {
        match text {
            "old" => Ok(Self::Old),
            "new" => Ok(Self::New),
            _ => Err(ErrorCode::ParameterMalformed),
        }
    }
}

/// `GET patient_service/phone/identifying_code`: sends the code by which the account gives up its phone, or the one by
/// which it takes another. A phone that has an account gets a text that says so; the reply is the same.
#[utoipa::path(
    get,
    path = "/pati_service/patient_service/phone/identifying_code",
    tag = "患者认证",
    security(("token" = [])),
    params(
        ("which" = String, Query, description = "old: to the phone of the account; new: to the phone that it moves to"),
        ("phone" = Option<String>, Query, description = "手机号; for old it may be left out"),
    ),
    responses((status = 200, body = Done)),
)]
pub async fn change_code(
    app: web::Data<App>,
    patient: Patient,
    request: HttpRequest,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let which = params.required("which", "验证码类型")?.parse(Which::parse)?;
    let own = Account::of_patient(&app, patient)?.personal.phone;
    let (purpose, phone) = match which {
        Which::Old => {
            if let Some(given) = params.optional("phone", "手机号")
                && given.parse(Phone::parse)? != own
            {
                return Err(given.malformed());
            }
            (CodePurpose::LeavePhone, own)
        }
        Which::New => {
            let phone = params.required("phone", "手机号")?.parse(Phone::parse)?;
            if phone == own {
                return Err(ErrorCode::PhoneUnchanged.into());
            }
            (CodePurpose::TakePhone, phone)
        }
    };
    let network = ClientNetwork::of_client(&app, &request);
    CodeRequest { tenant: patient.tenant, purpose, phone, network }.send(app).await?;
    Ok(envelope::ok_null())
}

/// `POST patient_service/change_phone`: from now on the account logs in with the new phone. Its sessions stay.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/change_phone",
    tag = "患者认证",
    security(("token" = [])),
    request_body = ChangePhoneRequest,
    responses((status = 200, body = Done)),
)]
pub async fn change(app: web::Data<App>, patient: Patient, params: Params) -> Result<HttpResponse, ApiError> {
    let old_code = params.required("oldVerCode", "原手机验证码")?.parse(VerificationCode::parse)?;
    let new_phone = params.required("newPhone", "新手机号")?.parse(Phone::parse)?;
    let new_code = params.required("newVerCode", "新手机验证码")?.parse(VerificationCode::parse)?;
    let moving = Moving { app: &app, patient, old_code, new_phone, new_code };
    moving.complete().await?;
    Ok(envelope::ok_null())
}

/// An account that is to move to another phone.
pub(super) struct Moving<'a> {
    pub(super) app: &'a App,
    pub(super) patient: Patient,
    pub(super) old_code: VerificationCode,
    pub(super) new_phone: Phone,
    pub(super) new_code: VerificationCode,
}

impl Moving<'_> {
    /// Uses both codes up and moves the account, in one commit.
    ///
    /// The codes are looked at before the new phone, so that only who holds it learns that it has an account.
    pub(super) async fn complete(&self) -> Result<(), ApiError> {
        for _ in 0..MAX_TRIES {
            let commit = match self.commit().await {
                Ok(commit) => commit,
                Err(_) if self.is_done()? => return Err(ErrorCode::PhoneUnchanged.into()),
                Err(refusal) => return Err(refusal),
            };
            match outcome(self.app.storage.commit(commit).await)? {
                Outcome::Made => return Ok(()),
                Outcome::Outdated => {}
            }
        }
        Err(ErrorCode::Busy.into())
    }

    /// Whether the new phone leads to this account already: a repeat of the request that came meanwhile may find the
    /// codes used up or the phone taken before it finds the account moved.
    fn is_done(&self) -> Result<bool, ApiError> {
        let new_key = phone_key(self.app, self.patient.tenant, &self.new_phone);
        let holder = self.app.storage.get(&new_key).map_err(ApiError::internal)?;
        Ok(holder.is_some_and(|holder| holder.record.user == self.patient.user))
    }

    /// The commit that does it, if nothing it was decided on changes meanwhile.
    pub(super) async fn commit(&self) -> Result<Commit, ApiError> {
        let (app, tenant) = (self.app, self.patient.tenant);
        let account = Account::of_patient(app, self.patient)?;
        let old_phone = &account.personal.phone;
        if *old_phone == self.new_phone {
            return Err(ErrorCode::PhoneUnchanged.into());
        }
        let leave = Codes::of(app, tenant, CodePurpose::LeavePhone).check(old_phone, &self.old_code).await?;
        let take =
            Codes::of(app, tenant, CodePurpose::TakePhone).check(&self.new_phone, &self.new_code).await?;
        let new_key = phone_key(app, tenant, &self.new_phone);
        if app.storage.contains(&new_key).map_err(ApiError::internal)? {
            return Err(ErrorCode::PhoneTaken.into());
        }
        let mut commit = Commit::new();
        self.patient.require_session(app, &mut commit)?;
        // First, so that whoever finds a code used up finds the account at its new phone: see `is_done`.
        commit.require_absent(&new_key).put(&new_key, &PhoneRecord { user: account.user });
        leave.consume(&mut commit);
        take.consume(&mut commit);
        // The account has its old phone, so it is the one that the old phone's key leads to.
        commit.delete(&phone_key(app, tenant, old_phone));
        let personal = UserPersonal { phone: self.new_phone.clone(), ..account.personal.clone() };
        account.put(app, &mut commit, &personal)?;
        Ok(commit)
    }
}
