//! What becomes of notifications as time goes by: the server's parts in this process, with a clock that is set by hand,
//! against the simulator.

use std::time::Duration;

use actors::{Clock as _, Request, save_notification};
use domain::{Reason, Relocate, Stop};
use harness::pay::{self, OPEN_IDS};
use harness::{people, store};
use pati_service::outbox::{self, receipts};
use simulator::{Answer as Script, Endpoint, Person, Template};
use storage::records::{
    BookingOwner, Delivery, FailReason, NotificationKind, NotificationRecord, ReceiptOutcome, SentBy,
    SkipReason,
};
use storage::{Commit, keys};
use world::{
    AFTERNOON, HOUR, MINUTE, PAGE, SCHEDULE, Setup, USUAL, World, a_staff, attempts, failed,
    open_another_clinic, sent_by_wechat, skipped, until, user, visit_day,
};

#[path = "../harness/mod.rs"]
mod harness;
#[expect(unreachable_pub, reason = "a module of a test crate")]
mod world;

/// Seen to fail when the template was looked up by the kind's number instead of its type.
#[actix_web::test]
async fn each_kind_goes_out_as_its_template_with_the_facts_of_the_visit() {
    let world = World::with(USUAL).await;
    let booking = world.book().await;
    assert_eq!((world.jobs(), world.sends()), (1, 0), "nothing is sent before it is due");
    world.after(0).await;
    let templates = simulator::App::simulated(1).templates;
    let sent = world.wechat.sent();
    let [message] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((message.open_id.as_str(), message.url.as_str()), (OPEN_IDS[0], PAGE));
    assert_eq!(message.template_id, templates[0].template_id);
    let date = visit_day();
    let time = format!("{}年{}月{}日 07:03", date.year(), date.month(), date.day());
    let expected = [("name1", "患者"), ("thing2", "眼科"), ("name3", "医生"), ("time4", time.as_str())];
    let data: Vec<_> = message.data.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(data, expected, "no name has a digit");
    assert_eq!(sent_by_wechat(&world.row(NotificationKind::Booked)), message.msg_id.cast_unsigned());
    world.after(24 * HOUR).await;
    assert_eq!((world.jobs(), world.sends()), (0, 1), "once is enough");

    let substitute = domain::DoctorId::new(2002).expect("an id");
    let moved = Relocate { location: Some("三楼".to_owned()), doctor: Some(substitute), staff: a_staff() };
    world.ask(SCHEDULE, Request::Relocate(moved)).await;
    world.wechat.change_app(&pay::app_id(), |app| {
        app.templates[1].content =
            "姓名:{{thing1.DATA}}\n医生:{{thing2.DATA}}\n地点:{{thing3.DATA}}\n状态:{{phrase4.DATA}}\n\
             原因:{{thing5.DATA}}\n备注:{{thing6.DATA}}\n序号:{{number7.DATA}}\n费用:{{amount8.DATA}}"
                .to_owned();
    });
    world.after(1).await;
    world.cancel(SCHEDULE, booking).await;
    world.after(1).await;
    let sent = world.wechat.sent();
    let [_, moved, cancelled] = &sent[..] else { panic!("{sent:?}") };
    for (message, status, reason) in [(moved, "已变更", "诊室或医生调整"), (cancelled, "已取消", "本人取消")]
    {
        assert_eq!(message.template_id, templates[1].template_id);
        let value = |name: &str| message.data.iter().find(|(of, _)| of == name).expect("a place").1.as_str();
        assert_eq!([value("thing1"), value("thing2"), value("thing3")], ["患者2", "医生2002", "三楼"]);
        assert_eq!([value("phrase4"), value("thing5")], [status, reason]);
        assert_eq!([value("number7"), value("amount8")], ["4", "¥50.00"]);
    }
    let stopped = world.book_at(AFTERNOON, 1).await;
    let reason = Reason::parse("医生生病").expect("a reason");
    world.ask(AFTERNOON, Request::Stop(Stop { staff: a_staff(), reason })).await;
    world.after(1).await;
    let sent = world.wechat.sent();
    assert_eq!(sent.len(), 4, "of a stopped booking nobody is told that it was made");
    assert!(sent[3].text.contains("已停诊"), "{}", sent[3].text);
    let row = world.row(NotificationKind::Stopped);
    assert_eq!(row.booking(), Some(stopped));
    sent_by_wechat(&row);
}

/// Seen to fail when 43004 was tried again.
#[actix_web::test]
async fn who_cannot_be_reached_is_not_tried_again() {
    let world = World::with(USUAL).await;
    for (number, (change, why)) in [
        ((|person| person.follows = false) as fn(&mut Person), Some(SkipReason::Unsubscribed)),
        (|person| (person.follows, person.refuses) = (true, true), Some(SkipReason::Refused)),
        (|person| person.open_id = "oSIM0001-patient-of-nobody01".to_owned(), None),
    ]
    .into_iter()
    .enumerate()
    {
        world.person(change);
        let booking = world.book().await;
        world.after(0).await;
        let calls = u64::try_from(number).expect("a number") + 1;
        assert_eq!(world.sends(), calls);
        let row = world.row_of(booking);
        match why {
            Some(why) => skipped(&row, why),
            None => failed(&row, (FailReason::Refused, Some(40_003), 1), None),
        }
        world.after(10 * MINUTE).await;
        assert_eq!((world.sends(), world.jobs()), (calls, 0));
        // Out of the way of the next one, and without a message.
        world.cancel_silently(booking).await;
    }
}

/// Seen to fail when the second attempt had another `client_msg_id`, and when a message without an answer counted as
/// sent.
#[actix_web::test]
async fn what_nobody_answered_is_sent_again_and_arrives_once() {
    for script in [Script::DoneThenReset, Script::DoneThenHang, Script::Reset, Script::errcode(-1)] {
        let world = World::with(USUAL).await;
        let done = u64::from(matches!(script, Script::DoneThenReset | Script::DoneThenHang));
        world.wechat.script(Endpoint::TemplateSend, script.clone());
        world.book().await;
        world.after(0).await;
        assert_eq!(world.wechat.sent().len() as u64, done, "{script:?}");
        let row = world.row(NotificationKind::Booked);
        let next_at = world.clock.now().plus(Duration::from_secs(MINUTE));
        assert_eq!(row.delivery, Delivery::Waiting { attempts: 1, next_at }, "{script:?}");
        world.wechat.release_hanging();
        let world = world.restarted().await;
        world.after(MINUTE - 1).await;
        assert_eq!(world.sends(), 1, "{script:?}");
        world.after(1).await;
        assert_eq!((world.sends(), world.wechat.sent().len()), (2, 1), "{script:?}");
        sent_by_wechat(&world.row(NotificationKind::Booked));
        assert_eq!(world.jobs(), 0);
    }
}

/// A crash between sending and writing: the row still waits.
#[actix_web::test]
async fn what_was_sent_and_not_written_is_sent_again_and_arrives_once() {
    let world = World::with(USUAL).await;
    world.book().await;
    let (id, before) = world.rows().remove(0);
    world.after(0).await;
    let mut commit = Commit::new();
    save_notification(&mut commit, store::tenant(), &id, &before);
    world.storage.commit(commit).await.expect("written");
    let world = world.restarted().await;
    world.after(5).await;
    assert_eq!((world.sends(), world.wechat.sent().len()), (2, 1));
    sent_by_wechat(&world.row(NotificationKind::Booked));
    // Two who send at the same time.
    world.book_at(AFTERNOON, 1).await;
    let (one, other) = tokio::join!(outbox::run_due(&world.app), outbox::run_due(&world.app));
    one.and(other).expect("readable");
    assert_eq!((world.wechat.sent().len(), world.jobs()), (2, 0));
}

/// Seen to fail when attempts were not counted, and when a message that was sent again by the staff kept its
/// `client_msg_id`.
#[actix_web::test]
async fn what_cannot_be_sent_is_given_up_and_sent_again_by_the_staff() {
    let world = World::with(USUAL).await;
    world.wechat.script(Endpoint::TemplateSend, Script::DoneThenReset);
    world.book().await;
    world.after(0).await;
    world.wechat.script_always(Endpoint::TemplateSend, Script::Reset);
    for wait in [MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR] {
        world.after(wait - 1).await;
        world.after(1).await;
    }
    assert_eq!((world.sends(), world.jobs()), (5, 1));
    world.after(6 * HOUR).await;
    failed(&world.row(NotificationKind::Booked), (FailReason::Unreachable, None, 6), None);
    world.after(24 * HOUR).await;
    assert_eq!((world.sends(), world.jobs()), (6, 0));

    world.wechat.clear_scripts();
    world.send_again(NotificationKind::Booked).await;
    world.after(60).await;
    let sent = world.wechat.sent();
    assert_eq!(sent.len(), 2);
    assert_ne!(sent[0].client_msg_id, sent[1].client_msg_id);
    sent_by_wechat(&world.row(NotificationKind::Booked));
}

/// 40001 costs one more call; a full quota waits for hours and is no attempt; a missing right waits for the staff.
#[actix_web::test]
async fn what_wechat_says_decides_what_follows() {
    let world = World::with(USUAL).await;
    world.wechat.script(Endpoint::TemplateSend, Script::errcode(40_001));
    world.book().await;
    world.after(0).await;
    assert_eq!((world.sends(), world.wechat.sent().len()), (2, 1));

    world.wechat.script(Endpoint::TemplateSend, Script::errcode(45_009));
    let second = world.book_at(AFTERNOON, 1).await;
    world.after(0).await;
    let next_at = world.clock.now().plus(Duration::from_secs(6 * HOUR));
    assert_eq!(world.row_of(second).delivery, Delivery::Waiting { attempts: 0, next_at });
    world.after(6 * HOUR).await;
    sent_by_wechat(&world.row_of(second));

    world.wechat.script(Endpoint::TemplateSend, Script::errcode(48_001));
    world.cancel(AFTERNOON, second).await;
    world.after(0).await;
    failed(&world.row(NotificationKind::Cancelled), (FailReason::Refused, Some(48_001), 1), None);
    assert_eq!(world.wechat.sent().len(), 2);
}

/// Seen to fail when a place without a value was left out, and when the content was never asked for again.
#[actix_web::test]
async fn a_template_that_does_not_fit_is_named_and_known_anew_once_it_is_changed() {
    let world = World::with(USUAL).await;
    world.booked_template("就诊人:{{name1.DATA}}\n陪护:{{character_string9.DATA}}");
    world.book().await;
    world.after(0).await;
    let fault = "template place character_string9 (陪护) has no value";
    failed(&world.row(NotificationKind::Booked), (FailReason::Unfit, None, 1), Some(fault));
    assert_eq!(world.sends(), 0, "WeChat need not be asked");
    // It is changed at WeChat, and the staff try again.
    world.booked_template("就诊人:{{name1.DATA}}");
    world.send_again(NotificationKind::Booked).await;
    world.after(0).await;
    let row = world.row(NotificationKind::Booked);
    sent_by_wechat(&row);
    assert_eq!((row.fault, world.wechat.sent().len()), (None, 1));

    // What is known is kept, though WeChat's list is away and the server was stopped.
    let listed = world.wechat.calls(Endpoint::Templates);
    let world = world.restarted().await;
    world.wechat.script_always(Endpoint::Templates, Script::Reset);
    let second = world.book_at(AFTERNOON, 1).await;
    world.after(0).await;
    sent_by_wechat(&world.row_of(second));
    assert_eq!(world.wechat.calls(Endpoint::Templates), listed);
    world.wechat.clear_scripts();

    // It is changed again, and WeChat says so with 47003.
    world.booked_template("就诊人:{{name1.DATA}}\n科室:{{thing2.DATA}}");
    world.send_again(NotificationKind::Booked).await;
    world.after(0).await;
    assert_eq!(world.wechat.sent().len(), 3);

    let refusal = "argument invalid! data.thing2.value invalid rid: 6a1b2c3d-12345678-0abcdef1";
    world.wechat.script(Endpoint::TemplateSend, Script::Errcode(47_003, refusal.to_owned()));
    world.cancel(AFTERNOON, second).await;
    world.after(0).await;
    let fault = "template place thing2 cannot hold its value";
    failed(&world.row(NotificationKind::Cancelled), (FailReason::Unfit, Some(47_003), 1), Some(fault));
    world.after(24 * HOUR).await;
    assert_eq!((world.jobs(), world.wechat.sent().len()), (0, 3));

    // A template that is gone.
    world.wechat.change_app(&pay::app_id(), |app| {
        app.templates[1] = Template { template_id: "another".to_owned(), ..app.templates[1].clone() };
    });
    world.send_again(NotificationKind::Cancelled).await;
    world.after(0).await;
    failed(&world.row(NotificationKind::Cancelled), (FailReason::Refused, Some(40_037), 1), None);
    world.send_again(NotificationKind::Cancelled).await;
    world.after(0).await;
    let fault = "the account has no such template";
    failed(&world.row(NotificationKind::Cancelled), (FailReason::Unfit, None, 1), Some(fault));
}

/// Seen to fail when the phone was the file's instead of the account's, and when texts were not counted.
#[actix_web::test]
async fn whom_wechat_does_not_know_gets_a_text_if_the_clinic_wants_it() {
    let world = World::with(Setup { bound: false, notices: false }).await;
    world.book().await;
    world.after(0).await;
    skipped(&world.row(NotificationKind::Booked), SkipReason::NoOpenId);
    assert!(world.wechat.sms().is_empty() && world.wechat.sent().is_empty());

    let world = World::with(Setup { bound: false, notices: true }).await;
    world.wechat.script(Endpoint::Sms, Script::Http(503, String::new()));
    world.book().await;
    world.after(0).await;
    world.after(MINUTE).await;
    let texts = world.wechat.sms();
    let [text] = &texts[..] else { panic!("{texts:?}") };
    assert_eq!((text.phone.clone(), text.template.as_str(), &text.code), (people::phone(1), "booked", &None));
    let param = |name: &str| text.params[name].as_str();
    assert_eq!([param("clinic"), param("patient"), param("department")], ["测试诊所", "患者2", "眼科"]);
    assert_eq!(
        [param("visit_time"), param("location")],
        [format!("{} 07:03", visit_day()).as_str(), "二楼201"]
    );
    let row = world.row(NotificationKind::Booked);
    assert!(matches!(row.delivery, Delivery::Sent { by: SentBy::Sms, .. }), "{:?}", row.delivery);

    // Ten a day and phone: this one, the one that failed, and eight more.
    for _ in 0..8 {
        world.send_again(NotificationKind::Booked).await;
        world.after(1).await;
    }
    assert_eq!(world.wechat.sms().len(), 9);
    world.send_again(NotificationKind::Booked).await;
    world.after(1).await;
    skipped(&world.row(NotificationKind::Booked), SkipReason::TooManyTexts);
    let world = world.restarted().await;
    world.after(25 * HOUR).await;
    world.send_again(NotificationKind::Booked).await;
    world.after(1).await;
    assert_eq!(world.wechat.sms().len(), 10);
}

/// Seen to fail when a booking that was given up was not looked at.
#[actix_web::test]
async fn nobody_is_told_what_is_of_no_use_any_more() {
    let world = World::with(USUAL).await;
    let booking = world.book().await;
    world.cancel(SCHEDULE, booking).await;
    world.after(0).await;
    skipped(&world.row(NotificationKind::Booked), SkipReason::TooLate);
    sent_by_wechat(&world.row(NotificationKind::Cancelled));
    let late = world.book_at(AFTERNOON, 20).await;
    world.after(6 * 24 * HOUR).await;
    skipped(&world.row_of(late), SkipReason::TooLate);
    assert_eq!(world.wechat.sent().len(), 1);
}

/// Seen to fail when an event that came before its message was stored was forgotten.
#[actix_web::test]
async fn what_became_of_a_message_is_kept_whenever_it_is_told() {
    let world = World::with(Setup { bound: true, notices: true }).await;
    let outcome_of = |row: &NotificationRecord| match row.delivery {
        Delivery::Sent { receipt, by, .. } => (receipt.map(|receipt| receipt.outcome), by),
        other => panic!("{other:?}"),
    };
    let first = world.book().await;
    world.after(0).await;
    let message = sent_by_wechat(&world.row_of(first));
    let tell = async |message, outcome| {
        receipts::take(&world.app, store::tenant(), message, outcome).await.expect("noted");
    };
    for outcome in [ReceiptOutcome::Arrived, ReceiptOutcome::Arrived, ReceiptOutcome::Blocked] {
        tell(message, outcome).await;
    }
    let by_wechat = |msg_id| SentBy::Wechat { msg_id };
    assert_eq!(outcome_of(&world.row_of(first)), (Some(ReceiptOutcome::Arrived), by_wechat(message)));
    assert!(world.wechat.sms().is_empty(), "a repeat changes nothing");

    // Before the message is known to be sent; and of a block the patient is told by text.
    tell(message + 1, ReceiptOutcome::Failed).await;
    let second = world.book_at(AFTERNOON, 1).await;
    world.after(0).await;
    assert_eq!(outcome_of(&world.row_of(second)), (Some(ReceiptOutcome::Failed), by_wechat(message + 1)));
    world.cancel(AFTERNOON, second).await;
    world.after(0).await;
    for _ in 0..2 {
        tell(message + 2, ReceiptOutcome::Blocked).await;
    }
    let row = world.row(NotificationKind::Cancelled);
    assert_eq!(outcome_of(&row), (Some(ReceiptOutcome::Blocked), SentBy::Sms));
    assert_eq!(world.wechat.sms().len(), 1);
}

/// Seen to fail when the values of other systems were looked for by place only.
#[actix_web::test]
async fn what_other_systems_say_goes_where_they_say() {
    let world = World::with(USUAL).await;
    let template_id = "SIMULATED-follow-up-00000000000000000000001".to_owned();
    world.wechat.change_app(&pay::app_id(), |app| {
        let content = "姓名:{{thing1.DATA}}\n复诊时间:{{time2.DATA}}\n复诊建议:{{thing3.DATA}}".to_owned();
        let template_id = template_id.clone();
        app.templates.push(Template { template_id, content, ..app.templates[0].clone() });
    });
    let key = keys::wechat_conf(store::tenant());
    let mut conf = world.storage.get(&key).expect("readable").expect("entered").record;
    conf.templates.push((4, template_id));
    let mut commit = Commit::new();
    commit.put(&key, &conf);
    world.storage.commit(commit).await.expect("written");

    let members = world.storage.get(&keys::members(store::tenant(), user())).expect("readable");
    let patient = members.expect("members").record.members[0].patient;
    let whom = (BookingOwner::Account(user()), patient);
    world.say(store::tenant(), whom, "复诊建议").await;
    world.after(0).await;
    let sent = world.wechat.sent();
    let [message] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(message.text, "姓名:患者2\n复诊时间:2027-01-05 09:00\n复诊建议:复查 视力");
    world.clock.advance(Duration::from_millis(1));
    world.say(store::tenant(), whom, "thing4").await;
    world.after(0).await;
    let fault = "the template has no place thing4";
    failed(&world.rows().remove(1).1, (FailReason::Unfit, None, 1), Some(fault));
    // Nobody wants to hear it days later, unless the staff say so.
    world.clock.advance(Duration::from_millis(1));
    world.say(store::tenant(), whom, "复诊建议").await;
    world.after(4 * 24 * HOUR).await;
    skipped(&world.rows().remove(2).1, SkipReason::TooLate);
}

/// While one clinic's message hangs, another clinic's goes out. One clinic after the other never does that; both at once do
/// it in the first round, unless this machine is busy for as long as a call may hang. Seen to fail when the loop awaited
/// the task of a clinic.
#[actix_web::test]
async fn a_wechat_that_hangs_holds_up_no_other_clinic() {
    let world = World::with(Setup { bound: true, notices: true }).await;
    let (other, patient) = open_another_clinic(&world).await;
    world.wechat.script_always(Endpoint::TemplateSend, Script::Hang);
    world.book().await;
    let sending = actix_web::rt::spawn(outbox::run(world.app.clone()));
    for (round, wait) in (0..).zip([0, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR]) {
        // Everything before is written, and what hung is due again.
        until("the attempt has ended", || attempts(&world) == Some(round)).await;
        world.clock.advance(Duration::from_secs(wait));
        until("it hangs", || world.sends() > u64::from(round)).await;
        world.say(other, (BookingOwner::Desk, patient), "复诊建议").await;
        until("the other clinic's is sent", || world.wechat.sms().len() > usize::from(round)).await;
        if attempts(&world) == Some(round) {
            sending.abort();
            let texts = world.wechat.sms();
            assert_eq!((texts[0].tenant_id.as_str(), texts[0].template.as_str()), ("2", "follow_up"));
            assert_eq!(
                (texts[0].params["clinic"].as_str(), texts[0].params["复诊建议"].as_str()),
                ("二分院", "复查\n视力")
            );
            return;
        }
    }
    panic!("the other clinic waits for this one");
}
