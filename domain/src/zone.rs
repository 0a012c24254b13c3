//! The zone of a clinic, which ties instants to dates and times of day. The zone database that it
//! was found in is somebody else's; so is the clock.

use jiff::civil;
use jiff::tz::{Offset, TimeZone};

use crate::time::{Date, TimeOfDay, Timestamp};

/// The time zone of a clinic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClinicZone(TimeZone);

impl ClinicZone {
    /// Takes a zone that somebody else has found in a zone database.
    pub const fn new(zone: TimeZone) -> Self {
        Self(zone)
    }

    /// A zone without summer time, that many hours east of UTC; hours beyond 25 count as 25.
    pub fn fixed_hours(hours: i8) -> Self {
        Self(TimeZone::fixed(Offset::constant(hours.clamp(-25, 25))))
    }

    /// The clinic's date at that instant.
    pub fn date_of(&self, at: Timestamp) -> Date {
        Date(self.civil(at).date().clamp(Date::MIN.0, Date::MAX.0))
    }

    /// The instant at which the clinic's clocks show that date and time. A time that summer time
    /// skips counts as later by the gap; one that occurs twice means the first.
    pub fn instant(&self, date: Date, time: TimeOfDay) -> Timestamp {
        let (hour, minute) = (time.minutes() / 60, time.minutes() % 60);
        // Both are below 60, so they fit.
        let hour = i8::try_from(hour).unwrap_or(i8::MAX);
        let minute = i8::try_from(minute).unwrap_or(i8::MAX);
        let civil = date.0.at(hour, minute, 0, 0);
        let instant = self.0.to_timestamp(civil).unwrap_or({
            // Only the last hours of the year 9999 lie outside what jiff can name.
            jiff::Timestamp::MAX
        });
        Timestamp::from_millis(instant.as_millisecond())
    }

    /// The instant at which that date begins in the clinic.
    pub fn start_of_day(&self, date: Date) -> Timestamp {
        self.instant(date, TimeOfDay::MIDNIGHT)
    }

    /// The time that the clinic's clocks show at that instant, without its seconds.
    pub fn time_of(&self, at: Timestamp) -> TimeOfDay {
        let civil = self.civil(at);
        let minutes = u16::from(civil.hour().unsigned_abs()) * 60 + u16::from(civil.minute().unsigned_abs());
        // jiff's hours and minutes are always those of a day.
        TimeOfDay::from_minutes(minutes).unwrap_or(TimeOfDay::MIDNIGHT)
    }

    /// `yyyy-MM-dd HH:mm:ss` on the clinic's clocks.
    pub fn date_time_text(&self, at: Timestamp) -> String {
        let civil = self.civil(at);
        format!("{} {:02}:{:02}:{:02}", Date(civil.date()), civil.hour(), civil.minute(), civil.second())
    }

    fn civil(&self, at: Timestamp) -> civil::DateTime {
        let instant = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(if at.as_millis() < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        });
        self.0.to_datetime(instant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        Date::parse(text).unwrap()
    }

    #[test]
    fn the_zone_decides_which_day_it_is() {
        let zone = ClinicZone::fixed_hours(8);
        let before = Timestamp::from_millis(1_764_518_399_999);
        assert_eq!(zone.date_time_text(before), "2025-11-30 23:59:59");
        assert_eq!(zone.date_of(before), date("2025-11-30"));
        let midnight = Timestamp::from_millis(1_764_518_400_000);
        assert_eq!(zone.date_of(midnight), date("2025-12-01"));
        assert_eq!(zone.start_of_day(date("2025-12-01")), midnight);
        let half_past_eight = TimeOfDay::parse("08:30").unwrap();
        let instant = zone.instant(date("2025-12-01"), half_past_eight);
        assert_eq!(zone.date_time_text(instant), "2025-12-01 08:30:00");
        assert_eq!(zone.time_of(instant), half_past_eight);
        assert_eq!(zone.time_of(midnight), TimeOfDay::MIDNIGHT);
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        for hours in [-128, -12, 0, 8, 14, 127] {
            let zone = ClinicZone::fixed_hours(hours);
            for at in [i64::MIN, -1, 0, i64::MAX] {
                let at = Timestamp::from_millis(at);
                let day = zone.date_of(at);
                assert!(day >= Date::MIN && day <= Date::MAX);
                assert!(!zone.date_time_text(at).is_empty());
            }
            let first = zone.start_of_day(Date::MIN);
            let last = zone.instant(Date::MAX, TimeOfDay::from_minutes(1439).unwrap());
            assert!(first < last);
        }
    }
}
