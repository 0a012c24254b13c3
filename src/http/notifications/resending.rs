//! Having a notification sent again.

use actix_web::{HttpResponse, web};
use actors::save_notification;
use storage::records::{Action, Delivery, NotificationRecord};
use storage::{Commit, keys};
use utoipa::ToSchema;

use super::{find, named};
use crate::app::App;
use crate::http::caller::Desk;
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::Done;
use crate::http::params::Params;
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};

/// What `notifications/resend` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct ResendRequest {
    /// 通知ID
    notification_id: String,
}

/// `POST manager_service/notifications/resend`: has a notification sent again that was sent, skipped or given up.
///
/// One that waits is refused: it will be sent.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/notifications/resend",
    tag = "管理：通知",
    security(("token" = [])),
    request_body = ResendRequest,
    responses((status = 200, body = Done)),
)]
pub async fn resend(
    app: web::Data<App>,
    Desk(staff): Desk,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let id = named(&params)?;
    for _ in 0..MAX_TRIES {
        let stored = find(&app, staff.tenant, &id)?.ok_or(ErrorCode::NotFound)?;
        match stored.record.delivery {
            Delivery::Waiting { .. } => return Err(ErrorCode::NotificationWaiting.into()),
            Delivery::Sent { .. } | Delivery::Skipped { .. } | Delivery::Failed { .. } => {}
        }
        let now = app.clock.now();
        let again = NotificationRecord {
            // WeChat drops a message with the id of the former one.
            round: stored.record.round.saturating_add(1),
            delivery: Delivery::Waiting { attempts: 0, next_at: now },
            fault: None,
            ..stored.record
        };
        let mut commit = Commit::new();
        commit.require_version(&keys::notification(staff.tenant, &id), stored.version);
        save_notification(&mut commit, staff.tenant, &id, &again);
        staff.require_session(&app, &mut commit)?;
        let patient = again.patient.get();
        staff.audit(&app, Action::NotificationResent, Some(patient)).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(envelope::ok_null()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}
