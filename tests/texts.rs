//! Text messages through the clinic's own provider (`sms.provider = "webhook"`), which a thread of the test plays.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use harness::clinic::Clinic;
use harness::folder::Folder;
use harness::patients::{PASSWORD, Patient};
use harness::people;
use serde_json::{Value, json};

mod harness;

/// Answers each post with the next of these HTTP statuses, and hands on what was posted.
fn provider(statuses: &'static [u16]) -> (String, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/send", listener.local_addr().expect("bound"));
    let (posted, posts) = mpsc::channel();
    thread::spawn(move || {
        for (status, stream) in statuses.iter().zip(listener.incoming()) {
            let post = take(&stream.expect("a connection"), *status).expect("HTTP");
            posted.send(post).expect("the test waits");
        }
    });
    (url, posts)
}

fn take(stream: &TcpStream, status: u16) -> io::Result<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    serde_json::from_slice(&body).map_err(io::Error::other)
}

/// Seen to fail when any answer of the provider counted as sent.
#[tokio::test]
async fn codes_come_through_the_webhook() -> io::Result<()> {
    let (url, posts) = provider(&[200, 500]);
    let folder = Folder::new();
    let settings = [("PATI_SMS__PROVIDER", "webhook"), ("PATI_SMS__WEBHOOK_URL", url.as_str())];
    let clinic = Clinic::start(&folder, &settings);
    let mut patient = Patient::connect(clinic.address).await?;
    let phone = people::phone(1);
    patient.register_code(&phone).await?.done();
    let post = posts.recv().expect("posted");
    let code = post["code"].as_str().expect("a code").to_owned();
    assert_eq!(post, json!({"tenantId": "1", "phone": phone, "template": "register", "code": code}));
    patient.register(&phone, &code, PASSWORD).await?.data();

    let other = people::phone(2);
    patient.register_code(&other).await?.refused(502, "0502");
    let post = posts.recv().expect("posted");
    assert_eq!(post["phone"], other);
    // The provider is gone now.
    patient.register_code(&people::phone(3)).await?.refused(502, "0502");
    let log = clinic.log().join("\n");
    assert!(log.contains("a text was not sent"), "{log}");
    for secret in [phone.as_str(), other.as_str(), code.as_str()] {
        assert!(!log.contains(secret), "{log}");
    }
    clinic.stop();
    Ok(())
}
