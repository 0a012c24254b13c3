//! What the tests of the engine have in common: a folder on the real disk, bookings as the server
//! writes them, and a record, kept outside the store, of what was acknowledged.
#![allow(dead_code, reason = "each test file is a program of its own and uses a part of this")]

pub(crate) mod booking;
pub(crate) mod faulty;
pub(crate) mod gate;
pub(crate) mod ordered;

use std::path::{Path, PathBuf};

use domain::{
    Booking, BookingCode, BookingId, Charge, ClinicKind, Date, DepartmentId, DoctorId, Fen, MemberId, Owner,
    PatientId, Period, ScheduleId, SerialNo, Status, TenantId, Timestamp, UserId,
};
use storage::records::{ActiveEntry, ActiveRecord, BookingOwner, BookingRecord};
use storage::records::{SlotRecord, VisitRecord};
use storage::{Commit, Key, KeyRange, OpenError, Order, Record, Scan, Storage, StorageOptions, Stored, keys};
use tempfile::TempDir;

/// The moment at which the tests begin.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// An empty folder on the disk of the target folder, which is no tmpfs.
pub(crate) fn folder() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder is writable")
}

/// Small limits, so that a test reaches them.
pub(crate) fn options(path: &Path) -> StorageOptions {
    StorageOptions {
        cache_bytes: 8 * 1024 * 1024,
        min_free_bytes: 0,
        segment_bytes: 64 * 1024 * 1024,
        fold_min_bytes: 0,
        ..StorageOptions::new(path, NOW)
    }
}

pub(crate) fn open(path: &Path) -> Storage {
    Storage::open(options(path)).expect("the folder opens")
}

/// Opens a folder whose last process's threads may not have let go of it yet.
pub(crate) fn try_open(path: &Path) -> Result<Storage, OpenError> {
    Storage::open(options(path))
}

pub(crate) fn tenant() -> TenantId {
    TenantId::new(1).expect("1 is an id")
}

pub(crate) fn booking_id(number: u64) -> BookingId {
    BookingId::new(1_000_000_000 + number).expect("it is an id")
}

pub(crate) fn user_id(number: u64) -> UserId {
    UserId::new(2_000_000_000 + number).expect("it is an id")
}

pub(crate) fn patient_id(number: u64) -> PatientId {
    PatientId::new(1 + number).expect("it is an id")
}

pub(crate) fn schedule_id(number: u64) -> ScheduleId {
    ScheduleId::new(1 + number / 50).expect("it is an id")
}

pub(crate) fn serial(number: u64) -> SerialNo {
    SerialNo::new((number % 50 + 1) as u16).expect("it is a serial number")
}

pub(crate) fn date() -> Date {
    Date::parse("2026-12-01").expect("it is a date")
}

pub(crate) fn slot(number: u64) -> Key<SlotRecord> {
    keys::slot(tenant(), schedule_id(number), serial(number))
}

pub(crate) fn visit(number: u64) -> Key<VisitRecord> {
    keys::visit(tenant(), patient_id(number), date(), Period::Am)
}

pub(crate) fn active(number: u64) -> Key<ActiveRecord> {
    keys::active(tenant(), user_id(number))
}

pub(crate) fn booking(number: u64) -> Key<BookingRecord> {
    keys::booking(tenant(), BookingOwner::Account(user_id(number)), booking_id(number))
}

pub(crate) fn slot_record(number: u64) -> SlotRecord {
    SlotRecord { owner: BookingOwner::Account(user_id(number)), booking: booking_id(number) }
}

pub(crate) fn visit_record(number: u64) -> VisitRecord {
    VisitRecord { booking: booking_id(number) }
}

pub(crate) fn active_record(number: u64) -> ActiveRecord {
    let entry = ActiveEntry {
        booking: booking_id(number),
        schedule: schedule_id(number),
        serial: serial(number),
        date: date(),
    };
    ActiveRecord { entries: vec![entry] }
}

pub(crate) fn booking_record(number: u64) -> BookingRecord {
    BookingRecord(Booking {
        id: booking_id(number),
        code: BookingCode::new(1 + number as u32).expect("it is a code"),
        schedule: schedule_id(number),
        serial: serial(number),
        owner: Owner::Account {
            user: user_id(number),
            member: MemberId::new(3_000_000_000 + number).expect("it is an id"),
        },
        patient: patient_id(number),
        date: date(),
        period: Period::Am,
        starts_at: NOW,
        department: DepartmentId::new(101).expect("it is an id"),
        doctor: DoctorId::new(2001).ok(),
        kind: ClinicKind::Ordinary,
        fee: Fen::new(5000).expect("it is an amount"),
        booked_at: NOW,
        status: Status::Booked,
        charge: Charge::Unpaid,
        checked_in_at: None,
    })
}

/// The commit of one booking, as the server makes it: four records, each guarded.
pub(crate) fn book(number: u64) -> Commit {
    let mut commit = Commit::new();
    commit
        .require_absent(&slot(number))
        .require_absent(&visit(number))
        .require_absent(&active(number))
        .put(&slot(number), &slot_record(number))
        .put(&visit(number), &visit_record(number))
        .put(&booking(number), &booking_record(number))
        .put(&active(number), &active_record(number));
    commit
}

/// Makes these bookings, one after the other.
pub(crate) fn book_all(storage: &Storage, numbers: std::ops::Range<u64>) {
    for number in numbers {
        storage.commit(book(number)).wait().expect("the slot is free");
    }
}

/// The commit that frees the slot of a booking again.
pub(crate) fn unbook(number: u64) -> Commit {
    let mut commit = Commit::new();
    commit.delete(&slot(number)).delete(&visit(number)).delete(&active(number)).delete(&booking(number));
    commit
}

/// Asserts that every record of a booking is there, as it was written.
pub(crate) fn assert_booked(storage: &Storage, number: u64) {
    assert_eq!(get(storage, &slot(number)), Some(slot_record(number)), "slot {number}");
    assert_eq!(get(storage, &visit(number)), Some(visit_record(number)), "visit {number}");
    assert_eq!(get(storage, &booking(number)), Some(booking_record(number)), "booking {number}");
    assert_eq!(get(storage, &active(number)), Some(active_record(number)), "active {number}");
}

/// Asserts that none of the records of a booking is there.
pub(crate) fn assert_not_booked(storage: &Storage, number: u64) {
    assert_eq!(get(storage, &slot(number)), None, "slot {number}");
    assert_eq!(get(storage, &visit(number)), None, "visit {number}");
    assert_eq!(get(storage, &booking(number)), None, "booking {number}");
    assert_eq!(get(storage, &active(number)), None, "active {number}");
}

pub(crate) fn get<R: Record>(storage: &Storage, key: &Key<R>) -> Option<R> {
    storage.get(key).expect("the index answers").map(|Stored { record, .. }| record)
}

/// All records of a range, in order.
pub(crate) fn all<R: Record>(storage: &Storage, range: &KeyRange<R>) -> Vec<R> {
    let scan = Scan { limit: usize::MAX, order: Order::Ascending };
    let found = storage.scan(range, scan).expect("the index answers");
    found.into_iter().map(|(_, stored)| stored.record).collect()
}

/// The journal files with this ending, oldest first.
pub(crate) fn journal_files(path: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path.join("journal")).expect("the journal is there");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("the journal is readable").path())
        .filter(|file| file.to_string_lossy().ends_with(ending))
        .collect();
    files.sort();
    files
}

/// Copies a data folder as a kill at this moment would leave it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the copy can be made");
    for entry in std::fs::read_dir(from).expect("the folder is there") {
        let entry = entry.expect("the folder is readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("the type is known").is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "LOCK" {
            std::fs::copy(entry.path(), target).expect("the file can be copied");
        }
    }
}
