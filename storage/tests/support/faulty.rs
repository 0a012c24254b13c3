//! A file layer that fails where it is told to.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use storage::{DiskFiles, Files, WritableFile};

/// What happens from the chosen call on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// That one call fails, those after it would succeed.
    Once,
    /// That call and every later one fails, as if the process had died: nothing is written.
    Forever,
}

/// Which calls count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Everything,
    /// Those on snapshots, which only a fold makes.
    Snapshots,
}

/// Counts the calls that change something and fails the chosen one.
#[derive(Debug)]
pub(crate) struct FaultyFiles {
    calls: Arc<Calls>,
}

#[derive(Debug)]
struct Calls {
    fail_at: u64,
    fault: Fault,
    scope: Scope,
    /// Whether the folder's next sync belongs to a snapshot that was renamed.
    snapshot_renamed: AtomicBool,
    made: AtomicU64,
    failed: AtomicBool,
    after_failure: AtomicU64,
}

impl FaultyFiles {
    /// Fails call number `fail_at`, counted from 1.
    pub(crate) fn new(fail_at: u64, fault: Fault, scope: Scope) -> Self {
        let calls = Calls {
            fail_at,
            fault,
            scope,
            snapshot_renamed: AtomicBool::new(false),
            made: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            after_failure: AtomicU64::new(0),
        };
        Self { calls: Arc::new(calls) }
    }

    /// Whether the chosen call was reached.
    pub(crate) fn has_failed(&self) -> bool {
        self.calls.failed.load(Ordering::SeqCst)
    }

    /// Writes and syncs that were tried after the failure.
    pub(crate) fn calls_after_failure(&self) -> u64 {
        self.calls.after_failure.load(Ordering::SeqCst)
    }

    /// All calls that change something.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.made.load(Ordering::SeqCst)
    }
}

impl Calls {
    fn counts(&self, path: &Path) -> bool {
        match self.scope {
            Scope::Everything => true,
            Scope::Snapshots => path.to_string_lossy().contains(".snap"),
        }
    }

    fn step_on(&self, path: &Path) -> io::Result<()> {
        if self.counts(path) { self.step() } else { Ok(()) }
    }

    fn step(&self) -> io::Result<()> {
        let call = self.made.fetch_add(1, Ordering::SeqCst) + 1;
        if self.failed.load(Ordering::SeqCst) {
            self.after_failure.fetch_add(1, Ordering::SeqCst);
        }
        let fails = match self.fault {
            Fault::Once => call == self.fail_at,
            Fault::Forever => call >= self.fail_at,
        };
        if fails {
            self.failed.store(true, Ordering::SeqCst);
            return Err(io::Error::other("planted"));
        }
        Ok(())
    }
}

impl Files for FaultyFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        self.calls.step_on(path)?;
        let file = DiskFiles.create(path)?;
        Ok(self.wrap(file, path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        let file = DiskFiles.open(path)?;
        Ok(self.wrap(file, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.calls.step_on(to)?;
        let snapshot = to.to_string_lossy().ends_with(".snap");
        self.calls.snapshot_renamed.store(snapshot, Ordering::SeqCst);
        DiskFiles.rename(from, to)
    }

    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        self.calls.step_on(folder)?;
        DiskFiles.create_dir(folder)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        self.calls.step_on(other)?;
        DiskFiles.exchange(one, other)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.calls.step_on(path)?;
        DiskFiles.remove(path)
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        let renamed = self.calls.snapshot_renamed.swap(false, Ordering::SeqCst);
        if renamed || self.calls.scope == Scope::Everything {
            self.calls.step()?;
        }
        DiskFiles.sync_dir(folder)
    }
}

impl FaultyFiles {
    fn wrap(&self, file: Box<dyn WritableFile>, path: &Path) -> Box<dyn WritableFile> {
        if !self.calls.counts(path) {
            return file;
        }
        let calls = Arc::clone(&self.calls);
        Box::new(FaultyFile { file, calls })
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: Box<dyn WritableFile>,
    calls: Arc<Calls>,
}

impl WritableFile for FaultyFile {
    /// A failed write leaves half of its bytes behind, as a full or dying disk does.
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(error) = self.calls.step() {
            if self.calls.fault == Fault::Once {
                self.file.write_all_at(&bytes[..bytes.len() / 2], offset)?;
            }
            return Err(error);
        }
        self.file.write_all_at(bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.calls.step()?;
        self.file.sync_data()
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.calls.step()?;
        self.file.set_len(bytes)
    }
}
