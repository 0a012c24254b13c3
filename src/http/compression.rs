//! Replies in gzip, for clients that accept it, where there is something to gain.

use std::io::{self, Write};

use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, VARY,
};
use actix_web::web::{self, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Smaller replies fit into one packet anyhow.
const MIN_BYTES: u64 = 1024;

/// Larger ones would hold up the other requests of the thread.
const MAX_BYTES_IN_PLACE: usize = 64 * 1024;

/// Whether a client takes gzip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gzip {
    /// It said so.
    Accepted,
    /// It did not.
    Unasked,
}

impl Gzip {
    /// What the headers of a request say.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut by_name = None;
        let mut by_wildcard = None;
        for value in headers.get_all(ACCEPT_ENCODING) {
            for part in value.to_str().unwrap_or_default().split(',') {
                let (name, weight) = part.split_once(';').unwrap_or((part, ""));
                match name.trim() {
                    "*" => by_wildcard = Some(is_wanted(weight)),
                    name if name.eq_ignore_ascii_case("gzip") => by_name = Some(is_wanted(weight)),
                    _ => {}
                }
            }
        }
        if by_name.or(by_wildcard).unwrap_or(false) { Self::Accepted } else { Self::Unasked }
    }
}

/// `q=0` means: anything but this.
fn is_wanted(weight: &str) -> bool {
    let weight = weight.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.trim_start().strip_prefix('='));
    weight.is_none_or(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight > 0.0))
}

/// A reply at the edge.
pub(super) type Reply<B> = ServiceResponse<EitherBody<B, BoxBody>>;

/// Compresses a reply where that is accepted and worthwhile.
pub(super) async fn compress<B: MessageBody + 'static>(mut reply: Reply<B>, gzip: Gzip) -> Reply<B> {
    if !is_worthwhile(&reply) {
        return reply;
    }
    reply.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
    if gzip == Gzip::Unasked {
        return reply;
    }
    let (request, response) = reply.into_parts();
    let (mut response, body) = response.into_parts();
    let body = match body.try_into_bytes() {
        Ok(plain) => match zipped(&plain).await {
            Ok(zipped) => {
                response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                EitherBody::right(BoxBody::new(zipped))
            }
            // Memory for it could not be had; the plain bytes are there.
            Err(_) => EitherBody::right(BoxBody::new(plain)),
        },
        Err(stream) => stream,
    };
    ServiceResponse::new(request, response.set_body(body))
}

/// Text of some length; pictures are compressed already.
fn is_worthwhile<B: MessageBody>(reply: &ServiceResponse<B>) -> bool {
    let BodySize::Sized(bytes) = reply.response().body().size() else { return false };
    if bytes < MIN_BYTES || reply.headers().contains_key(CONTENT_ENCODING) {
        return false;
    }
    let kind = reply.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    [&b"application/json"[..], b"text/", b"application/javascript"].iter().any(|text| kind.starts_with(text))
}

async fn zipped(plain: &Bytes) -> io::Result<Vec<u8>> {
    if plain.len() <= MAX_BYTES_IN_PLACE {
        return gzip(plain);
    }
    let plain = plain.clone();
    web::block(move || gzip(&plain)).await.map_err(io::Error::other)?
}

fn gzip(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    encoder.write_all(plain)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use actix_web::body::{BodyStream, to_bytes};
    use actix_web::{HttpResponse, test as serving};

    use super::*;

    /// What becomes of the encoding and the length of 4 KiB of this type.
    async fn sent(content_type: &str, encoding: Option<&str>) -> (Option<String>, usize) {
        let mut response = HttpResponse::Ok();
        response.content_type(content_type);
        if let Some(encoding) = encoding {
            response.insert_header((CONTENT_ENCODING, encoding));
        }
        let reply = serving::TestRequest::default().to_srv_response(response.body(vec![b'a'; 4096]));
        let reply = compress(reply.map_into_left_body::<BoxBody>(), Gzip::Accepted).await;
        let encoding =
            reply.headers().get(CONTENT_ENCODING).map(|value| value.to_str().expect("a name").to_owned());
        let Ok(body) = to_bytes(reply.into_body()).await else { panic!("bytes in memory") };
        (encoding, body.len())
    }

    /// Seen to fail when pictures were compressed, and when what is compressed already was.
    #[actix_web::test]
    async fn only_texts_are_compressed_and_only_once() {
        for text in ["application/json", "text/html; charset=utf-8", "application/javascript"] {
            let (encoding, length) = sent(text, None).await;
            assert_eq!(encoding.as_deref(), Some("gzip"), "{text}");
            assert!(length < 100, "{text}: {length}");
        }
        for picture in ["image/png", "image/jpeg", "application/octet-stream"] {
            assert_eq!(sent(picture, None).await, (None, 4096), "{picture}");
        }
        assert_eq!(sent("application/json", Some("br")).await, (Some("br".to_owned()), 4096));
    }

    /// Seen to fail when the length of a stream was not looked at.
    #[actix_web::test]
    async fn a_stream_passes_as_it_is() {
        let piece = Ok::<_, io::Error>(Bytes::from_static(&[b'a'; 4096]));
        let stream = BodyStream::new(futures_util::stream::iter([piece]));
        let response =
            HttpResponse::Ok().content_type("application/json").message_body(stream).expect("a response");
        let reply = serving::TestRequest::default().to_srv_response(response).map_into_left_body::<BoxBody>();
        let reply = compress(reply, Gzip::Accepted).await;
        assert!(reply.headers().get(CONTENT_ENCODING).is_none());
        assert!(reply.headers().get(VARY).is_none());
        let Ok(body) = to_bytes(reply.into_body()).await else { panic!("bytes in memory") };
        assert_eq!(body.len(), 4096);
    }

    /// Seen to fail when `q=0` was not looked at, and when `*` outranked the name.
    #[test]
    fn gzip_is_used_where_it_is_accepted() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            Gzip::of(&headers)
        };
        for accepted in
            ["gzip", "deflate, GZIP;q=0.5, br", "*", "br;q=1.0, *;q=0.1", "gzip ; q = 1", "*;q=0, gzip"]
        {
            assert_eq!(of(&[accepted]), Gzip::Accepted, "{accepted}");
        }
        assert_eq!(of(&["br", "gzip"]), Gzip::Accepted);
        for other in ["", "br", "identity", "gzip;q=0", "gzip;q=0.000, *", "*;q=0", "gzip;q=x", "xgzip"] {
            assert_eq!(of(&[other]), Gzip::Unasked, "{other}");
        }
        assert_eq!(of(&[]), Gzip::Unasked);
    }
}
