//! What the server tells a monitor (Prometheus): `/metrics` on the administrator's address.
//!
//! Labels hold routes, statuses and names of this program only, never anything of a patient or from a client.
//! `docs/operations.md` says what each means and when to be alarmed.

mod backups;

use std::fmt;
use std::time::Duration;

use actors::AskError;
use domain::{Reply, Timestamp};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use storage::records::NotificationKind;
use storage::{Observer, Writable};

use crate::app::App;
use crate::http::envelope::SUCCESS;
use crate::http::error::ApiError;
use crate::outbox;
use crate::pay::stuck;

pub use backups::BackupMetrics;

/// Seconds of a request: from what memory answers to what a patient gives up on.
const LATENCIES: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Seconds of an `fdatasync`: from a good NVMe disk to one that is about to fail.
const SYNC_LATENCIES: [f64; 10] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0];
/// Commits that shared a sync; a group has 512 at most.
const GROUP_SIZES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// The route of requests that have none.
pub const NO_ROUTE: &str = "none";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    status: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BookingLabels {
    request: &'static str,
    status: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SmsLabels {
    template: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    endpoint: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabels {
    endpoint: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OrderLabels {
    state: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NoticeLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NotificationLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkLabels {
    work: &'static str,
}

/// What came of a call to WeChat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// It was done.
    Done,
    /// WeChat does not take the token, ticket or code any more.
    Token,
    /// WeChat wants to be asked less often.
    Limit,
    /// WeChat refused for another reason.
    Refused,
    /// WeChat is busy, or a proxy failed.
    Busy,
    /// WeChat was not reached.
    Unreachable,
    /// WeChat did not answer in time.
    NoAnswer,
    /// No call was made, since those before it failed.
    Suspended,
}

impl CallOutcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Done => "ok",
            Self::Token => "token",
            Self::Limit => "limit",
            Self::Refused => "refused",
            Self::Busy => "busy",
            Self::Unreachable => "unreachable",
            Self::NoAnswer => "no_answer",
            Self::Suspended => "suspended",
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Latency;

impl MetricConstructor<Histogram> for Latency {
    fn new_metric(&self) -> Histogram {
        Histogram::new(LATENCIES)
    }
}

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    latencies: Family<RouteLabels, Histogram, Latency>,
    bookings: Family<BookingLabels, Counter>,
    sms: Family<SmsLabels, Counter>,
    wechat_calls: Family<CallLabels, Counter>,
    wechat_latencies: Family<EndpointLabels, Histogram, Latency>,
    orders: Family<OrderLabels, Counter>,
    notices: Family<NoticeLabels, Counter>,
    notifications: Family<NotificationLabels, Counter>,
    group_sizes: Histogram,
    syncs: Histogram,
    certificate_expiry: Gauge,
    levels: Levels,
    backups: BackupMetrics,
}

/// What is looked up when it is asked for.
#[derive(Default)]
struct Levels {
    live_actors: Gauge,
    started_actors: Gauge,
    waiting_notifications: Gauge,
    permits: Gauge,
    waiting_commits: Gauge,
    journal_bytes: Gauge,
    live_bytes: Gauge,
    live_records: Gauge,
    index_bytes: Gauge,
    writable: Gauge,
    resident_bytes: Gauge,
    open_files: Gauge,
    suspended_clinics: Gauge,
    stuck_refunds: Gauge,
    oldest_work: Family<WorkLabels, Gauge>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("pati");
        let requests = Family::default();
        registry.register("http_requests", "Requests by route and status of the envelope", requests.clone());
        let latencies = Family::new_with_constructor(Latency);
        let help = "Time until a reply begins, by route";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, latencies.clone());
        let bookings = Family::default();
        let help = "What schedules were asked for, and how they answered (status of docs/errors.md)";
        registry.register("bookings", help, bookings.clone());
        let sms = Family::default();
        registry.register("sms", "Text messages by outcome", sms.clone());
        let wechat_calls = Family::default();
        let help = "Calls to WeChat and WeChat Pay by outcome";
        registry.register("wechat_calls", help, wechat_calls.clone());
        let wechat_latencies = Family::new_with_constructor(Latency);
        let help = "Time until WeChat has answered, or was given up";
        registry.register_with_unit("wechat_call_duration", help, Unit::Seconds, wechat_latencies.clone());
        let orders = Family::default();
        registry.register("pay_orders", "Orders that came into a state", orders.clone());
        let notices = Family::default();
        registry.register("pay_notices", "Notices of WeChat Pay by outcome", notices.clone());
        let notifications = notifications();
        registry.register("notifications", "Attempts to tell patients, by outcome", notifications.clone());
        let group_sizes = Histogram::new(GROUP_SIZES);
        registry.register("commit_group_size", "Commits that shared one sync", group_sizes.clone());
        let syncs = Histogram::new(SYNC_LATENCIES);
        let help = "Time to append a group to the journal and sync it";
        registry.register_with_unit("journal_sync_duration", help, Unit::Seconds, syncs.clone());
        let certificate_expiry = Gauge::default();
        let help = "When the TLS certificate ends, as seconds since 1970; 0 without TLS";
        let expiry = "tls_certificate_expiry_timestamp_seconds";
        registry.register(expiry, help, certificate_expiry.clone());
        begin_at_zero(&wechat_calls, &wechat_latencies, (&orders, &notices));
        let levels = Levels::default();
        levels.register(&mut registry);
        let backups = BackupMetrics::default();
        backups.register(&mut registry);
        Self {
            registry,
            requests,
            latencies,
            bookings,
            sms,
            notifications,
            wechat_calls,
            wechat_latencies,
            orders,
            notices,
            group_sizes,
            syncs,
            certificate_expiry,
            levels,
            backups,
        }
    }
}

/// What is called at WeChat, as the calls name it.
const ENDPOINTS: [&str; 11] = [
    "token",
    "ticket",
    "oauth",
    "templates",
    "send",
    "pay_order",
    "pay_query",
    "pay_close",
    "pay_refund",
    "pay_refund_query",
    "pay_certificates",
];

const ORDER_STATES: [&str; 10] = [
    "created",
    "prepaid",
    "closing",
    "closed",
    "paid",
    "refund_due",
    "refunding",
    "refunded",
    "failed",
    "difference",
];

/// A counter that comes into being with its first count hides that count from whoever looks for an increase.
fn begin_at_zero(
    calls: &Family<CallLabels, Counter>,
    latencies: &Family<EndpointLabels, Histogram, Latency>,
    (orders, notices): (&Family<OrderLabels, Counter>, &Family<NoticeLabels, Counter>),
) {
    for endpoint in ENDPOINTS {
        drop(calls.get_or_create(&CallLabels { endpoint, outcome: CallOutcome::Done.name() }));
        drop(latencies.get_or_create(&EndpointLabels { endpoint }));
    }
    for state in ORDER_STATES {
        drop(orders.get_or_create(&OrderLabels { state }));
    }
    for kind in ["payment", "refund"] {
        for outcome in ["taken", "unsigned", "untrue", "not_now"] {
            drop(notices.get_or_create(&NoticeLabels { kind, outcome }));
        }
    }
}

/// All counts at zero, so that a monitor sees the first failure as an increase.
fn notifications() -> Family<NotificationLabels, Counter> {
    let counts: Family<NotificationLabels, Counter> = Family::default();
    for kind in NotificationKind::ALL.map(NotificationKind::name) {
        for outcome in ["wechat", "sms", "retried", "skipped", "failed"] {
            drop(counts.get_or_create(&NotificationLabels { kind, outcome }));
        }
    }
    counts
}

impl Levels {
    fn register(&self, registry: &mut Registry) {
        let all = [
            ("schedule_actors", "Schedules whose actor is alive", &self.live_actors),
            ("schedule_actors_started", "Schedule actors started since the start", &self.started_actors),
            ("notifications_waiting", "Notifications that are to be sent", &self.waiting_notifications),
            ("schedule_permits_in_use", "Requests that wait for a schedule; 4096 at most", &self.permits),
            ("commits_waiting", "Commits that wait for the journal", &self.waiting_commits),
            ("journal_bytes", "Bytes of the journal's files", &self.journal_bytes),
            ("live_bytes", "Bytes of all live records", &self.live_bytes),
            ("live_records", "Live records", &self.live_records),
            ("index_bytes", "Bytes of the index on the disk", &self.index_bytes),
            ("writable", "1 when bookings can be written, else 0", &self.writable),
            ("resident_memory_bytes", "Memory of the process", &self.resident_bytes),
            ("open_files", "File handles of the process", &self.open_files),
            (
                "wechat_suspended_clinics",
                "Clinics whose WeChat is not asked for a while",
                &self.suspended_clinics,
            ),
            ("pay_refunds_stuck", "Refunds that staff are to look at", &self.stuck_refunds),
        ];
        for (name, help, gauge) in all {
            registry.register(name, help, gauge.clone());
        }
        let help = "How long the order has waited that has waited longest for this";
        registry.register_with_unit("pay_oldest_work", help, Unit::Seconds, self.oldest_work.clone());
    }

    fn look(&self, app: &App) {
        let set = |gauge: &Gauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        let status = app.storage.status();
        set(&self.live_actors, app.directory.live_actors() as u64);
        set(&self.started_actors, app.directory.started_actors());
        set(&self.waiting_notifications, outbox::waiting(app));
        set(&self.permits, app.directory.waiting() as u64);
        set(&self.waiting_commits, status.waiting as u64);
        set(&self.journal_bytes, status.journal_bytes);
        set(&self.live_bytes, status.live_bytes);
        set(&self.live_records, status.live_records);
        // When the index has failed the process is about to end.
        set(&self.index_bytes, app.storage.index_bytes().unwrap_or_default());
        set(&self.writable, u64::from(status.writable == Writable::Yes));
        set(&self.resident_bytes, resident_bytes());
        set(&self.open_files, open_files());
        let now = app.clock.now();
        set(&self.suspended_clinics, app.wechat.suspended(now) as u64);
        // As above; until then the last numbers stand.
        if let Ok(pending) = stuck::pending(&app.storage, now) {
            set(&self.stuck_refunds, pending.stuck);
            for (work, seconds) in pending.oldest_seconds {
                set(&self.oldest_work.get_or_create(&WorkLabels { work }), seconds);
            }
        }
    }
}

impl Metrics {
    /// Counts a request that was answered: its method, its route's pattern, the status of its envelope.
    pub fn request(&self, method: &'static str, route: &'static str, status: &'static str, took: Duration) {
        self.requests.get_or_create(&RequestLabels { method, route, status }).inc();
        self.latencies.get_or_create(&RouteLabels { method, route }).observe(took.as_secs_f64());
    }

    /// Counts what a schedule answered to a request of this name.
    pub fn booking(&self, request: &'static str, answer: &Result<Reply, AskError>) {
        let status =
            answer.as_ref().map_or_else(|error| ApiError::from(*error).code().row().status, |_| SUCCESS);
        self.bookings.get_or_create(&BookingLabels { request, status }).inc();
    }

    /// Counts a text message: `sent`, or why not.
    pub fn sms(&self, template: &'static str, outcome: &'static str) {
        self.sms.get_or_create(&SmsLabels { template, outcome }).inc();
    }

    /// Notes when the TLS certificate ends.
    pub fn certificate_expires(&self, at: Timestamp) {
        self.certificate_expiry.set(at.as_millis() / 1000);
    }

    /// Counts a call to WeChat by what was called.
    pub fn wechat_call(&self, endpoint: &'static str, outcome: CallOutcome, took: Duration) {
        let outcome_name = outcome.name();
        self.wechat_calls.get_or_create(&CallLabels { endpoint, outcome: outcome_name }).inc();
        if outcome != CallOutcome::Suspended {
            self.wechat_latencies.get_or_create(&EndpointLabels { endpoint }).observe(took.as_secs_f64());
        }
    }

    /// Counts that an order came into a state.
    pub fn order(&self, state: &'static str) {
        self.orders.get_or_create(&OrderLabels { state }).inc();
    }

    /// Counts a notice of WeChat Pay: `taken`, or why not.
    pub fn pay_notice(&self, kind: &'static str, outcome: &'static str) {
        self.notices.get_or_create(&NoticeLabels { kind, outcome }).inc();
    }

    /// Counts an attempt to tell a patient: `wechat` or `sms`, or why it was not told.
    pub fn notification(&self, kind: &'static str, outcome: &'static str) {
        self.notifications.get_or_create(&NotificationLabels { kind, outcome }).inc();
    }

    /// What is told about the nightly backups.
    pub fn backups(&self) -> &BackupMetrics {
        &self.backups
    }

    /// Everything in the text format of OpenMetrics.
    ///
    /// # Errors
    /// When the text cannot be written, which memory does not refuse.
    pub fn render(&self, app: &App) -> Result<String, fmt::Error> {
        self.levels.look(app);
        self.backups.look(app.clock.now());
        let mut rendered = String::with_capacity(16 * 1024);
        text::encode(&mut rendered, &self.registry)?;
        Ok(rendered)
    }
}

impl Observer for Metrics {
    fn group_written(&self, commits: usize, took: Duration) {
        self.group_sizes.observe(commits as f64);
        self.syncs.observe(took.as_secs_f64());
    }
}

/// Pages that the process has in memory, as Linux counts them; 0 elsewhere.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let resident = pages.and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    resident.unwrap_or_default() * rustix::param::page_size() as u64
}

fn open_files() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64)
}
