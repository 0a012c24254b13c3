//! The clinic that load is put on: many schedules, alike but for their doctor and half-day.

use std::collections::HashMap;

use jiff::civil::Date;

use super::import::{Half, ImportFile, day, slot_time};

/// One slot of one schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    pub schedule: u64,
    pub serial: u16,
}

/// When a schedule takes place; a patient has one visit in it at most.
pub type HalfDay = (Date, Half);

struct Schedule {
    id: u64,
    doctor: u64,
    half_day: HalfDay,
}

/// All schedules, and where a slot is found by what the lists say of it.
pub struct Town {
    schedules: Vec<Schedule>,
    slots: u16,
    by_time: HashMap<(String, String), Slot>,
}

impl Town {
    /// So many doctors, each seeing patients mornings and afternoons for so many days from the day after tomorrow on.
    pub fn new(doctors: u64, days: i32, slots: u16) -> Self {
        let mut schedules = Vec::new();
        let mut by_time = HashMap::new();
        for doctor in 2001..=2000 + doctors {
            for date in (2..2 + days).map(day) {
                for half in Half::BOTH {
                    let id = 3001 + schedules.len() as u64;
                    for serial in 1..=slots {
                        let time = format!("{date} {}:00", slot_time(half, serial));
                        by_time.insert((doctor.to_string(), time), Slot { schedule: id, serial });
                    }
                    schedules.push(Schedule { id, doctor, half_day: (date, half) });
                }
            }
        }
        Self { schedules, slots, by_time }
    }

    pub fn import_file(&self) -> ImportFile {
        let mut file = ImportFile::default();
        let mut doctors: Vec<_> = self.schedules.iter().map(|schedule| schedule.doctor).collect();
        doctors.dedup();
        for doctor in doctors {
            file.doctor(doctor);
        }
        for Schedule { id, doctor, half_day: (date, half) } in &self.schedules {
            file.schedule(*id, *doctor, *date, *half, self.slots);
        }
        file
    }

    pub fn schedules(&self) -> impl Iterator<Item = u64> + '_ {
        self.schedules.iter().map(|schedule| schedule.id)
    }

    pub fn slots(&self) -> u16 {
        self.slots
    }

    /// Any slot, by a number below [`Town::size`].
    pub fn slot(&self, number: usize) -> Slot {
        let slots = usize::from(self.slots);
        Slot { schedule: self.schedules[number / slots].id, serial: (number % slots) as u16 + 1 }
    }

    pub fn size(&self) -> usize {
        self.schedules.len() * usize::from(self.slots)
    }

    pub fn half_day(&self, slot: Slot) -> HalfDay {
        self.schedules[(slot.schedule - 3001) as usize].half_day
    }

    /// The slot of a doctor at a time, as the list of bookings tells them.
    pub fn slot_at(&self, doctor: &str, time: &str) -> Option<Slot> {
        self.by_time.get(&(doctor.to_owned(), time.to_owned())).copied()
    }
}
