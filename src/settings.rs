//! The settings: defaults, then `config.toml`, then the environment.
//!
//! Every value is checked while it is read, so what the rest of the server sees is right. Secrets are no settings: they
//! lie in `<data>/keys/`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use domain::{
    ClinicZone, DailyVisits, NoShowPolicy, PaymentPolicy, Policy, TenantId, TimeOfDay, UnpaidBooking,
};
use ipnet::IpNet;
use serde::Deserialize;

mod load;
mod values;

pub use load::{ConfigFile, Origin, SettingsError, variables_of_this_process};
pub use values::{
    BadUrl, BaseUrl, BucketName, HttpUrl, NamedZone, OssProvider, PageUrl, Secret, SmsProvider, Unpaid,
    WebOrigin,
};

use values::{between, daily_visits, networks, tenant, time_of_day};

/// How long a hold can be renewed, from its first presubmit.
const HOLD_LIMIT: Duration = Duration::from_secs(15 * 60);

/// How many live holds an account may have.
const MAX_HOLDS_PER_USER: u8 = 3;

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `[server]`
    pub server: Server,
    /// `[storage]`
    pub storage: Storage,
    /// `[backup]`
    pub backup: Backup,
    /// `[clinic]`
    pub clinic: Clinic,
    /// `[auth]`
    pub auth: Auth,
    /// `[booking]`
    pub booking: Booking,
    /// `[sms]`
    pub sms: Sms,
    /// `[wechat]`
    pub wechat: Wechat,
    /// `[h5]`
    pub h5: H5,
    /// `[oss]`
    pub oss: Oss,
    /// `[demo]`
    pub demo: Demo,
}

/// `[server]`: where the server listens and how.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Where patients are served.
    pub bind: SocketAddr,
    /// Where the operator is served: metrics and health.
    pub admin_bind: SocketAddr,
    /// The certificate of `bind` and of who issued it, a PEM file; none: patients are served without TLS.
    #[serde(deserialize_with = "values::optional")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate, a PEM file.
    #[serde(deserialize_with = "values::optional")]
    pub tls_key: Option<PathBuf>,
    /// How the server is reached from outside; empty: it makes no links to itself.
    #[serde(deserialize_with = "values::optional")]
    pub public_url: Option<BaseUrl>,
    /// Threads that serve requests; 0: one per core.
    #[serde(deserialize_with = "between::<_, _, 0, 256>")]
    pub workers: usize,
    /// Connections at a time over all threads; more have to wait until one ends.
    #[serde(deserialize_with = "between::<_, _, 1, 1_000_000>")]
    pub max_connections: usize,
    /// Networks of the reverse proxies whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Whether enveloped failures are answered with HTTP 200.
    pub errors_as_200: bool,
    /// Origins whose web pages may call the API.
    pub cors_origins: Vec<WebOrigin>,
    /// Seconds within which the head of a request, and after it the body, have to arrive.
    #[serde(deserialize_with = "between::<_, _, 1, 300>")]
    pub request_seconds: u16,
    /// Seconds for which a connection may be silent between two requests.
    #[serde(deserialize_with = "between::<_, _, 1, 3_600>")]
    pub keep_alive_seconds: u16,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            bind: (Ipv4Addr::LOCALHOST, 8080).into(),
            admin_bind: (Ipv4Addr::LOCALHOST, 9090).into(),
            tls_cert: None,
            tls_key: None,
            public_url: None,
            workers: 0,
            max_connections: 4096,
            trusted_proxies: Vec::new(),
            errors_as_200: false,
            cors_origins: Vec::new(),
            request_seconds: 15,
            keep_alive_seconds: 30,
        }
    }
}

/// `[storage]`: where the data lies.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    /// The data folder; `--demo` uses the one beside it that ends with `-demo`.
    #[serde(deserialize_with = "values::folder")]
    pub path: PathBuf,
    /// Memory for the pages of the index, in MiB.
    #[serde(deserialize_with = "between::<_, _, 1, 65_536>")]
    pub cache_mb: u64,
    /// Free space in MiB below which nothing is written any more.
    #[serde(deserialize_with = "between::<_, _, 16, 1_048_576>")]
    pub min_free_mb: u64,
}

impl Default for Storage {
    fn default() -> Self {
        Self { path: PathBuf::from("data"), cache_mb: 64, min_free_mb: 256 }
    }
}

/// `[backup]`: the copies that the server makes every night.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backup {
    /// The folder that they are made in; empty: none are.
    #[serde(deserialize_with = "values::optional")]
    pub dir: Option<PathBuf>,
    /// When, by the clinic's clock.
    #[serde(deserialize_with = "time_of_day")]
    pub at: TimeOfDay,
    /// How many are kept.
    #[serde(deserialize_with = "between::<_, _, 1, 3_650>")]
    pub keep: u16,
}

/// 02:30, when nobody books.
const BACKUP_AT: TimeOfDay = match TimeOfDay::from_minutes(150) {
    Ok(time) => time,
    Err(_) => unreachable!(),
};

impl Default for Backup {
    fn default() -> Self {
        Self { dir: None, at: BACKUP_AT, keep: 14 }
    }
}

/// `[clinic]`: which clinic, where.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clinic {
    /// The tenant of requests that name none.
    #[serde(deserialize_with = "tenant")]
    pub default_tenant: TenantId,
    /// The clinic's zone, by its IANA name.
    pub time_zone: NamedZone,
}

impl Default for Clinic {
    fn default() -> Self {
        Self { default_tenant: values::FIRST_TENANT, time_zone: NamedZone::shanghai() }
    }
}

/// `[auth]`: how long a login lasts.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// Minutes until a patient has to log in again.
    #[serde(deserialize_with = "between::<_, _, 1, 525_600>")]
    pub token_ttl_minutes: u32,
    /// Minutes until staff has to log in again.
    #[serde(deserialize_with = "between::<_, _, 1, 525_600>")]
    pub staff_token_ttl_minutes: u32,
    /// Whether an account is opened only for who agrees to the privacy notice.
    pub require_privacy_consent: bool,
}

impl Default for Auth {
    fn default() -> Self {
        Self { token_ttl_minutes: 10_080, staff_token_ttl_minutes: 720, require_privacy_consent: false }
    }
}

impl Auth {
    /// How long a patient's token lasts.
    pub fn token_ttl(&self) -> Duration {
        Duration::from_secs(u64::from(self.token_ttl_minutes) * 60)
    }

    /// How long a token of the staff lasts.
    pub fn staff_token_ttl(&self) -> Duration {
        Duration::from_secs(u64::from(self.staff_token_ttl_minutes) * 60)
    }
}

/// `[booking]`: the rules that the clinic sets.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Booking {
    /// Seconds for which a presubmit holds a slot.
    #[serde(deserialize_with = "between::<_, _, 30, 900>")]
    pub hold_seconds: u16,
    /// Days before its date at which a schedule is released.
    #[serde(deserialize_with = "between::<_, _, 1, 180>")]
    pub horizon_days: u16,
    /// Time of day at which it is released.
    #[serde(deserialize_with = "time_of_day")]
    pub release_time: TimeOfDay,
    /// Minutes before the slot's time from which on a patient can no longer cancel.
    #[serde(deserialize_with = "between::<_, _, 0, 43_200>")]
    pub cancel_before_minutes: u16,
    /// Visits that a patient may have booked on one day.
    #[serde(deserialize_with = "daily_visits")]
    pub max_bookings_per_patient_per_day: DailyVisits,
    /// Visits to come that an account may have booked.
    #[serde(deserialize_with = "between::<_, _, 1, 100>")]
    pub max_active_per_user: u16,
    /// Members that an account may have.
    #[serde(deserialize_with = "between::<_, _, 1, 100>")]
    pub max_members_per_user: u16,
    /// Missed visits that bar a patient; 0: none do.
    #[serde(deserialize_with = "between::<_, _, 0, 100>")]
    pub no_show_limit: u16,
    /// Days for which a missed visit counts.
    #[serde(deserialize_with = "between::<_, _, 1, 3_650>")]
    pub no_show_window_days: u16,
    /// Days for which the patient is barred.
    #[serde(deserialize_with = "between::<_, _, 1, 3_650>")]
    pub no_show_ban_days: u16,
    /// Minutes within which an order has to be paid.
    #[serde(deserialize_with = "between::<_, _, 2, 1_440>")]
    pub pay_minutes: u16,
    /// What becomes of a booking whose order was not paid in time.
    pub unpaid: Unpaid,
    /// When patients are reminded of the next day's visits; `None`: never.
    #[serde(deserialize_with = "values::optional_time_of_day")]
    pub reminder_at: Option<TimeOfDay>,
}

impl Default for Booking {
    fn default() -> Self {
        Self {
            hold_seconds: 300,
            horizon_days: 14,
            release_time: TimeOfDay::MIDNIGHT,
            cancel_before_minutes: 0,
            max_bookings_per_patient_per_day: DailyVisits::Two,
            max_active_per_user: 10,
            max_members_per_user: 10,
            no_show_limit: 3,
            no_show_window_days: 180,
            no_show_ban_days: 30,
            pay_minutes: 15,
            unpaid: Unpaid::Keep,
            reminder_at: Some(values::EVENING),
        }
    }
}

/// `[sms]`: who sends the codes, and how many.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sms {
    /// Who sends.
    pub provider: SmsProvider,
    /// Where `webhook` posts to.
    #[serde(deserialize_with = "values::optional")]
    pub webhook_url: Option<HttpUrl>,
    /// Where `aliyun` answers.
    pub endpoint: BaseUrl,
    /// The id of the access key.
    pub access_key_id: String,
    /// The access key itself: from the environment only, never from the file.
    #[serde(skip)]
    pub access_key_secret: Option<Secret>,
    /// The signature (签名) that stands before each text.
    pub sign_name: String,
    /// The template (模板) of the code for registering; as the others by Aliyun's code, `SMS_…`.
    pub template_register: String,
    /// Of the code for a new password.
    pub template_reset: String,
    /// Of the code by which an account gives up its phone.
    pub template_leave_phone: String,
    /// Of the code by which an account takes another phone.
    pub template_take_phone: String,
    /// For the owner of a phone that has an account already; without a code.
    pub template_already_registered: String,
    /// For the owner of a phone that has no account; without a code.
    pub template_no_account: String,
    /// Whether notices go out as text messages too, to whom WeChat does not reach; if not, only codes do.
    pub notices: bool,
    /// Seconds between two messages to one phone; 0: no limit.
    #[serde(deserialize_with = "between::<_, _, 0, 86_400>")]
    pub per_phone_interval_seconds: u32,
    /// Messages to one phone in 24 hours; 0: no limit.
    #[serde(deserialize_with = "between::<_, _, 0, 1_000>")]
    pub per_phone_per_day: u32,
    /// Messages that one address causes in an hour; 0: no limit.
    #[serde(deserialize_with = "between::<_, _, 0, 10_000>")]
    pub per_ip_per_hour: u32,
    /// Messages that one address causes in 24 hours; 0: no limit.
    #[serde(deserialize_with = "between::<_, _, 0, 10_000>")]
    pub per_ip_per_day: u32,
}

impl Default for Sms {
    fn default() -> Self {
        Self {
            provider: SmsProvider::Console,
            webhook_url: None,
            endpoint: values::ALIYUN_SMS,
            access_key_id: String::new(),
            access_key_secret: None,
            sign_name: String::new(),
            template_register: String::new(),
            template_reset: String::new(),
            template_leave_phone: String::new(),
            template_take_phone: String::new(),
            template_already_registered: String::new(),
            template_no_account: String::new(),
            notices: false,
            per_phone_interval_seconds: 60,
            per_phone_per_day: 10,
            per_ip_per_hour: 20,
            per_ip_per_day: 50,
        }
    }
}

/// `[wechat]`: where WeChat answers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wechat {
    /// The API of the official account.
    pub api_base: BaseUrl,
    /// The page on which a patient lets WeChat tell who it is.
    pub oauth_base: BaseUrl,
    /// WeChat Pay.
    pub pay_base: BaseUrl,
}

impl Default for Wechat {
    fn default() -> Self {
        Self { api_base: values::WECHAT_API, oauth_base: values::WECHAT_OAUTH, pay_base: values::WECHAT_PAY }
    }
}

/// `[h5]`: where the pages of the clinic's app are; `{tenant}` stands for the clinic's id.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct H5 {
    /// Where patients book (预约挂号).
    #[serde(deserialize_with = "values::optional")]
    pub book_url: Option<PageUrl>,
    /// The personal centre (个人中心).
    #[serde(deserialize_with = "values::optional")]
    pub personal_center_url: Option<PageUrl>,
    /// Where patients ask (聊天).
    #[serde(deserialize_with = "values::optional")]
    pub chat_url: Option<PageUrl>,
}

/// `[oss]`: where pictures are kept.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Oss {
    /// Who keeps them.
    pub provider: OssProvider,
    /// Where the provider answers, without the bucket.
    #[serde(deserialize_with = "values::optional")]
    pub endpoint: Option<BaseUrl>,
    /// The bucket.
    #[serde(deserialize_with = "values::optional")]
    pub bucket: Option<BucketName>,
    /// The id of the access key.
    pub access_key_id: String,
    /// The access key itself: from the environment only, never from the file.
    #[serde(skip)]
    pub access_key_secret: Option<Secret>,
    /// The largest picture, in bytes.
    #[serde(deserialize_with = "between::<_, _, 1, 104_857_600>")]
    pub max_bytes: u64,
}

impl Default for Oss {
    fn default() -> Self {
        Self {
            provider: OssProvider::Local,
            endpoint: None,
            bucket: None,
            access_key_id: String::new(),
            access_key_secret: None,
            max_bytes: 5 * 1024 * 1024,
        }
    }
}

/// `[demo]`: what only `serve --demo` reads.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Demo {
    /// The port of this machine on which the simulated WeChat answers; 0 takes a free one. It is not to be reached from
    /// elsewhere, since it pays without money.
    #[serde(deserialize_with = "between::<_, _, 0, 65_535>")]
    pub simulator_port: u16,
}

impl Default for Demo {
    fn default() -> Self {
        Self { simulator_port: 8090 }
    }
}

impl Settings {
    /// The clinic's zone.
    pub fn zone(&self) -> ClinicZone {
        self.clinic.time_zone.zone()
    }

    /// How the server is reached from outside, without a slash at the end; unless it is set, by whoever is on the
    /// same machine.
    pub fn public_url(&self) -> String {
        let set = self.server.public_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
        let scheme = if self.server.tls_cert.is_some() { "https" } else { "http" };
        set.unwrap_or_else(|| format!("{scheme}://{}", self.server.bind))
    }

    /// The rules of payment as the core wants them.
    pub fn payment_policy(&self) -> PaymentPolicy {
        let unpaid = match self.booking.unpaid {
            Unpaid::Keep => UnpaidBooking::Keep,
            Unpaid::Cancel => UnpaidBooking::Cancel,
        };
        PaymentPolicy { pay_within: Duration::from_secs(u64::from(self.booking.pay_minutes) * 60), unpaid }
    }

    /// The booking rules as the core wants them.
    pub fn policy(&self) -> Policy {
        let booking = &self.booking;
        Policy {
            hold: Duration::from_secs(u64::from(booking.hold_seconds)),
            hold_limit: HOLD_LIMIT,
            max_holds_per_user: MAX_HOLDS_PER_USER,
            horizon_days: booking.horizon_days,
            release_time: booking.release_time,
            cancel_before: Duration::from_secs(u64::from(booking.cancel_before_minutes) * 60),
            visits_per_patient_per_day: booking.max_bookings_per_patient_per_day,
            max_active_per_user: booking.max_active_per_user,
            no_show: NoShowPolicy {
                limit: booking.no_show_limit,
                window_days: booking.no_show_window_days,
                ban_days: booking.no_show_ban_days,
            },
            zone: self.zone(),
        }
    }
}
