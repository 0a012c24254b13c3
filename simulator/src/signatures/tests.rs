//! The published vectors, each with its source. A vector that needs a private key which nobody has is checked by its text.

use super::*;
use crate::keys::Key;

/// JS-SDK documentation, appendix 1, and an older edition of it.
#[test]
fn a_page_is_signed_as_documented() {
    let ticket = "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg";
    for (url, expected) in [
        ("http://mp.weixin.qq.com?params=value", "0f9de62fce790f9a083d5c99e95740ceb90c27ed"),
        ("http://mp.weixin.qq.com", "f4d90daf4b3bca3078ab155816175ba34c443a7b"),
    ] {
        assert_eq!(of_page(ticket, "Wm3WZYTPz0wzccnW", "1414587457", url), expected, "{url}");
    }
}

/// `callback_sig` and `mp_echostr_sig` of wechatpy's tests, `mp_msg_signature_own` of our own.
#[test]
fn callbacks_are_signed_over_their_sorted_parts() {
    assert_eq!(of_sorted(&["test", "1410685589", "test"]), "f21891de399b4e33a1a93c9a7b8a8fffb5a443ff");
    assert_eq!(
        of_sorted(&["pamtest", "1409304348", "xxxxxx", OFFICIAL_ENCRYPTED]),
        "82c962d39941aa48552f90ef55aa323dc620cc10"
    );
    assert_eq!(
        of_sorted(&["123456", "1411443780", "437374425", ECHO_ENCRYPTED]),
        "dd6b9c95b495b3f7e2901bfbc76c664930ffdb96"
    );
}

const OFFICIAL_ENCRYPTED: &str =
    "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg==";
const ECHO_ENCRYPTED: &str =
    "4ByGGj+sVCYcvGeQYhaKIk1o0pQRNbRjxybjTGblXrBaXlTXeOo1+bXFXDQQb1o6co6Yh9Bv41n7hOchLF6p+Q==";

/// `mp_aes_official`: the official Java sample's test.
#[test]
fn the_official_message_is_encrypted_and_read() -> Result<(), Refused> {
    let key = CallbackKey::new("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "wxb11529c136998cb6")?;
    assert_eq!(key.encrypt(*b"aaaabbbbccccdddd", "我是中文abcd123").as_deref(), Ok(OFFICIAL_ENCRYPTED));
    assert_eq!(key.decrypt(OFFICIAL_ENCRYPTED).as_deref(), Ok("我是中文abcd123"));
    let other = CallbackKey::new("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "wxb11529c136998cb7")?;
    assert_eq!(other.decrypt(OFFICIAL_ENCRYPTED), Err(Refused::AppId));
    Ok(())
}

/// `mp_reply_signature` of wechatpy's tests.
#[test]
fn a_reply_is_encrypted_and_signed() -> Result<(), Refused> {
    let key = CallbackKey::new("kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR", "wx49f0ab532d5d035a")?;
    let xml = "<xml>\n<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[test]]></Content>\n<FromUserName><![CDATA[wx49f0ab532d5d035a]]></FromUserName>\n<ToUserName><![CDATA[messense]]></ToUserName>\n<AgentID>1</AgentID>\n<CreateTime>1411525903</CreateTime>\n</xml>";
    let encrypted = concat!(
        "9s4gMv99m88kKTh/H8IdkOiMg6bisoy3ypwy9H4hvSPe9nsGaqyw5hhSjdYbcrKk+j3nba4HMOTzHrluLBYqxgNcBq",
        "GsL8GqxlhZgURnAtObvesEl5nZ+uBE8bviY0LWke8Zy9V/QYKxNV2FqllNXcfmstttyIkMKCCmVbCFM2JTF5wY0nFh",
        "HZSjPUL2Q1qvSUCUld+/WIXrx0oyKQmpB6o8NRrrNrsDf03oxI1p9FxUgMnwKKZeOA/uu+2IEvEBtb7muXsVbwbgX0",
        "5UPPJvFurDXafG0RQyPR+mf1nDnAtQmmNOuiR5MIkdQ39xn1vWwi1O5oazPoQJz0nTYjxxEE8kv3kFxtAGVRe3ypD3",
        "WeK2XeFYFMNMpatF9XiKzHo3",
    );
    assert_eq!(key.encrypt(*b"1234567890123456", xml).as_deref(), Ok(encrypted));
    assert_eq!(key.decrypt(encrypted).as_deref(), Ok(xml));
    assert_eq!(
        of_sorted(&["123456", "1411525903", "461056294", encrypted]),
        "407518b7649e86ef23978113f92d27afa9296533"
    );
    Ok(())
}

/// `mp_echostr_plain` of wechatpy's tests; it is made for a company, whose id stands in the place of the appid.
#[test]
fn an_encrypted_echo_is_read() -> Result<(), Refused> {
    let key = CallbackKey::new("kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR", "")?;
    let opened = key.open(ECHO_ENCRYPTED)?;
    assert_eq!(opened.0, "5927782489442352469");
    Ok(())
}

#[test]
fn what_does_not_decrypt_is_refused() -> Result<(), Refused> {
    let key = CallbackKey::new("kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR", "wxb11529c136998cb6")?;
    assert!(key.decrypt(OFFICIAL_ENCRYPTED).is_err());
    assert_eq!(key.decrypt("not base64!"), Err(Refused::Malformed));
    assert_eq!(key.decrypt("AAAA"), Err(Refused::Decryption));
    assert!(CallbackKey::new("tooshort", "wx").is_err());
    Ok(())
}

/// `payv3_response_verify`: the documentation's example of verifying a reply.
#[test]
fn a_reply_of_the_real_gateway_verifies() -> Result<(), base64::DecodeError> {
    let key = STANDARD.decode(concat!(
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwXNI6sdlknHBnK8Fu2U6Cwor9qY747jP8KAfeBMeveEt1T",
        "qaHkLfaSD07trZLhGpfs8/AHqjhgSMO1O10YQWOrrJ4hjIWPKqxbgrYMkBQc+mwdiWp4W3ByCqxBRagCveCXRWCmuJ",
        "Yovl9H/bsDI0iGbpVtEOghJtfciisYSgxcLufUDTRkvwxjIBK1pCRjk33jJ5YTBWTHMRtMAOcFLNF6hdEYdX8SPsgH",
        "HeLZ5Lv2T/686w1xtgCHef/sd4uSfWmyzsalQdHG/e4IyYmrhx+O3VBoNDzE3nx23bFeV/RVNCG7cV6VhmYokJNHa/",
        "erIPkEmEFID6A5wQOXuxUkmJWwIDAQAB",
    ))?;
    let body = br#"{"code_url":"weixin://wxpay/bizpayurl?pr=JyC91EIz1"}"#;
    let text = reply_text("1722850421", "d824f2e086d3c1df967785d13fcd22ef", body);
    let signature = concat!(
        "mfI1CPqvBrgcXfgXMFjdNIhBf27ACE2YyeWsWV9ZI7T7RU0vHvbQpu9Z32ogzc+k8ZC5n3kz7h70eWKjgqNdKQF0eR",
        "p8mVKlmfzMLBVHbssB9jEZEDXThOX1XFqX7s7ymia1hoHQxQagPGzkdWxtlZPZ4ZPvr1RiqkgAu6Is8MZgXXrRoBKq",
        "jmSdrP1N7uxzJ/cjfSiis9FiLjuADoqmQ1P7p2N876YPAol7Rn0+GswwAwxldbdLrmVSjfytfSBJFqTMHn4itojgxS",
        "WWN1byuckQt8hSTEv/Lg97QoeGniYP17T80pJeQyL3b+295FPHSO2AtvCgyIbKMZ0BALilAA==",
    );
    assert_eq!(verify_rsa(&key, &text, signature), Ok(()));
    assert_eq!(verify_rsa(&key, &text[1..], signature), Err(Refused::Signature));
    let probe = format!("WECHATPAY/SIGNTEST/{signature}");
    assert!(verify_rsa(&key, &text, &probe).is_err());
    Ok(())
}

/// `payv3_aead` of wechatpay-java's tests.
#[test]
fn a_resource_is_sealed_as_documented() {
    let sealed = seal("a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb", *b"uluk4a9R25RW", "associatedData", b"message");
    assert_eq!(sealed.as_deref(), Ok("ulwSiIajGClcvcOYvOQ7+l+0PAbzzwI="));
    assert!(seal("sixteen bytes...", [0; 12], "", b"").is_err());
}

/// The inputs of `payv3_sign_body`, `payv3_sign_path` and `payv3_jsapi_paysign`. Their private key is not published with
/// their public one, so that the text is compared, and a key of ours signs and verifies it.
#[test]
fn requests_and_pages_sign_these_lines() -> Result<(), Unspecified> {
    let nonce = "593BEC0C930BF1AFEB40B4A08C8FB242";
    let body = r#"{"appid":"wxd678efh567hg6787","mchid":"1900007291","description":"Image形象店-深圳腾大-QQ公仔","out_trade_no":"1217752501201407033233368018","notify_url":"https://www.weixin.qq.com/wxpay/pay.php","amount":{"total":100,"currency":"CNY"},"payer":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}}"#;
    let posted = request_text("POST", "/v3/pay/transactions/jsapi", "1554208460", nonce, body.as_bytes());
    let expected = format!("POST\n/v3/pay/transactions/jsapi\n1554208460\n{nonce}\n{body}\n");
    assert_eq!(posted, expected.as_bytes());
    let asked = request_text("GET", "/v3/refund/domestic/refunds/123123123123", "1554208460", nonce, b"");
    let expected = format!("GET\n/v3/refund/domestic/refunds/123123123123\n1554208460\n{nonce}\n\n");
    assert_eq!(asked, expected.as_bytes());
    let package = "prepay_id=wx201410272009395522657a690389285100";
    let paid = page_payment_text("wx2421b1c4370ec43b", "1554208460", nonce, package);
    let expected = format!("wx2421b1c4370ec43b\n1554208460\n{nonce}\n{package}\n");
    assert_eq!(paid, expected.as_bytes());

    let (key, other) = (Key::named("test")?, Key::named("another test")?);
    for text in [posted, asked, paid] {
        let signature = key.sign(&text)?;
        assert_eq!(verify_rsa(key.public_der(), &text, &signature), Ok(()));
        assert_eq!(verify_rsa(other.public_der(), &text, &signature), Err(Refused::Signature));
        assert_eq!(verify_rsa(key.public_der(), &text[1..], &signature), Err(Refused::Signature));
    }
    Ok(())
}
