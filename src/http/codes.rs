//! Verification codes (验证码): sent to a phone for one purpose, tried a few times, used once.

use std::time::Duration;

use actix_web::{rt, web};
use actors::Clock;
use domain::{Phone, TenantId, Timestamp};
use storage::records::{CodePurpose, CodeRecord};
use storage::sabotage::{self, Bug};
use storage::{Blind, Commit, Key, Storage, Vault, Version, keys};

use super::error::{ApiError, ErrorCode};
use super::limits::{ClientNetwork, SmsLimits};
use super::refusals::{MAX_TRIES, Outcome, outcome};
use crate::app::App;
use crate::sms::{SmsError, Template, VerificationCode};

#[cfg(test)]
mod tests;

/// How long a code works.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// How many wrong tries a code survives.
const TRIES: u8 = 5;

/// The codes of one clinic for one purpose.
#[derive(Clone, Copy)]
pub struct Codes<'a> {
    /// Where they are kept.
    pub storage: &'a Storage,
    /// Blinds phones and codes.
    pub vault: &'a Vault,
    /// What time it is.
    pub clock: &'a dyn Clock,
    /// The clinic.
    pub tenant: TenantId,
    /// What they are sent for.
    pub purpose: CodePurpose,
}

/// A code that was right when it was tried. Nothing is used up until [`RightCode::consume`]'s commit is made.
#[derive(Debug)]
pub struct RightCode {
    key: Key<CodeRecord>,
    version: Version,
}

impl RightCode {
    /// Makes `commit` use the code up. Of two that try to, one finds it changed and is refused.
    pub fn consume(&self, commit: &mut Commit) {
        if sabotage::is_planted(Bug::KeepCode) {
            return;
        }
        commit.require_version(&self.key, self.version).delete(&self.key);
    }
}

/// What a try comes to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Right,
    /// To be counted before it is told, so that nobody learns anything from a try that does not count.
    Wrong,
    Refused(ErrorCode),
}

impl<'a> Codes<'a> {
    /// Those of this clinic for this purpose.
    pub fn of(app: &'a App, tenant: TenantId, purpose: CodePurpose) -> Self {
        Self { storage: &app.storage, vault: &app.vault, clock: app.clock.as_ref(), tenant, purpose }
    }
}

impl Codes<'_> {
    /// Makes `code` the one that works for `phone` from `now` on, in place of any that was sent before.
    pub fn put(&self, commit: &mut Commit, phone: &Phone, code: &VerificationCode, now: Timestamp) {
        let expires_at = now.plus(LIFETIME);
        let record = CodeRecord { hash: self.hash(phone, code), tries_left: TRIES, expires_at };
        commit.put_expiring(&self.key(phone), &record, expires_at);
    }

    /// Tries a code. A wrong one is counted, durably, before the answer.
    ///
    /// # Errors
    /// 400002 when it is wrong, expired or used; 400004 when it was tried too often; the failures of a commit.
    pub async fn check(&self, phone: &Phone, code: &VerificationCode) -> Result<RightCode, ApiError> {
        let key = self.key(phone);
        let hash = self.hash(phone, code);
        for _ in 0..MAX_TRIES {
            let stored = self.storage.get(&key).map_err(ApiError::internal)?.ok_or(ErrorCode::CodeWrong)?;
            let (version, mut record) = (stored.version, stored.record);
            match judge(&record, &hash, self.clock.now()) {
                Verdict::Right => return Ok(RightCode { key, version }),
                Verdict::Refused(code) => return Err(code.into()),
                Verdict::Wrong => record.tries_left -= 1,
            }
            let mut commit = Commit::new();
            commit.require_version(&key, version).put_expiring(&key, &record, record.expires_at);
            match outcome(self.storage.commit(commit).await)? {
                Outcome::Made => return Err(ErrorCode::CodeWrong.into()),
                Outcome::Outdated => {}
            }
        }
        Err(ErrorCode::Busy.into())
    }

    fn key(&self, phone: &Phone) -> Key<CodeRecord> {
        keys::code(self.tenant, self.purpose, &self.vault.blind_phone(self.tenant, phone))
    }

    /// Bound to phone, clinic and purpose: the same code sent elsewhere is another one.
    fn hash(&self, phone: &Phone, code: &VerificationCode) -> Blind {
        let purpose = match self.purpose {
            CodePurpose::Register => "register",
            CodePurpose::Reset => "reset",
            CodePurpose::LeavePhone => "leave",
            CodePurpose::TakePhone => "take",
        };
        let context = format!("code/{purpose}/{}/{}", self.tenant, phone.as_str());
        self.vault.blind(&context, code.as_str())
    }
}

/// Judges a try whose code has this hash. Only [`Verdict::Wrong`] leaves a try to be counted.
fn judge(record: &CodeRecord, hash: &Blind, now: Timestamp) -> Verdict {
    // From a clock that was set back since: one that was wrong by a year makes no code that works for a year.
    let is_from_ahead = record.expires_at.since(now) > 2 * LIFETIME;
    if now >= record.expires_at || is_from_ahead {
        return Verdict::Refused(ErrorCode::CodeWrong);
    }
    if record.tries_left == 0 {
        return Verdict::Refused(ErrorCode::CodeExhausted);
    }
    if record.matches(hash) { Verdict::Right } else { Verdict::Wrong }
}

/// A code that somebody asks for.
#[derive(Debug)]
pub struct CodeRequest {
    /// The clinic.
    pub tenant: TenantId,
    /// What it is for.
    pub purpose: CodePurpose,
    /// Where it is sent.
    pub phone: Phone,
    /// Who asks.
    pub network: ClientNetwork,
}

impl CodeRequest {
    /// Sends the code within the limits.
    ///
    /// A phone that must not have an account and has one, or must have one and has none, gets a text that says so. A
    /// code is stored for it all the same, which nobody is told, and the text takes the same way as a code: by reply,
    /// count, time and everything that follows, who asks cannot tell the two apart. Only who holds the phone can.
    ///
    /// # Errors
    /// 0429 over a limit, ours or the provider's; 0502 when the provider failed; the failures of a commit.
    pub async fn send(self, app: web::Data<App>) -> Result<(), ApiError> {
        // A task of its own, because a client that hangs up must not stop it between counting and sending.
        rt::spawn(async move { self.send_from(&app).await }).await.map_err(ApiError::internal)?
    }

    pub(super) async fn send_from(&self, app: &App) -> Result<(), ApiError> {
        let Self { tenant, purpose, phone, network } = self;
        let (storage, clock) = (&app.storage, app.clock.as_ref());
        let vault: &Vault = &app.vault;
        let limits = SmsLimits { storage, vault, clock, limits: &app.limits, tenant: *tenant };
        let codes = Codes::of(app, *tenant, *purpose);
        let account = keys::phone(*tenant, &vault.blind_phone(*tenant, phone));
        let has_account = storage.contains(&account).map_err(ApiError::internal)?;
        let code = VerificationCode::random().map_err(ApiError::internal)?;

        if sabotage::is_planted(Bug::LogPhone) {
            tracing::info!(phone = phone.as_str(), "a code is asked for");
        }
        let reservation =
            limits.reserve(phone, *network, |commit, now| codes.put(commit, phone, &code, now)).await?;
        let template = template(*purpose, has_account, &code);
        let Err(error) = app.send_text(*tenant, phone, template).await else { return Ok(()) };

        tracing::warn!(tenant = tenant.get(), template = template.name(), error = %error, "a text was not sent");
        if !error.reached_provider()
            && let Err(error) = limits.release(&reservation).await
        {
            tracing::warn!(tenant = tenant.get(), error = %error, "a text that was not sent stays counted");
        }
        // The provider has limits of its own, which the clinic may have set lower than ours.
        if let SmsError::Limited(wait) = error {
            return Err(ApiError::too_often(wait));
        }
        Err(ErrorCode::SmsFailed.into())
    }
}

fn template(purpose: CodePurpose, has_account: bool, code: &VerificationCode) -> Template<'_> {
    match (purpose, has_account) {
        (CodePurpose::Register | CodePurpose::TakePhone, true) => Template::AlreadyRegistered,
        (CodePurpose::Register, false) => Template::Register(code),
        (CodePurpose::TakePhone, false) => Template::TakePhone(code),
        (CodePurpose::Reset, true) => Template::Reset(code),
        (CodePurpose::Reset, false) => Template::NoAccount,
        (CodePurpose::LeavePhone, _) => Template::LeavePhone(code),
    }
}
