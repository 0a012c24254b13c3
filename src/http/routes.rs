//! Which handler answers which route.

use actix_web::Route;
use actix_web::web::{self, ServiceConfig, get, post, resource};

use super::{accounts, bookings, departments, health, members, schedules};

/// Every route, under both prefixes: gateways put `/api` in front.
pub fn all(config: &mut ServiceConfig) {
    config.service(web::scope("/pati_service").configure(contract));
    config.service(web::scope("/api/pati_service").configure(contract));
    config.configure(probes);
}

/// What monitors ask; also on the administrator's address.
pub fn probes(config: &mut ServiceConfig) {
    config.service(resource("/health").route(get().to(health::health)));
    config.service(resource("/ready").route(get().to(health::ready)));
}

/// The endpoints of the contract. A resource for each path, so that another method is answered with 405.
fn contract(config: &mut ServiceConfig) {
    let mut serve = |path: &str, route: Route| {
        config.service(resource(path).route(route));
    };
    serve("/patient_service/register/phone_identifying_code", get().to(accounts::register_code));
    serve("/patient_service/register", post().to(accounts::register));
    serve("/patient_service/login", post().to(accounts::login));
    serve("/patient_service/member", post().to(members::add));
    serve("/patient_service/members", get().to(members::list));

    serve("/tenant_service/depts", get().to(departments::list));
    serve("/tenant_service/schedule", get().to(schedules::day_of_doctor));
    serve("/tenant_service/schedule/left_appo", get().to(schedules::left_slots));

    serve("/book_service/book/presubmit", post().to(bookings::presubmit));
    serve("/book_service/book/submit", post().to(bookings::submit));
    serve("/book_service/book/schedule", post().to(bookings::check_half_day));
    serve("/book_service/book/cancel", post().to(bookings::cancel));
    serve("/book_service/book/{bookId}", get().to(bookings::detail));
    serve("/book_service/books", get().to(bookings::list));
}
