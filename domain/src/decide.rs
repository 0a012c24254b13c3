//! The rules: a command and the state of a schedule become events and a reply, or one rejection.
//!
//! Nothing changes here. The caller commits the events, applies them, and then replies.

mod taking;
mod timetable;
mod visit;

use crate::command::Command;
use crate::event::Event;
use crate::ids::BookingId;
use crate::policy::Policy;
use crate::rejection::Rejection;
use crate::schedule::Schedule;
use crate::state::ScheduleState;
use crate::time::Timestamp;

/// What follows from a command that was not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What changes, in this order; nothing if the command was a repeat.
    pub events: Vec<Event>,
    /// What to answer once that is committed and applied.
    pub reply: Reply,
}

impl Decision {
    /// Whether there is nothing to commit: no events, or only such as live in memory.
    pub fn is_volatile(&self) -> bool {
        self.events.iter().all(Event::is_volatile)
    }

    fn one(event: Event) -> Self {
        Self { events: vec![event], reply: Reply::Done }
    }

    fn unchanged(reply: Reply) -> Self {
        // An empty vector allocates nothing.
        Self { events: Vec::new(), reply }
    }
}

/// What to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The slot is held until then.
    Held {
        /// The instant at which the hold is over.
        until: Timestamp,
    },
    /// The slot is booked, by this command or by an earlier one of the same content.
    Booked(BookingId),
    /// The booking cannot take the money: it is to be paid back.
    RefundDue,
    /// It is done, now or before.
    Done,
}

impl ScheduleState {
    /// Decides a command at an instant, under a policy.
    ///
    /// Of several rejections the first by [`Rejection::precedence`] is given. A repeat of what is
    /// done is no rejection: it has no events and the same reply.
    pub fn decide(&self, command: &Command, now: Timestamp, policy: &Policy) -> Result<Decision, Rejection> {
        match command {
            Command::Presubmit(presubmit) => self.presubmit(presubmit, now, policy),
            Command::Submit(submit) => self.submit(submit, now, policy),
            Command::Cancel(cancel) => self.cancel(cancel, now, policy),
            Command::CheckIn(check_in) => self.check_in(check_in, now),
            Command::Paid(paid) => self.paid(paid, now),
            Command::NoShow(no_show) => self.no_show(no_show, now, policy),
            Command::Correct(correct) => self.correct(correct, now),
            Command::AddSlots(add_slots) => self.add_slots(add_slots, now),
            Command::Stop(stop) => Ok(self.stop(stop, now)),
            Command::Reopen(reopen) => Ok(self.reopen(reopen, now)),
            Command::Relocate(relocate) => Ok(self.relocate(relocate, now)),
        }
    }
}

impl Schedule {
    /// Whether slots of this schedule are given out at that instant: refuses with `Stopped` or
    /// `NotReleased`. Lists leave such schedules out.
    pub fn admits(&self, now: Timestamp, policy: &Policy) -> Result<(), Rejection> {
        if self.is_stopped() {
            return Err(Rejection::Stopped);
        }
        let release_day = self.date.saturating_add_days(-i32::from(policy.horizon_days));
        if now < policy.zone.instant(release_day, policy.release_time) {
            return Err(Rejection::NotReleased);
        }
        Ok(())
    }
}
