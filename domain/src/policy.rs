//! The policy of a clinic: what its owner may set. It is an argument of every decision.

use std::time::Duration;

use crate::time::{Date, TimeOfDay};
use crate::zone::ClinicZone;

/// What a clinic has decided about booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long a hold lasts from the last presubmit.
    pub hold: Duration,
    /// How long a hold can be renewed, from its first presubmit.
    pub hold_limit: Duration,
    /// How many live holds a user may have over all schedules.
    pub max_holds_per_user: u8,
    /// How many days before its date a schedule is released (放号).
    pub horizon_days: u16,
    /// The time of day at which it is released.
    pub release_time: TimeOfDay,
    /// How long before the slot's time a patient can no longer cancel.
    pub cancel_before: Duration,
    /// How many visits a patient may have booked on one day.
    pub visits_per_patient_per_day: DailyVisits,
    /// How many visits to come a user may have booked.
    pub max_active_per_user: u16,
    /// What follows from not turning up.
    pub no_show: NoShowPolicy,
    /// The clinic's zone.
    pub zone: ClinicZone,
}

impl Policy {
    /// The policy of a clinic that has set nothing.
    pub const fn standard(zone: ClinicZone) -> Self {
        Self {
            hold: Duration::from_secs(5 * 60),
            hold_limit: Duration::from_secs(15 * 60),
            max_holds_per_user: 3,
            horizon_days: 14,
            release_time: TimeOfDay::MIDNIGHT,
            cancel_before: Duration::ZERO,
            visits_per_patient_per_day: DailyVisits::Two,
            max_active_per_user: 10,
            no_show: NoShowPolicy { limit: 3, window_days: 180, ban_days: 30 },
            zone,
        }
    }
}

/// How many visits a patient may have booked on one day. There is one per half-day at most in
/// either case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DailyVisits {
    /// Morning or afternoon.
    One,
    /// Morning and afternoon.
    Two,
}

/// What follows from not turning up (爽约).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoShowPolicy {
    /// How many missed visits bar a patient from booking; 0 bars nobody.
    pub limit: u16,
    /// How many days back missed visits count.
    pub window_days: u16,
    /// For how many days the patient is barred.
    pub ban_days: u16,
}

impl NoShowPolicy {
    /// Whether who was barred until that day is barred today. A policy that bars nobody any more frees those it
    /// has barred.
    pub fn bars(&self, until: Date, today: Date) -> bool {
        self.limit > 0 && today < until
    }

    /// The first day on which a patient may book again, if the visits missed up to `today` bar
    /// the patient from today on. A visit counts while it is less than `window_days` old.
    pub fn barred_until(&self, missed: impl IntoIterator<Item = Date>, today: Date) -> Option<Date> {
        if self.limit == 0 {
            return None;
        }
        let window = 0..i32::from(self.window_days);
        let recent = missed.into_iter().filter(|day| window.contains(&day.days_until(today)));
        if recent.count() < usize::from(self.limit) {
            return None;
        }
        Some(today.saturating_add_days(i32::from(self.ban_days)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(texts: &[&str]) -> Vec<Date> {
        texts.iter().map(|text| Date::parse(text).unwrap()).collect()
    }

    #[test]
    fn enough_missed_visits_within_the_window_bar_the_patient() {
        let policy = NoShowPolicy { limit: 2, window_days: 10, ban_days: 30 };
        let today = Date::parse("2026-05-11").unwrap();
        let barred = |missed: &[&str]| policy.barred_until(days(missed), today);
        assert_eq!(barred(&[]), None);
        assert_eq!(barred(&["2026-05-10"]), None);
        assert_eq!(barred(&["2026-05-10", "2026-05-01"]), None);
        assert_eq!(barred(&["2026-05-10", "2026-05-12"]), None);
        let until = Date::parse("2026-06-10").ok();
        assert_eq!(barred(&["2026-05-10", "2026-05-02"]), until);
        assert_eq!(barred(&["2026-05-11", "2026-05-10", "2026-05-09"]), until);
    }

    #[test]
    fn a_limit_of_zero_bars_nobody() {
        let policy = NoShowPolicy { limit: 0, window_days: 10, ban_days: 30 };
        let today = Date::parse("2026-05-11").unwrap();
        assert_eq!(policy.barred_until(days(&["2026-05-10"; 9]), today), None);
    }

    #[test]
    fn a_ban_ends_with_its_day_or_with_its_policy() {
        let bans = NoShowPolicy { limit: 2, window_days: 10, ban_days: 30 };
        let [yesterday, today, tomorrow] =
            ["2026-05-10", "2026-05-11", "2026-05-12"].map(|text| Date::parse(text).unwrap());
        assert_eq!([yesterday, today, tomorrow].map(|until| bans.bars(until, today)), [false, false, true]);
        assert!(!NoShowPolicy { limit: 0, ..bans }.bars(tomorrow, today));
    }

    #[test]
    fn the_standard_policy_is_the_documented_one() {
        let policy = Policy::standard(ClinicZone::fixed_hours(8));
        assert_eq!(policy.hold.as_secs(), 300);
        assert_eq!(policy.hold_limit.as_secs(), 900);
        assert_eq!(policy.max_holds_per_user, 3);
        assert_eq!(policy.horizon_days, 14);
        assert_eq!(policy.release_time.to_string(), "00:00");
        assert_eq!(policy.cancel_before.as_secs(), 0);
        assert_eq!(policy.visits_per_patient_per_day, DailyVisits::Two);
        assert_eq!(policy.max_active_per_user, 10);
    }
}
