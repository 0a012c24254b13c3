use serde_json::{Value, json};
use simulator::{Answer, Endpoint, NotPaid, PagePayment, PayMode, RefundStatus, TradeState};

use crate::client::Bench;
use crate::merchant::Signer;

const JSAPI: &str = "/v3/pay/transactions/jsapi";
const REFUNDS: &str = "/v3/refund/domestic/refunds";
const NOTIFY: &str = "https://clinic.example/notify";

#[actix_web::test]
async fn an_order_is_made_asked_for_paid_and_found() {
    let bench = Bench::start();
    let merchant = Signer::of(&bench);
    let query = format!("/v3/pay/transactions/out-trade-no/T000001?mchid={}", merchant.files.mch_id);
    assert_eq!(merchant.call(&bench, "GET", &query, None).await.code(), (404, "ORDER_NOT_EXIST".to_owned()));
    let prepay_id = merchant.ordered(&bench, "T000001", NOTIFY).await;
    assert!(prepay_id.starts_with("wx") && prepay_id.len() == 36, "{prepay_id}");
    let open = merchant.call(&bench, "GET", &query, None).await;
    assert!(merchant.verifies_reply(&open));
    assert_eq!(open.json()["trade_state"], "NOTPAY");
    assert!(open.json().get("transaction_id").is_none());

    let order = bench.simulator.pay(&prepay_id).expect("paid");
    assert_eq!(bench.simulator.pay("T000001").map(|_| ()), Err(NotPaid::NotOpen));
    let transaction = order.transaction_id.expect("a transaction");
    let by_id = format!("/v3/pay/transactions/id/{transaction}?mchid={}", merchant.files.mch_id);
    for target in [query, by_id] {
        let paid = merchant.call(&bench, "GET", &target, None).await.json();
        assert_eq!(paid["trade_state"], "SUCCESS", "{target}");
        assert_eq!(paid["success_time"], "2026-11-24T12:00:00+08:00");
        assert_eq!(paid["payer"]["openid"], bench.open_id(0));
        assert_eq!(paid["amount"]["payer_total"], 100);
        assert_eq!(paid["transaction_id"], transaction.as_str());
    }
    let other = "/v3/pay/transactions/out-trade-no/T000001?mchid=1";
    assert_eq!(merchant.call(&bench, "GET", other, None).await.code(), (400, "PARAM_ERROR".to_owned()));
}

/// Planted and caught: comparing only the amount let another description pass.
#[actix_web::test]
async fn a_number_is_used_once_and_a_repeat_gives_the_same_prepay_id() {
    let bench = Bench::start();
    let merchant = Signer::of(&bench);
    let first = merchant.ordered(&bench, "T000001", NOTIFY).await;
    assert_eq!(merchant.ordered(&bench, "T000001", NOTIFY).await, first);
    let mut later = merchant.order(&bench, "T000001", NOTIFY);
    later["time_expire"] = json!("2026-11-24T13:00:00+08:00");
    let reply = merchant.call(&bench, "POST", JSAPI, Some(&later)).await;
    assert_eq!(reply.json()["prepay_id"], first.as_str());
    for (field, value) in
        [("description", json!("别的")), ("amount", json!({ "total": 101, "currency": "CNY" }))]
    {
        let mut other = merchant.order(&bench, "T000001", NOTIFY);
        other[field] = value;
        let reply = merchant.call(&bench, "POST", JSAPI, Some(&other)).await;
        assert_eq!(reply.code(), (403, "OUT_TRADE_NO_USED".to_owned()), "{field}");
    }
    bench.hand.advance_secs(7200);
    assert_eq!(bench.simulator.pay("T000001").map(|_| ()), Err(NotPaid::Expired));
    assert_ne!(merchant.ordered(&bench, "T000001", NOTIFY).await, first);
}

#[actix_web::test]
async fn an_order_that_is_not_in_order_is_refused() {
    let bench = Bench::start();
    let merchant = Signer::of(&bench);
    for (pointer, value, status, code) in [
        ("/appid", json!("wxother"), 400, "APPID_MCHID_NOT_MATCH"),
        ("/mchid", json!("1900000099"), 400, "MCH_NOT_EXISTS"),
        ("/out_trade_no", json!("T1"), 400, "PARAM_ERROR"),
        ("/out_trade_no", json!("T 000001"), 400, "PARAM_ERROR"),
        ("/description", json!(""), 400, "PARAM_ERROR"),
        ("/notify_url", json!("https://clinic.example/notify?a=b"), 400, "PARAM_ERROR"),
        ("/notify_url", json!("http://clinic.example/notify"), 400, "PARAM_ERROR"),
        ("/amount/total", json!(0), 400, "PARAM_ERROR"),
        ("/amount/total", json!(1.5), 400, "PARAM_ERROR"),
        ("/amount/total", json!("100"), 400, "PARAM_ERROR"),
        ("/amount/currency", json!("USD"), 400, "PARAM_ERROR"),
        ("/payer/openid", json!("nobody"), 400, "INVALID_REQUEST"),
    ] {
        let mut body = merchant.order(&bench, "T000001", NOTIFY);
        *body.pointer_mut(pointer).expect(pointer) = value;
        let reply = merchant.call(&bench, "POST", JSAPI, Some(&body)).await;
        assert_eq!(reply.code(), (status, code.to_owned()), "{pointer}");
        assert!(reply.headers.get("wechatpay-signature").is_none());
    }
    let mut soon = merchant.order(&bench, "T000001", NOTIFY);
    soon["time_expire"] = json!("2026-11-24T12:00:59+08:00");
    let reply = merchant.call(&bench, "POST", JSAPI, Some(&soon)).await;
    assert_eq!(reply.json()["detail"]["field"], "/time_expire");
    assert!(bench.simulator.orders().is_empty());
}

/// Planted and caught: with the result of the check of the signature ignored, `another path` was let in.
#[actix_web::test]
async fn the_gateway_refuses_what_is_not_signed_well() {
    let bench = Bench::start();
    let merchant = Signer::of(&bench);
    let body = merchant.order(&bench, "T000001", NOTIFY).to_string();
    let now = bench.hand.now().as_second();
    let good = |nonce: &str| merchant.authorization("POST", JSAPI, now, nonce, &body);
    let long_ago = merchant.authorization("POST", JSAPI, now - 301, "a", &body);
    let other_path = merchant.authorization("POST", REFUNDS, now, "b", &body);
    let other_body = merchant.authorization("POST", JSAPI, now, "c", &format!("{body} "));
    let skewed = "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟";
    for (case, authorization, message) in [
        ("bearer", "Bearer x".to_owned(), "签名信息错误，验签失败"),
        ("too old", long_ago, skewed),
        ("another path", other_path, "签名错误"),
        ("another body", other_body, "签名错误"),
        ("another serial", good("d").replace(&merchant.files.serial_no, "00"), "签名错误"),
        ("another nonce", good("e").replace("nonce_str=\"e\"", "nonce_str=\"f\""), "签名错误"),
        ("unknown merchant", good("g").replace(&merchant.files.mch_id, "1900000099"), "签名错误"),
    ] {
        let reply =
            merchant.raw(&bench, "POST", JSAPI, &[("Authorization", &authorization)], body.clone()).await;
        assert_eq!(reply.code(), (401, "SIGN_ERROR".to_owned()), "{case}");
        assert_eq!(reply.json()["message"], message, "{case}");
        assert!(reply.headers.get("wechatpay-signature").is_none(), "{case}");
        assert_eq!(reply.headers.get("request-id").is_none(), case == "bearer", "{case}");
    }
    let bare = merchant.raw(&bench, "POST", JSAPI, &[], body.clone()).await;
    assert_eq!(bare.code(), (401, "SIGN_ERROR".to_owned()));
    assert!(bare.headers.get("request-id").is_none());
    let bare = merchant.raw(&bench, "GET", "/v3/certificates", &[], String::new()).await;
    let text = "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》";
    assert_eq!((bare.status, &bare.json()["message"]), (401, &json!(text)));

    let once = good("once");
    let reply = merchant.raw(&bench, "POST", JSAPI, &[("Authorization", &once)], body.clone()).await;
    assert_eq!(reply.status, 200);
    let twice = merchant.raw(&bench, "POST", JSAPI, &[("Authorization", &once)], body.clone()).await;
    assert_eq!(twice.code(), (401, "SIGN_ERROR".to_owned()));

    let nameless = bench.http.get(bench.url("/v3/certificates")).send().await.expect("an answer");
    assert_eq!(nameless.status(), 400);
    assert_eq!(nameless.json::<Value>().await.expect("JSON")["message"], "Http头缺少Accept或User-Agent");
    let authorization = good("h");
    let request = bench.http.post(bench.url(JSAPI)).header("Authorization", authorization).body(body);
    assert_eq!(request.send().await.expect("an answer").status(), 400, "without Wechatpay-Serial");
    for (method, path, status) in [("PUT", JSAPI, 405), ("GET", REFUNDS, 405), ("GET", "/v3/other", 404)] {
        let reply = merchant.call(&bench, method, path, None).await;
        assert_eq!((reply.status, reply.text.as_str()), (status, ""), "{method} {path}");
    }
}

#[actix_web::test]
async fn an_order_is_closed_once_and_not_after_it_is_paid() {
    let bench = Bench::start();
    let merchant = Signer::of(&bench);
    merchant.ordered(&bench, "T000001", NOTIFY).await;
    merchant.ordered(&bench, "T000002", NOTIFY).await;
    let body = json!({ "mchid": merchant.files.mch_id });
    let close = async |number: &str| {
        let target = format!("/v3/pay/transactions/out-trade-no/{number}/close");
        merchant.call(&bench, "POST", &target, Some(&body)).await
    };
    let closed = close("T000001").await;
    assert_eq!((closed.status, closed.text.as_str()), (204, ""));
    assert!(merchant.verifies_reply(&closed));
    assert_eq!(close("T000001").await.code(), (400, "ORDER_CLOSED".to_owned()));
    assert_eq!(bench.simulator.pay("T000001").map(|_| ()), Err(NotPaid::NotOpen));
    bench.simulator.pay("T000002").expect("paid");
    assert_eq!(close("T000002").await.code(), (400, "INVALID_REQUEST".to_owned()));
    assert_eq!(close("T000003").await.code(), (404, "ORDER_NOT_EXIST".to_owned()));
    assert!(bench.simulator.set_trade_state("T000002", TradeState::UserPaying));
}

#[actix_web::test]
async fn a_refund_is_taken_in_and_ends_later() {
    let bench = Bench::start();
    let merchant = Signer::of(&bench);
    merchant.ordered(&bench, "T000001", NOTIFY).await;
    let refund = |number: &str, fen: i64| {
        json!({
            "out_trade_no": "T000001",
            "out_refund_no": number,
            "reason": "停诊",
            "amount": { "refund": fen, "total": 100, "currency": "CNY" },
        })
    };
    let ask = async |body: Value| merchant.call(&bench, "POST", REFUNDS, Some(&body)).await;
    assert_eq!(ask(refund("R1", 60)).await.code(), (400, "INVALID_REQUEST".to_owned()), "not paid");
    bench.simulator.pay("T000001").expect("paid");
    let taken = ask(refund("R1", 60)).await;
    assert!(merchant.verifies_reply(&taken));
    assert_eq!(taken.json()["status"], "PROCESSING");
    assert_eq!(ask(refund("R1", 60)).await.json()["refund_id"], taken.json()["refund_id"]);
    assert_eq!(ask(refund("R1", 40)).await.code(), (400, "INVALID_REQUEST".to_owned()), "number used");
    assert_eq!(ask(refund("R2", 41)).await.code(), (400, "INVALID_REQUEST".to_owned()), "too much");
    let mut unknown = refund("R3", 1);
    unknown["out_trade_no"] = json!("T000009");
    assert_eq!(ask(unknown).await.code(), (404, "RESOURCE_NOT_EXISTS".to_owned()));

    let query = async |number: &str| merchant.call(&bench, "GET", &format!("{REFUNDS}/{number}"), None).await;
    assert_eq!(query("R1").await.json()["status"], "PROCESSING");
    bench.hand.advance_secs(2);
    let done = query("R1").await.json();
    assert_eq!(
        (&done["status"], &done["success_time"]),
        (&json!("SUCCESS"), &json!("2026-11-24T12:00:02+08:00"))
    );
    assert_eq!(query("R9").await.code(), (404, "RESOURCE_NOT_EXISTS".to_owned()));
    assert_eq!(bench.simulator.orders()[0].state, TradeState::Refund);

    bench.simulator.next_refund_ends(RefundStatus::Abnormal);
    assert_eq!(ask(refund("R2", 40)).await.status, 200);
    bench.hand.advance_secs(2);
    assert_eq!(query("R2").await.json()["status"], "ABNORMAL");
    assert!(!bench.simulator.finish_refund("R2", RefundStatus::Success), "it has ended");
}

#[actix_web::test]
async fn platform_certificates_are_fetched_decrypted_and_rotated() {
    let bench = Bench::with(|options| options.merchants[0].mode = PayMode::Certificates);
    let mut merchant = Signer::of(&bench);
    let former = merchant.ordered(&bench, "T000001", NOTIFY).await;
    bench.simulator.rotate_certificate(&merchant.files.mch_id).expect("a certificate");
    let body = merchant.order(&bench, "T000001", NOTIFY);
    let unknown = merchant.call(&bench, "POST", JSAPI, Some(&body)).await;
    assert_eq!(unknown.json()["prepay_id"], former.as_str());
    assert!(!merchant.verifies_reply(&unknown), "its certificate has not been fetched");

    let reply = merchant.call(&bench, "GET", "/v3/certificates", None).await;
    let list = reply.json()["data"].as_array().expect("a list").clone();
    assert_eq!(list.len(), 2);
    for one in list {
        let pem = merchant.open(&one["encrypt_certificate"]).expect("a certificate");
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n"));
        merchant.files.certificates.insert(one["serial_no"].as_str().expect("a serial").to_owned(), pem);
    }
    assert!(merchant.verifies_reply(&unknown));
    assert!(merchant.verifies_reply(&reply));

    let bench = Bench::start();
    let merchant = Signer::of(&bench);
    let none = merchant.call(&bench, "GET", "/v3/certificates", None).await;
    assert_eq!(none.code(), (404, "RESOURCE_NOT_EXISTS".to_owned()));
}

#[actix_web::test]
async fn replies_can_be_signed_badly() {
    let bench = Bench::start();
    let merchant = Signer::of(&bench);
    let body = merchant.order(&bench, "T000001", NOTIFY);
    for answer in [Answer::WrongSignature, Answer::ProbeSignature, Answer::Unsigned] {
        bench.simulator.script(Endpoint::PayOrder, answer.clone());
        let reply = merchant.call(&bench, "POST", JSAPI, Some(&body)).await;
        assert_eq!(reply.status, 200);
        assert!(!merchant.verifies_reply(&reply), "{answer:?}");
    }
    bench.simulator.script(Endpoint::PayOrder, Answer::StaleSignature);
    let stale = merchant.call(&bench, "POST", JSAPI, Some(&body)).await;
    assert!(merchant.verifies_reply(&stale));
    let at: i64 = stale.headers["wechatpay-timestamp"].to_str().expect("text").parse().expect("seconds");
    assert_eq!(bench.hand.now().as_second() - at, 600);
}

#[actix_web::test]
async fn a_page_pays_only_with_the_merchants_signature() {
    let bench = Bench::start();
    let merchant = Signer::of(&bench);
    let prepay_id = merchant.ordered(&bench, "T000001", NOTIFY).await;
    let package = format!("prepay_id={prepay_id}");
    let id = bench.app.app_id.as_str();
    let pay_sign = merchant.sign(&format!("{id}\n1795500000\nnonce\n{package}\n"));
    let page = PagePayment {
        app_id: id,
        time_stamp: "1795500000",
        nonce_str: "nonce",
        package: &package,
        sign_type: "RSA",
        pay_sign: &pay_sign,
    };
    let pay = |page: PagePayment<'_>| bench.simulator.pay_in_page(&page).map(|order| order.state);
    assert_eq!(pay(PagePayment { nonce_str: "other", ..page }), Err(NotPaid::Signature));
    assert_eq!(pay(PagePayment { sign_type: "MD5", ..page }), Err(NotPaid::Signature));
    assert_eq!(pay(PagePayment { package: "prepay_id=wx1", ..page }), Err(NotPaid::NoOrder));
    assert_eq!(pay(page), Ok(TradeState::Success));
}
