//! The envelope around every JSON reply: `{"status": "000", "message": null, "data": ...}`.
//!
//! All three keys are always there: the clinic's app reads them without looking whether they exist.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::web::Bytes;
use serde::Serialize;

use super::error::ApiError;

/// The `status` of a success.
pub const SUCCESS: &str = "000";

/// A reply without data, as bytes: the same for every route whose reply is 无.
const NULL_BODY: &[u8] = br#"{"status":"000","message":null,"data":null}"#;

/// Room that most replies fit into, so that their buffer is allocated once.
const USUAL_BYTES: usize = 256;

#[derive(Serialize)]
struct Envelope<'a, T> {
    status: &'a str,
    message: Option<&'a str>,
    data: T,
}

/// A success with `data`; an array of rows for what the contract calls ObjectList.
///
/// Written straight into the bytes that are sent. Data that cannot be written as JSON is our fault and answered
/// as such (0099).
pub fn ok<T: Serialize>(data: T) -> HttpResponse {
    let success = Envelope { status: SUCCESS, message: None, data };
    match write(&success) {
        Ok(body) => json(StatusCode::OK, body.into()),
        Err(cause) => HttpResponse::from_error(ApiError::internal(cause)),
    }
}

/// A success without data (无).
pub fn ok_null() -> HttpResponse {
    json(StatusCode::OK, Bytes::from_static(NULL_BODY))
}

/// A success whose bytes were written before and stored, as a repeat of a request gets it.
pub fn ok_stored(body: Vec<u8>) -> HttpResponse {
    json(StatusCode::OK, body.into())
}

/// The bytes of a success with `data`, for who stores them beside answering.
///
/// # Errors
/// When `data` cannot be written as JSON, for instance a map whose keys are not strings.
pub fn success_bytes<T: Serialize>(data: T) -> Result<Vec<u8>, serde_json::Error> {
    write(&Envelope { status: SUCCESS, message: None, data })
}

/// The bytes of a failure: no data, a sentence for the patient's eyes.
pub(super) fn failure_bytes(status: &str, message: &str) -> Vec<u8> {
    let failure = Envelope { status, message: Some(message), data: () };
    // Three strings cannot fail to become JSON; an empty body would still carry its HTTP status.
    write(&failure).unwrap_or_default()
}

/// A response of JSON bytes.
pub(super) fn json(status: StatusCode, body: Bytes) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(body)
}

fn write<T: Serialize>(envelope: &Envelope<'_, T>) -> Result<Vec<u8>, serde_json::Error> {
    let mut body = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut body, envelope)?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use actix_web::body::to_bytes;

    use super::*;

    async fn body_of(response: HttpResponse) -> String {
        let body = to_bytes(response.into_body()).await.expect("bytes in memory");
        String::from_utf8(body.to_vec()).expect("JSON is UTF-8")
    }

    #[derive(Serialize)]
    struct Department {
        #[serde(rename = "deptId")]
        id: String,
    }

    #[actix_web::test]
    async fn a_success_has_all_three_keys() {
        let rows = [Department { id: "101".into() }];
        let response = ok(rows);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers().get(CONTENT_TYPE), Some(&HeaderValue::from_static("application/json")));
        assert_eq!(body_of(response).await, r#"{"status":"000","message":null,"data":[{"deptId":"101"}]}"#);
    }

    #[actix_web::test]
    async fn a_success_without_data_says_null() {
        let expected = String::from_utf8(success_bytes(()).expect("unit is JSON")).expect("UTF-8");
        assert_eq!(body_of(ok_null()).await, expected);
    }

    #[actix_web::test]
    async fn stored_bytes_are_answered_as_they_were() {
        let stored = success_bytes(Department { id: "7".into() }).expect("JSON");
        let first = body_of(ok(Department { id: "7".into() })).await;
        assert_eq!(body_of(ok_stored(stored)).await, first);
    }

    #[actix_web::test]
    async fn data_that_is_not_json_is_our_fault() {
        let unwritable: HashMap<Vec<u8>, u8> = HashMap::from([(vec![1], 1)]);
        let response = ok(unwritable);
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(body_of(response).await.contains(r#""status":"0099""#));
    }

    #[test]
    fn a_failure_has_all_three_keys() {
        assert_eq!(
            String::from_utf8(failure_bytes("0001", "手机号不能为空")).expect("UTF-8"),
            r#"{"status":"0001","message":"手机号不能为空","data":null}"#
        );
    }
}
