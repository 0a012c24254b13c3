//! A disk without room: what is there can be read, nothing more is acknowledged, and with room again it goes on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::disk::{self, Disk};
use crate::harness::audit::audit;
use crate::harness::clinic::{self, Clinic, Signal};
use crate::harness::folder::Folder;
use crate::harness::import::{Half, day};
use crate::harness::load::{Control, Exchange, Outcome, Worker};
use crate::harness::patients::Patient;
use crate::harness::random::Random;
use crate::harness::town::Town;
use crate::harness::wire;

/// A schedule beside those of the load, with a doctor of its own.
const OTHER_SCHEDULE: u64 = 9001;
const OTHER_DOCTOR: u64 = 2099;

const ACKNOWLEDGED: u64 = 200;
const PATIENCE: Duration = Duration::from_secs(60);
/// What patients are told while nothing can be written.
const READ_ONLY: &str = "系统暂时只能查询";
/// The envelope of a success.
const READY: &str = "\"status\":\"000\"";
const MIB: u64 = 1024 * 1024;
const EXIT_IO_ERROR: i32 = 74;

/// The phases of [`Control`]; it begins with 0.
const FULL: u8 = 1;
const ROOM: u8 = 2;
const DONE: u8 = 3;

const SETTINGS: [(&str, &str); 3] = [
    ("PATI_BOOKING__MAX_MEMBERS_PER_USER", "100"),
    ("PATI_BOOKING__MAX_ACTIVE_PER_USER", "100"),
    ("PATI_STORAGE__MIN_FREE_MB", "16"),
];

/// A server on a disk of its own, under load.
struct World {
    clinic: Clinic,
    town: Arc<Town>,
    workers: Vec<Worker>,
    /// Somebody beside the load.
    patient: Patient,
    member: String,
    disk: Disk,
    folder: Folder,
}

impl World {
    async fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed);
        let folder = Folder::new();
        let disk = Disk::new(&folder, 96);
        let town = Arc::new(Town::new(2, 5, 40));
        let mut file = town.import_file();
        file.doctor(OTHER_DOCTOR).schedule(OTHER_SCHEDULE, OTHER_DOCTOR, day(2), Half::Am, 40);
        let file = folder.write("import.json", &file.to_json().to_string());
        let import =
            clinic::program(&folder).args(["import", clinic::path_text(&file)]).envs(SETTINGS).output();
        assert!(import.is_ok_and(|import| import.status.success()), "the clinic is imported");
        let clinic = Clinic::start(&folder, &SETTINGS);
        let workers = Worker::open_accounts(&clinic, &town, &mut random, (4, 3)).await;
        let mut patient = Patient::registered(&clinic, 900).await;
        let member = patient.add_member(900).await;
        Self { clinic, town, workers, patient, member, disk, folder }
    }

    /// Waits until `/ready` says so. `false` when the server ends instead.
    async fn until_ready_says(&self, words: &str) -> bool {
        let asked = Instant::now();
        while let Ok(mut anyone) = Patient::connect(self.clinic.address).await {
            let Ok(ready) = anyone.raw(&wire::get("/ready", &[])).await else { return false };
            if String::from_utf8_lossy(&ready.body).contains(words) {
                return true;
            }
            assert!(asked.elapsed() < PATIENCE, "/ready never said {words}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    /// A booking is refused as long as there is no room, and everything is shown.
    async fn check_read_only(&mut self) {
        for slot in 1..=20 {
            let refused = self.patient.submit(OTHER_SCHEDULE, slot, &self.member).await.expect("answered");
            refused.refused(503, "0503");
            assert_eq!(refused.reply.header("retry-after"), Some("60"));
            assert!(!refused.reply.closes(), "nothing is wrong with the connection");
            assert_eq!(
                self.patient.members().await.expect("answered").data().as_array().map(Vec::len),
                Some(1)
            );
            self.patient.left_appo(OTHER_SCHEDULE).await.expect("answered").data();
            let health = self.patient.raw(&wire::get("/health", &[])).await.expect("answered");
            assert_eq!(health.status, 200);
        }
    }

    fn start_work(&mut self, control: &Arc<Control>) -> Vec<JoinHandle<Worker>> {
        let address = self.clinic.address;
        self.workers.drain(..).map(|worker| start(worker, address, Arc::clone(control))).collect()
    }

    async fn end_work(&mut self, running: Vec<JoinHandle<Worker>>) {
        for worker in running {
            self.workers.push(worker.await.expect("no answer was a surprise"));
        }
    }

    /// A server that stops in good order after some load.
    async fn work_and_stop(&mut self) {
        let control = Control::new();
        let running = self.start_work(&control);
        control.reach(ACKNOWLEDGED).await;
        control.enter(DONE);
        self.end_work(running).await;
        self.clinic.signal(Signal::Terminate);
        let status = self.clinic.wait_for_end();
        assert_eq!(status.code(), Some(0), "{status}");
    }

    /// Compares what the next server has with what was acknowledged: no hold is left then.
    async fn check_nothing_lost(mut self) {
        self.patient.submit(OTHER_SCHEDULE, 40, &self.member).await.expect("answered").data();
        self.clinic.stop();
        let clinic = Clinic::start(&self.folder, &SETTINGS);
        let audited = audit(clinic.address, &self.town, &mut self.workers).await;
        println!("{audited:?}");
        clinic.stop();
        clinic::verify(&self.folder);
    }
}

/// Works until the test is done, or the server ends.
fn start(mut worker: Worker, address: SocketAddr, control: Arc<Control>) -> JoinHandle<Worker> {
    tokio::spawn(async move {
        let on = |exchange: &Exchange| {
            if matches!(exchange.outcome, Outcome::Acknowledged) {
                assert_ne!(exchange.phase_before, FULL, "acknowledged without room: {exchange:?}");
            }
            control.phase() != DONE
        };
        worker.work(address, &control, on).await;
        worker
    })
}

/// The server stops writing while there is a little room left.
///
/// Seen to fail when the free space was not looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_little_room_is_left_everything_can_be_read_and_nothing_written() {
    if !disk::can_be_had("full_disk: little room") {
        return;
    }
    let mut world = World::new(20_261_131).await;
    let control = Control::new();
    let running = world.start_work(&control);
    control.reach(ACKNOWLEDGED).await;
    world.disk.fill(4 * MIB);
    assert!(world.until_ready_says(READ_ONLY).await);
    control.enter(FULL);
    world.check_read_only().await;
    let while_full = control.acknowledged();
    control.enter(ROOM);
    world.disk.make_room();
    assert!(world.until_ready_says(READY).await);
    control.reach(while_full + ACKNOWLEDGED).await;
    control.enter(DONE);
    world.end_work(running).await;
    println!("{} writes acknowledged, {} other answers", control.acknowledged(), control.answered());
    world.check_nothing_lost().await;
}

/// The disk is full from one moment to the next. The server either saw it in time, or it ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_no_room_is_left_nothing_acknowledged_is_lost() {
    if !disk::can_be_had("full_disk: no room") {
        return;
    }
    let mut world = World::new(20_261_132).await;
    let control = Control::new();
    let running = world.start_work(&control);
    control.reach(ACKNOWLEDGED).await;
    world.disk.fill(0);
    // It looks for room once a second, and may write before it looks; or the index is the first that cannot.
    let saw_it = world.until_ready_says(READ_ONLY).await;
    world.disk.make_room();
    let goes_on = saw_it && world.until_ready_says(READY).await;
    println!("{} writes acknowledged, goes on: {goes_on}", control.acknowledged());
    control.enter(DONE);
    world.end_work(running).await;
    if !goes_on {
        let status = world.clinic.wait_for_end();
        assert_eq!(status.code(), Some(EXIT_IO_ERROR), "{status}:\n{}", world.clinic.log().join("\n"));
        world.clinic = Clinic::start(&world.folder, &SETTINGS);
        world.patient = world.patient.again(world.clinic.address).await.expect("the server listens");
    }
    world.check_nothing_lost().await;
}

/// It says so, whether it may not write or finds no room, and the next start is as if nothing had been.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_cannot_write_is_refused_in_words() {
    if !disk::can_be_had("full_disk: start") {
        return;
    }
    let mut world = World::new(20_261_133).await;
    world.work_and_stop().await;
    let check_refused = |why: &str| {
        let Err(said) = Clinic::try_start(&world.folder, &SETTINGS) else { panic!("started: {why}") };
        let last = said.lines().last().unwrap_or_default();
        assert!(last.starts_with("pati-service: ") && last.contains(why), "{said}");
        assert!(!said.contains("panic"), "{said}");
    };
    world.disk.remount("ro");
    check_refused("Read-only file system");
    world.disk.remount("rw");
    world.disk.fill(0);
    check_refused("No space left on device");
    world.disk.make_room();
    world.clinic = Clinic::start(&world.folder, &SETTINGS);
    world.patient = world.patient.again(world.clinic.address).await.expect("the server listens");
    world.check_nothing_lost().await;
}

/// The kernel lets nothing be written any more after an error of the file system.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_becomes_read_only_ends_the_server_and_loses_nothing() {
    if !disk::can_be_had("full_disk: read-only") {
        return;
    }
    let mut world = World::new(20_261_134).await;
    let control = Control::new();
    let running = world.start_work(&control);
    control.reach(ACKNOWLEDGED).await;
    // As after an error in the file system's own journal.
    world.disk.remount("abort");
    world.end_work(running).await;
    let status = world.clinic.wait_for_end();
    assert_eq!(status.code(), Some(EXIT_IO_ERROR), "{status}:\n{}", world.clinic.log().join("\n"));
    let acknowledged = control.acknowledged();
    println!("{acknowledged} writes acknowledged");
    let Err(said) = Clinic::try_start(&world.folder, &SETTINGS) else {
        panic!("started on a disk that is not there")
    };
    assert!(said.lines().last().is_some_and(|last| last.contains("os error")), "{said}");
    world.disk.power_up();
    world.clinic = Clinic::start(&world.folder, &SETTINGS);
    world.patient = world.patient.again(world.clinic.address).await.expect("the server listens");
    world.check_nothing_lost().await;
}
