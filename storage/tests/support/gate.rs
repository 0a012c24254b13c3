//! A file layer whose syncs can be held up, so that a test decides which commits share a group.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use storage::{DiskFiles, Files, WritableFile};

/// Holds syncs up while it is shut.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    shut: bool,
    /// Syncs that pass although it is shut.
    let_through: u64,
    waiting: u64,
}

/// The gate is shut.
#[derive(Debug)]
pub(crate) struct Shut<'a>(&'a Gate);

impl Drop for Shut<'_> {
    fn drop(&mut self) {
        self.0.0.0.lock().expect("no panic").shut = false;
        self.0.0.1.notify_all();
    }
}

impl Gate {
    /// Holds the syncs up until what is returned is dropped, also by a test that fails.
    pub(crate) fn shut(&self) -> Shut<'_> {
        self.0.0.lock().expect("no panic").shut = true;
        Shut(self)
    }

    /// Lets one sync pass and stays shut.
    pub(crate) fn let_one_through(&self) {
        self.0.0.lock().expect("no panic").let_through += 1;
        self.0.1.notify_all();
    }

    /// Returns once a sync waits.
    pub(crate) fn wait_until_held(&self) {
        let state = self.0.0.lock().expect("no panic");
        drop(self.0.1.wait_while(state, |state| state.waiting == 0).expect("no panic"));
    }

    fn pass(&self) {
        let mut state = self.0.0.lock().expect("no panic");
        state.waiting += 1;
        self.0.1.notify_all();
        let held = |state: &mut State| state.shut && state.let_through == 0;
        let mut state = self.0.1.wait_while(state, held).expect("no panic");
        state.let_through = state.let_through.saturating_sub(1);
        state.waiting -= 1;
    }
}

impl Files for Gate {
    fn create(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        Ok(Box::new(GatedFile { file: DiskFiles.create(path)?, gate: self.clone() }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        Ok(Box::new(GatedFile { file: DiskFiles.open(path)?, gate: self.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        DiskFiles.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        DiskFiles.remove(path)
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        DiskFiles.sync_dir(folder)
    }
}

#[derive(Debug)]
struct GatedFile {
    file: Box<dyn WritableFile>,
    gate: Gate,
}

impl WritableFile for GatedFile {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync_data()
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }
}
