//! A certificate as the real ones are: version 3, with extensions, its serial number the one of WeChat's examples.

use super::super::{SigningError, WechatKey, WechatKeys, from_pem};
use super::key;

const SERIAL: &str = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1";

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIID5zCCAs+gAwIBAgIUUVfwnv3Alt4V6+gaRwV6cjLxuOEwDQYJKoZIhvcNAQEL
BQAwgYIxCzAJBgNVBAYTAkNOMRIwEAYDVQQIDAlHdWFuZ2RvbmcxETAPBgNVBAcM
CFNoZW56aGVuMRMwEQYDVQQKDApUZW5wYXkuY29tMR0wGwYDVQQLDBRUZW5wYXku
Y29tIENBIENlbnRlcjEYMBYGA1UEAwwPVGVucGF5LmNvbSBzaWduMB4XDTI2MTEy
NDE2NDMyMFoXDTMxMTEyMzE2NDMyMFowgYIxCzAJBgNVBAYTAkNOMRIwEAYDVQQI
DAlHdWFuZ2RvbmcxETAPBgNVBAcMCFNoZW56aGVuMRMwEQYDVQQKDApUZW5wYXku
Y29tMR0wGwYDVQQLDBRUZW5wYXkuY29tIENBIENlbnRlcjEYMBYGA1UEAwwPVGVu
cGF5LmNvbSBzaWduMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuitq
emXj1cc36TSEQuWjjd41d/1sF4TV8RaD6GYVSR18Lq31SwUneY9GSiBOGSPFX4g9
1MDvAbxcei+Ux9tKwiziwuCk3qxB9X2U33OHfoQUwMyqMPieFzvcvUldr1w0x2VI
DtSKkWwBU40Tzm/mpZSLpU1jkl215oE0wnh+HC/fFkVeoy0uanqMoTCG0ajj2BrZ
0HFwe5DeP8D1PnOI9hwbnapDpWDG1S6+ybL/FN4Kjf+9qoN6o1XGiqC1fja5IrCn
ROVXBxB9P8eot3clLRXfVXRwPaTNvtmOuEuACk+93S2BCLBjNbUzbtmuhzHQxQeA
a0V4Kmm819w5ocEDAQIDAQABo1MwUTAdBgNVHQ4EFgQU4nIMQtXsk4e38JznqfRb
mIF+8tEwHwYDVR0jBBgwFoAU4nIMQtXsk4e38JznqfRbmIF+8tEwDwYDVR0TAQH/
BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOCAQEAP3SyY5Vq2TdiDQgJtahVj0VEN4Ry
F7GUCZRHmu3SlQQhiOrzkNGDqeHnT+fZ6KejmORIkRLoW2AQa6NDr04QXHlB+vp3
MEXTJXsaEPOFdbl8HdnLWZ6xoNq1svSBSapSdcZ0OvplYAqWW5wDRsnwwpkitDZz
RHhn7/8mcwlEPr41JlIfvzpzMig3UyO9DKcJXyKdIMMUfsE2FNkFRswGZYdxUy1L
e4bH64ZG5pY/4mdavZvJc2EaJIxWi4OAS1SgQPsA5yKJ6+NkFeuoVLKAE/Ei3e09
6sJEuqO/xODNeoI6hlRZHt7DWJZ07J+6znhVrvFUaNNOVAvHv2G8tA7ZRA==
-----END CERTIFICATE-----
";

/// What OpenSSL reads of it.
const KEY: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuitqemXj1cc36TSEQuWj
jd41d/1sF4TV8RaD6GYVSR18Lq31SwUneY9GSiBOGSPFX4g91MDvAbxcei+Ux9tK
wiziwuCk3qxB9X2U33OHfoQUwMyqMPieFzvcvUldr1w0x2VIDtSKkWwBU40Tzm/m
pZSLpU1jkl215oE0wnh+HC/fFkVeoy0uanqMoTCG0ajj2BrZ0HFwe5DeP8D1PnOI
9hwbnapDpWDG1S6+ybL/FN4Kjf+9qoN6o1XGiqC1fja5IrCnROVXBxB9P8eot3cl
LRXfVXRwPaTNvtmOuEuACk+93S2BCLBjNbUzbtmuhzHQxQeAa0V4Kmm819w5ocED
AQIDAQAB
-----END PUBLIC KEY-----
";

/// Seen to catch: a version that was taken for the serial number.
#[test]
fn the_key_is_the_one_that_openssl_reads() {
    let certificate = from_pem(CERTIFICATE, "CERTIFICATE").expect("PEM");
    let expected = from_pem(KEY, "PUBLIC KEY").expect("PEM");
    assert_eq!(key(&certificate), Some((SERIAL.to_owned(), expected.as_slice())));
    for length in 0..certificate.len() {
        assert_eq!(key(&certificate[..length]), None, "{length} bytes of it");
    }
    let longer = [certificate.as_slice(), &[0]].concat();
    assert_eq!(key(&longer), None);
}

#[test]
fn a_certificate_goes_by_its_own_serial_number() {
    let read =
        |serial: &str, pem: &str| WechatKey::of_certificate(serial, pem).map(|key| key.id().to_owned());
    assert_eq!(read(SERIAL, CERTIFICATE), Ok(SERIAL.to_owned()));
    let other = SERIAL.replace("51", "52");
    for (serial, pem) in [
        (other.as_str(), CERTIFICATE),
        (SERIAL, KEY),
        ("", ""),
        (SERIAL, "-----BEGIN CERTIFICATE-----AA==-----END CERTIFICATE-----"),
    ] {
        assert_eq!(read(serial, pem), Err(SigningError::Certificate), "{serial}");
    }
    assert!(WechatKeys::Certificates(Vec::new()).announced().is_none());
}
