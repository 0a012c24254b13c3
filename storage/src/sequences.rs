//! Running numbers, reserved durably in blocks.
//!
//! A number is handed out from a block in memory, and a block is on disk as reserved before its
//! first number is handed out: after a crash the rest of a block is lost, and no number comes twice.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use domain::{BookingCode, MAX_ID, MAX_PAY_NUMBER, TenantId};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use crate::commit::{Commit, CommitError, Version};
use crate::keys;
use crate::records::SequenceRecord;
use crate::storage::{ReadError, Storage};

/// What is numbered. Every tenant numbers for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sequence {
    /// Bookings.
    Booking,
    /// The numbers that patients are shown for their bookings (bookCode), at most eight digits.
    BookingCode,
    /// Accounts.
    User,
    /// Members of accounts.
    Member,
    /// Patients, who know their short numbers by heart.
    Patient,
    /// Sessions.
    Session,
    /// Departments.
    Department,
    /// Doctors.
    Doctor,
    /// Schedules.
    Schedule,
    /// Members of the staff.
    Staff,
    /// Uploaded files.
    File,
    /// Groups and labels of patients.
    Label,
    /// Templates of schedules.
    Template,
    /// Rows of the audit trail.
    Audit,
    /// Orders, as WeChat knows them.
    PayOrder,
    /// Refunds, as WeChat knows them.
    Refund,
    /// What the clinic's other systems have patients told.
    Notification,
}

impl Sequence {
    /// All sequences.
    pub const ALL: [Self; 17] = [
        Self::Booking,
        Self::BookingCode,
        Self::User,
        Self::Member,
        Self::Patient,
        Self::Session,
        Self::Department,
        Self::Doctor,
        Self::Schedule,
        Self::Staff,
        Self::File,
        Self::Label,
        Self::Template,
        Self::Audit,
        Self::PayOrder,
        Self::Refund,
        Self::Notification,
    ];

    /// The sequence as it stands in keys.
    pub(crate) fn tag(self) -> u8 {
        match self {
            Self::Booking => 1,
            Self::BookingCode => 2,
            Self::User => 3,
            Self::Member => 4,
            Self::Patient => 5,
            Self::Session => 6,
            Self::Department => 7,
            Self::Doctor => 8,
            Self::Schedule => 9,
            Self::Staff => 10,
            Self::File => 22,
            Self::Label => 11,
            Self::Template => 12,
            Self::Audit => 13,
            Self::PayOrder => 14,
            Self::Refund => 15,
            Self::Notification => 16,
        }
    }

    /// The first number. Ids below 10^9 are left to imports.
    #[must_use]
    pub fn first(self) -> u64 {
        match self {
            Self::BookingCode | Self::Patient => 1,
            Self::Booking
            | Self::User
            | Self::Member
            | Self::Session
            | Self::Department
            | Self::Doctor
            | Self::Schedule
            | Self::Staff
            | Self::File
            | Self::Label
            | Self::Template
            | Self::Audit
            | Self::PayOrder
            | Self::Refund
            | Self::Notification => 1_000_000_000,
        }
    }

    /// How many numbers are left out by a restore, in place of those that were handed out after the backup. More than a
    /// clinic uses in the longest time between two backups; little for the numbers that people read.
    pub(crate) fn skipped_by_restore(self) -> u64 {
        match self {
            Self::BookingCode | Self::Patient => 10_000,
            Self::Booking
            | Self::User
            | Self::Member
            | Self::Session
            | Self::Department
            | Self::Doctor
            | Self::Schedule
            | Self::Staff
            | Self::File
            | Self::Label
            | Self::Template
            | Self::Audit
            | Self::PayOrder
            | Self::Refund
            | Self::Notification => 1_000_000,
        }
    }

    /// The last number.
    #[must_use]
    pub fn last(self) -> u64 {
        match self {
            Self::BookingCode => u64::from(BookingCode::MAX),
            Self::PayOrder | Self::Refund => MAX_PAY_NUMBER,
            Self::Booking
            | Self::User
            | Self::Member
            | Self::Patient
            | Self::Session
            | Self::Department
            | Self::Doctor
            | Self::Schedule
            | Self::Staff
            | Self::File
            | Self::Label
            | Self::Template
            | Self::Audit
            | Self::Notification => MAX_ID,
        }
    }

    /// How many numbers are reserved at once. Every start of the server leaves a gap of up to as
    /// many, which should not make patients' numbers long.
    #[must_use]
    pub fn block(self) -> u64 {
        match self {
            Self::Patient => 20,
            Self::Booking
            | Self::BookingCode
            | Self::User
            | Self::Member
            | Self::Session
            | Self::Department
            | Self::Doctor
            | Self::Schedule
            | Self::Staff
            | Self::File
            | Self::Label
            | Self::Template
            | Self::Audit
            | Self::PayOrder
            | Self::Refund
            | Self::Notification => 1_000,
        }
    }

    /// With fewer numbers than this left, the next block is reserved.
    fn low_water(self) -> u64 {
        self.block() / 4
    }

    /// The block that starts at `next`, cut short at the last number; `None` beyond it.
    fn block_at(self, next: u64) -> Option<Range<u64>> {
        let start = next.max(self.first());
        let end = start.saturating_add(self.block()).min(self.last() + 1);
        (start < end).then_some(start..end)
    }
}

/// The numbers that were reserved and not handed out yet.
#[derive(Debug, Default)]
pub struct Sequences {
    stocks: Mutex<HashMap<(TenantId, Sequence), Stock>>,
}

#[derive(Debug, Default)]
struct Stock {
    blocks: VecDeque<Range<u64>>,
    /// Set while a block is being reserved; wakes those who wait for it.
    refill: Option<Arc<Notify>>,
}

impl Stock {
    fn left(&self) -> u64 {
        self.blocks.iter().map(|block| block.end - block.start).sum()
    }

    fn take(&mut self) -> Option<u64> {
        let block = self.blocks.front_mut()?;
        let number = block.start;
        block.start += 1;
        if block.is_empty() {
            self.blocks.pop_front();
        }
        Some(number)
    }
}

/// What a caller that wants numbers to be there has to do.
enum Refill<'a> {
    /// Nothing: there are some.
    NotNeeded,
    /// Wait: somebody else is reserving the next block.
    Underway(OwnedNotified),
    /// Reserve the next block.
    Ours(Turn<'a>),
}

/// The right to reserve the next block. It ends when it is dropped, also by a caller that gave up
/// half-way, so that the others are never left waiting.
struct Turn<'a> {
    sequences: &'a Sequences,
    tenant: TenantId,
    sequence: Sequence,
}

impl Turn<'_> {
    fn has_left(&self) -> bool {
        let stocks = self.sequences.stocks.lock();
        stocks.get(&(self.tenant, self.sequence)).is_some_and(|stock| stock.left() > 0)
    }

    fn finish(self, block: Range<u64>) {
        let mut stocks = self.sequences.stocks.lock();
        let stock = stocks.entry((self.tenant, self.sequence)).or_default();
        stock.blocks.push_back(block);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut stocks = self.sequences.stocks.lock();
        let refill = stocks.get_mut(&(self.tenant, self.sequence)).and_then(|stock| stock.refill.take());
        drop(stocks);
        if let Some(refill) = refill {
            refill.notify_waiters();
        }
    }
}

/// Why there is no number.
#[derive(Debug, thiserror::Error)]
pub enum SequenceError {
    /// The last number was handed out.
    #[error("all numbers of the sequence {0:?} are used up")]
    Exhausted(Sequence),
    /// Others reserved or took every block before this caller. Trying again is safe.
    #[error("others were always faster to get numbers of the sequence {0:?}")]
    Contended(Sequence),
    /// How far the sequence was reserved could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The next block could not be reserved.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// So often another process may reserve the block that this one wanted.
const RESERVE_TRIES: usize = 3;
/// So often other callers may take a whole block before this one gets a number.
const TAKE_TRIES: usize = 100;

impl Sequences {
    /// No numbers yet: every sequence reserves its first block when it is first asked.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next number, if one is left in memory. Never waits, so that it can be called between
    /// decide and commit; call [`Sequences::ensure`] before.
    #[must_use]
    pub fn take(&self, tenant: TenantId, sequence: Sequence) -> Option<u64> {
        self.stocks.lock().get_mut(&(tenant, sequence))?.take()
    }

    /// Sees to it that [`Sequences::take`] has numbers, reserving the next block when few are left.
    /// Of many callers one reserves; the others wait for it only if no number is left.
    ///
    /// # Errors
    /// The sequence is used up, or the block could not be read or committed.
    pub async fn ensure(
        &self,
        storage: &Storage,
        tenant: TenantId,
        sequence: Sequence,
    ) -> Result<(), SequenceError> {
        loop {
            match self.begin_refill(tenant, sequence) {
                Refill::NotNeeded => return Ok(()),
                Refill::Underway(ended) => ended.await,
                Refill::Ours(turn) => {
                    return match reserve(storage, tenant, sequence).await {
                        Ok(block) => {
                            turn.finish(block);
                            Ok(())
                        }
                        // The last block must be used up to its end.
                        Err(_) if turn.has_left() => Ok(()),
                        Err(error) => Err(error),
                    };
                }
            }
        }
    }

    /// The next number, from a new block if none is left.
    ///
    /// # Errors
    /// As [`Sequences::ensure`].
    pub async fn next(
        &self,
        storage: &Storage,
        tenant: TenantId,
        sequence: Sequence,
    ) -> Result<u64, SequenceError> {
        for _ in 0..TAKE_TRIES {
            self.ensure(storage, tenant, sequence).await?;
            if let Some(number) = self.take(tenant, sequence) {
                return Ok(number);
            }
        }
        Err(SequenceError::Contended(sequence))
    }

    fn begin_refill(&self, tenant: TenantId, sequence: Sequence) -> Refill<'_> {
        let mut stocks = self.stocks.lock();
        let stock = stocks.entry((tenant, sequence)).or_default();
        let left = stock.left();
        match &stock.refill {
            _ if left >= sequence.low_water() => Refill::NotNeeded,
            Some(_) if left > 0 => Refill::NotNeeded,
            // Created under the lock, so that it is woken even if the refill ends before it waits.
            Some(refill) => Refill::Underway(Arc::clone(refill).notified_owned()),
            None => {
                stock.refill = Some(Arc::new(Notify::new()));
                Refill::Ours(Turn { sequences: self, tenant, sequence })
            }
        }
    }
}

/// Makes the next block ours, on disk.
async fn reserve(
    storage: &Storage,
    tenant: TenantId,
    sequence: Sequence,
) -> Result<Range<u64>, SequenceError> {
    let key = keys::sequence(tenant, sequence);
    for _ in 0..RESERVE_TRIES {
        let (version, next) = match storage.get(&key)? {
            Some(stored) => (stored.version, stored.record.next),
            None => (Version::ABSENT, sequence.first()),
        };
        let block = sequence.block_at(next).ok_or(SequenceError::Exhausted(sequence))?;
        let mut commit = Commit::new();
        commit.require_version(&key, version).put(&key, &SequenceRecord { next: block.end });
        match storage.commit(commit).await {
            Ok(_) => return Ok(block),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(SequenceError::Contended(sequence))
}
