//! (d) The whole path over HTTP on loopback: 64 keep-alive connections, the load generator on the same
//! cores, durable. What counts are ratios within one run, against a route of the same server behind
//! the same middleware that answers a constant envelope.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use actix_web::{App as Routes, HttpServer, web};
use actors::{Clock, ManualClock};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use domain::Timestamp;
use mimalloc::MiMalloc;
use pati_service::http::{envelope, routes};
use pati_service::server::{self, Prepared};
use pati_service::settings::Settings;
use pati_service::tokens::{Identity, Subject};
use seeding::Size;
use storage::{Storage, StorageOptions};

#[path = "../actors/tests/seeding/mod.rs"]
mod seeding;
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

/// A server of this process with its store in the target folder.
struct Server {
    address: SocketAddr,
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
        let schedules = if seeding::is_test() { 10 } else { 6_000 };
        let users = schedules * u64::from(SLOTS) / 2;
        let size =
            Size { schedules: schedules + 2, slots: SLOTS, users: users + OTHERS, members_per_user: 1 };
        seeding::seed(&storage, &seeding::vault(&storage, folder.path()), size);
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(seeding::morning()));
        let prepared = Prepared::new(&settings, storage, clock, Arc::default()).expect("prepared");
        let (started, running) = mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = web::Data::new(prepared.start());
                let edge = server::edge(&settings, &app).expect("random bytes");
                let issued = app.clone();
                let server = HttpServer::new(move || {
                    let noop = web::resource("/noop").route(web::get().to(async || envelope::ok_null()));
                    Routes::new()
                        .app_data(app.clone())
                        .wrap(edge.clone())
                        .service(noop)
                        .configure(routes::all)
                });
                let server = server.workers(2).disable_signals().bind("127.0.0.1:0").expect("a free port");
                let tokens = (0..users + OTHERS).map(|n| token(&issued, n)).collect();
                started.send((server.addrs()[0], tokens)).expect("awaited");
                server.run().await.expect("serves");
            });
        });
        let (address, tokens) = running.recv().expect("started");
        Self { address, tokens, schedules, users, _folder: folder }
    }

    fn submit(&self, schedule: u64, slot: u16, user: u64) -> Vec<u8> {
        let body = format!(
            r#"{{"scheduleId":"{}","serialNo":{slot},"memberId":"{}"}}"#,
            seeding::schedule_id(schedule),
            seeding::member_id(user, 0)
        );
        let token = self.tokens[user as usize].as_str();
        wire::post("/pati_service/book_service/book/submit", &[("token", token)], &body)
    }
}

fn token(app: &pati_service::app::App, n: u64) -> String {
    let issued_at = seeding::morning();
    let identity = Identity {
        subject: Subject::Patient(seeding::user_id(n)),
        tenant: seeding::tenant(),
        session: seeding::session_id(n),
        issued_at,
        expires_at: Timestamp::from_millis(issued_at.as_millis() + 7 * 86_400_000),
    };
    app.tokens.issue(&identity).expect("issued")
}

/// What one kind of request cost, over all samples.
#[derive(Default)]
struct Record {
    requests: u64,
    elapsed: Duration,
    latencies: Vec<Duration>,
}

impl Record {
    fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    fn percentile(&mut self, percent: usize) -> Duration {
        self.latencies.sort_unstable();
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(last * percent / 100).copied().unwrap_or_default()
    }
}

/// Keeps 64 connections open over all samples and sends requests over them.
struct Load {
    runtime: tokio::runtime::Runtime,
    connections: Vec<wire::Connection>,
}

impl Load {
    fn connect(server: &Server) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        let connections = runtime.block_on(async {
            let mut connections = Vec::new();
            for _ in 0..CONNECTIONS {
                connections.push(wire::Connection::open(server.address).await.expect("connected"));
            }
            connections
        });
        Self { runtime, connections }
    }

    /// Sends `count` requests as fast as they are answered; `expected` must be part of every answer.
    fn run(&mut self, count: u64, request: Make<'_>, expected: &str) -> Record {
        let next = AtomicU64::new(0);
        let mut record = Record { requests: count, ..Record::default() };
        self.runtime.block_on(async {
            let started = Instant::now();
            let next = &next;
            let clients = self.connections.iter_mut().map(|connection| async move {
                let mut latencies = Vec::new();
                loop {
                    let k = next.fetch_add(1, Ordering::Relaxed);
                    if k >= count {
                        return latencies;
                    }
                    let request = request(k);
                    let sent = Instant::now();
                    let (_, body) = connection.exchange(&request).await.expect("answered");
                    latencies.push(sent.elapsed());
                    let as_expected =
                        body.windows(expected.len()).any(|window| window == expected.as_bytes());
                    assert!(as_expected, "{}", String::from_utf8_lossy(body));
                }
            });
            for latencies in futures_util::future::join_all(clients).await {
                record.latencies.extend(latencies);
            }
            record.elapsed = started.elapsed();
        });
        record
    }
}

fn http_path(criterion: &mut Criterion) {
    let server = Server::start();
    let mut load = Load::connect(&server);
    let (full, listed) = (server.schedules, server.schedules + 1);
    for slot in 1..=SLOTS {
        let user = server.users + u64::from(slot);
        load.run(1, &|_| server.submit(full, slot, user), r#""status":"000""#);
        if slot % 2 == 0 {
            load.run(1, &|_| server.submit(listed, slot, user), r#""status":"000""#);
        }
    }
    let noop = wire::get("/noop", &[]);
    let list = format!(
        "/pati_service/tenant_service/schedule/left_appo?scheduleId={}",
        seeding::schedule_id(listed)
    );
    let list = wire::get(&list, &[]);
    let booked = AtomicU64::new(0);
    let submit = |_| {
        let k = booked.fetch_add(1, Ordering::Relaxed);
        assert!(k < server.schedules * u64::from(SLOTS), "every seeded slot is booked: seed more");
        // Schedule k and user k / 2: one morning and one afternoon a user.
        server.submit(k % server.schedules, 1 + (k / server.schedules) as u16, k / 2)
    };
    let refusal = |k| server.submit(full, 1 + (k % u64::from(SLOTS)) as u16, server.users + 100);
    let noops = bench(criterion, &mut load, "no-op", (&|_| noop.clone(), r#""status":"000""#));
    let rows: [(&str, Make<'_>, &str); 3] = [
        ("submit", &submit, r#""bookId":"#),
        ("refusal of a full schedule", &refusal, r#""status":"401004""#),
        ("list of free slots", &|_| list.clone(), r#""serialNo":1,"#),
    ];
    println!("no-op: {:.0} requests/s over {} requests", noops.rate(), noops.requests);
    println!("{:<28} {:>10} {:>8} {:>9} {:>9}", "", "requests/s", "of no-op", "p50", "p99");
    for (name, request, expected) in rows {
        let mut record = bench(criterion, &mut load, name, (request, expected));
        if record.requests == 0 {
            // Left out by a filter on the command line.
            continue;
        }
        let (p50, p99) = (record.percentile(50), record.percentile(99));
        let share = 100.0 * record.rate() / noops.rate();
        println!("{name:<28} {:>10.0} {share:>7.1}% {p50:>9.2?} {p99:>9.2?}", record.rate());
    }
}

/// Makes the `k`th request.
type Make<'a> = &'a (dyn Fn(u64) -> Vec<u8> + Sync);

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
