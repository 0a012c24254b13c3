//! The front desk over HTTP: who comes today, who has come and paid, and booking and cancelling on behalf of patients.

use std::io;

use domain::{BookingId, Channel, PatientId, ScheduleId, SerialNo, Status};
use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{DEPARTMENT, Half, ImportFile, day, slot_time};
use harness::patients::Patient;
use harness::{people, staff, store, wire};
use serde_json::{Value, json};
use storage::records::{Action, BookingOwner, BookingRecord, Miss, NoShowRecord, ScheduleRecord, SlotRecord};
use storage::{Commit, Scan, Storage, keys};

mod harness;

/// Dr 2001 on the morning of day 2, with slot 4 for the desk alone.
const MORNING: u64 = 3001;
/// Dr 2002 on the afternoon of day 2.
const AFTERNOON: u64 = 3002;
/// Dr 2001 on the morning of day 3.
const NEXT_MORNING: u64 = 3003;
/// The department's ordinary clinic (普通门诊) on the afternoon of day 3, for nothing.
const FREE: u64 = 3004;

fn open() -> (Folder, Clinic) {
    let mut file = ImportFile::default();
    file.doctor(2001).doctor(2002);
    file.schedule(MORNING, 2001, day(2), Half::Am, 4).schedule(AFTERNOON, 2002, day(2), Half::Pm, 4);
    file.schedule(NEXT_MORNING, 2001, day(3), Half::Am, 4);
    file.add(json!({
        "id": FREE.to_string(), "department": DEPARTMENT.to_string(), "date": day(3).to_string(), "period": "PM",
        "type": 0, "fee": "0.00", "location": "大厅", "slots": {"start": "14:00", "end": "15:00", "every_minutes": 30}
    }));
    let folder = Folder::new();
    clinic::import(&folder, &file);
    store::edit(&folder, |storage, commit| {
        change_schedule(storage, commit, MORNING, |record| {
            record.schedule.slots[3].channel = Channel::DeskOnly;
        })
    });
    clinic::add_tenant(&folder, 2);
    staff::add(&folder, &["--account", "desk", "--role", "desk"]);
    staff::add(&folder, &["--account", "doctor", "--role", "doctor", "--doctor", "2001"]);
    staff::add(&folder, &["--tenant", "2", "--account", "desk", "--role", "desk"]);
    let clinic = Clinic::start(&folder, &[]);
    (folder, clinic)
}

fn change_schedule(
    storage: &Storage,
    commit: &mut Commit,
    id: u64,
    change: impl FnOnce(&mut ScheduleRecord),
) {
    let key = keys::schedule(store::tenant(), ScheduleId::new(id).expect("an id"));
    let mut record = storage.get(&key).expect("readable").expect("imported").record;
    change(&mut record);
    commit.put(&key, &record);
}

/// A registered patient with one member, and the number of the patient's file.
struct Visitor {
    app: Patient,
    member: String,
    file: String,
}

impl Visitor {
    async fn new(clinic: &Clinic, n: usize) -> io::Result<Self> {
        let mut app = Patient::registered(clinic, n).await;
        let member = app.add_member(n).await;
        let members = app.members().await?.data();
        let file = members[0]["bindPatiId"].as_str().expect("an id").to_owned();
        Ok(Self { app, member, file })
    }

    async fn book(&mut self, schedule: u64, serial: u16) -> io::Result<String> {
        let data = self.app.submit(schedule, serial, &self.member).await?.data();
        Ok(data["bookId"].as_str().expect("an id").to_owned())
    }
}

async fn act(desk: &mut Patient, what: &str, booking: &str) -> io::Result<harness::patients::Answer> {
    desk.post(&format!("manager_service/booking/{what}"), &json!({"book_id": booking})).await
}

async fn row(desk: &mut Patient, booking: &str) -> io::Result<Value> {
    Ok(desk.get(&format!("manager_service/booking?book_id={booking}")).await?.data())
}

/// The book_ids of a list, in its order.
async fn ids(desk: &mut Patient, query: &str) -> io::Result<Vec<String>> {
    let data = desk.get(&format!("manager_service/bookings?{query}")).await?.data();
    let rows = data["list"].as_array().expect("a list");
    Ok(rows.iter().map(|row| row["book_id"].as_str().expect("an id").to_owned()).collect())
}

/// Seen to catch: a name that had to match whole.
#[tokio::test]
async fn the_desk_finds_the_bookings_of_some_days() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut desk = staff::logged_in(&clinic, "desk").await;
    let (mut one, mut two) = (Visitor::new(&clinic, 1).await?, Visitor::new(&clinic, 12).await?);
    let afternoon = one.book(AFTERNOON, 2).await?;
    let second = two.book(MORNING, 2).await?;
    let first = one.book(MORNING, 1).await?;
    let next = two.book(NEXT_MORNING, 1).await?;
    one.app.cancel(&afternoon).await?.done();
    act(&mut desk, "check_in", &second).await?.done();

    let on = |days: i32| format!("from={}", day(days));
    assert_eq!(ids(&mut desk, &on(2)).await?, [&*first, &second, &afternoon], "as they are expected");
    assert_eq!(ids(&mut desk, "").await?, [""; 0], "today");
    let both = format!("from={}&to={}", day(2), day(3));
    assert_eq!(ids(&mut desk, &both).await?, [&*first, &second, &afternoon, &next]);
    for (filter, expected) in [
        ("status=0", vec![&first, &next]),
        ("status=1", vec![&afternoon]),
        ("status=2", vec![&second]),
        ("status=3", vec![]),
        ("doctor_id=2002", vec![&afternoon]),
        ("doctor_id=2001&status=0", vec![&first, &next]),
        ("department_id=101&doctor_id=2002", vec![&afternoon]),
        ("department_id=999", vec![]),
        ("pati_name=12", vec![&second, &next]),
        ("pati_name=%E8%80%851", vec![&first, &second, &afternoon, &next]),
        ("pati_phone=00000001", vec![&first, &afternoon]),
        ("pati_phone=00000001&pati_name=12", vec![]),
        ("page_size=2&page_num=2", vec![&afternoon, &next]),
        ("page_num=9", vec![]),
    ] {
        let expected: Vec<&str> = expected.into_iter().map(String::as_str).collect();
        assert_eq!(ids(&mut desk, &format!("{both}&{filter}")).await?, expected, "{filter}");
    }
    let page = desk.get(&format!("manager_service/bookings?{both}&page_size=3")).await?.data();
    assert_eq!([&page["page_num"], &page["page_size"], &page["total"], &page["pages"]], [1, 3, 4, 2]);

    let mut expected = json!({
        "book_id": first, "date": day(2).to_string(), "time": slot_time(Half::Am, 1), "period": "AM",
        "schedule_id": MORNING.to_string(), "serial_no": 1, "department_id": "101", "department_name": "眼科",
        "doctor_id": "2001", "doctor_name": "医生2001", "pati_id": one.file, "pati_name": "患者1",
        "pati_phone": people::phone(1), "status": 0, "charge": 1, "checked_in_at": null, "booked_by": "account",
        "fee": 50.0
    });
    let number = people::id_number(1);
    expected["id_number"] = format!("{}***********{}", &number[..3], &number[14..]).into();
    let code = one.app.book(&first).await?.data()["bookCode"].clone();
    expected["book_code"] = code.clone();
    assert_eq!(page["list"][0], expected);
    assert_eq!(row(&mut desk, &first).await?, expected);
    let by_code = format!("manager_service/booking?book_code={}", code.as_str().expect("digits"));
    assert_eq!(desk.get(&format!("{by_code}&date={}", day(2))).await?.data(), expected);
    desk.get(&by_code).await?.refused(404, "0404");

    let wrong = [
        format!("from={}&to={}", day(3), day(2)),
        format!("from={}&to={}", day(0), day(31)),
        "from=tomorrow".to_owned(),
        "status=4".to_owned(),
        "doctor_id=x".to_owned(),
    ];
    for query in wrong {
        desk.get(&format!("manager_service/bookings?{query}")).await?.refused(400, "0001");
    }
    assert_eq!(ids(&mut desk, &format!("from={}&to={}", day(0), day(30))).await?.len(), 4);
    desk.get("manager_service/booking").await?.refused(400, "0001");
    Ok(())
}

/// Seen to catch: a booking by number that did not ask whose schedule it is in, and a filter by doctor that the doctor's
/// own limit replaced.
#[tokio::test]
async fn a_doctor_reads_the_own_bookings_and_nobody_those_of_another_clinic() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut doctor = staff::logged_in(&clinic, "doctor").await;
    let mut visitor = Visitor::new(&clinic, 1).await?;
    let own = visitor.book(MORNING, 1).await?;
    let others = visitor.book(AFTERNOON, 1).await?;
    let on = format!("from={}", day(2));
    assert_eq!(ids(&mut doctor, &on).await?, [&*own]);
    assert_eq!(ids(&mut doctor, &format!("{on}&doctor_id=2002")).await?, [""; 0]);
    assert_eq!(row(&mut doctor, &own).await?["book_id"], *own);
    doctor.get(&format!("manager_service/booking?book_id={others}")).await?.refused(404, "0404");
    let code = visitor.app.book(&others).await?.data()["bookCode"].as_str().expect("digits").to_owned();
    let by_code = format!("manager_service/booking?book_code={code}&date={}", day(2));
    doctor.get(&by_code).await?.refused(404, "0404");

    let token = staff::token(&clinic, 2, "desk").await;
    let headers = [("token", token.as_str())];
    let stranger = async |request: Vec<u8>| {
        let mut client = Patient::connect(clinic.address).await?;
        harness::patients::Answer::of(client.raw(&request).await?)
    };
    let path = "/pati_service/manager_service";
    stranger(wire::get(&format!("{path}/booking?book_id={own}"), &headers)).await?.refused(404, "0404");
    let listed = stranger(wire::get(&format!("{path}/bookings?{on}"), &headers)).await?.data();
    assert_eq!(listed["total"], 0);
    let body = json!({"book_id": own, "reason": "看错了"}).to_string();
    for what in ["check_in", "cash_paid", "cancel", "correct"] {
        let request = wire::post(&format!("{path}/booking/{what}"), &headers, &body);
        stranger(request).await?.refused(404, "0404");
    }
    Ok(())
}

/// Seen to catch: a free visit refused as if its status were wrong.
#[tokio::test]
async fn patients_come_pay_and_cancel_at_the_desk() -> io::Result<()> {
    let (folder, clinic) = open();
    let mut desk = staff::logged_in(&clinic, "desk").await;
    let mut visitor = Visitor::new(&clinic, 1).await?;
    let booking = visitor.book(MORNING, 1).await?;

    act(&mut desk, "cash_paid", &booking).await?.done();
    act(&mut desk, "cash_paid", &booking).await?.done();
    let paid = row(&mut desk, &booking).await?;
    assert_eq!(
        [&paid["status"], &paid["charge"], &paid["checked_in_at"]],
        [&json!(2), &json!(2), &Value::Null]
    );
    act(&mut desk, "check_in", &booking).await?.done();
    let seen = row(&mut desk, &booking).await?;
    assert!(seen["checked_in_at"].is_string(), "{seen}");
    act(&mut desk, "check_in", &booking).await?.done();
    assert_eq!(row(&mut desk, &booking).await?, seen, "once");

    let cancel = json!({"book_id": booking});
    for _ in 0..2 {
        desk.post("manager_service/booking/cancel", &cancel).await?.done();
    }
    let cancelled = row(&mut desk, &booking).await?;
    assert_eq!([&cancelled["status"], &cancelled["charge"]], [1, 3], "to be paid back");
    act(&mut desk, "cash_paid", &booking).await?.ruled_out("401011");
    act(&mut desk, "check_in", &booking).await?.ruled_out("401011");
    let books = visitor.app.books(1, 10).await?.data();
    assert_eq!(books["list"][0]["bookStatus"], 1, "the patient sees it too");

    let unpaid = visitor.book(MORNING, 2).await?;
    act(&mut desk, "cancel", &unpaid).await?.done();
    assert_eq!(row(&mut desk, &unpaid).await?["charge"], 1);
    let free = visitor.book(FREE, 1).await?;
    act(&mut desk, "cash_paid", &free).await?.ruled_out("402001");

    let too_long = json!({"book_id": booking, "reason": "字".repeat(201)});
    desk.post("manager_service/booking/correct", &too_long).await?.refused(400, "0001");
    desk.post("manager_service/booking/check_in", &json!({})).await?.refused(400, "0001");
    act(&mut desk, "check_in", "1999999999").await?.refused(404, "0404");
    act(&mut desk, "correct", &free).await?.refused(400, "0001");
    let correct = json!({"book_id": free, "reason": "已就诊"});
    desk.post("manager_service/booking/correct", &correct).await?.ruled_out("401011");

    clinic.stop();
    let written = audited(&folder);
    let about = |action| written.iter().filter(|row| **row == (action, booking.parse().ok())).count();
    let changes = [Action::CashPaid, Action::CheckedIn, Action::BookingCancelled, Action::VisitCorrected];
    assert_eq!(changes.map(about), [1, 1, 1, 0], "a row for a change, none for a repeat");
    let read = (Action::PatientRead, visitor.file.parse().ok());
    assert_eq!(written.iter().filter(|row| **row == read).count(), 5);
    Ok(())
}

/// What the audit trail says was done to what.
fn audited(folder: &Folder) -> Vec<(Action, Option<u64>)> {
    store::edit(folder, |storage, _| {
        let rows = storage.scan(&keys::audits(store::tenant()), Scan::ALL).expect("readable");
        rows.into_iter().map(|(_, row)| (row.record.action, row.record.object)).collect()
    })
}

/// Seen to catch: a booking for a member that was made as the desk's own.
#[tokio::test]
async fn the_desk_books_for_patients_and_for_members_of_accounts() -> io::Result<()> {
    let (folder, clinic) = open();
    let mut desk = staff::logged_in(&clinic, "desk").await;
    let (mut one, mut two) = (Visitor::new(&clinic, 1).await?, Visitor::new(&clinic, 2).await?);
    let wish = |schedule: u64, serial: u16, file: &str| json!({"schedule_id": schedule.to_string(), "serial_no": serial, "pati_id": file});
    let id = |data: Value| data["book_id"].as_str().expect("an id").to_owned();
    let path = "manager_service/booking";

    // Slot 4 is for the desk alone.
    one.app.submit(MORNING, 4, &one.member).await?.ruled_out("401004");
    let at_desk = wish(MORNING, 4, &one.file);
    let booking = id(desk.post(path, &at_desk).await?.data());
    assert_eq!(id(desk.post(path, &at_desk).await?.data()), booking, "a repeat");
    let shown = row(&mut desk, &booking).await?;
    assert_eq!(
        [&shown["booked_by"], &shown["serial_no"], &shown["pati_id"]],
        [&json!("desk"), &json!(4), &json!(one.file)]
    );
    assert_eq!(one.app.books(1, 10).await?.data()["total"], 0, "no account has booked it");

    // The rules are everybody's.
    desk.post(path, &wish(MORNING, 4, &two.file)).await?.ruled_out("401004");
    desk.post(path, &wish(MORNING, 2, &one.file)).await?.ruled_out("401006");
    desk.post(path, &wish(MORNING, 99, &two.file)).await?.refused(404, "0404");
    desk.post(path, &wish(9999, 1, &two.file)).await?.refused(404, "0404");
    desk.post(path, &wish(MORNING, 2, "999")).await?.refused(404, "0404");
    desk.post(path, &wish(MORNING, 2, "x")).await?.refused(400, "0001");
    desk.post(path, &json!({"schedule_id": MORNING, "serial_no": 2})).await?.refused(400, "0001");

    // For a member: the account's own booking, even in a slot that the account holds.
    two.app.presubmit(NEXT_MORNING, 1).await?.data();
    desk.post(path, &wish(NEXT_MORNING, 1, &one.file)).await?.ruled_out("401005");
    let mut for_member = wish(NEXT_MORNING, 1, &two.file);
    for_member["member_id"] = one.member.clone().into();
    desk.post(path, &for_member).await?.refused(404, "0404");
    for_member["member_id"] = two.member.clone().into();
    let booking = id(desk.post(path, &for_member).await?.data());
    assert_eq!(id(desk.post(path, &for_member).await?.data()), booking, "a repeat");
    let books = two.app.books(1, 10).await?.data();
    assert_eq!([&books["total"], &books["list"][0]["bookId"]], [&json!(1), &json!(booking)]);
    assert_eq!(row(&mut desk, &booking).await?["booked_by"], "account");
    two.app.cancel(&booking).await?.done();

    clinic.stop();
    let added: Vec<_> = audited(&folder).into_iter().filter(|row| row.0 == Action::BookingAdded).collect();
    assert_eq!(added.len(), 2);
    assert_eq!(added[1].1, booking.parse().ok(), "the row names the booking");
    Ok(())
}

/// A visit that was missed yesterday, by who is barred for it, as if the server had marked it. Seen to catch: a row of
/// the audit trail that does not say whose ban was lifted.
#[tokio::test]
async fn a_missed_visit_is_corrected_and_a_ban_is_lifted() -> io::Result<()> {
    let (folder, clinic) = open();
    let (mut one, two) = (Visitor::new(&clinic, 1).await?, Visitor::new(&clinic, 2).await?);
    let booking = one.book(MORNING, 1).await?;
    clinic.stop();
    let yesterday = miss(&folder, &booking, &one.file, &two.file);
    let clinic = Clinic::start(&folder, &[]);
    let mut desk = staff::logged_in(&clinic, "desk").await;

    let bans = desk.get("manager_service/bans").await?.data();
    let until = day(29).to_string();
    let missed = [&yesterday; 3];
    let row_of = |n: usize, file: &str, until: &str| {
        let (name, phone) = (format!("患者{n}"), people::phone(n));
        json!({"pati_id": file, "pati_name": name, "pati_phone": phone, "missed_dates": missed, "barred_until": until})
    };
    let rows = [row_of(2, &two.file, &day(30).to_string()), row_of(1, &one.file, &until)];
    assert_eq!([&bans["total"], &bans["list"]], [&json!(2), &json!(rows)]);
    let wish = json!({"schedule_id": NEXT_MORNING, "serial_no": 1, "pati_id": two.file});
    desk.post("manager_service/booking", &wish).await?.ruled_out("401009");

    for _ in 0..2 {
        desk.post("manager_service/ban/lift", &json!({"pati_id": two.file})).await?.done();
    }
    desk.post("manager_service/booking", &wish).await?.data();
    desk.post("manager_service/ban/lift", &json!({"pati_id": "999"})).await?.refused(404, "0404");
    assert_eq!(desk.get("manager_service/bans").await?.data()["total"], 1);

    // Two missed visits are below the limit, so the correction ends the other ban.
    let correct = json!({"book_id": booking, "reason": "患者已到诊，漏签到"});
    assert_eq!(row(&mut desk, &booking).await?["status"], 3);
    for _ in 0..2 {
        desk.post("manager_service/booking/correct", &correct).await?.done();
    }
    let corrected = row(&mut desk, &booking).await?;
    assert_eq!(corrected["status"], 2);
    assert!(corrected["checked_in_at"].is_string());
    let schedule = corrected["schedule_id"].as_str().expect("an id");
    let schedule = desk.get(&format!("manager_service/schedule?schedule_id={schedule}")).await?.data();
    let notes = schedule["notes"].as_array().expect("a list");
    let told = |note: &Value| (note["change"].clone(), note["book_id"].clone(), note["reason"].clone());
    let notes: Vec<_> = notes.iter().map(told).collect();
    assert_eq!(notes, [(json!("visit_corrected"), json!(booking), correct["reason"].clone())], "once");
    assert_eq!(desk.get("manager_service/bans").await?.data()["total"], 0);

    let count = desk.get(&format!("manager_service/statistics?from={yesterday}")).await?.data();
    let [visited, missed] = [&count["total"]["visited"], &count["total"]["no_show"]];
    assert_eq!([visited, missed], [1, 0], "past days count");
    clinic.stop();
    let lifted = (Action::BanLifted, two.file.parse().ok());
    assert_eq!(audited(&folder).into_iter().filter(|row| *row == lifted).count(), 1);
    Ok(())
}

/// Moves the booking's schedule to yesterday and marks it as missed; bars both patients.
fn miss(folder: &Folder, booking: &str, patient: &str, other: &str) -> String {
    let zone = domain::ClinicZone::fixed_hours(8);
    let yesterday = zone.date_of(store::now()).saturating_add_days(-1);
    let booking = BookingId::parse(booking).expect("an id");
    store::edit(folder, |storage, commit| {
        let tenant = store::tenant();
        change_schedule(storage, commit, MORNING, |record| record.schedule.date = yesterday);
        let slot =
            keys::slot(tenant, ScheduleId::new(MORNING).expect("an id"), SerialNo::new(1).expect("a number"));
        let SlotRecord { owner, .. } = storage.get(&slot).expect("readable").expect("booked").record;
        assert_ne!(owner, BookingOwner::Desk);
        let key = keys::booking(tenant, owner, booking);
        let mut missed = storage.get(&key).expect("readable").expect("booked").record.0;
        missed.date = yesterday;
        missed.status = Status::NoShow { at: store::now() };
        commit.put(&key, &BookingRecord(missed));
        for (patient, days) in [(patient, 30), (other, 31)] {
            let patient = PatientId::parse(patient).expect("an id");
            let until = yesterday.saturating_add_days(days);
            let misses = [booking.get(), 7, 8].map(|id| BookingId::new(id).expect("an id"));
            let misses = misses.map(|booking| Miss { date: yesterday, booking }).to_vec();
            commit.put(&keys::no_show(tenant, patient), &NoShowRecord { misses, banned_until: Some(until) });
        }
    });
    yesterday.to_string()
}
