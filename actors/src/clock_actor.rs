//! The actor with the timers. They only tidy up: every deadline is also compared when it is used.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use domain::{TimeOfDay, Timestamp};
use storage::{Sequences, Storage};

use crate::availability::Availability;
use crate::channels::Channels;
use crate::clock::Clock;
use crate::day_book::DayBook;
use crate::directory::ScheduleDirectory;
use crate::generation::{Due, Generator};
use crate::label_sweep::sweep_labels;
use crate::no_shows;
use crate::patient_index::PatientIndex;
use crate::reminders::Reminders;

const TICK: Duration = Duration::from_secs(30);

/// Sweeps what has expired, folds the journal, marks missed visits, reminds patients of tomorrow's, makes the schedules of
/// the days ahead and forgets days that are over.
pub struct ClockActor {
    /// Where everything is kept.
    pub storage: Storage,
    /// The way to the schedules.
    pub directory: ScheduleDirectory,
    /// What the lists show.
    pub availability: Arc<Availability>,
    /// Numbers for new schedules.
    pub sequences: Arc<Sequences>,
    /// The patients, their groups and labels.
    pub patients: Arc<PatientIndex>,
    /// Which bookings there are of a day.
    pub day_book: Arc<DayBook>,
    /// Which clinics have a way to tell their patients.
    pub channels: Arc<Channels>,
    /// When patients are reminded of tomorrow's visits; `None`: never.
    pub remind_at: Option<TimeOfDay>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// When schedules are made from the templates: [`Due::Now`] at the start, when the settings may have changed, and
    /// once a day from then on.
    pub generation: Due,
}

impl ClockActor {
    fn tick(&mut self, context: &mut Context<Self>) {
        let now = self.clock.now();
        self.directory.tidy();
        self.availability.forget_before(self.availability.zone().date_of(now));
        let upkeep = Upkeep {
            storage: self.storage.clone(),
            directory: self.directory.clone(),
            availability: Arc::clone(&self.availability),
            sequences: Arc::clone(&self.sequences),
            patients: Arc::clone(&self.patients),
            day_book: Arc::clone(&self.day_book),
            channels: Arc::clone(&self.channels),
            remind_at: self.remind_at,
            now,
        };
        let made = upkeep.tidy(self.generation).into_actor(self);
        // The next tick waits until this one is done, so that no two run at once.
        context.wait(made.map(|next, actor, _| actor.generation = next));
    }
}

impl Actor for ClockActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.tick(context);
        context.run_interval(TICK, Self::tick);
    }
}

/// What one tick works with.
struct Upkeep {
    storage: Storage,
    directory: ScheduleDirectory,
    availability: Arc<Availability>,
    sequences: Arc<Sequences>,
    patients: Arc<PatientIndex>,
    day_book: Arc<DayBook>,
    channels: Arc<Channels>,
    remind_at: Option<TimeOfDay>,
    now: Timestamp,
}

impl Upkeep {
    /// Answers when schedules are due the next time.
    async fn tidy(self, due: Due) -> Due {
        let Self { storage, directory, now, .. } = &self;
        match no_shows::mark_no_shows(storage, directory, *now).await {
            Ok(0) => {}
            Ok(marked) => tracing::info!(marked, "marked missed visits"),
            Err(error) => tracing::error!(error = %error, "missed visits could not be marked"),
        }
        let next = self.generate(due).await;
        if tokio::task::spawn_blocking(move || self.look_after()).await.is_err() {
            tracing::error!("the upkeep of the storage panicked");
        }
        next
    }

    async fn generate(&self, due: Due) -> Due {
        let generator = Generator {
            storage: &self.storage,
            sequences: &self.sequences,
            availability: &self.availability,
            directory: &self.directory,
        };
        match generator.run_all(due, self.now).await {
            Ok(_) => Due::OnceADay,
            Err(error) => {
                tracing::error!(error = %error, "schedules could not be made from the templates, it will be tried again");
                due
            }
        }
    }

    /// Blocks: not for a thread that runs actors.
    fn look_after(&self) {
        self.remind();
        let Self { storage, patients, now, .. } = self;
        match storage.sweep(*now) {
            Ok(0) => {}
            Ok(swept) => tracing::debug!(swept, "swept expired records"),
            Err(error) => tracing::warn!(error = %error, "expired records could not be swept"),
        }
        match sweep_labels(storage, patients) {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed deleted groups and labels"),
            Err(error) => tracing::warn!(error = %error, "deleted groups and labels could not be removed"),
        }
        storage.flush_index();
        match storage.fold_if_due(*now) {
            Ok(None) => {}
            Ok(Some(report)) => tracing::info!(?report, "folded the journal"),
            Err(error) => tracing::error!(error = %error, "the journal could not be folded"),
        }
    }

    /// What was written stays if it fails half-way; the next tick goes on.
    fn remind(&self) {
        let Self { storage, day_book, channels, .. } = self;
        let Some(remind_at) = self.remind_at else { return };
        let zone = self.availability.zone();
        let reminders = Reminders { storage, day_book, channels, zone, remind_at };
        match reminders.write(self.now) {
            Ok(0) => {}
            Ok(written) => tracing::info!(written, "reminded of visits"),
            Err(error) => {
                tracing::warn!(error = %error, "not everybody could be reminded, it will be tried again")
            }
        }
    }
}
