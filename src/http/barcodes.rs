//! Bar codes of members (条形码): the number under which the front desk finds the patient.

use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{MemberId, PatientId};
use utoipa::ToSchema;

use super::caller::Patient;
use super::error::ApiError;
use super::members::own::OwnMembers;
use super::params::Params;
use crate::app::App;
use crate::barcode;

/// The bytes of a PNG.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it describes a download")]
struct Picture(Vec<u8>);

/// `GET wechat/query_bar_code`: the bar code of a member's patient number, as a picture.
#[utoipa::path(
    get,
    path = "/pati_service/wechat/query_bar_code",
    tag = "就诊人",
    security(("token" = [])),
    params(("member_id" = String, Query, description = "就诊人")),
    responses((status = 200, body = Picture, content_type = "image/png")),
)]
pub async fn of_member(
    app: web::Data<App>,
    patient: Patient,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let member = params.required("member_id", "就诊人")?.parse(MemberId::parse)?;
    let patient = OwnMembers::read(&app, patient)?.one(member)?.patient;
    let png = barcode::png(patient).map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().content_type(ContentType::png()).body(png))
}

/// The same picture within JSON: base64, without a `data:` in front.
pub(super) fn base64_png(patient: PatientId) -> Result<String, ApiError> {
    Ok(STANDARD.encode(barcode::png(patient).map_err(ApiError::internal)?))
}
