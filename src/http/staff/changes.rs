//! What an administrator changes about a member of the staff.
//!
//! A change depends on the caller's own record, so that of two administrators who remove each other at the same time
//! the second finds out that they are none any more.

use actix_web::{HttpResponse, web};
use domain::{PersonName, Role, StaffId, TenantId};
use storage::records::{Action, StaffPersonal, StaffRecord, StaffStanding};
use storage::{Commit, Scan, keys};
use utoipa::ToSchema;

use super::{Colleague, is_admin, read_role, require_admin, require_doctor};
use crate::app::App;
use crate::http::caller::{Admin, Staff};
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::limits::{Holder, PasswordAttempts};
use crate::http::openapi::Done;
use crate::http::params::Params;
use crate::http::refusals::{Outcome, outcome};
use crate::passwords::Password;

/// How often a change is decided anew because one of the two records changed meanwhile, by a login for instance.
const CHANGE_TRIES: usize = 8;

/// What `staff/update` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct StaffUpdateRequest {
    /// 员工编号
    staff_id: String,
    /// 姓名
    name: String,
    /// `admin`, `desk` or `doctor`
    role: String,
    /// 医生编号, with the role `doctor`
    doctor_id: Option<String>,
}

/// What `staff/disable` and `staff/enable` read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct StaffNamedRequest {
    /// 员工编号
    staff_id: String,
}

/// What `staff/reset_password` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct StaffPasswordResetRequest {
    /// 员工编号
    staff_id: String,
    /// 新密码, 8 to 64 characters
    new_password: String,
}

/// `POST manager_service/staff/update`: changes name and role, which holds from the next request on. The last
/// administrator who can log in stays one.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/staff/update",
    tag = "管理：员工",
    security(("token" = [])),
    request_body = StaffUpdateRequest,
    responses((status = 200, body = Done)),
)]
pub async fn update(
    app: web::Data<App>,
    Admin(caller): Admin,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let id = read_id(&params)?;
    let name = params.required("name", "姓名")?.parse(PersonName::parse)?;
    let role = read_role(&params)?;
    require_doctor(&app, caller.tenant, role)?;
    change(&app, caller, id, &Change::Told { name, role }).await?;
    Ok(envelope::ok_null())
}

/// `POST manager_service/staff/disable`: ends all sessions of a member of the staff, who cannot log in any more. What
/// they did stays theirs. The last administrator who can log in cannot be disabled.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/staff/disable",
    tag = "管理：员工",
    security(("token" = [])),
    request_body = StaffNamedRequest,
    responses((status = 200, body = Done)),
)]
pub async fn disable(
    app: web::Data<App>,
    Admin(caller): Admin,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    change(&app, caller, read_id(&params)?, &Change::Disabled).await?;
    Ok(envelope::ok_null())
}

/// `POST manager_service/staff/enable`: lets who was disabled log in again, with the same password.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/staff/enable",
    tag = "管理：员工",
    security(("token" = [])),
    request_body = StaffNamedRequest,
    responses((status = 200, body = Done)),
)]
pub async fn enable(
    app: web::Data<App>,
    Admin(caller): Admin,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    change(&app, caller, read_id(&params)?, &Change::Enabled).await?;
    Ok(envelope::ok_null())
}

/// `POST manager_service/staff/reset_password`: sets the password of a member of the staff, ends all their sessions
/// and unlocks the account. It does not enable who is disabled.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/staff/reset_password",
    tag = "管理：员工",
    security(("token" = [])),
    request_body = StaffPasswordResetRequest,
    responses((status = 200, body = Done)),
)]
pub async fn reset_password(
    app: web::Data<App>,
    Admin(caller): Admin,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let id = read_id(&params)?;
    let new = params.required("new_password", "新密码")?.parse(Password::parse)?;
    let colleague = Colleague::find(&app, caller.tenant, id)?.ok_or(ErrorCode::NotFound)?;
    let account = colleague.personal.account.as_str();
    new.refuse_weak(account).map_err(|_| ErrorCode::PasswordWeak)?;
    let hash = app.passwords.hash(new).await?;
    change(&app, caller, id, &Change::Password { hash }).await?;
    Ok(envelope::ok_null())
}

fn read_id(params: &Params) -> Result<StaffId, ApiError> {
    params.required("staff_id", "员工编号")?.parse(StaffId::parse)
}

/// What becomes different about a member of the staff.
enum Change {
    Told { name: PersonName, role: Role },
    Disabled,
    Enabled,
    Password { hash: String },
}

impl Change {
    fn action(&self) -> Action {
        match self {
            Self::Told { .. } => Action::StaffChanged,
            Self::Disabled => Action::StaffDisabled,
            Self::Enabled => Action::StaffEnabled,
            Self::Password { .. } => Action::StaffPasswordReset,
        }
    }

    /// The record after the change; the same when there is nothing to change.
    fn applied_to(&self, app: &App, colleague: &Colleague) -> Result<StaffRecord, ApiError> {
        let seal = |personal: &StaffPersonal| {
            colleague.record.with_personal(&app.vault, &colleague.key, personal).map_err(ApiError::internal)
        };
        let mut record = colleague.record.clone();
        match self {
            Self::Told { name, role } => {
                // Sealing the same name again would look like a change.
                if *name != colleague.personal.name {
                    record = seal(&StaffPersonal { name: name.clone(), ..colleague.personal.clone() })?;
                }
                record.role = *role;
            }
            Self::Disabled => record.standing = StaffStanding::Disabled,
            Self::Enabled => record.standing = StaffStanding::Active,
            Self::Password { hash } => {
                record = seal(&StaffPersonal { password_hash: hash.clone(), ..colleague.personal.clone() })?;
            }
        }
        Ok(record)
    }

    /// Makes `commit` do what goes with the change.
    fn put_effects(
        &self,
        app: &App,
        tenant: TenantId,
        colleague: &Colleague,
        commit: &mut Commit,
    ) -> Result<(), ApiError> {
        match self {
            Self::Told { .. } | Self::Enabled => Ok(()),
            Self::Disabled => colleague.end_sessions(app, tenant, None, commit),
            Self::Password { .. } => {
                let account = Holder::Staff(&colleague.personal.account);
                PasswordAttempts::of(app, tenant).forgive(account, commit);
                colleague.end_sessions(app, tenant, None, commit)
            }
        }
    }
}

async fn change(app: &App, caller: Staff, id: StaffId, change: &Change) -> Result<(), ApiError> {
    for _ in 0..CHANGE_TRIES {
        let mut commit = Commit::new();
        require_admin(app, caller, &mut commit)?;
        let colleague = Colleague::find(app, caller.tenant, id)?.ok_or(ErrorCode::NotFound)?;
        let after = change.applied_to(app, &colleague)?;
        if after == colleague.record {
            return Ok(());
        }
        if id == caller.id && !is_admin(&after) {
            require_another_admin(app, caller, &mut commit)?;
        }
        change.put_effects(app, caller.tenant, &colleague, &mut commit)?;
        colleague.put_record(&mut commit, &after);
        caller.audit(app, change.action(), Some(id.get())).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

/// Makes `commit` depend on there being an administrator besides the caller.
///
/// # Errors
/// 400012 when there is none.
fn require_another_admin(app: &App, caller: Staff, commit: &mut Commit) -> Result<(), ApiError> {
    let staff = app.storage.scan(&keys::all_staff(caller.tenant), Scan::ALL).map_err(ApiError::internal)?;
    let others = staff.into_iter().filter_map(|(key, stored)| Some((keys::staff_id(&key)?, stored)));
    let mut others = others.filter(|(id, stored)| *id != caller.id && is_admin(&stored.record));
    let (id, other) = others.next().ok_or(ErrorCode::LastAdmin)?;
    commit.require_version(&keys::staff(caller.tenant, id), other.version);
    Ok(())
}
