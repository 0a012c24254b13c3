//! What an endpoint answers next instead of what it would, and how often it was called.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// One endpoint, as scripts and counts know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// `GET /cgi-bin/token`
    Token,
    /// `POST /cgi-bin/stable_token`
    StableToken,
    /// `GET /cgi-bin/ticket/getticket`
    Ticket,
    /// `GET /connect/oauth2/authorize`, which a browser opens
    Authorize,
    /// `GET /sns/oauth2/access_token`
    OauthToken,
    /// `GET /cgi-bin/template/get_all_private_template`
    Templates,
    /// `POST /cgi-bin/message/template/send`
    TemplateSend,
    /// `POST /v3/pay/transactions/jsapi`
    PayOrder,
    /// `GET /v3/pay/transactions/out-trade-no/{no}` and `/id/{transaction}`
    PayQuery,
    /// `POST /v3/pay/transactions/out-trade-no/{no}/close`
    PayClose,
    /// `POST /v3/refund/domestic/refunds`
    Refund,
    /// `GET /v3/refund/domestic/refunds/{out_refund_no}`
    RefundQuery,
    /// `GET /v3/certificates`
    Certificates,
    /// `POST /sms`
    Sms,
    /// `SendSms` of Aliyun, at `/`
    AliyunSms,
    /// A bucket of Aliyun, by its host: `POST /` and `GET /{key}`
    Oss,
}

impl Endpoint {
    /// Whether it belongs to WeChat Pay, whose replies are signed.
    #[must_use]
    pub fn is_pay(self) -> bool {
        matches!(
            self,
            Self::PayOrder
                | Self::PayQuery
                | Self::PayClose
                | Self::Refund
                | Self::RefundQuery
                | Self::Certificates
        )
    }
}

/// An answer out of the ordinary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// HTTP 200 with this errcode and errmsg; nothing is done.
    Errcode(i64, String),
    /// This status and body, unsigned; nothing is done.
    Http(u16, String),
    /// The ordinary answer, so much later. It takes real time.
    Delay(Duration),
    /// No answer, until [`crate::Simulator::release_hanging`] or the end, and then a reset; nothing is done.
    Hang,
    /// The connection is reset; nothing is done.
    Reset,
    /// HTTP 200 with what is no JSON; nothing is done.
    Garbage,
    /// The request is carried out and the connection reset: the caller cannot know what became of it.
    DoneThenReset,
    /// The request is carried out and not answered, until [`crate::Simulator::release_hanging`].
    DoneThenHang,
    /// WeChat Pay: carried out, with a signature over something else.
    WrongSignature,
    /// WeChat Pay: carried out, with a `WECHATPAY/SIGNTEST/` signature, as the real one sends to see whether they are checked.
    ProbeSignature,
    /// WeChat Pay: carried out, without any `Wechatpay-` header.
    Unsigned,
    /// WeChat Pay: carried out, signed for ten minutes ago.
    StaleSignature,
}

impl Answer {
    /// Of the MP: the errcode with the message that the real one gives with it.
    #[must_use]
    pub fn errcode(code: i64) -> Self {
        let message = match code {
            -1 => "system error",
            40001 => crate::mp::INVALID_CREDENTIAL,
            40003 => "invalid openid",
            40014 => "invalid access_token",
            40037 => "invalid template_id",
            40164 => "invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist",
            42001 => "access_token expired",
            43004 => "require subscribe",
            43101 => "user refuse to accept the msg",
            45009 => "reach max api daily quota limit",
            48001 => "api unauthorized",
            _ => "error",
        };
        Self::Errcode(code, message.to_owned())
    }

    /// Of WeChat Pay: the status with `{"code","message"}`.
    #[must_use]
    pub fn pay_error(status: u16, code: &str, message: &str) -> Self {
        Self::Http(status, serde_json::json!({ "code": code, "message": message }).to_string())
    }
}

/// The scripts and counts of all endpoints.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    next: BTreeMap<Endpoint, VecDeque<Answer>>,
    always: BTreeMap<Endpoint, Answer>,
    calls: BTreeMap<Endpoint, u64>,
}

impl Scripts {
    pub(crate) fn queue(&mut self, endpoint: Endpoint, answer: Answer) {
        self.next.entry(endpoint).or_default().push_back(answer);
    }

    pub(crate) fn always(&mut self, endpoint: Endpoint, answer: Answer) {
        self.always.insert(endpoint, answer);
    }

    pub(crate) fn clear(&mut self) {
        self.next.clear();
        self.always.clear();
    }

    /// Counts one call, and gives what it is to be answered with, if that is out of the ordinary.
    pub(crate) fn call(&mut self, endpoint: Endpoint) -> Option<Answer> {
        *self.calls.entry(endpoint).or_default() += 1;
        let queued = self.next.get_mut(&endpoint).and_then(VecDeque::pop_front);
        queued.or_else(|| self.always.get(&endpoint).cloned())
    }

    pub(crate) fn calls(&self, endpoint: Endpoint) -> u64 {
        self.calls.get(&endpoint).copied().unwrap_or(0)
    }

    pub(crate) fn forget_calls(&mut self) {
        self.calls.clear();
    }
}
