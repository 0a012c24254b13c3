//! What is always true of a schedule's state. Each invariant has a name and one predicate.

use std::fmt;

use thiserror::Error;

use crate::booking::{Booking, Charge, Status};
use crate::ids::ScheduleId;
use crate::state::{Occupancy, ScheduleState};

/// The invariants of a schedule's state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Invariant {
    /// INV-1: a slot has at most one booking that is not cancelled, and each such booking has
    /// exactly its slot.
    OneBookingPerSlot,
    /// INV-2: 1 to 500 slots, their serial numbers ascend, and their times with them.
    SlotsAscend,
    /// INV-3: a user holds at most one slot of a schedule.
    OneHoldPerUser,
    /// INV-4: a slot that is held is not booked.
    HeldIsNotBooked,
    /// INV-5: a stopped schedule has no booking of status 0 or 2, and no hold.
    StoppedIsEmpty,
    /// INV-6: the money of a booking fits its status.
    ChargeFitsStatus,
    /// INV-7: a booking names the schedule it is in, its day and its half-day.
    BookingFitsSchedule,
}

impl Invariant {
    /// All of them, by number.
    pub const ALL: [Self; 7] = [
        Self::OneBookingPerSlot,
        Self::SlotsAscend,
        Self::OneHoldPerUser,
        Self::HeldIsNotBooked,
        Self::StoppedIsEmpty,
        Self::ChargeFitsStatus,
        Self::BookingFitsSchedule,
    ];

    /// Its name in the documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneBookingPerSlot => "INV-1",
            Self::SlotsAscend => "INV-2",
            Self::OneHoldPerUser => "INV-3",
            Self::HeldIsNotBooked => "INV-4",
            Self::StoppedIsEmpty => "INV-5",
            Self::ChargeFitsStatus => "INV-6",
            Self::BookingFitsSchedule => "INV-7",
        }
    }

    /// Whether the state keeps it.
    pub fn holds(self, state: &ScheduleState) -> bool {
        match self {
            Self::OneBookingPerSlot => one_booking_per_slot(state),
            Self::SlotsAscend => slots_ascend(state),
            Self::OneHoldPerUser => one_hold_per_user(state),
            Self::HeldIsNotBooked => held_is_not_booked(state),
            Self::StoppedIsEmpty => stopped_is_empty(state),
            Self::ChargeFitsStatus => state.bookings().all(charge_fits_status),
            Self::BookingFitsSchedule => booking_fits_schedule(state),
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A state that these rules cannot have made. Whoever meets it must stop, not guess.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("{invariant} is broken in schedule {schedule}")]
pub struct BrokenInvariant {
    /// What is broken.
    pub invariant: Invariant,
    /// Where.
    pub schedule: ScheduleId,
}

impl ScheduleState {
    /// Names the first invariant that the state breaks.
    pub fn check(&self) -> Result<(), BrokenInvariant> {
        for invariant in Invariant::ALL {
            if !invariant.holds(self) {
                return Err(BrokenInvariant {
                    invariant,
                    schedule: self.schedule.id,
                });
            }
        }
        Ok(())
    }
}

fn one_booking_per_slot(state: &ScheduleState) -> bool {
    let mut booked = 0;
    for slot in state.slots() {
        let Occupancy::Booked(id) = slot.occupancy else {
            continue;
        };
        booked += 1;
        let fits = |booking: &Booking| booking.id == id && booking.serial == slot.plan.serial;
        if !state.booking(id).is_some_and(fits) {
            return false;
        }
    }
    // Each booked slot has a booking of its own, so equal numbers leave none without a slot.
    booked == state.bookings.len() && !state.bookings().any(Booking::is_cancelled)
}

fn slots_ascend(state: &ScheduleState) -> bool {
    let slots = &state.schedule.slots;
    state.schedule.validate().is_ok() && slots.len() == state.occupancies.len()
}

fn one_hold_per_user(state: &ScheduleState) -> bool {
    let mut rest = state.occupancies.as_slice();
    while let [first, others @ ..] = rest {
        rest = others;
        let Occupancy::Held(hold) = first else {
            continue;
        };
        let same_user = |other: &Occupancy| match other {
            Occupancy::Held(other) => other.user == hold.user,
            Occupancy::Free | Occupancy::Booked(_) => false,
        };
        if others.iter().any(same_user) {
            return false;
        }
    }
    true
}

fn held_is_not_booked(state: &ScheduleState) -> bool {
    let held = |booking: &Booking| {
        let index = state.schedule.index_of(booking.serial);
        let occupancy = index.and_then(|index| state.occupancies.get(index));
        matches!(occupancy, Some(Occupancy::Held(_)))
    };
    !state.bookings().any(held)
}

fn stopped_is_empty(state: &ScheduleState) -> bool {
    if !state.schedule.is_stopped() {
        return true;
    }
    let held = state
        .occupancies
        .iter()
        .any(|one| matches!(one, Occupancy::Held(_)));
    !held && state.live_bookings().next().is_none()
}

/// Not paid before it is registered; registered because it is paid or because the patient came;
/// missed only if it was not paid in time. `Expired` is for cancelled bookings.
fn charge_fits_status(booking: &Booking) -> bool {
    let visited = booking.checked_in_at.is_some();
    match booking.status {
        Status::Booked => booking.charge == Charge::Unpaid && !visited,
        Status::Registered { .. } => match booking.charge {
            Charge::Paid => true,
            Charge::Unpaid | Charge::RefundDue | Charge::Refunded => visited,
            Charge::Expired => false,
        },
        Status::NoShow { .. } => match booking.charge {
            Charge::Unpaid | Charge::RefundDue | Charge::Refunded => !visited,
            Charge::Paid | Charge::Expired => false,
        },
        Status::Cancelled { .. } => booking.charge != Charge::Paid,
    }
}

fn booking_fits_schedule(state: &ScheduleState) -> bool {
    let schedule = &state.schedule;
    state.bookings().all(|booking| {
        booking.schedule == schedule.id
            && booking.date == schedule.date
            && booking.period == schedule.period
    })
}
