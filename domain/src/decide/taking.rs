//! Taking a slot: holding it for a while, and booking it.

use super::{Decision, Reply};
use crate::booking::{Booking, Charge, Owner, Status};
use crate::command::{Booker, PatientFacts, Presubmit, Submit};
use crate::event::Event;
use crate::ids::{BookingId, SerialNo, UserId};
use crate::policy::{DailyVisits, Policy};
use crate::rejection::Rejection;
use crate::schedule::Channel;
use crate::state::{Hold, Occupancy, ScheduleState};
use crate::time::Timestamp;

/// Who would take a slot. Patients do not get desk-only slots, and a hold lets nobody pass but
/// its user, or the desk on that user's behalf.
#[derive(Clone, Copy)]
enum Taker {
    User(UserId),
    Desk,
    DeskFor(UserId),
}

impl ScheduleState {
    /// Holds a slot for a user. The same slot again renews the hold, another one moves it.
    pub(super) fn presubmit(
        &self,
        ask: &Presubmit,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<Decision, Rejection> {
        self.schedule.admits(now, policy)?;
        self.slot_time(ask.serial, Taker::User(ask.user), now, policy)?;
        if ask.active >= policy.max_active_per_user {
            return Err(Rejection::ActiveLimit);
        }
        if ask.other_holds >= policy.max_holds_per_user {
            return Err(Rejection::TooManyHolds);
        }
        let serial = ask.serial;
        let before = self.hold_of(ask.user);
        let hold = match before {
            Some((held, hold)) if held == serial && hold.is_alive(now) => renewed(hold, now, policy),
            Some(_) | None => first_hold(ask.user, now, policy),
        };
        let mut events = Vec::new();
        if before != Some((serial, hold)) {
            events.extend(self.end_of_hold_elsewhere(ask.user, serial));
            events.push(Event::Held { serial, hold });
        }
        Ok(Decision { events, reply: Reply::Held { until: hold.until } })
    }

    /// Books a slot, which ends the user's hold in this schedule.
    pub(super) fn submit(
        &self,
        submit: &Submit,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<Decision, Rejection> {
        if let Some(booking) = self.booked_before(submit) {
            return Ok(Decision::unchanged(Reply::Booked(booking)));
        }
        let taker = match submit.booker {
            Booker::Patient { user, .. } => Taker::User(user),
            Booker::Desk { .. } => Taker::Desk,
            Booker::DeskForMember { user, .. } => Taker::DeskFor(user),
        };
        self.schedule.admits(now, policy)?;
        let starts_at = self.slot_time(submit.serial, taker, now, policy)?;
        let patient = submit.patient.as_ref().ok_or(Rejection::MemberUnknown)?;
        check_patient(patient, submit.booker, now, policy)?;

        let mut events = Vec::new();
        let owner = match submit.booker {
            Booker::Patient { user, member, .. } | Booker::DeskForMember { user, member, .. } => {
                events.extend(self.end_of_hold_elsewhere(user, submit.serial));
                Owner::Account { user, member }
            }
            Booker::Desk { staff } => Owner::Desk { staff },
        };
        events.push(Event::Booked(Booking {
            id: submit.new.id,
            code: submit.new.code,
            schedule: self.schedule.id,
            serial: submit.serial,
            owner,
            patient: patient.patient,
            date: self.schedule.date,
            period: self.schedule.period,
            starts_at,
            department: self.schedule.department,
            doctor: self.schedule.doctor,
            kind: self.schedule.kind,
            fee: self.schedule.fee,
            booked_at: now,
            status: Status::Booked,
            charge: Charge::Unpaid,
            checked_in_at: None,
        }));
        Ok(Decision { events, reply: Reply::Booked(submit.new.id) })
    }

    /// The live booking that an earlier submit of the same content has made.
    fn booked_before(&self, submit: &Submit) -> Option<BookingId> {
        let index = self.schedule.index_of(submit.serial)?;
        let booking = match self.occupancies[index] {
            Occupancy::Booked(id) => self.booking(id)?,
            Occupancy::Free | Occupancy::Held(_) => return None,
        };
        let for_same_patient = || submit.patient.map(|facts| facts.patient) == Some(booking.patient);
        let same = match (submit.booker, booking.owner) {
            (Booker::Patient { user, member, .. }, owner @ Owner::Account { .. }) => {
                owner == Owner::Account { user, member }
            }
            (Booker::DeskForMember { user, member, .. }, owner @ Owner::Account { .. }) => {
                owner == Owner::Account { user, member } && for_same_patient()
            }
            (Booker::Desk { staff }, owner @ Owner::Desk { .. }) => {
                owner == Owner::Desk { staff } && for_same_patient()
            }
            (Booker::Patient { .. } | Booker::DeskForMember { .. }, Owner::Desk { .. })
            | (Booker::Desk { .. }, Owner::Account { .. }) => false,
        };
        (same && booking.is_live()).then_some(booking.id)
    }

    /// The time of a slot that this taker can have: it exists, is to come, and is free.
    fn slot_time(
        &self,
        serial: SerialNo,
        taker: Taker,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<Timestamp, Rejection> {
        let index = self.schedule.index_of(serial).ok_or(Rejection::SlotUnknown)?;
        let plan = self.schedule.slots[index];
        let starts_at = policy.zone.instant(self.schedule.date, plan.time);
        if now >= starts_at {
            return Err(Rejection::Past);
        }
        match (plan.channel, taker) {
            (Channel::DeskOnly, Taker::User(_)) => return Err(Rejection::SlotTaken),
            (Channel::DeskOnly, Taker::Desk | Taker::DeskFor(_)) | (Channel::Online, _) => {}
        }
        match (self.occupancies[index].at(now), taker) {
            (Occupancy::Booked(_), _) => Err(Rejection::SlotTaken),
            (Occupancy::Held(hold), Taker::User(user) | Taker::DeskFor(user)) if hold.user == user => {
                Ok(starts_at)
            }
            (Occupancy::Held(_), Taker::User(_) | Taker::Desk | Taker::DeskFor(_)) => {
                Err(Rejection::SlotHeld)
            }
            (Occupancy::Free, _) => Ok(starts_at),
        }
    }

    /// Ends the user's hold on another slot. One on this slot needs no event of its own: what
    /// comes next takes its place.
    fn end_of_hold_elsewhere(&self, user: UserId, serial: SerialNo) -> Option<Event> {
        let (held, _) = self.hold_of(user)?;
        (held != serial).then_some(Event::HoldEnded { serial: held })
    }
}

fn check_patient(
    patient: &PatientFacts,
    booker: Booker,
    now: Timestamp,
    policy: &Policy,
) -> Result<(), Rejection> {
    if patient.same_half_day.is_some() {
        return Err(Rejection::HalfDayTaken);
    }
    match policy.visits_per_patient_per_day {
        DailyVisits::One if patient.other_half_day.is_some() => return Err(Rejection::DayLimit),
        DailyVisits::One | DailyVisits::Two => {}
    }
    match booker {
        Booker::Patient { active, .. } | Booker::DeskForMember { active, .. }
            if active >= policy.max_active_per_user =>
        {
            return Err(Rejection::ActiveLimit);
        }
        Booker::Patient { .. } | Booker::DeskForMember { .. } | Booker::Desk { .. } => {}
    }
    match patient.barred_until {
        Some(until) if policy.no_show.bars(until, policy.zone.date_of(now)) => Err(Rejection::Barred),
        Some(_) | None => Ok(()),
    }
}

fn first_hold(user: UserId, now: Timestamp, policy: &Policy) -> Hold {
    let until = now.plus(policy.hold.min(policy.hold_limit));
    Hold { user, since: now, until }
}

/// Lasts from now on, but not beyond the limit, and never shorter than was promised before.
fn renewed(hold: Hold, now: Timestamp, policy: &Policy) -> Hold {
    let wanted = now.plus(policy.hold).min(hold.since.plus(policy.hold_limit));
    Hold { until: wanted.max(hold.until), ..hold }
}
