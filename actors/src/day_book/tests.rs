use domain::{
    BookingCode, Charge, ClinicKind, DepartmentId, Fen, MemberId, Owner, Period, SerialNo, StaffId, Status,
    Timestamp,
};

use super::*;

fn tenant(n: u64) -> TenantId {
    TenantId::new(n).expect("an id")
}

fn date(days: i32) -> Date {
    Date::new(2026, 12, 1).expect("a date").saturating_add_days(days)
}

fn id(n: u64) -> BookingId {
    BookingId::new(n).expect("an id")
}

/// Booked by account `n % 1000`, or by the desk where that is 0.
fn booking(n: u64, days: i32) -> Booking {
    let owner = match UserId::new(n % 1000) {
        Ok(user) => Owner::Account { user, member: MemberId::new(1).expect("an id") },
        Err(_) => Owner::Desk { staff: StaffId::new(7).expect("an id") },
    };
    Booking {
        id: id(n),
        code: BookingCode::new(1).expect("a code"),
        schedule: ScheduleId::new(1 + n % 7).expect("an id"),
        serial: SerialNo::new(1).expect("a serial number"),
        owner,
        patient: PatientId::new(n).expect("an id"),
        date: date(days),
        period: Period::Am,
        starts_at: Timestamp::ZERO,
        department: DepartmentId::new(101).expect("an id"),
        doctor: None,
        kind: ClinicKind::Expert,
        fee: Fen::ZERO,
        booked_at: Timestamp::ZERO,
        status: Status::Booked,
        charge: Charge::Unpaid,
        checked_in_at: None,
    }
}

/// Seen to catch: a number below those of the day that was put at the end.
#[test]
fn bookings_are_found_by_day_and_by_number() {
    let book = DayBook::new();
    // Actors commit side by side, so numbers come in any order, and a reloaded schedule tells all of them again.
    for n in [5, 3, 9, 3, 1, 2000, 4, 9] {
        book.enter(tenant(1), &booking(n, 0));
    }
    book.enter(tenant(1), &booking(6, 1));
    book.enter(tenant(1), &booking(7, 3));
    book.enter(tenant(2), &booking(8, 0));

    let numbers = |days: RangeInclusive<i32>| -> Vec<u64> {
        let (first, last) = days.into_inner();
        book.of_days(tenant(1), date(first)..=date(last)).iter().map(|entry| entry.booking.get()).collect()
    };
    assert_eq!(numbers(0..=0), [1, 3, 4, 5, 9, 2000]);
    assert_eq!(numbers(0..=2), [1, 3, 4, 5, 9, 2000, 6]);
    assert_eq!(numbers(1..=3), [6, 7]);
    assert_eq!(numbers(1..=0), [0_u64; 0]);
    assert_eq!(book.len(), 9);

    for n in [1, 3, 4, 5, 6, 7, 9, 2000] {
        let days = match n {
            6 => 1,
            7 => 3,
            _ => 0,
        };
        assert_eq!(book.find(tenant(1), id(n)), Some(DayEntry::of(&booking(n, days))), "{n}");
    }
    assert_eq!(book.find(tenant(1), id(2000)).map(|entry| entry.owner), Some(BookingOwner::Desk));
    assert_eq!(book.find(tenant(1), id(8)), None, "another clinic's");
    assert_eq!(book.find(tenant(2), id(8)).map(|entry| entry.patient.get()), Some(8));
}

/// Seen to catch: a vector left to double.
#[test]
fn a_hundred_thousand_bookings_take_four_megabytes() {
    let book = DayBook::new();
    for n in 1..=100_000 {
        book.enter(tenant(1), &booking(n, (n % 200) as i32));
    }
    assert_eq!(book.len(), 100_000);
    assert!(book.bytes() <= 4_000_000, "{} bytes", book.bytes());
}
