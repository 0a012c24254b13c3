//! A started simulator whose clock is turned by hand, and plain calls to it.

use jiff::Timestamp;
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use simulator::{App, Clock, Deliveries, Hand, Merchant, Options, Simulator};

pub(crate) struct Bench {
    pub(crate) simulator: Simulator,
    pub(crate) hand: Hand,
    pub(crate) http: reqwest::Client,
    pub(crate) app: App,
}

impl Bench {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        let noon: Timestamp = "2026-11-24T04:00:00Z".parse().expect("a time");
        let (clock, hand) = Clock::by_hand(noon);
        let mut options = Options { clock, deliveries: Deliveries::WhenAsked, ..Options::default() };
        change(&mut options);
        let app = options.apps[0].clone();
        let simulator = Simulator::start(options).expect("a simulator");
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().expect("a client");
        Self { simulator, hand, http, app }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.simulator.url())
    }

    /// A reply of the MP, which is always 200.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.http.get(self.url(path)).send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        response.json().await.expect("JSON")
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let response = self.http.post(self.url(path)).json(body).send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        response.json().await.expect("JSON")
    }

    pub(crate) async fn plain_token(&self) -> Value {
        let App { app_id, secret, .. } = &self.app;
        self.get(&format!("/cgi-bin/token?grant_type=client_credential&appid={app_id}&secret={secret}")).await
    }

    pub(crate) async fn stable_token(&self, force: bool) -> Value {
        let body = json!({
            "grant_type": "client_credential",
            "appid": self.app.app_id,
            "secret": self.app.secret,
            "force_refresh": force,
        });
        self.post("/cgi-bin/stable_token", &body).await
    }

    /// A stable token that works.
    pub(crate) async fn token(&self) -> String {
        self.stable_token(false).await["access_token"].as_str().expect("a token").to_owned()
    }

    /// What the account's API says to this token: 0 when it works.
    pub(crate) async fn errcode_with(&self, token: &str) -> i64 {
        let reply = self.get(&format!("/cgi-bin/ticket/getticket?access_token={token}&type=jsapi")).await;
        reply["errcode"].as_i64().expect("an errcode")
    }

    pub(crate) fn open_id(&self, place: usize) -> &str {
        &self.app.people[place].open_id
    }

    pub(crate) fn mch_id(&self) -> String {
        Merchant::simulated(1).mch_id
    }
}
