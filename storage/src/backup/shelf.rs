//! A folder of backups, of which the oldest make room for new ones.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use domain::Timestamp;

use super::manifest::Manifest;

/// A backup in the folder, as its list says; it is not read any further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelved {
    /// The backup.
    pub path: PathBuf,
    /// When it was begun.
    pub taken_at: Timestamp,
}

/// The backups in a folder whose names begin with `prefix`, the oldest first. Whatever else lies there is not looked at.
///
/// # Errors
/// The folder cannot be read.
pub fn shelved_backups(shelf: &Path, prefix: &str) -> io::Result<Vec<Shelved>> {
    let mut found = Vec::new();
    for path in entries(shelf, prefix)? {
        if !is_draft(&path)
            && let Ok(Some(manifest)) = Manifest::read(&path)
        {
            found.push(Shelved { path, taken_at: manifest.taken_at });
        }
    }
    found.sort_by(|one, other| (one.taken_at, &one.path).cmp(&(other.taken_at, &other.path)));
    Ok(found)
}

/// Removes what backups of this prefix left that were cut short. One that is being written stays.
///
/// # Errors
/// Whatever the file system reports.
pub fn remove_drafts(shelf: &Path, prefix: &str) -> io::Result<()> {
    for draft in entries(shelf, prefix)?.into_iter().filter(|path| is_draft(path)) {
        let folder = File::open(&draft)?;
        if folder.try_lock().is_ok() {
            fs::remove_dir_all(&draft)?;
        }
    }
    Ok(())
}

/// Removes a backup. A crash leaves a draft of it, never a part under its name.
///
/// # Errors
/// Whatever the file system reports.
pub fn remove_backup(backup: &Path) -> io::Result<()> {
    let mut draft = backup.as_os_str().to_owned();
    draft.push(DRAFT_SUFFIX);
    fs::rename(backup, &draft)?;
    fs::remove_dir_all(draft)
}

/// Ends the name of a backup that is not whole.
pub(super) const DRAFT_SUFFIX: &str = ".tmp";

fn is_draft(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(DRAFT_SUFFIX.as_bytes())
}

fn entries(shelf: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(shelf)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) && entry.file_type()?.is_dir()
        {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::Seq;
    use crate::digest::Digests;

    fn put(shelf: &Path, name: &str, taken_at: i64) {
        let manifest = Manifest {
            taken_at: Timestamp::from_millis(taken_at),
            seq: Seq::default(),
            digest: Digests::default().content(),
            pictures: Vec::new(),
        };
        fs::create_dir(shelf.join(name)).expect("made");
        fs::write(super::super::manifest::path_in(&shelf.join(name)), manifest.to_text()).expect("written");
    }

    /// Seen to fail when what others keep in the folder was counted too.
    #[test]
    fn only_own_backups_are_on_the_shelf() {
        let shelf = tempfile::tempdir().expect("there is room");
        put(shelf.path(), "pati-b", 5);
        put(shelf.path(), "pati-a", 7);
        put(shelf.path(), "pati-c.tmp", 9);
        put(shelf.path(), "others", 1);
        fs::create_dir(shelf.path().join("pati-d")).expect("made");
        fs::write(shelf.path().join("pati-e"), "").expect("written");
        let names = || {
            let found = shelved_backups(shelf.path(), "pati-").expect("readable");
            let names = found.into_iter().map(|one| one.path.file_name().expect("named").to_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(), ["pati-b", "pati-a"]);
        remove_backup(&shelf.path().join("pati-b")).expect("removed");
        assert_eq!(names(), ["pati-a"]);
        let busy = File::open(shelf.path().join("pati-c.tmp")).expect("it is there");
        busy.lock().expect("free");
        remove_drafts(shelf.path(), "pati-").expect("removed");
        assert!(shelf.path().join("pati-c.tmp").exists());
        drop(busy);
        remove_drafts(shelf.path(), "pati-").expect("removed");
        assert!(!shelf.path().join("pati-c.tmp").exists());
        assert!(shelf.path().join("others").exists() && shelf.path().join("pati-d").exists());
    }
}
