use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use domain::{TenantId, Timestamp};
use tempfile::TempDir;

use super::{Sequence, SequenceError, Sequences, TAKE_TRIES};
use crate::commit::Commit;
use crate::keys;
use crate::options::StorageOptions;
use crate::records::SequenceRecord;
use crate::storage::Storage;

fn tenant(id: u64) -> TenantId {
    TenantId::new(id).unwrap()
}

fn open(folder: &TempDir) -> Storage {
    Storage::open(StorageOptions::new(folder.path(), Timestamp::ZERO)).unwrap()
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Whatever a crash or a clean stop leaves of a block, the next start goes on behind it.
/// Planted: the committed `next` being the start of the block instead of its end.
#[test]
fn no_number_comes_twice_across_restarts() {
    let folder = TempDir::new().unwrap();
    let mut given = BTreeSet::new();
    let mut count = 0;
    for start in 0..5 {
        let storage = open(&folder);
        let sequences = Sequences::new();
        run(async {
            for sequence in [Sequence::Booking, Sequence::Patient] {
                for _ in 0..=(start * 15) {
                    let number = sequences.next(&storage, tenant(1), sequence).await.unwrap();
                    count += 1;
                    assert!(given.insert((sequence.tag(), number)), "{sequence:?} {number} twice");
                    assert!(number >= sequence.first());
                    let largest = given.range(..(sequence.tag() + 1, 0)).next_back();
                    assert_eq!(largest, Some(&(sequence.tag(), number)), "not ascending");
                }
            }
        });
        storage.close().unwrap();
    }
    assert_eq!(given.len(), count);
    assert!(count >= 300);
}

/// Planted: `Refill::Underway` never being answered, so that every caller reserves for itself.
#[test]
fn concurrent_callers_share_blocks_and_get_distinct_numbers() {
    let folder = TempDir::new().unwrap();
    let storage = open(&folder);
    let sequences = std::sync::Arc::new(Sequences::new());
    let numbers = run(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let (storage, sequences) = (storage.clone(), std::sync::Arc::clone(&sequences));
            tasks.spawn(async move {
                let mut numbers = Vec::new();
                for _ in 0..3 {
                    numbers.push(sequences.next(&storage, tenant(1), Sequence::Patient).await.unwrap());
                }
                numbers
            });
        }
        tasks.join_all().await
    });
    let distinct: BTreeSet<u64> = numbers.iter().flatten().copied().collect();
    assert_eq!(distinct.len(), 600);
    assert_eq!((distinct.first(), distinct.last()), (Some(&1), Some(&600)), "no gap within one run");
}

/// Two processes would be two `Sequences` over one storage; the version of the record keeps them
/// apart. Planted: the block being committed without requiring the version.
#[test]
fn two_reservers_never_get_the_same_block() {
    let folder = TempDir::new().unwrap();
    let storage = open(&folder);
    let (one, two) = (Sequences::new(), Sequences::new());
    let mut given = BTreeSet::new();
    run(async {
        for _ in 0..50 {
            let first = one.next(&storage, tenant(1), Sequence::Patient);
            let second = two.next(&storage, tenant(1), Sequence::Patient);
            let (first, second) = tokio::join!(first, second);
            assert!(given.insert(first.unwrap()));
            assert!(given.insert(second.unwrap()));
        }
    });
    assert_eq!(given.len(), 100);
}

/// A request that is given up while it reserves must not leave the others waiting.
/// Planted: a dropped turn not ending the refill, which left this test waiting for ever.
#[test]
fn a_caller_that_gives_up_leaves_its_turn() {
    let folder = TempDir::new().unwrap();
    let storage = open(&folder);
    let sequences = Sequences::new();
    {
        let mut given_up = pin!(sequences.ensure(&storage, tenant(1), Sequence::Patient));
        let mut context = Context::from_waker(Waker::noop());
        // Whether or not the answer is there already: what counts is what comes after.
        let _: Poll<Result<(), SequenceError>> = given_up.as_mut().poll(&mut context);
    }
    let number = run(sequences.next(&storage, tenant(1), Sequence::Patient)).unwrap();
    assert!([1, 21].contains(&number), "{number}");
}

#[test]
fn take_needs_a_block_and_uses_it_up() {
    let folder = TempDir::new().unwrap();
    let storage = open(&folder);
    let sequences = Sequences::new();
    assert_eq!(sequences.take(tenant(1), Sequence::Patient), None);
    run(sequences.ensure(&storage, tenant(1), Sequence::Patient)).unwrap();
    for expected in 1..=20 {
        assert_eq!(sequences.take(tenant(1), Sequence::Patient), Some(expected));
    }
    assert_eq!(sequences.take(tenant(1), Sequence::Patient), None);
}

#[test]
fn ensure_refills_below_the_low_water_only() {
    let folder = TempDir::new().unwrap();
    let storage = open(&folder);
    let sequences = Sequences::new();
    let key = keys::sequence(tenant(1), Sequence::Patient);
    let reserved = || storage.get(&key).unwrap().unwrap().record.next;
    run(async {
        sequences.ensure(&storage, tenant(1), Sequence::Patient).await.unwrap();
        assert_eq!(reserved(), 21);
        for _ in 0..15 {
            assert!(sequences.take(tenant(1), Sequence::Patient).is_some());
        }
        sequences.ensure(&storage, tenant(1), Sequence::Patient).await.unwrap();
        assert_eq!(reserved(), 21, "five are enough");
        assert_eq!(sequences.take(tenant(1), Sequence::Patient), Some(16));
        sequences.ensure(&storage, tenant(1), Sequence::Patient).await.unwrap();
        assert_eq!(reserved(), 41);
        assert_eq!(sequences.take(tenant(1), Sequence::Patient), Some(17), "the old block first");
    });
}

#[test]
fn tenants_and_sequences_number_for_themselves() {
    let folder = TempDir::new().unwrap();
    let storage = open(&folder);
    let sequences = Sequences::new();
    run(async {
        for id in [1, 2] {
            for sequence in Sequence::ALL {
                let number = sequences.next(&storage, tenant(id), sequence).await.unwrap();
                assert_eq!(number, sequence.first(), "{sequence:?}");
            }
        }
    });
}

#[test]
fn the_last_block_is_used_up_before_the_sequence_ends() {
    let folder = TempDir::new().unwrap();
    let storage = open(&folder);
    let last = Sequence::BookingCode.last();
    assert_eq!(last, 99_999_999, "eight digits");
    let key = keys::sequence(tenant(1), Sequence::BookingCode);
    let mut commit = Commit::new();
    commit.put(&key, &SequenceRecord { next: last - 1 });
    storage.commit(commit).wait().unwrap();
    let sequences = Sequences::new();
    run(async {
        for expected in [last - 1, last] {
            let number = sequences.next(&storage, tenant(1), Sequence::BookingCode).await;
            assert_eq!(number.unwrap(), expected);
        }
        for _ in 0..2 {
            let number = sequences.next(&storage, tenant(1), Sequence::BookingCode).await;
            assert!(matches!(number, Err(SequenceError::Exhausted(Sequence::BookingCode))));
        }
    });
}

/// An import that wrote a smaller number cannot bring ids below 10^9 back.
#[test]
fn numbers_never_start_below_the_first() {
    assert_eq!(Sequence::Booking.block_at(0), Some(1_000_000_000..1_000_001_000));
    assert_eq!(Sequence::Booking.block_at(1_000_000_500), Some(1_000_000_500..1_000_001_500));
    assert_eq!(Sequence::Booking.block_at(u64::MAX), None);
    for sequence in Sequence::ALL {
        assert!(sequence.block_at(sequence.last() + 1).is_none());
        assert!(sequence.low_water() >= 1);
        // So many callers can wait for one block and still all be served.
        assert!(sequence.block() * (TAKE_TRIES as u64) >= 2_000);
    }
    let tags: BTreeSet<u8> = Sequence::ALL.map(Sequence::tag).into();
    assert_eq!(tags.len(), Sequence::ALL.len());
}
