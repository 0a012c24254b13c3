//! One frame of a journal file:
//!
//! ```text
//! length of the payload  u32
//! kind                   u8     1 commit, 2 end of a segment, 3 kept records, 4 end of a snapshot
//! place                  u32    of the frame within its group, 0 for the first
//! seq                    u64    of the commit; of the last commit before it for the other kinds
//! previous               u32    the checksum of the frame before it
//! payload
//! checksum               u32    CRC-32C of all of the above
//! ```

use crate::commit::Seq;
use crate::journal::Input;

/// The bytes before the payload.
const HEAD_BYTES: usize = 21;
/// The checksum after the payload.
const CHECKSUM_BYTES: usize = 4;
/// A longer payload is refused before it is written, and taken for damage when it is read.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 16 * 1024 * 1024;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The operations of one commit.
    Commit,
    /// The digests at the end of a segment; nothing follows it.
    SegmentEnd,
    /// Some of the records that a snapshot keeps.
    Kept,
    /// The digests at the end of a snapshot; nothing follows it.
    SnapshotEnd,
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::SegmentEnd => 2,
            Self::Kept => 3,
            Self::SnapshotEnd => 4,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Commit),
            2 => Some(Self::SegmentEnd),
            3 => Some(Self::Kept),
            4 => Some(Self::SnapshotEnd),
            _ => None,
        }
    }
}

/// What stands before the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) place: u32,
    pub(crate) seq: Seq,
    pub(crate) previous: u32,
}

/// A frame whose checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) head: Head,
    pub(crate) payload: &'a [u8],
    pub(crate) checksum: u32,
}

impl Frame<'_> {
    /// The length of the frame in the file.
    pub(crate) fn bytes(&self) -> usize {
        HEAD_BYTES + self.payload.len() + CHECKSUM_BYTES
    }
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// So many bytes, counted from the start of the frame, are needed to judge it.
    Needs(usize),
    /// No frame starts like this, or its checksum is wrong.
    Unsound,
}

/// Appends a frame and returns its checksum.
pub(crate) fn append(out: &mut Vec<u8>, head: Head, payload: &[u8]) -> u32 {
    let start = out.len();
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.push(head.kind.code());
    out.extend_from_slice(&head.place.to_le_bytes());
    out.extend_from_slice(&head.seq.get().to_le_bytes());
    out.extend_from_slice(&head.previous.to_le_bytes());
    out.extend_from_slice(payload);
    let checksum = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
    checksum
}

/// Reads the frame that `bytes` begin with.
///
/// # Errors
/// [`Flaw`] when there is none.
pub(crate) fn parse(bytes: &[u8]) -> Result<Frame<'_>, Flaw> {
    let (length, head) = parse_head(bytes)?;
    let end = HEAD_BYTES + length;
    let Some(stored) = bytes.get(end..end + CHECKSUM_BYTES) else {
        return Err(Flaw::Needs(end + CHECKSUM_BYTES));
    };
    let checksum = crc32c::crc32c(&bytes[..end]);
    if stored != checksum.to_le_bytes() {
        return Err(Flaw::Unsound);
    }
    Ok(Frame { head, payload: &bytes[HEAD_BYTES..end], checksum })
}

/// Whether all bytes of the frame are there that `bytes` begin with. Its checksum is not compared.
///
/// # Errors
/// [`Flaw`] when they are not.
pub(crate) fn whole(bytes: &[u8]) -> Result<(), Flaw> {
    let (length, _) = parse_head(bytes)?;
    let needed = HEAD_BYTES + length + CHECKSUM_BYTES;
    if bytes.len() < needed { Err(Flaw::Needs(needed)) } else { Ok(()) }
}

fn parse_head(bytes: &[u8]) -> Result<(usize, Head), Flaw> {
    let mut input = Input::new(bytes);
    let mut read = || Some((input.u32()?, input.u8()?, input.u32()?, input.u64()?, input.u32()?));
    let Some((length, kind, place, seq, previous)) = read() else {
        return Err(Flaw::Needs(HEAD_BYTES));
    };
    let length = length as usize;
    let Some(kind) = Kind::from_code(kind) else {
        return Err(Flaw::Unsound);
    };
    if length > MAX_PAYLOAD_BYTES {
        return Err(Flaw::Unsound);
    }
    Ok((length, Head { kind, place, seq: Seq::new(seq), previous }))
}

/// Whether `rest`, which follows the last sound frame before commit `expected`, contains a frame
/// that could only be written after `expected` was durable.
pub(crate) fn proves_loss(rest: &[u8], expected: Seq) -> bool {
    (0..rest.len()).any(|start| {
        let bytes = &rest[start..];
        // The head alone excludes nearly every position, long before a checksum is computed.
        let Ok((_, head)) = parse_head(bytes) else {
            return false;
        };
        let plausible = head.seq.get() >= expected.get().saturating_sub(1)
            && head.seq.get() <= expected.get().saturating_add(rest.len() as u64);
        plausible && parse(bytes).is_ok() && is_later(head, expected)
    })
}

/// Whether the frame was written after the group of commit `expected` was durable.
fn is_later(head: Head, expected: Seq) -> bool {
    match head.kind {
        Kind::Commit => {
            let group = head.seq.get().saturating_sub(u64::from(head.place));
            group > expected.get() || head.seq <= expected
        }
        Kind::SegmentEnd => head.seq >= expected,
        Kind::Kept | Kind::SnapshotEnd => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn commit(seq: u64, place: u32, previous: u32) -> (Vec<u8>, u32) {
        let mut out = Vec::new();
        let head = Head { kind: Kind::Commit, place, seq: Seq::new(seq), previous };
        let checksum = append(&mut out, head, b"payload");
        (out, checksum)
    }

    /// Seen to fail when `place` was written behind `seq`.
    #[test]
    fn a_frame_has_its_golden_bytes() {
        let (bytes, checksum) = commit(0x0102_0304, 5, 0xAABB_CCDD);
        assert_eq!(
            hex(&bytes[..bytes.len() - 4]),
            "0700000001050000000403020100000000ddccbbaa7061796c6f6164"
        );
        assert_eq!(bytes[bytes.len() - 4..], checksum.to_le_bytes());
        assert_eq!(crc32c::crc32c(b"123456789"), 0xE306_9283, "the check value of CRC-32C");
    }

    /// Seen to fail when the checksum left out the head.
    #[test]
    fn every_flipped_bit_is_noticed() {
        let (bytes, _) = commit(7, 0, 1);
        assert!(parse(&bytes).is_ok());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&flipped).is_err(), "bit {bit} went unnoticed");
        }
        for length in 0..bytes.len() {
            assert!(matches!(parse(&bytes[..length]), Err(Flaw::Needs(_))));
        }
    }

    /// Seen to fail when a frame of the torn group itself counted as proof.
    #[test]
    fn only_a_later_group_proves_a_loss() {
        let (same_group, _) = commit(8, 1, 0);
        let (later_group, _) = commit(9, 0, 0);
        let behind = |frame: &[u8]| [&[0u8; 40][..], frame, &[0u8; 9]].concat();
        assert!(!proves_loss(&[0; 200], Seq::new(7)));
        assert!(!proves_loss(&behind(&same_group), Seq::new(7)));
        assert!(proves_loss(&behind(&later_group), Seq::new(7)));
    }
}
