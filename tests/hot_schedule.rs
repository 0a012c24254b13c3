//! T5: everybody wants the same schedule, and every slot goes to exactly one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day, slot_time};
use harness::patients::{Answer, Patient};

mod harness;

const SCHEDULE: u64 = 3001;
const SLOTS: u16 = 40;
const ACCOUNTS: usize = 20;
const MEMBERS: usize = 100;
/// Connections of each account: 80 in all.
const CONNECTIONS: usize = 4;

/// After some five seconds a request that waits is told that the server is busy.
const DEADLINE: Duration = Duration::from_secs(4);

const SETTINGS: [(&str, &str); 2] =
    [("PATI_BOOKING__MAX_MEMBERS_PER_USER", "100"), ("PATI_BOOKING__MAX_ACTIVE_PER_USER", "100")];

/// Who got what, and how many were told that the slot is taken.
#[derive(Default)]
struct Answers {
    /// By slot: the person and the booking.
    won: BTreeMap<u16, (usize, String)>,
    refused: usize,
}

/// 2,000 patients of 20 accounts submit over 80 connections, 50 of them for each of 40 slots.
///
/// Planted: a booked slot counted as free, its record was not required to be absent, and no assertion looked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_of_two_thousand_win() {
    let folder = Folder::new();
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(SCHEDULE, 2001, day(2), Half::Am, SLOTS);
    clinic::import(&folder, &file);
    let clinic = Clinic::start(&folder, &SETTINGS);
    let mut accounts = Vec::new();
    for account in 0..ACCOUNTS {
        accounts.push(Patient::registered(&clinic, account).await);
    }

    let mut adding = Vec::new();
    for connection in 0..ACCOUNTS * CONNECTIONS {
        let account = &accounts[connection / CONNECTIONS];
        let patient = account.again(clinic.address).await.expect("the server listens");
        adding.push(tokio::spawn(add_members(patient, connection)));
    }
    let mut ready = Vec::new();
    for connection in adding {
        ready.push(connection.await.expect("the members are added"));
    }
    let running: Vec<_> =
        ready.into_iter().map(|(patient, members)| tokio::spawn(rush(patient, members))).collect();
    let mut all = Answers::default();
    for rush in running {
        let answers = rush.await.expect("every answer was one of two");
        all.refused += answers.refused;
        for (slot, winner) in answers.won {
            let other = all.won.insert(slot, winner.clone());
            assert!(other.is_none(), "slot {slot} has two winners: {winner:?} and {other:?}");
        }
    }
    assert_eq!(all.won.keys().copied().collect::<Vec<_>>(), (1..=SLOTS).collect::<Vec<_>>());
    assert_eq!(all.won.len() + all.refused, ACCOUNTS * MEMBERS);

    compare(&clinic, &accounts, &all).await;
    clinic.stop();
    // And so it stays.
    let clinic = Clinic::start(&folder, &SETTINGS);
    compare(&clinic, &accounts, &all).await;
    clinic.stop();
    println!("{} won, {} were refused", all.won.len(), all.refused);
}

/// A family books at once: each of them gets the slot that it asks for, and nobody is sent away as if it were busy.
///
/// Planted: requests of one account were decided together, on the same version of its list of live bookings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_account_books_for_everybody_at_once() {
    const FAMILY: usize = 10;
    let folder = Folder::new();
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(SCHEDULE, 2001, day(2), Half::Am, SLOTS);
    clinic::import(&folder, &file);
    let clinic = Clinic::start(&folder, &SETTINGS);
    let mut patient = Patient::registered(&clinic, 0).await;
    let mut members = Vec::new();
    for person in 0..FAMILY {
        members.push(patient.add_member(person).await);
    }
    for round in 0..4 {
        let mut running = Vec::new();
        for (person, member) in members.iter().cloned().enumerate() {
            let mut patient = patient.again(clinic.address).await.expect("the server listens");
            let slot = (round * FAMILY + person) as u16 + 1;
            running.push(tokio::spawn(async move {
                let booked = submit(&mut patient, slot, &member).await.data();
                booked["bookId"].as_str().expect("an id").to_owned()
            }));
        }
        for booking in running {
            let booking = booking.await.expect("each got its slot");
            patient.cancel(&booking).await.expect("answered").done();
        }
    }
    assert_eq!(patient.books(1, 1).await.expect("answered").data()["total"], 4 * FAMILY);
}

/// Adds the members that one connection books for.
async fn add_members(mut patient: Patient, connection: usize) -> (Patient, Vec<(usize, String)>) {
    // Every connection begins with another slot, so that all of them are wanted by two at the first moment.
    let people = (connection..ACCOUNTS * MEMBERS).step_by(ACCOUNTS * CONNECTIONS);
    let mut members = Vec::new();
    for person in people {
        members.push((person, add_member(&mut patient, person).await));
    }
    (patient, members)
}

/// Submits for one member after the other.
async fn rush(mut patient: Patient, members: Vec<(usize, String)>) -> Answers {
    let mut answers = Answers::default();
    for (person, member) in members {
        let slot = (person % usize::from(SLOTS)) as u16 + 1;
        let answer = submit(&mut patient, slot, &member).await;
        if answer.is_success() {
            let booking = answer.data()["bookId"].as_str().expect("an id").to_owned();
            answers.won.insert(slot, (person, booking));
        } else {
            answer.ruled_out("401004");
            answers.refused += 1;
        }
    }
    answers
}

/// Submits, and again where the disk was so slow that the request waited until its deadline. A server that says so
/// before is not busy.
async fn submit(patient: &mut Patient, slot: u16, member: &str) -> Answer {
    loop {
        let asked = Instant::now();
        let answer = patient.submit(SCHEDULE, slot, member).await.expect("everyone is answered");
        if answer.status != "0503" || asked.elapsed() < DEADLINE {
            return answer;
        }
    }
}

/// The four connections of an account add to the same list of members: whoever is always second is told to come again.
async fn add_member(patient: &mut Patient, person: usize) -> String {
    loop {
        let answer = patient.member(person).await.expect("answered");
        if answer.status != "0503" {
            return answer.data()["memberId"].as_str().expect("an id").to_owned();
        }
    }
}

/// The lists show the winners, all of them and nobody else, and no slot is left.
async fn compare(clinic: &Clinic, accounts: &[Patient], all: &Answers) {
    let mut shown = BTreeSet::new();
    for account in accounts {
        let mut patient = account.again(clinic.address).await.expect("the server listens");
        let page = patient.books(1, 100).await.expect("answered").data();
        for row in page["list"].as_array().expect("a list") {
            let text = |name: &str| row[name].as_str().expect("a text").to_owned();
            assert_eq!(row["bookStatus"], 0);
            shown.insert((text("treaTime"), text("memberName"), text("bookId")));
        }
        assert_eq!(patient.left_appo(SCHEDULE).await.expect("answered").data(), serde_json::json!([]));
    }
    let row = |(slot, (person, booking)): (&u16, &(usize, String))| {
        let time = format!("{} {}:00", day(2), slot_time(Half::Am, *slot));
        (time, format!("患者{person}"), booking.clone())
    };
    assert_eq!(shown, all.won.iter().map(row).collect());
}
