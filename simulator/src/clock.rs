//! The simulator's time, which a test turns by hand.

use std::fmt;
use std::sync::Arc;

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

/// Where the simulator asks what time it is.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Timestamp::now)
    }

    /// A clock that stands still at `start`, and the hand that moves it.
    #[must_use]
    pub fn by_hand(start: Timestamp) -> (Self, Hand) {
        let hand = Hand(Arc::new(Mutex::new(start)));
        let shown = hand.clone();
        (Self::new(move || *shown.0.lock()), hand)
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// Moves a [`Clock::by_hand`].
#[derive(Clone, Debug)]
pub struct Hand(Arc<Mutex<Timestamp>>);

impl Hand {
    /// Moves the clock forward, or back when `by` is negative.
    pub fn advance(&self, by: SignedDuration) {
        *self.0.lock() += by;
    }

    /// Moves the clock forward by whole seconds.
    pub fn advance_secs(&self, seconds: i64) {
        self.advance(SignedDuration::from_secs(seconds));
    }

    /// What the clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

/// `at` as WeChat Pay writes times: RFC 3339 in Beijing's zone, whole seconds.
pub(crate) fn beijing(at: Timestamp) -> String {
    let zone = TimeZone::fixed(Offset::constant(8));
    at.to_zoned_datetime(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}
