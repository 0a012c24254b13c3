//! T19: what is entered about people stands in no log, in no file of the store and in no refusal.
//!
//! The harness looks through the logs and data folders of all tests; here it is shown to see what it looks for, and the
//! front desk enters everything that it can.

use std::io;

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::PASSWORD;
use harness::{people, privacy, staff};
use serde_json::json;

mod harness;

/// What the desk notes besides, and what its staff is called.
const NOTES: [&str; 6] =
    ["朝阳区幸福路八十八号院", "王紧急联系", "13711112222", "钱院长", "孙前台", "a word of my own 77"];

#[test]
fn what_is_planted_is_found() {
    let token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.x";
    let planted = [people::phone(7), people::id_number(300_123), "患者7".to_owned(), PASSWORD.to_owned()];
    for secret in planted.into_iter().chain([token.to_owned()]) {
        let line = format!("\u{0}before{secret}after\u{1}");
        assert!(privacy::found_in(line.as_bytes()).is_some(), "{secret}");
    }
    for ordinary in ["患者服务", "1390001", "request 13800000001", "110105", "101101000000012026", ""] {
        assert_eq!(privacy::found_in(ordinary.as_bytes()), None, "{ordinary}");
    }
}

/// Seen to fail when saving a patient logged the address. That data folders are looked through was seen when another test
/// gave a department the name of one of the invented people.
#[tokio::test]
async fn what_the_desk_enters_is_sealed_and_never_logged() -> io::Result<()> {
    let folder = Folder::new();
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(3001, 2001, day(2), Half::Am, 5);
    clinic::import(&folder, &file);
    staff::add(&folder, &["--account", "admin", "--role", "admin", "--name", NOTES[3]]);
    let clinic = Clinic::start(&folder, &[("RUST_LOG", "debug")]);
    let mut admin = staff::logged_in(&clinic, "admin").await;
    let colleague = json!({"account": "desk", "name": NOTES[4], "role": "desk", "password": NOTES[5]});
    admin.post("manager_service/staff", &colleague).await?.data();
    admin.post("manager_service/login", &json!({"account": "desk", "password": NOTES[5]})).await?.data();
    admin
        .post("manager_service/login", &json!({"account": "desk", "password": PASSWORD}))
        .await?
        .ruled_out("400010");

    let mut patient = people::patient(3);
    patient["pati_address"] = json!(NOTES[0]);
    patient["cont_name"] = json!(NOTES[1]);
    patient["cont_phone"] = json!(NOTES[2]);
    let opened = admin.post("manager_service/patient", &patient).await?.data();
    let id = opened["pati_id"].as_str().expect("an id");
    let read = admin.get(&format!("manager_service/pati_info?pati_id={id}")).await?.data();
    assert_eq!((&read["pati_address"], &read["cont_phone"]), (&json!(NOTES[0]), &json!(NOTES[2])));
    // Refusals, which must not repeat what was sent: another name for the number, a number that is none.
    let mut other = patient.clone();
    other["pati_name"] = json!("患者99");
    admin.post("manager_service/patient", &other).await?.ruled_out("403001");
    other["pati_id_number"] = json!("110101198001010019");
    admin.post("manager_service/patient", &other).await?.refused(400, "0001");
    let booking = json!({"schedule_id": "3001", "serial_no": 1, "pati_id": opened["pati_id"]});
    admin.post("manager_service/booking", &booking).await?.data();
    // 患者3
    let name = "%E6%82%A3%E8%80%853";
    let found =
        admin.get(&format!("manager_service/bookings?from={}&pati_name={name}", day(2))).await?.data();
    assert_eq!(found["total"], 1);

    let log = clinic.log();
    assert!(log.len() > 5, "something was logged");
    privacy::check_log(&log);
    for line in &log {
        assert!(NOTES.iter().all(|note| !line.contains(note)), "{line}");
    }
    clinic.kill();
    privacy::check_files(&folder.store());
    for note in NOTES {
        assert!(!privacy::holds(&folder.store(), note.as_bytes()), "{note} stands in the data folder");
    }
    Ok(())
}
