//! The clinic of `serve --demo`: invented people, real rules. It is loaded through the same import
//! as any other clinic, and has a WeChat of its own ([`wechat`]).

mod invented;
pub mod wechat;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use domain::{Date, DepartmentId, DoctorId, Period, ScheduleId, TenantId};
use storage::keys::SchedulePlace;
use storage::{ReadError, Storage, keys};

use crate::import::{
    self, ClinicFile, DepartmentEntry, DoctorEntry, GridEntry, IdText, ImportError, ImportReport,
    ScheduleEntry, SlotsEntry, TenantEntry, YuanText,
};
use crate::progress::LongWork;
use crate::tenants;

use invented::{DEPARTMENTS, DOCTORS, Department, Doctor};
use wechat::DemoWechat;

/// Schedules are there from today on for so many days, today included.
pub const DAYS: i32 = 14;

/// What stands in messages where the name of an import file would.
const NAME: &str = "demo";

/// Ids of one day's schedules lie within so many, so that each follows from its day and clinic.
const IDS_PER_DAY: i32 = 100;

/// The whole demo clinic for the days from today on.
#[must_use]
pub fn clinic(tenant: TenantId, today: Date) -> ClinicFile {
    ClinicFile {
        tenant: TenantEntry {
            id: IdText(tenant.to_string()),
            name: "杏林诊所（演示）".to_owned(),
            appo_notice:
                "请于就诊时间前十五分钟到导诊台报到，并携带就诊人的有效证件。如不能按时就诊，请提前取消预约。"
                    .to_owned(),
            phone: "0571-00000000".to_owned(),
        },
        departments: DEPARTMENTS.iter().map(department).collect(),
        doctors: DOCTORS.iter().map(doctor).collect(),
        schedules: (0..DAYS).flat_map(|days| schedules_of(today.saturating_add_days(days))).collect(),
    }
}

/// Tells on the console what runs where, and what can be done with it.
pub fn announce(folder: &Path, address: SocketAddr, wechat: &DemoWechat) {
    let (folder, phone) = (folder.display(), wechat.page());
    let text = format!(
        "\n\
         The demo clinic is served. Its people are invented, and so is its WeChat: no money moves, no message leaves\n\
         this machine. Its data lies in {folder}, and what is booked stays there.\n\
         \n  \
           http://{address}/docs/   all calls of the API, to be tried out\n  \
           {phone}        a patient's phone: pays or refuses, and shows texts and messages\n\
         \n\
         What to do next: README, \"A walk\" books a slot, \"See it pay\" pays for one. SMS codes are printed here, too.\n\
         There is no staff account. To see the clinic's side, stop the server (Ctrl-C), add one and start it again:\n\
         \n  \
           PATI_STORAGE__PATH={folder} pati-service staff add --account boss --role admin\n"
    );
    // Whoever does not look at the console misses nothing else.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Adds what is missing of the demo clinic and leaves everything else as it has become: a schedule
/// may have been booked, stopped or moved since. Blocks the thread.
///
/// # Errors
/// [`ImportError`]
pub fn load(
    storage: &Storage,
    tenant: TenantId,
    today: Date,
    work: &LongWork,
) -> Result<ImportReport, ImportError> {
    let mut clinic = clinic(tenant, today);
    keep_tenant(storage, tenant, &mut clinic.tenant)?;
    keep_missing(&mut clinic.departments, |entry| {
        let id = DepartmentId::parse(&entry.id.0);
        id.map_or(Ok(false), |id| storage.contains(&keys::department(tenant, id)))
    })?;
    keep_missing(&mut clinic.doctors, |entry| {
        let id = DoctorId::parse(&entry.id.0);
        id.map_or(Ok(false), |id| storage.contains(&keys::doctor(tenant, id)))
    })?;
    keep_missing(&mut clinic.schedules, |entry| has_schedule(storage, tenant, entry))?;
    import::import_clinic(storage, &clinic, NAME, today, work)
}

/// The clinic's own record stays as it is, once somebody has given it a name.
fn keep_tenant(storage: &Storage, tenant: TenantId, entry: &mut TenantEntry) -> Result<(), ReadError> {
    let stored = storage.get(&keys::tenant(tenant))?.map(|it| it.record);
    if let Some(stored) = stored.filter(|record| *record != tenants::nameless()) {
        entry.name = stored.name;
        entry.appo_notice = stored.appo_notice;
        entry.phone = stored.phone;
    }
    Ok(())
}

fn keep_missing<T>(
    entries: &mut Vec<T>,
    is_there: impl Fn(&T) -> Result<bool, ReadError>,
) -> Result<(), ReadError> {
    let mut missing = Vec::with_capacity(entries.len());
    for entry in entries.drain(..) {
        if !is_there(&entry)? {
            missing.push(entry);
        }
    }
    *entries = missing;
    Ok(())
}

/// Whether the schedule is there, or another one has its place.
fn has_schedule(storage: &Storage, tenant: TenantId, entry: &ScheduleEntry) -> Result<bool, ReadError> {
    let Some((id, place)) = id_and_place(entry) else {
        return Ok(false);
    };
    Ok(storage.contains(&keys::schedule(tenant, id))?
        || storage.contains(&keys::schedule_at(tenant, &place))?)
}

fn id_and_place(entry: &ScheduleEntry) -> Option<(ScheduleId, SchedulePlace)> {
    let doctor = match &entry.doctor {
        Some(id) => Some(DoctorId::parse(&id.0).ok()?),
        None => None,
    };
    let halves = [Period::Am, Period::Pm];
    let place = SchedulePlace {
        department: DepartmentId::parse(&entry.department.0).ok()?,
        doctor,
        date: Date::parse(&entry.date).ok()?,
        period: halves.into_iter().find(|half| period_text(*half) == entry.period)?,
    };
    Some((ScheduleId::parse(&entry.id.0).ok()?, place))
}

fn department(department: &Department) -> DepartmentEntry {
    DepartmentEntry {
        id: IdText(department.id.to_owned()),
        name: department.name.to_owned(),
        avatar: String::new(),
        description: department.description.to_owned(),
        location: department.location.to_owned(),
    }
}

fn doctor(doctor: &Doctor) -> DoctorEntry {
    DoctorEntry {
        id: IdText(doctor.id.to_owned()),
        name: doctor.name.to_owned(),
        title: doctor.title.to_owned(),
        avatar: String::new(),
        description: doctor.description.to_owned(),
        expertise: doctor.expertise.to_owned(),
        departments: vec![IdText(doctor.department.to_owned())],
    }
}

/// Both half-days of every doctor and every ordinary clinic.
fn schedules_of(date: Date) -> Vec<ScheduleEntry> {
    let doctors = DOCTORS.iter().map(|doctor| Clinic {
        department: doctor.department,
        doctor: Some(doctor.id),
        location: doctor.room,
        kind: doctor.kind,
        fee: doctor.fee,
    });
    let ordinary = DEPARTMENTS.iter().filter_map(|department| {
        Some(Clinic {
            department: department.id,
            doctor: None,
            location: department.location,
            kind: 0,
            fee: department.ordinary_fee?,
        })
    });
    let first = date.ordinal() * IDS_PER_DAY;
    let halves =
        doctors.chain(ordinary).flat_map(|clinic| [Period::Am, Period::Pm].map(|period| (clinic, period)));
    (first..).zip(halves).map(|(id, (clinic, period))| schedule(id, &clinic, date, period)).collect()
}

#[derive(Clone, Copy)]
struct Clinic {
    department: &'static str,
    doctor: Option<&'static str>,
    location: &'static str,
    kind: i64,
    fee: &'static str,
}

fn schedule(id: i32, clinic: &Clinic, date: Date, period: Period) -> ScheduleEntry {
    let (start, end) = match period {
        Period::Am => ("08:00", "11:30"),
        Period::Pm => ("13:30", "17:00"),
    };
    // An expert takes more time for each patient.
    let every_minutes = if clinic.kind == 1 { 15 } else { 10 };
    ScheduleEntry {
        id: IdText(id.to_string()),
        department: IdText(clinic.department.to_owned()),
        doctor: clinic.doctor.map(|id| IdText(id.to_owned())),
        date: date.to_string(),
        period: period_text(period).to_owned(),
        kind: clinic.kind,
        fee: YuanText(clinic.fee.to_owned()),
        location: clinic.location.to_owned(),
        slots: SlotsEntry::Every(GridEntry { start: start.to_owned(), end: end.to_owned(), every_minutes }),
    }
}

fn period_text(period: Period) -> &'static str {
    match period {
        Period::Am => "AM",
        Period::Pm => "PM",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use domain::Timestamp;
    use storage::records::BookedBefore;
    use storage::{Commit, Scan, StorageOptions};

    use super::*;

    const SCHEDULES_PER_DAY: usize = 20;

    fn tenant() -> TenantId {
        TenantId::new(1).unwrap()
    }

    fn day(text: &str) -> Date {
        Date::parse(text).unwrap()
    }

    fn open(folder: &tempfile::TempDir) -> Storage {
        Storage::open(StorageOptions::new(folder.path(), Timestamp::ZERO)).unwrap()
    }

    fn load_on(storage: &Storage, today: &str) -> ImportReport {
        load(storage, tenant(), day(today), &LongWork::silent()).unwrap()
    }

    /// Seen to fail when `load` imported the whole clinic again.
    #[test]
    fn each_start_adds_the_missing_days_only() {
        let folder = tempfile::tempdir().unwrap();
        let storage = open(&folder);
        tenants::ensure_default(&storage, tenant()).unwrap();

        let first = load_on(&storage, "2026-12-01");
        assert_eq!(first.tenant.updated, 1);
        assert_eq!(first.departments.added, 3);
        assert_eq!(first.doctors.added, 8);
        assert_eq!(first.schedules.added, 14 * SCHEDULES_PER_DAY);

        let seq = storage.status().seq;
        assert!(load_on(&storage, "2026-12-01").changed_nothing());
        assert_eq!(storage.status().seq, seq);

        let next_day = load_on(&storage, "2026-12-02");
        assert_eq!(next_day.schedules.added, SCHEDULES_PER_DAY);
        assert_eq!(next_day.schedules.updated + next_day.schedules.unchanged, 0);
        assert_eq!(next_day.departments.added + next_day.departments.unchanged, 0);
        assert!(load_on(&storage, "2026-12-02").changed_nothing());
    }

    #[test]
    fn the_whole_clinic_passes_the_import_twice() {
        let folder = tempfile::tempdir().unwrap();
        let storage = open(&folder);
        let today = day("2026-12-01");
        let import = || {
            let clinic = clinic(tenant(), today);
            import::import_clinic(&storage, &clinic, NAME, today, &LongWork::silent()).unwrap()
        };
        assert_eq!(import().schedules.added, 14 * SCHEDULES_PER_DAY);
        assert!(import().changed_nothing());
    }

    #[test]
    fn what_became_of_the_clinic_stays() {
        let folder = tempfile::tempdir().unwrap();
        let storage = open(&folder);
        load_on(&storage, "2026-12-01");
        let scanned = storage.scan(&keys::schedules(tenant()), Scan::ALL).unwrap();
        let (_, stored) = scanned.first().unwrap();
        let mut changed = stored.record.clone();
        changed.booked_before = BookedBefore::Yes;
        changed.schedule.location = "搬到一层".to_owned();
        let key = keys::schedule(tenant(), changed.schedule.id);
        let mut commit = Commit::new();
        commit.put(&key, &changed);
        storage.commit(commit).wait().unwrap();

        load_on(&storage, "2026-12-02");

        assert_eq!(storage.get(&key).unwrap().unwrap().record, changed);
    }

    #[test]
    fn ids_follow_from_the_day_and_never_meet() {
        let mut seen = HashSet::new();
        for date in ["2026-12-01", "2026-12-02", "2026-12-03"] {
            for entry in schedules_of(day(date)) {
                assert!(seen.insert(entry.id.0.clone()), "{} on {date}", entry.id.0);
            }
        }
        assert_eq!(seen.len(), 3 * SCHEDULES_PER_DAY);
        assert!(SCHEDULES_PER_DAY <= usize::try_from(IDS_PER_DAY).unwrap());
        assert!(i64::from(Date::MAX.ordinal() + 1) * i64::from(IDS_PER_DAY) < 1_000_000_000);
    }

    #[test]
    fn every_kind_of_clinic_is_there() {
        let clinic = clinic(tenant(), day("2026-12-01"));
        let kinds: HashSet<_> =
            clinic.schedules.iter().map(|it| (it.doctor.is_some(), it.kind, it.period.clone())).collect();
        for (has_doctor, kind) in [(false, 0), (true, 0), (true, 1)] {
            for period in ["AM", "PM"] {
                assert!(kinds.contains(&(has_doctor, kind, period.to_owned())));
            }
        }
        assert!(clinic.schedules.iter().any(|it| it.fee.0 == "0.00"));
        let dates: HashSet<_> = clinic.schedules.iter().map(|it| &it.date).collect();
        assert_eq!(dates.len(), 14);
    }
}
