//! Departments (科室).

use actix_web::{HttpResponse, web};
use serde::Serialize;
use storage::{Scan, keys};

use super::caller::Tenant;
use super::envelope;
use super::error::ApiError;
use crate::app::App;

#[derive(Serialize)]
struct DepartmentRow {
    #[serde(rename = "deptId")]
    id: String,
    #[serde(rename = "deptName")]
    name: String,
}

/// `GET tenant_service/depts`: the clinic's departments, by id.
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
