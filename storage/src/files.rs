//! The file layer that every write of the journal goes through. It is narrow, so that a test can
//! stand in for the disk and fail any one write or sync.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Creates, renames and removes files.
pub trait Files: fmt::Debug + Send + Sync {
    /// Creates an empty file for writing; an existing one is emptied.
    ///
    /// # Errors
    /// Whatever the file system reports.
    fn create(&self, path: &Path) -> io::Result<Box<dyn WritableFile>>;

    /// Opens an existing file for writing, without changing it.
    ///
    /// # Errors
    /// Whatever the file system reports.
    fn open(&self, path: &Path) -> io::Result<Box<dyn WritableFile>>;

    /// Gives a file its new name, replacing a file that has it.
    ///
    /// # Errors
    /// Whatever the file system reports.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// Whatever the file system reports.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Creates a folder that only its owner may read.
    ///
    /// # Errors
    /// Whatever the file system reports.
    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(folder)
    }

    /// Gives each of two files or folders the name of the other, in one step that a crash does not divide.
    ///
    /// # Errors
    /// Whatever the file system reports, also that it cannot do this.
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
    }

    /// Makes the names within a folder durable.
    ///
    /// # Errors
    /// Whatever the file system reports. A failed sync must never be repeated: the kernel may have
    /// dropped the pages and then reports success.
    fn sync_dir(&self, folder: &Path) -> io::Result<()>;
}

/// One file that is being written.
pub trait WritableFile: fmt::Debug + Send {
    /// Writes all bytes at this offset.
    ///
    /// # Errors
    /// Whatever the file system reports; some of the bytes may have been written.
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the contents and the length durable (`fdatasync`).
    ///
    /// # Errors
    /// Whatever the file system reports. A failed sync must never be repeated.
    fn sync_data(&mut self) -> io::Result<()>;

    /// Cuts the file to this length.
    ///
    /// # Errors
    /// Whatever the file system reports.
    fn set_len(&mut self, bytes: u64) -> io::Result<()>;
}

/// The files of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        Ok(Box::new(DiskFile(OpenOptions::new().write(true).open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

#[derive(Debug)]
struct DiskFile(File);

impl WritableFile for DiskFile {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(&self.0, bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }
}
