//! RSA keys made at start, and the certificates over them.
//!
//! A key takes a moment to make, so that the keys of one process are made once and known by name. A demo keeps its keys
//! in files, because what was entered at the server has to be right after a restart, too.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::Mutex;

static KEYS: LazyLock<Mutex<BTreeMap<String, Arc<Key>>>> = LazyLock::new(Mutex::default);

/// An RSA key of 2048 bits.
#[derive(Debug)]
pub(crate) struct Key {
    pair: RsaKeyPair,
    public: Vec<u8>,
    private: Vec<u8>,
}

impl Key {
    /// The key of this name, which is made when it is asked for the first time in this process.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub(crate) fn named(name: &str) -> Result<Arc<Self>, Unspecified> {
        let mut keys = KEYS.lock();
        if let Some(key) = keys.get(name) {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(Self::of(RsaKeyPair::generate(KeySize::Rsa2048)?)?);
        keys.insert(name.to_owned(), Arc::clone(&key));
        Ok(key)
    }

    /// The key in this file, which only its owner may read. Where there is none, the file is made.
    ///
    /// # Errors
    /// The file cannot be read or written or holds no key, or the machine gives no randomness.
    pub(crate) fn kept_in(file: &Path) -> io::Result<Arc<Self>> {
        let no_key = || io::Error::new(io::ErrorKind::InvalidData, format!("{}: is no key", file.display()));
        match fs::read_to_string(file) {
            Ok(text) => {
                let lines: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
                let der = STANDARD.decode(lines).map_err(|_| no_key())?;
                let pair = RsaKeyPair::from_pkcs8(&der).map_err(|_| no_key())?;
                Ok(Arc::new(Self::of(pair).map_err(|_| no_key())?))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let no_randomness = |_| io::Error::other("the machine gives no randomness");
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(no_randomness)?;
                let key = Self::of(pair).map_err(no_randomness)?;
                let begun = file.with_extension("new");
                let mut options = OpenOptions::new();
                let mut written = options.write(true).create(true).truncate(true).mode(0o600).open(&begun)?;
                written.write_all(key.private_pem().as_bytes())?;
                written.sync_all()?;
                fs::rename(&begun, file)?;
                Ok(Arc::new(key))
            }
            Err(error) => Err(error),
        }
    }

    fn of(pair: RsaKeyPair) -> Result<Self, Unspecified> {
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
        let private: Pkcs8V1Der<'_> = pair.as_der()?;
        let (public, private) = (public.as_ref().to_vec(), private.as_ref().to_vec());
        Ok(Self { pair, public, private })
    }

    /// The signature over `text` (PKCS#1 v1.5, SHA-256) in base64.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub(crate) fn sign(&self, text: &[u8]) -> Result<String, Unspecified> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)?;
        Ok(STANDARD.encode(signature))
    }

    /// The public key as SubjectPublicKeyInfo.
    pub(crate) fn public_der(&self) -> &[u8] {
        &self.public
    }

    pub(crate) fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.public)
    }

    /// The private key as PKCS#8, which is what a merchant's `apiclient_key.pem` holds.
    pub(crate) fn private_pem(&self) -> String {
        pem("PRIVATE KEY", &self.private)
    }

    /// A certificate over this key that it signs itself, as PEM. `serial` is hex.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub(crate) fn certificate(
        &self,
        serial: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<String, Unspecified> {
        let algorithm = der(0x30, &[&SHA256_WITH_RSA, &[0x05, 0x00]]);
        let name = der(0x0C, &["Simulated Tenpay.com CA".as_bytes()]);
        let name = der(0x30, &[&der(0x31, &[&der(0x30, &[&COMMON_NAME, &name])])]);
        let validity = der(0x30, &[&utc_time(from), &utc_time(to)]);
        let version = der(0xA0, &[&der(0x02, &[&[2]])]);
        let number = integer(&from_hex(serial));
        let body = der(0x30, &[&version, &number, &algorithm, &name, &validity, &name, &self.public]);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &body, &mut signature)?;
        let signature = der(0x03, &[&[0], &signature]);
        Ok(pem("CERTIFICATE", &der(0x30, &[&body, &algorithm, &signature])))
    }
}

/// 1.2.840.113549.1.1.11
const SHA256_WITH_RSA: [u8; 11] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B];
/// 2.5.4.3
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];

/// One DER element of the given tag around the parts.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1)..];
    let mut element = vec![tag];
    if content.len() >= 0x80 {
        element.push(0x80 | u8::try_from(significant.len()).unwrap_or(0));
    }
    element.extend_from_slice(significant);
    element.extend_from_slice(&content);
    element
}

/// A positive number: a zero goes before it only where its first bit would make it a negative one.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if bytes.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
    der(0x02, &[sign, bytes])
}

fn utc_time(at: Timestamp) -> Vec<u8> {
    let text = at.to_zoned_datetime(TimeZone::UTC).strftime("%y%m%d%H%M%SZ").to_string();
    der(0x17, &[text.as_bytes()])
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signatures::verify_rsa;

    /// Its text is as OpenSSL reads and verifies it, which was tried by hand; here its parts are checked.
    /// Planted and caught: a zero before every serial number, which OpenSSL calls illegal padding.
    #[test]
    fn a_certificate_has_its_serial_its_key_and_its_own_signature() -> Result<(), Box<dyn std::error::Error>>
    {
        let key = Key::named("test")?;
        let (from, to) = ("2026-11-24T00:00:00Z".parse()?, "2031-11-24T00:00:00Z".parse()?);
        let serial = "5157000000000000000000000000000000000001";
        let pem = key.certificate(serial, from, to)?;
        let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let certificate = STANDARD.decode(lines)?;
        let has = |part: &[u8]| certificate.windows(part.len()).any(|window| window == part);
        assert!(has(&[&[0x02, 0x14], from_hex(serial).as_slice()].concat()));
        assert!(has(b"261124000000Z") && has(b"311124000000Z") && has(key.public_der()));
        let length = usize::from(u16::from_be_bytes([certificate[6], certificate[7]]));
        let (body, rest) = certificate[4..].split_at(length + 4);
        assert_eq!(rest.len(), 15 + 261, "the algorithm and the signature");
        verify_rsa(key.public_der(), body, &STANDARD.encode(&rest[rest.len() - 256..]))?;
        assert_eq!(integer(&[0x80]), [0x02, 0x02, 0x00, 0x80]);
        Ok(())
    }
}
