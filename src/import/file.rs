//! The JSON of an import file as it is written, before anybody has looked at what it says.
//!
//! Texts are still texts here: serde refuses what has the wrong shape, and [`super::check`] refuses
//! what has the wrong content, all of it at once.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClinicFile {
    /// The clinic that everything else belongs to.
    pub tenant: TenantEntry,
    /// Its departments.
    #[serde(default)]
    pub departments: Vec<DepartmentEntry>,
    /// Its doctors.
    #[serde(default)]
    pub doctors: Vec<DoctorEntry>,
    /// Its schedules.
    #[serde(default)]
    pub schedules: Vec<ScheduleEntry>,
}

/// The clinic (租户).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantEntry {
    /// Its id.
    pub id: IdText,
    /// Its name.
    pub name: String,
    /// What patients read before they book (预约须知).
    #[serde(default)]
    pub appo_notice: String,
    /// Its service line (客服热线).
    #[serde(default)]
    pub phone: String,
}

/// A department (科室).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepartmentEntry {
    /// Its id.
    pub id: IdText,
    /// Its name.
    pub name: String,
    /// URL of its picture.
    #[serde(default)]
    pub avatar: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// Where it is.
    #[serde(default)]
    pub location: String,
}

/// A doctor (医生).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoctorEntry {
    /// The doctor's id.
    pub id: IdText,
    /// The doctor's name.
    pub name: String,
    /// Professional title (职称).
    #[serde(default)]
    pub title: String,
    /// URL of the doctor's picture.
    #[serde(default)]
    pub avatar: String,
    /// About the doctor.
    #[serde(default)]
    pub description: String,
    /// What the doctor is good at (擅长).
    #[serde(default)]
    pub expertise: String,
    /// The departments the doctor works in.
    pub departments: Vec<IdText>,
}

/// A schedule (排班).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleEntry {
    /// Its id.
    pub id: IdText,
    /// The department.
    pub department: IdText,
    /// The doctor; absent in the department's ordinary clinic (普通门诊).
    #[serde(default)]
    pub doctor: Option<IdText>,
    /// `yyyy-MM-dd`, or `+N`: so many days from today.
    pub date: String,
    /// `AM` or `PM`.
    pub period: String,
    /// 0 ordinary, 1 expert.
    #[serde(rename = "type")]
    pub kind: i64,
    /// Yuan, with at most two decimals.
    pub fee: YuanText,
    /// Where the patients are seen.
    #[serde(default)]
    pub location: String,
    /// The slots.
    pub slots: SlotsEntry,
}

/// The slots of a schedule, in either way of writing them.
#[derive(Clone, Debug)]
pub enum SlotsEntry {
    /// One slot every so many minutes.
    Every(GridEntry),
    /// One by one.
    List(Vec<SlotEntry>),
}

/// Slots at equal distances; the last one begins before `end`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridEntry {
    /// The time of the first slot, `HH:mm`.
    pub start: String,
    /// No slot at this time or later, `HH:mm`.
    pub end: String,
    /// Minutes from one slot to the next.
    pub every_minutes: i64,
}

/// One slot (号源).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotEntry {
    /// Its number (号序).
    #[serde(rename = "serialNo")]
    pub serial: i64,
    /// When the patient is expected, `HH:mm`.
    pub time: String,
}

/// An id as written: a text, or a whole number, as spreadsheets export them.
#[derive(Clone, Debug)]
pub struct IdText(pub String);

/// An amount in yuan as written. A JSON number is refused: what reads and writes it on the way may
/// do so as a binary fraction.
#[derive(Clone, Debug)]
pub struct YuanText(pub String);

impl<'de> Deserialize<'de> for IdText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdVisitor)
    }
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = IdText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id, such as \"3001\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<IdText, E> {
        Ok(IdText(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<IdText, E> {
        Ok(IdText(number.to_string()))
    }
}

impl<'de> Deserialize<'de> for YuanText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(YuanVisitor)
    }
}

struct YuanVisitor;

impl Visitor<'_> for YuanVisitor {
    type Value = YuanText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("yuan as a text, such as \"50.00\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<YuanText, E> {
        Ok(YuanText(text.to_owned()))
    }
}

/// By hand, because serde's untagged enums forget in which field the error was.
impl<'de> Deserialize<'de> for SlotsEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SlotsVisitor)
    }
}

struct SlotsVisitor;

impl<'de> Visitor<'de> for SlotsVisitor {
    type Value = SlotsEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{\"start\", \"end\", \"every_minutes\"} or a list of {\"serialNo\", \"time\"}")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SlotsEntry, A::Error> {
        GridEntry::deserialize(MapAccessDeserializer::new(map)).map(SlotsEntry::Every)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<SlotsEntry, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(SlotsEntry::List)
    }
}
