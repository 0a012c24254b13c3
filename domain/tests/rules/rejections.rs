//! Every rejection, and which one is given when several apply.

use domain::*;

use crate::clinic::*;

/// Everything that a rejection can depend on. It starts with nothing to object to.
struct Case {
    schedule: Schedule,
    bookings: Vec<Booking>,
    holder: Option<UserId>,
    policy: Policy,
    now: Timestamp,
    command: Command,
}

impl Case {
    /// Released on the day of the visit at 06:00; it is 07:00.
    fn new(command: Command) -> Self {
        let mut policy = policy();
        policy.horizon_days = 0;
        policy.release_time = TimeOfDay::parse("06:00").unwrap();
        let now = at("2026-12-01 07:00");
        Self { schedule: schedule(), bookings: Vec::new(), holder: None, policy, now, command }
    }

    fn first_slot(&mut self) -> &mut SlotPlan {
        &mut self.schedule.slots[0]
    }

    fn rejection(&self) -> Option<Rejection> {
        let mut state = ScheduleState::new(self.schedule.clone(), self.bookings.clone()).unwrap();
        if let Some(user) = self.holder {
            let hold = Hold { user, since: self.now, until: self.now.plus(minutes(5)) };
            state.apply(&Event::Held { serial: serial(1), hold });
        }
        let before = state.clone();
        let outcome = state.decide(&self.command, self.now, &self.policy);
        assert_eq!(state, before, "deciding changes nothing");
        outcome.err()
    }
}

type Objection = (Rejection, fn(&mut Case));

fn stopped(case: &mut Case) {
    case.schedule.standing = Standing::Stopped { at: Timestamp::ZERO, by: staff(7) };
}

fn not_released(case: &mut Case) {
    case.now = at("2026-12-01 05:59");
}

fn slot_unknown(case: &mut Case) {
    match &mut case.command {
        Command::Presubmit(presubmit) => presubmit.serial = serial(77),
        Command::Submit(submit) => submit.serial = serial(77),
        other => panic!("takes no slot: {other:?}"),
    }
}

/// 05:00 has passed before and after the release.
fn past(case: &mut Case) {
    case.first_slot().time = TimeOfDay::parse("05:00").unwrap();
}

fn desk_only_slot(case: &mut Case) {
    case.first_slot().channel = Channel::DeskOnly;
}

fn held(case: &mut Case) {
    case.holder = Some(user(2));
}

fn facts_of(case: &mut Case) -> Option<&mut PatientFacts> {
    match &mut case.command {
        Command::Submit(submit) => submit.patient.as_mut(),
        other => panic!("has no patient: {other:?}"),
    }
}

fn member_unknown(case: &mut Case) {
    let Command::Submit(submit) = &mut case.command else { panic!("has no patient") };
    submit.patient = None;
}

fn half_day_taken(case: &mut Case) {
    facts_of(case).unwrap().same_half_day = Some(booking_id(1));
}

fn day_limit(case: &mut Case) {
    case.policy.visits_per_patient_per_day = DailyVisits::One;
    facts_of(case).unwrap().other_half_day = Some(booking_id(2));
}

fn active_limit(case: &mut Case) {
    match &mut case.command {
        Command::Presubmit(presubmit) => presubmit.active = 10,
        Command::Submit(submit) => match &mut submit.booker {
            Booker::Patient { active, .. } | Booker::DeskForMember { active, .. } => *active = 10,
            Booker::Desk { .. } => panic!("the desk has no limit"),
        },
        other => panic!("has no limit: {other:?}"),
    }
}

fn barred(case: &mut Case) {
    facts_of(case).unwrap().barred_until = Date::parse("2026-12-02").ok();
}

fn too_many_holds(case: &mut Case) {
    let Command::Presubmit(presubmit) = &mut case.command else { panic!("holds nothing") };
    presubmit.other_holds = 3;
}

/// Checks every set of objections that can be raised at once: the first in the order is given.
fn check_all_sets(command: &Command, objections: &[Objection], impossible: &[[Rejection; 2]]) -> u32 {
    let mut checked = 0;
    for set in 0..1_u32 << objections.len() {
        let raised: Vec<_> =
            (0..objections.len()).filter(|n| set & (1 << n) != 0).map(|n| objections[n]).collect();
        let names: Vec<Rejection> = raised.iter().map(|(rejection, _)| *rejection).collect();
        if impossible.iter().any(|pair| pair.iter().all(|one| names.contains(one))) {
            continue;
        }
        let mut case = Case::new(command.clone());
        for (_, raise) in raised {
            raise(&mut case);
        }
        let first = names.iter().copied().min_by_key(|rejection| rejection.precedence());
        assert_eq!(case.rejection(), first, "{names:?}");
        checked += 1;
    }
    checked
}

/// A stopped schedule has no holds; an unknown slot has neither time nor holder.
const IMPOSSIBLE: [[Rejection; 2]; 7] = [
    [Rejection::Stopped, Rejection::SlotHeld],
    [Rejection::SlotUnknown, Rejection::Past],
    [Rejection::SlotUnknown, Rejection::SlotTaken],
    [Rejection::SlotUnknown, Rejection::SlotHeld],
    // Nothing is known of an unknown member.
    [Rejection::MemberUnknown, Rejection::HalfDayTaken],
    [Rejection::MemberUnknown, Rejection::DayLimit],
    [Rejection::MemberUnknown, Rejection::Barred],
];

/// Seen to catch: "held" asked before "taken"; the barred patient told before the full account.
#[test]
fn a_patients_submit() {
    let objections: [Objection; 11] = [
        (Rejection::Stopped, stopped),
        (Rejection::NotReleased, not_released),
        (Rejection::SlotUnknown, slot_unknown),
        (Rejection::Past, past),
        (Rejection::SlotTaken, desk_only_slot),
        (Rejection::SlotHeld, held),
        (Rejection::MemberUnknown, member_unknown),
        (Rejection::HalfDayTaken, half_day_taken),
        (Rejection::DayLimit, day_limit),
        (Rejection::ActiveLimit, active_limit),
        (Rejection::Barred, barred),
    ];
    assert_eq!(check_all_sets(&submit(1, 1), &objections, &IMPOSSIBLE), 504);
}

#[test]
fn a_submit_of_the_desk() {
    let objections: [Objection; 9] = [
        (Rejection::Stopped, stopped),
        (Rejection::NotReleased, not_released),
        (Rejection::SlotUnknown, slot_unknown),
        (Rejection::Past, past),
        (Rejection::SlotHeld, held),
        (Rejection::MemberUnknown, member_unknown),
        (Rejection::HalfDayTaken, half_day_taken),
        (Rejection::DayLimit, day_limit),
        (Rejection::Barred, barred),
    ];
    let desk = Command::Submit(desk_submission(1));
    assert_eq!(check_all_sets(&desk, &objections, &IMPOSSIBLE), 144);
}

#[test]
fn a_presubmit() {
    let objections: [Objection; 8] = [
        (Rejection::Stopped, stopped),
        (Rejection::NotReleased, not_released),
        (Rejection::SlotUnknown, slot_unknown),
        (Rejection::Past, past),
        (Rejection::SlotTaken, desk_only_slot),
        (Rejection::SlotHeld, held),
        (Rejection::ActiveLimit, active_limit),
        (Rejection::TooManyHolds, too_many_holds),
    ];
    assert_eq!(check_all_sets(&presubmit(1, 1), &objections, &IMPOSSIBLE), 112);
}

/// A slot that a booking has is taken like one that only the desk gives out.
#[test]
fn a_booked_slot_comes_in_the_same_place() {
    for raise in [half_day_taken, active_limit, barred, member_unknown] {
        let mut case = Case::new(submit(2, 1));
        case.bookings.push(booking());
        raise(&mut case);
        assert_eq!(case.rejection(), Some(Rejection::SlotTaken));
        past(&mut case);
        assert_eq!(case.rejection(), Some(Rejection::Past));
    }
}

#[test]
fn a_repeat_comes_before_every_rejection() {
    let mut case = Case::new(submit(1, 1));
    case.bookings.push(booking());
    for raise in [not_released, past, half_day_taken, day_limit, active_limit, barred] {
        raise(&mut case);
        assert_eq!(case.rejection(), None);
    }
    member_unknown(&mut case);
    assert_eq!(case.rejection(), None);
}

#[test]
fn a_cancel() {
    let missed = Status::NoShow { at: at("2026-12-02 00:05") };
    let live = Status::Booked;
    let (mine, theirs) = (CancelBy::Patient(user(1)), CancelBy::Patient(user(2)));
    let by_staff = CancelBy::Staff(staff(7));
    let (early, late) = ("2026-12-01 07:00", "2026-12-02 07:00");
    let unknown = Some(Rejection::BookingUnknown);
    let too_late = Some(Rejection::TooLateToCancel);
    let wrong = Some(Rejection::WrongStatus);
    let table = [
        (mine, early, live, None),
        (mine, early, missed, wrong),
        (mine, late, live, too_late),
        (mine, late, missed, too_late),
        (theirs, early, live, unknown),
        (theirs, early, missed, unknown),
        (theirs, late, live, unknown),
        (theirs, late, missed, unknown),
        (by_staff, early, missed, wrong),
        (by_staff, late, live, None),
        (by_staff, late, missed, wrong),
    ];
    for (by, now, status, expected) in table {
        let mut case = Case::new(cancel(by));
        case.now = at(now);
        case.bookings.push(Booking { status, ..booking() });
        assert_eq!(case.rejection(), expected, "{by:?} {now} {status:?}");
    }
}

fn added(case: &mut Case) -> &mut Vec<SlotPlan> {
    match &mut case.command {
        Command::AddSlots(add) => &mut add.slots,
        other => panic!("adds no slots: {other:?}"),
    }
}

#[test]
fn an_addition_of_slots() {
    let too_many: fn(&mut Case) = |case| {
        let slots = (1000..1500).map(|number| plan(number, "09:00"));
        added(case).extend(slots);
    };
    let duplicate: fn(&mut Case) = |case| added(case).push(plan(2, "08:11"));
    let out_of_order: fn(&mut Case) = |case| added(case).push(plan(6, "07:00"));
    let objections: [Objection; 4] = [
        (Rejection::Stopped, stopped),
        (Rejection::TooManySlots, too_many),
        (Rejection::DuplicateSerial, duplicate),
        (Rejection::SlotsOutOfOrder, out_of_order),
    ];
    let slots = vec![plan(5, "08:40")];
    let add = Command::AddSlots(AddSlots { slots, staff: staff(7), reason: reason() });
    assert_eq!(check_all_sets(&add, &objections, &[]), 16);
}

#[test]
fn a_ban_ends_on_its_day_and_with_the_policy() {
    let mut case = Case::new(submit(1, 1));
    facts_of(&mut case).unwrap().barred_until = Date::parse("2026-12-01").ok();
    assert_eq!(case.rejection(), None);
    barred(&mut case);
    assert_eq!(case.rejection(), Some(Rejection::Barred));
    case.policy.no_show.limit = 0;
    assert_eq!(case.rejection(), None);
}

#[test]
fn limits_are_reached_by_the_last_one_allowed() {
    let outcome = |active, other_holds| {
        let mut case = Case::new(presubmit(1, 1));
        let Command::Presubmit(presubmit) = &mut case.command else { unreachable!("just made") };
        (presubmit.active, presubmit.other_holds) = (active, other_holds);
        case.rejection()
    };
    assert_eq!(outcome(9, 2), None);
    assert_eq!(outcome(10, 0), Some(Rejection::ActiveLimit));
    assert_eq!(outcome(0, 3), Some(Rejection::TooManyHolds));
}

#[test]
fn two_visits_a_day_are_two_half_days() {
    let mut case = Case::new(submit(1, 1));
    day_limit(&mut case);
    assert_eq!(case.rejection(), Some(Rejection::DayLimit));
    case.policy.visits_per_patient_per_day = DailyVisits::Two;
    assert_eq!(case.rejection(), None);
}
