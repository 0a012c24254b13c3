//! Import files: an invented clinic, as large as a test needs it.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

/// The department that every schedule belongs to.
pub const DEPARTMENT: u64 = 101;

/// Today in the clinic's zone, or so many days later.
pub fn day(days: i32) -> Date {
    let zone = TimeZone::get("Asia/Shanghai").expect("a known zone");
    let today = zone.to_datetime(Timestamp::now()).date();
    today.checked_add(days.days()).expect("within the calendar")
}

/// Half a day, as import files name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Half {
    Am,
    Pm,
}

impl Half {
    pub const BOTH: [Self; 2] = [Self::Am, Self::Pm];

    fn name(self) -> &'static str {
        match self {
            Self::Am => "AM",
            Self::Pm => "PM",
        }
    }

    /// Minutes of the day of the first slot.
    fn first_slot(self) -> u16 {
        match self {
            Self::Am => 7 * 60,
            Self::Pm => 13 * 60,
        }
    }
}

/// One clinic with one department, its doctors and schedules.
#[derive(Clone, Debug, Default)]
pub struct ImportFile {
    doctors: Vec<Value>,
    schedules: Vec<Value>,
}

impl ImportFile {
    pub fn doctor(&mut self, id: u64) -> &mut Self {
        self.doctors.push(json!({
            "id": id.to_string(), "name": format!("医生{id}"), "title": "主任医师", "avatar": "", "description": "",
            "expertise": "白内障", "departments": [DEPARTMENT.to_string()]
        }));
        self
    }

    /// A schedule of an expert (专家) for 50 yuan, with so many slots a minute apart: from 07:00 or 13:00 on.
    pub fn schedule(&mut self, id: u64, doctor: u64, date: Date, half: Half, slots: u16) -> &mut Self {
        let slots = (1..=slots).map(|serial| json!({"serialNo": serial, "time": slot_time(half, serial)}));
        self.add(json!({
            "id": id.to_string(), "department": DEPARTMENT.to_string(), "doctor": doctor.to_string(),
            "date": date.to_string(), "period": half.name(), "type": 1, "fee": "50.00", "location": "二楼201",
            "slots": slots.collect::<Vec<_>>()
        }))
    }

    /// A schedule as the file is to have it.
    pub fn add(&mut self, schedule: Value) -> &mut Self {
        self.schedules.push(schedule);
        self
    }

    pub fn to_json(&self) -> Value {
        json!({
            "tenant": {"id": 1, "name": "测试诊所", "appo_notice": "请提前十分钟到", "phone": "010-12345678"},
            "departments": [{
                "id": DEPARTMENT.to_string(), "name": "眼科", "avatar": "", "description": "眼病", "location": "一楼东"
            }],
            "doctors": self.doctors, "schedules": self.schedules
        })
    }
}

/// The time of a slot of [`ImportFile::schedule`], `HH:mm`.
pub fn slot_time(half: Half, serial: u16) -> String {
    let minute = half.first_slot() + serial - 1;
    format!("{:02}:{:02}", minute / 60, minute % 60)
}
