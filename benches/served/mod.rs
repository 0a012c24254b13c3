//! A server of this process as the program builds it, and clients that load it, for benches over HTTP.
#![expect(unreachable_pub, reason = "a module of several benches")]

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use actix_web::{App as Routes, HttpServer, web};
use actors::{Clock, ManualClock};
use domain::{DepartmentId, DoctorId, ScheduleId, Timestamp};
use pati_service::http::connections::Connections;
use pati_service::http::{cors, envelope, routes};
use pati_service::server::{self, Prepared};
use pati_service::settings::Settings;
use pati_service::tokens::{Identity, Subject};
use storage::records::{BookedBefore, DepartmentRecord, DoctorRecord, ScheduleRecord};
use storage::{Commit, Storage, keys};

use super::{seeding, wire};

pub mod load;

/// The department whose day is listed, and its doctors; each sees patients in the morning and in the afternoon.
const LISTED_DEPARTMENT: u64 = 102;
const LISTED_DOCTORS: u64 = 30;
/// Slots of each of their schedules.
const LISTED_SLOTS: u16 = 40;

/// A running server.
pub struct Served {
    pub address: SocketAddr,
    pub app: web::Data<pati_service::app::App>,
}

impl Served {
    /// Starts it over a store, on a thread of its own.
    pub fn start(settings: Settings, storage: Storage) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(seeding::morning()));
        let prepared = Prepared::new(&settings, storage, clock, Arc::default()).expect("prepared");
        let (started, running) = mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = web::Data::new(prepared.start());
                let edge = server::edge(&settings, &app).expect("random bytes");
                let served = app.clone();
                let server = HttpServer::new(move || {
                    let noop = web::resource("/noop").route(web::get().to(async || envelope::ok_null()));
                    Routes::new()
                        .app_data(served.clone())
                        .wrap(cors::allow(&[]))
                        .wrap(edge.clone())
                        .service(noop)
                        .configure(routes::all)
                });
                let connections = Connections::new(Duration::from_secs(45));
                let server = server.on_connect(move |stream, data| connections.watch(stream, data));
                let server = server.workers(2).backlog(16_384).max_connections(25_000).disable_signals();
                let server = server.bind("127.0.0.1:0").expect("a free port");
                started.send((server.addrs()[0], app)).expect("awaited");
                server.run().await.expect("serves");
            });
        });
        let (address, app) = running.recv().expect("started");
        Self { address, app }
    }

    /// The token of the `n`th account.
    pub fn token(&self, n: u64) -> String {
        token(&self.app, n)
    }
}

/// A request that books a slot for the first member of the account that has the token.
pub fn submit(token: &str, schedule: u64, slot: u16, user: u64) -> Vec<u8> {
    let body = format!(
        r#"{{"scheduleId":"{}","serialNo":{slot},"memberId":"{}"}}"#,
        seeding::schedule_id(schedule),
        seeding::member_id(user, 0)
    );
    wire::post("/pati_service/book_service/book/submit", &[("token", token)], &body)
}

/// A request for the free slots of a schedule.
pub fn free_slots(schedule: u64) -> Vec<u8> {
    let target = format!(
        "/pati_service/tenant_service/schedule/left_appo?scheduleId={}",
        seeding::schedule_id(schedule)
    );
    wire::get(&target, &[])
}

/// A request for the day of the listed department.
pub fn day_list() -> Vec<u8> {
    let day = seeding::today().saturating_add_days(1);
    let target = format!(
        "/pati_service/tenant_service/schedule_by_date?deptId={LISTED_DEPARTMENT}&date={day}&pageSize={LISTED_DOCTORS}"
    );
    wire::get(&target, &[])
}

/// A department of thirty doctors with a text of usual length about each.
pub fn seed_listed_department(storage: &Storage) {
    const FIRST_DOCTOR: u64 = 900_001;
    let department = DepartmentId::new(LISTED_DEPARTMENT).expect("an id");
    let mut commit = Commit::new();
    let ward = DepartmentRecord {
        name: "中医科".to_owned(),
        avatar: "https://pictures.example.cn/departments/102.png".to_owned(),
        description: "针灸、推拿、内科调理".to_owned(),
        location: "三楼".to_owned(),
        enabled: true,
    };
    commit.put(&keys::department(seeding::tenant(), department), &ward);
    for n in 0..LISTED_DOCTORS {
        let doctor = DoctorId::new(FIRST_DOCTOR + n).expect("an id");
        let record = DoctorRecord {
            name: format!("医生{n}"),
            title: "主任医师".to_owned(),
            avatar: format!("https://pictures.example.cn/doctors/{doctor}.png"),
            description: "从事临床工作二十余年，擅长常见病与疑难病的诊治。".to_owned(),
            expertise: "失眠、颈椎病".to_owned(),
            departments: vec![department],
            enabled: true,
        };
        commit.put(&keys::doctor(seeding::tenant(), doctor), &record);
        for half in [0, 1] {
            let mut schedule = seeding::schedule(half, doctor, LISTED_SLOTS);
            schedule.id = ScheduleId::new(FIRST_DOCTOR + 2 * n + half).expect("an id");
            schedule.department = department;
            let record = ScheduleRecord { schedule, booked_before: BookedBefore::Never };
            commit.put(&keys::schedule(seeding::tenant(), record.schedule.id), &record);
        }
    }
    storage.commit(commit).wait().expect("seeded");
}

fn token(app: &pati_service::app::App, n: u64) -> String {
    let issued_at = seeding::morning();
    let identity = Identity {
        subject: Subject::Patient(seeding::user_id(n)),
        tenant: seeding::tenant(),
        session: seeding::session_id(n),
        issued_at,
        expires_at: Timestamp::from_millis(issued_at.as_millis() + 7 * 86_400_000),
    };
    app.tokens.issue(&identity).expect("issued")
}
