//! Text messages: the codes by which a patient proves to own a phone.

use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use actors::Clock;
use aws_lc_rs::rand;
use domain::{Phone, TenantId};
use reqwest::redirect;
use serde::Serialize;
use thiserror::Error;

pub mod aliyun;

use aliyun::Aliyun;

/// A verification code (验证码): six digits.
#[derive(Clone, PartialEq, Eq)]
pub struct VerificationCode([u8; 6]);

/// Not six decimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a verification code has six digits")]
pub struct NotACode;

/// The random source of the operating system failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no random numbers from the operating system")]
pub struct NoRandomness;

impl VerificationCode {
    /// How many codes there are.
    const COUNT: u32 = 1_000_000;

    /// A code from the random source of the operating system, each as likely as any other.
    ///
    /// # Errors
    /// When that source fails.
    pub fn random() -> Result<Self, NoRandomness> {
        Self::draw(|| {
            let mut bytes = [0; 4];
            rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
            Ok(u32::from_le_bytes(bytes))
        })
    }

    fn draw(mut next: impl FnMut() -> Result<u32, NoRandomness>) -> Result<Self, NoRandomness> {
        // Above the last whole round of codes, the remainder would favour small ones.
        const WHOLE_ROUNDS: u32 = u32::MAX - u32::MAX % VerificationCode::COUNT;
        loop {
            let number = next()?;
            if number < WHOLE_ROUNDS {
                return Ok(Self::from_number(number % Self::COUNT));
            }
        }
    }

    fn from_number(mut number: u32) -> Self {
        let mut digits = [b'0'; 6];
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        Self(digits)
    }

    /// Reads exactly six ASCII digits.
    ///
    /// # Errors
    /// For anything else.
    pub fn parse(text: &str) -> Result<Self, NotACode> {
        let digits: [u8; 6] = text.as_bytes().try_into().map_err(|_| NotACode)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(NotACode);
        }
        Ok(Self(digits))
    }

    /// The six digits.
    pub fn as_str(&self) -> &str {
        // Only ASCII digits come in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The code does not show.
impl fmt::Debug for VerificationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerificationCode")
    }
}

/// What a message says.
#[derive(Clone, Copy, Debug)]
pub enum Template<'c> {
    /// The code for registering.
    Register(&'c VerificationCode),
    /// The code for a new password.
    Reset(&'c VerificationCode),
    /// The code by which an account gives up this phone.
    LeavePhone(&'c VerificationCode),
    /// The code by which an account takes this phone.
    TakePhone(&'c VerificationCode),
    /// Somebody wanted an account for a phone that has one: its owner is told, and gets no code.
    AlreadyRegistered,
    /// Somebody wanted a new password for a phone that has no account: its owner is told, and gets no code.
    NoAccount,
}

impl<'c> Template<'c> {
    /// The name that the provider knows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Register(_) => "register",
            Self::Reset(_) => "reset",
            Self::LeavePhone(_) => "leave_phone",
            Self::TakePhone(_) => "take_phone",
            Self::AlreadyRegistered => "already_registered",
            Self::NoAccount => "no_account",
        }
    }

    fn code(self) -> Option<&'c str> {
        match self {
            Self::Register(code) | Self::Reset(code) | Self::LeavePhone(code) | Self::TakePhone(code) => {
                Some(code.as_str())
            }
            Self::AlreadyRegistered | Self::NoAccount => None,
        }
    }
}

/// Why a message was not sent, or perhaps not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SmsError {
    /// The provider was not reached: surely not sent.
    #[error("the SMS provider cannot be reached")]
    Unreachable,
    /// The provider was reached and answered with this HTTP status.
    #[error("the SMS provider answered with HTTP status {0}")]
    Refused(u16),
    /// The provider was reached and refused for this reason of its own.
    #[error("the SMS provider refused: {0}")]
    RefusedAs(ProviderCode),
    /// The provider sends no more to this phone for so long.
    #[error("the SMS provider sends no more to this phone for {} s", .0.as_secs())]
    Limited(Duration),
    /// The provider was reached and did not answer in time: perhaps sent.
    #[error("the SMS provider did not answer")]
    NoAnswer,
}

impl SmsError {
    /// As metrics name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Refused(_) | Self::RefusedAs(_) => "refused",
            Self::Limited(_) => "limited",
            Self::NoAnswer => "no_answer",
        }
    }

    /// Whether the message counts for the limits of its phone and address.
    pub fn reached_provider(self) -> bool {
        match self {
            Self::Unreachable => false,
            Self::Refused(_) | Self::RefusedAs(_) | Self::Limited(_) | Self::NoAnswer => true,
        }
    }
}

/// The name that a provider has for a failure, such as `isv.AMOUNT_NOT_ENOUGH`: what of it is safe to log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ProviderCode([u8; Self::LONGEST]);

impl ProviderCode {
    const LONGEST: usize = 48;

    /// Keeps the first letters, dots, hyphens and underscores. No digits: they could be those of a phone.
    fn of(text: &str) -> Self {
        let is_kept = |byte: &u8| byte.is_ascii_alphabetic() || b"._-".contains(byte);
        let mut kept = [0; Self::LONGEST];
        for (place, byte) in kept.iter_mut().zip(text.bytes().filter(is_kept)) {
            *place = byte;
        }
        Self(kept)
    }
}

impl fmt::Display for ProviderCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(Self::LONGEST);
        // Only ASCII comes in.
        f.write_str(std::str::from_utf8(&self.0[..length]).unwrap_or_default())
    }
}

impl fmt::Debug for ProviderCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The provider could not be set up.
#[derive(Debug, Error)]
#[error("cannot set up the HTTPS client of the SMS provider: {0}")]
pub struct SmsSetupError(String);

/// Sends messages.
#[derive(Clone)]
pub enum Sms {
    /// Prints them on standard output. It exists for development: nothing else ever prints a code.
    Console,
    /// Posts them as JSON to an address of the clinic.
    Webhook(Webhook),
    /// Has Aliyun send them.
    Aliyun(Aliyun),
}

/// An address that sends what is posted to it.
#[derive(Clone)]
pub struct Webhook {
    client: reqwest::Client,
    url: String,
}

#[derive(Serialize)]
struct WebhookMessage<'a> {
    #[serde(rename = "tenantId")]
    tenant: String,
    phone: &'a str,
    template: &'static str,
    code: Option<&'a str>,
}

/// How long a provider may take for everything.
const TOTAL: Duration = Duration::from_secs(5);

/// A client with 2 s to connect and `total` for everything; neither redirects nor proxies, which would learn the codes.
fn https_client(total: Duration) -> Result<reqwest::Client, SmsSetupError> {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(2).min(total))
        .timeout(total)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|cause| SmsSetupError(cause.without_url().to_string()))
}

impl Sms {
    /// A provider that posts to `url`.
    ///
    /// # Errors
    /// When the HTTPS client cannot be set up.
    pub fn webhook(url: &str) -> Result<Self, SmsSetupError> {
        Self::webhook_within(url, TOTAL)
    }

    fn webhook_within(url: &str, total: Duration) -> Result<Self, SmsSetupError> {
        Ok(Self::Webhook(Webhook { client: https_client(total)?, url: url.to_owned() }))
    }

    /// Aliyun, with the clinic's account there.
    ///
    /// # Errors
    /// When the HTTPS client cannot be set up.
    pub fn aliyun(account: aliyun::Account, clock: Arc<dyn Clock>) -> Result<Self, SmsSetupError> {
        Ok(Self::Aliyun(Aliyun::new(account, clock, TOTAL)?))
    }

    /// Sends one message; returns when the provider has taken it.
    ///
    /// # Errors
    /// Tell whether the provider was reached, never to whom, where or what was sent.
    pub async fn send(
        &self,
        tenant: TenantId,
        phone: &Phone,
        template: Template<'_>,
    ) -> Result<(), SmsError> {
        match self {
            Self::Console => {
                let line = console_line(phone, template);
                writeln!(std::io::stdout(), "{line}").map_err(|_| SmsError::Unreachable)
            }
            Self::Webhook(webhook) => webhook.post(tenant, phone, template).await,
            Self::Aliyun(aliyun) => aliyun.send(phone, template).await,
        }
    }
}

impl Webhook {
    async fn post(&self, tenant: TenantId, phone: &Phone, template: Template<'_>) -> Result<(), SmsError> {
        let message = WebhookMessage {
            tenant: tenant.to_string(),
            phone: phone.as_str(),
            template: template.name(),
            code: template.code(),
        };
        let response = self.client.post(&self.url).json(&message).send().await;
        let response = response.map_err(|cause| {
            if cause.is_connect() || cause.is_builder() { SmsError::Unreachable } else { SmsError::NoAnswer }
        })?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(SmsError::Refused(response.status().as_u16()))
        }
    }
}

fn console_line(phone: &Phone, template: Template<'_>) -> String {
    let (phone, name) = (phone.as_str(), template.name());
    match template.code() {
        Some(code) => format!("SMS to {phone} [{name}]: code {code}"),
        None => format!("SMS to {phone} [{name}]"),
    }
}

/// The address may hold a secret of the clinic.
impl fmt::Debug for Sms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Console => "Console",
            Self::Webhook(_) => "Webhook",
            Self::Aliyun(_) => "Aliyun",
        })
    }
}

/// The address may hold a secret of the clinic.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Webhook")
    }
}

#[cfg(test)]
mod tests;
