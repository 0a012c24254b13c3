//! Being paid through WeChat Pay v3: what is asked of it, what it tells, and what follows.
//!
//! The rules are `domain`'s ([`domain::PayOrder`]); here is the order of things. An order is stored before WeChat hears
//! of it; what WeChat tells is verified, decided on and written as one commit with the booking; and for everything that
//! is still to be asked there is a row, which [`work`] goes through, so that neither a lost notice nor a crash loses
//! money.

pub mod certificates;
pub mod client;
pub mod merchant;
pub mod orders;
pub mod signing;
pub mod stuck;
pub mod wire;
pub mod work;

use actors::AskError;
use domain::{PaymentPolicy, PaymentRejection, TenantId};
use storage::{CommitError, ReadError, SealError, SequenceError};
use thiserror::Error;

use client::PayClient;
use signing::SigningError;

use crate::app::App;

/// What being paid takes, besides what each clinic has entered.
pub struct Pay {
    /// The way to WeChat Pay.
    pub client: PayClient,
    /// What the settings say about payment.
    pub policy: PaymentPolicy,
}

/// Why something about an order could not be done.
#[derive(Debug, Error)]
pub enum PayError {
    /// A rule refused it.
    #[error(transparent)]
    Rejected(#[from] PaymentRejection),
    /// A record cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record cannot be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// What the clinic has entered cannot be used.
    #[error(transparent)]
    Keys(#[from] SigningError),
    /// No number can be reserved.
    #[error(transparent)]
    Number(#[from] SequenceError),
    /// It was not written, or perhaps.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The schedule has not taken it.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Others changed the same records again and again; nothing changed.
    #[error("lost too many races")]
    Contended,
    /// A record that must be there is not.
    #[error("a record is missing: {0}")]
    Missing(&'static str),
}

/// Where WeChat sends its notices of this kind (`notify` or `refund_notify`) about a clinic's orders.
pub fn notify_url(app: &App, kind: &str, tenant: TenantId) -> String {
    format!("{}/pati_service/pay/{kind}/{tenant}", app.public_url)
}
