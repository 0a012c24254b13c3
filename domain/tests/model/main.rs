//! T6: random walks. The real state of a schedule and a naive one on paper are asked the same;
//! after each step both must have answered the same and look the same.

#![expect(clippy::unwrap_used, reason = "a walk that cannot be set up fails its test")]

mod naive;
mod steps;
mod translate;

use std::cell::RefCell;
use std::collections::BTreeMap;

use domain::*;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use proptest::{collection, prop_assert, prop_assert_eq};

use naive::{Answer, Ask, Paper, VISIT_DAY};
use steps::Step;
use translate::{command, day, name, plan, policy, written};

const WALKS: u32 = 10_000;
const SEED_VARIABLE: &str = "PATI_MODEL_SEED";
const USUAL_SEED: u64 = 20_261_201;

/// What has to happen in some walk or other; besides, every rejection has to.
const MUST_HAPPEN: [&str; 45] = [
    "hold begun",
    "hold renewed",
    "hold at its limit",
    "hold moved",
    "renewed while the clock was back",
    "expired hold replaced",
    "hold ended by a stop",
    "hold elsewhere ended by a submit",
    "held slot booked",
    "booked without a hold",
    "booked by a user",
    "booked by the desk",
    "booked by the desk for a user",
    "submit repeated",
    "0 -> 1 by the patient",
    "0 -> 1 by staff",
    "0 -> 1 by a stop",
    "0 -> 1 unpaid",
    "2 -> 1 by the patient",
    "2 -> 1 by staff",
    "2 -> 1 by a stop",
    "refund due by a cancel",
    "cancel repeated",
    "0 -> 2 at the desk",
    "paid booking checked in",
    "check-in repeated",
    "0 -> 2 by payment",
    "paid after check-in",
    "cash taken",
    "paid twice",
    "paid after a cancel",
    "paid after a missed visit",
    "paid twice after a missed visit",
    "paid for nothing",
    "0 -> 3",
    "no-show repeated",
    "3 -> 2",
    "correction repeated",
    "correction of a stopped schedule",
    "slots added",
    "addition repeated",
    "stopped",
    "stop repeated",
    "reopened",
    "relocated",
];

/// Seen to catch, one at a time: a cancel that kept the slot; a hold that let another user pass;
/// a renewal without its limit of fifteen minutes; a refund forgotten on cancelling a paid
/// booking; a repeat found by the user alone; added slots appended to the occupancies instead of
/// inserted.
#[test]
fn walks_agree_with_the_book_on_paper() {
    let seed = match std::env::var(SEED_VARIABLE) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => USUAL_SEED,
    };
    eprintln!("seed {seed} (set {SEED_VARIABLE} for another)");
    let mut seed_bytes = [0; 32];
    seed_bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed_bytes);
    let config = Config { cases: WALKS, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);

    let totals = RefCell::new(Totals::default());
    let numbers = (any::<u64>(), collection::vec(any::<u64>(), 50..=70));
    let outcome = runner.run(&numbers, |(rules, numbers)| {
        let mut walk = Walk::new(rules);
        for number in &numbers {
            walk.take(*number)?;
        }
        totals.borrow_mut().add(&walk, numbers.len());
        Ok(())
    });
    if let Err(TestError::Fail(reason, (rules, numbers))) = &outcome {
        panic!("seed {seed}: {reason}\n{}", story(*rules, numbers));
    }
    outcome.unwrap();

    let totals = totals.into_inner();
    eprintln!("{} walks, {} steps: {:#?}", totals.walks, totals.steps, totals.seen);
    assert!(totals.walks >= 10_000 && totals.steps >= 500_000);
    for what in MUST_HAPPEN.iter().chain(&naive::ORDER) {
        let times = totals.seen.get(what).copied().unwrap_or(0);
        assert!(times > 0, "{what} never happened");
    }
    assert_eq!(totals.seen.get("impossible cancel"), None);
    let known = MUST_HAPPEN.len() + naive::ORDER.len();
    assert_eq!(totals.seen.len(), known, "something happens that is not listed");
}

#[derive(Default)]
struct Totals {
    walks: u64,
    steps: usize,
    seen: BTreeMap<&'static str, u64>,
}

impl Totals {
    fn add(&mut self, walk: &Walk, steps: usize) {
        self.walks += 1;
        self.steps += steps;
        for (what, times) in &walk.paper.seen {
            *self.seen.entry(what).or_default() += times;
        }
    }
}

/// The steps of a failed walk, in words.
fn story(rules: u64, numbers: &[u64]) -> String {
    let mut walk = Walk::new(rules);
    let mut story = format!("{:?}\n", walk.paper.rules);
    for number in numbers {
        let step = steps::step(*number, &walk.paper, walk.now);
        story.push_str(&format!("{} {step:?}\n", walk.zone.date_time_text(walk.instant())));
        if walk.take(*number).is_err() {
            break;
        }
    }
    story
}

/// A walk: the real state, the paper, and what would be on disk.
struct Walk {
    now: i64,
    zone: ClinicZone,
    policy: Policy,
    state: ScheduleState,
    paper: Paper,
    stored_schedule: Schedule,
    stored_bookings: BTreeMap<BookingId, Booking>,
}

impl Walk {
    fn new(number: u64) -> Self {
        let zone = ClinicZone::fixed_hours(8);
        let paper = Paper::new(steps::rules(number));
        let slots = paper.slots.iter().map(|(slot, (start, desk))| plan(*slot, *start, *desk));
        let schedule = Schedule {
            id: ScheduleId::new(1).unwrap(),
            department: DepartmentId::new(1).unwrap(),
            doctor: DoctorId::new(paper.doctor).ok(),
            date: day(VISIT_DAY),
            period: Period::Am,
            kind: ClinicKind::Expert,
            fee: Fen::new(paper.rules.fee).unwrap(),
            location: String::from(paper.place),
            slots: slots.collect(),
            standing: Standing::Open,
        };
        Self {
            now: steps::start(number),
            policy: policy(&paper.rules, zone.clone()),
            zone,
            state: ScheduleState::new(schedule.clone(), []).unwrap(),
            paper,
            stored_schedule: schedule,
            stored_bookings: BTreeMap::new(),
        }
    }

    fn instant(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn take(&mut self, number: u64) -> Result<(), TestCaseError> {
        match steps::step(number, &self.paper, self.now) {
            Step::Clock(now) => self.now = now,
            Step::Restart => self.restart()?,
            Step::Ask(ask) => self.ask(&ask)?,
        }
        self.compare_slots()?;
        self.compare_bookings()?;
        self.compare_schedule()?;
        prop_assert_eq!(self.state.check(), Ok(()));
        Ok(())
    }

    fn ask(&mut self, ask: &Ask) -> Result<(), TestCaseError> {
        let command = command(ask, self.paper.next_id);
        let before = self.state.clone();
        let decision = self.state.decide(&command, self.instant(), &self.policy);
        prop_assert!(self.state == before, "deciding has changed the state");
        let written_before = self.paper.writes;
        let expected = self.paper.answer(ask, self.now);
        let given = match &decision {
            Ok(decision) => match decision.reply {
                Reply::Held { until } => Answer::Held(until.as_millis()),
                Reply::Booked(id) => Answer::Booked(id.get()),
                Reply::RefundDue => Answer::RefundDue,
                Reply::Done => Answer::Done,
            },
            Err(rejection) => Answer::No(name(*rejection)),
        };
        prop_assert_eq!(given, expected, "{:?}", ask);
        let Ok(decision) = decision else {
            return Ok(());
        };
        let wrote = self.paper.writes > written_before;
        prop_assert_eq!(!decision.is_volatile(), wrote, "what has to be committed: {:?}", ask);
        for event in &decision.events {
            if let Some(booking) = self.state.booking_after(event) {
                self.stored_bookings.insert(booking.id, booking);
            }
            self.stored_schedule.apply(event);
            self.state.apply(event);
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), TestCaseError> {
        let bookings = self.stored_bookings.values().cloned();
        let again = ScheduleState::new(self.stored_schedule.clone(), bookings);
        prop_assert!(again.is_ok(), "what was stored cannot be loaded: {:?}", again.err());
        self.state = again.unwrap();
        self.paper.holds.clear();
        Ok(())
    }

    fn compare_slots(&self) -> Result<(), TestCaseError> {
        let now = self.now;
        prop_assert_eq!(self.state.slots().count(), self.paper.slots.len());
        let mut any_held = false;
        for (slot, (start, desk)) in &self.paper.slots {
            let serial = SerialNo::new(*slot).unwrap();
            prop_assert_eq!(self.state.schedule().slot(serial), Some(&plan(*slot, *start, *desk)));
            let row = self.paper.rows.iter().find(|row| row.slot == *slot && row.status != 1);
            let hold = self.paper.holds.iter().find(|hold| hold.slot == *slot && hold.is_alive(now));
            let expected = match (row, hold) {
                (Some(row), _) => Occupancy::Booked(BookingId::new(row.id).unwrap()),
                (None, Some(hold)) => Occupancy::Held(Hold {
                    user: UserId::new(hold.user).unwrap(),
                    since: Timestamp::from_millis(hold.since),
                    until: Timestamp::from_millis(hold.until),
                }),
                (None, None) => Occupancy::Free,
            };
            any_held |= matches!(expected, Occupancy::Held(_));
            prop_assert_eq!(self.state.occupancy(serial, self.instant()), Some(expected));
            let listed = self.state.bookable_slots(self.instant(), &self.zone);
            let bookable = expected == Occupancy::Free && !desk && now < *start;
            prop_assert_eq!(listed.into_iter().any(|plan| plan.serial == serial), bookable);
        }
        prop_assert_eq!(self.state.holds_alive(self.instant()), any_held);
        Ok(())
    }

    fn compare_bookings(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.stored_bookings.len(), self.paper.rows.len());
        let standing = self.paper.rows.iter().filter(|row| row.status != 1).count();
        prop_assert_eq!(self.state.bookings().count(), standing);
        for row in &self.paper.rows {
            let id = BookingId::new(row.id).unwrap();
            let stored = &self.stored_bookings[&id];
            let in_state = self.state.booking(id);
            prop_assert_eq!(in_state, Some(stored).filter(|_| row.status != 1));
            let expected = written(row, self.paper.rules.fee, stored.booked_at);
            prop_assert_eq!(stored, &expected);
        }
        Ok(())
    }

    fn compare_schedule(&self) -> Result<(), TestCaseError> {
        let schedule = self.state.schedule();
        prop_assert_eq!(schedule, &self.stored_schedule);
        prop_assert_eq!(schedule.location.as_str(), self.paper.place);
        prop_assert_eq!(schedule.doctor, DoctorId::new(self.paper.doctor).ok());
        let stopped_by = match schedule.standing {
            Standing::Open => None,
            Standing::Stopped { by, .. } => Some(by.get()),
        };
        prop_assert_eq!(stopped_by, self.paper.stopped_by);
        Ok(())
    }
}
