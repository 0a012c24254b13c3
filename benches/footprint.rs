//! What a start costs and how much memory a server needs: 100,000 bookings stored, 1,000 schedules open;
//! how fast the index is made anew from the journal; and whether patients wait longer than at an empty store.
//! `PATI_FOOTPRINT_BOOKINGS` sets another number of bookings.
//!
//! The store is written by this process and opened by a child, so that what is measured is a server
//! that has just started. The server's target: <= 150 MB, reopening <= 3 s, rebuilding >= 70,000 keys/s.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::{AskError, Request, Target, Terms};
use domain::{BookingId, CheckIn, Rejection, StaffId};
use mimalloc::MiMalloc;
use pati_service::progress::LongWork;
use pati_service::server;
use pati_service::settings::Settings;
use seeding::Size;
use seeding::crew::Crew;
use served::Served;
use served::load::Load;
use storage::Storage;

#[path = "../actors/tests/seeding/mod.rs"]
mod seeding;
mod served;
#[path = "../tests/harness/wire.rs"]
#[expect(dead_code, unreachable_pub, reason = "the tests use more of it")]
mod wire;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Tells a child what to do: `write`, or the folder to open.
const PART: &str = "PATI_FOOTPRINT_PART";

/// How many bookings are stored, a hundred in each schedule.
const BOOKINGS: &str = "PATI_FOOTPRINT_BOOKINGS";
/// Slots of a schedule.
const SLOTS: u16 = 100;
/// Schedules that stay free, for what is measured over HTTP.
const FREE: u64 = 200;

/// How much is stored.
#[derive(Clone, Copy)]
struct Scale {
    schedules: u64,
    is_test: bool,
}

impl Scale {
    /// Schedules that are full.
    fn of_this_run() -> Self {
        let is_test = seeding::is_test();
        let bookings = std::env::var(BOOKINGS).ok().map(|text| text.parse::<u64>().expect("a number"));
        let schedules = bookings.unwrap_or(if is_test { 2_000 } else { 100_000 }) / u64::from(SLOTS);
        Self { schedules, is_test }
    }

    fn bookings(self) -> u64 {
        self.schedules * u64::from(SLOTS)
    }
}

fn main() {
    let scale = Scale::of_this_run();
    match std::env::var(PART).as_deref() {
        Err(_) => parent(),
        Ok("write") => write(scale),
        Ok(folder) => open(Path::new(folder), scale),
    }
}

fn parent() {
    let empty = run_child_with("write", &[(BOOKINGS, "0")]);
    let empty = PathBuf::from(empty.lines().last().expect("the folder"));
    print!("-- an empty store\n{}", run_child_with(&empty, &[(BOOKINGS, "0")]));
    std::fs::remove_dir_all(empty).expect("removed");
    let told = run_child("write");
    let folder = PathBuf::from(told.lines().last().expect("the folder"));
    print!("{}-- opened again\n{}", told, run_child(&folder));
    std::fs::remove_dir_all(folder.join("data/index")).expect("the index");
    print!("-- opened without its index\n{}", run_child(&folder));
    std::fs::remove_dir_all(folder).expect("removed");
}

fn run_child(part: impl AsRef<OsStr>) -> String {
    run_child_with(part, &[])
}

fn run_child_with(part: impl AsRef<OsStr>, settings: &[(&str, &str)]) -> String {
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program);
    let child = child
        .args(std::env::args_os().skip(1))
        .env(PART, part)
        .envs(settings.iter().copied())
        .stderr(Stdio::inherit());
    let output = child.output().expect("the child runs");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

/// Books every slot, and leaves the folder behind.
fn write(scale: Scale) {
    let (schedules, bookings) = (scale.schedules, scale.bookings());
    let users = (bookings + FREE * u64::from(SLOTS)) / 2;
    let size = Size { schedules: schedules + FREE, slots: SLOTS, users, members_per_user: 1 };
    let system = actix::System::new();
    let crew = Rc::new(system.block_on(async { Crew::start(size) }));
    let storage = crew.storage.clone();
    // It blocks, which a thread that drives futures must not.
    std::thread::spawn(move || served::seed_listed_department(&storage)).join().expect("seeded");
    let started = Instant::now();
    system.block_on(book_all(&crew, schedules, bookings));
    println!("booked {bookings} in {:.2?}", started.elapsed());
    crew.storage.close().expect("closed");
    println!("{}", crew.folder.path().display());
    // Without destructors: the folder stays for the next child.
    std::process::exit(0);
}

async fn book_all(crew: &Rc<Crew>, schedules: u64, bookings: u64) {
    const CALLERS: u64 = 256;
    let callers = (0..CALLERS).map(|caller| {
        let crew = Rc::clone(crew);
        actix::spawn(async move {
            for k in (caller..bookings).step_by(CALLERS as usize) {
                crew.submit(k % schedules, 1 + (k / schedules) as u16, k / 2).await.expect("a free slot");
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("lives");
    }
}

/// Starts as the server does, opens every schedule, and tells what it took.
fn open(folder: &Path, scale: Scale) {
    let mut settings = Settings::default();
    settings.storage.path = folder.join("data");
    let started = Instant::now();
    if let Some(cache_mb) = std::env::var("PATI_STORAGE__CACHE_MB").ok().and_then(|text| text.parse().ok()) {
        settings.storage.cache_mb = cache_mb;
    }
    let work = Arc::new(LongWork::silent());
    let options = server::storage_options(&settings, seeding::morning(), &work);
    println!("resident memory: {:.0} MB at first", resident_megabytes());
    let storage = Storage::open(options).expect("it opens");
    let opened = started.elapsed();
    println!("resident memory: {:.0} MB with the store open", resident_megabytes());
    let records = storage.status().live_records;
    let served = Served::start(settings, storage);
    let listening = started.elapsed();
    println!("resident memory: {:.0} MB listening", resident_megabytes());
    actix_web::rt::System::new().block_on(async {
        for n in 0..scale.schedules {
            open_schedule(&served.app, n).await;
        }
    });
    assert_eq!(served.app.directory.live_actors() as u64, scale.schedules);
    let rate = records as f64 / opened.as_secs_f64();
    println!("storage open: {opened:.2?} for {records} records, {rate:.0} keys/s");
    println!(
        "listening after {listening:.2?}, all {} schedules open after {:.2?}",
        scale.schedules,
        started.elapsed()
    );
    println!("resident memory: {:.0} MB with all schedules open", resident_megabytes());
    ask(&served, scale);
    println!("resident memory: {:.0} MB after that", resident_megabytes());
}

/// Submits for schedules that are free, and lists, over 64 connections; tells how long they take.
fn ask(served: &Served, scale: Scale) {
    let count = if scale.is_test { 64 } else { FREE * u64::from(SLOTS) };
    let first = scale.bookings() / 2;
    let tokens: Vec<_> = (0..count.div_ceil(2)).map(|n| served.token(first + n)).collect();
    let submit = |k: u64| {
        let (schedule, slot, user) = (scale.schedules + k % FREE, 1 + (k / FREE) as u16, k / 2);
        served::submit(&tokens[user as usize], schedule, slot, first + user)
    };
    let free = served::free_slots(scale.schedules);
    let day = served::day_list();
    let mut load = Load::connect(served.address, 64);
    let rows: [(&str, served::load::Make<'_>); 3] =
        [("free slots", &|_| free.clone()), ("day list", &|_| day.clone()), ("submit", &submit)];
    for (name, request) in rows {
        let mut record = load.run(count, request, r#""status":"000""#);
        let (p50, p99) = (record.percentile(50), record.percentile(99));
        println!("{name:<10} {:>8.0} requests/s, p50 {p50:.2?}, p99 {p99:.2?}", record.rate());
    }
}

/// A request that every schedule refuses, after its actor has loaded it.
async fn open_schedule(app: &pati_service::app::App, n: u64) {
    let target = Target { tenant: seeding::tenant(), schedule: seeding::schedule_id(n) };
    let request = Request::CheckIn(CheckIn {
        booking: BookingId::new(1).expect("an id"),
        staff: StaffId::new(1).expect("an id"),
    });
    let deadline = app.clock.now().plus(Duration::from_secs(60));
    let answer =
        app.directory.ask(target, request, Terms { deadline, repeat: None, audit: None, also: None }).await;
    assert_eq!(answer, Err(AskError::Rejected(Rejection::WrongStatus)));
}

/// In units of 1,000,000 bytes.
fn resident_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") * 1024.0 / 1e6
}
