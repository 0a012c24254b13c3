//! The clinic that is written into the store of this server before its first booking: schedules, and accounts with a
//! member and a session each. Both the storage commit and the whole server are measured on a copy of it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actors::{Clock, SystemClock};
use domain::{
    Channel, ClinicKind, ClinicZone, Date, DepartmentId, DoctorId, Fen, MemberId, PatientId, Period, Phone,
    Schedule, ScheduleId, SerialNo, SessionId, SlotPlan, Standing, TenantId, TimeOfDay, Timestamp, UserId,
};
use pati_service::tokens::{Identity, Subject, Tokens};
use storage::records::{
    BookedBefore, DepartmentRecord, DoctorRecord, MemberEntry, MemberLink, MemberPersonal, MembersRecord,
    ScheduleAtRecord, ScheduleRecord, SessionRecord, TenantRecord,
};
use storage::{Commit, OsRandom, Storage, StorageOptions, Vault, keys};

use crate::plan::{self, LATECOMER};

/// Beside the data folder: the token of each account, a line each.
const TOKENS: &str = "tokens";
/// Beside the data folder: the day of all schedules.
const DAY: &str = "day";
/// Far enough ahead that midnight changes nothing, and within the usual horizon of 14 days.
const DAYS_AHEAD: i32 = 3;
/// Records that are written in one commit.
const AT_ONCE: u64 = 200;

/// A folder with a clinic in it.
pub struct Clinic {
    pub day: Date,
    pub tokens: Vec<String>,
}

impl Clinic {
    /// Reads what [`write`] left beside the data folder.
    pub fn read(folder: &Path) -> Self {
        let read = |name| fs::read_to_string(folder.join(name)).expect("the clinic was written");
        let tokens = read(TOKENS).lines().map(str::to_owned).collect();
        Self { day: Date::parse(&read(DAY)).expect("a date"), tokens }
    }
}

/// Opens the store of a clinic, with as much memory for pages as the server takes by default.
pub fn open(folder: &Path) -> Storage {
    let options = StorageOptions::new(folder.join("data"), SystemClock.now());
    Storage::open(StorageOptions { cache_bytes: 64 << 20, ..options }).expect("it opens")
}

/// Writes the clinic into an empty folder.
pub fn write(folder: &Path) {
    let storage = open(folder);
    let vault = Vault::unlock(&storage, &folder.join("data/keys"), Arc::new(OsRandom::default()));
    let vault = vault.expect("a new vault");
    let now = SystemClock.now();
    let day = ClinicZone::fixed_hours(8).date_of(now).saturating_add_days(DAYS_AHEAD);
    write_in_parts(&storage, 1, |commit, _| write_house(commit));
    write_in_parts(&storage, plan::SCHEDULES, |commit, n| write_schedule(commit, n, day));
    write_in_parts(&storage, LATECOMER + 1, |commit, n| write_account(commit, &vault, n, now));

    let tokens = Tokens::new(vault.secret("jwt").expect("a key").as_bytes()).expect("long enough");
    let mut lines = String::new();
    for n in 0..=LATECOMER {
        let identity = Identity {
            subject: Subject::Patient(user_id(n)),
            tenant: tenant(),
            session: session_id(n),
            issued_at: now,
            expires_at: now.plus(Duration::from_secs(7 * 86_400)),
        };
        lines.push_str(&tokens.issue(&identity).expect("issued"));
        lines.push('\n');
    }
    fs::write(folder.join(TOKENS), lines).expect("written");
    fs::write(folder.join(DAY), day.to_string()).expect("written");
    storage.close().expect("closed");
}

fn write_in_parts(storage: &Storage, count: u64, mut write: impl FnMut(&mut Commit, u64)) {
    let mut commit = Commit::new();
    for n in 0..count {
        write(&mut commit, n);
        if (n + 1) % AT_ONCE == 0 || n + 1 == count {
            storage.commit(std::mem::take(&mut commit)).wait().expect("written");
        }
    }
}

fn write_house(commit: &mut Commit) {
    let name = |text: &str| text.to_owned();
    let clinic = TenantRecord { name: name("测试诊所"), appo_notice: name(""), phone: name("010-1") };
    commit.put(&keys::tenant(tenant()), &clinic);
    let ward = DepartmentRecord {
        name: name("眼科"),
        avatar: name(""),
        description: name(""),
        location: name("一楼"),
        enabled: true,
    };
    commit.put(&keys::department(tenant(), department()), &ward);
}

/// Schedules `2n` and `2n + 1` are the morning and the afternoon of the same doctor.
fn write_schedule(commit: &mut Commit, n: u64, day: Date) {
    let doctor = DoctorId::new(2001 + n / 2).expect("an id");
    let (period, first) = if n.is_multiple_of(2) { (Period::Am, 7 * 60) } else { (Period::Pm, 13 * 60) };
    let slot = |serial: u16| SlotPlan {
        serial: SerialNo::new(serial).expect("a serial number"),
        time: TimeOfDay::from_minutes(first + (serial * 5).min(290)).expect("a time"),
        channel: Channel::Online,
    };
    let schedule = Schedule {
        id: schedule_id(n),
        department: department(),
        doctor: Some(doctor),
        date: day,
        period,
        kind: ClinicKind::Expert,
        fee: Fen::new(5_000).expect("a fee"),
        location: "二楼201".to_owned(),
        slots: (1..=plan::slots_of(n) as u16).map(slot).collect(),
        standing: Standing::Open,
    };
    let place = keys::SchedulePlace::of(&schedule);
    commit.put(&keys::schedule_at(tenant(), &place), &ScheduleAtRecord { schedule: schedule.id });
    let record = ScheduleRecord { schedule, booked_before: BookedBefore::Never };
    commit.put(&keys::schedule(tenant(), schedule_id(n)), &record);
    let record = DoctorRecord {
        name: format!("医生{}", n / 2),
        title: "主任医师".to_owned(),
        avatar: String::new(),
        description: String::new(),
        expertise: "白内障".to_owned(),
        departments: vec![department()],
        enabled: true,
    };
    commit.put(&keys::doctor(tenant(), doctor), &record);
}

fn write_account(commit: &mut Commit, vault: &Vault, n: u64, now: Timestamp) {
    let key = keys::members(tenant(), user_id(n));
    let personal = MemberPersonal { phone: Phone::parse("13800000000").expect("a phone") };
    let link = MemberLink { member: member_id(n), patient: patient_id(n), is_default: true, created_at: now };
    let entry = MemberEntry::seal(vault, &key, &personal, link).expect("sealed");
    commit.put(&key, &MembersRecord { members: vec![entry] });
    let session = SessionRecord {
        user: user_id(n),
        created_at: now,
        expires_at: now.plus(Duration::from_secs(30 * 86_400)),
    };
    commit.put(&keys::session(tenant(), user_id(n), session_id(n)), &session);
}

pub fn tenant() -> TenantId {
    TenantId::new(1).expect("an id")
}

pub fn department() -> DepartmentId {
    DepartmentId::new(101).expect("an id")
}

pub fn schedule_id(n: u64) -> ScheduleId {
    ScheduleId::new(3001 + n).expect("an id")
}

pub fn user_id(n: u64) -> UserId {
    UserId::new(1_000_000_000 + n).expect("an id")
}

pub fn member_id(n: u64) -> MemberId {
    MemberId::new(1_000_000_000 + n).expect("an id")
}

pub fn patient_id(n: u64) -> PatientId {
    PatientId::new(1 + n).expect("an id")
}

fn session_id(n: u64) -> SessionId {
    SessionId::new(1_000_000_000 + n).expect("an id")
}
