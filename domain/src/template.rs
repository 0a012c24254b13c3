//! Templates (排班模板): what a doctor's or an ordinary clinic's week looks like, the days that differ from
//! it, and which schedules a day is to have.

use std::ops::RangeInclusive;

use thiserror::Error;

use crate::grid::SlotGrid;
use crate::ids::{DepartmentId, DoctorId, ScheduleId};
use crate::money::Fen;
use crate::schedule::{ClinicKind, Schedule, SlotPlan, Standing};
use crate::time::{Date, Period};
use crate::weekday::Weekday;

/// One half-day of the week of a doctor, or of the ordinary clinic, in a department.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The department.
    pub department: DepartmentId,
    /// The doctor; none in the department's ordinary clinic (普通门诊).
    pub doctor: Option<DoctorId>,
    /// The day of the week.
    pub weekday: Weekday,
    /// The half of that day.
    pub period: Period,
    /// When the slots are.
    pub grid: SlotGrid,
    /// How many of them, the last ones, are for the desk alone (现场号).
    pub desk_only: u16,
    /// Ordinary or expert.
    pub kind: ClinicKind,
    /// The fee of one visit.
    pub fee: Fen,
    /// Where the patients are seen.
    pub location: String,
    /// From which day on schedules are made.
    pub valid_from: Date,
    /// The last day for which they are; none while it is not known.
    pub valid_through: Option<Date>,
}

/// Why a template is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// Its first slot lies in the other half of the day.
    #[error("the first slot is not in the half-day")]
    OutsidePeriod,
    /// More slots are for the desk alone than there are.
    #[error("more slots for the desk than slots")]
    TooManyForDesk,
    /// It ends before it begins.
    #[error("valid until before it is valid from")]
    NeverValid,
}

impl Template {
    /// Refuses what no schedule can be made from.
    pub fn validate(&self) -> Result<(), TemplateError> {
        if !self.period.may_begin_at(self.grid.start()) {
            return Err(TemplateError::OutsidePeriod);
        }
        if self.desk_only > self.grid.count() {
            return Err(TemplateError::TooManyForDesk);
        }
        if self.valid_through.is_some_and(|last| last < self.valid_from) {
            return Err(TemplateError::NeverValid);
        }
        Ok(())
    }

    /// The slots of each schedule that is made from it.
    pub fn slots(&self) -> Vec<SlotPlan> {
        self.grid.slots(self.desk_only)
    }

    /// Whether it may make a schedule for this day, if the day is like `weekday`.
    fn is_for(&self, date: Date, weekday: Weekday) -> bool {
        self.weekday == weekday && self.validity().contains(&date)
    }

    fn validity(&self) -> RangeInclusive<Date> {
        self.valid_from..=self.valid_through.unwrap_or(Date::MAX)
    }

    /// Whether both would make a schedule for the same place and half-day on some day.
    pub fn overlaps(&self, other: &Self) -> bool {
        let same_place = self.department == other.department && self.doctor == other.doctor;
        let same_half_day = self.weekday == other.weekday && self.period == other.period;
        same_place && same_half_day && overlap(&self.validity(), &other.validity())
    }

    fn plan(&self, date: Date) -> PlannedSchedule {
        PlannedSchedule {
            department: self.department,
            doctor: self.doctor,
            date,
            period: self.period,
            kind: self.kind,
            fee: self.fee,
            location: self.location.clone(),
            slots: self.slots(),
        }
    }
}

fn overlap(one: &RangeInclusive<Date>, other: &RangeInclusive<Date>) -> bool {
    one.start() <= other.end() && other.start() <= one.end()
}

/// Whom a day that differs concerns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// The whole clinic.
    Clinic,
    /// A department, with all its doctors.
    Department(DepartmentId),
    /// A doctor, in every department.
    Doctor(DoctorId),
}

impl Scope {
    fn covers(self, template: &Template) -> bool {
        match self {
            Self::Clinic => true,
            Self::Department(department) => template.department == department,
            Self::Doctor(doctor) => template.doctor == Some(doctor),
        }
    }
}

/// Days that differ from the templates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DayException {
    /// Whom it concerns.
    pub scope: Scope,
    /// What is different.
    pub change: DayChange,
}

/// What is different about a day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DayChange {
    /// From one day through another nobody sees patients (放假).
    Holiday {
        /// The first day.
        first: Date,
        /// The last day.
        last: Date,
    },
    /// A day is worked as if it were another day of the week (调休).
    Swapped {
        /// The day.
        date: Date,
        /// Whose pattern it takes.
        like: Weekday,
    },
}

/// A holiday that ends before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the last day is before the first")]
pub struct EndsBeforeItBegins;

impl DayException {
    /// Refuses a holiday that is no day.
    pub fn validate(&self) -> Result<(), EndsBeforeItBegins> {
        if self.last() < self.first() { Err(EndsBeforeItBegins) } else { Ok(()) }
    }

    /// The first day that differs.
    pub const fn first(&self) -> Date {
        match self.change {
            DayChange::Holiday { first, .. } => first,
            DayChange::Swapped { date, .. } => date,
        }
    }

    /// The last day that differs.
    pub const fn last(&self) -> Date {
        match self.change {
            DayChange::Holiday { last, .. } => last,
            DayChange::Swapped { date, .. } => date,
        }
    }

    /// Whether both say of the same day and the same people whose pattern it takes.
    pub fn contradicts(&self, other: &Self) -> bool {
        match (self.change, other.change) {
            (DayChange::Swapped { date, .. }, DayChange::Swapped { date: same, .. }) => {
                self.scope == other.scope && date == same
            }
            (DayChange::Holiday { .. } | DayChange::Swapped { .. }, _) => false,
        }
    }
}

/// A schedule that a day is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedSchedule {
    /// The department.
    pub department: DepartmentId,
    /// The doctor; none in the ordinary clinic.
    pub doctor: Option<DoctorId>,
    /// The day.
    pub date: Date,
    /// The half of that day.
    pub period: Period,
    /// Ordinary or expert.
    pub kind: ClinicKind,
    /// The fee of one visit.
    pub fee: Fen,
    /// Where the patients are seen.
    pub location: String,
    /// The slots.
    pub slots: Vec<SlotPlan>,
}

impl PlannedSchedule {
    /// The schedule, once it has a number.
    pub fn numbered(self, id: ScheduleId) -> Schedule {
        Schedule {
            id,
            department: self.department,
            doctor: self.doctor,
            date: self.date,
            period: self.period,
            kind: self.kind,
            fee: self.fee,
            location: self.location,
            slots: self.slots,
            standing: Standing::Open,
        }
    }
}

/// The schedules that a day is to have, in the order of the templates.
///
/// A holiday outweighs a swapped day: a schedule too few can be added, one too many is booked. Of several
/// swapped days the one for the doctor counts before the department's, and that before the clinic's.
pub fn wanted(templates: &[Template], exceptions: &[DayException], date: Date) -> Vec<PlannedSchedule> {
    let on_day: Vec<_> = exceptions.iter().filter(|it| (it.first()..=it.last()).contains(&date)).collect();
    let plans = templates.iter().filter_map(|template| {
        let mut like = (None, date.weekday());
        for exception in on_day.iter().filter(|it| it.scope.covers(template)) {
            match exception.change {
                DayChange::Holiday { .. } => return None,
                DayChange::Swapped { like: weekday, .. } => {
                    // Scopes are ordered from the widest to the narrowest.
                    if like.0.is_none_or(|scope| scope < exception.scope) {
                        like = (Some(exception.scope), weekday);
                    }
                }
            }
        }
        template.is_for(date, like.1).then(|| template.plan(date))
    });
    plans.collect()
}
