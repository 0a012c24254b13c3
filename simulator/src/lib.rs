//! WeChat's service account, WeChat Pay v3, an SMS webhook, and Aliyun's SMS service and object store, as the real ones answer.
//!
//! For tests, and for the demo on a machine without any account. [`Simulator::start`] listens on this machine; the server
//! reaches it through its ordinary settings, because every base URL is one. What is answered follows the documentation and
//! recorded live calls: failures of the service account are HTTP 200 with an errcode, those of WeChat Pay have their status and
//! are not signed; tokens rotate with an overlap; codes work once; notices are signed, encrypted and repeated until they
//! are taken. Where the real behaviour is not known, the place says so.
//!
//! A test can put an answer out of the ordinary before the next call ([`Simulator::script`]), twist what WeChat sends on its own
//! ([`Simulator::twist_notice`], [`Simulator::hold`]), and ask afterwards what has arrived ([`Simulator::calls`],
//! [`Simulator::received`], [`Simulator::sent`], [`Simulator::orders`]). Time comes from a [`Clock`] and chance from a seed.
//!
//! ```
//! use simulator::{Answer, Clock, Deliveries, Endpoint, Options, Simulator};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (clock, hand) = Clock::by_hand("2026-11-24T04:00:00Z".parse()?);
//! let wechat = Simulator::start(Options { clock, deliveries: Deliveries::WhenAsked, ..Options::default() })?;
//! let merchant = wechat.merchant("1900000001").expect("the default merchant");
//! // The server is given wechat.url(), wechat.sms_url() and the merchant's files.
//! assert!(merchant.public_key.is_some());
//! wechat.script(Endpoint::StableToken, Answer::errcode(40001));
//! hand.advance_secs(15);
//! assert_eq!(wechat.calls(Endpoint::StableToken), 0);
//! # Ok(())
//! # }
//! ```
//!
//! This crate must not know the server: it depends on no other crate of the workspace, and checks the server's signatures with
//! its own code, so that a mistake in one of the two is seen. Its keys are made at start and worth nothing elsewhere. It
//! must never listen beyond this machine: whoever reaches it can pay without money.

mod accounts;
mod aliyun;
mod callbacks;
mod chance;
mod clock;
mod door;
mod gateway;
mod handle;
mod http;
mod keys;
mod mp;
mod notices;
mod oauth;
mod orders;
mod oss;
mod outbox;
mod page;
mod refunds;
mod scripts;
mod signatures;
mod simulator;
mod sms;
mod templates;
mod world;

pub use accounts::{App, Callback, CallbackMode, Merchant, MerchantFiles, PayMode, Person, Template};
pub use aliyun::SmsAccount;
pub use clock::{Clock, Hand};
pub use mp::PageSignature;
pub use orders::{NotPaid, Order, PagePayment, TradeState};
pub use oss::{Bucket, Object};
pub use outbox::{Delivery, Release, Twist};
pub use refunds::{Refund, RefundStatus};
pub use scripts::{Answer, Endpoint};
pub use signatures::Refused;
pub use simulator::{Deliveries, Options, Simulator, StartError};
pub use sms::SmsMessage;
pub use templates::SentMessage;
pub use world::Received;
