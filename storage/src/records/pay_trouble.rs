//! What stands in the way of an order, for the staff to see.

use bincode::{Decode, Encode};
use domain::Timestamp;

use super::millis;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;

/// The longest code that is kept, in bytes. WeChat's are shorter.
const MAX_CODE_BYTES: usize = 64;

/// How the last attempt at an order's work came to nothing. It goes when the order is at rest, and stays with a refund that
/// failed. Of what WeChat says only the code is kept: its messages are for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayTroubleRecord {
    code: String,
    /// How often it was tried.
    pub attempts: u16,
    /// When that was.
    pub at: Timestamp,
}

impl PayTroubleRecord {
    /// The record of a failure by its code; what is no character of a code is left out of it.
    #[must_use]
    pub fn new(code: &str, attempts: u16, at: Timestamp) -> Self {
        let fits = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        Self { code: code.chars().filter(fits).take(MAX_CODE_BYTES).collect(), attempts, at }
    }

    /// WeChat's code, such as `NOT_ENOUGH`, or `NO_ANSWER`, which is ours.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }
}

#[derive(Encode, Decode)]
struct StoredTrouble {
    code: String,
    attempts: u16,
    at: i64,
}

impl TryFrom<StoredTrouble> for PayTroubleRecord {
    type Error = Impossible;

    fn try_from(stored: StoredTrouble) -> Result<Self, Impossible> {
        Ok(Self { code: stored.code, attempts: stored.attempts, at: Timestamp::from_millis(stored.at) })
    }
}

impl Record for PayTroubleRecord {
    const TABLE: Table = Table::PayTrouble;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredTrouble { code: self.code.clone(), attempts: self.attempts, at: millis(self.at) })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredTrouble>(bytes)
    }
}
