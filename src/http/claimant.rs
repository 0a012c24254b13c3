//! Whoever says that a password is theirs, patient or staff: how often they may try, and that an answer takes as long
//! whether there is such an account or not.

use actix_web::HttpRequest;
use domain::{StaffId, TenantId};
use storage::records::Action;

use super::error::{ApiError, ErrorCode};
use super::limits::{ClientNetwork, Holder, PasswordAttempts, Unlocked};
use super::staff::audit_of;
use crate::app::App;
use crate::passwords::Password;

/// Somebody who says that a password is theirs.
pub(super) struct Claimant<'a> {
    /// The parts of the server.
    pub(super) app: &'a App,
    /// At which clinic.
    pub(super) tenant: TenantId,
    pub(super) network: ClientNetwork,
    pub(super) password: Password,
    /// In whose trail a wrong password is noted, by the commit that counts it: of a patient, in nobody's.
    pub(super) traced: Option<StaffId>,
    /// The hash that the password was found to fit, so that a lost race costs no second comparison.
    pub(super) fits: Option<String>,
}

/// Whether a password was right.
pub(super) enum Proof {
    /// It was; what comes of it depends on the login still being unlocked.
    Right(Unlocked),
    /// It was not, and is counted.
    Wrong,
}

impl<'a> Claimant<'a> {
    /// Waits for its turn where its address has sent many wrong passwords.
    pub(super) async fn admitted(
        app: &'a App,
        tenant: TenantId,
        request: &HttpRequest,
        password: Password,
    ) -> Result<Self, ApiError> {
        let network = ClientNetwork::of_client(app, request);
        PasswordAttempts::of(app, tenant).slow_down(app, network).await?;
        Ok(Self { app, tenant, network, password, traced: None, fits: None })
    }

    /// Compares the password with the stored hash of who logs in with `login`. Without one it takes as long, so that
    /// the time tells nobody who has an account.
    ///
    /// # Errors
    /// 0429 while the login is locked.
    pub(super) async fn try_proof(
        &mut self,
        login: Holder<'_>,
        stored: Option<&String>,
    ) -> Result<Proof, ApiError> {
        let attempts = PasswordAttempts::of(self.app, self.tenant);
        let unlocked = attempts.admit(login)?;
        if stored.is_some() && stored == self.fits.as_ref() {
            return Ok(Proof::Right(unlocked));
        }
        let is_right = match stored {
            Some(hash) => self.app.passwords.verify(self.password.clone(), hash.clone()).await?,
            None => self.app.passwords.verify_dummy(self.password.clone()).await.map(|()| false)?,
        };
        if !is_right {
            let row = match self.traced {
                Some(staff) => {
                    let said = (Action::LoginFailed, Some(staff.get()));
                    Some(audit_of(self.app, self.tenant, staff, said).await?)
                }
                None => None,
            };
            attempts.count(login, self.network, row.as_ref()).await?;
            return Ok(Proof::Wrong);
        }
        self.fits = stored.cloned();
        Ok(Proof::Right(unlocked))
    }

    /// As [`Claimant::try_proof`].
    ///
    /// # Errors
    /// 0429 while the login is locked, `wrong` when the password is wrong; it is counted then.
    pub(super) async fn prove(
        &mut self,
        login: Holder<'_>,
        stored: Option<&String>,
        wrong: ErrorCode,
    ) -> Result<Unlocked, ApiError> {
        match self.try_proof(login, stored).await? {
            Proof::Right(unlocked) => Ok(unlocked),
            Proof::Wrong => Err(wrong.into()),
        }
    }
}
