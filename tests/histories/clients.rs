//! Clients that want the same few slots, and write down what they asked and learned, and when.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::json;
use tokio::sync::watch;

use crate::harness::clinic::Clinic;
use crate::harness::patients::{Answer, Patient};
use crate::harness::random::Random;
use crate::slots::{History, Learned, OPERATIONS};

/// People that each client books for: it has one slot of a half-day for each at most.
pub const FAMILY: usize = 5;

/// A schedule that the clients are let loose on, with how often each of its slots has been asked about.
pub struct Arena {
    pub schedule: u64,
    by_slot: Vec<AtomicUsize>,
    asked: watch::Sender<usize>,
    begun: Instant,
}

impl Arena {
    pub fn new(schedule: u64, slots: usize, begun: Instant) -> Arc<Self> {
        let by_slot = (0..slots).map(|_| AtomicUsize::new(0)).collect();
        Arc::new(Self { schedule, by_slot, asked: watch::channel(0).0, begun })
    }

    /// Waits for so many operations, all slots together.
    pub async fn reach(&self, count: usize) {
        let mut asked = self.asked.subscribe();
        asked.wait_for(|now| *now >= count).await.expect("the sender is here");
    }

    /// Nanoseconds since the test began.
    pub fn now(&self) -> i64 {
        self.begun.elapsed().as_nanos() as i64
    }

    /// Takes one of the operations that are left for a slot.
    fn take(&self, slot: usize) -> bool {
        let left = |asked: usize| (asked < OPERATIONS).then_some(asked + 1);
        let taken = self.by_slot[slot].fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok();
        self.asked.send_modify(|asked| *asked += usize::from(taken));
        taken
    }
}

/// A request whose answer never came.
#[derive(Clone, Copy, Debug)]
enum Doubt {
    Submit { slot: usize, person: usize, asked: i64 },
    Cancel { slot: usize, booking: u64, asked: i64 },
}

/// One patient's phone.
pub struct Client {
    number: usize,
    patient: Patient,
    /// As members.
    family: Vec<String>,
    random: Random,
    /// By slot: whom it is for, and the booking.
    live: BTreeMap<usize, (usize, u64)>,
    doubt: Option<Doubt>,
    /// By slot.
    pub seen: BTreeMap<usize, History>,
}

impl Client {
    pub async fn registered(clinic: &Clinic, number: usize, random: Random) -> Self {
        let mut patient = Patient::registered(clinic, number).await;
        let mut family = Vec::new();
        for person in number * FAMILY..(number + 1) * FAMILY {
            family.push(patient.add_member(person).await);
        }
        let (live, doubt, seen) = (BTreeMap::new(), None, BTreeMap::new());
        Self { number, patient, family, random, live, doubt, seen }
    }

    /// Goes to a server that has been started again.
    pub async fn connect(&mut self, address: SocketAddr) {
        self.patient = self.patient.again(address).await.expect("the server listens");
    }

    /// Forgets the schedule that it was at.
    pub fn leave(&mut self) -> BTreeMap<usize, History> {
        self.live.clear();
        std::mem::take(&mut self.seen)
    }

    /// Submits, cancels and looks until the operations are used up (true) or the server is gone (false).
    pub async fn work(&mut self, arena: &Arena) -> bool {
        let slots = arena.by_slot.len();
        loop {
            // Half of the time one of its own, so that slots come free again.
            let own: Vec<usize> = self.live.keys().copied().collect();
            let first = if own.is_empty() || self.random.below(2) == 0 {
                self.random.below(slots)
            } else {
                *self.random.pick(&own)
            };
            let open = (0..slots).map(|n| (first + n) % slots).find(|slot| arena.take(*slot));
            let Some(slot) = open else { return true };
            if !self.step(arena, slot).await {
                return false;
            }
        }
    }

    /// Does one thing about a slot. False where the server is gone.
    async fn step(&mut self, arena: &Arena, slot: usize) -> bool {
        match (self.live.get(&slot).copied(), self.random.below(10)) {
            (_, 0..2) => self.look(arena, slot).await,
            (Some((_, booking)), _) => self.cancel(arena, slot, booking).await,
            (None, _) => {
                let busy: Vec<usize> = self.live.values().map(|(person, _)| *person).collect();
                let idle: Vec<usize> = (0..FAMILY).filter(|person| !busy.contains(person)).collect();
                match idle.is_empty() {
                    true => self.look(arena, slot).await,
                    false => {
                        let person = *self.random.pick(&idle);
                        self.submit(arena, slot, person).await
                    }
                }
            }
        }
    }

    async fn look(&mut self, arena: &Arena, slot: usize) -> bool {
        let asked = arena.now();
        let Ok(answer) = self.patient.left_appo(arena.schedule).await else { return false };
        let answered = arena.now();
        if answer.status == "0503" {
            return true;
        }
        let rows = answer.data();
        let mut offered = rows.as_array().expect("a list").iter().map(|row| row["serialNo"].as_u64());
        let offered = offered.any(|serial| serial == Some(slot as u64 + 1));
        self.saw(slot, (asked, answered), if offered { Learned::Offered } else { Learned::NotOffered });
        true
    }

    async fn submit(&mut self, arena: &Arena, slot: usize, person: usize) -> bool {
        let asked = arena.now();
        self.doubt = Some(Doubt::Submit { slot, person, asked });
        let member = self.family[person].clone();
        let Ok(answer) = self.patient.submit(arena.schedule, slot as u16 + 1, &member).await else {
            return false;
        };
        let span = (asked, arena.now());
        match answer.status.as_str() {
            "000" => {
                let booking = booking_of(answer);
                self.live.insert(slot, (person, booking));
                self.saw(slot, span, Learned::Booked(booking));
            }
            "401004" => self.saw(slot, span, Learned::Taken),
            // Busy: nothing was done. Perhaps done would be another sentence.
            "0503" => assert_ne!(answer.message, "结果未知，请重试"),
            other => panic!("a submit was answered with {other}: {}", answer.message),
        }
        self.doubt = None;
        true
    }

    async fn cancel(&mut self, arena: &Arena, slot: usize, booking: u64) -> bool {
        let asked = arena.now();
        self.doubt = Some(Doubt::Cancel { slot, booking, asked });
        let Ok(answer) = self.patient.cancel(&booking.to_string()).await else { return false };
        let span = (asked, arena.now());
        match answer.status.as_str() {
            "000" => {
                self.live.remove(&slot);
                self.saw(slot, span, Learned::Cancelled(booking));
            }
            "0503" => assert_ne!(answer.message, "结果未知，请重试"),
            other => panic!("a cancel was answered with {other}: {}", answer.message),
        }
        self.doubt = None;
        true
    }

    fn saw(&mut self, slot: usize, span: (i64, i64), learned: Learned) {
        self.seen.entry(slot).or_default().add(self.number, span, learned);
    }

    /// Finds out, from the server that was started again, what became of the request without an answer: it had its
    /// whole effect before the other server was gone, or none. Whether there was one.
    pub async fn settle(&mut self, arena: &Arena, gone: i64) -> bool {
        let Some(doubt) = self.doubt.take() else { return false };
        match doubt {
            Doubt::Submit { slot, person, asked } => {
                if let Some(booking) = self.live_booking(arena, person).await {
                    let detail = self.patient.book(&booking.to_string()).await.expect("answered").data();
                    assert_eq!(detail["treaNo"], json!(slot + 1));
                    self.live.insert(slot, (person, booking));
                    self.saw(slot, (asked, gone), Learned::Booked(booking));
                }
            }
            Doubt::Cancel { slot, booking, asked } => {
                let detail = self.patient.book(&booking.to_string()).await.expect("answered").data();
                if detail["bookStatus"] == 1 {
                    self.live.remove(&slot);
                    self.saw(slot, (asked, gone), Learned::Cancelled(booking));
                }
            }
        }
        true
    }

    /// The live booking of this person at this schedule, if there is one.
    async fn live_booking(&mut self, arena: &Arena, person: usize) -> Option<u64> {
        let member = self.family[person].clone();
        let answer = self.patient.same_half_day(arena.schedule, &member).await.expect("answered");
        if answer.is_success() {
            return None;
        }
        answer.ruled_out("401006");
        for page in 1.. {
            let books = self.patient.books(page, 100).await.expect("answered").data();
            let rows = books["list"].as_array().expect("a list");
            let name = format!("患者{}", self.number * FAMILY + person);
            let mine = rows.iter().find(|row| row["bookStatus"] == 0 && row["memberName"] == *name);
            if let Some(row) = mine {
                return Some(row["bookId"].as_str().and_then(|id| id.parse().ok()).expect("a number"));
            }
            assert!(
                u64::from(page) < books["pages"].as_u64().expect("an integer"),
                "a booking is in no list"
            );
        }
        None
    }
}

fn booking_of(answer: Answer) -> u64 {
    answer.data()["bookId"].as_str().and_then(|id| id.parse().ok()).expect("a number")
}
