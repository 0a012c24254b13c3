//! Message templates: those that the account has at WeChat, and which of them stands for which message.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use storage::records::Action;
use utoipa::ToSchema;

use super::{Conf, change};
use crate::app::App;
use crate::http::caller::Admin;
use crate::http::envelope;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::openapi::{Done, Success};
use crate::http::params::Params;
use crate::wechat::MessageTemplate;

/// 0 取镜通知, 1 预约挂号成功, 2 预约挂号取消, 3 挂号成功, 4 复诊, 5 医生回复, 6 加工订单进度
const LAST_TYPE: u8 = 6;

/// The longest id of a template, in bytes; WeChat's have 43.
const MAX_ID_BYTES: usize = 64;

#[derive(Serialize, ToSchema)]
struct TemplateOfType {
    /// 0 取镜通知, 1 预约挂号成功, 2 预约挂号取消, 3 挂号成功, 4 复诊, 5 医生回复, 6 加工订单进度
    wech_temp_type: u8,
    /// 微信模板ID
    wech_temp_id: String,
}

/// What `template_id` reads.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body; Params reads it")]
struct TemplateOfTypeRequest {
    /// 0 取镜通知, 1 预约挂号成功, 2 预约挂号取消, 3 挂号成功, 4 复诊, 5 医生回复, 6 加工订单进度
    wech_temp_type: u8,
    /// 微信模板ID
    wech_temp_id: String,
}

/// `GET wechat/template_id`: the templates that were chosen, by their types.
#[utoipa::path(
    get,
    path = "/pati_service/wechat/template_id",
    tag = "管理：微信",
    security(("token" = [])),
    responses((status = 200, body = Success<Vec<TemplateOfType>>)),
)]
pub async fn chosen(app: web::Data<App>, Admin(staff): Admin) -> Result<HttpResponse, ApiError> {
    let templates = Conf::read(&app, staff.tenant)?.record.templates.into_iter();
    let rows =
        templates.map(|(wech_temp_type, wech_temp_id)| TemplateOfType { wech_temp_type, wech_temp_id });
    Ok(envelope::ok(rows.collect::<Vec<_>>()))
}

/// `POST wechat/template_id`: chooses the template of a type.
#[utoipa::path(
    post,
    path = "/pati_service/wechat/template_id",
    tag = "管理：微信",
    security(("token" = [])),
    request_body = TemplateOfTypeRequest,
    responses((status = 200, body = Done)),
)]
pub async fn choose(
    app: web::Data<App>,
    Admin(staff): Admin,
    params: Params,
) -> Result<HttpResponse, ApiError> {
    let tenant = staff.tenant;
    let kind = params.required("wech_temp_type", "模板消息类型")?;
    let kind = u8::try_from(kind.integer(0..=LAST_TYPE.into())?).map_err(|_| kind.malformed())?;
    let id = params.required("wech_temp_id", "微信模板ID")?.parse(parse_id)?;
    change(&app, staff, Action::WechatTemplateChanged, |conf| {
        let templates = &mut conf.record.templates;
        templates.retain(|(other, _)| *other != kind);
        templates.push((kind, id.to_owned()));
        templates.sort_unstable();
        Ok(())
    })
    .await?;
    // Whoever chooses a template again, has perhaps changed what it says.
    app.wechat.forget_template(tenant, kind).await?;
    Ok(envelope::ok_null())
}

fn parse_id(text: &str) -> Result<&str, ErrorCode> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if text.len() <= MAX_ID_BYTES && text.bytes().all(plain) {
        Ok(text)
    } else {
        Err(ErrorCode::ParameterMalformed)
    }
}

#[derive(Serialize, ToSchema)]
struct TemplateList {
    /// 微信公众号消息模板列表
    #[serde(rename = "templateList")]
    list: Vec<TemplateOfWechat>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TemplateOfWechat {
    /// 微信模板ID
    template_id: String,
    /// 模板标题
    title: String,
    /// 一级行业
    primary_industry: String,
    /// 二级行业
    deputy_industry: String,
    /// 模板内容
    content: String,
    /// 模板实例
    example: String,
}

impl From<MessageTemplate> for TemplateOfWechat {
    fn from(template: MessageTemplate) -> Self {
        let MessageTemplate { template_id, title, primary_industry, deputy_industry, content, example } =
            template;
        Self { template_id, title, primary_industry, deputy_industry, content, example }
    }
}

/// `GET wechat/templates`: the templates that the account has at WeChat now.
#[utoipa::path(
    get,
    path = "/pati_service/wechat/templates",
    tag = "管理：微信",
    security(("token" = [])),
    responses((status = 200, body = Success<TemplateList>)),
)]
pub async fn list(app: web::Data<App>, Admin(staff): Admin) -> Result<HttpResponse, ApiError> {
    let templates = app.wechat.templates(staff.tenant).await?;
    Ok(envelope::ok(TemplateList { list: templates.into_iter().map(Into::into).collect() }))
}
