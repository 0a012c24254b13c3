//! What a live booking claims: its slot, the patient's half-day and a place among the account's
//! live bookings. Each claim is a key that another booking's commit requires to be absent or
//! unchanged.

use bincode::{Decode, Encode};
use domain::{Booking, BookingId, Date, Owner, ScheduleId, SerialNo, TenantId, UserId};

use super::{BookingRecord, date, possible};
use crate::keys::{self, Key};
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;

/// Under whom a booking is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BookingOwner {
    /// The desk made it.
    Desk,
    /// It was made from this account.
    Account(UserId),
}

impl BookingOwner {
    /// The owner of this booking.
    #[must_use]
    pub fn of(booking: &Booking) -> Self {
        match booking.owner {
            Owner::Account { user, .. } => Self::Account(user),
            Owner::Desk { .. } => Self::Desk,
        }
    }

    /// The owner as stored: 0 is no account.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Desk => 0,
            Self::Account(user) => user.get(),
        }
    }

    pub(crate) fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Desk),
            user => UserId::new(user).ok().map(Self::Account),
        }
    }
}

/// A slot (号源) that is booked. A free slot has no record: its absence is what a commit requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotRecord {
    /// Under whom the booking is stored.
    pub owner: BookingOwner,
    /// The booking that took it.
    pub booking: BookingId,
}

impl SlotRecord {
    /// Where the booking of this slot is stored.
    #[must_use]
    pub fn booking_key(&self, tenant: TenantId) -> Key<BookingRecord> {
        keys::booking(tenant, self.owner, self.booking)
    }
}

#[derive(Encode, Decode)]
struct StoredSlot {
    owner: u64,
    booking: u64,
}

impl TryFrom<StoredSlot> for SlotRecord {
    type Error = Impossible;

    fn try_from(stored: StoredSlot) -> Result<Self, Impossible> {
        Ok(Self {
            owner: BookingOwner::from_number(stored.owner).ok_or(Impossible("user id"))?,
            booking: possible(BookingId::new(stored.booking), "booking id")?,
        })
    }
}

impl Record for SlotRecord {
    const TABLE: Table = Table::Slot;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredSlot { owner: self.owner.number(), booking: self.booking.get() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredSlot>(bytes)
    }
}

/// The one live booking of a patient in a half-day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisitRecord {
    /// The booking.
    pub booking: BookingId,
}

#[derive(Encode, Decode)]
struct StoredVisit {
    booking: u64,
}

impl TryFrom<StoredVisit> for VisitRecord {
    type Error = Impossible;

    fn try_from(stored: StoredVisit) -> Result<Self, Impossible> {
        Ok(Self { booking: possible(BookingId::new(stored.booking), "booking id")? })
    }
}

impl Record for VisitRecord {
    const TABLE: Table = Table::Visit;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredVisit { booking: self.booking.get() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredVisit>(bytes)
    }
}

/// The live bookings of one account, whose version guards the limit on them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActiveRecord {
    /// In the order they were made.
    pub entries: Vec<ActiveEntry>,
}

/// One live booking of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveEntry {
    /// The booking.
    pub booking: BookingId,
    /// Its schedule.
    pub schedule: ScheduleId,
    /// Its slot.
    pub serial: SerialNo,
    /// The day of the visit, after which the entry no longer counts.
    pub date: Date,
}

#[derive(Encode, Decode)]
struct StoredActive {
    entries: Vec<StoredEntry>,
}

#[derive(Encode, Decode)]
struct StoredEntry {
    booking: u64,
    schedule: u64,
    serial: u16,
    date: i32,
}

impl From<&ActiveEntry> for StoredEntry {
    fn from(entry: &ActiveEntry) -> Self {
        Self {
            booking: entry.booking.get(),
            schedule: entry.schedule.get(),
            serial: entry.serial.get(),
            date: entry.date.ordinal(),
        }
    }
}

impl TryFrom<StoredActive> for ActiveRecord {
    type Error = Impossible;

    fn try_from(stored: StoredActive) -> Result<Self, Impossible> {
        let mut entries = Vec::with_capacity(stored.entries.len());
        for entry in stored.entries {
            entries.push(ActiveEntry {
                booking: possible(BookingId::new(entry.booking), "booking id")?,
                schedule: possible(ScheduleId::new(entry.schedule), "schedule id")?,
                serial: possible(SerialNo::new(entry.serial), "serial number")?,
                date: date(entry.date, "date of a visit")?,
            });
        }
        Ok(Self { entries })
    }
}

impl Record for ActiveRecord {
    const TABLE: Table = Table::Active;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredActive { entries: self.entries.iter().map(StoredEntry::from).collect() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredActive>(bytes)
    }
}
