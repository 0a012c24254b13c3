//! Accounts and members: register by a code, log in, be recognised by a token, add the people to book for.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use domain::{SessionId, StaffId, TenantId, Timestamp, UserId};
use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::{PASSWORD, Patient};
use harness::{people, shape, wire};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use pati_service::tokens::{Identity, Subject, Tokens};
use serde_json::{Value, json};

mod harness;

fn open() -> (Folder, Clinic) {
    let folder = Folder::new();
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(3001, 2001, day(2), Half::Am, 9);
    clinic::import(&folder, &file);
    clinic::add_tenant(&folder, 2);
    let clinic = Clinic::start(&folder, &[]);
    (folder, clinic)
}

#[tokio::test]
async fn an_account_is_opened_with_a_code() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::connect(clinic.address).await?;
    let phone = people::phone(1);
    patient.register_code(&phone).await?.done();
    let code = clinic.code_for(&phone);
    let registered = patient.register(&phone, &code, PASSWORD).await?.data();
    shape::check(&registered, &json!({"userId": "String", "token": "String"}));

    let logged_in = patient.login(&phone, PASSWORD).await?.data();
    shape::check(&logged_in, &json!({"userId": "String", "token": "String"}));
    assert_eq!(logged_in["userId"], registered["userId"]);
    assert_ne!(logged_in["token"], registered["token"]);
    for token in [&registered["token"], &logged_in["token"]] {
        patient.use_token(token.as_str().expect("a token"));
        assert_eq!(patient.members().await?.data(), json!([]));
    }
    Ok(())
}

#[tokio::test]
async fn a_code_works_once_and_for_its_phone() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::connect(clinic.address).await?;
    let (phone, other) = (people::phone(1), people::phone(2));
    patient.register(&phone, "123456", PASSWORD).await?.ruled_out("400002");
    patient.register_code(&phone).await?.done();
    let code = clinic.code_for(&phone);
    patient.register(&other, &code, PASSWORD).await?.ruled_out("400002");
    patient.register(&phone, &code, PASSWORD).await?.data();
    patient.register(&phone, &code, PASSWORD).await?.ruled_out("400002");
    Ok(())
}

#[tokio::test]
async fn a_code_survives_five_wrong_tries_and_no_more() -> io::Result<()> {
    let (folder, clinic) = open();
    let mut patient = Patient::connect(clinic.address).await?;
    let phone = people::phone(1);
    patient.register_code(&phone).await?.done();
    let code = clinic.code_for(&phone);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..4 {
        patient.register(&phone, wrong, PASSWORD).await?.ruled_out("400002");
    }
    // Tries are counted on disk.
    clinic.stop();
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = Patient::connect(clinic.address).await?;
    patient.register(&phone, wrong, PASSWORD).await?.ruled_out("400002");
    patient.register(&phone, &code, PASSWORD).await?.ruled_out("400004");

    patient.register_code(&phone).await?.done();
    let code = clinic.code_for(&phone);
    patient.register(&phone, &code, PASSWORD).await?.data();
    Ok(())
}

#[tokio::test]
async fn a_known_phone_gets_the_same_reply_and_no_code() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let unknown = patient.register_code(&people::phone(2)).await?;
    let known = patient.register_code(&people::phone(1)).await?;
    assert_eq!((known.http, known.reply.body), (unknown.http, unknown.reply.body));
    patient.register(&people::phone(1), "123456", PASSWORD).await?.ruled_out("400002");
    Ok(())
}

#[tokio::test]
async fn a_login_says_nothing_about_which_part_was_wrong() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let wrong = patient.login(&people::phone(1), "wrong horse 9").await?;
    let unknown = patient.login(&people::phone(2), PASSWORD).await?;
    wrong.ruled_out("400003");
    assert_eq!((wrong.http, wrong.reply.body), (unknown.http, unknown.reply.body));
    Ok(())
}

#[tokio::test]
async fn parameters_of_accounts_are_named() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let code = "patient_service/register/phone_identifying_code";
    let missing = patient.get(code).await?;
    missing.refused(400, "0001");
    assert_eq!(missing.message, "手机号不能为空");
    for query in ["phone=", "phone=null", "phone=%20"] {
        assert_eq!(patient.get(&format!("{code}?{query}")).await?.message, "手机号不能为空", "{query}");
    }
    for phone in ["12900000000", "1380000000", "138000000000", "1380000000a", "+8613800000000"] {
        let answer = patient.get(&format!("{code}?phone={phone}")).await?;
        answer.refused(400, "0001");
        assert_eq!(answer.message, "手机号格式不正确", "{phone}");
    }
    let register = json!({"phone": people::phone(3), "verCode": "123456", "password": PASSWORD});
    let member = member_of(3);
    let reset = json!({"phone": people::phone(3), "verCode": "123456", "newPassword": PASSWORD});
    let change = json!({"oldPassword": PASSWORD, "newPassword": PASSWORD});
    let move_to = json!({"oldVerCode": "123456", "newPhone": people::phone(3), "newVerCode": "123456"});
    for (path, full, name, label, wrong) in [
        ("reset_password", &reset, "phone", "手机号", json!("1")),
        ("reset_password", &reset, "verCode", "验证码", json!("12345")),
        ("reset_password", &reset, "newPassword", "新密码", json!("short")),
        ("reset_password/phone_identifying_code_validate", &reset, "phone", "手机号", json!("1")),
        ("reset_password/phone_identifying_code_validate", &reset, "verCode", "验证码", json!("12345")),
        ("change_password", &change, "oldPassword", "旧密码", json!("short")),
        ("change_password", &change, "newPassword", "新密码", json!("short")),
        ("change_phone", &move_to, "oldVerCode", "原手机验证码", json!("a")),
        ("change_phone", &move_to, "newPhone", "新手机号", json!("1")),
        ("change_phone", &move_to, "newVerCode", "新手机验证码", json!("a")),
        ("close_account", &register, "password", "密码", json!("short")),
        ("register", &register, "phone", "手机号", json!("1")),
        ("register", &register, "verCode", "验证码", json!("12345")),
        ("register", &register, "password", "密码", json!("short")),
        ("login", &register, "phone", "手机号", json!(1)),
        ("login", &register, "password", "密码", json!("x".repeat(65))),
        ("member", &member, "name", "姓名", json!("字".repeat(51))),
        ("member", &member, "gender", "性别", json!(3)),
        ("member", &member, "birthday", "出生日期", json!("1980-13-01")),
        ("member", &member, "IDNo", "身份证号码", json!("110101198001010011")),
        ("member", &member, "phone", "手机号", json!("123")),
    ] {
        let mut body = full.clone();
        body[name] = Value::Null;
        let missing = patient.post(&format!("patient_service/{path}"), &body).await?;
        missing.refused(400, "0001");
        assert_eq!(missing.message, format!("{label}不能为空"));
        body[name] = wrong;
        let malformed = patient.post(&format!("patient_service/{path}"), &body).await?;
        malformed.refused(400, "0001");
        assert_eq!(malformed.message, format!("{label}格式不正确"));
    }
    Ok(())
}

/// The parameters of `member` for the `n`th invented person.
fn member_of(n: usize) -> Value {
    let id = people::id_number(n);
    json!({
        "name": format!("患者{n}"), "gender": people::gender(&id), "birthday": people::birthday(&id), "IDNo": id,
        "phone": people::phone(n)
    })
}

#[tokio::test]
async fn members_are_added_and_listed() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let added = patient.member(1).await?.data();
    shape::check(&added, &json!({"memberId": "String"}));
    let first = added["memberId"].as_str().expect("an id").to_owned();
    // The gender as a text, the birthday with a time, the last digit of the ID number in lower case.
    let mut body = member_of(2);
    body["gender"] = json!(people::gender(&people::id_number(2)).to_string());
    body["birthday"] = json!(format!("{} 00:00:00", people::birthday(&people::id_number(2))));
    body["IDNo"] = json!(people::id_number(2).to_lowercase());
    let second = patient.post("patient_service/member", &body).await?.data();

    let mut listed = patient.members().await?.data();
    for row in listed.as_array_mut().expect("a list") {
        let age = row.as_object_mut().expect("an object").remove("age").expect("an age");
        assert!(age.as_str().expect("a text").ends_with('岁'), "{age}");
        let picture = row.as_object_mut().expect("an object").remove("patiImg").expect("a picture");
        assert!(!picture.as_str().expect("a text").is_empty());
    }
    let row = |n: usize, id: &Value, is_default: bool| {
        json!({
            "memberId": id, "name": format!("患者{n}"), "gender": people::gender(&people::id_number(n)),
            "IDNo": people::id_number(n), "phone": people::phone(n), "defaultMember": is_default,
            "bindPatiId": n.to_string()
        })
    };
    assert_eq!(listed, json!([row(1, &json!(first), true), row(2, &second["memberId"], false)]));
    Ok(())
}

#[tokio::test]
async fn the_same_person_again_is_the_same_member() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let first = patient.member(1).await?.data();
    assert_eq!(patient.member(1).await?.data(), first);
    let mut other_phone = member_of(1);
    other_phone["phone"] = json!(people::phone(9));
    patient.post("patient_service/member", &other_phone).await?.ruled_out("403002");
    assert_eq!(patient.members().await?.data().as_array().map(Vec::len), Some(1));
    Ok(())
}

#[tokio::test]
async fn knowing_a_number_is_not_enough() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    patient.add_member(1).await;
    let id = people::id_number(1);
    for (name, value) in [
        ("name", json!("别人")),
        ("birthday", json!("1980-01-02")),
        ("gender", json!(3 - people::gender(&id))),
    ] {
        let mut body = member_of(1);
        body[name] = value;
        patient.post("patient_service/member", &body).await?.ruled_out("403001");
    }
    // Another account finds the same patient, as a member of its own.
    let mut relative = Patient::registered(&clinic, 2).await;
    relative.add_member(2).await;
    relative.add_member(1).await;
    let (his, hers) = (patient.members().await?.data(), relative.members().await?.data());
    assert_eq!(his[0]["bindPatiId"], hers[1]["bindPatiId"]);
    assert_ne!(his[0]["memberId"], hers[1]["memberId"]);
    Ok(())
}

#[tokio::test]
async fn an_account_has_ten_members_at_most() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    for n in 0..10 {
        patient.add_member(n).await;
    }
    patient.member(10).await?.ruled_out("403003");
    patient.member(9).await?.data();
    Ok(())
}

/// Every route that wants a login.
const LOGGED_IN_ROUTES: [(&str, &str); 14] = [
    ("POST", "patient_service/change_password"),
    ("POST", "patient_service/logout"),
    ("GET", "patient_service/phone/identifying_code"),
    ("POST", "patient_service/change_phone"),
    ("GET", "patient_service/myinfo/export"),
    ("POST", "patient_service/close_account"),
    ("GET", "patient_service/members"),
    ("POST", "patient_service/member"),
    ("POST", "book_service/book/presubmit"),
    ("POST", "book_service/book/submit"),
    ("POST", "book_service/book/schedule"),
    ("POST", "book_service/book/cancel"),
    ("GET", "book_service/books"),
    ("GET", "book_service/book/1"),
];

#[tokio::test]
async fn without_a_login_nothing_personal_is_answered() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut anyone = Patient::connect(clinic.address).await?;
    for (method, path) in LOGGED_IN_ROUTES {
        let answer = match method {
            "GET" => anyone.get(path).await?,
            _ => anyone.post(path, &json!({})).await?,
        };
        answer.refused(401, "0401");
        assert_eq!(answer.message, "登录已失效，请重新登录", "{path}");
    }
    Ok(())
}

/// The key that the server signs its tokens with.
fn token_key(folder: &Folder) -> Vec<u8> {
    let text = std::fs::read_to_string(folder.store().join("keys").join("jwt.key")).expect("the key file");
    let digits = text.trim().as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex"))
        .collect()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp::from_millis(since.as_millis() as i64)
}

/// Planted: the time of a token was not looked at; a session that is not stored was as good as one that is.
#[tokio::test]
async fn a_token_must_be_ours_and_alive() -> io::Result<()> {
    let (folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let good = patient.token().to_owned();
    let key = token_key(&folder);
    let tokens = Tokens::new(&key).expect("a key");
    let said = tokens.verify(&good, now()).expect("genuine");
    let Subject::Patient(user) = said.subject else { panic!("a patient's token") };
    let minute_ago = Timestamp::from_millis(now().as_millis() - 60_000);
    let signed =
        |key: &[u8], identity: Identity| Tokens::new(key).expect("a key").issue(&identity).expect("signed");

    let claims = good.split('.').nth(1).expect("three parts");
    let bad = [
        String::from("x"),
        good[..good.len() - 1].to_owned(),
        good.replace('.', ""),
        // {"alg":"none","typ":"JWT"}
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}."),
        hs512(&key, claims),
        signed(&[7; 32], said),
        signed(&key, Identity { expires_at: minute_ago, ..said }),
        signed(&key, Identity { session: SessionId::new(1).expect("an id"), ..said }),
        signed(
            &key,
            Identity { subject: Subject::Patient(UserId::new(user.get() + 1).expect("an id")), ..said },
        ),
        signed(&key, Identity { tenant: TenantId::new(2).expect("an id"), ..said }),
        "y".repeat(5000),
    ];
    for token in bad {
        patient.use_token(&token);
        let answer = patient.members().await?;
        answer.refused(401, "0401");
    }
    let staff = Identity { subject: Subject::Staff(StaffId::new(1).expect("an id")), ..said };
    patient.use_token(&signed(&key, staff));
    patient.members().await?.refused(403, "0403");

    // Signed by the test with the server's key, so that the refusals above are for their reasons.
    patient.use_token(&signed(&key, said));
    patient.members().await?.data();
    let bearer =
        wire::get("/pati_service/patient_service/members", &[("Authorization", &format!("Bearer {good}"))]);
    assert_eq!(patient.raw(&bearer).await?.status, 200);
    let basic =
        wire::get("/pati_service/patient_service/members", &[("Authorization", &format!("Basic {good}"))]);
    assert_eq!(patient.raw(&basic).await?.status, 401);
    Ok(())
}

/// The same claims under another algorithm and the right key.
fn hs512(key: &[u8], claims: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64")).expect("JSON");
    let header = Header::new(Algorithm::HS512);
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(key)).expect("signed")
}

#[tokio::test]
async fn a_login_survives_a_restart() -> io::Result<()> {
    let (folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    clinic.stop();
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = patient.again(clinic.address).await?;
    assert_eq!(patient.members().await?.data()[0]["memberId"], json!(member));
    patient.login(&people::phone(1), PASSWORD).await?.data();
    Ok(())
}

/// Asks for the departments, which differ between the clinics.
async fn depts(patient: &mut Patient, headers: &[(&str, &str)]) -> io::Result<(u16, Value)> {
    let reply = patient.raw(&wire::get("/pati_service/tenant_service/depts", headers)).await?;
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    Ok((reply.status, body))
}

#[tokio::test]
async fn the_clinic_is_the_one_named_or_the_tokens_or_the_default() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut anyone = Patient::connect(clinic.address).await?;
    let ours = json!([{"deptId": "101", "deptName": "眼科"}]);
    for headers in [&[][..], &[("tenantId", "1")], &[("tenantId", "")], &[("tenantid", "001")]] {
        assert_eq!(depts(&mut anyone, headers).await?.1["data"], ours, "{headers:?}");
    }
    assert_eq!(depts(&mut anyone, &[("tenantId", "2")]).await?.1["data"], json!([]));
    for unknown in ["3", "0", "-1", "abc", "9007199254740993"] {
        let (http, body) = depts(&mut anyone, &[("tenantId", unknown)]).await?;
        assert_eq!((http, &body["status"]), (404, &json!("0404")), "{unknown}");
    }

    let token = register_in(&clinic, &mut anyone, "2").await?;
    assert_eq!(depts(&mut anyone, &[("token", &token)]).await?.1["data"], json!([]));
    // A public route takes the clinic from the header first.
    assert_eq!(depts(&mut anyone, &[("token", &token), ("tenantId", "1")]).await?.1["data"], ours);
    assert_eq!(depts(&mut anyone, &[("token", "nonsense")]).await?.1["data"], ours);
    for (tenant, http, status) in
        [("1", 403, "0403"), ("3", 404, "0404"), ("x", 404, "0404"), ("2", 200, "000")]
    {
        let headers = [("token", token.as_str()), ("tenantId", tenant)];
        let reply = anyone.raw(&wire::get("/pati_service/patient_service/members", &headers)).await?;
        let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!((reply.status, &body["status"]), (http, &json!(status)), "{tenant}");
    }
    Ok(())
}

/// Opens an account in another clinic, with a phone that has one in the first, and answers its token.
async fn register_in(clinic: &Clinic, patient: &mut Patient, tenant: &str) -> io::Result<String> {
    Patient::registered(clinic, 1).await;
    let phone = people::phone(1);
    let code = format!("/pati_service/patient_service/register/phone_identifying_code?phone={phone}");
    assert_eq!(patient.raw(&wire::get(&code, &[("tenantId", tenant)])).await?.status, 200);
    let body = json!({"phone": phone, "verCode": clinic.code_for(&phone), "password": PASSWORD}).to_string();
    let register = wire::post("/pati_service/patient_service/register", &[("tenantId", tenant)], &body);
    let reply: Value = serde_json::from_slice(&patient.raw(&register).await?.body).expect("JSON");
    Ok(reply["data"]["token"].as_str().expect("a token").to_owned())
}

#[tokio::test]
async fn what_belongs_to_another_clinic_is_not_found() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::connect(clinic.address).await?;
    let token = register_in(&clinic, &mut patient, "2").await?;
    let headers = [("token", token.as_str())];
    for (path, body) in [
        ("book_service/book/presubmit", json!({"scheduleId": 3001, "serialNo": 1})),
        ("book_service/book/submit", json!({"scheduleId": 3001, "serialNo": 1, "memberId": 1_000_000_000})),
        ("book_service/book/schedule", json!({"scheduleId": 3001, "memberId": 1_000_000_000})),
    ] {
        let request = wire::post(&format!("/pati_service/{path}"), &headers, &body.to_string());
        assert_eq!(patient.raw(&request).await?.status, 404, "{path}");
    }
    let left = wire::get("/pati_service/tenant_service/schedule/left_appo?scheduleId=3001", &headers);
    assert_eq!(patient.raw(&left).await?.status, 404);
    Ok(())
}
