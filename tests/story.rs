//! The whole story of one patient over HTTP, against a WeChat that answers as the real one and that the server reaches through
//! its ordinary settings: an account, who it is to WeChat, a slot, an order, a payment, what WeChat tells of it, and the
//! way back.

use std::io;
use std::time::{Duration, Instant};

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::{PASSWORD, Patient};
use harness::{pay, people, staff, wire};
use serde_json::{Value, json};
use simulator::{
    App, Callback, CallbackMode, Merchant, MerchantFiles, Options, PagePayment, PageSignature, RefundStatus,
    Simulator, Template, TradeState,
};

mod harness;

/// Where the clinic and its pages are to be found; WeChat knows the host.
const ORIGIN: &str = "https://clinic.example";
const HOST: &str = "clinic.example";

const SCHEDULE: u64 = 3001;

/// EncodingAESKey
const MESSAGE_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// The types of messages of which a patient hears in this story.
const KINDS: [(u8, &str); 3] = [(1, "预约挂号成功通知"), (2, "预约挂号取消通知"), (3, "挂号成功通知")];

/// How long something that happens by itself may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The account as WeChat has it.
fn account() -> App {
    App { domains: vec![HOST.to_owned()], templates: Template::of_a_clinic(), ..App::simulated(1) }
}

/// A clinic with one doctor and an administrator, and its WeChat.
fn open(folder: &Folder) -> (Clinic, Simulator) {
    let options = Options { apps: vec![account()], ..Options::default() };
    let wechat = Simulator::start(options).expect("a simulator");
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(SCHEDULE, 2001, day(2), Half::Am, 9);
    clinic::import(folder, &file);
    staff::add(folder, &["--account", "boss", "--role", "admin"]);
    let base = wechat.url();
    let settings = [
        ("PATI_WECHAT__API_BASE", base.as_str()),
        ("PATI_WECHAT__OAUTH_BASE", base.as_str()),
        ("PATI_WECHAT__PAY_BASE", base.as_str()),
        ("PATI_SMS__PROVIDER", "webhook"),
        ("PATI_SMS__WEBHOOK_URL", &wechat.sms_url()),
        ("PATI_SERVER__PUBLIC_URL", ORIGIN),
        ("PATI_H5__BOOK_URL", "https://clinic.example/{tenant}/book"),
    ];
    let clinic = Clinic::start(folder, &settings);
    wechat.resolve(ORIGIN, &format!("http://{}", clinic.address));
    (clinic, wechat)
}

/// The administrator connects the account, step by step as the README has it, and each step is checked as it says.
async fn connect(clinic: &Clinic, wechat: &Simulator) -> io::Result<()> {
    let (app, mut admin) = (account(), staff::logged_in(clinic, "boss").await);
    let conf = json!({"app_id": app.app_id, "app_secret": app.secret, "auth_url": HOST});
    admin.post("wechat/conf", &conf).await?.done();
    let listed = admin.get("wechat/templates").await?.data();
    let listed: Vec<_> = listed["templateList"].as_array().expect("a list").clone();

    let file = "MP_verify_0123456789abcdef.txt";
    let headers = [("token", admin.token()), ("content-type", "text/plain")];
    let upload = wire::post("/pati_service/wechat/auth_file/upload", &headers, "0123456789abcdef");
    assert_eq!(admin.again(clinic.address).await?.raw(&upload).await?.status, 200);
    wechat.verify_domain(ORIGIN, file).await.expect("WeChat finds the file");

    let callback = json!({"token": "a0token", "encoding_aes_key": MESSAGE_KEY});
    admin.post("wechat/callback_conf", &callback).await?.done();
    let url = admin.get("wechat/callback_conf").await?.data()["url"].as_str().expect("an address").to_owned();
    let mode = CallbackMode::Safe(MESSAGE_KEY.to_owned());
    wechat.set_callback(&app.app_id, Callback { url, token: "a0token".to_owned(), mode });
    wechat.verify_callback(&app.app_id).await.expect("WeChat takes the address");

    for (kind, title) in KINDS {
        let found = listed.iter().find(|template| template["title"] == title).expect("a template");
        let chosen = json!({"wech_temp_type": kind, "wech_temp_id": found["templateId"]});
        admin.post("wechat/template_id", &chosen).await?.done();
    }

    let files = wechat.merchant(&Merchant::simulated(1).mch_id).expect("a merchant");
    let MerchantFiles { mch_id, serial_no, private_key_pem, api_v3_key, public_key, .. } = files;
    let (wechat_key_id, wechat_key) = public_key.expect("a public key");
    let merchant = json!({
        "app_id": app.app_id, "mch_id": mch_id, "serial_no": serial_no, "private_key": private_key_pem,
        "api_v3_key": api_v3_key, "wechat_key_id": wechat_key_id, "wechat_key": wechat_key
    });
    admin.post("wechat/pay_conf", &merchant).await?.done();
    Ok(())
}

/// An account, by the code that came as a text.
async fn register(clinic: &Clinic, wechat: &Simulator) -> io::Result<Patient> {
    let mut patient = Patient::connect(clinic.address).await?;
    let phone = people::phone(1);
    patient.register_code(&phone).await?.done();
    let texts = wechat.sms();
    let text = texts.iter().find(|text| text.phone == phone).expect("a text");
    let code = text.code.clone().expect("a code");
    let registered = patient.register(&phone, &code, PASSWORD).await?.data();
    patient.use_token(registered["token"].as_str().expect("a token"));
    Ok(patient)
}

/// The browser goes to WeChat and comes back.
async fn bind(patient: &mut Patient) -> io::Result<String> {
    let begun =
        patient.get("wechat/oauth/url?redirect_uri=https%3A%2F%2Fclinic.example%2F1%2Fme").await?.data();
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
    let sent = http.expect("a client").get(begun["url"].as_str().expect("an address")).send().await;
    let back = sent.expect("an answer").headers()["location"].to_str().expect("text").to_owned();
    assert!(back.starts_with("https://clinic.example/1/me?code="), "{back}");
    let back = reqwest::Url::parse(&back).expect("an address");
    let of =
        |name: &str| back.query_pairs().find(|(key, _)| key == name).expect("a parameter").1.into_owned();
    assert_eq!(begun["state"], of("state"));
    let brought = json!({"code": of("code"), "state": of("state")});
    let bound = patient.post("wechat/oauth/login", &brought).await?.data();
    Ok(bound["open_id"].as_str().expect("an open id").to_owned())
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().expect("a text").to_owned()
}

/// The page signs itself, orders, and pays as weixin-js-sdk does.
async fn pay_in_page(
    patient: &mut Patient,
    wechat: &Simulator,
    booking: &str,
    open_id: &str,
) -> io::Result<()> {
    let app_id = account().app_id;
    let page = "https://clinic.example/1/pay?from=list";
    let signed = patient.post("wx/jsapi/signature", &json!({"url": page})).await?.data();
    assert_eq!(signed["appId"], app_id);
    let (nonce, timestamp) = (text(&signed, "nonceStr"), text(&signed, "timestamp"));
    let signature = text(&signed, "signature");
    let config = PageSignature { nonce: &nonce, timestamp: &timestamp, url: page, signature: &signature };
    wechat.check_page_signature(&app_id, &config).expect("wx.config takes it");

    let order = json!({"appo_id": booking, "open_id": open_id});
    let order = patient.post("book_service/pay/appo_order", &order).await?.data();
    assert_eq!(order["error_code"], "SUCCESS", "{order}");
    let asked = json!({
        "agencyId": order["agency_id"], "tenantId": "1", "appId": app_id, "timeStamp": order["timestamp"],
        "nonceStr": order["nonce_str"], "prepayId": order["prepay_id"], "signType": order["sign_type"]
    });
    let sign = patient.post("wx/jsapi/paysign", &asked).await?.data();
    let (time_stamp, nonce_str) = (text(&order, "timestamp"), text(&order, "nonce_str"));
    let package = format!("prepay_id={}", text(&order, "prepay_id"));
    let (sign_type, pay_sign) = (text(&order, "sign_type"), text(&sign, "paySign"));
    let paid = wechat.pay_in_page(&PagePayment {
        app_id: &app_id,
        time_stamp: &time_stamp,
        nonce_str: &nonce_str,
        package: &package,
        sign_type: &sign_type,
        pay_sign: &pay_sign,
    });
    assert_eq!(paid.expect("the phone takes it").total, 5_000);
    Ok(())
}

/// Waits for the message of a type, and answers what the patient reads.
async fn await_message(wechat: &Simulator, title: &str, open_id: &str) -> String {
    let template = Template::of_a_clinic().into_iter().find(|template| template.title == title);
    let template = template.expect("a template").template_id;
    let begun = Instant::now();
    loop {
        let sent: Vec<_> =
            wechat.sent().into_iter().filter(|message| message.template_id == template).collect();
        if let Some(message) = sent.first() {
            assert_eq!((sent.len(), message.open_id.as_str()), (1, open_id), "{title}");
            return message.text.clone();
        }
        assert!(begun.elapsed() < PATIENCE, "{title}: {:?}", wechat.sent());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until WeChat has told the server of something, and the server has taken it.
async fn await_told(wechat: &Simulator, kind: &str) {
    let begun = Instant::now();
    while !wechat.deliveries().iter().any(|told| told.kind == kind && told.accepted) {
        assert!(begun.elapsed() < PATIENCE, "{kind}: {:?}", wechat.deliveries());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Planted and caught: a notice that is answered and not written; a `paySign` over its parts in another order.
#[tokio::test]
async fn a_patient_registers_books_pays_and_gets_the_money_back() -> io::Result<()> {
    let folder = Folder::new();
    let (clinic, wechat) = open(&folder);
    connect(&clinic, &wechat).await?;

    let mut patient = register(&clinic, &wechat).await?;
    let open_id = bind(&mut patient).await?;
    assert!(wechat.follow(&account().app_id, &open_id, true));
    await_told(&wechat, "subscribe").await;
    let member = patient.add_member(1).await;
    let menu = patient.get("wechat/menu_url").await?.data();
    assert_eq!(menu["book_url"], "https://clinic.example/1/book");

    patient.presubmit(SCHEDULE, 4).await?.data();
    let booked = patient.submit(SCHEDULE, 4, &member).await?.data();
    let booking = text(&booked, "bookId");
    let data = patient.book(&booking).await?.data();
    assert_eq!((&data["bookStatus"], &data["visiCharge"]), (&json!(0), &json!(1)), "{data}");
    let message = await_message(&wechat, "预约挂号成功通知", &open_id).await;
    for part in ["就诊科室:眼科", "就诊医生:医生2001"] {
        assert!(message.contains(part), "{part} is not in {message}");
    }

    pay_in_page(&mut patient, &wechat, &booking, &open_id).await?;
    await_told(&wechat, "TRANSACTION.SUCCESS").await;
    // What was taken is written: nothing has to be waited for.
    let data = patient.book(&booking).await?.data();
    assert_eq!((&data["bookStatus"], &data["visiCharge"]), (&json!(2), &json!(2)), "{data}");
    let row = patient.books(1, 10).await?.data()["list"][0].clone();
    assert!(row["visiSerialno"].is_string(), "{row}");

    await_message(&wechat, "挂号成功通知", &open_id).await;

    patient.cancel(&booking).await?.done();
    assert_eq!(patient.book(&booking).await?.data()["bookStatus"], 1);
    await_told(&wechat, "REFUND.SUCCESS").await;
    await_message(&wechat, "预约挂号取消通知", &open_id).await;
    await_told(&wechat, "TEMPLATESENDJOBFINISH").await;
    assert_eq!(wechat.sent().len(), KINDS.len(), "each once");
    let (orders, refunds) = (wechat.orders(), wechat.refunds());
    assert_eq!((orders.len(), orders[0].state), (1, TradeState::Refund));
    assert_eq!((refunds.len(), refunds[0].refund, refunds[0].status), (1, 5_000, RefundStatus::Success));

    clinic.stop();
    clinic::verify(&folder);
    let books = pay::books(&folder);
    assert_eq!((books.orders, books.received, books.refunded, books.mismatches), (1, 1, 1, 0));
    assert_eq!(books.jobs, 0, "nothing is left to be asked");
    Ok(())
}
