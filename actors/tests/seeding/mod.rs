//! A clinic written straight into a store: what a test or a bench needs before the first booking.
#![expect(dead_code, unreachable_pub, reason = "every test and bench uses its own part")]

pub mod crew;

use std::path::Path;
use std::sync::Arc;

use domain::{
    Channel, ClinicKind, ClinicZone, Date, DepartmentId, DoctorId, Fen, MemberId, PatientId, Period, Phone,
    Policy, Schedule, ScheduleId, SerialNo, SessionId, SlotPlan, Standing, TenantId, TimeOfDay, Timestamp,
    UserId,
};
use storage::records::{
    BookedBefore, DepartmentRecord, DoctorRecord, MemberEntry, MemberLink, MemberPersonal, MembersRecord,
    ScheduleAtRecord, ScheduleRecord, SessionRecord, TenantRecord,
};
use storage::{Commit, OsRandom, Storage, StorageOptions, Vault, keys};

/// Writes of one commit while a large clinic is written.
const SEED_COMMIT: usize = 200;

/// Whether a bench is only to show that it runs: `cargo test --benches`, or `-- --test`.
pub fn is_test() -> bool {
    let given = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    given("--test") || !given("--bench")
}

/// Morning of the day on which everything is seeded: 2026-12-01 06:00 in the clinic's zone.
pub fn morning() -> Timestamp {
    zone().instant(today(), TimeOfDay::from_minutes(6 * 60).expect("a time"))
}

pub fn today() -> Date {
    Date::new(2026, 12, 1).expect("a date")
}

pub fn zone() -> ClinicZone {
    ClinicZone::fixed_hours(8)
}

pub fn policy() -> Policy {
    Policy::standard(zone())
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

/// The `k`th member of the `n`th user; every member is a patient of its own.
pub fn member_id(n: u64, k: u64) -> MemberId {
    MemberId::new(1_000_000_000 + n * 100 + k).expect("an id")
}

/// The patient that [`member_id`] stands for.
pub fn patient_id(n: u64, k: u64) -> PatientId {
    PatientId::new(1 + n * 100 + k).expect("an id")
}

pub fn session_id(n: u64) -> SessionId {
    SessionId::new(1_000_000_000 + n).expect("an id")
}

pub fn serial(n: u16) -> SerialNo {
    SerialNo::new(n).expect("a serial number")
}

/// A folder on the disk of the target folder.
pub fn folder() -> tempfile::TempDir {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(parent).expect("the target folder");
    tempfile::Builder::new().prefix("seeded-").tempdir_in(parent).expect("a folder")
}

pub fn open(folder: &Path) -> Storage {
    Storage::open(StorageOptions::new(folder.join("data"), morning())).expect("the store opens")
}

pub fn vault(storage: &Storage, folder: &Path) -> Arc<Vault> {
    let vault = Vault::unlock(storage, &folder.join("data/keys"), Arc::new(OsRandom::default()));
    Arc::new(vault.expect("the vault opens"))
}

/// How large the clinic is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub schedules: u64,
    pub slots: u16,
    pub users: u64,
    pub members_per_user: u64,
}

/// Writes departments, doctors, schedules and accounts. Schedules `2n` and `2n + 1` are the morning and
/// the afternoon of the same doctor, all on the day after today.
pub fn seed(storage: &Storage, vault: &Vault, size: Size) {
    let mut batch = Batch { storage, commit: Commit::new(), writes: 0 };
    let name = |text: &str| text.to_owned();
    let clinic = TenantRecord { name: name("测试诊所"), appo_notice: name(""), phone: name("010-1") };
    batch.commit.put(&keys::tenant(tenant()), &clinic);
    let ward = DepartmentRecord {
        name: name("眼科"),
        avatar: name(""),
        description: name(""),
        location: name("一楼"),
        enabled: true,
    };
    batch.commit.put(&keys::department(tenant(), department()), &ward);
    for n in 0..size.schedules {
        batch.schedule(n, size.slots);
    }
    for n in 0..size.users {
        batch.account(vault, n, size.members_per_user);
    }
    batch.flush();
}

/// Makes the first member of user `other` the same patient as the first member of user `n`: two
/// families with one grandmother.
pub fn share_patient(vault: &Vault, n: u64, other: u64) -> Commit {
    let key = keys::members(tenant(), user_id(other));
    let personal = MemberPersonal { phone: Phone::parse("13800000000").expect("a phone") };
    let link = MemberLink {
        member: member_id(other, 0),
        patient: patient_id(n, 0),
        is_default: true,
        created_at: morning(),
    };
    let entry = MemberEntry::seal(vault, &key, &personal, link).expect("sealed");
    let mut commit = Commit::new();
    commit.put(&key, &MembersRecord { members: vec![entry] });
    commit
}

struct Batch<'a> {
    storage: &'a Storage,
    commit: Commit,
    writes: usize,
}

impl Batch<'_> {
    fn schedule(&mut self, n: u64, slots: u16) {
        let doctor = DoctorId::new(2001 + n / 2).expect("an id");
        let schedule = schedule(n, doctor, slots);
        self.commit.put(
            &keys::schedule_at(tenant(), &keys::SchedulePlace::of(&schedule)),
            &ScheduleAtRecord { schedule: schedule.id },
        );
        let record = ScheduleRecord { schedule, booked_before: BookedBefore::Never };
        self.commit.put(&keys::schedule(tenant(), schedule_id(n)), &record);
        let record = DoctorRecord {
            name: format!("医生{n}"),
            title: "主任医师".to_owned(),
            avatar: String::new(),
            description: String::new(),
            expertise: "白内障".to_owned(),
            departments: vec![department()],
            enabled: true,
        };
        self.commit.put(&keys::doctor(tenant(), doctor), &record);
        self.wrote(3);
    }

    fn account(&mut self, vault: &Vault, n: u64, members: u64) {
        let key = keys::members(tenant(), user_id(n));
        let personal = MemberPersonal { phone: Phone::parse("13800000000").expect("a phone") };
        let entry = |k| {
            let link = MemberLink {
                member: member_id(n, k),
                patient: patient_id(n, k),
                is_default: k == 0,
                created_at: morning(),
            };
            MemberEntry::seal(vault, &key, &personal, link).expect("sealed")
        };
        self.commit.put(&key, &MembersRecord { members: (0..members).map(entry).collect() });
        let session = SessionRecord {
            user: user_id(n),
            created_at: morning(),
            expires_at: morning().plus(std::time::Duration::from_secs(30 * 86_400)),
        };
        self.commit.put(&keys::session(tenant(), user_id(n), session_id(n)), &session);
        self.wrote(2);
    }

    fn wrote(&mut self, writes: usize) {
        self.writes += writes;
        if self.writes >= SEED_COMMIT {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let commit = std::mem::take(&mut self.commit);
        self.storage.commit(commit).wait().expect("seeded");
        self.writes = 0;
    }
}

/// The `n`th schedule, with slots five minutes apart as far as the half-day goes.
pub fn schedule(n: u64, doctor: DoctorId, slots: u16) -> Schedule {
    let (period, first) = if n.is_multiple_of(2) { (Period::Am, 7 * 60) } else { (Period::Pm, 13 * 60) };
    let slot = |n: u16| SlotPlan {
        serial: serial(n + 1),
        time: TimeOfDay::from_minutes(first + (n * 5).min(290)).expect("a time"),
        channel: Channel::Online,
    };
    Schedule {
        id: schedule_id(n),
        department: department(),
        doctor: Some(doctor),
        date: today().saturating_add_days(1),
        period,
        kind: ClinicKind::Expert,
        fee: Fen::new(5_000).expect("a fee"),
        location: "二楼201".to_owned(),
        slots: (0..slots).map(slot).collect(),
        standing: Standing::Open,
    }
}
