//! The clinic's staff: logging in, their accounts, and the trail of what they did.
//!
//! As with patients, a login is a session record, and whoever adds or ends sessions also writes the record of the
//! member of the staff, so that of a login and a change of password at the same time one sees the other.

use actors::AuditRow;
use domain::{AccountName, DoctorId, Role, SessionId, StaffId, TenantId};
use storage::records::{Action, AuditRecord, StaffAccountRecord, StaffPersonal, StaffRecord, StaffStanding};
use storage::{Commit, Key, Scan, Version, keys};

use super::caller::Staff;
use super::error::{ApiError, ErrorCode};
use super::params::Params;
use crate::app::App;

pub mod accounts;
pub mod changes;
pub mod login;
pub mod passwords;
mod search;
pub mod trail;

/// A member of the staff as they were read.
pub(super) struct Colleague {
    id: StaffId,
    key: Key<StaffRecord>,
    version: Version,
    /// What may be known of them.
    pub(super) record: StaffRecord,
    /// Who they are.
    pub(super) personal: StaffPersonal,
}

impl Colleague {
    /// Who logs in with this account, if anybody does.
    fn of_account(app: &App, tenant: TenantId, account: &AccountName) -> Result<Option<Self>, ApiError> {
        let found = app.storage.get(&account_key(app, tenant, account)).map_err(ApiError::internal)?;
        match found {
            Some(found) => Self::find(app, tenant, found.record.staff),
            None => Ok(None),
        }
    }

    /// Who is logged in.
    ///
    /// # Errors
    /// 0401 when they are gone.
    fn of_caller(app: &App, caller: Staff) -> Result<Self, ApiError> {
        Ok(Self::find(app, caller.tenant, caller.id)?.ok_or(ErrorCode::NotLoggedIn)?)
    }

    /// The member of the staff with this id, if there is one.
    pub(super) fn find(app: &App, tenant: TenantId, id: StaffId) -> Result<Option<Self>, ApiError> {
        let key = keys::staff(tenant, id);
        let Some(stored) = app.storage.get(&key).map_err(ApiError::internal)? else { return Ok(None) };
        let personal = stored.record.open(&app.vault, &key).map_err(ApiError::internal)?;
        Ok(Some(Self { id, key, version: stored.version, record: stored.record, personal }))
    }

    /// Makes `commit` depend on the record as it was read, and write it with this personal part.
    fn put(&self, app: &App, commit: &mut Commit, personal: &StaffPersonal) -> Result<(), ApiError> {
        let record =
            self.record.with_personal(&app.vault, &self.key, personal).map_err(ApiError::internal)?;
        self.put_record(commit, &record);
        Ok(())
    }

    /// The same with another record.
    fn put_record(&self, commit: &mut Commit, record: &StaffRecord) {
        commit.require_version(&self.key, self.version).put(&self.key, record);
    }

    /// Makes `commit` end the sessions, all but `kept` if there is one. The record must be written by the same commit:
    /// a login meanwhile makes it fail.
    fn end_sessions(
        &self,
        app: &App,
        tenant: TenantId,
        kept: Option<SessionId>,
        commit: &mut Commit,
    ) -> Result<(), ApiError> {
        for session in sessions_of(app, tenant, self.id)? {
            if Some(session) != kept {
                commit.delete(&keys::staff_session(tenant, self.id, session));
            }
        }
        Ok(())
    }
}

fn account_key(app: &App, tenant: TenantId, account: &AccountName) -> Key<StaffAccountRecord> {
    keys::staff_account(tenant, &app.vault.blind_account(tenant, account))
}

/// The sessions of a member of the staff, oldest first.
fn sessions_of(app: &App, tenant: TenantId, staff: StaffId) -> Result<Vec<SessionId>, ApiError> {
    let stored = app.storage.scan_keys(&keys::staff_sessions_of(tenant, staff), Scan::ALL);
    let stored = stored.map_err(ApiError::internal)?;
    Ok(stored.iter().filter_map(keys::staff_session_id).collect())
}

impl Staff {
    /// A row of the audit trail that says what this caller does now, to be put into the commit that does it.
    ///
    /// # Errors
    /// No number can be reserved for it.
    pub async fn audit(&self, app: &App, action: Action, object: Option<u64>) -> Result<AuditRow, ApiError> {
        audit_of(app, self.tenant, self.id, (action, object)).await
    }

    /// Writes a row that says what this caller reads, before they are shown it.
    ///
    /// # Errors
    /// It cannot be written; then nothing may be shown.
    pub async fn audit_read(&self, app: &App, action: Action, object: Option<u64>) -> Result<(), ApiError> {
        let mut commit = Commit::new();
        self.audit(app, action, object).await?.put(&mut commit);
        app.storage.commit(commit).await?;
        Ok(())
    }
}

/// Makes `commit` depend on the caller still being logged in and an administrator. It is therefore enough to look for
/// another administrator where the caller gives this up.
///
/// # Errors
/// 0401 and 0403 for who is not any more.
fn require_admin(app: &App, caller: Staff, commit: &mut Commit) -> Result<(), ApiError> {
    caller.require_session(app, commit)?;
    let key = keys::staff(caller.tenant, caller.id);
    let stored = app.storage.get(&key).map_err(ApiError::internal)?.ok_or(ErrorCode::NotLoggedIn)?;
    if !is_admin(&stored.record) {
        return Err(ErrorCode::NotAllowed.into());
    }
    commit.require_version(&key, stored.version);
    Ok(())
}

/// Whether somebody can log in and administer the clinic.
fn is_admin(record: &StaffRecord) -> bool {
    match record.standing {
        StaffStanding::Active => record.role == Role::Admin,
        StaffStanding::Disabled => false,
    }
}

const DOCTOR: &str = "医生编号";

/// Reads `role` and, for a doctor, `doctor_id`; for other roles it is ignored.
fn read_role(params: &Params) -> Result<Role, ApiError> {
    let role = params.required("role", "角色")?;
    let doctor =
        params.optional("doctor_id", DOCTOR).map(|param| param.parse(DoctorId::parse)).transpose()?;
    match role.text()? {
        "admin" => Ok(Role::Admin),
        "desk" => Ok(Role::Desk),
        "doctor" => Ok(Role::Doctor(doctor.ok_or_else(|| ApiError::missing(DOCTOR))?)),
        _ => Err(role.malformed()),
    }
}

/// Refuses the role of a doctor whom the clinic does not have. Doctors are never removed.
///
/// # Errors
/// 0404
fn require_doctor(app: &App, tenant: TenantId, role: Role) -> Result<(), ApiError> {
    match role.doctor() {
        Some(doctor)
            if !app.storage.contains(&keys::doctor(tenant, doctor)).map_err(ApiError::internal)? =>
        {
            Err(ErrorCode::NotFound.into())
        }
        Some(_) | None => Ok(()),
    }
}

/// A row that says what somebody does who may not be logged in.
pub(super) async fn audit_of(
    app: &App,
    tenant: TenantId,
    staff: StaffId,
    (action, object): (Action, Option<u64>),
) -> Result<AuditRow, ApiError> {
    let record = AuditRecord { at: app.clock.now(), staff, action, object };
    Ok(AuditRow::prepare(&app.storage, &app.sequences, tenant, record).await?)
}
