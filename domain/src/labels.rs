//! Groups (分组) and labels (标签), by which the clinic sorts its patients.

use std::fmt;

use thiserror::Error;

/// Not a name of a group or label: empty, longer than 20 characters, or with control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a name of a group or label")]
pub struct LabelNameError;

/// Which of the two: a patient is in at most one group and has any number of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LabelKind {
    /// 分组.
    Group,
    /// 标签.
    Label,
}

impl LabelKind {
    /// 1 分组, 2 标签.
    pub const fn code(self) -> u8 {
        match self {
            Self::Group => 1,
            Self::Label => 2,
        }
    }

    /// The kind with this code.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Group),
            2 => Some(Self::Label),
            3..=u8::MAX | 0 => None,
        }
    }
}

/// The name of a group or label: 1 to 20 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelName(Box<str>);

impl LabelName {
    /// The greatest length, in characters.
    pub const MAX_CHARS: usize = 20;

    /// Reads a name; white space around it is ignored, control characters are refused.
    pub fn parse(text: &str) -> Result<Self, LabelNameError> {
        let text = text.trim();
        let is_short = (1..=Self::MAX_CHARS).contains(&text.chars().count());
        if !is_short || text.chars().any(char::is_control) {
            return Err(LabelNameError);
        }
        Ok(Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A clinic may name a label after somebody.
impl fmt::Debug for LabelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LabelName(masked)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_20_characters() {
        assert_eq!(
            LabelName::parse(" 高血压 ").map(|name| name.as_str().to_owned()),
            Ok("高血压".to_owned())
        );
        assert!(LabelName::parse(&"长".repeat(20)).is_ok());
        for text in ["", "  ", "a\nb", &"长".repeat(21)] {
            assert_eq!(LabelName::parse(text), Err(LabelNameError));
        }
    }

    #[test]
    fn codes_are_read_as_they_are_written() {
        for kind in [LabelKind::Group, LabelKind::Label] {
            assert_eq!(LabelKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!((LabelKind::from_code(0), LabelKind::from_code(3)), (None, None));
    }
}
