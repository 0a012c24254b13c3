//! What a decision writes, and under which conditions.
//!
//! The preconditions are the last line against double booking: they hold even if two processes ran
//! an actor for the same schedule.

use domain::{Booking, Canceller, DailyVisits, Event, Schedule, Status, UserId};
use storage::records::{
    ActiveEntry, BookedBefore, BookingOwner, BookingRecord, MembersRecord, Miss, NoShowRecord,
    NotificationKind, PatientRecord, PayJobRecord, ScheduleAtRecord, ScheduleRecord, SlotRecord, VisitRecord,
};
use storage::{Commit, Key, ReadError, Version, keys};

use crate::consider::{self, ActiveFact, Setting};
use crate::loading::WroteScheduleRecord;
use crate::notices;
use crate::requests::AskError;

/// A visit's record is of no use once its day is over; kept a little longer, it costs little.
const VISIT_KEPT_DAYS: i32 = 2;

/// The versions of what was read for a decision.
#[derive(Default)]
pub(crate) struct Guards {
    pub(crate) members: Option<(Key<MembersRecord>, Version)>,
    /// The file of a patient whom no account answers for: it may be erased meanwhile.
    pub(crate) patient: Option<(Key<PatientRecord>, Version)>,
    pub(crate) no_show: Option<(Key<NoShowRecord>, Version)>,
    pub(crate) active: Vec<ActiveFact>,
}

/// A commit and what the actor has to know of it.
pub(crate) struct Written {
    pub(crate) commit: Commit,
    pub(crate) wrote_schedule_record: WroteScheduleRecord,
}

/// The commit of `events`; `None` when a booking among them has no version yet, because the commit
/// that made it is part of the batch under way.
pub(crate) fn commit_of(
    setting: &Setting<'_>,
    events: &[Event],
    guards: Guards,
) -> Result<Option<Written>, AskError> {
    let mut writer = Writer {
        setting,
        commit: Commit::new(),
        active: guards.active,
        schedule: None,
        booked_before: setting.loaded.booked_before,
    };
    for event in events {
        if !writer.write(event)? {
            return Ok(None);
        }
    }
    if let Some((key, version)) = guards.members {
        writer.commit.require_version(&key, version);
    }
    if let Some((key, version)) = guards.patient {
        writer.commit.require_version(&key, version);
    }
    if let Some((key, version)) = guards.no_show {
        writer.commit.require_version(&key, version);
    }
    Ok(Some(writer.finish(events)))
}

struct Writer<'a> {
    setting: &'a Setting<'a>,
    commit: Commit,
    active: Vec<ActiveFact>,
    /// The schedule after the events so far, once one of them has changed its record.
    schedule: Option<Schedule>,
    booked_before: BookedBefore,
}

impl Writer<'_> {
    /// False when the event concerns a booking without a version.
    fn write(&mut self, event: &Event) -> Result<bool, AskError> {
        match event {
            Event::Held { .. } | Event::HoldEnded { .. } => Ok(true),
            Event::Booked(booking) => {
                self.book(booking)?;
                self.tell(NotificationKind::Booked, booking);
                Ok(true)
            }
            Event::Cancelled { by: Canceller::Stop(_), .. } => self.rewrite(event, |writer, booking| {
                notices::notify(writer.setting, &mut writer.commit, NotificationKind::Stopped, booking);
                writer.look_after_orders(booking)?;
                writer.free(booking)
            }),
            Event::Cancelled { by: Canceller::Patient | Canceller::Staff(_), .. } => {
                self.rewrite(event, |writer, booking| {
                    writer.tell(NotificationKind::Cancelled, booking);
                    writer.look_after_orders(booking)?;
                    writer.free(booking)
                })
            }
            // It is the order that has caused it.
            Event::Cancelled { by: Canceller::Unpaid, .. } => self.rewrite(event, |writer, booking| {
                writer.tell(NotificationKind::Cancelled, booking);
                writer.free(booking)
            }),
            Event::CheckedIn { .. } => self.rewrite(event, |writer, booking| {
                writer.tell_if_registered(booking);
                writer.leave_active(booking)
            }),
            Event::Paid { .. } => self.rewrite(event, |writer, booking| {
                writer.tell_if_registered(booking);
                Ok(())
            }),
            Event::NoShowMarked { .. } => self.rewrite(event, |writer, booking| {
                writer.leave_active(booking)?;
                writer.add_miss(booking)
            }),
            Event::Corrected { .. } => {
                notices::note(self.setting, &mut self.commit, event)?;
                self.rewrite(event, |writer, booking| writer.remove_miss(booking))
            }
            Event::SlotsAdded { .. } | Event::Stopped { .. } | Event::Reopened { .. } => {
                self.change_schedule(event)?;
                Ok(true)
            }
            Event::Relocated { .. } => {
                for booking in self.setting.state.live_bookings() {
                    notices::notify(self.setting, &mut self.commit, NotificationKind::Relocated, booking);
                }
                self.change_schedule(event)?;
                Ok(true)
            }
        }
    }

    fn book(&mut self, booking: &Booking) -> Result<(), ReadError> {
        let tenant = self.setting.target.tenant;
        let owner = BookingOwner::of(booking);
        let slot = keys::slot(tenant, booking.schedule, booking.serial);
        let visit = keys::visit(tenant, booking.patient, booking.date, booking.period);
        self.commit.require_absent(&slot);
        self.require_schedule();
        self.commit.require_absent(&visit);
        match self.setting.policy.visits_per_patient_per_day {
            DailyVisits::Two => {}
            DailyVisits::One => {
                let other = keys::visit(tenant, booking.patient, booking.date, booking.period.other());
                self.commit.require_absent(&other);
            }
        }
        self.commit.put(&slot, &SlotRecord { owner, booking: booking.id });
        let over = self.setting.policy.zone.start_of_day(booking.date.saturating_add_days(VISIT_KEPT_DAYS));
        self.commit.put_expiring(&visit, &VisitRecord { booking: booking.id }, over);
        self.commit.put(&keys::booking(tenant, owner, booking.id), &BookingRecord::from(booking));
        if let Some(user) = booking.user() {
            let entry = ActiveEntry {
                booking: booking.id,
                schedule: booking.schedule,
                serial: booking.serial,
                date: booking.date,
            };
            self.active_of(user)?.record.entries.push(entry);
        }
        if self.booked_before == BookedBefore::Never {
            self.booked_before = BookedBefore::Yes;
            self.schedule.get_or_insert_with(|| self.setting.state.schedule().clone());
        }
        Ok(())
    }

    /// Has the patient told, where the clinic has a way to.
    fn tell(&mut self, kind: NotificationKind, booking: &Booking) {
        notices::notify_if_reached(self.setting, &mut self.commit, kind, booking);
    }

    /// Has the patient told whose booking has been registered (0 -> 2) by an event. Money that changes only how the
    /// booking's money stands, and whoever comes after having paid, were told before.
    fn tell_if_registered(&mut self, after: &Booking) {
        let before = self.setting.state.booking(after.id).map(|before| before.status);
        if before == Some(Status::Booked) && matches!(after.status, Status::Registered { .. }) {
            self.tell(NotificationKind::Registered, after);
        }
    }

    /// Writes the booking as it stands after the event, and what goes with it.
    fn rewrite(
        &mut self,
        event: &Event,
        more: impl FnOnce(&mut Self, &Booking) -> Result<(), ReadError>,
    ) -> Result<bool, AskError> {
        // Money for a booking that the state no longer holds changes no booking of this schedule.
        let Some(booking) = self.setting.state.booking_after(event) else {
            return Ok(true);
        };
        let Some(version) = self.setting.loaded.booking_versions.get(&booking.id) else {
            return Ok(false);
        };
        let key = keys::booking(self.setting.target.tenant, BookingOwner::of(&booking), booking.id);
        self.commit.require_version(&key, *version);
        self.commit.put(&key, &BookingRecord::from(&booking));
        more(self, &booking)?;
        Ok(true)
    }

    fn free(&mut self, booking: &Booking) -> Result<(), ReadError> {
        let tenant = self.setting.target.tenant;
        self.commit.delete(&keys::slot(tenant, booking.schedule, booking.serial));
        self.commit.delete(&keys::visit(tenant, booking.patient, booking.date, booking.period));
        self.leave_active(booking)
    }

    /// Has the orders of a booking that does not take place looked at: their money goes back, and none shall come any more.
    fn look_after_orders(&mut self, booking: &Booking) -> Result<(), ReadError> {
        let key = keys::orders_of_booking(self.setting.target.tenant, booking.id);
        let Some(stored) = self.setting.shared.storage.get(&key)? else { return Ok(()) };
        for order in stored.record.orders {
            let job = PayJobRecord { due_at: self.setting.now, attempts: 0 };
            self.commit.put(&keys::pay_job(order), &job);
        }
        Ok(())
    }

    fn leave_active(&mut self, booking: &Booking) -> Result<(), ReadError> {
        if let Some(user) = booking.user() {
            self.active_of(user)?.record.entries.retain(|entry| entry.booking != booking.id);
        }
        Ok(())
    }

    fn active_of(&mut self, user: UserId) -> Result<&mut ActiveFact, ReadError> {
        let index = match self.active.iter().position(|fact| fact.user == user) {
            Some(index) => index,
            None => {
                self.active.push(consider::read_active(self.setting, user)?);
                self.active.len() - 1
            }
        };
        Ok(&mut self.active[index])
    }

    fn add_miss(&mut self, booking: &Booking) -> Result<(), ReadError> {
        let policy = self.setting.policy;
        let today = policy.zone.date_of(self.setting.now);
        let mut fact = consider::read_no_show(self.setting, booking.patient)?;
        let window = i32::from(policy.no_show.window_days);
        fact.record.misses.retain(|miss| miss.date.days_until(today) < window);
        fact.record.misses.push(Miss { date: booking.date, booking: booking.id });
        let dates = fact.record.misses.iter().map(|miss| miss.date);
        fact.record.banned_until = policy.no_show.barred_until(dates, today).or(fact.record.banned_until);
        self.commit.require_version(&fact.key, fact.version);
        self.commit.put(&fact.key, &fact.record);
        Ok(())
    }

    fn remove_miss(&mut self, booking: &Booking) -> Result<(), ReadError> {
        let policy = self.setting.policy;
        let today = policy.zone.date_of(self.setting.now);
        let mut fact = consider::read_no_show(self.setting, booking.patient)?;
        fact.record.misses.retain(|miss| miss.booking != booking.id);
        let dates = fact.record.misses.iter().map(|miss| miss.date);
        if policy.no_show.barred_until(dates, today).is_none() {
            fact.record.banned_until = None;
        }
        self.commit.require_version(&fact.key, fact.version);
        self.commit.put(&fact.key, &fact.record);
        Ok(())
    }

    fn change_schedule(&mut self, event: &Event) -> Result<(), AskError> {
        let before = self.setting.state.schedule();
        self.schedule.get_or_insert_with(|| before.clone()).apply(event);
        notices::note(self.setting, &mut self.commit, event)?;
        Ok(())
    }

    /// The rules were asked about this very schedule: not stopped, not moved, no slots added since.
    fn require_schedule(&mut self) {
        let key = keys::schedule(self.setting.target.tenant, self.setting.target.schedule);
        self.commit.require_version(&key, self.setting.loaded.record_version);
    }

    fn finish(mut self, events: &[Event]) -> Written {
        let today = self.setting.policy.zone.date_of(self.setting.now);
        for fact in &mut self.active {
            fact.record.entries.retain(|entry| entry.date >= today);
            self.commit.require_version(&fact.key, fact.version);
            if fact.record.entries.is_empty() {
                self.commit.delete(&fact.key);
            } else {
                self.commit.put(&fact.key, &fact.record);
            }
        }
        let Some(schedule) = self.schedule.take() else {
            return Written { commit: self.commit, wrote_schedule_record: WroteScheduleRecord::No };
        };
        if !events.iter().any(|event| matches!(event, Event::Booked(_))) {
            self.require_schedule();
        }
        self.move_place(&schedule);
        let tenant = self.setting.target.tenant;
        let record = ScheduleRecord { schedule, booked_before: self.booked_before };
        self.commit.put(&keys::schedule(tenant, self.setting.target.schedule), &record);
        Written { commit: self.commit, wrote_schedule_record: WroteScheduleRecord::Yes }
    }

    /// A substitute takes the doctor's place on that half-day, where nobody else may be.
    fn move_place(&mut self, after: &Schedule) {
        let before = self.setting.state.schedule();
        if before.doctor == after.doctor {
            return;
        }
        let tenant = self.setting.target.tenant;
        let place = keys::schedule_at(tenant, &keys::SchedulePlace::of(after));
        self.commit.require_absent(&place);
        self.commit.put(&place, &ScheduleAtRecord { schedule: after.id });
        self.commit.delete(&keys::schedule_at(tenant, &keys::SchedulePlace::of(before)));
    }
}
