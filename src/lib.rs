//! The server behind a clinic's WeChat H5 app: HTTP, wiring, settings and the command line.
//!
//! It turns requests into domain types, asks the actors, and turns what they answer into the JSON of
//! the contract (《患者服务协议》). It knows neither how bookings are decided nor how they are stored.

pub mod app;
pub mod backups;
pub mod barcode;
pub mod cli;
pub mod demo;
pub mod export;
pub mod http;
pub mod import;
pub mod metrics;
pub mod nightly;
pub mod outbox;
pub mod passwords;
pub mod pay;
pub mod pictures;
pub mod progress;
pub mod reconcile;
pub mod server;
pub mod settings;
pub mod sms;
pub mod staff;
pub mod telemetry;
pub mod tenants;
pub mod texts;
pub mod tokens;
pub mod verify;
pub mod wechat;
