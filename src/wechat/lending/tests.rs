//! Against the simulator, with a clock that both are given by hand.

use std::sync::Arc;

use actors::ManualClock;
use simulator::{Answer, App, Clock, Endpoint, Options, Simulator};
use storage::records::WechatSecrets;
use storage::{Existing, OsRandom, Storage, StorageOptions, Vault};

use super::*;
use crate::settings::BaseUrl;
use crate::wechat::Bases;

const START: Timestamp = Timestamp::from_millis(1_796_000_000_000);

struct World {
    wechat: Wechat,
    simulator: Simulator,
    hand: simulator::Hand,
    clock: Arc<ManualClock>,
    folder: tempfile::TempDir,
}

fn tenant() -> TenantId {
    TenantId::new(1).expect("an id")
}

impl World {
    async fn new() -> Self {
        let (clock, hand) = Clock::by_hand("2026-11-30T10:13:20Z".parse().expect("a time"));
        let simulator = Simulator::start(Options { clock, ..Options::default() }).expect("started");
        let folder = tempfile::tempdir().expect("a folder");
        let storage = Storage::open(StorageOptions::new(folder.path(), START)).expect("a store");
        let clock = Arc::new(ManualClock::at(START));
        let random = Arc::new(OsRandom::default());
        let vault = Vault::open(&folder.path().join("keys"), Existing::CreateIfMissing, random);
        let base = BaseUrl::parse(&simulator.url()).expect("a base");
        let bases = Bases { api: &base, oauth: &base };
        let given = Arc::<ManualClock>::clone(&clock);
        let wechat = Wechat::new(bases, storage, Arc::new(vault.expect("keys")), given, Arc::default())
            .expect("a client");
        let world = Self { wechat, simulator, hand, clock, folder };
        world.enter(&App::simulated(1)).await;
        world
    }

    async fn enter(&self, app: &App) {
        let account = WechatAccount {
            app_id: app.app_id.clone(),
            app_secret: app.secret.clone(),
            auth_url: "127.0.0.1".to_owned(),
        };
        let key = keys::wechat_conf(tenant());
        let secrets = WechatSecrets { account: Some(account), callback: None };
        let record =
            WechatConfRecord::default().with_secrets(&self.wechat.vault, &key, &secrets).expect("sealed");
        let mut commit = Commit::new();
        commit.put(&key, &record).delete(&keys::wechat_loan(tenant()));
        self.wechat.storage.commit(commit).await.expect("stored");
    }

    fn later(&self, seconds: u64) {
        self.hand.advance_secs(i64::try_from(seconds).expect("small"));
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn tokens_fetched(&self) -> u64 {
        self.simulator.calls(Endpoint::StableToken)
    }

    async fn list(&self) -> Result<usize, WechatError> {
        self.wechat.templates(tenant()).await.map(|templates| templates.len())
    }
}

/// Seen to fail when a token was used until its very end, and when every call asked for one.
#[actix_web::test]
async fn a_token_is_fetched_once_and_renewed_ahead() {
    let world = World::new().await;
    assert_eq!(world.list().await.expect("listed"), 3);
    world.later(6_470);
    assert_eq!(world.list().await.expect("listed"), 3);
    assert_eq!(world.tokens_fetched(), 1);
    // A tenth of two hours before the end.
    world.later(20);
    assert_eq!(world.list().await.expect("listed"), 3);
    assert_eq!(world.tokens_fetched(), 2);
    assert!(world.folder.path().exists());
}

/// Seen to fail when the old token was thrown away before there was another.
#[actix_web::test]
async fn a_token_serves_to_its_end_when_there_is_no_other() {
    let world = World::new().await;
    world.list().await.expect("listed");
    world.later(7_000);
    world.simulator.script(Endpoint::StableToken, Answer::Reset);
    assert_eq!(world.list().await.expect("listed with the old token"), 3);
    assert_eq!(world.tokens_fetched(), 2);
}

/// Seen to fail when nothing was tried again, and when a second force followed at once.
#[actix_web::test]
async fn a_bad_token_is_replaced_once() {
    let world = World::new().await;
    for errcode in [40_001, 40_014, 42_001] {
        world.simulator.forget_calls();
        world.simulator.script(Endpoint::Templates, Answer::errcode(errcode));
        assert_eq!(world.list().await.expect("listed with another token"), 3);
        assert_eq!(world.simulator.calls(Endpoint::Templates), 2);
        world.later(31);
    }
    world.simulator.forget_calls();
    world.simulator.script_always(Endpoint::Templates, Answer::errcode(40_001));
    assert!(matches!(world.list().await, Err(WechatError::Refused(40_001))));
    assert_eq!((world.simulator.calls(Endpoint::Templates), world.tokens_fetched()), (2, 1));
    let forced = |text: &str| text.contains("\"force_refresh\":true");
    let bodies = |world: &World| {
        let received = world.simulator.received().into_iter();
        let bodies = received.filter(|call| call.endpoint == Endpoint::StableToken);
        bodies.map(|call| call.body).collect::<Vec<_>>()
    };
    assert!(bodies(&world).iter().all(|body| forced(body)));
    world.list().await.expect_err("refused again");
    assert_eq!(bodies(&world).iter().filter(|body| forced(body)).count(), 1, "within 30 seconds");
}

#[actix_web::test]
async fn another_account_gets_tokens_of_its_own() {
    let world = World::new().await;
    let first = world.wechat.ticket(tenant()).await.expect("a ticket");
    assert_eq!(world.wechat.ticket(tenant()).await.expect("the same"), first);
    assert_eq!((world.tokens_fetched(), world.simulator.calls(Endpoint::Ticket)), (1, 1));
    let other = App::simulated(2);
    world.simulator.add_app(other.clone());
    world.enter(&other).await;
    assert_ne!(world.wechat.ticket(tenant()).await.expect("another"), first);
    assert_eq!((world.tokens_fetched(), world.simulator.calls(Endpoint::Ticket)), (2, 2));
}

/// Seen to fail when refusals counted as failures, and when nothing was counted.
#[actix_web::test]
async fn after_repeated_failures_nothing_is_asked_for_a_while() {
    let world = World::new().await;
    world.simulator.script_always(Endpoint::StableToken, Answer::errcode(40_125));
    for _ in 0..5 {
        assert!(matches!(world.list().await, Err(WechatError::Refused(40_125))));
    }
    world.simulator.script_always(Endpoint::StableToken, Answer::Garbage);
    for _ in 0..3 {
        assert!(matches!(world.list().await, Err(WechatError::Call(CallError::Garbled(200)))));
    }
    world.simulator.forget_calls();
    assert!(matches!(world.list().await, Err(WechatError::Suspended)));
    assert_eq!(world.tokens_fetched(), 0);
    world.later(11);
    world.simulator.clear_scripts();
    assert_eq!(world.list().await.expect("back again"), 3);
    assert_eq!(world.list().await.expect("for good"), 3);
}
