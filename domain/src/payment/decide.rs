//! The rules of an order: making it, paying it, closing it.

use thiserror::Error;

use super::command::{
    Attached, BookingFacts, CreateOrder, OrderCommand, Payment, PrepaidOrder, TradeReport, TradeState,
};
use super::event::OrderEvent;
use super::ids::{Currency, OutTradeNo, PrepayId, RefundNo};
use super::order::{
    Cancellation, CloseReason, Mismatch, MismatchKind, OrderState, PayOrder, Prepay, Receipt, Refund,
    RefundReason, Surplus,
};
use super::{
    LEAST_TIME_TO_PAY, MAX_MISMATCHES, MAX_ORDERS_PER_BOOKING, PREPAY_VALID, PaymentPolicy, UnpaidBooking,
};
use crate::booking::{Charge, Status};
use crate::time::Timestamp;

/// What follows from a command that was not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderDecision {
    /// What changes, in this order; nothing if the command was a repeat or came too late to matter.
    pub events: Vec<OrderEvent>,
    /// What to answer once that is committed and applied.
    pub reply: OrderReply,
}

impl OrderDecision {
    pub(super) fn one(event: OrderEvent) -> Self {
        Self { events: vec![event], reply: OrderReply::Done }
    }

    pub(super) fn unchanged() -> Self {
        Self { events: Vec::new(), reply: OrderReply::Done }
    }
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderReply {
    /// WeChat is to be asked to make this order, and then the patient can pay. It may have been asked
    /// before: the same order twice is one order to WeChat.
    AskWechat(OutTradeNo),
    /// The patient can pay.
    Payable {
        /// With this order.
        order: OutTradeNo,
        /// In this session.
        prepay: PrepayId,
    },
    /// It was told and not believed: the order remembers it, and no money is booked.
    Mismatch,
    /// It is done, now or before.
    Done,
}

/// Why an order refuses a command. Where several apply, the one that stands first here is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum PaymentRejection {
    /// There is no such order.
    #[error("no such order")]
    OrderUnknown,
    /// 402001 无需支付.
    #[error("there is nothing to pay")]
    NothingToPay,
    /// 402002 已支付.
    #[error("it is paid already")]
    AlreadyPaid,
    /// The booking was cancelled or missed.
    #[error("the booking's status does not allow it")]
    BookingOver,
    /// 402003 订单已关闭: its time is up, and by the clinic's policy the booking goes with it; or an
    /// answer of WeChat came after that.
    #[error("the order is closed")]
    OrderClosed,
    /// More orders than a booking can have.
    #[error("the booking has had too many orders")]
    TooManyOrders,
    /// The order can still be paid.
    #[error("the order's time is not up")]
    NotYet,
    /// The order's state has no place for it.
    #[error("the order's state does not allow it")]
    WrongState,
}

impl PaymentRejection {
    /// All of them, in order of precedence.
    pub const ALL: [Self; 8] = [
        Self::OrderUnknown,
        Self::NothingToPay,
        Self::AlreadyPaid,
        Self::BookingOver,
        Self::OrderClosed,
        Self::TooManyOrders,
        Self::NotYet,
        Self::WrongState,
    ];
}

impl PayOrder {
    /// Decides a command at an instant, under a policy.
    ///
    /// `order` is the one that the command is about; for [`OrderCommand::Create`] it is the newest
    /// one of the booking, if it has any. Nothing changes here: the caller commits the events, applies
    /// them, and then replies.
    pub fn decide(
        order: Option<&Self>,
        command: &OrderCommand,
        now: Timestamp,
        policy: &PaymentPolicy,
    ) -> Result<OrderDecision, PaymentRejection> {
        if let OrderCommand::Create(create) = command {
            return create_order(order, create, now, policy);
        }
        let order = order.ok_or(PaymentRejection::OrderUnknown)?;
        match command {
            OrderCommand::Create(create) => create_order(Some(order), create, now, policy),
            OrderCommand::Prepaid(prepaid) => order.prepaid(prepaid),
            OrderCommand::Reported(report) => Ok(order.reported(report, now, policy)),
            OrderCommand::Expire => order.expire(now, policy),
            OrderCommand::CloseConfirmed => order.close_confirmed(now, policy),
            OrderCommand::OtherContent => Ok(order.other_content(now)),
            OrderCommand::PaidElsewhere => Ok(order.paid_elsewhere(now)),
            OrderCommand::RefundRequested { reason, refund } => Ok(order.give_up(*reason, *refund, now)),
            OrderCommand::RefundAccepted { no, id } => order.refund_accepted(*no, id, now),
            OrderCommand::RefundRefused { no } => order.refund_refused(*no, now),
            OrderCommand::RefundResult(report) => Ok(order.refund_result(report, now)),
            OrderCommand::Retry { refund } => order.retry(*refund, now),
        }
    }
}

/// The newest order if it still serves, otherwise a new one.
fn create_order(
    newest: Option<&PayOrder>,
    create: &CreateOrder,
    now: Timestamp,
    policy: &PaymentPolicy,
) -> Result<OrderDecision, PaymentRejection> {
    payable(&create.booking)?;
    let mut events = Vec::new();
    if let Some(newest) = newest {
        match newest.serves(create, now, policy)? {
            Standing::Serves(reply) => return Ok(OrderDecision { events, reply }),
            Standing::ToBeClosed => {
                events.push(newest.close_begun(CloseReason::Replaced, now));
            }
            Standing::Over => {}
        }
    }
    if create.placed >= MAX_ORDERS_PER_BOOKING {
        return Err(PaymentRejection::TooManyOrders);
    }
    events.push(OrderEvent::Created(Box::new(PayOrder {
        no: create.no,
        booking: create.booking.id,
        schedule: create.booking.schedule,
        user: create.user,
        payer: create.payer.clone(),
        amount: create.booking.fee,
        created_at: now,
        expires_at: now.plus(policy.pay_within),
        state: OrderState::Created,
        mismatches: Vec::new(),
    })));
    Ok(OrderDecision { events, reply: OrderReply::AskWechat(create.no) })
}

/// Whether there is something to pay for this booking.
fn payable(booking: &BookingFacts) -> Result<(), PaymentRejection> {
    if booking.fee.is_zero() {
        return Err(PaymentRejection::NothingToPay);
    }
    match booking.charge {
        Charge::Unpaid => {}
        Charge::Expired => return Err(PaymentRejection::BookingOver),
        Charge::Paid | Charge::RefundDue | Charge::Refunded => return Err(PaymentRejection::AlreadyPaid),
    }
    match booking.status {
        Status::Booked | Status::Registered { .. } => Ok(()),
        Status::Cancelled { .. } | Status::NoShow { .. } => Err(PaymentRejection::BookingOver),
    }
}

/// What an order is worth to who wants to pay now.
enum Standing {
    /// It can be paid.
    Serves(OrderReply),
    /// It could be paid, but not so; it is closed for a new one.
    ToBeClosed,
    /// It is in nobody's way.
    Over,
}

impl PayOrder {
    fn serves(
        &self,
        create: &CreateOrder,
        now: Timestamp,
        policy: &PaymentPolicy,
    ) -> Result<Standing, PaymentRejection> {
        let same = self.amount == create.booking.fee && self.payer == create.payer;
        match &self.state {
            OrderState::Created | OrderState::Prepaid(_) if now >= self.expires_at => match policy.unpaid {
                UnpaidBooking::Keep => Ok(Standing::ToBeClosed),
                UnpaidBooking::Cancel => Err(PaymentRejection::OrderClosed),
            },
            OrderState::Created if same && self.expires_at.since(now) >= LEAST_TIME_TO_PAY => {
                Ok(Standing::Serves(OrderReply::AskWechat(self.no)))
            }
            OrderState::Prepaid(prepay) if same && now < prepay.valid_until => {
                Ok(Standing::Serves(OrderReply::Payable { order: self.no, prepay: prepay.id.clone() }))
            }
            OrderState::Created | OrderState::Prepaid(_) => Ok(Standing::ToBeClosed),
            OrderState::Closing { reason: CloseReason::Expired(UnpaidBooking::Cancel), .. }
            | OrderState::Closed { reason: CloseReason::Expired(UnpaidBooking::Cancel), .. } => {
                Err(PaymentRejection::OrderClosed)
            }
            OrderState::Paid(_) => Err(PaymentRejection::AlreadyPaid),
            OrderState::Closing { .. }
            | OrderState::Closed { .. }
            | OrderState::RefundDue { .. }
            | OrderState::Refunding { .. }
            | OrderState::Refunded { .. }
            | OrderState::Failed { .. } => Ok(Standing::Over),
        }
    }

    /// The first session stays: a second one, made by a parallel call, is the same order to WeChat.
    fn prepaid(&self, prepaid: &PrepaidOrder) -> Result<OrderDecision, PaymentRejection> {
        let payable = |prepay: &PrepayId| OrderReply::Payable { order: self.no, prepay: prepay.clone() };
        match &self.state {
            OrderState::Created => {
                let id = prepaid.prepay.clone();
                let reply = payable(&id);
                let prepay = Prepay { id, valid_until: prepaid.asked_at.plus(PREPAY_VALID) };
                Ok(OrderDecision { events: vec![OrderEvent::Prepaid { order: self.no, prepay }], reply })
            }
            OrderState::Prepaid(first) => Ok(OrderDecision { events: Vec::new(), reply: payable(&first.id) }),
            OrderState::Closing { .. } | OrderState::Closed { .. } => Err(PaymentRejection::OrderClosed),
            OrderState::Paid(_)
            | OrderState::RefundDue { .. }
            | OrderState::Refunding { .. }
            | OrderState::Refunded { .. }
            | OrderState::Failed { .. } => Err(PaymentRejection::AlreadyPaid),
        }
    }

    fn reported(&self, report: &TradeReport, now: Timestamp, policy: &PaymentPolicy) -> OrderDecision {
        if !self.is_meant_by(report.attached) {
            return self.number_taken(&report.trade, now);
        }
        match &report.trade {
            TradeState::Success(payment) => self.money(payment, report, now),
            TradeState::Refund if self.state.refund().is_none() => {
                self.mismatched(MismatchKind::RefundedElsewhere, now)
            }
            TradeState::Closed | TradeState::Revoked => self.closed_by_wechat(now, policy),
            TradeState::NotFound => match self.state {
                OrderState::Closing { reason, .. } => self.closed(reason, now),
                OrderState::Created
                | OrderState::Prepaid(_)
                | OrderState::Closed { .. }
                | OrderState::Paid(_)
                | OrderState::RefundDue { .. }
                | OrderState::Refunding { .. }
                | OrderState::Refunded { .. }
                | OrderState::Failed { .. } => OrderDecision::unchanged(),
            },
            // Whatever it was before it was paid is told late, if it was paid.
            TradeState::Refund | TradeState::NotPaid | TradeState::UserPaying | TradeState::PayError => {
                OrderDecision::unchanged()
            }
        }
    }

    /// Whether what WeChat has under this number is this order, as far as it says.
    pub fn is_meant_by(&self, attached: Attached) -> bool {
        match attached {
            Attached::Nothing => true,
            Attached::Mark(mark) => mark == self.mark(),
            Attached::Foreign => false,
        }
    }

    /// Nothing that is told of another order says anything of this one, but that it can never be made. What WeChat has
    /// made for it before that, it has not made for the other one, so a contradiction leaves it to its time.
    fn number_taken(&self, trade: &TradeState, now: Timestamp) -> OrderDecision {
        let transaction = match trade {
            TradeState::Success(payment) => Some(payment.transaction.clone()),
            TradeState::Refund
            | TradeState::NotPaid
            | TradeState::UserPaying
            | TradeState::PayError
            | TradeState::Closed
            | TradeState::Revoked
            | TradeState::NotFound => None,
        };
        let mut decision = self.mismatched(MismatchKind::OtherOrder { transaction }, now);
        let reason = match self.state {
            OrderState::Created => CloseReason::NumberTaken,
            OrderState::Closing { reason, .. } => reason,
            OrderState::Prepaid(_)
            | OrderState::Closed { .. }
            | OrderState::Paid(_)
            | OrderState::RefundDue { .. }
            | OrderState::Refunding { .. }
            | OrderState::Refunded { .. }
            | OrderState::Failed { .. } => return decision,
        };
        decision.events.push(OrderEvent::Closed { order: self.no, at: now, reason });
        decision
    }

    /// What WeChat has made already, in a parallel call, can be paid as it is.
    fn other_content(&self, now: Timestamp) -> OrderDecision {
        match self.state {
            OrderState::Created => OrderDecision::one(self.close_begun(CloseReason::Replaced, now)),
            OrderState::Prepaid(_)
            | OrderState::Closing { .. }
            | OrderState::Closed { .. }
            | OrderState::Paid(_)
            | OrderState::RefundDue { .. }
            | OrderState::Refunding { .. }
            | OrderState::Refunded { .. }
            | OrderState::Failed { .. } => OrderDecision::unchanged(),
        }
    }

    fn paid_elsewhere(&self, now: Timestamp) -> OrderDecision {
        if self.state.is_open() {
            return OrderDecision::one(self.close_begun(CloseReason::PaidElsewhere, now));
        }
        OrderDecision::unchanged()
    }

    /// Money is never refused, since it has been taken; but only what can be true is believed.
    fn money(&self, payment: &Payment, report: &TradeReport, now: Timestamp) -> OrderDecision {
        let transaction = payment.transaction.clone();
        if payment.total != i64::from(self.amount.get()) || payment.currency != Currency::CNY {
            let (total, currency) = (payment.total, payment.currency);
            return self.mismatched(MismatchKind::Money { transaction, total, currency }, now);
        }
        if let Some(receipt) = self.state.receipt() {
            if receipt.transaction == transaction {
                return OrderDecision::unchanged();
            }
            return self.mismatched(MismatchKind::SecondPayment { transaction }, now);
        }
        let receipt = Receipt { transaction, paid_at: payment.paid_at, heard_at: now };
        let (order, amount) = (self.no, self.amount);
        let surplus = match (report.booking.takes(amount), &self.state) {
            (Err(surplus), _) => surplus,
            (Ok(()), OrderState::Closed { .. }) => Surplus::OrderClosed,
            (
                Ok(()),
                OrderState::Created
                | OrderState::Prepaid(_)
                | OrderState::Closing { .. }
                | OrderState::Paid(_)
                | OrderState::RefundDue { .. }
                | OrderState::Refunding { .. }
                | OrderState::Refunded { .. }
                | OrderState::Failed { .. },
            ) => return OrderDecision::one(OrderEvent::Paid { order, receipt, amount }),
        };
        let refund = Refund { no: report.refund, reason: RefundReason::Surplus(surplus), due_at: now };
        OrderDecision::one(OrderEvent::Surplus { order, receipt, amount, refund })
    }

    fn expire(&self, now: Timestamp, policy: &PaymentPolicy) -> Result<OrderDecision, PaymentRejection> {
        if !self.state.is_open() {
            return Ok(OrderDecision::unchanged());
        }
        if now < self.expires_at {
            return Err(PaymentRejection::NotYet);
        }
        Ok(OrderDecision::one(self.close_begun(CloseReason::Expired(policy.unpaid), now)))
    }

    fn close_confirmed(
        &self,
        now: Timestamp,
        policy: &PaymentPolicy,
    ) -> Result<OrderDecision, PaymentRejection> {
        if self.state.receipt().is_some() {
            // WeChat does not close what is paid, so one of the two answers was not about this order.
            return Err(PaymentRejection::WrongState);
        }
        Ok(self.closed_by_wechat(now, policy))
    }

    fn closed_by_wechat(&self, now: Timestamp, policy: &PaymentPolicy) -> OrderDecision {
        match self.state {
            // WeChat closes an order itself at the time that it was told.
            OrderState::Created | OrderState::Prepaid(_) if now >= self.expires_at => {
                self.closed(CloseReason::Expired(policy.unpaid), now)
            }
            OrderState::Created | OrderState::Prepaid(_) => self.closed(CloseReason::ClosedByWechat, now),
            OrderState::Closing { reason, .. } => self.closed(reason, now),
            OrderState::Closed { .. }
            | OrderState::Paid(_)
            | OrderState::RefundDue { .. }
            | OrderState::Refunding { .. }
            | OrderState::Refunded { .. }
            | OrderState::Failed { .. } => OrderDecision::unchanged(),
        }
    }

    /// The booking does not take place.
    fn give_up(&self, why: Cancellation, no: RefundNo, now: Timestamp) -> OrderDecision {
        match self.state {
            OrderState::Created | OrderState::Prepaid(_) => {
                OrderDecision::one(self.close_begun(CloseReason::GivenUp(why), now))
            }
            OrderState::Paid(_) => {
                let refund = Refund { no, reason: RefundReason::GivenUp(why), due_at: now };
                OrderDecision::one(OrderEvent::RefundDue { order: self.no, refund })
            }
            OrderState::Closing { .. }
            | OrderState::Closed { .. }
            | OrderState::RefundDue { .. }
            | OrderState::Refunding { .. }
            | OrderState::Refunded { .. }
            | OrderState::Failed { .. } => OrderDecision::unchanged(),
        }
    }

    fn close_begun(&self, reason: CloseReason, at: Timestamp) -> OrderEvent {
        OrderEvent::CloseBegun { order: self.no, at, reason }
    }

    fn closed(&self, reason: CloseReason, at: Timestamp) -> OrderDecision {
        OrderDecision::one(OrderEvent::Closed { order: self.no, at, reason })
    }

    /// Remembers what cannot be true, once.
    pub(super) fn mismatched(&self, kind: MismatchKind, at: Timestamp) -> OrderDecision {
        let known = self.mismatches.iter().any(|mismatch| mismatch.kind == kind);
        let events = if known || self.mismatches.len() >= MAX_MISMATCHES {
            Vec::new()
        } else {
            vec![OrderEvent::Mismatched { order: self.no, mismatch: Mismatch { kind, at } }]
        };
        OrderDecision { events, reply: OrderReply::Mismatch }
    }
}
