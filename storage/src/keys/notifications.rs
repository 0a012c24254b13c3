//! Keys of what patients are to be told.

use std::fmt;
use std::ops::RangeInclusive;

use domain::{Booking, TenantId, Timestamp};

use super::parts::Components;
use super::{Key, KeyRange, RawKey, id, of};
use crate::records::{NotificationJobRecord, NotificationKind, NotificationRecord, SentMessageRecord};
use crate::table::Table;

/// What tells one notification of a clinic from all others. The same cannot happen to a booking twice in a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotificationId {
    /// When it happened. Of a reminder the beginning of the day before the visit, whenever it is made: of a booking there
    /// is one reminder at most.
    pub moment: Timestamp,
    /// The booking; of what another system of the clinic asks for a number of [`Sequence::Notification`](crate::Sequence).
    pub number: u64,
    /// What is told. It says which of the two the number is.
    pub kind: NotificationKind,
}

impl NotificationId {
    /// The notification that tells something of a booking.
    #[must_use]
    pub const fn of_booking(kind: NotificationKind, booking: &Booking, moment: Timestamp) -> Self {
        Self { moment, number: booking.id.get(), kind }
    }

    pub(crate) fn new(moment: Timestamp, number: u64, kind: u8) -> Option<Self> {
        Some(Self { moment, number, kind: NotificationKind::from_tag(kind)? })
    }

    /// Reads what [`fmt::Display`] writes, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (moment, number, kind) = (parts.next()?, parts.next()?, parts.next()?);
        let read = Self::new(
            Timestamp::from_millis(moment.parse::<u64>().ok()?.cast_signed()),
            number.parse().ok()?,
            kind.parse().ok()?,
        )?;
        // No other text of the same numbers: no signs, no leading zeros, nothing behind.
        (read.to_string() == text).then_some(read)
    }

    fn components(self, table: RawKey) -> RawKey {
        table.with(id(millis(self.moment))).with(id(self.number)).with([self.kind.tag()])
    }
}

/// The id as it stands in the API: `1796000000000-1000000123-3`.
impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", millis(self.moment), self.number, self.kind.tag())
    }
}

fn millis(moment: Timestamp) -> u64 {
    moment.as_millis().cast_unsigned()
}

/// What somebody is to be told.
#[must_use]
pub fn notification(tenant: TenantId, notification: &NotificationId) -> Key<NotificationRecord> {
    Key::new(notification.components(of(tenant, Table::Notification)))
}

/// All that patients of a tenant are to be told, oldest first.
#[must_use]
pub fn notifications(tenant: TenantId) -> KeyRange<NotificationRecord> {
    KeyRange::prefix(of(tenant, Table::Notification))
}

/// What patients of a tenant are to be told of these moments, oldest first.
#[must_use]
pub fn notifications_within(
    tenant: TenantId,
    moments: &RangeInclusive<Timestamp>,
) -> KeyRange<NotificationRecord> {
    let table = of(tenant, Table::Notification);
    KeyRange::through(table.with(id(millis(*moments.start()))), table.with(id(millis(*moments.end()))))
}

/// The notification of a key that a scan of [`notifications`] or [`notification_jobs`] has found.
#[must_use]
pub fn notification_id(key: &RawKey) -> Option<NotificationId> {
    let table = match key.table() {
        table @ (Table::Notification | Table::NotificationJob) => table,
        _ => return None,
    };
    let mut components = Components::of(key, table)?;
    let moment = Timestamp::from_millis(components.id()?.cast_signed());
    let (number, [kind]) = (components.id()?, components.bytes::<1>()?);
    components.end(NotificationId::new(moment, number, kind)?)
}

/// That a notification is to be sent.
#[must_use]
pub fn notification_job(tenant: TenantId, notification: &NotificationId) -> Key<NotificationJobRecord> {
    Key::new(notification.components(of(tenant, Table::NotificationJob)))
}

/// The notifications of a tenant that are to be sent, oldest first.
#[must_use]
pub fn notification_jobs(tenant: TenantId) -> KeyRange<NotificationJobRecord> {
    KeyRange::prefix(of(tenant, Table::NotificationJob))
}

/// Which notification a template message was.
#[must_use]
pub fn sent_message(tenant: TenantId, msg_id: u64) -> Key<SentMessageRecord> {
    Key::new(of(tenant, Table::SentMessage).with(id(msg_id)))
}
