//! docs/h5.md against the server: every request in it is made, in its order, and answered as it says.
//!
//! Ids, tokens, codes and dates differ from run to run. Where a reply differs from its example in one of these, the
//! example stands for the real one from there on.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;

use harness::clinic::{self, Clinic};
use harness::contract;
use harness::folder::Folder;
use harness::import::{DEPARTMENT, ImportFile, day};
use harness::patients::{Answer, Patient};
use harness::{pay, staff, wire};
use pati_service::http::routes;
use serde_json::{Value, json};
use simulator::{App, Simulator};

mod harness;

const DOCUMENT: &str = include_str!("../docs/h5.md");

/// The days of the document, and how many days from today they are.
const DAYS: [(&str, i32); 2] = [("2026-12-01", 2), ("2026-12-02", 3)];

/// The members of replies that no document can foresee.
const VARIABLE: &[&str] = &[
    "token",
    "userId",
    "memberId",
    "bookId",
    "bookCode",
    "bookTime",
    "age",
    "memberAge",
    "policy",
    "signature",
    "key",
    "url",
    "file_id",
    "avatar",
    "patiImg",
    "created_at",
    "expires_at",
    "given_at",
    "out_trade_no",
    "prepay_id",
    "nonce_str",
    "timestamp",
    "paySign",
    "nonceStr",
    "state",
    "open_id",
];

/// The code that WeChat gives to the browser of the document.
const OAUTH_CODE: &str = "021aBcDe0fGhIj1kLmNo2pQrSt3uVwXy";

/// The parameters that carry a code from a text message.
const CODES: &[&str] = &["verCode", "oldVerCode", "newVerCode"];

/// A request of the document, and the reply that it is said to get; none for one that is no JSON.
struct Example {
    line: usize,
    request: String,
    reply: Option<String>,
}

/// The blocks ```` ```http ````, each with the ```` ```json ```` that follows before the next.
fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut block: Option<(String, String)> = None;
    for (index, line) in DOCUMENT.lines().enumerate() {
        match (&mut block, line.strip_prefix("```")) {
            (None, Some(kind)) => block = Some((kind.to_owned(), String::new())),
            (Some((kind, text)), Some(_)) => {
                match (kind.as_str(), examples.last_mut()) {
                    ("http", _) => {
                        examples.push(Example { line: index + 1, request: text.clone(), reply: None });
                    }
                    ("json", Some(last)) => last.reply = Some(text.clone()),
                    _ => {}
                }
                block = None;
            }
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    examples
}

/// A request as it is sent.
struct Parsed {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Value>,
}

fn parse(text: &str) -> Parsed {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next().and_then(|line| line.split_once(' ')).expect("a method and a path");
    let headers = lines.map(|line| line.split_once(": ").expect("a header"));
    Parsed {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: (!body.trim().is_empty()).then(|| serde_json::from_str(body).expect("JSON")),
    }
}

/// What the examples stand for in this run.
struct Reader {
    real: HashMap<String, String>,
    codes: VecDeque<String>,
}

impl Reader {
    fn new() -> Self {
        let days = DAYS.map(|(example, days)| (example.to_owned(), day(days).to_string()));
        Self { real: days.into(), codes: VecDeque::new() }
    }

    /// The text with every example replaced by what it stands for.
    fn made_real(&self, text: &str) -> String {
        let mut examples: Vec<_> = self.real.iter().collect();
        examples.sort_by_key(|(example, _)| std::cmp::Reverse(example.len()));
        examples.into_iter().fold(text.to_owned(), |text, (example, real)| text.replace(example, real))
    }

    /// Codes of the document stand for those that were sent, in their order.
    fn learn_codes(&mut self, request: &str) {
        let Some(body) = parse(request).body else { return };
        for name in CODES {
            if let Some(example) = body[name].as_str()
                && !self.real.contains_key(example)
            {
                let code = self.codes.pop_front().expect("a code was asked for before");
                self.real.insert(example.to_owned(), code);
            }
        }
    }

    /// Compares a reply with its example.
    fn compare(&mut self, name: &str, example: &Value, real: &Value, place: &str) {
        match (example, real) {
            (Value::Object(expected), Value::Object(found)) => {
                let names =
                    |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
                assert_eq!(names(expected), names(found), "{place}");
                for (name, example) in expected {
                    self.compare(name, example, &found[name], &format!("{place}.{name}"));
                }
            }
            (Value::Array(expected), Value::Array(found)) => {
                assert_eq!(expected.len(), found.len(), "{place}: {real}");
                for (index, (example, real)) in expected.iter().zip(found).enumerate() {
                    self.compare(name, example, real, &format!("{place}[{index}]"));
                }
            }
            (Value::String(expected), Value::String(found)) if VARIABLE.contains(&name) => {
                // Shorter ones would be replaced inside of other words.
                if expected.len() >= 6 {
                    self.real.insert(expected.clone(), found.clone());
                }
            }
            (Value::String(expected), found) => {
                assert_eq!(found, &Value::String(self.made_real(expected)), "{place}");
            }
            (example, real) => assert_eq!(example, real, "{place}"),
        }
    }
}

/// The clinic that the document tells of.
fn clinic_file() -> ImportFile {
    let mut file = ImportFile::default();
    file.doctor(2001);
    for (id, date, period, start, end) in [
        (3001, 2, "AM", "08:00", "09:00"),
        (3002, 2, "PM", "14:00", "14:30"),
        (3003, 3, "AM", "08:00", "08:30"),
    ] {
        file.add(json!({
            "id": id.to_string(), "department": DEPARTMENT.to_string(), "doctor": "2001", "date": day(date).to_string(),
            "period": period, "type": 1, "fee": "50.00", "location": "二楼201",
            "slots": {"start": start, "end": end, "every_minutes": 30}
        }));
    }
    file
}

/// Enters the clinic's service account, and answers a code for one of its followers.
async fn connect_wechat(clinic: &Clinic, simulator: &Simulator) -> io::Result<String> {
    let app = App::simulated(1);
    let conf = json!({"app_id": app.app_id, "app_secret": app.secret, "auth_url": "h5.example.cn"});
    staff::logged_in(clinic, "admin").await.post("wechat/conf", &conf).await?.done();
    Ok(simulator.code_for(&app.app_id, &app.people[0].open_id).expect("a code"))
}

async fn ask(client: &mut Patient, request: &Parsed) -> io::Result<wire::Reply> {
    let headers: Vec<_> =
        request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let bytes = match &request.body {
        _ if request.method == "GET" => wire::get(&request.target, &headers),
        Some(body) => wire::post(&request.target, &headers, &body.to_string()),
        None => wire::post(&request.target, &headers, ""),
    };
    client.raw(&bytes).await
}

/// Seen to fail when a reply had one more member than its example, and when an endpoint was not in the document.
#[tokio::test]
async fn the_document_tells_what_the_server_does() -> io::Result<()> {
    let folder = Folder::new();
    clinic::import(&folder, &clinic_file());
    staff::add(&folder, &["--account", "admin", "--role", "admin"]);
    pay::bind_open_ids(&folder);
    let simulator = pay::simulator();
    let mut settings = pay::settings(&simulator);
    settings.push(("PATI_WECHAT__API_BASE", simulator.url()));
    settings.push(("PATI_H5__BOOK_URL", "https://h5.example.cn/{tenant}/book".to_owned()));
    let clinic = Clinic::start(&folder, &pay::borrowed(&settings));
    staff::logged_in(&clinic, "admin").await.post("wechat/pay_conf", &pay::conf(&simulator)).await?.done();
    let code = connect_wechat(&clinic, &simulator).await?;
    let mut client = Patient::connect(clinic.address).await?;
    let mut reader = Reader::new();
    reader.real.insert(OAUTH_CODE.to_owned(), code);
    let mut shown = BTreeSet::new();
    for Example { line, request, reply } in examples() {
        reader.learn_codes(&request);
        let request = parse(&reader.made_real(&request));
        let place = format!("docs/h5.md:{line}: {} {}", request.method, request.target);
        let answered = ask(&mut client, &request).await?;
        if let Some(phone) = request.target.split_once("phone=").map(|(_, phone)| phone)
            && answered.status == 200
        {
            reader.codes.push_back(clinic.code_for(phone));
        }
        let path = request.target.split('?').next().unwrap_or_default();
        shown.insert((request.method.clone(), path.to_owned()));
        let Some(reply) = reply else {
            assert_eq!(answered.status, 200, "{place}");
            continue;
        };
        let answer = Answer::of(answered)?;
        contract::check(&request.method, &request.target, &answer);
        let found = json!({"status": answer.status, "message": answer.message, "data": answer.data});
        let expected: Value = serde_json::from_str(&reply).expect("JSON");
        reader.compare("", &expected, &found, &place);
    }
    let missing: Vec<_> = routes::contract()
        .into_iter()
        .map(|route| (route.method.to_string(), format!("/pati_service{}", route.path)))
        // The page of the patients calls none of the staff's, and none of WeChat's.
        .filter(|(method, path)| !is_of_others(method, path))
        .filter(|(method, path)| !shown.iter().any(|(known, shown)| known == method && fits(path, shown)))
        .collect();
    assert!(missing.is_empty(), "docs/h5.md does not show {missing:?}");
    clinic.stop();
    Ok(())
}

/// Whether a route is for the staff or for WeChat, by its description.
fn is_of_others(method: &str, path: &str) -> bool {
    let operation = &contract::described()[&(method.to_owned(), path.to_owned())];
    operation["tags"][0].as_str().is_some_and(|tag| tag.starts_with("管理") || tag == "微信服务器")
}

/// Whether a path has the form of a route, which may end in a parameter.
fn fits(route: &str, path: &str) -> bool {
    match route.split_once('{') {
        Some((start, _)) => {
            path.strip_prefix(start).is_some_and(|rest| !rest.contains('/') && !rest.is_empty())
        }
        None => route == path,
    }
}
