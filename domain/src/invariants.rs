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
                return Err(BrokenInvariant { invariant, schedule: self.schedule.id });
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
    let held = state.occupancies.iter().any(|one| matches!(one, Occupancy::Held(_)));
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
        booking.schedule == schedule.id && booking.date == schedule.date && booking.period == schedule.period
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::booking::Owner;
    use crate::ids::{BookingCode, BookingId, DepartmentId, MemberId, PatientId, SerialNo, StaffId, UserId};
    use crate::money::Fen;
    use crate::schedule::{Channel, ClinicKind, Schedule, SlotPlan, Standing};
    use crate::state::Hold;
    use crate::time::{Date, Period, TimeOfDay, Timestamp};

    fn serial(number: u16) -> SerialNo {
        SerialNo::new(number).unwrap()
    }

    fn booking(id: u64, number: u16) -> Booking {
        Booking {
            id: BookingId::new(id).unwrap(),
            code: BookingCode::new(1).unwrap(),
            schedule: ScheduleId::new(1).unwrap(),
            serial: serial(number),
            owner: Owner::Account { user: UserId::new(id).unwrap(), member: MemberId::new(id).unwrap() },
            patient: PatientId::new(id).unwrap(),
            date: Date::parse("2026-12-01").unwrap(),
            period: Period::Am,
            starts_at: Timestamp::ZERO,
            department: DepartmentId::new(1).unwrap(),
            doctor: None,
            kind: ClinicKind::Ordinary,
            fee: Fen::ZERO,
            booked_at: Timestamp::ZERO,
            status: Status::Booked,
            charge: Charge::Unpaid,
            checked_in_at: None,
        }
    }

    /// Slots 1 and 2 are booked as 10 and 20, slots 3 and 4 are free.
    fn state() -> ScheduleState {
        let plan = |number| SlotPlan {
            serial: serial(number),
            time: TimeOfDay::from_minutes(480 + number).unwrap(),
            channel: Channel::Online,
        };
        let schedule = Schedule {
            id: ScheduleId::new(1).unwrap(),
            department: DepartmentId::new(1).unwrap(),
            doctor: None,
            date: Date::parse("2026-12-01").unwrap(),
            period: Period::Am,
            kind: ClinicKind::Ordinary,
            fee: Fen::ZERO,
            location: String::new(),
            slots: (1..=4).map(plan).collect(),
            standing: Standing::Open,
        };
        ScheduleState::new(schedule, [booking(10, 1), booking(20, 2)]).unwrap()
    }

    fn held_by(user: u64) -> Occupancy {
        let until = Timestamp::from_millis(1);
        Occupancy::Held(Hold { user: UserId::new(user).unwrap(), since: Timestamp::ZERO, until })
    }

    fn first(state: &mut ScheduleState) -> &mut Booking {
        state.bookings.get_mut(BookingId::new(10).unwrap()).unwrap()
    }

    type Damage = fn(&mut ScheduleState);

    /// Each damage, and all the invariants that it breaks.
    const DAMAGES: [(Damage, &[Invariant]); 14] = [
        (|_| {}, &[]),
        (|state| state.occupancies[0] = Occupancy::Free, &[Invariant::OneBookingPerSlot]),
        (|state| state.occupancies.swap(0, 1), &[Invariant::OneBookingPerSlot]),
        (|state| state.occupancies[2] = state.occupancies[0], &[Invariant::OneBookingPerSlot]),
        (|state| first(state).serial = serial(3), &[Invariant::OneBookingPerSlot]),
        (
            |state| {
                let (at, by) = (Timestamp::ZERO, crate::booking::Canceller::Patient);
                first(state).status = Status::Cancelled { at, by };
            },
            &[Invariant::OneBookingPerSlot],
        ),
        (|state| state.occupancies.push(Occupancy::Free), &[Invariant::SlotsAscend]),
        (|state| state.schedule.slots[3].time = TimeOfDay::MIDNIGHT, &[Invariant::SlotsAscend]),
        (
            |state| {
                state.occupancies[2] = held_by(7);
                state.occupancies[3] = held_by(7);
            },
            &[Invariant::OneHoldPerUser],
        ),
        (
            |state| state.occupancies[0] = held_by(7),
            &[Invariant::OneBookingPerSlot, Invariant::HeldIsNotBooked],
        ),
        (
            |state| {
                let (at, by) = (Timestamp::ZERO, StaffId::new(1).unwrap());
                state.schedule.standing = Standing::Stopped { at, by };
            },
            &[Invariant::StoppedIsEmpty],
        ),
        (|state| first(state).charge = Charge::Paid, &[Invariant::ChargeFitsStatus]),
        (|state| first(state).schedule = ScheduleId::new(2).unwrap(), &[Invariant::BookingFitsSchedule]),
        (|state| first(state).period = Period::Pm, &[Invariant::BookingFitsSchedule]),
    ];

    #[test]
    fn each_damage_is_found_by_its_invariant() {
        for (number, (damage, broken)) in DAMAGES.into_iter().enumerate() {
            let mut state = state();
            damage(&mut state);
            let found: Vec<_> =
                Invariant::ALL.into_iter().filter(|invariant| !invariant.holds(&state)).collect();
            assert_eq!(found, broken, "damage {number}");
            let first = state.check().err().map(|broken| broken.invariant);
            assert_eq!(first, broken.first().copied(), "damage {number}");
        }
    }

    #[test]
    fn every_invariant_is_broken_once() {
        for invariant in Invariant::ALL {
            assert!(DAMAGES.iter().any(|(_, broken)| broken.contains(&invariant)), "{invariant}");
        }
    }

    #[test]
    fn holds_of_different_users_break_nothing() {
        let mut state = state();
        state.occupancies[2] = held_by(7);
        state.occupancies[3] = held_by(8);
        assert_eq!(state.check(), Ok(()));
    }
}
