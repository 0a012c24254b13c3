//! Schedules made from the templates at once, instead of the next night.

use actix_web::{HttpResponse, web};
use actors::{Days, Generator, days_ahead};
use domain::{Date, Timestamp};
use serde::Serialize;
use storage::Commit;
use storage::records::Action;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::Desk;
use crate::http::envelope;
use crate::http::error::ApiError;
use crate::http::openapi::Success;
use crate::http::params::Params;

/// Days that are made at once.
const MAX_DAYS: i32 = 92;

/// No clinic plans further ahead.
const MAX_DAYS_AHEAD: i32 = 365;

/// What `generate` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct GenerateRequest {
    /// yyyy-MM-dd; without it today.
    from: Option<String>,
    /// yyyy-MM-dd, the last day; without it the day after the last that patients can book. At most 92 days, and none
    /// more than 365 days ahead.
    to: Option<String>,
}

const FROM: &str = "开始日期";
const TO: &str = "结束日期";

#[derive(Serialize, ToSchema)]
struct GeneratedCounts {
    /// Schedules that were made.
    created: usize,
    /// Places that had a schedule already; it stays as it is.
    existing: usize,
    /// Not made: the department or doctor is disabled, the doctor does not work there, or the half-day is over.
    skipped: usize,
}

/// `POST manager_service/generate`: makes the schedules that the templates want and that are not there.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/generate",
    tag = "管理：排班",
    security(("token" = [])),
    request_body = GenerateRequest,
    responses((status = 200, body = Success<GeneratedCounts>)),
)]
pub async fn generate(app: web::Data<App>, desk: Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let Desk(staff) = desk;
    let now = app.clock.now();
    let days = read_days(&app, &params, now)?;
    // The trail tells first who has them made; each schedule is a commit of its own.
    let mut commit = Commit::new();
    staff.require_session(&app, &mut commit)?;
    staff.audit(&app, Action::SchedulesGenerated, None).await?.put(&mut commit);
    app.storage.commit(commit).await?;
    let generator = Generator {
        storage: &app.storage,
        sequences: &app.sequences,
        availability: &app.availability,
        directory: &app.directory,
    };
    let generated = generator.run(staff.tenant, days, now).await?;
    Ok(envelope::ok(GeneratedCounts {
        created: generated.created,
        existing: generated.existing,
        skipped: generated.skipped,
    }))
}

fn read_days(app: &App, params: &Params, now: Timestamp) -> Result<Days, ApiError> {
    if params.optional("from", FROM).is_none() && params.optional("to", TO).is_none() {
        return Ok(Days::Ahead);
    }
    let usual = days_ahead(&app.policy, now);
    let today = *usual.start();
    let from = match params.optional("from", FROM) {
        Some(param) => match param.parse(Date::parse_lenient)? {
            from if (0..=MAX_DAYS_AHEAD).contains(&today.days_until(from)) => from,
            _ => return Err(param.malformed()),
        },
        None => today,
    };
    let to = match params.optional("to", TO) {
        Some(param) => match param.parse(Date::parse_lenient)? {
            to if (0..MAX_DAYS).contains(&from.days_until(to)) && today.days_until(to) <= MAX_DAYS_AHEAD => {
                to
            }
            _ => return Err(param.malformed()),
        },
        None => from.max(*usual.end()).min(from.saturating_add_days(MAX_DAYS - 1)),
    };
    Ok(Days::These(from..=to))
}
