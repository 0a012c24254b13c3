//! What patients are to be told, each row written with what it tells of; and what is still to be sent of it.

use std::fmt;

use bincode::{Decode, Encode};
use domain::{Booking, BookingId, PatientId, ScheduleId, Timestamp};

use super::deliveries::{Delivery, StoredDelivery};
use super::{BookingOwner, millis, possible};
use crate::keys::Key;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;
use crate::vault::{SealError, Sealed, Vault};

/// What one person is to be told, and whether they have been. See [`NotificationId`](crate::keys::NotificationId) for
/// what stands in the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationRecord {
    /// What is told.
    pub kind: NotificationKind,
    /// When it happened, or was asked for.
    pub at: Timestamp,
    /// Who is told: the account, or for the desk's whoever answers the phone of the patient's file.
    pub owner: BookingOwner,
    /// The patient.
    pub patient: PatientId,
    /// What it is about.
    pub about: About,
    /// How often the staff have had it sent again. What is sent in one round has one `client_msg_id`, so that WeChat
    /// does not take a new round for a repeat of the former.
    pub round: u16,
    /// How far it has come.
    pub delivery: Delivery,
    /// What the staff should look at when it was given up, in words: the place of the template that is to blame. It holds
    /// nothing of a patient.
    pub fault: Option<String>,
}

/// What a notification is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A booking. It says when the patient was or is expected, also once it is cancelled; its schedule says where and by
    /// whom the patient is seen now.
    Booking {
        /// The booking, stored under the notification's owner.
        booking: BookingId,
        /// The booking's schedule.
        schedule: ScheduleId,
    },
    /// What another system of the clinic has said: see [`NotificationRecord::values`].
    Said(SaidValues),
}

/// What another system of the clinic has said, sealed: it may be about the patient's health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaidValues(Sealed);

/// Values by their names, in the order in which they were given.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NotificationValues(pub Vec<(String, String)>);

impl fmt::Debug for NotificationValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationValues").finish_non_exhaustive()
    }
}

/// What a patient is told. The numbers stand in keys, so they are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum NotificationKind {
    /// The schedule was stopped (停诊) and the booking cancelled with it.
    Stopped = 1,
    /// The patient is seen somewhere else or by somebody else (替诊).
    Relocated = 2,
    /// The booking was made (预约成功).
    Booked = 3,
    /// The booking was cancelled (预约取消), by whomever.
    Cancelled = 4,
    /// The patient is registered (已挂号): has paid, or was checked in.
    Registered = 5,
    /// The patient is to come again (复诊).
    FollowUp = 6,
    /// The visit is tomorrow (就诊提醒).
    Reminder = 7,
    /// The glasses can be fetched (取镜).
    GlassesReady = 8,
    /// The doctor has answered (医生回复).
    DoctorReplied = 9,
    /// How far the order in the workshop has come (加工订单进度).
    OrderProgress = 10,
}

impl NotificationKind {
    /// Every kind, by ascending number.
    pub const ALL: [Self; 10] = [
        Self::Stopped,
        Self::Relocated,
        Self::Booked,
        Self::Cancelled,
        Self::Registered,
        Self::FollowUp,
        Self::Reminder,
        Self::GlassesReady,
        Self::DoctorReplied,
        Self::OrderProgress,
    ];

    /// The kind as it stands in keys.
    pub(crate) const fn tag(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.get(usize::from(tag).checked_sub(1)?).copied()
    }

    /// What is meant by a word of the API.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The word for it in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Relocated => "relocated",
            Self::Booked => "booked",
            Self::Cancelled => "cancelled",
            Self::Registered => "registered",
            Self::FollowUp => "follow_up",
            Self::Reminder => "reminder",
            Self::GlassesReady => "glasses_ready",
            Self::DoctorReplied => "doctor_replied",
            Self::OrderProgress => "order_progress",
        }
    }

    /// The type of WeChat's template for it, wech_temp_type of the contract. A reminder has that of a booking: it shows
    /// the same fields, while those of a follow-up are whatever the clinic's other systems give.
    #[must_use]
    pub const fn template_type(self) -> u8 {
        match self {
            Self::GlassesReady => 0,
            Self::Booked | Self::Reminder => 1,
            Self::Stopped | Self::Relocated | Self::Cancelled => 2,
            Self::Registered => 3,
            Self::FollowUp => 4,
            Self::DoctorReplied => 5,
            Self::OrderProgress => 6,
        }
    }

    /// The kind that another system of the clinic asks for by a wech_temp_type; the other types tell of bookings.
    #[must_use]
    pub const fn asked_for_by(template_type: u8) -> Option<Self> {
        match template_type {
            0 => Some(Self::GlassesReady),
            4 => Some(Self::FollowUp),
            5 => Some(Self::DoctorReplied),
            6 => Some(Self::OrderProgress),
            _ => None,
        }
    }
}

impl NotificationRecord {
    /// The row that tells the owner of a booking what has happened to it. It waits to be sent.
    #[must_use]
    pub fn of_booking(kind: NotificationKind, booking: &Booking, at: Timestamp) -> Self {
        Self {
            kind,
            at,
            owner: BookingOwner::of(booking),
            patient: booking.patient,
            about: About::Booking { booking: booking.id, schedule: booking.schedule },
            round: 0,
            delivery: Delivery::Waiting { attempts: 0, next_at: at },
            fault: None,
        }
    }

    /// The row under `key` that tells what another system of the clinic has said. It waits to be sent.
    ///
    /// # Errors
    /// No randomness to seal with.
    pub fn seal(
        vault: &Vault,
        key: &Key<Self>,
        (kind, at): (NotificationKind, Timestamp),
        (owner, patient): (BookingOwner, PatientId),
        values: &NotificationValues,
    ) -> Result<Self, SealError> {
        let sealed = vault.seal_v1(key.raw(), &StoredValues { values: values.0.clone() })?;
        Ok(Self {
            kind,
            at,
            owner,
            patient,
            about: About::Said(SaidValues(sealed)),
            round: 0,
            delivery: Delivery::Waiting { attempts: 0, next_at: at },
            fault: None,
        })
    }

    /// What another system of the clinic has said, of the row read from `key`; nothing for a row about a booking.
    ///
    /// # Errors
    /// It was sealed for another record or with another key.
    pub fn values(&self, vault: &Vault, key: &Key<Self>) -> Result<NotificationValues, SealError> {
        match &self.about {
            About::Booking { .. } => Ok(NotificationValues::default()),
            About::Said(SaidValues(sealed)) => {
                let stored: StoredValues = vault.unseal_v1(key.raw(), sealed)?;
                Ok(NotificationValues(stored.values))
            }
        }
    }

    /// The booking that it is about.
    #[must_use]
    pub const fn booking(&self) -> Option<BookingId> {
        match &self.about {
            About::Booking { booking, .. } => Some(*booking),
            About::Said(_) => None,
        }
    }

    /// The schedule of that booking.
    #[must_use]
    pub const fn schedule(&self) -> Option<ScheduleId> {
        match &self.about {
            About::Booking { schedule, .. } => Some(*schedule),
            About::Said(_) => None,
        }
    }
}

#[derive(Encode, Decode)]
struct StoredValues {
    values: Vec<(String, String)>,
}

#[derive(Encode, Decode)]
struct StoredNotification {
    kind: u8,
    at: i64,
    owner: u64,
    patient: u64,
    about: StoredAbout,
    round: u16,
    delivery: StoredDelivery,
    fault: Option<String>,
}

#[derive(Encode, Decode)]
enum StoredAbout {
    Booking(u64, u64),
    Said(Sealed),
}

impl TryFrom<StoredNotification> for NotificationRecord {
    type Error = Impossible;

    fn try_from(stored: StoredNotification) -> Result<Self, Impossible> {
        Ok(Self {
            kind: NotificationKind::from_tag(stored.kind).ok_or(Impossible("kind of notification"))?,
            at: Timestamp::from_millis(stored.at),
            owner: BookingOwner::from_number(stored.owner).ok_or(Impossible("owner"))?,
            patient: possible(PatientId::new(stored.patient), "patient id")?,
            about: match stored.about {
                StoredAbout::Booking(booking, schedule) => About::Booking {
                    booking: possible(BookingId::new(booking), "booking id")?,
                    schedule: possible(ScheduleId::new(schedule), "schedule id")?,
                },
                StoredAbout::Said(sealed) => About::Said(SaidValues(sealed)),
            },
            round: stored.round,
            delivery: stored.delivery.into(),
            fault: stored.fault,
        })
    }
}

impl Record for NotificationRecord {
    const TABLE: Table = Table::Notification;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredNotification {
            kind: self.kind.tag(),
            at: millis(self.at),
            owner: self.owner.number(),
            patient: self.patient.get(),
            about: match &self.about {
                About::Booking { booking, schedule } => StoredAbout::Booking(booking.get(), schedule.get()),
                About::Said(SaidValues(sealed)) => StoredAbout::Said(sealed.clone()),
            },
            round: self.round,
            delivery: StoredDelivery::from(&self.delivery),
            fault: self.fault.clone(),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredNotification>(bytes)
    }
}
