//! Keys of orders and of the money that moved.

use std::ops::RangeInclusive;

use domain::{BookingId, Date, Movement, OutTradeNo, RefundNo, TenantId, TransactionId};

use super::parts::Components;
use super::{Key, KeyRange, NO_TENANT, RawKey, day, id, of};
use crate::records::{
    BookingOrdersRecord, LedgerDayRecord, LedgerRecord, PayCertificatesRecord, PayConfRecord, PayJobRecord,
    PayOrderRecord, PayTroubleRecord, RefundRecord,
};
use crate::table::Table;

/// An order, by the number that WeChat tells of it. The number names the tenant.
#[must_use]
pub fn pay_order(order: OutTradeNo) -> Key<PayOrderRecord> {
    Key::new(orders(order.tenant()).with(id(order.number())))
}

/// All orders of a tenant, oldest first.
#[must_use]
pub fn pay_orders(tenant: TenantId) -> KeyRange<PayOrderRecord> {
    KeyRange::prefix(orders(tenant))
}

fn orders(tenant: TenantId) -> RawKey {
    RawKey::of(NO_TENANT, Table::PayOrder).with(id(tenant.get()))
}

/// The orders of a booking. Who makes an order requires its version, so that two taps at the same time
/// make one.
#[must_use]
pub fn orders_of_booking(tenant: TenantId, booking: BookingId) -> Key<BookingOrdersRecord> {
    Key::new(of(tenant, Table::BookingOrders).with(id(booking.get())))
}

/// Money that moved. Who books it requires this key to be absent: no transaction and no refund is
/// booked twice, whatever was decided.
#[must_use]
pub fn ledger(tenant: TenantId, movement: &Movement) -> Key<LedgerRecord> {
    Key::new(moved(of(tenant, Table::Ledger), movement))
}

/// Money that moved on a day of the clinic.
#[must_use]
pub fn ledger_day(tenant: TenantId, date: Date, movement: &Movement) -> Key<LedgerDayRecord> {
    Key::new(moved(of(tenant, Table::LedgerDay).with(day(date)), movement))
}

/// What moved from one day through another: day by day, payments first.
#[must_use]
pub fn ledger_days(tenant: TenantId, days: &RangeInclusive<Date>) -> KeyRange<LedgerDayRecord> {
    let table = of(tenant, Table::LedgerDay);
    KeyRange::through(table.with(day(*days.start())), table.with(day(*days.end())))
}

/// The order of a refund.
#[must_use]
pub fn refund(refund: RefundNo) -> Key<RefundRecord> {
    Key::new(of(refund.tenant(), Table::Refund).with(id(refund.number())))
}

/// What WeChat is to be asked about an order.
#[must_use]
pub fn pay_job(order: OutTradeNo) -> Key<PayJobRecord> {
    Key::new(of(order.tenant(), Table::PayJob).with(id(order.number())))
}

/// What WeChat is to be asked about a tenant's orders, by order.
#[must_use]
pub fn pay_jobs(tenant: TenantId) -> KeyRange<PayJobRecord> {
    KeyRange::prefix(of(tenant, Table::PayJob))
}

/// What stands in the way of an order.
#[must_use]
pub fn pay_trouble(order: OutTradeNo) -> Key<PayTroubleRecord> {
    Key::new(of(order.tenant(), Table::PayTrouble).with(id(order.number())))
}

/// What stands in the way of a tenant's orders, by order.
#[must_use]
pub fn pay_troubles(tenant: TenantId) -> KeyRange<PayTroubleRecord> {
    KeyRange::prefix(of(tenant, Table::PayTrouble))
}

/// The certificates that WeChat Pay signs with towards a clinic.
#[must_use]
pub fn pay_certificates(tenant: TenantId) -> Key<PayCertificatesRecord> {
    Key::new(of(tenant, Table::PayCertificates))
}

/// How a clinic is paid through WeChat.
#[must_use]
pub fn pay_conf(tenant: TenantId) -> Key<PayConfRecord> {
    Key::new(of(tenant, Table::PayConf))
}

const RECEIVED: u8 = 0;
const REFUNDED: u8 = 1;

/// A transaction's number is a text without zero bytes, which fills what it leaves.
fn moved(key: RawKey, movement: &Movement) -> RawKey {
    match movement {
        Movement::Received(transaction) => {
            let mut bytes = [0; TransactionId::MAX_BYTES];
            let text = transaction.as_str().as_bytes();
            bytes[..text.len()].copy_from_slice(text);
            key.with([RECEIVED]).with(bytes)
        }
        Movement::Refunded(refund) => key.with([REFUNDED]).with(id(refund.number())),
    }
}

/// The number of the order of an order's key.
#[must_use]
pub fn pay_order_no(key: &RawKey) -> Option<OutTradeNo> {
    let mut components = Components::of(key, Table::PayOrder)?;
    let tenant = TenantId::new(components.id()?).ok()?;
    let number = components.id()?;
    components.end(OutTradeNo::new(tenant, number).ok()?)
}

/// The order of the key of what WeChat is to be asked.
#[must_use]
pub fn pay_job_order(key: &RawKey) -> Option<OutTradeNo> {
    order_of(key, Table::PayJob)
}

/// The order of the key of what stands in its way.
#[must_use]
pub fn pay_trouble_order(key: &RawKey) -> Option<OutTradeNo> {
    order_of(key, Table::PayTrouble)
}

fn order_of(key: &RawKey, table: Table) -> Option<OutTradeNo> {
    let mut components = Components::of(key, table)?;
    let number = components.id()?;
    components.end(OutTradeNo::new(TenantId::new(key.tenant()).ok()?, number).ok()?)
}

/// The day on which money moved, and by what.
#[must_use]
pub fn ledger_day_parts(key: &RawKey) -> Option<(Date, Movement)> {
    let mut components = Components::of(key, Table::LedgerDay)?;
    let date = components.day()?;
    let movement = match components.bytes()? {
        [RECEIVED] => {
            let bytes: [u8; TransactionId::MAX_BYTES] = components.bytes()?;
            let text = std::str::from_utf8(&bytes).ok()?.trim_end_matches('\0');
            Movement::Received(TransactionId::parse(text).ok()?)
        }
        [REFUNDED] => {
            let tenant = TenantId::new(key.tenant()).ok()?;
            Movement::Refunded(RefundNo::new(tenant, components.id()?).ok()?)
        }
        _ => return None,
    };
    components.end((date, movement))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: u64) -> TenantId {
        TenantId::new(id).unwrap()
    }

    fn order(tenant_id: u64, number: u64) -> OutTradeNo {
        OutTradeNo::new(tenant(tenant_id), number).unwrap()
    }

    fn received(text: &str) -> Movement {
        Movement::Received(TransactionId::parse(text).unwrap())
    }

    fn refunded(number: u64) -> Movement {
        Movement::Refunded(RefundNo::new(tenant(7), number).unwrap())
    }

    fn date(text: &str) -> Date {
        Date::parse(text).unwrap()
    }

    fn contains<R>(range: &KeyRange<R>, key: &RawKey) -> bool {
        range.start() <= key.as_bytes() && key.as_bytes() < range.end()
    }

    #[test]
    fn keys_fit_and_lead_back() {
        let longest = received(&"4".repeat(32));
        let most = order(domain::MAX_ID, domain::MAX_PAY_NUMBER);
        assert_eq!(pay_order_no(pay_order(most).raw()), Some(most));
        assert_eq!(pay_order(most).raw().tenant(), 0, "orders are found without a tenant");
        assert_eq!(pay_job_order(pay_job(most).raw()), Some(most));
        assert_eq!(pay_trouble_order(pay_trouble(most).raw()), Some(most));
        assert_eq!(pay_trouble_order(pay_job(most).raw()), None);
        for movement in [longest, received("4"), refunded(12)] {
            let key = ledger_day(tenant(7), date("2026-11-30"), &movement);
            assert_eq!(RawKey::from_bytes(key.raw().as_bytes()), Some(*key.raw()));
            assert_eq!(ledger_day_parts(key.raw()), Some((date("2026-11-30"), movement.clone())));
            assert_eq!(ledger_day_parts(ledger(tenant(7), &movement).raw()), None);
            let bytes = key.raw().as_bytes();
            let cut = RawKey::from_bytes(&bytes[..bytes.len() - 1]).unwrap();
            assert_eq!(ledger_day_parts(&cut), None);
        }
        assert_eq!(pay_order_no(pay_job(most).raw()), None);
        assert_eq!(pay_job_order(pay_order(most).raw()), None);
    }

    #[test]
    fn each_movement_has_its_own_key() {
        let movements = [received("42"), received("420"), received("R1"), refunded(1), refunded(42)];
        for (a, first) in movements.iter().enumerate() {
            for (b, second) in movements.iter().enumerate() {
                let same = ledger(tenant(7), first).raw() == ledger(tenant(7), second).raw();
                assert_eq!(same, a == b, "{first:?} {second:?}");
            }
        }
        assert_ne!(ledger(tenant(7), &received("42")).raw(), ledger(tenant(8), &received("42")).raw());
    }

    #[test]
    fn ranges_meet_their_own() {
        for other in [1, 2, 255, 256, 1 << 40] {
            let own = other == 256;
            assert_eq!(contains(&pay_orders(tenant(256)), pay_order(order(other, 5)).raw()), own);
            assert_eq!(contains(&pay_jobs(tenant(256)), pay_job(order(other, 5)).raw()), own);
            assert_eq!(contains(&pay_troubles(tenant(256)), pay_trouble(order(other, 5)).raw()), own);
        }
        let week = ledger_days(tenant(7), &(date("2026-11-24")..=date("2026-11-30")));
        let cases =
            [("2026-11-23", false), ("2026-11-24", true), ("2026-11-30", true), ("2026-12-01", false)];
        for (day, expected) in cases {
            for movement in [received(&"z".repeat(32)), received("0"), refunded(u64::from(u32::MAX))] {
                let key = ledger_day(tenant(7), date(day), &movement);
                assert_eq!(contains(&week, key.raw()), expected, "{day}");
                assert!(!contains(&week, ledger_day(tenant(8), date(day), &movement).raw()));
            }
        }
        let older = pay_order(order(1, 255));
        assert!(older.raw() < pay_order(order(1, 256)).raw(), "oldest first");
    }
}
