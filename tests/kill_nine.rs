//! T1: SIGKILL under mixed load, again and again, and nothing that was acknowledged is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::audit::{Audited, audit};
use harness::clinic::{self, Clinic, Listened};
use harness::folder::Folder;
use harness::load::{Control, Outcome, Worker};
use harness::patients::{PASSWORD, Patient};
use harness::people;
use harness::random::Random;
use harness::town::Town;

mod harness;

const CYCLES: usize = 21;
const ACKNOWLEDGED_PER_CYCLE: u64 = 200;
/// How long after that a server is killed at most.
const LONGEST_RUN: Duration = Duration::from_millis(1500);
const SHORTEST_RUN: Duration = Duration::from_millis(50);
/// After so long a server that starts is killed at the latest.
const LONGEST_START: Duration = Duration::from_millis(60);

const SETTINGS: [(&str, &str); 2] =
    [("PATI_BOOKING__MAX_MEMBERS_PER_USER", "100"), ("PATI_BOOKING__MAX_ACTIVE_PER_USER", "100")];

/// Planted: the journal was written behind, four kilobytes at a time, and an acknowledged booking was lost; a booked slot
/// counted as free, its record was not required to be absent, and it was given to two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost() {
    let mut random = Random::seeded(20_261_124);
    let folder = Folder::new();
    let town = Arc::new(Town::new(4, 5, 30));
    clinic::import(&folder, &town.import_file());
    let mut clinic = Clinic::start(&folder, &SETTINGS);
    let mut workers = Worker::open_accounts(&clinic, &town, &mut random, (8, 10)).await;
    let (mut acknowledged, mut answered) = (0, 0);
    let mut killed_before_listening = 0;
    let mut doubts = Audited::default();

    for cycle in 0..CYCLES {
        let control = Control::new();
        let running = start_work(clinic.address, &control, std::mem::take(&mut workers));
        control.reach(ACKNOWLEDGED_PER_CYCLE).await;
        let moment = between(&mut random, SHORTEST_RUN, LONGEST_RUN);
        // Not for the server to finish something: the moment of the kill is what is varied.
        tokio::time::sleep(moment).await;
        clinic.kill();
        for worker in running {
            workers.push(worker.await.expect("no answer was a surprise"));
        }
        assert!(control.acknowledged() >= ACKNOWLEDGED_PER_CYCLE);
        acknowledged += control.acknowledged();
        answered += control.answered();

        if cycle % 3 == 0 {
            let moment = between(&mut random, Duration::from_millis(1), LONGEST_START);
            let listened = clinic::start_and_kill(&folder, &SETTINGS, moment);
            killed_before_listening += usize::from(listened == Listened::NotYet);
        }
        if cycle + 1 == CYCLES {
            clinic::verify(&folder);
        }
        clinic = Clinic::start(&folder, &SETTINGS);
        let audited = audit(clinic.address, &town, &mut workers).await;
        doubts.in_doubt_done += audited.in_doubt_done;
        doubts.in_doubt_undone += audited.in_doubt_undone;
        doubts = Audited { live: audited.live, cancelled: audited.cancelled, ..doubts };
    }
    // Something to be closed in good order.
    let mut patient = Patient::connect(clinic.address).await.expect("the server listens");
    patient.login(&people::phone(0), PASSWORD).await.expect("answered").data();
    clinic.stop();
    let report = clinic::verify(&folder);
    assert!(report.contains("closed in good order"), "{report}");
    assert!(report.contains("the index agrees"), "{report}");
    println!(
        "{CYCLES} cycles, {acknowledged} writes acknowledged and {answered} other answers, {doubts:?}, \
         {killed_before_listening} of {} starts killed before they listened",
        CYCLES.div_ceil(3)
    );
    assert!(doubts.in_doubt_done + doubts.in_doubt_undone > 0, "no request was ever cut off");
    assert!(killed_before_listening > 0, "no start was ever cut off");
}

fn start_work(
    address: std::net::SocketAddr,
    control: &Arc<Control>,
    workers: Vec<Worker>,
) -> Vec<tokio::task::JoinHandle<Worker>> {
    let start = |mut worker: Worker| {
        let control = Arc::clone(control);
        tokio::spawn(async move {
            let begun = Instant::now();
            let on = |exchange: &harness::load::Exchange| {
                assert!(!matches!(exchange.outcome, Outcome::Unknown(_)), "{exchange:?}");
                assert!(begun.elapsed() < Duration::from_secs(60), "the server was not killed");
                true
            };
            worker.work(address, &control, on).await;
            worker
        })
    };
    workers.into_iter().map(start).collect()
}

fn between(random: &mut Random, least: Duration, most: Duration) -> Duration {
    let span = (most - least).as_micros() as usize;
    least + Duration::from_micros(random.below(span + 1) as u64)
}
