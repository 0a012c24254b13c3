//! Booking over HTTP, as the clinic's app does it: find a free slot, hold it, book it, look at it, cancel it.

use std::io;

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{DEPARTMENT, Half, ImportFile, day};
use harness::patients::Patient;
use harness::shape;
use serde_json::{Value, json};

mod harness;

/// Dr 2001, mornings and afternoons of two days; 3001 and 3002 on the same day.
const MORNING: u64 = 3001;
const AFTERNOON: u64 = 3002;
const NEXT_MORNING: u64 = 3003;
const NEXT_AFTERNOON: u64 = 3004;
/// The department's ordinary clinic (普通门诊) on the morning of 3001.
const ORDINARY: u64 = 3005;
/// Dr 2002 on the morning of 3001.
const OTHER_DOCTOR: u64 = 3006;
/// Beyond the horizon.
const FAR: u64 = 3007;
/// Today, at midnight: over.
const PAST: u64 = 3008;

fn clinic_file() -> ImportFile {
    let mut file = ImportFile::default();
    file.doctor(2001).doctor(2002);
    file.schedule(MORNING, 2001, day(2), Half::Am, 3).schedule(AFTERNOON, 2001, day(2), Half::Pm, 40);
    file.schedule(NEXT_MORNING, 2001, day(3), Half::Am, 12).schedule(
        NEXT_AFTERNOON,
        2001,
        day(3),
        Half::Pm,
        12,
    );
    file.schedule(OTHER_DOCTOR, 2002, day(2), Half::Am, 3).schedule(FAR, 2002, day(40), Half::Am, 3);
    file.add(json!({
        "id": ORDINARY.to_string(), "department": DEPARTMENT.to_string(), "date": day(2).to_string(), "period": "AM",
        "type": 0, "fee": "9.50", "location": "大厅", "slots": {"start": "08:00", "end": "09:00", "every_minutes": 30}
    }));
    file.add(json!({
        "id": PAST.to_string(), "department": DEPARTMENT.to_string(), "doctor": "2002", "date": day(0).to_string(),
        "period": "AM", "type": 1, "fee": "50.00", "location": "", "slots": [{"serialNo": 1, "time": "00:00"}]
    }));
    file
}

fn open(settings: &[(&str, &str)]) -> (Folder, Clinic) {
    let folder = Folder::new();
    clinic::import(&folder, &clinic_file());
    let clinic = Clinic::start(&folder, settings);
    (folder, clinic)
}

/// Books and answers the booking's id.
async fn book(patient: &mut Patient, schedule: u64, serial: u16, member: &str) -> io::Result<String> {
    let data = patient.submit(schedule, serial, member).await?.data();
    Ok(data["bookId"].as_str().expect("an id").to_owned())
}

/// The serial numbers that are free.
async fn left(patient: &mut Patient, schedule: u64) -> io::Result<Vec<u64>> {
    let data = patient.left_appo(schedule).await?.data();
    let rows = data.as_array().expect("a list");
    Ok(rows.iter().map(|row| row["serialNo"].as_u64().expect("an integer")).collect())
}

#[tokio::test]
async fn departments_and_schedules_are_shown() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut anyone = Patient::connect(clinic.address).await?;

    assert_eq!(anyone.depts().await?.data(), json!([{"deptId": "101", "deptName": "眼科"}]));

    let morning = json!({
        "scheduleId": "3001", "type": 1, "bookfee": 50.0, "leftCount": 3, "scheAdderss": "二楼201"
    });
    let afternoon = json!({
        "scheduleId": "3002", "type": 1, "bookfee": 50.0, "leftCount": 40, "scheAdderss": "二楼201"
    });
    let date = day(2).to_string();
    let shown = anyone.schedule(&format!("doctorId=2001&deptId=101&date={date}")).await?.data();
    assert_eq!(shown, json!({"date": date, "scheduleAM": morning, "schedulePM": afternoon}));

    // No doctor: the ordinary clinic. A date may come with a time.
    let ordinary = json!({
        "scheduleId": "3005", "type": 0, "bookfee": 9.5, "leftCount": 2, "scheAdderss": "大厅"
    });
    let expected = json!({"date": date, "scheduleAM": ordinary, "schedulePM": null});
    for query in ["deptId=101", "deptId=101&doctorId=", "deptId=101&doctorId=null"] {
        let shown = anyone.schedule(&format!("{query}&date={date}%2008:00:00")).await?.data();
        assert_eq!(shown, expected, "{query}");
    }

    // Not released yet: as if it were not there.
    let far = day(40).to_string();
    let shown = anyone.schedule(&format!("doctorId=2002&deptId=101&date={far}")).await?.data();
    assert_eq!(shown, json!({"date": far, "scheduleAM": null, "schedulePM": null}));
    Ok(())
}

#[tokio::test]
async fn without_a_date_today_is_shown() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut anyone = Patient::connect(clinic.address).await?;
    let before = day(0);
    let shown = anyone.schedule("deptId=101&doctorId=2002").await?.data();
    let date = shown["date"].as_str().expect("a date").to_owned();
    assert!([before.to_string(), day(0).to_string()].contains(&date), "{date}");
    Ok(())
}

#[tokio::test]
async fn schedules_are_asked_for_with_what_exists() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut anyone = Patient::connect(clinic.address).await?;
    let missing = anyone.schedule("doctorId=2001").await?;
    missing.refused(400, "0001");
    assert_eq!(missing.message, "科室ID不能为空");
    let malformed = anyone.schedule("deptId=101&date=2026-02-30").await?;
    malformed.refused(400, "0001");
    assert_eq!(malformed.message, "日期格式不正确");
    for query in ["deptId=abc", "deptId=0", "deptId=101&doctorId=-1", "deptId=9007199254740992"] {
        anyone.schedule(query).await?.refused(400, "0001");
    }
    for query in ["deptId=999", "deptId=101&doctorId=999"] {
        anyone.schedule(query).await?.refused(404, "0404");
    }
    anyone.get("tenant_service/schedule/left_appo").await?.refused(400, "0001");
    anyone.left_appo(999).await?.refused(404, "0404");
    anyone.left_appo(FAR).await?.ruled_out("401002");
    assert_eq!(anyone.left_appo(PAST).await?.data(), json!([]));
    Ok(())
}

#[tokio::test]
async fn a_slot_is_held_booked_shown_and_cancelled() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    let times = json!([{"serialNo": 1, "time": "07:00"}, {"serialNo": 2, "time": "07:01"}, {"serialNo": 3, "time": "07:02"}]);
    assert_eq!(patient.left_appo(MORNING).await?.data(), times);

    let starts_at = format!("{} 07:01:00", day(2));
    let held = patient.presubmit(MORNING, 2).await?.data();
    let expected = json!({
        "deptId": "101", "deptName": "眼科", "type": 1, "doctor": "医生2001", "appoTime": starts_at, "bookfee": 50.0
    });
    assert_eq!(held, expected);
    assert_eq!(left(&mut patient, MORNING).await?, [1, 3]);

    patient.same_half_day(MORNING, &member).await?.done();
    let booked = patient.submit(MORNING, 2, &member).await?.data();
    shape::check(&booked, &json!({"bookId": "String"}));
    let id = booked["bookId"].as_str().expect("an id").to_owned();
    assert_eq!(left(&mut patient, MORNING).await?, [1, 3]);
    patient.same_half_day(MORNING, &member).await?.ruled_out("401006");

    let page = patient.books(1, 10).await?.data();
    let row = |status: u8| {
        json!({
            "bookId": id, "treaTime": starts_at, "bookStatus": status, "deptId": "101", "deptName": "眼科", "type": 1,
            "doctorId": "2001", "doctorName": "医生2001", "memberName": "患者1", "visiSerialno": null, "visiCharge": 1
        })
    };
    assert_eq!(page, json!({"pageNo": 1, "pageSize": 10, "total": 1, "pages": 1, "list": [row(0)]}));

    let detail = patient.book(&id).await?.data();
    check_detail(
        &detail,
        &json!({
            "bookId": id, "bookCode": "00000001", "bookStatus": 0, "deptId": "101", "deptName": "眼科", "type": 1,
            "doctorId": "2001", "doctorName": "医生2001", "bookfee": 50.0, "treaTime": starts_at, "treaNo": 2,
            "treaArea": "二楼201", "memberName": "患者1", "memberGender": "1",
            "memberIDNo": harness::people::id_number(1), "visiCharge": 1
        }),
    );

    patient.cancel(&id).await?.done();
    assert_eq!(left(&mut patient, MORNING).await?, [1, 2, 3]);
    patient.same_half_day(MORNING, &member).await?.done();
    assert_eq!(patient.books(1, 10).await?.data()["list"], json!([row(1)]));
    assert_eq!(patient.book(&id).await?.data()["bookStatus"], 1);
    clinic.stop();
    Ok(())
}

/// Compares a booking's detail with what is known of it; the rest depends on the day.
#[track_caller]
fn check_detail(detail: &Value, known: &Value) {
    let mut rest = detail.as_object().expect("an object").clone();
    let age = rest.remove("memberAge").expect("an age");
    assert!(age.as_str().expect("a text").ends_with('岁'), "{age}");
    let booked_at = rest.remove("bookTime").expect("a time");
    let booked_at = booked_at.as_str().expect("a text").parse::<jiff::civil::DateTime>().expect("a time");
    assert!(booked_at.date() == day(0) || booked_at.date() == day(-1), "{booked_at}");
    assert_eq!(&Value::Object(rest), known);
}

#[tokio::test]
async fn the_ordinary_clinic_has_no_doctor() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    let starts_at = format!("{} 08:30:00", day(2));
    let expected = json!({
        "deptId": "101", "deptName": "眼科", "type": 0, "doctor": null, "appoTime": starts_at, "bookfee": 9.5
    });
    assert_eq!(patient.presubmit(ORDINARY, 2).await?.data(), expected);
    let id = book(&mut patient, ORDINARY, 2, &member).await?;
    let detail = patient.book(&id).await?.data();
    check_detail(
        &detail,
        &json!({
            "bookId": id, "bookCode": "00000001", "bookStatus": 0, "deptId": "101", "deptName": "眼科", "type": 0,
            "doctorId": null, "doctorName": null, "bookfee": 9.5, "treaTime": starts_at, "treaNo": 2, "treaArea": "大厅",
            "memberName": "患者1", "memberGender": "1", "memberIDNo": harness::people::id_number(1), "visiCharge": 1
        }),
    );
    let row = &patient.books(1, 1).await?.data()["list"][0];
    assert_eq!((&row["doctorId"], &row["doctorName"]), (&Value::Null, &Value::Null));
    Ok(())
}

#[tokio::test]
async fn bookings_are_listed_in_pages_newest_first() -> io::Result<()> {
    let (_folder, clinic) = open(&[("PATI_BOOKING__MAX_ACTIVE_PER_USER", "100")]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let mut ids = Vec::new();
    assert_eq!(
        patient.get("book_service/books").await?.data(),
        json!({"pageNo": 1, "pageSize": 10, "total": 0, "pages": 0, "list": []})
    );
    for n in 0..10 {
        let member = patient.add_member(n).await;
        ids.push(book(&mut patient, NEXT_AFTERNOON, n as u16 + 1, &member).await?);
        if n < 3 {
            ids.push(book(&mut patient, NEXT_MORNING, n as u16 + 1, &member).await?);
        }
    }
    ids.reverse();
    let ids_of = |page: &Value| -> Vec<String> {
        let rows = page["list"].as_array().expect("a list");
        rows.iter().map(|row| row["bookId"].as_str().expect("an id").to_owned()).collect()
    };
    let counts = |page: &Value| {
        shape::check(&page["pageNo"], &json!("Integer"));
        ["pageNo", "pageSize", "total", "pages"].map(|name| page[name].as_u64().expect("an integer"))
    };

    let first = patient.get("book_service/books?pageNo=&pageSize=null").await?.data();
    assert_eq!((counts(&first), ids_of(&first)), ([1, 10, 13, 2], ids[..10].to_vec()));
    let last = patient.books(3, 5).await?.data();
    assert_eq!((counts(&last), ids_of(&last)), ([3, 5, 13, 3], ids[10..].to_vec()));
    let beyond = patient.books(9, 5).await?.data();
    assert_eq!((counts(&beyond), ids_of(&beyond)), ([9, 5, 13, 3], Vec::new()));
    let all = patient.books(1, 1000).await?.data();
    assert_eq!((counts(&all), ids_of(&all)), ([1, 100, 13, 1], ids));
    for query in
        ["pageNo=0", "pageSize=0", "pageNo=-1", "pageSize=-5", "pageNo=x", "pageSize=1.5", "pageNo=1e3"]
    {
        patient.get(&format!("book_service/books?{query}")).await?.refused(400, "0001");
    }
    Ok(())
}

#[tokio::test]
async fn ids_and_numbers_may_be_texts_or_numbers() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    let number: u64 = member.parse().expect("a decimal id");
    let mut ids = Vec::new();
    for body in [
        json!({"scheduleId": "3001", "serialNo": 2, "memberId": member}),
        json!({"scheduleId": 3001, "serialNo": "2", "memberId": number}),
        json!({"scheduleId": " 003001 ", "serialNo": "02", "memberId": member, "r": 1_700_000_000_000_u64, "x": {"y": []}}),
    ] {
        patient.post("book_service/book/presubmit", &body).await?;
        let booked = patient.post("book_service/book/submit", &body).await?.data();
        ids.push(booked["bookId"].as_str().expect("an id").to_owned());
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let id: u64 = ids[0].parse().expect("a decimal id");
    patient
        .post("book_service/book/schedule", &json!({"scheduleId": 3002, "memberId": number}))
        .await?
        .done();
    patient.post("book_service/book/cancel", &json!({"bookId": id})).await?.done();
    Ok(())
}

#[tokio::test]
async fn a_missing_or_malformed_parameter_is_named() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let full = json!({"scheduleId": "3001", "serialNo": 1, "memberId": "1000000000", "bookId": "1000000000"});
    for (path, name, label) in [
        ("book/presubmit", "scheduleId", "排班ID"),
        ("book/presubmit", "serialNo", "就诊编号"),
        ("book/submit", "scheduleId", "排班ID"),
        ("book/submit", "serialNo", "就诊编号"),
        ("book/submit", "memberId", "就诊人ID"),
        ("book/schedule", "scheduleId", "排班ID"),
        ("book/schedule", "memberId", "就诊人ID"),
        ("book/cancel", "bookId", "预约记录ID"),
    ] {
        for absent in [Value::Null, json!(""), json!("  ")] {
            let mut body = full.clone();
            body[name] = absent;
            let answer = patient.post(&format!("book_service/{path}"), &body).await?;
            answer.refused(400, "0001");
            assert_eq!(answer.message, format!("{label}不能为空"), "{path}");
        }
        for wrong in [json!("abc"), json!(0), json!(-1), json!(1.5), json!(true), json!([1]), json!({"a": 1})]
        {
            let mut body = full.clone();
            body[name] = wrong;
            let answer = patient.post(&format!("book_service/{path}"), &body).await?;
            answer.refused(400, "0001");
            assert_eq!(answer.message, format!("{label}格式不正确"), "{path}");
        }
    }
    patient.get("book_service/book/abc").await?.refused(400, "0001");
    Ok(())
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    patient.presubmit(999, 1).await?.refused(404, "0404");
    patient.presubmit(MORNING, 99).await?.refused(404, "0404");
    patient.submit(999, 1, &member).await?.refused(404, "0404");
    patient.submit(MORNING, 99, &member).await?.refused(404, "0404");
    patient.submit(MORNING, 1, "999").await?.refused(404, "0404");
    patient.same_half_day(999, &member).await?.refused(404, "0404");
    patient.same_half_day(MORNING, "999").await?.refused(404, "0404");
    patient.cancel("999").await?.refused(404, "0404");
    patient.book("999").await?.refused(404, "0404");
    assert_eq!(left(&mut patient, MORNING).await?, [1, 2, 3]);
    Ok(())
}

#[tokio::test]
async fn what_is_somebody_elses_answers_like_what_does_not_exist() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut owner = Patient::registered(&clinic, 1).await;
    let member = owner.add_member(1).await;
    let id = book(&mut owner, MORNING, 1, &member).await?;
    let mut stranger = Patient::registered(&clinic, 2).await;
    stranger.add_member(2).await;

    let same = |foreign: &harness::patients::Answer, missing: &harness::patients::Answer| {
        missing.refused(404, "0404");
        assert_eq!(foreign.reply.body, missing.reply.body);
        assert_eq!(foreign.http, missing.http);
    };
    same(&stranger.book(&id).await?, &stranger.book("999").await?);
    same(&stranger.cancel(&id).await?, &stranger.cancel("999").await?);
    same(&stranger.submit(AFTERNOON, 1, &member).await?, &stranger.submit(AFTERNOON, 1, "999").await?);
    same(
        &stranger.same_half_day(AFTERNOON, &member).await?,
        &stranger.same_half_day(AFTERNOON, "999").await?,
    );
    assert_eq!(stranger.books(1, 10).await?.data()["total"], 0);

    assert_eq!(owner.book(&id).await?.data()["bookStatus"], 0);
    assert_eq!(left(&mut owner, AFTERNOON).await?.len(), 40);
    Ok(())
}

#[tokio::test]
async fn every_write_can_be_repeated() -> io::Result<()> {
    let (folder, clinic) = open(&[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    let first = patient.presubmit(MORNING, 1).await?.data();
    assert_eq!(patient.presubmit(MORNING, 1).await?.data(), first);
    let id = book(&mut patient, MORNING, 1, &member).await?;
    assert_eq!(book(&mut patient, MORNING, 1, &member).await?, id);
    assert_eq!(patient.books(1, 10).await?.data()["total"], 1);

    clinic.stop();
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = patient.again(clinic.address).await?;
    assert_eq!(book(&mut patient, MORNING, 1, &member).await?, id);
    assert_eq!(patient.books(1, 10).await?.data()["total"], 1);

    patient.cancel(&id).await?.done();
    patient.cancel(&id).await?.done();
    let anew = book(&mut patient, MORNING, 1, &member).await?;
    assert_ne!(anew, id);
    // The old booking's cancel is a repeat, and does not touch the new one.
    patient.cancel(&id).await?.done();
    assert_eq!(patient.book(&anew).await?.data()["bookStatus"], 0);
    assert_eq!(patient.book(&id).await?.data()["bookStatus"], 1);
    assert_eq!(patient.books(1, 10).await?.data()["total"], 2);
    clinic.stop();
    Ok(())
}
