//! The message templates that the account has at WeChat (我的模板).

use domain::TenantId;
use serde::Deserialize;

use super::{Wechat, WechatError};

/// A template. What WeChat leaves out, as for the industries of some, is empty.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MessageTemplate {
    /// Its id.
    pub template_id: String,
    /// Its title.
    pub title: String,
    /// The first industry of the account it belongs to.
    pub primary_industry: String,
    /// The second one.
    pub deputy_industry: String,
    /// Lines with places such as `{{thing1.DATA}}`.
    pub content: String,
    /// A filled-in example.
    pub example: String,
}

impl Default for MessageTemplate {
    fn default() -> Self {
        let empty = String::new;
        Self {
            template_id: empty(),
            title: empty(),
            primary_industry: empty(),
            deputy_industry: empty(),
            content: empty(),
            example: empty(),
        }
    }
}

#[derive(Deserialize)]
struct TemplatesReply {
    template_list: Vec<MessageTemplate>,
}

impl Wechat {
    /// All templates of the clinic's account, as WeChat has them now.
    ///
    /// # Errors
    /// [`WechatError`]
    pub async fn templates(&self, tenant: TenantId) -> Result<Vec<MessageTemplate>, WechatError> {
        let url = format!("{}/cgi-bin/template/get_all_private_template", self.api_base);
        let answer = self.with_token(tenant, async |token| {
            let request = self.outgoing.client().get(&url).query(&[("access_token", token)]);
            self.call::<TemplatesReply>("templates", request).await
        });
        Ok(answer.await?.template_list)
    }
}
