//! Commits and reads, as the contract of the storage says.

mod support;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;

use domain::Period;
use storage::records::VisitRecord;
use storage::{
    Commit, CommitError, NotCommitted, Order, Scan, SpaceProbe, Storage, StorageOptions, Version, Writable,
    keys,
};
use support::gate::Gate;
use support::*;

/// Seen to fail when the committer answered before it had updated the resident tables, and when it
/// left the index out.
#[test]
fn whoever_was_answered_reads_the_write() {
    let folder = folder();
    let storage = open(folder.path());
    for number in 0..20 {
        assert_not_booked(&storage, number);
        let seq = storage.commit(book(number)).wait().expect("the slot is free");
        assert_eq!(seq.get(), number + 1);
        assert_booked(&storage, number);
        let version = storage.version(&slot(number)).expect("the index answers");
        assert_eq!(version.get(), seq.get());
    }
    storage.commit(unbook(3)).wait().expect("nothing is required");
    assert_not_booked(&storage, 3);
}

/// A storage whose next group can be put together by the test.
fn gated(path: &std::path::Path) -> (Storage, Gate) {
    let gate = Gate::default();
    let files = std::sync::Arc::new(gate.clone());
    let storage = Storage::open(StorageOptions { files, ..options(path) }).expect("the folder opens");
    (storage, gate)
}

/// Seen to fail when preconditions were compared with the index but not with the group, and when two
/// commits of one group got the same number.
#[test]
fn commits_of_one_group_see_each_other() {
    let folder = folder();
    let (storage, gate) = gated(folder.path());
    let shut = gate.shut();
    let first = storage.commit(book(1));
    gate.wait_until_held();
    let tickets: Vec<_> = (0..64).map(|_| storage.commit(book(2))).collect();
    let third = storage.commit(unbook(2));
    let fourth = storage.commit(book(2));
    drop(shut);
    let answers: Vec<_> = tickets.into_iter().map(|ticket| ticket.wait()).collect();
    let refused = CommitError::Conflict { key: *slot(2).raw() };
    assert_eq!(first.wait().map(|seq| seq.get()), Ok(1));
    assert_eq!(answers[0].map(|seq| seq.get()), Ok(2), "the first one wins");
    assert!(answers[1..].iter().all(|answer| *answer == Err(refused)));
    assert_eq!(third.wait().map(|seq| seq.get()), Ok(3));
    assert_eq!(fourth.wait().map(|seq| seq.get()), Ok(4), "the slot is free again");
    assert_eq!(storage.status().groups, 2);
    assert_booked(&storage, 2);
}

/// Neither a success nor a refusal that rests on it leaves before the success is on disk.
///
/// Seen to fail when refusals were answered while the group was still being put together.
#[test]
fn nothing_is_answered_before_the_sync() {
    let folder = folder();
    let (storage, gate) = gated(folder.path());
    let shut = gate.shut();
    let first = storage.commit(book(1));
    gate.wait_until_held();
    let (mut winner, mut loser) = (storage.commit(book(2)), storage.commit(book(2)));
    let mut context = Context::from_waker(Waker::noop());
    let mut first = pin!(first);
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert_not_booked(&storage, 1);
    gate.let_one_through();
    while first.as_mut().poll(&mut context).is_pending() {
        thread::yield_now();
    }
    gate.wait_until_held();
    assert!(pin!(&mut winner).poll(&mut context).is_pending());
    assert!(pin!(&mut loser).poll(&mut context).is_pending());
    assert_not_booked(&storage, 2);
    drop(shut);
    assert!(winner.wait().is_ok());
    assert!(matches!(loser.wait(), Err(CommitError::Conflict { .. })));
}

/// Seen to fail when the last failed precondition was named.
#[test]
fn a_conflict_names_the_first_failed_precondition() {
    let folder = folder();
    let storage = open(folder.path());
    storage.commit(book(1)).wait().expect("the slot is free");
    let mut commit = Commit::new();
    commit.require_absent(&slot(9)).require_absent(&visit(1)).require_absent(&slot(1));
    commit.put(&slot(9), &slot_record(9));
    let refused = storage.commit(commit).wait();
    assert_eq!(refused, Err(CommitError::Conflict { key: *visit(1).raw() }));
    assert_eq!(get(&storage, &slot(9)), None, "nothing of a refused commit is written");
}

/// Seen to fail when a version was only compared with "absent".
#[test]
fn a_version_guards_a_counter() {
    let folder = folder();
    let storage = open(folder.path());
    let bump = |version: Version| {
        let mut commit = Commit::new();
        commit.require_version(&active(1), version).put(&active(1), &active_record(1));
        storage.commit(commit).wait()
    };
    let first = bump(Version::ABSENT).expect("there is none");
    let version = storage.version(&active(1)).expect("the index answers");
    assert_eq!(version.get(), first.get());
    bump(version).expect("the version is the one read");
    assert!(matches!(bump(version), Err(CommitError::Conflict { .. })), "a lost update");
}

/// Seen to fail when the preconditions were not compared at all.
#[test]
fn many_threads_get_distinct_numbers_and_one_slot_each() {
    let folder = folder();
    let storage = open(folder.path());
    let won: Vec<u64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let storage = &storage;
                scope.spawn(move || {
                    let wins = (0..100).filter(|number| storage.commit(book(*number)).wait().is_ok());
                    wins.collect::<Vec<u64>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(won.len(), 100);
    assert_eq!(BTreeSet::from_iter(won).len(), 100);
    assert_eq!(storage.status().commits, 100);
    assert_eq!(storage.status().seq.get(), 100);
}

/// Seen to fail when the end of a prefix was inclusive, and when the limit was one too high.
#[test]
fn scans_keep_to_range_order_and_limit() {
    let folder = folder();
    let storage = open(folder.path());
    for number in 0..120 {
        storage.commit(book(number)).wait().expect("the slot is free");
    }
    let range = keys::slots_of(tenant(), schedule_id(60));
    assert_eq!(all(&storage, &range).len(), 50);
    let scan = |limit, order| {
        let keys = storage.scan_keys(&range, Scan { limit, order }).expect("the index answers");
        keys.iter().map(|key| keys::slot_parts(key).expect("a slot").1.get()).collect::<Vec<_>>()
    };
    assert_eq!(scan(3, Order::Ascending), [1, 2, 3]);
    assert_eq!(scan(3, Order::Descending), [50, 49, 48]);
    assert_eq!(scan(0, Order::Ascending), [0_u16; 0]);
    // The same from memory: the visits of one patient, and of no other.
    let mine = keys::visits_of(tenant(), patient_id(7));
    let other: VisitRecord = visit_record(777);
    let mut commit = Commit::new();
    commit.put(&keys::visit(tenant(), patient_id(7), date(), Period::Pm), &other);
    storage.commit(commit).wait().expect("nothing is required");
    assert_eq!(all(&storage, &mine), [visit_record(7), other]);
}

/// Seen to fail when the digest of a table counted a key twice that one commit wrote twice.
#[test]
fn a_commit_may_write_a_key_twice() {
    let folder = folder();
    let storage = open(folder.path());
    let mut commit = Commit::new();
    commit.put(&slot(1), &slot_record(5)).delete(&slot(1)).put(&slot(1), &slot_record(6));
    storage.commit(commit).wait().expect("nothing is required");
    storage.close().expect("it closes");
    drop(storage);
    let storage = open(folder.path());
    assert_eq!(get(&storage, &slot(1)), Some(slot_record(6)));
    assert_eq!(storage.status().live_records, 1);
}

/// Seen to fail when `close` dropped what was waiting.
#[test]
fn close_answers_what_waits_and_refuses_what_comes() {
    let folder = folder();
    let storage = open(folder.path());
    let tickets: Vec<_> = (0..200).map(|number| storage.commit(book(number))).collect();
    storage.close().expect("it closes");
    assert_eq!(storage.status().writable, Writable::Closed);
    assert!(tickets.into_iter().all(|ticket| ticket.wait().is_ok()));
    let refused = storage.commit(book(300)).wait();
    assert_eq!(refused, Err(CommitError::NotCommitted(NotCommitted::ShuttingDown)));
    drop(storage);
    let storage = open(folder.path());
    (0..200).for_each(|number| assert_booked(&storage, number));
    assert_not_booked(&storage, 300);
}

/// Awaiting a ticket gives the same answer as blocking on it. Seen to fail when a dropped ticket
/// took its commit along.
#[test]
fn a_ticket_can_be_awaited_or_dropped() {
    let folder = folder();
    let storage = open(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
    drop(storage.commit(book(1)));
    let answer = runtime.block_on(storage.commit(book(2)));
    assert_eq!(answer.map(|seq| seq.get()), Ok(2));
    assert_booked(&storage, 1);
}

/// Seen to fail when an oversized commit was written and then taken for damage at the next start.
#[test]
fn an_oversized_commit_is_refused_before_it_is_written() {
    let folder = folder();
    let storage = open(folder.path());
    let key = keys::idem(tenant(), user_id(1), "submit", "k");
    let reply = vec![7; 17 * 1024 * 1024];
    let record = storage::records::IdemRecord { content_hash: [0; 32], reply, expires_at: NOW };
    let mut commit = Commit::new();
    commit.put(&key, &record);
    let refused = storage.commit(commit).wait();
    assert_eq!(refused, Err(CommitError::NotCommitted(NotCommitted::TooLarge)));
    storage.commit(book(1)).wait().expect("the storage goes on");
}

#[derive(Debug)]
struct Room(std::sync::atomic::AtomicU64);

impl SpaceProbe for Room {
    fn free_bytes(&self) -> std::io::Result<u64> {
        Ok(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

/// Seen to fail when the limit was looked at once, at start.
#[test]
fn without_room_writes_are_refused_until_there_is_room_again() {
    let folder = folder();
    let room = std::sync::Arc::new(Room(2_000.into()));
    let mut options = options(folder.path());
    options.min_free_bytes = 1_000;
    options.space = room.clone();
    let storage = Storage::open(options).expect("the folder opens");
    storage.commit(book(1)).wait().expect("there is room");
    room.0.store(999, std::sync::atomic::Ordering::SeqCst);
    let refused = storage.commit(book(2)).wait();
    assert_eq!(refused, Err(CommitError::NotCommitted(NotCommitted::NoSpace)));
    assert_eq!(storage.status().writable, Writable::NoSpace);
    assert_booked(&storage, 1);
    room.0.store(1_000, std::sync::atomic::Ordering::SeqCst);
    storage.commit(book(2)).wait().expect("there is room again");
    assert_eq!(storage.status().writable, Writable::Yes);
}
