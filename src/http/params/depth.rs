//! Passing over what lies inside the objects and arrays of a JSON body, down to a limit.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How deep a body may be nested; its object is the first level.
pub(super) const MAX_DEPTH: u8 = 32;

/// Passes over one value at this level.
#[derive(Clone, Copy)]
pub(super) struct Inside(u8);

impl Inside {
    /// What lies in an object or array that is a parameter.
    pub(super) const PARAMETER: Self = Self(3);

    /// What lies in one that is an element of such an array.
    pub(super) const ELEMENT: Self = Self(4);

    /// What lies in one that is a member of such an element.
    pub(super) const MEMBER: Self = Self(5);

    fn next<E: Error>(self) -> Result<Self, E> {
        if self.0 > MAX_DEPTH { Err(E::custom("too deep")) } else { Ok(Self(self.0 + 1)) }
    }
}

impl<'de> DeserializeSeed<'de> for Inside {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Inside {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inside = self.next()?;
        while map.next_key_seed(inside)?.is_some() {
            map.next_value_seed(inside)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let inside = self.next()?;
        while sequence.next_element_seed(inside)?.is_some() {}
        Ok(())
    }
}
