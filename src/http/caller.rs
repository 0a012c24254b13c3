//! Who calls, and for which clinic. The one place where tokens, sessions and tenants are checked.

use std::future::{Ready, ready};

use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, dev, web};
use domain::{DoctorId, Role, SessionId, StaffId, TenantId, UserId};
use storage::records::StaffStanding;
use storage::sabotage::{self, Bug};
use storage::{Commit, Version, keys};

use super::error::{ApiError, ErrorCode};
use crate::app::App;
use crate::tokens::{Identity, Subject};

const TENANT_HEADER: &str = "tenantId";
const TOKEN_HEADER: &str = "token";

/// Anyone, for one clinic (租户): the one named in the header, else the token's, else the default.
#[derive(Debug, Clone, Copy)]
pub struct Tenant {
    /// The clinic, which exists.
    pub id: TenantId,
}

/// A logged-in patient. What belongs to somebody else is loaded under this user's keys and so is
/// simply not there.
#[derive(Debug, Clone, Copy)]
pub struct Patient {
    /// The clinic.
    pub tenant: TenantId,
    /// The account.
    pub user: UserId,
    /// The login that the token belongs to.
    pub session: SessionId,
}

/// A logged-in member of the staff, of any role. Whoever takes one limits what a doctor reads: see
/// [`Staff::only_of`].
#[derive(Debug, Clone, Copy)]
pub struct Staff {
    /// The clinic.
    pub tenant: TenantId,
    /// Who it is.
    pub id: StaffId,
    /// The login that the token belongs to.
    pub session: SessionId,
    /// What they may do, as it is now.
    pub role: Role,
}

/// A logged-in member of the staff who may do what the front desk does: the desk and the administrator.
#[derive(Debug, Clone, Copy)]
pub struct Desk(pub Staff);

/// A logged-in administrator.
#[derive(Debug, Clone, Copy)]
pub struct Admin(pub Staff);

/// Whoever is logged in, patient or staff, for what both may read.
#[derive(Debug, Clone, Copy)]
pub struct LoggedIn {
    /// The clinic.
    pub tenant: TenantId,
}

impl Tenant {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let app = app_of(request)?;
        let named = named_tenant(request)?;
        // A public route does not care whether the token has expired; it only takes the clinic from it.
        let id = named.or_else(|| Some(identity_of(request, app)?.tenant)).unwrap_or(app.default_tenant);
        match app.storage.contains(&keys::tenant(id)).map_err(ApiError::internal)? {
            true => Ok(Self { id }),
            false => Err(ErrorCode::TenantUnknown.into()),
        }
    }
}

impl Patient {
    /// Makes `commit` depend on the login, so that nothing is written for who has meanwhile logged out, been logged
    /// out or closed the account.
    ///
    /// # Errors
    /// 0401 when the login has ended already.
    pub fn require_session(&self, app: &App, commit: &mut Commit) -> Result<(), ApiError> {
        let session = keys::session(self.tenant, self.user, self.session);
        match app.storage.version(&session).map_err(ApiError::internal)? {
            Version::ABSENT => Err(ErrorCode::NotLoggedIn.into()),
            version => {
                commit.require_version(&session, version);
                Ok(())
            }
        }
    }

    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let app = app_of(request)?;
        let named = named_tenant(request)?;
        let identity = identity_of(request, app).ok_or(ErrorCode::NotLoggedIn)?;
        let user = match identity.subject {
            Subject::Patient(user) => user,
            Subject::Staff(_) => return Err(ErrorCode::NotAllowed.into()),
        };
        Self::in_session(app, identity, user, named)
    }

    fn in_session(
        app: &App,
        identity: Identity,
        user: UserId,
        named: Option<TenantId>,
    ) -> Result<Self, ApiError> {
        let session_key = keys::session(identity.tenant, user, identity.session);
        let session = app.storage.get(&session_key).map_err(ApiError::internal)?;
        if session.is_none_or(|session| session.record.expires_at <= app.clock.now()) {
            return Err(ErrorCode::NotLoggedIn.into());
        }
        refuse_other_tenant(app, identity, named)?;
        Ok(Self { tenant: identity.tenant, user, session: identity.session })
    }
}

impl Staff {
    /// The doctor whose schedules and patients alone this caller may read; `None` for who may read all.
    pub fn only_of(&self) -> Option<DoctorId> {
        self.role.doctor()
    }

    /// Makes `commit` depend on the login, so that nothing is written for who has meanwhile logged out or was
    /// disabled.
    ///
    /// # Errors
    /// 0401 when the login has ended already.
    pub fn require_session(&self, app: &App, commit: &mut Commit) -> Result<(), ApiError> {
        let session = keys::staff_session(self.tenant, self.id, self.session);
        match app.storage.version(&session).map_err(ApiError::internal)? {
            Version::ABSENT => Err(ErrorCode::NotLoggedIn.into()),
            version => {
                commit.require_version(&session, version);
                Ok(())
            }
        }
    }

    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let app = app_of(request)?;
        let named = named_tenant(request)?;
        let identity = identity_of(request, app).ok_or(ErrorCode::NotLoggedIn)?;
        match identity.subject {
            Subject::Staff(staff) => Self::in_session(app, identity, staff, named),
            Subject::Patient(_) => Err(ErrorCode::NotAllowed.into()),
        }
    }

    fn in_session(
        app: &App,
        identity: Identity,
        id: StaffId,
        named: Option<TenantId>,
    ) -> Result<Self, ApiError> {
        let Identity { tenant, session, .. } = identity;
        let login = app.storage.get(&keys::staff_session(tenant, id, session)).map_err(ApiError::internal)?;
        if login.is_none_or(|login| login.record.expires_at <= app.clock.now()) {
            return Err(ErrorCode::NotLoggedIn.into());
        }
        let stored = app.storage.get(&keys::staff(tenant, id)).map_err(ApiError::internal)?;
        let record = stored.ok_or(ErrorCode::NotLoggedIn)?.record;
        match record.standing {
            StaffStanding::Active => {}
            StaffStanding::Disabled => return Err(ErrorCode::NotLoggedIn.into()),
        }
        refuse_other_tenant(app, identity, named)?;
        Ok(Self { tenant, id, session, role: record.role })
    }
}

impl Desk {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let staff = Staff::of(request)?;
        match staff.role {
            Role::Admin | Role::Desk => Ok(Self(staff)),
            Role::Doctor(_) => Err(ErrorCode::NotAllowed.into()),
        }
    }
}

impl Admin {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let staff = Staff::of(request)?;
        match staff.role {
            Role::Admin => Ok(Self(staff)),
            Role::Desk | Role::Doctor(_) => Err(ErrorCode::NotAllowed.into()),
        }
    }
}

impl LoggedIn {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let app = app_of(request)?;
        let named = named_tenant(request)?;
        let identity = identity_of(request, app).ok_or(ErrorCode::NotLoggedIn)?;
        match identity.subject {
            Subject::Patient(user) => Patient::in_session(app, identity, user, named).map(drop)?,
            Subject::Staff(staff) => Staff::in_session(app, identity, staff, named).map(drop)?,
        }
        Ok(Self { tenant: identity.tenant })
    }
}

/// A token is for one clinic; naming another is refused.
fn refuse_other_tenant(app: &App, identity: Identity, named: Option<TenantId>) -> Result<(), ApiError> {
    match named {
        Some(_) if sabotage::is_planted(Bug::IgnoreTenant) => Ok(()),
        Some(named) if named != identity.tenant => {
            let known = app.storage.contains(&keys::tenant(named)).map_err(ApiError::internal)?;
            Err(if known { ErrorCode::NotAllowed } else { ErrorCode::TenantUnknown }.into())
        }
        Some(_) | None => Ok(()),
    }
}

fn app_of(request: &HttpRequest) -> Result<&App, ApiError> {
    match request.app_data::<web::Data<App>>() {
        Some(app) => Ok(app.get_ref()),
        None => Err(ApiError::internal("the application's state is not attached to the route")),
    }
}

/// The tenant named in the header. Whatever is not an id names no tenant that exists.
fn named_tenant(request: &HttpRequest) -> Result<Option<TenantId>, ApiError> {
    let Some(value) = request.headers().get(TENANT_HEADER) else { return Ok(None) };
    let text = value.to_str().map_err(|_| ErrorCode::TenantUnknown)?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    Ok(Some(TenantId::parse(text).map_err(|_| ErrorCode::TenantUnknown)?))
}

fn identity_of(request: &HttpRequest, app: &App) -> Option<Identity> {
    let headers = request.headers();
    let token = match headers.get(TOKEN_HEADER) {
        Some(token) => token.to_str().ok()?,
        None => {
            let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
            if !scheme.eq_ignore_ascii_case("Bearer") {
                return None;
            }
            token
        }
    };
    app.tokens.verify(token.trim(), app.clock.now()).ok()
}

impl FromRequest for Tenant {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

impl FromRequest for Patient {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

impl FromRequest for Staff {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

impl FromRequest for Desk {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

impl FromRequest for Admin {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

impl FromRequest for LoggedIn {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(Self::of(request))
    }
}
