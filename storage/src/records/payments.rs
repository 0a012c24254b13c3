//! Orders (支付订单), where to find them, and what is to be done about them.
//!
//! The events of one decision are one commit, which holds:
//! - the order as it is after them, under the version at which it was read, absent if it is new;
//! - for each ledger entry of them its record, required to be absent, and its row by day;
//! - for each refund that begins its record, so that the order is found by the refund's number;
//! - for a new order the list of the booking's orders, under the version at which it was read;
//! - the row of what WeChat is to be asked, with no attempts yet, or its deletion if there is nothing;
//! - what the events mean for the booking, under the version of the facts that were decided on.
//!
//! tests/payments.rs shows such a commit, and what it withstands.

use bincode::{Decode, Encode};
use domain::{
    BookingId, Fen, Mismatch, OpenId, OrderState, OutTradeNo, PayOrder, ScheduleId, Timestamp, UserId,
};

use super::payment_states::{StoredMismatch, StoredNumber, StoredState};
use super::{millis, possible};
use crate::keys::Key;
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;
use crate::vault::{SealError, Sealed, Vault};

/// An order. Who the payer is to WeChat is sealed; everything else reads without the vault, so that
/// lists for the staff never open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayOrderRecord {
    payer: Sealed,
    /// Its number.
    pub no: OutTradeNo,
    /// What is paid for.
    pub booking: BookingId,
    /// The schedule of the booking.
    pub schedule: ScheduleId,
    /// The account that pays, under which the booking is stored.
    pub user: UserId,
    /// What is to be paid.
    pub amount: Fen,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it cannot be paid.
    pub expires_at: Timestamp,
    /// How far it has come.
    pub state: OrderState,
    /// What was told of it that cannot be true.
    pub mismatches: Vec<Mismatch>,
}

impl PayOrderRecord {
    /// The record of an order as it stands, under `key`.
    ///
    /// # Errors
    /// No randomness to seal with.
    pub fn seal(vault: &Vault, key: &Key<Self>, order: &PayOrder) -> Result<Self, SealError> {
        let payer = vault.seal_v1(key.raw(), &StoredPayer { open_id: order.payer.as_str().to_owned() })?;
        Ok(Self {
            payer,
            no: order.no,
            booking: order.booking,
            schedule: order.schedule,
            user: order.user,
            amount: order.amount,
            created_at: order.created_at,
            expires_at: order.expires_at,
            state: order.state.clone(),
            mismatches: order.mismatches.clone(),
        })
    }

    /// Opens the record read from `key`.
    ///
    /// # Errors
    /// It was sealed for another record or with another key, or holds impossible values.
    pub fn open(self, vault: &Vault, key: &Key<Self>) -> Result<PayOrder, SealError> {
        let stored: StoredPayer = vault.unseal_v1(key.raw(), &self.payer)?;
        Ok(PayOrder {
            no: self.no,
            booking: self.booking,
            schedule: self.schedule,
            user: self.user,
            payer: possible(OpenId::parse(&stored.open_id), "open id")?,
            amount: self.amount,
            created_at: self.created_at,
            expires_at: self.expires_at,
            state: self.state,
            mismatches: self.mismatches,
        })
    }
}

#[derive(Encode, Decode)]
struct StoredPayer {
    open_id: String,
}

#[derive(Encode, Decode)]
struct StoredPayOrder {
    payer: Sealed,
    no: StoredNumber,
    booking: u64,
    schedule: u64,
    user: u64,
    amount: u32,
    created_at: i64,
    expires_at: i64,
    state: StoredState,
    mismatches: Vec<StoredMismatch>,
}

impl TryFrom<StoredPayOrder> for PayOrderRecord {
    type Error = Impossible;

    fn try_from(stored: StoredPayOrder) -> Result<Self, Impossible> {
        let amount = possible(Fen::new(stored.amount), "amount")?;
        if amount.is_zero() {
            return Err(Impossible("amount"));
        }
        Ok(Self {
            payer: stored.payer,
            no: stored.no.try_into()?,
            booking: possible(BookingId::new(stored.booking), "booking id")?,
            schedule: possible(ScheduleId::new(stored.schedule), "schedule id")?,
            user: possible(UserId::new(stored.user), "user id")?,
            amount,
            created_at: Timestamp::from_millis(stored.created_at),
            expires_at: Timestamp::from_millis(stored.expires_at),
            state: stored.state.try_into()?,
            mismatches: stored.mismatches.into_iter().map(Mismatch::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl Record for PayOrderRecord {
    const TABLE: Table = Table::PayOrder;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredPayOrder {
            payer: self.payer.clone(),
            no: self.no.into(),
            booking: self.booking.get(),
            schedule: self.schedule.get(),
            user: self.user.get(),
            amount: self.amount.get(),
            created_at: millis(self.created_at),
            expires_at: millis(self.expires_at),
            state: StoredState::from(&self.state),
            mismatches: self.mismatches.iter().map(StoredMismatch::from).collect(),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredPayOrder>(bytes)
    }
}

/// The orders of a booking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BookingOrdersRecord {
    /// Their numbers, oldest first; at most
    /// [`MAX_ORDERS_PER_BOOKING`](domain::MAX_ORDERS_PER_BOOKING).
    pub orders: Vec<OutTradeNo>,
}

impl BookingOrdersRecord {
    /// The one that a patient who wants to pay is asked about.
    #[must_use]
    pub fn newest(&self) -> Option<OutTradeNo> {
        self.orders.last().copied()
    }
}

#[derive(Encode, Decode)]
struct StoredBookingOrders {
    orders: Vec<StoredNumber>,
}

impl TryFrom<StoredBookingOrders> for BookingOrdersRecord {
    type Error = Impossible;

    fn try_from(stored: StoredBookingOrders) -> Result<Self, Impossible> {
        let orders = stored.orders.into_iter().map(OutTradeNo::try_from).collect::<Result<_, _>>()?;
        Ok(Self { orders })
    }
}

impl Record for BookingOrdersRecord {
    const TABLE: Table = Table::BookingOrders;

    fn encode(&self) -> Vec<u8> {
        let orders = self.orders.iter().copied().map(StoredNumber::from).collect();
        encode_v1(&StoredBookingOrders { orders })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredBookingOrders>(bytes)
    }
}

/// That there is something to ask WeChat about an order: what, is said by the order's state
/// ([`PayOrder::work`]). Written and deleted with the order, so that nothing is forgotten in a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayJobRecord {
    /// When.
    pub due_at: Timestamp,
    /// How often it was tried since the order's state last changed.
    pub attempts: u16,
}

#[derive(Encode, Decode)]
struct StoredPayJob {
    due_at: i64,
    attempts: u16,
}

impl TryFrom<StoredPayJob> for PayJobRecord {
    type Error = Impossible;

    fn try_from(stored: StoredPayJob) -> Result<Self, Impossible> {
        Ok(Self { due_at: Timestamp::from_millis(stored.due_at), attempts: stored.attempts })
    }
}

impl Record for PayJobRecord {
    const TABLE: Table = Table::PayJob;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredPayJob { due_at: millis(self.due_at), attempts: self.attempts })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredPayJob>(bytes)
    }
}
