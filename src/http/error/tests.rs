//! The table, and what a client sees of it.

use std::collections::HashSet;

use actix_web::body::to_bytes;

use super::*;

async fn body_of(response: HttpResponse) -> serde_json::Value {
    let body = to_bytes(response.into_body()).await.expect("bytes in memory");
    serde_json::from_slice(&body).expect("an enveloped failure is JSON")
}

#[test]
fn statuses_have_the_shape_of_the_conventions() {
    for row in TABLE {
        let expected_length = if row.http == 409 { 6 } else { 4 };
        assert_eq!(row.status.len(), expected_length, "{:?}", row.code);
        assert!(row.status.bytes().all(|byte| byte.is_ascii_digit()));
        assert!(StatusCode::from_u16(row.http).is_ok());
    }
}

#[test]
fn a_rule_has_a_status_of_its_own() {
    let rules: Vec<_> = TABLE.iter().filter(|row| row.http == 409).collect();
    let distinct: HashSet<_> = rules.iter().map(|row| row.status).collect();
    assert_eq!(distinct.len(), rules.len());
}

#[test]
fn rejections_keep_their_order_in_the_table() {
    let codes: Vec<_> = Rejection::ALL.map(ErrorCode::from).into();
    assert!(codes.is_sorted(), "{codes:?}");
}

#[test]
fn everything_that_passes_by_itself_says_when_to_retry() {
    for row in TABLE {
        let passes = matches!(row.http, 429 | 503);
        assert_eq!(row.retry != Never, passes, "{:?}", row.code);
    }
}

#[actix_web::test]
async fn a_parameter_is_named_in_the_message() {
    let missing = ApiError::missing("手机号").error_response();
    assert_eq!(missing.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        body_of(missing).await,
        serde_json::json!({"status": "0001", "message": "手机号不能为空", "data": null})
    );
    let malformed = ApiError::malformed("日期").error_response();
    assert_eq!(body_of(malformed).await["message"], "日期格式不正确");
}

#[actix_web::test]
async fn our_fault_shows_the_request_id_and_no_cause() {
    let error = ApiError::internal("sled is out of tune");
    let body = body_of(error.response("00c0ffee00000001")).await;
    let message = body["message"].as_str().expect("a sentence").to_owned();
    assert!(message.contains("00c0ffee00000001"), "{message}");
    assert!(!message.contains("sled"));
    assert!(!format!("{error}").contains("sled"));
    assert_eq!(error.cause().expect("given").to_string(), "sled is out of tune");
}

#[test]
fn a_limit_tells_whole_seconds_until_it_permits_again() {
    let retry_after = |wait| {
        let response = ApiError::too_often(wait).error_response();
        let header = response.headers().get(RETRY_AFTER).expect("always there for 0429");
        header.to_str().expect("digits").to_owned()
    };
    assert_eq!(retry_after(Duration::from_millis(59_001)), "60");
    assert_eq!(retry_after(Duration::from_secs(7)), "7");
    assert_eq!(retry_after(Duration::ZERO), "1");
}

#[test]
fn an_unknown_outcome_closes_the_connection() {
    let response = ApiError::from(ErrorCode::OutcomeUnknown).error_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.head().connection_type(), ConnectionType::Close);
    assert!(response.headers().contains_key(RETRY_AFTER));
    let busy = ApiError::from(ErrorCode::Busy).error_response();
    assert_ne!(busy.head().connection_type(), ConnectionType::Close);
}

#[test]
fn answers_of_actix_itself_find_their_code() {
    let code = |status| ErrorCode::of_http(status).row().status;
    assert_eq!(code(StatusCode::NOT_FOUND), "0404");
    assert_eq!(code(StatusCode::METHOD_NOT_ALLOWED), "0405");
    assert_eq!(code(StatusCode::PAYLOAD_TOO_LARGE), "0413");
    assert_eq!(code(StatusCode::UNSUPPORTED_MEDIA_TYPE), "0415");
    assert_eq!(code(StatusCode::BAD_REQUEST), "0001");
    assert_eq!(code(StatusCode::INTERNAL_SERVER_ERROR), "0099");
}
