//! A file layer that refuses what a power cut could turn into a file with a name and no contents: giving a name to
//! something that is not durable yet.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use storage::{DiskFiles, Files, WritableFile};

/// Knows which files and folders have changed since their last sync.
#[derive(Clone, Debug, Default)]
pub(crate) struct OrderedFiles {
    unsynced: Arc<Mutex<BTreeSet<PathBuf>>>,
    renames: Arc<Mutex<u64>>,
    created: Arc<Mutex<Vec<PathBuf>>>,
}

impl OrderedFiles {
    /// How many names were given.
    pub(crate) fn renames(&self) -> u64 {
        *self.renames.lock().expect("no panic")
    }

    /// All files that were created.
    pub(crate) fn created(&self) -> Vec<PathBuf> {
        self.created.lock().expect("no panic").clone()
    }

    /// What would be lost by a power cut now.
    pub(crate) fn unsynced(&self) -> Vec<PathBuf> {
        self.unsynced.lock().expect("no panic").iter().cloned().collect()
    }

    fn changed(&self, path: &Path) {
        self.unsynced.lock().expect("no panic").insert(path.to_owned());
    }

    fn synced(&self, path: &Path) {
        self.unsynced.lock().expect("no panic").remove(path);
    }

    /// The name of a file is durable when its folder was synced.
    fn named(&self, path: &Path) {
        self.changed(path.parent().expect("a file is in a folder"));
    }

    fn assert_durable(&self, path: &Path) {
        let unsynced = self.unsynced();
        let within: Vec<_> = unsynced.iter().filter(|changed| changed.starts_with(path)).collect();
        assert!(within.is_empty(), "{} gets a name before {within:?} is durable", path.display());
        *self.renames.lock().expect("no panic") += 1;
    }

    fn wrap(&self, file: Box<dyn WritableFile>, path: &Path) -> Box<dyn WritableFile> {
        Box::new(OrderedFile { file, path: path.to_owned(), files: self.clone() })
    }
}

impl Files for OrderedFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        self.named(path);
        self.changed(path);
        self.created.lock().expect("no panic").push(path.to_owned());
        Ok(self.wrap(DiskFiles.create(path)?, path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        Ok(self.wrap(DiskFiles.open(path)?, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.assert_durable(from);
        self.named(from);
        self.named(to);
        DiskFiles.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.named(path);
        self.synced(path);
        DiskFiles.remove(path)
    }

    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        self.named(folder);
        self.changed(folder);
        DiskFiles.create_dir(folder)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.assert_durable(one);
        self.assert_durable(other);
        self.named(one);
        self.named(other);
        DiskFiles.exchange(one, other)
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        DiskFiles.sync_dir(folder)?;
        self.synced(folder);
        Ok(())
    }
}

#[derive(Debug)]
struct OrderedFile {
    file: Box<dyn WritableFile>,
    path: PathBuf,
    files: OrderedFiles,
}

impl WritableFile for OrderedFile {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.files.changed(&self.path);
        self.file.write_all_at(bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.files.synced(&self.path);
        Ok(())
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.files.changed(&self.path);
        self.file.set_len(bytes)
    }
}
