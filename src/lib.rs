//! The server behind a clinic's WeChat H5 app: HTTP, wiring, settings and the command line.
//!
//! It turns requests into domain types, asks the actors, and turns what they answer into the JSON of
//! the contract (《患者服务协议》). It knows neither how bookings are decided nor how they are stored.

pub mod cli;
pub mod http;
pub mod passwords;
pub mod settings;
pub mod sms;
pub mod telemetry;
pub mod tokens;
