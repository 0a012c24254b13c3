//! One group of commits: checked in their order, each against what the accepted ones before it have
//! changed, and encoded as frames of the journal.

use std::collections::HashMap;

use crate::commit::{Change, Commit, CommitError, NotCommitted, Seq, Version};
use crate::committer::Answer;
use crate::digest::Footprint;
use crate::index::{BATCH_KEYS, IndexError, Write};
use crate::journal::frame::{self, Head, Kind, MAX_PAYLOAD_BYTES};
use crate::journal::operation;
use crate::journal::segment::Position;
use crate::keys::{MAX_KEY_BYTES, RawKey};
use crate::resident::Entry;
use crate::sabotage::{self, Bug};
use crate::shared::Shared;
use crate::status::Fatal;
use crate::table::Table;
use crate::value::StoredValue;

/// What an operation takes in a frame beside its record, at most.
const OPERATION_BYTES: usize = 32 + MAX_KEY_BYTES;

/// The present state of a key: what the group has made of it, or what was found when it was looked
/// up for the group.
#[derive(Clone, Copy, Debug)]
struct Live {
    version: Version,
    footprint: Footprint,
}

/// The writes of one commit to the index end here.
#[derive(Clone, Copy, Debug)]
struct End {
    writes: usize,
    seq: Seq,
}

pub(crate) struct Group<'a> {
    shared: &'a Shared,
    position: Position,
    frames: Vec<u8>,
    payload: Vec<u8>,
    known: HashMap<RawKey, Option<Live>>,
    /// For the index.
    writes: Vec<Write>,
    /// For the tables that are kept in memory.
    resident: Vec<(RawKey, Option<Entry>)>,
    expiring: Vec<(RawKey, i64)>,
    ends: Vec<End>,
    replaced: u64,
    answers: Vec<(Answer, Result<Seq, CommitError>)>,
    failure: Option<Fatal>,
}

impl<'a> Group<'a> {
    /// An empty group that follows `position`. Its frames are collected in `frames`.
    pub(crate) fn new(shared: &'a Shared, position: Position, mut frames: Vec<u8>) -> Self {
        frames.clear();
        Self {
            shared,
            position,
            frames,
            payload: Vec::new(),
            known: HashMap::new(),
            writes: Vec::new(),
            resident: Vec::new(),
            expiring: Vec::new(),
            ends: Vec::new(),
            replaced: 0,
            answers: Vec::new(),
            failure: None,
        }
    }

    /// Checks a commit and accepts it, or notes why not.
    pub(crate) fn consider(&mut self, commit: Commit, answer: Answer) {
        let verdict = match self.check(&commit) {
            _ if self.failure.is_some() => Err(CommitError::NotCommitted(NotCommitted::Failed)),
            Err(error) => Err(self.fail(&error)),
            Ok(Err(refusal)) => Err(refusal),
            Ok(Ok(())) => self.accept(commit),
        };
        self.answers.push((answer, verdict));
    }

    /// Whether the preconditions hold.
    fn check(&mut self, commit: &Commit) -> Result<Result<(), CommitError>, IndexError> {
        let bytes: usize = commit.changes.iter().map(size).sum();
        if bytes > MAX_PAYLOAD_BYTES {
            return Ok(Err(CommitError::NotCommitted(NotCommitted::TooLarge)));
        }
        for precondition in &commit.preconditions {
            if sabotage::is_planted(Bug::SkipSlotPrecondition) && precondition.key.table() == Table::Slot {
                continue;
            }
            let live = self.look_up(&precondition.key)?;
            if live.map_or(Version::ABSENT, |live| live.version) != precondition.version {
                return Ok(Err(CommitError::Conflict { key: precondition.key }));
            }
        }
        for change in &commit.changes {
            // Looked up before anything is encoded, so that a broken index leaves nothing half done.
            self.look_up(change.key())?;
        }
        Ok(Ok(()))
    }

    fn accept(&mut self, commit: Commit) -> Result<Seq, CommitError> {
        if commit.changes.is_empty() {
            return Ok(self.position.seq);
        }
        let seq = self.position.seq.next();
        self.payload.clear();
        for change in commit.changes {
            self.write(change, Version::new(seq.get()));
        }
        let head =
            Head { kind: Kind::Commit, place: self.ends.len() as u32, seq, previous: self.position.checksum };
        self.position.checksum = frame::append(&mut self.frames, head, &self.payload);
        self.position.seq = seq;
        self.ends.push(End { writes: self.writes.len(), seq });
        Ok(seq)
    }

    /// Encodes one change and notes what it makes of its key.
    fn write(&mut self, change: Change, version: Version) {
        let key = *change.key();
        let old = self.known.get(&key).copied().flatten();
        let replaced = old.map(|live| live.footprint);
        self.replaced += u64::from(replaced.is_some());
        let new = match change {
            Change::Put { expires_at, payload, .. } => {
                let value = StoredValue { version, expires_at, payload: &payload };
                operation::append_put(&mut self.payload, &key, replaced, value);
                let stored = value.to_bytes();
                let footprint = Footprint::of(key.as_bytes(), &stored);
                if key.table().is_resident() {
                    self.resident.push((key, Some(Entry::new(key.as_bytes(), &stored))));
                } else {
                    self.writes.push((key, Some(stored.into())));
                }
                self.expiring.push((key, expires_at));
                Some(Live { version, footprint })
            }
            Change::Delete { .. } => {
                operation::append_delete(&mut self.payload, &key, replaced);
                if key.table().is_resident() {
                    self.resident.push((key, None));
                } else {
                    self.writes.push((key, None));
                }
                None
            }
        };
        self.position.digests.replace(key.table(), replaced, new.map(|live| live.footprint));
        self.known.insert(key, new);
    }

    /// What the key holds at this point of the group.
    fn look_up(&mut self, key: &RawKey) -> Result<Option<Live>, IndexError> {
        if let Some(known) = self.known.get(key) {
            return Ok(*known);
        }
        let found = if key.table().is_resident() {
            self.shared.resident.get(key, |stored| live(key, stored))
        } else {
            self.shared.index.get(key)?.map(|stored| live(key, &stored))
        };
        let found = found.transpose()?;
        self.known.insert(*key, found);
        Ok(found)
    }

    fn fail(&mut self, error: &IndexError) -> CommitError {
        self.failure = Some(Fatal { what: error.to_string() });
        match error {
            IndexError::ForeignRecord => CommitError::Corrupt,
            IndexError::Failed(_) => CommitError::NotCommitted(NotCommitted::Failed),
        }
    }

    /// Why the group must not be written.
    pub(crate) fn failure(&self) -> Option<Fatal> {
        self.failure.clone()
    }

    pub(crate) fn frames(&self) -> &[u8] {
        &self.frames
    }

    /// Where the journal stands after the group.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// The number of commits to be written.
    pub(crate) fn accepted(&self) -> usize {
        self.ends.len()
    }

    /// The number of records overwritten or deleted.
    pub(crate) fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Makes the group visible to readers.
    ///
    /// # Errors
    /// [`IndexError`] when the index does not have all of it.
    pub(crate) fn apply(&mut self) -> Result<(), IndexError> {
        let mut start = 0;
        for batch in batches(&self.ends) {
            self.shared.index.apply(self.writes[start..batch.writes].iter().cloned(), batch.seq)?;
            start = batch.writes;
        }
        self.shared.resident.apply(self.resident.drain(..));
        let mut expiry = self.shared.expiry.lock();
        for (key, expires_at) in &self.expiring {
            expiry.note(*key, *expires_at);
        }
        Ok(())
    }

    /// What [`Bug::AckBeforeSync`] does.
    pub(crate) fn answer_early(&mut self) {
        for (answer, verdict) in self.answers.drain(..) {
            let _ = answer.send(verdict);
        }
    }

    /// Answers every commit with what was found, and gives the memory of the frames back.
    pub(crate) fn answer(self) -> Vec<u8> {
        for (answer, verdict) in self.answers {
            // Nobody waits any more where this fails; the commit stands.
            let _ = answer.send(verdict);
        }
        self.frames
    }

    /// Answers after a failure before the first byte was written.
    pub(crate) fn answer_not_committed(self) {
        for (answer, verdict) in self.answers {
            let verdict = match verdict {
                Err(CommitError::Corrupt) => Err(CommitError::Corrupt),
                _ => Err(CommitError::NotCommitted(NotCommitted::Failed)),
            };
            let _ = answer.send(verdict);
        }
    }

    /// Answers after a failure of the write: nobody knows what a restart will find. A refusal may
    /// rest on a commit of this very group, so that it is not passed on either.
    pub(crate) fn answer_maybe_committed(self) {
        for (answer, verdict) in self.answers {
            let verdict = match verdict {
                Ok(_) => Err(CommitError::MaybeCommitted),
                Err(_) => Err(CommitError::NotCommitted(NotCommitted::Failed)),
            };
            let _ = answer.send(verdict);
        }
    }
}

/// Divides the commits so that no batch has more than [`BATCH_KEYS`] keys and none splits a commit.
/// A commit that is larger by itself is a batch of its own.
fn batches(ends: &[End]) -> Vec<End> {
    let mut batches: Vec<End> = Vec::new();
    let mut start = 0;
    for end in ends {
        match batches.last_mut() {
            Some(last) if end.writes - start <= BATCH_KEYS => *last = *end,
            last => {
                start = last.map_or(0, |last| last.writes);
                batches.push(*end);
            }
        }
    }
    batches
}

fn live(key: &RawKey, stored: &[u8]) -> Result<Live, IndexError> {
    let value = StoredValue::parse(stored).ok_or(IndexError::ForeignRecord)?;
    Ok(Live { version: value.version, footprint: Footprint::of(key.as_bytes(), stored) })
}

fn size(change: &Change) -> usize {
    match change {
        Change::Put { payload, .. } => OPERATION_BYTES + payload.len(),
        Change::Delete { .. } => OPERATION_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen to fail when a batch was closed only after it had become too large.
    #[test]
    fn batches_are_small_and_split_no_commit() {
        let sizes = |commits: &[usize]| {
            let mut writes = 0;
            let ends = commits.iter().enumerate().map(|(index, size)| {
                writes += size;
                End { writes, seq: Seq::new(index as u64 + 1) }
            });
            let batches = batches(&ends.collect::<Vec<_>>());
            let mut start = 0;
            let size = |end: &End| {
                let size = end.writes - start;
                start = end.writes;
                (size, end.seq.get())
            };
            batches.iter().map(size).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[]), []);
        assert_eq!(sizes(&[4; 25]), [(100, 25)]);
        assert_eq!(sizes(&[4; 26]), [(100, 25), (4, 26)]);
        assert_eq!(sizes(&[60, 60, 40]), [(60, 1), (100, 3)]);
        assert_eq!(sizes(&[3, 500, 3]), [(3, 1), (500, 2), (3, 3)]);
    }
}
