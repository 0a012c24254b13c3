//! Notices that the test makes itself, with a key that the clinic takes for WeChat's.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::{store, wire};

const KEY_ID: &str = "PUB_KEY_ID_FORGED";

/// What is wrong with a notice, and with which status it is refused.
pub const TWISTS: [(Twist, u16); 9] = [
    (Twist::WrongSignature, 401),
    (Twist::ProbeSignature, 401),
    (Twist::NoSignature, 401),
    (Twist::Late, 401),
    (Twist::Early, 401),
    (Twist::UnknownKey, 401),
    (Twist::OtherApiKey, 401),
    (Twist::Doctype, 401),
    (Twist::Empty, 401),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    WrongSignature,
    ProbeSignature,
    NoSignature,
    Late,
    Early,
    UnknownKey,
    OtherApiKey,
    /// Rightly signed XML with a DOCTYPE, as v2 knows it.
    Doctype,
    /// Rightly signed nothing.
    Empty,
}

/// A key pair of the test.
pub struct Forger(RsaKeyPair);

/// A notice on its way.
pub struct Notice<'f> {
    forger: &'f Forger,
    kind: &'static str,
    tenant: String,
    api_key: String,
    told: Value,
    twist: Option<Twist>,
}

impl Forger {
    pub fn new() -> Self {
        Self(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"))
    }

    /// Enters its key as WeChat's.
    pub fn take_the_place_of_wechat(&self, conf: &mut Value) {
        let der = AsDer::<PublicKeyX509Der<'_>>::as_der(self.0.public_key()).expect("bytes");
        let text = STANDARD.encode(der.as_ref());
        conf["wechat_key_id"] = json!(KEY_ID);
        conf["wechat_key"] = json!(format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----"));
    }

    /// What a notice tells of an order that was paid.
    pub fn payment(&self, conf: &Value, order: &str, total: i64) -> Value {
        json!({
            "appid": conf["app_id"], "mchid": conf["mch_id"], "out_trade_no": order,
            "transaction_id": "4200000000000000000000000001", "trade_type": "JSAPI", "trade_state": "SUCCESS",
            "success_time": "2026-11-24T12:00:00+08:00", "payer": {"openid": "o1"},
            "amount": {"total": total, "payer_total": total, "currency": "CNY", "payer_currency": "CNY"}
        })
    }

    /// What a notice tells of a refund that was made.
    pub fn refund(&self, conf: &Value, order: &str, refund: &str, total: i64) -> Value {
        json!({
            "mchid": conf["mch_id"], "out_trade_no": order, "transaction_id": "4200000000000000000000000001",
            "out_refund_no": refund, "refund_id": "50300000000000000000000000001", "refund_status": "SUCCESS",
            "success_time": "2026-11-24T12:00:00+08:00", "user_received_account": "支付用户零钱",
            "amount": {"total": total, "refund": total, "payer_total": total, "payer_refund": total}
        })
    }

    pub fn notice(&self, conf: &Value, told: &Value) -> Notice<'_> {
        let api_key = conf["api_v3_key"].as_str().expect("a key").to_owned();
        Notice {
            forger: self,
            kind: "notify",
            tenant: "1".to_owned(),
            api_key,
            told: told.clone(),
            twist: None,
        }
    }

    fn sign(&self, text: &str) -> String {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .expect("signed");
        STANDARD.encode(signature)
    }
}

impl Notice<'_> {
    pub fn twisted(mut self, twist: Twist) -> Self {
        self.twist = Some(twist);
        self
    }

    /// To the address for refunds.
    pub fn of_refund(mut self) -> Self {
        self.kind = "refund_notify";
        self
    }

    pub fn to(mut self, tenant: &str) -> Self {
        self.tenant = tenant.to_owned();
        self
    }

    /// The bytes to send.
    pub fn request(&self) -> Vec<u8> {
        let is = |twist| self.twist == Some(twist);
        let body = match self.twist {
            Some(Twist::Doctype) => {
                "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><xml>&e;</xml>".to_owned()
            }
            Some(Twist::Empty) => String::new(),
            _ => self.envelope(),
        };
        let now = store::now().as_millis() / 1_000;
        let late = if is(Twist::Late) { -400 } else { 0 } + if is(Twist::Early) { 400 } else { 0 };
        let timestamp = (now + late).to_string();
        let text = if is(Twist::WrongSignature) { "another" } else { body.as_str() };
        let mut signature = self.forger.sign(&format!("{timestamp}\nnonce\n{text}\n"));
        if is(Twist::ProbeSignature) {
            signature = format!("WECHATPAY/SIGNTEST/{signature}");
        }
        let key_id = if is(Twist::UnknownKey) { "PUB_KEY_ID_OTHER" } else { KEY_ID };
        let mut headers = vec![
            ("Wechatpay-Serial", key_id),
            ("Wechatpay-Timestamp", timestamp.as_str()),
            ("Wechatpay-Nonce", "nonce"),
        ];
        if !is(Twist::NoSignature) {
            headers.push(("Wechatpay-Signature", signature.as_str()));
        }
        wire::post(&format!("/pati_service/pay/{}/{}", self.kind, self.tenant), &headers, &body)
    }

    fn envelope(&self) -> String {
        let mut key = self.api_key.clone();
        if self.twist == Some(Twist::OtherApiKey) {
            key = key.chars().rev().collect();
        }
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_bytes()).expect("32 bytes"));
        let mut text = self.told.to_string().into_bytes();
        let nonce = Nonce::assume_unique_for_key(*b"nonce-nonce-");
        key.seal_in_place_append_tag(nonce, Aad::from("transaction"), &mut text).expect("sealed");
        json!({
            "id": "1", "create_time": "2026-11-24T12:00:00+08:00", "event_type": "TRANSACTION.SUCCESS",
            "resource_type": "encrypt-resource", "summary": "支付成功",
            "resource": {
                "algorithm": "AEAD_AES_256_GCM", "ciphertext": STANDARD.encode(text), "nonce": "nonce-nonce-",
                "associated_data": "transaction", "original_type": "transaction"
            }
        })
        .to_string()
    }
}
