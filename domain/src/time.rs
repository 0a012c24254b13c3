//! Instants, dates and times of day. Nothing here reads a clock; the time is handed in.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::civil;
use thiserror::Error;

/// Why a text or number is not a date or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TimeError {
    /// Not of the form `yyyy-MM-dd`, or a day that the calendar does not have.
    #[error("not a date of the form yyyy-MM-dd")]
    NotADate,
    /// Not of the form `HH:mm`, or outside 00:00 to 23:59.
    #[error("not a time of the form HH:mm")]
    NotATime,
    /// Outside the years 1 to 9999, or past midnight.
    #[error("date or time out of range")]
    OutOfRange,
}

/// An instant: milliseconds since 1970-01-01T00:00:00Z. Arithmetic stops at the ends instead of
/// wrapping, so a wild clock cannot turn "later" into "earlier".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The epoch.
    pub const ZERO: Self = Self(0);

    /// Takes epoch milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Epoch milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The instant that much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis_of(duration)))
    }

    /// The instant that much earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis_of(duration)))
    }

    /// The time from `earlier` to this instant; zero if `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

fn millis_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A day of the calendar, from 0001-01-01 to 9999-12-31.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub(crate) civil::Date);

const EPOCH_DAY: civil::Date = civil::Date::constant(1970, 1, 1);

impl Date {
    /// 0001-01-01.
    pub const MIN: Self = Self(civil::Date::constant(1, 1, 1));
    /// 9999-12-31.
    pub const MAX: Self = Self(civil::Date::constant(9999, 12, 31));

    /// Takes year, month and day.
    pub fn new(year: i16, month: i8, day: i8) -> Result<Self, TimeError> {
        match civil::Date::new(year, month, day) {
            Ok(date) if year >= 1 => Ok(Self(date)),
            Ok(_) => Err(TimeError::OutOfRange),
            Err(_) => Err(TimeError::NotADate),
        }
    }

    /// Reads exactly `yyyy-MM-dd`.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text.as_bytes() else {
            return Err(TimeError::NotADate);
        };
        let century = two_digits(y1, y2).ok_or(TimeError::NotADate)?;
        let year = two_digits(y3, y4).ok_or(TimeError::NotADate)?;
        let month = two_digits(m1, m2).ok_or(TimeError::NotADate)?;
        let day = two_digits(d1, d2).ok_or(TimeError::NotADate)?;
        Self::new(i16::from(century) * 100 + i16::from(year), month, day).map_err(|_| TimeError::NotADate)
    }

    /// Reads `yyyy-MM-dd`, or the date of a `yyyy-MM-dd HH:mm:ss`, which clients also send.
    pub fn parse_lenient(text: &str) -> Result<Self, TimeError> {
        let Some((date, time)) = text.split_once(' ') else {
            return Self::parse(text);
        };
        let [h1, h2, b':', m1, m2, b':', s1, s2] = *time.as_bytes() else {
            return Err(TimeError::NotADate);
        };
        let hour = two_digits(h1, h2).filter(|hour| *hour < 24);
        let minute = two_digits(m1, m2).filter(|minute| *minute < 60);
        let second = two_digits(s1, s2).filter(|second| *second < 60);
        if hour.is_none() || minute.is_none() || second.is_none() {
            return Err(TimeError::NotADate);
        }
        Self::parse(date)
    }

    /// The year, 1 to 9999.
    pub fn year(self) -> i16 {
        self.0.year()
    }

    /// The month, 1 to 12.
    pub fn month(self) -> i8 {
        self.0.month()
    }

    /// The day of the month, 1 to 31.
    pub fn day(self) -> i8 {
        self.0.day()
    }

    /// The date that many days later (or earlier, if negative).
    pub fn add_days(self, days: i32) -> Result<Self, TimeError> {
        let ordinal = self.ordinal().checked_add(days).ok_or(TimeError::OutOfRange)?;
        Self::from_ordinal(ordinal)
    }

    /// The date that many days later (or earlier, if negative), or the end of the calendar.
    #[must_use]
    pub fn saturating_add_days(self, days: i32) -> Self {
        match self.add_days(days) {
            Ok(date) => date,
            Err(_) if days < 0 => Self::MIN,
            Err(_) => Self::MAX,
        }
    }

    /// Days from this date to `other`; negative if `other` is earlier.
    pub fn days_until(self, other: Self) -> i32 {
        other.ordinal() - self.ordinal()
    }

    /// Days since 1970-01-01; negative before it.
    pub fn ordinal(self) -> i32 {
        let hours = self.0.duration_since(EPOCH_DAY).as_hours();
        // The calendar of this type has 3.7 million days, so the conversion always succeeds.
        i32::try_from(hours / 24).unwrap_or(i32::MAX)
    }

    /// The date that many days after 1970-01-01.
    pub fn from_ordinal(days: i32) -> Result<Self, TimeError> {
        let offset = SignedDuration::from_hours(i64::from(days) * 24);
        let date = EPOCH_DAY.checked_add(offset).map_err(|_| TimeError::OutOfRange)?;
        if date < Self::MIN.0 {
            return Err(TimeError::OutOfRange);
        }
        Ok(Self(date))
    }
}

/// `yyyy-MM-dd`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year(), self.month(), self.day())
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Date({self})")
    }
}

fn two_digits(tens: u8, ones: u8) -> Option<i8> {
    if !tens.is_ascii_digit() || !ones.is_ascii_digit() {
        return None;
    }
    i8::try_from((tens - b'0') * 10 + (ones - b'0')).ok()
}

/// A time of day to the minute, 00:00 to 23:59.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// 00:00.
    pub const MIDNIGHT: Self = Self(0);

    const MINUTES_OF_A_DAY: u16 = 24 * 60;

    /// Takes minutes since midnight, 0 to 1439.
    pub const fn from_minutes(minutes: u16) -> Result<Self, TimeError> {
        if minutes >= Self::MINUTES_OF_A_DAY {
            return Err(TimeError::OutOfRange);
        }
        Ok(Self(minutes))
    }

    /// Reads exactly `HH:mm`.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let [h1, h2, b':', m1, m2] = *text.as_bytes() else {
            return Err(TimeError::NotATime);
        };
        let hour = two_digits(h1, h2).filter(|hour| *hour < 24);
        let minute = two_digits(m1, m2).filter(|minute| *minute < 60);
        let (Some(hour), Some(minute)) = (hour, minute) else {
            return Err(TimeError::NotATime);
        };
        Ok(Self(u16::from(hour.unsigned_abs()) * 60 + u16::from(minute.unsigned_abs())))
    }

    /// Minutes since midnight.
    pub const fn minutes(self) -> u16 {
        self.0
    }

    /// The time that many minutes later, if it is still on the same day.
    pub fn plus_minutes(self, minutes: u16) -> Result<Self, TimeError> {
        Self::from_minutes(self.0.saturating_add(minutes))
    }
}

/// `HH:mm`.
impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl fmt::Debug for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimeOfDay({self})")
    }
}

/// A half-day (午别).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Period {
    /// The morning (上午).
    Am,
    /// The afternoon (下午).
    Pm,
}

impl Period {
    /// 0 for the morning, 1 for the afternoon.
    pub const fn code(self) -> u8 {
        match self {
            Self::Am => 0,
            Self::Pm => 1,
        }
    }

    /// The half-day of a code, if there is one.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Am),
            1 => Some(Self::Pm),
            _ => None,
        }
    }

    /// The other half of the day.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Am => Self::Pm,
            Self::Pm => Self::Am,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        Date::parse(text).unwrap()
    }

    #[test]
    fn dates_are_read_strictly() {
        assert_eq!(Date::parse("2026-12-01"), Date::new(2026, 12, 1));
        assert_eq!(date("2024-02-29").to_string(), "2024-02-29");
        let wrong = [
            "",
            "2026-12-1",
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-04-31",
            "2026/12/01",
            "26-12-01",
            "2026-12-01 ",
            "2026-12-01T00:00:00",
            "0000-01-01",
            "-026-01-01",
            "２026-1-1",
            "20261201",
        ];
        for text in wrong {
            assert_eq!(Date::parse(text), Err(TimeError::NotADate), "{text:?}");
        }
    }

    #[test]
    fn a_date_time_counts_as_its_date() {
        assert_eq!(Date::parse_lenient("2026-12-01"), Ok(date("2026-12-01")));
        assert_eq!(Date::parse_lenient("2026-12-01 23:59:59"), Ok(date("2026-12-01")));
        for text in ["2026-12-01 24:00:00", "2026-12-01 08:00", "2026-12-01  08:00:00", "x 08:00:00"] {
            assert_eq!(Date::parse_lenient(text), Err(TimeError::NotADate), "{text:?}");
        }
    }

    #[test]
    fn ordinals_count_from_the_epoch() {
        assert_eq!(date("1970-01-01").ordinal(), 0);
        assert_eq!(date("1969-12-31").ordinal(), -1);
        assert_eq!(date("2000-03-01").ordinal(), 11_017);
        for day in [Date::MIN, Date::MAX, date("2024-02-29"), date("1900-03-01")] {
            assert_eq!(Date::from_ordinal(day.ordinal()), Ok(day));
        }
        assert_eq!(Date::from_ordinal(Date::MIN.ordinal() - 1), Err(TimeError::OutOfRange));
        assert_eq!(Date::from_ordinal(i32::MAX), Err(TimeError::OutOfRange));
    }

    #[test]
    fn days_are_added_over_month_and_year_ends() {
        assert_eq!(date("2026-12-31").add_days(1), Ok(date("2027-01-01")));
        assert_eq!(date("2024-03-01").add_days(-1), Ok(date("2024-02-29")));
        assert_eq!(Date::MAX.add_days(1), Err(TimeError::OutOfRange));
        assert_eq!(Date::MAX.saturating_add_days(i32::MAX), Date::MAX);
        assert_eq!(date("2026-01-01").saturating_add_days(i32::MIN), Date::MIN);
        assert_eq!(date("2026-01-01").days_until(date("2026-01-15")), 14);
        assert_eq!(date("2026-01-15").days_until(date("2026-01-01")), -14);
    }

    #[test]
    fn times_of_day_stay_within_the_day() {
        assert_eq!(TimeOfDay::parse("08:30").map(TimeOfDay::minutes), Ok(510));
        assert_eq!(TimeOfDay::from_minutes(1439).unwrap().to_string(), "23:59");
        assert_eq!(TimeOfDay::from_minutes(1440), Err(TimeError::OutOfRange));
        for text in ["", "8:30", "24:00", "08:60", "08:30:00", "0８:3", "ab:cd"] {
            assert_eq!(TimeOfDay::parse(text), Err(TimeError::NotATime), "{text:?}");
        }
        let late = TimeOfDay::parse("23:50").unwrap();
        assert_eq!(late.plus_minutes(9), TimeOfDay::parse("23:59"));
        assert_eq!(late.plus_minutes(10), Err(TimeError::OutOfRange));
        assert_eq!(late.plus_minutes(u16::MAX), Err(TimeError::OutOfRange));
    }

    #[test]
    fn instants_saturate() {
        let end = Timestamp::from_millis(i64::MAX);
        assert_eq!(end.plus(Duration::MAX), end);
        let start = Timestamp::from_millis(i64::MIN);
        assert_eq!(start.minus(Duration::MAX), start);
        assert_eq!(Timestamp::ZERO.plus(Duration::from_secs(1)).as_millis(), 1_000);
        let second = Timestamp::from_millis(1_000);
        assert_eq!(second.since(Timestamp::ZERO), Duration::from_secs(1));
        assert_eq!(Timestamp::ZERO.since(second), Duration::ZERO);
    }

    #[test]
    fn periods_have_codes() {
        for period in [Period::Am, Period::Pm] {
            assert_eq!(Period::from_code(period.code()), Some(period));
            assert_ne!(period.other(), period);
        }
        assert_eq!(Period::from_code(2), None);
    }
}
