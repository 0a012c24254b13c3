//! What every command does to a booking in every state that a booking can be in.

use domain::*;

use crate::clinic::*;

const CHARGES: [(char, Charge); 5] = [
    ('u', Charge::Unpaid),
    ('p', Charge::Paid),
    ('d', Charge::RefundDue),
    ('r', Charge::Refunded),
    ('x', Charge::Expired),
];

/// A booking in short: its status, its charge (**u**npaid, **p**aid, refund **d**ue,
/// **r**efunded, e**x**pired), and `+` if the patient has checked in.
fn short(booking: &Booking) -> String {
    let charge = CHARGES.iter().find(|(_, charge)| *charge == booking.charge).unwrap().0;
    let visited = if booking.checked_in_at.is_some() { "+" } else { "" };
    format!("{}{charge}{visited}", booking.status.code())
}

/// Every booking that can be written down, whether it makes sense or not.
fn all_bookings() -> Vec<Booking> {
    let marked = at("2026-12-02 00:05");
    let statuses = [
        Status::Booked,
        Status::Cancelled { at: day_before(), by: Canceller::Patient },
        Status::Registered { at: day_before() },
        Status::NoShow { at: marked },
    ];
    let mut all = Vec::new();
    for status in statuses {
        for (_, charge) in CHARGES {
            for checked_in_at in [None, Some(day_before())] {
                all.push(Booking { status, charge, checked_in_at, ..booking() });
            }
        }
    }
    all
}

/// The bookings that a schedule can hold, in short, in the order of the columns below.
const STATES: [&str; 9] = ["0u", "2u+", "2p", "2p+", "2d+", "2r+", "3u", "3d", "3r"];

#[test]
fn only_sensible_bookings_are_let_in() {
    let mut seen = Vec::new();
    for booking in all_bookings() {
        let name = short(&booking);
        let cancelled = booking.is_cancelled();
        match ScheduleState::new(schedule(), [booking]) {
            Ok(state) if cancelled => assert_eq!(state.bookings().count(), 0, "{name}"),
            Ok(_) => seen.push(name),
            Err(broken) => assert_eq!(broken.invariant, Invariant::ChargeFitsStatus, "{name}"),
        }
    }
    assert_eq!(seen, STATES);
}

fn check_in() -> Command {
    Command::CheckIn(CheckIn { booking: booking_id(500), staff: staff(7) })
}

fn paid() -> Command {
    let paid_at = at("2026-11-30 11:59");
    Command::Paid(Paid { booking: booking_id(500), paid_at, by: PaidBy::Provider })
}

fn cash() -> Command {
    Command::Paid(Paid { booking: booking_id(500), paid_at: day_before(), by: PaidBy::Desk(staff(7)) })
}

fn no_show() -> Command {
    Command::NoShow(NoShow { booking: booking_id(500) })
}

fn correct() -> Command {
    let reason = reason();
    Command::Correct(Correct { booking: booking_id(500), staff: staff(7), reason })
}

fn relocate() -> Command {
    let location = Some(String::from("三楼"));
    Command::Relocate(Relocate { location, doctor: None, staff: staff(7) })
}

fn add_slot() -> Command {
    let slots = vec![plan(5, "08:40")];
    Command::AddSlots(AddSlots { slots, staff: staff(7), reason: reason() })
}

/// The outcome in short: the booking afterwards if it has changed, `=` if nothing has happened,
/// `.` if something else has, then the reply if it is not plainly `Done`; or the rejection.
fn outcome(mut state: ScheduleState, command: &Command, now: Timestamp) -> String {
    let decision = match state.decide(command, now, &policy()) {
        Ok(decision) => decision,
        Err(rejection) => return format!("{rejection:?}"),
    };
    let mut text = String::from(if decision.events.is_empty() { "=" } else { "." });
    for event in &decision.events {
        let changed = state.booking_after(event).filter(|after| after.id == booking_id(500));
        if let Some(after) = changed {
            text = short(&after);
        }
        state.apply(event);
        assert_eq!(state.check(), Ok(()));
    }
    match decision.reply {
        Reply::Done => {}
        Reply::RefundDue => text.push_str(" refund"),
        Reply::Booked(id) => text.push_str(&format!(" {id}")),
        Reply::Held { .. } => text.push_str(" held"),
    }
    text
}

fn check_row(name: &str, command: &Command, now: &str, expected: [&str; 9]) {
    let bookings = all_bookings();
    for (state, expected) in STATES.iter().zip(expected) {
        let booking = bookings.iter().find(|booking| short(booking) == *state).unwrap();
        let outcome = outcome(with(booking.clone()), command, at(now));
        assert_eq!(outcome, expected, "{name} of {state}");
    }
}

/// Seen to catch: a deadline that staff could not pass; a refund forgotten on cancelling a paid
/// booking; a check-in that marked a missed visit as seen; cash that was taken for a missed visit.
#[test]
fn every_command_on_every_booking() {
    let early = "2026-11-30 12:00";
    let last = "2026-12-01 07:59";
    let late = "2026-12-01 08:00";
    let same = "2026-12-01 23:59";
    let next = "2026-12-02 00:00";
    // The missed visits were marked at 00:05.
    let end = "2026-12-09 00:05";
    let week = "2026-12-09 00:06";
    let mine = cancel(CancelBy::Patient(user(1)));
    let theirs = cancel(CancelBy::Patient(user(2)));
    let by_staff = cancel(CancelBy::Staff(staff(7)));
    let unpaid = cancel(CancelBy::Unpaid);
    let w = "WrongStatus";
    let t = "TooLateToCancel";
    let u = "BookingUnknown";
    let taken = "SlotTaken";

    let n = "NotYet";
    let c = "CorrectionTooLate";
    let back = "= refund";
    let again = "= 500";

    #[rustfmt::skip]
    let table = [
        //                                         0u      2u+     2p      2p+     2d+     2r+     3u           3d     3r
        ("cancel",           &mine,        early, ["1u",   "1u+",  "1d",   "1d+",  "1d+",  "1r+",  w,           w,     w]),
        ("cancel at last",   &mine,        last,  ["1u",   "1u+",  "1d",   "1d+",  "1d+",  "1r+",  w,           w,     w]),
        ("cancel late",      &mine,        late,  [t,      t,      t,      t,      t,      t,      t,           t,     t]),
        ("cancel theirs",    &theirs,      early, [u,      u,      u,      u,      u,      u,      u,           u,     u]),
        ("theirs late",      &theirs,      late,  [u,      u,      u,      u,      u,      u,      u,           u,     u]),
        ("staff",            &by_staff,    early, ["1u",   "1u+",  "1d",   "1d+",  "1d+",  "1r+",  w,           w,     w]),
        ("staff late",       &by_staff,    late,  ["1u",   "1u+",  "1d",   "1d+",  "1d+",  "1r+",  w,           w,     w]),
        ("unpaid",           &unpaid,      early, ["1x",   w,      w,      w,      w,      w,      w,           w,     w]),
        ("check-in",         &check_in(),  late,  ["2u+",  "=",    "2p+",  "=",    "=",    "=",    w,           w,     w]),
        ("paid",             &paid(),      early, ["2p",   "2p+",  "=",    "=",    back,   back,   "3d refund", back,  back]),
        ("paid late",        &paid(),      week,  ["2p",   "2p+",  "=",    "=",    back,   back,   "3d refund", back,  back]),
        ("cash",             &cash(),      early, ["2p",   "2p+",  "=",    "=",    w,      w,      w,           w,     w]),
        ("missed on the day", &no_show(),  same,  [n,      w,      w,      w,      w,      w,      "=",         "=",   "="]),
        ("missed",           &no_show(),   next,  ["3u",   w,      w,      w,      w,      w,      "=",         "=",   "="]),
        ("correct",          &correct(),   next,  [w,      "=",    w,      "=",    "=",    "=",    "2u+",       "2d+", "2r+"]),
        ("correct at last",  &correct(),   end,   [w,      "=",    w,      "=",    "=",    "=",    "2u+",       "2d+", "2r+"]),
        ("correct too late", &correct(),   week,  [w,      "=",    w,      "=",    "=",    "=",    c,           c,     c]),
        ("stop",             &stop(),      early, ["1u",   "1u+",  "1d",   "1d+",  "1d+",  "1r+",  ".",         ".",   "."]),
        ("reopen",           &reopen(),    early, ["="; 9]),
        ("relocate",         &relocate(),  early, ["."; 9]),
        ("add slots",        &add_slot(),  early, ["."; 9]),
        ("presubmit",        &presubmit(1, 1), early, [taken; 9]),
        ("by others",        &presubmit(2, 1), early, [taken; 9]),
        ("another slot",     &presubmit(1, 2), early, [". held"; 9]),
        ("submit again",     &submit(1, 1), early, [again, again,  again,  again,  again,  again,  taken,       taken, taken]),
        ("submit again late", &submit(1, 1), late, [again, again,  again,  again,  again,  again,  "Past",      "Past", "Past"]),
        ("submit by others", &submit(2, 1), early, [taken; 9]),
        ("submit another",   &submit(2, 2), early, [". 900"; 9]),
    ];
    for (name, command, now, expected) in table {
        check_row(name, command, now, expected);
    }
}

/// A cancelled booking is no longer in the schedule.
#[test]
fn every_command_on_a_cancelled_booking() {
    let now = at("2026-12-02 08:00");
    let cases = [
        (cancel(CancelBy::Patient(user(1))), "="),
        (cancel(CancelBy::Staff(staff(7))), "="),
        (cancel(CancelBy::Unpaid), "="),
        (paid(), "= refund"),
        (cash(), "WrongStatus"),
        (check_in(), "WrongStatus"),
        (no_show(), "WrongStatus"),
        (correct(), "WrongStatus"),
        (stop(), "."),
        (reopen(), "="),
        (relocate(), "."),
        (add_slot(), "."),
    ];
    for (command, expected) in cases {
        assert_eq!(outcome(empty(), &command, now), expected, "{command:?}");
    }
}

#[test]
fn every_command_on_a_missed_visit_of_a_stopped_schedule() {
    let missed = Status::NoShow { at: at("2026-12-02 00:05") };
    let missed = Booking { status: missed, ..booking() };
    let state = || ScheduleState::new(stopped(), [missed.clone()]).unwrap();
    let now = at("2026-12-02 08:00");
    let cases = [
        (cancel(CancelBy::Patient(user(1))), "TooLateToCancel"),
        (cancel(CancelBy::Staff(staff(7))), "WrongStatus"),
        (cancel(CancelBy::Unpaid), "WrongStatus"),
        (paid(), "3d refund"),
        (cash(), "WrongStatus"),
        (check_in(), "WrongStatus"),
        (no_show(), "="),
        (correct(), "Stopped"),
        (stop(), "="),
        (reopen(), "."),
        (relocate(), "."),
        (add_slot(), "Stopped"),
        (submit(1, 1), "Stopped"),
        (presubmit(1, 1), "Stopped"),
    ];
    for (command, expected) in cases {
        assert_eq!(outcome(state(), &command, now), expected, "{command:?}");
    }
}

#[test]
fn a_free_visit_stays_booked_until_check_in_and_takes_no_money() {
    let free = || with(Booking { fee: Fen::ZERO, ..booking() });
    let now = at("2026-12-01 07:30");
    assert_eq!(outcome(free(), &paid(), now), "= refund");
    assert_eq!(outcome(free(), &cash(), now), "WrongStatus");
    assert_eq!(outcome(free(), &cancel(CancelBy::Unpaid), now), "WrongStatus");
    assert_eq!(outcome(free(), &check_in(), now), "2u+");
    assert_eq!(outcome(free(), &no_show(), at("2026-12-02 00:00")), "3u");
}

#[test]
fn the_cancel_deadline_is_set_by_the_policy() {
    let mut policy = policy();
    policy.cancel_before = minutes(90);
    let state = with(booking());
    let mine = cancel(CancelBy::Patient(user(1)));
    let decide = |command: &Command, now| state.decide(command, at(now), &policy).err();
    assert_eq!(decide(&mine, "2026-12-01 06:29"), None);
    assert_eq!(decide(&mine, "2026-12-01 06:30"), Some(Rejection::TooLateToCancel));
    let by_staff = cancel(CancelBy::Staff(staff(7)));
    assert_eq!(decide(&by_staff, "2026-12-01 06:30"), None);
}

#[test]
fn nobody_cancels_a_booking_of_the_desk_in_the_app() {
    let state = with(Booking { owner: Owner::Desk { staff: staff(7) }, ..booking() });
    let mine = cancel(CancelBy::Patient(user(1)));
    assert_eq!(outcome(state.clone(), &mine, day_before()), "BookingUnknown");
    let by_staff = cancel(CancelBy::Staff(staff(8)));
    assert_eq!(outcome(state, &by_staff, day_before()), "1u");
}

/// Every number of the log is the clinic's own, not the payer's.
#[test]
fn a_booking_notes_when_and_by_whom_it_changed() {
    let mut state = with(booking());
    let now = day_before();
    run(&mut state, &paid(), now).unwrap();
    let registered = state.booking(booking_id(500)).unwrap().clone();
    assert_eq!(registered.status, Status::Registered { at: now });
    assert_eq!(registered.checked_in_at, None);
    let arrival = at("2026-12-01 07:50");
    run(&mut state, &check_in(), arrival).unwrap();
    let visited = state.booking(booking_id(500)).unwrap().clone();
    assert_eq!(visited.status, Status::Registered { at: now });
    assert_eq!(visited.checked_in_at, Some(arrival));
    let by_staff = cancel(CancelBy::Staff(staff(7)));
    let decision = state.decide(&by_staff, arrival, &policy()).unwrap();
    let [event] = decision.events.as_slice() else { panic!("one event") };
    let cancelled = state.booking_after(event).unwrap();
    let by = Canceller::Staff(staff(7));
    assert_eq!(cancelled.status, Status::Cancelled { at: arrival, by });
    assert_eq!(cancelled.charge, Charge::RefundDue);
    state.apply(event);
    assert_eq!(state.booking(booking_id(500)), None);
    assert_eq!(state.occupancy(serial(1), arrival), Some(Occupancy::Free));
}

#[test]
fn a_cancelled_slot_is_free_at_once_and_the_same_submit_books_anew() {
    let mut state = empty();
    assert_eq!(run(&mut state, &submit(1, 1), day_before()), Ok(Reply::Booked(booking_id(900))));
    let mut again = submission(1, 1);
    again.new.id = booking_id(901);
    let again = Command::Submit(again);
    assert_eq!(run(&mut state, &again, day_before()), Ok(Reply::Booked(booking_id(900))));
    let by = CancelBy::Patient(user(1));
    let cancel = Command::Cancel(Cancel { booking: booking_id(900), by });
    assert_eq!(run(&mut state, &cancel, day_before()), Ok(Reply::Done));
    assert_eq!(run(&mut state, &again, day_before()), Ok(Reply::Booked(booking_id(901))));
    assert_eq!(run(&mut state, &cancel, day_before()), Ok(Reply::Done));
    assert_eq!(state.live_bookings().count(), 1);
}
