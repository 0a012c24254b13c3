//! The description of the API against the routes. That replies fit it is checked with every request of every test
//! (`harness::contract`).

use std::collections::BTreeSet;

use harness::clinic::Clinic;
use harness::contract;
use harness::folder::Folder;
use harness::patients::Patient;
use harness::wire;
use pati_service::http::routes;

mod harness;

/// Seen to fail when a route was not in the list of the description.
#[test]
fn every_route_is_described_and_every_description_has_a_route() {
    let served: BTreeSet<_> = routes::contract()
        .iter()
        .map(|endpoint| (endpoint.method.to_string(), format!("/pati_service{}", endpoint.path)))
        .collect();
    let described: BTreeSet<_> = contract::described().into_keys().collect();
    assert!(served.len() > 30);
    assert_eq!(served, described);
    let document = serde_json::to_value(pati_service::http::openapi::document()).expect("JSON");
    for outside in ["/health", "/ready", "/oss/", "/oss/{key}", "/MP_verify_{code}.txt"] {
        assert!(document["paths"][outside].is_object(), "{outside}");
    }
}

/// Seen to fail when the page was not linked to the document.
#[actix_web::test]
async fn the_description_is_served_and_can_be_browsed() {
    let folder = Folder::new();
    let clinic = Clinic::start(&folder, &[]);
    let mut client = Patient::connect(clinic.address).await.expect("the server listens");
    let reply = client.raw(&wire::get("/openapi.json", &[])).await.expect("answered");
    assert_eq!(reply.status, 200);
    let served: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    let expected = serde_json::to_value(pati_service::http::openapi::document()).expect("JSON");
    assert_eq!(served, expected);
    let page = client.raw(&wire::get("/docs/", &[])).await.expect("answered");
    assert_eq!(page.status, 200);
    let html = String::from_utf8(page.body).expect("text");
    assert!(html.contains("swagger-ui"), "{html}");
    assert!(!html.contains("http://") && !html.contains("https://"), "loads something from outside: {html}");
    let script = client.raw(&wire::get("/docs/swagger-initializer.js", &[])).await.expect("answered");
    assert!(String::from_utf8_lossy(&script.body).contains("/openapi.json"));
    let moved = client.raw(&wire::get("/docs", &[])).await.expect("answered");
    assert_eq!((moved.status, moved.header("location")), (307, Some("/docs/")));
    clinic.stop();
}
