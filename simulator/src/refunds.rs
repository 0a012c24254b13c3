//! Refunds: taken in first, finished later.
//!
//! Source: the refund pages at <https://pay.weixin.qq.com/doc/v3/merchant/>.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::beijing;
use crate::gateway::{bad_field, failure};
use crate::http::{Call, Reply};
use crate::orders::{TradeState, is_notify_url};
use crate::world::World;

/// `status` and, in notices, `refund_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum RefundStatus {
    /// `PROCESSING` 退款处理中
    Processing,
    /// `SUCCESS` 退款成功
    Success,
    /// `CLOSED` 退款关闭
    Closed,
    /// `ABNORMAL` 退款异常: the payer's card does not take it
    Abnormal,
}

impl RefundStatus {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Processing => "PROCESSING",
            Self::Success => "SUCCESS",
            Self::Closed => "CLOSED",
            Self::Abnormal => "ABNORMAL",
        }
    }
}

/// A refund as WeChat Pay knows it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Refund {
    /// Whose.
    pub mch_id: String,
    /// 商户退款单号
    pub out_refund_no: String,
    /// 微信支付退款号
    pub refund_id: String,
    /// Of which order.
    pub out_trade_no: String,
    /// Of which payment.
    pub transaction_id: String,
    /// Fen.
    pub refund: i64,
    /// Fen, of the order.
    pub total: i64,
    /// What the payer reads.
    pub reason: String,
    /// Where its end is told.
    pub notify_url: Option<String>,
    /// When it was asked for.
    pub created: Timestamp,
    /// How it stands.
    pub status: RefundStatus,
    /// When it was finished.
    pub finished: Option<Timestamp>,
    /// When it finishes by itself, and how.
    pub(crate) due: Timestamp,
    pub(crate) end: RefundStatus,
    content: Value,
}

impl Refund {
    fn as_reply(&self) -> Value {
        let mut reply = json!({
            "refund_id": self.refund_id,
            "out_refund_no": self.out_refund_no,
            "transaction_id": self.transaction_id,
            "out_trade_no": self.out_trade_no,
            "channel": "ORIGINAL",
            "user_received_account": "支付用户零钱",
            "create_time": beijing(self.created),
            "status": self.status.name(),
            "funds_account": "AVAILABLE",
            "amount": {
                "total": self.total,
                "refund": self.refund,
                "payer_total": self.total,
                "payer_refund": self.refund,
                "settlement_total": self.total,
                "settlement_refund": self.refund,
                "discount_refund": 0,
                "currency": "CNY",
            },
        });
        if let (RefundStatus::Success, Some(at)) = (self.status, self.finished) {
            reply["success_time"] = json!(beijing(at));
        }
        reply
    }

    /// As its notice shows it.
    pub(crate) fn as_resource(&self) -> Value {
        let mut resource = json!({
            "mchid": self.mch_id,
            "transaction_id": self.transaction_id,
            "out_trade_no": self.out_trade_no,
            "refund_id": self.refund_id,
            "out_refund_no": self.out_refund_no,
            "refund_status": self.status.name(),
            "user_received_account": "支付用户零钱",
            "amount": {
                "total": self.total,
                "refund": self.refund,
                "payer_total": self.total,
                "payer_refund": self.refund,
            },
        });
        if let (RefundStatus::Success, Some(at)) = (self.status, self.finished) {
            resource["success_time"] = json!(beijing(at));
        }
        resource
    }
}

impl World {
    /// `POST /v3/refund/domestic/refunds`
    pub(crate) fn refund(&mut self, mch_id: &str, call: &Call) -> Result<Reply, Reply> {
        let body = call.json().ok_or_else(|| failure(400, "PARAM_ERROR", "请求体不是有效的JSON"))?;
        let number = body["out_refund_no"].as_str().unwrap_or_default();
        if number.is_empty() || number.len() > 64 {
            return Err(bad_field("out_refund_no", &body["out_refund_no"], "长度应为1到64个字符"));
        }
        let former = self.merchants.get(mch_id).and_then(|merchant| merchant.refunds.get(number));
        if let Some(former) = former {
            return if former.content == body {
                Ok(Reply::json(200, &former.as_reply()))
            } else {
                Err(failure(400, "INVALID_REQUEST", "商户退款单号已使用，且参数与原请求不一致"))
            };
        }
        let refund = self.read_refund(mch_id, &body, call.now)?;
        let reply = Reply::json(200, &refund.as_reply());
        let merchant = self.merchants.get_mut(mch_id).ok_or(Reply::empty(404))?;
        if let Some(order) = merchant.orders.get_mut(&refund.out_trade_no) {
            order.state = TradeState::Refund;
        }
        merchant.refunds.insert(refund.out_refund_no.clone(), refund);
        Ok(reply)
    }

    fn read_refund(&mut self, mch_id: &str, body: &Value, now: Timestamp) -> Result<Refund, Reply> {
        let text = |field: &str| body[field].as_str().unwrap_or_default();
        let refund_id = format!("5030{}", self.chance.digits(25));
        let end = self.refund_ends.pop_front().unwrap_or(RefundStatus::Success);
        let merchant = self.merchants.get(mch_id).ok_or(Reply::empty(404))?;
        let order = match (text("transaction_id"), text("out_trade_no")) {
            ("", number) => merchant.orders.get(number),
            (id, _) => merchant.orders.values().find(|order| order.transaction_id.as_deref() == Some(id)),
        };
        let order = order.ok_or_else(|| failure(404, "RESOURCE_NOT_EXISTS", "订单不存在"))?;
        let (Some(transaction_id), TradeState::Success | TradeState::Refund) =
            (order.transaction_id.clone(), order.state)
        else {
            return Err(failure(400, "INVALID_REQUEST", "订单状态不支持退款"));
        };
        let amount = &body["amount"];
        let (refund, total) = (amount["refund"].as_i64().unwrap_or(0), amount["total"].as_i64().unwrap_or(0));
        if refund < 1 {
            return Err(bad_field("amount/refund", &amount["refund"], "退款金额应为不小于1的整数"));
        }
        if amount["currency"].as_str() != Some("CNY") {
            return Err(bad_field("amount/currency", &amount["currency"], "货币类型只支持CNY"));
        }
        if text("reason").chars().count() > 80 {
            return Err(bad_field("reason", &body["reason"], "长度不得超过80个字符"));
        }
        let notify_url = Some(text("notify_url")).filter(|url| !url.is_empty());
        if notify_url.is_some_and(|url| !is_notify_url(url)) {
            return Err(bad_field("notify_url", &body["notify_url"], "通知URL必须为https且不能携带参数"));
        }
        if total != order.total {
            return Err(failure(400, "INVALID_REQUEST", "订单金额与原订单不一致"));
        }
        let others = merchant.refunds.values().filter(|other| other.out_trade_no == order.out_trade_no);
        let given: i64 =
            others.filter(|other| other.status != RefundStatus::Closed).map(|other| other.refund).sum();
        if given + refund > order.total {
            return Err(failure(400, "INVALID_REQUEST", "申请退款金额大于订单可退金额"));
        }
        Ok(Refund {
            mch_id: mch_id.to_owned(),
            out_refund_no: text("out_refund_no").to_owned(),
            refund_id,
            out_trade_no: order.out_trade_no.clone(),
            transaction_id,
            refund,
            total,
            reason: text("reason").to_owned(),
            notify_url: notify_url.map(str::to_owned),
            created: now,
            status: RefundStatus::Processing,
            finished: None,
            due: now + self.refunds_take,
            end,
            content: body.clone(),
        })
    }

    /// `GET /v3/refund/domestic/refunds/{out_refund_no}`
    pub(crate) fn refund_query(&mut self, mch_id: &str, call: &Call) -> Result<Reply, Reply> {
        self.finish_due_refunds(call.now);
        let number = call.path.rsplit('/').next().unwrap_or_default();
        let refund = self.merchants.get(mch_id).and_then(|merchant| merchant.refunds.get(number));
        refund
            .map(|refund| Reply::json(200, &refund.as_reply()))
            .ok_or_else(|| failure(404, "RESOURCE_NOT_EXISTS", "退款单不存在"))
    }

    /// Finishes the refunds whose time has come.
    pub(crate) fn finish_due_refunds(&mut self, now: Timestamp) {
        let refunds = self.merchants.values().flat_map(|merchant| merchant.refunds.values());
        let due: Vec<(String, RefundStatus)> = refunds
            .filter(|refund| refund.status == RefundStatus::Processing && refund.due <= now)
            .map(|refund| (refund.refund_id.clone(), refund.end))
            .collect();
        for (refund_id, end) in due {
            self.finish_refund(&refund_id, end, now);
        }
    }

    /// Ends a refund, found by refund_id or out_refund_no, and tells the merchant. False when there is none that is open.
    pub(crate) fn finish_refund(&mut self, key: &str, end: RefundStatus, now: Timestamp) -> bool {
        let refunds = self.merchants.values_mut().flat_map(|merchant| merchant.refunds.values_mut());
        let found = refunds
            .filter(|refund| refund.refund_id == key || refund.out_refund_no == key)
            .find(|refund| refund.status == RefundStatus::Processing);
        let Some(refund) = found else { return false };
        (refund.status, refund.finished) = (end, Some(now));
        let refund = refund.clone();
        self.notify_of_refund(&refund, now);
        self.keep();
        true
    }
}
