//! How the refusals of the layers below become those of the table.

use actors::{AskError, GenerationError};
use storage::{CommitError, NotCommitted, Seq, SequenceError};

use super::error::{ApiError, ErrorCode};
use crate::passwords::PasswordError;
use crate::wechat::WechatError;

/// How often something is decided anew because others changed what it was decided on. Whoever loses so many
/// races is told that the server is busy.
pub(super) const MAX_TRIES: usize = 3;

/// What became of a commit that was based on records as they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is on disk.
    Made,
    /// Others changed a record first; nothing was written. Read again and decide again.
    Outdated,
}

/// Tells a lost race, after which the caller tries again, from everything that is the client's answer.
///
/// # Errors
/// Every failure of a commit except a conflict.
pub(super) fn outcome(answer: Result<Seq, CommitError>) -> Result<Outcome, ApiError> {
    match answer {
        Ok(_) => Ok(Outcome::Made),
        Err(CommitError::Conflict { .. }) => Ok(Outcome::Outdated),
        Err(other) => Err(other.into()),
    }
}

impl From<NotCommitted> for ApiError {
    fn from(reason: NotCommitted) -> Self {
        match reason {
            NotCommitted::Busy => ErrorCode::Busy.into(),
            NotCommitted::NoSpace => ErrorCode::ReadOnly.into(),
            NotCommitted::ShuttingDown => ErrorCode::ShuttingDown.into(),
            // Nothing was written, but the process is about to stop: the connection has to be closed.
            NotCommitted::Failed => ErrorCode::OutcomeUnknown.into(),
            NotCommitted::TooLarge => Self::internal(reason),
        }
    }
}

impl From<CommitError> for ApiError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::NotCommitted(reason) => reason.into(),
            CommitError::Conflict { .. } => ErrorCode::Busy.into(),
            CommitError::MaybeCommitted | CommitError::Corrupt => ErrorCode::OutcomeUnknown.into(),
        }
    }
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Rejected(rejection) => rejection.into(),
            // Who asks under an idempotency key reads the stored answer before it comes to this.
            AskError::Repeated
            | AskError::Busy
            | AskError::Unnumbered
            | AskError::TooLate
            | AskError::Contended => ErrorCode::Busy.into(),
            AskError::NotWritten(reason) => reason.into(),
            AskError::Unsealed => Self::internal(error),
            AskError::Unknown => ErrorCode::OutcomeUnknown.into(),
        }
    }
}

impl From<SequenceError> for ApiError {
    fn from(error: SequenceError) -> Self {
        match error {
            SequenceError::Commit(error) => error.into(),
            SequenceError::Contended(_) => ErrorCode::Busy.into(),
            SequenceError::Exhausted(_) | SequenceError::Read(_) => Self::internal(error),
        }
    }
}

impl From<GenerationError> for ApiError {
    fn from(error: GenerationError) -> Self {
        match error {
            GenerationError::Read(error) => Self::internal(error),
            GenerationError::Number(error) => error.into(),
            GenerationError::Commit(error) => error.into(),
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => ErrorCode::Busy.into(),
            PasswordError::Failed(_) => Self::internal(error),
        }
    }
}

impl From<WechatError> for ApiError {
    fn from(error: WechatError) -> Self {
        match error {
            WechatError::NotConfigured => ErrorCode::WechatNotConfigured.into(),
            WechatError::Call(_) | WechatError::Suspended => ErrorCode::WechatFailed.into(),
            WechatError::Refused(_) => ErrorCode::WechatRefused.into(),
            WechatError::Commit(error) => error.into(),
            WechatError::Contended => ErrorCode::Busy.into(),
            WechatError::Read(_) | WechatError::Seal(_) => Self::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{Rejection, TenantId};

    use super::*;

    fn lost_race() -> CommitError {
        let tenant = TenantId::new(1).expect("an id");
        CommitError::Conflict { key: *storage::keys::tenant(tenant).raw() }
    }

    #[test]
    fn a_lost_race_is_tried_again_and_busy_in_the_end() {
        assert_eq!(outcome(Err(lost_race())).expect("no refusal"), Outcome::Outdated);
        assert_eq!(ApiError::from(lost_race()).code(), ErrorCode::Busy);
    }

    /// The planted bug: `MaybeCommitted` as `ReadOnly`, which says that nothing was written.
    #[test]
    fn perhaps_written_is_never_told_as_not_written() {
        for error in [CommitError::MaybeCommitted, CommitError::Corrupt] {
            assert_eq!(outcome(Err(error)).expect_err("a refusal").code(), ErrorCode::OutcomeUnknown);
        }
        assert_eq!(ApiError::from(AskError::Unknown).code(), ErrorCode::OutcomeUnknown);
    }

    #[test]
    fn reasons_for_not_writing_keep_their_meaning() {
        for (reason, code) in [
            (NotCommitted::Busy, ErrorCode::Busy),
            (NotCommitted::NoSpace, ErrorCode::ReadOnly),
            (NotCommitted::ShuttingDown, ErrorCode::ShuttingDown),
            (NotCommitted::Failed, ErrorCode::OutcomeUnknown),
            (NotCommitted::TooLarge, ErrorCode::Internal),
        ] {
            assert_eq!(ApiError::from(CommitError::NotCommitted(reason)).code(), code);
            assert_eq!(ApiError::from(AskError::NotWritten(reason)).code(), code);
        }
        assert_eq!(ApiError::from(AskError::Rejected(Rejection::SlotTaken)).code(), ErrorCode::SlotTaken);
    }
}
