//! How far the telling of a notification has come: by which way it went, what became of it, and what is still due.

use bincode::{Decode, Encode};
use domain::{TenantId, Timestamp};

use super::millis;
use crate::keys::{self, Key, NotificationId};
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::records::NotificationRecord;
use crate::table::Table;

/// How far a notification has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is to be sent: there is a [`NotificationJobRecord`] for it.
    Waiting {
        /// How often it was tried in this round.
        attempts: u8,
        /// When it is tried next.
        next_at: Timestamp,
    },
    /// WeChat or the provider of text messages has taken it.
    Sent {
        /// When.
        at: Timestamp,
        /// Which way.
        by: SentBy,
        /// What WeChat told afterwards (TEMPLATESENDJOBFINISH).
        receipt: Option<Receipt>,
    },
    /// Nobody could be told, and trying again would not help.
    Skipped {
        /// When that was found.
        at: Timestamp,
        /// Why.
        why: SkipReason,
    },
    /// It was tried and is given up.
    Failed {
        /// When.
        at: Timestamp,
        /// Why.
        why: FailReason,
        /// What WeChat answered last, where it did.
        errcode: Option<i64>,
        /// How often it was tried in this round.
        attempts: u8,
    },
}

impl Delivery {
    /// The word for the state in the API.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Sent { .. } => "sent",
            Self::Skipped { .. } => "skipped",
            Self::Failed { .. } => "failed",
        }
    }
}

/// Which way a notification went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentBy {
    /// As a template message, which WeChat knows by this number.
    Wechat {
        /// msgid
        msg_id: u64,
    },
    /// As a text message.
    Sms,
}

impl SentBy {
    /// The word for it in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wechat { .. } => "wechat",
            Self::Sms => "sms",
        }
    }
}

/// What became of a template message after WeChat had taken it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// When WeChat told.
    pub at: Timestamp,
    /// What it told.
    pub outcome: ReceiptOutcome,
}

/// `Status` of TEMPLATESENDJOBFINISH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// It arrived.
    Arrived,
    /// The patient takes no messages from the account.
    Blocked,
    /// It failed for another reason.
    Failed,
}

impl ReceiptOutcome {
    /// The word for it in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arrived => "arrived",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
        }
    }
}

/// Why nobody could be told. The order is that of stored rows: new ones come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum SkipReason {
    /// The account has no open id, and no text message could be sent instead.
    NoOpenId,
    /// No template was chosen for the type, and no text message could be sent instead.
    NoTemplate,
    /// The clinic has neither a service account nor text messages.
    NotConnected,
    /// The patient does not follow the service account any more.
    Unsubscribed,
    /// The patient takes no such messages.
    Refused,
    /// There is no phone to send a text message to.
    NoPhone,
    /// The patient's file, the booking or the account was erased meanwhile.
    Erased,
    /// It would have come too late to be of use.
    TooLate,
    /// The phone has had as many text messages as it may have in a day.
    TooManyTexts,
}

impl SkipReason {
    /// The word for it in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoOpenId => "no_open_id",
            Self::NoTemplate => "no_template",
            Self::NotConnected => "not_connected",
            Self::Unsubscribed => "unsubscribed",
            Self::Refused => "refused",
            Self::NoPhone => "no_phone",
            Self::Erased => "erased",
            Self::TooLate => "too_late",
            Self::TooManyTexts => "too_many_texts",
        }
    }
}

/// Why it was given up. The order is that of stored rows: new ones come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum FailReason {
    /// WeChat or the provider answered that it will not do it: see the errcode.
    Refused,
    /// It was tried as often as it may be, without an answer that counts.
    Unreachable,
    /// The chosen template wants other fields than there are values for.
    Unfit,
}

impl FailReason {
    /// The word for it in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Unfit => "unfit",
        }
    }
}

#[derive(Encode, Decode)]
pub(super) enum StoredDelivery {
    Waiting { attempts: u8, next_at: i64 },
    Sent { at: i64, by: StoredSentBy, receipt: Option<(i64, StoredOutcome)> },
    Skipped { at: i64, why: SkipReason },
    Failed { at: i64, why: FailReason, errcode: Option<i64>, attempts: u8 },
}

#[derive(Encode, Decode)]
pub(super) enum StoredSentBy {
    Wechat(u64),
    Sms,
}

#[derive(Encode, Decode)]
pub(super) enum StoredOutcome {
    Arrived,
    Blocked,
    Failed,
}

impl From<&Delivery> for StoredDelivery {
    fn from(delivery: &Delivery) -> Self {
        match *delivery {
            Delivery::Waiting { attempts, next_at } => Self::Waiting { attempts, next_at: millis(next_at) },
            Delivery::Sent { at, by, receipt } => Self::Sent {
                at: millis(at),
                by: match by {
                    SentBy::Wechat { msg_id } => StoredSentBy::Wechat(msg_id),
                    SentBy::Sms => StoredSentBy::Sms,
                },
                receipt: receipt.map(|Receipt { at, outcome }| {
                    let outcome = match outcome {
                        ReceiptOutcome::Arrived => StoredOutcome::Arrived,
                        ReceiptOutcome::Blocked => StoredOutcome::Blocked,
                        ReceiptOutcome::Failed => StoredOutcome::Failed,
                    };
                    (millis(at), outcome)
                }),
            },
            Delivery::Skipped { at, why } => Self::Skipped { at: millis(at), why },
            Delivery::Failed { at, why, errcode, attempts } => {
                Self::Failed { at: millis(at), why, errcode, attempts }
            }
        }
    }
}

impl From<StoredDelivery> for Delivery {
    fn from(stored: StoredDelivery) -> Self {
        let moment = Timestamp::from_millis;
        match stored {
            StoredDelivery::Waiting { attempts, next_at } => {
                Self::Waiting { attempts, next_at: moment(next_at) }
            }
            StoredDelivery::Sent { at, by, receipt } => Self::Sent {
                at: moment(at),
                by: match by {
                    StoredSentBy::Wechat(msg_id) => SentBy::Wechat { msg_id },
                    StoredSentBy::Sms => SentBy::Sms,
                },
                receipt: receipt.map(|(at, outcome)| {
                    let outcome = match outcome {
                        StoredOutcome::Arrived => ReceiptOutcome::Arrived,
                        StoredOutcome::Blocked => ReceiptOutcome::Blocked,
                        StoredOutcome::Failed => ReceiptOutcome::Failed,
                    };
                    Receipt { at: moment(at), outcome }
                }),
            },
            StoredDelivery::Skipped { at, why } => Self::Skipped { at: moment(at), why },
            StoredDelivery::Failed { at, why, errcode, attempts } => {
                Self::Failed { at: moment(at), why, errcode, attempts }
            }
        }
    }
}

/// That a notification is to be sent. It is there as long as the notification waits, and kept in memory, so that who
/// sends need not look through all notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotificationJobRecord {
    /// When it is tried.
    pub due_at: Timestamp,
}

#[derive(Encode, Decode)]
struct StoredJob {
    due_at: i64,
}

impl TryFrom<StoredJob> for NotificationJobRecord {
    type Error = Impossible;

    fn try_from(stored: StoredJob) -> Result<Self, Impossible> {
        Ok(Self { due_at: Timestamp::from_millis(stored.due_at) })
    }
}

impl Record for NotificationJobRecord {
    const TABLE: Table = Table::NotificationJob;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredJob { due_at: millis(self.due_at) })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredJob>(bytes)
    }
}

/// Which notification a template message was, found by the number that WeChat gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentMessageRecord {
    /// The notification.
    pub notification: NotificationId,
}

impl SentMessageRecord {
    /// Where the notification is stored.
    #[must_use]
    pub fn notification_key(&self, tenant: TenantId) -> Key<NotificationRecord> {
        keys::notification(tenant, &self.notification)
    }
}

#[derive(Encode, Decode)]
struct StoredMessage {
    at: i64,
    number: u64,
    kind: u8,
}

impl TryFrom<StoredMessage> for SentMessageRecord {
    type Error = Impossible;

    fn try_from(stored: StoredMessage) -> Result<Self, Impossible> {
        let moment = Timestamp::from_millis(stored.at);
        let notification = NotificationId::new(moment, stored.number, stored.kind);
        Ok(Self { notification: notification.ok_or(Impossible("kind of notification"))? })
    }
}

impl Record for SentMessageRecord {
    const TABLE: Table = Table::SentMessage;

    fn encode(&self) -> Vec<u8> {
        let NotificationId { moment, number, kind } = self.notification;
        encode_v1(&StoredMessage { at: millis(moment), number, kind: kind.tag() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredMessage>(bytes)
    }
}
