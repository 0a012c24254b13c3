//! Reads a whole data folder and says whether it is sound. Changes nothing in the journal, and works
//! beside a running server.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

use crate::commit::Seq;
use crate::damage::{Damage, DamageReason, JournalError};
use crate::digest::{ContentDigest, Digests, Footprint};
use crate::index::{self, Index};
use crate::journal;
use crate::journal::acknowledged;
use crate::journal::latest::{self, Sources};
use crate::journal::layout::Layout;
use crate::journal::operation::Operation;
use crate::journal::reader::{End, ReadTo, Receiver};
use crate::keys::RawKey;
use crate::lock::{JournalLock, LockError, WriterLock};
use crate::status::{Progress, Step};
use crate::table::Table;

/// Progress is reported once for so many commits.
const REPORT_EVERY: u64 = 10_000;
/// The index is read with little memory: nobody waits for it.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// What a sound data folder contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// The last commit.
    pub seq: Seq,
    /// What lives after it.
    pub digest: ContentDigest,
    /// Segments of the journal, the active one included.
    pub segments: usize,
    /// Whether there is a snapshot before them.
    pub snapshot: Snapshot,
    /// Frames read.
    pub frames: u64,
    /// Bytes of the journal.
    pub bytes: u64,
    /// Live records of each table that has any.
    pub live: Vec<(Table, u64)>,
    /// How the journal ends.
    pub tail: Tail,
    /// What became of the index.
    pub index: IndexReport,
}

/// Whether older segments were folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snapshot {
    /// The segments are the whole journal.
    None,
    /// A snapshot stands for everything up to this commit.
    UpTo(Seq),
}

/// How the journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// It was closed.
    Closed,
    /// A server writes it, or was killed while it did.
    Open,
    /// An incomplete frame follows the last commit: a server is writing it, or was killed then. The
    /// next start cuts it off.
    Torn {
        /// Where it begins.
        offset: u64,
        /// Its length.
        bytes: u64,
    },
}

/// What became of the index, which can be made anew from a sound journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexReport {
    /// A server has it; it was not looked at.
    InUse,
    /// There is none; the next start makes it.
    Missing,
    /// It holds what the journal says, up to this commit.
    Agrees(Seq),
    /// It differs or cannot be opened; the next start makes it anew.
    Differs(String),
}

/// Why a folder could not be verified, or is not sound.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no journal in the folder.
    #[error("{} is no data folder", .0.display())]
    NoJournal(PathBuf),
    /// The journal is damaged, newer than this program, or cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The operating system could not read.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Reads everything in the data folder and checks it.
///
/// # Errors
/// [`VerifyError`]: the first damage that was found.
pub fn verify(path: &Path, progress: &dyn Progress) -> Result<VerifyReport, VerifyError> {
    let folder = journal::folder(path);
    if !folder.is_dir() {
        return Err(VerifyError::NoJournal(path.to_owned()));
    }
    let io = |source| VerifyError::Io { path: path.to_owned(), source };
    // While this is held nobody removes a file of the journal.
    let _journal = JournalLock::share(path).map_err(io)?;
    let writer = match WriterLock::acquire(path) {
        Ok(lock) => Some(lock),
        Err(LockError::Held { .. }) => None,
        Err(LockError::Io(source)) => return Err(io(source)),
    };
    let found = writer.as_ref().map(|_| look_at_index(path));
    // Read before the journal, which only grows meanwhile.
    let known = acknowledged::read(&folder).map_err(io)?.unwrap_or_default();
    let layout = Layout::read(&folder)?;
    if layout.is_empty() {
        return Err(VerifyError::NoJournal(path.to_owned()));
    }
    let applied = match &found {
        Some(Found::Index(applied, _)) => *applied,
        Some(Found::Nothing | Found::Unusable(_)) | None => Seq::default(),
    };
    let mut check = Check::new(&layout, applied, progress);
    let to = check.read(&layout, known.max(applied))?;
    Ok(report(&layout, &to, &check, found))
}

fn report(layout: &Layout, to: &ReadTo, check: &Check<'_>, found: Option<Found>) -> VerifyReport {
    let digests = &to.position.digests;
    let live = Table::ALL.into_iter().map(|table| (table, digests.of(table).count));
    VerifyReport {
        seq: to.position.seq,
        digest: digests.content(),
        segments: layout.segments.len(),
        snapshot: match &layout.snapshot {
            Some(file) => Snapshot::UpTo(file.header.seq),
            None => Snapshot::None,
        },
        frames: to.frames,
        bytes: layout.bytes(),
        live: live.filter(|(_, count)| *count > 0).collect(),
        tail: match to.end {
            End::Closed | End::ClosedUncut => Tail::Closed,
            End::Open => Tail::Open,
            End::Torn { bytes } => Tail::Torn { offset: to.offset, bytes },
        },
        index: judge_index(check, found),
    }
}

/// What was found where the index should be.
enum Found {
    Nothing,
    Unusable(String),
    /// The last commit that was applied, and what the index holds.
    Index(Seq, Box<Digests>),
}

fn look_at_index(path: &Path) -> Found {
    let folder = index::folder(path);
    if !folder.exists() {
        return Found::Nothing;
    }
    let read = || {
        let index = Index::open(&folder, CACHE_BYTES)?;
        let mut digests = Digests::default();
        index.scan_all(&mut |key, stored| {
            let raw = RawKey::from_bytes(&key).ok_or(index::IndexError::ForeignRecord)?;
            digests.replace(raw.table(), None, Some(Footprint::of(&key, &stored)));
            Ok(())
        })?;
        Ok::<_, index::IndexError>(Found::Index(index.applied()?, Box::new(digests)))
    };
    read().unwrap_or_else(|error| Found::Unusable(error.to_string()))
}

fn judge_index(check: &Check<'_>, found: Option<Found>) -> IndexReport {
    match found {
        None => IndexReport::InUse,
        Some(Found::Nothing) => IndexReport::Missing,
        Some(Found::Unusable(why)) => IndexReport::Differs(why),
        Some(Found::Index(applied, digests)) => match &check.at_applied {
            None => IndexReport::Differs("it is older than the journal".to_owned()),
            Some(expected) => match expected.first_difference_in_index(&digests) {
                None => IndexReport::Agrees(applied),
                Some(table) => IndexReport::Differs(format!("table {} differs", table.name())),
            },
        },
    }
}

/// Follows every record through the journal, by hashes alone: what an operation says it replaced
/// must be what was there.
pub(crate) struct Check<'a> {
    live: HashMap<u128, Footprint>,
    digests: Digests,
    /// The last commit that the index has, and what must live after it.
    applied: Seq,
    at_applied: Option<Digests>,
    /// The first operation that replaced something else than it says.
    broken: Option<Table>,
    total: u64,
    progress: &'a dyn Progress,
}

impl<'a> Check<'a> {
    pub(crate) fn new(layout: &Layout, applied: Seq, progress: &'a dyn Progress) -> Self {
        let first = layout.segments.last().map_or(Seq::default(), |file| file.header.seq);
        Self {
            live: HashMap::new(),
            digests: Digests::default(),
            applied,
            at_applied: None,
            broken: None,
            total: first.get(),
            progress,
        }
    }

    pub(crate) fn read(&mut self, layout: &Layout, known: Seq) -> Result<ReadTo, JournalError> {
        let to = latest::read_all(Sources::all(layout), self)?;
        let found = to.position.seq;
        let reason = if let Some(table) = self.broken {
            DamageReason::Digest(table)
        } else if let Some(table) = self.digests.first_difference(&to.position.digests) {
            DamageReason::Digest(table)
        } else if found < known {
            DamageReason::CommitsMissing { found: found.get(), known: known.get() }
        } else {
            return Ok(to);
        };
        let file = layout.segments.last().or(layout.snapshot.as_ref());
        let file = file.map_or_else(PathBuf::new, |file| file.path.clone());
        Err(JournalError::Damaged(Damage { file, offset: to.offset, reason }))
    }
}

impl Receiver for Check<'_> {
    fn operation(&mut self, operation: &Operation<'_>, stored: Option<Vec<u8>>) -> Result<(), JournalError> {
        let key = operation.key.as_bytes();
        let hash = xxh3_128(key);
        let new = stored.as_deref().map(|stored| Footprint::of(key, stored));
        let old = match new {
            Some(new) => self.live.insert(hash, new),
            None => self.live.remove(&hash),
        };
        if old != operation.replaced {
            self.broken.get_or_insert(operation.key.table());
        }
        self.digests.replace(operation.key.table(), old, new);
        Ok(())
    }

    fn commit_end(&mut self, seq: Seq) -> Result<(), JournalError> {
        if seq == self.applied {
            self.at_applied = Some(self.digests);
        }
        if seq.get().is_multiple_of(REPORT_EVERY) {
            self.progress.report(Step::Verify, seq.get(), self.total.max(seq.get()));
        }
        Ok(())
    }
}
