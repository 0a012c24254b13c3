//! Template messages: sending one, and knowing what its template says.
//!
//! A template's content is asked for when the first message needs it and stored, so that neither a restart nor a WeChat
//! whose lists are away stops messages. It is asked for again when WeChat refuses a message for its content, and after the
//! clinic has chosen the template anew.
//!
//! Source: template message pages at <https://developers.weixin.qq.com/doc/service/>.

use std::collections::BTreeMap;

use domain::{OpenId, TenantId};
use serde::{Deserialize, Serialize};
use storage::records::MessageTemplateRecord;
use storage::{Commit, keys};
use thiserror::Error;

use super::lending::is_of_token;
use super::outgoing::{CallError, Outgoing, Reply};
use super::{Wechat, WechatError};

/// The longest name of a place that is taken over from an errmsg, in bytes.
const MAX_PLACE_BYTES: usize = 40;

/// A message that is to be sent.
#[derive(Clone, Copy)]
pub struct TemplateMessage<'a> {
    /// To whom.
    pub to: &'a OpenId,
    /// As which template.
    pub template_id: &'a str,
    /// Where it leads; a message without it leads nowhere.
    pub url: Option<&'a str>,
    /// Of two messages to one person with the same id WeChat sends one, within ten minutes.
    pub client_msg_id: &'a str,
    /// The value of each place.
    pub data: &'a [(String, String)],
}

/// Why a message was not sent, or perhaps not.
#[derive(Debug, Error)]
pub enum Unsent {
    /// The person does not follow the account (43004).
    #[error("the person does not follow the account")]
    NotFollowing,
    /// The person takes no such messages (43101).
    #[error("the person takes no such messages")]
    Declined,
    /// The account does not know the person (40003).
    #[error("the account does not know the person")]
    UnknownPerson,
    /// The template is not there or not permitted any more (40036, 40037, 43116).
    #[error("the template cannot be used: errcode {0}")]
    Template(i64),
    /// A value is not what its place takes (47003); WeChat names the place mostly.
    #[error("WeChat does not take the value of a place")]
    Value(Option<String>),
    /// The account may not send messages (48001, 48004).
    #[error("the account may not send messages: errcode {0}")]
    NoRight(i64),
    /// The account has sent as many messages as it may in a day (45009).
    #[error("the account may send no more messages today")]
    Quota,
    /// WeChat refused it for another reason.
    #[error("WeChat answered with errcode {0}")]
    Other(i64),
    /// There is no answer that counts; perhaps it was sent.
    #[error(transparent)]
    Failed(WechatError),
}

#[derive(Serialize)]
struct SendRequest<'a> {
    touser: &'a str,
    template_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    client_msg_id: &'a str,
    data: BTreeMap<&'a str, Field<'a>>,
}

#[derive(Serialize)]
struct Field<'a> {
    value: &'a str,
}

#[derive(Deserialize)]
struct SendReply {
    #[serde(default)]
    errcode: i64,
    #[serde(default)]
    errmsg: String,
    msgid: Option<u64>,
}

impl Wechat {
    /// Sends a message; answers the number that WeChat gave it. That it was taken does not mean that it arrives.
    ///
    /// # Errors
    /// [`Unsent`], within [`DEADLINE`](super::DEADLINE).
    pub async fn send_template(&self, tenant: TenantId, message: TemplateMessage<'_>) -> Result<u64, Unsent> {
        let url = format!("{}/cgi-bin/message/template/send", self.api_base);
        let data = message.data.iter().map(|(name, value)| (name.as_str(), Field { value }));
        let body = SendRequest {
            touser: message.to.as_str(),
            template_id: message.template_id,
            url: message.url,
            client_msg_id: message.client_msg_id,
            data: data.collect(),
        };
        let answer = self.with_token(tenant, async |token| {
            let request = self.outgoing.client().post(&url).query(&[("access_token", token)]).json(&body);
            answered(&Outgoing::send(request).await?)
        });
        match answer.await {
            Ok(SendReply { errcode: 0, msgid: Some(id), .. }) => Ok(id),
            Ok(SendReply { errcode: 0, .. }) => Err(Unsent::Failed(CallError::Garbled(200).into())),
            Ok(SendReply { errcode, errmsg, .. }) => Err(refusal(errcode, &errmsg)),
            Err(WechatError::Refused(errcode)) => Err(refusal(errcode, "")),
            Err(error) => Err(Unsent::Failed(error)),
        }
    }

    /// What the template of a type says, as it is stored or as WeChat tells; `None` when the account has no such template.
    ///
    /// # Errors
    /// [`WechatError`]
    pub async fn template_content(
        &self,
        tenant: TenantId,
        (template_type, template_id): (u8, &str),
    ) -> Result<Option<String>, WechatError> {
        let stored = self.storage.get(&keys::message_template(tenant, template_type))?;
        match stored.map(|stored| stored.record).filter(|record| record.template_id == template_id) {
            Some(record) => Ok(Some(record.content)),
            None => self.learn_template(tenant, (template_type, template_id)).await,
        }
    }

    /// Asks WeChat what the template of a type says, and stores it.
    ///
    /// # Errors
    /// [`WechatError`]
    pub async fn learn_template(
        &self,
        tenant: TenantId,
        (template_type, template_id): (u8, &str),
    ) -> Result<Option<String>, WechatError> {
        let listed = self.templates(tenant).await?;
        let Some(template) = listed.into_iter().find(|template| template.template_id == template_id) else {
            self.forget_template(tenant, template_type).await?;
            return Ok(None);
        };
        let record = MessageTemplateRecord {
            template_id: template.template_id,
            content: template.content,
            told_at: self.clock.now(),
        };
        let mut commit = Commit::new();
        commit.put(&keys::message_template(tenant, template_type), &record);
        self.storage.commit(commit).await.map_err(WechatError::Commit)?;
        Ok(Some(record.content))
    }

    /// Forgets what the template of a type says, so that the next message asks.
    ///
    /// # Errors
    /// [`WechatError::Commit`]
    pub async fn forget_template(&self, tenant: TenantId, template_type: u8) -> Result<(), WechatError> {
        let key = keys::message_template(tenant, template_type);
        if self.storage.contains(&key)? {
            let mut commit = Commit::new();
            commit.delete(&key);
            self.storage.commit(commit).await.map_err(WechatError::Commit)?;
        }
        Ok(())
    }
}

/// The reply, unless it says that the token is bad or that WeChat is busy: both are for whoever calls again.
fn answered(reply: &Reply) -> Result<SendReply, WechatError> {
    let garbled = || WechatError::Call(CallError::Garbled(reply.status));
    if reply.status != 200 {
        return Err(garbled());
    }
    let read: SendReply = serde_json::from_slice(&reply.body).map_err(|_| garbled())?;
    let refused = WechatError::Refused(read.errcode);
    match read.errcode {
        -1 => Err(garbled()),
        _ if is_of_token(&refused) => Err(refused),
        _ => Ok(read),
    }
}

fn refusal(errcode: i64, errmsg: &str) -> Unsent {
    match errcode {
        43004 => Unsent::NotFollowing,
        43101 => Unsent::Declined,
        40003 => Unsent::UnknownPerson,
        40036 | 40037 | 43116 => Unsent::Template(errcode),
        47003 => Unsent::Value(blamed_place(errmsg)),
        48001 | 48004 => Unsent::NoRight(errcode),
        45009 => Unsent::Quota,
        _ => Unsent::Other(errcode),
    }
}

/// `thing1` of `argument invalid! data.thing1.value invalid`. Nothing else of an errmsg is taken over: it may repeat a
/// value.
fn blamed_place(errmsg: &str) -> Option<String> {
    let (_, rest) = errmsg.split_once("data.")?;
    let (place, _) = rest.split_once(".value")?;
    let is_name = !place.is_empty()
        && place.len() <= MAX_PLACE_BYTES
        && place.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then(|| place.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_place_of_a_message_is_taken_over() {
        let message = "argument invalid! data.thing1.value invalid rid: 6a1b2c3d-12345678-0abcdef1";
        assert_eq!(blamed_place(message).as_deref(), Some("thing1"));
        assert_eq!(
            blamed_place("argument invalid! data.character_string9.value is emtpy").as_deref(),
            Some("character_string9")
        );
        for other in ["", "argument invalid!", "data.张三.value", "data..value", "data.thing1"] {
            assert_eq!(blamed_place(other), None, "{other}");
        }
    }

    /// Seen to fail when 45009 was one of the other codes.
    #[test]
    fn what_is_refused_is_told_apart() {
        assert!(matches!(refusal(43004, ""), Unsent::NotFollowing));
        assert!(matches!(refusal(43101, ""), Unsent::Declined));
        assert!(matches!(refusal(40003, ""), Unsent::UnknownPerson));
        for errcode in [40036, 40037, 43116] {
            assert!(matches!(refusal(errcode, ""), Unsent::Template(same) if same == errcode));
        }
        assert!(
            matches!(refusal(47003, "data.name2.value invalid"), Unsent::Value(Some(place)) if place == "name2")
        );
        for errcode in [48001, 48004] {
            assert!(matches!(refusal(errcode, ""), Unsent::NoRight(same) if same == errcode));
        }
        assert!(matches!(refusal(45009, ""), Unsent::Quota));
        assert!(matches!(refusal(50002, ""), Unsent::Other(50002)));
    }
}
