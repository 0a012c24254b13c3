//! The reading of a JSON object into the parameters, in one pass and without a tree of values.

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::depth::Inside;
use super::{Entry, Kind, MAX_PARAMETERS, Params};

/// Appends the members of the object in `body` to `params`.
///
/// # Errors
/// When `body` is not JSON, not an object, goes on after it, is too deep or has too many members.
pub(super) fn read_object(body: &[u8], params: &mut Params) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(body);
    json.deserialize_map(ObjectReader(params))?;
    json.end()
}

/// Reads the members of the top-level object into the parameters.
struct ObjectReader<'p>(&'p mut Params);

impl<'de> Visitor<'de> for ObjectReader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(TextReader(self.0))? {
            if self.0.entries.len() == MAX_PARAMETERS {
                return Err(A::Error::custom("too many members"));
            }
            let (value, kind) = map.next_value_seed(ValueReader(self.0, Level::Parameter))?;
            self.0.entries.push(Entry { name, value, kind });
        }
        Ok(())
    }
}

/// Appends a string of the JSON to the buffer.
struct TextReader<'p>(&'p mut Params);

impl<'de> DeserializeSeed<'de> for TextReader<'_> {
    type Value = Range<usize>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Range<usize>, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for TextReader<'_> {
    type Value = Range<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, text: &str) -> Result<Range<usize>, E> {
        Ok(self.0.push(text))
    }
}

/// Where a value of the JSON stands.
#[derive(Clone, Copy)]
enum Level {
    /// It is a parameter.
    Parameter,
    /// It is a member of an object that is a parameter.
    Own,
    /// It is an element of an array that is a parameter.
    Element,
    /// It is a member of an object that is such an element.
    Member,
}

impl Level {
    /// What lies in an object or array here that is passed over.
    fn inside(self) -> Inside {
        match self {
            Self::Parameter => Inside::PARAMETER,
            Self::Own | Self::Element => Inside::ELEMENT,
            Self::Member => Inside::MEMBER,
        }
    }
}

/// Appends a value of the JSON to the buffer. The members of a parameter that is an object are kept, and the elements of
/// one that is an array, with the members of those that are objects; whatever else lies inside objects and arrays is passed
/// over, as deep as is allowed.
struct ValueReader<'p>(&'p mut Params, Level);

impl ValueReader<'_> {
    fn written(self, number: impl fmt::Display, kind: Kind) -> (Range<usize>, Kind) {
        use fmt::Write;
        let start = self.0.text.len();
        // Writing into a string cannot fail.
        let _ = write!(self.0.text, "{number}");
        (start..self.0.text.len(), kind)
    }

    fn wordless(self, kind: Kind) -> (Range<usize>, Kind) {
        (self.0.text.len()..self.0.text.len(), kind)
    }
}

impl<'de> DeserializeSeed<'de> for ValueReader<'_> {
    type Value = (Range<usize>, Kind);

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueReader<'_> {
    type Value = (Range<usize>, Kind);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        let text = self.0.push(text);
        let kind = if text.is_empty() { Kind::Absent } else { Kind::Text };
        Ok((text, kind))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(self.written(number, Kind::Integer))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(self.written(number, Kind::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(self.written(number, Kind::Fraction))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(self.written(truth, Kind::Boolean))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(self.wordless(Kind::Absent))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        match self.1 {
            Level::Element => {
                while let Some(name) = map.next_key_seed(TextReader(self.0))? {
                    let (value, kind) = map.next_value_seed(ValueReader(self.0, Level::Member))?;
                    self.0.lists.add(Entry { name, value, kind });
                }
            }
            Level::Parameter => {
                let object = self.0.lists.begin();
                while let Some(name) = map.next_key_seed(TextReader(self.0))? {
                    let (value, kind) = map.next_value_seed(ValueReader(self.0, Level::Own))?;
                    self.0.lists.add(Entry { name, value, kind });
                }
                self.0.lists.end_element(0..0, Kind::Nested);
                let kind = self.0.lists.end(&object).map_or(Kind::Nested, Kind::Object);
                return Ok(self.wordless(kind));
            }
            Level::Own | Level::Member => {
                let inside = self.1.inside();
                while map.next_key_seed(inside)?.is_some() {
                    map.next_value_seed(inside)?;
                }
            }
        }
        Ok(self.wordless(Kind::Nested))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        match self.1 {
            Level::Parameter => {
                let list = self.0.lists.begin();
                while let Some((value, kind)) =
                    sequence.next_element_seed(ValueReader(self.0, Level::Element))?
                {
                    self.0.lists.end_element(value, kind);
                }
                let kind = self.0.lists.end(&list).map_or(Kind::Nested, Kind::List);
                Ok(self.wordless(kind))
            }
            Level::Own | Level::Element | Level::Member => {
                while sequence.next_element_seed(self.1.inside())?.is_some() {}
                Ok(self.wordless(Kind::Nested))
            }
        }
    }
}
