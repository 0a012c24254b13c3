//! Which doctors see a patient, and what brings one here today. Both look through schedules: call them where a thread may
//! be held up.

use domain::{Booking, BookingId, Date, DoctorId, PatientId, Schedule, Status, TenantId};
use storage::{ReadError, Scan, Storage, keys};

/// Whether the patient has a booking that was not cancelled in one of the doctor's schedules.
pub(super) fn is_patient_of(
    storage: &Storage,
    tenant: TenantId,
    patient: PatientId,
    doctor: DoctorId,
) -> Result<bool, ReadError> {
    let own = |schedule: &Schedule| schedule.doctor == Some(doctor);
    Ok(booking_where(storage, tenant, own, |booking| booking.patient == patient)?.is_some())
}

/// The patient's booking of this day for which they have registered (已挂号), if there is one.
pub(super) fn registered_today(
    storage: &Storage,
    tenant: TenantId,
    patient: PatientId,
    today: Date,
) -> Result<Option<BookingId>, ReadError> {
    // Most who are looked at have no visit on this day, which is told without a look at its schedules.
    let visits = storage.scan_keys(&keys::visits_of(tenant, patient), Scan::ALL)?;
    if !visits.iter().filter_map(keys::visit_parts).any(|visit| visit.date == today) {
        return Ok(None);
    }
    let is_registered = |booking: &Booking| match booking.status {
        Status::Registered { .. } => booking.patient == patient,
        Status::Booked | Status::Cancelled { .. } | Status::NoShow { .. } => false,
    };
    booking_where(storage, tenant, |schedule| schedule.date == today, is_registered)
}

/// A slot is freed when its booking is cancelled, so that none of those is found.
fn booking_where(
    storage: &Storage,
    tenant: TenantId,
    is_in: impl Fn(&Schedule) -> bool,
    fits: impl Fn(&Booking) -> bool,
) -> Result<Option<BookingId>, ReadError> {
    const PIECE: usize = 500;
    let mut range = keys::schedules(tenant);
    loop {
        let piece = storage.scan(&range, Scan { limit: PIECE, ..Scan::ALL })?;
        let Some((last, _)) = piece.last() else { return Ok(None) };
        range = range.after(last);
        let schedules = piece.iter().map(|(_, stored)| &stored.record.schedule);
        for schedule in schedules.filter(|schedule| is_in(schedule)) {
            for (_, slot) in storage.scan(&keys::slots_of(tenant, schedule.id), Scan::ALL)? {
                let booking = storage.get(&slot.record.booking_key(tenant))?;
                if let Some(booking) = booking.map(|booking| booking.record.0).filter(|booking| fits(booking))
                {
                    return Ok(Some(booking.id));
                }
            }
        }
    }
}
