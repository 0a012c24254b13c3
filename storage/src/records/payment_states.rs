//! The states of an order as stored, and the parts that the records of payment share.

use bincode::{Decode, Encode};
use domain::{
    Cancellation, CloseReason, Currency, Mismatch, MismatchKind, OrderState, OutTradeNo, Prepay, PrepayId,
    Receipt, Refund, RefundFailure, RefundNo, RefundReason, Surplus, TenantId, Timestamp, TransactionId,
    UnpaidBooking, WechatRefundId,
};

use super::{millis, possible};
use crate::record::Impossible;

/// The number of an order or refund.
#[derive(Clone, Copy, Encode, Decode)]
pub(super) struct StoredNumber {
    tenant: u64,
    number: u64,
}

impl From<OutTradeNo> for StoredNumber {
    fn from(no: OutTradeNo) -> Self {
        Self { tenant: no.tenant().get(), number: no.number() }
    }
}

impl From<RefundNo> for StoredNumber {
    fn from(no: RefundNo) -> Self {
        Self { tenant: no.tenant().get(), number: no.number() }
    }
}

impl TryFrom<StoredNumber> for OutTradeNo {
    type Error = Impossible;

    fn try_from(stored: StoredNumber) -> Result<Self, Impossible> {
        let tenant = possible(TenantId::new(stored.tenant), "tenant id")?;
        possible(Self::new(tenant, stored.number), "order number")
    }
}

impl TryFrom<StoredNumber> for RefundNo {
    type Error = Impossible;

    fn try_from(stored: StoredNumber) -> Result<Self, Impossible> {
        let tenant = possible(TenantId::new(stored.tenant), "tenant id")?;
        possible(Self::new(tenant, stored.number), "refund number")
    }
}

#[derive(Encode, Decode)]
pub(super) enum StoredState {
    Created,
    Prepaid { prepay: String, valid_until: i64 },
    Closing { since: i64, reason: StoredCloseReason },
    Closed { at: i64, reason: StoredCloseReason },
    Paid(StoredReceipt),
    RefundDue(StoredReceipt, StoredRefund),
    Refunding { receipt: StoredReceipt, refund: StoredRefund, accepted_at: i64, id: String },
    Refunded { receipt: StoredReceipt, refund: StoredRefund, at: i64 },
    Failed { receipt: StoredReceipt, refund: StoredRefund, failure: StoredFailure, at: i64 },
}

#[derive(Encode, Decode)]
pub(super) enum StoredCloseReason {
    ExpiredKeep,
    ExpiredCancel,
    Replaced,
    BookingCancelled,
    ScheduleStopped,
    ClosedByWechat,
    PaidElsewhere,
    NumberTaken,
}

#[derive(Encode, Decode)]
pub(super) struct StoredReceipt {
    transaction: String,
    paid_at: i64,
    heard_at: i64,
}

#[derive(Encode, Decode)]
pub(super) struct StoredRefund {
    no: StoredNumber,
    reason: StoredReason,
    due_at: i64,
}

#[derive(Encode, Decode)]
pub(super) enum StoredReason {
    BookingCancelled,
    ScheduleStopped,
    SurplusAlreadyPaid,
    SurplusBookingCancelled,
    SurplusBookingMissed,
    SurplusNotOwed,
    SurplusOrderClosed,
}

#[derive(Encode, Decode)]
pub(super) enum StoredFailure {
    Refused,
    Closed,
    Abnormal,
}

impl From<&OrderState> for StoredState {
    fn from(state: &OrderState) -> Self {
        match state {
            OrderState::Created => Self::Created,
            OrderState::Prepaid(prepay) => Self::Prepaid {
                prepay: prepay.id.as_str().to_owned(),
                valid_until: millis(prepay.valid_until),
            },
            OrderState::Closing { since, reason } => {
                Self::Closing { since: millis(*since), reason: (*reason).into() }
            }
            OrderState::Closed { at, reason } => Self::Closed { at: millis(*at), reason: (*reason).into() },
            OrderState::Paid(receipt) => Self::Paid(receipt.into()),
            OrderState::RefundDue { receipt, refund } => Self::RefundDue(receipt.into(), refund.into()),
            OrderState::Refunding { receipt, refund, accepted_at, id } => Self::Refunding {
                receipt: receipt.into(),
                refund: refund.into(),
                accepted_at: millis(*accepted_at),
                id: id.as_str().to_owned(),
            },
            OrderState::Refunded { receipt, refund, at } => {
                Self::Refunded { receipt: receipt.into(), refund: refund.into(), at: millis(*at) }
            }
            OrderState::Failed { receipt, refund, failure, at } => Self::Failed {
                receipt: receipt.into(),
                refund: refund.into(),
                failure: (*failure).into(),
                at: millis(*at),
            },
        }
    }
}

impl TryFrom<StoredState> for OrderState {
    type Error = Impossible;

    fn try_from(stored: StoredState) -> Result<Self, Impossible> {
        let time = Timestamp::from_millis;
        Ok(match stored {
            StoredState::Created => Self::Created,
            StoredState::Prepaid { prepay, valid_until } => Self::Prepaid(Prepay {
                id: possible(PrepayId::parse(&prepay), "prepay id")?,
                valid_until: time(valid_until),
            }),
            StoredState::Closing { since, reason } => {
                Self::Closing { since: time(since), reason: reason.into() }
            }
            StoredState::Closed { at, reason } => Self::Closed { at: time(at), reason: reason.into() },
            StoredState::Paid(receipt) => Self::Paid(receipt.try_into()?),
            StoredState::RefundDue(receipt, refund) => {
                Self::RefundDue { receipt: receipt.try_into()?, refund: refund.try_into()? }
            }
            StoredState::Refunding { receipt, refund, accepted_at, id } => Self::Refunding {
                receipt: receipt.try_into()?,
                refund: refund.try_into()?,
                accepted_at: time(accepted_at),
                id: possible(WechatRefundId::parse(&id), "refund id")?,
            },
            StoredState::Refunded { receipt, refund, at } => {
                Self::Refunded { receipt: receipt.try_into()?, refund: refund.try_into()?, at: time(at) }
            }
            StoredState::Failed { receipt, refund, failure, at } => Self::Failed {
                receipt: receipt.try_into()?,
                refund: refund.try_into()?,
                failure: failure.into(),
                at: time(at),
            },
        })
    }
}

impl From<&Receipt> for StoredReceipt {
    fn from(receipt: &Receipt) -> Self {
        Self {
            transaction: receipt.transaction.as_str().to_owned(),
            paid_at: millis(receipt.paid_at),
            heard_at: millis(receipt.heard_at),
        }
    }
}

impl TryFrom<StoredReceipt> for Receipt {
    type Error = Impossible;

    fn try_from(stored: StoredReceipt) -> Result<Self, Impossible> {
        Ok(Self {
            transaction: possible(TransactionId::parse(&stored.transaction), "transaction id")?,
            paid_at: Timestamp::from_millis(stored.paid_at),
            heard_at: Timestamp::from_millis(stored.heard_at),
        })
    }
}

impl From<&Refund> for StoredRefund {
    fn from(refund: &Refund) -> Self {
        Self { no: refund.no.into(), reason: refund.reason.into(), due_at: millis(refund.due_at) }
    }
}

impl TryFrom<StoredRefund> for Refund {
    type Error = Impossible;

    fn try_from(stored: StoredRefund) -> Result<Self, Impossible> {
        Ok(Self {
            no: stored.no.try_into()?,
            reason: stored.reason.into(),
            due_at: Timestamp::from_millis(stored.due_at),
        })
    }
}

impl From<CloseReason> for StoredCloseReason {
    fn from(value: CloseReason) -> Self {
        match value {
            CloseReason::Expired(UnpaidBooking::Keep) => Self::ExpiredKeep,
            CloseReason::Expired(UnpaidBooking::Cancel) => Self::ExpiredCancel,
            CloseReason::Replaced => Self::Replaced,
            CloseReason::GivenUp(Cancellation::Cancelled) => Self::BookingCancelled,
            CloseReason::GivenUp(Cancellation::Stopped) => Self::ScheduleStopped,
            CloseReason::ClosedByWechat => Self::ClosedByWechat,
            CloseReason::PaidElsewhere => Self::PaidElsewhere,
            CloseReason::NumberTaken => Self::NumberTaken,
        }
    }
}

impl From<StoredCloseReason> for CloseReason {
    fn from(stored: StoredCloseReason) -> Self {
        match stored {
            StoredCloseReason::ExpiredKeep => Self::Expired(UnpaidBooking::Keep),
            StoredCloseReason::ExpiredCancel => Self::Expired(UnpaidBooking::Cancel),
            StoredCloseReason::Replaced => Self::Replaced,
            StoredCloseReason::BookingCancelled => Self::GivenUp(Cancellation::Cancelled),
            StoredCloseReason::ScheduleStopped => Self::GivenUp(Cancellation::Stopped),
            StoredCloseReason::ClosedByWechat => Self::ClosedByWechat,
            StoredCloseReason::PaidElsewhere => Self::PaidElsewhere,
            StoredCloseReason::NumberTaken => Self::NumberTaken,
        }
    }
}

impl From<RefundReason> for StoredReason {
    fn from(value: RefundReason) -> Self {
        match value {
            RefundReason::GivenUp(Cancellation::Cancelled) => Self::BookingCancelled,
            RefundReason::GivenUp(Cancellation::Stopped) => Self::ScheduleStopped,
            RefundReason::Surplus(Surplus::AlreadyPaid) => Self::SurplusAlreadyPaid,
            RefundReason::Surplus(Surplus::BookingCancelled) => Self::SurplusBookingCancelled,
            RefundReason::Surplus(Surplus::BookingMissed) => Self::SurplusBookingMissed,
            RefundReason::Surplus(Surplus::NotOwed) => Self::SurplusNotOwed,
            RefundReason::Surplus(Surplus::OrderClosed) => Self::SurplusOrderClosed,
        }
    }
}

impl From<StoredReason> for RefundReason {
    fn from(stored: StoredReason) -> Self {
        match stored {
            StoredReason::BookingCancelled => Self::GivenUp(Cancellation::Cancelled),
            StoredReason::ScheduleStopped => Self::GivenUp(Cancellation::Stopped),
            StoredReason::SurplusAlreadyPaid => Self::Surplus(Surplus::AlreadyPaid),
            StoredReason::SurplusBookingCancelled => Self::Surplus(Surplus::BookingCancelled),
            StoredReason::SurplusBookingMissed => Self::Surplus(Surplus::BookingMissed),
            StoredReason::SurplusNotOwed => Self::Surplus(Surplus::NotOwed),
            StoredReason::SurplusOrderClosed => Self::Surplus(Surplus::OrderClosed),
        }
    }
}

impl From<RefundFailure> for StoredFailure {
    fn from(value: RefundFailure) -> Self {
        match value {
            RefundFailure::Refused => Self::Refused,
            RefundFailure::Closed => Self::Closed,
            RefundFailure::Abnormal => Self::Abnormal,
        }
    }
}

impl From<StoredFailure> for RefundFailure {
    fn from(stored: StoredFailure) -> Self {
        match stored {
            StoredFailure::Refused => Self::Refused,
            StoredFailure::Closed => Self::Closed,
            StoredFailure::Abnormal => Self::Abnormal,
        }
    }
}

#[derive(Encode, Decode)]
pub(super) struct StoredMismatch {
    kind: StoredMismatchKind,
    at: i64,
}

#[derive(Encode, Decode)]
enum StoredMismatchKind {
    Money { transaction: String, total: i64, currency: [u8; 3] },
    SecondPayment { transaction: String },
    RefundedElsewhere,
    OtherRefund { no: StoredNumber },
    RefundMoney { no: StoredNumber, total: i64, currency: [u8; 3] },
    OtherOrder { transaction: Option<String> },
}

impl From<&Mismatch> for StoredMismatch {
    fn from(mismatch: &Mismatch) -> Self {
        let kind = match &mismatch.kind {
            MismatchKind::Money { transaction, total, currency } => StoredMismatchKind::Money {
                transaction: transaction.as_str().to_owned(),
                total: *total,
                currency: currency.letters(),
            },
            MismatchKind::SecondPayment { transaction } => {
                StoredMismatchKind::SecondPayment { transaction: transaction.as_str().to_owned() }
            }
            MismatchKind::RefundedElsewhere => StoredMismatchKind::RefundedElsewhere,
            MismatchKind::OtherRefund { no } => StoredMismatchKind::OtherRefund { no: (*no).into() },
            MismatchKind::RefundMoney { no, total, currency } => StoredMismatchKind::RefundMoney {
                no: (*no).into(),
                total: *total,
                currency: currency.letters(),
            },
            MismatchKind::OtherOrder { transaction } => StoredMismatchKind::OtherOrder {
                transaction: transaction.as_ref().map(|transaction| transaction.as_str().to_owned()),
            },
        };
        Self { kind, at: millis(mismatch.at) }
    }
}

impl TryFrom<StoredMismatch> for Mismatch {
    type Error = Impossible;

    fn try_from(stored: StoredMismatch) -> Result<Self, Impossible> {
        let transaction = |text: &str| possible(TransactionId::parse(text), "transaction id");
        let kind = match stored.kind {
            StoredMismatchKind::Money { transaction: text, total, currency } => {
                MismatchKind::Money { transaction: transaction(&text)?, total, currency: letters(currency)? }
            }
            StoredMismatchKind::SecondPayment { transaction: text } => {
                MismatchKind::SecondPayment { transaction: transaction(&text)? }
            }
            StoredMismatchKind::RefundedElsewhere => MismatchKind::RefundedElsewhere,
            StoredMismatchKind::OtherRefund { no } => MismatchKind::OtherRefund { no: no.try_into()? },
            StoredMismatchKind::RefundMoney { no, total, currency } => {
                MismatchKind::RefundMoney { no: no.try_into()?, total, currency: letters(currency)? }
            }
            StoredMismatchKind::OtherOrder { transaction: text } => {
                MismatchKind::OtherOrder { transaction: text.as_deref().map(transaction).transpose()? }
            }
        };
        Ok(Self { kind, at: Timestamp::from_millis(stored.at) })
    }
}

fn letters(stored: [u8; 3]) -> Result<Currency, Impossible> {
    let text = possible(std::str::from_utf8(&stored), "currency")?;
    possible(Currency::parse(text), "currency")
}
