//! WeChat Pay for a clinic of the tests: a simulator, and what the clinic and its patients have with it.

use std::sync::Arc;

use domain::{Charge, Date, Movement, OpenId, OrderState, Timestamp, UserId};
use serde_json::{Value, json};
use simulator::{App, Clock, Deliveries, Merchant, Options, Person, Simulator};
use storage::records::{BookingOwner, OpenIdRecord, WechatIdentity};
use storage::{OsRandom, Scan, Storage, Vault, keys};

use super::folder::Folder;
use super::store;

pub mod forged;

/// Where the clinic is to be found from outside: WeChat wants HTTPS.
pub const ORIGIN: &str = "https://clinic.example";

/// The first accounts of a clinic are these people to WeChat.
pub const OPEN_IDS: [&str; 3] =
    ["oSIM0001-patient-00000000001", "oSIM0001-patient-00000000002", "oSIM0001-patient-00000000003"];

/// The id of the first account.
const FIRST_ACCOUNT: u64 = 1_000_000_000;

/// The clinic's official account.
pub fn app_id() -> String {
    App::simulated(1).app_id
}

/// A simulator that sends its notices when it is asked to.
pub fn simulator() -> Simulator {
    simulator_with(Clock::system())
}

/// The same at a time of the test's, in milliseconds since 1970.
pub fn simulator_at(millis: impl Fn() -> i64 + Send + Sync + 'static) -> Simulator {
    simulator_with(Clock::new(move || jiff::Timestamp::from_millisecond(millis()).expect("a time")))
}

fn simulator_with(clock: Clock) -> Simulator {
    let mut app = App::simulated(1);
    app.people = OPEN_IDS.map(Person::follower).to_vec();
    // A second account of the same merchant, and a second merchant of the same account.
    let mut merchant = Merchant::simulated(1);
    merchant.app_ids.push(App::simulated(2).app_id);
    let options = Options {
        apps: vec![app, App::simulated(2)],
        merchants: vec![merchant, Merchant::simulated(2)],
        clock,
        deliveries: Deliveries::WhenAsked,
        ..Options::default()
    };
    Simulator::start(options).expect("a simulator")
}

/// The settings with which a server reaches it.
pub fn settings(wechat: &Simulator) -> Vec<(&'static str, String)> {
    vec![("PATI_WECHAT__PAY_BASE", wechat.url()), ("PATI_SERVER__PUBLIC_URL", ORIGIN.to_owned())]
}

/// The same as a server is started with them.
pub fn borrowed<'s>(settings: &'s [(&'static str, String)]) -> Vec<(&'s str, &'s str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// What the clinic enters.
pub fn conf(wechat: &Simulator) -> Value {
    let files = wechat.merchant(&Merchant::simulated(1).mch_id).expect("a merchant");
    let (key_id, key) = files.public_key.expect("a public key");
    json!({
        "app_id": app_id(), "mch_id": files.mch_id, "serial_no": files.serial_no,
        "private_key": files.private_key_pem, "api_v3_key": files.api_v3_key, "wechat_key_id": key_id,
        "wechat_key": key
    })
}

/// Binds [`OPEN_IDS`] to the first accounts of a clinic, which need not exist yet. No server may use the folder.
pub fn bind_open_ids(folder: &Folder) {
    let keys_folder = folder.store().join("keys");
    store::edit(folder, |storage, commit| {
        let vault = Vault::unlock(storage, &keys_folder, Arc::new(OsRandom::default())).expect("unlocked");
        for (number, open_id) in (FIRST_ACCOUNT..).zip(OPEN_IDS) {
            let key = keys::open_id(store::tenant(), UserId::new(number).expect("an id"));
            let open_id = OpenId::parse(open_id).expect("an open id");
            let bound = WechatIdentity { app_id: app_id(), open_id };
            commit.put(
                &key,
                &OpenIdRecord::seal(&vault, &key, &bound, Timestamp::from_millis(0)).expect("sealed"),
            );
        }
    });
}

/// What is stored of the only booking that was to be paid.
pub struct Books {
    /// Orders.
    pub orders: usize,
    /// Payments in the ledger.
    pub received: usize,
    /// Refunds in the ledger.
    pub refunded: usize,
    /// Orders about which WeChat is to be asked.
    pub jobs: usize,
    /// What was told and cannot be true.
    pub mismatches: usize,
    /// How the newest order stands.
    pub state: OrderState,
    /// How the money of the booking stands.
    pub charge: Charge,
}

/// Reads them. No server may use the folder.
pub fn books(folder: &Folder) -> Books {
    store::edit(folder, |storage, _| books_of(storage))
}

/// The same, of a store that is open.
pub fn books_of(storage: &Storage) -> Books {
    let tenant = store::tenant();
    let orders = storage.scan(&keys::pay_orders(tenant), Scan::ALL).expect("readable");
    let newest = orders.last().expect("an order").1.record.clone();
    let ever = Date::parse("2000-01-01").expect("a date")..=Date::parse("9000-01-01").expect("a date");
    let ledger = storage.scan_keys(&keys::ledger_days(tenant, &ever), Scan::ALL).expect("readable");
    let movements: Vec<_> =
        ledger.iter().map(|key| keys::ledger_day_parts(key).expect("such a key").1).collect();
    let received = movements.iter().filter(|movement| matches!(movement, Movement::Received(_))).count();
    let owner = BookingOwner::Account(newest.user);
    let booking = storage.get(&keys::booking(tenant, owner, newest.booking)).expect("readable");
    Books {
        orders: orders.len(),
        received,
        refunded: movements.len() - received,
        jobs: storage.scan_keys(&keys::pay_jobs(tenant), Scan::ALL).expect("readable").len(),
        mismatches: newest.mismatches.len(),
        state: newest.state,
        charge: booking.expect("a booking").record.0.charge,
    }
}
