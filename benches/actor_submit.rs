//! (c) Submits through the directory, durable, without HTTP: spread over many schedules, and all for
//! one hot schedule; and the refusals of a schedule that is full.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actors::AskError;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use domain::Rejection;
use seeding::Size;
use seeding::crew::Crew;

#[path = "../actors/tests/seeding/mod.rs"]
mod seeding;

const CALLERS: u64 = 64;

/// `iters` submits by 64 callers; `place` tells the `k`th where to book. Each patient books once.
async fn submits(
    crew: &Rc<Crew>,
    next: &Rc<Cell<u64>>,
    iters: u64,
    place: fn(u64) -> (u64, u16),
) -> Duration {
    let started = Instant::now();
    let end = next.get() + iters;
    let callers = (0..CALLERS.min(iters)).map(|_| {
        let (crew, next) = (Rc::clone(crew), Rc::clone(next));
        actix::spawn(async move {
            while next.get() < end {
                let k = next.replace(next.get() + 1);
                let (schedule, slot) = place(k);
                crew.submit(schedule, slot, k).await.expect("a free slot");
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("lives");
    }
    started.elapsed()
}

fn spread(criterion: &mut Criterion) {
    const SCHEDULES: u64 = 2_000;
    let size = Size { schedules: SCHEDULES, slots: 60, users: 120_000, members_per_user: 1 };
    bench(criterion, "2,000 schedules", size, |k| (k % SCHEDULES, 1 + (k / SCHEDULES) as u16));
}

fn hot(criterion: &mut Criterion) {
    // A schedule has 500 slots at most, so each is as hot as can be for its 500 submits.
    let size = Size { schedules: 160, slots: 500, users: 80_000, members_per_user: 1 };
    bench(criterion, "one hot schedule", size, |k| (k / 500, 1 + (k % 500) as u16));
}

fn bench(criterion: &mut Criterion, name: &str, size: Size, place: fn(u64) -> (u64, u16)) {
    let system = actix::System::new();
    let size = if seeding::is_test() { Size { users: 100, ..size } } else { size };
    let crew = Rc::new(system.block_on(async { Crew::start(size) }));
    let next = Rc::new(Cell::new(0));
    let mut group = criterion.benchmark_group("actor submit");
    group.sampling_mode(SamplingMode::Flat).sample_size(10).throughput(Throughput::Elements(1));
    group.measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_millis(500));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iters| system.block_on(submits(&crew, &next, iters, place)));
    });
    group.finish();
    assert!(next.get() > 0, "nothing was booked");
}

fn refusals(criterion: &mut Criterion) {
    let system = actix::System::new();
    let crew = Rc::new(system.block_on(async {
        let crew = Crew::start(Size { schedules: 1, slots: 1, users: 2, members_per_user: 1 });
        crew.submit(0, 1, 0).await.expect("a free slot");
        crew
    }));
    let mut group = criterion.benchmark_group("actor refusal");
    group.sampling_mode(SamplingMode::Flat).sample_size(10).throughput(Throughput::Elements(1));
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    group.bench_function("one full schedule", |bencher| {
        bencher.iter_custom(|iters| {
            let started = Instant::now();
            system.block_on(async {
                let callers = (0..CALLERS.min(iters)).map(|caller| {
                    let crew = Rc::clone(&crew);
                    actix::spawn(async move {
                        for _ in (caller..iters).step_by(CALLERS as usize) {
                            let refused = crew.submit(0, 1, 1).await;
                            assert_eq!(refused, Err(AskError::Rejected(Rejection::SlotTaken)));
                        }
                    })
                });
                for caller in callers.collect::<Vec<_>>() {
                    caller.await.expect("lives");
                }
            });
            started.elapsed()
        });
    });
    group.finish();
}

criterion_group!(benches, spread, hot, refusals);
criterion_main!(benches);
