use domain::{DepartmentId, DoctorId, Period, ScheduleId, StaffId, Standing, TenantId, Timestamp};
use serde_json::{Value, json};
use storage::keys::SchedulePlace;
use storage::records::{BookedBefore, ScheduleRecord};
use storage::{Commit, Scan, StorageOptions, keys};

use super::*;

/// A store for one test, and the day it is.
struct Clinic {
    storage: Storage,
    _folder: tempfile::TempDir,
}

fn today() -> Date {
    Date::parse("2026-12-01").unwrap()
}

fn tenant() -> TenantId {
    TenantId::new(1).unwrap()
}

fn schedule_id(id: u64) -> ScheduleId {
    ScheduleId::new(id).unwrap()
}

impl Clinic {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = StorageOptions::new(folder.path(), Timestamp::ZERO);
        Self { storage: Storage::open(options).unwrap(), _folder: folder }
    }

    fn with(file: &Value) -> Self {
        let clinic = Self::new();
        clinic.import(file);
        clinic
    }

    fn try_text(&self, text: &str) -> Result<ImportReport, ImportError> {
        import(&self.storage, text, "clinic.json", today(), &LongWork::silent())
    }

    fn import(&self, file: &Value) -> ImportReport {
        self.try_text(&file.to_string()).unwrap()
    }

    /// The lines of the refusal, without the last one, which is always the same.
    fn refused(&self, text: &str) -> Vec<String> {
        let before = self.storage.status();
        let error = self.try_text(text).unwrap_err();
        assert!(matches!(error, ImportError::Refused(_)), "{error}");
        assert_eq!(self.storage.status(), before, "something was written");
        let mut lines: Vec<_> = error.to_string().lines().map(str::to_owned).collect();
        assert_eq!(lines.pop().as_deref(), Some("nothing was imported"));
        lines
    }

    fn schedule(&self, id: u64) -> ScheduleRecord {
        let key = keys::schedule(tenant(), schedule_id(id));
        self.storage.get(&key).unwrap().unwrap().record
    }

    /// Changes a stored schedule as the running server would.
    fn change(&self, id: u64, change: impl FnOnce(&mut ScheduleRecord)) {
        let mut record = self.schedule(id);
        change(&mut record);
        let mut commit = Commit::new();
        commit.put(&keys::schedule(tenant(), schedule_id(id)), &record);
        self.storage.commit(commit).wait().unwrap();
    }

    fn holder(&self, doctor: Option<u64>, date: &str, period: Period) -> Option<u64> {
        let place = SchedulePlace {
            department: DepartmentId::new(101).unwrap(),
            doctor: doctor.map(|id| DoctorId::new(id).unwrap()),
            date: Date::parse(date).unwrap(),
            period,
        };
        let stored = self.storage.get(&keys::schedule_at(tenant(), &place)).unwrap();
        stored.map(|stored| stored.record.schedule.get())
    }
}

/// One department, one doctor, an expert's and an ordinary schedule.
fn small() -> Value {
    json!({
        "tenant": {"id": 1, "name": "杏林诊所", "appo_notice": "请提前到达", "phone": "0571-1"},
        "departments": [{"id": "101", "name": "内科", "avatar": "", "location": "二层"}],
        "doctors": [{"id": "2001", "name": "沈知远", "title": "主任医师", "departments": ["101"]}],
        "schedules": [
            {"id": "3001", "department": "101", "doctor": "2001", "date": "2026-12-02", "period": "AM",
             "type": 1, "fee": "50.00", "location": "201", "slots": {"start": "08:00", "end": "11:30", "every_minutes": 10}},
            {"id": "3002", "department": "101", "date": "+1", "period": "PM", "type": 0, "fee": "0",
             "slots": [{"serialNo": 1, "time": "13:00"}, {"serialNo": 2, "time": "13:20"}]}
        ]
    })
}

/// The small file with one place changed.
fn small_with(pointer: &str, value: Value) -> Value {
    let mut file = small();
    *file.pointer_mut(pointer).expect(pointer) = value;
    file
}

#[test]
fn the_file_arrives_as_written() {
    let clinic = Clinic::new();
    let report = clinic.import(&small());
    assert_eq!(report.tenant.added, 1);
    assert_eq!(report.departments.added, 1);
    assert_eq!(report.doctors.added, 1);
    assert_eq!(report.schedules.added, 2);
    assert_eq!(clinic.storage.status().seq.get(), 1, "one commit");

    let expert = clinic.schedule(3001).schedule;
    assert_eq!(expert.date.to_string(), "2026-12-02");
    assert_eq!(expert.fee.to_string(), "50.00");
    assert_eq!(expert.slots.len(), 21);
    let last = expert.slots.last().unwrap();
    assert_eq!((last.serial.get(), last.time.to_string()), (21, "11:20".to_owned()));
    let ordinary = clinic.schedule(3002).schedule;
    assert_eq!(ordinary.doctor, None);
    assert_eq!(ordinary.date.to_string(), "2026-12-02");
    assert_eq!(clinic.holder(Some(2001), "2026-12-02", Period::Am), Some(3001));
    assert_eq!(clinic.holder(None, "2026-12-02", Period::Pm), Some(3002));
    let stored = clinic.storage.get(&keys::tenant(tenant())).unwrap().unwrap();
    assert_eq!(stored.record.appo_notice, "请提前到达");
}

/// Seen to fail when records were written without being compared first.
#[test]
fn the_same_file_again_writes_nothing() {
    let clinic = Clinic::with(&small());
    let seq = clinic.storage.status().seq;
    let report = clinic.import(&small());
    assert!(report.changed_nothing());
    assert_eq!(report.schedules.unchanged, 2);
    assert_eq!(clinic.storage.status().seq, seq);
}

/// Each row: where, what is put there, and the whole message.
#[test]
fn a_wrong_value_is_named_with_its_field() {
    const ID: &str = "must be a decimal number from 1 to 999999999";
    const DATE: &str = "must be a date, yyyy-MM-dd, or +0 to +365 days from today";
    let rows = [
        ("/tenant/id", json!(0), "tenant.id", "must be a decimal number from 1 on"),
        ("/tenant/name", json!(" "), "tenant.name", "must not be empty"),
        ("/departments/0/id", json!("1000000000"), "departments[0].id", ID),
        ("/departments/0/id", json!("+7"), "departments[0].id", ID),
        (
            "/departments/0/name",
            json!("内\u{7}科"),
            "departments[0].name",
            "must not contain control characters",
        ),
        (
            "/doctors/0/name",
            json!("沈".repeat(51)),
            "doctors[0].name",
            "must not be longer than 50 characters",
        ),
        ("/doctors/0/departments", json!([]), "doctors[0].departments", "must name at least one department"),
        (
            "/doctors/0/departments",
            json!(["101", "101"]),
            "doctors[0].departments[1]",
            "the same id as doctors[0].departments[0]",
        ),
        ("/schedules/1/id", json!("3001"), "schedules[1].id", "the same id as schedules[0]"),
        ("/schedules/0/date", json!("2026-02-30"), "schedules[0].date", DATE),
        ("/schedules/0/date", json!("+366"), "schedules[0].date", DATE),
        ("/schedules/0/date", json!("+-1"), "schedules[0].date", DATE),
        ("/schedules/0/period", json!("am"), "schedules[0].period", "must be AM or PM"),
        ("/schedules/0/type", json!(2), "schedules[0].type", "must be 0 (ordinary) or 1 (expert)"),
        (
            "/schedules/0/fee",
            json!("1.005"),
            "schedules[0].fee",
            "not an amount in yuan with at most two decimals",
        ),
        (
            "/schedules/0/fee",
            json!("-1"),
            "schedules[0].fee",
            "not an amount in yuan with at most two decimals",
        ),
        (
            "/schedules/0/slots/every_minutes",
            json!(0),
            "schedules[0].slots.every_minutes",
            "must be 1 to 240",
        ),
        (
            "/schedules/0/slots/every_minutes",
            json!(241),
            "schedules[0].slots.every_minutes",
            "must be 1 to 240",
        ),
        (
            "/schedules/0/slots/start",
            json!("8:00"),
            "schedules[0].slots.start",
            "must be a time of day, HH:mm",
        ),
        ("/schedules/0/slots/end", json!("08:00"), "schedules[0].slots.end", "must be after start"),
        ("/schedules/0/period", json!("PM"), "schedules[0].slots.start", "PM must not begin before 12:00"),
        ("/schedules/1/period", json!("AM"), "schedules[1].slots[0].time", "AM must begin before 13:00"),
        (
            "/schedules/0/slots",
            json!({"start": "08:00", "end": "16:21", "every_minutes": 1}),
            "schedules[0].slots",
            "more than 500 slots",
        ),
        ("/schedules/1/slots/0/serialNo", json!(0), "schedules[1].slots[0].serialNo", "must be 1 to 9999"),
        ("/schedules/1/slots/1/serialNo", json!(1), "schedules[1].slots", "serial number 1 stands twice"),
        (
            "/schedules/1/slots/1/time",
            json!("12:50"),
            "schedules[1].slots",
            "the slot with serial number 2 is earlier than the one before it",
        ),
        ("/schedules/1/slots", json!([]), "schedules[1].slots", "no slots"),
        (
            "/schedules/1/slots",
            json!([{"serialNo": 2, "time": "13:00"}]),
            "schedules[1].slots[0].serialNo",
            "must be 1 in the first slot",
        ),
        (
            "/schedules/0/department",
            json!("109"),
            "schedules[0].department",
            "there is no department 109, neither in the file nor in the store",
        ),
        (
            "/schedules/0/doctor",
            json!("2009"),
            "schedules[0].doctor",
            "there is no doctor 2009, neither in the file nor in the store",
        ),
        (
            "/doctors/0/departments/0",
            json!("109"),
            "doctors[0].departments[0]",
            "there is no department 109, neither in the file nor in the store",
        ),
        (
            "/departments/0/avatar",
            json!("javascript:alert(1)"),
            "departments[0].avatar",
            "must be empty or begin with https:// or http://",
        ),
    ];
    let clinic = Clinic::new();
    for (pointer, value, path, reason) in rows {
        let lines = clinic.refused(&small_with(pointer, value).to_string());
        let expected = format!("clinic.json: {path}: {reason}");
        assert_eq!(lines.first(), Some(&expected), "{pointer}");
    }
}

/// Each row: the text of a file that has not the shape of one, and how the message begins.
#[test]
fn a_wrong_shape_is_named_with_its_field() {
    let changed = |pointer, value| small_with(pointer, value).to_string();
    let rows = [
        (String::new(), "clinic.json: EOF while parsing a value"),
        ("[1]".to_owned(), "clinic.json: "),
        (format!("{} x", small()), "clinic.json: trailing characters"),
        (changed("/tenant", json!({"id": 1})), "clinic.json: tenant: missing field `name`"),
        (
            changed("/schedules/0/fee", json!(50.5)),
            "clinic.json: schedules[0].fee: invalid type: floating point `50.5`, expected yuan as a text, such as \"50.00\"",
        ),
        (
            changed("/schedules/0/id", json!(-1)),
            "clinic.json: schedules[0].id: invalid type: integer `-1`, expected an id, such as \"3001\"",
        ),
        (
            changed("/schedules/0/slots", json!("08:00")),
            "clinic.json: schedules[0].slots: invalid type: string",
        ),
        (
            changed("/schedules/0/slots", json!({"start": "08:00", "end": "09:00", "every": 5})),
            "clinic.json: schedules[0].slots.every: unknown field `every`",
        ),
        (
            changed("/schedules/1/slots/1", json!({"serialNo": 2, "time": 8})),
            "clinic.json: schedules[1].slots[1].time: invalid type: integer `8`, expected a string",
        ),
        (
            changed("/departments/0", json!({"id": "1", "name": "内科", "enabled": true})),
            "clinic.json: departments[0].enabled: unknown field `enabled`",
        ),
    ];
    let clinic = Clinic::new();
    for (text, expected) in rows {
        let lines = clinic.refused(&text);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with(expected), "{} is not {expected}", lines[0]);
    }
}

#[test]
fn all_problems_are_told_at_once_but_no_more_than_twenty() {
    let clinic = Clinic::new();
    let mut file = small_with("/tenant/name", json!(""));
    file["schedules"][0]["fee"] = json!("x");
    file["schedules"][1]["department"] = json!("109");
    let lines = clinic.refused(&file.to_string());
    assert_eq!(
        lines,
        [
            "clinic.json: tenant.name: must not be empty",
            "clinic.json: schedules[0].fee: not an amount in yuan with at most two decimals",
        ],
        "what needs the store is not looked at while the clinic is not known"
    );

    let bad: Vec<_> = (101..=130).map(|id| json!({"id": id, "name": ""})).collect();
    let lines = clinic.refused(&small_with("/departments", json!(bad)).to_string());
    assert_eq!(lines.len(), 21);
    assert_eq!(lines[20], "clinic.json: and 10 more");
}

/// Seen to fail when the plan was committed before the problems were counted.
#[test]
fn one_problem_keeps_everything_out() {
    let clinic = Clinic::new();
    clinic.refused(&small_with("/schedules/1/fee", json!("x")).to_string());
    assert_eq!(clinic.storage.status().seq.get(), 0);
    assert_eq!(clinic.storage.scan(&keys::departments(tenant()), Scan::ALL).unwrap(), []);
}

/// Seen to fail when `check_booked` was not called.
#[test]
fn a_booked_schedule_keeps_everything_but_its_location() {
    let clinic = Clinic::with(&small());
    clinic.change(3001, |record| record.booked_before = BookedBefore::Yes);
    let stored = clinic.schedule(3001);
    let rows = [
        ("date", json!("2026-12-03")),
        ("period", json!("PM")),
        ("type", json!(0)),
        ("fee", json!("49.99")),
        ("slots", json!({"start": "08:00", "end": "11:30", "every_minutes": 15})),
        ("slots", json!({"start": "08:00", "end": "11:40", "every_minutes": 10})),
    ];
    for (field, value) in rows {
        let mut file = small_with(&format!("/schedules/0/{field}"), value);
        if field == "period" {
            file["schedules"][0]["slots"] = json!({"start": "13:00", "end": "16:30", "every_minutes": 10});
        }
        let lines = clinic.refused(&file.to_string());
        let expected = format!(
            "clinic.json: schedules[0].{field}: schedule 3001 has been booked: only its location may change"
        );
        assert_eq!(lines[0], expected);
    }
    let mut file = small();
    file["schedules"][0].as_object_mut().unwrap().remove("doctor");
    let lines = clinic.refused(&file.to_string());
    assert!(lines[0].starts_with("clinic.json: schedules[0].doctor: schedule 3001"), "{lines:?}");
    assert_eq!(clinic.schedule(3001), stored);

    let report = clinic.import(&small_with("/schedules/0/location", json!("305")));
    assert_eq!((report.schedules.updated, report.schedules.unchanged), (1, 1));
    let moved = clinic.schedule(3001);
    assert_eq!(moved.schedule.location, "305");
    assert_eq!(moved.booked_before, BookedBefore::Yes);
}

/// Seen to fail when the old place was not deleted.
#[test]
fn an_unbooked_schedule_moves_and_leaves_its_place() {
    let clinic = Clinic::with(&small());
    clinic.import(&small_with("/schedules/0/date", json!("2026-12-05")));
    assert_eq!(clinic.holder(Some(2001), "2026-12-05", Period::Am), Some(3001));
    assert_eq!(clinic.holder(Some(2001), "2026-12-02", Period::Am), None);
}

/// Seen to fail when each schedule gave up its old place after the new one had been taken.
#[test]
fn two_schedules_change_places() {
    let half_days = |first: &str, second: &str| {
        let mut file = small();
        file["schedules"] = json!([first, second]);
        for (index, date) in [first, second].into_iter().enumerate() {
            file["schedules"][index] = json!({"id": 3001 + index, "department": "101", "doctor": "2001", "date": date,
                "period": "AM", "type": 1, "fee": "50.00", "slots": [{"serialNo": 1, "time": "08:00"}]});
        }
        file
    };
    let clinic = Clinic::with(&half_days("2026-12-02", "2026-12-03"));
    clinic.import(&half_days("2026-12-03", "2026-12-02"));
    assert_eq!(clinic.holder(Some(2001), "2026-12-03", Period::Am), Some(3001));
    assert_eq!(clinic.holder(Some(2001), "2026-12-02", Period::Am), Some(3002));
    let places = keys::schedules_of_department(tenant(), DepartmentId::new(101).unwrap());
    assert_eq!(clinic.storage.scan(&places, Scan::ALL).unwrap().len(), 2);
}

#[test]
fn a_place_belongs_to_one_schedule() {
    let clinic = Clinic::with(&small());
    let other = small_with("/schedules/0/id", json!("3009"));
    assert_eq!(
        clinic.refused(&other.to_string()),
        ["clinic.json: schedules[0]: schedule 3001 has the same department, doctor, date and period"]
    );
    let mut twice = small();
    let mut copy = twice["schedules"][0].clone();
    copy["id"] = json!("3009");
    twice["schedules"].as_array_mut().unwrap().push(copy);
    assert_eq!(
        clinic.refused(&twice.to_string()),
        ["clinic.json: schedules[2]: the same department, doctor, date and period as schedules[0]"]
    );
}

#[test]
fn what_the_store_has_already_may_be_referred_to() {
    let clinic = Clinic::with(&small());
    let mut more = small_with("/schedules/0/id", json!("3003"));
    more["schedules"][0]["date"] = json!("2026-12-09");
    let sections = more.as_object_mut().unwrap();
    sections.remove("departments");
    sections.remove("doctors");
    let report = clinic.import(&more);
    assert_eq!((report.schedules.added, report.schedules.unchanged), (1, 1));

    more["departments"] = json!([{"id": "102", "name": "儿科"}]);
    more["schedules"][0]["department"] = json!("102");
    assert_eq!(
        clinic.refused(&more.to_string()),
        ["clinic.json: schedules[0].doctor: doctor 2001 does not work in department 102"]
    );
}

#[test]
fn what_the_staff_decided_stays() {
    let clinic = Clinic::with(&small());
    let stopped = Standing::Stopped { at: Timestamp::ZERO, by: StaffId::new(7).unwrap() };
    clinic.change(3002, |record| {
        record.schedule.standing = stopped;
        record.schedule.slots[1].channel = domain::Channel::DeskOnly;
    });
    let key = keys::department(tenant(), DepartmentId::new(101).unwrap());
    let mut department = clinic.storage.get(&key).unwrap().unwrap().record;
    department.enabled = false;
    let mut commit = Commit::new();
    commit.put(&key, &department);
    clinic.storage.commit(commit).wait().unwrap();

    let mut file = small_with("/schedules/1/fee", json!("5"));
    file["departments"][0]["name"] = json!("全科");
    clinic.import(&file);

    let schedule = clinic.schedule(3002).schedule;
    assert_eq!(schedule.standing, stopped);
    assert_eq!(schedule.slots[1].channel, domain::Channel::DeskOnly);
    assert_eq!(schedule.fee.to_string(), "5.00");
    let department = clinic.storage.get(&key).unwrap().unwrap().record;
    assert_eq!((department.name.as_str(), department.enabled), ("全科", false));
}

#[test]
fn a_long_morning_is_no_fault() {
    let clinic = Clinic::new();
    clinic.import(&small_with(
        "/schedules/0/slots",
        json!({"start": "08:00", "end": "16:20", "every_minutes": 1}),
    ));
    assert_eq!(clinic.schedule(3001).schedule.slots.len(), 500);
}

#[test]
fn a_byte_order_mark_is_no_fault() {
    let clinic = Clinic::new();
    clinic.try_text(&format!("\u{feff}{}", small())).unwrap();
}

#[test]
fn the_command_names_the_file_and_what_stops_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = folder.path().join("clinic.json");
    let options = || StorageOptions::new(&data, Timestamp::ZERO);
    let run = || run(options(), &file, today(), &LongWork::silent());

    let missing = run().unwrap_err().to_string();
    assert!(missing.starts_with(&format!("{}: ", file.display())), "{missing}");

    std::fs::write(&file, b"{\"tenant\": \xd5\xe3}").unwrap();
    let encoding = run().unwrap_err().to_string();
    assert!(encoding.contains("is not UTF-8 at byte 11"), "{encoding}");
    assert!(!data.exists(), "a file that cannot be read makes no data folder");

    std::fs::write(&file, small().to_string()).unwrap();
    assert_eq!(run().unwrap().schedules.added, 2);
    assert!(run().unwrap().changed_nothing());

    let server = Storage::open(options()).unwrap();
    let in_use = run().unwrap_err().to_string();
    assert!(in_use.contains(&format!("process {}: stop it first", std::process::id())), "{in_use}");
    drop(server);
}
