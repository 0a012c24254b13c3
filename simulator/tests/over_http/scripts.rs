use std::time::{Duration, Instant};

use serde_json::json;
use simulator::{Answer, Endpoint, Simulator};

use crate::client::Bench;
use crate::merchant::Signer;

#[actix_web::test]
async fn the_next_answers_are_the_scripted_ones() {
    let bench = Bench::start();
    let token = bench.token().await;
    bench.simulator.forget_calls();
    for code in [-1, 40001, 42001, 45009] {
        bench.simulator.script(Endpoint::Ticket, Answer::errcode(code));
    }
    for code in [-1, 40001, 42001, 45009, 0] {
        assert_eq!(bench.errcode_with(&token).await, code);
    }
    assert_eq!((bench.simulator.calls(Endpoint::Ticket), bench.simulator.calls(Endpoint::Token)), (5, 0));
    let received = bench.simulator.received();
    assert!(received[0].target.contains(&token) && received[0].reply.contains("system error"));

    bench.simulator.script_always(Endpoint::Ticket, Answer::Garbage);
    for _ in 0..2 {
        let reply = bench.http.get(bench.url("/cgi-bin/ticket/getticket")).send().await.expect("an answer");
        assert!(reply.json::<serde_json::Value>().await.is_err());
    }
    bench.simulator.clear_scripts();
    assert_eq!(bench.errcode_with(&token).await, 0);
}

#[actix_web::test]
async fn a_scripted_status_of_the_gateway_is_not_signed() {
    let bench = Bench::start();
    let merchant = Signer::of(&bench);
    let busy = Answer::pay_error(429, "FREQUENCY_LIMITED", "频率超限");
    bench.simulator.script(Endpoint::PayOrder, busy);
    let body = merchant.order(&bench, "T000001", "https://clinic.example/notify");
    let reply = merchant.call(&bench, "POST", "/v3/pay/transactions/jsapi", Some(&body)).await;
    assert_eq!(reply.code(), (429, "FREQUENCY_LIMITED".to_owned()));
    assert!(bench.simulator.orders().is_empty());
}

/// Planted and caught: without the linger of zero the connection ends in an orderly way.
#[actix_web::test]
async fn a_connection_is_reset_before_or_after_the_work() {
    let bench = Bench::start();
    let merchant = Signer::of(&bench);
    let body = merchant.order(&bench, "T000001", "https://clinic.example/notify").to_string();
    let target = "/v3/pay/transactions/jsapi";
    for (nonce, answer, orders) in [("a", Answer::Reset, 0), ("b", Answer::DoneThenReset, 1)] {
        bench.simulator.script(Endpoint::PayOrder, answer);
        let at = bench.hand.now().as_second();
        let authorization = merchant.authorization("POST", target, at, nonce, &body);
        let (id, _) = merchant.files.public_key.as_ref().expect("a key");
        let request = bench.http.post(bench.url(target)).header("Authorization", authorization);
        let request = request.header("Wechatpay-Serial", id).header("User-Agent", "test").body(body.clone());
        let error = request.send().await.expect_err("no answer");
        let reasons: Vec<String> =
            std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
                .map(ToString::to_string)
                .collect();
        assert!(reasons.join(": ").contains("reset"), "{reasons:?}");
        assert_eq!(bench.simulator.orders().len(), orders);
    }
}

#[actix_web::test]
async fn a_hanging_call_hangs_until_it_is_let_go() {
    let bench = Bench::start();
    bench.simulator.script(Endpoint::Token, Answer::Hang);
    let request = tokio::spawn(bench.http.get(bench.url("/cgi-bin/token")).send());
    while bench.simulator.calls(Endpoint::Token) == 0 {
        tokio::task::yield_now().await;
    }
    // Another call comes and goes meanwhile.
    bench.plain_token().await;
    assert!(!request.is_finished(), "it hangs");
    bench.simulator.release_hanging();
    assert!(request.await.expect("a task").is_err());
    let after = bench.plain_token().await;
    assert_eq!(after["expires_in"], 7200, "the next one is answered");
}

#[actix_web::test]
async fn a_simulator_with_a_hanging_call_stops_at_once() {
    let bench = Bench::start();
    bench.simulator.script(Endpoint::Token, Answer::Hang);
    let url = bench.url("/cgi-bin/token");
    let request = tokio::spawn(bench.http.get(url).send());
    while bench.simulator.calls(Endpoint::Token) == 0 {
        tokio::task::yield_now().await;
    }
    let before = Instant::now();
    drop(bench.simulator);
    assert!(before.elapsed() < Duration::from_secs(20), "{:?}", before.elapsed());
    assert!(request.await.expect("a task").is_err());
}

#[actix_web::test]
async fn a_delayed_answer_is_the_ordinary_one() {
    let bench = Bench::start();
    bench.simulator.script(Endpoint::Token, Answer::Delay(Duration::from_millis(50)));
    let before = Instant::now();
    assert_eq!(bench.plain_token().await["expires_in"], 7200);
    assert!(before.elapsed() >= Duration::from_millis(50));
}

#[actix_web::test]
async fn parallel_calls_are_counted_and_the_same_seed_makes_the_same_tokens() {
    let (bench, other) = (Bench::start(), Bench::start());
    let tokens = futures_util::future::join_all((0..100).map(|_| bench.token())).await;
    assert!(tokens.iter().all(|token| *token == tokens[0]), "one stable token");
    assert_eq!(bench.simulator.calls(Endpoint::StableToken), 100);
    assert_eq!(other.token().await, tokens[0]);
    let third = Bench::with(|options| options.seed = 52);
    assert_ne!(third.token().await, tokens[0]);
}

#[actix_web::test]
async fn a_taken_port_is_an_error_and_a_dropped_simulator_frees_its_own() {
    let first = Simulator::start(simulator::Options::default()).expect("a simulator");
    let port = first.address().port();
    let options = || simulator::Options { port, ..simulator::Options::default() };
    assert!(Simulator::start(options()).is_err());
    drop(first);
    assert!(Simulator::start(options()).is_ok());
}

#[actix_web::test]
async fn short_messages_are_kept_or_refused() {
    let bench = Bench::start();
    let post = async |body: serde_json::Value| {
        let request = bench.http.post(bench.simulator.sms_url()).json(&body);
        request.send().await.expect("an answer").status().as_u16()
    };
    let message =
        json!({ "tenantId": "1", "phone": "13800000000", "template": "register", "code": "123456" });
    assert_eq!(post(message.clone()).await, 200);
    let without = json!({ "tenantId": "1", "phone": "13800000000", "template": "moved", "code": null });
    assert_eq!(post(without).await, 200);
    assert_eq!(post(json!({ "phone": "13800000000" })).await, 400);
    bench.simulator.script(Endpoint::Sms, Answer::Http(503, "{}".to_owned()));
    assert_eq!(post(message).await, 503);
    let sms = bench.simulator.sms();
    assert_eq!(sms.len(), 2);
    assert_eq!((sms[0].code.as_deref(), sms[1].code.as_deref()), (Some("123456"), None));
}
