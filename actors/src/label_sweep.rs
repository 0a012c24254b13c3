//! Detaching patients from groups and labels that were deleted.
//!
//! A deleted group or label is not shown any more, and no patient gets it: whoever attaches one requires its record as
//! it was before. So what is attached is only what a look through all files finds, however the index stands.

use std::collections::HashSet;

use domain::{LabelId, PatientId, TenantId};
use storage::records::PatientFileRecord;
use storage::{Commit, CommitError, ReadError, Scan, Storage, Stored, Version, keys};
use thiserror::Error;

use crate::patient_index::{PatientIndex, for_each, is_live};

/// Patients that are detached with one commit, so that it never holds up a booking.
const PATIENTS_A_COMMIT: usize = 100;

/// How often the files are looked through before the rest waits for the next tick.
const MAX_ROUNDS: usize = 5;

/// Why not all patients were detached. The next sweep goes on.
#[derive(Debug, Error)]
pub enum LabelSweepError {
    /// The storage failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A commit failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Takes the deleted groups and labels of every clinic off their patients, at most a hundred patients a commit, and then
/// removes their records. Answers how many were removed. Blocks the thread: not for one that drives futures.
///
/// # Errors
/// [`LabelSweepError`]
pub fn sweep_labels(storage: &Storage, index: &PatientIndex) -> Result<usize, LabelSweepError> {
    let mut removed = 0;
    for (key, _) in storage.scan(&keys::tenants(), Scan::ALL)? {
        if let Some(tenant) = keys::tenant_id(&key) {
            removed += Sweep { storage, index, tenant }.run()?;
        }
    }
    Ok(removed)
}

struct Sweep<'a> {
    storage: &'a Storage,
    index: &'a PatientIndex,
    tenant: TenantId,
}

type File = (PatientId, Version, PatientFileRecord);

impl Sweep<'_> {
    fn run(&self) -> Result<usize, LabelSweepError> {
        let deleted = self.deleted()?;
        if deleted.is_empty() {
            return Ok(0);
        }
        let labels: HashSet<_> = deleted.iter().map(|(label, _)| *label).collect();
        for _ in 0..MAX_ROUNDS {
            let attached = self.attached(&labels)?;
            if attached.is_empty() {
                return self.remove(&deleted);
            }
            for files in attached.chunks(PATIENTS_A_COMMIT) {
                self.detach(files, &labels)?;
            }
        }
        Ok(0)
    }

    fn deleted(&self) -> Result<Vec<(LabelId, Version)>, LabelSweepError> {
        let mut deleted = Vec::new();
        for (key, Stored { version, record }) in self.storage.scan(&keys::labels(self.tenant), Scan::ALL)? {
            if !is_live(record.standing)
                && let Some(label) = keys::label_id(&key)
            {
                deleted.push((label, version));
            }
        }
        Ok(deleted)
    }

    /// The files that have one of these labels.
    fn attached(&self, labels: &HashSet<LabelId>) -> Result<Vec<File>, LabelSweepError> {
        let mut found = Vec::new();
        for_each(self.storage, keys::patient_files(self.tenant), |key, stored| {
            let Stored { version, record } = stored;
            let has_one = record.group.iter().chain(&record.labels).any(|label| labels.contains(label));
            if let Some(patient) = keys::patient_file_id(key).filter(|_| has_one) {
                found.push((patient, version, record));
            }
            Ok::<_, ReadError>(())
        })?;
        Ok(found)
    }

    fn detach(&self, files: &[File], labels: &HashSet<LabelId>) -> Result<(), LabelSweepError> {
        let mut commit = Commit::new();
        for (patient, version, record) in files {
            let key = keys::patient_file(self.tenant, *patient);
            let mut record = record.clone();
            record.group = record.group.filter(|group| !labels.contains(group));
            record.labels.retain(|label| !labels.contains(label));
            commit.require_version(&key, *version).put(&key, &record);
        }
        match self.storage.commit(commit).wait() {
            Ok(_) => {
                for (patient, _, _) in files {
                    self.index.refresh(self.tenant, *patient);
                }
                Ok(())
            }
            // The desk changed one of them meanwhile; the next round finds them again.
            Err(CommitError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn remove(&self, deleted: &[(LabelId, Version)]) -> Result<usize, LabelSweepError> {
        for labels in deleted.chunks(PATIENTS_A_COMMIT) {
            let mut commit = Commit::new();
            for (label, version) in labels {
                let key = keys::label(self.tenant, *label);
                commit.require_version(&key, *version).delete(&key);
            }
            self.storage.commit(commit).wait()?;
        }
        Ok(deleted.len())
    }
}
