//! Why the rules refuse.

use thiserror::Error;

/// Why the rules refuse a command. Where several apply, the one that stands first here is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum Rejection {
    /// There is no such schedule. Whoever looks the schedule up says so; a schedule cannot.
    #[error("no such schedule")]
    ScheduleUnknown,
    /// 已停诊.
    #[error("the schedule is stopped")]
    Stopped,
    /// 未放号: before the release, or beyond the horizon, which is the same.
    #[error("the schedule is not yet released")]
    NotReleased,
    /// There is no slot with this serial number.
    #[error("no such slot")]
    SlotUnknown,
    /// 已过就诊时间.
    #[error("the time of the slot has passed")]
    Past,
    /// 号源已被预约, or a slot that only the desk gives out.
    #[error("the slot is taken")]
    SlotTaken,
    /// 号源正被他人占用.
    #[error("somebody else holds the slot")]
    SlotHeld,
    /// The booker has no such member, or the desk no such patient.
    #[error("no such member")]
    MemberUnknown,
    /// 该就诊人同一时间段已有预约.
    #[error("the patient already has a booking on this half-day")]
    HalfDayTaken,
    /// 超过当日预约上限.
    #[error("the patient has no further visit on this day")]
    DayLimit,
    /// 超过待就诊预约上限.
    #[error("the user has too many visits to come")]
    ActiveLimit,
    /// 爽约限制.
    #[error("the patient is barred after missed visits")]
    Barred,
    /// The user holds too many slots in other schedules.
    #[error("the user holds too many slots")]
    TooManyHolds,
    /// There is no such booking, or it is somebody else's, which is the same to who asks.
    #[error("no such booking")]
    BookingUnknown,
    /// 已过取消时限.
    #[error("the booking can no longer be cancelled")]
    TooLateToCancel,
    /// 当前状态不能取消, or not checked in, marked or corrected.
    #[error("the booking's status does not allow it")]
    WrongStatus,
    /// A visit is missed only after its day.
    #[error("the day of the visit has not passed")]
    NotYet,
    /// A missed visit can be corrected for seven days.
    #[error("the missed visit can no longer be corrected")]
    CorrectionTooLate,
    /// More slots than a schedule may have.
    #[error("a schedule has at most 500 slots")]
    TooManySlots,
    /// A slot to be added has the serial number of another one.
    #[error("the serial number is given out already")]
    DuplicateSerial,
    /// A slot to be added is earlier than one with a smaller serial number, or later than one
    /// with a greater one.
    #[error("the slot's time does not fit its serial number")]
    SlotsOutOfOrder,
}

impl Rejection {
    /// All of them, in order of precedence.
    pub const ALL: [Self; 21] = [
        Self::ScheduleUnknown,
        Self::Stopped,
        Self::NotReleased,
        Self::SlotUnknown,
        Self::Past,
        Self::SlotTaken,
        Self::SlotHeld,
        Self::MemberUnknown,
        Self::HalfDayTaken,
        Self::DayLimit,
        Self::ActiveLimit,
        Self::Barred,
        Self::TooManyHolds,
        Self::BookingUnknown,
        Self::TooLateToCancel,
        Self::WrongStatus,
        Self::NotYet,
        Self::CorrectionTooLate,
        Self::TooManySlots,
        Self::DuplicateSerial,
        Self::SlotsOutOfOrder,
    ];

    /// The place in the order: the smaller one wins.
    pub const fn precedence(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_listed_in_order() {
        for (place, rejection) in Rejection::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(rejection.precedence()), place, "{rejection:?}");
        }
    }
}
