//! Leaves WeChat alone for a while after it has failed repeatedly.

use std::time::Duration;

use domain::Timestamp;

/// Failures in a row after which no more calls are made.
const MOST_FAILURES: u32 = 3;

/// How long none are made; then one call tries whether WeChat is back.
const PAUSE: Duration = Duration::from_secs(10);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    closed_until: Option<Timestamp>,
}

impl Breaker {
    /// Whether a call may be made now. After a pause it may by one caller alone, who has to tell how it went.
    pub(super) fn admits(&mut self, now: Timestamp) -> bool {
        if self.failures < MOST_FAILURES {
            return true;
        }
        let is_over = self.closed_until.is_none_or(|until| until <= now);
        if is_over {
            self.closed_until = Some(now.plus(PAUSE));
        }
        is_over
    }

    /// Whether none are made at the moment.
    pub(super) fn suspends(&self, now: Timestamp) -> bool {
        self.failures >= MOST_FAILURES && self.closed_until.is_some_and(|until| now < until)
    }

    /// WeChat answered, if only to refuse.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// WeChat did not answer.
    pub(super) fn failed(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.closed_until = Some(now.plus(PAUSE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// Seen to fail when a failure did not add to those before it.
    #[test]
    fn after_three_failures_one_call_in_ten_seconds_is_made() {
        let mut breaker = Breaker::default();
        for second in 0..3 {
            assert!(breaker.admits(at(second)));
            breaker.failed(at(second));
        }
        assert!(!breaker.admits(at(3)) && breaker.suspends(at(3)) && !breaker.suspends(at(12)));
        assert!(!breaker.admits(at(11)));
        assert!(breaker.admits(at(12)));
        assert!(!breaker.admits(at(12)), "the one call is being made");
        breaker.failed(at(13));
        assert!(!breaker.admits(at(22)));
        assert!(breaker.admits(at(23)));
        breaker.answered();
        assert!(breaker.admits(at(23)) && breaker.admits(at(23)));
    }

    #[test]
    fn failures_count_in_a_row_only() {
        let mut breaker = Breaker::default();
        for second in 0..10 {
            breaker.failed(at(second));
            assert!(breaker.admits(at(second)));
            breaker.answered();
        }
    }
}
