//! T9: the first request of a cold schedule, idle stop under traffic, and a panic inside an actor.
//! Whatever happens, one actor has the schedule and everybody is answered.

mod seeding;

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use actors::{AskError, Request};
use domain::{Cancel, CancelBy, Rejection};
use seeding::crew::Crew;
use seeding::{Size, schedule_id, tenant, user_id};
use storage::{Scan, keys};

const CALLERS: u64 = 64;
/// How often a schedule gets cold and is rushed at.
const ROUNDS: u64 = 500;

fn size() -> Size {
    Size { schedules: 1, slots: 40, users: CALLERS, members_per_user: 1 }
}

/// 64 callers at once, each for a patient of its own, on 40 slots; answers winners and refusals.
async fn rush(crew: &Rc<Crew>) -> Vec<Result<domain::BookingId, AskError>> {
    let callers = (0..CALLERS).map(|n| {
        let crew = Rc::clone(crew);
        actix::spawn(async move { crew.submit(0, 1 + (n % 40) as u16, n).await })
    });
    let callers: Vec<_> = callers.collect();
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await.expect("the caller lives"));
    }
    answers
}

/// Checks the answers against what is stored: 40 winners with slots of their own, all else refused.
fn check(crew: &Crew, answers: &[Result<domain::BookingId, AskError>]) {
    assert_eq!(answers.len() as u64, CALLERS);
    let winners: HashSet<_> = answers.iter().filter_map(|answer| answer.as_ref().ok().copied()).collect();
    assert_eq!(winners.len(), 40, "{answers:?}");
    for answer in answers {
        assert!(matches!(answer, Ok(_) | Err(AskError::Rejected(Rejection::SlotTaken))), "{answer:?}");
    }
    let stored = crew.storage.scan(&keys::slots_of(tenant(), schedule_id(0)), Scan::ALL).expect("readable");
    let stored: HashSet<_> = stored.into_iter().map(|(_, slot)| slot.record.booking).collect();
    assert_eq!(stored, winners);
    let left = crew.availability.look(tenant(), schedule_id(0), |view| view.left(seeding::morning()));
    assert_eq!(left, Some(0), "the lists show what was decided");
}

/// Gives all slots back and waits until no actor is left.
async fn cool_down(crew: &Crew, answers: Vec<Result<domain::BookingId, AskError>>) {
    for (n, answer) in answers.into_iter().enumerate() {
        if let Ok(booking) = answer {
            let by = CancelBy::Patient(user_id(n as u64));
            crew.ask(0, Request::Cancel(Cancel { booking, by })).await.expect("cancelled");
        }
    }
    crew.clock.advance(Duration::from_secs(61));
    while crew.directory.live_actors() > 0 {
        crew.directory.tidy();
        tokio::task::yield_now().await;
    }
}

/// Catches: an actor started by each caller that finds none, instead of one under the lock of the
/// directory's entry.
#[actix::test]
async fn sixty_four_callers_on_a_cold_schedule_meet_one_actor() {
    let crew = Rc::new(Crew::start(size()));
    for round in 1..=ROUNDS {
        let answers = rush(&crew).await;
        check(&crew, &answers);
        assert_eq!(crew.directory.started_actors(), round);
        assert_eq!(crew.directory.waiting(), 0, "every permit came back");
        cool_down(&crew, answers).await;
    }
}

/// Catches: a request that was on its way to an actor as it stopped, and that nobody sends to the next
/// one.
#[actix::test]
async fn an_actor_that_is_told_to_stop_under_traffic_loses_nothing() {
    let crew = Rc::new(Crew::start(size()));
    let mut answered = 0;
    for round in 0..50 {
        crew.clock.advance(Duration::from_secs(61));
        if round % 5 == 0 {
            crew.directory.tidy();
            while crew.directory.live_actors() > 0 {
                tokio::task::yield_now().await;
            }
        }
        let wave = (0..8).map(|n| {
            let crew = Rc::clone(&crew);
            actix::spawn(async move {
                if n % 2 == 0 {
                    crew.directory.tidy();
                }
                crew.submit(0, 1 + (round * 8 + n) as u16 % 40, (round * 8 + n) % CALLERS).await
            })
        });
        for caller in wave.collect::<Vec<_>>() {
            match caller.await.expect("the caller lives") {
                Ok(_) | Err(AskError::Rejected(Rejection::SlotTaken | Rejection::HalfDayTaken)) => {
                    answered += 1
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(crew.directory.live_actors() <= 1);
    }
    assert_eq!(answered, 400);
    assert!(crew.directory.started_actors() >= 10, "no actor ever stopped");
    let stored =
        crew.storage.scan_keys(&keys::slots_of(tenant(), schedule_id(0)), Scan::ALL).expect("readable");
    assert_eq!(stored.len(), 40);
}

/// Catches: a directory that keeps the address of a dead actor, and a caller whose request died with it
/// and who is never told.
#[actix::test]
async fn after_a_panic_a_fresh_actor_answers_everybody() {
    let crew = Rc::new(Crew::start(size()));
    let mut started = 0;
    for _ in 0..50 {
        crew.clock.panic_next(2);
        let answers = rush(&crew).await;
        check(&crew, &answers);
        assert!(crew.directory.started_actors() >= started + 2, "nothing panicked");
        assert_eq!(crew.directory.live_actors(), 1);
        assert_eq!(crew.directory.waiting(), 0, "every permit came back");
        cool_down(&crew, answers).await;
        started = crew.directory.started_actors();
    }
}
