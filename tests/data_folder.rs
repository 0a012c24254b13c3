//! One data folder, one writer: whoever comes second is told who has it, and readers are let in.

use std::io;
use std::process::Output;

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::Patient;
use harness::wire;

mod harness;

fn clinic_file() -> ImportFile {
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(3001, 2001, day(2), Half::Am, 9);
    file
}

fn open() -> (Folder, Clinic) {
    let folder = Folder::new();
    clinic::import(&folder, &clinic_file());
    let clinic = Clinic::start(&folder, &[]);
    (folder, clinic)
}

/// Checks that the command was refused because of this server, in one sentence for the operator.
#[track_caller]
fn check_refused(output: &Output, clinic: &Clinic) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("in use by process {}: stop it first", clinic.pid())), "{said}");
}

/// A second server ends instead of listening, and says why.
#[track_caller]
fn check_no_second_server(folder: &Folder, clinic: &Clinic) {
    let Err(said) = Clinic::try_start(folder, &[]) else { panic!("two servers on one data folder") };
    assert!(said.contains(&format!("in use by process {}: stop it first", clinic.pid())), "{said}");
}

/// Planted: the writer's lock was not taken.
#[tokio::test]
async fn a_second_writer_is_refused_and_told_why() -> io::Result<()> {
    let (folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    let file = folder.write("again.json", &clinic_file().to_json().to_string());
    check_no_second_server(&folder, &clinic);
    for arguments in
        [&["import", clinic::path_text(&file)][..], &["tenant", "add", "--id", "2", "--name", "二分院"]]
    {
        check_refused(&clinic::run(&folder, arguments), &clinic);
    }
    // The server that was there first has not noticed.
    patient.submit(3001, 1, &member).await?.data();
    clinic.stop();
    // The next one names itself.
    let clinic = Clinic::start(&folder, &[]);
    check_no_second_server(&folder, &clinic);
    Ok(())
}

#[tokio::test]
async fn the_data_is_verified_beside_a_running_server() -> io::Result<()> {
    let (folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    patient.submit(3001, 1, &member).await?.data();
    let report = clinic::verify(&folder);
    assert!(report.contains("the journal is sound"), "{report}");
    assert!(report.contains("a server uses it"), "{report}");
    assert!(report.lines().any(|line| line.split_whitespace().eq(["booking", "1"])), "{report}");
    patient.cancel("999").await?.refused(404, "0404");
    patient.submit(3001, 1, &member).await?.data();

    clinic.stop();
    let report = clinic::verify(&folder);
    assert!(report.contains("closed in good order"), "{report}");
    assert!(report.contains("the index agrees"), "{report}");
    Ok(())
}

/// A killed server leaves its lock file behind, but not its lock.
#[tokio::test]
async fn a_killed_server_locks_nobody_out() -> io::Result<()> {
    let (folder, clinic) = open();
    let patient = Patient::registered(&clinic, 1).await;
    clinic.kill();
    let clinic = Clinic::start(&folder, &[]);
    patient.again(clinic.address).await?.members().await?.data();
    clinic.stop();
    Ok(())
}

/// Seen to fail when the free space was not looked at.
#[tokio::test]
async fn without_room_on_the_disk_everything_can_be_read_and_nothing_written() -> io::Result<()> {
    let folder = Folder::new();
    clinic::import(&folder, &clinic_file());
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    clinic.stop();

    // No disk has this much room.
    let clinic = Clinic::start(&folder, &[("PATI_STORAGE__MIN_FREE_MB", "1048576")]);
    let mut patient = patient.again(clinic.address).await?;
    patient.members().await?.data();
    let answer = patient.submit(3001, 1, &member).await?;
    answer.refused(503, "0503");
    assert_eq!(answer.reply.header("retry-after"), Some("60"));
    assert!(!answer.reply.closes(), "nothing is wrong with the connection");
    let ready = patient.raw(&wire::get("/ready", &[])).await?;
    assert_eq!(ready.status, 503);
    assert_eq!(patient.raw(&wire::get("/health", &[])).await?.status, 200);
    patient.left_appo(3001).await?.data();
    clinic.stop();

    let clinic = Clinic::start(&folder, &[]);
    let mut patient = patient.again(clinic.address).await?;
    patient.submit(3001, 1, &member).await?.data();
    clinic.stop();
    Ok(())
}
