//! Pictures of patients (头像): the permission to upload one, and the object store in this server.
//!
//! A client asks for a permission, which holds for one key, one format and five minutes, and posts the picture to the
//! object store by a form. In the store of this server the avatar changes when the picture has arrived. Aliyun tells
//! nobody of an arrival, so there it changes with the permission: who asks and does not upload has no picture.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, rt};
use domain::{TenantId, Timestamp, UserId};
use serde::Serialize;
use storage::records::UploadRecord;
use storage::{Commit, OsRandom, Picture, PictureId, PictureKind, Random, Sequence, keys};
use utoipa::ToSchema;

use super::accounts::Account;
use super::caller::Patient;
use super::envelope;
use super::error::{ApiError, ErrorCode};
use super::openapi::Success;
use super::params::Params;
use super::refusals::{MAX_TRIES, Outcome, outcome};
use super::routes::Pattern;
use crate::app::App;
use crate::pictures::{Keeper, PERMITTED_FOR, formats, key};

mod form;
pub(super) mod post_object;
mod store_error;

/// A picture never changes under its key, so that a browser need not ask again for a year.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

#[derive(Serialize, ToSchema)]
struct UploadPermit {
    url: String,
    file_id: String,
    #[serde(rename = "OSS_access_key_id")]
    access_key_id: String,
    #[serde(rename = "ossaccessKeyId")]
    access_key_id_again: String,
    policy: String,
    signature: String,
    key: String,
}

/// What `upload_picture` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct UploadPictureRequest {
    /// 文件内容长度
    file_size: Option<u64>,
    /// 文件扩展名, without a dot: jpg, jpeg, png, gif or webp
    file_extension: String,
    /// Content-Type that goes with it: image/jpeg, image/png, image/gif or image/webp
    file_type: String,
}

/// `POST patient_service/myinfo/upload_picture`: permits the upload of a picture, and tells how.
#[utoipa::path(
    post,
    path = "/pati_service/patient_service/myinfo/upload_picture",
    tag = "个人信息",
    security(("token" = [])),
    request_body = UploadPictureRequest,
    responses((status = 200, body = Success<UploadPermit>)),
)]
pub async fn upload_picture(
    app: web::Data<App>,
    patient: Patient,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let size = params.optional("file_size", "文件大小");
    let size = size.map(|size| size.integer(i64::MIN..=i64::MAX)).transpose()?;
    let extension = params.required("file_extension", "文件扩展名")?.text()?;
    let content_type = params.required("file_type", "文件类型")?.text()?;
    let kind = formats::kind_of(extension, content_type).ok_or(ErrorCode::FileTypeRefused)?;
    let fits = |size: i64| u64::try_from(size).is_ok_and(|size| (1..=app.pictures.max_bytes).contains(&size));
    if !size.is_none_or(fits) {
        return Err(ErrorCode::FileTooLarge.into());
    }
    // A task of its own, because a client that hangs up must not stop it between its commits.
    let permitting = rt::spawn(async move { permit(&app, patient, kind).await });
    Ok(envelope::ok(permitting.await.map_err(ApiError::internal)??))
}

async fn permit(app: &App, patient: Patient, kind: PictureKind) -> Result<UploadPermit, ApiError> {
    let mut bytes = [0; 16];
    OsRandom::default().fill(&mut bytes).map_err(ApiError::internal)?;
    let picture = Picture { tenant: patient.tenant, id: PictureId::from_bytes(bytes), kind };
    let file_id = app.sequences.next(&app.storage, patient.tenant, Sequence::File).await?;
    let expires_at = app.clock.now().plus(PERMITTED_FOR);
    let permit = app.pictures.permit(&picture, expires_at);
    match app.pictures.keeper {
        Keeper::Local(_) => expect_upload(app, &picture, patient.user, expires_at).await?,
        Keeper::Aliyun => set_avatar(app, patient.tenant, patient.user, &permit.key).await?,
    }
    let access_key_id = &app.pictures.access_key.id;
    Ok(UploadPermit {
        url: app.pictures.upload_url.clone(),
        file_id: file_id.to_string(),
        access_key_id: access_key_id.clone(),
        access_key_id_again: access_key_id.clone(),
        policy: permit.policy,
        signature: permit.signature,
        key: permit.key,
    })
}

/// Notes whose avatar the picture will be.
async fn expect_upload(
    app: &App,
    picture: &Picture,
    user: UserId,
    expires_at: Timestamp,
) -> Result<(), ApiError> {
    let key = keys::upload(picture.tenant, &picture.id);
    let mut commit = Commit::new();
    let record = UploadRecord { user, kind: picture.kind, expires_at };
    commit.require_absent(&key).put_expiring(&key, &record, expires_at);
    app.storage.commit(commit).await?;
    Ok(())
}

async fn set_avatar(app: &App, tenant: TenantId, user: UserId, key: &str) -> Result<(), ApiError> {
    for _ in 0..MAX_TRIES {
        let mut commit = Commit::new();
        put_avatar(app, (tenant, user), key, &mut commit)?;
        match outcome(app.storage.commit(commit).await)? {
            Outcome::Made => return Ok(()),
            Outcome::Outdated => {}
        }
    }
    Err(ErrorCode::Busy.into())
}

/// Removes the picture of an account that is gone. What Aliyun keeps stays there: nothing here may delete it.
pub(super) async fn remove_of_nobody(app: &App, avatar: &str) {
    if let (Keeper::Local(store), Some(picture)) = (&app.pictures.keeper, key::parse(avatar)) {
        post_object::remove(store, picture).await;
    }
}

/// Puts the account with this avatar into `commit`. Answers the key of the avatar before.
fn put_avatar(
    app: &App,
    (tenant, user): (TenantId, UserId),
    avatar: &str,
    commit: &mut Commit,
) -> Result<Option<String>, ApiError> {
    let account = Account::find(app, tenant, user)?.ok_or(ErrorCode::NotFound)?;
    let mut personal = account.personal.clone();
    let former = personal.profile.avatar.replace(avatar.to_owned());
    account.put(app, commit, &personal)?;
    Ok(former)
}

/// The object store in this server, at the root as buckets are: `POST /oss/` takes a picture, `GET /oss/{key}`
/// shows it to anyone.
pub fn store(config: &mut ServiceConfig) {
    config.service(
        web::resource("/oss/").app_data(Pattern("/oss/")).route(web::post().to(post_object::post_object)),
    );
    config.service(web::resource("/oss/{key:.*}").app_data(Pattern("/oss/{key}")).route(web::get().to(show)));
}

/// `GET /oss/{key}`: a stored picture.
#[utoipa::path(
    get,
    path = "/oss/{key}",
    tag = "文件",
    params(("key" = String, Path, description = "the key that upload_picture answered")),
    responses(
        (status = 200, description = "the picture; it never changes", content_type = "image/*"),
        (status = 404, description = "no such picture"),
    ),
)]
pub async fn show(app: web::Data<App>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let Keeper::Local(store) = &app.pictures.keeper else { return Err(ErrorCode::NotFound.into()) };
    let key = request.match_info().get("key").unwrap_or_default();
    let picture = key::parse(key).ok_or(ErrorCode::NotFound)?;
    let files = store.files.clone();
    let read = web::block(move || files.read(&picture)).await.map_err(ApiError::internal)?;
    let bytes = read.map_err(ApiError::internal)?.ok_or(ErrorCode::NotFound)?;
    Ok(HttpResponse::Ok()
        .content_type(formats::content_type(picture.kind))
        .insert_header((CACHE_CONTROL, FOREVER))
        .insert_header((CONTENT_DISPOSITION, HeaderValue::from_static("inline")))
        .body(bytes))
}
