//! Compares what a restarted server has with what was acknowledged before.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use super::load::{Doubt, Owed, Visit, Worker};
use super::patients::Patient;
use super::people;
use super::town::{Slot, Town};

/// What an audit has looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Audited {
    pub live: usize,
    pub cancelled: usize,
    /// Requests without an answer that turned out to have had their effect.
    pub in_doubt_done: usize,
    /// And those that turned out to have had none.
    pub in_doubt_undone: usize,
}

/// One row of the list of bookings.
struct Row {
    slot: Slot,
    person: usize,
    status: u64,
}

type Books = HashMap<String, Row>;

/// Checks that every acknowledged booking is there as it was acknowledged, that nothing else is there but what was in
/// doubt, and that slots, lists and half-days agree with the bookings. Nobody may hold a slot meanwhile. Afterwards
/// nothing is in doubt any more: what is there is known, and owed once more.
pub async fn audit(address: SocketAddr, town: &Town, workers: &mut [Worker]) -> Audited {
    let mut audited = Audited::default();
    let mut live: HashMap<Slot, String> = HashMap::new();
    // The two workers of an account.
    for pair in workers.chunks_mut(2) {
        let mut patient = Patient::connect(address).await.expect("the server listens");
        patient.use_token(&pair[0].token);
        let mut books = read_books(&mut patient, town).await;
        for (booking, row) in books.iter().filter(|(_, row)| row.status == 0) {
            let other = live.insert(row.slot, booking.clone());
            assert!(other.is_none(), "{:?} is given to {booking} and {other:?}", row.slot);
        }
        for worker in pair {
            compare(worker, &mut books, &mut audited);
            settle(worker, &mut books, &mut patient, &mut audited).await;
        }
        let rest: Vec<_> = books.keys().collect();
        assert!(rest.is_empty(), "bookings that nobody asked for: {rest:?}");
    }
    compare_lists(address, town, &live.into_keys().collect()).await;
    audited
}

async fn read_books(patient: &mut Patient, town: &Town) -> Books {
    let mut books = Books::new();
    for page in 1.. {
        let data = patient.books(page, 100).await.expect("answered").data();
        for row in data["list"].as_array().expect("a list") {
            let text = |name: &str| row[name].as_str().expect("a text");
            let slot = town.slot_at(text("doctorId"), text("treaTime")).expect("a slot of the town");
            let person = text("memberName").strip_prefix("患者").expect("an invented name").parse();
            let status = row["bookStatus"].as_u64().expect("an integer");
            let row = Row { slot, person: person.expect("a number"), status };
            assert!(books.insert(text("bookId").to_owned(), row).is_none(), "{} twice", text("bookId"));
        }
        if u64::from(page) >= data["pages"].as_u64().expect("an integer") {
            assert_eq!(data["total"].as_u64(), Some(books.len() as u64));
            break;
        }
    }
    books
}

/// Takes out of `books` what the worker knows, in the state that it knows.
fn compare(worker: &Worker, books: &mut Books, audited: &mut Audited) {
    let in_doubt = match &worker.doubt {
        Some(Doubt::Cancel(visit)) => Some(&visit.booking),
        Some(Doubt::Submit { .. }) | None => None,
    };
    for visit in worker.live.iter().filter(|visit| Some(&visit.booking) != in_doubt) {
        let row = books.remove(&visit.booking).unwrap_or_else(|| panic!("an acknowledged {visit:?} is lost"));
        assert_eq!((row.status, row.slot, row.person), (0, visit.slot, visit.person), "{visit:?}");
        audited.live += 1;
    }
    for booking in &worker.cancelled {
        let row = books.remove(booking).unwrap_or_else(|| panic!("the cancelled booking {booking} is lost"));
        assert_eq!(row.status, 1, "the acknowledged cancel of {booking} is lost");
        audited.cancelled += 1;
    }
}

/// Finds out what became of the request without an answer: all of it or nothing.
async fn settle(worker: &mut Worker, books: &mut Books, patient: &mut Patient, audited: &mut Audited) {
    let Some(doubt) = worker.doubt.take() else { return };
    let (slot, person) = match doubt {
        Doubt::Submit { slot, person } => {
            let made =
                books.iter().find(|(_, row)| row.slot == slot && row.person == person && row.status == 0);
            if let Some(booking) = made.map(|(booking, _)| booking.clone()) {
                books.remove(&booking);
                let visit = Visit { booking, slot, person };
                check_detail(patient, &visit).await;
                worker.live.push(visit.clone());
                worker.owed = Some(Owed::Submit(visit));
                audited.in_doubt_done += 1;
            } else {
                audited.in_doubt_undone += 1;
            }
            (slot, person)
        }
        Doubt::Cancel(visit) => {
            let row =
                books.remove(&visit.booking).unwrap_or_else(|| panic!("an acknowledged {visit:?} is lost"));
            assert_eq!((row.slot, row.person), (visit.slot, visit.person), "{visit:?}");
            if row.status == 1 {
                worker.live.retain(|other| *other != visit);
                worker.cancelled.push(visit.booking.clone());
                worker.owed = Some(Owed::Cancel(visit.booking));
                audited.in_doubt_done += 1;
            } else {
                assert_eq!(row.status, 0, "{visit:?}");
                audited.in_doubt_undone += 1;
            }
            (visit.slot, visit.person)
        }
    };
    // The half-day is taken if and only if the booking is there.
    let booked = worker.live.iter().any(|visit| visit.slot == slot && visit.person == person);
    let answer = patient.same_half_day(slot.schedule, worker.member_id(person)).await.expect("answered");
    assert_eq!(answer.status, if booked { "401006" } else { "000" }, "{slot:?}");
}

async fn check_detail(patient: &mut Patient, visit: &Visit) {
    let detail = patient.book(&visit.booking).await.expect("answered").data();
    assert_eq!(detail["treaNo"].as_u64(), Some(u64::from(visit.slot.serial)), "{visit:?}");
    assert_eq!(detail["memberIDNo"], people::id_number(visit.person), "{visit:?}");
    assert_eq!(detail["bookStatus"], 0, "{visit:?}");
}

/// Every slot is offered or booked, and none is both.
async fn compare_lists(address: SocketAddr, town: &Town, live: &HashSet<Slot>) {
    let mut anyone = Patient::connect(address).await.expect("the server listens");
    for schedule in town.schedules() {
        let offered = anyone.left_appo(schedule).await.expect("answered").data();
        let offered = offered.as_array().expect("a list").iter();
        let offered: Vec<_> =
            offered.map(|row| row["serialNo"].as_u64().expect("an integer") as u16).collect();
        let free = (1..=town.slots()).filter(|serial| !live.contains(&Slot { schedule, serial: *serial }));
        assert_eq!(offered, free.collect::<Vec<_>>(), "left_appo of {schedule}");
    }
}
