//! The bookings of some days as the desk sees them.

use std::collections::HashMap;

use domain::{
    Booking, Charge, Date, DepartmentId, DoctorId, Owner, PatientId, Period, ScheduleId, Status, TenantId,
};
use serde::Serialize;
use storage::keys;
use storage::records::PatientPersonal;
use utoipa::ToSchema;

use super::{Days, Whose};
use crate::app::App;
use crate::http::error::ApiError;
use crate::http::patients::certificates::masked_number;
use crate::http::slot_grids::period_name;

/// A booking as the desk sees it.
#[derive(Serialize, ToSchema)]
pub(super) struct DeskBooking {
    book_id: String,
    book_code: String,
    /// yyyy-MM-dd
    date: String,
    /// HH:mm
    time: String,
    /// AM or PM
    period: &'static str,
    schedule_id: String,
    serial_no: u16,
    department_id: String,
    department_name: String,
    /// Who sees the patient now; null in the ordinary clinic (普通门诊).
    doctor_id: Option<String>,
    doctor_name: Option<String>,
    pati_id: String,
    pati_name: String,
    pati_phone: String,
    /// Masked.
    id_number: String,
    /// 0 已预约, 1 已取消, 2 已挂号, 3 已失约
    status: u8,
    /// 1 未收费, 2 已收费, 3 未退费, 4 已退费, 5 超时失效
    charge: u8,
    /// yyyy-MM-dd HH:mm:ss
    checked_in_at: Option<String>,
    /// `account` or `desk`
    booked_by: &'static str,
    /// Yuan.
    fee: f64,
}

/// A booking and who sees the patient now.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) booking: Booking,
    pub(super) doctor: Option<DoctorId>,
}

/// Which of the bookings a list is to have.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) days: Days,
    pub(super) whose: Whose,
    /// The code of a [`Status`].
    pub(super) status: Option<u8>,
    /// A part of the patient's name.
    pub(super) name: Option<String>,
    /// A part of the patient's phone.
    pub(super) phone: Option<String>,
}

/// Reads bookings, and remembers the schedules and patients that it has read. Blocks the thread.
pub(super) struct Ledger<'a> {
    app: &'a App,
    tenant: TenantId,
    schedules: HashMap<ScheduleId, Option<(DepartmentId, Option<DoctorId>)>>,
    people: HashMap<PatientId, Option<PatientPersonal>>,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(app: &'a App, tenant: TenantId) -> Self {
        Self { app, tenant, schedules: HashMap::new(), people: HashMap::new() }
    }

    /// The bookings of some days, in the order in which the patients are expected.
    pub(super) fn bookings(&mut self, days: &Days, whose: &Whose) -> Result<Vec<Found>, ApiError> {
        let mut found = Vec::new();
        for entry in self.app.day_book.of_days(self.tenant, days.clone()) {
            let Some((department, doctor)) = self.schedule(entry.schedule)? else { continue };
            if !whose.includes(department, doctor) {
                continue;
            }
            let stored = self.app.storage.get(&entry.key(self.tenant)).map_err(ApiError::internal)?;
            found.extend(stored.map(|stored| Found { booking: stored.record.0, doctor }));
        }
        found.sort_by_key(|Found { booking, doctor }| {
            (booking.starts_at, booking.department, *doctor, booking.serial, booking.id)
        });
        Ok(found)
    }

    /// Those of them that a list is to have.
    pub(super) fn wanted(&mut self, wanted: &Wanted) -> Result<Vec<Found>, ApiError> {
        let mut found = self.bookings(&wanted.days, &wanted.whose)?;
        found.retain(|found| wanted.status.is_none_or(|status| found.booking.status.code() == status));
        if wanted.name.is_none() && wanted.phone.is_none() {
            return Ok(found);
        }
        let is_part =
            |part: &Option<String>, of: &str| part.as_ref().is_none_or(|part| of.contains(part.as_str()));
        let mut named = Vec::new();
        for found in found {
            let person = self.person(found.booking.patient)?;
            let fits = |person: &PatientPersonal| {
                is_part(&wanted.name, person.name.as_str()) && is_part(&wanted.phone, person.phone.as_str())
            };
            if person.is_some_and(fits) {
                named.push(found);
            }
        }
        Ok(named)
    }

    /// One booking, if the caller may read it.
    pub(super) fn one(&mut self, booking: Booking, whose: &Whose) -> Result<Option<Found>, ApiError> {
        let schedule = self.schedule(booking.schedule)?;
        let shown = schedule.filter(|(department, doctor)| whose.includes(*department, *doctor));
        Ok(shown.map(|(_, doctor)| Found { booking, doctor }))
    }

    /// The row of a booking.
    pub(super) fn row(&mut self, found: &Found) -> Result<DeskBooking, ApiError> {
        let Found { booking, doctor } = found;
        let (department_name, doctor_name) =
            (self.department_name(booking.department)?, self.doctor_name(*doctor)?);
        let checked_in_at = self.checked_in_at(booking);
        let time = self.time_of(booking);
        // Nobody any more when the file was erased with an account that was closed.
        let person = self.person(booking.patient)?;
        Ok(DeskBooking {
            book_id: booking.id.to_string(),
            book_code: booking.code.to_string(),
            date: booking.date.to_string(),
            time,
            period: period_name(booking.period),
            schedule_id: booking.schedule.to_string(),
            serial_no: booking.serial.get(),
            department_id: booking.department.to_string(),
            department_name,
            doctor_id: doctor.map(|id| id.to_string()),
            doctor_name,
            pati_id: booking.patient.to_string(),
            pati_name: person.map(|person| person.name.as_str().to_owned()).unwrap_or_default(),
            pati_phone: person.map(|person| person.phone.as_str().to_owned()).unwrap_or_default(),
            id_number: masked_id_number(person),
            status: booking.status.code(),
            charge: booking.charge.tag(),
            checked_in_at,
            booked_by: match booking.owner {
                Owner::Account { .. } => "account",
                Owner::Desk { .. } => "desk",
            },
            fee: booking.fee.to_yuan(),
        })
    }

    /// Who a booking is for.
    pub(super) fn person(&mut self, patient: PatientId) -> Result<Option<&PatientPersonal>, ApiError> {
        if !self.people.contains_key(&patient) {
            let key = keys::patient(self.tenant, patient);
            let stored = self.app.storage.get(&key).map_err(ApiError::internal)?;
            let opened = stored.map(|stored| stored.record.open(&self.app.vault, &key)).transpose();
            self.people.insert(patient, opened.map_err(ApiError::internal)?);
        }
        Ok(self.people.get(&patient).and_then(Option::as_ref))
    }

    /// When a patient is expected, `HH:mm`.
    pub(super) fn time_of(&self, booking: &Booking) -> String {
        let text = self.app.policy.zone.date_time_text(booking.starts_at);
        text.get(11..16).unwrap_or_default().to_owned()
    }

    /// When the patient was at the desk, `yyyy-MM-dd HH:mm:ss`.
    pub(super) fn checked_in_at(&self, booking: &Booking) -> Option<String> {
        booking.checked_in_at.map(|at| self.app.policy.zone.date_time_text(at))
    }

    pub(super) fn department_name(&self, id: DepartmentId) -> Result<String, ApiError> {
        let profiles = self.app.availability.profiles();
        let found = profiles.department(&self.app.storage, self.tenant, id).map_err(ApiError::internal)?;
        Ok(found.map(|department| department.name.clone()).unwrap_or_default())
    }

    pub(super) fn doctor_name(&self, id: Option<DoctorId>) -> Result<Option<String>, ApiError> {
        let Some(id) = id else { return Ok(None) };
        let profiles = self.app.availability.profiles();
        let found = profiles.doctor(&self.app.storage, self.tenant, id).map_err(ApiError::internal)?;
        Ok(found.map(|doctor| doctor.name.clone()))
    }

    fn schedule(&mut self, id: ScheduleId) -> Result<Option<(DepartmentId, Option<DoctorId>)>, ApiError> {
        if let Some(known) = self.schedules.get(&id) {
            return Ok(*known);
        }
        let stored = self.app.storage.get(&keys::schedule(self.tenant, id)).map_err(ApiError::internal)?;
        let found = stored.map(|stored| (stored.record.schedule.department, stored.record.schedule.doctor));
        self.schedules.insert(id, found);
        Ok(found)
    }
}

/// The number on a patient's certificate, with what would let somebody else use it hidden.
pub(super) fn masked_id_number(person: Option<&PatientPersonal>) -> String {
    let certificate = person.and_then(|person| person.certificate.as_ref());
    certificate.map(masked_number).unwrap_or_default()
}

/// 上午 or 下午.
pub(super) const fn period_label(period: Period) -> &'static str {
    match period {
        Period::Am => "上午",
        Period::Pm => "下午",
    }
}

/// The status in the words of the contract.
pub(super) const fn status_label(status: Status) -> &'static str {
    match status {
        Status::Booked => "已预约",
        Status::Cancelled { .. } => "已取消",
        Status::Registered { .. } => "已挂号",
        Status::NoShow { .. } => "已失约",
    }
}

/// How the money stands, in the words of the original family of services.
pub(super) const fn charge_label(charge: Charge) -> &'static str {
    match charge {
        Charge::Unpaid => "未收费",
        Charge::Paid => "已收费",
        Charge::RefundDue => "未退费",
        Charge::Refunded => "已退费",
        Charge::Expired => "超时失效",
    }
}

/// The whole of one day.
pub(super) const fn only(day: Date) -> Days {
    day..=day
}
