//! Looking through the audit trail, from its newest row back.
//!
//! The trail of half a year may have a million rows, so no more than a bounded number of them is looked at for one
//! request. Dates lead to their place in the trail without looking at what lies behind it.

use std::ops::RangeInclusive;
use std::time::Duration;

use domain::{StaffId, TenantId, Timestamp};
use storage::records::{Action, AuditRecord, ObjectKind};
use storage::{Order, ReadError, Scan, Storage, keys};

/// Rows that one request looks at.
pub(super) const MOST: usize = 100_000;

/// Rows that are read at once.
const BATCH: usize = 1_000;

/// By how much the clock may have been set back without a row being overlooked: rows are numbered in the order in
/// which they were written, which is that of their times but for such a step.
const STEP_BACK: Duration = Duration::from_secs(24 * 60 * 60);

/// Which rows are wanted. What is `None` does not matter.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Written for this member of the staff.
    pub(super) staff: Option<StaffId>,
    /// Of this action.
    pub(super) action: Option<Action>,
    /// About something of this kind.
    pub(super) kind: Option<ObjectKind>,
    /// About the thing with this number.
    pub(super) object: Option<u64>,
    /// At this time or later.
    pub(super) from: Option<Timestamp>,
    /// Before this time.
    pub(super) until: Option<Timestamp>,
    /// With at most this number.
    pub(super) up_to: Option<u64>,
}

/// Which of the rows that are found are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// After so many.
    pub(super) offset: usize,
    /// At most so many.
    pub(super) limit: usize,
    /// At most so many are looked at: [`MOST`].
    pub(super) most: usize,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The rows of the page with their numbers, newest first.
    pub(super) rows: Vec<(u64, AuditRecord)>,
    /// How many were found.
    pub(super) total: u64,
    /// Whether there may be more of them among older rows that were not looked at.
    pub(super) has_older: bool,
}

impl Wanted {
    fn admits(&self, row: &AuditRecord) -> bool {
        self.staff.is_none_or(|staff| row.staff == staff)
            && self.action.is_none_or(|action| row.action == action)
            && self.kind.is_none_or(|kind| row.action.object() == kind)
            && self.object.is_none_or(|object| row.object == Some(object))
            && self.from.is_none_or(|from| row.at >= from)
            && self.until.is_none_or(|until| row.at < until)
    }
}

/// Looks for rows. It blocks the thread for as long as it takes to read them.
///
/// # Errors
/// [`ReadError`]
pub(super) fn search(
    storage: &Storage,
    tenant: TenantId,
    wanted: &Wanted,
    shown: Shown,
) -> Result<Found, ReadError> {
    let trail = Trail { storage, tenant };
    let mut found = Found { rows: Vec::new(), total: 0, has_older: false };
    let Some(numbers) = trail.numbers(wanted)? else { return Ok(found) };
    let (first, mut last) = numbers.into_inner();
    let mut left = shown.most;
    loop {
        let limit = left.min(BATCH);
        let rows = trail.read(&(first..=last), Scan { limit, order: Order::Descending })?;
        for (number, row) in rows.iter().filter(|(_, row)| wanted.admits(row)) {
            if found.total >= shown.offset as u64 && found.rows.len() < shown.limit {
                found.rows.push((*number, *row));
            }
            found.total += 1;
        }
        left -= rows.len();
        let Some((oldest, _)) = rows.last().filter(|(oldest, _)| rows.len() == limit && *oldest > first)
        else {
            return Ok(found);
        };
        last = oldest - 1;
        if left == 0 {
            found.has_older = trail.first_of(&(first..=last))?.is_some();
            return Ok(found);
        }
    }
}

/// The trail of a clinic.
struct Trail<'a> {
    storage: &'a Storage,
    tenant: TenantId,
}

impl Trail<'_> {
    fn read(&self, numbers: &RangeInclusive<u64>, scan: Scan) -> Result<Vec<(u64, AuditRecord)>, ReadError> {
        let rows = self.storage.scan(&keys::audits_through(self.tenant, numbers), scan)?;
        let rows = rows.into_iter().filter_map(|(key, row)| Some((keys::audit_number(&key)?, row.record)));
        Ok(rows.collect())
    }

    fn first_of(&self, numbers: &RangeInclusive<u64>) -> Result<Option<(u64, AuditRecord)>, ReadError> {
        Ok(self.read(numbers, Scan { limit: 1, order: Order::Ascending })?.pop())
    }

    /// The numbers among which the wanted rows are; `None` when there are none.
    fn numbers(&self, wanted: &Wanted) -> Result<Option<RangeInclusive<u64>>, ReadError> {
        let all = 0..=wanted.up_to.unwrap_or(u64::MAX);
        let Some((mut first, _)) = self.first_of(&all)? else { return Ok(None) };
        let newest = self.read(&all, Scan { limit: 1, order: Order::Descending })?.pop();
        let mut last = newest.map_or(first, |(number, _)| number);
        if let Some(until) = wanted.until {
            match self.first_since(first..=last, until.plus(STEP_BACK))?.checked_sub(1) {
                Some(before) => last = last.min(before),
                None => return Ok(None),
            }
        }
        if let Some(from) = wanted.from {
            first = self.first_since(first..=last, from.minus(STEP_BACK))?;
        }
        Ok((first <= last).then_some(first..=last))
    }

    /// The number from which on rows are not older than `since`; one more than the last when all are. It halves what
    /// is left with each row that it reads.
    fn first_since(&self, numbers: RangeInclusive<u64>, since: Timestamp) -> Result<u64, ReadError> {
        let (mut low, last) = numbers.into_inner();
        let mut high = last.saturating_add(1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.first_of(&(middle..=last))? {
                Some((number, row)) if row.at < since => low = number + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(low)
    }
}

#[cfg(test)]
mod tests;
