//! What the clinic does to a schedule: more slots, stopping and reopening it, moving it.

use super::visit::cancelled;
use super::{Decision, Reply};
use crate::booking::Canceller;
use crate::command::{AddSlots, Relocate, Reopen, Stop};
use crate::event::Event;
use crate::rejection::Rejection;
use crate::schedule::{MAX_SLOTS, SlotPlan};
use crate::state::{Occupancy, ScheduleState};
use crate::time::Timestamp;

impl ScheduleState {
    /// Adds all of the slots or none. They keep the order of the schedule: a greater serial
    /// number is never earlier.
    pub(super) fn add_slots(&self, add: &AddSlots, now: Timestamp) -> Result<Decision, Rejection> {
        let there = &self.schedule.slots;
        if add.slots.iter().all(|new| self.schedule.slot(new.serial) == Some(new)) {
            return Ok(Decision::unchanged(Reply::Done));
        }
        if self.schedule.is_stopped() {
            return Err(Rejection::Stopped);
        }
        if there.len() + add.slots.len() > MAX_SLOTS {
            return Err(Rejection::TooManySlots);
        }
        if add.slots.iter().any(|new| self.schedule.slot(new.serial).is_some()) {
            return Err(Rejection::DuplicateSerial);
        }
        let mut slots = add.slots.clone();
        slots.sort_by_key(|plan| plan.serial);
        if slots.windows(2).any(|pair| pair[0].serial == pair[1].serial) {
            return Err(Rejection::DuplicateSerial);
        }
        let mut all: Vec<SlotPlan> = there.iter().chain(&slots).copied().collect();
        all.sort_by_key(|plan| plan.serial);
        if !all.is_sorted_by_key(|plan| plan.time) {
            return Err(Rejection::SlotsOutOfOrder);
        }
        let reason = add.reason.clone();
        Ok(Decision::one(Event::SlotsAdded { slots, at: now, by: add.staff, reason }))
    }

    /// Cancels every live booking and ends every hold, all in one decision.
    pub(super) fn stop(&self, stop: &Stop, now: Timestamp) -> Decision {
        if self.schedule.is_stopped() {
            return Decision::unchanged(Reply::Done);
        }
        let mut events = Vec::with_capacity(self.schedule.slots.len() + 1);
        for slot in self.slots() {
            match slot.occupancy {
                Occupancy::Free => {}
                Occupancy::Held(_) => events.push(Event::HoldEnded { serial: slot.plan.serial }),
                Occupancy::Booked(id) => {
                    let live = self.booking(id).filter(|booking| booking.is_live());
                    let by = Canceller::Stop(stop.staff);
                    events.extend(live.map(|booking| cancelled(booking, by, now)));
                }
            }
        }
        // Last, so that the schedule is empty by then (INV-5).
        let reason = stop.reason.clone();
        events.push(Event::Stopped { at: now, by: stop.staff, reason });
        Decision { events, reply: Reply::Done }
    }

    /// Opens a stopped schedule; its slots are free, and cancelled bookings stay cancelled.
    pub(super) fn reopen(&self, reopen: &Reopen, now: Timestamp) -> Decision {
        if !self.schedule.is_stopped() {
            return Decision::unchanged(Reply::Done);
        }
        Decision::one(Event::Reopened { at: now, by: reopen.staff })
    }

    /// Changes place and doctor from now on; bookings keep the doctor they were made with.
    pub(super) fn relocate(&self, relocate: &Relocate, now: Timestamp) -> Decision {
        let schedule = &self.schedule;
        let location = relocate.location.as_ref().filter(|place| **place != schedule.location);
        let doctor = relocate.doctor.filter(|doctor| Some(*doctor) != schedule.doctor);
        if location.is_none() && doctor.is_none() {
            return Decision::unchanged(Reply::Done);
        }
        let location = location.cloned();
        Decision::one(Event::Relocated { location, doctor, at: now, by: relocate.staff })
    }
}
