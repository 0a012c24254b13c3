//! Adding a member: the patient is found by the ID number, or a file is opened (建档).

use domain::{MemberId, PatientId, Timestamp};
use storage::records::{IdnoRecord, MemberEntry, MemberLink, MemberPersonal, PatientRecord};
use storage::{Commit, Sequence, keys};

use super::super::caller::Patient;
use super::super::error::{ApiError, ErrorCode};
use super::super::refusals::{MAX_TRIES, Outcome, outcome};
use super::files::{Found, idno_key};
use super::own::OwnMembers;
use super::person::Person;
use crate::app::App;

/// A person who is to become a member of an account.
pub(super) struct Admission<'a> {
    pub(super) app: &'a App,
    pub(super) account: Patient,
    pub(super) person: Person,
}

impl Admission<'_> {
    /// Finds or creates patient and member, in one commit. The same person again is the same member.
    pub(super) async fn complete(&self) -> Result<MemberId, ApiError> {
        let (app, tenant) = (self.app, self.account.tenant);
        // Taken once and kept over all tries, so that a lost race costs no number.
        let mut new_patient = None;
        let mut new_member = None;
        for _ in 0..MAX_TRIES {
            let now = app.clock.now();
            let mut commit = Commit::new();
            // An account that is closed at the same time gets no member any more.
            self.account.require_session(app, &mut commit)?;
            let patient = match Found::look_up(app, tenant, &self.person)? {
                Some(found) => {
                    found.require_name(&self.person)?;
                    found.bind(&mut commit);
                    found.patient
                }
                None => {
                    let patient = match new_patient {
                        Some(patient) => patient,
                        None => *new_patient.insert(self.next_patient().await?),
                    };
                    self.create_patient(&mut commit, patient, now)?;
                    patient
                }
            };
            let mut own = OwnMembers::read(app, self.account)?;
            if let Some(member) = own.members.iter().find(|member| member.patient == patient) {
                return self.same_again(&own, member);
            }
            if own.members.len() >= app.limits.max_members_per_user {
                return Err(ErrorCode::MemberLimit.into());
            }
            let member = match new_member {
                Some(member) => member,
                None => *new_member.insert(self.next_member().await?),
            };
            let link = MemberLink { member, patient, is_default: own.members.is_empty(), created_at: now };
            let personal = MemberPersonal { phone: self.person.phone.clone() };
            let entry = MemberEntry::seal(&app.vault, &own.key, &personal, link);
            own.members.push(entry.map_err(ApiError::internal)?);
            own.write(&mut commit);
            match outcome(app.storage.commit(commit).await)? {
                Outcome::Made => {
                    app.patients.refresh(tenant, patient);
                    return Ok(member);
                }
                Outcome::Outdated => {}
            }
        }
        Err(ErrorCode::Busy.into())
    }

    fn create_patient(
        &self,
        commit: &mut Commit,
        patient: PatientId,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let tenant = self.account.tenant;
        let key = keys::patient(tenant, patient);
        let record = PatientRecord::seal(&self.app.vault, &key, &self.person.personal(), now);
        let idno = idno_key(self.app, tenant, &self.person);
        commit.require_absent(&idno).put(&idno, &IdnoRecord { patient });
        commit.require_absent(&key).put(&key, &record.map_err(ApiError::internal)?);
        Ok(())
    }

    /// The answer for a patient who is a member already: the member, unless the phone differs.
    fn same_again(&self, own: &OwnMembers, member: &MemberEntry) -> Result<MemberId, ApiError> {
        let contact = member.open(&self.app.vault, &own.key).map_err(ApiError::internal)?;
        if contact.phone != self.person.phone {
            return Err(ErrorCode::MemberExists.into());
        }
        Ok(member.member)
    }

    async fn next_patient(&self) -> Result<PatientId, ApiError> {
        let (storage, tenant) = (&self.app.storage, self.account.tenant);
        let number = self.app.sequences.next(storage, tenant, Sequence::Patient).await?;
        PatientId::new(number).map_err(ApiError::internal)
    }

    async fn next_member(&self) -> Result<MemberId, ApiError> {
        let (storage, tenant) = (&self.app.storage, self.account.tenant);
        let number = self.app.sequences.next(storage, tenant, Sequence::Member).await?;
        MemberId::new(number).map_err(ApiError::internal)
    }
}
