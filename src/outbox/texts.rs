//! Notices by text message, for patients whom WeChat does not reach.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{Phone, TenantId, Timestamp};
use storage::records::{
    BookingOwner, FailReason, LimitKind, LimitRecord, NotificationRecord, SentBy, SkipReason,
};
use storage::{Commit, CommitError, Key, Version, keys};

use super::facts::Told;
use super::{Attempt, OutboxError};
use crate::app::App;
use crate::sms::{Notice, SmsError};
use crate::wechat::messages::{Topic, Value};

/// Notices that one phone gets in a day at most, whatever happens.
const MOST_A_DAY: usize = 10;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a count is tried anew because others count as well.
const MAX_TRIES: usize = 8;

/// The gaps of a text about a visit.
const PARAMS: [(&str, Topic); 9] = [
    ("clinic", Topic::Clinic),
    ("patient", Topic::Patient),
    ("department", Topic::Department),
    ("doctor", Topic::Doctor),
    ("location", Topic::Location),
    ("visit_time", Topic::VisitTime),
    ("serial", Topic::Serial),
    ("book_code", Topic::BookingCode),
    ("status", Topic::Status),
];

/// Sends a notification as a text message.
///
/// # Errors
/// A record cannot be read, opened or written.
pub(super) async fn send(
    app: &App,
    tenant: TenantId,
    record: &NotificationRecord,
    told: &Told,
) -> Result<Attempt, OutboxError> {
    let Some(phone) = phone(app, tenant, record, told)? else {
        return Ok(Attempt::Skipped(SkipReason::NoPhone));
    };
    let counter = Counter {
        key: keys::limit(tenant, LimitKind::NoticeToPhone, &app.vault.blind_phone(tenant, &phone)),
    };
    let at = app.clock.now();
    if counter.count(app, at).await? == Counted::Full {
        return Ok(Attempt::Skipped(SkipReason::TooManyTexts));
    }
    let params = params(told);
    let notice = Notice { template: record.kind.name(), params: &params };
    let Err(error) = app.send_notice(tenant, &phone, notice).await else {
        return Ok(Attempt::Sent(SentBy::Sms));
    };
    tracing::warn!(%tenant, template = notice.template, error = %error, "a notice was not sent");
    if !error.reached_provider() {
        counter.uncount(app, at).await?;
    }
    let failed = |why| Attempt::Failed { why, errcode: None, fault: None };
    Ok(match error {
        SmsError::Unreachable => Attempt::Again { errcode: None },
        SmsError::Refused(500..=599) => Attempt::Again { errcode: None },
        SmsError::Refused(_) => failed(FailReason::Refused),
        // Perhaps it was sent: another one would cost and annoy. Staff see it.
        SmsError::NoAnswer => failed(FailReason::Unreachable),
    })
}

/// The account's phone; of what the desk has booked that of the patient's file.
fn phone(
    app: &App,
    tenant: TenantId,
    record: &NotificationRecord,
    told: &Told,
) -> Result<Option<Phone>, OutboxError> {
    match record.owner {
        BookingOwner::Desk => Ok(Some(told.patient_phone.clone())),
        BookingOwner::Account(user) => {
            let key = keys::user(tenant, user);
            let Some(stored) = app.storage.get(&key)? else { return Ok(None) };
            Ok(Some(stored.record.open(&app.vault, &key)?.phone))
        }
    }
}

/// What was given by another system, and what is known of the visit where nothing was.
fn params(told: &Told) -> BTreeMap<&str, String> {
    let known = PARAMS.iter().filter_map(|(name, topic)| Some((*name, shown(told.facts.get(topic)?))));
    let given = told.given.iter().map(|(name, value)| (name.as_str(), value.clone()));
    known.chain(given).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Moment(date, time) => format!("{date} {time}"),
        Value::Amount(fen) => fen.to_string(),
        Value::Number(number) => number.to_string(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Yes,
    Full,
}

/// Counts the notices to one phone. The count is stored before the text is sent, so that of two at once one is beyond it.
struct Counter {
    key: Key<LimitRecord>,
}

impl Counter {
    async fn count(&self, app: &App, at: Timestamp) -> Result<Counted, OutboxError> {
        for _ in 0..MAX_TRIES {
            let (version, mut record) = self.read(app, at)?;
            if record.sent_at.len() >= MOST_A_DAY {
                return Ok(Counted::Full);
            }
            record.sent_at.push(at);
            if self.write(app, version, &record).await? {
                return Ok(Counted::Yes);
            }
        }
        Ok(Counted::Full)
    }

    /// Takes back a text that certainly did not reach the provider.
    async fn uncount(&self, app: &App, at: Timestamp) -> Result<(), OutboxError> {
        for _ in 0..MAX_TRIES {
            let (version, mut record) = self.read(app, at)?;
            let Some(place) = record.sent_at.iter().position(|sent| *sent == at) else { return Ok(()) };
            record.sent_at.remove(place);
            if self.write(app, version, &record).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What was sent within a day of `now`, whichever way a clock was wrong.
    fn read(&self, app: &App, now: Timestamp) -> Result<(Version, LimitRecord), OutboxError> {
        let stored = app.storage.get(&self.key)?;
        let (version, mut record) = stored
            .map_or((Version::ABSENT, LimitRecord::default()), |stored| (stored.version, stored.record));
        record.sent_at.retain(|at| now.since(*at).max(at.since(now)) < DAY);
        Ok((version, record))
    }

    async fn write(&self, app: &App, version: Version, record: &LimitRecord) -> Result<bool, OutboxError> {
        let mut commit = Commit::new();
        commit.require_version(&self.key, version);
        match record.sent_at.last() {
            Some(last) => commit.put_expiring(&self.key, record, last.plus(DAY)),
            None => commit.delete(&self.key),
        };
        match app.storage.commit(commit).await {
            Ok(_) => Ok(true),
            Err(CommitError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
