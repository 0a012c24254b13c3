//! Keys of the staff and of what they did.

use std::ops::RangeInclusive;

use domain::{SessionId, StaffId, TenantId};

use super::parts::Components;
use super::{Key, KeyRange, RawKey, id, of};
use crate::records::{AuditRecord, StaffAccountRecord, StaffRecord, StaffSessionRecord};
use crate::table::Table;
use crate::vault::Blind;

/// A member of the staff.
#[must_use]
pub fn staff(tenant: TenantId, staff: StaffId) -> Key<StaffRecord> {
    Key::new(of(tenant, Table::Staff).with(id(staff.get())))
}

/// The whole staff of a tenant, in the order in which they were added.
#[must_use]
pub fn all_staff(tenant: TenantId) -> KeyRange<StaffRecord> {
    KeyRange::prefix(of(tenant, Table::Staff))
}

/// Who logs in with an account, by [`Vault::blind_account`](crate::vault::Vault::blind_account).
#[must_use]
pub fn staff_account(tenant: TenantId, account: &Blind) -> Key<StaffAccountRecord> {
    Key::new(of(tenant, Table::StaffAccount).with(*account.as_bytes()))
}

/// A session of a member of the staff.
#[must_use]
pub fn staff_session(tenant: TenantId, staff: StaffId, session: SessionId) -> Key<StaffSessionRecord> {
    Key::new(of(tenant, Table::StaffSession).with(id(staff.get())).with(id(session.get())))
}

/// The sessions of a member of the staff, oldest first.
#[must_use]
pub fn staff_sessions_of(tenant: TenantId, staff: StaffId) -> KeyRange<StaffSessionRecord> {
    KeyRange::prefix(of(tenant, Table::StaffSession).with(id(staff.get())))
}

/// A row of the audit trail, by its running number.
#[must_use]
pub fn audit(tenant: TenantId, row: u64) -> Key<AuditRecord> {
    Key::new(of(tenant, Table::Audit).with(id(row)))
}

/// The audit trail of a tenant, oldest first.
#[must_use]
pub fn audits(tenant: TenantId) -> KeyRange<AuditRecord> {
    KeyRange::prefix(of(tenant, Table::Audit))
}

/// The rows with these numbers, oldest first.
#[must_use]
pub fn audits_through(tenant: TenantId, rows: &RangeInclusive<u64>) -> KeyRange<AuditRecord> {
    let row = |number: u64| of(tenant, Table::Audit).with(id(number));
    KeyRange::through(row(*rows.start()), row(*rows.end()))
}

/// The running number of a row's key.
#[must_use]
pub fn audit_number(key: &RawKey) -> Option<u64> {
    let mut components = Components::of(key, Table::Audit)?;
    let number = components.id()?;
    components.end(number)
}

/// The member of the staff of a staff's key.
#[must_use]
pub fn staff_id(key: &RawKey) -> Option<StaffId> {
    let mut components = Components::of(key, Table::Staff)?;
    let id = components.id()?;
    components.end(StaffId::new(id).ok()?)
}

/// The session of the key of a staff's session.
#[must_use]
pub fn staff_session_id(key: &RawKey) -> Option<SessionId> {
    let mut components = Components::of(key, Table::StaffSession)?;
    let (_, session) = (components.id()?, components.id()?);
    components.end(SessionId::new(session).ok()?)
}
