//! Backups: the journal up to one commit and the pictures, copied beside a running server and brought back.
//!
//! ```text
//! 2026-11-24T023000/BACKUP      what the backup has; written last
//! 2026-11-24T023000/journal/    its files as they are in the data folder, the last one closed
//! 2026-11-24T023000/files/      the pictures
//! ```
//!
//! Keys are never copied. A backup has its name when all of it is durable and was read back; until then it is a folder
//! whose name ends in `.tmp`. A restore changes the data folder by one exchange of two folders, so that a crash
//! leaves either the old data or the new.

mod check;
mod copying;
mod manifest;
mod numbers;
mod restore;
mod shelf;
mod write;

pub use check::{Checked, check_backup};
pub use manifest::is_backup;
pub(crate) use restore::remove_draft;
pub use restore::{Occupied, Restore, RestoreError, RestoreReport};
pub use shelf::{Shelved, remove_backup, remove_drafts, shelved_backups};
pub use write::{Backup, BackupReport};

use std::io;
use std::path::PathBuf;

use crate::damage::JournalError;
use crate::journal::frozen::ViewError;
use copying::CopyError;

/// Why there is no backup, or one is no good. No half of one is left under its name.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] ViewError),
    /// There is something under the name already.
    #[error("{} is there already and is not overwritten: name another one", .0.display())]
    Exists(PathBuf),
    /// The folder that the backup is to stand in is not there.
    #[error("{} is no folder: make it, or mount it, first", .0.display())]
    NoFolder(PathBuf),
    /// The name is that of no folder.
    #[error("{} cannot be the name of a backup", .0.display())]
    BadName(PathBuf),
    /// The backup would lie in the data folder.
    #[error("{} lies in the data folder: a backup belongs onto another disk", .0.display())]
    InData(PathBuf),
    /// Somebody else makes a backup of this name.
    #[error("another process is writing {}", .0.display())]
    InProgress(PathBuf),
    /// There is not enough room.
    #[error("{needed} bytes are needed, with what is left to the server, and {free} are free")]
    NoSpace {
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// The folder is no backup, or its list is damaged or of a newer version.
    #[error("{} is no backup that this version of the program can read", .0.display())]
    NoBackup(PathBuf),
    /// Something in the backup is not what was copied.
    #[error("{} is not what was backed up: this backup is damaged, use another copy of it", .0.display())]
    Differs(PathBuf),
    /// The journal in the backup is damaged.
    #[error("the backup is damaged: {0}; use another copy of it")]
    Damaged(JournalError),
    /// A file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl From<CopyError> for BackupError {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Io { path, source } => Self::Io { path, source },
            CopyError::TooShort(path) => Self::Differs(path),
            CopyError::NoSpace { needed, free } => Self::NoSpace { needed, free },
        }
    }
}
