//! (a) The rules alone: what a decision costs before anything is written.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use domain::{
    Booker, BookingCode, BookingId, Command, Decision, NewBooking, PatientFacts, PatientId, Presubmit,
    Rejection, ScheduleState, Submit, UserId,
};

#[path = "../actors/tests/seeding/mod.rs"]
mod seeding;

const SLOTS: u16 = 40;

fn submit(n: u64, slot: u16) -> Command {
    let patient = PatientFacts {
        patient: PatientId::new(n).expect("an id"),
        same_half_day: None,
        other_half_day: None,
        barred_until: None,
    };
    Command::Submit(Submit {
        serial: seeding::serial(slot),
        booker: Booker::Patient { user: seeding::user_id(n), member: seeding::member_id(n, 0), active: 0 },
        patient: Some(patient),
        new: NewBooking {
            id: BookingId::new(1_000_000_000 + n).expect("an id"),
            code: BookingCode::new(n as u32).expect("a code"),
        },
    })
}

fn empty() -> ScheduleState {
    let doctor = domain::DoctorId::new(2001).expect("an id");
    ScheduleState::new(seeding::schedule(0, doctor, SLOTS), []).expect("sound")
}

fn full() -> ScheduleState {
    let mut state = empty();
    for slot in 1..=SLOTS {
        let decided = state.decide(&submit(u64::from(slot), slot), seeding::morning(), &seeding::policy());
        for event in &decided.expect("free").events {
            state.apply(event);
        }
    }
    state
}

fn decide(criterion: &mut Criterion) {
    let (now, policy) = (seeding::morning(), seeding::policy());
    let mut group = criterion.benchmark_group("decide");
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    let (empty, full) = (empty(), full());
    let wanted = submit(999, 20);
    group.bench_function("submit", |bencher| {
        bencher.iter(|| {
            let Decision { events, .. } = empty.decide(black_box(&wanted), now, &policy).expect("free");
            assert!(!events.is_empty());
            events
        });
    });
    group.bench_function("submit and apply", |bencher| {
        bencher.iter_batched_ref(
            || empty.clone(),
            |state| {
                let decided = state.decide(black_box(&wanted), now, &policy).expect("free");
                decided.events.iter().for_each(|event| state.apply(event));
            },
            criterion::BatchSize::SmallInput,
        );
    });
    group.bench_function("refusal of a full schedule", |bencher| {
        bencher.iter(|| {
            let refused = full.decide(black_box(&wanted), now, &policy);
            assert_eq!(refused.expect_err("full"), Rejection::SlotTaken);
        });
    });
    let presubmit = Command::Presubmit(Presubmit {
        user: UserId::new(7).expect("an id"),
        serial: seeding::serial(20),
        active: 0,
        other_holds: 0,
    });
    group.bench_function("presubmit", |bencher| {
        bencher.iter(|| empty.decide(black_box(&presubmit), now, &policy).expect("free"));
    });
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
