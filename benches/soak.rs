//! Mixed load on the program for ten minutes (`PATI_SOAK_SECONDS` sets another time): whether memory, open files and live
//! actors come to rest. What is stored grows all the while, so memory is told beside the number of bookings made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::load::{Control, Outcome, Worker};
use harness::random::Random;
use harness::town::Town;
use harness::wire::{self, Connection};

#[path = "../tests/harness/mod.rs"]
mod harness;

const SETTINGS: [(&str, &str); 2] =
    [("PATI_BOOKING__MAX_MEMBERS_PER_USER", "100"), ("PATI_BOOKING__MAX_ACTIVE_PER_USER", "100")];
/// Looks at the server in all.
const LOOKS: u32 = 20;

/// What is seen of the server from outside.
#[derive(Debug)]
struct Look {
    writes: u64,
    resident_mb: f64,
    files: usize,
    actors: f64,
}

fn main() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let seconds = std::env::var("PATI_SOAK_SECONDS").ok().map(|text| text.parse().expect("a number"));
    let seconds = seconds.unwrap_or(if is_bench { 600 } else { 2 });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(soak(Duration::from_secs(seconds)));
}

async fn soak(duration: Duration) {
    let mut random = Random::seeded(20_261_124);
    let folder = Folder::new();
    let town = Arc::new(Town::new(20, 10, 30));
    clinic::import(&folder, &town.import_file());
    let clinic = Clinic::start(&folder, &SETTINGS);
    let workers = Worker::open_accounts(&clinic, &town, &mut random, (16, 10)).await;
    let (control, is_over) = (Control::new(), Arc::new(AtomicBool::new(false)));
    let running: Vec<_> = workers
        .into_iter()
        .map(|mut worker| {
            let (control, is_over, address) = (Arc::clone(&control), Arc::clone(&is_over), clinic.address);
            tokio::spawn(async move {
                let go_on = |exchange: &harness::load::Exchange| {
                    let sound = matches!(exchange.outcome, Outcome::Acknowledged | Outcome::Answered);
                    assert!(sound, "{exchange:?}");
                    !is_over.load(Ordering::Relaxed)
                };
                worker.work(address, &control, go_on).await;
            })
        })
        .collect();
    let begun = Instant::now();
    let mut looks = Vec::new();
    for n in 1..=LOOKS {
        tokio::time::sleep((duration * n / LOOKS).saturating_sub(begun.elapsed())).await;
        let look = look(&clinic, &control).await;
        println!(
            "{:>4} s: {:>8} writes, {:>6.1} MB resident, {:>3} files, {:>4} actors",
            begun.elapsed().as_secs(),
            look.writes,
            look.resident_mb,
            look.files,
            look.actors
        );
        looks.push(look);
    }
    is_over.store(true, Ordering::Relaxed);
    for worker in running {
        worker.await.expect("no answer was a surprise");
    }
    let (half, last) = (&looks[looks.len() / 2], &looks[looks.len() - 1]);
    let (writes, megabytes) = (last.writes - half.writes, last.resident_mb - half.resident_mb);
    assert!(writes > 0, "nothing was written");
    println!(
        "second half: {megabytes:+.1} MB with {writes} writes, {:+.0} bytes each; {:+} files",
        megabytes * 1e6 / writes as f64,
        last.files as i64 - half.files as i64
    );
    clinic.stop();
    println!("{}", clinic::verify(&folder));
}

async fn look(clinic: &Clinic, control: &Control) -> Look {
    let process = format!("/proc/{}", clinic.pid());
    let status = std::fs::read_to_string(format!("{process}/status")).expect("Linux");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let resident = resident.trim().trim_end_matches(" kB").parse::<f64>().expect("a number");
    let files = std::fs::read_dir(format!("{process}/fd")).expect("our own child").count();
    let mut operator = Connection::open(clinic.admin_address).await.expect("it listens");
    let metrics = operator.send(&wire::get("/metrics", &[])).await.expect("answered");
    let metrics = String::from_utf8(metrics.body).expect("text");
    let actors = metrics.lines().find_map(|line| line.strip_prefix("pati_schedule_actors "));
    let actors = actors.expect("the number of actors").parse().expect("a number");
    Look { writes: control.acknowledged(), resident_mb: resident * 1024.0 / 1e6, files, actors }
}
