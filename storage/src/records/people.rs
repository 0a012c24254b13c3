//! What the records of accounts and of patients have in common.

use bincode::{Decode, Encode};
use domain::Gender;

/// A gender as stored.
#[derive(Encode, Decode)]
pub(super) enum StoredGender {
    Unknown,
    Male,
    Female,
}

impl From<Gender> for StoredGender {
    fn from(gender: Gender) -> Self {
        match gender {
            Gender::Unknown => Self::Unknown,
            Gender::Male => Self::Male,
            Gender::Female => Self::Female,
        }
    }
}

impl From<StoredGender> for Gender {
    fn from(stored: StoredGender) -> Self {
        match stored {
            StoredGender::Unknown => Self::Unknown,
            StoredGender::Male => Self::Male,
            StoredGender::Female => Self::Female,
        }
    }
}
