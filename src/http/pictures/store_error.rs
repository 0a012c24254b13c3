//! The failures of the object store, as OSS itself answers them: XML, with its codes and HTTP statuses.
//!
//! <https://help.aliyun.com/zh/oss/user-guide/error-responses>

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::http::{ConnectionType, StatusCode};

use crate::http::error::{ApiError, ErrorCode};
use crate::http::request_id::{RequestId, Unenveloped};
use crate::pictures::policy::Unmet;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-oss-request-id");

/// A failure of the object store.
#[derive(Debug)]
pub(super) enum StoreError {
    /// Nobody signed the form, or it is not what was signed.
    AccessDenied(String),
    /// Another key id than the store's.
    InvalidAccessKeyId,
    SignatureDoesNotMatch,
    InvalidPolicyDocument,
    /// A field that is missing or not what it should be.
    InvalidArgument(&'static str),
    EntityTooLarge,
    EntityTooSmall,
    RequestIsNotMultiPartContent,
    MalformedPostRequest,
    IncorrectNumberOfFiles,
    FieldItemTooLong,
    MaxPostPreDataLengthExceeded,
    /// The key was used.
    FileAlreadyExists,
    RequestTimeout,
    NoSuchBucket,
    /// Later, perhaps.
    ServiceUnavailable,
    /// Our fault, with its cause.
    InternalError(ApiError),
}

impl StoreError {
    pub(super) fn internal(cause: impl Into<crate::http::error::Cause>) -> Self {
        Self::InternalError(ApiError::internal(cause))
    }

    fn row(&self) -> (&'static str, u16, &str) {
        match self {
            Self::AccessDenied(why) => ("AccessDenied", 403, why),
            Self::InvalidAccessKeyId => (
                "InvalidAccessKeyId",
                403,
                "The OSS Access Key Id you provided does not exist in our records.",
            ),
            Self::SignatureDoesNotMatch => (
                "SignatureDoesNotMatch",
                403,
                "The request signature we calculated does not match the signature you provided. Check your key and \
                 signing method.",
            ),
            Self::InvalidPolicyDocument => ("InvalidPolicyDocument", 400, "Invalid Policy."),
            Self::InvalidArgument(what) => ("InvalidArgument", 400, what),
            Self::EntityTooLarge => {
                ("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size.")
            }
            Self::EntityTooSmall => {
                ("EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size.")
            }
            Self::RequestIsNotMultiPartContent => (
                "RequestIsNotMultiPartContent",
                400,
                "Bucket POST must be of the enclosure-type multipart/form-data.",
            ),
            Self::MalformedPostRequest => (
                "MalformedPOSTRequest",
                400,
                "The body of your POST request is not well-formed multipart/form-data.",
            ),
            Self::IncorrectNumberOfFiles => (
                "IncorrectNumberOfFilesInPOSTRequest",
                400,
                "POST requires exactly one file upload per request.",
            ),
            Self::FieldItemTooLong => ("FieldItemTooLong", 400, "Your field item is too long."),
            Self::MaxPostPreDataLengthExceeded => (
                "MaxPOSTPreDataLengthExceeded",
                400,
                "Your POST request fields preceding the upload file were too large.",
            ),
            Self::FileAlreadyExists => (
                "FileAlreadyExists",
                409,
                "The object you specified already exists and can not be overwritten.",
            ),
            Self::RequestTimeout => ("RequestTimeout", 400, "The upload took too long."),
            Self::NoSuchBucket => ("NoSuchBucket", 404, "The specified bucket does not exist."),
            Self::ServiceUnavailable => ("ServiceUnavailable", 503, "Please try again later."),
            Self::InternalError(_) => ("InternalError", 500, "An internal error occurred."),
        }
    }

    /// The reply; `host` is the store's.
    pub(super) fn response(&self, id: Option<RequestId>, host: &str) -> HttpResponse {
        let (code, http, message) = self.row();
        let id = id.map(|id| id.to_string()).unwrap_or_default();
        if let Self::InternalError(error) = self {
            let cause = error.cause().map(ToString::to_string).unwrap_or_default();
            tracing::error!(request_id = id, cause, "an upload failed");
        }
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message>\
             <RequestId>{id}</RequestId><HostId>{}</HostId></Error>",
            escaped(message),
            escaped(host),
        );
        let status = StatusCode::from_u16(http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status)
            .content_type("application/xml")
            .insert_header((REQUEST_ID, id))
            .body(body);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(2));
            // It may have to be the server that comes after this one.
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        response.extensions_mut().insert(Unenveloped { code });
        response
    }
}

impl From<Unmet> for StoreError {
    fn from(unmet: Unmet) -> Self {
        Self::AccessDenied(match unmet {
            Unmet::Expired => "Invalid according to Policy: Policy expired.".to_owned(),
            Unmet::Condition(text) => format!("Invalid according to Policy: Policy Condition failed: {text}"),
        })
    }
}

impl From<ApiError> for StoreError {
    fn from(error: ApiError) -> Self {
        match error.code() {
            ErrorCode::NotFound => Self::AccessDenied("The account was closed.".to_owned()),
            code if code.row().http == 503 => Self::ServiceUnavailable,
            _ => Self::InternalError(error),
        }
    }
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
