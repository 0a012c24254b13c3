//! What the parameters accept and refuse.

use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, test as serving, web};

use super::*;

fn query(text: &str) -> Params {
    Params::from_query(text).expect("a readable query")
}

fn json(text: &str) -> Params {
    Params::from_json(text.as_bytes()).expect("a readable body")
}

/// Which failure it is, and what the patient reads.
async fn refusal<T: fmt::Debug>(result: Result<T, ApiError>) -> (ErrorCode, String) {
    let error = result.expect_err("a refusal");
    let response = actix_web::ResponseError::error_response(&error);
    let body = actix_web::body::to_bytes(response.into_body()).await;
    let body: serde_json::Value = serde_json::from_slice(&body.expect("bytes in memory")).expect("JSON");
    (error.code(), body["message"].as_str().expect("a sentence").to_owned())
}

fn text_of(params: &Params, name: &str) -> Option<String> {
    let param = params.optional(name, "字段")?;
    Some(param.text().expect("a text").to_owned())
}

#[test]
fn a_query_is_decoded_and_trimmed() {
    let params = query("name=%E5%BC%A0+%E4%B8%89&phone=%20138+&r=1700000000000&odd=50%");
    assert_eq!(text_of(&params, "name").as_deref(), Some("张 三"));
    assert_eq!(text_of(&params, "phone").as_deref(), Some("138"));
    assert_eq!(text_of(&params, "odd").as_deref(), Some("50%"));
    assert_eq!(text_of(&params, "nobody"), None);
}

#[test]
fn empty_and_null_in_a_query_are_absent() {
    let params = query("a=&b=null&c=%20&d&=&&e=nullable");
    for name in ["a", "b", "c", "d"] {
        assert!(params.optional(name, "字段").is_none(), "{name}");
    }
    assert_eq!(text_of(&params, "e").as_deref(), Some("nullable"));
}

#[test]
fn of_a_repeated_name_the_last_counts() {
    assert_eq!(text_of(&query("a=1&a=2"), "a").as_deref(), Some("2"));
    assert_eq!(text_of(&query("a=1&a="), "a"), None);
    assert_eq!(text_of(&json(r#"{"a": "1", "a": "2"}"#), "a").as_deref(), Some("2"));
    assert_eq!(text_of(&json(r#"{"a": "1", "a": null}"#), "a"), None);
}

#[actix_web::test]
async fn bytes_that_are_no_text_are_refused() {
    let (code, message) = refusal(Params::from_query("a=%FF")).await;
    assert_eq!(code, ErrorCode::ParameterMalformed);
    assert_eq!(message, "请求内容格式不正确");
    // Two halves that are no text by themselves must not become one.
    refusal(Params::from_query("a%E4=%BD%A0")).await;
    refusal(Params::from_json(b"{\"a\": \"\xff\"}")).await;
    refusal(Params::from_json(br#"{"a": "\ud800"}"#)).await;
}

#[test]
fn a_body_without_parameters_may_be_empty() {
    for body in ["", " \n", "{}", " {} "] {
        assert!(json(body).optional("a", "字段").is_none());
    }
}

#[actix_web::test]
async fn a_body_that_is_no_object_is_refused() {
    for body in ["[]", "null", "1", "\"a\"", "{", "{\"a\":}", "{} {}", "a=1", "{\"a\": 1e999}"] {
        let (code, _) = refusal(Params::from_json(body.as_bytes())).await;
        assert_eq!(code, ErrorCode::ParameterMalformed, "{body}");
    }
}

#[test]
fn a_json_null_and_an_empty_text_are_absent_and_the_text_null_is_not() {
    let params = json(r#"{"a": null, "b": "", "c": "  ", "d": "null"}"#);
    for name in ["a", "b", "c"] {
        assert!(params.optional(name, "字段").is_none(), "{name}");
    }
    assert_eq!(text_of(&params, "d").as_deref(), Some("null"));
}

#[test]
fn numbers_are_accepted_as_numbers_and_as_text() {
    for body in [r#"{"n": 12}"#, r#"{"n": "12"}"#, r#"{"n": " 12 "}"#] {
        let params = json(body);
        let param = params.required("n", "序号").expect("there");
        assert_eq!(param.integer(1..=500).expect("in range"), 12, "{body}");
        assert_eq!(param.text().expect("digits"), "12", "{body}");
    }
}

#[actix_web::test]
async fn what_is_no_integer_is_refused_by_its_label() {
    for value in [
        "1.0",
        "1e3",
        "18446744073709551616",
        "\"1.0\"",
        "\"x\"",
        "true",
        "[1]",
        "{\"n\":1}",
        "0",
        "501",
        "-3",
    ] {
        let params = json(&format!(r#"{{"n": {value}}}"#));
        let param = params.required("n", "序号").expect("there");
        let (code, message) = refusal(param.integer(1..=500)).await;
        assert_eq!(code, ErrorCode::ParameterMalformed, "{value}");
        assert_eq!(message, "序号格式不正确");
    }
}

#[actix_web::test]
async fn what_is_no_text_is_refused() {
    for value in ["true", "1.5", "1e3", "[]", "{}", "[\"a\"]"] {
        let params = json(&format!(r#"{{"phone": {value}}}"#));
        let param = params.required("phone", "手机号").expect("there");
        assert_eq!(refusal(param.text()).await.1, "手机号格式不正确", "{value}");
    }
}

#[test]
fn booleans_may_be_numbers_and_texts() {
    for (value, expected) in [
        ("true", true),
        ("1", true),
        ("\"1\"", true),
        ("\"true\"", true),
        ("false", false),
        ("0", false),
        ("\"0\"", false),
    ] {
        let params = json(&format!(r#"{{"b": {value}}}"#));
        let param = params.required("b", "默认").expect("there");
        assert_eq!(param.boolean().expect("a boolean"), expected, "{value}");
    }
    for value in ["2", "1.0", "\"yes\"", "[]"] {
        let params = json(&format!(r#"{{"b": {value}}}"#));
        assert!(params.required("b", "默认").expect("there").boolean().is_err(), "{value}");
    }
}

#[actix_web::test]
async fn an_absent_parameter_is_named() {
    let (code, message) = refusal(query("").required("phone", "手机号")).await;
    assert_eq!(code, ErrorCode::ParameterMissing);
    assert_eq!(message, "手机号不能为空");
}

#[actix_web::test]
async fn a_parser_of_the_domain_decides() {
    let params = query("phone=13800000001");
    let param = params.required("phone", "手机号").expect("there");
    assert_eq!(param.parse(|text| Ok::<_, ()>(text.len())).expect("accepted"), 11);
    assert_eq!(refusal(param.parse(|_| Err::<(), _>("reason"))).await.1, "手机号格式不正确");
}

#[test]
fn depth_is_passed_over_without_recursion() {
    let depth = 100_000;
    let body = format!(r#"{{"deep": {}{}, "a": "1"}}"#, "[".repeat(depth), "]".repeat(depth));
    // Whether so deep a value is ignored or refused does not matter; that the stack holds does.
    if let Ok(params) = Params::from_json(body.as_bytes()) {
        assert_eq!(text_of(&params, "a").as_deref(), Some("1"));
    }
}

#[test]
fn values_do_not_show_in_debug_output() {
    let params = query("phone=13800000001&verCode=123456");
    let param = params.required("phone", "手机号").expect("there");
    let shown = format!("{params:?} {param:?}");
    assert!(shown.contains("phone") && !shown.contains("138") && !shown.contains("123456"), "{shown}");
}

async fn echo(params: Params) -> Result<HttpResponse, ApiError> {
    let text = params.required("a", "字段")?.text()?.to_owned();
    Ok(HttpResponse::Ok().body(text))
}

/// What a route that wants parameter `a` answers.
async fn answer(request: serving::TestRequest) -> (StatusCode, String) {
    let app = App::new().route("/", web::get().to(echo)).route("/", web::post().to(echo));
    let app = serving::init_service(app).await;
    let response = serving::call_service(&app, request.to_request()).await;
    let status = response.status();
    let body = serving::read_body(response).await;
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[actix_web::test]
async fn get_reads_the_query_and_post_the_body() {
    let get = serving::TestRequest::get().uri("/?a=1");
    assert_eq!(answer(get).await, (StatusCode::OK, "1".into()));
    let post = serving::TestRequest::post().uri("/?a=1").set_payload(r#"{"a": "2"}"#);
    assert_eq!(answer(post).await, (StatusCode::OK, "2".into()));
}

#[actix_web::test]
async fn only_json_is_read() {
    let post = |content_type: &'static str, body: &'static str| {
        let request = serving::TestRequest::post().insert_header((CONTENT_TYPE, content_type));
        answer(request.set_payload(body))
    };
    for accepted in ["application/json", "Application/JSON; charset=utf-8", ""] {
        assert_eq!(post(accepted, r#"{"a": 1}"#).await.0, StatusCode::OK, "{accepted}");
    }
    for refused in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let status = post(refused, r#"{"a": 1}"#).await.0;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{refused}");
    }
    // Nothing there, so nothing of the wrong type.
    let (status, body) = post("application/x-www-form-urlencoded", "").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("字段不能为空"), "{body}");
}

#[actix_web::test]
async fn a_body_may_fill_the_limit_and_not_exceed_it() {
    let body_of = |bytes: usize| format!(r#"{{"a":1,"b":"{}"}}"#, "x".repeat(bytes - 14));
    assert_eq!(body_of(100).len(), 100);
    let full = serving::TestRequest::post().set_payload(body_of(MAX_BODY_BYTES));
    assert_eq!(answer(full).await.0, StatusCode::OK);
    let over = serving::TestRequest::post().set_payload(body_of(MAX_BODY_BYTES + 1));
    assert_eq!(answer(over).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[actix_web::test]
async fn pieces_of_a_body_are_put_together() {
    let mut pieces = Pieces::None;
    for piece in ["{\"a\"", ": \"", "b\"}"] {
        pieces = pieces.with(Bytes::from_static(piece.as_bytes()));
    }
    assert_eq!(pieces.len(), 10);
    assert_eq!(&pieces.into_bytes()[..], b"{\"a\": \"b\"}");
}

#[actix_web::test]
async fn a_parameter_may_stand_in_the_path() {
    async fn echo(request: HttpRequest) -> Result<HttpResponse, ApiError> {
        let id = Param::from_path(&request, "bookId", "预约编号")?.parse(str::parse::<u64>)?;
        Ok(HttpResponse::Ok().body(id.to_string()))
    }
    let app = serving::init_service(App::new().route("/book/{bookId}", web::get().to(echo))).await;
    let answer = async |path: &str| {
        let request = serving::TestRequest::get().uri(path).to_request();
        serving::call_service(&app, request).await.status()
    };
    assert_eq!(answer("/book/12").await, StatusCode::OK);
    assert_eq!(answer("/book/abc").await, StatusCode::BAD_REQUEST);
    assert_eq!(answer("/book/%20").await, StatusCode::BAD_REQUEST);
}

#[test]
fn yuan_have_two_decimals_at_most() {
    let yuan = |json: &str| {
        let params = Params::from_json(format!(r#"{{"fee": {json}}}"#).as_bytes()).expect("JSON");
        params.required("fee", "费用").and_then(Param::yuan).map(Fen::get)
    };
    for (json, fen) in
        [("0", 0), ("50", 5_000), ("50.5", 5_050), ("19.99", 1_999), ("1e2", 10_000), (r#""9.50""#, 950)]
    {
        assert_eq!(yuan(json).expect(json), fen);
    }
    for json in
        ["1.005", "-1", "-0.5", "1e9", "1e-3", "true", "[1]", "{}", r#""1.005""#, r#""x""#, "100000.01"]
    {
        assert_eq!(yuan(json).expect_err(json).code(), ErrorCode::ParameterMalformed, "{json}");
    }
}
