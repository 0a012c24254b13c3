//! Bookings (预约) as stored.

use bincode::{Decode, Encode};
use domain::{
    Booking, BookingCode, BookingId, Canceller, Charge, ClinicKind, DepartmentId, DoctorId, Fen, MemberId,
    Owner, PatientId, ScheduleId, SerialNo, StaffId, Status, Timestamp, UserId,
};

use super::schedules::{StoredKind, StoredPeriod};
use super::{date, millis, possible};
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;

/// A booking as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingRecord(pub Booking);

impl From<&Booking> for BookingRecord {
    fn from(booking: &Booking) -> Self {
        Self(booking.clone())
    }
}

impl From<BookingRecord> for Booking {
    fn from(record: BookingRecord) -> Self {
        record.0
    }
}

#[derive(Encode, Decode)]
struct StoredBooking {
    id: u64,
    code: u32,
    schedule: u64,
    serial: u16,
    owner: StoredOwner,
    patient: u64,
    date: i32,
    period: StoredPeriod,
    starts_at: i64,
    department: u64,
    doctor: Option<u64>,
    kind: StoredKind,
    fee: u32,
    booked_at: i64,
    status: StoredStatus,
    charge: StoredCharge,
    checked_in_at: Option<i64>,
}

#[derive(Encode, Decode)]
enum StoredOwner {
    Account { user: u64, member: u64 },
    Desk { staff: u64 },
}

#[derive(Encode, Decode)]
enum StoredStatus {
    Booked,
    Cancelled { at: i64, by: StoredCanceller },
    Registered { at: i64 },
    NoShow { at: i64 },
}

#[derive(Encode, Decode)]
enum StoredCanceller {
    Patient,
    Staff(u64),
    Stop(u64),
    Unpaid,
}

#[derive(Encode, Decode)]
enum StoredCharge {
    Unpaid,
    Paid,
    RefundDue,
    Refunded,
    Expired,
}

impl From<&Booking> for StoredBooking {
    fn from(booking: &Booking) -> Self {
        Self {
            id: booking.id.get(),
            code: booking.code.get(),
            schedule: booking.schedule.get(),
            serial: booking.serial.get(),
            owner: match booking.owner {
                Owner::Account { user, member } => {
                    StoredOwner::Account { user: user.get(), member: member.get() }
                }
                Owner::Desk { staff } => StoredOwner::Desk { staff: staff.get() },
            },
            patient: booking.patient.get(),
            date: booking.date.ordinal(),
            period: booking.period.into(),
            starts_at: millis(booking.starts_at),
            department: booking.department.get(),
            doctor: booking.doctor.map(|doctor| doctor.get()),
            kind: booking.kind.into(),
            fee: booking.fee.get(),
            booked_at: millis(booking.booked_at),
            status: booking.status.into(),
            charge: booking.charge.into(),
            checked_in_at: booking.checked_in_at.map(millis),
        }
    }
}

impl TryFrom<StoredBooking> for BookingRecord {
    type Error = Impossible;

    fn try_from(stored: StoredBooking) -> Result<Self, Impossible> {
        let doctor = match stored.doctor {
            Some(doctor) => Some(possible(DoctorId::new(doctor), "doctor id")?),
            None => None,
        };
        Ok(Self(Booking {
            id: possible(BookingId::new(stored.id), "booking id")?,
            code: possible(BookingCode::new(stored.code), "booking code")?,
            schedule: possible(ScheduleId::new(stored.schedule), "schedule id")?,
            serial: possible(SerialNo::new(stored.serial), "serial number")?,
            owner: Owner::try_from(stored.owner)?,
            patient: possible(PatientId::new(stored.patient), "patient id")?,
            date: date(stored.date, "date of a visit")?,
            period: stored.period.into(),
            starts_at: Timestamp::from_millis(stored.starts_at),
            department: possible(DepartmentId::new(stored.department), "department id")?,
            doctor,
            kind: ClinicKind::from(stored.kind),
            fee: possible(Fen::new(stored.fee), "fee")?,
            booked_at: Timestamp::from_millis(stored.booked_at),
            status: Status::try_from(stored.status)?,
            charge: Charge::from(stored.charge),
            checked_in_at: stored.checked_in_at.map(Timestamp::from_millis),
        }))
    }
}

impl TryFrom<StoredOwner> for Owner {
    type Error = Impossible;

    fn try_from(stored: StoredOwner) -> Result<Self, Impossible> {
        match stored {
            StoredOwner::Account { user, member } => Ok(Self::Account {
                user: possible(UserId::new(user), "user id")?,
                member: possible(MemberId::new(member), "member id")?,
            }),
            StoredOwner::Desk { staff } => {
                Ok(Self::Desk { staff: possible(StaffId::new(staff), "staff id")? })
            }
        }
    }
}

impl From<Status> for StoredStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Booked => Self::Booked,
            Status::Cancelled { at, by } => Self::Cancelled { at: millis(at), by: by.into() },
            Status::Registered { at } => Self::Registered { at: millis(at) },
            Status::NoShow { at } => Self::NoShow { at: millis(at) },
        }
    }
}

impl TryFrom<StoredStatus> for Status {
    type Error = Impossible;

    fn try_from(stored: StoredStatus) -> Result<Self, Impossible> {
        Ok(match stored {
            StoredStatus::Booked => Self::Booked,
            StoredStatus::Cancelled { at, by } => {
                Self::Cancelled { at: Timestamp::from_millis(at), by: by.try_into()? }
            }
            StoredStatus::Registered { at } => Self::Registered { at: Timestamp::from_millis(at) },
            StoredStatus::NoShow { at } => Self::NoShow { at: Timestamp::from_millis(at) },
        })
    }
}

impl From<Canceller> for StoredCanceller {
    fn from(canceller: Canceller) -> Self {
        match canceller {
            Canceller::Patient => Self::Patient,
            Canceller::Staff(staff) => Self::Staff(staff.get()),
            Canceller::Stop(staff) => Self::Stop(staff.get()),
            Canceller::Unpaid => Self::Unpaid,
        }
    }
}

impl TryFrom<StoredCanceller> for Canceller {
    type Error = Impossible;

    fn try_from(stored: StoredCanceller) -> Result<Self, Impossible> {
        Ok(match stored {
            StoredCanceller::Patient => Self::Patient,
            StoredCanceller::Staff(staff) => Self::Staff(possible(StaffId::new(staff), "staff id")?),
            StoredCanceller::Stop(staff) => Self::Stop(possible(StaffId::new(staff), "staff id")?),
            StoredCanceller::Unpaid => Self::Unpaid,
        })
    }
}

impl From<Charge> for StoredCharge {
    fn from(charge: Charge) -> Self {
        match charge {
            Charge::Unpaid => Self::Unpaid,
            Charge::Paid => Self::Paid,
            Charge::RefundDue => Self::RefundDue,
            Charge::Refunded => Self::Refunded,
            Charge::Expired => Self::Expired,
        }
    }
}

impl From<StoredCharge> for Charge {
    fn from(stored: StoredCharge) -> Self {
        match stored {
            StoredCharge::Unpaid => Self::Unpaid,
            StoredCharge::Paid => Self::Paid,
            StoredCharge::RefundDue => Self::RefundDue,
            StoredCharge::Refunded => Self::Refunded,
            StoredCharge::Expired => Self::Expired,
        }
    }
}

impl Record for BookingRecord {
    const TABLE: Table = Table::Booking;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredBooking::from(&self.0))
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredBooking>(bytes)
    }
}
