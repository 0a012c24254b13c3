//! The commands that fill and check a data folder, as the operator meets them: what they print, how they exit, and
//! what they do beside a running server.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use harness::clinic::{self, Clinic, path_text};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::Patient;
use serde_json::{Value, json};

mod harness;

fn two_schedules() -> Value {
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(3001, 2001, day(1), Half::Am, 3).schedule(3002, 2001, day(1), Half::Pm, 3);
    file.to_json()
}

fn import(folder: &Folder, file: &Value) -> Output {
    let path = folder.write("clinic.json", &file.to_string());
    clinic::run(folder, &["import", path_text(&path)])
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// Success, and nothing for the operator to worry about.
#[track_caller]
fn assert_done(output: &Output, expected: &str) {
    assert_eq!(output.status.code(), Some(0), "{}", told(output));
    assert!(printed(output).contains(expected), "{}", printed(output));
    assert_eq!(told(output), "");
}

/// Failure, said once and on standard error only.
#[track_caller]
fn assert_refused(output: &Output, expected: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", told(output));
    assert_eq!(printed(output), "");
    assert_eq!(told(output).matches(expected).count(), 1, "{}", told(output));
}

#[test]
fn a_file_is_refused_then_imported_then_already_there() {
    let folder = Folder::new();
    let mut wrong = two_schedules();
    wrong["schedules"][1]["slots"] = json!({"start": "13:00", "end": "14:00", "every_minutes": 300});

    let refused = import(&folder, &wrong);
    assert_refused(&refused, "clinic.json: schedules[1].slots.every_minutes: must be 1 to 240");
    assert!(told(&refused).trim_end().ends_with("nothing was imported"), "{}", told(&refused));

    let done = import(&folder, &two_schedules());
    assert_done(&done, "schedules:   2 added, 0 updated, 0 unchanged");
    assert_done(&import(&folder, &two_schedules()), "nothing was written");
    assert_done(&clinic::run(&folder, &["verify"]), "the journal is sound up to commit 1");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = Folder::new();
    let output = clinic::run(&folder, &["import", "missing.json"]);
    assert_refused(&output, "missing.json: No such file");
    assert!(!folder.store().exists(), "nothing was made for it");
}

#[test]
fn a_clinic_is_added_once() {
    let folder = Folder::new();
    let arguments = ["tenant", "add", "--id", "2", "--name", "二分院"];
    assert_done(&clinic::run(&folder, &arguments), "clinic 2 was added");
    assert_refused(&clinic::run(&folder, &arguments), "there is a clinic 2 already");
}

/// Beside a server, what writes is refused and names the process; what only reads works.
#[test]
fn a_running_server_keeps_its_folder() {
    let folder = Folder::new();
    assert_done(&import(&folder, &two_schedules()), "2 added");
    let server = Clinic::start(&folder, &[]);

    let in_use = format!("is in use by process {}: stop it first", server.pid());
    assert_refused(&import(&folder, &two_schedules()), &in_use);
    assert_refused(&clinic::run(&folder, &["tenant", "add", "--id", "2", "--name", "二分院"]), &in_use);
    assert_refused(&clinic::run(&folder, &["serve"]), &in_use);
    assert_done(&clinic::run(&folder, &["verify"]), "the index was not compared: a server uses it");

    server.stop();
    assert_done(&clinic::run(&folder, &["verify"]), "the index agrees with it");
    assert_done(&import(&folder, &two_schedules()), "nothing was written");
}

/// A booking fixes its schedule; moving the room is still possible.
#[actix_web::test]
async fn a_booked_schedule_is_protected_by_its_id() -> std::io::Result<()> {
    let folder = Folder::new();
    assert_done(&import(&folder, &two_schedules()), "2 added");
    let server = Clinic::start(&folder, &[]);
    let mut patient = Patient::registered(&server, 1).await;
    let member = patient.add_member(1).await;
    patient.submit(3001, 1, &member).await?.data();
    server.stop();

    let mut dearer = two_schedules();
    dearer["schedules"][0]["fee"] = json!("60.00");
    let expected = "schedules[0].fee: schedule 3001 has been booked: only its location may change";
    assert_refused(&import(&folder, &dearer), expected);

    let mut moved = two_schedules();
    moved["schedules"][0]["location"] = json!("三楼305");
    moved["schedules"][1]["fee"] = json!("60.00");
    assert_done(&import(&folder, &moved), "schedules:   0 added, 2 updated, 0 unchanged");
    Ok(())
}

/// The planted bugs: `verify` told of the damage and exited with 0; and it left out what to do.
#[test]
fn damage_is_reported_with_what_to_do() {
    let folder = Folder::new();
    assert_done(&import(&folder, &two_schedules()), "2 added");
    let segment = largest_file_of(&folder.store().join("journal"));
    let mut bytes = fs::read(&segment).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).expect("written");

    let output = clinic::run(&folder, &["verify"]);
    assert_refused(&output, " at byte ");
    let name = segment.file_name().and_then(|name| name.to_str()).expect("a name");
    for part in [name, "Stop the server", "the last backup"] {
        assert!(told(&output).contains(part), "{part} is missing in: {}", told(&output));
    }
}

fn largest_file_of(folder: &std::path::Path) -> PathBuf {
    let files = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    files.max_by_key(|path| path.metadata().map_or(0, |data| data.len())).expect("a file")
}

/// The demo clinic is whole at its first start, keeps its bookings at the second, and touches no other clinic's data.
#[actix_web::test]
async fn the_demo_clinic_is_there_at_every_start() -> std::io::Result<()> {
    let folder = Folder::new();
    let start = || {
        let mut command = clinic::program(&folder);
        command.args(["serve", "--demo"]);
        Clinic::spawn(command).unwrap_or_else(|log| panic!("the demo did not start:\n{log}"))
    };
    let server = start();
    let mut patient = Patient::connect(server.address).await?;
    let departments = patient.depts().await?.data();
    assert_eq!(departments.as_array().map(Vec::len), Some(3), "{departments}");
    drop(patient);
    server.stop();

    let server = start();
    let mut patient = Patient::connect(server.address).await?;
    assert_eq!(patient.depts().await?.data(), departments);
    drop(patient);
    server.stop();
    assert!(folder.path().join("data-demo").is_dir());
    assert!(!folder.store().exists(), "the clinic's own folder was touched");
    Ok(())
}
