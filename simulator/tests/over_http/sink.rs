//! A small server that keeps what is posted to it and answers what it is told to.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) target: String,
    head: String,
    pub(crate) body: String,
}

impl Taken {
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value).expect(name)
    }

    /// A parameter of the query, decoded.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

type Answers = Arc<Mutex<VecDeque<(u16, String)>>>;

/// Listens until it is dropped with its runtime.
pub(crate) struct Sink {
    pub(crate) origin: String,
    taken: Arc<Mutex<Vec<Taken>>>,
    answers: Answers,
}

impl Sink {
    /// Answers 200 `success` when it has not been told otherwise; `{echostr}` comes back where it is sent.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        let (taken, answers) = (Arc::default(), Answers::default());
        let (keep, give) = (Arc::clone(&taken), Arc::clone(&answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &keep, &give).await;
            }
        });
        Self { origin, taken, answers }
    }

    pub(crate) fn answer(&self, status: u16, body: &str) {
        self.answers.lock().push_back((status, body.to_owned()));
    }

    /// What has come since the last time.
    pub(crate) fn take(&self) -> Vec<Taken> {
        std::mem::take(&mut self.taken.lock())
    }
}

async fn serve(mut stream: TcpStream, taken: &Mutex<Vec<Taken>>, answers: &Mutex<VecDeque<(u16, String)>>) {
    let mut bytes = Vec::new();
    let request = loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap_or(0);
        if read == 0 {
            return;
        }
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length: ").and_then(|text| text.parse().ok())
        });
        if body.len() >= length.unwrap_or(0) {
            let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
            break Taken { target, head: head.to_owned(), body: body.to_owned() };
        }
    };
    let echo = request.param("echostr").unwrap_or_else(|| "success".to_owned());
    taken.lock().push(request);
    let (status, body) = answers.lock().pop_front().unwrap_or((200, echo));
    let reply =
        format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    // The other side may have given up.
    let _ = stream.write_all(reply.as_bytes()).await;
}
