//! Aliyun's SMS service (短信服务, dysmsapi): `SendSms`, signed by version 3 (`ACS3-HMAC-SHA256`).
//!
//! Sources: <https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature> and
//! <https://help.aliyun.com/zh/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms>.
//!
//! A message is asked for once. When no answer comes it may have been sent, and a second one would cost the clinic again
//! and make the first code useless; the patient asks again when the interval is over.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use actors::Clock;
use aws_lc_rs::{digest, hmac, rand};
use domain::Phone;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::json;

use super::{ProviderCode, SmsError, SmsSetupError, Template, https_client};

const ALGORITHM: &str = "ACS3-HMAC-SHA256";
const ACTION: &str = "SendSms";
const VERSION: &str = "2017-05-25";

/// A reply has a few hundred bytes.
const LARGEST_REPLY: usize = 64 * 1024;

/// What Aliyun knows of the clinic.
#[derive(Clone)]
pub struct Account {
    /// Where the service answers, without a path.
    pub endpoint: String,
    /// The id of the access key.
    pub access_key_id: String,
    /// The access key itself.
    pub access_key_secret: String,
    /// The signature (签名) that stands before each text.
    pub sign_name: String,
    /// What each text says.
    pub templates: TemplateCodes,
}

/// The templates (模板), by the codes that Aliyun gave them (`SMS_…`). Those with a code have the variable `code`.
#[derive(Clone, Debug, Default)]
pub struct TemplateCodes {
    /// For [`Template::Register`].
    pub register: String,
    /// For [`Template::Reset`].
    pub reset: String,
    /// For [`Template::LeavePhone`].
    pub leave_phone: String,
    /// For [`Template::TakePhone`].
    pub take_phone: String,
    /// For [`Template::AlreadyRegistered`].
    pub already_registered: String,
    /// For [`Template::NoAccount`].
    pub no_account: String,
}

impl TemplateCodes {
    fn of(&self, template: Template<'_>) -> &str {
        match template {
            Template::Register(_) => &self.register,
            Template::Reset(_) => &self.reset,
            Template::LeavePhone(_) => &self.leave_phone,
            Template::TakePhone(_) => &self.take_phone,
            Template::AlreadyRegistered => &self.already_registered,
            Template::NoAccount => &self.no_account,
        }
    }
}

/// Sends through Aliyun.
#[derive(Clone)]
pub struct Aliyun {
    client: reqwest::Client,
    url: Url,
    /// As the `Host` header names it, since it is signed.
    host: String,
    account: Arc<Account>,
    clock: Arc<dyn Clock>,
}

/// What is answered, by the service and by the gateway before it.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Code")]
    code: String,
    #[serde(rename = "Message", default)]
    message: String,
}

impl Aliyun {
    /// Ready to send; answers have to come within `total`.
    ///
    /// # Errors
    /// When the HTTPS client cannot be set up.
    pub fn new(account: Account, clock: Arc<dyn Clock>, total: Duration) -> Result<Self, SmsSetupError> {
        let url = Url::parse(&account.endpoint).map_err(|error| SmsSetupError(error.to_string()))?;
        let name = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
        Ok(Self { client: https_client(total)?, url, host, account: Arc::new(account), clock })
    }

    pub(super) async fn send(&self, phone: &Phone, template: Template<'_>) -> Result<(), SmsError> {
        let params = template.code().map(|code| json!({ "code": code }).to_string());
        self.send_template(phone, self.account.templates.of(template), params.as_deref()).await
    }

    /// Sends the template of this code; `params` are the values of its variables as a JSON object of texts.
    ///
    /// # Errors
    /// [`SmsError`]
    pub(super) async fn send_template(
        &self,
        phone: &Phone,
        template_code: &str,
        params: Option<&str>,
    ) -> Result<(), SmsError> {
        let mut query = vec![
            ("PhoneNumbers", phone.as_str()),
            ("SignName", &self.account.sign_name),
            ("TemplateCode", template_code),
        ];
        query.extend(params.map(|params| ("TemplateParam", params)));
        let mut nonce = [0; 16];
        rand::fill(&mut nonce).map_err(|_| SmsError::Unreachable)?;
        let nonce = hex(&nonce);
        let now = jiff::Timestamp::from_second(self.clock.now().as_millis() / 1000);
        let date = now.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string();
        let call = Call {
            host: &self.host,
            action: ACTION,
            version: VERSION,
            date: &date,
            nonce: &nonce,
            query: &query,
        };

        let mut url = self.url.clone();
        url.set_query(Some(&call.canonical_query()));
        let mut request = self.client.request(Method::POST, url).body("");
        for (name, value) in call.headers().into_iter().filter(|(name, _)| *name != "host") {
            request = request.header(name, value);
        }
        let authorization = call.authorization(&self.account.access_key_id, &self.account.access_key_secret);
        let sent = request.header("authorization", authorization).send().await;
        let response = sent.map_err(|cause| {
            if cause.is_connect() || cause.is_builder() { SmsError::Unreachable } else { SmsError::NoAnswer }
        })?;
        outcome(response).await
    }
}

/// The service refuses with HTTP 200 and a code, the gateway before it with 4xx and a code. What has neither may have
/// been anybody on the way, and says nothing about the message.
async fn outcome(mut response: reqwest::Response) -> Result<(), SmsError> {
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| SmsError::NoAnswer)? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST_REPLY {
            return Err(SmsError::NoAnswer);
        }
    }
    match serde_json::from_slice::<Answer>(&body) {
        Ok(answer) if answer.code == "OK" && status.is_success() => Ok(()),
        Ok(answer) if answer.code == "isv.BUSINESS_LIMIT_CONTROL" => {
            Err(SmsError::Limited(wait(&answer.message)))
        }
        Ok(answer) => Err(SmsError::RefusedAs(ProviderCode::of(&answer.code))),
        Err(_) if status.is_success() => Err(SmsError::NoAnswer),
        Err(_) => Err(SmsError::Refused(status.as_u16())),
    }
}

/// How long until the phone may get another one. The windows roll, so that it is at most this; only the message tells which
/// of them it is (触发分钟级流控, 小时级, 天级).
fn wait(message: &str) -> Duration {
    const MINUTE: u64 = 60;
    let seconds = if message.contains("天级") {
        24 * 60 * MINUTE
    } else if message.contains("小时级") {
        60 * MINUTE
    } else {
        MINUTE
    };
    Duration::from_secs(seconds)
}

/// A call of an action, as it is signed. Its parameters are in the query; the body is empty.
struct Call<'a> {
    host: &'a str,
    action: &'a str,
    version: &'a str,
    /// Such as `2023-10-26T10:22:32Z`; the service takes what is up to 15 minutes off.
    date: &'a str,
    nonce: &'a str,
    query: &'a [(&'a str, &'a str)],
}

impl Call<'_> {
    /// The headers that are signed, in their order.
    fn headers(&self) -> [(&'static str, String); 6] {
        [
            ("host", self.host.to_owned()),
            ("x-acs-action", self.action.to_owned()),
            ("x-acs-content-sha256", sha256_hex(b"")),
            ("x-acs-date", self.date.to_owned()),
            ("x-acs-signature-nonce", self.nonce.to_owned()),
            ("x-acs-version", self.version.to_owned()),
        ]
    }

    fn signed_names(&self) -> String {
        self.headers().map(|(name, _)| name).join(";")
    }

    fn canonical_query(&self) -> String {
        let mut pairs: Vec<_> =
            self.query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        pairs.sort_unstable();
        pairs.join("&")
    }

    fn canonical(&self) -> String {
        let mut headers = String::new();
        for (name, value) in self.headers() {
            headers.extend([name, ":", &value, "\n"]);
        }
        let (query, names) = (self.canonical_query(), self.signed_names());
        format!("POST\n/\n{query}\n{headers}\n{names}\n{}", sha256_hex(b""))
    }

    fn signature(&self, secret: &str) -> String {
        let to_sign = format!("{ALGORITHM}\n{}", sha256_hex(self.canonical().as_bytes()));
        hmac_sha256_hex(secret, &to_sign)
    }

    fn authorization(&self, key_id: &str, secret: &str) -> String {
        let (names, signature) = (self.signed_names(), self.signature(secret));
        format!("{ALGORITHM} Credential={key_id},SignedHeaders={names},Signature={signature}")
    }
}

fn hmac_sha256_hex(secret: &str, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex(hmac::sign(&key, text.as_bytes()).as_ref())
}

/// Percent-encoding by RFC 3986: letters, digits and `-_.~` stand for themselves.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        // Writing to a text does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The secret does not show.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Nothing of the account shows.
impl fmt::Debug for Aliyun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aliyun")
    }
}

#[cfg(test)]
mod tests;
