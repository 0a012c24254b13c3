//! Codes, and a webhook against a server that answers what it is told to.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn phone() -> Phone {
    Phone::parse("13800000001").expect("a phone")
}

fn code() -> VerificationCode {
    VerificationCode::parse("012345").expect("a code")
}

fn tenant() -> TenantId {
    TenantId::new(3).expect("an id")
}

/// Takes one request, answers `reply`, and gives back what it was asked.
async fn server(reply: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/sms?key=secret", listener.local_addr().expect("bound"));
    let request = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut request = Vec::new();
        while !is_whole(&request) {
            let read = stream.read_buf(&mut request).await.expect("a request");
            assert_ne!(read, 0, "the client went away");
        }
        stream.write_all(reply.as_bytes()).await.expect("a client that listens");
        String::from_utf8(request).expect("text")
    });
    (url, request)
}

/// Whether the JSON object that ends the request has come.
fn is_whole(request: &[u8]) -> bool {
    request.windows(4).any(|bytes| bytes == b"\r\n\r\n") && request.ends_with(b"}")
}

async fn send(url: &str, template: Template<'_>) -> Result<(), SmsError> {
    let sms = Sms::webhook_within(url, Duration::from_millis(500)).expect("a client");
    sms.send(tenant(), &phone(), template).await
}

#[test]
fn a_code_has_six_digits() {
    assert_eq!(code().as_str(), "012345");
    for text in ["", "12345", "1234567", "12345a", "１２３", "+12345", " 12345"] {
        assert_eq!(VerificationCode::parse(text).map(|_| ()), Err(NotACode), "{text}");
    }
}

#[test]
fn codes_are_drawn_evenly() {
    // 4_294_000_000 and above belong to the last, broken round.
    let mut numbers = [u32::MAX, 4_294_000_000, 4_293_999_999].into_iter();
    let drawn = VerificationCode::draw(|| numbers.next().ok_or(NoRandomness)).expect("the third");
    assert_eq!(drawn.as_str(), "999999");
    let small = VerificationCode::draw(|| Ok(42)).expect("the first");
    assert_eq!(small.as_str(), "000042");
    assert_eq!(VerificationCode::draw(|| Err(NoRandomness)), Err(NoRandomness));
}

#[test]
fn random_codes_differ() {
    let codes: std::collections::HashSet<String> = (0..100)
        .map(|_| VerificationCode::random().expect("the system's source").as_str().to_owned())
        .collect();
    assert!(codes.len() > 90, "{} of 100", codes.len());
}

#[test]
fn secrets_do_not_show() {
    let sms = Sms::webhook("http://127.0.0.1/sms?key=secret").expect("a client");
    let shown = format!("{:?} {:?} {sms:?}", code(), Template::Reset(&code()));
    assert!(!shown.contains("12345") && !shown.contains("secret"), "{shown}");
}

#[test]
fn the_console_prints_one_line() {
    assert_eq!(
        console_line(&phone(), Template::Register(&code())),
        "SMS to 13800000001 [register]: code 012345"
    );
    assert_eq!(
        console_line(&phone(), Template::AlreadyRegistered),
        "SMS to 13800000001 [already_registered]"
    );
}

#[tokio::test]
async fn the_webhook_gets_the_documented_json() {
    let (url, request) = server("HTTP/1.1 204 No Content\r\n\r\n").await;
    send(&url, Template::Reset(&code())).await.expect("sent");
    let request = request.await.expect("served");
    assert!(request.starts_with("POST /sms?key=secret HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("content-type: application/json"), "{request}");
    let body = request.split("\r\n\r\n").nth(1).expect("a body");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(body).expect("JSON"),
        serde_json::json!({"tenantId": "3", "phone": "13800000001", "template": "reset", "code": "012345"})
    );
}

#[tokio::test]
async fn a_message_without_a_code_says_null() {
    let (url, request) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    send(&url, Template::AlreadyRegistered).await.expect("sent");
    assert!(request.await.expect("served").ends_with(r#""code":null}"#));
}

#[tokio::test]
async fn a_notice_is_posted_with_what_stands_in_its_gaps() {
    let (url, request) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let sms = Sms::webhook_within(&url, Duration::from_millis(500)).expect("a client");
    let params = BTreeMap::from([("patient", "张三".to_owned()), ("doctor", String::new())]);
    let notice = Notice { template: "booked", params: &params };
    sms.send_notice(tenant(), &phone(), notice).await.expect("sent");
    let request = request.await.expect("served");
    let body = request.split("\r\n\r\n").nth(1).expect("a body");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(body).expect("JSON"),
        serde_json::json!({
            "tenantId": "3", "phone": "13800000001", "template": "booked",
            "params": {"patient": "张三", "doctor": ""}
        })
    );
}

#[tokio::test]
async fn anything_but_2xx_is_a_refusal() {
    let (url, request) = server("HTTP/1.1 500 Oops\r\ncontent-length: 11\r\n\r\n13800000001").await;
    let error = send(&url, Template::Register(&code())).await.expect_err("refused");
    assert_eq!(error, SmsError::Refused(500));
    assert!(error.reached_provider());
    request.await.expect("served");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let redirect = "HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let (url, request) = server(redirect).await;
    let error = send(&url, Template::Register(&code())).await.expect_err("refused");
    assert_eq!(error, SmsError::Refused(307));
    request.await.expect("served");
}

#[tokio::test]
async fn nobody_there_is_surely_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    drop(listener);
    let error = send(&url, Template::Register(&code())).await.expect_err("nobody");
    assert_eq!(error, SmsError::Unreachable);
    assert!(!error.reached_provider());
}

#[tokio::test]
async fn a_silent_provider_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    let error = send(&url, Template::Register(&code())).await.expect_err("silence");
    assert_eq!(error, SmsError::NoAnswer);
    assert!(error.reached_provider());
}
