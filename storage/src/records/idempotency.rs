//! Answers that are given again when a request is repeated under its `Idempotency-Key`.

use std::fmt;

use bincode::{Decode, Encode};
use domain::Timestamp;

use super::millis;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;

/// The answer to a request that succeeded.
#[derive(Clone, PartialEq, Eq)]
pub struct IdemRecord {
    /// SHA-256 of what was asked: another content under the same key is refused.
    pub content_hash: [u8; 32],
    /// The body of the answer.
    pub reply: Vec<u8>,
    /// When the answer is forgotten.
    pub expires_at: Timestamp,
}

impl fmt::Debug for IdemRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdemRecord")
            .field("reply_bytes", &self.reply.len())
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

#[derive(Encode, Decode)]
struct StoredIdem {
    content_hash: [u8; 32],
    reply: Vec<u8>,
    expires_at: i64,
}

impl TryFrom<StoredIdem> for IdemRecord {
    type Error = Impossible;

    fn try_from(stored: StoredIdem) -> Result<Self, Impossible> {
        Ok(Self {
            content_hash: stored.content_hash,
            reply: stored.reply,
            expires_at: Timestamp::from_millis(stored.expires_at),
        })
    }
}

impl Record for IdemRecord {
    const TABLE: Table = Table::Idem;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredIdem {
            content_hash: self.content_hash,
            reply: self.reply.clone(),
            expires_at: millis(self.expires_at),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredIdem>(bytes)
    }
}
