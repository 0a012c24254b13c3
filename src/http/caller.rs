//! Who calls, and for which clinic. The one place where tokens, sessions and tenants are checked.

use std::future::{Ready, ready};

use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, dev, web};
use domain::{SessionId, TenantId, UserId};
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
        let session_key = keys::session(identity.tenant, user, identity.session);
        let session = app.storage.get(&session_key).map_err(ApiError::internal)?;
        if session.is_none_or(|session| session.record.expires_at <= app.clock.now()) {
            return Err(ErrorCode::NotLoggedIn.into());
        }
        if let Some(named) = named
            && named != identity.tenant
        {
            let known = app.storage.contains(&keys::tenant(named)).map_err(ApiError::internal)?;
            let refusal = if known { ErrorCode::NotAllowed } else { ErrorCode::TenantUnknown };
            return Err(refusal.into());
        }
        Ok(Self { tenant: identity.tenant, user, session: identity.session })
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
