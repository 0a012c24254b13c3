//! The clinic's service account (公众号): its settings, the pages that WeChat shows, and who its patients are there.

use domain::TenantId;
use storage::records::{Action, WechatConfRecord, WechatSecrets};
use storage::{Commit, Version, keys};

use super::caller::Staff;
use super::error::{ApiError, ErrorCode};
use super::refusals::{MAX_TRIES, Outcome, outcome};
use crate::app::App;

pub mod auth_file;
pub mod callbacks;
pub mod conf;
pub mod menu;
pub mod oauth;
pub mod pages;
pub mod templates;

/// What stands in the place of all but the last four characters of a secret.
const MASK: &str = "****";

/// Of a secret shorter than this nothing is shown.
const SHOWN_FROM: usize = 12;

/// The settings of a clinic's service account.
#[derive(Clone, PartialEq, Eq)]
struct Conf {
    version: Version,
    record: WechatConfRecord,
    secrets: WechatSecrets,
}

impl Conf {
    fn read(app: &App, tenant: TenantId) -> Result<Self, ApiError> {
        let key = keys::wechat_conf(tenant);
        let (version, record) = match app.storage.get(&key).map_err(ApiError::internal)? {
            Some(stored) => (stored.version, stored.record),
            None => (Version::ABSENT, WechatConfRecord::default()),
        };
        let secrets = record.open(&app.vault, &key).map_err(ApiError::internal)?;
        Ok(Self { version, record, secrets })
    }

    /// The commit that replaces `before` with this. What WeChat lent another account goes with it.
    fn commit(&self, app: &App, tenant: TenantId, before: &Self) -> Result<Commit, ApiError> {
        let key = keys::wechat_conf(tenant);
        let record = if self.secrets == before.secrets {
            self.record.clone()
        } else {
            self.record.with_secrets(&app.vault, &key, &self.secrets).map_err(ApiError::internal)?
        };
        let mut commit = Commit::new();
        commit.require_version(&key, before.version).put(&key, &record);
        let paid_in = |conf: &Self| conf.secrets.account.as_ref().map(|account| account.app_id.clone());
        if paid_in(self) != paid_in(before) {
            // Patients would be known by one account and pay in another.
            let key = keys::pay_conf(tenant);
            let payment = app.storage.get(&key).map_err(ApiError::internal)?;
            commit.require_version(&key, payment.as_ref().map_or(Version::ABSENT, |stored| stored.version));
            let own = payment.map(|stored| stored.record.app_id).filter(|own| !own.is_empty());
            if own.is_some() && own != paid_in(self) {
                return Err(ErrorCode::AppIdDiffers.into());
            }
        }
        let borrower = |conf: &Self| {
            conf.secrets.account.as_ref().map(|account| (account.app_id.clone(), account.app_secret.clone()))
        };
        if borrower(self) != borrower(before) {
            commit.delete(&keys::wechat_loan(tenant));
        }
        Ok(commit)
    }
}

/// Changes the settings, and notes that this administrator did.
///
/// # Errors
/// What `edit` refuses, or 0503 when they change again and again meanwhile.
async fn change(
    app: &App,
    staff: Staff,
    action: Action,
    edit: impl Fn(&mut Conf) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    for _ in 0..MAX_TRIES {
        let before = Conf::read(app, staff.tenant)?;
        let mut after = before.clone();
        edit(&mut after)?;
        if after == before {
            return Ok(());
        }
        let mut commit = after.commit(app, staff.tenant, &before)?;
        staff.require_session(app, &mut commit)?;
        staff.audit(app, action, None).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

/// A secret as it is shown: `****abcd`. Secrets are ASCII.
fn masked(secret: &str) -> String {
    let last = if secret.len() < SHOWN_FROM { None } else { secret.get(secret.len() - 4..) };
    format!("{MASK}{}", last.unwrap_or_default())
}

/// The secret that is meant: the one that was posted, or the former one where its mask was.
fn unmasked<'a>(posted: &'a str, former: Option<&'a str>) -> &'a str {
    former.filter(|former| masked(former) == posted).unwrap_or(posted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen to fail when a short token was shown whole.
    #[test]
    fn a_secret_shows_its_end_at_most() {
        assert_eq!(masked("0123456789abcdef"), "****cdef");
        assert_eq!(masked("abcd"), "****");
        assert_eq!(masked(""), "****");
        assert_eq!(unmasked("****cdef", Some("0123456789abcdef")), "0123456789abcdef");
        assert_eq!(unmasked("****cdee", Some("0123456789abcdef")), "****cdee");
        assert_eq!(unmasked("****cdef", None), "****cdef");
    }
}
