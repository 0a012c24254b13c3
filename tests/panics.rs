//! Panics planted in a handler, an actor, the committer and the index (feature `sabotage`): what ends with them and what
//! goes on. Whatever was acknowledged before is there.

use std::io;

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{Half, ImportFile, day};
use harness::patients::{Answer, Patient};

mod harness;

const SCHEDULE: u64 = 3001;
const SLOTS: u16 = 60;
const EXIT_IO_ERROR: i32 = 74;

/// A clinic with one schedule, an account, and a server that panics where it is told to.
struct World {
    folder: Folder,
    clinic: Clinic,
    patient: Patient,
    /// Everybody has one visit a half-day, so that each booking is for another.
    members: Vec<String>,
}

impl World {
    async fn with(place: &str) -> io::Result<Self> {
        let folder = Folder::new();
        let mut file = ImportFile::default();
        file.doctor(2001).schedule(SCHEDULE, 2001, day(2), Half::Am, SLOTS);
        clinic::import(&folder, &file);
        let clinic = Clinic::start(&folder, &SETTINGS);
        let mut patient = Patient::registered(&clinic, 1).await;
        let mut members = Vec::new();
        for person in 0..usize::from(SLOTS) {
            members.push(patient.add_member(person).await);
        }
        clinic.stop();
        // A bug that is planted for this whole run is planted there too.
        let planted = std::env::var("SABOTAGE").unwrap_or_default();
        let sabotage = format!("{planted},{place}");
        let mut clinic = Clinic::start(&folder, &[&SETTINGS[..], &[("SABOTAGE", &sabotage)]].concat());
        clinic.expect_panics();
        let patient = patient.again(clinic.address).await?;
        Ok(Self { folder, clinic, patient, members })
    }

    async fn submit(&mut self, slot: u16) -> io::Result<Answer> {
        self.patient.submit(SCHEDULE, slot, &self.members[usize::from(slot) - 1]).await
    }

    /// Books one slot after the other until one is not acknowledged. Answers how many were before.
    async fn until_it_fails(&mut self) -> u16 {
        for slot in 1..=SLOTS {
            match self.submit(slot).await {
                Ok(answer) if answer.is_success() => {}
                Ok(answer) => {
                    answer.refused(503, "0503");
                    return slot - 1;
                }
                Err(_) => return slot - 1,
            }
        }
        panic!("the failure went unnoticed");
    }

    /// The server ends with 74, and the next one has what was acknowledged: so many bookings, or the one more whose outcome
    /// nobody knows.
    async fn ends_and_loses_nothing(mut self, acknowledged: u16) -> io::Result<()> {
        let status = self.clinic.wait_for_end();
        assert_eq!(status.code(), Some(EXIT_IO_ERROR), "{status}:\n{}", self.clinic.log().join("\n"));
        let clinic = Clinic::start(&self.folder, &SETTINGS);
        let mut patient = self.patient.again(clinic.address).await?;
        let booked = booked(&mut patient).await?;
        assert!(
            booked == acknowledged || booked == acknowledged + 1,
            "{acknowledged} acknowledged, {booked} there"
        );
        for slot in 1..=acknowledged + 1 {
            let member = &self.members[usize::from(slot) - 1];
            patient.submit(SCHEDULE, slot, member).await?.data();
        }
        assert_eq!(
            self::booked(&mut patient).await?,
            acknowledged + 1,
            "a repeated submit is the same booking"
        );
        clinic.stop();
        Ok(())
    }
}

const SETTINGS: [(&str, &str); 2] =
    [("PATI_BOOKING__MAX_MEMBERS_PER_USER", "100"), ("PATI_BOOKING__MAX_ACTIVE_PER_USER", "100")];

async fn booked(patient: &mut Patient) -> io::Result<u16> {
    let total = patient.books(1, 1).await?.data()["total"].as_u64().expect("an integer");
    Ok(u16::try_from(total).expect("few"))
}

/// Seen to fail when the edge did not catch the panic: the connection ended without an answer.
#[tokio::test]
async fn a_handler_that_panics_costs_one_answer() -> io::Result<()> {
    let mut world = World::with("handler@3").await?;
    world.submit(1).await?.data();
    world.submit(2).await?.data();
    let failed = world.submit(3).await?;
    failed.refused(500, "0099");
    let id = failed.reply.header("x-request-id").expect("every reply has one").to_owned();
    assert!(failed.message.as_str().is_some_and(|message| message.contains(&id)), "{}", failed.message);
    assert!(failed.reply.header("x-content-type-options").is_some(), "{}", failed.reply.head);
    // The same connection goes on, and the slot was not taken.
    world.submit(3).await?.data();
    assert_eq!(booked(&mut world.patient).await?, 3);
    world.clinic.stop();
    Ok(())
}

/// It dies after its commit and before its answer: the request goes to the next actor, which finds the booking.
#[tokio::test]
async fn an_actor_that_panics_is_followed_by_one_that_answers() -> io::Result<()> {
    let mut world = World::with("actor@3").await?;
    for slot in 1..=5 {
        world.submit(slot).await?.data();
    }
    assert_eq!(booked(&mut world.patient).await?, 5);
    let offered = world.patient.left_appo(SCHEDULE).await?.data();
    assert_eq!(offered.as_array().expect("a list").len(), usize::from(SLOTS) - 5);
    world.clinic.stop();
    Ok(())
}

/// What it had written and not answered is there after the start, or not; and what was answered is.
#[tokio::test]
async fn a_committer_that_panics_ends_the_server() -> io::Result<()> {
    let mut world = World::with("committer@20").await?;
    let acknowledged = world.until_it_fails().await;
    assert!(acknowledged >= 10, "only {acknowledged} were acknowledged");
    world.ends_and_loses_nothing(acknowledged).await
}

/// An index that does not take what is in the journal is not read any more.
#[tokio::test]
async fn an_index_that_panics_ends_the_server() -> io::Result<()> {
    let mut world = World::with("index@20").await?;
    let acknowledged = world.until_it_fails().await;
    assert!(acknowledged >= 10, "only {acknowledged} were acknowledged");
    world.ends_and_loses_nothing(acknowledged).await
}
