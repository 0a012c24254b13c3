//! Facts about the data folder as a whole.

use bincode::{Decode, Encode};
use domain::Date;

use super::date;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;
use crate::vault::Fingerprint;

/// A fact about the data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaRecord {
    /// Which keys the sealed fields of this folder were sealed with.
    Keys(Fingerprint),
    /// The last day whose missed visits (爽约) have all been marked.
    NoShowsMarked(Date),
    /// The last day on which schedules were made from the templates.
    SchedulesGenerated(Date),
    /// The last day of whose visits all patients have been reminded who are to be.
    Reminded(Date),
}

#[derive(Encode, Decode)]
enum StoredMeta {
    Keys([u8; 32]),
    NoShowsMarked(i32),
    SchedulesGenerated(i32),
    Reminded(i32),
}

impl TryFrom<StoredMeta> for MetaRecord {
    type Error = Impossible;

    fn try_from(stored: StoredMeta) -> Result<Self, Impossible> {
        Ok(match stored {
            StoredMeta::Keys(fingerprint) => Self::Keys(Fingerprint::from_bytes(fingerprint)),
            StoredMeta::NoShowsMarked(day) => Self::NoShowsMarked(date(day, "day of missed visits")?),
            StoredMeta::SchedulesGenerated(day) => {
                Self::SchedulesGenerated(date(day, "day of generated schedules")?)
            }
            StoredMeta::Reminded(day) => Self::Reminded(date(day, "day of reminders")?),
        })
    }
}

impl Record for MetaRecord {
    const TABLE: Table = Table::Meta;

    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Keys(fingerprint) => encode_v1(&StoredMeta::Keys(*fingerprint.as_bytes())),
            Self::NoShowsMarked(day) => encode_v1(&StoredMeta::NoShowsMarked(day.ordinal())),
            Self::SchedulesGenerated(day) => encode_v1(&StoredMeta::SchedulesGenerated(day.ordinal())),
            Self::Reminded(day) => encode_v1(&StoredMeta::Reminded(day.ordinal())),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredMeta>(bytes)
    }
}
