//! The members of an account (就诊人): the patients it books for.

use bincode::{Decode, Encode};
use domain::{MemberId, PatientId, Phone, Timestamp};

use super::{millis, possible};
use crate::keys::Key;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;
use crate::vault::{SealError, Sealed, Vault};

/// All members of one account. They are one record, so that the limit on members, the default
/// member and the same patient not being added twice are guarded by the version of one key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MembersRecord {
    /// In the order they were added.
    pub members: Vec<MemberEntry>,
}

/// One member of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberEntry {
    /// The member.
    pub member: MemberId,
    /// The patient that the member is.
    pub patient: PatientId,
    /// Whether this is the account's default member (默认就诊人).
    pub is_default: bool,
    /// When the member was added.
    pub created_at: Timestamp,
    personal: Sealed,
}

/// Who a member is within the account, without what is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberLink {
    /// The member.
    pub member: MemberId,
    /// The patient that the member is.
    pub patient: PatientId,
    /// Whether this is the account's default member (默认就诊人).
    pub is_default: bool,
    /// When the member was added.
    pub created_at: Timestamp,
}

/// What is sealed of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPersonal {
    /// The phone this account gave for the member.
    pub phone: Phone,
}

impl MemberEntry {
    /// Seals the personal part for the members' record under `key`.
    ///
    /// # Errors
    /// No randomness to seal with.
    pub fn seal(
        vault: &Vault,
        key: &Key<MembersRecord>,
        personal: &MemberPersonal,
        link: MemberLink,
    ) -> Result<Self, SealError> {
        let stored = StoredMemberPersonal { phone: personal.phone.as_str().to_owned() };
        Ok(Self {
            member: link.member,
            patient: link.patient,
            is_default: link.is_default,
            created_at: link.created_at,
            personal: vault.seal_v1(key.raw(), &stored)?,
        })
    }

    /// Opens the personal part of a member in the record read from `key`.
    ///
    /// # Errors
    /// It was sealed for another record or with another key, or holds impossible values.
    pub fn open(&self, vault: &Vault, key: &Key<MembersRecord>) -> Result<MemberPersonal, SealError> {
        let stored: StoredMemberPersonal = vault.unseal_v1(key.raw(), &self.personal)?;
        Ok(MemberPersonal { phone: possible(Phone::parse(&stored.phone), "phone")? })
    }
}

#[derive(Encode, Decode)]
struct StoredMemberPersonal {
    phone: String,
}

#[derive(Encode, Decode)]
struct StoredMember {
    member: u64,
    patient: u64,
    is_default: bool,
    created_at: i64,
    personal: Sealed,
}

#[derive(Encode, Decode)]
struct StoredMembers {
    members: Vec<StoredMember>,
}

impl From<&MemberEntry> for StoredMember {
    fn from(entry: &MemberEntry) -> Self {
        Self {
            member: entry.member.get(),
            patient: entry.patient.get(),
            is_default: entry.is_default,
            created_at: millis(entry.created_at),
            personal: entry.personal.clone(),
        }
    }
}

impl TryFrom<StoredMember> for MemberEntry {
    type Error = Impossible;

    fn try_from(stored: StoredMember) -> Result<Self, Impossible> {
        Ok(Self {
            member: possible(MemberId::new(stored.member), "member id")?,
            patient: possible(PatientId::new(stored.patient), "patient id")?,
            is_default: stored.is_default,
            created_at: Timestamp::from_millis(stored.created_at),
            personal: stored.personal,
        })
    }
}

impl TryFrom<StoredMembers> for MembersRecord {
    type Error = Impossible;

    fn try_from(stored: StoredMembers) -> Result<Self, Impossible> {
        let mut members = Vec::with_capacity(stored.members.len());
        for member in stored.members {
            members.push(MemberEntry::try_from(member)?);
        }
        Ok(Self { members })
    }
}

impl Record for MembersRecord {
    const TABLE: Table = Table::Members;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredMembers { members: self.members.iter().map(StoredMember::from).collect() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredMembers>(bytes)
    }
}
