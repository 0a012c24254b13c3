//! The state of one schedule: its slots and who has them.

use crate::booking::Booking;
use crate::event::Event;
use crate::ids::{BookingId, SerialNo, UserId};
use crate::invariants::{BrokenInvariant, Invariant};
use crate::ledger::Ledger;
use crate::schedule::{Channel, Schedule, SlotPlan};
use crate::time::Timestamp;
use crate::zone::ClinicZone;

/// A schedule, its slots, and the bookings that have not been cancelled.
///
/// It changes by [`apply`](Self::apply) alone, and every event comes from
/// [`decide`](Self::decide). It can be built again from the schedule and its bookings; only the
/// holds are lost by that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleState {
    pub(crate) schedule: Schedule,
    /// One for each of `schedule.slots`, in the same order.
    pub(crate) occupancies: Vec<Occupancy>,
    /// All that are not cancelled, missed visits among them: they still have their slots.
    pub(crate) bookings: Ledger,
}

/// Who has a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Occupancy {
    /// Nobody.
    Free,
    /// Somebody who is about to book it.
    Held(Hold),
    /// A booking that has not been cancelled.
    Booked(BookingId),
}

impl Occupancy {
    /// The occupancy at that instant: a hold that has expired leaves the slot free.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        match self {
            Self::Held(hold) if !hold.is_alive(now) => Self::Free,
            Self::Free | Self::Held(_) | Self::Booked(_) => self,
        }
    }
}

/// A slot that is kept for a user who is about to book it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hold {
    /// For whom.
    pub user: UserId,
    /// Since the first presubmit.
    pub since: Timestamp,
    /// The instant at which it is over.
    pub until: Timestamp,
}

impl Hold {
    /// Whether it still counts. A clock that is set back leaves a hold alive for as long again as it was given at most:
    /// one from a clock that was wrong by a year must not keep its slot for a year.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        now < self.until && self.since.since(now) <= self.until.since(self.since)
    }
}

/// A slot and who has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// Its number, time and channel.
    pub plan: SlotPlan,
    /// Who has it. An expired hold may still stand here; see [`Occupancy::at`].
    pub occupancy: Occupancy,
}

impl ScheduleState {
    /// Builds the state of a schedule from its bookings; cancelled ones are left out.
    ///
    /// Fails if they cannot have come from these rules: two bookings of one slot, say.
    pub fn new(
        schedule: Schedule,
        bookings: impl IntoIterator<Item = Booking>,
    ) -> Result<Self, BrokenInvariant> {
        let occupancies = vec![Occupancy::Free; schedule.slots.len()];
        let mut state = Self { schedule, occupancies, bookings: Ledger::default() };
        for booking in bookings {
            if booking.is_cancelled() {
                continue;
            }
            if !state.admit(booking) {
                let schedule = state.schedule.id;
                return Err(BrokenInvariant { invariant: Invariant::OneBookingPerSlot, schedule });
            }
        }
        state.bookings.shrink();
        state.check()?;
        Ok(state)
    }

    /// Puts a booking into its free slot; says no if the slot is unknown or booked.
    fn admit(&mut self, booking: Booking) -> bool {
        let Some(index) = self.schedule.index_of(booking.serial) else {
            return false;
        };
        if matches!(self.occupancies[index], Occupancy::Booked(_)) {
            return false;
        }
        self.occupancies[index] = Occupancy::Booked(booking.id);
        self.bookings.insert(booking)
    }

    /// The schedule as it is planned now.
    pub const fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// All slots, ascending by serial number.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        let both = self.schedule.slots.iter().zip(&self.occupancies);
        both.map(|(plan, occupancy)| Slot { plan: *plan, occupancy: *occupancy })
    }

    /// The slots that a patient could take in the app at that instant, ascending by serial
    /// number: neither booked, held, desk-only nor past. Whether the schedule is stopped or
    /// released is another question: [`Schedule::admits`].
    pub fn bookable_slots<'a>(
        &'a self,
        now: Timestamp,
        zone: &'a ClinicZone,
    ) -> impl Iterator<Item = SlotPlan> + 'a {
        let free = self.slots().filter(move |slot| {
            slot.plan.channel == Channel::Online && slot.occupancy.at(now) == Occupancy::Free
        });
        free.map(|slot| slot.plan).filter(move |plan| now < zone.instant(self.schedule.date, plan.time))
    }

    /// Who has a slot at that instant; `None` if there is no such slot.
    pub fn occupancy(&self, serial: SerialNo, now: Timestamp) -> Option<Occupancy> {
        let index = self.schedule.index_of(serial)?;
        Some(self.occupancies[index].at(now))
    }

    /// A booking that has not been cancelled.
    pub fn booking(&self, id: BookingId) -> Option<&Booking> {
        self.bookings.get(id)
    }

    /// The bookings that have not been cancelled, missed visits among them, ascending by id.
    pub fn bookings(&self) -> impl Iterator<Item = &Booking> {
        self.bookings.iter()
    }

    /// The bookings of status 0 or 2, ascending by id.
    pub fn live_bookings(&self) -> impl Iterator<Item = &Booking> {
        self.bookings().filter(|booking| booking.is_live())
    }

    /// Whether a hold is alive, which would be lost if the state were dropped.
    pub fn holds_alive(&self, now: Timestamp) -> bool {
        self.slots().any(|slot| matches!(slot.occupancy.at(now), Occupancy::Held(_)))
    }

    /// Whether this user has a live hold here: it counts towards the limit in other schedules.
    pub fn holds_for(&self, user: UserId, now: Timestamp) -> bool {
        self.hold_of(user).is_some_and(|(_, hold)| hold.is_alive(now))
    }

    /// The user's hold, alive or expired, and its slot; there is one at most (INV-3).
    pub(crate) fn hold_of(&self, user: UserId) -> Option<(SerialNo, Hold)> {
        self.slots().find_map(|slot| match slot.occupancy {
            Occupancy::Held(hold) if hold.user == user => Some((slot.plan.serial, hold)),
            Occupancy::Free | Occupancy::Held(_) | Occupancy::Booked(_) => None,
        })
    }

    /// The booking as it will stand after the event; `None` if the event is about none of these.
    /// This is what is to be written before the event is applied.
    pub fn booking_after(&self, event: &Event) -> Option<Booking> {
        if let Event::Booked(booking) = event {
            return Some(booking.clone());
        }
        let mut booking = self.booking(event.booking()?)?.clone();
        booking.apply(event);
        Some(booking)
    }

    /// Takes over what was decided, and committed where that was needed. It cannot fail.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Held { serial, hold } => self.occupy(*serial, Occupancy::Held(*hold)),
            Event::HoldEnded { serial } => self.occupy(*serial, Occupancy::Free),
            Event::Booked(booking) => {
                let admitted = self.admit(booking.clone());
                debug_assert!(admitted, "a booking was decided for a slot that is not free");
            }
            Event::Cancelled { booking, .. } => {
                if let Some(cancelled) = self.bookings.remove(*booking) {
                    self.occupy(cancelled.serial, Occupancy::Free);
                }
            }
            Event::CheckedIn { booking, .. }
            | Event::Paid { booking, .. }
            | Event::NoShowMarked { booking, .. }
            | Event::Corrected { booking, .. } => {
                if let Some(booking) = self.bookings.get_mut(*booking) {
                    booking.apply(event);
                }
            }
            Event::SlotsAdded { slots, .. } => {
                self.schedule.apply(event);
                for added in slots {
                    if let Some(index) = self.schedule.index_of(added.serial) {
                        self.occupancies.insert(index, Occupancy::Free);
                    }
                }
            }
            Event::Stopped { .. } | Event::Reopened { .. } | Event::Relocated { .. } => {
                self.schedule.apply(event);
            }
        }
        debug_assert_eq!(self.check(), Ok(()), "after {event:?}");
    }

    fn occupy(&mut self, serial: SerialNo, occupancy: Occupancy) {
        if let Some(index) = self.schedule.index_of(serial) {
            self.occupancies[index] = occupancy;
        }
    }
}
