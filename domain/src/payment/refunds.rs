//! The rules of an order whose money goes back.
//!
//! A refund is always of all that came in, and an order has one at a time. Asking WeChat twice under
//! one number gives the money back once; another number is used only when WeChat has said of the last
//! one that nothing has moved.

use super::command::{RefundReport, RefundState};
use super::decide::{OrderDecision, PaymentRejection};
use super::event::OrderEvent;
use super::ids::{Currency, RefundNo, WechatRefundId};
use super::order::{MismatchKind, OrderState, PayOrder, Refund, RefundFailure};
use crate::time::Timestamp;

impl PayOrder {
    /// An answer to a request of another number was overtaken by a retry and changes nothing.
    pub(super) fn refund_accepted(
        &self,
        no: RefundNo,
        id: &WechatRefundId,
        now: Timestamp,
    ) -> Result<OrderDecision, PaymentRejection> {
        let refund = self.state.refund().ok_or(PaymentRejection::WrongState)?;
        if refund.no != no {
            return Ok(OrderDecision::unchanged());
        }
        Ok(self.under_way(refund, id, now))
    }

    /// Only a request that nobody has taken can be refused.
    pub(super) fn refund_refused(
        &self,
        no: RefundNo,
        now: Timestamp,
    ) -> Result<OrderDecision, PaymentRejection> {
        match &self.state {
            OrderState::RefundDue { refund, .. } if refund.no == no => {
                Ok(self.refund_failed(refund, RefundFailure::Refused, now))
            }
            OrderState::RefundDue { .. }
            | OrderState::Refunding { .. }
            | OrderState::Refunded { .. }
            | OrderState::Failed { .. } => Ok(OrderDecision::unchanged()),
            OrderState::Created
            | OrderState::Prepaid(_)
            | OrderState::Closing { .. }
            | OrderState::Closed { .. }
            | OrderState::Paid(_) => Err(PaymentRejection::WrongState),
        }
    }

    pub(super) fn refund_result(&self, report: &RefundReport, now: Timestamp) -> OrderDecision {
        let Some(refund) = self.state.refund().filter(|refund| refund.no == report.no) else {
            return match report.state {
                RefundState::Success => self.mismatched(MismatchKind::OtherRefund { no: report.no }, now),
                // Nothing has moved: news of an earlier attempt.
                RefundState::Processing | RefundState::Closed | RefundState::Abnormal => {
                    OrderDecision::unchanged()
                }
            };
        };
        match report.state {
            RefundState::Success => self.money_back(refund, report, now),
            RefundState::Processing => self.under_way(refund, &report.id, now),
            RefundState::Closed => self.refund_failed(refund, RefundFailure::Closed, now),
            RefundState::Abnormal => self.refund_failed(refund, RefundFailure::Abnormal, now),
        }
    }

    fn money_back(&self, refund: &Refund, report: &RefundReport, now: Timestamp) -> OrderDecision {
        if report.total != i64::from(self.amount.get()) || report.currency != Currency::CNY {
            let (no, total, currency) = (report.no, report.total, report.currency);
            return self.mismatched(MismatchKind::RefundMoney { no, total, currency }, now);
        }
        match self.state {
            OrderState::RefundDue { .. } | OrderState::Refunding { .. } | OrderState::Failed { .. } => {
                let (order, amount) = (self.no, self.amount);
                OrderDecision::one(OrderEvent::Refunded { order, refund: *refund, amount, at: now })
            }
            OrderState::Created
            | OrderState::Prepaid(_)
            | OrderState::Closing { .. }
            | OrderState::Closed { .. }
            | OrderState::Paid(_)
            | OrderState::Refunded { .. } => OrderDecision::unchanged(),
        }
    }

    /// WeChat is at it. What it has closed it does not take up again, so that would be told late.
    fn under_way(&self, refund: &Refund, id: &WechatRefundId, at: Timestamp) -> OrderDecision {
        match self.state {
            OrderState::RefundDue { .. }
            | OrderState::Failed { failure: RefundFailure::Refused | RefundFailure::Abnormal, .. } => {
                let (order, id) = (self.no, id.clone());
                OrderDecision::one(OrderEvent::RefundAccepted { order, refund: *refund, id, at })
            }
            OrderState::Failed { failure: RefundFailure::Closed, .. }
            | OrderState::Refunding { .. }
            | OrderState::Refunded { .. }
            | OrderState::Created
            | OrderState::Prepaid(_)
            | OrderState::Closing { .. }
            | OrderState::Closed { .. }
            | OrderState::Paid(_) => OrderDecision::unchanged(),
        }
    }

    /// Success and CLOSED are final; everything else can still turn out to be another failure.
    fn refund_failed(&self, refund: &Refund, failure: RefundFailure, at: Timestamp) -> OrderDecision {
        match self.state {
            OrderState::RefundDue { .. } | OrderState::Refunding { .. } => {}
            OrderState::Failed { failure: RefundFailure::Refused, .. } => {}
            OrderState::Failed { failure: RefundFailure::Abnormal, .. }
                if failure == RefundFailure::Closed => {}
            OrderState::Failed { .. }
            | OrderState::Refunded { .. }
            | OrderState::Created
            | OrderState::Prepaid(_)
            | OrderState::Closing { .. }
            | OrderState::Closed { .. }
            | OrderState::Paid(_) => return OrderDecision::unchanged(),
        }
        OrderDecision::one(OrderEvent::RefundFailed { order: self.no, refund: *refund, failure, at })
    }

    /// What failed is asked again; what only takes long stays as it is, and the caller does its work
    /// at once.
    pub(super) fn retry(&self, fresh: RefundNo, now: Timestamp) -> Result<OrderDecision, PaymentRejection> {
        match &self.state {
            OrderState::Failed { refund, failure, .. } => {
                let no = match failure {
                    RefundFailure::Closed => fresh,
                    RefundFailure::Refused | RefundFailure::Abnormal => refund.no,
                };
                let refund = Refund { no, due_at: now, ..*refund };
                Ok(OrderDecision::one(OrderEvent::RefundDue { order: self.no, refund }))
            }
            OrderState::Closing { .. } | OrderState::RefundDue { .. } | OrderState::Refunding { .. } => {
                Ok(OrderDecision::unchanged())
            }
            OrderState::Created
            | OrderState::Prepaid(_)
            | OrderState::Closed { .. }
            | OrderState::Paid(_)
            | OrderState::Refunded { .. } => Err(PaymentRejection::WrongState),
        }
    }
}
