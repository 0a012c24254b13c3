//! Telling patients what notifications are there for: by WeChat, or by text message where WeChat reaches nobody.
//!
//! A notification is written with what it tells of, and with it a job, which is in memory and says when it is due. What is
//! due is sent by a task a clinic, a few at a time, so that a WeChat that is slow or away holds up neither bookings nor
//! other clinics. What came of an attempt is one commit under the version that was read. A crash between the two, or two
//! who send at the same time, mean at most that the same message is sent again with the same `client_msg_id`, of which
//! WeChat delivers one.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use actix_web::web;
use actors::save_notification;
use domain::{TenantId, Timestamp};
use futures_util::stream::{self, StreamExt};
use parking_lot::Mutex;
use storage::keys::NotificationId;
use storage::records::{
    Delivery, FailReason, NotificationRecord, ReceiptOutcome, SentBy, SentMessageRecord, SkipReason,
};
use storage::{Commit, CommitError, ReadError, Scan, SealError, Writable, keys};
use thiserror::Error;
use tokio::time::MissedTickBehavior;

use crate::app::App;

mod facts;
pub mod receipts;
mod texts;
mod ways;

/// Between two looks for what is due. The jobs are in memory.
const TICK: Duration = Duration::from_millis(250);

/// Messages of one clinic that are under way at once.
const AT_ONCE: usize = 4;

/// Messages of one clinic that are taken up at once, those due first. What comes due meanwhile waits for them.
const MOST_TAKEN: usize = 256;

/// After how long an attempt that came to nothing is followed by the next one. After the last, the notification is given
/// up; staff see it and can have it sent again.
const RETRY_AFTER: [Duration; 5] = [minutes(1), minutes(5), minutes(30), minutes(120), minutes(360)];

/// How long nothing is sent to anybody when the account has sent as much as it may in a day (45009).
const QUOTA_PAUSE: Duration = minutes(360);

/// How long nothing of a clinic is sent after what came of a message could not be written: it would be sent again.
const UNWRITTEN_PAUSE: Duration = Duration::from_secs(30);

/// How long it is known which notification a message of WeChat's number was; the event comes within minutes.
const MESSAGES_KEPT: Duration = minutes(3 * 24 * 60);

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// What is known of notifications on their way, besides what is stored.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The clinics whose task is at work.
    busy: Mutex<HashSet<TenantId>>,
    /// Events that came before their message was stored.
    early: Mutex<VecDeque<(TenantId, u64, ReceiptOutcome)>>,
}

/// Why a notification could not be looked after.
#[derive(Debug, Error)]
pub enum OutboxError {
    /// A record cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record cannot be opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// What came of it cannot be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Attempt {
    Sent(SentBy),
    Skipped(SkipReason),
    /// Another attempt would come to the same.
    Failed {
        why: FailReason,
        errcode: Option<i64>,
        fault: Option<String>,
    },
    /// Another attempt may come to something.
    Again {
        errcode: Option<i64>,
    },
    /// Nothing comes to anything before then, which does not count as an attempt.
    NotBefore(Timestamp),
}

/// Sends what is due, again and again, until the server stops.
pub async fn run(app: web::Data<App>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = begin_due(&app) {
            tracing::error!(error = %error, "what is to be sent to patients cannot be read");
        }
    }
}

/// Sends everything that is due now, once, and returns when it is done.
///
/// # Errors
/// What is due cannot be read.
pub async fn run_due(app: &App) -> Result<(), ReadError> {
    for tenant in tenants(app)? {
        send_all(app, tenant, due(app, tenant)?).await;
    }
    Ok(())
}

/// How many notifications are to be sent.
pub fn waiting(app: &App) -> u64 {
    let count =
        |tenant| app.storage.scan_keys(&keys::notification_jobs(tenant), Scan::ALL).map(|found| found.len());
    // Where nothing can be read any more, the process is about to end.
    let tenants = tenants(app).unwrap_or_default();
    tenants.into_iter().map(|tenant| count(tenant).unwrap_or_default() as u64).sum()
}

fn tenants(app: &App) -> Result<Vec<TenantId>, ReadError> {
    let found = app.storage.scan_keys(&keys::tenants(), Scan::ALL)?;
    Ok(found.iter().filter_map(keys::tenant_id).collect())
}

/// Starts a task for each clinic that has something due and none at work.
fn begin_due(app: &web::Data<App>) -> Result<(), ReadError> {
    if app.draining.has_begun() || app.storage.status().writable != Writable::Yes {
        return Ok(());
    }
    for tenant in tenants(app)? {
        if app.outbox.busy.lock().contains(&tenant) {
            continue;
        }
        let due = due(app, tenant)?;
        if due.is_empty() {
            continue;
        }
        app.outbox.busy.lock().insert(tenant);
        let app = app.clone();
        tokio::task::spawn_local(async move {
            let _at_work = AtWork(&app, tenant);
            if send_all(&app, tenant, due).await == Written::No {
                tokio::time::sleep(UNWRITTEN_PAUSE).await;
            }
        });
    }
    Ok(())
}

/// A clinic's task, however it ends.
struct AtWork<'a>(&'a App, TenantId);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.outbox.busy.lock().remove(&self.1);
    }
}

/// What is due, in the order in which it came due.
fn due(app: &App, tenant: TenantId) -> Result<Vec<NotificationId>, ReadError> {
    let now = app.clock.now();
    let jobs = app.storage.scan(&keys::notification_jobs(tenant), Scan::ALL)?;
    let due = jobs.into_iter().filter(|(_, job)| job.record.due_at <= now);
    let mut due: Vec<_> =
        due.filter_map(|(key, job)| keys::notification_id(&key).map(|id| (job.record.due_at, id))).collect();
    due.sort_unstable();
    due.truncate(MOST_TAKEN);
    Ok(due.into_iter().map(|(_, id)| id).collect())
}

/// Whether everything that came of messages is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Yes,
    No,
}

async fn send_all(app: &App, tenant: TenantId, due: Vec<NotificationId>) -> Written {
    // What tells of one booking goes out in its order.
    let mut groups: Vec<Vec<NotificationId>> = Vec::new();
    for id in due {
        match groups.iter_mut().find(|group| group[0].number == id.number) {
            Some(group) => group.push(id),
            None => groups.push(vec![id]),
        }
    }
    let sent = stream::iter(groups).map(|group| async move {
        for id in group {
            if let Err(error) = send_one(app, tenant, &id).await {
                tracing::error!(%tenant, error = %error, "what came of a notification cannot be written");
                return Written::No;
            }
        }
        Written::Yes
    });
    let written: Vec<_> = sent.buffer_unordered(AT_ONCE).collect().await;
    if written.contains(&Written::No) { Written::No } else { Written::Yes }
}

/// Makes one attempt and writes what came of it.
async fn send_one(app: &App, tenant: TenantId, id: &NotificationId) -> Result<(), OutboxError> {
    let key = keys::notification(tenant, id);
    let stored = app.storage.get(&key)?;
    let waits = stored.as_ref().and_then(|stored| match stored.record.delivery {
        Delivery::Waiting { attempts, .. } => Some(attempts),
        Delivery::Sent { .. } | Delivery::Skipped { .. } | Delivery::Failed { .. } => None,
    });
    let (Some(stored), Some(attempts)) = (stored, waits) else {
        // It was swept, or somebody else has sent it since the jobs were read.
        return Ok(());
    };
    let attempt = match ways::attempt(app, tenant, (id, &key), &stored.record).await {
        Ok(attempt) => attempt,
        Err(error) => {
            tracing::error!(%tenant, error = %error, "a notification cannot be put together");
            Attempt::Again { errcode: None }
        }
    };
    let now = app.clock.now();
    let delivery = delivery_after(&attempt, attempts, now);
    app.metrics.notification(stored.record.kind.name(), outcome_name(&delivery));
    let fault = match attempt {
        Attempt::Failed { fault, .. } => fault,
        Attempt::Sent(_) | Attempt::Skipped(_) | Attempt::Again { .. } | Attempt::NotBefore(_) => None,
    };
    let record = NotificationRecord { delivery, fault, ..stored.record };
    let mut commit = Commit::new();
    commit.require_version(&key, stored.version);
    save_notification(&mut commit, tenant, id, &record);
    let message = match delivery {
        Delivery::Sent { by: SentBy::Wechat { msg_id }, .. } => Some(msg_id),
        Delivery::Sent { by: SentBy::Sms, .. }
        | Delivery::Waiting { .. }
        | Delivery::Skipped { .. }
        | Delivery::Failed { .. } => None,
    };
    if let Some(message) = message {
        let record = SentMessageRecord { notification: *id };
        commit.put_expiring(&keys::sent_message(tenant, message), &record, now.plus(MESSAGES_KEPT));
    }
    match app.storage.commit(commit).await {
        Ok(_) => {}
        // Somebody has changed it meanwhile, and what they wrote counts.
        Err(CommitError::Conflict { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    match message {
        Some(message) => receipts::take_early(app, tenant, message).await,
        None => Ok(()),
    }
}

/// How a notification stands after an attempt, before which there were so many in this round.
fn delivery_after(attempt: &Attempt, attempts: u8, now: Timestamp) -> Delivery {
    let tried = attempts.saturating_add(1);
    match *attempt {
        Attempt::Sent(by) => Delivery::Sent { at: now, by, receipt: None },
        Attempt::Skipped(why) => Delivery::Skipped { at: now, why },
        Attempt::Failed { why, errcode, .. } => Delivery::Failed { at: now, why, errcode, attempts: tried },
        Attempt::NotBefore(next_at) => Delivery::Waiting { attempts, next_at },
        Attempt::Again { errcode } => match RETRY_AFTER.get(usize::from(attempts)) {
            Some(wait) => Delivery::Waiting { attempts: tried, next_at: now.plus(*wait) },
            None => {
                let why = if errcode.is_some() { FailReason::Refused } else { FailReason::Unreachable };
                Delivery::Failed { at: now, why, errcode, attempts: tried }
            }
        },
    }
}

/// As metrics name it.
fn outcome_name(delivery: &Delivery) -> &'static str {
    match delivery {
        Delivery::Sent { by, .. } => by.name(),
        Delivery::Waiting { .. } => "retried",
        Delivery::Skipped { .. } | Delivery::Failed { .. } => delivery.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen to fail when the fifth attempt was the last.
    #[test]
    fn a_message_is_tried_six_times_within_nine_hours() {
        let mut now = Timestamp::from_millis(0);
        let mut waited = Vec::new();
        for attempts in 0..5 {
            let Delivery::Waiting { attempts: tried, next_at } =
                delivery_after(&Attempt::Again { errcode: None }, attempts, now)
            else {
                panic!("given up after {attempts}");
            };
            assert_eq!(tried, attempts + 1);
            waited.push(next_at.since(now).as_secs() / 60);
            now = next_at;
        }
        assert_eq!(waited, [1, 5, 30, 120, 360]);
        let given_up = |errcode| delivery_after(&Attempt::Again { errcode }, 5, now);
        let failed = |why, errcode| Delivery::Failed { at: now, why, errcode, attempts: 6 };
        assert_eq!(given_up(None), failed(FailReason::Unreachable, None));
        assert_eq!(given_up(Some(40164)), failed(FailReason::Refused, Some(40164)));
        let later = now.plus(QUOTA_PAUSE);
        assert_eq!(
            delivery_after(&Attempt::NotBefore(later), 5, now),
            Delivery::Waiting { attempts: 5, next_at: later },
            "a full quota is no attempt"
        );
    }
}
