//! The tables of the store. The tag of a table is part of every key, so tags are never reused.

/// A table: a set of keys that share a record type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Facts about the data folder itself.
    Meta = 1,
    /// A clinic.
    Tenant = 2,
    /// Departments (科室).
    Department = 3,
    /// Doctors (医生).
    Doctor = 4,
    /// Schedules (排班).
    Schedule = 5,
    /// The schedule of one department, doctor, date and period.
    ScheduleAt = 6,
    /// A taken slot (号源) of a schedule.
    Slot = 7,
    /// The booking of a patient in one half-day.
    Visit = 8,
    /// Bookings (预约).
    Booking = 9,
    /// The live bookings of a user.
    Active = 10,
    /// Accounts.
    User = 11,
    /// The account of a phone.
    Phone = 12,
    /// Sessions of signed-in users.
    Session = 13,
    /// Codes sent by SMS.
    Code = 14,
    /// Rolling-window limits.
    Limit = 15,
    /// Patients (患者).
    Patient = 16,
    /// The patient of an ID number.
    Idno = 17,
    /// The family members (就诊人) of an account.
    Members = 18,
    /// Answers kept for repeated requests.
    Idem = 19,
    /// The next number of a running sequence.
    Sequence = 20,
    /// Missed visits (爽约) of a patient.
    NoShow = 21,
    /// Uploads that were permitted and have not arrived yet.
    Upload = 22,
    /// Members of the staff.
    Staff = 23,
    /// The member of the staff who logs in with an account.
    StaffAccount = 24,
    /// Sessions of signed-in staff.
    StaffSession = 25,
    /// Who did what (审计).
    Audit = 26,
    /// Groups (分组) and labels (标签) of patients.
    Label = 27,
    /// The group or label of a name.
    LabelName = 28,
    /// What the desk notes of a patient: address, contact, group, labels.
    PatientFile = 29,
    /// Templates (排班模板) of schedules.
    Template = 30,
    /// Days that differ from the templates.
    DayException = 31,
    /// When the schedules of a clinic or department are released.
    Opening = 32,
    /// What patients are to be told.
    Notification = 33,
    /// What was done to a schedule, by whom and why.
    ScheduleNote = 34,
    /// Orders (支付订单).
    PayOrder = 35,
    /// The orders of a booking.
    BookingOrders = 36,
    /// Money that moved.
    Ledger = 37,
    /// Money that moved, by day.
    LedgerDay = 38,
    /// The order of a refund.
    Refund = 39,
    /// What WeChat is to be asked about an order.
    PayJob = 40,
    /// How a clinic is paid through WeChat.
    PayConf = 41,
    /// How a clinic is connected with its service account (公众号).
    WechatConf = 42,
    /// What WeChat has lent that account.
    WechatLoan = 43,
    /// Whom the service account knows.
    Follower = 44,
    /// Who an account is to the service account.
    OpenId = 45,
    /// Authorisations by WeChat (网页授权) that have begun.
    Oauth = 46,
    /// What stands in the way of an order.
    PayTrouble = 47,
    /// The certificates that WeChat Pay signs with.
    PayCertificates = 48,
}

impl Table {
    /// Every table, by ascending tag.
    pub const ALL: [Self; 48] = [
        Self::Meta,
        Self::Tenant,
        Self::Department,
        Self::Doctor,
        Self::Schedule,
        Self::ScheduleAt,
        Self::Slot,
        Self::Visit,
        Self::Booking,
        Self::Active,
        Self::User,
        Self::Phone,
        Self::Session,
        Self::Code,
        Self::Limit,
        Self::Patient,
        Self::Idno,
        Self::Members,
        Self::Idem,
        Self::Sequence,
        Self::NoShow,
        Self::Upload,
        Self::Staff,
        Self::StaffAccount,
        Self::StaffSession,
        Self::Audit,
        Self::Label,
        Self::LabelName,
        Self::PatientFile,
        Self::Template,
        Self::DayException,
        Self::Opening,
        Self::Notification,
        Self::ScheduleNote,
        Self::PayOrder,
        Self::BookingOrders,
        Self::Ledger,
        Self::LedgerDay,
        Self::Refund,
        Self::PayJob,
        Self::PayConf,
        Self::WechatConf,
        Self::WechatLoan,
        Self::Follower,
        Self::OpenId,
        Self::Oauth,
        Self::PayTrouble,
        Self::PayCertificates,
    ];

    /// The byte that stands for this table in keys.
    #[must_use]
    pub const fn tag(self) -> u8 {
        self as u8
    }

    /// The table with this tag, if there is one.
    #[must_use]
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.get(usize::from(tag).checked_sub(1)?).copied()
    }

    /// The name used in messages and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Tenant => "tenant",
            Self::Department => "department",
            Self::Doctor => "doctor",
            Self::Schedule => "schedule",
            Self::ScheduleAt => "schedule_at",
            Self::Slot => "slot",
            Self::Visit => "visit",
            Self::Booking => "booking",
            Self::Active => "active",
            Self::User => "user",
            Self::Phone => "phone",
            Self::Session => "session",
            Self::Code => "code",
            Self::Limit => "limit",
            Self::Patient => "patient",
            Self::Idno => "idno",
            Self::Members => "members",
            Self::Idem => "idem",
            Self::Sequence => "sequence",
            Self::NoShow => "no_show",
            Self::Upload => "upload",
            Self::Staff => "staff",
            Self::StaffAccount => "staff_account",
            Self::StaffSession => "staff_session",
            Self::Audit => "audit",
            Self::Label => "label",
            Self::LabelName => "label_name",
            Self::PatientFile => "patient_file",
            Self::Template => "template",
            Self::DayException => "day_exception",
            Self::Opening => "opening",
            Self::Notification => "notification",
            Self::ScheduleNote => "schedule_note",
            Self::PayOrder => "pay_order",
            Self::BookingOrders => "booking_orders",
            Self::Ledger => "ledger",
            Self::LedgerDay => "ledger_day",
            Self::Refund => "refund",
            Self::PayJob => "pay_job",
            Self::PayConf => "pay_conf",
            Self::WechatConf => "wechat_conf",
            Self::WechatLoan => "wechat_loan",
            Self::Follower => "follower",
            Self::OpenId => "open_id",
            Self::Oauth => "oauth",
            Self::PayTrouble => "pay_trouble",
            Self::PayCertificates => "pay_certificates",
        }
    }

    /// Whether the table is kept in memory whole and not in sled. It is read from the journal at start.
    #[must_use]
    pub const fn is_resident(self) -> bool {
        match self {
            Self::Slot
            | Self::Booking
            | Self::Patient
            | Self::Idno
            | Self::Idem
            | Self::Upload
            | Self::Audit
            | Self::PatientFile
            | Self::Notification
            | Self::ScheduleNote
            | Self::PayOrder
            | Self::BookingOrders
            | Self::Ledger
            | Self::LedgerDay
            | Self::Refund
            | Self::Follower
            | Self::OpenId
            | Self::PayTrouble => false,
            Self::Meta
            | Self::Tenant
            | Self::Department
            | Self::Doctor
            | Self::Schedule
            | Self::ScheduleAt
            | Self::Visit
            | Self::Active
            | Self::User
            | Self::Phone
            | Self::Session
            | Self::Code
            | Self::Limit
            | Self::Members
            | Self::Sequence
            | Self::NoShow
            | Self::Staff
            | Self::StaffAccount
            | Self::StaffSession
            | Self::Label
            | Self::LabelName
            | Self::Template
            | Self::DayException
            | Self::Opening
            | Self::PayJob
            | Self::PayConf
            | Self::WechatConf
            | Self::WechatLoan
            | Self::Oauth
            | Self::PayCertificates => true,
        }
    }
}
