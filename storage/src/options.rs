//! How a data folder is opened.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use domain::Timestamp;

use crate::files::{DiskFiles, Files};
use crate::shared::OnFatal;
use crate::space::{DiskSpace, SpaceProbe};
use crate::status::{Observer, Progress, Silent};

/// Where the data lies and what the storage may use.
#[derive(Clone)]
pub struct StorageOptions {
    /// The data folder; it is created when it does not exist.
    pub path: PathBuf,
    /// The memory that the index may use as a cache.
    pub cache_bytes: u64,
    /// Commits are refused while the disk has less room than this.
    pub min_free_bytes: u64,
    /// A segment of the journal is closed when it is this large.
    pub segment_bytes: u64,
    /// The journal is folded for its size only when it is at least this large.
    pub fold_min_bytes: u64,
    /// The file layer under the journal.
    pub files: Arc<dyn Files>,
    /// Knows how much room the disk has.
    pub space: Arc<dyn SpaceProbe>,
    /// Is told how long work goes on.
    pub progress: Arc<dyn Progress>,
    /// Is told of every group of commits.
    pub observer: Arc<dyn Observer>,
    /// Is called once when the storage stops for good, after the waiting commits were answered.
    pub on_fatal: OnFatal,
    /// The time of the start.
    pub now: Timestamp,
}

impl StorageOptions {
    /// Everything at its default. Where nothing else is said, the end of the storage is only logged.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, now: Timestamp) -> Self {
        let path = path.into();
        Self {
            cache_bytes: 64 * 1024 * 1024,
            min_free_bytes: 256 * 1024 * 1024,
            segment_bytes: 64 * 1024 * 1024,
            fold_min_bytes: 64 * 1024 * 1024,
            files: Arc::new(DiskFiles),
            space: Arc::new(DiskSpace::of(path.clone())),
            progress: Arc::new(Silent),
            observer: Arc::new(Silent),
            on_fatal: Arc::new(|_| {}),
            now,
            path,
        }
    }
}

impl fmt::Debug for StorageOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageOptions").field("path", &self.path).finish_non_exhaustive()
    }
}
