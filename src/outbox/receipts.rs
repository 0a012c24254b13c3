//! What WeChat tells of a message after it has taken it (TEMPLATESENDJOBFINISH). The event may come before what was sent is
//! stored, and comes up to three times.

use actors::save_notification;
use domain::TenantId;
use storage::keys::NotificationId;
use storage::records::{Delivery, NotificationRecord, Receipt, ReceiptOutcome, SentBy};
use storage::{Commit, CommitError, keys};

use super::facts::Told;
use super::{Attempt, Outbox, OutboxError, texts};
use crate::app::App;

/// Events that are kept for messages that are not stored yet; the oldest give way.
const MOST_EARLY: usize = 256;

/// How often a receipt is noted anew because the notification changed meanwhile.
const MAX_TRIES: usize = 8;

/// Notes what became of a message.
///
/// # Errors
/// A record cannot be read, opened or written.
pub async fn take(
    app: &App,
    tenant: TenantId,
    message: u64,
    outcome: ReceiptOutcome,
) -> Result<(), OutboxError> {
    // Kept before looking, and looked for after storing: whoever comes second finds it.
    app.outbox.keep_early((tenant, message, outcome));
    take_early(app, tenant, message).await
}

impl Outbox {
    fn keep_early(&self, told: (TenantId, u64, ReceiptOutcome)) {
        let mut early = self.early.lock();
        if early.len() >= MOST_EARLY {
            early.pop_front();
        }
        early.push_back(told);
    }

    /// What is known of a message, which is forgotten here.
    fn known_early(&self, message: (TenantId, u64)) -> Option<ReceiptOutcome> {
        let mut early = self.early.lock();
        let known = early.iter().find(|(tenant, number, _)| (*tenant, *number) == message);
        let outcome = known.map(|(_, _, outcome)| *outcome);
        early.retain(|(tenant, number, _)| (*tenant, *number) != message);
        outcome
    }
}

/// Notes what is known of a message, if it is stored.
///
/// # Errors
/// A record cannot be read, opened or written.
pub(super) async fn take_early(app: &App, tenant: TenantId, message: u64) -> Result<(), OutboxError> {
    let Some(sent) = app.storage.get(&keys::sent_message(tenant, message))? else { return Ok(()) };
    match app.outbox.known_early((tenant, message)) {
        Some(outcome) => note(app, tenant, (&sent.record.notification, message), outcome).await,
        None => Ok(()),
    }
}

async fn note(
    app: &App,
    tenant: TenantId,
    (id, message): (&NotificationId, u64),
    outcome: ReceiptOutcome,
) -> Result<(), OutboxError> {
    let receipt = Receipt { at: app.clock.now(), outcome };
    let noted = change(app, tenant, id, |delivery| match delivery {
        Delivery::Sent { at, by, receipt: None } if by == (SentBy::Wechat { msg_id: message }) => {
            Some(Delivery::Sent { at, by, receipt: Some(receipt) })
        }
        // A repeat, or staff have had it sent again.
        Delivery::Sent { .. }
        | Delivery::Waiting { .. }
        | Delivery::Skipped { .. }
        | Delivery::Failed { .. } => None,
    });
    let Some(record) = noted.await? else { return Ok(()) };
    tracing::info!(%tenant, outcome = outcome.name(), "WeChat tells what became of a message");
    app.metrics.notification(record.kind.name(), outcome.name());
    match outcome {
        ReceiptOutcome::Blocked if app.limits.sms_notices => {}
        ReceiptOutcome::Blocked | ReceiptOutcome::Arrived | ReceiptOutcome::Failed => return Ok(()),
    }
    // Tried once: that it was blocked is stored, so that a repeat of the event sends no second text.
    let key = keys::notification(tenant, id);
    let Some(told) = Told::read(app, tenant, &key, &record)? else { return Ok(()) };
    if texts::send(app, tenant, &record, &told).await? == Attempt::Sent(SentBy::Sms) {
        let sent = Delivery::Sent { at: app.clock.now(), by: SentBy::Sms, receipt: Some(receipt) };
        change(app, tenant, id, |delivery| (delivery == record.delivery).then_some(sent)).await?;
    }
    Ok(())
}

/// Changes how a notification stands; answers it as it is then, or nothing where nothing changed.
async fn change(
    app: &App,
    tenant: TenantId,
    id: &NotificationId,
    to: impl Fn(Delivery) -> Option<Delivery>,
) -> Result<Option<NotificationRecord>, OutboxError> {
    let key = keys::notification(tenant, id);
    for _ in 0..MAX_TRIES {
        let Some(stored) = app.storage.get(&key)? else { return Ok(None) };
        let Some(delivery) = to(stored.record.delivery) else { return Ok(None) };
        let record = NotificationRecord { delivery, ..stored.record };
        let mut commit = Commit::new();
        commit.require_version(&key, stored.version);
        save_notification(&mut commit, tenant, id, &record);
        match app.storage.commit(commit).await {
            Ok(_) => return Ok(Some(record)),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
