//! What is to be asked of WeChat, order by order, when it is due: whether a payment came whose notice did not, to close
//! what nobody may pay any more, and to give money back.
//!
//! What is to be asked follows from the order as it is stored. A row says when; it is written with the order and moved
//! here after an attempt that came to nothing, so that a crash at any point means only that it is asked again.

use std::time::Duration;

use actix_web::web;
use domain::{
    Booking, Cancellation, Canceller, Charge, OrderCommand, OrderState, OutTradeNo, PayOrder,
    REFUND_ATTEMPTS, Status, TenantId, TradeState, Work,
};
use storage::records::{PayJobRecord, PayTroubleRecord};
use storage::{Commit, CommitError, Scan, Stored, keys};
use tokio::time::MissedTickBehavior;

use super::client::{CallError, Caller};
use super::merchant::Merchant;
use super::orders::{self, News, ReadBooking};
use super::wire::RefundTold;
use super::{PayError, certificates, notify_url};
use crate::app::App;

/// Between two looks for what is due.
const TICK: Duration = Duration::from_millis(500);

/// Refusals of a refund after which the same request may be taken: the merchant has not enough money yet, or what the
/// clinic has entered is out of order.
const REFUND_LATER: [&str; 4] = ["NOT_ENOUGH", "SIGN_ERROR", "NO_AUTH", "RULE_LIMIT"];

/// What the staff see where WeChat did not answer.
const NO_ANSWER: &str = "NO_ANSWER";

/// What came of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    /// The order has changed, or is at rest.
    Done,
    /// It is to be asked again later.
    Later,
    /// The same, since WeChat has refused with this code.
    Refused(String),
    /// The same, and WeChat does not answer at the moment.
    NoAnswer,
}

/// Looks for what is due, again and again, until the server stops.
pub async fn run(app: web::Data<App>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = run_due(&app).await {
            tracing::error!(error = %error, "what is to be asked of WeChat Pay cannot be read");
        }
    }
}

/// Does everything that is due now, once.
///
/// # Errors
/// What is due cannot be read. What goes wrong with one order is logged, and tried again later.
pub async fn run_due(app: &App) -> Result<(), PayError> {
    let now = app.clock.now();
    for key in app.storage.scan_keys(&keys::tenants(), Scan::ALL)? {
        let Some(tenant) = keys::tenant_id(&key) else { continue };
        if let Err(error) = certificates::look_after(app, tenant).await {
            tracing::error!(tenant = tenant.get(), error = %error, "the merchant cannot be used");
        }
        let jobs = app.storage.scan(&keys::pay_jobs(tenant), Scan::ALL)?;
        let due = jobs.into_iter().filter(|(_, job)| job.record.due_at <= now);
        let due: Vec<_> =
            due.filter_map(|(key, job)| keys::pay_job_order(&key).map(|order| (order, job))).collect();
        if !due.is_empty() {
            run_tenant(app, tenant, due).await;
        }
    }
    Ok(())
}

async fn run_tenant(app: &App, tenant: TenantId, due: Vec<(OutTradeNo, Stored<PayJobRecord>)>) {
    let merchant = match Merchant::of(app, tenant) {
        Ok(merchant) => merchant,
        Err(error) => {
            tracing::error!(tenant = tenant.get(), error = %error, "the merchant cannot be used");
            None
        }
    };
    for (no, job) in due {
        let progress = match &merchant {
            Some(merchant) => look_after(app, merchant, no, job.record.attempts).await,
            None => Ok(Progress::Later),
        };
        let progress = progress.unwrap_or_else(|error| {
            tracing::warn!(order = %no, error = %error, "an order could not be looked after");
            Progress::Later
        });
        if progress == Progress::Done {
            continue;
        }
        let trouble = match &progress {
            Progress::Done | Progress::Later => None,
            Progress::Refused(code) => Some(code.as_str()),
            Progress::NoAnswer => Some(NO_ANSWER),
        };
        if let Err(error) = postpone(app, no, &job, trouble).await {
            tracing::error!(order = %no, error = %error, "an order could not be postponed");
        }
        if progress == Progress::NoAnswer {
            // The others would wait as long.
            return;
        }
    }
}

/// Moves the row of an order, unless it was written anew meanwhile, and notes what stood in the way.
async fn postpone(
    app: &App,
    no: OutTradeNo,
    job: &Stored<PayJobRecord>,
    trouble: Option<&str>,
) -> Result<(), PayError> {
    let key = keys::pay_job(no);
    let mut commit = Commit::new();
    commit.require_version(&key, job.version);
    let attempts = job.record.attempts.saturating_add(1);
    match orders::find(app, no)?.and_then(|order| order.work_due(attempts, app.clock.now())) {
        Some(due_at) => commit.put(&key, &PayJobRecord { due_at, attempts }),
        None => commit.delete(&key),
    };
    let key = keys::pay_trouble(no);
    match trouble {
        Some(code) => {
            commit.put(&key, &PayTroubleRecord::new(code, attempts, app.clock.now()));
        }
        None if app.storage.contains(&key)? => {
            commit.delete(&key);
        }
        None => {}
    }
    match app.storage.commit(commit).await {
        Ok(_) | Err(CommitError::Conflict { .. }) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

async fn look_after(
    app: &App,
    merchant: &Merchant,
    no: OutTradeNo,
    attempts: u16,
) -> Result<Progress, PayError> {
    let caller = Caller { merchant, clock: &*app.clock };
    let mut order = orders::find(app, no)?.ok_or(PayError::Missing("the order of a row"))?;
    let read = ReadBooking::of(app, no.tenant(), order.user, order.booking)?;
    if let Some(reason) = given_up(&read.booking)
        && (order.state.is_open() || matches!(order.state, OrderState::Paid(_)))
    {
        order = orders::tell(app, no, &News::GivenUp(reason)).await?.order;
    } else if order.state.is_open() && is_settled(&read.booking) {
        order = orders::tell(app, no, &News::Plain(OrderCommand::PaidElsewhere)).await?.order;
    }
    match order.work() {
        // The row is deleted with the next look.
        None => Ok(Progress::Later),
        Some(Work::AwaitPayment) => await_payment(app, caller, order).await,
        Some(Work::Close) => close(app, caller, order).await,
        Some(Work::AskRefund) => ask_refund(app, caller, order, attempts).await,
        Some(Work::AwaitRefund) => await_refund(app, caller, order).await,
    }
}

/// Why a booking does not take place, if it does not.
fn given_up(booking: &Booking) -> Option<Cancellation> {
    match booking.status {
        Status::Cancelled { by: Canceller::Stop(_), .. } => Some(Cancellation::Stopped),
        Status::Cancelled { by: Canceller::Patient | Canceller::Staff(_) | Canceller::Unpaid, .. } => {
            Some(Cancellation::Cancelled)
        }
        Status::Booked | Status::Registered { .. } | Status::NoShow { .. } => None,
    }
}

/// Whether the booking takes no money any more, since somebody has paid for it.
fn is_settled(booking: &Booking) -> bool {
    match booking.charge {
        Charge::Unpaid | Charge::Expired => false,
        Charge::Paid | Charge::RefundDue | Charge::Refunded => true,
    }
}

async fn await_payment(app: &App, caller: Caller<'_>, order: PayOrder) -> Result<Progress, PayError> {
    let news = match app.pay.client.query(caller, order.no).await {
        Ok(news) => news,
        Err(error) => return Ok(unanswered(error)),
    };
    let order = orders::tell(app, order.no, &News::Trade(news)).await?.order;
    if !order.state.is_open() {
        return Ok(Progress::Done);
    }
    if app.clock.now() < order.expires_at {
        return Ok(Progress::Later);
    }
    let order = orders::tell(app, order.no, &News::Plain(OrderCommand::Expire)).await?.order;
    close(app, caller, order).await
}

/// Whether it was paid after all is asked first, so that nothing is closed that was paid, and nothing that is another's.
async fn close(app: &App, caller: Caller<'_>, order: PayOrder) -> Result<Progress, PayError> {
    let news = match app.pay.client.query(caller, order.no).await {
        Ok(news) => news,
        Err(error) => return Ok(unanswered(error)),
    };
    let is_unpaid = match &news.trade {
        TradeState::NotPaid | TradeState::UserPaying | TradeState::PayError => true,
        TradeState::Success(_)
        | TradeState::Refund
        | TradeState::Closed
        | TradeState::Revoked
        | TradeState::NotFound => false,
    };
    if !is_unpaid || !order.is_meant_by(news.attached) {
        let order = orders::tell(app, order.no, &News::Trade(news)).await?.order;
        let settled = !matches!(order.state, OrderState::Closing { .. });
        return Ok(if settled { Progress::Done } else { Progress::Later });
    }
    match app.pay.client.close(caller, order.no).await {
        Ok(()) => {}
        Err(error) => return Ok(unanswered(error)),
    }
    orders::tell(app, order.no, &News::Plain(OrderCommand::CloseConfirmed)).await?;
    Ok(Progress::Done)
}

async fn ask_refund(
    app: &App,
    caller: Caller<'_>,
    order: PayOrder,
    attempts: u16,
) -> Result<Progress, PayError> {
    let (Some(receipt), Some(refund)) = (order.state.receipt(), order.state.refund()) else {
        return Err(PayError::Missing("the refund of an order"));
    };
    let url = notify_url(app, "refund_notify", order.no.tenant());
    match app.pay.client.refund(caller, (refund, receipt, order.amount), &url).await {
        Ok(told) => refund_told(app, &order, told).await,
        Err(error) => {
            tracing::warn!(order = %order.no, error = %error, "a refund is not taken");
            let (later, code) = match &error {
                CallError::NoAnswer => (true, NO_ANSWER),
                CallError::Refused { code, .. } => (REFUND_LATER.contains(&code.as_str()), code.as_str()),
            };
            if later && attempts < REFUND_ATTEMPTS {
                return Ok(unanswered(error));
            }
            let (no, code) = (refund.no, code.to_owned());
            let attempts = attempts.saturating_add(1);
            orders::tell(app, order.no, &News::RefundRefused { no, code, attempts }).await?;
            Ok(Progress::Done)
        }
    }
}

async fn await_refund(app: &App, caller: Caller<'_>, order: PayOrder) -> Result<Progress, PayError> {
    let refund = order.state.refund().ok_or(PayError::Missing("the refund of an order"))?;
    match app.pay.client.refund_query(caller, refund.no).await {
        Ok(told) => refund_told(app, &order, told).await,
        Err(error) => Ok(unanswered(error)),
    }
}

async fn refund_told(app: &App, order: &PayOrder, told: RefundTold) -> Result<Progress, PayError> {
    if told.order != order.no {
        tracing::error!(order = %order.no, "WeChat Pay tells of the refund of another order");
        return Ok(Progress::Later);
    }
    let after = orders::tell(app, order.no, &News::Plain(OrderCommand::RefundResult(told.report))).await?;
    Ok(if after.order.state == order.state { Progress::Later } else { Progress::Done })
}

fn unanswered(error: CallError) -> Progress {
    match error {
        CallError::NoAnswer => Progress::NoAnswer,
        CallError::Refused { code, .. } => Progress::Refused(code),
    }
}
