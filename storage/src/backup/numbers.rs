//! Numbers that were handed out after a backup are not handed out again after its restore.
//!
//! WeChat knows orders by their numbers, and tokens name accounts and sessions by theirs: if a number came twice, somebody's
//! payment or login could be taken for another's. What was handed out after the backup is not known any more, so every
//! running number is moved far ahead, by one commit that is part of the copy before it becomes the data.

use std::io;
use std::path::Path;

use domain::Timestamp;

use super::BackupError;
use super::restore::RestoreError;
use crate::commit::Version;
use crate::digest::Footprint;
use crate::files::Files;
use crate::journal;
use crate::journal::frame::{self, Head, Kind};
use crate::journal::latest::Sources;
use crate::journal::layout::Layout;
use crate::journal::operation;
use crate::journal::reader::{End, ReadTo};
use crate::journal::segment::{Origin, Position, SegmentWriter};
use crate::keys::{MAX_KEY_BYTES, RawKey};
use crate::record::Record;
use crate::records::SequenceRecord;
use crate::sequences::Sequence;
use crate::status::Silent;
use crate::table::Table;
use crate::value::{NEVER, StoredValue};
use crate::view::JournalView;

/// Writes the commit behind the last one of the copied journal. Answers where the journal ends then.
pub(super) fn skip_ahead(
    files: &dyn Files,
    copy: &Path,
    layout: &Layout,
    to: &ReadTo,
    now: Timestamp,
) -> Result<Position, RestoreError> {
    let view = JournalView::read_from(Sources::all(layout), &[Table::Sequence], &Silent)
        .map_err(BackupError::Damaged)?;
    let Some(last) = layout.segments.last() else { unreachable!("a journal has a last segment") };
    let folder = journal::folder(copy);
    // A segment without a commit is replaced by one of the same name.
    let previous_file = match to.end {
        End::Open | End::Torn { .. } => last.header.previous_file,
        End::Closed | End::ClosedUncut => last.header.seq,
    };
    let mut position = to.position;
    let origin = Origin { previous_file, written_at: now.as_millis() };
    let mut write = || -> io::Result<Position> {
        let mut segment = SegmentWriter::create(files, &folder, &position, origin)?;
        let payload = moved_ahead(&view, &mut position);
        if payload.is_empty() {
            return Ok(position);
        }
        let mut frames = Vec::new();
        let head = Head { kind: Kind::Commit, place: 0, seq: position.seq, previous: position.checksum };
        position.checksum = frame::append(&mut frames, head, &payload);
        segment.append(&frames)?;
        segment.seal(&position)
    };
    write().map_err(|source| RestoreError::Io { path: folder.clone(), source })
}

/// The operations, and in `position` what lives after them.
fn moved_ahead(view: &JournalView, position: &mut Position) -> Vec<u8> {
    let seq = position.seq.next();
    let mut payload = Vec::new();
    // The view has this table only, of all clinics.
    for (key, stored) in view.entries((&[], &[u8::MAX; MAX_KEY_BYTES])) {
        let Some(ahead) = moved_record(&key, &stored) else { continue };
        let old = Footprint::of(key.as_bytes(), &stored);
        let bytes = ahead.encode();
        let value = StoredValue { version: Version::new(seq.get()), expires_at: NEVER, payload: &bytes };
        let new = Footprint::of(key.as_bytes(), &value.to_bytes());
        operation::append_put(&mut payload, &key, Some(old), value);
        position.digests.replace(Table::Sequence, Some(old), Some(new));
    }
    if !payload.is_empty() {
        position.seq = seq;
    }
    payload
}

fn moved_record(key: &RawKey, stored: &[u8]) -> Option<SequenceRecord> {
    let value = StoredValue::parse(stored)?;
    let record = SequenceRecord::decode(value.payload).ok()?;
    let sequence = Sequence::ALL.into_iter().find(|sequence| key.components() == [sequence.tag()])?;
    let next = record.next.saturating_add(sequence.skipped_by_restore()).min(sequence.last());
    // A sequence that is used up stays so.
    Some(SequenceRecord { next: next.max(record.next) })
}
