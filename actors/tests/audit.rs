//! How long the audit trail is kept.

use std::time::Duration;

use actors::AuditRow;
use domain::{StaffId, TenantId, Timestamp};
use storage::records::{Action, AuditRecord};
use storage::{Commit, Scan, Sequences, Storage, StorageOptions, keys};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn tenant() -> TenantId {
    TenantId::new(1).expect("an id")
}

/// When the row was written.
fn written() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

fn after(days: u32) -> Timestamp {
    written().plus(DAY * days)
}

fn rows(storage: &Storage) -> usize {
    storage.scan_keys(&keys::audits(tenant()), Scan::ALL).expect("readable").len()
}

/// A sweep on a thread that may block.
async fn sweep(storage: &Storage, now: Timestamp) -> u64 {
    let storage = storage.clone();
    tokio::task::spawn_blocking(move || storage.sweep(now)).await.expect("no panic").expect("swept")
}

/// Six months have at most 184 days. Seen to fail when rows were kept for 180 days, and when they were kept for ever.
#[actix::test]
async fn a_row_is_kept_for_six_months_and_then_swept() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = |now| StorageOptions::new(folder.path(), now);
    let storage = Storage::open(options(written())).expect("a new store");
    let staff = StaffId::new(7).expect("an id");
    let record = AuditRecord { at: written(), staff, action: Action::Login, object: Some(7) };
    let row = AuditRow::prepare(&storage, &Sequences::new(), tenant(), record).await.expect("a number");
    assert_eq!(rows(&storage), 0, "it is written with what it tells of");
    let mut commit = Commit::new();
    row.put(&mut commit);
    storage.commit(commit).await.expect("stored");

    for days in [1, 180, 183] {
        assert_eq!(sweep(&storage, after(days)).await, 0, "after {days} days");
    }
    storage.close().expect("closed");
    drop(storage);

    // A restart in between changes nothing about it.
    let storage = Storage::open(options(after(183))).expect("the same store");
    assert_eq!((sweep(&storage, after(183)).await, rows(&storage)), (0, 1));
    assert_eq!((sweep(&storage, after(185)).await, rows(&storage)), (1, 0));
}
