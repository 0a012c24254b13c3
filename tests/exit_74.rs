//! T3 for the process: the disk refuses a write of the journal, and the server stops rather than guess.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use harness::audit::{Audited, audit};
use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::load::{Control, Exchange, Outcome, Worker};
use harness::random::Random;
use harness::town::Town;
use tokio::task::JoinHandle;

mod harness;

/// The phases of [`Control`].
const WELL: u8 = 0;
/// Somebody was told that the outcome is unknown.
const FAILED: u8 = 1;

/// EX_IOERR of sysexits.h.
const EXIT_IO_ERROR: i32 = 74;

/// From the first sign of the failure to the end of the process. The server takes half a second for its last words;
/// the rest is for a machine that has other things to do, and still finds a process that stays.
const LAST_WORDS: Duration = Duration::from_secs(10);

const MIN_ACKNOWLEDGED: u64 = 200;

const SETTINGS: [(&str, &str); 2] =
    [("PATI_BOOKING__MAX_MEMBERS_PER_USER", "100"), ("PATI_BOOKING__MAX_ACTIVE_PER_USER", "100")];

/// The largest file that the server may write, in the 512 bytes that `ulimit -f` counts. The journal is written with a
/// megabyte of zeros ahead: it wants to grow beyond this after some 1,500 writes, before the index does.
const LIMIT_BLOCKS: u64 = 2 * 1024 * 1024 / 512;

/// A server whose files cannot grow beyond the limit: the write that would gets EFBIG, since the signal is ignored.
fn start_limited(folder: &Folder) -> Clinic {
    let mut command = clinic::with_settings(Command::new("sh"), folder);
    let script = format!("trap '' XFSZ; ulimit -f {LIMIT_BLOCKS}; exec \"$0\" serve");
    command.args(["-c", &script, clinic::program_path()]).envs(SETTINGS);
    Clinic::spawn(command).unwrap_or_else(|log| panic!("the server did not start:\n{log}"))
}

/// What the workers saw of the failure.
#[derive(Default)]
struct Signs {
    told: AtomicUsize,
    disconnected: AtomicUsize,
}

/// Planted: the error of the write was logged and the commits acknowledged; the process stayed after the failure; who
/// waited was told by a reply that left the connection open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_write_ends_the_server_and_loses_nothing() {
    let mut random = Random::seeded(20_261_126);
    let folder = Folder::new();
    let town = Arc::new(Town::new(2, 5, 40));
    clinic::import(&folder, &town.import_file());
    let clinic = Clinic::start(&folder, &SETTINGS);
    let mut workers = Worker::open_accounts(&clinic, &town, &mut random, (4, 3)).await;
    clinic.stop();

    let mut clinic = start_limited(&folder);
    let (control, signs) = (Control::new(), Arc::new(Signs::default()));
    let running: Vec<_> =
        workers.drain(..).map(|worker| start(worker, clinic.address, (&control, &signs))).collect();
    let mut first_sign: Option<Instant> = None;
    for worker in running {
        let (worker, ended) = worker.await.expect("nobody was told of a success after the failure");
        first_sign = Some(first_sign.map_or(ended, |first| first.min(ended)));
        workers.push(worker);
    }
    let status = clinic.wait_for_end();
    let lasted = first_sign.expect("workers").elapsed();
    assert_eq!(status.code(), Some(EXIT_IO_ERROR), "{status}:\n{}", clinic.log().join("\n"));
    assert!(lasted <= LAST_WORDS, "the server went on for {lasted:?}");
    let log = clinic.log().join("\n");
    assert!(log.contains("the journal could not be written"), "{log}");
    let (told, disconnected) = (signs.told.load(Ordering::SeqCst), signs.disconnected.load(Ordering::SeqCst));
    assert!(told > 0, "nobody was told that the outcome is unknown");
    let acknowledged = control.acknowledged();
    assert!(acknowledged >= MIN_ACKNOWLEDGED, "only {acknowledged} writes were acknowledged");

    let clinic = Clinic::start(&folder, &SETTINGS);
    let audited: Audited = audit(clinic.address, &town, &mut workers).await;
    clinic.stop();
    println!(
        "{acknowledged} writes acknowledged, {told} clients told, {disconnected} disconnected, \
         ended after {lasted:?}, {audited:?}"
    );
}

/// Works until the server fails. Answers when it was seen to.
fn start(
    mut worker: Worker,
    address: SocketAddr,
    (control, signs): (&Arc<Control>, &Arc<Signs>),
) -> JoinHandle<(Worker, Instant)> {
    let (control, signs) = (Arc::clone(control), Arc::clone(signs));
    tokio::spawn(async move {
        let begun = Instant::now();
        let on = |exchange: &Exchange| {
            assert!(begun.elapsed() < Duration::from_secs(60), "the disk never refused a write");
            match &exchange.outcome {
                Outcome::Acknowledged => {
                    assert_eq!(exchange.phase_before, WELL, "acknowledged after the failure: {exchange:?}");
                }
                Outcome::Answered => {}
                Outcome::Unknown(answer) => {
                    answer.refused(503, "0503");
                    assert!(answer.reply.header("Retry-After").is_some(), "{}", answer.reply.head);
                    signs.told.fetch_add(1, Ordering::SeqCst);
                    control.enter(FAILED);
                }
                Outcome::Lost(_) => _ = signs.disconnected.fetch_add(1, Ordering::SeqCst),
            }
            true
        };
        worker.work(address, &control, on).await;
        (worker, Instant::now())
    })
}
