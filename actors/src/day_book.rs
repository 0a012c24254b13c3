//! Which bookings there are of a day: the desk's book, cancelled ones included.
//!
//! A read model beside the bookings themselves, which are stored under their owner. It says where the bookings of a day
//! are found and to whom a booking belongs that staff name by its number alone. What a booking looks like now is read
//! from storage. It is filled at start, and the actor of a schedule adds to it once a booking is committed; a booking
//! never leaves its day, schedule, patient or owner, so nothing here ever changes.

use std::ops::RangeInclusive;

use dashmap::DashMap;
use domain::{Booking, BookingId, Date, PatientId, ScheduleId, TenantId, UserId};
use storage::records::{BookingOwner, BookingRecord};
use storage::{Key, ReadError, Scan, Storage, keys};

/// How many bookings are read at a time at start, so that they are not all in memory at once.
const READ_AT_ONCE: usize = 4_096;

/// Room that the first booking of a day makes for those to come.
const FIRST_ROOM: usize = 16;

/// A booking as the book knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayEntry {
    /// The booking.
    pub booking: BookingId,
    /// Under whom it is stored.
    pub owner: BookingOwner,
    /// Who is to be seen.
    pub patient: PatientId,
    /// In which schedule, and so by which doctor: a substitute (替诊) takes over all of it.
    pub schedule: ScheduleId,
}

impl DayEntry {
    /// The entry of a booking.
    #[must_use]
    pub fn of(booking: &Booking) -> Self {
        Self {
            booking: booking.id,
            owner: BookingOwner::of(booking),
            patient: booking.patient,
            schedule: booking.schedule,
        }
    }

    /// Where the booking is stored.
    #[must_use]
    pub fn key(&self, tenant: TenantId) -> Key<BookingRecord> {
        keys::booking(tenant, self.owner, self.booking)
    }
}

/// The bookings of all days, of every tenant.
#[derive(Debug, Default)]
pub struct DayBook {
    days: DashMap<(TenantId, Date), Day>,
}

/// The bookings of one day, ascending by number. New ones mostly come last.
#[derive(Debug, Default)]
struct Day(Vec<Row>);

/// An entry in 32 bytes: there may be hundreds of thousands.
#[derive(Debug, Clone, Copy)]
struct Row {
    booking: BookingId,
    /// The account, 0 for the desk.
    owner: u64,
    patient: PatientId,
    schedule: ScheduleId,
}

impl DayBook {
    /// An empty book; see [`DayBook::fill`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters every booking of every tenant. Answers how many. Blocks the thread.
    ///
    /// # Errors
    /// [`ReadError`] for the first record that cannot be read.
    pub fn fill(&self, storage: &Storage) -> Result<usize, ReadError> {
        let mut entered = 0;
        for (key, _) in storage.scan(&keys::tenants(), Scan::ALL)? {
            let Some(tenant) = keys::tenant_id(&key) else { continue };
            let mut range = keys::bookings(tenant);
            loop {
                let bookings = storage.scan(&range, Scan { limit: READ_AT_ONCE, ..Scan::ALL })?;
                for (_, stored) in &bookings {
                    self.enter(tenant, &stored.record.0);
                }
                entered += bookings.len();
                match bookings.last() {
                    Some((last, _)) if bookings.len() == READ_AT_ONCE => range = range.after(last),
                    Some(_) | None => break,
                }
            }
        }
        Ok(entered)
    }

    /// Enters a booking that is committed. One that is there already stays as it is.
    pub(crate) fn enter(&self, tenant: TenantId, booking: &Booking) {
        let row = Row::from(DayEntry::of(booking));
        self.days.entry((tenant, booking.date)).or_default().enter(row);
    }

    /// The bookings of these days, by day and number.
    #[must_use]
    pub fn of_days(&self, tenant: TenantId, days: RangeInclusive<Date>) -> Vec<DayEntry> {
        let (mut date, last) = days.into_inner();
        let mut entries = Vec::new();
        while date <= last {
            if let Some(day) = self.days.get(&(tenant, date)) {
                entries.extend(day.0.iter().copied().map(DayEntry::from));
            }
            let next = date.saturating_add_days(1);
            if next == date {
                break;
            }
            date = next;
        }
        entries
    }

    /// A booking by its number, whatever its day. Looks at each day once.
    #[must_use]
    pub fn find(&self, tenant: TenantId, booking: BookingId) -> Option<DayEntry> {
        let days = self.days.iter().filter(|day| day.key().0 == tenant);
        days.filter_map(|day| day.find(booking)).next().map(DayEntry::from)
    }

    /// The bookings of a patient, cancelled ones too, in no particular order. Looks at every booking of the tenant.
    #[must_use]
    pub fn of_patient(&self, tenant: TenantId, patient: PatientId) -> Vec<DayEntry> {
        let mut entries = Vec::new();
        for day in self.days.iter().filter(|day| day.key().0 == tenant) {
            entries.extend(day.0.iter().filter(|row| row.patient == patient).copied().map(DayEntry::from));
        }
        entries
    }

    /// How many bookings are in it. For metrics and tests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.days.iter().map(|day| day.0.len()).sum()
    }

    /// Whether there is no booking.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes its rows take, the room for more included. For tests.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.days.iter().map(|day| day.0.capacity() * size_of::<Row>()).sum()
    }
}

impl Day {
    fn enter(&mut self, row: Row) {
        let place = match self.0.last() {
            None => 0,
            Some(last) if last.booking < row.booking => self.0.len(),
            Some(_) => match self.0.binary_search_by_key(&row.booking, |known| known.booking) {
                Ok(_) => return,
                Err(place) => place,
            },
        };
        if self.0.len() == self.0.capacity() {
            // A vector doubles, which is room for as much again; an eighth is enough and still rarely moves anything.
            self.0.reserve_exact(FIRST_ROOM.max(self.0.len() / 8));
        }
        self.0.insert(place, row);
    }

    fn find(&self, booking: BookingId) -> Option<Row> {
        let place = self.0.binary_search_by_key(&booking, |row| row.booking).ok()?;
        Some(self.0[place])
    }
}

impl From<DayEntry> for Row {
    fn from(entry: DayEntry) -> Self {
        let owner = match entry.owner {
            BookingOwner::Desk => 0,
            BookingOwner::Account(user) => user.get(),
        };
        Self { booking: entry.booking, owner, patient: entry.patient, schedule: entry.schedule }
    }
}

impl From<Row> for DayEntry {
    fn from(row: Row) -> Self {
        // No account has the number 0.
        let owner = UserId::new(row.owner).map_or(BookingOwner::Desk, BookingOwner::Account);
        Self { booking: row.booking, owner, patient: row.patient, schedule: row.schedule }
    }
}

#[cfg(test)]
mod tests;
