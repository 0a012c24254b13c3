//! What WeChat tells the server on its own (消息推送): signed, plain or encrypted, and in XML.
//!
//! Source: callback and encryption pages at <https://developers.weixin.qq.com/doc/service/>.

use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use domain::{OpenId, Timestamp};
use storage::records::ReceiptOutcome;
use thiserror::Error;

use super::signatures;

mod xml;

/// An EncodingAESKey has 43 symbols, the last of which may have bits that stand for nothing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The blocks that messages are padded to, in bytes: larger than those of AES.
const PADDED_TO: usize = 32;

/// Random bytes before the message, and the bytes of its length.
const RANDOM_LEN: usize = 16;
const LENGTH_LEN: usize = 4;

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// It was not signed by who knows the token.
    #[error("the signature is not WeChat's")]
    Signature,
    /// It cannot be read.
    #[error("the message cannot be read")]
    Malformed,
    /// It is for another account.
    #[error("the message is for another account")]
    OtherAccount,
}

/// What the address of a call says of who signed it.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// Of token, time and nonce.
    pub signature: &'a str,
    /// Seconds, as text.
    pub timestamp: &'a str,
    /// A random text.
    pub nonce: &'a str,
    /// Of an encrypted message, too.
    pub msg_signature: Option<&'a str>,
}

impl Signed<'_> {
    /// Checks the call itself.
    ///
    /// # Errors
    /// [`Refused::Signature`]
    pub fn check(&self, token: &str) -> Result<(), Refused> {
        if signatures::is_of_callback(self.signature, &[token, self.timestamp, self.nonce]) {
            Ok(())
        } else {
            Err(Refused::Signature)
        }
    }

    /// Checks an encrypted message.
    fn check_message(&self, token: &str, encrypted: &str) -> Result<(), Refused> {
        let parts = [token, self.timestamp, self.nonce, encrypted];
        match self.msg_signature {
            Some(signature) if signatures::is_of_callback(signature, &parts) => Ok(()),
            Some(_) | None => Err(Refused::Signature),
        }
    }
}

/// The key of encrypted messages (EncodingAESKey).
pub struct MessageKey([u8; 32]);

impl MessageKey {
    /// Reads the 43 symbols.
    ///
    /// # Errors
    /// [`Refused::Malformed`]
    pub fn parse(text: &str) -> Result<Self, Refused> {
        if text.len() != 43 {
            return Err(Refused::Malformed);
        }
        let bytes = LENIENT.decode(format!("{text}=")).map_err(|_| Refused::Malformed)?;
        bytes.try_into().map(Self).map_err(|_| Refused::Malformed)
    }

    /// Decrypts a message and the appid behind it.
    fn open(&self, encrypted: &str) -> Result<(String, String), Refused> {
        let mut text = STANDARD.decode(encrypted).map_err(|_| Refused::Malformed)?;
        let mut first = [0; 16];
        first.copy_from_slice(&self.0[..16]);
        let key = UnboundCipherKey::new(&AES_256, &self.0).and_then(DecryptingKey::cbc);
        let key = key.map_err(|_| Refused::Malformed)?;
        let iv = DecryptionContext::Iv128(FixedLength::from(first));
        key.decrypt(&mut text, iv).map_err(|_| Refused::Malformed)?;
        let padding = usize::from(*text.last().ok_or(Refused::Malformed)?);
        if !(1..=PADDED_TO).contains(&padding) || padding > text.len() {
            return Err(Refused::Malformed);
        }
        text.truncate(text.len() - padding);
        let (head, rest) = text.split_at_checked(RANDOM_LEN + LENGTH_LEN).ok_or(Refused::Malformed)?;
        let length = head[RANDOM_LEN..].iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        let (message, app_id) = rest.split_at_checked(length).ok_or(Refused::Malformed)?;
        let as_text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| Refused::Malformed);
        Ok((as_text(message)?, as_text(app_id)?))
    }
}

/// How the clinic's server is configured at WeChat (服务器配置).
#[derive(Clone, Copy)]
pub struct Configured<'a> {
    /// Token
    pub token: &'a str,
    /// EncodingAESKey; without one messages come in plain.
    pub key: Option<&'a MessageKey>,
    /// Whose messages they are.
    pub app_id: &'a str,
}

/// Something that happened at WeChat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody follows the account (关注).
    Subscribe(OpenId, Timestamp),
    /// Somebody left it (取消关注).
    Unsubscribe(OpenId, Timestamp),
    /// A template message was delivered, or not.
    TemplateSent {
        /// The number that WeChat gave to the message.
        message: u64,
        /// What became of it.
        outcome: ReceiptOutcome,
    },
    /// Something that the server has no use for.
    Other,
}

/// Reads a message whose call has been checked.
///
/// An account with a key takes encrypted messages only: what stands beside the encrypted message in 兼容模式 is not
/// signed, and anybody who saw one call could have written it.
///
/// # Errors
/// [`Refused`]
pub fn read(configured: Configured<'_>, signed: Signed<'_>, body: &[u8]) -> Result<Event, Refused> {
    signed.check(configured.token)?;
    let fields = xml::flat(body)?;
    let Some(key) = configured.key else { return event(&fields) };
    let encrypted = xml::field(&fields, "Encrypt").ok_or(Refused::Malformed)?;
    signed.check_message(configured.token, encrypted)?;
    let (message, app_id) = key.open(encrypted)?;
    if app_id != configured.app_id {
        return Err(Refused::OtherAccount);
    }
    event(&xml::flat(message.as_bytes())?)
}

fn event(fields: &xml::Fields) -> Result<Event, Refused> {
    if xml::field(fields, "MsgType") != Some("event") {
        return Ok(Event::Other);
    }
    let text = |name| xml::field(fields, name).ok_or(Refused::Malformed);
    let number = |name| text(name)?.parse::<u64>().map_err(|_| Refused::Malformed);
    let person = || {
        let open_id = OpenId::parse(text("FromUserName")?).map_err(|_| Refused::Malformed)?;
        // Within what a date can be, so that no sum of it overflows.
        let seconds = number("CreateTime")?.min(32_503_680_000);
        let millis = i64::try_from(seconds * 1000).map_err(|_| Refused::Malformed)?;
        Ok((open_id, Timestamp::from_millis(millis)))
    };
    match text("Event")? {
        "subscribe" => person().map(|(who, at)| Event::Subscribe(who, at)),
        "unsubscribe" => person().map(|(who, at)| Event::Unsubscribe(who, at)),
        "TEMPLATESENDJOBFINISH" => {
            // `success`, `failed:user block` or `failed: system failed`, with and without the blank.
            let outcome = match text("Status")?.trim() {
                "success" => ReceiptOutcome::Arrived,
                status if status.contains("block") => ReceiptOutcome::Blocked,
                _ => ReceiptOutcome::Failed,
            };
            Ok(Event::TemplateSent { message: number("MsgID")?, outcome })
        }
        _ => Ok(Event::Other),
    }
}

#[cfg(test)]
mod tests;
