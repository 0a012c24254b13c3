//! Payment and refund notices: signed, with the resource encrypted under the merchant's APIv3 key.
//!
//! Sources: <https://pay.weixin.qq.com/doc/v3/merchant/4012081709> and the notice pages of JSAPI payment and refunds.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::clock::beijing;
use crate::orders::Order;
use crate::outbox::{Message, Post, Twist};
use crate::refunds::{Refund, RefundStatus};
use crate::signatures;
use crate::world::World;

/// Ten minutes, where five are allowed.
const LONG_AGO: SignedDuration = SignedDuration::from_secs(600);

/// A notice with its plain resource.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    id: String,
    created: Timestamp,
    mch_id: String,
    pub(crate) event_type: String,
    pub(crate) about: String,
    summary: &'static str,
    original_type: &'static str,
    resource: Value,
}

impl World {
    /// Tells the merchant of a payment.
    pub(crate) fn notify_of_payment(&mut self, order: &Order, now: Timestamp) {
        let notice = Notice {
            id: self.notice_id(),
            created: now,
            mch_id: order.mch_id.clone(),
            event_type: "TRANSACTION.SUCCESS".to_owned(),
            about: order.out_trade_no.clone(),
            summary: "支付成功",
            original_type: "transaction",
            resource: order.as_reply(),
        };
        self.outbox.queue(Message::Notice(notice), &order.notify_url, now);
    }

    /// Tells the merchant how a refund ended, if it asked to be told.
    pub(crate) fn notify_of_refund(&mut self, refund: &Refund, now: Timestamp) {
        let (event, summary) = match refund.status {
            RefundStatus::Processing => return,
            RefundStatus::Success => ("REFUND.SUCCESS", "退款成功"),
            RefundStatus::Closed => ("REFUND.CLOSED", "退款关闭"),
            RefundStatus::Abnormal => ("REFUND.ABNORMAL", "退款异常"),
        };
        let Some(url) = &refund.notify_url else { return };
        let notice = Notice {
            id: self.notice_id(),
            created: now,
            mch_id: refund.mch_id.clone(),
            event_type: event.to_owned(),
            about: refund.out_refund_no.clone(),
            summary,
            original_type: "refund",
            resource: refund.as_resource(),
        };
        self.outbox.queue(Message::Notice(notice), url, now);
    }

    fn notice_id(&mut self) -> String {
        let hex = self.chance.hex(32);
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// The request of one try. Each try is signed anew; `id` and content stay.
    pub(crate) fn notice_post(
        &mut self,
        notice: &Notice,
        url: &str,
        twist: Option<Twist>,
        now: Timestamp,
    ) -> Option<Post> {
        let (sealed_with, signed_nonce) = (self.chance.letters(12), self.chance.letters(32));
        let merchant = self.merchants.get(&notice.mch_id)?;
        let mut key = merchant.merchant.api_v3_key.clone();
        if twist == Some(Twist::WrongKey) {
            key = key.chars().rev().collect();
        }
        let nonce: [u8; 12] = sealed_with.as_bytes().try_into().ok()?;
        let plain = notice.resource.to_string();
        let ciphertext = signatures::seal(&key, nonce, notice.original_type, plain.as_bytes()).ok()?;
        let body = json!({
            "id": notice.id,
            "create_time": beijing(notice.created),
            "resource_type": "encrypt-resource",
            "event_type": notice.event_type,
            "summary": notice.summary,
            "resource": {
                "original_type": notice.original_type,
                "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": ciphertext,
                "associated_data": notice.original_type,
                "nonce": sealed_with,
            },
        })
        .to_string();
        let at = if twist == Some(Twist::Stale) { now - LONG_AGO } else { now }.as_second().to_string();
        let (mut serial, key) = merchant.signing();
        let mut text = signatures::reply_text(&at, &signed_nonce, body.as_bytes());
        if twist == Some(Twist::WrongSignature) {
            text.push(b'\n');
        }
        let mut signature = key.sign(&text).ok()?;
        if twist == Some(Twist::ProbeSignature) {
            signature = format!("WECHATPAY/SIGNTEST/{signature}");
        }
        if twist == Some(Twist::UnknownSerial) {
            serial = "51DEAD0000000000000000000000000000000000".to_owned();
        }
        let headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("Accept", "*/*".to_owned()),
            ("User-Agent", "Mozilla/4.0".to_owned()),
            ("Wechatpay-Serial", serial),
            ("Wechatpay-Timestamp", at),
            ("Wechatpay-Nonce", signed_nonce),
            ("Wechatpay-Signature", signature),
            ("Wechatpay-Signature-Type", "WECHATPAY2-SHA256-RSA2048".to_owned()),
        ];
        Some(Post { url: url.to_owned(), headers, body })
    }
}
