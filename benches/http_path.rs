//! (d) The whole path over HTTP on loopback: 64 keep-alive connections, the load generator on the same
//! cores, durable. What counts are ratios within one run, against a route of the same server behind
//! the same middleware that answers a constant envelope.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use actix_web::{App as Routes, HttpServer, web};
use actors::{Clock, ManualClock};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use domain::{DepartmentId, DoctorId, ScheduleId, Timestamp};
use mimalloc::MiMalloc;
use pati_service::http::connections::Connections;
use pati_service::http::{cors, envelope, routes};
use pati_service::server::{self, Prepared};
use pati_service::settings::Settings;
use pati_service::tokens::{Identity, Subject};
use seeding::Size;
use storage::records::{BookedBefore, DepartmentRecord, DoctorRecord, ScheduleRecord};
use storage::{Commit, Storage, StorageOptions, keys};

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

/// The department whose day is listed, and its doctors; each sees patients in the morning and in the afternoon.
const LISTED_DEPARTMENT: u64 = 102;
const LISTED_DOCTORS: u64 = 30;
/// Connections that ask for lists while the others submit.
const LISTING: usize = 8;

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
        let schedules = if seeding::is_test() { 20 } else { 8_000 };
        let users = schedules * u64::from(SLOTS) / 2;
        let size =
            Size { schedules: schedules + 2, slots: SLOTS, users: users + OTHERS, members_per_user: 1 };
        seeding::seed(&storage, &seeding::vault(&storage, folder.path()), size);
        seed_listed_department(&storage);
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
                        .wrap(cors::allow(&[]))
                        .wrap(edge.clone())
                        .service(noop)
                        .configure(routes::all)
                });
                let connections = Connections::new(Duration::from_secs(45));
                let server = server.on_connect(move |stream, data| connections.watch(stream, data));
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

/// A department of thirty doctors with a text of usual length about each.
fn seed_listed_department(storage: &Storage) {
    const FIRST_DOCTOR: u64 = 900_001;
    let department = DepartmentId::new(LISTED_DEPARTMENT).expect("an id");
    let mut commit = Commit::new();
    let ward = DepartmentRecord {
        name: "中医科".to_owned(),
        avatar: "https://pictures.example.cn/departments/102.png".to_owned(),
        description: "针灸、推拿、内科调理".to_owned(),
        location: "三楼".to_owned(),
        enabled: true,
    };
    commit.put(&keys::department(seeding::tenant(), department), &ward);
    for n in 0..LISTED_DOCTORS {
        let doctor = DoctorId::new(FIRST_DOCTOR + n).expect("an id");
        let record = DoctorRecord {
            name: format!("医生{n}"),
            title: "主任医师".to_owned(),
            avatar: format!("https://pictures.example.cn/doctors/{doctor}.png"),
            description: "从事临床工作二十余年，擅长常见病与疑难病的诊治。".to_owned(),
            expertise: "失眠、颈椎病".to_owned(),
            departments: vec![department],
            enabled: true,
        };
        commit.put(&keys::doctor(seeding::tenant(), doctor), &record);
        for half in [0, 1] {
            let mut schedule = seeding::schedule(half, doctor, SLOTS);
            schedule.id = ScheduleId::new(FIRST_DOCTOR + 2 * n + half).expect("an id");
            schedule.department = department;
            let record = ScheduleRecord { schedule, booked_before: BookedBefore::Never };
            commit.put(&keys::schedule(seeding::tenant(), record.schedule.id), &record);
        }
    }
    storage.commit(commit).wait().expect("seeded");
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

/// Keeps connections open over all samples and sends requests over them, all on one thread.
struct Load {
    runtime: tokio::runtime::Runtime,
    connections: Vec<wire::Connection>,
}

impl Load {
    fn connect(server: &Server, count: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        let connections = runtime.block_on(async {
            let mut connections = Vec::new();
            for _ in 0..count {
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
    let mut listing = Load::connect(server, LISTING);
    let mut submitting = Load::connect(server, CONNECTIONS - LISTING);
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
    let mut load = Load::connect(&server, CONNECTIONS);
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
    let day = seeding::today().saturating_add_days(1);
    let day = format!(
        "/pati_service/tenant_service/schedule_by_date?deptId={LISTED_DEPARTMENT}&date={day}&pageSize={LISTED_DOCTORS}"
    );
    let day = wire::get(&day, &[]);
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
