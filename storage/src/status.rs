//! What the storage tells about itself, while it runs and while it works on something long.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::commit::Seq;

/// Whether commits are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writable {
    /// They are.
    Yes,
    /// Not until there is room on the disk again.
    NoSpace,
    /// Not any more in this process: a write failed.
    Failed,
    /// The storage is closed.
    Closed,
}

/// The storage at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The last commit.
    pub seq: Seq,
    /// Whether commits are accepted.
    pub writable: Writable,
    /// Commits that wait for their turn.
    pub waiting: usize,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Bytes of all live keys and values.
    pub live_bytes: u64,
    /// Live records.
    pub live_records: u64,
    /// Groups written since the start. Each was one sync.
    pub groups: u64,
    /// Commits acknowledged since the start.
    pub commits: u64,
    /// The largest group since the start.
    pub largest_group: u64,
}

/// Why the storage stopped for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fatal {
    pub(crate) what: String,
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Long work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Commits are read from the journal that the index does not have; counts commits.
    Replay,
    /// The index is compared with the journal; counts records.
    Compare,
    /// The index is made anew; counts records.
    Rebuild,
    /// The journal is read and checked; counts commits.
    Verify,
    /// The journal is read beside a server; counts commits.
    Read,
    /// The journal is folded; counts records.
    Fold,
    /// Files are copied into a backup or out of one; counts bytes.
    Copy,
    /// What was copied is read back and checked; counts bytes.
    Check,
}

/// Is told how long work goes on.
pub trait Progress: fmt::Debug + Send + Sync {
    /// So much of the work is done; `total` is an estimate.
    fn report(&self, step: Step, done: u64, total: u64);
}

/// Is told of every group of commits that was made durable.
pub trait Observer: fmt::Debug + Send + Sync {
    /// So many commits were appended and synced together, which took so long. Called by the thread that
    /// writes, so it must be quick.
    fn group_written(&self, commits: usize, took: Duration);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn group_written(&self, _commits: usize, _took: Duration) {}
}

impl Progress for Silent {
    fn report(&self, _step: Step, _done: u64, _total: u64) {}
}

/// The numbers behind [`Status`], written by the committer and read by everybody.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) seq: AtomicU64,
    pub(crate) no_space: AtomicBool,
    pub(crate) closed_bytes: AtomicU64,
    pub(crate) active_bytes: AtomicU64,
    pub(crate) live_bytes: AtomicU64,
    pub(crate) live_records: AtomicU64,
    pub(crate) groups: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) largest_group: AtomicU64,
    /// Records overwritten or deleted since the last fold.
    pub(crate) replaced: AtomicU64,
}

impl Gauges {
    pub(crate) fn journal_bytes(&self) -> u64 {
        self.closed_bytes.load(ANY_ORDER) + self.active_bytes.load(ANY_ORDER)
    }
}

/// Reads or writes a gauge. Each stands for itself, so that no order among them is needed.
pub(crate) const ANY_ORDER: Ordering = Ordering::Relaxed;
