//! The socket of every peer that is a server: TCP on loopback, one request at a time. What differs between the peers
//! is only the bytes and where an answer ends, so that no peer pays for a heavier client than another.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where the answer at the beginning of the bytes ends; `None` while it is incomplete.
pub type End = fn(&[u8]) -> Option<usize>;

/// One connection.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    end: End,
}

impl Wire {
    pub async fn open(address: SocketAddr, end: End) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP socket");
        Self { stream, buffer: Vec::with_capacity(4096), end }
    }

    /// Sends a request and reads its answer whole.
    pub async fn exchange(&mut self, request: &[u8]) -> &[u8] {
        self.stream.write_all(request).await.expect("the server reads");
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("the server answers");
            assert!(read > 0, "the server closed the connection");
            if let Some(end) = (self.end)(&self.buffer) {
                assert_eq!(end, self.buffer.len(), "more than one answer");
                return &self.buffer;
            }
        }
    }
}
