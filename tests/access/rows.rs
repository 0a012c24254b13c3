//! The table: one row for each route.

use serde_json::{Value, json};

use crate::harness::import::{DEPARTMENT, day};
use crate::harness::patients::PASSWORD;
use crate::harness::pay;
use crate::harness::people;

/// What an account changes its password to.
pub const NEW_PASSWORD: &str = "another horse 10";

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anyone, for a clinic.
    Anyone,
    /// A logged-in patient.
    Patient,
    /// Whoever is logged in, patient or staff.
    LoggedIn,
    /// The staff, of whatever role.
    Staff,
    /// The front desk and the administrator.
    Desk,
    /// The administrator.
    Admin,
}

/// What a caller asks with.
pub struct Call {
    /// What comes behind the route: a query with its `?`, or the value of a parameter in the path.
    pub target: String,
    pub body: Value,
}

fn query(text: String) -> Call {
    Call { target: if text.is_empty() { text } else { format!("?{text}") }, body: Value::Null }
}

fn body(body: Value) -> Call {
    Call { target: String::new(), body }
}

/// One route: who may call it, and how a call is made with these ids.
pub struct Row {
    pub method: &'static str,
    pub path: &'static str,
    pub who: Who,
    pub call: fn(&Ids) -> Call,
    /// Whether the call names something that belongs to the account, or to the clinic.
    pub owned: bool,
    /// Who calls when it is to succeed.
    pub caller: Caller,
    /// Whether a success is a file instead of an envelope.
    pub is_file: bool,
}

/// Which of those who may calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The account that owns the member and the booking; of the staff, the lowest role that may.
    Owner,
    /// One that may lose its password, its phone and itself.
    Leaver,
    /// One that may lose its login.
    Guest,
}

/// The ids that a call names.
#[derive(Clone, Debug)]
pub struct Ids {
    pub schedule: String,
    /// One that nobody has booked, for the staff to change.
    pub empty_schedule: String,
    pub member: String,
    /// A member without bookings.
    pub second_member: String,
    pub booking: String,
    pub doctor: String,
    pub template: String,
    pub exception: String,
    /// The patient that the member is.
    pub patient: String,
    /// A label of the clinic.
    pub label: String,
    /// A booking of another account, for the desk to do with as it likes, and its patient.
    pub desk_booking: String,
    pub desk_patient: String,
    pub phone: String,
    pub code: String,
    /// The code that was sent to the leaver's phone.
    pub leaver_code: String,
    /// A member of the staff of the clinic.
    pub colleague: String,
    /// What the clinic enters to be paid through WeChat.
    pub pay_conf: Value,
    /// The session in which the booking can be paid.
    pub prepay: String,
    /// An order that is being closed.
    pub trade_no: String,
    /// The clinic's service account at WeChat.
    pub app_id: String,
    pub app_secret: String,
    /// What the owner's browser came back from WeChat with.
    pub oauth_code: String,
    pub oauth_state: String,
}

#[rustfmt::skip]
pub const PATIENTS: &[Row] = &[
    row("GET", "/patient_service/register/phone_identifying_code", Who::Anyone, |ids| query(format!("phone={}", ids.phone))),
    row("POST", "/patient_service/register", Who::Anyone, |ids| body(json!({"phone": ids.phone, "verCode": ids.code, "password": PASSWORD}))),
    row("POST", "/patient_service/login", Who::Anyone, |ids| body(json!({"phone": ids.phone, "password": PASSWORD}))),

    row("GET", "/patient_service/reset_password/phone_identifying_code", Who::Anyone, |ids| query(format!("phone={}", ids.phone))),
    row("POST", "/patient_service/reset_password/phone_identifying_code_validate", Who::Anyone, |ids| body(json!({"phone": ids.phone, "verCode": ids.code}))),
    row("POST", "/patient_service/reset_password", Who::Anyone, |ids| body(json!({"phone": ids.phone, "verCode": ids.code, "newPassword": NEW_PASSWORD}))),
    Row { caller: Caller::Guest, ..row("POST", "/patient_service/logout", Who::Patient, |_| body(json!({}))) },
    leaving("POST", "/patient_service/change_password", |_| body(json!({"oldPassword": PASSWORD, "newPassword": NEW_PASSWORD}))),
    row("GET", "/patient_service/phone/identifying_code", Who::Patient, |ids| query(format!("which=new&phone={}", ids.phone))),
    leaving("POST", "/patient_service/change_phone", |ids| body(json!({"oldVerCode": ids.leaver_code, "newPhone": ids.phone, "newVerCode": ids.code}))),
    row("GET", "/patient_service/myinfo/export", Who::Patient, |_| query(String::new())),
    leaving("POST", "/patient_service/close_account", |_| body(json!({"password": NEW_PASSWORD}))),

    row("POST", "/patient_service/member", Who::Patient, |_| body(people::person(3))),
    owned("POST", "/patient_service/member/update", |ids| body(changed(people::person(1), &ids.member))),
    owned("POST", "/patient_service/member/default", |ids| body(json!({"memberId": ids.member}))),
    owned("POST", "/patient_service/member/del", |ids| body(json!({"memberId": ids.second_member}))),
    row("GET", "/patient_service/members", Who::Patient, |_| query(String::new())),
    Row { is_file: true, ..owned("GET", "/wechat/query_bar_code", |ids| query(format!("member_id={}", ids.member))) },
    row("GET", "/patient_service/myinfo", Who::Patient, |_| query(String::new())),
    row("POST", "/patient_service/myinfo", Who::Patient, |_| body(json!({"name": "小明", "gender": 1, "birthday": "1990-03-07"}))),
    row("POST", "/patient_service/myinfo/upload_picture", Who::Patient, |_| body(json!({"file_extension": "png", "file_type": "image/png"}))),
    row("GET", "/wechat/service_info", Who::Anyone, |_| query(String::new())),

    row("GET", "/tenant_service/depts", Who::Anyone, |_| query(String::new())),
    row("GET", "/tenant_service/schedule", Who::Anyone, |_| query(format!("deptId={DEPARTMENT}&doctorId=2001&date={}", day(2)))),
    row("GET", "/tenant_service/schedule_by_date", Who::Anyone, |_| query(format!("deptId={DEPARTMENT}&date={}", day(2)))),
    row("GET", "/tenant_service/schedule_by_doctor", Who::Anyone, |_| query(format!("deptId={DEPARTMENT}"))),
    row("GET", "/tenant_service/schedule/info", Who::Anyone, |_| query(format!("deptId={DEPARTMENT}&doctorId=2001"))),
    row("GET", "/tenant_service/schedule/left_appo", Who::Anyone, |ids| query(format!("scheduleId={}", ids.schedule))),

    row("POST", "/book_service/book/presubmit", Who::Patient, |ids| body(json!({"scheduleId": ids.schedule, "serialNo": 2}))),
    owned("POST", "/book_service/book/schedule", |ids| body(json!({"scheduleId": ids.schedule, "memberId": ids.member}))),
    owned("POST", "/book_service/book/submit", |ids| body(json!({"scheduleId": ids.schedule, "serialNo": 2, "memberId": ids.member}))),
    row("GET", "/book_service/books", Who::Patient, |_| query(String::new())),
    owned("GET", "/book_service/book/{bookId}", |ids| Call { target: ids.booking.clone(), body: Value::Null }),
    owned("POST", "/book_service/pay/appo_order", |ids| body(json!({"appo_id": ids.booking, "open_id": pay::OPEN_IDS[0]}))),
    row("POST", "/wx/jsapi/paysign", Who::Patient, |ids| body(json!({
        "agencyId": "1", "tenantId": "1", "appId": pay::app_id(), "timeStamp": "1800000000", "nonceStr": "a",
        "prepayId": ids.prepay, "signType": "RSA"
    }))),
    owned("POST", "/book_service/book/cancel", |ids| body(json!({"bookId": ids.booking}))),
];

#[rustfmt::skip]
pub const STAFF: &[Row] = &[
    row("POST", "/manager_service/login", Who::Anyone, |_| body(json!({"account": "desk", "password": PASSWORD}))),
    Row { caller: Caller::Guest, ..row("POST", "/manager_service/logout", Who::Staff, |_| body(json!({}))) },
    Row { caller: Caller::Leaver, ..row("POST", "/manager_service/change_password", Who::Staff, |_| body(json!({"old_password": PASSWORD, "new_password": NEW_PASSWORD}))) },
    row("GET", "/manager_service/staff", Who::Admin, |_| query(String::new())),
    row("POST", "/manager_service/staff", Who::Admin, |_| body(json!({"account": "newcomer", "name": "新人", "role": "desk", "password": PASSWORD}))),
    Row { owned: true, ..row("POST", "/manager_service/staff/update", Who::Admin, |ids| body(json!({"staff_id": ids.colleague, "name": "同事", "role": "desk"}))) },
    Row { owned: true, ..row("POST", "/manager_service/staff/disable", Who::Admin, |ids| body(json!({"staff_id": ids.colleague}))) },
    Row { owned: true, ..row("POST", "/manager_service/staff/enable", Who::Admin, |ids| body(json!({"staff_id": ids.colleague}))) },
    Row { owned: true, ..row("POST", "/manager_service/staff/reset_password", Who::Admin, |ids| body(json!({"staff_id": ids.colleague, "new_password": NEW_PASSWORD}))) },
    row("GET", "/manager_service/audit", Who::Admin, |_| query(String::new())),

    row("GET", "/wechat/pay_conf", Who::Admin, |_| query(String::new())),
    row("POST", "/wechat/pay_conf", Who::Admin, |ids| body(ids.pay_conf.clone())),

    // Patients, groups and labels.
    row("GET", "/manager_service/list_person_count", Who::Desk, |_| query("label_type=2&order_type=1".to_owned())),
    row("GET", "/manager_service/list", Who::Staff, |_| query("label_type=2".to_owned())),
    Row { owned: true, ..row("GET", "/manager_service/pati_info", Who::Staff, |ids| query(format!("pati_id={}", ids.patient))) },
    Row { owned: true, ..row("GET", "/manager_service/patients", Who::Desk, |ids| query(format!("label_id={}", ids.label))) },
    Row { owned: true, ..row("POST", "/manager_service/patient", Who::Desk, |ids| body(at_the_desk(ids))) },
    Row { owned: true, ..row("POST", "/manager_service/save_group_label", Who::Desk, |ids| body(json!({"label_id": ids.label, "label_name": "糖尿病", "label_type": 2}))) },
    Row { owned: true, ..row("POST", "/manager_service/del_group_label", Who::Desk, |ids| body(json!({"label_id": ids.label, "label_type": 2}))) },

    // Departments, doctors, templates.
    row("GET", "/manager_service/departments", Who::Staff, |_| query(String::new())),
    row("POST", "/manager_service/department", Who::Admin, |_| body(json!({"name": "新科室"}))),
    row("GET", "/manager_service/doctors", Who::Staff, |_| query(String::new())),
    named("POST", "/manager_service/doctor", Who::Admin, |ids| body(json!({"doctor_id": ids.doctor, "name": "医生2001", "departments": [DEPARTMENT]}))),
    row("GET", "/manager_service/doctor_list", Who::LoggedIn, |_| query("page_num=1&page_size=10".to_owned())),
    row("POST", "/wechat/service_info", Who::Admin, |_| body(json!({"appo_notice": "请提前十分钟到", "phone": "010-1"}))),
    row("GET", "/manager_service/templates", Who::Desk, |_| query(String::new())),
    named("POST", "/manager_service/template", Who::Desk, |ids| body(json!({
        "department_id": DEPARTMENT, "doctor_id": ids.doctor, "weekday": 1, "period": "AM", "start": "08:00", "end": "12:00",
        "slot_count": 10, "type": 1, "fee": 50, "valid_from": day(0).to_string()
    }))),
    named("POST", "/manager_service/template/del", Who::Desk, |ids| body(json!({"template_id": ids.template}))),
    row("GET", "/manager_service/exceptions", Who::Desk, |_| query(String::new())),
    named("POST", "/manager_service/exception", Who::Desk, |ids| body(json!({"doctor_id": ids.doctor, "from": day(60).to_string()}))),
    named("POST", "/manager_service/exception/del", Who::Desk, |ids| body(json!({"exception_id": ids.exception}))),
    row("POST", "/manager_service/generate", Who::Desk, |_| body(json!({}))),

    // Schedules.
    row("GET", "/manager_service/schedules", Who::Staff, |_| query(format!("from={}&to={}", day(0), day(30)))),
    Row { owned: true, ..row("GET", "/manager_service/schedule", Who::Staff, |ids| query(format!("schedule_id={}", ids.empty_schedule))) },
    Row { owned: true, ..row("POST", "/manager_service/schedule", Who::Desk, |ids| body(json!({"schedule_id": ids.empty_schedule, "department_id": DEPARTMENT.to_string(), "doctor_id": "2001", "date": day(4).to_string(), "period": "PM", "type": 1, "fee": "60.00", "location": "三楼", "start": "14:00", "end": "15:00", "slot_count": 4}))) },
    Row { owned: true, ..row("POST", "/manager_service/schedule/relocate", Who::Desk, |ids| body(json!({"schedule_id": ids.empty_schedule, "location": "四楼"}))) },
    Row { owned: true, ..row("POST", "/manager_service/schedule/add_slots", Who::Desk, |ids| body(json!({"schedule_id": ids.empty_schedule, "first_serial_no": 5, "times": "15:00", "reason": "加号"}))) },
    Row { owned: true, ..row("POST", "/manager_service/schedule/stop", Who::Desk, |ids| body(json!({"schedule_id": ids.empty_schedule, "reason": "停诊"}))) },
    Row { owned: true, ..row("POST", "/manager_service/schedule/reopen", Who::Desk, |ids| body(json!({"schedule_id": ids.empty_schedule}))) },
    row("GET", "/manager_service/opening", Who::Staff, |_| query(String::new())),
    row("POST", "/manager_service/opening", Who::Admin, |_| body(json!({"horizon_days": 20, "release_time": "07:00"}))),
    row("GET", "/manager_service/notifications", Who::Desk, |_| query(String::new())),

    // The front desk.
    row("GET", "/manager_service/bookings", Who::Staff, |_| query(format!("from={}", day(2)))),
    named("GET", "/manager_service/booking", Who::Staff, |ids| query(format!("book_id={}", ids.desk_booking))),
    named("POST", "/manager_service/booking/check_in", Who::Desk, |ids| body(json!({"book_id": ids.desk_booking}))),
    named("POST", "/manager_service/booking/cash_paid", Who::Desk, |ids| body(json!({"book_id": ids.desk_booking}))),
    named("POST", "/manager_service/booking/correct", Who::Desk, |ids| body(json!({"book_id": ids.desk_booking, "reason": "已就诊"}))),
    row("GET", "/manager_service/payments", Who::Desk, |_| query("state=stuck".to_owned())),
    named("POST", "/manager_service/payments/retry", Who::Admin, |ids| body(json!({"out_trade_no": ids.trade_no}))),
    named("POST", "/manager_service/booking/cancel", Who::Desk, |ids| body(json!({"book_id": ids.desk_booking}))),
    named("POST", "/manager_service/booking", Who::Desk, |ids| body(json!({"schedule_id": ids.schedule, "serial_no": 5, "pati_id": ids.desk_patient}))),
    Row { is_file: true, ..row("GET", "/manager_service/bookings/csv", Who::Desk, |_| query(format!("date={}", day(2)))) },
    Row { is_file: true, ..row("GET", "/manager_service/bookings/print", Who::Desk, |_| query(format!("date={}", day(2)))) },
    row("GET", "/manager_service/bans", Who::Desk, |_| query(String::new())),
    named("POST", "/manager_service/ban/lift", Who::Desk, |ids| body(json!({"pati_id": ids.desk_patient}))),
    row("GET", "/manager_service/statistics", Who::Staff, |_| query(String::new())),
];

#[rustfmt::skip]
pub const WECHAT: &[Row] = &[
    row("POST", "/wechat/conf", Who::Admin, |ids| body(json!({"app_id": ids.app_id, "app_secret": ids.app_secret, "auth_url": "127.0.0.1"}))),
    row("GET", "/wechat/conf", Who::Admin, |_| query(String::new())),
    row("POST", "/wechat/callback_conf", Who::Admin, |_| body(json!({"token": "test"}))),
    row("GET", "/wechat/callback_conf", Who::Admin, |_| query(String::new())),
    row("GET", "/wechat/menu_url", Who::LoggedIn, |_| query(String::new())),
    row("POST", "/wechat/template_id", Who::Admin, |_| body(json!({"wech_temp_type": 1, "wech_temp_id": "a"}))),
    row("GET", "/wechat/template_id", Who::Admin, |_| query(String::new())),
    row("GET", "/wechat/templates", Who::Admin, |_| query(String::new())),
    row("POST", "/wechat/auth_file/upload", Who::Admin, |_| body(json!("abcdEFGH12345678"))),
    Row { is_file: true, ..row("GET", "/wechat/auth_file/download", Who::Admin, |_| query(String::new())) },
    row("POST", "/wx/jsapi/signature", Who::Anyone, |_| body(json!({"url": "http://127.0.0.1/"}))),
    row("GET", "/wechat/oauth/url", Who::Patient, |_| query("redirect_uri=http://127.0.0.1/".to_owned())),
    row("POST", "/wechat/oauth/login", Who::Patient, |ids| body(json!({"code": ids.oauth_code, "state": ids.oauth_state}))),
    // Whoever knows the token has signed them.
    Row { is_file: true, ..row("GET", "/wechat/callback/{tenant}", Who::Anyone, |_| Call { target: format!("1?{SIGNED}&echostr=1"), body: Value::Null }) },
    Row { is_file: true, ..row("POST", "/wechat/callback/{tenant}", Who::Anyone, |_| Call { target: format!("1?{SIGNED}"), body: json!("<xml><MsgType>text</MsgType></xml>") }) },
];

/// What WeChat signs with the token `test`.
const SIGNED: &str = "signature=f21891de399b4e33a1a93c9a7b8a8fffb5a443ff&timestamp=1410685589&nonce=test";

pub const fn row(method: &'static str, path: &'static str, who: Who, call: fn(&Ids) -> Call) -> Row {
    Row { method, path, who, call, owned: false, caller: Caller::Owner, is_file: false }
}

/// A patient's route whose call names something that belongs to the account.
const fn owned(method: &'static str, path: &'static str, call: fn(&Ids) -> Call) -> Row {
    Row { owned: true, ..row(method, path, Who::Patient, call) }
}

/// A route of the staff whose call names something that belongs to the clinic.
const fn named(method: &'static str, path: &'static str, who: Who, call: fn(&Ids) -> Call) -> Row {
    Row { owned: true, ..row(method, path, who, call) }
}

/// A patient's route that ends something of the account.
const fn leaving(method: &'static str, path: &'static str, call: fn(&Ids) -> Call) -> Row {
    Row { caller: Caller::Leaver, ..row(method, path, Who::Patient, call) }
}

/// The owner's patient with the clinic's label.
fn at_the_desk(ids: &Ids) -> Value {
    let mut patient = people::patient(1);
    patient["pati_id"] = json!(ids.patient);
    patient["list"] = json!([{"label_id": ids.label}]);
    patient
}

/// The person as this member.
fn changed(mut person: Value, member: &str) -> Value {
    person["memberId"] = member.into();
    person
}
