//! Which doctors see a patient, and what brings one here today. Both look through the day book: call them where a thread
//! may be held up.

use actors::DayBook;
use domain::{Booking, BookingId, Date, DoctorId, PatientId, Status, TenantId};
use storage::{ReadError, Storage, keys};

/// Where the bookings of a clinic are found.
pub(super) struct Visits<'a> {
    pub(super) day_book: &'a DayBook,
    pub(super) storage: &'a Storage,
    pub(super) tenant: TenantId,
}

impl Visits<'_> {
    /// Whether the patient has a booking that was not cancelled in a schedule that is the doctor's now: a substitute
    /// (替诊) takes over all of it.
    pub(super) fn has_booking_with(&self, patient: PatientId, doctor: DoctorId) -> Result<bool, ReadError> {
        for entry in self.day_book.of_patient(self.tenant, patient) {
            let schedule = self.storage.get(&keys::schedule(self.tenant, entry.schedule))?;
            let is_the_doctors = schedule.is_some_and(|stored| stored.record.schedule.doctor == Some(doctor));
            if is_the_doctors
                && self.storage.get(&entry.key(self.tenant))?.is_some_and(|it| stands(&it.record.0))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The patient's booking of this day for which they have registered (已挂号), if there is one.
    pub(super) fn registered_on(
        &self,
        today: Date,
        patient: PatientId,
    ) -> Result<Option<BookingId>, ReadError> {
        let of_day = self.day_book.of_days(self.tenant, today..=today);
        for entry in of_day.iter().filter(|entry| entry.patient == patient) {
            let booking = self.storage.get(&entry.key(self.tenant))?;
            if booking.is_some_and(|stored| is_registered(&stored.record.0)) {
                return Ok(Some(entry.booking));
            }
        }
        Ok(None)
    }
}

fn stands(booking: &Booking) -> bool {
    match booking.status {
        Status::Booked | Status::Registered { .. } | Status::NoShow { .. } => true,
        Status::Cancelled { .. } => false,
    }
}

fn is_registered(booking: &Booking) -> bool {
    match booking.status {
        Status::Registered { .. } => true,
        Status::Booked | Status::Cancelled { .. } | Status::NoShow { .. } => false,
    }
}
