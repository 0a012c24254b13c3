//! What is stored about an account, told in full to its owner. Ours, not the contract's: 个人信息保护法 (2021) §45 gives
//! everyone the right to see and copy their own data.

use actix_web::{HttpResponse, web};
use domain::{BookingId, OrderState, OutTradeNo, TenantId};
use serde::Serialize;
use storage::records::{BookingOwner, MemberEntry, MembersRecord, UserRecord};
use storage::{Key, Scan, keys};
use utoipa::ToSchema;

use super::Account;
use crate::app::App;
use crate::http::bookings::{self, BookingRow};
use crate::http::caller::Patient;
use crate::http::envelope;
use crate::http::error::ApiError;
use crate::http::members::certificate_number;
use crate::http::members::files::OnFile;
use crate::http::openapi::Success;

/// Everything that is stored about an account, except what would be of use to others only: the hash of its password.
#[derive(Serialize, ToSchema)]
struct OwnData {
    #[serde(rename = "userId")]
    user: String,
    phone: String,
    /// yyyy-MM-dd HH:mm:ss
    #[serde(rename = "createdAt")]
    created_at: String,
    /// Which privacy notice was agreed to; null if none was.
    consent: Option<OwnConsent>,
    profile: OwnProfile,
    /// The logins that have not ended, oldest first.
    sessions: Vec<OwnSession>,
    /// In the order they were added.
    members: Vec<OwnMember>,
    /// All of them, newest first.
    bookings: Vec<BookingRow>,
    /// Who the account is to the clinic's service account (公众号); null where WeChat has not told.
    #[serde(rename = "openId")]
    open_id: Option<String>,
    /// The orders (支付订单) of the bookings, newest first.
    payments: Vec<OwnPayment>,
}

#[derive(Serialize, ToSchema)]
struct OwnPayment {
    /// 商户订单号
    #[serde(rename = "outTradeNo")]
    order: String,
    #[serde(rename = "bookId")]
    booking: String,
    /// 元, with two decimals
    amount: String,
    /// `created`, `prepaid`, `closing`, `closed`, `paid`, `refund_due`, `refunding`, `refunded` or `failed`
    state: &'static str,
    #[serde(rename = "createdAt")]
    created_at: String,
    /// Null before it was paid.
    #[serde(rename = "paidAt")]
    paid_at: Option<String>,
    /// Null before the money was back.
    #[serde(rename = "refundedAt")]
    refunded_at: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct OwnConsent {
    version: String,
    #[serde(rename = "givenAt")]
    given_at: String,
}

#[derive(Serialize, ToSchema)]
struct OwnProfile {
    name: String,
    gender: u8,
    /// yyyy-MM-dd, null until it is set.
    birthday: Option<String>,
    avatar: String,
}

#[derive(Serialize, ToSchema)]
struct OwnSession {
    #[serde(rename = "createdAt")]
    created_at: String,
    #[serde(rename = "expiresAt")]
    expires_at: String,
}

#[derive(Serialize, ToSchema)]
struct OwnMember {
    #[serde(rename = "memberId")]
    id: String,
    pati_id: String,
    name: String,
    gender: u8,
    birthday: String,
    #[serde(rename = "IDNo")]
    id_number: String,
    /// The one that this account gave for the member.
    phone: String,
    #[serde(rename = "defaultMember")]
    is_default: bool,
    #[serde(rename = "createdAt")]
    created_at: String,
}

/// `GET patient_service/myinfo/export`: everything that is stored about the account.
#[utoipa::path(
    get,
    path = "/pati_service/patient_service/myinfo/export",
    tag = "患者认证",
    security(("token" = [])),
    responses((status = 200, body = Success<OwnData>)),
)]
pub async fn export(app: web::Data<App>, patient: Patient) -> Result<HttpResponse, ApiError> {
    let account = Account::of_patient(&app, patient)?;
    let zone = &app.policy.zone;
    let owner = BookingOwner::Account(patient.user);
    let stored = app.storage.scan(&keys::bookings_of(patient.tenant, owner), Scan::ALL);
    let (mut bookings, mut payments) = (Vec::new(), Vec::new());
    for (_, stored) in stored.map_err(ApiError::internal)?.iter().rev() {
        payments.extend(payments_of(&app, patient.tenant, stored.record.0.id)?);
        bookings.push(bookings::row(&app, patient.tenant, &stored.record.0)?);
    }
    Ok(envelope::ok(OwnData {
        user: account.user.to_string(),
        phone: account.personal.phone.as_str().to_owned(),
        created_at: zone.date_time_text(account.record.created_at),
        consent: consent(&app, &account.record),
        profile: profile(&app, &account),
        sessions: sessions(&app, patient)?,
        members: members(&app, patient)?,
        bookings,
        open_id: open_id(&app, patient)?,
        payments: newest_first(payments),
    }))
}

fn open_id(app: &App, patient: Patient) -> Result<Option<String>, ApiError> {
    let key = keys::open_id(patient.tenant, patient.user);
    let Some(stored) = app.storage.get(&key).map_err(ApiError::internal)? else { return Ok(None) };
    let bound = stored.record.open(&app.vault, &key).map_err(ApiError::internal)?;
    Ok(Some(bound.open_id.as_str().to_owned()))
}

fn payments_of(
    app: &App,
    tenant: TenantId,
    booking: BookingId,
) -> Result<Vec<(OutTradeNo, OwnPayment)>, ApiError> {
    let orders = app.storage.get(&keys::orders_of_booking(tenant, booking)).map_err(ApiError::internal)?;
    let zone = &app.policy.zone;
    let mut payments = Vec::new();
    for no in orders.map(|stored| stored.record.orders).unwrap_or_default() {
        let Some(stored) = app.storage.get(&keys::pay_order(no)).map_err(ApiError::internal)? else {
            continue;
        };
        let order = stored.record;
        let refunded_at = match &order.state {
            OrderState::Refunded { at, .. } => Some(zone.date_time_text(*at)),
            OrderState::Created
            | OrderState::Prepaid(_)
            | OrderState::Closing { .. }
            | OrderState::Closed { .. }
            | OrderState::Paid(_)
            | OrderState::RefundDue { .. }
            | OrderState::Refunding { .. }
            | OrderState::Failed { .. } => None,
        };
        let payment = OwnPayment {
            order: no.to_string(),
            booking: booking.to_string(),
            amount: order.amount.to_string(),
            state: order.state.name(),
            created_at: zone.date_time_text(order.created_at),
            paid_at: order.state.receipt().map(|receipt| zone.date_time_text(receipt.paid_at)),
            refunded_at,
        };
        payments.push((no, payment));
    }
    Ok(payments)
}

fn newest_first(mut payments: Vec<(OutTradeNo, OwnPayment)>) -> Vec<OwnPayment> {
    payments.sort_by_key(|(no, _)| std::cmp::Reverse(*no));
    payments.into_iter().map(|(_, payment)| payment).collect()
}

fn consent(app: &App, record: &UserRecord) -> Option<OwnConsent> {
    let consent = record.consent.as_ref()?;
    let given_at = app.policy.zone.date_time_text(consent.given_at);
    Some(OwnConsent { version: consent.version.clone(), given_at })
}

fn profile(app: &App, account: &Account) -> OwnProfile {
    let profile = &account.personal.profile;
    OwnProfile {
        name: profile.name.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default(),
        gender: profile.gender.code(),
        birthday: profile.birthday.map(|birthday| birthday.to_string()),
        avatar: profile.avatar.as_ref().map(|key| app.picture_url(key)).unwrap_or_default(),
    }
}

fn sessions(app: &App, patient: Patient) -> Result<Vec<OwnSession>, ApiError> {
    let stored = app.storage.scan(&keys::sessions_of(patient.tenant, patient.user), Scan::ALL);
    let stored = stored.map_err(ApiError::internal)?;
    let zone = &app.policy.zone;
    let rows = stored.into_iter().map(|(_, session)| OwnSession {
        created_at: zone.date_time_text(session.record.created_at),
        expires_at: zone.date_time_text(session.record.expires_at),
    });
    Ok(rows.collect())
}

fn members(app: &App, patient: Patient) -> Result<Vec<OwnMember>, ApiError> {
    let key = keys::members(patient.tenant, patient.user);
    let stored = app.storage.get(&key).map_err(ApiError::internal)?;
    let mut rows = Vec::new();
    for entry in stored.map(|stored| stored.record.members).unwrap_or_default() {
        rows.push(member(app, patient, &key, &entry)?);
    }
    Ok(rows)
}

fn member(
    app: &App,
    patient: Patient,
    key: &Key<MembersRecord>,
    entry: &MemberEntry,
) -> Result<OwnMember, ApiError> {
    let person = OnFile::read(app, patient.tenant, entry.patient)?.personal;
    let contact = entry.open(&app.vault, key).map_err(ApiError::internal)?;
    Ok(OwnMember {
        id: entry.member.to_string(),
        pati_id: entry.patient.to_string(),
        name: person.name.as_str().to_owned(),
        gender: person.gender.code(),
        birthday: person.birthday.to_string(),
        id_number: certificate_number(&person),
        phone: contact.phone.as_str().to_owned(),
        is_default: entry.is_default,
        created_at: app.policy.zone.date_time_text(entry.created_at),
    })
}
