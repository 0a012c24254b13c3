//! How far each running number was reserved.

use bincode::{Decode, Encode};

use crate::record::{Record, RecordError, decode_plain, encode_v1};
use crate::table::Table;

/// How far a running number was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct SequenceRecord {
    /// The first number that nobody has reserved yet.
    pub next: u64,
}

impl Record for SequenceRecord {
    const TABLE: Table = Table::Sequence;

    fn encode(&self) -> Vec<u8> {
        encode_v1(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_plain::<Self, Self>(bytes)
    }
}
