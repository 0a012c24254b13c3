//! Notifications to patients, written into a store that no server uses: how far each has come is up to the test.

use std::time::Duration;

use domain::{BookingId, PatientId, ScheduleId, Timestamp, UserId};
use storage::keys::NotificationId;
use storage::records::{About, BookingOwner, Delivery, NotificationKind, NotificationRecord, SkipReason};

use super::folder::Folder;
use super::store;

/// A booking that nobody has made.
const NO_BOOKING: u64 = 1_999_000_001;

/// A notification that happened so long ago, about a booking that is not there any more, to patient 1 of the first account.
pub fn old(
    kind: NotificationKind,
    ago: Duration,
    delivery: impl FnOnce(Timestamp) -> Delivery,
) -> (NotificationId, NotificationRecord) {
    let at = store::now().minus(ago);
    let id = NotificationId { moment: at, number: NO_BOOKING, kind };
    let record = NotificationRecord {
        kind,
        at,
        owner: BookingOwner::Account(UserId::new(1_000_000_000).expect("an id")),
        patient: PatientId::new(1).expect("an id"),
        about: About::Booking {
            booking: BookingId::new(NO_BOOKING).expect("an id"),
            schedule: ScheduleId::new(3001).expect("an id"),
        },
        round: 0,
        delivery: delivery(at),
        fault: None,
    };
    (id, record)
}

/// Writes them.
pub fn write(folder: &Folder, rows: &[(NotificationId, NotificationRecord)]) {
    store::edit(folder, |_, commit| {
        for (id, record) in rows {
            actors::save_notification(commit, store::tenant(), id, record);
        }
    });
}

/// Writes one that could not be sent, and answers its id.
pub fn skipped(folder: &Folder) -> NotificationId {
    let why = SkipReason::NotConnected;
    let row = old(NotificationKind::Stopped, Duration::from_secs(60), |at| Delivery::Skipped { at, why });
    let id = row.0;
    write(folder, &[row]);
    id
}
