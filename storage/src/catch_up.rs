//! Brings the index up to date with the journal, or makes it anew from the journal alone.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use sled::IVec;

use crate::commit::Seq;
use crate::damage::{Damage, DamageReason, JournalError};
use crate::digest::{Digests, Footprint};
use crate::expiry::ExpiryQueue;
use crate::index::{self, BATCH_KEYS, Index, IndexError, Write};
use crate::journal::latest::{self, Sources};
use crate::journal::layout::Layout;
use crate::journal::operation::Operation;
use crate::journal::reader::{Ending, Ignore, ReadTo, Receiver};
use crate::keys::RawKey;
use crate::open::{OpenError, io_error};
use crate::options::StorageOptions;
use crate::resident::{Entry, Resident};
use crate::status::{Progress, Step};
use crate::value::StoredValue;

/// Progress is reported once for so many records.
const REPORT_EVERY: u64 = 10_000;

/// What lives at the end of the journal.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) digests: Digests,
    pub(crate) resident: Resident,
    pub(crate) expiry: ExpiryQueue,
}

/// Opens the index and brings it up to date, or makes it anew.
pub(crate) fn open_index(
    options: &StorageOptions,
    layout: &Layout,
    known: Seq,
) -> Result<(Index, ReadTo, Contents), OpenError> {
    let folder = index::folder(&options.path);
    let progress = options.progress.as_ref();
    match Index::open(&folder, options.cache_bytes) {
        Ok(index) => match catch_up(&index, layout, known, progress)? {
            Ok((to, contents)) => return Ok((index, to, contents)),
            Err(why) => tracing::warn!(%why, "the index differs from the journal"),
        },
        Err(why) => tracing::warn!(%why, "the index cannot be opened"),
    }
    set_aside(&options.path).map_err(io_error(&folder))?;
    rebuild(options, layout, known)
}

/// Replays the commits that the index does not have and compares it with the journal. The inner
/// error says why the index cannot be used.
fn catch_up(
    index: &Index,
    layout: &Layout,
    known: Seq,
    progress: &dyn Progress,
) -> Result<Result<(ReadTo, Contents), IndexError>, OpenError> {
    let applied = match index.applied() {
        Ok(applied) => applied,
        Err(error) => return Ok(Err(error)),
    };
    let continued = layout.segments.iter().any(|file| file.header.seq <= applied.next());
    if applied == Seq::default() || !continued {
        // Nothing can be replayed from here, or all of it would have to be.
        let to = read_tail(layout)?;
        check_known(layout, &to, known)?;
        if to.position.seq == Seq::default() {
            return Ok(compare(index, BTreeSet::new(), &to, progress));
        }
        return Ok(Err(IndexError::Failed("it is older than the journal".to_owned())));
    }
    let resident = BTreeSet::new();
    let mut replay = Replay { index, applied, resident, batch: Vec::new(), commit: Vec::new(), progress };
    let to = match latest::read_all(Sources::all(layout), &mut replay) {
        Err(JournalError::Receiver(what)) => return Ok(Err(IndexError::Failed(what))),
        read => read?,
    };
    check_known(layout, &to, known.max(applied))?;
    let finished = replay.finish(to.position.seq);
    Ok(finished.and_then(|()| compare(index, replay.resident, &to, progress)))
}

/// Reads the last segment only, which tells where the journal ends.
fn read_tail(layout: &Layout) -> Result<ReadTo, OpenError> {
    let last = layout.segments.len().saturating_sub(1);
    let sources = Sources { snapshot: None, segments: &layout.segments[last..], ending: Ending::Any };
    Ok(latest::read_all(sources, &mut Ignore)?)
}

/// Refuses a journal that ends before a commit that is known to have been made.
fn check_known(layout: &Layout, to: &ReadTo, known: Seq) -> Result<(), OpenError> {
    let found = to.position.seq;
    let Some(last) = layout.segments.last().filter(|_| found < known) else {
        return Ok(());
    };
    let reason = DamageReason::CommitsMissing { found: found.get(), known: known.get() };
    Err(OpenError::Damaged(Damage { file: last.path.clone(), offset: to.offset, reason }))
}

/// Scans the index and compares what it and the memory hold with what the journal says.
fn compare(
    index: &Index,
    resident: BTreeSet<Entry>,
    to: &ReadTo,
    progress: &dyn Progress,
) -> Result<(ReadTo, Contents), IndexError> {
    let expected = &to.position.digests;
    let mut digests = Digests::default();
    let mut expiry = ExpiryQueue::default();
    let mut done: u64 = 0;
    let mut count = |key: &[u8], stored: &[u8]| {
        let raw = RawKey::from_bytes(key).ok_or(IndexError::ForeignRecord)?;
        let value = StoredValue::parse(stored).ok_or(IndexError::ForeignRecord)?;
        digests.replace(raw.table(), None, Some(Footprint::of(key, stored)));
        expiry.note(raw, value.expires_at);
        done += 1;
        if done.is_multiple_of(REPORT_EVERY) {
            progress.report(Step::Compare, done, expected.count());
        }
        Ok(())
    };
    resident.iter().try_for_each(|entry| count(entry.key(), entry.stored()))?;
    index.scan_all(&mut |key: IVec, stored: IVec| count(&key, &stored))?;
    if let Some(table) = expected.first_difference(&digests) {
        return Err(IndexError::Failed(format!("table {} differs", table.name())));
    }
    // Built from what is sorted already, its nodes are full; as it grew, a third of their room is free.
    let resident = Resident::new(resident.into_iter().collect());
    Ok((*to, Contents { digests, resident, expiry }))
}

/// Moves a useless index out of the way. Only the latest one is kept, until the next fold.
fn set_aside(data: &Path) -> io::Result<()> {
    let folder = index::folder(data);
    if !folder.exists() {
        return Ok(());
    }
    index::remove_set_aside(data)?;
    let aside = index::set_aside_folder(data);
    tracing::warn!(aside = %aside.display(), "the index is set aside and made anew");
    std::fs::rename(folder, &aside)
}

/// Makes the index anew from the journal.
fn rebuild(
    options: &StorageOptions,
    layout: &Layout,
    known: Seq,
) -> Result<(Index, ReadTo, Contents), OpenError> {
    let unusable = |error: IndexError| OpenError::Index(error.to_string());
    let index = Index::open(&index::folder(&options.path), options.cache_bytes);
    let index = index.map_err(unusable)?;
    let expected = read_tail(layout)?;
    check_known(layout, &expected, known)?;
    let sources = Sources::all(layout);
    let mut resident = BTreeSet::new();
    let mut done: u64 = 0;
    let to = latest::read_latest(sources, &expected.position.digests, &mut |part| {
        for (key, stored) in part {
            if key.table().is_resident() {
                resident.insert(Entry::new(key.as_bytes(), &stored));
            } else {
                index.load(&key, &stored).map_err(|error| JournalError::Receiver(error.to_string()))?;
            }
            done += 1;
            if done.is_multiple_of(REPORT_EVERY) {
                options.progress.report(Step::Rebuild, done, expected.position.digests.count());
            }
        }
        Ok(())
    })?;
    index.apply([], to.position.seq).map_err(unusable)?;
    index.flush().map_err(unusable)?;
    let (to, contents) = compare(&index, resident, &to, options.progress.as_ref()).map_err(unusable)?;
    tracing::info!(records = done, "the index was made anew from the journal");
    Ok((index, to, contents))
}

/// Applies to the index the commits that it does not have, and all of them to the tables that are kept
/// in memory.
struct Replay<'a> {
    index: &'a Index,
    applied: Seq,
    resident: BTreeSet<Entry>,
    batch: Vec<Write>,
    commit: Vec<Write>,
    progress: &'a dyn Progress,
}

impl Replay<'_> {
    fn finish(&mut self, seq: Seq) -> Result<(), IndexError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.index.apply(self.batch.drain(..), seq)
    }
}

impl Receiver for Replay<'_> {
    fn operation(&mut self, operation: &Operation<'_>, stored: Option<Vec<u8>>) -> Result<(), JournalError> {
        let key = operation.key;
        if !key.table().is_resident() {
            self.commit.push((key, stored.map(IVec::from)));
            return Ok(());
        }
        match stored {
            Some(stored) => self.resident.replace(Entry::new(key.as_bytes(), &stored)),
            None => self.resident.take(key.as_bytes()),
        };
        Ok(())
    }

    fn commit_end(&mut self, seq: Seq) -> Result<(), JournalError> {
        if seq <= self.applied {
            self.commit.clear();
            return Ok(());
        }
        if self.batch.len() + self.commit.len() > BATCH_KEYS {
            let before = Seq::new(seq.get() - 1);
            self.finish(before).map_err(|error| JournalError::Receiver(error.to_string()))?;
        }
        self.batch.append(&mut self.commit);
        if seq.get().is_multiple_of(REPORT_EVERY) {
            self.progress.report(Step::Replay, seq.get() - self.applied.get(), 0);
        }
        Ok(())
    }
}
