//! The description of the API: `/openapi.json`, and a page to browse it at `/docs`, which loads nothing from outside.
//!
//! Each handler describes itself with `#[utoipa::path]`; what all have in common is added here. Tests compare the
//! list below with the routes, and real replies with the schemas.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::web::{self, Bytes, ServiceConfig};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{
    self, ContentBuilder, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema, Type,
};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::error::{ApiError, Retry, Row, TABLE};
use super::{
    accounts, barcodes, bookings, clinic_info, departments, doctors, front_desk, health, members, patients,
    payments, pictures, profile, schedules, staff, templates, timetable, wechat,
};

/// A success in JSON.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what the envelope writes")]
pub struct Success<T> {
    /// Always `000`.
    #[schema(pattern = "^000$")]
    status: String,
    message: (),
    data: T,
}

/// A success without data (无).
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what the envelope writes")]
pub struct Done {
    /// Always `000`.
    #[schema(pattern = "^000$")]
    status: String,
    message: (),
    data: (),
}

/// A failure.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what the envelope writes")]
struct Failure {
    /// Four digits, or the six of a rule: see `docs/errors.md`.
    #[schema(pattern = "^[0-9]{4}([0-9]{2})?$")]
    status: String,
    /// What is wrong and what to do, for the patient's eyes.
    message: String,
    data: (),
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "患者服务 pati-service",
        description = "Patients book a numbered slot, bring family members and pay; the clinic runs on the same API. \
            Every path also answers below /api. Failures are described with the status of docs/errors.md.",
    ),
    paths(
        accounts::registration::register_code,
        accounts::registration::register,
        accounts::passwords::reset_code,
        accounts::passwords::validate_reset_code,
        accounts::passwords::reset,
        accounts::login::login,
        accounts::passwords::change,
        accounts::login::logout,
        accounts::phones::change_code,
        accounts::phones::change,
        accounts::own_data::export,
        accounts::closing::close,
        members::add,
        members::update,
        members::remove,
        members::make_default,
        members::list,
        profile::show,
        profile::update,
        barcodes::of_member,
        clinic_info::show,
        pictures::upload_picture,
        departments::list,
        schedules::lists::by_date,
        schedules::lists::by_doctor,
        schedules::day_of_doctor,
        schedules::left_slots,
        schedules::info::of_doctor,
        bookings::presubmit,
        bookings::submit,
        bookings::check_half_day,
        bookings::cancel,
        bookings::detail,
        bookings::list,
        payments::order,
        payments::paysign::sign,
        payments::conf::show,
        payments::conf::update,
        payments::listed::list,
        payments::retries::retry,
        staff::login::login,
        staff::login::logout,
        staff::passwords::change,
        staff::accounts::list,
        staff::accounts::add,
        staff::changes::update,
        staff::changes::disable,
        staff::changes::enable,
        staff::changes::reset_password,
        staff::trail::read,
        // Patients, groups and labels.
        patients::labels::count,
        patients::labels::list,
        patients::labels::save,
        patients::labels::delete,
        patients::info::show,
        patients::save,
        patients::list,

        // Departments, doctors, templates.
        departments::managed::list,
        departments::managed::save,
        doctors::list,
        doctors::save,
        doctors::search,
        clinic_info::update,
        templates::list,
        templates::save,
        templates::remove,
        templates::exceptions::list,
        templates::exceptions::save,
        templates::exceptions::remove,
        templates::generation::generate,

        // Schedules.
        timetable::list,
        timetable::show,
        timetable::saving::save,
        timetable::changes::relocate,
        timetable::changes::add_slots,
        timetable::changes::stop,
        timetable::changes::reopen,
        timetable::opening::show,
        timetable::opening::set,
        timetable::notifications::list,

        // The front desk.
        front_desk::lists::list,
        front_desk::lists::one,
        front_desk::behalf::book,
        front_desk::acts::check_in,
        front_desk::acts::cash_paid,
        front_desk::acts::cancel,
        front_desk::acts::correct,
        front_desk::export::csv,
        front_desk::export::print,
        front_desk::bans::list,
        front_desk::bans::lift,
        front_desk::statistics::show,

        // WeChat.
        wechat::conf::show,
        wechat::conf::save,
        wechat::conf::show_callback,
        wechat::conf::save_callback,
        wechat::menu::show,
        wechat::templates::chosen,
        wechat::templates::choose,
        wechat::templates::list,
        wechat::auth_file::upload,
        wechat::auth_file::download,
        wechat::pages::sign,
        wechat::oauth::begin,
        wechat::oauth::login,
        wechat::callbacks::verify,
        wechat::callbacks::receive,

        pictures::post_object::post_object,
        pictures::show,
        wechat::auth_file::show,
        health::health,
        health::ready,
    ),
    components(schemas(Failure)),
    modifiers(&InCommon),
)]
struct Api;

/// The description of the whole API.
pub fn document() -> openapi::OpenApi {
    Api::openapi()
}

/// The description as it is served. It is made when it is first asked for, once for all threads.
static JSON: LazyLock<Result<Bytes, serde_json::Error>> =
    LazyLock::new(|| serde_json::to_vec(&document()).map(Bytes::from));

/// `/openapi.json` and `/docs/`.
pub fn browse(config: &mut ServiceConfig) {
    config.service(web::resource("/openapi.json").route(web::get().to(json)));
    config.service(web::redirect("/docs", "/docs/"));
    config.service(SwaggerUi::new("/docs/{_:.*}").config(Config::from("/openapi.json")));
}

async fn json() -> Result<HttpResponse, ApiError> {
    match &*JSON {
        Ok(json) => Ok(HttpResponse::Ok().content_type("application/json").body(json.clone())),
        Err(error) => Err(ApiError::internal(error.to_string())),
    }
}

/// What holds for every endpoint: who calls, for which clinic, and how it can fail.
struct InCommon;

impl Modify for InCommon {
    fn modify(&self, api: &mut openapi::OpenApi) {
        let components = api.components.get_or_insert_default();
        let token = ApiKeyValue::with_description("token", "The token of register or login.");
        components.add_security_scheme("token", SecurityScheme::ApiKey(ApiKey::Header(token)));
        for (name, schema) in &mut components.schemas {
            // Replies have all their keys; of the parameters of a request some are optional.
            if let RefOr::T(Schema::Object(object)) = schema
                && !name.ends_with("Request")
            {
                object.required = object.properties.keys().cloned().collect();
            }
        }
        let failures = failures();
        let enveloped = api.paths.paths.iter_mut().filter(|(path, _)| path.starts_with("/pati_service/"));
        for (_, item) in enveloped {
            let operations = [item.get.as_mut(), item.post.as_mut()];
            for operation in operations.into_iter().flatten() {
                add_tenant(operation);
                for (status, response) in &failures {
                    operation.responses.responses.insert(status.clone(), response.clone());
                }
            }
        }
    }
}

fn add_tenant(operation: &mut Operation) {
    let tenant = ParameterBuilder::new()
        .name("tenantId")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("The clinic (租户); else that of the token, else the default one."))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
    operation.parameters.get_or_insert_default().push(tenant.build().into());
}

/// The failures of the table, one response for each HTTP status.
fn failures() -> BTreeMap<String, RefOr<Response>> {
    let mut rows: BTreeMap<u16, Vec<&Row>> = BTreeMap::new();
    for row in &TABLE {
        rows.entry(row.http).or_default().push(row);
    }
    let described = rows.into_iter().map(|(http, rows)| (http.to_string(), describe(&rows).into()));
    described.collect()
}

fn describe(rows: &[&Row]) -> Response {
    let lines = rows.iter().map(|row| format!("`{}` {}", row.status, row.message));
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Failure")));
    let response = ResponseBuilder::new()
        .description(lines.collect::<Vec<_>>().join("; "))
        .content("application/json", content.build());
    if rows.iter().all(|row| row.retry == Retry::Never) {
        return response.build();
    }
    let seconds = ObjectBuilder::new().schema_type(Type::Integer);
    let header = HeaderBuilder::new()
        .schema(Some(seconds))
        .description(Some("Seconds until it is worth trying again."));
    response.header("Retry-After", header.build()).build()
}
