//! Start: from the files of a data folder to a storage whose index agrees with its journal.

use std::io;
use std::path::{Path, PathBuf};

use crate::backup;
use crate::catch_up::{self, Contents};
use crate::commit::Seq;
use crate::damage::{Damage, DamageReason, JournalError};
use crate::digest::Digests;
use crate::index::{self, Index};
use crate::journal;
use crate::journal::acknowledged::{self, AcknowledgedMark};
use crate::journal::layout::Layout;
use crate::journal::reader::{End, ReadTo};
use crate::journal::segment::{self, Origin, Position, SegmentWriter};
use crate::lock::{JournalLock, LockError, WriterLock};
use crate::options::StorageOptions;

/// Why a data folder was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process works on the folder.
    #[error("{} is in use by process {process}: stop it first", .path.display())]
    InUse {
        /// The data folder.
        path: PathBuf,
        /// The number of the process.
        process: String,
    },
    /// Acknowledged data is damaged.
    #[error(
        "the journal is damaged: {0}. Nothing was changed. Inspect it with `pati-service verify`; \
         what is lost is only in a copy of the data folder"
    )]
    Damaged(Damage),
    /// A newer version of the program wrote the folder.
    #[error("{0}")]
    Newer(JournalError),
    /// The index was made anew and still differs from the journal, or cannot be made.
    #[error("the index cannot be rebuilt from the journal: {0}")]
    Index(String),
    /// The operating system could not read or write.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl From<JournalError> for OpenError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Damaged(damage) => Self::Damaged(damage),
            JournalError::Newer { .. } | JournalError::Unknown { .. } => Self::Newer(error),
            JournalError::Io { path, source } => Self::Io { path, source },
            JournalError::Receiver(what) => Self::Index(what),
        }
    }
}

pub(crate) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    |source| OpenError::Io { path, source }
}

/// A data folder, ready for the committer.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) lock: WriterLock,
    pub(crate) index: Index,
    pub(crate) contents: Contents,
    pub(crate) position: Position,
    pub(crate) segment: SegmentWriter,
    pub(crate) mark: AcknowledgedMark,
    /// Bytes of all files of the journal but the active one.
    pub(crate) closed_bytes: u64,
    /// When the last snapshot was written, or else the oldest segment.
    pub(crate) folded_at: i64,
    /// Whether anything was written since the last snapshot.
    pub(crate) unfolded: bool,
}

/// Opens or creates the data folder.
pub(crate) fn open(options: &StorageOptions) -> Result<Opened, OpenError> {
    let folder = journal::folder(&options.path);
    let lock = lock_folder(&options.path)?;
    std::fs::create_dir_all(&folder).map_err(io_error(&folder))?;
    backup::remove_draft(&options.path).map_err(io_error(&options.path))?;
    let layout = Layout::read(&folder)?;
    let known = acknowledged::read(&folder).map_err(io_error(&folder))?.unwrap_or_default();
    if layout.is_empty() {
        return create(options, lock, known);
    }
    remove_leftovers(options, &layout)?;
    let (index, to, contents) = catch_up::open_index(options, &layout, known)?;
    let (closed, origin) = close_last(options, &layout, &to)?;
    start_segment(options, lock, Started { index, contents, closed, origin, layout })
}

fn lock_folder(path: &Path) -> Result<WriterLock, OpenError> {
    std::fs::create_dir_all(path).map_err(io_error(path))?;
    WriterLock::acquire(path).map_err(|error| match error {
        LockError::Held { process } => OpenError::InUse { path: path.to_owned(), process },
        LockError::Io(source) => OpenError::Io { path: path.to_owned(), source },
    })
}

/// Makes a new data folder, unless something shows that there was one.
fn create(options: &StorageOptions, lock: WriterLock, known: Seq) -> Result<Opened, OpenError> {
    let folder = journal::folder(&options.path);
    let index_folder = index::folder(&options.path);
    if index_folder.exists() || known > Seq::default() {
        let reason = DamageReason::JournalMissing;
        return Err(OpenError::Damaged(Damage { file: folder, offset: 0, reason }));
    }
    // The names of the new folders must be durable before anything in them is acknowledged.
    let files = &options.files;
    let parent = options.path.parent().filter(|parent| !parent.as_os_str().is_empty());
    for path in [Some(options.path.as_path()), parent].into_iter().flatten() {
        files.sync_dir(path).map_err(io_error(path))?;
    }
    let nothing = Position { seq: Seq::default(), checksum: 0, digests: Digests::default() };
    let origin = Origin { previous_file: Seq::default(), written_at: options.now.as_millis() };
    // The segment before the index: an index without a journal is a sign of loss.
    let segment =
        SegmentWriter::create(files.as_ref(), &folder, &nothing, origin).map_err(io_error(&folder))?;
    let index = Index::open(&index_folder, options.cache_bytes)
        .map_err(|error| OpenError::Index(error.to_string()))?;
    let contents = Contents::default();
    let mark =
        AcknowledgedMark::create(files.as_ref(), &folder, Seq::default()).map_err(io_error(&folder))?;
    Ok(Opened {
        lock,
        index,
        contents,
        position: nothing,
        segment,
        mark,
        closed_bytes: 0,
        folded_at: options.now.as_millis(),
        unfolded: false,
    })
}

/// Removes what a crash left behind: unfinished files, and folded ones unless somebody reads the
/// journal.
fn remove_leftovers(options: &StorageOptions, layout: &Layout) -> Result<(), OpenError> {
    for path in &layout.unfinished {
        options.files.remove(path).map_err(io_error(path))?;
    }
    if layout.folded.is_empty() {
        return Ok(());
    }
    let lock = JournalLock::try_exclude(&options.path).map_err(io_error(&options.path))?;
    for path in layout.folded.iter().filter(|_| lock.is_some()) {
        options.files.remove(path).map_err(io_error(path))?;
    }
    Ok(())
}

/// Cuts a torn tail off and closes the last segment. Returns where the journal stands, and what the
/// next segment continues.
fn close_last(
    options: &StorageOptions,
    layout: &Layout,
    to: &ReadTo,
) -> Result<(Position, Origin), OpenError> {
    let Some(last) = layout.segments.last() else {
        unreachable!("a journal without a segment was created anew or refused")
    };
    let files = options.files.as_ref();
    let written_at = options.now.as_millis();
    let path = &last.path;
    if let End::Torn { bytes } = to.end {
        tracing::warn!(
            file = %path.display(), offset = to.offset, bytes,
            "cut off the end of the journal: a commit that was never acknowledged"
        );
    }
    if to.end == End::ClosedUncut {
        let cut = || -> io::Result<()> {
            let mut file = files.open(path)?;
            file.set_len(to.offset)?;
            file.sync_data()
        };
        cut().map_err(io_error(path))?;
    }
    let origin = Origin { previous_file: last.header.seq, written_at };
    match to.end {
        End::Closed | End::ClosedUncut => Ok((to.position, origin)),
        // A segment without a commit is replaced by one of the same name.
        End::Open | End::Torn { .. } if to.position.seq < last.header.seq => {
            Ok((to.position, Origin { previous_file: last.header.previous_file, written_at }))
        }
        End::Open | End::Torn { .. } => {
            let sealed = segment::seal_at(files, path, to.offset, &to.position);
            Ok((sealed.map_err(io_error(path))?, origin))
        }
    }
}

struct Started {
    index: Index,
    contents: Contents,
    closed: Position,
    origin: Origin,
    layout: Layout,
}

/// Begins the segment that this process writes.
fn start_segment(options: &StorageOptions, lock: WriterLock, started: Started) -> Result<Opened, OpenError> {
    let folder = journal::folder(&options.path);
    let files = options.files.as_ref();
    let Started { index, contents, closed, origin, layout } = started;
    let segment = SegmentWriter::create(files, &folder, &closed, origin).map_err(io_error(&folder))?;
    let mark = AcknowledgedMark::create(files, &folder, closed.seq).map_err(io_error(&folder))?;
    let closed_bytes = closed_bytes(&layout, segment.first()).map_err(io_error(&folder))?;
    let oldest = layout.snapshot.as_ref().or(layout.segments.first());
    let covered = layout.snapshot.as_ref().map_or(Seq::default(), |file| file.header.seq);
    Ok(Opened {
        lock,
        index,
        contents,
        position: closed,
        segment,
        mark,
        closed_bytes,
        folded_at: oldest.map_or(options.now.as_millis(), |file| file.header.written_at),
        unfolded: closed.seq > covered,
    })
}

/// The length of all files before the active segment, as they are now.
fn closed_bytes(layout: &Layout, active: Seq) -> io::Result<u64> {
    let closed = layout.segments.iter().filter(|file| file.header.seq < active);
    let lengths = layout.snapshot.iter().chain(closed).map(|file| Ok(std::fs::metadata(&file.path)?.len()));
    lengths.sum()
}
