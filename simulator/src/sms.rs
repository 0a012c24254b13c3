//! The webhook that sends short messages: it keeps what it is asked to send.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::http::{Call, Reply};
use crate::world::World;

/// A short message that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmsMessage {
    /// When.
    pub at: Timestamp,
    /// The clinic.
    pub tenant_id: String,
    /// To whom.
    pub phone: String,
    /// The template's name.
    pub template: String,
    /// The code, for messages that carry one.
    pub code: Option<String>,
    /// The gaps of a notice and what stands in them.
    pub params: BTreeMap<String, String>,
}

/// Who is told of short messages as they are accepted.
#[derive(Clone)]
pub struct Texts(Arc<dyn Fn(&SmsMessage) + Send + Sync>);

impl Texts {
    /// Tells `of` each message. It is called while nothing else is answered, so it must not wait.
    pub fn new(of: impl Fn(&SmsMessage) + Send + Sync + 'static) -> Self {
        Self(Arc::new(of))
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Texts")
    }
}

#[derive(Deserialize)]
struct Posted {
    #[serde(rename = "tenantId")]
    tenant_id: String,
    phone: String,
    template: String,
    code: Option<String>,
    #[serde(default)]
    params: BTreeMap<String, String>,
}

impl World {
    /// `POST /sms`: 200 when it has the documented fields, 400 when it has not.
    pub(crate) fn sms(&mut self, call: &Call) -> Reply {
        if call.method != "POST" {
            return Reply::empty(405);
        }
        match serde_json::from_slice::<Posted>(&call.body) {
            Ok(Posted { tenant_id, phone, template, code, params }) => {
                let message = SmsMessage { at: call.now, tenant_id, phone, template, code, params };
                if let Some(Texts(tell)) = &self.texts {
                    tell(&message);
                }
                self.sms.push(message);
                Reply::json(200, &json!({}))
            }
            Err(error) => Reply::json(400, &json!({ "error": error.to_string() })),
        }
    }
}
