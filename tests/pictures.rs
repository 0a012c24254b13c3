//! Avatars: permission, upload by form, and the picture as it is shown.

use std::fs::Permissions;
use std::io::{self, Cursor};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{TenantId, Timestamp};
use harness::clinic::Clinic;
use harness::folder::Folder;
use harness::patients::{Answer, PASSWORD, Patient};
use harness::shape;
use harness::wire::{self, Connection, Reply};
use image::{DynamicImage, ImageFormat};
use pati_service::pictures::AccessKey;
use serde_json::{Value, json};
use storage::{OsRandom, Scan, Storage, StorageOptions, Vault, keys};
use tokio::time::timeout;

mod harness;

const UPLOAD: &str = "patient_service/myinfo/upload_picture";

fn open(settings: &[(&str, &str)]) -> (Folder, Clinic) {
    let folder = Folder::new();
    let clinic = Clinic::start(&folder, settings);
    (folder, clinic)
}

/// A picture of random-looking pixels in this format.
fn picture(format: ImageFormat) -> Vec<u8> {
    let pixels = image::RgbImage::from_fn(24, 16, |x, y| image::Rgb([(x * 9) as u8, (y * 13) as u8, 77]));
    encoded(&DynamicImage::ImageRgb8(pixels), format)
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("encoded");
    bytes.into_inner()
}

fn png() -> Vec<u8> {
    picture(ImageFormat::Png)
}

async fn permit(patient: &mut Patient, extension: &str, content_type: &str) -> Value {
    let body = json!({"file_extension": extension, "file_type": content_type});
    patient.post(UPLOAD, &body).await.expect("answered").data()
}

/// A form as a browser sends it.
#[derive(Clone)]
struct Form {
    fields: Vec<(String, String)>,
    file: Option<(String, Vec<u8>)>,
    after: Vec<(String, String)>,
}

impl Form {
    /// The form that a permission is for.
    fn of(permit: &Value, content_type: &str, bytes: Vec<u8>) -> Self {
        let text = |name: &str| permit[name].as_str().expect("a text").to_owned();
        let fields = vec![
            ("OSSAccessKeyId".to_owned(), text("OSS_access_key_id")),
            ("Signature".to_owned(), text("signature")),
            ("key".to_owned(), text("key")),
            ("policy".to_owned(), text("policy")),
        ];
        Self { fields, file: Some((content_type.to_owned(), bytes)), after: Vec::new() }
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self
    }

    fn holding(mut self, bytes: &[u8]) -> Self {
        let (content_type, _) = self.file.expect("a file");
        self.file = Some((content_type, bytes.to_vec()));
        self
    }

    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let field = |body: &mut Vec<u8>, (name, value): &(String, String)| {
            let head = "--bound\r\nContent-Disposition: form-data; name=";
            body.extend_from_slice(format!("{head}\"{name}\"\r\n\r\n{value}\r\n").as_bytes());
        };
        self.fields.iter().for_each(|one| field(&mut body, one));
        if let Some((content_type, bytes)) = &self.file {
            let head = "--bound\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../../a.html\"";
            body.extend_from_slice(format!("{head}\r\nContent-Type: {content_type}\r\n\r\n").as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        self.after.iter().for_each(|one| field(&mut body, one));
        body.extend_from_slice(b"--bound--\r\n");
        body
    }

    async fn post(&self, clinic: &Clinic) -> Reply {
        post_body(clinic, &self.body()).await
    }
}

fn request(body: &[u8]) -> Vec<u8> {
    let head =
        "POST /oss/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=bound\r\n";
    let mut request = format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend_from_slice(body);
    request
}

async fn post_body(clinic: &Clinic, body: &[u8]) -> Reply {
    let mut connection = Connection::open(clinic.address).await.expect("the server listens");
    connection.send(&request(body)).await.expect("answered")
}

/// Checks that the store took the picture.
#[track_caller]
fn taken(reply: &Reply) {
    assert_eq!(reply.status, 204, "{}", String::from_utf8_lossy(&reply.body));
    assert!(reply.body.is_empty());
    assert_eq!(reply.header("x-oss-request-id"), reply.header("x-request-id"));
}

/// Checks that the store refused as OSS does: XML with this code, and no envelope.
#[track_caller]
fn refused(reply: &Reply, http: u16, code: &str) {
    let text = String::from_utf8_lossy(&reply.body);
    assert_eq!(reply.status, http, "{text}");
    let start = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>");
    assert!(text.starts_with(&start), "{text}");
    let id = reply.header("x-oss-request-id").expect("an id");
    assert!(text.contains(&format!("<RequestId>{id}</RequestId><HostId>")), "{text}");
    assert!(text.ends_with("</HostId></Error>"), "{text}");
    assert_eq!(reply.header("content-type"), Some("application/xml"));
}

async fn shown(clinic: &Clinic, key: &str) -> Reply {
    let mut connection = Connection::open(clinic.address).await.expect("the server listens");
    connection.send(&wire::get(&format!("/oss/{key}"), &[])).await.expect("answered")
}

/// The avatars of all accounts, out of a data folder that no server uses.
fn avatars(folder: &Folder) -> Vec<Option<String>> {
    let storage = Storage::open(StorageOptions::new(folder.store(), Timestamp::from_millis(0)));
    let storage = storage.expect("opened");
    let keys_folder = folder.store().join("keys");
    let vault = Vault::unlock(&storage, &keys_folder, Arc::new(OsRandom::default())).expect("unlocked");
    let tenant = TenantId::new(1).expect("an id");
    let users = storage.scan(&keys::users(tenant), Scan::ALL).expect("read");
    let avatar = |(raw, stored): &(storage::RawKey, storage::Stored<storage::records::UserRecord>)| {
        let user = keys::user_id(raw).expect("an account's key");
        stored.record.open(&vault, &keys::user(tenant, user)).expect("opened").profile.avatar
    };
    let avatars = users.iter().map(avatar).collect();
    storage.close().expect("closed");
    avatars
}

/// The key with which the server signs policies.
fn access_key(folder: &Folder) -> AccessKey {
    let hex = std::fs::read_to_string(folder.store().join("keys/oss.key")).expect("made at the first start");
    let hex = hex.trim_end();
    let secret: Vec<u8> =
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex")).collect();
    AccessKey::new("local", &secret)
}

/// The form with another policy, signed as the server signs.
fn with_policy(form: &Form, key: &AccessKey, policy: &Value) -> Form {
    let policy = STANDARD.encode(policy.to_string());
    let signature = key.sign(&policy);
    form.clone().set("policy", &policy).set("Signature", &signature)
}

fn policy_of(permit: &Value) -> Value {
    let json = STANDARD.decode(permit["policy"].as_str().expect("a text")).expect("base64");
    serde_json::from_slice(&json).expect("JSON")
}

/// Seen to fail when the commit left the avatar as it was, when the file of the former avatar or of a closed account
/// stayed, and when the permission was not used up.
#[tokio::test]
async fn a_picture_is_uploaded_once_and_becomes_the_avatar() -> io::Result<()> {
    let (folder, clinic) = open(&[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    Patient::registered(&clinic, 2).await;
    let mut former: Option<String> = None;
    let kinds = [
        ("jpg", "image/jpeg", ImageFormat::Jpeg),
        ("webp", "image/webp", ImageFormat::WebP),
        ("gif", "image/gif", ImageFormat::Gif),
        ("png", "image/png", ImageFormat::Png),
    ];
    for (extension, content_type, format) in kinds {
        let permit = permit(&mut patient, extension, content_type).await;
        let key = permit["key"].as_str().expect("a text").to_owned();
        assert_eq!(shown(&clinic, &key).await.status, 404);
        let form = Form::of(&permit, content_type, picture(format));
        taken(&form.post(&clinic).await);
        let reply = shown(&clinic, &key).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body, picture(format));
        assert_eq!(reply.header("content-type"), Some(content_type));
        assert_eq!(reply.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("content-disposition"), Some("inline"));
        refused(&form.post(&clinic).await, 409, "FileAlreadyExists");
        refused(&form.holding(&png()).post(&clinic).await, 409, "FileAlreadyExists");
        assert_eq!(shown(&clinic, &key).await.body, picture(format));
        if let Some(former) = former.replace(key) {
            assert_eq!(shown(&clinic, &former).await.status, 404, "{former}");
        }
    }
    let key = former.expect("four were uploaded");
    clinic.stop();
    assert_eq!(avatars(&folder), [Some(key.clone()), None]);
    let clinic = Clinic::start(&folder, &[]);
    assert_eq!(shown(&clinic, &key).await.body, png());

    let mut patient = patient.again(clinic.address).await?;
    let told = patient.get("patient_service/myinfo").await?.data();
    assert!(told["avatar"].as_str().expect("a text").ends_with(&format!("/oss/{key}")), "{told}");
    patient.post("patient_service/close_account", &json!({"password": PASSWORD})).await?.done();
    assert_eq!(shown(&clinic, &key).await.status, 404);
    clinic.stop();
    Ok(())
}

/// Seen to fail when the id of the access key stood under one of its names only.
#[tokio::test]
async fn a_permission_tells_all_that_the_form_needs() -> io::Result<()> {
    let (_folder, clinic) = open(&[("PATI_SERVER__PUBLIC_URL", "https://book.example.cn/")]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let first = permit(&mut patient, "JPEG", "image/jpeg").await;
    shape::check(
        &first,
        &json!({
            "url": "String", "file_id": "String", "OSS_access_key_id": "String", "ossaccessKeyId": "String",
            "policy": "String", "signature": "String", "key": "String",
        }),
    );
    assert_eq!(first["url"], "https://book.example.cn/oss/");
    assert_eq!((&first["OSS_access_key_id"], &first["ossaccessKeyId"]), (&json!("local"), &json!("local")));
    let key = first["key"].as_str().expect("a text");
    assert!(key.starts_with("avatar/1/") && key.ends_with(".jpg") && key.len() == 45, "{key}");
    let conditions = &policy_of(&first)["conditions"];
    assert_eq!(conditions[1], json!(["eq", "$key", key]));
    assert_eq!(conditions[2], json!(["content-length-range", 1, 5_242_880]));

    let sized = json!({"file_size": "5242880", "file_extension": "jpg", "file_type": "image/jpeg"});
    let second = patient.post(UPLOAD, &sized).await?.data();
    assert_ne!(second["key"], first["key"]);
    assert_ne!(second["file_id"], first["file_id"]);
    second["file_id"].as_str().expect("a text").parse::<u64>().expect("a number");
    Ok(())
}

/// Seen to fail when the size was not looked at.
#[tokio::test]
async fn other_files_are_not_permitted() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    for (extension, content_type) in [
        ("svg", "image/svg+xml"),
        ("html", "text/html"),
        ("png", "image/jpeg"),
        ("png", "text/html"),
        ("html", "image/png"),
        (".png", "image/png"),
        ("png/../../x", "image/png"),
        ("png", "image/*"),
    ] {
        let body = json!({"file_extension": extension, "file_type": content_type});
        patient.post(UPLOAD, &body).await?.ruled_out("404001");
    }
    for size in [json!(5_242_881), json!("5242881"), json!(0), json!(-1), json!(i64::MAX)] {
        let body = json!({"file_size": size, "file_extension": "png", "file_type": "image/png"});
        patient.post(UPLOAD, &body).await?.ruled_out("404002");
    }
    for (body, message) in [
        (json!({"file_type": "image/png"}), "文件扩展名不能为空"),
        (json!({"file_extension": "png"}), "文件类型不能为空"),
        (json!({"file_size": "x", "file_extension": "png", "file_type": "image/png"}), "文件大小格式不正确"),
        (json!({"file_size": 1.5, "file_extension": "png", "file_type": "image/png"}), "文件大小格式不正确"),
        (json!({"file_extension": ["png"], "file_type": "image/png"}), "文件扩展名格式不正确"),
    ] {
        let answer = patient.post(UPLOAD, &body).await?;
        answer.refused(400, "0001");
        assert_eq!(answer.message, message);
    }
    let mut anyone = Patient::connect(clinic.address).await?;
    let body = json!({"file_extension": "png", "file_type": "image/png"});
    anyone.post(UPLOAD, &body).await?.refused(401, "0401");
    Ok(())
}

/// Seen to fail when the signature was not verified.
#[tokio::test]
async fn a_form_that_is_not_the_signed_one_is_refused_and_costs_nothing() -> io::Result<()> {
    let (folder, clinic) = open(&[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let permitted = permit(&mut patient, "png", "image/png").await;
    let other = permit(&mut patient, "png", "image/png").await;
    let text = |permit: &Value, name: &str| permit[name].as_str().expect("a text").to_owned();
    let form = Form::of(&permitted, "image/png", png());
    let edited = |form: &Form, name: &str, value: &str| form.clone().set(name, value);

    let mut wider = policy_of(&permitted);
    wider["conditions"][2] = json!(["content-length-range", 1, 99_999_999]);
    let wider = STANDARD.encode(wider.to_string());
    for (changed, http, code) in [
        (edited(&form, "Signature", &text(&other, "signature")), 403, "SignatureDoesNotMatch"),
        (edited(&form, "Signature", "x"), 403, "SignatureDoesNotMatch"),
        (edited(&form, "policy", &wider), 403, "SignatureDoesNotMatch"),
        (edited(&form, "policy", &text(&other, "policy")), 403, "SignatureDoesNotMatch"),
        (edited(&form, "OSSAccessKeyId", "Local"), 403, "InvalidAccessKeyId"),
        (edited(&form, "key", &text(&other, "key")), 403, "AccessDenied"),
        (edited(&form, "key", "avatar/1/../../keys/jwt.key"), 403, "AccessDenied"),
        (edited(&form, "key", "${filename}"), 403, "AccessDenied"),
        (edited(&form, "Content-Type", "text/html"), 403, "AccessDenied"),
        (edited(&form, "x-oss-content-type", "text/html"), 403, "AccessDenied"),
        (edited(&form, "KEY", &text(&permitted, "key")), 400, "InvalidArgument"),
        (form.clone().without("key"), 400, "InvalidArgument"),
        (form.clone().without("Signature"), 400, "InvalidArgument"),
        (form.clone().without("policy"), 400, "InvalidArgument"),
        (form.clone().without("OSSAccessKeyId"), 400, "InvalidArgument"),
        (edited(&form, "Signature", ""), 400, "InvalidArgument"),
        (form.clone().without("policy").without("Signature").without("OSSAccessKeyId"), 403, "AccessDenied"),
        (Form { file: None, ..form.clone() }, 400, "IncorrectNumberOfFilesInPOSTRequest"),
        (edited(&form, "name", &"x".repeat(1025)), 400, "FieldItemTooLong"),
        (edited(&form, "policy", &"x".repeat(16 * 1024 + 1)), 400, "FieldItemTooLong"),
        (
            (0..17).fold(form.clone(), |form, n| form.set(&format!("x-oss-meta-{n}"), "")),
            400,
            "MaxPOSTPreDataLengthExceeded",
        ),
        (Form { file: Some(("text/html".to_owned(), png())), ..form.clone() }, 403, "AccessDenied"),
    ] {
        refused(&changed.post(&clinic).await, http, code);
    }
    // What stands behind the file is ignored, so it is as if it were not there.
    let last = form.fields.last().expect("fields").clone();
    let late = Form { after: vec![last], ..form.clone().without("policy") };
    refused(&late.post(&clinic).await, 400, "InvalidArgument");

    let unmet = edited(&form, "key", &text(&other, "key")).post(&clinic).await;
    let expected = format!("Policy Condition failed: [\"eq\",\"$key\",\"{}\"]", text(&permitted, "key"));
    assert!(String::from_utf8_lossy(&unmet.body).contains(&expected), "{unmet:?}");

    // A real client sends more than it must, and whatever behind the file.
    let more =
        form.set("name", "me.png").set("Content-Type", "image/png").set("success_action_status", "200");
    let more = Form { after: vec![("policy".to_owned(), "x".repeat(70_000))], ..more };
    let reply = more.post(&clinic).await;
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    clinic.stop();
    assert_eq!(avatars(&folder), [Some(text(&permitted, "key"))]);
    Ok(())
}

/// Seen to fail when the time of the policy was not looked at, and when a signed key alone was enough.
#[tokio::test]
async fn a_signed_policy_is_not_enough() -> io::Result<()> {
    let (folder, clinic) = open(&[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let permit = permit(&mut patient, "png", "image/png").await;
    let form = Form::of(&permit, "image/png", png());
    let signing = access_key(&folder);

    let mut expired = policy_of(&permit);
    expired["expiration"] = json!("2026-01-01T00:00:00.000Z");
    let reply = with_policy(&form, &signing, &expired).post(&clinic).await;
    refused(&reply, 403, "AccessDenied");
    assert!(String::from_utf8_lossy(&reply.body).contains("Policy expired."));

    for broken in
        [json!(1), json!({"conditions": [{"key": "a"}]}), json!({"expiration": "x", "conditions": []})]
    {
        let reply = with_policy(&form, &signing, &broken).post(&clinic).await;
        refused(&reply, 400, "InvalidPolicyDocument");
    }
    let lenient =
        json!({"expiration": "2999-01-01T00:00:00.000Z", "conditions": [["starts-with", "$key", "a"]]});
    let id = "0f".repeat(16);
    let kind_changed = permit["key"].as_str().expect("a text").replace(".png", ".gif");
    for key in [
        format!("avatar/1/{id}.png"),
        format!("avatar/2/{id}.png"),
        kind_changed,
        "avatar/1/../../keys/jwt.key".to_owned(),
        "avatar/1/x.png".to_owned(),
        "avatar".to_owned(),
    ] {
        let reply = with_policy(&form, &signing, &lenient).set("key", &key).post(&clinic).await;
        refused(&reply, 403, "AccessDenied");
    }
    let mut other_bucket = policy_of(&permit);
    other_bucket["conditions"][0] = json!({"bucket": "other"});
    refused(&with_policy(&form, &signing, &other_bucket).post(&clinic).await, 403, "AccessDenied");
    let mut longer = policy_of(&permit);
    longer["conditions"][2] = json!(["content-length-range", 10_000, 20_000]);
    refused(&with_policy(&form, &signing, &longer).post(&clinic).await, 400, "EntityTooSmall");
    taken(&form.post(&clinic).await);
    Ok(())
}

/// Seen to fail when the bytes were not decoded, when any format was taken for any type, and without the limits of
/// the decoder.
#[tokio::test]
async fn only_pictures_of_the_permitted_format_are_kept() -> io::Result<()> {
    let (folder, clinic) = open(&[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let permit_png = permit(&mut patient, "png", "image/png").await;
    let form = Form::of(&permit_png, "image/png", png());
    let html = b"<html><script>alert(1)</script></html>".to_vec();
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>".to_vec();
    let polyglot = [&png()[..33], b"<script>alert(1)</script>"].concat();
    let cut = png()[..png().len() / 2].to_vec();
    let wide = encoded(&DynamicImage::new_luma8(8193, 1), ImageFormat::Png);
    let high = encoded(&DynamicImage::new_luma8(1, 8193), ImageFormat::Png);
    // A hundred MiB in memory.
    let bomb = encoded(&DynamicImage::new_rgb8(8192, 4300), ImageFormat::Png);
    assert!(bomb.len() < 1_000_000, "{} bytes", bomb.len());
    let jpeg = picture(ImageFormat::Jpeg);
    for bytes in [html, svg, polyglot, cut, wide, high, bomb, jpeg, vec![0]] {
        refused(&form.clone().holding(&bytes).post(&clinic).await, 400, "InvalidArgument");
    }
    refused(&form.clone().holding(b"").post(&clinic).await, 400, "EntityTooSmall");

    let permit_jpeg = permit(&mut patient, "jpg", "image/jpeg").await;
    let png_as_jpeg = Form::of(&permit_jpeg, "image/jpeg", png());
    refused(&png_as_jpeg.post(&clinic).await, 400, "InvalidArgument");

    for permit in [&permit_png, &permit_jpeg] {
        assert_eq!(shown(&clinic, permit["key"].as_str().expect("a text")).await.status, 404);
    }
    taken(&form.post(&clinic).await);
    let kept: Vec<_> = std::fs::read_dir(folder.store().join("files"))?.collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    Ok(())
}

/// 700 kB that are 30,000 by 30,000 pixels.
///
/// Seen to fail when the decoder had no limits: the picture was taken.
#[tokio::test]
async fn a_picture_that_would_fill_the_memory_is_refused() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let permit = permit(&mut patient, "png", "image/png").await;
    let form = Form::of(&permit, "image/png", black_png(30_000));
    refused(&form.post(&clinic).await, 400, "InvalidArgument");
    let peak = std::fs::read_to_string(format!("/proc/{}/status", clinic.pid()))?;
    let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux").trim();
    let kib: u64 = peak.split(' ').next().expect("a number").parse().expect("a number");
    assert!(kib < 400_000, "{kib} KiB were in use");
    taken(&form.holding(&png()).post(&clinic).await);
    Ok(())
}

/// A black square of one bit a pixel, made without ever holding its pixels.
fn black_png(side: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        png.extend_from_slice(&(data.len() as u32).to_be_bytes());
        let named = [kind, data].concat();
        png.extend_from_slice(&named);
        png.extend_from_slice(&crc32(&named).to_be_bytes());
    };
    let side_bytes = side.to_be_bytes();
    chunk(b"IHDR", &[&side_bytes[..], &side_bytes[..], &[1, 0, 0, 0, 0]].concat());
    // A row is its filter and its bits.
    chunk(b"IDAT", &zlib_of_zeros(u64::from(side) * u64::from(side.div_ceil(8) + 1)));
    chunk(b"IEND", &[]);
    png
}

/// So many zero bytes in zlib's format (RFC 1950, 1951): one literal, then "258 more of it", as often as fits, and
/// literals for the rest.
fn zlib_of_zeros(count: u64) -> Vec<u8> {
    let (runs, rest) = ((count - 1) / 258, (count - 1) % 258);
    let mut bits = Bits::default();
    bits.push(&[true, true, false]);
    let literal = [false, false, true, true, false, false, false, false];
    bits.push(&literal);
    for _ in 0..runs {
        // Length code 285, distance code 0.
        bits.push(&[true, true, false, false, false, true, false, true, false, false, false, false, false]);
    }
    for _ in 0..rest {
        bits.push(&literal);
    }
    bits.push(&[false; 7]);
    // The two sums of Adler-32: 1, and as much for every byte.
    let checksum = (count % 65_521) << 16 | 1;
    [&[0x78, 0x9c][..], &bits.bytes, &(checksum as u32).to_be_bytes()].concat()
}

/// Bits, packed from the lowest of each byte on.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

impl Bits {
    fn push(&mut self, bits: &[bool]) {
        for bit in bits {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().expect("just pushed") |= u8::from(*bit) << (self.used % 8);
            self.used += 1;
        }
    }
}

/// CRC-32 of PNG, annex D.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1)))
    })
}

/// Seen to fail when the file was read to its end before its length was compared.
#[tokio::test]
async fn a_file_that_is_too_large_is_not_read_to_its_end() -> io::Result<()> {
    let (_folder, clinic) = open(&[("PATI_OSS__MAX_BYTES", "5000")]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let body = json!({"file_size": 5001, "file_extension": "png", "file_type": "image/png"});
    patient.post(UPLOAD, &body).await?.ruled_out("404002");
    let permit = permit(&mut patient, "png", "image/png").await;
    let form = Form::of(&permit, "image/png", png());
    refused(&form.clone().holding(&[0; 5001]).post(&clinic).await, 400, "EntityTooLarge");
    // As large as may be is read, and found to be no picture.
    refused(&form.clone().holding(&[0; 5000]).post(&clinic).await, 400, "InvalidArgument");

    // Says that a gigabyte follows, sends a little of it and waits.
    let body = form.clone().holding(&[0; 50_000]).body();
    let head =
        "POST /oss/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=bound\r\n";
    let mut endless = format!("{head}Content-Length: 1000000000\r\n\r\n").into_bytes();
    endless.extend_from_slice(&body[..body.len() - 100]);
    let mut connection = Connection::open(clinic.address).await?;
    connection.write(&endless).await?;
    let reply = timeout(Duration::from_secs(30), connection.read()).await;
    refused(&reply.expect("answered before the rest was sent")?, 400, "EntityTooLarge");

    // Lines before the first boundary are passed over, but not without end.
    let flood = "x\r\n".repeat(100_000);
    refused(&post_body(&clinic, flood.as_bytes()).await, 400, "EntityTooLarge");
    taken(&form.post(&clinic).await);
    Ok(())
}

/// The picture is larger than what the kernel takes from the server in one go. Seen to fail when a request ended with
/// its handler.
#[tokio::test]
async fn a_client_may_take_its_time_for_a_picture() -> io::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(60);
    let (folder, clinic) = open(&[("PATI_OSS__MAX_BYTES", "20000000")]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let permit = permit(&mut patient, "png", "image/png").await;
    let mut random = 1_u32;
    let noise = image::RgbImage::from_fn(2000, 2000, |_, _| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [_, red, green, blue] = random.to_le_bytes();
        image::Rgb([red, green, blue])
    });
    let noise = encoded(&DynamicImage::ImageRgb8(noise), ImageFormat::Png);
    assert!(noise.len() > 10_000_000, "{}", noise.len());
    taken(&Form::of(&permit, "image/png", noise.clone()).post(&clinic).await);

    clinic.stop();
    let hurried = [("PATI_SERVER__REQUEST_SECONDS", "1"), ("PATI_SERVER__KEEP_ALIVE_SECONDS", "1")];
    let clinic = Clinic::start(&folder, &hurried);
    let mut slow = Connection::open(clinic.address).await?;
    let key = permit["key"].as_str().expect("a text");
    slow.write(&wire::get(&format!("/oss/{key}"), &[])).await?;
    // Two that have no request under way are cut off one after the other in the meantime.
    for _ in 0..2 {
        let mut other = Connection::open(clinic.address).await?;
        assert_eq!(other.send(&wire::get("/health", &[])).await?.status, 200);
        timeout(PATIENCE, other.trickle_until_closed()).await.expect("it is cut off");
    }
    let reply = timeout(PATIENCE, slow.read()).await??;
    assert_eq!(reply.status, 200);
    assert!(reply.body == noise, "{} bytes", reply.body.len());
    Ok(())
}

/// Seen to fail when the type of the request was not looked at.
#[tokio::test]
async fn what_is_no_form_is_refused() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    for (kind, code) in [
        ("application/json", "RequestIsNotMultiPartContent"),
        ("application/x-www-form-urlencoded", "RequestIsNotMultiPartContent"),
        ("multipart/mixed; boundary=bound", "RequestIsNotMultiPartContent"),
        ("multipart/form-data", "MalformedPOSTRequest"),
    ] {
        let request = wire::bare("POST", "/oss/", &[("Content-Type", kind)], "--bound--\r\n");
        refused(&Connection::open(clinic.address).await?.send(&request).await?, 400, code);
    }
    for (body, code) in [
        ("", "MalformedPOSTRequest"),
        ("--bound\r\n\r\nx\r\n--bound--\r\n", "MalformedPOSTRequest"),
        ("--bound--\r\n", "IncorrectNumberOfFilesInPOSTRequest"),
    ] {
        refused(&post_body(&clinic, body.as_bytes()).await, 400, code);
    }
    Ok(())
}

/// Seen to fail when a key was joined to the folder without being read first.
#[tokio::test]
async fn only_pictures_are_shown() -> io::Result<()> {
    let (folder, clinic) = open(&[]);
    std::fs::write(folder.store().join("files/secret.png"), "secret")?;
    let id = "0f".repeat(16);
    for path in [
        format!("avatar/1/{id}.png"),
        String::from("secret.png"),
        String::from("../keys/oss.key"),
        String::from("..%2fkeys%2foss.key"),
        String::from("avatar/1/..%2f..%2f..%2fkeys/oss.key"),
        String::from("avatar/1/%00.png"),
        String::from("%2e%2e/keys/jwt.key"),
        String::from("avatar/1/"),
        String::from("avatar"),
    ] {
        let answer = Answer::of(shown(&clinic, &path).await)?;
        answer.refused(404, "0404");
    }
    Ok(())
}

/// Seen to fail when two uploads of one picture ran side by side.
#[tokio::test]
async fn of_many_posts_of_one_form_one_is_taken() -> io::Result<()> {
    let (_folder, clinic) = open(&[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    for round in 0..5_u32 {
        let permit = permit(&mut patient, "png", "image/png").await;
        let key = permit["key"].as_str().expect("a text").to_owned();
        let forms: Vec<_> = (1..=6)
            .map(|width| {
                let image = encoded(&DynamicImage::new_rgb8(100 * width, 100 + round), ImageFormat::Png);
                Form::of(&permit, "image/png", image)
            })
            .collect();
        let replies = futures_util::future::join_all(forms.iter().map(|form| form.post(&clinic))).await;
        let winners: Vec<_> = (0..forms.len()).filter(|at| replies[*at].status == 204).collect();
        assert_eq!(winners.len(), 1);
        for reply in replies.iter().filter(|reply| reply.status != 204) {
            refused(reply, 409, "FileAlreadyExists");
        }
        let (_, bytes) = forms[winners[0]].file.as_ref().expect("a file");
        assert_eq!(&shown(&clinic, &key).await.body, bytes);
    }
    Ok(())
}

const ALIYUN: [(&str, &str); 4] = [
    ("PATI_OSS__PROVIDER", "aliyun"),
    ("PATI_OSS__ENDPOINT", "https://oss-cn-hangzhou.aliyuncs.com"),
    ("PATI_OSS__BUCKET", "clinic-avatar"),
    ("PATI_OSS__ACCESS_KEY_ID", "testAccessKeyId"),
];

/// Seen to fail when the avatar waited for an arrival, and when the secret of the file was not looked for.
#[tokio::test]
async fn aliyun_gets_signed_forms_and_nothing_else() -> io::Result<()> {
    let folder = Folder::new();
    let log = Clinic::try_start(&folder, &ALIYUN).err().expect("no secret");
    assert!(log.contains("PATI_OSS__ACCESS_KEY_SECRET") && log.contains("oss_access_key_secret"), "{log}");

    let path = folder.store().join("keys/oss_access_key_secret");
    std::fs::write(&path, "ofTheFile\n")?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    let mut keys = Vec::new();
    let of_environment: Vec<_> =
        ALIYUN.into_iter().chain([("PATI_OSS__ACCESS_KEY_SECRET", "ofTheEnvironment")]).collect();
    for (n, settings, secret) in [(1, &ALIYUN[..], "ofTheFile"), (2, &of_environment, "ofTheEnvironment")] {
        let clinic = Clinic::start(&folder, settings);
        let mut patient = Patient::registered(&clinic, n).await;
        let permit = permit(&mut patient, "png", "image/png").await;
        assert_eq!(permit["url"], "https://clinic-avatar.oss-cn-hangzhou.aliyuncs.com/");
        assert_eq!(permit["OSS_access_key_id"], "testAccessKeyId");
        assert_eq!(policy_of(&permit)["conditions"][0], json!({"bucket": "clinic-avatar"}));
        let signing = AccessKey::new("testAccessKeyId", secret.as_bytes());
        assert_eq!(permit["signature"], signing.sign(permit["policy"].as_str().expect("a text")));
        let key = permit["key"].as_str().expect("a text").to_owned();
        refused(&Form::of(&permit, "image/png", png()).post(&clinic).await, 404, "NoSuchBucket");
        Answer::of(shown(&clinic, &key).await)?.refused(404, "0404");
        keys.push(Some(key));
        assert!(!clinic.log().join("\n").contains(secret));
        clinic.stop();
    }
    assert_eq!(avatars(&folder), keys);
    Ok(())
}
