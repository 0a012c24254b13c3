//! The clinic's staff: added on the command line, logged in over HTTP.

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::json;

use super::clinic::{self, Clinic};
use super::folder::Folder;
use super::patients::{Answer, PASSWORD, Patient};
use super::wire;

/// Runs `staff add` with these arguments and everybody's password, on a data folder that no server uses. Answers the
/// id of who was added.
#[track_caller]
pub fn add(folder: &Folder, arguments: &[&str]) -> String {
    let output = try_add(folder, arguments, &format!("{PASSWORD}\n"));
    assert!(output.status.success(), "staff add failed: {}", String::from_utf8_lossy(&output.stderr));
    // member of the staff 1000000000 was added to clinic 1
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.split(' ').find(|word| word.parse::<u64>().is_ok()).expect("an id").to_owned()
}

/// Runs `staff add` with these arguments and this standard input.
pub fn try_add(folder: &Folder, arguments: &[&str], input: &str) -> Output {
    let mut command = clinic::program(folder);
    command.args(["staff", "add"]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let mut stdin = child.stdin.take().expect("piped");
    // A command that is refused for another reason does not read it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("a child")
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
