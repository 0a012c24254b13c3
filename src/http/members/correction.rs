//! Correcting a member: the contact phone always, name and ID number while nobody else relies on the file.

use domain::{MemberId, PatientId};
use storage::records::{Certificate, IdnoRecord, MemberEntry, MemberLink, MemberPersonal, PatientRecord};
use storage::{Commit, keys};

use super::super::caller::Patient;
use super::super::error::{ApiError, ErrorCode};
use super::super::refusals::{MAX_TRIES, Outcome, outcome};
use super::files::{self, Found, OnFile, idno_key};
use super::own::{LiveBookings, OwnMembers};
use super::person::Person;
use crate::app::App;

/// A member of an account and the person that it is said to be.
pub(super) struct Correction<'a> {
    pub(super) app: &'a App,
    pub(super) account: Patient,
    pub(super) member: MemberId,
    pub(super) person: Person,
}

impl Correction<'_> {
    /// Corrects the member, in one commit. What is right already is left as it is.
    pub(super) async fn complete(&self) -> Result<(), ApiError> {
        for _ in 0..MAX_TRIES {
            match self.attempt().await? {
                Outcome::Made => return Ok(()),
                Outcome::Outdated => {}
            }
        }
        Err(ErrorCode::Busy.into())
    }

    async fn attempt(&self) -> Result<Outcome, ApiError> {
        let (app, tenant) = (self.app, self.account.tenant);
        let mut own = OwnMembers::read(app, self.account)?;
        let position = own.position(self.member)?;
        let MemberEntry { member, patient, is_default, created_at, .. } = own.members[position];
        let file = OnFile::read(app, tenant, patient)?;
        let mut commit = Commit::new();
        let mut link = MemberLink { member, patient, is_default, created_at };
        if self.person.is(&file.personal) {
            let contact = own.members[position].open(&app.vault, &own.key).map_err(ApiError::internal)?;
            if contact.phone == self.person.phone {
                return Ok(Outcome::Made);
            }
        } else {
            if files::settle(app, [(file.key, file.version)].into_iter()).await? == Outcome::Outdated {
                return Ok(Outcome::Outdated);
            }
            link.patient = self.change_person(&own, patient, &file, &mut commit).await?;
        }
        let personal = MemberPersonal { phone: self.person.phone.clone() };
        let entry = MemberEntry::seal(&app.vault, &own.key, &personal, link);
        own.members[position] = entry.map_err(ApiError::internal)?;
        own.write(&mut commit);
        let made = outcome(app.storage.commit(commit).await)?;
        app.patients.refresh(tenant, patient);
        Ok(made)
    }

    /// Decides how the member becomes the person; answers the patient that it is from then on.
    async fn change_person(
        &self,
        own: &OwnMembers,
        patient: PatientId,
        file: &OnFile,
        commit: &mut Commit,
    ) -> Result<PatientId, ApiError> {
        let found = Found::look_up(self.app, self.account.tenant, &self.person)?;
        let other = found.as_ref().filter(|found| found.patient != patient);
        if let Some(other) = other {
            other.require_name(&self.person)?;
            if own.members.iter().any(|entry| entry.patient == other.patient) {
                return Err(ErrorCode::MemberExists.into());
            }
        }
        let live = LiveBookings::read(self.app, self.account)?;
        live.require_none_of(self.app, self.account, self.member)?;
        live.require(commit);
        if files::is_relied_on(self.app, self.account, patient).await? {
            return Err(ErrorCode::PatientShared.into());
        }
        // A file that turned out to be relied on after all is written anew by whoever does so.
        commit.require_version(&file.key, file.version);
        match (other, found.as_ref()) {
            (Some(other), _) => {
                other.bind(commit);
                Ok(other.patient)
            }
            (None, same_number) => {
                self.correct_file(patient, file, same_number, commit)?;
                Ok(patient)
            }
        }
    }

    /// Rewrites the patient's own file; `same_number` is what the ID number leads to, if to anything.
    fn correct_file(
        &self,
        patient: PatientId,
        file: &OnFile,
        same_number: Option<&Found>,
        commit: &mut Commit,
    ) -> Result<(), ApiError> {
        let (app, tenant) = (self.app, self.account.tenant);
        let personal = self.person.corrected(&file.personal);
        let record = PatientRecord::seal(&app.vault, &file.key, &personal, file.record.created_at);
        commit.put(&file.key, &record.map_err(ApiError::internal)?);
        if let Some(found) = same_number {
            commit.require_version(&found.idno, found.idno_version);
            return Ok(());
        }
        let new = idno_key(app, tenant, &self.person);
        commit.require_absent(&new).put(&new, &IdnoRecord { patient });
        if let Some(Certificate::IdCard(number)) = &file.personal.certificate {
            let old = keys::idno(tenant, &app.vault.blind_id_number(tenant, number));
            let version = app.storage.version(&old).map_err(ApiError::internal)?;
            commit.require_version(&old, version).delete(&old);
        }
        Ok(())
    }
}
