//! One request as the endpoints see it, and what they answer.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

/// A request, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// As sent, still percent-encoded.
    pub(crate) path: String,
    /// As sent, without the question mark.
    pub(crate) query: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    pub(crate) now: Timestamp,
}

impl Call {
    /// The path with its query, which is what v3 signs.
    pub(crate) fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }

    /// A parameter of the query; one that is empty counts as missing.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        field(self.query.as_bytes(), name)
    }

    /// A field of a posted form.
    pub(crate) fn form(&self, name: &str) -> Option<String> {
        field(&self.body, name)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

fn field(encoded: &[u8], name: &str) -> Option<String> {
    let found = url::form_urlencoded::parse(encoded).find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    fn new(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self { status, headers: vec![("Content-Type", content_type.to_owned())], body }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json; charset=utf-8", body.to_string().into_bytes())
    }

    pub(crate) fn html(status: u16, body: String) -> Self {
        Self::new(status, "text/html; charset=utf-8", body.into_bytes())
    }

    /// A body that is given as text and may be JSON.
    pub(crate) fn raw(status: u16, body: &str) -> Self {
        Self::new(status, "application/json; charset=utf-8", body.as_bytes().to_vec())
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        Self { status, headers: vec![("Location", to.to_owned())], body: Vec::new() }
    }

    /// A failure of the MP: always HTTP 200.
    pub(crate) fn errcode(code: i64, message: &str) -> Self {
        Self::json(200, &serde_json::json!({ "errcode": code, "errmsg": message }))
    }
}

/// Escapes text for HTML and for attributes in quotes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
