//! Keys as bytes, and the types that remember which record they lead to.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use crate::record::Record;
use crate::table::Table;

/// The longest key: the tenant, the tag and 47 bytes of components.
pub const MAX_KEY_BYTES: usize = 56;
/// The bytes before the components: the tenant and the tag of the table.
const PREFIX_BYTES: usize = 9;

/// At most [`MAX_KEY_BYTES`] bytes, without an allocation.
#[derive(Clone, Copy)]
struct Inline {
    len: u8,
    bytes: [u8; MAX_KEY_BYTES],
}

impl Inline {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// A key of any table: at least a tenant and the tag of a known table.
#[derive(Clone, Copy)]
pub struct RawKey(Inline);

impl RawKey {
    /// The key of the table's only record, or the start of a longer key.
    pub(crate) fn of(tenant: u64, table: Table) -> Self {
        let mut bytes = [0; MAX_KEY_BYTES];
        bytes[..8].copy_from_slice(&tenant.to_be_bytes());
        bytes[8] = table.tag();
        Self(Inline { len: 9, bytes })
    }

    /// This key with one more component.
    pub(crate) fn with<const N: usize>(mut self, component: [u8; N]) -> Self {
        let start = usize::from(self.0.len);
        debug_assert!(start + N <= MAX_KEY_BYTES, "no table has keys this long");
        self.0.bytes[start..start + N].copy_from_slice(&component);
        self.0.len += N as u8;
        self
    }

    /// Reads a key from stored bytes; `None` when they are no key of a known table.
    #[must_use]
    pub fn from_bytes(stored: &[u8]) -> Option<Self> {
        if stored.len() < PREFIX_BYTES || stored.len() > MAX_KEY_BYTES {
            return None;
        }
        Table::from_tag(stored[8])?;
        let mut bytes = [0; MAX_KEY_BYTES];
        bytes[..stored.len()].copy_from_slice(stored);
        Some(Self(Inline { len: stored.len() as u8, bytes }))
    }

    /// The bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The tenant the key belongs to.
    #[must_use]
    pub fn tenant(&self) -> u64 {
        let mut tenant = [0; 8];
        tenant.copy_from_slice(&self.0.bytes[..8]);
        u64::from_be_bytes(tenant)
    }

    /// The table the key belongs to.
    #[must_use]
    pub fn table(&self) -> Table {
        let Some(table) = Table::from_tag(self.0.bytes[8]) else {
            unreachable!("both constructors take the tag from a table")
        };
        table
    }

    /// The bytes after the tag of the table.
    #[must_use]
    pub fn components(&self) -> &[u8] {
        &self.as_bytes()[PREFIX_BYTES..]
    }
}

impl PartialEq for RawKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}
impl Eq for RawKey {}
impl PartialOrd for RawKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for RawKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}
impl Hash for RawKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}
impl fmt::Debug for RawKey {
    /// Names tenant and table only: components may be hashes of phones and ID numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/..", self.tenant(), self.table().name())
    }
}

/// The key of one record of type `R`.
pub struct Key<R> {
    raw: RawKey,
    record: PhantomData<fn() -> R>,
}

impl<R: Record> Key<R> {
    /// A key of `R`'s table. The caller has built `raw` for that table.
    pub(crate) fn new(raw: RawKey) -> Self {
        debug_assert_eq!(raw.table(), R::TABLE);
        Self { raw, record: PhantomData }
    }
}

impl<R> Key<R> {
    /// The key without its type.
    #[must_use]
    pub fn raw(&self) -> &RawKey {
        &self.raw
    }
}

impl<R> Clone for Key<R> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R> Copy for Key<R> {}
impl<R> fmt::Debug for Key<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

/// All keys of `R`'s table from a first one up to, but without, an end.
pub struct KeyRange<R> {
    start: Inline,
    end: Inline,
    record: PhantomData<fn() -> R>,
}

impl<R: Record> KeyRange<R> {
    /// Every key that begins with `prefix`. The caller has built it for `R`'s table.
    pub(crate) fn prefix(prefix: RawKey) -> Self {
        debug_assert_eq!(prefix.table(), R::TABLE);
        Self { start: prefix.0, end: successor(prefix.0), record: PhantomData }
    }

    /// Every key from those that begin with `first` through those that begin with `last`. The
    /// caller has built both for `R`'s table and the same tenant. Empty if `last` is before `first`.
    pub(crate) fn through(first: RawKey, last: RawKey) -> Self {
        debug_assert_eq!(first.table(), R::TABLE);
        debug_assert_eq!(last.table(), R::TABLE);
        debug_assert_eq!(first.tenant(), last.tenant());
        let end = if last < first { first.0 } else { successor(last.0) };
        Self { start: first.0, end, record: PhantomData }
    }
}

impl<R> KeyRange<R> {
    /// The part of the range behind this key of it, for reading a long range in pieces.
    #[must_use]
    pub fn after(mut self, key: &RawKey) -> Self {
        // The key and one more zero is the least that is greater.
        let next = key.with([0]).0;
        if next.as_bytes() > self.start.as_bytes() {
            self.start = next;
        }
        self
    }

    /// The least bytes within the range.
    #[must_use]
    pub fn start(&self) -> &[u8] {
        self.start.as_bytes()
    }

    /// The least bytes above the range.
    #[must_use]
    pub fn end(&self) -> &[u8] {
        self.end.as_bytes()
    }
}

/// The least bytes above everything that begins with `prefix`.
fn successor(mut prefix: Inline) -> Inline {
    while prefix.len > 0 {
        let last = usize::from(prefix.len) - 1;
        if prefix.bytes[last] < u8::MAX {
            prefix.bytes[last] += 1;
            return prefix;
        }
        prefix.bytes[last] = 0;
        prefix.len -= 1;
    }
    unreachable!("the tag of a table is below 255, so the carry stops there")
}
