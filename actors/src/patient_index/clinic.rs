//! One clinic's patients, groups and labels, without a store.

use std::collections::HashMap;

use domain::{LabelId, LabelKind, LabelName, PatientId, PersonName, Phone, StaffId, Timestamp};
use storage::records::{LabelRecord, PatientFileRecord};

use super::is_live;

/// The patients of one clinic. Both lists are sorted by id, which is the order in which the ids were given.
#[derive(Default)]
pub(super) struct ClinicPatients {
    people: Vec<Person>,
    groups: Vec<LabelEntry>,
    labels: Vec<LabelEntry>,
    /// How many patients have each group or label, of the deleted ones too. None stands here with zero.
    counts: HashMap<LabelId, usize>,
}

/// What of a patient is searched: 48 bytes and the name.
struct Person {
    patient: PatientId,
    phone: u64,
    name: Box<str>,
    tags: Tags,
}

/// The group and the labels of a patient, each once. Which of them is the group tells its own record.
#[derive(Default)]
pub(super) struct Tags(Box<[LabelId]>);

impl Tags {
    pub(super) fn of(file: &PatientFileRecord) -> Self {
        let mut tags: Vec<_> = file.group.iter().chain(&file.labels).copied().collect();
        tags.sort_unstable();
        tags.dedup();
        Self(tags.into())
    }
}

struct LabelEntry {
    id: LabelId,
    name: LabelName,
    created_at: Timestamp,
    created_by: StaffId,
}

/// A group or label as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelView {
    /// Its id.
    pub id: LabelId,
    /// Group or label.
    pub kind: LabelKind,
    /// What it is called.
    pub name: LabelName,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: StaffId,
    /// How many patients have it.
    pub patients: usize,
}

/// Some groups or labels of a clinic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelPage {
    /// How many there are in all.
    pub total: usize,
    /// How many patients the clinic has.
    pub patients: usize,
    /// Those that were asked for.
    pub rows: Vec<LabelView>,
}

/// In which order groups and labels are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelOrder {
    /// As they were made.
    OldestFirst,
    /// The other way round.
    NewestFirst,
}

/// What is known of the patients that somebody looks for; all of it has to fit.
#[derive(Clone, Default)]
pub struct Sought {
    /// A part of the name, letter by letter.
    pub name: Option<String>,
    /// How the phone begins.
    pub phone: Option<PhonePrefix>,
    /// The group.
    pub group: Option<LabelId>,
    /// A label.
    pub label: Option<LabelId>,
}

impl std::fmt::Debug for Sought {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sought").finish_non_exhaustive()
    }
}

/// The first digits of a phone, or all of it.
#[derive(Clone, Copy)]
pub struct PhonePrefix {
    value: u64,
    /// What a whole phone is divided by to leave as many digits.
    divisor: u64,
}

impl PhonePrefix {
    const PHONE_DIGITS: usize = 11;

    /// Reads one to eleven digits; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_prefix = (1..=Self::PHONE_DIGITS).contains(&text.len());
        if !is_prefix || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let cut = u32::try_from(Self::PHONE_DIGITS - text.len()).ok()?;
        // One that begins with 0 is less than any phone leaves.
        Some(Self { value: text.parse().ok()?, divisor: 10_u64.pow(cut) })
    }

    fn begins(self, phone: u64) -> bool {
        phone / self.divisor == self.value
    }
}

impl ClinicPatients {
    pub(super) fn len(&self) -> usize {
        self.people.len()
    }

    /// Replaces what is known of a patient.
    pub(super) fn put(&mut self, patient: PatientId, name: &PersonName, phone: &Phone, tags: Tags) {
        self.count(&tags);
        // Eleven digits, as every phone has.
        let phone = phone.as_str().parse().unwrap_or_default();
        let person = Person { patient, phone, name: name.as_str().into(), tags };
        match self.position(patient) {
            Ok(at) => {
                let before = std::mem::replace(&mut self.people[at], person);
                self.discount(&before.tags);
            }
            Err(at) => {
                if self.people.len() == self.people.capacity() {
                    // Doubling would leave half of the memory unused.
                    self.people.reserve_exact(64 + self.people.len() / 8);
                }
                self.people.insert(at, person);
            }
        }
    }

    /// Replaces the group and labels of a patient who is known.
    pub(super) fn tag(&mut self, patient: PatientId, tags: Tags) {
        let Ok(at) = self.position(patient) else { return };
        self.count(&tags);
        let before = std::mem::replace(&mut self.people[at].tags, tags);
        self.discount(&before);
    }

    /// Forgets a patient.
    pub(super) fn remove(&mut self, patient: PatientId) {
        if let Ok(at) = self.position(patient) {
            let person = self.people.remove(at);
            self.discount(&person.tags);
        }
    }

    /// Replaces what is known of a group or label; a deleted one is not known.
    pub(super) fn put_label(&mut self, id: LabelId, record: Option<LabelRecord>) {
        for list in [&mut self.groups, &mut self.labels] {
            if let Ok(at) = list.binary_search_by_key(&id, |entry| entry.id) {
                list.remove(at);
            }
        }
        let Some(record) = record.filter(|record| is_live(record.standing)) else { return };
        let LabelRecord { name, kind, created_at, created_by, .. } = record;
        let list = match kind {
            LabelKind::Group => &mut self.groups,
            LabelKind::Label => &mut self.labels,
        };
        let at = list.partition_point(|entry| entry.id < id);
        list.insert(at, LabelEntry { id, name, created_at, created_by });
    }

    pub(super) fn label(&self, id: LabelId) -> Option<LabelView> {
        [LabelKind::Group, LabelKind::Label].into_iter().find_map(|kind| {
            let list = self.list(kind);
            let at = list.binary_search_by_key(&id, |entry| entry.id).ok()?;
            Some(self.view(kind, &list[at]))
        })
    }

    pub(super) fn label_count(&self, kind: LabelKind) -> usize {
        self.list(kind).len()
    }

    /// Costs what the rows cost, however many patients and labels there are.
    pub(super) fn labels(
        &self,
        kind: LabelKind,
        order: LabelOrder,
        (offset, limit): (usize, usize),
    ) -> LabelPage {
        let list = self.list(kind);
        let rows = match order {
            LabelOrder::OldestFirst => {
                list.iter().skip(offset).take(limit).map(|entry| self.view(kind, entry)).collect()
            }
            LabelOrder::NewestFirst => {
                list.iter().rev().skip(offset).take(limit).map(|entry| self.view(kind, entry)).collect()
            }
        };
        LabelPage { total: list.len(), patients: self.people.len(), rows }
    }

    pub(super) fn search(&self, sought: &Sought, (offset, limit): (usize, usize)) -> (usize, Vec<PatientId>) {
        let mut total = 0;
        let mut found = Vec::new();
        for person in self.people.iter().rev().filter(|person| person.fits(sought)) {
            if total >= offset && found.len() < limit {
                found.push(person.patient);
            }
            total += 1;
        }
        (total, found)
    }

    fn position(&self, patient: PatientId) -> Result<usize, usize> {
        self.people.binary_search_by_key(&patient, |person| person.patient)
    }

    fn list(&self, kind: LabelKind) -> &[LabelEntry] {
        match kind {
            LabelKind::Group => &self.groups,
            LabelKind::Label => &self.labels,
        }
    }

    fn view(&self, kind: LabelKind, entry: &LabelEntry) -> LabelView {
        LabelView {
            id: entry.id,
            kind,
            name: entry.name.clone(),
            created_at: entry.created_at,
            created_by: entry.created_by,
            patients: self.counts.get(&entry.id).copied().unwrap_or_default(),
        }
    }

    fn count(&mut self, tags: &Tags) {
        for &tag in &tags.0 {
            *self.counts.entry(tag).or_default() += 1;
        }
    }

    fn discount(&mut self, tags: &Tags) {
        for tag in &tags.0 {
            if let Some(count) = self.counts.get_mut(tag) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(tag);
                }
            }
        }
    }
}

impl Person {
    fn fits(&self, sought: &Sought) -> bool {
        let has = |tag: &LabelId| self.tags.0.contains(tag);
        sought.phone.is_none_or(|prefix| prefix.begins(self.phone))
            && sought.group.as_ref().is_none_or(has)
            && sought.label.as_ref().is_none_or(has)
            && sought.name.as_deref().is_none_or(|part| self.name.contains(part))
    }
}

#[cfg(test)]
mod tests;
