//! Folding: the closed segments become one snapshot of what they left alive. What was overwritten
//! or deleted is physically gone after that.
//!
//! A crash at any point leaves a folder that opens. Until the snapshot has its name it is a
//! temporary file, which is removed at the next start; from then on the older files are leftovers,
//! which nobody reads.

use std::io;
use std::path::Path;

use domain::Timestamp;

use crate::commit::Seq;
use crate::damage::JournalError;
use crate::files::{Files, WritableFile};
use crate::index;
use crate::journal;
use crate::journal::frame::{self, Head, Kind};
use crate::journal::latest::{self, Sources};
use crate::journal::layout::{self, Layout};
use crate::journal::operation;
use crate::journal::reader::Ending;
use crate::journal::segment::{self, FileKind, Header, Position};
use crate::lock::JournalLock;
use crate::options::StorageOptions;
use crate::shared::Shared;
use crate::status::{ANY_ORDER, Gauges, Progress, Step};
use crate::value::StoredValue;

/// Erased personal data is gone from the disk after so long, in milliseconds: one day.
const FOLD_AFTER_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// Records are kept in frames of about this size.
const FRAME_BYTES: usize = 64 * 1024;
/// So much is written at once.
const WRITE_BYTES: usize = 1024 * 1024;

/// What a fold did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldReport {
    /// The last commit that is folded.
    pub seq: Seq,
    /// Bytes of the files before.
    pub bytes_before: u64,
    /// Bytes of the snapshot that takes their place.
    pub bytes_after: u64,
}

/// Why the journal was not folded. Nothing is lost.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// A file cannot be read.
    #[error("the journal was not folded: {0}")]
    Journal(#[from] JournalError),
    /// The snapshot cannot be written.
    #[error("the snapshot of the journal was not written: {0}")]
    Write(#[from] io::Error),
    /// The storage is closed, or has failed.
    #[error("the storage takes no writes any more")]
    NotWritable,
    /// An earlier fold could not make its snapshot's name durable, which must not be tried twice in
    /// one process.
    #[error("folding is off until the next start, because an earlier sync failed")]
    Off,
}

/// When the journal was folded last.
#[derive(Debug)]
pub(crate) struct Folding {
    folded_at: i64,
    off: bool,
    /// Whether files were left that the snapshot stands for, because somebody read the journal.
    leftovers: bool,
}

impl Folding {
    pub(crate) fn new(folded_at: i64) -> Self {
        Self { folded_at, off: false, leftovers: false }
    }

    /// Removes what the last fold had to leave, now that nobody reads it.
    pub(crate) fn remove_leftovers(&mut self, options: &StorageOptions) -> Result<(), FoldError> {
        if self.leftovers && !self.off {
            self.leftovers = remove_folded(options, &journal::folder(&options.path))? == Folded::Left;
        }
        Ok(())
    }

    pub(crate) fn is_due(&self, gauges: &Gauges, min_bytes: u64, now: Timestamp) -> bool {
        let replaced = gauges.replaced.load(ANY_ORDER) > 0;
        let bytes = gauges.journal_bytes();
        let large = bytes >= min_bytes && bytes / 2 > gauges.live_bytes.load(ANY_ORDER);
        let late = now.as_millis().saturating_sub(self.folded_at) >= FOLD_AFTER_MILLIS;
        replaced && (large || late) && !self.off
    }
}

/// Folds everything up to now.
pub(crate) fn fold(
    shared: &Shared,
    options: &StorageOptions,
    folding: &mut Folding,
    now: Timestamp,
) -> Result<FoldReport, FoldError> {
    if folding.off {
        return Err(FoldError::Off);
    }
    let replaced = shared.gauges.replaced.load(ANY_ORDER);
    if !shared.queue.roll() {
        return Err(FoldError::NotWritable);
    }
    let folder = journal::folder(&options.path);
    let files = options.files.as_ref();
    let layout = Layout::read(&folder)?;
    let Some((active, closed)) = layout.segments.split_last() else {
        unreachable!("the committer has just opened a segment")
    };
    let bytes_before = layout.bytes() - active.bytes;
    let Some(last) = closed.last() else {
        // Nothing was written since the last fold.
        let seq = Seq::new(active.header.seq.get() - 1);
        return Ok(FoldReport { seq, bytes_before, bytes_after: bytes_before });
    };
    tracing::debug!(last = %last.path.display(), "folding the journal");
    let target = Target {
        position: segment_start(active),
        previous_file: last.header.seq,
        written_at: now.as_millis(),
    };
    let sources = Sources { snapshot: layout.snapshot.as_ref(), segments: closed, ending: Ending::Closed };
    let new = folder.join(layout::snapshot_name(target.position.seq)).with_extension("snap.tmp");
    let written = write_snapshot(files, &new, sources, &target, options.progress.as_ref());
    let bytes_after = match written {
        Ok(bytes) => bytes,
        Err(error) => {
            // If it cannot be removed now, the next start does it.
            let _ = files.remove(&new);
            return Err(error);
        }
    };
    files.rename(&new, &folder.join(layout::snapshot_name(target.position.seq)))?;
    if let Err(error) = files.sync_dir(&folder) {
        folding.off = true;
        return Err(FoldError::Write(error));
    }
    folding.folded_at = now.as_millis();
    shared.gauges.replaced.fetch_sub(replaced, ANY_ORDER);
    shared.gauges.closed_bytes.fetch_add(bytes_after, ANY_ORDER);
    shared.gauges.closed_bytes.fetch_sub(bytes_before, ANY_ORDER);
    // An index that lags behind the snapshot after a crash would have to be made anew.
    if let Err(error) = shared.index.flush() {
        shared.failed_reading(&error);
    }
    folding.leftovers = true;
    folding.remove_leftovers(options)?;
    // What was erased must not live on in an index that was set aside.
    if let Err(error) = index::remove_set_aside(&options.path) {
        tracing::warn!(%error, "an index that was set aside could not be removed");
    }
    Ok(FoldReport { seq: target.position.seq, bytes_before, bytes_after })
}

fn segment_start(active: &layout::JournalFile) -> Position {
    journal::reader::start_of(active)
}

/// What the snapshot stands for.
struct Target {
    position: Position,
    previous_file: Seq,
    written_at: i64,
}

/// Writes the snapshot and makes it durable, under a temporary name. Returns its length.
fn write_snapshot(
    files: &dyn Files,
    path: &Path,
    sources: Sources<'_>,
    target: &Target,
    progress: &dyn Progress,
) -> Result<u64, FoldError> {
    let header = Header {
        kind: FileKind::Snapshot,
        seq: target.position.seq,
        previous_file: target.previous_file,
        previous_frame: target.position.checksum,
        written_at: target.written_at,
        digests: target.position.digests,
    };
    let mut snapshot = SnapshotWriter {
        file: files.create(path)?,
        seq: target.position.seq,
        checksum: target.position.checksum,
        pending: header.encode(),
        payload: Vec::new(),
        written: 0,
    };
    let io = |source| JournalError::Io { path: path.to_owned(), source };
    let (mut done, total) = (0, target.position.digests.count());
    let to = latest::read_latest(sources, &target.position.digests, &mut |part| {
        done += part.len() as u64;
        for (key, stored) in &part {
            if let Some(value) = StoredValue::parse(stored) {
                operation::append_kept(&mut snapshot.payload, key, value);
            }
            if snapshot.payload.len() >= FRAME_BYTES {
                snapshot.end_frame().map_err(io)?;
            }
        }
        progress.report(Step::Fold, done, total);
        Ok(())
    })?;
    if to.position.digests != target.position.digests || to.position.seq != target.position.seq {
        let reason = crate::damage::DamageReason::Sequence;
        return Err(JournalError::damaged(path, to.offset, reason).into());
    }
    Ok(snapshot.finish(&target.position)?)
}

struct SnapshotWriter {
    file: Box<dyn WritableFile>,
    seq: Seq,
    checksum: u32,
    /// Bytes to be written.
    pending: Vec<u8>,
    /// Operations of the frame that is being filled.
    payload: Vec<u8>,
    written: u64,
}

impl SnapshotWriter {
    fn end_frame(&mut self) -> io::Result<()> {
        if self.payload.is_empty() {
            return Ok(());
        }
        let head = Head { kind: Kind::Kept, place: 0, seq: self.seq, previous: self.checksum };
        self.checksum = frame::append(&mut self.pending, head, &self.payload);
        self.payload.clear();
        if self.pending.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.pending, self.written)?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    fn finish(mut self, position: &Position) -> io::Result<u64> {
        self.end_frame()?;
        let end = Position { checksum: self.checksum, ..*position };
        let (bytes, _) = segment::end_frame(Kind::SnapshotEnd, &end);
        self.pending.extend_from_slice(&bytes);
        self.write()?;
        self.file.sync_data()?;
        Ok(self.written)
    }
}

/// What became of the files that a snapshot stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Folded {
    Removed,
    Left,
}

/// Removes the files that the snapshot stands for, unless somebody reads the journal: then the next look at the
/// journal's size or the next start does.
fn remove_folded(options: &StorageOptions, folder: &Path) -> Result<Folded, FoldError> {
    let Some(_lock) = JournalLock::try_exclude(&options.path)? else {
        return Ok(Folded::Left);
    };
    for path in Layout::read(folder)?.folded {
        options.files.remove(&path)?;
    }
    Ok(Folded::Removed)
}
