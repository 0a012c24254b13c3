//! A folder for one test, on the disk that the target folder is on.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::privacy;

/// Removed at the end of the test.
pub struct Folder(TempDir);

impl Folder {
    /// A new folder under the target folder. A file system in memory is refused: on it, a test that data is on disk
    /// shows nothing.
    pub fn new() -> Self {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let kind = file_system_of(parent);
        assert!(!["tmpfs", "ramfs"].contains(&kind.as_str()), "{} is on {kind}", parent.display());
        let folder = tempfile::Builder::new().prefix("clinic-").tempdir_in(parent);
        Self(folder.expect("a folder under the target folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The data folder of the program.
    pub fn store(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Writes a file beside the data folder.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).expect("written");
        path
    }
}

/// T19: nothing personal is left in the data folder or the backups of any test.
impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            privacy::check_files(&self.store());
            privacy::check_backups(self.path());
        }
    }
}

/// The type of the file system that a path is on, by the mount table of the kernel (proc(5)).
fn file_system_of(path: &Path) -> String {
    let path = path.canonicalize().expect("the target folder is there");
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("Linux");
    // 36 35 98:0 /root /mount/point options - type source options
    let mounts = mounts.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let point = place.split(' ').nth(4)?;
        path.starts_with(point).then(|| (point.len(), kind.split(' ').next().unwrap_or_default().to_owned()))
    });
    mounts.max_by_key(|(length, _)| *length).expect("every path is on some file system").1
}
