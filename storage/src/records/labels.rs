//! Groups (分组) and labels (标签) of patients, and the names that are theirs alone.

use bincode::{Decode, Encode};
use domain::{LabelId, LabelKind, LabelName, StaffId, Timestamp};

use super::{millis, possible};
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;

/// A group or label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelRecord {
    /// What it is called.
    pub name: LabelName,
    /// Group or label.
    pub kind: LabelKind,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it (录入人).
    pub created_by: StaffId,
    /// Whether it is still there.
    pub standing: LabelStanding,
}

/// Whether a group or label is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelStanding {
    /// It is.
    Live,
    /// It was deleted: nobody is shown it any more, and its patients are about to be detached.
    Deleted,
}

#[derive(Encode, Decode)]
struct StoredLabel {
    name: String,
    kind: StoredLabelKind,
    created_at: i64,
    created_by: u64,
    standing: StoredLabelStanding,
}

#[derive(Encode, Decode)]
enum StoredLabelKind {
    Group,
    Label,
}

#[derive(Encode, Decode)]
enum StoredLabelStanding {
    Live,
    Deleted,
}

impl TryFrom<StoredLabel> for LabelRecord {
    type Error = Impossible;

    fn try_from(stored: StoredLabel) -> Result<Self, Impossible> {
        Ok(Self {
            name: possible(LabelName::parse(&stored.name), "name")?,
            kind: match stored.kind {
                StoredLabelKind::Group => LabelKind::Group,
                StoredLabelKind::Label => LabelKind::Label,
            },
            created_at: Timestamp::from_millis(stored.created_at),
            created_by: possible(StaffId::new(stored.created_by), "staff id")?,
            standing: match stored.standing {
                StoredLabelStanding::Live => LabelStanding::Live,
                StoredLabelStanding::Deleted => LabelStanding::Deleted,
            },
        })
    }
}

impl Record for LabelRecord {
    const TABLE: Table = Table::Label;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredLabel {
            name: self.name.as_str().to_owned(),
            kind: match self.kind {
                LabelKind::Group => StoredLabelKind::Group,
                LabelKind::Label => StoredLabelKind::Label,
            },
            created_at: millis(self.created_at),
            created_by: self.created_by.get(),
            standing: match self.standing {
                LabelStanding::Live => StoredLabelStanding::Live,
                LabelStanding::Deleted => StoredLabelStanding::Deleted,
            },
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredLabel>(bytes)
    }
}

/// Which group or label has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelNameRecord {
    /// The group or label.
    pub label: LabelId,
}

#[derive(Encode, Decode)]
struct StoredLabelName {
    label: u64,
}

impl TryFrom<StoredLabelName> for LabelNameRecord {
    type Error = Impossible;

    fn try_from(stored: StoredLabelName) -> Result<Self, Impossible> {
        Ok(Self { label: possible(LabelId::new(stored.label), "label id")? })
    }
}

impl Record for LabelNameRecord {
    const TABLE: Table = Table::LabelName;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredLabelName { label: self.label.get() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredLabelName>(bytes)
    }
}
