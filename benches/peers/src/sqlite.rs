//! (c) SQLite in this process: a write-ahead log, synced at every commit, and one thread for each client.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, params};

use crate::plan::{self, Place};
use crate::run::{self, Answer, Client, Run, Wanted};

const TABLES: &str = "
    CREATE TABLE schedule (id INTEGER PRIMARY KEY, booked INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE booking (
        id INTEGER PRIMARY KEY,
        schedule INTEGER NOT NULL,
        serial INTEGER NOT NULL,
        account INTEGER NOT NULL,
        fee INTEGER NOT NULL DEFAULT 5000,
        status INTEGER NOT NULL DEFAULT 0,
        booked_at INTEGER NOT NULL DEFAULT (unixepoch()),
        UNIQUE (schedule, serial)
    );";

const CHECK: &str = "
    SELECT (SELECT count(*) FROM booking),
           (SELECT count(*) FROM (SELECT DISTINCT schedule, serial FROM booking)),
           (SELECT sum(booked) FROM schedule),
           (SELECT count(*) FROM schedule
            LEFT JOIN (SELECT schedule AS id, count(*) AS made FROM booking GROUP BY 1) USING (id)
            WHERE booked <> coalesce(made, 0))";

/// How many connections there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// One a client: who finds the database locked waits as SQLite lets it wait.
    OneEach,
    /// One for all, behind a lock of the process, as a program would do it that is alone with its file.
    Shared,
}

struct Booker(Arc<Mutex<Connection>>);

/// Makes the file, books, and counts.
pub fn run(folder: &Path, connections: Connections, wanted: Wanted) -> Run {
    let file = folder.join("bookings.sqlite");
    let mut first = open(&file);
    prepare(&mut first);
    let first = Arc::new(Mutex::new(first));
    let booker = |_| match connections {
        Connections::OneEach => Booker(Arc::new(Mutex::new(open(&file)))),
        Connections::Shared => Booker(Arc::clone(&first)),
    };
    let mut bookers: Vec<_> = (0..wanted.clients).map(booker).collect();
    let run = Run::begin(wanted);
    std::thread::scope(|scope| {
        for booker in &mut bookers {
            let run = &run;
            scope.spawn(move || crate::on_this_thread(run.work(booker)));
        }
    });
    crate::on_this_thread(run::ask_for_a_taken_slot(&mut bookers[0], wanted.load));
    let read = |row: &rusqlite::Row<'_>| Ok([row.get::<_, u64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?]);
    let counted = first.lock().expect("no client panics").query_row(CHECK, [], read).expect("counted");
    let made = run.acknowledged();
    assert_eq!(counted, [made, made, made, 0], "bookings, slots, counters, wrong counters");
    run
}

fn open(file: &Path) -> Connection {
    let connection = Connection::open(file).expect("it opens");
    // Longer than any run: a client waits, it is never refused.
    connection.busy_timeout(Duration::from_secs(60)).expect("set");
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).expect("a write-ahead log");
    assert_eq!(mode, "wal");
    connection.pragma_update(None, "synchronous", "FULL").expect("set");
    let level: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).expect("a level");
    assert_eq!(level, 2, "FULL");
    connection
}

fn prepare(connection: &mut Connection) {
    connection.execute_batch(TABLES).expect("made");
    let transaction = connection.transaction().expect("begun");
    for schedule in 0..plan::SCHEDULES {
        transaction.execute("INSERT INTO schedule (id) VALUES (?1)", [schedule]).expect("made");
    }
    transaction.commit().expect("committed");
}

impl Client for Booker {
    async fn book(&mut self, place: Place) -> Answer {
        let connection = self.0.lock().expect("no client panics");
        let run = |text: &str| {
            let mut statement = connection.prepare_cached(text).expect("prepared");
            statement.execute([]).expect("run")
        };
        run("BEGIN IMMEDIATE");
        let mut insert = connection
            .prepare_cached("INSERT INTO booking (schedule, serial, account) VALUES (?1, ?2, ?3)")
            .expect("prepared");
        if let Err(error) = insert.execute(params![place.schedule, place.serial, place.user]) {
            assert_eq!(error.sqlite_error_code(), Some(ErrorCode::ConstraintViolation), "{error}");
            run("ROLLBACK");
            return Answer::Taken;
        }
        let mut count = connection
            .prepare_cached("UPDATE schedule SET booked = booked + 1 WHERE id = ?1")
            .expect("prepared");
        assert_eq!(count.execute([place.schedule]).expect("run"), 1);
        run("COMMIT");
        Answer::Booked
    }
}
