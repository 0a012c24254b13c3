//! What a notification tells, gathered when it is sent: the patient as the file says now, the booking, and the schedule as it
//! is now, so that a change of room shows the new one.

use domain::{Booking, Canceller, ClinicKind, Period, Phone, Schedule, Status, TenantId};
use storage::records::{About, NotificationKind, NotificationRecord, PatientPersonal, TenantRecord};
use storage::{Key, keys};

use super::OutboxError;
use crate::app::App;
use crate::wechat::messages::{Facts, Topic, Value};

/// What is told, and of whom.
pub(super) struct Told {
    /// What is known.
    pub(super) facts: Facts,
    /// What another system of the clinic has given, by place or label.
    pub(super) given: Vec<(String, String)>,
    /// The booking that it is about, if any.
    pub(super) booking: Option<Booking>,
    /// The phone of the patient's file.
    pub(super) patient_phone: Phone,
}

impl Told {
    /// Reads everything; `None` when the patient, the booking or its schedule was erased.
    ///
    /// # Errors
    /// A record cannot be read or opened.
    pub(super) fn read(
        app: &App,
        tenant: TenantId,
        key: &Key<NotificationRecord>,
        record: &NotificationRecord,
    ) -> Result<Option<Self>, OutboxError> {
        let patient_key = keys::patient(tenant, record.patient);
        let Some(file) = app.storage.get(&patient_key)? else { return Ok(None) };
        let patient = file.record.open(&app.vault, &patient_key)?;
        let Some(clinic) = app.storage.get(&keys::tenant(tenant))? else { return Ok(None) };
        let mut facts = of_clinic(&clinic.record, &patient);
        facts.insert(Topic::PatientNumber, text(&record.patient.to_string()));
        facts.insert(Topic::HappenedAt, moment(app, record.at));
        let booking = match record.about {
            About::Said(_) => None,
            About::Booking { booking, schedule } => {
                let booking = app.storage.get(&keys::booking(tenant, record.owner, booking))?;
                let schedule = app.storage.get(&keys::schedule(tenant, schedule))?;
                let (Some(booking), Some(schedule)) = (booking, schedule) else { return Ok(None) };
                let (booking, schedule) = (booking.record.0, schedule.record.schedule);
                add_visit(app, tenant, &mut facts, (&booking, &schedule))?;
                add_news(&mut facts, record.kind, &booking);
                Some(booking)
            }
        };
        let given = record.values(&app.vault, key)?.0;
        Ok(Some(Self { facts, given, booking, patient_phone: patient.phone }))
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn moment(app: &App, at: domain::Timestamp) -> Value {
    let zone = &app.policy.zone;
    Value::Moment(zone.date_of(at), zone.time_of(at))
}

fn of_clinic(clinic: &TenantRecord, patient: &PatientPersonal) -> Facts {
    Facts::from([
        (Topic::Clinic, text(&clinic.name)),
        (Topic::ClinicPhone, text(&clinic.phone)),
        (Topic::Patient, text(patient.name.as_str())),
        (Topic::PatientPhone, text(patient.phone.as_str())),
        (Topic::Note, text("")),
    ])
}

fn add_visit(
    app: &App,
    tenant: TenantId,
    facts: &mut Facts,
    (booking, schedule): (&Booking, &Schedule),
) -> Result<(), OutboxError> {
    let department = app.storage.get(&keys::department(tenant, schedule.department))?;
    let (department, its_place) =
        department.map(|stored| (stored.record.name, stored.record.location)).unwrap_or_default();
    let doctor = match schedule.doctor {
        Some(doctor) => app.storage.get(&keys::doctor(tenant, doctor))?.map(|stored| stored.record.name),
        None => None,
    };
    let doctor = doctor.unwrap_or_else(|| "普通门诊".to_owned());
    let place = if schedule.location.is_empty() { its_place } else { schedule.location.clone() };
    let period = match booking.period {
        Period::Am => "上午",
        Period::Pm => "下午",
    };
    let kind = match booking.kind {
        ClinicKind::Ordinary => "普通门诊",
        ClinicKind::Expert => "专家门诊",
    };
    facts.extend([
        (Topic::Subject, text(&format!("{department} {doctor}"))),
        (Topic::Department, text(&department)),
        (Topic::Doctor, text(&doctor)),
        (Topic::Location, text(&place)),
        (Topic::VisitTime, moment(app, booking.starts_at)),
        (Topic::Period, text(period)),
        (Topic::Serial, Value::Number(booking.serial.get().into())),
        (Topic::BookingCode, text(&booking.code.to_string())),
        (Topic::Fee, Value::Amount(booking.fee)),
        (Topic::ClinicKind, text(kind)),
    ]);
    Ok(())
}

/// What has happened, how things stand, and what the patient should do.
fn add_news(facts: &mut Facts, kind: NotificationKind, booking: &Booking) {
    let come = "请按时就诊，不能来请提前取消";
    let news = match kind {
        NotificationKind::Stopped => ("停诊通知", "已停诊", "停诊，预约已取消，请改约其他时间"),
        NotificationKind::Relocated => ("就诊安排变更", "已变更", "就诊地点或医生有变，以本通知为准"),
        NotificationKind::Booked => ("预约成功", "已预约", come),
        NotificationKind::Cancelled => ("预约已取消", "已取消", "如需就诊请重新预约"),
        NotificationKind::Registered => ("挂号成功", "已挂号", "请按时到诊室候诊"),
        NotificationKind::Reminder => ("就诊提醒", "待就诊", come),
        NotificationKind::FollowUp
        | NotificationKind::GlassesReady
        | NotificationKind::DoctorReplied
        | NotificationKind::OrderProgress => return,
    };
    let (headline, status, note) = news;
    facts.insert(Topic::Headline, text(headline));
    facts.insert(Topic::Status, text(status));
    facts.insert(Topic::Note, text(note));
    let reason = match booking.status {
        Status::Cancelled { by, .. } => match by {
            Canceller::Patient => "本人取消",
            Canceller::Staff(_) => "诊所取消",
            Canceller::Stop(_) => "医生停诊",
            Canceller::Unpaid => "未按时付款",
        },
        Status::Booked | Status::Registered { .. } | Status::NoShow { .. } => match kind {
            NotificationKind::Relocated => "诊室或医生调整",
            NotificationKind::Stopped
            | NotificationKind::Booked
            | NotificationKind::Cancelled
            | NotificationKind::Registered
            | NotificationKind::FollowUp
            | NotificationKind::Reminder
            | NotificationKind::GlassesReady
            | NotificationKind::DoctorReplied
            | NotificationKind::OrderProgress => "",
        },
    };
    facts.insert(Topic::Reason, text(reason));
}
