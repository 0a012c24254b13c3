//! Who may not book after missed visits (爽约), and letting them book again.

use actix_web::{HttpResponse, web};
use actors::Ban;
use domain::{PatientId, TenantId};
use serde::Serialize;
use storage::keys;
use storage::records::Action;
use utoipa::ToSchema;

use super::ledger::Ledger;
use crate::app::App;
use crate::http::caller::Desk;
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::{Done, Success};
use crate::http::paging::{Page, PageRequest, SnakePage};
use crate::http::params::Params;
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};

/// A patient who may not book.
#[derive(Serialize, ToSchema)]
struct BanRow {
    pati_id: String,
    pati_name: String,
    pati_phone: String,
    /// The days of the missed visits that count, oldest first.
    missed_dates: Vec<String>,
    /// The first day on which the patient may book again.
    barred_until: String,
}

/// What `ban/lift` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct LiftBanRequest {
    /// 患者ID
    pati_id: String,
}

/// `GET manager_service/bans`: who may not book today, who is barred longest first.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/bans",
    tag = "管理：前台",
    security(("token" = [])),
    params(
        ("page_num" = Option<u64>, Query, description = "From 1; without it 1.", minimum = 1),
        ("page_size" = Option<u64>, Query, description = "From 1; without it 10; above 100 it counts as 100.", minimum = 1),
    ),
    responses((status = 200, body = Success<SnakePage<BanRow>>)),
)]
pub async fn list(app: web::Data<App>, Desk(staff): Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let page = PageRequest::read_snake(&params)?;
    staff.audit_read(&app, Action::BansListed, None).await?;
    let rows = web::block(move || page_of(&app, staff.tenant, page)).await.map_err(ApiError::internal)??;
    Ok(envelope::ok(SnakePage::from(rows)))
}

fn page_of(app: &App, tenant: TenantId, page: PageRequest) -> Result<Page<BanRow>, ApiError> {
    let bans =
        actors::bans(&app.storage, tenant, &app.policy, app.clock.now()).map_err(ApiError::internal)?;
    let total = bans.len() as u64;
    let mut ledger = Ledger::new(app, tenant);
    let mut rows = Vec::new();
    for Ban { patient, missed, until } in bans.into_iter().skip(page.offset()).take(page.limit()) {
        let person = ledger.person(patient)?;
        rows.push(BanRow {
            pati_id: patient.to_string(),
            pati_name: person.map(|person| person.name.as_str().to_owned()).unwrap_or_default(),
            pati_phone: person.map(|person| person.phone.as_str().to_owned()).unwrap_or_default(),
            missed_dates: missed.iter().map(ToString::to_string).collect(),
            barred_until: until.to_string(),
        });
    }
    Ok(Page::new(page, total, rows))
}

/// `POST manager_service/ban/lift`: lets a patient book again.
///
/// The missed visits that led to the ban no longer count, so that the next one does not bar the patient at once. A
/// patient who is not barred stays as before.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/ban/lift",
    tag = "管理：前台",
    security(("token" = [])),
    request_body = LiftBanRequest,
    responses((status = 200, body = Done)),
)]
pub async fn lift(app: web::Data<App>, Desk(staff): Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let patient = params.required("pati_id", "患者ID")?.parse(PatientId::parse)?;
    if !app.storage.contains(&keys::patient(staff.tenant, patient)).map_err(ApiError::internal)? {
        return Err(ErrorCode::NotFound.into());
    }
    for _ in 0..MAX_TRIES {
        let (policy, now) = (&app.policy, app.clock.now());
        let lifted = actors::lift_ban(&app.storage, staff.tenant, patient, (policy, now));
        let Some(mut commit) = lifted.map_err(ApiError::internal)? else {
            return Ok(envelope::ok_null());
        };
        staff.require_session(&app, &mut commit)?;
        staff.audit(&app, Action::BanLifted, Some(patient.get())).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(envelope::ok_null()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}
