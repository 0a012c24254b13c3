//! What the clinic's other systems have patients told: glasses to fetch, a doctor's answer, an order, a follow-up visit.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use actors::{NOTIFICATIONS_KEPT, save_notification};
use aws_lc_rs::digest::{Context, SHA256};
use domain::{PatientId, TenantId, Timestamp, UserId};
use serde::Serialize;
use storage::keys::NotificationId;
use storage::records::{
    Action, BookingOwner, IdemRecord, MembersRecord, NotificationKind, NotificationRecord, NotificationValues,
};
use storage::{Commit, Key, Scan, Sequence, Storage, Version, keys};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::{Desk, Staff};
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::Success;
use crate::http::params::{Param, Params};
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};

/// Accounts whose members are read in one go: the table is locked meanwhile.
const ACCOUNTS_AT_ONCE: usize = 500;

/// The most accounts that are told of one patient.
const MAX_TOLD: usize = 10;

/// The most values of a message. WeChat's templates have fewer.
const MAX_VALUES: usize = 10;

/// The longest value, in characters. What WeChat shows of it is shorter.
const MAX_VALUE_CHARS: usize = 200;

/// The longest name of a value, in characters.
const MAX_NAME_CHARS: usize = 20;

/// The longest id that a caller gives a message, in bytes.
const MAX_CLIENT_ID_BYTES: usize = 64;

const VALUES: &str = "消息内容";
const CLIENT_ID: &str = "消息标识";

/// What `notify` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct NotifyRequest {
    /// 患者ID
    pati_id: String,
    /// 账号ID (`userId`): who alone is told of those that have the patient as a member.
    user_id: Option<String>,
    /// 0 取镜通知, 4 复诊, 5 医生回复, 6 加工订单进度
    wech_temp_type: u8,
    /// 1 to 10 texts of at most 200 characters, by the places of the template (`thing1`) or by what it shows before them.
    values: HashMap<String, String>,
    /// What the caller calls this message: 1 to 64 visible ASCII characters. The same again within 30 days is answered as
    /// before, and nobody is told twice.
    client_id: String,
}

#[derive(Serialize, ToSchema)]
struct Asked {
    /// One for each account that is told; one where there is none, for the phone of the patient's file.
    notification_ids: Vec<String>,
}

/// `POST manager_service/notify`: has a patient told something.
///
/// Told are the accounts that have the patient as a member and are known to the service account, ten at most; where there
/// is none, it goes to the phone of the patient's file if the clinic sends notices as text messages. Sending comes later:
/// `manager_service/notifications` shows what became of it.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/notify",
    tag = "管理：通知",
    security(("token" = [])),
    request_body = NotifyRequest,
    responses((status = 200, body = Success<Asked>)),
)]
pub async fn notify(
    app: web::Data<App>,
    Desk(staff): Desk,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let wish = Wish::read(&params)?;
    for _ in 0..MAX_TRIES {
        let repeat = match Repeat::read(&app, staff.tenant, &wish)? {
            Repeat::Answered(notification_ids) => return Ok(envelope::ok(Asked { notification_ids })),
            Repeat::New(version) => version,
        };
        let (commit, notification_ids) = wish.commit(&app, staff, repeat).await?;
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(envelope::ok(Asked { notification_ids })),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

/// What is asked for.
struct Wish {
    patient: PatientId,
    only: Option<UserId>,
    kind: NotificationKind,
    values: NotificationValues,
    client_id: String,
}

impl Wish {
    fn read(params: &Params) -> Result<Self, ApiError> {
        let kind = params.required("wech_temp_type", "消息类型")?;
        let template_type = u8::try_from(kind.integer(0..=6)?).map_err(|_| kind.malformed())?;
        let values = params.object("values", VALUES)?.ok_or_else(|| ApiError::missing(VALUES))?;
        let user =
            params.optional("user_id", "账号ID").map(|param| param.parse(UserId::parse)).transpose()?;
        Ok(Self {
            patient: params.required("pati_id", "患者ID")?.parse(PatientId::parse)?,
            only: user,
            kind: NotificationKind::asked_for_by(template_type).ok_or_else(|| kind.malformed())?,
            values: NotificationValues(read_values(&values)?),
            client_id: params.required("client_id", CLIENT_ID)?.parse(parse_client_id)?,
        })
    }

    /// The commit that makes the rows, and their ids.
    async fn commit(
        &self,
        app: &web::Data<App>,
        staff: Staff,
        replaces: Version,
    ) -> Result<(Commit, Vec<String>), ApiError> {
        let tenant = staff.tenant;
        let mut commit = Commit::new();
        let file = keys::patient(tenant, self.patient);
        match app.storage.version(&file).map_err(ApiError::internal)? {
            Version::ABSENT => return Err(ErrorCode::NotFound.into()),
            version => commit.require_version(&file, version),
        };
        let now = app.clock.now();
        let mut ids = Vec::new();
        for owner in self.owners(app, tenant, &mut commit).await? {
            let number = app.sequences.next(&app.storage, tenant, Sequence::Notification).await?;
            let id = NotificationId { moment: now, number, kind: self.kind };
            let key = keys::notification(tenant, &id);
            let whom = (owner, self.patient);
            let record = NotificationRecord::seal(&app.vault, &key, (self.kind, now), whom, &self.values);
            save_notification(&mut commit, tenant, &id, &record.map_err(ApiError::internal)?);
            ids.push(id.to_string());
        }
        let repeat = Repeat::record(self, &ids, now);
        let repeat_key = Repeat::key(tenant, self);
        commit.require_version(&repeat_key, replaces).put_expiring(&repeat_key, &repeat, repeat.expires_at);
        staff.require_session(app, &mut commit)?;
        let patient = self.patient.get();
        staff.audit(app, Action::PatientNotified, Some(patient)).await?.put(&mut commit);
        Ok((commit, ids))
    }

    /// Who is told. The commit requires that they still have the patient as a member.
    async fn owners(
        &self,
        app: &web::Data<App>,
        tenant: TenantId,
        commit: &mut Commit,
    ) -> Result<Vec<BookingOwner>, ApiError> {
        let (reader, patient) = (app.clone(), self.patient);
        let holders = web::block(move || holders(&reader.storage, tenant, patient));
        let mut holders = holders.await.map_err(ApiError::internal)??;
        if let Some(only) = self.only {
            holders.retain(|holder| holder.user == only);
            if holders.is_empty() {
                return Err(ErrorCode::NotTheirPatient.into());
            }
        } else {
            let mut known = Vec::new();
            for holder in holders {
                let open_id = keys::open_id(tenant, holder.user);
                if known.len() < MAX_TOLD && app.storage.contains(&open_id).map_err(ApiError::internal)? {
                    known.push(holder);
                }
            }
            holders = known;
        }
        if holders.is_empty() {
            return Ok(vec![BookingOwner::Desk]);
        }
        for holder in &holders {
            commit.require_version(&holder.members, holder.version);
        }
        Ok(holders.iter().map(|holder| BookingOwner::Account(holder.user)).collect())
    }
}

/// An account that has the patient as a member.
struct Holder {
    user: UserId,
    members: Key<MembersRecord>,
    version: Version,
}

/// The accounts that have this patient as a member. Blocks the thread.
fn holders(storage: &Storage, tenant: TenantId, patient: PatientId) -> Result<Vec<Holder>, ApiError> {
    let mut range = keys::all_members(tenant);
    let mut holders = Vec::new();
    loop {
        let scan = Scan { limit: ACCOUNTS_AT_ONCE, ..Scan::ALL };
        let accounts = storage.scan(&range, scan).map_err(ApiError::internal)?;
        for (key, stored) in &accounts {
            let Some(user) = keys::user_id(key) else { continue };
            if stored.record.members.iter().any(|entry| entry.patient == patient) {
                let members = keys::members(tenant, user);
                holders.push(Holder { user, members, version: stored.version });
            }
        }
        match accounts.last() {
            Some((last, _)) if accounts.len() == ACCOUNTS_AT_ONCE => range = range.after(last),
            Some(_) | None => return Ok(holders),
        }
    }
}

/// What is known of a message by what its caller calls it.
enum Repeat {
    /// Nothing that counts; the record to be written replaces this version.
    New(Version),
    /// It was asked for before, and answered with these.
    Answered(Vec<String>),
}

impl Repeat {
    fn key(tenant: TenantId, wish: &Wish) -> Key<IdemRecord> {
        keys::asked(tenant, "notify", &wish.client_id)
    }

    fn read(app: &App, tenant: TenantId, wish: &Wish) -> Result<Self, ApiError> {
        let Some(stored) = app.storage.get(&Self::key(tenant, wish)).map_err(ApiError::internal)? else {
            return Ok(Self::New(Version::ABSENT));
        };
        let record = stored.record;
        if record.expires_at <= app.clock.now() {
            return Ok(Self::New(stored.version));
        }
        if record.content_hash != content_hash(wish) {
            return Err(ErrorCode::IdempotencyConflict.into());
        }
        let ids = String::from_utf8(record.reply).map_err(ApiError::internal)?;
        Ok(Self::Answered(ids.split(',').map(str::to_owned).collect()))
    }

    fn record(wish: &Wish, ids: &[String], now: Timestamp) -> IdemRecord {
        IdemRecord {
            content_hash: content_hash(wish),
            reply: ids.join(",").into_bytes(),
            expires_at: now.plus(NOTIFICATIONS_KEPT),
        }
    }
}

fn content_hash(wish: &Wish) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    let only = wish.only.map_or(0, UserId::get);
    for number in [wish.patient.get(), only, u64::from(wish.kind.template_type())] {
        context.update(&number.to_be_bytes());
    }
    // By name, so that it does not matter in which order a client writes them.
    let mut values: Vec<_> = wish.values.0.iter().collect();
    values.sort_unstable();
    for text in values.into_iter().flat_map(|(name, value)| [name, value]) {
        // The length in front keeps ("ab", "c") and ("a", "bc") apart.
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Those that are not empty, each name once.
fn read_values(members: &[(&str, Param<'_>)]) -> Result<Vec<(String, String)>, ApiError> {
    let mut values: Vec<(String, String)> = Vec::new();
    for (name, param) in members {
        let value = param.text()?;
        let fits = is_plain(name, MAX_NAME_CHARS) && is_plain(value, MAX_VALUE_CHARS);
        if !fits || values.iter().any(|(known, _)| known == name) {
            return Err(param.malformed());
        }
        values.push(((*name).to_owned(), value.to_owned()));
    }
    if values.is_empty() {
        return Err(ApiError::missing(VALUES));
    }
    if values.len() > MAX_VALUES {
        return Err(ApiError::malformed(VALUES));
    }
    Ok(values)
}

fn is_plain(text: &str, most: usize) -> bool {
    !text.is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
}

fn parse_client_id(text: &str) -> Result<String, ()> {
    let fits = text.len() <= MAX_CLIENT_ID_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(text.to_owned()) } else { Err(()) }
}
