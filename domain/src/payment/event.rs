//! What an order has decided, told so fully that applying it needs nothing else.

use super::UnpaidBooking;
use super::ids::{OutTradeNo, RefundNo, TransactionId, WechatRefundId};
use super::order::{
    CloseReason, Mismatch, PayOrder, Prepay, Receipt, Refund, RefundFailure, RefundReason, Surplus,
};
use crate::money::Fen;
use crate::time::Timestamp;

/// One change of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderEvent {
    /// There is a new order.
    Created(Box<PayOrder>),
    /// It can be paid.
    Prepaid {
        /// The order.
        order: OutTradeNo,
        /// The session in which it can.
        prepay: Prepay,
    },
    /// WeChat is to close it.
    CloseBegun {
        /// The order.
        order: OutTradeNo,
        /// When that was decided.
        at: Timestamp,
        /// Why.
        reason: CloseReason,
    },
    /// It cannot be paid any more.
    Closed {
        /// The order.
        order: OutTradeNo,
        /// When we knew.
        at: Timestamp,
        /// Why.
        reason: CloseReason,
    },
    /// Money came in, and the booking takes it.
    Paid {
        /// The order.
        order: OutTradeNo,
        /// The payment.
        receipt: Receipt,
        /// The money.
        amount: Fen,
    },
    /// Money came in, and goes back.
    Surplus {
        /// The order.
        order: OutTradeNo,
        /// The payment.
        receipt: Receipt,
        /// The money.
        amount: Fen,
        /// The refund.
        refund: Refund,
    },
    /// Something was told that cannot be true.
    Mismatched {
        /// The order.
        order: OutTradeNo,
        /// What.
        mismatch: Mismatch,
    },
    /// The money is to be given back, or to be tried again.
    RefundDue {
        /// The order.
        order: OutTradeNo,
        /// The refund.
        refund: Refund,
    },
    /// WeChat is giving the money back.
    RefundAccepted {
        /// The order.
        order: OutTradeNo,
        /// The refund.
        refund: Refund,
        /// WeChat's number of it.
        id: WechatRefundId,
        /// When it said so.
        at: Timestamp,
    },
    /// The money is back with who paid it.
    Refunded {
        /// The order.
        order: OutTradeNo,
        /// The refund.
        refund: Refund,
        /// The money.
        amount: Fen,
        /// When we heard of it.
        at: Timestamp,
    },
    /// The money could not be given back.
    RefundFailed {
        /// The order.
        order: OutTradeNo,
        /// The refund.
        refund: Refund,
        /// Why.
        failure: RefundFailure,
        /// When we heard of it.
        at: Timestamp,
    },
}

/// Money that moved. There is one entry of each transaction and of each refund: storage has a key for
/// each, and a commit requires it to be absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The order.
    pub order: OutTradeNo,
    /// In or out, and by what.
    pub movement: Movement,
    /// How much.
    pub amount: Fen,
    /// When: for a payment by WeChat's word, for a refund when we heard of it.
    pub at: Timestamp,
}

/// Which way money moved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Movement {
    /// To the clinic.
    Received(TransactionId),
    /// Back to who had paid.
    Refunded(RefundNo),
}

/// What an event of an order means for its booking, to be done in the same commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookingEffect {
    /// The schedule is to be told [`Paid`](crate::Paid). Money for a missed visit is among it: the
    /// booking notes it as to be paid back.
    Pay {
        /// When it was paid, by WeChat's word.
        paid_at: Timestamp,
    },
    /// The booking's charge goes from refund due to refunded.
    Refunded,
    /// The schedule is to be told to cancel by [`CancelBy::Unpaid`](crate::CancelBy::Unpaid). That it
    /// refuses is no failure: the booking may have been paid at the desk.
    CancelUnpaid,
}

impl OrderEvent {
    /// The order that it makes or changes.
    pub fn order(&self) -> OutTradeNo {
        match self {
            Self::Created(order) => order.no,
            Self::Prepaid { order, .. }
            | Self::CloseBegun { order, .. }
            | Self::Closed { order, .. }
            | Self::Paid { order, .. }
            | Self::Surplus { order, .. }
            | Self::Mismatched { order, .. }
            | Self::RefundDue { order, .. }
            | Self::RefundAccepted { order, .. }
            | Self::Refunded { order, .. }
            | Self::RefundFailed { order, .. } => *order,
        }
    }

    /// What is to be written into the ledger with it.
    pub fn ledger_entry(&self) -> Option<LedgerEntry> {
        match self {
            Self::Paid { order, receipt, amount } | Self::Surplus { order, receipt, amount, .. } => {
                Some(LedgerEntry {
                    order: *order,
                    movement: Movement::Received(receipt.transaction.clone()),
                    amount: *amount,
                    at: receipt.paid_at,
                })
            }
            Self::Refunded { order, refund, amount, at } => Some(LedgerEntry {
                order: *order,
                movement: Movement::Refunded(refund.no),
                amount: *amount,
                at: *at,
            }),
            Self::Created(_)
            | Self::Prepaid { .. }
            | Self::CloseBegun { .. }
            | Self::Closed { .. }
            | Self::Mismatched { .. }
            | Self::RefundDue { .. }
            | Self::RefundAccepted { .. }
            | Self::RefundFailed { .. } => None,
        }
    }

    /// The refund that becomes due by it.
    pub const fn refund_begun(&self) -> Option<&Refund> {
        match self {
            Self::Surplus { refund, .. } | Self::RefundDue { refund, .. } => Some(refund),
            Self::Created(_)
            | Self::Prepaid { .. }
            | Self::CloseBegun { .. }
            | Self::Closed { .. }
            | Self::Paid { .. }
            | Self::Mismatched { .. }
            | Self::RefundAccepted { .. }
            | Self::Refunded { .. }
            | Self::RefundFailed { .. } => None,
        }
    }

    /// What is to be done to the booking with it.
    pub const fn booking_effect(&self) -> Option<BookingEffect> {
        match self {
            Self::Paid { receipt, .. } => Some(BookingEffect::Pay { paid_at: receipt.paid_at }),
            Self::Surplus { receipt, refund, .. } if is_noted_by_booking(refund.reason) => {
                Some(BookingEffect::Pay { paid_at: receipt.paid_at })
            }
            Self::Refunded { refund, .. } if is_noted_by_booking(refund.reason) => {
                Some(BookingEffect::Refunded)
            }
            Self::Closed { reason: CloseReason::Expired(UnpaidBooking::Cancel), .. } => {
                Some(BookingEffect::CancelUnpaid)
            }
            Self::Surplus { .. }
            | Self::Refunded { .. }
            | Self::Closed { .. }
            | Self::Created(_)
            | Self::Prepaid { .. }
            | Self::CloseBegun { .. }
            | Self::Mismatched { .. }
            | Self::RefundDue { .. }
            | Self::RefundAccepted { .. }
            | Self::RefundFailed { .. } => None,
        }
    }
}

/// Whether the booking's own charge tells of this money. Other surplus is the order's alone: the
/// booking may be paid by another order, and stays so when the surplus is back.
const fn is_noted_by_booking(reason: RefundReason) -> bool {
    match reason {
        RefundReason::GivenUp(_) | RefundReason::Surplus(Surplus::BookingMissed) => true,
        RefundReason::Surplus(
            Surplus::AlreadyPaid | Surplus::BookingCancelled | Surplus::NotOwed | Surplus::OrderClosed,
        ) => false,
    }
}
