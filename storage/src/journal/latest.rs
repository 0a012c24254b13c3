//! The records that a journal leaves alive, found by reading it from its beginning.
//!
//! A journal may be larger than the memory of the machine. So the keys are divided by their hash,
//! and the journal is read once for each part.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::commit::Seq;
use crate::damage::{DamageReason, JournalError};
use crate::digest::{Digests, Footprint};
use crate::journal::layout::{JournalFile, Layout};
use crate::journal::operation::Operation;
use crate::journal::reader::{self, Ending, ReadTo, Receiver};
use crate::keys::RawKey;

/// What an entry of the map costs beside the bytes of its key and value.
const ENTRY_BYTES: u64 = 120;
/// The records of one part take about so much memory.
const PART_BYTES: u64 = 16 * 1024 * 1024;

/// Some of the live records, in the order of their keys.
pub(crate) type Part = Vec<(RawKey, Box<[u8]>)>;

/// The files to read, from the beginning of the journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources<'a> {
    pub(crate) snapshot: Option<&'a JournalFile>,
    /// At least one segment.
    pub(crate) segments: &'a [JournalFile],
    /// How the last segment may end.
    pub(crate) ending: Ending,
}

impl<'a> Sources<'a> {
    /// The whole journal, whose last segment may end anywhere.
    pub(crate) fn all(layout: &'a Layout) -> Self {
        Self { snapshot: layout.snapshot.as_ref(), segments: &layout.segments, ending: Ending::Any }
    }
}

/// Hands every live record to `sink`, part by part, and returns where the journal ends.
///
/// `live` is about what the journal leaves alive, which decides the number of parts.
///
/// # Errors
/// Damage; also when the records do not add up to the digests that the journal carries.
pub(crate) fn read_latest(
    sources: Sources<'_>,
    live: &Digests,
    sink: &mut dyn FnMut(Part) -> Result<(), JournalError>,
) -> Result<ReadTo, JournalError> {
    let estimate = live.bytes().saturating_add(live.count().saturating_mul(ENTRY_BYTES));
    read_parts(sources, estimate / PART_BYTES + 1, sink)
}

fn read_parts(
    sources: Sources<'_>,
    parts: u64,
    sink: &mut dyn FnMut(Part) -> Result<(), JournalError>,
) -> Result<ReadTo, JournalError> {
    let mut found = Digests::default();
    let mut part = 0;
    loop {
        let mut latest = Latest { part, parts, live: HashMap::new() };
        let to = read_all(sources, &mut latest)?;
        let mut records: Part = latest.live.into_iter().collect();
        records.sort_unstable_by_key(|record| record.0);
        for (key, stored) in &records {
            found.replace(key.table(), None, Some(Footprint::of(key.as_bytes(), stored)));
        }
        sink(records)?;
        part += 1;
        if part == parts {
            return check(sources, to, &found);
        }
    }
}

fn check(sources: Sources<'_>, to: ReadTo, found: &Digests) -> Result<ReadTo, JournalError> {
    let last = sources.segments.last().or(sources.snapshot);
    match (found.first_difference(&to.position.digests), last) {
        (Some(table), Some(file)) => {
            Err(JournalError::damaged(&file.path, to.offset, DamageReason::Digest(table)))
        }
        _ => Ok(to),
    }
}

/// Reads all files, each from where the one before it ended.
pub(crate) fn read_all(sources: Sources<'_>, receiver: &mut dyn Receiver) -> Result<ReadTo, JournalError> {
    let mut to = match (sources.snapshot, sources.segments.first()) {
        (Some(snapshot), _) => Some(reader::read_snapshot(snapshot, receiver)?),
        (None, _) => None,
    };
    let mut frames = to.map_or(0, |to| to.frames);
    for (index, file) in sources.segments.iter().enumerate() {
        let from = to.map_or_else(|| reader::start_of(file), |to| to.position);
        let last = index + 1 == sources.segments.len();
        let ending = if last { sources.ending } else { Ending::Closed };
        let read = reader::read_segment(file, from, ending, receiver)?;
        frames += read.frames;
        to = Some(read);
    }
    let Some(to) = to else { unreachable!("a journal that is read has a file") };
    Ok(ReadTo { frames, ..to })
}

struct Latest {
    part: u64,
    parts: u64,
    live: HashMap<RawKey, Box<[u8]>>,
}

impl Receiver for Latest {
    fn operation(&mut self, operation: &Operation<'_>, stored: Option<Vec<u8>>) -> Result<(), JournalError> {
        let key = operation.key;
        if self.parts > 1 && xxh3_64(key.as_bytes()) % self.parts != self.part {
            return Ok(());
        }
        match stored {
            Some(stored) => self.live.insert(key, stored.into_boxed_slice()),
            None => self.live.remove(&key),
        };
        Ok(())
    }

    fn commit_end(&mut self, _: Seq) -> Result<(), JournalError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::Version;
    use crate::files::DiskFiles;
    use crate::journal::frame::{self, Head, Kind};
    use crate::journal::operation;
    use crate::journal::segment::{Origin, Position, SegmentWriter};
    use crate::table::Table;
    use crate::value::{NEVER, StoredValue};

    /// Writes 300 records, each twice, and deletes every third.
    fn write_journal(folder: &std::path::Path) {
        let mut position = Position { seq: Seq::default(), checksum: 0, digests: Digests::default() };
        let origin = Origin { previous_file: Seq::default(), written_at: 0 };
        let mut segment =
            SegmentWriter::create(&DiskFiles, folder, &position, origin).expect("it is created");
        let mut live = HashMap::new();
        for step in 0..900_u64 {
            let key = RawKey::of(1, Table::Slot).with((step % 300).to_be_bytes());
            let seq = position.seq.next();
            let value = StoredValue {
                version: Version::new(seq.get()),
                expires_at: NEVER,
                payload: &step.to_le_bytes(),
            };
            let mut payload = Vec::new();
            let old = live.remove(&key);
            let new = (step < 600 || step % 3 != 0).then(|| Footprint::of(key.as_bytes(), &value.to_bytes()));
            match new {
                Some(_) => operation::append_put(&mut payload, &key, old, value),
                None => operation::append_delete(&mut payload, &key, old),
            }
            position.digests.replace(Table::Slot, old, new);
            live.extend(new.map(|new| (key, new)));
            let head = Head { kind: Kind::Commit, place: 0, seq, previous: position.checksum };
            let mut frames = Vec::new();
            position.checksum = frame::append(&mut frames, head, &payload);
            position.seq = seq;
            segment.append(&frames).expect("it is written");
        }
    }

    /// Seen to fail when every part was given the keys of the first.
    #[test]
    fn many_parts_are_as_good_as_one() {
        let folder = tempfile::tempdir().expect("there is room");
        write_journal(folder.path());
        let layout = Layout::read(folder.path()).expect("it is sound");
        let read = |parts: u64| {
            let mut records = Part::new();
            let mut count = 0;
            read_parts(Sources::all(&layout), parts, &mut |part| {
                assert!(part.is_sorted_by_key(|record| record.0), "a part is in the order of its keys");
                count += 1;
                records.extend(part);
                Ok(())
            })
            .expect("the records add up");
            assert_eq!(count, parts);
            records.sort_unstable_by_key(|record| record.0);
            records
        };
        assert_eq!(read(1).len(), 200);
        assert_eq!(read(7), read(1));
    }
}
