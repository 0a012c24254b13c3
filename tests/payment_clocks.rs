//! What is done about orders as time goes by: the server's parts in this process, with a clock that is set by hand.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actors::{Clock as _, ManualClock};
use domain::{Charge, CloseReason, OpenId, OrderReply, OrderState, RefundFailure, UnpaidBooking};
use futures_util::future::join_all;
use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::Patient;
use harness::pay::{self, Books, OPEN_IDS};
use harness::{staff, store};
use pati_service::app::App;
use pati_service::metrics::Metrics;
use pati_service::pay::orders::Retried;
use pati_service::pay::{orders, stuck, work};
use pati_service::server::Prepared;
use pati_service::settings::{BaseUrl, Settings, Unpaid};
use serde_json::json;
use simulator::{Answer as Script, Endpoint, Merchant, PayMode, RefundStatus, Simulator, TradeState};
use storage::records::{PayConfRecord, PayIdentity, PayOrderRecord};
use storage::{Commit, Scan, Storage, StorageOptions, keys};

mod harness;

const MINUTE: u64 = 60;

/// A clinic with one order that can be paid, whose server has been stopped, and its parts in this process.
struct World {
    _folder: Folder,
    wechat: Simulator,
    clock: Arc<ManualClock>,
    storage: Storage,
    app: App,
}

impl World {
    async fn with(unpaid: Unpaid) -> io::Result<Self> {
        let folder = Folder::new();
        let mut file = ImportFile::default();
        file.doctor(2001).schedule(3001, 2001, day(2), Half::Am, 9);
        clinic::import(&folder, &file);
        staff::add(&folder, &["--account", "boss", "--role", "admin"]);
        pay::bind_open_ids(&folder);
        let clock = Arc::new(ManualClock::at(store::now()));
        let wechat = pay::simulator_at({
            let clock = Arc::clone(&clock);
            move || clock.now().as_millis()
        });
        let settings = pay::settings(&wechat);
        let server = Clinic::start(&folder, &pay::borrowed(&settings));
        staff::logged_in(&server, "boss").await.post("wechat/pay_conf", &pay::conf(&wechat)).await?.done();
        let mut patient = Patient::registered(&server, 1).await;
        let member = patient.add_member(1).await;
        let booked = patient.submit(3001, 4, &member).await?.data();
        let order = json!({"appo_id": booked["bookId"], "open_id": OPEN_IDS[0]});
        let made = patient.post("book_service/pay/appo_order", &order).await?.data();
        assert_eq!(made["error_code"], "SUCCESS", "{made}");
        server.stop();
        // The server had a clock of its own, by which the order was made.
        clock.advance(store::now().since(clock.now()));
        let (storage, app) = parts(&folder.store(), &wechat, &clock, unpaid).await;
        Ok(Self { _folder: folder, wechat, clock, storage, app })
    }

    /// So much later, everything that is due is done.
    async fn after(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        work::run_due(&self.app).await.expect("readable");
    }

    fn books(&self) -> Books {
        pay::books_of(&self.storage)
    }

    fn newest(&self) -> PayOrderRecord {
        let orders = self.storage.scan(&keys::pay_orders(store::tenant()), Scan::ALL).expect("readable");
        orders.last().expect("an order").1.record.clone()
    }

    /// Pays at WeChat, which tells nobody.
    fn pay(&self) {
        self.wechat.twist_notice(simulator::Twist::Lose);
        self.wechat.pay(&self.newest().no.to_string()).expect("it can be paid");
    }

    /// Cancels the booking as its account.
    async fn cancel(&self) {
        let order = self.newest();
        let target = actors::Target { tenant: store::tenant(), schedule: order.schedule };
        let by = domain::CancelBy::Patient(order.user);
        let wish = actors::Request::Cancel(domain::Cancel { booking: order.booking, by });
        let deadline = self.clock.now().plus(Duration::from_secs(5));
        let terms = actors::Terms { deadline, repeat: None, audit: None, also: None };
        self.app.directory.ask(target, wish, terms).await.expect("cancelled");
    }
}

/// The parts of a server. Filling the lists blocks, which this thread may not.
async fn parts(store: &Path, wechat: &Simulator, clock: &Arc<ManualClock>, unpaid: Unpaid) -> (Storage, App) {
    let mut settings = Settings::default();
    settings.storage.path = store.to_owned();
    settings.wechat.pay_base = BaseUrl::parse(&wechat.url()).expect("a URL");
    settings.server.public_url = Some(BaseUrl::parse(pay::ORIGIN).expect("a URL"));
    settings.booking.unpaid = unpaid;
    let clock = Arc::clone(clock) as Arc<dyn actors::Clock>;
    let opening = tokio::task::spawn_blocking(move || {
        let storage =
            Storage::open(StorageOptions::new(&settings.storage.path, clock.now())).expect("opened");
        let prepared = Prepared::new(&settings, storage.clone(), clock, Arc::new(Metrics::default()));
        (storage, prepared.expect("prepared"))
    });
    let (storage, prepared) = opening.await.expect("no panic");
    (storage, prepared.start())
}

/// Seen to fail when orders were not expired.
#[actix_web::test]
async fn an_order_that_nobody_pays_expires_and_the_booking_stays() -> io::Result<()> {
    let world = World::with(Unpaid::Keep).await?;
    world.after(14 * MINUTE).await;
    assert!(matches!(world.newest().state, OrderState::Prepaid(_)), "there is time left");
    world.after(2 * MINUTE).await;
    let books = world.books();
    assert!(
        matches!(books.state, OrderState::Closed { reason: CloseReason::Expired(UnpaidBooking::Keep), .. }),
        "{:?}",
        books.state
    );
    assert_eq!((books.charge, books.jobs, books.received), (Charge::Unpaid, 0, 0));
    assert_eq!(world.wechat.orders()[0].state, TradeState::Closed);
    // It can be paid with another order.
    let (order, payer) = (world.newest(), OpenId::parse(OPEN_IDS[0]).expect("an open id"));
    let new = orders::create(&world.app, store::tenant(), (order.user, order.booking), &payer).await;
    let new = new.expect("a new order");
    assert_eq!(new.reply, OrderReply::AskWechat(new.order.no));
    assert_ne!(new.order.no, order.no);
    Ok(())
}

/// Seen to fail when the booking was not cancelled with its order.
#[actix_web::test]
async fn an_order_that_nobody_pays_takes_the_booking_with_it_if_the_clinic_says_so() -> io::Result<()> {
    let world = World::with(Unpaid::Cancel).await?;
    world.after(16 * MINUTE).await;
    let books = world.books();
    assert!(
        matches!(books.state, OrderState::Closed { reason: CloseReason::Expired(UnpaidBooking::Cancel), .. }),
        "{:?}",
        books.state
    );
    assert_eq!((books.charge, books.jobs), (Charge::Expired, 0));
    let (order, payer) = (world.newest(), OpenId::parse(OPEN_IDS[0]).expect("an open id"));
    let refused = orders::create(&world.app, store::tenant(), (order.user, order.booking), &payer).await;
    assert!(refused.is_err());
    Ok(())
}

/// Seen to fail when an order was closed without asking first: WeChat closes no paid order, so nobody would have heard of
/// the money.
#[actix_web::test]
async fn what_was_paid_before_it_was_given_up_goes_back() -> io::Result<()> {
    let world = World::with(Unpaid::Keep).await?;
    world.pay();
    world.cancel().await;
    world.after(1).await;
    let books = world.books();
    assert!(matches!(books.state, OrderState::RefundDue { .. }), "{:?}", books.state);
    world.after(1).await;
    world.after(6).await;
    let books = world.books();
    assert!(matches!(books.state, OrderState::Refunded { .. }), "{:?}", books.state);
    assert_eq!((books.received, books.refunded, books.jobs), (1, 1, 0));
    assert_eq!(world.wechat.calls(Endpoint::PayClose), 0);
    Ok(())
}

/// It is asked about before it expires, and once more before it is closed.
#[actix_web::test]
async fn what_is_paid_in_the_last_moment_is_paid() -> io::Result<()> {
    let world = World::with(Unpaid::Cancel).await?;
    world.clock.advance(Duration::from_secs(14 * MINUTE));
    world.pay();
    world.after(2 * MINUTE).await;
    let books = world.books();
    assert!(matches!(books.state, OrderState::Paid(_)), "{:?}", books.state);
    assert_eq!((books.charge, books.received, books.jobs), (Charge::Paid, 1, 0));
    assert_eq!(world.wechat.calls(Endpoint::PayClose), 0);
    Ok(())
}

/// Seen to fail when an attempt that came to nothing was not counted.
#[actix_web::test]
async fn while_wechat_is_silent_it_is_asked_again_and_more_rarely() -> io::Result<()> {
    let world = World::with(Unpaid::Keep).await?;
    world.pay();
    let asked = || world.wechat.calls(Endpoint::PayQuery);
    let before = asked();
    world.wechat.script_always(Endpoint::PayQuery, Script::Reset);
    world.after(6).await;
    assert_eq!(asked(), before + 1);
    world.after(6).await;
    assert_eq!(asked(), before + 1, "the second comes after half a minute");
    world.after(30).await;
    assert_eq!(asked(), before + 2);
    assert_eq!(world.books().charge, Charge::Unpaid);
    world.wechat.clear_scripts();
    world.after(2 * MINUTE).await;
    assert_eq!(world.books().charge, Charge::Paid);
    Ok(())
}

/// The merchant has no money yet; then the refund is taken, and after a while the money is back.
#[actix_web::test]
async fn a_refund_is_asked_for_until_it_is_made() -> io::Result<()> {
    let world = World::with(Unpaid::Keep).await?;
    world.pay();
    world.after(6).await;
    world.cancel().await;
    world.wechat.script(Endpoint::Refund, Script::pay_error(403, "NOT_ENOUGH", "余额不足"));
    world.wechat.script(Endpoint::Refund, Script::DoneThenReset);
    world.after(1).await;
    assert!(matches!(world.books().state, OrderState::RefundDue { .. }), "{:?}", world.books().state);
    assert_eq!(world.books().charge, Charge::RefundDue);
    world.after(6).await;
    assert!(matches!(world.books().state, OrderState::RefundDue { .. }), "nobody knows yet");
    world.after(31).await;
    world.after(6).await;
    let books = world.books();
    assert!(matches!(books.state, OrderState::Refunded { .. }), "{:?}", books.state);
    assert_eq!((books.charge, books.received, books.refunded, books.jobs), (Charge::Refunded, 1, 1, 0));
    assert_eq!(world.wechat.refunds().len(), 1);
    assert!(world.wechat.calls(Endpoint::Refund) >= 3);
    Ok(())
}

/// A refund that comes to nothing is for the staff.
#[actix_web::test]
async fn a_refund_that_wechat_does_not_make_is_left_to_the_staff() -> io::Result<()> {
    for (end, failure) in
        [(RefundStatus::Closed, RefundFailure::Closed), (RefundStatus::Abnormal, RefundFailure::Abnormal)]
    {
        let world = World::with(Unpaid::Keep).await?;
        world.pay();
        world.after(6).await;
        world.cancel().await;
        world.wechat.next_refund_ends(end);
        world.after(1).await;
        world.after(6).await;
        let books = world.books();
        let OrderState::Failed { failure: told, .. } = books.state else { panic!("{:?}", books.state) };
        assert_eq!(told, failure);
        assert_eq!((books.charge, books.received, books.refunded, books.jobs), (Charge::RefundDue, 1, 0, 0));
    }
    Ok(())
}

/// T12: ten administrators want the same refund to be tried again.
#[actix_web::test]
async fn ten_retries_at_once_are_one() -> io::Result<()> {
    let world = World::with(Unpaid::Keep).await?;
    world.pay();
    world.after(6).await;
    world.cancel().await;
    world.wechat.script(Endpoint::Refund, Script::pay_error(403, "USER_ACCOUNT_ABNORMAL", "用户帐户注销"));
    world.after(1).await;
    assert!(matches!(world.books().state, OrderState::Failed { .. }), "{:?}", world.books().state);
    let (no, asked) = (world.newest().no, world.wechat.calls(Endpoint::Refund));
    let note = Commit::new();
    let retried = join_all((0..10).map(|_| orders::retry(&world.app, no, &note))).await;
    let retried: Vec<_> = retried.into_iter().map(|one| one.expect("written")).collect();
    assert_eq!(retried.iter().filter(|one| **one == Retried::Now).count(), 1, "{retried:?}");
    world.after(0).await;
    assert_eq!(world.wechat.calls(Endpoint::Refund), asked + 1);
    // What WeChat is at can be asked about sooner, once.
    assert!(matches!(world.books().state, OrderState::Refunding { .. }), "{:?}", world.books().state);
    for expected in [Retried::Now, Retried::Already] {
        assert_eq!(orders::retry(&world.app, no, &note).await.expect("written"), expected);
    }
    world.after(6).await;
    assert!(matches!(world.books().state, OrderState::Refunded { .. }), "{:?}", world.books().state);
    assert!(orders::retry(&world.app, no, &note).await.is_err());
    Ok(())
}

/// What stands in the way of a refund is told while it does, and no longer.
#[actix_web::test]
async fn a_refund_is_stuck_while_wechat_does_not_take_it() -> io::Result<()> {
    let world = World::with(Unpaid::Keep).await?;
    let pending = || stuck::pending(&world.storage, world.clock.now()).expect("readable");
    let oldest =
        |work: &str| pending().oldest_seconds.iter().find(|(name, _)| *name == work).expect("known").1;
    assert_eq!(pending().stuck, 0);
    world.pay();
    world.after(6).await;
    world.cancel().await;
    for _ in 0..2 {
        world.wechat.script(Endpoint::Refund, Script::pay_error(403, "NOT_ENOUGH", "余额不足"));
        world.after(1).await;
    }
    assert_eq!(pending().stuck, 1);
    let trouble = world.storage.get(&keys::pay_trouble(world.newest().no)).expect("readable").expect("noted");
    assert_eq!((trouble.record.code(), trouble.record.attempts), ("NOT_ENOUGH", 1));
    world.clock.advance(Duration::from_secs(3));
    assert_eq!((oldest("ask_refund"), oldest("await_payment")), (4, 0));
    world.after(6).await;
    world.after(6).await;
    assert!(matches!(world.books().state, OrderState::Refunded { .. }), "{:?}", world.books().state);
    assert_eq!((pending().stuck, oldest("ask_refund"), oldest("await_refund")), (0, 0, 0));
    Ok(())
}

#[actix_web::test]
async fn certificates_are_downloaded_ahead_and_after_a_failure_once_a_minute() -> io::Result<()> {
    const HOUR: u64 = 60 * MINUTE;
    let world = World::with(Unpaid::Keep).await?;
    let merchant = Merchant { mode: PayMode::Certificates, ..Merchant::simulated(1) };
    world.wechat.add_merchant(merchant).expect("a key");
    let key = keys::pay_conf(store::tenant());
    let record = world.storage.get(&key).expect("readable").expect("entered").record;
    let secrets = record.open(&world.app.vault, &key).expect("opened");
    let identity = PayIdentity {
        app_id: record.app_id,
        mch_id: record.mch_id,
        serial_no: record.serial_no,
        wechat_key_id: String::new(),
        wechat_key: String::new(),
    };
    let sealed = PayConfRecord::seal(&world.app.vault, &key, &secrets, identity).expect("sealed");
    let mut commit = Commit::new();
    commit.put(&key, &sealed);
    world.storage.commit(commit).await.expect("written");
    let asked = || world.wechat.calls(Endpoint::Certificates);
    for (seconds, calls) in [(1, 1), (1, 1), (9 * HOUR, 1), (HOUR, 2), (1, 2)] {
        world.after(seconds).await;
        assert_eq!(asked(), calls, "after {seconds} s more");
    }
    world.wechat.script_always(Endpoint::Certificates, Script::Reset);
    for (seconds, calls) in [(10 * HOUR, 3), (30, 3), (30, 4)] {
        world.after(seconds).await;
        assert_eq!(asked(), calls, "after {seconds} s more");
    }
    world.wechat.clear_scripts();
    world.after(MINUTE).await;
    world.after(MINUTE).await;
    assert_eq!(asked(), 5);
    Ok(())
}
