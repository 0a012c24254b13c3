//! Making a backup.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::Timestamp;

use super::BackupError;
use super::check;
use super::copying::{self, Copied, Copier};
use super::manifest::{self, Manifest, PictureLine};
use super::shelf::DRAFT_SUFFIX;
use crate::commit::Seq;
use crate::digest::ContentDigest;
use crate::files::Files;
use crate::journal;
use crate::journal::frame::Kind;
use crate::journal::frozen::Frozen;
use crate::journal::layout::JournalFile;
use crate::journal::reader::{End, Ignore};
use crate::journal::segment;
use crate::pictures;
use crate::priority;
use crate::space::SpaceProbe;
use crate::status::Progress;

/// A backup that is to be made.
#[derive(Clone, Debug)]
pub struct Backup {
    /// The data folder; a server may be writing to it.
    pub data: PathBuf,
    /// The folder that the backup becomes. It must not exist, the folder around it must.
    pub target: PathBuf,
    /// The file layer that it is written with.
    pub files: Arc<dyn Files>,
    /// Knows how much room there is for it.
    pub space: Arc<dyn SpaceProbe>,
    /// So much room is left over, for the server where it uses the same disk.
    pub min_free_bytes: u64,
    /// Is told how it goes on.
    pub progress: Arc<dyn Progress>,
    /// What time it is.
    pub now: Timestamp,
}

/// What a backup has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupReport {
    /// The last commit in it.
    pub seq: Seq,
    /// What lives after that commit.
    pub digest: ContentDigest,
    /// Bytes of journal and pictures.
    pub bytes: u64,
    /// How many pictures it has.
    pub pictures: u64,
}

impl Backup {
    /// Copies everything up to the last commit, reads it back, and only then gives it its name. Blocks the thread, but
    /// no commit; the work is done by a thread of low priority. A folder of an earlier try that was cut short is removed first.
    ///
    /// # Errors
    /// [`BackupError`]; nothing is left under the name.
    pub fn write(&self) -> Result<BackupReport, BackupError> {
        let io = |source| BackupError::Io { path: self.target.clone(), source };
        priority::aside("backup", || self.write_now()).map_err(io)?
    }

    fn write_now(&self) -> Result<BackupReport, BackupError> {
        let (parent, draft) = self.places()?;
        let frozen = Frozen::take(&self.data)?;
        let _lock = begin_draft(self.files.as_ref(), &self.target, &draft)?;
        let written = self.write_draft(&frozen, &draft).and_then(|report| {
            let io = |source| BackupError::Io { path: self.target.clone(), source };
            self.files.rename(&draft, &self.target).map_err(io)?;
            self.files.sync_dir(&parent).map_err(io)?;
            Ok(report)
        });
        if written.is_err() {
            // If it cannot be removed now, the next try does it.
            let _ = fs::remove_dir_all(&draft);
        }
        written
    }

    /// The folder around the backup, and the name that it has until it is whole.
    fn places(&self) -> Result<(PathBuf, PathBuf), BackupError> {
        let name = self.target.file_name().ok_or_else(|| BackupError::BadName(self.target.clone()))?;
        let parent = match self.target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            Some(_) | None => PathBuf::from("."),
        };
        if !parent.is_dir() {
            return Err(BackupError::NoFolder(parent));
        }
        if self.target.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(self.target.clone()));
        }
        let within = |data: PathBuf| parent.canonicalize().is_ok_and(|parent| parent.starts_with(data));
        if self.data.canonicalize().is_ok_and(within) {
            return Err(BackupError::InData(self.target.clone()));
        }
        let mut draft = name.to_os_string();
        draft.push(DRAFT_SUFFIX);
        Ok((parent.clone(), parent.join(draft)))
    }

    fn write_draft(&self, frozen: &Frozen, draft: &Path) -> Result<BackupReport, BackupError> {
        let pictures = pictures::list(&self.data)
            .map_err(|source| BackupError::Io { path: self.data.join("files"), source })?;
        let picture_bytes: u64 = pictures.iter().map(|(_, bytes)| bytes).sum();
        let mut copier = Copier {
            files: self.files.as_ref(),
            space: self.space.as_ref(),
            min_free_bytes: self.min_free_bytes,
            progress: self.progress.as_ref(),
            done: 0,
            total: frozen.layout.bytes() + picture_bytes,
        };
        copier.check_room()?;
        let bytes = copy_journal(&mut copier, frozen, draft)?;
        let pictures = copy_pictures(&mut copier, &self.data, draft, &pictures)?;
        let position = &frozen.to.position;
        let manifest =
            Manifest { taken_at: self.now, seq: position.seq, digest: position.digests.content(), pictures };
        self.write_manifest(draft, &manifest)?;
        // Not before it is read back does it count.
        check::check_journal(draft, &manifest, &mut Ignore)?;
        let picture_bytes = check::check_pictures(draft, &manifest, self.progress.as_ref())?;
        Ok(BackupReport {
            seq: manifest.seq,
            digest: manifest.digest,
            bytes: bytes + picture_bytes,
            pictures: manifest.pictures.len() as u64,
        })
    }

    fn write_manifest(&self, draft: &Path, manifest: &Manifest) -> Result<(), BackupError> {
        let path = manifest::path_in(draft);
        let write = || -> io::Result<()> {
            let mut file = self.files.create(&path)?;
            file.write_all_at(manifest.to_text().as_bytes(), 0)?;
            file.sync_data()?;
            self.files.sync_dir(draft)
        };
        write().map_err(|source| BackupError::Io { path: path.clone(), source })
    }
}

/// Makes the folder that the backup is written into; it is locked for as long as the answer lives.
fn begin_draft(files: &dyn Files, target: &Path, draft: &Path) -> Result<File, BackupError> {
    let io = |source| BackupError::Io { path: draft.to_owned(), source };
    match File::open(draft) {
        Ok(old) => {
            lock(&old, target, draft)?;
            fs::remove_dir_all(draft).map_err(io)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(error)),
    }
    files.create_dir(draft).map_err(io)?;
    let folder = File::open(draft).map_err(io)?;
    lock(&folder, target, draft)?;
    Ok(folder)
}

fn lock(folder: &File, target: &Path, draft: &Path) -> Result<(), BackupError> {
    folder.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => BackupError::InProgress(target.to_owned()),
        TryLockError::Error(source) => BackupError::Io { path: draft.to_owned(), source },
    })
}

/// Answers the bytes of the copies.
fn copy_journal(copier: &mut Copier<'_>, frozen: &Frozen, draft: &Path) -> Result<u64, BackupError> {
    let folder = journal::folder(draft);
    copier.files.create_dir(&folder).map_err(copying::io_at(&folder))?;
    let mut bytes = 0;
    let (last, closed) = match frozen.layout.segments.split_last() {
        Some((last, closed)) => (last, closed),
        None => unreachable!("a frozen journal has a last segment"),
    };
    for file in frozen.layout.snapshot.iter().chain(closed) {
        bytes += copy_file(copier, file, &folder, None, &[])?.bytes;
    }
    // Closed like the others, so that a copy that was cut short is told from one that is whole.
    let position = &frozen.to.position;
    let tail = match frozen.to.end {
        End::Closed | End::ClosedUncut => Vec::new(),
        End::Open | End::Torn { .. } if position.seq < last.header.seq => Vec::new(),
        End::Open | End::Torn { .. } => segment::end_frame(Kind::SegmentEnd, position).0,
    };
    bytes += copy_file(copier, last, &folder, Some(frozen.to.offset), &tail)?.bytes;
    copier.files.sync_dir(&folder).map_err(copying::io_at(&folder))?;
    Ok(bytes)
}

fn copy_file(
    copier: &mut Copier<'_>,
    file: &JournalFile,
    folder: &Path,
    limit: Option<u64>,
    tail: &[u8],
) -> Result<Copied, BackupError> {
    let Some(name) = file.path.file_name() else { unreachable!("the layout found it by its name") };
    let to = folder.join(name);
    let copied = copier.copy(&file.path, &to, limit, tail)?;
    copying::forget(&to);
    Ok(copied)
}

fn copy_pictures(
    copier: &mut Copier<'_>,
    data: &Path,
    draft: &Path,
    pictures: &[(String, u64)],
) -> Result<Vec<PictureLine>, BackupError> {
    let folder = draft.join("files");
    copier.files.create_dir(&folder).map_err(copying::io_at(&folder))?;
    let mut lines = Vec::with_capacity(pictures.len());
    for (name, _) in pictures {
        let (from, to) = (pictures::folder(data).join(name), folder.join(name));
        match copier.copy(&from, &to, None, &[]) {
            Ok(Copied { bytes, hash }) => lines.push(PictureLine { name: name.clone(), bytes, hash }),
            // Its owner has chosen another one meanwhile.
            Err(copying::CopyError::Io { path, source })
                if path == from && source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        copying::forget(&to);
    }
    copier.files.sync_dir(&folder).map_err(copying::io_at(&folder))?;
    Ok(lines)
}
