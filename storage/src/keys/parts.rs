//! From the keys that a scan found back to their components.
//!
//! Each function answers `None` for a key of another table or of another shape.

use domain::{
    BookingId, Date, DepartmentId, DoctorId, PatientId, Period, ScheduleId, SerialNo, SessionId, TenantId,
    UserId,
};

use super::{NO_DOCTOR, RawKey, SchedulePlace};
use crate::records::BookingOwner;
use crate::table::Table;

/// The components of a key, read from the front.
pub(super) struct Components<'a>(&'a [u8]);

impl<'a> Components<'a> {
    pub(super) fn of(key: &'a RawKey, table: Table) -> Option<Self> {
        (key.table() == table).then(|| Self(key.components()))
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn id(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_be_bytes)
    }

    pub(super) fn day(&mut self) -> Option<Date> {
        let turned = u32::from_be_bytes(self.bytes()?);
        Date::from_ordinal((turned ^ (1 << 31)).cast_signed()).ok()
    }

    fn half(&mut self) -> Option<Period> {
        match self.bytes()? {
            [0] => Some(Period::Am),
            [1] => Some(Period::Pm),
            _ => None,
        }
    }

    /// `parsed`, if there is nothing after it.
    pub(super) fn end<T>(&self, parsed: T) -> Option<T> {
        self.0.is_empty().then_some(parsed)
    }
}

fn only_id(key: &RawKey, table: Table) -> Option<u64> {
    let mut components = Components::of(key, table)?;
    let id = components.id()?;
    components.end(id)
}

/// The tenant of a tenant's key.
#[must_use]
pub fn tenant_id(key: &RawKey) -> Option<TenantId> {
    TenantId::new(only_id(key, Table::Tenant)?).ok()
}

/// The department of a department's key.
#[must_use]
pub fn department_id(key: &RawKey) -> Option<DepartmentId> {
    DepartmentId::new(only_id(key, Table::Department)?).ok()
}

/// The doctor of a doctor's key.
#[must_use]
pub fn doctor_id(key: &RawKey) -> Option<DoctorId> {
    DoctorId::new(only_id(key, Table::Doctor)?).ok()
}

/// The schedule of a schedule's key.
#[must_use]
pub fn schedule_id(key: &RawKey) -> Option<ScheduleId> {
    ScheduleId::new(only_id(key, Table::Schedule)?).ok()
}

/// The patient of a patient's key or of the key of a patient's missed visits.
#[must_use]
pub fn patient_id(key: &RawKey) -> Option<PatientId> {
    let id = only_id(key, Table::Patient).or_else(|| only_id(key, Table::NoShow))?;
    PatientId::new(id).ok()
}

/// The account of an account's key, or of the key of its members, live bookings or open id.
#[must_use]
pub fn user_id(key: &RawKey) -> Option<UserId> {
    let id = only_id(key, Table::User)
        .or_else(|| only_id(key, Table::Members))
        .or_else(|| only_id(key, Table::Active))
        .or_else(|| only_id(key, Table::OpenId))?;
    UserId::new(id).ok()
}

/// The place of a schedule.
#[must_use]
pub fn schedule_at_parts(key: &RawKey) -> Option<SchedulePlace> {
    let mut components = Components::of(key, Table::ScheduleAt)?;
    let department = DepartmentId::new(components.id()?).ok()?;
    let doctor = match components.id()? {
        NO_DOCTOR => None,
        doctor => Some(DoctorId::new(doctor).ok()?),
    };
    let date = components.day()?;
    let period = components.half()?;
    components.end(SchedulePlace { department, doctor, date, period })
}

/// The schedule and serial number of a booked slot.
#[must_use]
pub fn slot_parts(key: &RawKey) -> Option<(ScheduleId, SerialNo)> {
    let mut components = Components::of(key, Table::Slot)?;
    let schedule = ScheduleId::new(components.id()?).ok()?;
    let serial = SerialNo::new(u16::from_be_bytes(components.bytes()?)).ok()?;
    components.end((schedule, serial))
}

/// Whose visit it is, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisitParts {
    /// The patient.
    pub patient: PatientId,
    /// The day.
    pub date: Date,
    /// Morning or afternoon.
    pub period: Period,
}

/// The patient and half-day of a visit.
#[must_use]
pub fn visit_parts(key: &RawKey) -> Option<VisitParts> {
    let mut components = Components::of(key, Table::Visit)?;
    let patient = PatientId::new(components.id()?).ok()?;
    let date = components.day()?;
    let period = components.half()?;
    components.end(VisitParts { patient, date, period })
}

/// The owner and id of a booking.
#[must_use]
pub fn booking_parts(key: &RawKey) -> Option<(BookingOwner, BookingId)> {
    let mut components = Components::of(key, Table::Booking)?;
    let owner = BookingOwner::from_number(components.id()?)?;
    let booking = BookingId::new(components.id()?).ok()?;
    components.end((owner, booking))
}

/// The account and id of a session.
#[must_use]
pub fn session_parts(key: &RawKey) -> Option<(UserId, SessionId)> {
    let mut components = Components::of(key, Table::Session)?;
    let user = UserId::new(components.id()?).ok()?;
    let session = SessionId::new(components.id()?).ok()?;
    components.end((user, session))
}

/// The schedule of a note's key.
#[must_use]
pub fn schedule_of_note(key: &RawKey) -> Option<ScheduleId> {
    let mut components = Components::of(key, Table::ScheduleNote)?;
    let (schedule, _changed) = (components.id()?, components.id()?);
    components.end(ScheduleId::new(schedule).ok()?)
}

/// The department of the key of when its schedules are released; `None` for the clinic as a whole, too.
#[must_use]
pub fn department_of_opening(key: &RawKey) -> Option<DepartmentId> {
    DepartmentId::new(only_id(key, Table::Opening)?).ok()
}
