//! T2: the power fails under load and during starts, again and again, and nothing that was acknowledged is lost.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::disk::{self, Disk};
use crate::harness::audit::{Audited, audit};
use crate::harness::clinic::{self, Clinic};
use crate::harness::folder::Folder;
use crate::harness::load::{Control, Exchange, Outcome, Worker};
use crate::harness::patients::{PASSWORD, Patient};
use crate::harness::people;
use crate::harness::random::Random;
use crate::harness::town::Town;

/// Cuts under load; after every second one the next start is cut off too.
const CYCLES: u64 = 22;
const CUTS: u64 = CYCLES + CYCLES / 2;
/// Acknowledged writes before each cut.
const ACKNOWLEDGED_PER_CYCLE: u64 = 100;
/// How long after that the power fails at most.
const LONGEST_RUN: Duration = Duration::from_millis(300);
/// After so long a start is cut off at the latest.
const LONGEST_START: Duration = Duration::from_millis(200);

const EXIT_IO_ERROR: i32 = 74;

const SETTINGS: [(&str, &str); 2] =
    [("PATI_BOOKING__MAX_MEMBERS_PER_USER", "100"), ("PATI_BOOKING__MAX_ACTIVE_PER_USER", "100")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_power_fails() {
    if !disk::can_be_had("power_cut") {
        return;
    }
    let mut random = Random::seeded(20_261_130);
    let folder = Folder::new();
    let disk = Disk::new(&folder, 1024);
    let town = Arc::new(Town::new(4, 5, 30));
    clinic::import(&folder, &town.import_file());
    let mut clinic = Clinic::start(&folder, &SETTINGS);
    let mut workers = Worker::open_accounts(&clinic, &town, &mut random, (8, 5)).await;
    let (mut acknowledged, mut answered) = (0, 0);
    let mut starts_cut = [0, 0];
    let mut doubts = Audited::default();
    let unknown = Arc::new(AtomicU64::new(0));

    for cycle in 0..CYCLES {
        let control = Control::new();
        let running = start_work(clinic.address, (&control, &unknown), std::mem::take(&mut workers));
        control.reach(ACKNOWLEDGED_PER_CYCLE).await;
        // Not for the server to finish something: the moment of the cut is what is varied.
        tokio::time::sleep(below(&mut random, LONGEST_RUN)).await;
        disk.cut();
        for worker in running {
            workers.push(worker.await.expect("no answer was a surprise"));
        }
        // It was told by its disk, before it could lose its own power.
        let status = clinic.wait_for_end();
        assert_eq!(status.code(), Some(EXIT_IO_ERROR), "{status}:\n{}", clinic.log().join("\n"));
        disk.power_up();
        acknowledged += control.acknowledged();
        answered += control.answered();

        if cycle % 2 == 1 {
            let listened = cut_off_start(&folder, &disk, below(&mut random, LONGEST_START));
            starts_cut[usize::from(listened)] += 1;
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
        "{CUTS} cuts, {acknowledged} writes acknowledged and {answered} other answers, {} told that the outcome is \
         unknown, {doubts:?}, {} starts cut off before they listened and {} after",
        unknown.load(Ordering::SeqCst),
        starts_cut[0],
        starts_cut[1]
    );
    assert!(CUTS >= 30 && acknowledged >= CYCLES * ACKNOWLEDGED_PER_CYCLE);
    assert!(doubts.in_doubt_done + doubts.in_doubt_undone > 0, "no request was ever cut off");
    assert!(starts_cut[0] > 0, "no start was ever cut off");
}

/// Works until the server ends the connection.
fn start_work(
    address: SocketAddr,
    (control, unknown): (&Arc<Control>, &Arc<AtomicU64>),
    workers: Vec<Worker>,
) -> Vec<JoinHandle<Worker>> {
    let start = |mut worker: Worker| {
        let (control, unknown) = (Arc::clone(control), Arc::clone(unknown));
        tokio::spawn(async move {
            let begun = Instant::now();
            let on = |exchange: &Exchange| {
                assert!(begun.elapsed() < Duration::from_secs(60), "the server goes on without a disk");
                if let Outcome::Unknown(answer) = &exchange.outcome {
                    answer.refused(503, "0503");
                    unknown.fetch_add(1, Ordering::SeqCst);
                }
                true
            };
            worker.work(address, &control, on).await;
            worker
        })
    };
    workers.into_iter().map(start).collect()
}

/// Starts the program and cuts the power so long after, for the disk and for the process. Answers whether it had listened.
fn cut_off_start(folder: &Folder, disk: &Disk, after: Duration) -> bool {
    let mut command: Command = clinic::program(folder);
    command.arg("serve").envs(SETTINGS).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    thread::sleep(after);
    disk.cut();
    child.kill().expect("a child");
    let output = child.wait_with_output().expect("a child");
    disk.power_up();
    String::from_utf8_lossy(&output.stderr).contains("\"message\":\"listening")
}

fn below(random: &mut Random, most: Duration) -> Duration {
    Duration::from_micros(random.below(most.as_micros() as usize + 1) as u64)
}
