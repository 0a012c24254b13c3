//! Calls to WeChat over HTTPS: deadlines, no redirects, bounded replies, and errors that tell no URL.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Response, redirect};
use thiserror::Error;

/// The longest reply that is read, in bytes. The list of an account's templates is the longest: 25 of a few KiB.
const MAX_REPLY_BYTES: usize = 1024 * 1024;

/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// WeChat was not reached: surely nothing was done.
    #[error("WeChat cannot be reached")]
    Unreachable,
    /// WeChat was reached and did not answer in time: perhaps something was done.
    #[error("WeChat did not answer")]
    NoAnswer,
    /// What came back is no reply of WeChat's: a failure of a proxy, or longer than any.
    #[error("WeChat answered what cannot be understood, with HTTP status {0}")]
    Garbled(u16),
}

/// The HTTPS client could not be set up.
#[derive(Debug, Error)]
#[error("cannot set up the HTTPS client of WeChat: {0}")]
pub struct OutgoingSetupError(String);

/// The client for WeChat and WeChat Pay.
#[derive(Clone, Debug)]
pub struct Outgoing(reqwest::Client);

/// A reply that was read whole, whatever its status.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers, among which WeChat Pay's signature is.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Outgoing {
    /// A client that gives up on a call after `total`. It follows no redirects and uses no proxies, which would learn
    /// the secrets.
    ///
    /// # Errors
    /// When the HTTPS client cannot be set up.
    pub fn new(total: Duration) -> Result<Self, OutgoingSetupError> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN.min(total))
            .timeout(total)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|cause| OutgoingSetupError(cause.without_url().to_string()))?;
        Ok(Self(client))
    }

    /// Begins a request.
    pub fn client(&self) -> &reqwest::Client {
        &self.0
    }

    /// Sends a request of [`Outgoing::client`] and reads its reply.
    ///
    /// # Errors
    /// Tell whether WeChat was reached; never where, with what, or what it said.
    pub async fn send(request: RequestBuilder) -> Result<Reply, CallError> {
        let response = request.send().await.map_err(|cause| {
            if cause.is_connect() || cause.is_builder() {
                CallError::Unreachable
            } else {
                CallError::NoAnswer
            }
        })?;
        read(response).await
    }
}

async fn read(mut response: Response) -> Result<Reply, CallError> {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|_| CallError::NoAnswer)? {
        if body.len() + piece.len() > MAX_REPLY_BYTES {
            return Err(CallError::Garbled(status));
        }
        body.extend_from_slice(&piece);
    }
    Ok(Reply { status, headers, body })
}
