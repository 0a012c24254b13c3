//! Where settings come from, and how a refusal names the place.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::{Table, Value};

use super::{BaseUrl, OssProvider, Secret, Settings, SmsProvider};

const PREFIX: &str = "PATI_";

/// Which file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigFile {
    /// `config.toml` in the current folder, if there is one.
    Usual,
    /// The one that the command line names; it must be there.
    Given(PathBuf),
}

impl ConfigFile {
    fn path(&self) -> &Path {
        match self {
            Self::Usual => Path::new("config.toml"),
            Self::Given(path) => path,
        }
    }
}

/// Where a refused value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In this file.
    File(PathBuf),
    /// In this environment variable.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// Why the settings are refused.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {cause}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// The file is not TOML.
    #[error("{}: is not TOML: {reason}", file.display())]
    NotToml {
        /// The file.
        file: PathBuf,
        /// What is wrong, with line and column.
        reason: String,
    },
    /// A key is unknown, or its value is not what it may be.
    #[error("{origin}: {key}: {reason}")]
    Refused {
        /// Where it stands.
        origin: Origin,
        /// The key with its section, such as `booking.hold_seconds`.
        key: String,
        /// What it has to be.
        reason: String,
    },
}

/// The environment of this process, as far as it concerns the settings. What is not Unicode is read with replacement
/// characters, and refused by whoever reads the value.
pub fn variables_of_this_process() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.to_string_lossy().into_owned();
        let value = value.to_string_lossy().into_owned();
        name.starts_with(PREFIX).then_some((name, value))
    })
}

impl Settings {
    /// Reads the file, lays the environment variables over it, and checks everything.
    ///
    /// # Errors
    /// Name the file or the variable, the key, and what it has to be.
    pub fn load(
        config: &ConfigFile,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let mut sources = Sources::read(config)?;
        for (name, text) in variables {
            if name.starts_with(PREFIX) {
                sources.lay_over(name, &text)?;
            }
        }
        sources.into_settings()
    }
}

/// The settings of the file and of the environment, not yet checked.
struct Sources {
    file: PathBuf,
    table: Table,
    /// The variables that set something, by key.
    variables: HashMap<String, String>,
    /// Secrets that no file may hold.
    oss_secret: Option<Secret>,
    sms_secret: Option<Secret>,
}

impl Sources {
    fn read(config: &ConfigFile) -> Result<Self, SettingsError> {
        let file = config.path().to_path_buf();
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(cause) if is_optional_and_absent(config, &cause) => String::new(),
            Err(cause) => return Err(SettingsError::Unreadable { file, cause }),
        };
        let table = text.parse().map_err(|cause: toml::de::Error| {
            let reason = cause.to_string().trim_end().to_owned();
            let file = file.clone();
            SettingsError::NotToml { file, reason }
        })?;
        Ok(Self { file, table, variables: HashMap::new(), oss_secret: None, sms_secret: None })
    }

    /// `PATI_BOOKING__HOLD_SECONDS` sets `booking.hold_seconds`.
    fn lay_over(&mut self, name: String, text: &str) -> Result<(), SettingsError> {
        let lower = name[PREFIX.len()..].to_ascii_lowercase();
        let Some((section, key)) = lower.split_once("__") else {
            return Err(SettingsError::Refused {
                origin: Origin::Variable(name),
                key: lower,
                reason: "must be named PATI_<SECTION>__<KEY>".to_owned(),
            });
        };
        let secret = match (section, key) {
            ("oss", "access_key_secret") => Some(&mut self.oss_secret),
            ("sms", "access_key_secret") => Some(&mut self.sms_secret),
            _ => None,
        };
        if let Some(secret) = secret {
            // Empty, as a file of variables may leave it: none.
            *secret = (!text.is_empty()).then(|| Secret::new(text.to_owned()));
            return Ok(());
        }
        let entry = self.table.entry(section).or_insert_with(|| Table::new().into());
        let Value::Table(entries) = entry else {
            return Err(SettingsError::Refused {
                origin: Origin::File(self.file.clone()),
                key: section.to_owned(),
                reason: "must be a section".to_owned(),
            });
        };
        entries.insert(key.to_owned(), value_of(text));
        self.variables.insert(format!("{section}.{key}"), name);
        Ok(())
    }

    fn into_settings(self) -> Result<Settings, SettingsError> {
        let table = Value::Table(self.table.clone());
        let mut settings: Settings = serde_path_to_error::deserialize(table).map_err(|error| {
            let key = error.path().to_string();
            let reason = error.into_inner().message().trim().to_owned();
            self.refused(&key, reason)
        })?;
        settings.oss.access_key_secret = self.oss_secret.clone();
        settings.sms.access_key_secret = self.sms_secret.clone();
        self.check_together(&settings)?;
        Ok(settings)
    }

    /// What depends on more than one key.
    fn check_together(&self, settings: &Settings) -> Result<(), SettingsError> {
        match settings.sms.provider {
            SmsProvider::Console => {}
            SmsProvider::Webhook if settings.sms.webhook_url.is_some() => {}
            SmsProvider::Webhook => {
                let reason = "must be given when sms.provider is \"webhook\"".to_owned();
                return Err(self.refused("sms.webhook_url", reason));
            }
            SmsProvider::Aliyun => self.check_aliyun_sms(settings)?,
        }
        self.check_oss(settings)?;
        let server = &settings.server;
        let tls = [("server.tls_cert", &server.tls_cert), ("server.tls_key", &server.tls_key)];
        let missing = tls.iter().find(|(_, file)| file.is_none()).map(|(key, _)| *key);
        if let (Some(key), true) = (missing, tls.iter().any(|(_, file)| file.is_some())) {
            let reason = "must be given with the other of server.tls_cert and server.tls_key".to_owned();
            return Err(self.refused(key, reason));
        }
        if server.bind == server.admin_bind && server.bind.port() != 0 {
            let reason = "must differ from server.bind".to_owned();
            return Err(self.refused("server.admin_bind", reason));
        }
        Ok(())
    }

    /// What Aliyun needs for texts. The secret may lie in the data folder, so it is looked for at start.
    fn check_aliyun_sms(&self, settings: &Settings) -> Result<(), SettingsError> {
        let sms = &settings.sms;
        let needed = [
            ("sms.access_key_id", &sms.access_key_id),
            ("sms.sign_name", &sms.sign_name),
            ("sms.template_register", &sms.template_register),
            ("sms.template_reset", &sms.template_reset),
            ("sms.template_leave_phone", &sms.template_leave_phone),
            ("sms.template_take_phone", &sms.template_take_phone),
            ("sms.template_already_registered", &sms.template_already_registered),
            ("sms.template_no_account", &sms.template_no_account),
        ];
        if let Some((key, _)) = needed.into_iter().find(|(_, value)| value.is_empty()) {
            return Err(self.refused(key, "must be given when sms.provider is \"aliyun\"".to_owned()));
        }
        // It goes into a header as it is.
        if !sms.access_key_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(self.refused("sms.access_key_id", "must be letters and digits".to_owned()));
        }
        if has_path(&sms.endpoint) {
            return Err(self.refused("sms.endpoint", "must not contain a path".to_owned()));
        }
        Ok(())
    }

    /// What Aliyun needs. The secret may lie in the data folder, so it is looked for at start.
    fn check_oss(&self, settings: &Settings) -> Result<(), SettingsError> {
        let oss = &settings.oss;
        if oss.provider == OssProvider::Local {
            return Ok(());
        }
        let given = [
            ("oss.endpoint", oss.endpoint.is_some()),
            ("oss.bucket", oss.bucket.is_some()),
            ("oss.access_key_id", !oss.access_key_id.is_empty()),
        ];
        if let Some((key, _)) = given.into_iter().find(|(_, is_given)| !is_given) {
            return Err(self.refused(key, "must be given when oss.provider is \"aliyun\"".to_owned()));
        }
        if oss.endpoint.as_ref().is_some_and(has_path) {
            let reason = "must not contain a path: the bucket is put in front of the host".to_owned();
            return Err(self.refused("oss.endpoint", reason));
        }
        Ok(())
    }

    fn refused(&self, key: &str, reason: String) -> SettingsError {
        // A refused section is the fault of whoever named it first.
        let names = |set: &str| set == key || set.split('.').next() == Some(key);
        let variable = self.variables.iter().find(|(set, _)| names(set));
        let origin = match variable {
            Some((_, name)) => Origin::Variable(name.clone()),
            None => Origin::File(self.file.clone()),
        };
        SettingsError::Refused { origin, key: key.to_owned(), reason }
    }
}

fn has_path(url: &BaseUrl) -> bool {
    url.as_str().splitn(4, '/').nth(3).is_some()
}

fn is_optional_and_absent(config: &ConfigFile, cause: &io::Error) -> bool {
    *config == ConfigFile::Usual && cause.kind() == io::ErrorKind::NotFound
}

/// The text of a variable as TOML (`8`, `true`, `["10.0.0.0/8"]`, `"8"`), else as it stands. A time of day is TOML as
/// well, but no setting has that type.
fn value_of(text: &str) -> Value {
    match text.parse::<Value>() {
        Ok(Value::Datetime(_)) | Err(_) => Value::String(text.to_owned()),
        Ok(value) => value,
    }
}
