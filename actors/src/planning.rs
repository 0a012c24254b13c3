//! New schedules: one by the administrator, many from the templates.

use domain::{Schedule, TenantId};
use storage::records::{BookedBefore, ScheduleAtRecord, ScheduleRecord};
use storage::{Commit, CommitError, Storage, keys};

use crate::audit::AuditRow;
use crate::availability::Availability;

/// What became of a schedule that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addition {
    /// It is there, and shown.
    Added,
    /// The department and doctor have a schedule on that half-day already; nothing was written.
    PlaceTaken,
}

/// Adds a schedule that nobody has booked yet, under a number that was reserved for it, and shows it in the lists.
///
/// # Errors
/// [`CommitError`], except for the conflict that [`Addition::PlaceTaken`] tells.
pub async fn add_schedule(
    storage: &Storage,
    availability: &Availability,
    tenant: TenantId,
    (schedule, audit): (Schedule, Option<AuditRow>),
) -> Result<Addition, CommitError> {
    let place = keys::schedule_at(tenant, &keys::SchedulePlace::of(&schedule));
    let key = keys::schedule(tenant, schedule.id);
    let mut commit = Commit::new();
    commit.require_absent(&place).put(&place, &ScheduleAtRecord { schedule: schedule.id });
    let record = ScheduleRecord { schedule, booked_before: BookedBefore::Never };
    commit.require_absent(&key).put(&key, &record);
    if let Some(row) = audit {
        row.put(&mut commit);
    }
    match storage.commit(commit).await {
        Ok(_) => {
            availability.show_new(tenant, record.schedule);
            Ok(Addition::Added)
        }
        Err(CommitError::Conflict { .. }) => Ok(Addition::PlaceTaken),
        Err(error) => Err(error),
    }
}
