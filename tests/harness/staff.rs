//! The clinic's staff: added on the command line, logged in over HTTP.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use super::clinic::{self, Clinic};
use super::folder::Folder;
use super::patients::{Answer, PASSWORD, Patient};
use super::wire;

/// Runs `staff add` with these arguments and everybody's password, on a data folder that no server uses.
#[track_caller]
pub fn add(folder: &Folder, arguments: &[&str]) {
    let mut command = clinic::program(folder);
    command.args(["staff", "add"]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let mut input = child.stdin.take().expect("piped");
    writeln!(input, "{PASSWORD}").expect("read");
    drop(input);
    let output = child.wait_with_output().expect("a child");
    assert!(output.status.success(), "staff add failed: {}", String::from_utf8_lossy(&output.stderr));
}

/// Logs in and answers the token.
pub async fn token(clinic: &Clinic, tenant: u64, account: &str) -> String {
    let mut client = Patient::connect(clinic.address).await.expect("the server listens");
    let tenant = tenant.to_string();
    let body = json!({"account": account, "password": PASSWORD}).to_string();
    let request = wire::post("/pati_service/manager_service/login", &[("tenantId", &tenant)], &body);
    let answer = Answer::of(client.raw(&request).await.expect("answered")).expect("enveloped");
    answer.data()["token"].as_str().expect("a token").to_owned()
}

/// A member of the staff of the default clinic, logged in on a connection of their own: `get` and `post` are a
/// patient's.
pub async fn logged_in(clinic: &Clinic, account: &str) -> Patient {
    let mut client = Patient::connect(clinic.address).await.expect("the server listens");
    client.use_token(&token(clinic, 1, account).await);
    client
}
