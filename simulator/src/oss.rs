//! Aliyun's object store (OSS): uploads by form (PostObject) with a signature of version 1, and the objects afterwards.
//!
//! Source: <https://help.aliyun.com/zh/oss/developer-reference/postobject>. In which order the real one looks at a form is
//! not known. Nor is whether a condition on the content type is met by the type of the file alone; here it is not, so that a
//! page which passes here passes there.

use std::collections::BTreeMap;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use crate::http::{Call, Reply, escape};
use crate::world::World;

const FIELD_NAME_MOST: usize = 8 * 1024;
const FIELD_VALUE_MOST: usize = 2 * 1024 * 1024;
const BEFORE_FILE_MOST: usize = 8 * 1024 * 1024;
/// What an object may have at most here; the real one takes 5 GB.
const OBJECT_MOST: usize = 5 * 1024 * 1024 * 1024;

/// A bucket and the key of who may write into it. It is reached at its name before the simulator's host, as in
/// `http://clinic-avatar.localhost:8080/`.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// The id of the access key.
    pub access_key_id: String,
    /// The access key itself.
    pub access_key_secret: String,
}

impl Bucket {
    /// The one of the vectors.
    #[must_use]
    pub fn simulated() -> Self {
        Self {
            name: "clinic-avatar".to_owned(),
            access_key_id: "testAccessKeyId".to_owned(),
            access_key_secret: "testAccessKeySecret".to_owned(),
        }
    }
}

/// An object that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// In which bucket.
    pub bucket: String,
    /// Under which key.
    pub key: String,
    /// Its type.
    pub content_type: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// Buckets with their objects.
#[derive(Debug, Default)]
pub(crate) struct OssState {
    pub(crate) buckets: Vec<Bucket>,
    pub(crate) objects: BTreeMap<(String, String), Object>,
}

impl OssState {
    /// The bucket that a host names.
    pub(crate) fn bucket_of(&self, host: &str) -> Option<&Bucket> {
        let (name, _) = host.split_once('.')?;
        self.buckets.iter().find(|bucket| bucket.name == name)
    }
}

/// A refusal: HTTP status, code, message, EC, and further elements.
struct Failure {
    status: u16,
    code: &'static str,
    message: String,
    ec: &'static str,
    more: String,
}

fn failure(status: u16, code: &'static str, message: &str, ec: &'static str) -> Failure {
    Failure { status, code, message: message.to_owned(), ec, more: String::new() }
}

fn bad_policy(message: &str, ec: &'static str) -> Failure {
    failure(400, "InvalidPolicyDocument", &format!("Invalid Policy: {message}"), ec)
}

fn malformed() -> Failure {
    let message = "The body of your POST request is not well-formed multipart/form-data.";
    failure(400, "MalformedPOSTRequest", message, "0006-00000201")
}

/// A form whose file has come.
struct Form {
    /// Names in lower case: they are compared so.
    fields: BTreeMap<String, String>,
    file: Vec<u8>,
    file_type: Option<String>,
}

impl World {
    /// `POST /` of a bucket stores an object, `GET /{key}` shows it.
    pub(crate) fn oss(&mut self, call: &Call) -> Reply {
        let id = self.chance.hex(24).to_uppercase();
        let host = call.header("host").unwrap_or_default().to_owned();
        let Some(bucket) = self.oss.bucket_of(&host).cloned() else { return Reply::empty(404) };
        let done = match call.method.as_str() {
            "POST" if call.path == "/" => self.post_object(call, &bucket, &host),
            "GET" => self.get_object(call, &bucket),
            _ => {
                Err(failure(405, "MethodNotAllowed", "The specified method is not allowed.", "0016-00000507"))
            }
        };
        let mut reply = done.unwrap_or_else(|failure| {
            let Failure { status, code, message, ec, more } = failure;
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n  <Code>{code}</Code>\n  <Message>{}</Message>\n  \
                 <RequestId>{id}</RequestId>\n  <HostId>{}</HostId>\n{more}  <EC>{ec}</EC>\n</Error>\n",
                escape(&message),
                escape(&host),
            );
            Reply { status, headers: vec![("Content-Type", "application/xml".to_owned())], body: body.into_bytes() }
        });
        reply.headers.push(("x-oss-request-id", id));
        reply
    }

    fn get_object(&self, call: &Call, bucket: &Bucket) -> Result<Reply, Failure> {
        let key = call.path.trim_start_matches('/').to_owned();
        let object = self.oss.objects.get(&(bucket.name.clone(), key));
        let object = object
            .ok_or_else(|| failure(404, "NoSuchKey", "The specified key does not exist.", "0026-00000001"))?;
        let headers = vec![("Content-Type", object.content_type.clone())];
        Ok(Reply { status: 200, headers, body: object.bytes.clone() })
    }

    fn post_object(&mut self, call: &Call, bucket: &Bucket, host: &str) -> Result<Reply, Failure> {
        let form = Form::read(call)?;
        let field = |name: &str| form.fields.get(name).map(String::as_str);
        let key = field("key").filter(|key| !key.is_empty()).ok_or_else(|| {
            failure(400, "InvalidArgument", "Bucket POST must contain a field named 'key'.", "0006-00000202")
        })?;
        let policy = signed_policy(&form, bucket)?;
        let conditions = conditions(&policy, call.now)?;
        let (least, most) = check(&conditions, &form, bucket)?;
        if form.file.len() > most {
            let message = "Your proposed upload exceeds the maximum allowed size.";
            return Err(failure(400, "EntityTooLarge", message, "0006-00000003"));
        }
        if form.file.len() < least {
            let message = "Your proposed upload is smaller than the minimum allowed size.";
            return Err(failure(400, "EntityTooSmall", message, "0006-00000003"));
        }
        let content_type =
            field("x-oss-content-type").or(form.file_type.as_deref()).or(field("content-type"));
        let object = Object {
            bucket: bucket.name.clone(),
            key: key.to_owned(),
            content_type: content_type.unwrap_or("application/octet-stream").to_owned(),
            bytes: form.file.clone(),
        };
        // The real one takes MD5. Either is only told whether the object is the same.
        let hash = digest::digest(&digest::SHA256, &object.bytes);
        let etag: String = hash.as_ref()[..16].iter().map(|byte| format!("{byte:02X}")).collect();
        let mut reply = match field("success_action_status") {
            Some("200") => Reply::empty(200),
            Some("201") => {
                let mut created = Reply::empty(201);
                created.headers.push(("Content-Type", "application/xml".to_owned()));
                created.body = format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Bucket>{}</Bucket><Location>\
                     http://{host}/{}</Location><Key>{}</Key><ETag>{etag}</ETag></PostResponse>",
                    bucket.name,
                    escape(key),
                    escape(key),
                )
                .into_bytes();
                created
            }
            _ => Reply::empty(204),
        };
        reply.headers.push(("ETag", format!("\"{etag}\"")));
        self.oss.objects.insert((bucket.name.clone(), key.to_owned()), object);
        Ok(reply)
    }
}

/// The policy as text, once its signature is right.
fn signed_policy(form: &Form, bucket: &Bucket) -> Result<Vec<u8>, Failure> {
    let field = |name: &str| form.fields.get(name).map(String::as_str);
    let (id, policy, signature) = match (field("ossaccesskeyid"), field("policy"), field("signature")) {
        (None, None, None) => {
            let message = "Anonymous access is forbidden for this operation.";
            return Err(failure(403, "AccessDenied", message, "0003-00000001"));
        }
        (Some(id), Some(policy), Some(signature)) if !signature.is_empty() => (id, policy, signature),
        (Some(_), Some(_), Some(_)) => {
            return Err(failure(400, "InvalidArgument", "The signature is blank.", "0002-00000704"));
        }
        (Some(_), Some(_), None) => {
            return Err(failure(400, "InvalidArgument", "The signature is missing.", "0002-00000703"));
        }
        _ => {
            let message = "OSSAccessKeyId, policy and Signature must be given together.";
            return Err(failure(400, "InvalidArgument", message, "0002-00000702"));
        }
    };
    if id != bucket.access_key_id {
        let message = "The OSS Access Key Id you provided does not exist in our records.";
        return Err(failure(403, "InvalidAccessKeyId", message, "0002-00000031"));
    }
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, bucket.access_key_secret.as_bytes());
    if signature != STANDARD.encode(hmac::sign(&key, policy.as_bytes())) {
        let message = "The request signature we calculated does not match the signature you provided. Check your key \
                       and signing method.";
        let bytes: Vec<_> = policy.bytes().map(|byte| format!("{byte:02X}")).collect();
        let more = format!(
            "  <OSSAccessKeyId>{}</OSSAccessKeyId>\n  <SignatureProvided>{}</SignatureProvided>\n  <StringToSign>{}\
             </StringToSign>\n  <StringToSignBytes>{}</StringToSignBytes>\n",
            escape(id),
            escape(signature),
            escape(policy),
            bytes.join(" "),
        );
        return Err(Failure { more, ..failure(403, "SignatureDoesNotMatch", message, "0002-00000705") });
    }
    STANDARD.decode(policy).map_err(|_| bad_policy("Invalid base64.", "0006-00000206"))
}

/// The conditions of a policy that has not expired.
fn conditions(policy: &[u8], now: Timestamp) -> Result<Vec<Value>, Failure> {
    let policy: Value =
        serde_json::from_slice(policy).map_err(|_| bad_policy("Invalid JSON.", "0006-00000207"))?;
    let policy = policy.as_object().ok_or_else(|| bad_policy("Invalid JSON.", "0006-00000207"))?;
    if let Some(name) = policy.keys().find(|name| !["expiration", "conditions"].contains(&name.as_str())) {
        return Err(bad_policy(&format!("Unknown part {name}."), "0006-00000208"));
    }
    let expiration = policy.get("expiration").and_then(Value::as_str);
    let expiration =
        expiration.filter(|text| text.ends_with('Z')).and_then(|text| text.parse::<Timestamp>().ok());
    let expiration = expiration.ok_or_else(|| bad_policy("Invalid 'expiration' value.", "0006-00000211"))?;
    let conditions = policy.get("conditions").and_then(Value::as_array);
    let conditions = conditions.ok_or_else(|| bad_policy("Missing 'conditions'.", "0006-00000212"))?;
    if expiration <= now {
        let message = "Invalid according to Policy: Policy expired.";
        return Err(failure(403, "AccessDenied", message, "0006-00000213"));
    }
    Ok(conditions.clone())
}

/// Whether the form meets every condition; answers how large its file may be.
fn check(conditions: &[Value], form: &Form, bucket: &Bucket) -> Result<(usize, usize), Failure> {
    let mut range = (0, OBJECT_MOST);
    for condition in conditions {
        if let Some([operator, least, most]) = condition.as_array().map(Vec::as_slice)
            && operator == "content-length-range"
        {
            let limit = |value: &Value| value.as_u64().and_then(|limit| usize::try_from(limit).ok());
            let (Some(least), Some(most)) = (limit(least), limit(most)) else {
                return Err(bad_policy("Invalid content-length-range.", "0006-00000220"));
            };
            range = (range.0.max(least), range.1.min(most));
        } else if !is_met(condition, form, bucket)? {
            // The real one puts a space after each comma of an array.
            let text = condition.as_array().map_or_else(
                || condition.to_string(),
                |parts| {
                    let parts: Vec<_> = parts.iter().map(ToString::to_string).collect();
                    format!("[{}]", parts.join(", "))
                },
            );
            let message = format!("Invalid according to Policy: Policy Condition failed: {text}");
            return Err(failure(403, "AccessDenied", &message, "0006-00000227"));
        }
    }
    Ok(range)
}

fn is_met(condition: &Value, form: &Form, bucket: &Bucket) -> Result<bool, Failure> {
    let value_of = |name: &str| {
        let name = name.to_lowercase();
        if name == "bucket" { Some(bucket.name.as_str()) } else { form.fields.get(&name).map(String::as_str) }
    };
    if let Some(object) = condition.as_object() {
        return match object.iter().next() {
            Some((name, Value::String(expected))) if object.len() == 1 => {
                Ok(value_of(name) == Some(expected))
            }
            _ => Err(bad_policy("Invalid condition.", "0006-00000216")),
        };
    }
    let parts = condition.as_array().map(Vec::as_slice);
    let Some([Value::String(operator), Value::String(name), expected]) = parts else {
        return Err(bad_policy("Invalid condition.", "0006-00000216"));
    };
    let name = name.strip_prefix('$').ok_or_else(|| bad_policy("Invalid field name.", "0006-00000217"))?;
    let value = value_of(name);
    let listed = || expected.as_array().zip(value).map(|(list, value)| list.iter().any(|one| one == value));
    match (operator.as_str(), expected) {
        ("eq", Value::String(expected)) => Ok(value == Some(expected)),
        ("starts-with", Value::String(start)) => Ok(value.is_some_and(|value| value.starts_with(start))),
        ("in", Value::Array(_)) => Ok(listed() == Some(true)),
        ("not-in", Value::Array(_)) => Ok(listed() == Some(false)),
        _ => Err(bad_policy("Invalid operator.", "0006-00000218")),
    }
}

impl Form {
    /// The parts up to the file; what comes after it is passed over, other files excepted.
    fn read(call: &Call) -> Result<Self, Failure> {
        let boundary = call.header("content-type").and_then(|kind| {
            let (kind, rest) = kind.split_once(';')?;
            let boundary = rest.trim().strip_prefix("boundary=")?.trim_matches('"');
            (kind.trim().eq_ignore_ascii_case("multipart/form-data") && !boundary.is_empty())
                .then_some(boundary)
        });
        let boundary = boundary.ok_or_else(|| {
            let message = "Bucket POST must be of the enclosure-type multipart/form-data.";
            failure(400, "RequestIsNotMultiPartContent", message, "0006-00000101")
        })?;
        let mut body = call.body.as_slice();
        let (mut fields, mut file, mut before) = (BTreeMap::new(), None, 0);
        let delimiter = format!("--{boundary}");
        body = body.strip_prefix(delimiter.as_bytes()).ok_or_else(malformed)?;
        let between = format!("\r\n{delimiter}");
        while let Some(part) = body.strip_prefix(b"\r\n") {
            let (part, rest) = split(part, between.as_bytes()).ok_or_else(malformed)?;
            let (head, content) = split(part, b"\r\n\r\n").ok_or_else(malformed)?;
            let head = String::from_utf8_lossy(head);
            let name = attribute(&head, "name").ok_or_else(malformed)?;
            if name.eq_ignore_ascii_case("file") {
                if file.is_some() {
                    let message = "POST requires exactly one file upload per request.";
                    return Err(failure(
                        400,
                        "IncorrectNumberOfFilesInPOSTRequest",
                        message,
                        "0006-00000103",
                    ));
                }
                let kind = head.lines().find_map(|line| {
                    let (name, kind) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-type").then(|| kind.trim().to_owned())
                });
                file = Some((content.to_vec(), kind));
            } else if file.is_none() {
                before += part.len();
                if name.len() > FIELD_NAME_MOST || content.len() > FIELD_VALUE_MOST {
                    return Err(failure(
                        400,
                        "FieldItemTooLong",
                        "Your field item is too long.",
                        "0006-00000104",
                    ));
                }
                if before > BEFORE_FILE_MOST {
                    let message = "Your POST request fields preceeding the upload file was too large.";
                    return Err(failure(400, "MaxPOSTPreDataLengthExceeded", message, "0006-00000105"));
                }
                fields.insert(name.to_lowercase(), String::from_utf8_lossy(content).into_owned());
            }
            body = rest;
        }
        if !body.starts_with(b"--") {
            return Err(malformed());
        }
        let (file, file_type) = file.ok_or_else(|| {
            let message = "POST requires exactly one file upload per request.";
            failure(400, "IncorrectNumberOfFilesInPOSTRequest", message, "0006-00000103")
        })?;
        Ok(Self { fields, file, file_type })
    }
}

fn split<'b>(bytes: &'b [u8], at: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let place = bytes.windows(at.len()).position(|window| window == at)?;
    Some((&bytes[..place], &bytes[place + at.len()..]))
}

/// The quoted value of an attribute of `Content-Disposition`.
fn attribute(head: &str, name: &str) -> Option<String> {
    let line = head.lines().find(|line| line.to_lowercase().starts_with("content-disposition:"))?;
    let mut attributes = line.split(';').skip(1).filter_map(|attribute| attribute.trim().split_once('='));
    attributes.find(|(known, _)| *known == name).map(|(_, value)| value.trim_matches('"').to_owned())
}
