//! Filling the read model at start.

use domain::{Date, Timestamp};
use storage::{Scan, Storage, keys};

use crate::availability::Availability;
use crate::directory::Target;
use crate::loading::{self, LoadError};

/// Fills the read model with every schedule from today on, of every tenant. Answers how many.
///
/// # Errors
/// [`LoadError`] for the first schedule that cannot be served from what is stored.
pub fn hydrate(storage: &Storage, availability: &Availability, now: Timestamp) -> Result<usize, LoadError> {
    let today: Date = availability.zone().date_of(now);
    let mut shown = 0;
    for (key, _) in storage.scan(&keys::tenants(), Scan::ALL)? {
        let Some(tenant) = keys::tenant_id(&key) else {
            continue;
        };
        for (_, stored) in storage.scan(&keys::schedules(tenant), Scan::ALL)? {
            let schedule = stored.record.schedule;
            if schedule.date < today {
                continue;
            }
            let target = Target { tenant, schedule: schedule.id };
            if let Some(loaded) = loading::load(storage, target)? {
                availability.show(tenant, &loaded.state);
                shown += 1;
            }
        }
    }
    Ok(shown)
}
