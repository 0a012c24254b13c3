use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use simulator::{Deliveries, Delivery, RefundStatus, Release, Twist};

use crate::client::Bench;
use crate::merchant::Signer;
use crate::sink::{Sink, Taken};

/// An order that is ready to be paid, and where its notices go.
async fn ordered() -> (Bench, Signer, Sink) {
    let bench = Bench::start();
    let (merchant, sink) = (Signer::of(&bench), Sink::start().await);
    for number in ["T000001", "T000002"] {
        merchant.ordered(&bench, number, &format!("{}/notify", sink.origin)).await;
    }
    (bench, merchant, sink)
}

fn signed(merchant: &Signer, taken: &Taken) -> bool {
    merchant.verifies(|name| taken.header(name).to_owned(), &taken.body)
}

fn opened(merchant: &Signer, taken: &Taken) -> Value {
    let body: Value = serde_json::from_str(&taken.body).expect("JSON");
    let plain = merchant.open(&body["resource"]).expect("a resource");
    serde_json::from_str(&plain).expect("JSON")
}

fn tries(deliveries: &[Delivery]) -> Vec<(usize, bool)> {
    deliveries.iter().map(|one| (one.try_number, one.accepted)).collect()
}

#[actix_web::test]
async fn a_payment_is_told_signed_and_encrypted() {
    let (bench, merchant, sink) = ordered().await;
    let order = bench.simulator.pay("T000001").expect("paid");
    assert!(sink.take().is_empty(), "nothing is sent unasked");
    let deliveries = bench.simulator.deliver_due().await;
    assert_eq!(deliveries[0].kind, "TRANSACTION.SUCCESS");
    assert_eq!(tries(&deliveries), [(1, true)]);
    let taken = sink.take();
    assert_eq!(taken[0].target, "/notify");
    assert!(signed(&merchant, &taken[0]));
    let body: Value = serde_json::from_str(&taken[0].body).expect("JSON");
    assert_eq!(body["resource_type"], "encrypt-resource");
    assert_eq!(body["resource"]["original_type"], "transaction");
    let resource = opened(&merchant, &taken[0]);
    assert_eq!(resource["out_trade_no"], "T000001");
    assert_eq!(resource["transaction_id"], json!(order.transaction_id));
    assert_eq!(
        resource["amount"],
        json!({"total": 100, "payer_total": 100, "currency": "CNY", "payer_currency": "CNY"})
    );
    assert_eq!(
        (&resource["mchid"], &resource["appid"]),
        (&json!(merchant.files.mch_id), &json!(bench.app.app_id))
    );
    assert_eq!(bench.simulator.waiting(), 0);
}

/// Planted and caught: a last wait of one hour instead of six.
#[actix_web::test]
async fn a_notice_that_is_not_taken_comes_again_by_the_schedule() {
    let (bench, _, sink) = ordered().await;
    bench.simulator.pay("T000001").expect("paid");
    let start = bench.hand.now();
    let mut waits = Vec::new();
    for number in 1..=16 {
        sink.answer(500, r#"{"code":"FAIL","message":"later"}"#);
        let delivery = bench.simulator.deliver_due().await.remove(0);
        assert_eq!((delivery.try_number, delivery.status, delivery.accepted), (number, Some(500), false));
        assert!(bench.simulator.deliver_due().await.is_empty(), "not before its time");
        let Some(next) = delivery.next_try else { break };
        let wait = next.duration_since(bench.hand.now());
        waits.push(wait.as_secs());
        bench.hand.advance(wait);
    }
    let minutes = |list: &[i64]| list.iter().map(|minutes| minutes * 60).collect::<Vec<_>>();
    assert_eq!(waits[..3], [15, 15, 30]);
    assert_eq!(waits[3..], minutes(&[3, 10, 20, 30, 30, 30, 60, 180, 180, 180, 360, 360]));
    assert_eq!(bench.hand.now().duration_since(start), SignedDuration::from_mins(24 * 60 + 4));
    assert_eq!(bench.simulator.waiting(), 0);
    let ids: Vec<Value> = sink
        .take()
        .iter()
        .map(|one| serde_json::from_str::<Value>(&one.body).expect("JSON")["id"].clone())
        .collect();
    assert!(ids.len() == 16 && ids.iter().all(|id| *id == ids[0]));
}

#[actix_web::test]
async fn nobody_there_is_a_failed_try_and_204_is_an_accepted_one() {
    let (bench, merchant, sink) = ordered().await;
    merchant.ordered(&bench, "T000003", "http://127.0.0.1:1/notify").await;
    bench.simulator.pay("T000003").expect("paid");
    let lost = bench.simulator.deliver_due().await;
    assert_eq!((lost[0].status, lost[0].accepted), (None, false));
    sink.answer(204, "");
    bench.simulator.pay("T000001").expect("paid");
    assert_eq!(tries(&bench.simulator.deliver_due().await), [(1, true)]);
}

/// Planted and caught: a twist that stayed on the later tries.
#[actix_web::test]
async fn a_twisted_notice_is_followed_by_a_right_one() {
    let (bench, merchant, sink) = ordered().await;
    let twists =
        [Twist::WrongSignature, Twist::ProbeSignature, Twist::Stale, Twist::UnknownSerial, Twist::WrongKey];
    for (place, twist) in twists.into_iter().enumerate() {
        let number = format!("T00001{place}");
        merchant.ordered(&bench, &number, &format!("{}/notify", sink.origin)).await;
        bench.simulator.twist_notice(twist);
        bench.simulator.pay(&number).expect("paid");
        sink.answer(401, "");
        bench.simulator.deliver_due().await;
        bench.hand.advance_secs(15);
        bench.simulator.deliver_due().await;
        let taken = sink.take();
        let bad = !matches!(twist, Twist::Stale | Twist::WrongKey);
        assert_eq!(signed(&merchant, &taken[0]), !bad, "{twist:?}");
        let body: Value = serde_json::from_str(&taken[0].body).expect("JSON");
        assert_eq!(merchant.open(&body["resource"]).is_none(), twist == Twist::WrongKey, "{twist:?}");
        let age = bench.hand.now().as_second()
            - taken[0].header("wechatpay-timestamp").parse::<i64>().expect("seconds");
        assert_eq!(age, if twist == Twist::Stale { 615 } else { 15 }, "{twist:?}");
        assert!(signed(&merchant, &taken[1]), "{twist:?}");
        assert_eq!(opened(&merchant, &taken[1])["out_trade_no"], number.as_str());
    }
}

#[actix_web::test]
async fn notices_are_lost_doubled_held_and_turned_round() {
    let (bench, merchant, sink) = ordered().await;
    bench.simulator.twist_notice(Twist::Lose);
    bench.simulator.twist_notice(Twist::Twice);
    bench.simulator.pay("T000001").expect("paid");
    bench.simulator.pay("T000002").expect("paid");
    bench.simulator.deliver_due().await;
    let numbers = |taken: &[Taken]| {
        taken
            .iter()
            .map(|one| opened(&merchant, one)["out_trade_no"].as_str().expect("a number").to_owned())
            .collect()
    };
    let came: Vec<String> = numbers(&sink.take());
    assert_eq!(came, ["T000002", "T000002"]);

    for number in ["T000003", "T000004"] {
        merchant.ordered(&bench, number, "https://clinic.example/notify").await;
    }
    bench.simulator.resolve("https://clinic.example", &sink.origin);
    bench.simulator.hold();
    bench.simulator.pay("T000003").expect("paid");
    bench.simulator.pay("T000004").expect("paid");
    assert!(bench.simulator.deliver_due().await.is_empty());
    bench.simulator.release(Release::Reversed);
    bench.simulator.deliver_due().await;
    let came: Vec<String> = numbers(&sink.take());
    assert_eq!(came, ["T000004", "T000003"]);
}

#[actix_web::test]
async fn notices_go_out_by_themselves_when_they_are_due() {
    let bench = Bench::with(|options| options.deliveries = Deliveries::WhenDue);
    let (merchant, sink) = (Signer::of(&bench), Sink::start().await);
    merchant.ordered(&bench, "T000001", &format!("{}/notify", sink.origin)).await;
    sink.answer(500, "");
    bench.simulator.pay("T000001").expect("paid");
    let tried = async |number: usize| {
        while bench.simulator.deliveries().len() < number {
            tokio::task::yield_now().await;
        }
        tries(&bench.simulator.deliveries())
    };
    let first = tokio::time::timeout(Duration::from_secs(10), tried(1)).await;
    assert_eq!(first.expect("a first try"), [(1, false)]);
    bench.hand.advance_secs(15);
    let second = tokio::time::timeout(Duration::from_secs(10), tried(2)).await;
    assert_eq!(second.expect("a second try"), [(1, false), (2, true)]);
}

#[actix_web::test]
async fn the_end_of_a_refund_is_told() {
    let (bench, merchant, sink) = ordered().await;
    bench.simulator.pay("T000001").expect("paid");
    bench.simulator.deliver_due().await;
    sink.take();
    for (number, end) in [("R1", RefundStatus::Success), ("R2", RefundStatus::Closed)] {
        let body = json!({
            "out_trade_no": "T000001",
            "out_refund_no": number,
            "notify_url": format!("{}/refunds", sink.origin),
            "amount": { "refund": 50, "total": 100, "currency": "CNY" },
        });
        bench.simulator.next_refund_ends(end);
        let reply = merchant.call(&bench, "POST", "/v3/refund/domestic/refunds", Some(&body)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert!(bench.simulator.deliver_due().await.is_empty());
        bench.hand.advance_secs(2);
        let deliveries = bench.simulator.deliver_due().await;
        assert_eq!(deliveries[0].kind, format!("REFUND.{}", end.name()));
        let taken = sink.take();
        assert!(signed(&merchant, &taken[0]));
        let resource = opened(&merchant, &taken[0]);
        assert_eq!(
            (&resource["refund_status"], &resource["out_refund_no"]),
            (&json!(end.name()), &json!(number))
        );
    }
}
