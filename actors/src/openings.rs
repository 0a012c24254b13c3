//! When schedules are released: the settings, and where a clinic or a department differs from them.
//!
//! Whoever asks whether a schedule is released asks here: the actors, the lists, and whoever makes schedules up to the
//! horizon.

use std::sync::Arc;

use dashmap::DashMap;
use domain::{DepartmentId, Policy, TenantId};
use storage::records::OpeningRecord;
use storage::{ReadError, Storage, Version, keys};

/// The policies of all clinics and departments, each made once for the records that it follows from.
pub struct Openings {
    storage: Storage,
    standard: Arc<Policy>,
    made: DashMap<(TenantId, Option<DepartmentId>), Made>,
}

/// A policy beside the versions of the records that it was made from.
struct Made {
    of_clinic: Version,
    of_department: Version,
    policy: Arc<Policy>,
}

impl Openings {
    /// `standard` is the policy of whoever has set nothing.
    pub(crate) fn new(storage: Storage, standard: Policy) -> Self {
        Self { storage, standard: Arc::new(standard), made: DashMap::new() }
    }

    /// The policy of the settings.
    #[must_use]
    pub fn standard(&self) -> &Policy {
        &self.standard
    }

    /// The policy for the schedules of a department, or of the clinic as a whole. What the department has not set
    /// comes from the clinic, and what that has not set from the settings. It reads memory only.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn policy_for(
        &self,
        tenant: TenantId,
        department: Option<DepartmentId>,
    ) -> Result<Arc<Policy>, ReadError> {
        let of_clinic = self.storage.version(&keys::opening(tenant, None))?;
        let of_department = match department {
            Some(_) => self.storage.version(&keys::opening(tenant, department))?,
            None => Version::ABSENT,
        };
        if of_clinic == Version::ABSENT && of_department == Version::ABSENT {
            return Ok(Arc::clone(&self.standard));
        }
        if let Some(made) = self.made.get(&(tenant, department))
            && (made.of_clinic, made.of_department) == (of_clinic, of_department)
        {
            return Ok(Arc::clone(&made.policy));
        }
        // A record that was written after its version was read is of another version than the one remembered, so that
        // the policy is made anew the next time.
        let policy = Arc::new(self.make(tenant, department)?);
        let made = Made { of_clinic, of_department, policy: Arc::clone(&policy) };
        self.made.insert((tenant, department), made);
        Ok(policy)
    }

    fn make(&self, tenant: TenantId, department: Option<DepartmentId>) -> Result<Policy, ReadError> {
        let mut policy = Policy::clone(&self.standard);
        apply(&mut policy, self.stored(tenant, None)?);
        if department.is_some() {
            apply(&mut policy, self.stored(tenant, department)?);
        }
        Ok(policy)
    }

    fn stored(&self, tenant: TenantId, department: Option<DepartmentId>) -> Result<OpeningRecord, ReadError> {
        let stored = self.storage.get(&keys::opening(tenant, department))?;
        Ok(stored.map(|stored| stored.record).unwrap_or_default())
    }
}

fn apply(policy: &mut Policy, record: OpeningRecord) {
    policy.horizon_days = record.horizon_days.unwrap_or(policy.horizon_days);
    policy.release_time = record.release_time.unwrap_or(policy.release_time);
}
