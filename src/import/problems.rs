//! What is wrong with an import file, and where in it.

use std::fmt;

/// So many problems are listed; a file with more of them has one cause for most.
const LISTED: usize = 20;

/// A place in the file, written as the path of a field: `schedules[3].slots.every_minutes`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'p> {
    /// The file as a whole.
    File,
    /// A field of an object.
    Field(&'p Place<'p>, &'static str),
    /// An element of a list, counted from 0.
    Item(&'p Place<'p>, usize),
}

impl Place<'_> {
    /// A field of the object at this place.
    pub(super) fn field(&self, name: &'static str) -> Place<'_> {
        Place::Field(self, name)
    }

    /// An element of the list at this place, counted from 0.
    pub(super) fn item(&self, index: usize) -> Place<'_> {
        Place::Item(self, index)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => Ok(()),
            Self::Field(Place::File, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The path of the field; empty for the file as a whole.
    pub path: String,
    /// What is wrong with it, without the value: it may be a name.
    pub reason: String,
}

/// Everything that is wrong with one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    listed: Vec<Problem>,
    unlisted: usize,
}

impl Problems {
    /// Notes a problem.
    pub(super) fn add(&mut self, path: impl fmt::Display, reason: impl fmt::Display) {
        if self.listed.len() == LISTED {
            self.unlisted += 1;
            return;
        }
        self.listed.push(Problem { path: path.to_string(), reason: reason.to_string() });
    }

    /// The value, or nothing and a problem at this place.
    pub(super) fn take<T, E>(
        &mut self,
        place: &Place<'_>,
        parsed: Result<T, E>,
        reason: impl fmt::Display,
    ) -> Option<T> {
        if parsed.is_err() {
            self.add(place, reason);
        }
        parsed.ok()
    }

    /// Whether nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The problems, at most 20 of them.
    #[must_use]
    pub fn listed(&self) -> &[Problem] {
        &self.listed
    }
}

/// A file that was refused. Its text has a line for each problem: file, field and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The file.
    pub file: String,
    /// What is wrong with it.
    pub problems: Problems,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        for Problem { path, reason } in &self.problems.listed {
            match path.as_str() {
                "" => writeln!(f, "{file}: {reason}")?,
                path => writeln!(f, "{file}: {path}: {reason}")?,
            }
        }
        if self.problems.unlisted > 0 {
            writeln!(f, "{file}: and {} more", self.problems.unlisted)?;
        }
        f.write_str("nothing was imported")
    }
}

impl std::error::Error for Refusal {}
