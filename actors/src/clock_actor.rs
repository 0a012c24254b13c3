//! The actor with the timers. They only tidy up: every deadline is also compared when it is used.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use domain::Timestamp;
use storage::Storage;

use crate::availability::Availability;
use crate::clock::Clock;
use crate::directory::ScheduleDirectory;
use crate::label_sweep::sweep_labels;
use crate::no_shows;
use crate::patient_index::PatientIndex;

const TICK: Duration = Duration::from_secs(30);

/// Sweeps what has expired, folds the journal, marks missed visits and forgets days that are over.
pub struct ClockActor {
    /// Where everything is kept.
    pub storage: Storage,
    /// The way to the schedules.
    pub directory: ScheduleDirectory,
    /// What the lists show.
    pub availability: Arc<Availability>,
    /// The patients, their groups and labels.
    pub patients: Arc<PatientIndex>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl ClockActor {
    fn tick(&mut self, context: &mut Context<Self>) {
        let now = self.clock.now();
        self.directory.tidy();
        self.availability.forget_before(self.availability.zone().date_of(now));
        let (storage, directory) = (self.storage.clone(), self.directory.clone());
        let patients = Arc::clone(&self.patients);
        // The next tick waits until this one is done, so that no two run at once.
        context.wait(tidy(storage, directory, patients, now).into_actor(self));
    }
}

impl Actor for ClockActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.tick(context);
        context.run_interval(TICK, Self::tick);
    }
}

async fn tidy(storage: Storage, directory: ScheduleDirectory, patients: Arc<PatientIndex>, now: Timestamp) {
    match no_shows::mark_no_shows(&storage, &directory, now).await {
        Ok(0) => {}
        Ok(marked) => tracing::info!(marked, "marked missed visits"),
        Err(error) => tracing::error!(error = %error, "missed visits could not be marked"),
    }
    let upkeep = tokio::task::spawn_blocking(move || upkeep(&storage, &patients, now));
    if upkeep.await.is_err() {
        tracing::error!("the upkeep of the storage panicked");
    }
}

/// Blocks: not for a thread that runs actors.
fn upkeep(storage: &Storage, patients: &PatientIndex, now: Timestamp) {
    match storage.sweep(now) {
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
    match storage.fold_if_due(now) {
        Ok(None) => {}
        Ok(Some(report)) => tracing::info!(?report, "folded the journal"),
        Err(error) => tracing::error!(error = %error, "the journal could not be folded"),
    }
}
