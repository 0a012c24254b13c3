//! T18: hostile input on every described route. The routes, their parameters and their bodies come from the server's
//! own description, so that a new route is covered without a line here.

use std::fmt::Write;
use std::io;
use std::net::Ipv4Addr;

use harness::clinic::{self, Clinic};
use harness::contract;
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::{Answer, PASSWORD, Patient};
use harness::people;
use harness::staff;
use harness::wire::Reply;
use pati_service::http::openapi;
use serde_json::{Value, json};
use simulator::{App, Options, Simulator};

mod harness;

/// Where a parameter stands in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Path,
    Query,
    Header,
    Body,
}

#[derive(Clone, Debug)]
struct Parameter {
    place: Place,
    name: String,
    /// What the route accepts, as far as can be told.
    usual: Value,
}

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Open,
    Patient,
    Staff,
}

#[derive(Debug)]
struct Route {
    method: String,
    path: String,
    door: Door,
    parameters: Vec<Parameter>,
    /// Whether a body is described that is no JSON: a form, or XML.
    takes_other: bool,
}

/// What is put in the place of a parameter.
#[derive(Clone, Debug)]
enum Hostile {
    Missing,
    /// The bytes of a text, which may not be UTF-8; in JSON between quotes.
    Text(Vec<u8>),
    /// As it is, in a JSON body only.
    Json(String),
    /// As it is, in a query or path only.
    Encoded(&'static str),
}

impl Hostile {
    fn texts() -> impl Iterator<Item = Self> {
        #[rustfmt::skip]
        let texts = [
            "", " ", "null", "undefined", "true", "a", "-", "0", "-0", "-1", "+1", "01", "1.5", "1e3", "0x10",
            "9007199254740991", "9007199254740993", "9223372036854775807", "9223372036854775808",
            "-9223372036854775809", "18446744073709551616", "1e308", "-1e999", "NaN", "Infinity",
            "2026-02-30", "2026-13-01", "0000-00-00", "2026-02-29 25:61:61", "99999-12-31", "-0001-01-01",
            "9999-12-31", "1900-01-01", "24:00", "\0", "1\0", "\u{1}\u{7}\u{1b}[2J", "\r\nX-Injected: 1", "\u{7f}", "\u{85}",
            "😀", "👨\u{200d}👩\u{200d}👧", "\u{202e}1", "\u{feff}1", "１２３", "٣", "e\u{301}", "ﷺ", "' OR '1'='1", "1;--",
            "../../../etc/passwd", "%00", "<script>alert(1)</script>", "${jndi:ldap://x}", "{{7*7}}", "*", "\\", "\"", "[]",
        ];
        let bytes: [&[u8]; 4] = [b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"1\xf0\x9f"];
        // A URL of more than 64 KiB is refused before any route is known.
        let long = [300, 5_000].map(|length| "长".repeat(length));
        let digits = "9".repeat(5_000);
        let all = texts.iter().map(|text| text.as_bytes().to_vec()).chain(bytes.map(<[u8]>::to_vec));
        let all: Vec<_> = all.chain(long.map(String::into_bytes)).chain([digits.into_bytes()]).collect();
        all.into_iter().map(Self::Text)
    }

    /// What can be put there.
    fn all_for(place: Place) -> Vec<Self> {
        let texts = Self::texts();
        match place {
            Place::Path | Place::Query => {
                let encoded =
                    ["%", "%zz", "%u0041", "a%2", "%ff%fe", "+", "%C0%80", "1&1=1", "%2e%2e%2f", ";"];
                [Self::Missing].into_iter().chain(texts).chain(encoded.map(Self::Encoded)).collect()
            }
            // What no header can hold is refused before any route is known.
            Place::Header => {
                let holds = |byte: &u8| *byte >= b' ' && *byte != 0x7f;
                let fits = |text: &Self| matches!(text, Self::Text(bytes) if bytes.iter().all(holds));
                texts.filter(fits).collect()
            }
            Place::Body => {
                let literals = [
                    "null",
                    "true",
                    "false",
                    "0",
                    "-0",
                    "-1",
                    "1.5",
                    "1e3",
                    "1e308",
                    "1e999",
                    "-1E-999",
                    "9007199254740993",
                    "9223372036854775808",
                    "-9223372036854775809",
                    "18446744073709551616",
                    "[]",
                    "{}",
                    "[1]",
                    "[null]",
                    "[[[[]]]]",
                    "{\"a\":{\"b\":[1,{}]}}",
                    "[{\"label_id\":null}]",
                    "\"\\ud800\"",
                    "\"\\u0000\"",
                    "NaN",
                    "01",
                    "'a'",
                    "",
                    "\"",
                    "\"\t\"",
                ];
                let many = format!("[{}1]", "1,".repeat(20_000));
                let literals = literals
                    .map(str::to_owned)
                    .into_iter()
                    .chain([many, format!("\"{}\"", "长".repeat(50_000))])
                    .map(Self::Json);
                [Self::Missing].into_iter().chain(texts).chain(literals).collect()
            }
        }
    }
}

/// Bodies that are wrong as a whole, whatever the route wants.
fn hostile_bodies() -> Vec<(Vec<u8>, &'static str)> {
    let deep =
        |begin: &str, end: &str| format!("{}1{}", begin.repeat(10_000), end.repeat(10_000)).into_bytes();
    let mut bodies: Vec<(Vec<u8>, &'static str)> = vec![
        (deep("[", "]"), "0001"),
        (deep("{\"a\":", "}"), "0001"),
        ([b"{\"a\":".to_vec(), deep("[", "]"), b"}".to_vec()].concat(), "0001"),
        (b"[".repeat(200_000), "0001"),
        (format!("{{\"a\":\"{}\"}}", "a".repeat(300 * 1024)).into_bytes(), "0413"),
        (b" ".repeat(300 * 1024), "0413"),
        (b"{\"a\":\"\xff\"}".to_vec(), "0001"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec(), "0001"),
        (b"\0".to_vec(), "0001"),
    ];
    let not_objects = [
        "[]",
        "[{}]",
        "null",
        "true",
        "1",
        "\"a\"",
        "x",
        "{",
        "}",
        "{}{}",
        "{\"a\"}",
        "{\"a\":1,}",
        "\u{feff}{}",
        "phone=1&a=2",
        "<a/>",
        "--x\r\n\r\n",
        "{1:2}",
        "{null:1}",
    ];
    bodies.extend(not_objects.map(|text| (text.as_bytes().to_vec(), "0001")));
    bodies
}

/// The routes of the description; the usual values are those of the clinic of the test.
fn routes(usual: &Value) -> Vec<Route> {
    let document = serde_json::to_value(openapi::document()).expect("JSON");
    let mut routes = Vec::new();
    for ((method, path), operation) in contract::described() {
        let mut parameters: Vec<Parameter> = Vec::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let place = match parameter["in"].as_str().expect("a place") {
                "path" => Place::Path,
                "query" => Place::Query,
                "header" => Place::Header,
                other => panic!("{path}: parameters in {other} are not known here"),
            };
            parameters.push(described(place, &parameter["name"], &parameter["schema"], usual));
        }
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        let takes_other = operation["requestBody"].is_object() && body.is_null();
        let body = match body["$ref"].as_str() {
            Some(name) => document.pointer(name.trim_start_matches('#')).expect("a schema"),
            None => body,
        };
        for (name, schema) in body["properties"].as_object().into_iter().flatten() {
            parameters.push(described(Place::Body, &json!(name), schema, usual));
        }
        let is_secured = operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty());
        let is_managing = operation["tags"][0].as_str().is_some_and(|tag| tag.starts_with("管理"));
        if path.ends_with("/notify") {
            // The other types tell of bookings, and nobody asks for them.
            for parameter in parameters.iter_mut().filter(|parameter| parameter.name == "wech_temp_type") {
                parameter.usual = json!(5);
            }
        }
        if path.ends_with("/service_info") {
            // The hotline is printed on the wall, and nobody's own phone.
            for parameter in parameters.iter_mut().filter(|parameter| parameter.name == "phone") {
                parameter.usual = json!("010-12345678");
            }
        }
        let door = match (is_secured, is_managing) {
            (false, _) => Door::Open,
            (true, false) => Door::Patient,
            (true, true) => Door::Staff,
        };
        routes.push(Route { method, path, door, parameters, takes_other });
    }
    routes.sort_by(|a, b| (&a.path, &a.method).cmp(&(&b.path, &b.method)));
    routes
}

fn described(place: Place, name: &Value, schema: &Value, usual: &Value) -> Parameter {
    let name = name.as_str().expect("a name").to_owned();
    let by_type = || {
        let types = schema["type"].to_string();
        let of = |kind: &str| types.contains(kind);
        match () {
            () if of("integer") || of("number") => json!(1),
            () if of("boolean") => json!(true),
            () if of("array") => json!([]),
            () if of("object") => json!({}),
            () => json!("1"),
        }
    };
    let value = usual.get(&name).cloned().unwrap_or_else(by_type);
    Parameter { place, name, usual: value }
}

fn encoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("written to memory");
        }
    }
    text
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Route {
    /// A request with the usual values but for one of them.
    fn request(&self, more_headers: &str, exception: Option<(&Parameter, &Hostile)>) -> Vec<u8> {
        let mut path = self.path.clone();
        let mut query: Vec<Vec<u8>> = Vec::new();
        let mut headers = more_headers.as_bytes().to_vec();
        let mut members: Vec<Vec<u8>> = Vec::new();
        for parameter in &self.parameters {
            let is_this = |other: &&Parameter| other.place == parameter.place && other.name == parameter.name;
            let hostile = exception.and_then(|(other, hostile)| Some(other).filter(is_this).map(|_| hostile));
            let bytes = match hostile {
                Some(Hostile::Missing) => {
                    path = path.replace(&format!("{{{}}}", parameter.name), "");
                    continue;
                }
                Some(Hostile::Text(bytes)) => bytes.clone(),
                Some(Hostile::Json(text)) => text.clone().into_bytes(),
                Some(Hostile::Encoded(text)) => text.as_bytes().to_vec(),
                None => plain(&parameter.usual).into_bytes(),
            };
            let in_url = match hostile {
                Some(Hostile::Encoded(text)) => (*text).to_owned(),
                Some(Hostile::Missing | Hostile::Text(_) | Hostile::Json(_)) | None => encoded(&bytes),
            };
            let name = &parameter.name;
            match parameter.place {
                Place::Path => path = path.replace(&format!("{{{name}}}"), &in_url),
                Place::Query => query.push(format!("{name}={in_url}").into_bytes()),
                Place::Header => headers.extend([name.as_bytes(), b": ", &bytes, b"\r\n"].concat()),
                Place::Body => {
                    let value = match hostile {
                        Some(Hostile::Text(bytes)) => json_text(bytes),
                        Some(Hostile::Missing | Hostile::Json(_) | Hostile::Encoded(_)) => bytes,
                        None => parameter.usual.to_string().into_bytes(),
                    };
                    members.push([format!("\"{name}\":").as_bytes(), &value].concat());
                }
            }
        }
        if !query.is_empty() {
            path = format!("{path}?{}", String::from_utf8_lossy(&query.join(&b'&')));
        }
        let body = [b"{".to_vec(), members.join(&b','), b"}".to_vec()].concat();
        self.with_body(&path, &headers, &body)
    }

    fn with_body(&self, target: &str, headers: &[u8], body: &[u8]) -> Vec<u8> {
        let head = format!("{} {target} HTTP/1.1\r\nHost: localhost\r\n", self.method);
        let body_head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        match self.method.as_str() {
            "GET" => [head.as_bytes(), headers, b"\r\n"].concat(),
            _ => [head.as_bytes(), headers, body_head.as_bytes(), body].concat(),
        }
    }
}

/// A text between quotes; what is not UTF-8 stays as it is.
fn json_text(bytes: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text).to_string().into_bytes(),
        Err(_) => [b"\"", bytes, b"\""].concat(),
    }
}

/// Administrators, one after the other: routes may log them out, disable them and change their passwords.
const ADMINISTRATORS: usize = 8;

/// Who asks: patients, each with an account of its own for as long as it stands, and administrators.
struct Callers<'a> {
    clinic: &'a Clinic,
    patient: Patient,
    count: usize,
    admin: Patient,
    admins: usize,
    /// How many addresses have asked so far: each sends a few wrong passwords at most, and is never slowed down.
    addresses: u32,
}

impl<'a> Callers<'a> {
    async fn first(clinic: &'a Clinic) -> Self {
        let admin = staff::logged_in(clinic, "admin1").await;
        let patient = Patient::registered(clinic, 1).await;
        Self { clinic, patient, count: 1, admin, admins: 1, addresses: 0 }
    }

    /// Makes sure that whom the route lets in is logged in, and answers the headers that say so.
    async fn headers(&mut self, door: Door) -> io::Result<String> {
        let token = match door {
            Door::Open => return Ok(self.with_another_address("")),
            Door::Patient => self.token().await?,
            Door::Staff => self.admin_token().await?,
        };
        Ok(self.with_another_address(&format!("token: {token}\r\n")))
    }

    fn with_another_address(&mut self, headers: &str) -> String {
        self.addresses += 1;
        format!("{headers}X-Forwarded-For: {}\r\n", Ipv4Addr::from_bits((10 << 24) + self.addresses))
    }

    async fn admin_token(&mut self) -> io::Result<String> {
        while self.admin.get("manager_service/audit").await?.status == "0401" {
            self.admins += 1;
            assert!(self.admins <= ADMINISTRATORS, "more administrators are needed");
            self.admin = staff::logged_in(self.clinic, &format!("admin{}", self.admins)).await;
        }
        Ok(self.admin.token().to_owned())
    }

    /// The token of somebody who is logged in: routes may log out, and close accounts.
    async fn token(&mut self) -> io::Result<String> {
        if self.patient.members().await?.status == "0401" {
            self.count += 1;
            self.patient = Patient::registered(self.clinic, self.count).await;
        }
        Ok(self.patient.token().to_owned())
    }
}

/// What a reply says.
struct Verdict {
    status: String,
    /// Empty for a success.
    message: String,
}

/// Checks that a reply is a success or a refusal, in the envelope and as described.
#[track_caller]
fn judge(route: &Route, asked: &str, reply: Reply) -> Verdict {
    let place = format!("{} {} with {asked}", route.method, route.path);
    assert!(reply.status < 500, "{place}: {}", String::from_utf8_lossy(&reply.body));
    if reply.status < 400 && reply.header("content-type") != Some("application/json") {
        return Verdict { status: "000".to_owned(), message: String::new() };
    }
    let answer = Answer::of(reply).unwrap_or_else(|error| panic!("{place}: {error}"));
    assert_eq!(answer.http == 200, answer.is_success(), "{place}: {} {}", answer.http, answer.status);
    contract::check(&route.method, &route.path, &answer);
    Verdict { status: answer.status, message: answer.message.as_str().unwrap_or_default().to_owned() }
}

fn shortened(hostile: &Hostile) -> String {
    format!("{hostile:?}").chars().take(100).collect()
}

/// A clinic with the WeChat that it talks to, somebody with a member and a booking, and what such a person would send.
async fn open() -> ((Folder, Simulator), Clinic, Value) {
    let folder = Folder::new();
    let simulator = Simulator::start(Options::default()).expect("the simulator starts");
    let (app, wechat) = (App::simulated(1), simulator.url());
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(3001, 2001, day(2), Half::Am, 9).schedule(3002, 2001, day(2), Half::Pm, 9);
    clinic::import(&folder, &file);
    for number in 1..=ADMINISTRATORS {
        staff::add(&folder, &["--account", &format!("admin{number}"), "--role", "admin"]);
    }
    let settings = [
        ("PATI_SMS__PER_PHONE_PER_DAY", "0"),
        ("PATI_SERVER__TRUSTED_PROXIES", "[\"127.0.0.1/32\"]"),
        ("PATI_WECHAT__API_BASE", wechat.as_str()),
    ];
    let clinic = Clinic::start(&folder, &settings);
    let mut usual = json!({
        "tenantId": "1", "deptId": "101", "doctorId": "2001", "date": day(2).to_string(), "scheduleId": "3001",
        "serialNo": 1, "phone": people::phone(1), "password": PASSWORD, "oldPassword": PASSWORD,
        "newPassword": PASSWORD, "verCode": "123456", "name": "王小明", "IDNo": people::id_number(9),
        "gender": people::gender(&people::id_number(9)), "birthday": people::birthday(&people::id_number(9))
    });
    let of_staff = json!({
        "department_id": "101", "doctor_id": "2001", "schedule_id": "3001", "serial_no": 2, "period": "AM", "weekday": 1,
        "start": "08:00", "end": "11:00", "slot_count": 3, "desk_only": 1, "type": 0, "fee": "9.50", "location": "二楼",
        "valid_from": day(0).to_string(), "valid_to": day(60).to_string(), "from": day(0).to_string(),
        "to": day(6).to_string(), "times": "12:00", "first_serial_no": 10, "departments": ["101"], "reason": "医生请假",
        "label_type": 1, "order_type": 1, "label_name": "高血压", "pati_name": "患者8", "pati_gender": "1",
        "pati_birthday": "1990-03-07", "pati_phone": people::phone(8), "role": "desk", "account": "desk.1",
        "group_by": "day", "appo_notice": "请提前到", "status": 0, "enabled": 1, "title": "主任医师"
    });
    let of_notifications = json!({
        "state": "sent", "kind": "booked", "order": "newest", "notification_id": "1-1-3", "client_id": "1",
        "user_id": "1000000000", "values": {"thing1": "已回复"}
    });
    let of_wechat = json!({
        "app_id": app.app_id, "app_secret": app.secret, "auth_url": "127.0.0.1", "url": "http://127.0.0.1/",
        "redirect_uri": "http://127.0.0.1/", "token": "test", "wech_temp_id": "a"
    });
    let all = usual.as_object_mut().expect("an object");
    all.extend(of_staff.as_object().expect("an object").clone());
    all.extend(of_notifications.as_object().expect("an object").clone());
    all.extend(of_wechat.as_object().expect("an object").clone());
    ((folder, simulator), clinic, usual)
}

/// Seen to fail when a text of more than 200 bytes made a handler panic, when a number that does not fit was answered
/// with 0099, and when bytes that are not UTF-8 were.
#[tokio::test]
async fn whatever_is_sent_is_answered_or_refused() -> io::Result<()> {
    let (_kept, clinic, mut usual) = open().await;
    let mut callers = Callers::first(&clinic).await;
    let member = callers.patient.add_member(1).await;
    let booked = callers.patient.submit(3002, 1, &member).await?.data();
    usual["memberId"] = json!(member);
    usual["bookId"] = booked["bookId"].clone();

    let routes = routes(&usual);
    assert!(routes.len() > 10, "the description has all routes");
    let (mut requests, mut successes) = (0, 0);
    for route in &routes {
        let mut let_in = false;
        for parameter in &route.parameters {
            let headers = callers.headers(route.door).await?;
            for hostile in Hostile::all_for(parameter.place) {
                let headers = callers.with_another_address(&headers);
                let request = route.request(&headers, Some((parameter, &hostile)));
                let asked = || format!("{} = {}", parameter.name, shortened(&hostile));
                let reply = callers.patient.raw(&request).await;
                let reply = reply.unwrap_or_else(|error| panic!("{} with {}: {error}", route.path, asked()));
                let Verdict { status, .. } = judge(route, &asked(), reply);
                let_in |= !["0401", "0403"].contains(&status.as_str());
                requests += 1;
                successes += usize::from(status == "000");
            }
        }
        // Without a caller who may, nothing behind the door was tried.
        assert!(let_in, "{} {} let nobody in: it needs another caller", route.method, route.path);
    }
    // A route has its tenant at least.
    assert!(requests > 30 * routes.len(), "{requests}");
    assert!(successes > routes.len(), "what may be sent is answered: {successes}");
    assert!(!clinic.has_logged("request failed"), "{}", clinic.log().join("\n"));
    clinic.stop();
    Ok(())
}

/// Seen to fail when an array was taken for an object without members, when what follows the object was not looked at,
/// and when the size was not.
#[tokio::test]
async fn a_body_that_is_none_is_refused_by_every_route() -> io::Result<()> {
    let (_kept, clinic, usual) = open().await;
    let mut callers = Callers::first(&clinic).await;
    let mut requests = 0;
    for route in routes(&usual).iter().filter(|route| route.method == "POST" && !route.takes_other) {
        for (body, expected) in hostile_bodies() {
            let headers = callers.headers(route.door).await?;
            let request = route.with_body(&route.path, headers.as_bytes(), &body);
            let asked = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            let reply = callers.patient.raw(&request).await;
            let reply = reply.unwrap_or_else(|error| panic!("{} with {asked}: {error}", route.path));
            let Verdict { status, message } = judge(route, &asked, reply);
            assert_eq!(status, expected, "{} with {asked}", route.path);
            assert!(
                expected != "0001" || message == "请求内容格式不正确",
                "{} with {asked}: {message}",
                route.path
            );
            requests += 1;
        }
    }
    assert!(requests > 100, "{requests}");
    clinic.stop();
    Ok(())
}

/// Seen to fail when the first of two members of the same name counted, and when who has a false token was told to be
/// somebody else (0403).
#[tokio::test]
async fn doubled_members_and_false_tokens_are_refused() -> io::Result<()> {
    let (_kept, clinic, usual) = open().await;
    let mut callers = Callers::first(&clinic).await;
    let mut requests = 0;
    for route in &routes(&usual) {
        let body: Vec<_> =
            route.parameters.iter().filter(|parameter| parameter.place == Place::Body).collect();
        for doubled in &body {
            let headers = callers.headers(route.door).await?;
            let mut members: Vec<_> =
                body.iter().map(|member| format!("\"{}\":{}", member.name, member.usual)).collect();
            // Nothing takes both an object and an array.
            let wrong = if doubled.usual.is_object() { "[1]" } else { "{\"a\":1}" };
            members.push(format!("\"{}\":{wrong}", doubled.name));
            let text = format!("{{{}}}", members.join(","));
            let request = route.with_body(&route.path, headers.as_bytes(), text.as_bytes());
            let Verdict { status, .. } = judge(route, &text, callers.patient.raw(&request).await?);
            assert_eq!(status, "0001", "{} with {text}", route.path);
            requests += 1;
        }
        if route.door == Door::Open {
            continue;
        }
        for token in ["", "null", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", &"a".repeat(20_000), "😀"] {
            let reply = callers.patient.raw(&route.request(&format!("token: {token}\r\n"), None)).await?;
            let Verdict { status, .. } = judge(route, token, reply);
            assert_eq!(status, "0401", "{} with token {token:.40}", route.path);
            requests += 1;
        }
    }
    assert!(requests > 50, "{requests}");
    clinic.stop();
    Ok(())
}
