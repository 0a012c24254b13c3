//! A journal as it was at one moment, for whoever reads it beside a running server.

use std::io;
use std::path::{Path, PathBuf};

use crate::damage::{Damage, DamageReason, JournalError};
use crate::journal::latest::{self, Sources};
use crate::journal::layout::Layout;
use crate::journal::reader::{Ending, Ignore, ReadTo};
use crate::journal::{self, acknowledged};
use crate::lock::JournalLock;

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
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

/// The journal up to some commit. A server may write on, but removes no file of it while this is held.
#[derive(Debug)]
pub(crate) struct Frozen {
    _lock: JournalLock,
    pub(crate) layout: Layout,
    /// Where the last segment ended at that moment.
    pub(crate) to: ReadTo,
}

impl Frozen {
    /// Takes the journal of a data folder as it is now.
    ///
    /// # Errors
    /// [`ViewError`], also when the last segment has lost something that was acknowledged.
    pub(crate) fn take(data: &Path) -> Result<Self, ViewError> {
        let folder = journal::folder(data);
        let missing = || ViewError::NoJournal(data.to_owned());
        if !folder.is_dir() {
            return Err(missing());
        }
        let io = |source| ViewError::Io { path: data.to_owned(), source };
        let lock = JournalLock::share(data).map_err(io)?;
        // Read before the journal, which only grows meanwhile.
        let known = acknowledged::read(&folder).map_err(io)?.unwrap_or_default();
        let layout = read_layout(&folder)?;
        let Some(last) = layout.segments.last() else { return Err(missing()) };
        let tail = Sources { snapshot: None, segments: std::slice::from_ref(last), ending: Ending::Any };
        let to = latest::read_all(tail, &mut Ignore)?;
        if to.position.seq < known {
            let reason = DamageReason::CommitsMissing { found: to.position.seq.get(), known: known.get() };
            return Err(Damage { file: last.path.clone(), offset: to.offset, reason }.into());
        }
        Ok(Self { _lock: lock, layout, to })
    }

    /// All of it, and nothing that came later.
    pub(crate) fn sources(&self) -> Sources<'_> {
        Sources {
            snapshot: self.layout.snapshot.as_ref(),
            segments: &self.layout.segments,
            ending: Ending::At(self.to.offset),
        }
    }
}

impl From<Damage> for ViewError {
    fn from(damage: Damage) -> Self {
        Self::Journal(JournalError::Damaged(damage))
    }
}

/// A listing while the server opens its next segment may have the new name and lack the one before.
fn read_layout(folder: &Path) -> Result<Layout, JournalError> {
    Layout::read(folder).or_else(|_| Layout::read(folder))
}
