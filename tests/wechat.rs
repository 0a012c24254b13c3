//! The clinic's service account over HTTP, against the simulator, which is reached through ordinary settings.

use std::io;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::{Answer as Enveloped, PASSWORD, Patient};
use harness::{shape, staff, wire};
use serde_json::{Value, json};
use simulator::{
    Answer, App, Callback, CallbackMode, Deliveries, Endpoint, Options, PageSignature, Person, Simulator,
    Twist,
};

mod harness;

const SCHEDULE: u64 = 3001;
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const TOKEN: &str = "callbackToken1";
const FILE: &str = "abcdEFGH12345678";

/// A clinic with an administrator, and the WeChat that it talks to.
struct World {
    clinic: Clinic,
    simulator: Simulator,
    app: App,
    admin: Patient,
    folder: Folder,
}

fn started() -> Simulator {
    let options = Options { deliveries: Deliveries::WhenAsked, ..Options::default() };
    Simulator::start(options).expect("the simulator starts")
}

impl World {
    /// Without anything entered.
    async fn fresh() -> Self {
        let folder = Folder::new();
        let mut file = ImportFile::default();
        file.doctor(2001).schedule(SCHEDULE, 2001, day(2), Half::Am, 40);
        clinic::import(&folder, &file);
        staff::add(&folder, &["--account", "admin", "--role", "admin"]);
        let simulator = started();
        let clinic = start(&folder, &simulator);
        let admin = staff::logged_in(&clinic, "admin").await;
        Self { clinic, simulator, app: App::simulated(1), admin, folder }
    }

    /// With the account of the simulator.
    async fn configured() -> io::Result<Self> {
        let mut world = Self::fresh().await;
        let conf = world.conf();
        world.admin.post("wechat/conf", &conf).await?.done();
        Ok(world)
    }

    fn conf(&self) -> Value {
        json!({"app_id": self.app.app_id, "app_secret": self.app.secret, "auth_url": "127.0.0.1"})
    }

    fn origin(&self) -> String {
        format!("http://{}", self.clinic.address)
    }

    async fn anyone(&self) -> io::Result<Patient> {
        Patient::connect(self.clinic.address).await
    }

    fn calls(&self) -> (u64, u64) {
        (self.simulator.calls(Endpoint::StableToken), self.simulator.calls(Endpoint::Ticket))
    }

    /// Stops the server; nothing of WeChat's may be in its log or its files.
    fn end(self) {
        let log = self.clinic.log().join("\n");
        self.clinic.stop();
        let secrets = [self.app.secret.as_str(), KEY, TOKEN, "oSIM0001", "99_"];
        for secret in secrets {
            assert!(!log.contains(secret), "{secret} in the log");
            assert!(!holds(&self.folder.store(), secret.as_bytes()), "{secret} in the data folder");
        }
    }
}

fn start(folder: &Folder, simulator: &Simulator) -> Clinic {
    let url = simulator.url();
    let settings = [
        ("PATI_WECHAT__API_BASE", url.as_str()),
        ("PATI_WECHAT__OAUTH_BASE", &url),
        ("PATI_H5__BOOK_URL", "https://h5.example.cn/{tenant}/book"),
        ("PATI_H5__CHAT_URL", "https://h5.example.cn/chat?clinic={tenant}"),
    ];
    Clinic::start(folder, &settings)
}

/// Whether a file below `folder` holds these bytes. Sixteen bytes are no accident; `99_` leads every access token and
/// is looked for in the log only.
fn holds(folder: &std::path::Path, bytes: &[u8]) -> bool {
    if bytes.len() < 8 {
        return false;
    }
    std::fs::read_dir(folder).expect("readable").any(|entry| {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        std::fs::read(&path).expect("readable").windows(bytes.len()).any(|window| window == bytes)
    })
}

async fn sign(client: &mut Patient, url: &str) -> io::Result<Enveloped> {
    client.post("wx/jsapi/signature", &json!({"url": url})).await
}

/// Seen to fail when the mask was taken for the secret, and when the secret of another account was kept.
#[tokio::test]
async fn the_account_is_entered_and_shown_masked() -> io::Result<()> {
    let mut world = World::fresh().await;
    let empty = json!({"app_id": "", "app_secret": "", "auth_url": ""});
    assert_eq!(world.admin.get("wechat/conf").await?.data(), empty);
    world.admin.get("wechat/templates").await?.ruled_out("404003");
    sign(&mut world.anyone().await?, "http://127.0.0.1/").await?.ruled_out("404003");

    let conf = world.conf();
    world.admin.post("wechat/conf", &conf).await?.done();
    let shown = world.admin.get("wechat/conf").await?.data();
    shape::check(&shown, &json!({"app_id": "String", "app_secret": "String", "auth_url": "String"}));
    let masked = format!("****{}", &world.app.secret[28..]);
    assert_eq!(shown, json!({"app_id": world.app.app_id, "app_secret": masked, "auth_url": "127.0.0.1"}));
    // What was shown can be posted again.
    world.admin.post("wechat/conf", &shown).await?.done();
    world.admin.get("wechat/templates").await?.data();
    assert_eq!(world.calls(), (1, 0));

    let mut other = shown.clone();
    other["app_id"] = json!("wx5100000000000002");
    world.admin.post("wechat/conf", &other).await?.refused(400, "0001");
    for (name, wrong) in [("app_id", "123"), ("app_secret", "****"), ("auth_url", "ftp://a.cn")] {
        let mut conf = conf.clone();
        conf[name] = json!(wrong);
        world.admin.post("wechat/conf", &conf).await?.refused(400, "0001");
        conf.as_object_mut().expect("an object").remove(name);
        world.admin.post("wechat/conf", &conf).await?.refused(400, "0001");
    }
    let trail = world.admin.get("manager_service/audit?action=wechat_conf_changed").await?.data();
    assert_eq!(trail["total"], 1, "the repeat has changed nothing");
    world.end();
    Ok(())
}

/// Seen to fail when the token of the former account was not dropped with it.
#[tokio::test]
async fn another_secret_drops_the_token() -> io::Result<()> {
    let mut world = World::configured().await?;
    world.admin.get("wechat/templates").await?.data();
    let other = App { secret: "0123456789abcdef0123456789abcdef".to_owned(), ..world.app.clone() };
    world.simulator.add_app(other.clone());
    world.app = other;
    let conf = world.conf();
    world.admin.post("wechat/conf", &conf).await?.done();
    world.admin.get("wechat/templates").await?.data();
    assert_eq!((world.calls().0, world.simulator.calls(Endpoint::Templates)), (2, 2));
    // A wrong secret is WeChat's to refuse, and its errcode stays inside.
    let wrong = json!({"app_id": world.app.app_id, "app_secret": "f".repeat(32), "auth_url": "127.0.0.1"});
    world.admin.post("wechat/conf", &wrong).await?.done();
    world.admin.get("wechat/templates").await?.ruled_out("404007");
    assert!(world.clinic.has_logged("WeChat refused a call"));
    world.end();
    Ok(())
}

/// Seen to fail when each caller fetched a token.
#[tokio::test]
async fn a_hundred_callers_fetch_one_token_and_a_restart_none() -> io::Result<()> {
    let world = World::configured().await?;
    world.simulator.script(Endpoint::StableToken, Answer::Delay(Duration::from_millis(300)));
    let page = format!("{}/h5/book?a=1", world.origin());
    let callers = (0..100).map(|_| async {
        let mut client = world.anyone().await?;
        Ok::<_, io::Error>(sign(&mut client, &page).await?.data())
    });
    let answers = join_all(callers).await;
    assert_eq!(answers.len(), 100);
    for answer in answers {
        let answer = answer?;
        let text = |name: &str| answer[name].as_str().expect("a text");
        let given = PageSignature {
            nonce: text("nonceStr"),
            timestamp: text("timestamp"),
            url: text("url"),
            signature: text("signature"),
        };
        assert_eq!(world.simulator.check_page_signature(text("appId"), &given), Ok(()));
    }
    assert_eq!(world.calls(), (1, 1));

    let World { clinic, simulator, app, folder, .. } = world;
    clinic.stop();
    let clinic = start(&folder, &simulator);
    let admin = staff::logged_in(&clinic, "admin").await;
    let mut world = World { clinic, simulator, app, admin, folder };
    sign(&mut world.anyone().await?, "http://127.0.0.1/").await?.data();
    world.admin.get("wechat/templates").await?.data();
    assert_eq!(world.calls(), (1, 1));
    world.end();
    Ok(())
}

/// Seen to fail when the URL was put together again from its parts, and when a page was known by the start of its
/// host.
#[tokio::test]
async fn pages_of_the_clinic_are_signed_as_they_are() -> io::Result<()> {
    let world = World::configured().await?;
    let mut client = world.anyone().await?;
    for (page, signed) in [
        ("http://127.0.0.1?params=value", "http://127.0.0.1?params=value"),
        ("http://127.0.0.1:8080/a%2fb/#/route?x#y", "http://127.0.0.1:8080/a%2fb/"),
        ("https://127.0.0.1/你好", "https://127.0.0.1/你好"),
    ] {
        let answer = sign(&mut client, page).await?.data();
        let text = json!("String");
        let keys =
            json!({"appId": text, "nonceStr": text, "timestamp": text, "url": text, "signature": text});
        shape::check(&answer, &keys);
        assert_eq!(answer["url"], signed);
        let text = |name: &str| answer[name].as_str().expect("a text");
        let (nonce, timestamp) = (text("nonceStr"), text("timestamp"));
        let given = PageSignature { nonce, timestamp, url: signed, signature: text("signature") };
        assert_eq!(world.simulator.check_page_signature(&world.app.app_id, &given), Ok(()));
    }
    for page in
        ["http://evil.test/", "http://127.0.0.1.evil.test/", "http://127.0.0.1@evil.test/", "nonsense"]
    {
        sign(&mut client, page).await?.ruled_out("404004");
    }
    sign(&mut client, &format!("http://127.0.0.1/{}", "a".repeat(3_000))).await?.refused(400, "0001");
    sign(&mut client, "").await?.refused(400, "0001");
    world.end();
    Ok(())
}

/// Seen to fail when an errcode in a reply with HTTP status 200 was passed over.
#[tokio::test]
async fn templates_come_from_wechat_and_are_chosen_by_type() -> io::Result<()> {
    let mut world = World::configured().await?;
    world.simulator.script(Endpoint::Templates, Answer::errcode(40_001));
    let listed = world.admin.get("wechat/templates").await?.data();
    assert_eq!(world.simulator.calls(Endpoint::Templates), 2);
    let text = json!("String");
    let row = json!({"templateId": text, "title": text, "primaryIndustry": text, "deputyIndustry": text,
        "content": text, "example": text});
    for template in listed["templateList"].as_array().expect("a list") {
        shape::check(template, &row);
    }
    assert_eq!(listed["templateList"][0]["templateId"], world.app.templates[0].template_id);
    assert_eq!(listed["templateList"][0]["content"], world.app.templates[0].content);
    for answer in [Answer::errcode(48_001), Answer::errcode(45_009)] {
        world.simulator.script(Endpoint::Templates, answer);
        world.admin.get("wechat/templates").await?.ruled_out("404007");
    }
    for answer in [Answer::errcode(-1), Answer::Garbage] {
        world.simulator.script(Endpoint::Templates, answer);
        world.admin.get("wechat/templates").await?.refused(502, "0502");
    }

    assert_eq!(world.admin.get("wechat/template_id").await?.data(), json!([]));
    for (kind, id) in [(6, "six"), (0, "zero"), (1, "one"), (1, "one-again")] {
        let body = json!({"wech_temp_type": kind, "wech_temp_id": id});
        world.admin.post("wechat/template_id", &body).await?.done();
    }
    let chosen = json!([
        {"wech_temp_type": 0, "wech_temp_id": "zero"},
        {"wech_temp_type": 1, "wech_temp_id": "one-again"},
        {"wech_temp_type": 6, "wech_temp_id": "six"},
    ]);
    assert_eq!(world.admin.get("wechat/template_id").await?.data(), chosen);
    for (kind, id) in [(7, "a"), (-1, "a"), (1, ""), (1, "a b"), (1, &"a".repeat(65))] {
        let body = json!({"wech_temp_type": kind, "wech_temp_id": id});
        world.admin.post("wechat/template_id", &body).await?.refused(400, "0001");
    }
    world.end();
    Ok(())
}

#[tokio::test]
async fn the_menu_leads_to_the_clinics_pages() -> io::Result<()> {
    let mut world = World::fresh().await;
    let urls = json!({
        "book_url": "https://h5.example.cn/1/book", "personal_center_url": "",
        "chat_url": "https://h5.example.cn/chat?clinic=1"
    });
    let mut patient = Patient::registered(&world.clinic, 1).await;
    assert_eq!(patient.get("wechat/menu_url").await?.data(), urls);
    assert_eq!(world.admin.get("wechat/menu_url").await?.data(), urls);
    world.end();
    Ok(())
}

impl World {
    async fn upload(&mut self, kind: &str, body: &str) -> io::Result<Enveloped> {
        let token = self.admin.token().to_owned();
        let headers = [("token", token.as_str()), ("Content-Type", kind)];
        let request = wire::bare("POST", "/pati_service/wechat/auth_file/upload", &headers, body);
        Enveloped::of(self.admin.raw(&request).await?)
    }

    async fn upload_form(&mut self, name: &str, content: &str) -> io::Result<Enveloped> {
        let body = format!(
            "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x\r\nContent-Disposition: form-data; \
             name=\"file\"; filename=\"{name}\"\r\nContent-Type: text/plain\r\n\r\n{content}\r\n--x--\r\n"
        );
        self.upload("multipart/form-data; boundary=x", &body).await
    }
}

/// Seen to fail when the name was not compared with the content.
#[tokio::test]
async fn the_file_of_the_domain_is_at_the_root() -> io::Result<()> {
    let mut world = World::fresh().await;
    let name = format!("MP_verify_{FILE}.txt");
    world.admin.get("wechat/auth_file/download").await?.refused(404, "0404");
    world.simulator.verify_domain(&world.origin(), &name).await.expect_err("not there yet");

    world.upload_form(&name, FILE).await?.done();
    world.simulator.verify_domain(&world.origin(), &name).await.expect("there");
    let token = world.admin.token().to_owned();
    let download = wire::get("/pati_service/wechat/auth_file/download", &[("token", &token)]);
    let file = world.admin.raw(&download).await?;
    assert_eq!((file.status, file.body.as_slice()), (200, FILE.as_bytes()));
    assert!(file.header("content-disposition").expect("a name").contains(&name));

    let raw = "0123456789abcdef";
    world.upload("text/plain", &format!("{raw}\n")).await?.done();
    world.simulator.verify_domain(&world.origin(), &format!("MP_verify_{raw}.txt")).await.expect("there");
    world.simulator.verify_domain(&world.origin(), &name).await.expect_err("replaced");

    for (name, content) in [
        ("MP_verify_abcdEFGH12345679.txt", FILE),
        ("../MP_verify_abcdEFGH12345678.txt", FILE),
        ("MP_verify_abcdEFGH12345678.html", FILE),
        ("MP_verify_abcd.txt", "abcd"),
    ] {
        world.upload_form(name, content).await?.refused(400, "0001");
    }
    world.upload("text/plain", "<script>alert(1)</script>").await?.refused(400, "0001");
    world.upload("multipart/form-data; boundary=x", "--x--\r\n").await?.refused(400, "0001");
    world.end();
    Ok(())
}

impl World {
    /// Goes to WeChat and comes back: the code and the state.
    async fn authorised(&self, patient: &mut Patient) -> io::Result<(String, String)> {
        let back = format!("{}/h5/me", self.origin());
        let begun = patient.get(&format!("wechat/oauth/url?redirect_uri={back}")).await?.data();
        shape::check(&begun, &json!({"url": "String", "state": "String"}));
        let url = begun["url"].as_str().expect("a URL").to_owned();
        let (target, fragment) = url.split_once('#').expect("a fragment");
        assert_eq!(fragment, "wechat_redirect");
        let target =
            target.strip_prefix(&self.simulator.url()).expect("the page of the simulator").to_owned();
        let mut browser = wire::Connection::open(self.simulator.address()).await?;
        let reply = browser.send(&wire::get(&target, &[])).await?;
        let place = reply.header("location").expect("sent back").to_owned();
        let query = place.strip_prefix(&format!("{back}?")).expect("to the page").to_owned();
        let (code, state) = query.split_once('&').expect("two parameters");
        let value = |pair: &str| pair.split_once('=').expect("a value").1.to_owned();
        let (code, state) = (value(code), value(state));
        assert_eq!(begun["state"], state.as_str());
        Ok((code, state))
    }
}

async fn oauth_login(patient: &mut Patient, (code, state): &(String, String)) -> io::Result<Enveloped> {
    patient.post("wechat/oauth/login", &json!({"code": code, "state": state})).await
}

/// Seen to fail when a state was taken from another account, when it went with a second code, and when the repeat of a
/// code was asked of WeChat again.
#[tokio::test]
async fn an_account_learns_who_it_is_to_wechat() -> io::Result<()> {
    let world = World::configured().await?;
    let mut patient = Patient::registered(&world.clinic, 1).await;
    let mut other = Patient::registered(&world.clinic, 2).await;
    let [first, second] = [0, 1].map(|index| world.app.people[index].open_id.clone());
    let proof = world.authorised(&mut patient).await?;
    assert!(proof.1.len() <= 128 && proof.1.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    world.authorised(&mut other).await?;
    oauth_login(&mut other, &proof).await?.ruled_out("404005");
    let bound = oauth_login(&mut patient, &proof).await?.data();
    assert_eq!(bound, json!({"open_id": first}));
    // WeChat opens the page twice now and then.
    assert_eq!(oauth_login(&mut patient, &proof).await?.data(), bound);
    assert_eq!(world.simulator.calls(Endpoint::OauthToken), 1);

    // The state is used up, whatever code comes with it.
    let code = world.simulator.code_for(&world.app.app_id, &second).expect("a code");
    oauth_login(&mut patient, &(code, proof.1.clone())).await?.ruled_out("404005");
    let fresh = world.authorised(&mut patient).await?;
    oauth_login(&mut patient, &(proof.0.clone(), fresh.1)).await?.ruled_out("404005");
    let fresh = world.authorised(&mut patient).await?;
    oauth_login(&mut patient, &("nonsense".to_owned(), fresh.1)).await?.ruled_out("404005");

    // Another person, and the same person with another account.
    world.simulator.visit_as(&world.app.app_id, &second);
    let proof = world.authorised(&mut other).await?;
    assert_eq!(oauth_login(&mut other, &proof).await?.data(), json!({"open_id": second}));
    world.simulator.visit_as(&world.app.app_id, &first);
    let proof = world.authorised(&mut other).await?;
    assert_eq!(oauth_login(&mut other, &proof).await?.data(), json!({"open_id": first}));
    // Closing the account needs what is known of its open id to be consistent.
    other.close_account(PASSWORD).await?.done();
    let proof = world.authorised(&mut patient).await?;
    assert_eq!(oauth_login(&mut patient, &proof).await?.data(), json!({"open_id": first}));

    let unreal = Person { snapshot: true, ..Person::follower("oSIM0001-patient-00000000003") };
    world.simulator.change_app(&world.app.app_id, |app| app.people.push(unreal.clone()));
    world.simulator.visit_as(&world.app.app_id, &unreal.open_id);
    let proof = world.authorised(&mut patient).await?;
    oauth_login(&mut patient, &proof).await?.ruled_out("404006");
    patient.get("wechat/oauth/url?redirect_uri=http://evil.test/").await?.ruled_out("404004");
    world.end();
    Ok(())
}

impl World {
    async fn enter_callback(&mut self, mode: CallbackMode) -> io::Result<()> {
        let key = match &mode {
            CallbackMode::Plain => None,
            CallbackMode::Compatible(key) | CallbackMode::Safe(key) => Some(key.clone()),
        };
        let mut body = json!({"token": TOKEN});
        if let Some(key) = &key {
            body["encoding_aes_key"] = json!(key);
        }
        self.admin.post("wechat/callback_conf", &body).await?.done();
        let url = format!("{}/pati_service/wechat/callback/1", self.origin());
        self.simulator.set_callback(&self.app.app_id, Callback { url, token: TOKEN.to_owned(), mode });
        Ok(())
    }

    /// Whether everything that WeChat has to tell is taken.
    async fn all_taken(&self) -> bool {
        let delivered = self.simulator.deliver_due().await;
        assert!(!delivered.is_empty());
        delivered.iter().all(|delivery| delivery.accepted)
    }
}

/// Seen to fail when the signature of an encrypted message was not compared.
#[tokio::test]
async fn wechat_calls_and_is_believed_when_it_has_signed() -> io::Result<()> {
    let mut world = World::configured().await?;
    let nothing = world.admin.get("wechat/callback_conf").await?.data();
    assert_eq!((&nothing["token"], &nothing["encoding_aes_key"]), (&json!(""), &json!("")));
    let open_id = world.app.people[0].open_id.clone();
    for mode in
        [CallbackMode::Plain, CallbackMode::Compatible(KEY.to_owned()), CallbackMode::Safe(KEY.to_owned())]
    {
        let is_plain = matches!(mode, CallbackMode::Plain);
        world.enter_callback(mode).await?;
        world.simulator.verify_callback(&world.app.app_id).await.expect("verified");
        for follows in [false, true] {
            assert!(world.simulator.follow(&world.app.app_id, &open_id, follows));
            assert!(world.all_taken().await);
        }
        world.simulator.twist_event(Twist::WrongSignature);
        assert!(world.simulator.follow(&world.app.app_id, &open_id, false));
        assert!(!world.all_taken().await, "plain: {is_plain}");
    }
    let shown = world.admin.get("wechat/callback_conf").await?.data();
    shape::check(&shown, &json!({"url": "String", "token": "String", "encoding_aes_key": "String"}));
    assert_eq!((&shown["token"], &shown["encoding_aes_key"]), (&json!("****ken1"), &json!("****DEFG")));
    world.admin.post("wechat/callback_conf", &shown).await?.done();
    world
        .simulator
        .verify_callback(&world.app.app_id)
        .await
        .expect("the masks have left the secrets as they are");
    for wrong in
        [json!({"token": "ab"}), json!({"token": "a b c"}), json!({"token": "abc", "encoding_aes_key": "x"})]
    {
        world.admin.post("wechat/callback_conf", &wrong).await?.refused(400, "0001");
    }

    let mut stranger = world.anyone().await?;
    let target = "wechat/callback/1?signature=f21891de399b4e33a1a93c9a7b8a8fffb5a443ff&timestamp=1410685589&nonce=test";
    stranger.get(&format!("{target}&echostr=1")).await?.refused(403, "0403");
    stranger.get("wechat/callback/77?signature=a&timestamp=1&nonce=1&echostr=1").await?.refused(404, "0404");
    world.end();
    Ok(())
}

/// T13: seen to fail when a caller waited for the flight of another beyond its own deadline.
#[tokio::test]
async fn a_hanging_wechat_costs_its_callers_five_seconds_and_bookings_nothing() -> io::Result<()> {
    let world = World::configured().await?;
    let mut patient = Patient::registered(&world.clinic, 1).await;
    let member = patient.add_member(1).await;
    world.simulator.script_always(Endpoint::StableToken, Answer::Hang);
    let hanging = async {
        let callers = (0..30).map(|_| async {
            let mut client = world.anyone().await?;
            let begun = Instant::now();
            sign(&mut client, "http://127.0.0.1/").await?.refused(502, "0502");
            Ok::<_, io::Error>((begun.elapsed(), Instant::now()))
        });
        join_all(callers).await
    };
    let booking = async {
        for serial in 1..=10 {
            let booked = patient.submit(SCHEDULE, serial, &member).await?.data();
            patient.cancel(booked["bookId"].as_str().expect("an id")).await?.done();
        }
        Ok::<_, io::Error>(Instant::now())
    };
    let (waits, booked) = tokio::join!(hanging, booking);
    let booked = booked?;
    for wait in waits {
        let (wait, refused) = wait?;
        // Waiting for two flights, one after the other, would take twice as long.
        assert!(wait < Duration::from_millis(9_500), "{wait:?}");
        assert!(booked < refused, "the bookings were made while everybody else was still waiting");
    }
    let asked = world.simulator.calls(Endpoint::StableToken);
    sign(&mut world.anyone().await?, "http://127.0.0.1/").await?.refused(502, "0502");
    assert_eq!(world.simulator.calls(Endpoint::StableToken), asked, "nothing is asked for a while");
    world.simulator.clear_scripts();
    world.simulator.release_hanging();
    world.end();
    Ok(())
}
