//! The certificates that WeChat Pay signs with towards a merchant that has not got its public key.

use bincode::{Decode, Encode};
use domain::Timestamp;

use super::millis;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;

/// WeChat's certificates (平台证书) for a clinic's merchant, as they were downloaded. They are public, so nothing is
/// sealed; they are kept so that a restart needs no download before the first notice can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayCertificatesRecord {
    /// Whose they are: those of another merchant are good for nothing.
    pub mch_id: String,
    /// During a change there are two, both good.
    pub certificates: Vec<PayCertificate>,
    /// When WeChat is to be asked for them again.
    pub refresh_at: Timestamp,
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayCertificate {
    /// Its serial number, which WeChat names with each signature.
    pub serial_no: String,
    /// The certificate as PEM.
    pub pem: String,
    /// From when on it is good for nothing.
    pub expires_at: Timestamp,
}

#[derive(Encode, Decode)]
struct StoredCertificates {
    mch_id: String,
    certificates: Vec<StoredCertificate>,
    refresh_at: i64,
}

#[derive(Encode, Decode)]
struct StoredCertificate {
    serial_no: String,
    pem: String,
    expires_at: i64,
}

impl TryFrom<StoredCertificates> for PayCertificatesRecord {
    type Error = Impossible;

    fn try_from(stored: StoredCertificates) -> Result<Self, Impossible> {
        let certificates = stored.certificates.into_iter().map(|one| PayCertificate {
            serial_no: one.serial_no,
            pem: one.pem,
            expires_at: Timestamp::from_millis(one.expires_at),
        });
        Ok(Self {
            mch_id: stored.mch_id,
            certificates: certificates.collect(),
            refresh_at: Timestamp::from_millis(stored.refresh_at),
        })
    }
}

impl Record for PayCertificatesRecord {
    const TABLE: Table = Table::PayCertificates;

    fn encode(&self) -> Vec<u8> {
        let certificates = self.certificates.iter().map(|one| StoredCertificate {
            serial_no: one.serial_no.clone(),
            pem: one.pem.clone(),
            expires_at: millis(one.expires_at),
        });
        encode_v1(&StoredCertificates {
            mch_id: self.mch_id.clone(),
            certificates: certificates.collect(),
            refresh_at: millis(self.refresh_at),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredCertificates>(bytes)
    }
}
