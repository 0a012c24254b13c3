//! `Idempotency-Key`: the same key with the same content gets the same answer and has one effect.

use std::io;

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::{Answer, Patient};
use serde_json::{Value, json};

mod harness;

const MORNING: u64 = 3001;
const AFTERNOON: u64 = 3002;

fn open() -> (Folder, Clinic) {
    let folder = Folder::new();
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(MORNING, 2001, day(2), Half::Am, 9).schedule(
        AFTERNOON,
        2001,
        day(2),
        Half::Pm,
        9,
    );
    clinic::import(&folder, &file);
    let clinic = Clinic::start(&folder, &[]);
    (folder, clinic)
}

/// One patient with one member, and the requests that take the header.
struct Booker {
    patient: Patient,
    member: String,
}

impl Booker {
    async fn registered(clinic: &Clinic, n: usize) -> Self {
        let mut patient = Patient::registered(clinic, n).await;
        let member = patient.add_member(n).await;
        Self { patient, member }
    }

    async fn again(&self, clinic: &Clinic) -> io::Result<Self> {
        let patient = self.patient.again(clinic.address).await?;
        Ok(Self { patient, member: self.member.clone() })
    }

    async fn submit(&mut self, schedule: u64, serial: u16, key: &str) -> io::Result<Answer> {
        let body = json!({"scheduleId": schedule, "serialNo": serial, "memberId": self.member});
        self.patient.post_with("book_service/book/submit", &body, &[("Idempotency-Key", key)]).await
    }

    async fn cancel(&mut self, booking: &str, key: &str) -> io::Result<Answer> {
        let body = json!({"bookId": booking});
        self.patient.post_with("book_service/book/cancel", &body, &[("Idempotency-Key", key)]).await
    }

    async fn total(&mut self) -> io::Result<Value> {
        Ok(self.patient.books(1, 100).await?.data()["total"].clone())
    }
}

fn id_of(answer: Answer) -> String {
    answer.data()["bookId"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn the_same_key_and_content_get_the_same_answer() -> io::Result<()> {
    let (folder, clinic) = open();
    let mut booker = Booker::registered(&clinic, 1).await;
    let id = id_of(booker.submit(MORNING, 1, "k-1").await?);
    assert_eq!(id_of(booker.submit(MORNING, 1, "k-1").await?), id);
    booker.cancel(&id, "k-1").await?.done();
    booker.cancel(&id, "k-1").await?.done();
    // Without the key this would book anew; with it, it is the old request coming late.
    assert_eq!(id_of(booker.submit(MORNING, 1, "k-1").await?), id);
    assert_eq!(booker.total().await?, 1);

    clinic.stop();
    let clinic = Clinic::start(&folder, &[]);
    let mut booker = booker.again(&clinic).await?;
    assert_eq!(id_of(booker.submit(MORNING, 1, "k-1").await?), id);
    assert_ne!(id_of(booker.submit(MORNING, 1, "k-2").await?), id);
    assert_eq!(booker.total().await?, 2);
    Ok(())
}

#[tokio::test]
async fn the_same_key_with_other_content_is_refused() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut booker = Booker::registered(&clinic, 1).await;
    let id = id_of(booker.submit(MORNING, 1, "k").await?);
    booker.submit(MORNING, 2, "k").await?.ruled_out("401013");
    booker.submit(AFTERNOON, 1, "k").await?.ruled_out("401013");
    let other = id_of(booker.submit(AFTERNOON, 1, "l").await?);
    booker.cancel(&id, "c").await?.done();
    booker.cancel(&other, "c").await?.ruled_out("401013");
    assert_eq!(booker.patient.book(&other).await?.data()["bookStatus"], 0);
    assert_eq!(booker.total().await?, 2);
    Ok(())
}

#[tokio::test]
async fn a_key_belongs_to_one_account_and_one_route() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut first = Booker::registered(&clinic, 1).await;
    let mut second = Booker::registered(&clinic, 2).await;
    let his = id_of(first.submit(MORNING, 1, "k").await?);
    let hers = id_of(second.submit(MORNING, 2, "k").await?);
    assert_ne!(his, hers);
    first.cancel(&his, "k").await?.done();
    assert_eq!(second.patient.book(&hers).await?.data()["bookStatus"], 0);
    Ok(())
}

#[tokio::test]
async fn a_refusal_is_not_kept() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut first = Booker::registered(&clinic, 1).await;
    let mut second = Booker::registered(&clinic, 2).await;
    let id = id_of(first.submit(MORNING, 1, "k").await?);
    second.submit(MORNING, 1, "k").await?.ruled_out("401004");
    first.cancel(&id, "c").await?.done();
    id_of(second.submit(MORNING, 1, "k").await?);
    Ok(())
}

#[tokio::test]
async fn ten_at_once_have_one_effect() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut booker = Booker::registered(&clinic, 1).await;
    let mut requests = Vec::new();
    for _ in 0..10 {
        let mut again = booker.again(&clinic).await?;
        requests.push(tokio::spawn(async move { again.submit(MORNING, 1, "k").await }));
    }
    let mut ids = Vec::new();
    for request in requests {
        ids.push(id_of(request.await??));
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(booker.total().await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_key_is_1_to_64_visible_characters() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut booker = Booker::registered(&clinic, 1).await;
    for key in ["a b", "", "键", &"x".repeat(65)] {
        booker.submit(MORNING, 1, key).await?.refused(400, "0001");
    }
    assert_eq!(booker.total().await?, 0);
    id_of(booker.submit(MORNING, 1, &"x".repeat(64)).await?);
    id_of(booker.submit(AFTERNOON, 1, "!~").await?);
    Ok(())
}
