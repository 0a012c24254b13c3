//! How WeChat signs, verifies and encrypts, written for the simulator alone.
//!
//! The server has its own code for the other side of each of these. Two implementations that agree
//! on the published vectors and with each other are a check; one that is used for both sides is none.
//!
//! Sources: <https://pay.weixin.qq.com/doc/v3/merchant/4012365337> (v3 signatures),
//! <https://developers.weixin.qq.com/doc/service/> (callbacks and their encryption, JS-SDK appendix).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use aws_lc_rs::{digest, error::Unspecified};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

/// Takes keys whose last symbol has stray bits, as WeChat's own sample keys have.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Why something of the server's was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not base64, or of the wrong length.
    #[error("not well formed")]
    Malformed,
    /// The signature is another one.
    #[error("the signature does not match")]
    Signature,
    /// It does not decrypt.
    #[error("it does not decrypt with this key")]
    Decryption,
    /// It is meant for another account.
    #[error("it names another appid")]
    AppId,
}

/// SHA-1 as lower-case hex.
pub(crate) fn sha1_hex(text: &str) -> String {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The signature of callbacks: SHA-1 over the parts, sorted and joined.
pub(crate) fn of_sorted(parts: &[&str]) -> String {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    sha1_hex(&sorted.concat())
}

/// The signature of `wx.config`: the values stay as they are, not URL-encoded.
pub(crate) fn of_page(ticket: &str, nonce: &str, timestamp: &str, url: &str) -> String {
    sha1_hex(&format!("jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={url}"))
}

/// What a v3 request signs: five lines, each ended.
pub(crate) fn request_text(method: &str, target: &str, timestamp: &str, nonce: &str, body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method}\n{target}\n{timestamp}\n{nonce}\n").into_bytes();
    text.extend_from_slice(body);
    text.push(b'\n');
    text
}

/// What v3 replies and notices sign: three lines, each ended.
pub(crate) fn reply_text(timestamp: &str, nonce: &str, body: &[u8]) -> Vec<u8> {
    let mut text = format!("{timestamp}\n{nonce}\n").into_bytes();
    text.extend_from_slice(body);
    text.push(b'\n');
    text
}

/// What the page's payment signs; `package` starts with `prepay_id=`.
pub(crate) fn page_payment_text(app_id: &str, timestamp: &str, nonce: &str, package: &str) -> Vec<u8> {
    format!("{app_id}\n{timestamp}\n{nonce}\n{package}\n").into_bytes()
}

/// Checks an RSA signature (PKCS#1 v1.5, SHA-256) in base64 against a public key (DER, either form).
///
/// # Errors
/// [`Refused::Malformed`] when it is not base64, [`Refused::Signature`] when it does not match.
pub(crate) fn verify_rsa(public_key: &[u8], text: &[u8], signature: &str) -> Result<(), Refused> {
    let signature = STANDARD.decode(signature).map_err(|_| Refused::Malformed)?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key)
        .verify(text, &signature)
        .map_err(|_| Refused::Signature)
}

/// Encrypts as resources of notices and platform certificates are: AES-256-GCM, tag at the end, base64.
///
/// # Errors
/// When the key does not have 32 bytes.
pub(crate) fn seal(
    key: &str,
    nonce: [u8; 12],
    associated: &str,
    plain: &[u8],
) -> Result<String, Unspecified> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_bytes())?);
    let mut text = plain.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated), &mut text)?;
    Ok(STANDARD.encode(text))
}

/// The keys of a callback in AES mode.
#[derive(Clone)]
pub(crate) struct CallbackKey {
    key: [u8; 32],
    app_id: String,
}

impl CallbackKey {
    /// Reads an `EncodingAESKey` of 43 symbols.
    ///
    /// # Errors
    /// [`Refused::Malformed`] when it does not give 32 bytes.
    pub(crate) fn new(encoding_aes_key: &str, app_id: &str) -> Result<Self, Refused> {
        let bytes = LENIENT.decode(format!("{encoding_aes_key}=")).map_err(|_| Refused::Malformed)?;
        let key = bytes.try_into().map_err(|_| Refused::Malformed)?;
        Ok(Self { key, app_id: app_id.to_owned() })
    }

    fn cipher(&self) -> Result<(UnboundCipherKey, FixedLength<16>), Unspecified> {
        let mut first = [0; 16];
        first.copy_from_slice(&self.key[..16]);
        Ok((UnboundCipherKey::new(&AES_256, &self.key)?, FixedLength::from(first)))
    }

    /// AES-256-CBC over 16 random bytes, the length, the message and the appid, padded to blocks of 32 bytes.
    ///
    /// # Errors
    /// When the message is longer than a length of four bytes can say, or the cipher fails.
    pub(crate) fn encrypt(&self, random: [u8; 16], message: &str) -> Result<String, Unspecified> {
        let length = u32::try_from(message.len()).map_err(|_| Unspecified)?;
        let mut text = random.to_vec();
        text.extend_from_slice(&length.to_be_bytes());
        text.extend_from_slice(message.as_bytes());
        text.extend_from_slice(self.app_id.as_bytes());
        let padding = 32 - text.len() % 32;
        text.extend(std::iter::repeat_n(u8::try_from(padding).map_err(|_| Unspecified)?, padding));
        let (key, first) = self.cipher()?;
        EncryptingKey::cbc(key)?.less_safe_encrypt(&mut text, EncryptionContext::Iv128(first))?;
        Ok(STANDARD.encode(text))
    }

    /// Reads what the server encrypted.
    ///
    /// # Errors
    /// [`Refused`] tells what was wrong with it.
    pub(crate) fn decrypt(&self, encrypted: &str) -> Result<String, Refused> {
        let (message, app_id) = self.open(encrypted)?;
        if app_id == self.app_id { Ok(message) } else { Err(Refused::AppId) }
    }

    fn open(&self, encrypted: &str) -> Result<(String, String), Refused> {
        let mut text = STANDARD.decode(encrypted).map_err(|_| Refused::Malformed)?;
        let (key, first) = self.cipher().map_err(|_| Refused::Decryption)?;
        DecryptingKey::cbc(key)
            .and_then(|key| key.decrypt(&mut text, DecryptionContext::Iv128(first)).map(|_| ()))
            .map_err(|_| Refused::Decryption)?;
        let padding = usize::from(*text.last().ok_or(Refused::Decryption)?);
        if !(1..=32).contains(&padding) || padding > text.len() {
            return Err(Refused::Decryption);
        }
        text.truncate(text.len() - padding);
        let length = text.get(16..20).and_then(|bytes| bytes.try_into().ok()).ok_or(Refused::Decryption)?;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| Refused::Decryption)?;
        let rest = &text[20..];
        let (message, app_id) = rest.split_at_checked(length).ok_or(Refused::Decryption)?;
        let as_text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| Refused::Decryption);
        Ok((as_text(message)?, as_text(app_id)?))
    }
}

#[cfg(test)]
mod tests;
