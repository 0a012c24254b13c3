//! The rules of a schedule as tables: every state and every command, every rejection in its order.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be built fails its test")]

mod bookings;
mod clinic;
mod holds;
mod payment_walks;
mod payments;
mod rejections;
mod slots;
mod templates;
mod timetable;
