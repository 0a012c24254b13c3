//! WeChat's platform certificates (平台证书): downloaded for merchants that have not got its public key, and kept.
//!
//! They change every few years, and for some days the old one and the new one are both good. So they are asked for
//! every few hours, and at once when WeChat signs with one that is not known yet.

use std::collections::HashMap;
use std::time::Duration;

use domain::{TenantId, Timestamp};
use parking_lot::Mutex;
use storage::records::PayCertificatesRecord;
use storage::{Commit, Storage, keys};

use super::client::{CallError, Caller, PayClient};
use super::merchant::{Merchant, certificate_keys};
use super::signing::{SigningError, WechatKeys};
use super::{PayError, wire};
use crate::app::App;

/// WeChat advises to ask more often than every twelve hours.
const REFRESH_AFTER: Duration = Duration::from_secs(10 * 60 * 60);

/// Nobody can have WeChat asked more often, such as with notices that name keys which do not exist.
const ASKED_APART: Duration = Duration::from_secs(60);

/// What was downloaded, and when it was tried.
pub struct Certificates {
    kept: Option<Storage>,
    asked: Mutex<HashMap<TenantId, Timestamp>>,
    /// Held by who downloads; tokio's, because it is held while WeChat is awaited.
    flight: tokio::sync::Mutex<()>,
}

impl Certificates {
    /// They are kept in the store.
    pub fn kept_in(storage: Storage) -> Self {
        Self { kept: Some(storage), asked: Mutex::default(), flight: tokio::sync::Mutex::default() }
    }

    /// They are kept nowhere: whoever asks may not write.
    pub fn not_kept() -> Self {
        Self { kept: None, asked: Mutex::default(), flight: tokio::sync::Mutex::default() }
    }

    fn may_ask(&self, tenant: TenantId, now: Timestamp) -> bool {
        self.asked.lock().get(&tenant).is_none_or(|asked| asked.plus(ASKED_APART) <= now)
    }

    /// What another flight has brought meanwhile.
    fn known(&self, merchant: &Merchant) -> Option<PayCertificatesRecord> {
        let stored = self.kept.as_ref()?.get(&keys::pay_certificates(merchant.tenant)).ok()??;
        Some(stored.record).filter(|record| record.mch_id == merchant.mch_id)
    }

    async fn keep(&self, tenant: TenantId, record: &PayCertificatesRecord) {
        let Some(storage) = &self.kept else { return };
        let mut commit = Commit::new();
        commit.put(&keys::pay_certificates(tenant), record);
        if let Err(error) = storage.commit(commit).await {
            tracing::warn!(%tenant, error = %error, "the certificates of WeChat Pay cannot be kept");
        }
    }
}

impl PayClient {
    /// WeChat's certificates as they are now; `wanted` is the serial number of one that is not known, for the case that
    /// somebody else has downloaded it meanwhile.
    ///
    /// # Errors
    /// WeChat did not list them, or was asked a moment ago.
    pub async fn refresh_certificates(
        &self,
        caller: Caller<'_>,
        wanted: Option<&str>,
    ) -> Result<WechatKeys, CallError> {
        let tenant = caller.merchant.tenant;
        let _flight = self.certificates.flight.lock().await;
        if let Some(known) = self.certificates.known(caller.merchant)
            && known.certificates.iter().any(|one| Some(one.serial_no.as_str()) == wanted)
        {
            return certificate_keys(&known.certificates).map_err(|_| CallError::NoAnswer);
        }
        let now = caller.clock.now();
        if !self.certificates.may_ask(tenant, now) {
            return Err(CallError::NoAnswer);
        }
        self.certificates.asked.lock().insert(tenant, now);
        let record = self.download(caller).await?;
        let keys = certificate_keys(&record.certificates).map_err(|_| CallError::NoAnswer)?;
        self.certificates.keep(tenant, &record).await;
        tracing::info!(%tenant, certificates = record.certificates.len(), "downloaded WeChat Pay's certificates");
        Ok(keys)
    }

    /// The list is signed with one of those in it. That they are WeChat's is told by the key that they are encrypted
    /// under, before anything is verified with them.
    async fn download(&self, caller: Caller<'_>) -> Result<PayCertificatesRecord, CallError> {
        let Caller { merchant, clock } = caller;
        let reply = self.listed_certificates(caller).await?;
        let read = || {
            let listed = wire::certificates(&reply.body).map_err(|_| SigningError::Encrypted)?;
            let opened = listed.iter().map(|told| merchant.open_certificate(told));
            let certificates = opened.collect::<Result<Vec<_>, _>>()?;
            certificate_keys(&certificates)?.verify(reply.signed()?, &reply.body, clock.now())?;
            Ok::<_, SigningError>(certificates)
        };
        match read() {
            Ok(certificates) => Ok(PayCertificatesRecord {
                mch_id: merchant.mch_id.clone(),
                certificates,
                refresh_at: clock.now().plus(REFRESH_AFTER),
            }),
            Err(error) => {
                tracing::warn!(error = %error, "the certificates of WeChat Pay are not believed");
                Err(CallError::NoAnswer)
            }
        }
    }
}

/// Downloads the certificates of a clinic's merchant if it needs any and it is time.
///
/// # Errors
/// What is stored cannot be read or used. That WeChat does not list them is logged; it is tried again a minute later.
pub async fn look_after(app: &App, tenant: TenantId) -> Result<(), PayError> {
    let Some(conf) = app.storage.get(&keys::pay_conf(tenant))? else { return Ok(()) };
    let now = app.clock.now();
    if !conf.record.wechat_key.is_empty() || !app.pay.client.certificates.may_ask(tenant, now) {
        return Ok(());
    }
    let kept = app.storage.get(&keys::pay_certificates(tenant))?;
    let mut kept = kept.into_iter().filter(|kept| kept.record.mch_id == conf.record.mch_id);
    if kept.next().is_some_and(|kept| now < kept.record.refresh_at) {
        return Ok(());
    }
    let Some(merchant) = Merchant::of(app, tenant)? else { return Ok(()) };
    let caller = Caller { merchant: &merchant, clock: &*app.clock };
    if let Err(error) = app.pay.client.refresh_certificates(caller, None).await {
        tracing::warn!(%tenant, error = %error, "the certificates of WeChat Pay cannot be downloaded");
    }
    Ok(())
}
