//! Accounts (患者认证): opened by a code, logged in to by a password, moved to another phone, told in full to their
//! owner, closed.
//!
//! A login is a session record; the token is worth nothing without it. Whoever adds or ends sessions also writes the
//! account's own record, so that of a login and a change of password at the same time one sees the other.

use domain::{Phone, SessionId, TenantId, UserId};
use serde::Serialize;
use storage::records::{PhoneRecord, SessionRecord, UserPersonal, UserRecord};
use storage::{Commit, Key, Scan, Sequence, Version, keys};
use utoipa::ToSchema;

use super::caller::Patient;
use super::error::{ApiError, ErrorCode};
use crate::app::App;
use crate::tokens::{Identity, Subject};

pub mod closing;
pub mod login;
pub mod own_data;
pub mod passwords;
pub mod phones;
pub mod registration;

#[cfg(test)]
pub(super) mod fixture;
#[cfg(test)]
mod tests;

/// Sessions that an account may have; a login beyond them ends the oldest.
const MAX_SESSIONS: usize = 50;

/// How often a login is written anew because another of the same account was first. Each time costs a commit; the
/// password is hashed once.
const LOGIN_TRIES: usize = 8;

#[derive(Serialize, ToSchema)]
struct LoggedIn {
    #[serde(rename = "userId")]
    user: String,
    token: String,
}

/// An account as it was read.
pub(super) struct Account {
    user: UserId,
    key: Key<UserRecord>,
    version: Version,
    record: UserRecord,
    /// What it keeps secret.
    pub(super) personal: UserPersonal,
}

impl Account {
    /// The account that logs in with this phone, if there is one.
    fn of_phone(app: &App, tenant: TenantId, phone: &Phone) -> Result<Option<Self>, ApiError> {
        let found = app.storage.get(&phone_key(app, tenant, phone)).map_err(ApiError::internal)?;
        let Some(found) = found else { return Ok(None) };
        let account = Self::find(app, tenant, found.record.user)?;
        // Between the two reads it may have been closed, or moved to another phone.
        Ok(account.filter(|account| account.personal.phone == *phone))
    }

    /// The account that is logged in.
    ///
    /// # Errors
    /// 0401 when it was closed meanwhile.
    pub(super) fn of_patient(app: &App, patient: Patient) -> Result<Self, ApiError> {
        Ok(Self::find(app, patient.tenant, patient.user)?.ok_or(ErrorCode::NotLoggedIn)?)
    }

    /// The account with this id, if it is there.
    pub(super) fn find(app: &App, tenant: TenantId, user: UserId) -> Result<Option<Self>, ApiError> {
        let key = keys::user(tenant, user);
        let Some(stored) = app.storage.get(&key).map_err(ApiError::internal)? else { return Ok(None) };
        let personal = stored.record.open(&app.vault, &key).map_err(ApiError::internal)?;
        Ok(Some(Self { user, key, version: stored.version, record: stored.record, personal }))
    }

    /// Makes `commit` depend on the account as it was read, and write it with this personal part.
    pub(super) fn put(
        &self,
        app: &App,
        commit: &mut Commit,
        personal: &UserPersonal,
    ) -> Result<(), ApiError> {
        let record =
            self.record.with_personal(&app.vault, &self.key, personal).map_err(ApiError::internal)?;
        commit.require_version(&self.key, self.version).put(&self.key, &record);
        Ok(())
    }

    /// The same with nothing changed, for whoever adds or ends a session.
    fn touch(&self, commit: &mut Commit) {
        commit.require_version(&self.key, self.version).put(&self.key, &self.record);
    }
}

fn phone_key(app: &App, tenant: TenantId, phone: &Phone) -> Key<PhoneRecord> {
    keys::phone(tenant, &app.vault.blind_phone(tenant, phone))
}

/// A session that begins: its record goes into a commit, its token to the client.
struct Login {
    user: UserId,
    identity: Identity,
}

impl Login {
    async fn prepare(app: &App, tenant: TenantId, user: UserId) -> Result<Self, ApiError> {
        let number = app.sequences.next(&app.storage, tenant, Sequence::Session).await?;
        let session = SessionId::new(number).map_err(ApiError::internal)?;
        let issued_at = app.clock.now();
        let expires_at = issued_at.plus(app.limits.token_ttl);
        let subject = Subject::Patient(user);
        Ok(Self { user, identity: Identity { subject, tenant, session, issued_at, expires_at } })
    }

    fn answer(&self, app: &App) -> Result<LoggedIn, ApiError> {
        let token = app.tokens.issue(&self.identity).map_err(ApiError::internal)?;
        Ok(LoggedIn { user: self.user.to_string(), token })
    }

    /// Adds the session, and ends the oldest where the account has too many. `commit` also writes the account.
    fn put(&self, app: &App, commit: &mut Commit) -> Result<(), ApiError> {
        let Identity { subject: _, tenant, session, issued_at, expires_at } = self.identity;
        let before = sessions_of(app, tenant, self.user)?;
        let surplus = (before.len() + 1).saturating_sub(MAX_SESSIONS);
        for oldest in &before[..surplus] {
            commit.delete(&keys::session(tenant, self.user, *oldest));
        }
        let record = SessionRecord { user: self.user, created_at: issued_at, expires_at };
        let key = keys::session(tenant, self.user, session);
        commit.require_absent(&key).put_expiring(&key, &record, expires_at);
        Ok(())
    }
}

/// The sessions of an account, oldest first.
fn sessions_of(app: &App, tenant: TenantId, user: UserId) -> Result<Vec<SessionId>, ApiError> {
    let stored = app.storage.scan_keys(&keys::sessions_of(tenant, user), Scan::ALL);
    let stored = stored.map_err(ApiError::internal)?;
    Ok(stored.iter().filter_map(keys::session_parts).map(|(_, session)| session).collect())
}

/// Which sessions end.
#[derive(Clone, Copy)]
enum Ended {
    All,
    AllBut(SessionId),
}

/// Makes `commit` end sessions of `account`. It must have been read before, and be written by the same commit: a
/// login meanwhile makes the commit fail.
fn end_sessions(
    app: &App,
    tenant: TenantId,
    account: &Account,
    ended: Ended,
    commit: &mut Commit,
) -> Result<(), ApiError> {
    for session in sessions_of(app, tenant, account.user)? {
        match ended {
            Ended::AllBut(kept) if kept == session => {}
            Ended::All | Ended::AllBut(_) => {
                commit.delete(&keys::session(tenant, account.user, session));
            }
        }
    }
    Ok(())
}
