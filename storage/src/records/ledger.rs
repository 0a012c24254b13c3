//! The money that moved, and the refunds that were to move it.

use bincode::{Decode, Encode};
use domain::{Fen, LedgerEntry, Movement, OutTradeNo, Refund, RefundReason, Timestamp, TransactionId};

use super::payment_states::{StoredNumber, StoredReason};
use super::{millis, possible};
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;

/// An entry of the ledger. It is written once and never changed: its key is required to be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRecord(pub LedgerEntry);

#[derive(Encode, Decode)]
struct StoredEntry {
    order: StoredNumber,
    movement: StoredMovement,
    amount: u32,
    at: i64,
}

#[derive(Encode, Decode)]
enum StoredMovement {
    Received(String),
    Refunded(StoredNumber),
}

impl TryFrom<StoredEntry> for LedgerRecord {
    type Error = Impossible;

    fn try_from(stored: StoredEntry) -> Result<Self, Impossible> {
        let movement = match stored.movement {
            StoredMovement::Received(text) => {
                Movement::Received(possible(TransactionId::parse(&text), "transaction id")?)
            }
            StoredMovement::Refunded(number) => Movement::Refunded(number.try_into()?),
        };
        Ok(Self(LedgerEntry {
            order: stored.order.try_into()?,
            movement,
            amount: possible(Fen::new(stored.amount), "amount")?,
            at: Timestamp::from_millis(stored.at),
        }))
    }
}

impl Record for LedgerRecord {
    const TABLE: Table = Table::Ledger;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredEntry {
            order: self.0.order.into(),
            movement: match &self.0.movement {
                Movement::Received(transaction) => StoredMovement::Received(transaction.as_str().to_owned()),
                Movement::Refunded(refund) => StoredMovement::Refunded((*refund).into()),
            },
            amount: self.0.amount.get(),
            at: millis(self.0.at),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredEntry>(bytes)
    }
}

/// That money moved on a day, for the daily comparison with WeChat. The key tells by what, which leads
/// to the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerDayRecord {
    /// The order whose money it was.
    pub order: OutTradeNo,
}

impl TryFrom<StoredNumber> for LedgerDayRecord {
    type Error = Impossible;

    fn try_from(stored: StoredNumber) -> Result<Self, Impossible> {
        Ok(Self { order: stored.try_into()? })
    }
}

impl Record for LedgerDayRecord {
    const TABLE: Table = Table::LedgerDay;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredNumber::from(self.order))
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredNumber>(bytes)
    }
}

/// A refund: which order it is of, since WeChat tells of it by its own number. How it stands, the order
/// says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefundRecord {
    /// The order.
    pub order: OutTradeNo,
    /// How much was to go back.
    pub amount: Fen,
    /// Why.
    pub reason: RefundReason,
    /// Since when it was due under this number.
    pub due_at: Timestamp,
}

impl RefundRecord {
    /// The record of a refund of an order's money.
    #[must_use]
    pub const fn new(order: OutTradeNo, amount: Fen, refund: &Refund) -> Self {
        Self { order, amount, reason: refund.reason, due_at: refund.due_at }
    }
}

#[derive(Encode, Decode)]
struct StoredRefund {
    order: StoredNumber,
    amount: u32,
    reason: StoredReason,
    due_at: i64,
}

impl TryFrom<StoredRefund> for RefundRecord {
    type Error = Impossible;

    fn try_from(stored: StoredRefund) -> Result<Self, Impossible> {
        Ok(Self {
            order: stored.order.try_into()?,
            amount: possible(Fen::new(stored.amount), "amount")?,
            reason: stored.reason.into(),
            due_at: Timestamp::from_millis(stored.due_at),
        })
    }
}

impl Record for RefundRecord {
    const TABLE: Table = Table::Refund;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredRefund {
            order: self.order.into(),
            amount: self.amount.get(),
            reason: self.reason.into(),
            due_at: millis(self.due_at),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredRefund>(bytes)
    }
}
