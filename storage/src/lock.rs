//! The locks of a data folder. Both are locks of the operating system, which end with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Held by the one process that writes.
#[derive(Debug)]
pub(crate) struct WriterLock {
    _file: File,
}

/// Why the folder cannot be locked.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process has it, with this id where it has written it down already.
    Held {
        process: String,
    },
    Io(io::Error),
}

/// The file that the writer locks.
pub(crate) fn writer_path(data: &Path) -> PathBuf {
    data.join("LOCK")
}

impl WriterLock {
    /// Locks the folder, or says who has it.
    pub(crate) fn acquire(data: &Path) -> Result<Self, LockError> {
        let path = writer_path(data);
        let mut file = open(&path).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                file.read_to_string(&mut process).map_err(LockError::Io)?;
                return Err(LockError::Held { process: process.trim().to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        write_process(&mut file).map_err(LockError::Io)?;
        Ok(Self { _file: file })
    }
}

fn write_process(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// The lock that keeps the files of the journal where they are: shared by whoever reads them,
/// exclusive for whoever removes some.
#[derive(Debug)]
pub(crate) struct JournalLock {
    _file: File,
}

impl JournalLock {
    /// Waits until no file is being removed, and keeps it so.
    pub(crate) fn share(data: &Path) -> io::Result<Self> {
        let file = open(&data.join("journal.lock"))?;
        file.lock_shared()?;
        Ok(Self { _file: file })
    }

    /// Locks out readers; `None` while there are any.
    pub(crate) fn try_exclude(data: &Path) -> io::Result<Option<Self>> {
        let file = open(&data.join("journal.lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}
