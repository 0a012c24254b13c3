//! What can happen to an order. Whoever tells has been verified before: the signature, the merchant
//! and the official account of a notice, the account that asks, the role of the staff.

use super::ids::{
    Currency, OpenId, OrderMark, OutTradeNo, PrepayId, RefundNo, TransactionId, WechatRefundId,
};
use super::order::{Cancellation, Surplus};
use crate::booking::{Booking, Charge, Status};
use crate::ids::{BookingId, ScheduleId, UserId};
use crate::money::Fen;
use crate::time::Timestamp;

/// One thing that can happen to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderCommand {
    /// A patient wants to pay (`appo_order`). It is asked of the booking's newest order, if any.
    Create(CreateOrder),
    /// WeChat has made the order.
    Prepaid(PrepaidOrder),
    /// WeChat tells how the order stands, by itself (notice) or because it was asked (query).
    Reported(TradeReport),
    /// The clock: the time to pay is over.
    Expire,
    /// WeChat's answer to a request to close: it has, it had before (ORDER_CLOSED), or there is no such
    /// order (ORDER_NOT_EXIST). That it is paid is another answer, which a query then explains.
    CloseConfirmed,
    /// WeChat has an order of this number with other content, such as another description: it takes another number.
    OtherContent,
    /// The booking is paid, and not with this order: at the desk, say.
    PaidElsewhere,
    /// The booking was cancelled: its money goes back, and none shall come any more.
    RefundRequested {
        /// Why.
        reason: Cancellation,
        /// What to number the refund, if there will be one.
        refund: RefundNo,
    },
    /// WeChat has taken the request to give the money back.
    RefundAccepted {
        /// The refund.
        no: RefundNo,
        /// WeChat's number of it.
        id: WechatRefundId,
    },
    /// WeChat does not take that request, or has not answered it for too long.
    RefundRefused {
        /// The refund.
        no: RefundNo,
    },
    /// WeChat tells how the refund stands, by itself or because it was asked.
    RefundResult(RefundReport),
    /// Staff want it to be tried again.
    Retry {
        /// What to number the refund, if it needs a new number.
        refund: RefundNo,
    },
}

/// A patient wants to pay for a booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateOrder {
    /// What to number the order, if there will be one. Lost if not; gaps are fine.
    pub no: OutTradeNo,
    /// The booking.
    pub booking: BookingFacts,
    /// The account that asks, which is the one that has booked.
    pub user: UserId,
    /// Who that account is to WeChat.
    pub payer: OpenId,
    /// How many orders the booking has had.
    pub placed: u16,
}

/// What an order needs to know of its booking. To be committed under the version it was read at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookingFacts {
    /// Its number.
    pub id: BookingId,
    /// Its schedule.
    pub schedule: ScheduleId,
    /// What it costs.
    pub fee: Fen,
    /// How far it has come.
    pub status: Status,
    /// How its money stands.
    pub charge: Charge,
}

impl From<&Booking> for BookingFacts {
    fn from(booking: &Booking) -> Self {
        Self {
            id: booking.id,
            schedule: booking.schedule,
            fee: booking.fee,
            status: booking.status,
            charge: booking.charge,
        }
    }
}

impl BookingFacts {
    /// Whether the booking takes this amount of money, or why not. What is said here and what the
    /// schedule decides for [`Paid`](crate::Paid) agree; a test compares them.
    pub fn takes(&self, amount: Fen) -> Result<(), Surplus> {
        match self.charge {
            Charge::Unpaid => {}
            // Only a booking that was cancelled for want of money has this charge.
            Charge::Expired => return Err(Surplus::BookingCancelled),
            Charge::Paid | Charge::RefundDue | Charge::Refunded => return Err(Surplus::AlreadyPaid),
        }
        match self.status {
            Status::Booked | Status::Registered { .. } => {}
            Status::Cancelled { .. } => return Err(Surplus::BookingCancelled),
            Status::NoShow { .. } => return Err(Surplus::BookingMissed),
        }
        if self.fee.is_zero() || self.fee != amount {
            return Err(Surplus::NotOwed);
        }
        Ok(())
    }
}

/// WeChat has made an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrepaidOrder {
    /// The session in which it can be paid.
    pub prepay: PrepayId,
    /// When WeChat was asked, which is no later than when the session began.
    pub asked_at: Timestamp,
}

/// How an order stands, by WeChat's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeReport {
    /// How it stands.
    pub trade: TradeState,
    /// What WeChat says of whose order it is.
    pub attached: Attached,
    /// The booking as it is now.
    pub booking: BookingFacts,
    /// What to number the refund, if there will be one. Lost if not; gaps are fine.
    pub refund: RefundNo,
}

/// What WeChat says of whose order it is (`attach`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    /// Nothing: the order was made by a server that did not say it yet.
    Nothing,
    /// This one's.
    Mark(OrderMark),
    /// Something that no order of ours says.
    Foreign,
}

/// How an order stands (`trade_state`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TradeState {
    /// SUCCESS: it was paid.
    Success(Payment),
    /// REFUND: it was paid, and some of that was given back.
    Refund,
    /// NOTPAY: not yet.
    NotPaid,
    /// USERPAYING: any moment now.
    UserPaying,
    /// PAYERROR: this attempt failed; the payer may try again.
    PayError,
    /// CLOSED: it cannot be paid any more.
    Closed,
    /// REVOKED: likewise.
    Revoked,
    /// ORDER_NOT_EXIST: WeChat has not heard of it, or not yet.
    NotFound,
}

/// A payment as it was told, not compared with anything yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// WeChat's number of it.
    pub transaction: TransactionId,
    /// The order's amount in the smallest unit of the currency (`amount.total`).
    pub total: i64,
    /// The currency (`amount.currency`).
    pub currency: Currency,
    /// When it was paid (`success_time`).
    pub paid_at: Timestamp,
}

/// How a refund stands, by WeChat's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundReport {
    /// The refund.
    pub no: RefundNo,
    /// WeChat's number of it.
    pub id: WechatRefundId,
    /// How it stands.
    pub state: RefundState,
    /// What goes back, in the smallest unit of the currency (`amount.refund`).
    pub total: i64,
    /// The currency (`amount.currency`; in notices, which leave it out, CNY).
    pub currency: Currency,
}

/// How a refund stands (`status`, in notices `refund_status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefundState {
    /// PROCESSING: on its way.
    Processing,
    /// SUCCESS: the payer has it.
    Success,
    /// CLOSED: it was not made.
    Closed,
    /// ABNORMAL: the payer's account does not take it.
    Abnormal,
}
