//! (b) Redis, one Lua script.

use std::collections::HashSet;
use std::net::SocketAddr;

use crate::plan::{Load, Place};
use crate::run::{self, Answer, Client, Run, Wanted};
use crate::wire::Wire;

/// The slots of a schedule are one hash, a booking is another, and the counter a third key.
const BOOK: &str = "\
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 1 then return 0 end
local id = redis.call('INCR', 'last')
redis.call('HSET', KEYS[1], ARGV[2], id)
redis.call('HSET', 'booking:' .. id, 'schedule', ARGV[1], 'serial', ARGV[2], 'account', ARGV[3], \
'fee', '5000', 'status', '0', 'booked_at', redis.call('TIME')[1])
redis.call('INCR', KEYS[2])
return id";

struct Connection {
    wire: Wire,
    script: String,
}

/// Empties the database, books, and counts.
pub async fn run(address: SocketAddr, wanted: Wanted) -> Run {
    let mut first = Connection { wire: Wire::open(address, end).await, script: String::new() };
    assert_eq!(first.ask(&["FLUSHALL", "SYNC"]).await, Reply::Text("OK".to_owned()));
    for (setting, value) in [("appendonly", "yes"), ("appendfsync", "always")] {
        let Reply::List(found) = first.ask(&["CONFIG", "GET", setting]).await else { panic!("no list") };
        assert_eq!(found[1], Reply::Text(value.to_owned()), "{setting}");
    }
    let Reply::Text(script) = first.ask(&["SCRIPT", "LOAD", BOOK]).await else { panic!("no digest") };
    let mut connections = Vec::new();
    for _ in 0..wanted.clients {
        connections.push(Connection { wire: Wire::open(address, end).await, script: script.clone() });
    }
    let run = Run::begin(wanted);
    run.drive(&mut connections).await;
    run::ask_for_a_taken_slot(&mut connections[0], wanted.load).await;
    first.check(&run, wanted.load).await;
    run
}

impl Client for Connection {
    async fn book(&mut self, place: Place) -> Answer {
        let schedule = place.schedule.to_string();
        let (slots, counter) = (format!("slots:{schedule}"), format!("booked:{schedule}"));
        let (serial, user) = (place.serial.to_string(), place.user.to_string());
        let request = command(&["EVALSHA", &self.script, "2", &slots, &counter, &schedule, &serial, &user]);
        match parse(self.wire.exchange(&request).await) {
            Some((Reply::Number(0), _)) => Answer::Taken,
            Some((Reply::Number(_), _)) => Answer::Booked,
            other => panic!("{other:?}"),
        }
    }
}

impl Connection {
    async fn ask(&mut self, words: &[&str]) -> Reply {
        parse(self.wire.exchange(&command(words)).await).expect("it is whole").0
    }

    /// Of every schedule: as many slots as were acknowledged, the counter says so too, and no booking is in two slots.
    async fn check(&mut self, run: &Run, load: Load) {
        let mut bookings = HashSet::new();
        let mut schedules = 0;
        for (schedule, expected) in load.booked(run.acknowledged()) {
            let Reply::List(found) = self.ask(&["HVALS", &format!("slots:{schedule}")]).await else {
                panic!("no list");
            };
            assert_eq!(found.len() as u64, expected, "slots of schedule {schedule}");
            for booking in found {
                let Reply::Text(booking) = booking else { panic!("{booking:?} is no booking") };
                assert!(bookings.insert(booking), "a booking has two slots");
            }
            let counter = self.ask(&["GET", &format!("booked:{schedule}")]).await;
            assert_eq!(counter, Reply::Text(expected.to_string()), "counter of schedule {schedule}");
            schedules += 1;
        }
        assert_eq!(bookings.len() as u64, run.acknowledged(), "bookings");
        // Each booking, two keys of each schedule, and the last id.
        let keys = Reply::Number((run.acknowledged() + 2 * schedules + 1) as i64);
        assert_eq!(self.ask(&["DBSIZE"]).await, keys, "keys");
    }
}

/// What Redis answers.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Text(String),
    Number(i64),
    List(Vec<Reply>),
    Nothing,
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        request.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    request
}

fn end(bytes: &[u8]) -> Option<usize> {
    parse(bytes).map(|(_, length)| length)
}

/// The first reply and its length; `None` when it is incomplete.
fn parse(bytes: &[u8]) -> Option<(Reply, usize)> {
    let line_end = bytes.windows(2).position(|two| two == b"\r\n")?;
    let line = std::str::from_utf8(&bytes[1..line_end]).expect("a line is text");
    let number = || line.parse::<i64>().expect("a number");
    let mut length = line_end + 2;
    let reply = match bytes[0] {
        b'+' => Reply::Text(line.to_owned()),
        b':' => Reply::Number(number()),
        b'$' if number() < 0 => Reply::Nothing,
        b'$' => {
            let text = bytes.get(length..length + number() as usize)?;
            length += text.len() + 2;
            Reply::Text(String::from_utf8_lossy(text).into_owned())
        }
        b'*' => {
            let mut list = Vec::new();
            for _ in 0..number() {
                let (reply, more) = parse(&bytes[length..])?;
                list.push(reply);
                length += more;
            }
            Reply::List(list)
        }
        _ => panic!("Redis refused: {line}"),
    };
    (bytes.len() >= length).then_some((reply, length))
}
