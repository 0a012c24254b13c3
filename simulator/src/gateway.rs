//! The door of WeChat Pay: who may come in, and what the replies are signed with.
//!
//! Sources: <https://pay.weixin.qq.com/doc/v3/merchant/4012365337> (signature of requests),
//! <https://pay.weixin.qq.com/doc/v3/merchant/4013053249> (of replies); statuses and messages as probed in 2026-09.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::accounts::{Merchant, MerchantFiles, PayMode};
use crate::clock::beijing;
use crate::http::{Call, Reply};
use crate::keys::Key;
use crate::orders::Order;
use crate::refunds::Refund;
use crate::scripts::{Answer, Endpoint};
use crate::signatures;
use crate::simulator::StartError;
use crate::world::World;

const SKEW_SECS: i64 = 300;
const SCHEME: &str = "WECHATPAY2-SHA256-RSA2048 ";
const CERTIFICATE_LIFE: SignedDuration = SignedDuration::from_hours(24 * 365 * 5);

/// A merchant with its keys and everything it has ordered.
#[derive(Debug)]
pub(crate) struct MerchantState {
    pub(crate) merchant: Merchant,
    key: Arc<Key>,
    wechat: Arc<Key>,
    certificates: Vec<Certificate>,
    nonces: BTreeMap<String, Timestamp>,
    pub(crate) orders: BTreeMap<String, Order>,
    pub(crate) refunds: BTreeMap<String, Refund>,
}

#[derive(Debug)]
struct Certificate {
    serial: String,
    key: Arc<Key>,
    pem: String,
    from: Timestamp,
}

impl MerchantState {
    /// The merchant, and the keys that it and WeChat sign with.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub(crate) fn new(merchant: Merchant, now: Timestamp) -> Result<Self, Unspecified> {
        let key = Key::named(&format!("merchant {}", merchant.mch_id))?;
        Self::with(merchant, key, Key::named("wechat pay public key")?, now)
    }

    /// The same with keys that are kept in a folder.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub(crate) fn kept_in(folder: &Path, merchant: Merchant, now: Timestamp) -> Result<Self, StartError> {
        let key = Key::kept_in(&folder.join(format!("simulator-merchant-{}.pem", merchant.mch_id)))?;
        let wechat = Key::kept_in(&folder.join("simulator-wechat-pay.pem"))?;
        Ok(Self::with(merchant, key, wechat, now)?)
    }

    fn with(
        merchant: Merchant,
        key: Arc<Key>,
        wechat: Arc<Key>,
        now: Timestamp,
    ) -> Result<Self, Unspecified> {
        let mut state = Self {
            key,
            wechat,
            merchant,
            certificates: Vec::new(),
            nonces: BTreeMap::new(),
            orders: BTreeMap::new(),
            refunds: BTreeMap::new(),
        };
        if state.merchant.mode == PayMode::Certificates {
            state.add_certificate(now)?;
        }
        Ok(state)
    }

    /// A new platform certificate, with which everything is signed from now on; the former ones stay in the list.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub(crate) fn add_certificate(&mut self, now: Timestamp) -> Result<(), Unspecified> {
        let number = self.certificates.len();
        let serial = format!("5157{:036X}", number + 1);
        let key = Key::named(&format!("platform certificate {number}"))?;
        let pem = key.certificate(&serial, now, now + CERTIFICATE_LIFE)?;
        self.certificates.push(Certificate { serial, key, pem, from: now });
        Ok(())
    }

    fn public_key_id(&self) -> String {
        format!("PUB_KEY_ID_01{:0>10}2026112400000000051", self.merchant.mch_id)
    }

    /// What WeChat signs with towards this merchant: the serial number and the key.
    pub(crate) fn signing(&self) -> (String, &Key) {
        match self.certificates.last() {
            Some(newest) => (newest.serial.clone(), &newest.key),
            None => (self.public_key_id(), &self.wechat),
        }
    }

    pub(crate) fn public_key_der(&self) -> &[u8] {
        self.key.public_der()
    }

    pub(crate) fn files(&self) -> MerchantFiles {
        let public_key = match self.merchant.mode {
            PayMode::PublicKey => Some((self.public_key_id(), self.wechat.public_pem())),
            PayMode::Certificates => None,
        };
        let certificates = self.certificates.iter();
        MerchantFiles {
            mch_id: self.merchant.mch_id.clone(),
            serial_no: self.merchant.serial_no.clone(),
            private_key_pem: self.key.private_pem(),
            api_v3_key: self.merchant.api_v3_key.clone(),
            public_key,
            certificates: certificates.map(|one| (one.serial.clone(), one.pem.clone())).collect(),
        }
    }
}

/// A failure: `{"code","message"}`, never signed.
pub(crate) fn failure(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(status, &json!({ "code": code, "message": message }))
}

/// 400 for one field of the body.
pub(crate) fn bad_field(field: &str, value: &Value, issue: &str) -> Reply {
    let detail = json!({ "location": "body", "value": value, "issue": issue, "field": format!("/{field}") });
    Reply::json(
        400,
        &json!({ "code": "PARAM_ERROR", "message": "输入源“/body”映射到字段失败", "detail": detail }),
    )
}

impl World {
    /// Any request to `/v3`.
    pub(crate) fn pay(&mut self, endpoint: Endpoint, call: &Call, twist: Option<&Answer>) -> Reply {
        let request_id = format!("08{}", self.chance.hex(40).to_uppercase());
        let mch_id = match self.authorised(call) {
            Ok(mch_id) => mch_id,
            Err(reply) => {
                let scheme = call.header("authorization").is_some_and(|header| header.starts_with(SCHEME));
                let bare = call.path.starts_with("/v3/pay/") && !scheme;
                return if bare { reply } else { with_id(reply, request_id) };
            }
        };
        let reply = match endpoint {
            Endpoint::PayOrder => self.order(&mch_id, call),
            Endpoint::PayQuery => self.order_query(&mch_id, call),
            Endpoint::PayClose => self.order_close(&mch_id, call),
            Endpoint::Refund => self.refund(&mch_id, call),
            Endpoint::RefundQuery => self.refund_query(&mch_id, call),
            Endpoint::Certificates => self.certificate_list(&mch_id),
            _ => Err(Reply::empty(404)),
        };
        match reply {
            Ok(reply) => with_id(self.signed(&mch_id, reply, twist, call.now), request_id),
            Err(reply) => with_id(reply, request_id),
        }
    }

    /// Checks the Authorization header as the gateway does, in its order.
    fn authorised(&mut self, call: &Call) -> Result<String, Reply> {
        let transactions = call.path.starts_with("/v3/pay/");
        let missing = |name: &str| call.header(name).is_none_or(str::is_empty);
        if !transactions && (missing("user-agent") || missing("accept")) {
            return Err(failure(400, "INVALID_REQUEST", "Http头缺少Accept或User-Agent"));
        }
        let given = call.header("authorization").and_then(|header| header.strip_prefix(SCHEME));
        let Some(parts) = given.and_then(Authorization::read) else {
            return Err(if transactions {
                failure(401, "SIGN_ERROR", "签名信息错误，验签失败")
            } else {
                let text = "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》";
                failure(401, "SIGN_ERROR", text)
            });
        };
        let sent_at = parts.timestamp.parse::<i64>().unwrap_or(0);
        if (call.now.as_second() - sent_at).abs() > SKEW_SECS {
            let text = "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟";
            return Err(failure(401, "SIGN_ERROR", text));
        }
        let wrong = || failure(401, "SIGN_ERROR", "签名错误");
        let merchant = self.merchants.get_mut(&parts.mch_id).ok_or_else(wrong)?;
        if parts.serial_no != merchant.merchant.serial_no {
            return Err(wrong());
        }
        let (time, nonce) = (&parts.timestamp, &parts.nonce);
        let text = signatures::request_text(&call.method, &call.target(), time, nonce, &call.body);
        signatures::verify_rsa(merchant.key.public_der(), &text, &parts.signature).map_err(|_| wrong())?;
        merchant.nonces.retain(|_, at| (call.now.as_second() - at.as_second()).abs() <= 2 * SKEW_SECS);
        if merchant.nonces.insert(parts.nonce, call.now).is_some() {
            // What the real one says to a nonce that it has seen is not recorded.
            return Err(failure(401, "SIGN_ERROR", "Http头Authorization中的nonce_str重复"));
        }
        let demanded = merchant.merchant.mode == PayMode::PublicKey;
        if demanded && call.header("wechatpay-serial") != Some(merchant.public_key_id().as_str()) {
            // Stricter than is known of the real one, so that a client which forgets the header is found out.
            return Err(failure(400, "PARAM_ERROR", "Http头Wechatpay-Serial应为微信支付公钥ID"));
        }
        Ok(parts.mch_id)
    }

    fn signed(&mut self, mch_id: &str, mut reply: Reply, twist: Option<&Answer>, now: Timestamp) -> Reply {
        let nonce = self.chance.hex(32);
        let Some(merchant) = self.merchants.get(mch_id) else { return reply };
        if twist == Some(&Answer::Unsigned) {
            return reply;
        }
        let stale = SignedDuration::from_secs(if twist == Some(&Answer::StaleSignature) { 600 } else { 0 });
        let at = (now - stale).as_second().to_string();
        let mut text = signatures::reply_text(&at, &nonce, &reply.body);
        if twist == Some(&Answer::WrongSignature) {
            text.push(b'\n');
        }
        let (serial, key) = merchant.signing();
        let Ok(mut signature) = key.sign(&text) else { return Reply::empty(500) };
        if twist == Some(&Answer::ProbeSignature) {
            signature = format!("WECHATPAY/SIGNTEST/{signature}");
        }
        reply.headers.extend([
            ("Wechatpay-Serial", serial),
            ("Wechatpay-Timestamp", at),
            ("Wechatpay-Nonce", nonce),
            ("Wechatpay-Signature", signature),
            ("Wechatpay-Signature-Type", "WECHATPAY2-SHA256-RSA2048".to_owned()),
        ]);
        reply
    }

    /// `GET /v3/certificates`
    fn certificate_list(&mut self, mch_id: &str) -> Result<Reply, Reply> {
        let Self { merchants, chance, .. } = self;
        let merchant = merchants.get(mch_id).ok_or(Reply::empty(404))?;
        if merchant.certificates.is_empty() {
            let text = "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥";
            return Err(failure(404, "RESOURCE_NOT_EXISTS", text));
        }
        let mut list = Vec::new();
        for certificate in &merchant.certificates {
            let nonce = chance.letters(12);
            let bytes = nonce.as_bytes().try_into().map_err(|_| Reply::empty(500))?;
            let key = &merchant.merchant.api_v3_key;
            let sealed = signatures::seal(key, bytes, "certificate", certificate.pem.as_bytes())
                .map_err(|_| Reply::empty(500))?;
            list.push(json!({
                "serial_no": certificate.serial,
                "effective_time": beijing(certificate.from),
                "expire_time": beijing(certificate.from + CERTIFICATE_LIFE),
                "encrypt_certificate": {
                    "algorithm": "AEAD_AES_256_GCM",
                    "nonce": nonce,
                    "associated_data": "certificate",
                    "ciphertext": sealed,
                },
            }));
        }
        Ok(Reply::json(200, &json!({ "data": list })))
    }
}

fn with_id(mut reply: Reply, request_id: String) -> Reply {
    reply.headers.push(("Request-ID", request_id));
    reply
}

/// The five parts of the header, in any order.
struct Authorization {
    mch_id: String,
    nonce: String,
    signature: String,
    timestamp: String,
    serial_no: String,
}

impl Authorization {
    fn read(parts: &str) -> Option<Self> {
        let mut values = BTreeMap::new();
        for part in parts.split(',') {
            let (name, value) = part.trim().split_once('=')?;
            values.insert(name, value.strip_prefix('"')?.strip_suffix('"')?);
        }
        let mut take = |name: &str| values.remove(name).filter(|value| !value.is_empty()).map(str::to_owned);
        Some(Self {
            mch_id: take("mchid")?,
            nonce: take("nonce_str")?,
            signature: take("signature")?,
            timestamp: take("timestamp")?,
            serial_no: take("serial_no")?,
        })
    }
}
