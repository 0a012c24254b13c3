//! What patients are told of their bookings and by the clinic's other systems, as the desk sees and asks for it.
//!
//! Rows are written by whatever causes them, and sent later: here nothing is sent.

use domain::{TenantId, Timestamp};
use storage::keys::NotificationId;
use storage::records::NotificationRecord;
use storage::{Stored, keys};

use super::error::ApiError;
use super::params::Params;
use crate::app::App;
use actors::NOTIFICATIONS_KEPT;

pub mod asking;
pub mod lists;
pub mod resending;

/// Whether it is still kept: it is found until it is swept.
fn is_kept(id: &NotificationId, now: Timestamp) -> bool {
    id.moment.plus(NOTIFICATIONS_KEPT) > now
}

/// A notification that is kept.
fn find(
    app: &App,
    tenant: TenantId,
    id: &NotificationId,
) -> Result<Option<Stored<NotificationRecord>>, ApiError> {
    if !is_kept(id, app.clock.now()) {
        return Ok(None);
    }
    app.storage.get(&keys::notification(tenant, id)).map_err(ApiError::internal)
}

fn named(params: &Params) -> Result<NotificationId, ApiError> {
    let param = params.required("notification_id", "通知ID")?;
    param.parse(|text| NotificationId::parse(text).ok_or(()))
}
