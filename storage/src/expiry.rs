//! When which record expires. The queue may name records that were overwritten or deleted since; so
//! whoever takes a name from it looks at the record again.

use std::collections::BTreeMap;

use crate::keys::RawKey;
use crate::value::NEVER;

/// Records are queued by the minute that their time falls into, and taken when it is over.
const MINUTE: i64 = 60_000;

/// The records that expire, by the end of the minute. Half of all records may be in here, and most of
/// them share their time with thousands of others.
#[derive(Debug, Default)]
pub(crate) struct ExpiryQueue(BTreeMap<i64, Keys>);

/// Keys one behind the other, each followed by its length.
#[derive(Debug, Default)]
struct Keys(Vec<u8>);

impl Keys {
    fn push(&mut self, key: RawKey) {
        self.0.extend_from_slice(key.as_bytes());
        self.0.push(key.as_bytes().len() as u8);
    }

    fn pop(&mut self) -> Option<RawKey> {
        let length = usize::from(self.0.pop()?);
        let start = self.0.len() - length;
        let key = RawKey::from_bytes(&self.0[start..]);
        self.0.truncate(start);
        key
    }
}

impl ExpiryQueue {
    /// Notes that a record expires at this time, in milliseconds since 1970.
    pub(crate) fn note(&mut self, key: RawKey, expires_at: i64) {
        if expires_at != NEVER {
            let minute = expires_at.div_euclid(MINUTE) + i64::from(expires_at.rem_euclid(MINUTE) > 0);
            self.0.entry(minute.saturating_mul(MINUTE)).or_default().push(key);
        }
    }

    /// Takes up to `limit` keys that have expired in a minute that is over.
    pub(crate) fn take(&mut self, now: i64, limit: usize) -> Vec<RawKey> {
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some(mut first) = self.0.first_entry()
            && *first.key() <= now
        {
            match first.get_mut().pop() {
                Some(key) => taken.push(key),
                None => {
                    first.remove();
                }
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    /// Seen to fail when a key was taken within the minute of its end, and when a full answer lost one.
    #[test]
    fn keys_are_taken_when_their_minute_is_over() {
        let key = |number: u16| RawKey::of(1, Table::Visit).with(number.to_be_bytes());
        let mut queue = ExpiryQueue::default();
        queue.note(key(1), 60_000);
        queue.note(key(2), 60_001);
        queue.note(key(3), 119_999);
        queue.note(key(4), NEVER);
        assert_eq!(queue.take(59_999, 9), []);
        assert_eq!(queue.take(60_000, 9), [key(1)]);
        assert_eq!(queue.take(119_999, 9), []);
        assert_eq!(queue.take(120_000, 1), [key(3)]);
        assert_eq!(queue.take(120_000, 9), [key(2)]);
        assert_eq!(queue.take(i64::MAX, 9), []);
    }
}
