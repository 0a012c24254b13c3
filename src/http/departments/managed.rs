//! Departments as the clinic's staff sees and keeps them.
//!
//! A name belongs to one department. Whoever adds or renames one writes the clinic's record as well, as it is, so that
//! of two at the same time one sees the other.

use actix_web::{HttpResponse, web};
use domain::{DepartmentId, TenantId};
use serde::Serialize;
use storage::records::{Action, DepartmentRecord};
use storage::{Commit, Scan, Sequence, Stored, Version, keys};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::{Admin, Staff};
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::Success;
use crate::http::paging::{Page, PageRequest, SnakePage, SnakePageQuery};
use crate::http::params::Params;
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};
use crate::texts::{self, LINE_LIMIT, NAME_LIMIT, TEXT_LIMIT};

/// Departments that a clinic may have.
const MAX_DEPARTMENTS: usize = 1_000;

#[derive(Serialize, ToSchema)]
struct ManagedDepartment {
    department_id: String,
    name: String,
    avatar: String,
    description: String,
    location: String,
    /// 1 有效, 0 停用
    enabled: u8,
}

/// What `department` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct DepartmentRequest {
    /// 科室ID; without one a department is added.
    department_id: Option<String>,
    /// 科室名称
    name: String,
    /// URL of its picture; without one it has none.
    avatar: Option<String>,
    /// 科室介绍
    description: Option<String>,
    /// 位置
    location: Option<String>,
    /// 1 有效, 0 停用: not shown and not booked, while what was booked stays. Without it as it was; 1 for a new one.
    enabled: Option<u8>,
}

#[derive(Serialize, ToSchema)]
struct SavedDepartment {
    department_id: String,
}

/// `GET manager_service/departments`: all departments, disabled ones too, by id.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/departments",
    tag = "管理：科室与医生",
    security(("token" = [])),
    params(SnakePageQuery),
    responses((status = 200, body = Success<SnakePage<ManagedDepartment>>)),
)]
pub async fn list(app: web::Data<App>, staff: Staff, params: Params) -> Result<HttpResponse, ApiError> {
    let page = PageRequest::read_snake(&params)?;
    let stored = read_all(&app, staff.tenant)?;
    let rows = stored.into_iter().map(|(id, stored)| ManagedDepartment {
        department_id: id.to_string(),
        name: stored.record.name,
        avatar: stored.record.avatar,
        description: stored.record.description,
        location: stored.record.location,
        enabled: stored.record.enabled.into(),
    });
    Ok(envelope::ok(SnakePage::from(Page::cut(page, rows))))
}

/// `POST manager_service/department`: adds a department, or replaces what is said of one.
///
/// Adding one that is there with the same content answers the one that is there.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/department",
    tag = "管理：科室与医生",
    security(("token" = [])),
    request_body = DepartmentRequest,
    responses((status = 200, body = Success<SavedDepartment>)),
)]
pub async fn save(app: web::Data<App>, admin: Admin, params: Params) -> Result<HttpResponse, ApiError> {
    let Admin(staff) = admin;
    let wish = Wish::read(&params)?;
    let id = store(&app, staff, &wish).await?;
    Ok(envelope::ok(SavedDepartment { department_id: id.to_string() }))
}

/// What the administrator wants.
struct Wish {
    id: Option<DepartmentId>,
    /// Enabled, until [`Wish::over`] has looked at what is stored.
    record: DepartmentRecord,
    enabled: Option<bool>,
}

impl Wish {
    fn read(params: &Params) -> Result<Self, ApiError> {
        let id = match params.optional("department_id", "科室ID") {
            Some(param) => Some(param.parse(DepartmentId::parse)?),
            None => None,
        };
        let name = params.required("name", "科室名称")?.parse(|text| texts::text(text, NAME_LIMIT))?;
        let optional = |field, label, limit| match params.optional(field, label) {
            Some(param) => param.parse(|text| texts::text(text, limit)),
            None => Ok(String::new()),
        };
        let avatar = match params.optional("avatar", "科室图片") {
            Some(param) => param.parse(texts::url)?,
            None => String::new(),
        };
        let description = optional("description", "科室介绍", TEXT_LIMIT)?;
        let location = optional("location", "位置", LINE_LIMIT)?;
        let enabled = match params.optional("enabled", "状态") {
            Some(param) => Some(param.boolean()?),
            None => None,
        };
        Ok(Self {
            id,
            record: DepartmentRecord { name, avatar, description, location, enabled: true },
            enabled,
        })
    }

    fn over(&self, before: Option<&DepartmentRecord>) -> DepartmentRecord {
        let enabled = self.enabled.unwrap_or(before.is_none_or(|before| before.enabled));
        DepartmentRecord { enabled, ..self.record.clone() }
    }
}

fn read_all(app: &App, tenant: TenantId) -> Result<Vec<(DepartmentId, Stored<DepartmentRecord>)>, ApiError> {
    let stored = app.storage.scan(&keys::departments(tenant), Scan::ALL).map_err(ApiError::internal)?;
    Ok(stored.into_iter().filter_map(|(key, stored)| Some((keys::department_id(&key)?, stored))).collect())
}

async fn store(app: &App, staff: Staff, wish: &Wish) -> Result<DepartmentId, ApiError> {
    let mut new = None;
    for _ in 0..MAX_TRIES {
        let mut commit = Commit::new();
        let clinic_key = keys::tenant(staff.tenant);
        let clinic = app.storage.get(&clinic_key).map_err(ApiError::internal)?;
        let clinic = clinic.ok_or(ErrorCode::TenantUnknown)?;
        commit.require_version(&clinic_key, clinic.version).put(&clinic_key, &clinic.record);
        let all = read_all(app, staff.tenant)?;
        let stored = match wish.id {
            Some(id) => Some(all.iter().find(|(other, _)| *other == id).ok_or(ErrorCode::NotFound)?),
            None => None,
        };
        let record = wish.over(stored.map(|(_, stored)| &stored.record));
        let namesake =
            all.iter().find(|(id, other)| other.record.name == record.name && Some(*id) != wish.id);
        if let Some((id, other)) = namesake {
            return if wish.id.is_none() && other.record == record {
                Ok(*id)
            } else {
                Err(ErrorCode::DepartmentNameTaken.into())
            };
        }
        let (id, version) = match (stored, new) {
            (Some((id, stored)), _) if stored.record == record => return Ok(*id),
            (Some((id, stored)), _) => (*id, stored.version),
            (None, Some(id)) => (id, Version::ABSENT),
            (None, None) if all.len() >= MAX_DEPARTMENTS => return Err(ErrorCode::TooManyEntries.into()),
            (None, None) => {
                let number = app.sequences.next(&app.storage, staff.tenant, Sequence::Department).await?;
                (*new.insert(DepartmentId::new(number).map_err(ApiError::internal)?), Version::ABSENT)
            }
        };
        let key = keys::department(staff.tenant, id);
        commit.require_version(&key, version).put(&key, &record);
        staff.require_session(app, &mut commit)?;
        staff.audit(app, Action::DepartmentSaved, Some(id.get())).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(id),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}
