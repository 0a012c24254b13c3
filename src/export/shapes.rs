//! How each record is written. Nothing here is read by this program again.

use domain::{Booking, Charge, LabelKind, Period, Schedule, TenantId, Timestamp};
use domain::{
    Canceller, Channel, ClinicZone, DayChange, Movement, OrderState, Owner, Scope, Standing, Status,
};
use serde_json::{Map, Value, json};
use storage::records::{
    About, AuditRecord, BookingOwner, BookingRecord, Certificate, DayExceptionRecord, DepartmentRecord,
    DoctorRecord, FollowerRecord, LabelRecord, LabelStanding, LedgerRecord, MembersRecord, NoShowRecord,
    NotificationRecord, OpenIdRecord, OpeningRecord, PatientFileRecord, PatientRecord, PayOrderRecord,
    ScheduleChange, ScheduleNoteRecord, ScheduleRecord, StaffRecord, StaffStanding, TemplateRecord,
    TenantRecord, UserRecord,
};
use storage::{LiveRecord, LiveRecordsError, ReadError, RecordError, Table, Vault, keys};

use super::sealed;

type Shaped = Result<Option<Value>, LiveRecordsError>;

/// What shapes are made with.
pub(super) struct Shaper<'a> {
    pub(super) tenant: TenantId,
    pub(super) vault: Option<&'a Vault>,
    pub(super) zone: &'a ClinicZone,
}

/// The number in a record's key.
fn id<T: ToString>(record: &LiveRecord<'_>, id: Option<T>) -> Result<String, LiveRecordsError> {
    let id = id.ok_or(ReadError::Record(RecordError::Malformed(record.table())))?;
    Ok(id.to_string())
}

fn text<T: ToString>(value: Option<T>) -> Option<String> {
    value.map(|value| value.to_string())
}

impl Shaper<'_> {
    /// The record as it is written; `None` for what is another clinic's, a secret, or follows from other records.
    pub(super) fn shape(&self, record: &LiveRecord<'_>) -> Shaped {
        // Clinics and orders are found without knowing whose they are.
        let tenant = keys::tenant_id(record.key())
            .or_else(|| keys::pay_order_no(record.key()).map(|no| no.tenant()))
            .map_or(record.key().tenant(), TenantId::get);
        if tenant != self.tenant.get() {
            return Ok(None);
        }
        let (version, mut shape) = match record.table() {
            Table::Tenant => self.tenant(record)?,
            Table::Department => self.department(record)?,
            Table::Doctor => self.doctor(record)?,
            Table::Schedule => self.schedule(record)?,
            Table::ScheduleNote => self.schedule_note(record)?,
            Table::Template => self.template(record)?,
            Table::DayException => self.day_exception(record)?,
            Table::Opening => self.opening(record)?,
            Table::Booking => self.booking(record)?,
            Table::NoShow => self.no_show(record)?,
            Table::User => self.user(record)?,
            Table::Members => self.members(record)?,
            Table::Patient => self.patient(record)?,
            Table::PatientFile => self.patient_file(record)?,
            Table::Label => self.label(record)?,
            Table::Staff => self.staff(record)?,
            Table::Audit => self.audit(record)?,
            Table::Notification => self.notification(record)?,
            Table::PayOrder => self.pay_order(record)?,
            Table::Ledger => self.ledger(record)?,
            Table::OpenId => self.open_id(record)?,
            Table::Follower => self.follower(record)?,
            // They lead from one record to another, or count.
            Table::Meta
            | Table::ScheduleAt
            | Table::Slot
            | Table::Visit
            | Table::Active
            | Table::Phone
            | Table::Idno
            | Table::LabelName
            | Table::StaffAccount
            | Table::BookingOrders
            | Table::LedgerDay
            | Table::Refund
            | Table::PayJob
            | Table::PayTrouble
            | Table::NotificationJob
            | Table::SentMessage
            | Table::MessageTemplate
            | Table::PayCertificates
            | Table::Sequence => return Ok(None),
            // They are secrets, or are over soon.
            Table::Session
            | Table::StaffSession
            | Table::Code
            | Table::Limit
            | Table::Idem
            | Table::Upload
            | Table::PayConf
            | Table::WechatConf
            | Table::WechatLoan
            | Table::Oauth => return Ok(None),
        };
        if let Some(fields) = shape.as_object_mut() {
            fields.insert("table".to_owned(), json!(record.table().name()));
            fields.insert("commit".to_owned(), json!(version));
        }
        Ok(Some(shape))
    }

    fn vault(&self) -> Result<&Vault, LiveRecordsError> {
        let missing = || LiveRecordsError::Receiver(std::io::Error::other("there are no keys"));
        self.vault.ok_or_else(missing)
    }

    fn at(&self, at: Timestamp) -> String {
        self.zone.date_time_text(at)
    }

    fn tenant(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (_, stored) = record.read::<TenantRecord>()?;
        let TenantRecord { name, appo_notice, phone } = stored.record;
        let shape = json!({"tenant": self.tenant.to_string(), "name": name, "appo_notice": appo_notice, "phone": phone});
        Ok((stored.version.get(), shape))
    }

    fn department(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (_, stored) = record.read::<DepartmentRecord>()?;
        let DepartmentRecord { name, avatar, description, location, enabled } = stored.record;
        let shape = json!({
            "department": id(record, keys::department_id(record.key()))?, "name": name, "avatar": avatar,
            "description": description, "location": location, "enabled": enabled,
        });
        Ok((stored.version.get(), shape))
    }

    fn doctor(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (_, stored) = record.read::<DoctorRecord>()?;
        let DoctorRecord { name, title, avatar, description, expertise, departments, enabled } =
            stored.record;
        let departments: Vec<_> = departments.iter().map(ToString::to_string).collect();
        let shape = json!({
            "doctor": id(record, keys::doctor_id(record.key()))?, "name": name, "title": title, "avatar": avatar,
            "description": description, "expertise": expertise, "departments": departments, "enabled": enabled,
        });
        Ok((stored.version.get(), shape))
    }

    fn schedule(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (_, stored) = record.read::<ScheduleRecord>()?;
        let Schedule { id, department, doctor, date, period, kind, fee, location, slots, standing } =
            stored.record.schedule;
        let slots = slots.iter().map(|slot| {
            let desk_only = match slot.channel {
                Channel::DeskOnly => true,
                Channel::Online => false,
            };
            json!({"serial": slot.serial.get(), "time": slot.time.to_string(), "desk_only": desk_only})
        });
        let stopped = match standing {
            Standing::Open => Value::Null,
            Standing::Stopped { at, by } => json!({"at": self.at(at), "by_staff": by.to_string()}),
        };
        let shape = json!({
            "schedule": id.to_string(), "department": department.to_string(), "doctor": text(doctor),
            "date": date.to_string(), "period": period_name(period), "type": kind.code(), "fee_fen": fee.get(),
            "location": location, "slots": slots.collect::<Vec<_>>(), "stopped": stopped,
        });
        Ok((stored.version.get(), shape))
    }

    fn schedule_note(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (key, stored) = record.read::<ScheduleNoteRecord>()?;
        let note = stored.record;
        let reason = note.open(self.vault()?, &key).map_err(sealed)?;
        let (change, booking) = match &note.change {
            ScheduleChange::SlotsAdded(_) => ("slots_added", None),
            ScheduleChange::Stopped => ("stopped", None),
            ScheduleChange::Reopened => ("reopened", None),
            ScheduleChange::Relocated => ("relocated", None),
            ScheduleChange::VisitCorrected(booking) => ("visit_corrected", Some(booking)),
        };
        let serials: Vec<_> = note.change.serials().iter().map(|serial| serial.get()).collect();
        let shape = json!({
            "schedule": id(record, keys::schedule_of_note(record.key()))?, "change": change, "serials": serials,
            "booking": text(booking), "at": self.at(note.at), "by_staff": note.by.to_string(),
            "reason": reason.map(|reason| reason.as_str().to_owned()),
        });
        Ok((stored.version.get(), shape))
    }

    fn template(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (_, stored) = record.read::<TemplateRecord>()?;
        let template = stored.record.0;
        let slots = template.grid.slots(template.desk_only);
        let slots: Vec<_> = slots.iter().map(|slot| slot.time.to_string()).collect();
        let shape = json!({
            "template": id(record, keys::template_id(record.key()))?, "department": template.department.to_string(),
            "doctor": text(template.doctor), "weekday": template.weekday.number(),
            "period": period_name(template.period), "slots": slots, "desk_only": template.desk_only,
            "type": template.kind.code(), "fee_fen": template.fee.get(), "location": template.location,
            "valid_from": template.valid_from.to_string(), "valid_through": text(template.valid_through),
        });
        Ok((stored.version.get(), shape))
    }

    fn day_exception(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (_, stored) = record.read::<DayExceptionRecord>()?;
        let exception = stored.record.0;
        let (department, doctor) = match exception.scope {
            Scope::Clinic => (None, None),
            Scope::Department(department) => (Some(department.to_string()), None),
            Scope::Doctor(doctor) => (None, Some(doctor.to_string())),
        };
        let (first, last, like) = match exception.change {
            DayChange::Holiday { first, last } => (first, last, None),
            DayChange::Swapped { date, like } => (date, date, Some(like.number())),
        };
        let shape = json!({
            "exception": id(record, keys::exception_id(record.key()))?, "department": department, "doctor": doctor,
            "first": first.to_string(), "last": last.to_string(), "like_weekday": like,
        });
        Ok((stored.version.get(), shape))
    }

    fn opening(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (_, stored) = record.read::<OpeningRecord>()?;
        let OpeningRecord { horizon_days, release_time } = stored.record;
        let shape = json!({
            "department": text(keys::department_of_opening(record.key())), "horizon_days": horizon_days,
            "release_time": text(release_time),
        });
        Ok((stored.version.get(), shape))
    }

    fn booking(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (_, stored) = record.read::<BookingRecord>()?;
        let booking = &stored.record.0;
        let (user, member, desk) = match booking.owner {
            Owner::Account { user, member } => (Some(user), Some(member), None),
            Owner::Desk { staff } => (None, None, Some(staff)),
        };
        let shape = json!({
            "booking": booking.id.to_string(), "code": booking.code.get(), "schedule": booking.schedule.to_string(),
            "serial": booking.serial.get(), "user": text(user), "member": text(member), "by_staff": text(desk),
            "patient": booking.patient.to_string(), "date": booking.date.to_string(),
            "period": period_name(booking.period), "starts_at": self.at(booking.starts_at),
            "department": booking.department.to_string(), "doctor": text(booking.doctor),
            "type": booking.kind.code(), "fee_fen": booking.fee.get(), "booked_at": self.at(booking.booked_at),
            "status": booking.status.code(), "status_since": self.status_since(booking),
            "cancelled_by": cancelled_by(booking), "charge": charge_name(booking.charge),
            "checked_in_at": booking.checked_in_at.map(|at| self.at(at)),
        });
        Ok((stored.version.get(), shape))
    }

    fn status_since(&self, booking: &Booking) -> Option<String> {
        match booking.status {
            Status::Booked => None,
            Status::Cancelled { at, .. } | Status::Registered { at } | Status::NoShow { at } => {
                Some(self.at(at))
            }
        }
    }

    fn no_show(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (_, stored) = record.read::<NoShowRecord>()?;
        let NoShowRecord { misses, banned_until } = stored.record;
        let misses = misses.iter();
        let misses =
            misses.map(|miss| json!({"date": miss.date.to_string(), "booking": miss.booking.to_string()}));
        let shape = json!({
            "patient": id(record, keys::patient_id(record.key()))?, "misses": misses.collect::<Vec<_>>(),
            "banned_until": text(banned_until),
        });
        Ok((stored.version.get(), shape))
    }

    fn user(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (key, stored) = record.read::<UserRecord>()?;
        let user = stored.record;
        let personal = user.open(self.vault()?, &key).map_err(sealed)?;
        let consent = user.consent.as_ref();
        let consent =
            consent.map(|given| json!({"version": given.version, "given_at": self.at(given.given_at)}));
        let profile = &personal.profile;
        // The hash of the password is of no use to anybody but an attacker.
        let shape = json!({
            "user": id(record, keys::user_id(record.key()))?, "phone": personal.phone.as_str(),
            "name": profile.name.as_ref().map(|name| name.as_str()), "gender": profile.gender.code(),
            "birthday": text(profile.birthday), "avatar": profile.avatar, "created_at": self.at(user.created_at),
            "consent": consent,
        });
        Ok((stored.version.get(), shape))
    }

    fn members(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (key, stored) = record.read::<MembersRecord>()?;
        let vault = self.vault()?;
        let mut members = Vec::new();
        for member in &stored.record.members {
            let personal = member.open(vault, &key).map_err(sealed)?;
            members.push(json!({
                "member": member.member.to_string(), "patient": member.patient.to_string(),
                "phone": personal.phone.as_str(), "default": member.is_default,
                "created_at": self.at(member.created_at),
            }));
        }
        let shape = json!({"user": id(record, keys::user_id(record.key()))?, "members": members});
        Ok((stored.version.get(), shape))
    }

    fn patient(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (key, stored) = record.read::<PatientRecord>()?;
        let personal = stored.record.open(self.vault()?, &key).map_err(sealed)?;
        let (kind, number) = match &personal.certificate {
            None => (None, None),
            Some(Certificate::IdCard(number)) => (None, Some(number.as_str())),
            Some(Certificate::Other { kind, number }) => (Some(*kind), Some(number.as_str())),
        };
        let shape = json!({
            "patient": id(record, keys::patient_id(record.key()))?, "name": personal.name.as_str(),
            "gender": personal.gender.code(), "birthday": personal.birthday.to_string(),
            "phone": personal.phone.as_str(), "id_number": number, "other_id_type": kind,
            "created_at": self.at(stored.record.created_at),
        });
        Ok((stored.version.get(), shape))
    }

    fn patient_file(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (key, stored) = record.read::<PatientFileRecord>()?;
        let notes = stored.record.open(self.vault()?, &key).map_err(sealed)?;
        let labels: Vec<_> = stored.record.labels.iter().map(ToString::to_string).collect();
        let shape = json!({
            "patient": id(record, keys::patient_file_id(record.key()))?, "province": notes.province,
            "city": notes.city, "county": notes.county, "address": notes.address,
            "contact_name": notes.contact_name, "contact_relation": notes.contact_relation,
            "contact_phone": notes.contact_phone, "group": text(stored.record.group), "labels": labels,
        });
        Ok((stored.version.get(), shape))
    }

    fn label(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (_, stored) = record.read::<LabelRecord>()?;
        let label = stored.record;
        let kind = match label.kind {
            LabelKind::Group => "group",
            LabelKind::Label => "label",
        };
        let deleted = match label.standing {
            LabelStanding::Live => false,
            LabelStanding::Deleted => true,
        };
        let shape = json!({
            "label": id(record, keys::label_id(record.key()))?, "kind": kind, "name": label.name.as_str(),
            "created_at": self.at(label.created_at), "by_staff": label.created_by.to_string(), "deleted": deleted,
        });
        Ok((stored.version.get(), shape))
    }

    fn staff(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (key, stored) = record.read::<StaffRecord>()?;
        let staff = stored.record;
        let personal = staff.open(self.vault()?, &key).map_err(sealed)?;
        let disabled = match staff.standing {
            StaffStanding::Active => false,
            StaffStanding::Disabled => true,
        };
        let shape = json!({
            "staff": id(record, keys::staff_id(record.key()))?, "account": personal.account.as_str(),
            "name": personal.name.as_str(), "role": staff.role.name(), "doctor": text(staff.role.doctor()),
            "disabled": disabled, "created_at": self.at(staff.created_at),
            "last_login_at": staff.last_login_at.map(|at| self.at(at)),
        });
        Ok((stored.version.get(), shape))
    }

    fn audit(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (_, stored) = record.read::<AuditRecord>()?;
        let AuditRecord { at, staff, action, object } = stored.record;
        let shape = json!({
            "row": id(record, keys::audit_number(record.key()))?, "at": self.at(at), "staff": staff.to_string(),
            "action": action.name(), "object_type": action.object().name(), "object": text(object),
        });
        Ok((stored.version.get(), shape))
    }

    fn notification(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (key, stored) = record.read::<NotificationRecord>()?;
        let told = stored.record;
        let user = match told.owner {
            BookingOwner::Desk => None,
            BookingOwner::Account(user) => Some(user),
        };
        let said: Map<_, _> = match &told.about {
            About::Booking { .. } => Map::new(),
            About::Said(_) => {
                let values = told.values(self.vault()?, &key).map_err(sealed)?.0;
                values.into_iter().map(|(name, value)| (name, json!(value))).collect()
            }
        };
        let shape = json!({
            "notification": id(record, keys::notification_id(record.key()))?, "kind": told.kind.name(),
            "at": self.at(told.at), "user": text(user), "booking": text(told.booking()),
            "patient": told.patient.to_string(), "said": said, "round": told.round,
            "delivery": told.delivery.name(),
        });
        Ok((stored.version.get(), shape))
    }

    fn pay_order(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (key, stored) = record.read::<PayOrderRecord>()?;
        let order = stored.record.open(self.vault()?, &key).map_err(sealed)?;
        let shape = json!({
            "order": order.no.to_string(), "booking": order.booking.to_string(),
            "schedule": order.schedule.to_string(), "user": order.user.to_string(), "payer": order.payer.as_str(),
            "amount_fen": order.amount.get(), "created_at": self.at(order.created_at),
            "expires_at": self.at(order.expires_at), "state": order_state_name(&order.state),
            "mismatches": order.mismatches.len(),
        });
        Ok((stored.version.get(), shape))
    }

    fn ledger(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (_, stored) = record.read::<LedgerRecord>()?;
        let entry = stored.record.0;
        let (received, refunded) = match &entry.movement {
            Movement::Received(transaction) => (Some(transaction.as_str()), None),
            Movement::Refunded(refund) => (None, Some(refund.to_string())),
        };
        let shape = json!({
            "order": entry.order.to_string(), "transaction": received, "refund": refunded,
            "amount_fen": entry.amount.get(), "at": self.at(entry.at),
        });
        Ok((stored.version.get(), shape))
    }

    fn open_id(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (key, stored) = record.read::<OpenIdRecord>()?;
        let identity = stored.record.open(self.vault()?, &key).map_err(sealed)?;
        let shape = json!({
            "user": id(record, keys::user_id(record.key()))?, "app_id": identity.app_id,
            "open_id": identity.open_id.as_str(), "bound_at": self.at(stored.record.bound_at),
        });
        Ok((stored.version.get(), shape))
    }

    fn follower(&self, record: &LiveRecord<'_>) -> Result<(u64, Value), LiveRecordsError> {
        let (_, stored) = record.read::<FollowerRecord>()?;
        let told_at = stored.record.following.told_at().map(|at| self.at(at));
        let follows = matches!(stored.record.following, storage::records::Following::Since(_));
        let shape = json!({"user": text(stored.record.user), "follows": follows, "told_at": told_at});
        Ok((stored.version.get(), shape))
    }
}

fn period_name(period: Period) -> &'static str {
    match period {
        Period::Am => "AM",
        Period::Pm => "PM",
    }
}

fn cancelled_by(booking: &Booking) -> Option<Value> {
    let Status::Cancelled { by, .. } = booking.status else { return None };
    Some(match by {
        Canceller::Patient => json!("patient"),
        Canceller::Staff(staff) => json!({"staff": staff.to_string()}),
        Canceller::Stop(staff) => json!({"stopped_by_staff": staff.to_string()}),
        Canceller::Unpaid => json!("unpaid"),
    })
}

fn charge_name(charge: Charge) -> &'static str {
    match charge {
        Charge::Unpaid => "unpaid",
        Charge::Paid => "paid",
        Charge::RefundDue => "refund_due",
        Charge::Refunded => "refunded",
        Charge::Expired => "expired",
    }
}

fn order_state_name(state: &OrderState) -> &'static str {
    match state {
        OrderState::Created => "created",
        OrderState::Prepaid(_) => "prepaid",
        OrderState::Closing { .. } => "closing",
        OrderState::Closed { .. } => "closed",
        OrderState::Paid(_) => "paid",
        OrderState::RefundDue { .. } => "refund_due",
        OrderState::Refunding { .. } => "refunding",
        OrderState::Refunded { .. } => "refunded",
        OrderState::Failed { .. } => "failed",
    }
}
