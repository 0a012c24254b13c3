//! What patients are to be told: one row a booking, written with what it tells of.

use bincode::{Decode, Encode};
use domain::{BookingId, PatientId, ScheduleId};

use super::BookingOwner;
use super::possible;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;

/// What the patient of a booking is to be told. When it happened stands in the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotificationRecord {
    /// What has happened.
    pub kind: NotificationKind,
    /// Whose booking it is: who is told, where it is an account.
    pub owner: BookingOwner,
    /// The booking.
    pub booking: BookingId,
    /// The patient.
    pub patient: PatientId,
    /// The booking's schedule, which says where and by whom the patient is seen now.
    pub schedule: ScheduleId,
}

/// What has happened to a booking that its patient did not do. The numbers stand in keys, so they are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum NotificationKind {
    /// The schedule was stopped (停诊) and the booking cancelled with it.
    Stopped = 1,
    /// The patient is seen somewhere else or by somebody else (替诊).
    Relocated = 2,
}

impl NotificationKind {
    /// The kind as it stands in keys.
    pub(crate) const fn tag(self) -> u8 {
        self as u8
    }

    /// The word for it in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Relocated => "relocated",
        }
    }
}

#[derive(Encode, Decode)]
struct StoredNotification {
    kind: StoredNotificationKind,
    owner: u64,
    booking: u64,
    patient: u64,
    schedule: u64,
}

#[derive(Encode, Decode)]
enum StoredNotificationKind {
    Stopped,
    Relocated,
}

impl TryFrom<StoredNotification> for NotificationRecord {
    type Error = Impossible;

    fn try_from(stored: StoredNotification) -> Result<Self, Impossible> {
        Ok(Self {
            kind: match stored.kind {
                StoredNotificationKind::Stopped => NotificationKind::Stopped,
                StoredNotificationKind::Relocated => NotificationKind::Relocated,
            },
            owner: BookingOwner::from_number(stored.owner).ok_or(Impossible("owner"))?,
            booking: possible(BookingId::new(stored.booking), "booking id")?,
            patient: possible(PatientId::new(stored.patient), "patient id")?,
            schedule: possible(ScheduleId::new(stored.schedule), "schedule id")?,
        })
    }
}

impl Record for NotificationRecord {
    const TABLE: Table = Table::Notification;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredNotification {
            kind: match self.kind {
                NotificationKind::Stopped => StoredNotificationKind::Stopped,
                NotificationKind::Relocated => StoredNotificationKind::Relocated,
            },
            owner: self.owner.number(),
            booking: self.booking.get(),
            patient: self.patient.get(),
            schedule: self.schedule.get(),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredNotification>(bytes)
    }
}
