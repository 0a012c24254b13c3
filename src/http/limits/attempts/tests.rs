//! How long an address waits, and that what is counted outlives a restart. What locks a phone is tested with logins.

use std::net::{IpAddr, Ipv4Addr};

use actors::ManualClock;

use super::*;
use crate::http::limits::tests::{NOW, keys_in, open};

#[test]
fn an_address_waits_from_its_tenth_wrong_password_on_and_longer_with_each() {
    let waits = [0, 1, 9, 10, 11, 12, 13, 14, 15, 1_000_000, usize::MAX].map(delay_after);
    let millis = waits.map(|wait| wait.as_millis());
    assert_eq!(millis, [0, 0, 0, 250, 500, 1000, 2000, 4000, 4000, 4000, 4000]);
}

/// As many as are kept must be enough for the longest delay.
#[test]
fn what_is_kept_earns_the_longest_delay() {
    assert_eq!(delay_after(KEPT), LONGEST_DELAY);
    assert_ne!(delay_after(KEPT - 1), LONGEST_DELAY);
}

fn phone(number: u8) -> Phone {
    Phone::parse(&format!("138000000{number:02}")).expect("a phone")
}

fn account(text: &str) -> AccountName {
    AccountName::parse(text).expect("an account")
}

fn network(address: u8) -> ClientNetwork {
    ClientNetwork::around(IpAddr::V4(Ipv4Addr::new(198, 51, 100, address)))
}

/// Seen to fail when the record expired with the oldest wrong password in it.
#[actix_web::test]
async fn a_restart_forgets_no_wrong_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = ManualClock::at(NOW);
    let tenant = TenantId::new(1).expect("an id");
    let storage = open(folder.path(), NOW);
    let vault = keys_in(folder.path());
    let attempts = PasswordAttempts { storage: &storage, vault: &vault, clock: &clock, tenant };
    for _ in 0..10 {
        attempts.admit(Holder::Phone(&phone(1))).expect("unlocked");
        attempts.count(Holder::Phone(&phone(1)), network(1), None).await.expect("counted");
        clock.advance(Duration::from_secs(60));
    }
    for number in 0..10 {
        attempts.count(Holder::Phone(&phone(20 + number)), network(1), None).await.expect("counted");
    }
    storage.close().expect("closed");
    drop(storage);

    let storage = open(folder.path(), clock.now());
    let attempts = PasswordAttempts { storage: &storage, vault: &vault, clock: &clock, tenant };
    let refusal = attempts.admit(Holder::Phone(&phone(1))).expect_err("locked");
    assert_eq!(refusal.code(), ErrorCode::TooOften);
    let response = refusal.response("");
    let header = response.headers().get("Retry-After").expect("told");
    assert_eq!(header, "300", "until the first is a quarter of an hour old");
    attempts.admit(Holder::Phone(&phone(2))).expect("another phone");
    assert_eq!(attempts.delay(network(1)).expect("readable"), LONGEST_DELAY);
    assert_eq!(attempts.delay(network(2)).expect("readable"), Duration::ZERO);
    let record = attempts.of_address(network(1)).read(&storage).expect("readable").1;
    assert_eq!(record.sent_at.len(), KEPT, "no more than is needed");

    clock.advance(Duration::from_secs(5 * 60));
    attempts.admit(Holder::Phone(&phone(1))).expect("the first does not count any more");
    storage.close().expect("closed");
    drop(storage);
    let storage = open(folder.path(), clock.now().plus(Duration::from_secs(59)));
    let attempts = PasswordAttempts { storage: &storage, vault: &vault, clock: &clock, tenant };
    attempts.count(Holder::Phone(&phone(1)), network(3), None).await.expect("the tenth that counts");
    assert_eq!(
        attempts.admit(Holder::Phone(&phone(1))).expect_err("locked again").code(),
        ErrorCode::TooOften
    );
    clock.advance(SPAN);
    assert_eq!(attempts.delay(network(1)).expect("readable"), Duration::ZERO);
}

/// Seen to fail when both were counted under the same kind and blinded alike.
#[actix_web::test]
async fn a_member_of_the_staff_and_a_patient_with_the_same_login_share_no_lock() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = ManualClock::at(NOW);
    let tenant = TenantId::new(1).expect("an id");
    let storage = open(folder.path(), NOW);
    let vault = keys_in(folder.path());
    let attempts = PasswordAttempts { storage: &storage, vault: &vault, clock: &clock, tenant };
    let (patient, other) = (phone(1), phone(2));
    let (account, another) = (account(patient.as_str()), account(other.as_str()));
    for _ in 0..MOST {
        attempts.count(Holder::Staff(&account), network(1), None).await.expect("counted");
        attempts.count(Holder::Phone(&other), network(2), None).await.expect("counted");
    }
    // The address waits for whatever its wrong passwords were for.
    attempts.count(Holder::Staff(&another), network(2), None).await.expect("counted");
    let delays = [1, 2].map(|address| attempts.delay(network(address)).expect("readable"));
    assert_eq!(delays, [MOST, MOST + 1].map(delay_after));
    for locked in [Holder::Staff(&account), Holder::Phone(&other)] {
        let refusal = attempts.admit(locked).expect_err("locked");
        assert_eq!(refusal.code(), ErrorCode::TooOften, "{locked:?}");
    }
    for free in [Holder::Phone(&patient), Holder::Staff(&another)] {
        attempts.admit(free).expect("somebody else");
    }
    let mut commit = Commit::new();
    attempts.forgive(Holder::Staff(&account), &mut commit);
    storage.commit(commit).await.expect("stored");
    attempts.admit(Holder::Staff(&account)).expect("forgiven");
    attempts.admit(Holder::Phone(&other)).expect_err("not forgiven");
}

/// Seen to fail when attempts waited for a place instead of being refused.
#[actix_web::test]
async fn more_than_may_wait_are_refused_at_once() {
    let slowed = SlowedAttempts::at_most(0);
    slowed.wait(Duration::ZERO).await.expect("nothing to wait for");
    tokio::select! {
        biased;
        answer = slowed.wait(Duration::from_secs(4)) => {
            assert_eq!(answer.expect_err("no place").code(), ErrorCode::TooOften);
        }
        () = std::future::ready(()) => panic!("it waits for a place"),
    }
}
