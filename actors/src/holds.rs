//! Which schedules each user holds a slot in, over all schedules.
//!
//! A schedule's own holds live in its actor. The limit of live holds per user spans schedules, so
//! the count is kept here, in memory like the holds themselves.

use dashmap::DashMap;
use dashmap::mapref::one::RefMut;
use domain::{ScheduleId, TenantId, Timestamp, UserId};

#[derive(Debug, Clone, Copy)]
struct LiveHold {
    schedule: ScheduleId,
    /// When it was given, or given anew.
    since: Timestamp,
    until: Timestamp,
}

impl LiveHold {
    /// As [`domain::Hold::is_alive`].
    fn is_alive(&self, now: Timestamp) -> bool {
        now < self.until && self.since.since(now) <= self.until.since(self.since)
    }
}

/// The live holds of all users, by user.
#[derive(Debug, Default)]
pub(crate) struct HoldLedger {
    by_user: DashMap<(TenantId, UserId), Vec<LiveHold>>,
}

/// One user's holds, locked: counting and adding are one step, so that two schedules deciding at the
/// same moment cannot both take the last place. Dropped before anything is awaited.
pub(crate) struct UserHolds<'a> {
    now: Timestamp,
    holds: RefMut<'a, (TenantId, UserId), Vec<LiveHold>>,
}

impl HoldLedger {
    pub(crate) fn enter(&self, tenant: TenantId, user: UserId, now: Timestamp) -> UserHolds<'_> {
        let mut holds = self.by_user.entry((tenant, user)).or_default();
        holds.retain(|hold| hold.is_alive(now));
        UserHolds { now, holds }
    }

    /// Ends the user's hold in a schedule, if there is one.
    pub(crate) fn end(&self, tenant: TenantId, user: UserId, schedule: ScheduleId) {
        self.by_user.remove_if_mut(&(tenant, user), |_, holds| {
            holds.retain(|hold| hold.schedule != schedule);
            holds.is_empty()
        });
    }

    /// Forgets holds that ran out.
    pub(crate) fn tidy(&self, now: Timestamp) {
        self.by_user.retain(|_, holds| {
            holds.retain(|hold| hold.is_alive(now));
            !holds.is_empty()
        });
    }
}

impl UserHolds<'_> {
    /// How many live holds the user has in schedules other than this one.
    pub(crate) fn in_other_schedules(&self, schedule: ScheduleId) -> u8 {
        let others = self.holds.iter().filter(|hold| hold.schedule != schedule);
        u8::try_from(others.count()).unwrap_or(u8::MAX)
    }

    /// Records the user's hold in a schedule; there is at most one per schedule.
    pub(crate) fn set(&mut self, schedule: ScheduleId, until: Timestamp) {
        self.holds.retain(|hold| hold.schedule != schedule);
        self.holds.push(LiveHold { schedule, since: self.now, until });
    }
}
