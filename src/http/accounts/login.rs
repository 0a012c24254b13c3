//! Logging in and out.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::Phone;
use storage::{Commit, keys};
use utoipa::ToSchema;

use super::{Account, LOGIN_TRIES, LoggedIn, Login};
use crate::app::App;
use crate::http::caller::{Patient, Tenant};
use crate::http::claimant::Claimant;
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::limits::Holder;
use crate::http::openapi::{Done, Success};
use crate::http::params::Params;
use crate::http::refusals::{Outcome, outcome};
use crate::passwords::Password;

/// What `login` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct LoginRequest {
    /// 手机号
    phone: String,
    /// 密码
    password: String,
}

/// `POST patient_service/login`: begins a session.
///
/// After 10 wrong passwords within 15 minutes a phone is locked until the first of them is so old, whether it has an
/// account or not; from then on an address that sent as many waits longer and longer for each answer.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/login",
    tag = "患者认证",
    request_body = LoginRequest,
    responses((status = 200, body = Success<LoggedIn>)),
)]
pub async fn login(
    app: web::Data<App>,
    tenant: Tenant,
    request: HttpRequest,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let phone = params.required("phone", "手机号")?.parse(Phone::parse)?;
    let password = params.required("password", "密码")?.parse(Password::parse)?;
    let claimant = Claimant::admitted(&app, tenant.id, &request, password).await?;
    Ok(envelope::ok(log_in(claimant, &phone).await?))
}

/// Begins a session, if phone and password belong together.
pub(super) async fn log_in(mut claimant: Claimant<'_>, phone: &Phone) -> Result<LoggedIn, ApiError> {
    let (app, tenant) = (claimant.app, claimant.tenant);
    for _ in 0..LOGIN_TRIES {
        let account = Account::of_phone(app, tenant, phone)?;
        let wrong = ErrorCode::CredentialsWrong;
        let unlocked = claimant
            .prove(
                Holder::Phone(phone),
                account.as_ref().map(|account| &account.personal.password_hash),
                wrong,
            )
            .await?;
        // Nobody proves anything about a phone without an account.
        let Some(account) = account else { return Err(wrong.into()) };
        let login = Login::prepare(app, tenant, account.user).await?;
        let mut commit = Commit::new();
        unlocked.forget(&mut commit);
        // A password that was changed meanwhile must not begin a session any more.
        account.touch(&mut commit);
        login.put(app, &mut commit)?;
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return login.answer(app),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

/// `POST patient_service/logout`: ends the session of the token.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/logout",
    tag = "患者认证",
    security(("token" = [])),
    responses((status = 200, body = Done)),
)]
pub async fn logout(app: web::Data<App>, patient: Patient, _: Params) -> Result<HttpResponse, ApiError> {
    let mut commit = Commit::new();
    patient.require_session(&app, &mut commit)?;
    commit.delete(&keys::session(patient.tenant, patient.user, patient.session));
    match outcome(app.storage.commit(commit).await)? {
        Outcome::Made => Ok(envelope::ok_null()),
        // A session is written once: changed means ended.
        Outcome::Outdated => Err(ErrorCode::NotLoggedIn.into()),
    }
}
