//! Parameters that are arrays: their elements, with the members of those that are objects. And parameters that are objects
//! themselves.

use std::fmt;
use std::ops::Range;

use super::{Entry, Kind, Param, Params};
use crate::http::error::ApiError;

/// The greatest number of values in all arrays and objects of a request, the members of objects counted one by one. One that
/// goes beyond it is passed over, and is malformed to whoever asks for it.
const MAX_VALUES: usize = 1_024;

/// What lies in the arrays of a request, one array after the other.
#[derive(Default)]
pub(super) struct Lists {
    entries: Vec<Entry>,
    /// Where the entries of each element lie.
    elements: Vec<Range<usize>>,
    overflows: bool,
}

/// An array: its elements among those of all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    first: usize,
    count: usize,
}

/// An array that is being read.
pub(super) struct Begun {
    elements: usize,
    entries: usize,
}

impl Lists {
    pub(super) fn begin(&self) -> Begun {
        Begun { elements: self.elements.len(), entries: self.entries.len() }
    }

    /// Keeps a member of the element that is being read.
    pub(super) fn add(&mut self, member: Entry) {
        if self.entries.len() < MAX_VALUES {
            self.entries.push(member);
        } else {
            self.overflows = true;
        }
    }

    /// Keeps an element: as an entry without a name, behind its members if it is an object.
    pub(super) fn end_element(&mut self, value: Range<usize>, kind: Kind) {
        let first = self.elements.last().map_or(0, |before| before.end);
        self.add(Entry { name: 0..0, value, kind });
        if !self.overflows {
            self.elements.push(first..self.entries.len());
        }
    }

    /// The array that was begun; `None`, and nothing of it is kept, if it was too long.
    pub(super) fn end(&mut self, begun: &Begun) -> Option<Place> {
        if self.overflows {
            self.overflows = false;
            self.elements.truncate(begun.elements);
            self.entries.truncate(begun.entries);
            return None;
        }
        Some(Place { first: begun.elements, count: self.elements.len() - begun.elements })
    }
}

/// An element of an array.
#[derive(Clone, Copy)]
pub struct Element<'a> {
    params: &'a Params,
    entries: &'a [Entry],
}

impl Params {
    /// The elements of a parameter that may be absent; an empty array is there. `label` is its name as the patient
    /// reads it.
    ///
    /// # Errors
    /// 0001 when it is no array, or one with more than is read.
    pub fn list(&self, name: &str, label: &'static str) -> Result<Option<Vec<Element<'_>>>, ApiError> {
        let Some(param) = self.optional(name, label) else { return Ok(None) };
        let Kind::List(place) = param.kind else { return Err(param.malformed()) };
        let elements = &self.lists.elements[place.first..place.first + place.count];
        let elements = elements
            .iter()
            .map(|entries| Element { params: self, entries: &self.lists.entries[entries.clone()] });
        Ok(Some(elements.collect()))
    }
}

impl Params {
    /// The members of a parameter that is an object and may be absent, each with its name, in the order of the request;
    /// those that are `null` or `""` are left out. `label` is the name of each as the patient reads it.
    ///
    /// # Errors
    /// 0001 when it is no object, or one with more than is read.
    pub fn object(
        &self,
        name: &str,
        label: &'static str,
    ) -> Result<Option<Vec<(&str, Param<'_>)>>, ApiError> {
        let Some(param) = self.optional(name, label) else { return Ok(None) };
        let Kind::Object(place) = param.kind else { return Err(param.malformed()) };
        let whole = self.lists.elements.get(place.first).ok_or_else(|| param.malformed())?;
        // The last entry is the object itself.
        let members = &self.lists.entries[whole.start..whole.end.saturating_sub(1)];
        let given = members.iter().filter(|entry| entry.kind != Kind::Absent);
        let named = given.map(|entry| {
            let param = Param { label, text: &self.text[entry.value.clone()], kind: entry.kind };
            (&self.text[entry.name.clone()], param)
        });
        Ok(Some(named.collect()))
    }
}

impl<'a> Element<'a> {
    /// A member of an element that is an object; `None` when it has no such member, or is no object.
    pub fn member(self, name: &str, label: &'static str) -> Option<Param<'a>> {
        self.params.find(self.entries, name, label)
    }

    /// The element itself, for whoever takes a text or number; an object is malformed as such. `None` for `null`
    /// and `""`.
    pub fn itself(self, label: &'static str) -> Option<Param<'a>> {
        self.params.find(self.entries, "", label)
    }
}

impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Element").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(json: &str) -> Params {
        Params::from_json(json.as_bytes()).expect("an object")
    }

    /// The ids in an array of objects or of bare ids.
    fn ids(json: &str) -> Option<Vec<String>> {
        let params = params(json);
        let elements = params.list("list", "列表").ok()??;
        let ids = elements.into_iter().map(|element| {
            let id = element.member("id", "编码").or_else(|| element.itself("编码"));
            id?.text().ok().map(str::to_owned)
        });
        ids.collect()
    }

    /// Seen to fail when an element's entries began at those of the element before it.
    #[test]
    fn objects_and_bare_values_are_read() {
        let mixed =
            r#"{"a": [7, 8], "list": [{"id": " 1 ", "name": "x"}, 2, "3", {"id": 4}], "b": [{"id": 9}]}"#;
        assert_eq!(ids(mixed), Some(["1", "2", "3", "4"].map(str::to_owned).to_vec()));
        assert_eq!(ids(r#"{"list": []}"#), Some(Vec::new()));
        assert_eq!(ids(r#"{"list": [1], "list": [2, 3]}"#), Some(["2", "3"].map(str::to_owned).to_vec()));
    }

    /// Names with their values, where these are texts.
    type Texts = Vec<(String, Option<String>)>;

    fn members(json: &str) -> Result<Option<Texts>, ApiError> {
        let params = params(json);
        let text = |param: Param<'_>| param.text().ok().map(str::to_owned);
        let members = params.object("object", "对象")?;
        Ok(members.map(|all| all.into_iter().map(|(name, param)| (name.to_owned(), text(param))).collect()))
    }

    /// Seen to fail when the object itself was taken for one of its members.
    #[test]
    fn the_members_of_an_object_are_read_in_order() {
        let json = r#"{"list": [{"a": 1}], "object": {" b ": " 2 ", "a": 1, "c": "", "d": null, "e": {"x": 1}, "a": "3"}, "z": {"y": 1}}"#;
        let member = |name: &str, text: Option<&str>| (name.to_owned(), text.map(str::to_owned));
        let expected =
            vec![member("b", Some("2")), member("a", Some("1")), member("e", None), member("a", Some("3"))];
        assert_eq!(members(json).expect("an object"), Some(expected));
        assert_eq!(members(r#"{"object": {}}"#).expect("an object"), Some(Vec::new()));
        assert_eq!(members(r#"{"object": null}"#).expect("absent"), None);
        assert_eq!(params(json).list("list", "列表").expect("a list").map(|list| list.len()), Some(1));
        let many: Vec<_> = (0..=MAX_VALUES).map(|n| format!(r#""{n}": 1"#)).collect();
        let endless = format!(r#"{{"object": {{{}}}}}"#, many.join(","));
        for json in [r#"{"object": [1]}"#, r#"{"object": "{}"}"#, r#"{"object": 1}"#, &endless] {
            let error = members(json).expect_err("refused");
            assert_eq!(error.code().row().status, "0001", "{json:.40}");
        }
        assert!(params(r#"{"object": {}}"#).list("object", "列表").is_err());
        assert!(params(r#"{"object": {}}"#).required("object", "对象").expect("there").text().is_err());
    }

    #[test]
    fn absent_is_not_empty() {
        for json in ["{}", r#"{"list": null}"#, r#"{"list": ""}"#] {
            assert!(params(json).list("list", "列表").expect("absent").is_none(), "{json}");
        }
    }

    #[test]
    fn what_is_no_list_is_malformed() {
        let endless = format!(r#"{{"list": [{}1], "other": [1]}}"#, "1,".repeat(MAX_VALUES));
        for json in [r#"{"list": {}}"#, r#"{"list": 1}"#, r#"{"list": "[1]"}"#, &endless] {
            let error = params(json).list("list", "列表").expect_err("refused");
            assert_eq!(error.code().row().status, "0001", "{json:.40}");
        }
        assert_eq!(params(&endless).list("other", "列表").expect("a list").map(|list| list.len()), Some(1));
    }

    #[test]
    fn an_element_that_is_no_id_is_malformed_or_absent() {
        for json in [
            r#"{"list": [[1]]}"#,
            r#"{"list": [{"id": {}}]}"#,
            r#"{"list": [{"id": [1]}]}"#,
            r#"{"list": [{"": "1"}]}"#,
            r#"{"list": [null]}"#,
            r#"{"list": [{"id": ""}]}"#,
            r#"{"list": [{}]}"#,
            r#"{"list": [true]}"#,
        ] {
            assert_eq!(ids(json), None, "{json}");
        }
    }
}
