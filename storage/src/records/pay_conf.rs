//! What a clinic needs to be paid through WeChat, and who its patients are to WeChat.

use bincode::{Decode, Encode};

use crate::keys::Key;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;
use crate::vault::{SealError, Sealed, Vault};

/// A clinic's merchant at WeChat Pay. Its keys are sealed; the rest is no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayConfRecord {
    secrets: Sealed,
    /// The official account (公众号) that is paid in.
    pub app_id: String,
    /// 商户号.
    pub mch_id: String,
    /// The serial number of the merchant's certificate.
    pub serial_no: String,
    /// The id of WeChat's public key, or the serial number of its certificate.
    pub wechat_key_id: String,
    /// That key, as PEM.
    pub wechat_key: String,
}

/// The merchant's keys.
#[derive(Clone, PartialEq, Eq)]
pub struct PaySecrets {
    /// The private key of the merchant's certificate: PKCS#8 as PEM.
    pub private_key: String,
    /// The key that notices are encrypted under, of 32 bytes.
    pub api_v3_key: String,
}

/// The keys do not show.
impl std::fmt::Debug for PaySecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PaySecrets")
    }
}

impl PayConfRecord {
    /// The record of a merchant, under `key`; `open` is everything but its secrets.
    ///
    /// # Errors
    /// No randomness to seal with.
    pub fn seal(
        vault: &Vault,
        key: &Key<Self>,
        secrets: &PaySecrets,
        open: PayIdentity,
    ) -> Result<Self, SealError> {
        let stored = StoredSecrets {
            private_key: secrets.private_key.clone(),
            api_v3_key: secrets.api_v3_key.clone(),
        };
        let PayIdentity { app_id, mch_id, serial_no, wechat_key_id, wechat_key } = open;
        let secrets = vault.seal_v1(key.raw(), &stored)?;
        Ok(Self { secrets, app_id, mch_id, serial_no, wechat_key_id, wechat_key })
    }

    /// Opens the secrets of the record read from `key`.
    ///
    /// # Errors
    /// It was sealed for another record or with another key.
    pub fn open(&self, vault: &Vault, key: &Key<Self>) -> Result<PaySecrets, SealError> {
        let stored: StoredSecrets = vault.unseal_v1(key.raw(), &self.secrets)?;
        Ok(PaySecrets { private_key: stored.private_key, api_v3_key: stored.api_v3_key })
    }
}

/// What is no secret of a merchant: see [`PayConfRecord`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayIdentity {
    /// The official account (公众号) that is paid in.
    pub app_id: String,
    /// 商户号.
    pub mch_id: String,
    /// The serial number of the merchant's certificate.
    pub serial_no: String,
    /// The id of WeChat's public key, or the serial number of its certificate.
    pub wechat_key_id: String,
    /// That key, as PEM.
    pub wechat_key: String,
}

#[derive(Encode, Decode)]
struct StoredSecrets {
    private_key: String,
    api_v3_key: String,
}

#[derive(Encode, Decode)]
struct StoredPayConf {
    secrets: Sealed,
    app_id: String,
    mch_id: String,
    serial_no: String,
    wechat_key_id: String,
    wechat_key: String,
}

impl TryFrom<StoredPayConf> for PayConfRecord {
    type Error = Impossible;

    fn try_from(stored: StoredPayConf) -> Result<Self, Impossible> {
        let StoredPayConf { secrets, app_id, mch_id, serial_no, wechat_key_id, wechat_key } = stored;
        Ok(Self { secrets, app_id, mch_id, serial_no, wechat_key_id, wechat_key })
    }
}

impl Record for PayConfRecord {
    const TABLE: Table = Table::PayConf;

    fn encode(&self) -> Vec<u8> {
        let Self { secrets, app_id, mch_id, serial_no, wechat_key_id, wechat_key } = self.clone();
        encode_v1(&StoredPayConf { secrets, app_id, mch_id, serial_no, wechat_key_id, wechat_key })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredPayConf>(bytes)
    }
}
