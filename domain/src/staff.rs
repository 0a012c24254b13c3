//! The clinic's staff: what they log in with and what they may do.

use std::fmt;

use thiserror::Error;

use crate::ids::DoctorId;

/// Why a text is not an [`AccountName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "an account has 1 to 32 letters, digits, dots, hyphens and underscores, and begins with a letter or digit"
)]
pub struct AccountNameError;

/// What a member of the staff logs in with (账号): one spelling for each, so capitals count as small letters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AccountName(Box<str>);

impl AccountName {
    /// The shortest and the longest, in characters.
    const MIN_CHARS: usize = 1;
    const MAX_CHARS: usize = 32;

    /// Reads an account; white space around it is ignored.
    pub fn parse(text: &str) -> Result<Self, AccountNameError> {
        let name = text.trim().to_ascii_lowercase();
        let is_allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let begins_well = name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        if !(Self::MIN_CHARS..=Self::MAX_CHARS).contains(&name.len())
            || !begins_well
            || !name.bytes().all(is_allowed)
        {
            return Err(AccountNameError);
        }
        Ok(Self(name.into()))
    }

    /// The account in its one spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An account may be somebody's phone or name, so it does not show.
impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountName(masked)")
    }
}

/// What a member of the staff may do (角色).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything, settings and staff included (管理员).
    Admin,
    /// The front desk (前台): patients, bookings, schedules.
    Desk,
    /// A doctor (医生): reads the own schedules and their patients.
    Doctor(DoctorId),
}

impl Role {
    /// The word for it in the API and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Desk => "desk",
            Self::Doctor(_) => "doctor",
        }
    }

    /// The doctor that it is limited to.
    pub const fn doctor(self) -> Option<DoctorId> {
        match self {
            Self::Doctor(doctor) => Some(doctor),
            Self::Admin | Self::Desk => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_have_one_spelling() {
        let account = AccountName::parse(" Front.Desk-2 ").unwrap();
        assert_eq!(account.as_str(), "front.desk-2");
        assert_eq!(format!("{account:?}"), "AccountName(masked)");
        for right in ["a", "13800000001", "a_b", &"x".repeat(32)] {
            assert!(AccountName::parse(right).is_ok(), "{right:?}");
        }
        for wrong in ["", ".a", "-a", "a b", "a@b", "前台", "a/b", &"x".repeat(33)] {
            assert_eq!(AccountName::parse(wrong), Err(AccountNameError), "{wrong:?}");
        }
    }

    #[test]
    fn only_doctors_are_limited() {
        let doctor = DoctorId::new(2001).unwrap();
        assert_eq!(Role::Doctor(doctor).doctor(), Some(doctor));
        assert_eq!([Role::Admin.doctor(), Role::Desk.doctor()], [None, None]);
        assert_eq!(
            [Role::Admin.name(), Role::Desk.name(), Role::Doctor(doctor).name()],
            ["admin", "desk", "doctor"]
        );
    }
}
