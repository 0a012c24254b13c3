//! When which record expires. The queue may name records that were overwritten or deleted since; so
//! whoever takes a name from it looks at the record again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::keys::RawKey;
use crate::value::NEVER;

/// The records that expire, the next one first.
#[derive(Debug, Default)]
pub(crate) struct ExpiryQueue(BinaryHeap<Reverse<(i64, RawKey)>>);

impl ExpiryQueue {
    /// Notes that a record expires at this time, in milliseconds since 1970.
    pub(crate) fn note(&mut self, key: RawKey, expires_at: i64) {
        if expires_at != NEVER {
            self.0.push(Reverse((expires_at, key)));
        }
    }

    /// Takes up to `limit` keys that have expired by `now`.
    pub(crate) fn take(&mut self, now: i64, limit: usize) -> Vec<RawKey> {
        let mut taken = Vec::new();
        while taken.len() < limit {
            match self.0.peek() {
                Some(Reverse((expires_at, _))) if *expires_at <= now => {}
                _ => break,
            }
            let Some(Reverse((_, key))) = self.0.pop() else {
                break;
            };
            taken.push(key);
        }
        taken
    }
}
