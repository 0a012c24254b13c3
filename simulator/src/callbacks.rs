//! Events of a service account, as they are posted to the account's server, and what its answer has to be.
//!
//! Source: callback and encryption pages at <https://developers.weixin.qq.com/doc/service/>.

use jiff::Timestamp;
use url::Url;

use crate::accounts::{Callback, CallbackMode};
use crate::outbox::{Message, Post, Twist};
use crate::signatures::{self, CallbackKey, Refused};
use crate::world::World;

/// An event, still plain.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    app_id: String,
    pub(crate) open_id: String,
    pub(crate) name: String,
    xml: String,
}

impl World {
    /// Queues an event, if the account has a server. Retries carry the same `CreateTime`, by which they are known.
    pub(crate) fn event(
        &mut self,
        app_id: &str,
        open_id: &str,
        name: &str,
        fields: &[(&str, String)],
        now: Timestamp,
    ) {
        let Some(app) = self.apps.get(app_id) else { return };
        let Some(callback) = &app.app.callback else { return };
        let mut xml = format!(
            "<xml><ToUserName><![CDATA[{}]]></ToUserName><FromUserName><![CDATA[{open_id}]]></FromUserName>\
             <CreateTime>{}</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{name}]]></Event>",
            app.app.account,
            now.as_second(),
        );
        for (key, value) in fields {
            if value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() {
                xml.push_str(&format!("<{key}>{value}</{key}>"));
            } else {
                xml.push_str(&format!("<{key}><![CDATA[{value}]]></{key}>"));
            }
        }
        xml.push_str("</xml>");
        let (app_id, open_id, name) = (app_id.to_owned(), open_id.to_owned(), name.to_owned());
        let url = callback.url.clone();
        self.outbox.queue(Message::Event(Event { app_id, open_id, name, xml }), &url, now);
    }

    /// Somebody follows the account or leaves it, and the account is told.
    pub(crate) fn follow(&mut self, app_id: &str, open_id: &str, follows: bool, now: Timestamp) -> bool {
        let person = self
            .apps
            .get_mut(app_id)
            .and_then(|app| app.app.people.iter_mut().find(|person| person.open_id == open_id));
        let Some(person) = person else { return false };
        person.follows = follows;
        let name = if follows { "subscribe" } else { "unsubscribe" };
        self.event(app_id, open_id, name, &[("EventKey", String::new())], now);
        true
    }

    /// The request of one try.
    pub(crate) fn event_post(
        &mut self,
        event: &Event,
        url: &str,
        twist: Option<Twist>,
        now: Timestamp,
    ) -> Option<Post> {
        let (nonce, random) = (self.chance.digits(10), self.chance.bytes());
        let app = self.apps.get(&event.app_id)?;
        let callback = app.app.callback.as_ref()?;
        let (mut address, timestamp) = signed_address(callback, url, &nonce, now)?;
        address.query_pairs_mut().append_pair("openid", &event.open_id);
        let body = match callback.mode.key() {
            None => event.xml.clone(),
            Some(key) => {
                let encrypted =
                    CallbackKey::new(key, &event.app_id).ok()?.encrypt(random, &event.xml).ok()?;
                let signature = signatures::of_sorted(&[&callback.token, &timestamp, &nonce, &encrypted]);
                let signature =
                    if twist == Some(Twist::WrongSignature) { turned(&signature) } else { signature };
                address
                    .query_pairs_mut()
                    .append_pair("encrypt_type", "aes")
                    .append_pair("msg_signature", &signature);
                let encrypted = format!("<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>");
                match callback.mode {
                    CallbackMode::Compatible(_) => event.xml.replace("</xml>", &encrypted),
                    CallbackMode::Plain | CallbackMode::Safe(_) => {
                        let account = &app.app.account;
                        format!("<xml><ToUserName><![CDATA[{account}]]></ToUserName>{encrypted}")
                    }
                }
            }
        };
        let mut url = address.to_string();
        if twist == Some(Twist::WrongSignature) && callback.mode.key().is_none() {
            url = url.replacen("signature=", "signature=0", 1);
        }
        let headers = vec![("Content-Type", "text/xml".to_owned()), ("User-Agent", "Mozilla/4.0".to_owned())];
        Some(Post { url, headers, body })
    }

    /// The address of 服务器配置's check, with the text that has to come back.
    pub(crate) fn verification(&mut self, app_id: &str, now: Timestamp) -> Option<(String, String)> {
        let (nonce, echo) = (self.chance.digits(10), self.chance.digits(19));
        let callback = self.apps.get(app_id)?.app.callback.clone()?;
        let (mut address, _) = signed_address(&callback, &callback.url, &nonce, now)?;
        address.query_pairs_mut().append_pair("echostr", &echo);
        Some((self.outbox.resolved(address.as_str()), echo))
    }

    /// Whether WeChat takes this as an answer: `success`, nothing, or a reply in XML, encrypted where the mode asks for it.
    pub(crate) fn event_answer(&self, event: &Event, status: u16, body: &str) -> Result<(), String> {
        if status != 200 {
            return Err(format!("HTTP {status}"));
        }
        let body = body.trim();
        if body.is_empty() || body == "success" {
            return Ok(());
        }
        let callback = self.apps.get(&event.app_id).and_then(|app| app.app.callback.as_ref());
        let callback = callback.ok_or("the account has no server")?;
        let plain = match (&callback.mode, value(body, "Encrypt")) {
            (CallbackMode::Safe(key), Some(_)) | (CallbackMode::Compatible(key), Some(_)) => {
                open_reply(callback, key, &event.app_id, body).map_err(|refused| refused.to_string())?
            }
            (CallbackMode::Safe(_), None) => return Err("the reply is not encrypted".to_owned()),
            (CallbackMode::Plain | CallbackMode::Compatible(_), _) => body.to_owned(),
        };
        match value(&plain, "ToUserName") {
            Some(to) if to == event.open_id => Ok(()),
            _ => Err("该公众号暂时无法提供服务".to_owned()),
        }
    }
}

/// The callback's address with signature, timestamp and nonce; and the timestamp.
fn signed_address(callback: &Callback, url: &str, nonce: &str, now: Timestamp) -> Option<(Url, String)> {
    let timestamp = now.as_second().to_string();
    let signature = signatures::of_sorted(&[&callback.token, &timestamp, nonce]);
    let mut address = Url::parse(url).ok()?;
    address
        .query_pairs_mut()
        .append_pair("signature", &signature)
        .append_pair("timestamp", &timestamp)
        .append_pair("nonce", nonce);
    Some((address, timestamp))
}

/// The same digits, turned round: of the right form and wrong.
fn turned(signature: &str) -> String {
    signature.chars().rev().collect()
}

fn open_reply(callback: &Callback, key: &str, app_id: &str, body: &str) -> Result<String, Refused> {
    let part = |name: &str| value(body, name).ok_or(Refused::Malformed);
    let encrypted = part("Encrypt")?;
    let expected =
        signatures::of_sorted(&[&callback.token, &part("TimeStamp")?, &part("Nonce")?, &encrypted]);
    if expected != part("MsgSignature")? {
        return Err(Refused::Signature);
    }
    CallbackKey::new(key, app_id)?.decrypt(&encrypted)
}

/// The text of the first element of this name, without its CDATA.
fn value(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let plain = text.strip_prefix("<![CDATA[").and_then(|text| text.strip_suffix("]]>"));
    Some(plain.unwrap_or(text).to_owned())
}
