//! What a monitor is told about the nightly backups.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The backups of this process, and the last one before it.
#[derive(Debug, Default)]
pub struct BackupMetrics {
    enabled: Gauge,
    age_seconds: Gauge,
    bytes: Gauge,
    duration_seconds: Gauge<f64, std::sync::atomic::AtomicU64>,
    failures: Counter,
    /// Milliseconds since 1970: the newest whole backup, or the start of the process if there is none.
    newest: AtomicI64,
}

impl BackupMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "1 when the server makes backups (backup.dir), else 0";
        registry.register("backup_enabled", help, self.enabled.clone());
        let help = "Seconds since the last whole backup, or since the start if there is none";
        registry.register("backup_age_seconds", help, self.age_seconds.clone());
        registry.register("backup_bytes", "Bytes of the last backup of this process", self.bytes.clone());
        let help = "Seconds that the last backup of this process took";
        registry.register("backup_duration_seconds", help, self.duration_seconds.clone());
        let help = "Backups that were not made since the start";
        registry.register("backup_failures", help, self.failures.clone());
    }

    /// The server makes backups from now on; the newest that it found is of `newest`.
    pub fn begin(&self, now: Timestamp, newest: Option<Timestamp>) {
        self.enabled.set(1);
        self.newest.store(newest.unwrap_or(now).as_millis(), Ordering::Relaxed);
    }

    /// A backup is whole that was begun at `now`.
    pub fn made(&self, now: Timestamp, took: Duration, bytes: u64) {
        self.newest.store(now.as_millis(), Ordering::Relaxed);
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.duration_seconds.set(took.as_secs_f64());
    }

    /// A backup was not made.
    pub fn failed(&self) {
        self.failures.inc();
    }

    pub(super) fn look(&self, now: Timestamp) {
        if self.enabled.get() == 1 {
            let age = now.as_millis().saturating_sub(self.newest.load(Ordering::Relaxed));
            self.age_seconds.set(age.max(0) / 1000);
        }
    }
}
