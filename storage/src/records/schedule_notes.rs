//! What the clinic did to a schedule, who did it, and why.

use bincode::{Decode, Encode};
use domain::{BookingId, Reason, SerialNo, StaffId, Timestamp};

use super::{millis, possible};
use crate::keys::Key;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;
use crate::vault::{SealError, Sealed, Vault};

/// One change of a schedule, or of a booking in it that takes a reason. The reason is in the words of the staff and may name a patient, so it is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleNoteRecord {
    /// What was done.
    pub change: ScheduleChange,
    /// When.
    pub at: Timestamp,
    /// By whose word.
    pub by: StaffId,
    reason: Option<Sealed>,
}

/// What was done to a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleChange {
    /// Slots were added (加号): these.
    SlotsAdded(Vec<SerialNo>),
    /// It was stopped (停诊).
    Stopped,
    /// It was opened again.
    Reopened,
    /// It was given another room or doctor (替诊).
    Relocated,
    /// A missed visit of it was turned into a visit.
    VisitCorrected(BookingId),
}

impl ScheduleChange {
    /// The slots that were added; of another change none.
    #[must_use]
    pub fn serials(&self) -> &[SerialNo] {
        match self {
            Self::SlotsAdded(serials) => serials,
            Self::Stopped | Self::Reopened | Self::Relocated | Self::VisitCorrected(_) => &[],
        }
    }

    /// The booking that was changed, where it was one.
    #[must_use]
    pub const fn booking(&self) -> Option<BookingId> {
        match self {
            Self::VisitCorrected(booking) => Some(*booking),
            Self::SlotsAdded(_) | Self::Stopped | Self::Reopened | Self::Relocated => None,
        }
    }

    /// The word for it in the API.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SlotsAdded(_) => "slots_added",
            Self::Stopped => "stopped",
            Self::Reopened => "reopened",
            Self::Relocated => "relocated",
            Self::VisitCorrected(_) => "visit_corrected",
        }
    }
}

impl ScheduleNoteRecord {
    /// The note under `key` of a change that takes no reason.
    #[must_use]
    pub const fn without_reason(change: ScheduleChange, by: StaffId, at: Timestamp) -> Self {
        Self { change, at, by, reason: None }
    }

    /// The note under `key` of a change and its reason.
    ///
    /// # Errors
    /// No randomness to seal with.
    pub fn seal(
        vault: &Vault,
        key: &Key<Self>,
        (change, reason): (ScheduleChange, &Reason),
        (by, at): (StaffId, Timestamp),
    ) -> Result<Self, SealError> {
        let stored = StoredReason { reason: reason.as_str().to_owned() };
        Ok(Self { change, at, by, reason: Some(vault.seal_v1(key.raw(), &stored)?) })
    }

    /// Why it was done, of the note read from `key`; `None` for what takes no reason.
    ///
    /// # Errors
    /// It was sealed for another record or with another key, or is no reason.
    pub fn open(&self, vault: &Vault, key: &Key<Self>) -> Result<Option<Reason>, SealError> {
        let Some(sealed) = &self.reason else { return Ok(None) };
        let stored: StoredReason = vault.unseal_v1(key.raw(), sealed)?;
        Ok(Some(possible(Reason::parse(&stored.reason), "reason")?))
    }
}

#[derive(Encode, Decode)]
struct StoredReason {
    reason: String,
}

#[derive(Encode, Decode)]
struct StoredNote {
    change: StoredChange,
    at: i64,
    by: u64,
    reason: Option<Sealed>,
}

#[derive(Encode, Decode)]
enum StoredChange {
    SlotsAdded(Vec<u16>),
    Stopped,
    Reopened,
    Relocated,
    VisitCorrected(u64),
}

impl TryFrom<StoredNote> for ScheduleNoteRecord {
    type Error = Impossible;

    fn try_from(stored: StoredNote) -> Result<Self, Impossible> {
        let change = match stored.change {
            StoredChange::SlotsAdded(serials) => {
                let serials =
                    serials.into_iter().map(|serial| possible(SerialNo::new(serial), "serial number"));
                ScheduleChange::SlotsAdded(serials.collect::<Result<_, _>>()?)
            }
            StoredChange::Stopped => ScheduleChange::Stopped,
            StoredChange::Reopened => ScheduleChange::Reopened,
            StoredChange::Relocated => ScheduleChange::Relocated,
            StoredChange::VisitCorrected(booking) => {
                ScheduleChange::VisitCorrected(possible(BookingId::new(booking), "booking id")?)
            }
        };
        Ok(Self {
            change,
            at: Timestamp::from_millis(stored.at),
            by: possible(StaffId::new(stored.by), "staff id")?,
            reason: stored.reason,
        })
    }
}

impl Record for ScheduleNoteRecord {
    const TABLE: Table = Table::ScheduleNote;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredNote {
            change: match &self.change {
                ScheduleChange::SlotsAdded(serials) => {
                    StoredChange::SlotsAdded(serials.iter().map(|serial| serial.get()).collect())
                }
                ScheduleChange::Stopped => StoredChange::Stopped,
                ScheduleChange::Reopened => StoredChange::Reopened,
                ScheduleChange::Relocated => StoredChange::Relocated,
                ScheduleChange::VisitCorrected(booking) => StoredChange::VisitCorrected(booking.get()),
            },
            at: millis(self.at),
            by: self.by.get(),
            reason: self.reason.clone(),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredNote>(bytes)
    }
}
