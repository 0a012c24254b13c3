//! docs/errors.md lists exactly the table of errors, in its order.

use pati_service::http::error::{Retry, TABLE};

/// The planted bugs: a message changed in one of the two, two rows exchanged, a row left out of the document, a row
/// in the document only.
#[test]
fn the_document_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md");
    let document = std::fs::read_to_string(path).expect("docs/errors.md");
    let (_, rows) = document.split_once("|---|---|---|---|---|\n").expect("a table");
    let documented: Vec<&str> = rows.lines().collect();

    let expected: Vec<String> = TABLE
        .iter()
        .map(|row| {
            let retry = match row.retry {
                Retry::Never => String::new(),
                Retry::AfterSeconds(seconds) => format!("{seconds} s"),
                Retry::WhenPermitted => "until permitted".to_owned(),
            };
            let (code, status, http, message) = (row.code, row.status, row.http, row.message);
            format!("| {code:?} | {status} | {http} | {message} | {retry} |")
        })
        .collect();

    assert_eq!(documented, expected);
}
