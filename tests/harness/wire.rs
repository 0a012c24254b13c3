//! A small HTTP/1.1 client over one keep-alive connection. It shares nothing with the server's own
//! HTTP code, and it costs little, so that a load generator on the same cores leaves them to the
//! server.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    /// Whether the server closes the connection after this reply.
    pub fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// The value of a header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// The bytes of a GET request.
pub fn get(path_and_query: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = head("GET", path_and_query, headers);
    text.push_str("\r\n");
    text.into_bytes()
}

/// The bytes of a POST request with a JSON body.
pub fn post(path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = head("POST", path, headers);
    text.push_str("Content-Type: application/json\r\n");
    with_body(&text, body)
}

/// The bytes of a request whose headers are only those given, its host and its length.
pub fn bare(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    with_body(&head(method, target, headers), body)
}

fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text
}

fn with_body(head: &str, body: &str) -> Vec<u8> {
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// One keep-alive connection, over TCP or over what stands on it.
pub struct Connection<S = TcpStream> {
    stream: S,
    buffer: Vec<u8>,
}

impl Connection<TcpStream> {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub fn over(stream: S) -> Self {
        Self { stream, buffer: Vec::with_capacity(4096) }
    }

    /// Sends one request and reads its reply whole.
    pub async fn send(&mut self, request: &[u8]) -> io::Result<Reply> {
        self.write(request).await?;
        self.read().await
    }

    /// Hands a request, or a part of one, to the operating system.
    pub async fn write(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await?;
        self.stream.flush().await
    }

    /// Reads one reply whole.
    pub async fn read(&mut self) -> io::Result<Reply> {
        self.buffer.clear();
        let head_end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.fill().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(malformed)?;
        let mut reply = Reply { status, head, body: Vec::new() };
        let length = match reply.header("content-length") {
            Some(length) => length.parse::<usize>().map_err(|_| malformed())?,
            None => 0,
        };
        while self.buffer.len() < head_end + length {
            self.fill().await?;
        }
        reply.body = self.buffer[head_end..head_end + length].to_vec();
        Ok(reply)
    }

    /// Sends one request and reads its reply, looking only at the status line: for load generators.
    /// Answers the HTTP status and the body's bytes.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        self.buffer.clear();
        loop {
            self.fill().await?;
            let Some(head_end) = find(&self.buffer, b"\r\n\r\n") else { continue };
            let length = content_length(&self.buffer[..head_end]).ok_or_else(malformed)?;
            let total = head_end + 4 + length;
            while self.buffer.len() < total {
                self.fill().await?;
            }
            let status = self.buffer.get(9..12).and_then(|code| std::str::from_utf8(code).ok());
            let status = status.and_then(|code| code.parse().ok()).ok_or_else(malformed)?;
            return Ok((status, &self.buffer[head_end + 4..total]));
        }
    }

    /// Sends the head of a request that never ends, a byte at a time, and answers when the server has closed the
    /// connection.
    pub async fn trickle_until_closed(&mut self) {
        const PAUSE: Duration = Duration::from_millis(100);
        let head = b"GET /health HTTP/1.1\r\nX-Padding: ".iter().chain(std::iter::repeat(&b'a'));
        for byte in head {
            if self.write(&[*byte]).await.is_err() {
                return;
            }
            match timeout(PAUSE, self.fill()).await {
                Ok(Ok(())) => panic!("answered without having been asked"),
                Ok(Err(_)) => return,
                Err(_) => {}
            }
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length: ";
    let at = head.windows(NAME.len()).position(|window| window.eq_ignore_ascii_case(NAME))? + NAME.len();
    let digits = head[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.copied().try_fold(0usize, |sum, digit| sum.checked_mul(10)?.checked_add(usize::from(digit - b'0')))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn malformed() -> io::Error {
    io::Error::other("the server did not answer in HTTP/1.1")
}
