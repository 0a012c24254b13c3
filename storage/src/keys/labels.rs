//! Keys of groups and labels, and of what the desk notes of a patient.

use aws_lc_rs::digest;
use domain::{LabelId, LabelKind, LabelName, PatientId, TenantId};

use super::parts::Components;
use super::{Key, KeyRange, RawKey, id, of};
use crate::records::{LabelNameRecord, LabelRecord, PatientFileRecord};
use crate::table::Table;

/// A group or label.
#[must_use]
pub fn label(tenant: TenantId, label: LabelId) -> Key<LabelRecord> {
    Key::new(of(tenant, Table::Label).with(id(label.get())))
}

/// All groups and labels of a tenant, in the order in which they were made.
#[must_use]
pub fn labels(tenant: TenantId) -> KeyRange<LabelRecord> {
    KeyRange::prefix(of(tenant, Table::Label))
}

/// The group or the label of a name. Each kind has its own names.
#[must_use]
pub fn label_name(tenant: TenantId, kind: LabelKind, name: &LabelName) -> Key<LabelNameRecord> {
    // A name may be longer than a key.
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, name.as_str().as_bytes()).as_ref());
    Key::new(of(tenant, Table::LabelName).with([kind.code()]).with(hash))
}

/// What the desk notes of a patient.
#[must_use]
pub fn patient_file(tenant: TenantId, patient: PatientId) -> Key<PatientFileRecord> {
    Key::new(of(tenant, Table::PatientFile).with(id(patient.get())))
}

/// What the desk notes of all patients of a tenant.
#[must_use]
pub fn patient_files(tenant: TenantId) -> KeyRange<PatientFileRecord> {
    KeyRange::prefix(of(tenant, Table::PatientFile))
}

/// The group or label of its key.
#[must_use]
pub fn label_id(key: &RawKey) -> Option<LabelId> {
    let mut components = Components::of(key, Table::Label)?;
    let id = components.id()?;
    components.end(LabelId::new(id).ok()?)
}

/// The patient of the key of what the desk notes.
#[must_use]
pub fn patient_file_id(key: &RawKey) -> Option<PatientId> {
    let mut components = Components::of(key, Table::PatientFile)?;
    let id = components.id()?;
    components.end(PatientId::new(id).ok()?)
}
