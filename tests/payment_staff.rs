//! What the staff see of payment and do about it: refunds that do not go through, cash while an order is open; and what
//! monitors and the account's owner are told.

use std::io;

use domain::{Charge, CloseReason, OrderState};
use harness::import::day;
use harness::patients::Patient;
use harness::pay::{self, OPEN_IDS};
use harness::till::{Till, until};
use harness::{people, shape, wire};
use serde_json::{Value, json};
use simulator::{Answer as Script, Endpoint, NotPaid, RefundStatus, TradeState};

mod harness;

const PAYMENTS: &str = "manager_service/payments";

async fn listed(staff: &mut Patient, filter: &str) -> io::Result<Vec<Value>> {
    let data = staff.get(&format!("{PAYMENTS}?{filter}")).await?.data();
    let list = data["list"].as_array().expect("a list").clone();
    assert_eq!(data["total"], list.len(), "one page holds all of them");
    Ok(list)
}

/// Waits until the only order is in this state for the staff.
async fn in_state(staff: &mut Patient, state: &str) -> io::Result<Value> {
    until(state, async || Ok(listed(staff, &format!("state={state}")).await?.len() == 1)).await?;
    Ok(listed(staff, &format!("state={state}")).await?.remove(0))
}

/// The samples of `/metrics` by name and labels.
async fn metric(till: &Till, name: &str) -> io::Result<f64> {
    let mut monitor = Patient::connect(till.clinic.admin_address).await?;
    let reply = monitor.raw(&wire::get("/metrics", &[])).await?;
    let text = String::from_utf8(reply.body).expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    // As a label: a number may have the same digits by chance.
    let booking = format!("\"{}\"", till.booking);
    assert!(!text.contains(&booking) && !text.contains(OPEN_IDS[0]), "ids are no labels");
    Ok(line.unwrap_or_else(|| panic!("no {name} in {text}")))
}

/// Seen to fail when WeChat's code was not kept.
#[tokio::test]
async fn a_refund_that_failed_is_seen_and_tried_again() -> io::Result<()> {
    let mut till = Till::usual().await?;
    let no = till.paid().await?;
    till.wechat.script(Endpoint::Refund, Script::pay_error(403, "USER_ACCOUNT_ABNORMAL", "用户帐户注销"));
    till.patient.cancel(&till.booking).await?.done();
    let mut desk = till.staff("desk").await;
    let row = in_state(&mut desk, "failed").await?;
    shape::check(
        &row,
        &json!({
            "out_trade_no": "String", "book_id": "String", "pati_id": "String", "pati_name": "String",
            "amount": "String", "state": "String", "since": "String", "created_at": "String",
            "transaction_id": "String", "out_refund_no": "String", "is_stuck": "Boolean", "failure": "String",
            "last_error": "String", "attempts": "Integer", "next_attempt_at": "null", "differences": []
        }),
    );
    assert_eq!((&row["out_trade_no"], &row["book_id"]), (&json!(no), &json!(till.booking)));
    assert_eq!((&row["amount"], &row["failure"]), (&json!("50.00"), &json!("refused")));
    assert_eq!((&row["last_error"], &row["attempts"]), (&json!("USER_ACCOUNT_ABNORMAL"), &json!(1)));
    assert_eq!((&row["is_stuck"], &row["pati_name"]), (&json!(true), &json!("患*")));
    assert_eq!(listed(&mut desk, "state=stuck").await?, std::slice::from_ref(&row));
    assert_eq!(metric(&till, "pati_pay_refunds_stuck").await?, 1.0);

    let retry = json!({"out_trade_no": no});
    desk.post(&format!("{PAYMENTS}/retry"), &retry).await?.refused(403, "0403");
    let mut boss = till.staff("boss").await;
    boss.post(&format!("{PAYMENTS}/retry"), &retry).await?.data();
    until("the money is back", async || {
        till.wechat.deliver_due().await;
        Ok(listed(&mut desk, "state=refunded").await?.len() == 1)
    })
    .await?;
    assert_eq!(till.wechat.refunds().len(), 1);
    boss.post(&format!("{PAYMENTS}/retry"), &retry).await?.ruled_out("401011");
    for wrong in ["1-0000000077", "2-1000000000"] {
        let wrong = json!({"out_trade_no": wrong});
        boss.post(&format!("{PAYMENTS}/retry"), &wrong).await?.refused(404, "0404");
    }
    assert_eq!(listed(&mut desk, "state=stuck").await?, [Value::Null; 0]);
    let trail = boss.get("manager_service/audit?action=refund_retried").await?.data();
    assert_eq!((&trail["total"], &trail["list"][0]["object_id"]), (&json!(1), &json!(till.booking)));
    assert_eq!(metric(&till, "pati_pay_refunds_stuck").await?, 0.0);
    for (name, value) in [
        (r#"pati_pay_orders_total{state="paid"}"#, 1.0),
        (r#"pati_pay_orders_total{state="failed"}"#, 1.0),
        (r#"pati_pay_orders_total{state="refunded"}"#, 1.0),
        (r#"pati_pay_notices_total{kind="payment",outcome="taken"}"#, 1.0),
        (r#"pati_wechat_calls_total{endpoint="pay_order",outcome="ok"}"#, 1.0),
        (r#"pati_wechat_calls_total{endpoint="pay_refund",outcome="refused"}"#, 1.0),
        (r#"pati_wechat_calls_total{endpoint="pay_refund",outcome="ok"}"#, 1.0),
        (r#"pati_wechat_call_duration_seconds_count{endpoint="pay_refund"}"#, 2.0),
        (r#"pati_pay_oldest_work_seconds{work="ask_refund"}"#, 0.0),
    ] {
        assert_eq!(metric(&till, name).await?, value, "{name}");
    }
    let log = till.clinic.log().join("\n");
    assert!(!log.contains("用户帐户注销"), "what WeChat says to people is no line of the log");
    let books = till.stopped();
    assert_eq!((books.charge, books.received, books.refunded, books.jobs), (Charge::Refunded, 1, 1, 0));
    Ok(())
}

#[tokio::test]
async fn a_refund_that_wechat_has_given_up_gets_another_number() -> io::Result<()> {
    let mut till = Till::usual().await?;
    let no = till.paid().await?;
    let mut boss = till.staff("boss").await;
    let row = failed(&mut till, &mut boss, RefundStatus::Closed).await?;
    assert_eq!((&row["failure"], &row["last_error"]), (&json!("closed"), &json!("CLOSED")));
    boss.post(&format!("{PAYMENTS}/retry"), &json!({"out_trade_no": no})).await?.data();
    until("the money is back", async || {
        till.wechat.deliver_due().await;
        Ok(listed(&mut boss, "state=refunded").await?.len() == 1)
    })
    .await?;
    assert_eq!(till.wechat.refunds().len(), 2);
    assert_eq!(till.stopped().refunded, 1);
    Ok(())
}

/// Another refund would pay twice: it is settled on WeChat's merchant platform.
#[tokio::test]
async fn a_refund_that_the_payers_account_does_not_take_keeps_its_number() -> io::Result<()> {
    let mut till = Till::usual().await?;
    let no = till.paid().await?;
    let mut boss = till.staff("boss").await;
    let row = failed(&mut till, &mut boss, RefundStatus::Abnormal).await?;
    assert_eq!((&row["failure"], &row["last_error"]), (&json!("abnormal"), &json!("ABNORMAL")));
    let asked = till.wechat.calls(Endpoint::Refund);
    boss.post(&format!("{PAYMENTS}/retry"), &json!({"out_trade_no": no})).await?.data();
    until("it is asked for again", async || Ok(till.wechat.calls(Endpoint::Refund) > asked)).await?;
    let row = in_state(&mut boss, "failed").await?;
    assert_eq!(row["failure"], "abnormal");
    assert_eq!(till.wechat.refunds().len(), 1);
    assert_eq!(till.stopped().refunded, 0);
    Ok(())
}

/// Cancels the booking, whose refund ends so; answers the row of its order.
async fn failed(till: &mut Till, boss: &mut Patient, end: RefundStatus) -> io::Result<Value> {
    till.wechat.next_refund_ends(end);
    till.patient.cancel(&till.booking).await?.done();
    until("it failed", async || {
        till.wechat.deliver_due().await;
        Ok(listed(boss, "state=stuck").await?.iter().any(|row| row["state"] == "failed"))
    })
    .await?;
    Ok(listed(boss, "state=stuck").await?.remove(0))
}

/// Seen to fail when it was enough for one filter to fit.
#[tokio::test]
async fn orders_are_found_by_state_day_booking_and_patient() -> io::Result<()> {
    let mut till = Till::usual().await?;
    let first = till.paid().await?;
    let further = till.book(1).await?;
    let second = till.order_for(&further).await?;
    let mut desk = till.staff("desk").await;
    let numbers = async |desk: &mut Patient, filter: &str| -> io::Result<Vec<String>> {
        let rows = listed(desk, filter).await?;
        Ok(rows.iter().map(|row| row["out_trade_no"].as_str().expect("a number").to_owned()).collect())
    };
    let patient = till.patient.members().await?.data()[0]["bindPatiId"].as_str().expect("an id").to_owned();
    let (today, tomorrow) = (day(0), day(1));
    let both = vec![second.clone(), first.clone()];
    for (filter, expected) in [
        (String::new(), both.clone()),
        ("state=paid".to_owned(), vec![first.clone()]),
        ("state=prepaid".to_owned(), vec![second.clone()]),
        ("state=stuck".to_owned(), vec![]),
        ("state=differing".to_owned(), vec![]),
        (format!("book_id={further}"), vec![second.clone()]),
        (format!("pati_id={patient}"), both.clone()),
        (format!("pati_id={patient}&book_id={}", till.booking), vec![first.clone()]),
        (format!("pati_id=1999999999&book_id={}", till.booking), vec![]),
        (format!("from={today}&to={tomorrow}"), both.clone()),
        ("to=2020-01-01".to_owned(), vec![]),
        (format!("from={}", day(2)), vec![]),
    ] {
        assert_eq!(numbers(&mut desk, &filter).await?, expected, "{filter}");
    }
    let page = desk.get(&format!("{PAYMENTS}?page_num=2&page_size=1")).await?.data();
    assert_eq!((&page["total"], &page["list"][0]["out_trade_no"]), (&json!(2), &json!(first)));
    for wrong in ["state=rich", "from=x", "book_id=x", "page_num=0"] {
        desk.get(&format!("{PAYMENTS}?{wrong}")).await?.refused(400, "0001");
    }
    let text = desk.get(PAYMENTS).await?.data().to_string();
    assert!(!text.contains(OPEN_IDS[0]) && !text.contains(&people::phone(1)), "{text}");
    till.clinic.stop();
    Ok(())
}

#[tokio::test]
async fn cash_closes_the_order_that_is_open() -> io::Result<()> {
    let mut till = Till::usual().await?;
    let no = till.order().await?;
    let mut desk = till.staff("desk").await;
    desk.post("manager_service/booking/cash_paid", &json!({"book_id": till.booking})).await?.done();
    in_state(&mut desk, "closed").await?;
    assert_eq!(till.wechat.orders()[0].state, TradeState::Closed);
    assert_eq!(till.wechat.pay(&no).err(), Some(NotPaid::NotOpen));
    assert_eq!(till.status().await?, (2, 2));
    let books = till.stopped();
    assert!(
        matches!(books.state, OrderState::Closed { reason: CloseReason::PaidElsewhere, .. }),
        "{:?}",
        books.state
    );
    assert_eq!((books.charge, books.received, books.refunded, books.jobs), (Charge::Paid, 0, 0, 0));
    Ok(())
}

/// The patient has paid in the moment in which the desk took the cash: WeChat's money goes back, the booking stays paid.
#[tokio::test]
async fn who_pays_twice_gets_the_second_payment_back() -> io::Result<()> {
    let mut till = Till::usual().await?;
    let no = till.order().await?;
    till.wechat.hold();
    till.wechat.pay(&no).expect("paid");
    let mut desk = till.staff("desk").await;
    desk.post("manager_service/booking/cash_paid", &json!({"book_id": till.booking})).await?.done();
    until("the money is back", async || {
        till.wechat.release(simulator::Release::InOrder);
        till.wechat.deliver_due().await;
        Ok(listed(&mut desk, "state=refunded").await?.len() == 1)
    })
    .await?;
    assert_eq!(till.wechat.calls(Endpoint::PayClose), 0, "what is paid is not closed");
    assert_eq!(till.status().await?, (2, 2));
    let books = till.stopped();
    assert_eq!((books.charge, books.received, books.refunded, books.jobs), (Charge::Paid, 1, 1, 0));
    Ok(())
}

#[tokio::test]
async fn the_owner_is_told_of_their_open_id_and_payments() -> io::Result<()> {
    let mut till = Till::usual().await?;
    let no = till.paid().await?;
    let told = till.patient.export().await?.data();
    assert_eq!(told["openId"], OPEN_IDS[0]);
    shape::check(
        &told["payments"],
        &json!([{
            "outTradeNo": "String", "bookId": "String", "amount": "String", "state": "String", "createdAt": "String",
            "paidAt": "String", "refundedAt": "null"
        }]),
    );
    let own = &told["payments"][0];
    assert_eq!((&own["outTradeNo"], &own["state"]), (&json!(no), &json!("paid")));
    assert_eq!((&own["bookId"], &own["amount"]), (&json!(till.booking), &json!("50.00")));
    let mut neighbour = Patient::registered(&till.clinic, 2).await;
    let told = neighbour.export().await?.data();
    assert_eq!((&told["openId"], &told["payments"]), (&json!(OPEN_IDS[1]), &json!([])));
    till.clinic.stop();
    Ok(())
}

/// Whatever is entered first: there is one account to be paid in. Seen to fail when the account to be paid in was saved as it came.
#[tokio::test]
async fn the_clinic_is_paid_in_its_service_account() -> io::Result<()> {
    let mut till = Till::usual().await?;
    let mut boss = till.staff("boss").await;
    let app = simulator::App::simulated(1);
    let other = simulator::App::simulated(2);
    let account = |app: &simulator::App| json!({"app_id": app.app_id, "app_secret": app.secret, "auth_url": "127.0.0.1"});
    // What was entered before there was a service account has to be it.
    boss.post("wechat/conf", &account(&other)).await?.ruled_out("402101");
    boss.post("wechat/conf", &account(&app)).await?.done();
    let mut conf = pay::conf(&till.wechat);
    conf["app_id"] = json!(other.app_id);
    boss.post("wechat/pay_conf", &conf).await?.ruled_out("402101");
    till.order().await?;
    // Entered as it is, or not at all, it follows.
    conf.as_object_mut().expect("an object").remove("app_id");
    boss.post("wechat/pay_conf", &conf).await?.done();
    assert_eq!(boss.get("wechat/pay_conf").await?.data()["app_id"], json!(app.app_id));
    boss.post("wechat/conf", &account(&other)).await?.done();
    assert_eq!(boss.get("wechat/pay_conf").await?.data()["app_id"], json!(other.app_id));
    // Who is known by the former account is not known by this one.
    let booking = till.booking.clone();
    till.ask_for_order(&booking).await?.ruled_out("402005");
    boss.post("wechat/conf", &account(&app)).await?.done();
    till.order().await?;
    till.clinic.stop();
    Ok(())
}
