//! The parameters of a request: GET from the query string, POST from a JSON object.
//!
//! The rules that hold for every endpoint live here: strings are trimmed; `""` is absent, and so is the text `null`
//! in a query (front ends send it) and a JSON `null`; what nobody asks for is ignored; of a repeated name the last
//! counts; ids and numbers may be JSON numbers or strings, booleans also `0` and `1`. Arrays keep their elements
//! ([`Params::list`]), objects their members ([`Params::object`]); what lies deeper is passed over.
//!
//! A request is read once, into one buffer; getters hand out slices of it, and the parser of a domain type turns a
//! slice into a value.

use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::{Range, RangeInclusive};
use std::pin::{Pin, pin};
use std::time::Duration;

use actix_web::body::{BodyStream, MessageBody};
use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::rt::time::timeout;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest, dev};

use domain::Fen;

use super::error::{ApiError, ErrorCode};

mod depth;
mod json;
mod list;
#[cfg(test)]
mod tests;

/// The largest body that is read, in bytes. No request of the contract comes near it.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// The greatest number of parameters in a request, named ones and unknown ones.
pub const MAX_PARAMETERS: usize = 256;

/// Within which time the body of a request has to arrive, once its head has. The application is given it as
/// `app_data`; without it, it is 15 seconds.
#[derive(Clone, Copy, Debug)]
pub struct BodyWithin(pub Duration);

impl BodyWithin {
    fn of(request: &HttpRequest) -> Self {
        request.app_data::<Self>().copied().unwrap_or(Self(Duration::from_secs(15)))
    }
}

pub use list::Element;

/// What the patient reads when the request as a whole cannot be understood.
const REQUEST_LABEL: &str = "请求内容";

/// The parameters of one request.
#[derive(Default)]
pub struct Params {
    /// Names and values one after the other, decoded and trimmed.
    text: String,
    entries: Vec<Entry>,
    /// What lies in the arrays among the entries.
    lists: list::Lists,
}

struct Entry {
    name: Range<usize>,
    value: Range<usize>,
    kind: Kind,
}

/// What a value was on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Absent,
    Text,
    Integer,
    /// A JSON number with a fraction or an exponent, or one beyond 64 bits.
    Fraction,
    Boolean,
    /// An array, which lies at this place among the lists.
    List(list::Place),
    /// An object, which lies at this place among the lists as their only element.
    Object(list::Place),
    /// An object or array deeper inside, or one with more in it than is read.
    Nested,
}

/// A parameter that is there.
#[derive(Clone, Copy)]
pub struct Param<'a> {
    label: &'static str,
    text: &'a str,
    kind: Kind,
}

impl Params {
    /// Reads a query string, the part after the `?`.
    ///
    /// # Errors
    /// 0001 when a decoded name or value is not UTF-8, and for more than [`MAX_PARAMETERS`].
    pub fn from_query(query: &str) -> Result<Self, ApiError> {
        let mut params = Self::with_room_for(query.len());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            if params.entries.len() == MAX_PARAMETERS {
                return Err(ApiError::malformed(REQUEST_LABEL));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = params.push_decoded(name)?;
            let value = params.push_decoded(value)?;
            let kind = match &params.text[value.clone()] {
                "" | "null" => Kind::Absent,
                _ => Kind::Text,
            };
            params.entries.push(Entry { name, value, kind });
        }
        Ok(params)
    }

    /// Reads the JSON object of a body; an empty body stands for `{}`.
    ///
    /// # Errors
    /// 0001 when the body is not JSON or not an object, has more than [`MAX_PARAMETERS`] members, or is nested deeper
    /// than 32 levels.
    pub fn from_json(body: &[u8]) -> Result<Self, ApiError> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let mut params = Self::with_room_for(body.len());
        json::read_object(body, &mut params).map_err(|_| ApiError::malformed(REQUEST_LABEL))?;
        Ok(params)
    }

    /// A parameter that must be there. `label` is its name as the patient reads it.
    ///
    /// # Errors
    /// 0001 when it is absent.
    pub fn required(&self, name: &str, label: &'static str) -> Result<Param<'_>, ApiError> {
        self.optional(name, label).ok_or_else(|| ApiError::missing(label))
    }

    /// A parameter that may be absent. `label` is its name as the patient reads it.
    pub fn optional(&self, name: &str, label: &'static str) -> Option<Param<'_>> {
        self.find(&self.entries, name, label)
    }

    /// The last of these entries with this name, if it has a value.
    fn find(&self, entries: &[Entry], name: &str, label: &'static str) -> Option<Param<'_>> {
        let named = |entry: &&Entry| &self.text[entry.name.clone()] == name;
        let entry = entries.iter().rfind(named)?;
        if entry.kind == Kind::Absent {
            return None;
        }
        Some(Param { label, text: &self.text[entry.value.clone()], kind: entry.kind })
    }

    fn with_room_for(wire_bytes: usize) -> Self {
        Self {
            text: String::with_capacity(wire_bytes),
            entries: Vec::with_capacity(8),
            lists: list::Lists::default(),
        }
    }

    /// Appends and tells where it lies, trimmed.
    fn push(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text.trim());
        start..self.text.len()
    }

    /// As [`Params::push`], for a piece of a query: `+` is a space, `%E4` a byte; a stray `%` stands for itself.
    fn push_decoded(&mut self, piece: &str) -> Result<Range<usize>, ApiError> {
        if !piece.contains(['%', '+']) {
            return Ok(self.push(piece));
        }
        let mut decoded = Vec::with_capacity(piece.len());
        let mut rest = piece.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            let escaped = match (byte, after) {
                (b'%', [high, low, ..]) => hex_pair(*high, *low),
                _ => None,
            };
            match (byte, escaped) {
                (_, Some(value)) => {
                    decoded.push(value);
                    rest = &after[2..];
                    continue;
                }
                (b'+', None) => decoded.push(b' '),
                (other, None) => decoded.push(other),
            }
            rest = after;
        }
        let text = std::str::from_utf8(&decoded).map_err(|_| ApiError::malformed(REQUEST_LABEL))?;
        Ok(self.push(text))
    }
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

/// Values may be phones, names and passwords.
impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.entries.iter().map(|entry| &self.text[entry.name.clone()]);
        f.debug_set().entries(names).finish()
    }
}

impl<'a> Param<'a> {
    /// A parameter out of the path of the request, decoded by actix.
    ///
    /// # Errors
    /// 0001 when it is empty.
    pub fn from_path(request: &'a HttpRequest, name: &str, label: &'static str) -> Result<Self, ApiError> {
        let text = request.match_info().get(name).unwrap_or_default().trim();
        if text.is_empty() {
            return Err(ApiError::missing(label));
        }
        Ok(Self { label, text, kind: Kind::Text })
    }

    /// The text, never empty; an integer counts as its digits.
    ///
    /// # Errors
    /// 0001 for a boolean, a fraction, an object or an array.
    pub fn text(self) -> Result<&'a str, ApiError> {
        match self.kind {
            Kind::Text | Kind::Integer => Ok(self.text),
            Kind::Absent
            | Kind::Fraction
            | Kind::Boolean
            | Kind::List(_)
            | Kind::Object(_)
            | Kind::Nested => Err(self.malformed()),
        }
    }

    /// The text as a domain type, by that type's own parser: `param.parse(Phone::parse)`.
    ///
    /// # Errors
    /// 0001 when the parser refuses it; the parser's reason stays inside.
    pub fn parse<T, E>(self, parse: impl FnOnce(&'a str) -> Result<T, E>) -> Result<T, ApiError> {
        parse(self.text()?).map_err(|_| self.malformed())
    }

    /// An integer within `range`.
    ///
    /// # Errors
    /// 0001 when it is none or lies outside.
    pub fn integer(self, range: RangeInclusive<i64>) -> Result<i64, ApiError> {
        let number = self.parse(str::parse::<i64>)?;
        if range.contains(&number) { Ok(number) } else { Err(self.malformed()) }
    }

    /// `true`, `false`, `1` or `0`, also as text.
    ///
    /// # Errors
    /// 0001 for anything else.
    pub fn boolean(self) -> Result<bool, ApiError> {
        match (self.kind, self.text) {
            (Kind::Fraction | Kind::List(_) | Kind::Object(_) | Kind::Nested | Kind::Absent, _) => {
                Err(self.malformed())
            }
            (Kind::Text | Kind::Integer | Kind::Boolean, "true" | "1") => Ok(true),
            (Kind::Text | Kind::Integer | Kind::Boolean, "false" | "0") => Ok(false),
            (Kind::Text | Kind::Integer | Kind::Boolean, _) => Err(self.malformed()),
        }
    }

    /// An amount in yuan, as a number or a text with at most two decimals.
    ///
    /// # Errors
    /// 0001 for a third decimal, a negative amount or more than [`Fen::MAX`].
    pub fn yuan(self) -> Result<Fen, ApiError> {
        match self.kind {
            // A number is written again as the shortest text that stands for it, so that none loses a decimal.
            Kind::Text | Kind::Integer | Kind::Fraction => {
                Fen::parse_yuan(self.text).map_err(|_| self.malformed())
            }
            Kind::Absent | Kind::Boolean | Kind::List(_) | Kind::Object(_) | Kind::Nested => {
                Err(self.malformed())
            }
        }
    }

    /// The refusal of this parameter, for a rule that the handler knows.
    pub fn malformed(self) -> ApiError {
        ApiError::malformed(self.label)
    }
}

impl fmt::Debug for Param<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Param").field(&self.label).finish()
    }
}

impl FromRequest for Params {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        if *request.method() != Method::POST {
            let params = Self::from_query(request.query_string());
            return Box::pin(std::future::ready(params));
        }
        let is_json = declares_json(request);
        let BodyWithin(limit) = BodyWithin::of(request);
        let payload = payload.take();
        Box::pin(async move {
            let body = timeout(limit, read_body(payload)).await.map_err(|_| ErrorCode::BodyTooSlow)??;
            // Front ends label even an empty body as a form.
            if !is_json && !body.trim_ascii().is_empty() {
                return Err(ErrorCode::WrongMediaType.into());
            }
            Self::from_json(&body)
        })
    }
}

/// The whole body of a request as it came, for what is no JSON.
///
/// # Errors
/// 0413 and 0408 as for every body.
pub(super) async fn raw_body(request: &HttpRequest, payload: dev::Payload) -> Result<Bytes, ApiError> {
    let BodyWithin(limit) = BodyWithin::of(request);
    timeout(limit, read_body(payload)).await.map_err(|_| ErrorCode::BodyTooSlow)?
}

/// Whether the body may be JSON by its content type: `application/json` with any parameters, or none at all.
fn declares_json(request: &HttpRequest) -> bool {
    let Some(value) = request.headers().get(CONTENT_TYPE) else {
        return true;
    };
    let essence = value.as_bytes().split(|&byte| byte == b';').next();
    let essence = essence.unwrap_or_default().trim_ascii();
    essence.is_empty() || essence.eq_ignore_ascii_case(b"application/json")
}

/// The whole body; most arrive in one piece and are not copied.
async fn read_body(payload: dev::Payload) -> Result<Bytes, ApiError> {
    let mut stream = pin!(BodyStream::new(payload));
    let mut pieces = Pieces::None;
    while let Some(piece) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
        // The connection broke or its framing is wrong; nobody may be left to read the answer.
        let piece = piece.map_err(|_| ApiError::malformed(REQUEST_LABEL))?;
        pieces = pieces.with(piece);
        if pieces.len() > MAX_BODY_BYTES {
            return Err(ErrorCode::BodyTooLarge.into());
        }
    }
    Ok(pieces.into_bytes())
}

enum Pieces {
    None,
    One(Bytes),
    Many(BytesMut),
}

impl Pieces {
    fn with(self, piece: Bytes) -> Self {
        match self {
            Self::None => Self::One(piece),
            Self::One(first) => {
                let mut all = BytesMut::with_capacity(first.len() + piece.len());
                all.extend_from_slice(&first);
                all.extend_from_slice(&piece);
                Self::Many(all)
            }
            Self::Many(mut all) => {
                all.extend_from_slice(&piece);
                Self::Many(all)
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(piece) => piece.len(),
            Self::Many(all) => all.len(),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::One(piece) => piece,
            Self::Many(all) => all.freeze(),
        }
    }
}
