//! What the lists say of a department or doctor: their records, decoded once.
//!
//! Departments and doctors are resident tables, so that reading one never touches sled; but a list has a doctor in
//! every row, and decoding a record costs more than all the rest of the row. A decoded record is used for as long as
//! the stored one has the version that it was decoded from, whoever changes it.

use std::hash::Hash;
use std::sync::Arc;

use dashmap::DashMap;
use domain::{DepartmentId, DoctorId, TenantId};
use storage::records::{DepartmentRecord, DoctorRecord};
use storage::{Key, ReadError, Record, Storage, Stored, Version, keys};

/// The decoded records of departments and doctors, of all tenants.
#[derive(Debug, Default)]
pub struct Profiles {
    departments: Decoded<DepartmentId, DepartmentRecord>,
    doctors: Decoded<DoctorId, DoctorRecord>,
}

impl Profiles {
    /// A department as it is stored now; `None` when there is none.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn department(
        &self,
        storage: &Storage,
        tenant: TenantId,
        id: DepartmentId,
    ) -> Result<Option<Arc<DepartmentRecord>>, ReadError> {
        self.departments.get(storage, &keys::department(tenant, id), (tenant, id))
    }

    /// A doctor as stored now; `None` when there is none.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn doctor(
        &self,
        storage: &Storage,
        tenant: TenantId,
        id: DoctorId,
    ) -> Result<Option<Arc<DoctorRecord>>, ReadError> {
        self.doctors.get(storage, &keys::doctor(tenant, id), (tenant, id))
    }
}

/// Records of one table beside the version they were decoded from.
#[derive(Debug)]
struct Decoded<I: Eq + Hash, R>(DashMap<(TenantId, I), (Version, Arc<R>)>);

impl<I: Eq + Hash, R> Default for Decoded<I, R> {
    fn default() -> Self {
        Self(DashMap::new())
    }
}

impl<I: Eq + Hash + Copy, R: Record> Decoded<I, R> {
    fn get(&self, storage: &Storage, key: &Key<R>, id: (TenantId, I)) -> Result<Option<Arc<R>>, ReadError> {
        let current = storage.version(key)?;
        if let Some(known) = self.0.get(&id)
            && known.0 == current
        {
            return Ok(Some(Arc::clone(&known.1)));
        }
        let Some(Stored { version, record }) = storage.get(key)? else {
            self.0.remove(&id);
            return Ok(None);
        };
        let record = Arc::new(record);
        self.0.insert(id, (version, Arc::clone(&record)));
        Ok(Some(record))
    }
}
