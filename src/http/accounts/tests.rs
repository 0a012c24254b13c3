//! Registrations and logins against a real store. The planted bugs of codes and limits are told beside those.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use actors::Clock;
use storage::Scan;

use super::fixture::{Clinic, NOW, all_at_once, phone, tenant};
use super::*;

fn code(text: &str) -> VerificationCode {
    VerificationCode::parse(text).expect("six digits")
}

async fn register(clinic: &Clinic, number: u8, text: &str) -> Result<LoggedIn, ErrorCode> {
    let registration =
        Registration { app: &clinic.app, tenant: tenant(), phone: phone(number), code: code(text) };
    let password = Password::parse("correct horse").expect("long enough");
    registration.complete(password).await.map_err(|refusal| refusal.code())
}

#[actix_web::test]
async fn who_registers_has_an_account_and_a_session() {
    let clinic = Clinic::new();
    clinic.put_code(&phone(1), &code("123456")).await;
    let answer = register(&clinic, 1, "123456").await.expect("registered");

    let account = Account::of_phone(&clinic.app, tenant(), &phone(1)).expect("readable").expect("there");
    assert_eq!(account.user.to_string(), answer.user);
    assert_eq!(account.personal.phone, phone(1));
    let identity = clinic.app.tokens.verify(&answer.token, NOW).expect("genuine");
    assert_eq!(identity.subject, Subject::Patient(account.user));
    let session = keys::session(tenant(), account.user, identity.session);
    let session = clinic.app.storage.get(&session).expect("readable").expect("there").record;
    assert_eq!(session.expires_at, identity.expires_at);
}

#[actix_web::test]
async fn who_logs_in_has_a_session_of_their_own() {
    let clinic = Clinic::new();
    clinic.put_code(&phone(1), &code("123456")).await;
    let registered = register(&clinic, 1, "123456").await.expect("registered");
    clinic.clock.advance(Duration::from_secs(60));
    let first = try_password(&clinic, 1, "correct horse").await.expect("logged in");
    let second = try_password(&clinic, 1, "correct horse").await.expect("logged in");

    assert_eq!([&first.user, &second.user], [&registered.user; 2]);
    let now = clinic.clock.now();
    let sessions: HashSet<_> = [registered, first, second]
        .map(|answer| clinic.app.tokens.verify(&answer.token, now).expect("genuine").session)
        .into();
    assert_eq!(sessions.len(), 3);
    for session in sessions {
        let user =
            Account::of_phone(&clinic.app, tenant(), &phone(1)).expect("readable").expect("there").user;
        assert!(clinic.app.storage.contains(&keys::session(tenant(), user, session)).expect("readable"));
    }
}

#[actix_web::test]
async fn a_wrong_password_and_an_unknown_phone_are_answered_the_same() {
    let clinic = Clinic::new();
    clinic.put_code(&phone(1), &code("123456")).await;
    register(&clinic, 1, "123456").await.expect("registered");
    for (number, password) in [(1, "wrong horse"), (2, "correct horse")] {
        let refusal = try_password(&clinic, number, password).await.err();
        assert_eq!(refusal, Some(ErrorCode::CredentialsWrong));
    }
}

async fn try_password(clinic: &Clinic, number: u8, password: &str) -> Result<LoggedIn, ErrorCode> {
    let password = Password::parse(password).expect("long enough");
    log_in(&clinic.app, tenant(), &phone(number), &password).await.map_err(|refusal| refusal.code())
}

#[actix_web::test]
async fn a_code_opens_one_account_however_many_use_it_at_once() {
    let clinic = Clinic::new();
    clinic.put_code(&phone(1), &code("123456")).await;
    let answers = all_at_once((0..20).map(|_| register(&clinic, 1, "123456"))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for refusal in answers.into_iter().filter_map(Result::err) {
        assert_eq!(refusal, ErrorCode::CodeWrong);
    }
    let users = clinic.app.storage.scan_keys(&keys::users(tenant()), Scan::ALL).expect("readable");
    assert_eq!(users.len(), 1);
}

/// The planted bug: the phone looked up before the code.
#[actix_web::test]
async fn only_who_holds_the_code_learns_that_a_phone_is_taken() {
    let clinic = Clinic::new();
    clinic.put_code(&phone(1), &code("123456")).await;
    register(&clinic, 1, "123456").await.expect("registered");
    assert_eq!(register(&clinic, 1, "123456").await.err(), Some(ErrorCode::CodeWrong));
    clinic.put_code(&phone(1), &code("654321")).await;
    assert_eq!(register(&clinic, 1, "000000").await.err(), Some(ErrorCode::CodeWrong));
    assert_eq!(register(&clinic, 1, "654321").await.err(), Some(ErrorCode::PhoneTaken));
}

/// The planted bug: no code stored for a phone with an account, so that its sixth wrong try was answered
/// differently from that of a phone without one.
#[actix_web::test]
async fn a_known_phone_and_an_unknown_one_are_answered_the_same() {
    let clinic = Clinic::new();
    clinic.put_code(&phone(1), &code("123456")).await;
    register(&clinic, 1, "123456").await.expect("registered");

    let mut stories = Vec::new();
    for number in [1, 2] {
        let mut story = vec![ask_for_a_code(&clinic, number).await];
        for _ in 0..6 {
            story.push(register(&clinic, number, "000000").await.err());
        }
        stories.push(story);
    }
    assert_eq!(stories[0], stories[1]);
    assert_eq!(stories[0].last(), Some(&Some(ErrorCode::CodeExhausted)));
}

/// The planted bug: no `release`, by which the second request got 0429.
#[actix_web::test]
async fn a_text_that_never_left_is_not_counted() {
    let clinic = Clinic::new();
    for _ in 0..2 {
        assert_eq!(ask_for_a_code(&clinic, 1).await, Some(ErrorCode::SmsFailed));
    }
}

async fn ask_for_a_code(clinic: &Clinic, number: u8) -> Option<ErrorCode> {
    let network = ClientNetwork::around(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)));
    let sent = codes::send(&clinic.app, tenant(), &phone(number), network, CodePurpose::Register).await;
    sent.err().map(|refusal| refusal.code())
}
