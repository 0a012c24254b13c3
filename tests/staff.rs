//! The staff over HTTP: the first account, logging in and out, and what administrators change.

use std::io;

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::{Answer, PASSWORD, Patient};
use harness::{shape, staff};
use serde_json::{Value, json};

mod harness;

const OTHER_PASSWORD: &str = "another horse 9";

const TRUSTED: [(&str, &str); 1] = [("PATI_SERVER__TRUSTED_PROXIES", r#"["127.0.0.1"]"#)];

/// Logs in from an address of one's own, because an address with many wrong passwords has to wait.
async fn log_in_from(client: &mut Patient, address: u8, account: &str, password: &str) -> io::Result<Answer> {
    let address = format!("198.51.100.{address}");
    let body = json!({"account": account, "password": password});
    client.post_with("manager_service/login", &body, &[("X-Forwarded-For", &address)]).await
}

async fn log_in(client: &mut Patient, account: &str, password: &str) -> io::Result<Answer> {
    log_in_from(client, 1, account, password).await
}

/// Another session of an account.
async fn session(clinic: &Clinic, account: &str, password: &str) -> io::Result<Patient> {
    let mut client = Patient::connect(clinic.address).await?;
    let answer = log_in(&mut client, account, password).await?.data();
    client.use_token(answer["token"].as_str().expect("a token"));
    Ok(client)
}

/// Whether the client's session is alive: asks what every role may.
async fn is_logged_in(client: &mut Patient) -> io::Result<bool> {
    let answer = change_password(client, "x", "y").await?;
    match answer.status.as_str() {
        // The passwords are too short to be looked at.
        "0001" => Ok(true),
        "0401" => Ok(false),
        other => panic!("{other}"),
    }
}

async fn logout(client: &mut Patient) -> io::Result<Answer> {
    client.post("manager_service/logout", &json!({})).await
}

async fn change_password(client: &mut Patient, old: &str, new: &str) -> io::Result<Answer> {
    client.post("manager_service/change_password", &json!({"old_password": old, "new_password": new})).await
}

/// Asks for a change of one member of the staff.
async fn change(client: &mut Patient, what: &str, id: &str, more: Value) -> io::Result<Answer> {
    let mut body = more;
    body["staff_id"] = json!(id);
    client.post(&format!("manager_service/staff/{what}"), &body).await
}

async fn disable(client: &mut Patient, id: &str) -> io::Result<Answer> {
    change(client, "disable", id, json!({})).await
}

async fn enable(client: &mut Patient, id: &str) -> io::Result<Answer> {
    change(client, "enable", id, json!({})).await
}

async fn update(client: &mut Patient, id: &str, name: &str, role: &str) -> io::Result<Answer> {
    change(client, "update", id, json!({"name": name, "role": role})).await
}

/// The whole staff, as administrators see it.
async fn everybody(admin: &mut Patient) -> io::Result<Vec<Value>> {
    let page = admin.get("manager_service/staff?page_size=100").await?.data();
    Ok(page["list"].as_array().expect("rows").clone())
}

/// The ids of two administrators and a member of the desk, in that order.
fn three(folder: &Folder) -> [String; 3] {
    [("boss", "admin"), ("vice", "admin"), ("desk", "desk")]
        .map(|(account, role)| staff::add(folder, &["--account", account, "--role", role]))
}

/// From nothing: no folder, no clinic, nobody who could log in.
#[tokio::test]
async fn the_first_account_is_added_to_an_empty_folder_and_no_other_is_there() -> io::Result<()> {
    let fresh = Folder::new();
    let clinic = Clinic::start(&fresh, &[]);
    let mut client = Patient::connect(clinic.address).await?;
    for (account, password) in [("admin", "admin"), ("admin", "admin123"), ("root", PASSWORD)] {
        let answer = log_in(&mut client, account, password).await?;
        assert!(["0001", "400010"].contains(&answer.status.as_str()), "{account}: {}", answer.status);
    }
    clinic.stop();

    let folder = Folder::new();
    let id = staff::add(&folder, &["--account", "Boss", "--role", "admin", "--name", "王院长"]);
    let clinic = Clinic::start(&folder, &[]);
    let mut client = Patient::connect(clinic.address).await?;
    let data = log_in(&mut client, "boss", PASSWORD).await?.data();
    shape::check(&data, &json!({"userId": "String", "token": "String", "name": "String", "role": "String"}));
    assert_eq!(
        (&data["userId"], &data["name"], &data["role"]),
        (&json!(id), &json!("王院长"), &json!("admin"))
    );
    client.use_token(data["token"].as_str().expect("a token"));
    assert_eq!(everybody(&mut client).await?.len(), 1);

    // The command is refused while the server has the folder, and says which process it is.
    let output = staff::try_add(&folder, &["--account", "desk", "--role", "desk"], &format!("{PASSWORD}\n"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("in use by process {}: stop it first", clinic.pid())), "{said}");
    clinic.stop();
    Ok(())
}

#[test]
fn the_command_says_what_is_wrong() {
    let folder = Folder::new();
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(3001, 2001, day(2), Half::Am, 9);
    clinic::import(&folder, &file);
    let good = format!("{PASSWORD}\n");
    let desk = ["--account", "desk", "--role", "desk"];
    staff::add(&folder, &desk);
    for (arguments, input, expected) in [
        (&desk[..], &good[..], "there is a member of the staff with this account already"),
        (&["--account", "new", "--role", "desk"], "", "no password was given"),
        (&["--account", "new", "--role", "desk"], "\n", "no password was given"),
        (&["--account", "new", "--role", "desk"], "short\n", "8 to 64 characters"),
        (&["--account", "new", "--role", "desk"], "12345678\n", "too easy to guess"),
        (&["--account", "new", "--role", "doctor", "--doctor", "2002"], &good, "has no doctor with this id"),
        (&["--tenant", "7", "--account", "new", "--role", "desk"], &good, "there is no clinic 7"),
    ] {
        let output = staff::try_add(&folder, arguments, input);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!said.contains(PASSWORD), "{said}");
    }
    let help = clinic::run(&folder, &["staff", "add", "--help"]);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for told in ["--account", "--role", "standard input", "No server may run", "< password.txt"] {
        assert!(help.contains(told), "{told}: {help}");
    }
}

/// Seen to fail when a logout left its session, and when a change of password left the others.
#[tokio::test]
async fn a_logout_ends_its_session_and_a_change_of_password_all_others() -> io::Result<()> {
    let folder = Folder::new();
    three(&folder);
    let clinic = Clinic::start(&folder, &[]);
    let mut first = session(&clinic, "desk", PASSWORD).await?;
    let mut second = session(&clinic, "desk", PASSWORD).await?;
    let mut third = session(&clinic, "desk", PASSWORD).await?;
    logout(&mut first).await?.done();
    logout(&mut first).await?.refused(401, "0401");
    change_password(&mut second, "wrong horse 9", OTHER_PASSWORD).await?.ruled_out("400005");
    change_password(&mut second, PASSWORD, "12345678").await?.ruled_out("400006");
    assert!(is_logged_in(&mut third).await?);
    change_password(&mut second, PASSWORD, OTHER_PASSWORD).await?.done();
    log_in(&mut first, "desk", PASSWORD).await?.ruled_out("400010");
    clinic.stop();

    let clinic = Clinic::start(&folder, &[]);
    for (client, alive) in [(&first, false), (&second, true), (&third, false)] {
        assert_eq!(is_logged_in(&mut client.again(clinic.address).await?).await?, alive);
    }
    session(&clinic, "desk", OTHER_PASSWORD).await?;
    clinic.stop();
    Ok(())
}

/// Seen to fail when a disabled account was asked for its password and not locked after ten right ones, and when a reset
/// left the lock.
#[tokio::test]
async fn ten_wrong_passwords_lock_an_account_whether_it_works_or_not() -> io::Result<()> {
    let folder = Folder::new();
    let [_, vice, desk] = three(&folder);
    let clinic = Clinic::start(&folder, &TRUSTED);
    let mut admin = session(&clinic, "boss", PASSWORD).await?;
    disable(&mut admin, &vice).await?.done();
    let mut client = Patient::connect(clinic.address).await?;
    // Somebody with a wrong password, somebody disabled with the right one, and nobody.
    let tried = [(11, "desk", "wrong horse 9"), (12, "vice", PASSWORD), (13, "nobody", PASSWORD)];
    let mut refusals = Vec::new();
    for (address, account, password) in tried {
        for _ in 0..10 {
            let answer = log_in_from(&mut client, address, account, password).await?;
            answer.ruled_out("400010");
            refusals.push(answer.reply.body);
        }
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "all are told the same");
    clinic.stop();

    let clinic = Clinic::start(&folder, &TRUSTED);
    let mut client = Patient::connect(clinic.address).await?;
    for (_, account, _) in tried {
        let locked = log_in(&mut client, account, PASSWORD).await?;
        locked.refused(429, "0429");
        let seconds = locked.reply.header("retry-after").expect("told").parse::<u64>().expect("seconds");
        assert!((600..=900).contains(&seconds), "{seconds}");
    }
    // The administrator's word is another proof.
    let mut admin = admin.again(clinic.address).await?;
    let new = json!({"new_password": OTHER_PASSWORD});
    change(&mut admin, "reset_password", &desk, new.clone()).await?.done();
    session(&clinic, "desk", OTHER_PASSWORD).await?;
    change(&mut admin, "reset_password", &vice, new).await?.done();
    log_in(&mut client, "vice", OTHER_PASSWORD).await?.ruled_out("400010");
    clinic.stop();
    Ok(())
}

/// Seen to fail when a reset left the sessions.
#[tokio::test]
async fn a_reset_ends_all_sessions() -> io::Result<()> {
    let folder = Folder::new();
    let [_, _, desk] = three(&folder);
    let clinic = Clinic::start(&folder, &[]);
    let mut admin = session(&clinic, "boss", PASSWORD).await?;
    let mut worker = session(&clinic, "desk", PASSWORD).await?;
    let reset = |new: &str| json!({"new_password": new});
    change(&mut admin, "reset_password", &desk, reset("12345678")).await?.ruled_out("400006");
    change(&mut admin, "reset_password", "1999999999", reset(OTHER_PASSWORD)).await?.refused(404, "0404");
    assert!(is_logged_in(&mut worker).await?);
    change(&mut admin, "reset_password", &desk, reset(OTHER_PASSWORD)).await?.done();
    assert!(!is_logged_in(&mut worker).await?);
    log_in(&mut worker, "desk", PASSWORD).await?.ruled_out("400010");
    clinic.stop();
    let clinic = Clinic::start(&folder, &[]);
    assert!(!is_logged_in(&mut worker.again(clinic.address).await?).await?);
    session(&clinic, "desk", OTHER_PASSWORD).await?;
    clinic.stop();
    Ok(())
}

fn newcomer() -> Value {
    json!({"account": "chen", "name": "陈医生", "role": "doctor", "doctor_id": "2001", "password": PASSWORD})
}

/// `newcomer` with one field changed.
fn newcomer_with(field: &str, value: Value) -> Value {
    let mut body = newcomer();
    body[field] = value;
    body
}

/// Seen to fail when the password of the repeat was not compared.
#[tokio::test]
async fn an_account_is_added_once_however_often_it_is_asked_for() -> io::Result<()> {
    let folder = Folder::new();
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(3001, 2001, day(2), Half::Am, 9);
    clinic::import(&folder, &file);
    let [boss, ..] = three(&folder);
    let clinic = Clinic::start(&folder, &[]);
    let admin = session(&clinic, "boss", PASSWORD).await?;
    let mut requests = Vec::new();
    for _ in 0..10 {
        let mut client = admin.again(clinic.address).await?;
        requests.push(tokio::spawn(async move { client.post("manager_service/staff", &newcomer()).await }));
    }
    let mut ids = Vec::new();
    for request in requests {
        ids.push(request.await??.data()["staff_id"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    clinic.stop();

    let clinic = Clinic::start(&folder, &[]);
    let mut admin = admin.again(clinic.address).await?;
    let again = admin.post("manager_service/staff", &newcomer()).await?.data();
    assert_eq!(again["staff_id"], ids[0]);
    for (field, value, status) in [
        ("name", json!("别人"), "400011"),
        ("role", json!("desk"), "400011"),
        ("password", json!(OTHER_PASSWORD), "400011"),
        ("account", json!("CHEN"), "000"),
        ("account", json!("."), "0001"),
        ("role", json!("boss"), "0001"),
        ("doctor_id", Value::Null, "0001"),
        ("name", json!(""), "0001"),
        ("password", json!("short"), "0001"),
        ("password", json!("12345678"), "400006"),
    ] {
        let answer = admin.post("manager_service/staff", &newcomer_with(field, value.clone())).await?;
        assert_eq!(answer.status, status, "{field} {value}");
    }
    let mut stranger = newcomer_with("doctor_id", json!("2009"));
    stranger["account"] = json!("stranger");
    admin.post("manager_service/staff", &stranger).await?.refused(404, "0404");

    let rows = everybody(&mut admin).await?;
    let accounts: Vec<_> = rows.iter().map(|row| row["account"].as_str().unwrap_or_default()).collect();
    assert_eq!(accounts, ["boss", "vice", "desk", "chen"]);
    let (first, last) = (&rows[0], &rows[3]);
    assert_eq!((&first["staff_id"], &first["doctor_id"]), (&json!(boss), &Value::Null));
    assert!(first["last_login_time"].is_i64() && last["last_login_time"].is_null(), "{rows:?}");
    let told = ["name", "role", "doctor_id", "enabled"].map(|field| last[field].clone());
    assert_eq!(told, [json!("陈医生"), json!("doctor"), json!("2001"), json!(1)]);
    let page = admin.get("manager_service/staff?page_num=2&page_size=3").await?.data();
    assert_eq!((&page["total"], &page["pages"], &page["list"]), (&json!(4), &json!(2), &json!([last])));
    session(&clinic, "chen", PASSWORD).await?;
    clinic.stop();
    Ok(())
}

/// Seen to fail when disabling left the sessions, which enabling brought back.
#[tokio::test]
async fn a_role_and_an_end_hold_from_the_next_request_on() -> io::Result<()> {
    let folder = Folder::new();
    let [boss, vice, desk] = three(&folder);
    let clinic = Clinic::start(&folder, &[]);
    let mut admin = session(&clinic, "boss", PASSWORD).await?;
    let mut worker = session(&clinic, "desk", PASSWORD).await?;
    worker.get("manager_service/staff").await?.refused(403, "0403");
    update(&mut admin, &desk, "李主任", "admin").await?.done();
    everybody(&mut worker).await?;
    // The same again is no change.
    update(&mut admin, &desk, "李主任", "admin").await?.done();
    update(&mut worker, &vice, "王副", "desk").await?.done();
    update(&mut admin, &desk, "李主任", "desk").await?.done();
    worker.get("manager_service/staff").await?.refused(403, "0403");
    disable(&mut worker, &boss).await?.refused(403, "0403");
    for wrong in [json!({"name": "李", "role": "boss"}), json!({"role": "desk"}), json!({"name": "李"})] {
        change(&mut admin, "update", &desk, wrong).await?.refused(400, "0001");
    }
    let unknown = json!({"name": "李", "role": "doctor", "doctor_id": "2009"});
    change(&mut admin, "update", &desk, unknown).await?.refused(404, "0404");
    update(&mut admin, "1999999999", "李", "desk").await?.refused(404, "0404");

    for _ in 0..2 {
        disable(&mut admin, &desk).await?.done();
        assert!(!is_logged_in(&mut worker).await?);
        log_in(&mut worker, "desk", PASSWORD).await?.ruled_out("400010");
    }
    let rows = everybody(&mut admin).await?;
    let of_desk = rows.iter().find(|row| row["staff_id"] == json!(desk)).expect("still listed");
    assert_eq!((&of_desk["enabled"], &of_desk["name"]), (&json!(0), &json!("李主任")));
    for _ in 0..2 {
        enable(&mut admin, &desk).await?.done();
    }
    // Who is let in again logs in again.
    assert!(!is_logged_in(&mut worker).await?);
    session(&clinic, "desk", PASSWORD).await?;
    clinic.stop();
    Ok(())
}

/// Seen to fail when the last administrator could disable themselves, and when a disabled one counted as another.
#[tokio::test]
async fn the_last_administrator_stays() -> io::Result<()> {
    let folder = Folder::new();
    let [boss, vice, desk] = three(&folder);
    let clinic = Clinic::start(&folder, &[]);
    let mut admin = session(&clinic, "boss", PASSWORD).await?;
    disable(&mut admin, &vice).await?.done();
    disable(&mut admin, &boss).await?.ruled_out("400012");
    update(&mut admin, &boss, "王院长", "desk").await?.ruled_out("400012");
    // The own name and another's role are another matter.
    update(&mut admin, &boss, "王院长", "admin").await?.done();
    update(&mut admin, &desk, "李主任", "admin").await?.done();
    disable(&mut admin, &boss).await?.done();
    assert!(!is_logged_in(&mut admin).await?);
    let mut next = session(&clinic, "desk", PASSWORD).await?;
    disable(&mut next, &desk).await?.ruled_out("400012");
    clinic.stop();
    Ok(())
}

/// How many of these requests, made at once by different clients, succeed.
async fn successes(requests: Vec<(Patient, &'static str, Value)>) -> io::Result<usize> {
    let running: Vec<_> = requests
        .into_iter()
        .map(|(mut client, path, body)| tokio::spawn(async move { client.post(path, &body).await }))
        .collect();
    let mut count = 0;
    for request in running {
        let answer = request.await??;
        let may_be = ["000", "0401", "0403", "400012"];
        assert!(may_be.contains(&answer.status.as_str()), "{}", answer.status);
        count += usize::from(answer.is_success());
    }
    Ok(count)
}

/// Seen to fail when a change did not depend on the caller's own record, and when giving up the own role did not depend
/// on the record of the other.
#[tokio::test]
async fn two_administrators_who_remove_each_other_at_once_do_not_both_succeed() -> io::Result<()> {
    let folder = Folder::new();
    let [boss, vice, desk] = three(&folder);
    let clinic = Clinic::start(&folder, &[]);
    // Restores both without either of them.
    let mut third = session(&clinic, "boss", PASSWORD).await?;
    let demoted = |id: &str| json!({"staff_id": id, "name": "某人", "role": "desk"});
    let named = |id: &str| json!({"staff_id": id});
    let (update, disable) = ("manager_service/staff/update", "manager_service/staff/disable");
    for round in 0..12 {
        let first = session(&clinic, "boss", PASSWORD).await?;
        let second = session(&clinic, "vice", PASSWORD).await?;
        let requests = match round % 4 {
            0 => vec![(first, update, demoted(&vice)), (second, update, demoted(&boss))],
            1 => vec![(first, disable, named(&vice)), (second, disable, named(&boss))],
            2 => vec![(first, update, demoted(&boss)), (second, update, demoted(&vice))],
            _ => vec![(first, disable, named(&boss)), (second, disable, named(&vice))],
        };
        assert_eq!(successes(requests).await?, 1, "round {round}");
        // Whoever is left makes the other one an administrator again.
        for survivor in ["boss", "vice"] {
            let mut client = Patient::connect(clinic.address).await?;
            let answer = log_in(&mut client, survivor, PASSWORD).await?;
            if !answer.is_success() {
                continue;
            }
            let answer = answer.data();
            if answer["role"] == "admin" {
                client.use_token(answer["token"].as_str().expect("a token"));
                for id in [&boss, &vice] {
                    enable(&mut client, id).await?.done();
                    client
                        .post(update, &json!({"staff_id": id, "name": "某人", "role": "admin"}))
                        .await?
                        .done();
                }
                third = client;
            }
        }
        let admins = everybody(&mut third).await?;
        let admins = admins.iter().filter(|row| row["role"] == "admin" && row["enabled"] == 1);
        assert_eq!(admins.count(), 2, "round {round}");
    }
    assert_eq!(everybody(&mut third).await?[2]["staff_id"], json!(desk));
    clinic.stop();
    Ok(())
}
