//! The slots of a half-day, as the staff describes them for a schedule and for a template of schedules.

use domain::{GridError, Pace, Period, SlotGrid, SlotPlan, TimeOfDay};

use super::error::{ApiError, ErrorCode};
use super::params::{Param, Params};

/// Which slots a half-day is to have.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlannedSlots {
    /// Morning or afternoon.
    pub(super) period: Period,
    /// Their times.
    pub(super) grid: SlotGrid,
    /// How many of the last ones are for the desk alone (现场号).
    pub(super) desk_only: u16,
}

impl PlannedSlots {
    /// Reads `period`, `start`, `end`, one of `interval_minutes` and `slot_count`, and `desk_only`. Slots begin at `start`
    /// and before `end`.
    ///
    /// # Errors
    /// 0001, and the refusal of too many slots.
    pub(super) fn read(params: &Params) -> Result<Self, ApiError> {
        let period = params.required("period", "午别")?.parse(parse_period)?;
        let start = params.required("start", "开始时间")?;
        let end = params.required("end", "结束时间")?;
        let grid = read_grid(params, start.parse(TimeOfDay::parse)?, end.parse(TimeOfDay::parse)?)?;
        if !period.may_begin_at(grid.start()) {
            return Err(start.malformed());
        }
        let desk_only = match params.optional("desk_only", "现场号数") {
            Some(param) => small(param, 0..=i64::from(grid.count()))?,
            None => 0,
        };
        Ok(Self { period, grid, desk_only })
    }

    /// The slots, numbered from 1.
    pub(super) fn slots(&self) -> Vec<SlotPlan> {
        self.grid.slots(self.desk_only)
    }
}

fn read_grid(params: &Params, start: TimeOfDay, end: TimeOfDay) -> Result<SlotGrid, ApiError> {
    let count = params.optional("slot_count", "号源数");
    let interval = params.optional("interval_minutes", "间隔分钟数");
    let pace = match (count, interval) {
        (Some(count), None) => Pace::Slots(small(count, 1..=i64::from(u16::MAX))?),
        (None, Some(interval)) => Pace::Every(small(interval, 1..=240)?),
        (None, None) => return Err(ApiError::missing("号源数")),
        (Some(_), Some(interval)) => return Err(interval.malformed()),
    };
    SlotGrid::new(start, end, pace).map_err(|error| match error {
        GridError::EndsBeforeStart => ApiError::malformed("结束时间"),
        GridError::IntervalOutOfRange => ApiError::malformed("间隔分钟数"),
        GridError::NoSlots => ApiError::malformed("号源数"),
        GridError::TooManySlots => ErrorCode::TooManySlots.into(),
    })
}

fn small(param: Param<'_>, range: std::ops::RangeInclusive<i64>) -> Result<u16, ApiError> {
    u16::try_from(param.integer(range)?).map_err(|_| param.malformed())
}

/// A half-day as the staff's API writes it.
pub(super) const fn period_name(period: Period) -> &'static str {
    match period {
        Period::Am => "AM",
        Period::Pm => "PM",
    }
}

fn parse_period(text: &str) -> Result<Period, ErrorCode> {
    match text {
        "AM" => Ok(Period::Am),
        "PM" => Ok(Period::Pm),
        _ => Err(ErrorCode::ParameterMalformed),
    }
}

#[cfg(test)]
mod tests {
    use domain::Channel;

    use super::*;

    fn read(query: &str) -> Result<Vec<String>, &'static str> {
        let period = if query.contains("pm") { "PM" } else { "AM" };
        let params = Params::from_query(&format!("period={period}&{query}")).expect("a plain query");
        match PlannedSlots::read(&params) {
            Ok(planned) => Ok(planned
                .slots()
                .iter()
                .map(|slot| {
                    let mark = if slot.channel == Channel::DeskOnly { "*" } else { "" };
                    format!("{} {}{mark}", slot.serial, slot.time)
                })
                .collect()),
            Err(error) => Err(error.code().row().status),
        }
    }

    /// Seen to fail when the last slot began at the end, and when the first ones were for the desk.
    #[test]
    fn slots_begin_at_the_start_and_before_the_end() {
        let every = read("start=08:00&end=08:30&interval_minutes=10&desk_only=1");
        assert_eq!(every, Ok(vec!["1 08:00".into(), "2 08:10".into(), "3 08:20*".into()]));
        let count = read("pm&start=13:30&end=14:00&slot_count=4");
        let times = ["1 13:30", "2 13:37", "3 13:45", "4 13:52"];
        assert_eq!(count, Ok(times.map(String::from).into()));
        assert_eq!(read("start=08:00&end=08:01&slot_count=2"), Ok(vec!["1 08:00".into(), "2 08:00".into()]));
        assert_eq!(read("start=08:00&end=12:00&slot_count=500").map(|slots| slots.len()), Ok(500));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for query in [
            "end=08:30&slot_count=1",
            "start=08:00&slot_count=1",
            "start=08:00&end=08:30",
            "start=08:00&end=08:30&slot_count=1&interval_minutes=5",
            "start=08:00&end=08:00&slot_count=1",
            "start=09:00&end=08:00&slot_count=1",
            "start=13:00&end=14:00&slot_count=1",
            "pm&start=11:59&end=14:00&slot_count=1",
            "start=08:00&end=08:30&slot_count=0",
            "start=08:00&end=08:30&slot_count=-1",
            "start=08:00&end=08:30&interval_minutes=0",
            "start=08:00&end=08:30&interval_minutes=241",
            "start=08:00&end=24:00&slot_count=1",
            "start=08:00&end=08:30&slot_count=2&desk_only=3",
        ] {
            assert_eq!(read(query), Err("0001"), "{query}");
        }
        assert_eq!(read("start=00:00&end=12:00&interval_minutes=1"), Err("401016"));
        assert_eq!(read("start=08:00&end=12:00&slot_count=501"), Err("401016"));
    }
}
