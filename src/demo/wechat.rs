//! The demo's WeChat: a simulator in this process, and the demo clinic's account with it.
//!
//! The server reaches it as it reaches the real one, by its settings and by what the clinic has entered, which is written
//! once as data of the demo folder. The simulator's side of it, its keys and secrets and what was ordered there, lies among
//! the keys of that folder, so that both fit after a restart. Should orders be forgotten, they end as any order does that
//! WeChat does not know.
//!
//! Nothing but `serve --demo` leads here: whoever reaches the simulator pays without money.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::hmac;
use domain::TenantId;
use simulator::{
    App, Callback, CallbackMode, MenuEntry, Merchant, MerchantFiles, Options, Simulator, SmsMessage,
    StartError, Template, Texts,
};
use storage::records::{
    PayConfRecord, PayIdentity, PaySecrets, WechatAccount, WechatCallback, WechatConfRecord, WechatSecrets,
};
use storage::{
    Commit, CommitError, NoRandomness, OsRandom, Random, ReadError, SealError, SecretKey, Storage,
    UnlockError, Vault, VaultError, Version, keys,
};
use thiserror::Error;

use crate::pay::merchant::Merchant as PaidMerchant;
use crate::pay::signing::SigningError;
use crate::settings::{BadUrl, BaseUrl, HttpUrl, OssProvider, PageUrl, Settings, SmsProvider};

/// The secret that the simulator's own are made of, among the keys of the demo folder.
const SECRET: &str = "simulator";

/// 网页授权域名. WeChat knows domains without ports.
const DOMAIN: &str = "127.0.0.1";

/// Why the demo has no WeChat.
#[derive(Debug, Error)]
pub enum DemoWechatError {
    /// Something else listens on its port.
    #[error(
        "demo.simulator_port = {port}: {source}; the demo's WeChat needs a port of its own: set \
         PATI_DEMO__SIMULATOR_PORT, or demo.simulator_port in config.toml, to a free one"
    )]
    Port {
        /// The port of the settings.
        port: u16,
        /// What the operating system said.
        source: io::Error,
    },
    /// The simulator does not start.
    #[error("the demo's WeChat does not start: {0}")]
    Start(StartError),
    /// The demo folder's keys do not fit its data.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// The simulator's secret cannot be kept.
    #[error(transparent)]
    Secret(#[from] VaultError),
    /// The operating system gives no random bytes.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// What was entered cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What is entered cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The simulator's keys are none to the server.
    #[error(transparent)]
    Keys(#[from] SigningError),
    /// What is entered cannot be written.
    #[error("the demo's account at WeChat cannot be written: {0}")]
    Commit(#[from] CommitError),
    /// The simulator's own addresses are none.
    #[error("an address of the demo's WeChat: {0}")]
    Address(#[from] BadUrl),
}

/// The running simulator; dropping it stops it.
#[derive(Debug)]
pub struct DemoWechat {
    simulator: Simulator,
    /// How the server is told to WeChat.
    public_url: String,
}

impl DemoWechat {
    /// Starts it, makes the settings lead to it, and enters the clinic's account where none is. Blocks the thread.
    ///
    /// What the settings say of WeChat, of texts and of pictures is replaced: they may be those of a real clinic, and
    /// nothing of a demo may reach real patients.
    ///
    /// # Errors
    /// [`DemoWechatError`]
    pub fn start(
        settings: &mut Settings,
        storage: &Storage,
        tenant: TenantId,
    ) -> Result<Self, DemoWechatError> {
        let keys_folder = settings.storage.path.join("keys");
        let vault = Vault::unlock(storage, &keys_folder, Arc::new(OsRandom::default()))?;
        let (app, merchant) = accounts(&vault.secret(SECRET)?);
        let simulator = run(settings.demo.simulator_port, app.clone(), merchant.clone(), &keys_folder)?;
        lead_there(settings, &simulator)?;
        let callback = callback(settings, tenant, &vault.secret(SECRET)?);
        let files = simulator.merchant(&merchant.mch_id);
        enter(storage, &vault, tenant, &app, &callback, files)?;
        simulator.change_app(&app.app_id, |app| {
            app.callback = Some(callback);
            app.menu = menu(settings, tenant);
        });
        tracing::info!(address = %simulator.url(), "the demo's WeChat answers");
        Ok(Self { simulator, public_url: settings.public_url() })
    }

    /// What is sent to the server from now on goes to where it listens, whatever it is called outside.
    pub fn server_listens_on(&self, address: SocketAddr) {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        self.simulator.resolve(&self.public_url, &format!("http://{}", SocketAddr::new(ip, address.port())));
    }

    /// The page that stands for a patient's phone.
    pub fn page(&self) -> String {
        format!("{}/", self.simulator.url())
    }
}

/// The account and the merchant, the same at every start.
fn accounts(secret: &SecretKey) -> (App, Merchant) {
    let app = App {
        secret: invented(secret, "app secret", 32),
        templates: Template::of_a_clinic(),
        ..App::simulated(1)
    };
    let merchant = Merchant { api_v3_key: invented(secret, "api v3 key", 32), ..Merchant::simulated(1) };
    (app, merchant)
}

fn callback(settings: &Settings, tenant: TenantId, secret: &SecretKey) -> Callback {
    Callback {
        url: format!("{}/pati_service/wechat/callback/{tenant}", settings.public_url()),
        token: invented(secret, "callback token", 32),
        mode: CallbackMode::Safe(invented(secret, "callback key", 43)),
    }
}

/// So many letters and digits that nobody else knows, always the same for a purpose.
fn invented(secret: &SecretKey, purpose: &str, length: usize) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let parts = [0, 1].map(|part| hmac::sign(&key, format!("{purpose} {part}").as_bytes()));
    let bytes = parts.iter().flat_map(AsRef::as_ref);
    let mut text: String = bytes.map(|byte| format!("{byte:02x}")).collect();
    text.truncate(length);
    text
}

fn run(port: u16, app: App, merchant: Merchant, keys_folder: &Path) -> Result<Simulator, DemoWechatError> {
    // Its numbers must not come again after a restart: the ledger knows them.
    let mut seed = [0; 8];
    OsRandom::default().fill(&mut seed)?;
    let options = Options {
        port,
        apps: vec![app],
        merchants: vec![merchant],
        seed: u64::from_be_bytes(seed),
        kept_in: Some(keys_folder.to_owned()),
        texts: Some(Texts::new(print)),
        ..Options::default()
    };
    Simulator::start(options).map_err(|error| match error {
        StartError::Listen(source) => DemoWechatError::Port { port, source },
        StartError::Io(_) | StartError::Keys | StartError::Client(_) => DemoWechatError::Start(error),
    })
}

/// Texts are printed, as they are without a provider.
fn print(message: &SmsMessage) {
    let SmsMessage { phone, template, code, .. } = message;
    let code = code.as_ref().map(|code| format!(": code {code}")).unwrap_or_default();
    // Where nobody reads them they are on the phone's page.
    let _ = writeln!(io::stdout().lock(), "SMS to {phone} [{template}]{code}");
}

/// Makes the settings name the simulator, and nobody else.
fn lead_there(settings: &mut Settings, simulator: &Simulator) -> Result<(), DemoWechatError> {
    let base = BaseUrl::parse(&simulator.url())?;
    settings.wechat.api_base = base.clone();
    settings.wechat.oauth_base = base.clone();
    settings.wechat.pay_base = base;
    settings.sms.provider = SmsProvider::Webhook;
    settings.sms.webhook_url = Some(HttpUrl::parse(&simulator.sms_url())?);
    settings.oss.provider = OssProvider::Local;
    if settings.server.public_url.is_none() && settings.server.bind.ip().is_unspecified() {
        let url = format!("http://{}:{}", Ipv4Addr::LOCALHOST, settings.server.bind.port());
        settings.server.public_url = Some(BaseUrl::parse(&url)?);
    }
    let page = |name: &str| PageUrl::parse(&format!("{}/h5/{name}?clinic={{tenant}}", simulator.url()));
    let h5 = &mut settings.h5;
    for (url, name) in
        [(&mut h5.book_url, "book"), (&mut h5.personal_center_url, "me"), (&mut h5.chat_url, "chat")]
    {
        if url.is_none() {
            *url = Some(page(name)?);
        }
    }
    Ok(())
}

fn menu(settings: &Settings, tenant: TenantId) -> Vec<MenuEntry> {
    let h5 = &settings.h5;
    let pages =
        [("预约挂号", &h5.book_url), ("个人中心", &h5.personal_center_url), ("在线咨询", &h5.chat_url)];
    let entries = pages.into_iter().filter_map(|(label, page)| Some((label, page.as_ref()?)));
    entries.map(|(label, page)| MenuEntry { label: label.to_owned(), url: page.of(tenant) }).collect()
}

/// Enters the account and the merchant, as an administrator would; what is entered already stays.
fn enter(
    storage: &Storage,
    vault: &Vault,
    tenant: TenantId,
    app: &App,
    callback: &Callback,
    files: Option<MerchantFiles>,
) -> Result<(), DemoWechatError> {
    let mut commit = Commit::new();
    let mut is_complete = true;
    let key = keys::wechat_conf(tenant);
    if !storage.contains(&key)? {
        let mut record = WechatConfRecord::default().with_secrets(vault, &key, &secrets(app, callback))?;
        let templates = (0..).zip(&app.templates);
        record.templates = templates.map(|(kind, template)| (kind, template.template_id.clone())).collect();
        commit.require_version(&key, Version::ABSENT).put(&key, &record);
        is_complete = false;
    }
    let key = keys::pay_conf(tenant);
    if let (false, Some((identity, secrets))) =
        (storage.contains(&key)?, files.and_then(|files| paid_by(app, files)))
    {
        PaidMerchant::new(tenant, &identity, &secrets)?;
        let record = PayConfRecord::seal(vault, &key, &secrets, identity)?;
        commit.require_version(&key, Version::ABSENT).put(&key, &record);
        is_complete = false;
    }
    if !is_complete {
        storage.commit(commit).wait()?;
    }
    Ok(())
}

fn secrets(app: &App, callback: &Callback) -> WechatSecrets {
    let aes_key = match &callback.mode {
        CallbackMode::Plain => None,
        CallbackMode::Compatible(key) | CallbackMode::Safe(key) => Some(key.clone()),
    };
    WechatSecrets {
        account: Some(WechatAccount {
            app_id: app.app_id.clone(),
            app_secret: app.secret.clone(),
            auth_url: DOMAIN.to_owned(),
        }),
        callback: Some(WechatCallback { token: callback.token.clone(), aes_key }),
    }
}

fn paid_by(app: &App, files: MerchantFiles) -> Option<(PayIdentity, PaySecrets)> {
    let (wechat_key_id, wechat_key) = files.public_key?;
    let identity = PayIdentity {
        app_id: app.app_id.clone(),
        mch_id: files.mch_id,
        serial_no: files.serial_no,
        wechat_key_id,
        wechat_key,
    };
    Some((identity, PaySecrets { private_key: files.private_key_pem, api_v3_key: files.api_v3_key }))
}
