//! The slots of a schedule, from how the file writes them to a plan.

use domain::{Channel, GridError, MAX_SLOTS, Pace, Period, SerialNo, SlotGrid, SlotPlan, TimeOfDay};

use super::file::{GridEntry, SlotEntry, SlotsEntry};
use super::problems::{Place, Problems};

const NO_TIME: &str = "must be a time of day, HH:mm";

/// The plan of the slots, or nothing and at least one problem. Without a known period the
/// first time is not compared with it.
pub(super) fn check(
    entry: &SlotsEntry,
    period: Option<Period>,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Option<Vec<SlotPlan>> {
    match entry {
        SlotsEntry::Every(grid) => check_grid(grid, period, place, problems),
        SlotsEntry::List(list) => check_list(list, period, place, problems),
    }
}

fn check_grid(
    grid: &GridEntry,
    period: Option<Period>,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Option<Vec<SlotPlan>> {
    let start = problems.take(&place.field("start"), TimeOfDay::parse(&grid.start), NO_TIME);
    let end = problems.take(&place.field("end"), TimeOfDay::parse(&grid.end), NO_TIME);
    let step = u16::try_from(grid.every_minutes).ok().filter(|minutes| (1..=240).contains(minutes));
    if step.is_none() {
        problems.add(place.field("every_minutes"), "must be 1 to 240");
    }
    let (start, end, step) = (start?, end?, step?);
    let slots = match SlotGrid::new(start, end, Pace::Every(step)) {
        Ok(grid) => grid.slots(0),
        Err(GridError::EndsBeforeStart) => {
            problems.add(place.field("end"), "must be after start");
            return None;
        }
        Err(GridError::TooManySlots) => {
            problems.add(place, format_args!("more than {MAX_SLOTS} slots"));
            return None;
        }
        Err(error @ (GridError::IntervalOutOfRange | GridError::NoSlots)) => {
            problems.add(place, error);
            return None;
        }
    };
    begins_in(period, start, &place.field("start"), problems).then_some(slots)
}

fn check_list(
    list: &[SlotEntry],
    period: Option<Period>,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Option<Vec<SlotPlan>> {
    let mut slots = Vec::with_capacity(list.len());
    for (index, slot) in list.iter().enumerate() {
        let place = place.item(index);
        let serial = u16::try_from(slot.serial).ok().and_then(|serial| SerialNo::new(serial).ok());
        if serial.is_none() {
            let reason = format_args!("must be 1 to {}", SerialNo::MAX);
            problems.add(place.field("serialNo"), reason);
        }
        let time = problems.take(&place.field("time"), TimeOfDay::parse(&slot.time), NO_TIME);
        if let (Some(serial), Some(time)) = (serial, time) {
            slots.push(online(serial, time));
        }
    }
    if slots.len() < list.len() {
        return None;
    }
    let Some(first) = slots.first() else {
        return Some(slots);
    };
    let place = place.item(0);
    if first.serial.get() != 1 {
        problems.add(place.field("serialNo"), "must be 1 in the first slot");
        return None;
    }
    begins_in(period, first.time, &place.field("time"), problems).then_some(slots)
}

/// Whether a slot is kept for the desk is not the file's business: [`super::plan`] leaves it as it is.
fn online(serial: SerialNo, time: TimeOfDay) -> SlotPlan {
    SlotPlan { serial, time, channel: Channel::Online }
}

fn begins_in(period: Option<Period>, first: TimeOfDay, place: &Place<'_>, problems: &mut Problems) -> bool {
    let reason = match period.filter(|period| !period.may_begin_at(first)) {
        Some(Period::Am) => "AM must begin before 13:00",
        Some(Period::Pm) => "PM must not begin before 12:00",
        None => return true,
    };
    problems.add(place, reason);
    false
}
