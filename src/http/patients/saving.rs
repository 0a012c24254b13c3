//! Opening a patient's file (建档) and changing one, each in one commit.

use domain::{LabelId, LabelKind, PatientId};
use storage::records::{Action, IdnoRecord, LabelStanding, PatientFileRecord, PatientNotes, PatientRecord};
use storage::{Commit, Key, Sequence, Stored, Version, keys};

use super::certificates::key_of;
use super::form::PatientForm;
use crate::app::App;
use crate::http::caller::Staff;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::members::files::OnFile;
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};

/// A file that is to be as somebody of the staff entered it.
pub(super) struct Saving<'a> {
    pub(super) app: &'a App,
    pub(super) staff: Staff,
    pub(super) form: PatientForm,
}

/// What an attempt came to: the patient and the labels they have now, or that others were faster.
type Attempted = Option<(PatientId, Vec<LabelId>)>;

/// Whose file it is, and how much of it the form replaces.
enum Target {
    /// Nobody's yet.
    New(PatientId),
    /// A patient who was named: everything is replaced.
    Named(PatientId, OnFile),
    /// One who was found to be the same person: what is given is replaced.
    Found(PatientId, OnFile),
}

/// What the desk has noted of the patient so far.
struct Noted {
    key: Key<PatientFileRecord>,
    version: Version,
    /// `None` where the desk has never seen the patient.
    file: Option<(PatientFileRecord, PatientNotes)>,
}

/// What the file is to say.
struct Wanted {
    notes: PatientNotes,
    group: Option<LabelId>,
    labels: Vec<LabelId>,
}

impl Saving<'_> {
    /// Makes the file what was entered. The same again is the same file, and writes nothing.
    pub(super) async fn complete(&self) -> Result<(PatientId, Vec<LabelId>), ApiError> {
        // Taken once and kept over all tries, so that a lost race costs no number.
        let mut new_patient = None;
        for _ in 0..MAX_TRIES {
            if let Some(done) = self.attempt(&mut new_patient).await? {
                return Ok(done);
            }
        }
        Err(ErrorCode::Busy.into())
    }

    async fn attempt(&self, new_patient: &mut Option<PatientId>) -> Result<Attempted, ApiError> {
        let (app, person) = (self.app, &self.form.person);
        let mut commit = Commit::new();
        self.staff.require_session(app, &mut commit)?;
        let Some(target) = self.target(new_patient, &mut commit).await? else { return Ok(None) };
        let patient = target.patient();
        let noted = self.noted(patient)?;
        let wanted = self.wanted(&target, noted.file.as_ref());
        self.require_labels(&mut commit)?;
        let on_file = target.on_file();
        let is_same = on_file.is_some_and(|on_file| on_file.personal == *person);
        if is_same && noted.file.as_ref().is_some_and(|(file, notes)| wanted.is(file, notes)) {
            self.staff.audit_read(app, Action::PatientRead, Some(patient.get())).await?;
            return Ok(Some((patient, wanted.labels)));
        }
        let action = match on_file {
            None => {
                self.create(patient, &mut commit)?;
                Action::PatientAdded
            }
            Some(on_file) => {
                self.change(patient, on_file, &mut commit)?;
                Action::PatientChanged
            }
        };
        let labels = self.put_file(&noted, wanted, &mut commit)?;
        self.staff.audit(app, action, Some(patient.get())).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => {
                app.patients.refresh(self.staff.tenant, patient);
                Ok(Some((patient, labels)))
            }
            Outcome::Outdated => Ok(None),
        }
    }

    /// `None` when somebody erases the patient at this moment.
    async fn target(
        &self,
        new_patient: &mut Option<PatientId>,
        commit: &mut Commit,
    ) -> Result<Option<Target>, ApiError> {
        let (app, tenant) = (self.app, self.staff.tenant);
        if let Some(patient) = self.form.patient {
            let on_file = OnFile::find(app, tenant, patient)?.ok_or(ErrorCode::NotFound)?;
            return Ok(Some(Target::Named(patient, on_file)));
        }
        let key = key_of(&app.vault, tenant, &self.form.person);
        let Some(Stored { version, record }) = app.storage.get(&key).map_err(ApiError::internal)? else {
            let patient = match *new_patient {
                Some(patient) => patient,
                None => {
                    let number = app.sequences.next(&app.storage, tenant, Sequence::Patient).await?;
                    *new_patient.insert(PatientId::new(number).map_err(ApiError::internal)?)
                }
            };
            return Ok(Some(Target::New(patient)));
        };
        let Some(on_file) = OnFile::find(app, tenant, record.patient)? else { return Ok(None) };
        // Knowing a number is not enough: a slip in it must not lead to somebody else's file.
        if on_file.personal.name != self.form.person.name {
            return Err(ErrorCode::PatientMismatch.into());
        }
        commit.require_version(&key, version);
        Ok(Some(Target::Found(record.patient, on_file)))
    }

    fn noted(&self, patient: PatientId) -> Result<Noted, ApiError> {
        let key = keys::patient_file(self.staff.tenant, patient);
        let Some(Stored { version, record }) = self.app.storage.get(&key).map_err(ApiError::internal)? else {
            return Ok(Noted { key, version: Version::ABSENT, file: None });
        };
        let notes = record.open(&self.app.vault, &key).map_err(ApiError::internal)?;
        Ok(Noted { key, version, file: Some((record, notes)) })
    }

    fn wanted(&self, target: &Target, before: Option<&(PatientFileRecord, PatientNotes)>) -> Wanted {
        let form = &self.form;
        let labels_before = || before.map(|(file, _)| file.labels.clone()).unwrap_or_default();
        let labels = form.labels.clone().unwrap_or_else(labels_before);
        match (target, before) {
            (Target::Found(..), Some((file, notes))) => {
                Wanted { notes: form.given_notes(notes), group: form.group.or(file.group), labels }
            }
            (Target::New(_) | Target::Named(..) | Target::Found(..), _) => {
                Wanted { notes: form.all_notes(), group: form.group, labels }
            }
        }
    }

    /// Makes `commit` depend on the given group and labels being there.
    ///
    /// # Errors
    /// 0404 for one that is not, or is of the other kind.
    fn require_labels(&self, commit: &mut Commit) -> Result<(), ApiError> {
        let group = self.form.group.iter().map(|&group| (group, LabelKind::Group));
        let labels = self.form.labels.iter().flatten().map(|&label| (label, LabelKind::Label));
        for (label, kind) in group.chain(labels) {
            let key = keys::label(self.staff.tenant, label);
            let stored = self.app.storage.get(&key).map_err(ApiError::internal)?;
            let Stored { version, record } = stored.ok_or(ErrorCode::NotFound)?;
            if record.kind != kind || record.standing != LabelStanding::Live {
                return Err(ErrorCode::NotFound.into());
            }
            commit.require_version(&key, version);
        }
        Ok(())
    }

    fn create(&self, patient: PatientId, commit: &mut Commit) -> Result<(), ApiError> {
        let (app, tenant, person) = (self.app, self.staff.tenant, &self.form.person);
        let found_by = key_of(&app.vault, tenant, person);
        commit.require_absent(&found_by).put(&found_by, &IdnoRecord { patient });
        let key = keys::patient(tenant, patient);
        let record = PatientRecord::seal(&app.vault, &key, person, app.clock.now());
        commit.require_absent(&key).put(&key, &record.map_err(ApiError::internal)?);
        Ok(())
    }

    /// Writes the record even if it stays as it is: see the module above.
    fn change(&self, patient: PatientId, on_file: &OnFile, commit: &mut Commit) -> Result<(), ApiError> {
        let (app, tenant, person) = (self.app, self.staff.tenant, &self.form.person);
        let (old, new) = (key_of(&app.vault, tenant, &on_file.personal), key_of(&app.vault, tenant, person));
        if old.raw() != new.raw() {
            if app.storage.contains(&new).map_err(ApiError::internal)? {
                return Err(ErrorCode::PatientExists.into());
            }
            commit.require_absent(&new).put(&new, &IdnoRecord { patient });
            if let Some(found) = app.storage.get(&old).map_err(ApiError::internal)?
                && found.record.patient == patient
            {
                commit.require_version(&old, found.version).delete(&old);
            }
        }
        let record = PatientRecord::seal(&app.vault, &on_file.key, person, on_file.record.created_at);
        commit.require_version(&on_file.key, on_file.version);
        commit.put(&on_file.key, &record.map_err(ApiError::internal)?);
        Ok(())
    }

    fn put_file(&self, noted: &Noted, wanted: Wanted, commit: &mut Commit) -> Result<Vec<LabelId>, ApiError> {
        let file = PatientFileRecord::seal(&self.app.vault, &noted.key, &wanted.notes);
        let mut file = file.map_err(ApiError::internal)?;
        file.group = wanted.group;
        file.labels = wanted.labels;
        commit.require_version(&noted.key, noted.version).put(&noted.key, &file);
        Ok(file.labels)
    }
}

impl Target {
    fn patient(&self) -> PatientId {
        match self {
            Self::New(patient) | Self::Named(patient, _) | Self::Found(patient, _) => *patient,
        }
    }

    fn on_file(&self) -> Option<&OnFile> {
        match self {
            Self::New(_) => None,
            Self::Named(_, on_file) | Self::Found(_, on_file) => Some(on_file),
        }
    }
}

impl Wanted {
    fn is(&self, file: &PatientFileRecord, notes: &PatientNotes) -> bool {
        self.notes == *notes && self.group == file.group && self.labels == file.labels
    }
}
