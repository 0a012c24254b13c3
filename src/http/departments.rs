//! Departments (科室).

use actix_web::{HttpResponse, web};
use serde::Serialize;
use storage::{Scan, keys};
use utoipa::ToSchema;

use super::caller::Tenant;
use super::envelope;
use super::error::ApiError;
use super::openapi::Success;
use crate::app::App;

pub mod managed;

#[derive(Serialize, ToSchema)]
struct DepartmentRow {
    #[serde(rename = "deptId")]
    id: String,
    #[serde(rename = "deptName")]
    name: String,
}

/// `GET tenant_service/depts`: the clinic's departments, by id.
#[utoipa::path(
    get,
    path = "/pati_service/tenant_service/depts",
    tag = "预约挂号",
    responses((status = 200, body = Success<Vec<DepartmentRow>>)),
)]
pub async fn list(app: web::Data<App>, tenant: Tenant) -> Result<HttpResponse, ApiError> {
    let departments =
        app.storage.scan(&keys::departments(tenant.id), Scan::ALL).map_err(ApiError::internal)?;
    let rows: Vec<_> = departments
        .into_iter()
        .filter(|(_, stored)| stored.record.enabled)
        .filter_map(|(key, stored)| {
            let id = keys::department_id(&key)?;
            Some(DepartmentRow { id: id.to_string(), name: stored.record.name })
        })
        .collect();
    Ok(envelope::ok(rows))
}
