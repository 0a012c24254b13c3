//! What a monitor is told, from a server that has worked a little; and that what is written about it is so.

use std::collections::{BTreeMap, BTreeSet};

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::Patient;
use harness::people;
use harness::wire;

mod harness;

const SCHEDULE: u64 = 3001;

/// Name and labels of each sample, and its value.
type Samples = BTreeMap<String, f64>;

async fn scrape(clinic: &Clinic) -> (Samples, String) {
    let mut monitor = Patient::connect(clinic.admin_address).await.expect("the operator is served");
    let reply = monitor.raw(&wire::get("/metrics", &[])).await.expect("answered");
    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").expect("a type").starts_with("application/openmetrics-text"));
    let text = String::from_utf8(reply.body).expect("text");
    assert!(text.ends_with("# EOF\n"));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.map(|line| {
        let (name, value) = line.rsplit_once(' ').expect("name and value");
        (name.to_owned(), value.parse().expect("a number"))
    });
    (samples.collect(), text)
}

/// Seen to fail when the pattern of the route was taken from the wrong place, when refusals were counted as successes (those of the object store too), and when the
/// storage had no observer.
#[actix_web::test]
async fn what_happened_is_counted() {
    let folder = Folder::new();
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(SCHEDULE, 2001, day(2), Half::Am, 3);
    clinic::import(&folder, &file);
    let clinic = Clinic::start(&folder, &[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let member = patient.add_member(1).await;
    patient.submit(SCHEDULE, 1, &member).await.expect("answered").data();
    patient.submit(SCHEDULE, 2, &member).await.expect("answered").ruled_out("401006");
    patient.get("no/such/route").await.expect("answered").refused(404, "0404");
    patient.raw(&wire::get("/api/pati_service/tenant_service/depts", &[])).await.expect("answered");
    patient.depts().await.expect("answered").data();

    let form = [("Content-Type", "text/plain")];
    patient.raw(&wire::bare("POST", "/oss/", &form, "no form")).await.expect("answered");

    let (samples, text) = scrape(&clinic).await;
    let value = |name: &str| samples.get(name).copied().unwrap_or_else(|| panic!("no {name} in {text}"));
    let submit = r#"{method="POST",route="/book_service/book/submit""#;
    assert_eq!(value(&format!("pati_http_requests_total{submit},status=\"000\"}}")), 1.0);
    assert_eq!(value(&format!("pati_http_requests_total{submit},status=\"401006\"}}")), 1.0);
    assert_eq!(value(&format!("pati_http_request_duration_seconds_count{submit}}}")), 2.0);
    let depts = r#"pati_http_requests_total{method="GET",route="/tenant_service/depts",status="000"}"#;
    assert_eq!(value(depts), 2.0, "both prefixes are one route");
    assert_eq!(value(r#"pati_http_requests_total{method="GET",route="none",status="0404"}"#), 1.0);
    let refused =
        r#"pati_http_requests_total{method="POST",route="/oss/",status="RequestIsNotMultiPartContent"}"#;
    assert_eq!(value(refused), 1.0, "the object store has codes of its own");
    assert_eq!(value(r#"pati_bookings_total{request="submit",status="000"}"#), 1.0);
    assert_eq!(value(r#"pati_bookings_total{request="submit",status="401006"}"#), 1.0);
    assert_eq!(value(r#"pati_sms_total{template="register",outcome="sent"}"#), 1.0);
    assert!(value("pati_commit_group_size_count") >= 3.0, "registered, member, booked");
    assert_eq!(value("pati_journal_sync_duration_seconds_count"), value("pati_commit_group_size_count"));
    assert_eq!(value("pati_schedule_actors"), 1.0);
    assert_eq!(value("pati_schedule_permits_in_use"), 0.0);
    assert_eq!(value("pati_writable"), 1.0);
    for level in ["journal_bytes", "index_bytes", "live_records", "resident_memory_bytes", "open_files"] {
        assert!(value(&format!("pati_{level}")) > 0.0, "{level}");
    }
    // As a label: a number may have the same digits by chance.
    let member = format!("\"{member}\"");
    assert!(!text.contains(&people::phone(1)) && !text.contains(&member), "{text}");

    let reply = patient.raw(&wire::get("/metrics", &[])).await.expect("answered");
    assert_eq!(reply.status, 404, "patients are not told");
    clinic.stop();
}

/// The names of metrics in a text, without the endings that the format adds.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let metrics = words.filter(|word| word.starts_with("pati_") && *word != "pati_service");
    let bare = metrics.map(|word| {
        let endings = ["_bucket", "_count", "_sum", "_total"];
        endings.iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word).to_owned()
    });
    bare.collect()
}

/// Seen to fail when the dashboard asked for a metric under its old name, and when a new metric was not described.
#[actix_web::test]
async fn the_operators_documents_name_what_there_is() {
    let folder = Folder::new();
    let clinic = Clinic::start(&folder, &[]);
    // What has never been counted is not told.
    let mut patient = Patient::registered(&clinic, 1).await;
    patient.presubmit(SCHEDULE, 1).await.expect("answered").refused(404, "0404");
    let (_, text) = scrape(&clinic).await;
    clinic.stop();
    let declared = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let declared: BTreeSet<String> = declared.map(str::to_owned).collect();
    assert!(declared.len() > 15, "{declared:?}");
    assert_eq!(names(include_str!("../docs/operations.md")), declared);
    let dashboard = include_str!("../docs/grafana.json");
    let _: serde_json::Value = serde_json::from_str(dashboard).expect("JSON");
    let shown = names(dashboard);
    assert!(shown.len() > 10 && shown.is_subset(&declared), "{:?}", shown.difference(&declared));
}
