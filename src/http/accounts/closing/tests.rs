//! Which files go with an account and which stay, and who is too late when an account is closed.

use domain::{
    Booking, BookingCode, BookingId, Canceller, Charge, ClinicKind, Date, DepartmentId, Fen, MemberId, Owner,
    Period, ScheduleId, SerialNo, StaffId,
};
use serde_json::json;
use storage::records::{ActiveEntry, ActiveRecord, BookingOwner, BookingRecord, VisitRecord};

use super::*;
use crate::http::accounts::fixture::{Clinic, NOW, PASSWORD, tenant};
use crate::http::bookings;
use crate::http::claimant::Claimant;
use crate::http::limits::ClientNetwork;
use crate::http::members::admit_for_tests as admit;
use crate::http::patients::save_for_tests as save;

const WOMAN: &str = "11010519491231002X";
const MAN: &str = "440524188001010014";

async fn add(clinic: &Clinic, patient: Patient, id_number: &str) -> Result<MemberId, ErrorCode> {
    let (name, gender, birthday) = match id_number {
        WOMAN => ("李芳", 2, "1949-12-31"),
        _ => ("王伟", 1, "1880-01-01"),
    };
    let body = json!({
        "name": name, "gender": gender, "birthday": birthday, "IDNo": id_number, "phone": "13800000001"
    });
    admit(&clinic.app, patient, &body).await
}

async fn close(clinic: &Clinic, patient: Patient) -> Result<(), ErrorCode> {
    close_by_password(claimant(clinic), patient).await.map_err(|refusal| refusal.code())
}

fn claimant(clinic: &Clinic) -> Claimant<'_> {
    let network = ClientNetwork::around(std::net::Ipv4Addr::LOCALHOST.into());
    let password = Password::parse(PASSWORD).expect("long enough");
    Claimant { app: &clinic.app, tenant: tenant(), network, password, traced: None, fits: None }
}

fn patients_of(clinic: &Clinic, patient: Patient) -> Vec<PatientId> {
    let stored = clinic.app.storage.get(&keys::members(tenant(), patient.user)).expect("readable");
    let members = stored.map(|stored| stored.record.members).unwrap_or_default();
    members.iter().map(|entry| entry.patient).collect()
}

fn is_on_file(clinic: &Clinic, patient: PatientId) -> bool {
    clinic.app.storage.contains(&keys::patient(tenant(), patient)).expect("readable")
}

fn date(text: &str) -> Date {
    Date::parse(text).expect("a date")
}

fn booking(id: u64, patient: PatientId, owner: Owner, status: Status) -> Booking {
    Booking {
        id: BookingId::new(id).expect("an id"),
        code: BookingCode::new(7).expect("a code"),
        schedule: ScheduleId::new(3001).expect("an id"),
        serial: SerialNo::new(1).expect("a number"),
        owner,
        patient,
        date: date("2027-01-10"),
        period: Period::Am,
        starts_at: NOW,
        department: DepartmentId::new(101).expect("an id"),
        doctor: None,
        kind: ClinicKind::Expert,
        fee: Fen::new(5_000).expect("a fee"),
        booked_at: NOW,
        status,
        charge: Charge::Unpaid,
        checked_in_at: None,
    }
}

async fn put_booking(clinic: &Clinic, booking: &Booking) {
    let mut commit = Commit::new();
    let key = keys::booking(tenant(), BookingOwner::of(booking), booking.id);
    commit.put(&key, &BookingRecord::from(booking));
    clinic.app.storage.commit(commit).await.expect("stored");
}

/// Seen to fail when only the bookings of the account itself were looked at, when only visits to come were (their
/// keys are swept two days later), and when a cancelled booking kept the file.
#[actix_web::test]
async fn a_file_stays_where_the_clinic_has_seen_or_expects_the_patient() {
    let clinic = Clinic::new();
    let stranger = clinic.registered(9).await;
    let by = Canceller::Patient;
    let cases = [
        ("own, cancelled", Status::Cancelled { at: NOW, by }, false, false),
        ("own, visited", Status::Registered { at: NOW }, false, true),
        ("own, missed", Status::NoShow { at: NOW }, false, true),
        ("own, past and not marked", Status::Booked, false, true),
        ("the desk's, visited", Status::Registered { at: NOW }, true, true),
        ("the desk's, cancelled", Status::Cancelled { at: NOW, by }, true, false),
    ];
    for (round, (case, status, at_desk, stays)) in cases.into_iter().enumerate() {
        let account = clinic.registered(round as u8).await;
        let member = add(&clinic, account, WOMAN).await.expect("added");
        let patient = patients_of(&clinic, account)[0];
        let owner = match at_desk {
            true => Owner::Desk { staff: StaffId::new(5).expect("an id") },
            false => Owner::Account { user: account.user, member },
        };
        let made = booking(100 + round as u64, patient, owner, status);
        put_booking(&clinic, &made).await;
        close(&clinic, account).await.expect(case);
        assert_eq!(is_on_file(&clinic, patient), stays, "{case}");
        let row = bookings::row(&clinic.app, tenant(), &made).expect("listed all the same");
        let row = serde_json::to_value(row).expect("JSON");
        assert_eq!(row["memberName"], if stays { "李芳" } else { "" }, "{case}");
        if stays {
            // Found by the number again. So that the next round begins without the file:
            add(&clinic, stranger, WOMAN).await.expect("the same person");
            assert_eq!(patients_of(&clinic, stranger), [patient], "{case}");
            forget(&clinic, stranger, patient).await;
        }
    }
}

/// Removes a file and the booking that keeps it, as if neither had been.
async fn forget(clinic: &Clinic, stranger: Patient, patient: PatientId) {
    let file = File::read(&clinic.app, tenant(), patient).expect("readable").expect("on file");
    let mut commit = Commit::new();
    file.erase(&mut commit);
    commit.delete(&keys::members(tenant(), stranger.user));
    clinic.app.storage.commit(commit).await.expect("stored");
}

/// Seen to fail when nobody looked at the members of other accounts.
#[actix_web::test]
async fn a_file_stays_that_another_account_refers_to() {
    let clinic = Clinic::new();
    let (closing, other) = (clinic.registered(1).await, clinic.registered(2).await);
    add(&clinic, closing, WOMAN).await.expect("added");
    add(&clinic, closing, MAN).await.expect("added");
    add(&clinic, other, MAN).await.expect("added");
    let files = patients_of(&clinic, closing);
    close(&clinic, closing).await.expect("closed");
    assert_eq!(files.iter().map(|file| is_on_file(&clinic, *file)).collect::<Vec<_>>(), [false, true]);
    assert_eq!(patients_of(&clinic, other), files[1..]);
}

/// Seen to fail when adding a member to a file did not write the file again.
#[actix_web::test]
async fn whoever_makes_a_patient_a_member_meanwhile_finds_the_file() {
    let clinic = Clinic::new();
    for round in 0..8 {
        let (closing, other) = (clinic.registered(2 * round).await, clinic.registered(2 * round + 1).await);
        add(&clinic, closing, WOMAN).await.expect("added");
        let file = patients_of(&clinic, closing)[0];
        let app = &clinic.app;
        // What closing has read and decided, when the other adds the member.
        let members = MembersRecord { members: members_of(&clinic, closing) };
        let mut late = Commit::new();
        for file in files_to_erase(app, closing, &members).await.expect("readable").into_values() {
            file.erase(&mut late);
        }
        add(&clinic, other, WOMAN).await.expect("added");
        let answer = outcome(app.storage.commit(late).await).expect("no failure");
        assert_eq!(answer, Outcome::Outdated);
        // And both at once, whatever comes first.
        let third = clinic.registered(50 + round).await;
        let (closed, added) = tokio::join!(close(&clinic, other), add(&clinic, third, WOMAN));
        closed.expect("closed");
        added.expect("added");
        close(&clinic, closing).await.expect("closed");
        let found = patients_of(&clinic, third);
        assert!(is_on_file(&clinic, found[0]));
        assert_eq!(found, [file], "it was never without an account");
        close(&clinic, third).await.expect("closed");
        assert!(!is_on_file(&clinic, file));
    }
}

/// What the desk writes of a patient, without and with what it notes.
fn at_the_desk(id_number: &str) -> serde_json::Value {
    json!({
        "pati_name": "李芳", "pati_gender": 2, "pati_birthday": "1949-12-31", "pati_phone": "13800000001",
        "pati_id_number": id_number
    })
}

/// Seen to fail when nobody looked at what the desk notes, and when neither the desk wrote the patient's record nor erasing
/// required that nothing is noted.
#[actix_web::test]
async fn a_file_stays_that_the_desk_has_opened_or_changed() {
    let clinic = Clinic::new();
    let (app, desk) = (&clinic.app, clinic.desk().await);
    let closing = clinic.registered(1).await;
    add(&clinic, closing, WOMAN).await.expect("added");
    let patient = patients_of(&clinic, closing)[0];
    assert_eq!(app.patients.len(), 1);

    // What closing has read and decided, when the desk opens the file.
    let read = Account::of_patient(app, closing).expect("there");
    let late = erasure(app, closing, &read).await.expect("nothing keeps it");
    assert_eq!(late.patients, [patient]);
    let (found, _) = save(app, desk, &at_the_desk(WOMAN)).await.expect("the same person");
    assert_eq!(found, patient);
    assert_eq!(outcome(app.storage.commit(late.commit).await).expect("no failure"), Outcome::Outdated);

    close(&clinic, closing).await.expect("closed");
    assert!(is_on_file(&clinic, patient));
    assert_eq!(app.patients.len(), 1);

    // Without the desk it goes, out of the index too.
    let other = clinic.registered(2).await;
    add(&clinic, other, MAN).await.expect("added");
    assert_eq!(app.patients.len(), 2);
    close(&clinic, other).await.expect("closed");
    assert_eq!(app.patients.len(), 1);
}

fn members_of(clinic: &Clinic, patient: Patient) -> Vec<storage::records::MemberEntry> {
    let stored = clinic.app.storage.get(&keys::members(tenant(), patient.user)).expect("readable");
    stored.map(|stored| stored.record.members).unwrap_or_default()
}

/// Seen to fail when a past visit counted, and when the record of live bookings was not looked at.
#[actix_web::test]
async fn only_visits_to_come_keep_an_account_open() {
    let clinic = Clinic::new();
    let account = clinic.registered(1).await;
    let key = keys::active(tenant(), account.user);
    let today = clinic.app.policy.zone.date_of(NOW);
    for (days, refusal) in
        [(1, Some(ErrorCode::AccountHasBookings)), (0, Some(ErrorCode::AccountHasBookings)), (-1, None)]
    {
        let entry = ActiveEntry {
            booking: BookingId::new(1).expect("an id"),
            schedule: ScheduleId::new(3001).expect("an id"),
            serial: SerialNo::new(1).expect("a number"),
            date: today.saturating_add_days(days),
        };
        let mut commit = Commit::new();
        commit.put(&key, &ActiveRecord { entries: vec![entry] });
        clinic.app.storage.commit(commit).await.expect("stored");
        assert_eq!(close(&clinic, account).await.err(), refusal, "{days}");
    }
}

/// Seen to fail when closing did not require the record of members it had read, and when a login did not write the
/// account's record.
#[actix_web::test]
async fn what_is_added_to_an_account_meanwhile_is_not_left_behind() {
    let clinic = Clinic::new();
    let app = &clinic.app;
    let account = clinic.registered(1).await;
    let read = Account::of_patient(app, account).expect("there");
    let late = erasure(app, account, &read).await.expect("nothing keeps it");
    add(&clinic, account, WOMAN).await.expect("added");
    assert_eq!(outcome(app.storage.commit(late.commit).await).expect("no failure"), Outcome::Outdated);

    let late = erasure(app, account, &read).await.expect("nothing keeps it");
    crate::http::accounts::login::log_in(claimant(&clinic), &read.personal.phone)
        .await
        .map(|_| ())
        .expect("in");
    assert_eq!(outcome(app.storage.commit(late.commit).await).expect("no failure"), Outcome::Outdated);

    let file = patients_of(&clinic, account)[0];
    close(&clinic, account).await.expect("closed");
    assert!(!is_on_file(&clinic, file));
    assert_eq!(add(&clinic, account, WOMAN).await, Err(ErrorCode::NotLoggedIn));
}

/// Seen to fail when only the first piece was read.
#[actix_web::test]
async fn a_long_range_is_read_in_pieces_and_each_record_once() {
    let clinic = Clinic::new();
    let patient = PatientId::new(1).expect("an id");
    let mut commit = Commit::new();
    for day in 0..(2 * PIECE as i32 + 3) {
        let key = keys::visit(tenant(), patient, date("2027-01-01").saturating_add_days(day), Period::Am);
        commit.put(&key, &VisitRecord { booking: BookingId::new(day as u64 + 1).expect("an id") });
    }
    clinic.app.storage.commit(commit).await.expect("stored");
    let mut seen = Vec::new();
    for_each(&clinic.app.storage, keys::visits_of(tenant(), patient), |_, visit| {
        seen.push(visit.booking.get())
    })
    .expect("readable");
    assert_eq!(seen, (1..=(2 * PIECE as u64 + 3)).collect::<Vec<_>>());
}
