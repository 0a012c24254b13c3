//! What is written together with the change of a booking: an order and its money.

mod seeding;

use actors::{AskError, Request, Target, Terms};
use domain::{
    BookingId, Cancel, CancelBy, Charge, OutTradeNo, Paid, PaidBy, Reply, StaffId, Status, Stop, Timestamp,
};
use seeding::crew::Crew;
use seeding::{Size, schedule_id, tenant, user_id};
use storage::records::{BookingOrdersRecord, BookingOwner, PayJobRecord};
use storage::{Commit, Scan, Version, keys};

fn size() -> Size {
    Size { schedules: 1, slots: 10, users: 4, members_per_user: 1 }
}

fn order(number: u64) -> OutTradeNo {
    OutTradeNo::new(tenant(), number).expect("a number")
}

fn job(crew: &Crew, number: u64) -> Option<PayJobRecord> {
    crew.storage.get(&keys::pay_job(order(number))).expect("readable").map(|stored| stored.record)
}

fn booking(crew: &Crew, n: u64, id: BookingId) -> (domain::Booking, Version) {
    let key = keys::booking(tenant(), BookingOwner::Account(user_id(n)), id);
    let stored = crew.storage.get(&key).expect("readable").expect("stored");
    (stored.record.0, stored.version)
}

/// Pays at the schedule, and writes a job under the condition that the booking has this version.
async fn pay(crew: &Crew, n: u64, id: BookingId, version: Version) -> Result<Reply, AskError> {
    let mut also = Commit::new();
    also.require_version(&keys::booking(tenant(), BookingOwner::Account(user_id(n)), id), version);
    also.put(
        &keys::pay_job(order(id.get())),
        &PayJobRecord { due_at: Timestamp::from_millis(1), attempts: 7 },
    );
    let paid = Paid { booking: id, paid_at: Timestamp::from_millis(1), by: PaidBy::Provider };
    let target = Target { tenant: tenant(), schedule: schedule_id(0) };
    crew.directory.ask(target, Request::Paid(paid), Terms { also: Some(also), ..crew.terms() }).await
}

/// Seen to fail when what was to be written with it was left out, and when it was written although nothing was decided.
#[actix::test]
async fn money_and_booking_are_one_commit_or_none() {
    let crew = Crew::start(size());
    let id = crew.submit(0, 3, 0).await.expect("free");
    let (before, version) = booking(&crew, 0, id);
    assert_eq!(pay(&crew, 0, id, Version::ABSENT).await, Err(AskError::Contended));
    assert_eq!((booking(&crew, 0, id).0, job(&crew, id.get())), (before, None), "nothing was written");

    assert_eq!(pay(&crew, 0, id, version).await, Ok(Reply::Done));
    let (after, paid_version) = booking(&crew, 0, id);
    assert_eq!(after.charge, Charge::Paid);
    assert!(matches!(after.status, Status::Registered { .. }));
    assert_eq!(job(&crew, id.get()).expect("written").attempts, 7);
    let stored = crew.storage.get(&keys::pay_job(order(id.get()))).expect("readable").expect("written");
    assert_eq!(stored.version, paid_version, "by the same commit");

    // It is paid already: nothing is decided, and nothing is written.
    assert_eq!(pay(&crew, 0, id, paid_version).await, Err(AskError::Contended));
    assert_eq!(booking(&crew, 0, id).1, paid_version);
}

/// Seen to fail when only the cancellation by a patient did it.
#[actix::test]
async fn whoever_cancels_has_the_orders_looked_at() {
    let crew = Crew::start(size());
    let mut ids = Vec::new();
    for n in 0..4 {
        let id = crew.submit(0, u16::try_from(n).expect("small") + 1, n).await.expect("free");
        let mut commit = Commit::new();
        let orders = vec![order(10 + n), order(20 + n)];
        commit.put(&keys::orders_of_booking(tenant(), id), &BookingOrdersRecord { orders });
        crew.storage.commit(commit).await.expect("stored");
        ids.push(id);
    }
    let staff = StaffId::new(7).expect("an id");
    let target = Target { tenant: tenant(), schedule: schedule_id(0) };
    let cancel = |n: usize, by| Request::Cancel(Cancel { booking: ids[n], by });
    for wish in [cancel(0, CancelBy::Patient(user_id(0))), cancel(1, CancelBy::Staff(staff))] {
        crew.directory.ask(target, wish, crew.terms()).await.expect("cancelled");
    }
    assert!([10, 20, 11, 21].into_iter().all(|number| job(&crew, number).is_some()));
    // It is the order that did it.
    crew.directory.ask(target, cancel(2, CancelBy::Unpaid), crew.terms()).await.expect("cancelled");
    assert!(job(&crew, 12).is_none() && job(&crew, 13).is_none());
    let reason = domain::Reason::parse("医生请假").expect("a reason");
    crew.directory.ask(target, Request::Stop(Stop { staff, reason }), crew.terms()).await.expect("stopped");
    assert!([13, 23].into_iter().all(|number| job(&crew, number).is_some_and(|job| job.attempts == 0)));
    assert_eq!(crew.storage.scan(&keys::pay_jobs(tenant()), Scan::ALL).expect("readable").len(), 6);
}
