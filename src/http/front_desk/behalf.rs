//! Booking on behalf of a patient (代预约), who stands at the desk or has called.

use actix_web::{HttpResponse, web};
use actors::{Booker, Request, Target, Terms};
use domain::{MemberId, PatientId, Reply, ScheduleId, SerialNo, TenantId, UserId};
use serde::Serialize;
use storage::records::Action;
use storage::{Scan, Storage, keys};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::Desk;
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::Success;
use crate::http::params::Params;

/// How many accounts are read at a time, so that writers need not wait for all of them.
const ACCOUNTS_AT_ONCE: usize = 1_000;

#[derive(Serialize, ToSchema)]
struct BookedAtDesk {
    book_id: String,
}

/// What `manager_service/booking` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct BookAtDeskRequest {
    /// 排班ID
    schedule_id: String,
    /// 就诊编号, one for the desk alone (现场号) too
    serial_no: u16,
    /// 患者ID
    pati_id: String,
    /// 就诊人ID: with it the booking is the account's, as if it had booked itself; the member has to be this patient.
    member_id: Option<String>,
}

/// `POST manager_service/booking`: books a slot for a patient, under the rules that hold for everybody.
///
/// A repeat by the same member of the staff answers the same booking.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/booking",
    tag = "管理：前台",
    security(("token" = [])),
    request_body = BookAtDeskRequest,
    responses((status = 200, body = Success<BookedAtDesk>)),
)]
pub async fn book(app: web::Data<App>, Desk(staff): Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let schedule = params.required("schedule_id", "排班ID")?.parse(ScheduleId::parse)?;
    let serial = params.required("serial_no", "就诊编号")?.parse(SerialNo::parse)?;
    let patient = params.required("pati_id", "患者ID")?.parse(PatientId::parse)?;
    let member =
        params.optional("member_id", "就诊人ID").map(|param| param.parse(MemberId::parse)).transpose()?;
    let booker = match member {
        None => Booker::Desk { staff: staff.id, patient },
        Some(member) => {
            let storage = app.storage.clone();
            let account = web::block(move || account_of(&storage, staff.tenant, (member, patient)));
            let user = account.await.map_err(ApiError::internal)??.ok_or(ErrorCode::MemberUnknown)?;
            Booker::DeskForMember { user, member, patient }
        }
    };
    let audit = Some(staff.audit(&app, Action::BookingAdded, None).await?);
    let terms = Terms { deadline: app.deadline(), repeat: None, audit, also: None };
    let target = Target { tenant: staff.tenant, schedule };
    match app.directory.ask(target, Request::Submit { booker, serial }, terms).await? {
        Reply::Booked(id) => Ok(envelope::ok(BookedAtDesk { book_id: id.to_string() })),
        other => Err(ApiError::internal(format!("a submit was answered with {other:?}"))),
    }
}

/// The account that has this patient as this member. Blocks the thread.
fn account_of(
    storage: &Storage,
    tenant: TenantId,
    (member, patient): (MemberId, PatientId),
) -> Result<Option<UserId>, ApiError> {
    let mut range = keys::all_members(tenant);
    loop {
        let scan = Scan { limit: ACCOUNTS_AT_ONCE, ..Scan::ALL };
        let accounts = storage.scan(&range, scan).map_err(ApiError::internal)?;
        for (key, stored) in &accounts {
            if stored.record.members.iter().any(|entry| entry.member == member && entry.patient == patient) {
                return Ok(keys::user_id(key));
            }
        }
        match accounts.last() {
            Some((last, _)) if accounts.len() == ACCOUNTS_AT_ONCE => range = range.after(last),
            Some(_) | None => return Ok(None),
        }
    }
}
