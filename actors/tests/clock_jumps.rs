//! P1 and holds under a clock that jumps: hours, days and years, forward and back, also while requests are under way.

mod seeding;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use actors::{AskError, Booker, Request};
use domain::{BookingId, Cancel, CancelBy, Rejection, Reply, Timestamp};
use seeding::crew::Crew;
use seeding::{Size, member_id, morning, schedule_id, serial, tenant, user_id};
use storage::{Scan, keys};

const SLOTS: u16 = 40;
const USERS: u64 = 60;
const ROUNDS: u64 = 300;
const AT_ONCE: u64 = 8;

const MINUTE: u64 = 60;
const DAY: u64 = 86_400;
const YEAR: u64 = 365 * DAY;

/// xorshift64*: a fixed sequence, so that a failure can be looked at again.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % limit
    }

    /// A moment at most years from the first one, mostly about then.
    fn moment(&mut self) -> Timestamp {
        let most = [0, 10 * MINUTE, 10 * MINUTE, 3 * 60 * MINUTE, 3 * DAY, 5 * YEAR][self.below(6) as usize];
        let by = Duration::from_secs(self.below(most + 1));
        if self.below(2) == 0 { morning().plus(by) } else { morning().minus(by) }
    }
}

enum Asked {
    Submitted(u16, u64),
    Cancelled(u16, BookingId),
    Held,
}

fn size() -> Size {
    Size { schedules: 1, slots: SLOTS, users: USERS, members_per_user: 1 }
}

/// Whatever time it is, a slot has one live booking at most, what was acknowledged is there, and in the end every slot
/// that nobody has can be had.
///
/// Seen to fail when a booked slot was not required to be absent and every request got an actor of its own.
#[actix::test]
async fn whatever_the_clock_shows_no_slot_is_given_twice() {
    let crew = Rc::new(Crew::start(size()));
    let mut chance = Chance(0x5EED_2026_1124);
    let mut live: HashMap<u16, (BookingId, u64)> = HashMap::new();
    let mut gone: HashSet<BookingId> = HashSet::new();
    let (mut submitted, mut held) = (0, 0);
    for round in 0..ROUNDS {
        let mut running = Vec::new();
        for _ in 0..AT_ONCE {
            let (slot, user) = (1 + chance.below(SLOTS.into()) as u16, chance.below(USERS));
            let kind = match (chance.below(5), live.get(&slot)) {
                (0, Some((booking, owner))) => {
                    let by = CancelBy::Patient(user_id(*owner));
                    (Request::Cancel(Cancel { booking: *booking, by }), Asked::Cancelled(slot, *booking))
                }
                (1 | 2, _) => (Request::Presubmit { user: user_id(user), serial: serial(slot) }, Asked::Held),
                _ => {
                    let booker = Booker::Account { user: user_id(user), member: member_id(user, 0) };
                    let submit = Request::Submit { booker, serial: serial(slot) };
                    (submit, Asked::Submitted(slot, user))
                }
            };
            let ((request, asked), crew) = (kind, Rc::clone(&crew));
            running.push(actix::spawn(async move { (asked, crew.ask(0, request).await) }));
        }
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        crew.clock.set(chance.moment());
        crew.directory.tidy();
        let mut answers = Vec::new();
        for asked in running {
            answers.push(asked.await.expect("lives"));
        }
        // A slot may be cancelled and booked again within a round: first what became free.
        for (asked, answer) in &answers {
            if let (Asked::Cancelled(slot, booking), Ok(_)) = (asked, answer) {
                gone.insert(*booking);
                live.remove(slot);
            }
        }
        for (asked, answer) in answers {
            match (asked, answer) {
                (Asked::Submitted(slot, user), Ok(Reply::Booked(booking))) => {
                    submitted += 1;
                    if gone.contains(&booking) {
                        continue;
                    }
                    let other = live.insert(slot, (booking, user));
                    // Who submits again gets the same booking again.
                    assert!(
                        other.is_none_or(|other| other == (booking, user)),
                        "round {round}: slot {slot}: {other:?}"
                    );
                }
                (Asked::Held, Ok(_)) => held += 1,
                (_, Err(AskError::Rejected(_) | AskError::Contended | AskError::TooLate) | Ok(_)) => {}
                (_, Err(error)) => panic!("round {round}: {error}"),
            }
        }
    }
    println!("{submitted} bookings, {} cancellations and {held} holds acknowledged", gone.len());
    assert!(submitted >= 100 && gone.len() >= 20 && held >= 50, "{submitted}, {}, {held}", gone.len());
    let stored = crew.storage.scan(&keys::slots_of(tenant(), schedule_id(0)), Scan::ALL).expect("readable");
    let mut stored: Vec<_> = stored.into_iter().map(|(_, slot)| slot.record.booking).collect();
    let mut known: Vec<_> = live.values().map(|(booking, _)| *booking).collect();
    stored.sort_unstable();
    known.sort_unstable();
    assert_eq!(stored, known);

    // The clock is right again, and every hold is over by now.
    crew.clock.set(morning().plus(Duration::from_secs(16 * MINUTE)));
    let busy: Vec<_> = live.values().map(|(_, user)| *user).collect();
    let mut others = (0..USERS).filter(|user| !busy.contains(user));
    for slot in (1..=SLOTS).filter(|slot| !live.contains_key(slot)) {
        let user = others.next().expect("more users than slots");
        crew.submit(0, slot, user).await.unwrap_or_else(|error| panic!("slot {slot}: {error}"));
    }
}

/// A hold ends when a clock that was ahead is set right, for its slot and for the limit of its account.
///
/// Seen to fail when only the end of a hold was looked at, by the schedule or by the account.
#[actix::test]
async fn a_hold_does_not_outlast_a_clock_that_was_ahead() {
    for back in [60 * MINUTE, DAY] {
        let crew = Crew::start(Size { schedules: 8, ..size() });
        let hold = |user| Request::Presubmit { user: user_id(user), serial: serial(1) };
        for schedule in 0..3 {
            crew.ask(schedule, hold(0)).await.expect("free");
        }
        crew.clock.set(morning().minus(Duration::from_secs(MINUTE)));
        // A minute is nothing.
        assert_eq!(crew.submit(0, 1, 1).await, Err(AskError::Rejected(Rejection::SlotHeld)));
        assert_eq!(crew.ask(3, hold(0)).await, Err(AskError::Rejected(Rejection::TooManyHolds)));
        crew.clock.set(morning().minus(Duration::from_secs(back)));
        crew.submit(0, 1, 1).await.expect("the hold is over");
        crew.ask(3, hold(0)).await.expect("the others are, too");
    }
}
