//! The harness of the tests that talk to a real server over HTTP.
#![expect(dead_code, reason = "every test file uses its own part of the harness")]
#![expect(unreachable_pub, reason = "the harness is a module of several crates")]

pub mod audit;
pub mod clinic;
pub mod contract;
pub mod folder;
pub mod import;
pub mod load;
pub mod patients;
pub mod pay;
pub mod people;
pub mod privacy;
pub mod random;
pub mod shape;
pub mod staff;
pub mod store;
pub mod till;
pub mod town;
pub mod wire;
