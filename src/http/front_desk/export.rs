//! The day's list as a file (CSV) and as a page to print.

use std::fmt::Write as _;

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use domain::{Date, DepartmentId, DoctorId, Owner, Period, TenantId};
use storage::keys;
use storage::records::Action;
use utoipa::ToSchema;

use super::ledger::{Found, Ledger, charge_label, masked_id_number, only, period_label, status_label};
use super::{Whose, day};
use crate::app::App;
use crate::http::caller::Desk;
use crate::http::error::ApiError;
use crate::http::params::Params;
use crate::http::security;

/// What spreadsheets take a file for UTF-8 by.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The columns of the file.
const COLUMNS: [&str; 15] = [
    "日期",
    "午别",
    "时间",
    "序号",
    "预约码",
    "科室",
    "医生",
    "姓名",
    "手机号",
    "证件号码",
    "状态",
    "收费",
    "费用",
    "签到时间",
    "来源",
];

/// A CSV file: UTF-8 with a byte order mark, CRLF, quoted by RFC 4180.
#[derive(ToSchema)]
#[schema(value_type = String)]
#[expect(dead_code, reason = "it describes a download")]
struct CsvFile(String);

/// A page of HTML that loads nothing.
#[derive(ToSchema)]
#[schema(value_type = String)]
#[expect(dead_code, reason = "it describes a download")]
struct PrintedPage(String);

/// `GET manager_service/bookings/csv`: the day's list as a file for a spreadsheet.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/bookings/csv",
    tag = "管理：前台",
    security(("token" = [])),
    params(
        ("date" = Option<String>, Query, description = "yyyy-MM-dd; without it today"),
        ("department_id" = Option<String>, Query, description = "科室ID"),
        ("doctor_id" = Option<String>, Query, description = "医生ID: who sees the patients now"),
    ),
    responses((status = 200, body = CsvFile, content_type = "text/csv")),
)]
pub async fn csv(app: web::Data<App>, Desk(staff): Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let date = day(&app, &params)?;
    let whose = Whose::read(&params, &staff)?;
    staff.audit_read(&app, Action::BookingsExported, None).await?;
    let file = web::block(move || csv_of(&app, staff.tenant, date, &whose));
    let file = file.await.map_err(ApiError::internal)??;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"bookings-{date}.csv\"")))
        .body(file))
}

/// `GET manager_service/bookings/print`: the day's list on paper, by doctor and half-day.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/bookings/print",
    tag = "管理：前台",
    security(("token" = [])),
    params(
        ("date" = Option<String>, Query, description = "yyyy-MM-dd; without it today"),
        ("department_id" = Option<String>, Query, description = "科室ID"),
        ("doctor_id" = Option<String>, Query, description = "医生ID: who sees the patients now"),
    ),
    responses((status = 200, body = PrintedPage, content_type = "text/html")),
)]
pub async fn print(app: web::Data<App>, Desk(staff): Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let date = day(&app, &params)?;
    let whose = Whose::read(&params, &staff)?;
    staff.audit_read(&app, Action::BookingsExported, None).await?;
    let page = web::block(move || page_of(&app, staff.tenant, date, &whose));
    let page = page.await.map_err(ApiError::internal)??;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/html; charset=utf-8")).body(page))
}

fn csv_of(app: &App, tenant: TenantId, date: Date, whose: &Whose) -> Result<Vec<u8>, ApiError> {
    let mut ledger = Ledger::new(app, tenant);
    let found = ledger.bookings(&only(date), whose)?;
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(BYTE_ORDER_MARK.to_vec());
    writer.write_record(COLUMNS).map_err(ApiError::internal)?;
    for found in &found {
        let cells = cells(&mut ledger, found)?;
        writer.write_record(cells.iter().map(|cell| harmless(cell))).map_err(ApiError::internal)?;
    }
    writer.into_inner().map_err(|error| ApiError::internal(error.to_string()))
}

/// One for each of [`COLUMNS`].
fn cells(ledger: &mut Ledger<'_>, found: &Found) -> Result<[String; COLUMNS.len()], ApiError> {
    let Found { booking, doctor } = found;
    let department = ledger.department_name(booking.department)?;
    let doctor = ledger.doctor_name(*doctor)?.unwrap_or_default();
    let (time, checked_in_at) = (ledger.time_of(booking), ledger.checked_in_at(booking));
    let person = ledger.person(booking.patient)?;
    Ok([
        booking.date.to_string(),
        period_label(booking.period).to_owned(),
        time,
        booking.serial.to_string(),
        booking.code.to_string(),
        department,
        doctor,
        person.map(|person| person.name.as_str().to_owned()).unwrap_or_default(),
        person.map(|person| person.phone.as_str().to_owned()).unwrap_or_default(),
        masked_id_number(person),
        status_label(booking.status).to_owned(),
        charge_label(booking.charge).to_owned(),
        booking.fee.to_string(),
        checked_in_at.unwrap_or_default(),
        match booking.owner {
            Owner::Account { .. } => "账号".to_owned(),
            Owner::Desk { .. } => "前台".to_owned(),
        },
    ])
}

/// A cell that a spreadsheet does not take for a formula.
fn harmless(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

/// The patients of one doctor, or of a department's ordinary clinic (普通门诊), on one half-day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sheet {
    department: DepartmentId,
    doctor: Option<DoctorId>,
    period: Period,
}

impl Sheet {
    fn of(found: &Found) -> Self {
        let Found { booking, doctor } = found;
        Self { department: booking.department, doctor: *doctor, period: booking.period }
    }
}

/// Patients who do not come are not on paper.
fn page_of(app: &App, tenant: TenantId, date: Date, whose: &Whose) -> Result<String, ApiError> {
    let clinic = app.storage.get(&keys::tenant(tenant)).map_err(ApiError::internal)?;
    let clinic = clinic.map(|stored| stored.record.name).unwrap_or_default();
    let mut ledger = Ledger::new(app, tenant);
    let mut found = ledger.bookings(&only(date), whose)?;
    found.retain(|found| !found.booking.is_cancelled());
    found.sort_by_key(|found| (Sheet::of(found), found.booking.serial));
    let mut page = String::from("<!DOCTYPE html>\n<html lang=\"zh-CN\"><head><meta charset=\"utf-8\">");
    let title = Escaped(&clinic);
    page.push_str(&format!(
        "<title>{title} {date} 预约名单</title><style>{}</style></head><body>\n<h1>{title} {date} 预约名单</h1>\n",
        security::PRINT_STYLE
    ));
    if found.is_empty() {
        page.push_str("<p>没有预约</p>\n");
    }
    for sheet in found.chunk_by(|one, other| Sheet::of(one) == Sheet::of(other)) {
        write_sheet(&mut page, &mut ledger, sheet)?;
    }
    page.push_str("</body></html>\n");
    Ok(page)
}

fn write_sheet(page: &mut String, ledger: &mut Ledger<'_>, sheet: &[Found]) -> Result<(), ApiError> {
    let Some(first) = sheet.first() else { return Ok(()) };
    let department = ledger.department_name(first.booking.department)?;
    let doctor = ledger.doctor_name(first.doctor)?.unwrap_or_else(|| "普通门诊".to_owned());
    page.push_str(&format!(
        "<section><h2>{} {} {}（{}人）</h2>\n<table><thead><tr><th>序号</th><th>时间</th><th>预约码</th><th>姓名</th>\
         <th>手机号</th><th>证件号码</th><th>状态</th><th>收费</th><th>签到时间</th></tr></thead><tbody>\n",
        Escaped(&department),
        Escaped(&doctor),
        period_label(first.booking.period),
        sheet.len()
    ));
    for Found { booking, .. } in sheet {
        let (time, checked_in_at) = (ledger.time_of(booking), ledger.checked_in_at(booking));
        let person = ledger.person(booking.patient)?;
        let cells = [
            booking.serial.to_string(),
            time,
            booking.code.to_string(),
            person.map(|person| person.name.as_str().to_owned()).unwrap_or_default(),
            person.map(|person| person.phone.as_str().to_owned()).unwrap_or_default(),
            masked_id_number(person),
            status_label(booking.status).to_owned(),
            charge_label(booking.charge).to_owned(),
            checked_in_at.unwrap_or_default(),
        ];
        page.push_str("<tr>");
        for cell in &cells {
            // Writing to a string cannot fail.
            let _ = write!(page, "<td>{}</td>", Escaped(cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></section>\n");
    Ok(())
}

/// Text as it may stand between tags and in an attribute.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_formula() {
        for hostile in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(harmless(hostile), format!("'{hostile}"));
        }
        for plain in ["", "张三", "1=1", " =1", "'=1"] {
            assert_eq!(harmless(plain), plain);
        }
    }

    #[test]
    fn nothing_in_a_text_is_markup() {
        let hostile = "<script>alert(\"a\" & 'b')</script>";
        let shown = "&lt;script&gt;alert(&quot;a&quot; &amp; &#39;b&#39;)&lt;/script&gt;";
        assert_eq!(Escaped(hostile).to_string(), shown);
    }
}
