//! What the committer and the readers have in common.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::committer::Queue;
use crate::expiry::ExpiryQueue;
use crate::index::{Index, IndexError};
use crate::resident::Resident;
use crate::status::{Fatal, Gauges};

/// Is called once, when the storage stops for good. The process should end soon after.
pub(crate) type OnFatal = Arc<dyn Fn(&Fatal) + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) index: Index,
    pub(crate) resident: Resident,
    pub(crate) expiry: Mutex<ExpiryQueue>,
    pub(crate) gauges: Gauges,
    pub(crate) failed: AtomicBool,
    pub(crate) on_fatal: OnFatal,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl Shared {
    /// Stops all acknowledging for good, and says so once.
    #[expect(clippy::needless_pass_by_value, reason = "it is the end of the failure's way")]
    pub(crate) fn fail(&self, fatal: Fatal) {
        let first = !self.failed.swap(true, Ordering::SeqCst);
        self.queue.fail();
        if first {
            tracing::error!(cause = %fatal, "the storage stopped");
            (self.on_fatal)(&fatal);
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// A failure of the index that a reader met stops the storage too: what it answers is not
    /// trusted any more.
    pub(crate) fn failed_reading(&self, error: &IndexError) {
        self.fail(Fatal { what: error.to_string() });
    }
}
