//! The members of one account: their record, and what takes one out or puts another first.

use domain::{MemberId, Owner};
use storage::records::{ActiveRecord, BookingOwner, MemberEntry, MembersRecord};
use storage::{Commit, Key, Version, keys};

use super::super::caller::Patient;
use super::super::error::{ApiError, ErrorCode};
use super::super::refusals::{MAX_TRIES, Outcome, outcome};
use crate::app::App;

/// The members of an account as they were read.
pub(in crate::http) struct OwnMembers {
    pub(in crate::http) key: Key<MembersRecord>,
    version: Version,
    /// In the order they were added.
    pub(in crate::http) members: Vec<MemberEntry>,
}

impl OwnMembers {
    /// Reads them; none when there is no record.
    pub(in crate::http) fn read(app: &App, account: Patient) -> Result<Self, ApiError> {
        let key = keys::members(account.tenant, account.user);
        let stored = app.storage.get(&key).map_err(ApiError::internal)?;
        let (version, members) = match stored {
            Some(stored) => (stored.version, stored.record.members),
            None => (Version::ABSENT, Vec::new()),
        };
        Ok(Self { key, version, members })
    }

    /// The member with this id.
    ///
    /// # Errors
    /// 0404 when it is not among them, whoever else's it may be.
    pub(in crate::http) fn one(&self, member: MemberId) -> Result<&MemberEntry, ApiError> {
        Ok(&self.members[self.position(member)?])
    }

    pub(super) fn position(&self, member: MemberId) -> Result<usize, ApiError> {
        let position = self.members.iter().position(|entry| entry.member == member);
        position.ok_or_else(|| ErrorCode::MemberUnknown.into())
    }

    /// Writes them as they are now, if nobody else has since they were read.
    pub(super) fn write(self, commit: &mut Commit) {
        commit.require_version(&self.key, self.version);
        if self.members.is_empty() {
            commit.delete(&self.key);
        } else {
            commit.put(&self.key, &MembersRecord { members: self.members });
        }
    }
}

/// The live bookings of an account as they were read.
pub(super) struct LiveBookings {
    key: Key<ActiveRecord>,
    version: Version,
    record: ActiveRecord,
}

impl LiveBookings {
    pub(super) fn read(app: &App, account: Patient) -> Result<Self, ApiError> {
        let key = keys::active(account.tenant, account.user);
        let stored = app.storage.get(&key).map_err(ApiError::internal)?;
        Ok(match stored {
            Some(stored) => Self { key, version: stored.version, record: stored.record },
            None => Self { key, version: Version::ABSENT, record: ActiveRecord::default() },
        })
    }

    /// Checks that no visit of the member is still to come.
    ///
    /// # Errors
    /// 403004 otherwise.
    pub(super) fn require_none_of(
        &self,
        app: &App,
        account: Patient,
        member: MemberId,
    ) -> Result<(), ApiError> {
        let today = app.policy.zone.date_of(app.clock.now());
        let owner = Owner::Account { user: account.user, member };
        for entry in self.record.entries.iter().filter(|entry| entry.date >= today) {
            let key = keys::booking(account.tenant, BookingOwner::Account(account.user), entry.booking);
            let stored = app.storage.get(&key).map_err(ApiError::internal)?;
            let stored = stored.ok_or_else(|| ApiError::internal("a live booking is not stored"))?;
            if stored.record.0.owner == owner {
                return Err(ErrorCode::MemberHasBookings.into());
            }
        }
        Ok(())
    }

    /// Makes `commit` depend on them: no booking is made or given up meanwhile.
    pub(super) fn require(&self, commit: &mut Commit) {
        commit.require_version(&self.key, self.version);
    }
}

/// Takes a member out of an account. The patient's file stays; the first of the other members becomes the default
/// where the default member goes.
///
/// # Errors
/// 0404, or 403004 while bookings of the member are live.
pub(super) async fn remove(app: &App, account: Patient, member: MemberId) -> Result<(), ApiError> {
    for _ in 0..MAX_TRIES {
        let mut own = OwnMembers::read(app, account)?;
        let position = own.position(member)?;
        let live = LiveBookings::read(app, account)?;
        live.require_none_of(app, account, member)?;
        let removed = own.members.remove(position);
        if removed.is_default
            && let Some(oldest) = own.members.first_mut()
        {
            oldest.is_default = true;
        }
        let mut commit = Commit::new();
        // A booking for the member is made against both records too, so that only one of the two can be first.
        live.require(&mut commit);
        own.write(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

/// Makes a member the account's default one (默认就诊人).
///
/// # Errors
/// 0404 when there is no such member.
pub(super) async fn make_default(app: &App, account: Patient, member: MemberId) -> Result<(), ApiError> {
    for _ in 0..MAX_TRIES {
        let mut own = OwnMembers::read(app, account)?;
        if own.one(member)?.is_default {
            return Ok(());
        }
        for entry in &mut own.members {
            entry.is_default = entry.member == member;
        }
        let mut commit = Commit::new();
        own.write(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}
