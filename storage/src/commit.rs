//! What is asked of the store in one step, and what it answers.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use domain::Timestamp;
use tokio::sync::oneshot;

use crate::keys::{Key, RawKey};
use crate::record::Record;
use crate::value::NEVER;

/// The number of a commit: 1 for the first of a data folder, without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    pub(crate) const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of the commit after this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The version of a record: the number of the commit that wrote it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// The version of a record that does not exist.
    pub const ABSENT: Self = Self(0);

    pub(crate) const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number itself; 0 for [`Version::ABSENT`].
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<Seq> for Version {
    /// The version of everything that this commit wrote.
    fn from(seq: Seq) -> Self {
        Self(seq.0)
    }
}

/// Puts, deletes and the preconditions under which all of them are made, or none.
#[derive(Clone, Debug, Default)]
#[must_use = "a commit does nothing until it is given to the storage"]
pub struct Commit {
    pub(crate) preconditions: Vec<Precondition>,
    pub(crate) changes: Vec<Change>,
}

/// The version that a key must have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Precondition {
    pub(crate) key: RawKey,
    pub(crate) version: Version,
}

/// One write of a commit.
#[derive(Clone)]
pub(crate) enum Change {
    /// Writes a record; `expires_at` is [`NEVER`] or milliseconds since 1970.
    Put { key: RawKey, expires_at: i64, payload: Vec<u8> },
    /// Removes a record, if there is one.
    Delete { key: RawKey },
}

impl Change {
    /// The key that is written.
    pub(crate) fn key(&self) -> &RawKey {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { key, .. } => write!(f, "put {key:?}"),
            Self::Delete { key } => write!(f, "delete {key:?}"),
        }
    }
}

impl Commit {
    /// A commit of nothing, without preconditions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires that there is no record of this key.
    pub fn require_absent<R: Record>(&mut self, key: &Key<R>) -> &mut Self {
        self.require_version(key, Version::ABSENT)
    }

    /// Requires that the record was last written by this version.
    pub fn require_version<R: Record>(&mut self, key: &Key<R>, version: Version) -> &mut Self {
        self.require(*key.raw(), version)
    }

    /// Writes a record that stays until it is overwritten or deleted.
    pub fn put<R: Record>(&mut self, key: &Key<R>, record: &R) -> &mut Self {
        self.change(Change::Put { key: *key.raw(), expires_at: NEVER, payload: record.encode() })
    }

    /// Writes a record that [`crate::Storage::sweep`] removes at this time. Readers must compare
    /// the deadline themselves: an expired record is found until it is swept.
    pub fn put_expiring<R: Record>(&mut self, key: &Key<R>, record: &R, expires_at: Timestamp) -> &mut Self {
        let expires_at = expires_at.as_millis();
        self.change(Change::Put { key: *key.raw(), expires_at, payload: record.encode() })
    }

    /// Removes a record. One that does not exist is no error.
    pub fn delete<R: Record>(&mut self, key: &Key<R>) -> &mut Self {
        self.change(Change::Delete { key: *key.raw() })
    }

    /// Takes over everything that another commit writes and requires, so that both are made or neither.
    pub fn include(&mut self, other: Self) -> &mut Self {
        self.preconditions.extend(other.preconditions);
        self.changes.extend(other.changes);
        self
    }

    /// Whether it depends on this key.
    #[must_use]
    pub fn depends_on(&self, key: &RawKey) -> bool {
        self.preconditions.iter().any(|precondition| precondition.key == *key)
    }

    /// Whether the commit neither writes nor requires anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.preconditions.is_empty()
    }

    pub(crate) fn require(&mut self, key: RawKey, version: Version) -> &mut Self {
        self.preconditions.push(Precondition { key, version });
        self
    }

    pub(crate) fn change(&mut self, change: Change) -> &mut Self {
        self.changes.push(change);
        self
    }
}

/// Why a commit was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Certainly nothing was written.
    #[error("nothing was written: {0}")]
    NotCommitted(NotCommitted),
    /// Certainly nothing was written: this key did not have the version required of it.
    #[error("a record had another version than required")]
    Conflict {
        /// The key of the first precondition that failed.
        key: RawKey,
    },
    /// The write or the sync failed: after a restart the commit is there as a whole, or not at all.
    #[error("it is not known whether the commit was written")]
    MaybeCommitted,
    /// Certainly nothing was written: a record that had to be compared is damaged.
    #[error("a stored record is damaged; nothing was written")]
    Corrupt,
}

/// Why certainly nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCommitted {
    /// Too many commits were waiting. Try again later.
    #[error("too many commits are waiting")]
    Busy,
    /// The disk is nearly full.
    #[error("the disk is nearly full")]
    NoSpace,
    /// The storage is being closed.
    #[error("the storage is being closed")]
    ShuttingDown,
    /// An earlier write failed; the process has to be restarted.
    #[error("an earlier write failed")]
    Failed,
    /// The commit is larger than a frame of the journal may be.
    #[error("the commit is too large")]
    TooLarge,
}

/// The answer to a commit, once it is there. The commit goes its way whether or not anybody waits.
#[derive(Debug)]
#[must_use = "without the answer it is not known whether the commit was made"]
pub struct CommitTicket(State);

#[derive(Debug)]
enum State {
    Waiting(oneshot::Receiver<Result<Seq, CommitError>>),
    Answered(Result<Seq, CommitError>),
}

impl CommitTicket {
    pub(crate) fn waiting(answer: oneshot::Receiver<Result<Seq, CommitError>>) -> Self {
        Self(State::Waiting(answer))
    }

    pub(crate) fn answered(answer: Result<Seq, CommitError>) -> Self {
        Self(State::Answered(answer))
    }

    /// Blocks the thread until the answer is there. Not for a thread that drives futures, on which
    /// it panics as every blocking wait of tokio does.
    ///
    /// # Errors
    /// [`CommitError`]
    pub fn wait(self) -> Result<Seq, CommitError> {
        match self.0 {
            State::Answered(answer) => answer,
            // A committer that vanished without an answer may have written.
            State::Waiting(answer) => answer.blocking_recv().unwrap_or(Err(CommitError::MaybeCommitted)),
        }
    }
}

impl Future for CommitTicket {
    type Output = Result<Seq, CommitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Answered(answer) => Poll::Ready(*answer),
            State::Waiting(answer) => {
                Pin::new(answer).poll(cx).map(|received| received.unwrap_or(Err(CommitError::MaybeCommitted)))
            }
        }
    }
}
