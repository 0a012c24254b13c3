//! Copies files piece by piece: synced as they grow, so that no mountain of unwritten pages stands before a booking's
//! sync, and only while there is room.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise};
use xxhash_rust::xxh3::Xxh3;

use crate::files::Files;
use crate::space::SpaceProbe;
use crate::status::{Progress, Step};

/// So much is read at once.
const PIECE_BYTES: usize = 1024 * 1024;
/// After so much the copy is synced and the room is looked at.
const SYNC_BYTES: u64 = 4 * 1024 * 1024;

/// Why a file was not copied.
#[derive(Debug)]
pub(super) enum CopyError {
    Io {
        path: PathBuf,
        source: io::Error,
    },
    /// The source ended before what was to be copied.
    TooShort(PathBuf),
    NoSpace {
        needed: u64,
        free: u64,
    },
}

pub(super) fn io_at(path: &Path) -> impl FnOnce(io::Error) -> CopyError {
    let path = path.to_owned();
    |source| CopyError::Io { path, source }
}

/// What a finished copy has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copied {
    pub(super) bytes: u64,
    pub(super) hash: u128,
}

/// Copies the files of one backup or restore.
pub(super) struct Copier<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) space: &'a dyn SpaceProbe,
    /// So much room is left to others.
    pub(super) min_free_bytes: u64,
    pub(super) progress: &'a dyn Progress,
    pub(super) done: u64,
    pub(super) total: u64,
}

impl Copier<'_> {
    /// Refuses where there is not enough room for everything.
    pub(super) fn check_room(&self) -> Result<(), CopyError> {
        self.check_room_for(self.total)
    }

    fn check_room_for(&self, bytes: u64) -> Result<(), CopyError> {
        let needed = bytes.saturating_add(self.min_free_bytes);
        // An unknown amount is no reason to refuse; a write that fails is noticed.
        match self.space.free_bytes() {
            Ok(free) if free < needed => Err(CopyError::NoSpace { needed, free }),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Copies a file, or its first `limit` bytes and `tail` behind them, and makes the copy durable.
    pub(super) fn copy(
        &mut self,
        from: &Path,
        to: &Path,
        limit: Option<u64>,
        tail: &[u8],
    ) -> Result<Copied, CopyError> {
        let mut source = File::open(from).map_err(io_at(from))?.take(limit.unwrap_or(u64::MAX));
        let mut target = self.files.create(to).map_err(io_at(to))?;
        let mut hash = Xxh3::new();
        let mut piece = vec![0; PIECE_BYTES];
        let (mut bytes, mut synced) = (0, 0);
        loop {
            let read = source.read(&mut piece).map_err(io_at(from))?;
            if read == 0 {
                break;
            }
            target.write_all_at(&piece[..read], bytes).map_err(io_at(to))?;
            hash.update(&piece[..read]);
            bytes += read as u64;
            self.done += read as u64;
            self.progress.report(Step::Copy, self.done, self.total.max(self.done));
            if bytes - synced >= SYNC_BYTES {
                self.check_room_for(0)?;
                target.sync_data().map_err(io_at(to))?;
                synced = bytes;
            }
        }
        if limit.is_some_and(|limit| bytes < limit) {
            return Err(CopyError::TooShort(from.to_owned()));
        }
        if !tail.is_empty() {
            target.write_all_at(tail, bytes).map_err(io_at(to))?;
            hash.update(tail);
            bytes += tail.len() as u64;
        }
        target.sync_data().map_err(io_at(to))?;
        Ok(Copied { bytes, hash: hash.digest128() })
    }
}

/// Reads a file back and answers its length and hash.
pub(super) fn hash_file(path: &Path) -> io::Result<Copied> {
    let mut file = File::open(path)?;
    let mut hash = Xxh3::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(Copied { bytes, hash: hash.digest128() });
        }
        hash.update(&piece[..read]);
        bytes += read as u64;
    }
}

/// Lets the kernel forget what it has in memory of a synced file, so that reading it back reads the disk.
pub(super) fn forget(path: &Path) {
    let forgotten = File::open(path).and_then(|file| Ok(fadvise(&file, 0, None, Advice::DontNeed)?));
    if let Err(error) = forgotten {
        tracing::debug!(%error, "a copy is read back from memory");
    }
}
