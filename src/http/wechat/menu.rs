//! Where the menu of the service account leads.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::caller::LoggedIn;
use crate::http::envelope;
use crate::http::error::ApiError;
use crate::http::openapi::Success;
use crate::settings::PageUrl;

#[derive(Serialize, ToSchema)]
struct MenuUrls {
    /// 预约挂号地址; empty where the settings name none, and so are the others.
    book_url: String,
    /// 个人中心地址
    personal_center_url: String,
    /// 聊天地址
    chat_url: String,
}

/// `GET wechat/menu_url`: the pages of the clinic's app that its menu leads to.
#[utoipa::path(
    get,
    path = "/pati_service/wechat/menu_url",
    tag = "微信",
    security(("token" = [])),
    responses((status = 200, body = Success<MenuUrls>)),
)]
pub async fn show(app: web::Data<App>, caller: LoggedIn) -> Result<HttpResponse, ApiError> {
    let of = |page: &Option<PageUrl>| page.as_ref().map(|page| page.of(caller.tenant)).unwrap_or_default();
    Ok(envelope::ok(MenuUrls {
        book_url: of(&app.h5.book_url),
        personal_center_url: of(&app.h5.personal_center_url),
        chat_url: of(&app.h5.chat_url),
    }))
}
