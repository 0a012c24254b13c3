//! Whether a backup is whole and sound.

use std::path::Path;

use domain::Timestamp;

use super::BackupError;
use super::copying::hash_file;
use super::manifest::Manifest;
use crate::commit::Seq;
use crate::digest::ContentDigest;
use crate::journal;
use crate::journal::latest::{self, Sources};
use crate::journal::layout::Layout;
use crate::journal::reader::{End, ReadTo, Receiver};
use crate::status::{Progress, Step};
use crate::verify::Check;

/// What a sound backup has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// When it was begun.
    pub taken_at: Timestamp,
    /// The last commit in it.
    pub seq: Seq,
    /// What lives after that commit.
    pub digest: ContentDigest,
    /// Bytes of journal and pictures.
    pub bytes: u64,
    /// How many pictures it has.
    pub pictures: u64,
}

/// Reads a whole backup and compares it with its list, following every record through the journal. Changes nothing,
/// not even a lock file, so that it works on a disk that is mounted read-only.
///
/// # Errors
/// [`BackupError`], for the first thing that is wrong.
pub fn check_backup(backup: &Path, progress: &dyn Progress) -> Result<Checked, BackupError> {
    let manifest = read_manifest(backup)?;
    let layout = read_layout(backup)?;
    let mut check = Check::new(&layout, Seq::default(), progress);
    let to = check.read(&layout, manifest.seq).map_err(BackupError::Damaged)?;
    compare(backup, &layout, &to, &manifest)?;
    let pictures = check_pictures(backup, &manifest, progress)?;
    Ok(Checked {
        taken_at: manifest.taken_at,
        seq: manifest.seq,
        digest: manifest.digest,
        bytes: layout.bytes() + pictures,
        pictures: manifest.pictures.len() as u64,
    })
}

pub(super) fn read_manifest(backup: &Path) -> Result<Manifest, BackupError> {
    let read = Manifest::read(backup).map_err(|_| BackupError::NoBackup(backup.to_owned()))?;
    read.ok_or_else(|| BackupError::NoBackup(backup.to_owned()))
}

pub(super) fn read_layout(backup: &Path) -> Result<Layout, BackupError> {
    let layout = Layout::read(&journal::folder(backup)).map_err(BackupError::Damaged)?;
    if layout.is_empty() {
        return Err(BackupError::NoBackup(backup.to_owned()));
    }
    Ok(layout)
}

/// Reads the journal of a backup back, as far as its frames and segments vouch for each other.
pub(super) fn check_journal(
    backup: &Path,
    manifest: &Manifest,
    receiver: &mut dyn Receiver,
) -> Result<(Layout, ReadTo), BackupError> {
    let layout = read_layout(backup)?;
    let to = latest::read_all(Sources::all(&layout), receiver).map_err(BackupError::Damaged)?;
    compare(backup, &layout, &to, manifest)?;
    Ok((layout, to))
}

/// A backup ends with a closed segment, or one without a commit. Anything else is a part of one.
fn compare(backup: &Path, layout: &Layout, to: &ReadTo, manifest: &Manifest) -> Result<(), BackupError> {
    let whole = layout.segments.last().is_some_and(|last| {
        let empty = to.position.seq < last.header.seq;
        let closed = match to.end {
            End::Closed => true,
            End::Open => empty,
            End::ClosedUncut | End::Torn { .. } => false,
        };
        closed && last.bytes == to.offset
    });
    let same = to.position.seq == manifest.seq && to.position.digests.content() == manifest.digest;
    if whole && same { Ok(()) } else { Err(BackupError::Differs(journal::folder(backup))) }
}

/// Answers the bytes of all pictures.
pub(super) fn check_pictures(
    backup: &Path,
    manifest: &Manifest,
    progress: &dyn Progress,
) -> Result<u64, BackupError> {
    let total = manifest.pictures.iter().map(|picture| picture.bytes).sum();
    let mut done = 0;
    for picture in &manifest.pictures {
        let path = backup.join("files").join(&picture.name);
        let found = hash_file(&path).map_err(|source| BackupError::Io { path: path.clone(), source })?;
        if (found.bytes, found.hash) != (picture.bytes, picture.hash) {
            return Err(BackupError::Differs(path));
        }
        done += found.bytes;
        progress.report(Step::Check, done, total);
    }
    Ok(total)
}
