//! The rules of the clinic: booking, people, money and time.
//!
//! This crate decides; it does nothing. It must not know how a decision travels or is kept: no
//! async, clock, I/O, serialization, HTTP, actors or storage. The time, the policy and every id
//! are arguments, so that the same question always gets the same answer.
//!
//! A schedule is asked by [`ScheduleState::decide`]: a [`Command`] becomes events and a reply, or
//! one [`Rejection`]. Once the events are committed, [`ScheduleState::apply`] takes them over.

#![forbid(unsafe_code)]
#![deny(clippy::wildcard_enum_match_arm)]

mod booking;
mod command;
mod decide;
mod event;
mod grid;
mod ids;
mod invariants;
mod labels;
mod ledger;
mod money;
mod payment;
mod people;
mod policy;
mod rejection;
mod schedule;
mod staff;
mod state;
mod template;
mod time;
mod weekday;
mod zone;

pub use booking::{Booking, Canceller, Charge, Owner, Status};
pub use command::{
    AddSlots, Booker, Cancel, CancelBy, CheckIn, Command, Correct, NewBooking, NoShow, Paid, PaidBy,
    PatientFacts, Presubmit, Reason, ReasonError, Relocate, Reopen, Stop, Submit,
};
pub use decide::{Decision, Reply};
pub use event::Event;
pub use grid::{GridError, Pace, SlotGrid};
pub use ids::{
    BookingCode, BookingId, DepartmentId, DoctorId, ExceptionId, IdError, LabelId, MAX_ID, MemberId,
    PatientId, ScheduleId, SerialNo, SessionId, StaffId, TemplateId, TenantId, UserId,
};
pub use invariants::{BrokenInvariant, Invariant};
pub use labels::{LabelKind, LabelName, LabelNameError};
pub use money::{Fen, MoneyError};
pub use payment::{
    Attached, BookingEffect, BookingFacts, Cancellation, CloseReason, CreateOrder, Currency,
    LEAST_TIME_TO_PAY, LedgerEntry, MAX_MISMATCHES, MAX_ORDERS_PER_BOOKING, MAX_PAY_NUMBER, Mismatch,
    MismatchKind, Movement, OpenId, OrderCommand, OrderDecision, OrderEvent, OrderMark, OrderReply,
    OrderState, OutTradeNo, PREPAY_VALID, PayIdError, PayOrder, Payment, PaymentPolicy, PaymentRejection,
    PrepaidOrder, Prepay, PrepayId, REFUND_ASKED_WITHIN, REFUND_ATTEMPTS, REFUND_MADE_WITHIN, Receipt,
    Refund, RefundFailure, RefundNo, RefundReason, RefundReport, RefundState, Surplus, TradeReport,
    TradeState, TransactionId, UnpaidBooking, WechatRefundId, Work,
};
pub use people::{Age, Gender, IdNumber, PersonError, PersonName, Phone};
pub use policy::{DailyVisits, NoShowPolicy, Policy};
pub use rejection::Rejection;
pub use schedule::{Channel, ClinicKind, MAX_SLOTS, Schedule, ScheduleError, SlotPlan, Standing};
pub use staff::{AccountName, AccountNameError, Role};
pub use state::{Hold, Occupancy, ScheduleState, Slot};
pub use template::{
    DayChange, DayException, EndsBeforeItBegins, PlannedSchedule, Scope, Template, TemplateError, wanted,
};
pub use time::{Date, Period, TimeError, TimeOfDay, Timestamp};
pub use weekday::{Weekday, WeekdayError};
pub use zone::ClinicZone;
