//! The one handle to the store: read, scan, commit.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use domain::Timestamp;
use parking_lot::Mutex;

use crate::commit::{Change, Commit, CommitError, CommitTicket, Seq, Version};
use crate::committer::{self, Journal, Queue};
use crate::index::{self, IndexError};
use crate::journal;
use crate::journal::fold::{self, FoldError, FoldReport, Folding};
use crate::keys::{Key, KeyRange, RawKey};
use crate::lock::WriterLock;
use crate::open::{self, OpenError};
use crate::options::StorageOptions;
use crate::pictures::PictureFiles;
use crate::priority;
use crate::record::{Record, RecordError};
use crate::shared::Shared;
use crate::status::{ANY_ORDER, Gauges, Status, Writable};
use crate::value::{NEVER, StoredValue};

/// A sweep deletes so many records with one commit at most, so that it never holds up a booking.
const SWEEP_KEYS: usize = 100;

/// A stored record and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<R> {
    /// The commit that wrote it last.
    pub version: Version,
    /// The record.
    pub record: R,
}

/// Which end of a range comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the least key up.
    Ascending,
    /// From the greatest key down.
    Descending,
}

/// How a range is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// At most so many records.
    pub limit: usize,
    /// In this order.
    pub order: Order,
}

impl Scan {
    /// The whole range, from the least key up.
    pub const ALL: Self = Self { limit: usize::MAX, order: Order::Ascending };
}

/// Why nothing could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The index failed, and the storage with it.
    #[error("the index failed")]
    Failed,
    /// The stored bytes are not a record.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Why the storage was not closed in good order. What was acknowledged is durable all the same.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// The storage had failed before.
    #[error("the storage failed before it was closed")]
    Failed,
    /// The last segment could not be closed.
    #[error("the journal could not be closed: {0}")]
    Journal(io::Error),
}

/// Why a data folder was not compacted.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The journal was not folded.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The folder was not closed in good order.
    #[error(transparent)]
    Close(#[from] CloseError),
    /// The journal was folded, but the old index is still there.
    #[error("the journal was folded, but the index could not be removed: {0}")]
    Index(io::Error),
}

/// The store. A clone is another handle to the same one. The data folder can be opened again when
/// the last handle is gone.
#[derive(Clone, Debug)]
pub struct Storage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    committer: Mutex<Option<JoinHandle<Option<Journal>>>>,
    folding: Mutex<Folding>,
    options: StorageOptions,
    /// Released last.
    _lock: WriterLock,
}

impl Storage {
    /// Opens the data folder, or creates it, and starts the committer.
    ///
    /// # Errors
    /// [`OpenError`]. Nothing that was acknowledged is dropped silently.
    pub fn open(options: StorageOptions) -> Result<Self, OpenError> {
        let opened = open::open(&options)?;
        let gauges = Gauges::default();
        gauges.seq.store(opened.position.seq.get(), ANY_ORDER);
        gauges.closed_bytes.store(opened.closed_bytes, ANY_ORDER);
        gauges.active_bytes.store(opened.segment.bytes(), ANY_ORDER);
        gauges.live_bytes.store(opened.contents.digests.bytes(), ANY_ORDER);
        gauges.live_records.store(opened.contents.digests.count(), ANY_ORDER);
        // What was replaced before this start is not known; if anything was written, assume so.
        gauges.replaced.store(u64::from(opened.unfolded), ANY_ORDER);
        let shared = Arc::new(Shared {
            queue: Queue::new(),
            index: opened.index,
            resident: opened.contents.resident,
            expiry: Mutex::new(opened.contents.expiry),
            gauges,
            failed: AtomicBool::new(false),
            on_fatal: Arc::clone(&options.on_fatal),
        });
        let journal = Journal {
            files: Arc::clone(&options.files),
            folder: journal::folder(&options.path),
            segment: opened.segment,
            mark: opened.mark,
            position: opened.position,
            segment_bytes: options.segment_bytes,
            space: Arc::clone(&options.space),
            observer: Arc::clone(&options.observer),
            min_free_bytes: options.min_free_bytes,
        };
        let committer = committer::start(Arc::clone(&shared), journal)
            .map_err(|source| OpenError::Io { path: options.path.clone(), source })?;
        Ok(Self(Arc::new(Inner {
            shared,
            committer: Mutex::new(Some(committer)),
            folding: Mutex::new(Folding::new(opened.folded_at)),
            options,
            _lock: opened.lock,
        })))
    }

    /// The record of a key.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn get<R: Record>(&self, key: &Key<R>) -> Result<Option<Stored<R>>, ReadError> {
        self.read(key.raw(), decode)
    }

    /// The version of a key's record; [`Version::ABSENT`] when there is none.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn version<R: Record>(&self, key: &Key<R>) -> Result<Version, ReadError> {
        let version = self.read(key.raw(), |stored| Ok(parse::<R>(stored)?.version));
        Ok(version?.unwrap_or(Version::ABSENT))
    }

    /// Whether a key has a record.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn contains<R: Record>(&self, key: &Key<R>) -> Result<bool, ReadError> {
        Ok(self.version(key)? != Version::ABSENT)
    }

    /// The records of a range. Commits that are made meanwhile may be seen or not, each record for
    /// itself.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn scan<R: Record>(
        &self,
        range: &KeyRange<R>,
        scan: Scan,
    ) -> Result<Vec<(RawKey, Stored<R>)>, ReadError> {
        let mut found = Vec::new();
        self.visit(range, scan, &mut |key, stored| {
            found.push((key, decode(stored)?));
            Ok(())
        })?;
        Ok(found)
    }

    /// The keys of a range, without decoding the records.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn scan_keys<R: Record>(&self, range: &KeyRange<R>, scan: Scan) -> Result<Vec<RawKey>, ReadError> {
        let mut found = Vec::new();
        self.visit(range, scan, &mut |key, _| {
            found.push(key);
            Ok(())
        })?;
        Ok(found)
    }

    /// Lines a commit up. Commits are checked in the order of these calls. The commit goes its way
    /// even if the ticket is dropped.
    pub fn commit(&self, commit: Commit) -> CommitTicket {
        self.0.shared.queue.submit(commit)
    }

    /// Deletes the records that have expired by the last full minute, in small commits, and returns how many. It
    /// blocks the thread until the last of these commits is answered.
    ///
    /// # Errors
    /// [`CommitError`] of the first commit that failed. What it would have deleted is found again
    /// by the next start at the latest.
    pub fn sweep(&self, now: Timestamp) -> Result<u64, CommitError> {
        let mut swept = 0;
        loop {
            let keys = self.0.shared.expiry.lock().take(now.as_millis(), SWEEP_KEYS);
            if keys.is_empty() {
                return Ok(swept);
            }
            swept += self.sweep_keys(&keys, now).inspect_err(|_| self.note_again(&keys, now))?;
        }
    }

    /// The folder of the pictures, beside the journal.
    ///
    /// # Errors
    /// Whatever the file system reports.
    pub fn pictures(&self) -> io::Result<PictureFiles> {
        PictureFiles::open(&self.0.options.path, Arc::clone(&self.0.options.files))
    }

    /// Lets the index write what it still has in memory, so that a start after a crash has less to
    /// replay. Blocks the thread, but no commit. An index that cannot write stops the storage.
    pub fn flush_index(&self) {
        if let Err(error) = self.0.shared.index.flush() {
            self.0.shared.failed_reading(&error);
        }
    }

    /// Folds the journal where that is due: when it is larger than twice what lives, or a day after
    /// the last time if anything was overwritten or deleted since. It blocks the thread for as long
    /// as it takes, but no commit; what it does is done by a thread of low priority. It also removes what an earlier
    /// fold had to leave because somebody was reading the journal.
    ///
    /// # Errors
    /// [`FoldError`]; nothing is lost, and the next call tries again.
    pub fn fold_if_due(&self, now: Timestamp) -> Result<Option<FoldReport>, FoldError> {
        let mut folding = self.0.folding.lock();
        folding.remove_leftovers(&self.0.options)?;
        if !folding.is_due(&self.0.shared.gauges, self.0.options.fold_min_bytes, now) {
            return Ok(None);
        }
        self.fold_aside(&mut folding, now).map(Some)
    }

    /// Folds the journal now.
    ///
    /// # Errors
    /// [`FoldError`]; nothing is lost, and the next call tries again.
    pub fn fold(&self, now: Timestamp) -> Result<FoldReport, FoldError> {
        self.fold_aside(&mut self.0.folding.lock(), now)
    }

    /// Folds the journal of a data folder that no server uses, and removes its index, which the next start makes anew: sled
    /// keeps pieces of what was overwritten in its files for as long as it likes. What was erased is physically gone then.
    ///
    /// # Errors
    /// [`CompactError`]; nothing is lost.
    pub fn compact(options: StorageOptions) -> Result<FoldReport, CompactError> {
        let (path, now) = (options.path.clone(), options.now);
        let storage = Self::open(options)?;
        let folded = storage.fold(now);
        storage.close()?;
        let report = folded?;
        // Within the lock, which this handle has to its end.
        index::remove(&path).map_err(CompactError::Index)?;
        drop(storage);
        Ok(report)
    }

    fn fold_aside(&self, folding: &mut Folding, now: Timestamp) -> Result<FoldReport, FoldError> {
        priority::aside("folding", || fold::fold(&self.0.shared, &self.0.options, folding, now))?
    }

    /// Bytes that the index takes on the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn index_bytes(&self) -> Result<u64, ReadError> {
        self.0.shared.index.disk_bytes().map_err(|error| self.failed(&error))
    }

    /// The state of the storage.
    #[must_use]
    pub fn status(&self) -> Status {
        let gauges = &self.0.shared.gauges;
        Status {
            seq: Seq::new(gauges.seq.load(ANY_ORDER)),
            writable: self.writable(),
            waiting: self.0.shared.queue.len(),
            journal_bytes: gauges.journal_bytes(),
            live_bytes: gauges.live_bytes.load(ANY_ORDER),
            live_records: gauges.live_records.load(ANY_ORDER),
            groups: gauges.groups.load(ANY_ORDER),
            commits: gauges.commits.load(ANY_ORDER),
            largest_group: gauges.largest_group.load(ANY_ORDER),
        }
    }

    /// Answers the commits that wait, refuses any others, and closes the journal, so that the next
    /// start has nothing to repair. Reads go on for as long as there is a handle.
    ///
    /// # Errors
    /// [`CloseError`]
    pub fn close(&self) -> Result<(), CloseError> {
        self.0.shared.queue.close();
        let Some(committer) = self.0.committer.lock().take() else {
            return Ok(());
        };
        let Ok(Some(journal)) = committer.join() else {
            return Err(CloseError::Failed);
        };
        if self.0.shared.has_failed() {
            return Err(CloseError::Failed);
        }
        journal.close().map_err(CloseError::Journal)?;
        if let Err(error) = self.0.shared.index.flush() {
            // The next start replays more, or makes the index anew.
            tracing::warn!(%error, "the index was not flushed");
        }
        Ok(())
    }

    fn writable(&self) -> Writable {
        if self.0.shared.has_failed() {
            Writable::Failed
        } else if self.0.committer.lock().is_none() {
            Writable::Closed
        } else if self.0.shared.gauges.no_space.load(ANY_ORDER) {
            Writable::NoSpace
        } else {
            Writable::Yes
        }
    }

    /// What `read` makes of the stored value of a key.
    fn read<T>(
        &self,
        key: &RawKey,
        read: impl FnOnce(&[u8]) -> Result<T, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        let shared = &self.0.shared;
        if key.table().is_resident() {
            return shared.resident.get(key, read).transpose();
        }
        let stored = shared.index.get(key).map_err(|error| self.failed(&error))?;
        stored.map(|stored| read(&stored)).transpose()
    }

    fn failed(&self, error: &IndexError) -> ReadError {
        self.0.shared.failed_reading(error);
        ReadError::Failed
    }

    fn visit<R: Record>(&self, range: &KeyRange<R>, scan: Scan, visit: Visit<'_>) -> Result<(), ReadError> {
        if scan.limit == 0 {
            return Ok(());
        }
        let mut left = scan.limit;
        let mut result = Ok(());
        let mut each = |key: &[u8], stored: &[u8]| {
            let key = RawKey::from_bytes(key).ok_or(RecordError::Malformed(R::TABLE));
            result = key.map_err(ReadError::from).and_then(|key| visit(key, stored));
            left -= 1;
            result.is_ok() && left > 0
        };
        let bounds = (range.start(), range.end());
        if R::TABLE.is_resident() {
            self.0.shared.resident.scan(bounds, scan.order, &mut each);
        } else if let Err(error) = self.0.shared.index.scan(bounds, scan.order, &mut each) {
            return Err(self.failed(&error));
        }
        result
    }

    /// Deletes those of the keys that have expired. A record that was written again meanwhile
    /// stands in the queue once more, and is left alone.
    fn sweep_keys(&self, keys: &[RawKey], now: Timestamp) -> Result<u64, CommitError> {
        let mut spared = Vec::new();
        loop {
            let mut commit = Commit::new();
            for key in keys.iter().filter(|key| !spared.contains(*key)) {
                if let Some(version) = self.expired_version(key, now)? {
                    commit.require(*key, version).change(Change::Delete { key: *key });
                }
            }
            let count = commit.changes.len() as u64;
            if count == 0 {
                return Ok(0);
            }
            match self.commit(commit).wait() {
                Ok(_) => return Ok(count),
                Err(CommitError::Conflict { key }) => spared.push(key),
                Err(error) => return Err(error),
            }
        }
    }

    fn expired_version(&self, key: &RawKey, now: Timestamp) -> Result<Option<Version>, CommitError> {
        let expired = self.read(key, |stored| {
            let value = StoredValue::parse(stored).ok_or(RecordError::Malformed(key.table()))?;
            let expired = value.expires_at != NEVER && value.expires_at <= now.as_millis();
            Ok(expired.then_some(value.version))
        });
        Ok(expired.map_err(|_| CommitError::Corrupt)?.flatten())
    }

    /// Puts the keys of a failed sweep back, so that the next one finds them.
    fn note_again(&self, keys: &[RawKey], now: Timestamp) {
        let mut expiry = self.0.shared.expiry.lock();
        for key in keys {
            expiry.note(*key, now.as_millis());
        }
    }
}

/// Takes the key and the stored value of one record of a range.
type Visit<'a> = &'a mut dyn FnMut(RawKey, &[u8]) -> Result<(), ReadError>;

fn parse<R: Record>(stored: &[u8]) -> Result<StoredValue<'_>, ReadError> {
    Ok(StoredValue::parse(stored).ok_or(RecordError::Malformed(R::TABLE))?)
}

pub(crate) fn decode<R: Record>(stored: &[u8]) -> Result<Stored<R>, ReadError> {
    let value = parse::<R>(stored)?;
    Ok(Stored { version: value.version, record: R::decode(value.payload)? })
}

impl Drop for Inner {
    /// Waits for the committer, so that nothing is written after the lock is released.
    fn drop(&mut self) {
        self.shared.queue.close();
        if let Some(committer) = self.committer.lock().take() {
            // A panic of the committer has been reported where it happened.
            let _ = committer.join();
        }
    }
}
