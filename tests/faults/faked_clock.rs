//! The clock of the whole process is moved while it runs, by libfaketime: what `SystemClock` reads, whatever reads it.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::disk;
use crate::harness::clinic::{self, Clinic};
use crate::harness::folder::Folder;
use crate::harness::import::{Half, ImportFile, day};
use crate::harness::patients::{PASSWORD, Patient};
use crate::harness::people;

const SCHEDULE: u64 = 3001;
const PATIENCE: Duration = Duration::from_secs(30);

/// Where Debian's package `faketime` puts the library for programs with threads.
fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?;
    let places = folders.flatten().map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    places.into_iter().find(|place| place.exists())
}

/// A server whose clock is as far from the machine's as a file says.
struct Shifted {
    folder: Folder,
    clinic: Clinic,
    offset: PathBuf,
    library: PathBuf,
}

impl Shifted {
    fn start(folder: Folder, library: &Path) -> Self {
        let offset = folder.write("offset", "+0");
        let clinic = spawn(&folder, library, &offset);
        Self { folder, clinic, offset, library: library.to_owned() }
    }

    /// Moves the clock of the running server.
    fn shift(&self, offset: &str) {
        // Written beside and renamed: it is read all the time.
        let new = self.folder.write("offset.new", offset);
        fs::rename(new, &self.offset).expect("renamed");
    }

    /// SIGKILL, and a start by the clock as it stands now.
    fn restart(self) -> Self {
        let Self { folder, clinic, offset, library } = self;
        clinic.kill();
        let clinic = spawn(&folder, &library, &offset);
        Self { folder, clinic, offset, library }
    }

    fn address(&self) -> SocketAddr {
        self.clinic.address
    }
}

fn spawn(folder: &Folder, library: &Path, offset: &Path) -> Clinic {
    let mut command: Command = clinic::program(folder);
    command
        .arg("serve")
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", offset)
        .env("FAKETIME_NO_CACHE", "1")
        // Timers go on as they do on a machine whose clock is set.
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Clinic::spawn(command).unwrap_or_else(|log| panic!("the server did not start:\n{log}"))
}

/// Asks until the answer shows that the server goes by another time. The file is read when the clock is.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> io::Result<bool>) -> io::Result<()> {
    let asked = Instant::now();
    while !holds().await? {
        assert!(asked.elapsed() < PATIENCE, "never: {what}");
    }
    Ok(())
}

/// Hours, days and a year, forward and back, beside holds, tokens and bookings.
#[tokio::test]
async fn a_clock_that_jumps_gives_no_slot_twice_and_loses_nothing() -> io::Result<()> {
    let Some(library) = library() else {
        disk::skipped("faked_clock", "libfaketime is missing (Debian: faketime)");
        return Ok(());
    };
    let folder = Folder::new();
    let mut file = ImportFile::default();
    file.doctor(2001).schedule(SCHEDULE, 2001, day(2), Half::Am, 9);
    clinic::import(&folder, &file);
    let mut server = Shifted::start(folder, &library);
    let mut first = Patient::registered(&server.clinic, 1).await;
    let mut second = Patient::registered(&server.clinic, 2).await;
    let members = [first.add_member(1).await, second.add_member(2).await, second.add_member(3).await];
    let other = second.add_member(4).await;
    let first_booking = book(&mut first, 1, &members[0]).await?;
    first.presubmit(SCHEDULE, 2).await?.data();
    second.presubmit(SCHEDULE, 2).await?.ruled_out("401005");

    // An hour later the hold is over.
    server.shift("+1h");
    until("the hold is over", async || Ok(second.presubmit(SCHEDULE, 2).await?.is_success())).await?;
    let second_booking = book(&mut second, 2, &members[1]).await?;

    // A day back: nobody is logged out, and what is taken is taken.
    server.shift("-1d");
    second.submit(SCHEDULE, 1, &other).await?.ruled_out("401004");
    let third_booking = book(&mut second, 3, &members[2]).await?;
    server = server.restart();
    (first, second) = (first.again(server.address()).await?, second.again(server.address()).await?);
    second.submit(SCHEDULE, 1, &other).await?.ruled_out("401004");

    // More than a year ahead, all logins are over; what a patient holds then is not held for a year when the clock is right
    // again.
    server.shift("+400d");
    until("tokens are over", async || Ok(first.members().await?.status == "0401")).await?;
    first.login(&people::phone(1), PASSWORD).await?.data();
    first.presubmit(SCHEDULE, 4).await?;
    server.shift("+0");
    for (patient, person) in [(&mut first, 1), (&mut second, 2)] {
        let login = patient.login(&people::phone(person), PASSWORD).await?.data();
        patient.use_token(login["token"].as_str().expect("a token"));
        patient.members().await?.data();
    }
    second.submit(SCHEDULE, 1, &other).await?.ruled_out("401004");

    server = server.restart();
    (first, second) = (first.again(server.address()).await?, second.again(server.address()).await?);
    for (patient, bookings) in
        [(&mut first, vec![first_booking]), (&mut second, vec![second_booking, third_booking])]
    {
        for booking in bookings {
            patient.book(&booking).await?.data();
        }
    }
    let offered = first.left_appo(SCHEDULE).await?.data();
    assert_eq!(offered.as_array().map(Vec::len), Some(6), "{offered}");
    println!("3 bookings, 5 jumps, 2 restarts");
    server.shift("+0");
    server.clinic.stop();
    Ok(())
}

async fn book(patient: &mut Patient, slot: u16, member: &str) -> io::Result<String> {
    let booked = patient.submit(SCHEDULE, slot, member).await?.data();
    Ok(booked["bookId"].as_str().expect("an id").to_owned())
}
