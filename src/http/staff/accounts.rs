//! The list of the staff, and who joins it.

use actix_web::{HttpRequest, HttpResponse, web};
use domain::{AccountName, DoctorId, PersonName, Role, StaffId, TenantId};
use serde::Serialize;
use storage::records::{Action, StaffAccountRecord, StaffPersonal, StaffRecord, StaffStanding};
use storage::{Commit, RawKey, Scan, Sequence, Stored, keys};
use utoipa::ToSchema;

use super::{Colleague, account_key, read_role, require_admin, require_doctor};
use crate::app::App;
use crate::http::caller::{Admin, Staff};
use crate::http::claimant::Claimant;
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::limits::Holder;
use crate::http::openapi::Success;
use crate::http::paging::{Page, PageRequest, SnakePage, SnakePageQuery};
use crate::http::params::Params;
use crate::http::refusals::{Outcome, outcome};
use crate::passwords::Password;

/// Members of the staff that a clinic may have, the disabled ones included.
const MAX_STAFF: usize = 1_000;

/// How often an addition is tried anew because the administrator's record or the account changed meanwhile.
const ADD_TRIES: usize = 8;

#[derive(Serialize, ToSchema)]
struct StaffRow {
    staff_id: String,
    /// What they log in with.
    account: String,
    /// What others are shown.
    name: String,
    /// `admin`, `desk` or `doctor`.
    role: &'static str,
    /// The doctor whom a `doctor` is.
    doctor_id: Option<String>,
    /// 0 停用, 1 有效
    enabled: u8,
    /// Milliseconds since 1970.
    create_time: i64,
    /// Milliseconds since 1970; null before the first login.
    last_login_time: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct StaffAdded {
    staff_id: String,
}

/// What `staff` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct StaffAddRequest {
    /// 账号, 1 to 32 letters, digits, dots, hyphens and underscores
    account: String,
    /// 姓名
    name: String,
    /// `admin`, `desk` or `doctor`
    role: String,
    /// 医生编号, with the role `doctor`
    doctor_id: Option<String>,
    /// 密码, 8 to 64 characters
    password: String,
}

/// `GET manager_service/staff`: everybody of the staff, also who is disabled, in the order in which they were added.
#[utoipa::path(
    get,
    path = "/pati_service/manager_service/staff",
    tag = "管理：员工",
    security(("token" = [])),
    params(SnakePageQuery),
    responses((status = 200, body = Success<SnakePage<StaffRow>>)),
)]
pub async fn list(
    app: web::Data<App>,
    Admin(caller): Admin,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let request = PageRequest::read_snake(&params)?;
    let staff = app.storage.scan(&keys::all_staff(caller.tenant), Scan::ALL).map_err(ApiError::internal)?;
    let total = staff.len() as u64;
    let page = staff.into_iter().skip(request.offset()).take(request.limit());
    let rows = page.map(|(key, stored)| row(&app, caller.tenant, &key, &stored));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(envelope::ok(SnakePage::from(Page::new(request, total, rows))))
}

fn row(
    app: &App,
    tenant: TenantId,
    key: &RawKey,
    stored: &Stored<StaffRecord>,
) -> Result<StaffRow, ApiError> {
    let id = keys::staff_id(key).ok_or_else(|| ApiError::internal("the key of a member of the staff"))?;
    let record = &stored.record;
    let personal = record.open(&app.vault, &keys::staff(tenant, id)).map_err(ApiError::internal)?;
    Ok(StaffRow {
        staff_id: id.to_string(),
        account: personal.account.as_str().to_owned(),
        name: personal.name.as_str().to_owned(),
        role: record.role.name(),
        doctor_id: record.role.doctor().as_ref().map(DoctorId::to_string),
        enabled: match record.standing {
            StaffStanding::Active => 1,
            StaffStanding::Disabled => 0,
        },
        create_time: record.created_at.as_millis(),
        last_login_time: record.last_login_at.map(domain::Timestamp::as_millis),
    })
}

/// Who is to be added.
struct NewColleague {
    account: AccountName,
    name: PersonName,
    role: Role,
    password: Password,
}

/// `POST manager_service/staff`: adds a member of the staff. The same again answers the same `staff_id`, for as long
/// as what it says is still so, the password included.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/staff",
    tag = "管理：员工",
    security(("token" = [])),
    request_body = StaffAddRequest,
    responses((status = 200, body = Success<StaffAdded>)),
)]
pub async fn add(
    app: web::Data<App>,
    Admin(caller): Admin,
    request: HttpRequest,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let new = NewColleague {
        account: params.required("account", "账号")?.parse(AccountName::parse)?,
        name: params.required("name", "姓名")?.parse(PersonName::parse)?,
        role: read_role(&params)?,
        password: params.required("password", "密码")?.parse(Password::parse)?,
    };
    new.password.refuse_weak(new.account.as_str()).map_err(|_| ErrorCode::PasswordWeak)?;
    let staff_id = store(&app, caller, &request, &new).await?.to_string();
    Ok(envelope::ok(StaffAdded { staff_id }))
}

async fn store(
    app: &App,
    caller: Staff,
    request: &HttpRequest,
    new: &NewColleague,
) -> Result<StaffId, ApiError> {
    let tenant = caller.tenant;
    let mut hash = None;
    for _ in 0..ADD_TRIES {
        if let Some(known) = Colleague::of_account(app, tenant, &new.account)? {
            return known.same_as(app, tenant, request, new).await;
        }
        let staff = app.storage.scan_keys(&keys::all_staff(tenant), Scan::ALL).map_err(ApiError::internal)?;
        if staff.len() >= MAX_STAFF {
            return Err(ErrorCode::StaffLimit.into());
        }
        require_doctor(app, tenant, new.role)?;
        let password_hash = match &hash {
            Some(hash) => String::clone(hash),
            None => hash.insert(app.passwords.hash(new.password.clone()).await?).clone(),
        };
        let personal = StaffPersonal { account: new.account.clone(), name: new.name.clone(), password_hash };
        let mut commit = Commit::new();
        require_admin(app, caller, &mut commit)?;
        let id = put_new(app, tenant, &personal, new.role, &mut commit).await?;
        caller.audit(app, Action::StaffAdded, Some(id.get())).await?.put(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(id),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

/// Makes `commit` add somebody whose account nobody has.
async fn put_new(
    app: &App,
    tenant: TenantId,
    personal: &StaffPersonal,
    role: Role,
    commit: &mut Commit,
) -> Result<StaffId, ApiError> {
    let number = app.sequences.next(&app.storage, tenant, Sequence::Staff).await?;
    let id = StaffId::new(number).map_err(ApiError::internal)?;
    let key = keys::staff(tenant, id);
    let record = StaffRecord::seal(&app.vault, &key, personal, role, app.clock.now());
    commit.require_absent(&key).put(&key, &record.map_err(ApiError::internal)?);
    let account = account_key(app, tenant, &personal.account);
    commit.require_absent(&account).put(&account, &StaffAccountRecord { staff: id });
    Ok(id)
}

impl Colleague {
    /// Whether this is whom `new` describes. A wrong password counts as one for this account, so that nobody finds it
    /// out in this way either.
    ///
    /// # Errors
    /// 400011 when it is somebody else.
    async fn same_as(
        self,
        app: &App,
        tenant: TenantId,
        request: &HttpRequest,
        new: &NewColleague,
    ) -> Result<StaffId, ApiError> {
        let told = (&self.personal.name, self.record.role, self.record.standing);
        if told != (&new.name, new.role, StaffStanding::Active) {
            return Err(ErrorCode::AccountTaken.into());
        }
        let mut claimant = Claimant::admitted(app, tenant, request, new.password.clone()).await?;
        claimant.traced = Some(self.id);
        let stored = Some(&self.personal.password_hash);
        claimant.prove(Holder::Staff(&new.account), stored, ErrorCode::AccountTaken).await?;
        Ok(self.id)
    }
}
