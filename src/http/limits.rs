//! How many texts a phone may get and an address may ask for, and how many wrong passwords they may send. A text costs
//! the clinic money and annoys who did not ask for it; a password is guessed by trying.
//!
//! Limits are rolling windows. What was sent is stored, so that a restart forgets nothing, and the records are
//! guarded by their versions, so that of two requests at once only one is within the limit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use actix_web::HttpRequest;
use actors::Clock;
use domain::{Phone, TenantId, Timestamp};
use ipnet::IpNet;
use storage::records::{LimitKind, LimitRecord};
use storage::{Blind, Commit, Key, Storage, Vault, Version, keys};

use super::error::{ApiError, ErrorCode};
use super::refusals::{MAX_TRIES, Outcome, outcome};
use crate::app::{App, Limits};

mod attempts;
#[cfg(test)]
mod tests;

pub use attempts::{Holder, PasswordAttempts, SlowedAttempts, Unlocked};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const FORWARDED_FOR: &str = "X-Forwarded-For";

/// The network that a client's address stands for when requests are counted: an IPv4 address, or the /64 of an IPv6
/// address, since whoever has one address of a /64 has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientNetwork(IpAddr);

impl ClientNetwork {
    /// The client of this request, seen through the proxies that are trusted.
    pub fn of(request: &HttpRequest, trusted: &[IpNet]) -> Self {
        // The server listens on TCP only, where every connection has a peer.
        let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let headers = request.headers().get_all(FORWARDED_FOR);
        let lines: Vec<_> = headers.map(|line| line.to_str().unwrap_or("?")).collect();
        Self::behind(peer, &lines, trusted)
    }

    /// Walks from the peer towards the client: each trusted proxy is believed about the hop before it, and nobody
    /// else is believed about anything. `lines` are the values of the header in their order.
    fn behind(peer: IpAddr, lines: &[&str], trusted: &[IpNet]) -> Self {
        let hops = lines.iter().flat_map(|line| line.split(',')).map(str::trim).filter(|hop| !hop.is_empty());
        let hops: Vec<_> = hops.collect();
        let mut client = peer.to_canonical();
        for hop in hops.into_iter().rev() {
            if !trusted.iter().any(|network| network.contains(&client)) {
                break;
            }
            // A trusted proxy that names no address is itself the last one known.
            let Some(address) = address_of(hop) else { break };
            client = address;
        }
        Self::around(client)
    }

    /// Who sends this request, as far as the limits of the server count.
    pub fn of_client(app: &App, request: &HttpRequest) -> Self {
        Self::of(request, &app.limits.trusted_proxies)
    }

    /// What stands for it in keys.
    fn blind(self, vault: &Vault, tenant: TenantId) -> Blind {
        vault.blind(&format!("address/{tenant}"), &self.0.to_string())
    }

    /// The network around one address.
    pub(super) fn around(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self(address),
            IpAddr::V6(address) => {
                let network = address.to_bits() >> 64 << 64;
                Self(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
        }
    }
}

/// The address of a hop: bare, in brackets, or with a port, as different proxies write it.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse::<IpAddr>().or_else(|_| hop.parse::<SocketAddr>().map(|hop| hop.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// At most so many texts, or wrong passwords, in any period so long.
#[derive(Clone, Copy, Debug)]
struct Window {
    span: Duration,
    most: usize,
}

impl Window {
    /// The window of a setting; none when the setting is 0, which means off.
    fn of(span: Duration, most: u32) -> Option<Self> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        (most > 0 && !span.is_zero()).then_some(Self { span, most })
    }

    /// Whether what was sent at `at` counts. One from the future counts for as long ahead as one from the past does
    /// behind, so that a clock which was wrong by a year does not silence a phone for a year.
    fn covers(self, at: Timestamp, now: Timestamp) -> bool {
        now.since(at).max(at.since(now)) < self.span
    }

    /// How long until one more text is permitted. `sent_at` is in order of time.
    fn wait(self, sent_at: &[Timestamp], now: Timestamp) -> Duration {
        let counted: Vec<_> = sent_at.iter().filter(|at| self.covers(**at, now)).collect();
        // When this one is out of the window, one place is free.
        match counted.len().checked_sub(self.most) {
            Some(leaving) => counted[leaving].plus(self.span).since(now),
            None => Duration::ZERO,
        }
    }
}

/// What is counted for one phone or one address.
struct Counter {
    key: Key<LimitRecord>,
    windows: Vec<Window>,
}

impl Counter {
    fn wait(&self, record: &LimitRecord, now: Timestamp) -> Duration {
        let waits = self.windows.iter().map(|window| window.wait(&record.sent_at, now));
        waits.max().unwrap_or(Duration::ZERO)
    }

    fn longest(&self) -> Duration {
        self.windows.iter().map(|window| window.span).max().unwrap_or(Duration::ZERO)
    }

    /// The record with one more text in it, and without those that no window covers any more.
    fn with(&self, mut record: LimitRecord, at: Timestamp) -> LimitRecord {
        record.sent_at.retain(|sent| self.windows.iter().any(|window| window.covers(*sent, at)));
        record.sent_at.push(at);
        record.sent_at.sort_unstable();
        record
    }

    fn read(&self, storage: &Storage) -> Result<(Version, LimitRecord), ApiError> {
        let stored = storage.get(&self.key).map_err(ApiError::internal)?;
        Ok(stored.map_or((Version::ABSENT, LimitRecord::default()), |stored| (stored.version, stored.record)))
    }

    /// Stores the record, or removes it where nothing is left to count.
    fn put(&self, commit: &mut Commit, read: Version, record: &LimitRecord) {
        commit.require_version(&self.key, read);
        match record.sent_at.last() {
            Some(last) => commit.put_expiring(&self.key, record, last.plus(self.longest())),
            None => commit.delete(&self.key),
        };
    }
}

/// A text that is counted already and not sent yet.
pub struct Reservation {
    counters: Vec<Counter>,
    at: Timestamp,
}

/// The limits of one clinic's texts.
pub struct SmsLimits<'a> {
    /// Where what was sent is counted.
    pub storage: &'a Storage,
    /// Blinds phones and addresses.
    pub vault: &'a Vault,
    /// What time it is.
    pub clock: &'a dyn Clock,
    /// How many texts are permitted.
    pub limits: &'a Limits,
    /// The clinic.
    pub tenant: TenantId,
}

impl SmsLimits<'_> {
    /// Counts one text to `phone`, asked for from `network`, before it is sent. What `with` adds is written in the
    /// same commit; it is called once for every try.
    ///
    /// # Errors
    /// 0429 with the time until it is permitted; the failures of a commit.
    pub async fn reserve(
        &self,
        phone: &Phone,
        network: ClientNetwork,
        with: impl Fn(&mut Commit, Timestamp),
    ) -> Result<Reservation, ApiError> {
        let counters = self.counters(phone, network);
        for _ in 0..MAX_TRIES {
            let now = self.clock.now();
            let mut commit = Commit::new();
            let mut wait = Duration::ZERO;
            for counter in &counters {
                let (read, record) = counter.read(self.storage)?;
                wait = wait.max(counter.wait(&record, now));
                counter.put(&mut commit, read, &counter.with(record, now));
            }
            if !wait.is_zero() {
                return Err(ApiError::too_often(wait));
            }
            with(&mut commit, now);
            match outcome(self.storage.commit(commit).await)? {
                Outcome::Made => return Ok(Reservation { counters, at: now }),
                Outcome::Outdated => {}
            }
        }
        Err(ErrorCode::Busy.into())
    }

    /// Takes a text back that certainly did not reach the provider.
    ///
    /// # Errors
    /// The failures of a commit; the text stays counted.
    pub async fn release(&self, reservation: &Reservation) -> Result<(), ApiError> {
        for _ in 0..MAX_TRIES {
            let mut commit = Commit::new();
            for counter in &reservation.counters {
                let (read, mut record) = counter.read(self.storage)?;
                // Others may have been counted in the same millisecond: one of them is as good as another.
                if let Some(place) = record.sent_at.iter().position(|at| *at == reservation.at) {
                    record.sent_at.remove(place);
                    counter.put(&mut commit, read, &record);
                }
            }
            if commit.is_empty() || outcome(self.storage.commit(commit).await)? == Outcome::Made {
                return Ok(());
            }
        }
        Err(ErrorCode::Busy.into())
    }

    /// Those that are not switched off.
    fn counters(&self, phone: &Phone, network: ClientNetwork) -> Vec<Counter> {
        let (vault, tenant, limits) = (self.vault, self.tenant, self.limits);
        let phone = vault.blind_phone(tenant, phone);
        let address = network.blind(vault, tenant);
        let counters = [
            Counter {
                key: keys::limit(tenant, LimitKind::SmsToPhone, &phone),
                windows: [Window::of(limits.sms_interval, 1), Window::of(DAY, limits.sms_per_phone_per_day)]
                    .into_iter()
                    .flatten()
                    .collect(),
            },
            Counter {
                key: keys::limit(tenant, LimitKind::SmsFromAddress, &address),
                windows: [
                    Window::of(HOUR, limits.sms_per_ip_per_hour),
                    Window::of(DAY, limits.sms_per_ip_per_day),
                ]
                .into_iter()
                .flatten()
                .collect(),
            },
        ];
        counters.into_iter().filter(|counter| !counter.windows.is_empty()).collect()
    }
}
