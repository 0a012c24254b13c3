//! What is to be the same on both sides of an order.

use domain::{
    Attached, BookingId, Currency, OrderMark, OrderState, OutTradeNo, Payment, RefundFailure, RefundReport,
    RefundState, TradeState,
};
use storage::records::PayOrderRecord;

use crate::pay::wire::TradeNews;

/// What WeChat says.
#[derive(Clone, Debug)]
pub(super) struct Theirs {
    /// Of the order.
    pub(super) news: TradeNews,
    /// Of its refund.
    pub(super) refund: TheirRefund,
}

/// What WeChat says of a refund.
#[derive(Clone, Debug)]
pub(super) enum TheirRefund {
    /// There is none.
    None,
    /// How it stands.
    Told(RefundReport),
    /// Under this number it has the refund of another order.
    OfAnother,
}

/// One thing that is not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    order: OutTradeNo,
    booking: BookingId,
    ours: &'static str,
    theirs: String,
    our_amount: String,
    their_amount: String,
    what: &'static str,
}

impl Difference {
    /// As the table shows it.
    pub(super) fn columns(&self) -> [String; 7] {
        [
            self.order.to_string(),
            self.booking.to_string(),
            self.ours.to_owned(),
            self.theirs.clone(),
            self.our_amount.clone(),
            self.their_amount.clone(),
            self.what.to_owned(),
        ]
    }
}

/// Everything that is not the same of one order; `unbooked` is what our own books lack.
pub(super) fn compare(order: &PayOrderRecord, unbooked: &[&'static str], theirs: &Theirs) -> Vec<Difference> {
    let found = |what, theirs: &str, their_amount: Option<i64>| Difference {
        order: order.no,
        booking: order.booking,
        ours: order.state.name(),
        theirs: theirs.to_owned(),
        our_amount: order.amount.to_string(),
        their_amount: their_amount.map(yuan).unwrap_or_default(),
        what,
    };
    let mut differences: Vec<_> = unbooked.iter().map(|what| found(*what, "", None)).collect();
    let (state, amount) = (trade_name(&theirs.news.trade), trade_amount(&theirs.news.trade));
    if !is_meant(order, theirs.news.attached) {
        differences.push(found("WeChat has another order under this number", state, amount));
        return differences;
    }
    if let Some(what) = compare_trade(order, &theirs.news.trade) {
        differences.push(found(what, state, amount));
    }
    if order.state.refund().is_some()
        && let Some(what) = compare_refund(order, &theirs.refund)
    {
        let (state, amount) = match &theirs.refund {
            TheirRefund::None => ("no refund", None),
            TheirRefund::OfAnother => ("refund", None),
            TheirRefund::Told(report) => (refund_name(report.state), Some(report.total)),
        };
        differences.push(found(what, state, amount));
    }
    differences
}

fn is_meant(order: &PayOrderRecord, attached: Attached) -> bool {
    match attached {
        Attached::Nothing => true,
        Attached::Mark(mark) => mark == OrderMark { booking: order.booking, made_at: order.created_at },
        Attached::Foreign => false,
    }
}

fn compare_trade(order: &PayOrderRecord, trade: &TradeState) -> Option<&'static str> {
    match trade {
        TradeState::Success(payment) => compare_payment(order, payment),
        TradeState::Refund => match order.state {
            OrderState::RefundDue { .. }
            | OrderState::Refunding { .. }
            | OrderState::Refunded { .. }
            | OrderState::Failed { .. } => None,
            OrderState::Created
            | OrderState::Prepaid(_)
            | OrderState::Closing { .. }
            | OrderState::Closed { .. }
            | OrderState::Paid(_) => Some("WeChat has paid money back"),
        },
        TradeState::NotPaid | TradeState::UserPaying | TradeState::PayError => match order.state {
            OrderState::Created | OrderState::Prepaid(_) | OrderState::Closing { .. } => None,
            OrderState::Closed { .. } => Some("it can still be paid at WeChat"),
            OrderState::Paid(_)
            | OrderState::RefundDue { .. }
            | OrderState::Refunding { .. }
            | OrderState::Refunded { .. }
            | OrderState::Failed { .. } => Some("WeChat has no payment"),
        },
        TradeState::Closed | TradeState::Revoked => match order.state {
            OrderState::Closing { .. } | OrderState::Closed { .. } => None,
            OrderState::Created | OrderState::Prepaid(_) => Some("WeChat has closed it"),
            OrderState::Paid(_)
            | OrderState::RefundDue { .. }
            | OrderState::Refunding { .. }
            | OrderState::Refunded { .. }
            | OrderState::Failed { .. } => Some("WeChat has no payment"),
        },
        TradeState::NotFound => match order.state {
            OrderState::Created | OrderState::Closing { .. } | OrderState::Closed { .. } => None,
            OrderState::Prepaid(_) => Some("WeChat has no such order"),
            OrderState::Paid(_)
            | OrderState::RefundDue { .. }
            | OrderState::Refunding { .. }
            | OrderState::Refunded { .. }
            | OrderState::Failed { .. } => Some("WeChat has no payment"),
        },
    }
}

fn compare_payment(order: &PayOrderRecord, payment: &Payment) -> Option<&'static str> {
    let Some(receipt) = order.state.receipt() else { return Some("it was paid, and not here") };
    if payment.total != i64::from(order.amount.get()) || payment.currency != Currency::CNY {
        return Some("the amount differs");
    }
    if receipt.transaction != payment.transaction {
        return Some("it was paid by another transaction");
    }
    match order.state {
        OrderState::Refunded { .. } => Some("WeChat has paid nothing back"),
        OrderState::Created
        | OrderState::Prepaid(_)
        | OrderState::Closing { .. }
        | OrderState::Closed { .. }
        | OrderState::Paid(_)
        | OrderState::RefundDue { .. }
        | OrderState::Refunding { .. }
        | OrderState::Failed { .. } => None,
    }
}

fn compare_refund(order: &PayOrderRecord, refund: &TheirRefund) -> Option<&'static str> {
    let report = match refund {
        TheirRefund::Told(report) => report,
        TheirRefund::OfAnother => return Some("the refund is another order's"),
        TheirRefund::None => {
            return match order.state {
                // WeChat has not been asked for it, or has not taken it.
                OrderState::RefundDue { .. } | OrderState::Failed { failure: RefundFailure::Refused, .. } => {
                    None
                }
                OrderState::Refunding { .. }
                | OrderState::Refunded { .. }
                | OrderState::Failed { failure: RefundFailure::Closed | RefundFailure::Abnormal, .. }
                | OrderState::Created
                | OrderState::Prepaid(_)
                | OrderState::Closing { .. }
                | OrderState::Closed { .. }
                | OrderState::Paid(_) => Some("WeChat has no such refund"),
            };
        }
    };
    if report.total != i64::from(order.amount.get()) || report.currency != Currency::CNY {
        return Some("the amount of the refund differs");
    }
    let agrees = match (&order.state, report.state) {
        (OrderState::Refunded { .. }, state) => state == RefundState::Success,
        (OrderState::RefundDue { .. } | OrderState::Refunding { .. }, state) => {
            state == RefundState::Processing
        }
        (OrderState::Failed { failure: RefundFailure::Closed, .. }, state) => state == RefundState::Closed,
        (OrderState::Failed { failure: RefundFailure::Abnormal, .. }, state) => {
            state == RefundState::Abnormal
        }
        (OrderState::Failed { failure: RefundFailure::Refused, .. }, _) => false,
        (
            OrderState::Created
            | OrderState::Prepaid(_)
            | OrderState::Closing { .. }
            | OrderState::Closed { .. }
            | OrderState::Paid(_),
            _,
        ) => false,
    };
    (!agrees).then_some("the refund stands otherwise")
}

fn trade_name(trade: &TradeState) -> &'static str {
    match trade {
        TradeState::Success(_) => "SUCCESS",
        TradeState::Refund => "REFUND",
        TradeState::NotPaid => "NOTPAY",
        TradeState::UserPaying => "USERPAYING",
        TradeState::PayError => "PAYERROR",
        TradeState::Closed => "CLOSED",
        TradeState::Revoked => "REVOKED",
        TradeState::NotFound => "no order",
    }
}

fn trade_amount(trade: &TradeState) -> Option<i64> {
    match trade {
        TradeState::Success(payment) => Some(payment.total),
        TradeState::Refund
        | TradeState::NotPaid
        | TradeState::UserPaying
        | TradeState::PayError
        | TradeState::Closed
        | TradeState::Revoked
        | TradeState::NotFound => None,
    }
}

fn refund_name(state: RefundState) -> &'static str {
    match state {
        RefundState::Processing => "refund PROCESSING",
        RefundState::Success => "refund SUCCESS",
        RefundState::Closed => "refund CLOSED",
        RefundState::Abnormal => "refund ABNORMAL",
    }
}

/// What WeChat says may be any number of fen.
fn yuan(fen: i64) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", fen.unsigned_abs() / 100, fen.unsigned_abs() % 100)
}

#[cfg(test)]
mod tests;
