//! HTTP: from requests to domain types and from answers to the JSON of the contract.
//!
//! Wire names and status codes exist in here only.

pub mod envelope;
pub mod error;
pub mod paging;
pub mod params;
pub mod request_id;
