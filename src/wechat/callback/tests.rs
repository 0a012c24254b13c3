use super::*;

/// The official sample, as WxJava has it.
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const SAMPLE: &str =
    "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg==";

/// Seen to fail when keys were read strictly, which refuses both.
#[test]
fn the_samples_of_libraries_open() {
    let key = MessageKey::parse(KEY).expect("a key");
    let opened = key.open(SAMPLE).expect("opened");
    assert_eq!(opened, ("我是中文abcd123".to_owned(), "wxb11529c136998cb6".to_owned()));
    let key = MessageKey::parse("kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR").expect("a key");
    let echo = "4ByGGj+sVCYcvGeQYhaKIk1o0pQRNbRjxybjTGblXrBaXlTXeOo1+bXFXDQQb1o6co6Yh9Bv41n7hOchLF6p+Q==";
    assert_eq!(key.open(echo).expect("opened").0, "5927782489442352469");
}

#[test]
fn what_does_not_open_is_refused() {
    let key = MessageKey::parse(KEY).expect("a key");
    for wrong in
        ["", "!", "AAAA", "jn1L23DB+6ELqJ+6bruv2w==", &STANDARD.encode([0; 32]), &STANDARD.encode([9; 64])]
    {
        assert_eq!(key.open(wrong), Err(Refused::Malformed), "{wrong}");
    }
    for wrong in ["", "a", &"a".repeat(42), &"a".repeat(44), &"!".repeat(43)] {
        assert!(MessageKey::parse(wrong).is_err(), "{wrong}");
    }
}

fn call<'a>(signature: &'a str, msg_signature: Option<&'a str>) -> Signed<'a> {
    Signed { signature, timestamp: "1409304348", nonce: "xxxxxx", msg_signature }
}

/// Seen to fail when the signature of an encrypted message was not looked at, and when a plain message was taken
/// although the account has a key.
#[test]
fn a_message_is_checked_before_it_is_read() {
    let signature = signatures::of_callback(&["pamtest", "1409304348", "xxxxxx"]);
    let key = MessageKey::parse(KEY).expect("a key");
    let configured = Configured { token: "pamtest", key: Some(&key), app_id: "wxb11529c136998cb6" };
    let body = format!("<xml><ToUserName>gh_1</ToUserName><Encrypt><![CDATA[{SAMPLE}]]></Encrypt></xml>");
    let of_message = "82c962d39941aa48552f90ef55aa323dc620cc10";
    let outcome = |configured, signed, body: &str| read(configured, signed, body.as_bytes());
    // The message of the sample is no XML, which is found out last.
    assert_eq!(outcome(configured, call(&signature, Some(of_message)), &body), Err(Refused::Malformed));
    let other = Configured { app_id: "wx0", ..configured };
    assert_eq!(outcome(other, call(&signature, Some(of_message)), &body), Err(Refused::OtherAccount));
    for msg_signature in [None, Some(""), Some(signature.as_str())] {
        assert_eq!(outcome(configured, call(&signature, msg_signature), &body), Err(Refused::Signature));
    }
    assert_eq!(outcome(configured, call(of_message, Some(of_message)), &body), Err(Refused::Signature));
    let plain = "<xml><MsgType>event</MsgType><Event>VIEW</Event></xml>";
    assert_eq!(outcome(configured, call(&signature, Some(of_message)), plain), Err(Refused::Malformed));
    let in_plain = Configured { key: None, ..configured };
    assert_eq!(outcome(in_plain, call(&signature, None), plain), Ok(Event::Other));
}

#[test]
fn events_are_told_apart() {
    let signature = signatures::of_callback(&["pamtest", "1409304348", "xxxxxx"]);
    let configured = Configured { token: "pamtest", key: None, app_id: "wx1" };
    let outcome = |fields: &str| {
        let body = format!(
            "<xml><FromUserName><![CDATA[oSIM-1]]></FromUserName><CreateTime>1796000000</CreateTime>\
             <MsgType><![CDATA[event]]></MsgType>{fields}</xml>"
        );
        read(configured, call(&signature, None), body.as_bytes())
    };
    let who = OpenId::parse("oSIM-1").expect("an open id");
    let at = Timestamp::from_millis(1_796_000_000_000);
    assert_eq!(outcome("<Event>subscribe</Event>"), Ok(Event::Subscribe(who.clone(), at)));
    assert_eq!(outcome("<Event><![CDATA[unsubscribe]]></Event>"), Ok(Event::Unsubscribe(who, at)));
    let sent = |outcome| Ok(Event::TemplateSent { message: 200_163_836, outcome });
    let finish = |status: &str| {
        outcome(&format!(
            "<Event>TEMPLATESENDJOBFINISH</Event><MsgID>200163836</MsgID><Status><![CDATA[{status}]]></Status>"
        ))
    };
    assert_eq!(finish("success"), sent(ReceiptOutcome::Arrived));
    assert_eq!(finish("failed:user block"), sent(ReceiptOutcome::Blocked));
    assert_eq!(finish("failed: system failed"), sent(ReceiptOutcome::Failed));
    assert_eq!(outcome("<Event>LOCATION</Event>"), Ok(Event::Other));
    assert_eq!(outcome("<Event>TEMPLATESENDJOBFINISH</Event>"), Err(Refused::Malformed));
    assert_eq!(outcome(""), Err(Refused::Malformed));
}
