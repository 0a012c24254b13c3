//! Replies as they are stored under an `Idempotency-Key`.

use domain::{BookingId, Reply, Timestamp};

const HELD: u8 = 1;
const BOOKED: u8 = 2;
const REFUND_DUE: u8 = 3;
const DONE: u8 = 4;

/// Writes a reply as it is stored under an `Idempotency-Key`.
#[must_use]
pub fn encode_reply(reply: Reply) -> Vec<u8> {
    let (tag, value) = match reply {
        Reply::Held { until } => (HELD, until.as_millis().cast_unsigned()),
        Reply::Booked(booking) => (BOOKED, booking.get()),
        Reply::RefundDue => (REFUND_DUE, 0),
        Reply::Done => (DONE, 0),
    };
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&value.to_be_bytes());
    bytes
}

/// Reads a reply that was stored under an `Idempotency-Key`; `None` when the bytes are no reply.
#[must_use]
pub fn decode_reply(bytes: &[u8]) -> Option<Reply> {
    let (&tag, value) = bytes.split_first()?;
    let value = u64::from_be_bytes(value.try_into().ok()?);
    match tag {
        HELD => Some(Reply::Held { until: Timestamp::from_millis(value.cast_signed()) }),
        BOOKED => Some(Reply::Booked(BookingId::new(value).ok()?)),
        REFUND_DUE => Some(Reply::RefundDue),
        DONE => Some(Reply::Done),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_replies_are_read_back() {
        let booking = BookingId::new(1_000_000_007).expect("in range");
        let until = Timestamp::from_millis(-5);
        for reply in [Reply::Held { until }, Reply::Booked(booking), Reply::RefundDue, Reply::Done] {
            assert_eq!(decode_reply(&encode_reply(reply)), Some(reply));
        }
        for broken in [&[][..], &[BOOKED], &[9, 0, 0, 0, 0, 0, 0, 0, 0], &[BOOKED, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(decode_reply(broken), None);
        }
    }
}
