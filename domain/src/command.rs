//! What a schedule can be asked to do. Whoever asks has been identified before; facts that lie
//! outside the schedule travel in the command.

use std::fmt;

use thiserror::Error;

use crate::ids::{BookingCode, BookingId, DoctorId, MemberId, PatientId, SerialNo, StaffId, UserId};
use crate::schedule::SlotPlan;
use crate::time::{Date, Timestamp};

/// One question to a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Hold a slot for a while.
    Presubmit(Presubmit),
    /// Book a slot.
    Submit(Submit),
    /// Give a booking up.
    Cancel(Cancel),
    /// The patient is at the desk.
    CheckIn(CheckIn),
    /// The money has come.
    Paid(Paid),
    /// The patient did not turn up.
    NoShow(NoShow),
    /// The patient did turn up, after all.
    Correct(Correct),
    /// More slots (加号).
    AddSlots(AddSlots),
    /// The schedule does not take place (停诊).
    Stop(Stop),
    /// The stopped schedule takes place again.
    Reopen(Reopen),
    /// Another place, or another doctor (替诊).
    Relocate(Relocate),
}

/// Hold a slot for a user, or renew the hold, or move it here from another slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presubmit {
    /// Who asks.
    pub user: UserId,
    /// The slot.
    pub serial: SerialNo,
    /// How many live bookings the user has.
    pub active: u16,
    /// How many live holds the user has in other schedules.
    pub other_holds: u8,
}

/// Book a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submit {
    /// The slot.
    pub serial: SerialNo,
    /// Who asks.
    pub booker: Booker,
    /// Who will be seen; `None` if the booker has no such member, or the desk no such patient.
    pub patient: Option<PatientFacts>,
    /// What to name the booking, if there will be one.
    pub new: NewBooking,
}

/// Who books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booker {
    /// An account, for one of its members.
    Patient {
        /// The account.
        user: UserId,
        /// The member.
        member: MemberId,
        /// How many live bookings the account has.
        active: u16,
    },
    /// The desk, on behalf of a patient.
    Desk {
        /// Who sits there.
        staff: StaffId,
    },
    /// The desk, on behalf of a member of an account: the booking is the account's, as if it had booked itself, so
    /// that its limit holds and its own hold lets it pass; but slots for the desk alone are given out too.
    DeskForMember {
        /// The account.
        user: UserId,
        /// The member.
        member: MemberId,
        /// How many live bookings the account has.
        active: u16,
    },
}

/// What the rules need to know of a patient beyond the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatientFacts {
    /// The patient.
    pub patient: PatientId,
    /// The patient's booking on the schedule's half-day, in any schedule.
    pub same_half_day: Option<BookingId>,
    /// The patient's booking on the other half of that day.
    pub other_half_day: Option<BookingId>,
    /// The first day on which the patient may book again after missed visits (爽约).
    pub barred_until: Option<Date>,
}

/// The names of a booking to be made. Both are lost if it is not made; gaps are fine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewBooking {
    /// Its number.
    pub id: BookingId,
    /// What the patient will show at the desk.
    pub code: BookingCode,
}

/// Give a booking up. The caller has seen that the booking exists and belongs to this schedule:
/// one that the state does not hold was cancelled before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// The booking.
    pub booking: BookingId,
    /// Who asks.
    pub by: CancelBy,
}

/// Who asks to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelBy {
    /// An account: only its own bookings, and only before the deadline.
    Patient(UserId),
    /// The clinic's staff: any booking, also after the deadline.
    Staff(StaffId),
    /// The clock: a booking that was not paid in time.
    Unpaid,
}

/// The patient is at the desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckIn {
    /// The booking.
    pub booking: BookingId,
    /// Who sits at the desk.
    pub staff: StaffId,
}

/// The booking's fee has been paid in full; the amount was compared before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// The booking.
    pub booking: BookingId,
    /// When it was paid, by the word of whoever took the money.
    pub paid_at: Timestamp,
    /// Who took the money.
    pub by: PaidBy,
}

/// Who took the money for a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaidBy {
    /// A payment provider, some time ago: it cannot be refused any more.
    Provider,
    /// The desk is about to take cash (现金): what the booking cannot take is refused and stays with the patient.
    Desk(StaffId),
}

/// The patient did not turn up (爽约).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoShow {
    /// The booking.
    pub booking: BookingId,
}

/// The patient did turn up, after all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correct {
    /// The booking.
    pub booking: BookingId,
    /// Who says so.
    pub staff: StaffId,
    /// Why.
    pub reason: Reason,
}

/// More slots (加号).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddSlots {
    /// The new slots, in any order. All are added or none.
    pub slots: Vec<SlotPlan>,
    /// Who says so.
    pub staff: StaffId,
    /// Why.
    pub reason: Reason,
}

/// The schedule does not take place (停诊).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Who says so.
    pub staff: StaffId,
    /// Why.
    pub reason: Reason,
}

/// The stopped schedule takes place again. Its slots are free; cancelled bookings stay cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reopen {
    /// Who says so.
    pub staff: StaffId,
}

/// Another place, another doctor (替诊), or both. `None` leaves things as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relocate {
    /// Where the patients are seen from now on.
    pub location: Option<String>,
    /// Who sees them from now on.
    pub doctor: Option<DoctorId>,
    /// Who says so.
    pub staff: StaffId,
}

/// Why a text is not a [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a reason has 1 to 200 characters and no control characters")]
pub struct ReasonError;

/// Why staff did something, in their words. They may name a patient, so `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Reason(Box<str>);

impl Reason {
    /// The greatest length, in characters.
    pub const MAX_CHARS: usize = 200;

    /// Reads a reason; white space around it is ignored, control characters are refused.
    pub fn parse(text: &str) -> Result<Self, ReasonError> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > Self::MAX_CHARS {
            return Err(ReasonError);
        }
        if text.chars().any(char::is_control) {
            return Err(ReasonError);
        }
        Ok(Self(text.into()))
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reason(masked)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_a_length_and_are_masked() {
        let reason = Reason::parse(" 患者张三到诊 ").unwrap();
        assert_eq!(reason.as_str(), "患者张三到诊");
        assert_eq!(format!("{reason:?}"), "Reason(masked)");
        assert!(Reason::parse(&"字".repeat(200)).is_ok());
        for wrong in ["", " ", "a\nb", &"字".repeat(201)] {
            assert_eq!(Reason::parse(wrong), Err(ReasonError), "{wrong:?}");
        }
    }
}
