//! The date of a certificate, and the mode of its key. What a client sees is tested in `tests/tls.rs`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

fn certificate(year: i32) -> (String, KeyPair, Vec<u8>) {
    let mut params = CertificateParams::new(vec!["clinic.example".to_owned()]).expect("a name");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(year, 3, 4);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("signed");
    (certificate.pem(), key, certificate.der().to_vec())
}

#[test]
fn the_end_of_a_certificate_is_read() {
    for (year, expected) in [(2027, 1_804_118_400_000), (2049, 2_498_428_800_000), (2061, 2_877_120_000_000)]
    {
        let (_, _, der) = certificate(year);
        assert_eq!(validity::end(&der), Some(Timestamp::from_millis(expected)), "{year}");
        // Cut anywhere before the date, it is no certificate, and nothing else happens.
        for length in 0..80 {
            assert_eq!(validity::end(&der[..length]), None, "{length}");
        }
    }
    assert_eq!(validity::end(b"\x30\x84\xff\xff\xff\xff"), None);
}

#[test]
fn a_key_that_everybody_may_use_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = Files { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    let (pem, key, _) = certificate(2030);
    fs::write(&files.certificate, pem).expect("written");
    fs::write(&files.key, key.serialize_pem()).expect("written");
    for (mode, is_taken) in [(0o600, true), (0o640, true), (0o644, false), (0o602, false), (0o601, false)] {
        fs::set_permissions(&files.key, Permissions::from_mode(mode)).expect("changed");
        let loaded = files.load();
        assert_eq!(loaded.is_ok(), is_taken, "{mode:o}");
        if let Err(error) = loaded {
            let text = error.to_string();
            assert!(text.starts_with("server.tls_key = ") && text.contains("key.pem"), "{text}");
        }
    }
}
