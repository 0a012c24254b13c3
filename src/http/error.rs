//! The one table of everything that a request can be refused with.
//!
//! [`ErrorCode`] names the failures in order of precedence: where several apply, the first is answered. Each has one
//! line in [`TABLE`] with what the client sees. `docs/errors.md` is compared with it by a test.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{HttpResponse, ResponseError};
use domain::Rejection;

use super::envelope;

/// A reason for refusing a request, in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorCode {
    /// The server is about to stop and takes nothing new.
    ShuttingDown,
    /// No such route.
    RouteUnknown,
    /// The route exists, but not with this method.
    WrongMethod,
    /// The body is larger than the server reads.
    BodyTooLarge,
    /// The body of the request did not arrive in time.
    BodyTooSlow,
    /// The body is not JSON by its own content type.
    WrongMediaType,
    /// No such tenant (租户).
    TenantUnknown,
    /// No token, or one that is expired, revoked or not ours.
    NotLoggedIn,
    /// Logged in, but not allowed.
    NotAllowed,
    /// A parameter that must be there is not.
    ParameterMissing,
    /// A parameter is there, but not what it should be.
    ParameterMalformed,
    /// Too many requests of a kind that is limited.
    TooOften,
    /// More requests wait already than the server will serve in time.
    Busy,
    /// The new phone is the one that the account has.
    PhoneUnchanged,
    /// The verification code (验证码) is wrong, expired or used.
    CodeWrong,
    /// The verification code was tried too often and is void.
    CodeExhausted,
    /// The phone already has an account.
    PhoneTaken,
    /// Phone and password do not belong together; says nothing about which of them.
    CredentialsWrong,
    /// The same for an account of the staff.
    StaffCredentialsWrong,
    /// The old password (旧密码) is wrong.
    OldPasswordWrong,
    /// The password is one of those that are tried first, or the phone.
    PasswordWeak,
    /// The privacy notice (隐私政策) was not agreed to.
    ConsentMissing,
    /// The account cannot be closed while it has live bookings.
    AccountHasBookings,
    /// Another member of the staff has this account.
    AccountTaken,
    /// Nobody would be left who can administer the clinic.
    LastAdmin,
    /// The clinic has as many members of the staff as are allowed.
    StaffLimit,
    /// The idempotency key was used before with other content.
    IdempotencyConflict,
    /// No such thing, or it is somebody else's.
    NotFound,
    /// No such schedule (排班).
    ScheduleUnknown,
    /// The schedule is stopped (停诊).
    Stopped,
    /// The schedule is not released yet (未放号) or lies beyond the horizon.
    NotReleased,
    /// The schedule has no slot (号源) with that serial number.
    SlotUnknown,
    /// The time of the slot has passed.
    Past,
    /// The slot is booked, or not offered online.
    SlotTaken,
    /// Somebody else holds the slot at the moment.
    SlotHeld,
    /// No such member (就诊人), or it is somebody else's.
    MemberUnknown,
    /// The patient has a booking in the same half-day.
    HalfDayTaken,
    /// The patient has as many bookings on that day as are allowed.
    DayLimit,
    /// The account has as many live bookings as are allowed.
    ActiveLimit,
    /// The patient missed too many visits (爽约).
    Barred,
    /// The account holds too many slots at once.
    TooManyHolds,
    /// No such booking (预约), or it is somebody else's.
    BookingUnknown,
    /// The deadline for cancelling has passed.
    TooLateToCancel,
    /// The booking is in a state in which this cannot be done.
    WrongStatus,
    /// A visit can be marked as missed only after its day.
    VisitNotOver,
    /// The days in which a missed visit can be corrected have passed.
    CorrectionTooLate,
    /// A schedule would get more slots than it may have.
    TooManySlots,
    /// A slot to be added has the serial number of another.
    DuplicateSerial,
    /// A slot to be added has a time that does not fit its serial number.
    SlotsOutOfOrder,
    /// Another department of the clinic has this name.
    DepartmentNameTaken,
    /// Another template makes schedules for the same place and half-day.
    TemplateOverlap,
    /// The day takes the pattern of another day of the week already.
    DaySwappedTwice,
    /// The clinic has as many things of this kind as it may have.
    TooManyEntries,
    /// The doctor does not work in the department.
    DoctorElsewhere,
    /// The department and doctor have another schedule on that half-day.
    PlaceTaken,
    /// Somebody has booked the schedule, now or before: it stays as it was relied on.
    ScheduleBooked,
    /// The day of the schedule is over.
    ScheduleOver,
    /// Nothing to pay.
    NothingToPay,
    /// Paid before.
    AlreadyPaid,
    /// The order is closed.
    OrderClosed,
    /// The clinic has not entered how it is paid through WeChat.
    PayNotOffered,
    /// The open id is not the one that is bound to the account.
    OpenIdForeign,
    /// The session in which the order could be paid is over, or it is somebody else's.
    PayPageUnknown,
    /// The booking has had as many orders as it may have.
    TooManyOrders,
    /// The clinic is paid in another official account (公众号) than its service account.
    AppIdDiffers,
    /// What was entered does not fit the ID number or the patient on file.
    PatientMismatch,
    /// The account has this patient among its members already.
    MemberExists,
    /// The account has as many members as are allowed.
    MemberLimit,
    /// The member cannot be removed or become somebody else while it has live bookings.
    MemberHasBookings,
    /// Only the front desk can correct this patient: others rely on the file too.
    PatientShared,
    /// Another patient has this ID number, or is this person in all else.
    PatientExists,
    /// Another group or label has this name.
    LabelNameTaken,
    /// The clinic has as many groups or labels as are allowed.
    LabelLimit,
    /// Files of this type are not taken.
    FileTypeRefused,
    /// The file is larger than allowed.
    FileTooLarge,
    /// The clinic has entered no service account (公众号).
    WechatNotConfigured,
    /// The page does not lie on the clinic's domain at WeChat.
    WechatDomainOther,
    /// The authorisation by WeChat (网页授权) was used, is too old, or was another's.
    WechatCodeVoid,
    /// The page was opened in WeChat's reduced mode (快照页), in which nobody is themselves.
    WechatSnapshot,
    /// WeChat refused, for a reason that lies in the settings of the service account.
    WechatRefused,
    /// The server can read but not write at the moment, for want of space.
    ReadOnly,
    /// Perhaps written, perhaps not: the client asks again and gets the answer.
    OutcomeUnknown,
    /// The SMS provider failed or did not answer.
    SmsFailed,
    /// WeChat Pay did not answer.
    PayUnanswered,
    /// WeChat failed or did not answer.
    WechatFailed,
    /// Our fault.
    Internal,
}

/// When a client may try the same request again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same request gets the same answer until something else has changed; no `Retry-After`.
    Never,
    /// `Retry-After` with this many seconds.
    AfterSeconds(u32),
    /// `Retry-After` with the seconds until the limit permits it again.
    WhenPermitted,
}

/// What the client sees of a failure: one line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The failure.
    pub code: ErrorCode,
    /// `status` in the envelope.
    pub status: &'static str,
    /// The HTTP status.
    pub http: u16,
    /// `message` in the envelope; `{字段}` stands for the label of the parameter, `{编号}` for the request id.
    pub message: &'static str,
    /// Whether and when to try again.
    pub retry: Retry,
}

use ErrorCode as E;
use Retry::{AfterSeconds, Never, WhenPermitted};

/// The table: code, `status`, HTTP status, message, retry. In order of precedence.
#[rustfmt::skip]
pub const TABLE: [Row; E::Internal as usize + 1] = [
    row(E::ShuttingDown,        "0503",   503, "系统正在重启，请稍后重试", AfterSeconds(5)),
    row(E::RouteUnknown,        "0404",   404, "请求的地址不存在，请更新页面后重试", Never),
    row(E::WrongMethod,         "0405",   405, "请求方式不正确，请更新页面后重试", Never),
    row(E::BodyTooLarge,        "0413",   413, "提交的内容过大，请减少后重试", Never),
    row(E::BodyTooSlow,         "0408",   408, "请求超时，请检查网络后重试", Never),
    row(E::WrongMediaType,      "0415",   415, "提交的内容类型不支持，请使用JSON", Never),
    row(E::TenantUnknown,       "0404",   404, "诊所不存在，请从诊所公众号重新进入", Never),
    row(E::NotLoggedIn,         "0401",   401, "登录已失效，请重新登录", Never),
    row(E::NotAllowed,          "0403",   403, "没有权限进行此操作", Never),
    row(E::ParameterMissing,    "0001",   400, "{字段}不能为空", Never),
    row(E::ParameterMalformed,  "0001",   400, "{字段}格式不正确", Never),
    row(E::TooOften,            "0429",   429, "操作过于频繁，请稍后再试", WhenPermitted),
    row(E::Busy,                "0503",   503, "系统繁忙，请稍后重试", AfterSeconds(1)),
    row(E::PhoneUnchanged,      "400008", 409, "新手机号与当前手机号相同，请更换", Never),
    row(E::CodeWrong,           "400002", 409, "验证码错误或已失效，请核对或重新获取", Never),
    row(E::CodeExhausted,       "400004", 409, "验证码错误次数过多，请重新获取", Never),
    row(E::PhoneTaken,          "400001", 409, "手机号已注册，请直接登录", Never),
    row(E::CredentialsWrong,    "400003", 409, "手机号或密码错误，请核对后重试", Never),
    row(E::StaffCredentialsWrong, "400010", 409, "账号或密码错误，请核对后重试", Never),
    row(E::OldPasswordWrong,    "400005", 409, "旧密码错误，请核对后重试", Never),
    row(E::PasswordWeak,        "400006", 409, "密码过于简单，请更换其他密码", Never),
    row(E::ConsentMissing,      "400007", 409, "请先阅读并同意隐私政策", Never),
    row(E::AccountHasBookings,  "400009", 409, "还有未就诊的预约，请先取消后再注销", Never),
    row(E::AccountTaken,        "400011", 409, "账号已存在，请更换其他账号", Never),
    row(E::LastAdmin,           "400012", 409, "至少需要保留一名可登录的管理员", Never),
    row(E::StaffLimit,          "400013", 409, "员工账号数已达上限", Never),
    row(E::IdempotencyConflict, "401013", 409, "重复提交的内容与之前不一致，请刷新页面后重试", Never),
    row(E::NotFound,            "0404",   404, "记录不存在，请刷新后重试", Never),
    row(E::ScheduleUnknown,     "0404",   404, "排班不存在，请刷新后重试", Never),
    row(E::Stopped,             "401001", 409, "该门诊已停诊，请选择其他日期或医生", Never),
    row(E::NotReleased,         "401002", 409, "该日期尚未放号，请放号后再预约", Never),
    row(E::SlotUnknown,         "0404",   404, "号源不存在，请刷新后重试", Never),
    row(E::Past,                "401003", 409, "该号源已过就诊时间，请选择其他时间", Never),
    row(E::SlotTaken,           "401004", 409, "该号源已被预约，请选择其他号源", Never),
    row(E::SlotHeld,            "401005", 409, "该号源正被他人占用，请稍后再试或选择其他号源", Never),
    row(E::MemberUnknown,       "0404",   404, "就诊人不存在，请刷新后重试", Never),
    row(E::HalfDayTaken,        "401006", 409, "该就诊人同一时间段已有预约，请选择其他时间段", Never),
    row(E::DayLimit,            "401007", 409, "该就诊人当日预约已达上限，请选择其他日期", Never),
    row(E::ActiveLimit,         "401008", 409, "待就诊的预约已达上限，请就诊或取消后再预约", Never),
    row(E::Barred,              "401009", 409, "该就诊人因多次爽约暂时不能预约，请联系诊所", Never),
    row(E::TooManyHolds,        "401012", 409, "您同时占用的号源过多，请先提交已选的号源或稍后再试", Never),
    row(E::BookingUnknown,      "0404",   404, "预约记录不存在，请刷新后重试", Never),
    row(E::TooLateToCancel,     "401010", 409, "已过取消时限，请联系诊所", Never),
    row(E::WrongStatus,         "401011", 409, "预约的当前状态不能进行此操作，请刷新后查看", Never),
    row(E::VisitNotOver,        "401014", 409, "就诊日尚未结束，不能标记为失约", Never),
    row(E::CorrectionTooLate,   "401015", 409, "已过更正时限，不能更正", Never),
    row(E::TooManySlots,        "401016", 409, "号源数超过排班上限，请减少后重试", Never),
    row(E::DuplicateSerial,     "401017", 409, "号源序号重复，请修改后重试", Never),
    row(E::SlotsOutOfOrder,     "401018", 409, "号源时间与序号的顺序不符，请修改后重试", Never),
    row(E::DepartmentNameTaken, "401019", 409, "科室名称已存在，请更换名称", Never),
    row(E::TemplateOverlap,     "401020", 409, "该科室或医生在同一时段已有排班模板，请修改后重试", Never),
    row(E::DaySwappedTwice,     "401021", 409, "该日期已设置调休，请修改原有设置", Never),
    row(E::TooManyEntries,        "401022", 409, "数量已达上限，不能再新增", Never),
    row(E::DoctorElsewhere,     "401023", 409, "该医生不在该科室，请核对后重试", Never),
    row(E::PlaceTaken,          "401030", 409, "该科室和医生在此时间段已有排班，请修改后重试", Never),
    row(E::ScheduleBooked,      "401031", 409, "该排班已有过预约，不能修改，请停诊或替诊", Never),
    row(E::ScheduleOver,        "401032", 409, "该排班的日期已过，不能修改", Never),
    row(E::NothingToPay,        "402001", 409, "该预约无需支付", Never),
    row(E::AlreadyPaid,         "402002", 409, "该预约已支付，请勿重复支付", Never),
    row(E::OrderClosed,         "402003", 409, "订单已关闭，请重新预约", Never),
    row(E::PayNotOffered,       "402004", 409, "诊所尚未开通微信支付，请到前台支付", Never),
    row(E::OpenIdForeign,       "402005", 409, "微信身份与登录账号不符，请从诊所公众号重新进入", Never),
    row(E::PayPageUnknown,      "402006", 409, "支付会话已失效，请重新发起支付", Never),
    row(E::TooManyOrders,       "402007", 409, "该预约的支付次数过多，请到前台支付", Never),
    row(E::AppIdDiffers,        "402101", 409, "微信支付与公众号的AppID不一致，请核对后重试", Never),
    row(E::PatientMismatch,     "403001", 409, "就诊人信息与身份证不符，请核对后重试", Never),
    row(E::MemberExists,        "403002", 409, "就诊人已存在，请勿重复添加", Never),
    row(E::MemberLimit,         "403003", 409, "就诊人数已达上限", Never),
    row(E::MemberHasBookings,   "403004", 409, "该就诊人还有未就诊的预约，请先取消", Never),
    row(E::PatientShared,       "403005", 409, "该就诊人的信息需到前台更正", Never),
    row(E::PatientExists,       "403006", 409, "该患者已有其他档案，请核对证件号码后重试", Never),
    row(E::LabelNameTaken,      "403007", 409, "名称已被使用，请更换其他名称", Never),
    row(E::LabelLimit,          "403008", 409, "分组或标签数量已达上限，请删除不用的后重试", Never),
    row(E::FileTypeRefused,     "404001", 409, "不支持该文件类型，请选择JPG、PNG、GIF或WebP图片", Never),
    row(E::FileTooLarge,        "404002", 409, "文件过大，请压缩后重试", Never),
    row(E::WechatNotConfigured, "404003", 409, "诊所尚未开通微信公众号服务，请联系诊所", Never),
    row(E::WechatDomainOther,   "404004", 409, "该网页不在诊所的授权域名下，请从诊所公众号重新进入", Never),
    row(E::WechatCodeVoid,      "404005", 409, "微信授权已失效，请重新授权", Never),
    row(E::WechatSnapshot,      "404006", 409, "请先点击页面下方的“使用完整服务”，再重新授权", Never),
    row(E::WechatRefused,       "404007", 409, "微信拒绝了该操作，请管理员核对公众号配置", Never),
    row(E::ReadOnly,            "0503",   503, "系统暂时只能查询，请稍后重试", AfterSeconds(60)),
    row(E::OutcomeUnknown,      "0503",   503, "结果未知，请重试", AfterSeconds(2)),
    row(E::SmsFailed,           "0502",   502, "短信发送失败，请稍后重试", Never),
    row(E::PayUnanswered,       "0502",   502, "微信支付暂无响应，请稍后重试", Never),
    row(E::WechatFailed,        "0502",   502, "微信暂时没有响应，请稍后重试", Never),
    row(E::Internal,            "0099",   500, "系统出错，请稍后重试或联系诊所（编号{编号}）", Never),
];

// A code without its row, or a row out of order, stops the build.
const _: () = {
    assert!(TABLE.len() == ErrorCode::Internal as usize + 1);
    let mut index = 0;
    while index < TABLE.len() {
        assert!(TABLE[index].code as usize == index);
        index += 1;
    }
};

const fn row(code: ErrorCode, status: &'static str, http: u16, message: &'static str, retry: Retry) -> Row {
    Row { code, status, http, message, retry }
}

impl ErrorCode {
    /// The line of the table.
    pub const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The failure that stands for an answer of actix itself, which knows only HTTP statuses.
    pub(super) fn of_http(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::RouteUnknown,
            StatusCode::METHOD_NOT_ALLOWED => Self::WrongMethod,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::REQUEST_TIMEOUT => Self::BodyTooSlow,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::WrongMediaType,
            other if other.is_client_error() => Self::ParameterMalformed,
            _ => Self::Internal,
        }
    }
}

/// The cause of a failure that is our fault: logged with the request id, never shown.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// A refused request: the failure, and what its message and headers need besides.
#[derive(Debug)]
pub struct ApiError {
    code: ErrorCode,
    detail: Detail,
}

#[derive(Debug)]
enum Detail {
    None,
    Label(&'static str),
    RetryAfterSeconds(u64),
    Cause(Cause),
}

impl ApiError {
    /// 0001: the parameter named `label` (in Chinese, as the patient reads it) is absent.
    pub fn missing(label: &'static str) -> Self {
        Self { code: ErrorCode::ParameterMissing, detail: Detail::Label(label) }
    }

    /// 0001: the parameter named `label` (in Chinese, as the patient reads it) is not what it should be.
    pub fn malformed(label: &'static str) -> Self {
        Self { code: ErrorCode::ParameterMalformed, detail: Detail::Label(label) }
    }

    /// 0429: permitted again after `wait`, told in whole seconds and never less than one.
    pub fn too_often(wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { code: ErrorCode::TooOften, detail: Detail::RetryAfterSeconds(seconds.max(1)) }
    }

    /// 0099: `cause` is logged once, by the edge, together with the request id.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self { code: ErrorCode::Internal, detail: Detail::Cause(cause.into()) }
    }

    /// Which failure it is.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The cause of a 0099, for the log.
    pub fn cause(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.detail {
            Detail::Cause(cause) => Some(cause.as_ref()),
            Detail::None | Detail::Label(_) | Detail::RetryAfterSeconds(_) => None,
        }
    }

    /// Seconds for `Retry-After`, where it helps to try again.
    fn retry_after_seconds(&self) -> Option<u64> {
        match (self.code.row().retry, &self.detail) {
            (Never, _) => None,
            (AfterSeconds(seconds), _) => Some(u64::from(seconds)),
            (WhenPermitted, Detail::RetryAfterSeconds(seconds)) => Some(*seconds),
            (WhenPermitted, _) => Some(1),
        }
    }

    /// The enveloped failure; `request_id` goes into the message of a 0099, so that the clinic can name it.
    pub fn response(&self, request_id: &str) -> HttpResponse {
        let row = self.code.row();
        let label = match self.detail {
            Detail::Label(label) => label,
            Detail::None | Detail::RetryAfterSeconds(_) | Detail::Cause(_) => "参数",
        };
        let body = match self.code {
            E::ParameterMissing | E::ParameterMalformed => {
                envelope::failure_bytes(row.status, &row.message.replace("{字段}", label))
            }
            E::Internal => envelope::failure_bytes(row.status, &row.message.replace("{编号}", request_id)),
            _ => envelope::failure_bytes(row.status, row.message),
        };
        let mut response = envelope::json(self.status_code(), body.into());
        if let Some(seconds) = self.retry_after_seconds() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self.code, E::ShuttingDown | E::OutcomeUnknown) {
            // The next request has to find the server that comes after this one.
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        response
    }
}

impl From<ErrorCode> for ApiError {
    fn from(code: ErrorCode) -> Self {
        Self { code, detail: Detail::None }
    }
}

impl From<Rejection> for ErrorCode {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::ScheduleUnknown => Self::ScheduleUnknown,
            Rejection::Stopped => Self::Stopped,
            Rejection::NotReleased => Self::NotReleased,
            Rejection::SlotUnknown => Self::SlotUnknown,
            Rejection::Past => Self::Past,
            Rejection::SlotTaken => Self::SlotTaken,
            Rejection::SlotHeld => Self::SlotHeld,
            Rejection::MemberUnknown => Self::MemberUnknown,
            Rejection::HalfDayTaken => Self::HalfDayTaken,
            Rejection::DayLimit => Self::DayLimit,
            Rejection::ActiveLimit => Self::ActiveLimit,
            Rejection::Barred => Self::Barred,
            Rejection::TooManyHolds => Self::TooManyHolds,
            Rejection::BookingUnknown => Self::BookingUnknown,
            Rejection::TooLateToCancel => Self::TooLateToCancel,
            Rejection::WrongStatus => Self::WrongStatus,
            Rejection::NotYet => Self::VisitNotOver,
            Rejection::CorrectionTooLate => Self::CorrectionTooLate,
            Rejection::TooManySlots => Self::TooManySlots,
            Rejection::DuplicateSerial => Self::DuplicateSerial,
            Rejection::SlotsOutOfOrder => Self::SlotsOutOfOrder,
        }
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        ErrorCode::from(rejection).into()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.code.row().status, self.code)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.row().http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Without a request id; the edge knows it and answers a 0099 again with it.
    fn error_response(&self) -> HttpResponse {
        self.response("")
    }
}

#[cfg(test)]
mod tests;
