//! Aliyun's SMS service (短信服务): `SendSms` with a signature of version 3, or of the older RPC style, as the real one takes both.
//!
//! Sources: <https://help.aliyun.com/zh/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms>,
//! <https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature>,
//! <https://help.aliyun.com/zh/sdk/product-overview/rpc-mechanism>. In which order the real one looks at a call is not known.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::http::{Call, Reply};
use crate::sms::SmsMessage;
use crate::world::World;

/// Calls may be this far off the service's clock.
const SKEW: SignedDuration = SignedDuration::from_mins(15);

/// Messages to one phone in a rolling window, and what the refusal says.
const FLOW: [(SignedDuration, usize, &str); 3] = [
    (SignedDuration::from_mins(1), 1, "触发分钟级流控Permits:1"),
    (SignedDuration::from_hours(1), 5, "触发小时级流控Permits:5"),
    (SignedDuration::from_hours(24), 10, "触发天级流控Permits:10"),
];

/// An account that sends texts.
#[derive(Clone, Debug)]
pub struct SmsAccount {
    /// The id of its access key.
    pub access_key_id: String,
    /// The access key itself.
    pub access_key_secret: String,
    /// The signature (签名) that was approved.
    pub sign_name: String,
    /// The templates that were approved: code, and names of the variables.
    pub templates: Vec<(String, Vec<String>)>,
}

impl SmsAccount {
    /// Four templates with a code and two without.
    #[must_use]
    pub fn simulated() -> Self {
        let template = |number: u32| {
            let variables = if number <= 4 { vec!["code".to_owned()] } else { Vec::new() };
            (format!("SMS_5100000{number}"), variables)
        };
        Self {
            access_key_id: "LTAI51simulated".to_owned(),
            access_key_secret: "simulatedAccessKeySecret000051".to_owned(),
            sign_name: "春和诊所".to_owned(),
            templates: (1..=6).map(template).collect(),
        }
    }
}

/// What is remembered of calls.
#[derive(Debug, Default)]
pub(crate) struct SmsState {
    accounts: Vec<SmsAccount>,
    nonces: BTreeSet<String>,
    /// Who got a text, and when.
    flow: Vec<(String, Timestamp)>,
}

impl SmsState {
    pub(crate) fn of(accounts: Vec<SmsAccount>) -> Self {
        Self { accounts, ..Self::default() }
    }
}

/// Why a call is refused: HTTP status, code and message.
struct Failure(u16, &'static str, String);

/// The service itself answers with 200, whatever it says.
fn business(code: &'static str, message: &str) -> Failure {
    Failure(200, code, message.to_owned())
}

/// Whether a call is one of this service.
pub(crate) fn is_call(call: &Call) -> bool {
    call.path == "/"
        && (call.header("x-acs-action").is_some()
            || call.param("Action").is_some()
            || call.form("Action").is_some())
}

impl World {
    /// `SendSms`.
    pub(crate) fn aliyun_sms(&mut self, call: &Call) -> Reply {
        let request_id = self.chance.hex(32).to_uppercase();
        match self.send_sms(call) {
            Ok(()) => {
                let biz_id = format!("{}^0", self.chance.digits(18));
                Reply::json(
                    200,
                    &json!({"Code": "OK", "Message": "OK", "BizId": biz_id, "RequestId": request_id}),
                )
            }
            Err(Failure(200, code, message)) => {
                Reply::json(200, &json!({"Code": code, "Message": message, "RequestId": request_id}))
            }
            Err(Failure(status, code, message)) => Reply::json(
                status,
                &json!({
                    "RequestId": request_id, "Message": message, "HostId": "dysmsapi.aliyuncs.com", "Code": code,
                    "Recommend": format!("https://api.aliyun.com/troubleshoot?q={code}&product=Dysmsapi"),
                }),
            ),
        }
    }

    fn send_sms(&mut self, call: &Call) -> Result<(), Failure> {
        let account = self.caller(call)?;
        let params = params(call);
        let param = |name: &str| params.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let missing =
            |name: &str| Failure(400, "MissingParameter", format!("{name} is mandatory for this action."));
        let phone = param("PhoneNumbers").ok_or_else(|| missing("PhoneNumbers"))?;
        let sign_name = param("SignName").ok_or_else(|| missing("SignName"))?;
        let code = param("TemplateCode").ok_or_else(|| missing("TemplateCode"))?;
        if sign_name != account.sign_name {
            return Err(business("isv.SMS_SIGNATURE_ILLEGAL", "该账号下找不到对应签名"));
        }
        let template = account.templates.iter().find(|(known, _)| known == code);
        let (_, variables) =
            template.ok_or_else(|| business("isv.SMS_TEMPLATE_ILLEGAL", "该账号下找不到对应模板"))?;
        if phone.len() != 11 || !phone.starts_with('1') || !phone.bytes().all(|digit| digit.is_ascii_digit())
        {
            return Err(business("isv.MOBILE_NUMBER_ILLEGAL", "手机号码格式错误"));
        }
        let given: Value = match param("TemplateParam") {
            Some(text) => serde_json::from_str(text)
                .map_err(|_| business("isv.INVALID_JSON_PARAM", "参数格式错误，请修改为字符串值"))?,
            None => json!({}),
        };
        if variables.iter().any(|name| given[name].as_str().is_none()) {
            return Err(business("isv.TEMPLATE_MISSING_PARAMETERS", "模板变量中存在未赋值变量"));
        }
        let verification = given["code"].as_str().map(str::to_owned);
        if verification.as_ref().is_some_and(|code| !(4..=6).contains(&code.len())) {
            return Err(business("isv.TEMPLATE_PARAMS_ILLEGAL", "验证码类型的变量长度为4-6位"));
        }
        for (window, most, message) in FLOW {
            let recent =
                |(to, at): &&(String, Timestamp)| to == phone && call.now.duration_since(*at) < window;
            if self.sms_service.flow.iter().filter(recent).count() >= most {
                return Err(business("isv.BUSINESS_LIMIT_CONTROL", message));
            }
        }
        self.sms_service.flow.push((phone.to_owned(), call.now));
        self.sms.push(SmsMessage {
            at: call.now,
            tenant_id: String::new(),
            phone: phone.to_owned(),
            template: code.to_owned(),
            code: verification,
        });
        Ok(())
    }

    /// Whose call it is, if it is signed, in time and the first with its nonce.
    fn caller(&mut self, call: &Call) -> Result<SmsAccount, Failure> {
        let signed = if call.header("x-acs-action").is_some() { version_3(call) } else { rpc(call) };
        let signed = signed.ok_or_else(|| {
            Failure(
                400,
                "IncompleteSignature",
                "The request signature does not conform to Aliyun standards.".to_owned(),
            )
        })?;
        if (signed.action.as_str(), signed.version.as_str()) != ("SendSms", "2017-05-25") {
            let message = "Specified api is not found, please check your url and method.";
            return Err(Failure(404, "InvalidAction.NotFound", message.to_owned()));
        }
        let accounts = &self.sms_service.accounts;
        let account = accounts.iter().find(|account| account.access_key_id == signed.key_id).cloned();
        let account = account.ok_or_else(|| {
            Failure(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.".to_owned())
        })?;
        if signed.date.parse::<Timestamp>().map_or(true, |at| call.now.duration_since(at).abs() > SKEW) {
            let message = "Specified time stamp or date value is expired.";
            return Err(Failure(400, "InvalidTimeStamp.Expired", message.to_owned()));
        }
        if signed.signature != signed.kind.sign(&account.access_key_secret, &signed.to_sign) {
            let message = format!(
                "Specified signature is not matched with our calculation. server string to sign is:{}",
                signed.to_sign
            );
            return Err(Failure(400, "SignatureDoesNotMatch", message));
        }
        if !self.sms_service.nonces.insert(signed.nonce) {
            let message = "Specified signature nonce was used already.";
            return Err(Failure(400, "SignatureNonceUsed", message.to_owned()));
        }
        Ok(account)
    }
}

/// The parameters of the query and of a posted form.
fn params(call: &Call) -> BTreeMap<String, String> {
    let both = form_urlencoded::parse(call.query.as_bytes()).chain(form_urlencoded::parse(&call.body));
    both.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

#[derive(Clone, Copy)]
enum Kind {
    Version3,
    Rpc,
}

impl Kind {
    fn sign(self, secret: &str, text: &str) -> String {
        match self {
            Self::Version3 => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
                hex(hmac::sign(&key, text.as_bytes()).as_ref())
            }
            Self::Rpc => {
                let key = format!("{secret}&");
                let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
                STANDARD.encode(hmac::sign(&key, text.as_bytes()))
            }
        }
    }
}

/// A call with what its signature should be over.
struct Signed {
    kind: Kind,
    key_id: String,
    action: String,
    version: String,
    date: String,
    nonce: String,
    to_sign: String,
    signature: String,
}

/// `Authorization: ACS3-HMAC-SHA256 Credential=..,SignedHeaders=a;b,Signature=..`
fn version_3(call: &Call) -> Option<Signed> {
    let parts = call.header("authorization")?.strip_prefix("ACS3-HMAC-SHA256 ")?;
    let parts: BTreeMap<_, _> = parts.split(',').filter_map(|part| part.trim().split_once('=')).collect();
    let names: Vec<&str> = parts.get("SignedHeaders")?.split(';').collect();
    let signed =
        |needed: &str| names.contains(&needed).then(|| call.header(needed)).flatten().map(str::to_owned);
    signed("host")?;
    let body_hash = signed("x-acs-content-sha256")?;
    if body_hash != sha256_hex(&call.body) {
        return None;
    }
    let mut headers = String::new();
    for name in &names {
        headers += &format!("{name}:{}\n", call.header(name)?.trim());
    }
    let query: BTreeMap<_, _> = form_urlencoded::parse(call.query.as_bytes()).into_owned().collect();
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{}\n{body_hash}",
        call.method,
        call.path,
        joined(&query),
        names.join(";")
    );
    Some(Signed {
        kind: Kind::Version3,
        key_id: (*parts.get("Credential")?).to_owned(),
        action: signed("x-acs-action")?,
        version: signed("x-acs-version")?,
        date: signed("x-acs-date")?,
        nonce: signed("x-acs-signature-nonce")?,
        to_sign: format!("ACS3-HMAC-SHA256\n{}", sha256_hex(canonical.as_bytes())),
        signature: (*parts.get("Signature")?).to_owned(),
    })
}

fn rpc(call: &Call) -> Option<Signed> {
    let mut params = params(call);
    let signature = params.remove("Signature")?;
    if params.get("SignatureMethod")? != "HMAC-SHA1" || params.get("SignatureVersion")? != "1.0" {
        return None;
    }
    let to_sign = rpc_text(&call.method, &params);
    let mut take = |name: &str| params.remove(name);
    Some(Signed {
        kind: Kind::Rpc,
        key_id: take("AccessKeyId")?,
        action: take("Action")?,
        version: take("Version")?,
        date: take("Timestamp")?,
        nonce: take("SignatureNonce")?,
        to_sign,
        signature,
    })
}

/// What the RPC style signs.
fn rpc_text(method: &str, params: &BTreeMap<String, String>) -> String {
    format!("{method}&%2F&{}", encoded(&joined(params)))
}

fn joined(params: &BTreeMap<String, String>) -> String {
    let pairs: Vec<_> =
        params.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&")
}

/// As Aliyun's documents put it: the encoding of forms, with three corrections.
fn encoded(text: &str) -> String {
    let form: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    form.replace('+', "%20").replace('*', "%2A").replace("%7E", "~")
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &[(&str, &str)]) -> BTreeMap<String, String> {
        text.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// `vectors.json`, `aliyun_rpc_sendsms` and `aliyun_rpc_describeregions`.
    #[test]
    fn the_rpc_style_signs_as_the_documentation_does() {
        let send = params(&[
            ("AccessKeyId", "testId"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", "45e25e9b-0a6f-4070-8c85-2956eda1b466"),
            ("SignatureVersion", "1.0"),
            ("Timestamp", "2017-07-12T02:42:19Z"),
            ("Format", "XML"),
            ("Action", "SendSms"),
            ("OutId", "123"),
            ("PhoneNumbers", "15300000001"),
            ("RegionId", "cn-hangzhou"),
            ("SignName", "阿里云短信测试专用"),
            ("TemplateCode", "SMS_71390007"),
            ("TemplateParam", "{\"customer\":\"test\"}"),
            ("Version", "2017-05-25"),
        ]);
        assert_eq!(Kind::Rpc.sign("testSecret", &rpc_text("GET", &send)), "zJDF+Lrzhj/ThnlvIToysFRq6t4=");
        let regions = params(&[
            ("AccessKeyId", "testid"),
            ("Action", "DescribeRegions"),
            ("Format", "XML"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"),
            ("SignatureVersion", "1.0"),
            ("Timestamp", "2016-02-23T12:46:24Z"),
            ("Version", "2014-05-26"),
        ]);
        assert_eq!(Kind::Rpc.sign("testsecret", &rpc_text("GET", &regions)), "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
    }

    /// `vectors.json`, `acs3_hashed_canonical` and `acs3_signature`.
    #[test]
    fn version_3_signs_as_the_documentation_does() {
        let names = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version";
        let authorization = format!(
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders={names},Signature=\
             06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        );
        let headers = params(&[
            ("authorization", &authorization),
            ("host", "ecs.cn-shanghai.aliyuncs.com"),
            ("x-acs-action", "RunInstances"),
            ("x-acs-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("x-acs-date", "2023-10-26T10:22:32Z"),
            ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
            ("x-acs-version", "2014-05-26"),
        ]);
        let query = "RegionId=cn-shanghai&ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd";
        let call = Call {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: query.to_owned(),
            headers,
            body: Vec::new(),
            now: Timestamp::UNIX_EPOCH,
        };
        let signed = version_3(&call).expect("well formed");
        let hashed = "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259";
        assert_eq!(signed.to_sign, format!("ACS3-HMAC-SHA256\n{hashed}"));
        assert_eq!(signed.kind.sign("YourAccessKeySecret", &signed.to_sign), signed.signature);
    }
}
