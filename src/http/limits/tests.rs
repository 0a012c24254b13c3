//! Windows and client networks by themselves; reservations against a real store, by a clock that is set by hand.

use std::path::Path;
use std::sync::Arc;

use actix_web::test::TestRequest;
use actors::ManualClock;
use storage::{Existing, OsRandom, Status, StorageOptions};

use super::*;
use crate::http::accounts::fixture::all_at_once;

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn ago(duration: Duration) -> Timestamp {
    NOW.minus(duration)
}

fn window(span: Duration, most: u32) -> Window {
    Window::of(span, most).expect("switched on")
}

#[test]
fn a_window_that_is_full_opens_when_its_oldest_text_leaves_it() {
    let hour = window(HOUR, 2);
    assert_eq!(hour.wait(&[], NOW), Duration::ZERO);
    assert_eq!(hour.wait(&[ago(10 * MINUTE)], NOW), Duration::ZERO);
    assert_eq!(hour.wait(&[ago(50 * MINUTE), ago(10 * MINUTE)], NOW), 10 * MINUTE);
    assert_eq!(hour.wait(&[ago(HOUR), ago(10 * MINUTE)], NOW), Duration::ZERO);
    let just_inside = HOUR - Duration::from_millis(1);
    assert_eq!(hour.wait(&[ago(just_inside), NOW], NOW), Duration::from_millis(1));
    // More than permitted, for instance after the setting was lowered.
    assert_eq!(hour.wait(&[ago(50 * MINUTE), ago(30 * MINUTE), ago(MINUTE)], NOW), 30 * MINUTE);
}

#[test]
fn a_window_set_to_zero_is_off() {
    assert!(Window::of(Duration::ZERO, 1).is_none());
    assert!(Window::of(DAY, 0).is_none());
}

/// A clock that ran a year ahead once must not silence a phone for that year.
#[test]
fn a_text_from_the_far_future_does_not_count() {
    let hour = window(HOUR, 1);
    assert_eq!(hour.wait(&[NOW.plus(365 * DAY)], NOW), Duration::ZERO);
    assert_eq!(hour.wait(&[NOW.plus(SECOND)], NOW), HOUR + SECOND);
}

fn network(peer: &str, lines: &[&str]) -> String {
    let trusted: Vec<IpNet> =
        ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a network")).into();
    ClientNetwork::behind(peer.parse().expect("an address"), lines, &trusted).0.to_string()
}

#[test]
fn a_peer_that_is_no_trusted_proxy_is_the_client_whatever_it_says() {
    assert_eq!(network("203.0.113.7", &[]), "203.0.113.7");
    assert_eq!(network("203.0.113.7", &["198.51.100.1", "127.0.0.1"]), "203.0.113.7");
}

/// The planted bug: the leftmost entry, which the client writes itself.
#[test]
fn behind_trusted_proxies_the_rightmost_stranger_is_the_client() {
    assert_eq!(network("127.0.0.1", &["198.51.100.1"]), "198.51.100.1");
    assert_eq!(network("127.0.0.1", &["1.2.3.4, 198.51.100.1 , 10.1.2.3"]), "198.51.100.1");
    assert_eq!(network("127.0.0.1", &["1.2.3.4", "198.51.100.1", "10.1.2.3,"]), "198.51.100.1");
    assert_eq!(network("::ffff:127.0.0.1", &["::ffff:198.51.100.1"]), "198.51.100.1");
}

#[test]
fn where_all_hops_are_trusted_the_farthest_is_the_client() {
    assert_eq!(network("127.0.0.1", &[]), "127.0.0.1");
    assert_eq!(network("127.0.0.1", &["10.0.0.2, 10.0.0.1"]), "10.0.0.2");
}

#[test]
fn a_proxy_that_names_no_address_counts_itself() {
    for odd in ["unknown", "_hidden", "198.51.100.1:x", "300.1.1.1", "[198.51.100.1", "?"] {
        assert_eq!(network("127.0.0.1", &["1.2.3.4", &format!("{odd}, 10.0.0.1")]), "10.0.0.1", "{odd}");
    }
}

#[test]
fn hops_may_have_ports_and_brackets() {
    assert_eq!(network("127.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
    assert_eq!(network("127.0.0.1", &["[2001:db8:1:2:3::4]:4711"]), "2001:db8:1:2::");
    assert_eq!(network("127.0.0.1", &["[2001:db8:1:2:3::4]"]), "2001:db8:1:2::");
}

#[test]
fn an_ipv6_client_is_counted_by_its_64() {
    assert_eq!(network("2001:db8:1:2:3:4:5:6", &[]), network("2001:db8:1:2:ffff::", &[]));
    assert_ne!(network("2001:db8:1:2::1", &[]), network("2001:db8:1:3::1", &[]));
}

#[test]
fn the_header_may_come_in_several_lines() {
    let request = TestRequest::default()
        .peer_addr("127.0.0.1:5000".parse().expect("an address"))
        .append_header((FORWARDED_FOR, "1.2.3.4"))
        .append_header((FORWARDED_FOR, "198.51.100.1"))
        .to_http_request();
    let trusted = ["127.0.0.1/32".parse().expect("a network")];
    assert_eq!(ClientNetwork::of(&request, &trusted).0.to_string(), "198.51.100.1");
}

/// A store without what has expired. Sweeping waits for commits, which a thread that drives futures may not.
pub(super) fn open(folder: &Path, now: Timestamp) -> Storage {
    let options = StorageOptions::new(folder, now);
    let opening = std::thread::spawn(move || {
        let storage = Storage::open(options).expect("a store");
        storage.sweep(now).expect("swept");
        storage
    });
    opening.join().expect("no panic")
}

pub(super) fn keys_in(folder: &Path) -> Vault {
    let random = Arc::new(OsRandom::default());
    Vault::open(&folder.join("keys"), Existing::CreateIfMissing, random).expect("keys")
}

/// A store in a folder of its own, and a clock.
struct Fixture {
    folder: tempfile::TempDir,
    storage: Storage,
    vault: Vault,
    clock: ManualClock,
    limits: Limits,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let storage = open(folder.path(), NOW);
        let vault = keys_in(folder.path());
        let limits = Limits {
            token_ttl: HOUR,
            staff_token_ttl: HOUR,
            requires_privacy_consent: false,
            max_members_per_user: 1,
            sms_notices: false,
            sms_interval: MINUTE,
            sms_per_phone_per_day: 3,
            sms_per_ip_per_hour: 4,
            sms_per_ip_per_day: 5,
            trusted_proxies: Vec::new(),
        };
        Self { folder, storage, vault, clock: ManualClock::at(NOW), limits }
    }

    fn restart(self) -> Self {
        let Self { folder, storage, clock, limits, .. } = self;
        storage.close().expect("closed");
        drop(storage);
        let storage = open(folder.path(), clock.now());
        let vault = keys_in(folder.path());
        Self { folder, storage, vault, clock, limits }
    }

    fn sms(&self) -> SmsLimits<'_> {
        let tenant = TenantId::new(1).expect("an id");
        SmsLimits {
            storage: &self.storage,
            vault: &self.vault,
            clock: &self.clock,
            limits: &self.limits,
            tenant,
        }
    }

    async fn reserve(&self, phone: u8, address: u8) -> Result<Reservation, ApiError> {
        let phone = Phone::parse(&format!("138000000{phone:02}")).expect("a phone");
        let network = ClientNetwork(IpAddr::V4(Ipv4Addr::new(198, 51, 100, address)));
        self.sms().reserve(&phone, network, |_, _| {}).await
    }

    /// What the refusal says in `Retry-After`.
    async fn seconds_until_permitted(&self, phone: u8, address: u8) -> u64 {
        let Err(refusal) = self.reserve(phone, address).await else { panic!("permitted") };
        assert_eq!(refusal.code(), ErrorCode::TooOften);
        let response = refusal.response("");
        let header = response.headers().get("Retry-After").expect("told");
        header.to_str().expect("digits").parse().expect("a number")
    }
}

#[actix_web::test]
async fn a_phone_waits_for_its_interval() {
    let clinic = Fixture::new();
    clinic.reserve(1, 1).await.expect("the first");
    assert_eq!(clinic.seconds_until_permitted(1, 2).await, 60);
    clinic.reserve(2, 1).await.expect("another phone");
    clinic.clock.advance(MINUTE - SECOND);
    assert_eq!(clinic.seconds_until_permitted(1, 1).await, 1);
    clinic.clock.advance(SECOND);
    clinic.reserve(1, 1).await.expect("after the interval");
}

/// The planted bug: records that expire with the shortest of their windows.
#[actix_web::test]
async fn a_restart_forgets_nothing() {
    let clinic = Fixture::new();
    for _ in 0..3 {
        clinic.reserve(1, 1).await.expect("within the limit");
        clinic.clock.advance(HOUR);
    }
    let clinic = clinic.restart();
    assert_eq!(clinic.seconds_until_permitted(1, 1).await, 21 * 60 * 60);
    clinic.clock.advance(21 * HOUR);
    clinic.reserve(1, 1).await.expect("a day after the first");
}

#[actix_web::test]
async fn an_address_has_limits_of_its_own() {
    let clinic = Fixture::new();
    for phone in 0..4 {
        clinic.reserve(phone, 1).await.expect("within the hour");
    }
    assert_eq!(clinic.seconds_until_permitted(9, 1).await, 60 * 60);
    clinic.reserve(9, 2).await.expect("another address");
    clinic.clock.advance(HOUR);
    clinic.reserve(4, 1).await.expect("the fifth of the day");
    assert_eq!(clinic.seconds_until_permitted(5, 1).await, 23 * 60 * 60);
}

#[actix_web::test]
async fn a_refusal_counts_nowhere() {
    let clinic = Fixture::new();
    clinic.reserve(1, 1).await.expect("the first");
    for _ in 0..10 {
        clinic.seconds_until_permitted(1, 1).await;
    }
    for phone in 2..5 {
        clinic.reserve(phone, 1).await.expect("still within the address's four");
    }
}

#[actix_web::test]
async fn what_is_released_was_never_counted() {
    let clinic = Fixture::new();
    let reservation = clinic.reserve(1, 1).await.expect("the first");
    clinic.sms().release(&reservation).await.expect("taken back");
    let again = clinic.reserve(1, 1).await.expect("as if it were the first");
    clinic.sms().release(&again).await.expect("taken back");
    clinic.sms().release(&again).await.expect("nothing left to take back");
    let Status { live_records, .. } = clinic.storage.status();
    let fresh = Fixture::new().storage.status().live_records;
    assert_eq!(live_records, fresh, "no empty records stay behind");
}

/// The planted bug: commits without `require_version`, which let all of them through.
#[actix_web::test]
async fn of_many_requests_at_once_one_is_within_the_limit() {
    let clinic = Fixture::new();
    let requests = (0..20).map(|address| clinic.reserve(1, address));
    let answers = all_at_once(requests).await;
    let permitted = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(permitted, 1);
    for refusal in answers.into_iter().filter_map(Result::err) {
        assert_eq!(refusal.code(), ErrorCode::TooOften);
    }
}

#[actix_web::test]
async fn limits_that_are_off_store_nothing() {
    let mut clinic = Fixture::new();
    let before = clinic.storage.status().live_records;
    clinic.limits.sms_interval = Duration::ZERO;
    clinic.limits.sms_per_phone_per_day = 0;
    clinic.limits.sms_per_ip_per_hour = 0;
    clinic.limits.sms_per_ip_per_day = 0;
    for _ in 0..50 {
        clinic.reserve(1, 1).await.expect("no limit");
    }
    assert_eq!(clinic.storage.status().live_records, before);
}
