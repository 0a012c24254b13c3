//! Patients' files (档案) as the members of an account refer to them.

use domain::{PatientId, TenantId, UserId};
use storage::records::{BookingOwner, IdnoRecord, PatientPersonal, PatientRecord};
use storage::{Commit, Key, Scan, Version, keys};

use super::super::caller::Patient;
use super::super::error::{ApiError, ErrorCode};
use super::super::refusals::{Outcome, outcome};
use super::person::Person;
use crate::app::App;

/// Accounts whose members are read in one go: the table is locked meanwhile.
const ACCOUNTS_AT_ONCE: usize = 1000;

/// A patient's file as it was read.
pub(in crate::http) struct OnFile {
    pub(in crate::http) key: Key<PatientRecord>,
    pub(in crate::http) version: Version,
    pub(in crate::http) record: PatientRecord,
    pub(in crate::http) personal: PatientPersonal,
}

impl OnFile {
    /// Reads the file of a patient that a member refers to.
    pub(in crate::http) fn read(app: &App, tenant: TenantId, patient: PatientId) -> Result<Self, ApiError> {
        let file = Self::find(app, tenant, patient)?;
        file.ok_or_else(|| ApiError::internal("a patient that is referred to is not stored"))
    }

    /// Reads a patient's file, if there is one.
    pub(in crate::http) fn find(
        app: &App,
        tenant: TenantId,
        patient: PatientId,
    ) -> Result<Option<Self>, ApiError> {
        let key = keys::patient(tenant, patient);
        let Some(stored) = app.storage.get(&key).map_err(ApiError::internal)? else { return Ok(None) };
        let personal = stored.record.open(&app.vault, &key).map_err(ApiError::internal)?;
        Ok(Some(Self { key, version: stored.version, record: stored.record, personal }))
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
        // Without a file it was erased since the number was read; a commit that relies on the number will find it gone.
        let Some(file) = OnFile::find(app, tenant, patient)? else { return Ok(None) };
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

/// Waits until everything that was committed before these versions of the files can be seen.
///
/// A commit is applied to the index before it is applied to the tables in memory. In between, a file has the
/// version of who just came to refer to it, while the members do not show it yet. A commit of nothing is answered
/// after those before it are applied as a whole.
pub(in crate::http) async fn settle(
    app: &App,
    files: impl Iterator<Item = (Key<PatientRecord>, Version)>,
) -> Result<Outcome, ApiError> {
    let mut nothing = Commit::new();
    for (key, version) in files {
        nothing.require_version(&key, version);
    }
    outcome(app.storage.commit(nothing).await)
}

/// Whether the clinic or another account than this one knows the patient as who is on file. [`settle`] first.
pub(super) async fn is_relied_on(app: &App, account: Patient, patient: PatientId) -> Result<bool, ApiError> {
    let (storage, Patient { tenant, user, .. }) = (&app.storage, account);
    let visits = keys::visits_of(tenant, patient);
    let visits = storage.scan_keys(&visits, Scan { limit: 1, ..Scan::ALL }).map_err(ApiError::internal)?;
    let missed = storage.contains(&keys::no_show(tenant, patient)).map_err(ApiError::internal)?;
    // The desk has opened or changed the file, which writes its record too.
    let noted = storage.contains(&keys::patient_file(tenant, patient)).map_err(ApiError::internal)?;
    if !visits.is_empty() || missed || noted {
        return Ok(true);
    }
    // The half-days of visits that are over are forgotten; the account's own bookings are not.
    let bookings = keys::bookings_of(tenant, BookingOwner::Account(user));
    let bookings = storage.scan(&bookings, Scan::ALL).map_err(ApiError::internal)?;
    let mut bookings = bookings.iter().map(|(_, stored)| &stored.record.0);
    if bookings.any(|booking| booking.patient == patient && !booking.is_cancelled()) {
        return Ok(true);
    }
    is_used_by_others(app, tenant, patient, user).await
}

/// Whether a member of any account but this one refers to the patient.
///
/// Accounts are read some at a time, so that writers need not wait for all of them. Ask between reading the
/// patient's version and a commit that requires it: whoever comes to refer to the patient writes a new version.
async fn is_used_by_others(
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
        let last = accounts.last().map(|(key, _)| *key);
        match last {
            _ if is_used => return Ok(true),
            Some(last) if accounts.len() == ACCOUNTS_AT_ONCE => range = range.after(&last),
            Some(_) | None => return Ok(false),
        }
        tokio::task::yield_now().await;
    }
}
