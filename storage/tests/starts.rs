//! Starts: after a close, after a kill, with and without an index, and those that must be refused.

mod support;

use std::fs;

use domain::Timestamp;
use storage::{Commit, IndexReport, OpenError, Silent, Snapshot, Storage, Tail, verify};
use support::*;

/// Seen to fail when the newest segment was left out.
#[test]
fn a_kill_loses_nothing_that_was_acknowledged() {
    let folder = folder();
    let mut booked = 0;
    let mut path = folder.path().join("0");
    for cycle in 0..10 {
        let storage = open(&path);
        (0..booked).for_each(|number| assert_booked(&storage, number));
        book_all(&storage, booked..booked + 30);
        booked += 30;
        let killed = folder.path().join((cycle + 1).to_string());
        copy(&path, &killed);
        path = killed;
    }
    let storage = open(&path);
    assert_eq!(storage.status().live_records, 4 * booked);
    assert_eq!(storage.status().seq.get(), booked);
    (0..booked).for_each(|number| assert_booked(&storage, number));
}

/// Seen to fail when the next segment began with the number of the last commit.
#[test]
fn numbers_go_on_after_each_start_and_empty_starts_leave_no_files() {
    let folder = folder();
    for start in 0..5 {
        let storage = open(folder.path());
        let seq = storage.commit(book(start)).wait().expect("the slot is free");
        assert_eq!(seq.get(), start + 1);
        storage.close().expect("it closes");
    }
    let before = journal_files(folder.path(), ".seg").len();
    for _ in 0..5 {
        open(folder.path()).close().expect("it closes");
    }
    assert!(journal_files(folder.path(), ".seg").len() <= before + 1);
}

/// Seen to fail when a closed segment was left without its digests.
#[test]
fn many_segments_are_one_journal() {
    let folder = folder();
    let mut small = options(folder.path());
    small.segment_bytes = 2_000;
    let storage = Storage::open(small.clone()).expect("the folder opens");
    for number in 0..100 {
        storage.commit(book(number)).wait().expect("the slot is free");
    }
    storage.commit(unbook(50)).wait().expect("nothing is required");
    drop(storage);
    assert!(journal_files(folder.path(), ".seg").len() > 10);
    fs::remove_dir_all(folder.path().join("index")).expect("it is there");
    let storage = Storage::open(small).expect("the folder opens");
    (0..100).filter(|number| *number != 50).for_each(|number| assert_booked(&storage, number));
    assert_not_booked(&storage, 50);
}

/// Seen to fail when a lost index was taken for a new data folder.
#[test]
fn a_lost_or_foreign_index_is_made_anew() {
    let folder = folder();
    let storage = open(folder.path());
    book_all(&storage, 0..100);
    storage.close().expect("it closes");
    drop(storage);
    let index = folder.path().join("index");
    let without: [fn(&std::path::Path); 3] = [
        |index| fs::remove_dir_all(index).expect("it is there"),
        |index| fs::write(index.join("db"), vec![0xA5; 40_000]).expect("it can be written"),
        |index| fs::write(index.join("conf"), b"nonsense").expect("it can be written"),
    ];
    for damage in without {
        damage(&index);
        let storage = open(folder.path());
        (0..100).for_each(|number| assert_booked(&storage, number));
        storage.close().expect("it closes");
    }
}

/// Seen to fail when the index was trusted as long as sled could read it.
#[test]
fn an_index_that_differs_from_the_journal_is_made_anew() {
    let folder = folder();
    let storage = open(folder.path());
    book_all(&storage, 0..50);
    storage.close().expect("it closes");
    drop(storage);
    let index = folder.path().join("index");
    let changes: [fn(&sled::Db); 3] = [
        |db| drop(db.remove(slot(7).raw().as_bytes())),
        |db| drop(db.insert(slot(7).raw().as_bytes(), &[1; 30])),
        |db| drop(db.insert(b"something foreign", b"?")),
    ];
    for change in changes {
        let db = sled::open(&index).expect("sled opens its folder");
        change(&db);
        db.flush().expect("sled writes");
        drop(db);
        let report = verify(folder.path(), &Silent).expect("the journal is sound");
        assert!(matches!(report.index, IndexReport::Differs(_)), "{:?}", report.index);
        let storage = open(folder.path());
        (0..50).for_each(|number| assert_booked(&storage, number));
        assert_eq!(storage.status().live_records, 200);
        storage.close().expect("it closes");
    }
}

/// Seen to fail when the lock was taken after the index was opened.
#[test]
fn a_second_process_is_told_who_has_the_folder() {
    let folder = folder();
    let storage = open(folder.path());
    let Err(OpenError::InUse { path, process }) = try_open(folder.path()) else {
        panic!("the folder was opened twice");
    };
    assert_eq!(path, folder.path());
    assert_eq!(process, std::process::id().to_string());
    storage.commit(book(1)).wait().expect("the first one goes on");
    drop(storage);
    assert_booked(&open(folder.path()), 1);
}

/// Seen to fail when the format was compared after the checksum of a header that this program
/// cannot know.
#[test]
fn a_newer_folder_is_refused_in_words() {
    let folder = folder();
    open(folder.path()).close().expect("it closes");
    let segment = journal_files(folder.path(), ".seg").pop().expect("there is one");
    let mut bytes = b"PATIJRNL\x02\0\0\0".to_vec();
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes.extend(b"whatever a later version writes");
    fs::write(&segment, bytes).expect("it can be written");
    let refused = try_open(folder.path()).expect_err("it is newer");
    let text = refused.to_string();
    assert!(matches!(refused, OpenError::Newer(_)), "{text}");
    assert!(text.contains("format 2") && text.contains("use the version that wrote it"), "{text}");
}

/// Seen to fail when expired records were looked for in the index only.
#[test]
fn a_sweep_removes_what_has_expired_and_nothing_else() {
    let folder = folder();
    let storage = open(folder.path());
    let full_minute = Timestamp::from_millis(29_833_334 * 60_000);
    let at = |minutes| full_minute.plus(std::time::Duration::from_mins(minutes));
    let mut commit = Commit::new();
    for number in 0..250 {
        commit.put_expiring(&visit(number), &visit_record(number), at(10));
        commit.put_expiring(&slot(number), &slot_record(number), at(20));
    }
    storage.commit(commit).wait().expect("nothing is required");
    let mut commit = Commit::new();
    commit.put_expiring(&visit(0), &visit_record(0), at(60)).put(&visit(1), &visit_record(1));
    storage.commit(commit).wait().expect("nothing is required");
    assert_eq!(storage.sweep(at(9)), Ok(0));
    assert_eq!(storage.sweep(at(10)), Ok(248));
    assert_eq!(get(&storage, &visit(0)), Some(visit_record(0)), "it was prolonged");
    assert_eq!(get(&storage, &visit(1)), Some(visit_record(1)), "it stays for good now");
    assert_eq!(get(&storage, &visit(2)), None);
    storage.close().expect("it closes");
    drop(storage);
    let storage = open(folder.path());
    assert_eq!(storage.sweep(at(20)), Ok(250), "a restart knows what expires");
    assert_eq!(storage.sweep(at(1_000)), Ok(1));
    assert_eq!(storage.status().live_records, 1);
}

/// Seen to fail when `verify` wanted the lock of the writer.
#[test]
fn a_folder_is_verified_beside_its_server() {
    let folder = folder();
    let storage = open(folder.path());
    book_all(&storage, 0..100);
    storage.fold(NOW).expect("it folds");
    book_all(&storage, 100..150);
    let report = verify(folder.path(), &Silent).expect("the journal is sound");
    assert_eq!(report.seq.get(), 150);
    assert_eq!(report.tail, Tail::Open);
    assert_eq!(report.index, IndexReport::InUse);
    assert!(matches!(report.snapshot, Snapshot::UpTo(seq) if seq.get() == 100));
    assert_eq!(report.live.iter().map(|(_, count)| count).sum::<u64>(), 600);
    storage.close().expect("it closes");
    drop(storage);
    let report = verify(folder.path(), &Silent).expect("the journal is sound");
    assert_eq!(report.tail, Tail::Closed);
    assert!(matches!(report.index, IndexReport::Agrees(seq) if seq.get() == 150), "{report:?}");
}
