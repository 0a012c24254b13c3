//! Patients are told: the server over HTTP, against a simulator of WeChat that it reaches through its ordinary settings.

use std::io;
use std::time::{Duration, Instant};

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::Patient;
use harness::pay::{self, OPEN_IDS, ORIGIN};
use harness::till::until;
use harness::{people, staff, wire};
use serde_json::json;
use simulator::{Answer as Script, App, Callback, CallbackMode, Endpoint, SentMessage, Simulator};

mod harness;

const SCHEDULE: u64 = 3001;
const OTHER: u64 = 3002;
const TOKEN: &str = "callbackToken1";

/// How long something that the server does by itself may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A clinic with a service account, and a patient whom it knows.
struct World {
    folder: Folder,
    wechat: Simulator,
    clinic: Clinic,
    boss: Patient,
    patient: Patient,
    member: String,
}

fn start(folder: &Folder, wechat: &Simulator, notices: &str) -> Clinic {
    let url = wechat.url();
    let mut settings = pay::settings(wechat);
    settings.extend([("PATI_WECHAT__API_BASE", url), ("PATI_SMS__NOTICES", notices.to_owned())]);
    let clinic = Clinic::start(folder, &pay::borrowed(&settings));
    wechat.resolve(ORIGIN, &format!("http://{}", clinic.address));
    clinic
}

impl World {
    async fn new() -> io::Result<Self> {
        let folder = Folder::new();
        let mut file = ImportFile::default();
        file.doctor(2001).schedule(SCHEDULE, 2001, day(2), Half::Am, 9);
        file.schedule(OTHER, 2001, day(2), Half::Pm, 9);
        clinic::import(&folder, &file);
        staff::add(&folder, &["--account", "boss", "--role", "admin"]);
        pay::bind_open_ids(&folder);
        let wechat = pay::simulator();
        let clinic = start(&folder, &wechat, "false");
        let mut boss = staff::logged_in(&clinic, "boss").await;
        let account = App::simulated(1);
        let conf = json!({"app_id": account.app_id, "app_secret": account.secret, "auth_url": "127.0.0.1"});
        boss.post("wechat/conf", &conf).await?.done();
        for (kind, template) in (1..).zip(&account.templates) {
            let body = json!({"wech_temp_type": kind, "wech_temp_id": template.template_id});
            boss.post("wechat/template_id", &body).await?.done();
        }
        let mut patient = Patient::registered(&clinic, 1).await;
        let member = patient.add_member(1).await;
        Ok(Self { folder, wechat, clinic, boss, patient, member })
    }

    async fn book(&mut self, schedule: u64, serial: u16) -> io::Result<String> {
        let booked = self.patient.submit(schedule, serial, &self.member).await?.data();
        Ok(booked["bookId"].as_str().expect("an id").to_owned())
    }

    /// Waits until WeChat has taken so many messages; answers the last.
    async fn told(&self, count: usize) -> io::Result<SentMessage> {
        until("the message is sent", async || Ok(self.wechat.sent().len() >= count)).await?;
        let sent = self.wechat.sent();
        assert_eq!(sent.len(), count, "{sent:?}");
        Ok(sent[count - 1].clone())
    }

    /// How often an attempt to tell somebody came to this, by the server's own count.
    async fn counted(&self, kind: &str, outcome: &str) -> io::Result<u64> {
        let mut monitor = Patient::connect(self.clinic.admin_address).await?;
        let reply = monitor.raw(&wire::get("/metrics", &[])).await?;
        let text = String::from_utf8(reply.body).expect("text");
        let name = format!("pati_notifications_total{{kind=\"{kind}\",outcome=\"{outcome}\"}} ");
        let count = text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok());
        Ok(count.unwrap_or(0))
    }

    async fn counts(&self, kind: &str, outcome: &str) -> io::Result<()> {
        until("it is counted", async || Ok(self.counted(kind, outcome).await? > 0)).await
    }

    fn end(self) {
        self.clinic.stop();
        clinic::verify(&self.folder);
    }
}

/// Seen to fail when the loop that sends was not started.
#[tokio::test]
async fn a_visit_is_told_of_from_the_booking_to_the_refund() -> io::Result<()> {
    let mut world = World::new().await?;
    let templates = App::simulated(1).templates;
    let booking = world.book(SCHEDULE, 4).await?;
    let booked = world.told(1).await?;
    assert_eq!((booked.open_id.as_str(), &booked.template_id), (OPEN_IDS[0], &templates[0].template_id));
    assert!(booked.text.contains("科室:眼科"), "{}", booked.text);

    world.boss.post("wechat/pay_conf", &pay::conf(&world.wechat)).await?.done();
    let order = json!({"appo_id": booking, "open_id": OPEN_IDS[0]});
    let order = world.patient.post("book_service/pay/appo_order", &order).await?.data();
    world.wechat.pay(order["out_trade_no"].as_str().expect("a number")).expect("paid");
    assert!(world.wechat.deliver_due().await.iter().all(|delivered| delivered.accepted));
    assert_eq!(world.told(2).await?.template_id, templates[2].template_id);

    world.patient.cancel(&booking).await?.done();
    assert_eq!(world.told(3).await?.template_id, templates[1].template_id);

    world.book(OTHER, 1).await?;
    world.told(4).await?;
    let stop = json!({"schedule_id": OTHER.to_string(), "reason": "医生请假"});
    world.boss.post("manager_service/schedule/stop", &stop).await?.data();
    let stopped = world.told(5).await?;
    assert_eq!((stopped.open_id.as_str(), &stopped.template_id), (OPEN_IDS[0], &templates[1].template_id));
    let ids: std::collections::BTreeSet<_> =
        world.wechat.sent().into_iter().map(|message| message.client_msg_id).collect();
    assert_eq!(ids.len(), 5, "no message is taken for another");
    world.end();
    Ok(())
}

/// The event comes from WeChat, signed. Seen to fail when it was only logged.
#[tokio::test]
async fn a_message_that_is_blocked_becomes_a_text_if_the_clinic_wants_it() -> io::Result<()> {
    let mut world = World::new().await?;
    world.boss.post("wechat/callback_conf", &json!({"token": TOKEN})).await?.done();
    let url = format!("{ORIGIN}/pati_service/wechat/callback/1");
    let callback = Callback { url, token: TOKEN.to_owned(), mode: CallbackMode::Plain };
    world.wechat.set_callback(&pay::app_id(), callback);
    let booking = world.book(SCHEDULE, 1).await?;
    world.told(1).await?;
    assert!(world.wechat.deliver_due().await.iter().all(|delivered| delivered.accepted));
    world.counts("booked", "arrived").await?;

    let World { folder, wechat, clinic, member, .. } = world;
    clinic.stop();
    let clinic = start(&folder, &wechat, "true");
    let boss = staff::logged_in(&clinic, "boss").await;
    let mut patient = Patient::connect(clinic.address).await?;
    let token = patient.login(&people::phone(1), harness::patients::PASSWORD).await?.data();
    patient.use_token(token["token"].as_str().expect("a token"));
    let mut world = World { folder, wechat, clinic, boss, patient, member };
    world.wechat.change_app(&pay::app_id(), |app| app.people[0].blocks = true);
    world.patient.cancel(&booking).await?.done();
    world.told(2).await?;
    assert!(world.wechat.deliver_due().await.iter().all(|delivered| delivered.accepted));
    world.counts("cancelled", "blocked").await?;
    // The console is the provider here.
    let printed = async || {
        let mut monitor = Patient::connect(world.clinic.admin_address).await?;
        let reply = monitor.raw(&wire::get("/metrics", &[])).await?;
        let text = String::from_utf8(reply.body).expect("text");
        Ok(text.contains("pati_sms_total{template=\"cancelled\",outcome=\"sent\"} 1"))
    };
    until("a text is printed", printed).await?;
    world.end();
    Ok(())
}

/// T13 for messages.
#[tokio::test]
async fn a_wechat_that_hangs_holds_up_no_booking() -> io::Result<()> {
    let mut world = World::new().await?;
    world.wechat.script_always(Endpoint::TemplateSend, Script::Hang);
    let booking = world.book(SCHEDULE, 1).await?;
    until("it hangs", async || Ok(world.wechat.calls(Endpoint::TemplateSend) > 0)).await?;
    let begun = Instant::now();
    for _ in 0..5 {
        world.patient.cancel(&booking).await?.done();
        world.patient.books(1, 10).await?.data();
    }
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
    world.counts("booked", "retried").await?;
    world.wechat.clear_scripts();
    world.wechat.release_hanging();
    // The cancellation is told of as soon as its turn comes; what hung has become of no use.
    world.end();
    Ok(())
}
