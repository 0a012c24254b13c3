//! Settings: `config.toml` says the truth, and refusals name the place.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use domain::{DailyVisits, Policy};
use pati_service::settings::{ConfigFile, Origin, Settings, SettingsError};
use tempfile::TempDir;

/// The file that the repository ships.
fn shipped() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml").into()
}

/// Loads a file with this text and these variables.
fn load(text: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("config.toml");
    fs::write(&path, text).expect("written");
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load(&ConfigFile::Given(path), variables)
}

/// Where, at which key, and why.
fn refusal(text: &str, variables: &[(&str, &str)]) -> (Origin, String, String) {
    match load(text, variables) {
        Err(SettingsError::Refused { origin, key, reason }) => (origin, key, reason),
        other => panic!("{text} {variables:?} gave {other:?}"),
    }
}

/// The keys that a section knows, as the refusal of an unknown one lists them.
fn known_keys(prefix: &str, unknown: &str) -> Vec<String> {
    let (_, key, reason) = refusal(unknown, &[]);
    assert_eq!(key, format!("{prefix}nonsense"));
    let (_, list) = reason
        .split_once("expected one of ")
        .unwrap_or_else(|| reason.split_once("expected ").expect("a list of what is known"));
    let keys = list.split('`').skip(1).step_by(2);
    keys.map(str::to_owned).collect()
}

/// The planted bug: another default in the code.
#[test]
fn the_shipped_file_is_the_defaults() {
    let shipped = Settings::load(&ConfigFile::Given(shipped()), []).expect("accepted");
    assert_eq!(shipped, Settings::default());
    assert_eq!(load("", &[]).expect("empty is accepted"), Settings::default());
}

/// The planted bugs: a key left out of the file, a key without a sentence above it.
#[test]
fn the_shipped_file_has_every_key_with_a_sentence() {
    let text = fs::read_to_string(shipped()).expect("config.toml");
    let mut explained = BTreeSet::new();
    let mut section = "";
    let mut previous = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            assert!(previous.starts_with("# "), "{section}.{key} has no sentence");
            explained.insert(format!("{section}.{key}"));
        }
        previous = line;
    }
    let mut known = BTreeSet::new();
    for section in known_keys("", "nonsense = 1") {
        for key in known_keys(&format!("{section}."), &format!("[{section}]\nnonsense = 1")) {
            known.insert(format!("{section}.{key}"));
        }
    }
    assert!(known.len() > 35, "{known:?}");
    assert_eq!(explained, known);
}

#[test]
fn the_environment_overrides_the_file() {
    let file = "[booking]\nhold_seconds = 60\nhorizon_days = 7";
    let variables = [
        ("PATI_BOOKING__HOLD_SECONDS", "90"),
        ("PATI_SERVER__BIND", "0.0.0.0:80"),
        ("PATI_SERVER__ERRORS_AS_200", "true"),
        ("PATI_SERVER__TRUSTED_PROXIES", r#"["10.0.0.0/8", "::1"]"#),
        ("PATI_BOOKING__RELEASE_TIME", "07:30"),
        ("PATI_OSS__BUCKET", "\"123\""),
        ("HOME", "/root"),
    ];
    let settings = load(file, &variables).expect("accepted");
    assert_eq!(settings.booking.hold_seconds, 90);
    assert_eq!(settings.booking.horizon_days, 7);
    assert_eq!(settings.booking.release_time.to_string(), "07:30");
    assert_eq!(settings.server.bind.to_string(), "0.0.0.0:80");
    assert!(settings.server.errors_as_200);
    let proxies: Vec<_> = settings.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "::1/128"]);
    assert_eq!(settings.oss.bucket.as_ref().map(|bucket| bucket.as_str()), Some("123"));
}

#[test]
fn a_bad_value_is_refused_by_name_and_reason() {
    for (section, line, key, reason) in [
        ("booking", "hold_seconds = 29", "hold_seconds", "between 30 and 900"),
        ("booking", "hold_seconds = 901", "hold_seconds", "between 30 and 900"),
        ("booking", "hold_seconds = 'long'", "hold_seconds", "whole number"),
        ("booking", "horizon_days = 0", "horizon_days", "between 1 and 180"),
        ("booking", "horizon_days = 181", "horizon_days", "between 1 and 180"),
        ("booking", "release_time = '24:00'", "release_time", "HH:mm"),
        ("booking", "max_bookings_per_patient_per_day = 3", "max_bookings_per_patient_per_day", "1 or 2"),
        ("booking", "cancel_before_minutes = -1", "cancel_before_minutes", "between 0"),
        ("booking", "unpaid = 'forget'", "unpaid", "keep"),
        ("clinic", "time_zone = 'Mars/Olympus'", "time_zone", "IANA"),
        ("clinic", "default_tenant = 0", "default_tenant", "between 1"),
        ("server", "bind = 'localhost'", "bind", "address"),
        ("server", "trusted_proxies = ['10.0.0.0/33']", "trusted_proxies", "networks"),
        ("server", "public_url = 'book.example.cn'", "public_url", "http"),
        ("server", "public_url = 'ftp://book.example.cn'", "public_url", "http"),
        ("server", "public_url = 'https://a:b@book.example.cn'", "public_url", "password"),
        ("server", "public_url = 'https://book.example.cn/?a=1'", "public_url", "query"),
        ("server", "tls_cert = 'cert.pem'", "tls_key", "must be given"),
        ("server", "tls_key = 'key.pem'", "tls_cert", "must be given"),
        ("server", "request_seconds = 0", "request_seconds", "between 1 and 300"),
        ("server", "keep_alive_seconds = 0", "keep_alive_seconds", "between 1 and 3600"),
        ("server", "cors_origins = ['*']", "cors_origins[0]", "origins"),
        ("server", "cors_origins = ['h5.example.cn']", "cors_origins[0]", "origins"),
        ("server", "cors_origins = ['https://*.example.cn']", "cors_origins[0]", "origins"),
        ("server", "cors_origins = ['https://h5.example.cn/']", "cors_origins[0]", "origins"),
        ("server", "cors_origins = ['https://h5.example.cn:443']", "cors_origins[0]", "origins"),
        ("server", "cors_origins = ['https://H5.example.cn']", "cors_origins[0]", "origins"),
        ("server", "admin_bind = '127.0.0.1:8080'", "admin_bind", "differ"),
        ("storage", "path = ''", "path", "empty"),
        ("sms", "provider = 'pigeon'", "provider", "console"),
        ("sms", "provider = 'aliyun'", "access_key_id", "must be given"),
        ("sms", "provider = 'aliyun'\naccess_key_id = 'id'", "sign_name", "must be given"),
        (
            "sms",
            "provider = 'aliyun'\naccess_key_id = 'id'\nsign_name = 'x'",
            "template_register",
            "must be given",
        ),
        ("sms", "access_key_secret = 'hunter2'", "access_key_secret", "unknown field"),
        ("sms", "provider = 'webhook'", "webhook_url", "must be given"),
        ("oss", "provider = 'aliyun'", "endpoint", "must be given"),
        ("oss", "provider = 'aliyun'\nendpoint = 'https://oss.example.cn'", "bucket", "must be given"),
        (
            "oss",
            "provider = 'aliyun'\nendpoint = 'https://oss.example.cn'\nbucket = 'clinic'",
            "access_key_id",
            "must be given",
        ),
        (
            "oss",
            "provider = 'aliyun'\nendpoint = 'https://oss.example.cn/x'\nbucket = 'clinic'\naccess_key_id = 'a'",
            "endpoint",
            "path",
        ),
        ("oss", "bucket = 'Clinic'", "bucket", "name of a bucket"),
        ("oss", "access_key_secret = 'hunter2'", "access_key_secret", "unknown field"),
        ("wechat", "api_base = ''", "api_base", "http"),
        ("h5", "book_url = 'h5.example.cn/{tenant}'", "book_url", "http"),
        ("h5", "chat_url = 'https://a:b@h5.example.cn/{tenant}'", "chat_url", "password"),
    ] {
        let (origin, refused, why) = refusal(&format!("[{section}]\n{line}"), &[]);
        assert!(matches!(&origin, Origin::File(path) if path.ends_with("config.toml")), "{origin:?}");
        assert_eq!(refused, format!("{section}.{key}"), "{line}");
        assert!(why.contains(reason), "{line}: {why}");
    }
}

#[test]
fn a_bad_variable_is_named() {
    for (name, value, key, reason) in [
        ("PATI_BOOKING__HOLD_SECONDS", "5", "booking.hold_seconds", "between 30 and 900"),
        ("PATI_BOOKING__NONSENSE", "5", "booking.nonsense", "unknown field"),
        ("PATI_NONSENSE__KEY", "5", "nonsense", "unknown field"),
        ("PATI_NONSENSE", "5", "nonsense", "PATI_<SECTION>__<KEY>"),
        ("PATI_SERVER__TRUSTED_PROXIES", "[\"x\"]", "server.trusted_proxies", "networks"),
        ("PATI_SMS__PROVIDER", "pigeon", "sms.provider", "unknown variant"),
    ] {
        let (origin, refused, why) = refusal("", &[(name, value)]);
        assert_eq!(origin, Origin::Variable(name.to_owned()));
        assert_eq!(refused, key);
        assert!(why.contains(reason), "{name}: {why}");
    }
}

#[test]
fn a_refusal_reads_as_one_line() {
    let error = load("", &[("PATI_BOOKING__HOLD_SECONDS", "5")]).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "environment variable PATI_BOOKING__HOLD_SECONDS: booking.hold_seconds: must be a whole number between 30 and 900"
    );
}

#[test]
fn a_file_that_is_no_toml_is_refused_with_its_line() {
    let error = load("[server]\nbind = ", &[]).expect_err("refused");
    assert!(matches!(error, SettingsError::NotToml { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("config.toml") && text.contains("line 2"), "{text}");
}

#[test]
fn a_given_file_must_be_there() {
    let missing = ConfigFile::Given("/nowhere/config.toml".into());
    let error = Settings::load(&missing, []).expect_err("refused");
    assert!(matches!(error, SettingsError::Unreadable { .. }), "{error:?}");
    assert!(error.to_string().contains("/nowhere/config.toml"));
}

#[test]
fn a_secret_in_the_webhook_does_not_show() {
    let variables = [
        ("PATI_SMS__PROVIDER", "webhook"),
        ("PATI_SMS__WEBHOOK_URL", "https://sms.example.cn/send?key=hunter2"),
    ];
    let settings = load("", &variables).expect("accepted");
    let url = settings.sms.webhook_url.as_ref().expect("given");
    assert_eq!(url.as_str(), "https://sms.example.cn/send?key=hunter2");
    assert!(!format!("{settings:?}").contains("hunter2"));

    let bad = [("PATI_SMS__WEBHOOK_URL", "sms.example.cn/send?key=hunter2")];
    let error = load("", &bad).expect_err("refused");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
}

#[test]
fn the_policy_is_made_of_the_settings() {
    let standard = Settings::default();
    assert_eq!(standard.policy(), Policy::standard(standard.zone()));

    let text = "[booking]\nhold_seconds = 30\nhorizon_days = 7\nrelease_time = '08:15'\ncancel_before_minutes = 90\n\
                max_bookings_per_patient_per_day = 1\nmax_active_per_user = 4\nno_show_limit = 2\n\
                no_show_window_days = 60\nno_show_ban_days = 14";
    let policy = load(text, &[]).expect("accepted").policy();
    assert_eq!(policy.hold.as_secs(), 30);
    assert_eq!(policy.horizon_days, 7);
    assert_eq!(policy.release_time.to_string(), "08:15");
    assert_eq!(policy.cancel_before.as_secs(), 90 * 60);
    assert_eq!(policy.visits_per_patient_per_day, DailyVisits::One);
    assert_eq!(policy.max_active_per_user, 4);
    let no_show = policy.no_show;
    assert_eq!((no_show.limit, no_show.window_days, no_show.ban_days), (2, 60, 14));
}

#[test]
fn a_base_url_has_no_slash_at_its_end() {
    let text = "[server]\npublic_url = 'https://book.example.cn/'";
    let settings = load(text, &[]).expect("accepted");
    let url = settings.server.public_url.expect("given");
    assert_eq!(url.as_str(), "https://book.example.cn");
}

/// Seen to fail when the variable was laid over the file like any other, and when `Debug` showed the secret.
#[test]
fn the_secrets_of_aliyun_come_from_the_environment_and_do_not_show() {
    let variables = [("PATI_OSS__ACCESS_KEY_SECRET", "hunter2"), ("PATI_SMS__ACCESS_KEY_SECRET", "hunter22")];
    let settings = load("", &variables).expect("accepted");
    assert_eq!(settings.sms.access_key_secret.as_ref().map(|secret| secret.as_str()), Some("hunter22"));
    assert_eq!(settings.oss.access_key_secret.as_ref().map(|secret| secret.as_str()), Some("hunter2"));
    assert!(!format!("{settings:?}").contains("hunter2"));
    let settings = load("", &[("PATI_OSS__ACCESS_KEY_SECRET", "")]).expect("accepted");
    assert_eq!(settings.oss.access_key_secret, None);
}
