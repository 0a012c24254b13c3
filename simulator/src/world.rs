//! Everything that the simulated WeChat knows, in one place behind one lock.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::aliyun::SmsState;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::gateway::MerchantState;
use crate::http::{Call, Reply};
use crate::mp::{AppState, Errcode};
use crate::oss::OssState;
use crate::outbox::Outbox;
use crate::refunds::RefundStatus;
use crate::scripts::{Answer, Endpoint, Scripts};
use crate::sms::SmsMessage;

/// How many calls are remembered; older ones are forgotten.
const REMEMBERED: usize = 10_000;

/// A call that was received, and what it was answered.
#[derive(Clone, Debug)]
pub struct Received {
    /// When.
    pub at: Timestamp,
    /// Where it went.
    pub endpoint: Endpoint,
    /// HTTP method.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, as text.
    pub body: String,
    /// HTTP status; 0 when the connection was reset or never answered.
    pub status: u16,
    /// What was answered, as text.
    pub reply: String,
}

/// The state.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) apps: BTreeMap<String, AppState>,
    pub(crate) merchants: BTreeMap<String, MerchantState>,
    pub(crate) outbox: Outbox,
    pub(crate) sms: Vec<SmsMessage>,
    pub(crate) sms_service: SmsState,
    pub(crate) oss: OssState,
    pub(crate) scripts: Scripts,
    pub(crate) received: VecDeque<Received>,
    pub(crate) chance: Chance,
    pub(crate) refunds_take: SignedDuration,
    pub(crate) refund_ends: VecDeque<RefundStatus>,
}

/// What the listener, the outbox and the handle in a test's hands share.
pub(crate) struct Shared {
    pub(crate) world: Mutex<World>,
    pub(crate) clock: Clock,
    pub(crate) client: reqwest::Client,
    pub(crate) release: Notify,
}

impl World {
    /// The ordinary answer of an endpoint.
    pub(crate) fn answer(&mut self, endpoint: Endpoint, call: &Call, twist: Option<&Answer>) -> Reply {
        match endpoint {
            Endpoint::Token => self.mp(Self::token, call),
            Endpoint::StableToken => self.mp(Self::stable_token, call),
            Endpoint::Ticket => self.mp(Self::ticket, call),
            Endpoint::Authorize => self.authorize(call),
            Endpoint::OauthToken => self.oauth_token(call),
            Endpoint::Templates => self.mp(Self::templates, call),
            Endpoint::TemplateSend => self.mp(Self::template_send, call),
            Endpoint::Sms => self.sms(call),
            Endpoint::AliyunSms => self.aliyun_sms(call),
            Endpoint::Oss => self.oss(call),
            Endpoint::PayOrder
            | Endpoint::PayQuery
            | Endpoint::PayClose
            | Endpoint::Refund
            | Endpoint::RefundQuery
            | Endpoint::Certificates => self.pay(endpoint, call, twist),
        }
    }

    fn mp(&mut self, answer: fn(&mut Self, &Call) -> Result<Reply, Errcode>, call: &Call) -> Reply {
        let answered = answer(self, call);
        self.mp_reply(answered)
    }

    pub(crate) fn remember(&mut self, endpoint: Endpoint, call: &Call, reply: Option<&Reply>) {
        if self.received.len() == REMEMBERED {
            self.received.pop_front();
        }
        self.received.push_back(Received {
            at: call.now,
            endpoint,
            method: call.method.clone(),
            target: call.target(),
            headers: call.headers.clone(),
            body: String::from_utf8_lossy(&call.body).into_owned(),
            status: reply.map_or(0, |reply| reply.status),
            reply: reply.map_or_else(String::new, |reply| String::from_utf8_lossy(&reply.body).into_owned()),
        });
    }
}
