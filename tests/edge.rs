//! What holds for every request: prefixes, headers, the envelope, and the refusals before any handler.

use std::io::{self, Read};
use std::time::Duration;

use harness::clinic::{self, Clinic, Signal};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::{Answer, Patient};
use harness::wire::{self, Connection, Reply};
use serde_json::{Value, json};
use tokio::time::timeout;

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
    assert_eq!(count, 17);
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
        assert_eq!(reply.header("Referrer-Policy"), Some("no-referrer"), "{}", reply.head);
        assert_eq!(reply.header("X-Frame-Options"), Some("DENY"), "{}", reply.head);
        let policy = Some("default-src 'none'; frame-ancestors 'none'");
        assert_eq!(reply.header("Content-Security-Policy"), policy, "{}", reply.head);
        for absent in ["Strict-Transport-Security", "Access-Control-Allow-Origin", "Vary", "Content-Encoding"]
        {
            assert_eq!(reply.header(absent), None, "{}", reply.head);
        }
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
    Ok(())
}

/// What a login with this body is refused with.
async fn login(patient: &mut Patient, body: &str) -> io::Result<Value> {
    let request = wire::post("/pati_service/patient_service/login", &[], body);
    let answer = Answer::of(patient.raw(&request).await?)?;
    answer.refused(400, "0001");
    Ok(answer.message)
}

/// Seen to fail when the levels were not counted, when only those of arrays were, and when 33 were allowed.
#[tokio::test]
async fn a_body_is_nested_32_levels_at_most() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut anyone = Patient::connect(clinic.address).await?;
    for (begin, end) in [("[", "]"), ("{\"a\":", "}")] {
        // The body itself is the first level, and the innermost of these holds a number.
        let deep =
            |levels: usize| format!("{{\"x\":{}1{}}}", begin.repeat(levels - 1), end.repeat(levels - 1));
        assert_eq!(login(&mut anyone, &deep(32)).await?, "手机号不能为空");
        assert_eq!(login(&mut anyone, &deep(33)).await?, "请求内容格式不正确");
        assert_eq!(login(&mut anyone, &deep(40_000)).await?, "请求内容格式不正确");
    }
    Ok(())
}

/// Seen to fail when the parameters of a body were not counted, and when those of a query were not.
#[tokio::test]
async fn a_request_has_256_parameters_at_most() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut anyone = Patient::connect(clinic.address).await?;
    let body = |count: usize| {
        let members: Vec<_> = (0..count).map(|n| format!("\"x{n}\":1")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert_eq!(login(&mut anyone, &body(256)).await?, "手机号不能为空");
    assert_eq!(login(&mut anyone, &body(257)).await?, "请求内容格式不正确");
    for (count, message) in [(256, "排班ID不能为空"), (257, "请求内容格式不正确")] {
        let query = vec!["x=1"; count].join("&");
        let target = format!("/pati_service/tenant_service/schedule/left_appo?{query}");
        let answer = Answer::of(anyone.raw(&wire::get(&target, &[])).await?)?;
        answer.refused(400, "0001");
        assert_eq!(answer.message, message, "{count}");
    }
    Ok(())
}

/// Seen to fail when the body was awaited for ever, and when the head was.
#[tokio::test]
async fn a_request_has_to_arrive_in_time() -> io::Result<()> {
    let (_folder, clinic) = open(&[("PATI_SERVER__REQUEST_SECONDS", "1")]);
    let mut slow_head = Connection::open(clinic.address).await?;
    slow_head.write(b"POST /pati_service/patient_service/login HTTP/1.1\r\nHost: loc").await?;
    let mut slow_body = Connection::open(clinic.address).await?;
    let request = wire::post("/pati_service/patient_service/login", &[], "{\"phone\": \"13900000001\"}");
    slow_body.write(&request[..request.len() - 1]).await?;

    const PATIENCE: Duration = Duration::from_secs(60);
    assert_eq!(timeout(PATIENCE, slow_head.read()).await??.status, 408);
    let late = timeout(PATIENCE, slow_body.read()).await??;
    assert!(late.closes(), "{}", late.head);
    Answer::of(late)?.refused(408, "0408");
    Ok(())
}

/// actix itself bounds the head of the first request only. Seen to fail when nobody looked for connections that wait,
/// and when they were not watched.
#[tokio::test]
async fn the_head_of_a_later_request_has_to_arrive_in_time() -> io::Result<()> {
    let (_folder, clinic) =
        open(&[("PATI_SERVER__REQUEST_SECONDS", "3"), ("PATI_SERVER__KEEP_ALIVE_SECONDS", "3")]);
    let mut client = Connection::open(clinic.address).await?;
    for _ in 0..3 {
        assert_eq!(client.send(&wire::get("/health", &[])).await?.status, 200);
    }
    timeout(Duration::from_secs(60), client.trickle_until_closed()).await.expect("it is cut off");
    Ok(())
}

/// A second handle to a socket would keep a connection open that actix has only dropped. Seen to fail when the server
/// kept that handle itself.
#[tokio::test]
async fn a_client_is_told_at_once_that_its_connection_has_ended() -> io::Result<()> {
    // A connection would be ended by the server's own looks far too late for this test.
    let (_folder, clinic) = open(&[("PATI_SERVER__REQUEST_SECONDS", "300")]);
    let get = |connection| wire::get("/health", &[("Connection", connection)]);
    let no_request = b"no request\r\n\r\n".to_vec();
    let mut too_large = b"GET /health HTTP/1.1\r\nX-Padding: ".to_vec();
    too_large.resize(128 * 1024, b'a');
    for (last, status) in [(get("close"), 200), (no_request, 400), (too_large, 431)] {
        let mut client = Connection::open(clinic.address).await?;
        assert_eq!(client.send(&get("keep-alive")).await?.status, 200);
        assert_eq!(client.send(&last).await?.status, status);
        let told = timeout(Duration::from_secs(60), client.read()).await?;
        assert!(told.is_err(), "after {status}");
    }
    Ok(())
}

/// The limits are those of actix, and so no bug was planted: this tells when another version has others.
#[tokio::test]
async fn a_head_has_128_kib_and_96_headers_at_most() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut head = b"GET /health HTTP/1.1\r\nX-Padding: ".to_vec();
    head.resize(128 * 1024, b'a');
    let mut connection = Connection::open(clinic.address).await?;
    connection.write(&head).await?;
    assert_eq!(connection.read().await?.status, 431);
    let many: Vec<_> = (0..97).map(|n| format!("x-{n}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "1")).collect();
    let mut connection = Connection::open(clinic.address).await?;
    assert_eq!(connection.send(&wire::get("/health", &many)).await?.status, 431);
    Ok(())
}

/// The body of a compressed reply.
fn unzipped(reply: &Reply) -> Vec<u8> {
    assert_eq!(reply.header("Content-Encoding"), Some("gzip"), "{}", reply.head);
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&reply.body[..]).read_to_end(&mut plain).expect("gzip");
    plain
}

/// Seen to fail when every reply was compressed, and when `Vary` was left out.
#[tokio::test]
async fn long_texts_are_compressed_for_who_accepts_it() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut anyone = Patient::connect(clinic.address).await?;
    // A small body, one that is compressed at once, and one on a thread of its own.
    for path in ["/docs/index.css", "/openapi.json", "/docs/swagger-ui.css"] {
        let plain = anyone.raw(&wire::get(path, &[])).await?;
        assert_eq!((plain.status, plain.header("Content-Encoding")), (200, None), "{path}");
        let zipped = anyone.raw(&wire::get(path, &[("Accept-Encoding", "br, gzip")])).await?;
        assert_eq!(zipped.status, 200);
        assert_eq!(zipped.header("Content-Type"), plain.header("Content-Type"), "{path}");
        if plain.body.len() < 1024 {
            assert_eq!((&zipped.body, zipped.header("Vary")), (&plain.body, None), "{path}");
            continue;
        }
        assert_eq!(
            (plain.header("Vary"), zipped.header("Vary")),
            (Some("Accept-Encoding"), Some("Accept-Encoding"))
        );
        assert!(zipped.body.len() * 2 < plain.body.len(), "{path}: {}", zipped.body.len());
        assert!(unzipped(&zipped) == plain.body, "{path} is another");
    }
    for path in ["/docs/favicon-32x32.png", "/pati_service/tenant_service/depts", "/nowhere"] {
        let reply = anyone.raw(&wire::get(path, &[("Accept-Encoding", "gzip")])).await?;
        assert_eq!((reply.header("Content-Encoding"), reply.header("Vary")), (None, None), "{path}");
    }
    Ok(())
}

/// Seen to fail when nothing was compressed.
#[tokio::test]
async fn a_long_list_is_compressed() -> io::Result<()> {
    let folder = Folder::new();
    let mut file = ImportFile::default();
    for n in 1..=30 {
        file.doctor(2000 + n).schedule(3000 + n, 2000 + n, day(2), Half::Am, 9);
    }
    clinic::import(&folder, &file);
    let clinic = Clinic::start(&folder, &[]);
    let mut anyone = Patient::connect(clinic.address).await?;
    let list = "/pati_service/tenant_service/schedule_by_doctor?deptId=101&pageSize=30";
    let plain = anyone.raw(&wire::get(list, &[])).await?;
    let zipped = anyone.raw(&wire::get(list, &[("Accept-Encoding", "gzip")])).await?;
    assert!(zipped.body.len() * 4 < plain.body.len(), "{} of {}", zipped.body.len(), plain.body.len());
    assert!(unzipped(&zipped) == plain.body);
    assert_eq!(Answer::of(plain)?.data()["total"], 30);
    Ok(())
}

/// Seen to fail when the pages had the policy of the data.
#[tokio::test]
async fn the_pages_may_load_what_they_need_and_no_more() -> io::Result<()> {
    let (_folder, clinic) = open(&[("PATI_SERVER__PUBLIC_URL", "https://book.example.cn")]);
    let mut anyone = Patient::connect(clinic.address).await?;
    let page = anyone.raw(&wire::get("/docs/", &[])).await?;
    let policy = page.header("Content-Security-Policy").expect("a policy");
    for part in ["default-src 'none'", "script-src 'self'", "img-src 'self' data:", "frame-ancestors 'none'"]
    {
        assert!(policy.split("; ").any(|given| given == part), "{part} in {policy}");
    }
    // What is written into a page itself needs leave of its own; only styles have it.
    let html = String::from_utf8(page.body.clone()).expect("text");
    let scripts = html.split("<script").skip(1);
    assert!(scripts.clone().count() > 0 && scripts.clone().all(|script| script.contains("src=\"")), "{html}");
    let data = anyone.raw(&wire::get("/openapi.json", &[])).await?;
    assert_eq!(data.header("Content-Security-Policy"), Some("default-src 'none'; frame-ancestors 'none'"));
    for reply in [page, data] {
        assert_eq!(reply.header("Strict-Transport-Security"), Some("max-age=31536000"));
    }
    Ok(())
}

/// The question that a browser asks before a page of another origin may call.
fn preflight(origin: &str, method: &str, headers: &str) -> Vec<u8> {
    let asked = [
        ("Origin", origin),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", headers),
    ];
    wire::bare("OPTIONS", "/pati_service/book_service/book/submit", &asked, "")
}

/// Seen to fail when any origin was allowed, when credentials were, and when a refusal of actix lost its headers.
#[tokio::test]
async fn pages_of_the_configured_origins_may_call() -> io::Result<()> {
    const OURS: &str = "https://h5.example.cn";
    const ALL: &str =
        "token,tenantid,authorization,content-type,idempotency-key,userid,depaid,station,os,device";
    let (_folder, clinic) =
        open(&[("PATI_SERVER__CORS_ORIGINS", "[\"https://h5.example.cn\", \"http://localhost:5173\"]")]);
    let mut anyone = Patient::connect(clinic.address).await?;
    for (origin, method) in [(OURS, "POST"), (OURS, "GET"), ("http://localhost:5173", "POST")] {
        let reply = anyone.raw(&preflight(origin, method, ALL)).await?;
        assert_eq!((reply.status, reply.header("Access-Control-Allow-Origin")), (200, Some(origin)));
        assert_eq!(reply.header("Access-Control-Max-Age"), Some("3600"));
        assert_eq!(reply.header("Access-Control-Allow-Credentials"), None);
        let methods = reply.header("Access-Control-Allow-Methods").expect("methods");
        let mut methods: Vec<_> = methods.split(", ").collect();
        methods.sort_unstable();
        assert_eq!(methods, ["GET", "POST"]);
        assert!(reply.header("X-Request-Id").is_some() && reply.header("X-Frame-Options").is_some());
    }
    for (origin, method, headers) in [
        ("https://h5.example.cn.evil.example", "POST", "token"),
        ("http://h5.example.cn", "POST", "token"),
        ("null", "POST", "token"),
        (OURS, "DELETE", "token"),
        (OURS, "POST", "x-other"),
    ] {
        let reply = anyone.raw(&preflight(origin, method, headers)).await?;
        assert!(reply.status >= 400, "{origin} {method} {headers}: {}", reply.head);
    }
    for path in ["/pati_service/tenant_service/depts", "/pati_service/book_service/books", "/nowhere"] {
        let reply = anyone.raw(&wire::get(path, &[("Origin", OURS)])).await?;
        assert_eq!(reply.header("Access-Control-Allow-Origin"), Some(OURS), "{path}: {}", reply.head);
        let exposed = reply.header("Access-Control-Expose-Headers").expect("headers").to_lowercase();
        assert!(exposed.contains("x-request-id") && exposed.contains("retry-after"), "{exposed}");
        assert!(reply.header("Vary").expect("varies").contains("Origin"));
        let foreign = anyone.raw(&wire::get(path, &[("Origin", "https://evil.example")])).await?;
        assert_eq!(foreign.header("Access-Control-Allow-Origin"), None, "{path}: {}", foreign.head);
    }
    Ok(())
}

/// Seen to fail when the questions of browsers were answered although no origin is configured.
#[tokio::test]
async fn without_origins_nothing_is_said_about_them() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut anyone = Patient::connect(clinic.address).await?;
    let reply = anyone.raw(&preflight("https://h5.example.cn", "POST", "token")).await?;
    assert!(!reply.head.to_lowercase().contains("access-control"), "{}", reply.head);
    Answer::of(reply)?.refused(405, "0405");
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
