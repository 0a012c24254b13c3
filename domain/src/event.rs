//! What a schedule has decided, told so fully that applying it needs nothing else.

use crate::booking::{Booking, Canceller, Charge, Status};
use crate::command::Reason;
use crate::ids::{BookingId, DoctorId, SerialNo, StaffId};
use crate::schedule::{Schedule, SlotPlan, Standing};
use crate::state::Hold;
use crate::time::Timestamp;

/// One change of a schedule or of its bookings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A slot is held, or held for longer.
    Held {
        /// The slot.
        serial: SerialNo,
        /// By whom, and until when.
        hold: Hold,
    },
    /// A slot is no longer held.
    HoldEnded {
        /// The slot.
        serial: SerialNo,
    },
    /// A slot is booked.
    Booked(Booking),
    /// A booking was given up; its slot is free.
    Cancelled {
        /// The booking.
        booking: BookingId,
        /// When.
        at: Timestamp,
        /// By whom.
        by: Canceller,
        /// How its money stands now.
        charge: Charge,
    },
    /// The patient is at the desk.
    CheckedIn {
        /// The booking.
        booking: BookingId,
        /// When.
        at: Timestamp,
        /// By whose word.
        by: StaffId,
    },
    /// The fee was paid. On a booking that can no longer be kept, it is to be paid back.
    Paid {
        /// The booking.
        booking: BookingId,
        /// When it was paid, by the word of whoever took the money.
        paid_at: Timestamp,
        /// When we heard of it.
        at: Timestamp,
        /// How the booking's money stands now.
        charge: Charge,
    },
    /// The patient did not turn up.
    NoShowMarked {
        /// The booking.
        booking: BookingId,
        /// When it was marked.
        at: Timestamp,
    },
    /// The patient did turn up, after all.
    Corrected {
        /// The booking.
        booking: BookingId,
        /// When it was corrected.
        at: Timestamp,
        /// By whose word.
        by: StaffId,
        /// Why.
        reason: Reason,
    },
    /// There are more slots.
    SlotsAdded {
        /// The new ones, ascending by serial number.
        slots: Vec<SlotPlan>,
        /// When.
        at: Timestamp,
        /// By whose word.
        by: StaffId,
        /// Why.
        reason: Reason,
    },
    /// The schedule does not take place.
    Stopped {
        /// When it was stopped.
        at: Timestamp,
        /// By whose word.
        by: StaffId,
        /// Why.
        reason: Reason,
    },
    /// The schedule takes place again.
    Reopened {
        /// When it was reopened.
        at: Timestamp,
        /// By whose word.
        by: StaffId,
    },
    /// Another place, another doctor, or both; `None` where nothing has changed.
    Relocated {
        /// The new place.
        location: Option<String>,
        /// The substitute.
        doctor: Option<DoctorId>,
        /// When it was changed.
        at: Timestamp,
        /// By whose word.
        by: StaffId,
    },
}

impl Event {
    /// Whether it lives in memory only: holds are not worth a write, and end with a restart.
    pub const fn is_volatile(&self) -> bool {
        match self {
            Self::Held { .. } | Self::HoldEnded { .. } => true,
            Self::Booked(_)
            | Self::Cancelled { .. }
            | Self::CheckedIn { .. }
            | Self::Paid { .. }
            | Self::NoShowMarked { .. }
            | Self::Corrected { .. }
            | Self::SlotsAdded { .. }
            | Self::Stopped { .. }
            | Self::Reopened { .. }
            | Self::Relocated { .. } => false,
        }
    }

    /// The booking that it makes or changes.
    pub const fn booking(&self) -> Option<BookingId> {
        match self {
            Self::Booked(booking) => Some(booking.id),
            Self::Cancelled { booking, .. }
            | Self::CheckedIn { booking, .. }
            | Self::Paid { booking, .. }
            | Self::NoShowMarked { booking, .. }
            | Self::Corrected { booking, .. } => Some(*booking),
            Self::Held { .. }
            | Self::HoldEnded { .. }
            | Self::SlotsAdded { .. }
            | Self::Stopped { .. }
            | Self::Reopened { .. }
            | Self::Relocated { .. } => None,
        }
    }
}

impl Booking {
    /// Changes the booking as the event says; events of other bookings change nothing.
    pub fn apply(&mut self, event: &Event) {
        if event.booking() != Some(self.id) {
            return;
        }
        match event {
            Event::Cancelled { at, by, charge, .. } => {
                self.status = Status::Cancelled { at: *at, by: *by };
                self.charge = *charge;
            }
            Event::CheckedIn { at, .. } => {
                self.register(*at);
                self.checked_in_at = Some(*at);
            }
            Event::Paid { at, charge, .. } => {
                self.register(*at);
                self.charge = *charge;
            }
            Event::NoShowMarked { at, .. } => self.status = Status::NoShow { at: *at },
            Event::Corrected { at, .. } => {
                self.status = Status::Registered { at: *at };
                // The desk vouches for the visit; when exactly it was, nobody has noted.
                self.checked_in_at = Some(*at);
            }
            Event::Held { .. }
            | Event::HoldEnded { .. }
            | Event::Booked(_)
            | Event::SlotsAdded { .. }
            | Event::Stopped { .. }
            | Event::Reopened { .. }
            | Event::Relocated { .. } => {}
        }
    }

    /// 0 -> 2; every other status stays, a missed visit in particular.
    fn register(&mut self, at: Timestamp) {
        match self.status {
            Status::Booked => self.status = Status::Registered { at },
            Status::Cancelled { .. } | Status::Registered { .. } | Status::NoShow { .. } => {}
        }
    }
}

impl Schedule {
    /// Changes the plan as the event says; events of holds and bookings change nothing.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::SlotsAdded { slots, .. } => {
                self.slots.extend_from_slice(slots);
                self.slots.sort_by_key(|plan| plan.serial);
            }
            Event::Stopped { at, by, .. } => self.standing = Standing::Stopped { at: *at, by: *by },
            Event::Reopened { .. } => self.standing = Standing::Open,
            Event::Relocated { location, doctor, .. } => {
                if let Some(location) = location {
                    self.location.clone_from(location);
                }
                if doctor.is_some() {
                    self.doctor = *doctor;
                }
            }
            Event::Held { .. }
            | Event::HoldEnded { .. }
            | Event::Booked(_)
            | Event::Cancelled { .. }
            | Event::CheckedIn { .. }
            | Event::Paid { .. }
            | Event::NoShowMarked { .. }
            | Event::Corrected { .. } => {}
        }
    }
}
