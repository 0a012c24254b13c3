//! The clinic's staff: the person, the account that finds them, and their sessions.

use std::fmt;

use bincode::{Decode, Encode};
use domain::{AccountName, DoctorId, PersonName, Role, StaffId, Timestamp};

use super::{millis, possible};
use crate::keys::Key;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;
use crate::vault::{SealError, Sealed, Vault};

/// A member of the staff. Nobody is ever removed: what they did stays theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffRecord {
    personal: Sealed,
    /// What they may do.
    pub role: Role,
    /// Whether they can log in.
    pub standing: StaffStanding,
    /// When they were added.
    pub created_at: Timestamp,
    /// When they last logged in; `None` before the first time.
    pub last_login_at: Option<Timestamp>,
}

/// Whether a member of the staff can log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaffStanding {
    /// They can (1 有效).
    Active,
    /// They cannot (0 停用).
    Disabled,
}

/// Who a member of the staff is.
#[derive(Clone, PartialEq, Eq)]
pub struct StaffPersonal {
    /// What they log in with.
    pub account: AccountName,
    /// What others are shown (姓名).
    pub name: PersonName,
    /// Hash of the password, as a PHC string.
    pub password_hash: String,
}

impl fmt::Debug for StaffPersonal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaffPersonal").finish_non_exhaustive()
    }
}

impl StaffRecord {
    /// The record of somebody who is added now, under `key`.
    ///
    /// # Errors
    /// No randomness to seal with.
    pub fn seal(
        vault: &Vault,
        key: &Key<Self>,
        personal: &StaffPersonal,
        role: Role,
        created_at: Timestamp,
    ) -> Result<Self, SealError> {
        let personal = vault.seal_v1(key.raw(), &StoredStaffPersonal::from(personal))?;
        Ok(Self { personal, role, standing: StaffStanding::Active, created_at, last_login_at: None })
    }

    /// The record with another personal part; the rest stays.
    ///
    /// # Errors
    /// No randomness to seal with.
    pub fn with_personal(
        &self,
        vault: &Vault,
        key: &Key<Self>,
        personal: &StaffPersonal,
    ) -> Result<Self, SealError> {
        let personal = vault.seal_v1(key.raw(), &StoredStaffPersonal::from(personal))?;
        Ok(Self { personal, ..self.clone() })
    }

    /// Opens the personal part of the record read from `key`.
    ///
    /// # Errors
    /// It was sealed for another record or with another key, or holds impossible values.
    pub fn open(&self, vault: &Vault, key: &Key<Self>) -> Result<StaffPersonal, SealError> {
        let stored: StoredStaffPersonal = vault.unseal_v1(key.raw(), &self.personal)?;
        Ok(StaffPersonal {
            account: possible(AccountName::parse(&stored.account), "account")?,
            name: possible(PersonName::parse(&stored.name), "name")?,
            password_hash: stored.password_hash,
        })
    }
}

#[derive(Encode, Decode)]
struct StoredStaffPersonal {
    account: String,
    name: String,
    password_hash: String,
}

impl From<&StaffPersonal> for StoredStaffPersonal {
    fn from(personal: &StaffPersonal) -> Self {
        Self {
            account: personal.account.as_str().to_owned(),
            name: personal.name.as_str().to_owned(),
            password_hash: personal.password_hash.clone(),
        }
    }
}

#[derive(Encode, Decode)]
struct StoredStaff {
    personal: Sealed,
    role: StoredRole,
    standing: StoredStaffStanding,
    created_at: i64,
    last_login_at: Option<i64>,
}

#[derive(Encode, Decode)]
enum StoredRole {
    Admin,
    Desk,
    Doctor(u64),
}

#[derive(Encode, Decode)]
enum StoredStaffStanding {
    Active,
    Disabled,
}

impl TryFrom<StoredStaff> for StaffRecord {
    type Error = Impossible;

    fn try_from(stored: StoredStaff) -> Result<Self, Impossible> {
        Ok(Self {
            personal: stored.personal,
            role: match stored.role {
                StoredRole::Admin => Role::Admin,
                StoredRole::Desk => Role::Desk,
                StoredRole::Doctor(id) => Role::Doctor(possible(DoctorId::new(id), "doctor id")?),
            },
            standing: match stored.standing {
                StoredStaffStanding::Active => StaffStanding::Active,
                StoredStaffStanding::Disabled => StaffStanding::Disabled,
            },
            created_at: Timestamp::from_millis(stored.created_at),
            last_login_at: stored.last_login_at.map(Timestamp::from_millis),
        })
    }
}

impl Record for StaffRecord {
    const TABLE: Table = Table::Staff;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredStaff {
            personal: self.personal.clone(),
            role: match self.role {
                Role::Admin => StoredRole::Admin,
                Role::Desk => StoredRole::Desk,
                Role::Doctor(doctor) => StoredRole::Doctor(doctor.get()),
            },
            standing: match self.standing {
                StaffStanding::Active => StoredStaffStanding::Active,
                StaffStanding::Disabled => StoredStaffStanding::Disabled,
            },
            created_at: millis(self.created_at),
            last_login_at: self.last_login_at.map(millis),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredStaff>(bytes)
    }
}

/// Who logs in with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaffAccountRecord {
    /// The member of the staff.
    pub staff: StaffId,
}

#[derive(Encode, Decode)]
struct StoredStaffAccount {
    staff: u64,
}

impl TryFrom<StoredStaffAccount> for StaffAccountRecord {
    type Error = Impossible;

    fn try_from(stored: StoredStaffAccount) -> Result<Self, Impossible> {
        Ok(Self { staff: possible(StaffId::new(stored.staff), "staff id")? })
    }
}

impl Record for StaffAccountRecord {
    const TABLE: Table = Table::StaffAccount;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredStaffAccount { staff: self.staff.get() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredStaffAccount>(bytes)
    }
}

/// A login of the staff that has not ended. A token without its session is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaffSessionRecord {
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

#[derive(Encode, Decode)]
struct StoredStaffSession {
    created_at: i64,
    expires_at: i64,
}

impl TryFrom<StoredStaffSession> for StaffSessionRecord {
    type Error = Impossible;

    fn try_from(stored: StoredStaffSession) -> Result<Self, Impossible> {
        Ok(Self {
            created_at: Timestamp::from_millis(stored.created_at),
            expires_at: Timestamp::from_millis(stored.expires_at),
        })
    }
}

impl Record for StaffSessionRecord {
    const TABLE: Table = Table::StaffSession;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredStaffSession {
            created_at: millis(self.created_at),
            expires_at: millis(self.expires_at),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredStaffSession>(bytes)
    }
}
