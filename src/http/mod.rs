//! HTTP: from requests to domain types and from answers to the JSON of the contract.
//!
//! Wire names and status codes exist in here only.

pub mod accounts;
pub mod barcodes;
pub mod bookings;
pub mod caller;
mod claimant;
pub mod clinic_info;
pub mod codes;
mod compression;
pub mod connections;
pub mod cors;
pub mod departments;
pub mod doctors;
pub mod envelope;
pub mod error;
pub mod front_desk;
pub mod health;
pub mod idempotency;
pub mod limits;
pub mod members;
pub mod notifications;
#[expect(unused_qualifications, reason = "ToSchema of a field that is a type parameter comes out so")]
pub mod openapi;
pub mod paging;
pub mod params;
pub mod patients;
pub mod payments;
pub mod pictures;
pub mod profile;
pub mod refusals;
pub mod request_id;
pub mod routes;
pub mod schedules;
pub mod security;
mod slot_grids;
pub mod staff;
pub mod templates;
pub mod timetable;
pub mod wechat;
