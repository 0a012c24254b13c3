//! Patients' files (档案) as the members of an account refer to them.

use domain::{PatientId, TenantId, UserId};
use storage::records::{IdnoRecord, PatientPersonal, PatientRecord};
use storage::{Commit, Key, Scan, Version, keys};

use super::super::error::{ApiError, ErrorCode};
use super::person::Person;
use crate::app::App;

/// Accounts whose members are read in one go: the table is locked meanwhile.
const ACCOUNTS_AT_ONCE: usize = 1000;

/// A patient's file as it was read.
pub(super) struct OnFile {
    pub(super) key: Key<PatientRecord>,
    pub(super) version: Version,
    pub(super) record: PatientRecord,
    pub(super) personal: PatientPersonal,
}

impl OnFile {
    /// Reads the file of a patient that a member refers to.
    pub(super) fn read(app: &App, tenant: TenantId, patient: PatientId) -> Result<Self, ApiError> {
        let key = keys::patient(tenant, patient);
        let stored = app.storage.get(&key).map_err(ApiError::internal)?;
        let stored =
            stored.ok_or_else(|| ApiError::internal("a patient that is referred to is not stored"))?;
        let personal = stored.record.open(&app.vault, &key).map_err(ApiError::internal)?;
        Ok(Self { key, version: stored.version, record: stored.record, personal })
    }
}

/// The file that an ID number leads to, as it was read.
pub(super) struct Found {
    pub(super) patient: PatientId,
    pub(super) idno: Key<IdnoRecord>,
    pub(super) idno_version: Version,
    file: OnFile,
}

impl Found {
    /// The file of the person's ID number, if there is one.
    pub(super) fn look_up(app: &App, tenant: TenantId, person: &Person) -> Result<Option<Self>, ApiError> {
        let idno = idno_key(app, tenant, person);
        let Some(stored) = app.storage.get(&idno).map_err(ApiError::internal)? else { return Ok(None) };
        let patient = stored.record.patient;
        let file = OnFile::read(app, tenant, patient)?;
        Ok(Some(Self { patient, idno, idno_version: stored.version, file }))
    }

    /// Checks that the file has this person's name: knowing a number is not enough to become its owner.
    ///
    /// # Errors
    /// 403001 otherwise.
    pub(super) fn require_name(&self, person: &Person) -> Result<(), ApiError> {
        if self.file.personal.name == person.name { Ok(()) } else { Err(ErrorCode::PatientMismatch.into()) }
    }

    /// Makes `commit` depend on the file, for a member that is to refer to it.
    ///
    /// The file is written as it is: who corrects or erases it at the same time, because nobody refers to it, loses
    /// or makes this commit lose.
    pub(super) fn bind(&self, commit: &mut Commit) {
        commit.require_version(&self.idno, self.idno_version);
        commit.require_version(&self.file.key, self.file.version).put(&self.file.key, &self.file.record);
    }
}

/// Where the patient of the person's ID number is found.
pub(super) fn idno_key(app: &App, tenant: TenantId, person: &Person) -> Key<IdnoRecord> {
    keys::idno(tenant, &app.vault.blind_id_number(tenant, &person.id_number))
}

/// Whether a member of any account but this one refers to the patient.
///
/// Accounts are read some at a time, so that writers need not wait for all of them. Ask between reading the
/// patient's version and a commit that requires it: whoever comes to refer to the patient writes a new version.
pub(super) async fn is_used_by_others(
    app: &App,
    tenant: TenantId,
    patient: PatientId,
    user: UserId,
) -> Result<bool, ApiError> {
    let mut range = keys::all_members(tenant);
    loop {
        let scan = Scan { limit: ACCOUNTS_AT_ONCE, ..Scan::ALL };
        let accounts = app.storage.scan(&range, scan).map_err(ApiError::internal)?;
        let is_used = accounts.iter().any(|(key, stored)| {
            keys::user_id(key) != Some(user)
                && stored.record.members.iter().any(|member| member.patient == patient)
        });
        let last = accounts.last().and_then(|(key, _)| keys::user_id(key));
        match last {
            _ if is_used => return Ok(true),
            Some(last) if accounts.len() == ACCOUNTS_AT_ONCE => range = keys::members_after(tenant, last),
            Some(_) | None => return Ok(false),
        }
        tokio::task::yield_now().await;
    }
}
