use serde_json::json;
use simulator::{Endpoint, PageSignature, Person};

use crate::client::Bench;

#[actix_web::test]
async fn the_appid_is_judged_first_and_failures_are_200() {
    let bench = Bench::start();
    let (id, secret) = (bench.app.app_id.clone(), bench.app.secret.clone());
    for (query, errcode, message) in [
        (String::new(), 41002, "appid missing rid: "),
        ("grant_type=x&appid=wxnobody&secret=s".to_owned(), 40013, "invalid appid rid: "),
        (format!("grant_type=x&appid={id}"), 41004, "appsecret missing rid: "),
        (format!("grant_type=x&appid={id}&secret=s"), 40125, "invalid appsecret rid: "),
        (format!("grant_type=x&appid={id}&secret={secret}"), 40002, "invalid grant_type rid: "),
    ] {
        let reply = bench.get(&format!("/cgi-bin/token?{query}")).await;
        assert_eq!(reply["errcode"], errcode, "{query}");
        let text = reply["errmsg"].as_str().expect("a message");
        let rid = text.strip_prefix(message).expect(message);
        assert_eq!(rid.split('-').map(str::len).collect::<Vec<_>>(), [8, 8, 8], "{rid}");
    }
    assert_eq!(bench.get("/cgi-bin/stable_token").await["errcode"], 43002);
    assert_eq!(bench.simulator.calls(Endpoint::Token), 5);
}

/// Planted and caught: without the overlap the former token fails at once.
#[actix_web::test]
async fn a_plain_token_is_new_each_time_and_the_former_works_five_minutes_longer() {
    let bench = Bench::start();
    let first = bench.plain_token().await;
    assert_eq!(first["expires_in"], 7200);
    assert!(first.get("errcode").is_none());
    let first = first["access_token"].as_str().expect("a token").to_owned();
    let second = bench.plain_token().await["access_token"].as_str().expect("a token").to_owned();
    assert_ne!(first, second);
    bench.hand.advance_secs(299);
    assert_eq!(bench.errcode_with(&first).await, 0);
    bench.hand.advance_secs(1);
    assert_eq!(bench.errcode_with(&first).await, 40001);
    assert_eq!(bench.errcode_with(&second).await, 0);
    bench.hand.advance_secs(7200);
    assert_eq!(bench.errcode_with(&second).await, 42001);
}

#[actix_web::test]
async fn a_stable_token_stays_and_is_rotated_in_its_last_five_minutes() {
    let bench = Bench::start();
    let first = bench.token().await;
    let plain = bench.plain_token().await["access_token"].as_str().expect("a token").to_owned();
    bench.hand.advance_secs(6899);
    let same = bench.stable_token(false).await;
    assert_eq!((same["access_token"].as_str(), &same["expires_in"]), (Some(first.as_str()), &json!(301)));
    bench.hand.advance_secs(1);
    let rotated = bench.stable_token(false).await;
    assert_eq!(rotated["expires_in"], 7200);
    let second = rotated["access_token"].as_str().expect("a token");
    assert_ne!(second, first);
    for token in [&first, second, &plain] {
        assert_eq!(bench.errcode_with(token).await, 0);
    }
    bench.hand.advance_secs(300);
    assert_eq!(bench.errcode_with(&first).await, 42001);
    assert_eq!(bench.errcode_with(second).await, 0);
}

#[actix_web::test]
async fn a_forced_refresh_voids_the_former_token_but_not_within_thirty_seconds() {
    let bench = Bench::start();
    let first = bench.token().await;
    let second = bench.stable_token(true).await["access_token"].as_str().expect("a token").to_owned();
    assert_ne!(first, second);
    assert_eq!(bench.errcode_with(&first).await, 40001);
    bench.hand.advance_secs(29);
    assert_eq!(bench.stable_token(true).await["access_token"], second.as_str());
    bench.hand.advance_secs(1);
    assert_ne!(bench.stable_token(true).await["access_token"], second.as_str());
    bench.simulator.void_tokens(&bench.app.app_id);
    assert_eq!(bench.errcode_with(&second).await, 40001);
}

#[actix_web::test]
async fn one_ticket_belongs_to_the_account_and_signs_its_pages() {
    let bench = Bench::start();
    let (first, second) = (bench.token().await, bench.plain_token().await);
    let second = second["access_token"].as_str().expect("a token");
    let by = async |token: &str| {
        bench.get(&format!("/cgi-bin/ticket/getticket?access_token={token}&type=jsapi")).await
    };
    let ticket = by(&first).await["ticket"].as_str().expect("a ticket").to_owned();
    bench.hand.advance_secs(100);
    let again = by(second).await;
    assert_eq!((again["ticket"].as_str(), &again["expires_in"]), (Some(ticket.as_str()), &json!(7100)));
    assert_eq!(bench.errcode_with("short").await, 40014);
    assert_eq!(bench.get("/cgi-bin/ticket/getticket?type=jsapi").await["errcode"], 41001);

    let url = "http://127.0.0.1:8080/h5/?a=b";
    let text = format!("jsapi_ticket={ticket}&noncestr=N&timestamp=1&url={url}");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    let signature: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let shown = format!("{url}#/book");
    let page = PageSignature { nonce: "N", timestamp: "1", url: &shown, signature: &signature };
    let check = |page: &PageSignature<'_>| bench.simulator.check_page_signature(&bench.app.app_id, page);
    assert_eq!(check(&page), Ok(()));
    assert_eq!(check(&PageSignature { timestamp: "2", ..page }), Err("config:fail,invalid signature"));
    let elsewhere = PageSignature { url: "http://example.com/", ..page };
    assert_eq!(check(&elsewhere), Err("config:fail,invalid url domain"));
}

/// Planted and caught: a code that was not marked as used.
#[actix_web::test]
async fn a_code_comes_back_with_the_browser_and_works_once() {
    let bench = Bench::start();
    let (id, secret) = (bench.app.app_id.clone(), bench.app.secret.clone());
    let authorize = |back: &str, scope: &str| {
        bench.url(&format!(
            "/connect/oauth2/authorize?appid={id}&redirect_uri={back}&response_type=code&scope={scope}&state=abc123"
        ))
    };
    let back = "http%3A%2F%2F127.0.0.1%3A9%2Fwechat%2Freturn%3Ftenant%3D1";
    bench.simulator.visit_as(&id, bench.open_id(1));
    let reply = bench.http.get(authorize(back, "snsapi_base")).send().await.expect("an answer");
    assert_eq!(reply.status(), 302);
    let to = reply.headers()["location"].to_str().expect("an address").to_owned();
    let code = to.strip_prefix("http://127.0.0.1:9/wechat/return?tenant=1&code=").expect(&to);
    let code = code.strip_suffix("&state=abc123").expect(&to);

    let exchange = async |code: &str| {
        let query = format!("appid={id}&secret={secret}&code={code}&grant_type=authorization_code");
        bench.get(&format!("/sns/oauth2/access_token?{query}")).await
    };
    let reply = exchange(code).await;
    assert_eq!((&reply["openid"], &reply["scope"]), (&json!(bench.open_id(1)), &json!("snsapi_base")));
    assert!(reply.get("is_snapshotuser").is_none());
    let again = exchange(code).await;
    assert_eq!(again["errcode"], 40163);
    assert!(again["errmsg"].as_str().expect("a message").starts_with("code been used, rid: "));
    assert_eq!(exchange("nonsense").await["errcode"], 40029);
    let late = bench.simulator.code_for(&id, bench.open_id(0)).expect("a code");
    bench.hand.advance_secs(301);
    assert_eq!(exchange(&late).await["errcode"], 42003);

    let question = bench.http.get(authorize(back, "snsapi_userinfo")).send().await.expect("an answer");
    assert_eq!(question.status(), 200);
    assert!(question.text().await.expect("a page").contains(&format!("as={}", bench.open_id(0))));
    let foreign = authorize("https%3A%2F%2Fexample.com%2F", "snsapi_base");
    let refused = bench.http.get(foreign).send().await.expect("an answer");
    assert!(refused.text().await.expect("a page").contains("10003"));
}

#[actix_web::test]
async fn messages_are_checked_sent_once_and_kept() {
    let bench = Bench::with(|options| {
        let people = &mut options.apps[0].people;
        people.push(Person::stranger("oSIM-stranger"));
        people.push(Person { refuses: true, ..Person::follower("oSIM-refuses") });
    });
    let token = bench.token().await;
    let list = bench.get(&format!("/cgi-bin/template/get_all_private_template?access_token={token}")).await;
    assert!(list.get("errcode").is_none());
    let template = list["template_list"][0]["template_id"].as_str().expect("a template").to_owned();
    let good = json!({
        "touser": bench.open_id(0),
        "template_id": template,
        "url": "https://clinic.example/h5",
        "client_msg_id": "appo-1-1",
        "data": {
            "name1": { "value": "张三" },
            "thing2": { "value": "内科" },
            "name3": { "value": "李四" },
            "time4": { "value": "2026-12-01 08:30" },
        },
    });
    let path = format!("/cgi-bin/message/template/send?access_token={token}");
    let send = async |pointer: &str, value: serde_json::Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).expect(pointer) = value;
        bench.post(&path, &body).await
    };
    for (pointer, value, errcode) in [
        ("/touser", "nobody", 40003),
        ("/touser", "oSIM-stranger", 43004),
        ("/touser", "oSIM-refuses", 43101),
        ("/template_id", "short", 40036),
        ("/template_id", "0123456789012345678901234567890123456789012", 40037),
        ("/data/thing2/value", "", 47003),
        ("/data/thing2/value", "一二三四五六七八九十一二三四五六七八九十一", 47003),
    ] {
        assert_eq!(send(pointer, json!(value)).await["errcode"], errcode, "{pointer} {value}");
    }
    let empty = send("/data/thing2/value", json!("")).await["errmsg"].as_str().expect("a message").to_owned();
    assert!(empty.starts_with("argument invalid! data.thing2.value is emtpy rid: "), "{empty}");
    assert!(bench.simulator.sent().is_empty());

    let first = bench.post(&path, &good).await;
    assert_eq!((&first["errcode"], &first["errmsg"]), (&json!(0), &json!("ok")));
    assert_eq!(bench.post(&path, &good).await["msgid"], first["msgid"]);
    let sent = bench.simulator.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].data[1], ("thing2".to_owned(), "内科".to_owned()));
    assert!(sent[0].text.starts_with("就诊人:张三\n科室:内科\n"), "{}", sent[0].text);
    bench.hand.advance_secs(600);
    assert_ne!(bench.post(&path, &good).await["msgid"], first["msgid"]);

    let broken = bench.http.post(bench.url(&path)).body("{").send().await.expect("an answer");
    assert_eq!(broken.json::<serde_json::Value>().await.expect("JSON")["errcode"], 47001);
    assert_eq!(bench.get(&path).await["errcode"], 43002);
}
