//! What is accepted as a person, and who becomes a member, against a real store.

use domain::UserId;
use serde_json::json;
use storage::Scan;

use super::*;
use crate::http::accounts::fixture::{Clinic, all_at_once, tenant};

/// A woman born on 1949-12-31: the example of GB 11643-1999.
const ID_NUMBER: &str = "11010519491231002X";

fn person(changes: &serde_json::Value) -> Result<Person, ErrorCode> {
    let mut body = json!({
        "name": " 李芳 ", "gender": 2, "birthday": "1949-12-31", "IDNo": ID_NUMBER, "phone": "13800000001",
    });
    for (name, value) in changes.as_object().expect("an object") {
        body[name] = value.clone();
    }
    let params = Params::from_json(body.to_string().as_bytes()).expect("JSON");
    Person::read(&params).map_err(|refusal| refusal.code())
}

#[test]
fn a_person_is_read_and_kept_as_the_id_number_has_it() {
    for same in [
        json!({}),
        json!({"gender": "2"}),
        json!({"gender": 0}),
        json!({"birthday": "1949-12-31 00:00:00"}),
        json!({"IDNo": ID_NUMBER.to_lowercase()}),
    ] {
        let personal = person(&same).unwrap_or_else(|code| panic!("{same}: {code:?}")).personal();
        assert_eq!(personal.name.as_str(), "李芳");
        assert_eq!(personal.gender, Gender::Female);
        assert_eq!(personal.birthday.to_string(), "1949-12-31");
        assert_eq!(personal.phone.as_str(), "13800000001");
        assert_eq!(certificate_number(&personal), ID_NUMBER);
    }
}

#[test]
fn birthday_and_gender_must_fit_the_id_number() {
    for wrong in [json!({"birthday": "1949-12-30"}), json!({"gender": 1})] {
        assert_eq!(person(&wrong).err(), Some(ErrorCode::PatientMismatch));
    }
}

#[test]
fn every_parameter_is_looked_at_before_any_two_are_compared() {
    for malformed in [
        json!({"gender": 3}),
        json!({"gender": -1}),
        json!({"gender": 256}),
        json!({"birthday": "1949-02-30"}),
        json!({"IDNo": "110105194912310021"}),
        json!({"IDNo": "110105491231002"}),
        json!({"name": "李\u{7}"}),
        json!({"birthday": "1949-12-30", "phone": "12345678901"}),
    ] {
        assert_eq!(person(&malformed).err(), Some(ErrorCode::ParameterMalformed), "{malformed}");
    }
    for name in ["name", "gender", "birthday", "IDNo", "phone"] {
        assert_eq!(person(&json!({name: ""})).err(), Some(ErrorCode::ParameterMissing), "{name}");
    }
}

/// Adds the person to the account with this number.
async fn admit(clinic: &Clinic, user: u64, changes: &serde_json::Value) -> Result<MemberId, ErrorCode> {
    let account = clinic.logged_in(UserId::new(user).expect("an id")).await;
    let admission = Admission { app: &clinic.app, account, person: person(changes)? };
    admission.complete().await.map_err(|refusal| refusal.code())
}

fn members_of(clinic: &Clinic, user: u64) -> Vec<MemberEntry> {
    let key = keys::members(tenant(), UserId::new(user).expect("an id"));
    let stored = clinic.app.storage.get(&key).expect("readable");
    stored.map(|stored| stored.record.members).unwrap_or_default()
}

/// A man born on 1880-01-01 and a boy born on 2023-11-01.
fn others() -> [serde_json::Value; 2] {
    [
        json!({"name": "王伟", "gender": 1, "birthday": "1880-01-01", "IDNo": "440524188001010014"}),
        json!({"name": "张小宝", "gender": 1, "birthday": "2023-11-01", "IDNo": "110101202311012176"}),
    ]
}

/// The planted bug: the members' record written without `require_version`, which made two members of one person.
#[actix_web::test]
async fn the_same_person_again_is_the_same_member() {
    let clinic = Clinic::new();
    // With the patient on file, nothing but the account's own record stands in the way.
    admit(&clinic, 8, &json!({})).await.expect("added");
    let same = json!({});
    let answers = all_at_once((0..10).map(|_| admit(&clinic, 7, &same))).await;
    let first = answers[0].expect("added");
    assert_eq!(answers, vec![Ok(first); 10]);
    assert_eq!(admit(&clinic, 7, &json!({})).await, Ok(first));
    assert_eq!(members_of(&clinic, 7).len(), 1);
    assert_eq!(admit(&clinic, 7, &json!({"phone": "13800000002"})).await, Err(ErrorCode::MemberExists));
}

#[actix_web::test]
async fn two_accounts_share_one_patient() {
    let clinic = Clinic::new();
    let (mine, theirs) = (json!({}), json!({"phone": "13800000002"}));
    let (one, other) = tokio::join!(admit(&clinic, 7, &mine), admit(&clinic, 8, &theirs));
    assert_ne!(one.expect("added"), other.expect("added"));
    assert_eq!(members_of(&clinic, 7)[0].patient, members_of(&clinic, 8)[0].patient);
    let patients = clinic.app.storage.scan_keys(&keys::patients(tenant()), Scan::ALL).expect("readable");
    assert_eq!(patients.len(), 1);
}

/// The planted bug: the file found by the number alone.
#[actix_web::test]
async fn knowing_an_id_number_is_not_enough() {
    let clinic = Clinic::new();
    admit(&clinic, 7, &json!({})).await.expect("added");
    assert_eq!(admit(&clinic, 8, &json!({"name": "李方"})).await, Err(ErrorCode::PatientMismatch));
    assert!(members_of(&clinic, 8).is_empty());
}

#[actix_web::test]
async fn the_first_member_is_the_default_and_the_limit_holds() {
    let mut clinic = Clinic::new();
    clinic.app.limits.max_members_per_user = 2;
    admit(&clinic, 7, &json!({})).await.expect("the first");
    let [second, third] = others();
    let second_id = admit(&clinic, 7, &second).await.expect("the second");
    assert_eq!(admit(&clinic, 7, &third).await, Err(ErrorCode::MemberLimit));
    assert_eq!(admit(&clinic, 7, &second).await, Ok(second_id), "a repeat is no third member");
    let defaults: Vec<_> = members_of(&clinic, 7).iter().map(|member| member.is_default).collect();
    assert_eq!(defaults, [true, false]);
}
