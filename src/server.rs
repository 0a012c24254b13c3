//! Wiring: from settings to a server that runs until it is told to stop.

mod listening;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix::Actor;
use actix_web::web;
use actors::{
    Availability, Channels, Clock, ClockActor, DayBook, DirectoryConfig, Due, IndexError, PatientIndex,
    ScheduleDirectory, SystemClock, TextMessages,
};
use domain::Timestamp;
use storage::{
    CloseError, OpenError, OsRandom, ReadError, Scan, Sequences, Storage, StorageOptions, UnlockError, Vault,
    keys,
};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{App, Draining, Limits};
use crate::demo;
use crate::demo::wechat::{DemoWechat, DemoWechatError};
use crate::http::limits::SlowedAttempts;
use crate::import::ImportError;
use crate::metrics::Metrics;
use crate::nightly::{self, Nightly};
use crate::outbox::{self, Outbox};
use crate::passwords::PasswordHasher;
use crate::pay::certificates::Certificates;
use crate::pay::client::{PayClient, PaySetupError};
use crate::pay::{self, Pay};
use crate::pictures::{AccessKey, Pictures};
use crate::progress::LongWork;
use crate::settings::{OssProvider, Settings, SmsProvider};
use crate::sms::{Sms, SmsSetupError, aliyun};
use crate::tenants::{self, TenantError};
use crate::tokens::{KeyTooShort, Tokens};
use crate::wechat::outgoing::OutgoingSetupError;
use crate::wechat::{Bases, Wechat, WechatError};

pub use listening::edge;
pub use tls::TlsError;

use tls::Certificate;

/// EX_IOERR of sysexits.h: the disk cannot be trusted any more. Whoever supervises the process starts
/// it again, and what is on disk decides.
const EXIT_IO_ERROR: i32 = 74;

/// Between the failure and the end of the process: time for the waiting callers to be told.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Requests that may wait for schedule actors at once.
const MAX_WAITING: usize = 4096;

/// Passwords that may wait to be hashed; each takes some 20 ms of a core.
const MAX_WAITING_PASSWORDS: usize = 64;

/// Attempts at passwords that may be made to wait at once, from addresses with many wrong ones.
const MAX_SLOWED_ATTEMPTS: usize = 64;

/// An actor that nobody has asked for this long gives its memory back.
const IDLE_AFTER: Duration = Duration::from_secs(5 * 60);

/// The secret of Aliyun's access key for texts, among the keys.
const SMS_SECRET_FILE: &str = "sms_access_key_secret";

/// The secret of Aliyun's access key, among the keys.
const OSS_SECRET_FILE: &str = "oss_access_key_secret";

/// Which clinic is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clinic {
    /// The one of the data folder.
    Own,
    /// An invented one, in a data folder of its own.
    Demo,
}

/// Why the server does not start, or did not stop in good order.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The data folder cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The keys do not fit the data.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// The key of the tokens cannot be read.
    #[error(transparent)]
    Secret(#[from] storage::VaultError),
    /// The key of the tokens is no key.
    #[error(transparent)]
    Tokens(#[from] KeyTooShort),
    /// The default clinic cannot be made.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The demo clinic cannot be loaded.
    #[error(transparent)]
    Demo(#[from] ImportError),
    /// The demo has no WeChat.
    #[error(transparent)]
    DemoWechat(#[from] DemoWechatError),
    /// The schedules cannot be read.
    #[error("the schedules cannot be read: {0}; `pati-service verify` tells whether the data is damaged")]
    Read(#[from] ReadError),
    /// The patients cannot be read.
    #[error("the patients cannot be read: {0}; `pati-service verify` tells whether the data is damaged")]
    Patients(#[from] IndexError),
    /// The SMS provider cannot be set up.
    #[error(transparent)]
    Sms(#[from] SmsSetupError),
    /// The way to WeChat Pay cannot be set up.
    #[error(transparent)]
    Pay(#[from] PaySetupError),
    /// The client of WeChat cannot be set up.
    #[error(transparent)]
    Wechat(#[from] OutgoingSetupError),
    /// A clinic's service account cannot be read.
    #[error("a clinic's service account cannot be read: {0}")]
    ServiceAccount(#[from] WechatError),
    /// The SMS provider of the settings cannot be used.
    #[error("the provider of [sms] cannot be used")]
    SmsProvider,
    /// The secret of the SMS provider's access key is not there.
    #[error(
        "sms.provider = \"aliyun\" needs the secret of sms.access_key_id: put it into the environment variable \
         PATI_SMS__ACCESS_KEY_SECRET or into the file {}", .file.display()
    )]
    SmsSecret {
        /// Where it may be.
        file: PathBuf,
    },
    /// The folder of the pictures cannot be used.
    #[error("{}: {source}", .folder.display())]
    Pictures {
        /// The folder.
        folder: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The object store of the settings cannot be used.
    #[error("the provider of [oss] cannot be used")]
    OssProvider,
    /// The secret of the object store's access key is not there.
    #[error(
        "oss.provider = \"aliyun\" needs the secret of oss.access_key_id: put it into the environment variable \
         PATI_OSS__ACCESS_KEY_SECRET or into the file {}", .file.display()
    )]
    OssSecret {
        /// Where it may be.
        file: PathBuf,
    },
    /// The operating system gives no random bytes.
    #[error(transparent)]
    Random(#[from] storage::NoRandomness),
    /// An address cannot be listened on.
    #[error("{setting} = \"{address}\": {source}")]
    Bind {
        /// The setting that names it.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The certificate of the settings cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Signals cannot be received, or the HTTP server failed.
    #[error("the server failed: {0}")]
    Io(#[from] io::Error),
    /// The data folder was not closed in good order.
    #[error(transparent)]
    Close(#[from] CloseError),
}

/// How the data folder of the settings is opened.
pub fn storage_options(settings: &Settings, now: Timestamp, work: &Arc<LongWork>) -> StorageOptions {
    const MIB: u64 = 1024 * 1024;
    StorageOptions {
        cache_bytes: settings.storage.cache_mb * MIB,
        min_free_bytes: settings.storage.min_free_mb * MIB,
        progress: Arc::<LongWork>::clone(work),
        on_fatal: Arc::new(|fatal| stop_the_process(&fatal.to_string())),
        ..StorageOptions::new(&settings.storage.path, now)
    }
}

/// Serves until SIGTERM or SIGINT: then takes nothing new, finishes what it has begun, and closes the
/// data folder.
///
/// # Errors
/// [`ServeError`]; its text is the message for the operator.
pub fn serve(settings: &Settings, clinic: Clinic) -> Result<(), ServeError> {
    let mut settings = settings.clone();
    if clinic == Clinic::Demo {
        settings.storage.path = demo_path(&settings.storage.path);
        // Its own WeChat calls it on this machine, where no certificate is for.
        (settings.server.tls_cert, settings.server.tls_key) = (None, None);
        // Nobody needs copies of an invented clinic.
        settings.backup.dir = None;
    }
    let certificate = Certificate::of(&settings.server)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let work = Arc::new(LongWork::on_stderr());
    let metrics = Arc::new(Metrics::default());
    let options = storage_options(&settings, clock.now(), &work);
    let storage = Storage::open(StorageOptions { observer: Arc::<Metrics>::clone(&metrics), ..options })?;
    work.finish();
    let tenant = settings.clinic.default_tenant;
    tenants::ensure_default(&storage, tenant)?;
    let wechat = match clinic {
        Clinic::Own => None,
        Clinic::Demo => {
            demo::load(&storage, tenant, settings.zone().date_of(clock.now()), &work)?;
            Some(DemoWechat::start(&mut settings, &storage, tenant)?)
        }
    };
    work.finish();
    let prepared = Prepared::new(&settings, storage.clone(), clock, metrics)?;
    actix_web::rt::System::new().block_on(run(&settings, prepared, certificate, wechat.as_ref()))?;
    drop(wechat);
    storage.close()?;
    tracing::info!("stopped");
    Ok(())
}

/// `data` becomes `data-demo`, in the same place.
fn demo_path(own: &Path) -> PathBuf {
    let mut name = own.file_name().unwrap_or_default().to_os_string();
    name.push("-demo");
    own.with_file_name(name)
}

/// What the server needs, as far as it can be made before the threads are started.
pub struct Prepared {
    settings: Settings,
    storage: Storage,
    clock: Arc<dyn Clock>,
    vault: Arc<Vault>,
    tokens: Tokens,
    availability: Arc<Availability>,
    patients: Arc<PatientIndex>,
    day_book: Arc<DayBook>,
    channels: Arc<Channels>,
    pay: Pay,
    sms: Sms,
    metrics: Arc<Metrics>,
    pictures: Pictures,
    wechat: Wechat,
}

impl Prepared {
    /// Unlocks the data, reads the keys and fills the lists. Blocks the thread.
    ///
    /// # Errors
    /// [`ServeError`]
    pub fn new(
        settings: &Settings,
        storage: Storage,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ServeError> {
        let keys = settings.storage.path.join("keys");
        let vault = Arc::new(Vault::unlock(&storage, &keys, Arc::new(OsRandom::default()))?);
        let tokens = Tokens::new(vault.secret("jwt")?.as_bytes())?;
        let availability = Arc::new(Availability::new(settings.zone()));
        let shown = actors::hydrate(&storage, &availability, clock.now())?;
        let patients = Arc::new(PatientIndex::hydrate(storage.clone(), Arc::clone(&vault))?);
        let day_book = Arc::new(DayBook::new());
        let bookings = day_book.fill(&storage)?;
        tracing::info!(schedules = shown, patients = patients.len(), bookings, "filled the lists");
        let sms = sms(settings, &vault, &clock)?;
        let pay = Pay {
            client: PayClient::new(
                settings.wechat.pay_base.as_str(),
                Arc::clone(&metrics),
                Certificates::kept_in(storage.clone()),
            )?,
            policy: settings.payment_policy(),
        };
        let pictures = pictures(settings, &storage, &vault)?;
        let bases = Bases { api: &settings.wechat.api_base, oauth: &settings.wechat.oauth_base };
        let wechat = Wechat::new(
            bases,
            storage.clone(),
            Arc::clone(&vault),
            Arc::clone(&clock),
            Arc::clone(&metrics),
        )?;
        let channels = Arc::new(channels(settings, &storage, &wechat)?);
        let settings = settings.clone();
        Ok(Self {
            settings,
            storage,
            clock,
            vault,
            tokens,
            availability,
            day_book,
            channels,
            patients,
            pay,
            sms,
            metrics,
            pictures,
            wechat,
        })
    }

    /// Starts the threads of the actors. Call it once, inside an actix system.
    pub fn start(self) -> App {
        let policy = self.settings.policy();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let sequences = Arc::new(Sequences::new());
        let metrics = Arc::clone(&self.metrics);
        let directory = ScheduleDirectory::start(DirectoryConfig {
            storage: self.storage.clone(),
            vault: Arc::clone(&self.vault),
            sequences: Arc::clone(&sequences),
            clock: Arc::clone(&self.clock),
            policy: policy.clone(),
            availability: Arc::clone(&self.availability),
            day_book: Arc::clone(&self.day_book),
            channels: Arc::clone(&self.channels),
            max_waiting: MAX_WAITING,
            arbiters: cores.div_ceil(2),
            idle_after: IDLE_AFTER,
            on_answer: Arc::new(move |request, answer| metrics.booking(request, answer)),
            on_broken: Box::new(|error| stop_the_process(&error.to_string())),
        });
        App {
            default_tenant: self.settings.clinic.default_tenant,
            clock: self.clock,
            storage: self.storage,
            vault: self.vault,
            sequences,
            directory,
            availability: self.availability,
            patients: self.patients,
            day_book: self.day_book,
            channels: self.channels,
            policy,
            tokens: self.tokens,
            passwords: PasswordHasher::new(cores, MAX_WAITING_PASSWORDS),
            pay: self.pay,
            sms: self.sms,
            slowed: SlowedAttempts::at_most(MAX_SLOWED_ATTEMPTS),
            pictures: self.pictures,
            outbox: Outbox::default(),
            wechat: self.wechat,
            h5: self.settings.h5.clone(),
            limits: limits(&self.settings),
            metrics: self.metrics,
            public_url: self.settings.public_url(),
            draining: Arc::new(Draining::default()),
        }
    }
}

fn sms(settings: &Settings, vault: &Vault, clock: &Arc<dyn Clock>) -> Result<Sms, ServeError> {
    let sms = &settings.sms;
    match (sms.provider, &sms.webhook_url) {
        (SmsProvider::Console, _) => Ok(Sms::Console),
        (SmsProvider::Webhook, Some(url)) => Ok(Sms::webhook(url.as_str())?),
        // The settings refuse it before it comes to this.
        (SmsProvider::Webhook, None) => Err(ServeError::SmsProvider),
        (SmsProvider::Aliyun, _) => {
            let access_key_secret = match &sms.access_key_secret {
                Some(secret) => secret.as_str().to_owned(),
                None => vault
                    .given_secret(SMS_SECRET_FILE)?
                    .ok_or_else(|| ServeError::SmsSecret { file: vault.folder().join(SMS_SECRET_FILE) })?,
            };
            let account = aliyun::Account {
                endpoint: sms.endpoint.as_str().to_owned(),
                access_key_id: sms.access_key_id.clone(),
                access_key_secret,
                sign_name: sms.sign_name.clone(),
                templates: aliyun::TemplateCodes {
                    register: sms.template_register.clone(),
                    reset: sms.template_reset.clone(),
                    leave_phone: sms.template_leave_phone.clone(),
                    take_phone: sms.template_take_phone.clone(),
                    already_registered: sms.template_already_registered.clone(),
                    no_account: sms.template_no_account.clone(),
                },
            };
            Ok(Sms::aliyun(account, Arc::clone(clock))?)
        }
    }
}

/// Which clinics have a way to tell their patients of their bookings, as it is stored.
fn channels(settings: &Settings, storage: &Storage, wechat: &Wechat) -> Result<Channels, ServeError> {
    let channels = Channels::new(match settings.sms.notices {
        true => TextMessages::WithNotices,
        false => TextMessages::CodesOnly,
    });
    for (key, _) in storage.scan(&keys::tenants(), Scan::ALL)? {
        let Some(tenant) = keys::tenant_id(&key) else { continue };
        match wechat.account(tenant) {
            Ok(_) => channels.connect(tenant),
            Err(WechatError::NotConfigured) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(channels)
}

fn pictures(settings: &Settings, storage: &Storage, vault: &Vault) -> Result<Pictures, ServeError> {
    let oss = &settings.oss;
    match (oss.provider, &oss.endpoint, &oss.bucket) {
        (OssProvider::Local, _, _) => {
            let folder = settings.storage.path.join("files");
            let files = storage.pictures().map_err(|source| ServeError::Pictures { folder, source })?;
            let secret = vault.secret("oss")?;
            Ok(Pictures::local(files, secret.as_bytes(), &settings.public_url(), oss.max_bytes))
        }
        (OssProvider::Aliyun, Some(endpoint), Some(bucket)) => {
            let secret = match &oss.access_key_secret {
                Some(secret) => secret.as_str().to_owned(),
                None => vault
                    .given_secret(OSS_SECRET_FILE)?
                    .ok_or_else(|| ServeError::OssSecret { file: vault.folder().join(OSS_SECRET_FILE) })?,
            };
            let access_key = AccessKey::new(&oss.access_key_id, secret.as_bytes());
            Ok(Pictures::aliyun(endpoint.as_str(), bucket.as_str(), access_key, oss.max_bytes))
        }
        // The settings refuse it before it comes to this.
        (OssProvider::Aliyun, _, _) => Err(ServeError::OssProvider),
    }
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        token_ttl: settings.auth.token_ttl(),
        staff_token_ttl: settings.auth.staff_token_ttl(),
        requires_privacy_consent: settings.auth.require_privacy_consent,
        max_members_per_user: settings.booking.max_members_per_user.into(),
        sms_notices: settings.sms.notices,
        sms_interval: Duration::from_secs(settings.sms.per_phone_interval_seconds.into()),
        sms_per_phone_per_day: settings.sms.per_phone_per_day,
        sms_per_ip_per_hour: settings.sms.per_ip_per_hour,
        sms_per_ip_per_day: settings.sms.per_ip_per_day,
        trusted_proxies: settings.server.trusted_proxies.clone(),
    }
}

async fn run(
    settings: &Settings,
    prepared: Prepared,
    certificate: Option<Arc<Certificate>>,
    demo: Option<&DemoWechat>,
) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let hang_up = signal(SignalKind::hangup())?;
    let app = web::Data::new(prepared.start());
    let edge = edge(settings, &app)?;
    let clock_actor = ClockActor {
        storage: app.storage.clone(),
        directory: app.directory.clone(),
        availability: Arc::clone(&app.availability),
        sequences: Arc::clone(&app.sequences),
        patients: Arc::clone(&app.patients),
        day_book: Arc::clone(&app.day_book),
        channels: Arc::clone(&app.channels),
        remind_at: settings.booking.reminder_at,
        clock: Arc::clone(&app.clock),
        generation: Due::Now,
    };
    clock_actor.start();
    listening::permit_many_files();
    let connections = listening::watched_connections(settings);
    let (public, address) =
        listening::listen_public(settings, &app, &edge, Arc::clone(&connections), certificate.as_ref())?;
    let admin = listening::listen_admin(settings, &app, &edge)?;
    if let (Some(wechat), Some(address)) = (demo, address) {
        wechat.server_listens_on(address);
        demo::announce(&settings.storage.path, address, wechat);
    }
    let handles = [public.handle(), admin.handle()];
    let admin = tokio::task::spawn_local(admin);
    let asking = tokio::task::spawn_local(pay::work::run(app.clone()));
    let sending = tokio::task::spawn_local(outbox::run(app.clone()));
    let nightly =
        Nightly::new(settings).map(|nightly| tokio::task::spawn_local(nightly::run(app.clone(), nightly)));
    let looking = tokio::task::spawn_local(listening::end_late(connections));
    let certifying = tokio::task::spawn_local(tls::keep_current(certificate, hang_up, app.clone()));
    let mut public = std::pin::pin!(public);
    tokio::select! {
        ended = &mut public => return Ok(ended?),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    app.draining.begin();
    for handle in &handles {
        // Nobody new is let in. As with `stop`, what is awaited is only the confirmation.
        drop(handle.pause());
    }
    tokio::select! {
        ended = &mut public => return Ok(ended?),
        () = listening::until_quiet(&app.draining) => {}
    }
    for handle in handles {
        // The reply comes when the last connection has ended; awaiting the server waits for that too.
        drop(handle.stop(true));
    }
    public.await?;
    looking.abort();
    certifying.abort();
    // What they were about is in the store, and is asked and sent again at the next start.
    asking.abort();
    sending.abort();
    if let Some(nightly) = nightly {
        nightly.abort();
    }
    // The administrator's server has nothing to lose.
    admin.abort();
    Ok(())
}

/// Nothing that is on disk can be relied on from here on: tells those who wait, and ends the process
/// without running anything that might write.
fn stop_the_process(why: &str) {
    tracing::error!(why, exit_code = EXIT_IO_ERROR, "the data cannot be trusted, stopping");
    let last_words = std::thread::Builder::new().name("last-words".to_owned()).spawn(|| {
        std::thread::sleep(LAST_WORDS);
        std::process::exit(EXIT_IO_ERROR);
    });
    if last_words.is_err() {
        std::process::exit(EXIT_IO_ERROR);
    }
}
