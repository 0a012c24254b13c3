//! What an account holds, told to its owner, and that none of it is left after the account was closed.

use std::io;

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::{PASSWORD, Patient};
use harness::{people, shape};
use serde_json::{Value, json};

mod harness;

const MORNING: u64 = 3001;

fn open() -> (Folder, Clinic) {
    let folder = Folder::new();
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(MORNING, 2001, day(2), Half::Am, 9);
    clinic::import(&folder, &file);
    let clinic = Clinic::start(&folder, &[]);
    (folder, clinic)
}

/// Seen to fail when only a page of the bookings was told.
#[tokio::test]
async fn an_account_is_told_all_that_is_stored_about_it() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let mut relative = Patient::registered(&clinic, 2).await;
    relative.add_member(2).await;
    let member = patient.add_member(1).await;
    patient.add_member(2).await;
    patient.login(&people::phone(1), PASSWORD).await?.data();
    let mut bookings = Vec::new();
    for _ in 0..11 {
        let booking = patient.submit(MORNING, 1, &member).await?.data()["bookId"].clone();
        let id = booking.as_str().expect("an id").to_owned();
        patient.cancel(&id).await?.done();
        bookings.insert(0, id);
    }
    let told = patient.export().await?.data();
    shape::check(
        &told,
        &json!({
            "userId": "String", "phone": "String", "createdAt": "String", "consent": "null",
            "profile": {"name": "String", "gender": "Integer", "birthday": "null", "avatar": "String"},
            "sessions": [{"createdAt": "String", "expiresAt": "String"}],
            "members": [{
                "memberId": "String", "pati_id": "String", "name": "String", "gender": "Integer", "birthday": "String",
                "IDNo": "String", "phone": "String", "defaultMember": "Boolean", "createdAt": "String"
            }],
            "bookings": shape::of(&patient.books(1, 10).await?.data()["list"]),
            "openId": "null", "payments": []
        }),
    );
    assert_eq!(told["phone"], json!(people::phone(1)));
    assert_eq!(told["sessions"].as_array().map(Vec::len), Some(2));
    let ids = told["bookings"].as_array().expect("a list").iter().map(|row| row["bookId"].clone());
    assert_eq!(ids.collect::<Vec<_>>(), bookings);
    assert_eq!(told["members"].as_array().map(Vec::len), Some(2));
    let first = &told["members"][0];
    let id = people::id_number(1);
    assert_eq!(first["memberId"], json!(member));
    assert_eq!(first["name"], "患者1");
    assert_eq!(first["IDNo"], json!(id));
    assert_eq!(first["birthday"], json!(people::birthday(&id)));
    assert_eq!(first["phone"], json!(people::phone(1)));
    Ok(())
}

/// A member with the `n`th ID number and another name: refused where the clinic has a file of that number.
async fn under_another_name(patient: &mut Patient, n: usize) -> io::Result<harness::patients::Answer> {
    let id = people::id_number(n);
    let body = json!({
        "name": "另一个名字", "gender": people::gender(&id), "birthday": people::birthday(&id), "IDNo": id,
        "phone": people::phone(n)
    });
    patient.post("patient_service/member", &body).await
}

/// Seen to fail when the phone's key, a session or the patient's ID number stayed, when a file was erased that another
/// account refers to, and when a booking to come did not matter.
#[tokio::test]
async fn a_closed_account_leaves_nothing_of_its_own() -> io::Result<()> {
    let (folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let mut relative = Patient::registered(&clinic, 2).await;
    let own = patient.add_member(1).await;
    patient.add_member(2).await;
    relative.add_member(2).await;
    let before = patient.export().await?.data();
    let other_session = patient.login(&people::phone(1), PASSWORD).await?.data()["token"].clone();

    patient.close_account("wrong horse 9").await?.ruled_out("400003");
    let booking = patient.submit(MORNING, 1, &own).await?.data()["bookId"].clone();
    patient.close_account("wrong horse 9").await?.ruled_out("400003");
    patient.close_account(PASSWORD).await?.ruled_out("400009");
    patient.cancel(booking.as_str().expect("an id")).await?.done();
    patient.close_account(PASSWORD).await?.done();

    clinic.stop();
    clinic::verify(&folder);
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = patient.again(clinic.address).await?;
    patient.close_account(PASSWORD).await?.refused(401, "0401");
    patient.use_token(other_session.as_str().expect("a token"));
    patient.members().await?.refused(401, "0401");
    patient.login(&people::phone(1), PASSWORD).await?.ruled_out("400003");
    let mut patient = Patient::registered(&clinic, 1).await;
    let after = patient.export().await?.data();
    assert_ne!(after["userId"], before["userId"]);
    assert_eq!((&after["members"], &after["bookings"]), (&json!([]), &json!([])));
    // The file that only this account referred to is gone, the other is the relative's too.
    under_another_name(&mut patient, 1).await?.data();
    under_another_name(&mut patient, 2).await?.ruled_out("403001");
    assert_ne!(patient.export().await?.data()["members"][0]["pati_id"], before["members"][0]["pati_id"]);
    assert_eq!(relative_of(&clinic, relative).await?["bindPatiId"], before["members"][1]["pati_id"]);
    Ok(())
}

async fn relative_of(clinic: &Clinic, relative: Patient) -> io::Result<Value> {
    let mut relative = relative.again(clinic.address).await?;
    Ok(relative.members().await?.data()[0].clone())
}
