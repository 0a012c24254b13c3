//! TLS on the address of patients: handshakes, the limits on slow clients, certificates that are renewed, and files that
//! cannot be used. The client is rustls with a trust of its own, not the server's.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use harness::clinic::{self, Clinic, Signal};
use harness::folder::Folder;
use harness::wire::{self, Connection};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

mod harness;

const NAME: &str = "clinic.example";

/// For what a correct server does at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// A certificate for [`NAME`] that ends in so many days.
struct Identity {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key_pem: String,
}

impl Identity {
    fn ending_in(days: i64) -> Self {
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).expect("a name");
        let day = |offset: i64| {
            let today = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date();
            let day = today.saturating_add(jiff::SignedDuration::from_hours(24 * offset));
            rcgen::date_time_ymd(day.year().into(), day.month() as u8, day.day() as u8)
        };
        params.not_before = day(-2);
        params.not_after = day(days);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        Self {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }

    /// Puts its two files where a server is told to look.
    fn put(&self, folder: &Folder) -> Files {
        let certificate = folder.write("fullchain.pem", &self.certificate_pem);
        let key = folder.write("privkey.pem", &self.key_pem);
        fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("changed");
        Files { certificate, key }
    }
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn settings<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let files = [
            ("PATI_SERVER__TLS_CERT", clinic::path_text(&self.certificate)),
            ("PATI_SERVER__TLS_KEY", clinic::path_text(&self.key)),
        ];
        files.into_iter().chain(more.iter().copied()).collect()
    }
}

/// A server with this certificate.
fn open(identity: &Identity, settings: &[(&str, &str)]) -> (Folder, Clinic) {
    let folder = Folder::new();
    let files = identity.put(&folder);
    let clinic = Clinic::start(&folder, &files.settings(settings));
    (folder, clinic)
}

/// How a client speaks.
struct Client {
    versions: &'static [&'static SupportedProtocolVersion],
    protocols: &'static [&'static [u8]],
}

const BROWSER: Client = Client {
    versions: &[&rustls::version::TLS13, &rustls::version::TLS12],
    protocols: &[b"h2", b"http/1.1"],
};

impl Client {
    /// A connection on which only this identity is trusted.
    async fn connect(&self, address: SocketAddr, trusted: &Identity) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.certificate.clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(self.versions);
        let mut config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = self.protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(NAME).expect("a name");
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        timeout(PATIENCE, connecting).await.expect("the handshake ends")
    }
}

async fn connect(clinic: &Clinic, trusted: &Identity) -> io::Result<Connection<TlsStream<TcpStream>>> {
    Ok(Connection::over(BROWSER.connect(clinic.address, trusted).await?))
}

/// HTTP/2 would be offered as soon as something in the tree asks actix for it. Seen to fail when only TLS 1.3 was spoken.
#[tokio::test]
async fn clients_of_tls_1_2_and_1_3_are_served_by_http_1_1() -> io::Result<()> {
    let identity = Identity::ending_in(90);
    let (_folder, clinic) = open(&identity, &[]);
    const TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
    const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
    for versions in [TLS12, TLS13] {
        let client = Client { versions, ..BROWSER };
        let stream = client.connect(clinic.address, &identity).await?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let mut connection = Connection::over(stream);
        for _ in 0..2 {
            let reply = connection.send(&wire::get("/ready", &[])).await?;
            assert_eq!(reply.status, 200);
            assert_eq!(reply.header("Strict-Transport-Security"), Some("max-age=31536000"), "{}", reply.head);
        }
    }
    let only_h2 = Client { protocols: &[b"h2"], ..BROWSER };
    assert!(only_h2.connect(clinic.address, &identity).await.is_err(), "nobody speaks HTTP/2 here");
    let stranger = Identity::ending_in(90);
    assert!(connect(&clinic, &stranger).await.is_err(), "the certificate is the one of the files");

    // The operator's address stays as it is.
    let mut operator = Connection::open(clinic.admin_address).await?;
    assert_eq!(operator.send(&wire::get("/ready", &[])).await?.status, 200);
    Ok(())
}

/// Seen to fail when the key was not compared with the certificate.
#[tokio::test]
async fn files_that_cannot_be_used_are_refused_by_name() {
    let folder = Folder::new();
    let identity = Identity::ending_in(90);
    let stranger = Identity::ending_in(90);
    let refused = |files: &Files, setting: &str, reason: &str| {
        let log = Clinic::try_start(&folder, &files.settings(&[])).err().expect("refused");
        assert!(log.contains(setting) && log.contains(reason), "{log}");
        assert!(!log.contains("PRIVATE KEY"), "{log}");
    };
    let good = || identity.put(&folder);

    let files = good();
    fs::write(&files.key, &stranger.key_pem).expect("written");
    refused(&files, "server.tls_key", "is not the key of the certificate");

    let files = Files { key: folder.path().join("nowhere.pem"), ..good() };
    refused(&files, "server.tls_key", "cannot be read");
    let files = Files { certificate: folder.path().join("nowhere.pem"), ..good() };
    refused(&files, "server.tls_cert", "cannot be read");

    let files = good();
    fs::set_permissions(&files.key, Permissions::from_mode(0o644)).expect("changed");
    refused(&files, "server.tls_key", "everybody on this machine may use it");

    let files = good();
    fs::write(&files.certificate, "no certificate").expect("written");
    refused(&files, "server.tls_cert", "holds no certificate");
    let files = good();
    fs::write(&files.key, &identity.certificate_pem).expect("written");
    refused(&files, "server.tls_key", "holds no private key");

    for (given, missing) in [("PATI_SERVER__TLS_CERT", "tls_key"), ("PATI_SERVER__TLS_KEY", "tls_cert")] {
        let log = Clinic::try_start(&folder, &[(given, "x.pem")]).err().expect("refused");
        assert!(log.contains(&format!("server.{missing}: must be given")), "{log}");
    }
    Clinic::start(&folder, &good().settings(&[])).stop();
}

#[tokio::test]
async fn who_speaks_no_tls_is_turned_away() -> io::Result<()> {
    let identity = Identity::ending_in(90);
    let (_folder, clinic) = open(&identity, &[]);
    let mut plain = TcpStream::connect(clinic.address).await?;
    plain.write_all(&wire::get("/health", &[])).await?;
    let mut answer = Vec::new();
    // Closed or reset: both end it.
    let _ = timeout(PATIENCE, plain.read_to_end(&mut answer)).await.expect("the connection ends");
    assert!(!answer.windows(4).any(|bytes| bytes == b"HTTP"), "{answer:?}");
    assert_eq!(connect(&clinic, &identity).await?.send(&wire::get("/health", &[])).await?.status, 200);
    Ok(())
}

/// Seen to fail when handshakes could take as long as they liked.
#[tokio::test]
async fn a_handshake_has_to_end_in_time() -> io::Result<()> {
    let identity = Identity::ending_in(90);
    let (_folder, clinic) = open(&identity, &[("PATI_SERVER__REQUEST_SECONDS", "1")]);
    // One that says nothing, and one that begins: a handshake record of which the rest does not come.
    for begun in [&b""[..], &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..]] {
        let mut slow = TcpStream::connect(clinic.address).await?;
        slow.write_all(begun).await?;
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, slow.read_to_end(&mut rest)).await.expect("it is cut off");
    }
    Ok(())
}

/// actix lets 256 handshakes run in each thread and then takes nobody else. Seen to fail with that limit.
#[tokio::test]
async fn clients_that_do_not_finish_their_handshakes_keep_nobody_out() -> io::Result<()> {
    let identity = Identity::ending_in(90);
    let settings = [("PATI_SERVER__REQUEST_SECONDS", "300"), ("PATI_SERVER__WORKERS", "1")];
    let (_folder, clinic) = open(&identity, &settings);
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(clinic.address).await?);
    }
    assert_eq!(connect(&clinic, &identity).await?.send(&wire::get("/health", &[])).await?.status, 200);
    Ok(())
}

/// The same limits as without TLS. Seen to fail when such connections were not watched.
#[tokio::test]
async fn slow_requests_are_cut_off() -> io::Result<()> {
    let identity = Identity::ending_in(90);
    let settings = [("PATI_SERVER__REQUEST_SECONDS", "1"), ("PATI_SERVER__KEEP_ALIVE_SECONDS", "1")];
    let (_folder, clinic) = open(&identity, &settings);

    let mut slow_head = connect(&clinic, &identity).await?;
    slow_head.write(b"GET /health HTTP/1.1\r\nHost: clin").await?;
    assert_eq!(timeout(PATIENCE, slow_head.read()).await??.status, 408);

    let mut slow_body = connect(&clinic, &identity).await?;
    let login = wire::post("/pati_service/patient_service/login", &[], "{\"phone\": \"13900000001\"}");
    slow_body.write(&login[..login.len() - 1]).await?;
    let late = timeout(PATIENCE, slow_body.read()).await??;
    assert!(late.status == 408 && late.closes(), "{}", late.head);

    let mut later = connect(&clinic, &identity).await?;
    assert_eq!(later.send(&wire::get("/health", &[])).await?.status, 200);
    timeout(PATIENCE, later.trickle_until_closed()).await.expect("it is cut off");
    Ok(())
}

async fn expiry(clinic: &Clinic) -> i64 {
    let mut operator = Connection::open(clinic.admin_address).await.expect("the operator is served");
    let reply = operator.send(&wire::get("/metrics", &[])).await.expect("answered");
    let text = String::from_utf8(reply.body).expect("text");
    let value =
        text.lines().find_map(|line| line.strip_prefix("pati_tls_certificate_expiry_timestamp_seconds "));
    value.unwrap_or_else(|| panic!("no expiry in {text}")).parse().expect("a number")
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("it never came to this: {what}"));
}

/// Seen to fail when the files were not read again.
#[tokio::test]
async fn a_renewed_certificate_is_taken_without_a_restart() -> io::Result<()> {
    let [old, new] = [Identity::ending_in(10), Identity::ending_in(90)];
    let (folder, clinic) = open(&old, &[]);
    until("a warning", async || clinic.has_logged("the TLS certificate expires soon")).await;
    until("its date", async || expiry(&clinic).await != 0).await;
    let before = expiry(&clinic).await;
    let mut earlier = connect(&clinic, &old).await?;
    assert_eq!(earlier.send(&wire::get("/health", &[])).await?.status, 200);

    // Half of a renewal, and then something that is no certificate at all.
    folder.write("fullchain.pem", &new.certificate_pem);
    for count in 1..=2 {
        clinic.signal(Signal::HangUp);
        let message = "\"message\":\"the TLS certificate stays as it was\"";
        let told = || clinic.log().iter().filter(|line| line.contains(message)).count();
        until("a refusal", async || told() == count).await;
        assert!(connect(&clinic, &new).await.is_err());
        assert_eq!(connect(&clinic, &old).await?.send(&wire::get("/health", &[])).await?.status, 200);
        folder.write("fullchain.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    }
    assert_eq!(expiry(&clinic).await, before);

    new.put(&folder);
    clinic.signal(Signal::HangUp);
    until("the new one", async || connect(&clinic, &new).await.is_ok()).await;
    assert!(connect(&clinic, &old).await.is_err());
    until("its date", async || expiry(&clinic).await - before == 80 * 24 * 60 * 60).await;
    assert_eq!(earlier.send(&wire::get("/health", &[])).await?.status, 200, "older connections stay");
    clinic.stop();
    Ok(())
}

/// Seen to fail when nobody took the signal.
#[tokio::test]
async fn without_tls_there_is_nothing_to_read_again() -> io::Result<()> {
    let folder = Folder::new();
    let mut clinic = Clinic::start(&folder, &[]);
    clinic.signal(Signal::HangUp);
    let mut connection = Connection::open(clinic.address).await?;
    for _ in 0..10 {
        assert_eq!(connection.send(&wire::get("/health", &[])).await?.status, 200);
    }
    assert!(clinic.is_running());
    assert_eq!(expiry(&clinic).await, 0);
    clinic.stop();
    Ok(())
}

/// A request that is under way is answered, and connections that are not used hold up nothing.
///
/// Seen to fail when the server was stopped without waiting for connections.
#[tokio::test]
async fn the_server_stops_in_good_order() -> io::Result<()> {
    let identity = Identity::ending_in(90);
    let (_folder, mut clinic) = open(&identity, &[]);
    let mut idle = connect(&clinic, &identity).await?;
    assert_eq!(idle.send(&wire::get("/health", &[])).await?.status, 200);
    let mut slow = connect(&clinic, &identity).await?;
    let login = wire::post(
        "/pati_service/patient_service/login",
        &[],
        &json!({"phone": "13900000001", "password": "correct horse 9"}).to_string(),
    );
    let (first, second) = login.split_at(login.len() - 5);
    slow.write(first).await?;
    // Its head has arrived once another request, sent later, is answered.
    for _ in 0..3 {
        assert_eq!(idle.send(&wire::get("/health", &[])).await?.status, 200);
    }
    clinic.signal(Signal::Terminate);
    until("nobody new is let in", async || TcpStream::connect(clinic.address).await.is_err()).await;
    slow.write(second).await?;
    let reply = timeout(PATIENCE, slow.read()).await??;
    assert!(reply.closes(), "{}", reply.head);
    let status = clinic.wait_for_end();
    assert_eq!(status.code(), Some(0));
    Ok(())
}
