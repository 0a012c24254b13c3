//! What a change of a schedule leaves behind beside it, in the same commit: a note of who did it and why, and what its
//! patients are to be told.

use std::time::Duration;

use domain::{Booking, Event, Reason, StaffId, Timestamp};
use storage::records::{
    BookingOwner, NotificationKind, NotificationRecord, ScheduleChange, ScheduleNoteRecord,
};
use storage::{Commit, SealError, keys};

use crate::consider::Setting;

/// How long it is kept what patients are to be told.
pub const NOTIFICATIONS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Adds the row that tells the patient of a booking what has happened to it now.
pub(crate) fn notify(setting: &Setting<'_>, commit: &mut Commit, kind: NotificationKind, booking: &Booking) {
    let key = keys::notification(setting.target.tenant, setting.now, booking.id, kind);
    let record = NotificationRecord {
        kind,
        owner: BookingOwner::of(booking),
        booking: booking.id,
        patient: booking.patient,
        schedule: booking.schedule,
    };
    commit.put_expiring(&key, &record, setting.now.plus(NOTIFICATIONS_KEPT));
}

/// Adds the note of an event that changes the schedule itself; other events leave none.
///
/// # Errors
/// No randomness to seal the reason with.
pub(crate) fn note(setting: &Setting<'_>, commit: &mut Commit, event: &Event) -> Result<(), SealError> {
    let (change, reason, said) = match event {
        Event::SlotsAdded { slots, at, by, reason } => {
            let serials = slots.iter().map(|slot| slot.serial).collect();
            (ScheduleChange::SlotsAdded(serials), Some(reason), (*by, *at))
        }
        Event::Stopped { at, by, reason } => (ScheduleChange::Stopped, Some(reason), (*by, *at)),
        Event::Reopened { at, by } => (ScheduleChange::Reopened, None, (*by, *at)),
        Event::Relocated { at, by, .. } => (ScheduleChange::Relocated, None, (*by, *at)),
        Event::Held { .. }
        | Event::HoldEnded { .. }
        | Event::Booked(_)
        | Event::Cancelled { .. }
        | Event::CheckedIn { .. }
        | Event::Paid { .. }
        | Event::NoShowMarked { .. }
        | Event::Corrected { .. } => return Ok(()),
    };
    write(setting, commit, (change, reason), said)
}

fn write(
    setting: &Setting<'_>,
    commit: &mut Commit,
    (change, reason): (ScheduleChange, Option<&Reason>),
    (by, at): (StaffId, Timestamp),
) -> Result<(), SealError> {
    let target = setting.target;
    // The commit requires this version, so that no other change leaves its note here.
    let key = keys::schedule_note(target.tenant, target.schedule, setting.loaded.record_version);
    let record = match reason {
        Some(reason) => ScheduleNoteRecord::seal(&setting.shared.vault, &key, (change, reason), (by, at))?,
        None => ScheduleNoteRecord::without_reason(change, by, at),
    };
    commit.put(&key, &record);
    Ok(())
}
