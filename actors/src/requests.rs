//! What callers ask of a schedule, and how they are answered.

use domain::{
    AddSlots, Cancel, CancelBy, CheckIn, Correct, MemberId, NoShow, Paid, PatientId, Rejection, Relocate,
    Reopen, Reply, SerialNo, StaffId, Stop, Timestamp, UserId,
};
use storage::records::IdemRecord;
use storage::{Commit, CommitError, Key, NotCommitted, ReadError, SealError, SequenceError, Version};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::audit::AuditRow;

/// One wish concerning one schedule, as the edge parsed it. The actor adds what it takes to decide.
#[derive(Debug, Clone)]
pub enum Request {
    /// Hold a slot while the patient fills in the rest (预提交).
    Presubmit {
        /// Who holds it.
        user: UserId,
        /// Which slot.
        serial: SerialNo,
    },
    /// Book a slot (提交).
    Submit {
        /// For whom.
        booker: Booker,
        /// Which slot.
        serial: SerialNo,
    },
    /// Cancel a booking of this schedule.
    Cancel(Cancel),
    /// The patient is at the desk.
    CheckIn(CheckIn),
    /// The fee was paid.
    Paid(Paid),
    /// The visit day is over and nobody came.
    NoShow(NoShow),
    /// Staff turn a no-show into a visit.
    Correct(Correct),
    /// Add slots (加号).
    AddSlots(AddSlots),
    /// Stop the schedule (停诊).
    Stop(Stop),
    /// Open a stopped schedule again.
    Reopen(Reopen),
    /// Another room or a substitute doctor (替诊).
    Relocate(Relocate),
}

impl Request {
    /// What is asked for, as metrics name it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Presubmit { .. } => "presubmit",
            Self::Submit { .. } => "submit",
            Self::Cancel(_) => "cancel",
            Self::CheckIn(_) => "check_in",
            Self::Paid(_) => "paid",
            Self::NoShow(_) => "no_show",
            Self::Correct(_) => "correct",
            Self::AddSlots(_) => "add_slots",
            Self::Stop(_) => "stop",
            Self::Reopen(_) => "reopen",
            Self::Relocate(_) => "relocate",
        }
    }

    /// The account whose live bookings the request changes, where an account asks.
    pub(crate) fn account(&self) -> Option<UserId> {
        match self {
            Self::Submit {
                booker: Booker::Account { user, .. } | Booker::DeskForMember { user, .. },
                ..
            } => Some(*user),
            Self::Cancel(Cancel { by: CancelBy::Patient(user), .. }) => Some(*user),
            Self::Presubmit { .. }
            | Self::Submit { booker: Booker::Desk { .. }, .. }
            | Self::Cancel(_)
            | Self::CheckIn(_)
            | Self::Paid(_)
            | Self::NoShow(_)
            | Self::Correct(_)
            | Self::AddSlots(_)
            | Self::Stop(_)
            | Self::Reopen(_)
            | Self::Relocate(_) => None,
        }
    }
}

/// For whom a slot is booked.
#[derive(Debug, Clone, Copy)]
pub enum Booker {
    /// A member of an account, booked by the account's owner.
    Account {
        /// The account.
        user: UserId,
        /// The member (就诊人) of that account.
        member: MemberId,
    },
    /// A member of an account, booked by the front desk.
    DeskForMember {
        /// The account.
        user: UserId,
        /// The member (就诊人) of that account.
        member: MemberId,
        /// The patient that the member must be.
        patient: PatientId,
    },
    /// A patient, booked by the front desk.
    Desk {
        /// Who books.
        staff: StaffId,
        /// The patient.
        patient: PatientId,
    },
}

/// The caller's `Idempotency-Key`: the answer is stored under it in the same commit as its effect.
#[derive(Debug, Clone, Copy)]
pub struct Repeat {
    /// Where the answer is stored.
    pub key: Key<IdemRecord>,
    /// Digest of the request's content; another content under the same key is refused.
    pub content_hash: [u8; 32],
    /// The version of the outdated answer that this one replaces, [`Version::ABSENT`] without one.
    pub replaces: Version,
    /// When the stored answer may be forgotten.
    pub expires_at: Timestamp,
}

/// Why a request was not answered with a [`Reply`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// A rule refused it; nothing changed.
    #[error("refused: {0:?}")]
    Rejected(Rejection),
    /// An answer is stored under the caller's `Idempotency-Key`: read it there.
    #[error("answered before under the same idempotency key")]
    Repeated,
    /// Too many requests wait already; nothing changed.
    #[error("too many requests are waiting")]
    Busy,
    /// A burst has used up the numbers reserved for new bookings; nothing changed. The directory reserves
    /// more and sends the request again.
    #[error("no number was reserved for the booking")]
    Unnumbered,
    /// Its turn came after its deadline; nothing changed.
    #[error("the deadline passed before its turn")]
    TooLate,
    /// Others changed the same records again and again; nothing changed.
    #[error("lost three races in a row")]
    Contended,
    /// Storage refused the commit; nothing changed.
    #[error("not written: {0:?}")]
    NotWritten(NotCommitted),
    /// The reason that was given cannot be sealed; nothing changed.
    #[error("the reason cannot be sealed")]
    Unsealed,
    /// Perhaps written, perhaps not. The process is about to stop.
    #[error("the outcome is unknown")]
    Unknown,
}

/// A record that cannot be read cannot be decided on, and nobody guesses.
impl From<ReadError> for AskError {
    fn from(error: ReadError) -> Self {
        tracing::error!(error = %error, "a record cannot be read");
        Self::Unknown
    }
}

/// A reason that cannot be sealed is not stored in the open.
impl From<SealError> for AskError {
    fn from(error: SealError) -> Self {
        tracing::error!(error = %error, "a reason cannot be sealed");
        Self::Unsealed
    }
}

/// For a commit that a request needs before it can be asked at all.
impl From<CommitError> for AskError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::NotCommitted(reason) => Self::NotWritten(reason),
            CommitError::Conflict { .. } => Self::Contended,
            CommitError::MaybeCommitted | CommitError::Corrupt => Self::Unknown,
        }
    }
}

/// For the numbers that a booking needs before it can be made.
impl From<SequenceError> for AskError {
    fn from(error: SequenceError) -> Self {
        match error {
            SequenceError::Contended(_) => Self::Contended,
            SequenceError::Read(error) => error.into(),
            SequenceError::Commit(error) => error.into(),
            SequenceError::Exhausted(_) => {
                tracing::error!(error = %error, "no booking can be numbered any more");
                Self::Busy
            }
        }
    }
}

/// A request on its way to its actor, with everything that must end when it is answered.
pub(crate) struct Ask {
    pub(crate) request: Request,
    pub(crate) repeat: Option<Repeat>,
    pub(crate) audit: Option<AuditRow>,
    pub(crate) also: Option<Commit>,
    pub(crate) deadline: Timestamp,
    pub(crate) tries: u8,
    pub(crate) reply: oneshot::Sender<Result<Reply, AskError>>,
    pub(crate) permit: OwnedSemaphorePermit,
}

impl Ask {
    pub(crate) fn answer(self, answer: Result<Reply, AskError>) {
        let Self { reply, permit, .. } = self;
        // First, so that whoever is answered can ask again at once.
        drop(permit);
        // A caller that went away needs no answer; what was decided stands.
        let _ = reply.send(answer);
    }
}
