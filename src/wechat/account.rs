//! What a clinic enters about its service account.

use reqwest::Url;
use thiserror::Error;

/// Not what WeChat gives out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not what WeChat gives out")]
pub struct BadAccount;

/// The longest address of a domain, in bytes.
const MAX_DOMAIN_BYTES: usize = 256;

/// Reads an appid: `wx`, then letters and digits.
///
/// # Errors
/// For anything else.
pub fn parse_app_id(text: &str) -> Result<String, BadAccount> {
    let rest = text.strip_prefix("wx").ok_or(BadAccount)?;
    let fits = (8..=30).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits { Ok(text.to_owned()) } else { Err(BadAccount) }
}

/// Reads an AppSecret: letters and digits.
///
/// # Errors
/// For anything else.
pub fn parse_app_secret(text: &str) -> Result<String, BadAccount> {
    let fits = (16..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if fits { Ok(text.to_owned()) } else { Err(BadAccount) }
}

/// The host of the account's domain (网页授权域名, JS接口安全域名). WeChat knows domains without scheme and port, so what
/// is entered with them is read without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainHost(String);

impl DomainHost {
    /// Reads `book.example.cn` or an address such as `https://book.example.cn/h5`.
    ///
    /// # Errors
    /// When there is no host in it.
    pub fn parse(text: &str) -> Result<Self, BadAccount> {
        if text.len() > MAX_DOMAIN_BYTES {
            return Err(BadAccount);
        }
        let address = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        host_of(&address).map(Self).ok_or(BadAccount)
    }

    /// Whether a page lies there.
    pub fn has_page(&self, url: &str) -> bool {
        host_of(url).is_some_and(|host| host == self.0)
    }
}

/// The host of a web address that a browser would show so: parsers drop line breaks and blanks, which therefore must not
/// be there.
fn host_of(address: &str) -> Option<String> {
    if address.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let url = Url::parse(address).ok()?;
    let is_web =
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    is_web.then(|| url.host_str().map(str::to_owned)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen to fail when hosts were compared by their end, and when the user of an address was passed over.
    #[test]
    fn a_page_is_the_clinics_by_its_host() {
        for entered in ["book.example.cn", "https://book.example.cn", "http://BOOK.example.cn:8080/h5/"] {
            let domain = DomainHost::parse(entered).expect("a domain");
            for page in
                ["https://book.example.cn", "http://book.example.cn:81/a?b=c", "https://book.example.cn/你"]
            {
                assert!(domain.has_page(page), "{page} {entered}");
            }
            for page in [
                "https://example.cn/",
                "https://xbook.example.cn/",
                "https://book.example.cn.evil.test/",
                "https://book.example.cn@evil.test/",
                "https://evil.test@book.example.cn/",
                "https://evil.test/book.example.cn",
                "https://book.exa\nmple.cn/",
                "https://book.example.cn/a b",
                "ftp://book.example.cn/",
                "javascript://book.example.cn/%0aalert(1)",
                "//book.example.cn/",
                "book.example.cn",
                "",
            ] {
                assert!(!domain.has_page(page), "{page} {entered}");
            }
        }
        for wrong in ["", "https://", "a b", "http://:80", "ftp://a.cn", "a:b@c.cn", &"a".repeat(300)] {
            assert!(DomainHost::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn appids_and_secrets_are_letters_and_digits() {
        assert!(parse_app_id("wx0123456789abcdef").is_ok());
        assert!(parse_app_secret(&"0a".repeat(16)).is_ok());
        for wrong in ["", "wx", "WX0123456789abcdef", "wx0123456789abcde&", "123", &"wx0".repeat(40)] {
            assert!(parse_app_id(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "****abcd", "short", &"a".repeat(65), "0123456789abcdef&grant_type=x"] {
            assert!(parse_app_secret(wrong).is_err(), "{wrong}");
        }
    }
}
