//! A clinic for the tests of handlers' parts: a store in a folder of its own, a clock that is set by hand, and an
//! SMS provider that nobody can reach.

use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actors::{Availability, Clock, DirectoryConfig, ManualClock, ScheduleDirectory};
use domain::{ClinicZone, Phone, Policy, TenantId, Timestamp};
use storage::records::CodePurpose;
use storage::{Commit, Existing, OsRandom, Sequences, Storage, StorageOptions, Vault};

use crate::app::{App, Limits};
use crate::http::codes::Codes;
use crate::passwords::PasswordHasher;
use crate::pictures::{AccessKey, Pictures};
use crate::sms::{Sms, VerificationCode};
use crate::tokens::Tokens;

/// When the tests begin: 2027-01-15, in the afternoon.
pub(in crate::http) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// The clinic, and the folder that goes with it.
pub(in crate::http) struct Clinic {
    pub(in crate::http) app: App,
    pub(in crate::http) clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
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
        let App { storage, vault, clock, .. } = &self.app;
        let codes =
            Codes { storage, vault, clock: clock.as_ref(), tenant: tenant(), purpose: CodePurpose::Register };
        let mut commit = Commit::new();
        codes.put(&mut commit, phone, code, clock.now());
        storage.commit(commit).await.expect("stored");
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
    let sequences = Arc::new(Sequences::new());
    let zone = ClinicZone::fixed_hours(8);
    let availability = Arc::new(Availability::new(zone.clone()));
    let policy = Policy::standard(zone);
    let directory = ScheduleDirectory::start(DirectoryConfig {
        storage: storage.clone(),
        sequences: Arc::clone(&sequences),
        clock: Arc::clone(&clock),
        policy: policy.clone(),
        availability: Arc::clone(&availability),
        max_waiting: 1,
        arbiters: 1,
        idle_after: Duration::from_secs(60),
        on_broken: Box::new(|error| panic!("broken: {error}")),
    });
    App {
        default_tenant: tenant(),
        clock,
        storage,
        vault: Arc::new(vault),
        sequences,
        directory,
        availability,
        policy,
        tokens: Tokens::new(&[7; 32]).expect("long enough"),
        passwords: PasswordHasher::new(2, 100),
        // Port 1 (tcpmux) is served by nobody.
        sms: Sms::webhook("http://127.0.0.1:1/").expect("a client"),
        pictures: Pictures::aliyun("https://oss.test", "clinic", AccessKey::new("id", b"secret"), 1024),
        limits: Limits {
            token_ttl: Duration::from_secs(600),
            max_members_per_user: 3,
            sms_interval: Duration::from_secs(60),
            sms_per_phone_per_day: 10,
            sms_per_ip_per_hour: 20,
            sms_per_ip_per_day: 50,
            trusted_proxies: Vec::new(),
        },
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
