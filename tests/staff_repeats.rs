//! T12 for the staff: each save ten times at once, and once more after a restart: the same answer and one effect. What
//! has an effect leaves a row on the audit trail, so that effects can be counted.

use std::io;

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{DEPARTMENT, Half, ImportFile, day};
use harness::patients::{Answer, Patient};
use harness::{people, staff};
use serde_json::{Value, json};

mod harness;

/// A save, and the word that it leaves on the trail.
struct Save {
    path: &'static str,
    body: Value,
    action: &'static str,
}

fn save(path: &'static str, action: &'static str, body: Value) -> Save {
    Save { path, body, action }
}

/// Who saves.
struct Office {
    clinic: Clinic,
    admin: Patient,
}

impl Office {
    async fn open(folder: &Folder) -> Self {
        let clinic = Clinic::start(folder, &[]);
        let admin = staff::logged_in(&clinic, "admin").await;
        Self { clinic, admin }
    }

    /// How often this was done.
    async fn count(&mut self, action: &str) -> io::Result<u64> {
        let data = self.admin.get(&format!("manager_service/audit?action={action}")).await?.data();
        Ok(data["total"].as_u64().expect("a number"))
    }

    /// Sends a save ten times at once, and answers what all of them were answered.
    async fn ten_at_once(&mut self, save: &Save) -> io::Result<Value> {
        let before = self.count(save.action).await?;
        let mut requests = Vec::new();
        for _ in 0..10 {
            let mut again = self.admin.again(self.clinic.address).await?;
            let (path, body) = (save.path, save.body.clone());
            requests.push(tokio::spawn(async move { again.post(path, &body).await }));
        }
        let mut data = Vec::new();
        for request in requests {
            data.push(Answer::data(request.await??));
        }
        assert!(data.iter().all(|one| *one == data[0]), "{}: {data:?}", save.path);
        assert_eq!(self.count(save.action).await?, before + 1, "{} has one effect", save.path);
        Ok(data.swap_remove(0))
    }

    /// Sends a save again, to which nothing is left to do.
    async fn once_more(&mut self, save: &Save, answered: &Value) -> io::Result<()> {
        let before = self.count(save.action).await?;
        let data = self.admin.post(save.path, &save.body).await?.data();
        assert_eq!(data, *answered, "{}", save.path);
        assert_eq!(self.count(save.action).await?, before, "{} has no effect again", save.path);
        Ok(())
    }
}

fn prepare(folder: &Folder) {
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(3001, 2001, day(2), Half::Am, 9).schedule(3002, 2001, day(3), Half::Am, 9);
    clinic::import(folder, &file);
    staff::add(folder, &["--account", "admin", "--role", "admin"]);
}

/// Saves that depend on nothing but the import.
fn first_saves() -> Vec<Save> {
    vec![
        save(
            "wechat/service_info",
            "service_info_changed",
            json!({"appo_notice": "请提前到", "phone": "010-12345678"}),
        ),
        save("manager_service/department", "department_saved", json!({"name": "耳鼻喉科"})),
        save(
            "manager_service/doctor",
            "doctor_saved",
            json!({"name": "王医生", "departments": [DEPARTMENT.to_string()]}),
        ),
        save(
            "manager_service/template",
            "template_saved",
            json!({
                "department_id": DEPARTMENT, "doctor_id": "2001", "weekday": 2, "period": "PM", "start": "13:30",
                "end": "16:00", "interval_minutes": 15, "type": 1, "fee": "20.00", "valid_from": day(0).to_string()
            }),
        ),
        save("manager_service/exception", "exception_saved", json!({"from": day(40).to_string()})),
        save("manager_service/opening", "opening_changed", json!({"horizon_days": 21})),
        save(
            "manager_service/schedule",
            "schedule_added",
            json!({
                "department_id": DEPARTMENT, "doctor_id": "2001", "date": day(4).to_string(), "period": "AM", "type": 1,
                "fee": "20.00", "start": "08:00", "end": "11:00", "interval_minutes": 15
            }),
        ),
        save(
            "manager_service/save_group_label",
            "label_saved",
            json!({"label_name": "高血压", "label_type": 2}),
        ),
        save(
            "manager_service/staff",
            "staff_added",
            json!({"account": "desk", "name": "前台", "role": "desk", "password": "correct horse 9"}),
        ),
        save("manager_service/patient", "patient_added", people::patient(5)),
    ]
}

/// Saves that build on those, which were answered with these patient and member of the staff.
fn later_saves(patient: &Value, colleague: &Value) -> Vec<Save> {
    let renamed = json!({"staff_id": colleague, "name": "新前台", "role": "desk"});
    vec![
        save(
            "manager_service/booking",
            "booking_added",
            json!({"schedule_id": "3001", "serial_no": 1, "pati_id": patient}),
        ),
        save(
            "manager_service/notify",
            "patient_notified",
            json!({
                "pati_id": patient, "wech_temp_type": 5, "values": {"thing1": "已回复"}, "client_id": "reply-7"
            }),
        ),
        save(
            "manager_service/schedule/relocate",
            "schedule_relocated",
            json!({"schedule_id": "3001", "location": "三楼301"}),
        ),
        save(
            "manager_service/schedule/add_slots",
            "slots_added",
            json!({"schedule_id": "3001", "first_serial_no": 10, "times": "11:50", "reason": "病人多"}),
        ),
        save(
            "manager_service/schedule/stop",
            "schedule_stopped",
            json!({"schedule_id": "3002", "reason": "医生请假"}),
        ),
        save("manager_service/staff/update", "staff_changed", renamed),
        save("manager_service/staff/disable", "staff_disabled", json!({"staff_id": colleague})),
    ]
}

/// Seen to fail when a department was added without looking for one of its name, and when an update of the staff was
/// written although it changed nothing.
#[tokio::test]
async fn what_the_staff_saves_again_has_one_effect() -> io::Result<()> {
    let folder = Folder::new();
    prepare(&folder);
    let mut office = Office::open(&folder).await;
    let mut done: Vec<(Save, Value)> = Vec::new();
    for save in first_saves() {
        let answer = office.ten_at_once(&save).await?;
        done.push((save, answer));
    }
    let answered = |path: &str| {
        let (_, answer) = done.iter().find(|(save, _)| save.path == path).expect("saved");
        answer.clone()
    };
    let patient = answered("manager_service/patient")["pati_id"].clone();
    let colleague = answered("manager_service/staff")["staff_id"].clone();
    let staff_added = done.iter().position(|(save, _)| save.path == "manager_service/staff").expect("saved");
    for save in later_saves(&patient, &colleague) {
        let answer = office.ten_at_once(&save).await?;
        done.push((save, answer));
    }
    // What was said of the colleague then is not so any more.
    done.remove(staff_added);
    let booking = done.iter().find(|(save, _)| save.path == "manager_service/booking").expect("saved");
    let book_id = booking.1["book_id"].clone();
    for (path, action) in [
        ("manager_service/booking/cash_paid", "cash_paid"),
        ("manager_service/booking/check_in", "checked_in"),
    ] {
        let save = save(path, action, json!({"book_id": book_id}));
        let answer = office.ten_at_once(&save).await?;
        done.push((save, answer));
    }

    office.clinic.stop();
    let mut office = Office::open(&folder).await;
    for (save, answer) in &done {
        office.once_more(save, answer).await?;
    }
    let cancelled = save("manager_service/booking/cancel", "booking_cancelled", json!({"book_id": book_id}));
    let answer = office.ten_at_once(&cancelled).await?;
    office.once_more(&cancelled, &answer).await?;
    office.clinic.stop();
    Ok(())
}
