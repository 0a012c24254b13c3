//! Which rows are found, and that looking for them has its limit.

use storage::{Commit, StorageOptions};

use super::*;

const DAY: i64 = 86_400_000;

fn tenant(id: u64) -> TenantId {
    TenantId::new(id).expect("an id")
}

fn staff(id: u64) -> StaffId {
    StaffId::new(id).expect("an id")
}

fn on_day(day: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + day * DAY)
}

/// A trail with a row a day for each of these days, numbered from 1 with a gap after every fifth, as restarts leave.
fn trail(days: &[i64]) -> (tempfile::TempDir, Storage) {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = Storage::open(StorageOptions::new(folder.path(), Timestamp::ZERO)).expect("a new store");
    for (n, day) in (0_u64..).zip(days) {
        let record = AuditRecord {
            at: on_day(*day),
            staff: staff(1 + n % 2),
            action: if n % 3 == 0 { Action::PatientRead } else { Action::BookingCancelled },
            object: Some(n % 4),
        };
        let mut commit = Commit::new();
        commit.put(&keys::audit(tenant(1), number_of(n)), &record);
        storage.commit(commit).wait().expect("stored");
    }
    let mut commit = Commit::new();
    let foreign = AuditRecord { at: on_day(0), staff: staff(1), action: Action::Login, object: None };
    commit.put(&keys::audit(tenant(2), 3), &foreign);
    storage.commit(commit).wait().expect("stored");
    (folder, storage)
}

fn number_of(n: u64) -> u64 {
    1 + n + n / 5 * 1_000
}

fn first(limit: usize) -> Shown {
    Shown { offset: 0, limit, most: MOST }
}

/// The places in the trail of what is found, newest first.
fn found(storage: &Storage, wanted: &Wanted) -> Vec<u64> {
    let found = search(storage, tenant(1), wanted, first(usize::MAX)).expect("readable");
    assert_eq!(found.total, found.rows.len() as u64);
    assert!(!found.has_older);
    let places = found.rows.iter().map(|(number, _)| number % 1_000 - 1);
    places.collect()
}

/// Seen to fail when a page began at the oldest row.
#[test]
fn pages_are_cut_from_the_newest_row_back() {
    let (_folder, storage) = trail(&(0..12).collect::<Vec<_>>());
    assert_eq!(found(&storage, &Wanted::default()), (0..12).rev().collect::<Vec<_>>());
    let shown = Shown { offset: 5, limit: 3, most: MOST };
    let page = search(&storage, tenant(1), &Wanted::default(), shown).expect("readable");
    let numbers: Vec<_> = page.rows.iter().map(|(number, _)| *number).collect();
    assert_eq!((numbers, page.total), ([6, 5, 4].map(number_of).to_vec(), 12));
    let past = Shown { offset: 12, ..shown };
    let page = search(&storage, tenant(1), &Wanted::default(), past).expect("readable");
    assert_eq!((page.rows.len(), page.total, page.has_older), (0, 12, false));
    let nobody = search(&storage, tenant(3), &Wanted::default(), shown).expect("readable");
    assert_eq!((nobody.total, nobody.has_older), (0, false));
}

#[test]
fn every_filter_leaves_out_what_does_not_fit() {
    let (_folder, storage) = trail(&(0..12).collect::<Vec<_>>());
    let of = |wanted: Wanted| found(&storage, &wanted);
    assert_eq!(of(Wanted { staff: Some(staff(2)), ..Wanted::default() }), [11, 9, 7, 5, 3, 1]);
    assert_eq!(of(Wanted { action: Some(Action::PatientRead), ..Wanted::default() }), [9, 6, 3, 0]);
    let patient = || Wanted { kind: Some(ObjectKind::Patient), ..Wanted::default() };
    assert_eq!(of(patient()), [9, 6, 3, 0]);
    assert_eq!(of(Wanted { object: Some(2), ..patient() }), [6]);
    assert_eq!(of(Wanted { up_to: Some(number_of(2)), ..Wanted::default() }), [2, 1, 0]);
    assert_eq!(of(Wanted { up_to: Some(0), ..Wanted::default() }), [0_u64; 0]);
}

/// Seen to fail when a day's end was looked for without the step back, and when its beginning was.
#[test]
fn dates_find_their_rows_although_the_clock_was_set_back() {
    // Nearly a day back between the fifth row and the sixth, and again further on.
    let hours = [0, 30, 60, 61, 80, 57, 70, 90, 120, 97, 130, 160];
    let folder = tempfile::tempdir().expect("a folder");
    let storage = Storage::open(StorageOptions::new(folder.path(), Timestamp::ZERO)).expect("a new store");
    let at = |hour: i64| Timestamp::from_millis(1_800_000_000_000 + hour * 3_600_000);
    for (n, hour) in (0_u64..).zip(hours) {
        let record = AuditRecord { at: at(hour), staff: staff(1), action: Action::Logout, object: None };
        let mut commit = Commit::new();
        commit.put(&keys::audit(tenant(1), number_of(n)), &record);
        storage.commit(commit).wait().expect("stored");
    }
    for from in (-10..180).step_by(3) {
        for until in (from..180).step_by(7) {
            let wanted = Wanted { from: Some(at(from)), until: Some(at(until)), ..Wanted::default() };
            let expected = (0_u64..).zip(hours).filter(|(_, hour)| (from..until).contains(hour));
            let mut expected: Vec<_> = expected.map(|(n, _)| n).collect();
            expected.reverse();
            assert_eq!(found(&storage, &wanted), expected, "{from}..{until}");
        }
    }
}

/// Seen to fail when the limit was not looked at.
#[test]
fn no_more_rows_are_looked_at_than_may_be() {
    let (_folder, storage) = trail(&(0..12).collect::<Vec<_>>());
    let few = |most| {
        let wanted = Wanted { staff: Some(staff(1)), ..Wanted::default() };
        let found = search(&storage, tenant(1), &wanted, Shown { most, ..first(99) }).expect("readable");
        (found.total, found.has_older)
    };
    assert_eq!(
        [few(1), few(2), few(11), few(12), few(13)],
        [(0, true), (1, true), (5, true), (6, false), (6, false)]
    );
    // Dates lead past what is not looked at.
    let wanted = Wanted { until: Some(on_day(2)), ..Wanted::default() };
    let found = search(&storage, tenant(1), &wanted, Shown { most: 4, ..first(99) }).expect("readable");
    assert_eq!((found.total, found.has_older), (2, false));
}
