//! What the desk notes of a patient: where they live, whom to call, and how the clinic sorts them.

use std::fmt;

use bincode::{Decode, Encode};
use domain::LabelId;

use super::possible;
use crate::keys::Key;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;
use crate::vault::{SealError, Sealed, Vault};

/// Labels that one patient may have.
pub const MAX_LABELS_OF_PATIENT: usize = 50;

/// What the desk notes of a patient. Whoever has such a record is known to the clinic: it was made or changed at the
/// desk, and is not erased with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientFileRecord {
    notes: Sealed,
    /// The group (分组). It may have been deleted since.
    pub group: Option<LabelId>,
    /// The labels (标签), each once. Some may have been deleted since.
    pub labels: Vec<LabelId>,
}

/// What identifies a patient and their contact; empty where nothing is noted.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PatientNotes {
    /// 省.
    pub province: String,
    /// 市.
    pub city: String,
    /// 区县.
    pub county: String,
    /// 详细地址.
    pub address: String,
    /// Whom to call (联系人).
    pub contact_name: String,
    /// What they are to the patient (关系), by the clinic's list.
    pub contact_relation: Option<u8>,
    /// Their phone.
    pub contact_phone: String,
}

impl fmt::Debug for PatientNotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatientNotes").finish_non_exhaustive()
    }
}

impl PatientFileRecord {
    /// The record of these notes under `key`, of a patient in no group and without labels.
    ///
    /// # Errors
    /// No randomness to seal with.
    pub fn seal(vault: &Vault, key: &Key<Self>, notes: &PatientNotes) -> Result<Self, SealError> {
        let notes = vault.seal_v1(key.raw(), &StoredNotes::from(notes))?;
        Ok(Self { notes, group: None, labels: Vec::new() })
    }

    /// Opens the notes of the record read from `key`.
    ///
    /// # Errors
    /// They were sealed for another record or with another key.
    pub fn open(&self, vault: &Vault, key: &Key<Self>) -> Result<PatientNotes, SealError> {
        let stored: StoredNotes = vault.unseal_v1(key.raw(), &self.notes)?;
        Ok(PatientNotes {
            province: stored.province,
            city: stored.city,
            county: stored.county,
            address: stored.address,
            contact_name: stored.contact_name,
            contact_relation: stored.contact_relation,
            contact_phone: stored.contact_phone,
        })
    }
}

#[derive(Encode, Decode)]
struct StoredNotes {
    province: String,
    city: String,
    county: String,
    address: String,
    contact_name: String,
    contact_relation: Option<u8>,
    contact_phone: String,
}

impl From<&PatientNotes> for StoredNotes {
    fn from(notes: &PatientNotes) -> Self {
        Self {
            province: notes.province.clone(),
            city: notes.city.clone(),
            county: notes.county.clone(),
            address: notes.address.clone(),
            contact_name: notes.contact_name.clone(),
            contact_relation: notes.contact_relation,
            contact_phone: notes.contact_phone.clone(),
        }
    }
}

#[derive(Encode, Decode)]
struct StoredPatientFile {
    notes: Sealed,
    group: Option<u64>,
    labels: Vec<u64>,
}

impl TryFrom<StoredPatientFile> for PatientFileRecord {
    type Error = Impossible;

    fn try_from(stored: StoredPatientFile) -> Result<Self, Impossible> {
        let label = |id| possible(LabelId::new(id), "label id");
        Ok(Self {
            notes: stored.notes,
            group: stored.group.map(label).transpose()?,
            labels: stored.labels.into_iter().map(label).collect::<Result<_, _>>()?,
        })
    }
}

impl Record for PatientFileRecord {
    const TABLE: Table = Table::PatientFile;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredPatientFile {
            notes: self.notes.clone(),
            group: self.group.map(LabelId::get),
            labels: self.labels.iter().map(|label| label.get()).collect(),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredPatientFile>(bytes)
    }
}
