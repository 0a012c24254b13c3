//! The picture that stands for a patient (患者头像): that of an account which books for this patient before all others.

use domain::{PatientId, TenantId};
use storage::{ReadError, Scan, SealError, Storage, Vault, keys};
use thiserror::Error;

/// Accounts whose members are read in one go: the table is locked meanwhile.
const ACCOUNTS_AT_ONCE: usize = 500;

/// Why a picture could not be looked up.
#[derive(Debug, Error)]
pub(super) enum PhotoError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// The key of the picture of the first account with this patient as its default member that has one. Goes through all
/// accounts of the clinic: call it where a thread may be held up.
pub(super) fn key_for(
    storage: &Storage,
    vault: &Vault,
    tenant: TenantId,
    patient: PatientId,
) -> Result<Option<String>, PhotoError> {
    let mut range = keys::all_members(tenant);
    loop {
        let piece = storage.scan(&range, Scan { limit: ACCOUNTS_AT_ONCE, ..Scan::ALL })?;
        let Some((last, _)) = piece.last() else { return Ok(None) };
        range = range.after(last);
        for (key, stored) in &piece {
            let is_own =
                stored.record.members.iter().any(|entry| entry.is_default && entry.patient == patient);
            let Some(user) = keys::user_id(key).filter(|_| is_own) else { continue };
            let account = keys::user(tenant, user);
            let Some(stored) = storage.get(&account)? else { continue };
            if let Some(avatar) = stored.record.open(vault, &account)?.profile.avatar {
                return Ok(Some(avatar));
            }
        }
    }
}
