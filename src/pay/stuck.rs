//! Refunds that do not go as they should, for the staff and for monitors.

use std::collections::BTreeSet;

use domain::{OrderState, OutTradeNo, TenantId, Timestamp, Work};
use storage::records::{PayOrderRecord, PayTroubleRecord};
use storage::{ReadError, Scan, Storage, keys};

/// Whether staff are to look at an order: its money should go back and does not, takes too long, or the last attempt failed.
pub fn is_stuck(order: &PayOrderRecord, trouble: Option<&PayTroubleRecord>, now: Timestamp) -> bool {
    match order.state {
        OrderState::RefundDue { .. } | OrderState::Refunding { .. } => {
            trouble.is_some() || order.state.is_overdue(now)
        }
        OrderState::Created
        | OrderState::Prepaid(_)
        | OrderState::Closing { .. }
        | OrderState::Closed { .. }
        | OrderState::Paid(_)
        | OrderState::Refunded { .. }
        | OrderState::Failed { .. } => order.state.is_overdue(now),
    }
}

/// The orders of a clinic about which something is to be asked or stands in the way. There are few, however many orders the
/// clinic has had.
///
/// # Errors
/// They cannot be read.
pub fn unsettled(
    storage: &Storage,
    tenant: TenantId,
) -> Result<Vec<(PayOrderRecord, Option<PayTroubleRecord>)>, ReadError> {
    let jobs = storage.scan_keys(&keys::pay_jobs(tenant), Scan::ALL)?;
    let troubles = storage.scan_keys(&keys::pay_troubles(tenant), Scan::ALL)?;
    let mut numbers: BTreeSet<OutTradeNo> = jobs.iter().filter_map(keys::pay_job_order).collect();
    numbers.extend(troubles.iter().filter_map(keys::pay_trouble_order));
    let mut orders = Vec::with_capacity(numbers.len());
    for no in numbers {
        let Some(order) = storage.get(&keys::pay_order(no))? else { continue };
        let trouble = storage.get(&keys::pay_trouble(no))?.map(|stored| stored.record);
        orders.push((order.record, trouble));
    }
    Ok(orders)
}

/// What monitors are told of all clinics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Refunds that staff are to look at.
    pub stuck: u64,
    /// For each kind of work how long the oldest order has waited for it, in seconds.
    pub oldest_seconds: [(&'static str, u64); 4],
}

/// Looks at all of it.
///
/// # Errors
/// It cannot be read.
pub fn pending(storage: &Storage, now: Timestamp) -> Result<Pending, ReadError> {
    let names = [Work::AwaitPayment, Work::Close, Work::AskRefund, Work::AwaitRefund].map(name);
    let mut pending = Pending { stuck: 0, oldest_seconds: names.map(|name| (name, 0)) };
    for key in storage.scan_keys(&keys::tenants(), Scan::ALL)? {
        let Some(tenant) = keys::tenant_id(&key) else { continue };
        for (order, trouble) in unsettled(storage, tenant)? {
            if is_stuck(&order, trouble.as_ref(), now) {
                pending.stuck += 1;
            }
            let Some(work) = order.state.work() else { continue };
            let waited = now.since(order.state.since().unwrap_or(order.created_at)).as_secs();
            for (of, oldest) in &mut pending.oldest_seconds {
                if *of == name(work) {
                    *oldest = waited.max(*oldest);
                }
            }
        }
    }
    Ok(pending)
}

const fn name(work: Work) -> &'static str {
    match work {
        Work::AwaitPayment => "await_payment",
        Work::Close => "close",
        Work::AskRefund => "ask_refund",
        Work::AwaitRefund => "await_refund",
    }
}
