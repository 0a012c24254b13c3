//! Closing an account (注销). Ours, not the contract's: 个人信息保护法 (2021) §47 gives everyone the right to be erased.
//!
//! Erased are the account with its phone, its picture, its open id, its sessions and its list of members, and the files of
//! patients that only it refers to and the clinic has never seen. Every other file is the clinic's medical record,
//! which it has to keep; bookings hold nothing but ids, and stay too. What is erased leaves the journal when it is
//! folded next.

use std::collections::{HashMap, HashSet};

use actix_web::{HttpRequest, HttpResponse, web};
use domain::{PatientId, Status, TenantId, UserId};
use storage::records::{Certificate, IdnoRecord, MembersRecord, PatientFileRecord, PatientRecord};
use storage::{Commit, Key, KeyRange, Order, RawKey, ReadError, Record, Scan, Storage, Version, keys};
use utoipa::ToSchema;

use super::{Account, Ended, end_sessions, phone_key};
use crate::app::App;
use crate::http::caller::Patient;
use crate::http::claimant::Claimant;
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::limits::Holder;
use crate::http::members::files;
use crate::http::openapi::Done;
use crate::http::params::Params;
use crate::http::pictures;
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};
use crate::http::wechat;
use crate::passwords::Password;

#[cfg(test)]
mod tests;

/// Records of a long range that are read at once: writers wait for a reader no longer than these take.
const PIECE: usize = 500;

/// What `close_account` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct CloseRequest {
    /// 密码
    password: String,
}

/// `POST patient_service/close_account`: erases the account. Refused while it has bookings to come.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/close_account",
    tag = "患者认证",
    security(("token" = [])),
    request_body = CloseRequest,
    responses((status = 200, body = Done)),
)]
pub async fn close(
    app: web::Data<App>,
    patient: Patient,
    request: HttpRequest,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let password = params.required("password", "密码")?.parse(Password::parse)?;
    let claimant = Claimant::admitted(&app, patient.tenant, &request, password).await?;
    close_by_password(claimant, patient).await?;
    Ok(envelope::ok_null())
}

pub(super) async fn close_by_password(mut claimant: Claimant<'_>, patient: Patient) -> Result<(), ApiError> {
    let app = claimant.app;
    for _ in 0..MAX_TRIES {
        let account = Account::of_patient(app, patient)?;
        let phone = &account.personal.phone;
        let unlocked = claimant
            .prove(Holder::Phone(phone), Some(&account.personal.password_hash), ErrorCode::CredentialsWrong)
            .await?;
        let Erasure { mut commit, patients } = erasure(app, patient, &account).await?;
        unlocked.forget(&mut commit);
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => {
                for erased in patients {
                    app.patients.refresh(patient.tenant, erased);
                }
                if let Some(avatar) = &account.personal.profile.avatar {
                    pictures::remove_of_nobody(app, avatar).await;
                }
                return Ok(());
            }
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

/// What erases an account.
struct Erasure {
    commit: Commit,
    /// The patients whose files go with it.
    patients: Vec<PatientId>,
}

/// The commit that erases the account, if nothing it was decided on changes meanwhile.
async fn erasure(app: &App, patient: Patient, account: &Account) -> Result<Erasure, ApiError> {
    let tenant = patient.tenant;
    let mut commit = Commit::new();
    patient.require_session(app, &mut commit)?;
    require_no_bookings(app, patient, &mut commit)?;
    let members_key = keys::members(tenant, patient.user);
    let members = app.storage.get(&members_key).map_err(ApiError::internal)?;
    let version = members.as_ref().map_or(Version::ABSENT, |members| members.version);
    // No member can be added and nothing booked for one until this is written.
    commit.require_version(&members_key, version).delete(&members_key);
    let members = members.map(|members| members.record).unwrap_or_default();
    let mut patients = Vec::new();
    for (erased, file) in files_to_erase(app, patient, &members).await? {
        file.erase(&mut commit);
        patients.push(erased);
    }
    end_sessions(app, tenant, account, Ended::All, &mut commit)?;
    wechat::oauth::forget(app, patient, &mut commit)?;
    commit.delete(&phone_key(app, tenant, &account.personal.phone));
    commit.delete(&keys::open_id(tenant, patient.user));
    commit.require_version(&account.key, account.version).delete(&account.key);
    Ok(Erasure { commit, patients })
}

/// Makes `commit` depend on there being no visit that the account still expects.
fn require_no_bookings(app: &App, patient: Patient, commit: &mut Commit) -> Result<(), ApiError> {
    let key = keys::active(patient.tenant, patient.user);
    let stored = app.storage.get(&key).map_err(ApiError::internal)?;
    let version = stored.as_ref().map_or(Version::ABSENT, |stored| stored.version);
    let today = app.policy.zone.date_of(app.clock.now());
    // Past visits stand there until they are marked, and no longer count.
    if stored.is_some_and(|stored| stored.record.entries.iter().any(|entry| entry.date >= today)) {
        return Err(ErrorCode::AccountHasBookings.into());
    }
    commit.require_version(&key, version);
    Ok(())
}

/// A patient's file as it was read, and the ID number that finds it.
struct File {
    key: Key<PatientRecord>,
    version: Version,
    idno: Option<(Key<IdnoRecord>, Version)>,
    /// What the desk notes, which is nothing: else the file would be kept.
    notes: Key<PatientFileRecord>,
}

impl File {
    fn read(app: &App, tenant: TenantId, patient: PatientId) -> Result<Option<Self>, ApiError> {
        let key = keys::patient(tenant, patient);
        let Some(stored) = app.storage.get(&key).map_err(ApiError::internal)? else { return Ok(None) };
        let personal = stored.record.open(&app.vault, &key).map_err(ApiError::internal)?;
        let idno = match &personal.certificate {
            Some(Certificate::IdCard(number)) => {
                let key = keys::idno(tenant, &app.vault.blind_id_number(tenant, number));
                let found = app.storage.get(&key).map_err(ApiError::internal)?;
                found.filter(|found| found.record.patient == patient).map(|found| (key, found.version))
            }
            Some(Certificate::Other { .. }) | None => None,
        };
        Ok(Some(Self { key, version: stored.version, idno, notes: keys::patient_file(tenant, patient) }))
    }

    /// Whoever makes this patient a member, or changes or books for them at the desk, meanwhile, makes the commit fail.
    fn erase(&self, commit: &mut Commit) {
        commit.require_version(&self.key, self.version).delete(&self.key);
        commit.require_absent(&self.notes);
        if let Some((key, version)) = &self.idno {
            commit.require_version(key, *version).delete(key);
        }
    }
}

/// The files of the account's members that no other account refers to, that have no booking but cancelled ones, and of
/// which the desk has noted nothing.
async fn files_to_erase(
    app: &App,
    patient: Patient,
    members: &MembersRecord,
) -> Result<HashMap<PatientId, File>, ApiError> {
    let mut files = HashMap::new();
    for entry in &members.members {
        // Before anything else is looked at: what is added later changes the version.
        if let Some(file) = File::read(app, patient.tenant, entry.patient)? {
            files.insert(entry.patient, file);
        }
    }
    let candidates: HashSet<_> = files.keys().copied().collect();
    if !candidates.is_empty() {
        let read = files.values().map(|file| (file.key, file.version));
        // A file that has changed meanwhile cannot be erased by the commit that this is for.
        let _ = files::settle(app, read).await?;
        let storage = app.storage.clone();
        // Reads every account and every booking of the clinic, off the threads that serve requests.
        let kept =
            web::block(move || files_to_keep(&storage, patient.tenant, patient.user, &candidates)).await;
        for patient in kept.map_err(ApiError::internal)?.map_err(ApiError::internal)? {
            files.remove(&patient);
        }
    }
    Ok(files)
}

fn files_to_keep(
    storage: &Storage,
    tenant: TenantId,
    closing: UserId,
    candidates: &HashSet<PatientId>,
) -> Result<HashSet<PatientId>, ReadError> {
    let mut kept = HashSet::new();
    for &patient in candidates {
        if storage.contains(&keys::patient_file(tenant, patient))? {
            kept.insert(patient);
        }
    }
    for_each(storage, keys::all_members(tenant), |key, record| {
        if keys::user_id(key) != Some(closing) {
            kept.extend(
                record.members.iter().map(|entry| entry.patient).filter(|id| candidates.contains(id)),
            );
        }
    })?;
    for_each(storage, keys::bookings(tenant), |_, record| {
        let was_cancelled = matches!(record.0.status, Status::Cancelled { .. });
        if !was_cancelled && candidates.contains(&record.0.patient) {
            kept.insert(record.0.patient);
        }
    })?;
    Ok(kept)
}

fn for_each<R: Record>(
    storage: &Storage,
    mut range: KeyRange<R>,
    mut each: impl FnMut(&RawKey, R),
) -> Result<(), ReadError> {
    loop {
        let piece = storage.scan(&range, Scan { limit: PIECE, order: Order::Ascending })?;
        let Some((last, _)) = piece.last() else { return Ok(()) };
        range = range.after(last);
        for (key, stored) in piece {
            each(&key, stored.record);
        }
    }
}
