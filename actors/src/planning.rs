//! New schedules, and changes of those that nobody has ever booked: one by the administrator, many from the templates.

use domain::{Schedule, TenantId};
use storage::records::{BookedBefore, ScheduleAtRecord, ScheduleRecord};
use storage::{Commit, CommitError, ReadError, Storage, keys};

use crate::audit::AuditRow;
use crate::availability::Availability;
use crate::directory::{ScheduleDirectory, Target};
use crate::requests::AskError;

/// How often a change is made anew because another was faster.
const MAX_TRIES: u8 = 3;

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

/// What became of a schedule that was to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is as asked for, and shown so.
    Changed,
    /// It was so before; nothing was written.
    Unchanged,
    /// There is no such schedule.
    Unknown,
    /// Somebody has booked it, now or before: it stays as it was relied on.
    BookedBefore,
    /// The department and doctor have another schedule on that half-day; nothing was written.
    PlaceTaken,
}

/// Changes a schedule that nobody has ever booked; whether it is stopped stays as it is. Then its actor reads it anew,
/// which ends its holds.
///
/// A booking requires the version of the schedule that it was decided on, and this requires that of the schedule which
/// nobody had booked: of the two, whichever is second in the journal is refused.
///
/// # Errors
/// [`AskError::Contended`] when others were faster again and again, and those of the storage.
pub async fn change_schedule(
    storage: &Storage,
    directory: &ScheduleDirectory,
    tenant: TenantId,
    (schedule, audit): (Schedule, Option<AuditRow>),
) -> Result<Change, AskError> {
    for _ in 0..MAX_TRIES {
        let (commit, id) = match changing(storage, tenant, &schedule, audit)? {
            Ok(commit) => (commit, schedule.id),
            Err(refused) => return Ok(refused),
        };
        match storage.commit(commit).await {
            Ok(_) => {
                directory.reload(Target { tenant, schedule: id }).await;
                return Ok(Change::Changed);
            }
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(AskError::Contended)
}

/// The commit of a change, or why there is none.
fn changing(
    storage: &Storage,
    tenant: TenantId,
    wanted: &Schedule,
    audit: Option<AuditRow>,
) -> Result<Result<Commit, Change>, ReadError> {
    let key = keys::schedule(tenant, wanted.id);
    let Some(stored) = storage.get(&key)? else { return Ok(Err(Change::Unknown)) };
    let before = &stored.record.schedule;
    let schedule = Schedule { standing: before.standing, ..wanted.clone() };
    if schedule == *before {
        return Ok(Err(Change::Unchanged));
    }
    if stored.record.booked_before == BookedBefore::Yes {
        return Ok(Err(Change::BookedBefore));
    }
    let mut commit = Commit::new();
    commit.require_version(&key, stored.version);
    let place = |schedule| keys::schedule_at(tenant, &keys::SchedulePlace::of(schedule));
    let (old, new) = (place(before), place(&schedule));
    if old.raw() != new.raw() {
        if storage.contains(&new)? {
            return Ok(Err(Change::PlaceTaken));
        }
        commit.delete(&old).require_absent(&new).put(&new, &ScheduleAtRecord { schedule: schedule.id });
    }
    commit.put(&key, &ScheduleRecord { schedule, booked_before: BookedBefore::Never });
    if let Some(row) = audit {
        row.put(&mut commit);
    }
    Ok(Ok(commit))
}
