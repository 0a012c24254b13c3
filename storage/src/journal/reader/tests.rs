use std::path::Path;

use super::*;
use crate::files::DiskFiles;
use crate::journal::frame::Head;
use crate::journal::layout::Layout;
use crate::journal::segment::{Origin, SegmentWriter};

/// A segment of empty commits, each a group of its own.
struct Growing {
    segment: SegmentWriter,
    position: Position,
    /// So many are written when the first one has been read.
    to_come: u64,
}

impl Growing {
    fn new(folder: &Path, to_come: u64) -> Self {
        let position = Position { seq: Seq::default(), checksum: 0, digests: Digests::default() };
        let origin = Origin { previous_file: Seq::default(), written_at: 0 };
        let segment = SegmentWriter::create(&DiskFiles, folder, &position, origin).expect("created");
        let mut growing = Self { segment, position, to_come };
        growing.write();
        growing.segment.prepare_ahead().expect("written");
        growing
    }

    fn write(&mut self) {
        let seq = self.position.seq.next();
        let head = Head { kind: Kind::Commit, place: 0, seq, previous: self.position.checksum };
        let mut frames = Vec::new();
        self.position.checksum = frame::append(&mut frames, head, &[]);
        self.position.seq = seq;
        self.segment.append(&frames).expect("written");
    }
}

impl Receiver for Growing {
    fn operation(&mut self, _: &Operation<'_>, _: Option<Vec<u8>>) -> Result<(), JournalError> {
        Ok(())
    }

    fn commit_end(&mut self, _: Seq) -> Result<(), JournalError> {
        for _ in 0..std::mem::take(&mut self.to_come) {
            self.write();
        }
        Ok(())
    }
}

/// Two groups are written after the reader has read the zeros in their place. Seen to fail when the place was judged by
/// bytes that were read later: the second group proved that the first one had been lost.
#[test]
fn what_a_server_writes_meanwhile_is_no_damage() {
    let folder = tempfile::tempdir().expect("there is room");
    let mut growing = Growing::new(folder.path(), 2);
    let layout = Layout::read(folder.path()).expect("sound");
    let file = &layout.segments[0];
    let to = read_segment(file, start_of(file), Ending::Any, &mut growing).expect("sound");
    assert_eq!((to.position.seq, to.end), (Seq::new(3), End::Open));
}

/// Seen to fail when reading went on to the end of what is there.
#[test]
fn what_was_read_before_is_read_again_to_the_same_place() {
    let folder = tempfile::tempdir().expect("there is room");
    let mut growing = Growing::new(folder.path(), 0);
    let layout = Layout::read(folder.path()).expect("sound");
    let file = &layout.segments[0];
    let first = read_segment(file, start_of(file), Ending::Any, &mut Ignore).expect("sound");
    growing.write();
    let read = |to: u64| read_segment(file, start_of(file), Ending::At(to), &mut Ignore);
    assert_eq!(read(first.offset).expect("sound").position, first.position);
    growing.segment.seal(&growing.position).expect("written");
    assert_eq!(read(first.offset).expect("sound").position, first.position);
    let closed = read_segment(file, start_of(file), Ending::Any, &mut Ignore).expect("sound");
    assert_eq!(read(closed.offset).expect("sound").end, End::Closed);
    assert!(read(first.offset + 1).is_err(), "no frame ends there");
}
