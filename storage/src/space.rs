//! How much room the disk has left.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The room is asked for before each group of commits, but looked up this often at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Knows how many bytes can still be written.
pub trait SpaceProbe: fmt::Debug + Send + Sync {
    /// Free bytes.
    ///
    /// # Errors
    /// Whatever the file system reports; the storage then goes on as if there were room.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// Asks the file system that holds a folder, once a second at most.
#[derive(Debug)]
pub struct DiskSpace {
    folder: PathBuf,
    last: Mutex<Option<(Instant, u64)>>,
}

impl DiskSpace {
    /// Watches the file system of this folder.
    #[must_use]
    pub fn of(folder: PathBuf) -> Self {
        Self { folder, last: Mutex::new(None) }
    }
}

impl SpaceProbe for DiskSpace {
    fn free_bytes(&self) -> io::Result<u64> {
        let mut last = self.last.lock();
        if let Some((at, free)) = *last
            && at.elapsed() < LOOK_EVERY
        {
            return Ok(free);
        }
        let disk = rustix::fs::statvfs(&self.folder)?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        *last = Some((Instant::now(), free));
        Ok(free)
    }
}
