//! Bookings that go on beside a test, one after the other, eight to a group.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use storage::Storage;

use super::book;

/// How long a test waits for the next group.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many are made at most after a test has looked, so that a slow test is not buried under them.
const AHEAD: u64 = 160;

/// Bookings 0, 1, 2 and so on, until this is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Booking {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    acknowledged: AtomicU64,
    looked_at: AtomicU64,
    stop: AtomicBool,
    lock: Mutex<()>,
    went_on: Condvar,
}

impl Booking {
    pub(crate) fn start(storage: &Storage) -> Self {
        let state = Arc::new(State::default());
        let (storage, shared) = (storage.clone(), Arc::clone(&state));
        let thread = std::thread::spawn(move || shared.book(&storage));
        Self { state, thread: Some(thread) }
    }

    /// How many are acknowledged, once they are more than `count`.
    pub(crate) fn acknowledged_after(&self, count: u64) -> u64 {
        let guard = self.state.lock.lock().expect("no panic");
        self.state.looked_at.fetch_max(self.acknowledged(), Ordering::SeqCst);
        self.state.went_on.notify_all();
        let few = |_: &mut ()| self.acknowledged() <= count;
        let (guard, _) = self.state.went_on.wait_timeout_while(guard, PATIENCE, few).expect("no panic");
        drop(guard);
        let acknowledged = self.acknowledged();
        assert!(acknowledged > count, "the bookings have stopped at {acknowledged}");
        acknowledged
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.state.acknowledged.load(Ordering::SeqCst)
    }

    /// Ends it and tells how many were acknowledged.
    pub(crate) fn stop(mut self) -> u64 {
        self.end();
        self.acknowledged()
    }

    fn end(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        let guard = self.state.lock.lock();
        self.state.went_on.notify_all();
        drop(guard);
        let ended = self.thread.take().map_or(Ok(()), JoinHandle::join);
        assert!(ended.is_ok() || std::thread::panicking(), "a booking was refused");
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        self.end();
    }
}

impl State {
    fn book(&self, storage: &Storage) {
        let mut number = 0;
        while self.may_go_on(number) {
            let tickets: Vec<_> = (number..number + 8).map(|number| storage.commit(book(number))).collect();
            for ticket in tickets {
                ticket.wait().expect("the slot is free");
                number += 1;
            }
            let guard = self.lock.lock().expect("no panic");
            self.acknowledged.store(number, Ordering::SeqCst);
            self.went_on.notify_all();
            drop(guard);
        }
    }

    /// Waits until somebody has looked, and says whether to go on.
    fn may_go_on(&self, number: u64) -> bool {
        let guard = self.lock.lock().expect("no panic");
        let far_ahead = |_: &mut ()| {
            !self.stop.load(Ordering::SeqCst) && number >= self.looked_at.load(Ordering::SeqCst) + AHEAD
        };
        drop(self.went_on.wait_while(guard, far_ahead).expect("no panic"));
        !self.stop.load(Ordering::SeqCst)
    }
}
