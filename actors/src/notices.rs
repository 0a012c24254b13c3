//! What a change of a schedule leaves behind beside it, in the same commit: a note of who did it and why, and what its
//! patients are to be told.

use std::time::Duration;

use domain::{Booking, Event, TenantId};
use storage::keys::NotificationId;
use storage::records::{
    Delivery, NotificationJobRecord, NotificationKind, NotificationRecord, ScheduleChange, ScheduleNoteRecord,
};
use storage::{Commit, SealError, keys};

use crate::consider::Setting;

/// How long it is kept what patients are to be told.
pub const NOTIFICATIONS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Adds a notification as it stands, and that it is to be sent as long as it waits. Nobody writes one otherwise, so that
/// what waits always has its job and nothing else has.
pub fn save_notification(
    commit: &mut Commit,
    tenant: TenantId,
    id: &NotificationId,
    record: &NotificationRecord,
) {
    let over = id.moment.plus(NOTIFICATIONS_KEPT);
    commit.put_expiring(&keys::notification(tenant, id), record, over);
    let job = keys::notification_job(tenant, id);
    match record.delivery {
        Delivery::Waiting { next_at, .. } => {
            commit.put_expiring(&job, &NotificationJobRecord { due_at: next_at }, over);
        }
        Delivery::Sent { .. } | Delivery::Skipped { .. } | Delivery::Failed { .. } => {
            commit.delete(&job);
        }
    }
}

/// Adds the row that tells the patient of a booking what has happened to it now, where the clinic has a way to tell it.
pub(crate) fn notify_if_reached(
    setting: &Setting<'_>,
    commit: &mut Commit,
    kind: NotificationKind,
    booking: &Booking,
) {
    if setting.shared.channels.reach(setting.target.tenant) {
        notify(setting, commit, kind, booking);
    }
}

/// Adds the row that tells the patient of a booking what has happened to it now. Where the clinic has no way to tell it,
/// the desk reads it and calls.
pub(crate) fn notify(setting: &Setting<'_>, commit: &mut Commit, kind: NotificationKind, booking: &Booking) {
    let id = NotificationId::of_booking(kind, booking, setting.now);
    let record = NotificationRecord::of_booking(kind, booking, setting.now);
    save_notification(commit, setting.target.tenant, &id, &record);
}

/// Adds the note of an event that changes the schedule itself, or a booking for a reason; other events leave none.
///
/// # Errors
/// No randomness to seal the reason with.
pub(crate) fn note(setting: &Setting<'_>, commit: &mut Commit, event: &Event) -> Result<(), SealError> {
    // The commit requires the version that stands in the note's key, so that no other change leaves its note there: that
    // of the schedule, or that of the booking, which no commit gave to both at a time when the booking was missed.
    let changed = setting.loaded.record_version;
    let (change, reason, said, changed) = match event {
        Event::SlotsAdded { slots, at, by, reason } => {
            let serials = slots.iter().map(|slot| slot.serial).collect();
            (ScheduleChange::SlotsAdded(serials), Some(reason), (*by, *at), changed)
        }
        Event::Stopped { at, by, reason } => (ScheduleChange::Stopped, Some(reason), (*by, *at), changed),
        Event::Reopened { at, by } => (ScheduleChange::Reopened, None, (*by, *at), changed),
        Event::Relocated { at, by, .. } => (ScheduleChange::Relocated, None, (*by, *at), changed),
        Event::Corrected { booking, at, by, reason } => {
            let Some(missed) = setting.loaded.booking_versions.get(booking) else { return Ok(()) };
            (ScheduleChange::VisitCorrected(*booking), Some(reason), (*by, *at), *missed)
        }
        Event::Held { .. }
        | Event::HoldEnded { .. }
        | Event::Booked(_)
        | Event::Cancelled { .. }
        | Event::CheckedIn { .. }
        | Event::Paid { .. }
        | Event::NoShowMarked { .. } => return Ok(()),
    };
    let key = keys::schedule_note(setting.target.tenant, setting.target.schedule, changed);
    let record = match (reason, said) {
        (Some(reason), said) => {
            ScheduleNoteRecord::seal(&setting.shared.vault, &key, (change, reason), said)?
        }
        (None, (by, at)) => ScheduleNoteRecord::without_reason(change, by, at),
    };
    commit.put(&key, &record);
    Ok(())
}
