//! Logging in and out.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::{AccountName, SessionId, TenantId};
use serde::Serialize;
use storage::records::{Action, StaffSessionRecord, StaffStanding};
use storage::{Commit, Sequence, keys};
use utoipa::ToSchema;

use super::{Colleague, audit_of, sessions_of};
use crate::app::App;
use crate::http::caller::{Staff, Tenant};
use crate::http::claimant::Claimant;
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::limits::Holder;
use crate::http::openapi::{Done, Success};
use crate::http::params::Params;
use crate::http::refusals::{Outcome, outcome};
use crate::passwords::Password;
use crate::tokens::{Identity, Subject};

/// Sessions that a member of the staff may have; a login beyond them ends the oldest.
const MAX_SESSIONS: usize = 20;

/// How often a login is written anew because another of the same account was first.
const LOGIN_TRIES: usize = 8;

/// What `login` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct StaffLoginRequest {
    /// 账号
    account: String,
    /// 密码
    password: String,
}

#[derive(Serialize, ToSchema)]
struct StaffLoggedIn {
    #[serde(rename = "userId")]
    id: String,
    token: String,
    /// What others are shown (姓名).
    name: String,
    /// `admin`, `desk` or `doctor`.
    role: &'static str,
}

/// `POST manager_service/login`: begins a session of a member of the staff.
///
/// After 10 wrong passwords within 15 minutes an account is locked until the first of them is so old, whether it
/// exists or not.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/login",
    tag = "管理：员工",
    request_body = StaffLoginRequest,
    responses((status = 200, body = Success<StaffLoggedIn>)),
)]
pub async fn login(
    app: web::Data<App>,
    tenant: Tenant,
    request: HttpRequest,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let account = params.required("account", "账号")?.parse(AccountName::parse)?;
    let password = params.required("password", "密码")?.parse(Password::parse)?;
    let claimant = Claimant::admitted(&app, tenant.id, &request, password).await?;
    Ok(envelope::ok(log_in(claimant, &account).await?))
}

async fn log_in(mut claimant: Claimant<'_>, account: &AccountName) -> Result<StaffLoggedIn, ApiError> {
    let (app, tenant) = (claimant.app, claimant.tenant);
    for _ in 0..LOGIN_TRIES {
        let colleague = Colleague::of_account(app, tenant, account)?;
        claimant.traced = colleague.as_ref().map(|colleague| colleague.id);
        // For who is disabled every password is wrong, and takes as long, as for who has no account.
        let active = colleague.filter(|colleague| colleague.record.standing == StaffStanding::Active);
        let stored = active.as_ref().map(|colleague| &colleague.personal.password_hash);
        let wrong = ErrorCode::StaffCredentialsWrong;
        let unlocked = claimant.prove(Holder::Staff(account), stored, wrong).await?;
        let Some(colleague) = active else { return Err(wrong.into()) };
        let mut commit = Commit::new();
        unlocked.forget(&mut commit);
        let mut record = colleague.record.clone();
        record.last_login_at = Some(app.clock.now());
        colleague.put_record(&mut commit, &record);
        let identity = begin_session(app, tenant, &colleague, &mut commit).await?;
        let said = (Action::Login, Some(colleague.id.get()));
        audit_of(app, tenant, colleague.id, said).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return answer(app, &identity, &colleague),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

/// Adds a session, and ends the oldest where there are too many. `commit` also writes the record.
async fn begin_session(
    app: &App,
    tenant: TenantId,
    colleague: &Colleague,
    commit: &mut Commit,
) -> Result<Identity, ApiError> {
    let number = app.sequences.next(&app.storage, tenant, Sequence::Session).await?;
    let session = SessionId::new(number).map_err(ApiError::internal)?;
    let issued_at = app.clock.now();
    let expires_at = issued_at.plus(app.limits.staff_token_ttl);
    let before = sessions_of(app, tenant, colleague.id)?;
    for oldest in before.iter().take((before.len() + 1).saturating_sub(MAX_SESSIONS)) {
        commit.delete(&keys::staff_session(tenant, colleague.id, *oldest));
    }
    let key = keys::staff_session(tenant, colleague.id, session);
    let record = StaffSessionRecord { created_at: issued_at, expires_at };
    commit.require_absent(&key).put_expiring(&key, &record, expires_at);
    Ok(Identity { subject: Subject::Staff(colleague.id), tenant, session, issued_at, expires_at })
}

fn answer(app: &App, identity: &Identity, colleague: &Colleague) -> Result<StaffLoggedIn, ApiError> {
    Ok(StaffLoggedIn {
        id: colleague.id.to_string(),
        token: app.tokens.issue(identity).map_err(ApiError::internal)?,
        name: colleague.personal.name.as_str().to_owned(),
        role: colleague.record.role.name(),
    })
}

/// `POST manager_service/logout`: ends the session of the token.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/logout",
    tag = "管理：员工",
    security(("token" = [])),
    responses((status = 200, body = Done)),
)]
pub async fn logout(app: web::Data<App>, staff: Staff, _: Params) -> Result<HttpResponse, ApiError> {
    let mut commit = Commit::new();
    staff.require_session(&app, &mut commit)?;
    commit.delete(&keys::staff_session(staff.tenant, staff.id, staff.session));
    staff.audit(&app, Action::Logout, Some(staff.id.get())).await?.put(&mut commit);
    match outcome(app.storage.commit(commit).await)? {
        Outcome::Made => Ok(envelope::ok_null()),
        // A session is written once: changed means ended.
        Outcome::Outdated => Err(ErrorCode::NotLoggedIn.into()),
    }
}
