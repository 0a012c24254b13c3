//! The headers that tell a browser what it must not do with a reply. Every reply carries them.

use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// The pages that browse the description of the API lie below it.
const DOCS: &str = "/docs/";

/// The list to print, below whichever prefix.
const PRINT: &str = "/manager_service/bookings/print";

/// How the list to print looks: what its policy lets through, and nothing else.
pub(super) const PRINT_STYLE: &str = "body{font-family:sans-serif;margin:1cm}h1{font-size:16pt}h2{font-size:13pt}\
    table{border-collapse:collapse;width:100%}\
    th,td{border:1px solid #666;padding:2px 6px;text-align:left;font-size:10pt}\
    section{break-inside:avoid}";

/// That one style by its hash: no script, and nothing is loaded.
const PRINTED: &str = "default-src 'none'; style-src 'sha256-SbR+FuxaK6LzK/YZ2xxBFbS5Bv0x6YOZfLQ17XH8kLQ='; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// JSON and pictures are data: nothing in them is run, loaded or framed.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// What those pages need: their own scripts, styles that they also set from scripts, pictures that stand in those
/// styles, and this API.
const OWN_PAGES: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A year, for this host alone: what else the clinic's domain serves is not known here.
const A_YEAR_OF_HTTPS: &str = "max-age=31536000";

/// How the server is reached from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Perhaps without TLS.
    Any,
    /// Only by HTTPS: `server.public_url` says so, or the server speaks TLS itself.
    Https,
}

/// What a browser may load for a reply to a request for a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct ContentPolicy(&'static str);

impl ContentPolicy {
    /// The policy for a path.
    pub(super) fn of(path: &str) -> Self {
        if path.starts_with(DOCS) {
            Self(OWN_PAGES)
        } else if path.ends_with(PRINT) {
            Self(PRINTED)
        } else {
            Self(NOTHING)
        }
    }
}

/// Puts the headers on a reply.
pub(super) fn protect(headers: &mut HeaderMap, policy: ContentPolicy, transport: Transport) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy.0));
    if transport == Transport::Https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(A_YEAR_OF_HTTPS));
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn the_policy_of_the_printed_list_names_its_style() {
        let hash = STANDARD.encode(digest(&SHA256, PRINT_STYLE.as_bytes()));
        assert!(PRINTED.contains(&format!("style-src 'sha256-{hash}';")), "{hash}");
        for path in [
            "/pati_service/manager_service/bookings/print",
            "/api/pati_service/manager_service/bookings/print",
        ] {
            assert_eq!(ContentPolicy::of(path).0, PRINTED);
        }
        assert_eq!(ContentPolicy::of("/pati_service/manager_service/bookings/csv").0, NOTHING);
    }
}
