//! The days of the week, which templates of schedules are made for.

use thiserror::Error;

use crate::time::Date;

/// A day of the week (星期).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Weekday {
    /// 星期一.
    Monday,
    /// 星期二.
    Tuesday,
    /// 星期三.
    Wednesday,
    /// 星期四.
    Thursday,
    /// 星期五.
    Friday,
    /// 星期六.
    Saturday,
    /// 星期日.
    Sunday,
}

/// A number that is no day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a day of the week from 1 to 7")]
pub struct WeekdayError;

impl Weekday {
    /// The week, from Monday on.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// 1 for Monday to 7 for Sunday, as ISO 8601 numbers them.
    pub const fn number(self) -> u8 {
        match self {
            Self::Monday => 1,
            Self::Tuesday => 2,
            Self::Wednesday => 3,
            Self::Thursday => 4,
            Self::Friday => 5,
            Self::Saturday => 6,
            Self::Sunday => 7,
        }
    }

    /// The day of a number from 1 to 7.
    pub fn from_number(number: u8) -> Result<Self, WeekdayError> {
        let index = usize::from(number).checked_sub(1).ok_or(WeekdayError)?;
        Self::ALL.get(index).copied().ok_or(WeekdayError)
    }
}

impl Date {
    /// The day of the week on which the date falls.
    pub fn weekday(self) -> Weekday {
        // 1970-01-01, from which the days are counted, was a Thursday.
        const THURSDAY: i32 = 3;
        let since_monday = (self.ordinal() + THURSDAY).rem_euclid(7);
        usize::try_from(since_monday).map_or(Weekday::Monday, |index| Weekday::ALL[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_fall_on_their_days() {
        for (text, day) in [
            ("1970-01-01", Weekday::Thursday),
            ("1969-12-31", Weekday::Wednesday),
            ("2024-02-29", Weekday::Thursday),
            ("2026-12-01", Weekday::Tuesday),
            ("2026-12-06", Weekday::Sunday),
            ("2026-12-07", Weekday::Monday),
            ("0001-01-01", Weekday::Monday),
            ("9999-12-31", Weekday::Friday),
        ] {
            assert_eq!(Date::parse(text).unwrap().weekday(), day, "{text}");
        }
    }

    #[test]
    fn days_have_the_numbers_of_iso_8601() {
        for day in Weekday::ALL {
            assert_eq!(Weekday::from_number(day.number()), Ok(day));
        }
        for number in [0, 8, u8::MAX] {
            assert_eq!(Weekday::from_number(number), Err(WeekdayError));
        }
    }
}
