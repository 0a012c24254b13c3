//! (d) The whole path over HTTP on loopback: 64 keep-alive connections, the load generator on the same
//! cores, durable. What counts are ratios within one run, against a route of the same server behind
//! the same middleware that answers a constant envelope.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use mimalloc::MiMalloc;
use pati_service::settings::Settings;
use seeding::Size;
use served::Served;
use served::load::{Load, Make, Record};
use storage::{Storage, StorageOptions};

#[path = "../actors/tests/seeding/mod.rs"]
mod seeding;
mod served;
#[path = "../tests/harness/wire.rs"]
#[expect(dead_code, unreachable_pub, reason = "the tests use more of it")]
mod wire;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const CONNECTIONS: usize = 64;
const SLOTS: u16 = 40;
/// Accounts beyond those of the submits, for whoever fills schedules and is refused.
const OTHERS: u64 = 200;

/// Connections that ask for lists while the others submit.
const LISTING: usize = 8;

/// A server of this process with its store in the target folder.
struct Server {
    served: Served,
    tokens: Vec<String>,
    /// Schedules for the submits. Two more follow: one that is full, and one that is listed.
    schedules: u64,
    /// Accounts for the submits: each books one morning and one afternoon. The others follow.
    users: u64,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = seeding::folder();
        let mut settings = Settings::default();
        settings.storage.path = folder.path().join("data");
        let storage = Storage::open(StorageOptions::new(&settings.storage.path, seeding::morning()));
        let storage = storage.expect("the store opens");
        // As many slots as criterion may use up: about twice what this server books in its time.
        let schedules = if seeding::is_test() { 20 } else { 8_000 };
        let users = schedules * u64::from(SLOTS) / 2;
        let size =
            Size { schedules: schedules + 2, slots: SLOTS, users: users + OTHERS, members_per_user: 1 };
        seeding::seed(&storage, &seeding::vault(&storage, folder.path()), size);
        served::seed_listed_department(&storage);
        let served = Served::start(settings, storage);
        let tokens = (0..users + OTHERS).map(|n| served.token(n)).collect();
        Self { served, tokens, schedules, users, _folder: folder }
    }

    fn submit(&self, schedule: u64, slot: u16, user: u64) -> Vec<u8> {
        served::submit(&self.tokens[user as usize], schedule, slot, user)
    }
}

/// How long the lists took that were asked for while the other connections submitted, and how much was submitted.
struct Beside {
    lists: Record,
    submits: u64,
}

impl Load {
    /// Lists over all connections for a while; meanwhile others submit without a pause, if there are any. Each has a
    /// thread of its own, as if they came from different machines: a list that has been answered does not wait until
    /// the client has read what the others were answered.
    fn list_for(&mut self, duration: Duration, list: &[u8], others: Option<(&mut Self, Make<'_>)>) -> Beside {
        let Self { runtime, connections } = self;
        let is_over = AtomicBool::new(false);
        let (over, started) = (&is_over, Instant::now());
        let mut lists = Record::default();
        let submits = std::thread::scope(|scope| {
            let submits = scope.spawn(move || match others {
                Some((load, submit)) => {
                    let Self { runtime, connections } = load;
                    runtime.block_on(submit_until(over, connections, submit))
                }
                None => 0,
            });
            let listers = connections.iter_mut().map(|connection| async move {
                let mut latencies = Vec::new();
                while started.elapsed() < duration {
                    let sent = Instant::now();
                    let (status, _) = connection.exchange(list).await.expect("answered");
                    assert_eq!(status, 200);
                    latencies.push(sent.elapsed());
                }
                latencies
            });
            lists.latencies = runtime.block_on(futures_util::future::join_all(listers)).concat();
            lists.elapsed = started.elapsed();
            over.store(true, Ordering::Relaxed);
            submits.join().expect("submitted")
        });
        lists.requests = lists.latencies.len() as u64;
        Beside { lists, submits }
    }
}

/// Answers how many submits were answered.
async fn submit_until(over: &AtomicBool, connections: &mut [wire::Connection], submit: Make<'_>) -> u64 {
    let submitters = connections.iter_mut().map(|connection| async move {
        let mut answered = 0;
        while !over.load(Ordering::Relaxed) {
            let (status, _) = connection.exchange(&submit(0)).await.expect("answered");
            assert_eq!(status, 200);
            answered += 1;
        }
        answered
    });
    futures_util::future::join_all(submitters).await.iter().sum()
}

/// Prints how much longer a list takes while everybody books than while nobody does, and than while lists on as many
/// connections took, which is `all_listing`.
fn list_under_load(server: &Server, list: &[u8], submit: Make<'_>, all_listing: Option<Duration>) {
    let mut listing = Load::connect(server.served.address, LISTING);
    let mut submitting = Load::connect(server.served.address, CONNECTIONS - LISTING);
    let duration = Duration::from_millis(if seeding::is_test() { 5 } else { 3_000 });
    let mut idle = listing.list_for(duration, list, None).lists;
    let Beside { mut lists, submits } = listing.list_for(duration, list, Some((&mut submitting, submit)));
    let per_second = submits as f64 / lists.elapsed.as_secs_f64();
    let (idle_p99, p99) = (idle.percentile(99), lists.percentile(99));
    println!(
        "day list, {LISTING} connections: idle {:.0} requests/s, p50 {:.2?}, p99 {idle_p99:.2?}; beside {per_second:.0} \
         submits/s {:.0} requests/s, p50 {:.2?}, p99 {p99:.2?}: {:.1} times the idle p99, {:.1} times that with lists on \
         all connections",
        idle.rate(),
        idle.percentile(50),
        lists.rate(),
        lists.percentile(50),
        p99.as_secs_f64() / idle_p99.as_secs_f64(),
        p99.as_secs_f64() / all_listing.unwrap_or(idle_p99).as_secs_f64(),
    );
}

fn http_path(criterion: &mut Criterion) {
    let server = Server::start();
    let mut load = Load::connect(server.served.address, CONNECTIONS);
    let (full, listed) = (server.schedules, server.schedules + 1);
    for slot in 1..=SLOTS {
        let user = server.users + u64::from(slot);
        load.run(1, &|_| server.submit(full, slot, user), r#""status":"000""#);
        if slot % 2 == 0 {
            load.run(1, &|_| server.submit(listed, slot, user), r#""status":"000""#);
        }
    }
    let noop = wire::get("/noop", &[]);
    let list = served::free_slots(listed);
    let day = served::day_list();
    let booked = AtomicU64::new(0);
    let submit = |_| {
        let k = booked.fetch_add(1, Ordering::Relaxed);
        assert!(k < server.schedules * u64::from(SLOTS), "every seeded slot is booked: seed more");
        // Schedule k and user k / 2: one morning and one afternoon a user.
        server.submit(k % server.schedules, 1 + (k / server.schedules) as u16, k / 2)
    };
    let refusal = |k| server.submit(full, 1 + (k % u64::from(SLOTS)) as u16, server.users + 100);
    let noops = bench(criterion, &mut load, "no-op", (&|_| noop.clone(), r#""status":"000""#));
    let rows: [(&str, Make<'_>, &str); 4] = [
        ("submit", &submit, r#""bookId":"#),
        ("refusal of a full schedule", &refusal, r#""status":"401004""#),
        ("list of free slots", &|_| list.clone(), r#""serialNo":1,"#),
        ("day list of 30 rows", &|_| day.clone(), r#""total":30,"#),
    ];
    println!("no-op: {:.0} requests/s over {} requests", noops.rate(), noops.requests);
    println!("{:<28} {:>10} {:>8} {:>9} {:>9}", "", "requests/s", "of no-op", "p50", "p99");
    let mut last_p99 = None;
    for (name, request, expected) in rows {
        let mut record = bench(criterion, &mut load, name, (request, expected));
        if record.requests == 0 {
            // Left out by a filter on the command line.
            continue;
        }
        let (p50, p99) = (record.percentile(50), record.percentile(99));
        last_p99 = Some(p99);
        let share = 100.0 * record.rate() / noops.rate();
        println!("{name:<28} {:>10.0} {share:>7.1}% {p50:>9.2?} {p99:>9.2?}", record.rate());
    }
    // The day list came last.
    drop(load);
    list_under_load(&server, &day, &submit, last_p99);
}

/// A request and what must be part of its answer.
type Asked<'a> = (Make<'a>, &'a str);

fn bench(criterion: &mut Criterion, load: &mut Load, name: &str, (request, expected): Asked<'_>) -> Record {
    let mut total = Record::default();
    let mut group = criterion.benchmark_group("http");
    group.sampling_mode(SamplingMode::Flat).sample_size(10).throughput(Throughput::Elements(1));
    group.measurement_time(Duration::from_secs(4)).warm_up_time(Duration::from_secs(1));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iters| {
            let record = load.run(iters, request, expected);
            total.requests += record.requests;
            total.elapsed += record.elapsed;
            total.latencies.extend(record.latencies);
            record.elapsed
        });
    });
    group.finish();
    total
}

criterion_group!(benches, http_path);
criterion_main!(benches);
