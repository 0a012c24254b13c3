//! Keys of what the clinic does with its schedules: their release and notes of changes.

use domain::{DepartmentId, ScheduleId, TenantId};

use super::parts::Components;
use super::{Key, KeyRange, RawKey, id, of};
use crate::commit::Version;
use crate::records::{OpeningRecord, ScheduleNoteRecord};
use crate::table::Table;

/// Stands for the clinic as a whole.
const NO_DEPARTMENT: u64 = 0;

/// When the schedules of a department are released; `None` is the clinic as a whole.
#[must_use]
pub fn opening(tenant: TenantId, department: Option<DepartmentId>) -> Key<OpeningRecord> {
    let department = department.map_or(NO_DEPARTMENT, DepartmentId::get);
    Key::new(of(tenant, Table::Opening).with(id(department)))
}

/// The note of the change that was made to this version of a schedule's record: of each version one change is made.
#[must_use]
pub fn schedule_note(tenant: TenantId, schedule: ScheduleId, changed: Version) -> Key<ScheduleNoteRecord> {
    Key::new(of(tenant, Table::ScheduleNote).with(id(schedule.get())).with(id(changed.get())))
}

/// The notes of a schedule, oldest first.
#[must_use]
pub fn schedule_notes_of(tenant: TenantId, schedule: ScheduleId) -> KeyRange<ScheduleNoteRecord> {
    KeyRange::prefix(of(tenant, Table::ScheduleNote).with(id(schedule.get())))
}

/// A note's key as a scan has found it.
#[must_use]
pub fn schedule_note_key(key: &RawKey) -> Option<Key<ScheduleNoteRecord>> {
    let mut components = Components::of(key, Table::ScheduleNote)?;
    let (_schedule, _changed) = (components.id()?, components.id()?);
    components.end(Key::new(*key))
}
