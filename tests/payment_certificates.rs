//! Merchants that verify WeChat with its platform certificates, which are downloaded.

use std::io;

use harness::patients::Patient;
use harness::pay::{self, forged::Forger};
use harness::till::Till;
use serde_json::{Value, json};
use simulator::{Answer as Script, Endpoint, Merchant, PayMode, Simulator, Twist};

mod harness;

/// What a clinic enters that has no public key of WeChat's.
fn conf(wechat: &Simulator) -> Value {
    let merchant = Merchant::simulated(1);
    let files = wechat.merchant(&merchant.mch_id).expect("a merchant");
    json!({
        "app_id": pay::app_id(), "mch_id": files.mch_id, "serial_no": files.serial_no,
        "private_key": files.private_key_pem, "api_v3_key": files.api_v3_key
    })
}

fn simulator() -> Simulator {
    let wechat = pay::simulator();
    wechat.add_merchant(Merchant { mode: PayMode::Certificates, ..Merchant::simulated(1) }).expect("a key");
    wechat
}

async fn till() -> io::Result<Till> {
    open(simulator()).await
}

async fn open(wechat: Simulator) -> io::Result<Till> {
    let conf = conf(&wechat);
    Till::open(wechat, &conf).await
}

fn mch_id() -> String {
    Merchant::simulated(1).mch_id
}

async fn shown(till: &Till) -> io::Result<Vec<String>> {
    let data = till.staff("boss").await.get("wechat/pay_conf").await?.data();
    assert_eq!((&data["wechat_key_id"], &data["wechat_key"]), (&json!(""), &json!("")));
    let certificates = data["certificates"].as_array().expect("a list").iter();
    Ok(certificates.map(|serial| serial.as_str().expect("a text").to_owned()).collect())
}

/// Seen to fail when the certificates were not kept.
#[tokio::test]
async fn certificates_are_downloaded_kept_and_changed() -> io::Result<()> {
    let mut till = till().await?;
    till.paid().await?;
    assert_eq!(till.status().await?, (2, 2));
    let first = shown(&till).await?;
    assert_eq!(first.len(), 1);
    assert_eq!(till.wechat.calls(Endpoint::Certificates), 1);

    let mut till = till.restarted().await?;
    till.wechat.script_always(Endpoint::Certificates, Script::Reset);
    let booking = till.book(1).await?;
    let no = till.order_for(&booking).await?;
    till.wechat.pay(&no).expect("paid");
    let delivered = till.wechat.deliver_due().await;
    assert!(delivered[0].accepted, "{delivered:?}");

    // WeChat begins to sign with another one; both are good.
    till.wechat.clear_scripts();
    let before = till.wechat.calls(Endpoint::Certificates);
    let booking = till.book(2).await?;
    let no = till.order_for(&booking).await?;
    till.wechat.rotate_certificate(&mch_id()).expect("a key");
    till.wechat.pay(&no).expect("paid");
    let delivered = till.wechat.deliver_due().await;
    assert!(delivered[0].accepted, "{delivered:?}");
    assert_eq!(till.wechat.calls(Endpoint::Certificates), before + 1);
    let both = shown(&till).await?;
    assert!(both.len() == 2 && both.contains(&first[0]), "{both:?}");
    let books = till.stopped();
    assert_eq!((books.received, books.jobs), (3, 0));
    Ok(())
}

/// The list is believed only if it came under the merchant's key and is signed with one of what is in it; a notice that
/// nobody has signed does not have WeChat asked again and again.
#[tokio::test]
async fn nothing_is_believed_without_a_certificate_of_wechats() -> io::Result<()> {
    let wechat = simulator();
    // Before the clinic enters anything: the server asks for them by itself.
    wechat.script_always(Endpoint::Certificates, Script::WrongSignature);
    let mut till = open(wechat).await?;
    let booking = till.booking.clone();
    let unanswered = till.ask_for_order(&booking).await?;
    assert_eq!((unanswered.http, unanswered.status.as_str()), (502, "0502"));
    assert_eq!(shown(&till).await?, [""; 0]);
    let forger = Forger::new();
    let mut conf = conf(&till.wechat);
    conf["wechat_key_id"] = json!("PUB_KEY_ID_0");
    conf["wechat_key"] = json!("");
    let no = "1-1000000000";
    let told = forger.payment(&conf, no, 5_000);
    let mut line = Patient::connect(till.clinic.address).await?;
    for _ in 0..50 {
        assert_eq!(line.raw(&forger.notice(&conf, &told).request()).await?.status, 401);
    }
    assert!(till.wechat.calls(Endpoint::Certificates) < 10, "once a minute");
    assert_eq!(till.status().await?, (0, 1));
    till.clinic.stop();
    Ok(())
}

/// The twisted notices of a merchant with certificates are refused as those of others, and come again.
#[tokio::test]
async fn a_notice_with_an_unknown_serial_number_is_refused() -> io::Result<()> {
    let mut till = till().await?;
    let no = till.order().await?;
    till.wechat.twist_notice(Twist::UnknownSerial);
    till.wechat.pay(&no).expect("paid");
    let delivered = till.wechat.deliver_due().await;
    assert_eq!((delivered.len(), delivered[0].status), (1, Some(401)), "{delivered:?}");
    // It is found by asking instead.
    harness::till::until("the payment is found", async || Ok(till.status().await? == (2, 2))).await?;
    till.clinic.stop();
    Ok(())
}

#[tokio::test]
async fn the_public_key_comes_with_its_name_or_not_at_all() -> io::Result<()> {
    let till = Till::usual().await?;
    let mut boss = till.staff("boss").await;
    let entered = pay::conf(&till.wechat);
    for missing in ["wechat_key_id", "wechat_key"] {
        let mut half = entered.clone();
        half[missing] = json!("");
        boss.post("wechat/pay_conf", &half).await?.refused(400, "0001");
    }
    let mut none = entered.clone();
    for name in ["wechat_key_id", "wechat_key", "app_id"] {
        none.as_object_mut().expect("an object").remove(name);
    }
    boss.post("wechat/pay_conf", &none).await?.refused(400, "0001");
    boss.post("wechat/pay_conf", &entered).await?.done();
    till.clinic.stop();
    Ok(())
}
