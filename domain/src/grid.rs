//! Slots at equal distances, as templates and import files describe them.

use thiserror::Error;

use crate::ids::SerialNo;
use crate::schedule::{Channel, MAX_SLOTS, SlotPlan};
use crate::time::{Period, TimeOfDay};

/// From one slot to the next there are at most so many minutes.
const MAX_INTERVAL: u16 = 240;

/// A morning may run into the lunch hour or beyond, and an afternoon may begin in that hour. But a
/// morning that begins after it, or an afternoon before it, has the wrong period or the wrong time, and
/// patients would come at the wrong half of the day.
const MORNING_BEGINS_BEFORE: u16 = 13 * 60;
const AFTERNOON_BEGINS_AT: u16 = 12 * 60;

impl Period {
    /// Whether a schedule of this half-day may have its first slot at this time: a morning before 13:00,
    /// an afternoon from 12:00 on.
    pub const fn may_begin_at(self, first: TimeOfDay) -> bool {
        match self {
            Self::Am => first.minutes() < MORNING_BEGINS_BEFORE,
            Self::Pm => first.minutes() >= AFTERNOON_BEGINS_AT,
        }
    }
}

/// How the time from start to end is divided into slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// A slot every so many minutes, 1 to 240.
    Every(u16),
    /// So many slots, 1 to [`MAX_SLOTS`], spread evenly; those closer than a minute share a time.
    Slots(u16),
}

/// Slots at equal distances from a start to an end, at which the last of them is over: it begins before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotGrid {
    start: TimeOfDay,
    end: TimeOfDay,
    pace: Pace,
}

/// Why there is no such grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GridError {
    /// It ends when it starts, or before.
    #[error("the end is not after the start")]
    EndsBeforeStart,
    /// The minutes from one slot to the next are not 1 to 240.
    #[error("the minutes from slot to slot are not 1 to 240")]
    IntervalOutOfRange,
    /// There is no slot.
    #[error("no slots")]
    NoSlots,
    /// There are more than [`MAX_SLOTS`].
    #[error("more than 500 slots")]
    TooManySlots,
}

impl SlotGrid {
    /// A grid of 1 to [`MAX_SLOTS`] slots.
    pub fn new(start: TimeOfDay, end: TimeOfDay, pace: Pace) -> Result<Self, GridError> {
        match pace {
            Pace::Every(minutes) if !(1..=MAX_INTERVAL).contains(&minutes) => {
                return Err(GridError::IntervalOutOfRange);
            }
            Pace::Slots(0) => return Err(GridError::NoSlots),
            Pace::Every(_) | Pace::Slots(_) => {}
        }
        if end <= start {
            return Err(GridError::EndsBeforeStart);
        }
        let grid = Self { start, end, pace };
        if usize::from(grid.count()) > MAX_SLOTS {
            return Err(GridError::TooManySlots);
        }
        Ok(grid)
    }

    /// The time of the first slot.
    pub const fn start(&self) -> TimeOfDay {
        self.start
    }

    /// No slot begins at this time or later.
    pub const fn end(&self) -> TimeOfDay {
        self.end
    }

    /// How the time between is divided.
    pub const fn pace(&self) -> Pace {
        self.pace
    }

    /// How many slots there are, 1 to [`MAX_SLOTS`].
    pub const fn count(&self) -> u16 {
        match self.pace {
            Pace::Every(minutes) => self.length().div_ceil(minutes),
            Pace::Slots(slots) => slots,
        }
    }

    /// The slots, numbered from 1, of which the last `desk_only` are for the desk alone (现场号).
    pub fn slots(&self, desk_only: u16) -> Vec<SlotPlan> {
        let online = self.count().saturating_sub(desk_only);
        let plans = (0..self.count()).filter_map(|index| {
            let serial = SerialNo::new(index + 1).ok()?;
            let time = self.start.plus_minutes(self.offset(index)).ok()?;
            let channel = if index < online { Channel::Online } else { Channel::DeskOnly };
            Some(SlotPlan { serial, time, channel })
        });
        plans.collect()
    }

    const fn length(&self) -> u16 {
        self.end.minutes() - self.start.minutes()
    }

    /// Minutes from the start to a slot, which is before the end: both factors are below 1,440.
    fn offset(&self, index: u16) -> u16 {
        let minutes = match self.pace {
            Pace::Every(minutes) => u32::from(index) * u32::from(minutes),
            Pace::Slots(slots) => u32::from(index) * u32::from(self.length()) / u32::from(slots.max(1)),
        };
        u16::try_from(minutes).unwrap_or(u16::MAX)
    }
}
