//! The life of a booking: paid, checked in, missed, corrected, or given up.

use std::time::Duration;

use super::{Decision, Reply};
use crate::booking::{Booking, Canceller, Charge, Status};
use crate::command::{Cancel, CancelBy, CheckIn, Correct, NoShow, Paid, PaidBy};
use crate::event::Event;
use crate::policy::Policy;
use crate::rejection::Rejection;
use crate::state::ScheduleState;
use crate::time::Timestamp;

/// For how long after it was marked a missed visit can be corrected.
const CORRECTION_WINDOW: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl ScheduleState {
    /// 0 -> 1 and 2 -> 1.
    pub(super) fn cancel(
        &self,
        cancel: &Cancel,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<Decision, Rejection> {
        let Some(booking) = self.booking(cancel.booking) else {
            return Ok(Decision::unchanged(Reply::Done));
        };
        let by = match cancel.by {
            CancelBy::Patient(user) => {
                if booking.user() != Some(user) {
                    return Err(Rejection::BookingUnknown);
                }
                if now >= booking.starts_at.minus(policy.cancel_before) {
                    return Err(Rejection::TooLateToCancel);
                }
                Canceller::Patient
            }
            CancelBy::Staff(staff) => Canceller::Staff(staff),
            CancelBy::Unpaid => {
                if booking.status != Status::Booked || booking.fee.is_zero() {
                    return Err(Rejection::WrongStatus);
                }
                Canceller::Unpaid
            }
        };
        if !booking.is_live() {
            return Err(Rejection::WrongStatus);
        }
        Ok(Decision::one(cancelled(booking, by, now)))
    }

    /// 0 -> 2 at the desk; a paid booking is 2 already and only notes that the patient came.
    pub(super) fn check_in(&self, check_in: &CheckIn, now: Timestamp) -> Result<Decision, Rejection> {
        let booking = self.booking(check_in.booking).ok_or(Rejection::WrongStatus)?;
        if !booking.is_live() {
            return Err(Rejection::WrongStatus);
        }
        if booking.checked_in_at.is_some() {
            return Ok(Decision::unchanged(Reply::Done));
        }
        let event = Event::CheckedIn { booking: booking.id, at: now, by: check_in.staff };
        Ok(Decision::one(event))
    }

    /// 0 -> 2 by payment.
    pub(super) fn paid(&self, paid: &Paid, now: Timestamp) -> Result<Decision, Rejection> {
        let decision = self.take_money(paid, now);
        match (decision.reply, paid.by) {
            (Reply::RefundDue, PaidBy::Desk(_)) => Err(Rejection::WrongStatus),
            (Reply::RefundDue | Reply::Done | Reply::Held { .. } | Reply::Booked(_), _) => Ok(decision),
        }
    }

    /// Money that has been taken is never refused: what the booking cannot take is to be paid back.
    fn take_money(&self, paid: &Paid, now: Timestamp) -> Decision {
        let Some(booking) = self.booking(paid.booking) else {
            return Decision::unchanged(Reply::RefundDue);
        };
        match booking.charge {
            Charge::Paid => return Decision::unchanged(Reply::Done),
            Charge::RefundDue | Charge::Refunded | Charge::Expired => {
                return Decision::unchanged(Reply::RefundDue);
            }
            Charge::Unpaid if booking.fee.is_zero() => {
                return Decision::unchanged(Reply::RefundDue);
            }
            Charge::Unpaid => {}
        }
        let (charge, reply) = if booking.is_live() {
            (Charge::Paid, Reply::Done)
        } else {
            (Charge::RefundDue, Reply::RefundDue)
        };
        let event = Event::Paid { booking: booking.id, paid_at: paid.paid_at, at: now, charge };
        Decision { events: vec![event], reply }
    }

    /// 0 -> 3, once the day of the visit has passed.
    pub(super) fn no_show(
        &self,
        no_show: &NoShow,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<Decision, Rejection> {
        let booking = self.booking(no_show.booking).ok_or(Rejection::WrongStatus)?;
        match booking.status {
            Status::Booked => {}
            Status::NoShow { .. } => return Ok(Decision::unchanged(Reply::Done)),
            Status::Registered { .. } | Status::Cancelled { .. } => {
                return Err(Rejection::WrongStatus);
            }
        }
        if policy.zone.date_of(now) <= booking.date {
            return Err(Rejection::NotYet);
        }
        Ok(Decision::one(Event::NoShowMarked { booking: booking.id, at: now }))
    }

    /// 3 -> 2. A booking whose patient has been noted as seen is corrected already.
    pub(super) fn correct(&self, correct: &Correct, now: Timestamp) -> Result<Decision, Rejection> {
        let booking = self.booking(correct.booking).ok_or(Rejection::WrongStatus)?;
        let marked_at = match booking.status {
            Status::NoShow { at } => at,
            Status::Registered { .. } if booking.checked_in_at.is_some() => {
                return Ok(Decision::unchanged(Reply::Done));
            }
            Status::Booked | Status::Registered { .. } | Status::Cancelled { .. } => {
                return Err(Rejection::WrongStatus);
            }
        };
        if self.schedule.is_stopped() {
            // It did not take place, so nobody was seen; and a stopped schedule stays empty (INV-5).
            return Err(Rejection::Stopped);
        }
        if now > marked_at.plus(CORRECTION_WINDOW) {
            return Err(Rejection::CorrectionTooLate);
        }
        Ok(Decision::one(Event::Corrected {
            booking: booking.id,
            at: now,
            by: correct.staff,
            reason: correct.reason.clone(),
        }))
    }
}

/// Gives a live booking up; whatever was paid for it is to be paid back.
pub(super) fn cancelled(booking: &Booking, by: Canceller, now: Timestamp) -> Event {
    let charge = match (booking.charge, by) {
        (Charge::Paid, _) => Charge::RefundDue,
        (Charge::Unpaid, Canceller::Unpaid) => Charge::Expired,
        (Charge::Unpaid, Canceller::Patient | Canceller::Staff(_) | Canceller::Stop(_))
        | (Charge::RefundDue | Charge::Refunded | Charge::Expired, _) => booking.charge,
    };
    Event::Cancelled { booking: booking.id, at: now, by, charge }
}
