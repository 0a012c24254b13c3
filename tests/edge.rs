//! What holds for every request: prefixes, headers, the envelope, and the refusals before any handler.

use std::io;

use harness::clinic::{self, Clinic, Signal};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::{Answer, Patient};
use harness::wire::{self, Connection, Reply};
use serde_json::{Value, json};

mod harness;

fn open(settings: &[(&str, &str)]) -> (Folder, Clinic) {
    let folder = Folder::new();
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(3001, 2001, day(2), Half::Am, 9);
    clinic::import(&folder, &file);
    let clinic = Clinic::start(&folder, settings);
    (folder, clinic)
}

#[tokio::test]
async fn both_prefixes_serve_every_route() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let token = patient.token().to_owned();
    let mut count = 0;
    for (method, path) in [
        ("GET", "patient_service/register/phone_identifying_code?phone=13900000002"),
        ("POST", "patient_service/register"),
        ("POST", "patient_service/login"),
        ("POST", "patient_service/member"),
        ("GET", "patient_service/members"),
        ("GET", "tenant_service/depts"),
        ("GET", "tenant_service/schedule_by_date?deptId=101&date=2026-12-01"),
        ("GET", "tenant_service/schedule_by_doctor?deptId=101"),
        ("GET", "tenant_service/schedule/info?deptId=101"),
        ("GET", "tenant_service/schedule?deptId=101"),
        ("GET", "tenant_service/schedule/left_appo?scheduleId=3001"),
        ("POST", "book_service/book/presubmit"),
        ("POST", "book_service/book/submit"),
        ("POST", "book_service/book/schedule"),
        ("POST", "book_service/book/cancel"),
        ("GET", "book_service/books"),
        ("GET", "book_service/book/999"),
    ] {
        let mut bodies = Vec::new();
        for prefix in ["/pati_service/", "/api/pati_service/"] {
            let headers = [("token", token.as_str())];
            let request = match method {
                "GET" => wire::get(&format!("{prefix}{path}"), &headers),
                _ => wire::post(&format!("{prefix}{path}"), &headers, "{}"),
            };
            let answer = Answer::of(patient.raw(&request).await?)?;
            assert!(!answer.message.as_str().unwrap_or_default().contains("地址不存在"), "{prefix}{path}");
            bodies.push((answer.http, answer.reply.body));
        }
        assert_eq!(bodies[0], bodies[1], "{path}");
        count += 1;
    }
    assert_eq!(count, 14);
    Ok(())
}

#[tokio::test]
async fn every_reply_has_the_headers() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut anyone = Patient::connect(clinic.address).await?;
    let mut ids = Vec::new();
    for request in [
        wire::get("/pati_service/tenant_service/depts", &[]),
        wire::get("/pati_service/book_service/books", &[]),
        wire::get("/pati_service/nothing", &[]),
        wire::get("/", &[]),
        wire::get("/health", &[]),
        wire::post("/pati_service/tenant_service/depts", &[], "{}"),
        wire::post("/pati_service/patient_service/login", &[], "not json"),
    ] {
        let reply = anyone.raw(&request).await?;
        assert_eq!(reply.header("Cache-Control"), Some("no-store"), "{}", reply.head);
        assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"), "{}", reply.head);
        assert_eq!(reply.header("Content-Type"), Some("application/json"), "{}", reply.head);
        let id = reply.header("X-Request-Id").expect("an id").to_owned();
        assert!(!ids.contains(&id), "{id} twice");
        ids.push(id);
        Answer::of(reply)?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_route_is_refused() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut anyone = Patient::connect(clinic.address).await?;
    for path in
        ["/", "/pati_service", "/pati_service/", "/pati_service/tenant_service/depts/x", "/api/x", "/noop"]
    {
        Answer::of(anyone.raw(&wire::get(path, &[])).await?)?.refused(404, "0404");
    }
    for (method, path) in [
        ("POST", "/pati_service/tenant_service/depts"),
        ("GET", "/pati_service/patient_service/login"),
        ("PUT", "/pati_service/book_service/book/submit"),
        ("DELETE", "/api/pati_service/book_service/book/1"),
        ("OPTIONS", "/pati_service/book_service/books"),
    ] {
        Answer::of(anyone.raw(&wire::bare(method, path, &[], "")).await?)?.refused(405, "0405");
    }
    Ok(())
}

#[tokio::test]
async fn a_body_must_be_json_by_its_type() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut anyone = Patient::connect(clinic.address).await?;
    let path = "/pati_service/patient_service/login";
    let body = r#"{"phone":"13900000001","password":"correct horse 9"}"#;
    for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        let request = wire::bare("POST", path, &[("Content-Type", kind)], body);
        Answer::of(anyone.raw(&request).await?)?.ruled_out("400003");
    }
    Answer::of(anyone.raw(&wire::bare("POST", path, &[], body)).await?)?.ruled_out("400003");
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data"]
    {
        let request = wire::bare("POST", path, &[("Content-Type", kind)], body);
        Answer::of(anyone.raw(&request).await?)?.refused(415, "0415");
    }
    // An empty body has no parameters, whatever its label.
    for kind in ["application/x-www-form-urlencoded", "application/json"] {
        let request = wire::bare("POST", path, &[("Content-Type", kind)], "");
        let answer = Answer::of(anyone.raw(&request).await?)?;
        answer.refused(400, "0001");
        assert_eq!(answer.message, "手机号不能为空");
    }
    for body in ["x", "[]", "\"a\"", "1", "null", "{", "{} {}", "{\"a\":1,}", "\u{feff}{}"] {
        let answer = Answer::of(anyone.raw(&wire::post(path, &[], body)).await?)?;
        answer.refused(400, "0001");
        assert_eq!(answer.message, "请求内容格式不正确", "{body}");
    }
    Ok(())
}

#[tokio::test]
async fn a_body_has_256_kib_at_most() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let path = "/pati_service/patient_service/login";
    let filled = |length: usize| format!("{{\"x\":\"{}\"}}", "a".repeat(length - 8));
    let mut anyone = Patient::connect(clinic.address).await?;
    let largest = wire::post(path, &[], &filled(256 * 1024));
    Answer::of(anyone.raw(&largest).await?)?.refused(400, "0001");
    let mut anyone = Patient::connect(clinic.address).await?;
    let larger = wire::post(path, &[], &filled(256 * 1024 + 1));
    Answer::of(anyone.raw(&larger).await?)?.refused(413, "0413");
    // Deep, and within the size: passed over.
    let mut anyone = Patient::connect(clinic.address).await?;
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let answer = Answer::of(anyone.raw(&wire::post(path, &[], &deep)).await?)?;
    answer.refused(400, "0001");
    Ok(())
}

#[tokio::test]
async fn errors_can_be_answered_as_200() -> io::Result<()> {
    let (_folder, clinic) = open(&[("PATI_SERVER__ERRORS_AS_200", "true")]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    patient.submit(3001, 99, &member).await?.refused(200, "0404");
    patient.submit(3001, 1, "").await?.refused(200, "0001");
    patient.use_token("nonsense");
    patient.members().await?.refused(200, "0401");
    Answer::of(patient.raw(&wire::get("/nothing", &[])).await?)?.refused(200, "0404");
    let put = wire::bare("PUT", "/pati_service/book_service/books", &[], "");
    Answer::of(patient.raw(&put).await?)?.refused(200, "0405");
    let text =
        wire::bare("POST", "/pati_service/patient_service/login", &[("Content-Type", "text/plain")], "x");
    Answer::of(patient.raw(&text).await?)?.refused(200, "0415");
    Ok(())
}

/// The answer of a probe: where a monitor looks, only the HTTP status may count.
async fn probe(connection: &mut Connection, path: &str) -> io::Result<Reply> {
    connection.send(&wire::get(path, &[])).await
}

#[tokio::test]
async fn the_probes_answer_on_both_addresses() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let expected: Value = json!({"status": "000", "message": null, "data": null});
    for address in [clinic.address, clinic.admin_address] {
        let mut connection = Connection::open(address).await?;
        for path in ["/health", "/ready"] {
            let reply = probe(&mut connection, path).await?;
            assert_eq!(reply.status, 200);
            assert_eq!(serde_json::from_slice::<Value>(&reply.body).expect("JSON"), expected);
        }
    }
    let mut admin = Connection::open(clinic.admin_address).await?;
    assert_eq!(probe(&mut admin, "/pati_service/tenant_service/depts").await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn the_log_tells_no_secrets() -> io::Result<()> {
    let (_folder, mut clinic) = open(&[("RUST_LOG", "debug")]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    patient.submit(3001, 1, &member).await?.data();
    let token = patient.token().to_owned();
    clinic.signal(Signal::Terminate);
    clinic.wait_for_end();
    let log = clinic.log().join("\n");
    assert!(log.contains("book_service/book/submit"), "the access log is on:\n{log}");
    let id = harness::people::id_number(1);
    for secret in [harness::people::phone(1), id, "患者1".to_owned(), token, "correct horse".to_owned()] {
        assert!(!log.contains(&secret), "{secret} is in the log");
    }
    Ok(())
}
