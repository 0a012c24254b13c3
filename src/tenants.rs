//! `pati-service tenant add`, and the clinic (租户) that is always there.

use domain::TenantId;
use storage::records::TenantRecord;
use storage::{CloseError, Commit, CommitError, OpenError, ReadError, Storage, StorageOptions, keys};
use thiserror::Error;

/// Why a clinic was not added.
#[derive(Debug, Error)]
pub enum TenantError {
    /// There is one with this id.
    #[error("there is a clinic {0} already; nothing was changed. An import changes its name")]
    Exists(TenantId),
    /// The data folder cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The data folder cannot be read.
    #[error("the data folder cannot be read: {0}")]
    Read(#[from] ReadError),
    /// It could not be written.
    #[error("{0}")]
    Commit(CommitError),
    /// The clinic was added, but the data folder was not closed in good order.
    #[error("the clinic was added, but {0}")]
    Close(#[from] CloseError),
}

/// Runs the command: adds a clinic to a data folder that no server uses.
///
/// # Errors
/// [`TenantError`]; its text is the message for the operator.
pub fn run_add(options: StorageOptions, tenant: TenantId, name: &str) -> Result<(), TenantError> {
    let storage = Storage::open(options)?;
    add(&storage, tenant, name)?;
    storage.close()?;
    Ok(())
}

/// Adds a clinic. Blocks the thread.
///
/// # Errors
/// [`TenantError::Exists`] when there is one with this id.
pub fn add(storage: &Storage, tenant: TenantId, name: &str) -> Result<(), TenantError> {
    let record = TenantRecord { name: name.to_owned(), ..nameless() };
    create(storage, tenant, &record)
}

/// Makes sure that there is the clinic that is meant when a request names none. Blocks the thread.
///
/// # Errors
/// [`TenantError`]
pub fn ensure_default(storage: &Storage, tenant: TenantId) -> Result<(), TenantError> {
    match create(storage, tenant, &nameless()) {
        Ok(()) | Err(TenantError::Exists(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A clinic about which nobody has said anything yet: an import gives it its name.
pub(crate) fn nameless() -> TenantRecord {
    TenantRecord { name: "诊所".to_owned(), appo_notice: String::new(), phone: String::new() }
}

fn create(storage: &Storage, tenant: TenantId, record: &TenantRecord) -> Result<(), TenantError> {
    let key = keys::tenant(tenant);
    if storage.contains(&key)? {
        return Err(TenantError::Exists(tenant));
    }
    let mut commit = Commit::new();
    commit.require_absent(&key).put(&key, record);
    match storage.commit(commit).wait() {
        Ok(_) => Ok(()),
        Err(CommitError::Conflict { .. }) => Err(TenantError::Exists(tenant)),
        Err(error @ (CommitError::NotCommitted(_) | CommitError::MaybeCommitted | CommitError::Corrupt)) => {
            Err(TenantError::Commit(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;

    use super::*;

    fn id(number: u64) -> TenantId {
        TenantId::new(number).unwrap()
    }

    fn open(folder: &tempfile::TempDir) -> Storage {
        Storage::open(StorageOptions::new(folder.path(), Timestamp::ZERO)).unwrap()
    }

    #[test]
    fn the_default_clinic_is_made_once_and_then_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let storage = open(&folder);
        ensure_default(&storage, id(1)).unwrap();
        let made = storage.get(&keys::tenant(id(1))).unwrap().unwrap();
        ensure_default(&storage, id(1)).unwrap();
        assert_eq!(storage.get(&keys::tenant(id(1))).unwrap().unwrap(), made);
        assert_eq!(storage.status().seq.get(), 1);
    }

    /// Seen to fail when `create` wrote without looking and without a precondition.
    #[test]
    fn an_id_is_given_to_one_clinic_only() {
        let folder = tempfile::tempdir().unwrap();
        let storage = open(&folder);
        add(&storage, id(2), "二分院").unwrap();
        let error = add(&storage, id(2), "三分院").unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is a clinic 2 already; nothing was changed. An import changes its name"
        );
        let stored = storage.get(&keys::tenant(id(2))).unwrap().unwrap();
        assert_eq!(stored.record.name, "二分院");
        assert_eq!(storage.status().seq.get(), 1);
    }

    #[test]
    fn a_folder_in_use_names_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let _server = open(&folder);
        let options = StorageOptions::new(folder.path(), Timestamp::ZERO);
        let error = run_add(options, id(2), "二分院").unwrap_err().to_string();
        assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
        assert!(error.contains("stop it first"), "{error}");
    }
}
