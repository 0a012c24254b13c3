//! What the clinic does to a schedule as a whole.

use domain::*;

use crate::clinic::*;

fn large() -> Schedule {
    let slots = (1..=500).map(|number| plan(number, "08:00")).collect();
    Schedule { slots, ..schedule() }
}

fn add(slots: Vec<SlotPlan>) -> Command {
    Command::AddSlots(AddSlots { slots, staff: staff(7), reason: reason() })
}

fn relocate(location: Option<&str>, doctor: Option<u64>) -> Command {
    Command::Relocate(Relocate {
        location: location.map(String::from),
        doctor: doctor.map(|id| DoctorId::new(id).unwrap()),
        staff: staff(7),
    })
}

#[test]
fn stopping_five_hundred_bookings_is_one_decision() {
    let bookings = (1..=500_u16).map(|number| {
        let (status, charge) = match number % 2 {
            0 => (Status::Booked, Charge::Unpaid),
            _ => (Status::Registered { at: day_before() }, Charge::Paid),
        };
        let id = booking_id(1000 + u64::from(number));
        Booking { id, serial: serial(number), status, charge, ..booking() }
    });
    let mut state = ScheduleState::new(large(), bookings).unwrap();
    let decision = state.decide(&stop(), day_before(), &policy()).unwrap();
    assert_eq!(decision.events.len(), 501);
    assert!(!decision.is_volatile());
    let mut refunds = 0;
    for event in &decision.events {
        if let Event::Cancelled { charge, by, .. } = event {
            refunds += u16::from(*charge == Charge::RefundDue);
            assert_eq!(*by, Canceller::Stop(staff(7)));
        }
        state.apply(event);
    }
    assert_eq!(refunds, 250);
    assert_eq!(state.bookings().count(), 0);
    assert!(state.schedule().is_stopped());
}

#[test]
fn a_stop_ends_holds_and_a_reopening_frees_the_slots() {
    let mut state = with(booking());
    run(&mut state, &presubmit(2, 2), day_before()).unwrap();
    assert_eq!(run(&mut state, &stop(), day_before()), Ok(Reply::Done));
    assert!(!state.holds_alive(day_before()));
    let standing = Standing::Stopped { at: day_before(), by: staff(7) };
    assert_eq!(state.schedule().standing, standing);
    assert_eq!(run(&mut state, &submit(1, 1), day_before()), Err(Rejection::Stopped));
    assert_eq!(run(&mut state, &reopen(), day_before()), Ok(Reply::Done));
    assert!(state.slots().all(|slot| slot.occupancy == Occupancy::Free));
    assert!(run(&mut state, &submit(1, 1), day_before()).is_ok());
}

#[test]
fn stopping_twice_and_reopening_twice_change_nothing() {
    let mut state = empty();
    run(&mut state, &stop(), day_before()).unwrap();
    let later = day_before().plus(minutes(1));
    let again = state.decide(&stop(), later, &policy()).unwrap();
    assert_eq!(again, Decision { events: vec![], reply: Reply::Done });
    run(&mut state, &reopen(), later).unwrap();
    let again = state.decide(&reopen(), later, &policy()).unwrap();
    assert_eq!(again, Decision { events: vec![], reply: Reply::Done });
}

#[test]
fn added_slots_fall_into_their_places() {
    let mut state = with(Booking { serial: serial(3), ..booking() });
    let new = vec![plan(9, "09:00"), plan(5, "08:30"), desk_only(7, "08:45")];
    assert_eq!(run(&mut state, &add(new.clone()), day_before()), Ok(Reply::Done));
    let serials: Vec<_> = state.slots().map(|slot| slot.plan.serial.get()).collect();
    assert_eq!(serials, [1, 2, 3, 4, 5, 7, 9]);
    let booked = Occupancy::Booked(booking_id(500));
    assert_eq!(state.occupancy(serial(3), day_before()), Some(booked));
    assert_eq!(state.occupancy(serial(5), day_before()), Some(Occupancy::Free));
    let repeat = state.decide(&add(new), day_before(), &policy()).unwrap();
    assert_eq!(repeat, Decision { events: vec![], reply: Reply::Done });
    assert!(run(&mut state, &submit(1, 9), day_before()).is_ok());
}

#[test]
fn added_slots_go_between_others_where_numbers_are_left() {
    let slots = vec![plan(10, "08:00"), plan(20, "08:10")];
    let mut state =
        ScheduleState::new(Schedule { slots, ..schedule() }, [Booking { serial: serial(20), ..booking() }])
            .unwrap();
    let new = vec![plan(15, "08:05"), plan(5, "08:00")];
    assert_eq!(run(&mut state, &add(new), day_before()), Ok(Reply::Done));
    let booked = Occupancy::Booked(booking_id(500));
    let occupancies: Vec<_> = state.slots().map(|slot| slot.occupancy).collect();
    assert_eq!(occupancies, [Occupancy::Free, Occupancy::Free, Occupancy::Free, booked]);
}

#[test]
fn slots_that_do_not_fit_are_refused_all_together() {
    let refusal = |slots| empty().decide(&add(slots), day_before(), &policy()).err();
    let twice = vec![plan(5, "08:40"), plan(5, "08:40")];
    assert_eq!(refusal(twice), Some(Rejection::DuplicateSerial));
    let there = vec![plan(5, "08:40"), plan(1, "08:00")];
    assert_eq!(refusal(there), Some(Rejection::DuplicateSerial));
    let early = vec![plan(5, "08:29")];
    assert_eq!(refusal(early), Some(Rejection::SlotsOutOfOrder));
    let most = (5..=500).map(|number| plan(number, "09:00"));
    assert_eq!(refusal(most.clone().collect()), None);
    let one_more = most.chain([plan(501, "09:00")]);
    assert_eq!(refusal(one_more.collect()), Some(Rejection::TooManySlots));
    assert_eq!(refusal(vec![]), None);
}

#[test]
fn moving_a_schedule_leaves_bookings_as_they_were_made() {
    let mut state = with(booking());
    let all = relocate(Some("三楼"), Some(2002));
    assert_eq!(run(&mut state, &all, day_before()), Ok(Reply::Done));
    assert_eq!(state.schedule().location, "三楼");
    assert_eq!(state.schedule().doctor, DoctorId::new(2002).ok());
    assert_eq!(state.booking(booking_id(500)), Some(&booking()));
    let repeat = state.decide(&all, day_before(), &policy()).unwrap();
    assert_eq!(repeat.events, []);
    run(&mut state, &submit(1, 2), day_before()).unwrap();
    let new = state.booking(booking_id(900)).unwrap();
    assert_eq!(new.doctor, DoctorId::new(2002).ok());
}

#[test]
fn only_what_is_new_is_told() {
    let state = empty();
    let half = relocate(Some("二楼"), Some(2002));
    let decision = state.decide(&half, day_before(), &policy()).unwrap();
    let doctor = DoctorId::new(2002).ok();
    let event = Event::Relocated { location: None, doctor, at: day_before(), by: staff(7) };
    assert_eq!(decision.events, [event]);
    let nothing = relocate(None, None);
    let decision = state.decide(&nothing, day_before(), &policy()).unwrap();
    assert_eq!(decision.events, []);
}

/// Whoever writes a changed schedule down uses the same `apply` as the state does.
#[test]
fn a_plan_kept_elsewhere_follows_the_events() {
    let mut state = empty();
    let mut kept = schedule();
    let commands = [add(vec![plan(5, "08:40")]), relocate(Some("三楼"), None), stop(), reopen()];
    for command in commands {
        let decision = state.decide(&command, day_before(), &policy()).unwrap();
        for event in &decision.events {
            state.apply(event);
            kept.apply(event);
        }
        assert_eq!(state.schedule(), &kept);
    }
}
