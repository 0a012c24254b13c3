//! `pati-service reconcile`: whether WeChat Pay says of a day's orders what is written here, order by order.
//!
//! It reads the journal beside a running server and asks WeChat about each order that was made, paid or paid back on
//! that day. It changes nothing: what differs is for people to look into.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use actors::SystemClock;
use domain::{ClinicZone, Date, OrderState, OutTradeNo, TenantId, Timestamp};
use storage::records::PayOrderRecord;
use storage::{JournalView, OsRandom, ReadError, Table, UnlockError, Vault, ViewError, keys};
use thiserror::Error;

use crate::metrics::Metrics;
use crate::pay::PayError;
use crate::pay::certificates::Certificates;
use crate::pay::client::{CallError, Caller, PayClient, PaySetupError};
use crate::pay::merchant::{Entered, Merchant};
use crate::pay::wire::RefundTold;
use crate::progress::LongWork;
use crate::settings::Settings;

mod compare;

use compare::{Difference, TheirRefund, Theirs, compare};

/// What is read of the journal.
const TABLES: [Table; 7] = [
    Table::Meta,
    Table::PayOrder,
    Table::Ledger,
    Table::LedgerDay,
    Table::PayConf,
    Table::WechatConf,
    Table::PayCertificates,
];

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// The clinic.
    pub tenant: TenantId,
    /// The day, in the clinic's zone.
    pub date: Date,
}

/// Why nothing could be compared. Its text is the message for the operator.
#[derive(Debug, Error)]
pub enum ReconcileError {
    /// The journal cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A record cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The keys do not fit the data.
    #[error(transparent)]
    Keys(#[from] UnlockError),
    /// What the clinic has entered cannot be used.
    #[error("what clinic {0} has entered to be paid through WeChat cannot be used: {1}")]
    Merchant(TenantId, PayError),
    /// The clinic has entered nothing.
    #[error("clinic {0} has not entered how it is paid through WeChat (wechat/pay_conf)")]
    NoMerchant(TenantId),
    /// The way to WeChat Pay cannot be set up.
    #[error(transparent)]
    Client(#[from] PaySetupError),
    /// The runtime cannot be started.
    #[error("cannot start: {0}")]
    Runtime(#[from] std::io::Error),
}

/// What came of it. Its text is the report for the operator.
#[derive(Debug, Default)]
pub struct Report {
    orders: usize,
    differences: Vec<Difference>,
    /// Orders about which WeChat gave no answer, with why.
    unasked: Vec<(OutTradeNo, String)>,
    received_fen: u64,
    refunded_fen: u64,
}

/// Whether both sides say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They do.
    Equal,
    /// They do not.
    Different,
    /// WeChat could not be asked about everything.
    Unknown,
}

impl Report {
    /// What it comes to. What is not known weighs more than a difference, which may be one of many.
    pub fn verdict(&self) -> Verdict {
        if !self.unasked.is_empty() {
            Verdict::Unknown
        } else if !self.differences.is_empty() {
            Verdict::Different
        } else {
            Verdict::Equal
        }
    }
}

/// An order of the day, and what is wrong with it before WeChat is asked.
struct Own {
    order: PayOrderRecord,
    unbooked: Vec<&'static str>,
}

/// Runs the command, also beside a running server. Nothing is changed.
///
/// # Errors
/// [`ReconcileError`], when nothing could be compared.
pub fn run(settings: &Settings, day: Day, work: &LongWork) -> Result<Report, ReconcileError> {
    let path = &settings.storage.path;
    let view = JournalView::read(path, &TABLES, work)?;
    let mut report = Report::default();
    let own = of_day(&view, &settings.zone(), day, &mut report)?;
    report.orders = own.len();
    if own.is_empty() {
        work.finish();
        return Ok(report);
    }
    let merchant = merchant(&view, path, day.tenant)?;
    let base = settings.wechat.pay_base.as_str();
    let client = PayClient::new(base, Arc::new(Metrics::default()), Certificates::not_kept())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for (done, own) in own.iter().enumerate() {
            work.report("ask WeChat Pay", done as u64, own_total(&report));
            let caller = Caller { merchant: &merchant, clock: &SystemClock };
            match ask(&client, caller, &own.order).await {
                Ok(theirs) => report.differences.extend(compare(&own.order, &own.unbooked, &theirs)),
                Err(error) => report.unasked.push((own.order.no, error.to_string())),
            }
        }
    });
    work.finish();
    Ok(report)
}

fn own_total(report: &Report) -> u64 {
    report.orders as u64
}

/// The orders that were made, paid or paid back on the day, oldest first, and the sums of the ledger.
fn of_day(
    view: &JournalView,
    zone: &ClinicZone,
    day: Day,
    report: &mut Report,
) -> Result<Vec<Own>, ReadError> {
    let mut moved = BTreeSet::new();
    for (key, stored) in view.scan(&keys::ledger_days(day.tenant, &(day.date..=day.date)))? {
        moved.insert(stored.record.order);
        let Some((_, movement)) = keys::ledger_day_parts(&key) else { continue };
        let Some(entry) = view.get(&keys::ledger(day.tenant, &movement))? else { continue };
        let fen = u64::from(entry.record.0.amount.get());
        match movement {
            domain::Movement::Received(_) => report.received_fen += fen,
            domain::Movement::Refunded(_) => report.refunded_fen += fen,
        }
    }
    let of_day = |at: Timestamp| zone.date_of(at) == day.date;
    let mut own = Vec::new();
    for (_, stored) in view.scan(&keys::pay_orders(day.tenant))? {
        let order = stored.record;
        if moved.contains(&order.no) || moments(&order).into_iter().flatten().any(of_day) {
            own.push(Own { unbooked: unbooked(view, day.tenant, &order)?, order });
        }
    }
    Ok(own)
}

/// When an order was made, paid, to be paid back, and paid back.
fn moments(order: &PayOrderRecord) -> [Option<Timestamp>; 4] {
    let paid = order.state.receipt().map(|receipt| receipt.paid_at);
    let due = order.state.refund().map(|refund| refund.due_at);
    let moved = match &order.state {
        OrderState::Refunding { .. } | OrderState::Refunded { .. } | OrderState::Failed { .. } => {
            order.state.since()
        }
        OrderState::Created
        | OrderState::Prepaid(_)
        | OrderState::Closing { .. }
        | OrderState::Closed { .. }
        | OrderState::Paid(_)
        | OrderState::RefundDue { .. } => None,
    };
    [Some(order.created_at), paid, due, moved]
}

/// Which of its movements an order says and the ledger does not.
fn unbooked(
    view: &JournalView,
    tenant: TenantId,
    order: &PayOrderRecord,
) -> Result<Vec<&'static str>, ReadError> {
    let mut missing = Vec::new();
    let is_booked =
        |movement: domain::Movement| {
            let entry = view.get(&keys::ledger(tenant, &movement))?;
            Ok::<_, ReadError>(entry.is_some_and(|entry| {
                entry.record.0.order == order.no && entry.record.0.amount == order.amount
            }))
        };
    if let Some(receipt) = order.state.receipt()
        && !is_booked(domain::Movement::Received(receipt.transaction.clone()))?
    {
        missing.push("the payment is not in the ledger");
    }
    if let OrderState::Refunded { refund, .. } = &order.state
        && !is_booked(domain::Movement::Refunded(refund.no))?
    {
        missing.push("the refund is not in the ledger");
    }
    Ok(missing)
}

fn merchant(view: &JournalView, data: &Path, tenant: TenantId) -> Result<Merchant, ReconcileError> {
    let none = || ReconcileError::NoMerchant(tenant);
    let conf = view.get(&keys::pay_conf(tenant))?.ok_or_else(none)?.record;
    let account = view.get(&keys::wechat_conf(tenant))?.map(|stored| stored.record);
    let certificates = view.get(&keys::pay_certificates(tenant))?.map(|stored| stored.record);
    let vault = Vault::unlock_view(view, &data.join("keys"), Arc::new(OsRandom::default()))?;
    let vault = vault.ok_or_else(none)?;
    let merchant = Merchant::open_entered(tenant, &vault, Entered { conf, account, certificates });
    merchant.map_err(|error| ReconcileError::Merchant(tenant, error))?.ok_or_else(none)
}

/// What WeChat says of an order, and of its refund if it has one.
async fn ask(client: &PayClient, caller: Caller<'_>, order: &PayOrderRecord) -> Result<Theirs, CallError> {
    let news = client.query(caller, order.no).await?;
    let refund = match order.state.refund() {
        None => TheirRefund::None,
        Some(refund) => match client.refund_query(caller, refund.no).await {
            Ok(RefundTold { order: of, report, .. }) if of == order.no => TheirRefund::Told(report),
            Ok(_) => TheirRefund::OfAnother,
            Err(error) if error.is("RESOURCE_NOT_EXISTS") => TheirRefund::None,
            Err(error) => return Err(error),
        },
    };
    Ok(Theirs { news, refund })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.differences.is_empty() {
            let head = ["out_trade_no", "booking", "ours", "theirs", "our amount", "their amount", "what"];
            let mut rows = vec![head.map(str::to_owned)];
            rows.extend(self.differences.iter().map(Difference::columns));
            table(f, &rows)?;
        }
        for (order, why) in &self.unasked {
            writeln!(f, "{order}: not compared: {why}")?;
        }
        writeln!(
            f,
            "{} orders: {} differences, {} not compared",
            self.orders,
            self.differences.len(),
            self.unasked.len()
        )?;
        let (received, refunded) = (Yuan(self.received_fen), Yuan(self.refunded_fen));
        write!(f, "in our ledger of the day: {received} received, {refunded} paid back")
    }
}

fn table(f: &mut fmt::Formatter<'_>, rows: &[[String; 7]]) -> fmt::Result {
    let mut widths = [0; 7];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// A sum, which may be more than a fee can be.
struct Yuan(u64);

impl fmt::Display for Yuan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}
