//! (a) PostgreSQL, one transaction of separate statements, and (a2) the same as one statement.
//!
//! The part of the protocol that a prepared statement needs: Bind, Execute and Sync in one write, as drivers do it.

use std::net::SocketAddr;

use crate::plan::{self, Place};
use crate::run::{self, Answer, Client, Run, Wanted};
use crate::wire::Wire;

const TABLES: &str = "
    CREATE TABLE schedule (id bigint PRIMARY KEY, booked integer NOT NULL DEFAULT 0) WITH (fillfactor = 50);
    CREATE TABLE booking (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        schedule bigint NOT NULL,
        serial integer NOT NULL,
        account bigint NOT NULL,
        fee integer NOT NULL DEFAULT 5000,
        status smallint NOT NULL DEFAULT 0,
        booked_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (schedule, serial)
    );";

const INSERT: &str = "INSERT INTO booking (schedule, serial, account) VALUES ($1, $2, $3) RETURNING id";
/// Last before the commit, so that the row of the schedule is locked as briefly as can be.
const COUNT: &str = "UPDATE schedule SET booked = booked + 1 WHERE id = $1";
const AT_ONCE: &str = "
    WITH made AS (
        INSERT INTO booking (schedule, serial, account) VALUES ($1, $2, $3)
        ON CONFLICT (schedule, serial) DO NOTHING RETURNING id, schedule
    )
    UPDATE schedule SET booked = booked + 1 FROM made WHERE schedule.id = made.schedule RETURNING made.id";

/// One row: bookings, slots that are booked, bookings by the counters, and schedules whose counter is wrong.
const CHECK: &str = "
    SELECT (SELECT count(*) FROM booking),
           (SELECT count(*) FROM (SELECT DISTINCT schedule, serial FROM booking) slots),
           (SELECT sum(booked) FROM schedule),
           (SELECT count(*) FROM schedule
            LEFT JOIN (SELECT schedule AS id, count(*) AS made FROM booking GROUP BY 1) counted USING (id)
            WHERE booked <> coalesce(made, 0))";

/// How a booking is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// BEGIN, INSERT, UPDATE, COMMIT.
    Transaction,
    /// One statement with a common table expression.
    Statement,
}

struct Connection {
    wire: Wire,
    style: Style,
}

/// Makes the tables anew, books, and counts.
pub async fn run(address: SocketAddr, style: Style, wanted: Wanted) -> Run {
    let mut first = Connection::open(address, style).await;
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let shown = first.query(&format!("SHOW {setting}")).await.expect("shown");
        assert_eq!(shown.row, ["on"], "{setting}");
    }
    first.query("DROP TABLE IF EXISTS booking, schedule").await.expect("dropped");
    first.query(TABLES).await.expect("made");
    let rows = format!("INSERT INTO schedule SELECT generate_series(0, {})", plan::SCHEDULES - 1);
    first.query(&rows).await.expect("made");
    // What a database that has been up for a while has behind it.
    first.query("VACUUM ANALYZE schedule").await.expect("vacuumed");
    first.query("CHECKPOINT").await.expect("written");
    let mut connections = Vec::new();
    for _ in 0..wanted.clients {
        let mut connection = Connection::open(address, style).await;
        connection.prepare().await;
        connections.push(connection);
    }
    let run = Run::begin(wanted);
    run.drive(&mut connections).await;
    run::ask_for_a_taken_slot(&mut connections[0], wanted.load).await;
    let counted = first.query(CHECK).await.expect("counted");
    let made = run.acknowledged().to_string();
    assert_eq!(counted.row, [made.as_str(), &made, &made, "0"], "bookings, slots, counters, wrong counters");
    run
}

impl Client for Connection {
    async fn book(&mut self, place: Place) -> Answer {
        match self.style {
            Style::Transaction => self.book_in_a_transaction(place).await,
            Style::Statement => {
                let made = self.book_by("at_once", place).await.expect("it can be run");
                if made.tag == "UPDATE 1" { Answer::Booked } else { Answer::Taken }
            }
        }
    }
}

impl Connection {
    async fn open(address: SocketAddr, style: Style) -> Self {
        let mut wire = Wire::open(address, end).await;
        let mut startup = 196_608_u32.to_be_bytes().to_vec();
        startup.extend_from_slice(b"user\0postgres\0database\0postgres\0\0");
        let mut message = (startup.len() as u32 + 4).to_be_bytes().to_vec();
        message.append(&mut startup);
        read(wire.exchange(&message).await).expect("trusted");
        Self { wire, style }
    }

    async fn prepare(&mut self) {
        let statements: &[_] = match self.style {
            Style::Transaction => &[("insert", INSERT), ("count", COUNT)],
            Style::Statement => &[("at_once", AT_ONCE)],
        };
        for (name, text) in statements {
            let mut request = Vec::new();
            message(&mut request, b'P', &[name.as_bytes(), b"\0", text.as_bytes(), b"\0\0\0"]);
            message(&mut request, b'S', &[]);
            read(self.wire.exchange(&request).await).expect("prepared");
        }
    }

    async fn book_in_a_transaction(&mut self, place: Place) -> Answer {
        const UNIQUE_VIOLATION: &str = "23505";
        self.query("BEGIN").await.expect("begun");
        if let Err(code) = self.book_by("insert", place).await {
            assert_eq!(code, UNIQUE_VIOLATION);
            self.query("ROLLBACK").await.expect("rolled back");
            return Answer::Taken;
        }
        let counted = self.execute("count", &[&place.schedule.to_be_bytes()]).await.expect("it can be run");
        assert_eq!(counted.tag, "UPDATE 1");
        let committed = self.query("COMMIT").await.expect("committed");
        assert_eq!(committed.tag, "COMMIT");
        Answer::Booked
    }

    /// Runs a statement whose parameters are those of a booking.
    async fn book_by(&mut self, statement: &str, place: Place) -> Result<Done, String> {
        let (schedule, serial) = (place.schedule.to_be_bytes(), u32::from(place.serial).to_be_bytes());
        self.execute(statement, &[&schedule, &serial, &place.user.to_be_bytes()]).await
    }

    async fn query(&mut self, text: &str) -> Result<Done, String> {
        let mut request = Vec::with_capacity(64);
        message(&mut request, b'Q', &[text.as_bytes(), b"\0"]);
        read(self.wire.exchange(&request).await)
    }

    /// Runs a prepared statement with binary parameters.
    async fn execute(&mut self, statement: &str, parameters: &[&[u8]]) -> Result<Done, String> {
        let mut request = Vec::with_capacity(128);
        let mut bind = Vec::with_capacity(64);
        bind.push(0);
        bind.extend_from_slice(statement.as_bytes());
        // One format for all parameters: binary.
        bind.extend_from_slice(&[0, 0, 1, 0, 1]);
        bind.extend_from_slice(&(parameters.len() as u16).to_be_bytes());
        for parameter in parameters {
            bind.extend_from_slice(&(parameter.len() as u32).to_be_bytes());
            bind.extend_from_slice(parameter);
        }
        bind.extend_from_slice(&[0, 0]);
        message(&mut request, b'B', &[&bind]);
        message(&mut request, b'E', &[&[0; 5]]);
        message(&mut request, b'S', &[]);
        read(self.wire.exchange(&request).await)
    }
}

fn message(request: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let length = 4 + parts.iter().map(|part| part.len()).sum::<usize>();
    request.push(kind);
    request.extend_from_slice(&(length as u32).to_be_bytes());
    for part in parts {
        request.extend_from_slice(part);
    }
}

/// The end of the message that says that the server is ready for the next query.
fn end(bytes: &[u8]) -> Option<usize> {
    const READY: u8 = b'Z';
    let mut rest = bytes;
    while let Some((kind, _, after)) = split(rest) {
        if kind == READY {
            return Some(bytes.len() - after.len());
        }
        rest = after;
    }
    None
}

/// The first message: its kind, what it says, and what follows it.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let (length, _) = rest.split_first_chunk()?;
    let length = u32::from_be_bytes(*length) as usize;
    (rest.len() >= length).then(|| (kind, &rest[4..length], &rest[length..]))
}

/// What a query came to.
struct Done {
    /// What the last statement did, such as `UPDATE 1`.
    tag: String,
    /// The last row.
    row: Vec<String>,
}

/// The error is the five characters of its SQLSTATE.
fn read(answer: &[u8]) -> Result<Done, String> {
    let mut done = Done { tag: String::new(), row: Vec::new() };
    let mut rest = answer;
    while let Some((kind, content, after)) = split(rest) {
        match kind {
            b'C' => done.tag = text(content.strip_suffix(&[0]).unwrap_or(content)),
            b'D' => done.row = columns(content),
            b'E' => {
                let code = content.split(|byte| *byte == 0).find(|field| field.first() == Some(&b'C'));
                return Err(text(&code.expect("an error has a code")[1..]));
            }
            _ => {}
        }
        rest = after;
    }
    Ok(done)
}

fn columns(row: &[u8]) -> Vec<String> {
    let mut columns = Vec::new();
    let mut rest = &row[2..];
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        columns.push(text(&after[..length]));
        rest = &after[length..];
    }
    columns
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
