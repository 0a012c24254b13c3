//! Keys of what the clinic does with its schedules: their release, notes of changes, and what patients are told.

use domain::{BookingId, DepartmentId, ScheduleId, TenantId, Timestamp};

use super::parts::Components;
use super::{Key, KeyRange, RawKey, id, of};
use crate::commit::Version;
use crate::records::{NotificationKind, NotificationRecord, OpeningRecord, ScheduleNoteRecord};
use crate::table::Table;

/// Stands for the clinic as a whole.
const NO_DEPARTMENT: u64 = 0;

/// When the schedules of a department are released; `None` is the clinic as a whole.
#[must_use]
pub fn opening(tenant: TenantId, department: Option<DepartmentId>) -> Key<OpeningRecord> {
    let department = department.map_or(NO_DEPARTMENT, DepartmentId::get);
    Key::new(of(tenant, Table::Opening).with(id(department)))
}

/// What the patient of a booking is to be told of something that happened at a moment. The same cannot happen to a
/// booking twice in a moment.
#[must_use]
pub fn notification(
    tenant: TenantId,
    at: Timestamp,
    booking: BookingId,
    kind: NotificationKind,
) -> Key<NotificationRecord> {
    let moment = at.as_millis().cast_unsigned();
    Key::new(of(tenant, Table::Notification).with(id(moment)).with(id(booking.get())).with([kind.tag()]))
}

/// All that patients of a tenant are to be told, oldest first.
#[must_use]
pub fn notifications(tenant: TenantId) -> KeyRange<NotificationRecord> {
    KeyRange::prefix(of(tenant, Table::Notification))
}

/// A notification's key as a scan has found it, and its moment.
#[must_use]
pub fn notification_key(key: &RawKey) -> Option<(Timestamp, Key<NotificationRecord>)> {
    let mut components = Components::of(key, Table::Notification)?;
    let moment = components.id()?;
    let (_booking, _kind) = (components.id()?, components.bytes::<1>()?);
    components.end((Timestamp::from_millis(moment.cast_signed()), Key::new(*key)))
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
