//! (d) The commit of this server's storage, in this process, without anything around it; and the count of what is in a
//! store, for (e) too.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actors::{Clock, SystemClock};
use domain::{
    Booking, BookingCode, BookingId, Charge, ClinicKind, ClinicZone, Date, DoctorId, Fen, Owner, Period,
    SerialNo, Status, Timestamp,
};
use storage::records::{ActiveEntry, ActiveRecord, BookingOwner, BookingRecord, SlotRecord, VisitRecord};
use storage::{Commit, CommitError, Scan, Storage, Version, keys};

use crate::clinic::{self, Clinic};
use crate::plan::{self, Load, Place};
use crate::run::{self, Answer, Client, Run, Wanted};

/// What a commit needs that an actor of the server has in memory.
struct Memory {
    storage: Storage,
    day: Date,
    /// The version of each schedule's record, and that of each account's members.
    schedules: Vec<Version>,
    members: Vec<Version>,
    last_booking: AtomicU64,
}

struct Committer {
    memory: Arc<Memory>,
}

/// Books in the clinic of this folder, closes it, and counts.
pub async fn run(folder: &Path, wanted: Wanted) -> Run {
    let storage = clinic::open(folder);
    let tenant = clinic::tenant();
    let schedule = |n| storage.version(&keys::schedule(tenant, clinic::schedule_id(n))).expect("readable");
    let members = |n| storage.version(&keys::members(tenant, clinic::user_id(n))).expect("readable");
    let memory = Arc::new(Memory {
        day: Clinic::read(folder).day,
        schedules: (0..plan::SCHEDULES).map(schedule).collect(),
        members: (0..=plan::LATECOMER).map(members).collect(),
        last_booking: AtomicU64::new(1_000_000_000),
        storage: storage.clone(),
    });
    let mut committers: Vec<_> =
        (0..wanted.clients).map(|_| Committer { memory: Arc::clone(&memory) }).collect();
    let run = Run::begin(wanted);
    run.drive(&mut committers).await;
    run::ask_for_a_taken_slot(&mut committers[0], wanted.load).await;
    check(&storage, wanted.load, run.acknowledged());
    storage.close().expect("closed");
    run
}

impl Client for Committer {
    async fn book(&mut self, place: Place) -> Answer {
        let commit = self.memory.commit(place);
        match self.memory.storage.commit(commit).await {
            Ok(_) => Answer::Booked,
            Err(CommitError::Conflict { .. }) => Answer::Taken,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Memory {
    /// Writes and requires what the actor of a schedule does for a booking.
    fn commit(&self, place: Place) -> Commit {
        let now = SystemClock.now();
        let booking = self.booking(place, now);
        let tenant = clinic::tenant();
        let user = clinic::user_id(place.user);
        let owner = BookingOwner::Account(user);
        let slot = keys::slot(tenant, booking.schedule, booking.serial);
        let visit = keys::visit(tenant, booking.patient, booking.date, booking.period);
        let active = keys::active(tenant, user);
        let entry = ActiveEntry {
            booking: booking.id,
            schedule: booking.schedule,
            serial: booking.serial,
            date: booking.date,
        };
        let stored = self.storage.get(&active).expect("readable");
        let (version, mut entries) =
            stored.map_or((Version::ABSENT, Vec::new()), |stored| (stored.version, stored.record.entries));
        entries.push(entry);
        let over = ClinicZone::fixed_hours(8).start_of_day(booking.date.saturating_add_days(2));
        let schedule = keys::schedule(tenant, booking.schedule);
        let members = keys::members(tenant, user);
        let mut commit = Commit::new();
        commit
            .require_absent(&slot)
            .require_version(&schedule, self.schedules[place.schedule as usize])
            .require_absent(&visit)
            .require_version(&active, version)
            .require_version(&members, self.members[place.user as usize])
            .put(&slot, &SlotRecord { owner, booking: booking.id })
            .put_expiring(&visit, &VisitRecord { booking: booking.id }, over)
            .put(&keys::booking(tenant, owner, booking.id), &BookingRecord(booking))
            .put(&active, &ActiveRecord { entries });
        commit
    }

    fn booking(&self, place: Place, now: Timestamp) -> Booking {
        let number = self.last_booking.fetch_add(1, Ordering::SeqCst);
        Booking {
            id: BookingId::new(number).expect("an id"),
            code: BookingCode::new((number % 10_000_000) as u32 + 1).expect("a code"),
            schedule: clinic::schedule_id(place.schedule),
            serial: SerialNo::new(place.serial).expect("a serial number"),
            owner: Owner::Account {
                user: clinic::user_id(place.user),
                member: clinic::member_id(place.user),
            },
            patient: clinic::patient_id(place.user),
            date: self.day,
            period: if place.schedule.is_multiple_of(2) { Period::Am } else { Period::Pm },
            starts_at: now,
            department: clinic::department(),
            doctor: DoctorId::new(2001 + place.schedule / 2).ok(),
            kind: ClinicKind::Expert,
            fee: Fen::new(5_000).expect("a fee"),
            booked_at: now,
            status: Status::Booked,
            charge: Charge::Unpaid,
            checked_in_at: None,
        }
    }
}

/// Counts what a server that has ended left in its folder.
pub fn check_folder(folder: &Path, load: Load, acknowledged: u64) {
    let storage = clinic::open(folder);
    check(&storage, load, acknowledged);
    storage.close().expect("closed");
}

/// As many bookings as were acknowledged; of every schedule as many slots; and no booking without its slot or in two.
fn check(storage: &Storage, load: Load, acknowledged: u64) {
    let tenant = clinic::tenant();
    let mut slot_of = HashMap::new();
    for (schedule, expected) in load.booked(acknowledged) {
        let range = keys::slots_of(tenant, clinic::schedule_id(schedule));
        let slots = storage.scan(&range, Scan::ALL).expect("readable");
        assert_eq!(slots.len() as u64, expected, "slots of schedule {schedule}");
        for (key, stored) in slots {
            assert!(slot_of.insert(stored.record.booking, key).is_none(), "a booking has two slots");
        }
    }
    assert_eq!(slot_of.len() as u64, acknowledged, "slots");
    let bookings = storage.scan(&keys::bookings(tenant), Scan::ALL).expect("readable");
    assert_eq!(bookings.len() as u64, acknowledged, "bookings");
    let mut taken = HashSet::new();
    for (_, stored) in bookings {
        let booking = stored.record.0;
        let slot = keys::slot(tenant, booking.schedule, booking.serial);
        assert_eq!(slot_of.get(&booking.id), Some(slot.raw()), "the slot of a booking");
        assert!(taken.insert((booking.schedule, booking.serial)), "a slot has two bookings");
    }
}
