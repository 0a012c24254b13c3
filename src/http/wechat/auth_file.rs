//! The file by which WeChat checks that a domain is the clinic's (`MP_verify_….txt`). Its name tells its content, so
//! that sixteen characters are all that is kept.

use actix_multipart::Multipart;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt;
use storage::records::Action;
use storage::{Scan, keys};
use utoipa::ToSchema;

use super::{Conf, change};
use crate::app::App;
use crate::http::caller::Admin;
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::Done;
use crate::http::params::raw_body;
use crate::http::routes::Pattern;

/// Characters of the name that are the content.
const CODE_LEN: usize = 16;

/// The longest file that is looked at, and the largest form around it, in bytes.
const MAX_FILE_BYTES: usize = 1_024;
const MAX_FIELDS: usize = 10;

const FILE: &str = "授权文件";
const REQUEST: &str = "请求内容";

/// The text of the file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it describes a file")]
struct AuthFile(Vec<u8>);

/// A form with the file in a field of any name.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a form; the parser of the form reads it")]
struct AuthFileRequest {
    #[schema(value_type = String, format = Binary)]
    file: (),
}

/// `POST wechat/auth_file/upload`: keeps the file, from a form or as the body itself, and shows it at the root of the
/// site.
#[utoipa::path(
    post,
    path = "/pati_service/wechat/auth_file/upload",
    tag = "管理：微信",
    security(("token" = [])),
    request_body(content = AuthFileRequest, content_type = "multipart/form-data"),
    responses((status = 200, body = Done)),
)]
pub async fn upload(
    app: web::Data<App>,
    Admin(staff): Admin,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let code = read_upload(&request, payload).await?;
    change(&app, staff, Action::WechatAuthFileUploaded, |conf| {
        conf.record.auth_code = Some(code.clone());
        Ok(())
    })
    .await?;
    Ok(envelope::ok_null())
}

async fn read_upload(request: &HttpRequest, payload: Payload) -> Result<String, ApiError> {
    let body = raw_body(request, payload.into_inner()).await?;
    let kind = request.headers().get(CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with(b"multipart/form-data") {
        return code_of(&body).ok_or_else(|| ApiError::malformed(REQUEST));
    }
    let whole = futures_util::stream::iter([Ok(body)]);
    let mut form = Multipart::new(request.headers(), whole);
    for _ in 0..MAX_FIELDS {
        let Some(field) = form.next().await else { return Err(ApiError::missing(FILE)) };
        let mut field = field.map_err(|_| ApiError::malformed(REQUEST))?;
        let named = field.content_disposition().and_then(|named| named.get_filename());
        let Some(name) = named.map(str::to_owned) else { continue };
        let mut content = Vec::new();
        while let Some(piece) = field.next().await {
            content.extend_from_slice(&piece.map_err(|_| ApiError::malformed(REQUEST))?);
        }
        let code = code_of(&content).filter(|code| name == file_name(code));
        return code.ok_or_else(|| ApiError::malformed(FILE));
    }
    Err(ApiError::malformed(REQUEST))
}

/// What the file holds, if it is one of WeChat's; editors may have ended its line.
fn code_of(content: &[u8]) -> Option<String> {
    let content = content.get(..MAX_FILE_BYTES.min(content.len()))?.trim_ascii();
    let fits = content.len() == CODE_LEN && content.iter().all(u8::is_ascii_alphanumeric);
    fits.then(|| String::from_utf8_lossy(content).into_owned())
}

fn file_name(code: &str) -> String {
    format!("MP_verify_{code}.txt")
}

/// `GET wechat/auth_file/download`: the file that is kept.
#[utoipa::path(
    get,
    path = "/pati_service/wechat/auth_file/download",
    tag = "管理：微信",
    security(("token" = [])),
    responses((status = 200, body = AuthFile, content_type = "text/plain")),
)]
pub async fn download(app: web::Data<App>, Admin(staff): Admin) -> Result<HttpResponse, ApiError> {
    let code = Conf::read(&app, staff.tenant)?.record.auth_code.ok_or(ErrorCode::NotFound)?;
    let disposition = format!("attachment; filename=\"{}\"", file_name(&code));
    Ok(HttpResponse::Ok()
        .content_type("text/plain")
        .insert_header((CONTENT_DISPOSITION, disposition))
        .body(code))
}

/// The file at the root of the site, where WeChat looks for it.
pub fn at_the_root(config: &mut ServiceConfig) {
    let resource = web::resource("/MP_verify_{code:[0-9A-Za-z]{16}}.txt");
    config.service(resource.app_data(Pattern("/MP_verify_{code}.txt")).route(web::get().to(show)));
}

/// `GET /MP_verify_{code}.txt`: the file, if a clinic has uploaded it.
#[utoipa::path(
    get,
    path = "/MP_verify_{code}.txt",
    tag = "微信",
    params(("code" = String, Path, description = "16 letters and digits")),
    responses(
        (status = 200, description = "the 16 letters and digits", content_type = "text/plain"),
        (status = 404, description = "no clinic has uploaded it"),
    ),
)]
pub async fn show(app: web::Data<App>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let asked = request.match_info().get("code").unwrap_or_default();
    // A server has a few clinics, and all of this lies in memory.
    let tenants = app.storage.scan_keys(&keys::tenants(), Scan::ALL).map_err(ApiError::internal)?;
    for tenant in tenants.iter().filter_map(keys::tenant_id) {
        let stored = app.storage.get(&keys::wechat_conf(tenant)).map_err(ApiError::internal)?;
        if stored.is_some_and(|stored| stored.record.auth_code.as_deref() == Some(asked)) {
            return Ok(HttpResponse::Ok().content_type("text/plain").body(asked.to_owned()));
        }
    }
    Err(ErrorCode::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_is_the_sixteen_characters_of_the_name() {
        assert_eq!(code_of(b"abcdEFGH12345678").as_deref(), Some("abcdEFGH12345678"));
        assert_eq!(code_of(b"abcdEFGH12345678\r\n").as_deref(), Some("abcdEFGH12345678"));
        for wrong in
            [&b""[..], b"abc", b"abcdEFGH123456789", b"abcdEFGH1234567.", b"\xef\xbb\xbfabcdEFGH12345678"]
        {
            assert_eq!(code_of(wrong), None);
        }
        assert_eq!(file_name("abcdEFGH12345678"), "MP_verify_abcdEFGH12345678.txt");
    }
}
