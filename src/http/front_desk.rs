//! The front desk (前台): the day's bookings, and what is done to them when patients come, pay, call or stay away.
//!
//! Lists read each booking once and open each patient once, on a thread that may wait. What changes a booking is asked
//! of its schedule's actor, with the row of the audit trail that is written with the change.

use std::ops::RangeInclusive;

use actors::Target;
use domain::{Booking, BookingId, Date, DepartmentId, DoctorId};

use super::caller::Staff;
use super::error::{ApiError, ErrorCode};
use super::params::Params;
use crate::app::App;

pub mod acts;
pub mod bans;
pub mod behalf;
pub mod export;
mod ledger;
pub mod lists;
pub mod statistics;

/// The days that are asked for, both included.
type Days = RangeInclusive<Date>;

/// Reads `from` and `to`: today where one is absent, or the same day as the other.
///
/// # Errors
/// 0001 when the last day is before the first, or when there are more than `max_days` of them.
fn days(app: &App, params: &Params, max_days: i32) -> Result<Days, ApiError> {
    let from = params.optional("from", "开始日期");
    let to = params.optional("to", "结束日期");
    let first = from.map(|param| param.parse(Date::parse_lenient)).transpose()?;
    let last = to.map(|param| param.parse(Date::parse_lenient)).transpose()?;
    let today = || app.policy.zone.date_of(app.clock.now());
    let first = first.or(last).unwrap_or_else(today);
    let last = last.unwrap_or(first);
    match (0..max_days).contains(&first.days_until(last)) {
        true => Ok(first..=last),
        false => Err(ApiError::malformed("结束日期")),
    }
}

/// Reads `date`; today without it.
fn day(app: &App, params: &Params) -> Result<Date, ApiError> {
    match params.optional("date", "日期") {
        Some(param) => param.parse(Date::parse_lenient),
        None => Ok(app.policy.zone.date_of(app.clock.now())),
    }
}

/// Whose bookings are asked for; `None` stands for everybody's.
#[derive(Debug, Clone, Copy)]
struct Whose {
    department: Option<DepartmentId>,
    doctor: Option<DoctorId>,
    /// The doctor whose bookings alone the caller may read.
    only_of: Option<DoctorId>,
}

impl Whose {
    /// Reads `department_id` and `doctor_id`.
    fn read(params: &Params, staff: &Staff) -> Result<Self, ApiError> {
        let department = params.optional("department_id", "科室ID");
        let doctor = params.optional("doctor_id", "医生ID");
        Ok(Self {
            department: department.map(|param| param.parse(DepartmentId::parse)).transpose()?,
            doctor: doctor.map(|param| param.parse(DoctorId::parse)).transpose()?,
            only_of: staff.only_of(),
        })
    }

    fn includes(&self, department: DepartmentId, doctor: Option<DoctorId>) -> bool {
        let fits = |wanted: Option<DoctorId>| wanted.is_none() || wanted == doctor;
        self.department.is_none_or(|wanted| wanted == department) && fits(self.doctor) && fits(self.only_of)
    }
}

/// A booking of the clinic that is named by its number alone, and the schedule to ask about it.
///
/// # Errors
/// 0404 when there is none.
fn booking_of(app: &App, staff: Staff, id: BookingId) -> Result<(Booking, Target), ApiError> {
    let entry = app.day_book.find(staff.tenant, id).ok_or(ErrorCode::BookingUnknown)?;
    let stored = app.storage.get(&entry.key(staff.tenant)).map_err(ApiError::internal)?;
    let booking = stored.ok_or(ErrorCode::BookingUnknown)?.record.0;
    Ok((booking, Target { tenant: staff.tenant, schedule: entry.schedule }))
}
