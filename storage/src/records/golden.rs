//! The bytes of every record. A test that fails here means that data of an older version would no
//! longer be read: keep the shape and add a second version instead of changing the constant.

mod notifications;
mod payments;
mod wechat;

use std::collections::BTreeSet;
use std::fmt::Debug;

use domain::{
    AccountName, Booking, BookingCode, BookingId, Canceller, Channel, Charge, ClinicKind, Date, DayChange,
    DayException, DepartmentId, DoctorId, Fen, Gender, IdNumber, LabelId, LabelKind, LabelName, MemberId,
    Owner, Pace, PatientId, Period, PersonName, Phone, Reason, Role, Schedule, ScheduleId, Scope, SerialNo,
    SlotGrid, SlotPlan, StaffId, Standing, Status, Template, TenantId, TimeOfDay, Timestamp, UserId, Weekday,
};

use super::*;
use crate::commit::Version;
use crate::keys;
use crate::pictures::PictureKind;
use crate::record::{Record, RecordError};
use crate::table::Table;
use crate::vault::tests::fixed_vault;
use crate::vault::{Blind, Fingerprint, SealError, Vault};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What every record promises, shown on one of them.
fn holds<R: Record + Debug + PartialEq>(record: &R, golden: &str) -> Table {
    let table = R::TABLE;
    let encoded = record.encode();
    assert_eq!(hex(&encoded), golden, "{}", table.name());
    assert_eq!(R::decode(&encoded).as_ref(), Ok(record), "{}", table.name());

    let mut newer = encoded.clone();
    newer[0] = 1;
    assert_eq!(R::decode(&newer), Err(RecordError::NewerVersion(table)));
    let mut longer = encoded.clone();
    longer.push(0);
    assert_eq!(R::decode(&longer), Err(RecordError::Malformed(table)));
    for cut in 0..encoded.len() {
        assert_eq!(R::decode(&encoded[..cut]), Err(RecordError::Malformed(table)));
    }
    survives_garbage::<R>(&encoded);
    table
}

/// Damaged bytes are refused or read as another value, but never bring the server down; what is
/// read can be stored again.
fn survives_garbage<R: Record + Debug + PartialEq>(encoded: &[u8]) {
    let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 33).unwrap()
    };
    for round in 0..2_000 {
        let mut garbage = if round % 2 == 0 {
            encoded.to_vec()
        } else {
            (0..next() % 64).map(|_| (next() % 256) as u8).collect()
        };
        for _ in 0..=next() % 3 {
            if let Some(last) = garbage.len().checked_sub(1) {
                garbage[next() % (last + 1)] = (next() % 256) as u8;
                garbage[0] = 0;
            }
        }
        if let Ok(record) = R::decode(&garbage) {
            assert_eq!(R::decode(&record.encode()).as_ref(), Ok(&record));
        }
    }
}

fn tenant() -> TenantId {
    TenantId::new(1).unwrap()
}

fn user() -> UserId {
    UserId::new(1_000_000_007).unwrap()
}

fn patient() -> PatientId {
    PatientId::new(42).unwrap()
}

fn booking_id() -> BookingId {
    BookingId::new(1_000_000_123).unwrap()
}

fn schedule_id() -> ScheduleId {
    ScheduleId::new(3001).unwrap()
}

fn serial(number: u16) -> SerialNo {
    SerialNo::new(number).unwrap()
}

fn staff() -> StaffId {
    StaffId::new(9).unwrap()
}

fn day() -> Date {
    Date::parse("2026-12-01").unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_796_000_000_000 + millis)
}

fn booking() -> Booking {
    Booking {
        id: booking_id(),
        code: BookingCode::new(456).unwrap(),
        schedule: schedule_id(),
        serial: serial(7),
        owner: Owner::Account { user: user(), member: MemberId::new(1_000_000_009).unwrap() },
        patient: patient(),
        date: day(),
        period: Period::Pm,
        starts_at: at(86_400_000),
        department: DepartmentId::new(101).unwrap(),
        doctor: Some(DoctorId::new(2001).unwrap()),
        kind: ClinicKind::Expert,
        fee: Fen::new(5_000).unwrap(),
        booked_at: at(0),
        status: Status::Booked,
        charge: Charge::Unpaid,
        checked_in_at: None,
    }
}

fn schedule() -> Schedule {
    let plan = |number, time, channel| SlotPlan {
        serial: serial(number),
        time: TimeOfDay::parse(time).unwrap(),
        channel,
    };
    Schedule {
        id: schedule_id(),
        department: DepartmentId::new(101).unwrap(),
        doctor: None,
        date: day(),
        period: Period::Am,
        kind: ClinicKind::Ordinary,
        fee: Fen::new(1_000).unwrap(),
        location: "二楼A区".to_owned(),
        slots: vec![plan(1, "08:00", Channel::Online), plan(2, "08:10", Channel::DeskOnly)],
        standing: Standing::Open,
    }
}

fn phone() -> Phone {
    Phone::parse("13800138000").unwrap()
}

fn patient_personal() -> PatientPersonal {
    PatientPersonal {
        name: PersonName::parse("王小明").unwrap(),
        gender: Gender::Male,
        birthday: Date::parse("1990-03-07").unwrap(),
        certificate: Some(Certificate::IdCard(IdNumber::parse("11010119900307803X").unwrap())),
        phone: phone(),
    }
}

fn user_personal() -> UserPersonal {
    UserPersonal {
        phone: phone(),
        password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned(),
        profile: Profile {
            name: Some(PersonName::parse("王小明").unwrap()),
            gender: Gender::Male,
            birthday: Some(Date::parse("1990-03-07").unwrap()),
            avatar: Some("avatar/1.png".to_owned()),
        },
    }
}

fn member(vault: &Vault) -> MemberEntry {
    let link = MemberLink {
        member: MemberId::new(1_000_000_009).unwrap(),
        patient: patient(),
        is_default: true,
        created_at: at(0),
    };
    let personal = MemberPersonal { phone: phone() };
    MemberEntry::seal(vault, &keys::members(tenant(), user()), &personal, link).unwrap()
}

fn clinic_tables() -> Vec<Table> {
    let tenant = TenantRecord {
        name: "诊所".to_owned(),
        appo_notice: "请提前到达".to_owned(),
        phone: "010-12345678".to_owned(),
    };
    let department = DepartmentRecord {
        name: "内科".to_owned(),
        avatar: String::new(),
        description: "d".to_owned(),
        location: "l".to_owned(),
        enabled: true,
    };
    let doctor = DoctorRecord {
        name: "李医生".to_owned(),
        title: "主任医师".to_owned(),
        avatar: "a".to_owned(),
        description: "d".to_owned(),
        expertise: "e".to_owned(),
        departments: vec![DepartmentId::new(101).unwrap()],
        enabled: false,
    };
    let stopped = ScheduleRecord {
        schedule: Schedule {
            doctor: Some(DoctorId::new(2001).unwrap()),
            standing: Standing::Stopped { at: at(5), by: staff() },
            ..schedule()
        },
        booked_before: BookedBefore::Yes,
    };
    let open = ScheduleRecord { schedule: schedule(), booked_before: BookedBefore::Never };
    let fingerprint = Fingerprint::from_bytes([0xab; 32]);
    vec![
        holds(&MetaRecord::NoShowsMarked(day()), "0001fb68a2"),
        holds(&MetaRecord::SchedulesGenerated(day()), "0002fb68a2"),
        holds(&MetaRecord::Reminded(day()), "0003fb68a2"),
        holds(
            &MetaRecord::Keys(fingerprint),
            "0000abababababababababababababababababababababababababababababababab",
        ),
        holds(&tenant, "0006e8af8ae689800fe8afb7e68f90e5898de588b0e8bebe0c3031302d3132333435363738"),
        holds(&department, "0006e58685e7a791000164016c01"),
        holds(&doctor, "0009e69d8ee58cbbe7949f0ce4b8bbe4bbbbe58cbbe5b888016101640165016500"),
        holds(&open, "00fbb90b6500fb68a20000fbe8030ae4ba8ce6a5bc41e58cba0201fbe0010002fbea01010000"),
        holds(
            &stopped,
            "00fbb90b6501fbd107fb68a20000fbe8030ae4ba8ce6a5bc41e58cba0201fbe0010002fbea010101fd0a50e253440300000901",
        ),
        holds(&ScheduleAtRecord { schedule: schedule_id() }, "00fbb90b"),
        holds(&SequenceRecord { next: 1_000_001_000 }, "00fce8cd9a3b"),
    ]
}

fn booking_tables() -> Vec<Table> {
    let with = |owner, status, charge| {
        BookingRecord(Booking { owner, status, charge, checked_in_at: Some(at(9)), ..booking() })
    };
    let account = booking().owner;
    let desk = Owner::Desk { staff: staff() };
    let cancelled = |by| Status::Cancelled { at: at(1), by };
    let active = ActiveRecord {
        entries: vec![ActiveEntry {
            booking: booking_id(),
            schedule: schedule_id(),
            serial: serial(7),
            date: day(),
        }],
    };
    let missed =
        NoShowRecord { misses: vec![Miss { date: day(), booking: booking_id() }], banned_until: Some(day()) };
    let booked = SlotRecord { owner: BookingOwner::Account(user()), booking: booking_id() };
    let booked_at_desk = SlotRecord { owner: BookingOwner::Desk, booking: booking_id() };
    vec![
        holds(&booked, "00fc07ca9a3bfc7bca9a3b"),
        holds(&booked_at_desk, "0000fc7bca9a3b"),
        holds(&VisitRecord { booking: booking_id() }, "00fc7bca9a3b"),
        holds(&active, "0001fc7bca9a3bfbb90b07fb68a2"),
        holds(&missed, "0001fb68a2fc7bca9a3b01fb68a2"),
        holds(&NoShowRecord::default(), "000000"),
        holds(
            &BookingRecord(booking()),
            "00fc7bca9a3bfbc801fbb90b0700fc07ca9a3bfc09ca9a3b2afb68a201fd00082f5e440300006501fbd10701fb8813fd0050e25344030000000000",
        ),
        holds(
            &with(desk, Status::Registered { at: at(1) }, Charge::Paid),
            "00fc7bca9a3bfbc801fbb90b0701092afb68a201fd00082f5e440300006501fbd10701fb8813fd0050e2534403000002fd0250e253440300000101fd1250e25344030000",
        ),
        holds(
            &with(account, cancelled(Canceller::Patient), Charge::Refunded),
            "00fc7bca9a3bfbc801fbb90b0700fc07ca9a3bfc09ca9a3b2afb68a201fd00082f5e440300006501fbd10701fb8813fd0050e2534403000001fd0250e25344030000000301fd1250e25344030000",
        ),
        holds(
            &with(account, cancelled(Canceller::Staff(staff())), Charge::Unpaid),
            "00fc7bca9a3bfbc801fbb90b0700fc07ca9a3bfc09ca9a3b2afb68a201fd00082f5e440300006501fbd10701fb8813fd0050e2534403000001fd0250e2534403000001090001fd1250e25344030000",
        ),
        holds(
            &with(account, cancelled(Canceller::Stop(staff())), Charge::RefundDue),
            "00fc7bca9a3bfbc801fbb90b0700fc07ca9a3bfc09ca9a3b2afb68a201fd00082f5e440300006501fbd10701fb8813fd0050e2534403000001fd0250e2534403000002090201fd1250e25344030000",
        ),
        holds(
            &with(account, cancelled(Canceller::Unpaid), Charge::Expired),
            "00fc7bca9a3bfbc801fbb90b0700fc07ca9a3bfc09ca9a3b2afb68a201fd00082f5e440300006501fbd10701fb8813fd0050e2534403000001fd0250e25344030000030401fd1250e25344030000",
        ),
        holds(
            &with(account, Status::NoShow { at: at(1) }, Charge::Unpaid),
            "00fc7bca9a3bfbc801fbb90b0700fc07ca9a3bfc09ca9a3b2afb68a201fd00082f5e440300006501fbd10701fb8813fd0050e2534403000003fd0250e253440300000001fd1250e25344030000",
        ),
    ]
}

fn people_tables() -> Vec<Table> {
    let (_folder, vault) = fixed_vault();
    let user_key = keys::user(tenant(), user());
    let patient_key = keys::patient(tenant(), patient());
    let session = SessionRecord { user: user(), created_at: at(0), expires_at: at(1) };
    let code = CodeRecord { hash: Blind::from_bytes([7; 32]), tries_left: 5, expires_at: at(2) };
    let limit = LimitRecord { sent_at: vec![at(0), at(1)] };
    let upload = |kind| UploadRecord { user: user(), kind, expires_at: at(4) };
    let idem = IdemRecord { content_hash: [8; 32], reply: b"{}".to_vec(), expires_at: at(3) };
    let consent = Consent { version: "2026-01".to_owned(), given_at: at(4) };
    vec![
        holds(
            &UserRecord::seal(&vault, &user_key, &user_personal(), at(0), Some(consent)).unwrap(),
            "007501404142434445464748494a4be2b29f101e0cb732fefc2706ab48373a0ba13d32855c6b07017a7fdcb37ed0eaa13cc69af2cde2660d84365eb56eed9cb815eb155280a473e05bd50dc064a325549c33328adf2a51c3f86289f70e9d1c2f0a7dfa051a7ae81e3dfd89faee19b36bdd1ab7ecca106ffd0050e253440300000107323032362d3031fd0850e25344030000",
        ),
        holds(&PhoneRecord { user: user() }, "00fc07ca9a3b"),
        holds(&session, "00fc07ca9a3bfd0050e25344030000fd0250e25344030000"),
        holds(
            &code,
            "00070707070707070707070707070707070707070707070707070707070707070705fd0450e25344030000",
        ),
        holds(&limit, "0002fd0050e25344030000fd0250e25344030000"),
        holds(
            &PatientRecord::seal(&vault, &patient_key, &patient_personal(), at(0)).unwrap(),
            "004d014c4d4e4f505152535455565712bb0b51229e70304fefd4faee4588afeb55ec09d7a4d40b8cf376c86771d5b0d738f62093458fea3354377e90bac684a83000eaea3968c545076728079f2270fd0050e25344030000",
        ),
        holds(&IdnoRecord { patient: patient() }, "002a"),
        holds(
            &MembersRecord { members: vec![member(&vault)] },
            "0001fc09ca9a3b2a01fd0050e253440300002a0158595a5b5c5d5e5f60616263fb32b2b88c74ee13acd1d27f3ca287527c4ea134bf393b2987248d1a84",
        ),
        holds(
            &idem,
            "000808080808080808080808080808080808080808080808080808080808080808027b7dfd0650e25344030000",
        ),
        holds(&upload(PictureKind::Jpeg), "00fc07ca9a3b00fd0850e25344030000"),
        holds(&upload(PictureKind::Png), "00fc07ca9a3b01fd0850e25344030000"),
        holds(&upload(PictureKind::Gif), "00fc07ca9a3b02fd0850e25344030000"),
        holds(&upload(PictureKind::WebP), "00fc07ca9a3b03fd0850e25344030000"),
    ]
}

fn staff_tables() -> Vec<Table> {
    let (_folder, vault) = fixed_vault();
    let key = keys::staff(tenant(), staff());
    let personal = StaffPersonal {
        account: AccountName::parse("desk").unwrap(),
        name: PersonName::parse("李前台").unwrap(),
        password_hash: "$argon2id$".to_owned(),
    };
    let seal = |role| StaffRecord::seal(&vault, &key, &personal, role, at(0)).unwrap();
    let mut disabled = seal(Role::Desk);
    disabled.standing = StaffStanding::Disabled;
    disabled.last_login_at = Some(at(1));
    let doctor = DoctorId::new(2001).unwrap();
    let row = |action, object| AuditRecord { at: at(0), staff: staff(), action, object };
    vec![
        holds(
            &seal(Role::Admin),
            "0038014c4d4e4f505152535455565712b688bada10c95934f9bf7298343e1e8263bc4a80fa8a08d4ae6ba57bca9fd15f4599a701baec03ff88f50000fd0050e2534403000000",
        ),
        holds(
            &disabled,
            "003801404142434445464748494a4be2bdca4655578ee5504af2bf16819ceb73e2332ed05a61111e236a33ab4498fc62575704ae69945f481f4f0101fd0050e2534403000001fd0250e25344030000",
        ),
        holds(
            &seal(Role::Doctor(doctor)),
            "00380158595a5b5c5d5e5f60616263fb3de7eec72fd7c4026707c68158d52faafaf3dd07218f95f6574a5d4e4a6d0a8c6f7b8788195acb629aa102fbd10700fd0050e2534403000000",
        ),
        holds(&StaffAccountRecord { staff: staff() }, "0009"),
        holds(
            &StaffSessionRecord { created_at: at(0), expires_at: at(1) },
            "00fd0050e25344030000fd0250e25344030000",
        ),
        holds(&row(Action::Login, None), "00fd0050e25344030000090100"),
        holds(&row(Action::NotificationsListed, Some(7)), "00fd0050e2534403000009280107"),
    ]
}

fn schedule_tables() -> Vec<Table> {
    let (_folder, vault) = fixed_vault();
    let key = keys::schedule_note(tenant(), schedule_id(), Version::new(12));
    let reason = Reason::parse("医生请假").unwrap();
    let added = ScheduleChange::SlotsAdded(vec![serial(3), serial(4)]);
    let note = ScheduleNoteRecord::seal(&vault, &key, (added, &reason), (staff(), at(0))).unwrap();
    assert_eq!(note.open(&vault, &key), Ok(Some(reason)));
    let reopened = ScheduleNoteRecord::without_reason(ScheduleChange::Reopened, staff(), at(1));
    assert_eq!(reopened.open(&vault, &key), Ok(None));
    let change = ScheduleChange::VisitCorrected(booking_id());
    let corrected = ScheduleNoteRecord::without_reason(change, staff(), at(1));
    let release_time = TimeOfDay::from_minutes(450).ok();
    vec![
        holds(&OpeningRecord { horizon_days: Some(30), release_time }, "00011e01fbc201"),
        holds(&OpeningRecord { horizon_days: None, release_time: None }, "000000"),
        holds(
            &note,
            "0000020304fd0050e2534403000009012b01404142434445464748494a4be2b54baf9ddb139c256ba0d31ae3b208938bd442e320245bb8c63f16d3e4",
        ),
        holds(&reopened, "0002fd0250e253440300000900"),
        holds(&corrected, "0004fc7bca9a3bfd0250e253440300000900"),
    ]
}

fn template_tables() -> Vec<Table> {
    let time = |text| TimeOfDay::parse(text).unwrap();
    let template = |pace| Template {
        department: DepartmentId::new(101).unwrap(),
        doctor: Some(DoctorId::new(2001).unwrap()),
        weekday: Weekday::Tuesday,
        period: Period::Pm,
        grid: SlotGrid::new(time("13:30"), time("17:00"), pace).unwrap(),
        desk_only: 2,
        kind: ClinicKind::Expert,
        fee: Fen::new(5_000).unwrap(),
        location: "二楼201".to_owned(),
        valid_from: day(),
        valid_through: None,
    };
    let ordinary = Template {
        doctor: None,
        kind: ClinicKind::Ordinary,
        valid_through: Some(day()),
        ..template(Pace::Slots(20))
    };
    let differs = |scope, change| DayExceptionRecord(DayException { scope, change });
    let holiday = DayChange::Holiday { first: day(), last: day().saturating_add_days(6) };
    let swapped = DayChange::Swapped { date: day(), like: Weekday::Sunday };
    vec![
        holds(
            &TemplateRecord(template(Pace::Every(10))),
            "006501fbd1070201fb2a03fbfc03000a0201fb881309e4ba8ce6a5bc323031fb68a200",
        ),
        holds(
            &TemplateRecord(ordinary),
            "0065000201fb2a03fbfc0301140200fb881309e4ba8ce6a5bc323031fb68a201fb68a2",
        ),
        holds(&differs(Scope::Clinic, holiday), "000000fb68a2fb74a2"),
        holds(&differs(Scope::Department(DepartmentId::new(101).unwrap()), swapped), "00016501fb68a207"),
        holds(&differs(Scope::Doctor(DoctorId::new(2001).unwrap()), holiday), "0002fbd10700fb68a2fb74a2"),
    ]
}

fn label_tables() -> Vec<Table> {
    let (_folder, vault) = fixed_vault();
    let label = LabelId::new(1_000_000_003).unwrap();
    let record = |kind, standing| LabelRecord {
        name: LabelName::parse("高血压").unwrap(),
        kind,
        created_at: at(0),
        created_by: staff(),
        standing,
    };
    let key = keys::patient_file(tenant(), patient());
    let file = PatientFileRecord::seal(&vault, &key, &patient_notes()).unwrap();
    assert_eq!(file.open(&vault, &key), Ok(patient_notes()));
    let of_another = keys::patient_file(tenant(), PatientId::new(43).unwrap());
    assert_eq!(file.open(&vault, &of_another), Err(SealError::Refused));
    let shown = format!("{file:?} {:?} {:?}", patient_notes(), record(LabelKind::Group, LabelStanding::Live));
    for secret in ["北京", "王大明", "13800138000", "高血压"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    let mut sorted = file.clone();
    sorted.group = Some(label);
    sorted.labels = vec![label, label];
    vec![
        holds(
            &record(LabelKind::Group, LabelStanding::Live),
            "0009e9ab98e8a180e58e8b00fd0050e253440300000900",
        ),
        holds(
            &record(LabelKind::Label, LabelStanding::Deleted),
            "0009e9ab98e8a180e58e8b01fd0050e253440300000901",
        ),
        holds(&LabelNameRecord { label }, "00fc03ca9a3b"),
        holds(
            &file,
            "005801404142434445464748494a4be2bf4bafb1d83dafc4219ba17fdebfbec1445bb80fa9eabcf9a2c25f91f7555b7d8744a5393754b18553edf71f0cdcd1fa42920103f6d131b12ae4ad67d5b427c89a8799c2e8aef32644f50000",
        ),
        holds(
            &sorted,
            "005801404142434445464748494a4be2bf4bafb1d83dafc4219ba17fdebfbec1445bb80fa9eabcf9a2c25f91f7555b7d8744a5393754b18553edf71f0cdcd1fa42920103f6d131b12ae4ad67d5b427c89a8799c2e8aef32644f501fc03ca9a3b02fc03ca9a3bfc03ca9a3b",
        ),
    ]
}

fn patient_notes() -> PatientNotes {
    PatientNotes {
        province: "北京".to_owned(),
        city: "北京市".to_owned(),
        county: "东城区".to_owned(),
        address: "一号".to_owned(),
        contact_name: "王大明".to_owned(),
        contact_relation: Some(3),
        contact_phone: "13800138000".to_owned(),
    }
}

#[test]
fn the_bytes_of_every_table_stay_as_they_are() {
    let mut shown = clinic_tables();
    shown.extend(booking_tables());
    shown.extend(people_tables());
    shown.extend(staff_tables());
    shown.extend(schedule_tables());
    shown.extend(template_tables());
    shown.extend(label_tables());
    shown.extend(notifications::notification_tables());
    shown.extend(payments::payment_tables());
    shown.extend(wechat::wechat_tables());
    let shown: BTreeSet<Table> = shown.into_iter().collect();
    assert_eq!(shown, BTreeSet::from(Table::ALL), "a table without golden bytes");
}

#[test]
fn personal_parts_open_under_their_own_key_only() {
    let (_folder, vault) = fixed_vault();
    let other_user = UserId::new(5).unwrap();

    let key = keys::user(tenant(), user());
    let record = UserRecord::seal(&vault, &key, &user_personal(), at(0), None).unwrap();
    assert_eq!(record.open(&vault, &key), Ok(user_personal()));
    let other = keys::user(tenant(), other_user);
    assert_eq!(record.open(&vault, &other), Err(SealError::Refused));

    let key = keys::patient(tenant(), patient());
    for certificate in [
        patient_personal().certificate,
        Some(Certificate::Other { kind: 5, number: "E1234".to_owned() }),
        None,
    ] {
        let personal = PatientPersonal { certificate, ..patient_personal() };
        let record = PatientRecord::seal(&vault, &key, &personal, at(0)).unwrap();
        assert_eq!(record.open(&vault, &key), Ok(personal));
        let other = keys::patient(tenant(), PatientId::new(43).unwrap());
        assert_eq!(record.open(&vault, &other), Err(SealError::Refused));
    }

    let entry = member(&vault);
    let key = keys::members(tenant(), user());
    assert_eq!(entry.open(&vault, &key), Ok(MemberPersonal { phone: phone() }));
    let other = keys::members(tenant(), other_user);
    assert_eq!(entry.open(&vault, &other), Err(SealError::Refused));
}

/// An identity card under any other type number would escape the check of its digits.
#[test]
fn an_identity_card_is_only_stored_as_one() {
    let (_folder, vault) = fixed_vault();
    let key = keys::patient(tenant(), patient());
    for kind in [1, 99] {
        let certificate = Certificate::Other { kind, number: "123".to_owned() };
        let personal = PatientPersonal { certificate: Some(certificate), ..patient_personal() };
        let record = PatientRecord::seal(&vault, &key, &personal, at(0)).unwrap();
        assert!(matches!(record.open(&vault, &key), Err(SealError::Malformed(_))));
    }
}

#[test]
fn impossible_values_are_refused_with_their_name() {
    let impossible = |table, what| Some(RecordError::Impossible { table, what });
    assert_eq!(PhoneRecord::decode(&[0, 0]).err(), impossible(Table::Phone, "user id"));
    assert_eq!(SlotRecord::decode(&[0, 0, 0]).err(), impossible(Table::Slot, "booking id"));
    assert_eq!(IdnoRecord::decode(&[0, 0]).err(), impossible(Table::Idno, "patient id"));
    let mut slotless = schedule();
    slotless.slots.clear();
    let record = ScheduleRecord { schedule: slotless, booked_before: BookedBefore::Never };
    assert_eq!(ScheduleRecord::decode(&record.encode()).err(), impossible(Table::Schedule, "slot list"));
}

/// bincode would set memory aside for any length that the bytes claim.
#[test]
fn a_claim_to_be_huge_is_refused_before_memory_is_taken() {
    let mut claims = vec![0, 253];
    claims.extend_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(TenantRecord::decode(&claims), Err(RecordError::Malformed(Table::Tenant)));
    assert_eq!(LimitRecord::decode(&claims), Err(RecordError::Malformed(Table::Limit)));
    assert_eq!(MembersRecord::decode(&claims), Err(RecordError::Malformed(Table::Members)));
}

#[test]
fn debug_shows_nothing_personal() {
    let (_folder, vault) = fixed_vault();
    let user_record =
        UserRecord::seal(&vault, &keys::user(tenant(), user()), &user_personal(), at(0), None).unwrap();
    let patient_key = keys::patient(tenant(), patient());
    let patient_record = PatientRecord::seal(&vault, &patient_key, &patient_personal(), at(0)).unwrap();
    let code = CodeRecord { hash: Blind::from_bytes([7; 32]), tries_left: 5, expires_at: at(2) };
    let reply = "王小明 13800138000 11010119900307803X".into();
    let idem = IdemRecord { content_hash: [8; 32], reply, expires_at: at(3) };
    let passport = Certificate::Other { kind: 5, number: "11010119900307803X".to_owned() };
    let shown = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {passport:?} {:?}",
        user_personal(),
        patient_personal(),
        patient_personal().certificate,
        user_record,
        patient_record,
        member(&vault),
        MemberPersonal { phone: phone() },
        code,
        idem,
    );
    for secret in ["13800138000", "王小明", "11010119900307803X", "argon2", "1990", "[7", "[8", "[49"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn codes_match_their_own_hash_only() {
    let code = CodeRecord { hash: Blind::from_bytes([7; 32]), tries_left: 5, expires_at: at(2) };
    assert!(code.matches(&Blind::from_bytes([7; 32])));
    let mut other = [7; 32];
    other[31] = 6;
    assert!(!code.matches(&Blind::from_bytes(other)));
}

#[test]
fn a_booking_is_found_from_its_slot() {
    let record = SlotRecord { owner: BookingOwner::of(&booking()), booking: booking().id };
    let key = keys::booking(tenant(), BookingOwner::Account(user()), booking_id());
    assert_eq!(record.booking_key(tenant()).raw(), key.raw());
    let at_desk = Booking { owner: Owner::Desk { staff: staff() }, ..booking() };
    assert_eq!(BookingOwner::of(&at_desk), BookingOwner::Desk);
}
