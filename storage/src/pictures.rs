//! Pictures that patients upload, one file each, in a folder beside the journal.
//!
//! The journal says which picture is whose; a file here that no record names is a leftover of an upload that was
//! cut short, and harmless. The name of a file is made of numbers that the server chose, never of a client's text.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::TenantId;

use crate::files::Files;

#[cfg(test)]
mod tests;

/// Names one picture: 16 bytes that nobody can guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PictureId([u8; 16]);

impl PictureId {
    /// The id of these bytes, which should be random.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads what `Display` wrote: 32 lower-case hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        if text.len() != 32 {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for PictureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The formats that are taken. Nothing in here can run in a browser, as SVG can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PictureKind {
    /// JPEG
    Jpeg,
    /// PNG
    Png,
    /// GIF
    Gif,
    /// WebP
    WebP,
}

impl PictureKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Jpeg, Self::Png, Self::Gif, Self::WebP];

    /// The extension that a picture is stored with, without a dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::WebP => "webp",
        }
    }
}

/// One stored picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Picture {
    /// The clinic that it belongs to.
    pub tenant: TenantId,
    /// Its id.
    pub id: PictureId,
    /// Its format.
    pub kind: PictureKind,
}

impl Picture {
    fn file_name(&self) -> String {
        format!("{}-{}.{}", self.tenant, self.id, self.kind.extension())
    }
}

/// The folder of the pictures.
#[derive(Clone, Debug)]
pub struct PictureFiles {
    folder: PathBuf,
    files: Arc<dyn Files>,
}

impl PictureFiles {
    /// Opens the folder, or creates it, and removes what an upload that was cut short left half written.
    pub(crate) fn open(data: &Path, files: Arc<dyn Files>) -> io::Result<Self> {
        let folder = folder(data);
        match fs::create_dir(&folder) {
            Ok(()) => files.sync_dir(data)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().ends_with(DRAFT_SUFFIX.as_bytes()) {
                files.remove(&entry.path())?;
            }
        }
        Ok(Self { folder, files })
    }

    /// Stores a picture durably, whole or not at all. Of one picture only one call may be under way. Blocks the
    /// thread.
    ///
    /// # Errors
    /// Whatever the file system reports. Nothing may be told to refer to the picture then.
    pub fn put(&self, picture: &Picture, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(picture);
        let draft = self.folder.join(picture.file_name() + DRAFT_SUFFIX);
        let written = self.write(&draft, bytes).and_then(|()| self.files.rename(&draft, &path));
        if let Err(error) = written {
            // The next start removes the draft where this fails.
            let _ = self.files.remove(&draft);
            return Err(error);
        }
        self.files.sync_dir(&self.folder)
    }

    fn write(&self, draft: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.files.create(draft)?;
        file.write_all_at(bytes, 0)?;
        file.sync_data()
    }

    /// The bytes of a picture; `None` when there is no such picture. Blocks the thread.
    ///
    /// # Errors
    /// Whatever the file system reports.
    pub fn read(&self, picture: &Picture) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(picture)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether there is such a picture. Blocks the thread for a moment.
    ///
    /// # Errors
    /// Whatever the file system reports.
    pub fn contains(&self, picture: &Picture) -> io::Result<bool> {
        self.path(picture).try_exists()
    }

    /// Removes a picture. One that does not exist is no error. Blocks the thread.
    ///
    /// # Errors
    /// Whatever the file system reports.
    pub fn remove(&self, picture: &Picture) -> io::Result<()> {
        match self.files.remove(&self.path(picture)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn path(&self, picture: &Picture) -> PathBuf {
        self.folder.join(picture.file_name())
    }
}

/// Where the pictures of a data folder lie.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("files")
}

/// The names of all pictures with their lengths, in order. Those that are being written are not among them.
pub(crate) fn list(data: &Path) -> io::Result<Vec<(String, u64)>> {
    let entries = match fs::read_dir(folder(data)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut pictures = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') || name.ends_with(DRAFT_SUFFIX) {
            continue;
        }
        match entry.metadata() {
            Ok(found) if found.is_file() => pictures.push((name, found.len())),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    pictures.sort_unstable();
    Ok(pictures)
}

/// Ends the name of a file that is being written.
pub(crate) const DRAFT_SUFFIX: &str = ".new";
