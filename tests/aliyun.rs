//! Aliyun as it really answers: texts through its SMS service, and pictures in a bucket of its object store. The simulator
//! checks signatures and policies with code of its own.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::clinic::Clinic;
use harness::folder::Folder;
use harness::patients::{PASSWORD, Patient};
use harness::people;
use harness::wire::{Connection, Reply};
use pati_service::pictures::AccessKey;
use serde_json::{Value, json};
use simulator::{Answer, Bucket, Clock, Endpoint, Options, Simulator, SmsAccount};
use tokio::time::timeout;

mod harness;

fn simulator() -> Simulator {
    Simulator::start(Options::default()).expect("the simulator starts")
}

/// Settings for Aliyun's texts, without the secret.
fn texting(aliyun: &Simulator) -> Vec<(&'static str, String)> {
    let account = SmsAccount::simulated();
    let template = |at: usize| account.templates[at].0.clone();
    vec![
        ("PATI_SMS__PROVIDER", "aliyun".to_owned()),
        ("PATI_SMS__ENDPOINT", aliyun.url()),
        ("PATI_SMS__ACCESS_KEY_ID", account.access_key_id.clone()),
        ("PATI_SMS__SIGN_NAME", account.sign_name.clone()),
        ("PATI_SMS__TEMPLATE_REGISTER", template(0)),
        ("PATI_SMS__TEMPLATE_RESET", template(1)),
        ("PATI_SMS__TEMPLATE_LEAVE_PHONE", template(2)),
        ("PATI_SMS__TEMPLATE_TAKE_PHONE", template(3)),
        ("PATI_SMS__TEMPLATE_ALREADY_REGISTERED", template(4)),
        ("PATI_SMS__TEMPLATE_NO_ACCOUNT", template(5)),
    ]
}

fn start(folder: &Folder, settings: &[(&'static str, String)], more: &[(&str, &str)]) -> Clinic {
    let secret = SmsAccount::simulated().access_key_secret;
    let mut all = vec![("PATI_SMS__ACCESS_KEY_SECRET", secret.as_str())];
    all.extend(settings.iter().map(|(name, value)| (*name, value.as_str())));
    all.extend_from_slice(more);
    let clinic = Clinic::start(folder, &all);
    assert!(!clinic.log().join("\n").contains(&secret));
    clinic
}

/// Waits for a text in the log, which comes on another way than the reply.
async fn logged_soon(clinic: &Clinic, text: &str) {
    let waiting = async {
        while !clinic.log().join("\n").contains(text) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(30), waiting).await.unwrap_or_else(|_| panic!("{text} was never logged"));
}

/// The code of the last text.
fn last_code(aliyun: &Simulator) -> String {
    aliyun.sms().last().expect("a text").code.clone().expect("a code")
}

/// Seen to fail when another template was named.
#[tokio::test]
async fn every_text_is_sent_by_its_template() -> io::Result<()> {
    let (folder, aliyun) = (Folder::new(), simulator());
    let clinic = start(&folder, &texting(&aliyun), &[]);
    let mut patient = Patient::connect(clinic.address).await?;
    let known = people::phone(1);
    patient.register_code(&known).await?.data();
    let registered = patient.register(&known, &last_code(&aliyun), PASSWORD).await?.data();
    // Aliyun takes one text a minute to a phone; this test is about other things.
    let (other, third) = (people::phone(2), people::phone(3));
    patient.use_token(registered["token"].as_str().expect("a token"));
    patient.code_for_taking(&other).await?.data();
    patient.reset_code(&third).await?.data();
    let sent: Vec<_> =
        aliyun.sms().into_iter().map(|text| (text.phone, text.template, text.code.is_some())).collect();
    let text = |phone: &str, template: &str, has_code| (phone.to_owned(), template.to_owned(), has_code);
    assert_eq!(
        sent,
        [
            text(&known, "SMS_51000001", true),
            text(&other, "SMS_51000004", true),
            text(&third, "SMS_51000006", false)
        ]
    );
    let calls = aliyun.received();
    assert!(calls.iter().all(|call| (call.method.as_str(), call.status) == ("POST", 200)), "{calls:?}");
    Ok(())
}

/// Seen to fail when the answer was taken for a failure like any other.
#[tokio::test]
async fn a_limit_of_aliyun_is_answered_like_ours() -> io::Result<()> {
    let (folder, aliyun) = (Folder::new(), simulator());
    let clinic = start(&folder, &texting(&aliyun), &[("PATI_SMS__PER_PHONE_PER_DAY", "5")]);
    let mut patient = Patient::connect(clinic.address).await?;
    let phone = people::phone(1);
    let limit = |message: &str| {
        let answer = json!({"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": message, "RequestId": "R"});
        aliyun.script(Endpoint::AliyunSms, Answer::Http(200, answer.to_string()));
    };
    for (message, wait) in [
        ("触发分钟级流控Permits:1", "60"),
        ("触发小时级流控Permits:5", "3600"),
        ("触发天级流控Permits:10", "86400"),
    ] {
        limit(message);
        let answer = patient.register_code(&phone).await?;
        answer.refused(429, "0429");
        assert_eq!(answer.reply.header("Retry-After"), Some(wait));
    }
    // Of itself the service takes one, and refuses the next within the minute.
    patient.register_code(&phone).await?.data();
    patient.register_code(&phone).await?.refused(429, "0429");
    assert_eq!(aliyun.calls(Endpoint::AliyunSms), 5);
    // All five have reached it, so our own limit holds now.
    patient.register_code(&phone).await?.refused(429, "0429");
    assert_eq!(aliyun.calls(Endpoint::AliyunSms), 5);
    Ok(())
}

/// Seen to fail when HTTP 200 alone was taken for success.
#[tokio::test]
async fn what_aliyun_refuses_is_told_to_the_operator_only() -> io::Result<()> {
    let (folder, aliyun) = (Folder::new(), simulator());
    let clinic = start(&folder, &texting(&aliyun), &[]);
    let mut patient = Patient::connect(clinic.address).await?;
    let phone = people::phone(1);
    let failure = |code: &str| json!({"Code": code, "Message": phone, "RequestId": "R"}).to_string();
    for (answer, logged) in [
        (Answer::Http(200, failure("isv.AMOUNT_NOT_ENOUGH")), "isv.AMOUNT_NOT_ENOUGH"),
        (Answer::Http(200, failure("isv.DAY_LIMIT_CONTROL")), "isv.DAY_LIMIT_CONTROL"),
        (Answer::Http(400, failure("Throttling.User")), "Throttling.User"),
        (Answer::Http(200, failure(&format!("{phone}<x y\u{0}>\n"))), "refused: xy"),
        (Answer::Http(503, String::new()), "HTTP status 503"),
        (Answer::Garbage, "did not answer"),
        (Answer::Reset, "did not answer"),
    ] {
        let calls = aliyun.calls(Endpoint::AliyunSms);
        aliyun.script(Endpoint::AliyunSms, answer);
        patient.register_code(&phone).await?.refused(502, "0502");
        assert_eq!(aliyun.calls(Endpoint::AliyunSms), calls + 1, "asked once: {logged}");
        logged_soon(&clinic, logged).await;
    }
    assert!(aliyun.sms().is_empty());
    Ok(())
}

/// Seen to fail when it was not counted.
#[tokio::test]
async fn a_text_that_may_have_been_sent_is_counted_and_its_code_works() -> io::Result<()> {
    let (folder, aliyun) = (Folder::new(), simulator());
    let clinic = start(&folder, &texting(&aliyun), &[("PATI_SMS__PER_PHONE_PER_DAY", "1")]);
    let mut patient = Patient::connect(clinic.address).await?;
    for (n, lost) in [(1, Answer::DoneThenReset), (2, Answer::DoneThenHang)] {
        let phone = people::phone(n);
        aliyun.script(Endpoint::AliyunSms, lost);
        patient.register_code(&phone).await?.refused(502, "0502");
        patient.register_code(&phone).await?.refused(429, "0429");
        assert_eq!(aliyun.calls(Endpoint::AliyunSms), n as u64);
        patient.register(&phone, &last_code(&aliyun), PASSWORD).await?.data();
    }
    Ok(())
}

/// Seen to fail when the file was not looked for.
#[tokio::test]
async fn the_secret_is_in_the_environment_or_in_a_file() -> io::Result<()> {
    let (folder, aliyun) = (Folder::new(), simulator());
    let settings = texting(&aliyun);
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let log = Clinic::try_start(&folder, &settings).err().expect("no secret");
    assert!(log.contains("PATI_SMS__ACCESS_KEY_SECRET") && log.contains("sms_access_key_secret"), "{log}");

    let path = folder.store().join("keys/sms_access_key_secret");
    for (n, secret, taken) in
        [(1, "another".to_owned(), false), (2, SmsAccount::simulated().access_key_secret, true)]
    {
        fs::write(&path, &secret)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let clinic = Clinic::start(&folder, &settings);
        let mut patient = Patient::connect(clinic.address).await?;
        let answer = patient.register_code(&people::phone(n)).await?;
        if taken {
            answer.data();
        } else {
            answer.refused(502, "0502");
            logged_soon(&clinic, "SignatureDoesNotMatch").await;
        }
        assert!(!clinic.log().join("\n").contains(&secret));
        clinic.stop();
    }
    Ok(())
}

/// A form as a page sends it, with the file at its end.
#[derive(Clone)]
struct Form {
    host: String,
    content_type: String,
    fields: Vec<(String, String)>,
    file: Vec<u8>,
}

impl Form {
    /// What `upload_picture` permits.
    fn of(permit: &Value) -> Self {
        let text = |name: &str| permit[name].as_str().expect("a text").to_owned();
        let host = text("url").replace("http://", "").trim_end_matches('/').to_owned();
        let fields = [
            ("OSSAccessKeyId", text("OSS_access_key_id")),
            ("policy", text("policy")),
            ("Signature", text("signature")),
            ("key", text("key")),
            ("Content-Type", "image/png".to_owned()),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Self {
            host,
            content_type: "multipart/form-data; boundary=bound".to_owned(),
            fields,
            file: b"a picture".to_vec(),
        }
    }

    fn set(&self, name: &str, value: &str) -> Self {
        let mut changed = self.without(name);
        changed.fields.push((name.to_owned(), value.to_owned()));
        changed
    }

    fn without(&self, name: &str) -> Self {
        let mut changed = self.clone();
        changed.fields.retain(|(known, _)| known != name);
        changed
    }

    fn holding(&self, bytes: &[u8]) -> Self {
        Self { file: bytes.to_vec(), ..self.clone() }
    }

    /// With another policy, signed as the account of the bucket signs.
    fn with_policy(&self, policy: &str) -> Self {
        let bucket = Bucket::simulated();
        let policy = STANDARD.encode(policy);
        let key = AccessKey::new(bucket.access_key_id, bucket.access_key_secret.as_bytes());
        self.set("policy", &policy).set("Signature", &key.sign(&policy))
    }

    fn policy(&self) -> Value {
        let (_, policy) = self.fields.iter().find(|(name, _)| name == "policy").expect("a policy");
        serde_json::from_slice(&STANDARD.decode(policy).expect("base64")).expect("JSON")
    }

    async fn post(&self, aliyun: &Simulator) -> io::Result<Reply> {
        let mut body = String::new();
        for (name, value) in &self.fields {
            body += &format!("--bound\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        body += "--bound\r\nContent-Disposition: form-data; name=\"file\"; filename=\"me.png\"\r\n";
        let mut body = (body + "Content-Type: image/png\r\n\r\n").into_bytes();
        body.extend_from_slice(&self.file);
        body.extend_from_slice(b"\r\n--bound--\r\n");
        let head =
            format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: {}\r\n", self.host, self.content_type);
        let mut request = format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        request.extend_from_slice(&body);
        Connection::open(aliyun.address()).await?.send(&request).await
    }
}

/// Checks that the bucket refused in XML.
#[track_caller]
fn refused(reply: &Reply, http: u16, code: &str, message: &str) {
    let text = String::from_utf8_lossy(&reply.body);
    assert_eq!(reply.status, http, "{text}");
    assert_eq!(reply.header("content-type"), Some("application/xml"));
    assert!(text.contains(&format!("<Code>{code}</Code>")) && text.contains(message), "{text}");
    let id = reply.header("x-oss-request-id").expect("an id");
    assert!(text.contains(&format!("<RequestId>{id}</RequestId>")), "{text}");
}

/// A server whose pictures lie in the simulated bucket, and what it permits.
async fn permitted(folder: &Folder, aliyun: &Simulator) -> io::Result<(Clinic, Form)> {
    let (bucket, endpoint) = (Bucket::simulated(), aliyun.oss_url());
    let settings = [
        ("PATI_OSS__PROVIDER", "aliyun"),
        ("PATI_OSS__ENDPOINT", endpoint.as_str()),
        ("PATI_OSS__BUCKET", bucket.name.as_str()),
        ("PATI_OSS__ACCESS_KEY_ID", bucket.access_key_id.as_str()),
        ("PATI_OSS__ACCESS_KEY_SECRET", bucket.access_key_secret.as_str()),
        ("PATI_OSS__MAX_BYTES", "1000"),
    ];
    let clinic = Clinic::start(folder, &settings);
    let mut patient = Patient::registered(&clinic, 1).await;
    let body = json!({"file_extension": "png", "file_type": "image/png"});
    let permit = patient.post("patient_service/myinfo/upload_picture", &body).await?.data();
    Ok((clinic, Form::of(&permit)))
}

/// Seen to fail when the policy permitted files twice as large.
#[tokio::test]
async fn what_is_permitted_is_taken_and_nothing_else() -> io::Result<()> {
    let (folder, aliyun) = (Folder::new(), simulator());
    let (_clinic, form) = permitted(&folder, &aliyun).await?;
    let failed = "Invalid according to Policy: Policy Condition failed: ";
    for (changed, code, message) in [
        (
            form.set("key", "avatar/1/another.png"),
            "AccessDenied",
            format!("{failed}[&quot;eq&quot;, &quot;$key&quot;, "),
        ),
        (
            form.set("Content-Type", "text/html"),
            "AccessDenied",
            format!("{failed}[&quot;eq&quot;, &quot;$content-type&quot;, "),
        ),
        (form.without("Content-Type"), "AccessDenied", failed.to_owned()),
        (
            form.set("Signature", "ZdrRcjBJIa/+MCsQLR3hGnGnxek="),
            "SignatureDoesNotMatch",
            "<StringToSign>".to_owned(),
        ),
        (form.set("OSSAccessKeyId", "another"), "InvalidAccessKeyId", String::new()),
        (
            form.without("OSSAccessKeyId").without("policy").without("Signature"),
            "AccessDenied",
            "Anonymous".to_owned(),
        ),
    ] {
        refused(&changed.post(&aliyun).await?, 403, code, &message);
    }
    let mut policy = form.policy();
    policy["conditions"][0] = json!({"bucket": "another"});
    refused(&form.with_policy(&policy.to_string()).post(&aliyun).await?, 403, "AccessDenied", failed);
    for (changed, code) in [
        (form.holding(&[0; 1001]), "EntityTooLarge"),
        (form.holding(b""), "EntityTooSmall"),
        (form.without("Signature"), "InvalidArgument"),
        (form.without("key"), "InvalidArgument"),
        (form.with_policy("no JSON"), "InvalidPolicyDocument"),
        (form.with_policy(r#"{"expiration":"soon","conditions":[]}"#), "InvalidPolicyDocument"),
        (form.with_policy(r#"{"expiration":"2999-01-01T00:00:00.000Z"}"#), "InvalidPolicyDocument"),
        (
            Form { content_type: "application/json".to_owned(), ..form.clone() },
            "RequestIsNotMultiPartContent",
        ),
        (
            Form { content_type: "multipart/form-data; boundary=other".to_owned(), ..form.clone() },
            "MalformedPOSTRequest",
        ),
        (form.set("file", "a second one"), "IncorrectNumberOfFilesInPOSTRequest"),
    ] {
        refused(&changed.post(&aliyun).await?, 400, code, "");
    }
    assert!(aliyun.objects().is_empty());

    assert_eq!(form.post(&aliyun).await?.status, 204);
    assert_eq!(form.set("success_action_status", "200").holding(&[1; 1000]).post(&aliyun).await?.status, 200);
    let [object] = &aliyun.objects()[..] else { panic!("{:?}", aliyun.objects()) };
    assert_eq!((object.content_type.as_str(), object.bytes.len()), ("image/png", 1000));
    Ok(())
}

/// Seen to fail when a permission lasted a day.
#[tokio::test]
async fn a_permission_ends() -> io::Result<()> {
    let folder = Folder::new();
    let (clock, hand) = Clock::by_hand(jiff::Timestamp::now());
    let aliyun = Simulator::start(Options { clock, ..Options::default() }).expect("the simulator starts");
    let (_clinic, form) = permitted(&folder, &aliyun).await?;
    assert_eq!(form.post(&aliyun).await?.status, 204);
    hand.advance_secs(10 * 60);
    let expired = "Invalid according to Policy: Policy expired.";
    refused(&form.post(&aliyun).await?, 403, "AccessDenied", expired);
    Ok(())
}
