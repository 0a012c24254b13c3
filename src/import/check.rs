//! What an import file says, as far as the file alone can tell: every field parsed, every id once.

use std::collections::HashMap;
use std::hash::Hash;

use domain::{
    ClinicKind, Date, DepartmentId, DoctorId, Fen, IdError, Period, Schedule, ScheduleId, Standing, TenantId,
};
use storage::records::{DepartmentRecord, DoctorRecord, TenantRecord};

use super::file::{ClinicFile, DepartmentEntry, DoctorEntry, IdText, ScheduleEntry, TenantEntry};
use super::problems::{Place, Problems};
use super::slots;
use crate::texts::{self, LINE_LIMIT, NAME_LIMIT, TEXT_LIMIT, TextError};

/// Ids from here on are given out by the program itself.
const FIRST_OWN_ID: u64 = 1_000_000_000;
/// `+N` reaches this far; no clinic plans further ahead.
const MAX_DAYS_AHEAD: i32 = 365;

/// Something of the file and its place in the list that it came from.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) index: usize,
    pub(super) value: T,
}

/// The file in the clinic's terms. Where something was wrong with an element, it is left out.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) tenant: Option<(TenantId, TenantRecord)>,
    pub(super) departments: Vec<At<(DepartmentId, DepartmentRecord)>>,
    pub(super) doctors: Vec<At<(DoctorId, DoctorRecord)>>,
    pub(super) schedules: Vec<At<Schedule>>,
    /// Every id that the file has, also those of elements that are left out: what refers to them
    /// is not wrong.
    pub(super) department_ids: HashMap<DepartmentId, usize>,
    pub(super) doctor_ids: HashMap<DoctorId, usize>,
}

/// Checks the whole file.
pub(super) fn check(file: &ClinicFile, today: Date, problems: &mut Problems) -> Checked {
    let root = Place::File;
    let tenant = check_tenant(&file.tenant, &root.field("tenant"), problems);
    let mut checked = Checked { tenant, ..Checked::default() };
    let list = root.field("departments");
    for (index, entry) in file.departments.iter().enumerate() {
        let place = list.item(index);
        let id = check_id(&entry.id, DepartmentId::new, &place.field("id"), problems);
        once(id, index, &mut checked.department_ids, (&list, "id"), problems);
        let record = check_department(entry, &place, problems);
        if let (Some(id), Some(record)) = (id, record) {
            let value = (id, record);
            checked.departments.push(At { index, value });
        }
    }
    let list = root.field("doctors");
    for (index, entry) in file.doctors.iter().enumerate() {
        let place = list.item(index);
        let id = check_id(&entry.id, DoctorId::new, &place.field("id"), problems);
        once(id, index, &mut checked.doctor_ids, (&list, "id"), problems);
        let record = check_doctor(entry, &place, problems);
        if let (Some(id), Some(record)) = (id, record) {
            let value = (id, record);
            checked.doctors.push(At { index, value });
        }
    }
    checked.schedules = check_schedules(&file.schedules, today, problems);
    checked
}

fn check_schedules(entries: &[ScheduleEntry], today: Date, problems: &mut Problems) -> Vec<At<Schedule>> {
    let root = Place::File;
    let list = root.field("schedules");
    let mut ids = HashMap::new();
    let mut half_days = HashMap::new();
    let mut schedules = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let place = list.item(index);
        let id = check_id(&entry.id, ScheduleId::new, &place.field("id"), problems);
        once(id, index, &mut ids, (&list, "id"), problems);
        let Some(value) = check_schedule(entry, id, today, &place, problems) else {
            continue;
        };
        let half_day = (value.department, value.doctor, value.date, value.period);
        if let Some(first) = half_days.insert(half_day, index) {
            let reason = format_args!("the same department, doctor, date and period as {list}[{first}]");
            problems.add(place, reason);
        }
        schedules.push(At { index, value });
    }
    schedules
}

fn check_tenant(
    entry: &TenantEntry,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Option<(TenantId, TenantRecord)> {
    // The program gives out no tenant ids, so that all of them are left to the operator.
    let id =
        problems.take(&place.field("id"), TenantId::parse(&entry.id.0), "must be a decimal number from 1 on");
    let name = check_name(&entry.name, &place.field("name"), problems);
    let appo_notice = check_text(&entry.appo_notice, TEXT_LIMIT, &place.field("appo_notice"), problems);
    let phone = check_text(&entry.phone, NAME_LIMIT, &place.field("phone"), problems);
    let record = TenantRecord { name: name?, appo_notice: appo_notice?, phone: phone? };
    Some((id?, record))
}

fn check_department(
    entry: &DepartmentEntry,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Option<DepartmentRecord> {
    let name = check_name(&entry.name, &place.field("name"), problems);
    let avatar = check_url(&entry.avatar, &place.field("avatar"), problems);
    let description = check_text(&entry.description, TEXT_LIMIT, &place.field("description"), problems);
    let location = check_text(&entry.location, LINE_LIMIT, &place.field("location"), problems);
    Some(DepartmentRecord {
        name: name?,
        avatar: avatar?,
        description: description?,
        location: location?,
        enabled: true,
    })
}

fn check_doctor(entry: &DoctorEntry, place: &Place<'_>, problems: &mut Problems) -> Option<DoctorRecord> {
    let name = check_name(&entry.name, &place.field("name"), problems);
    let title = check_text(&entry.title, NAME_LIMIT, &place.field("title"), problems);
    let avatar = check_url(&entry.avatar, &place.field("avatar"), problems);
    let description = check_text(&entry.description, TEXT_LIMIT, &place.field("description"), problems);
    let expertise = check_text(&entry.expertise, TEXT_LIMIT, &place.field("expertise"), problems);
    let list = place.field("departments");
    if entry.departments.is_empty() {
        problems.add(list, "must name at least one department");
    }
    let mut seen = HashMap::new();
    let mut departments = Vec::with_capacity(entry.departments.len());
    for (index, id) in entry.departments.iter().enumerate() {
        let id = check_id(id, DepartmentId::new, &list.item(index), problems);
        once(id, index, &mut seen, (&list, ""), problems);
        departments.extend(id);
    }
    Some(DoctorRecord {
        name: name?,
        title: title?,
        avatar: avatar?,
        description: description?,
        expertise: expertise?,
        departments,
        enabled: true,
    })
}

fn check_schedule(
    entry: &ScheduleEntry,
    id: Option<ScheduleId>,
    today: Date,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Option<Schedule> {
    let department = check_id(&entry.department, DepartmentId::new, &place.field("department"), problems);
    let doctor = match entry.doctor.as_ref().filter(|id| !id.0.trim().is_empty()) {
        None => Some(None),
        Some(id) => check_id(id, DoctorId::new, &place.field("doctor"), problems).map(Some),
    };
    let date = check_date(&entry.date, today, &place.field("date"), problems);
    let period = check_period(&entry.period, &place.field("period"), problems);
    let kind = u8::try_from(entry.kind).ok().and_then(ClinicKind::from_code);
    if kind.is_none() {
        problems.add(place.field("type"), "must be 0 (ordinary) or 1 (expert)");
    }
    let fee = match Fen::parse_yuan(entry.fee.0.trim()) {
        Ok(fee) => Some(fee),
        Err(error) => {
            problems.add(place.field("fee"), error);
            None
        }
    };
    let location = check_text(&entry.location, LINE_LIMIT, &place.field("location"), problems);
    let slots_place = place.field("slots");
    let slots = slots::check(&entry.slots, period, &slots_place, problems);
    let schedule = Schedule {
        id: id?,
        department: department?,
        doctor: doctor?,
        date: date?,
        period: period?,
        kind: kind?,
        fee: fee?,
        location: location?,
        slots: slots?,
        standing: Standing::Open,
    };
    match schedule.validate() {
        Ok(()) => Some(schedule),
        Err(error) => {
            problems.add(slots_place, error);
            None
        }
    }
}

fn check_id<T>(
    text: &IdText,
    take: fn(u64) -> Result<T, IdError>,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Option<T> {
    let text = text.0.trim();
    // A plus sign is a number to Rust, and none to whoever reads the id elsewhere.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|id| digits && *id < FIRST_OWN_ID);
    let id = number.and_then(|number| take(number).ok());
    if id.is_none() {
        problems.add(place, "must be a decimal number from 1 to 999999999");
    }
    id
}

/// Notes a problem when an earlier element of the list has the same id. `field` names the id within
/// the element; it is empty where the element is the id.
fn once<T: Copy + Eq + Hash>(
    id: Option<T>,
    index: usize,
    seen: &mut HashMap<T, usize>,
    (list, field): (&Place<'_>, &'static str),
    problems: &mut Problems,
) {
    let Some(id) = id else { return };
    let Some(first) = seen.insert(id, index) else {
        return;
    };
    let item = list.item(index);
    let reason = format_args!("the same id as {list}[{first}]");
    match field {
        "" => problems.add(item, reason),
        field => problems.add(item.field(field), reason),
    }
}

fn check_name(text: &str, place: &Place<'_>, problems: &mut Problems) -> Option<String> {
    let name = check_text(text, NAME_LIMIT, place, problems)?;
    if name.is_empty() {
        problems.add(place, "must not be empty");
        return None;
    }
    Some(name)
}

fn check_text(text: &str, limit: usize, place: &Place<'_>, problems: &mut Problems) -> Option<String> {
    take_text(texts::text(text, limit), limit, place, problems)
}

fn check_url(text: &str, place: &Place<'_>, problems: &mut Problems) -> Option<String> {
    take_text(texts::url(text), TEXT_LIMIT, place, problems)
}

fn take_text(
    parsed: Result<String, TextError>,
    limit: usize,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Option<String> {
    match parsed {
        Ok(text) => return Some(text),
        Err(TextError::TooLong) => {
            problems.add(place, format_args!("must not be longer than {limit} characters"));
        }
        Err(TextError::ControlCharacters) => problems.add(place, "must not contain control characters"),
        Err(TextError::NotAUrl) => problems.add(place, "must be empty or begin with https:// or http://"),
    }
    None
}

fn check_date(text: &str, today: Date, place: &Place<'_>, problems: &mut Problems) -> Option<Date> {
    let text = text.trim();
    let date = match text.strip_prefix('+') {
        None => Date::parse(text).ok(),
        Some(days) => days_ahead(days).and_then(|days| today.add_days(days).ok()),
    };
    if date.is_none() {
        let reason = format_args!("must be a date, yyyy-MM-dd, or +0 to +{MAX_DAYS_AHEAD} days from today");
        problems.add(place, reason);
    }
    date
}

fn days_ahead(text: &str) -> Option<i32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let days = text.parse().ok();
    days.filter(|days| digits && *days <= MAX_DAYS_AHEAD)
}

fn check_period(text: &str, place: &Place<'_>, problems: &mut Problems) -> Option<Period> {
    match text.trim() {
        "AM" => Some(Period::Am),
        "PM" => Some(Period::Pm),
        _ => {
            problems.add(place, "must be AM or PM");
            None
        }
    }
}
