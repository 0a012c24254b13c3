//! Schedules as the clinic runs them, over HTTP: lists, adding and changing, moving, stopping, and their release.

use std::io;

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{DEPARTMENT, Half, ImportFile, day};
use harness::patients::{Answer, Patient};
use harness::{people, staff};
use serde_json::{Value, json};

mod harness;

const ADMIN: &[&str] = &["--account", "admin", "--role", "admin"];
const DESK: &[&str] = &["--account", "desk", "--role", "desk", "--name", "李前台"];
const DOCTOR: &[&str] = &["--account", "doctor", "--role", "doctor", "--doctor", "2001"];

/// Doctor 2001 has three schedules and 2002 one, all with five slots.
struct World {
    _folder: Folder,
    clinic: Clinic,
    admin: Patient,
    desk: Patient,
    doctor: Patient,
}

async fn open() -> World {
    let folder = Folder::new();
    let mut file = ImportFile::default();
    file.doctor(2001).doctor(2002).doctor(2003);
    file.schedule(3002, 2001, day(2), Half::Pm, 5).schedule(3001, 2001, day(2), Half::Am, 5);
    file.schedule(3003, 2001, day(20), Half::Am, 5).schedule(3004, 2002, day(2), Half::Am, 5);
    clinic::import(&folder, &file);
    for member in [ADMIN, DESK, DOCTOR] {
        staff::add(&folder, member);
    }
    let clinic = Clinic::start(&folder, &[]);
    let admin = staff::logged_in(&clinic, "admin").await;
    let desk = staff::logged_in(&clinic, "desk").await;
    let doctor = staff::logged_in(&clinic, "doctor").await;
    World { _folder: folder, clinic, admin, desk, doctor }
}

async fn listed(caller: &mut Patient, query: &str) -> io::Result<Vec<String>> {
    let page = caller.get(&format!("manager_service/schedules?page_size=100&{query}")).await?.data();
    let rows = page["list"].as_array().expect("a list").clone();
    assert_eq!(page["total"], json!(rows.len()));
    Ok(rows.iter().map(|row| row["schedule_id"].as_str().expect("an id").to_owned()).collect())
}

async fn shown(caller: &mut Patient, id: &str) -> io::Result<Value> {
    Ok(caller.get(&format!("manager_service/schedule?schedule_id={id}")).await?.data())
}

async fn told(desk: &mut Patient, path: &str, body: Value) -> io::Result<Answer> {
    desk.post(&format!("manager_service/schedule{path}"), &body).await
}

async fn notifications(desk: &mut Patient, query: &str) -> io::Result<Vec<Value>> {
    let page = desk.get(&format!("manager_service/notifications?{query}")).await?.data();
    Ok(page["list"].as_array().expect("a list").clone())
}

/// What the desk says of a new schedule.
fn new_schedule() -> Value {
    json!({
        "department_id": DEPARTMENT.to_string(), "doctor_id": "2003", "date": day(3).to_string(), "period": "AM",
        "type": 1, "fee": 35.5, "location": "二楼", "start": "08:00", "end": "09:00", "interval_minutes": 15,
        "desk_only": 1
    })
}

fn with(mut value: Value, changes: &Value) -> Value {
    for (name, change) in changes.as_object().expect("an object") {
        value[name] = change.clone();
    }
    value
}

/// Seen to fail when a doctor's own filter was left out, and when the last day did not count.
#[tokio::test]
async fn schedules_are_listed_by_day_and_a_doctor_sees_the_own_only() -> io::Result<()> {
    let mut world = open().await;
    assert_eq!(listed(&mut world.desk, "").await?, ["3001", "3004", "3002"]);
    assert_eq!(listed(&mut world.doctor, "").await?, ["3001", "3002"]);
    assert_eq!(listed(&mut world.desk, "doctor_id=2002").await?, ["3004"]);
    assert!(listed(&mut world.doctor, "doctor_id=2002").await?.is_empty());
    assert!(listed(&mut world.desk, "department_id=999").await?.is_empty());
    let only_the_last = format!("from={}&to={}", day(3), day(20));
    assert_eq!(listed(&mut world.desk, &only_the_last).await?, ["3003"]);
    let page = world.desk.get("manager_service/schedules?page_num=2&page_size=2").await?.data();
    assert_eq!((&page["total"], &page["pages"]), (&json!(3), &json!(2)));
    assert_eq!(page["list"], json!([shown(&mut world.desk, "3002").await?["schedule"]]));

    let detail = shown(&mut world.doctor, "3001").await?;
    let row = json!({
        "schedule_id": "3001", "department_id": "101", "department_name": "眼科", "doctor_id": "2001",
        "doctor_name": "医生2001", "date": day(2).to_string(), "period": "AM", "type": 1, "fee": 50.0,
        "location": "二楼201", "status": "open", "slots": 5, "desk_only_slots": 0, "booked": 0, "left": 5
    });
    assert_eq!(detail["schedule"], row);
    assert_eq!(detail["notes"], json!([]));
    let anothers = world.doctor.get("manager_service/schedule?schedule_id=3004").await?;
    let nobodys = world.doctor.get("manager_service/schedule?schedule_id=39999").await?;
    anothers.refused(404, "0404");
    assert_eq!(anothers.message, nobodys.message);
    world.clinic.stop();
    Ok(())
}

/// Seen to fail when a held slot was told as free.
#[tokio::test]
async fn the_slots_of_a_schedule_tell_who_has_them() -> io::Result<()> {
    let mut world = open().await;
    let mut patient = Patient::registered(&world.clinic, 1).await;
    let member = patient.add_member(1).await;
    let booked = patient.submit(3001, 2, &member).await?.data();
    let mut other = Patient::registered(&world.clinic, 2).await;
    other.presubmit(3001, 4).await?.data();
    let detail = shown(&mut world.desk, "3001").await?;
    let slot = |n: u16, state: &str, booking: &Value| {
        json!({"serial_no": n, "time": harness::import::slot_time(Half::Am, n), "desk_only": false, "state": state,
            "book_id": booking})
    };
    let nobody = Value::Null;
    let slots = [
        slot(1, "free", &nobody),
        slot(2, "booked", &booked["bookId"]),
        slot(3, "free", &nobody),
        slot(4, "held", &nobody),
        slot(5, "free", &nobody),
    ];
    assert_eq!(detail["slots"], json!(slots));
    assert_eq!((&detail["schedule"]["booked"], &detail["schedule"]["left"]), (&json!(1), &json!(3)));
    world.clinic.stop();
    Ok(())
}

/// Seen to fail when the same words were refused for the place that they had taken themselves.
#[tokio::test]
async fn a_schedule_is_added_once_and_can_be_booked() -> io::Result<()> {
    let mut world = open().await;
    let added = told(&mut world.desk, "", new_schedule()).await?.data();
    assert_eq!(told(&mut world.desk, "", new_schedule()).await?.data(), added, "a repeat");
    let id = added["schedule_id"].as_str().expect("an id").to_owned();
    let detail = shown(&mut world.desk, &id).await?;
    let row = &detail["schedule"];
    assert_eq!((&row["fee"], &row["slots"], &row["desk_only_slots"]), (&json!(35.5), &json!(4), &json!(1)));
    told(&mut world.desk, "", with(new_schedule(), &json!({"fee": "36"}))).await?.ruled_out("401030");

    let mut patient = Patient::registered(&world.clinic, 1).await;
    let member = patient.add_member(1).await;
    let number: u64 = id.parse().expect("a number");
    patient.submit(number, 4, &member).await?.ruled_out("401004");
    patient.submit(number, 1, &member).await?.data();
    let changed = with(new_schedule(), &json!({"schedule_id": id, "fee": "40"}));
    told(&mut world.desk, "", changed).await?.ruled_out("401031");
    world.clinic.stop();
    Ok(())
}

/// Catches: an old price, an old slot, and a day that still shows the schedule which has left it.
#[tokio::test]
async fn an_empty_schedule_changes_and_is_booked_as_it_is_then() -> io::Result<()> {
    let mut world = open().await;
    let mut patient = Patient::registered(&world.clinic, 1).await;
    let member = patient.add_member(1).await;
    patient.presubmit(3001, 5).await?.data();
    let changed =
        with(new_schedule(), &json!({"schedule_id": "3001", "slot_count": 2, "interval_minutes": null}));
    for _ in 0..2 {
        assert_eq!(told(&mut world.desk, "", changed.clone()).await?.data(), json!({"schedule_id": "3001"}));
    }
    patient.submit(3001, 5, &member).await?.refused(404, "0404");
    let day_of = |doctor: u64, days| format!("deptId={DEPARTMENT}&doctorId={doctor}&date={}", day(days));
    assert!(patient.schedule(&day_of(2001, 2)).await?.data()["scheduleAM"].is_null());
    let moved = patient.schedule(&day_of(2003, 3)).await?.data();
    assert_eq!(
        (&moved["scheduleAM"]["bookfee"], &moved["scheduleAM"]["leftCount"]),
        (&json!(35.5), &json!(1))
    );
    let booked = patient.submit(3001, 1, &member).await?.data();
    let booking = patient.book(booked["bookId"].as_str().expect("an id")).await?.data();
    assert_eq!(booking["bookfee"], json!(35.5));
    let elsewhere = with(new_schedule(), &json!({"schedule_id": "3004"}));
    told(&mut world.desk, "", elsewhere).await?.ruled_out("401030");
    world.clinic.stop();
    Ok(())
}

/// Each happens once however often it is said, and leaves one row of the audit trail. Seen to fail when a move to where
/// the schedule is already counted as one, and when the reason was not shown.
#[tokio::test]
async fn moving_extending_stopping_and_reopening_happen_once() -> io::Result<()> {
    let mut world = open().await;
    let mut patient = Patient::registered(&world.clinic, 1).await;
    let member = patient.add_member(1).await;
    let booking = patient.submit(3001, 2, &member).await?.data()["bookId"].clone();
    let steps = [
        ("/relocate", json!({"schedule_id": "3001", "location": "五楼", "doctor_id": "2003"})),
        (
            "/add_slots",
            json!({"schedule_id": "3001", "first_serial_no": 6, "times": "07:04, 07:10", "reason": "患者家远"}),
        ),
        ("/stop", json!({"schedule_id": "3001", "reason": "医生请假"})),
        ("/reopen", json!({"schedule_id": "3001"})),
    ];
    for (path, body) in &steps {
        told(&mut world.desk, path, body.clone()).await?.done();
        told(&mut world.admin, path, body.clone()).await?.done();
    }
    let detail = shown(&mut world.desk, "3001").await?;
    let row = &detail["schedule"];
    let now = (&row["location"], &row["doctor_id"], &row["status"], &row["slots"], &row["desk_only_slots"]);
    assert_eq!(now, (&json!("五楼"), &json!("2003"), &json!("open"), &json!(7), &json!(2)));
    assert_eq!((&row["booked"], &row["left"]), (&json!(0), &json!(7)));
    let notes = detail["notes"].as_array().expect("a list");
    let said: Vec<_> =
        notes.iter().map(|note| (&note["change"], &note["reason"], &note["serial_nos"])).collect();
    let (none, serials) = (json!([]), json!([6, 7]));
    let texts = ["relocated", "slots_added", "stopped", "reopened"].map(|text| json!(text));
    let reasons = [Value::Null, json!("患者家远"), json!("医生请假"), Value::Null];
    assert_eq!(
        said,
        [
            (&texts[0], &reasons[0], &none),
            (&texts[1], &reasons[1], &serials),
            (&texts[2], &reasons[2], &none),
            (&texts[3], &reasons[3], &none),
        ]
    );
    assert!(notes.iter().all(|note| note["staff_name"] == "李前台"));

    let rows = notifications(&mut world.desk, "").await?;
    let kinds: Vec<_> = rows.iter().map(|row| &row["kind"]).collect();
    assert_eq!(kinds, ["stopped", "relocated"], "newest first");
    for row in &rows {
        assert_eq!((&row["book_id"], &row["schedule_id"]), (&booking, &json!("3001")));
        let person = people::person(1);
        assert_eq!((&row["pati_name"], &row["phone"]), (&person["name"], &person["phone"]));
    }
    let oldest = notifications(&mut world.desk, "order=oldest&page_size=1").await?;
    assert_eq!(oldest, [rows[1].clone()]);
    world.doctor.get("manager_service/notifications").await?.refused(403, "0403");

    let folder = world._folder;
    world.clinic.stop();
    let rows = audit_rows(&folder);
    for action in ["schedule_relocated", "slots_added", "schedule_stopped", "schedule_reopened"] {
        assert_eq!(rows.iter().filter(|row| *row == action).count(), 1, "{action} in {rows:?}");
    }
    assert_eq!(rows.iter().filter(|row| *row == "notifications_listed").count(), 2);
    Ok(())
}

/// The words of the audit trail of the first clinic, read out of the folder that no server uses.
fn audit_rows(folder: &Folder) -> Vec<String> {
    let now = domain::Timestamp::from_millis(0);
    let storage = storage::Storage::open(storage::StorageOptions::new(folder.store(), now)).expect("opens");
    let tenant = domain::TenantId::new(1).expect("an id");
    let rows = storage.scan(&storage::keys::audits(tenant), storage::Scan::ALL).expect("readable");
    rows.iter().map(|(_, stored)| stored.record.action.name().to_owned()).collect()
}

/// Seen to fail when the place of the substitute was left to the commit, which then answered that the server is busy.
#[tokio::test]
async fn what_does_not_fit_the_timetable_is_refused() -> io::Result<()> {
    let mut world = open().await;
    let desk = &mut world.desk;
    let add = |changes: Value| {
        let usual = json!({"schedule_id": "3001", "first_serial_no": 6, "times": "07:10", "reason": "加号"});
        with(usual, &changes)
    };
    told(desk, "/add_slots", add(json!({"first_serial_no": 5}))).await?.ruled_out("401017");
    told(desk, "/add_slots", add(json!({"times": "07:03"}))).await?.ruled_out("401018");
    let many = vec!["08:00"; 496].join(",");
    told(desk, "/add_slots", add(json!({"times": many}))).await?.ruled_out("401016");
    // 2002 has a schedule of the department on that morning.
    let substitute = json!({"schedule_id": "3001", "doctor_id": "2002"});
    told(desk, "/relocate", substitute).await?.ruled_out("401030");
    told(desk, "/stop", json!({"schedule_id": "3001", "reason": "停"})).await?.done();
    told(desk, "/add_slots", add(json!({}))).await?.ruled_out("401001");
    world.clinic.stop();
    Ok(())
}

/// Seen to fail when the range of days was not looked at.
#[tokio::test]
async fn hostile_values_are_refused_and_change_nothing() -> io::Result<()> {
    let mut world = open().await;
    let desk = &mut world.desk;
    let long = "长".repeat(201);
    let wrong = [
        ("", with(new_schedule(), &json!({"date": day(-1).to_string()}))),
        ("", with(new_schedule(), &json!({"date": day(400).to_string()}))),
        ("", with(new_schedule(), &json!({"period": "am"}))),
        ("", with(new_schedule(), &json!({"period": "PM"}))),
        ("", with(new_schedule(), &json!({"type": 2}))),
        ("", with(new_schedule(), &json!({"fee": "1.005"}))),
        ("", with(new_schedule(), &json!({"fee": -1}))),
        ("", with(new_schedule(), &json!({"fee": [1]}))),
        ("", with(new_schedule(), &json!({"location": long}))),
        ("", with(new_schedule(), &json!({"location": "a\u{0}b"}))),
        ("", with(new_schedule(), &json!({"slot_count": 3}))),
        ("", with(new_schedule(), &json!({"desk_only": 5}))),
        ("", with(new_schedule(), &json!({"start": null}))),
        ("", with(new_schedule(), &json!({"schedule_id": "0"}))),
        ("/stop", json!({"schedule_id": "3001"})),
        ("/stop", json!({"schedule_id": "3001", "reason": long})),
        ("/stop", json!({"schedule_id": "3001", "reason": "a\nb"})),
        ("/stop", json!({"schedule_id": "' OR 1=1", "reason": "x"})),
        ("/relocate", json!({"schedule_id": "3001"})),
        ("/relocate", json!({"schedule_id": "3001", "location": long})),
        ("/add_slots", json!({"schedule_id": "3001", "first_serial_no": 0, "times": "08:00", "reason": "x"})),
        ("/add_slots", json!({"schedule_id": "3001", "first_serial_no": 6, "times": "8am", "reason": "x"})),
        (
            "/add_slots",
            json!({"schedule_id": "3001", "first_serial_no": 6, "times": "09:00,08:00", "reason": "x"}),
        ),
        (
            "/add_slots",
            json!({"schedule_id": "3001", "first_serial_no": 9999, "times": "08:00,08:00", "reason": "x"}),
        ),
        ("/reopen", json!({})),
    ];
    for (path, body) in wrong {
        let answer = told(desk, path, body.clone()).await?;
        assert_eq!((answer.http, answer.status.as_str()), (400, "0001"), "{path} {body}");
    }
    let unknown = [
        ("", with(new_schedule(), &json!({"department_id": "999"}))),
        ("", with(new_schedule(), &json!({"doctor_id": "999"}))),
        ("", with(new_schedule(), &json!({"schedule_id": "39999"}))),
        ("/stop", json!({"schedule_id": "39999", "reason": "x"})),
        ("/relocate", json!({"schedule_id": "39999", "location": "x"})),
        ("/relocate", json!({"schedule_id": "3001", "doctor_id": "999"})),
        ("/reopen", json!({"schedule_id": "39999"})),
    ];
    for (path, body) in unknown {
        told(desk, path, body).await?.refused(404, "0404");
    }
    for query in [
        format!("from={}&to={}", day(0), day(31)),
        format!("from={}&to={}", day(1), day(0)),
        "from=2026-02-30".to_owned(),
        "doctor_id=x".to_owned(),
        "page_num=0".to_owned(),
    ] {
        desk.get(&format!("manager_service/schedules?{query}")).await?.refused(400, "0001");
    }
    desk.get("manager_service/notifications?order=random").await?.refused(400, "0001");
    assert_eq!(listed(desk, "").await?, ["3001", "3004", "3002"]);
    assert_eq!(shown(desk, "3001").await?["notes"], json!([]));
    world.clinic.stop();
    Ok(())
}

/// Seen to fail when the lists asked the clinic instead of the department, and when a policy was kept after the record
/// that it came from had changed.
#[tokio::test]
async fn schedules_are_released_when_the_clinic_or_the_department_says() -> io::Result<()> {
    let mut world = open().await;
    let mut patient = Patient::registered(&world.clinic, 1).await;
    let usual = json!({
        "department_id": null, "horizon_days": null, "release_time": null, "effective_horizon_days": 14,
        "effective_release_time": "00:00"
    });
    assert_eq!(world.desk.get("manager_service/opening").await?.data(), usual);
    let far = format!("deptId={DEPARTMENT}&doctorId=2001&date={}", day(20));
    patient.presubmit(3003, 1).await?.ruled_out("401002");
    assert!(patient.schedule(&far).await?.data()["scheduleAM"].is_null());

    let of_clinic = json!({"horizon_days": 30, "release_time": "00:00"});
    world.desk.post("manager_service/opening", &of_clinic).await?.refused(403, "0403");
    for _ in 0..2 {
        world.admin.post("manager_service/opening", &of_clinic).await?.done();
    }
    patient.presubmit(3003, 1).await?.data();
    assert_eq!(patient.schedule(&far).await?.data()["scheduleAM"]["leftCount"], json!(4));
    assert_eq!(patient.left_appo(3003).await?.data().as_array().map(Vec::len), Some(4));

    let of_department = json!({"department_id": DEPARTMENT.to_string(), "horizon_days": 1});
    world.admin.post("manager_service/opening", &of_department).await?.done();
    patient.presubmit(3001, 1).await?.ruled_out("401002");
    patient.left_appo(3001).await?.ruled_out("401002");
    let by_doctor = format!("tenant_service/schedule_by_doctor?deptId={DEPARTMENT}");
    assert_eq!(patient.get(&by_doctor).await?.data()["total"], json!(0));
    let path = format!("manager_service/opening?department_id={DEPARTMENT}");
    let shown = json!({
        "department_id": DEPARTMENT.to_string(), "horizon_days": 1, "release_time": null,
        "effective_horizon_days": 1, "effective_release_time": "00:00"
    });
    assert_eq!(world.doctor.get(&path).await?.data(), shown);

    world
        .admin
        .post("manager_service/opening", &json!({"department_id": DEPARTMENT.to_string()}))
        .await?
        .done();
    world.admin.post("manager_service/opening", &json!({})).await?.done();
    assert_eq!(world.desk.get("manager_service/opening").await?.data(), usual);
    patient.presubmit(3001, 1).await?.data();
    for wrong in [
        json!({"horizon_days": 0}),
        json!({"horizon_days": 181}),
        json!({"horizon_days": "x"}),
        json!({"release_time": "24:00"}),
        json!({"release_time": 7}),
    ] {
        world.admin.post("manager_service/opening", &wrong).await?.refused(400, "0001");
    }
    let nowhere = json!({"department_id": "999", "horizon_days": 3});
    world.admin.post("manager_service/opening", &nowhere).await?.refused(404, "0404");

    let folder = world._folder;
    world.clinic.stop();
    let rows = audit_rows(&folder);
    assert_eq!(rows.iter().filter(|row| *row == "opening_changed").count(), 4, "{rows:?}");
    Ok(())
}
