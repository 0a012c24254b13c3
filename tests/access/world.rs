//! Two clinics with the same ids, and everybody who calls them.

use std::io;

use serde_json::{Value, json};
use simulator::{App, Endpoint, Simulator};

use crate::harness::clinic::{self, Clinic};
use crate::harness::folder::Folder;
use crate::harness::import::{DEPARTMENT, Half, ImportFile, day};
use crate::harness::patients::{Answer, PASSWORD, Patient};
use crate::harness::till::until;
use crate::harness::{contract, pay, people, staff, wire};
use crate::rows::{Call, Ids, Row, Who};

/// What does not exist in either clinic.
const NOWHERE: &str = "1999999999";

/// The number of the account that may end.
const LEAVER: usize = 7;

type Headers<'a> = &'a [(&'a str, &'a str)];

/// Two clinics with the same ids, and who calls them.
pub struct World {
    pub wechat: Simulator,
    pub clinic: Clinic,
    pub client: Patient,
    /// The account that owns the member and the booking.
    pub owner: String,
    /// An account that may end.
    pub leaver: String,
    /// An account that may be logged out.
    pub guest: String,
    /// Another account of the same clinic.
    pub neighbour: String,
    /// An account of the other clinic.
    pub stranger: String,
    /// The staff of the first clinic.
    pub admin: String,
    pub desk: String,
    pub doctor: String,
    /// A login of the desk that may end.
    pub desk_guest: String,
    /// A member of the desk who may lose the password.
    pub desk_leaver: String,
    /// The administrator of the other clinic.
    pub foreign_admin: String,
    pub ids: Ids,
}

impl World {
    pub async fn new(folder: &Folder) -> io::Result<Self> {
        let mut file = ImportFile::default();
        file.doctor(2001).schedule(3001, 2001, day(2), Half::Am, 5).schedule(3002, 2001, day(3), Half::Am, 5);
        file.schedule(3003, 2001, day(4), Half::Am, 5);
        clinic::import(folder, &file);
        clinic::add_tenant(folder, 2);
        staff::add(folder, &["--account", "admin", "--role", "admin"]);
        staff::add(folder, &["--account", "desk", "--role", "desk"]);
        staff::add(folder, &["--account", "leaver", "--role", "desk"]);
        staff::add(folder, &["--account", "doctor", "--role", "doctor", "--doctor", "2001"]);
        let colleague = staff::add(folder, &["--account", "colleague", "--role", "desk"]);
        staff::add(folder, &["--tenant", "2", "--account", "admin", "--role", "admin"]);
        pay::bind_open_ids(folder);
        let wechat = pay::simulator();
        let app = App::simulated(1);
        let mut settings = pay::settings(&wechat);
        settings.push(("PATI_WECHAT__API_BASE", wechat.url()));
        let clinic = Clinic::start(folder, &pay::borrowed(&settings));
        let mut client = Patient::connect(clinic.address).await?;
        let mut owner = Patient::registered(&clinic, 1).await;
        let member = owner.add_member(1).await;
        let booked = owner.submit(3002, 1, &member).await?.data();
        let booking = booked["bookId"].as_str().expect("an id").to_owned();
        let second_member = owner.add_member(4).await;
        let leaver = Patient::registered(&clinic, LEAVER).await.token().to_owned();
        let guest = Patient::registered(&clinic, 8).await.token().to_owned();
        let mut neighbour = Patient::registered(&clinic, 2).await;
        let neighbours = neighbour.add_member(2).await;
        let desk_booking = neighbour.submit(3001, 4, &neighbours).await?.data()["bookId"].clone();
        let desk_patient = neighbour.members().await?.data()[0]["bindPatiId"].clone();
        let text = |id: Value| id.as_str().expect("an id").to_owned();
        let stranger = register_in_second_clinic(&clinic, &mut client).await?;
        let phone = people::phone(9);
        let no_code = "000000".to_owned();
        let (template, exception) = plan(&clinic).await?;
        let desk = staff::token(&clinic, 1, "desk").await;
        let patient = owner.members().await?.data()[0]["bindPatiId"].as_str().expect("an id").to_owned();
        let label = made_label(&clinic, &desk).await?;
        let ids = Ids {
            schedule: "3001".to_owned(),
            empty_schedule: "3003".to_owned(),
            doctor: "2001".to_owned(),
            template,
            exception,
            member,
            second_member,
            booking,
            patient,
            label,
            desk_booking: text(desk_booking),
            desk_patient: text(desk_patient),
            phone,
            code: no_code.clone(),
            leaver_code: no_code,
            colleague,
            pay_conf: pay::conf(&wechat),
            prepay: String::new(),
            trade_no: "1-1999999999".to_owned(),
            app_id: app.app_id,
            app_secret: app.secret,
            oauth_code: "nonsense".to_owned(),
            oauth_state: "nonsense".to_owned(),
        };
        let admin = staff::token(&clinic, 1, "admin").await;
        let doctor = staff::token(&clinic, 1, "doctor").await;
        let desk_guest = staff::token(&clinic, 1, "desk").await;
        let desk_leaver = staff::token(&clinic, 1, "leaver").await;
        let foreign_admin = staff::token(&clinic, 2, "admin").await;
        Ok(Self {
            wechat,
            clinic,
            client,
            owner: owner.token().to_owned(),
            leaver,
            guest,
            neighbour: neighbour.token().to_owned(),
            stranger,
            admin,
            desk,
            doctor,
            desk_guest,
            desk_leaver,
            foreign_admin,
            ids,
        })
    }

    pub async fn ask(&mut self, row: &Row, ids: &Ids, headers: Headers<'_>) -> io::Result<Answer> {
        let Call { target, body } = (row.call)(ids);
        let path = match row.path.split_once('{') {
            Some((start, _)) => format!("/pati_service{start}{target}"),
            None => format!("/pati_service{}{target}", row.path),
        };
        let request = match row.method {
            "GET" => wire::get(&path, headers),
            // A text stands for itself: it is no JSON.
            _ => wire::post(&path, headers, &body.as_str().map_or_else(|| body.to_string(), str::to_owned)),
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
    pub async fn prepare(&mut self, row: &Row) -> io::Result<()> {
        match row.path {
            "/patient_service/register"
            | "/patient_service/reset_password/phone_identifying_code_validate" => {
                self.ids.code = self.clinic.code_for(&self.ids.phone);
            }
            "/book_service/pay/appo_order" => {
                let mut admin = Patient::connect(self.clinic.address).await?;
                admin.use_token(&self.admin);
                admin.post("wechat/pay_conf", &self.ids.pay_conf).await?.done();
            }
            "/wx/jsapi/paysign" => {
                self.ids.prepay = self.wechat.orders()[0].prepay_id.clone();
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
            // The order of what is cancelled stays to be closed.
            "/book_service/book/cancel" => {
                self.wechat.script_always(Endpoint::PayQuery, simulator::Answer::Reset);
            }
            "/manager_service/payments/retry" => {
                let mut admin = Patient::connect(self.clinic.address).await?;
                admin.use_token(&self.admin);
                until("the order is to be closed", async || {
                    let listed = admin.get("manager_service/payments?state=closing").await?.data();
                    let first = listed["list"][0]["out_trade_no"].as_str().map(str::to_owned);
                    self.ids.trade_no = first.unwrap_or_default();
                    Ok(!self.ids.trade_no.is_empty())
                })
                .await?;
            }
            "/wechat/oauth/login" => {
                let owner = [("token", self.owner.as_str())];
                let target = "/pati_service/wechat/oauth/url?redirect_uri=http://127.0.0.1/";
                let begun = Answer::of(self.client.raw(&wire::get(target, &owner)).await?)?.data();
                self.ids.oauth_state = begun["state"].as_str().expect("a state").to_owned();
                let person = App::simulated(1).people[0].open_id.clone();
                let code = self.wechat.code_for(&self.ids.app_id, &person);
                self.ids.oauth_code = code.expect("a code");
            }
            _ => {}
        }
        Ok(())
    }

    /// What nobody may do but those of the row.
    pub async fn refuses_others(&mut self, row: &Row) -> io::Result<()> {
        let ids = self.ids.clone();
        let asked = format!("{} {}", row.method, row.path);
        let (patient, admin) = (self.owner.clone(), self.admin.clone());
        let (desk, doctor) = (self.desk.clone(), self.doctor.clone());
        let insider = if row.who == Who::Patient { &patient } else { &admin };
        let mut refusals: Vec<(&str, Headers<'_>, u16, &str)> = vec![
            ("nobody", &[], 401, "0401"),
            ("nobody, for a clinic", &[("tenantId", "1")], 401, "0401"),
            ("a forger", &[("token", "x.y.z")], 401, "0401"),
        ];
        let for_another = [("token", insider.as_str()), ("tenantId", "2")];
        let for_none = [("token", insider.as_str()), ("tenantId", "77")];
        refusals.push(("who may, for another clinic", &for_another, 403, "0403"));
        refusals.push(("who may, for no clinic", &for_none, 404, "0404"));
        let outsiders: &[(&str, &String)] = match row.who {
            Who::Anyone | Who::LoggedIn => &[],
            Who::Patient => &[("the administrator", &admin), ("a doctor", &doctor)],
            Who::Staff => &[("a patient", &patient)],
            Who::Desk => &[("a patient", &patient), ("a doctor", &doctor)],
            Who::Admin => &[("a patient", &patient), ("a doctor", &doctor), ("the desk", &desk)],
        };
        let headers: Vec<_> =
            outsiders.iter().map(|(name, token)| (*name, [("token", token.as_str())])).collect();
        for (name, headers) in &headers {
            refusals.push((name, headers, 403, "0403"));
        }
        for (caller, headers, http, status) in refusals {
            let answer = self.ask(row, &ids, headers).await?;
            assert_eq!((answer.http, answer.status.as_str()), (http, status), "{caller}: {asked}");
            assert!(answer.data.is_null(), "{caller}: {asked}");
        }
        Ok(())
    }

    /// To everybody else who may call it, what belongs to the owner is as if it did not exist.
    pub async fn hides_what_is_owned(&mut self, row: &Row) -> io::Result<()> {
        let ids = self.ids.clone();
        let nowhere = || NOWHERE.to_owned();
        let missing = Ids {
            member: nowhere(),
            second_member: nowhere(),
            booking: nowhere(),
            colleague: nowhere(),
            empty_schedule: nowhere(),
            doctor: nowhere(),
            template: nowhere(),
            exception: nowhere(),
            patient: nowhere(),
            label: nowhere(),
            desk_booking: nowhere(),
            desk_patient: nowhere(),
            trade_no: format!("1-{NOWHERE}"),
            ..ids.clone()
        };
        let others = match row.who {
            Who::Anyone | Who::Patient | Who::LoggedIn => vec![self.neighbour.clone(), self.stranger.clone()],
            Who::Staff | Who::Desk | Who::Admin => vec![self.foreign_admin.clone()],
        };
        for token in others {
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

/// A template and a holiday of the first clinic.
async fn plan(clinic: &Clinic) -> io::Result<(String, String)> {
    let mut admin = staff::logged_in(clinic, "admin").await;
    let template = json!({
        "department_id": DEPARTMENT, "weekday": 1, "period": "AM", "start": "08:00", "end": "12:00", "slot_count": 10,
        "type": 0, "fee": "9.50", "valid_from": day(0).to_string()
    });
    let template = admin.post("manager_service/template", &template).await?.data();
    let exception = json!({"from": day(90).to_string()});
    let exception = admin.post("manager_service/exception", &exception).await?.data();
    let text = |id: &Value| id.as_str().expect("an id").to_owned();
    Ok((text(&template["template_id"]), text(&exception["exception_id"])))
}

/// Makes a label and answers its id.
async fn made_label(clinic: &Clinic, token: &str) -> io::Result<String> {
    let mut desk = Patient::connect(clinic.address).await?;
    desk.use_token(token);
    let label = json!({"label_name": "高血压", "label_type": 2});
    desk.post("manager_service/save_group_label", &label).await?.done();
    let listed = desk.get("manager_service/list?label_type=2").await?.data();
    Ok(listed["list"][0]["label_id"].as_str().expect("an id").to_owned())
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
