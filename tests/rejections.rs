//! The rules of booking as patients meet them: every refusal that can be provoked over HTTP.

use std::io;
use std::time::{Duration, Instant};

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::Patient;
use serde_json::json;

mod harness;

/// Dr 2001 on day 2 and 3, morning and afternoon; Dr 2002 on the morning of day 2.
const MORNING: u64 = 3001;
const AFTERNOON: u64 = 3002;
const NEXT_MORNING: u64 = 3003;
const NEXT_AFTERNOON: u64 = 3004;
const OTHER_DOCTOR: u64 = 3005;

fn clinic_file() -> ImportFile {
    let mut file = ImportFile::default();
    file.doctor(2001).doctor(2002);
    file.schedule(MORNING, 2001, day(2), Half::Am, 3).schedule(AFTERNOON, 2001, day(2), Half::Pm, 3);
    file.schedule(NEXT_MORNING, 2001, day(3), Half::Am, 3).schedule(
        NEXT_AFTERNOON,
        2001,
        day(3),
        Half::Pm,
        3,
    );
    file.schedule(OTHER_DOCTOR, 2002, day(2), Half::Am, 3);
    file
}

fn open(file: &ImportFile, settings: &[(&str, &str)]) -> (Folder, Clinic) {
    let folder = Folder::new();
    clinic::import(&folder, file);
    let clinic = Clinic::start(&folder, settings);
    (folder, clinic)
}

async fn book(patient: &mut Patient, schedule: u64, serial: u16, member: &str) -> io::Result<String> {
    let data = patient.submit(schedule, serial, member).await?.data();
    Ok(data["bookId"].as_str().expect("an id").to_owned())
}

#[tokio::test]
async fn not_before_the_release() -> io::Result<()> {
    let mut file = clinic_file();
    file.schedule(3010, 2002, day(9), Half::Am, 3).schedule(3011, 2002, day(7), Half::Am, 3);
    let (_folder, clinic) = open(&file, &[("PATI_BOOKING__HORIZON_DAYS", "8")]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    patient.presubmit(3010, 1).await?.ruled_out("401002");
    patient.submit(3010, 1, &member).await?.ruled_out("401002");
    book(&mut patient, 3011, 1, &member).await?;
    Ok(())
}

#[tokio::test]
async fn not_after_the_time_of_the_slot() -> io::Result<()> {
    let mut file = clinic_file();
    file.add(json!({
        "id": "3010", "department": "101", "doctor": "2002", "date": day(0).to_string(), "period": "AM", "type": 1,
        "fee": "50.00", "location": "", "slots": [{"serialNo": 1, "time": "00:00"}]
    }));
    let (_folder, clinic) = open(&file, &[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    patient.presubmit(3010, 1).await?.ruled_out("401003");
    patient.submit(3010, 1, &member).await?.ruled_out("401003");
    Ok(())
}

#[tokio::test]
async fn not_a_slot_that_is_taken_or_held() -> io::Result<()> {
    let (_folder, clinic) = open(&clinic_file(), &[]);
    let mut first = Patient::registered(&clinic, 1).await;
    let mut second = Patient::registered(&clinic, 2).await;
    let (his, hers) = (first.add_member(1).await, second.add_member(2).await);

    first.presubmit(MORNING, 1).await?.data();
    second.presubmit(MORNING, 1).await?.ruled_out("401005");
    second.submit(MORNING, 1, &hers).await?.ruled_out("401005");
    // A hold moves with its user, and the slot that it leaves is free again.
    first.presubmit(MORNING, 2).await?.data();
    second.presubmit(MORNING, 1).await?.data();

    book(&mut first, MORNING, 2, &his).await?;
    second.presubmit(MORNING, 2).await?.ruled_out("401004");
    second.submit(MORNING, 2, &hers).await?.ruled_out("401004");
    // Not even another member of the same account gets it.
    let theirs = first.add_member(3).await;
    first.submit(MORNING, 2, &theirs).await?.ruled_out("401004");
    Ok(())
}

#[tokio::test]
async fn not_twice_in_a_half_day() -> io::Result<()> {
    let (_folder, clinic) = open(&clinic_file(), &[]);
    let mut first = Patient::registered(&clinic, 1).await;
    let member = first.add_member(1).await;
    book(&mut first, MORNING, 1, &member).await?;
    first.submit(OTHER_DOCTOR, 1, &member).await?.ruled_out("401006");
    first.submit(MORNING, 2, &member).await?.ruled_out("401006");
    first.same_half_day(OTHER_DOCTOR, &member).await?.ruled_out("401006");
    book(&mut first, AFTERNOON, 1, &member).await?;

    // The half-day is the patient's, whichever account books.
    let mut second = Patient::registered(&clinic, 2).await;
    let same_patient = second.add_member(1).await;
    second.submit(OTHER_DOCTOR, 1, &same_patient).await?.ruled_out("401006");
    second.same_half_day(OTHER_DOCTOR, &same_patient).await?.ruled_out("401006");
    Ok(())
}

#[tokio::test]
async fn not_more_visits_a_day_than_the_clinic_allows() -> io::Result<()> {
    let (_folder, clinic) = open(&clinic_file(), &[("PATI_BOOKING__MAX_BOOKINGS_PER_PATIENT_PER_DAY", "1")]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    let id = book(&mut patient, MORNING, 1, &member).await?;
    patient.submit(AFTERNOON, 1, &member).await?.ruled_out("401007");
    book(&mut patient, NEXT_AFTERNOON, 1, &member).await?;
    patient.cancel(&id).await?.done();
    book(&mut patient, AFTERNOON, 1, &member).await?;
    Ok(())
}

#[tokio::test]
async fn not_more_visits_to_come_than_the_clinic_allows() -> io::Result<()> {
    let (_folder, clinic) = open(&clinic_file(), &[("PATI_BOOKING__MAX_ACTIVE_PER_USER", "2")]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    let id = book(&mut patient, MORNING, 1, &member).await?;
    book(&mut patient, AFTERNOON, 1, &member).await?;
    patient.presubmit(NEXT_MORNING, 1).await?.ruled_out("401008");
    patient.submit(NEXT_MORNING, 1, &member).await?.ruled_out("401008");
    patient.cancel(&id).await?.done();
    book(&mut patient, NEXT_MORNING, 1, &member).await?;
    Ok(())
}

#[tokio::test]
async fn not_more_holds_than_three() -> io::Result<()> {
    let (_folder, clinic) = open(&clinic_file(), &[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    for schedule in [MORNING, AFTERNOON, NEXT_MORNING] {
        patient.presubmit(schedule, 1).await?.data();
    }
    patient.presubmit(NEXT_AFTERNOON, 1).await?.ruled_out("401012");
    // Moving a hold within its schedule takes no further one, and booking ends it.
    patient.presubmit(MORNING, 2).await?.data();
    book(&mut patient, MORNING, 2, &member).await?;
    patient.presubmit(NEXT_AFTERNOON, 1).await?.data();
    Ok(())
}

#[tokio::test]
async fn no_cancel_after_the_deadline() -> io::Result<()> {
    // Thirty days before the slot's time: past for every slot within the horizon.
    let (_folder, clinic) = open(&clinic_file(), &[("PATI_BOOKING__CANCEL_BEFORE_MINUTES", "43200")]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    let id = book(&mut patient, MORNING, 1, &member).await?;
    patient.cancel(&id).await?.ruled_out("401010");
    assert_eq!(patient.book(&id).await?.data()["bookStatus"], 0);
    Ok(())
}

/// Nobody comes, and the day passes: in the westernmost zone it is the day of the visit, in the easternmost that day
/// is over.
#[tokio::test]
async fn who_missed_a_visit_is_barred() -> io::Result<()> {
    let now = jiff::Timestamp::now();
    let zone = |name: &str| jiff::tz::TimeZone::get(name).expect("a known zone").to_datetime(now);
    // In the hour before midnight the zone beside it, so that the slot of 23:59 is still to come.
    let west = if zone("Etc/GMT+12").hour() < 23 { "Etc/GMT+12" } else { "Etc/GMT+11" };
    let east = "Pacific/Kiritimati";
    let visit = zone(west).date();
    assert!(zone(east).date() > visit);
    let mut file = clinic_file();
    file.add(json!({
        "id": "3010", "department": "101", "doctor": "2002", "date": visit.to_string(), "period": "PM", "type": 1,
        "fee": "50.00", "location": "", "slots": [{"serialNo": 1, "time": "23:59"}]
    }));
    let no_show_limit = ("PATI_BOOKING__NO_SHOW_LIMIT", "1");
    let (folder, clinic) = open(&file, &[("PATI_CLINIC__TIME_ZONE", west), no_show_limit]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let (missing, other) = (patient.add_member(1).await, patient.add_member(2).await);
    let id = book(&mut patient, 3010, 1, &missing).await?;
    clinic.stop();

    let clinic = Clinic::start(&folder, &[("PATI_CLINIC__TIME_ZONE", east), no_show_limit]);
    let mut patient = patient.again(clinic.address).await?;
    wait_until_missed(&mut patient, &id).await?;
    patient.submit(NEXT_MORNING, 1, &missing).await?.ruled_out("401009");
    patient.cancel(&id).await?.ruled_out("401011");
    book(&mut patient, NEXT_MORNING, 1, &other).await?;
    Ok(())
}

/// Missed visits are marked soon after the start.
async fn wait_until_missed(patient: &mut Patient, id: &str) -> io::Result<()> {
    let give_up = Instant::now() + Duration::from_secs(30);
    while patient.book(id).await?.data()["bookStatus"] != 3 {
        assert!(Instant::now() < give_up, "the missed visit was not marked");
        tokio::task::yield_now().await;
    }
    Ok(())
}
