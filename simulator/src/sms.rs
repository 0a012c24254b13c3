//! The webhook that sends short messages: it keeps what it is asked to send.

use std::collections::BTreeMap;

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
                self.sms.push(SmsMessage { at: call.now, tenant_id, phone, template, code, params });
                Reply::json(200, &json!({}))
            }
            Err(error) => Reply::json(400, &json!({ "error": error.to_string() })),
        }
    }
}
