//! access_token and jsapi_ticket: one holder for each clinic, whoever needs them.
//!
//! Both are stored under one record. Who needs one reads it there; who finds it old waits for the one flight that fetches
//! another, and finds it stored. WeChat rotates tokens with an overlap of five minutes, so an old one still serves when
//! the next cannot be had.

use std::time::{Duration, Instant};

use domain::{TenantId, Timestamp};
use parking_lot::Mutex;
use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use storage::records::{WechatAccount, WechatConfRecord, WechatLoan, WechatLoanRecord, WechatLoans};
use storage::{Commit, CommitError, Key, Version, keys};
use tokio::time::timeout;

use super::breaker::Breaker;
use super::outgoing::{CallError, Outgoing, Reply};
use super::{DEADLINE, Wechat, WechatError};
use crate::metrics::{CallOutcome, Metrics};

/// A loan is renewed this long before its end, or a tenth of its time if that is more.
const AHEAD: Duration = Duration::from_secs(300);

/// A new token is forced no more often than WeChat takes notice of it.
const FORCED_APART: Duration = Duration::from_secs(30);
const FORCED_A_DAY: usize = 20;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Times that the settings may change while a call is made.
const MAX_TRIES: usize = 3;

/// What belongs to one clinic's calls.
#[derive(Debug, Default)]
pub(super) struct Lending {
    /// Held by who fetches; tokio's, because it is held while WeChat is awaited.
    flight: tokio::sync::Mutex<Forced>,
    breaker: Mutex<Breaker>,
}

/// When new tokens were forced.
#[derive(Debug, Default)]
struct Forced(Vec<Timestamp>);

impl Forced {
    /// Whether WeChat would take notice of one more; it counts then.
    fn take(&mut self, now: Timestamp) -> bool {
        self.0.retain(|at| at.plus(DAY) > now);
        let may =
            self.0.len() < FORCED_A_DAY && self.0.last().is_none_or(|last| last.plus(FORCED_APART) <= now);
        if may {
            self.0.push(now);
        }
        may
    }
}

/// The account that a call is made for, and the version of the settings it was read from.
struct Caller {
    account: WechatAccount,
    conf: (Key<WechatConfRecord>, Version),
}

/// The loans as they are stored.
struct Stored {
    key: Key<WechatLoanRecord>,
    version: Version,
    loans: WechatLoans,
}

#[derive(Serialize)]
struct TokenRequest<'a> {
    grant_type: &'static str,
    appid: &'a str,
    secret: &'a str,
    force_refresh: bool,
}

#[derive(Deserialize)]
struct TokenReply {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize)]
struct TicketReply {
    ticket: String,
    expires_in: u64,
}

/// What every reply of the API may be.
#[derive(Deserialize)]
struct Errcode {
    #[serde(default)]
    errcode: i64,
}

/// Whether WeChat says that the token is no longer good.
fn is_of_token(error: &WechatError) -> bool {
    matches!(error, WechatError::Refused(40001 | 40014 | 42001))
}

/// The reply of a call that WeChat did not refuse. Failures are HTTP 200 with an errcode; a success may lack it.
pub(super) fn understood<T: DeserializeOwned>(reply: &Reply) -> Result<T, WechatError> {
    let garbled = || WechatError::Call(CallError::Garbled(reply.status));
    if reply.status != 200 {
        return Err(garbled());
    }
    let Errcode { errcode } = serde_json::from_slice(&reply.body).map_err(|_| garbled())?;
    match errcode {
        0 => serde_json::from_slice(&reply.body).map_err(|_| garbled()),
        // The system is busy.
        -1 => Err(garbled()),
        refused => Err(WechatError::Refused(refused)),
    }
}

/// What came of a call, as metrics count it.
fn outcome<T>(answer: &Result<T, WechatError>) -> CallOutcome {
    match answer {
        Ok(_) => CallOutcome::Done,
        // What was lent, and codes of an authorisation.
        Err(WechatError::Refused(40001 | 40014 | 40029 | 40163 | 42001 | 42003)) => CallOutcome::Token,
        Err(WechatError::Refused(45009 | 45011 | 45047)) => CallOutcome::Limit,
        Err(WechatError::Call(CallError::Unreachable)) => CallOutcome::Unreachable,
        Err(WechatError::Call(CallError::NoAnswer)) => CallOutcome::NoAnswer,
        Err(WechatError::Call(CallError::Garbled(_))) => CallOutcome::Busy,
        Err(
            WechatError::Refused(_)
            | WechatError::NotConfigured
            | WechatError::Suspended
            | WechatError::Read(_)
            | WechatError::Seal(_)
            | WechatError::Commit(_)
            | WechatError::Contended,
        ) => CallOutcome::Refused,
    }
}

/// A call that is being made: it counts as unanswered when it is given up from outside.
struct Counted<'m> {
    metrics: &'m Metrics,
    endpoint: &'static str,
    begun: Instant,
    outcome: CallOutcome,
}

impl Counted<'_> {
    fn ended(mut self, outcome: CallOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.metrics.wechat_call(self.endpoint, self.outcome, self.begun.elapsed());
    }
}

impl Wechat {
    /// Makes one call of the API, and counts it under this name.
    ///
    /// # Errors
    /// [`WechatError`]
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        endpoint: &'static str,
        request: RequestBuilder,
    ) -> Result<T, WechatError> {
        let call = Counted {
            metrics: &self.metrics,
            endpoint,
            begun: Instant::now(),
            outcome: CallOutcome::NoAnswer,
        };
        let answer = match Outgoing::send(request).await {
            Ok(reply) => understood(&reply),
            Err(error) => Err(error.into()),
        };
        call.ended(outcome(&answer));
        answer
    }

    /// How many clinics' calls are not made at the moment, since those before failed.
    pub fn suspended(&self, now: Timestamp) -> usize {
        self.clinics.iter().filter(|lending| lending.breaker.lock().suspends(now)).count()
    }

    /// Does something that takes a token: at most twice, the second time with another token when WeChat says that the
    /// first is no longer good.
    ///
    /// # Errors
    /// [`WechatError`], within [`DEADLINE`].
    pub(super) async fn with_token<T>(
        &self,
        tenant: TenantId,
        call: impl AsyncFn(&str) -> Result<T, WechatError>,
    ) -> Result<T, WechatError> {
        self.guarded(tenant, async {
            let token = self.token(tenant, None).await?;
            match call(&token).await {
                Err(error) if is_of_token(&error) => {
                    let other = self.token(tenant, Some(&token)).await?;
                    call(&other).await
                }
                answer => answer,
            }
        })
        .await
    }

    /// The ticket with which pages are signed.
    ///
    /// # Errors
    /// [`WechatError`], within [`DEADLINE`].
    pub async fn ticket(&self, tenant: TenantId) -> Result<String, WechatError> {
        let now = self.clock.now();
        let lent = self.stored_loans(tenant)?.loans.ticket;
        if let Some(ticket) = lent.as_ref().filter(|ticket| now < ticket.refresh_at) {
            return Ok(ticket.text.clone());
        }
        let fetched = self.with_token(tenant, async |token| self.fetch_ticket(tenant, token).await).await;
        let usable = lent.filter(|ticket| now < ticket.expires_at);
        match (fetched, usable) {
            (Err(_), Some(ticket)) => Ok(ticket.text),
            (answer, _) => answer,
        }
    }

    /// Makes a call, unless those before failed, and notes how it went.
    pub(super) async fn guarded<T>(
        &self,
        tenant: TenantId,
        call: impl Future<Output = Result<T, WechatError>>,
    ) -> Result<T, WechatError> {
        let lending = self.lending(tenant);
        if !lending.breaker.lock().admits(self.clock.now()) {
            self.metrics.wechat_call("none", CallOutcome::Suspended, Duration::ZERO);
            return Err(WechatError::Suspended);
        }
        let answer = timeout(DEADLINE, call).await.unwrap_or(Err(WechatError::Call(CallError::NoAnswer)));
        let mut breaker = lending.breaker.lock();
        match &answer {
            Err(WechatError::Call(error)) => {
                tracing::warn!(%tenant, %error, "a call to WeChat failed");
                breaker.failed(self.clock.now());
            }
            Err(WechatError::Refused(errcode)) => {
                tracing::warn!(%tenant, errcode, "WeChat refused a call");
                breaker.answered();
            }
            Ok(_) => breaker.answered(),
            Err(
                WechatError::NotConfigured
                | WechatError::Suspended
                | WechatError::Read(_)
                | WechatError::Seal(_)
                | WechatError::Commit(_)
                | WechatError::Contended,
            ) => {}
        }
        answer
    }

    /// A token that is good, as far as is known; another one than `bad`, if WeChat has another.
    async fn token(&self, tenant: TenantId, bad: Option<&str>) -> Result<String, WechatError> {
        let good = |loans: &WechatLoans, now: Timestamp| {
            let token = loans.token.as_ref().filter(|token| now < token.refresh_at);
            token.map(|token| token.text.clone()).filter(|text| Some(text.as_str()) != bad)
        };
        if let Some(token) = good(&self.stored_loans(tenant)?.loans, self.clock.now()) {
            return Ok(token);
        }
        let lending = self.lending(tenant);
        let mut forced = lending.flight.lock().await;
        // Whoever flew before has stored it.
        let loans = self.stored_loans(tenant)?.loans;
        let now = self.clock.now();
        if let Some(token) = good(&loans, now) {
            return Ok(token);
        }
        // Only a token that should have been good is worth a force.
        let believed = loans.token.as_ref().is_some_and(|token| now < token.expires_at);
        let force = bad.is_some() && believed && forced.take(now);
        let fetched = self.fetch_token(tenant, force).await;
        let usable = loans.token.filter(|token| now < token.expires_at && Some(token.text.as_str()) != bad);
        match (fetched, usable) {
            (Err(WechatError::Call(_)), Some(token)) => Ok(token.text),
            (answer, _) => answer,
        }
    }

    async fn fetch_token(&self, tenant: TenantId, force: bool) -> Result<String, WechatError> {
        for _ in 0..MAX_TRIES {
            let caller = self.caller(tenant)?;
            let body = TokenRequest {
                grant_type: "client_credential",
                appid: &caller.account.app_id,
                secret: &caller.account.app_secret,
                force_refresh: force,
            };
            let url = format!("{}/cgi-bin/stable_token", self.api_base);
            let request = self.outgoing.client().post(url).json(&body);
            let TokenReply { access_token, expires_in } = self.call("token", request).await?;
            let loan = self.loan(access_token, expires_in);
            let token = loan.text.clone();
            if self.keep(tenant, &caller, |loans| loans.token = Some(loan.clone())).await? {
                return Ok(token);
            }
        }
        Err(WechatError::Contended)
    }

    async fn fetch_ticket(&self, tenant: TenantId, token: &str) -> Result<String, WechatError> {
        let lending = self.lending(tenant);
        let _flight = lending.flight.lock().await;
        let now = self.clock.now();
        if let Some(ticket) = self.stored_loans(tenant)?.loans.ticket.filter(|ticket| now < ticket.refresh_at)
        {
            return Ok(ticket.text);
        }
        let caller = self.caller(tenant)?;
        let url = format!("{}/cgi-bin/ticket/getticket", self.api_base);
        let request = self.outgoing.client().get(url).query(&[("access_token", token), ("type", "jsapi")]);
        let TicketReply { ticket, expires_in } = self.call("ticket", request).await?;
        let loan = self.loan(ticket, expires_in);
        let ticket = loan.text.clone();
        // A ticket of an account that was replaced meanwhile must not be used.
        match self.keep(tenant, &caller, |loans| loans.ticket = Some(loan.clone())).await? {
            true => Ok(ticket),
            false => Err(WechatError::Contended),
        }
    }

    fn loan(&self, text: String, expires_in: u64) -> WechatLoan {
        let whole = Duration::from_secs(expires_in);
        let refresh = whole.saturating_sub(AHEAD.max(whole / 10));
        let now = self.clock.now();
        WechatLoan { text, refresh_at: now.plus(refresh), expires_at: now.plus(whole) }
    }

    fn caller(&self, tenant: TenantId) -> Result<Caller, WechatError> {
        let key = keys::wechat_conf(tenant);
        let stored = self.storage.get(&key)?.ok_or(WechatError::NotConfigured)?;
        let secrets = stored.record.open(&self.vault, &key)?;
        let account = secrets.account.ok_or(WechatError::NotConfigured)?;
        Ok(Caller { account, conf: (key, stored.version) })
    }

    fn stored_loans(&self, tenant: TenantId) -> Result<Stored, WechatError> {
        let key = keys::wechat_loan(tenant);
        match self.storage.get(&key)? {
            Some(stored) => {
                let loans = stored.record.open(&self.vault, &key)?;
                Ok(Stored { key, version: stored.version, loans })
            }
            None => Ok(Stored { key, version: Version::ABSENT, loans: WechatLoans::default() }),
        }
    }

    /// Stores what was lent, if the settings are still those it was lent for.
    async fn keep(
        &self,
        tenant: TenantId,
        caller: &Caller,
        change: impl Fn(&mut WechatLoans),
    ) -> Result<bool, WechatError> {
        let Stored { key, version, mut loans } = self.stored_loans(tenant)?;
        change(&mut loans);
        let expires_at =
            [&loans.token, &loans.ticket].into_iter().flatten().map(|loan| loan.expires_at).max();
        let record = WechatLoanRecord::seal(&self.vault, &key, &loans)?;
        let mut commit = Commit::new();
        commit.require_version(&caller.conf.0, caller.conf.1).require_version(&key, version);
        commit.put_expiring(&key, &record, expires_at.unwrap_or(self.clock.now()));
        match self.storage.commit(commit).await {
            Ok(_) => Ok(true),
            Err(CommitError::Conflict { .. }) => Ok(false),
            Err(error) => Err(WechatError::Commit(error)),
        }
    }
}

#[cfg(test)]
mod tests;
