//! Orders and their money in the store: what was decided is written as one commit, and what must
//! happen once happens once, however many do it at the same time.

mod support;

use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;

use domain::{
    Attached, BookingFacts, ClinicZone, CreateOrder, Currency, LedgerEntry, OpenId, OrderCommand, OrderEvent,
    OrderReply, OrderState, OutTradeNo, PayOrder, Payment, PaymentPolicy, PaymentRejection, PrepaidOrder,
    PrepayId, RefundNo, Timestamp, TradeReport, TradeState, TransactionId,
};
use storage::records::{
    BookingOrdersRecord, LedgerDayRecord, LedgerRecord, PayJobRecord, PayOrderRecord, RefundRecord,
};
use storage::{Commit, CommitError, Existing, OsRandom, Storage, Vault, keys};
use support::*;

fn zone() -> ClinicZone {
    ClinicZone::fixed_hours(8)
}

const THREADS: u64 = 16;

fn vault(path: &Path) -> Vault {
    let random = Arc::new(OsRandom::default());
    Vault::open(&path.join("keys"), Existing::CreateIfMissing, random).expect("the folder is writable")
}

fn order_no(number: u64) -> OutTradeNo {
    OutTradeNo::new(tenant(), number).expect("it is a number")
}

fn facts() -> BookingFacts {
    let booking = booking_record(1).0;
    BookingFacts::from(&booking)
}

/// A store with one order, number 1, that can be paid.
struct Clinic {
    storage: Storage,
    vault: Vault,
}

/// An order and the version that it was read at.
type Read = (PayOrder, storage::Version);

impl Clinic {
    fn open(path: &Path) -> Self {
        Self { storage: open(path), vault: vault(path) }
    }

    fn order(&self, no: OutTradeNo) -> Read {
        let key = keys::pay_order(no);
        let stored = self.storage.get(&key).expect("the index answers").expect("there is one");
        (stored.record.open(&self.vault, &key).expect("it opens"), stored.version)
    }

    /// Everything that belongs to the events of one order, which was read before.
    fn commit_of(&self, read: Option<&Read>, events: &[OrderEvent], now: Timestamp) -> Commit {
        let mut commit = Commit::new();
        let mut order = read.map(|(order, _)| order.clone());
        for event in events {
            match (&mut order, event) {
                (None, OrderEvent::Created(created)) => order = Some((**created).clone()),
                (Some(order), event) => order.apply(event),
                (None, event) => panic!("{event:?} of no order"),
            }
            if let Some(entry) = event.ledger_entry() {
                book_money(&mut commit, &entry);
            }
            if let (Some(refund), Some(order)) = (event.refund_begun(), &order) {
                let key = keys::refund(refund.no);
                commit.put(&key, &RefundRecord::new(order.no, order.amount, refund));
            }
        }
        let order = order.expect("there are events");
        let key = keys::pay_order(order.no);
        commit.require_version(&key, read.map_or(storage::Version::ABSENT, |(_, version)| *version));
        commit.put(&key, &PayOrderRecord::seal(&self.vault, &key, &order).expect("there is randomness"));
        let job = keys::pay_job(order.no);
        match order.work_due(0, now) {
            Some(due_at) => commit.put(&job, &PayJobRecord { due_at, attempts: 0 }),
            None => commit.delete(&job),
        };
        commit
    }

    /// `appo_order`: read, decide, commit, and once more after a conflict.
    fn create(&self, no: OutTradeNo) -> Result<OrderReply, PaymentRejection> {
        loop {
            let index_key = keys::orders_of_booking(tenant(), facts().id);
            let index = self.storage.get(&index_key).expect("the index answers");
            let version = index.as_ref().map_or(storage::Version::ABSENT, |stored| stored.version);
            let mut index = index.map(|stored| stored.record).unwrap_or_default();
            let newest = index.newest().map(|no| self.order(no).0);
            let create = CreateOrder {
                no,
                booking: facts(),
                user: user_id(1),
                payer: OpenId::parse("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o").expect("it is one"),
                placed: index.orders.len() as u16,
            };
            let command = OrderCommand::Create(create);
            let decision = PayOrder::decide(newest.as_ref(), &command, NOW, &PaymentPolicy::STANDARD)?;
            if decision.events.is_empty() {
                return Ok(decision.reply);
            }
            let mut commit = self.commit_of(None, &decision.events, NOW);
            index.orders.push(no);
            commit.require_version(&index_key, version).put(&index_key, &index);
            match self.storage.commit(commit).wait() {
                Ok(_) => return Ok(decision.reply),
                Err(CommitError::Conflict { key }) => assert_eq!(key, *index_key.raw()),
                Err(other) => panic!("{other}"),
            }
        }
    }

    fn tell(&self, read: &Read, command: &OrderCommand) -> Option<Commit> {
        let decision =
            PayOrder::decide(Some(&read.0), command, NOW, &PaymentPolicy::STANDARD).expect("no refusal");
        (!decision.events.is_empty()).then(|| self.commit_of(Some(read), &decision.events, NOW))
    }

    fn ledger(&self) -> Vec<(LedgerDayRecord, LedgerRecord)> {
        let today = zone().date_of(NOW);
        let range = keys::ledger_days(tenant(), &(today..=today));
        let found = self.storage.scan(&range, storage::Scan::ALL).expect("the index answers");
        let entry = |(key, stored): (storage::RawKey, storage::Stored<LedgerDayRecord>)| {
            let (date, movement) = keys::ledger_day_parts(&key).expect("it is such a key");
            assert_eq!(date, today);
            (stored.record, get(&self.storage, &keys::ledger(tenant(), &movement)).expect("its entry"))
        };
        found.into_iter().map(entry).collect()
    }
}

fn book_money(commit: &mut Commit, entry: &LedgerEntry) {
    let key = keys::ledger(tenant(), &entry.movement);
    commit.require_absent(&key).put(&key, &LedgerRecord(entry.clone()));
    let day = keys::ledger_day(tenant(), zone().date_of(entry.at), &entry.movement);
    commit.put(&day, &LedgerDayRecord { order: entry.order });
}

fn notice() -> OrderCommand {
    let payment = Payment {
        transaction: TransactionId::parse("4200001234202611241234567890").expect("it is one"),
        total: 5_000,
        currency: Currency::CNY,
        paid_at: NOW,
    };
    OrderCommand::Reported(TradeReport {
        trade: TradeState::Success(payment),
        attached: Attached::Nothing,
        booking: facts(),
        refund: RefundNo::new(tenant(), 1).expect("it is a number"),
    })
}

/// Does the same in many threads at once, and gives their answers.
fn at_once<T: Send>(what: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        let start = |number| {
            let (barrier, what) = (&barrier, &what);
            scope.spawn(move || {
                barrier.wait();
                what(number)
            })
        };
        let running: Vec<_> = (1..=THREADS).map(start).collect();
        running.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// Seen to fail when the index of the booking was written without its version.
#[test]
fn taps_at_the_same_time_make_one_order() {
    let folder = folder();
    let clinic = Clinic::open(folder.path());
    let replies = at_once(|number| clinic.create(order_no(number)));
    let index = keys::orders_of_booking(tenant(), facts().id);
    let BookingOrdersRecord { orders } = get(&clinic.storage, &index).expect("it is there");
    let [no] = orders[..] else { panic!("{orders:?}") };
    assert!(replies.iter().all(|reply| *reply == Ok(OrderReply::AskWechat(no))), "{replies:?}");
    assert_eq!(all(&clinic.storage, &keys::pay_orders(tenant())).len(), 1);
    let jobs = all(&clinic.storage, &keys::pay_jobs(tenant()));
    assert_eq!(jobs.len(), 1, "it will be asked about");
}

/// All of them decide on what they have read before any has written, so that each believes to be the
/// first. Seen to fail when neither the order's version nor the ledger's key was required.
#[test]
fn notices_at_the_same_time_are_booked_once_and_for_good() {
    let folder = folder();
    let clinic = Clinic::open(folder.path());
    clinic.create(order_no(1)).expect("there is something to pay");
    let prepay = PrepayId::parse("wx201410272009395522657a690389285100").expect("it is one");
    let prepaid = OrderCommand::Prepaid(PrepaidOrder { prepay, asked_at: NOW });
    let commit = clinic.tell(&clinic.order(order_no(1)), &prepaid).expect("it changes");
    clinic.storage.commit(commit).wait().expect("nobody else is here");

    let read = clinic.order(order_no(1));
    let answers = at_once(|_| {
        let commit = clinic.tell(&read, &notice()).expect("each believes to be the first");
        clinic.storage.commit(commit).wait()
    });
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");

    clinic.storage.close().expect("it closes");
    drop(clinic);
    let clinic = Clinic::open(folder.path());
    let read = clinic.order(order_no(1));
    assert!(matches!(read.0.state, OrderState::Paid(_)), "{:?}", read.0);
    assert!(clinic.tell(&read, &notice()).is_none(), "a late repeat changes nothing");
    let ledger = clinic.ledger();
    let [(day, LedgerRecord(entry))] = &ledger[..] else { panic!("{ledger:?}") };
    assert_eq!((entry.amount.get(), entry.order, day.order), (5_000, order_no(1), order_no(1)));
    assert_eq!(all(&clinic.storage, &keys::pay_jobs(tenant())), [], "nothing is left to ask");
}

/// Whatever was decided, and for whichever order: a transaction has one key. Seen to fail when the key
/// was not required to be absent.
#[test]
fn a_transaction_cannot_be_booked_for_two_orders() {
    let folder = folder();
    let clinic = Clinic::open(folder.path());
    let mut answers = Vec::new();
    for number in [1, 2] {
        let order = PayOrder {
            no: order_no(number),
            booking: facts().id,
            schedule: facts().schedule,
            user: user_id(1),
            payer: OpenId::parse("o1").expect("it is one"),
            amount: facts().fee,
            created_at: NOW,
            expires_at: NOW,
            state: OrderState::Created,
            mismatches: Vec::new(),
        };
        let created = [OrderEvent::Created(Box::new(order))];
        clinic.storage.commit(clinic.commit_of(None, &created, NOW)).wait().expect("a new number");
        let commit = clinic.tell(&clinic.order(order_no(number)), &notice()).expect("it changes");
        answers.push(clinic.storage.commit(commit).wait());
    }
    assert!(answers[0].is_ok());
    let movement = clinic.ledger()[0].1.0.movement.clone();
    let refused = CommitError::Conflict { key: *keys::ledger(tenant(), &movement).raw() };
    assert_eq!(answers[1], Err(refused));
    assert_eq!(clinic.order(order_no(2)).0.state, OrderState::Created, "nothing of it was written");
}
