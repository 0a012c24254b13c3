//! Every state here with every state at WeChat.

use std::sync::Arc;

use domain::{
    CloseReason, Fen, OpenId, PayOrder, Prepay, PrepayId, Receipt, Refund, RefundNo, RefundReason,
    ScheduleId, Surplus, TenantId, Timestamp, TransactionId, UserId, WechatRefundId,
};
use storage::{Existing, OsRandom, Vault, keys};

use super::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn transaction(text: &str) -> TransactionId {
    TransactionId::parse(text).expect("it is one")
}

fn refund_no() -> RefundNo {
    RefundNo::new(TenantId::new(1).expect("an id"), 9).expect("a number")
}

/// The states of the columns below, in their order.
fn states() -> [OrderState; 11] {
    let receipt = Receipt { transaction: transaction("42"), paid_at: at(2), heard_at: at(3) };
    let refund = Refund { no: refund_no(), reason: RefundReason::Surplus(Surplus::NotOwed), due_at: at(4) };
    let failed = |failure| OrderState::Failed { receipt: receipt.clone(), refund, failure, at: at(6) };
    let reason = CloseReason::Replaced;
    let id = WechatRefundId::parse("50").expect("it is one");
    [
        OrderState::Created,
        OrderState::Prepaid(Prepay { id: PrepayId::parse("wx1").expect("it is one"), valid_until: at(9) }),
        OrderState::Closing { since: at(1), reason },
        OrderState::Closed { at: at(1), reason },
        OrderState::Paid(receipt.clone()),
        OrderState::RefundDue { receipt: receipt.clone(), refund },
        OrderState::Refunding { receipt: receipt.clone(), refund, accepted_at: at(5), id },
        OrderState::Refunded { receipt: receipt.clone(), refund, at: at(6) },
        failed(RefundFailure::Refused),
        failed(RefundFailure::Closed),
        failed(RefundFailure::Abnormal),
    ]
}

fn record(state: OrderState) -> PayOrderRecord {
    let tenant = TenantId::new(1).expect("an id");
    let order = PayOrder {
        no: OutTradeNo::new(tenant, 7).expect("a number"),
        booking: BookingId::new(5).expect("an id"),
        schedule: ScheduleId::new(3).expect("an id"),
        user: UserId::new(2).expect("an id"),
        payer: OpenId::parse("o1").expect("it is one"),
        amount: Fen::new(5_000).expect("an amount"),
        created_at: at(1),
        expires_at: at(9),
        state,
        mismatches: Vec::new(),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let random = Arc::new(OsRandom::default());
    let vault = Vault::open(&folder.path().join("keys"), Existing::CreateIfMissing, random).expect("keys");
    PayOrderRecord::seal(&vault, &keys::pay_order(order.no), &order).expect("sealed")
}

fn success(transaction_id: &str, total: i64) -> TradeState {
    let (transaction, currency) = (transaction(transaction_id), Currency::CNY);
    TradeState::Success(Payment { transaction, total, currency, paid_at: at(2) })
}

fn told(trade: TradeState, refund: Option<(RefundState, i64)>) -> Theirs {
    let id = WechatRefundId::parse("50").expect("it is one");
    let refund = refund.map_or(TheirRefund::None, |(state, total)| {
        TheirRefund::Told(RefundReport { no: refund_no(), id, state, total, currency: Currency::CNY })
    });
    Theirs { news: TradeNews { trade, attached: Attached::Nothing }, refund }
}

/// Per state here whether something differs: `.` nothing, `o` the order, `r` the refund, `b` both. Seen to catch a payment
/// that is not known here.
#[test]
fn every_state_with_every_state() {
    let refund = TradeState::Refund;
    // new, prepaid, closing, closed, paid, due, going, back, refused, closed, abnormal
    for (name, theirs, expected) in [
        ("nothing", told(TradeState::NotFound, None), ".o..oobbobb"),
        ("unpaid", told(TradeState::NotPaid, None), "...ooobbobb"),
        ("closed", told(TradeState::Closed, None), "oo..oobbobb"),
        ("paid", told(success("42", 5_000), None), "oooo..rb.rr"),
        ("paid a fen less", told(success("42", 4_999), None), "oooooobbobb"),
        ("paid otherwise", told(success("43", 5_000), None), "oooooobbobb"),
        ("going", told(refund.clone(), Some((RefundState::Processing, 5_000))), "ooooo..rrrr"),
        ("back", told(refund.clone(), Some((RefundState::Success, 5_000))), "ooooorr.rrr"),
        ("less back", told(refund.clone(), Some((RefundState::Success, 4_999))), "ooooorrrrrr"),
        ("given up", told(refund.clone(), Some((RefundState::Closed, 5_000))), "ooooorrrr.r"),
        ("abnormal", told(refund, Some((RefundState::Abnormal, 5_000))), "ooooorrrrr."),
    ] {
        let seen: String = states()
            .into_iter()
            .map(|state| {
                let found = compare(&record(state), &[], &theirs);
                let of_refund = found.iter().filter(|one| one.theirs.contains("refund")).count();
                match (found.len(), of_refund) {
                    (0, _) => '.',
                    (1, 0) => 'o',
                    (1, _) => 'r',
                    _ => 'b',
                }
            })
            .collect();
        assert_eq!(seen, expected, "{name}");
    }
}

#[test]
fn another_order_under_the_number_is_one_difference() {
    let order = record(states()[4].clone());
    let own = OrderMark { booking: order.booking, made_at: order.created_at };
    let former = OrderMark { made_at: at(2), ..own };
    for (attached, count) in [
        (Attached::Mark(own), 0),
        (Attached::Mark(former), 1),
        (Attached::Foreign, 1),
        (Attached::Nothing, 0),
    ] {
        let mut theirs = told(success("42", 5_000), None);
        theirs.news.attached = attached;
        assert_eq!(compare(&order, &[], &theirs).len(), count, "{attached:?}");
    }
    let missing = "the payment is not in the ledger";
    let found = compare(&order, &[missing], &told(success("42", 5_000), None));
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!(one.columns(), ["1-0000000007", "5", "paid", "", "50.00", "", missing]);
}
