//! Keys of what schedules are made from.

use domain::{ExceptionId, TemplateId, TenantId};

use super::parts::Components;
use super::{Key, KeyRange, RawKey, id, of};
use crate::records::{DayExceptionRecord, MetaRecord, TemplateRecord};
use crate::table::Table;

/// A template of schedules.
#[must_use]
pub fn template(tenant: TenantId, template: TemplateId) -> Key<TemplateRecord> {
    Key::new(of(tenant, Table::Template).with(id(template.get())))
}

/// All templates of a tenant, in the order in which they were added.
#[must_use]
pub fn templates(tenant: TenantId) -> KeyRange<TemplateRecord> {
    KeyRange::prefix(of(tenant, Table::Template))
}

/// Days that differ from the templates.
#[must_use]
pub fn day_exception(tenant: TenantId, exception: ExceptionId) -> Key<DayExceptionRecord> {
    Key::new(of(tenant, Table::DayException).with(id(exception.get())))
}

/// All days of a tenant that differ from the templates, in the order in which they were entered.
#[must_use]
pub fn day_exceptions(tenant: TenantId) -> KeyRange<DayExceptionRecord> {
    KeyRange::prefix(of(tenant, Table::DayException))
}

/// On which day a tenant's schedules were last made from the templates.
#[must_use]
pub fn schedules_generated(tenant: TenantId) -> Key<MetaRecord> {
    const SCHEDULES_GENERATED: u8 = 3;
    Key::new(of(tenant, Table::Meta).with([SCHEDULES_GENERATED]))
}

/// The template of a template's key.
#[must_use]
pub fn template_id(key: &RawKey) -> Option<TemplateId> {
    let mut components = Components::of(key, Table::Template)?;
    let id = components.id()?;
    components.end(TemplateId::new(id).ok()?)
}

/// The exception of the key of days that differ.
#[must_use]
pub fn exception_id(key: &RawKey) -> Option<ExceptionId> {
    let mut components = Components::of(key, Table::DayException)?;
    let id = components.id()?;
    components.end(ExceptionId::new(id).ok()?)
}
