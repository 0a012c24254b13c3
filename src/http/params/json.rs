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
            let (value, kind) = map.next_value_seed(ValueReader(self.0))?;
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

/// Appends a value of the JSON to the buffer. What lies inside objects and arrays is passed over, as deep as is
/// allowed.
struct ValueReader<'p>(&'p mut Params);

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
        while map.next_key_seed(Inside::PARAMETER)?.is_some() {
            map.next_value_seed(Inside::PARAMETER)?;
        }
        Ok(self.wordless(Kind::Nested))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let first = self.0.items.len();
        let mut are_plain = true;
        while let Some(is_plain) = sequence.next_element_seed(ItemReader(self.0))? {
            are_plain &= is_plain && self.0.items.len() - first <= MAX_PARAMETERS;
            if !are_plain {
                self.0.items.truncate(first);
            }
        }
        let count = self.0.items.len() - first;
        Ok(self.wordless(if are_plain { Kind::List { first, count } } else { Kind::Nested }))
    }
}

/// Appends an element of a list to the buffer, and answers whether it is a text or an integer. Whatever else it is, is
/// passed over.
struct ItemReader<'p>(&'p mut Params);

impl ItemReader<'_> {
    fn keep(self, text: &str) -> bool {
        let item = self.0.push(text);
        self.0.items.push(item);
        true
    }
}

impl<'de> DeserializeSeed<'de> for ItemReader<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemReader<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        Ok(self.keep(text))
    }

    fn visit_u64<E>(self, number: u64) -> Result<bool, E> {
        Ok(self.keep(&number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<bool, E> {
        Ok(self.keep(&number.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        Inside::PARAMETER.visit_map(map).map(|()| false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<bool, A::Error> {
        Inside::PARAMETER.visit_seq(sequence).map(|()| false)
    }
}
