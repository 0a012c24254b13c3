//! What the users of an account tell of themselves (我的个人信息).

use actix_web::{HttpResponse, web};
use domain::{Age, Date, Gender, PersonName};
use serde::Serialize;
use storage::Commit;
use storage::records::{Profile, UserPersonal};
use utoipa::ToSchema;

use super::accounts::Account;
use super::barcodes;
use super::caller::Patient;
use super::envelope;
use super::error::{ApiError, ErrorCode};
use super::members::own::OwnMembers;
use super::members::person::parse_gender;
use super::openapi::{Done, Success};
use super::params::Params;
use super::refusals::{MAX_TRIES, Outcome, outcome};
use crate::app::App;

#[derive(Serialize, ToSchema)]
struct MyInfo {
    phone: String,
    avatar: String,
    name: String,
    gender: u8,
    birthday: Option<String>,
    age: String,
    /// Base64 of the bar code of the default member's patient.
    #[serde(rename = "pati_img")]
    barcode: String,
    /// The default member's patient.
    #[serde(rename = "pati_id")]
    patient: String,
}

/// What `myinfo` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct MyInfoRequest {
    /// 昵称
    name: String,
    /// 0 未知, 1 男, 2 女
    gender: u8,
    /// yyyy-MM-dd
    birthday: String,
}

/// `GET patient_service/myinfo`: the account's profile, and the bar code of its default member.
#[utoipa::path(
    get,
    path = "/pati_service/patient_service/myinfo",
    tag = "就诊人",
    security(("token" = [])),
    responses((status = 200, body = Success<MyInfo>)),
)]
pub async fn show(app: web::Data<App>, patient: Patient) -> Result<HttpResponse, ApiError> {
    Ok(envelope::ok(my_info(&app, patient)?))
}

fn my_info(app: &App, patient: Patient) -> Result<MyInfo, ApiError> {
    let UserPersonal { phone, profile, .. } = Account::of_patient(app, patient)?.personal;
    let today = app.policy.zone.date_of(app.clock.now());
    let own = OwnMembers::read(app, patient)?;
    let default = own.members.iter().find(|member| member.is_default).map(|member| member.patient);
    Ok(MyInfo {
        phone: phone.as_str().to_owned(),
        avatar: profile.avatar.map(|key| app.picture_url(&key)).unwrap_or_default(),
        name: profile.name.map(|name| name.as_str().to_owned()).unwrap_or_default(),
        gender: profile.gender.code(),
        birthday: profile.birthday.map(|birthday| birthday.to_string()),
        age: profile.birthday.map(|birthday| Age::between(birthday, today).to_string()).unwrap_or_default(),
        barcode: default.map(barcodes::base64_png).transpose()?.unwrap_or_default(),
        patient: default.map(|patient| patient.to_string()).unwrap_or_default(),
    })
}

/// `POST patient_service/myinfo`: replaces name, gender and birthday of the profile; the picture stays.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/myinfo",
    tag = "就诊人",
    security(("token" = [])),
    request_body = MyInfoRequest,
    responses((status = 200, body = Done)),
)]
pub async fn update(app: web::Data<App>, patient: Patient, params: Params) -> Result<HttpResponse, ApiError> {
    let name = params.required("name", "昵称")?.parse(PersonName::parse)?;
    let gender = params.required("gender", "性别")?.parse(parse_gender)?;
    let birthday = params.required("birthday", "出生日期")?;
    let today = app.policy.zone.date_of(app.clock.now());
    let birthday = match birthday.parse(Date::parse_lenient)? {
        date if date > today => return Err(birthday.malformed()),
        date => date,
    };
    store(&app, patient, Told { name, gender, birthday }).await?;
    Ok(envelope::ok_null())
}

/// What the user has entered.
struct Told {
    name: PersonName,
    gender: Gender,
    birthday: Date,
}

async fn store(app: &App, patient: Patient, told: Told) -> Result<(), ApiError> {
    for _ in 0..MAX_TRIES {
        let account = Account::of_patient(app, patient)?;
        let mut personal = account.personal.clone();
        let profile = Profile {
            name: Some(told.name.clone()),
            gender: told.gender,
            birthday: Some(told.birthday),
            avatar: personal.profile.avatar.clone(),
        };
        if personal.profile == profile {
            return Ok(());
        }
        personal.profile = profile;
        let mut commit = Commit::new();
        account.put(app, &mut commit, &personal)?;
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

#[cfg(test)]
mod tests {
    use domain::{Phone, SessionId, UserId};
    use storage::keys;
    use storage::records::UserRecord;

    use super::*;
    use crate::http::accounts::fixture::{Clinic, NOW, phone, tenant};

    /// Seen to fail when the profile was replaced with its picture, and when the key was answered for the URL.
    #[actix_web::test]
    async fn the_picture_stays_when_the_rest_is_told() {
        let clinic = Clinic::new();
        let user = UserId::new(7).expect("an id");
        let patient = Patient { tenant: tenant(), user, session: SessionId::new(1).expect("an id") };
        let key = keys::user(tenant(), user);
        let profile = Profile { avatar: Some("1/avatar/7.png".to_owned()), ..Profile::default() };
        let phone: Phone = phone(1);
        let personal = UserPersonal { phone: phone.clone(), password_hash: "hash".to_owned(), profile };
        let record = UserRecord::seal(&clinic.app.vault, &key, &personal, NOW, None).expect("sealed");
        let mut commit = Commit::new();
        commit.put(&key, &record);
        clinic.app.storage.commit(commit).await.expect("stored");

        let told = Told {
            name: PersonName::parse("小明").expect("a name"),
            gender: Gender::Male,
            birthday: Date::new(1990, 1, 2).expect("a date"),
        };
        store(&clinic.app, patient, told).await.expect("stored");
        let info = my_info(&clinic.app, patient).expect("readable");
        assert_eq!(info.avatar, "https://clinic.oss.test/1/avatar/7.png");
        assert_eq!((info.name.as_str(), info.phone.as_str()), ("小明", phone.as_str()));
        let stored = clinic.app.storage.get(&key).expect("readable").expect("still there").record;
        let personal = stored.open(&clinic.app.vault, &key).expect("ours");
        assert_eq!((personal.password_hash.as_str(), stored.created_at), ("hash", NOW));
    }
}
