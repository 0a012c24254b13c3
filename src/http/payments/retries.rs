//! Having a refund tried again that did not go through.

use actix_web::{HttpResponse, web};
use domain::OutTradeNo;
use serde::Serialize;
use storage::records::Action;
use storage::{Commit, keys};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::Admin;
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::Success;
use crate::http::params::Params;
use crate::pay::orders;

/// What `payments/retry` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct RetryRequest {
    /// 商户订单号
    out_trade_no: String,
}

#[derive(Serialize, ToSchema)]
struct RetryReply {
    out_trade_no: String,
}

/// `POST manager_service/payments/retry`: a refund that failed is asked for again at once, and one that is to be asked for
/// later, sooner. Said again it changes nothing.
///
/// A refund that WeChat has closed is asked for under a new number, since nothing has moved; any other under its own, so
/// that nobody is paid back twice. Where the payer's account takes no money (`abnormal`), it is settled on WeChat's
/// merchant platform; asked again after that, WeChat answers that the money is back.
#[utoipa::path(
    post,
    path = "/pati_service/manager_service/payments/retry",
    tag = "管理：支付",
    security(("token" = [])),
    request_body = RetryRequest,
    responses((status = 200, body = Success<RetryReply>)),
)]
pub async fn retry(
    app: web::Data<App>,
    Admin(staff): Admin,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let no = params.required("out_trade_no", "商户订单号")?.parse(OutTradeNo::parse)?;
    if no.tenant() != staff.tenant {
        return Err(ErrorCode::NotFound.into());
    }
    let order = app.storage.get(&keys::pay_order(no)).map_err(ApiError::internal)?;
    let booking = order.ok_or(ErrorCode::NotFound)?.record.booking;
    let mut note = Commit::new();
    staff.require_session(&app, &mut note)?;
    staff.audit(&app, Action::RefundRetried, Some(booking.get())).await?.put(&mut note);
    orders::retry(&app, no, &note).await?;
    Ok(envelope::ok(RetryReply { out_trade_no: no.to_string() }))
}
