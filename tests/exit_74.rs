//! T3 at the level of the process: the disk refuses a write of the journal, for real.

use std::io;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::Patient;

mod harness;

const SCHEDULE: u64 = 3001;
const CLIENTS: usize = 8;
/// Files may grow to this many blocks of 512 bytes; the shell's `ulimit -f` counts so.
const LARGEST_FILE_BLOCKS: &str = "3072";
const LEAST_ACKNOWLEDGED: usize = 200;
/// From the failure to the end of the process; what is promised is one second.
const SOON: Duration = Duration::from_secs(3);

/// What one client was told for certain.
struct Told {
    /// The booking that was acknowledged last, and whether its cancellation was.
    last: Option<(String, Cancelled)>,
    acknowledged: usize,
    /// When the first answer came that was no success.
    failed_at: Instant,
    /// Answered with 503, or cut off.
    refused: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cancelled {
    No,
    Yes,
    /// The request was not answered with success.
    Perhaps,
}

/// Whatever was acknowledged is there afterwards. Catches: a process that stays after a failed write.
/// Storage's own test of failing writes and syncs goes through each of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_cannot_be_written_ends_the_process_with_74() {
    let folder = Folder::new();
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(SCHEDULE, 2001, day(2), Half::Am, CLIENTS as u16);
    clinic::import(&folder, &file);
    let clinic = Clinic::start(&folder, &[]);
    let mut patients = Vec::new();
    for n in 0..CLIENTS {
        let mut patient = Patient::registered(&clinic, n).await;
        let member = patient.add_member(n).await;
        patients.push((patient, member));
    }
    clinic.stop();

    let mut shell = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {LARGEST_FILE_BLOCKS}; exec \"$0\" serve");
    shell.args(["-c", &script, clinic::program_path()]);
    let mut clinic =
        Clinic::spawn(clinic::with_settings(shell, &folder)).expect("it starts within the limit");
    let stop = Arc::new(AtomicBool::new(false));
    let mut running = Vec::new();
    for (n, (patient, member)) in patients.iter().enumerate() {
        let patient = patient.again(clinic.address).await.expect("the server listens");
        running.push(tokio::spawn(book_until_it_fails(
            patient,
            1 + n as u16,
            member.clone(),
            Arc::clone(&stop),
        )));
    }
    let status = tokio::task::block_in_place(|| clinic.wait_for_end());
    let ended_at = Instant::now();
    stop.store(true, Ordering::Relaxed);
    let mut told = Vec::new();
    for client in running {
        told.push(client.await.expect("lives"));
    }
    assert_eq!(status.code(), Some(74), "{}", clinic.log().join("\n"));
    let first_failure = told.iter().map(|told| told.failed_at).min().expect("clients");
    assert!(ended_at - first_failure < SOON, "it took {:?}", ended_at - first_failure);
    let acknowledged: usize = told.iter().map(|told| told.acknowledged).sum();
    assert!(acknowledged >= LEAST_ACKNOWLEDGED, "{acknowledged} acknowledged");
    assert!(told.iter().any(|told| told.refused > 0), "nobody was told");

    let clinic = Clinic::start(&folder, &[]);
    for ((patient, _), told) in patients.iter().zip(told) {
        let mut patient = patient.again(clinic.address).await.expect("the server listens");
        let Some((booking, cancelled)) = told.last else { continue };
        let status = patient.book(&booking).await.expect("answered").data()["bookStatus"].as_u64();
        match cancelled {
            Cancelled::No => assert_eq!(status, Some(0), "an acknowledged booking"),
            Cancelled::Yes => assert_eq!(status, Some(1), "an acknowledged cancellation"),
            Cancelled::Perhaps => assert!(matches!(status, Some(0 | 1))),
        }
    }
    println!(
        "{acknowledged} acknowledged before the disk refused, ended {:?} later",
        ended_at - first_failure
    );
}

/// Books and cancels the same slot in turn until something else than a success comes back.
async fn book_until_it_fails(
    mut patient: Patient,
    serial: u16,
    member: String,
    stop: Arc<AtomicBool>,
) -> Told {
    let mut told = Told { last: None, acknowledged: 0, failed_at: Instant::now(), refused: 0 };
    loop {
        match patient.submit(SCHEDULE, serial, &member).await {
            Ok(answer) if answer.is_success() => {
                let booking = answer.data()["bookId"].as_str().expect("an id").to_owned();
                told.last = Some((booking, Cancelled::No));
                told.acknowledged += 1;
            }
            refused => return after(refused.map(drop_answer), told, patient, stop).await,
        }
        let Some((booking, _)) = told.last.clone() else { unreachable!("booked just above") };
        match patient.cancel(&booking).await {
            Ok(answer) if answer.is_success() => {
                told.last = Some((booking, Cancelled::Yes));
                told.acknowledged += 1;
            }
            refused => {
                told.last = Some((booking, Cancelled::Perhaps));
                return after(refused.map(drop_answer), told, patient, stop).await;
            }
        }
    }
}

fn drop_answer(answer: harness::patients::Answer) {
    answer.refused(503, "0503");
}

/// Once a write has failed nothing is acknowledged any more.
async fn after(refused: io::Result<()>, mut told: Told, mut patient: Patient, stop: Arc<AtomicBool>) -> Told {
    told.failed_at = Instant::now();
    told.refused += 1;
    if refused.is_err() {
        return told;
    }
    while !stop.load(Ordering::Relaxed) {
        match patient.submit(SCHEDULE, 1, "1").await {
            Ok(answer) => assert!(!answer.is_success(), "acknowledged after a failed write"),
            Err(_) => return told,
        }
    }
    told
}
