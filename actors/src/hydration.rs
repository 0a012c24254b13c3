//! Filling the read model at start.

use std::collections::HashMap;

use domain::{BookingId, Date, ScheduleId, SerialNo, TenantId, Timestamp};
use storage::{ReadError, Scan, Storage, keys};

use crate::availability::Availability;

/// Fills the read model with every schedule from today on, of every tenant. Answers how many.
///
/// It reads which slots are taken and not by whom: bookings are read by the actor of a schedule that
/// somebody asks for something.
///
/// # Errors
/// [`ReadError`] for the first record that cannot be read.
pub fn hydrate(storage: &Storage, availability: &Availability, now: Timestamp) -> Result<usize, ReadError> {
    let today: Date = availability.zone().date_of(now);
    let mut shown = 0;
    for (key, _) in storage.scan(&keys::tenants(), Scan::ALL)? {
        let Some(tenant) = keys::tenant_id(&key) else {
            continue;
        };
        for (_, stored) in storage.scan(&keys::schedules(tenant), Scan::ALL)? {
            let schedule = stored.record.schedule;
            if schedule.date >= today {
                let taken = taken_slots(storage, tenant, schedule.id)?;
                availability.show_stored(tenant, schedule, &taken);
                shown += 1;
            }
        }
    }
    Ok(shown)
}

/// The slots of a schedule that are booked.
pub(crate) fn taken_slots(
    storage: &Storage,
    tenant: TenantId,
    schedule: ScheduleId,
) -> Result<HashMap<SerialNo, BookingId>, ReadError> {
    let mut taken = HashMap::new();
    for (key, slot) in storage.scan(&keys::slots_of(tenant, schedule), Scan::ALL)? {
        if let Some((_, serial)) = keys::slot_parts(&key) {
            taken.insert(serial, slot.record.booking);
        }
    }
    Ok(taken)
}
