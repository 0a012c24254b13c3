//! Who is cut off, and when, over sockets of this machine and with a clock that is moved.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::ops::ControlFlow;

use actix_web::body::to_bytes;
use actix_web::{App, HttpResponse, HttpServer, test as serving, web};

use super::*;
use crate::http::envelope;
use crate::http::request_id::{Edge, FailureStatus};

const PATIENCE: Duration = Duration::from_secs(45);
const MOMENT: Duration = Duration::from_millis(1);

/// How long a test waits for what should happen at once.
const AT_ONCE: Duration = Duration::from_secs(20);

/// A connection that is watched: as the server, as the client and as its requests know it.
struct Link {
    server: TcpStream,
    client: TcpStream,
    connection: Arc<Connection>,
}

impl Link {
    fn open(connections: &Connections) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        client.set_read_timeout(Some(AT_ONCE)).expect("set");
        let (server, _) = listener.accept().expect("accepted");
        let connection = connections.admit(&server);
        Self { server, client, connection }
    }

    fn begin_request(&self) -> UnderWay {
        UnderWay::on(Some(Arc::clone(&self.connection)))
    }

    /// Whether what the server sends arrives.
    fn is_alive(&mut self) -> bool {
        let mut byte = [0];
        self.server.write_all(b"x").is_ok() && self.client.read_exact(&mut byte).is_ok()
    }

    /// Whether the client has been told the end.
    fn has_ended(&mut self) -> bool {
        self.client.read(&mut [0]).is_ok_and(|read| read == 0)
    }
}

/// Seen to fail when no connection was shut down, and when one was a moment too early.
#[test]
fn a_connection_that_waits_too_long_is_ended() {
    let connections = Connections::new(PATIENCE);
    let mut link = Link::open(&connections);
    let seen = Instant::now();
    assert_eq!(connections.end_late(seen), 0);
    assert_eq!(connections.end_late(seen + PATIENCE - MOMENT), 0);
    assert!(link.is_alive());
    assert_eq!(connections.end_late(seen + PATIENCE), 1);
    assert!(link.has_ended());
    assert_eq!(connections.end_late(seen + PATIENCE * 2), 0, "once");
}

/// Seen to fail when the time was counted from the connection's beginning, and when requests that came and went
/// between two looks were overlooked.
#[test]
fn every_request_begins_the_time_anew() {
    let connections = Connections::new(PATIENCE);
    let mut link = Link::open(&connections);
    let mut now = Instant::now();
    for _ in 0..5 {
        assert_eq!(connections.end_late(now), 0);
        now += PATIENCE - MOMENT;
        assert_eq!(connections.end_late(now), 0);
        drop(link.begin_request());
        now += MOMENT;
    }
    assert_eq!(connections.end_late(now), 0);
    assert!(link.is_alive());
    assert_eq!(connections.end_late(now + PATIENCE), 1);
    assert!(link.has_ended());
}

/// Seen to fail when the beginning of a request was not noted.
#[test]
fn a_request_under_way_may_take_its_time() {
    let connections = Connections::new(PATIENCE);
    let mut link = Link::open(&connections);
    let mut now = Instant::now();
    assert_eq!(connections.end_late(now), 0);
    let request = link.begin_request();
    for _ in 0..5 {
        now += PATIENCE * 3;
        assert_eq!(connections.end_late(now), 0);
    }
    assert!(link.is_alive());
    drop(request);
    assert_eq!(connections.end_late(now + PATIENCE), 0, "it has only begun to wait");
    assert_eq!(connections.end_late(now + PATIENCE * 2), 1);
    assert!(link.has_ended());
}

/// Seen to fail when a request ended with its handler.
#[actix_web::test]
async fn a_request_ends_with_the_body_of_its_reply() {
    let connections = Connections::new(PATIENCE);
    let link = Link::open(&connections);
    let reply = serving::TestRequest::default().to_srv_response(HttpResponse::Ok().body("picture"));
    let reply = link.begin_request().until_sent(reply);
    assert_eq!(link.connection.waits_after(), None);
    let (request, reply) = reply.into_parts();
    drop(request);
    let (head, body) = reply.into_parts();
    drop(head);
    assert_eq!(link.connection.waits_after(), None);
    assert_eq!(body.size(), BodySize::Sized(7));
    assert_eq!(to_bytes(body).await.expect("in memory"), "picture");
    assert_eq!(link.connection.waits_after(), Some(1));
}

/// Seen to fail when the connections kept what belongs to the requests.
#[test]
fn a_connection_that_has_ended_is_forgotten() {
    let connections = Connections::new(PATIENCE);
    let mut ended = Link::open(&connections);
    let stays = Link::open(&connections);
    // The order of actix: the data first, then the socket.
    drop(ended.connection);
    drop(ended.server);
    assert_eq!(ended.client.read(&mut [0]).expect("told"), 0);
    assert_eq!(connections.end_late(Instant::now()), 0);
    assert_eq!(connections.watched.lock().len(), 1);
    drop(stays);
}

/// Nobody could end it later, so it must not stay. Seen to fail when the edge did not ask.
#[actix_web::test]
async fn a_connection_that_cannot_be_watched_has_one_request() {
    for (socket_is_there, expected) in [(false, ControlFlow::Break(())), (true, ControlFlow::Continue(()))] {
        let connections = Arc::new(Connections::new(PATIENCE));
        let server = HttpServer::new(|| {
            let edge = Edge::new(1, FailureStatus::OfTheTable, Arc::default());
            App::new().wrap(edge).route("/null", web::get().to(async || envelope::ok_null()))
        });
        let server = server.on_connect(move |stream, data| {
            if socket_is_there {
                connections.watch(stream, data);
            } else {
                data.insert(Arc::new(Connection::new(None)));
            }
        });
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").expect("a free port");
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        rt::spawn(server);
        let outcome = web::block(move || two_requests(address)).await.expect("it does not panic");
        assert_eq!(outcome, expected);
        handle.stop(false).await;
    }
}

/// Breaks off if the server ends the connection after the first request.
fn two_requests(address: SocketAddr) -> ControlFlow<()> {
    let mut client = TcpStream::connect(address).expect("connected");
    client.set_read_timeout(Some(AT_ONCE)).expect("set");
    for _ in 0..2 {
        client.write_all(b"GET /null HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
        let mut reply = Vec::new();
        while !reply.ends_with(b"}") {
            let mut byte = [0];
            client.read_exact(&mut byte).expect("the whole reply");
            reply.push(byte[0]);
        }
        if String::from_utf8_lossy(&reply).to_ascii_lowercase().contains("connection: close") {
            assert_eq!(client.read(&mut [0]).expect("told"), 0);
            return ControlFlow::Break(());
        }
    }
    ControlFlow::Continue(())
}
