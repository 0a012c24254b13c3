//! All live records of a data folder, one after the other, for a command that runs beside a server.

use std::io;
use std::path::Path;

use crate::commit::Seq;
use crate::damage::JournalError;
use crate::journal::frozen::{Frozen, ViewError};
use crate::journal::latest;
use crate::keys::{Key, RawKey};
use crate::record::Record;
use crate::status::{Progress, Step};
use crate::storage::{ReadError, Stored, decode};
use crate::table::Table;

/// One record.
#[derive(Clone, Copy, Debug)]
pub struct LiveRecord<'a> {
    key: &'a RawKey,
    stored: &'a [u8],
}

impl LiveRecord<'_> {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> &RawKey {
        self.key
    }

    /// Its table.
    #[must_use]
    pub fn table(&self) -> Table {
        self.key.table()
    }

    /// The record with its key. Only as a record of its own table.
    ///
    /// # Errors
    /// [`ReadError::Record`]
    pub fn read<R: Record>(&self) -> Result<(Key<R>, Stored<R>), ReadError> {
        Ok((Key::new(*self.key), decode(self.stored)?))
    }
}

/// Why not all records were handed out.
#[derive(Debug, thiserror::Error)]
pub enum LiveRecordsError {
    /// The journal cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] ReadError),
    /// Whoever receives them failed.
    #[error("{0}")]
    Receiver(#[from] io::Error),
}

/// Hands all records that live at the last commit to `each`, and returns that commit. Works beside a server; the order is
/// none that means anything. Memory is bounded: a large journal is read several times.
///
/// # Errors
/// [`LiveRecordsError`]
pub fn live_records(
    data: &Path,
    progress: &dyn Progress,
    each: &mut dyn FnMut(LiveRecord<'_>) -> Result<(), LiveRecordsError>,
) -> Result<Seq, LiveRecordsError> {
    let frozen = Frozen::take(data)?;
    let digests = frozen.to.position.digests;
    let mut done = 0;
    let mut failed = None;
    let read = latest::read_latest(frozen.sources(), &digests, &mut |part| {
        for (key, stored) in &part {
            if let Err(error) = each(LiveRecord { key, stored }) {
                let text = error.to_string();
                failed = Some(error);
                return Err(JournalError::Receiver(text));
            }
        }
        done += part.len() as u64;
        progress.report(Step::Read, done, digests.count());
        Ok(())
    });
    if let Some(error) = failed {
        return Err(error);
    }
    read.map(|to| to.position.seq).map_err(|error| ViewError::from(error).into())
}
