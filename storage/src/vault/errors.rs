//! What can go wrong with keys and sealed fields, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::record::Impossible;

/// Why the keys could not be used. Every message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// A key file is not there although the data needs it.
    #[error(
        "the key file {path} is missing, and the stored data cannot be read without it: \
         put back the copy of the keys folder that was kept with this data"
    )]
    Missing {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// The key files belong to other data.
    #[error(
        "the keys in {folder} are not the ones this data was sealed with: \
         put back the copy of the keys folder that was kept with this data"
    )]
    WrongKeys {
        /// The keys folder.
        folder: PathBuf,
    },
    /// A key file does not hold exactly one secret.
    #[error("the key file {path} does not hold one line of 64 hex digits: put back its copy")]
    Malformed {
        /// The file in question.
        path: PathBuf,
    },
    /// The file of a secret that was given to the clinic does not hold one.
    #[error(
        "the key file {path} does not hold one line of visible ASCII characters: write the secret into it"
    )]
    NotOneLine {
        /// The file in question.
        path: PathBuf,
    },
    /// Everybody on this machine may use the key.
    #[error("every user of this machine may use the key file {path} (mode {mode:o}): run chmod 600 on it")]
    Exposed {
        /// The file in question.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A secret was asked for by a name that cannot be a file name.
    #[error("{name:?} cannot name a key file: lower-case letters, digits and hyphens only")]
    BadName {
        /// The name in question.
        name: String,
    },
    /// A key file could not be read or written.
    #[error("the key file {path}: {source}")]
    File {
        /// The file or folder in question.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is nothing to make keys from.
    #[error("the operating system gave no random bytes, so no keys can be made")]
    NoRandomness,
}

/// Why a field could not be sealed or opened. Never says what is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Sealing needs a fresh nonce and got none.
    #[error("no random bytes for sealing")]
    NoRandomness,
    /// The field was sealed with a key that is not in the keys folder.
    #[error("a field was sealed with key {0}, which this server does not have")]
    UnknownKey(u8),
    /// The field was changed, cut, or moved here from another record.
    #[error("a sealed field does not belong to its record or was changed")]
    Refused,
    /// A newer version of the program sealed the field.
    #[error("a field was sealed by a newer version of the program")]
    NewerVersion,
    /// The field opens, but holds no value of its kind.
    #[error("a sealed field does not hold a {0}")]
    Malformed(&'static str),
}

impl From<Impossible> for SealError {
    fn from(Impossible(what): Impossible) -> Self {
        Self::Malformed(what)
    }
}
