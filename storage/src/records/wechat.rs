//! What connects a clinic with WeChat: its service account (公众号), what WeChat has lent it, and who its patients are there.

use std::fmt;

use bincode::{Decode, Encode};
use domain::{OpenId, Timestamp, UserId};

use super::{millis, possible};
use crate::keys::Key;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;
use crate::vault::{SealError, Sealed, Vault};

/// How a clinic is connected with its service account. The secrets are sealed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WechatConfRecord {
    secrets: Option<Sealed>,
    /// The template of each type of message (wech_temp_type), by ascending type.
    pub templates: Vec<(u8, String)>,
    /// The 16 characters of the file by which WeChat checks the domain (`MP_verify_….txt`).
    pub auth_code: Option<String>,
}

/// The sealed part of [`WechatConfRecord`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WechatSecrets {
    /// The account; without one nothing is asked of WeChat.
    pub account: Option<WechatAccount>,
    /// How its messages to the server are signed; without it none is taken.
    pub callback: Option<WechatCallback>,
}

/// A service account.
#[derive(Clone, PartialEq, Eq)]
pub struct WechatAccount {
    /// `wx…`
    pub app_id: String,
    /// AppSecret
    pub app_secret: String,
    /// 网页授权域名, as it was entered.
    pub auth_url: String,
}

/// The server configuration (服务器配置) of an account.
#[derive(Clone, PartialEq, Eq)]
pub struct WechatCallback {
    /// Token
    pub token: String,
    /// EncodingAESKey; without one messages come in plain.
    pub aes_key: Option<String>,
}

impl fmt::Debug for WechatSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WechatSecrets").finish_non_exhaustive()
    }
}

impl fmt::Debug for WechatAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WechatAccount").finish_non_exhaustive()
    }
}

impl fmt::Debug for WechatCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WechatCallback").finish_non_exhaustive()
    }
}

impl WechatConfRecord {
    /// The record with other secrets; the rest stays.
    ///
    /// # Errors
    /// No randomness to seal with.
    pub fn with_secrets(
        &self,
        vault: &Vault,
        key: &Key<Self>,
        secrets: &WechatSecrets,
    ) -> Result<Self, SealError> {
        let secrets = vault.seal_v1(key.raw(), &StoredSecrets::from(secrets))?;
        Ok(Self { secrets: Some(secrets), ..self.clone() })
    }

    /// Opens the secrets of the record read from `key`.
    ///
    /// # Errors
    /// They were sealed for another record or with another key.
    pub fn open(&self, vault: &Vault, key: &Key<Self>) -> Result<WechatSecrets, SealError> {
        let Some(sealed) = &self.secrets else { return Ok(WechatSecrets::default()) };
        let stored: StoredSecrets = vault.unseal_v1(key.raw(), sealed)?;
        Ok(stored.into())
    }
}

#[derive(Encode, Decode)]
struct StoredSecrets {
    account: Option<StoredAccount>,
    callback: Option<StoredCallback>,
}

#[derive(Encode, Decode)]
struct StoredAccount {
    app_id: String,
    app_secret: String,
    auth_url: String,
}

#[derive(Encode, Decode)]
struct StoredCallback {
    token: String,
    aes_key: Option<String>,
}

impl From<&WechatSecrets> for StoredSecrets {
    fn from(secrets: &WechatSecrets) -> Self {
        let secrets = secrets.clone();
        Self {
            account: secrets.account.map(|WechatAccount { app_id, app_secret, auth_url }| StoredAccount {
                app_id,
                app_secret,
                auth_url,
            }),
            callback: secrets
                .callback
                .map(|WechatCallback { token, aes_key }| StoredCallback { token, aes_key }),
        }
    }
}

impl From<StoredSecrets> for WechatSecrets {
    fn from(stored: StoredSecrets) -> Self {
        Self {
            account: stored.account.map(|StoredAccount { app_id, app_secret, auth_url }| WechatAccount {
                app_id,
                app_secret,
                auth_url,
            }),
            callback: stored
                .callback
                .map(|StoredCallback { token, aes_key }| WechatCallback { token, aes_key }),
        }
    }
}

#[derive(Encode, Decode)]
struct StoredWechatConf {
    secrets: Option<Sealed>,
    templates: Vec<(u8, String)>,
    auth_code: Option<String>,
}

impl TryFrom<StoredWechatConf> for WechatConfRecord {
    type Error = Impossible;

    fn try_from(stored: StoredWechatConf) -> Result<Self, Impossible> {
        let StoredWechatConf { secrets, templates, auth_code } = stored;
        Ok(Self { secrets, templates, auth_code })
    }
}

impl Record for WechatConfRecord {
    const TABLE: Table = Table::WechatConf;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredWechatConf {
            secrets: self.secrets.clone(),
            templates: self.templates.clone(),
            auth_code: self.auth_code.clone(),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredWechatConf>(bytes)
    }
}

/// What WeChat has lent an account for a time: the access token and the ticket of pages. It is deleted when the account
/// becomes another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WechatLoanRecord {
    lent: Sealed,
}

/// The sealed part of [`WechatLoanRecord`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WechatLoans {
    /// access_token
    pub token: Option<WechatLoan>,
    /// jsapi_ticket
    pub ticket: Option<WechatLoan>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq)]
pub struct WechatLoan {
    /// The text itself.
    pub text: String,
    /// From when on another one is asked for; this one can still be used.
    pub refresh_at: Timestamp,
    /// When it is worth nothing any more.
    pub expires_at: Timestamp,
}

impl fmt::Debug for WechatLoans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WechatLoans").finish_non_exhaustive()
    }
}

impl fmt::Debug for WechatLoan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WechatLoan").finish_non_exhaustive()
    }
}

impl WechatLoanRecord {
    /// The record to be kept under `key`.
    ///
    /// # Errors
    /// No randomness to seal with.
    pub fn seal(vault: &Vault, key: &Key<Self>, loans: &WechatLoans) -> Result<Self, SealError> {
        let stored = |loan: &Option<WechatLoan>| {
            loan.as_ref().map(|loan| StoredLoan {
                text: loan.text.clone(),
                refresh_at: millis(loan.refresh_at),
                expires_at: millis(loan.expires_at),
            })
        };
        let stored = StoredLoans { token: stored(&loans.token), ticket: stored(&loans.ticket) };
        Ok(Self { lent: vault.seal_v1(key.raw(), &stored)? })
    }

    /// Opens the record read from `key`.
    ///
    /// # Errors
    /// It was sealed for another record or with another key.
    pub fn open(&self, vault: &Vault, key: &Key<Self>) -> Result<WechatLoans, SealError> {
        let stored: StoredLoans = vault.unseal_v1(key.raw(), &self.lent)?;
        let loan = |stored: Option<StoredLoan>| {
            stored.map(|loan| WechatLoan {
                text: loan.text,
                refresh_at: Timestamp::from_millis(loan.refresh_at),
                expires_at: Timestamp::from_millis(loan.expires_at),
            })
        };
        Ok(WechatLoans { token: loan(stored.token), ticket: loan(stored.ticket) })
    }
}

#[derive(Encode, Decode)]
struct StoredLoans {
    token: Option<StoredLoan>,
    ticket: Option<StoredLoan>,
}

#[derive(Encode, Decode)]
struct StoredLoan {
    text: String,
    refresh_at: i64,
    expires_at: i64,
}

#[derive(Encode, Decode)]
struct StoredWechatLoan {
    lent: Sealed,
}

impl TryFrom<StoredWechatLoan> for WechatLoanRecord {
    type Error = Impossible;

    fn try_from(stored: StoredWechatLoan) -> Result<Self, Impossible> {
        Ok(Self { lent: stored.lent })
    }
}

impl Record for WechatLoanRecord {
    const TABLE: Table = Table::WechatLoan;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredWechatLoan { lent: self.lent.clone() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredWechatLoan>(bytes)
    }
}

/// What a message template says, as WeChat told it when the template was first used. Messages are put together from it
/// without asking again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTemplateRecord {
    /// Which template; when the clinic has chosen another one for the type, this one is of no use.
    pub template_id: String,
    /// Lines with places such as `{{thing1.DATA}}`.
    pub content: String,
    /// When WeChat told it.
    pub told_at: Timestamp,
}

#[derive(Encode, Decode)]
struct StoredMessageTemplate {
    template_id: String,
    content: String,
    told_at: i64,
}

impl TryFrom<StoredMessageTemplate> for MessageTemplateRecord {
    type Error = Impossible;

    fn try_from(stored: StoredMessageTemplate) -> Result<Self, Impossible> {
        let StoredMessageTemplate { template_id, content, told_at } = stored;
        Ok(Self { template_id, content, told_at: Timestamp::from_millis(told_at) })
    }
}

impl Record for MessageTemplateRecord {
    const TABLE: Table = Table::MessageTemplate;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredMessageTemplate {
            template_id: self.template_id.clone(),
            content: self.content.clone(),
            told_at: millis(self.told_at),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredMessageTemplate>(bytes)
    }
}

/// What is known of somebody whom the service account knows, found by the blind of the open id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowerRecord {
    /// The account that has proven to be this person.
    pub user: Option<UserId>,
    /// Whether they follow the service account, as far as WeChat has told.
    pub following: Following,
}

/// Whether somebody follows the service account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Following {
    /// WeChat has not told.
    Unknown,
    /// Since then (关注).
    Since(Timestamp),
    /// Not any more, since then (取消关注): no message reaches them.
    Left(Timestamp),
}

impl Following {
    /// When WeChat told it.
    #[must_use]
    pub fn told_at(self) -> Option<Timestamp> {
        match self {
            Self::Unknown => None,
            Self::Since(at) | Self::Left(at) => Some(at),
        }
    }
}

#[derive(Encode, Decode)]
struct StoredFollower {
    user: Option<u64>,
    following: StoredFollowing,
}

#[derive(Encode, Decode)]
enum StoredFollowing {
    Unknown,
    Since(i64),
    Left(i64),
}

impl TryFrom<StoredFollower> for FollowerRecord {
    type Error = Impossible;

    fn try_from(stored: StoredFollower) -> Result<Self, Impossible> {
        Ok(Self {
            user: stored.user.map(|user| possible(UserId::new(user), "user id")).transpose()?,
            following: match stored.following {
                StoredFollowing::Unknown => Following::Unknown,
                StoredFollowing::Since(at) => Following::Since(Timestamp::from_millis(at)),
                StoredFollowing::Left(at) => Following::Left(Timestamp::from_millis(at)),
            },
        })
    }
}

impl Record for FollowerRecord {
    const TABLE: Table = Table::Follower;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredFollower {
            user: self.user.map(UserId::get),
            following: match self.following {
                Following::Unknown => StoredFollowing::Unknown,
                Following::Since(at) => StoredFollowing::Since(millis(at)),
                Following::Left(at) => StoredFollowing::Left(millis(at)),
            },
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredFollower>(bytes)
    }
}

/// Who an account is to the service account: its open id, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenIdRecord {
    identity: Sealed,
    /// When it was proven.
    pub bound_at: Timestamp,
}

/// The sealed part of [`OpenIdRecord`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WechatIdentity {
    /// The service account that knows the open id.
    pub app_id: String,
    /// The open id.
    pub open_id: OpenId,
}

impl OpenIdRecord {
    /// The record to be kept under `key`.
    ///
    /// # Errors
    /// No randomness to seal with.
    pub fn seal(
        vault: &Vault,
        key: &Key<Self>,
        identity: &WechatIdentity,
        bound_at: Timestamp,
    ) -> Result<Self, SealError> {
        let stored =
            StoredIdentity { app_id: identity.app_id.clone(), open_id: identity.open_id.as_str().to_owned() };
        Ok(Self { identity: vault.seal_v1(key.raw(), &stored)?, bound_at })
    }

    /// Opens the record read from `key`.
    ///
    /// # Errors
    /// It was sealed for another record or with another key, or holds impossible values.
    pub fn open(&self, vault: &Vault, key: &Key<Self>) -> Result<WechatIdentity, SealError> {
        let stored: StoredIdentity = vault.unseal_v1(key.raw(), &self.identity)?;
        Ok(WechatIdentity {
            app_id: stored.app_id,
            open_id: possible(OpenId::parse(&stored.open_id), "open id")?,
        })
    }
}

#[derive(Encode, Decode)]
struct StoredIdentity {
    app_id: String,
    open_id: String,
}

#[derive(Encode, Decode)]
struct StoredOpenId {
    identity: Sealed,
    bound_at: i64,
}

impl TryFrom<StoredOpenId> for OpenIdRecord {
    type Error = Impossible;

    fn try_from(stored: StoredOpenId) -> Result<Self, Impossible> {
        Ok(Self { identity: stored.identity, bound_at: Timestamp::from_millis(stored.bound_at) })
    }
}

impl Record for OpenIdRecord {
    const TABLE: Table = Table::OpenId;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredOpenId { identity: self.identity.clone(), bound_at: millis(self.bound_at) })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredOpenId>(bytes)
    }
}

/// An authorisation by WeChat (网页授权) that an account has begun; a newer one takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OauthRecord {
    /// SHA-256 of the `state` that has to come back.
    pub state_hash: [u8; 32],
    /// SHA-256 of the code it came back with; it goes with no other from then on.
    pub code_hash: Option<[u8; 32]>,
    /// When it is too late.
    pub expires_at: Timestamp,
}

#[derive(Encode, Decode)]
struct StoredOauth {
    state_hash: [u8; 32],
    code_hash: Option<[u8; 32]>,
    expires_at: i64,
}

impl TryFrom<StoredOauth> for OauthRecord {
    type Error = Impossible;

    fn try_from(stored: StoredOauth) -> Result<Self, Impossible> {
        Ok(Self {
            state_hash: stored.state_hash,
            code_hash: stored.code_hash,
            expires_at: Timestamp::from_millis(stored.expires_at),
        })
    }
}

impl Record for OauthRecord {
    const TABLE: Table = Table::Oauth;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredOauth {
            state_hash: self.state_hash,
            code_hash: self.code_hash,
            expires_at: millis(self.expires_at),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredOauth>(bytes)
    }
}
