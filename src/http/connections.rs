//! Connections on which the next request does not come.
//!
//! actix bounds the time for the head of a request only for the first one of a connection, and its keep-alive ends with
//! the first byte of the next. A client could therefore send that head a byte a minute and keep its connection for ever.
//! Here every connection is looked at once in a while, and one that has waited too long is shut down.
//!
//! A request costs two additions and no look at the clock: whoever looks notes when a connection was first seen
//! waiting. So a connection is ended late by up to twice the time between two looks, and never too early.

use std::any::Any;
use std::error::Error as StdError;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::rt;
use actix_web::web::Bytes;
use parking_lot::Mutex;

/// The connections of a server, of all its workers.
#[derive(Debug)]
pub struct Connections {
    patience: Duration,
    watched: Mutex<Vec<Watched>>,
}

/// What is known of a connection that may have ended since.
#[derive(Debug)]
struct Watched {
    connection: Weak<Connection>,
    /// After how many requests it was seen waiting, and when that was seen first.
    waiting: Option<(u64, Instant)>,
}

/// A connection, as its requests know it.
///
/// actix drops the data of a connection before the socket itself, so that the second handle never keeps a connection
/// open that actix has ended.
#[derive(Debug)]
pub(super) struct Connection {
    /// A second handle to the socket, the first being actix's; none if the process was out of handles.
    socket: Option<TcpStream>,
    begun: AtomicU64,
    finished: AtomicU64,
}

impl Connections {
    /// A connection may wait for the whole head of its next request for as long as `patience`.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self { patience, watched: Mutex::default() }
    }

    /// Watches a connection from now on: for `HttpServer::on_connect`.
    pub fn watch(&self, stream: &dyn Any, data: &mut Extensions) {
        if let Some(stream) = stream.downcast_ref::<rt::net::TcpStream>() {
            data.insert(self.admit(stream));
        } else if let Some(stream) = stream.downcast_ref::<TlsStream<rt::net::TcpStream>>() {
            data.insert(self.admit(stream.get_ref().0));
        }
    }

    fn admit(&self, stream: &impl AsFd) -> Arc<Connection> {
        match stream.as_fd().try_clone_to_owned() {
            Ok(socket) => {
                let connection = Arc::new(Connection::new(Some(socket.into())));
                self.watched.lock().push(Watched { connection: Arc::downgrade(&connection), waiting: None });
                connection
            }
            Err(error) => {
                tracing::debug!(%error, "a connection is closed after its first request");
                Arc::new(Connection::new(None))
            }
        }
    }

    /// Shuts down the connections that have waited too long at `now`, and answers how many they were. One on which
    /// a request is under way does not wait.
    pub fn end_late(&self, now: Instant) -> usize {
        let mut ended = 0;
        self.watched.lock().retain_mut(|watched| {
            let Some(connection) = watched.connection.upgrade() else { return false };
            let answered = connection.waits_after();
            let since = match (answered, watched.waiting) {
                (None, _) => None,
                (Some(now_after), Some((after, since))) if now_after == after => Some((after, since)),
                (Some(after), _) => Some((after, now)),
            };
            watched.waiting = since;
            let is_late = since.is_some_and(|(_, since)| now.duration_since(since) >= self.patience);
            if is_late {
                connection.shut_down();
                ended += 1;
            }
            !is_late
        });
        ended
    }
}

impl Connection {
    fn new(socket: Option<TcpStream>) -> Self {
        Self { socket, begun: AtomicU64::new(0), finished: AtomicU64::new(0) }
    }

    /// After how many requests it waits for the next one; `None` while one is under way.
    fn waits_after(&self) -> Option<u64> {
        // In this order: whoever sees the end of a request sees its beginning as well.
        let finished = self.finished.load(Ordering::Acquire);
        (self.begun.load(Ordering::Relaxed) == finished).then_some(finished)
    }

    /// actix finds its socket at the end and drops it. What the kernel has taken is sent nevertheless.
    fn shut_down(&self) {
        let Some(socket) = &self.socket else { return };
        match socket.shutdown(Shutdown::Both) {
            Ok(()) => {}
            // The client has gone in the same moment.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => tracing::warn!(%error, "a connection cannot be shut down"),
        }
    }
}

/// A request is under way on its connection until this is dropped.
#[derive(Debug)]
pub(super) struct UnderWay(Option<Arc<Connection>>);

impl UnderWay {
    /// From now on. Nothing is noted of a connection that nobody watches.
    pub(super) fn begin(request: &ServiceRequest) -> Self {
        Self::on(request.conn_data::<Arc<Connection>>().cloned())
    }

    fn on(connection: Option<Arc<Connection>>) -> Self {
        if let Some(connection) = &connection {
            connection.begun.fetch_add(1, Ordering::Relaxed);
        }
        Self(connection)
    }

    /// Whether the connection has to be closed after the reply, because nobody could end it later.
    pub(super) fn is_last(&self) -> bool {
        self.0.as_ref().is_some_and(|connection| connection.socket.is_none())
    }

    /// The request ends when the reply has been handed to the kernel: actix drops a body then and not before, and a
    /// client may take its time for a large one.
    pub(super) fn until_sent<B>(self, reply: ServiceResponse<B>) -> ServiceResponse<Sending>
    where
        B: MessageBody + 'static,
    {
        reply.map_body(|_, body| Sending { body: body.boxed(), _under_way: self })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.finished.fetch_add(1, Ordering::Release);
        }
    }
}

/// The body of a reply, with which its request ends.
#[derive(Debug)]
pub struct Sending {
    body: BoxBody,
    _under_way: UnderWay,
}

impl MessageBody for Sending {
    type Error = Box<dyn StdError>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.body.as_pin_mut().poll_next(context)
    }
}

#[cfg(test)]
mod tests;
