use simulator::{Callback, CallbackMode, Twist};

use crate::client::Bench;
use crate::sink::{Sink, Taken};

const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

async fn with_server(mode: CallbackMode) -> (Bench, Sink) {
    let (bench, sink) = (Bench::start(), Sink::start().await);
    let callback =
        Callback { url: format!("{}/wechat/callback/1", sink.origin), token: "token51".to_owned(), mode };
    bench.simulator.set_callback(&bench.app.app_id, callback);
    (bench, sink)
}

/// SHA-1 over the sorted parts, as the server has to compute it.
fn signature(parts: &[&str]) -> String {
    let mut parts = parts.to_vec();
    parts.sort_unstable();
    let text = parts.concat();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn signed(taken: &Taken) -> bool {
    let param = |name: &str| taken.param(name).expect(name);
    signature(&["token51", &param("timestamp"), &param("nonce")]) == param("signature")
}

#[actix_web::test]
async fn following_and_leaving_are_told_plainly() {
    let (bench, sink) = with_server(CallbackMode::Plain).await;
    assert!(bench.simulator.follow(&bench.app.app_id, bench.open_id(0), false));
    assert!(bench.simulator.follow(&bench.app.app_id, bench.open_id(0), true));
    assert!(!bench.simulator.follow(&bench.app.app_id, "nobody", true));
    let deliveries = bench.simulator.deliver_due().await;
    assert_eq!(
        deliveries.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>(),
        ["unsubscribe", "subscribe"]
    );
    let taken = sink.take();
    assert!(taken.iter().all(signed));
    assert!(taken[0].body.contains("<Event><![CDATA[unsubscribe]]></Event>"), "{}", taken[0].body);
    assert!(
        taken[1].body.contains(&format!("<FromUserName><![CDATA[{}]]></FromUserName>", bench.open_id(0)))
    );
    assert_eq!(taken[0].param("encrypt_type"), None);
}

#[actix_web::test]
async fn an_event_is_tried_three_times_within_ten_seconds() {
    let (bench, sink) = with_server(CallbackMode::Plain).await;
    bench.simulator.follow(&bench.app.app_id, bench.open_id(0), true);
    for (number, answer) in [(1, "<html>"), (2, "ok"), (3, "fail")] {
        sink.answer(200, answer);
        let delivery = bench.simulator.deliver_due().await.remove(0);
        assert_eq!((delivery.try_number, delivery.accepted), (number, false), "{answer}");
        bench.hand.advance_secs(5);
    }
    assert!(bench.simulator.deliver_due().await.is_empty());
    let bodies: Vec<String> = sink.take().into_iter().map(|taken| taken.body).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]), "the same CreateTime each time");

    bench.simulator.follow(&bench.app.app_id, bench.open_id(0), true);
    sink.answer(200, "");
    assert!(bench.simulator.deliver_due().await[0].accepted);
}

#[actix_web::test]
async fn safe_mode_encrypts_and_signs_the_message() {
    let (bench, sink) = with_server(CallbackMode::Safe(KEY.to_owned())).await;
    bench.simulator.follow(&bench.app.app_id, bench.open_id(0), true);
    bench.simulator.twist_event(Twist::WrongSignature);
    bench.simulator.follow(&bench.app.app_id, bench.open_id(1), true);
    bench.simulator.deliver_due().await;
    let taken = sink.take();
    let matches = |taken: &Taken| {
        let encrypted =
            taken.body.split("<Encrypt><![CDATA[").nth(1).and_then(|rest| rest.split("]]>").next());
        let param = |name: &str| taken.param(name).expect(name);
        let parts = ["token51", &param("timestamp"), &param("nonce"), encrypted.expect("Encrypt")];
        signature(&parts) == param("msg_signature")
    };
    assert!(!taken[0].body.contains("subscribe"));
    assert_eq!(taken[0].param("encrypt_type").as_deref(), Some("aes"));
    assert_eq!((matches(&taken[0]), matches(&taken[1])), (true, false));

    bench.simulator.follow(&bench.app.app_id, bench.open_id(0), true);
    sink.answer(200, "<xml><ToUserName><![CDATA[x]]></ToUserName></xml>");
    assert!(!bench.simulator.deliver_due().await[0].accepted, "a plain reply in safe mode");
}

#[actix_web::test]
async fn compatible_mode_sends_both_forms() {
    let (bench, sink) = with_server(CallbackMode::Compatible(KEY.to_owned())).await;
    bench.simulator.follow(&bench.app.app_id, bench.open_id(0), true);
    bench.simulator.deliver_due().await;
    let taken = sink.take();
    assert!(taken[0].body.contains("<Event><![CDATA[subscribe]]></Event>"));
    assert!(taken[0].body.contains("<Encrypt>"));
}

#[actix_web::test]
async fn the_servers_address_and_domain_are_verified() {
    let (bench, sink) = with_server(CallbackMode::Plain).await;
    assert_eq!(bench.simulator.verify_callback(&bench.app.app_id).await, Ok(()));
    let taken = sink.take();
    assert!(signed(&taken[0]));
    sink.answer(200, "\"1\"");
    assert!(bench.simulator.verify_callback(&bench.app.app_id).await.is_err());

    sink.answer(200, "0123456789abcdef");
    let file = "MP_verify_0123456789abcdef.txt";
    assert_eq!(bench.simulator.verify_domain(&sink.origin, file).await, Ok(()));
    sink.answer(302, "");
    assert!(bench.simulator.verify_domain(&sink.origin, file).await.is_err());
}

#[actix_web::test]
async fn the_delivery_of_a_message_is_told() {
    let (bench, sink) = with_server(CallbackMode::Plain).await;
    bench.simulator.change_app(&bench.app.app_id, |app| app.people[1].blocks = true);
    let token = bench.token().await;
    for open_id in [bench.open_id(0), bench.open_id(1)] {
        let field = |value: &str| serde_json::json!({ "value": value });
        let body = serde_json::json!({
            "touser": open_id,
            "template_id": bench.app.templates[0].template_id,
            "data": { "name1": field("甲"), "thing2": field("乙"), "name3": field("丙"), "time4": field("08:30") },
        });
        let reply = bench.post(&format!("/cgi-bin/message/template/send?access_token={token}"), &body).await;
        assert_eq!(reply["errcode"], 0, "{reply}");
    }
    bench.simulator.deliver_due().await;
    let taken = sink.take();
    assert!(taken[0].body.contains("<Event><![CDATA[TEMPLATESENDJOBFINISH]]></Event>"));
    assert!(taken[0].body.contains(&format!("<MsgID>{}</MsgID>", bench.simulator.sent()[0].msg_id)));
    assert!(taken[0].body.contains("<Status><![CDATA[success]]></Status>"));
    assert!(taken[1].body.contains("<Status><![CDATA[failed:user block]]></Status>"));
}
