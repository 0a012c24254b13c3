//! `Idempotency-Key`: the same key with the same content gets the same answer, for 24 hours.
//!
//! The answer is stored in the commit of its effect, so that neither is there without the other.
//! Only successes are stored; a refusal may turn into a success when it is asked again.

use std::time::Duration;

use actix_web::HttpRequest;
use actors::{AskError, Repeat};
use aws_lc_rs::digest::{Context, SHA256};
use domain::Reply;
use storage::records::IdemRecord;
use storage::{Commit, Version, keys};

use super::caller::Patient;
use super::error::{ApiError, ErrorCode};
use super::refusals::{Outcome, outcome};
use crate::app::App;

const HEADER: &str = "Idempotency-Key";
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_LENGTH: usize = 64;

/// The routes that take the header. Their names are part of the stored keys.
#[derive(Debug, Clone, Copy)]
pub enum Route {
    /// `book/submit`
    Submit,
    /// `book/cancel`
    Cancel,
    /// `pay/appo_order`
    AppoOrder,
}

impl Route {
    fn name(self) -> &'static str {
        match self {
            Self::Submit => "book/submit",
            Self::Cancel => "book/cancel",
            Self::AppoOrder => "pay/appo_order",
        }
    }
}

/// What the header says of a request.
pub enum Idempotency {
    /// There is no header.
    None,
    /// The key is new: its answer is to be stored.
    New(Repeat),
    /// The key was used with the same content, and answered with this.
    Answered(Reply),
}

/// Reads the header. `content` is what the request asks for, parsed.
///
/// # Errors
/// 0001 for a key that is not 1 to 64 visible ASCII characters; 401013 for a key used with other content.
pub fn read(
    app: &App,
    request: &HttpRequest,
    patient: Patient,
    route: Route,
    content: &[u64],
) -> Result<Idempotency, ApiError> {
    let Some(value) = request.headers().get(HEADER) else { return Ok(Idempotency::None) };
    let key = value.to_str().map_err(|_| ApiError::malformed(HEADER))?;
    if key.is_empty() || key.len() > MAX_LENGTH || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ApiError::malformed(HEADER));
    }
    let mut repeat = Repeat {
        key: keys::idem(patient.tenant, patient.user, route.name(), key),
        content_hash: content_hash(content),
        replaces: Version::ABSENT,
        expires_at: app.clock.now().plus(KEPT),
    };
    match stored(app, &repeat)? {
        Stored::Reply(reply) => return Ok(Idempotency::Answered(reply)),
        Stored::Outdated(version) => repeat.replaces = version,
        Stored::Nothing => {}
    }
    Ok(Idempotency::New(repeat))
}

/// The answer, or the one that was stored under the same key while this request was on its way.
///
/// # Errors
/// Whatever the request was refused with.
pub fn or_stored(
    app: &App,
    repeat: Option<Repeat>,
    answer: Result<Reply, AskError>,
) -> Result<Reply, ApiError> {
    match (answer, repeat) {
        (Err(AskError::Repeated), Some(repeat)) => match stored(app, &repeat)? {
            Stored::Reply(reply) => Ok(reply),
            Stored::Outdated(_) | Stored::Nothing => Err(ErrorCode::Busy.into()),
        },
        (answer, _) => answer.map_err(ApiError::from),
    }
}

/// Remembers a key whose request was answered with what is stored elsewhere and found again: only its content is kept, so
/// that no other content comes under it.
///
/// # Errors
/// It cannot be written.
pub async fn remember(app: &App, repeat: &Repeat) -> Result<(), ApiError> {
    let record = IdemRecord {
        content_hash: repeat.content_hash,
        reply: actors::encode_reply(Reply::Done),
        expires_at: repeat.expires_at,
    };
    let mut commit = Commit::new();
    commit.require_version(&repeat.key, repeat.replaces);
    commit.put_expiring(&repeat.key, &record, repeat.expires_at);
    match outcome(app.storage.commit(commit).await)? {
        // The same request, at the same time.
        Outcome::Made | Outcome::Outdated => Ok(()),
    }
}

/// What is stored under a key.
enum Stored {
    Nothing,
    Outdated(Version),
    Reply(Reply),
}

fn stored(app: &App, repeat: &Repeat) -> Result<Stored, ApiError> {
    let Some(stored) = app.storage.get(&repeat.key).map_err(ApiError::internal)? else {
        return Ok(Stored::Nothing);
    };
    let record = stored.record;
    if record.expires_at <= app.clock.now() {
        return Ok(Stored::Outdated(stored.version));
    }
    if record.content_hash != repeat.content_hash {
        return Err(ErrorCode::IdempotencyConflict.into());
    }
    let reply = actors::decode_reply(&record.reply);
    reply.map(Stored::Reply).ok_or_else(|| ApiError::internal("a stored answer cannot be read"))
}

fn content_hash(content: &[u64]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in content {
        context.update(&part.to_be_bytes());
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
