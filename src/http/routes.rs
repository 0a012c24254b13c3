//! Which handler answers which route.

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig, resource};
use actix_web::{FromRequest, Handler, Resource, Responder, Route};

use super::{accounts, bookings, departments, health, members, openapi, pictures, schedules};

/// A method on a path, and its handler.
pub struct Endpoint {
    /// The method.
    pub method: Method,
    /// The path below its scope; `{name}` stands for a parameter.
    pub path: &'static str,
    route: Route,
}

/// Every route, the contract's under both prefixes: gateways put `/api` in front.
pub fn all(config: &mut ServiceConfig) {
    config.service(web::scope("/pati_service").configure(|config| serve(config, contract())));
    config.service(web::scope("/api/pati_service").configure(|config| serve(config, contract())));
    config.configure(openapi::browse);
    config.configure(pictures::store);
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
        get("/patient_service/register/phone_identifying_code", accounts::register_code),
        post("/patient_service/register", accounts::register),
        post("/patient_service/login", accounts::login),

        post("/patient_service/member", members::add),
        get("/patient_service/members", members::list),

        post("/patient_service/myinfo/upload_picture", pictures::upload_picture),

        get("/tenant_service/depts", departments::list),
        get("/tenant_service/schedule", schedules::day_of_doctor),
        get("/tenant_service/schedule/left_appo", schedules::left_slots),

        post("/book_service/book/presubmit", bookings::presubmit),
        post("/book_service/book/submit", bookings::submit),
        post("/book_service/book/schedule", bookings::check_half_day),
        post("/book_service/book/cancel", bookings::cancel),
        get("/book_service/book/{bookId}", bookings::detail),
        get("/book_service/books", bookings::list),
    ]
}

/// One resource for each path, so that a method it does not have is answered with 405.
fn serve(config: &mut ServiceConfig, endpoints: Vec<Endpoint>) {
    let mut resources: Vec<(&str, Resource)> = Vec::new();
    for Endpoint { path, route, .. } in endpoints {
        let known = resources.iter().position(|(known, _)| *known == path);
        let resource = known.map_or_else(|| resource(path), |index| resources.remove(index).1);
        resources.push((path, resource.route(route)));
    }
    for (_, resource) in resources {
        config.service(resource);
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
