//! Uploads that were permitted and have not arrived yet.

use bincode::{Decode, Encode};
use domain::{Timestamp, UserId};

use super::{millis, possible};
use crate::pictures::PictureKind;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;

/// A picture that an account may upload once, to become its avatar (头像).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadRecord {
    /// Whose avatar it becomes.
    pub user: UserId,
    /// The only format that is taken.
    pub kind: PictureKind,
    /// When the permission ends.
    pub expires_at: Timestamp,
}

#[derive(Encode, Decode)]
enum StoredKind {
    Jpeg,
    Png,
    Gif,
    WebP,
}

#[derive(Encode, Decode)]
struct StoredUpload {
    user: u64,
    kind: StoredKind,
    expires_at: i64,
}

impl From<PictureKind> for StoredKind {
    fn from(kind: PictureKind) -> Self {
        match kind {
            PictureKind::Jpeg => Self::Jpeg,
            PictureKind::Png => Self::Png,
            PictureKind::Gif => Self::Gif,
            PictureKind::WebP => Self::WebP,
        }
    }
}

impl From<StoredKind> for PictureKind {
    fn from(stored: StoredKind) -> Self {
        match stored {
            StoredKind::Jpeg => Self::Jpeg,
            StoredKind::Png => Self::Png,
            StoredKind::Gif => Self::Gif,
            StoredKind::WebP => Self::WebP,
        }
    }
}

impl TryFrom<StoredUpload> for UploadRecord {
    type Error = Impossible;

    fn try_from(stored: StoredUpload) -> Result<Self, Impossible> {
        Ok(Self {
            user: possible(UserId::new(stored.user), "user id")?,
            kind: stored.kind.into(),
            expires_at: Timestamp::from_millis(stored.expires_at),
        })
    }
}

impl Record for UploadRecord {
    const TABLE: Table = Table::Upload;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredUpload {
            user: self.user.get(),
            kind: self.kind.into(),
            expires_at: millis(self.expires_at),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredUpload>(bytes)
    }
}
