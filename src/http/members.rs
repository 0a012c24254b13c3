//! The members of an account (就诊人): the patients that it books for.

use actix_web::{HttpResponse, web};
use domain::{Age, Date, Gender, IdNumber, MemberId, PatientId, PersonName, Phone, TenantId, Timestamp};
use serde::Serialize;
use storage::records::{
    Certificate, IdnoRecord, MemberEntry, MemberLink, MemberPersonal, MembersRecord, PatientPersonal,
    PatientRecord,
};
use storage::{Commit, Key, Sequence, Version, keys};
use utoipa::ToSchema;

use super::caller::Patient;
use super::envelope;
use super::error::{ApiError, ErrorCode};
use super::openapi::Success;
use super::params::Params;
use super::refusals::{MAX_TRIES, Outcome, outcome};
use crate::app::App;

#[cfg(test)]
mod tests;

#[derive(Serialize, ToSchema)]
struct Added {
    #[serde(rename = "memberId")]
    id: String,
}

/// Both tables of the contract for this endpoint in one.
#[derive(Serialize, ToSchema)]
struct MemberRow {
    #[serde(rename = "memberId")]
    id: String,
    name: String,
    gender: u8,
    age: String,
    #[serde(rename = "IDNo")]
    id_number: String,
    phone: String,
    #[serde(rename = "defaultMember")]
    is_default: bool,
    #[serde(rename = "patiImg")]
    barcode: String,
    #[serde(rename = "bindPatiId")]
    patient: String,
}

/// What `member` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct MemberRequest {
    /// 就诊人姓名
    name: String,
    /// 0 未知, 1 男, 2 女
    gender: u8,
    /// yyyy-MM-dd
    birthday: String,
    /// 身份证号码
    #[schema(rename = "IDNo")]
    id_number: String,
    /// 手机号
    phone: String,
}

/// `POST patient_service/member`: adds a member, and opens the patient's file (建档) where there is none.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/member",
    tag = "就诊人",
    security(("token" = [])),
    request_body = MemberRequest,
    responses((status = 200, body = Success<Added>)),
)]
pub async fn add(app: web::Data<App>, patient: Patient, params: Params) -> Result<HttpResponse, ApiError> {
    let person = Person::read(&params)?;
    let admission = Admission { app: &app, account: patient, person };
    Ok(envelope::ok(Added { id: admission.complete().await?.to_string() }))
}

/// `GET patient_service/members`: the members of the account, in the order they were added.
#[utoipa::path(
    get,
    path = "/pati_service/patient_service/members",
    tag = "就诊人",
    security(("token" = [])),
    responses((status = 200, body = Success<Vec<MemberRow>>)),
)]
pub async fn list(app: web::Data<App>, patient: Patient) -> Result<HttpResponse, ApiError> {
    let key = keys::members(patient.tenant, patient.user);
    let stored = app.storage.get(&key).map_err(ApiError::internal)?;
    let members = stored.map(|stored| stored.record.members).unwrap_or_default();
    let today = app.policy.zone.date_of(app.clock.now());
    let mut rows = Vec::with_capacity(members.len());
    for member in &members {
        let person = patient_on_file(&app, patient.tenant, member.patient)?.personal;
        let contact = member.open(&app.vault, &key).map_err(ApiError::internal)?;
        rows.push(MemberRow {
            id: member.member.to_string(),
            name: person.name.as_str().to_owned(),
            gender: person.gender.code(),
            age: Age::between(person.birthday, today).to_string(),
            id_number: certificate_number(&person),
            phone: contact.phone.as_str().to_owned(),
            is_default: member.is_default,
            barcode: String::new(),
            patient: member.patient.to_string(),
        });
    }
    Ok(envelope::ok(rows))
}

/// The number of the person's certificate, `""` without one.
pub(super) fn certificate_number(person: &PatientPersonal) -> String {
    match &person.certificate {
        Some(Certificate::IdCard(number)) => number.as_str().to_owned(),
        Some(Certificate::Other { number, .. }) => number.clone(),
        None => String::new(),
    }
}

/// A patient's file as it was read.
pub(super) struct OnFile {
    key: Key<PatientRecord>,
    version: Version,
    record: PatientRecord,
    pub(super) personal: PatientPersonal,
}

pub(super) fn patient_on_file(app: &App, tenant: TenantId, patient: PatientId) -> Result<OnFile, ApiError> {
    let file = find_file(app, tenant, patient)?;
    file.ok_or_else(|| ApiError::internal("a patient that is referred to is not stored"))
}

fn find_file(app: &App, tenant: TenantId, patient: PatientId) -> Result<Option<OnFile>, ApiError> {
    let key = keys::patient(tenant, patient);
    let Some(stored) = app.storage.get(&key).map_err(ApiError::internal)? else { return Ok(None) };
    let personal = stored.record.open(&app.vault, &key).map_err(ApiError::internal)?;
    Ok(Some(OnFile { key, version: stored.version, record: stored.record, personal }))
}

/// A person as somebody entered them: the parts fit together.
struct Person {
    name: PersonName,
    id_number: IdNumber,
    phone: Phone,
}

impl Person {
    /// Reads all parameters, then compares them: a malformed one is told before a mismatch.
    fn read(params: &Params) -> Result<Self, ApiError> {
        let name = params.required("name", "姓名")?.parse(PersonName::parse)?;
        let gender = params.required("gender", "性别")?.parse(parse_gender)?;
        let birthday = params.required("birthday", "出生日期")?.parse(Date::parse_lenient)?;
        let id_number = params.required("IDNo", "身份证号码")?.parse(IdNumber::parse)?;
        let phone = params.required("phone", "手机号")?.parse(Phone::parse)?;
        // Who says 未知 contradicts nothing; the ID number knows.
        let gender_fits = gender == Gender::Unknown || gender == id_number.gender();
        if birthday != id_number.birthday() || !gender_fits {
            return Err(ErrorCode::PatientMismatch.into());
        }
        Ok(Self { name, id_number, phone })
    }

    fn personal(&self) -> PatientPersonal {
        PatientPersonal {
            name: self.name.clone(),
            gender: self.id_number.gender(),
            birthday: self.id_number.birthday(),
            certificate: Some(Certificate::IdCard(self.id_number.clone())),
            phone: self.phone.clone(),
        }
    }
}

fn parse_gender(text: &str) -> Result<Gender, ErrorCode> {
    let code = text.parse().map_err(|_| ErrorCode::ParameterMalformed)?;
    Gender::from_code(code).ok_or(ErrorCode::ParameterMalformed)
}

/// Adds the person of these parameters to an account, for the tests of other parts.
#[cfg(test)]
pub(super) async fn admit_for_tests(
    app: &App,
    account: Patient,
    body: &serde_json::Value,
) -> Result<MemberId, ErrorCode> {
    let params = Params::from_json(body.to_string().as_bytes()).map_err(|refusal| refusal.code())?;
    let person = Person::read(&params).map_err(|refusal| refusal.code())?;
    Admission { app, account, person }.complete().await.map_err(|refusal| refusal.code())
}

/// A person who is to become a member of an account.
struct Admission<'a> {
    app: &'a App,
    account: Patient,
    person: Person,
}

impl Admission<'_> {
    /// Finds or creates patient and member, in one commit. The same person again is the same member.
    async fn complete(&self) -> Result<MemberId, ApiError> {
        let (storage, tenant) = (&self.app.storage, self.account.tenant);
        // Taken once and kept over all tries, so that a lost race costs no number.
        let mut new_patient = None;
        let mut new_member = None;
        for _ in 0..MAX_TRIES {
            let now = self.app.clock.now();
            let mut commit = Commit::new();
            self.account.require_session(self.app, &mut commit)?;
            let patient = match self.find_patient(&mut commit)? {
                Some(patient) => patient,
                None => {
                    let patient = match new_patient {
                        Some(patient) => patient,
                        None => *new_patient.insert(self.next_patient().await?),
                    };
                    self.create_patient(&mut commit, patient, now)?;
                    patient
                }
            };
            let (version, mut members) = self.members()?;
            if let Some(member) = members.members.iter().find(|member| member.patient == patient) {
                return self.same_again(member);
            }
            if members.members.len() >= self.app.limits.max_members_per_user {
                return Err(ErrorCode::MemberLimit.into());
            }
            let member = match new_member {
                Some(member) => member,
                None => *new_member.insert(self.next_member().await?),
            };
            let is_default = members.members.is_empty();
            let entry = self.entry(MemberLink { member, patient, is_default, created_at: now })?;
            members.members.push(entry);
            let key = keys::members(tenant, self.account.user);
            commit.require_version(&key, version).put(&key, &members);
            match outcome(storage.commit(commit).await)? {
                Outcome::Made => return Ok(member),
                Outcome::Outdated => {}
            }
        }
        Err(ErrorCode::Busy.into())
    }

    /// The patient of this ID number, who must have this name; `commit` is made to depend on both.
    fn find_patient(&self, commit: &mut Commit) -> Result<Option<PatientId>, ApiError> {
        let key = self.idno_key();
        let Some(found) = self.app.storage.get(&key).map_err(ApiError::internal)? else { return Ok(None) };
        let patient = found.record.patient;
        // Without a file it was erased since the number was read; the commit requires that the number is gone too.
        let Some(file) = find_file(self.app, self.account.tenant, patient)? else { return Ok(None) };
        // Knowing a number is not enough to become its owner.
        if file.personal.name != self.person.name {
            return Err(ErrorCode::PatientMismatch.into());
        }
        commit.require_version(&key, found.version).require_version(&file.key, file.version);
        // Written again as it is: whoever erases the file, because no account refers to it, finds it changed.
        commit.put(&file.key, &file.record);
        Ok(Some(patient))
    }

    fn create_patient(
        &self,
        commit: &mut Commit,
        patient: PatientId,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let key = keys::patient(self.account.tenant, patient);
        let record = PatientRecord::seal(&self.app.vault, &key, &self.person.personal(), now);
        let idno_key = self.idno_key();
        commit.require_absent(&idno_key).put(&idno_key, &IdnoRecord { patient });
        commit.require_absent(&key).put(&key, &record.map_err(ApiError::internal)?);
        Ok(())
    }

    fn members(&self) -> Result<(Version, MembersRecord), ApiError> {
        let key = keys::members(self.account.tenant, self.account.user);
        let stored = self.app.storage.get(&key).map_err(ApiError::internal)?;
        Ok(stored
            .map_or((Version::ABSENT, MembersRecord::default()), |stored| (stored.version, stored.record)))
    }

    /// The answer for a patient who is a member already: the member, unless the phone differs.
    fn same_again(&self, member: &MemberEntry) -> Result<MemberId, ApiError> {
        let key = keys::members(self.account.tenant, self.account.user);
        let contact = member.open(&self.app.vault, &key).map_err(ApiError::internal)?;
        if contact.phone != self.person.phone {
            return Err(ErrorCode::MemberExists.into());
        }
        Ok(member.member)
    }

    fn entry(&self, link: MemberLink) -> Result<MemberEntry, ApiError> {
        let key = keys::members(self.account.tenant, self.account.user);
        let personal = MemberPersonal { phone: self.person.phone.clone() };
        MemberEntry::seal(&self.app.vault, &key, &personal, link).map_err(ApiError::internal)
    }

    fn idno_key(&self) -> Key<IdnoRecord> {
        let tenant = self.account.tenant;
        keys::idno(tenant, &self.app.vault.blind_id_number(tenant, &self.person.id_number))
    }

    async fn next_patient(&self) -> Result<PatientId, ApiError> {
        let (storage, tenant) = (&self.app.storage, self.account.tenant);
        let number = self.app.sequences.next(storage, tenant, Sequence::Patient).await?;
        PatientId::new(number).map_err(ApiError::internal)
    }

    async fn next_member(&self) -> Result<MemberId, ApiError> {
        let (storage, tenant) = (&self.app.storage, self.account.tenant);
        let number = self.app.sequences.next(storage, tenant, Sequence::Member).await?;
        MemberId::new(number).map_err(ApiError::internal)
    }
}
