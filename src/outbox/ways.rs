//! One attempt: whether there is still something to tell, and which way it goes. WeChat comes first; a text message costs, so
//! it goes out only where WeChat cannot reach the patient and the clinic has switched it on.

use std::time::Duration;

use domain::{OpenId, TenantId, Timestamp, UserId};
use storage::keys::NotificationId;
use storage::records::{
    BookingOwner, FailReason, Following, NotificationKind, NotificationRecord, SentBy, SkipReason,
};
use storage::{Key, keys};

use super::facts::Told;
use super::{Attempt, OutboxError, QUOTA_PAUSE, minutes, texts};
use crate::app::App;
use crate::wechat::messages::{Content, Unfilled};
use crate::wechat::{TemplateMessage, Unsent, WechatError};

/// How long it is of use to tell what has just happened, though the visit may be over: a check-in after its time.
const JUST_NOW: Duration = minutes(120);

/// How long it is of use to tell what another system of the clinic has said.
const SAID_COUNTS: Duration = minutes(3 * 24 * 60);

/// Makes one attempt.
///
/// # Errors
/// A record cannot be read or opened.
pub(super) async fn attempt(
    app: &App,
    tenant: TenantId,
    (id, key): (&NotificationId, &Key<NotificationRecord>),
    record: &NotificationRecord,
) -> Result<Attempt, OutboxError> {
    let Some(told) = Told::read(app, tenant, key, record)? else {
        return Ok(Attempt::Skipped(SkipReason::Erased));
    };
    if is_too_late(record, &told, app.clock.now()) {
        return Ok(Attempt::Skipped(SkipReason::TooLate));
    }
    let attempt = by_wechat(app, tenant, (id, record), &told).await?;
    if app.limits.sms_notices && reaches_nobody(&attempt) {
        return texts::send(app, tenant, record, &told).await;
    }
    Ok(attempt)
}

/// Whether nobody has any use for it any more. A booking that was given up meanwhile is told of by a notification of its
/// own; that it was made, or is tomorrow, would mislead if it came after that one.
fn is_too_late(record: &NotificationRecord, told: &Told, now: Timestamp) -> bool {
    let Some(booking) = &told.booking else {
        // What staff have sent again is of use to them.
        return record.round == 0 && record.at.plus(SAID_COUNTS) <= now;
    };
    let is_over = booking.starts_at.max(record.at.plus(JUST_NOW)) <= now;
    match record.kind {
        NotificationKind::Booked | NotificationKind::Registered | NotificationKind::Relocated => {
            is_over || !booking.is_live()
        }
        NotificationKind::Reminder => booking.starts_at <= now || !booking.is_live(),
        NotificationKind::Stopped
        | NotificationKind::Cancelled
        | NotificationKind::FollowUp
        | NotificationKind::GlassesReady
        | NotificationKind::DoctorReplied
        | NotificationKind::OrderProgress => is_over,
    }
}

/// Whether WeChat has no way to this patient, as against a message that it does not take.
fn reaches_nobody(attempt: &Attempt) -> bool {
    match attempt {
        Attempt::Skipped(
            SkipReason::NoOpenId
            | SkipReason::NoTemplate
            | SkipReason::NotConnected
            | SkipReason::Unsubscribed
            | SkipReason::Refused,
        ) => true,
        Attempt::Failed { errcode, .. } => *errcode == Some(UNKNOWN_PERSON),
        Attempt::Skipped(
            SkipReason::NoPhone | SkipReason::Erased | SkipReason::TooLate | SkipReason::TooManyTexts,
        )
        | Attempt::Sent(_)
        | Attempt::Again { .. }
        | Attempt::NotBefore(_) => false,
    }
}

/// The errcode for an open id that is nobody's.
const UNKNOWN_PERSON: i64 = 40003;

async fn by_wechat(
    app: &App,
    tenant: TenantId,
    (id, record): (&NotificationId, &NotificationRecord),
    told: &Told,
) -> Result<Attempt, OutboxError> {
    let (to, template_id) = match address(app, tenant, record) {
        Ok(Ok(address)) => address,
        Ok(Err(why)) => return Ok(Attempt::Skipped(why)),
        Err(error) => return Ok(later(&error)),
    };
    let template = (record.kind.template_type(), template_id.as_str());
    let known = match app.wechat.template_content(tenant, template).await {
        Ok(Some(content)) => content,
        Ok(None) => return Ok(unknown_template()),
        Err(error) => return Ok(later(&error)),
    };
    let client_msg_id = format!("appo-{id}-{}", record.round);
    let page = app.h5.personal_center_url.as_ref().or(app.h5.book_url.as_ref());
    let url = page.map(|page| page.of(tenant));
    let send = async |data: &[(String, String)]| {
        let (template_id, client_msg_id) = (template_id.as_str(), client_msg_id.as_str());
        let message = TemplateMessage { to: &to, template_id, url: url.as_deref(), client_msg_id, data };
        app.wechat.send_template(tenant, message).await
    };
    let fill = |content: &str| Content::parse(content).fill(&told.facts, &told.given);
    let first = match fill(&known) {
        Ok(data) => match send(&data).await {
            Err(Unsent::Value(place)) => unfit(Some(47003), place.map(|place| blamed(&place))),
            answer => return Ok(attempt_of(app, tenant, template, answer).await),
        },
        Err(unfilled) => unfit(None, Some(unfilled.to_string())),
    };
    // The template may have been changed at WeChat since it was stored.
    match app.wechat.learn_template(tenant, template).await {
        Ok(Some(content)) if content == known => Ok(first),
        Ok(Some(content)) => match fill(&content) {
            Ok(data) => Ok(attempt_of(app, tenant, template, send(&data).await).await),
            Err(unfilled) => Ok(unfit(None, Some(unfilled.to_string()))),
        },
        Ok(None) => Ok(unknown_template()),
        Err(_) => Ok(first),
    }
}

/// To whom and as which template it goes, or why WeChat has no way to this patient.
fn address(
    app: &App,
    tenant: TenantId,
    record: &NotificationRecord,
) -> Result<Result<(OpenId, String), SkipReason>, WechatError> {
    let app_id = match app.wechat.account(tenant) {
        Ok(account) => account.app_id,
        Err(WechatError::NotConfigured) => return Ok(Err(SkipReason::NotConnected)),
        Err(error) => return Err(error),
    };
    let open_id = match record.owner {
        BookingOwner::Account(user) => open_id(app, tenant, (user, &app_id))?,
        BookingOwner::Desk => None,
    };
    let Some(open_id) = open_id else { return Ok(Err(SkipReason::NoOpenId)) };
    let follower = app.storage.get(&keys::follower(tenant, &app.vault.blind_open_id(tenant, &open_id)))?;
    match follower.map(|stored| stored.record.following) {
        Some(Following::Left(_)) => return Ok(Err(SkipReason::Unsubscribed)),
        Some(Following::Unknown | Following::Since(_)) | None => {}
    }
    let conf = app.storage.get(&keys::wechat_conf(tenant))?;
    let templates = conf.map(|stored| stored.record.templates).unwrap_or_default();
    let chosen = templates.into_iter().find(|(kind, _)| *kind == record.kind.template_type());
    Ok(chosen.map(|(_, template_id)| (open_id, template_id)).ok_or(SkipReason::NoTemplate))
}

/// Who an account is to this service account; an open id of a former one is nobody's.
fn open_id(
    app: &App,
    tenant: TenantId,
    (user, app_id): (UserId, &str),
) -> Result<Option<OpenId>, WechatError> {
    let key = keys::open_id(tenant, user);
    let Some(stored) = app.storage.get(&key)? else { return Ok(None) };
    let identity = stored.record.open(&app.vault, &key)?;
    Ok((identity.app_id == app_id).then_some(identity.open_id))
}

async fn attempt_of(
    app: &App,
    tenant: TenantId,
    (template_type, _): (u8, &str),
    answer: Result<u64, Unsent>,
) -> Attempt {
    let unsent = match answer {
        Ok(msg_id) => return Attempt::Sent(SentBy::Wechat { msg_id }),
        Err(unsent) => unsent,
    };
    tracing::warn!(%tenant, template_type, error = %unsent, "a message was not sent");
    let refused = |errcode| Attempt::Failed { why: FailReason::Refused, errcode: Some(errcode), fault: None };
    match unsent {
        Unsent::NotFollowing => Attempt::Skipped(SkipReason::Unsubscribed),
        Unsent::Declined => Attempt::Skipped(SkipReason::Refused),
        Unsent::UnknownPerson => refused(UNKNOWN_PERSON),
        Unsent::Template(errcode) => {
            if let Err(error) = app.wechat.forget_template(tenant, template_type).await {
                tracing::warn!(%tenant, %error, "a template could not be forgotten");
            }
            refused(errcode)
        }
        Unsent::Value(place) => unfit(Some(47003), place.map(|place| blamed(&place))),
        Unsent::NoRight(errcode) => refused(errcode),
        Unsent::Quota => Attempt::NotBefore(app.clock.now().plus(QUOTA_PAUSE)),
        Unsent::Other(errcode) => Attempt::Again { errcode: Some(errcode) },
        Unsent::Failed(error) => later(&error),
    }
}

/// What keeps the settings or WeChat from being asked may pass.
fn later(error: &WechatError) -> Attempt {
    match error {
        WechatError::Refused(errcode) => Attempt::Again { errcode: Some(*errcode) },
        WechatError::NotConfigured => Attempt::Skipped(SkipReason::NotConnected),
        WechatError::Call(_)
        | WechatError::Suspended
        | WechatError::Read(_)
        | WechatError::Seal(_)
        | WechatError::Commit(_)
        | WechatError::Contended => Attempt::Again { errcode: None },
    }
}

fn unfit(errcode: Option<i64>, fault: Option<String>) -> Attempt {
    Attempt::Failed { why: FailReason::Unfit, errcode, fault }
}

fn unknown_template() -> Attempt {
    unfit(None, Some("the account has no such template".to_owned()))
}

fn blamed(place: &str) -> String {
    Unfilled::WrongType(place.to_owned()).to_string()
}
