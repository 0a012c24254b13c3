//! P1 across actors that must not exist: two directories over one store, each with its own actor for
//! the same schedule, as if two processes ran. Only storage's preconditions are left to decide.

mod seeding;

use std::collections::HashSet;
use std::rc::Rc;

use actors::{AskError, Request};
use domain::{Rejection, StaffId, Stop};
use seeding::crew::Crew;
use seeding::{Size, schedule_id, tenant};
use storage::{Scan, keys};

const SLOTS: u16 = 40;

fn size() -> Size {
    Size { schedules: 1, slots: SLOTS, users: 400, members_per_user: 1 }
}

/// Catches: a booking that does not require its slot to be absent.
#[actix::test]
async fn two_actors_of_one_schedule_never_give_a_slot_twice() {
    let crew = Rc::new(Crew::start(size()));
    let other = Rc::new(crew.second_directory());
    let callers = (0..400).map(|n| {
        let crew = Rc::clone(if n % 2 == 0 { &crew } else { &other });
        actix::spawn(async move { crew.submit(0, 1 + (n / 2 % u64::from(SLOTS)) as u16, n).await })
    });
    let mut winners = HashSet::new();
    for caller in callers.collect::<Vec<_>>() {
        match caller.await.expect("lives") {
            Ok(booking) => assert!(winners.insert(booking), "a booking was given twice"),
            Err(AskError::Rejected(Rejection::SlotTaken) | AskError::Contended) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(crew.directory.started_actors() + other.directory.started_actors(), 2);
    let stored = crew.storage.scan(&keys::slots_of(tenant(), schedule_id(0)), Scan::ALL).expect("readable");
    let stored: HashSet<_> = stored.into_iter().map(|(_, slot)| slot.record.booking).collect();
    assert_eq!(stored, winners);
    assert!(winners.len() >= usize::from(SLOTS) / 2, "{} winners", winners.len());
}

/// Catches: a booking that does not require the schedule to be the one that was decided on.
#[actix::test]
async fn a_schedule_that_another_actor_stopped_is_not_booked() {
    let crew = Crew::start(size());
    let other = crew.second_directory();
    crew.submit(0, 1, 0).await.expect("free");
    other.submit(0, 2, 1).await.expect("free");
    let staff = StaffId::new(7).expect("an id");
    let reason = domain::Reason::parse("停诊").expect("a reason");
    other.ask(0, Request::Stop(Stop { staff, reason })).await.expect("stopped");
    assert_eq!(crew.submit(0, 3, 2).await, Err(AskError::Rejected(Rejection::Stopped)));
    let taken =
        crew.storage.scan_keys(&keys::slots_of(tenant(), schedule_id(0)), Scan::ALL).expect("readable");
    assert_eq!(taken.len(), 0, "the stop has cancelled what both had booked");
}
