//! Backups, restore, compaction and export of a real server's data, beside that server.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::TenantId;
use harness::audit::audit;
use harness::clinic::{self, Clinic, path_text};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::load::{Control, Worker};
use harness::patients::{PASSWORD, Patient};
use harness::random::Random;
use harness::town::Town;
use harness::{people, privacy, wire};
use serde_json::Value;
use storage::{JournalView, Record, Silent, Table, keys};

mod harness;

const SETTINGS: [(&str, &str); 2] =
    [("PATI_BOOKING__MAX_MEMBERS_PER_USER", "100"), ("PATI_BOOKING__MAX_ACTIVE_PER_USER", "100")];

/// How long something may take that only depends on the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a command that succeeded said, on both outputs.
#[track_caller]
fn said(output: &Output) -> String {
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}

#[track_caller]
fn run(folder: &Folder, arguments: &[&str]) -> String {
    said(&clinic::run(folder, arguments))
}

/// What a command that was refused said.
#[track_caller]
fn refused(folder: &Folder, arguments: &[&str]) -> String {
    let output = clinic::run(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

/// The digest in a report, and the commit that it is of.
#[track_caller]
fn digest(report: &str) -> (&str, &str) {
    let after = |word: &str| report.split_once(word).unwrap_or_else(|| panic!("no {word} in {report}")).1;
    let word = |text: &'static str| after(text).split([' ', '\n', ',', ':']).next().expect("a word");
    (word("digest "), word("to commit "))
}

fn copy_keys(from: &Folder, to: &Folder) {
    fs::create_dir_all(to.store().join("keys")).expect("made");
    for entry in fs::read_dir(from.store().join("keys")).expect("there are keys") {
        let path = entry.expect("readable").path();
        fs::copy(&path, to.store().join("keys").join(path.file_name().expect("named"))).expect("copied");
    }
}

fn small_clinic() -> (Folder, Clinic) {
    let folder = Folder::new();
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(3001, 2001, day(2), Half::Am, 9);
    clinic::import(&folder, &file);
    let clinic = Clinic::start(&folder, &[]);
    (folder, clinic)
}

/// Backups are made while 24 clients book, pay no attention and cancel; the server is killed, its folder is lost, and a
/// server on the restored folder knows all that was acknowledged before the last backup.
/// Planted: the restore left the last segment out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_folder_comes_back_with_all_that_was_acknowledged() {
    let mut random = Random::seeded(20_261_126);
    let folder = Folder::new();
    let town = Arc::new(Town::new(4, 5, 30));
    clinic::import(&folder, &town.import_file());
    let clinic = Clinic::start(&folder, &SETTINGS);
    let mut workers = Worker::open_accounts(&clinic, &town, &mut random, (12, 6)).await;
    let control = Control::new();
    let address = clinic.address;
    let running: Vec<_> = workers
        .drain(..)
        .map(|mut worker| {
            let control = Arc::clone(&control);
            tokio::spawn(async move {
                let on = |_: &harness::load::Exchange| control.phase() == 0;
                worker.work(address, &control, on).await;
                worker
            })
        })
        .collect();
    let mut under_load = Vec::new();
    for number in 0..3_u64 {
        control.reach(control.acknowledged() + 50).await;
        let target = folder.path().join(format!("backup-{number}"));
        let before = control.acknowledged();
        let report = run(&folder, &["backup", path_text(&target)]);
        assert!(control.acknowledged() > before, "nobody booked meanwhile");
        under_load.push((target, report));
    }
    control.enter(1);
    for worker in running {
        workers.push(worker.await.expect("no answer was a surprise"));
    }
    let last = folder.path().join("last");
    let report = run(&folder, &["backup", path_text(&last)]);
    assert!(
        report.contains("The keys are not in it") && report.contains(path_text(&folder.store())),
        "{report}"
    );
    assert_eq!(digest(&report), digest(&clinic::verify(&folder)), "nothing has changed since");
    clinic.kill();

    for (target, report) in &under_load {
        assert_eq!(digest(report), digest(&run(&folder, &["verify", path_text(target)])));
    }
    let again = Folder::new();
    copy_keys(&folder, &again);
    let restored = run(&again, &["restore", path_text(&last)]);
    assert_eq!(digest(&restored), digest(&report));
    let server = Clinic::start(&again, &SETTINGS);
    let audited = audit(server.address, &town, &mut workers).await;
    assert!(audited.live > 50, "{audited:?}");
    server.stop();
    clinic::verify(&again);
    println!("{} writes acknowledged, {audited:?}", control.acknowledged());
}

#[tokio::test]
async fn a_restore_wants_keys_and_spares_what_is_there() -> io::Result<()> {
    let (folder, clinic) = small_clinic();
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    patient.submit(3001, 1, &member).await?.data();
    let backup = folder.path().join("backup");
    let backup = path_text(&backup);
    run(&folder, &["backup", backup]);
    assert!(refused(&folder, &["backup", backup]).contains("is not overwritten"));
    let inside = folder.store().join("backup");
    assert!(refused(&folder, &["backup", path_text(&inside)]).contains("lies in the data folder"));
    for arguments in [&["restore", backup][..], &["restore", "--replace", backup], &["compact"]] {
        assert!(refused(&folder, arguments).contains(&format!("in use by process {}", clinic.pid())));
    }
    patient.submit(3001, 2, &member).await?.ruled_out("401006");
    let second = patient.add_member(2).await;
    patient.submit(3001, 2, &second).await?.data();
    clinic.stop();

    let again = Folder::new();
    assert!(refused(&again, &["restore", backup]).contains("is missing"));
    let other = small_clinic();
    drop(other.1);
    copy_keys(&other.0, &again);
    assert!(refused(&again, &["restore", backup]).contains("not the ones this data was sealed with"));
    assert!(!again.store().join("journal").exists());

    assert!(refused(&folder, &["restore", backup]).contains("--replace"));
    let restored = run(&folder, &["restore", "--replace", backup]);
    assert!(restored.contains("What was there before lies in "), "{restored}");
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = patient.again(clinic.address).await?;
    assert_eq!(patient.members().await?.data().as_array().map(Vec::len), Some(1));
    assert_eq!(patient.books(1, 10).await?.data()["total"], 1);
    // Who was added after the backup is gone, and whoever comes next is not taken for them.
    let third = patient.add_member(3).await;
    assert!(third != second && third != member);
    patient.submit(3001, 2, &third).await?.data();
    clinic.stop();
    clinic::verify(&folder);
    Ok(())
}

/// A backup that is killed at any moment leaves nothing under its name but a whole one, and the next one succeeds.
/// Planted: the backup was written under its own name.
#[tokio::test]
async fn a_killed_backup_is_none() -> io::Result<()> {
    let (folder, clinic) = small_clinic();
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    let target = folder.path().join("backup");
    let (mut none, mut whole) = (0, 0);
    for round in 0..24_u64 {
        let mut command = clinic::program(&folder);
        command.args(["backup", path_text(&target)]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        // Not for the command to come to some point: the moment of the kill is what is varied.
        std::thread::sleep(Duration::from_millis(round * 2));
        child.kill()?;
        child.wait()?;
        if target.exists() {
            run(&folder, &["verify", path_text(&target)]);
            fs::remove_dir_all(&target)?;
            whole += 1;
        } else {
            none += 1;
        }
        let booking = patient.submit(3001, 1, &member).await?.data()["bookId"].clone();
        patient.cancel(booking.as_str().expect("an id")).await?.done();
    }
    println!("{none} backups were cut short, {whole} were whole");
    assert!(none > 0, "no backup was cut short");
    run(&folder, &["backup", path_text(&target)]);
    assert!(!folder.path().join("backup.tmp").exists(), "leftovers are removed");
    clinic.stop();
    Ok(())
}

async fn scrape(clinic: &Clinic, name: &str) -> f64 {
    let mut monitor = Patient::connect(clinic.admin_address).await.expect("the operator is served");
    let reply = monitor.raw(&wire::get("/metrics", &[])).await.expect("answered");
    let text = String::from_utf8(reply.body).expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().expect("a number")
}

/// Waits until a metric is not 0.
async fn wait_for(clinic: &Clinic, name: &str) -> f64 {
    let begun = Instant::now();
    loop {
        let value = scrape(clinic, name).await;
        if value != 0.0 {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "{name} stays 0:\n{}", clinic.log().join("\n"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A server that has no backup of last night makes one at its start.
/// Seen to fail when the size of a backup was not told.
#[tokio::test]
async fn the_server_makes_backups_by_itself() -> io::Result<()> {
    let (folder, clinic) = small_clinic();
    assert_eq!(scrape(&clinic, "pati_backup_enabled").await, 0.0);
    Patient::registered(&clinic, 1).await.add_member(1).await;
    clinic.stop();
    let shelf = folder.path().join("backups");
    let settings = [("PATI_BACKUP__DIR", path_text(&shelf)), ("PATI_BACKUP__KEEP", "1")];

    // Not mounted: counted and logged, and the server serves.
    let clinic = Clinic::start(&folder, &settings);
    assert_eq!(wait_for(&clinic, "pati_backup_failures_total").await, 1.0);
    let mut patient = Patient::connect(clinic.address).await?;
    patient.login(&people::phone(1), PASSWORD).await?.data();
    assert_eq!(scrape(&clinic, "pati_backup_bytes").await, 0.0);
    clinic.stop();

    fs::create_dir(&shelf)?;
    let clinic = Clinic::start(&folder, &settings);
    assert!(wait_for(&clinic, "pati_backup_bytes").await > 1000.0);
    assert_eq!(scrape(&clinic, "pati_backup_enabled").await, 1.0);
    assert_eq!(scrape(&clinic, "pati_backup_failures_total").await, 0.0);
    assert!(scrape(&clinic, "pati_backup_duration_seconds").await > 0.0);
    assert!(scrape(&clinic, "pati_backup_age_seconds").await < PATIENCE.as_secs_f64());
    clinic.stop();
    let made: Vec<PathBuf> = fs::read_dir(&shelf)?.map(|entry| entry.expect("readable").path()).collect();
    let [made] = &made[..] else { panic!("{made:?}") };
    run(&folder, &["verify", path_text(made)]);
    assert_eq!(privacy::check_backups(folder.path()), 1, "backups are looked through");
    // It has one of last night now.
    let clinic = Clinic::start(&folder, &settings);
    assert_eq!(scrape(&clinic, "pati_backup_enabled").await, 1.0);
    assert!(scrape(&clinic, "pati_backup_age_seconds").await < 24.0 * 3600.0);
    clinic.stop();
    assert_eq!(fs::read_dir(&shelf)?.count(), 1);
    Ok(())
}

/// The bytes of an account's records as they are stored, personal fields sealed.
fn stored_bytes(data: &Path) -> Vec<Vec<u8>> {
    let tenant = TenantId::new(1).expect("an id");
    let tables = [Table::User, Table::Members, Table::Patient];
    let view = JournalView::read(data, &tables, &Silent).expect("sound");
    let users =
        view.scan(&keys::users(tenant)).expect("readable").into_iter().map(|(_, user)| user.record.encode());
    let members = view.scan(&keys::all_members(tenant)).expect("readable");
    let members = members.into_iter().map(|(_, members)| members.record.encode());
    let patients = view.scan(&keys::patients(tenant)).expect("readable");
    let patients = patients.into_iter().map(|(_, patient)| patient.record.encode());
    users.chain(members).chain(patients).collect()
}

/// Of an account that was closed nothing is left in any file after `compact`, not even sealed.
/// Seen to fail when the index was kept.
#[tokio::test]
async fn a_closed_account_is_physically_gone_after_folding() -> io::Result<()> {
    let (folder, clinic) = small_clinic();
    let mut patient = Patient::registered(&clinic, 1).await;
    patient.add_member(1).await;
    let before = stored_bytes(&folder.store());
    assert_eq!(before.len(), 3);
    assert!(
        before.iter().all(|bytes| privacy::holds(&folder.store(), bytes)),
        "the search finds what is there"
    );
    patient.close_account(PASSWORD).await?.done();
    clinic.stop();
    let report = run(&folder, &["compact"]);
    assert!(report.contains("bytes before"), "{report}");
    assert!(!folder.store().join("index").exists());
    for bytes in &before {
        assert!(!privacy::holds(&folder.store(), bytes));
        // Nor a part of it: the sealed field without what stands around it.
        let middle = &bytes[bytes.len() / 4..bytes.len() * 3 / 4];
        assert!(!privacy::holds(&folder.store(), middle));
    }
    clinic::verify(&folder);
    Clinic::start(&folder, &[]).stop();
    assert!(clinic::verify(&folder).contains("the index agrees"));
    Ok(())
}

/// Seen to fail when another clinic's records were written too.
#[tokio::test]
async fn an_export_has_all_of_one_clinic_readable() -> io::Result<()> {
    let (folder, clinic) = small_clinic();
    clinic.stop();
    clinic::add_tenant(&folder, 2);
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    let booking = patient.submit(3001, 4, &member).await?.data()["bookId"].clone();
    let file = folder.path().join("clinic.jsonl");
    let report = run(&folder, &["export", "--output", path_text(&file)]);
    assert!(report.contains("in plain text") && report.contains("remove it"), "{report}");
    assert_eq!(fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file)?;
    assert!(refused(&folder, &["export", "--output", path_text(&file)]).contains("exists"));
    assert!(refused(&folder, &["export", "--tenant", "9"]).contains("there is no clinic 9"));

    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |table: &str| lines.iter().filter(|line| line["table"] == table).collect::<Vec<_>>();
    let patients = of("patient");
    assert_eq!(patients.len(), 1);
    assert_eq!(patients[0]["id_number"], people::id_number(1));
    assert_eq!(patients[0]["name"], "患者1");
    assert_eq!(of("user")[0]["phone"], people::phone(1));
    assert_eq!(of("members")[0]["members"][0]["member"], member);
    let bookings = of("booking");
    assert_eq!(
        (bookings.len(), &bookings[0]["booking"], &bookings[0]["serial"]),
        (1, &booking, &Value::from(4))
    );
    assert_eq!(of("schedule")[0]["slots"].as_array().map(Vec::len), Some(9));
    assert_eq!(of("tenant").len(), 1);
    let end = lines.last().expect("a line");
    assert_eq!((&end["table"], &end["records"]), (&Value::from("end"), &Value::from(lines.len() - 1)));
    for secret in ["session", "argon2", "password"] {
        assert!(!text.contains(secret), "{secret}");
    }
    // Another clinic has none of it, and nothing but lines goes to the standard output.
    let other = clinic::run(&folder, &["export", "--tenant", "2"]);
    assert!(other.status.success());
    let other = String::from_utf8(other.stdout).expect("text");
    assert!(privacy::found_in(other.as_bytes()).is_none());
    let tables =
        other.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["table"].clone());
    assert_eq!(tables.collect::<Vec<_>>(), ["tenant", "end"]);
    clinic.stop();
    Ok(())
}
