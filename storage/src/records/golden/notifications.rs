//! The bytes of what patients are to be told.

use super::*;
use crate::keys::NotificationId;

fn id(kind: NotificationKind) -> NotificationId {
    NotificationId { moment: at(0), number: 1_000_000_005, kind }
}

fn values() -> NotificationValues {
    NotificationValues(vec![
        ("医生".to_owned(), "王大明".to_owned()),
        ("说明".to_owned(), "已回复".to_owned()),
    ])
}

fn of_booking(kind: NotificationKind, delivery: Delivery) -> NotificationRecord {
    NotificationRecord { delivery, ..NotificationRecord::of_booking(kind, &booking(), at(0)) }
}

pub(super) fn notification_tables() -> Vec<Table> {
    let (_folder, vault) = fixed_vault();
    let kind = NotificationKind::DoctorReplied;
    let key = keys::notification(tenant(), &id(kind));
    let said =
        NotificationRecord::seal(&vault, &key, (kind, at(0)), (BookingOwner::Desk, patient()), &values());
    let said = NotificationRecord { round: 2, ..said.unwrap() };
    let waiting = Delivery::Waiting { attempts: 3, next_at: at(60_000) };
    let by_wechat = SentBy::Wechat { msg_id: 200_163_836 };
    let receipt = |outcome| Some(Receipt { at: at(9), outcome });
    let sent = |by, receipt| Delivery::Sent { at: at(8), by, receipt };
    let skipped = |why| Delivery::Skipped { at: at(7), why };
    let failed = |why, errcode| Delivery::Failed { at: at(7), why, errcode, attempts: 5 };
    let faulty = NotificationRecord {
        fault: Some("thing1".to_owned()),
        ..of_booking(NotificationKind::Booked, failed(FailReason::Unfit, Some(47_003)))
    };
    vec![
        holds(
            &said,
            "0009fd0050e25344030000002a014101404142434445464748494a4be2bba8c6aa87609752cdf0b81081b7fc9f5edc5a5f9abbc5efc9470020a1084006ed5721ff9b29e563dddb6b9901527068910ce1020000fd0050e2534403000000",
        ),
        holds(
            &of_booking(NotificationKind::Stopped, waiting),
            "0001fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b000003fdc024e4534403000000",
        ),
        holds(
            &of_booking(NotificationKind::Relocated, sent(SentBy::Sms, None)),
            "0002fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0001fd1050e25344030000010000",
        ),
        holds(
            &of_booking(NotificationKind::Booked, sent(by_wechat, None)),
            "0003fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0001fd1050e2534403000000fcfc41ee0b0000",
        ),
        holds(
            &of_booking(NotificationKind::Cancelled, sent(by_wechat, receipt(ReceiptOutcome::Arrived))),
            "0004fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0001fd1050e2534403000000fcfc41ee0b01fd1250e253440300000000",
        ),
        holds(
            &of_booking(NotificationKind::Registered, sent(by_wechat, receipt(ReceiptOutcome::Blocked))),
            "0005fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0001fd1050e2534403000000fcfc41ee0b01fd1250e253440300000100",
        ),
        holds(
            &of_booking(NotificationKind::FollowUp, sent(by_wechat, receipt(ReceiptOutcome::Failed))),
            "0006fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0001fd1050e2534403000000fcfc41ee0b01fd1250e253440300000200",
        ),
        holds(
            &of_booking(NotificationKind::Reminder, skipped(SkipReason::NoOpenId)),
            "0007fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0002fd0e50e253440300000000",
        ),
        holds(
            &of_booking(NotificationKind::Reminder, skipped(SkipReason::NoTemplate)),
            "0007fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0002fd0e50e253440300000100",
        ),
        holds(
            &of_booking(NotificationKind::Reminder, skipped(SkipReason::NotConnected)),
            "0007fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0002fd0e50e253440300000200",
        ),
        holds(
            &of_booking(NotificationKind::Reminder, skipped(SkipReason::Unsubscribed)),
            "0007fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0002fd0e50e253440300000300",
        ),
        holds(
            &of_booking(NotificationKind::Reminder, skipped(SkipReason::Refused)),
            "0007fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0002fd0e50e253440300000400",
        ),
        holds(
            &of_booking(NotificationKind::Reminder, skipped(SkipReason::NoPhone)),
            "0007fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0002fd0e50e253440300000500",
        ),
        holds(
            &of_booking(NotificationKind::Reminder, skipped(SkipReason::Erased)),
            "0007fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0002fd0e50e253440300000600",
        ),
        holds(
            &of_booking(NotificationKind::Reminder, skipped(SkipReason::TooLate)),
            "0007fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0002fd0e50e253440300000700",
        ),
        holds(
            &of_booking(NotificationKind::Reminder, skipped(SkipReason::TooManyTexts)),
            "0007fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0002fd0e50e253440300000800",
        ),
        holds(
            &faulty,
            "0003fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0003fd0e50e253440300000201fc366f01000501067468696e6731",
        ),
        holds(
            &of_booking(NotificationKind::GlassesReady, failed(FailReason::Refused, Some(45_009))),
            "0008fd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0003fd0e50e253440300000001fca25f01000500",
        ),
        holds(
            &of_booking(NotificationKind::OrderProgress, failed(FailReason::Unreachable, Some(-1))),
            "000afd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0003fd0e50e253440300000101010500",
        ),
        holds(
            &of_booking(NotificationKind::OrderProgress, failed(FailReason::Unfit, None)),
            "000afd0050e25344030000fc07ca9a3b2a00fc7bca9a3bfbb90b0003fd0e50e2534403000002000500",
        ),
        holds(&NotificationJobRecord { due_at: at(1) }, "00fd0250e25344030000"),
        holds(
            &SentMessageRecord { notification: id(NotificationKind::Booked) },
            "00fd0050e25344030000fc05ca9a3b03",
        ),
    ]
}

/// What another system has said opens under the notification's own key only, and shows nowhere.
#[test]
fn what_is_said_is_sealed() {
    let (_folder, vault) = fixed_vault();
    let kind = NotificationKind::DoctorReplied;
    let key = keys::notification(tenant(), &id(kind));
    let whom = (BookingOwner::Account(user()), patient());
    let said = NotificationRecord::seal(&vault, &key, (kind, at(0)), whom, &values()).unwrap();
    assert_eq!(said.values(&vault, &key), Ok(values()));
    let other = keys::notification(tenant(), &NotificationId { number: 4, ..id(kind) });
    assert_eq!(said.values(&vault, &other), Err(SealError::Refused));
    let booked = of_booking(NotificationKind::Booked, said.delivery);
    assert_eq!(booked.values(&vault, &key), Ok(NotificationValues::default()));

    let bytes = said.encode();
    let secret = "王大明".as_bytes();
    assert!(!bytes.windows(secret.len()).any(|window| window == secret), "a value is in the bytes");
    let shown = format!("{said:?} {:?}", values());
    assert!(!shown.contains("王大明") && !shown.contains("已回复"), "{shown}");
}

/// A reminder shows what the message of a booking shows; what other systems ask for is asked for by its own type.
#[test]
fn every_kind_has_a_template() {
    let types = NotificationKind::ALL.map(NotificationKind::template_type);
    assert_eq!(types, [2, 2, 1, 2, 3, 4, 1, 0, 5, 6]);
    for template_type in 0..=u8::MAX {
        match NotificationKind::asked_for_by(template_type) {
            Some(kind) => assert_eq!(kind.template_type(), template_type),
            None => assert!(![0, 4, 5, 6].contains(&template_type)),
        }
    }
}
