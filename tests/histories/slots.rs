//! What was seen of each slot, and whether one slot that everybody takes turns at could have shown it.

use std::collections::BTreeMap;
use std::time::Duration;

use porcupine_rs::{CheckResult, Model, Operation, check_operations_timeout};

/// How many operations on one slot are recorded at most, and how many at the same time: what can be checked at all grows
/// with the permutations of what overlaps.
pub const OPERATIONS: usize = 200;
pub const CLIENTS: usize = 16;

/// Gives up a history that takes longer; giving up is a failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a client learned of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// It submitted, and got this booking.
    Booked(u64),
    /// It submitted, and the slot was somebody else's.
    Taken,
    /// It cancelled this booking.
    Cancelled(u64),
    /// The list of free slots had it.
    Offered,
    /// The list of free slots had it not.
    NotOffered,
}

/// The rules of one slot.
#[derive(Clone, Debug)]
pub struct Slot;

impl Model for Slot {
    /// The live booking.
    type State = Option<u64>;
    type Op = Learned;
    type Metadata = ();

    fn init() -> Self::State {
        None
    }

    fn step(live: &Self::State, learned: &Learned) -> (bool, Self::State) {
        match *learned {
            Learned::Booked(booking) => (live.is_none(), Some(booking)),
            Learned::Cancelled(booking) => (*live == Some(booking), None),
            Learned::Taken | Learned::NotOffered => (live.is_some(), *live),
            Learned::Offered => (live.is_none(), *live),
        }
    }
}

/// Everything that was seen of one slot. Times are nanoseconds since the test began.
#[derive(Clone, Debug, Default)]
pub struct History(Vec<Operation<Slot>>);

impl History {
    /// Something that was asked at `asked` and answered at `answered`.
    pub fn add(&mut self, client: usize, (asked, answered): (i64, i64), op: Learned) {
        self.0.push(Operation {
            client_id: Some(client as u32),
            call_time: asked,
            return_time: answered,
            op,
            metadata: None,
        });
    }

    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many of what was asked had this answer.
    pub fn count(&self, of: impl Fn(&Learned) -> bool) -> usize {
        self.0.iter().filter(|operation| of(&operation.op)).count()
    }

    /// How many operations were under way at the same time at most.
    pub fn overlapping(&self) -> usize {
        let mut ends: Vec<(i64, i8)> = Vec::new();
        for operation in &self.0 {
            ends.push((operation.call_time, 1));
            ends.push((operation.return_time, -1));
        }
        ends.sort_unstable();
        let mut now = 0;
        let running = ends.into_iter().map(|(_, change)| {
            now += isize::from(change);
            now
        });
        running.max().unwrap_or(0) as usize
    }

    /// Whether some order of the operations, each somewhere between its question and its answer, keeps the rules.
    pub fn verdict(&self) -> CheckResult {
        check_operations_timeout::<Slot>(&self.0, PATIENCE)
    }

    /// Two bookings that certainly were live at the same time: both had been acknowledged, and nobody had begun to
    /// cancel either. Found without the checker, by what was acknowledged alone.
    pub fn two_at_once(&self) -> Option<(u64, u64)> {
        let mut live: BTreeMap<u64, (i64, i64)> = BTreeMap::new();
        for operation in &self.0 {
            match operation.op {
                Learned::Booked(booking) => {
                    live.entry(booking).or_insert((0, i64::MAX)).0 = operation.return_time
                }
                Learned::Cancelled(booking) => {
                    live.entry(booking).or_insert((0, i64::MAX)).1 = operation.call_time
                }
                Learned::Taken | Learned::Offered | Learned::NotOffered => {}
            }
        }
        let mut spans: Vec<_> = live.into_iter().map(|(booking, span)| (span, booking)).collect();
        spans.retain(|((from, to), _)| from < to);
        spans.sort_unstable();
        // By their begins: where any two overlap, two neighbours do.
        spans.windows(2).find(|pair| pair[1].0.0 < pair[0].0.1).map(|pair| (pair[0].1, pair[1].1))
    }

    /// This history, and in its middle a success that the server never gave: another booking of the slot while one was
    /// live. Nothing where none was live long enough to be caught.
    pub fn with_a_double_booking(&self) -> Option<Self> {
        let booked = self.0.iter().filter_map(|operation| match operation.op {
            Learned::Booked(booking) => Some((booking, operation.return_time)),
            Learned::Taken | Learned::Cancelled(_) | Learned::Offered | Learned::NotOffered => None,
        });
        let cancelled = |booking| {
            let cancel = self.0.iter().find(|operation| operation.op == Learned::Cancelled(booking));
            cancel.map_or(i64::MAX, |operation| operation.call_time)
        };
        let (_, from, to) = booked
            .map(|(booking, from)| (booking, from, cancelled(booking)))
            .find(|(_, from, to)| to.saturating_sub(*from) > 10)?;
        let mut planted = self.clone();
        planted.add(CLIENTS, (from + 2, (from + 4).min(to - 2)), Learned::Booked(u64::MAX));
        Some(planted)
    }
}
