//! What is left of the rate of submits when more clients want to submit than the server admits: the load generator on
//! the same cores, durable. The target: at least half of what 64 clients get done, and whoever is refused is refused
//! no later than others are served; health is answered all the time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mimalloc::MiMalloc;
use pati_service::settings::Settings;
use seeding::Size;
use served::Served;
use served::load::{Load, Record};
use storage::{Storage, StorageOptions};

#[path = "../actors/tests/seeding/mod.rs"]
mod seeding;
#[expect(dead_code, reason = "other benches ask for lists too")]
mod served;
#[path = "../tests/harness/wire.rs"]
#[expect(dead_code, unreachable_pub, reason = "the tests use more of it")]
mod wire;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// As many as are served fastest.
const USUAL: usize = 64;
/// More than may wait for schedules, which are 4,096.
const TOO_MANY: usize = 5_120;

/// A clinic with slots for as long as the bench runs.
struct Clinic {
    served: Served,
    tokens: Vec<String>,
    schedules: u64,
    slots: u16,
    booked: AtomicU64,
    _folder: tempfile::TempDir,
}

impl Clinic {
    fn open() -> Self {
        let folder = seeding::folder();
        let mut settings = Settings::default();
        settings.storage.path = folder.path().join("data");
        let storage = Storage::open(StorageOptions::new(&settings.storage.path, seeding::morning()));
        let storage = storage.expect("the store opens");
        let (schedules, slots) = if seeding::is_test() { (200, 40) } else { (8_000, 40) };
        let users = schedules * u64::from(slots) / 2;
        let size = Size { schedules, slots, users, members_per_user: 1 };
        seeding::seed(&storage, &seeding::vault(&storage, folder.path()), size);
        let served = Served::start(settings, storage);
        let tokens = (0..users).map(|n| served.token(n)).collect();
        Self { served, tokens, schedules, slots, booked: AtomicU64::new(0), _folder: folder }
    }

    /// The next submit: schedule k and user k / 2, one morning and one afternoon a user. None when every slot was asked
    /// for.
    fn submit(&self) -> Option<Vec<u8>> {
        let k = self.booked.fetch_add(1, Ordering::Relaxed);
        let slot = 1 + k / self.schedules;
        let user = k / 2;
        (slot <= u64::from(self.slots))
            .then(|| served::submit(&self.tokens[user as usize], k % self.schedules, slot as u16, user))
    }
}

/// What a rush came to.
#[derive(Default)]
struct Rush {
    accepted: Record,
    refused: Record,
    health: Record,
}

fn main() {
    let clinic = Clinic::open();
    let duration = Duration::from_millis(if seeding::is_test() { 20 } else { 3_000 });
    let too_many = if seeding::is_test() { USUAL } else { TOO_MANY };
    // Once to warm up.
    rush(&clinic, USUAL, duration / 3);
    let mut usual = rush(&clinic, USUAL, duration);
    let mut hard = rush(&clinic, too_many, duration);
    let share = 100.0 * hard.accepted.rate() / usual.accepted.rate();
    let offered = (hard.accepted.rate() + hard.refused.rate()) / usual.accepted.rate();
    println!(
        "{USUAL} clients: {:.0} submits/s, p50 {:.2?}, p99 {:.2?}, {} refused",
        usual.accepted.rate(),
        usual.accepted.percentile(50),
        usual.accepted.percentile(99),
        usual.refused.requests,
    );
    println!(
        "{too_many} clients, {offered:.1} times as many requests: {:.0} submits/s ({share:.0} %), p50 {:.2?}, p99 {:.2?}",
        hard.accepted.rate(),
        hard.accepted.percentile(50),
        hard.accepted.percentile(99),
    );
    let answered = hard.health.requests;
    println!(
        "refused: {:.0}/s, p50 {:.2?}, p99 {:.2?}; health: {answered} answers, p99 {:.2?}",
        hard.refused.rate(),
        hard.refused.percentile(50),
        hard.refused.percentile(99),
        hard.health.percentile(99),
    );
    assert!(hard.accepted.requests > 0 && hard.health.requests > 0, "nothing was measured");
}

/// So many clients submit for a while, as fast as they are answered, and one asks for the server's health.
fn rush(clinic: &Clinic, clients: usize, duration: Duration) -> Rush {
    let Load { runtime, mut connections } = Load::connect(clinic.served.address, clients);
    let mut watching = Load::connect(clinic.served.address, 1);
    let (is_over, started) = (AtomicBool::new(false), Instant::now());
    let mut rush = Rush::default();
    std::thread::scope(|scope| {
        let over = &is_over;
        let health = scope.spawn(move || {
            let request = wire::get("/health", &[]);
            let mut health = Record::default();
            while !over.load(Ordering::Relaxed) {
                health.latencies.extend(watching.run(1, &|_| request.clone(), r#""status":"000""#).latencies);
                std::thread::sleep(Duration::from_millis(1));
            }
            health
        });
        let submitters = connections.iter_mut().map(|connection| async move {
            let (mut accepted, mut refused) = (Vec::new(), Vec::new());
            while started.elapsed() < duration {
                let Some(request) = clinic.submit() else { break };
                let sent = Instant::now();
                let (status, _) = connection.exchange(&request).await.expect("answered");
                match status {
                    200 => accepted.push(sent.elapsed()),
                    503 => refused.push(sent.elapsed()),
                    other => panic!("a submit was answered with {other}"),
                }
            }
            (accepted, refused)
        });
        for (accepted, refused) in runtime.block_on(futures_util::future::join_all(submitters)) {
            rush.accepted.latencies.extend(accepted);
            rush.refused.latencies.extend(refused);
        }
        is_over.store(true, Ordering::Relaxed);
        rush.health = health.join().expect("watched");
    });
    for record in [&mut rush.accepted, &mut rush.refused, &mut rush.health] {
        record.elapsed = started.elapsed();
        record.requests = record.latencies.len() as u64;
    }
    rush
}
