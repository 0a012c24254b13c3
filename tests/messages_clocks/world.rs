//! A clinic that tells its patients, and how its notifications stand.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web;
use actors::{Booker, Clock as _, ManualClock, Request, Target, Terms, save_notification};
use domain::{
    BookingId, Cancel, CancelBy, Date, Gender, MemberId, PatientId, PersonName, Phone, Reply, ScheduleId,
    SerialNo, StaffId, TenantId, UserId,
};
use pati_service::app::App;
use pati_service::metrics::Metrics;
use pati_service::outbox;
use pati_service::server::Prepared;
use pati_service::settings::{BaseUrl, HttpUrl, PageUrl, Settings, SmsProvider};
use serde_json::json;
use simulator::{Endpoint, Person, Simulator};
use storage::keys::NotificationId;
use storage::records::{
    BookingOwner, Delivery, FailReason, NotificationKind, NotificationRecord, NotificationValues,
    PatientPersonal, PatientRecord, SentBy, SkipReason, TenantRecord,
};
use storage::{Commit, Scan, Storage, StorageOptions, keys};

use super::harness::clinic::{self, Clinic};
use super::harness::folder::Folder;
use super::harness::import::{Half, ImportFile, day};
use super::harness::patients::Patient;
use super::harness::{pay, people, staff, store};

/// The day of all visits: far enough ahead for everything that a test waits for, whatever time it is.
pub fn visit_day() -> jiff::civil::Date {
    day(4)
}

pub const MINUTE: u64 = 60;
pub const HOUR: u64 = 60 * MINUTE;
pub const SCHEDULE: u64 = 3001;
/// Another one, of the other half of the day.
pub const AFTERNOON: u64 = 3002;
pub const PAGE: &str = "https://h5.example.cn/1/me";

/// What a clinic and its patient have.
#[derive(Clone, Copy)]
pub struct Setup {
    /// Whether WeChat knows the patient.
    pub bound: bool,
    /// Whether notices go out as text messages.
    pub notices: bool,
}

pub const USUAL: Setup = Setup { bound: true, notices: false };

/// A clinic with a service account and a patient, whose server has been stopped, and its parts in this process.
pub struct World {
    folder: Folder,
    /// Those before crashes: actors that nobody asks any more have them open.
    past: Vec<Folder>,
    setup: Setup,
    pub wechat: Simulator,
    pub clock: Arc<ManualClock>,
    pub storage: Storage,
    pub app: web::Data<App>,
    member: MemberId,
}

impl World {
    pub async fn with(setup: Setup) -> Self {
        let folder = Folder::new();
        let mut file = ImportFile::default();
        file.doctor(2001).schedule(SCHEDULE, 2001, visit_day(), Half::Am, 9);
        file.doctor(2002).schedule(AFTERNOON, 2001, visit_day(), Half::Pm, 20);
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
        let member = MemberId::parse(&patient.add_member(2).await).expect("an id");
        server.stop();
        // The server had a clock of its own.
        clock.advance(store::now().since(clock.now()));
        let (storage, app) = parts(&folder.store(), &wechat, &clock, setup).await;
        let past = Vec::new();
        Self { folder, past, setup, wechat, clock, storage, app, member }
    }

    /// The same clinic after a crash: its files as they lie on the disk now, and nothing of its memory.
    pub async fn restarted(self) -> Self {
        let Self { folder: before, setup, wechat, clock, member, mut past, .. } = self;
        let folder = Folder::new();
        copy(&before.store(), &folder.store());
        past.push(before);
        let (storage, app) = parts(&folder.store(), &wechat, &clock, setup).await;
        Self { folder, past, setup, wechat, clock, storage, app, member }
    }

    pub async fn ask(&self, schedule: u64, wish: Request) -> Reply {
        let target = Target { tenant: store::tenant(), schedule: ScheduleId::new(schedule).expect("an id") };
        let deadline = self.clock.now().plus(Duration::from_secs(5));
        let terms = Terms { deadline, repeat: None, audit: None, also: None };
        self.app.directory.ask(target, wish, terms).await.expect("done")
    }

    pub async fn book_at(&self, schedule: u64, serial: u16) -> BookingId {
        let booker = Booker::Account { user: user(), member: self.member };
        let serial = SerialNo::new(serial).expect("a number");
        match self.ask(schedule, Request::Submit { booker, serial }).await {
            Reply::Booked(id) => id,
            other => panic!("{other:?}"),
        }
    }

    pub async fn book(&self) -> BookingId {
        self.book_at(SCHEDULE, 4).await
    }

    pub async fn cancel(&self, schedule: u64, booking: BookingId) {
        self.ask(schedule, Request::Cancel(Cancel { booking, by: CancelBy::Patient(user()) })).await;
    }

    /// So much later, everything that is due is sent.
    pub async fn after(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        outbox::run_due(&self.app).await.expect("readable");
    }

    /// All notifications, as they were written.
    pub fn rows(&self) -> Vec<(NotificationId, NotificationRecord)> {
        let rows = self.storage.scan(&keys::notifications(store::tenant()), Scan::ALL).expect("readable");
        rows.into_iter().map(|(key, row)| (keys::notification_id(&key).expect("an id"), row.record)).collect()
    }

    /// The only one of this kind.
    #[track_caller]
    pub fn row(&self, kind: NotificationKind) -> NotificationRecord {
        let mut rows = self.rows();
        rows.retain(|(id, _)| id.kind == kind);
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0).1
    }

    pub fn jobs(&self) -> u64 {
        outbox::waiting(&self.app)
    }

    /// As the staff do it.
    pub async fn send_again(&self, kind: NotificationKind) {
        let (id, row) = self.rows().into_iter().find(|(id, _)| id.kind == kind).expect("a row");
        let delivery = Delivery::Waiting { attempts: 0, next_at: self.clock.now() };
        let row = NotificationRecord { round: row.round + 1, delivery, ..row };
        let mut commit = Commit::new();
        save_notification(&mut commit, store::tenant(), &id, &row);
        self.storage.commit(commit).await.expect("written");
    }

    pub fn person(&self, change: impl FnOnce(&mut Person)) {
        self.wechat.change_app(&pay::app_id(), |app| change(&mut app.people[0]));
    }

    pub fn booked_template(&self, content: &str) {
        self.wechat.change_app(&pay::app_id(), |app| content.clone_into(&mut app.templates[0].content));
    }

    pub fn sends(&self) -> u64 {
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

pub fn user() -> UserId {
    UserId::new(1_000_000_000).expect("an id")
}

pub fn a_staff() -> StaffId {
    StaffId::new(7).expect("an id")
}

/// The parts of a server. Filling the lists blocks, which this thread may not.
async fn parts(
    store: &Path,
    wechat: &Simulator,
    clock: &Arc<ManualClock>,
    setup: Setup,
) -> (Storage, web::Data<App>) {
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
    (storage, web::Data::new(prepared.start()))
}

#[track_caller]
pub fn sent_by_wechat(row: &NotificationRecord) -> u64 {
    match row.delivery {
        Delivery::Sent { by: SentBy::Wechat { msg_id }, .. } => msg_id,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub fn skipped(row: &NotificationRecord, reason: SkipReason) {
    assert!(matches!(row.delivery, Delivery::Skipped { why, .. } if why == reason), "{:?}", row.delivery);
}

#[track_caller]
pub fn failed(row: &NotificationRecord, expected: (FailReason, Option<i64>, u8), fault: Option<&str>) {
    let Delivery::Failed { why, errcode, attempts, .. } = row.delivery else { panic!("{:?}", row.delivery) };
    assert_eq!((why, errcode, attempts), expected);
    assert_eq!(row.fault.as_deref(), fault);
}

impl World {
    pub fn row_of(&self, booking: BookingId) -> NotificationRecord {
        let rows = self.rows();
        let found = rows.into_iter().rfind(|(_, row)| row.booking() == Some(booking));
        found.expect("a row").1
    }

    /// Cancels, and forgets that anybody was to be told.
    pub async fn cancel_silently(&self, booking: BookingId) {
        self.cancel(SCHEDULE, booking).await;
        let mut commit = Commit::new();
        for (id, row) in self.rows().into_iter().filter(|(id, _)| id.kind == NotificationKind::Cancelled) {
            let delivery = Delivery::Skipped { at: self.clock.now(), why: SkipReason::TooLate };
            save_notification(&mut commit, store::tenant(), &id, &NotificationRecord { delivery, ..row });
        }
        self.storage.commit(commit).await.expect("written");
    }
}

impl World {
    /// Another system of the clinic has something told to a patient.
    pub async fn say(&self, tenant: TenantId, (owner, patient): (BookingOwner, PatientId), name: &str) {
        let (kind, now) = (NotificationKind::FollowUp, self.clock.now());
        let id = NotificationId { moment: now, number: 1, kind };
        let key = keys::notification(tenant, &id);
        let said = [("time2", "2027-01-05 09:00"), (name, "复查\n视力")];
        let values = said.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let values = NotificationValues(values);
        let row = NotificationRecord::seal(&self.app.vault, &key, (kind, now), (owner, patient), &values);
        let mut commit = Commit::new();
        save_notification(&mut commit, tenant, &id, &row.expect("sealed"));
        self.storage.commit(commit).await.expect("written");
    }
}

/// A second clinic without a service account, and a patient of its.
pub async fn open_another_clinic(world: &World) -> (TenantId, PatientId) {
    let (tenant, patient) = (TenantId::new(2).expect("an id"), PatientId::new(5).expect("an id"));
    let mut commit = Commit::new();
    let (name, text) = ("二分院".to_owned(), String::new);
    commit.put(&keys::tenant(tenant), &TenantRecord { name, appo_notice: text(), phone: text() });
    let key = keys::patient(tenant, patient);
    let personal = PatientPersonal {
        name: PersonName::parse("患者三").expect("a name"),
        gender: Gender::Female,
        birthday: Date::parse("1980-01-01").expect("a date"),
        certificate: None,
        phone: Phone::parse(&people::phone(3)).expect("a phone"),
    };
    let file = PatientRecord::seal(&world.app.vault, &key, &personal, world.clock.now()).expect("sealed");
    commit.put(&key, &file);
    world.storage.commit(commit).await.expect("written");
    (tenant, patient)
}

/// How often the only notification of the first clinic was tried.
pub fn attempts(world: &World) -> Option<u8> {
    match world.row(NotificationKind::Booked).delivery {
        Delivery::Waiting { attempts, .. } => Some(attempts),
        Delivery::Sent { .. } | Delivery::Skipped { .. } | Delivery::Failed { .. } => None,
    }
}

/// Waits for something that the loop does by itself.
pub async fn until(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
