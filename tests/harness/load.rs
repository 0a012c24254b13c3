//! Mixed load on a server, and a record outside of it of what it has acknowledged.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::clinic::Clinic;
use super::patients::{Answer, Patient};
use super::random::Random;
use super::town::{Slot, Town};
use super::wire::{self, Connection};

/// Visits that a worker keeps booked; at more than that it cancels.
const LIVE: usize = 25;

/// A booking that is known to the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    pub booking: String,
    pub slot: Slot,
    /// The number of the member's invented person.
    pub person: usize,
}

/// A request whose answer never came: it has its whole effect, or none.
#[derive(Clone, Debug)]
pub enum Doubt {
    Submit { slot: Slot, person: usize },
    Cancel(Visit),
}

/// A request to be sent again once it is known whether it had its effect: it must answer as if the first time.
#[derive(Clone, Debug)]
pub enum Owed {
    Submit(Visit),
    Cancel(String),
}

/// A client that does one thing after the other, for members of its own. What it was told is what it knows.
pub struct Worker {
    pub token: String,
    /// The invented people it books for, and their ids as members.
    pub members: Vec<(usize, String)>,
    pub live: Vec<Visit>,
    pub cancelled: Vec<String>,
    pub doubt: Option<Doubt>,
    pub owed: Option<Owed>,
    town: Arc<Town>,
    random: Random,
}

/// What a request came to.
#[derive(Debug)]
pub enum Outcome {
    /// A write was acknowledged: it is on disk.
    Acknowledged,
    /// A read or a hold succeeded, a rule refused, or the server was busy: nothing was written.
    Answered,
    /// 503, and the sentence that says so: perhaps done, perhaps not.
    Unknown(Answer),
    /// The connection ended before the answer.
    Lost(io::Error),
}

/// A request, as the worker lived it.
#[derive(Debug)]
pub struct Exchange {
    pub outcome: Outcome,
    /// [`Control::phase`] before the first byte was sent.
    pub phase_before: u8,
    /// The same after the last byte was sent.
    pub phase_sent: u8,
    /// Whether the server closes the connection.
    pub closes: bool,
}

/// What the workers and the test share.
pub struct Control {
    acknowledged: watch::Sender<u64>,
    answered: AtomicU64,
    phase: AtomicU8,
}

impl Control {
    pub fn new() -> Arc<Self> {
        let (acknowledged, _) = watch::channel(0);
        Arc::new(Self { acknowledged, answered: AtomicU64::new(0), phase: AtomicU8::new(0) })
    }

    /// Writes that were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        *self.acknowledged.borrow()
    }

    /// Everything else that was answered.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::SeqCst)
    }

    /// Waits for so many acknowledgements.
    pub async fn reach(&self, count: u64) {
        let mut acknowledged = self.acknowledged.subscribe();
        acknowledged.wait_for(|now| *now >= count).await.expect("the sender is here");
    }

    pub fn phase(&self) -> u8 {
        self.phase.load(Ordering::SeqCst)
    }

    /// Enters the next phase of the test, whatever it means there.
    pub fn enter(&self, phase: u8) {
        self.phase.store(phase, Ordering::SeqCst);
    }
}

/// A request of a worker.
enum Wish {
    Submit { slot: Slot, person: usize, repeats: Option<String> },
    Cancel(Visit),
    CancelAgain(String),
    Presubmit(Slot),
    Members,
}

impl Worker {
    /// Opens `accounts` accounts, each with two workers who share it and nothing else, with `people` members each.
    pub async fn open_accounts(
        clinic: &Clinic,
        town: &Arc<Town>,
        random: &mut Random,
        (accounts, people): (usize, usize),
    ) -> Vec<Self> {
        let mut seeding = Vec::new();
        for account in 0..accounts {
            let mut patient = Patient::registered(clinic, account).await;
            let (town, randoms) = (Arc::clone(town), [random.branch(), random.branch()]);
            seeding.push(tokio::spawn(async move {
                let mut workers = Vec::new();
                for (half, random) in randoms.into_iter().enumerate() {
                    let first = (account * 2 + half) * people;
                    let mut members = Vec::new();
                    for person in first..first + people {
                        members.push((person, patient.add_member(person).await));
                    }
                    workers.push(Self::new(patient.token().to_owned(), members, (Arc::clone(&town), random)));
                }
                workers
            }));
        }
        let mut workers = Vec::new();
        for account in seeding {
            workers.append(&mut account.await.expect("seeded"));
        }
        workers
    }

    fn new(token: String, members: Vec<(usize, String)>, (town, random): (Arc<Town>, Random)) -> Self {
        let (live, cancelled) = (Vec::new(), Vec::new());
        Self { token, members, live, cancelled, doubt: None, owed: None, town, random }
    }

    /// Works until `go_on` says no or the connection ends.
    pub async fn work(
        &mut self,
        address: SocketAddr,
        control: &Control,
        mut go_on: impl FnMut(&Exchange) -> bool,
    ) {
        let Ok(mut connection) = Connection::open(address).await else { return };
        loop {
            let exchange = self.step(&mut connection, control).await;
            match &exchange.outcome {
                Outcome::Acknowledged => control.acknowledged.send_modify(|count| *count += 1),
                Outcome::Answered => _ = control.answered.fetch_add(1, Ordering::SeqCst),
                Outcome::Unknown(_) | Outcome::Lost(_) => {}
            }
            if !go_on(&exchange) || exchange.closes || matches!(exchange.outcome, Outcome::Lost(_)) {
                return;
            }
        }
    }

    async fn step(&mut self, connection: &mut Connection, control: &Control) -> Exchange {
        let wish = self.next_wish();
        let request = self.request(&wish);
        self.doubt = match &wish {
            Wish::Submit { slot, person, repeats: None } => {
                Some(Doubt::Submit { slot: *slot, person: *person })
            }
            Wish::Cancel(visit) => Some(Doubt::Cancel(visit.clone())),
            Wish::Submit { repeats: Some(_), .. }
            | Wish::CancelAgain(_)
            | Wish::Presubmit(_)
            | Wish::Members => None,
        };
        let phase_before = control.phase();
        let sent = connection.write(&request).await;
        let phase_sent = control.phase();
        let reply = match sent {
            Ok(()) => connection.read().await,
            Err(error) => Err(error),
        };
        let closes = reply.as_ref().is_ok_and(wire::Reply::closes);
        let outcome = match reply.and_then(Answer::of) {
            // A server that stops ends the connection with every answer, also when it was merely busy.
            Ok(answer) if answer.message == "结果未知，请重试" => Outcome::Unknown(answer),
            Ok(answer) => self.learn(wish, &answer),
            Err(error) => Outcome::Lost(error),
        };
        Exchange { outcome, phase_before, phase_sent, closes }
    }

    fn next_wish(&mut self) -> Wish {
        match &self.owed {
            Some(Owed::Submit(Visit { booking, slot, person })) => {
                return Wish::Submit { slot: *slot, person: *person, repeats: Some(booking.clone()) };
            }
            Some(Owed::Cancel(booking)) => return Wish::CancelAgain(booking.clone()),
            None => {}
        }
        match self.random.below(100) {
            0..32 if self.live.len() < LIVE => {
                let slot = self.any_slot();
                match self.free_member(slot) {
                    Some(person) => Wish::Submit { slot, person, repeats: None },
                    None => Wish::Members,
                }
            }
            0..55 if !self.live.is_empty() => Wish::Cancel(self.random.pick(&self.live).clone()),
            0..80 => Wish::Presubmit(self.any_slot()),
            _ => Wish::Members,
        }
    }

    fn any_slot(&mut self) -> Slot {
        self.town.slot(self.random.below(self.town.size()))
    }

    /// A member without a visit in the half-day of this slot.
    fn free_member(&mut self, slot: Slot) -> Option<usize> {
        let half_day = self.town.half_day(slot);
        let busy = |person: usize| {
            self.live.iter().any(|visit| visit.person == person && self.town.half_day(visit.slot) == half_day)
        };
        let free: Vec<_> =
            self.members.iter().map(|(person, _)| *person).filter(|person| !busy(*person)).collect();
        (!free.is_empty()).then(|| *self.random.pick(&free))
    }

    pub fn member_id(&self, person: usize) -> &str {
        let member = self.members.iter().find(|(number, _)| *number == person);
        &member.expect("a member of this worker").1
    }

    fn request(&self, wish: &Wish) -> Vec<u8> {
        let (path, body) = match wish {
            Wish::Submit { slot, person, .. } => (
                "book_service/book/submit",
                json!({
                    "scheduleId": slot.schedule.to_string(), "serialNo": slot.serial, "memberId": self.member_id(*person)
                }),
            ),
            Wish::Cancel(Visit { booking, .. }) | Wish::CancelAgain(booking) => {
                ("book_service/book/cancel", json!({"bookId": booking}))
            }
            Wish::Presubmit(slot) => (
                "book_service/book/presubmit",
                json!({
                    "scheduleId": slot.schedule.to_string(), "serialNo": slot.serial
                }),
            ),
            Wish::Members => ("patient_service/members", Value::Null),
        };
        let (path, headers) = (format!("/pati_service/{path}"), [("token", self.token.as_str())]);
        if body.is_null() {
            wire::get(&path, &headers)
        } else {
            wire::post(&path, &headers, &body.to_string())
        }
    }

    /// Takes an answer into the record. A refusal that no rule explains fails the test.
    fn learn(&mut self, wish: Wish, answer: &Answer) -> Outcome {
        self.doubt = None;
        match (wish, answer.status.as_str()) {
            (Wish::Submit { slot, person, repeats }, "000") => {
                let booking = answer.data["bookId"].as_str().expect("an id").to_owned();
                match repeats {
                    Some(first) => {
                        assert_eq!(booking, first, "a repeated submit booked anew");
                        self.owed = None;
                    }
                    None => self.live.push(Visit { booking, slot, person }),
                }
                Outcome::Acknowledged
            }
            (Wish::Cancel(visit), "000") => {
                self.live.retain(|other| *other != visit);
                self.cancelled.push(visit.booking);
                Outcome::Acknowledged
            }
            (Wish::CancelAgain(_), "000") => {
                self.owed = None;
                Outcome::Acknowledged
            }
            (Wish::Submit { repeats: None, .. }, "401004" | "401005")
            | (Wish::Presubmit(_), "000" | "401004" | "401005" | "401012")
            | (Wish::Members, "000") => Outcome::Answered,
            // The other worker of the account was always faster. Nothing was done, which the audit sees.
            (Wish::Submit { .. } | Wish::Cancel(_) | Wish::CancelAgain(_), "0503") => {
                assert!(answer.reply.header("Retry-After").is_some(), "{}", answer.reply.head);
                Outcome::Answered
            }
            (_, status) => panic!("answered with {status}: {}", answer.message),
        }
    }
}
