//! What the words in front of a place mean. Templates are worded by whoever applied for them, so a word within the label
//! decides, and the more particular words come first: 医院地址 is an address, 医生姓名 a doctor.

use super::fields::FieldKind;

/// Something that a template may have a place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// What has happened, in a sentence: what stands first in templates of old.
    Headline,
    /// What the patient should know (备注).
    Note,
    /// Why it has happened (原因).
    Reason,
    /// How far the booking has come (状态).
    Status,
    /// The patient's phone (手机).
    PatientPhone,
    /// The clinic's service line (电话).
    ClinicPhone,
    /// Where the patient is seen (地点).
    Location,
    /// The patient's number in the clinic (就诊卡号, 病历号).
    PatientNumber,
    /// What the patient shows at the desk (预约号, 订单号).
    BookingCode,
    /// The place in the queue (序号).
    Serial,
    /// The half of the day (午别).
    Period,
    /// When it happened, as against when the visit is (取消时间).
    HappenedAt,
    /// When the patient is expected (就诊时间).
    VisitTime,
    /// What the visit costs (费用).
    Fee,
    /// Ordinary or expert (号别).
    ClinicKind,
    /// The doctor (医生).
    Doctor,
    /// The department (科室).
    Department,
    /// The clinic (医院).
    Clinic,
    /// What it is about (项目).
    Subject,
    /// The patient (就诊人).
    Patient,
}

/// The first row one of whose words is in the label decides.
const WORDS: [(Topic, &[&str]); 19] = [
    (Topic::Note, &["备注", "提示", "提醒", "说明", "须知", "温馨"]),
    (Topic::Reason, &["原因", "理由"]),
    (Topic::Status, &["状态", "结果", "进度"]),
    (Topic::PatientPhone, &["手机", "患者电话", "就诊人电话", "预约人电话"]),
    (Topic::ClinicPhone, &["电话", "热线", "联系方式"]),
    (Topic::Location, &["地点", "地址", "位置", "诊室", "诊区", "房间"]),
    (Topic::PatientNumber, &["就诊卡", "病历号", "门诊号", "患者编号", "患者号", "登记号", "卡号"]),
    (Topic::ClinicKind, &["类型", "类别", "号别", "号源", "号类"]),
    (Topic::BookingCode, &["订单", "编号", "单号", "流水号", "预约号", "预约码", "取号码", "凭证"]),
    (Topic::Serial, &["序号", "号序", "排队", "排号", "候诊号", "就诊号", "号码"]),
    (Topic::Period, &["时段", "午别", "上下午"]),
    (
        Topic::HappenedAt,
        &["取消时间", "操作时间", "提交时间", "下单时间", "支付时间", "缴费时间", "变更时间", "退款时间"],
    ),
    (Topic::VisitTime, &["时间", "日期"]),
    (Topic::Fee, &["费", "金额", "价格", "合计", "总价"]),
    (Topic::Doctor, &["医生", "医师", "大夫", "专家"]),
    (Topic::Department, &["科室", "科别", "门诊", "部门"]),
    (Topic::Clinic, &["医院", "诊所", "机构", "门店", "商家", "院区"]),
    (Topic::Subject, &["项目", "内容", "事项", "服务", "主题", "标题"]),
    (Topic::Patient, &["就诊人", "患者", "姓名", "病人", "预约人", "挂号人", "用户", "客户"]),
];

impl Topic {
    /// What belongs into a place, if that is known.
    pub(super) fn of(name: &str, label: &str, kind: FieldKind) -> Option<Self> {
        match name {
            "first" => return Some(Self::Headline),
            "remark" => return Some(Self::Note),
            _ => {}
        }
        if label.is_empty() {
            return Self::of_kind(kind);
        }
        WORDS.iter().find(|(_, words)| words.iter().any(|word| label.contains(word))).map(|(topic, _)| *topic)
    }

    /// What a place is for that nothing stands in front of.
    fn of_kind(kind: FieldKind) -> Option<Self> {
        match kind {
            FieldKind::Name => Some(Self::Patient),
            FieldKind::Time => Some(Self::VisitTime),
            FieldKind::Amount => Some(Self::Fee),
            FieldKind::PhoneNumber => Some(Self::ClinicPhone),
            FieldKind::Thing
            | FieldKind::ShortThing
            | FieldKind::CharacterString
            | FieldKind::Number
            | FieldKind::Letter
            | FieldKind::Symbol
            | FieldKind::CarNumber
            | FieldKind::Phrase
            | FieldKind::Const
            | FieldKind::Legacy => None,
        }
    }
}
