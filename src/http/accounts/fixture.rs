//! A clinic for the tests of handlers' parts: a store in a folder of its own, a clock that is set by hand, and an
//! SMS provider that nobody can reach.

use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actors::{Availability, Clock, DayBook, DirectoryConfig, ManualClock, PatientIndex, ScheduleDirectory};
use domain::{
    ClinicZone, PaymentPolicy, Phone, Policy, Role, SessionId, StaffId, TenantId, Timestamp, UserId,
};
use storage::records::{CodePurpose, SessionRecord, StaffSessionRecord, TenantRecord};
use storage::{Commit, CommitError, Existing, OsRandom, Sequences, Storage, StorageOptions, Vault, keys};

use crate::app::{App, Limits};
use crate::http::accounts::registration::Registration;
use crate::http::caller::{Patient, Staff};
use crate::http::codes::Codes;
use crate::http::limits::SlowedAttempts;
use crate::passwords::{Password, PasswordHasher};
use crate::pay::Pay;
use crate::pay::certificates::Certificates;
use crate::pay::client::PayClient;
use crate::pictures::{AccessKey, Pictures};
use crate::settings::{BaseUrl, H5};
use crate::sms::{Sms, VerificationCode};
use crate::tokens::{Subject, Tokens};
use crate::wechat::{Bases, Wechat};

/// The password of every account here.
pub(in crate::http) const PASSWORD: &str = "correct horse";

/// When the tests begin: 2027-01-15, in the afternoon.
pub(in crate::http) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// The clinic, and the folder that goes with it.
pub(in crate::http) struct Clinic {
    pub(in crate::http) app: App,
    pub(in crate::http) clock: Arc<ManualClock>,
    pub(in crate::http) _folder: tempfile::TempDir,
}

impl Clinic {
    /// Must be called inside an actix system.
    pub(in crate::http) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = Storage::open(StorageOptions::new(folder.path(), NOW)).expect("a new store");
        let clock = Arc::new(ManualClock::at(NOW));
        let app = app(folder.path(), storage, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { app, clock, _folder: folder }
    }

    /// Makes a code work for registering, as if it had been sent.
    pub(in crate::http) async fn put_code(&self, phone: &Phone, code: &VerificationCode) {
        self.put_code_for(CodePurpose::Register, phone, code).await;
    }

    /// The first session of an account that need not exist.
    pub(in crate::http) async fn logged_in(&self, user: UserId) -> Patient {
        let patient = Patient { tenant: tenant(), user, session: SessionId::new(1).expect("an id") };
        let key = keys::session(tenant(), user, patient.session);
        let record = SessionRecord { user, created_at: NOW, expires_at: NOW.plus(Duration::from_secs(600)) };
        let mut commit = Commit::new();
        commit.require_absent(&key).put(&key, &record);
        match self.app.storage.commit(commit).await {
            Ok(_) | Err(CommitError::Conflict { .. }) => patient,
            Err(error) => panic!("not stored: {error}"),
        }
    }

    /// Opens an account for a phone, by a code that was never sent.
    pub(in crate::http) async fn registered(&self, number: u8) -> Patient {
        let code = VerificationCode::parse("123456").expect("six digits");
        self.put_code(&phone(number), &code).await;
        let registration =
            Registration { app: &self.app, tenant: tenant(), phone: phone(number), code, notice: None };
        let password = Password::parse(PASSWORD).expect("long enough");
        let answer = registration.complete(password).await.expect("registered");
        let identity = self.app.tokens.verify(&answer.token, self.clock.now()).expect("genuine");
        let Subject::Patient(user) = identity.subject else { panic!("a patient") };
        Patient { tenant: tenant(), user, session: identity.session }
    }

    /// Somebody of the desk, logged in, whose account nobody looks at.
    pub(in crate::http) async fn desk(&self) -> Staff {
        let staff = Staff {
            tenant: tenant(),
            id: StaffId::new(5).expect("an id"),
            session: SessionId::new(1).expect("an id"),
            role: Role::Desk,
        };
        let key = keys::staff_session(tenant(), staff.id, staff.session);
        let expires_at = NOW.plus(Duration::from_secs(600));
        let mut commit = Commit::new();
        commit.put(&key, &StaffSessionRecord { created_at: NOW, expires_at });
        // The background work of the store and of the lists goes through all clinics.
        let clinic =
            TenantRecord { name: "诊所".to_owned(), appo_notice: String::new(), phone: String::new() };
        commit.put(&keys::tenant(tenant()), &clinic);
        self.app.storage.commit(commit).await.expect("stored");
        staff
    }

    /// Makes a code work for any purpose, as if it had been sent.
    pub(in crate::http) async fn put_code_for(
        &self,
        purpose: CodePurpose,
        phone: &Phone,
        code: &VerificationCode,
    ) {
        let mut commit = Commit::new();
        Codes::of(&self.app, tenant(), purpose).put(&mut commit, phone, code, self.clock.now());
        self.app.storage.commit(commit).await.expect("stored");
    }
}

pub(in crate::http) fn tenant() -> TenantId {
    TenantId::new(1).expect("an id")
}

pub(in crate::http) fn phone(number: u8) -> Phone {
    Phone::parse(&format!("138000000{number:02}")).expect("a phone")
}

fn app(folder: &Path, storage: Storage, clock: Arc<dyn Clock>) -> App {
    let random = Arc::new(OsRandom::default());
    let vault = Vault::open(&folder.join("keys"), Existing::CreateIfMissing, random).expect("new keys");
    let vault = Arc::new(vault);
    let sequences = Arc::new(Sequences::new());
    let zone = ClinicZone::fixed_hours(8);
    let availability = Arc::new(Availability::new(zone.clone()));
    let day_book = Arc::new(DayBook::new());
    let policy = Policy::standard(zone);
    let directory = ScheduleDirectory::start(DirectoryConfig {
        storage: storage.clone(),
        vault: Arc::clone(&vault),
        sequences: Arc::clone(&sequences),
        clock: Arc::clone(&clock),
        policy: policy.clone(),
        availability: Arc::clone(&availability),
        day_book: Arc::clone(&day_book),
        max_waiting: 1,
        arbiters: 1,
        idle_after: Duration::from_secs(60),
        on_answer: Arc::new(|_, _| {}),
        on_broken: Box::new(|error| panic!("broken: {error}")),
    });
    let patients = PatientIndex::hydrate(storage.clone(), Arc::clone(&vault)).expect("a new store");
    // Nobody can reach it either.
    let nowhere = BaseUrl::parse("http://127.0.0.1:1").expect("a base");
    let bases = Bases { api: &nowhere, oauth: &nowhere };
    let wechat = Wechat::new(bases, storage.clone(), Arc::clone(&vault), Arc::clone(&clock), Arc::default())
        .expect("a client");
    App {
        default_tenant: tenant(),
        clock,
        storage,
        vault,
        sequences,
        directory,
        availability,
        patients: Arc::new(patients),
        day_book,
        policy,
        tokens: Tokens::new(&[7; 32]).expect("long enough"),
        passwords: PasswordHasher::new(2, 100),
        // Port 1 (tcpmux) is served by nobody.
        pay: Pay {
            client: PayClient::new("http://127.0.0.1:9", Arc::default(), Certificates::not_kept())
                .expect("a client"),
            policy: PaymentPolicy::STANDARD,
        },
        sms: Sms::webhook("http://127.0.0.1:1/").expect("a client"),
        slowed: SlowedAttempts::at_most(1),
        pictures: Pictures::aliyun("https://oss.test", "clinic", AccessKey::new("id", b"secret"), 1024),
        wechat,
        h5: H5::default(),
        limits: Limits {
            token_ttl: Duration::from_secs(600),
            staff_token_ttl: Duration::from_secs(300),
            requires_privacy_consent: false,
            max_members_per_user: 3,
            sms_interval: Duration::from_secs(60),
            sms_per_phone_per_day: 10,
            sms_per_ip_per_hour: 20,
            sms_per_ip_per_day: 50,
            trusted_proxies: Vec::new(),
        },
        metrics: Arc::default(),
        public_url: "http://clinic.test".to_owned(),
        draining: Arc::default(),
    }
}

/// Runs all of them side by side; their values in order.
pub(in crate::http) async fn all_at_once<T>(work: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = work.map(Box::pin).collect();
    let mut values: Vec<_> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (work, value) in running.iter_mut().zip(&mut values).filter(|(_, value)| value.is_none()) {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                *value = Some(done);
            }
        }
        if values.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    values.into_iter().flatten().collect()
}
