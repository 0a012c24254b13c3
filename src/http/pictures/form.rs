//! The form of an upload (multipart/form-data), read as it comes: some short fields, then the file.

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web;
use futures_util::StreamExt;

use super::store_error::StoreError;

/// Fields before the file.
const MAX_FIELDS: usize = 20;
/// The longest policy in base64, in bytes.
const MAX_POLICY_BYTES: u64 = 16 * 1024;
/// The longest of the other fields, in bytes.
const MAX_FIELD_BYTES: u64 = 1024;
/// What the form may hold beside its file, in bytes, with everything that is ignored.
const MAX_AROUND_FILE: u64 = 128 * 1024;

/// A form whose fields were read up to the file.
pub(super) struct Form {
    multipart: Multipart,
    file: Field,
    /// Lower-case names and values; no name comes twice.
    fields: Vec<(String, String)>,
}

impl Form {
    /// Reads what comes before the file; of the file at most `max_file_bytes` will be taken.
    ///
    /// # Errors
    /// The request is not such a form, or larger than it can be.
    pub(super) async fn read(
        request: &HttpRequest,
        payload: web::Payload,
        max_file_bytes: u64,
    ) -> Result<Self, StoreError> {
        let kind = request.headers().get(CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with(b"multipart/form-data") {
            return Err(StoreError::RequestIsNotMultiPartContent);
        }
        let mut left = max_file_bytes.saturating_add(MAX_AROUND_FILE);
        let bounded = payload.map(move |piece| {
            let piece = piece?;
            left = left.checked_sub(piece.len() as u64).ok_or(PayloadError::Overflow)?;
            Ok(piece)
        });
        let mut multipart = Multipart::new(request.headers(), bounded);
        let mut fields: Vec<(String, String)> = Vec::new();
        loop {
            let field = multipart.next().await.ok_or(StoreError::IncorrectNumberOfFiles)?;
            let mut field = field.map_err(|error| broken(&error))?;
            let name = field.name().ok_or(StoreError::MalformedPostRequest)?.to_ascii_lowercase();
            if name == "file" {
                return Ok(Self { multipart, file: field, fields });
            }
            if fields.len() == MAX_FIELDS {
                return Err(StoreError::MaxPostPreDataLengthExceeded);
            }
            if name.len() as u64 > MAX_FIELD_BYTES {
                return Err(StoreError::FieldItemTooLong);
            }
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(StoreError::InvalidArgument("A form field was given more than once."));
            }
            let most = if name == "policy" { MAX_POLICY_BYTES } else { MAX_FIELD_BYTES };
            let value = collect(&mut field, most, || StoreError::FieldItemTooLong).await?;
            let value = String::from_utf8(value).map_err(|_| StoreError::MalformedPostRequest)?;
            fields.push((name, value));
        }
    }

    /// The value of a field by its lower-case name; none when it is not there or blank.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.trim().is_empty())
    }

    /// The type of the file: what a field says, else what its own part says.
    pub(super) fn content_type(&self) -> Option<&str> {
        let field = self.field("x-oss-content-type").or_else(|| self.field("content-type"));
        field.or_else(|| self.file.content_type().map(AsRef::as_ref))
    }

    /// Reads the file, and no further than `most` bytes; what comes after it is passed over.
    ///
    /// # Errors
    /// The file is larger, or the form breaks off.
    pub(super) async fn read_file(mut self, most: u64) -> Result<Vec<u8>, StoreError> {
        let bytes = collect(&mut self.file, most, || StoreError::EntityTooLarge).await?;
        drop(self.file);
        // Whatever is wrong with the rest: the file is whole.
        while let Some(Ok(mut field)) = self.multipart.next().await {
            while let Some(Ok(_)) = field.next().await {}
        }
        Ok(bytes)
    }
}

async fn collect(
    field: &mut Field,
    most: u64,
    too_long: impl Fn() -> StoreError,
) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.next().await {
        let piece = piece.map_err(|error| broken(&error))?;
        if (bytes.len() + piece.len()) as u64 > most {
            return Err(too_long());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn broken(error: &MultipartError) -> StoreError {
    match error {
        MultipartError::Payload(PayloadError::Overflow) => StoreError::EntityTooLarge,
        _ => StoreError::MalformedPostRequest,
    }
}
