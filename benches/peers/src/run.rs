//! A run: clients that book as fast as they are answered, and what it took.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::plan::{HOT_SLOTS, Load, Place};

/// What became of a request for a slot. Anything else ends the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is booked, on disk.
    Booked,
    /// Somebody has it.
    Taken,
}

/// One client with a connection of its own, which waits for its answer before it asks again.
pub trait Client {
    /// Asks for a slot.
    async fn book(&mut self, place: Place) -> Answer;
}

/// What kind of run it is to be.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Which slots are booked.
    pub load: Load,
    /// How many ask at a time.
    pub clients: usize,
    /// How long is booked before it counts.
    pub warm_up: Duration,
    /// How long it counts.
    pub measured: Duration,
}

/// What all clients of a run share.
pub struct Run {
    wanted: Wanted,
    started: Instant,
    /// The number of the next booking.
    next: AtomicU64,
    /// Where the clients meet before and after each hot schedule.
    meeting: Barrier,
    now_hot: Mutex<NowHot>,
    record: Mutex<Record>,
}

/// The hot schedule that everybody books.
#[derive(Clone, Copy)]
struct NowHot {
    number: Option<u64>,
    begun: Instant,
    counts: bool,
}

/// What counts.
#[derive(Default)]
struct Record {
    latencies: Vec<Duration>,
    elapsed: Duration,
    hot_schedules: u64,
}

impl Run {
    /// Begins now.
    pub fn begin(wanted: Wanted) -> Self {
        let started = Instant::now();
        Self {
            wanted,
            started,
            next: AtomicU64::new(0),
            meeting: Barrier::new(wanted.clients),
            now_hot: Mutex::new(NowHot { number: None, begun: started, counts: false }),
            record: Mutex::new(Record::default()),
        }
    }

    /// Bookings that were acknowledged: the first so many of the load.
    pub fn acknowledged(&self) -> u64 {
        self.next.load(Ordering::SeqCst).min(self.wanted.load.supply())
    }

    /// Lets all clients book on this thread.
    pub async fn drive<C: Client>(&self, clients: &mut [C]) {
        join_all(clients.iter_mut().map(|client| self.work(client))).await;
    }

    /// The whole run of one client.
    pub async fn work(&self, client: &mut impl Client) {
        match self.wanted.load {
            Load::Spread => self.work_spread(client).await,
            Load::Hot => self.work_hot(client).await,
        }
    }

    /// What counts is what is answered between the end of the warm-up and the end of the run.
    async fn work_spread(&self, client: &mut impl Client) {
        let from = self.started + self.wanted.warm_up;
        let until = from + self.wanted.measured;
        let mut latencies = Vec::new();
        let mut last = from;
        while Instant::now() < until {
            let k = self.next.fetch_add(1, Ordering::SeqCst);
            if k >= self.wanted.load.supply() {
                break;
            }
            let (answered, took) = timed(client, self.wanted.load.place(k)).await;
            if answered >= from && answered <= until {
                latencies.push(took);
            }
            last = answered;
        }
        let mut record = self.record.lock().expect("no client panics");
        record.latencies.append(&mut latencies);
        // Less than the whole time only when the slots were used up.
        record.elapsed = record.elapsed.max(last.min(until).saturating_duration_since(from));
    }

    /// What counts are whole schedules, from the first request to the last answer.
    async fn work_hot(&self, client: &mut impl Client) {
        let mut latencies = Vec::new();
        loop {
            // The first waits until everybody's last booking is answered, the second for the leader's decision.
            if self.meeting.wait().await.is_leader() {
                self.begin_next_schedule();
            }
            self.meeting.wait().await;
            let hot = *self.now_hot.lock().expect("no client panics");
            let Some(number) = hot.number else { break };
            let end = (number + 1) * HOT_SLOTS;
            loop {
                let taken = self
                    .next
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |k| (k < end).then_some(k + 1));
                let Ok(k) = taken else { break };
                let (_, took) = timed(client, self.wanted.load.place(k)).await;
                if hot.counts {
                    latencies.push(took);
                }
            }
        }
        self.record.lock().expect("no client panics").latencies.append(&mut latencies);
    }

    fn begin_next_schedule(&self) {
        let now = Instant::now();
        let mut hot = self.now_hot.lock().expect("no client panics");
        let mut record = self.record.lock().expect("no client panics");
        if hot.counts {
            record.elapsed += now - hot.begun;
            record.hot_schedules += 1;
        }
        let over = record.elapsed >= self.wanted.measured;
        let number = self.next.load(Ordering::SeqCst) / HOT_SLOTS;
        let any_left = number * HOT_SLOTS < self.wanted.load.supply();
        hot.number = (!over && any_left).then_some(number);
        hot.counts = now >= self.started + self.wanted.warm_up;
        hot.begun = Instant::now();
    }

    /// What the script reads.
    pub fn report(self) -> Value {
        let acknowledged = self.acknowledged();
        let record = self.record.into_inner().expect("no client panics");
        let mut latencies = record.latencies;
        latencies.sort_unstable();
        assert!(!latencies.is_empty(), "nothing was booked after the warm-up");
        let microseconds =
            |percent: usize| latencies[(latencies.len() - 1) * percent / 100].as_secs_f64() * 1e6;
        json!({
            "acknowledged": acknowledged,
            "measured": latencies.len(),
            "seconds": record.elapsed.as_secs_f64(),
            "rate": latencies.len() as f64 / record.elapsed.as_secs_f64(),
            "p50_us": microseconds(50),
            "p99_us": microseconds(99),
            "max_us": microseconds(100),
            "hot_schedules": record.hot_schedules,
            "sqlite": rusqlite::version(),
            "used_up": acknowledged == self.wanted.load.supply(),
        })
    }
}

async fn timed(client: &mut impl Client, place: Place) -> (Instant, Duration) {
    let sent = Instant::now();
    let answer = client.book(place).await;
    let answered = Instant::now();
    assert_eq!(answer, Answer::Booked, "{place:?} was free");
    (answered, answered - sent)
}

/// Asks for a slot of the run again: the peer must not give it away twice.
pub async fn ask_for_a_taken_slot(client: &mut impl Client, load: Load) {
    let place = Place { user: crate::plan::LATECOMER, ..load.place(0) };
    assert_eq!(client.book(place).await, Answer::Taken, "a slot was given to two");
}
