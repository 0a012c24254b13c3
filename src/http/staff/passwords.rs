//! Changing the own password.

use actix_web::{HttpRequest, HttpResponse, web};
use storage::Commit;
use storage::records::{Action, StaffPersonal};
use utoipa::ToSchema;

use super::Colleague;
use crate::app::App;
use crate::http::caller::Staff;
use crate::http::claimant::Claimant;
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::limits::Holder;
use crate::http::openapi::Done;
use crate::http::params::Params;
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};
use crate::passwords::Password;

/// What `change_password` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct StaffPasswordRequest {
    /// 旧密码
    old_password: String,
    /// 新密码
    new_password: String,
}

/// `POST manager_service/change_password`: sets another password and ends all other sessions.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/change_password",
    tag = "管理：员工",
    security(("token" = [])),
    request_body = StaffPasswordRequest,
    responses((status = 200, body = Done)),
)]
pub async fn change(
    app: web::Data<App>,
    staff: Staff,
    request: HttpRequest,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let old = params.required("old_password", "旧密码")?.parse(Password::parse)?;
    let new = params.required("new_password", "新密码")?.parse(Password::parse)?;
    let mut claimant = Claimant::admitted(&app, staff.tenant, &request, old).await?;
    let mut hash = None;
    for _ in 0..MAX_TRIES {
        let colleague = Colleague::of_caller(&app, staff)?;
        claimant.traced = Some(colleague.id);
        let account = &colleague.personal.account;
        let stored = Some(&colleague.personal.password_hash);
        let unlocked = claimant.prove(Holder::Staff(account), stored, ErrorCode::OldPasswordWrong).await?;
        new.refuse_weak(account.as_str()).map_err(|_| ErrorCode::PasswordWeak)?;
        let password_hash = match &hash {
            Some(hash) => String::clone(hash),
            None => hash.insert(app.passwords.hash(new.clone()).await?).clone(),
        };
        let mut commit = Commit::new();
        unlocked.forget(&mut commit);
        staff.require_session(&app, &mut commit)?;
        let personal = StaffPersonal { password_hash, ..colleague.personal.clone() };
        colleague.put(&app, &mut commit, &personal)?;
        colleague.end_sessions(&app, staff.tenant, Some(staff.session), &mut commit)?;
        staff.audit(&app, Action::PasswordChanged, Some(staff.id.get())).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(envelope::ok_null()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}
