//! The bytes of what is stored of payment.

use domain::{
    Cancellation, CloseReason, Currency, LedgerEntry, Mismatch, MismatchKind, Movement, OpenId, OrderState,
    OutTradeNo, PayOrder, Prepay, PrepayId, Receipt, Refund, RefundFailure, RefundNo, RefundReason, Surplus,
    TransactionId, UnpaidBooking, WechatRefundId,
};

use super::*;

/// Who pays, sealed under the key of [`order_no`]: the start of every order's bytes.
const PAYER: &str = "003b01404142434445464748494a4be2a5c176567abf7680b1567cd43b5e6909be306de60c756d1d102bb6a17c03bc92216259f1b011cffb63e6afb047";
/// Number, booking, schedule, user, amount and the two times.
const FACTS: &str = "01fc01ca9a3bfc7bca9a3bfbb90bfc07ca9a3bfb8813fd0050e25344030000fd40c7fd5344030000";

fn order_no() -> OutTradeNo {
    OutTradeNo::new(tenant(), 1_000_000_001).unwrap()
}

fn refund_no() -> RefundNo {
    RefundNo::new(tenant(), 1_000_000_002).unwrap()
}

fn transaction() -> TransactionId {
    TransactionId::parse("4200001234").unwrap()
}

fn receipt() -> Receipt {
    Receipt { transaction: transaction(), paid_at: at(1), heard_at: at(2) }
}

fn refund(reason: RefundReason) -> Refund {
    Refund { no: refund_no(), reason, due_at: at(3) }
}

fn order() -> PayOrder {
    PayOrder {
        no: order_no(),
        booking: booking_id(),
        schedule: schedule_id(),
        user: user(),
        payer: OpenId::parse("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o").unwrap(),
        amount: Fen::new(5_000).unwrap(),
        created_at: at(0),
        expires_at: at(900_000),
        state: OrderState::Created,
        mismatches: Vec::new(),
    }
}

fn record() -> PayOrderRecord {
    let (_folder, vault) = fixed_vault();
    PayOrderRecord::seal(&vault, &keys::pay_order(order_no()), &order()).unwrap()
}

/// Every state, and every reason and failure in one of them.
fn states() -> Vec<(OrderState, &'static str)> {
    let cancelled = RefundReason::GivenUp(Cancellation::Cancelled);
    let closing = |reason| OrderState::Closing { since: at(4), reason };
    let due = |reason| OrderState::RefundDue { receipt: receipt(), refund: refund(reason) };
    let surplus = |surplus| due(RefundReason::Surplus(surplus));
    let failed =
        |failure| OrderState::Failed { receipt: receipt(), refund: refund(cancelled), failure, at: at(6) };
    let prepay = Prepay { id: PrepayId::parse("wx2014").unwrap(), valid_until: at(7_200_000) };
    vec![
        (OrderState::Created, "00"),
        (OrderState::Prepaid(prepay), "0106777832303134fd000abe5444030000"),
        (closing(CloseReason::Expired(UnpaidBooking::Keep)), "02fd0850e2534403000000"),
        (closing(CloseReason::Expired(UnpaidBooking::Cancel)), "02fd0850e2534403000001"),
        (closing(CloseReason::Replaced), "02fd0850e2534403000002"),
        (closing(CloseReason::GivenUp(Cancellation::Cancelled)), "02fd0850e2534403000003"),
        (closing(CloseReason::GivenUp(Cancellation::Stopped)), "02fd0850e2534403000004"),
        (OrderState::Closed { at: at(5), reason: CloseReason::ClosedByWechat }, "03fd0a50e2534403000005"),
        (closing(CloseReason::PaidElsewhere), "02fd0850e2534403000006"),
        (closing(CloseReason::NumberTaken), "02fd0850e2534403000007"),
        (OrderState::Paid(receipt()), "040a34323030303031323334fd0250e25344030000fd0450e25344030000"),
        (
            due(cancelled),
            "050a34323030303031323334fd0250e25344030000fd0450e2534403000001fc02ca9a3b00fd0650e25344030000",
        ),
        (
            due(RefundReason::GivenUp(Cancellation::Stopped)),
            "050a34323030303031323334fd0250e25344030000fd0450e2534403000001fc02ca9a3b01fd0650e25344030000",
        ),
        (
            surplus(Surplus::AlreadyPaid),
            "050a34323030303031323334fd0250e25344030000fd0450e2534403000001fc02ca9a3b02fd0650e25344030000",
        ),
        (
            surplus(Surplus::BookingCancelled),
            "050a34323030303031323334fd0250e25344030000fd0450e2534403000001fc02ca9a3b03fd0650e25344030000",
        ),
        (
            surplus(Surplus::BookingMissed),
            "050a34323030303031323334fd0250e25344030000fd0450e2534403000001fc02ca9a3b04fd0650e25344030000",
        ),
        (
            surplus(Surplus::NotOwed),
            "050a34323030303031323334fd0250e25344030000fd0450e2534403000001fc02ca9a3b05fd0650e25344030000",
        ),
        (
            surplus(Surplus::OrderClosed),
            "050a34323030303031323334fd0250e25344030000fd0450e2534403000001fc02ca9a3b06fd0650e25344030000",
        ),
        (
            OrderState::Refunding {
                receipt: receipt(),
                refund: refund(cancelled),
                accepted_at: at(5),
                id: WechatRefundId::parse("50300").unwrap(),
            },
            "060a34323030303031323334fd0250e25344030000fd0450e2534403000001fc02ca9a3b00fd0650e25344030000fd0a50e25344030000053530333030",
        ),
        (
            OrderState::Refunded { receipt: receipt(), refund: refund(cancelled), at: at(6) },
            "070a34323030303031323334fd0250e25344030000fd0450e2534403000001fc02ca9a3b00fd0650e25344030000fd0c50e25344030000",
        ),
        (
            failed(RefundFailure::Refused),
            "080a34323030303031323334fd0250e25344030000fd0450e2534403000001fc02ca9a3b00fd0650e2534403000000fd0c50e25344030000",
        ),
        (
            failed(RefundFailure::Closed),
            "080a34323030303031323334fd0250e25344030000fd0450e2534403000001fc02ca9a3b00fd0650e2534403000001fd0c50e25344030000",
        ),
        (
            failed(RefundFailure::Abnormal),
            "080a34323030303031323334fd0250e25344030000fd0450e2534403000001fc02ca9a3b00fd0650e2534403000002fd0c50e25344030000",
        ),
    ]
}

fn mismatches() -> Vec<Mismatch> {
    let currency = Currency::parse("USD").unwrap();
    let kinds = [
        MismatchKind::Money { transaction: transaction(), total: -1, currency },
        MismatchKind::SecondPayment { transaction: transaction() },
        MismatchKind::RefundedElsewhere,
        MismatchKind::OtherRefund { no: refund_no() },
        MismatchKind::RefundMoney { no: refund_no(), total: 4_999, currency: Currency::CNY },
        MismatchKind::OtherOrder { transaction: Some(transaction()) },
        MismatchKind::OtherOrder { transaction: None },
    ];
    kinds.into_iter().map(|kind| Mismatch { kind, at: at(7) }).collect()
}

pub(super) fn payment_tables() -> Vec<Table> {
    let record = record();
    let mut tables: Vec<Table> = states()
        .into_iter()
        .map(|(state, golden)| {
            let mut record = record.clone();
            record.state = state;
            holds(&record, &format!("{PAYER}{FACTS}{golden}00"))
        })
        .collect();
    let mut told = record;
    told.mismatches = mismatches();
    tables.push(holds(&told, &format!("{PAYER}{FACTS}0007000a3432303030303132333401555344fd0e50e25344030000010a34323030303031323334fd0e50e2534403000002fd0e50e253440300000301fc02ca9a3bfd0e50e253440300000401fc02ca9a3bfb0e27434e59fd0e50e2534403000005010a34323030303031323334fd0e50e253440300000500fd0e50e25344030000")));
    let entry = |movement| {
        LedgerRecord(LedgerEntry { order: order_no(), movement, amount: order().amount, at: at(1) })
    };
    let reason = RefundReason::Surplus(Surplus::OrderClosed);
    tables.extend([
        holds(&BookingOrdersRecord { orders: vec![order_no()] }, "000101fc01ca9a3b"),
        holds(&BookingOrdersRecord::default(), "0000"),
        holds(
            &entry(Movement::Received(transaction())),
            "0001fc01ca9a3b000a34323030303031323334fb8813fd0250e25344030000",
        ),
        holds(
            &entry(Movement::Refunded(refund_no())),
            "0001fc01ca9a3b0101fc02ca9a3bfb8813fd0250e25344030000",
        ),
        holds(&LedgerDayRecord { order: order_no() }, "0001fc01ca9a3b"),
        holds(
            &RefundRecord::new(order_no(), order().amount, &refund(reason)),
            "0001fc01ca9a3bfb881306fd0650e25344030000",
        ),
        holds(&PayJobRecord { due_at: at(8), attempts: 300 }, "00fd1050e25344030000fb2c01"),
        holds(&PayTroubleRecord::new("NOT_ENOUGH", 3, at(9)), "000a4e4f545f454e4f55474803fd1250e25344030000"),
        holds(&certificates(), "000231390102354102504dfd1450e25344030000fd1650e25344030000"),
        holds(&pay_conf(), "003d01404142434445464748494a4be2a2830e0b11aa4188835e78bb3441122f870619977e4a7a5a6a63c8ba119be814a64514754714a9003f32c0e6d91073037778310231390235410d5055425f4b45595f49445f30311a2d2d2d2d2d424547494e205055424c4943204b45592d2d2d2d2d"),
    ]);
    tables
}

fn secrets() -> PaySecrets {
    PaySecrets { private_key: "-----BEGIN PRIVATE KEY-----".to_owned(), api_v3_key: "v3".to_owned() }
}

fn pay_conf() -> PayConfRecord {
    let (_folder, vault) = fixed_vault();
    let open = PayIdentity {
        app_id: "wx1".to_owned(),
        mch_id: "19".to_owned(),
        serial_no: "5A".to_owned(),
        wechat_key_id: "PUB_KEY_ID_01".to_owned(),
        wechat_key: "-----BEGIN PUBLIC KEY-----".to_owned(),
    };
    PayConfRecord::seal(&vault, &keys::pay_conf(tenant()), &secrets(), open).unwrap()
}

fn certificates() -> PayCertificatesRecord {
    let one = PayCertificate { serial_no: "5A".to_owned(), pem: "PM".to_owned(), expires_at: at(10) };
    PayCertificatesRecord { mch_id: "19".to_owned(), certificates: vec![one], refresh_at: at(11) }
}

/// Of what comes from outside only what a code can hold is kept.
#[test]
fn a_code_of_trouble_is_a_code() {
    let told = PayTroubleRecord::new(&format!("<NO>\n姓名_{}", "A".repeat(100)), 1, at(0));
    assert_eq!(told.code(), format!("NO_{}", "A".repeat(61)));
}

#[test]
fn the_keys_of_a_merchant_open_in_their_own_place_only() {
    let (_folder, vault) = fixed_vault();
    let other = TenantId::new(999).unwrap();
    assert_eq!(pay_conf().open(&vault, &keys::pay_conf(tenant())), Ok(secrets()));
    assert_eq!(pay_conf().open(&vault, &keys::pay_conf(other)), Err(SealError::Refused));
    let bytes = pay_conf().encode();
    assert!(!bytes.windows(11).any(|window| window == b"PRIVATE KEY"), "a key is in the bytes");
}

#[test]
fn the_bytes_of_payment_stay_as_they_are() {
    let shown: BTreeSet<Table> = payment_tables().into_iter().collect();
    let tables = [
        Table::PayOrder,
        Table::BookingOrders,
        Table::Ledger,
        Table::LedgerDay,
        Table::Refund,
        Table::PayJob,
        Table::PayConf,
        Table::PayTrouble,
        Table::PayCertificates,
    ];
    assert_eq!(shown, BTreeSet::from(tables));
}

#[test]
fn an_order_opens_under_its_own_number_only() {
    let (_folder, vault) = fixed_vault();
    let key = keys::pay_order(order_no());
    for (state, _) in states() {
        let order = PayOrder { state, mismatches: mismatches(), ..order() };
        let record = PayOrderRecord::seal(&vault, &key, &order).unwrap();
        let read = PayOrderRecord::decode(&record.encode()).unwrap();
        let other = keys::pay_order(OutTradeNo::new(tenant(), 5).unwrap());
        assert_eq!(read.clone().open(&vault, &other), Err(SealError::Refused));
        assert_eq!(read.open(&vault, &key), Ok(order));
    }
}

#[test]
fn who_pays_is_nowhere_to_be_read() {
    let record = record();
    let open_id = order().payer;
    let bytes = record.encode();
    let found = bytes.windows(8).any(|window| open_id.as_str().as_bytes().starts_with(window));
    assert!(!found, "the open id is in the bytes");
    let shown = format!("{record:?} {:?}", order());
    assert!(!shown.contains(open_id.as_str()), "{shown}");
}

#[test]
fn an_order_of_nothing_is_refused() {
    let mut record = record();
    record.amount = Fen::ZERO;
    let refused = RecordError::Impossible { table: Table::PayOrder, what: "amount" };
    assert_eq!(PayOrderRecord::decode(&record.encode()), Err(refused));
}
