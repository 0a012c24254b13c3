//! The backup that the server makes every night, and of those it has made the last ones.
//!
//! It is due when there is none since the last time that the clock of the clinic showed the hour: a server that did not
//! run then makes up for it at its start. The oldest make room only after the new one is whole.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use actix_web::web;
use domain::{ClinicZone, TimeOfDay, Timestamp};
use storage::{BackupError, BackupReport, Shelved, Silent, remove_backup, remove_drafts, shelved_backups};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::app::App;
use crate::backups;
use crate::settings::Settings;

/// Between two looks at the clock.
const TICK: Duration = Duration::from_secs(30);
/// After a failure it is not tried again for so long.
const RETRY_AFTER: Duration = Duration::from_secs(15 * 60);
/// Begins the names of the backups that the server makes, and removes.
const PREFIX: &str = "pati-";

/// Why there is no backup of this night.
#[derive(Debug, Error)]
pub enum NightlyError {
    /// It was not made.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The folder of the backups cannot be read.
    #[error("{}: {source}", .dir.display())]
    Dir {
        /// The folder.
        dir: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Makes the backups of one server.
#[derive(Clone, Debug)]
pub struct Nightly {
    settings: Settings,
    dir: PathBuf,
    zone: ClinicZone,
}

impl Nightly {
    /// As the settings say; `None` when they want none.
    pub fn new(settings: &Settings) -> Option<Self> {
        let dir = settings.backup.dir.clone()?;
        Some(Self { settings: settings.clone(), dir, zone: settings.zone() })
    }

    /// When the newest whole backup was begun.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn newest(&self) -> Result<Option<Timestamp>, NightlyError> {
        Ok(self.shelved()?.last().map(|backup| backup.taken_at))
    }

    /// Makes a backup and removes the oldest ones. Blocks the thread.
    ///
    /// # Errors
    /// [`NightlyError`]; all others are still there.
    pub fn make(&self, now: Timestamp) -> Result<BackupReport, NightlyError> {
        remove_drafts(&self.dir, PREFIX).map_err(|source| self.failed(source))?;
        let target = self.dir.join(self.name(now));
        let report = backups::backup_of(&self.settings, &target, now, Arc::new(Silent)).write()?;
        self.prune();
        Ok(report)
    }

    /// What cannot be removed now is tried again the next night.
    fn prune(&self) {
        let Ok(all) = self.shelved() else { return };
        let surplus = all.len().saturating_sub(self.settings.backup.keep.into());
        for old in &all[..surplus] {
            match remove_backup(&old.path) {
                Ok(()) => tracing::info!(path = %old.path.display(), "removed an old backup"),
                Err(error) => {
                    tracing::warn!(%error, path = %old.path.display(), "an old backup could not be removed")
                }
            }
        }
    }

    fn shelved(&self) -> Result<Vec<Shelved>, NightlyError> {
        shelved_backups(&self.dir, PREFIX).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> NightlyError {
        NightlyError::Dir { dir: self.dir.clone(), source }
    }

    /// `pati-2026-11-24T02-30-00` by the clinic's clock.
    fn name(&self, now: Timestamp) -> String {
        let time = self.zone.date_time_text(now).replace(' ', "T").replace(':', "-");
        format!("{PREFIX}{time}")
    }
}

/// Whether a backup is due, when the newest is from `newest` and one was tried at `tried` in vain.
fn is_due(
    now: Timestamp,
    at: TimeOfDay,
    zone: &ClinicZone,
    newest: Option<Timestamp>,
    tried: Option<Timestamp>,
) -> bool {
    let today = zone.date_of(now);
    let tonight = zone.instant(today, at);
    let last = if tonight <= now { tonight } else { zone.instant(today.saturating_add_days(-1), at) };
    let missing = newest.is_none_or(|newest| newest < last || newest > now);
    let waited = tried.is_none_or(|tried| now.since(tried) >= RETRY_AFTER || tried > now);
    missing && waited
}

/// Looks at the clock until the server ends, and makes the backups that are due, each in a thread of its own: the end of
/// the server does not wait for it, and what it leaves then the next one removes.
pub async fn run(app: web::Data<App>, nightly: Nightly) {
    let mut tried = None;
    let look = nightly.clone();
    let mut newest = match in_a_thread(move || look.newest()).await {
        Ok(newest) => newest,
        Err(error) => {
            tracing::error!(error, "the folder of the backups cannot be used");
            None
        }
    };
    app.metrics.backups().begin(app.clock.now(), newest);
    let at = nightly.settings.backup.at;
    loop {
        let now = app.clock.now();
        if is_due(now, at, &nightly.zone, newest, tried) {
            let begun = Instant::now();
            let maker = nightly.clone();
            match in_a_thread(move || maker.make(now)).await {
                Ok(report) => {
                    (tried, newest) = (None, Some(now));
                    app.metrics.backups().made(now, begun.elapsed(), report.bytes);
                    let digest = report.digest.to_string();
                    tracing::info!(seq = report.seq.get(), bytes = report.bytes, digest, "made a backup");
                }
                Err(message) => {
                    tried = Some(now);
                    app.metrics.backups().failed();
                    tracing::error!(error = message, "no backup was made, it will be tried again");
                }
            }
        }
        tokio::time::sleep(TICK).await;
    }
}

/// What the work comes to; the error is its text.
async fn in_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NightlyError> + Send + 'static,
) -> Result<T, String> {
    let (done, wait) = oneshot::channel();
    let work = move || {
        // Nobody waits any more where this fails.
        let _ = done.send(work().map_err(|error| error.to_string()));
    };
    thread::Builder::new().name("nightly".to_owned()).spawn(work).map_err(|error| error.to_string())?;
    wait.await.unwrap_or_else(|_| Err("the thread of the backup ended".to_owned()))
}

#[cfg(test)]
mod tests {
    use storage::{Storage, StorageOptions, check_backup};

    use std::path::Path;

    use super::*;

    fn hours(hours: f64) -> Timestamp {
        // 2026-11-24T00:00 in Shanghai.
        Timestamp::from_millis(1_795_449_600_000 + (hours * 3_600_000.0) as i64)
    }

    #[test]
    fn a_backup_is_due_once_a_night() {
        let zone = ClinicZone::fixed_hours(8);
        let at = TimeOfDay::parse("02:30").unwrap();
        let cases = [
            // now, newest, tried, due
            (2.4, Some(-21.4), None, false),
            (2.5, Some(-21.4), None, true),
            (2.6, Some(2.5), None, false),
            (26.4, Some(2.5), None, false),
            (26.5, Some(2.5), None, true),
            (12.0, None, None, true),
            (12.0, Some(2.4), None, true),
            (2.6, Some(-21.4), Some(2.5), false),
            (2.75, Some(-21.4), Some(2.5), true),
            // A clock that was set back does not stop backups.
            (12.0, Some(99.0), None, true),
            (12.0, None, Some(99.0), true),
        ];
        for (now, newest, tried, due) in cases {
            let is = is_due(hours(now), at, &zone, newest.map(hours), tried.map(hours));
            assert_eq!(is, due, "{now} {newest:?} {tried:?}");
        }
    }

    fn nightly(data: &Path, dir: &Path, keep: u16) -> Nightly {
        let mut settings = Settings::default();
        settings.storage.path = data.to_owned();
        settings.storage.min_free_mb = 0;
        settings.backup.dir = Some(dir.to_owned());
        settings.backup.keep = keep;
        Nightly::new(&settings).unwrap()
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_make_room_when_the_new_one_is_whole() {
        let (data, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let storage = Storage::open(StorageOptions::new(data.path(), hours(0.0))).unwrap();
        crate::tenants::ensure_default(&storage, domain::TenantId::new(1).unwrap()).unwrap();
        let nightly = nightly(data.path(), dir.path(), 2);
        std::fs::create_dir_all(dir.path().join("pati-2026-11-20T02-30-00.tmp/journal")).unwrap();
        std::fs::create_dir(dir.path().join("others")).unwrap();
        assert_eq!(nightly.newest().unwrap(), None);
        for day in 0..3 {
            nightly.make(hours(2.5 + 24.0 * f64::from(day))).unwrap();
        }
        let both = ["others", "pati-2026-11-25T02-30-00", "pati-2026-11-26T02-30-00"];
        assert_eq!(names(dir.path()), both);
        assert_eq!(nightly.newest().unwrap(), Some(hours(50.5)));
        for name in &both[1..] {
            check_backup(&dir.path().join(name), &Silent).unwrap();
        }
        // One that fails removes none.
        let mut full = nightly.clone();
        full.settings.storage.min_free_mb = u64::MAX / (1024 * 1024);
        assert!(matches!(full.make(hours(74.5)), Err(NightlyError::Backup(BackupError::NoSpace { .. }))));
        assert_eq!(names(dir.path()), both);
        let nowhere = self::nightly(data.path(), &dir.path().join("not mounted"), 2);
        assert!(matches!(nowhere.make(hours(74.5)), Err(NightlyError::Dir { .. })));
    }
}
