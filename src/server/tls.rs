//! TLS on the address of patients and staff: a certificate and its key from two PEM files, which are read again when
//! the process gets SIGHUP. Files that cannot be used then change nothing, so that a failed renewal never stops a server.
//!
//! Only HTTP/1.1 is offered (ALPN): the limits on slow clients count connections with one request at a time, and HTTP/2
//! would need its own for each of them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use domain::Timestamp;
use parking_lot::RwLock;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use thiserror::Error;
use tokio::signal::unix::Signal;
use tokio::time::MissedTickBehavior;

use crate::app::App;
use crate::settings;

mod validity;

/// A chain has a few certificates; nothing near this size is one.
const LARGEST_FILE: u64 = 1024 * 1024;

/// A certificate that ends sooner than this is warned about: certbot renews 30 days ahead, so something is wrong then.
const WARN_AHEAD: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Between two looks at the date.
const LOOK: Duration = Duration::from_secs(12 * 60 * 60);

/// Others of the mode of a file, all three bits.
const OTHERS: u32 = 0o007;

const CERTIFICATE: &str = "server.tls_cert";
const KEY: &str = "server.tls_key";

/// Why the files cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{setting} = \"{}\": cannot be read: {source}", .file.display())]
    Unreadable {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{setting} = \"{}\": {reason}", .file.display())]
    Unusable {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Whoever has an account on the machine could pose as the clinic.
    #[error(
        "server.tls_key = \"{}\": everybody on this machine may use it; take that away: chmod o= {}",
        .file.display(), .file.display()
    )]
    Exposed {
        /// The file.
        file: PathBuf,
    },
    /// TLS cannot be set up at all.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The certificate that is shown to clients, and the files it comes from.
pub(super) struct Certificate {
    files: Files,
    shown: RwLock<Shown>,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Clone)]
struct Shown {
    key: Arc<CertifiedKey>,
    expires_at: Timestamp,
}

impl Certificate {
    /// The one of the settings; none if they name none.
    ///
    /// # Errors
    /// [`TlsError`], by the setting and the file.
    pub(super) fn of(server: &settings::Server) -> Result<Option<Arc<Self>>, TlsError> {
        let (Some(certificate), Some(key)) = (&server.tls_cert, &server.tls_key) else { return Ok(None) };
        let files = Files { certificate: certificate.clone(), key: key.clone() };
        let shown = RwLock::new(files.load()?);
        Ok(Some(Arc::new(Self { files, shown })))
    }

    /// How connections are secured with it.
    ///
    /// # Errors
    /// [`TlsError::Setup`]
    pub(super) fn config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Self>::clone(self));
        Ok(config)
    }

    /// Reads the files again; when they cannot be used, the certificate stays what it was.
    fn reload(&self) {
        match self.files.load() {
            Ok(shown) => {
                *self.shown.write() = shown;
                tracing::info!(expires_at = %self.expires_at(), "read the TLS certificate again");
            }
            Err(error) => tracing::error!(%error, "the TLS certificate stays as it was"),
        }
    }

    fn expires_at(&self) -> jiff::Timestamp {
        let millis = self.shown.read().expires_at.as_millis();
        jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX)
    }

    /// Warns when it ends soon, and tells the monitor when that is.
    fn look(&self, app: &App) {
        let expires_at = self.shown.read().expires_at;
        app.metrics.certificate_expires(expires_at);
        let now = app.clock.now();
        if expires_at <= now {
            tracing::error!(expires_at = %self.expires_at(), "the TLS certificate has expired");
        } else if expires_at.since(now) < WARN_AHEAD {
            tracing::warn!(expires_at = %self.expires_at(), "the TLS certificate expires soon");
        }
    }
}

/// Whoever connects is shown the certificate of the moment; older connections keep theirs.
impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.shown.read().key))
    }
}

/// The key does not show.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.files.certificate.display())
    }
}

impl Files {
    fn load(&self) -> Result<Shown, TlsError> {
        let unusable = |setting, file: &Path, reason: String| TlsError::Unusable {
            setting,
            file: file.to_owned(),
            reason,
        };
        let pem = read(CERTIFICATE, &self.certificate, open(CERTIFICATE, &self.certificate)?)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let chain = chain.map_err(|error| unusable(CERTIFICATE, &self.certificate, error.to_string()))?;
        let Some(own) = chain.first() else {
            return Err(unusable(CERTIFICATE, &self.certificate, "holds no certificate (PEM)".to_owned()));
        };
        let expires_at = validity::end(own).ok_or_else(|| {
            unusable(CERTIFICATE, &self.certificate, "its first certificate cannot be read".to_owned())
        })?;
        let key = open(KEY, &self.key)?;
        check_mode(&self.key, &key)?;
        let key = read(KEY, &self.key, key)?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| {
            unusable(KEY, &self.key, "holds no private key (PEM, without a password)".to_owned())
        })?;
        let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
        let key = key.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let reason = format!("is not the key of the certificate in {}", self.certificate.display());
                unusable(KEY, &self.key, reason)
            }
            error => unusable(KEY, &self.key, error.to_string()),
        })?;
        Ok(Shown { key: Arc::new(key), expires_at })
    }
}

fn open(setting: &'static str, file: &Path) -> Result<File, TlsError> {
    File::open(file).map_err(|source| TlsError::Unreadable { setting, file: file.to_owned(), source })
}

fn read(setting: &'static str, file: &Path, opened: File) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let read = opened.take(LARGEST_FILE).read_to_end(&mut bytes);
    read.map_err(|source| TlsError::Unreadable { setting, file: file.to_owned(), source })?;
    Ok(bytes)
}

/// The group may read it, since keys are handed to a server by its group; nobody else may, as with the keys of the data.
fn check_mode(file: &Path, opened: &File) -> Result<(), TlsError> {
    let mode = opened.metadata().map(|metadata| metadata.mode());
    let mode = mode.map_err(|source| TlsError::Unreadable { setting: KEY, file: file.to_owned(), source })?;
    if mode & OTHERS == 0 { Ok(()) } else { Err(TlsError::Exposed { file: file.to_owned() }) }
}

/// Looks at the date twice a day, and reads the files again whenever `hang_up` comes. Without TLS it means nothing, and
/// does not end the process as it would if nobody took it.
pub(super) async fn keep_current(
    certificate: Option<Arc<Certificate>>,
    mut hang_up: Signal,
    app: web::Data<App>,
) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_told = tokio::select! {
            told = hang_up.recv() => told.is_some(),
            _ = looks.tick() => false,
        };
        let Some(certificate) = &certificate else { continue };
        if is_told {
            certificate.reload();
        }
        certificate.look(&app);
    }
}

#[cfg(test)]
mod tests;
