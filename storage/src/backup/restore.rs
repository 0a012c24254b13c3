//! Bringing a backup back into a data folder.
//!
//! ```text
//! restore.tmp/journal   the copy, until it is whole and was read back; a start removes it
//! replaced-<time>/      then its name; the journals are exchanged, and it has the old one
//! ```
//!
//! Pictures are copied beside those that are there, before the exchange; those that the backup does not have are moved
//! away after it. A crash before the exchange leaves the old data, one after it the new.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::Timestamp;

use super::check::{self, read_layout};
use super::copying::{self, Copier, CopyError, hash_file};
use super::manifest::Manifest;
use super::{BackupError, Checked, check_backup, numbers};
use crate::commit::Seq;
use crate::damage::JournalError;
use crate::digest::ContentDigest;
use crate::files::Files;
use crate::index;
use crate::journal::acknowledged::AcknowledgedMark;
use crate::journal::latest::{self, Sources};
use crate::journal::reader::Ignore;
use crate::journal::segment::Position;
use crate::journal::{self, layout::Layout};
use crate::lock::{JournalLock, LockError, WriterLock};
use crate::pictures;
use crate::space::SpaceProbe;
use crate::status::{Progress, Silent};
use crate::table::Table;
use crate::vault::{Random, UnlockError, Vault};
use crate::view::JournalView;

/// What becomes of data that is in the folder already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupied {
    /// Nothing: the restore is refused.
    Refuse,
    /// It is kept aside, in a folder within the data folder.
    SetAside,
}

/// A backup that is to be brought back.
#[derive(Clone)]
pub struct Restore {
    /// The backup.
    pub from: PathBuf,
    /// The data folder; its keys must be there already.
    pub data: PathBuf,
    /// What becomes of data that is there.
    pub occupied: Occupied,
    /// The file layer that the data is written with.
    pub files: Arc<dyn Files>,
    /// Knows how much room there is.
    pub space: Arc<dyn SpaceProbe>,
    /// Is told how it goes on.
    pub progress: Arc<dyn Progress>,
    /// Opening keys takes it, though nothing is sealed here.
    pub random: Arc<dyn Random>,
    /// What time it is.
    pub now: Timestamp,
}

/// What was brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreReport {
    /// The last commit of the backup.
    pub seq: Seq,
    /// What lives after it, computed from the copy; it is that of the backup.
    pub digest: ContentDigest,
    /// What lives in the data folder now, where all running numbers were moved ahead by one more commit.
    pub now: (Seq, ContentDigest),
    /// When the backup was made.
    pub taken_at: Timestamp,
    /// Bytes of journal and pictures.
    pub bytes: u64,
    /// Where the data lies that was there before.
    pub set_aside: Option<PathBuf>,
}

/// Why nothing was restored. The data folder has what it had.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup cannot be used, or there is no room for it.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// Another process works on the folder.
    #[error("{} is in use by process {process}: stop it first", .path.display())]
    InUse {
        /// The data folder.
        path: PathBuf,
        /// The number of the process.
        process: String,
    },
    /// Somebody reads the journal that is to be replaced.
    #[error("{} is being read, by a backup or verify: wait for its end", .0.display())]
    BeingRead(PathBuf),
    /// There is data in the folder.
    #[error("{} has data already", .0.display())]
    Occupied(PathBuf),
    /// The keys are missing, or those of other data.
    #[error(transparent)]
    Keys(#[from] UnlockError),
    /// A file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl From<CopyError> for RestoreError {
    fn from(error: CopyError) -> Self {
        Self::Backup(error.into())
    }
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> RestoreError {
    let path = path.to_owned();
    |source| RestoreError::Io { path, source }
}

/// Where a copy lies that is not whole yet.
pub(crate) fn draft_folder(data: &Path) -> PathBuf {
    data.join("restore.tmp")
}

/// Removes what a restore left that was cut short.
pub(crate) fn remove_draft(data: &Path) -> io::Result<()> {
    match fs::remove_dir_all(draft_folder(data)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

impl Restore {
    /// Checks the backup and the keys, copies, reads the copy back, and only then puts it in the place of what was
    /// there. No server may run. Blocks the thread.
    ///
    /// # Errors
    /// [`RestoreError`]; the folder has what it had.
    pub fn run(&self) -> Result<RestoreReport, RestoreError> {
        let manifest = check::read_manifest(&self.from)?;
        fs::create_dir_all(&self.data).map_err(io_at(&self.data))?;
        let _lock = self.lock()?;
        let occupied = is_occupied(&self.data).map_err(io_at(&self.data))?;
        if occupied && self.occupied == Occupied::Refuse {
            return Err(RestoreError::Occupied(self.data.clone()));
        }
        let Some(_readers) = JournalLock::try_exclude(&self.data).map_err(io_at(&self.data))? else {
            return Err(RestoreError::BeingRead(self.data.clone()));
        };
        let layout = read_layout(&self.from)?;
        self.check_keys(&layout)?;
        let checked = check_backup(&self.from, self.progress.as_ref())?;
        remove_draft(&self.data).map_err(io_at(&self.data))?;
        let end = self.copy(&layout, &manifest, &checked)?;
        let set_aside = if occupied { Some(self.exchange()?) } else { None };
        if set_aside.is_none() {
            self.move_in()?;
        }
        if let Some(aside) = &set_aside {
            self.move_surplus_pictures(&manifest, aside)?;
        }
        // Proved once more by what is in its place now.
        let now = self.check_place(&end)?;
        Ok(RestoreReport {
            now,
            seq: manifest.seq,
            digest: manifest.digest,
            taken_at: manifest.taken_at,
            bytes: checked.bytes,
            set_aside,
        })
    }

    fn lock(&self) -> Result<WriterLock, RestoreError> {
        WriterLock::acquire(&self.data).map_err(|error| match error {
            LockError::Held { process } => RestoreError::InUse { path: self.data.clone(), process },
            LockError::Io(source) => RestoreError::Io { path: self.data.clone(), source },
        })
    }

    /// Refuses keys that cannot open what the backup has.
    fn check_keys(&self, layout: &Layout) -> Result<(), RestoreError> {
        let view = JournalView::read_from(Sources::all(layout), &[Table::Meta], &Silent);
        let view = view.map_err(BackupError::Damaged)?;
        Vault::unlock_view(&view, &self.data.join("keys"), Arc::clone(&self.random))?;
        Ok(())
    }

    /// Copies the pictures into their place and the journal beside its own, and reads the journal back.
    fn copy(
        &self,
        layout: &Layout,
        manifest: &Manifest,
        checked: &Checked,
    ) -> Result<Position, RestoreError> {
        let files = self.files.as_ref();
        let mut copier = Copier {
            files,
            space: self.space.as_ref(),
            min_free_bytes: 0,
            progress: self.progress.as_ref(),
            done: 0,
            total: checked.bytes,
        };
        copier.check_room()?;
        let draft = draft_folder(&self.data);
        let folder = journal::folder(&draft);
        for path in [&draft, &folder] {
            files.create_dir(path).map_err(io_at(path))?;
        }
        for file in layout.snapshot.iter().chain(&layout.segments) {
            let Some(name) = file.path.file_name() else { unreachable!("the layout found it by its name") };
            let to = folder.join(name);
            copier.copy(&file.path, &to, None, &[])?;
            copying::forget(&to);
        }
        files.sync_dir(&folder).map_err(io_at(&folder))?;
        let (copied, to) = check::check_journal(&draft, manifest, &mut Ignore)?;
        let end = numbers::skip_ahead(files, &draft, &copied, &to, self.now)?;
        AcknowledgedMark::create(files, &folder, end.seq).map_err(io_at(&folder))?;
        files.sync_dir(&folder).map_err(io_at(&folder))?;
        files.sync_dir(&draft).map_err(io_at(&draft))?;
        self.copy_pictures(&mut copier, manifest)?;
        Ok(end)
    }

    /// Reads the journal in its place and compares it with where the copy ended.
    fn check_place(&self, end: &Position) -> Result<(Seq, ContentDigest), RestoreError> {
        let layout = read_layout(&self.data)?;
        let to = latest::read_all(Sources::all(&layout), &mut Ignore)?;
        if (to.position.seq, to.position.digests) != (end.seq, end.digests) {
            return Err(BackupError::Differs(journal::folder(&self.data)).into());
        }
        Ok((end.seq, end.digests.content()))
    }

    fn copy_pictures(&self, copier: &mut Copier<'_>, manifest: &Manifest) -> Result<(), RestoreError> {
        let folder = pictures::folder(&self.data);
        if !folder.is_dir() {
            self.files.create_dir(&folder).map_err(io_at(&folder))?;
            self.files.sync_dir(&self.data).map_err(io_at(&self.data))?;
        }
        for picture in &manifest.pictures {
            let to = folder.join(&picture.name);
            let same = |found: copying::Copied| (found.bytes, found.hash) == (picture.bytes, picture.hash);
            if hash_file(&to).is_ok_and(same) {
                continue;
            }
            let draft = folder.join(format!("{}{}", picture.name, pictures::DRAFT_SUFFIX));
            copier.copy(&self.from.join("files").join(&picture.name), &draft, None, &[])?;
            self.files.rename(&draft, &to).map_err(io_at(&to))?;
        }
        self.files.sync_dir(&folder).map_err(io_at(&folder))
    }

    /// Puts the copy where nothing is.
    fn move_in(&self) -> Result<(), RestoreError> {
        let draft = draft_folder(&self.data);
        let place = journal::folder(&self.data);
        self.files.rename(&journal::folder(&draft), &place).map_err(io_at(&place))?;
        self.files.sync_dir(&self.data).map_err(io_at(&self.data))?;
        remove_draft(&self.data).map_err(io_at(&draft))
    }

    /// Exchanges the copy with what is there, and answers where that is now.
    fn exchange(&self) -> Result<PathBuf, RestoreError> {
        let files = self.files.as_ref();
        let aside = self.data.join(format!("replaced-{}", self.now.as_millis()));
        // From here on a start must not remove it: after the exchange it has the old journal.
        files.rename(&draft_folder(&self.data), &aside).map_err(io_at(&aside))?;
        // The index goes first: it knows commits that the backup does not have, and is made anew from either journal.
        let index = index::folder(&self.data);
        if index.exists() {
            files.rename(&index, &index::folder(&aside)).map_err(io_at(&index))?;
        }
        index::remove_set_aside(&self.data).map_err(io_at(&self.data))?;
        files.sync_dir(&self.data).map_err(io_at(&self.data))?;
        let (place, copy) = (journal::folder(&self.data), journal::folder(&aside));
        if place.exists() {
            files.exchange(&copy, &place).map_err(io_at(&place))?;
        } else {
            files.rename(&copy, &place).map_err(io_at(&place))?;
        }
        files.sync_dir(&aside).map_err(io_at(&aside))?;
        files.sync_dir(&self.data).map_err(io_at(&self.data))?;
        Ok(aside)
    }

    /// Pictures that the backup does not have belong to the data that was there.
    fn move_surplus_pictures(&self, manifest: &Manifest, aside: &Path) -> Result<(), RestoreError> {
        let folder = pictures::folder(&self.data);
        let found = pictures::list(&self.data).map_err(io_at(&folder))?;
        // The list of a backup is in the order of its names.
        let kept = |name: &str| {
            manifest.pictures.binary_search_by(|picture| picture.name.as_str().cmp(name)).is_ok()
        };
        let surplus: Vec<_> = found.into_iter().map(|(name, _)| name).filter(|name| !kept(name)).collect();
        if surplus.is_empty() {
            return Ok(());
        }
        let to = aside.join("files");
        self.files.create_dir(&to).map_err(io_at(&to))?;
        for name in surplus {
            self.files.rename(&folder.join(&name), &to.join(&name)).map_err(io_at(&folder))?;
        }
        for path in [&to, &folder] {
            self.files.sync_dir(path).map_err(io_at(path))?;
        }
        Ok(())
    }
}

fn is_occupied(data: &Path) -> io::Result<bool> {
    if index::folder(data).exists() {
        return Ok(true);
    }
    match fs::read_dir(journal::folder(data)) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl From<JournalError> for RestoreError {
    fn from(error: JournalError) -> Self {
        Self::Backup(BackupError::Damaged(error))
    }
}
