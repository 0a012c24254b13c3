//! The patients of each clinic in memory: found by name and phone, and counted by group and label.
//!
//! It holds of every patient only what is searched, some 70 bytes; what a list shows of the few that it found is read
//! from storage. Numbers of a group or label are kept, not counted when somebody asks.
//!
//! Whoever commits a patient or label calls [`PatientIndex::refresh`] afterwards, which reads what is stored then: the
//! order in which the calls come does not matter, and each leaves at least what its own commit wrote.

use std::fmt;
use std::sync::Arc;

use dashmap::DashMap;
use domain::{LabelId, LabelKind, PatientId, TenantId};
use parking_lot::RwLock;
use storage::records::LabelStanding;
use storage::{KeyRange, RawKey, ReadError, Record, Scan, SealError, Storage, Stored, Vault, keys};
use thiserror::Error;

mod clinic;

use clinic::{ClinicPatients, Tags};
pub use clinic::{LabelOrder, LabelPage, LabelView, PhonePrefix, Sought};

/// Records of a long range that are read at once: writers wait for a reader no longer than these take.
const PIECE: usize = 1_000;

/// Why the patients could not be read.
#[derive(Debug, Error)]
pub enum IndexError {
    /// The storage failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A patient cannot be unsealed.
    #[error("a patient's record cannot be opened: {0}")]
    Seal(#[from] SealError),
}

/// The patients, groups and labels of all clinics.
pub struct PatientIndex {
    storage: Storage,
    vault: Arc<Vault>,
    clinics: DashMap<TenantId, Arc<RwLock<ClinicPatients>>>,
}

impl fmt::Debug for PatientIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatientIndex").field("clinics", &self.clinics.len()).finish_non_exhaustive()
    }
}

impl PatientIndex {
    /// Reads every clinic's patients, groups and labels. Blocks the thread for as long as that takes.
    ///
    /// # Errors
    /// [`IndexError`] for the first record that cannot be read.
    pub fn hydrate(storage: Storage, vault: Arc<Vault>) -> Result<Self, IndexError> {
        let index = Self { storage, vault, clinics: DashMap::new() };
        for (key, _) in index.storage.scan(&keys::tenants(), Scan::ALL)? {
            if let Some(tenant) = keys::tenant_id(&key) {
                index.read_clinic(tenant)?;
            }
        }
        Ok(index)
    }

    /// How many patients there are in all clinics.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clinics.iter().map(|clinic| clinic.read().len()).sum()
    }

    /// Whether there is no patient in any clinic.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads a patient again, after a commit that wrote or erased one. It is enough to call it once the commit is
    /// answered, from whatever thread.
    pub fn refresh(&self, tenant: TenantId, patient: PatientId) {
        let clinic = self.clinic(tenant);
        // Locked while it is read: of two calls the later one writes what it read later.
        let mut clinic = clinic.write();
        if let Err(error) = self.read_patient(&mut clinic, tenant, patient) {
            // A storage that cannot read ends the process; until then the patient is found as before.
            tracing::error!(tenant = tenant.get(), error = %error, "a patient could not be read again");
        }
    }

    /// Reads a group or label again, after a commit that wrote or removed it.
    pub fn refresh_label(&self, tenant: TenantId, label: LabelId) {
        let clinic = self.clinic(tenant);
        let mut clinic = clinic.write();
        match self.storage.get(&keys::label(tenant, label)) {
            Ok(stored) => clinic.put_label(label, stored.map(|stored| stored.record)),
            Err(error) => {
                tracing::error!(tenant = tenant.get(), error = %error, "a label could not be read again");
            }
        }
    }

    /// A group or label that was not deleted.
    #[must_use]
    pub fn label(&self, tenant: TenantId, label: LabelId) -> Option<LabelView> {
        self.clinic(tenant).read().label(label)
    }

    /// How many groups or labels the clinic has.
    #[must_use]
    pub fn label_count(&self, tenant: TenantId, kind: LabelKind) -> usize {
        self.clinic(tenant).read().label_count(kind)
    }

    /// Some of the groups or labels of a clinic, in the order they were made or in the opposite one.
    #[must_use]
    pub fn labels(
        &self,
        tenant: TenantId,
        kind: LabelKind,
        order: LabelOrder,
        (offset, limit): (usize, usize),
    ) -> LabelPage {
        self.clinic(tenant).read().labels(kind, order, (offset, limit))
    }

    /// How many patients are found, and some of them, whose files were opened last first. It looks at every patient of
    /// the clinic: not for a thread that serves others.
    #[must_use]
    pub fn search(
        &self,
        tenant: TenantId,
        sought: &Sought,
        (offset, limit): (usize, usize),
    ) -> (usize, Vec<PatientId>) {
        self.clinic(tenant).read().search(sought, (offset, limit))
    }

    fn clinic(&self, tenant: TenantId) -> Arc<RwLock<ClinicPatients>> {
        Arc::clone(&self.clinics.entry(tenant).or_default())
    }

    fn read_clinic(&self, tenant: TenantId) -> Result<(), IndexError> {
        let clinic = self.clinic(tenant);
        let mut clinic = clinic.write();
        for_each(&self.storage, keys::labels(tenant), |key, stored| {
            if let Some(label) = keys::label_id(key) {
                clinic.put_label(label, Some(stored.record));
            }
            Ok::<_, IndexError>(())
        })?;
        for_each(&self.storage, keys::patients(tenant), |key, stored| {
            if let Some(patient) = keys::patient_id(key) {
                let personal = stored.record.open(&self.vault, &keys::patient(tenant, patient))?;
                clinic.put(patient, &personal.name, &personal.phone, Tags::default());
            }
            Ok::<_, IndexError>(())
        })?;
        for_each(&self.storage, keys::patient_files(tenant), |key, stored| {
            if let Some(patient) = keys::patient_file_id(key) {
                clinic.tag(patient, Tags::of(&stored.record));
            }
            Ok::<_, IndexError>(())
        })
    }

    fn read_patient(
        &self,
        clinic: &mut ClinicPatients,
        tenant: TenantId,
        patient: PatientId,
    ) -> Result<(), IndexError> {
        let key = keys::patient(tenant, patient);
        let Some(stored) = self.storage.get(&key)? else {
            clinic.remove(patient);
            return Ok(());
        };
        let personal = stored.record.open(&self.vault, &key)?;
        let file = self.storage.get(&keys::patient_file(tenant, patient))?;
        let tags = file.map(|file| Tags::of(&file.record)).unwrap_or_default();
        clinic.put(patient, &personal.name, &personal.phone, tags);
        Ok(())
    }
}

/// Whether a group or label is shown.
pub(crate) fn is_live(standing: LabelStanding) -> bool {
    match standing {
        LabelStanding::Live => true,
        LabelStanding::Deleted => false,
    }
}

/// Reads a long range in pieces.
pub(crate) fn for_each<R: Record, E: From<ReadError>>(
    storage: &Storage,
    mut range: KeyRange<R>,
    mut each: impl FnMut(&RawKey, Stored<R>) -> Result<(), E>,
) -> Result<(), E> {
    loop {
        let piece = storage.scan(&range, Scan { limit: PIECE, ..Scan::ALL })?;
        let Some((last, _)) = piece.last() else { return Ok(()) };
        range = range.after(last);
        for (key, stored) in piece {
            each(&key, stored)?;
        }
    }
}
