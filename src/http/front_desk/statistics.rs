//! What the clinic offered and what became of it, by day, department or doctor.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use domain::{Booking, Charge, Date, DepartmentId, DoctorId, Schedule, Status, TenantId};
use serde::Serialize;
use storage::{Scan, keys};
use utoipa::ToSchema;

use super::ledger::{Found, Ledger};
use super::{Days, Whose, days};
use crate::app::App;
use crate::http::caller::Staff;
use crate::http::envelope;
use crate::http::error::ApiError;
use crate::http::openapi::Success;
use crate::http::params::Params;

/// The most days that are counted together.
const MAX_DAYS: i32 = 92;

/// What is counted together in one row.
#[derive(Clone, Copy)]
enum GroupBy {
    Day,
    Department,
    Doctor,
}

impl GroupBy {
    fn parse(text: &str) -> Result<Self, ()> {
        match text {
            "day" => Ok(Self::Day),
            "department" => Ok(Self::Department),
            "doctor" => Ok(Self::Doctor),
            _ => Err(()),
        }
    }
}

/// What a row is about, in the order of the rows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Day(Date),
    Department(DepartmentId),
    /// `None` is the ordinary clinic (普通门诊) of all departments.
    Doctor(Option<DoctorId>),
}

/// What was offered and what became of it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    offered: u64,
    stopped: u64,
    booked: u64,
    cancelled: u64,
    visited: u64,
    no_show: u64,
    revenue_fen: u64,
}

/// One row, or the total of all.
#[derive(Serialize, ToSchema)]
struct StatisticsRow {
    /// yyyy-MM-dd, grouped by day.
    date: Option<String>,
    /// Grouped by department.
    department_id: Option<String>,
    department_name: Option<String>,
    /// Grouped by doctor; null for the ordinary clinics (普通门诊) and wherever it is grouped otherwise.
    doctor_id: Option<String>,
    doctor_name: Option<String>,
    /// Slots of schedules that take place.
    offered: u64,
    /// Slots of schedules that were stopped (停诊).
    stopped: u64,
    /// Bookings that were made, cancelled ones included.
    booked: u64,
    /// Those of them that were cancelled.
    cancelled: u64,
    /// Those whose patient was at the desk.
    visited: u64,
    /// Those that were missed (爽约).
    no_show: u64,
    /// Yuan that were paid and not paid back.
    revenue: f64,
}

#[derive(Serialize, ToSchema)]
struct Statistics {
    list: Vec<StatisticsRow>,
    total: StatisticsRow,
}

/// `GET manager_service/statistics`: what was offered, booked, visited and earned.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/statistics",
    tag = "管理：前台",
    security(("token" = [])),
    params(
        ("from" = Option<String>, Query, description = "yyyy-MM-dd; without it the same as `to`, or today"),
        ("to" = Option<String>, Query, description = "yyyy-MM-dd; without it the same as `from`; 92 days at most"),
        ("group_by" = Option<String>, Query, description = "`day`, `department` or `doctor`; without it `day`"),
    ),
    responses((status = 200, body = Success<Statistics>)),
)]
pub async fn show(app: web::Data<App>, staff: Staff, params: Params) -> Result<HttpResponse, ApiError> {
    let days = days(&app, &params, MAX_DAYS)?;
    let group_by = match params.optional("group_by", "分组方式") {
        Some(param) => param.parse(GroupBy::parse)?,
        None => GroupBy::Day,
    };
    let whose = Whose { department: None, doctor: None, only_of: staff.only_of() };
    let counted = web::block(move || count(&app, staff.tenant, (&days, &whose), group_by));
    Ok(envelope::ok(counted.await.map_err(ApiError::internal)??))
}

fn count(
    app: &App,
    tenant: TenantId,
    (days, whose): (&Days, &Whose),
    group_by: GroupBy,
) -> Result<Statistics, ApiError> {
    let mut groups: BTreeMap<Group, Count> = BTreeMap::new();
    match group_by {
        // A day without schedules is a row too: a curve has no gaps.
        GroupBy::Day => groups.extend(each_day(days).map(|day| (Group::Day(day), Count::default()))),
        GroupBy::Department | GroupBy::Doctor => {}
    }
    for (_, stored) in app.storage.scan(&keys::schedules(tenant), Scan::ALL).map_err(ApiError::internal)? {
        let schedule = stored.record.schedule;
        if days.contains(&schedule.date) && whose.includes(schedule.department, schedule.doctor) {
            let group = Group::of(group_by, schedule.date, schedule.department, schedule.doctor);
            groups.entry(group).or_default().add_schedule(&schedule);
        }
    }
    let mut ledger = Ledger::new(app, tenant);
    for Found { booking, doctor } in ledger.bookings(days, whose)? {
        let group = Group::of(group_by, booking.date, booking.department, doctor);
        groups.entry(group).or_default().add_booking(&booking);
    }
    let mut total = Count::default();
    let mut list = Vec::with_capacity(groups.len());
    for (group, count) in groups {
        total.add(&count);
        list.push(StatisticsRow::new(&ledger, Some(group), &count)?);
    }
    Ok(Statistics { list, total: StatisticsRow::new(&ledger, None, &total)? })
}

fn each_day(days: &Days) -> impl Iterator<Item = Date> {
    let first = *days.start();
    (0..=first.days_until(*days.end())).map(move |days| first.saturating_add_days(days))
}

impl Group {
    fn of(group_by: GroupBy, date: Date, department: DepartmentId, doctor: Option<DoctorId>) -> Self {
        match group_by {
            GroupBy::Day => Self::Day(date),
            GroupBy::Department => Self::Department(department),
            GroupBy::Doctor => Self::Doctor(doctor),
        }
    }
}

impl Count {
    fn add_schedule(&mut self, schedule: &Schedule) {
        let slots = schedule.slots.len() as u64;
        match schedule.is_stopped() {
            true => self.stopped += slots,
            false => self.offered += slots,
        }
    }

    fn add_booking(&mut self, booking: &Booking) {
        self.booked += 1;
        match booking.status {
            Status::Cancelled { .. } => self.cancelled += 1,
            Status::NoShow { .. } => self.no_show += 1,
            Status::Booked | Status::Registered { .. } => {}
        }
        // Whoever was at the desk and then gave the booking up was not seen.
        if booking.is_live() && booking.checked_in_at.is_some() {
            self.visited += 1;
        }
        match booking.charge {
            Charge::Paid => self.revenue_fen += u64::from(booking.fee.get()),
            Charge::Unpaid | Charge::RefundDue | Charge::Refunded | Charge::Expired => {}
        }
    }

    fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.stopped += other.stopped;
        self.booked += other.booked;
        self.cancelled += other.cancelled;
        self.visited += other.visited;
        self.no_show += other.no_show;
        self.revenue_fen += other.revenue_fen;
    }
}

impl StatisticsRow {
    /// The row of a group; without one, of all.
    fn new(ledger: &Ledger<'_>, group: Option<Group>, count: &Count) -> Result<Self, ApiError> {
        let (mut date, mut department, mut doctor) = (None, None, None);
        match group {
            Some(Group::Day(day)) => date = Some(day),
            Some(Group::Department(id)) => department = Some(id),
            Some(Group::Doctor(id)) => doctor = id,
            None => {}
        }
        Ok(Self {
            date: date.map(|day| day.to_string()),
            department_id: department.map(|id| id.to_string()),
            department_name: department.map(|id| ledger.department_name(id)).transpose()?,
            doctor_id: doctor.map(|id| id.to_string()),
            doctor_name: ledger.doctor_name(doctor)?,
            offered: count.offered,
            stopped: count.stopped,
            booked: count.booked,
            cancelled: count.cancelled,
            visited: count.visited,
            no_show: count.no_show,
            revenue: count.revenue_fen as f64 / 100.0,
        })
    }
}
