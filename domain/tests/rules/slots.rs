//! What every occupancy of a slot means to whoever wants it.

use domain::*;

use crate::clinic::*;

/// The slot 1 of a schedule, by its name in the table.
fn state(occupancy: &str, now: Timestamp) -> ScheduleState {
    let owned_by = |owner| with(Booking { owner, ..booking() });
    let held = |user: u64, since: Timestamp| {
        let mut state = empty();
        run(&mut state, &presubmit(user, 1), since).unwrap();
        state
    };
    let expired = now.minus(minutes(5));
    match occupancy {
        "free" => empty(),
        "held by me" => held(1, now),
        "held by me, expired" => held(1, expired),
        "held by another" => held(2, now),
        "held by another, expired" => held(2, expired),
        "booked by me" => owned_by(Owner::Account { user: user(1), member: member(11) }),
        "booked by me for another" => owned_by(Owner::Account { user: user(1), member: member(99) }),
        "booked by another" => owned_by(Owner::Account { user: user(2), member: member(12) }),
        "booked at this desk" => {
            let owner = Owner::Desk { staff: staff(7) };
            with(Booking { owner, patient: patient(170), ..booking() })
        }
        "booked at this desk for another" => owned_by(Owner::Desk { staff: staff(7) }),
        "booked at another desk" => {
            let owner = Owner::Desk { staff: staff(8) };
            with(Booking { owner, patient: patient(170), ..booking() })
        }
        "desk only" => {
            let slots = vec![desk_only(1, "08:00")];
            ScheduleState::new(Schedule { slots, ..schedule() }, []).unwrap()
        }
        other => panic!("no such occupancy: {other}"),
    }
}

/// Seen to catch: an expired hold that still kept others away; a hold that let its user's
/// neighbour pass; a repeat found by user alone, so that a second member got the first one's
/// booking.
#[test]
fn every_occupancy_and_whoever_wants_it() {
    let now = day_before();
    let me = presubmit(1, 1);
    let book = submit(1, 1);
    let desk = Command::Submit(desk_submission(1));
    let desk_for_me = Command::Submit(submission_at_desk(1, 1));
    let (new, old) = (Ok("new"), Ok("old"));
    let taken = Err(Rejection::SlotTaken);
    let held = Err(Rejection::SlotHeld);
    #[rustfmt::skip]
    let table = [
        // occupancy                        presubmit   submit   desk     desk for me
        ("free",                            Ok("hold"), new,     new,     new),
        ("held by me",                      Ok("hold"), new,     held,    new),
        ("held by me, expired",             Ok("hold"), new,     new,     new),
        ("held by another",                 held,       held,    held,    held),
        ("held by another, expired",        Ok("hold"), new,     new,     new),
        ("booked by me",                    taken,      old,     taken,   old),
        ("booked by me for another",        taken,      taken,   taken,   taken),
        ("booked by another",               taken,      taken,   taken,   taken),
        ("booked at this desk",             taken,      taken,   old,     taken),
        ("booked at this desk for another", taken,      taken,   taken,   taken),
        ("booked at another desk",          taken,      taken,   taken,   taken),
        ("desk only",                       taken,      taken,   new,     new),
    ];
    for (occupancy, presubmit, submit, at_desk, for_me) in table {
        let wishes = [(&me, presubmit), (&book, submit), (&desk, at_desk), (&desk_for_me, for_me)];
        for (command, expected) in wishes {
            let mut state = state(occupancy, now);
            let outcome = match run(&mut state, command, now) {
                Ok(Reply::Held { .. }) => Ok("hold"),
                Ok(Reply::Booked(id)) if id == booking_id(900) => Ok("new"),
                Ok(Reply::Booked(_)) => Ok("old"),
                Ok(Reply::Done | Reply::RefundDue) => Ok("other"),
                Err(rejection) => Err(rejection),
            };
            assert_eq!(outcome, expected, "{occupancy}: {command:?}");
            let occupancy = state.occupancy(serial(1), now).unwrap();
            match outcome {
                Ok("hold") => assert!(matches!(occupancy, Occupancy::Held(_))),
                Ok("new") => assert_eq!(occupancy, Occupancy::Booked(booking_id(900))),
                Ok(_) | Err(_) => {}
            }
        }
    }
}

#[test]
fn a_booking_is_made_of_the_schedule_and_the_command() {
    let mut state = empty();
    run(&mut state, &submit(1, 1), day_before()).unwrap();
    let expected = Booking {
        id: booking_id(900),
        code: BookingCode::new(9).unwrap(),
        booked_at: day_before(),
        ..booking()
    };
    assert_eq!(state.booking(booking_id(900)), Some(&expected));
}

#[test]
fn a_booking_of_the_desk_has_its_patient_and_no_account() {
    let mut state = empty();
    let desk = Command::Submit(desk_submission(4));
    assert_eq!(run(&mut state, &desk, day_before()), Ok(Reply::Booked(booking_id(900))));
    let booking = state.booking(booking_id(900)).unwrap();
    assert_eq!(booking.owner, Owner::Desk { staff: staff(7) });
    assert_eq!(booking.patient, patient(170));
    assert_eq!(booking.user(), None);
}

/// Seen to catch: a repeat that did not look at the patient; a booking without its account; an account's limit that
/// the desk passed.
#[test]
fn a_booking_of_the_desk_for_a_member_is_the_accounts() {
    let mut state = empty();
    run(&mut state, &presubmit(1, 2), day_before()).unwrap();
    let submission = submission_at_desk(1, 4);
    let desk = Command::Submit(submission.clone());
    assert_eq!(run(&mut state, &desk, day_before()), Ok(Reply::Booked(booking_id(900))));
    assert!(!state.holds_for(user(1), day_before()), "as with any booking, the hold elsewhere ends");
    let booking = state.booking(booking_id(900)).unwrap();
    assert_eq!(booking.owner, Owner::Account { user: user(1), member: member(11) });
    assert_eq!(booking.patient, patient(111));
    assert_eq!(run(&mut state, &desk, day_before()), Ok(Reply::Booked(booking_id(900))), "a repeat");
    let for_another = Command::Submit(Submit { patient: Some(facts(112)), ..submission.clone() });
    assert_eq!(run(&mut state, &for_another, day_before()), Err(Rejection::SlotTaken));

    let booker = Booker::DeskForMember { user: user(1), member: member(11), active: 10 };
    let full = Command::Submit(Submit { booker, ..submission });
    assert_eq!(run(&mut empty(), &full, day_before()), Err(Rejection::ActiveLimit));
}

#[test]
fn free_slots_are_those_a_patient_could_take_now() {
    let mut state = with(Booking { serial: serial(2), ..booking() });
    let now = day_before();
    let free = |state: &ScheduleState, now| -> Vec<u16> {
        let zone = zone();
        state.bookable_slots(now, &zone).map(|plan| plan.serial.get()).collect()
    };
    assert_eq!(free(&state, now), [1, 3]);
    run(&mut state, &presubmit(2, 3), now).unwrap();
    assert_eq!(free(&state, now), [1]);
    assert_eq!(free(&state, now.plus(minutes(5))), [1, 3]);
    assert_eq!(free(&state, at("2026-12-01 08:00")), [3]);
    assert_eq!(free(&state, at("2026-12-01 08:20")), [0_u16; 0]);
}

#[test]
fn a_schedule_is_released_at_its_time_and_no_sooner() {
    let mut policy = policy();
    policy.release_time = TimeOfDay::parse("07:30").unwrap();
    let admits = |now| schedule().admits(at(now), &policy);
    assert_eq!(admits("2026-11-17 07:29"), Err(Rejection::NotReleased));
    assert_eq!(admits("2026-11-17 07:30"), Ok(()));
    assert_eq!(admits("2026-12-02 00:00"), Ok(()));
    assert_eq!(stopped().admits(day_before(), &policy), Err(Rejection::Stopped));
}

#[test]
fn bookings_that_cannot_be_are_refused_at_the_door() {
    let broken = |bookings: Vec<Booking>| {
        ScheduleState::new(schedule(), bookings).map_err(|broken| broken.invariant).err()
    };
    let other = || Booking { id: booking_id(501), serial: serial(2), ..booking() };
    assert_eq!(broken(vec![booking(), other()]), None);
    let same_slot = Booking { serial: serial(1), ..other() };
    assert_eq!(broken(vec![booking(), same_slot]), Some(Invariant::OneBookingPerSlot));
    let same_id = Booking { id: booking_id(500), ..other() };
    assert_eq!(broken(vec![booking(), same_id]), Some(Invariant::OneBookingPerSlot));
    let no_slot = Booking { serial: serial(77), ..booking() };
    assert_eq!(broken(vec![no_slot]), Some(Invariant::OneBookingPerSlot));
    let elsewhere = Booking { schedule: ScheduleId::new(1).unwrap(), ..booking() };
    assert_eq!(broken(vec![elsewhere]), Some(Invariant::BookingFitsSchedule));
    let afternoon = Booking { period: Period::Pm, ..booking() };
    assert_eq!(broken(vec![afternoon]), Some(Invariant::BookingFitsSchedule));
    let in_stopped = ScheduleState::new(stopped(), [booking()]).unwrap_err();
    assert_eq!(in_stopped.invariant, Invariant::StoppedIsEmpty);
    assert_eq!(in_stopped.to_string(), "INV-5 is broken in schedule 3001");
}
