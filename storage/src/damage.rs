//! What can be wrong with the files of a journal.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::table::Table;

/// A place of the journal that was sound once and is not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The damaged file.
    pub file: PathBuf,
    /// The first byte that cannot be trusted.
    pub offset: u64,
    /// What is wrong there.
    pub reason: DamageReason,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.file.display(), self.offset, self.reason)
    }
}

/// What is wrong with a journal file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamageReason {
    /// The file does not begin with a sound header.
    #[error("the header of the file is damaged")]
    Header,
    /// A frame that was written completely does not have its checksum any more.
    #[error("a frame does not match its checksum, and later commits follow it")]
    Frame,
    /// The frame belongs somewhere else.
    #[error("a frame does not continue the one before it")]
    Sequence,
    /// A closed file ends before its last frame.
    #[error("the end of a closed file is missing")]
    EndMissing,
    /// Something follows the last frame of a closed file.
    #[error("something follows the end of a closed file")]
    AfterEnd,
    /// The file that should stand before this one is not there, or is another one.
    #[error("the file before this one is missing or is another one")]
    FileMissing,
    /// Commits that were acknowledged are not in the journal.
    #[error("the journal ends at commit {found}, but commit {known} was made")]
    CommitsMissing {
        /// The last commit in the journal.
        found: u64,
        /// A later commit that is known to have been made.
        known: u64,
    },
    /// The operations of the journal do not add up to the digests written into it.
    #[error("the records of table {} do not add up to what the journal says of them", .0.name())]
    Digest(Table),
    /// The journal contains no file at all, though there is an index.
    #[error("the journal is missing")]
    JournalMissing,
}

/// Why a journal cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The journal is damaged.
    #[error("{0}")]
    Damaged(Damage),
    /// A newer version of the program wrote the file.
    #[error(
        "{} has format {found}, but this version of the program reads formats up to {supported}: \
         use the version that wrote it, or a newer one",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this program reads.
        supported: u32,
    },
    /// The file contains operations or tables that this version of the program does not know.
    #[error(
        "{} holds data that this version of the program does not know: use the version that wrote \
         it, or a newer one",
        .path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// The operating system could not read or write.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Whoever received the records could not go on.
    #[error("{0}")]
    Receiver(String),
}

impl JournalError {
    pub(crate) fn damaged(file: &Path, offset: u64, reason: DamageReason) -> Self {
        Self::Damaged(Damage { file: file.to_owned(), offset, reason })
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Io { path, source }
    }
}
