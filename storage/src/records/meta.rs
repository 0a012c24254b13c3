//! Facts about the data folder as a whole.

use bincode::{Decode, Encode};

use crate::record::{Record, RecordError, decode_plain, encode_v1};
use crate::table::Table;
use crate::vault::Fingerprint;

/// A fact about the data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaRecord {
    /// Which keys the sealed fields of this folder were sealed with.
    Keys(Fingerprint),
}

#[derive(Encode, Decode)]
enum StoredMeta {
    Keys([u8; 32]),
}

impl Record for MetaRecord {
    const TABLE: Table = Table::Meta;

    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Keys(fingerprint) => encode_v1(&StoredMeta::Keys(*fingerprint.as_bytes())),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        match decode_plain::<Self, StoredMeta>(bytes)? {
            StoredMeta::Keys(fingerprint) => Ok(Self::Keys(Fingerprint::from_bytes(fingerprint))),
        }
    }
}
