//! The policy of a form upload (PostObject): what the form must look like, and until when it is taken.
//!
//! <https://help.aliyun.com/zh/oss/developer-reference/postobject>, section Policy.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;
use serde_json::{Value, json};

/// Permission for one object.
#[derive(Debug)]
pub struct Grant<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The only key.
    pub key: &'a str,
    /// The only content type.
    pub content_type: &'a str,
    /// The largest object, in bytes; the smallest has one.
    pub max_bytes: u64,
    /// When the permission ends.
    pub expires_at: Timestamp,
}

impl Grant<'_> {
    /// The policy as JSON.
    pub fn to_json(&self) -> String {
        let policy = json!({
            "expiration": iso_8601(self.expires_at),
            "conditions": [
                {"bucket": self.bucket},
                ["eq", "$key", self.key],
                ["content-length-range", 1, self.max_bytes],
                ["eq", "$content-type", self.content_type],
            ],
        });
        policy.to_string()
    }
}

/// Such as `2026-12-01T12:00:00.000Z`.
fn iso_8601(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A policy as a store reads it.
#[derive(Debug, PartialEq)]
pub struct Policy {
    expiration: Timestamp,
    conditions: Vec<Condition>,
}

#[derive(Debug, PartialEq)]
struct Condition {
    /// As it stands in the policy, for the message to whoever does not meet it.
    text: String,
    test: Test,
}

#[derive(Debug, PartialEq)]
enum Test {
    Equals { field: String, value: String },
    StartsWith { field: String, start: String },
    In { field: String, values: Vec<String> },
    NotIn { field: String, values: Vec<String> },
    Length { least: u64, most: u64 },
}

/// The text is no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a policy")]
pub struct NotAPolicy;

/// Why a form is not what the policy permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// It came too late.
    Expired,
    /// It does not meet this condition, given as it stands in the policy.
    Condition(String),
}

impl Policy {
    /// Reads a policy in base64.
    ///
    /// # Errors
    /// It is no base64, no JSON, or holds something that no policy holds.
    pub fn parse(base64: &str) -> Result<Self, NotAPolicy> {
        let json = STANDARD.decode(base64).map_err(|_| NotAPolicy)?;
        let Ok(Value::Object(policy)) = serde_json::from_slice(&json) else { return Err(NotAPolicy) };
        let (Some(Value::String(expiration)), Some(Value::Array(conditions)), 2) =
            (policy.get("expiration"), policy.get("conditions"), policy.len())
        else {
            return Err(NotAPolicy);
        };
        let expiration: jiff::Timestamp = expiration.parse().map_err(|_| NotAPolicy)?;
        let expiration = Timestamp::from_millis(expiration.as_millisecond());
        if conditions.is_empty() {
            return Err(NotAPolicy);
        }
        let conditions = conditions.iter().map(Condition::parse).collect::<Result<_, _>>()?;
        Ok(Self { expiration, conditions })
    }

    /// Compares everything but the length with the form, whose fields `value_of` finds by their lower-case names;
    /// one that is not there is none.
    ///
    /// # Errors
    /// The first thing that is not as it should be.
    pub fn check<'f>(&self, now: Timestamp, value_of: impl Fn(&str) -> Option<&'f str>) -> Result<(), Unmet> {
        if self.expiration <= now {
            return Err(Unmet::Expired);
        }
        let unmet = self.conditions.iter().find(|condition| !condition.test.is_met(&value_of));
        unmet.map_or(Ok(()), |condition| Err(Unmet::Condition(condition.text.clone())))
    }

    /// The least and the greatest length that all conditions permit, in bytes.
    pub fn length(&self) -> (u64, u64) {
        let ranges = self.conditions.iter().filter_map(|condition| match condition.test {
            Test::Length { least, most } => Some((least, most)),
            Test::Equals { .. } | Test::StartsWith { .. } | Test::In { .. } | Test::NotIn { .. } => None,
        });
        ranges.fold((0, u64::MAX), |all, range| (all.0.max(range.0), all.1.min(range.1)))
    }
}

impl Condition {
    fn parse(condition: &Value) -> Result<Self, NotAPolicy> {
        let test = match condition {
            Value::Object(equal) => match equal.iter().next() {
                Some((field, Value::String(value))) if equal.len() == 1 => {
                    Test::Equals { field: field.to_ascii_lowercase(), value: value.clone() }
                }
                _ => return Err(NotAPolicy),
            },
            Value::Array(parts) => Test::parse(parts)?,
            _ => return Err(NotAPolicy),
        };
        Ok(Self { text: condition.to_string(), test })
    }
}

impl Test {
    fn parse(parts: &[Value]) -> Result<Self, NotAPolicy> {
        let [Value::String(operator), first, second] = parts else { return Err(NotAPolicy) };
        if operator == "content-length-range" {
            let (least, most) = first.as_u64().zip(second.as_u64()).ok_or(NotAPolicy)?;
            return Ok(Self::Length { least, most });
        }
        let field = first.as_str().and_then(|name| name.strip_prefix('$')).ok_or(NotAPolicy)?;
        let field = field.to_ascii_lowercase();
        match (operator.as_str(), second) {
            ("eq", Value::String(value)) => Ok(Self::Equals { field, value: value.clone() }),
            ("starts-with", Value::String(start)) => Ok(Self::StartsWith { field, start: start.clone() }),
            ("in", Value::Array(values)) => Ok(Self::In { field, values: texts(values)? }),
            ("not-in", Value::Array(values)) => Ok(Self::NotIn { field, values: texts(values)? }),
            _ => Err(NotAPolicy),
        }
    }

    fn is_met<'f>(&self, value_of: &impl Fn(&str) -> Option<&'f str>) -> bool {
        match self {
            Self::Equals { field, value } => value_of(field) == Some(value),
            Self::StartsWith { field, start } => {
                value_of(field).is_some_and(|value| value.starts_with(start))
            }
            Self::In { field, values } => {
                value_of(field).is_some_and(|value| values.iter().any(|one| one == value))
            }
            Self::NotIn { field, values } => {
                value_of(field).is_some_and(|value| values.iter().all(|one| one != value))
            }
            // Known only when the file has been read.
            Self::Length { .. } => true,
        }
    }
}

fn texts(values: &[Value]) -> Result<Vec<String>, NotAPolicy> {
    values.iter().map(|value| value.as_str().map(str::to_owned).ok_or(NotAPolicy)).collect()
}
