//! The actor that owns one schedule's slots.
//!
//! It decides (pure), commits, applies, replies, in that order, one request after the other. Requests
//! that wait at the same time form a batch: each is decided on the state that the ones before it
//! would leave, their commits go to storage in that order and share one sync, and what was decided on
//! an unfinished commit is answered only after that commit has succeeded. `AtomicResponse` keeps
//! further messages out until the batch has ended.
//!
//! The actor is a cache. When storage refuses a commit because another writer was faster, the actor
//! reloads and decides again; when a commit was perhaps written, it stops.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::prelude::*;
use domain::{Event, NewBooking, Occupancy, Rejection, Reply, ScheduleState, Timestamp, UserId};
use storage::sabotage::{self, Bug, Place};
use storage::{CommitError, CommitTicket, Seq, Table};

use crate::consider::{self, Planned, Setting, Verdict};
use crate::directory::{Shared, Target};
use crate::loading::{self, Loaded, WroteScheduleRecord};
use crate::requests::{Ask, AskError, Request};

/// Requests decided together at most: they share one sync, and the last one waits for all of them.
const BATCH_LIMIT: usize = 64;

/// How often a request is decided before it gives up losing races against other writers.
const MAX_TRIES: u8 = 3;

pub(crate) struct ScheduleActor {
    shared: Arc<Shared>,
    target: Target,
    generation: u64,
    loaded: Option<Loaded>,
    waiting: VecDeque<Ask>,
    /// A booking number that a refusal has left unused.
    spare: Option<NewBooking>,
    decide_is_due: bool,
    last_asked: Timestamp,
}

/// A request, put into the mailbox by the directory.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Incoming(pub(crate) Box<Ask>);

/// Sent by the directory now and then: memory follows what is in use.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct StopIfIdle;

/// Sent by the directory when somebody else has changed the schedule's record: what is in memory no longer holds, the
/// holds included.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Reload;

/// Sent by the actor to itself: decide what waits.
#[derive(Message)]
#[rtype(result = "()")]
struct Decide;

/// A request of the batch under way and how far it has come.
struct Turn {
    ask: Ask,
    step: Step,
}

enum Step {
    /// Answered, if the commits before it succeed.
    Settled(Result<Reply, AskError>),
    /// A hold: it changes memory only, after the commits before it have succeeded.
    Hold { events: Vec<Event>, reply: Reply },
    /// Waits for storage.
    Commit { planned: Planned, ticket: CommitTicket },
}

/// The same after storage has answered.
enum Outcome {
    Settled(Result<Reply, AskError>),
    Hold { events: Vec<Event>, reply: Reply },
    Commit { planned: Planned, result: Result<Seq, CommitError> },
}

/// What becomes of a request whose commit failed.
enum Judged {
    /// It is decided again.
    Again(Ask),
    /// It is refused.
    Answer(Ask, AskError),
}

impl ScheduleActor {
    pub(crate) fn new(shared: Arc<Shared>, target: Target, generation: u64) -> Self {
        let last_asked = shared.clock.now();
        Self {
            shared,
            target,
            generation,
            loaded: None,
            waiting: VecDeque::new(),
            spare: None,
            decide_is_due: false,
            last_asked,
        }
    }

    fn decide_soon(&mut self, context: &mut Context<Self>) {
        if !self.decide_is_due {
            self.decide_is_due = true;
            context.notify(Decide);
        }
    }

    /// Decides what waits and hands the commits to storage, in order.
    fn begin_batch(&mut self) -> Vec<Turn> {
        let mut turns: Vec<Turn> = Vec::new();
        let mut tentative: Option<ScheduleState> = None;
        // Accounts whose list of live bookings a commit of this batch changes: a second one would be
        // refused for building on the version before.
        let mut changing: Vec<UserId> = Vec::new();
        while turns.len() < BATCH_LIMIT {
            let Some(ask) = self.waiting.pop_front() else {
                break;
            };
            let account = ask.request.account();
            if account.is_some_and(|account| changing.contains(&account)) {
                self.waiting.push_front(ask);
                break;
            }
            let now = self.shared.clock.now();
            if ask.deadline < now {
                ask.answer(Err(AskError::TooLate));
                continue;
            }
            let loaded = match loaded_state(&mut self.loaded, &self.shared, self.target, now) {
                Ok(loaded) => loaded,
                Err(error) => {
                    ask.answer(Err(error));
                    continue;
                }
            };
            let department = loaded.state.schedule().department;
            let policy = match self.shared.openings.policy_for(self.target.tenant, Some(department)) {
                Ok(policy) => policy,
                Err(error) => {
                    ask.answer(Err(error.into()));
                    continue;
                }
            };
            let setting = Setting {
                shared: &self.shared,
                policy: &policy,
                target: self.target,
                now,
                state: tentative.as_ref().unwrap_or(&loaded.state),
                loaded,
            };
            let verdict = consider::consider(&setting, &ask, &mut self.spare);
            let step = match verdict {
                Ok(Verdict::AfterThisBatch) => {
                    self.waiting.push_front(ask);
                    break;
                }
                Ok(Verdict::Answer(reply)) => Step::Settled(Ok(reply)),
                Ok(Verdict::Hold { events, reply }) => Step::Hold { events, reply },
                Ok(Verdict::Commit { planned, .. })
                    if sabotage::is_planted(Bug::LoseCancel) && matches!(ask.request, Request::Cancel(_)) =>
                {
                    Step::Settled(Ok(planned.reply))
                }
                Ok(Verdict::Commit { planned, commit }) => {
                    let alone = planned.wrote_schedule_record == WroteScheduleRecord::Yes;
                    if alone && !turns.is_empty() {
                        self.waiting.push_front(ask);
                        break;
                    }
                    let more_to_come = !alone && !self.waiting.is_empty();
                    if more_to_come {
                        apply_tentatively(&mut tentative, &loaded.state, &planned.events);
                    }
                    let ticket = self.shared.storage.commit(commit);
                    changing.extend(account);
                    turns.push(Turn { ask, step: Step::Commit { planned, ticket } });
                    if alone {
                        break;
                    }
                    continue;
                }
                Err(error) => Step::Settled(Err(error)),
            };
            if !turns.is_empty() {
                if let Step::Hold { events, .. } = &step {
                    apply_tentatively(&mut tentative, &loaded.state, events);
                }
                turns.push(Turn { ask, step });
                continue;
            }
            // Nothing is under way that could disprove it.
            match step {
                Step::Settled(answer) => ask.answer(answer),
                Step::Hold { events, reply } => {
                    self.apply_hold(&events);
                    ask.answer(Ok(reply));
                }
                Step::Commit { .. } => unreachable!("commits have been pushed above"),
            }
        }
        turns
    }

    fn apply_hold(&mut self, events: &[Event]) {
        if let Some(loaded) = self.loaded.as_mut() {
            for event in events {
                loaded.state.apply(event);
            }
            self.shared.availability.refresh(self.target.tenant, &loaded.state);
        }
    }

    /// Applies what storage accepted, shows it, and answers; decides the rest again.
    fn finish_batch(&mut self, outcomes: Vec<(Ask, Outcome)>, context: &mut Context<Self>) {
        sabotage::pass(Place::Actor);
        let mut answers: Vec<(Ask, Result<Reply, AskError>)> = Vec::with_capacity(outcomes.len());
        let mut again: Vec<Ask> = Vec::new();
        // Set once a commit of this batch has failed: what was decided after it was decided on a state
        // that never came to be.
        let mut disproved = false;
        for (ask, outcome) in outcomes {
            match outcome {
                Outcome::Settled(_) | Outcome::Hold { .. } if disproved => again.push(ask),
                Outcome::Settled(answer) => answers.push((ask, answer)),
                Outcome::Hold { events, reply } => {
                    self.apply_hold(&events);
                    answers.push((ask, Ok(reply)));
                }
                Outcome::Commit { planned, result: Ok(seq) } => {
                    self.apply_commit(&planned, seq);
                    answers.push((ask, Ok(planned.reply)));
                }
                Outcome::Commit { result: Err(error), .. } => {
                    disproved = true;
                    match self.judge(ask, error) {
                        Judged::Again(ask) => again.push(ask),
                        Judged::Answer(ask, error) => answers.push((ask, Err(error))),
                    }
                }
            }
        }
        // Whoever is answered finds the lists up to date.
        if let Some(loaded) = self.loaded.as_ref() {
            self.shared.availability.refresh(self.target.tenant, &loaded.state);
        }
        let lost = answers.iter().any(|(_, answer)| matches!(answer, Err(AskError::Unknown)));
        for (ask, answer) in answers {
            ask.answer(answer);
        }
        for ask in again.into_iter().rev() {
            self.waiting.push_front(ask);
        }
        if lost {
            self.give_up(context);
        } else if !self.waiting.is_empty() {
            self.decide_soon(context);
        }
    }

    /// What becomes of a request whose commit failed.
    fn judge(&mut self, mut ask: Ask, error: CommitError) -> Judged {
        let key = match error {
            CommitError::Conflict { key } => key,
            CommitError::NotCommitted(reason) => {
                return Judged::Answer(ask, AskError::NotWritten(reason));
            }
            CommitError::MaybeCommitted | CommitError::Corrupt => {
                return Judged::Answer(ask, AskError::Unknown);
            }
        };
        if key.table() == Table::Idem {
            return Judged::Answer(ask, AskError::Repeated);
        }
        if let Some(loaded) = self.loaded.as_mut() {
            loaded.is_stale |= concerns_this_schedule(key.table());
        }
        ask.tries += 1;
        if ask.also.as_ref().is_some_and(|also| also.depends_on(&key)) {
            // Whoever asks has to read it again.
            return Judged::Answer(ask, AskError::Contended);
        }
        if ask.tries < MAX_TRIES { Judged::Again(ask) } else { Judged::Answer(ask, AskError::Contended) }
    }

    fn apply_commit(&mut self, planned: &Planned, seq: Seq) {
        if let Some(user) = planned.booked_by {
            self.shared.holds.end(self.target.tenant, user, self.target.schedule);
        }
        for event in &planned.events {
            if let Event::Booked(booking) = event {
                self.shared.day_book.enter(self.target.tenant, booking);
            }
        }
        if let Some(loaded) = self.loaded.as_mut() {
            loaded.apply(&planned.events, planned.wrote_schedule_record, seq);
        }
    }

    /// A commit was perhaps written. Nobody guesses: whoever waits is told so, and the next request
    /// starts a fresh actor from storage.
    fn give_up(&mut self, context: &mut Context<Self>) {
        for ask in self.waiting.drain(..) {
            ask.answer(Err(AskError::Unknown));
        }
        self.loaded = None;
        context.stop();
    }

    /// Forgets the state, ends its holds and shows what is stored.
    fn reload(&mut self) {
        let now = self.shared.clock.now();
        if let Some(before) = self.loaded.take() {
            for slot in before.state.slots() {
                if let Occupancy::Held(hold) = slot.occupancy {
                    self.shared.holds.end(self.target.tenant, hold.user, self.target.schedule);
                }
            }
        }
        // Whatever is wrong is told to the next request.
        let _ = loaded_state(&mut self.loaded, &self.shared, self.target, now);
    }

    fn stop_if_idle(&mut self, context: &mut Context<Self>) {
        let now = self.shared.clock.now();
        let idle = self.last_asked.plus(self.shared.idle_after) <= now;
        let holding = self.loaded.as_ref().is_some_and(|loaded| loaded.state.holds_alive(now));
        if idle && !holding && self.waiting.is_empty() {
            self.shared.retire(self.target, self.generation);
            context.stop();
        }
    }
}

/// The state to decide on: read from storage at the first request and after it turned out stale.
fn loaded_state<'a>(
    loaded: &'a mut Option<Loaded>,
    shared: &Shared,
    target: Target,
    now: Timestamp,
) -> Result<&'a mut Loaded, AskError> {
    if loaded.as_ref().is_none_or(|loaded| loaded.is_stale) {
        let mut fresh = match loading::load(&shared.storage, target) {
            Ok(Some(fresh)) => fresh,
            Ok(None) => return Err(AskError::Rejected(Rejection::ScheduleUnknown)),
            Err(error) => {
                shared.report_broken(target, &error);
                return Err(AskError::Unknown);
            }
        };
        if let Some(before) = loaded.take() {
            fresh.keep_holds_of(&before.state, now);
        }
        shared.availability.show(target.tenant, &fresh.state);
        // An actor that died after its commit has not entered the booking.
        for booking in fresh.state.bookings() {
            shared.day_book.enter(target.tenant, booking);
        }
        *loaded = Some(fresh);
    }
    let Some(loaded) = loaded.as_mut() else { unreachable!("loaded just above") };
    Ok(loaded)
}

fn apply_tentatively(tentative: &mut Option<ScheduleState>, settled: &ScheduleState, events: &[Event]) {
    let state = tentative.get_or_insert_with(|| settled.clone());
    for event in events {
        state.apply(event);
    }
}

/// Records that only this schedule's actor writes: losing a race for one means that the state in
/// memory is not what storage holds.
fn concerns_this_schedule(table: Table) -> bool {
    matches!(table, Table::Slot | Table::Booking | Table::Schedule)
}

impl Actor for ScheduleActor {
    type Context = Context<Self>;
}

impl Handler<StopIfIdle> for ScheduleActor {
    type Result = ();

    fn handle(&mut self, _: StopIfIdle, context: &mut Self::Context) {
        self.stop_if_idle(context);
    }
}

impl Handler<Reload> for ScheduleActor {
    type Result = ();

    fn handle(&mut self, _: Reload, _: &mut Self::Context) {
        self.reload();
    }
}

impl Handler<Incoming> for ScheduleActor {
    type Result = ();

    fn handle(&mut self, Incoming(ask): Incoming, context: &mut Self::Context) {
        self.last_asked = self.shared.clock.now();
        self.waiting.push_back(*ask);
        self.decide_soon(context);
    }
}

impl Handler<Decide> for ScheduleActor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Decide, _: &mut Self::Context) -> Self::Result {
        self.decide_is_due = false;
        let turns = self.begin_batch();
        AtomicResponse::new(Box::pin(
            settle(turns)
                .into_actor(self)
                .map(|outcomes, actor, context| actor.finish_batch(outcomes, context)),
        ))
    }
}

/// Waits until storage has answered every commit of the batch.
async fn settle(turns: Vec<Turn>) -> Vec<(Ask, Outcome)> {
    let mut outcomes = Vec::with_capacity(turns.len());
    for Turn { ask, step } in turns {
        let outcome = match step {
            Step::Settled(answer) => Outcome::Settled(answer),
            Step::Hold { events, reply } => Outcome::Hold { events, reply },
            Step::Commit { planned, ticket } => Outcome::Commit { planned, result: ticket.await },
        };
        outcomes.push((ask, outcome));
    }
    outcomes
}
