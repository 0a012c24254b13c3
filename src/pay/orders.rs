//! Orders in the store: what was decided is written as one commit, together with what it means for the booking.

use actors::{AskError, Request, Target, Terms};
use domain::{
    Booking, BookingEffect, BookingFacts, BookingId, Cancel, CancelBy, Charge, CreateOrder, LedgerEntry,
    OpenId, OrderCommand, OrderEvent, OrderReply, OrderState, OutTradeNo, Paid, PaidBy, PayOrder,
    PaymentRejection, RefundFailure, RefundNo, Status, TenantId, TradeReport, UserId,
};
use storage::records::{
    BookingOrdersRecord, BookingOwner, BookingRecord, LedgerDayRecord, LedgerRecord, PayJobRecord,
    PayOrderRecord, PayTroubleRecord, RefundRecord,
};
use storage::sabotage::{self, Bug};
use storage::{Commit, CommitError, Key, Sequence, Version, keys};

use super::PayError;
use super::wire::TradeNews;
use crate::app::App;

/// How often something is decided anew because others changed what it was decided on.
const MAX_TRIES: usize = 8;

/// What an order is told.
#[derive(Clone, Debug)]
pub enum News {
    /// WeChat tells how it stands.
    Trade(TradeNews),
    /// Its booking does not take place.
    GivenUp(domain::Cancellation),
    /// WeChat does not take its refund, with this code, after so many attempts.
    RefundRefused {
        /// The refund.
        no: RefundNo,
        /// WeChat's code.
        code: String,
        /// How often it was asked.
        attempts: u16,
    },
    /// Anything that needs neither the booking nor the number of a refund.
    Plain(OrderCommand),
}

/// An order after it was told something.
#[derive(Clone, Debug)]
pub struct Told {
    /// As it is now.
    pub order: PayOrder,
    /// What to answer.
    pub reply: OrderReply,
}

/// A booking as it was read.
pub struct ReadBooking {
    key: Key<BookingRecord>,
    version: Version,
    /// The booking.
    pub booking: Booking,
}

impl ReadBooking {
    /// Reads a booking of an account.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    pub fn of(app: &App, tenant: TenantId, user: UserId, id: BookingId) -> Result<Self, PayError> {
        let key = keys::booking(tenant, BookingOwner::Account(user), id);
        let stored = app.storage.get(&key)?.ok_or(PayError::Missing("the booking of an order"))?;
        Ok(Self { key, version: stored.version, booking: stored.record.0 })
    }
}

/// An order as it was read.
struct ReadOrder {
    key: Key<PayOrderRecord>,
    version: Version,
    order: PayOrder,
}

impl ReadOrder {
    fn of(app: &App, no: OutTradeNo) -> Result<Option<Self>, PayError> {
        let key = keys::pay_order(no);
        let Some(stored) = app.storage.get(&key)? else { return Ok(None) };
        let order = stored.record.open(&app.vault, &key)?;
        Ok(Some(Self { key, version: stored.version, order }))
    }
}

/// The order of this number, if there is one.
///
/// # Errors
/// It cannot be read.
pub fn find(app: &App, no: OutTradeNo) -> Result<Option<PayOrder>, PayError> {
    Ok(ReadOrder::of(app, no)?.map(|read| read.order))
}

/// The newest order of a booking, if it has any.
///
/// # Errors
/// It cannot be read.
pub fn newest_of(app: &App, tenant: TenantId, booking: BookingId) -> Result<Option<PayOrder>, PayError> {
    let orders = app.storage.get(&keys::orders_of_booking(tenant, booking))?;
    match orders.and_then(|stored| stored.record.newest()) {
        Some(no) => find(app, no),
        None => Ok(None),
    }
}

/// What has the orders of a booking looked at now: it is being paid at the desk, and nobody is to pay twice. An order that
/// is made meanwhile is found by its own row.
///
/// # Errors
/// They cannot be read.
pub fn look_now(app: &App, tenant: TenantId, booking: BookingId) -> Result<Option<Commit>, PayError> {
    let Some(no) =
        app.storage.get(&keys::orders_of_booking(tenant, booking))?.and_then(|stored| stored.record.newest())
    else {
        return Ok(None);
    };
    // Those before it were closed, or are to be closed, when it was made.
    let order = app.storage.get(&keys::pay_order(no))?;
    if !order.is_some_and(|stored| stored.record.state.is_open()) {
        return Ok(None);
    }
    let mut commit = Commit::new();
    commit.put(&keys::pay_job(no), &PayJobRecord { due_at: app.clock.now(), attempts: 0 });
    Ok(Some(commit))
}

/// Whether the booking could be paid by this payer, before anything is made.
///
/// # Errors
/// The rule that is against it.
pub fn check(
    app: &App,
    tenant: TenantId,
    (user, booking): (UserId, &Booking),
    payer: &OpenId,
) -> Result<(), PayError> {
    let newest = newest_of(app, tenant, booking.id)?;
    // The number is of no importance: nothing is made.
    let Ok(no) = OutTradeNo::new(tenant, 1) else { return Err(PayError::Missing("a number")) };
    let create =
        CreateOrder { no, booking: BookingFacts::from(booking), user, payer: payer.clone(), placed: 0 };
    let command = OrderCommand::Create(create);
    PayOrder::decide(newest.as_ref(), &command, app.clock.now(), &app.pay.policy)?;
    Ok(())
}

/// The order with which an account pays for its booking: the one that it has, or a new one, which is stored before WeChat
/// hears of it. Of many that ask at the same time, all get the same.
///
/// # Errors
/// A rule that is against it, or it could not be written.
pub async fn create(
    app: &App,
    tenant: TenantId,
    (user, id): (UserId, BookingId),
    payer: &OpenId,
) -> Result<Told, PayError> {
    let mut number = None;
    for _ in 0..MAX_TRIES {
        let read = ReadBooking::of(app, tenant, user, id)?;
        let index_key = keys::orders_of_booking(tenant, id);
        let index = app.storage.get(&index_key)?;
        let version = index.as_ref().map_or(Version::ABSENT, |stored| stored.version);
        let mut index: BookingOrdersRecord = index.map(|stored| stored.record).unwrap_or_default();
        let newest = match index.newest() {
            Some(no) => ReadOrder::of(app, no)?,
            None => None,
        };
        let no = match number {
            Some(no) => no,
            None => *number.insert(order_number(app, tenant).await?),
        };
        let create = CreateOrder {
            no,
            booking: BookingFacts::from(&read.booking),
            user,
            payer: payer.clone(),
            placed: u16::try_from(index.orders.len()).unwrap_or(u16::MAX),
        };
        let now = app.clock.now();
        let command = OrderCommand::Create(create);
        let decision =
            PayOrder::decide(newest.as_ref().map(|read| &read.order), &command, now, &app.pay.policy)?;
        if decision.events.is_empty() {
            let order = newest.ok_or(PayError::Missing("the order of a booking"))?.order;
            return Ok(Told { order, reply: decision.reply });
        }
        let mut commit = Commit::new();
        if let Some(newest) = &newest {
            write(app, &mut commit, newest, &decision.events)?;
        }
        let made = decision.events.iter().find_map(|event| match event {
            OrderEvent::Created(order) => Some((**order).clone()),
            _ => None,
        });
        let made = made.ok_or(PayError::Missing("the new order"))?;
        put(app, &mut commit, &made, Version::ABSENT)?;
        index.orders.push(no);
        commit.require_version(&index_key, version).put(&index_key, &index);
        commit.require_version(&read.key, read.version);
        match app.storage.commit(commit).await {
            Ok(_) => {
                count(app, &decision.events);
                return Ok(Told { order: made, reply: decision.reply });
            }
            Err(CommitError::Conflict { .. }) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(PayError::Contended)
}

/// Leaves so many numbers of orders unused: WeChat has other orders under those that come next.
///
/// # Errors
/// No number can be reserved.
pub async fn skip_numbers(app: &App, tenant: TenantId, count: usize) -> Result<(), PayError> {
    for _ in 0..count {
        order_number(app, tenant).await?;
    }
    Ok(())
}

/// Tells an order something, and writes what follows from it, the booking included, in one commit.
///
/// # Errors
/// There is no such order, a rule is against it, or it could not be written.
pub async fn tell(app: &App, no: OutTradeNo, news: &News) -> Result<Told, PayError> {
    let mut refund = None;
    for _ in 0..MAX_TRIES {
        let mut read = ReadOrder::of(app, no)?.ok_or(PaymentRejection::OrderUnknown)?;
        if sabotage::is_planted(Bug::ApplyNoticeTwice) {
            read.order.state = OrderState::Created;
        }
        let booking = ReadBooking::of(app, no.tenant(), read.order.user, read.order.booking)?;
        let command = match news {
            News::Plain(command) => command.clone(),
            News::Trade(trade) => OrderCommand::Reported(TradeReport {
                trade: trade.trade.clone(),
                attached: trade.attached,
                booking: BookingFacts::from(&booking.booking),
                refund: refund_number(app, no.tenant(), &mut refund).await?,
            }),
            News::RefundRefused { no, .. } => OrderCommand::RefundRefused { no: *no },
            News::GivenUp(reason) => {
                let refund = refund_number(app, no.tenant(), &mut refund).await?;
                OrderCommand::RefundRequested { reason: *reason, refund }
            }
        };
        let decision = PayOrder::decide(Some(&read.order), &command, app.clock.now(), &app.pay.policy)?;
        if decision.events.is_empty() {
            return Ok(Told { order: read.order, reply: decision.reply });
        }
        let mut commit = Commit::new();
        let order = write(app, &mut commit, &read, &decision.events)?;
        if let News::RefundRefused { code, attempts, .. } = news {
            let trouble = PayTroubleRecord::new(code, *attempts, app.clock.now());
            commit.put(&keys::pay_trouble(no), &trouble);
        }
        commit.require_version(&booking.key, booking.version);
        let effect = decision.events.iter().find_map(OrderEvent::booking_effect);
        match make(app, no.tenant(), (booking, effect), commit).await? {
            Made::Yes => {
                count(app, &decision.events);
                return Ok(Told { order, reply: decision.reply });
            }
            Made::Outdated => {}
        }
    }
    Err(PayError::Contended)
}

/// Whether there was anything to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retried {
    /// It is tried again at once, and `note` was written with that.
    Now,
    /// It was about to be tried; nothing was written.
    Already,
}

/// Has a refund tried again that failed, or sooner what is to be tried later. `note` is written with it.
///
/// # Errors
/// There is no such order, nothing of it is to be tried, or it could not be written.
pub async fn retry(app: &App, no: OutTradeNo, note: &Commit) -> Result<Retried, PayError> {
    let mut fresh = None;
    for _ in 0..MAX_TRIES {
        let read = ReadOrder::of(app, no)?.ok_or(PaymentRejection::OrderUnknown)?;
        let refund = refund_number(app, no.tenant(), &mut fresh).await?;
        let now = app.clock.now();
        let command = OrderCommand::Retry { refund };
        let decision = PayOrder::decide(Some(&read.order), &command, now, &app.pay.policy)?;
        let mut commit = note.clone();
        write(app, &mut commit, &read, &decision.events)?;
        if decision.events.is_empty() {
            let key = keys::pay_job(no);
            let Some(job) = app.storage.get(&key)?.filter(|job| job.record.due_at > now) else {
                return Ok(Retried::Already);
            };
            commit.require_version(&key, job.version).put(&key, &PayJobRecord { due_at: now, ..job.record });
        }
        match by_itself(app, commit).await? {
            Made::Yes => {
                count(app, &decision.events);
                return Ok(Retried::Now);
            }
            Made::Outdated => {}
        }
    }
    Err(PayError::Contended)
}

/// Counts how far orders have come.
fn count(app: &App, events: &[OrderEvent]) {
    for event in events {
        app.metrics.order(match event {
            OrderEvent::Created(_) => "created",
            OrderEvent::Prepaid { .. } => "prepaid",
            OrderEvent::CloseBegun { .. } => "closing",
            OrderEvent::Closed { .. } => "closed",
            OrderEvent::Paid { .. } => "paid",
            OrderEvent::Surplus { .. } | OrderEvent::RefundDue { .. } => "refund_due",
            OrderEvent::Mismatched { .. } => "difference",
            OrderEvent::RefundAccepted { .. } => "refunding",
            OrderEvent::Refunded { .. } => "refunded",
            OrderEvent::RefundFailed { .. } => "failed",
        });
    }
}

async fn order_number(app: &App, tenant: TenantId) -> Result<OutTradeNo, PayError> {
    let mut number = app.sequences.next(&app.storage, tenant, Sequence::PayOrder).await?;
    if sabotage::is_planted(Bug::ReuseOutTradeNo) {
        number = 1;
    }
    OutTradeNo::new(tenant, number).map_err(|_| PayError::Missing("a number"))
}

async fn refund_number(
    app: &App,
    tenant: TenantId,
    taken: &mut Option<RefundNo>,
) -> Result<RefundNo, PayError> {
    if let Some(no) = taken {
        return Ok(*no);
    }
    let number = app.sequences.next(&app.storage, tenant, Sequence::Refund).await?;
    let no = RefundNo::new(tenant, number).map_err(|_| PayError::Missing("a number"))?;
    Ok(*taken.insert(no))
}

/// Adds to `commit` what the events mean for the order that was read; answers the order after them.
fn write(
    app: &App,
    commit: &mut Commit,
    read: &ReadOrder,
    events: &[OrderEvent],
) -> Result<PayOrder, PayError> {
    let mut order = read.order.clone();
    let mut changed = false;
    let no = order.no;
    for event in events.iter().filter(|event| event.order() == no) {
        order.apply(event);
        changed = true;
        if let Some(entry) = event.ledger_entry() {
            book_money(app, commit, order.no.tenant(), &entry);
        }
        if let Some(refund) = event.refund_begun() {
            commit.put(&keys::refund(refund.no), &RefundRecord::new(order.no, order.amount, refund));
        }
    }
    if changed {
        put(app, commit, &order, read.version)?;
    } else {
        commit.require_version(&read.key, read.version);
    }
    Ok(order)
}

fn book_money(app: &App, commit: &mut Commit, tenant: TenantId, entry: &LedgerEntry) {
    let key = keys::ledger(tenant, &entry.movement);
    commit.require_absent(&key).put(&key, &LedgerRecord(entry.clone()));
    let day = keys::ledger_day(tenant, app.policy.zone.date_of(entry.at), &entry.movement);
    commit.put(&day, &LedgerDayRecord { order: entry.order });
}

/// The order as it is to be, and the row of what is to be asked about it.
fn put(app: &App, commit: &mut Commit, order: &PayOrder, version: Version) -> Result<(), PayError> {
    let key = keys::pay_order(order.no);
    commit.require_version(&key, version);
    commit.put(&key, &PayOrderRecord::seal(&app.vault, &key, order)?);
    let job = keys::pay_job(order.no);
    match order.work_due(0, app.clock.now()) {
        Some(due_at) => commit.put(&job, &PayJobRecord { due_at, attempts: 0 }),
        None => commit.delete(&job),
    };
    put_trouble(app, commit, order)
}

/// What stands in the way of an order goes with its work. Of a refund that failed there is always a row, so that those
/// are found without a look at every order.
fn put_trouble(app: &App, commit: &mut Commit, order: &PayOrder) -> Result<(), PayError> {
    let key = keys::pay_trouble(order.no);
    match &order.state {
        OrderState::Failed { failure: RefundFailure::Closed, at, .. } => {
            commit.put(&key, &PayTroubleRecord::new("CLOSED", 0, *at));
        }
        OrderState::Failed { failure: RefundFailure::Abnormal, at, .. } => {
            commit.put(&key, &PayTroubleRecord::new("ABNORMAL", 0, *at));
        }
        // Whoever tells of it knows the code.
        OrderState::Failed { failure: RefundFailure::Refused, .. }
        | OrderState::RefundDue { .. }
        | OrderState::Refunding { .. }
        | OrderState::Created
        | OrderState::Prepaid(_)
        | OrderState::Closing { .. } => {}
        OrderState::Closed { .. } | OrderState::Paid(_) | OrderState::Refunded { .. } => {
            if app.storage.contains(&key)? {
                commit.delete(&key);
            }
        }
    }
    Ok(())
}

enum Made {
    Yes,
    Outdated,
}

/// Makes the commit, together with what it means for the booking.
async fn make(
    app: &App,
    tenant: TenantId,
    (read, effect): (ReadBooking, Option<BookingEffect>),
    mut commit: Commit,
) -> Result<Made, PayError> {
    let id = read.booking.id;
    let request = match effect {
        None => None,
        Some(BookingEffect::Pay { paid_at }) => {
            Some(Request::Paid(Paid { booking: id, paid_at, by: PaidBy::Provider }))
        }
        Some(BookingEffect::CancelUnpaid) => {
            let waits = read.booking.status == Status::Booked && read.booking.charge == Charge::Unpaid;
            waits.then_some(Request::Cancel(Cancel { booking: id, by: CancelBy::Unpaid }))
        }
        Some(BookingEffect::Refunded) => {
            let charge = match read.booking.charge {
                Charge::RefundDue => Charge::Refunded,
                other => other,
            };
            let booking = Booking { charge, ..read.booking.clone() };
            commit.put(&read.key, &BookingRecord::from(&booking));
            None
        }
    };
    let target = Target { tenant, schedule: read.booking.schedule };
    let Some(request) = request else {
        let made = by_itself(app, commit).await?;
        if effect == Some(BookingEffect::Refunded) && !read.booking.is_cancelled() {
            // Its schedule still holds it.
            app.directory.reload(target).await;
        }
        return Ok(made);
    };
    let terms = Terms { deadline: app.deadline(), repeat: None, audit: None, also: Some(commit.clone()) };
    match app.directory.ask(target, request, terms).await {
        Ok(_) => Ok(Made::Yes),
        Err(AskError::Contended) => Ok(Made::Outdated),
        // Only a cancellation is refused: the booking stays as it is.
        Err(AskError::Rejected(_)) if effect == Some(BookingEffect::CancelUnpaid) => {
            by_itself(app, commit).await
        }
        Err(other) => Err(other.into()),
    }
}

async fn by_itself(app: &App, commit: Commit) -> Result<Made, PayError> {
    match app.storage.commit(commit).await {
        Ok(_) => Ok(Made::Yes),
        Err(CommitError::Conflict { .. }) => Ok(Made::Outdated),
        Err(other) => Err(other.into()),
    }
}
