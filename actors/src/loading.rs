//! From storage to the state that an actor decides on.

use std::collections::HashMap;

use domain::{BookingId, BrokenInvariant, Event, Occupancy, ScheduleState, Timestamp};
use storage::records::BookedBefore;
use storage::{ReadError, Scan, Seq, Storage, Version, keys};

use crate::directory::Target;

/// A schedule as its actor keeps it: the state, and which versions of the records it stands for.
pub(crate) struct Loaded {
    pub(crate) state: ScheduleState,
    pub(crate) record_version: Version,
    pub(crate) booked_before: BookedBefore,
    pub(crate) booking_versions: HashMap<BookingId, Version>,
    /// Another writer was faster: read everything again before the next decision.
    pub(crate) is_stale: bool,
}

/// Why a schedule cannot be served from what is stored.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Storage cannot read it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What is stored cannot have come from the rules.
    #[error("{0}")]
    Broken(#[from] BrokenInvariant),
    /// A taken slot names a booking that is not there.
    #[error("booking {booking} stands in a slot but is not stored")]
    BookingMissing {
        /// The booking.
        booking: BookingId,
    },
}

/// Reads a schedule and its bookings; `None` when there is no such schedule.
pub(crate) fn load(storage: &Storage, target: Target) -> Result<Option<Loaded>, LoadError> {
    let Target { tenant, schedule } = target;
    let Some(stored) = storage.get(&keys::schedule(tenant, schedule))? else {
        return Ok(None);
    };
    let mut bookings = Vec::new();
    let mut booking_versions = HashMap::new();
    for (_, slot) in storage.scan(&keys::slots_of(tenant, schedule), Scan::ALL)? {
        let id = slot.record.booking;
        let booking = storage.get(&slot.record.booking_key(tenant))?;
        let booking = booking.ok_or(LoadError::BookingMissing { booking: id })?;
        booking_versions.insert(id, booking.version);
        bookings.push(booking.record.0);
    }
    Ok(Some(Loaded {
        state: ScheduleState::new(stored.record.schedule, bookings)?,
        record_version: stored.version,
        booked_before: stored.record.booked_before,
        booking_versions,
        is_stale: false,
    }))
}

impl Loaded {
    /// Takes over what storage has committed as `seq`.
    pub(crate) fn apply(&mut self, events: &[Event], wrote_schedule_record: WroteScheduleRecord, seq: Seq) {
        for event in events {
            match event {
                Event::Booked(booking) => {
                    self.booked_before = BookedBefore::Yes;
                    self.booking_versions.insert(booking.id, seq.into());
                }
                Event::Cancelled { booking, .. } => {
                    self.booking_versions.remove(booking);
                }
                Event::CheckedIn { booking, .. }
                | Event::Paid { booking, .. }
                | Event::NoShowMarked { booking, .. }
                | Event::Corrected { booking, .. } => {
                    self.booking_versions.insert(*booking, seq.into());
                }
                Event::Held { .. }
                | Event::HoldEnded { .. }
                | Event::SlotsAdded { .. }
                | Event::Stopped { .. }
                | Event::Reopened { .. }
                | Event::Relocated { .. } => {}
            }
            self.state.apply(event);
        }
        match wrote_schedule_record {
            WroteScheduleRecord::Yes => self.record_version = seq.into(),
            WroteScheduleRecord::No => {}
        }
    }

    /// Keeps the holds of the state that this one replaces: they are nowhere else. A schedule that was
    /// stopped meanwhile has none (INV-5).
    pub(crate) fn keep_holds_of(&mut self, before: &ScheduleState, now: Timestamp) {
        if self.state.schedule().is_stopped() {
            return;
        }
        for slot in before.slots() {
            let serial = slot.plan.serial;
            let still_free = self.state.occupancy(serial, now) == Some(Occupancy::Free);
            if let Occupancy::Held(hold) = slot.occupancy.at(now)
                && still_free
            {
                self.state.apply(&Event::Held { serial, hold });
            }
        }
    }
}

/// Whether a commit writes the schedule's own record, and so changes its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WroteScheduleRecord {
    Yes,
    No,
}
