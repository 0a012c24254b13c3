//! (e) The whole server over HTTP: the submit of a patient who is logged in.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::clinic::{self, Clinic};
use crate::plan::{self, Load, Place};
use crate::run::{self, Answer, Client, Run, Wanted};
use crate::wire::Wire;

struct Connection {
    wire: Wire,
    clinic: Arc<Clinic>,
}

/// Books at the server that serves the clinic of this folder, and asks it what is left.
pub async fn run(address: SocketAddr, folder: &Path, wanted: Wanted) -> Run {
    let clinic = Arc::new(Clinic::read(folder));
    let mut connections = Vec::new();
    for _ in 0..wanted.clients {
        connections.push(Connection { wire: Wire::open(address, end).await, clinic: Arc::clone(&clinic) });
    }
    let run = Run::begin(wanted);
    run.drive(&mut connections).await;
    run::ask_for_a_taken_slot(&mut connections[0], wanted.load).await;
    connections[0].check(wanted.load, run.acknowledged()).await;
    run
}

impl Client for Connection {
    async fn book(&mut self, place: Place) -> Answer {
        let body = format!(
            r#"{{"scheduleId":"{}","serialNo":{},"memberId":"{}"}}"#,
            clinic::schedule_id(place.schedule),
            place.serial,
            clinic::member_id(place.user)
        );
        let request = format!(
            "POST /pati_service/book_service/book/submit HTTP/1.1\r\nHost: localhost\r\ntoken: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.clinic.tokens[place.user as usize],
            body.len()
        );
        let answer = self.wire.exchange(request.as_bytes()).await;
        if contains(answer, br#""bookId":"#) {
            return Answer::Booked;
        }
        assert!(contains(answer, br#""status":"401004""#), "{}", String::from_utf8_lossy(answer));
        Answer::Taken
    }
}

impl Connection {
    /// What the server says is left in every schedule, which is its counter.
    async fn check(&mut self, load: Load, acknowledged: u64) {
        for (schedule, booked) in load.booked(acknowledged) {
            let request = format!(
                "GET /pati_service/tenant_service/schedule/left_appo?scheduleId={} HTTP/1.1\r\nHost: localhost\r\n\r\n",
                clinic::schedule_id(schedule)
            );
            let answer = self.wire.exchange(request.as_bytes()).await;
            assert!(contains(answer, br#""status":"000""#), "{}", String::from_utf8_lossy(answer));
            let left = String::from_utf8_lossy(answer).matches(r#""serialNo":"#).count() as u64;
            assert_eq!(left, plan::slots_of(schedule) - booked, "what is left of schedule {schedule}");
        }
    }
}

/// The end of an answer with a length.
fn end(bytes: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length: ";
    let head_end = position(bytes, b"\r\n\r\n")? + 4;
    let lower = bytes[..head_end].to_ascii_lowercase();
    let at = position(&lower, NAME).expect("every answer has a length") + NAME.len();
    let digits = lower[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    (bytes.len() >= head_end + length).then_some(head_end + length)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    position(haystack, needle).is_some()
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
