//! The clinic's service account (公众号) at WeChat: what is asked of it, and what it sends.
//!
//! WeChat is slow or away now and then, and nothing of a booking waits for it: calls are made for the request that needs
//! them, within [`DEADLINE`], and a clinic whose calls keep failing is refused at once for a while. Tokens are stored, so
//! that a restart asks for none; a record that another account replaced is gone with it.
//!
//! No secret, token, code or open id appears in an error: reqwest's errors are reduced to what went wrong, because the
//! URLs of WeChat's API carry secrets.

use std::sync::Arc;
use std::time::Duration;

use actors::Clock;
use dashmap::DashMap;
use domain::TenantId;
use storage::records::{WechatAccount, WechatSecrets};
use storage::{CommitError, ReadError, SealError, Storage, Vault, keys};
use thiserror::Error;

use crate::metrics::Metrics;
use crate::settings::BaseUrl;

mod account;
mod breaker;
pub mod callback;
mod lending;
mod letters;
pub mod oauth;
pub mod outgoing;
pub mod signatures;
mod templates;

pub use account::{BadAccount, DomainHost, parse_app_id, parse_app_secret};
pub use letters::letters;
pub use templates::MessageTemplate;

use lending::Lending;
use outgoing::{CallError, Outgoing, OutgoingSetupError};

/// Within which everything that one request asks of WeChat is done.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Why something could not be had from WeChat.
#[derive(Debug, Error)]
pub enum WechatError {
    /// The clinic has entered no service account.
    #[error("the clinic has no service account")]
    NotConfigured,
    /// WeChat was not reached, did not answer in time, or answered what nobody understands.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The calls before failed, so none was made.
    #[error("WeChat failed before and is not asked for a while")]
    Suspended,
    /// WeChat refused the call with this errcode.
    #[error("WeChat answered with errcode {0}")]
    Refused(i64),
    /// The stored settings or tokens cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// They cannot be opened or sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// They cannot be written.
    #[error("the tokens cannot be written: {0}")]
    Commit(CommitError),
    /// The settings changed again and again while the call was made.
    #[error("the settings changed meanwhile")]
    Contended,
}

/// The service accounts of all clinics. One for all workers.
pub struct Wechat {
    outgoing: Outgoing,
    api_base: String,
    oauth_base: String,
    storage: Storage,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    clinics: DashMap<TenantId, Arc<Lending>>,
}

/// Where WeChat answers.
#[derive(Clone, Copy, Debug)]
pub struct Bases<'a> {
    /// The API.
    pub api: &'a BaseUrl,
    /// The page of the authorisation.
    pub oauth: &'a BaseUrl,
}

impl Wechat {
    /// Sets up the client; nothing is asked yet.
    ///
    /// # Errors
    /// When the HTTPS client cannot be set up.
    pub fn new(
        bases: Bases<'_>,
        storage: Storage,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, OutgoingSetupError> {
        Ok(Self {
            outgoing: Outgoing::new(DEADLINE)?,
            api_base: bases.api.as_str().to_owned(),
            oauth_base: bases.oauth.as_str().to_owned(),
            storage,
            vault,
            clock,
            metrics,
            clinics: DashMap::new(),
        })
    }

    /// The secrets of a clinic; empty ones before it has entered any.
    ///
    /// # Errors
    /// They cannot be read or opened.
    pub fn secrets(&self, tenant: TenantId) -> Result<WechatSecrets, WechatError> {
        let key = keys::wechat_conf(tenant);
        match self.storage.get(&key)? {
            Some(stored) => Ok(stored.record.open(&self.vault, &key)?),
            None => Ok(WechatSecrets::default()),
        }
    }

    /// The service account of a clinic.
    ///
    /// # Errors
    /// [`WechatError::NotConfigured`] before it has entered one.
    pub fn account(&self, tenant: TenantId) -> Result<WechatAccount, WechatError> {
        self.secrets(tenant)?.account.ok_or(WechatError::NotConfigured)
    }

    fn lending(&self, tenant: TenantId) -> Arc<Lending> {
        Arc::clone(self.clinics.entry(tenant).or_default().value())
    }
}
