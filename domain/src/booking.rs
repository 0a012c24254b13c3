//! A booking: one patient's claim to one slot, and how far it has come.

use crate::ids::{
    BookingCode, BookingId, DepartmentId, DoctorId, MemberId, PatientId, ScheduleId, SerialNo, StaffId,
    UserId,
};
use crate::money::Fen;
use crate::schedule::ClinicKind;
use crate::time::{Date, Period, Timestamp};

/// A booking (预约). Price, doctor and time are those of the schedule at the time of booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// Its number (`bookId`).
    pub id: BookingId,
    /// What the patient shows at the desk (`bookCode`).
    pub code: BookingCode,
    /// The schedule.
    pub schedule: ScheduleId,
    /// The slot.
    pub serial: SerialNo,
    /// Who has booked.
    pub owner: Owner,
    /// Who will be seen.
    pub patient: PatientId,
    /// The day of the visit.
    pub date: Date,
    /// The half of that day.
    pub period: Period,
    /// When the patient is expected.
    pub starts_at: Timestamp,
    /// The department.
    pub department: DepartmentId,
    /// The doctor at the time of booking; none in the ordinary clinic.
    pub doctor: Option<DoctorId>,
    /// Ordinary or expert.
    pub kind: ClinicKind,
    /// The fee of the visit.
    pub fee: Fen,
    /// When it was booked.
    pub booked_at: Timestamp,
    /// How far it has come.
    pub status: Status,
    /// How its money stands.
    pub charge: Charge,
    /// When the patient showed up at the desk; "visited" means that it is set.
    pub checked_in_at: Option<Timestamp>,
}

impl Booking {
    /// Whether the visit is still to come or takes place: status 0 or 2.
    pub const fn is_live(&self) -> bool {
        match self.status {
            Status::Booked | Status::Registered { .. } => true,
            Status::Cancelled { .. } | Status::NoShow { .. } => false,
        }
    }

    /// Whether it was given up, so that its slot is free again.
    pub const fn is_cancelled(&self) -> bool {
        match self.status {
            Status::Cancelled { .. } => true,
            Status::Booked | Status::Registered { .. } | Status::NoShow { .. } => false,
        }
    }

    /// The account that booked, if it was one.
    pub const fn user(&self) -> Option<UserId> {
        match self.owner {
            Owner::Account { user, .. } => Some(user),
            Owner::Desk { .. } => None,
        }
    }
}

/// Who has booked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Owner {
    /// An account of the app, for one of its members.
    Account {
        /// The account.
        user: UserId,
        /// The member.
        member: MemberId,
    },
    /// The clinic's desk, on behalf of a patient.
    Desk {
        /// Who sat there.
        staff: StaffId,
    },
}

/// How far a booking has come (`bookStatus`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Status {
    /// 已预约.
    Booked,
    /// 已取消.
    Cancelled {
        /// When.
        at: Timestamp,
        /// By whom.
        by: Canceller,
    },
    /// 已挂号: paid, or checked in at the desk.
    Registered {
        /// When.
        at: Timestamp,
    },
    /// 已失约.
    NoShow {
        /// When it was marked, which is after the day of the visit.
        at: Timestamp,
    },
}

impl Status {
    /// 0 booked, 1 cancelled, 2 registered, 3 no-show.
    pub const fn code(self) -> u8 {
        match self {
            Self::Booked => 0,
            Self::Cancelled { .. } => 1,
            Self::Registered { .. } => 2,
            Self::NoShow { .. } => 3,
        }
    }
}

/// Who has cancelled a booking.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Canceller {
    /// The account that booked.
    Patient,
    /// The clinic's staff.
    Staff(StaffId),
    /// The schedule was stopped (停诊) by this member of the staff.
    Stop(StaffId),
    /// Nobody: it was not paid in time.
    Unpaid,
}

/// How the money of a booking stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Charge {
    /// 未收费.
    Unpaid,
    /// 已收费.
    Paid,
    /// 未退费: paid, and to be paid back.
    RefundDue,
    /// 已退费.
    Refunded,
    /// 超时失效: it was not paid in time.
    Expired,
}

impl Charge {
    /// The number of the original family of services, 1 to 5, which tells all five apart.
    pub const fn tag(self) -> u8 {
        match self {
            Self::Unpaid => 1,
            Self::Paid => 2,
            Self::RefundDue => 3,
            Self::Refunded => 4,
            Self::Expired => 5,
        }
    }

    /// The charge of a [`tag`](Self::tag), if there is one.
    pub const fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            1 => Some(Self::Unpaid),
            2 => Some(Self::Paid),
            3 => Some(Self::RefundDue),
            4 => Some(Self::Refunded),
            5 => Some(Self::Expired),
            _ => None,
        }
    }

    /// `visiCharge` as clients know it: 1 not paid, 2 paid (also what is or was to be paid back).
    pub const fn code(self) -> u8 {
        match self {
            Self::Unpaid | Self::Expired => 1,
            Self::Paid | Self::RefundDue | Self::Refunded => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_have_tags_and_are_shown_as_paid_or_not() {
        let shown = [
            (Charge::Unpaid, 1, 1),
            (Charge::Paid, 2, 2),
            (Charge::RefundDue, 3, 2),
            (Charge::Refunded, 4, 2),
            (Charge::Expired, 5, 1),
        ];
        for (charge, tag, code) in shown {
            assert_eq!(charge.tag(), tag);
            assert_eq!(Charge::from_tag(tag), Some(charge));
            assert_eq!(charge.code(), code);
        }
        assert_eq!(Charge::from_tag(0), None);
        assert_eq!(Charge::from_tag(6), None);
    }

    #[test]
    fn statuses_have_codes() {
        let at = Timestamp::ZERO;
        assert_eq!(Status::Booked.code(), 0);
        assert_eq!(Status::Cancelled { at, by: Canceller::Patient }.code(), 1);
        assert_eq!(Status::Registered { at }.code(), 2);
        assert_eq!(Status::NoShow { at }.code(), 3);
    }
}
