//! What a backup and a fold of 100,000 bookings cost, and what they cost the bookings beside them.
//!
//! The same number of bookings is made by 64 submitters with nothing beside them, beside backups, and beside folds, one round
//! after the other; what counts are the ratios within one run.
//! `cargo bench -p storage --bench backup` measures; with `-- --test` it only sees that it works.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use storage::{Backup, DiskFiles, DiskSpace, Silent, Storage, StorageOptions, check_backup};
use support::{NOW, book, folder, options};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SUBMITTERS: u64 = 64;

/// How much is stored, how much is booked in a round, and how many rounds there are of each kind.
struct Scale {
    stored: u64,
    round: u64,
    rounds: usize,
}

fn main() {
    let told = |what: &str| std::env::args().any(|argument| argument == what);
    // `cargo test` says nothing, `cargo bench` says `--bench`.
    let is_test = told("--test") || !told("--bench");
    let scale = if is_test {
        Scale { stored: 1_000, round: 500, rounds: 1 }
    } else {
        Scale { stored: 100_000, round: 30_000, rounds: 5 }
    };
    let folder = folder();
    let data = folder.path().join("data");
    let storage = Storage::open(StorageOptions { cache_bytes: 64 * 1024 * 1024, ..options(&data) });
    let storage = storage.expect("the folder opens");
    let next = AtomicU64::new(0);
    submit(&storage, scale.stored, &next);
    once(&storage, &data, folder.path());

    let mut alone = Vec::new();
    let (mut backups, mut folds) = (Vec::new(), Vec::new());
    let number = AtomicU64::new(0);
    for _ in 0..scale.rounds {
        alone.push(submit(&storage, scale.round, &next));
        backups.push(beside(&storage, &scale, &next, || {
            let target = folder.path().join(format!("beside-{}", number.fetch_add(1, Ordering::Relaxed)));
            backup(&data, &target).write().expect("written");
            std::fs::remove_dir_all(target).expect("it is there");
        }));
        folds.push(beside(&storage, &scale, &next, || {
            storage.fold(NOW).expect("it folds");
        }));
    }
    let alone = median(&mut alone);
    println!("{:.0} bookings/s with nothing beside them", scale.round as f64 / alone);
    for (name, mut took) in [("backups", backups), ("folds", folds)] {
        let ratio = alone / median(&mut took);
        println!("beside {name}, one after the other without a pause: {ratio:.2} of that");
    }
}

/// One backup, its check, and one fold, with nothing beside them.
fn once(storage: &Storage, data: &Path, around: &Path) {
    let target = around.join("once");
    let started = Instant::now();
    let report = backup(data, &target).write().expect("written");
    let took = started.elapsed();
    let rate = report.bytes as f64 / 1e6 / took.as_secs_f64();
    println!("backup of {} bytes, read back: {took:.2?}, {rate:.0} MB/s", report.bytes);
    let started = Instant::now();
    check_backup(&target, &Silent).expect("sound");
    println!("every record of it followed through the journal: {:.2?}", started.elapsed());
    let started = Instant::now();
    let report = storage.fold(NOW).expect("it folds");
    println!("fold of {} bytes into {}: {:.2?}", report.bytes_before, report.bytes_after, started.elapsed());
}

fn backup(data: &Path, target: &Path) -> Backup {
    Backup {
        data: data.to_owned(),
        target: target.to_owned(),
        files: Arc::new(DiskFiles),
        space: Arc::new(DiskSpace::of(data.to_owned())),
        min_free_bytes: 0,
        progress: Arc::new(Silent),
        now: NOW,
    }
}

/// A round of bookings while `work` is done again and again.
fn beside(storage: &Storage, scale: &Scale, next: &AtomicU64, work: impl Fn() + Sync) -> f64 {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                work();
            }
        });
        let took = submit(storage, scale.round, next);
        stop.store(true, Ordering::Relaxed);
        took
    })
}

/// Makes so many bookings; the seconds that it took.
fn submit(storage: &Storage, count: u64, next: &AtomicU64) -> f64 {
    let first = next.fetch_add(count, Ordering::Relaxed);
    let number = Arc::new(AtomicU64::new(first));
    let runtime = Builder::new_current_thread().build().expect("it starts");
    let tasks = LocalSet::new();
    for _ in 0..SUBMITTERS {
        let (storage, number) = (storage.clone(), Arc::clone(&number));
        tasks.spawn_local(async move {
            loop {
                let number = number.fetch_add(1, Ordering::Relaxed);
                if number >= first + count {
                    break;
                }
                storage.commit(book(number)).await.expect("the slot is free");
            }
        });
    }
    let started = Instant::now();
    runtime.block_on(tasks);
    started.elapsed().max(Duration::from_nanos(1)).as_secs_f64()
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
