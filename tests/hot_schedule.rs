//! T5: everybody wants the same schedule.

mod harness;

use std::collections::{HashMap, HashSet};

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::Patient;

const SCHEDULE: u64 = 3001;
const SLOTS: u16 = 40;
const USERS: usize = 20;
const MEMBERS_PER_USER: usize = 100;
/// Connections of each user: 80 at once over all.
const CONNECTIONS_PER_USER: usize = 4;

/// 2,000 submits for as many patients on 40 slots: 40 winners, each with a slot of its own, and everybody
/// is answered. Catches: a slot that is neither looked up when deciding nor required to be absent by
/// the commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_patients_on_forty_slots_leave_forty_winners() {
    let folder = Folder::new();
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(SCHEDULE, 2001, day(2), Half::Am, SLOTS);
    clinic::import(&folder, &file);
    let clinic = Clinic::start(
        &folder,
        &[("PATI_BOOKING__MAX_MEMBERS_PER_USER", "100"), ("PATI_BOOKING__MAX_ACTIVE_PER_USER", "100")],
    );
    let mut users = Vec::new();
    for user in 0..USERS {
        let mut patient = Patient::registered(&clinic, user).await;
        let mut members = Vec::new();
        for member in 0..MEMBERS_PER_USER {
            members.push(patient.add_member(user * MEMBERS_PER_USER + member).await);
        }
        users.push((patient, members));
    }
    let mut clients = Vec::new();
    for (patient, members) in &users {
        for connection in 0..CONNECTIONS_PER_USER {
            let mut patient = patient.again(clinic.address).await.expect("the server listens");
            let members: Vec<_> =
                members.iter().skip(connection).step_by(CONNECTIONS_PER_USER).cloned().collect();
            clients.push(tokio::spawn(async move {
                let mut answers = Vec::new();
                for (n, member) in members.into_iter().enumerate() {
                    let serial = 1 + ((connection + n * CONNECTIONS_PER_USER) % usize::from(SLOTS)) as u16;
                    answers
                        .push((serial, patient.submit(SCHEDULE, serial, &member).await.expect("answered")));
                }
                answers
            }));
        }
    }
    let mut winners: HashMap<u16, String> = HashMap::new();
    let mut answered = 0;
    for client in clients {
        for (serial, answer) in client.await.expect("lives") {
            answered += 1;
            if answer.is_success() {
                let booking = answer.data()["bookId"].as_str().expect("an id").to_owned();
                assert_eq!(winners.insert(serial, booking), None, "slot {serial} was given twice");
            } else {
                answer.ruled_out("401004");
            }
        }
    }
    assert_eq!(answered, USERS * MEMBERS_PER_USER);
    assert_eq!(winners.len(), usize::from(SLOTS));
    let mut anyone = Patient::connect(clinic.address).await.expect("the server listens");
    assert_eq!(anyone.left_appo(SCHEDULE).await.expect("answered").data(), serde_json::json!([]));
    let mut listed = HashSet::new();
    for (patient, _) in &mut users {
        let page = patient.books(1, 100).await.expect("answered").data();
        let rows = page["list"].as_array().expect("rows").clone();
        listed.extend(rows.iter().map(|row| row["bookId"].as_str().expect("an id").to_owned()));
    }
    assert_eq!(listed, winners.into_values().collect(), "what was answered is what is listed");
    println!("{answered} answered, {} booked", listed.len());
}
