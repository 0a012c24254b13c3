//! A segment: a header and frames. The active segment is written here.
//!
//! ```text
//! magic           8 bytes  "PATIJRNL", or "PATISNAP" for a snapshot
//! format          u32
//! checksum        u32      CRC-32C of the 12 bytes above, so that a newer format is told from damage
//! body length     u32      of the next six fields
//! seq             u64      the first commit of a segment; the last one that a snapshot covers
//! previous file   u64      the first commit of the segment before this one; 0 if there was none
//! previous frame  u32      the checksum of the last frame before this file
//! written at      i64      milliseconds since 1970: when the snapshot was written, or the process
//!                          started that wrote the segment
//! digests                  of all tables, before the first frame; those that a snapshot ends with
//! checksum        u32      CRC-32C of all of the above
//! ```

use std::io;
use std::path::Path;

use crate::commit::Seq;
use crate::damage::{DamageReason, JournalError};
use crate::digest::Digests;
use crate::files::{Files, WritableFile};
use crate::journal::frame::{self, Head, Kind};
use crate::journal::{Input, layout};
use crate::sabotage::{self, Bug};

/// The format that this program writes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 1;
/// Magic, format and their checksum.
const PREAMBLE_BYTES: usize = 16;
/// No header is longer: 25 bytes per table, and a few more.
pub(crate) const MAX_HEADER_BYTES: usize = 16 * 1024;
/// So much is written with zeros ahead of the frames, while there is nothing else to do: a sync of
/// bytes within the file takes half the time of one that lengthens it.
const AHEAD_BYTES: usize = 1024 * 1024;
/// Zeros are written ahead when fewer than these are left.
const AHEAD_LOW_BYTES: u64 = 256 * 1024;

/// Which kind of file a header begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Segment,
    Snapshot,
}

impl FileKind {
    const fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Segment => b"PATIJRNL",
            Self::Snapshot => b"PATISNAP",
        }
    }
}

/// The header of a journal file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: FileKind,
    pub(crate) seq: Seq,
    pub(crate) previous_file: Seq,
    pub(crate) previous_frame: u32,
    pub(crate) written_at: i64,
    pub(crate) digests: Digests,
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(self.kind.magic());
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        let mut body = Vec::new();
        body.extend_from_slice(&self.seq.get().to_le_bytes());
        body.extend_from_slice(&self.previous_file.get().to_le_bytes());
        body.extend_from_slice(&self.previous_frame.to_le_bytes());
        body.extend_from_slice(&self.written_at.to_le_bytes());
        self.digests.write_to(&mut body);
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        out.extend_from_slice(&body);
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out
    }

    /// Reads the header that `bytes`, the beginning of `path`, start with, and its length.
    ///
    /// # Errors
    /// Damage, or a newer format.
    pub(crate) fn parse(kind: FileKind, bytes: &[u8], path: &Path) -> Result<(Self, u64), JournalError> {
        let damaged = || JournalError::damaged(path, 0, DamageReason::Header);
        let preamble = bytes.get(..PREAMBLE_BYTES).ok_or_else(damaged)?;
        let checksum = crc32c::crc32c(&preamble[..12]).to_le_bytes();
        if &preamble[..8] != kind.magic() || preamble[12..] != checksum {
            return Err(damaged());
        }
        let found = Input::new(&preamble[8..]).u32().ok_or_else(damaged)?;
        if found > FORMAT {
            return Err(JournalError::Newer { path: path.to_owned(), found, supported: FORMAT });
        }
        let rest = &bytes[PREAMBLE_BYTES..];
        let length = Input::new(rest).u32().ok_or_else(damaged)? as usize;
        let end = PREAMBLE_BYTES + 4 + length;
        let stored = bytes.get(end..end + 4).ok_or_else(damaged)?;
        if stored != crc32c::crc32c(&bytes[..end]).to_le_bytes() {
            return Err(damaged());
        }
        let body = Self::parse_body(kind, &bytes[PREAMBLE_BYTES + 4..end]);
        Ok((body.ok_or_else(damaged)?, end as u64 + 4))
    }

    fn parse_body(kind: FileKind, body: &[u8]) -> Option<Self> {
        let mut input = Input::new(body);
        let seq = Seq::new(input.u64()?);
        let previous_file = Seq::new(input.u64()?);
        let previous_frame = input.u32()?;
        let written_at = input.i64()?;
        let digests = Digests::parse(input.rest())?;
        Some(Self { kind, seq, previous_file, previous_frame, written_at, digests })
    }
}

/// Where the journal stands after some frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The last commit.
    pub(crate) seq: Seq,
    /// The checksum of the last frame.
    pub(crate) checksum: u32,
    /// What lives after the last commit.
    pub(crate) digests: Digests,
}

/// Where a new segment comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The first commit of the segment before it, or 0.
    pub(crate) previous_file: Seq,
    /// Milliseconds since 1970.
    pub(crate) written_at: i64,
}

/// The active segment, open for appending.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    file: Box<dyn WritableFile>,
    first: Seq,
    written_at: i64,
    /// Where the next frame goes.
    end: u64,
    /// Up to here the file is filled, with frames and then zeros.
    filled: u64,
}

impl SegmentWriter {
    /// Creates the segment whose first commit follows `position`.
    ///
    /// It gets its name only once its header is durable, so that a segment without a sound header
    /// is always damage.
    pub(crate) fn create(
        files: &dyn Files,
        folder: &Path,
        position: &Position,
        origin: Origin,
    ) -> io::Result<Self> {
        let first = position.seq.next();
        let header = Header {
            kind: FileKind::Segment,
            seq: first,
            previous_file: origin.previous_file,
            previous_frame: position.checksum,
            written_at: origin.written_at,
            digests: position.digests,
        };
        let path = folder.join(layout::segment_name(first));
        let new = path.with_extension("seg.tmp");
        let mut file = files.create(&new)?;
        let bytes = header.encode();
        file.write_all_at(&bytes, 0)?;
        file.sync_data()?;
        files.rename(&new, &path)?;
        files.sync_dir(folder)?;
        let end = bytes.len() as u64;
        Ok(Self { file, first, written_at: origin.written_at, end, filled: end })
    }

    /// Closes this segment and opens the one after it. Returns where the journal stands, and the
    /// length of the closed file. A segment without a commit stays as it is.
    pub(crate) fn roll(
        &mut self,
        files: &dyn Files,
        folder: &Path,
        position: &Position,
    ) -> io::Result<(Position, u64)> {
        if position.seq < self.first {
            return Ok((*position, 0));
        }
        let position = self.seal(position)?;
        let closed = self.end;
        let origin = Origin { previous_file: self.first, written_at: self.written_at };
        *self = Self::create(files, folder, &position, origin)?;
        Ok((position, closed))
    }

    /// The first commit of the segment, which names the file.
    pub(crate) fn first(&self) -> Seq {
        self.first
    }

    /// The length of header and frames.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    /// Writes the frames of one group and makes them durable.
    pub(crate) fn append(&mut self, group: &[u8]) -> io::Result<()> {
        self.file.write_all_at(group, self.end)?;
        let mut synced = if sabotage::is_planted(Bug::SkipSync) { Ok(()) } else { self.file.sync_data() };
        if synced.is_err() && sabotage::is_planted(Bug::RetryFailedSync) {
            synced = self.file.sync_data();
        }
        synced?;
        self.end += group.len() as u64;
        self.filled = self.filled.max(self.end);
        Ok(())
    }

    /// Writes zeros ahead of the frames where few are left.
    pub(crate) fn prepare_ahead(&mut self) -> io::Result<()> {
        if self.filled - self.end >= AHEAD_LOW_BYTES {
            return Ok(());
        }
        self.file.write_all_at(&vec![0; AHEAD_BYTES], self.filled)?;
        self.file.sync_data()?;
        self.filled += AHEAD_BYTES as u64;
        Ok(())
    }

    /// Closes the segment with its digests and returns where the journal stands.
    pub(crate) fn seal(&mut self, position: &Position) -> io::Result<Position> {
        let (bytes, checksum) = end_frame(Kind::SegmentEnd, position);
        // First cut, then written: a crash in between leaves a segment that ends with a commit.
        self.file.set_len(self.end)?;
        self.file.write_all_at(&bytes, self.end)?;
        self.file.sync_data()?;
        self.end += bytes.len() as u64;
        Ok(Position { checksum, ..*position })
    }
}

/// Closes a segment that an earlier process left open; `end` is where its last sound frame ends.
pub(crate) fn seal_at(files: &dyn Files, path: &Path, end: u64, position: &Position) -> io::Result<Position> {
    let file = files.open(path)?;
    let mut segment = SegmentWriter { file, first: position.seq, written_at: 0, end, filled: end };
    segment.seal(position)
}

/// The frame that closes a file, and its checksum.
pub(crate) fn end_frame(kind: Kind, position: &Position) -> (Vec<u8>, u32) {
    let mut digests = Vec::new();
    position.digests.write_to(&mut digests);
    let head = Head { kind, place: 0, seq: position.seq, previous: position.checksum };
    let mut bytes = Vec::new();
    let checksum = frame::append(&mut bytes, head, &digests);
    (bytes, checksum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::damage::Damage;
    use crate::digest::Footprint;
    use crate::table::Table;

    fn header() -> Header {
        let mut digests = Digests::default();
        digests.replace(Table::Slot, None, Some(Footprint { bytes: 5, hash: 0x0A0B }));
        Header {
            kind: FileKind::Segment,
            seq: Seq::new(9),
            previous_file: Seq::new(4),
            previous_frame: 0xAABB_CCDD,
            written_at: 0x0102,
            digests,
        }
    }

    /// Seen to fail when the digests of empty tables were written too.
    #[test]
    fn a_header_has_its_golden_bytes() {
        let bytes = header().encode();
        let mut expected = b"PATIJRNL\x01\0\0\0".to_vec();
        expected.extend(crc32c::crc32c(&expected).to_le_bytes());
        expected.extend([54, 0, 0, 0]);
        expected.extend([9, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([0xDD, 0xCC, 0xBB, 0xAA, 2, 1, 0, 0, 0, 0, 0, 0]);
        expected.extend([1, 7, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([0x0B, 0x0A, 0, 0, 0, 0, 0, 0]);
        expected.extend(crc32c::crc32c(&expected).to_le_bytes());
        assert_eq!(bytes, expected);
    }

    /// Seen to fail when the checksum of the body was not compared.
    #[test]
    fn a_header_is_read_whole_or_not_at_all() {
        let bytes = header().encode();
        let parse = |bytes: &[u8]| Header::parse(FileKind::Segment, bytes, Path::new("f"));
        let (read, length) = parse(&bytes).expect("it is sound");
        assert_eq!((read, length), (header(), bytes.len() as u64));
        let damaged =
            |bytes: &[u8]| matches!(parse(bytes), Err(JournalError::Damaged(Damage { offset: 0, .. })));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(damaged(&flipped), "bit {bit} went unnoticed");
        }
        assert!((0..bytes.len()).all(|length| damaged(&bytes[..length])));
        assert!(Header::parse(FileKind::Snapshot, &bytes, Path::new("f")).is_err());
    }
}
