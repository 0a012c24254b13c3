//! Backups beside a writer, and bringing them back: nothing missing, nothing half, whatever happens in between.

mod support;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::Timestamp;
use storage::{
    Backup, BackupError, BackupReport, DiskFiles, Files, NoRandomness, Occupied, OsRandom, Picture,
    PictureId, PictureKind, Random, Restore, RestoreError, RestoreReport, Silent, SpaceProbe, Storage,
    StorageOptions, UnlockError, Vault, check_backup, is_backup, verify,
};
use support::booking::Booking;
use support::faulty::{Fault, FaultyFiles, Scope};
use support::ordered::OrderedFiles;
use support::*;
use tempfile::TempDir;

/// As much room as a test says.
#[derive(Debug)]
struct Room(u64);

impl SpaceProbe for Room {
    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.0)
    }
}

fn backup(data: &Path, target: &Path) -> Backup {
    Backup {
        data: data.to_owned(),
        target: target.to_owned(),
        files: Arc::new(DiskFiles),
        space: Arc::new(Room(u64::MAX)),
        min_free_bytes: 0,
        progress: Arc::new(Silent),
        now: NOW,
    }
}

fn restore(from: &Path, data: &Path) -> Restore {
    Restore {
        from: from.to_owned(),
        data: data.to_owned(),
        occupied: Occupied::Refuse,
        files: Arc::new(DiskFiles),
        space: Arc::new(Room(u64::MAX)),
        progress: Arc::new(Silent),
        random: Arc::new(OsRandom::default()),
        now: NOW,
    }
}

fn written(data: &Path, target: &Path) -> BackupReport {
    backup(data, target).write().expect("it is written")
}

fn restored(from: &Path, data: &Path) -> RestoreReport {
    restore(from, data).run().expect("it is restored")
}

fn picture(id: u8) -> Picture {
    Picture { tenant: tenant(), id: PictureId::from_bytes([id; 16]), kind: PictureKind::Png }
}

/// A folder for a data folder and its backups.
struct Places {
    folder: TempDir,
}

impl Places {
    fn new() -> Self {
        Self { folder: folder() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// What a folder holds into which these bookings, and nothing else, were written one by one.
fn digest_of(count: u64) -> storage::ContentDigest {
    let folder = folder();
    let storage = open(folder.path());
    book_all(&storage, 0..count);
    drop(storage);
    verify(folder.path(), &Silent).expect("sound").digest
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is there");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// Bookings go on while backups are made, segments are closed and the journal is folded. Each backup has everything that
/// was acknowledged before it, and exactly what the data folder held at its commit.
/// Seen to fail when the last segment was copied to its end at the time of copying.
#[test]
fn a_backup_beside_a_writer_is_one_moment() {
    let places = Places::new();
    let options = StorageOptions { segment_bytes: 48 * 1024, ..options(&places.at("data")) };
    let storage = Storage::open(options).expect("the folder opens");
    let booking = Booking::start(&storage);
    let mut seen = 0;
    let mut made = Vec::new();
    for round in 0..8 {
        let before = booking.acknowledged_after(seen);
        let target = places.at(&format!("backup-{round}"));
        let report = if round == 3 {
            // A fold at the same time removes nothing that is read.
            std::thread::scope(|scope| {
                let fold = scope.spawn(|| storage.fold(NOW));
                let report = written(&places.at("data"), &target);
                fold.join().expect("no panic").expect("it folds");
                report
            })
        } else {
            written(&places.at("data"), &target)
        };
        assert!(report.seq.get() >= before, "{} of {before}", report.seq.get());
        seen = report.seq.get();
        made.push((target, report));
    }
    assert!(booking.stop() >= seen);
    for (number, (target, report)) in made.iter().enumerate() {
        let checked = check_backup(target, &Silent).expect("sound");
        assert_eq!((checked.seq, checked.digest), (report.seq, report.digest));
        if number % 3 != 0 {
            continue;
        }
        assert_eq!(report.digest, digest_of(report.seq.get()));
        let data = places.at(&format!("restored-{number}"));
        let restored = restored(target, &data);
        assert_eq!((restored.seq, restored.digest), (report.seq, report.digest));
        let storage = open(&data);
        (0..report.seq.get()).for_each(|number| assert_booked(&storage, number));
        assert_not_booked(&storage, report.seq.get());
        book_all(&storage, report.seq.get()..report.seq.get() + 3);
    }
}

/// Seen to fail when a segment without a commit was closed, so that the next start took it for the one before.
#[test]
fn a_backup_of_any_state_of_the_journal_comes_back() {
    let states: [fn(&Storage); 5] = [
        |_| {},
        |storage| book_all(storage, 0..3),
        |storage| {
            book_all(storage, 0..3);
            storage.fold(NOW).expect("it folds");
        },
        |storage| {
            book_all(storage, 0..3);
            storage.fold(NOW).expect("it folds");
            storage.commit(unbook(1)).wait().expect("nothing is required");
        },
        |storage| storage.close().expect("it closes"),
    ];
    for (number, state) in states.into_iter().enumerate() {
        let places = Places::new();
        let storage = open(&places.at("data"));
        state(&storage);
        let live = storage.status().live_records;
        let report = written(&places.at("data"), &places.at("backup"));
        drop(storage);
        let source = verify(&places.at("data"), &Silent).expect("sound");
        assert_eq!((source.seq, source.digest), (report.seq, report.digest), "state {number}");
        restored(&places.at("backup"), &places.at("again"));
        for _ in 0..2 {
            let storage = open(&places.at("again"));
            assert_eq!(storage.status().live_records, live, "state {number}");
            storage.commit(book(9)).wait().expect("the slot is free");
            storage.commit(unbook(9)).wait().expect("nothing is required");
        }
    }
}

#[test]
fn a_backup_overwrites_nothing_and_lies_elsewhere() {
    let places = Places::new();
    drop(open(&places.at("data")));
    let refused = |target: PathBuf| backup(&places.at("data"), &target).write().expect_err("it is refused");
    fs::create_dir(places.at("there")).expect("made");
    fs::write(places.at("file"), "").expect("made");
    assert!(matches!(refused(places.at("there")), BackupError::Exists(_)));
    assert!(matches!(refused(places.at("file")), BackupError::Exists(_)));
    assert!(matches!(refused(places.at("nowhere/backup")), BackupError::NoFolder(_)));
    assert!(matches!(refused(places.at("data/backup")), BackupError::InData(_)));
    assert!(matches!(refused(PathBuf::from("/")), BackupError::BadName(_)));
    let nothing = backup(&places.at("there"), &places.at("backup")).write();
    assert!(matches!(nothing, Err(BackupError::Data(_))));
    assert_eq!(names(places.folder.path()), ["data", "file", "there"]);
}

#[test]
fn keys_are_never_copied_and_needed_to_restore() {
    let places = Places::new();
    let storage = open(&places.at("data"));
    let keys = places.at("data/keys");
    let random = || -> Arc<dyn Random> { Arc::new(OsRandom::default()) };
    Vault::unlock(&storage, &keys, random()).expect("new keys are made");
    book_all(&storage, 0..3);
    written(&places.at("data"), &places.at("backup"));
    assert_eq!(names(&places.at("backup")), ["BACKUP", "files", "journal"]);
    let mode = fs::metadata(places.at("backup")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o077, 0, "nobody else may read it");
    assert!(!names(&places.at("backup/journal")).iter().any(|name| name.contains("key")));

    let refused = restore(&places.at("backup"), &places.at("again")).run().expect_err("no keys");
    assert!(matches!(refused, RestoreError::Keys(UnlockError::Keys(_))), "{refused}");
    Vault::open(&places.at("again/keys"), storage::Existing::CreateIfMissing, random()).expect("made");
    let refused = restore(&places.at("backup"), &places.at("again")).run().expect_err("other keys");
    assert!(refused.to_string().contains("are not the ones this data was sealed with"), "{refused}");
    assert_eq!(names(&places.at("again")), ["LOCK", "journal.lock", "keys"]);
    for name in ["seal-1.key", "blind.key"] {
        fs::copy(keys.join(name), places.at("again/keys").join(name)).expect("copied");
    }
    restored(&places.at("backup"), &places.at("again"));
    let storage = open(&places.at("again"));
    Vault::unlock(&storage, &places.at("again/keys"), random()).expect("they fit");
    assert_booked(&storage, 2);
}

/// Seen to fail when a picture that the backup does not have stayed where it is.
#[test]
fn pictures_are_in_a_backup_and_come_back() {
    let places = Places::new();
    let storage = open(&places.at("data"));
    let pictures = storage.pictures().expect("the folder is made");
    pictures.put(&picture(1), b"one").expect("stored");
    pictures.put(&picture(2), b"two").expect("stored");
    let report = written(&places.at("data"), &places.at("backup"));
    assert_eq!(report.pictures, 2);
    pictures.remove(&picture(1)).expect("removed");
    pictures.put(&picture(3), b"three").expect("stored");
    drop(storage);

    let replace =
        Restore { occupied: Occupied::SetAside, ..restore(&places.at("backup"), &places.at("data")) };
    let report = replace.run().expect("it is restored");
    let pictures = open(&places.at("data")).pictures().expect("it is there");
    assert_eq!(pictures.read(&picture(1)).expect("readable"), Some(b"one".to_vec()));
    assert_eq!(pictures.read(&picture(2)).expect("readable"), Some(b"two".to_vec()));
    assert_eq!(pictures.read(&picture(3)).expect("readable"), None);
    let aside = report.set_aside.expect("there was data");
    assert_eq!(names(&aside.join("files")).len(), 1);
}

/// Seen to fail when only the journal was compared.
#[test]
fn a_damaged_backup_is_found_and_not_restored() {
    let places = Places::new();
    let storage = open(&places.at("data"));
    book_all(&storage, 0..10);
    storage.fold(NOW).expect("it folds");
    book_all(&storage, 10..20);
    storage.pictures().expect("made").put(&picture(1), b"a picture").expect("stored");
    written(&places.at("data"), &places.at("backup"));
    let mut tried = 0;
    let files = ["journal", "files"].into_iter().flat_map(|part| {
        names(&places.at("backup").join(part)).into_iter().map(move |name| format!("{part}/{name}"))
    });
    for file in files.chain(["BACKUP".to_owned()]) {
        let path = places.at("backup").join(&file);
        let sound = fs::read(&path).expect("readable");
        let middle = sound.len() / 2;
        let flipped = [&sound[..middle], &[sound[middle] ^ 1], &sound[middle + 1..]].concat();
        let longer = [&sound[..], &[0, 0]].concat();
        for damaged in [&flipped[..], &sound[..sound.len() - 1], &sound[..middle], &longer, &[]] {
            fs::write(&path, damaged).expect("written");
            assert!(check_backup(&places.at("backup"), &Silent).is_err(), "{file} went unnoticed");
            let refused = restore(&places.at("backup"), &places.at("again")).run();
            assert!(matches!(refused, Err(RestoreError::Backup(_))), "{file}");
            tried += 1;
        }
        fs::remove_file(&path).expect("it is there");
        assert!(check_backup(&places.at("backup"), &Silent).is_err(), "{file} is missing");
        fs::write(&path, sound).expect("written");
    }
    assert!(tried >= 20, "only {tried} were tried");
    assert!(!places.at("again/journal").exists());
    restored(&places.at("backup"), &places.at("again"));
}

/// Seen to fail when the old index was left, which knows commits that the backup does not have.
#[test]
fn data_that_is_there_is_refused_or_kept_aside() {
    let places = Places::new();
    let storage = open(&places.at("data"));
    book_all(&storage, 0..5);
    let report = written(&places.at("data"), &places.at("backup"));
    let again = restore(&places.at("backup"), &places.at("data"));
    assert!(matches!(again.run(), Err(RestoreError::InUse { .. })));
    book_all(&storage, 5..9);
    drop(storage);
    assert!(matches!(again.run(), Err(RestoreError::Occupied(_))));
    (0..9).for_each(|number| assert_booked(&open(&places.at("data")), number));

    let restored = Restore { occupied: Occupied::SetAside, ..again }.run().expect("it is restored");
    assert_eq!(restored.digest, report.digest);
    let storage = open(&places.at("data"));
    (0..5).for_each(|number| assert_booked(&storage, number));
    (5..9).for_each(|number| assert_not_booked(&storage, number));
    let aside = restored.set_aside.expect("there was data");
    let storage = open(&aside);
    (0..9).for_each(|number| assert_booked(&storage, number));
}

/// WeChat and tokens remember numbers. Seen to fail when running numbers went on from where the backup had them.
#[tokio::test]
async fn numbers_of_after_the_backup_are_not_given_again() {
    let places = Places::new();
    let storage = open(&places.at("data"));
    let sequences = storage::Sequences::new();
    let next = async |storage: &Storage, sequences: &storage::Sequences, sequence| {
        sequences.next(storage, tenant(), sequence).await.expect("there are numbers")
    };
    for sequence in storage::Sequence::ALL {
        next(&storage, &sequences, sequence).await;
    }
    let report = written(&places.at("data"), &places.at("backup"));
    let mut last = Vec::new();
    for sequence in storage::Sequence::ALL {
        for _ in 0..2500 {
            next(&storage, &sequences, sequence).await;
        }
        last.push(next(&storage, &sequences, sequence).await);
    }
    drop(storage);
    let restored = restored(&places.at("backup"), &places.at("again"));
    assert_eq!(restored.digest, report.digest);
    assert_eq!(restored.now.0.get(), report.seq.get() + 1);
    let storage = open(&places.at("again"));
    drop(storage.clone());
    let sequences = storage::Sequences::new();
    for (sequence, last) in storage::Sequence::ALL.into_iter().zip(last) {
        assert!(next(&storage, &sequences, sequence).await > last, "{sequence:?}");
    }
}

/// Every step of a backup fails once: the source is untouched, and nothing has the backup's name.
#[test]
fn a_backup_that_fails_at_any_step_leaves_nothing_and_harms_nobody() {
    for fault in [Fault::Once, Fault::Forever] {
        let places = Places::new();
        let storage = open(&places.at("data"));
        book_all(&storage, 0..10);
        storage.fold(NOW).expect("it folds");
        book_all(&storage, 10..12);
        storage.pictures().expect("made").put(&picture(1), b"a picture").expect("stored");
        let mut step = 0;
        loop {
            step += 1;
            let files = Arc::new(FaultyFiles::new(step, fault, Scope::Everything));
            let target = places.at("backup");
            let tried = Backup { files: files.clone(), ..backup(&places.at("data"), &target) }.write();
            if !files.has_failed() {
                assert!(tried.is_ok() && is_backup(&target));
                break;
            }
            assert!(matches!(tried, Err(BackupError::Io { .. })), "step {step}");
            // Only the last step, the durability of the name, comes after it.
            if target.exists() {
                check_backup(&target, &Silent).expect("whole");
                fs::remove_dir_all(&target).expect("it is there");
            }
            assert_eq!(names(places.folder.path()), ["data"], "step {step}");
            storage.commit(book(100 + step)).wait().expect("the server goes on");
        }
        assert!(step >= 18, "only {step} steps");
    }
}

/// What a crash leaves of a backup is removed by the next one of the same name, and no other is in its way.
#[test]
fn leftovers_of_a_crash_are_removed_by_the_next_backup() {
    let places = Places::new();
    drop(open(&places.at("data")));
    fs::create_dir_all(places.at("backup.tmp/journal")).expect("made");
    fs::write(places.at("backup.tmp/journal/00000000000000000001.seg"), "half").expect("written");
    let busy = fs::File::open(places.at("backup.tmp")).expect("it is there");
    busy.lock().expect("nobody else has it");
    let refused = backup(&places.at("data"), &places.at("backup")).write();
    assert!(matches!(refused, Err(BackupError::InProgress(_))), "{refused:?}");
    drop(busy);
    written(&places.at("data"), &places.at("backup"));
    assert_eq!(names(places.folder.path()), ["backup", "data"]);
}

/// Seen to fail when the room was not looked at before copying.
#[test]
fn without_room_there_is_no_backup_and_no_restore() {
    let places = Places::new();
    let storage = open(&places.at("data"));
    book_all(&storage, 0..20);
    let needed = storage.status().journal_bytes;
    let short = Backup {
        space: Arc::new(Room(needed + 999)),
        min_free_bytes: 1000,
        ..backup(&places.at("data"), &places.at("backup"))
    };
    assert!(matches!(short.write(), Err(BackupError::NoSpace { .. })));
    assert_eq!(names(places.folder.path()), ["data"]);
    storage.commit(book(50)).wait().expect("the server goes on");
    written(&places.at("data"), &places.at("backup"));
    let short = Restore { space: Arc::new(Room(10)), ..restore(&places.at("backup"), &places.at("again")) };
    assert!(matches!(short.run(), Err(RestoreError::Backup(BackupError::NoSpace { .. }))));
    assert!(!places.at("again/journal").exists());
}

/// A power cut keeps what was synced and may lose the rest: nothing gets its name before it is durable.
/// Seen to fail when the folder of the journal, and when a file, was not synced, and when a backup was written under its
/// name.
#[test]
fn nothing_gets_its_name_before_it_is_durable() {
    let places = Places::new();
    let storage = open(&places.at("data"));
    book_all(&storage, 0..10);
    storage.pictures().expect("made").put(&picture(1), b"a picture").expect("stored");
    let files = OrderedFiles::default();
    let layer = || -> Arc<dyn Files> { Arc::new(files.clone()) };
    Backup { files: layer(), ..backup(&places.at("data"), &places.at("backup")) }.write().expect("written");
    assert_eq!(files.unsynced(), [] as [PathBuf; 0]);
    let early = files.created().into_iter().find(|file| file.starts_with(places.at("backup")));
    assert_eq!(early, None, "nothing is written under the name itself");
    drop(storage);
    for occupied in [Occupied::Refuse, Occupied::SetAside] {
        let restore = restore(&places.at("backup"), &places.at("again"));
        Restore { files: layer(), occupied, ..restore }.run().expect("restored");
    }
    assert!(files.renames() >= 6, "only {} names were given", files.renames());
    let storage = Storage::open(StorageOptions { files: layer(), ..options(&places.at("again")) });
    let storage = storage.expect("the folder opens");
    book_all(&storage, 20..30);
    storage.fold(NOW).expect("it folds");
}

/// Every step of a restore is the last one once, as if the process had been killed there. The folder then opens, with
/// what was there before or with what the backup has, and with nothing in between.
/// Seen to fail when the old journal was moved away before the new one was in its place, and when a start removed the
/// folder that has the old one.
#[test]
fn a_crash_at_any_step_of_a_restore_leaves_the_old_or_the_new() {
    let source = Places::new();
    let storage = open(&source.at("data"));
    book_all(&storage, 0..6);
    storage.pictures().expect("made").put(&picture(1), b"a picture").expect("stored");
    written(&source.at("data"), &source.at("backup"));
    book_all(&storage, 6..9);
    storage.pictures().expect("made").put(&picture(2), b"another").expect("stored");
    drop(storage);
    let (mut old, mut new, mut step) = (0, 0, 0);
    loop {
        step += 1;
        let places = Places::new();
        copy(&source.at("data"), &places.at("data"));
        let files = Arc::new(FaultyFiles::new(step, Fault::Forever, Scope::Everything));
        let restore = Restore {
            occupied: Occupied::SetAside,
            files: files.clone(),
            ..restore(&source.at("backup"), &places.at("data"))
        };
        let done = restore.run();
        {
            let storage = open(&places.at("data"));
            let is_new = get(&storage, &slot(8)).is_none();
            (0..6).for_each(|number| assert_booked(&storage, number));
            (6..9).for_each(|number| match is_new {
                true => assert_not_booked(&storage, number),
                false => assert_booked(&storage, number),
            });
            let pictures = storage.pictures().expect("it is there");
            assert_eq!(pictures.read(&picture(1)).expect("readable"), Some(b"a picture".to_vec()));
            if is_new {
                new += 1;
                let aside = places.at(&format!("data/replaced-{}", NOW.as_millis()));
                assert_booked(&open(&aside), 8);
            } else {
                old += 1;
                assert_eq!(pictures.read(&picture(2)).expect("readable"), Some(b"another".to_vec()));
            }
            assert!(!places.at("data/restore.tmp").exists(), "leftovers are removed");
        }
        if !files.has_failed() {
            done.expect("nothing failed");
            break;
        }
        // And once more, to its end.
        let later = Timestamp::from_millis(NOW.as_millis() + 1);
        let again = Restore { files: Arc::new(DiskFiles), now: later, ..restore };
        again.run().expect("it is restored");
        assert_not_booked(&open(&places.at("data")), 6);
    }
    assert!(old >= 10 && new >= 3, "{old} old, {new} new");
}

/// The same into a folder that has nothing.
#[test]
fn a_crash_at_any_step_of_a_first_restore_leaves_nothing_or_all() {
    let source = Places::new();
    book_all(&open(&source.at("data")), 0..6);
    written(&source.at("data"), &source.at("backup"));
    let mut step = 0;
    loop {
        step += 1;
        let places = Places::new();
        let files = Arc::new(FaultyFiles::new(step, Fault::Forever, Scope::Everything));
        let restore = Restore { files: files.clone(), ..restore(&source.at("backup"), &places.at("data")) };
        let done = restore.run();
        if !files.has_failed() {
            done.expect("nothing failed");
            (0..6).for_each(|number| assert_booked(&open(&places.at("data")), number));
            break;
        }
        let restore = Restore { files: Arc::new(DiskFiles), ..restore };
        if places.at("data/journal").exists() {
            assert!(matches!(restore.run(), Err(RestoreError::Occupied(_))));
        } else {
            restore.run().expect("it is restored");
        }
        (0..6).for_each(|number| assert_booked(&open(&places.at("data")), number));
    }
    assert!(step >= 10, "only {step} steps");
}

#[derive(Debug)]
struct NoRandom;

impl Random for NoRandom {
    fn fill(&self, _: &mut [u8]) -> Result<(), NoRandomness> {
        Err(NoRandomness)
    }
}

/// A restore makes no keys: whoever has none would get data that nothing opens.
#[test]
fn a_restore_takes_no_randomness() {
    let places = Places::new();
    let storage = open(&places.at("data"));
    let random: Arc<dyn Random> = Arc::new(OsRandom::default());
    Vault::unlock(&storage, &places.at("data/keys"), random).expect("new keys are made");
    written(&places.at("data"), &places.at("backup"));
    drop(storage);
    let again = restore(&places.at("backup"), &places.at("data"));
    let again = Restore { occupied: Occupied::SetAside, random: Arc::new(NoRandom), ..again };
    again.run().expect("it is restored");
}
