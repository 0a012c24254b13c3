//! The tables that are kept in memory whole. They are read from the journal at start and never stand
//! in sled, so that neither reading nor writing them touches it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;

use parking_lot::RwLock;

use crate::keys::RawKey;
use crate::storage::Order;

/// A key and its stored value in one allocation: the length of the key, the key, the value. There
/// may be a million of these, so that each is as small as it can be.
#[derive(Debug)]
pub(crate) struct Entry(Box<[u8]>);

impl Entry {
    pub(crate) fn new(key: &[u8], stored: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(1 + key.len() + stored.len());
        bytes.push(key.len() as u8);
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(stored);
        Self(bytes.into_boxed_slice())
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.0[1..1 + usize::from(self.0[0])]
    }

    pub(crate) fn stored(&self) -> &[u8] {
        &self.0[1 + usize::from(self.0[0])..]
    }
}

impl Borrow<[u8]> for Entry {
    fn borrow(&self) -> &[u8] {
        self.key()
    }
}
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

/// All resident records.
#[derive(Debug, Default)]
pub(crate) struct Resident(RwLock<BTreeSet<Entry>>);

impl Resident {
    /// The records that are alive at the end of the journal.
    pub(crate) fn new(entries: BTreeSet<Entry>) -> Self {
        Self(RwLock::new(entries))
    }

    /// What `read` makes of the stored value of a key.
    pub(crate) fn get<T>(&self, key: &RawKey, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.0.read().get(key.as_bytes()).map(|entry| read(entry.stored()))
    }

    /// Hands the records between `start` and `end` to `visit`, until it returns `false`.
    pub(crate) fn scan(
        &self,
        (start, end): (&[u8], &[u8]),
        order: Order,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) {
        let entries = self.0.read();
        let mut range = entries.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end)));
        loop {
            let next = match order {
                Order::Ascending => range.next(),
                Order::Descending => range.next_back(),
            };
            let Some(entry) = next else { return };
            if !visit(entry.key(), entry.stored()) {
                return;
            }
        }
    }

    /// Makes the writes of one group visible to readers at once; `None` removes a key.
    pub(crate) fn apply(&self, writes: impl ExactSizeIterator<Item = (RawKey, Option<Entry>)>) {
        // Freed after the lock is released, so that readers wait for as little as possible.
        let mut replaced = Vec::with_capacity(writes.len());
        let mut entries = self.0.write();
        for (key, entry) in writes {
            replaced.push(match entry {
                Some(entry) => entries.replace(entry),
                None => entries.take(key.as_bytes()),
            });
        }
        drop(entries);
        drop(replaced);
    }
}
