//! The only crate that knows actix actors: one actor a schedule, the directory that finds it, the
//! read model of the lists, and the timers.
//!
//! It must not know HTTP, JSON or settings. Rules are `domain`'s, files are `storage`'s; what lives
//! here is the order of things: decide, commit, apply, reply.

mod audit;
mod availability;
mod channels;
mod clock;
mod clock_actor;
mod commits;
mod consider;
mod day_book;
mod directory;
mod generation;
mod holds;
mod hydration;
mod label_sweep;
mod loading;
mod no_shows;
mod notices;
mod openings;
mod patient_index;
mod planning;
mod profiles;
mod reminders;
mod replies;
mod requests;
mod schedule_actor;

pub use audit::AuditRow;
pub use availability::{Availability, ScheduleView, SlotCounts};
pub use channels::{Channels, TextMessages};
pub use clock::{Clock, ManualClock, SystemClock};
pub use clock_actor::ClockActor;
pub use day_book::{DayBook, DayEntry};
pub use directory::{DirectoryConfig, OnAnswer, ScheduleDirectory, Target, Terms};
pub use generation::{Days, Due, Generated, GenerationError, Generator, days_ahead};
pub use hydration::hydrate;
pub use label_sweep::{LabelSweepError, sweep_labels};
pub use loading::LoadError;
pub use no_shows::{Ban, bans, lift_ban, mark_no_shows};
pub use notices::{NOTIFICATIONS_KEPT, save_notification};
pub use openings::Openings;
pub use patient_index::{IndexError, LabelOrder, LabelPage, LabelView, PatientIndex, PhonePrefix, Sought};
pub use planning::{Addition, Change, add_schedule, change_schedule};
pub use profiles::Profiles;
pub use reminders::{ReminderError, Reminders};
pub use replies::{decode_reply, encode_reply};
pub use requests::{AskError, Booker, Repeat, Request};
