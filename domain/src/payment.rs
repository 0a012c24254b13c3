//! Payment: one order of one booking, from the tap on "pay" to the money, and back if need be.
//!
//! [`PayOrder::decide`] turns an [`OrderCommand`] into [`OrderEvent`]s and a reply, or one
//! [`PaymentRejection`]; [`PayOrder::apply`] takes the events over once they are committed. Nothing
//! here calls WeChat: what it has told comes in as commands, in any order and any number of times,
//! and what is to be asked of it is [`PayOrder::work`].
//!
//! What holds, whatever comes in: an order takes money once, by one transaction; it gives back no
//! more than it took; and each [`LedgerEntry`] is the only one of its transaction or refund. An event
//! with an entry is to be committed together with it, and with what the event does to the booking
//! ([`OrderEvent::booking_effect`]), or not at all.

mod command;
mod decide;
mod event;
mod ids;
mod order;
mod refunds;
mod work;

pub use command::{
    Attached, BookingFacts, CreateOrder, OrderCommand, Payment, PrepaidOrder, RefundReport, RefundState,
    TradeReport, TradeState,
};
pub use decide::{OrderDecision, OrderReply, PaymentRejection};
pub use event::{BookingEffect, LedgerEntry, Movement, OrderEvent};
pub use ids::{
    Currency, MAX_PAY_NUMBER, OpenId, OrderMark, OutTradeNo, PayIdError, PrepayId, RefundNo, TransactionId,
    WechatRefundId,
};
pub use order::{
    Cancellation, CloseReason, Mismatch, MismatchKind, OrderState, PayOrder, Prepay, Receipt, Refund,
    RefundFailure, RefundReason, Surplus,
};
pub use work::{REFUND_ATTEMPTS, Work};

use std::time::Duration;

/// For how long a `prepay_id` is good, by WeChat's word.
pub const PREPAY_VALID: Duration = Duration::from_secs(2 * 60 * 60);
/// WeChat refuses an order that ends sooner than this.
pub const LEAST_TIME_TO_PAY: Duration = Duration::from_secs(60);
/// WeChat takes the request for a refund at once; after this time something is in its way.
pub const REFUND_ASKED_WITHIN: Duration = Duration::from_secs(10 * 60);
/// The payer has the money back within this time, by WeChat's word, also on a bank card.
pub const REFUND_MADE_WITHIN: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// How many orders a booking can have. Each of them was given up before the next was made, so a
/// patient has no use for that many.
pub const MAX_ORDERS_PER_BOOKING: u16 = 32;
/// How many contradictions an order remembers. The first ones tell what went wrong; no sender of
/// notices shall be able to fill the disk.
pub const MAX_MISMATCHES: usize = 8;

/// What a clinic has decided about payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentPolicy {
    /// For how long an order can be paid; WeChat is told. At least [`LEAST_TIME_TO_PAY`].
    pub pay_within: Duration,
    /// What becomes of the booking of an order that was not paid in time.
    pub unpaid: UnpaidBooking,
}

impl PaymentPolicy {
    /// The policy of a clinic that has set nothing.
    pub const STANDARD: Self = Self { pay_within: Duration::from_secs(15 * 60), unpaid: UnpaidBooking::Keep };
}

/// What becomes of a booking whose order was not paid in time (`booking.unpaid`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnpaidBooking {
    /// It stays: it can be paid with a new order, or at the desk.
    Keep,
    /// It is cancelled.
    Cancel,
}
