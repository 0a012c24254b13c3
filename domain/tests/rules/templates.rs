//! Which schedules a day is to have.

use domain::*;

fn date(text: &str) -> Date {
    Date::parse(text).unwrap()
}

fn time(text: &str) -> TimeOfDay {
    TimeOfDay::parse(text).unwrap()
}

fn grid(start: &str, end: &str, pace: Pace) -> Result<SlotGrid, GridError> {
    SlotGrid::new(time(start), time(end), pace)
}

fn department(n: u64) -> DepartmentId {
    DepartmentId::new(n).unwrap()
}

fn doctor(n: u64) -> DoctorId {
    DoctorId::new(n).unwrap()
}

/// Tuesday mornings of doctor 2001 in department 101, for the whole of 2026.
fn template() -> Template {
    Template {
        department: department(101),
        doctor: Some(doctor(2001)),
        weekday: Weekday::Tuesday,
        period: Period::Am,
        grid: grid("08:00", "09:00", Pace::Every(20)).unwrap(),
        desk_only: 1,
        kind: ClinicKind::Expert,
        fee: Fen::new(5_000).unwrap(),
        location: "二楼201".to_owned(),
        valid_from: date("2026-01-01"),
        valid_through: Some(date("2026-12-31")),
    }
}

fn holiday(scope: Scope, first: &str, last: &str) -> DayException {
    DayException { scope, change: DayChange::Holiday { first: date(first), last: date(last) } }
}

fn swapped(scope: Scope, day: &str, like: Weekday) -> DayException {
    DayException { scope, change: DayChange::Swapped { date: date(day), like } }
}

fn times(grid: SlotGrid) -> Vec<String> {
    grid.slots(0).iter().map(|slot| slot.time.to_string()).collect()
}

#[test]
fn a_grid_ends_before_its_end() {
    let every = |end, minutes| times(grid("08:00", end, Pace::Every(minutes)).unwrap());
    assert_eq!(every("09:00", 20), ["08:00", "08:20", "08:40"]);
    assert_eq!(every("09:01", 20), ["08:00", "08:20", "08:40", "09:00"]);
    assert_eq!(every("08:01", 240), ["08:00"]);
    let spread = |end, slots| times(grid("08:00", end, Pace::Slots(slots)).unwrap());
    assert_eq!(spread("09:00", 3), ["08:00", "08:20", "08:40"]);
    assert_eq!(spread("09:00", 7), ["08:00", "08:08", "08:17", "08:25", "08:34", "08:42", "08:51"]);
    assert_eq!(spread("08:02", 4), ["08:00", "08:00", "08:01", "08:01"]);
    assert_eq!(spread("23:59", 1), ["08:00"]);
}

#[test]
fn a_grid_has_one_to_five_hundred_slots_in_order() {
    for (start, end, pace, error) in [
        ("08:00", "08:00", Pace::Every(10), GridError::EndsBeforeStart),
        ("08:00", "07:59", Pace::Slots(1), GridError::EndsBeforeStart),
        ("08:00", "12:00", Pace::Every(0), GridError::IntervalOutOfRange),
        ("08:00", "12:00", Pace::Every(241), GridError::IntervalOutOfRange),
        ("08:00", "12:00", Pace::Slots(0), GridError::NoSlots),
        ("08:00", "12:00", Pace::Slots(501), GridError::TooManySlots),
        ("08:00", "12:00", Pace::Slots(u16::MAX), GridError::TooManySlots),
        ("00:00", "08:21", Pace::Every(1), GridError::TooManySlots),
    ] {
        assert_eq!(grid(start, end, pace), Err(error), "{start} {end} {pace:?}");
    }
    assert_eq!(grid("00:00", "08:20", Pace::Every(1)).unwrap().slots(0).len(), 500);
    for pace in (1..=240).map(Pace::Every).chain((1..=500).map(Pace::Slots)) {
        for (start, end) in [("00:00", "00:01"), ("06:30", "12:45"), ("12:00", "20:20"), ("23:00", "23:59")] {
            let grid = grid(start, end, pace).unwrap();
            let slots = grid.slots(0);
            assert_eq!(slots.len(), usize::from(grid.count()), "{grid:?}");
            assert_eq!(slots[0].time, grid.start());
            assert!(slots.iter().all(|slot| slot.time < grid.end()), "{grid:?}");
            let id = ScheduleId::new(1).unwrap();
            let plan = PlannedSchedule { slots, ..plan_of(&template(), "2026-12-01") };
            assert_eq!(plan.numbered(id).validate(), Ok(()), "{grid:?}");
        }
    }
}

fn plan_of(template: &Template, day: &str) -> PlannedSchedule {
    let mut plans = wanted(std::slice::from_ref(template), &[], date(day));
    assert_eq!(plans.len(), 1);
    plans.remove(0)
}

/// Seen to fail when the first slots were kept for the desk.
#[test]
fn the_last_slots_are_for_the_desk_alone() {
    for desk_only in 0..=3 {
        let template = Template { desk_only, ..template() };
        assert_eq!(template.validate(), Ok(()));
        let channels: Vec<_> = template.slots().iter().map(|slot| slot.channel).collect();
        let expected: Vec<_> = (0..3)
            .map(|index| if index < 3 - desk_only { Channel::Online } else { Channel::DeskOnly })
            .collect();
        assert_eq!(channels, expected);
    }
    assert_eq!(Template { desk_only: 4, ..template() }.validate(), Err(TemplateError::TooManyForDesk));
}

#[test]
fn a_template_lies_in_its_half_day_and_in_the_calendar() {
    let at = |start, period| {
        let grid = grid(start, "23:59", Pace::Slots(1)).unwrap();
        Template { grid, period, ..template() }.validate()
    };
    assert_eq!(at("12:59", Period::Am), Ok(()));
    assert_eq!(at("13:00", Period::Am), Err(TemplateError::OutsidePeriod));
    assert_eq!(at("12:00", Period::Pm), Ok(()));
    assert_eq!(at("11:59", Period::Pm), Err(TemplateError::OutsidePeriod));
    let until = |day| Template { valid_through: Some(date(day)), ..template() }.validate();
    assert_eq!(until("2026-01-01"), Ok(()));
    assert_eq!(until("2025-12-31"), Err(TemplateError::NeverValid));
}

/// Seen to fail when the last day of a template was left out.
#[test]
fn a_day_has_what_its_day_of_the_week_has_while_that_is_valid() {
    let open = Template { valid_through: None, ..template() };
    let mut day = date("2025-12-25");
    while day <= date("2027-01-10") {
        let is_tuesday = day.weekday() == Weekday::Tuesday;
        let expected = is_tuesday && day >= date("2026-01-01") && day <= date("2026-12-31");
        assert_eq!(!wanted(&[template()], &[], day).is_empty(), expected, "{day}");
        let expected = is_tuesday && day >= date("2026-01-01");
        assert_eq!(!wanted(std::slice::from_ref(&open), &[], day).is_empty(), expected, "{day}");
        day = day.add_days(1).unwrap();
    }
    let edge =
        Template { valid_from: date("2026-12-01"), valid_through: Some(date("2026-12-01")), ..template() };
    let plan = plan_of(&edge, "2026-12-01");
    assert_eq!((plan.department, plan.doctor), (department(101), Some(doctor(2001))));
    assert_eq!((plan.date, plan.period), (date("2026-12-01"), Period::Am));
    assert_eq!((plan.kind, plan.fee, plan.location.as_str()), (edge.kind, edge.fee, "二楼201"));
    assert_eq!(plan.slots, edge.slots());
}

#[test]
fn templates_overlap_where_they_would_make_two_schedules_for_one_place() {
    let one = template();
    let same = template();
    assert!(one.overlaps(&same) && one.overlaps(&one));
    for other in [
        Template { department: department(102), ..template() },
        Template { doctor: Some(doctor(2002)), ..template() },
        Template { doctor: None, ..template() },
        Template { weekday: Weekday::Wednesday, ..template() },
        Template { period: Period::Pm, ..template() },
        Template { valid_from: date("2027-01-01"), valid_through: None, ..template() },
        Template { valid_from: date("2025-01-01"), valid_through: Some(date("2025-12-31")), ..template() },
    ] {
        assert!(!one.overlaps(&other) && !other.overlaps(&one), "{other:?}");
    }
    for other in [
        Template { valid_from: date("2026-12-31"), valid_through: None, ..template() },
        Template { valid_from: date("2025-01-01"), valid_through: Some(date("2026-01-01")), ..template() },
        Template { valid_from: date("2026-06-01"), valid_through: Some(date("2026-06-01")), ..template() },
        Template { fee: Fen::ZERO, grid: grid("10:00", "11:00", Pace::Slots(1)).unwrap(), ..template() },
    ] {
        assert!(one.overlaps(&other) && other.overlaps(&one), "{other:?}");
    }
}

/// A Tuesday on which doctors 2001 and 2002 see patients in department 101, 2001 also in 102, and the ordinary
/// clinics of both; answered as the (department, doctor) who still do.
fn who(exceptions: &[DayException]) -> Vec<(u64, u64)> {
    let places = [(101, 0), (101, 2001), (101, 2002), (102, 0), (102, 2001)];
    let templates = places.map(|(ward, id)| Template {
        department: department(ward),
        doctor: DoctorId::new(id).ok(),
        ..template()
    });
    let plans = wanted(&templates, exceptions, date("2026-12-01"));
    plans.iter().map(|plan| (plan.department.get(), plan.doctor.map_or(0, DoctorId::get))).collect()
}

/// Seen to fail when a doctor's holiday closed the department, and when the last day of a holiday was worked.
#[test]
fn on_a_holiday_nobody_whom_it_concerns_sees_patients() {
    let all = vec![(101, 0), (101, 2001), (101, 2002), (102, 0), (102, 2001)];
    assert_eq!(who(&[]), all);
    for (first, last) in [("2026-11-01", "2026-11-30"), ("2026-12-02", "2026-12-31")] {
        assert_eq!(who(&[holiday(Scope::Clinic, first, last)]), all);
    }
    for (first, last) in
        [("2026-12-01", "2026-12-01"), ("2026-11-01", "2026-12-01"), ("2026-12-01", "2027-01-01")]
    {
        assert_eq!(who(&[holiday(Scope::Clinic, first, last)]), []);
        let ward = holiday(Scope::Department(department(101)), first, last);
        assert_eq!(who(&[ward]), [(102, 0), (102, 2001)]);
        let person = holiday(Scope::Doctor(doctor(2001)), first, last);
        assert_eq!(who(&[person]), [(101, 0), (101, 2002), (102, 0)]);
        assert_eq!(who(&[person, ward]), [(102, 0)]);
    }
    assert_eq!(holiday(Scope::Clinic, "2026-12-02", "2026-12-01").validate(), Err(EndsBeforeItBegins));
}

/// Seen to fail when the clinic's swapped day outweighed the doctor's, depending on their order.
#[test]
fn a_swapped_day_takes_the_pattern_of_another() {
    let saturday = |exceptions: &[DayException]| wanted(&[template()], exceptions, date("2026-12-05")).len();
    let tuesday = |exceptions: &[DayException]| wanted(&[template()], exceptions, date("2026-12-01")).len();
    assert_eq!((saturday(&[]), tuesday(&[])), (0, 1));
    let like_tuesday = swapped(Scope::Clinic, "2026-12-05", Weekday::Tuesday);
    assert_eq!((saturday(&[like_tuesday]), tuesday(&[like_tuesday])), (1, 1));
    assert_eq!(tuesday(&[swapped(Scope::Clinic, "2026-12-01", Weekday::Saturday)]), 0);
    // The narrower says more about the doctor than the wider, in whatever order they are found.
    let scopes = [Scope::Clinic, Scope::Department(department(101)), Scope::Doctor(doctor(2001))];
    for (index, narrow) in scopes.iter().enumerate() {
        for wide in &scopes[..index] {
            let yes = swapped(*narrow, "2026-12-05", Weekday::Tuesday);
            let no = swapped(*wide, "2026-12-05", Weekday::Sunday);
            assert_eq!((saturday(&[yes, no]), saturday(&[no, yes])), (1, 1), "{narrow:?} {wide:?}");
            let yes = swapped(*wide, "2026-12-05", Weekday::Tuesday);
            let no = swapped(*narrow, "2026-12-05", Weekday::Sunday);
            assert_eq!((saturday(&[yes, no]), saturday(&[no, yes])), (0, 0), "{narrow:?} {wide:?}");
        }
    }
    // A holiday outweighs it, whoever it is for.
    let closed = holiday(Scope::Clinic, "2026-12-01", "2026-12-07");
    let doctors = swapped(Scope::Doctor(doctor(2001)), "2026-12-05", Weekday::Tuesday);
    assert_eq!((saturday(&[closed, doctors]), saturday(&[doctors, closed])), (0, 0));
    // Others' days change nothing, and neither does a day on which the template is not valid.
    for scope in [Scope::Department(department(102)), Scope::Doctor(doctor(2002))] {
        assert_eq!(saturday(&[swapped(scope, "2026-12-05", Weekday::Tuesday)]), 0);
    }
    let later = Template { valid_from: date("2026-12-06"), ..template() };
    assert!(wanted(&[later], &[like_tuesday], date("2026-12-05")).is_empty());
}

#[test]
fn a_day_takes_one_pattern_for_the_same_people() {
    let one = swapped(Scope::Clinic, "2026-12-05", Weekday::Tuesday);
    assert!(one.contradicts(&swapped(Scope::Clinic, "2026-12-05", Weekday::Monday)));
    for other in [
        swapped(Scope::Clinic, "2026-12-06", Weekday::Monday),
        swapped(Scope::Department(department(101)), "2026-12-05", Weekday::Monday),
        holiday(Scope::Clinic, "2026-12-05", "2026-12-05"),
    ] {
        assert!(!one.contradicts(&other) && !other.contradicts(&one), "{other:?}");
    }
}

/// No two schedules of a day have one place, as long as no two templates overlap.
#[test]
fn templates_that_do_not_overlap_never_plan_one_place_twice() {
    let mut templates = Vec::new();
    for weekday in Weekday::ALL {
        for (from, through) in [("2026-01-01", "2026-06-30"), ("2026-07-01", "2026-12-31")] {
            let valid_through = Some(date(through));
            templates.push(Template { weekday, valid_from: date(from), valid_through, ..template() });
        }
    }
    for (index, one) in templates.iter().enumerate() {
        assert!(templates[..index].iter().all(|other| !other.overlaps(one)));
    }
    for days in 0..365 {
        let day = date("2026-01-01").add_days(days).unwrap();
        assert_eq!(wanted(&templates, &[], day).len(), 1, "{day}");
        for like in Weekday::ALL {
            let swap = swapped(Scope::Clinic, &day.to_string(), like);
            assert_eq!(wanted(&templates, &[swap], day).len(), 1, "{day} {like:?}");
        }
    }
}
