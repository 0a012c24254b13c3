//! What a start costs and how much memory a server needs: 100,000 bookings stored, 1,000 schedules open;
//! and how fast the index is made anew from the journal.
//!
//! The store is written by this process and opened by a child, so that what is measured is a server
//! that has just started. The server's target: <= 150 MB, reopening <= 3 s, rebuilding >= 70,000 keys/s.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{App as Routes, HttpServer, web};
use actors::{AskError, Clock, ManualClock, Request, Target, Terms};
use domain::{BookingId, CheckIn, Rejection, StaffId};
use mimalloc::MiMalloc;
use pati_service::http::routes;
use pati_service::progress::LongWork;
use pati_service::server::{self, Prepared};
use pati_service::settings::Settings;
use seeding::Size;
use seeding::crew::Crew;
use storage::Storage;

#[path = "../actors/tests/seeding/mod.rs"]
mod seeding;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Tells a child what to do: `write`, or the folder to open.
const PART: &str = "PATI_FOOTPRINT_PART";

/// How much is stored.
#[derive(Clone, Copy)]
struct Scale {
    schedules: u64,
    slots: u16,
}

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let scale =
        if is_test { Scale { schedules: 20, slots: 10 } } else { Scale { schedules: 1_000, slots: 100 } };
    match std::env::var(PART).as_deref() {
        Err(_) => parent(),
        Ok("write") => write(scale),
        Ok(folder) => open(Path::new(folder), scale.schedules),
    }
}

fn parent() {
    let told = run_child("write");
    let folder = PathBuf::from(told.lines().last().expect("the folder"));
    print!("{}-- opened again\n{}", told, run_child(&folder));
    std::fs::remove_dir_all(folder.join("data/index")).expect("the index");
    print!("-- opened without its index\n{}", run_child(&folder));
    std::fs::remove_dir_all(folder).expect("removed");
}

fn run_child(part: impl AsRef<OsStr>) -> String {
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program);
    let child = child.args(std::env::args_os().skip(1)).env(PART, part).stderr(Stdio::inherit());
    let output = child.output().expect("the child runs");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

/// Books every slot, and leaves the folder behind.
fn write(Scale { schedules, slots }: Scale) {
    let bookings = schedules * u64::from(slots);
    let size = Size { schedules, slots, users: bookings / 2, members_per_user: 1 };
    let system = actix::System::new();
    let crew = Rc::new(system.block_on(async { Crew::start(size) }));
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
fn open(folder: &Path, schedules: u64) {
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
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(seeding::morning()));
    let prepared = Prepared::new(&settings, storage, clock, Arc::default()).expect("prepared");
    actix_web::rt::System::new().block_on(async move {
        let app = web::Data::new(prepared.start());
        let edge = server::edge(&settings, &app).expect("random bytes");
        let served = app.clone();
        let server = HttpServer::new(move || {
            Routes::new().app_data(served.clone()).wrap(edge.clone()).configure(routes::all)
        });
        let server = server.workers(2).disable_signals().bind("127.0.0.1:0").expect("a free port").run();
        actix_web::rt::spawn(server);
        let listening = started.elapsed();
        println!("resident memory: {:.0} MB listening", resident_megabytes());
        for n in 0..schedules {
            open_schedule(&app, n).await;
        }
        assert_eq!(app.directory.live_actors() as u64, schedules);
        let rate = records as f64 / opened.as_secs_f64();
        println!("storage open: {opened:.2?} for {records} records, {rate:.0} keys/s");
        println!(
            "listening after {listening:.2?}, all {schedules} schedules open after {:.2?}",
            started.elapsed()
        );
        println!("resident memory: {:.0} MB with all schedules open", resident_megabytes());
    });
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
