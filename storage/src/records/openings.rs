//! When schedules are released (放号), where a clinic or a department differs from the settings.

use bincode::{Decode, Encode};
use domain::TimeOfDay;

use super::possible;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;

/// What a clinic or a department has set; what it has not set comes from the clinic or the settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpeningRecord {
    /// How many days before its date a schedule is released.
    pub horizon_days: Option<u16>,
    /// The time of day at which it is released.
    pub release_time: Option<TimeOfDay>,
}

#[derive(Encode, Decode)]
struct StoredOpening {
    horizon_days: Option<u16>,
    release_minutes: Option<u16>,
}

impl TryFrom<StoredOpening> for OpeningRecord {
    type Error = Impossible;

    fn try_from(stored: StoredOpening) -> Result<Self, Impossible> {
        let release_time = match stored.release_minutes {
            Some(minutes) => Some(possible(TimeOfDay::from_minutes(minutes), "release time")?),
            None => None,
        };
        Ok(Self { horizon_days: stored.horizon_days, release_time })
    }
}

impl Record for OpeningRecord {
    const TABLE: Table = Table::Opening;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredOpening {
            horizon_days: self.horizon_days,
            release_minutes: self.release_time.map(TimeOfDay::minutes),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredOpening>(bytes)
    }
}
