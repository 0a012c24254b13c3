//! One constructor per table for the keys, one per scan for the ranges, and the way back from a
//! scanned key to its components.
//!
//! A key is the tenant (8 bytes), the tag of the table (1 byte) and the components of the table, all
//! big endian, so that the order of bytes is the order of components and a scan of one tenant,
//! schedule or user never meets another's. Phones and ID numbers stand in keys as blinds only.
//!
//! Tenants and the facts about the data folder belong to no tenant. They stand under tenant 0,
//! which no clinic can have, so that all tenants can be listed. Orders stand there too: WeChat knows them
//! by numbers that are unique over all tenants.

mod labels;
mod notifications;
mod parts;
mod payments;
mod planning;
mod raw;
mod staff;
mod templates;
#[cfg(test)]
mod tests;
mod wechat;

use std::ops::RangeInclusive;

use aws_lc_rs::digest;
use domain::{
    BookingId, Date, DepartmentId, DoctorId, PatientId, Period, Schedule, ScheduleId, SerialNo, SessionId,
    TenantId, UserId,
};

use crate::pictures::PictureId;
use crate::records::{
    ActiveRecord, BookingOwner, BookingRecord, CodePurpose, CodeRecord, DepartmentRecord, DoctorRecord,
    IdemRecord, IdnoRecord, LimitKind, LimitRecord, MembersRecord, MetaRecord, NoShowRecord, PatientRecord,
    PhoneRecord, ScheduleAtRecord, ScheduleRecord, SequenceRecord, SessionRecord, SlotRecord, TenantRecord,
    UploadRecord, UserRecord, VisitRecord,
};
use crate::sequences::Sequence;
use crate::table::Table;
use crate::vault::Blind;

pub use labels::{label, label_id, label_name, labels, patient_file, patient_file_id, patient_files};
pub use notifications::{
    NotificationId, notification, notification_id, notification_job, notification_jobs, notifications,
    notifications_within, sent_message,
};
pub use parts::{
    VisitParts, booking_parts, department_id, department_of_opening, doctor_id, patient_id,
    schedule_at_parts, schedule_id, schedule_of_note, session_parts, slot_parts, tenant_id, user_id,
    visit_parts,
};
pub use payments::{
    ledger, ledger_day, ledger_day_parts, ledger_days, orders_of_booking, pay_certificates, pay_conf,
    pay_job, pay_job_order, pay_jobs, pay_order, pay_order_no, pay_orders, pay_trouble, pay_trouble_order,
    pay_troubles, refund,
};
pub use planning::{opening, schedule_note, schedule_note_key, schedule_notes_of};
pub use raw::{Key, KeyRange, MAX_KEY_BYTES, RawKey};
pub use staff::{
    all_staff, audit, audit_number, audits, audits_through, staff, staff_account, staff_id, staff_session,
    staff_session_id, staff_sessions_of,
};
pub use templates::{
    day_exception, day_exceptions, exception_id, schedules_generated, template, template_id, templates,
};
pub use wechat::{follower, message_template, oauth, open_id, wechat_conf, wechat_loan};

/// The tenant of what belongs to no clinic.
const NO_TENANT: u64 = 0;
/// Stands for the ordinary clinic (普通门诊), which has no doctor.
const NO_DOCTOR: u64 = 0;

fn of(tenant: TenantId, table: Table) -> RawKey {
    RawKey::of(tenant.get(), table)
}

fn id(value: u64) -> [u8; 8] {
    value.to_be_bytes()
}

/// Days since 1970-01-01, with the sign bit turned so that earlier days sort first.
fn day(date: Date) -> [u8; 4] {
    (date.ordinal().cast_unsigned() ^ (1 << 31)).to_be_bytes()
}

/// Morning sorts before afternoon.
fn half(period: Period) -> [u8; 1] {
    match period {
        Period::Am => [0],
        Period::Pm => [1],
    }
}

/// Which keys the sealed fields were sealed with.
#[must_use]
pub fn vault_keys() -> Key<MetaRecord> {
    const VAULT_KEYS: u8 = 1;
    Key::new(RawKey::of(NO_TENANT, Table::Meta).with([VAULT_KEYS]))
}

/// Until which day a tenant's missed visits have been marked.
#[must_use]
pub fn no_shows_marked(tenant: TenantId) -> Key<MetaRecord> {
    const NO_SHOWS_MARKED: u8 = 2;
    Key::new(of(tenant, Table::Meta).with([NO_SHOWS_MARKED]))
}

/// How far the patients of a tenant were reminded of their visits.
#[must_use]
pub fn reminded(tenant: TenantId) -> Key<MetaRecord> {
    const REMINDED: u8 = 4;
    Key::new(of(tenant, Table::Meta).with([REMINDED]))
}

/// A tenant.
#[must_use]
pub fn tenant(tenant: TenantId) -> Key<TenantRecord> {
    Key::new(RawKey::of(NO_TENANT, Table::Tenant).with(id(tenant.get())))
}

/// All tenants.
#[must_use]
pub fn tenants() -> KeyRange<TenantRecord> {
    KeyRange::prefix(RawKey::of(NO_TENANT, Table::Tenant))
}

/// A department.
#[must_use]
pub fn department(tenant: TenantId, department: DepartmentId) -> Key<DepartmentRecord> {
    Key::new(of(tenant, Table::Department).with(id(department.get())))
}

/// All departments of a tenant, by id.
#[must_use]
pub fn departments(tenant: TenantId) -> KeyRange<DepartmentRecord> {
    KeyRange::prefix(of(tenant, Table::Department))
}

/// A doctor.
#[must_use]
pub fn doctor(tenant: TenantId, doctor: DoctorId) -> Key<DoctorRecord> {
    Key::new(of(tenant, Table::Doctor).with(id(doctor.get())))
}

/// All doctors of a tenant, by id.
#[must_use]
pub fn doctors(tenant: TenantId) -> KeyRange<DoctorRecord> {
    KeyRange::prefix(of(tenant, Table::Doctor))
}

/// A schedule.
#[must_use]
pub fn schedule(tenant: TenantId, schedule: ScheduleId) -> Key<ScheduleRecord> {
    Key::new(of(tenant, Table::Schedule).with(id(schedule.get())))
}

/// All schedules of a tenant, by id.
#[must_use]
pub fn schedules(tenant: TenantId) -> KeyRange<ScheduleRecord> {
    KeyRange::prefix(of(tenant, Table::Schedule))
}

/// What only one schedule of a tenant may have: (department, doctor, date, period) is unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchedulePlace {
    /// The department.
    pub department: DepartmentId,
    /// The doctor; `None` is the department's ordinary clinic (普通门诊).
    pub doctor: Option<DoctorId>,
    /// The day.
    pub date: Date,
    /// Morning or afternoon.
    pub period: Period,
}

impl SchedulePlace {
    /// The place of this schedule.
    #[must_use]
    pub fn of(schedule: &Schedule) -> Self {
        Self {
            department: schedule.department,
            doctor: schedule.doctor,
            date: schedule.date,
            period: schedule.period,
        }
    }
}

fn clinic_of(tenant: TenantId, department: DepartmentId, doctor: Option<DoctorId>) -> RawKey {
    of(tenant, Table::ScheduleAt).with(id(department.get())).with(id(doctor.map_or(NO_DOCTOR, DoctorId::get)))
}

/// The schedule at a place.
#[must_use]
pub fn schedule_at(tenant: TenantId, place: &SchedulePlace) -> Key<ScheduleAtRecord> {
    Key::new(clinic_of(tenant, place.department, place.doctor).with(day(place.date)).with(half(place.period)))
}

/// All schedules of a department: the ordinary clinic first, then by doctor, each by date.
#[must_use]
pub fn schedules_of_department(tenant: TenantId, department: DepartmentId) -> KeyRange<ScheduleAtRecord> {
    KeyRange::prefix(of(tenant, Table::ScheduleAt).with(id(department.get())))
}

/// The schedules of one doctor, or of the ordinary clinic, in a department from one day through
/// another.
#[must_use]
pub fn schedules_of_doctor(
    tenant: TenantId,
    department: DepartmentId,
    doctor: Option<DoctorId>,
    days: &RangeInclusive<Date>,
) -> KeyRange<ScheduleAtRecord> {
    let clinic = clinic_of(tenant, department, doctor);
    KeyRange::through(clinic.with(day(*days.start())), clinic.with(day(*days.end())))
}

/// A slot that is booked.
#[must_use]
pub fn slot(tenant: TenantId, schedule: ScheduleId, serial: SerialNo) -> Key<SlotRecord> {
    Key::new(of(tenant, Table::Slot).with(id(schedule.get())).with(serial.get().to_be_bytes()))
}

/// The booked slots of a schedule, by serial number.
#[must_use]
pub fn slots_of(tenant: TenantId, schedule: ScheduleId) -> KeyRange<SlotRecord> {
    KeyRange::prefix(of(tenant, Table::Slot).with(id(schedule.get())))
}

/// The live booking of a patient in a half-day.
#[must_use]
pub fn visit(tenant: TenantId, patient: PatientId, date: Date, period: Period) -> Key<VisitRecord> {
    Key::new(of(tenant, Table::Visit).with(id(patient.get())).with(day(date)).with(half(period)))
}

/// The live bookings of a patient, by half-day.
#[must_use]
pub fn visits_of(tenant: TenantId, patient: PatientId) -> KeyRange<VisitRecord> {
    KeyRange::prefix(of(tenant, Table::Visit).with(id(patient.get())))
}

/// A booking.
#[must_use]
pub fn booking(tenant: TenantId, owner: BookingOwner, booking: BookingId) -> Key<BookingRecord> {
    Key::new(of(tenant, Table::Booking).with(id(owner.number())).with(id(booking.get())))
}

/// The bookings of an account or of the desk, oldest first.
#[must_use]
pub fn bookings_of(tenant: TenantId, owner: BookingOwner) -> KeyRange<BookingRecord> {
    KeyRange::prefix(of(tenant, Table::Booking).with(id(owner.number())))
}

/// All bookings of a tenant: those of the desk first, then by account, each oldest first.
#[must_use]
pub fn bookings(tenant: TenantId) -> KeyRange<BookingRecord> {
    KeyRange::prefix(of(tenant, Table::Booking))
}

/// The live bookings of an account.
#[must_use]
pub fn active(tenant: TenantId, user: UserId) -> Key<ActiveRecord> {
    Key::new(of(tenant, Table::Active).with(id(user.get())))
}

/// The live bookings of every account of a tenant.
#[must_use]
pub fn actives(tenant: TenantId) -> KeyRange<ActiveRecord> {
    KeyRange::prefix(of(tenant, Table::Active))
}

/// An account.
#[must_use]
pub fn user(tenant: TenantId, user: UserId) -> Key<UserRecord> {
    Key::new(of(tenant, Table::User).with(id(user.get())))
}

/// All accounts of a tenant.
#[must_use]
pub fn users(tenant: TenantId) -> KeyRange<UserRecord> {
    KeyRange::prefix(of(tenant, Table::User))
}

/// The account of a phone, by [`Vault::blind_phone`](crate::vault::Vault::blind_phone).
#[must_use]
pub fn phone(tenant: TenantId, phone: &Blind) -> Key<PhoneRecord> {
    Key::new(of(tenant, Table::Phone).with(*phone.as_bytes()))
}

/// A session.
#[must_use]
pub fn session(tenant: TenantId, user: UserId, session: SessionId) -> Key<SessionRecord> {
    Key::new(of(tenant, Table::Session).with(id(user.get())).with(id(session.get())))
}

/// The sessions of an account.
#[must_use]
pub fn sessions_of(tenant: TenantId, user: UserId) -> KeyRange<SessionRecord> {
    KeyRange::prefix(of(tenant, Table::Session).with(id(user.get())))
}

/// The code that was sent to a phone for a purpose.
#[must_use]
pub fn code(tenant: TenantId, purpose: CodePurpose, phone: &Blind) -> Key<CodeRecord> {
    Key::new(of(tenant, Table::Code).with([purpose.tag()]).with(*phone.as_bytes()))
}

/// What one phone or client address has used of a limit.
#[must_use]
pub fn limit(tenant: TenantId, kind: LimitKind, subject: &Blind) -> Key<LimitRecord> {
    Key::new(of(tenant, Table::Limit).with([kind.tag()]).with(*subject.as_bytes()))
}

/// A patient.
#[must_use]
pub fn patient(tenant: TenantId, patient: PatientId) -> Key<PatientRecord> {
    Key::new(of(tenant, Table::Patient).with(id(patient.get())))
}

/// All patients of a tenant, in the order their files were opened.
#[must_use]
pub fn patients(tenant: TenantId) -> KeyRange<PatientRecord> {
    KeyRange::prefix(of(tenant, Table::Patient))
}

/// The patient of an ID number, by [`Vault::blind_id_number`](crate::vault::Vault::blind_id_number).
#[must_use]
pub fn idno(tenant: TenantId, number: &Blind) -> Key<IdnoRecord> {
    Key::new(of(tenant, Table::Idno).with(*number.as_bytes()))
}

/// The members of an account.
#[must_use]
pub fn members(tenant: TenantId, user: UserId) -> Key<MembersRecord> {
    Key::new(of(tenant, Table::Members).with(id(user.get())))
}

/// The members of every account of a tenant.
#[must_use]
pub fn all_members(tenant: TenantId) -> KeyRange<MembersRecord> {
    KeyRange::prefix(of(tenant, Table::Members))
}

/// The answer to the request that an account made on a route under an `Idempotency-Key`.
#[must_use]
pub fn idem(tenant: TenantId, user: UserId, route: &str, idempotency_key: &str) -> Key<IdemRecord> {
    Key::new(of(tenant, Table::Idem).with(id(user.get())).with(hash_of(route, idempotency_key)))
}

fn hash_of(route: &str, key: &str) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    // The length in front keeps ("ab", "c") and ("a", "bc") apart.
    context.update(&(route.len() as u64).to_be_bytes());
    context.update(route.as_bytes());
    context.update(key.as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The answer to what another system has asked for under a number of its own, whoever of the staff it logs in as.
#[must_use]
pub fn asked(tenant: TenantId, route: &str, client_id: &str) -> Key<IdemRecord> {
    // No account has the number 0.
    Key::new(of(tenant, Table::Idem).with(id(0)).with(hash_of(route, client_id)))
}

/// How far a running number was reserved.
#[must_use]
pub fn sequence(tenant: TenantId, sequence: Sequence) -> Key<SequenceRecord> {
    Key::new(of(tenant, Table::Sequence).with([sequence.tag()]))
}

/// The missed visits of a patient.
#[must_use]
pub fn no_show(tenant: TenantId, patient: PatientId) -> Key<NoShowRecord> {
    Key::new(of(tenant, Table::NoShow).with(id(patient.get())))
}

/// The missed visits of all patients of a tenant.
#[must_use]
pub fn no_shows(tenant: TenantId) -> KeyRange<NoShowRecord> {
    KeyRange::prefix(of(tenant, Table::NoShow))
}

/// An upload that was permitted and has not arrived yet.
#[must_use]
pub fn upload(tenant: TenantId, picture: &PictureId) -> Key<UploadRecord> {
    Key::new(of(tenant, Table::Upload).with(*picture.as_bytes()))
}
