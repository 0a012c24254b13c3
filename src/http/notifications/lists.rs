//! What patients are told, as the desk reads it.

use std::ops::RangeInclusive;

use actix_web::{HttpResponse, web};
use domain::{Booking, Date, PatientId, TenantId, Timestamp};
use serde::Serialize;
use storage::keys::NotificationId;
use storage::records::{Action, Delivery, NotificationKind, NotificationRecord, PatientPersonal};
use storage::{Scan, keys};
use utoipa::ToSchema;

use super::{find, is_kept};
use crate::app::App;
use crate::http::caller::Desk;
use crate::http::envelope;
use crate::http::error::ApiError;
use crate::http::openapi::Success;
use crate::http::paging::{Page, PageRequest, SnakePage, SnakePageQuery};
use crate::http::params::Params;

/// How many rows are looked through at a time, so that not all of thirty days are in memory at once.
const READ_AT_ONCE: usize = 1_000;

#[derive(Serialize, ToSchema)]
struct NotificationRow {
    notification_id: String,
    /// yyyy-MM-dd HH:mm:ss, of what happened or was asked for
    at: String,
    /// `stopped` (停诊: the booking is cancelled), `relocated` (another room or doctor), `booked`, `cancelled`, `registered`
    /// (已挂号), `follow_up` (复诊), `reminder`, `glasses_ready` (取镜), `doctor_replied` or `order_progress`.
    kind: &'static str,
    /// 0 取镜通知, 1 预约挂号成功, 2 预约挂号取消, 3 挂号成功, 4 复诊, 5 医生回复, 6 加工订单进度
    wech_temp_type: u8,
    /// `waiting`, `sent`, `skipped` (nobody can be told this way) or `failed` (given up).
    state: &'static str,
    /// When it is tried next; null unless it waits.
    next_at: Option<String>,
    /// When it was sent, skipped or given up; null while it waits.
    settled_at: Option<String>,
    /// How often it was tried since it was last asked for; null once that does not matter.
    attempts: Option<u8>,
    /// `wechat` or `sms`; null unless it is sent.
    sent_by: Option<&'static str>,
    /// `arrived`, `blocked` or `failed`, as WeChat told afterwards; null before, and for a text message.
    receipt: Option<&'static str>,
    /// Why it was skipped (`no_open_id`, `no_template`, `not_connected`, `unsubscribed`, `refused`, `no_phone`, `erased`,
    /// `too_late`, `too_many_texts`) or given up (`refused`, `unreachable`, `unfit`); null otherwise.
    why: Option<&'static str>,
    /// What WeChat answered when it was given up; null where it did not.
    errcode: Option<i64>,
    /// What is to be looked at when it was given up, in words, such as the place of the template that has no value; null
    /// where nothing else is known.
    fault: Option<String>,
    /// How often the desk has had it sent again.
    resends: u16,
    /// Null where it is not about a booking, and so are the next two.
    book_id: Option<String>,
    schedule_id: Option<String>,
    /// When the patient is or was expected, yyyy-MM-dd HH:mm:ss
    trea_time: Option<String>,
    pati_id: String,
    /// Empty where the file was erased meanwhile.
    pati_name: String,
    phone: String,
}

/// Which end of the list comes first.
#[derive(Clone, Copy)]
enum First {
    Newest,
    Oldest,
}

/// Which notifications a list is to have.
#[derive(Clone)]
struct Wanted {
    moments: RangeInclusive<Timestamp>,
    state: Option<&'static str>,
    kind: Option<NotificationKind>,
    patient: Option<PatientId>,
}

impl Wanted {
    fn read(app: &App, params: &Params) -> Result<Self, ApiError> {
        let state = |param: crate::http::params::Param<'_>| param.parse(parse_state);
        let kind = |param: crate::http::params::Param<'_>| {
            param.parse(|text| NotificationKind::from_name(text).ok_or(()))
        };
        let day =
            |name, label| params.optional(name, label).map(|param| param.parse(Date::parse)).transpose();
        let (from, to) = (day("from", "开始日期")?, day("to", "结束日期")?);
        if let (Some(from), Some(to)) = (from, to)
            && to < from
        {
            return Err(ApiError::malformed("结束日期"));
        }
        let zone = &app.policy.zone;
        // Nothing happened before 1970, and keys have no place for it.
        let begin = |day| zone.start_of_day(day).max(Timestamp::from_millis(0));
        let start = from.map_or(Timestamp::from_millis(0), begin);
        let end = to.map_or(Timestamp::from_millis(i64::MAX), |to| {
            let next = begin(to.saturating_add_days(1));
            Timestamp::from_millis(next.as_millis() - 1)
        });
        let patient = params.optional("pati_id", "患者ID").map(|param| param.parse(PatientId::parse));
        Ok(Self {
            moments: start..=end,
            state: params.optional("state", "通知状态").map(state).transpose()?,
            kind: params.optional("kind", "通知类型").map(kind).transpose()?,
            patient: patient.transpose()?,
        })
    }

    fn includes(&self, record: &NotificationRecord) -> bool {
        self.state.is_none_or(|state| record.delivery.name() == state)
            && self.patient.is_none_or(|patient| record.patient == patient)
    }
}

/// `GET manager_service/notifications`: what patients are told, of the last 30 days.
///
/// Bookings that were stopped or moved are there always. Those that were booked, cancelled or registered are where the
/// clinic had a way to tell it: a service account, or a provider of text messages that sends notices.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/notifications",
    tag = "管理：通知",
    security(("token" = [])),
    params(
        ("from" = Option<String>, Query, description = "yyyy-MM-dd; without it from the oldest on"),
        ("to" = Option<String>, Query, description = "yyyy-MM-dd, the day included; without it to the newest"),
        ("state" = Option<String>, Query, description = "`waiting`, `sent`, `skipped` or `failed`"),
        ("kind" = Option<String>, Query, description = "as in the rows"),
        ("pati_id" = Option<String>, Query, description = "患者ID"),
        ("order" = Option<String>, Query, description = "`newest` first, as without it, or `oldest` first"),
        SnakePageQuery,
    ),
    responses((status = 200, body = Success<SnakePage<NotificationRow>>)),
)]
pub async fn list(app: web::Data<App>, Desk(staff): Desk, params: Params) -> Result<HttpResponse, ApiError> {
    let first = match params.optional("order", "排序") {
        Some(param) => param.parse(parse_order)?,
        None => First::Newest,
    };
    let wanted = Wanted::read(&app, &params)?;
    let page = PageRequest::read_snake(&params)?;
    staff.audit_read(&app, Action::NotificationsListed, None).await?;
    let listed = web::block(move || page_of(&app, staff.tenant, &wanted, (first, page)));
    let listed = listed.await.map_err(ApiError::internal)??;
    Ok(envelope::ok(SnakePage::from(listed)))
}

fn page_of(
    app: &App,
    tenant: TenantId,
    wanted: &Wanted,
    (first, page): (First, PageRequest),
) -> Result<Page<NotificationRow>, ApiError> {
    let mut found = found(app, tenant, wanted)?;
    match first {
        First::Newest => found.reverse(),
        First::Oldest => {}
    }
    let mut rows = Vec::new();
    for id in found.iter().skip(page.offset()).take(page.limit()) {
        rows.extend(row(app, tenant, id)?);
    }
    Ok(Page::new(page, found.len() as u64, rows))
}

/// Those of a list, oldest first. Records are read only where the list asks for what does not stand in keys.
fn found(app: &App, tenant: TenantId, wanted: &Wanted) -> Result<Vec<NotificationId>, ApiError> {
    let now = app.clock.now();
    let mut range = keys::notifications_within(tenant, &wanted.moments);
    let fits = |id: &NotificationId| is_kept(id, now) && wanted.kind.is_none_or(|kind| id.kind == kind);
    if wanted.state.is_none() && wanted.patient.is_none() {
        let all = app.storage.scan_keys(&range, Scan::ALL).map_err(ApiError::internal)?;
        return Ok(all.iter().filter_map(keys::notification_id).filter(fits).collect());
    }
    let mut found = Vec::new();
    loop {
        let some = Scan { limit: READ_AT_ONCE, ..Scan::ALL };
        let piece = app.storage.scan(&range, some).map_err(ApiError::internal)?;
        let wanted = piece.iter().filter(|(_, stored)| wanted.includes(&stored.record));
        found.extend(wanted.filter_map(|(key, _)| keys::notification_id(key)).filter(fits));
        match piece.last() {
            Some((last, _)) if piece.len() == READ_AT_ONCE => range = range.after(last),
            Some(_) | None => return Ok(found),
        }
    }
}

/// `None` where it was swept meanwhile.
fn row(app: &App, tenant: TenantId, id: &NotificationId) -> Result<Option<NotificationRow>, ApiError> {
    let Some(stored) = find(app, tenant, id)? else { return Ok(None) };
    let told = stored.record;
    let booking = match told.booking() {
        Some(booking) => app.storage.get(&keys::booking(tenant, told.owner, booking)),
        None => Ok(None),
    };
    let booking: Option<Booking> = booking.map_err(ApiError::internal)?.map(|stored| stored.record.0);
    let patient_key = keys::patient(tenant, told.patient);
    let patient: Option<PatientPersonal> = match app.storage.get(&patient_key).map_err(ApiError::internal)? {
        Some(file) => Some(file.record.open(&app.vault, &patient_key).map_err(ApiError::internal)?),
        None => None,
    };
    let text = |of: fn(&PatientPersonal) -> &str| patient.as_ref().map(of).unwrap_or_default().to_owned();
    let time = |at| app.policy.zone.date_time_text(at);
    let progress = Progress::of(&told.delivery);
    Ok(Some(NotificationRow {
        notification_id: id.to_string(),
        at: time(told.at),
        kind: told.kind.name(),
        wech_temp_type: told.kind.template_type(),
        state: told.delivery.name(),
        next_at: progress.next_at.map(time),
        settled_at: progress.settled_at.map(time),
        attempts: progress.attempts,
        sent_by: progress.sent_by,
        receipt: progress.receipt,
        why: progress.why,
        errcode: progress.errcode,
        fault: told.fault.clone(),
        resends: told.round,
        book_id: told.booking().map(|booking| booking.to_string()),
        schedule_id: told.schedule().map(|schedule| schedule.to_string()),
        trea_time: booking.map(|booking| time(booking.starts_at)),
        pati_id: told.patient.to_string(),
        pati_name: text(|patient| patient.name.as_str()),
        phone: text(|patient| patient.phone.as_str()),
    }))
}

/// A delivery as a row shows it.
#[derive(Default)]
struct Progress {
    next_at: Option<Timestamp>,
    settled_at: Option<Timestamp>,
    attempts: Option<u8>,
    sent_by: Option<&'static str>,
    receipt: Option<&'static str>,
    why: Option<&'static str>,
    errcode: Option<i64>,
}

impl Progress {
    fn of(delivery: &Delivery) -> Self {
        match *delivery {
            Delivery::Waiting { attempts, next_at } => {
                Self { next_at: Some(next_at), attempts: Some(attempts), ..Self::default() }
            }
            Delivery::Sent { at, by, receipt } => Self {
                settled_at: Some(at),
                sent_by: Some(by.name()),
                receipt: receipt.map(|receipt| receipt.outcome.name()),
                ..Self::default()
            },
            Delivery::Skipped { at, why } => {
                Self { settled_at: Some(at), why: Some(why.name()), ..Self::default() }
            }
            Delivery::Failed { at, why, errcode, attempts } => Self {
                settled_at: Some(at),
                attempts: Some(attempts),
                why: Some(why.name()),
                errcode,
                ..Self::default()
            },
        }
    }
}

fn parse_state(text: &str) -> Result<&'static str, ()> {
    ["waiting", "sent", "skipped", "failed"].into_iter().find(|state| *state == text).ok_or(())
}

fn parse_order(text: &str) -> Result<First, ()> {
    match text {
        "newest" => Ok(First::Newest),
        "oldest" => Ok(First::Oldest),
        _ => Err(()),
    }
}
