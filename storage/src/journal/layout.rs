//! Which files a journal consists of, told from their names and headers alone.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::commit::Seq;
use crate::damage::{DamageReason, JournalError};
use crate::journal::acknowledged;
use crate::journal::segment::{FileKind, Header, MAX_HEADER_BYTES};

/// The file name of the segment that begins with this commit.
pub(crate) fn segment_name(first: Seq) -> String {
    format!("{:020}.seg", first.get())
}

/// The file name of the snapshot that covers everything up to this commit.
pub(crate) fn snapshot_name(last: Seq) -> String {
    format!("{:020}.snap", last.get())
}

/// A segment or a snapshot.
#[derive(Clone, Debug)]
pub(crate) struct JournalFile {
    pub(crate) path: PathBuf,
    pub(crate) header: Header,
    /// Where the first frame begins.
    pub(crate) header_bytes: u64,
    /// Length of the whole file.
    pub(crate) bytes: u64,
}

/// The files of a journal.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// What the segments before the first one left alive.
    pub(crate) snapshot: Option<JournalFile>,
    /// In the order of their commits.
    pub(crate) segments: Vec<JournalFile>,
    /// Files that the snapshot stands for, and that nobody reads any more.
    pub(crate) folded: Vec<PathBuf>,
    /// Files without their final name: being written, or left behind by a crash.
    pub(crate) unfinished: Vec<PathBuf>,
}

/// The names found in the folder.
#[derive(Default)]
struct Names {
    segments: Vec<Seq>,
    snapshots: Vec<Seq>,
    unfinished: Vec<PathBuf>,
}

impl Layout {
    /// Lists the folder and checks that the files follow each other.
    ///
    /// # Errors
    /// A missing file, a damaged header, a newer format.
    pub(crate) fn read(folder: &Path) -> Result<Self, JournalError> {
        let mut names = list(folder).map_err(JournalError::io(folder))?;
        names.segments.sort_unstable();
        names.snapshots.sort_unstable();
        let newest = names.snapshots.pop();
        let covered = newest.unwrap_or_default();
        let (folded, live): (Vec<_>, Vec<_>) =
            names.segments.into_iter().partition(|first| *first <= covered);
        let snapshots = names.snapshots.iter().map(|seq| folder.join(snapshot_name(*seq)));
        let folded = folded.iter().map(|first| folder.join(segment_name(*first)));
        let folded = folded.chain(snapshots).collect();
        let snapshot = newest
            .map(|last| read_file(folder.join(snapshot_name(last)), FileKind::Snapshot, last))
            .transpose()?;
        let segments = live
            .into_iter()
            .map(|first| read_file(folder.join(segment_name(first)), FileKind::Segment, first))
            .collect::<Result<Vec<_>, _>>()?;
        let layout = Self { snapshot, segments, folded, unfinished: names.unfinished };
        layout.check_order(folder)?;
        Ok(layout)
    }

    /// Whether there is no journal at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.snapshot.is_none() && self.segments.is_empty()
    }

    /// Length of all files, folded ones aside.
    pub(crate) fn bytes(&self) -> u64 {
        self.snapshot.iter().chain(&self.segments).map(|file| file.bytes).sum()
    }

    fn check_order(&self, folder: &Path) -> Result<(), JournalError> {
        let missing = |path: &Path| JournalError::damaged(path, 0, DamageReason::FileMissing);
        let covered = self.snapshot.as_ref().map(|file| file.header.seq);
        let Some(first) = self.segments.first() else {
            // A snapshot is only written beside an active segment, which is not there any more.
            return match covered {
                Some(last) => Err(missing(&folder.join(segment_name(last.next())))),
                None => Ok(()),
            };
        };
        if first.header.seq != covered.unwrap_or_default().next() {
            return Err(missing(&first.path));
        }
        for pair in self.segments.windows(2) {
            if pair[1].header.previous_file != pair[0].header.seq {
                return Err(missing(&pair[1].path));
            }
        }
        Ok(())
    }
}

fn list(folder: &Path) -> io::Result<Names> {
    let mut names = Names::default();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(seq) = numbered(name, ".seg") {
            names.segments.push(seq);
        } else if let Some(seq) = numbered(name, ".snap") {
            names.snapshots.push(seq);
        } else if name.ends_with(".tmp") {
            names.unfinished.push(entry.path());
        } else if !acknowledged::is_mark(name) {
            tracing::warn!(file = %entry.path().display(), "a foreign file lies in the journal");
        }
    }
    Ok(names)
}

fn numbered(name: &str, ending: &str) -> Option<Seq> {
    let digits = name.strip_suffix(ending)?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(Seq::new)
}

fn read_file(path: PathBuf, kind: FileKind, seq: Seq) -> Result<JournalFile, JournalError> {
    let (bytes, start) = read_start(&path).map_err(JournalError::io(&path))?;
    let (header, header_bytes) = Header::parse(kind, &start, &path)?;
    if header.seq != seq {
        return Err(JournalError::damaged(&path, 0, DamageReason::FileMissing));
    }
    Ok(JournalFile { path, header, header_bytes, bytes })
}

fn read_start(path: &Path) -> io::Result<(u64, Vec<u8>)> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut start = Vec::new();
    file.take(MAX_HEADER_BYTES as u64).read_to_end(&mut start)?;
    Ok((bytes, start))
}
