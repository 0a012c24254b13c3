//! What a frame carries: the operations of a commit, or the records that a snapshot keeps.
//!
//! ```text
//! operation  u8                 1 put, 2 delete, 3 kept
//! key        u8 length, bytes
//! put, delete: what it replaced  u32 bytes, u64 hash       (both 0: nothing)
//! kept:        version           u64
//! put, kept:   expires_at        i64 milliseconds since 1970, 0 never
//!              record            u32 length, bytes
//! ```

use crate::commit::Version;
use crate::digest::Footprint;
use crate::journal::Input;
use crate::keys::RawKey;
use crate::value::StoredValue;

/// One operation, as read from a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation<'a> {
    pub(crate) key: RawKey,
    /// What the key held before. A snapshot starts from nothing.
    pub(crate) replaced: Option<Footprint>,
    /// What the key holds from then on; `None` after a delete.
    pub(crate) value: Option<StoredValue<'a>>,
}

pub(crate) fn append_put(
    out: &mut Vec<u8>,
    key: &RawKey,
    replaced: Option<Footprint>,
    value: StoredValue<'_>,
) {
    out.push(1);
    append_key(out, key);
    append_footprint(out, replaced);
    append_record(out, value);
}

pub(crate) fn append_delete(out: &mut Vec<u8>, key: &RawKey, replaced: Option<Footprint>) {
    out.push(2);
    append_key(out, key);
    append_footprint(out, replaced);
}

pub(crate) fn append_kept(out: &mut Vec<u8>, key: &RawKey, value: StoredValue<'_>) {
    out.push(3);
    append_key(out, key);
    out.extend_from_slice(&value.version.get().to_le_bytes());
    append_record(out, value);
}

fn append_key(out: &mut Vec<u8>, key: &RawKey) {
    out.push(key.as_bytes().len() as u8);
    out.extend_from_slice(key.as_bytes());
}

fn append_footprint(out: &mut Vec<u8>, replaced: Option<Footprint>) {
    let (bytes, hash) = replaced.map_or((0, 0), |footprint| (footprint.bytes, footprint.hash));
    out.extend_from_slice(&bytes.to_le_bytes());
    out.extend_from_slice(&hash.to_le_bytes());
}

fn append_record(out: &mut Vec<u8>, value: StoredValue<'_>) {
    out.extend_from_slice(&value.expires_at.to_le_bytes());
    out.extend_from_slice(&(value.payload.len() as u32).to_le_bytes());
    out.extend_from_slice(value.payload);
}

/// The operations of a payload, in order. `version` is that of the commit.
pub(crate) fn operations(payload: &[u8], version: Version) -> Operations<'_> {
    Operations { input: Input::new(payload), version }
}

pub(crate) struct Operations<'a> {
    input: Input<'a>,
    version: Version,
}

impl<'a> Operations<'a> {
    /// The next operation; `Some(None)` when the bytes are none, which only a program that knows
    /// other tables or operations can have written, since the checksum was right.
    fn read(&mut self) -> Option<Operation<'a>> {
        let input = &mut self.input;
        let kind = input.u8()?;
        let key_bytes = input.u8()?;
        let key = RawKey::from_bytes(input.bytes(usize::from(key_bytes))?)?;
        match kind {
            1 => {
                let replaced = read_footprint(input)?;
                let value = read_record(input, self.version)?;
                Some(Operation { key, replaced, value: Some(value) })
            }
            2 => Some(Operation { key, replaced: read_footprint(input)?, value: None }),
            3 => {
                let version = Version::new(input.u64()?);
                let value = read_record(input, version)?;
                Some(Operation { key, replaced: None, value: Some(value) })
            }
            _ => None,
        }
    }
}

impl<'a> Iterator for Operations<'a> {
    type Item = Option<Operation<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.input.is_empty() {
            return None;
        }
        let operation = self.read();
        if operation.is_none() {
            self.input = Input::new(&[]);
        }
        Some(operation)
    }
}

fn read_footprint(input: &mut Input<'_>) -> Option<Option<Footprint>> {
    let bytes = input.u32()?;
    let hash = input.u64()?;
    Some((hash != 0).then_some(Footprint { bytes, hash }))
}

fn read_record<'a>(input: &mut Input<'a>, version: Version) -> Option<StoredValue<'a>> {
    let expires_at = input.i64()?;
    let length = input.u32()?;
    let payload = input.bytes(length as usize)?;
    Some(StoredValue { version, expires_at, payload })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Seen to fail when the length of a record was written with two bytes.
    #[test]
    fn operations_have_their_golden_bytes() {
        let key = RawKey::of(1, Table::Slot).with([9, 9]);
        let old = Some(Footprint { bytes: 50, hash: 0x0102_0304_0506_0708 });
        let value = StoredValue { version: Version::new(3), expires_at: 0x0F0E, payload: b"abc" };
        let mut out = Vec::new();
        append_put(&mut out, &key, old, value);
        append_delete(&mut out, &key, None);
        append_kept(&mut out, &key, value);
        let key_hex = "0b0000000000000001070909";
        let put = format!("01{key_hex}3200000008070605040302010e0f00000000000003000000616263");
        let delete = format!("02{key_hex}000000000000000000000000");
        let kept = format!("03{key_hex}03000000000000000e0f00000000000003000000616263");
        assert_eq!(hex(&out), [put, delete, kept].concat());

        let read: Vec<_> = operations(&out, Version::new(7)).map(|read| read.expect("ours")).collect();
        let versions = read.iter().map(|read| read.value.map(|value| value.version.get()));
        assert_eq!(versions.collect::<Vec<_>>(), [Some(7), None, Some(3)]);
        assert_eq!(read[0].replaced, old);
        assert!(read.iter().all(|read| read.key == key));
    }

    /// Seen to fail when an unknown operation ended the list without a word.
    #[test]
    fn an_unknown_operation_is_not_skipped() {
        let mut out = Vec::new();
        append_delete(&mut out, &RawKey::of(1, Table::Slot), None);
        out.extend([9, 0, 0]);
        let read: Vec<_> = operations(&out, Version::new(7)).map(|read| read.is_some()).collect();
        assert_eq!(read, [true, false]);
    }
}
