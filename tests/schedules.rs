//! The lists of a department over HTTP: every field, pages, dates, and how they follow the bookings.

use std::io;

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{DEPARTMENT, Half, ImportFile, day};
use harness::patients::Patient;
use serde_json::{Value, json};

mod harness;

/// Doctor 2001 has a picture and a description, 2002 neither those nor a title.
const PICTURE: &str = "https://pictures.example.cn/2001.png";

fn clinic_file() -> Value {
    let mut file = ImportFile::default();
    file.doctor(2001).doctor(2002).doctor(2003);
    // Not in the order in which they are listed.
    file.schedule(3004, 2002, day(2), Half::Pm, 1).schedule(3001, 2001, day(2), Half::Am, 2);
    file.schedule(3002, 2001, day(2), Half::Pm, 3).schedule(3003, 2001, day(3), Half::Am, 1);
    file.schedule(3006, 2003, day(40), Half::Am, 1);
    file.add(json!({
        "id": "3005", "department": DEPARTMENT.to_string(), "date": day(2).to_string(), "period": "AM", "type": 0,
        "fee": "9.50", "location": "大厅", "slots": [{"serialNo": 1, "time": "08:00"}]
    }));
    let mut file = file.to_json();
    file["departments"][0]["avatar"] = json!("https://pictures.example.cn/101.png");
    let without = json!({"id": "102", "name": "骨科", "avatar": "", "description": "", "location": ""});
    file["departments"].as_array_mut().expect("a list").push(without);
    file["doctors"][0]["avatar"] = json!(PICTURE);
    file["doctors"][0]["description"] = json!("从医三十年");
    file["doctors"][1]["title"] = json!("");
    file
}

fn open() -> (Folder, Clinic) {
    let folder = Folder::new();
    let path = folder.write("import.json", &clinic_file().to_string());
    let output = clinic::run(&folder, &["import", clinic::path_text(&path)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let clinic = Clinic::start(&folder, &[("PATI_BOOKING__MAX_ACTIVE_PER_USER", "100")]);
    (folder, clinic)
}

/// The fields of the department, with its picture under the name of the table.
fn with_department(mut row: Value, picture: &str) -> Value {
    row["deptId"] = json!("101");
    row["deptName"] = json!("眼科");
    row[picture] = json!("https://pictures.example.cn/101.png");
    row["deptDesp"] = json!("眼病");
    row
}

async fn by_date(patient: &mut Patient, query: &str) -> io::Result<Value> {
    Ok(patient.get(&format!("tenant_service/schedule_by_date?deptId=101&{query}")).await?.data())
}

async fn by_doctor(patient: &mut Patient, query: &str) -> io::Result<Value> {
    Ok(patient.get(&format!("tenant_service/schedule_by_doctor?deptId=101&{query}")).await?.data())
}

async fn info(patient: &mut Patient, query: &str) -> io::Result<Value> {
    Ok(patient.get(&format!("tenant_service/schedule/info?deptId=101&{query}")).await?.data())
}

/// Seen to fail when the ordinary clinic came last, and when an absent title was answered as an empty text.
#[tokio::test]
async fn a_day_has_one_row_for_each_doctor_and_one_for_the_ordinary_clinic() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut anyone = Patient::connect(clinic.address).await?;
    let date = day(2).to_string();
    let ordinary = json!({
        "doctorId": "", "doctorName": null, "doctorAvatar": null, "doctorTitle": null, "doctorDesp": null,
        "date": date, "type": 0, "status": 1, "bookfee": 9.5
    });
    let first = json!({
        "doctorId": "2001", "doctorName": "医生2001", "doctorAvatar": PICTURE, "doctorTitle": "主任医师",
        "doctorDesp": "从医三十年", "date": date, "type": 1, "status": 1, "bookfee": 50.0
    });
    let second = json!({
        "doctorId": "2002", "doctorName": "医生2002", "doctorAvatar": "", "doctorTitle": null, "doctorDesp": "",
        "date": date, "type": 1, "status": 1, "bookfee": 50.0
    });
    let rows: Vec<_> = [ordinary, first, second].map(|row| with_department(row, "deptAvatar")).into();
    let page = by_date(&mut anyone, &format!("date={date}")).await?;
    assert_eq!(page, json!({"pageNo": 1, "pageSize": 10, "total": 3, "pages": 1, "list": rows}));
    // A date may come with a time, as everywhere.
    assert_eq!(by_date(&mut anyone, &format!("date={date}%2012:00:00")).await?["list"], json!(rows));

    let page = by_date(&mut anyone, &format!("date={date}&pageNo=2&pageSize=2")).await?;
    assert_eq!(page, json!({"pageNo": 2, "pageSize": 2, "total": 3, "pages": 2, "list": [rows[2]]}));
    for (query, expected) in [
        ("pageNo=9007199254740991&pageSize=9007199254740991", [9_007_199_254_740_991_u64, 100, 3, 1]),
        ("pageNo=4&pageSize=1", [4, 1, 3, 3]),
    ] {
        let page = by_date(&mut anyone, &format!("date={date}&{query}")).await?;
        let counts =
            ["pageNo", "pageSize", "total", "pages"].map(|name| page[name].as_u64().expect("a number"));
        assert_eq!((counts, &page["list"]), (expected, &json!([])), "{query}");
    }
    Ok(())
}

/// Seen to fail when a date of the past was refused, and when the days beyond the horizon were listed.
#[tokio::test]
async fn a_day_without_schedules_is_empty_and_a_date_that_is_none_is_refused() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut anyone = Patient::connect(clinic.address).await?;
    let empty = json!({"pageNo": 1, "pageSize": 10, "total": 0, "pages": 0, "list": []});
    for date in [day(-1), day(1), day(40), day(4000)].map(|date| date.to_string()) {
        assert_eq!(by_date(&mut anyone, &format!("date={date}")).await?, empty, "{date}");
    }
    for (query, message) in [
        ("deptId=101", "日期不能为空"),
        ("deptId=101&date=", "日期不能为空"),
        ("deptId=101&date=null", "日期不能为空"),
        ("deptId=101&date=2026-02-30", "日期格式不正确"),
        ("deptId=101&date=tomorrow", "日期格式不正确"),
        ("deptId=101&date=20261201", "日期格式不正确"),
        ("date=2026-12-01", "科室ID不能为空"),
        ("deptId=x&date=x", "科室ID格式不正确"),
        ("deptId=101&date=2026-12-01&pageNo=0", "分页页码格式不正确"),
        ("deptId=101&date=2026-12-01&pageSize=-1", "每页数量格式不正确"),
    ] {
        let answer = anyone.get(&format!("tenant_service/schedule_by_date?{query}")).await?;
        answer.refused(400, "0001");
        assert_eq!(answer.message, message, "{query}");
    }
    let date = day(2);
    let unknown = format!("tenant_service/schedule_by_date?deptId=999&date={date}");
    anyone.get(&unknown).await?.refused(404, "0404");
    Ok(())
}

/// Seen to fail when the picture of the department was named as in the other list.
#[tokio::test]
async fn a_department_lists_the_doctors_who_can_be_seen_until_the_horizon() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut anyone = Patient::connect(clinic.address).await?;
    let ordinary = json!({
        "doctorId": "", "doctorName": null, "doctorAvatar": null, "doctorTitle": null, "doctorDesp": null, "status": 1
    });
    let first = json!({
        "doctorId": "2001", "doctorName": "医生2001", "doctorAvatar": PICTURE, "doctorTitle": "主任医师",
        "doctorDesp": "从医三十年", "status": 1
    });
    let second = json!({
        "doctorId": "2002", "doctorName": "医生2002", "doctorAvatar": "", "doctorTitle": "", "doctorDesp": "",
        "status": 1
    });
    let rows: Vec<_> = [ordinary, first, second].map(|row| with_department(row, "deptPortrait")).into();
    let page = by_doctor(&mut anyone, "").await?;
    assert_eq!(page, json!({"pageNo": 1, "pageSize": 10, "total": 3, "pages": 1, "list": rows}));
    let page = by_doctor(&mut anyone, "pageNo=2&pageSize=1").await?;
    assert_eq!(page, json!({"pageNo": 2, "pageSize": 1, "total": 3, "pages": 3, "list": [rows[1]]}));

    let empty = anyone.get("tenant_service/schedule_by_doctor?deptId=102").await?.data();
    assert_eq!(empty, json!({"pageNo": 1, "pageSize": 10, "total": 0, "pages": 0, "list": []}));
    anyone.get("tenant_service/schedule_by_doctor?deptId=999").await?.refused(404, "0404");
    let missing = anyone.get("tenant_service/schedule_by_doctor").await?;
    missing.refused(400, "0001");
    assert_eq!(missing.message, "科室ID不能为空");
    for query in ["pageNo=0", "pageSize=0", "pageNo=x", "pageSize=1.5", "pageNo=9007199254740992"] {
        let answer = anyone.get(&format!("tenant_service/schedule_by_doctor?deptId=101&{query}")).await?;
        answer.refused(400, "0001");
    }
    Ok(())
}

/// Seen to fail when the days began today, when both halves of a day had a row each, and when the ordinary clinic
/// answered an empty doctorId.
#[tokio::test]
async fn info_tells_of_a_doctor_and_what_is_left_on_the_next_days() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut anyone = Patient::connect(clinic.address).await?;
    let (second, third) = (day(2).to_string(), day(3).to_string());
    let doctor = |days: Value| {
        json!([with_department(
            json!({
                "doctorId": "2001", "doctorName": "医生2001", "doctorPortrait": PICTURE, "doctorTitle": "主任医师",
                "doctorDesp": "从医三十年", "leftBookCountList": days
            }),
            "deptPortrait"
        )])
    };
    let both = json!([{"date": second, "leftCount": 5}, {"date": third, "leftCount": 1}]);
    for query in ["doctorId=2001", "doctorId=2001&days=", "doctorId=2001&days=31", "doctorId=2001&days=3"] {
        assert_eq!(info(&mut anyone, query).await?, doctor(both.clone()), "{query}");
    }
    assert_eq!(info(&mut anyone, "doctorId=2001&days=2").await?, doctor(json!([both[0]])));
    assert_eq!(info(&mut anyone, "doctorId=2001&days=1").await?, doctor(json!([])));

    let ordinary = with_department(
        json!({
            "doctorId": null, "doctorName": null, "doctorPortrait": null, "doctorTitle": null, "doctorDesp": null,
            "leftBookCountList": [{"date": second, "leftCount": 1}]
        }),
        "deptPortrait",
    );
    for query in ["", "doctorId=", "doctorId=null"] {
        assert_eq!(info(&mut anyone, query).await?, json!([ordinary]), "{query}");
    }
    let elsewhere = anyone.get("tenant_service/schedule/info?deptId=102&doctorId=2001").await?.data();
    assert_eq!((&elsewhere[0]["deptId"], &elsewhere[0]["leftBookCountList"]), (&json!("102"), &json!([])));

    for query in ["days=0", "days=32", "days=-1", "days=x", "doctorId=x"] {
        let answer = anyone.get(&format!("tenant_service/schedule/info?deptId=101&{query}")).await?;
        answer.refused(400, "0001");
    }
    for query in ["deptId=999", "deptId=101&doctorId=999"] {
        anyone.get(&format!("tenant_service/schedule/info?{query}")).await?.refused(404, "0404");
    }
    Ok(())
}

/// Seen to fail when the lists kept what was left at the start.
#[tokio::test]
async fn the_lists_follow_the_bookings() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let date = format!("date={}", day(2));
    async fn status(patient: &mut Patient, date: &str) -> io::Result<[u64; 3]> {
        let day = by_date(patient, date).await?["list"][2]["status"].as_u64().expect("an integer");
        let ever = by_doctor(patient, "").await?["list"][2]["status"].as_u64().expect("an integer");
        let left = info(patient, "doctorId=2002").await?[0]["leftBookCountList"][0]["leftCount"].as_u64();
        Ok([day, ever, left.expect("an integer")])
    }
    assert_eq!(status(&mut patient, &date).await?, [1, 1, 1]);
    let member = patient.add_member(1).await;
    let booked = patient.submit(3004, 1, &member).await?.data();
    assert_eq!(status(&mut patient, &date).await?, [2, 2, 0]);
    patient.cancel(booked["bookId"].as_str().expect("an id")).await?.done();
    assert_eq!(status(&mut patient, &date).await?, [1, 1, 1]);
    patient.presubmit(3004, 1).await?.data();
    assert_eq!(status(&mut patient, &date).await?, [2, 2, 0]);
    clinic.stop();
    Ok(())
}
