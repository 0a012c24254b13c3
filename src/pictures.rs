//! Pictures that patients upload: where they go, under which key, and what a client needs to send them there.
//!
//! A client uploads straight to an object store (OSS), by a form that this server has signed. The store is Aliyun's,
//! or this server itself (`oss.provider`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;
use storage::{Picture, PictureFiles};

pub mod formats;
pub mod key;
pub mod policy;

mod arrivals;

pub use arrivals::{Arrival, Arrivals, Refused};

use policy::Grant;

/// How long a client may take from the permission to the end of the upload.
pub const PERMITTED_FOR: Duration = Duration::from_secs(5 * 60);

/// The bucket of the store in this server.
pub const LOCAL_BUCKET: &str = "pati";

/// The id of the access key of the store in this server.
pub const LOCAL_KEY_ID: &str = "local";

/// A key that signs policies. Debug does not show it.
#[derive(Clone)]
pub struct AccessKey {
    /// Tells the store which key it is.
    pub id: String,
    secret: hmac::Key,
}

impl AccessKey {
    /// The key of this id and secret.
    pub fn new(id: impl Into<String>, secret: &[u8]) -> Self {
        Self { id: id.into(), secret: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret) }
    }

    /// The signature (version 1) of a policy in base64: HMAC-SHA1, in base64 as well.
    /// <https://help.aliyun.com/zh/oss/developer-reference/postobject>
    pub fn sign(&self, policy: &str) -> String {
        STANDARD.encode(hmac::sign(&self.secret, policy.as_bytes()))
    }

    /// Whether the signature is that of the policy, in constant time.
    pub fn verifies(&self, policy: &str, signature: &str) -> bool {
        STANDARD
            .decode(signature)
            .is_ok_and(|signature| hmac::verify(&self.secret, policy.as_bytes(), &signature).is_ok())
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Who keeps the pictures.
#[derive(Clone, Debug)]
pub enum Keeper {
    /// This server: a picture is an avatar from the moment it has arrived.
    Local(LocalStore),
    /// Aliyun, which does not tell when a picture has arrived: it is an avatar from the moment it is permitted.
    Aliyun,
}

/// The object store in this server.
#[derive(Clone, Debug)]
pub struct LocalStore {
    /// Where the pictures lie.
    pub files: PictureFiles,
    /// The uploads that are under way.
    pub arrivals: Arc<Arrivals>,
}

/// The object store, and the way to it.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// Who keeps the pictures.
    pub keeper: Keeper,
    /// Signs the policies.
    pub access_key: AccessKey,
    /// The bucket.
    pub bucket: String,
    /// Where clients post the form to.
    pub upload_url: String,
    /// What stands before a key to show its picture.
    shown_below: String,
    /// The largest picture, in bytes.
    pub max_bytes: u64,
}

/// What a client needs to upload one picture.
#[derive(Debug)]
pub struct Permit {
    /// The policy, in base64.
    pub policy: String,
    /// Its signature.
    pub signature: String,
    /// The key under which the picture will be found.
    pub key: String,
}

impl Pictures {
    /// Kept by this server, which is reached at `public_url`.
    pub fn local(files: PictureFiles, secret: &[u8], public_url: &str, max_bytes: u64) -> Self {
        let base = format!("{public_url}/oss/");
        Self {
            keeper: Keeper::Local(LocalStore { files, arrivals: Arc::new(Arrivals::new()) }),
            access_key: AccessKey::new(LOCAL_KEY_ID, secret),
            bucket: LOCAL_BUCKET.to_owned(),
            upload_url: base.clone(),
            shown_below: base,
            max_bytes,
        }
    }

    /// Kept by Aliyun, in a bucket that anyone may read: `endpoint` is its URL without the bucket.
    pub fn aliyun(endpoint: &str, bucket: &str, access_key: AccessKey, max_bytes: u64) -> Self {
        let (scheme, host) = endpoint.split_once("://").unwrap_or(("https", endpoint));
        let base = format!("{scheme}://{bucket}.{host}/");
        Self {
            keeper: Keeper::Aliyun,
            access_key,
            bucket: bucket.to_owned(),
            upload_url: base.clone(),
            shown_below: base,
            max_bytes,
        }
    }

    /// Where a picture is shown.
    pub fn url_of(&self, key: &str) -> String {
        format!("{}{key}", self.shown_below)
    }

    /// Permits the upload of this picture, and of nothing else, until `expires_at`.
    pub fn permit(&self, picture: &Picture, expires_at: Timestamp) -> Permit {
        let key = key::text_of(picture);
        let grant = Grant {
            bucket: &self.bucket,
            key: &key,
            content_type: formats::content_type(picture.kind),
            max_bytes: self.max_bytes,
            expires_at,
        };
        let policy = STANDARD.encode(grant.to_json());
        let signature = self.access_key.sign(&policy);
        Permit { policy, signature, key }
    }
}

#[cfg(test)]
mod tests;
