//! Orders under whose number WeChat has something else: a server whose store was restored from a backup counts on from
//! where the backup was, and so do the numbers of bookings.

use std::io;

use domain::Charge;
use harness::patients::Patient;
use harness::pay::{self, forged::Forger};
use harness::till::Till;
use serde_json::json;
use simulator::{Answer as Script, Endpoint, Twist};

mod harness;

/// A clinic that has had three orders at this WeChat, of which the first was paid, and the same clinic as it was before.
async fn restored() -> io::Result<(Vec<String>, Till)> {
    let mut before = Till::usual().await?;
    let mut numbers = vec![before.order().await?];
    for further in 1..3 {
        let booking = before.book(further).await?;
        numbers.push(before.order_for(&booking).await?);
    }
    // Nobody tells the server that is there when it comes.
    before.wechat.twist_notice(Twist::Lose);
    before.wechat.pay(&numbers[0]).expect("paid");
    let Till { wechat, clinic, .. } = before;
    clinic.kill();
    let conf = pay::conf(&wechat);
    Ok((numbers, Till::open(wechat, &conf).await?))
}

/// The account, the amount, the doctor and even the booking's number are the same: only when it was made tells the orders
/// apart. Seen to fail when the order did not say whose it is: its money was booked.
#[tokio::test]
async fn the_money_of_another_order_is_not_booked() -> io::Result<()> {
    let (taken, mut till) = restored().await?;
    let no = till.order().await?;
    assert!(!taken.contains(&no), "{no}");
    assert_eq!(till.status().await?, (0, 1), "what was paid before is not this booking's");
    let mut desk = till.staff("desk").await;
    let listed = desk.get("manager_service/payments?state=differing").await?.data();
    let rows = listed["list"].as_array().expect("a list");
    let seen: Vec<_> = rows.iter().map(|row| row["out_trade_no"].as_str().expect("a number")).collect();
    assert_eq!(seen, [taken[1].as_str(), taken[0].as_str()], "two were tried, then some were left out");
    for row in rows {
        assert_eq!(
            (&row["state"], &row["differences"][0]["kind"]),
            (&json!("closed"), &json!("other_order"))
        );
    }
    till.wechat.pay(&no).expect("it can be paid");
    let delivered = till.wechat.deliver_due().await;
    assert!(delivered.iter().all(|one| one.accepted), "{delivered:?}");
    assert_eq!(till.status().await?, (2, 2));
    let books = till.stopped();
    assert_eq!((books.received, books.refunded, books.jobs, books.charge), (1, 0, 0, Charge::Paid));
    Ok(())
}

/// A notice of an order that was made for another booking, or for one that the store has forgotten.
#[tokio::test]
async fn a_notice_of_another_order_is_not_believed() -> io::Result<()> {
    let mut till = Till::usual().await?;
    let no = till.order().await?;
    let mark = till.wechat.orders()[0].attach.clone();
    assert!(mark.starts_with(&format!("{}/", till.booking)), "{mark}");
    let forger = Forger::new();
    let mut conf = pay::conf(&till.wechat);
    forger.take_the_place_of_wechat(&mut conf);
    till.staff("boss").await.post("wechat/pay_conf", &conf).await?.done();
    let mut line = Patient::connect(till.clinic.address).await?;
    let mut told = forger.payment(&conf, &no, 5_000);
    for attach in ["1000000077/1800000000000", &format!("{}/1800000000000", till.booking), "a gift"] {
        told["attach"] = json!(attach);
        assert_eq!(line.raw(&forger.notice(&conf, &told).request()).await?.status, 400, "{attach}");
    }
    assert_eq!(till.status().await?, (0, 1));
    told["attach"] = json!(mark);
    assert_eq!(line.raw(&forger.notice(&conf, &told).request()).await?.status, 204);
    assert_eq!(till.status().await?, (2, 2));
    let books = till.stopped();
    assert_eq!((books.received, books.mismatches, books.jobs), (1, 1, 0));
    Ok(())
}

/// The same order with another description, say: WeChat does not make it again, so that it gets another number.
#[tokio::test]
async fn an_order_with_other_content_gets_another_number() -> io::Result<()> {
    let mut till = Till::usual().await?;
    till.wechat.script(Endpoint::PayOrder, Script::DoneThenReset);
    let booking = till.booking.clone();
    let unanswered = till.ask_for_order(&booking).await?;
    assert_eq!(unanswered.status, "0502");
    till.wechat.script(Endpoint::PayOrder, Script::pay_error(403, "OUT_TRADE_NO_USED", "商户订单号重复"));
    let no = till.order().await?;
    let orders = till.wechat.orders();
    assert_eq!(orders.len(), 2);
    assert!(orders.iter().any(|order| order.out_trade_no == no));
    harness::till::until("the first one is closed", async || {
        let state = |order: &simulator::Order| order.state == simulator::TradeState::Closed;
        Ok(till.wechat.orders().iter().filter(|order| state(order)).count() == 1)
    })
    .await?;
    till.wechat.pay(&no).expect("the second one can be paid");
    till.wechat.deliver_due().await;
    assert_eq!(till.status().await?, (2, 2));
    assert_eq!(till.stopped().received, 1);
    Ok(())
}

/// After the numbers of a whole day it is given up, and the patient is told what WeChat says.
#[tokio::test]
async fn numbers_are_not_tried_without_end() -> io::Result<()> {
    let mut till = Till::usual().await?;
    till.wechat
        .script_always(Endpoint::PayOrder, Script::pay_error(403, "OUT_TRADE_NO_USED", "商户订单号重复"));
    let booking = till.booking.clone();
    let data = till.ask_for_order(&booking).await?.data();
    assert_eq!((&data["error_code"], &data["prepay_id"]), (&json!("FAIL"), &json!("")));
    assert_eq!(data["error_msg"], "商户订单号重复（OUT_TRADE_NO_USED）");
    assert_eq!(till.wechat.calls(Endpoint::PayOrder), 6);
    till.wechat.clear_scripts();
    till.order().await?;
    till.clinic.stop();
    Ok(())
}
