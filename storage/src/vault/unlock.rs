//! From the keys folder beside the data to a vault that is known to fit it.

use std::path::Path;
use std::sync::Arc;

use super::{Existing, Random, Vault, VaultError};
use crate::commit::{Commit, CommitError};
use crate::keys;
use crate::records::MetaRecord;
use crate::storage::{ReadError, Storage};
use crate::view::JournalView;

/// Why the data and its keys did not come together.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// The keys cannot be used, or are not those of this data.
    #[error(transparent)]
    Keys(#[from] VaultError),
    /// It could not be read which keys belong to the data.
    #[error("cannot read which keys belong to the data: {0}")]
    Read(#[from] ReadError),
    /// It could not be stored which keys belong to the data.
    #[error("cannot store which keys belong to the data: {0}")]
    Commit(#[from] CommitError),
}

impl Vault {
    /// Opens the keys in `folder` for `storage`. Data that was never unlocked has nothing sealed in
    /// it: it gets new keys, and remembers their fingerprint before anything is sealed with them.
    /// Blocks the thread for that commit.
    ///
    /// # Errors
    /// [`UnlockError`]; the server must not start.
    pub fn unlock(storage: &Storage, folder: &Path, random: Arc<dyn Random>) -> Result<Self, UnlockError> {
        let key = keys::vault_keys();
        match storage.get(&key)?.map(|stored| stored.record) {
            Some(MetaRecord::Keys(fingerprint)) => {
                let vault = Self::open(folder, Existing::MustExist, random)?;
                vault.confirm(&fingerprint)?;
                Ok(vault)
            }
            Some(MetaRecord::NoShowsMarked(_) | MetaRecord::SchedulesGenerated(_)) => {
                Err(VaultError::WrongKeys { folder: folder.to_owned() }.into())
            }
            None => {
                let vault = Self::open(folder, Existing::CreateIfMissing, random)?;
                let mut commit = Commit::new();
                commit.require_absent(&key).put(&key, &MetaRecord::Keys(vault.fingerprint()));
                storage.commit(commit).wait()?;
                Ok(vault)
            }
        }
    }

    /// Opens the keys in `folder` for data that is only read. `None` when nothing was ever sealed in it. The view must
    /// have [`Table::Meta`](crate::Table::Meta).
    ///
    /// # Errors
    /// [`UnlockError::Keys`] when keys are missing or those of other data.
    pub fn unlock_view(
        view: &JournalView,
        folder: &Path,
        random: Arc<dyn Random>,
    ) -> Result<Option<Self>, UnlockError> {
        match view.get(&keys::vault_keys())?.map(|stored| stored.record) {
            Some(MetaRecord::Keys(fingerprint)) => {
                let vault = Self::open(folder, Existing::MustExist, random)?;
                vault.confirm(&fingerprint)?;
                Ok(Some(vault))
            }
            Some(MetaRecord::NoShowsMarked(_) | MetaRecord::SchedulesGenerated(_)) => {
                Err(VaultError::WrongKeys { folder: folder.to_owned() }.into())
            }
            None => Ok(None),
        }
    }
}
