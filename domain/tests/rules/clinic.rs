//! A small clinic for the tests: one schedule on 2026-12-01, and people to book in it.

use std::time::Duration;

use domain::*;

pub(crate) fn user(n: u64) -> UserId {
    UserId::new(n).unwrap()
}

pub(crate) fn member(n: u64) -> MemberId {
    MemberId::new(n).unwrap()
}

pub(crate) fn patient(n: u64) -> PatientId {
    PatientId::new(n).unwrap()
}

pub(crate) fn staff(n: u64) -> StaffId {
    StaffId::new(n).unwrap()
}

pub(crate) fn booking_id(n: u64) -> BookingId {
    BookingId::new(n).unwrap()
}

pub(crate) fn serial(n: u16) -> SerialNo {
    SerialNo::new(n).unwrap()
}

pub(crate) fn reason() -> Reason {
    Reason::parse("医生外出").unwrap()
}

pub(crate) fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

pub(crate) fn zone() -> ClinicZone {
    ClinicZone::fixed_hours(8)
}

pub(crate) fn policy() -> Policy {
    Policy::standard(zone())
}

/// An instant of the clinic, from `2026-12-01 08:00`.
pub(crate) fn at(text: &str) -> Timestamp {
    let (date, time) = text.split_once(' ').unwrap();
    zone().instant(Date::parse(date).unwrap(), TimeOfDay::parse(time).unwrap())
}

/// Noon of the day before the visit: released, and long before every deadline.
pub(crate) fn day_before() -> Timestamp {
    at("2026-11-30 12:00")
}

pub(crate) fn plan(number: u16, time: &str) -> SlotPlan {
    SlotPlan { serial: serial(number), time: TimeOfDay::parse(time).unwrap(), channel: Channel::Online }
}

pub(crate) fn desk_only(number: u16, time: &str) -> SlotPlan {
    SlotPlan { channel: Channel::DeskOnly, ..plan(number, time) }
}

/// Slots 1 to 3 at 08:00, 08:10 and 08:20, and 4 at 08:30 for the desk only.
pub(crate) fn schedule() -> Schedule {
    Schedule {
        id: ScheduleId::new(3001).unwrap(),
        department: DepartmentId::new(101).unwrap(),
        doctor: DoctorId::new(2001).ok(),
        date: Date::parse("2026-12-01").unwrap(),
        period: Period::Am,
        kind: ClinicKind::Expert,
        fee: Fen::parse_yuan("50.00").unwrap(),
        location: String::from("二楼"),
        slots: vec![plan(1, "08:00"), plan(2, "08:10"), plan(3, "08:20"), desk_only(4, "08:30")],
        standing: Standing::Open,
    }
}

pub(crate) fn stopped() -> Schedule {
    let standing = Standing::Stopped { at: at("2026-11-29 09:00"), by: staff(9) };
    Schedule { standing, ..schedule() }
}

/// User 1's booking of slot 1, number 500, for member 11, who is patient 111.
pub(crate) fn booking() -> Booking {
    Booking {
        id: booking_id(500),
        code: BookingCode::new(5).unwrap(),
        schedule: ScheduleId::new(3001).unwrap(),
        serial: serial(1),
        owner: Owner::Account { user: user(1), member: member(11) },
        patient: patient(111),
        date: Date::parse("2026-12-01").unwrap(),
        period: Period::Am,
        starts_at: at("2026-12-01 08:00"),
        department: DepartmentId::new(101).unwrap(),
        doctor: DoctorId::new(2001).ok(),
        kind: ClinicKind::Expert,
        fee: Fen::parse_yuan("50.00").unwrap(),
        booked_at: at("2026-11-20 10:00"),
        status: Status::Booked,
        charge: Charge::Unpaid,
        checked_in_at: None,
    }
}

pub(crate) fn empty() -> ScheduleState {
    ScheduleState::new(schedule(), []).unwrap()
}

pub(crate) fn with(booking: Booking) -> ScheduleState {
    ScheduleState::new(schedule(), [booking]).unwrap()
}

/// A patient about whom there is nothing to say.
pub(crate) fn facts(n: u64) -> PatientFacts {
    PatientFacts { patient: patient(n), same_half_day: None, other_half_day: None, barred_until: None }
}

pub(crate) fn presubmit(user_number: u64, slot: u16) -> Command {
    Command::Presubmit(Presubmit { user: user(user_number), serial: serial(slot), active: 0, other_holds: 0 })
}

/// User 1 books for member 11, who is patient 111; user 2 for member 12, patient 112; and so on.
pub(crate) fn submission(user_number: u64, slot: u16) -> Submit {
    Submit {
        serial: serial(slot),
        booker: Booker::Patient { user: user(user_number), member: member(10 + user_number), active: 0 },
        patient: Some(facts(110 + user_number)),
        new: NewBooking { id: booking_id(900), code: BookingCode::new(9).unwrap() },
    }
}

pub(crate) fn submit(user_number: u64, slot: u16) -> Command {
    Command::Submit(submission(user_number, slot))
}

/// Staff 7 books for patient 170.
pub(crate) fn desk_submission(slot: u16) -> Submit {
    Submit { booker: Booker::Desk { staff: staff(7) }, patient: Some(facts(170)), ..submission(1, slot) }
}

/// The desk books for the same member as [`submission`].
pub(crate) fn submission_at_desk(user_number: u64, slot: u16) -> Submit {
    let (user, member) = (user(user_number), member(10 + user_number));
    Submit { booker: Booker::DeskForMember { user, member, active: 0 }, ..submission(user_number, slot) }
}

pub(crate) fn cancel(by: CancelBy) -> Command {
    Command::Cancel(Cancel { booking: booking_id(500), by })
}

pub(crate) fn stop() -> Command {
    Command::Stop(Stop { staff: staff(7), reason: reason() })
}

pub(crate) fn reopen() -> Command {
    Command::Reopen(Reopen { staff: staff(7) })
}

/// Decides and applies; the reply, or the rejection.
pub(crate) fn run(state: &mut ScheduleState, command: &Command, now: Timestamp) -> Result<Reply, Rejection> {
    let decision = state.decide(command, now, &policy())?;
    for event in &decision.events {
        state.apply(event);
    }
    Ok(decision.reply)
}
