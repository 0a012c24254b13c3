//! The clinic itself: tenant, departments, doctors. They have no rules, so that the record serves as
//! the type.

use bincode::{Decode, Encode};
use domain::DepartmentId;

use super::possible;
use crate::record::{Impossible, Record, RecordError, decode_plain, decode_v1, encode_v1};
use crate::table::Table;

/// A clinic (租户).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TenantRecord {
    /// The clinic's name.
    pub name: String,
    /// What patients read before they book (预约须知).
    pub appo_notice: String,
    /// The clinic's service line (客服热线), as printed: not a patient's phone.
    pub phone: String,
}

/// A department (科室).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DepartmentRecord {
    /// The department's name.
    pub name: String,
    /// URL of its picture, or empty.
    pub avatar: String,
    /// What it does.
    pub description: String,
    /// Where it is.
    pub location: String,
    /// Whether it is shown and can be booked (1 有效).
    pub enabled: bool,
}

/// A doctor (医生).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctorRecord {
    /// The doctor's name.
    pub name: String,
    /// Professional title (职称).
    pub title: String,
    /// URL of the doctor's picture, or empty.
    pub avatar: String,
    /// About the doctor.
    pub description: String,
    /// What the doctor is good at (擅长).
    pub expertise: String,
    /// The departments the doctor works in.
    pub departments: Vec<DepartmentId>,
    /// Whether the doctor is shown and can be booked (1 有效).
    pub enabled: bool,
}

#[derive(Encode, Decode)]
struct StoredDoctor {
    name: String,
    title: String,
    avatar: String,
    description: String,
    expertise: String,
    departments: Vec<u64>,
    enabled: bool,
}

impl TryFrom<StoredDoctor> for DoctorRecord {
    type Error = Impossible;

    fn try_from(stored: StoredDoctor) -> Result<Self, Impossible> {
        let mut departments = Vec::with_capacity(stored.departments.len());
        for id in stored.departments {
            departments.push(possible(DepartmentId::new(id), "department id")?);
        }
        Ok(Self {
            name: stored.name,
            title: stored.title,
            avatar: stored.avatar,
            description: stored.description,
            expertise: stored.expertise,
            departments,
            enabled: stored.enabled,
        })
    }
}

impl Record for TenantRecord {
    const TABLE: Table = Table::Tenant;

    fn encode(&self) -> Vec<u8> {
        encode_v1(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_plain::<Self, Self>(bytes)
    }
}

impl Record for DepartmentRecord {
    const TABLE: Table = Table::Department;

    fn encode(&self) -> Vec<u8> {
        encode_v1(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_plain::<Self, Self>(bytes)
    }
}

impl Record for DoctorRecord {
    const TABLE: Table = Table::Doctor;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredDoctor {
            name: self.name.clone(),
            title: self.title.clone(),
            avatar: self.avatar.clone(),
            description: self.description.clone(),
            expertise: self.expertise.clone(),
            departments: self.departments.iter().map(|id| id.get()).collect(),
            enabled: self.enabled,
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredDoctor>(bytes)
    }
}
