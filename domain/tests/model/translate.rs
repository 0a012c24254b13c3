//! From the words of the paper to the types of the crate.

use std::time::Duration;

use domain::*;

use crate::naive::{self, Ask, By, Rules, VISIT_DAY, midnight};

pub(crate) fn day(number: i64) -> Date {
    Date::from_ordinal(i32::try_from(number).unwrap()).unwrap()
}

pub(crate) fn plan(slot: u16, start: i64, desk_only: bool) -> SlotPlan {
    let minutes = (start - midnight(VISIT_DAY)) / naive::MINUTE;
    SlotPlan {
        serial: SerialNo::new(slot).unwrap(),
        time: TimeOfDay::from_minutes(u16::try_from(minutes).unwrap()).unwrap(),
        channel: if desk_only { Channel::DeskOnly } else { Channel::Online },
    }
}

pub(crate) fn policy(rules: &Rules, zone: ClinicZone) -> Policy {
    let duration = |millis: i64| Duration::from_millis(millis.unsigned_abs());
    let release = u16::try_from(rules.release / naive::MINUTE).unwrap();
    let visits = if rules.one_visit_a_day { DailyVisits::One } else { DailyVisits::Two };
    Policy {
        hold: duration(rules.hold),
        hold_limit: duration(rules.hold_limit),
        max_holds_per_user: rules.max_holds,
        horizon_days: u16::try_from(rules.horizon_days).unwrap(),
        release_time: TimeOfDay::from_minutes(release).unwrap(),
        cancel_before: duration(rules.cancel_before),
        visits_per_patient_per_day: visits,
        max_active_per_user: rules.max_active,
        no_show: NoShowPolicy { limit: u16::from(rules.bans), window_days: 1, ban_days: 1 },
        zone,
    }
}

pub(crate) fn command(ask: &Ask, next_id: u64) -> Command {
    let staff = |id| StaffId::new(id).unwrap();
    let reason = || Reason::parse("测试").unwrap();
    let id = |booking: u64| BookingId::new(booking).unwrap();
    match ask {
        Ask::Presubmit { user, slot, active, other_holds } => Command::Presubmit(Presubmit {
            user: UserId::new(*user).unwrap(),
            serial: SerialNo::new(*slot).unwrap(),
            active: *active,
            other_holds: *other_holds,
        }),
        Ask::Submit { slot, booker, patient } => Command::Submit(Submit {
            serial: SerialNo::new(*slot).unwrap(),
            booker: match *booker {
                naive::Booker::User { user, member, active } => Booker::Patient {
                    user: UserId::new(user).unwrap(),
                    member: MemberId::new(member).unwrap(),
                    active,
                },
                naive::Booker::DeskFor { user, member, active } => Booker::DeskForMember {
                    user: UserId::new(user).unwrap(),
                    member: MemberId::new(member).unwrap(),
                    active,
                },
                naive::Booker::Desk { staff: id } => Booker::Desk { staff: staff(id) },
            },
            patient: patient.map(|facts| PatientFacts {
                patient: PatientId::new(facts.patient).unwrap(),
                same_half_day: facts.same_half_day.then(|| id(1)),
                other_half_day: facts.other_half_day.then(|| id(1)),
                barred_until: facts.barred_until.map(day),
            }),
            new: NewBooking { id: id(next_id), code: code(next_id) },
        }),
        Ask::Cancel { booking, by } => {
            let by = match *by {
                By::User(user) => CancelBy::Patient(UserId::new(user).unwrap()),
                By::Staff(id) | By::Stop(id) => CancelBy::Staff(staff(id)),
                By::Unpaid => CancelBy::Unpaid,
            };
            Command::Cancel(Cancel { booking: id(*booking), by })
        }
        Ask::CheckIn { booking } => Command::CheckIn(CheckIn { booking: id(*booking), staff: staff(1) }),
        Ask::Paid { booking, in_cash } => {
            let by = if *in_cash { PaidBy::Desk(staff(1)) } else { PaidBy::Provider };
            Command::Paid(Paid { booking: id(*booking), paid_at: Timestamp::ZERO, by })
        }
        Ask::NoShow { booking } => Command::NoShow(NoShow { booking: id(*booking) }),
        Ask::Correct { booking } => {
            let booking = id(*booking);
            Command::Correct(Correct { booking, staff: staff(1), reason: reason() })
        }
        Ask::AddSlots(slots) => {
            let slots = slots.iter().map(|(slot, start, desk)| plan(*slot, *start, *desk)).collect();
            Command::AddSlots(AddSlots { slots, staff: staff(1), reason: reason() })
        }
        Ask::Stop { staff: id } => Command::Stop(Stop { staff: staff(*id), reason: reason() }),
        Ask::Reopen => Command::Reopen(Reopen { staff: staff(1) }),
        Ask::Relocate { place, doctor } => Command::Relocate(Relocate {
            location: place.map(String::from),
            doctor: doctor.map(|id| DoctorId::new(id).unwrap()),
            staff: staff(1),
        }),
    }
}

fn code(id: u64) -> BookingCode {
    BookingCode::new(u32::try_from(id).unwrap()).unwrap()
}

/// A line of the paper as the crate would write it.
pub(crate) fn written(row: &naive::Row, fee: u32, booked_at: Timestamp) -> Booking {
    let at = Timestamp::from_millis(row.status_at);
    let by = match row.cancelled_by {
        None | Some(By::User(_)) => Canceller::Patient,
        Some(By::Staff(id)) => Canceller::Staff(StaffId::new(id).unwrap()),
        Some(By::Stop(id)) => Canceller::Stop(StaffId::new(id).unwrap()),
        Some(By::Unpaid) => Canceller::Unpaid,
    };
    let status = match row.status {
        0 => Status::Booked,
        1 => Status::Cancelled { at, by },
        2 => Status::Registered { at },
        _ => Status::NoShow { at },
    };
    let owner = match row.booker {
        naive::Booker::User { user, member, .. } | naive::Booker::DeskFor { user, member, .. } => {
            Owner::Account { user: UserId::new(user).unwrap(), member: MemberId::new(member).unwrap() }
        }
        naive::Booker::Desk { staff } => Owner::Desk { staff: StaffId::new(staff).unwrap() },
    };
    Booking {
        id: BookingId::new(row.id).unwrap(),
        code: code(row.id),
        schedule: ScheduleId::new(1).unwrap(),
        serial: SerialNo::new(row.slot).unwrap(),
        owner,
        patient: PatientId::new(row.patient).unwrap(),
        date: day(VISIT_DAY),
        period: Period::Am,
        starts_at: Timestamp::from_millis(row.starts_at),
        department: DepartmentId::new(1).unwrap(),
        doctor: DoctorId::new(row.doctor).ok(),
        kind: ClinicKind::Expert,
        fee: Fen::new(fee).unwrap(),
        booked_at,
        status,
        charge: Charge::from_tag(row.charge).unwrap(),
        checked_in_at: row.seen_at.map(Timestamp::from_millis),
    }
}

/// The name of a rejection, as the paper has it.
pub(crate) fn name(rejection: Rejection) -> &'static str {
    let name = format!("{rejection:?}");
    naive::ORDER.into_iter().find(|one| *one == name).unwrap_or("not on the paper")
}
