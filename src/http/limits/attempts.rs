//! How many wrong passwords a login and an address may send. A login is locked, an address slowed down.
//!
//! A wrong password is counted before it is told, and a right one is only told while the login is not locked, so that
//! however many are tried at once, nobody learns more than the limit allows.

use std::time::Duration;

use actors::{AuditRow, Clock};
use domain::{AccountName, Phone, TenantId, Timestamp};
use storage::records::{LimitKind, LimitRecord};
use storage::{Commit, Key, Storage, Vault, Version, keys};
use tokio::sync::Semaphore;

use super::{ClientNetwork, Counter, Window};
use crate::app::App;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::refusals::{Outcome, outcome};

#[cfg(test)]
mod tests;

/// How long a wrong password counts.
const SPAN: Duration = Duration::from_secs(15 * 60);

/// Wrong passwords that a login may have in that time, and an address before it is slowed down.
const MOST: usize = 10;

/// What the first attempt waits that is slowed down; each further wrong password doubles it.
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(4);

/// More wrong passwords than these make no difference to how long an address waits, so no more are kept.
const KEPT: usize = MOST + 4;

/// How often a wrong password is counted anew because another was counted first. Each time costs a commit and no hash.
const COUNT_TRIES: usize = 8;

/// How long an attempt waits from an address that has sent so many wrong passwords within the time that they count.
fn delay_after(wrong: usize) -> Duration {
    let Some(beyond) = wrong.checked_sub(MOST) else { return Duration::ZERO };
    let doublings = u32::try_from(beyond).unwrap_or(u32::MAX);
    let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
    FIRST_DELAY.saturating_mul(factor).min(LONGEST_DELAY)
}

/// The attempts that are made to wait, of all addresses together: each keeps a connection open.
#[derive(Debug)]
pub struct SlowedAttempts(Semaphore);

impl SlowedAttempts {
    /// At most so many wait at once.
    pub fn at_most(waiting: usize) -> Self {
        Self(Semaphore::new(waiting.min(Semaphore::MAX_PERMITS)))
    }

    /// Waits for `delay`.
    ///
    /// # Errors
    /// 0429 at once when as many wait as may.
    async fn wait(&self, delay: Duration) -> Result<(), ApiError> {
        if delay.is_zero() {
            return Ok(());
        }
        let _place = self.0.try_acquire().map_err(|_| ApiError::too_often(delay))?;
        tokio::time::sleep(delay).await;
        Ok(())
    }
}

/// What a password is said to belong to.
#[derive(Clone, Copy, Debug)]
pub enum Holder<'a> {
    /// A patient's account.
    Phone(&'a Phone),
    /// An account of the staff.
    Staff(&'a AccountName),
}

/// The wrong passwords of a login as they were read: fewer than lock it.
#[derive(Debug)]
pub struct Unlocked {
    key: Key<LimitRecord>,
    version: Version,
}

impl Unlocked {
    /// Makes `commit` depend on no more wrong passwords having been counted since, and forget those that were.
    pub fn forget(&self, commit: &mut Commit) {
        commit.require_version(&self.key, self.version);
        if self.version != Version::ABSENT {
            commit.delete(&self.key);
        }
    }
}

/// The limits on the passwords of one clinic's accounts.
pub struct PasswordAttempts<'a> {
    /// Where wrong passwords are counted.
    storage: &'a Storage,
    /// Blinds phones and addresses.
    vault: &'a Vault,
    /// What time it is.
    clock: &'a dyn Clock,
    /// The clinic.
    tenant: TenantId,
}

impl<'a> PasswordAttempts<'a> {
    /// Those of this clinic.
    pub fn of(app: &'a App, tenant: TenantId) -> Self {
        Self { storage: &app.storage, vault: &app.vault, clock: app.clock.as_ref(), tenant }
    }

    /// Lets an attempt from `network` wait for as long as its wrong passwords have earned it.
    ///
    /// # Errors
    /// 0429 when as many wait as may.
    pub async fn slow_down(&self, app: &App, network: ClientNetwork) -> Result<(), ApiError> {
        app.slowed.wait(self.delay(network)?).await
    }

    /// Whether a password for `login` may be looked at.
    ///
    /// # Errors
    /// 0429 with the time until it may.
    pub fn admit(&self, login: Holder<'_>) -> Result<Unlocked, ApiError> {
        let counter = self.of_login(login);
        let (version, record) = self.read(&counter)?;
        refuse_locked(&counter, &record, self.clock.now())?;
        Ok(Unlocked { key: counter.key, version })
    }

    /// Counts a wrong password for `login`, durably, before it is told. `row` is written with it.
    ///
    /// # Errors
    /// 0429 when others have locked the login meanwhile: then nobody is told whether it was wrong; the failures of a
    /// commit.
    pub async fn count(
        &self,
        login: Holder<'_>,
        network: ClientNetwork,
        row: Option<&AuditRow>,
    ) -> Result<(), ApiError> {
        let (of_login, of_address) = (self.of_login(login), self.of_address(network));
        for _ in 0..COUNT_TRIES {
            let now = self.clock.now();
            let mut commit = Commit::new();
            let (version, record) = self.read(&of_login)?;
            refuse_locked(&of_login, &record, now)?;
            of_login.put(&mut commit, version, &of_login.with(record, now));
            let (version, record) = self.read(&of_address)?;
            of_address.put(&mut commit, version, &newest(of_address.with(record, now)));
            if let Some(row) = row {
                row.put(&mut commit);
            }
            match outcome(self.storage.commit(commit).await)? {
                Outcome::Made => return Ok(()),
                Outcome::Outdated => {}
            }
        }
        Err(ErrorCode::Busy.into())
    }

    /// Makes `commit` forget the wrong passwords of `login`, for who proves in another way whose it is.
    pub fn forgive(&self, login: Holder<'_>, commit: &mut Commit) {
        commit.delete(&self.of_login(login).key);
    }

    fn delay(&self, network: ClientNetwork) -> Result<Duration, ApiError> {
        let counter = self.of_address(network);
        let (_, record) = self.read(&counter)?;
        let now = self.clock.now();
        let wrong = record.sent_at.iter().filter(|at| window().covers(**at, now)).count();
        Ok(delay_after(wrong))
    }

    fn of_login(&self, login: Holder<'_>) -> Counter {
        let (kind, blind) = match login {
            Holder::Phone(phone) => (LimitKind::LoginOfPhone, self.vault.blind_phone(self.tenant, phone)),
            Holder::Staff(account) => {
                (LimitKind::LoginOfStaff, self.vault.blind_account(self.tenant, account))
            }
        };
        Counter { key: keys::limit(self.tenant, kind, &blind), windows: vec![window()] }
    }

    fn of_address(&self, network: ClientNetwork) -> Counter {
        let blind = network.blind(self.vault, self.tenant);
        Counter {
            key: keys::limit(self.tenant, LimitKind::LoginFromAddress, &blind),
            windows: vec![window()],
        }
    }

    fn read(&self, counter: &Counter) -> Result<(Version, LimitRecord), ApiError> {
        counter.read(self.storage)
    }
}

fn window() -> Window {
    Window { span: SPAN, most: MOST }
}

fn refuse_locked(counter: &Counter, record: &LimitRecord, now: Timestamp) -> Result<(), ApiError> {
    let wait = counter.wait(record, now);
    if wait.is_zero() { Ok(()) } else { Err(ApiError::too_often(wait)) }
}

fn newest(mut record: LimitRecord) -> LimitRecord {
    let older = record.sent_at.len().saturating_sub(KEPT);
    record.sent_at.drain(..older);
    record
}
