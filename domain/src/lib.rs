//! The rules of the clinic: booking, people, money and time.
//!
//! This crate decides; it does nothing. It must not know how a decision travels or is kept: no
//! async, clock, I/O, serialization, HTTP, actors or storage. The time, the policy and every id
//! are arguments, so that the same question always gets the same answer.

#![forbid(unsafe_code)]
#![deny(clippy::wildcard_enum_match_arm)]

mod booking;
mod ids;
mod money;
mod people;
mod policy;
mod schedule;
mod time;

pub use booking::{Booking, Canceller, Charge, Owner, Status};
pub use ids::{
    BookingCode, BookingId, DepartmentId, DoctorId, IdError, MAX_ID, MemberId, PatientId,
    ScheduleId, SerialNo, SessionId, StaffId, TenantId, UserId,
};
pub use money::{Fen, MoneyError};
pub use people::{Age, Gender, IdNumber, PersonError, PersonName, Phone};
pub use policy::{DailyVisits, NoShowPolicy, Policy};
pub use schedule::{Channel, ClinicKind, MAX_SLOTS, Schedule, ScheduleError, SlotPlan, Standing};
pub use time::{ClinicZone, Date, Period, TimeError, TimeOfDay, Timestamp};
