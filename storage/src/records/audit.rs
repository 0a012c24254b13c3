//! The audit trail (审计): who did what to whom, and when. Never the data itself.

use bincode::{Decode, Encode};
use domain::{StaffId, Timestamp};

use super::{millis, possible};
use crate::record::{Impossible, Record, RecordError, decode_v1, encode_v1};
use crate::table::Table;

/// One row of the trail. It is written once and never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditRecord {
    /// When it happened.
    pub at: Timestamp,
    /// Who did it; for a failed login, whose account it was.
    pub staff: StaffId,
    /// What was done.
    pub action: Action,
    /// To which of the things that the action is about, by their number: see [`Action::object`].
    pub object: Option<u64>,
}

/// What an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// Nothing in particular: a list, a setting.
    Nothing,
    /// A member of the staff.
    Staff,
    /// A patient.
    Patient,
    /// A group or label.
    Label,
    /// A department.
    Department,
    /// A doctor.
    Doctor,
    /// A template of schedules.
    Template,
    /// A schedule.
    Schedule,
    /// A booking.
    Booking,
}

impl ObjectKind {
    /// What is meant by a word of the API.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Action::ALL.map(Action::object).into_iter().find(|kind| *kind != Self::Nothing && kind.name() == name)
    }

    /// The word for it in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Staff => "staff",
            Self::Patient => "patient",
            Self::Label => "label",
            Self::Department => "department",
            Self::Doctor => "doctor",
            Self::Template => "template",
            Self::Schedule => "schedule",
            Self::Booking => "booking",
        }
    }
}

/// What a member of the staff did. The numbers stand in stored rows, so they are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Action {
    /// Logged in.
    Login = 1,
    /// Somebody tried a wrong password for the account, or any for a disabled one.
    LoginFailed = 2,
    /// Logged out.
    Logout = 3,
    /// Changed the own password.
    PasswordChanged = 4,
    /// Added a member of the staff; who was added on the command line stands there as who did it, too.
    StaffAdded = 5,
    /// Changed the name or role of a member of the staff.
    StaffChanged = 6,
    /// Disabled a member of the staff.
    StaffDisabled = 7,
    /// Enabled a member of the staff again.
    StaffEnabled = 8,
    /// Set another's password.
    StaffPasswordReset = 9,
    /// Read the audit trail.
    AuditRead = 10,
    /// Read or searched a list of patients.
    PatientsListed = 11,
    /// Read one patient's file.
    PatientRead = 12,
    /// Opened a patient's file (建档).
    PatientAdded = 13,
    /// Changed a patient's file.
    PatientChanged = 14,
    /// Added or renamed a group or label.
    LabelSaved = 15,
    /// Deleted a group or label.
    LabelDeleted = 16,
    /// Added, changed, disabled or enabled a department.
    DepartmentSaved = 17,
    /// Added, changed, disabled or enabled a doctor.
    DoctorSaved = 18,
    /// Added or changed a template of schedules.
    TemplateSaved = 19,
    /// Deleted a template of schedules.
    TemplateDeleted = 20,
    /// Set or removed a day that differs from the templates.
    ExceptionSaved = 21,
    /// Had schedules made from the templates.
    SchedulesGenerated = 22,
    /// Added a schedule.
    ScheduleAdded = 23,
    /// Changed a schedule without bookings.
    ScheduleChanged = 24,
    /// Gave a schedule another room or doctor (替诊).
    ScheduleRelocated = 25,
    /// Added slots (加号).
    SlotsAdded = 26,
    /// Stopped a schedule (停诊).
    ScheduleStopped = 27,
    /// Opened a stopped schedule again.
    ScheduleReopened = 28,
    /// Changed when schedules are released.
    OpeningChanged = 29,
    /// Changed the notice to patients or the service line.
    ServiceInfoChanged = 30,
    /// Read a list of bookings.
    BookingsListed = 31,
    /// Took a day's list as a file or on paper.
    BookingsExported = 32,
    /// Booked on behalf of a patient.
    BookingAdded = 33,
    /// Cancelled on behalf of a patient.
    BookingCancelled = 34,
    /// Checked a patient in.
    CheckedIn = 35,
    /// Took a payment in cash.
    CashPaid = 36,
    /// Turned a missed visit into a visit.
    VisitCorrected = 37,
    /// Read who is barred after missed visits.
    BansListed = 38,
    /// Let a patient book again.
    BanLifted = 39,
    /// Read what patients are to be told.
    NotificationsListed = 40,
    /// Read how the clinic is paid through WeChat.
    PayConfRead = 41,
    /// Changed how the clinic is paid through WeChat.
    PayConfChanged = 42,
    /// Changed how the clinic is connected with its service account.
    WechatConfChanged = 43,
    /// Chose a template of WeChat for a type of message.
    WechatTemplateChanged = 44,
    /// Uploaded the file by which WeChat checks the domain.
    WechatAuthFileUploaded = 45,
    /// Changed how WeChat's messages to the server are signed.
    WechatCallbackChanged = 46,
    /// Read the orders of patients.
    PaymentsListed = 47,
    /// Had a refund tried again.
    RefundRetried = 48,
}

impl Action {
    /// Every action, by ascending number.
    pub const ALL: [Self; 48] = [
        Self::Login,
        Self::LoginFailed,
        Self::Logout,
        Self::PasswordChanged,
        Self::StaffAdded,
        Self::StaffChanged,
        Self::StaffDisabled,
        Self::StaffEnabled,
        Self::StaffPasswordReset,
        Self::AuditRead,
        Self::PatientsListed,
        Self::PatientRead,
        Self::PatientAdded,
        Self::PatientChanged,
        Self::LabelSaved,
        Self::LabelDeleted,
        Self::DepartmentSaved,
        Self::DoctorSaved,
        Self::TemplateSaved,
        Self::TemplateDeleted,
        Self::ExceptionSaved,
        Self::SchedulesGenerated,
        Self::ScheduleAdded,
        Self::ScheduleChanged,
        Self::ScheduleRelocated,
        Self::SlotsAdded,
        Self::ScheduleStopped,
        Self::ScheduleReopened,
        Self::OpeningChanged,
        Self::ServiceInfoChanged,
        Self::BookingsListed,
        Self::BookingsExported,
        Self::BookingAdded,
        Self::BookingCancelled,
        Self::CheckedIn,
        Self::CashPaid,
        Self::VisitCorrected,
        Self::BansListed,
        Self::BanLifted,
        Self::NotificationsListed,
        Self::PayConfRead,
        Self::PayConfChanged,
        Self::WechatConfChanged,
        Self::WechatTemplateChanged,
        Self::WechatAuthFileUploaded,
        Self::WechatCallbackChanged,
        Self::PaymentsListed,
        Self::RefundRetried,
    ];

    /// The action as it stands in stored rows.
    const fn tag(self) -> u8 {
        self as u8
    }

    fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.get(usize::from(tag).checked_sub(1)?).copied()
    }

    /// What is meant by a word of the API.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// The word for it in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::LoginFailed => "login_failed",
            Self::Logout => "logout",
            Self::PasswordChanged => "password_changed",
            Self::StaffAdded => "staff_added",
            Self::StaffChanged => "staff_changed",
            Self::StaffDisabled => "staff_disabled",
            Self::StaffEnabled => "staff_enabled",
            Self::StaffPasswordReset => "staff_password_reset",
            Self::AuditRead => "audit_read",
            Self::PatientsListed => "patients_listed",
            Self::PatientRead => "patient_read",
            Self::PatientAdded => "patient_added",
            Self::PatientChanged => "patient_changed",
            Self::LabelSaved => "label_saved",
            Self::LabelDeleted => "label_deleted",
            Self::DepartmentSaved => "department_saved",
            Self::DoctorSaved => "doctor_saved",
            Self::TemplateSaved => "template_saved",
            Self::TemplateDeleted => "template_deleted",
            Self::ExceptionSaved => "exception_saved",
            Self::SchedulesGenerated => "schedules_generated",
            Self::ScheduleAdded => "schedule_added",
            Self::ScheduleChanged => "schedule_changed",
            Self::ScheduleRelocated => "schedule_relocated",
            Self::SlotsAdded => "slots_added",
            Self::ScheduleStopped => "schedule_stopped",
            Self::ScheduleReopened => "schedule_reopened",
            Self::OpeningChanged => "opening_changed",
            Self::ServiceInfoChanged => "service_info_changed",
            Self::BookingsListed => "bookings_listed",
            Self::BookingsExported => "bookings_exported",
            Self::BookingAdded => "booking_added",
            Self::BookingCancelled => "booking_cancelled",
            Self::CheckedIn => "checked_in",
            Self::CashPaid => "cash_paid",
            Self::VisitCorrected => "visit_corrected",
            Self::BansListed => "bans_listed",
            Self::BanLifted => "ban_lifted",
            Self::NotificationsListed => "notifications_listed",
            Self::PayConfRead => "pay_conf_read",
            Self::PayConfChanged => "pay_conf_changed",
            Self::WechatConfChanged => "wechat_conf_changed",
            Self::WechatTemplateChanged => "wechat_template_changed",
            Self::WechatAuthFileUploaded => "wechat_auth_file_uploaded",
            Self::WechatCallbackChanged => "wechat_callback_changed",
            Self::PaymentsListed => "payments_listed",
            Self::RefundRetried => "refund_retried",
        }
    }

    /// What it is about.
    #[must_use]
    pub const fn object(self) -> ObjectKind {
        match self {
            Self::Login
            | Self::LoginFailed
            | Self::Logout
            | Self::PasswordChanged
            | Self::StaffAdded
            | Self::StaffChanged
            | Self::StaffDisabled
            | Self::StaffEnabled
            | Self::StaffPasswordReset => ObjectKind::Staff,
            Self::AuditRead
            | Self::PatientsListed
            | Self::ExceptionSaved
            | Self::SchedulesGenerated
            | Self::OpeningChanged
            | Self::ServiceInfoChanged
            | Self::BookingsListed
            | Self::BookingsExported
            | Self::BansListed
            | Self::NotificationsListed
            | Self::PayConfRead
            | Self::PayConfChanged
            | Self::WechatConfChanged
            | Self::WechatTemplateChanged
            | Self::WechatAuthFileUploaded
            | Self::WechatCallbackChanged
            | Self::PaymentsListed => ObjectKind::Nothing,
            Self::PatientRead | Self::PatientAdded | Self::PatientChanged | Self::BanLifted => {
                ObjectKind::Patient
            }
            Self::LabelSaved | Self::LabelDeleted => ObjectKind::Label,
            Self::DepartmentSaved => ObjectKind::Department,
            Self::DoctorSaved => ObjectKind::Doctor,
            Self::TemplateSaved | Self::TemplateDeleted => ObjectKind::Template,
            Self::ScheduleAdded
            | Self::ScheduleChanged
            | Self::ScheduleRelocated
            | Self::SlotsAdded
            | Self::ScheduleStopped
            | Self::ScheduleReopened => ObjectKind::Schedule,
            Self::BookingAdded
            | Self::BookingCancelled
            | Self::CheckedIn
            | Self::CashPaid
            | Self::VisitCorrected
            | Self::RefundRetried => ObjectKind::Booking,
        }
    }
}

#[derive(Encode, Decode)]
struct StoredAudit {
    at: i64,
    staff: u64,
    action: u8,
    object: Option<u64>,
}

impl TryFrom<StoredAudit> for AuditRecord {
    type Error = Impossible;

    fn try_from(stored: StoredAudit) -> Result<Self, Impossible> {
        Ok(Self {
            at: Timestamp::from_millis(stored.at),
            staff: possible(StaffId::new(stored.staff), "staff id")?,
            action: Action::from_tag(stored.action).ok_or(Impossible("action"))?,
            object: stored.object,
        })
    }
}

impl Record for AuditRecord {
    const TABLE: Table = Table::Audit;

    fn encode(&self) -> Vec<u8> {
        encode_v1(&StoredAudit {
            at: millis(self.at),
            staff: self.staff.get(),
            action: self.action.tag(),
            object: self.object,
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode_v1::<Self, StoredAudit>(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_action_has_a_number_and_a_word_of_its_own() {
        let words: HashSet<_> = Action::ALL.iter().map(|action| action.name()).collect();
        assert_eq!(words.len(), Action::ALL.len());
        for action in Action::ALL {
            assert_eq!(Action::from_tag(action.tag()), Some(action));
            assert_eq!(Action::from_name(action.name()), Some(action));
            let kind = action.object();
            let named = (kind != ObjectKind::Nothing).then_some(kind);
            assert_eq!(ObjectKind::from_name(kind.name()), named);
        }
        assert_eq!(Action::from_tag(0), None);
        assert_eq!(Action::from_tag(u8::MAX), None);
        assert_eq!(Action::from_name(""), None);
    }
}
