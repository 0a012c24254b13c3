//! What is to be asked of WeChat about an order, and when.
//!
//! It follows from the order's state alone, so that a crash at any point loses nothing: whatever was
//! under way is asked again. Storage keeps a row for each order that has work, in the same commit as
//! the order's change.

use std::time::Duration;

use super::order::{OrderState, PayOrder};
use crate::time::Timestamp;

/// What is to be asked of WeChat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Work {
    /// Whether it was paid, for the case that the notice is lost; and to expire it when its time is
    /// up.
    AwaitPayment,
    /// To close it. Before that, whether it was paid after all.
    Close,
    /// To give the money back.
    AskRefund,
    /// Whether the money is back.
    AwaitRefund,
}

/// How often a refund is asked for, over half a day, before it is
/// [refused](super::OrderCommand::RefundRefused) for the staff to see.
pub const REFUND_ATTEMPTS: u16 = 30;

/// WeChat's own advice on when to query what it has sent no notice of, in seconds.
const DELAYS: [u64; 7] = [5, 30, 60, 180, 300, 600, 1_800];

impl Work {
    /// How long to wait after this many attempts: 0 is before the first one.
    pub fn delay(self, attempts: u16) -> Duration {
        let first = match self {
            // A payment takes its time, and its notice too; so does a refund.
            Self::AwaitPayment | Self::AwaitRefund => 0,
            // These begin at once.
            Self::Close | Self::AskRefund => match attempts {
                0 => return Duration::ZERO,
                _ => 1,
            },
        };
        let place = usize::from(attempts - first).min(DELAYS.len() - 1);
        Duration::from_secs(DELAYS[place])
    }
}

impl OrderState {
    /// What is to be asked of WeChat about an order in this state; nothing if it is at rest, or waits for staff.
    pub const fn work(&self) -> Option<Work> {
        match self {
            Self::Created | Self::Prepaid(_) => Some(Work::AwaitPayment),
            Self::Closing { .. } => Some(Work::Close),
            Self::RefundDue { .. } => Some(Work::AskRefund),
            Self::Refunding { .. } => Some(Work::AwaitRefund),
            Self::Closed { .. } | Self::Paid(_) | Self::Refunded { .. } | Self::Failed { .. } => None,
        }
    }
}

impl PayOrder {
    /// What is to be asked of WeChat about it; nothing if it is at rest, or waits for staff.
    pub const fn work(&self) -> Option<Work> {
        self.state.work()
    }

    /// When that is to be done, after this many attempts, the last of them now. An order that can be
    /// paid is looked at no later than when its time is up.
    pub fn work_due(&self, attempts: u16, now: Timestamp) -> Option<Timestamp> {
        let work = self.work()?;
        let due = now.plus(work.delay(attempts));
        Some(match work {
            Work::AwaitPayment => due.min(self.expires_at.max(now)),
            Work::Close | Work::AskRefund | Work::AwaitRefund => due,
        })
    }
}
