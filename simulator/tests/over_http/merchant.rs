//! A merchant that signs its requests and verifies and decrypts what it gets, for itself.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use simulator::MerchantFiles;

use crate::client::Bench;

static NONCES: AtomicU64 = AtomicU64::new(1);

/// What came back, with the headers to verify it by.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }

    pub(crate) fn code(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().expect("a code").to_owned())
    }
}

pub(crate) struct Signer {
    pub(crate) files: MerchantFiles,
    key: RsaKeyPair,
}

impl Signer {
    pub(crate) fn of(bench: &Bench) -> Self {
        let files = bench.simulator.merchant(&bench.mch_id()).expect("a merchant");
        let key = RsaKeyPair::from_pkcs8(&from_pem(&files.private_key_pem)).expect("a key");
        Self { files, key }
    }

    pub(crate) fn sign(&self, text: &str) -> String {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .expect("a signature");
        STANDARD.encode(signature)
    }

    pub(crate) fn authorization(
        &self,
        method: &str,
        target: &str,
        at: i64,
        nonce: &str,
        body: &str,
    ) -> String {
        let signature = self.sign(&format!("{method}\n{target}\n{at}\n{nonce}\n{body}\n"));
        let (mch_id, serial) = (&self.files.mch_id, &self.files.serial_no);
        format!(
            "WECHATPAY2-SHA256-RSA2048 mchid=\"{mch_id}\",nonce_str=\"{nonce}\",signature=\"{signature}\",\
             timestamp=\"{at}\",serial_no=\"{serial}\""
        )
    }

    /// A request with everything in order.
    pub(crate) async fn call(
        &self,
        bench: &Bench,
        method: &str,
        target: &str,
        body: Option<&Value>,
    ) -> Answered {
        let body = body.map(Value::to_string).unwrap_or_default();
        let nonce = format!("N{:031}", NONCES.fetch_add(1, Ordering::Relaxed));
        let at = bench.hand.now().as_second();
        let authorization = self.authorization(method, target, at, &nonce, &body);
        self.raw(bench, method, target, &[("Authorization", &authorization)], body).await
    }

    pub(crate) async fn raw(
        &self,
        bench: &Bench,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answered {
        let method = method.parse().expect("a method");
        let mut request = bench.http.request(method, bench.url(target)).body(body);
        request = request.header("User-Agent", "test").header("Accept", "application/json");
        if let Some((id, _)) = &self.files.public_key {
            request = request.header("Wechatpay-Serial", id);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answered { status, headers, text: response.text().await.expect("a body") }
    }

    /// Whether WeChat has signed this, by the key that the serial number names.
    pub(crate) fn verifies(&self, header: impl Fn(&str) -> String, body: &str) -> bool {
        let serial = header("wechatpay-serial");
        let key = match &self.files.public_key {
            Some((id, pem)) if *id == serial => from_pem(pem),
            _ => match self.files.certificates.get(&serial) {
                Some(pem) => public_key(&from_pem(pem)),
                None => return false,
            },
        };
        let text = format!("{}\n{}\n{body}\n", header("wechatpay-timestamp"), header("wechatpay-nonce"));
        let Ok(signature) = STANDARD.decode(header("wechatpay-signature")) else { return false };
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(text.as_bytes(), &signature).is_ok()
    }

    pub(crate) fn verifies_reply(&self, reply: &Answered) -> bool {
        let header = |name: &str| {
            reply.headers.get(name).map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default()
        };
        self.verifies(header, &reply.text)
    }

    /// Decrypts a resource or certificate; none when it does not decrypt.
    pub(crate) fn open(&self, sealed: &Value) -> Option<String> {
        assert_eq!(sealed["algorithm"], "AEAD_AES_256_GCM");
        let text = |name: &str| sealed[name].as_str().expect(name);
        let key = UnboundKey::new(&AES_256_GCM, self.files.api_v3_key.as_bytes()).expect("32 bytes");
        let nonce = Nonce::try_assume_unique_for_key(text("nonce").as_bytes()).expect("12 bytes");
        let mut bytes = STANDARD.decode(text("ciphertext")).expect("base64");
        let plain =
            LessSafeKey::new(key).open_in_place(nonce, Aad::from(text("associated_data")), &mut bytes);
        plain.ok().map(|plain| String::from_utf8(plain.to_vec()).expect("text"))
    }

    /// The body of an order over 1 yuan.
    pub(crate) fn order(&self, bench: &Bench, number: &str, notify_url: &str) -> Value {
        json!({
            "appid": bench.app.app_id,
            "mchid": self.files.mch_id,
            "description": "挂号费 内科",
            "out_trade_no": number,
            "notify_url": notify_url,
            "amount": { "total": 100, "currency": "CNY" },
            "payer": { "openid": bench.open_id(0) },
        })
    }

    /// Orders and gives the prepay_id.
    pub(crate) async fn ordered(&self, bench: &Bench, number: &str, notify_url: &str) -> String {
        let body = self.order(bench, number, notify_url);
        let reply = self.call(bench, "POST", "/v3/pay/transactions/jsapi", Some(&body)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()["prepay_id"].as_str().expect("a prepay_id").to_owned()
    }
}

pub(crate) fn from_pem(pem: &str) -> Vec<u8> {
    let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(lines).expect("base64")
}

/// The SubjectPublicKeyInfo inside a certificate over an RSA key of 2048 bits.
fn public_key(certificate: &[u8]) -> Vec<u8> {
    let start = [
        0x30, 0x82, 0x01, 0x22, 0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01,
    ];
    let place = certificate.windows(start.len()).position(|window| window == start).expect("a public key");
    certificate[place..place + 294].to_vec()
}
