//! `serve --demo` and its WeChat, which a patient reaches by a page: bound, booked, paid, given back, also after a restart.

use std::io;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::patients::Patient;
use harness::wire;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

mod harness;

/// How long something that the server or its WeChat does by itself may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The demo, and a browser on the same machine.
struct Demo {
    server: Clinic,
    /// Where the simulated WeChat answers.
    wechat: String,
    http: reqwest::Client,
}

fn demo(folder: &Folder) -> Command {
    let mut command = clinic::program(folder);
    command.args(["serve", "--demo"]);
    command
}

impl Demo {
    fn start(folder: &Folder) -> Self {
        Self::spawn(demo(folder))
    }

    fn spawn(command: Command) -> Self {
        let server = Clinic::spawn(command).unwrap_or_else(|log| panic!("the demo did not start:\n{log}"));
        let log = server.log();
        let line = log.iter().find(|line| line.contains("the demo's WeChat answers")).expect("it is logged");
        let line: Value = serde_json::from_str(line).expect("JSON");
        let wechat = line["address"].as_str().expect("an address").to_owned();
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().expect("a client");
        Self { server, wechat, http }
    }

    async fn page(&self) -> String {
        let reply = self.http.get(&self.wechat).send().await.expect("the page");
        reply.text().await.expect("a page")
    }

    /// Presses a button of the page, and answers the status.
    async fn press(&self, action: &str, order: &str) -> u16 {
        let request = self.http.post(format!("{}/{action}", self.wechat));
        let form = request.header("Content-Type", "application/x-www-form-urlencoded");
        form.body(format!("order={order}")).send().await.expect("an answer").status().as_u16()
    }

    /// Opens the address of an authorisation as the patient's phone does: the code and state it comes back with.
    async fn authorise(&self, url: &str) -> Value {
        let reply = self.http.get(url).send().await.expect("an answer");
        let back = reply.headers()["location"].to_str().expect("text").to_owned();
        let back = reqwest::Url::parse(&back).expect("an address");
        let of = |name: &str| {
            let found = back.query_pairs().find(|(key, _)| key == name);
            found.expect("a parameter").1.into_owned()
        };
        json!({"code": of("code"), "state": of("state")})
    }

    /// Binds the patient to whoever holds the phone.
    async fn bind(&self, patient: &mut Patient) -> io::Result<String> {
        let back = format!("{}/h5/me", self.wechat).replace(':', "%3A").replace('/', "%2F");
        let begun = patient.get(&format!("wechat/oauth/url?redirect_uri={back}")).await?.data();
        let brought = self.authorise(begun["url"].as_str().expect("an address")).await;
        let bound = patient.post("wechat/oauth/login", &brought).await?.data();
        Ok(bound["open_id"].as_str().expect("an open id").to_owned())
    }
}

/// A doctor of the demo, who costs something.
const DOCTOR: (u64, u64) = (101, 2001);

/// Books the third slot of a morning.
async fn book(patient: &mut Patient, member: &str, days: i32) -> io::Result<String> {
    let (department, doctor) = DOCTOR;
    let date = harness::import::day(days);
    let query = format!("deptId={department}&doctorId={doctor}&date={date}");
    let day = patient.schedule(&query).await?.data();
    let schedule = day["scheduleAM"]["scheduleId"].as_str().expect("a schedule").parse().expect("a number");
    let booked = patient.submit(schedule, 3, member).await?.data();
    Ok(booked["bookId"].as_str().expect("an id").to_owned())
}

async fn order(patient: &mut Patient, booking: &str, open_id: &str) -> io::Result<String> {
    let body = json!({"appo_id": booking, "open_id": open_id});
    let ordered = patient.post("book_service/pay/appo_order", &body).await?.data();
    assert_eq!(ordered["error_code"], "SUCCESS", "{ordered}");
    Ok(ordered["prepay_id"].as_str().expect("an id").to_owned())
}

/// Waits until a booking looks so.
async fn await_booking(patient: &mut Patient, booking: &str, is_there: impl Fn(&Value) -> bool) {
    let begun = Instant::now();
    loop {
        let data = patient.get(&format!("book_service/book/{booking}")).await.expect("answered").data();
        if is_there(&data) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{data}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the page shows so.
async fn await_page(demo: &Demo, part: &str) {
    let begun = Instant::now();
    loop {
        let page = demo.page().await;
        if page.contains(part) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{part} is not in {page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until WeChat has told the server of a payment: otherwise the server would only have asked, in its time.
async fn await_notice(demo: &Demo) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        let mut operator = Patient::connect(demo.server.admin_address).await?;
        let metrics = operator.raw(&wire::get("/metrics", &[])).await?.body;
        if String::from_utf8_lossy(&metrics).contains(r#"route="/pay/notify/{tenant}",status="000""#) {
            return Ok(());
        }
        assert!(begun.elapsed() < PATIENCE, "no notice came: {}", String::from_utf8_lossy(&metrics));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Somebody of the demo with a member, bound to WeChat.
async fn newcomer(demo: &Demo) -> io::Result<(Patient, String, String)> {
    let mut patient = Patient::registered(&demo.server, 1).await;
    let open_id = demo.bind(&mut patient).await?;
    let member = patient.add_member(1).await;
    Ok((patient, member, open_id))
}

fn assert_calm(demo: &Demo) {
    let log = demo.server.log();
    let errors: Vec<_> = log.iter().filter(|line| line.contains("\"level\":\"ERROR\"")).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

/// Planted and caught: keys of the merchant that are new at each start; notices to the address of the settings instead of
/// the one that is listened on.
#[actix_web::test]
async fn a_patient_pays_on_the_page_before_and_after_a_restart() -> io::Result<()> {
    let folder = Folder::new();
    let demo = Demo::start(&folder);
    let (mut patient, member, open_id) = newcomer(&demo).await?;
    assert!(demo.page().await.contains("SMS register: "), "the text is on the phone");
    let menu = patient.get("wechat/menu_url").await?.data();
    assert!(menu["book_url"].as_str().is_some_and(|url| url.starts_with(&demo.wechat)), "{menu}");
    let paid = book(&mut patient, &member, 1).await?;
    let prepay = order(&mut patient, &paid, &open_id).await?;
    assert!(demo.page().await.contains(&prepay));
    assert_eq!(demo.press("refuse", &prepay).await, 303);
    assert_eq!(demo.press("pay", &prepay).await, 303);
    await_notice(&demo).await?;
    await_booking(&mut patient, &paid, |data| data["bookStatus"] == 2 && data["visiCharge"] == 2).await;
    await_page(&demo, "就诊医生:沈知远").await;
    let open = book(&mut patient, &member, 2).await?;
    let prepay = order(&mut patient, &open, &open_id).await?;
    demo.server.kill();

    let demo = Demo::start(&folder);
    let mut again = Patient::connect(demo.server.address).await?;
    again.use_token(patient.token());
    assert_eq!(order(&mut again, &open, &open_id).await?, prepay, "it is the same order");
    assert_eq!(demo.press("pay", &prepay).await, 303);
    await_booking(&mut again, &open, |data| data["bookStatus"] == 2).await;
    again.cancel(&paid).await?.done();
    await_page(&demo, "REFUND 订单发生过退款").await;
    assert_eq!(demo.bind(&mut again).await?, open_id);
    let other = book(&mut again, &member, 3).await?;
    let prepay = order(&mut again, &other, &open_id).await?;
    assert_eq!(demo.press("pay", &prepay).await, 303);
    await_booking(&mut again, &other, |data| data["bookStatus"] == 2).await;
    assert_calm(&demo);
    demo.server.stop();
    Ok(())
}

/// What is in the way of nobody: the order ends with its booking, and others are made.
#[actix_web::test]
async fn orders_that_its_wechat_has_forgotten_end() -> io::Result<()> {
    let folder = Folder::new();
    let demo = Demo::start(&folder);
    let (mut patient, member, open_id) = newcomer(&demo).await?;
    let booking = book(&mut patient, &member, 1).await?;
    let prepay = order(&mut patient, &booking, &open_id).await?;
    demo.server.stop();
    let kept = folder.path().join("data-demo/keys/simulator-orders.json");
    std::fs::write(kept, "garbled")?;

    let demo = Demo::start(&folder);
    let mut again = Patient::connect(demo.server.address).await?;
    again.use_token(patient.token());
    assert_eq!(demo.press("pay", &prepay).await, 409);
    again.cancel(&booking).await?.done();
    let booking = book(&mut again, &member, 1).await?;
    let prepay = order(&mut again, &booking, &open_id).await?;
    assert_eq!(demo.press("pay", &prepay).await, 303);
    await_booking(&mut again, &booking, |data| data["bookStatus"] == 2).await;
    assert_calm(&demo);
    demo.server.stop();
    Ok(())
}

/// The ledger would take the payment of a number that it has seen for the same payment.
///
/// Planted and caught: one seed for all starts.
#[actix_web::test]
async fn numbers_of_its_wechat_do_not_come_again_after_a_restart() {
    let folder = Folder::new();
    let mut codes = Vec::new();
    for _ in 0..2 {
        let demo = Demo::start(&folder);
        let address = format!(
            "{}/connect/oauth2/authorize?appid=wx5100000000000001&redirect_uri=http%3A%2F%2F127.0.0.1%2F\
             &response_type=code&scope=snsapi_base&state=a",
            demo.wechat
        );
        codes.push(demo.authorise(&address).await["code"].clone());
        demo.server.stop();
    }
    assert_ne!(codes[0], codes[1]);
}

/// Planted and caught: the simulator started for every server.
#[actix_web::test]
async fn only_the_demo_needs_the_port_and_says_so_when_it_is_taken() -> io::Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    let folder = Folder::new();
    let own = Clinic::start(&folder, &[("PATI_DEMO__SIMULATOR_PORT", &port)]);
    assert!(!own.log().iter().any(|line| line.contains("WeChat")), "{:?}", own.log());
    own.stop();
    let output = demo(&folder).env("PATI_DEMO__SIMULATOR_PORT", &port).output()?;
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in [&format!("demo.simulator_port = {port}"), "in use", "PATI_DEMO__SIMULATOR_PORT"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    Ok(())
}

/// A demo beside a real clinic's settings: nothing that they name is reached.
///
/// Planted and caught: the settings' provider of texts kept in the demo.
#[actix_web::test]
async fn nothing_of_the_demo_goes_where_a_clinic_has_it_sent() -> io::Result<()> {
    let nobody = TcpListener::bind("127.0.0.1:0")?;
    nobody.set_nonblocking(true)?;
    let elsewhere = format!("http://{}", nobody.local_addr()?);
    let folder = Folder::new();
    let mut command = demo(&folder);
    command.envs([
        ("PATI_SMS__PROVIDER", "webhook"),
        ("PATI_SMS__WEBHOOK_URL", elsewhere.as_str()),
        ("PATI_WECHAT__API_BASE", elsewhere.as_str()),
        ("PATI_WECHAT__PAY_BASE", elsewhere.as_str()),
        ("PATI_SERVER__PUBLIC_URL", "https://clinic.example"),
    ]);
    let demo = Demo::spawn(command);
    let (mut patient, member, open_id) = newcomer(&demo).await?;
    let booking = book(&mut patient, &member, 1).await?;
    let prepay = order(&mut patient, &booking, &open_id).await?;
    assert_eq!(demo.press("pay", &prepay).await, 303);
    await_notice(&demo).await?;
    await_booking(&mut patient, &booking, |data| data["bookStatus"] == 2).await;
    demo.server.stop();
    let called = nobody.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(called, Err(io::ErrorKind::WouldBlock), "nobody was called");
    Ok(())
}
