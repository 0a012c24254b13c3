//! What WeChat sends to the server on its own: payment and refund notices, and events. When, how often, and what came back.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::callbacks::Event;
use crate::notices::Notice;
use crate::world::{Shared, World};

/// Something wrong with the next notice or event that is queued. Its later tries are in order again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    /// It never comes, not even later: the server has to ask.
    Lose,
    /// It comes twice.
    Twice,
    /// Signed over something else.
    WrongSignature,
    /// Notices: a `WECHATPAY/SIGNTEST/` signature, as the real one sends to see whether they are checked.
    ProbeSignature,
    /// Notices: signed by the right key for ten minutes ago.
    Stale,
    /// Notices: names a serial number that nobody knows.
    UnknownSerial,
    /// Notices: the resource is encrypted under another APIv3 key.
    WrongKey,
}

/// One try to deliver, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// `TRANSACTION.SUCCESS`, `REFUND.SUCCESS`, `subscribe`, …
    pub kind: String,
    /// The out_trade_no, the out_refund_no, or the openid.
    pub about: String,
    /// 1 for the first.
    pub try_number: usize,
    /// HTTP status; none when nothing came back.
    pub status: Option<u16>,
    /// The body that came back, or what went wrong.
    pub reply: String,
    /// Whether WeChat takes it as received.
    pub accepted: bool,
    /// When it comes again.
    pub next_try: Option<Timestamp>,
}

/// In which order held deliveries go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// As they were queued.
    InOrder,
    /// The last one first.
    Reversed,
}

/// What is to be sent.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Notice(Notice),
    Event(Event),
}

impl Message {
    fn kind(&self) -> &str {
        match self {
            Self::Notice(notice) => &notice.event_type,
            Self::Event(event) => &event.name,
        }
    }

    fn about(&self) -> &str {
        match self {
            Self::Notice(notice) => &notice.about,
            Self::Event(event) => &event.open_id,
        }
    }
}

/// After how many seconds the next try of a notice follows; 24 h 4 min in all.
/// <https://pay.weixin.qq.com/wiki/doc/api> (notices; v3 has the same schedule)
const NOTICE_RETRIES: [i64; 15] =
    [15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10_800, 10_800, 10_800, 21_600, 21_600];
/// Three tries in all, each of which has five seconds. <https://developers.weixin.qq.com/doc/service/> (callbacks)
const EVENT_RETRIES: [i64; 2] = [5, 5];

#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    message: Message,
    url: String,
    due: Timestamp,
    tries: usize,
    twist: Option<Twist>,
}

/// Everything that waits to be sent, and what was sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Vec<Outgoing>,
    held: bool,
    notice_twists: VecDeque<Twist>,
    event_twists: VecDeque<Twist>,
    deliveries: Vec<Delivery>,
    /// Which origin stands for which, as DNS and the clinic's proxy would have it.
    origins: BTreeMap<String, String>,
}

/// A request that is ready to go.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Outbox {
    pub(crate) fn queue(&mut self, message: Message, url: &str, now: Timestamp) {
        let twist = match &message {
            Message::Notice(_) => self.notice_twists.pop_front(),
            Message::Event(_) => self.event_twists.pop_front(),
        };
        let outgoing = Outgoing { message, url: url.to_owned(), due: now, tries: 0, twist };
        match twist {
            Some(Twist::Lose) => {}
            Some(Twist::Twice) => self.waiting.extend([outgoing.clone(), outgoing]),
            _ => self.waiting.push(outgoing),
        }
    }

    pub(crate) fn twist_notice(&mut self, twist: Twist) {
        self.notice_twists.push_back(twist);
    }

    pub(crate) fn twist_event(&mut self, twist: Twist) {
        self.event_twists.push_back(twist);
    }

    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    pub(crate) fn release(&mut self, order: Release) {
        self.held = false;
        if order == Release::Reversed {
            self.waiting.reverse();
        }
    }

    pub(crate) fn resolve(&mut self, origin: &str, to: &str) {
        self.origins.insert(origin.trim_end_matches('/').to_owned(), to.trim_end_matches('/').to_owned());
    }

    /// The address that a URL really leads to.
    pub(crate) fn resolved(&self, url: &str) -> String {
        let known = self.origins.iter().find(|(origin, _)| {
            url.strip_prefix(origin.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        known.map_or_else(|| url.to_owned(), |(origin, to)| format!("{to}{}", &url[origin.len()..]))
    }

    pub(crate) fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn take_due(&mut self, now: Timestamp) -> Vec<Outgoing> {
        if self.held {
            return Vec::new();
        }
        let (due, later) = self.waiting.drain(..).partition(|outgoing| outgoing.due <= now);
        self.waiting = later;
        due
    }

    fn record(
        &mut self,
        mut outgoing: Outgoing,
        answer: Answered,
        accepted: Result<(), String>,
        now: Timestamp,
    ) -> Delivery {
        let retries: &[i64] = match outgoing.message {
            Message::Notice(_) => &NOTICE_RETRIES,
            Message::Event(_) => &EVENT_RETRIES,
        };
        let wait = retries.get(outgoing.tries).filter(|_| accepted.is_err());
        outgoing.tries += 1;
        let delivery = Delivery {
            kind: outgoing.message.kind().to_owned(),
            about: outgoing.message.about().to_owned(),
            try_number: outgoing.tries,
            status: answer.as_ref().ok().map(|(status, _)| *status),
            accepted: accepted.is_ok(),
            reply: match (answer, accepted) {
                (Ok((_, body)), _) => body,
                (Err(error), _) => error,
            },
            next_try: wait.map(|seconds| now + SignedDuration::from_secs(*seconds)),
        };
        if let Some(due) = delivery.next_try {
            self.waiting.push(Outgoing { due, twist: None, ..outgoing });
        }
        self.deliveries.push(delivery.clone());
        delivery
    }
}

/// Status and body, or why nothing came.
type Answered = Result<(u16, String), String>;

impl World {
    fn prepared(&mut self, outgoing: &Outgoing, now: Timestamp) -> Option<Post> {
        let mut post = match &outgoing.message {
            Message::Notice(notice) => self.notice_post(notice, &outgoing.url, outgoing.twist, now)?,
            Message::Event(event) => self.event_post(event, &outgoing.url, outgoing.twist, now)?,
        };
        post.url = self.outbox.resolved(&post.url);
        Some(post)
    }

    fn judged(&self, message: &Message, answer: &Answered) -> Result<(), String> {
        let (status, body) = answer.as_ref().map_err(Clone::clone)?;
        match message {
            Message::Notice(_) if matches!(status, 200 | 204) => Ok(()),
            Message::Notice(_) => Err(format!("HTTP {status}")),
            Message::Event(event) => self.event_answer(event, *status, body),
        }
    }
}

impl Shared {
    /// Sends everything that is due, one after the other. What is refused is queued again by the schedule.
    pub(crate) async fn deliver_due(&self) -> Vec<Delivery> {
        let now = self.clock.now();
        let due = {
            let mut world = self.world.lock();
            world.finish_due_refunds(now);
            world.outbox.take_due(now)
        };
        let mut deliveries = Vec::new();
        for outgoing in due {
            let post = self.world.lock().prepared(&outgoing, now);
            let answer = match post {
                Some(post) => self.post(post).await,
                None => Err("the account is gone".to_owned()),
            };
            let mut world = self.world.lock();
            let accepted = world.judged(&outgoing.message, &answer);
            deliveries.push(world.outbox.record(outgoing, answer, accepted, now));
        }
        deliveries
    }

    async fn post(&self, post: Post) -> Answered {
        let mut request = self.client.post(&post.url).body(post.body);
        for (name, value) in post.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let body = response.text().await.map_err(|error| error.to_string())?;
        Ok((status, body))
    }
}
