//! Reading the audit trail (审计).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use actix_web::{HttpResponse, web};
use domain::{Date, StaffId, TenantId};
use serde::Serialize;
use storage::records::{Action, AuditRecord, ObjectKind};
use utoipa::ToSchema;

use super::Colleague;
use super::search::{MOST, Shown, Wanted, search};
use crate::app::App;
use crate::http::caller::Admin;
use crate::http::envelope;
use crate::http::error::ApiError;
use crate::http::openapi::Success;
use crate::http::paging::PageRequest;
use crate::http::params::{Param, Params};

#[derive(Serialize, ToSchema)]
struct TrailRow {
    /// The running number of the row.
    row_id: String,
    /// yyyy-MM-dd HH:mm:ss
    at: String,
    /// Who did it; for a failed login, whose account it was.
    staff_id: String,
    /// Their name as it is now.
    staff_name: String,
    /// `login`, `patient_read`, `booking_cancelled`, ...
    action: &'static str,
    /// `staff`, `patient`, `booking`, ...; null where the action is about nothing in particular.
    object_type: Option<&'static str>,
    object_id: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct TrailPage {
    page_num: u64,
    page_size: u64,
    /// Rows found among those that were looked at, the newest 100,000 of the dates.
    total: u64,
    pages: u64,
    /// Whether there are older rows that were not looked at. Dates lead to them.
    has_older: bool,
    list: Vec<TrailRow>,
}

/// `GET manager_service/audit`: what the staff did, newest first. Rows are kept for 184 days; none can be changed or
/// removed. That the trail was read is a row of it.
///
/// One request looks at 100,000 rows: the newest of the dates. `total` counts what was found among them, and
/// `has_older` tells whether there are others.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/audit",
    tag = "管理：员工",
    security(("token" = [])),
    params(
        ("page_num" = Option<u64>, Query, description = "From 1; without it 1."),
        ("page_size" = Option<u64>, Query, description = "From 1; without it 10; above 100 it counts as 100."),
        ("staff_id" = Option<String>, Query, description = "What this member of the staff did."),
        ("action" = Option<String>, Query, description = "Only this action."),
        ("object_type" = Option<String>, Query, description = "Only what is about something of this kind."),
        ("object_id" = Option<String>, Query, description = "Only what is about this one; with object_type."),
        ("from" = Option<String>, Query, description = "yyyy-MM-dd, the first day."),
        ("to" = Option<String>, Query, description = "yyyy-MM-dd, the last day."),
        ("up_to" = Option<String>, Query, description = "Nothing newer than this row_id. With that of the first \
            row of the first page, later pages do not shift by what is written meanwhile."),
    ),
    responses((status = 200, body = Success<TrailPage>)),
)]
pub async fn read(
    app: web::Data<App>,
    Admin(caller): Admin,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let request = PageRequest::read_snake(&params)?;
    let wanted = read_wanted(&app, &params)?;
    caller.audit_read(&app, Action::AuditRead, None).await?;
    let shown = Shown { offset: request.offset(), limit: request.limit(), most: MOST };
    let (storage, tenant) = (app.storage.clone(), caller.tenant);
    let found = web::block(move || search(&storage, tenant, &wanted, shown)).await;
    let found = found.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    let mut names = Names::default();
    let rows = found.rows.iter().map(|(number, row)| show(&app, tenant, &mut names, (*number, row)));
    let list = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(envelope::ok(TrailPage {
        page_num: request.number(),
        page_size: request.limit() as u64,
        total: found.total,
        pages: request.pages(found.total),
        has_older: found.has_older,
        list,
    }))
}

fn read_wanted(app: &App, params: &Params) -> Result<Wanted, ApiError> {
    let zone = &app.policy.zone;
    let staff = params.optional("staff_id", "员工编号").map(|id| id.parse(StaffId::parse)).transpose()?;
    let action = params.optional("action", "操作").map(|action| named(action, Action::from_name));
    let kind = params.optional("object_type", "对象类型").map(|kind| named(kind, ObjectKind::from_name));
    let kind = kind.transpose()?;
    let object = match params.optional("object_id", "对象编号") {
        // Things of different kinds have the same numbers.
        Some(_) if kind.is_none() => return Err(ApiError::missing("对象类型")),
        Some(object) => Some(number(object)?),
        None => None,
    };
    let from = params.optional("from", "开始日期").map(|date| date.parse(Date::parse_lenient)).transpose()?;
    let to = params.optional("to", "结束日期").map(|date| date.parse(Date::parse_lenient)).transpose()?;
    let up_to = params.optional("up_to", "记录编号").map(number).transpose()?;
    Ok(Wanted {
        staff,
        action: action.transpose()?,
        kind,
        object,
        from: from.map(|date| zone.start_of_day(date)),
        until: to.map(|date| zone.start_of_day(date.saturating_add_days(1))),
        up_to,
    })
}

fn number(param: Param<'_>) -> Result<u64, ApiError> {
    param.integer(1..=i64::MAX).map(i64::unsigned_abs)
}

fn named<T>(param: Param<'_>, find: fn(&str) -> Option<T>) -> Result<T, ApiError> {
    find(param.text()?).ok_or_else(|| param.malformed())
}

/// The names of those who stand in a page, each looked up once.
type Names = HashMap<StaffId, String>;

fn show(
    app: &App,
    tenant: TenantId,
    names: &mut Names,
    (number, row): (u64, &AuditRecord),
) -> Result<TrailRow, ApiError> {
    let name = match names.entry(row.staff) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(new) => {
            let colleague = Colleague::find(app, tenant, row.staff)?;
            let name = colleague.map(|colleague| colleague.personal.name.as_str().to_owned());
            new.insert(name.unwrap_or_default())
        }
    };
    let kind = row.action.object();
    Ok(TrailRow {
        row_id: number.to_string(),
        at: app.policy.zone.date_time_text(row.at),
        staff_id: row.staff.to_string(),
        staff_name: name.clone(),
        action: row.action.name(),
        object_type: (kind != ObjectKind::Nothing).then(|| kind.name()),
        object_id: row.object.as_ref().map(u64::to_string),
    })
}
