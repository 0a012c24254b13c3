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

#[actix_web::test]
async fn whoever_holds_the_phone_is_sent_back_with_a_code() {
    let bench = Bench::start();
    let app = &bench.app;
    let given = |person: &str| {
        let form = format!("app={}&person={person}", app.app_id);
        let request = bench.http.post(bench.url("/visit"));
        request.header("Content-Type", "application/x-www-form-urlencoded").body(form).send()
    };
    assert_eq!(given("nobody").await.expect("an answer").status(), 409);
    let second = &app.people[1].open_id;
    assert_eq!(given(second).await.expect("an answer").status(), 303);
    let page = shown(&bench).await;
    assert_eq!(
        (page.matches("Give them the phone").count(), page.matches("holds the phone</td>").count()),
        (1, 1)
    );

    let back = url::form_urlencoded::byte_serialize(bench.url("/h5/me?a=1").as_bytes()).collect::<String>();
    let address = format!(
        "/connect/oauth2/authorize?appid={}&redirect_uri={back}&response_type=code&scope=snsapi_base&state=s1",
        app.app_id
    );
    let sent = bench.http.get(bench.url(&address)).send().await.expect("an answer");
    assert_eq!(sent.status(), 302);
    let location = sent.headers()["location"].to_str().expect("text").to_owned();
    let page = bench.http.get(&location).send().await.expect("an answer").text().await.expect("a page");
    let (_, code) = location.split_once("code=").expect("a code");
    let code = code.split('&').next().expect("a code");
    assert!(page.contains("/h5/me") && page.contains(code) && page.contains("<td>s1</td>"), "{page}");
    assert!(!page.contains("<script") && !page.contains("http-equiv"), "it stays as it is");
}
