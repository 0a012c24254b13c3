//! Rows of the audit trail (审计) on their way into the commit whose cause they tell.

use std::time::Duration;

use domain::TenantId;
use storage::records::AuditRecord;
use storage::{Commit, Key, Sequence, SequenceError, Sequences, Storage, keys};

/// How long a row is kept. The clinic has to keep logs for six months (网络安全法, article 21), the longest of which
/// have 184 days.
const KEPT: Duration = Duration::from_secs(184 * 24 * 60 * 60);

/// A row that is written with what it tells of, or not at all.
#[derive(Debug, Clone, Copy)]
pub struct AuditRow {
    key: Key<AuditRecord>,
    record: AuditRecord,
}

impl AuditRow {
    /// A row that says: at this moment, this member of the staff did this to that.
    ///
    /// # Errors
    /// [`SequenceError`] when no number can be reserved for it.
    pub async fn prepare(
        storage: &Storage,
        sequences: &Sequences,
        tenant: TenantId,
        record: AuditRecord,
    ) -> Result<Self, SequenceError> {
        let row = sequences.next(storage, tenant, Sequence::Audit).await?;
        Ok(Self { key: keys::audit(tenant, row), record })
    }

    /// The same row about what has its number only now.
    #[must_use]
    pub(crate) fn about(mut self, object: u64) -> Self {
        self.record.object = Some(object);
        self
    }

    /// Adds the row to the commit that it tells of.
    pub fn put(&self, commit: &mut Commit) {
        commit.put_expiring(&self.key, &self.record, self.record.at.plus(KEPT));
    }
}
