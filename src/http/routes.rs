//! Which handler answers which route.

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig, resource};
use actix_web::{FromRequest, Handler, Resource, Responder, Route};

use super::{
    accounts, barcodes, bookings, clinic_info, departments, doctors, front_desk, health, members, openapi,
    patients, payments, pictures, profile, schedules, staff, templates, timetable, wechat,
};

/// A method on a path, and its handler.
pub struct Endpoint {
    /// The method.
    pub method: Method,
    /// The path below its scope; `{name}` stands for a parameter.
    pub path: &'static str,
    route: Route,
}

/// The path of a resource as its routes are registered, for metrics: the same below both prefixes.
#[derive(Clone, Copy, Debug)]
pub struct Pattern(pub &'static str);

/// Every route, the contract's under both prefixes: gateways put `/api` in front.
pub fn all(config: &mut ServiceConfig) {
    // Before the scopes, which would take every path below them.
    config.configure(payments::notices::serve);
    config.service(web::scope("/pati_service").configure(|config| serve(config, contract())));
    config.service(web::scope("/api/pati_service").configure(|config| serve(config, contract())));
    config.configure(openapi::browse);
    config.configure(pictures::store);
    config.configure(wechat::auth_file::at_the_root);
    config.configure(probes);
}

/// What is answered on the administrator's address only, and what monitors ask.
pub fn admin(config: &mut ServiceConfig) {
    serve(config, vec![get("/metrics", health::metrics)]);
    config.configure(probes);
}

/// What monitors ask; also on the administrator's address.
pub fn probes(config: &mut ServiceConfig) {
    serve(config, vec![get("/health", health::health), get("/ready", health::ready)]);
}

/// The endpoints of the contract, and ours beside them.
#[rustfmt::skip]
pub fn contract() -> Vec<Endpoint> {
    vec![
        get("/patient_service/register/phone_identifying_code", accounts::registration::register_code),
        post("/patient_service/register", accounts::registration::register),
        get("/patient_service/reset_password/phone_identifying_code", accounts::passwords::reset_code),
        post("/patient_service/reset_password/phone_identifying_code_validate", accounts::passwords::validate_reset_code),
        post("/patient_service/reset_password", accounts::passwords::reset),
        post("/patient_service/login", accounts::login::login),
        post("/patient_service/change_password", accounts::passwords::change),
        post("/patient_service/logout", accounts::login::logout),
        get("/patient_service/phone/identifying_code", accounts::phones::change_code),
        post("/patient_service/change_phone", accounts::phones::change),
        get("/patient_service/myinfo/export", accounts::own_data::export),
        post("/patient_service/close_account", accounts::closing::close),

        post("/patient_service/member", members::add),
        post("/patient_service/member/update", members::update),
        post("/patient_service/member/del", members::remove),
        post("/patient_service/member/default", members::make_default),
        get("/patient_service/members", members::list),
        get("/patient_service/myinfo", profile::show),
        post("/patient_service/myinfo", profile::update),
        get("/wechat/query_bar_code", barcodes::of_member),
        get("/wechat/service_info", clinic_info::show),

        post("/patient_service/myinfo/upload_picture", pictures::upload_picture),

        get("/tenant_service/depts", departments::list),
        get("/tenant_service/schedule_by_date", schedules::lists::by_date),
        get("/tenant_service/schedule_by_doctor", schedules::lists::by_doctor),
        get("/tenant_service/schedule", schedules::day_of_doctor),
        get("/tenant_service/schedule/left_appo", schedules::left_slots),
        get("/tenant_service/schedule/info", schedules::info::of_doctor),

        post("/book_service/book/presubmit", bookings::presubmit),
        post("/book_service/book/submit", bookings::submit),
        post("/book_service/book/schedule", bookings::check_half_day),
        post("/book_service/book/cancel", bookings::cancel),
        get("/book_service/book/{bookId}", bookings::detail),
        get("/book_service/books", bookings::list),

        post("/book_service/pay/appo_order", payments::order),
        post("/wx/jsapi/paysign", payments::paysign::sign),
        get("/wechat/pay_conf", payments::conf::show),
        post("/wechat/pay_conf", payments::conf::update),

        post("/manager_service/login", staff::login::login),
        post("/manager_service/logout", staff::login::logout),
        post("/manager_service/change_password", staff::passwords::change),
        get("/manager_service/staff", staff::accounts::list),
        post("/manager_service/staff", staff::accounts::add),
        post("/manager_service/staff/update", staff::changes::update),
        post("/manager_service/staff/disable", staff::changes::disable),
        post("/manager_service/staff/enable", staff::changes::enable),
        post("/manager_service/staff/reset_password", staff::changes::reset_password),
        get("/manager_service/audit", staff::trail::read),

        // Patients, groups and labels.
        get("/manager_service/list_person_count", patients::labels::count),
        get("/manager_service/list", patients::labels::list),
        post("/manager_service/save_group_label", patients::labels::save),
        post("/manager_service/del_group_label", patients::labels::delete),
        get("/manager_service/pati_info", patients::info::show),
        post("/manager_service/patient", patients::save),
        get("/manager_service/patients", patients::list),

        // Departments, doctors, templates.
        get("/manager_service/departments", departments::managed::list),
        post("/manager_service/department", departments::managed::save),
        get("/manager_service/doctors", doctors::list),
        post("/manager_service/doctor", doctors::save),
        get("/manager_service/doctor_list", doctors::search),
        post("/wechat/service_info", clinic_info::update),
        get("/manager_service/templates", templates::list),
        post("/manager_service/template", templates::save),
        post("/manager_service/template/del", templates::remove),
        get("/manager_service/exceptions", templates::exceptions::list),
        post("/manager_service/exception", templates::exceptions::save),
        post("/manager_service/exception/del", templates::exceptions::remove),
        post("/manager_service/generate", templates::generation::generate),

        // Schedules.
        get("/manager_service/schedules", timetable::list),
        get("/manager_service/schedule", timetable::show),
        post("/manager_service/schedule", timetable::saving::save),
        post("/manager_service/schedule/relocate", timetable::changes::relocate),
        post("/manager_service/schedule/add_slots", timetable::changes::add_slots),
        post("/manager_service/schedule/stop", timetable::changes::stop),
        post("/manager_service/schedule/reopen", timetable::changes::reopen),
        get("/manager_service/opening", timetable::opening::show),
        post("/manager_service/opening", timetable::opening::set),
        get("/manager_service/notifications", timetable::notifications::list),

        // The front desk.
        get("/manager_service/bookings", front_desk::lists::list),
        get("/manager_service/booking", front_desk::lists::one),
        post("/manager_service/booking", front_desk::behalf::book),
        post("/manager_service/booking/check_in", front_desk::acts::check_in),
        post("/manager_service/booking/cash_paid", front_desk::acts::cash_paid),
        post("/manager_service/booking/cancel", front_desk::acts::cancel),
        post("/manager_service/booking/correct", front_desk::acts::correct),
        get("/manager_service/bookings/csv", front_desk::export::csv),
        get("/manager_service/bookings/print", front_desk::export::print),
        get("/manager_service/bans", front_desk::bans::list),
        post("/manager_service/ban/lift", front_desk::bans::lift),
        get("/manager_service/statistics", front_desk::statistics::show),
        get("/manager_service/payments", payments::listed::list),
        post("/manager_service/payments/retry", payments::retries::retry),

        // WeChat.
        get("/wechat/conf", wechat::conf::show),
        post("/wechat/conf", wechat::conf::save),
        get("/wechat/callback_conf", wechat::conf::show_callback),
        post("/wechat/callback_conf", wechat::conf::save_callback),
        get("/wechat/menu_url", wechat::menu::show),
        get("/wechat/template_id", wechat::templates::chosen),
        post("/wechat/template_id", wechat::templates::choose),
        get("/wechat/templates", wechat::templates::list),
        post("/wechat/auth_file/upload", wechat::auth_file::upload),
        get("/wechat/auth_file/download", wechat::auth_file::download),
        post("/wx/jsapi/signature", wechat::pages::sign),
        get("/wechat/oauth/url", wechat::oauth::begin),
        post("/wechat/oauth/login", wechat::oauth::login),
        get("/wechat/callback/{tenant}", wechat::callbacks::verify),
        post("/wechat/callback/{tenant}", wechat::callbacks::receive),
    ]
}

/// One resource for each path, so that a method it does not have is answered with 405.
fn serve(config: &mut ServiceConfig, endpoints: Vec<Endpoint>) {
    let mut resources: Vec<(&'static str, Resource)> = Vec::new();
    for Endpoint { path, route, .. } in endpoints {
        let known = resources.iter().position(|(known, _)| *known == path);
        let resource = known.map_or_else(|| resource(path), |index| resources.remove(index).1);
        resources.push((path, resource.route(route)));
    }
    for (path, resource) in resources {
        config.service(resource.app_data(Pattern(path)));
    }
}

fn get<F, Args>(path: &'static str, handler: F) -> Endpoint
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Endpoint { method: Method::GET, path, route: web::get().to(handler) }
}

fn post<F, Args>(path: &'static str, handler: F) -> Endpoint
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Endpoint { method: Method::POST, path, route: web::post().to(handler) }
}
