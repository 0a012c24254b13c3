//! Who a patient is to WeChat (网页授权): the address that their browser opens, and the exchange of the code it brings back.

use domain::{OpenId, TenantId};
use reqwest::Url;
use serde::Deserialize;
use storage::records::{WechatAccount, WechatIdentity};

use super::outgoing::CallError;
use super::{Wechat, WechatError};

/// What WeChat says to a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// Who it is.
    Known(WechatIdentity),
    /// The code was used before, is too old, or never was.
    CodeVoid,
    /// The page was opened in the reduced mode (快照页), in which WeChat invents an open id.
    Snapshot,
}

#[derive(Deserialize)]
struct CodeReply {
    openid: String,
    #[serde(default)]
    is_snapshotuser: i64,
}

impl Wechat {
    /// The page on which WeChat tells who the patient is, without asking them. The parameters are in the order that
    /// WeChat insists on.
    ///
    /// # Errors
    /// The base URL of the settings cannot take a query.
    pub fn authorisation_url(
        &self,
        account: &WechatAccount,
        redirect_uri: &str,
        state: &str,
    ) -> Result<String, WechatError> {
        let base = format!("{}/connect/oauth2/authorize", self.oauth_base);
        // The settings have checked the base.
        let mut url = Url::parse(&base).map_err(|_| WechatError::Call(CallError::Unreachable))?;
        url.query_pairs_mut()
            .append_pair("appid", &account.app_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("response_type", "code")
            .append_pair("scope", "snsapi_base")
            .append_pair("state", state);
        url.set_fragment(Some("wechat_redirect"));
        Ok(url.into())
    }

    /// Asks who has brought a code.
    ///
    /// # Errors
    /// [`WechatError`]
    pub async fn exchange(&self, tenant: TenantId, code: &str) -> Result<Exchange, WechatError> {
        let account = self.account(tenant)?;
        let url = format!("{}/sns/oauth2/access_token", self.api_base);
        let query = [
            ("appid", account.app_id.as_str()),
            ("secret", account.app_secret.as_str()),
            ("code", code),
            ("grant_type", "authorization_code"),
        ];
        let request = self.outgoing.client().get(url).query(&query);
        let answer = self.guarded(tenant, self.call::<CodeReply>("oauth", request)).await;
        match answer {
            Ok(reply) if reply.is_snapshotuser != 0 => Ok(Exchange::Snapshot),
            Ok(reply) => {
                let open_id = OpenId::parse(&reply.openid).map_err(|_| CallError::Garbled(200))?;
                Ok(Exchange::Known(WechatIdentity { app_id: account.app_id, open_id }))
            }
            Err(WechatError::Refused(40029 | 40163 | 42003)) => Ok(Exchange::CodeVoid),
            Err(error) => Err(error),
        }
    }
}
