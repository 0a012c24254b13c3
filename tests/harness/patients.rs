//! What a patient's phone does: one method per endpoint.

use std::io;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::clinic::Clinic;
use super::contract;
use super::people;
use super::wire::{self, Connection, Reply};

/// The password of every invented account.
pub const PASSWORD: &str = "correct horse 9";

/// An enveloped answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub http: u16,
    pub status: String,
    pub message: Value,
    pub data: Value,
    pub reply: Reply,
}

impl Answer {
    /// Reads the envelope: its three keys, and no others.
    pub fn of(reply: Reply) -> io::Result<Self> {
        let body: Value = serde_json::from_slice(&reply.body).map_err(io::Error::other)?;
        let keys: Vec<_> = body.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let Value::String(status) = &body["status"] else { return Err(io::Error::other("no status")) };
        if keys.len() != 3 || !["data", "message", "status"].iter().all(|key| keys.contains(key)) {
            return Err(io::Error::other(format!("not an envelope: {body}")));
        }
        Ok(Self {
            http: reply.status,
            status: status.clone(),
            message: body["message"].clone(),
            data: body["data"].clone(),
            reply,
        })
    }

    pub fn is_success(&self) -> bool {
        self.status == "000"
    }

    /// The data of a success; anything else fails the test.
    #[track_caller]
    pub fn data(self) -> Value {
        assert_eq!((self.http, self.status.as_str()), (200, "000"), "{}", self.message);
        assert!(self.message.is_null(), "{}", self.message);
        self.data
    }

    /// Checks that the answer is a success without data (无).
    #[track_caller]
    pub fn done(self) {
        assert_eq!(self.data(), Value::Null);
    }

    /// Checks that the answer is this refusal: no data, a sentence for the patient.
    #[track_caller]
    pub fn refused(&self, http: u16, status: &str) {
        assert_eq!((self.http, self.status.as_str()), (http, status), "{}", self.message);
        let message = self.message.as_str().expect("a sentence");
        assert!(message.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{message}");
        assert!(self.data.is_null(), "{}", self.data);
    }

    /// Checks that a rule refused with this code.
    #[track_caller]
    pub fn ruled_out(&self, status: &str) {
        self.refused(409, status);
    }
}

/// A client with its own connection, logged in or not. As a browser does, it opens another one after a reply that
/// closes the first.
pub struct Patient {
    address: SocketAddr,
    connection: Option<Connection>,
    token: Option<String>,
}

impl Patient {
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { address, connection: Some(Connection::open(address).await?), token: None })
    }

    /// Another connection of the same login.
    pub async fn again(&self, address: SocketAddr) -> io::Result<Self> {
        Ok(Self { address, connection: Some(Connection::open(address).await?), token: self.token.clone() })
    }

    /// Registers the `n`th invented person.
    pub async fn registered(clinic: &Clinic, n: usize) -> Self {
        let mut patient = Self::connect(clinic.address).await.expect("the server listens");
        let phone = people::phone(n);
        patient.register_code(&phone).await.expect("answered").data();
        let code = clinic.code_for(&phone);
        let data = patient.register(&phone, &code, PASSWORD).await.expect("answered").data();
        patient.token = Some(data["token"].as_str().expect("a token").to_owned());
        patient
    }

    pub fn token(&self) -> &str {
        self.token.as_deref().expect("logged in")
    }

    pub fn use_token(&mut self, token: &str) {
        self.token = Some(token.to_owned());
    }

    pub async fn get(&mut self, path_and_query: &str) -> io::Result<Answer> {
        let target = format!("/pati_service/{path_and_query}");
        let request = wire::get(&target, &self.headers());
        let answer = self.send(&request).await?;
        contract::check("GET", &target, &answer);
        Ok(answer)
    }

    pub async fn post(&mut self, path: &str, body: &Value) -> io::Result<Answer> {
        self.post_with(path, body, &[]).await
    }

    pub async fn post_with(&mut self, path: &str, body: &Value, more: &[(&str, &str)]) -> io::Result<Answer> {
        let mut headers = self.headers();
        headers.extend_from_slice(more);
        let target = format!("/pati_service/{path}");
        let request = wire::post(&target, &headers, &body.to_string());
        let answer = self.send(&request).await?;
        contract::check("POST", &target, &answer);
        Ok(answer)
    }

    /// Sends a request as it is, over this patient's connection.
    pub async fn raw(&mut self, request: &[u8]) -> io::Result<Reply> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            closed => closed.insert(Connection::open(self.address).await?),
        };
        let reply = connection.send(request).await;
        if !matches!(&reply, Ok(reply) if !reply.closes()) {
            self.connection = None;
        }
        reply
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        let token = self.token.as_deref().map(|token| ("token", token));
        token.into_iter().chain([("tenantId", "1")]).collect()
    }

    async fn send(&mut self, request: &[u8]) -> io::Result<Answer> {
        Answer::of(self.raw(request).await?)
    }

    pub async fn register_code(&mut self, phone: &str) -> io::Result<Answer> {
        self.get(&format!("patient_service/register/phone_identifying_code?phone={phone}")).await
    }

    pub async fn register(&mut self, phone: &str, code: &str, password: &str) -> io::Result<Answer> {
        let body = json!({"phone": phone, "verCode": code, "password": password});
        self.post("patient_service/register", &body).await
    }

    pub async fn login(&mut self, phone: &str, password: &str) -> io::Result<Answer> {
        self.post("patient_service/login", &json!({"phone": phone, "password": password})).await
    }

    pub async fn reset_code(&mut self, phone: &str) -> io::Result<Answer> {
        self.get(&format!("patient_service/reset_password/phone_identifying_code?phone={phone}")).await
    }

    pub async fn validate_reset_code(&mut self, phone: &str, code: &str) -> io::Result<Answer> {
        let path = "patient_service/reset_password/phone_identifying_code_validate";
        self.post(path, &json!({"phone": phone, "verCode": code})).await
    }

    pub async fn reset_password(&mut self, phone: &str, code: &str, new: &str) -> io::Result<Answer> {
        let body = json!({"phone": phone, "verCode": code, "newPassword": new});
        self.post("patient_service/reset_password", &body).await
    }

    pub async fn change_password(&mut self, old: &str, new: &str) -> io::Result<Answer> {
        let body = json!({"oldPassword": old, "newPassword": new});
        self.post("patient_service/change_password", &body).await
    }

    pub async fn logout(&mut self) -> io::Result<Answer> {
        self.post("patient_service/logout", &json!({})).await
    }

    pub async fn code_for_leaving(&mut self) -> io::Result<Answer> {
        self.get("patient_service/phone/identifying_code?which=old").await
    }

    pub async fn code_for_taking(&mut self, phone: &str) -> io::Result<Answer> {
        self.get(&format!("patient_service/phone/identifying_code?which=new&phone={phone}")).await
    }

    pub async fn change_phone(&mut self, old_code: &str, new: &str, new_code: &str) -> io::Result<Answer> {
        let body = json!({"oldVerCode": old_code, "newPhone": new, "newVerCode": new_code});
        self.post("patient_service/change_phone", &body).await
    }

    pub async fn export(&mut self) -> io::Result<Answer> {
        self.get("patient_service/myinfo/export").await
    }

    pub async fn close_account(&mut self, password: &str) -> io::Result<Answer> {
        self.post("patient_service/close_account", &json!({"password": password})).await
    }

    /// Adds the `n`th invented person as a member and answers the member's id.
    pub async fn add_member(&mut self, n: usize) -> String {
        let answer = self.member(n).await.expect("answered");
        answer.data()["memberId"].as_str().expect("an id").to_owned()
    }

    pub async fn member(&mut self, n: usize) -> io::Result<Answer> {
        self.post("patient_service/member", &people::person(n)).await
    }

    pub async fn members(&mut self) -> io::Result<Answer> {
        self.get("patient_service/members").await
    }

    /// Says that a member is the `n`th invented person, reached by the `phone`th phone.
    pub async fn correct_member(&mut self, member: &str, n: usize, phone: usize) -> io::Result<Answer> {
        let mut body = people::person(n);
        body["memberId"] = json!(member);
        body["phone"] = json!(people::phone(phone));
        self.post("patient_service/member/update", &body).await
    }

    pub async fn remove_member(&mut self, member: &str) -> io::Result<Answer> {
        self.post("patient_service/member/del", &json!({"memberId": member})).await
    }

    pub async fn default_member(&mut self, member: &str) -> io::Result<Answer> {
        self.post("patient_service/member/default", &json!({"memberId": member})).await
    }

    /// A picture, or the envelope in which it is refused.
    pub async fn bar_code(&mut self, member: &str) -> io::Result<Reply> {
        let target = format!("/pati_service/wechat/query_bar_code?member_id={member}");
        let request = wire::get(&target, &self.headers());
        self.raw(&request).await
    }

    pub async fn my_info(&mut self) -> io::Result<Answer> {
        self.get("patient_service/myinfo").await
    }

    pub async fn tell_my_info(&mut self, name: &str, gender: u8, birthday: &str) -> io::Result<Answer> {
        let body = json!({"name": name, "gender": gender, "birthday": birthday});
        self.post("patient_service/myinfo", &body).await
    }

    pub async fn depts(&mut self) -> io::Result<Answer> {
        self.get("tenant_service/depts").await
    }

    pub async fn schedule(&mut self, query: &str) -> io::Result<Answer> {
        self.get(&format!("tenant_service/schedule?{query}")).await
    }

    pub async fn left_appo(&mut self, schedule: u64) -> io::Result<Answer> {
        self.get(&format!("tenant_service/schedule/left_appo?scheduleId={schedule}")).await
    }

    pub async fn presubmit(&mut self, schedule: u64, serial: u16) -> io::Result<Answer> {
        let body = json!({"scheduleId": schedule.to_string(), "serialNo": serial});
        self.post("book_service/book/presubmit", &body).await
    }

    pub async fn submit(&mut self, schedule: u64, serial: u16, member: &str) -> io::Result<Answer> {
        let body = json!({"scheduleId": schedule.to_string(), "serialNo": serial, "memberId": member});
        self.post("book_service/book/submit", &body).await
    }

    pub async fn same_half_day(&mut self, schedule: u64, member: &str) -> io::Result<Answer> {
        let body = json!({"scheduleId": schedule.to_string(), "memberId": member});
        self.post("book_service/book/schedule", &body).await
    }

    pub async fn books(&mut self, page: u32, size: u32) -> io::Result<Answer> {
        self.get(&format!("book_service/books?pageNo={page}&pageSize={size}")).await
    }

    pub async fn book(&mut self, booking: &str) -> io::Result<Answer> {
        self.get(&format!("book_service/book/{booking}")).await
    }

    pub async fn cancel(&mut self, booking: &str) -> io::Result<Answer> {
        self.post("book_service/book/cancel", &json!({"bookId": booking})).await
    }
}
