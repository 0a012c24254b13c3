//! Passwords, the consent and the phone of an account, and what becomes of the same request many times at once (T12).

use std::io;

use harness::clinic::Clinic;
use harness::folder::Folder;
use harness::patients::{Answer, PASSWORD, Patient};
use harness::people;
use serde_json::{Value, json};

mod harness;

const OTHER_PASSWORD: &str = "another horse 9";

/// Seen to fail when registering, resetting or changing, each by itself, took a weak password.
#[tokio::test]
async fn a_password_that_is_tried_first_is_refused() -> io::Result<()> {
    let folder = Folder::new();
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = Patient::connect(clinic.address).await?;
    let phone = people::phone(1);
    patient.register_code(&phone).await?.done();
    let code = clinic.code_for(&phone);
    for weak in ["12345678", "PassWord", "woaini1314", &phone] {
        patient.register(&phone, &code, weak).await?.ruled_out("400006");
    }
    let answer = patient.register(&phone, &code, PASSWORD).await?.data();
    patient.use_token(answer["token"].as_str().expect("a token"));
    patient.change_password("wrong horse 9", "12345678").await?.ruled_out("400005");
    patient.change_password(PASSWORD, "88888888").await?.ruled_out("400006");
    patient.change_password(PASSWORD, &phone).await?.ruled_out("400006");
    patient.reset_code(&phone).await?.done();
    let code = clinic.code_for(&phone);
    patient.reset_password(&phone, &code, "5201314520").await?.ruled_out("400006");
    patient.reset_password(&phone, &code, OTHER_PASSWORD).await?.done();
    Ok(())
}

/// Seen to fail when a password was stored as it was typed.
#[tokio::test]
async fn a_password_is_the_same_typed_on_another_keyboard() -> io::Result<()> {
    let folder = Folder::new();
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = Patient::connect(clinic.address).await?;
    let phone = people::phone(1);
    patient.register_code(&phone).await?.done();
    let code = clinic.code_for(&phone);
    patient.register(&phone, &code, "caf\u{e9} 密码12").await?.data();
    patient.login(&phone, "cafe\u{301} 密码12").await?.data();
    patient.login(&phone, "cafe 密码123").await?.ruled_out("400003");
    Ok(())
}

/// Logs in to the `n`th phone from an address of its own, because an address with many wrong passwords has to wait.
async fn log_in_from(client: &mut Patient, n: usize, password: &str) -> io::Result<Answer> {
    let address = format!("198.51.100.{n}");
    let body = json!({"phone": people::phone(n), "password": password});
    client.post_with("patient_service/login", &body, &[("X-Forwarded-For", &address)]).await
}

/// Seen to fail when wrong passwords were counted for phones with an account only.
#[tokio::test]
async fn ten_wrong_passwords_lock_a_phone_whether_it_has_an_account_or_not() -> io::Result<()> {
    let folder = Folder::new();
    let trusted = [("PATI_SERVER__TRUSTED_PROXIES", r#"["127.0.0.1"]"#)];
    let clinic = Clinic::start(&folder, &trusted);
    let mut patient = Patient::registered(&clinic, 1).await;
    for n in [1, 2] {
        for _ in 0..10 {
            log_in_from(&mut patient, n, "wrong horse 9").await?.ruled_out("400003");
        }
    }
    clinic.stop();
    let clinic = Clinic::start(&folder, &trusted);
    let mut patient = patient.again(clinic.address).await?;
    for n in [1, 2] {
        let locked = patient.login(&people::phone(n), PASSWORD).await?;
        locked.refused(429, "0429");
        let seconds = locked.reply.header("retry-after").expect("told").parse::<u64>().expect("seconds");
        assert!((600..=900).contains(&seconds), "{seconds}");
    }
    // Who is logged in stays so, and is locked out of guessing the password too.
    patient.members().await?.data();
    patient.change_password(PASSWORD, OTHER_PASSWORD).await?.refused(429, "0429");
    patient.close_account(PASSWORD).await?.refused(429, "0429");
    // A code to the phone is another proof.
    patient.reset_code(&people::phone(1)).await?.done();
    let code = clinic.code_for(&people::phone(1));
    patient.reset_password(&people::phone(1), &code, OTHER_PASSWORD).await?.done();
    Ok(())
}

async fn register_with_consent(
    client: &mut Patient,
    n: usize,
    code: &str,
    version: Value,
) -> io::Result<Answer> {
    let body = json!({
        "phone": people::phone(n), "verCode": code, "password": PASSWORD, "privacy_version": version
    });
    client.post("patient_service/register", &body).await
}

/// Seen to fail when the setting was not looked at, and when the version was not stored.
#[tokio::test]
async fn the_clinic_may_ask_for_consent() -> io::Result<()> {
    let folder = Folder::new();
    let clinic = Clinic::start(&folder, &[("PATI_AUTH__REQUIRE_PRIVACY_CONSENT", "true")]);
    let mut patient = Patient::connect(clinic.address).await?;
    patient.register_code(&people::phone(1)).await?.done();
    let code = clinic.code_for(&people::phone(1));
    patient.register(&people::phone(1), &code, PASSWORD).await?.ruled_out("400007");
    for malformed in [json!("a b"), json!("版".repeat(33))] {
        register_with_consent(&mut patient, 1, &code, malformed).await?.refused(400, "0001");
    }
    let answer = register_with_consent(&mut patient, 1, &code, json!("2026-11 第三版".replace(' ', "-")))
        .await?
        .data();
    patient.use_token(answer["token"].as_str().expect("a token"));
    assert_eq!(patient.export().await?.data()["consent"]["version"], "2026-11-第三版");
    clinic.stop();

    let clinic = Clinic::start(&folder, &[]);
    let mut other = Patient::registered(&clinic, 2).await;
    assert_eq!(other.export().await?.data()["consent"], Value::Null);
    Ok(())
}

/// Seen to fail when the key of the old phone stayed, and when the account kept its old phone.
#[tokio::test]
async fn an_account_moves_to_another_phone() -> io::Result<()> {
    let folder = Folder::new();
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    Patient::registered(&clinic, 9).await;
    let (old, new, taken) = (people::phone(1), people::phone(2), people::phone(9));
    let path = "patient_service/phone/identifying_code";
    patient.get(&format!("{path}?which=old&phone={new}")).await?.refused(400, "0001");
    patient.get(&format!("{path}?which=both")).await?.refused(400, "0001");
    patient.get(&format!("{path}?which=new")).await?.refused(400, "0001");
    patient.code_for_taking(&old).await?.ruled_out("400008");
    patient.code_for_taking(&taken).await?.done();
    patient.get(&format!("{path}?which=old&phone={old}")).await?.done();
    let leave = clinic.code_for(&old);
    patient.code_for_taking(&new).await?.done();
    let take = clinic.code_for(&new);

    patient.change_phone(&leave, &old, &take).await?.ruled_out("400008");
    patient.change_phone(&leave, &taken, &take).await?.ruled_out("400002");
    let wrong = if leave == "000000" { "000001" } else { "000000" };
    patient.change_phone(wrong, &new, &take).await?.ruled_out("400002");
    patient.change_phone(&leave, &new, &take).await?.done();
    patient.change_phone(&leave, &new, &take).await?.ruled_out("400008");

    clinic.stop();
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = patient.again(clinic.address).await?;
    assert_eq!(patient.export().await?.data()["phone"], json!(new));
    let user = patient.login(&new, PASSWORD).await?.data()["userId"].clone();
    assert_eq!(patient.export().await?.data()["userId"], user);
    patient.login(&old, PASSWORD).await?.ruled_out("400003");
    // The old phone is free for somebody else, the new one is not.
    assert_ne!(Patient::registered(&clinic, 1).await.export().await?.data()["userId"], user);
    patient.register_code(&new).await?.done();
    patient.register(&new, "000000", PASSWORD).await?.ruled_out("400002");
    Ok(())
}

/// The same request ten times at once; their statuses, in order of number.
async fn ten_at_once(
    patient: &Patient,
    clinic: &Clinic,
    path: &str,
    body: &Value,
) -> io::Result<Vec<String>> {
    let mut requests = Vec::new();
    for _ in 0..10 {
        let mut client = patient.again(clinic.address).await?;
        let (path, body) = (path.to_owned(), body.clone());
        requests.push(tokio::spawn(async move { client.post(&path, &body).await }));
    }
    let mut statuses = Vec::new();
    for request in requests {
        statuses.push(request.await??.status);
    }
    statuses.sort();
    Ok(statuses)
}

/// One success and nine times the same refusal.
#[track_caller]
fn one_effect(statuses: &[String], refusal: &str) {
    assert_eq!(statuses[0], "000");
    assert_eq!(statuses[1..], vec![refusal; 9]);
}

/// Seen to fail when the account was written without requiring its version, and when a logout did not require the
/// session.
#[tokio::test]
async fn ten_times_at_once_have_one_effect() -> io::Result<()> {
    let folder = Folder::new();
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = Patient::connect(clinic.address).await?;
    let (phone, new) = (people::phone(1), people::phone(2));
    patient.register_code(&phone).await?.done();
    let register = json!({"phone": phone, "verCode": clinic.code_for(&phone), "password": PASSWORD});
    one_effect(&ten_at_once(&patient, &clinic, "patient_service/register", &register).await?, "400002");

    let token = patient.login(&phone, PASSWORD).await?.data()["token"].clone();
    patient.use_token(token.as_str().expect("a token"));
    let change = json!({"oldPassword": PASSWORD, "newPassword": OTHER_PASSWORD});
    one_effect(&ten_at_once(&patient, &clinic, "patient_service/change_password", &change).await?, "400005");
    patient.login(&phone, OTHER_PASSWORD).await?.data();

    patient.code_for_leaving().await?.done();
    let leave = clinic.code_for(&phone);
    patient.code_for_taking(&new).await?.done();
    let moving = json!({"oldVerCode": leave, "newPhone": new, "newVerCode": clinic.code_for(&new)});
    one_effect(&ten_at_once(&patient, &clinic, "patient_service/change_phone", &moving).await?, "400008");

    one_effect(&ten_at_once(&patient, &clinic, "patient_service/logout", &json!({})).await?, "0401");

    patient.reset_code(&new).await?.done();
    let reset = json!({"phone": new, "verCode": clinic.code_for(&new), "newPassword": "a third horse 9"});
    one_effect(&ten_at_once(&patient, &clinic, "patient_service/reset_password", &reset).await?, "400002");

    let token = patient.login(&new, "a third horse 9").await?.data()["token"].clone();
    clinic.stop();
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = Patient::connect(clinic.address).await?;
    patient.post("patient_service/register", &register).await?.ruled_out("400002");
    patient.post("patient_service/reset_password", &reset).await?.ruled_out("400002");
    patient.use_token(token.as_str().expect("a token"));
    patient.post("patient_service/change_password", &change).await?.ruled_out("400005");
    patient.post("patient_service/change_phone", &moving).await?.ruled_out("400008");
    let close = json!({"password": "a third horse 9"});
    one_effect(&ten_at_once(&patient, &clinic, "patient_service/close_account", &close).await?, "0401");
    Ok(())
}

/// Seen to fail when the interval was counted without requiring the version of the count.
#[tokio::test]
async fn a_code_asked_for_ten_times_at_once_is_sent_once() -> io::Result<()> {
    let folder = Folder::new();
    let clinic = Clinic::start(&folder, &[("PATI_SMS__PER_PHONE_INTERVAL_SECONDS", "60")]);
    for (n, purpose) in [(1, "register"), (2, "reset_password")] {
        let mut requests = Vec::new();
        for _ in 0..10 {
            let mut client = Patient::connect(clinic.address).await?;
            let path = format!("patient_service/{purpose}/phone_identifying_code?phone={}", people::phone(n));
            requests.push(tokio::spawn(async move { client.get(&path).await }));
        }
        let mut statuses = Vec::new();
        for request in requests {
            statuses.push(request.await??.status);
        }
        statuses.sort();
        one_effect(&statuses, "0429");
    }
    Ok(())
}
