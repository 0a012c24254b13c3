//! Durable commits at 1, 8, 64 and 512 submitters, each commit like a booking, and the speed at
//! which a lost index is made anew.
//!
//! `cargo bench -p storage` measures; `cargo bench -p storage -- --test` only sees that it works.

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use storage::{Storage, StorageOptions};
use support::{book, folder, options};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bookings in the store whose index is made anew.
const REBUILT_BOOKINGS: u64 = 100_000;
/// The same under `--test`, where only the result counts.
const REBUILT_BOOKINGS_IN_TEST: u64 = 1_000;

/// As the server opens it.
fn open(path: &std::path::Path) -> Storage {
    let options = StorageOptions { cache_bytes: 64 * 1024 * 1024, ..options(path) };
    Storage::open(options).expect("the folder opens")
}

/// Makes `count` bookings from `submitters` tasks of one thread, each of which waits for its answer
/// before it goes on, as actors do.
fn submit(storage: &Storage, submitters: u64, count: u64, next: &Arc<AtomicU64>) -> Duration {
    let runtime = Builder::new_current_thread().build().expect("it starts");
    let tasks = LocalSet::new();
    let last = next.load(Ordering::Relaxed) + count;
    for _ in 0..submitters {
        let storage = storage.clone();
        let next = Arc::clone(next);
        tasks.spawn_local(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= last {
                    break;
                }
                storage.commit(book(number)).await.expect("the slot is free");
            }
        });
    }
    let start = Instant::now();
    runtime.block_on(tasks);
    let took = start.elapsed();
    // Each task has taken one number too many.
    next.store(last, Ordering::Relaxed);
    took
}

fn commits(criterion: &mut Criterion) {
    let folder = folder();
    let storage = open(folder.path());
    let next = Arc::new(AtomicU64::new(0));
    let mut group = criterion.benchmark_group("commit");
    group.throughput(Throughput::Elements(1));
    group.sample_size(20).measurement_time(Duration::from_secs(4));
    for submitters in [1, 8, 64, 512] {
        group.bench_function(format!("{submitters} submitters"), |bencher| {
            bencher.iter_custom(|count| submit(&storage, submitters, count, &next));
        });
    }
    group.finish();
    let status = storage.status();
    println!(
        "{} commits in {} groups, the largest of {}; {} live bytes, {} of journal",
        status.commits, status.groups, status.largest_group, status.live_bytes, status.journal_bytes
    );
}

/// Not a matter of repetition: one start each, printed.
fn rebuild(_: &mut Criterion) {
    let given = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    let in_test = given("--test") || !given("--bench");
    let bookings = if in_test { REBUILT_BOOKINGS_IN_TEST } else { REBUILT_BOOKINGS };
    let folder = folder();
    let storage = open(folder.path());
    submit(&storage, 512, bookings, &Arc::new(AtomicU64::new(0)));
    storage.close().expect("it closes");
    drop(storage);
    let reopened = time_open(folder.path(), bookings);
    std::fs::remove_dir_all(folder.path().join("index")).expect("it is there");
    let rebuilt = time_open(folder.path(), bookings);
    let keys = 4 * bookings;
    println!(
        "{bookings} bookings reopened in {reopened:.2?}, rebuilt in {rebuilt:.2?}: {:.0} keys/s",
        keys as f64 / rebuilt.as_secs_f64()
    );
}

fn time_open(path: &std::path::Path, bookings: u64) -> Duration {
    let start = Instant::now();
    let storage = open(path);
    let took = start.elapsed();
    assert_eq!(storage.status().live_records, 4 * bookings);
    storage.close().expect("it closes");
    took
}

criterion_group!(benches, commits, rebuild);
criterion_main!(benches);
