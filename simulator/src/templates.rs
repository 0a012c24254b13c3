//! Template messages: the account's list, and sending.
//!
//! Source: template message pages at <https://developers.weixin.qq.com/doc/service/>; limits of the fields as in the
//! subscription message page, which category templates share.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::accounts::Template;
use crate::http::{Call, Reply};
use crate::mp::{AppState, Errcode, is_post};
use crate::world::World;

const SAME_ID_WITHIN: SignedDuration = SignedDuration::from_secs(600);

/// A message that was accepted.
#[derive(Clone, Debug)]
pub struct SentMessage {
    /// When.
    pub at: Timestamp,
    /// By which account.
    pub app_id: String,
    /// `msgid`.
    pub msg_id: i64,
    /// `touser`.
    pub open_id: String,
    /// `template_id`.
    pub template_id: String,
    /// `url`, empty when the message cannot be clicked.
    pub url: String,
    /// `client_msg_id`, empty when it has none.
    pub client_msg_id: String,
    /// The placeholders and their values.
    pub data: Vec<(String, String)>,
    /// The message as it is shown: the template's content, filled in.
    pub text: String,
}

impl World {
    /// `GET /cgi-bin/template/get_all_private_template`; a success has no errcode.
    pub(crate) fn templates(&mut self, call: &Call) -> Result<Reply, Errcode> {
        let app = self.app_of_token(call)?;
        let list: Vec<Value> = app.app.templates.iter().map(listed).collect();
        Ok(Reply::json(200, &json!({ "template_list": list })))
    }

    /// `POST /cgi-bin/message/template/send`. Accepted is not delivered; the event tells that.
    pub(crate) fn template_send(&mut self, call: &Call) -> Result<Reply, Errcode> {
        is_post(call)?;
        let msg_id = 4_000_000_000_000_000_000 + i64::try_from(self.messages()).unwrap_or(0);
        let app = self.app_of_token(call)?;
        let body = call.json().filter(Value::is_object).ok_or(Errcode::new(47001, "data format error"))?;
        let sent = app.accept(msg_id, &body, call.now)?;
        let reply = Reply::json(200, &json!({ "errcode": 0, "errmsg": "ok", "msgid": sent.msg_id }));
        if sent.msg_id == msg_id {
            self.tell_of_delivery(&sent);
        }
        Ok(reply)
    }

    fn messages(&self) -> usize {
        self.apps.values().map(|app| app.sent.len()).sum::<usize>() + 1
    }

    fn tell_of_delivery(&mut self, sent: &SentMessage) {
        let people = self.apps.get(&sent.app_id).map(|app| app.app.people.as_slice()).unwrap_or_default();
        let blocked = people.iter().any(|person| person.open_id == sent.open_id && person.blocks);
        let status = if blocked { "failed:user block" } else { "success" };
        let fields = [("MsgID", sent.msg_id.to_string()), ("Status", status.to_owned())];
        self.event(&sent.app_id, &sent.open_id, "TEMPLATESENDJOBFINISH", &fields, sent.at);
    }
}

impl AppState {
    /// Takes a message in; the former one, when the same `client_msg_id` has been sent to the same person.
    fn accept(&mut self, msg_id: i64, body: &Value, now: Timestamp) -> Result<SentMessage, Errcode> {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (open_id, client_msg_id) = (text("touser"), text("client_msg_id"));
        let person = self.app.people.iter().find(|person| person.open_id == open_id);
        let person = person.ok_or(Errcode::new(40003, "invalid openid"))?;
        let template = self.template(&text("template_id"))?;
        if !person.follows {
            return Err(Errcode::new(43004, "require subscribe"));
        }
        if person.refuses {
            return Err(Errcode::new(43101, "user refuse to accept the msg"));
        }
        let data = checked(&template.content, body["data"].as_object())?;
        let same = self.sent.iter().find(|sent| {
            !client_msg_id.is_empty()
                && sent.client_msg_id == client_msg_id
                && sent.open_id == open_id
                && now.duration_since(sent.at) < SAME_ID_WITHIN
        });
        if let Some(same) = same {
            // Documented is that it is sent once. What the repeat is answered is not; this is the kindest reading.
            return Ok(same.clone());
        }
        let shown = data.iter().fold(template.content.clone(), |text, (key, value)| {
            text.replace(&format!("{{{{{key}.DATA}}}}"), value)
        });
        let sent = SentMessage {
            at: now,
            app_id: self.app.app_id.clone(),
            msg_id,
            open_id,
            template_id: template.template_id.clone(),
            url: text("url"),
            client_msg_id,
            data,
            text: shown,
        };
        self.sent.push(sent.clone());
        Ok(sent)
    }

    fn template(&self, template_id: &str) -> Result<&Template, Errcode> {
        let templates = &self.app.templates;
        match templates.iter().find(|template| template.template_id == template_id) {
            Some(template) => Ok(template),
            None if template_id.len() != 43 => Err(Errcode::new(40036, "invalid template_id size")),
            None => Err(Errcode::new(40037, "invalid template_id")),
        }
    }
}

fn listed(template: &Template) -> Value {
    json!({
        "template_id": template.template_id,
        "title": template.title,
        "primary_industry": "医药护理",
        "deputy_industry": "医药医疗",
        "content": template.content,
        "example": template.example,
    })
}

/// The value of each placeholder, in the order of the content; a key that the content does not have is ignored.
fn checked(content: &str, data: Option<&Map<String, Value>>) -> Result<Vec<(String, String)>, Errcode> {
    let none = Map::new();
    let data = data.unwrap_or(&none);
    let mut values = Vec::new();
    for key in placeholders(content) {
        let value = data.get(key).and_then(|field| field["value"].as_str()).unwrap_or_default();
        if value.is_empty() {
            // The real message is spelled like this.
            return Err(Errcode::new(47003, format!("argument invalid! data.{key}.value is emtpy")));
        }
        if !fits(key, value) {
            return Err(Errcode::new(47003, format!("argument invalid! data.{key}.value invalid")));
        }
        values.push((key.to_owned(), value.to_owned()));
    }
    Ok(values)
}

/// `thing1` of `{{thing1.DATA}}`.
fn placeholders(content: &str) -> impl Iterator<Item = &str> {
    content.split("{{").skip(1).filter_map(|rest| rest.split_once(".DATA}}").map(|(key, _)| key))
}

/// Whether a value is within the limits of its field's type. Keyword templates of old cut silently.
fn fits(key: &str, value: &str) -> bool {
    let length = value.chars().count();
    let kind = key.trim_end_matches(|letter: char| letter.is_ascii_digit());
    if value.contains(['\n', '\r']) && !matches!(kind, "first" | "keyword" | "remark") {
        return false;
    }
    let digit = |letter: char| letter.is_ascii_digit();
    match kind {
        "thing" | "const" | "enum" => length <= 20,
        "short_thing" => length <= 5,
        "character_string" => length <= 32 && value.bytes().all(|byte| (0x20..0x7F).contains(&byte)),
        "number" => length <= 32 && value.chars().all(|letter| digit(letter) || letter == '.'),
        "letter" => length <= 32 && value.chars().all(|letter| letter.is_ascii_alphabetic()),
        "symbol" => length <= 5 && !value.chars().any(char::is_alphanumeric),
        "time" | "date" => value.contains(digit) && length <= 40,
        "amount" => value.chars().filter(|letter| digit(*letter)).count() <= 12 && value.contains(digit),
        "phone_number" => length <= 17 && !value.chars().any(char::is_alphabetic),
        "car_number" => length <= 8,
        "name" => {
            if value.is_ascii() {
                length <= 20
            } else {
                length <= 10
            }
        }
        "phrase" => length <= 5 && value.chars().all(|letter| ('\u{4E00}'..='\u{9FFF}').contains(&letter)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_judged_by_the_type_of_its_field() {
        let rows = [
            ("thing1", "二十个字正好二十个字正好二十个字正好二十", true),
            ("thing1", "二十个字正好二十个字正好二十个字正好二十一", false),
            ("thing1", "两\n行", false),
            ("character_string2", "B-2026/7", true),
            ("character_string2", "号7", false),
            ("number3", "12.5", true),
            ("number3", "十二", false),
            ("phrase4", "已挂号", true),
            ("phrase4", "已经挂上号了", false),
            ("name5", "欧阳娜娜", true),
            ("name5", "一二三四五六七八九十一", false),
            ("time6", "2026年12月1日 08:30", true),
            ("time6", "明天上午", false),
            ("amount7", "¥12.50", true),
            ("phone_number8", "0571-8765 4321", true),
            ("phone_number8", "电话8765", false),
            ("keyword9", "行\n行", true),
        ];
        for (key, value, fitting) in rows {
            assert_eq!(fits(key, value), fitting, "{key} {value}");
        }
    }

    #[test]
    fn placeholders_are_read_from_the_content() {
        let found: Vec<&str> = placeholders("就诊人:{{name1.DATA}}\n{{thing2.DATA}} {{x").collect();
        assert_eq!(found, ["name1", "thing2"]);
    }
}
