//! Clients on keep-alive connections.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::wire;

/// Makes the `k`th request.
pub type Make<'a> = &'a (dyn Fn(u64) -> Vec<u8> + Sync);

/// What one kind of request cost, over all samples.
#[derive(Default)]
pub struct Record {
    pub requests: u64,
    pub elapsed: Duration,
    pub latencies: Vec<Duration>,
}

impl Record {
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    pub fn percentile(&mut self, percent: usize) -> Duration {
        self.latencies.sort_unstable();
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get(last * percent / 100).copied().unwrap_or_default()
    }
}

/// Keeps connections open over all samples and sends requests over them, all on one thread.
pub struct Load {
    pub runtime: tokio::runtime::Runtime,
    pub connections: Vec<wire::Connection>,
}

impl Load {
    pub fn connect(address: SocketAddr, count: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        let connections = runtime.block_on(async {
            let mut connections = Vec::new();
            for _ in 0..count {
                connections.push(wire::Connection::open(address).await.expect("connected"));
            }
            connections
        });
        Self { runtime, connections }
    }

    /// Sends `count` requests as fast as they are answered; `expected` must be part of every answer.
    pub fn run(&mut self, count: u64, request: Make<'_>, expected: &str) -> Record {
        let next = AtomicU64::new(0);
        let mut record = Record { requests: count, ..Record::default() };
        self.runtime.block_on(async {
            let started = Instant::now();
            let next = &next;
            let clients = self.connections.iter_mut().map(|connection| async move {
                let mut latencies = Vec::new();
                loop {
                    let k = next.fetch_add(1, Ordering::Relaxed);
                    if k >= count {
                        return latencies;
                    }
                    let request = request(k);
                    let sent = Instant::now();
                    let (_, body) = connection.exchange(&request).await.expect("answered");
                    latencies.push(sent.elapsed());
                    let as_expected =
                        body.windows(expected.len()).any(|window| window == expected.as_bytes());
                    assert!(as_expected, "{}", String::from_utf8_lossy(body));
                }
            });
            for latencies in futures_util::future::join_all(clients).await {
                record.latencies.extend(latencies);
            }
            record.elapsed = started.elapsed();
        });
        record
    }
}
