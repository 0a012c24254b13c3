//! Closing an account (注销): what is personal is erased, what the clinic has to keep stays without it.

use actix_web::{HttpResponse, web};
use domain::PatientId;
use storage::records::Certificate;
use storage::{Commit, keys};
use utoipa::ToSchema;

use super::super::caller::Patient;
use super::super::envelope;
use super::super::error::{ApiError, ErrorCode};
use super::super::members::files::{self, OnFile};
use super::super::members::own::{LiveBookings, OwnMembers};
use super::super::openapi::Done;
use super::super::params::Params;
use super::super::profile::Account;
use super::super::refusals::{MAX_TRIES, Outcome, outcome};
use super::sessions;
use crate::app::App;
use crate::passwords::Password;

/// What `close_account` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct CloseAccountRequest {
    /// 密码
    password: String,
}

/// `POST patient_service/close_account`: closes the account, and ends every login of it.
///
/// Its bookings stay, for the clinic has to account for them; they hold no names. The files of its members are the
/// clinic's own records where somebody else relies on them or a visit was not cancelled, and are erased otherwise.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/close_account",
    tag = "患者认证",
    security(("token" = [])),
    request_body = CloseAccountRequest,
    responses((status = 200, body = Done)),
)]
pub async fn close(app: web::Data<App>, patient: Patient, params: Params) -> Result<HttpResponse, ApiError> {
    let password = params.required("password", "密码")?.parse(Password::parse)?;
    let closing = Closing { app: &app, account: patient };
    for _ in 0..MAX_TRIES {
        let account = Account::read(&app, patient)?;
        if !app.passwords.verify(password.clone(), account.personal.password_hash.clone()).await? {
            return Err(ErrorCode::CredentialsWrong.into());
        }
        match closing.attempt(&account).await? {
            Outcome::Made => {
                sessions::end_stragglers(&app, (patient.tenant, patient.user), None).await?;
                return Ok(envelope::ok_null());
            }
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

struct Closing<'a> {
    app: &'a App,
    account: Patient,
}

impl Closing<'_> {
    async fn attempt(&self, account: &Account) -> Result<Outcome, ApiError> {
        let (app, Patient { tenant, user, .. }) = (self.app, self.account);
        let own = OwnMembers::read(app, self.account)?;
        let live = LiveBookings::read(app, self.account)?;
        if live.any_to_come(app) {
            return Err(ErrorCode::AccountHasBookings.into());
        }
        let mut commit = Commit::new();
        for member in &own.members {
            if self.erase_file(member.patient, &mut commit).await? == Outcome::Outdated {
                return Ok(Outcome::Outdated);
            }
        }
        let phone = keys::phone(tenant, &app.vault.blind_phone(tenant, &account.personal.phone));
        commit.require_version(&account.key, account.version).delete(&account.key).delete(&phone);
        live.erase(&mut commit);
        own.erase(&mut commit);
        sessions::end(app, (tenant, user), None, &mut commit)?;
        outcome(app.storage.commit(commit).await)
    }

    /// Erases the file of a member's patient, unless the clinic or another account relies on it.
    async fn erase_file(&self, patient: PatientId, commit: &mut Commit) -> Result<Outcome, ApiError> {
        let (app, tenant) = (self.app, self.account.tenant);
        let file = OnFile::read(app, tenant, patient)?;
        if files::settle(app, &file).await? == Outcome::Outdated {
            return Ok(Outcome::Outdated);
        }
        if files::is_relied_on(app, self.account, patient).await? {
            return Ok(Outcome::Made);
        }
        // A file that turned out to be relied on after all is written anew by whoever does so.
        commit.require_version(&file.key, file.version).delete(&file.key);
        if let Some(Certificate::IdCard(number)) = &file.personal.certificate {
            commit.delete(&keys::idno(tenant, &app.vault.blind_id_number(tenant, number)));
        }
        Ok(Outcome::Made)
    }
}
