//! `pati-service staff add`: the first members of the staff, before anybody can log in to add others.

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use actors::AuditRow;
use domain::{AccountName, PersonName, Role, StaffId, TenantId, Timestamp};
use storage::records::{Action, AuditRecord, StaffAccountRecord, StaffPersonal, StaffRecord};
use storage::{
    CloseError, Commit, CommitError, OpenError, OsRandom, ReadError, SealError, Sequence, SequenceError,
    Sequences, Storage, StorageOptions, UnlockError, Vault, keys,
};
use thiserror::Error;

use crate::passwords::{self, Password, PasswordError};
use crate::tenants::{self, TenantError};

/// Who is added.
#[derive(Debug, Clone)]
pub struct NewStaff {
    /// At which clinic.
    pub tenant: TenantId,
    /// What they log in with.
    pub account: AccountName,
    /// What they may do.
    pub role: Role,
    /// What others are shown.
    pub name: PersonName,
    /// What they prove it with.
    pub password: Password,
}

/// Why nobody was added.
#[derive(Debug, Error)]
pub enum StaffError {
    /// The account is taken.
    #[error("there is a member of the staff with this account already; nothing was changed")]
    Exists,
    /// There is no such clinic.
    #[error("there is no clinic {0}; `pati-service tenant add` adds one")]
    TenantUnknown(TenantId),
    /// There is no such doctor.
    #[error("the clinic has no doctor with this id; `pati-service import` or the administrator adds doctors")]
    DoctorUnknown,
    /// The standard input ended without a password.
    #[error(
        "no password was given: the standard input has to be one line, or a terminal that it is asked for on"
    )]
    PasswordMissing,
    /// The password has a wrong length.
    #[error("a password has 8 to 64 characters; nothing was changed")]
    PasswordLength,
    /// The password is tried first by whoever guesses.
    #[error("this password is too easy to guess; nothing was changed")]
    PasswordWeak,
    /// The second entry of the password differs from the first.
    #[error("the two passwords differ; nothing was changed")]
    PasswordsDiffer,
    /// The password cannot be read.
    #[error("the password cannot be read: {0}")]
    Input(#[from] io::Error),
    /// The password cannot be hashed.
    #[error(transparent)]
    Hash(#[from] PasswordError),
    /// The data folder cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The keys do not fit the data.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// The default clinic cannot be made.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The record cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The data folder cannot be read.
    #[error("the data folder cannot be read: {0}")]
    Read(#[from] ReadError),
    /// No number can be reserved.
    #[error("{0}")]
    Number(#[from] SequenceError),
    /// It could not be written.
    #[error("{0}")]
    Commit(CommitError),
    /// It was written, but the data folder was not closed in good order.
    #[error("the member of the staff was added, but {0}")]
    Close(#[from] CloseError),
}

/// Runs the command: adds a member of the staff to a data folder that no server uses. The default clinic is made
/// where it is not there yet.
///
/// # Errors
/// [`StaffError`]; its text is the message for the operator.
pub fn run_add(
    options: StorageOptions,
    default_tenant: TenantId,
    new: &NewStaff,
    now: Timestamp,
) -> Result<StaffId, StaffError> {
    new.password.refuse_weak(new.account.as_str()).map_err(|_| StaffError::PasswordWeak)?;
    let keys = options.path.join("keys");
    let storage = Storage::open(options)?;
    tenants::ensure_default(&storage, default_tenant)?;
    let id = add(&storage, &keys, new, now)?;
    storage.close()?;
    Ok(id)
}

fn add(storage: &Storage, key_folder: &Path, new: &NewStaff, now: Timestamp) -> Result<StaffId, StaffError> {
    let tenant = new.tenant;
    if !storage.contains(&keys::tenant(tenant))? {
        return Err(StaffError::TenantUnknown(tenant));
    }
    if let Some(doctor) = new.role.doctor()
        && !storage.contains(&keys::doctor(tenant, doctor))?
    {
        return Err(StaffError::DoctorUnknown);
    }
    let vault = Vault::unlock(storage, key_folder, Arc::new(OsRandom::default()))?;
    let account_key = keys::staff_account(tenant, &vault.blind_account(tenant, &new.account));
    if storage.contains(&account_key)? {
        return Err(StaffError::Exists);
    }
    let (id, row) = actix_web::rt::System::new().block_on(numbered(storage, tenant, now))?;
    let personal = StaffPersonal {
        account: new.account.clone(),
        name: new.name.clone(),
        password_hash: passwords::hash_now(&new.password)?,
    };
    let key = keys::staff(tenant, id);
    let record = StaffRecord::seal(&vault, &key, &personal, new.role, now)?;
    let mut commit = Commit::new();
    commit.require_absent(&account_key).put(&account_key, &StaffAccountRecord { staff: id });
    commit.require_absent(&key).put(&key, &record);
    row.put(&mut commit);
    match storage.commit(commit).wait() {
        Ok(_) => Ok(id),
        Err(CommitError::Conflict { .. }) => Err(StaffError::Exists),
        Err(error @ (CommitError::NotCommitted(_) | CommitError::MaybeCommitted | CommitError::Corrupt)) => {
            Err(StaffError::Commit(error))
        }
    }
}

/// The id of somebody new, and the row of the audit trail that says that they were added. Nobody of the staff did it, so
/// the row names them on both sides.
async fn numbered(
    storage: &Storage,
    tenant: TenantId,
    now: Timestamp,
) -> Result<(StaffId, AuditRow), SequenceError> {
    let sequences = Sequences::new();
    let number = sequences.next(storage, tenant, Sequence::Staff).await?;
    let id = StaffId::new(number).map_err(|_| SequenceError::Exhausted(Sequence::Staff))?;
    let record = AuditRecord { at: now, staff: id, action: Action::StaffAdded, object: Some(number) };
    Ok((id, AuditRow::prepare(storage, &sequences, tenant, record).await?))
}

/// Reads the password: asked for twice on a terminal, where it does not show; otherwise one line of the standard input.
///
/// # Errors
/// [`StaffError`] when it cannot be read or is none.
pub fn read_password() -> Result<Password, StaffError> {
    if io::stdin().is_terminal() {
        let first = rpassword::prompt_password("Password: ")?;
        let second = rpassword::prompt_password("The same again: ")?;
        if first != second {
            return Err(StaffError::PasswordsDiffer);
        }
        return Password::parse(&first).map_err(|_| StaffError::PasswordLength);
    }
    password_in(&mut io::stdin().lock())
}

fn password_in(input: &mut impl BufRead) -> Result<Password, StaffError> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => Err(StaffError::PasswordMissing),
        text => Password::parse(text).map_err(|_| StaffError::PasswordLength),
    }
}

#[cfg(test)]
mod tests {
    use domain::DoctorId;

    use super::*;

    fn new(account: &str, role: Role) -> NewStaff {
        NewStaff {
            tenant: TenantId::new(1).unwrap(),
            account: AccountName::parse(account).unwrap(),
            role,
            name: PersonName::parse("李前台").unwrap(),
            password: password("a long sentence"),
        }
    }

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    fn options(folder: &tempfile::TempDir) -> StorageOptions {
        StorageOptions::new(folder.path(), Timestamp::ZERO)
    }

    fn add(folder: &tempfile::TempDir, new: &NewStaff) -> Result<StaffId, StaffError> {
        run_add(options(folder), TenantId::new(1).unwrap(), new, Timestamp::ZERO)
    }

    /// Seen to fail when the account was not required to be absent and not looked up.
    #[test]
    fn an_account_is_given_to_one_person_only() {
        let folder = tempfile::tempdir().unwrap();
        let first = add(&folder, &new("desk", Role::Desk)).unwrap();
        assert!(matches!(add(&folder, &new("DESK", Role::Desk)), Err(StaffError::Exists)));
        assert_ne!(add(&folder, &new("desk2", Role::Desk)).unwrap(), first);
    }

    #[test]
    fn a_password_is_one_line() {
        let read = |text: &str| password_in(&mut text.as_bytes());
        for line in ["a long sentence", "a long sentence\n", "a long sentence\r\nand more\n"] {
            assert!(read(line).is_ok(), "{line:?}");
        }
        for nothing in ["", "\n", "\r\n", "\na long sentence\n"] {
            assert!(matches!(read(nothing), Err(StaffError::PasswordMissing)), "{nothing:?}");
        }
        assert!(matches!(read("short\n"), Err(StaffError::PasswordLength)));
    }

    #[test]
    fn nobody_is_added_where_something_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let stranger = NewStaff { tenant: TenantId::new(7).unwrap(), ..new("a.b", Role::Admin) };
        assert!(matches!(add(&folder, &stranger), Err(StaffError::TenantUnknown(_))));
        let doctor = new("dr", Role::Doctor(DoctorId::new(2001).unwrap()));
        assert!(matches!(add(&folder, &doctor), Err(StaffError::DoctorUnknown)));
        for weak in ["password", "Front.Desk"] {
            let front = NewStaff { password: password(weak), ..new("front.desk", Role::Desk) };
            assert!(matches!(add(&folder, &front), Err(StaffError::PasswordWeak)), "{weak}");
        }
        let storage = Storage::open(options(&folder)).unwrap();
        let staff = keys::all_staff(TenantId::new(1).unwrap());
        assert!(storage.scan_keys(&staff, storage::Scan::ALL).unwrap().is_empty());
    }
}
