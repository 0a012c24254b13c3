//! Some tables of a data folder as they were at one moment, read from its journal into memory: for commands that run
//! beside a server.

use std::collections::BTreeSet;
use std::path::Path;

use crate::commit::Seq;
use crate::damage::{DamageReason, JournalError};
use crate::digest::{Digests, Footprint};
use crate::journal::frozen::{Frozen, ViewError};
use crate::journal::latest::{self, Sources};
use crate::journal::operation::Operation;
use crate::journal::reader::Receiver;
use crate::keys::{Key, KeyRange, RawKey};
use crate::record::{Record, RecordError};
use crate::resident::{Entry, Resident};
use crate::status::{Progress, Step};
use crate::storage::{Order, ReadError, Stored, decode};
use crate::table::Table;

/// Progress is reported once for so many commits.
const REPORT_EVERY: u64 = 10_000;

/// The records of some tables at one commit. It never changes, and needs the data folder no longer.
#[derive(Debug)]
pub struct JournalView {
    seq: Seq,
    tables: Vec<Table>,
    records: Resident,
}

impl JournalView {
    /// Reads these tables of a data folder, also while a server writes to it. Blocks the thread: all of the journal
    /// is read, and what the tables hold stays in memory.
    ///
    /// # Errors
    /// [`ViewError`]: there is no journal, it is damaged, or it cannot be read.
    pub fn read(data: &Path, tables: &[Table], progress: &dyn Progress) -> Result<Self, ViewError> {
        let frozen = Frozen::take(data)?;
        Ok(Self::read_from(frozen.sources(), tables, progress)?)
    }

    /// Reads these tables of a journal that nobody changes meanwhile.
    pub(crate) fn read_from(
        sources: Sources<'_>,
        tables: &[Table],
        progress: &dyn Progress,
    ) -> Result<Self, JournalError> {
        let last = sources.segments.last().or(sources.snapshot);
        let total = last.map_or(0, |file| file.header.seq.get());
        let mut wanted = Wanted { tables, entries: BTreeSet::new(), progress, total };
        let to = latest::read_all(sources, &mut wanted)?;
        let mut found = Digests::default();
        for entry in &wanted.entries {
            let key = RawKey::from_bytes(entry.key()).ok_or(JournalError::Receiver(FOREIGN.to_owned()))?;
            found.replace(key.table(), None, Some(Footprint::of(entry.key(), entry.stored())));
        }
        let expected = &to.position.digests;
        if let Some(table) = tables.iter().find(|table| found.of(**table) != expected.of(**table)) {
            let path = last.map_or(Path::new(""), |file| &file.path);
            return Err(JournalError::damaged(path, to.offset, DamageReason::Digest(*table)));
        }
        Ok(Self { seq: to.position.seq, tables: tables.to_vec(), records: Resident::new(wanted.entries) })
    }

    /// The last commit that is seen.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The record of a key. Only of a table that was asked for.
    ///
    /// # Errors
    /// [`ReadError::Record`]
    pub fn get<R: Record>(&self, key: &Key<R>) -> Result<Option<Stored<R>>, ReadError> {
        debug_assert!(self.tables.contains(&R::TABLE), "{} was not asked for", R::TABLE.name());
        self.records.get(key.raw(), decode).transpose()
    }

    /// The keys and stored values between two keys.
    pub(crate) fn entries(&self, (start, end): (&[u8], &[u8])) -> Vec<(RawKey, Vec<u8>)> {
        let mut found = Vec::new();
        self.records.scan((start, end), Order::Ascending, &mut |key, stored| {
            found.extend(RawKey::from_bytes(key).map(|key| (key, stored.to_vec())));
            true
        });
        found
    }

    /// The records of a range, from the least key up. Only of a table that was asked for.
    ///
    /// # Errors
    /// [`ReadError::Record`]
    pub fn scan<R: Record>(&self, range: &KeyRange<R>) -> Result<Vec<(RawKey, Stored<R>)>, ReadError> {
        debug_assert!(self.tables.contains(&R::TABLE), "{} was not asked for", R::TABLE.name());
        let mut found = Vec::new();
        let mut result = Ok(());
        self.records.scan((range.start(), range.end()), Order::Ascending, &mut |key, stored| {
            let key = RawKey::from_bytes(key).ok_or(ReadError::Record(RecordError::Malformed(R::TABLE)));
            result = key.and_then(|key| decode(stored).map(|stored| found.push((key, stored))));
            result.is_ok()
        });
        result.map(|()| found)
    }
}

/// Keys come out of the journal, which knows no others.
const FOREIGN: &str = "a key of no table";

struct Wanted<'a> {
    tables: &'a [Table],
    entries: BTreeSet<Entry>,
    progress: &'a dyn Progress,
    total: u64,
}

impl Receiver for Wanted<'_> {
    fn operation(&mut self, operation: &Operation<'_>, stored: Option<Vec<u8>>) -> Result<(), JournalError> {
        let key = operation.key.as_bytes();
        if !self.tables.contains(&operation.key.table()) {
            return Ok(());
        }
        match stored {
            Some(stored) => self.entries.replace(Entry::new(key, &stored)),
            None => self.entries.take(key),
        };
        Ok(())
    }

    fn commit_end(&mut self, seq: Seq) -> Result<(), JournalError> {
        if seq.get().is_multiple_of(REPORT_EVERY) {
            self.progress.report(Step::Read, seq.get(), self.total);
        }
        Ok(())
    }
}
