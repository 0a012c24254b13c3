//! Templates (排班模板) of schedules, and the days that differ from them.

use bincode::{Decode, Encode};
use domain::{
    DayChange, DayException, DepartmentId, DoctorId, Fen, Pace, Scope, SlotGrid, Template, TimeOfDay, Weekday,
};

use super::schedules::{StoredKind, StoredPeriod};
use super::{date, dates, possible};
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;

/// A template as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateRecord(pub Template);

/// Days that differ from the templates, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayExceptionRecord(pub DayException);

#[derive(Encode, Decode)]
struct StoredTemplate {
    department: u64,
    doctor: Option<u64>,
    weekday: u8,
    period: StoredPeriod,
    start: u16,
    end: u16,
    pace: StoredPace,
    desk_only: u16,
    kind: StoredKind,
    fee: u32,
    location: String,
    valid_from: i32,
    valid_through: Option<i32>,
}

#[derive(Encode, Decode)]
enum StoredPace {
    Every(u16),
    Slots(u16),
}

#[derive(Encode, Decode)]
struct StoredException {
    scope: StoredScope,
    change: StoredChange,
}

#[derive(Encode, Decode)]
enum StoredScope {
    Clinic,
    Department(u64),
    Doctor(u64),
}

#[derive(Encode, Decode)]
enum StoredChange {
    Holiday { first: i32, last: i32 },
    Swapped { date: i32, like: u8 },
}

impl From<&Template> for StoredTemplate {
    fn from(template: &Template) -> Self {
        Self {
            department: template.department.get(),
            doctor: template.doctor.map(DoctorId::get),
            weekday: template.weekday.number(),
            period: template.period.into(),
            start: template.grid.start().minutes(),
            end: template.grid.end().minutes(),
            pace: match template.grid.pace() {
                Pace::Every(minutes) => StoredPace::Every(minutes),
                Pace::Slots(slots) => StoredPace::Slots(slots),
            },
            desk_only: template.desk_only,
            kind: template.kind.into(),
            fee: template.fee.get(),
            location: template.location.clone(),
            valid_from: template.valid_from.ordinal(),
            valid_through: template.valid_through.map(|day| day.ordinal()),
        }
    }
}

impl TryFrom<StoredTemplate> for TemplateRecord {
    type Error = Impossible;

    fn try_from(stored: StoredTemplate) -> Result<Self, Impossible> {
        let doctor = stored.doctor.map(|doctor| possible(DoctorId::new(doctor), "doctor id")).transpose()?;
        let start = possible(TimeOfDay::from_minutes(stored.start), "start of a template")?;
        let end = possible(TimeOfDay::from_minutes(stored.end), "end of a template")?;
        let pace = match stored.pace {
            StoredPace::Every(minutes) => Pace::Every(minutes),
            StoredPace::Slots(slots) => Pace::Slots(slots),
        };
        let template = Template {
            department: possible(DepartmentId::new(stored.department), "department id")?,
            doctor,
            weekday: possible(Weekday::from_number(stored.weekday), "day of the week")?,
            period: stored.period.into(),
            grid: possible(SlotGrid::new(start, end, pace), "slots of a template")?,
            desk_only: stored.desk_only,
            kind: stored.kind.into(),
            fee: possible(Fen::new(stored.fee), "fee")?,
            location: stored.location,
            valid_from: date(stored.valid_from, "first day of a template")?,
            valid_through: dates(stored.valid_through, "last day of a template")?,
        };
        possible(template.validate(), "template")?;
        Ok(Self(template))
    }
}

impl From<&DayException> for StoredException {
    fn from(exception: &DayException) -> Self {
        Self {
            scope: match exception.scope {
                Scope::Clinic => StoredScope::Clinic,
                Scope::Department(department) => StoredScope::Department(department.get()),
                Scope::Doctor(doctor) => StoredScope::Doctor(doctor.get()),
            },
            change: match exception.change {
                DayChange::Holiday { first, last } => {
                    StoredChange::Holiday { first: first.ordinal(), last: last.ordinal() }
                }
                DayChange::Swapped { date, like } => {
                    StoredChange::Swapped { date: date.ordinal(), like: like.number() }
                }
            },
        }
    }
}

impl TryFrom<StoredException> for DayExceptionRecord {
    type Error = Impossible;

    fn try_from(stored: StoredException) -> Result<Self, Impossible> {
        let scope = match stored.scope {
            StoredScope::Clinic => Scope::Clinic,
            StoredScope::Department(id) => {
                Scope::Department(possible(DepartmentId::new(id), "department id")?)
            }
            StoredScope::Doctor(id) => Scope::Doctor(possible(DoctorId::new(id), "doctor id")?),
        };
        let change = match stored.change {
            StoredChange::Holiday { first, last } => DayChange::Holiday {
                first: date(first, "first day of a holiday")?,
                last: date(last, "last day of a holiday")?,
            },
            StoredChange::Swapped { date: day, like } => DayChange::Swapped {
                date: date(day, "swapped day")?,
                like: possible(Weekday::from_number(like), "day of the week")?,
            },
        };
        let exception = DayException { scope, change };
        possible(exception.validate(), "holiday")?;
        Ok(Self(exception))
    }
}

impl Record for TemplateRecord {
    const TABLE: Table = Table::Template;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredTemplate::from(&self.0))
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredTemplate>(bytes)
    }
}

impl Record for DayExceptionRecord {
    const TABLE: Table = Table::DayException;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredException::from(&self.0))
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredException>(bytes)
    }
}
