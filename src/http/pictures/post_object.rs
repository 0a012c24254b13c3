//! `POST /oss/`: takes a picture as OSS does (PostObject), and makes it somebody's avatar.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, rt, web};
use storage::records::UploadRecord;
use storage::{Commit, Key, Picture, Stored, Writable, keys};
use utoipa::ToSchema;

use super::form::Form;
use super::put_avatar;
use super::store_error::{REQUEST_ID, StoreError, escaped};
use crate::app::App;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::refusals::{MAX_TRIES, Outcome, outcome};
use crate::http::request_id::RequestId;
use crate::pictures::policy::{Policy, Unmet};
use crate::pictures::{Arrival, Keeper, LocalStore, Refused, formats, key};

/// A client has to send its form within this time.
const READ_WITHIN: Duration = Duration::from_secs(120);

/// How the success is told.
#[derive(Clone, Copy)]
enum Success {
    /// 204, unless the form asks for something else.
    NoContent,
    /// 200
    Ok,
    /// 201, with a description of the object.
    Created,
}

/// What a client posts, as to Aliyun's OSS; the file comes last.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a form; the parser of the form reads it")]
struct PostObjectRequest {
    #[schema(rename = "OSSAccessKeyId")]
    access_key_id: String,
    policy: String,
    #[schema(rename = "Signature")]
    signature: String,
    key: String,
    #[schema(value_type = String, format = Binary)]
    file: (),
}

/// `POST /oss/`: takes a picture that `upload_picture` has permitted. Failures are told in OSS's own XML.
#[utoipa::path(
    post,
    path = "/oss/",
    tag = "文件",
    request_body(content = PostObjectRequest, content_type = "multipart/form-data"),
    responses(
        (status = 204, description = "stored; it is the avatar now"),
        (status = 400, description = "malformed, or no picture of its type", content_type = "application/xml"),
        (status = 403, description = "not permitted", content_type = "application/xml"),
        (status = 409, description = "stored before", content_type = "application/xml"),
        (status = 503, description = "too many at once", content_type = "application/xml"),
    ),
)]
pub(in crate::http) async fn post_object(
    app: web::Data<App>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let id = request.extensions().get::<RequestId>().copied();
    let host = app.public_url.split_once("://").map_or("", |(_, host)| host).to_owned();
    match take(app, &request, payload).await {
        Ok(reply) => reply.response(id),
        Err(error) => error.response(id, &host),
    }
}

/// What is told of an object that was stored.
struct Reply {
    success: Success,
    bucket: String,
    location: String,
    key: String,
}

impl Reply {
    fn response(&self, id: Option<RequestId>) -> HttpResponse {
        let status = match self.success {
            Success::NoContent => StatusCode::NO_CONTENT,
            Success::Ok => StatusCode::OK,
            Success::Created => StatusCode::CREATED,
        };
        let mut reply = HttpResponse::build(status);
        reply.insert_header((REQUEST_ID, id.map(|id| id.to_string()).unwrap_or_default()));
        match self.success {
            Success::NoContent | Success::Ok => reply.finish(),
            Success::Created => reply.content_type("application/xml").body(format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Bucket>{}</Bucket><Location>{}\
                 </Location><Key>{}</Key></PostResponse>",
                escaped(&self.bucket),
                escaped(&self.location),
                escaped(&self.key),
            )),
        }
    }
}

async fn take(
    app: web::Data<App>,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Reply, StoreError> {
    let Keeper::Local(store) = &app.pictures.keeper else { return Err(StoreError::NoSuchBucket) };
    let reading = tokio::time::timeout(READ_WITHIN, receive(&app, store, request, payload));
    let (upload, success) = reading.await.map_err(|_| StoreError::RequestTimeout)??;
    let key = key::text_of(&upload.picture);
    let reply =
        Reply { success, bucket: app.pictures.bucket.clone(), location: app.pictures.url_of(&key), key };
    // A task of its own, because a client that hangs up must not stop it between the file and the commit.
    let storing = rt::spawn(async move { upload.store(&app).await });
    storing.await.map_err(StoreError::internal)??;
    Ok(reply)
}

/// A picture that was permitted and has been read.
struct Upload {
    picture: Picture,
    bytes: Vec<u8>,
    /// Nobody else uploads the same picture meanwhile.
    _arrival: Arrival,
}

/// Checks the form, then reads its file: who has no permission is refused before.
async fn receive(
    app: &App,
    store: &LocalStore,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<(Upload, Success), StoreError> {
    let form = Form::read(request, payload, app.pictures.max_bytes).await?;
    let (picture, policy) = check(app, &form)?;
    let success = match form.field("success_action_status") {
        Some("200") => Success::Ok,
        Some("201") => Success::Created,
        // As OSS answers anything that is none of the three.
        _ => Success::NoContent,
    };
    let arrival = store.arrivals.begin(picture.id).map_err(|refused| match refused {
        Refused::UnderWay => StoreError::FileAlreadyExists,
        Refused::Full => StoreError::ServiceUnavailable,
    })?;
    expected(app, store, &picture)?;
    if app.storage.status().writable != Writable::Yes {
        return Err(StoreError::ServiceUnavailable);
    }
    let (least, most) = policy.length();
    let bytes = form.read_file(most.min(app.pictures.max_bytes)).await?;
    if (bytes.len() as u64) < least.max(1) {
        return Err(StoreError::EntityTooSmall);
    }
    Ok((Upload { picture, bytes, _arrival: arrival }, success))
}

/// Which picture the form is for, if it is signed, in time and as it was permitted.
fn check(app: &App, form: &Form) -> Result<(Picture, Policy), StoreError> {
    let pictures = &app.pictures;
    let signed = [form.field("ossaccesskeyid"), form.field("policy"), form.field("signature")];
    let (key_id, policy, signature) = match signed {
        [Some(key_id), Some(policy), Some(signature)] => (key_id, policy, signature),
        [None, None, None] => return Err(denied("Anonymous access is forbidden for this operation.")),
        _ => {
            return Err(StoreError::InvalidArgument(
                "OSSAccessKeyId, policy and Signature must be given together.",
            ));
        }
    };
    let key = form.field("key");
    let key = key.ok_or(StoreError::InvalidArgument("Bucket POST must contain a field named 'key'."))?;
    if key_id != pictures.access_key.id {
        return Err(StoreError::InvalidAccessKeyId);
    }
    if !pictures.access_key.verifies(policy, signature) {
        return Err(StoreError::SignatureDoesNotMatch);
    }
    let policy = Policy::parse(policy).map_err(|_| StoreError::InvalidPolicyDocument)?;
    policy.check(app.clock.now(), |field| match field {
        "bucket" => Some(pictures.bucket.as_str()),
        "content-type" => form.content_type(),
        other => form.field(other),
    })?;
    let picture = key::parse(key).ok_or_else(|| denied("The key is none that was permitted."))?;
    Ok((picture, policy))
}

/// The upload as it was permitted, if it has not arrived before.
fn expected(
    app: &App,
    store: &LocalStore,
    picture: &Picture,
) -> Result<(Key<UploadRecord>, Stored<UploadRecord>), StoreError> {
    let key = keys::upload(picture.tenant, &picture.id);
    let Some(stored) = app.storage.get(&key).map_err(StoreError::internal)? else {
        let is_stored = store.files.contains(picture).map_err(StoreError::internal)?;
        return Err(if is_stored {
            StoreError::FileAlreadyExists
        } else {
            denied("The upload was not permitted, or has been made before.")
        });
    };
    if stored.record.kind != picture.kind {
        return Err(denied("The key is none that was permitted."));
    }
    if stored.record.expires_at <= app.clock.now() {
        return Err(Unmet::Expired.into());
    }
    Ok((key, stored))
}

fn denied(why: &str) -> StoreError {
    StoreError::AccessDenied(why.to_owned())
}

impl Upload {
    /// Looks whether it is a picture, stores it, and makes it the avatar.
    async fn store(self, app: &App) -> Result<(), StoreError> {
        let Keeper::Local(store) = &app.pictures.keeper else { return Err(StoreError::NoSuchBucket) };
        let Self { picture, bytes, _arrival } = self;
        let files = store.files.clone();
        let stored = web::block(move || {
            if !formats::is_picture(&bytes, picture.kind) {
                return Err(StoreError::InvalidArgument("The file is no picture of its type."));
            }
            files.put(&picture, &bytes).map_err(StoreError::internal)
        });
        stored.await.map_err(StoreError::internal)??;
        match make_avatar(app, &picture).await {
            Ok(former) => {
                let former = former.as_deref().and_then(key::parse);
                // Only the account's own avatars are ever put into its record.
                if let Some(former) = former.filter(|former| *former != picture) {
                    remove(store, former).await;
                }
                Ok(())
            }
            Err(Failure::NotMade(error)) => {
                remove(store, picture).await;
                Err(error)
            }
            Err(Failure::PerhapsMade(error)) => Err(error),
        }
    }
}

/// Why a picture is not known to be an avatar.
enum Failure {
    /// It certainly is none.
    NotMade(StoreError),
    /// It may be one.
    PerhapsMade(StoreError),
}

/// Uses the permission up and changes the avatar, in one commit. Answers the key of the avatar before.
async fn make_avatar(app: &App, picture: &Picture) -> Result<Option<String>, Failure> {
    let avatar = key::text_of(picture);
    let not_made = |error: ApiError| Failure::NotMade(error.into());
    for _ in 0..MAX_TRIES {
        let key = keys::upload(picture.tenant, &picture.id);
        let stored = app.storage.get(&key).map_err(|error| not_made(ApiError::internal(error)))?;
        // Its time may have passed while the picture was stored.
        let stored = stored.ok_or_else(|| Failure::NotMade(Unmet::Expired.into()))?;
        let mut commit = Commit::new();
        commit.require_version(&key, stored.version).delete(&key);
        let account = (picture.tenant, stored.record.user);
        let former = put_avatar(app, account, &avatar, &mut commit).map_err(not_made)?;
        match outcome(app.storage.commit(commit).await) {
            Ok(Outcome::Made) => return Ok(former),
            Ok(Outcome::Outdated) => {}
            Err(error) if error.code() == ErrorCode::OutcomeUnknown => {
                return Err(Failure::PerhapsMade(error.into()));
            }
            Err(error) => return Err(not_made(error)),
        }
    }
    Err(not_made(ErrorCode::Busy.into()))
}

/// Removes a picture that nobody refers to; one that stays is only a waste of space.
pub(super) async fn remove(store: &LocalStore, picture: Picture) {
    let files = store.files.clone();
    match web::block(move || files.remove(&picture)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "a picture was not removed"),
        Err(error) => tracing::warn!(%error, "a picture was not removed"),
    }
}
