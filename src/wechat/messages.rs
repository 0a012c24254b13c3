//! What a template message says: which of the clinic's facts goes into which place of a template, in the form that the
//! place can hold.
//!
//! A template is known by its content, lines such as `就诊人:{{name1.DATA}}`. The label in front of a place tells what
//! belongs there, the name of the place what it can hold. A message is put together whole or refused before WeChat is
//! called, with a reason that names the place and none of the values. Nothing here knows HTTP, storage or the time.

mod fields;
mod labels;

use std::collections::BTreeMap;

use thiserror::Error;

pub use fields::Value;
pub use labels::Topic;

use fields::FieldKind;

/// The most places that are read of a template; WeChat's have some ten.
const MAX_PLACES: usize = 32;

/// The longest name of a place, in bytes.
const MAX_NAME_BYTES: usize = 40;

/// What marks the two ends of a place.
const OPENING: &str = "{{";
const CLOSING: &str = "}}";

/// What is known of a visit, or of whatever a message is about.
pub type Facts = BTreeMap<Topic, Value>;

/// Why a message cannot be put together. The text is for the clinic's staff.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unfilled {
    /// The content has no places: it is no template.
    #[error("the template has no places to fill")]
    NoPlaces,
    /// Nothing is known that belongs there.
    #[error("template place {0} has no value")]
    NoValue(String),
    /// What belongs there is nothing that such a place can hold.
    #[error("template place {0} cannot hold its value")]
    WrongType(String),
    /// A value was given for a place that is not there.
    #[error("the template has no place {0}")]
    UnknownPlace(String),
}

/// The places of a template, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content(Vec<Place>);

/// A place that is to be filled.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// `thing1`
    name: String,
    /// What stands in front of it, without the colon.
    label: String,
}

impl Content {
    /// Reads the content of a template as WeChat lists it. Whatever is no place is text.
    pub fn parse(content: &str) -> Self {
        let mut places: Vec<Place> = Vec::new();
        let mut rest = content;
        while let Some((before, after)) = rest.split_once(OPENING) {
            let Some((inner, behind)) = after.split_once(CLOSING) else { break };
            let name = inner.trim().strip_suffix(".DATA").map(str::trim).filter(|name| is_name(name));
            if let Some(name) = name
                && places.len() < MAX_PLACES
                && places.iter().all(|place| place.name != name)
            {
                places.push(Place { name: name.to_owned(), label: label_of(before) });
            }
            rest = behind;
        }
        Self(places)
    }

    /// The value of each place: one that was given for it by its name or label, else the fact of its label.
    ///
    /// # Errors
    /// [`Unfilled`] when a place would stay empty or could not hold its value, or a given value has no place.
    pub fn fill(&self, facts: &Facts, given: &[(String, String)]) -> Result<Vec<(String, String)>, Unfilled> {
        if self.0.is_empty() {
            return Err(Unfilled::NoPlaces);
        }
        if let Some((name, _)) = given.iter().find(|(name, _)| !self.0.iter().any(|place| place.is(name))) {
            return Err(Unfilled::UnknownPlace(name.clone()));
        }
        self.0.iter().map(|place| Ok((place.name.clone(), place.value(facts, given)?))).collect()
    }
}

impl Place {
    /// Whether a value that was given under this name belongs here.
    fn is(&self, name: &str) -> bool {
        self.name == name || (!self.label.is_empty() && self.label == label_of(name))
    }

    fn value(&self, facts: &Facts, given: &[(String, String)]) -> Result<String, Unfilled> {
        let kind = FieldKind::of(&self.name);
        // A name is more precise than a label, which two places may share.
        let named = given.iter().find(|(name, _)| *name == self.name);
        let given = named.or_else(|| given.iter().find(|(name, _)| self.is(name)));
        let value = match given {
            Some((_, text)) => Value::Text(text.clone()),
            None => {
                let topic = Topic::of(&self.name, &self.label, kind);
                let known = topic.and_then(|topic| facts.get(&topic)).cloned();
                known.ok_or_else(|| Unfilled::NoValue(self.shown()))?
            }
        };
        kind.show(&value).ok_or_else(|| Unfilled::WrongType(self.shown()))
    }

    fn shown(&self) -> String {
        if self.label.is_empty() { self.name.clone() } else { format!("{} ({})", self.name, self.label) }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The last line with something in it, without colon and blanks.
fn label_of(before: &str) -> String {
    let trimmed =
        |line: &str| line.trim_matches(|c: char| c.is_whitespace() || c == ':' || c == '：').to_owned();
    before.lines().map(trimmed).rfind(|line| !line.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
