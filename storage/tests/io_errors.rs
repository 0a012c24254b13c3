//! T3: the disk fails, once or for good, at every write, sync, new file and new name there is.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use storage::{CommitError, CommitTicket, NotCommitted, Storage, StorageOptions, Writable};
use support::faulty::{Fault, FaultyFiles, Scope};
use support::*;

/// Bookings that are asked for in each run.
const ASKED: u64 = 60;
/// Bookings that are asked for at once, so that they share a sync.
const AT_ONCE: u64 = 6;

/// What one run with one failing call left behind.
struct Run {
    acknowledged: Vec<u64>,
    /// Certainly not written.
    refused: Vec<u64>,
    /// The storage said that it had failed: when it was opened, while it ran, or when it closed.
    noticed: bool,
    failed: bool,
    fatal: u64,
}

/// Books with small segments, so that rolling is among the calls that fail.
fn run(path: &std::path::Path, files: &Arc<FaultyFiles>) -> Run {
    let fatal = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&fatal);
    let mut options = StorageOptions { files: files.clone(), ..options(path) };
    options.segment_bytes = 4_000;
    options.on_fatal = Arc::new(move |_| {
        told.fetch_add(1, Ordering::SeqCst);
    });
    let mut run =
        Run { acknowledged: Vec::new(), refused: Vec::new(), noticed: true, failed: false, fatal: 0 };
    // A folder that cannot even be opened acknowledges nothing.
    let Ok(storage) = Storage::open(options) else {
        return run;
    };
    for from in (0..ASKED).step_by(AT_ONCE as usize) {
        let numbers = from..from + AT_ONCE;
        let tickets: Vec<(u64, CommitTicket)> =
            numbers.map(|number| (number, storage.commit(book(number)))).collect();
        for (number, ticket) in tickets {
            match ticket.wait() {
                Ok(_) => {
                    assert!(!run.failed, "{number} was acknowledged after a failure");
                    run.acknowledged.push(number);
                }
                Err(CommitError::MaybeCommitted) => run.failed = true,
                Err(CommitError::NotCommitted(NotCommitted::Failed)) => {
                    run.failed = true;
                    run.refused.push(number);
                }
                Err(error) => panic!("{number}: {error}"),
            }
        }
    }
    run.failed |= storage.status().writable == Writable::Failed;
    if run.failed {
        let refused = storage.commit(book(ASKED)).wait();
        assert_eq!(refused, Err(CommitError::NotCommitted(NotCommitted::Failed)));
        // Reads go on until the process ends.
        run.acknowledged.iter().for_each(|number| assert_booked(&storage, *number));
    }
    run.noticed = storage.close().is_err();
    assert!(files.has_failed() || !run.noticed);
    run.fatal = fatal.load(Ordering::SeqCst);
    run
}

/// No success after a failed call, no second try, one report of the end, and after a restart all
/// that was acknowledged and nothing that was refused.
///
/// Seen to fail when the committer tried a failed sync again, when it went on with the next group,
/// and when it answered before the sync.
#[test]
fn one_failed_call_stops_the_storage_and_loses_nothing() {
    fail_each_call(Fault::Once);
}

/// The disk is gone from one call on. Seen to fail as the one above does.
#[test]
fn a_disk_that_fails_for_good_stops_the_storage_and_loses_nothing() {
    fail_each_call(Fault::Forever);
}

/// Fails each call in its turn, until a run has fewer calls than that.
fn fail_each_call(fault: Fault) {
    let mut call = 0;
    let mut acknowledged = 0;
    let mut failures = 0;
    loop {
        call += 1;
        let folder = folder();
        let files = Arc::new(FaultyFiles::new(call, fault, Scope::Everything));
        let run = run(folder.path(), &files);
        acknowledged += run.acknowledged.len();
        if files.has_failed() {
            assert!(run.noticed, "call {call} failed unnoticed");
            assert_eq!(files.calls_after_failure(), 0, "call {call} was followed by another");
        }
        if run.failed {
            failures += 1;
            assert_eq!(run.fatal, 1, "call {call}");
        }
        let storage = open(folder.path());
        run.acknowledged.iter().for_each(|number| assert_booked(&storage, *number));
        run.refused.iter().for_each(|number| assert_not_booked(&storage, *number));
        if !files.has_failed() {
            assert_eq!(run.acknowledged.len() as u64, ASKED);
            break;
        }
    }
    println!("{fault:?}: {call} runs, {failures} failed, {acknowledged} bookings acknowledged");
    assert!(failures >= 50, "only {failures} calls failed");
    assert!(acknowledged >= 1_000, "only {acknowledged} bookings were acknowledged");
}
