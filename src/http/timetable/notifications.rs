//! What patients are to be told of their bookings, as the desk reads it.

use actix_web::{HttpResponse, web};
use actors::NOTIFICATIONS_KEPT;
use domain::TenantId;
use serde::Serialize;
use storage::keys::NotificationId;
use storage::records::{Action, PatientPersonal};
use storage::{Scan, keys};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::Desk;
use crate::http::envelope;
use crate::http::error::ApiError;
use crate::http::openapi::Success;
use crate::http::paging::{Page, PageRequest, SnakePage, SnakePageQuery};
use crate::http::params::Params;

#[derive(Serialize, ToSchema)]
struct NotificationRow {
    /// yyyy-MM-dd HH:mm:ss, of what happened
    at: String,
    /// `stopped` (停诊: the booking is cancelled) or `relocated` (another room or doctor).
    kind: &'static str,
    book_id: String,
    schedule_id: String,
    /// When the patient was expected, yyyy-MM-dd HH:mm:ss
    trea_time: String,
    pati_id: String,
    /// Empty where the file was erased meanwhile.
    pati_name: String,
    phone: String,
}

/// Which end of the list comes first.
#[derive(Clone, Copy)]
enum First {
    Newest,
    Oldest,
}

/// `GET manager_service/notifications`: what happened to bookings within 30 days that their patients did not do.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/notifications",
    tag = "管理：排班",
    security(("token" = [])),
    params(
        ("order" = Option<String>, Query, description = "`newest` first, as without it, or `oldest` first"),
        SnakePageQuery,
    ),
    responses((status = 200, body = Success<SnakePage<NotificationRow>>)),
)]
pub async fn list(app: web::Data<App>, Desk(staff): Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let first = match params.optional("order", "排序") {
        Some(param) => param.parse(parse_order)?,
        None => First::Newest,
    };
    let page = PageRequest::read_snake(&params)?;
    staff.audit_read(&app, Action::NotificationsListed, None).await?;
    let listed = web::block(move || {
        let mut live = live(&app, staff.tenant)?;
        match first {
            First::Newest => live.reverse(),
            First::Oldest => {}
        }
        let mut rows = Vec::new();
        for id in live.iter().skip(page.offset()).take(page.limit()) {
            rows.extend(row(&app, staff.tenant, id)?);
        }
        Ok::<_, ApiError>(Page::new(page, live.len() as u64, rows))
    });
    let listed = listed.await.map_err(ApiError::internal)??;
    Ok(envelope::ok(SnakePage::from(listed)))
}

/// Those that have not expired, oldest first.
fn live(app: &App, tenant: TenantId) -> Result<Vec<NotificationId>, ApiError> {
    let now = app.clock.now();
    let found = app.storage.scan_keys(&keys::notifications(tenant), Scan::ALL).map_err(ApiError::internal)?;
    let found = found.iter().filter_map(keys::notification_id);
    Ok(found.filter(|id| id.moment.plus(NOTIFICATIONS_KEPT) > now).collect())
}

/// `None` where it was swept meanwhile.
fn row(app: &App, tenant: TenantId, id: &NotificationId) -> Result<Option<NotificationRow>, ApiError> {
    let Some(stored) = app.storage.get(&keys::notification(tenant, id)).map_err(ApiError::internal)? else {
        return Ok(None);
    };
    let told = stored.record;
    let booking = match told.booking() {
        Some(booking) => {
            app.storage.get(&keys::booking(tenant, told.owner, booking)).map_err(ApiError::internal)?
        }
        None => None,
    };
    let patient_key = keys::patient(tenant, told.patient);
    let patient: Option<PatientPersonal> = match app.storage.get(&patient_key).map_err(ApiError::internal)? {
        Some(file) => Some(file.record.open(&app.vault, &patient_key).map_err(ApiError::internal)?),
        None => None,
    };
    let text = |of: fn(&PatientPersonal) -> &str| patient.as_ref().map(of).unwrap_or_default().to_owned();
    let zone = &app.policy.zone;
    Ok(Some(NotificationRow {
        at: zone.date_time_text(told.at),
        kind: told.kind.name(),
        book_id: told.booking().map(|booking| booking.to_string()).unwrap_or_default(),
        schedule_id: told.schedule().map(|schedule| schedule.to_string()).unwrap_or_default(),
        trea_time: booking.map(|stored| zone.date_time_text(stored.record.0.starts_at)).unwrap_or_default(),
        pati_id: told.patient.to_string(),
        pati_name: text(|patient| patient.name.as_str()),
        phone: text(|patient| patient.phone.as_str()),
    }))
}

fn parse_order(text: &str) -> Result<First, ()> {
    match text {
        "newest" => Ok(First::Newest),
        "oldest" => Ok(First::Oldest),
        _ => Err(()),
    }
}
