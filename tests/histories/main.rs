//! T7: what many clients at once were told of a slot can be told in some order, one after the other; also across kills.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clients::{Arena, Client};
use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::random::Random;
use harness::town::Town;
use porcupine_rs::CheckResult;
use slots::{CLIENTS, History, Learned, OPERATIONS};

#[expect(unreachable_pub, reason = "a module of a test crate")]
mod clients;
#[path = "../harness/mod.rs"]
mod harness;
#[expect(unreachable_pub, reason = "a module of a test crate")]
mod slots;

/// Schedules, one after the other; the server is killed in the middle of each.
const SCHEDULES: usize = 12;
const SLOTS: u16 = 5;

/// How long clients may take to get a server into the middle of a schedule.
const PATIENCE: Duration = Duration::from_secs(120);

const SETTINGS: [(&str, &str); 1] = [("PATI_BOOKING__MAX_ACTIVE_PER_USER", "100")];

/// Sixteen clients submit for, cancel and look at the five slots of a schedule, of which they are told what an order
/// explains, or the test fails; also where no order was found in time.
///
/// Planted, and found in each history: another booking of a slot that somebody had, see [`History::with_a_double_booking`].
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_history_has_an_order() {
    let mut random = Random::seeded(20_261_124);
    let folder = Folder::new();
    // Days of two half-days each.
    let town = Town::new(1, SCHEDULES as i32 / 2, SLOTS);
    clinic::import(&folder, &town.import_file());
    let mut clinic = Clinic::start(&folder, &SETTINGS);
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        clients.push(Client::registered(&clinic, number, random.branch()).await);
    }
    let begun = Instant::now();
    let mut seen = Seen::default();
    for schedule in town.schedules() {
        let arena = Arena::new(schedule, usize::from(SLOTS), begun);
        let before_the_kill = OPERATIONS / 4 + random.below(OPERATIONS / 2);
        let running = start(&arena, clients);
        let reached = arena.reach(before_the_kill * usize::from(SLOTS));
        tokio::time::timeout(PATIENCE, reached).await.expect("the clients are at work");
        clinic.kill();
        let gone = arena.now();
        clients = finish(running, Ended::WithTheServer).await;

        clinic = Clinic::start(&folder, &SETTINGS);
        for client in &mut clients {
            client.connect(clinic.address).await;
            seen.doubts += usize::from(client.settle(&arena, gone).await);
        }
        clients = finish(start(&arena, clients), Ended::Done).await;
        seen.check(&mut clients);
    }
    clinic.stop();
    clinic::verify(&folder);
    println!("{seen:?}");
    assert!(seen.doubts > 0, "no request was ever cut off");
    assert_eq!(seen.histories, SCHEDULES * usize::from(SLOTS));
    assert!(seen.operations >= seen.histories * OPERATIONS * 9 / 10, "{seen:?}");
    for count in [seen.booked, seen.cancelled, seen.refused, seen.looked] {
        assert!(count >= 500, "{seen:?}");
    }
}

/// What was recorded and checked.
#[derive(Debug, Default)]
struct Seen {
    histories: usize,
    operations: usize,
    booked: usize,
    cancelled: usize,
    refused: usize,
    looked: usize,
    /// Requests that were cut off.
    doubts: usize,
    /// The most that were under way about one slot at the same time.
    overlapping: usize,
    planted: usize,
}

impl Seen {
    /// Takes what the clients have written down of a schedule, and checks it.
    fn check(&mut self, clients: &mut [Client]) {
        let mut histories: BTreeMap<usize, History> = BTreeMap::new();
        for client in clients {
            for (slot, history) in client.leave() {
                histories.entry(slot).or_default().append(history);
            }
        }
        for (slot, history) in histories {
            assert!(history.len() <= OPERATIONS && history.overlapping() <= 20, "it could not be checked");
            assert_eq!(history.two_at_once(), None, "slot {slot}: {history:?}");
            assert_eq!(history.verdict(), CheckResult::Ok, "slot {slot}: {history:?}");
            let planted = history.with_a_double_booking().expect("a booking that lived for a while");
            assert!(planted.two_at_once().is_some(), "{planted:?}");
            assert_eq!(planted.verdict(), CheckResult::Illegal, "{planted:?}");
            self.planted += 1;
            self.histories += 1;
            self.operations += history.len();
            self.booked += history.count(|learned| matches!(learned, Learned::Booked(_)));
            self.cancelled += history.count(|learned| matches!(learned, Learned::Cancelled(_)));
            self.refused += history.count(|learned| *learned == Learned::Taken);
            self.looked += history.count(|learned| matches!(learned, Learned::Offered | Learned::NotOffered));
            self.overlapping = self.overlapping.max(history.overlapping());
        }
    }
}

type Running = Vec<tokio::task::JoinHandle<(Client, Ended)>>;

/// Why a client stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The operations were used up.
    Done,
    /// The server was gone.
    WithTheServer,
}

fn start(arena: &Arc<Arena>, clients: Vec<Client>) -> Running {
    let start = |mut client: Client| {
        let arena = Arc::clone(arena);
        tokio::spawn(async move {
            let ended = if client.work(&arena).await { Ended::Done } else { Ended::WithTheServer };
            (client, ended)
        })
    };
    clients.into_iter().map(start).collect()
}

async fn finish(running: Running, expected: Ended) -> Vec<Client> {
    let mut clients = Vec::new();
    for client in running {
        let (client, ended) = client.await.expect("no answer was a surprise");
        assert_eq!(ended, expected);
        clients.push(client);
    }
    clients
}

/// The checker and the direct check, on histories that were written by hand.
#[test]
fn two_bookings_of_one_slot_are_found() {
    let mut good = History::default();
    good.add(0, (0, 10), Learned::Booked(1));
    // Asked before it was cancelled, answered after: either may have come first.
    good.add(1, (18, 40), Learned::Booked(2));
    good.add(0, (20, 30), Learned::Cancelled(1));
    good.add(2, (12, 15), Learned::Taken);
    good.add(2, (50, 60), Learned::NotOffered);
    assert_eq!((good.verdict(), good.two_at_once()), (CheckResult::Ok, None));

    let mut twice = good.clone();
    twice.add(3, (45, 48), Learned::Booked(3));
    assert_eq!((twice.verdict(), twice.two_at_once()), (CheckResult::Illegal, Some((2, 3))));

    // Nobody has it any more, and it is still refused.
    let mut lost = History::default();
    lost.add(0, (0, 10), Learned::Booked(1));
    lost.add(0, (20, 30), Learned::Cancelled(1));
    lost.add(1, (40, 50), Learned::Taken);
    assert_eq!((lost.verdict(), lost.two_at_once()), (CheckResult::Illegal, None));
}
