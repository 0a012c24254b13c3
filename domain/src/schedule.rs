//! A schedule: one doctor, or the ordinary clinic of a department, on one half-day, with its
//! numbered slots.

use thiserror::Error;

use crate::ids::{DepartmentId, DoctorId, ScheduleId, SerialNo, StaffId};
use crate::money::Fen;
use crate::time::{Date, Period, TimeOfDay, Timestamp};

/// A schedule (排班) as it is planned; who has booked is another matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its number.
    pub id: ScheduleId,
    /// The department.
    pub department: DepartmentId,
    /// The doctor who sees the patients; none in the department's ordinary clinic (普通门诊).
    pub doctor: Option<DoctorId>,
    /// The day.
    pub date: Date,
    /// The half of that day.
    pub period: Period,
    /// Ordinary or expert.
    pub kind: ClinicKind,
    /// The fee of one visit.
    pub fee: Fen,
    /// Where the patients are seen (`treaArea`).
    pub location: String,
    /// The slots, ascending by serial number.
    pub slots: Vec<SlotPlan>,
    /// Open or stopped.
    pub standing: Standing,
}

/// The greatest number of slots in one schedule: stopping it must fit into one commit.
pub const MAX_SLOTS: usize = 500;

impl Schedule {
    /// Refuses a list of slots that the rules cannot work with: none, more than [`MAX_SLOTS`],
    /// serial numbers that do not ascend, or times that go back as they do. Two slots may share
    /// a time.
    pub fn validate(&self) -> Result<(), ScheduleError> {
        if self.slots.is_empty() {
            return Err(ScheduleError::NoSlots);
        }
        if self.slots.len() > MAX_SLOTS {
            return Err(ScheduleError::TooManySlots);
        }
        for pair in self.slots.windows(2) {
            let [earlier, later] = pair else { continue };
            if earlier.serial == later.serial {
                return Err(ScheduleError::DuplicateSerial(later.serial));
            }
            if earlier.serial > later.serial {
                return Err(ScheduleError::SerialsDescend(later.serial));
            }
            if earlier.time > later.time {
                return Err(ScheduleError::TimesDescend(later.serial));
            }
        }
        Ok(())
    }

    /// The plan of a slot.
    pub fn slot(&self, serial: SerialNo) -> Option<&SlotPlan> {
        self.slots.get(self.index_of(serial)?)
    }

    /// Whether it is stopped (停诊).
    pub const fn is_stopped(&self) -> bool {
        match self.standing {
            Standing::Open => false,
            Standing::Stopped { .. } => true,
        }
    }

    /// The place of a slot in the list. The guess hits wherever serials run from 1 without gaps.
    pub(crate) fn index_of(&self, serial: SerialNo) -> Option<usize> {
        let guess = usize::from(serial.get()) - 1;
        if self.slots.get(guess).is_some_and(|plan| plan.serial == serial) {
            return Some(guess);
        }
        self.slots.binary_search_by_key(&serial, |plan| plan.serial).ok()
    }
}

/// Why a list of slots is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// There is no slot.
    #[error("no slots")]
    NoSlots,
    /// There are more than [`MAX_SLOTS`].
    #[error("more than 500 slots")]
    TooManySlots,
    /// A serial number stands twice.
    #[error("serial number {0} stands twice")]
    DuplicateSerial(SerialNo),
    /// A serial number is smaller than the one before it.
    #[error("serial number {0} is out of order")]
    SerialsDescend(SerialNo),
    /// A slot is earlier than one with a smaller serial number.
    #[error("the slot with serial number {0} is earlier than the one before it")]
    TimesDescend(SerialNo),
}

/// A slot (号源) as it is planned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotPlan {
    /// Its number and turn.
    pub serial: SerialNo,
    /// When the patient is expected.
    pub time: TimeOfDay,
    /// Who may book it.
    pub channel: Channel,
}

/// Who may book a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    /// Patients in the app, and the desk.
    Online,
    /// The desk only (现场号).
    DeskOnly,
}

/// Ordinary or expert clinic (`type`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ClinicKind {
    /// 普通.
    Ordinary,
    /// 专家.
    Expert,
}

impl ClinicKind {
    /// 0 ordinary, 1 expert.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ordinary => 0,
            Self::Expert => 1,
        }
    }

    /// The kind of a code, if there is one.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Ordinary),
            1 => Some(Self::Expert),
            _ => None,
        }
    }
}

/// Whether a schedule takes place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It does.
    Open,
    /// It does not (停诊).
    Stopped {
        /// Since when.
        at: Timestamp,
        /// By whose word.
        by: StaffId,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(slots: &[(u16, &str)]) -> Schedule {
        let plan = |(serial, time): &(u16, &str)| SlotPlan {
            serial: SerialNo::new(*serial).unwrap(),
            time: TimeOfDay::parse(time).unwrap(),
            channel: Channel::Online,
        };
        Schedule {
            id: ScheduleId::new(1).unwrap(),
            department: DepartmentId::new(1).unwrap(),
            doctor: None,
            date: Date::parse("2026-12-01").unwrap(),
            period: Period::Am,
            kind: ClinicKind::Ordinary,
            fee: Fen::ZERO,
            location: String::new(),
            slots: slots.iter().map(plan).collect(),
            standing: Standing::Open,
        }
    }

    #[test]
    fn slots_ascend_by_serial_and_time() {
        let serial = |value| SerialNo::new(value).unwrap();
        let cases = [
            (schedule(&[(1, "08:00")]), Ok(())),
            (schedule(&[(1, "08:00"), (2, "08:00"), (9, "08:10")]), Ok(())),
            (schedule(&[]), Err(ScheduleError::NoSlots)),
            (schedule(&[(1, "08:00"), (1, "08:10")]), Err(ScheduleError::DuplicateSerial(serial(1)))),
            (schedule(&[(2, "08:00"), (1, "08:10")]), Err(ScheduleError::SerialsDescend(serial(1)))),
            (schedule(&[(1, "08:10"), (2, "08:00")]), Err(ScheduleError::TimesDescend(serial(2)))),
        ];
        for (schedule, outcome) in cases {
            assert_eq!(schedule.validate(), outcome, "{:?}", schedule.slots);
        }
    }

    #[test]
    fn five_hundred_slots_and_no_more() {
        let slots: Vec<_> = (1..=501).map(|serial| (serial, "08:00")).collect();
        assert_eq!(schedule(&slots[..500]).validate(), Ok(()));
        assert_eq!(schedule(&slots).validate(), Err(ScheduleError::TooManySlots));
    }

    #[test]
    fn slots_are_found_with_and_without_gaps() {
        let schedule = schedule(&[(1, "08:00"), (3, "08:10"), (7, "08:20"), (9999, "08:30")]);
        for serial in 1..=9999 {
            let serial = SerialNo::new(serial).unwrap();
            let expected = schedule.slots.iter().find(|plan| plan.serial == serial);
            assert_eq!(schedule.slot(serial), expected);
        }
    }

    #[test]
    fn kinds_have_codes() {
        for kind in [ClinicKind::Ordinary, ClinicKind::Expert] {
            assert_eq!(ClinicKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(ClinicKind::from_code(2), None);
    }
}
