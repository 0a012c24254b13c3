//! Orders of JSAPI payment: made, asked for, closed, paid.
//!
//! Source: the JSAPI pages at <https://pay.weixin.qq.com/doc/v3/merchant/>.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::beijing;
use crate::gateway::{bad_field, failure};
use crate::http::{Call, Reply};
use crate::signatures;
use crate::world::World;

const PREPAY_LIFE: SignedDuration = SignedDuration::from_secs(7200);
const SHORTEST: SignedDuration = SignedDuration::from_secs(60);

/// `trade_state`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum TradeState {
    /// `NOTPAY` 未支付
    NotPay,
    /// `USERPAYING` 用户支付中
    UserPaying,
    /// `SUCCESS` 支付成功
    Success,
    /// `REFUND` 转入退款
    Refund,
    /// `CLOSED` 已关闭
    Closed,
    /// `PAYERROR` 支付失败
    PayError,
}

impl TradeState {
    /// The name on the wire and its `trade_state_desc`.
    #[must_use]
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::NotPay => ("NOTPAY", "订单未支付"),
            Self::UserPaying => ("USERPAYING", "用户支付中"),
            Self::Success => ("SUCCESS", "支付成功"),
            Self::Refund => ("REFUND", "订单发生过退款"),
            Self::Closed => ("CLOSED", "订单已关闭"),
            Self::PayError => ("PAYERROR", "支付失败"),
        }
    }
}

/// An order as WeChat Pay knows it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Order {
    /// Whose.
    pub mch_id: String,
    /// The account it is paid in.
    pub app_id: String,
    /// 商户订单号
    pub out_trade_no: String,
    /// 微信支付订单号, once it is paid.
    pub transaction_id: Option<String>,
    /// What the payer reads.
    pub description: String,
    /// Fen.
    pub total: i64,
    /// The payer.
    pub open_id: String,
    /// Comes back in queries and notices.
    pub attach: String,
    /// Where the payment is told.
    pub notify_url: String,
    /// After this it cannot be paid.
    pub time_expire: Option<Timestamp>,
    /// When it was made.
    pub created: Timestamp,
    /// Valid for two hours.
    pub prepay_id: String,
    /// Until when.
    pub prepay_until: Timestamp,
    /// Its state.
    pub state: TradeState,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// Whether the payer has said no. It can still be paid.
    pub declined: bool,
    /// The body of the request without `time_expire`, which counts for the first call only.
    content: Value,
}

impl Order {
    /// As queries and notices show it.
    pub(crate) fn as_reply(&self) -> Value {
        let (state, description) = self.state.names();
        let mut reply = json!({
            "appid": self.app_id,
            "mchid": self.mch_id,
            "out_trade_no": self.out_trade_no,
            "trade_state": state,
            "trade_state_desc": description,
            "attach": self.attach,
            "amount": { "total": self.total, "currency": "CNY" },
            "promotion_detail": [],
        });
        if let (Some(transaction), Some(paid_at)) = (&self.transaction_id, self.paid_at) {
            reply["transaction_id"] = json!(transaction);
            reply["trade_type"] = json!("JSAPI");
            reply["bank_type"] = json!("OTHERS");
            reply["success_time"] = json!(beijing(paid_at));
            reply["payer"] = json!({ "openid": self.open_id });
            reply["amount"]["payer_total"] = json!(self.total);
            reply["amount"]["payer_currency"] = json!("CNY");
        }
        reply
    }
}

/// Why a payer could not pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPaid {
    /// There is no such order, or several merchants have one of this number.
    #[error("no such order")]
    NoOrder,
    /// It is paid, closed or refunded.
    #[error("the order cannot be paid any more")]
    NotOpen,
    /// `time_expire` or the two hours of the prepay_id have passed.
    #[error("the order has expired")]
    Expired,
    /// The page's paySign is not the merchant's over what the page sent.
    #[error("支付验证签名失败")]
    Signature,
}

/// What a page gives to `wx.chooseWXPay`, in the spelling of `getBrandWCPayRequest`.
#[derive(Clone, Copy, Debug)]
pub struct PagePayment<'a> {
    /// `appId`, from `wx.config`.
    pub app_id: &'a str,
    /// `timeStamp`, seconds as text.
    pub time_stamp: &'a str,
    /// `nonceStr`.
    pub nonce_str: &'a str,
    /// `prepay_id=…`
    pub package: &'a str,
    /// `RSA`; it is not signed.
    pub sign_type: &'a str,
    /// Base64.
    pub pay_sign: &'a str,
}

impl World {
    /// `POST /v3/pay/transactions/jsapi`
    pub(crate) fn order(&mut self, mch_id: &str, call: &Call) -> Result<Reply, Reply> {
        let body = call.json().ok_or_else(|| failure(400, "PARAM_ERROR", "请求体不是有效的JSON"))?;
        let mut order = self.read_order(mch_id, &body, call.now)?;
        let prepay_id = format!("wx{}{}", call.now.as_second(), self.chance.hex(24));
        let merchant = self.merchants.get_mut(mch_id).ok_or(Reply::empty(404))?;
        order.prepay_id.clone_from(&prepay_id);
        match merchant.orders.get_mut(&order.out_trade_no) {
            None => {
                merchant.orders.insert(order.out_trade_no.clone(), order);
                Ok(prepaid(&prepay_id))
            }
            Some(former) if former.content != order.content => {
                Err(failure(403, "OUT_TRADE_NO_USED", "商户订单号重复"))
            }
            Some(former) => match former.state {
                TradeState::NotPay | TradeState::UserPaying | TradeState::PayError => {
                    if former.prepay_until <= call.now {
                        (former.prepay_id, former.prepay_until) = (prepay_id, call.now + PREPAY_LIFE);
                    }
                    Ok(prepaid(&former.prepay_id))
                }
                TradeState::Closed => Err(failure(400, "ORDER_CLOSED", "订单已关闭")),
                TradeState::Success | TradeState::Refund => {
                    Err(failure(400, "INVALID_REQUEST", "该订单已支付"))
                }
            },
        }
    }

    fn read_order(&self, mch_id: &str, body: &Value, now: Timestamp) -> Result<Order, Reply> {
        let text =
            |field: &str| body.pointer(&format!("/{field}")).and_then(Value::as_str).unwrap_or_default();
        let refuse = |field: &str, issue: &str| {
            Err(bad_field(field, body.pointer(&format!("/{field}")).unwrap_or(&Value::Null), issue))
        };
        self.bound(mch_id, text("mchid"), text("appid"))?;
        if !is_trade_no(text("out_trade_no")) {
            return refuse("out_trade_no", "商户订单号为6到32个字符，只能是数字、大小写字母_-*|");
        }
        if !(1..=127).contains(&text("description").chars().count()) {
            return refuse("description", "长度应为1到127个字符");
        }
        if text("attach").chars().count() > 128 {
            return refuse("attach", "长度不得超过128个字符");
        }
        if !is_notify_url(text("notify_url")) {
            return refuse("notify_url", "通知URL必须为https且不能携带参数");
        }
        let total = body["amount"]["total"].as_i64().unwrap_or(0);
        if total < 1 {
            return refuse("amount/total", "订单金额应为不小于1的整数");
        }
        if !matches!(text("amount/currency"), "" | "CNY") {
            return refuse("amount/currency", "货币类型只支持CNY");
        }
        let time_expire = match text("time_expire") {
            "" => None,
            given => match given.parse::<Timestamp>() {
                Ok(at) if at.duration_since(now) >= SHORTEST => Some(at),
                Ok(_) | Err(_) => return refuse("time_expire", "time_expire时间过短或格式错误"),
            },
        };
        let people = self.apps.get(text("appid")).map(|app| app.app.people.as_slice()).unwrap_or_default();
        if !people.iter().any(|person| person.open_id == text("payer/openid")) {
            return Err(failure(400, "INVALID_REQUEST", "无效的openid"));
        }
        let mut content = body.clone();
        if let Some(fields) = content.as_object_mut() {
            fields.remove("time_expire");
        }
        Ok(Order {
            mch_id: mch_id.to_owned(),
            app_id: text("appid").to_owned(),
            out_trade_no: text("out_trade_no").to_owned(),
            transaction_id: None,
            description: text("description").to_owned(),
            total,
            open_id: text("payer/openid").to_owned(),
            attach: text("attach").to_owned(),
            notify_url: text("notify_url").to_owned(),
            time_expire,
            created: now,
            prepay_id: String::new(),
            prepay_until: now + PREPAY_LIFE,
            state: TradeState::NotPay,
            paid_at: None,
            declined: false,
            content,
        })
    }

    /// The merchant of the body is the one that signed, and the account is bound to it.
    fn bound(&self, signer: &str, mch_id: &str, app_id: &str) -> Result<(), Reply> {
        let Some(merchant) = self.merchants.get(mch_id) else {
            return Err(failure(400, "MCH_NOT_EXISTS", "商户号不存在"));
        };
        if signer != mch_id {
            return Err(failure(403, "NO_AUTH", "商户号与签名的商户不一致"));
        }
        if !merchant.merchant.app_ids.iter().any(|bound| bound == app_id) {
            return Err(failure(400, "APPID_MCHID_NOT_MATCH", "商户号与appid不匹配"));
        }
        Ok(())
    }

    /// `GET /v3/pay/transactions/out-trade-no/{no}` and `/id/{transaction}`
    pub(crate) fn order_query(&mut self, mch_id: &str, call: &Call) -> Result<Reply, Reply> {
        if call.param("mchid").as_deref() != Some(mch_id) {
            return Err(failure(400, "PARAM_ERROR", "mchid与签名的商户不一致"));
        }
        let last = call.path.rsplit('/').next().unwrap_or_default();
        let by_transaction = call.path.starts_with("/v3/pay/transactions/id/");
        let orders = self.merchants.get(mch_id).map(|merchant| &merchant.orders);
        let order = orders.and_then(|orders| {
            if by_transaction {
                orders.values().find(|order| order.transaction_id.as_deref() == Some(last))
            } else {
                orders.get(last)
            }
        });
        order
            .map(|order| Reply::json(200, &order.as_reply()))
            .ok_or_else(|| failure(404, "ORDER_NOT_EXIST", "订单不存在"))
    }

    /// `POST /v3/pay/transactions/out-trade-no/{no}/close`: 204 with no body.
    pub(crate) fn order_close(&mut self, mch_id: &str, call: &Call) -> Result<Reply, Reply> {
        let body = call.json().unwrap_or_default();
        if body["mchid"].as_str() != Some(mch_id) {
            return Err(failure(400, "PARAM_ERROR", "mchid与签名的商户不一致"));
        }
        let number = call.path.trim_end_matches("/close").rsplit('/').next().unwrap_or_default();
        let order = self.merchants.get_mut(mch_id).and_then(|merchant| merchant.orders.get_mut(number));
        let order = order.ok_or_else(|| failure(404, "ORDER_NOT_EXIST", "订单不存在"))?;
        match order.state {
            TradeState::NotPay | TradeState::UserPaying | TradeState::PayError => {
                order.state = TradeState::Closed;
                Ok(Reply::empty(204))
            }
            TradeState::Closed => Err(failure(400, "ORDER_CLOSED", "订单已关闭")),
            TradeState::Success | TradeState::Refund => Err(failure(400, "INVALID_REQUEST", "该订单已支付")),
        }
    }

    /// The order of this prepay_id or out_trade_no, if there is exactly one.
    pub(crate) fn find_order(&mut self, key: &str) -> Option<&mut Order> {
        let orders = self.merchants.values_mut().flat_map(|merchant| merchant.orders.values_mut());
        let mut found: Vec<&mut Order> =
            orders.filter(|order| order.prepay_id == key || order.out_trade_no == key).collect();
        if found.len() == 1 { found.pop() } else { None }
    }

    /// The payer pays, and the merchant is told.
    pub(crate) fn pay_order(&mut self, key: &str, now: Timestamp) -> Result<Order, NotPaid> {
        let transaction = format!("4200{}", self.chance.digits(24));
        let order = self.find_order(key).ok_or(NotPaid::NoOrder)?;
        match order.state {
            TradeState::NotPay | TradeState::UserPaying | TradeState::PayError => {}
            TradeState::Success | TradeState::Refund | TradeState::Closed => return Err(NotPaid::NotOpen),
        }
        if order.prepay_until <= now || order.time_expire.is_some_and(|until| until <= now) {
            return Err(NotPaid::Expired);
        }
        (order.state, order.paid_at, order.transaction_id) =
            (TradeState::Success, Some(now), Some(transaction));
        let order = order.clone();
        self.notify_of_payment(&order, now);
        Ok(order)
    }

    /// Checks what a page gave to WeChat as the phone does; gives the prepay_id.
    pub(crate) fn page_payment(&mut self, page: &PagePayment<'_>) -> Result<String, NotPaid> {
        let prepay_id = page.package.strip_prefix("prepay_id=").ok_or(NotPaid::NoOrder)?;
        let order = self.find_order(prepay_id).ok_or(NotPaid::NoOrder)?.clone();
        let merchant = self.merchants.get(&order.mch_id).ok_or(NotPaid::NoOrder)?;
        let PagePayment { app_id, time_stamp, nonce_str, package, .. } = *page;
        let text = signatures::page_payment_text(app_id, time_stamp, nonce_str, package);
        let signed = signatures::verify_rsa(merchant.public_key_der(), &text, page.pay_sign);
        if signed.is_err() || page.sign_type != "RSA" || order.app_id != app_id {
            return Err(NotPaid::Signature);
        }
        Ok(order.prepay_id)
    }
}

fn prepaid(prepay_id: &str) -> Reply {
    Reply::json(200, &json!({ "prepay_id": prepay_id }))
}

/// 6 to 32 of `[0-9A-Za-z_\-*|]`
fn is_trade_no(text: &str) -> bool {
    (6..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-*|".contains(&byte))
}

/// HTTPS and no query, as the real one wants it; plain HTTP only to this machine, where tests run.
pub(crate) fn is_notify_url(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else { return false };
    let local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    text.len() <= 255
        && url.query().is_none()
        && (url.scheme() == "https" || (url.scheme() == "http" && local))
}
