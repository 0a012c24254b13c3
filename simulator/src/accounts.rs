//! What there is at WeChat before the first call: service accounts with their followers and templates, and merchants.

use std::collections::BTreeMap;

/// A service account (公众号).
#[derive(Clone, Debug)]
pub struct App {
    /// `wx` and 16 letters or digits.
    pub app_id: String,
    /// 32 letters or digits.
    pub secret: String,
    /// The account's original id, `gh_…`, which callbacks carry as `ToUserName`.
    pub account: String,
    /// 网页授权域名 and JS接口安全域名: hosts without scheme and port.
    pub domains: Vec<String>,
    /// Where events go, if the account has a server configured.
    pub callback: Option<Callback>,
    /// 我的模板.
    pub templates: Vec<Template>,
    /// The people whose openids exist.
    pub people: Vec<Person>,
    /// 自定义菜单, as it is shown on the page.
    pub menu: Vec<MenuEntry>,
}

impl App {
    /// An account with two followers, three templates and the machine itself as its domain; `number` tells it from others.
    #[must_use]
    pub fn simulated(number: u32) -> Self {
        Self {
            app_id: format!("wx51{number:014x}"),
            secret: format!("51{number:030x}"),
            account: format!("gh_51{number:010x}"),
            domains: vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
            callback: None,
            templates: Template::simulated(),
            people: vec![
                Person::follower(&format!("oSIM{number:04}-patient-00000000001")),
                Person::follower(&format!("oSIM{number:04}-patient-00000000002")),
            ],
            menu: Vec::new(),
        }
    }
}

/// An entry of an account's menu.
#[derive(Clone, Debug)]
pub struct MenuEntry {
    /// What is read.
    pub label: String,
    /// Where it leads.
    pub url: String,
}

/// Where the account's events go (服务器配置).
#[derive(Clone, Debug)]
pub struct Callback {
    /// The address.
    pub url: String,
    /// 3 to 32 letters or digits.
    pub token: String,
    /// How messages are sent.
    pub mode: CallbackMode,
}

/// 消息加解密方式, with the EncodingAESKey of 43 symbols.
#[derive(Clone, Debug)]
pub enum CallbackMode {
    /// 明文模式
    Plain,
    /// 兼容模式: the message both plain and encrypted
    Compatible(String),
    /// 安全模式
    Safe(String),
}

impl CallbackMode {
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Plain => None,
            Self::Compatible(key) | Self::Safe(key) => Some(key),
        }
    }
}

/// Somebody with WeChat, as the account knows them.
#[derive(Clone, Debug)]
pub struct Person {
    /// 28 symbols, of this account only.
    pub open_id: String,
    /// Whether they follow the account.
    pub follows: bool,
    /// Whether they have blocked its messages, which only the event after sending tells.
    pub blocks: bool,
    /// Whether they refuse messages: 43101.
    pub refuses: bool,
    /// Whether OAuth gives a virtual user (快照页): the openid is not the real one.
    pub snapshot: bool,
}

impl Person {
    /// Somebody who follows the account and takes its messages.
    #[must_use]
    pub fn follower(open_id: &str) -> Self {
        Self { open_id: open_id.to_owned(), follows: true, blocks: false, refuses: false, snapshot: false }
    }

    /// Somebody who does not follow the account.
    #[must_use]
    pub fn stranger(open_id: &str) -> Self {
        Self { follows: false, ..Self::follower(open_id) }
    }
}

/// A message template of the account.
#[derive(Clone, Debug)]
pub struct Template {
    /// 43 symbols.
    pub template_id: String,
    /// Its title.
    pub title: String,
    /// Lines with placeholders such as `{{thing1.DATA}}`.
    pub content: String,
    /// A filled-in example.
    pub example: String,
}

impl Template {
    fn new(template_id: &str, title: &str, lines: &[(&str, &str, &str)]) -> Self {
        let content: String =
            lines.iter().map(|(label, key, _)| format!("{label}:{{{{{key}.DATA}}}}\n")).collect();
        let example: String = lines.iter().map(|(label, _, value)| format!("{label}:{value}\n")).collect();
        Self { template_id: template_id.to_owned(), title: title.to_owned(), content, example }
    }

    /// What the account of an ophthalmic clinic has: one for each of the seven types of message that the server sends, in
    /// their order from 0 (取镜通知) to 6 (加工订单进度).
    #[must_use]
    pub fn of_a_clinic() -> Vec<Self> {
        let visit = |doctor: &'static str| {
            [
                ("就诊人", "name1", "张三"),
                ("就诊科室", "thing2", "眼科"),
                ("就诊医生", doctor, "李四"),
                ("就诊时间", "time4", "2026-12-01 08:30"),
            ]
        };
        vec![
            Self::new(
                "SIMULATED-glasses-0000000000000000000000001",
                "取镜通知",
                &[
                    ("姓名", "name1", "张三"),
                    ("取镜地点", "thing2", "一楼东"),
                    ("取镜时间", "time3", "2026-12-01 08:30"),
                ],
            ),
            Self::new("SIMULATED-booked-00000000000000000000000001", "预约挂号成功通知", &visit("thing3")),
            Self::new("SIMULATED-cancelled-00000000000000000000001", "预约挂号取消通知", &visit("thing3")),
            Self::new("SIMULATED-registered-0000000000000000000001", "挂号成功通知", &visit("thing3")),
            Self::new("SIMULATED-followup-000000000000000000000001", "复诊提醒", &visit("thing3")),
            Self::new(
                "SIMULATED-answered-000000000000000000000001",
                "医生回复通知",
                &[
                    ("医生", "thing1", "李四"),
                    ("回复内容", "thing2", "请按时用药"),
                    ("回复时间", "time3", "2026-12-01 08:30"),
                ],
            ),
            Self::new(
                "SIMULATED-progress-000000000000000000000001",
                "加工订单进度通知",
                &[
                    ("订单编号", "character_string1", "A0001"),
                    ("当前进度", "thing2", "镜片加工中"),
                    ("更新时间", "time3", "2026-12-01 08:30"),
                ],
            ),
        ]
    }

    /// What a small account has: booked, cancelled, registered.
    #[must_use]
    pub fn simulated() -> Vec<Self> {
        let visit = [
            ("就诊人", "name1", "张三"),
            ("科室", "thing2", "内科"),
            ("医生", "name3", "李四"),
            ("就诊时间", "time4", "2026-12-01 08:30"),
        ];
        vec![
            Self::new("SIMULATED-booked-00000000000000000000000001", "预约成功通知", &visit),
            Self::new("SIMULATED-cancelled-00000000000000000000001", "取消预约通知", &visit),
            Self::new("SIMULATED-registered-0000000000000000000001", "挂号成功通知", &visit),
        ]
    }
}

/// A merchant of WeChat Pay.
#[derive(Clone, Debug)]
pub struct Merchant {
    /// 商户号, digits.
    pub mch_id: String,
    /// The serial number of the merchant's API certificate: 40 upper-case hex digits.
    pub serial_no: String,
    /// 32 bytes.
    pub api_v3_key: String,
    /// What the merchant verifies WeChat's signatures with.
    pub mode: PayMode,
    /// The accounts that are bound to the merchant.
    pub app_ids: Vec<String>,
}

impl Merchant {
    /// A merchant bound to [`App::simulated`] of the same number.
    #[must_use]
    pub fn simulated(number: u32) -> Self {
        Self {
            mch_id: format!("19{number:08}"),
            serial_no: format!("51{number:038X}"),
            api_v3_key: format!("SIMULATED-v3-key-{number:015}"),
            mode: PayMode::PublicKey,
            app_ids: vec![App::simulated(number).app_id],
        }
    }
}

/// Which of WeChat Pay's keys a merchant verifies with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayMode {
    /// 微信支付公钥: one key, given once; what new merchants get
    PublicKey,
    /// 平台证书: fetched from `/v3/certificates`, and rotated
    Certificates,
}

/// What a server enters to talk to WeChat Pay as a merchant.
#[derive(Clone, Debug)]
pub struct MerchantFiles {
    /// 商户号.
    pub mch_id: String,
    /// Serial number of the merchant's certificate.
    pub serial_no: String,
    /// `apiclient_key.pem`, PKCS#8.
    pub private_key_pem: String,
    /// 32 bytes.
    pub api_v3_key: String,
    /// `PUB_KEY_ID_…` with its PEM; what there is in [`PayMode::PublicKey`].
    pub public_key: Option<(String, String)>,
    /// Serial numbers with certificates in PEM; what there is in [`PayMode::Certificates`].
    pub certificates: BTreeMap<String, String>,
}
