//! The merchant of a clinic, ready to sign and to verify.

use domain::{TenantId, Timestamp};
use storage::records::{
    PayCertificate, PayCertificatesRecord, PayConfRecord, PayIdentity, PaySecrets, WechatConfRecord,
};
use storage::{Vault, keys};

use super::PayError;
use super::signing::{ApiKey, MerchantKey, Signed, SigningError, WechatKey, WechatKeys, page_text};
use super::wire::{CertificateTold, Envelope, Resource};
use crate::app::App;

/// What a clinic has entered, as it is stored.
pub struct Entered {
    /// How it is paid.
    pub conf: PayConfRecord,
    /// Its service account.
    pub account: Option<WechatConfRecord>,
    /// WeChat's certificates, if any were downloaded.
    pub certificates: Option<PayCertificatesRecord>,
}

/// A merchant at WeChat Pay.
pub struct Merchant {
    /// The clinic whose merchant it is.
    pub tenant: TenantId,
    /// The official account (公众号) that is paid in.
    pub app_id: String,
    /// 商户号.
    pub mch_id: String,
    /// The serial number of the merchant's certificate.
    pub serial_no: String,
    pub(super) key: MerchantKey,
    pub(super) wechat: WechatKeys,
    api_key: ApiKey,
}

impl Merchant {
    /// Reads what was entered. Without a public key of WeChat's, its certificates are to be downloaded.
    ///
    /// # Errors
    /// [`SigningError`], when one of the keys is none.
    pub fn new(tenant: TenantId, identity: &PayIdentity, secrets: &PaySecrets) -> Result<Self, SigningError> {
        let wechat = if identity.wechat_key.is_empty() && identity.wechat_key_id.is_empty() {
            WechatKeys::Certificates(Vec::new())
        } else {
            WechatKeys::PublicKey(WechatKey::parse(&identity.wechat_key_id, &identity.wechat_key)?)
        };
        Ok(Self {
            tenant,
            app_id: identity.app_id.clone(),
            mch_id: identity.mch_id.clone(),
            serial_no: identity.serial_no.clone(),
            key: MerchantKey::parse(&secrets.private_key)?,
            wechat,
            api_key: ApiKey::parse(&secrets.api_v3_key)?,
        })
    }

    /// The merchant of a clinic, if it has entered one.
    ///
    /// # Errors
    /// What is stored cannot be read or used.
    pub fn of(app: &App, tenant: TenantId) -> Result<Option<Self>, PayError> {
        let Some(conf) = app.storage.get(&keys::pay_conf(tenant))? else { return Ok(None) };
        let account = app.storage.get(&keys::wechat_conf(tenant))?;
        let certificates = app.storage.get(&keys::pay_certificates(tenant))?;
        let entered = Entered {
            conf: conf.record,
            account: account.map(|stored| stored.record),
            certificates: certificates.map(|stored| stored.record),
        };
        Self::open_entered(tenant, &app.vault, entered)
    }

    /// The merchant of what a clinic has entered, if it is enough for one.
    ///
    /// # Errors
    /// It cannot be opened or used.
    pub fn open_entered(tenant: TenantId, vault: &Vault, entered: Entered) -> Result<Option<Self>, PayError> {
        let Entered { conf, account, certificates } = entered;
        let secrets = conf.open(vault, &keys::pay_conf(tenant))?;
        // Only a clinic without a service account has entered another one to be paid in.
        let app_id = match (conf.app_id.as_str(), account) {
            ("", None) => return Ok(None),
            ("", Some(account)) => match account.open(vault, &keys::wechat_conf(tenant))?.account {
                Some(account) => account.app_id,
                None => return Ok(None),
            },
            (own, _) => own.to_owned(),
        };
        let PayConfRecord { mch_id, serial_no, wechat_key_id, wechat_key, .. } = conf;
        let identity = PayIdentity { app_id, mch_id, serial_no, wechat_key_id, wechat_key };
        let mut merchant = Self::new(tenant, &identity, &secrets)?;
        if let Some(kept) = certificates {
            merchant.learn(&kept)?;
        }
        Ok(Some(merchant))
    }

    /// Whether WeChat's certificates are to be downloaded for it.
    pub fn has_certificates(&self) -> bool {
        matches!(self.wechat, WechatKeys::Certificates(_))
    }

    /// Takes over the certificates that were downloaded, if they are for this merchant and it needs any.
    ///
    /// # Errors
    /// [`SigningError::Certificate`]
    pub fn learn(&mut self, kept: &PayCertificatesRecord) -> Result<(), SigningError> {
        if self.has_certificates() && kept.mch_id == self.mch_id {
            self.wechat = certificate_keys(&kept.certificates)?;
        }
        Ok(())
    }

    /// Verifies with these from now on.
    pub fn verify_with(&mut self, keys: WechatKeys) {
        self.wechat = keys;
    }

    /// Decrypts a certificate as it is listed.
    pub(super) fn open_certificate(&self, told: &CertificateTold) -> Result<PayCertificate, SigningError> {
        let pem = String::from_utf8(self.open(&told.resource)?).map_err(|_| SigningError::Certificate)?;
        Ok(PayCertificate { serial_no: told.serial_no.clone(), pem, expires_at: told.expires_at })
    }

    fn open(&self, resource: &Resource) -> Result<Vec<u8>, SigningError> {
        if resource.algorithm != "AEAD_AES_256_GCM" {
            return Err(SigningError::Encrypted);
        }
        self.api_key.open(&resource.nonce, &resource.associated_data, &resource.ciphertext)
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
        self.open(&resource)
    }
}

/// What the certificates verify with.
pub(super) fn certificate_keys(certificates: &[PayCertificate]) -> Result<WechatKeys, SigningError> {
    let keys = certificates
        .iter()
        .map(|one| Ok((WechatKey::of_certificate(&one.serial_no, &one.pem)?, one.expires_at)));
    Ok(WechatKeys::Certificates(keys.collect::<Result<_, SigningError>>()?))
}
