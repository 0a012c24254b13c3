//! Schedules (排班) as the clinic sees and changes them.
//!
//! A doctor reads the own schedules only: another's is answered as if it did not exist.

use actix_web::{HttpResponse, web};
use actors::ScheduleView;
use domain::{
    Channel, Date, DepartmentId, DoctorId, Occupancy, Schedule, ScheduleId, SlotPlan, Standing, TenantId,
    Timestamp,
};
use serde::Serialize;
use storage::{ReadError, Scan, keys};
use utoipa::ToSchema;

use super::caller::Staff;
use super::envelope;
use super::error::{ApiError, ErrorCode};
use super::openapi::Success;
use super::paging::{Page, PageRequest, SnakePage, SnakePageQuery};
use super::params::Params;
use super::slot_grids::period_name;
use super::staff::Colleague;
use crate::app::App;

pub mod changes;
pub mod opening;
pub mod saving;

/// The days of one list at most.
const MAX_DAYS: i32 = 31;
/// The days of a list whose end is not given: today and 13 more.
const USUAL_DAYS: i32 = 14;

#[derive(Serialize, ToSchema)]
struct ScheduleRow {
    schedule_id: String,
    department_id: String,
    department_name: String,
    /// Null for the ordinary clinic (普通门诊).
    doctor_id: Option<String>,
    doctor_name: Option<String>,
    /// yyyy-MM-dd
    date: String,
    /// `AM` or `PM`.
    period: &'static str,
    /// 0 普通, 1 专家
    #[serde(rename = "type")]
    kind: u8,
    /// Yuan.
    fee: f64,
    location: String,
    /// `open`, or `stopped` (停诊).
    status: &'static str,
    /// All slots (号源).
    slots: usize,
    /// Those for the desk alone (现场号).
    desk_only_slots: usize,
    /// Those that are booked.
    booked: usize,
    /// Those that can still be given out, online or at the desk.
    left: usize,
}

#[derive(Serialize, ToSchema)]
struct ScheduleDetail {
    schedule: ScheduleRow,
    slots: Vec<SlotRow>,
    /// What was done to the schedule, oldest first.
    notes: Vec<NoteRow>,
}

#[derive(Serialize, ToSchema)]
struct SlotRow {
    serial_no: u16,
    /// HH:mm
    time: String,
    desk_only: bool,
    /// `free`, `held` or `booked`.
    state: &'static str,
    book_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct NoteRow {
    /// yyyy-MM-dd HH:mm:ss
    at: String,
    /// `slots_added` (加号), `stopped` (停诊), `reopened`, `relocated` (替诊) or `visit_corrected`.
    change: &'static str,
    staff_id: String,
    staff_name: String,
    reason: Option<String>,
    /// Of slots that were added.
    serial_nos: Vec<u16>,
    /// Of a visit that was corrected.
    book_id: Option<String>,
}

/// What a list is asked for.
#[derive(Clone, Copy)]
struct Wanted {
    tenant: TenantId,
    from: Date,
    to: Date,
    department: Option<DepartmentId>,
    doctor: Option<DoctorId>,
}

/// `GET manager_service/schedules`: schedules of some days, also of the past, by day, half-day, department and doctor.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/schedules",
    tag = "管理：排班",
    security(("token" = [])),
    params(
        ("from" = Option<String>, Query, description = "yyyy-MM-dd; without one today"),
        ("to" = Option<String>, Query, description = "yyyy-MM-dd, at most 30 days later; without one 13 days later"),
        ("department_id" = Option<String>, Query),
        ("doctor_id" = Option<String>, Query),
        SnakePageQuery,
    ),
    responses((status = 200, body = Success<SnakePage<ScheduleRow>>)),
)]
pub async fn list(app: web::Data<App>, staff: Staff, params: Params) -> Result<HttpResponse, ApiError> {
    let wanted = wanted(&app, staff, &params)?;
    let page = PageRequest::read_snake(&params)?;
    let Some(wanted) = wanted else {
        return Ok(envelope::ok(SnakePage::from(Page::<ScheduleRow>::new(page, 0, Vec::new()))));
    };
    let listed = web::block(move || {
        let found = find(&app, wanted)?;
        let mut rows = Vec::new();
        for id in found.iter().skip(page.offset()).take(page.limit()) {
            if let Some(view) = view_of(&app, wanted.tenant, *id)? {
                rows.push(ScheduleRow::of(&app, wanted.tenant, &view)?);
            }
        }
        Ok::<_, ApiError>(Page::new(page, found.len() as u64, rows))
    });
    let listed = listed.await.map_err(ApiError::internal)??;
    Ok(envelope::ok(SnakePage::from(listed)))
}

/// `None` when a doctor asks for another's.
fn wanted(app: &App, staff: Staff, params: &Params) -> Result<Option<Wanted>, ApiError> {
    let from = match params.optional("from", "开始日期") {
        Some(param) => param.parse(Date::parse_lenient)?,
        None => app.policy.zone.date_of(app.clock.now()),
    };
    let to = match params.optional("to", "结束日期") {
        Some(param) => {
            let to = param.parse(Date::parse_lenient)?;
            if !(0..MAX_DAYS).contains(&from.days_until(to)) {
                return Err(param.malformed());
            }
            to
        }
        None => from.saturating_add_days(USUAL_DAYS - 1),
    };
    let department = match params.optional("department_id", "科室") {
        Some(param) => Some(param.parse(DepartmentId::parse)?),
        None => None,
    };
    let doctor = match params.optional("doctor_id", "医生") {
        Some(param) => Some(param.parse(DoctorId::parse)?),
        None => None,
    };
    let doctor = match (staff.only_of(), doctor) {
        (Some(own), Some(other)) if own != other => return Ok(None),
        (Some(own), _) => Some(own),
        (None, doctor) => doctor,
    };
    Ok(Some(Wanted { tenant: staff.tenant, from, to, department, doctor }))
}

/// The schedules that are wanted, in order. One look for each department and doctor, whatever their number of days:
/// history does not make it slower.
fn find(app: &App, wanted: Wanted) -> Result<Vec<ScheduleId>, ApiError> {
    let storage = &app.storage;
    let tenant = wanted.tenant;
    let departments = match wanted.department {
        Some(department) => vec![department],
        None => {
            let stored = storage.scan_keys(&keys::departments(tenant), Scan::ALL);
            stored.map_err(ApiError::internal)?.iter().filter_map(keys::department_id).collect()
        }
    };
    let doctors = match wanted.doctor {
        Some(doctor) => vec![Some(doctor)],
        None => {
            let stored = storage.scan_keys(&keys::doctors(tenant), Scan::ALL).map_err(ApiError::internal)?;
            std::iter::once(None).chain(stored.iter().filter_map(keys::doctor_id).map(Some)).collect()
        }
    };
    let days = wanted.from..=wanted.to;
    let mut found = Vec::new();
    for department in departments {
        for doctor in &doctors {
            let range = keys::schedules_of_doctor(tenant, department, *doctor, &days);
            for (key, stored) in storage.scan(&range, Scan::ALL).map_err(ApiError::internal)? {
                if let Some(place) = keys::schedule_at_parts(&key) {
                    found.push((place.date, place.period, department, *doctor, stored.record.schedule));
                }
            }
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(.., schedule)| schedule).collect())
}

/// `GET manager_service/schedule`: one schedule with its slots, and what was done to it.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/schedule",
    tag = "管理：排班",
    security(("token" = [])),
    params(("schedule_id" = String, Query, description = "排班ID")),
    responses((status = 200, body = Success<ScheduleDetail>)),
)]
pub async fn show(app: web::Data<App>, staff: Staff, params: Params) -> Result<HttpResponse, ApiError> {
    let id = params.required("schedule_id", "排班ID")?.parse(ScheduleId::parse)?;
    let detail = web::block(move || {
        let view = view_of(&app, staff.tenant, id)?;
        let is_shown =
            |view: &ScheduleView| staff.only_of().is_none_or(|own| view.schedule.doctor == Some(own));
        let view = view.filter(is_shown).ok_or(ErrorCode::ScheduleUnknown)?;
        let now = app.clock.now();
        Ok::<_, ApiError>(ScheduleDetail {
            schedule: ScheduleRow::of(&app, staff.tenant, &view)?,
            slots: view.slots(now).map(SlotRow::from).collect(),
            notes: notes(&app, staff.tenant, id)?,
        })
    });
    Ok(envelope::ok(detail.await.map_err(ApiError::internal)??))
}

/// A schedule as the lists have it, or as it is stored where they do not reach back so far.
fn view_of(app: &App, tenant: TenantId, id: ScheduleId) -> Result<Option<ScheduleView>, ApiError> {
    if let Some(view) = app.availability.look(tenant, id, ScheduleView::clone) {
        return Ok(Some(view));
    }
    let read = || -> Result<Option<ScheduleView>, ReadError> {
        let Some(stored) = app.storage.get(&keys::schedule(tenant, id))? else { return Ok(None) };
        ScheduleView::stored(&app.storage, &app.policy.zone, tenant, stored.record.schedule).map(Some)
    };
    read().map_err(ApiError::internal)
}

fn notes(app: &App, tenant: TenantId, id: ScheduleId) -> Result<Vec<NoteRow>, ApiError> {
    let stored =
        app.storage.scan(&keys::schedule_notes_of(tenant, id), Scan::ALL).map_err(ApiError::internal)?;
    let mut rows = Vec::with_capacity(stored.len());
    for (key, stored) in stored {
        let Some(key) = keys::schedule_note_key(&key) else { continue };
        let note = stored.record;
        let reason = note.open(&app.vault, &key).map_err(ApiError::internal)?;
        let author = Colleague::find(app, tenant, note.by)?;
        rows.push(NoteRow {
            at: app.policy.zone.date_time_text(note.at),
            change: note.change.name(),
            staff_id: note.by.to_string(),
            staff_name: author.map(|author| author.personal.name.as_str().to_owned()).unwrap_or_default(),
            reason: reason.map(|reason| reason.as_str().to_owned()),
            serial_nos: note.change.serials().iter().map(|serial| serial.get()).collect(),
            book_id: note.change.booking().map(|booking| booking.to_string()),
        });
    }
    Ok(rows)
}

/// A schedule that is to be changed: it is stored, and its day is not over.
///
/// # Errors
/// 0404, and the refusal of what is over.
fn upcoming(app: &App, tenant: TenantId, id: ScheduleId, now: Timestamp) -> Result<Schedule, ApiError> {
    let stored = app.storage.get(&keys::schedule(tenant, id)).map_err(ApiError::internal)?;
    let schedule = stored.ok_or(ErrorCode::ScheduleUnknown)?.record.schedule;
    if schedule.date < app.policy.zone.date_of(now) {
        return Err(ErrorCode::ScheduleOver.into());
    }
    Ok(schedule)
}

impl ScheduleRow {
    fn of(app: &App, tenant: TenantId, view: &ScheduleView) -> Result<Self, ApiError> {
        let schedule = &view.schedule;
        let profiles = app.availability.profiles();
        let department = profiles.department(&app.storage, tenant, schedule.department);
        let doctor = match schedule.doctor {
            Some(id) => profiles.doctor(&app.storage, tenant, id).map_err(ApiError::internal)?,
            None => None,
        };
        let counts = view.counts(app.clock.now());
        Ok(Self {
            schedule_id: schedule.id.to_string(),
            department_id: schedule.department.to_string(),
            department_name: department
                .map_err(ApiError::internal)?
                .map(|department| department.name.clone())
                .unwrap_or_default(),
            doctor_id: schedule.doctor.map(|doctor| doctor.to_string()),
            doctor_name: doctor.map(|doctor| doctor.name.clone()),
            date: schedule.date.to_string(),
            period: period_name(schedule.period),
            kind: schedule.kind.code(),
            fee: schedule.fee.to_yuan(),
            location: schedule.location.clone(),
            status: match schedule.standing {
                Standing::Open => "open",
                Standing::Stopped { .. } => "stopped",
            },
            slots: counts.total,
            desk_only_slots: counts.desk_only,
            booked: counts.booked,
            left: counts.left,
        })
    }
}

impl From<(SlotPlan, Occupancy)> for SlotRow {
    fn from((plan, occupancy): (SlotPlan, Occupancy)) -> Self {
        let (state, booking) = match occupancy {
            Occupancy::Free => ("free", None),
            Occupancy::Held(_) => ("held", None),
            Occupancy::Booked(booking) => ("booked", Some(booking)),
        };
        Self {
            serial_no: plan.serial.get(),
            time: plan.time.to_string(),
            desk_only: plan.channel == Channel::DeskOnly,
            state,
            book_id: booking.map(|booking| booking.to_string()),
        }
    }
}
