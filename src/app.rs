//! What every handler is given: the parts of the running server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use actors::{Availability, Channels, Clock, DayBook, PatientIndex, ScheduleDirectory};
use domain::{Phone, Policy, TenantId, Timestamp};
use storage::{Sequences, Storage, Vault};

use crate::http::limits::SlowedAttempts;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::passwords::PasswordHasher;
use crate::pay::Pay;
use crate::pictures::Pictures;
use crate::settings::H5;
use crate::sms::{Notice, Sms, SmsError, Template};
use crate::tokens::Tokens;
use crate::wechat::Wechat;

/// A request that waits longer than this for its turn is not looked at any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// The parts of the running server. One for all workers.
pub struct App {
    /// The clinic that is meant when a request names none.
    pub default_tenant: TenantId,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where everything is kept.
    pub storage: Storage,
    /// The keys of what is sealed.
    pub vault: Arc<Vault>,
    /// Numbers for new accounts, members and bookings.
    pub sequences: Arc<Sequences>,
    /// The way to every schedule's actor.
    pub directory: ScheduleDirectory,
    /// What the lists show.
    pub availability: Arc<Availability>,
    /// The patients, found by name and phone, and their groups and labels.
    pub patients: Arc<PatientIndex>,
    /// Which bookings there are of a day.
    pub day_book: Arc<DayBook>,
    /// Which clinics have a way to tell their patients of their bookings.
    pub channels: Arc<Channels>,
    /// The booking rules.
    pub policy: Policy,
    /// Issues and verifies tokens.
    pub tokens: Tokens,
    /// Hashes passwords, a few at a time.
    pub passwords: PasswordHasher,
    /// Being paid through WeChat.
    pub pay: Pay,
    /// Sends texts.
    pub sms: Sms,
    /// The attempts at passwords that are made to wait.
    pub slowed: SlowedAttempts,
    /// Where pictures are kept.
    pub pictures: Pictures,
    /// What is known of notifications on their way.
    pub outbox: Outbox,
    /// The clinics' service accounts at WeChat.
    pub wechat: Wechat,
    /// Where the pages of the clinic's app are.
    pub h5: H5,
    /// What the settings say about accounts and members.
    pub limits: Limits,
    /// What monitors are told.
    pub metrics: Arc<Metrics>,
    /// How the server is reached from outside, without a slash at the end.
    pub public_url: String,
    /// Whether the server is about to stop.
    pub draining: Arc<Draining>,
}

/// Whether the server is about to stop: it finishes what it has begun, and every reply asks its client
/// to connect anew.
#[derive(Debug, Default)]
pub struct Draining {
    has_begun: AtomicBool,
    taken: AtomicU64,
    finished: AtomicU64,
}

impl Draining {
    /// From now on.
    pub fn begin(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// Counts a request from here on until the guard is dropped.
    pub fn take(self: &Arc<Self>) -> UnderWay {
        self.taken.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// How many requests were taken and how many of them are finished, since the start.
    pub fn requests(&self) -> (u64, u64) {
        (self.taken.load(Ordering::Relaxed), self.finished.load(Ordering::Relaxed))
    }
}

/// A request that was taken and is not finished yet.
#[derive(Debug)]
pub struct UnderWay(Arc<Draining>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.finished.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the settings say about accounts and members.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a login of a patient lasts.
    pub token_ttl: Duration,
    /// How long a login of the staff lasts.
    pub staff_token_ttl: Duration,
    /// Whether registering takes the consent to the privacy notice.
    pub requires_privacy_consent: bool,
    /// Members (就诊人) an account may have.
    pub max_members_per_user: usize,
    /// Between two codes to the same phone; zero for no limit.
    pub sms_interval: Duration,
    /// Whether notices go out as text messages where WeChat reaches nobody.
    pub sms_notices: bool,
    /// Codes to one phone within 24 hours; 0 for no limit.
    pub sms_per_phone_per_day: u32,
    /// Codes asked for from one address within an hour; 0 for no limit.
    pub sms_per_ip_per_hour: u32,
    /// Codes asked for from one address within 24 hours; 0 for no limit.
    pub sms_per_ip_per_day: u32,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
}

impl App {
    /// Sends a text message, and counts it.
    ///
    /// # Errors
    /// Whatever the provider reports.
    pub async fn send_text(
        &self,
        tenant: TenantId,
        phone: &Phone,
        template: Template<'_>,
    ) -> Result<(), SmsError> {
        let sent = self.sms.send(tenant, phone, template).await;
        self.metrics.sms(template.name(), sent.map_or_else(SmsError::name, |()| "sent"));
        sent
    }

    /// Sends a notice as a text message, and counts it.
    ///
    /// # Errors
    /// Whatever the provider reports.
    pub async fn send_notice(
        &self,
        tenant: TenantId,
        phone: &Phone,
        notice: Notice<'_>,
    ) -> Result<(), SmsError> {
        let sent = self.sms.send_notice(tenant, phone, notice).await;
        self.metrics.sms(notice.template, sent.map_or_else(SmsError::name, |()| "sent"));
        sent
    }

    /// Where a stored picture is shown.
    pub fn picture_url(&self, key: &str) -> String {
        self.pictures.url_of(key)
    }

    /// The moment after which a request that arrives now need not be looked at any more.
    pub fn deadline(&self) -> Timestamp {
        self.clock.now().plus(PATIENCE)
    }
}
