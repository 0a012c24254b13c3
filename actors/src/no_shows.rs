//! Marking visits that nobody came to (爽约), once their day is over.

use std::time::Duration;

use domain::{Date, NoShow, PatientId, Policy, Status, TenantId, Timestamp};
use storage::records::{MetaRecord, NoShowRecord};
use storage::{Commit, ReadError, Scan, Storage, keys};

use crate::directory::{ScheduleDirectory, Target, Terms};
use crate::requests::{AskError, Request};

/// How long one marking may wait for its turn; there is no hurry.
const PATIENCE: Duration = Duration::from_secs(60);

/// Marks every booking of a day before today that nobody came to. Answers how many it marked.
///
/// What cannot be marked now, because the server is busy, is tried again the next time: a day counts
/// as done only after all of it was marked.
///
/// # Errors
/// [`AskError::Unknown`] when storage cannot be read or its state is not known.
pub async fn mark_no_shows(
    storage: &Storage,
    directory: &ScheduleDirectory,
    now: Timestamp,
) -> Result<usize, AskError> {
    let mut marked = 0;
    for (key, _) in storage.scan(&keys::tenants(), Scan::ALL)? {
        if let Some(tenant) = keys::tenant_id(&key) {
            marked += Marking { storage, directory, tenant, now }.run().await?;
        }
    }
    Ok(marked)
}

/// A patient whom missed visits bar from booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// The patient.
    pub patient: PatientId,
    /// The days of the missed visits, as far back as they count, oldest first.
    pub missed: Vec<Date>,
    /// The first day on which the patient may book again.
    pub until: Date,
}

/// Who is barred at this moment: who is barred longest first, then by number.
///
/// # Errors
/// [`ReadError`]
pub fn bans(
    storage: &Storage,
    tenant: TenantId,
    policy: &Policy,
    now: Timestamp,
) -> Result<Vec<Ban>, ReadError> {
    let mut bans = Vec::new();
    for (key, stored) in storage.scan(&keys::no_shows(tenant), Scan::ALL)? {
        let until = barred_until(&stored.record, policy, now);
        if let (Some(patient), Some(until)) = (keys::patient_id(&key), until) {
            let mut missed: Vec<_> = stored.record.misses.iter().map(|miss| miss.date).collect();
            missed.sort_unstable();
            bans.push(Ban { patient, missed, until });
        }
    }
    bans.sort_unstable_by_key(|ban| (std::cmp::Reverse(ban.until), ban.patient));
    Ok(bans)
}

/// The commit that lets a patient book again, under the condition that nothing has changed meanwhile; `None` when the
/// patient is not barred.
///
/// The clinic forgives the missed visits with the ban: they no longer count, so that the next one begins a new count
/// instead of barring the patient at once. Their bookings stay missed. The record stays too, without misses: it keeps
/// the patient's file from being erased.
///
/// # Errors
/// [`ReadError`]
pub fn lift_ban(
    storage: &Storage,
    tenant: TenantId,
    patient: PatientId,
    (policy, now): (&Policy, Timestamp),
) -> Result<Option<Commit>, ReadError> {
    let key = keys::no_show(tenant, patient);
    let Some(stored) = storage.get(&key)? else { return Ok(None) };
    if barred_until(&stored.record, policy, now).is_none() {
        return Ok(None);
    }
    let mut commit = Commit::new();
    commit.require_version(&key, stored.version).put(&key, &NoShowRecord::default());
    Ok(Some(commit))
}

fn barred_until(record: &NoShowRecord, policy: &Policy, now: Timestamp) -> Option<Date> {
    record.banned_until.filter(|until| policy.no_show.bars(*until, policy.zone.date_of(now)))
}

struct Marking<'a> {
    storage: &'a Storage,
    directory: &'a ScheduleDirectory,
    tenant: TenantId,
    now: Timestamp,
}

impl Marking<'_> {
    async fn run(&self) -> Result<usize, AskError> {
        let key = keys::no_shows_marked(self.tenant);
        let done = match self.storage.get(&key)?.map(|stored| stored.record) {
            Some(MetaRecord::NoShowsMarked(day)) => Some(day),
            Some(MetaRecord::Keys(_) | MetaRecord::SchedulesGenerated(_) | MetaRecord::Reminded(_))
            | None => None,
        };
        let yesterday = self.directory.policy().zone.date_of(self.now).saturating_add_days(-1);
        // A day far ahead was noted by a clock that was wrong: which visits were missed is not known from it.
        let done = done.filter(|done| *done <= yesterday.saturating_add_days(1));
        if done.is_some_and(|done| done >= yesterday) {
            return Ok(0);
        }
        let mut marked = 0;
        let mut all_marked = true;
        for schedule in self.schedules_between(done, yesterday)? {
            let Target { tenant, .. } = schedule;
            for (_, slot) in self.storage.scan(&keys::slots_of(tenant, schedule.schedule), Scan::ALL)? {
                let booking = self.storage.get(&slot.record.booking_key(tenant))?;
                if booking.is_none_or(|stored| stored.record.0.status != Status::Booked) {
                    continue;
                }
                let request = Request::NoShow(NoShow { booking: slot.record.booking });
                let terms =
                    Terms { deadline: self.now.plus(PATIENCE), repeat: None, audit: None, also: None };
                match self.directory.ask(schedule, request, terms).await {
                    Ok(_) => marked += 1,
                    // Checked in or cancelled since it was read: not missed.
                    Err(AskError::Rejected(_)) => {}
                    Err(AskError::Unknown) => return Err(AskError::Unknown),
                    Err(error) => {
                        tracing::warn!(error = %error, "a missed visit could not be marked, it will be tried again");
                        all_marked = false;
                    }
                }
            }
        }
        if all_marked {
            let mut commit = Commit::new();
            commit.put(&key, &MetaRecord::NoShowsMarked(yesterday));
            self.storage.commit(commit).await?;
        }
        Ok(marked)
    }

    fn schedules_between(&self, done: Option<Date>, yesterday: Date) -> Result<Vec<Target>, ReadError> {
        let tenant = self.tenant;
        let schedules = self.storage.scan(&keys::schedules(tenant), Scan::ALL)?;
        let due = schedules
            .into_iter()
            .map(|(_, stored)| stored.record.schedule)
            .filter(|schedule| schedule.date <= yesterday && done.is_none_or(|done| schedule.date > done));
        Ok(due.map(|schedule| Target { tenant, schedule: schedule.id }).collect())
    }
}
