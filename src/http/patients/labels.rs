//! Groups (分组) and labels (标签) of patients: listed with their numbers, made, renamed, deleted.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use actors::LabelOrder;
use domain::{LabelId, LabelKind, LabelName, StaffId, TenantId};
use serde::Serialize;
use storage::records::{Action, LabelNameRecord, LabelRecord, LabelStanding};
use storage::{Commit, Sequence, Stored, keys};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::{Desk, Staff};
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::{Done, Success};
use crate::http::paging::PageRequest;
use crate::http::params::Params;
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};
use crate::http::staff::Colleague;

/// How many groups, and how many labels, a clinic may have.
const MAX_OF_A_KIND: usize = 2_000;

/// What `list_person_count` reads.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes a query; Params reads it")]
pub(in crate::http) struct LabelCountsQuery {
    /// 每页条数; above 100 it counts as 100. Both empty: everything, at most 1,000
    #[param(minimum = 1)]
    page_size: Option<u64>,
    /// 第几页
    #[param(minimum = 1)]
    page_num: Option<u64>,
    /// 1 分组, 2 标签
    label_type: u8,
    /// 1 按照序号升序, 2 按照序号降序
    order_type: u8,
}

/// What `list` reads.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes a query; Params reads it")]
pub(in crate::http) struct LabelsQuery {
    /// 1 分组, 2 标签
    label_type: u8,
}

/// What `save_group_label` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct LabelSaveRequest {
    /// 分组或者标签, at most 20 characters
    label_name: String,
    /// 空表示新增 有值代表修改
    label_id: Option<String>,
    /// 1 分组, 2 标签
    label_type: u8,
}

/// What `del_group_label` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct LabelDeleteRequest {
    /// 分组或者标签
    label_id: String,
    /// 1 分组, 2 标签
    label_type: u8,
}

#[derive(Serialize, ToSchema)]
struct LabelCounts {
    page_num: u64,
    page_size: u64,
    total: u64,
    pages: u64,
    /// All patients of the clinic.
    person_numbers: u64,
    list: Vec<LabelCount>,
}

#[derive(Serialize, ToSchema)]
struct LabelCount {
    label_name: String,
    label_id: String,
    /// Who made it (录入人).
    user_name: String,
    person_number: u64,
    /// Milliseconds since 1970.
    create_time: i64,
}

#[derive(Serialize, ToSchema)]
struct Labels {
    list: Vec<LabelRow>,
}

#[derive(Serialize, ToSchema)]
struct LabelRow {
    label_name: String,
    label_id: String,
}

/// `GET manager_service/list_person_count`: the groups or labels, and how many patients each has.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/list_person_count",
    tag = "管理：患者",
    security(("token" = [])),
    params(LabelCountsQuery),
    responses((status = 200, body = Success<LabelCounts>)),
)]
pub async fn count(app: web::Data<App>, Desk(staff): Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let page = PageRequest::read_snake_or_all(&params)?;
    let kind = kind_of(&params)?;
    let order = params.required("order_type", "排序方式")?.parse(parse_order)?;
    let found = app.patients.labels(staff.tenant, kind, order, (page.offset(), page.limit()));
    let mut names = Names { app: &app, tenant: staff.tenant, known: HashMap::new() };
    let mut list = Vec::with_capacity(found.rows.len());
    for row in found.rows {
        list.push(LabelCount {
            label_name: row.name.as_str().to_owned(),
            label_id: row.id.to_string(),
            user_name: names.of(row.created_by)?,
            person_number: row.patients as u64,
            create_time: row.created_at.as_millis(),
        });
    }
    let total = found.total as u64;
    Ok(envelope::ok(LabelCounts {
        page_num: page.number(),
        page_size: page.size(),
        total,
        pages: page.pages(total),
        person_numbers: found.patients as u64,
        list,
    }))
}

/// `GET manager_service/list`: the groups or labels, the oldest first.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/list",
    tag = "管理：患者",
    security(("token" = [])),
    params(LabelsQuery),
    responses((status = 200, body = Success<Labels>)),
)]
pub async fn list(app: web::Data<App>, staff: Staff, params: Params) -> Result<HttpResponse, ApiError> {
    let kind = kind_of(&params)?;
    let found = app.patients.labels(staff.tenant, kind, LabelOrder::OldestFirst, (0, MAX_OF_A_KIND));
    let list = found
        .rows
        .into_iter()
        .map(|row| LabelRow { label_name: row.name.as_str().to_owned(), label_id: row.id.to_string() });
    Ok(envelope::ok(Labels { list: list.collect() }))
}

/// `POST manager_service/save_group_label`: makes or renames a group or label. Making one whose name there is already
/// is a repeat, and changes nothing.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/save_group_label",
    tag = "管理：患者",
    security(("token" = [])),
    request_body = LabelSaveRequest,
    responses((status = 200, body = Done)),
)]
pub async fn save(app: web::Data<App>, Desk(staff): Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let name = params.required("label_name", "名称")?.parse(LabelName::parse)?;
    let label = params.optional("label_id", "编码").map(|param| param.parse(LabelId::parse)).transpose()?;
    let kind = kind_of(&params)?;
    let change = LabelChange { app: &app, staff, kind };
    match label {
        None => change.create(&name).await?,
        Some(label) => change.rename(label, &name).await?,
    }
    Ok(envelope::ok_null())
}

/// `POST manager_service/del_group_label`: deletes a group or label. It is gone at once; its patients are detached by
/// and by.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/del_group_label",
    tag = "管理：患者",
    security(("token" = [])),
    request_body = LabelDeleteRequest,
    responses((status = 200, body = Done)),
)]
pub async fn delete(
    app: web::Data<App>,
    Desk(staff): Desk,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let label = params.required("label_id", "编码")?.parse(LabelId::parse)?;
    let kind = kind_of(&params)?;
    LabelChange { app: &app, staff, kind }.delete(label).await?;
    Ok(envelope::ok_null())
}

fn kind_of(params: &Params) -> Result<LabelKind, ApiError> {
    params.required("label_type", "类型")?.parse(|text| {
        let code = text.parse().map_err(|_| ErrorCode::ParameterMalformed)?;
        LabelKind::from_code(code).ok_or(ErrorCode::ParameterMalformed)
    })
}

fn parse_order(text: &str) -> Result<LabelOrder, ErrorCode> {
    match text {
        "1" => Ok(LabelOrder::OldestFirst),
        "2" => Ok(LabelOrder::NewestFirst),
        _ => Err(ErrorCode::ParameterMalformed),
    }
}

/// The names of the staff, each opened once for a list.
struct Names<'a> {
    app: &'a App,
    tenant: TenantId,
    known: HashMap<StaffId, String>,
}

impl Names<'_> {
    fn of(&mut self, staff: StaffId) -> Result<String, ApiError> {
        if let Some(name) = self.known.get(&staff) {
            return Ok(name.clone());
        }
        let colleague = Colleague::find(self.app, self.tenant, staff)?;
        let name = colleague.map(|colleague| colleague.personal.name.as_str().to_owned()).unwrap_or_default();
        self.known.insert(staff, name.clone());
        Ok(name)
    }
}

/// Somebody of the staff changes the groups or the labels.
pub(super) struct LabelChange<'a> {
    pub(super) app: &'a App,
    pub(super) staff: Staff,
    pub(super) kind: LabelKind,
}

impl LabelChange<'_> {
    /// Makes one, if there is none of this name.
    pub(super) async fn create(&self, name: &LabelName) -> Result<(), ApiError> {
        let (app, tenant) = (self.app, self.staff.tenant);
        let mut new_label = None;
        for _ in 0..MAX_TRIES {
            let name_key = keys::label_name(tenant, self.kind, name);
            if app.storage.contains(&name_key).map_err(ApiError::internal)? {
                return Ok(());
            }
            if app.patients.label_count(tenant, self.kind) >= MAX_OF_A_KIND {
                return Err(ErrorCode::LabelLimit.into());
            }
            let label = match new_label {
                Some(label) => label,
                None => *new_label.insert(self.next_label().await?),
            };
            let record = LabelRecord {
                name: name.clone(),
                kind: self.kind,
                created_at: app.clock.now(),
                created_by: self.staff.id,
                standing: LabelStanding::Live,
            };
            let key = keys::label(tenant, label);
            let mut commit = Commit::new();
            commit.require_absent(&name_key).put(&name_key, &LabelNameRecord { label });
            commit.require_absent(&key).put(&key, &record);
            if self.commit(commit, Action::LabelSaved, label).await? == Outcome::Made {
                return Ok(());
            }
        }
        Err(ErrorCode::Busy.into())
    }

    async fn rename(&self, label: LabelId, name: &LabelName) -> Result<(), ApiError> {
        let (app, tenant) = (self.app, self.staff.tenant);
        let key = keys::label(tenant, label);
        for _ in 0..MAX_TRIES {
            let Stored { version, record } = self.find(label)?;
            match record.standing {
                LabelStanding::Live if record.name == *name => return Ok(()),
                LabelStanding::Live => {}
                LabelStanding::Deleted => return Err(ErrorCode::NotFound.into()),
            }
            let (old, new) = (
                keys::label_name(tenant, self.kind, &record.name),
                keys::label_name(tenant, self.kind, name),
            );
            if app.storage.contains(&new).map_err(ApiError::internal)? {
                return Err(ErrorCode::LabelNameTaken.into());
            }
            let mut commit = Commit::new();
            commit.delete(&old);
            commit.require_absent(&new).put(&new, &LabelNameRecord { label });
            commit.require_version(&key, version);
            commit.put(&key, &LabelRecord { name: name.clone(), ..record });
            if self.commit(commit, Action::LabelSaved, label).await? == Outcome::Made {
                return Ok(());
            }
        }
        Err(ErrorCode::Busy.into())
    }

    /// Marks one as deleted and frees its name. Again it is done already, for as long as its record is there.
    pub(super) async fn delete(&self, label: LabelId) -> Result<(), ApiError> {
        let tenant = self.staff.tenant;
        let key = keys::label(tenant, label);
        for _ in 0..MAX_TRIES {
            let Stored { version, record } = self.find(label)?;
            match record.standing {
                LabelStanding::Live => {}
                LabelStanding::Deleted => return Ok(()),
            }
            let mut commit = Commit::new();
            commit.delete(&keys::label_name(tenant, self.kind, &record.name));
            commit.require_version(&key, version);
            commit.put(&key, &LabelRecord { standing: LabelStanding::Deleted, ..record });
            if self.commit(commit, Action::LabelDeleted, label).await? == Outcome::Made {
                return Ok(());
            }
        }
        Err(ErrorCode::Busy.into())
    }

    /// # Errors
    /// 0404 when there is none, or one of the other kind.
    fn find(&self, label: LabelId) -> Result<Stored<LabelRecord>, ApiError> {
        let key = keys::label(self.staff.tenant, label);
        let stored = self.app.storage.get(&key).map_err(ApiError::internal)?;
        stored.filter(|stored| stored.record.kind == self.kind).ok_or_else(|| ErrorCode::NotFound.into())
    }

    async fn commit(&self, mut commit: Commit, action: Action, label: LabelId) -> Result<Outcome, ApiError> {
        self.staff.require_session(self.app, &mut commit)?;
        self.staff.audit(self.app, action, Some(label.get())).await?.put(&mut commit);
        let made = outcome(self.app.storage.commit(commit).await)?;
        if made == Outcome::Made {
            self.app.patients.refresh_label(self.staff.tenant, label);
        }
        Ok(made)
    }

    async fn next_label(&self) -> Result<LabelId, ApiError> {
        let (storage, tenant) = (&self.app.storage, self.staff.tenant);
        let number = self.app.sequences.next(storage, tenant, Sequence::Label).await?;
        LabelId::new(number).map_err(ApiError::internal)
    }
}
