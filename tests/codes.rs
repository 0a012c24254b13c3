//! Verification codes (T17): how many are sent, how often they may be tried, that they work once, and that they tell
//! nobody who has an account. Rolling windows by a clock that is set by hand are tested beside `SmsLimits`.

use std::io;

use harness::clinic::Clinic;
use harness::folder::Folder;
use harness::patients::{Answer, PASSWORD, Patient};
use harness::{people, wire};

mod harness;

/// Limits that are off unless a test sets them.
const NO_LIMITS: [(&str, &str); 4] = [
    ("PATI_SMS__PER_PHONE_INTERVAL_SECONDS", "0"),
    ("PATI_SMS__PER_PHONE_PER_DAY", "0"),
    ("PATI_SMS__PER_IP_PER_HOUR", "0"),
    ("PATI_SMS__PER_IP_PER_DAY", "0"),
];

fn start(folder: &Folder, limits: &[(&str, &str)]) -> Clinic {
    let trusted = [("PATI_SERVER__TRUSTED_PROXIES", r#"["127.0.0.1"]"#)];
    Clinic::start(folder, &[&NO_LIMITS[..], &trusted, limits].concat())
}

/// Asks for a code of this phone from this address.
async fn ask(client: &mut Patient, purpose: &str, phone: &str, address: &str) -> io::Result<Answer> {
    let target = format!("/pati_service/patient_service/{purpose}/phone_identifying_code?phone={phone}");
    Answer::of(client.raw(&wire::get(&target, &[("X-Forwarded-For", address)])).await?)
}

/// The seconds of a 0429.
#[track_caller]
fn retry_after(answer: &Answer) -> u64 {
    answer.refused(429, "0429");
    answer.reply.header("retry-after").expect("always there for 0429").parse().expect("seconds")
}

/// Seen to fail when two texts were permitted in the interval.
#[tokio::test]
async fn a_phone_gets_one_text_a_minute_whatever_it_is_for() -> io::Result<()> {
    let folder = Folder::new();
    let limits = [("PATI_SMS__PER_PHONE_INTERVAL_SECONDS", "60")];
    let clinic = start(&folder, &limits);
    let mut client = Patient::connect(clinic.address).await?;
    let phone = people::phone(1);
    ask(&mut client, "register", &phone, "198.51.100.1").await?.done();
    for (purpose, address) in [("register", "198.51.100.1"), ("reset_password", "198.51.100.2")] {
        let seconds = retry_after(&ask(&mut client, purpose, &phone, address).await?);
        assert!((1..=60).contains(&seconds), "{seconds}");
    }
    ask(&mut client, "register", &people::phone(2), "198.51.100.1").await?.done();

    clinic.stop();
    let clinic = start(&folder, &limits);
    let mut client = Patient::connect(clinic.address).await?;
    assert!(retry_after(&ask(&mut client, "register", &phone, "198.51.100.3").await?) <= 60);
    // The refused requests have left the code alone.
    client.register(&phone, "000000", PASSWORD).await?.refused(409, "400002");
    Ok(())
}

/// Seen to fail when the window of a day was left out.
#[tokio::test]
async fn a_phone_gets_so_many_texts_a_day() -> io::Result<()> {
    let folder = Folder::new();
    let limits = [("PATI_SMS__PER_PHONE_PER_DAY", "3")];
    let clinic = start(&folder, &limits);
    let mut client = Patient::connect(clinic.address).await?;
    let phone = people::phone(1);
    for address in ["198.51.100.1", "198.51.100.2", "198.51.100.3"] {
        ask(&mut client, "register", &phone, address).await?.done();
    }
    let is_a_day = |seconds| (86_400 - 600..=86_400).contains(&seconds);
    assert!(is_a_day(retry_after(&ask(&mut client, "reset_password", &phone, "198.51.100.4").await?)));
    clinic.stop();
    let clinic = start(&folder, &limits);
    let mut client = Patient::connect(clinic.address).await?;
    assert!(is_a_day(retry_after(&ask(&mut client, "register", &phone, "198.51.100.5").await?)));
    ask(&mut client, "register", &people::phone(2), "198.51.100.1").await?.done();
    Ok(())
}

/// Seen to fail when an address was counted by the first entry of X-Forwarded-For, which the client writes.
#[tokio::test]
async fn an_address_asks_for_so_many_texts_an_hour_and_a_day() -> io::Result<()> {
    for (setting, window) in [("PATI_SMS__PER_IP_PER_HOUR", 3600), ("PATI_SMS__PER_IP_PER_DAY", 86_400)] {
        let folder = Folder::new();
        let limits = [(setting, "3")];
        let clinic = start(&folder, &limits);
        let mut client = Patient::connect(clinic.address).await?;
        for n in 1..=3 {
            let through = format!("203.0.113.{n}, 198.51.100.1");
            ask(&mut client, "register", &people::phone(n), &through).await?.done();
        }
        let is_whole = |seconds| (window - 600..=window).contains(&seconds);
        let fourth =
            ask(&mut client, "reset_password", &people::phone(4), "203.0.113.9, 198.51.100.1").await?;
        assert!(is_whole(retry_after(&fourth)), "{setting}");
        ask(&mut client, "register", &people::phone(4), "198.51.100.2").await?.done();

        clinic.stop();
        let clinic = start(&folder, &limits);
        let mut client = Patient::connect(clinic.address).await?;
        let later = ask(&mut client, "register", &people::phone(5), "198.51.100.1").await?;
        assert!(is_whole(retry_after(&later)), "{setting}");
    }
    Ok(())
}

/// Another code than this one.
fn wrong(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

/// Seen to fail when a wrong try was not counted, and when a validation used the code up.
#[tokio::test]
async fn a_reset_code_survives_four_wrong_tries_and_any_right_ones() -> io::Result<()> {
    let folder = Folder::new();
    let clinic = start(&folder, &[]);
    let mut client = Patient::registered(&clinic, 1).await;
    let phone = people::phone(1);
    client.reset_code(&phone).await?.done();
    let code = clinic.code_for(&phone);
    for _ in 0..4 {
        client.validate_reset_code(&phone, wrong(&code)).await?.ruled_out("400002");
        client.validate_reset_code(&phone, &code).await?.done();
    }
    clinic.stop();
    let clinic = start(&folder, &[]);
    let mut client = Patient::connect(clinic.address).await?;
    client.validate_reset_code(&phone, &code).await?.done();
    client.reset_password(&phone, wrong(&code), "another horse 9").await?.ruled_out("400002");
    client.validate_reset_code(&phone, &code).await?.ruled_out("400004");
    client.reset_password(&phone, &code, "another horse 9").await?.ruled_out("400004");

    client.reset_code(&phone).await?.done();
    let code = clinic.code_for(&phone);
    client.validate_reset_code(&phone, &code).await?.done();
    client.reset_password(&phone, &code, "another horse 9").await?.done();
    client.validate_reset_code(&phone, &code).await?.ruled_out("400002");
    Ok(())
}

/// A hundred clients, each with a connection of its own.
async fn a_hundred(clinic: &Clinic) -> io::Result<Vec<Patient>> {
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(Patient::connect(clinic.address).await?);
    }
    Ok(clients)
}

/// One succeeded; the others came too late, or were too many to be looked at.
#[track_caller]
fn one_effect(answers: &[Answer], too_late: &str) {
    assert_eq!(answers.len(), 100);
    let count = |status: &str| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!(count("000"), 1);
    assert_eq!(count("000") + count(too_late) + count("0503"), 100);
    assert!(count(too_late) > 0);
}

/// Seen to fail when a code was not used up. That two at the very same time cannot use it is tested beside `Codes`.
#[tokio::test]
async fn a_code_works_once_for_a_hundred_at_once() -> io::Result<()> {
    let folder = Folder::new();
    let clinic = start(&folder, &[]);
    let mut client = Patient::connect(clinic.address).await?;
    let phone = people::phone(1);
    client.register_code(&phone).await?.done();
    let code = clinic.code_for(&phone);
    let requests = a_hundred(&clinic).await?.into_iter().map(|mut client| {
        let (phone, code) = (phone.clone(), code.clone());
        tokio::spawn(async move { client.register(&phone, &code, PASSWORD).await })
    });
    let mut answers = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        answers.push(request.await??);
    }
    one_effect(&answers, "400002");

    client.reset_code(&phone).await?.done();
    let code = clinic.code_for(&phone);
    let requests = a_hundred(&clinic).await?.into_iter().enumerate().map(|(n, mut client)| {
        let (phone, code, new) = (phone.clone(), code.clone(), format!("horse number {n}"));
        tokio::spawn(async move { client.reset_password(&phone, &code, &new).await })
    });
    let mut answers = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        answers.push(request.await??);
    }
    one_effect(&answers, "400002");
    // The password is that of the one who was told so.
    let winner = answers.iter().position(Answer::is_success).expect("one");
    client.login(&phone, &format!("horse number {winner}")).await?.data();
    Ok(())
}

/// Seen to fail when the purpose stood neither in the key nor in the hash of a code.
#[tokio::test]
async fn a_code_is_for_one_purpose() -> io::Result<()> {
    let folder = Folder::new();
    let clinic = start(&folder, &[]);
    let mut patient = Patient::registered(&clinic, 1).await;
    let (own, new) = (people::phone(1), people::phone(2));
    patient.reset_code(&own).await?.done();
    let reset = clinic.code_for(&own);
    patient.code_for_leaving().await?.done();
    let leave = clinic.code_for(&own);
    patient.register_code(&new).await?.done();
    let register = clinic.code_for(&new);
    patient.code_for_taking(&new).await?.done();
    let take = clinic.code_for(&new);
    // Six digits may be the same by chance, once in a million.
    if reset == leave || register == take {
        return Ok(());
    }
    patient.validate_reset_code(&own, &leave).await?.ruled_out("400002");
    patient.reset_password(&own, &leave, "another horse 9").await?.ruled_out("400002");
    patient.register(&new, &take, PASSWORD).await?.ruled_out("400002");
    patient.change_phone(&reset, &new, &take).await?.ruled_out("400002");
    patient.change_phone(&leave, &new, &register).await?.ruled_out("400002");
    // Each works for its own.
    patient.validate_reset_code(&own, &reset).await?.done();
    patient.change_phone(&leave, &new, &take).await?.done();
    patient.register(&new, &register, PASSWORD).await?.ruled_out("400001");
    Ok(())
}

/// What a client sees of a reply: all of it, except what differs from one request to the next.
fn seen(answer: &Answer) -> (u16, Vec<u8>, Vec<String>) {
    let lines = answer.reply.head.lines().skip(1);
    let is_steady = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        !["date", "x-request-id"].contains(&name.as_str())
    };
    (answer.http, answer.reply.body.clone(), lines.filter(is_steady).map(str::to_owned).collect())
}

/// Seen to fail when no code was stored for an unknown phone, and when it got no text and so no count.
#[tokio::test]
async fn nothing_tells_a_phone_with_an_account_from_one_without() -> io::Result<()> {
    let folder = Folder::new();
    let clinic = start(&folder, &[("PATI_SMS__PER_PHONE_PER_DAY", "4")]);
    let mut owner = Patient::registered(&clinic, 1).await;
    let mut asker = Patient::registered(&clinic, 2).await;
    // As many texts as the registered one has had.
    asker.register_code(&people::phone(3)).await?.done();

    let mut stories = Vec::new();
    for phone in [people::phone(1), people::phone(3)] {
        let mut story = Vec::new();
        story.push(seen(&asker.reset_code(&phone).await?));
        for _ in 0..5 {
            story.push(seen(&asker.validate_reset_code(&phone, "000000").await?));
        }
        story.push(seen(&asker.reset_password(&phone, "000000", "another horse 9").await?));
        story.push(seen(&asker.code_for_taking(&phone).await?));
        // With the right code of the asker's own phone, so that the other's is looked at.
        asker.code_for_leaving().await?.done();
        let leave = clinic.code_for(&people::phone(2));
        for _ in 0..6 {
            story.push(seen(&asker.change_phone(&leave, &phone, "000000").await?));
        }
        story.push(seen(&asker.register_code(&phone).await?));
        story.push(seen(&asker.register(&phone, "000000", PASSWORD).await?));
        let over_the_limit = asker.reset_code(&phone).await?;
        over_the_limit.refused(429, "0429");
        story.push(seen_roughly(&over_the_limit));
        stories.push(story);
    }
    let known = stories.remove(0);
    for (step, (known, unknown)) in known.iter().zip(&stories[0]).enumerate() {
        assert_eq!(known, unknown, "step {step}");
    }
    // It was the account's owner who could have used a code, and nobody did.
    owner.login(&people::phone(1), PASSWORD).await?.data();
    Ok(())
}

/// Without the seconds until a limit permits it again, which pass.
fn seen_roughly(answer: &Answer) -> (u16, Vec<u8>, Vec<String>) {
    let (http, body, lines) = seen(answer);
    (
        http,
        body,
        lines.into_iter().filter(|line| !line.to_ascii_lowercase().starts_with("retry-after")).collect(),
    )
}
