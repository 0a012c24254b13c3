//! The slots of a new schedule, from how the desk says them to a plan.

use domain::{Channel, MAX_SLOTS, Period, SerialNo, SlotPlan, TimeOfDay};

use crate::http::error::{ApiError, ErrorCode};
use crate::http::params::Params;

/// A morning may run into the lunch hour, and an afternoon may begin in it; a morning that begins after it, or an
/// afternoon before it, would call patients to the wrong half of the day.
const MORNING_BEGINS_BEFORE: u16 = 13 * 60;
const AFTERNOON_BEGINS_AT: u16 = 12 * 60;

/// Minutes between two slots at most.
const MAX_STEP: i64 = 240;

/// Reads `start`, `end`, one of `every_minutes` and `count`, and `desk_only_slots`. Slots begin at `start` and before
/// `end`; the last ones are for the desk alone.
///
/// # Errors
/// 0001, and the refusal of too many slots.
pub(super) fn read(params: &Params, period: Period) -> Result<Vec<SlotPlan>, ApiError> {
    let start = params.required("start", "开始时间")?;
    let (first, start) = (start.parse(TimeOfDay::parse)?, start);
    let end = params.required("end", "结束时间")?;
    let (last, end) = (end.parse(TimeOfDay::parse)?, end);
    let fits = match period {
        Period::Am => first.minutes() < MORNING_BEGINS_BEFORE,
        Period::Pm => first.minutes() >= AFTERNOON_BEGINS_AT,
    };
    if !fits {
        return Err(start.malformed());
    }
    if last <= first {
        return Err(end.malformed());
    }
    let every = params.optional("every_minutes", "间隔分钟");
    let count = params.optional("count", "号源数");
    let minutes: Vec<u16> = match (every, count) {
        (Some(every), None) => {
            let step = usize::try_from(every.integer(1..=MAX_STEP)?).unwrap_or(1);
            (first.minutes()..last.minutes()).step_by(step).collect()
        }
        (None, Some(count)) => spread(first, last, count.integer(1..=i64::from(u16::MAX))?),
        (Some(_), Some(count)) => return Err(count.malformed()),
        (None, None) => return Err(ApiError::missing("号源数")),
    };
    if minutes.len() > MAX_SLOTS {
        return Err(ErrorCode::TooManySlots.into());
    }
    let desk_only = match params.optional("desk_only_slots", "现场号数") {
        Some(param) => match usize::try_from(param.integer(0..=i64::from(u16::MAX))?) {
            Ok(desk_only) if desk_only <= minutes.len() => desk_only,
            Ok(_) | Err(_) => return Err(param.malformed()),
        },
        None => 0,
    };
    plan(&minutes, minutes.len() - desk_only)
}

/// `count` times from `first` on, evenly spread before `last`; several may fall on one minute.
fn spread(first: TimeOfDay, last: TimeOfDay, count: i64) -> Vec<u16> {
    let (first, length) = (i64::from(first.minutes()), i64::from(last.minutes() - first.minutes()));
    // One more than a schedule may have is enough to be refused.
    let count = count.min(MAX_SLOTS as i64 + 1);
    let times = (0..count).map(|slot| first + length * slot / count);
    times.filter_map(|minutes| u16::try_from(minutes).ok()).collect()
}

/// The slots at these minutes, the first `online` of them for everybody.
fn plan(minutes: &[u16], online: usize) -> Result<Vec<SlotPlan>, ApiError> {
    let mut slots = Vec::with_capacity(minutes.len());
    for (index, (serial, minutes)) in (1_u16..).zip(minutes).enumerate() {
        slots.push(SlotPlan {
            serial: SerialNo::new(serial).map_err(ApiError::internal)?,
            time: TimeOfDay::from_minutes(*minutes).map_err(ApiError::internal)?,
            channel: if index < online { Channel::Online } else { Channel::DeskOnly },
        });
    }
    Ok(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Vec<String>, &'static str> {
        let params = Params::from_query(query).expect("a plain query");
        let period = if query.contains("pm") { Period::Pm } else { Period::Am };
        match super::read(&params, period) {
            Ok(slots) => Ok(slots
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
        let every = read("start=08:00&end=08:30&every_minutes=10&desk_only_slots=1");
        assert_eq!(every, Ok(vec!["1 08:00".into(), "2 08:10".into(), "3 08:20*".into()]));
        let count = read("pm&start=13:30&end=14:00&count=4");
        let times = ["1 13:30", "2 13:37", "3 13:45", "4 13:52"];
        assert_eq!(count, Ok(times.map(String::from).into()));
        assert_eq!(read("start=08:00&end=08:01&count=2"), Ok(vec!["1 08:00".into(), "2 08:00".into()]));
        assert_eq!(read("start=08:00&end=12:00&count=500").map(|slots| slots.len()), Ok(500));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for query in [
            "end=08:30&count=1",
            "start=08:00&count=1",
            "start=08:00&end=08:30",
            "start=08:00&end=08:30&count=1&every_minutes=5",
            "start=08:00&end=08:00&count=1",
            "start=09:00&end=08:00&count=1",
            "start=13:00&end=14:00&count=1",
            "pm&start=11:59&end=14:00&count=1",
            "start=08:00&end=08:30&count=0",
            "start=08:00&end=08:30&count=-1",
            "start=08:00&end=08:30&every_minutes=0",
            "start=08:00&end=08:30&every_minutes=241",
            "start=08:00&end=24:00&count=1",
            "start=08:00&end=08:30&count=2&desk_only_slots=3",
        ] {
            assert_eq!(read(query), Err("0001"), "{query}");
        }
        assert_eq!(read("start=00:00&end=12:00&every_minutes=1"), Err("401016"));
        assert_eq!(read("start=08:00&end=12:00&count=501"), Err("401016"));
    }
}
