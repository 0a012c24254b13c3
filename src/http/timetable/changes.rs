//! What the desk does to a schedule, booked or not: another room or doctor (替诊), more slots (加号), stopping it (停诊)
//! and opening it again. Each may be repeated: it is answered the same and happens once.

use actix_web::{HttpResponse, web};
use actors::{Request, Target, Terms};
use domain::{
    AddSlots, Channel, DoctorId, MAX_SLOTS, Reason, Relocate, Reopen, Reply, ScheduleId, SerialNo, SlotPlan,
    Stop, TimeOfDay,
};
use storage::keys;
use storage::records::Action;
use utoipa::ToSchema;

use super::saving::{parse_location, require_doctor};
use super::upcoming;
use crate::app::App;
use crate::http::caller::{Desk, Staff};
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::Done;
use crate::http::params::{Param, Params};

/// What `schedule/relocate` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct RelocateRequest {
    schedule_id: String,
    /// The new room; without one it stays.
    location: Option<String>,
    /// The substitute (替诊), who works in the department; without one the doctor stays.
    doctor_id: Option<String>,
}

/// What `schedule/add_slots` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct AddSlotsRequest {
    schedule_id: String,
    /// The serial number of the first new slot, after the last there is; the others follow it. That it is named makes
    /// the request one that can be repeated.
    #[schema(minimum = 1, maximum = 9999)]
    first_serial_no: u16,
    /// HH:mm, one for each new slot, separated by commas, none before the last there is.
    times: String,
    /// Whether they are for the desk alone (现场号); without it they are.
    desk_only: Option<bool>,
    /// 1 to 200 characters
    reason: String,
}

/// What `schedule/stop` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct StopRequest {
    schedule_id: String,
    /// 1 to 200 characters
    reason: String,
}

/// What `schedule/reopen` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct ReopenRequest {
    schedule_id: String,
}

/// `POST manager_service/schedule/relocate`: another room, or a substitute doctor (替诊). Whoever has booked is to be
/// told.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/schedule/relocate",
    tag = "管理：排班",
    security(("token" = [])),
    request_body = RelocateRequest,
    responses((status = 200, body = Done)),
)]
pub async fn relocate(
    app: web::Data<App>,
    Desk(staff): Desk,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let id = schedule_id(&params)?;
    let location = params.optional("location", "就诊地点").map(parse_location).transpose()?;
    let doctor = match params.optional("doctor_id", "医生") {
        Some(param) => Some((param, param.parse(DoctorId::parse)?)),
        None => None,
    };
    if location.is_none() && doctor.is_none() {
        return Err(ApiError::missing("就诊地点"));
    }
    let schedule = upcoming(&app, staff.tenant, id, app.clock.now())?;
    if let Some((param, doctor)) = doctor {
        require_doctor(&app, staff.tenant, doctor, (param, schedule.department))?;
        let place = keys::SchedulePlace { doctor: Some(doctor), ..keys::SchedulePlace::of(&schedule) };
        let there = app.storage.get(&keys::schedule_at(staff.tenant, &place)).map_err(ApiError::internal)?;
        if there.is_some_and(|there| there.record.schedule != id) {
            return Err(ErrorCode::PlaceTaken.into());
        }
    }
    let doctor = doctor.map(|(_, doctor)| doctor);
    let request = Request::Relocate(Relocate { location, doctor, staff: staff.id });
    done(&app, staff, id, (request, Action::ScheduleRelocated)).await
}

/// `POST manager_service/schedule/add_slots`: more slots (加号), all or none.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/schedule/add_slots",
    tag = "管理：排班",
    security(("token" = [])),
    request_body = AddSlotsRequest,
    responses((status = 200, body = Done)),
)]
pub async fn add_slots(
    app: web::Data<App>,
    Desk(staff): Desk,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let id = schedule_id(&params)?;
    let first = params.required("first_serial_no", "起始序号")?;
    let serial = first.parse(SerialNo::parse)?;
    let times = parse_times(params.required("times", "就诊时间")?)?;
    let channel = match params.optional("desk_only", "现场号") {
        Some(param) if !param.boolean()? => Channel::Online,
        Some(_) | None => Channel::DeskOnly,
    };
    let reason = params.required("reason", "原因")?.parse(Reason::parse)?;
    let mut slots = Vec::with_capacity(times.len());
    for (serial, time) in (serial.get()..).zip(times) {
        let serial = SerialNo::new(serial).map_err(|_| first.malformed())?;
        slots.push(SlotPlan { serial, time, channel });
    }
    upcoming(&app, staff.tenant, id, app.clock.now())?;
    let request = Request::AddSlots(AddSlots { slots, staff: staff.id, reason });
    done(&app, staff, id, (request, Action::SlotsAdded)).await
}

/// `POST manager_service/schedule/stop`: the schedule does not take place (停诊). Its bookings are cancelled, and
/// whoever had booked is to be told.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/schedule/stop",
    tag = "管理：排班",
    security(("token" = [])),
    request_body = StopRequest,
    responses((status = 200, body = Done)),
)]
pub async fn stop(app: web::Data<App>, Desk(staff): Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let id = schedule_id(&params)?;
    let reason = params.required("reason", "原因")?.parse(Reason::parse)?;
    upcoming(&app, staff.tenant, id, app.clock.now())?;
    let request = Request::Stop(Stop { staff: staff.id, reason });
    done(&app, staff, id, (request, Action::ScheduleStopped)).await
}

/// `POST manager_service/schedule/reopen`: the stopped schedule takes place again. Its slots are free; what was
/// cancelled stays cancelled.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/schedule/reopen",
    tag = "管理：排班",
    security(("token" = [])),
    request_body = ReopenRequest,
    responses((status = 200, body = Done)),
)]
pub async fn reopen(
    app: web::Data<App>,
    Desk(staff): Desk,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let id = schedule_id(&params)?;
    upcoming(&app, staff.tenant, id, app.clock.now())?;
    let request = Request::Reopen(Reopen { staff: staff.id });
    done(&app, staff, id, (request, Action::ScheduleReopened)).await
}

fn schedule_id(params: &Params) -> Result<ScheduleId, ApiError> {
    params.required("schedule_id", "排班ID")?.parse(ScheduleId::parse)
}

/// Asks the schedule, and has it noted who did.
async fn done(
    app: &App,
    staff: Staff,
    id: ScheduleId,
    (request, action): (Request, Action),
) -> Result<HttpResponse, ApiError> {
    let row = staff.audit(app, action, Some(id.get())).await?;
    let target = Target { tenant: staff.tenant, schedule: id };
    let terms = Terms { deadline: app.deadline(), repeat: None, audit: Some(row), also: None };
    match app.directory.ask(target, request, terms).await? {
        Reply::Done => Ok(envelope::ok_null()),
        Reply::Held { .. } | Reply::Booked(_) | Reply::RefundDue => {
            Err(ApiError::internal("a change of a schedule was answered as something else"))
        }
    }
}

/// Times separated by commas, in order: at least one, and no more than a schedule may have slots.
fn parse_times(param: Param<'_>) -> Result<Vec<TimeOfDay>, ApiError> {
    let texts = param.text()?.split([',', '，']);
    let times = texts.take(MAX_SLOTS + 1).map(|text| TimeOfDay::parse(text.trim()));
    let times = times.collect::<Result<Vec<_>, _>>().map_err(|_| param.malformed())?;
    if times.len() > MAX_SLOTS {
        return Err(ErrorCode::TooManySlots.into());
    }
    if times.is_sorted() { Ok(times) } else { Err(param.malformed()) }
}
