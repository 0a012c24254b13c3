//! Accounts: the user, the phone that finds it, and its sessions.

use std::fmt;

use bincode::{Decode, Encode};
use domain::{Date, Gender, PersonName, Phone, Timestamp, UserId};

use super::people::StoredGender;
use super::{dates, millis, possible};
use crate::keys::Key;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;
use crate::vault::{SealError, Sealed, Vault};

/// An account (用户).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    personal: Sealed,
    /// When the account was made.
    pub created_at: Timestamp,
    /// Which privacy notice was agreed to, if any.
    pub consent: Option<Consent>,
}

/// That the clinic's privacy notice was agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// The version of the notice, as the page that showed it names it.
    pub version: String,
    /// When it was agreed to.
    pub given_at: Timestamp,
}

/// What an account keeps secret.
#[derive(Clone, PartialEq, Eq)]
pub struct UserPersonal {
    /// The phone that the account logs in with.
    pub phone: Phone,
    /// Hash of the password, as a PHC string.
    pub password_hash: String,
    /// What the user tells of themselves.
    pub profile: Profile,
}

/// What a user tells of themselves (个人信息). Nobody checks it, and no booking depends on it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// What the user wants to be called (昵称).
    pub name: Option<PersonName>,
    /// Gender.
    pub gender: Gender,
    /// Date of birth.
    pub birthday: Option<Date>,
    /// The key of the picture (头像) in the object store.
    pub avatar: Option<String>,
}

impl fmt::Debug for UserPersonal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserPersonal").finish_non_exhaustive()
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").finish_non_exhaustive()
    }
}

impl UserRecord {
    /// Seals the personal part for the record under `key`.
    ///
    /// # Errors
    /// No randomness to seal with.
    pub fn seal(
        vault: &Vault,
        key: &Key<Self>,
        personal: &UserPersonal,
        created_at: Timestamp,
        consent: Option<Consent>,
    ) -> Result<Self, SealError> {
        let sealed = vault.seal_v1(key.raw(), &StoredUserPersonal::from(personal))?;
        Ok(Self { personal: sealed, created_at, consent })
    }

    /// The record with another personal part; the rest stays.
    ///
    /// # Errors
    /// No randomness to seal with.
    pub fn with_personal(
        &self,
        vault: &Vault,
        key: &Key<Self>,
        personal: &UserPersonal,
    ) -> Result<Self, SealError> {
        Self::seal(vault, key, personal, self.created_at, self.consent.clone())
    }

    /// Opens the personal part of the record read from `key`.
    ///
    /// # Errors
    /// It was sealed for another record or with another key, or holds impossible values.
    pub fn open(&self, vault: &Vault, key: &Key<Self>) -> Result<UserPersonal, SealError> {
        let stored: StoredUserPersonal = vault.unseal_v1(key.raw(), &self.personal)?;
        Ok(UserPersonal {
            phone: possible(Phone::parse(&stored.phone), "phone")?,
            password_hash: stored.password_hash,
            profile: stored.profile.try_into()?,
        })
    }
}

#[derive(Encode, Decode)]
struct StoredUserPersonal {
    phone: String,
    password_hash: String,
    profile: StoredProfile,
}

#[derive(Encode, Decode)]
struct StoredProfile {
    name: Option<String>,
    gender: StoredGender,
    birthday: Option<i32>,
    avatar: Option<String>,
}

impl From<&UserPersonal> for StoredUserPersonal {
    fn from(personal: &UserPersonal) -> Self {
        let profile = &personal.profile;
        Self {
            phone: personal.phone.as_str().to_owned(),
            password_hash: personal.password_hash.clone(),
            profile: StoredProfile {
                name: profile.name.as_ref().map(|name| name.as_str().to_owned()),
                gender: profile.gender.into(),
                birthday: profile.birthday.map(Date::ordinal),
                avatar: profile.avatar.clone(),
            },
        }
    }
}

impl TryFrom<StoredProfile> for Profile {
    type Error = Impossible;

    fn try_from(stored: StoredProfile) -> Result<Self, Impossible> {
        let name = stored.name.as_deref().map(PersonName::parse).transpose();
        Ok(Self {
            name: possible(name, "name")?,
            gender: stored.gender.into(),
            birthday: dates(stored.birthday, "birthday")?,
            avatar: stored.avatar,
        })
    }
}

#[derive(Encode, Decode)]
struct StoredUser {
    personal: Sealed,
    created_at: i64,
    consent: Option<StoredConsent>,
}

#[derive(Encode, Decode)]
struct StoredConsent {
    version: String,
    given_at: i64,
}

impl TryFrom<StoredUser> for UserRecord {
    type Error = Impossible;

    fn try_from(stored: StoredUser) -> Result<Self, Impossible> {
        Ok(Self {
            personal: stored.personal,
            created_at: Timestamp::from_millis(stored.created_at),
            consent: stored.consent.map(|consent| Consent {
                version: consent.version,
                given_at: Timestamp::from_millis(consent.given_at),
            }),
        })
    }
}

impl Record for UserRecord {
    const TABLE: Table = Table::User;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredUser {
            personal: self.personal.clone(),
            created_at: millis(self.created_at),
            consent: self.consent.as_ref().map(|consent| StoredConsent {
                version: consent.version.clone(),
                given_at: millis(consent.given_at),
            }),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredUser>(bytes)
    }
}

/// Which account a phone belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhoneRecord {
    /// The account.
    pub user: UserId,
}

#[derive(Encode, Decode)]
struct StoredPhone {
    user: u64,
}

impl TryFrom<StoredPhone> for PhoneRecord {
    type Error = Impossible;

    fn try_from(stored: StoredPhone) -> Result<Self, Impossible> {
        Ok(Self { user: possible(UserId::new(stored.user), "user id")? })
    }
}

impl Record for PhoneRecord {
    const TABLE: Table = Table::Phone;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredPhone { user: self.user.get() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredPhone>(bytes)
    }
}

/// A login that has not ended. A token without its session is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRecord {
    /// Whose session it is.
    pub user: UserId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

#[derive(Encode, Decode)]
struct StoredSession {
    user: u64,
    created_at: i64,
    expires_at: i64,
}

impl TryFrom<StoredSession> for SessionRecord {
    type Error = Impossible;

    fn try_from(stored: StoredSession) -> Result<Self, Impossible> {
        Ok(Self {
            user: possible(UserId::new(stored.user), "user id")?,
            created_at: Timestamp::from_millis(stored.created_at),
            expires_at: Timestamp::from_millis(stored.expires_at),
        })
    }
}

impl Record for SessionRecord {
    const TABLE: Table = Table::Session;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredSession {
            user: self.user.get(),
            created_at: millis(self.created_at),
            expires_at: millis(self.expires_at),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredSession>(bytes)
    }
}
