//! What is stored, one file per subject.
//!
//! A record holds domain types: its bytes were parsed when they were read, and nothing behind this
//! point checks them again. The shape on disk is a private `Stored..` struct of plain numbers and
//! texts beside each record, so that a domain type can change without changing what is on disk.
//! A shape that was released is never edited: a changed record gets a second shape, and goes on
//! reading the first. The hexadecimal constants in the tests hold every shape to that.

mod accounts;
mod audit;
mod bookings;
mod claims;
mod clinic;
mod codes;
mod idempotency;
mod labels;
mod ledger;
mod members;
mod meta;
mod notifications;
mod openings;
mod patient_files;
mod patients;
mod pay_certificates;
mod pay_conf;
mod pay_trouble;
mod payment_states;
mod payments;
mod people;
mod schedule_notes;
mod schedules;
mod sequences;
mod staff;
mod templates;
mod uploads;
mod wechat;

#[cfg(test)]
mod golden;

pub use accounts::{Consent, PhoneRecord, Profile, SessionRecord, UserPersonal, UserRecord};
pub use audit::{Action, AuditRecord, ObjectKind};
pub use bookings::BookingRecord;
pub use claims::{ActiveEntry, ActiveRecord, BookingOwner, SlotRecord, VisitRecord};
pub use clinic::{DepartmentRecord, DoctorRecord, TenantRecord};
pub use codes::{CodePurpose, CodeRecord, LimitKind, LimitRecord};
pub use idempotency::IdemRecord;
pub use labels::{LabelNameRecord, LabelRecord, LabelStanding};
pub use ledger::{LedgerDayRecord, LedgerRecord, RefundRecord};
pub use members::{MemberEntry, MemberLink, MemberPersonal, MembersRecord};
pub use meta::MetaRecord;
pub use notifications::{NotificationKind, NotificationRecord};
pub use openings::OpeningRecord;
pub use patient_files::{MAX_LABELS_OF_PATIENT, PatientFileRecord, PatientNotes};
pub use patients::{Certificate, IdnoRecord, Miss, NoShowRecord, PatientPersonal, PatientRecord};
pub use pay_certificates::{PayCertificate, PayCertificatesRecord};
pub use pay_conf::{PayConfRecord, PayIdentity, PaySecrets};
pub use pay_trouble::PayTroubleRecord;
pub use payments::{BookingOrdersRecord, PayJobRecord, PayOrderRecord};
pub use schedule_notes::{ScheduleChange, ScheduleNoteRecord};
pub use schedules::{BookedBefore, ScheduleAtRecord, ScheduleRecord};
pub use sequences::SequenceRecord;
pub use staff::{StaffAccountRecord, StaffPersonal, StaffRecord, StaffSessionRecord, StaffStanding};
pub use templates::{DayExceptionRecord, TemplateRecord};
pub use uploads::UploadRecord;
pub use wechat::{
    FollowerRecord, Following, OauthRecord, OpenIdRecord, WechatAccount, WechatCallback, WechatConfRecord,
    WechatIdentity, WechatLoan, WechatLoanRecord, WechatLoans, WechatSecrets,
};

use domain::{Date, Timestamp};

use crate::record::Impossible;

/// Accepts a stored value that its domain type accepts.
fn possible<T, E>(parsed: Result<T, E>, what: &'static str) -> Result<T, Impossible> {
    parsed.map_err(|_| Impossible(what))
}

/// Days since 1970-01-01, as dates are stored.
fn date(ordinal: i32, what: &'static str) -> Result<Date, Impossible> {
    possible(Date::from_ordinal(ordinal), what)
}

fn dates(ordinal: Option<i32>, what: &'static str) -> Result<Option<Date>, Impossible> {
    ordinal.map(|ordinal| date(ordinal, what)).transpose()
}

fn millis(at: Timestamp) -> i64 {
    at.as_millis()
}
