use simulator::TradeState;

use crate::client::Bench;
use crate::merchant::Signer;

async fn shown(bench: &Bench) -> String {
    let reply = bench.http.get(bench.url("/")).send().await.expect("an answer");
    assert!(
        reply.headers()["content-security-policy"].to_str().expect("text").starts_with("default-src 'none'")
    );
    reply.text().await.expect("a page")
}

async fn press(bench: &Bench, action: &str, order: &str) -> u16 {
    let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("order", order).finish();
    let request =
        bench.http.post(bench.url(action)).header("Content-Type", "application/x-www-form-urlencoded");
    request.body(form).send().await.expect("an answer").status().as_u16()
}

#[actix_web::test]
async fn the_patient_refuses_and_pays_on_the_page() {
    let bench = Bench::start();
    let merchant = Signer::of(&bench);
    let mut body = merchant.order(&bench, "T000001", "https://clinic.example/notify");
    body["description"] = serde_json::json!("<b>挂号</b>");
    let reply = merchant.call(&bench, "POST", "/v3/pay/transactions/jsapi", Some(&body)).await;
    let prepay_id = reply.json()["prepay_id"].as_str().expect("a prepay_id").to_owned();

    let page = shown(&bench).await;
    assert!(page.contains("¥1.00") && page.contains("&lt;b&gt;挂号") && !page.contains("<b>挂号"), "{page}");
    assert!(page.contains(&format!("value=\"{prepay_id}\"")) && !page.contains("<script"));
    assert_eq!(press(&bench, "/refuse", &prepay_id).await, 303);
    assert!(shown(&bench).await.contains("NOTPAY 订单未支付, refused"));
    assert_eq!(press(&bench, "/pay", &prepay_id).await, 303);
    assert_eq!(bench.simulator.orders()[0].state, TradeState::Success);
    assert_eq!(bench.simulator.waiting(), 1, "its notice");
    assert!(!shown(&bench).await.contains("action=\"/pay\""));
    assert_eq!(press(&bench, "/pay", &prepay_id).await, 409);
    assert_eq!(press(&bench, "/refuse", "nothing").await, 409);
}

#[actix_web::test]
async fn what_was_sent_to_patients_is_shown() {
    let bench = Bench::start();
    let message = serde_json::json!({ "tenantId": "1", "phone": "13800000000", "template": "register", "code": "123456" });
    bench.http.post(bench.simulator.sms_url()).json(&message).send().await.expect("an answer");
    let page = shown(&bench).await;
    assert!(page.contains("13800000000") && page.contains("SMS register: 123456"), "{page}");
}
