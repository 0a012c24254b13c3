//! SMS codes, and the counters that limit how often they are sent.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bincode::{Decode, Encode};
use domain::Timestamp;

use super::millis;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;
use crate::vault::Blind;

/// What a code was sent for. A code for one purpose is none for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodePurpose {
    /// Registering an account (注册).
    Register,
    /// Setting a new password (重置密码).
    Reset,
    /// Giving up the phone that an account has logged in with so far (更换手机号).
    LeavePhone,
    /// Taking the phone that it will log in with.
    TakePhone,
}

impl CodePurpose {
    /// The purpose as it stands in keys.
    pub(crate) fn tag(self) -> u8 {
        match self {
            Self::Register => 1,
            Self::Reset => 2,
            Self::LeavePhone => 3,
            Self::TakePhone => 4,
        }
    }
}

/// What is counted against a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// Messages to one phone.
    SmsToPhone,
    /// Messages asked for from one client address.
    SmsFromAddress,
    /// Wrong passwords for one phone.
    LoginOfPhone,
    /// Wrong passwords from one client address.
    LoginFromAddress,
    /// Wrong passwords for one account of the staff.
    LoginOfStaff,
    /// Notices to one phone, which are counted apart from codes.
    NoticeToPhone,
}

impl LimitKind {
    /// The kind as it stands in keys.
    pub(crate) fn tag(self) -> u8 {
        match self {
            Self::SmsToPhone => 1,
            Self::SmsFromAddress => 2,
            Self::LoginOfPhone => 3,
            Self::LoginFromAddress => 4,
            Self::LoginOfStaff => 5,
            Self::NoticeToPhone => 6,
        }
    }
}

/// A code that was sent and not used yet.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeRecord {
    /// Blind of the code. Six digits are soon tried through a plain hash, so it is keyed.
    pub hash: Blind,
    /// How many more wrong tries are forgiven.
    pub tries_left: u8,
    /// When the code stops working.
    pub expires_at: Timestamp,
}

impl CodeRecord {
    /// Whether `hash` is that of the code, in constant time.
    pub fn matches(&self, hash: &Blind) -> bool {
        verify_slices_are_equal(self.hash.as_bytes(), hash.as_bytes()).is_ok()
    }
}

impl fmt::Debug for CodeRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeRecord")
            .field("tries_left", &self.tries_left)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

#[derive(Encode, Decode)]
struct StoredCode {
    hash: [u8; 32],
    tries_left: u8,
    expires_at: i64,
}

impl TryFrom<StoredCode> for CodeRecord {
    type Error = Impossible;

    fn try_from(stored: StoredCode) -> Result<Self, Impossible> {
        Ok(Self {
            hash: Blind::from_bytes(stored.hash),
            tries_left: stored.tries_left,
            expires_at: Timestamp::from_millis(stored.expires_at),
        })
    }
}

impl Record for CodeRecord {
    const TABLE: Table = Table::Code;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredCode {
            hash: *self.hash.as_bytes(),
            tries_left: self.tries_left,
            expires_at: millis(self.expires_at),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredCode>(bytes)
    }
}

/// When what is limited happened: a message was sent, a wrong password was tried. As far back as the longest
/// window looks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LimitRecord {
    /// One entry for each time, oldest first.
    pub sent_at: Vec<Timestamp>,
}

#[derive(Encode, Decode)]
struct StoredLimit {
    sent_at: Vec<i64>,
}

impl TryFrom<StoredLimit> for LimitRecord {
    type Error = Impossible;

    fn try_from(stored: StoredLimit) -> Result<Self, Impossible> {
        let sent_at = stored.sent_at.into_iter().map(Timestamp::from_millis).collect();
        Ok(Self { sent_at })
    }
}

impl Record for LimitRecord {
    const TABLE: Table = Table::Limit;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredLimit { sent_at: self.sent_at.iter().copied().map(millis).collect() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredLimit>(bytes)
    }
}
