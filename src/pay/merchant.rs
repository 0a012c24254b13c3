//! The merchant of a clinic, ready to sign and to verify.

use domain::{TenantId, Timestamp};
use storage::keys;
use storage::records::{PayIdentity, PaySecrets};

use super::PayError;
use super::signing::{ApiKey, MerchantKey, Signed, SigningError, WechatKey, page_text};
use super::wire::Envelope;
use crate::app::App;

/// A merchant at WeChat Pay.
pub struct Merchant {
    /// The official account (公众号) that is paid in.
    pub app_id: String,
    /// 商户号.
    pub mch_id: String,
    /// The serial number of the merchant's certificate.
    pub serial_no: String,
    pub(super) key: MerchantKey,
    pub(super) wechat: WechatKey,
    api_key: ApiKey,
}

impl Merchant {
    /// Reads what was entered.
    ///
    /// # Errors
    /// [`SigningError`], when one of the keys is none.
    pub fn new(identity: &PayIdentity, secrets: &PaySecrets) -> Result<Self, SigningError> {
        Ok(Self {
            app_id: identity.app_id.clone(),
            mch_id: identity.mch_id.clone(),
            serial_no: identity.serial_no.clone(),
            key: MerchantKey::parse(&secrets.private_key)?,
            wechat: WechatKey::parse(&identity.wechat_key_id, &identity.wechat_key)?,
            api_key: ApiKey::parse(&secrets.api_v3_key)?,
        })
    }

    /// The merchant of a clinic, if it has entered one.
    ///
    /// # Errors
    /// What is stored cannot be read or used.
    pub fn of(app: &App, tenant: TenantId) -> Result<Option<Self>, PayError> {
        let key = keys::pay_conf(tenant);
        let Some(stored) = app.storage.get(&key)? else { return Ok(None) };
        let secrets = stored.record.open(&app.vault, &key)?;
        let record = stored.record;
        let identity = PayIdentity {
            app_id: record.app_id,
            mch_id: record.mch_id,
            serial_no: record.serial_no,
            wechat_key_id: record.wechat_key_id,
            wechat_key: record.wechat_key,
        };
        Ok(Some(Self::new(&identity, &secrets)?))
    }

    /// What a page gives to WeChat as `paySign`.
    ///
    /// # Errors
    /// [`SigningError::Unsigned`]
    pub fn page_signature(&self, timestamp: &str, nonce: &str, prepay: &str) -> Result<String, SigningError> {
        self.key.sign(&page_text(&self.app_id, timestamp, nonce, prepay))
    }

    /// Verifies a notice and decrypts what it tells.
    ///
    /// # Errors
    /// It is not from WeChat, not for this merchant, or no notice.
    pub fn open_notice(
        &self,
        signed: Signed<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Vec<u8>, SigningError> {
        self.wechat.verify(signed, body, now)?;
        let Envelope { resource, .. } = serde_json::from_slice(body).map_err(|_| SigningError::Encrypted)?;
        if resource.algorithm != "AEAD_AES_256_GCM" {
            return Err(SigningError::Encrypted);
        }
        self.api_key.open(&resource.nonce, &resource.associated_data, &resource.ciphertext)
    }
}
