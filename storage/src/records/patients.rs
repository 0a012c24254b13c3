//! Patients (患者) of a tenant: the person, the ID number that finds them, and their missed visits.

use std::fmt;

use bincode::{Decode, Encode};
use domain::{BookingId, Date, Gender, IdNumber, PatientId, PersonName, Phone, Timestamp};

use super::people::StoredGender;
use super::{date, dates, millis, possible};
use crate::keys::Key;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;
use crate::vault::{SealError, Sealed, Vault};

/// A patient. All that says who it is, is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientRecord {
    personal: Sealed,
    /// When the patient's file was opened (建档).
    pub created_at: Timestamp,
}

/// Who a patient is.
#[derive(Clone, PartialEq, Eq)]
pub struct PatientPersonal {
    /// Name (姓名).
    pub name: PersonName,
    /// Gender (性别).
    pub gender: Gender,
    /// Date of birth.
    pub birthday: Date,
    /// The certificate the patient was identified by, if any.
    pub certificate: Option<Certificate>,
    /// Phone.
    pub phone: Phone,
}

/// A certificate (证件).
#[derive(Clone, PartialEq, Eq)]
pub enum Certificate {
    /// The resident identity card (身份证), type 99.
    IdCard(IdNumber),
    /// Any other certificate, whose number follows no rule we check.
    Other {
        /// The type, by the clinic's list: neither 1 nor 99, which are the identity card.
        kind: u8,
        /// Its number as printed.
        number: String,
    },
}

impl fmt::Debug for PatientPersonal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatientPersonal").finish_non_exhaustive()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IdCard(_) => f.write_str("IdCard(..)"),
            Self::Other { kind, .. } => write!(f, "Other {{ kind: {kind}, .. }}"),
        }
    }
}

impl PatientRecord {
    /// Seals the personal part for the record under `key`.
    ///
    /// # Errors
    /// No randomness to seal with.
    pub fn seal(
        vault: &Vault,
        key: &Key<Self>,
        personal: &PatientPersonal,
        created_at: Timestamp,
    ) -> Result<Self, SealError> {
        let stored = StoredPersonal::from(personal);
        Ok(Self { personal: vault.seal_v1(key.raw(), &stored)?, created_at })
    }

    /// Opens the personal part of the record read from `key`.
    ///
    /// # Errors
    /// It was sealed for another record or with another key, or holds impossible values.
    pub fn open(&self, vault: &Vault, key: &Key<Self>) -> Result<PatientPersonal, SealError> {
        let stored: StoredPersonal = vault.unseal_v1(key.raw(), &self.personal)?;
        Ok(PatientPersonal::try_from(stored)?)
    }
}

#[derive(Encode, Decode)]
struct StoredPersonal {
    name: String,
    gender: StoredGender,
    birthday: i32,
    certificate: Option<StoredCertificate>,
    phone: String,
}

#[derive(Encode, Decode)]
struct StoredCertificate {
    kind: u8,
    number: String,
}

/// 身份证, as it is written for new records; 1 means the same and is never stored.
const ID_CARD: u8 = 99;
const ID_CARD_TOO: u8 = 1;

impl From<&PatientPersonal> for StoredPersonal {
    fn from(personal: &PatientPersonal) -> Self {
        Self {
            name: personal.name.as_str().to_owned(),
            gender: personal.gender.into(),
            birthday: personal.birthday.ordinal(),
            certificate: personal.certificate.as_ref().map(|certificate| match certificate {
                Certificate::IdCard(number) => {
                    StoredCertificate { kind: ID_CARD, number: number.as_str().to_owned() }
                }
                Certificate::Other { kind, number } => {
                    StoredCertificate { kind: *kind, number: number.clone() }
                }
            }),
            phone: personal.phone.as_str().to_owned(),
        }
    }
}

impl TryFrom<StoredPersonal> for PatientPersonal {
    type Error = Impossible;

    fn try_from(stored: StoredPersonal) -> Result<Self, Impossible> {
        Ok(Self {
            name: possible(PersonName::parse(&stored.name), "name")?,
            gender: stored.gender.into(),
            birthday: date(stored.birthday, "birthday")?,
            certificate: stored.certificate.map(Certificate::try_from).transpose()?,
            phone: possible(Phone::parse(&stored.phone), "phone")?,
        })
    }
}

impl TryFrom<StoredCertificate> for Certificate {
    type Error = Impossible;

    fn try_from(stored: StoredCertificate) -> Result<Self, Impossible> {
        match stored.kind {
            ID_CARD => Ok(Self::IdCard(possible(IdNumber::parse(&stored.number), "ID number")?)),
            ID_CARD_TOO => Err(Impossible("certificate type")),
            kind => Ok(Self::Other { kind, number: stored.number }),
        }
    }
}

#[derive(Encode, Decode)]
struct StoredPatient {
    personal: Sealed,
    created_at: i64,
}

impl TryFrom<StoredPatient> for PatientRecord {
    type Error = Impossible;

    fn try_from(stored: StoredPatient) -> Result<Self, Impossible> {
        Ok(Self { personal: stored.personal, created_at: Timestamp::from_millis(stored.created_at) })
    }
}

impl Record for PatientRecord {
    const TABLE: Table = Table::Patient;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredPatient { personal: self.personal.clone(), created_at: millis(self.created_at) })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredPatient>(bytes)
    }
}

/// Which patient an ID number belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdnoRecord {
    /// The patient.
    pub patient: PatientId,
}

#[derive(Encode, Decode)]
struct StoredIdno {
    patient: u64,
}

impl TryFrom<StoredIdno> for IdnoRecord {
    type Error = Impossible;

    fn try_from(stored: StoredIdno) -> Result<Self, Impossible> {
        Ok(Self { patient: possible(PatientId::new(stored.patient), "patient id")? })
    }
}

impl Record for IdnoRecord {
    const TABLE: Table = Table::Idno;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredIdno { patient: self.patient.get() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredIdno>(bytes)
    }
}

/// The missed visits (爽约) of a patient, and until when they bar the patient from booking.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NoShowRecord {
    /// As far back as the policy looks, oldest first.
    pub misses: Vec<Miss>,
    /// The last day on which the patient cannot book.
    pub banned_until: Option<Date>,
}

/// A visit that the patient did not come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Miss {
    /// The day of the visit.
    pub date: Date,
    /// The booking.
    pub booking: BookingId,
}

#[derive(Encode, Decode)]
struct StoredNoShow {
    misses: Vec<StoredMiss>,
    banned_until: Option<i32>,
}

#[derive(Encode, Decode)]
struct StoredMiss {
    date: i32,
    booking: u64,
}

impl From<&Miss> for StoredMiss {
    fn from(miss: &Miss) -> Self {
        Self { date: miss.date.ordinal(), booking: miss.booking.get() }
    }
}

impl TryFrom<StoredNoShow> for NoShowRecord {
    type Error = Impossible;

    fn try_from(stored: StoredNoShow) -> Result<Self, Impossible> {
        let mut misses = Vec::with_capacity(stored.misses.len());
        for miss in stored.misses {
            misses.push(Miss {
                date: date(miss.date, "date of a missed visit")?,
                booking: possible(BookingId::new(miss.booking), "booking id")?,
            });
        }
        Ok(Self { misses, banned_until: dates(stored.banned_until, "end of a ban")? })
    }
}

impl Record for NoShowRecord {
    const TABLE: Table = Table::NoShow;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredNoShow {
            misses: self.misses.iter().map(StoredMiss::from).collect(),
            banned_until: self.banned_until.map(|date| date.ordinal()),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredNoShow>(bytes)
    }
}
