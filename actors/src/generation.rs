//! Schedules made from the templates: every night by itself, and when the staff asks for it.
//!
//! A place (department, doctor, day, half-day) that has a schedule is left alone, whatever became of that schedule.
//! Making the same days again therefore adds what is missing and changes nothing, also when two do it at once.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use domain::{
    Date, DayException, DepartmentId, DoctorId, PlannedSchedule, Policy, ScheduleId, Template, TenantId,
    Timestamp, wanted,
};
use futures_util::future::join_all;
use storage::records::MetaRecord;
use storage::{Commit, CommitError, ReadError, Scan, Sequence, SequenceError, Sequences, Storage, keys};
use thiserror::Error;

use crate::availability::Availability;
use crate::directory::ScheduleDirectory;
use crate::openings::Openings;
use crate::planning::{Addition, add_schedule};

/// So many schedules are committed at once: enough to share a sync of the disk, few enough to leave the journal to
/// the patients.
const AT_ONCE: usize = 64;

/// After so many new schedules the progress is logged.
const LOG_EVERY: usize = 1_024;

/// What making schedules takes.
#[derive(Clone, Copy)]
pub struct Generator<'a> {
    /// Where everything is kept.
    pub storage: &'a Storage,
    /// Numbers for new schedules.
    pub sequences: &'a Sequences,
    /// What the lists show.
    pub availability: &'a Availability,
    /// Knows how far ahead patients book in each department.
    pub directory: &'a ScheduleDirectory,
}

/// The days whose schedules are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Days {
    /// Those that lie ahead of each department: see [`days_ahead`].
    Ahead,
    /// These.
    These(RangeInclusive<Date>),
}

/// What became of the schedules that the templates want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generated {
    /// Made, and shown.
    pub created: usize,
    /// The place had a schedule already.
    pub existing: usize,
    /// Not made: the department or doctor is disabled, the doctor does not work there any more, or the time is over.
    pub skipped: usize,
}

/// Why not all schedules were made. Those that were stay; the rest is made the next time.
#[derive(Debug, Error)]
pub enum GenerationError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// No number can be reserved.
    #[error(transparent)]
    Number(#[from] SequenceError),
    /// A schedule could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// The days whose schedules are made in advance: through the last that patients can book, and one more, so that the
/// release at midnight finds its schedules.
#[must_use]
pub fn days_ahead(policy: &Policy, now: Timestamp) -> RangeInclusive<Date> {
    let today = policy.zone.date_of(now);
    today..=today.saturating_add_days(i32::from(policy.horizon_days) + 1)
}

/// When a tenant's turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Now, whenever it was last.
    Now,
    /// Unless its schedules were made today already.
    OnceADay,
}

impl Generator<'_> {
    /// Makes the schedules of the days ahead for every tenant that is due. One that fails keeps none of the others
    /// from theirs, and is tried again the next time.
    ///
    /// # Errors
    /// [`GenerationError`] when the tenants cannot be read, else the last that a tenant failed with.
    pub async fn run_all(&self, due: Due, now: Timestamp) -> Result<Generated, GenerationError> {
        let mut sum = Generated::default();
        let mut failed = None;
        for (key, _) in self.storage.scan(&keys::tenants(), Scan::ALL)? {
            let Some(tenant) = keys::tenant_id(&key) else { continue };
            match self.run_due(tenant, due, now).await {
                Ok(generated) => sum.add(generated),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            None => Ok(sum),
            Some(error) => Err(error),
        }
    }

    async fn run_due(
        &self,
        tenant: TenantId,
        due: Due,
        now: Timestamp,
    ) -> Result<Generated, GenerationError> {
        let today = self.directory.policy().zone.date_of(now);
        let key = keys::schedules_generated(tenant);
        let done = match self.storage.get(&key)?.map(|stored| stored.record) {
            Some(MetaRecord::SchedulesGenerated(day)) => Some(day),
            Some(MetaRecord::Keys(_) | MetaRecord::NoShowsMarked(_) | MetaRecord::Reminded(_)) | None => None,
        };
        // A later day was done by a clock that was wrong: the days from today on are still to be made.
        if due == Due::OnceADay && done == Some(today) {
            return Ok(Generated::default());
        }
        let generated = self.run(tenant, Days::Ahead, now).await?;
        if done != Some(today) {
            let mut commit = Commit::new();
            commit.put(&key, &MetaRecord::SchedulesGenerated(today));
            self.storage.commit(commit).await?;
        }
        Ok(generated)
    }

    /// Makes the schedules that these days are to have and have not.
    ///
    /// # Errors
    /// [`GenerationError`]; what was made until then stays.
    pub async fn run(
        &self,
        tenant: TenantId,
        days: Days,
        now: Timestamp,
    ) -> Result<Generated, GenerationError> {
        let survey = Survey::of(self, (tenant, days, now)).await?;
        let mut generated = survey.found;
        let total = survey.missing.len();
        let mut missing = survey.missing.into_iter();
        loop {
            let batch: Vec<_> = missing.by_ref().take(AT_ONCE).collect();
            if batch.is_empty() {
                break;
            }
            let adding = batch.into_iter().map(|plan| self.add(tenant, plan));
            for added in join_all(adding).await {
                match added? {
                    Addition::Added => generated.created += 1,
                    // Somebody else was faster.
                    Addition::PlaceTaken => generated.existing += 1,
                }
            }
            if generated.created.is_multiple_of(LOG_EVERY) && generated.created < total {
                tracing::info!(tenant = tenant.get(), created = generated.created, total, "making schedules");
            }
        }
        if generated.created > 0 {
            let Generated { created, existing, skipped } = generated;
            tracing::info!(
                tenant = tenant.get(),
                created,
                existing,
                skipped,
                "made schedules from the templates"
            );
        }
        Ok(generated)
    }

    async fn add(&self, tenant: TenantId, plan: PlannedSchedule) -> Result<Addition, GenerationError> {
        let number = self.sequences.next(self.storage, tenant, Sequence::Schedule).await?;
        let id = ScheduleId::new(number).map_err(|_| SequenceError::Exhausted(Sequence::Schedule))?;
        Ok(add_schedule(self.storage, self.availability, tenant, (plan.numbered(id), None)).await?)
    }
}

impl Generated {
    fn add(&mut self, other: Self) {
        self.created += other.created;
        self.existing += other.existing;
        self.skipped += other.skipped;
    }
}

/// What the templates want of some days, beside what is there.
struct Survey {
    /// Nothing is created yet.
    found: Generated,
    missing: Vec<PlannedSchedule>,
}

impl Survey {
    /// Looks through the store on a thread where that may take its time.
    async fn of(
        generator: &Generator<'_>,
        (tenant, days, now): (TenantId, Days, Timestamp),
    ) -> Result<Self, GenerationError> {
        let (storage, directory) = (generator.storage.clone(), generator.directory.clone());
        let surveying = tokio::task::spawn_blocking(move || {
            Surveyor::new(&storage, directory.openings(), tenant, now)?.survey(days)
        });
        match surveying.await {
            Ok(survey) => Ok(survey?),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

struct Surveyor<'a> {
    storage: &'a Storage,
    openings: &'a Openings,
    tenant: TenantId,
    now: Timestamp,
    templates: Vec<Template>,
    exceptions: Vec<DayException>,
    /// Where they count: the last day of each department.
    last_days: Option<HashMap<DepartmentId, Date>>,
    /// Whether who was asked about sees patients there.
    at_work: HashMap<(DepartmentId, Option<DoctorId>), bool>,
}

impl<'a> Surveyor<'a> {
    fn new(
        storage: &'a Storage,
        openings: &'a Openings,
        tenant: TenantId,
        now: Timestamp,
    ) -> Result<Self, ReadError> {
        let templates = storage.scan(&keys::templates(tenant), Scan::ALL)?;
        let exceptions = storage.scan(&keys::day_exceptions(tenant), Scan::ALL)?;
        Ok(Self {
            storage,
            openings,
            tenant,
            now,
            templates: templates.into_iter().map(|(_, stored)| stored.record.0).collect(),
            exceptions: exceptions.into_iter().map(|(_, stored)| stored.record.0).collect(),
            last_days: None,
            at_work: HashMap::new(),
        })
    }

    fn survey(mut self, days: Days) -> Result<Survey, ReadError> {
        let mut survey = Survey { found: Generated::default(), missing: Vec::new() };
        let days = match days {
            Days::These(days) => days,
            Days::Ahead => {
                let last_days = self.last_days_ahead()?;
                let today = self.openings.standard().zone.date_of(self.now);
                let last = last_days.values().max().copied().unwrap_or(today);
                self.last_days = Some(last_days);
                today..=last
            }
        };
        for ahead in 0..=days.start().days_until(*days.end()) {
            let date = days.start().saturating_add_days(ahead);
            for plan in wanted(&self.templates, &self.exceptions, date) {
                if self.is_too_far(&plan) {
                    continue;
                }
                let place = keys::SchedulePlace {
                    department: plan.department,
                    doctor: plan.doctor,
                    date,
                    period: plan.period,
                };
                if self.storage.contains(&keys::schedule_at(self.tenant, &place))? {
                    survey.found.existing += 1;
                } else if self.is_over(&plan) || !self.is_at_work(plan.department, plan.doctor)? {
                    survey.found.skipped += 1;
                } else {
                    survey.missing.push(plan);
                }
            }
        }
        Ok(survey)
    }

    /// The last of the days ahead of each department that has templates.
    fn last_days_ahead(&self) -> Result<HashMap<DepartmentId, Date>, ReadError> {
        let mut last_days = HashMap::new();
        for Template { department, .. } in &self.templates {
            let policy = self.openings.policy_for(self.tenant, Some(*department))?;
            last_days.insert(*department, *days_ahead(&policy, self.now).end());
        }
        Ok(last_days)
    }

    fn is_too_far(&self, plan: &PlannedSchedule) -> bool {
        let last_day = self.last_days.as_ref().and_then(|days| days.get(&plan.department));
        last_day.is_some_and(|last| plan.date > *last)
    }

    /// Whether even the last slot has passed, so that nobody could book it.
    fn is_over(&self, plan: &PlannedSchedule) -> bool {
        plan.slots
            .last()
            .is_none_or(|last| self.openings.standard().zone.instant(plan.date, last.time) <= self.now)
    }

    fn is_at_work(&mut self, department: DepartmentId, doctor: Option<DoctorId>) -> Result<bool, ReadError> {
        if let Some(known) = self.at_work.get(&(department, doctor)) {
            return Ok(*known);
        }
        let ward = self.storage.get(&keys::department(self.tenant, department))?;
        let ward = ward.is_some_and(|stored| stored.record.enabled);
        let person = match doctor {
            None => true,
            Some(doctor) => {
                let stored = self.storage.get(&keys::doctor(self.tenant, doctor))?;
                stored.is_some_and(|it| it.record.enabled && it.record.departments.contains(&department))
            }
        };
        self.at_work.insert((department, doctor), ward && person);
        Ok(ward && person)
    }
}
