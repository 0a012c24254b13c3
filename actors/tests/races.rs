//! T8: races between actors that know nothing of each other. Storage's preconditions decide them.

mod seeding;

use std::rc::Rc;

use actors::{AskError, Booker, Request};
use domain::{Policy, Rejection, Reply};
use seeding::crew::Crew;
use seeding::{Size, member_id, policy, serial, user_id};

const ROUNDS: u64 = 100;

/// The same patient in two accounts, so that nothing but the half-day stands in the way. Catches: the
/// half-day read before the commit and not required by it, so that both doctors get the patient.
#[actix::test]
async fn one_patient_at_two_doctors_on_the_same_half_day_wins_once() {
    let size = Size { schedules: 4, slots: 100, users: 2 * ROUNDS, members_per_user: 1 };
    let crew = Rc::new(Crew::start(size));
    let vault = seeding::vault(&crew.storage, crew.folder.path());
    for n in 0..ROUNDS {
        let commit = seeding::share_patient(&vault, n, ROUNDS + n);
        crew.storage.commit(commit).await.expect("stored");
    }
    for round in 0..ROUNDS {
        // Schedules 0 and 2 are the mornings of two doctors.
        let race = [(0, round), (2, ROUNDS + round)].map(|(schedule, user)| {
            let crew = Rc::clone(&crew);
            actix::spawn(async move { crew.submit(schedule, 1 + round as u16, user).await })
        });
        let [first, second] = race;
        let outcomes = [first.await.expect("lives"), second.await.expect("lives")];
        let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(won, 1, "round {round}: {outcomes:?}");
        assert!(
            outcomes.contains(&Err(AskError::Rejected(Rejection::HalfDayTaken))),
            "round {round}: {outcomes:?}"
        );
    }
}

/// Catches: the user's live bookings counted before the commit and not guarded by their version.
#[actix::test]
async fn a_user_at_the_limit_wins_once_however_many_schedules_are_asked() {
    const SCHEDULES: u64 = 8;
    let size = Size { schedules: 2 * SCHEDULES, slots: 60, users: 20, members_per_user: SCHEDULES };
    let crew = Rc::new(Crew::start_with(size, Policy { max_active_per_user: 1, ..policy() }));
    for n in 0..20 {
        // Another member for each doctor, so that only the account's limit stands in the way.
        let race = (0..SCHEDULES).map(|k| {
            let crew = Rc::clone(&crew);
            actix::spawn(async move {
                let booker = Booker::Account { user: user_id(n), member: member_id(n, k) };
                crew.ask(2 * k, Request::Submit { booker, serial: serial(1 + n as u16) }).await
            })
        });
        let mut won = 0;
        for outcome in race.collect::<Vec<_>>() {
            match outcome.await.expect("lives") {
                Ok(Reply::Booked(_)) => won += 1,
                Err(AskError::Rejected(Rejection::ActiveLimit) | AskError::Contended) => {}
                other => panic!("user {n}: {other:?}"),
            }
        }
        assert_eq!(won, 1, "user {n}");
    }
}

/// Catches: holds counted and added in two steps, so that schedules asked at once all see room.
#[actix::test]
async fn a_user_never_holds_more_than_three_slots() {
    let size = Size { schedules: 8, slots: 10, users: 50, members_per_user: 1 };
    let crew = Rc::new(Crew::start(size));
    for n in 0..50 {
        let race = (0..8).map(|schedule| {
            let crew = Rc::clone(&crew);
            let request = Request::Presubmit { user: user_id(n), serial: serial(1 + (n % 10) as u16) };
            actix::spawn(async move { crew.ask(schedule, request).await })
        });
        let mut held = 0;
        for outcome in race.collect::<Vec<_>>() {
            match outcome.await.expect("lives") {
                Ok(Reply::Held { .. }) => held += 1,
                Err(AskError::Rejected(Rejection::TooManyHolds | Rejection::SlotHeld)) => {}
                other => panic!("user {n}: {other:?}"),
            }
        }
        assert!(held <= 3, "user {n} holds {held}");
        assert!(n >= 10 || held == 3, "user {n} holds {held}, nobody was in the way");
    }
}
