//! The files in `<data>/keys/`: one secret of 32 bytes each, as a line of 64 hex digits.
//!
//! Hex rather than raw bytes, because the clinic has to keep a copy of these files somewhere safe, and
//! a line of text survives an editor, a printer and a password safe.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{Random, SECRET_LEN, SecretKey, VaultError};

/// A key file holds 64 digits and a line end; anything much longer is not one of ours.
const LONGEST_FILE: u64 = 256;

/// Creates the folder for the key files if it is not there yet, readable by its owner only.
pub(super) fn create_folder(folder: &Path) -> Result<(), VaultError> {
    let created = fs::DirBuilder::new().mode(0o700).create(folder);
    match created {
        Ok(()) => match folder.parent() {
            Some(parent) => sync_folder(parent),
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(file_error(folder, error)),
    }
}

/// Reads one key file, or `None` if it does not exist.
///
/// # Errors
/// Refuses a file that everybody on the machine may read or write, and one that does not hold
/// exactly one secret.
pub(super) fn read(path: &Path) -> Result<Option<SecretKey>, VaultError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error(path, error)),
    };
    check_permissions(path, &file)?;
    let mut text = String::new();
    file.take(LONGEST_FILE).read_to_string(&mut text).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => VaultError::Malformed { path: path.to_owned() },
        _ => file_error(path, error),
    })?;
    match parse_hex(text.trim_end()) {
        Some(secret) => Ok(Some(SecretKey(secret))),
        None => Err(VaultError::Malformed { path: path.to_owned() }),
    }
}

/// Reads a file of one line of visible ASCII characters, or `None` if it does not exist.
///
/// # Errors
/// Refuses a file that everybody on the machine may read or write, and one that holds anything else.
pub(super) fn read_line(path: &Path) -> Result<Option<String>, VaultError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error(path, error)),
    };
    check_permissions(path, &file)?;
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE).read_to_end(&mut bytes).map_err(|error| file_error(path, error))?;
    let line = bytes.trim_ascii_end();
    match std::str::from_utf8(line) {
        Ok(text) if !text.is_empty() && line.iter().all(u8::is_ascii_graphic) => Ok(Some(text.to_owned())),
        Ok(_) | Err(_) => Err(VaultError::NotOneLine { path: path.to_owned() }),
    }
}

/// Makes a new secret and stores it durably, or reads the one that another process stored first.
///
/// The secret must be on disk before anything is sealed with it: a power cut that kept the sealed
/// records but not the key would lose them all. It is written under a passing name and then linked,
/// so that the final name never stands for half a secret and never replaces an existing one.
pub(super) fn create(path: &Path, random: &dyn Random) -> Result<SecretKey, VaultError> {
    let mut secret = [0; SECRET_LEN];
    random.fill(&mut secret).map_err(|_| VaultError::NoRandomness)?;

    let draft = draft_of(path);
    match fs::remove_file(&draft) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(file_error(&draft, error)),
    }
    write_draft(&draft, &secret).map_err(|error| file_error(&draft, error))?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).map_err(|error| file_error(&draft, error))?;
    if let Some(folder) = path.parent() {
        sync_folder(folder)?;
    }
    match linked {
        Ok(()) => Ok(SecretKey(secret)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(path)?.ok_or_else(|| VaultError::Missing { path: path.to_owned() })
        }
        Err(error) => Err(file_error(path, error)),
    }
}

fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn write_draft(draft: &Path, secret: &[u8; SECRET_LEN]) -> io::Result<()> {
    // `create_new` is O_EXCL: a link that somebody placed under this name is not followed.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    let mut line = to_hex(secret);
    line.push('\n');
    file.write_all(line.as_bytes())?;
    file.sync_all()
}

fn sync_folder(folder: &Path) -> Result<(), VaultError> {
    // The parent of a relative path of one component is the empty path: the current folder.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| file_error(folder, error))
}

fn check_permissions(path: &Path, file: &File) -> Result<(), VaultError> {
    let mode = file.metadata().map_err(|error| file_error(path, error))?.mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(VaultError::Exposed { path: path.to_owned(), mode });
    }
    if mode & 0o070 != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = format_args!("{mode:o}"),
            "the group of this key file may use it; chmod 600 keeps it to the server",
        );
    }
    Ok(())
}

fn file_error(path: &Path, source: io::Error) -> VaultError {
    VaultError::File { path: path.to_owned(), source }
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2 + 1);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 0x0f)]));
    }
    text
}

fn parse_hex(text: &str) -> Option<[u8; SECRET_LEN]> {
    if text.len() != SECRET_LEN * 2 {
        return None;
    }
    let mut secret = [0; SECRET_LEN];
    for (byte, pair) in secret.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(secret)
}
