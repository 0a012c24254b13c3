//! The index: one tree in sled that holds the latest value of every key that is not kept in memory, and
//! the number of the last commit applied to it.
//!
//! sled is not trusted with anything that was acknowledged: its `flush` does not reach the disk, and
//! a damaged file makes it panic or forget. Whatever it holds can be made again from the journal.
//! Each call is guarded, so that a panic within sled becomes an error here.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use sled::IVec;

use crate::commit::Seq;
use crate::keys::RawKey;
use crate::sabotage::{self, Place};

/// The key of the number of the last applied commit: shorter than any record's key.
const APPLIED_KEY: &[u8] = b"applied";
/// So many keys are written at most before the number of the last applied commit is.
pub(crate) const BATCH_KEYS: usize = 100;

/// The index's folder within the data folder.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("index")
}

/// Where an index that could not be used was moved.
pub(crate) fn set_aside_folder(data: &Path) -> PathBuf {
    folder(data).with_extension("damaged-1")
}

/// Removes the index that was set aside, if there is one.
pub(crate) fn remove_set_aside(data: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(set_aside_folder(data)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes the index, which the next start makes anew. An index that is only partly removed does not agree with the
/// journal, and is made anew as well.
pub(crate) fn remove(data: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder(data)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Why the index cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexError {
    /// sled failed or panicked.
    #[error("the index failed: {0}")]
    Failed(String),
    /// Something in it is no record.
    #[error("the index holds something that is no record")]
    ForeignRecord,
}

impl From<sled::Error> for IndexError {
    fn from(error: sled::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The open index.
pub(crate) struct Index {
    db: sled::Db,
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Index")
    }
}

/// A write of the index; `None` removes the key.
pub(crate) type Write = (RawKey, Option<IVec>);

impl Index {
    /// Opens or creates the index.
    ///
    /// # Errors
    /// [`IndexError`] when sled cannot open it, or panics over it.
    pub(crate) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, IndexError> {
        remove_half_written_snapshots(folder).map_err(|error| IndexError::Failed(error.to_string()))?;
        let config = sled::Config::new()
            .path(folder)
            .cache_capacity(cache_bytes)
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(None);
        let mut tries_left = 100;
        loop {
            let opened = quietly(|| config.open())?;
            match opened {
                // After a close within one process, sled's own threads hold the file a little longer.
                Err(sled::Error::Io(error)) if is_locked(&error) && tries_left > 0 => {
                    tries_left -= 1;
                    thread::sleep(Duration::from_millis(20));
                }
                opened => return Ok(Self { db: opened? }),
            }
        }
    }

    /// The last commit that was applied; the default when there was none.
    pub(crate) fn applied(&self) -> Result<Seq, IndexError> {
        let stored = guarded(|| self.db.get(APPLIED_KEY))??;
        let Some(stored) = stored else {
            return Ok(Seq::default());
        };
        let bytes = stored.as_ref().try_into();
        bytes.map(|bytes| Seq::new(u64::from_le_bytes(bytes))).map_err(|_| IndexError::ForeignRecord)
    }

    /// Makes the writes one after the other and then notes that commits up to `seq` are applied.
    ///
    /// Not as one of sled's batches: a batch makes sled write and wait for its log at once, on the disk
    /// that the journal syncs, and shuts readers out meanwhile. Nothing is lost by it. What sled keeps
    /// in a crash is a beginning of what was written, so that whatever is missing comes after the
    /// number that is found, and the start makes those commits again from the journal.
    pub(crate) fn apply(&self, writes: impl IntoIterator<Item = Write>, seq: Seq) -> Result<(), IndexError> {
        guarded(|| {
            sabotage::pass(Place::Index);
            for (key, stored) in writes {
                match stored {
                    Some(stored) => self.db.insert(key.as_bytes(), stored)?,
                    None => self.db.remove(key.as_bytes())?,
                };
            }
            self.db.insert(APPLIED_KEY, &seq.get().to_le_bytes())?;
            Ok::<_, sled::Error>(())
        })??;
        Ok(())
    }

    /// Stores a record while the index is being built; [`Index::apply`] follows at the end.
    pub(crate) fn load(&self, key: &RawKey, stored: &[u8]) -> Result<(), IndexError> {
        guarded(|| self.db.insert(key.as_bytes(), stored))??;
        Ok(())
    }

    pub(crate) fn get(&self, key: &RawKey) -> Result<Option<IVec>, IndexError> {
        Ok(guarded(|| self.db.get(key.as_bytes()))??)
    }

    /// Hands the records between `start` and `end` to `visit`, until it returns `false`.
    pub(crate) fn scan(
        &self,
        (start, end): (&[u8], &[u8]),
        order: crate::storage::Order,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), IndexError> {
        let visit = &mut *visit;
        guarded(move || {
            let mut range = self.db.range(start..end);
            loop {
                let next = match order {
                    crate::storage::Order::Ascending => range.next(),
                    crate::storage::Order::Descending => range.next_back(),
                };
                let Some(entry) = next else { return Ok(()) };
                let (key, stored) = entry?;
                if !visit(&key, &stored) {
                    return Ok(());
                }
            }
        })?
    }

    /// Hands every record to `visit`.
    pub(crate) fn scan_all(
        &self,
        visit: &mut dyn FnMut(IVec, IVec) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        quietly(|| {
            for entry in self.db.iter() {
                let (key, stored) = entry?;
                if key != APPLIED_KEY {
                    visit(key, stored)?;
                }
            }
            Ok(())
        })?
    }

    /// Bytes that sled takes on the disk.
    pub(crate) fn disk_bytes(&self) -> Result<u64, IndexError> {
        Ok(guarded(|| self.db.size_on_disk())??)
    }

    /// Hands what sled still holds back to the operating system. It shortens the replay after the
    /// death of the process; nothing depends on it.
    pub(crate) fn flush(&self) -> Result<(), IndexError> {
        guarded(|| self.db.flush())??;
        Ok(())
    }
}

/// A crash in the middle of writing a snapshot leaves this file, which makes sled refuse to open.
fn remove_half_written_snapshots(folder: &Path) -> io::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::warn!(file = %path.display(), "removed a half-written snapshot of the index");
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn is_locked(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.to_string().contains("could not acquire lock")
}

/// Runs a call into sled and turns a panic into an error.
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, IndexError> {
    // What a panic leaves half done within sled is never used again: the index counts as failed.
    panic::catch_unwind(AssertUnwindSafe(call)).map_err(|cause| IndexError::Failed(words(&*cause)))
}

fn words(cause: &(dyn std::any::Any + Send)) -> String {
    let text = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| cause.downcast_ref::<String>().cloned());
    format!("sled panicked: {}", text.unwrap_or_default())
}

thread_local! {
    /// Whether a panic of this thread is expected and its message unwanted.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Serializes the exchange of the process's panic hook.
static HOOK: Mutex<()> = Mutex::new(());

/// As [`guarded`], without the panic's message on standard error: at start a damaged index is an
/// ordinary finding, which is logged and repaired.
fn quietly<T>(call: impl FnOnce() -> T) -> Result<T, IndexError> {
    let _exchange = HOOK.lock();
    let before = Arc::new(panic::take_hook());
    let others = Arc::clone(&before);
    panic::set_hook(Box::new(move |info| {
        if !QUIET.get() {
            others(info);
        }
    }));
    QUIET.set(true);
    let result = guarded(call);
    QUIET.set(false);
    drop(panic::take_hook());
    if let Ok(before) = Arc::try_unwrap(before) {
        panic::set_hook(before);
    }
    result
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Seen to fail when the hook of the process stayed exchanged, and when it was not exchanged.
    #[test]
    fn a_panic_is_an_error_and_is_shown_only_when_it_is_unexpected() {
        static SHOWN: AtomicU64 = AtomicU64::new(0);
        panic::set_hook(Box::new(|_| {
            SHOWN.fetch_add(1, Ordering::SeqCst);
        }));
        let quiet = quietly(|| -> () { panic!("of {}", "sled") });
        assert_eq!(quiet.expect_err("it panicked").to_string(), "the index failed: sled panicked: of sled");
        assert_eq!(SHOWN.load(Ordering::SeqCst), 0);
        assert!(guarded(|| -> () { panic!("at run time") }).is_err());
        let shown = SHOWN.load(Ordering::SeqCst);
        drop(panic::take_hook());
        assert_eq!(shown, 1);
    }
}
