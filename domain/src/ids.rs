//! The numbers that name things: a type of its own for each kind, so that a schedule's number
//! cannot be taken for a booking's.

use std::fmt;

use thiserror::Error;

/// The greatest id: 2^53 - 1, so that a client that reads it as a double stays exact.
pub const MAX_ID: u64 = (1 << 53) - 1;

/// Why a text or number is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IdError {
    /// Something else than ASCII decimal digits, or nothing at all.
    #[error("not a decimal number")]
    NotANumber,
    /// Zero, or above the greatest value of its kind.
    #[error("number out of range")]
    OutOfRange,
}

/// Reads decimal ASCII digits; leading zeros are ignored, however many there are.
fn parse_digits(text: &str) -> Result<u64, IdError> {
    if text.is_empty() {
        return Err(IdError::NotANumber);
    }
    let mut value: u64 = 0;
    let mut too_large = false;
    for byte in text.bytes() {
        if !byte.is_ascii_digit() {
            return Err(IdError::NotANumber);
        }
        let digit = u64::from(byte - b'0');
        match value.checked_mul(10).and_then(|ten| ten.checked_add(digit)) {
            Some(next) => value = next,
            // A letter further on still makes it "not a number", so the loop goes on.
            None => too_large = true,
        }
    }
    if too_large { Err(IdError::OutOfRange) } else { Ok(value) }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Takes a number from 1 to [`MAX_ID`].
            pub const fn new(value: u64) -> Result<Self, IdError> {
                if value == 0 || value > MAX_ID {
                    return Err(IdError::OutOfRange);
                }
                Ok(Self(value))
            }

            /// Reads ASCII decimal digits; leading zeros are ignored.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                Self::new(parse_digits(text)?)
            }

            /// The number itself.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id! {
    /// A clinic (租户).
    TenantId
}
id! {
    /// An account of the app (用户), which books for its members.
    UserId
}
id! {
    /// A family member (就诊人) of one account.
    MemberId
}
id! {
    /// A patient (患者) of the clinic: a short running number per tenant.
    PatientId
}
id! {
    /// A department (科室).
    DepartmentId
}
id! {
    /// A doctor (医生).
    DoctorId
}
id! {
    /// A schedule (排班): one doctor or ordinary clinic on one half-day.
    ScheduleId
}
id! {
    /// A booking (预约).
    BookingId
}
id! {
    /// A login session.
    SessionId
}
id! {
    /// A member of the clinic's staff.
    StaffId
}
id! {
    /// A group (分组) or label (标签) of patients.
    LabelId
}
id! {
    /// A template (排班模板) that schedules are made from.
    TemplateId
}
id! {
    /// A holiday or swapped day that differs from the templates.
    ExceptionId
}

/// The number that a patient shows at the desk (`bookCode`): a running number per tenant, shown
/// with eight digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BookingCode(u32);

impl BookingCode {
    /// The greatest code that eight digits can show.
    pub const MAX: u32 = 99_999_999;

    /// Takes a number from 1 to [`BookingCode::MAX`].
    pub const fn new(value: u32) -> Result<Self, IdError> {
        if value == 0 || value > Self::MAX {
            return Err(IdError::OutOfRange);
        }
        Ok(Self(value))
    }

    /// Reads ASCII decimal digits, with the leading zeros that it is shown with or without them.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        Self::new(u32::try_from(parse_digits(text)?).map_err(|_| IdError::OutOfRange)?)
    }

    /// The number itself.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for BookingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}", self.0)
    }
}

/// The number of a slot within its schedule (`serialNo`, 号序), which is also its turn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SerialNo(u16);

impl SerialNo {
    /// The greatest serial number.
    pub const MAX: u16 = 9_999;

    /// Takes a number from 1 to [`SerialNo::MAX`].
    pub const fn new(value: u16) -> Result<Self, IdError> {
        if value == 0 || value > Self::MAX {
            return Err(IdError::OutOfRange);
        }
        Ok(Self(value))
    }

    /// Reads ASCII decimal digits; leading zeros are ignored.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let value = parse_digits(text)?;
        match u16::try_from(value) {
            Ok(small) => Self::new(small),
            Err(_) => Err(IdError::OutOfRange),
        }
    }

    /// The number itself.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for SerialNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_take_their_range_and_nothing_else() {
        assert_eq!(UserId::new(0), Err(IdError::OutOfRange));
        assert_eq!(UserId::new(1).map(UserId::get), Ok(1));
        assert_eq!(UserId::new(MAX_ID).map(UserId::get), Ok(9_007_199_254_740_991));
        assert_eq!(UserId::new(MAX_ID + 1), Err(IdError::OutOfRange));
    }

    #[test]
    fn ids_are_read_from_decimal_digits_only() {
        assert_eq!(PatientId::parse("000000042"), PatientId::new(42));
        assert_eq!(PatientId::parse(&"0".repeat(300)), Err(IdError::OutOfRange));
        assert_eq!(PatientId::parse(&format!("{}7", "0".repeat(300))), PatientId::new(7));
        for wrong in ["", " 1", "1 ", "+1", "-1", "1.0", "0x1", "１", "1e3", "null"] {
            assert_eq!(PatientId::parse(wrong), Err(IdError::NotANumber), "{wrong:?}");
        }
        for large in ["9007199254740992", "18446744073709551616", "99999999999999999999999"] {
            assert_eq!(PatientId::parse(large), Err(IdError::OutOfRange), "{large}");
        }
        assert_eq!(PatientId::parse("99999999999999999999999x"), Err(IdError::NotANumber));
    }

    #[test]
    fn ids_are_shown_as_they_are_read() {
        let id = BookingId::new(1_000_000_000).unwrap();
        assert_eq!(id.to_string(), "1000000000");
        assert_eq!(format!("{id:?}"), "BookingId(1000000000)");
        assert_eq!(BookingId::parse(&id.to_string()), Ok(id));
    }

    #[test]
    fn codes_have_eight_digits() {
        assert_eq!(BookingCode::new(42).unwrap().to_string(), "00000042");
        assert_eq!(BookingCode::new(99_999_999).unwrap().to_string(), "99999999");
        assert_eq!(BookingCode::new(0), Err(IdError::OutOfRange));
        assert_eq!(BookingCode::new(100_000_000), Err(IdError::OutOfRange));
    }

    #[test]
    fn serial_numbers_have_a_range() {
        assert_eq!(SerialNo::parse("007"), SerialNo::new(7));
        assert_eq!(SerialNo::parse("9999").map(SerialNo::get), Ok(9_999));
        for wrong in ["0", "10000", "65537", "99999999999999999999"] {
            assert_eq!(SerialNo::parse(wrong), Err(IdError::OutOfRange), "{wrong}");
        }
        assert_eq!(SerialNo::parse("一"), Err(IdError::NotANumber));
        assert_eq!(SerialNo::new(12).unwrap().to_string(), "12");
    }
}
