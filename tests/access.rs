//! T15: who may call what, walked over every route of the server, with two clinics.
//!
//! A route without a row here fails the test. Each row is asked for by everybody who may not, which changes nothing, and
//! then succeeds for who may: a refusal that comes for another reason would otherwise go unnoticed. What is somebody
//! else's is answered exactly as what does not exist.

use std::collections::BTreeSet;
use std::io;

use domain::{StaffId, Timestamp};
use harness::clinic::{self, Clinic};
use harness::contract;
use harness::folder::Folder;
use harness::import::{DEPARTMENT, Half, ImportFile, day};
use harness::patients::{Answer, PASSWORD, Patient};
use harness::people;
use harness::wire;
use pati_service::http::routes;
use pati_service::tokens::{Identity, Subject, Tokens};
use serde_json::{Value, json};

mod harness;

/// What does not exist in either clinic.
const NOWHERE: &str = "1999999999";

type Headers<'a> = &'a [(&'a str, &'a str)];

/// The number of the account that may end.
const LEAVER: usize = 7;

const NEW_PASSWORD: &str = "another horse 10";

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Anyone, for a clinic.
    Anyone,
    /// A logged-in patient.
    Patient,
}

/// What a caller asks with.
struct Call {
    /// What comes behind the route: a query with its `?`, or the value of a parameter in the path.
    target: String,
    body: Value,
}

fn query(text: String) -> Call {
    Call { target: if text.is_empty() { text } else { format!("?{text}") }, body: Value::Null }
}

fn body(body: Value) -> Call {
    Call { target: String::new(), body }
}

/// One route: who may call it, and how a call is made with these ids.
struct Row {
    method: &'static str,
    path: &'static str,
    who: Who,
    call: fn(&Ids) -> Call,
    /// Whether the call names something that belongs to the account.
    owned: bool,
    /// Who calls when it is to succeed.
    caller: Caller,
    /// Whether a success is a file instead of an envelope.
    is_file: bool,
}

/// Which account of the first clinic calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// The one that owns the member and the booking.
    Owner,
    /// One that may lose its password, its phone and itself.
    Leaver,
    /// One that may lose its login.
    Guest,
}

/// The ids that a call names.
#[derive(Clone, Debug)]
struct Ids {
    schedule: String,
    member: String,
    /// A member without bookings.
    second_member: String,
    booking: String,
    phone: String,
    code: String,
    /// The code that was sent to the leaver's phone.
    leaver_code: String,
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("GET", "/patient_service/register/phone_identifying_code", Who::Anyone, |ids| query(format!("phone={}", ids.phone))),
    row("POST", "/patient_service/register", Who::Anyone, |ids| body(json!({"phone": ids.phone, "verCode": ids.code, "password": PASSWORD}))),
    row("POST", "/patient_service/login", Who::Anyone, |ids| body(json!({"phone": ids.phone, "password": PASSWORD}))),

    row("GET", "/patient_service/reset_password/phone_identifying_code", Who::Anyone, |ids| query(format!("phone={}", ids.phone))),
    row("POST", "/patient_service/reset_password/phone_identifying_code_validate", Who::Anyone, |ids| body(json!({"phone": ids.phone, "verCode": ids.code}))),
    row("POST", "/patient_service/reset_password", Who::Anyone, |ids| body(json!({"phone": ids.phone, "verCode": ids.code, "newPassword": NEW_PASSWORD}))),
    Row { caller: Caller::Guest, ..row("POST", "/patient_service/logout", Who::Patient, |_| body(json!({}))) },
    leaving("POST", "/patient_service/change_password", |_| body(json!({"oldPassword": PASSWORD, "newPassword": NEW_PASSWORD}))),
    row("GET", "/patient_service/phone/identifying_code", Who::Patient, |ids| query(format!("which=new&phone={}", ids.phone))),
    leaving("POST", "/patient_service/change_phone", |ids| body(json!({"oldVerCode": ids.leaver_code, "newPhone": ids.phone, "newVerCode": ids.code}))),
    row("GET", "/patient_service/myinfo/export", Who::Patient, |_| query(String::new())),
    leaving("POST", "/patient_service/close_account", |_| body(json!({"password": NEW_PASSWORD}))),

    row("POST", "/patient_service/member", Who::Patient, |_| body(people::person(3))),
    owned("POST", "/patient_service/member/update", |ids| body(changed(people::person(1), &ids.member))),
    owned("POST", "/patient_service/member/default", |ids| body(json!({"memberId": ids.member}))),
    owned("POST", "/patient_service/member/del", |ids| body(json!({"memberId": ids.second_member}))),
    row("GET", "/patient_service/members", Who::Patient, |_| query(String::new())),
    Row { is_file: true, ..owned("GET", "/wechat/query_bar_code", |ids| query(format!("member_id={}", ids.member))) },
    row("GET", "/patient_service/myinfo", Who::Patient, |_| query(String::new())),
    row("POST", "/patient_service/myinfo", Who::Patient, |_| body(json!({"name": "小明", "gender": 1, "birthday": "1990-03-07"}))),
    row("POST", "/patient_service/myinfo/upload_picture", Who::Patient, |_| body(json!({"file_extension": "png", "file_type": "image/png"}))),
    row("GET", "/wechat/service_info", Who::Anyone, |_| query(String::new())),

    row("GET", "/tenant_service/depts", Who::Anyone, |_| query(String::new())),
    row("GET", "/tenant_service/schedule", Who::Anyone, |_| query(format!("deptId={DEPARTMENT}&doctorId=2001&date={}", day(2)))),
    row("GET", "/tenant_service/schedule_by_date", Who::Anyone, |_| query(format!("deptId={DEPARTMENT}&date={}", day(2)))),
    row("GET", "/tenant_service/schedule_by_doctor", Who::Anyone, |_| query(format!("deptId={DEPARTMENT}"))),
    row("GET", "/tenant_service/schedule/info", Who::Anyone, |_| query(format!("deptId={DEPARTMENT}&doctorId=2001"))),
    row("GET", "/tenant_service/schedule/left_appo", Who::Anyone, |ids| query(format!("scheduleId={}", ids.schedule))),

    row("POST", "/book_service/book/presubmit", Who::Patient, |ids| body(json!({"scheduleId": ids.schedule, "serialNo": 2}))),
    owned("POST", "/book_service/book/schedule", |ids| body(json!({"scheduleId": ids.schedule, "memberId": ids.member}))),
    owned("POST", "/book_service/book/submit", |ids| body(json!({"scheduleId": ids.schedule, "serialNo": 2, "memberId": ids.member}))),
    row("GET", "/book_service/books", Who::Patient, |_| query(String::new())),
    owned("GET", "/book_service/book/{bookId}", |ids| Call { target: ids.booking.clone(), body: Value::Null }),
    owned("POST", "/book_service/book/cancel", |ids| body(json!({"bookId": ids.booking}))),
];

const fn row(method: &'static str, path: &'static str, who: Who, call: fn(&Ids) -> Call) -> Row {
    Row { method, path, who, call, owned: false, caller: Caller::Owner, is_file: false }
}

/// A patient's route whose call names something that belongs to the account.
const fn owned(method: &'static str, path: &'static str, call: fn(&Ids) -> Call) -> Row {
    Row { owned: true, ..row(method, path, Who::Patient, call) }
}

/// A patient's route that ends something of the account.
const fn leaving(method: &'static str, path: &'static str, call: fn(&Ids) -> Call) -> Row {
    Row { caller: Caller::Leaver, ..row(method, path, Who::Patient, call) }
}

/// The person as this member.
fn changed(mut person: Value, member: &str) -> Value {
    person["memberId"] = member.into();
    person
}

/// Two clinics with the same ids, and who calls them.
struct World {
    clinic: Clinic,
    client: Patient,
    /// The account that owns the member and the booking.
    owner: String,
    /// An account that may end.
    leaver: String,
    /// An account that may be logged out.
    guest: String,
    /// Another account of the same clinic.
    neighbour: String,
    /// An account of the other clinic.
    stranger: String,
    /// A member of the staff, whose session does not exist.
    staff: String,
    ids: Ids,
}

impl World {
    async fn new(folder: &Folder) -> io::Result<Self> {
        let mut file = ImportFile::default();
        file.doctor(2001).schedule(3001, 2001, day(2), Half::Am, 5).schedule(3002, 2001, day(3), Half::Am, 5);
        clinic::import(folder, &file);
        clinic::add_tenant(folder, 2);
        let clinic = Clinic::start(folder, &[]);
        let mut client = Patient::connect(clinic.address).await?;
        let mut owner = Patient::registered(&clinic, 1).await;
        let member = owner.add_member(1).await;
        let booked = owner.submit(3002, 1, &member).await?.data();
        let booking = booked["bookId"].as_str().expect("an id").to_owned();
        let second_member = owner.add_member(4).await;
        let leaver = Patient::registered(&clinic, LEAVER).await.token().to_owned();
        let guest = Patient::registered(&clinic, 8).await.token().to_owned();
        let neighbour = Patient::registered(&clinic, 2).await.token().to_owned();
        let stranger = register_in_second_clinic(&clinic, &mut client).await?;
        let phone = people::phone(9);
        let no_code = "000000".to_owned();
        let ids = Ids {
            schedule: "3001".to_owned(),
            member,
            second_member,
            booking,
            phone,
            code: no_code.clone(),
            leaver_code: no_code,
        };
        let staff = staff_token(folder, owner.token());
        Ok(Self {
            clinic,
            client,
            owner: owner.token().to_owned(),
            leaver,
            guest,
            neighbour,
            stranger,
            staff,
            ids,
        })
    }

    async fn ask(&mut self, row: &Row, ids: &Ids, headers: Headers<'_>) -> io::Result<Answer> {
        let Call { target, body } = (row.call)(ids);
        let path = match row.path.split_once('{') {
            Some((start, _)) => format!("/pati_service{start}{target}"),
            None => format!("/pati_service{}{target}", row.path),
        };
        let request = match row.method {
            "GET" => wire::get(&path, headers),
            _ => wire::post(&path, headers, &body.to_string()),
        };
        let reply = self.client.raw(&request).await?;
        if row.is_file && reply.status == 200 {
            let data = json!({"bytes": reply.body.len()});
            return Ok(Answer { http: 200, status: "000".to_owned(), message: Value::Null, data, reply });
        }
        let answer = Answer::of(reply)?;
        contract::check(row.method, &path, &answer);
        Ok(answer)
    }

    /// Asks for the codes that a row needs when it is to succeed.
    async fn prepare(&mut self, row: &Row) -> io::Result<()> {
        match row.path {
            "/patient_service/register"
            | "/patient_service/reset_password/phone_identifying_code_validate" => {
                self.ids.code = self.clinic.code_for(&self.ids.phone);
            }
            "/patient_service/change_phone" => {
                self.ids.phone = people::phone(10);
                let leaver = [("token", self.leaver.as_str())];
                let target = "/pati_service/patient_service/phone/identifying_code?which=";
                let old = wire::get(&format!("{target}old"), &leaver);
                Answer::of(self.client.raw(&old).await?)?.done();
                self.ids.leaver_code = self.clinic.code_for(&people::phone(LEAVER));
                let new = wire::get(&format!("{target}new&phone={}", self.ids.phone), &leaver);
                Answer::of(self.client.raw(&new).await?)?.done();
                self.ids.code = self.clinic.code_for(&self.ids.phone);
            }
            _ => {}
        }
        Ok(())
    }

    /// What nobody but a patient may do.
    async fn refuses_others(&mut self, row: &Row) -> io::Result<()> {
        let ids = self.ids.clone();
        let (owner, staff) = (self.owner.clone(), self.staff.clone());
        let asked = format!("{} {}", row.method, row.path);
        let refusals: [(&str, Headers<'_>, u16, &str); 6] = [
            ("nobody", &[], 401, "0401"),
            ("nobody, for a clinic", &[("tenantId", "1")], 401, "0401"),
            ("a forger", &[("token", "x.y.z")], 401, "0401"),
            ("the staff", &[("token", &staff)], 403, "0403"),
            ("a patient, for another clinic", &[("token", &owner), ("tenantId", "2")], 403, "0403"),
            ("a patient, for no clinic", &[("token", &owner), ("tenantId", "77")], 404, "0404"),
        ];
        for (caller, headers, http, status) in refusals {
            let answer = self.ask(row, &ids, headers).await?;
            assert_eq!((answer.http, answer.status.as_str()), (http, status), "{caller}: {asked}");
            assert!(answer.data.is_null(), "{caller}: {asked}");
        }
        Ok(())
    }

    /// To everybody else, what belongs to the owner is as if it did not exist.
    async fn hides_what_is_owned(&mut self, row: &Row) -> io::Result<()> {
        let ids = self.ids.clone();
        let nowhere = || NOWHERE.to_owned();
        let missing = Ids { member: nowhere(), second_member: nowhere(), booking: nowhere(), ..ids.clone() };
        for token in [self.neighbour.clone(), self.stranger.clone()] {
            let headers = [("token", token.as_str())];
            let theirs = self.ask(row, &ids, &headers).await?;
            let nobodys = self.ask(row, &missing, &headers).await?;
            assert!(!theirs.is_success(), "{} {}", row.method, row.path);
            let told = |answer: &Answer| (answer.http, answer.status.clone(), answer.message.clone());
            assert_eq!(told(&theirs), told(&nobodys), "{} {}", row.method, row.path);
        }
        Ok(())
    }
}

/// With the phone of the first clinic's owner: the two accounts have nothing in common.
async fn register_in_second_clinic(clinic: &Clinic, client: &mut Patient) -> io::Result<String> {
    let phone = people::phone(1);
    let tenant = [("tenantId", "2")];
    let target = format!("/pati_service/patient_service/register/phone_identifying_code?phone={phone}");
    Answer::of(client.raw(&wire::get(&target, &tenant)).await?)?.done();
    let body = json!({"phone": phone, "verCode": clinic.code_for(&phone), "password": PASSWORD}).to_string();
    let request = wire::post("/pati_service/patient_service/register", &tenant, &body);
    let data = Answer::of(client.raw(&request).await?)?.data();
    Ok(data["token"].as_str().expect("a token").to_owned())
}

/// A token of the staff, signed with the server's own key.
fn staff_token(folder: &Folder, of_patient: &str) -> String {
    let text = std::fs::read_to_string(folder.store().join("keys/jwt.key")).expect("a key");
    let digits: Vec<char> = text.trim().chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("hex");
    let key: Vec<u8> = digits.chunks(2).map(byte).collect();
    let tokens = Tokens::new(&key).expect("a key");
    let said = tokens.verify(of_patient, Timestamp::from_millis(0)).expect("genuine");
    let subject = Subject::Staff(StaffId::new(1).expect("an id"));
    tokens.issue(&Identity { subject, ..said }).expect("signed")
}

/// Seen to fail when a route had no row, when `books` forgot to ask for a token, when a booking was looked up without
/// its owner, and when the tenant of the header was not compared with that of the token.
#[tokio::test]
async fn every_route_is_for_whom_it_is_for() -> io::Result<()> {
    let served: BTreeSet<_> =
        routes::contract().iter().map(|route| (route.method.to_string(), route.path.to_owned())).collect();
    let rows: BTreeSet<_> = ROWS.iter().map(|row| (row.method.to_owned(), row.path.to_owned())).collect();
    assert_eq!(served, rows, "routes on the left, rows on the right");

    let folder = Folder::new();
    let mut world = World::new(&folder).await?;
    for row in ROWS {
        world.prepare(row).await?;
        let ids = world.ids.clone();
        match row.who {
            Who::Anyone => {
                let answer = world.ask(row, &ids, &[("tenantId", "77")]).await?;
                answer.refused(404, "0404");
                world.ask(row, &ids, &[("tenantId", "1")]).await?.data();
            }
            Who::Patient => {
                world.refuses_others(row).await?;
                if row.owned {
                    world.hides_what_is_owned(row).await?;
                }
                let token = match row.caller {
                    Caller::Owner => world.owner.clone(),
                    Caller::Leaver => world.leaver.clone(),
                    Caller::Guest => world.guest.clone(),
                };
                world.ask(row, &ids, &[("token", &token)]).await?.data();
            }
        }
    }
    world.clinic.stop();
    Ok(())
}
