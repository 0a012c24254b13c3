//! Which slot the k-th booking of a run takes, the same for every peer.

use clap::ValueEnum;

/// Schedules of the spread load. Even, so that the k-th booking is one of a morning when k is even.
pub const SPREAD_SCHEDULES: u64 = 5_000;
/// Slots of each of them, as many as a doctor's half-day has.
pub const SPREAD_SLOTS: u64 = 40;
/// Schedules of the hot load; each is used up before the next one is begun.
pub const HOT_SCHEDULES: u64 = 400;
/// Slots of each of them: the most that the server allows a schedule.
pub const HOT_SLOTS: u64 = 500;
/// All schedules: those of the spread load come first.
pub const SCHEDULES: u64 = SPREAD_SCHEDULES + HOT_SCHEDULES;
/// Accounts, each with one patient, who has one visit in a half-day at most. Half as many as there are slots, and odd, so
/// that the second booking of an account falls into the other half-day.
pub const USERS: u64 = SPREAD_SCHEDULES * SPREAD_SLOTS / 2 + 1;
/// An account that books nothing in a run, and then asks for a slot that is taken.
pub const LATECOMER: u64 = USERS;

/// How the bookings are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Load {
    /// One after the other over many schedules.
    Spread,
    /// All for one schedule until it is full, then all for the next.
    Hot,
}

/// A slot, and who wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the schedule, from 0.
    pub schedule: u64,
    /// The number of the slot in it, from 1.
    pub serial: u16,
    /// The number of the account, from 0.
    pub user: u64,
}

impl Load {
    /// Bookings that there are slots for.
    pub const fn supply(self) -> u64 {
        match self {
            Self::Spread => SPREAD_SCHEDULES * SPREAD_SLOTS,
            Self::Hot => HOT_SCHEDULES * HOT_SLOTS,
        }
    }

    /// The `k`th booking, from 0; `k` is less than [`Load::supply`].
    pub const fn place(self, k: u64) -> Place {
        match self {
            Self::Spread => Place {
                schedule: k % SPREAD_SCHEDULES,
                serial: serial(k / SPREAD_SCHEDULES),
                user: k % USERS,
            },
            Self::Hot => {
                let (schedule, slot) = (k / HOT_SLOTS, k % HOT_SLOTS);
                Place {
                    schedule: SPREAD_SCHEDULES + schedule,
                    serial: serial(slot),
                    // A morning and an afternoon schedule for the same people.
                    user: schedule / 2 * HOT_SLOTS + slot,
                }
            }
        }
    }

    /// How many of the first `bookings` bookings are in each schedule, for those that have any.
    pub fn booked(self, bookings: u64) -> impl Iterator<Item = (u64, u64)> {
        (0..SCHEDULES).filter_map(move |schedule| {
            let count = match self {
                Self::Spread if schedule < SPREAD_SCHEDULES => {
                    bookings / SPREAD_SCHEDULES + u64::from(schedule < bookings % SPREAD_SCHEDULES)
                }
                Self::Hot if schedule >= SPREAD_SCHEDULES => {
                    bookings.saturating_sub((schedule - SPREAD_SCHEDULES) * HOT_SLOTS).min(HOT_SLOTS)
                }
                Self::Spread | Self::Hot => 0,
            };
            (count > 0).then_some((schedule, count))
        })
    }
}

/// How many slots a schedule has.
pub const fn slots_of(schedule: u64) -> u64 {
    if schedule < SPREAD_SCHEDULES { SPREAD_SLOTS } else { HOT_SLOTS }
}

const fn serial(slot: u64) -> u16 {
    slot as u16 + 1
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    /// What the peers are asked must be possible at the server, whose rules are the strictest.
    #[test]
    fn no_slot_is_asked_for_twice_and_nobody_has_two_visits_in_a_half_day() {
        for load in [Load::Spread, Load::Hot] {
            let (mut slots, mut visits) = (HashSet::new(), HashSet::new());
            let mut of_schedule: HashMap<u64, u64> = HashMap::new();
            for k in 0..load.supply() {
                let Place { schedule, serial, user } = load.place(k);
                assert!(serial >= 1 && u64::from(serial) <= slots_of(schedule));
                assert!(user < USERS && schedule < SCHEDULES);
                assert!(slots.insert((schedule, serial)));
                assert!(visits.insert((user, schedule % 2)));
                *of_schedule.entry(schedule).or_default() += 1;
                if [1, 499, 500, 4_999, 5_000, 5_001, 123_456].contains(&(k + 1)) {
                    assert_eq!(load.booked(k + 1).collect::<HashMap<_, _>>(), of_schedule);
                }
            }
        }
    }
}
