//! Schedules (排班): one doctor's or department's half-day with its slots.

use bincode::{Decode, Encode};
use domain::{
    Channel, ClinicKind, DepartmentId, DoctorId, Fen, Period, Schedule, ScheduleId, SerialNo, SlotPlan,
    StaffId, Standing, TimeOfDay, Timestamp,
};

use super::{date, millis, possible};
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;

/// A schedule as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRecord {
    /// The schedule.
    pub schedule: Schedule,
    /// Whether an import may still change it.
    pub booked_before: BookedBefore,
}

/// Whether a schedule ever had a booking, also one that was cancelled since. If it had, its date,
/// period, doctor, times, fee and slots stay as they were when somebody relied on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookedBefore {
    /// Nobody ever booked.
    Never,
    /// Somebody did.
    Yes,
}

#[derive(Encode, Decode)]
struct StoredSchedule {
    id: u64,
    department: u64,
    doctor: Option<u64>,
    date: i32,
    period: StoredPeriod,
    kind: StoredKind,
    fee: u32,
    location: String,
    slots: Vec<StoredSlotPlan>,
    standing: StoredStanding,
    booked_before: StoredBookedBefore,
}

#[derive(Encode, Decode)]
struct StoredSlotPlan {
    serial: u16,
    minutes: u16,
    channel: StoredChannel,
}

#[derive(Encode, Decode)]
enum StoredChannel {
    Online,
    DeskOnly,
}

#[derive(Encode, Decode)]
enum StoredStanding {
    Open,
    Stopped { at: i64, by: u64 },
}

#[derive(Encode, Decode)]
enum StoredBookedBefore {
    Never,
    Yes,
}

#[derive(Encode, Decode)]
pub(super) enum StoredPeriod {
    Am,
    Pm,
}

#[derive(Encode, Decode)]
pub(super) enum StoredKind {
    Ordinary,
    Expert,
}

impl From<Period> for StoredPeriod {
    fn from(period: Period) -> Self {
        match period {
            Period::Am => Self::Am,
            Period::Pm => Self::Pm,
        }
    }
}

impl From<StoredPeriod> for Period {
    fn from(stored: StoredPeriod) -> Self {
        match stored {
            StoredPeriod::Am => Self::Am,
            StoredPeriod::Pm => Self::Pm,
        }
    }
}

impl From<ClinicKind> for StoredKind {
    fn from(kind: ClinicKind) -> Self {
        match kind {
            ClinicKind::Ordinary => Self::Ordinary,
            ClinicKind::Expert => Self::Expert,
        }
    }
}

impl From<StoredKind> for ClinicKind {
    fn from(stored: StoredKind) -> Self {
        match stored {
            StoredKind::Ordinary => Self::Ordinary,
            StoredKind::Expert => Self::Expert,
        }
    }
}

impl From<&SlotPlan> for StoredSlotPlan {
    fn from(plan: &SlotPlan) -> Self {
        Self {
            serial: plan.serial.get(),
            minutes: plan.time.minutes(),
            channel: match plan.channel {
                Channel::Online => StoredChannel::Online,
                Channel::DeskOnly => StoredChannel::DeskOnly,
            },
        }
    }
}

impl TryFrom<StoredSlotPlan> for SlotPlan {
    type Error = Impossible;

    fn try_from(stored: StoredSlotPlan) -> Result<Self, Impossible> {
        Ok(Self {
            serial: possible(SerialNo::new(stored.serial), "serial number")?,
            time: possible(TimeOfDay::from_minutes(stored.minutes), "time of a slot")?,
            channel: match stored.channel {
                StoredChannel::Online => Channel::Online,
                StoredChannel::DeskOnly => Channel::DeskOnly,
            },
        })
    }
}

impl From<&ScheduleRecord> for StoredSchedule {
    fn from(record: &ScheduleRecord) -> Self {
        let schedule = &record.schedule;
        Self {
            id: schedule.id.get(),
            department: schedule.department.get(),
            doctor: schedule.doctor.map(|doctor| doctor.get()),
            date: schedule.date.ordinal(),
            period: schedule.period.into(),
            kind: schedule.kind.into(),
            fee: schedule.fee.get(),
            location: schedule.location.clone(),
            slots: schedule.slots.iter().map(StoredSlotPlan::from).collect(),
            standing: match schedule.standing {
                Standing::Open => StoredStanding::Open,
                Standing::Stopped { at, by } => StoredStanding::Stopped { at: millis(at), by: by.get() },
            },
            booked_before: match record.booked_before {
                BookedBefore::Never => StoredBookedBefore::Never,
                BookedBefore::Yes => StoredBookedBefore::Yes,
            },
        }
    }
}

impl TryFrom<StoredSchedule> for ScheduleRecord {
    type Error = Impossible;

    fn try_from(stored: StoredSchedule) -> Result<Self, Impossible> {
        let doctor = match stored.doctor {
            Some(doctor) => Some(possible(DoctorId::new(doctor), "doctor id")?),
            None => None,
        };
        let mut slots = Vec::with_capacity(stored.slots.len());
        for slot in stored.slots {
            slots.push(SlotPlan::try_from(slot)?);
        }
        let standing = match stored.standing {
            StoredStanding::Open => Standing::Open,
            StoredStanding::Stopped { at, by } => Standing::Stopped {
                at: Timestamp::from_millis(at),
                by: possible(StaffId::new(by), "staff id")?,
            },
        };
        let schedule = Schedule {
            id: possible(ScheduleId::new(stored.id), "schedule id")?,
            department: possible(DepartmentId::new(stored.department), "department id")?,
            doctor,
            date: date(stored.date, "date of a schedule")?,
            period: stored.period.into(),
            kind: stored.kind.into(),
            fee: possible(Fen::new(stored.fee), "fee")?,
            location: stored.location,
            slots,
            standing,
        };
        possible(schedule.validate(), "slot list")?;
        Ok(Self {
            schedule,
            booked_before: match stored.booked_before {
                StoredBookedBefore::Never => BookedBefore::Never,
                StoredBookedBefore::Yes => BookedBefore::Yes,
            },
        })
    }
}

impl Record for ScheduleRecord {
    const TABLE: Table = Table::Schedule;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredSchedule::from(self))
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredSchedule>(bytes)
    }
}

/// The one schedule of a department and doctor in a half-day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleAtRecord {
    /// The schedule.
    pub schedule: ScheduleId,
}

#[derive(Encode, Decode)]
struct StoredScheduleAt {
    schedule: u64,
}

impl TryFrom<StoredScheduleAt> for ScheduleAtRecord {
    type Error = Impossible;

    fn try_from(stored: StoredScheduleAt) -> Result<Self, Impossible> {
        Ok(Self { schedule: possible(ScheduleId::new(stored.schedule), "schedule id")? })
    }
}

impl Record for ScheduleAtRecord {
    const TABLE: Table = Table::ScheduleAt;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredScheduleAt { schedule: self.schedule.get() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredScheduleAt>(bytes)
    }
}
