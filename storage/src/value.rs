//! How a value is stored, in sled and in memory: its version, when it expires, and the record.

use crate::commit::Version;

/// The bytes before the record: the version and the expiry, little endian.
const PREFIX_BYTES: usize = 16;

/// Stands in `expires_at` for a record that does not expire.
pub(crate) const NEVER: i64 = 0;

/// A stored value, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredValue<'a> {
    /// The sequence number of the commit that wrote the value.
    pub(crate) version: Version,
    /// Milliseconds since 1970, or [`NEVER`].
    pub(crate) expires_at: i64,
    /// The encoded record.
    pub(crate) payload: &'a [u8],
}

impl<'a> StoredValue<'a> {
    /// Takes stored bytes apart; `None` when they are too short to be a value.
    pub(crate) fn parse(stored: &'a [u8]) -> Option<Self> {
        let (version, rest) = stored.split_first_chunk()?;
        let (expires_at, payload) = rest.split_first_chunk()?;
        Some(Self {
            version: Version::new(u64::from_le_bytes(*version)),
            expires_at: i64::from_le_bytes(*expires_at),
            payload,
        })
    }

    /// The bytes that [`StoredValue::parse`] takes apart.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut stored = Vec::with_capacity(PREFIX_BYTES + self.payload.len());
        stored.extend_from_slice(&self.version.get().to_le_bytes());
        stored.extend_from_slice(&self.expires_at.to_le_bytes());
        stored.extend_from_slice(self.payload);
        stored
    }
}
