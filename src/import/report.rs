//! What an import has done.

use std::fmt;

use domain::TenantId;

/// How many records of one kind an import has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// That were not there before.
    pub added: usize,
    /// That were there and differed.
    pub updated: usize,
    /// That were as in the file.
    pub unchanged: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { added, updated, unchanged } = self;
        write!(f, "{added} added, {updated} updated, {unchanged} unchanged")
    }
}

/// What an import has done. Its text is the report for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportReport {
    /// The clinic.
    pub tenant_id: TenantId,
    /// Its own record.
    pub tenant: Tally,
    /// Its departments.
    pub departments: Tally,
    /// Its doctors.
    pub doctors: Tally,
    /// Its schedules.
    pub schedules: Tally,
}

impl ImportReport {
    pub(super) fn new(tenant_id: TenantId) -> Self {
        Self {
            tenant_id,
            tenant: Tally::default(),
            departments: Tally::default(),
            doctors: Tally::default(),
            schedules: Tally::default(),
        }
    }

    /// Whether the store was as the file wants it already, so that nothing was written.
    #[must_use]
    pub fn changed_nothing(&self) -> bool {
        [self.tenant, self.departments, self.doctors, self.schedules]
            .iter()
            .all(|tally| tally.added == 0 && tally.updated == 0)
    }
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.tenant_id;
        if self.changed_nothing() {
            writeln!(f, "clinic {id} was like this already; nothing was written")?;
        } else {
            writeln!(f, "imported into clinic {id}")?;
        }
        writeln!(f, "departments: {}", self.departments)?;
        writeln!(f, "doctors:     {}", self.doctors)?;
        write!(f, "schedules:   {}", self.schedules)
    }
}
