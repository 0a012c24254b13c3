//! Signatures and encryption of WeChat Pay v3.
//!
//! Requests are signed with the merchant's own key; replies and notices are verified with WeChat's, and what notices
//! tell is encrypted under the APIv3 key. Nothing here knows orders.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;
use thiserror::Error;

mod certificate;

/// How far apart the clocks may be, in seconds.
const SKEW_SECONDS: i64 = 300;

/// Why a key cannot be used, or what came is not believed. It never tells what was in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SigningError {
    /// Not a private key in PKCS#8 as PEM, of RSA with 2048 bits or more.
    #[error("not a private key")]
    PrivateKey,
    /// Not a public key as PEM.
    #[error("not a public key")]
    PublicKey,
    /// Not a certificate as PEM, or not the one of its serial number.
    #[error("not a certificate")]
    Certificate,
    /// Not 32 bytes.
    #[error("not an APIv3 key")]
    ApiKey,
    /// The machine gives no randomness.
    #[error("cannot sign")]
    Unsigned,
    /// A header is missing or not what it should be.
    #[error("a Wechatpay header is missing")]
    Headers,
    /// It was signed more than five minutes ago or ahead.
    #[error("the timestamp is too far off")]
    Stale,
    /// It names a key that the clinic has not entered.
    #[error("an unknown serial number")]
    UnknownKey,
    /// The signature is not WeChat's over this.
    #[error("the signature does not match")]
    Signature,
    /// It does not decrypt.
    #[error("it does not decrypt")]
    Encrypted,
}

/// The private key of a merchant's certificate.
pub struct MerchantKey(RsaKeyPair);

impl MerchantKey {
    /// Reads PKCS#8 as PEM, as `apiclient_key.pem` holds it.
    ///
    /// # Errors
    /// [`SigningError::PrivateKey`]
    pub fn parse(pem: &str) -> Result<Self, SigningError> {
        let der = from_pem(pem, "PRIVATE KEY").ok_or(SigningError::PrivateKey)?;
        RsaKeyPair::from_pkcs8(&der).map(Self).map_err(|_| SigningError::PrivateKey)
    }

    /// The signature over `text` (PKCS#1 v1.5 with SHA-256) in base64.
    ///
    /// # Errors
    /// [`SigningError::Unsigned`]
    pub fn sign(&self, text: &[u8]) -> Result<String, SigningError> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
            .map_err(|_| SigningError::Unsigned)?;
        Ok(STANDARD.encode(signature))
    }
}

/// What WeChat is verified with: one key, and the name it goes by.
pub struct WechatKey {
    id: String,
    der: Vec<u8>,
}

/// What stands in the `Wechatpay-` headers of a reply or notice.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// `Wechatpay-Serial`
    pub serial: &'a str,
    /// `Wechatpay-Timestamp`
    pub timestamp: &'a str,
    /// `Wechatpay-Nonce`
    pub nonce: &'a str,
    /// `Wechatpay-Signature`
    pub signature: &'a str,
}

impl<'a> Signed<'a> {
    /// Reads the headers; `header` gives one by its name.
    ///
    /// # Errors
    /// [`SigningError::Headers`]
    pub fn read(header: impl Fn(&'static str) -> Option<&'a str>) -> Result<Self, SigningError> {
        let header = |name| header(name).ok_or(SigningError::Headers);
        Ok(Self {
            serial: header("Wechatpay-Serial")?,
            timestamp: header("Wechatpay-Timestamp")?,
            nonce: header("Wechatpay-Nonce")?,
            signature: header("Wechatpay-Signature")?,
        })
    }
}

impl WechatKey {
    /// Takes a public key as PEM.
    ///
    /// # Errors
    /// [`SigningError::PublicKey`]
    pub fn parse(id: &str, pem: &str) -> Result<Self, SigningError> {
        let der = from_pem(pem, "PUBLIC KEY").ok_or(SigningError::PublicKey)?;
        aws_lc_rs::signature::ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &der)
            .map_err(|_| SigningError::PublicKey)?;
        Ok(Self { id: id.to_owned(), der })
    }

    /// Takes the key of a certificate as PEM, which goes by its serial number.
    ///
    /// # Errors
    /// [`SigningError::Certificate`]
    pub fn of_certificate(serial_no: &str, pem: &str) -> Result<Self, SigningError> {
        let der = from_pem(pem, "CERTIFICATE").ok_or(SigningError::Certificate)?;
        let (number, key) = certificate::key(&der).ok_or(SigningError::Certificate)?;
        if !number.eq_ignore_ascii_case(serial_no) {
            return Err(SigningError::Certificate);
        }
        aws_lc_rs::signature::ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
            .map_err(|_| SigningError::Certificate)?;
        Ok(Self { id: serial_no.to_owned(), der: key.to_vec() })
    }

    /// The name that it goes by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether WeChat has just signed this body.
    ///
    /// # Errors
    /// Tells why not.
    pub fn verify(&self, signed: Signed<'_>, body: &[u8], now: Timestamp) -> Result<(), SigningError> {
        let at: i64 = signed.timestamp.parse().map_err(|_| SigningError::Headers)?;
        if at.abs_diff(now.as_millis().div_euclid(1_000)) > SKEW_SECONDS.unsigned_abs() {
            return Err(SigningError::Stale);
        }
        if signed.serial != self.id {
            return Err(SigningError::UnknownKey);
        }
        // Signatures that begin with WECHATPAY/SIGNTEST/ are there to be refused; they are no base64.
        let signature = STANDARD.decode(signed.signature).map_err(|_| SigningError::Signature)?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.der)
            .verify(&lines(&[signed.timestamp.as_bytes(), signed.nonce.as_bytes(), body]), &signature)
            .map_err(|_| SigningError::Signature)
    }
}

/// What everything is verified with that a merchant gets from WeChat.
pub enum WechatKeys {
    /// WeChat's public key (微信支付公钥), which new merchants are given once.
    PublicKey(WechatKey),
    /// Its platform certificates (平台证书), of which there are two while they change, each with its end.
    Certificates(Vec<(WechatKey, Timestamp)>),
}

impl WechatKeys {
    /// What a request tells in `Wechatpay-Serial`: that the merchant verifies with the public key.
    pub fn announced(&self) -> Option<&str> {
        match self {
            Self::PublicKey(key) => Some(key.id()),
            Self::Certificates(_) => None,
        }
    }

    /// Whether WeChat has just signed this body.
    ///
    /// # Errors
    /// Tells why not.
    pub fn verify(&self, signed: Signed<'_>, body: &[u8], now: Timestamp) -> Result<(), SigningError> {
        match self {
            Self::PublicKey(key) => key.verify(signed, body, now),
            Self::Certificates(keys) => {
                let live = keys.iter().filter(|(_, expires_at)| now < *expires_at);
                let mut named = live.map(|(key, _)| key).filter(|key| key.id() == signed.serial);
                named.next().ok_or(SigningError::UnknownKey)?.verify(signed, body, now)
            }
        }
    }
}

/// The key that notices are encrypted under.
pub struct ApiKey([u8; 32]);

impl ApiKey {
    /// Takes the 32 characters.
    ///
    /// # Errors
    /// [`SigningError::ApiKey`]
    pub fn parse(text: &str) -> Result<Self, SigningError> {
        text.as_bytes().try_into().map(Self).map_err(|_| SigningError::ApiKey)
    }

    /// Decrypts (AEAD_AES_256_GCM): base64, with the tag at the end.
    ///
    /// # Errors
    /// [`SigningError::Encrypted`]
    pub fn open(&self, nonce: &str, associated: &str, ciphertext: &str) -> Result<Vec<u8>, SigningError> {
        let broken = |_| SigningError::Encrypted;
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.0).map_err(broken)?);
        let nonce = Nonce::try_assume_unique_for_key(nonce.as_bytes()).map_err(broken)?;
        let mut text = STANDARD.decode(ciphertext).map_err(|_| SigningError::Encrypted)?;
        let length = key.open_in_place(nonce, Aad::from(associated), &mut text).map_err(broken)?.len();
        text.truncate(length);
        Ok(text)
    }
}

/// What a request signs.
pub fn request_text(method: &str, target: &str, timestamp: &str, nonce: &str, body: &[u8]) -> Vec<u8> {
    lines(&[method.as_bytes(), target.as_bytes(), timestamp.as_bytes(), nonce.as_bytes(), body])
}

/// What the page's payment signs.
pub fn page_text(app_id: &str, timestamp: &str, nonce: &str, prepay: &str) -> Vec<u8> {
    let package = format!("prepay_id={prepay}");
    lines(&[app_id.as_bytes(), timestamp.as_bytes(), nonce.as_bytes(), package.as_bytes()])
}

/// Each line ends, the last one too.
fn lines(lines: &[&[u8]]) -> Vec<u8> {
    let mut text = Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
    for line in lines {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text
}

/// The bytes between the marks of this label. Whoever enters a key may have joined its lines.
fn from_pem(pem: &str, label: &str) -> Option<Vec<u8>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let (_, rest) = pem.split_once(&begin)?;
    let (inside, _) = rest.split_once(&end)?;
    let text: String = inside.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests;
