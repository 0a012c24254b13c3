//! The published vectors. Those of requests are signed with a key that is not published: their texts are shown, and that
//! a signature of ours verifies is shown with a key of the test's own.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::KeyPair;

use super::*;

/// `wxpay_v3_response_verify_pub.pem`
const WECHAT_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwXNI6sdlknHBnK8Fu2U6
Cwor9qY747jP8KAfeBMeveEt1TqaHkLfaSD07trZLhGpfs8/AHqjhgSMO1O10YQW
OrrJ4hjIWPKqxbgrYMkBQc+mwdiWp4W3ByCqxBRagCveCXRWCmuJYovl9H/bsDI0
iGbpVtEOghJtfciisYSgxcLufUDTRkvwxjIBK1pCRjk33jJ5YTBWTHMRtMAOcFLN
F6hdEYdX8SPsgHHeLZ5Lv2T/686w1xtgCHef/sd4uSfWmyzsalQdHG/e4IyYmrhx
+O3VBoNDzE3nx23bFeV/RVNCG7cV6VhmYokJNHa/erIPkEmEFID6A5wQOXuxUkmJ
WwIDAQAB
-----END PUBLIC KEY-----
";

/// `payv3_response_verify`
const SIGNED: Signed<'static> = Signed {
    serial: "PUB_KEY_ID_0",
    timestamp: "1722850421",
    nonce: "d824f2e086d3c1df967785d13fcd22ef",
    signature: "mfI1CPqvBrgcXfgXMFjdNIhBf27ACE2YyeWsWV9ZI7T7RU0vHvbQpu9Z32ogzc+k8ZC5n3kz7h70eWKjgqNdKQF0eRp8mVKlmfzMLBVHbssB9jEZEDXThOX1XFqX7s7ymia1hoHQxQagPGzkdWxtlZPZ4ZPvr1RiqkgAu6Is8MZgXXrRoBKqjmSdrP1N7uxzJ/cjfSiis9FiLjuADoqmQ1P7p2N876YPAol7Rn0+GswwAwxldbdLrmVSjfytfSBJFqTMHn4itojgxSWWN1byuckQt8hSTEv/Lg97QoeGniYP17T80pJeQyL3b+295FPHSO2AtvCgyIbKMZ0BALilAA==",
};
const BODY: &[u8] = br#"{"code_url":"weixin://wxpay/bizpayurl?pr=JyC91EIz1"}"#;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

/// Seen to fail when the timestamp was not compared.
#[test]
fn replies_are_verified_as_documented() {
    let key = WechatKey::parse("PUB_KEY_ID_0", WECHAT_PEM).expect("a key");
    let now = at(1_722_850_421);
    assert_eq!(key.verify(SIGNED, BODY, now), Ok(()));
    for far in [-300, 300] {
        assert_eq!(key.verify(SIGNED, BODY, at(1_722_850_421 + far)), Ok(()));
    }
    for too_far in [-301, 301] {
        assert_eq!(key.verify(SIGNED, BODY, at(1_722_850_421 + too_far)), Err(SigningError::Stale));
    }
    let probe = format!("WECHATPAY/SIGNTEST/{}", SIGNED.signature);
    let cases = [
        (Signed { nonce: "x", ..SIGNED }, SigningError::Signature),
        (Signed { signature: &probe, ..SIGNED }, SigningError::Signature),
        (Signed { signature: "", ..SIGNED }, SigningError::Signature),
        (Signed { serial: "PUB_KEY_ID_1", ..SIGNED }, SigningError::UnknownKey),
        (Signed { timestamp: "soon", ..SIGNED }, SigningError::Headers),
        (Signed { timestamp: "-9223372036854775808", ..SIGNED }, SigningError::Stale),
        (Signed { timestamp: "1722850420", ..SIGNED }, SigningError::Signature),
    ];
    for (signed, refused) in cases {
        assert_eq!(key.verify(signed, BODY, now), Err(refused), "{signed:?}");
    }
    assert_eq!(key.verify(SIGNED, b"{}", now), Err(SigningError::Signature));
}

/// Two certificates while they change. Seen to fail when the end of one was not looked at.
#[test]
fn either_certificate_is_good_until_its_end() {
    let other = WechatKey::parse("PUB_KEY_ID_1", WECHAT_PEM).expect("a key");
    let named = WechatKey::parse("PUB_KEY_ID_0", WECHAT_PEM).expect("a key");
    let now = at(1_722_850_421);
    let keys = WechatKeys::Certificates(vec![(other, at(1_722_850_400)), (named, at(1_722_850_422))]);
    assert_eq!(keys.verify(SIGNED, BODY, now), Ok(()));
    assert_eq!(keys.verify(SIGNED, BODY, at(1_722_850_422)), Err(SigningError::UnknownKey));
    let of_other = Signed { serial: "PUB_KEY_ID_1", ..SIGNED };
    assert_eq!(keys.verify(of_other, BODY, now), Err(SigningError::UnknownKey));
    assert_eq!(keys.verify(of_other, BODY, at(1_722_850_399)), Ok(()));
    assert_eq!(keys.verify(Signed { nonce: "x", ..SIGNED }, BODY, now), Err(SigningError::Signature));
}

/// `payv3_aead`
#[test]
fn notices_are_decrypted_as_documented() {
    let key = ApiKey::parse("a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb").expect("a key");
    let (nonce, text) = ("uluk4a9R25RW", "ulwSiIajGClcvcOYvOQ7+l+0PAbzzwI=");
    assert_eq!(key.open(nonce, "associatedData", text).as_deref(), Ok(&b"message"[..]));
    for (nonce, associated, text) in [
        (nonce, "", text),
        ("uluk4a9R25R", "associatedData", text),
        (nonce, "associatedData", "ulwSiIajGClcvcOYvOQ7+l+0PAbzzwA="),
        (nonce, "associatedData", "AA=="),
        (nonce, "associatedData", "?"),
    ] {
        assert_eq!(key.open(nonce, associated, text), Err(SigningError::Encrypted));
    }
    assert_eq!(ApiKey::parse("short").err(), Some(SigningError::ApiKey));
}

/// `payv3_sign_body`, `payv3_sign_path`, `payv3_jsapi_paysign`
#[test]
fn what_is_signed_is_as_documented() {
    let (at, nonce) = ("1554208460", "593BEC0C930BF1AFEB40B4A08C8FB242");
    let body = r#"{"appid":"wxd678efh567hg6787","mchid":"1900007291","description":"Image形象店-深圳腾大-QQ公仔","out_trade_no":"1217752501201407033233368018","notify_url":"https://www.weixin.qq.com/wxpay/pay.php","amount":{"total":100,"currency":"CNY"},"payer":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}}"#;
    let text = request_text("POST", "/v3/pay/transactions/jsapi", at, nonce, body.as_bytes());
    let expected = format!("POST\n/v3/pay/transactions/jsapi\n{at}\n{nonce}\n{body}\n");
    assert_eq!(text, expected.as_bytes());
    let text = request_text("GET", "/v3/refund/domestic/refunds/123123123123", at, nonce, b"");
    let expected = format!("GET\n/v3/refund/domestic/refunds/123123123123\n{at}\n{nonce}\n\n");
    assert_eq!(text, expected.as_bytes());
    let text = page_text("wx2421b1c4370ec43b", at, nonce, "wx201410272009395522657a690389285100");
    let expected =
        format!("wx2421b1c4370ec43b\n{at}\n{nonce}\nprepay_id=wx201410272009395522657a690389285100\n");
    assert_eq!(text, expected.as_bytes());
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

#[test]
fn what_the_merchant_signs_verifies() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("bytes");
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).expect("bytes");
    let key = MerchantKey::parse(&pem("PRIVATE KEY", private.as_ref())).expect("a key");
    let signature = key.sign(&lines(&[b"1", b"n", b"{}"])).expect("signed");
    let verifier = WechatKey::parse("k", &pem("PUBLIC KEY", public.as_ref())).expect("a key");
    let signed = Signed { serial: "k", timestamp: "1", nonce: "n", signature: &signature };
    assert_eq!(verifier.verify(signed, b"{}", at(1)), Ok(()));
    assert_eq!(verifier.verify(signed, b"[]", at(1)), Err(SigningError::Signature));
}

#[test]
fn what_is_no_key_is_refused() {
    for text in [
        "",
        "key",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----AA==-----END PRIVATE KEY-----",
        WECHAT_PEM,
    ] {
        assert_eq!(MerchantKey::parse(text).err(), Some(SigningError::PrivateKey), "{text}");
    }
    for text in ["", "-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----"] {
        assert_eq!(WechatKey::parse("k", text).err(), Some(SigningError::PublicKey), "{text}");
    }
}
