//! How a value is stored, in sled and in memory: its version, when it expires, and the record.
//!
//! Version and expiry are written as bincode's variable-length numbers, the expiry as an unsigned one:
//! six bytes for most values. There are hundreds of thousands of values, and the smallest of them then
//! fit into a node of sled without an allocation of their own.

use crate::commit::Version;

const LAYOUT: bincode::config::Configuration = bincode::config::standard();

/// The most that stands before the record: two numbers of nine bytes.
const PREFIX_BYTES: usize = 18;

/// Stands in `expires_at` for a record that does not expire.
pub(crate) const NEVER: i64 = 0;

/// A stored value, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredValue<'a> {
    /// The sequence number of the commit that wrote the value.
    pub(crate) version: Version,
    /// Milliseconds since 1970, or [`NEVER`].
    pub(crate) expires_at: i64,
    /// The encoded record.
    pub(crate) payload: &'a [u8],
}

impl<'a> StoredValue<'a> {
    /// Takes stored bytes apart; `None` when they are no value.
    pub(crate) fn parse(stored: &'a [u8]) -> Option<Self> {
        let ((version, expires_at), read) =
            bincode::decode_from_slice::<(u64, u64), _>(stored, LAYOUT).ok()?;
        let (version, expires_at) = (Version::new(version), expires_at.cast_signed());
        Some(Self { version, expires_at, payload: stored.get(read..)? })
    }

    /// The bytes that [`StoredValue::parse`] takes apart.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut prefix = [0; PREFIX_BYTES];
        let numbers = (self.version.get(), self.expires_at.cast_unsigned());
        let Ok(length) = bincode::encode_into_slice(numbers, &mut prefix, LAYOUT) else {
            unreachable!("two numbers take {PREFIX_BYTES} bytes at most")
        };
        let mut stored = Vec::with_capacity(length + self.payload.len());
        stored.extend_from_slice(&prefix[..length]);
        stored.extend_from_slice(self.payload);
        stored
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen to fail when the expiry was read as bincode's signed numbers are.
    #[test]
    fn values_are_golden() {
        let value =
            |version, expires_at| StoredValue { version: Version::new(version), expires_at, payload: b"r" };
        let cases: [(_, &[u8]); 4] = [
            (value(7, NEVER), b"\x07\x00r"),
            (value(251, NEVER), b"\xfb\xfb\x00\x00r"),
            (value(1 << 32, 1), b"\xfd\0\0\0\0\x01\0\0\0\x01r"),
            (value(1, -1), b"\x01\xfd\xff\xff\xff\xff\xff\xff\xff\xffr"),
        ];
        for (value, bytes) in cases {
            assert_eq!(value.to_bytes(), bytes);
            assert_eq!(StoredValue::parse(bytes), Some(value));
        }
        assert_eq!(StoredValue::parse(b"\x07"), None);
        assert_eq!(StoredValue::parse(b"\xfd\0\0"), None);
    }
}
