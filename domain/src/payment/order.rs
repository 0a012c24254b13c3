//! An order and the states it can be in.

use super::ids::{
    Currency, OpenId, OrderMark, OutTradeNo, PrepayId, RefundNo, TransactionId, WechatRefundId,
};
use super::{OrderEvent, PREPAY_VALID, REFUND_ASKED_WITHIN, REFUND_MADE_WITHIN, UnpaidBooking};
use crate::ids::{BookingId, ScheduleId, UserId};
use crate::money::Fen;
use crate::time::Timestamp;

/// One attempt to have one booking paid through WeChat (支付订单). A booking can have several, one
/// after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayOrder {
    /// Its number, which WeChat knows it by.
    pub no: OutTradeNo,
    /// What is paid for.
    pub booking: BookingId,
    /// The schedule of the booking, which decides what the money does to it.
    pub schedule: ScheduleId,
    /// The account that pays, which is the one that has booked.
    pub user: UserId,
    /// Who that account is to WeChat; a `prepay_id` is good for nobody else.
    pub payer: OpenId,
    /// What is to be paid: the booking's fee, more than nothing.
    pub amount: Fen,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it cannot be paid (`time_expire`).
    pub expires_at: Timestamp,
    /// How far it has come.
    pub state: OrderState,
    /// What was told of it that cannot be true, oldest first, for the staff to look into.
    pub mismatches: Vec<Mismatch>,
}

/// How far an order has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// It is stored, and WeChat may or may not have heard of it.
    Created,
    /// WeChat has made it, and the patient can pay.
    Prepaid(Prepay),
    /// WeChat is to close it. Until it has, money can come.
    Closing {
        /// Since when.
        since: Timestamp,
        /// Why.
        reason: CloseReason,
    },
    /// Nobody can pay it any more.
    Closed {
        /// Since when.
        at: Timestamp,
        /// Why.
        reason: CloseReason,
    },
    /// The booking is paid with it.
    Paid(Receipt),
    /// The money is to be given back, and WeChat may or may not have heard of it.
    RefundDue {
        /// What came in.
        receipt: Receipt,
        /// What is to go back.
        refund: Refund,
    },
    /// WeChat is giving the money back.
    Refunding {
        /// What came in.
        receipt: Receipt,
        /// What goes back.
        refund: Refund,
        /// When WeChat said so.
        accepted_at: Timestamp,
        /// WeChat's number of it.
        id: WechatRefundId,
    },
    /// The money is back with who paid it.
    Refunded {
        /// What came in.
        receipt: Receipt,
        /// What went back.
        refund: Refund,
        /// When we heard of it.
        at: Timestamp,
    },
    /// The money could not be given back: staff have to look into it.
    Failed {
        /// What came in.
        receipt: Receipt,
        /// What should have gone back.
        refund: Refund,
        /// Why it did not.
        failure: RefundFailure,
        /// When we heard of it.
        at: Timestamp,
    },
}

/// The session in which an order is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepay {
    /// Its number.
    pub id: PrepayId,
    /// From when on it is good for nothing.
    pub valid_until: Timestamp,
}

/// Money that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// WeChat's number of the payment.
    pub transaction: TransactionId,
    /// When it was paid, by WeChat's word.
    pub paid_at: Timestamp,
    /// When we heard of it.
    pub heard_at: Timestamp,
}

/// Money that is to go back: always all that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Its number, which WeChat knows it by.
    pub no: RefundNo,
    /// Why.
    pub reason: RefundReason,
    /// Since when it is due.
    pub due_at: Timestamp,
}

/// Why money goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefundReason {
    /// The booking that it had paid does not take place.
    GivenUp(Cancellation),
    /// The booking had no use for the money when it came.
    Surplus(Surplus),
}

/// Why a booking does not take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cancellation {
    /// It was cancelled, by the patient or by staff.
    Cancelled,
    /// Its schedule was stopped (停诊).
    Stopped,
}

/// Why a booking had no use for money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Surplus {
    /// It was paid already, by another order or at the desk.
    AlreadyPaid,
    /// It had been cancelled.
    BookingCancelled,
    /// Its patient had been marked as a no-show (爽约).
    BookingMissed,
    /// It costs something else than the order, or nothing.
    NotOwed,
    /// It is unpaid, but the order was closed, and the patient was told that it cannot be paid.
    OrderClosed,
}

/// Why an order cannot be paid any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// It was not paid in time. What that means for the booking was settled at that moment, so that
    /// a change of the policy does not cancel a booking that has a new order by now.
    Expired(UnpaidBooking),
    /// The booking got another order: of another amount or payer, or because this one's time was up.
    Replaced,
    /// The booking does not take place.
    GivenUp(Cancellation),
    /// WeChat has closed it, and we had not asked.
    ClosedByWechat,
    /// The booking was paid, and not with it.
    PaidElsewhere,
    /// WeChat has another order of its number, so that it was never made.
    NumberTaken,
}

/// Why money did not go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefundFailure {
    /// WeChat did not take the request, or too often did not answer it. Asking again is under the
    /// same number, since it may have got it.
    Refused,
    /// WeChat has closed the refund (CLOSED): nothing has moved. Asking again needs a new number.
    Closed,
    /// The payer's account does not take it (ABNORMAL): the money has left the clinic, and staff
    /// settle it on WeChat's merchant platform. A new refund would pay twice.
    Abnormal,
}

/// Something told of an order that cannot be true. It is never booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What is wrong.
    pub kind: MismatchKind,
    /// When we first heard it.
    pub at: Timestamp,
}

/// What is wrong with what was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MismatchKind {
    /// A payment of another amount or in another currency.
    Money {
        /// WeChat's number of the payment.
        transaction: TransactionId,
        /// The amount, in the smallest unit of the currency, as told.
        total: i64,
        /// The currency, as told.
        currency: Currency,
    },
    /// A second payment of the same order.
    SecondPayment {
        /// WeChat's number of it.
        transaction: TransactionId,
    },
    /// What WeChat has under this number is another order, of a booking that this store may not know. Money for it is
    /// not this booking's.
    OtherOrder {
        /// WeChat's number of its payment, if it was paid.
        transaction: Option<TransactionId>,
    },
    /// Money has gone back although nobody here has asked for it.
    RefundedElsewhere,
    /// News of a refund that is not the one of this order.
    OtherRefund {
        /// The number it was told under.
        no: RefundNo,
    },
    /// News of the refund of this order, with another amount or currency.
    RefundMoney {
        /// The refund.
        no: RefundNo,
        /// The amount, in the smallest unit of the currency, as told.
        total: i64,
        /// The currency, as told.
        currency: Currency,
    },
}

impl OrderState {
    /// Whether the patient can still be sent to pay.
    pub const fn is_open(&self) -> bool {
        match self {
            Self::Created | Self::Prepaid(_) => true,
            Self::Closing { .. }
            | Self::Closed { .. }
            | Self::Paid(_)
            | Self::RefundDue { .. }
            | Self::Refunding { .. }
            | Self::Refunded { .. }
            | Self::Failed { .. } => false,
        }
    }

    /// The money that came in, if any did.
    pub const fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Created | Self::Prepaid(_) | Self::Closing { .. } | Self::Closed { .. } => None,
            Self::Paid(receipt)
            | Self::RefundDue { receipt, .. }
            | Self::Refunding { receipt, .. }
            | Self::Refunded { receipt, .. }
            | Self::Failed { receipt, .. } => Some(receipt),
        }
    }

    /// The refund, if there is one.
    pub const fn refund(&self) -> Option<&Refund> {
        match self {
            Self::Created | Self::Prepaid(_) | Self::Closing { .. } | Self::Closed { .. } | Self::Paid(_) => {
                None
            }
            Self::RefundDue { refund, .. }
            | Self::Refunding { refund, .. }
            | Self::Refunded { refund, .. }
            | Self::Failed { refund, .. } => Some(refund),
        }
    }

    /// Since when it is in this state; for an order that WeChat has not made yet, that is since it was made here.
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Created => None,
            Self::Prepaid(prepay) => Some(prepay.valid_until.minus(PREPAY_VALID)),
            Self::Closing { since, .. } => Some(*since),
            Self::Closed { at, .. } | Self::Refunded { at, .. } | Self::Failed { at, .. } => Some(*at),
            Self::Paid(receipt) => Some(receipt.heard_at),
            Self::RefundDue { refund, .. } => Some(refund.due_at),
            Self::Refunding { accepted_at, .. } => Some(*accepted_at),
        }
    }

    /// Whether money that is to go back does not, or takes longer than it should: staff are to look at it.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        match self {
            Self::Created
            | Self::Prepaid(_)
            | Self::Closing { .. }
            | Self::Closed { .. }
            | Self::Paid(_)
            | Self::Refunded { .. } => false,
            Self::RefundDue { refund, .. } => refund.due_at.plus(REFUND_ASKED_WITHIN) <= now,
            Self::Refunding { accepted_at, .. } => accepted_at.plus(REFUND_MADE_WITHIN) <= now,
            Self::Failed { .. } => true,
        }
    }

    /// The word for the state outside, such as in the list for the staff.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Prepaid(_) => "prepaid",
            Self::Closing { .. } => "closing",
            Self::Closed { .. } => "closed",
            Self::Paid(_) => "paid",
            Self::RefundDue { .. } => "refund_due",
            Self::Refunding { .. } => "refunding",
            Self::Refunded { .. } => "refunded",
            Self::Failed { .. } => "failed",
        }
    }

    /// The number that stands for the state outside.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Created => 0,
            Self::Prepaid(_) => 1,
            Self::Closing { .. } => 2,
            Self::Closed { .. } => 3,
            Self::Paid(_) => 4,
            Self::RefundDue { .. } => 5,
            Self::Refunding { .. } => 6,
            Self::Refunded { .. } => 7,
            Self::Failed { .. } => 8,
        }
    }
}

impl PayOrder {
    /// What it says of itself to WeChat.
    pub const fn mark(&self) -> OrderMark {
        OrderMark { booking: self.booking, made_at: self.created_at }
    }

    /// What came in.
    pub const fn received(&self) -> Fen {
        match self.state.receipt() {
            Some(_) => self.amount,
            None => Fen::ZERO,
        }
    }

    /// What went back.
    pub const fn refunded(&self) -> Fen {
        match self.state {
            OrderState::Refunded { .. } => self.amount,
            OrderState::Created
            | OrderState::Prepaid(_)
            | OrderState::Closing { .. }
            | OrderState::Closed { .. }
            | OrderState::Paid(_)
            | OrderState::RefundDue { .. }
            | OrderState::Refunding { .. }
            | OrderState::Failed { .. } => Fen::ZERO,
        }
    }

    /// Takes over what was decided and committed. It cannot fail; an event of another order changes
    /// nothing, since a decision can be about two.
    pub fn apply(&mut self, event: &OrderEvent) {
        if event.order() != self.no {
            return;
        }
        match event {
            OrderEvent::Created(order) => self.clone_from(order),
            OrderEvent::Prepaid { prepay, .. } => self.state = OrderState::Prepaid(prepay.clone()),
            OrderEvent::CloseBegun { at, reason, .. } => {
                self.state = OrderState::Closing { since: *at, reason: *reason };
            }
            OrderEvent::Closed { at, reason, .. } => {
                self.state = OrderState::Closed { at: *at, reason: *reason };
            }
            OrderEvent::Paid { receipt, .. } => self.state = OrderState::Paid(receipt.clone()),
            OrderEvent::Surplus { receipt, refund, .. } => {
                self.state = OrderState::RefundDue { receipt: receipt.clone(), refund: *refund };
            }
            OrderEvent::Mismatched { mismatch, .. } => self.mismatches.push(mismatch.clone()),
            OrderEvent::RefundDue { .. }
            | OrderEvent::RefundAccepted { .. }
            | OrderEvent::Refunded { .. }
            | OrderEvent::RefundFailed { .. } => self.give_back(event),
        }
    }

    /// The part of [`apply`](Self::apply) that needs the money to have come in.
    fn give_back(&mut self, event: &OrderEvent) {
        let Some(receipt) = self.state.receipt().cloned() else {
            debug_assert!(false, "a refund was decided for an order that has no money");
            return;
        };
        self.state = match event {
            OrderEvent::RefundDue { refund, .. } => OrderState::RefundDue { receipt, refund: *refund },
            OrderEvent::RefundAccepted { refund, at, id, .. } => {
                OrderState::Refunding { receipt, refund: *refund, accepted_at: *at, id: id.clone() }
            }
            OrderEvent::Refunded { refund, at, .. } => {
                OrderState::Refunded { receipt, refund: *refund, at: *at }
            }
            OrderEvent::RefundFailed { refund, at, failure, .. } => {
                OrderState::Failed { receipt, refund: *refund, failure: *failure, at: *at }
            }
            OrderEvent::Created(_)
            | OrderEvent::Prepaid { .. }
            | OrderEvent::CloseBegun { .. }
            | OrderEvent::Closed { .. }
            | OrderEvent::Paid { .. }
            | OrderEvent::Surplus { .. }
            | OrderEvent::Mismatched { .. } => return,
        };
    }
}
