//! The signature on Aliyun's own example, and what an answer comes to. Against a service that verifies for itself it is
//! tested in `tests/sms_aliyun.rs`.

use super::*;

/// `vectors.json`, `acs3_hashed_canonical` and `acs3_signature`: the example of Aliyun's documentation of version 3. Seen
/// to fail when the query was not sorted.
#[test]
fn a_call_is_signed_as_the_documentation_does() {
    let call = Call {
        host: "ecs.cn-shanghai.aliyuncs.com",
        action: "RunInstances",
        version: "2014-05-26",
        date: "2023-10-26T10:22:32Z",
        nonce: "3156853299f313e23d1673dc12e1703d",
        query: &[
            ("RegionId", "cn-shanghai"),
            ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"),
        ],
    };
    let canonical = "POST\n/\nImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai\n\
        host:ecs.cn-shanghai.aliyuncs.com\nx-acs-action:RunInstances\n\
        x-acs-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
        x-acs-date:2023-10-26T10:22:32Z\nx-acs-signature-nonce:3156853299f313e23d1673dc12e1703d\n\
        x-acs-version:2014-05-26\n\n\
        host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version\n\
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(call.canonical(), canonical);
    let hashed = "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259";
    assert_eq!(sha256_hex(canonical.as_bytes()), hashed);
    let signature = "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0";
    assert_eq!(call.signature("YourAccessKeySecret"), signature);
    assert_eq!(
        call.authorization("YourAccessKeyId", "YourAccessKeySecret"),
        format!(
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;\
             x-acs-date;x-acs-signature-nonce;x-acs-version,Signature={signature}"
        )
    );
}

#[test]
fn values_are_encoded_by_rfc_3986() {
    assert_eq!(encoded("a-Z_0.~ *+/{\"阿"), "a-Z_0.~%20%2A%2B%2F%7B%22%E9%98%BF");
}

#[test]
fn the_longest_window_that_a_message_can_mean_is_waited_for() {
    for (message, seconds) in [
        ("触发分钟级流控Permits:1", 60),
        ("触发小时级流控Permits:5", 3_600),
        ("触发天级流控Permits:10", 86_400),
        ("", 60),
    ] {
        assert_eq!(wait(message).as_secs(), seconds, "{message}");
    }
}

#[test]
fn the_account_does_not_show() {
    let account = Account {
        endpoint: "https://dysmsapi.aliyuncs.com".to_owned(),
        access_key_id: "id".to_owned(),
        access_key_secret: "hunter2".to_owned(),
        sign_name: "春和诊所".to_owned(),
        templates: TemplateCodes::default(),
    };
    assert!(!format!("{account:?}").contains("hunter2"));
    let clock = Arc::new(actors::SystemClock);
    let aliyun = Aliyun::new(account, clock, Duration::from_secs(1)).expect("a client");
    assert_eq!(format!("{aliyun:?}"), "Aliyun");
}
