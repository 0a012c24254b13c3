//! What becomes of notifications as time goes by: the server's parts in this process, with a clock that is set by hand,
//! against the simulator.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actors::{Booker, Clock as _, ManualClock, Request, Target, Terms, save_notification};
use domain::{
    BookingId, Cancel, CancelBy, MemberId, Reason, Relocate, Reply, ScheduleId, SerialNo, StaffId, Stop,
    UserId,
};
use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::Patient;
use harness::pay::{self, OPEN_IDS};
use harness::{people, staff, store};
use pati_service::app::App;
use pati_service::metrics::Metrics;
use pati_service::outbox::{self, receipts};
use pati_service::server::Prepared;
use pati_service::settings::{BaseUrl, HttpUrl, PageUrl, Settings, SmsProvider};
use serde_json::json;
use simulator::{Answer as Script, Endpoint, Person, Simulator, Template};
use storage::keys::NotificationId;
use storage::records::{
    Delivery, FailReason, NotificationKind, NotificationRecord, ReceiptOutcome, SentBy, SkipReason,
};
use storage::{Commit, Scan, Storage, StorageOptions, keys};

mod harness;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const SCHEDULE: u64 = 3001;
/// Another one, of the other half of the day.
const AFTERNOON: u64 = 3002;
const PAGE: &str = "https://h5.example.cn/1/me";

/// What a clinic and its patient have.
#[derive(Clone, Copy)]
struct Setup {
    /// Whether WeChat knows the patient.
    bound: bool,
    /// Whether notices go out as text messages.
    notices: bool,
}

const USUAL: Setup = Setup { bound: true, notices: false };

/// A clinic with a service account and a patient, whose server has been stopped, and its parts in this process.
struct World {
    folder: Folder,
    /// Those before crashes: actors that nobody asks any more have them open.
    past: Vec<Folder>,
    setup: Setup,
    wechat: Simulator,
    clock: Arc<ManualClock>,
    storage: Storage,
    app: App,
    member: MemberId,
}

impl World {
    async fn with(setup: Setup) -> Self {
        let folder = Folder::new();
        let mut file = ImportFile::default();
        file.doctor(2001).schedule(SCHEDULE, 2001, day(2), Half::Am, 9);
        file.doctor(2002).schedule(AFTERNOON, 2001, day(2), Half::Pm, 20);
        clinic::import(&folder, &file);
        staff::add(&folder, &["--account", "boss", "--role", "admin"]);
        if setup.bound {
            pay::bind_open_ids(&folder);
        }
        let clock = Arc::new(ManualClock::at(store::now()));
        let wechat = pay::simulator_at({
            let clock = Arc::clone(&clock);
            move || clock.now().as_millis()
        });
        let server = Clinic::start(&folder, &[]);
        let mut boss = staff::logged_in(&server, "boss").await;
        let account = simulator::App::simulated(1);
        let conf = json!({"app_id": account.app_id, "app_secret": account.secret, "auth_url": "127.0.0.1"});
        boss.post("wechat/conf", &conf).await.expect("answered").done();
        for (kind, template) in (1..).zip(&account.templates) {
            let body = json!({"wech_temp_type": kind, "wech_temp_id": template.template_id});
            boss.post("wechat/template_id", &body).await.expect("answered").done();
        }
        let mut patient = Patient::registered(&server, 1).await;
        let member = MemberId::parse(&patient.add_member(1).await).expect("an id");
        server.stop();
        // The server had a clock of its own.
        clock.advance(store::now().since(clock.now()));
        let (storage, app) = parts(&folder.store(), &wechat, &clock, setup).await;
        let past = Vec::new();
        Self { folder, past, setup, wechat, clock, storage, app, member }
    }

    /// The same clinic after a crash: its files as they lie on the disk now, and nothing of its memory.
    async fn restarted(self) -> Self {
        let Self { folder: before, setup, wechat, clock, member, mut past, .. } = self;
        let folder = Folder::new();
        copy(&before.store(), &folder.store());
        past.push(before);
        let (storage, app) = parts(&folder.store(), &wechat, &clock, setup).await;
        Self { folder, past, setup, wechat, clock, storage, app, member }
    }

    async fn ask(&self, schedule: u64, wish: Request) -> Reply {
        let target = Target { tenant: store::tenant(), schedule: ScheduleId::new(schedule).expect("an id") };
        let deadline = self.clock.now().plus(Duration::from_secs(5));
        let terms = Terms { deadline, repeat: None, audit: None, also: None };
        self.app.directory.ask(target, wish, terms).await.expect("done")
    }

    async fn book_at(&self, schedule: u64, serial: u16) -> BookingId {
        let booker = Booker::Account { user: user(), member: self.member };
        let serial = SerialNo::new(serial).expect("a number");
        match self.ask(schedule, Request::Submit { booker, serial }).await {
            Reply::Booked(id) => id,
            other => panic!("{other:?}"),
        }
    }

    async fn book(&self) -> BookingId {
        self.book_at(SCHEDULE, 4).await
    }

    async fn cancel(&self, schedule: u64, booking: BookingId) {
        self.ask(schedule, Request::Cancel(Cancel { booking, by: CancelBy::Patient(user()) })).await;
    }

    /// So much later, everything that is due is sent.
    async fn after(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        outbox::run_due(&self.app).await.expect("readable");
    }

    /// All notifications, as they were written.
    fn rows(&self) -> Vec<(NotificationId, NotificationRecord)> {
        let rows = self.storage.scan(&keys::notifications(store::tenant()), Scan::ALL).expect("readable");
        rows.into_iter().map(|(key, row)| (keys::notification_id(&key).expect("an id"), row.record)).collect()
    }

    /// The only one of this kind.
    #[track_caller]
    fn row(&self, kind: NotificationKind) -> NotificationRecord {
        let mut rows = self.rows();
        rows.retain(|(id, _)| id.kind == kind);
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0).1
    }

    fn jobs(&self) -> u64 {
        outbox::waiting(&self.app)
    }

    /// As the staff do it.
    async fn send_again(&self, kind: NotificationKind) {
        let (id, row) = self.rows().into_iter().find(|(id, _)| id.kind == kind).expect("a row");
        let delivery = Delivery::Waiting { attempts: 0, next_at: self.clock.now() };
        let row = NotificationRecord { round: row.round + 1, delivery, ..row };
        let mut commit = Commit::new();
        save_notification(&mut commit, store::tenant(), &id, &row);
        self.storage.commit(commit).await.expect("written");
    }

    fn person(&self, change: impl FnOnce(&mut Person)) {
        self.wechat.change_app(&pay::app_id(), |app| change(&mut app.people[0]));
    }

    fn booked_template(&self, content: &str) {
        self.wechat.change_app(&pay::app_id(), |app| content.clone_into(&mut app.templates[0].content));
    }

    fn sends(&self) -> u64 {
        self.wechat.calls(Endpoint::TemplateSend)
    }
}

/// Copies a data folder as a kill would leave it. The index is made anew from the journal: its files come and go.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable").path();
        let name = entry.file_name().expect("a name");
        if entry.is_dir() && name != "index" {
            copy(&entry, &to.join(name));
        } else if entry.is_file() && name != "LOCK" {
            fs::copy(&entry, to.join(name)).expect("copied");
        }
    }
}

fn user() -> UserId {
    UserId::new(1_000_000_000).expect("an id")
}

fn a_staff() -> StaffId {
    StaffId::new(7).expect("an id")
}

/// The parts of a server. Filling the lists blocks, which this thread may not.
async fn parts(store: &Path, wechat: &Simulator, clock: &Arc<ManualClock>, setup: Setup) -> (Storage, App) {
    let mut settings = Settings::default();
    settings.storage.path = store.to_owned();
    settings.wechat.api_base = BaseUrl::parse(&wechat.url()).expect("a URL");
    settings.h5.personal_center_url =
        Some(PageUrl::parse("https://h5.example.cn/{tenant}/me").expect("a URL"));
    settings.sms.provider = SmsProvider::Webhook;
    settings.sms.webhook_url = Some(HttpUrl::parse(&wechat.sms_url()).expect("a URL"));
    settings.sms.notices = setup.notices;
    let clock = Arc::clone(clock) as Arc<dyn actors::Clock>;
    let opening = tokio::task::spawn_blocking(move || {
        let storage =
            Storage::open(StorageOptions::new(&settings.storage.path, clock.now())).expect("opened");
        let prepared = Prepared::new(&settings, storage.clone(), clock, Arc::new(Metrics::default()));
        (storage, prepared.expect("prepared"))
    });
    let (storage, prepared) = opening.await.expect("no panic");
    (storage, prepared.start())
}

#[track_caller]
fn sent_by_wechat(row: &NotificationRecord) -> u64 {
    match row.delivery {
        Delivery::Sent { by: SentBy::Wechat { msg_id }, .. } => msg_id,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn skipped(row: &NotificationRecord, reason: SkipReason) {
    assert!(matches!(row.delivery, Delivery::Skipped { why, .. } if why == reason), "{:?}", row.delivery);
}

#[track_caller]
fn failed(row: &NotificationRecord, expected: (FailReason, Option<i64>, u8), fault: Option<&str>) {
    let Delivery::Failed { why, errcode, attempts, .. } = row.delivery else { panic!("{:?}", row.delivery) };
    assert_eq!((why, errcode, attempts), expected);
    assert_eq!(row.fault.as_deref(), fault);
}

/// Seen to fail when the template was looked up by the kind's number instead of its type.
#[actix_web::test]
async fn each_kind_goes_out_as_its_template_with_the_facts_of_the_visit() {
    let world = World::with(USUAL).await;
    let booking = world.book().await;
    assert_eq!((world.jobs(), world.sends()), (1, 0), "nothing is sent before it is due");
    world.after(0).await;
    let templates = simulator::App::simulated(1).templates;
    let sent = world.wechat.sent();
    let [message] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((message.open_id.as_str(), message.url.as_str()), (OPEN_IDS[0], PAGE));
    assert_eq!(message.template_id, templates[0].template_id);
    let date = day(2);
    let time = format!("{}年{}月{}日 07:03", date.year(), date.month(), date.day());
    let expected = [("name1", "患者"), ("thing2", "眼科"), ("name3", "医生"), ("time4", time.as_str())];
    let data: Vec<_> = message.data.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(data, expected, "no name has a digit");
    assert_eq!(sent_by_wechat(&world.row(NotificationKind::Booked)), message.msg_id.cast_unsigned());
    world.after(24 * HOUR).await;
    assert_eq!((world.jobs(), world.sends()), (0, 1), "once is enough");

    let substitute = domain::DoctorId::new(2002).expect("an id");
    let moved = Relocate { location: Some("三楼".to_owned()), doctor: Some(substitute), staff: a_staff() };
    world.ask(SCHEDULE, Request::Relocate(moved)).await;
    world.wechat.change_app(&pay::app_id(), |app| {
        app.templates[1].content =
            "姓名:{{thing1.DATA}}\n医生:{{thing2.DATA}}\n地点:{{thing3.DATA}}\n状态:{{phrase4.DATA}}\n\
             原因:{{thing5.DATA}}\n备注:{{thing6.DATA}}\n序号:{{number7.DATA}}\n费用:{{amount8.DATA}}"
                .to_owned();
    });
    world.after(1).await;
    world.cancel(SCHEDULE, booking).await;
    world.after(1).await;
    let sent = world.wechat.sent();
    let [_, moved, cancelled] = &sent[..] else { panic!("{sent:?}") };
    for (message, status, reason) in [(moved, "已变更", "诊室或医生调整"), (cancelled, "已取消", "本人取消")]
    {
        assert_eq!(message.template_id, templates[1].template_id);
        let value = |name: &str| message.data.iter().find(|(of, _)| of == name).expect("a place").1.as_str();
        assert_eq!([value("thing1"), value("thing2"), value("thing3")], ["患者1", "医生2002", "三楼"]);
        assert_eq!([value("phrase4"), value("thing5")], [status, reason]);
        assert_eq!([value("number7"), value("amount8")], ["4", "¥50.00"]);
    }
    let stopped = world.book_at(AFTERNOON, 1).await;
    let reason = Reason::parse("医生生病").expect("a reason");
    world.ask(AFTERNOON, Request::Stop(Stop { staff: a_staff(), reason })).await;
    world.after(1).await;
    let sent = world.wechat.sent();
    assert_eq!(sent.len(), 4, "of a stopped booking nobody is told that it was made");
    assert!(sent[3].text.contains("已停诊"), "{}", sent[3].text);
    let row = world.row(NotificationKind::Stopped);
    assert_eq!(row.booking(), Some(stopped));
    sent_by_wechat(&row);
}

/// Seen to fail when 43004 was tried again.
#[actix_web::test]
async fn who_cannot_be_reached_is_not_tried_again() {
    let world = World::with(USUAL).await;
    for (number, (change, why)) in [
        ((|person| person.follows = false) as fn(&mut Person), Some(SkipReason::Unsubscribed)),
        (|person| (person.follows, person.refuses) = (true, true), Some(SkipReason::Refused)),
        (|person| person.open_id = "oSIM0001-patient-of-nobody01".to_owned(), None),
    ]
    .into_iter()
    .enumerate()
    {
        world.person(change);
        let booking = world.book().await;
        world.after(0).await;
        let calls = u64::try_from(number).expect("a number") + 1;
        assert_eq!(world.sends(), calls);
        let row = world.row_of(booking);
        match why {
            Some(why) => skipped(&row, why),
            None => failed(&row, (FailReason::Refused, Some(40_003), 1), None),
        }
        world.after(10 * MINUTE).await;
        assert_eq!((world.sends(), world.jobs()), (calls, 0));
        // Out of the way of the next one, and without a message.
        world.cancel_silently(booking).await;
    }
}

impl World {
    fn row_of(&self, booking: BookingId) -> NotificationRecord {
        let rows = self.rows();
        let found = rows.into_iter().rfind(|(_, row)| row.booking() == Some(booking));
        found.expect("a row").1
    }

    /// Cancels, and forgets that anybody was to be told.
    async fn cancel_silently(&self, booking: BookingId) {
        self.cancel(SCHEDULE, booking).await;
        let mut commit = Commit::new();
        for (id, row) in self.rows().into_iter().filter(|(id, _)| id.kind == NotificationKind::Cancelled) {
            let delivery = Delivery::Skipped { at: self.clock.now(), why: SkipReason::TooLate };
            save_notification(&mut commit, store::tenant(), &id, &NotificationRecord { delivery, ..row });
        }
        self.storage.commit(commit).await.expect("written");
    }
}

/// Seen to fail when the second attempt had another `client_msg_id`, and when a message without an answer counted as
/// sent.
#[actix_web::test]
async fn what_nobody_answered_is_sent_again_and_arrives_once() {
    for script in [Script::DoneThenReset, Script::DoneThenHang, Script::Reset, Script::errcode(-1)] {
        let world = World::with(USUAL).await;
        let done = u64::from(matches!(script, Script::DoneThenReset | Script::DoneThenHang));
        world.wechat.script(Endpoint::TemplateSend, script.clone());
        world.book().await;
        world.after(0).await;
        assert_eq!(world.wechat.sent().len() as u64, done, "{script:?}");
        let row = world.row(NotificationKind::Booked);
        let next_at = world.clock.now().plus(Duration::from_secs(MINUTE));
        assert_eq!(row.delivery, Delivery::Waiting { attempts: 1, next_at }, "{script:?}");
        world.wechat.release_hanging();
        let world = world.restarted().await;
        world.after(MINUTE - 1).await;
        assert_eq!(world.sends(), 1, "{script:?}");
        world.after(1).await;
        assert_eq!((world.sends(), world.wechat.sent().len()), (2, 1), "{script:?}");
        sent_by_wechat(&world.row(NotificationKind::Booked));
        assert_eq!(world.jobs(), 0);
    }
}

/// A crash between sending and writing: the row still waits.
#[actix_web::test]
async fn what_was_sent_and_not_written_is_sent_again_and_arrives_once() {
    let world = World::with(USUAL).await;
    world.book().await;
    let (id, before) = world.rows().remove(0);
    world.after(0).await;
    let mut commit = Commit::new();
    save_notification(&mut commit, store::tenant(), &id, &before);
    world.storage.commit(commit).await.expect("written");
    let world = world.restarted().await;
    world.after(5).await;
    assert_eq!((world.sends(), world.wechat.sent().len()), (2, 1));
    sent_by_wechat(&world.row(NotificationKind::Booked));
    // Two who send at the same time.
    world.book_at(AFTERNOON, 1).await;
    let (one, other) = tokio::join!(outbox::run_due(&world.app), outbox::run_due(&world.app));
    one.and(other).expect("readable");
    assert_eq!((world.wechat.sent().len(), world.jobs()), (2, 0));
}

/// Seen to fail when attempts were not counted, and when a message that was sent again by the staff kept its
/// `client_msg_id`.
#[actix_web::test]
async fn what_cannot_be_sent_is_given_up_and_sent_again_by_the_staff() {
    let world = World::with(USUAL).await;
    world.wechat.script(Endpoint::TemplateSend, Script::DoneThenReset);
    world.book().await;
    world.after(0).await;
    world.wechat.script_always(Endpoint::TemplateSend, Script::Reset);
    for wait in [MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR] {
        world.after(wait - 1).await;
        world.after(1).await;
    }
    assert_eq!((world.sends(), world.jobs()), (5, 1));
    world.after(6 * HOUR).await;
    failed(&world.row(NotificationKind::Booked), (FailReason::Unreachable, None, 6), None);
    world.after(24 * HOUR).await;
    assert_eq!((world.sends(), world.jobs()), (6, 0));

    world.wechat.clear_scripts();
    world.send_again(NotificationKind::Booked).await;
    world.after(60).await;
    let sent = world.wechat.sent();
    assert_eq!(sent.len(), 2);
    assert_ne!(sent[0].client_msg_id, sent[1].client_msg_id);
    sent_by_wechat(&world.row(NotificationKind::Booked));
}

/// 40001 costs one more call; a full quota waits for hours and is no attempt; a missing right waits for the staff.
#[actix_web::test]
async fn what_wechat_says_decides_what_follows() {
    let world = World::with(USUAL).await;
    world.wechat.script(Endpoint::TemplateSend, Script::errcode(40_001));
    world.book().await;
    world.after(0).await;
    assert_eq!((world.sends(), world.wechat.sent().len()), (2, 1));

    world.wechat.script(Endpoint::TemplateSend, Script::errcode(45_009));
    let second = world.book_at(AFTERNOON, 1).await;
    world.after(0).await;
    let next_at = world.clock.now().plus(Duration::from_secs(6 * HOUR));
    assert_eq!(world.row_of(second).delivery, Delivery::Waiting { attempts: 0, next_at });
    world.after(6 * HOUR).await;
    sent_by_wechat(&world.row_of(second));

    world.wechat.script(Endpoint::TemplateSend, Script::errcode(48_001));
    world.cancel(AFTERNOON, second).await;
    world.after(0).await;
    failed(&world.row(NotificationKind::Cancelled), (FailReason::Refused, Some(48_001), 1), None);
    assert_eq!(world.wechat.sent().len(), 2);
}

/// Seen to fail when a place without a value was left out, and when the content was never asked for again.
#[actix_web::test]
async fn a_template_that_does_not_fit_is_named_and_known_anew_once_it_is_changed() {
    let world = World::with(USUAL).await;
    world.booked_template("就诊人:{{name1.DATA}}\n陪护:{{character_string9.DATA}}");
    world.book().await;
    world.after(0).await;
    let fault = "template place character_string9 (陪护) has no value";
    failed(&world.row(NotificationKind::Booked), (FailReason::Unfit, None, 1), Some(fault));
    assert_eq!(world.sends(), 0, "WeChat need not be asked");
    // It is changed at WeChat, and the staff try again.
    world.booked_template("就诊人:{{name1.DATA}}");
    world.send_again(NotificationKind::Booked).await;
    world.after(0).await;
    let row = world.row(NotificationKind::Booked);
    sent_by_wechat(&row);
    assert_eq!((row.fault, world.wechat.sent().len()), (None, 1));

    // What is known is kept, though WeChat's list is away and the server was stopped.
    let listed = world.wechat.calls(Endpoint::Templates);
    let world = world.restarted().await;
    world.wechat.script_always(Endpoint::Templates, Script::Reset);
    let second = world.book_at(AFTERNOON, 1).await;
    world.after(0).await;
    sent_by_wechat(&world.row_of(second));
    assert_eq!(world.wechat.calls(Endpoint::Templates), listed);
    world.wechat.clear_scripts();

    // It is changed again, and WeChat says so with 47003.
    world.booked_template("就诊人:{{name1.DATA}}\n科室:{{thing2.DATA}}");
    world.send_again(NotificationKind::Booked).await;
    world.after(0).await;
    assert_eq!(world.wechat.sent().len(), 3);

    let refusal = "argument invalid! data.thing2.value invalid rid: 6a1b2c3d-12345678-0abcdef1";
    world.wechat.script(Endpoint::TemplateSend, Script::Errcode(47_003, refusal.to_owned()));
    world.cancel(AFTERNOON, second).await;
    world.after(0).await;
    let fault = "template place thing2 cannot hold its value";
    failed(&world.row(NotificationKind::Cancelled), (FailReason::Unfit, Some(47_003), 1), Some(fault));
    world.after(24 * HOUR).await;
    assert_eq!((world.jobs(), world.wechat.sent().len()), (0, 3));

    // A template that is gone.
    world.wechat.change_app(&pay::app_id(), |app| {
        app.templates[1] = Template { template_id: "another".to_owned(), ..app.templates[1].clone() };
    });
    world.send_again(NotificationKind::Cancelled).await;
    world.after(0).await;
    failed(&world.row(NotificationKind::Cancelled), (FailReason::Refused, Some(40_037), 1), None);
    world.send_again(NotificationKind::Cancelled).await;
    world.after(0).await;
    let fault = "the account has no such template";
    failed(&world.row(NotificationKind::Cancelled), (FailReason::Unfit, None, 1), Some(fault));
}

/// Seen to fail when the phone was the file's instead of the account's, and when texts were not counted.
#[actix_web::test]
async fn whom_wechat_does_not_know_gets_a_text_if_the_clinic_wants_it() {
    let world = World::with(Setup { bound: false, notices: false }).await;
    world.book().await;
    world.after(0).await;
    skipped(&world.row(NotificationKind::Booked), SkipReason::NoOpenId);
    assert!(world.wechat.sms().is_empty() && world.wechat.sent().is_empty());

    let world = World::with(Setup { bound: false, notices: true }).await;
    world.wechat.script(Endpoint::Sms, Script::Http(503, String::new()));
    world.book().await;
    world.after(0).await;
    world.after(MINUTE).await;
    let texts = world.wechat.sms();
    let [text] = &texts[..] else { panic!("{texts:?}") };
    assert_eq!((text.phone.clone(), text.template.as_str(), &text.code), (people::phone(1), "booked", &None));
    let param = |name: &str| text.params[name].as_str();
    assert_eq!([param("clinic"), param("patient"), param("department")], ["测试诊所", "患者1", "眼科"]);
    assert_eq!([param("visit_time"), param("location")], [format!("{} 07:03", day(2)).as_str(), "二楼201"]);
    let row = world.row(NotificationKind::Booked);
    assert!(matches!(row.delivery, Delivery::Sent { by: SentBy::Sms, .. }), "{:?}", row.delivery);

    // Ten a day and phone: this one, the one that failed, and eight more.
    for _ in 0..8 {
        world.send_again(NotificationKind::Booked).await;
        world.after(1).await;
    }
    assert_eq!(world.wechat.sms().len(), 9);
    world.send_again(NotificationKind::Booked).await;
    world.after(1).await;
    skipped(&world.row(NotificationKind::Booked), SkipReason::TooManyTexts);
    let world = world.restarted().await;
    world.after(25 * HOUR).await;
    world.send_again(NotificationKind::Booked).await;
    world.after(1).await;
    assert_eq!(world.wechat.sms().len(), 10);
}

/// Seen to fail when a booking that was given up was not looked at.
#[actix_web::test]
async fn nobody_is_told_what_is_of_no_use_any_more() {
    let world = World::with(USUAL).await;
    let booking = world.book().await;
    world.cancel(SCHEDULE, booking).await;
    world.after(0).await;
    skipped(&world.row(NotificationKind::Booked), SkipReason::TooLate);
    sent_by_wechat(&world.row(NotificationKind::Cancelled));
    let late = world.book_at(AFTERNOON, 20).await;
    world.after(3 * 24 * HOUR).await;
    skipped(&world.row_of(late), SkipReason::TooLate);
    assert_eq!(world.wechat.sent().len(), 1);
}

/// Seen to fail when an event that came before its message was stored was forgotten.
#[actix_web::test]
async fn what_became_of_a_message_is_kept_whenever_it_is_told() {
    let world = World::with(Setup { bound: true, notices: true }).await;
    let outcome_of = |row: &NotificationRecord| match row.delivery {
        Delivery::Sent { receipt, by, .. } => (receipt.map(|receipt| receipt.outcome), by),
        other => panic!("{other:?}"),
    };
    let first = world.book().await;
    world.after(0).await;
    let message = sent_by_wechat(&world.row_of(first));
    let tell = async |message, outcome| {
        receipts::take(&world.app, store::tenant(), message, outcome).await.expect("noted");
    };
    for outcome in [ReceiptOutcome::Arrived, ReceiptOutcome::Arrived, ReceiptOutcome::Blocked] {
        tell(message, outcome).await;
    }
    let by_wechat = |msg_id| SentBy::Wechat { msg_id };
    assert_eq!(outcome_of(&world.row_of(first)), (Some(ReceiptOutcome::Arrived), by_wechat(message)));
    assert!(world.wechat.sms().is_empty(), "a repeat changes nothing");

    // Before the message is known to be sent; and of a block the patient is told by text.
    tell(message + 1, ReceiptOutcome::Failed).await;
    let second = world.book_at(AFTERNOON, 1).await;
    world.after(0).await;
    assert_eq!(outcome_of(&world.row_of(second)), (Some(ReceiptOutcome::Failed), by_wechat(message + 1)));
    world.cancel(AFTERNOON, second).await;
    world.after(0).await;
    for _ in 0..2 {
        tell(message + 2, ReceiptOutcome::Blocked).await;
    }
    let row = world.row(NotificationKind::Cancelled);
    assert_eq!(outcome_of(&row), (Some(ReceiptOutcome::Blocked), SentBy::Sms));
    assert_eq!(world.wechat.sms().len(), 1);
}
