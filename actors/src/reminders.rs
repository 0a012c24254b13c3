//! Reminding patients of their visits (就诊提醒) the evening before.

use domain::{Booking, ClinicZone, Date, TenantId, TimeOfDay, Timestamp};
use storage::keys::NotificationId;
use storage::records::{BookingRecord, MetaRecord, NotificationKind, NotificationRecord};
use storage::{Commit, CommitError, Key, ReadError, Scan, Storage, Stored, keys};

use crate::channels::Channels;
use crate::day_book::{DayBook, DayEntry};
use crate::notices::save_notification;

/// So many reminders are one commit at most.
const AT_ONCE: usize = 100;

/// So often a commit is tried whose bookings change meanwhile; then it has time until the next tick.
const MAX_TRIES: usize = 3;

/// Why not everybody was reminded. What was written stays, and the rest comes the next time.
#[derive(Debug, thiserror::Error)]
pub enum ReminderError {
    /// The bookings cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The reminders cannot be written.
    #[error("reminders cannot be written: {0}")]
    Commit(#[from] CommitError),
}

/// Who is reminded, and when.
pub struct Reminders<'a> {
    /// Where everything is kept.
    pub storage: &'a Storage,
    /// Which bookings there are of a day.
    pub day_book: &'a DayBook,
    /// Which clinics have a way to tell their patients.
    pub channels: &'a Channels,
    /// The clinics' zone.
    pub zone: &'a ClinicZone,
    /// When on the day before.
    pub remind_at: TimeOfDay,
}

impl Reminders<'_> {
    /// Writes what is due by now: for every live booking of tomorrow from that time of day on, and of today where the
    /// server was down at the time. A booking is reminded of once, however often this is called. Answers how many
    /// reminders were written. Blocks the thread.
    ///
    /// Whoever has booked after that time has just been told when to come, and is not reminded; nor is anybody whose
    /// visit has begun.
    ///
    /// # Errors
    /// [`ReminderError`]; nothing is lost by calling again.
    pub fn write(&self, now: Timestamp) -> Result<usize, ReminderError> {
        let mut written = 0;
        for (key, _) in self.storage.scan(&keys::tenants(), Scan::ALL)? {
            if let Some(tenant) = keys::tenant_id(&key)
                && self.channels.reach(tenant)
            {
                written += self.write_for(tenant, now)?;
            }
        }
        Ok(written)
    }

    fn write_for(&self, tenant: TenantId, now: Timestamp) -> Result<usize, ReminderError> {
        let key = keys::reminded(tenant);
        let done = match self.storage.get(&key)?.map(|stored| stored.record) {
            Some(MetaRecord::Reminded(day)) => Some(day),
            Some(MetaRecord::Keys(_) | MetaRecord::NoShowsMarked(_) | MetaRecord::SchedulesGenerated(_))
            | None => None,
        };
        let today = self.zone.date_of(now);
        let tomorrow = today.saturating_add_days(1);
        let mut written = 0;
        for day in [today, tomorrow] {
            if done.is_some_and(|done| day <= done) || now < self.due_at(day) {
                continue;
            }
            written += self.write_day(tenant, day, now)?;
            let mut commit = Commit::new();
            commit.put(&key, &MetaRecord::Reminded(day));
            self.storage.commit(commit).wait()?;
        }
        Ok(written)
    }

    /// When those are reminded who have a visit on this day.
    fn due_at(&self, day: Date) -> Timestamp {
        self.zone.instant(day.saturating_add_days(-1), self.remind_at)
    }

    fn write_day(&self, tenant: TenantId, day: Date, now: Timestamp) -> Result<usize, ReminderError> {
        let entries = self.day_book.of_days(tenant, day..=day);
        let mut written = 0;
        for some in entries.chunks(AT_ONCE) {
            written += self.write_some(tenant, some, (day, now))?;
        }
        Ok(written)
    }

    fn write_some(
        &self,
        tenant: TenantId,
        entries: &[DayEntry],
        (day, now): (Date, Timestamp),
    ) -> Result<usize, ReminderError> {
        let mut tries = 1;
        loop {
            let mut commit = Commit::new();
            let mut written = 0;
            for entry in entries {
                let key = entry.key(tenant);
                if let Some(stored) = self.storage.get(&key)? {
                    let added = self.add(&mut commit, (tenant, &key), &stored, (day, now))?;
                    written += usize::from(added);
                }
            }
            if written == 0 {
                return Ok(0);
            }
            match self.storage.commit(commit).wait() {
                Ok(_) => return Ok(written),
                Err(CommitError::Conflict { .. }) if tries < MAX_TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Adds the reminder of a booking, if there is to be one, under the condition that the booking stays as it was read.
    fn add(
        &self,
        commit: &mut Commit,
        (tenant, key): (TenantId, &Key<BookingRecord>),
        stored: &Stored<BookingRecord>,
        (day, now): (Date, Timestamp),
    ) -> Result<bool, ReadError> {
        let BookingRecord(booking) = &stored.record;
        // The key does not depend on when it is written: it is what makes the reminder one.
        let eve = self.zone.start_of_day(day.saturating_add_days(-1));
        let id = NotificationId::of_booking(NotificationKind::Reminder, booking, eve);
        let reminder = keys::notification(tenant, &id);
        if !self.is_due(booking, now) || self.storage.contains(&reminder)? {
            return Ok(false);
        }
        commit.require_version(key, stored.version).require_absent(&reminder);
        let record = NotificationRecord::of_booking(NotificationKind::Reminder, booking, now);
        save_notification(commit, tenant, &id, &record);
        Ok(true)
    }

    fn is_due(&self, booking: &Booking, now: Timestamp) -> bool {
        booking.is_live()
            && booking.checked_in_at.is_none()
            && booking.booked_at < self.due_at(booking.date)
            && now < booking.starts_at
    }
}
