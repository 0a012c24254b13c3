//! Reads journal files frame by frame and checks that each continues the one before it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::commit::{Seq, Version};
use crate::damage::{DamageReason, JournalError};
use crate::digest::{Digests, Footprint};
use crate::journal::frame::{self, Flaw, Frame, Kind};
use crate::journal::layout::JournalFile;
use crate::journal::operation::{self, Operation};
use crate::journal::segment::Position;
use crate::value::StoredValue;

/// So much is read at once.
const READ_BYTES: usize = 1024 * 1024;

/// Receives what a journal says, in order.
pub(crate) trait Receiver {
    /// One operation, and the stored value that it writes.
    ///
    /// # Errors
    /// Whatever keeps the receiver from going on.
    fn operation(&mut self, operation: &Operation<'_>, stored: Option<Vec<u8>>) -> Result<(), JournalError>;

    /// The operations since the last call were those of this commit.
    ///
    /// # Errors
    /// Whatever keeps the receiver from going on.
    fn commit_end(&mut self, seq: Seq) -> Result<(), JournalError>;
}

/// A receiver of nothing, for whoever only wants the checks.
pub(crate) struct Ignore;

impl Receiver for Ignore {
    fn operation(&mut self, _: &Operation<'_>, _: Option<Vec<u8>>) -> Result<(), JournalError> {
        Ok(())
    }

    fn commit_end(&mut self, _: Seq) -> Result<(), JournalError> {
        Ok(())
    }
}

/// Whether a segment must be closed, or may end anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Another segment follows.
    Closed,
    /// It is the last one. A server may write it at the same time.
    Any,
    /// It is the last one of a journal that was read before, to this byte. A server may have gone on behind it.
    At(u64),
}

/// How a segment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With the frame that closes it.
    Closed,
    /// With the frame that closes it, and a crash kept what lay behind it from being cut off.
    ClosedUncut,
    /// After a sound frame; zeros may follow.
    Open,
    /// With a frame that was not written completely, and so was never acknowledged.
    Torn {
        /// What is to be cut off, up to the last byte that is not 0.
        bytes: u64,
    },
}

/// Where reading a file came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadTo {
    pub(crate) position: Position,
    /// The end of the last sound frame in the file.
    pub(crate) offset: u64,
    pub(crate) frames: u64,
    pub(crate) end: End,
}

/// The position before the first frame of a segment, as its header says.
pub(crate) fn start_of(file: &JournalFile) -> Position {
    let header = &file.header;
    Position {
        seq: Seq::new(header.seq.get().saturating_sub(1)),
        checksum: header.previous_frame,
        digests: header.digests,
    }
}

/// Reads a segment that follows `from`.
///
/// # Errors
/// Damage, data of a newer program, or an error of the receiver.
pub(crate) fn read_segment(
    file: &JournalFile,
    from: Position,
    ending: Ending,
    receiver: &mut dyn Receiver,
) -> Result<ReadTo, JournalError> {
    let path = &file.path;
    let expected = start_of(file);
    if expected.seq != from.seq || expected.checksum != from.checksum {
        return Err(JournalError::damaged(path, 0, DamageReason::FileMissing));
    }
    check_digests(path, 0, &expected.digests, &from.digests)?;
    let mut frames = Frames::open(path, file.header_bytes)?;
    let mut intake = Intake::new(file, from.digests, receiver);
    let mut to = ReadTo { position: from, offset: file.header_bytes, frames: 0, end: End::Open };
    loop {
        to.offset = frames.offset();
        if ending == Ending::At(to.offset) {
            return Ok(to);
        }
        let Some(next) = frames.next(path)? else {
            match judge_rest(path, to.offset, to.position.seq.next(), ending) {
                // A server wrote on since these bytes were read: what seemed to be lost has come.
                Err(JournalError::Damaged(_)) if frames.have_grown(path)? => continue,
                end => to.end = end?,
            }
            return Ok(to);
        };
        let at = to.offset;
        let bytes = next.bytes() as u64;
        let seq = match next.head.kind {
            Kind::Commit => to.position.seq.next(),
            Kind::SegmentEnd => to.position.seq,
            Kind::Kept | Kind::SnapshotEnd => Seq::default(),
        };
        if next.head.seq != seq || next.head.previous != to.position.checksum {
            return Err(JournalError::damaged(path, at, DamageReason::Sequence));
        }
        to.position.checksum = next.checksum;
        to.offset = at + bytes;
        to.frames += 1;
        if next.head.kind == Kind::SegmentEnd {
            intake.end(&next, at)?;
            to.position.digests = intake.digests;
            to.end = match (frames.anything_left(path)?, ending) {
                (_, Ending::At(end)) if end == to.offset => End::Closed,
                (_, Ending::At(_)) => {
                    return Err(JournalError::damaged(path, to.offset, DamageReason::EndMissing));
                }
                (false, _) => End::Closed,
                (true, Ending::Any) => {
                    judge_rest(path, to.offset, to.position.seq.next(), ending)?;
                    End::ClosedUncut
                }
                (true, Ending::Closed) => {
                    return Err(JournalError::damaged(path, to.offset, DamageReason::AfterEnd));
                }
            };
            return Ok(to);
        }
        intake.frame(&next)?;
        to.position.digests = intake.digests;
        to.position.seq = seq;
        intake.receiver.commit_end(seq)?;
    }
}

/// Reads a snapshot and returns the position that it stands for.
///
/// # Errors
/// Damage, data of a newer program, or an error of the receiver.
pub(crate) fn read_snapshot(file: &JournalFile, receiver: &mut dyn Receiver) -> Result<ReadTo, JournalError> {
    let path = &file.path;
    let mut frames = Frames::open(path, file.header_bytes)?;
    let mut previous = file.header.previous_frame;
    let mut intake = Intake::new(file, Digests::default(), receiver);
    let mut count = 0;
    loop {
        let at = frames.offset();
        // A snapshot gets its name when all of it is durable, so that any flaw is damage.
        let Some(next) = frames.next(path)? else {
            return Err(JournalError::damaged(path, at, DamageReason::EndMissing));
        };
        let ours = matches!(next.head.kind, Kind::Kept | Kind::SnapshotEnd);
        if !ours || next.head.previous != previous || next.head.seq != file.header.seq {
            return Err(JournalError::damaged(path, at, DamageReason::Sequence));
        }
        previous = next.checksum;
        count += 1;
        if next.head.kind == Kind::Kept {
            intake.frame(&next)?;
            continue;
        }
        intake.end(&next, at)?;
        let offset = at + next.bytes() as u64;
        if frames.anything_left(path)? {
            return Err(JournalError::damaged(path, offset, DamageReason::AfterEnd));
        }
        intake.receiver.commit_end(file.header.seq)?;
        let digests = intake.digests;
        let checksum = file.header.previous_frame;
        let position = Position { seq: file.header.seq, checksum, digests };
        return Ok(ReadTo { position, offset, frames: count, end: End::Closed });
    }
}

/// What the frames of one file add up to.
struct Intake<'a> {
    path: &'a Path,
    digests: Digests,
    receiver: &'a mut dyn Receiver,
}

impl<'a> Intake<'a> {
    fn new(file: &'a JournalFile, digests: Digests, receiver: &'a mut dyn Receiver) -> Self {
        Self { path: &file.path, digests, receiver }
    }

    /// Takes the operations of a frame in.
    fn frame(&mut self, frame: &Frame<'_>) -> Result<(), JournalError> {
        let version = Version::new(frame.head.seq.get());
        for operation in operation::operations(frame.payload, version) {
            // The checksum is right, so these bytes are what some version of the program wrote.
            let operation = operation.ok_or_else(|| self.unknown())?;
            let stored = operation.value.map(StoredValue::to_bytes);
            let key = &operation.key;
            let new = stored.as_deref().map(|stored| Footprint::of(key.as_bytes(), stored));
            self.digests.replace(key.table(), operation.replaced, new);
            self.receiver.operation(&operation, stored)?;
        }
        Ok(())
    }

    /// Compares the digests at the end of a file, at `offset`, with what was taken in.
    fn end(&self, frame: &Frame<'_>, offset: u64) -> Result<(), JournalError> {
        let stored = Digests::parse(frame.payload).ok_or_else(|| self.unknown())?;
        check_digests(self.path, offset, &stored, &self.digests)
    }

    fn unknown(&self) -> JournalError {
        JournalError::Unknown { path: self.path.to_owned() }
    }
}

fn check_digests(path: &Path, at: u64, stored: &Digests, found: &Digests) -> Result<(), JournalError> {
    match stored.first_difference(found) {
        Some(table) => Err(JournalError::damaged(path, at, DamageReason::Digest(table))),
        None => Ok(()),
    }
}

/// Tells a torn tail from damage, where no sound frame of commit `expected` begins at `offset`.
fn judge_rest(path: &Path, offset: u64, expected: Seq, ending: Ending) -> Result<End, JournalError> {
    let rest = read_from(path, offset).map_err(JournalError::io(path))?;
    let last = rest.iter().rposition(|byte| *byte != 0);
    // The zeros behind are most of the rest. A checksum may end in some of them.
    let written = last.map_or(0, |last| rest.len().min(last + 4));
    if frame::proves_loss(&rest[..written], expected) {
        return Err(JournalError::damaged(path, offset, DamageReason::Frame));
    }
    match (ending, last) {
        (Ending::Closed | Ending::At(_), _) => {
            Err(JournalError::damaged(path, offset, DamageReason::EndMissing))
        }
        (Ending::Any, None) => Ok(End::Open),
        (Ending::Any, Some(last)) => Ok(End::Torn { bytes: last as u64 + 1 }),
    }
}

fn read_from(path: &Path, offset: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut rest = Vec::new();
    file.read_to_end(&mut rest)?;
    Ok(rest)
}

/// The frames of a file, read in large pieces.
struct Frames {
    file: File,
    buffer: Vec<u8>,
    /// The next frame begins here in the buffer.
    start: usize,
    /// The buffer begins here in the file.
    base: u64,
}

impl Frames {
    fn open(path: &Path, offset: u64) -> Result<Self, JournalError> {
        let mut file = File::open(path).map_err(JournalError::io(path))?;
        file.seek(SeekFrom::Start(offset)).map_err(JournalError::io(path))?;
        Ok(Self { file, buffer: Vec::new(), start: 0, base: offset })
    }

    /// Where the next frame begins in the file.
    fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// The next frame; `None` when what follows is not a sound one.
    fn next(&mut self, path: &Path) -> Result<Option<Frame<'_>>, JournalError> {
        while let Err(Flaw::Needs(bytes)) = frame::whole(&self.buffer[self.start..]) {
            if !self.fill(bytes).map_err(JournalError::io(path))? {
                return Ok(None);
            }
        }
        let start = self.start;
        let Ok(frame) = frame::parse(&self.buffer[start..]) else {
            return Ok(None);
        };
        self.start = start + frame.bytes();
        Ok(Some(frame))
    }

    /// Reads again from where no sound frame began; whether one does now.
    fn have_grown(&mut self, path: &Path) -> Result<bool, JournalError> {
        let offset = self.offset();
        *self = Self::open(path, offset)?;
        let found = self.next(path)?.is_some();
        *self = Self::open(path, offset)?;
        Ok(found)
    }

    fn anything_left(&mut self, path: &Path) -> Result<bool, JournalError> {
        if self.start < self.buffer.len() {
            return Ok(true);
        }
        self.fill(1).map_err(JournalError::io(path))
    }

    /// Reads on until `bytes` lie behind `start`; `false` when the file ends before.
    fn fill(&mut self, bytes: usize) -> io::Result<bool> {
        self.buffer.drain(..self.start);
        self.base += self.start as u64;
        self.start = 0;
        while self.buffer.len() < bytes {
            let filled = self.buffer.len();
            self.buffer.resize(filled + READ_BYTES.max(bytes - filled), 0);
            let read = self.file.read(&mut self.buffer[filled..])?;
            self.buffer.truncate(filled + read);
            if read == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
