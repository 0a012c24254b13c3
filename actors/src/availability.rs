//! What the lists show: which slots of which schedule are free.
//!
//! A read model. It is filled at start for every schedule from today on, and each actor brings its
//! schedule up to date after a commit or a hold. A list reads it and never wakes an actor. It only
//! shows; whether a slot can be had is decided by the actor and by storage.

use std::collections::HashMap;

use dashmap::DashMap;
use domain::{
    BookingId, Channel, ClinicZone, Date, DepartmentId, Occupancy, Schedule, ScheduleId, ScheduleState,
    SerialNo, SlotPlan, TenantId, Timestamp,
};

use storage::{ReadError, Storage};

use crate::hydration::taken_slots;
use crate::profiles::Profiles;

/// One schedule as the lists see it.
#[derive(Debug, Clone)]
pub struct ScheduleView {
    /// The schedule as it is planned now.
    pub schedule: Schedule,
    /// One for each of the schedule's slots, in the same order.
    slots: Vec<SlotView>,
}

/// What the clinic counts of a schedule's slots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotCounts {
    /// All of them.
    pub total: usize,
    /// Those for the desk alone (现场号), whoever has them.
    pub desk_only: usize,
    /// Those that are booked.
    pub booked: usize,
    /// Those that can still be given out, online or at the desk: neither booked nor held nor passed.
    pub left: usize,
}

#[derive(Debug, Clone, Copy)]
struct SlotView {
    starts_at: Timestamp,
    occupancy: Occupancy,
}

impl ScheduleView {
    fn of(state: &ScheduleState, zone: &ClinicZone) -> Self {
        Self::new(state.schedule().clone(), state.slots().map(|slot| slot.occupancy), zone)
    }

    /// `occupancies` has one for each slot of the schedule, in the same order.
    fn new(schedule: Schedule, occupancies: impl Iterator<Item = Occupancy>, zone: &ClinicZone) -> Self {
        let starts = schedule.slots.iter().map(|plan| zone.instant(schedule.date, plan.time));
        let view = |(starts_at, occupancy)| SlotView { starts_at, occupancy };
        let slots = starts.zip(occupancies).map(view).collect();
        Self { schedule, slots }
    }

    /// The slots that a patient can book at `now`: not passed, not held, not for the desk alone.
    /// Whether the schedule admits patients at all is another question: [`Schedule::admits`].
    pub fn free_slots(&self, now: Timestamp) -> impl Iterator<Item = SlotPlan> + '_ {
        let slots = self.schedule.slots.iter().zip(&self.slots);
        slots.filter(move |(plan, slot)| slot.is_free(plan.channel, now)).map(|(plan, _)| *plan)
    }

    /// A schedule that no list shows, as it is stored: one of the past.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn stored(
        storage: &Storage,
        zone: &ClinicZone,
        tenant: TenantId,
        schedule: Schedule,
    ) -> Result<Self, ReadError> {
        let taken = taken_slots(storage, tenant, schedule.id)?;
        Ok(Self::with_taken(schedule, &taken, zone))
    }

    fn with_taken(schedule: Schedule, taken: &HashMap<SerialNo, BookingId>, zone: &ClinicZone) -> Self {
        let occupancy = |plan: &SlotPlan| match taken.get(&plan.serial) {
            Some(booking) => Occupancy::Booked(*booking),
            None => Occupancy::Free,
        };
        let occupancies: Vec<_> = schedule.slots.iter().map(occupancy).collect();
        Self::new(schedule, occupancies.into_iter(), zone)
    }

    /// Every slot with who has it at `now`.
    pub fn slots(&self, now: Timestamp) -> impl Iterator<Item = (SlotPlan, Occupancy)> + '_ {
        let slots = self.schedule.slots.iter().zip(&self.slots);
        slots.map(move |(plan, slot)| (*plan, slot.occupancy.at(now)))
    }

    /// What the clinic counts at `now`.
    #[must_use]
    pub fn counts(&self, now: Timestamp) -> SlotCounts {
        let mut counts = SlotCounts { total: self.slots.len(), ..SlotCounts::default() };
        for (plan, slot) in self.schedule.slots.iter().zip(&self.slots) {
            counts.desk_only += usize::from(plan.channel == Channel::DeskOnly);
            match slot.occupancy.at(now) {
                Occupancy::Booked(_) => counts.booked += 1,
                Occupancy::Held(_) => {}
                Occupancy::Free => {
                    counts.left += usize::from(slot.starts_at > now && !self.schedule.is_stopped());
                }
            }
        }
        counts
    }

    /// How many slots a patient can book at `now`.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> usize {
        self.free_slots(now).count()
    }

    /// Whether a patient can book any slot at `now`.
    #[must_use]
    pub fn has_left(&self, now: Timestamp) -> bool {
        self.free_slots(now).next().is_some()
    }
}

impl SlotView {
    fn is_free(&self, channel: Channel, now: Timestamp) -> bool {
        channel == Channel::Online && self.starts_at > now && self.occupancy.at(now) == Occupancy::Free
    }
}

/// All schedules from today on, by id and by department and day.
#[derive(Debug)]
pub struct Availability {
    zone: ClinicZone,
    schedules: DashMap<(TenantId, ScheduleId), ScheduleView>,
    days: DashMap<(TenantId, DepartmentId, Date), Vec<ScheduleId>>,
    profiles: Profiles,
}

impl Availability {
    /// An empty model; see [`crate::hydrate`].
    #[must_use]
    pub fn new(zone: ClinicZone) -> Self {
        Self { zone, schedules: DashMap::new(), days: DashMap::new(), profiles: Profiles::default() }
    }

    /// What the lists say of departments and doctors.
    #[must_use]
    pub fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// The clinic's zone.
    #[must_use]
    pub fn zone(&self) -> &ClinicZone {
        &self.zone
    }

    /// Shows a schedule as it stands now, whole: after it was loaded, or after more than its slots changed.
    pub(crate) fn show(&self, tenant: TenantId, state: &ScheduleState) {
        self.insert(tenant, ScheduleView::of(state, &self.zone));
    }

    /// Shows a schedule that no actor has loaded, from the bookings that have its slots.
    pub(crate) fn show_stored(
        &self,
        tenant: TenantId,
        schedule: Schedule,
        taken: &HashMap<SerialNo, BookingId>,
    ) {
        self.insert(tenant, ScheduleView::with_taken(schedule, taken, &self.zone));
    }

    /// Shows a schedule that was just added, unless its actor was faster.
    pub(crate) fn show_new(&self, tenant: TenantId, schedule: Schedule) {
        let id = schedule.id;
        if !self.schedules.contains_key(&(tenant, id)) {
            let free: Vec<_> = schedule.slots.iter().map(|_| Occupancy::Free).collect();
            self.insert(tenant, ScheduleView::new(schedule, free.into_iter(), &self.zone));
        }
    }

    /// A schedule that was changed before anybody booked it may have moved: for a moment no day names it, and none
    /// names it wrongly.
    fn insert(&self, tenant: TenantId, view: ScheduleView) {
        let Schedule { id, department, date, .. } = view.schedule;
        let before = self.look(tenant, id, |shown| (shown.schedule.department, shown.schedule.date));
        if let Some((before, day)) = before.filter(|before| *before != (department, date))
            && let Some(mut listed) = self.days.get_mut(&(tenant, before, day))
        {
            listed.retain(|listed| *listed != id);
        }
        self.schedules.insert((tenant, id), view);
        let mut day = self.days.entry((tenant, department, date)).or_default();
        if !day.contains(&id) {
            day.push(id);
        }
    }

    /// Brings the slots of a schedule up to date.
    pub(crate) fn refresh(&self, tenant: TenantId, state: &ScheduleState) {
        let key = (tenant, state.schedule().id);
        let same_slots = match self.schedules.get_mut(&key) {
            Some(mut view) if view.schedule == *state.schedule() => {
                for (shown, slot) in view.slots.iter_mut().zip(state.slots()) {
                    shown.occupancy = slot.occupancy;
                }
                true
            }
            Some(_) | None => false,
        };
        if !same_slots {
            self.show(tenant, state);
        }
    }

    /// Reads one schedule. `None` when there is no such schedule from today on.
    pub fn look<T>(
        &self,
        tenant: TenantId,
        schedule: ScheduleId,
        read: impl FnOnce(&ScheduleView) -> T,
    ) -> Option<T> {
        self.schedules.get(&(tenant, schedule)).map(|view| read(&view))
    }

    /// Reads every schedule of a department on one day, in no particular order.
    pub fn look_at_day<T>(
        &self,
        tenant: TenantId,
        department: DepartmentId,
        date: Date,
        mut read: impl FnMut(&ScheduleView) -> T,
    ) -> Vec<T> {
        let Some(ids) = self.days.get(&(tenant, department, date)).map(|day| day.clone()) else {
            return Vec::new();
        };
        ids.iter().filter_map(|id| self.look(tenant, *id, &mut read)).collect()
    }

    /// Forgets the schedules of days before `today`.
    pub fn forget_before(&self, today: Date) {
        self.schedules.retain(|_, view| view.schedule.date >= today);
        self.days.retain(|(_, _, date), _| *date >= today);
    }

    /// How many schedules are shown. For metrics.
    #[must_use]
    pub fn len(&self) -> usize {
        self.schedules.len()
    }

    /// Whether no schedule is shown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.schedules.is_empty()
    }
}
