//! `pati-service backup`, `restore` and `compact`: what they do and what they say.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::{ClinicZone, Timestamp};
use storage::{
    Backup, BackupError, BackupReport, Checked, CompactError, DiskFiles, DiskSpace, FoldReport, Occupied,
    OsRandom, Progress, Restore, RestoreError, RestoreReport, Storage, StorageOptions, check_backup,
};
use thiserror::Error;

use crate::progress::LongWork;
use crate::settings::Settings;

const MIB: u64 = 1024 * 1024;

/// A backup that was made. Its text is the report for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    target: PathBuf,
    keys: PathBuf,
    report: BackupReport,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BackupReport { seq, digest, bytes, pictures } = &self.report;
        writeln!(f, "backed up to {}, and read back", self.target.display())?;
        writeln!(f, "{bytes} bytes with {pictures} pictures, up to commit {}", seq.get())?;
        writeln!(f, "digest {digest}")?;
        write!(
            f,
            "The keys are not in it. Without a copy of {} this backup cannot be read by anybody: keep one, apart \
             from the backups.",
            self.keys.display()
        )
    }
}

/// How a backup of the data folder of the settings is made.
pub fn backup_of(settings: &Settings, target: &Path, now: Timestamp, progress: Arc<dyn Progress>) -> Backup {
    // The room is looked at where the backup will be.
    let around = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    };
    Backup {
        data: settings.storage.path.clone(),
        target: target.to_owned(),
        files: Arc::new(DiskFiles),
        space: Arc::new(DiskSpace::of(around)),
        min_free_bytes: settings.storage.min_free_mb * MIB,
        progress,
        now,
    }
}

/// Runs `backup`, also beside a running server.
///
/// # Errors
/// [`BackupError`]; its text is the message for the operator.
pub fn run_backup(
    settings: &Settings,
    target: &Path,
    now: Timestamp,
    work: &Arc<LongWork>,
) -> Result<Made, BackupError> {
    let written = backup_of(settings, target, now, Arc::<LongWork>::clone(work)).write();
    work.finish();
    let keys = settings.storage.path.join("keys");
    Ok(Made { target: target.to_owned(), keys, report: written? })
}

/// A backup that is sound. Its text is the report for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoundBackup {
    checked: Checked,
    taken_at: String,
}

impl fmt::Display for SoundBackup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checked { seq, digest, bytes, pictures, .. } = &self.checked;
        writeln!(f, "the backup of {} is sound up to commit {}", self.taken_at, seq.get())?;
        writeln!(f, "{bytes} bytes with {pictures} pictures")?;
        write!(f, "digest {digest}")
    }
}

/// Runs `verify` on a backup. Nothing is changed.
///
/// # Errors
/// [`BackupError`]; its text is the message for the operator.
pub fn run_check(backup: &Path, zone: &ClinicZone, work: &LongWork) -> Result<SoundBackup, BackupError> {
    let checked = check_backup(backup, work);
    work.finish();
    let checked = checked?;
    Ok(SoundBackup { checked, taken_at: zone.date_time_text(checked.taken_at) })
}

/// Data that was brought back. Its text is the report for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    data: PathBuf,
    taken_at: String,
    report: RestoreReport,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RestoreReport { seq, digest, now: (last, now), bytes, set_aside, .. } = &self.report;
        writeln!(f, "restored {} to {}", self.taken_at, self.data.display())?;
        writeln!(f, "{bytes} bytes, up to commit {}", seq.get())?;
        writeln!(f, "digest {digest}, that of the backup")?;
        writeln!(
            f,
            "Running numbers were moved ahead, so that none of after the backup comes twice: commit {}, digest {now}",
            last.get()
        )?;
        if let Some(aside) = set_aside {
            writeln!(f, "What was there before lies in {}; remove it when you are sure.", aside.display())?;
        }
        write!(
            f,
            "Bookings and payments of after that moment are not in it: see \"Restore\" in docs/operations.md."
        )
    }
}

/// Why nothing was restored. Its text says what to do.
#[derive(Debug, Error)]
pub enum NotRestored {
    /// There is data in the folder.
    #[error(
        "{} has data already, nothing was changed. With --replace it is kept aside and the backup takes its place",
        .0.display()
    )]
    Occupied(PathBuf),
    /// Anything else.
    #[error("{0}; nothing was restored")]
    Other(RestoreError),
}

impl From<RestoreError> for NotRestored {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Occupied(path) => Self::Occupied(path),
            error @ (RestoreError::Backup(_)
            | RestoreError::InUse { .. }
            | RestoreError::BeingRead(_)
            | RestoreError::Keys(_)
            | RestoreError::Io { .. }) => Self::Other(error),
        }
    }
}

/// Runs `restore`. No server may use the data folder.
///
/// # Errors
/// [`NotRestored`]; its text is the message for the operator.
pub fn run_restore(
    settings: &Settings,
    from: &Path,
    occupied: Occupied,
    now: Timestamp,
    work: &Arc<LongWork>,
) -> Result<Restored, NotRestored> {
    let data = settings.storage.path.clone();
    let restore = Restore {
        from: from.to_owned(),
        data: data.clone(),
        occupied,
        files: Arc::new(DiskFiles),
        space: Arc::new(DiskSpace::of(data.clone())),
        progress: Arc::<LongWork>::clone(work),
        random: Arc::new(OsRandom::default()),
        now,
    };
    let restored = restore.run();
    work.finish();
    let report = restored?;
    Ok(Restored { data, taken_at: settings.zone().date_time_text(report.taken_at), report })
}

/// A folded journal. Its text is the report for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted(FoldReport);

impl fmt::Display for Compacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FoldReport { seq, bytes_before, bytes_after } = &self.0;
        writeln!(f, "folded the journal up to commit {}", seq.get())?;
        writeln!(f, "{bytes_before} bytes before, {bytes_after} bytes now")?;
        f.write_str("the index was removed: the next start makes it anew")
    }
}

/// Runs `compact`: folds the journal now and removes the index. No server may use the data folder.
///
/// # Errors
/// [`CompactError`]; its text is the message for the operator.
pub fn run_compact(options: StorageOptions, work: &LongWork) -> Result<Compacted, CompactError> {
    let report = Storage::compact(options);
    work.finish();
    Ok(Compacted(report?))
}
