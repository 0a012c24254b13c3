//! What an account tells of itself (我的个人信息), and what the clinic tells of itself.

use std::io;

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{ImportFile, day};
use harness::patients::{Answer, Patient};
use harness::{people, wire};
use jiff::ToSpan;
use serde_json::json;

mod harness;

fn open() -> (Folder, Clinic) {
    let folder = Folder::new();
    clinic::import(&folder, &ImportFile::default());
    clinic::add_tenant(&folder, 2);
    let clinic = Clinic::start(&folder, &[]);
    (folder, clinic)
}

/// Seen to fail when an unset birthday was answered as a text.
#[tokio::test]
async fn a_new_account_has_a_phone_and_nothing_else() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let mut expected = json!({
        "phone": people::phone(1), "avatar": "", "name": "", "gender": 0, "birthday": null, "age": "",
        "pati_img": "", "pati_id": ""
    });
    assert_eq!(patient.my_info().await?.data(), expected);

    // From the first member on there is a bar code; the rest is the account's own.
    patient.add_member(2).await;
    let member = patient.members().await?.data()[0].clone();
    expected["pati_img"] = member["patiImg"].clone();
    expected["pati_id"] = member["bindPatiId"].clone();
    assert_eq!(patient.my_info().await?.data(), expected);
    Ok(())
}

/// Seen to fail when the gender was not stored, when the age was told in years only, and when one account's profile was
/// read for another.
#[tokio::test]
async fn what_the_user_tells_is_kept() -> io::Result<()> {
    let (folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    let mut other = Patient::registered(&clinic, 2).await;
    let birthday = day(0).checked_sub(2.years().months(3)).expect("within the calendar").to_string();
    patient.tell_my_info(" 小明 ", 1, &format!("{birthday} 10:20:30")).await?.done();
    other.tell_my_info("小红", 2, "1990-01-02").await?.done();

    clinic.stop();
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = patient.again(clinic.address).await?;
    let info = patient.my_info().await?.data();
    assert_eq!((&info["name"], &info["gender"]), (&json!("小明"), &json!(1)));
    assert_eq!((&info["birthday"], &info["phone"]), (&json!(birthday), &json!(people::phone(1))));
    assert_eq!(info["age"], "2岁3个月");
    let info = other.again(clinic.address).await?.my_info().await?.data();
    assert_eq!(
        (&info["name"], &info["gender"], &info["birthday"]),
        (&json!("小红"), &json!(2), &json!("1990-01-02"))
    );

    // Told again, all of it is replaced.
    patient.tell_my_info("明", 0, "1990-01-02").await?.done();
    let info = patient.my_info().await?.data();
    assert_eq!(
        (&info["name"], &info["gender"], &info["birthday"]),
        (&json!("明"), &json!(0), &json!("1990-01-02"))
    );
    // The password belongs to the same record.
    patient.login(&people::phone(1), harness::patients::PASSWORD).await?.data();
    Ok(())
}

/// Seen to fail when a birthday to come was taken.
#[tokio::test]
async fn all_of_it_is_told_and_can_be_true() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    patient.tell_my_info("小明", 1, "1990-01-02").await?.done();
    let before = patient.my_info().await?.data();
    let to_come = day(2).to_string();
    let long = "长".repeat(51);
    for (name, value) in [
        ("name", ""),
        ("gender", ""),
        ("birthday", ""),
        ("gender", "3"),
        ("gender", "x"),
        ("birthday", "1990-02-30"),
        ("birthday", to_come.as_str()),
        ("name", long.as_str()),
    ] {
        let mut body = json!({"name": "小王", "gender": 2, "birthday": "1991-01-02"});
        body[name] = json!(value);
        patient.post("patient_service/myinfo", &body).await?.refused(400, "0001");
    }
    assert_eq!(patient.my_info().await?.data(), before);
    let mut nobody = Patient::connect(clinic.address).await?;
    nobody.my_info().await?.refused(401, "0401");
    nobody.tell_my_info("小明", 1, "1990-01-02").await?.refused(401, "0401");
    Ok(())
}

/// Seen to fail when the first member was shown instead of the default one.
#[tokio::test]
async fn the_bar_code_is_that_of_the_default_member() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut patient = Patient::registered(&clinic, 1).await;
    patient.add_member(2).await;
    let second = patient.add_member(3).await;
    patient.default_member(&second).await?.done();
    let rows = patient.members().await?.data();
    let info = patient.my_info().await?.data();
    assert_eq!((&info["pati_id"], &info["pati_img"]), (&rows[1]["bindPatiId"], &rows[1]["patiImg"]));
    assert_ne!(info["pati_img"], rows[0]["patiImg"]);
    patient.remove_member(&second).await?.done();
    assert_eq!(patient.my_info().await?.data()["pati_id"], rows[0]["bindPatiId"]);
    Ok(())
}

/// Seen to fail when the clinic of the settings was told to everybody, and when a login was asked for.
#[tokio::test]
async fn the_clinic_tells_about_itself_to_anybody() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut anyone = Patient::connect(clinic.address).await?;
    let told = anyone.get("wechat/service_info").await?.data();
    assert_eq!(told, json!({"appo_notice": "请提前十分钟到", "phone": "010-12345678"}));
    let target = "/api/pati_service/wechat/service_info";
    let other = Answer::of(anyone.raw(&wire::get(target, &[("tenantId", "2")])).await?)?.data();
    assert_eq!(other, json!({"appo_notice": "", "phone": ""}));
    Answer::of(anyone.raw(&wire::get(target, &[("tenantId", "3")])).await?)?.refused(404, "0404");
    Ok(())
}
