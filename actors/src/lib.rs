//! The only crate that knows actix actors: one actor a schedule, the directory that finds it, the
//! read model of the lists, and the timers.
//!
//! It must not know HTTP, JSON or settings. Rules are `domain`'s, files are `storage`'s; what lives
//! here is the order of things: decide, commit, apply, reply.

mod audit;
mod availability;
mod clock;
mod clock_actor;
mod commits;
mod consider;
mod directory;
mod holds;
mod hydration;
mod label_sweep;
mod loading;
mod no_shows;
mod patient_index;
mod planning;
mod profiles;
mod replies;
mod requests;
mod schedule_actor;

pub use audit::AuditRow;
pub use availability::{Availability, ScheduleView};
pub use clock::{Clock, ManualClock, SystemClock};
pub use clock_actor::ClockActor;
pub use directory::{DirectoryConfig, OnAnswer, ScheduleDirectory, Target, Terms};
pub use hydration::hydrate;
pub use label_sweep::{LabelSweepError, sweep_labels};
pub use loading::LoadError;
pub use no_shows::mark_no_shows;
pub use patient_index::{IndexError, LabelOrder, LabelPage, LabelView, PatientIndex, PhonePrefix, Sought};
pub use planning::{Addition, add_schedule};
pub use profiles::Profiles;
pub use replies::decode_reply;
pub use requests::{AskError, Booker, Repeat, Request};
