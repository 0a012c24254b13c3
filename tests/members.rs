//! The members of an account (就诊人) over HTTP: correct one, take one out, choose the default, show its bar code.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::{Answer, Patient};
use harness::people;
use serde_json::{Value, json};

mod harness;

const MORNING: u64 = 3001;
/// Slots of the morning: one for each round of a race.
const SLOTS: u16 = 150;

fn open() -> (Folder, Clinic) {
    let folder = Folder::new();
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(MORNING, 2001, day(2), Half::Am, SLOTS);
    clinic::import(&folder, &file);
    let clinic = Clinic::start(&folder, &[]);
    (folder, clinic)
}

/// The rows of `members`, without what the other tests look at.
async fn members(patient: &mut Patient) -> io::Result<Vec<Value>> {
    let Value::Array(rows) = patient.members().await?.data() else { panic!("no list") };
    Ok(rows)
}

async fn only_member(patient: &mut Patient) -> io::Result<Value> {
    let mut rows = members(patient).await?;
    assert_eq!(rows.len(), 1, "{rows:?}");
    Ok(rows.remove(0))
}

/// Whether the row shows the `n`th person, reached by the `phone`th phone.
#[track_caller]
fn assert_shows(row: &Value, n: usize, phone: usize) {
    let person = people::person(n);
    for name in ["name", "gender", "IDNo"] {
        assert_eq!(row[name], person[name], "{name}");
    }
    assert_eq!(row["phone"], people::phone(phone));
}

/// Checks that something of somebody else's is answered byte for byte like something that does not exist.
#[track_caller]
fn assert_same(foreign: &Answer, missing: &Answer) {
    missing.refused(404, "0404");
    assert_eq!((foreign.http, &foreign.reply.body), (missing.http, &missing.reply.body));
}

async fn book(patient: &mut Patient, serial: u16, member: &str) -> io::Result<String> {
    let data = patient.submit(MORNING, serial, member).await?.data();
    Ok(data["bookId"].as_str().expect("an id").to_owned())
}

/// Seen to fail when a correction asked for the file to be free before it looked whether only the phone differs.
#[tokio::test]
async fn the_phone_of_a_member_can_always_change() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut mine = Patient::registered(&clinic, 1).await;
    let mut theirs = Patient::registered(&clinic, 2).await;
    let member = mine.add_member(3).await;
    theirs.add_member(3).await;
    book(&mut mine, 1, &member).await?;

    let before = only_member(&mut mine).await?;
    mine.correct_member(&member, 3, 8).await?.done();
    let after = only_member(&mut mine).await?;
    assert_shows(&after, 3, 8);
    for name in ["memberId", "bindPatiId", "defaultMember", "age", "patiImg"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert_shows(&only_member(&mut theirs).await?, 3, 3);
    Ok(())
}

/// Seen to fail when the old ID number went on leading to the file, when the new one did not lead to it, and when the
/// birthday stayed as it was.
#[tokio::test]
async fn a_file_that_nobody_else_relies_on_is_corrected_in_place() -> io::Result<()> {
    let (folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(2).await;
    let booking = book(&mut patient, 1, &member).await?;
    patient.cancel(&booking).await?.done();
    let before = only_member(&mut patient).await?;
    // Born in another year, and of the other gender.
    let corrected = 280_001;
    assert_ne!(people::person(corrected)["gender"], people::person(2)["gender"]);
    patient.correct_member(&member, corrected, 2).await?.done();

    clinic.stop();
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = patient.again(clinic.address).await?;
    let after = only_member(&mut patient).await?;
    assert_shows(&after, corrected, 2);
    assert_ne!(after["age"], before["age"]);
    for name in ["memberId", "bindPatiId", "defaultMember", "patiImg"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    // A cancelled booking shows the name as it is now.
    assert_eq!(patient.book(&booking).await?.data()["memberName"], people::person(corrected)["name"]);

    let mut other = Patient::registered(&clinic, 3).await;
    other.add_member(corrected).await;
    other.add_member(2).await;
    let rows = members(&mut other).await?;
    assert_eq!(rows[0]["bindPatiId"], after["bindPatiId"], "the new number leads to the file");
    assert_ne!(rows[1]["bindPatiId"], after["bindPatiId"], "the old number is nobody's");
    Ok(())
}

/// Seen to fail when the name alone was taken for a new person, whose number is taken.
#[tokio::test]
async fn a_misspelt_name_is_corrected_and_the_number_stays() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let mut misspelt = people::person(2);
    misspelt["name"] = json!("患这2");
    let added = patient.post("patient_service/member", &misspelt).await?.data();
    let before = only_member(&mut patient).await?;
    patient.correct_member(added["memberId"].as_str().expect("an id"), 2, 2).await?.done();
    let after = only_member(&mut patient).await?;
    assert_shows(&after, 2, 2);
    assert_eq!(after["bindPatiId"], before["bindPatiId"]);
    patient.member(2).await?.data();
    only_member(&mut patient).await?;
    Ok(())
}

/// Seen to fail when a number that another file has was refused, and when its name was not compared.
#[tokio::test]
async fn the_number_of_another_file_leads_to_that_file() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let mut other = Patient::registered(&clinic, 2).await;
    other.add_member(5).await;
    let theirs = only_member(&mut other).await?;
    let member = patient.add_member(3).await;
    let left = only_member(&mut patient).await?;

    let mut wrong_name = people::person(5);
    wrong_name["memberId"] = json!(member);
    wrong_name["name"] = json!("患者3");
    patient.post("patient_service/member/update", &wrong_name).await?.ruled_out("403001");
    assert_shows(&only_member(&mut patient).await?, 3, 3);

    patient.correct_member(&member, 5, 3).await?.done();
    let bound = only_member(&mut patient).await?;
    assert_shows(&bound, 5, 3);
    assert_eq!((&bound["bindPatiId"], &bound["memberId"]), (&theirs["bindPatiId"], &left["memberId"]));
    assert_eq!(only_member(&mut other).await?, theirs);
    // The file that the member stood for before is as it was.
    patient.add_member(3).await;
    let rows = members(&mut patient).await?;
    assert_eq!(rows[1]["bindPatiId"], left["bindPatiId"]);
    assert_shows(&rows[1], 3, 3);
    Ok(())
}

/// Seen to fail when the other members of the account were not looked at.
#[tokio::test]
async fn two_members_of_one_account_are_never_the_same_patient() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    patient.add_member(2).await;
    let second = patient.add_member(3).await;
    let before = members(&mut patient).await?;
    patient.correct_member(&second, 2, 3).await?.ruled_out("403002");
    assert_eq!(members(&mut patient).await?, before);
    Ok(())
}

/// Seen to fail when live bookings were not looked at, and when those of the account's other members counted too.
#[tokio::test]
async fn a_member_with_a_booking_does_not_become_somebody_else() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let (booked, free) = (patient.add_member(2).await, patient.add_member(3).await);
    let booking = book(&mut patient, 1, &booked).await?;
    patient.correct_member(&booked, 4, 2).await?.ruled_out("403004");
    let mut name_only = people::person(2);
    name_only["memberId"] = json!(booked);
    name_only["name"] = json!("患者二");
    patient.post("patient_service/member/update", &name_only).await?.ruled_out("403004");
    assert_shows(&members(&mut patient).await?[0], 2, 2);
    patient.correct_member(&free, 5, 3).await?.done();

    patient.cancel(&booking).await?.done();
    patient.correct_member(&booked, 4, 2).await?.done();
    let rows = members(&mut patient).await?;
    assert_shows(&rows[0], 4, 2);
    assert_shows(&rows[1], 5, 3);
    Ok(())
}

/// Seen to fail when other accounts' members were not looked at.
#[tokio::test]
async fn a_file_that_another_account_uses_is_corrected_at_the_desk() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut mine = Patient::registered(&clinic, 1).await;
    let mut theirs = Patient::registered(&clinic, 2).await;
    let (my_member, their_member) = (mine.add_member(3).await, theirs.add_member(3).await);
    mine.correct_member(&my_member, 4, 3).await?.ruled_out("403005");
    // A booking of their own member is what they can do something about.
    let booking = book(&mut mine, 1, &my_member).await?;
    mine.correct_member(&my_member, 4, 3).await?.ruled_out("403004");
    // Whose booking it is does not matter to the others.
    theirs.correct_member(&their_member, 4, 3).await?.ruled_out("403005");
    mine.cancel(&booking).await?.done();
    assert_shows(&only_member(&mut mine).await?, 3, 3);

    theirs.remove_member(&their_member).await?.done();
    mine.correct_member(&my_member, 4, 3).await?.done();
    assert_shows(&only_member(&mut mine).await?, 4, 3);
    Ok(())
}

/// Seen to fail when the parts were not compared with the ID number, and when the member was looked for first.
#[tokio::test]
async fn a_correction_is_checked_like_a_new_member() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(2).await;
    let mut body = people::person(4);
    body["memberId"] = json!(member);
    for name in ["memberId", "name", "gender", "birthday", "IDNo", "phone"] {
        let mut without = body.clone();
        without[name] = json!("");
        patient.post("patient_service/member/update", &without).await?.refused(400, "0001");
    }
    for (name, value) in [("memberId", "x"), ("gender", "3"), ("birthday", "1980-02-30"), ("phone", "12")] {
        let mut malformed = body.clone();
        malformed[name] = json!(value);
        patient.post("patient_service/member/update", &malformed).await?.refused(400, "0001");
    }
    for (name, value) in
        [("birthday", json!("1970-01-01")), ("gender", json!(3 - people::gender(&people::id_number(4))))]
    {
        let mut contradicting = body.clone();
        contradicting["memberId"] = json!("999");
        contradicting[name] = value;
        patient.post("patient_service/member/update", &contradicting).await?.ruled_out("403001");
    }
    assert_shows(&only_member(&mut patient).await?, 2, 2);
    Ok(())
}

/// Seen to fail when live bookings were not looked at, and when the patient's file was deleted too.
#[tokio::test]
async fn a_member_is_taken_out_once_it_has_no_live_booking() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let (booked, other) = (patient.add_member(2).await, patient.add_member(3).await);
    let booking = book(&mut patient, 1, &booked).await?;
    let before = members(&mut patient).await?;
    patient.remove_member(&booked).await?.ruled_out("403004");
    assert_eq!(members(&mut patient).await?, before);
    patient.remove_member(&other).await?.done();
    patient.remove_member(&other).await?.refused(404, "0404");
    patient.cancel(&booking).await?.done();
    patient.remove_member(&booked).await?.done();
    assert_eq!(members(&mut patient).await?, Vec::<Value>::new());
    patient.submit(MORNING, 1, &booked).await?.refused(404, "0404");
    // What was booked for it is still told.
    assert_eq!(patient.book(&booking).await?.data()["memberName"], people::person(2)["name"]);

    let again = patient.add_member(2).await;
    let row = only_member(&mut patient).await?;
    assert_ne!(again, booked, "it is a new member");
    assert_eq!(row["bindPatiId"], before[0]["bindPatiId"], "of the same patient");
    assert_eq!(row["defaultMember"], true);
    Ok(())
}

/// Seen to fail when nobody followed the default member, when the last one did, and when two were the default.
#[tokio::test]
async fn there_is_always_one_default_member() -> io::Result<()> {
    let (folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let ids = [patient.add_member(2).await, patient.add_member(3).await, patient.add_member(4).await];
    let default = async |patient: &mut Patient| -> io::Result<Vec<Value>> {
        let rows = members(patient).await?.into_iter().filter(|row| row["defaultMember"] == true);
        Ok(rows.map(|mut row| row["memberId"].take()).collect())
    };
    assert_eq!(default(&mut patient).await?, [json!(ids[0])]);
    patient.default_member(&ids[2]).await?.done();
    assert_eq!(default(&mut patient).await?, [json!(ids[2])]);
    // Who is not the default goes without a trace.
    patient.remove_member(&ids[0]).await?.done();
    assert_eq!(default(&mut patient).await?, [json!(ids[2])]);
    let newest = patient.add_member(2).await;

    clinic.stop();
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = patient.again(clinic.address).await?;
    assert_eq!(default(&mut patient).await?, [json!(ids[2])]);
    patient.remove_member(&ids[2]).await?.done();
    assert_eq!(default(&mut patient).await?, [json!(ids[1])], "the oldest, not {newest}");
    Ok(())
}

/// Seen to fail when the first member's number stood in every picture, and when `data:` stood in front.
#[tokio::test]
async fn every_member_has_the_bar_code_of_its_patient() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    patient.add_member(2).await;
    patient.add_member(3).await;
    for row in members(&mut patient).await? {
        let number: u64 = row["bindPatiId"].as_str().and_then(|id| id.parse().ok()).expect("a number");
        let png = STANDARD.decode(row["patiImg"].as_str().expect("a text")).expect("base64");
        assert_eq!(scanned(&png), format!("{number:09}"));
        let reply = patient.bar_code(row["memberId"].as_str().expect("an id")).await?;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("image/png")));
        assert_eq!(reply.body, png);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
    for (query, http, status) in [("", 400, "0001"), ("x", 400, "0001"), ("999", 404, "0404")] {
        Answer::of(patient.bar_code(query).await?)?.refused(http, status);
    }
    let mut nobody = Patient::connect(clinic.address).await?;
    Answer::of(nobody.bar_code("1").await?)?.refused(401, "0401");
    Ok(())
}

/// What the scanner of the front desk reads.
fn scanned(png: &[u8]) -> String {
    let picture =
        image::load_from_memory_with_format(png, image::ImageFormat::Png).expect("a PNG").into_luma8();
    let (width, height) = picture.dimensions();
    let read = rxing::helpers::detect_in_luma(picture.into_raw(), width, height, None).expect("a bar code");
    read.getText().to_owned()
}

/// Seen to fail when the members of one account were read for everybody.
#[tokio::test]
async fn somebody_elses_member_is_like_none() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut owner = Patient::registered(&clinic, 1).await;
    let member = owner.add_member(2).await;
    let before = only_member(&mut owner).await?;
    let mut stranger = Patient::registered(&clinic, 3).await;
    stranger.add_member(3).await;

    assert_same(&stranger.correct_member(&member, 2, 9).await?, &stranger.correct_member("999", 2, 9).await?);
    assert_same(&stranger.remove_member(&member).await?, &stranger.remove_member("999").await?);
    assert_same(&stranger.default_member(&member).await?, &stranger.default_member("999").await?);
    assert_same(
        &Answer::of(stranger.bar_code(&member).await?)?,
        &Answer::of(stranger.bar_code("999").await?)?,
    );
    assert_eq!(only_member(&mut owner).await?, before);

    let mut nobody = Patient::connect(clinic.address).await?;
    nobody.correct_member(&member, 2, 9).await?.refused(401, "0401");
    nobody.remove_member(&member).await?.refused(401, "0401");
    nobody.default_member(&member).await?.refused(401, "0401");
    Ok(())
}

/// A member that is booked for while it is taken out: exactly one of the two wins. Seen to fail when a booking did
/// not require the version of the members' record, and when the removal did not require that of the live bookings.
#[tokio::test]
async fn a_member_is_not_booked_for_and_taken_out_at_once() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut booker = Patient::registered(&clinic, 1).await;
    let mut remover = booker.again(clinic.address).await?;
    let (mut booked, mut removed) = (0, 0);
    for serial in 1..=SLOTS {
        let member = booker.add_member(2).await;
        let (submitted, gone) =
            tokio::join!(booker.submit(MORNING, serial, &member), remover.remove_member(&member));
        let (submitted, gone) = (submitted?, gone?);
        if submitted.is_success() {
            gone.ruled_out("403004");
            let id = submitted.data()["bookId"].as_str().expect("an id").to_owned();
            booker.cancel(&id).await?.done();
            booker.remove_member(&member).await?.done();
            booked += 1;
        } else {
            submitted.refused(404, "0404");
            gone.done();
            removed += 1;
        }
    }
    assert_eq!(booked + removed, SLOTS);
    Ok(())
}

/// A name that is corrected while another account adds the person under the old one: exactly one of the two wins.
/// Seen to fail when adding a member did not write the patient's file anew.
#[tokio::test]
async fn a_file_is_not_corrected_and_shared_at_once() -> io::Result<()> {
    const ROUNDS: usize = 60;
    let (_folder, clinic) = open();
    let mut corrector = Patient::registered(&clinic, 1).await;
    let mut adder = Patient::registered(&clinic, 2).await;
    for n in 10..10 + ROUNDS {
        let member = corrector.add_member(n).await;
        let mut body = people::person(n);
        body["memberId"] = json!(member);
        body["name"] = json!("改名");
        let (corrected, added) =
            tokio::join!(corrector.post("patient_service/member/update", &body), adder.member(n));
        let (corrected, added) = (corrected?, added?);
        if corrected.is_success() {
            added.ruled_out("403001");
        } else {
            corrected.ruled_out("403005");
            let id = added.data()["memberId"].as_str().expect("an id").to_owned();
            adder.remove_member(&id).await?.done();
        }
        corrector.remove_member(&member).await?.done();
    }
    Ok(())
}
