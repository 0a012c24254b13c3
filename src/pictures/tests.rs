use domain::TenantId;
use storage::{PictureId, PictureKind};

use super::policy::{NotAPolicy, Policy, Unmet};
use super::*;

/// `vectors.json`, `oss_post_v1`: equal to what the official SDK ali-oss 6.23.0 makes of it.
const VECTOR_POLICY: &str = r#"{"expiration":"2026-12-01T12:00:00.000Z","conditions":[{"bucket":"clinic-avatar"},["content-length-range",1,5242880],["eq","$key","avatar/20261124/10001.png"],["eq","$Content-Type","image/png"],["eq","$success_action_status","200"]]}"#;
const VECTOR_BASE64: &str = "eyJleHBpcmF0aW9uIjoiMjAyNi0xMi0wMVQxMjowMDowMC4wMDBaIiwiY29uZGl0aW9ucyI6W3siYnVja2V0IjoiY2xpbmljLWF2YXRhciJ9LFsiY29udGVudC1sZW5ndGgtcmFuZ2UiLDEsNTI0Mjg4MF0sWyJlcSIsIiRrZXkiLCJhdmF0YXIvMjAyNjExMjQvMTAwMDEucG5nIl0sWyJlcSIsIiRDb250ZW50LVR5cGUiLCJpbWFnZS9wbmciXSxbImVxIiwiJHN1Y2Nlc3NfYWN0aW9uX3N0YXR1cyIsIjIwMCJdXX0=";
const VECTOR_SIGNATURE: &str = "ZdrRcjBJIa/+MCsQLR3hGnGnxek=";

/// 2026-12-01T12:00:00Z
const NOON: Timestamp = Timestamp::from_millis(1_796_126_400_000);

fn vector_key() -> AccessKey {
    AccessKey::new("testAccessKeyId", b"testAccessKeySecret")
}

fn pictures() -> Pictures {
    Pictures::aliyun("https://oss-cn-hangzhou.aliyuncs.com", "clinic-avatar", vector_key(), 5_242_880)
}

fn picture() -> Picture {
    let tenant = TenantId::new(1).expect("an id");
    Picture { tenant, id: PictureId::from_bytes([0xa5; 16]), kind: PictureKind::Png }
}

/// Seen to fail with HMAC-SHA256.
#[test]
fn the_signature_is_that_of_the_official_client() {
    assert_eq!(STANDARD.encode(VECTOR_POLICY), VECTOR_BASE64);
    assert_eq!(vector_key().sign(VECTOR_BASE64), VECTOR_SIGNATURE);
    assert!(vector_key().verifies(VECTOR_BASE64, VECTOR_SIGNATURE));
    for other in ["", "ZdrRcjBJIa/+MCsQLR3hGnGnxek", "ZdrRcjBJIa/+MCsQLR3hGnGnxeg=", "?"] {
        assert!(!vector_key().verifies(VECTOR_BASE64, other), "{other}");
    }
    assert!(!vector_key().verifies(&VECTOR_BASE64[4..], VECTOR_SIGNATURE));
    assert!(!AccessKey::new("testAccessKeyId", b"other").verifies(VECTOR_BASE64, VECTOR_SIGNATURE));
    assert!(!format!("{:?}", pictures()).contains("testAccessKeySecret"));
}

/// Seen to fail when the condition on the key was a prefix only, and when the JSON was signed in place of its base64.
#[test]
fn a_permit_is_for_one_key_type_and_bucket_and_ends() {
    let permit = pictures().permit(&picture(), NOON);
    let key = format!("avatar/1/{}.png", "a5".repeat(16));
    assert_eq!(permit.key, key);
    assert!(vector_key().verifies(&permit.policy, &permit.signature));
    let json = STANDARD.decode(&permit.policy).expect("base64");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    let expected = serde_json::json!({
        "expiration": "2026-12-01T12:00:00.000Z",
        "conditions": [
            {"bucket": "clinic-avatar"},
            ["eq", "$key", key],
            ["content-length-range", 1, 5_242_880],
            ["eq", "$content-type", "image/png"],
        ],
    });
    assert_eq!(json, expected);
}

/// Seen to fail when the bucket stood behind the host.
#[test]
fn a_bucket_of_aliyun_is_a_host() {
    let pictures = pictures();
    assert_eq!(pictures.upload_url, "https://clinic-avatar.oss-cn-hangzhou.aliyuncs.com/");
    let shown = pictures.url_of("avatar/1/x.png");
    assert_eq!(shown, "https://clinic-avatar.oss-cn-hangzhou.aliyuncs.com/avatar/1/x.png");
}

fn vector_form(name: &str) -> Option<&'static str> {
    match name {
        "bucket" => Some("clinic-avatar"),
        "key" => Some("avatar/20261124/10001.png"),
        "content-type" => Some("image/png"),
        "success_action_status" => Some("200"),
        _ => None,
    }
}

/// Seen to fail when names of fields were compared with their capitals, and when the last moment was still in time.
#[test]
fn a_policy_holds_until_it_expires_and_for_its_form_only() {
    let policy = Policy::parse(VECTOR_BASE64).expect("a policy");
    let before = Timestamp::from_millis(NOON.as_millis() - 1);
    assert_eq!(policy.check(before, vector_form), Ok(()));
    assert_eq!(policy.check(NOON, vector_form), Err(Unmet::Expired));
    assert_eq!(policy.length(), (1, 5_242_880));
    for (field, condition) in [
        ("bucket", r#"{"bucket":"clinic-avatar"}"#),
        ("key", r#"["eq","$key","avatar/20261124/10001.png"]"#),
        ("content-type", r#"["eq","$Content-Type","image/png"]"#),
        ("success_action_status", r#"["eq","$success_action_status","200"]"#),
    ] {
        let unmet = Err(Unmet::Condition(condition.to_owned()));
        let other = |name: &str| if name == field { Some("other") } else { vector_form(name) };
        assert_eq!(policy.check(before, other), unmet);
        let without = |name: &str| if name == field { None } else { vector_form(name) };
        assert_eq!(policy.check(before, without), unmet);
    }
}

fn parse(json: &str) -> Result<Policy, NotAPolicy> {
    Policy::parse(&STANDARD.encode(json))
}

fn with_condition(condition: &str) -> Result<Policy, NotAPolicy> {
    parse(&format!(r#"{{"expiration":"2026-12-01T12:00:00.000Z","conditions":[{condition}]}}"#))
}

/// Seen to fail when `not-in` was read as `in`.
#[test]
fn every_operator_is_kept() {
    let start = Timestamp::from_millis(0);
    for (condition, value, is_met) in [
        (r#"["starts-with","$key","avatar/"]"#, Some("avatar/1"), true),
        (r#"["starts-with","$key","avatar/"]"#, Some("other/avatar/"), false),
        (r#"["starts-with","$key",""]"#, None, false),
        (r#"["in","$key",["a","b"]]"#, Some("b"), true),
        (r#"["in","$key",["a","b"]]"#, Some("c"), false),
        (r#"["not-in","$key",["a","b"]]"#, Some("c"), true),
        (r#"["not-in","$key",["a","b"]]"#, Some("a"), false),
        (r#"{"key":"a"}"#, Some("a"), true),
        (r#"{"key":"a"}"#, Some("A"), false),
    ] {
        let policy = with_condition(condition).expect("a policy");
        let met = policy.check(start, |_| value);
        assert_eq!(met.is_ok(), is_met, "{condition} {value:?}");
    }
    let narrow = with_condition(r#"["content-length-range",5,9],["content-length-range",1,7]"#);
    assert_eq!(narrow.expect("a policy").length(), (5, 7));
}

/// Seen to fail when an unknown operator was passed over.
#[test]
fn what_is_no_policy_is_refused() {
    for json in [
        "",
        "[]",
        "{}",
        r#"{"expiration":"2026-12-01T12:00:00.000Z"}"#,
        r#"{"expiration":"2026-12-01T12:00:00.000Z","conditions":[]}"#,
        r#"{"expiration":"2026-12-01T12:00:00.000Z","conditions":[{"key":"a"}],"more":1}"#,
        r#"{"expiration":"tomorrow","conditions":[{"key":"a"}]}"#,
        r#"{"expiration":1796126400,"conditions":[{"key":"a"}]}"#,
    ] {
        assert_eq!(parse(json), Err(NotAPolicy), "{json}");
    }
    for condition in [
        r#"["like","$key","a"]"#,
        r#"["eq","key","a"]"#,
        r#"["eq","$key",1]"#,
        r#"["eq","$key"]"#,
        r#"["not-in","$key","a"]"#,
        r#"["in","$key",[1]]"#,
        r#"["content-length-range","1","9"]"#,
        r#"["content-length-range",-1,9]"#,
        r#"{"key":"a","bucket":"b"}"#,
        r#"{"key":1}"#,
        "{}",
        "1",
    ] {
        assert_eq!(with_condition(condition), Err(NotAPolicy), "{condition}");
    }
    assert_eq!(Policy::parse("?"), Err(NotAPolicy));
}

/// Seen to fail when the content type was not compared with the extension.
#[test]
fn extension_and_content_type_agree() {
    for (extension, named, kind) in [
        ("jpg", "image/jpeg", Some(PictureKind::Jpeg)),
        ("JPEG", "image/jpeg", Some(PictureKind::Jpeg)),
        ("png", "Image/PNG", Some(PictureKind::Png)),
        ("gif", "image/gif", Some(PictureKind::Gif)),
        ("webp", "image/webp", Some(PictureKind::WebP)),
        ("jpg", "image/png", None),
        ("png", "image/jpeg", None),
        (".png", "image/png", None),
        ("png", "image/*", None),
        ("svg", "image/svg+xml", None),
        ("html", "text/html", None),
        ("png", "text/html", None),
    ] {
        assert_eq!(formats::kind_of(extension, named), kind, "{extension} {named}");
    }
}
