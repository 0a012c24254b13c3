//! Doctors (医生): as the clinic's staff sees and keeps them, and the list to find one in.

use actix_web::{HttpResponse, web};
use domain::{DepartmentId, DoctorId, TenantId};
use serde::Serialize;
use storage::records::{Action, DoctorRecord};
use storage::{Commit, Scan, Sequence, Storage, Stored, Version, keys};
use utoipa::ToSchema;

use super::caller::{Admin, LoggedIn, Staff};
use super::envelope;
use super::error::{ApiError, ErrorCode};
use super::openapi::Success;
use super::paging::{Page, PageRequest, SnakePage, SnakePageQuery};
use super::params::{Param, Params};
use super::refusals::{MAX_TRIES, Outcome, outcome};
use crate::app::App;
use crate::texts::{self, NAME_LIMIT, TEXT_LIMIT};

/// Doctors that a clinic may have.
const MAX_DOCTORS: usize = 10_000;

/// Departments that a doctor may work in.
const MAX_DEPARTMENTS: usize = 50;

const DEPARTMENTS: &str = "科室";

#[derive(Serialize, ToSchema)]
struct ManagedDoctor {
    doctor_id: String,
    name: String,
    title: String,
    avatar: String,
    description: String,
    expertise: String,
    /// The ids of the departments the doctor works in.
    departments: Vec<String>,
    /// 1 有效, 0 停用
    enabled: u8,
}

/// A doctor to consult (咨询时医生列表).
#[derive(Serialize, ToSchema)]
struct ListedDoctor {
    doctor_id: String,
    doctor_name: String,
    doctor_photo_url: String,
    doctor_title: String,
    doctor_expert: String,
}

/// What `doctor` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct DoctorRequest {
    /// 医生ID; without one a doctor is added.
    doctor_id: Option<String>,
    /// 姓名
    name: String,
    /// 职称
    title: Option<String>,
    /// URL of the picture; without one there is none.
    avatar: Option<String>,
    /// 医生介绍
    description: Option<String>,
    /// 擅长
    expertise: Option<String>,
    /// The ids of the departments the doctor works in, at least one.
    departments: Vec<String>,
    /// 1 有效, 0 停用: not shown and not booked, while what was booked stays. Without it as it was; 1 for a new one.
    enabled: Option<u8>,
}

#[derive(Serialize, ToSchema)]
struct SavedDoctor {
    doctor_id: String,
}

/// `GET manager_service/doctors`: all doctors, disabled ones too, by id; or those of a department.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/doctors",
    tag = "管理：科室与医生",
    security(("token" = [])),
    params(("department_id" = Option<String>, Query, description = "科室ID; without one all"), SnakePageQuery),
    responses((status = 200, body = Success<SnakePage<ManagedDoctor>>)),
)]
pub async fn list(app: web::Data<App>, staff: Staff, params: Params) -> Result<HttpResponse, ApiError> {
    let department = match params.optional("department_id", "科室ID") {
        Some(param) => Some(param.parse(DepartmentId::parse)?),
        None => None,
    };
    let page = PageRequest::read_snake(&params)?;
    let found = find(&app, staff.tenant, move |doctor| {
        department.is_none_or(|department| doctor.departments.contains(&department))
    });
    let rows = found.await?.into_iter().map(|(id, doctor)| ManagedDoctor {
        doctor_id: id.to_string(),
        name: doctor.name,
        title: doctor.title,
        avatar: doctor.avatar,
        description: doctor.description,
        expertise: doctor.expertise,
        departments: doctor.departments.iter().map(ToString::to_string).collect(),
        enabled: doctor.enabled.into(),
    });
    Ok(envelope::ok(SnakePage::from(Page::cut(page, rows))))
}

/// `GET manager_service/doctor_list`: the doctors whose name contains a text, letter by letter; Latin letters whether
/// large or small.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/doctor_list",
    tag = "管理：科室与医生",
    security(("token" = [])),
    params(
        ("doctor_name" = Option<String>, Query, description = "医生姓名，模糊查询; without one all"),
        ("page_num" = u64, Query, minimum = 1, description = "当前页"),
        ("page_size" = u64, Query, minimum = 1, description = "每页的数量; above 100 it counts as 100"),
    ),
    responses((status = 200, body = Success<SnakePage<ListedDoctor>>)),
)]
pub async fn search(app: web::Data<App>, caller: LoggedIn, params: Params) -> Result<HttpResponse, ApiError> {
    let name = match params.optional("doctor_name", "医生姓名") {
        Some(param) => param.text()?.to_lowercase(),
        None => String::new(),
    };
    params.required("page_num", "当前页")?;
    params.required("page_size", "每页的数量")?;
    let page = PageRequest::read_snake(&params)?;
    let found =
        find(&app, caller.tenant, move |doctor| doctor.enabled && doctor.name.to_lowercase().contains(&name));
    let rows = found.await?.into_iter().map(|(id, doctor)| ListedDoctor {
        doctor_id: id.to_string(),
        doctor_name: doctor.name,
        doctor_photo_url: doctor.avatar,
        doctor_title: doctor.title,
        doctor_expert: doctor.expertise,
    });
    Ok(envelope::ok(SnakePage::from(Page::cut(page, rows))))
}

/// `POST manager_service/doctor`: adds a doctor, or replaces what is said of one.
///
/// Doctors may share a name. Adding one who is there with the same content in every field answers the one who is there.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/doctor",
    tag = "管理：科室与医生",
    security(("token" = [])),
    request_body = DoctorRequest,
    responses((status = 200, body = Success<SavedDoctor>)),
)]
pub async fn save(app: web::Data<App>, admin: Admin, params: Params) -> Result<HttpResponse, ApiError> {
    let Admin(staff) = admin;
    let wish = Wish::read(&params)?;
    for department in &wish.record.departments {
        let key = keys::department(staff.tenant, *department);
        if !app.storage.contains(&key).map_err(ApiError::internal)? {
            return Err(ErrorCode::NotFound.into());
        }
    }
    let id = store(&app, staff, &wish).await?;
    Ok(envelope::ok(SavedDoctor { doctor_id: id.to_string() }))
}

/// The doctors for whom `is_wanted` holds, by id.
async fn find(
    app: &App,
    tenant: TenantId,
    is_wanted: impl Fn(&DoctorRecord) -> bool + Send + 'static,
) -> Result<Vec<(DoctorId, DoctorRecord)>, ApiError> {
    let storage = app.storage.clone();
    let found = web::block(move || {
        let all = read_all(&storage, tenant)?.into_iter().map(|(id, stored)| (id, stored.record));
        Ok::<Vec<_>, ApiError>(all.filter(|(_, doctor)| is_wanted(doctor)).collect())
    });
    found.await.map_err(ApiError::internal)?
}

fn read_all(storage: &Storage, tenant: TenantId) -> Result<Vec<(DoctorId, Stored<DoctorRecord>)>, ApiError> {
    let stored = storage.scan(&keys::doctors(tenant), Scan::ALL).map_err(ApiError::internal)?;
    Ok(stored.into_iter().filter_map(|(key, stored)| Some((keys::doctor_id(&key)?, stored))).collect())
}

/// What the administrator wants.
struct Wish {
    id: Option<DoctorId>,
    /// Enabled, until [`Wish::over`] has looked at what is stored.
    record: DoctorRecord,
    enabled: Option<bool>,
}

impl Wish {
    fn read(params: &Params) -> Result<Self, ApiError> {
        let id = match params.optional("doctor_id", "医生ID") {
            Some(param) => Some(param.parse(DoctorId::parse)?),
            None => None,
        };
        let text = |param: Param<'_>, limit| param.parse(|text| texts::text(text, limit));
        let optional = |field, label, limit| match params.optional(field, label) {
            Some(param) => text(param, limit),
            None => Ok(String::new()),
        };
        let name = text(params.required("name", "医生姓名")?, NAME_LIMIT)?;
        let title = optional("title", "职称", NAME_LIMIT)?;
        let avatar = match params.optional("avatar", "医生头像") {
            Some(param) => param.parse(texts::url)?,
            None => String::new(),
        };
        let description = optional("description", "医生介绍", TEXT_LIMIT)?;
        let expertise = optional("expertise", "擅长", TEXT_LIMIT)?;
        let mut departments = Vec::new();
        for element in params.list("departments", DEPARTMENTS)?.unwrap_or_default() {
            let department = element.itself(DEPARTMENTS).ok_or_else(|| ApiError::malformed(DEPARTMENTS))?;
            let department = department.parse(DepartmentId::parse)?;
            if !departments.contains(&department) {
                departments.push(department);
            }
        }
        if departments.is_empty() {
            return Err(ApiError::missing(DEPARTMENTS));
        }
        if departments.len() > MAX_DEPARTMENTS {
            return Err(ApiError::malformed(DEPARTMENTS));
        }
        let enabled = match params.optional("enabled", "状态") {
            Some(param) => Some(param.boolean()?),
            None => None,
        };
        let record = DoctorRecord { name, title, avatar, description, expertise, departments, enabled: true };
        Ok(Self { id, record, enabled })
    }

    fn over(&self, before: Option<&DoctorRecord>) -> DoctorRecord {
        let enabled = self.enabled.unwrap_or(before.is_none_or(|before| before.enabled));
        DoctorRecord { enabled, ..self.record.clone() }
    }
}

/// Who adds a doctor writes the clinic's record as well, as it is, so that of two equal ones at the same time the second
/// finds the first.
async fn store(app: &App, staff: Staff, wish: &Wish) -> Result<DoctorId, ApiError> {
    let mut new = None;
    for _ in 0..MAX_TRIES {
        let mut commit = Commit::new();
        let (id, version, record) = match wish.id {
            Some(id) => {
                let stored = app.storage.get(&keys::doctor(staff.tenant, id)).map_err(ApiError::internal)?;
                let stored = stored.ok_or(ErrorCode::NotFound)?;
                let record = wish.over(Some(&stored.record));
                if record == stored.record {
                    return Ok(id);
                }
                (id, stored.version, record)
            }
            None => {
                let clinic_key = keys::tenant(staff.tenant);
                let clinic = app.storage.get(&clinic_key).map_err(ApiError::internal)?;
                let clinic = clinic.ok_or(ErrorCode::TenantUnknown)?;
                commit.require_version(&clinic_key, clinic.version).put(&clinic_key, &clinic.record);
                let record = wish.over(None);
                let storage = app.storage.clone();
                let all = web::block(move || read_all(&storage, staff.tenant));
                let all = all.await.map_err(ApiError::internal)??;
                if let Some((id, _)) = all.iter().find(|(_, stored)| stored.record == record) {
                    return Ok(*id);
                }
                if all.len() >= MAX_DOCTORS {
                    return Err(ErrorCode::TooManyEntries.into());
                }
                let id = match new {
                    Some(id) => id,
                    None => {
                        let number = app.sequences.next(&app.storage, staff.tenant, Sequence::Doctor).await?;
                        *new.insert(DoctorId::new(number).map_err(ApiError::internal)?)
                    }
                };
                (id, Version::ABSENT, record)
            }
        };
        let key = keys::doctor(staff.tenant, id);
        commit.require_version(&key, version).put(&key, &record);
        staff.require_session(app, &mut commit)?;
        staff.audit(app, Action::DoctorSaved, Some(id.get())).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(id),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}
