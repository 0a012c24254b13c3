//! The harness of the tests that talk to a real server over HTTP.
#![expect(dead_code, reason = "every test file uses its own part of the harness")]

pub mod clinic;
pub mod patients;
pub mod people;
pub mod wire;
