//! What the desk takes away from the day's bookings: a file for a spreadsheet, a list on paper, and figures.

use std::io;

use harness::clinic::{self, Clinic};
use harness::folder::Folder;
use harness::import::{DEPARTMENT, Half, ImportFile, day};
use harness::patients::{Answer, Patient};
use harness::wire::Reply;
use harness::{people, staff, store, wire};
use serde_json::{Value, json};
use storage::records::Action;
use storage::{Scan, keys};

mod harness;

/// Dr 2001 on the morning and afternoon of day 2, Dr 2002 on the morning of day 2 and 4.
const MORNING: u64 = 3001;
const AFTERNOON: u64 = 3002;
const OTHERS: u64 = 3003;
const OTHERS_LATER: u64 = 3004;

fn open() -> (Folder, Clinic) {
    let mut file = ImportFile::default();
    file.doctor(2001).doctor(2002);
    file.schedule(MORNING, 2001, day(2), Half::Am, 5).schedule(AFTERNOON, 2001, day(2), Half::Pm, 3);
    file.schedule(OTHERS, 2002, day(2), Half::Am, 4).schedule(OTHERS_LATER, 2002, day(4), Half::Am, 6);
    let folder = Folder::new();
    clinic::import(&folder, &file);
    staff::add(&folder, &["--account", "desk", "--role", "desk"]);
    staff::add(&folder, &["--account", "doctor", "--role", "doctor", "--doctor", "2001"]);
    let clinic = Clinic::start(&folder, &[]);
    (folder, clinic)
}

/// The `n`th invented person, registered, with a member of this name.
async fn named(clinic: &Clinic, n: usize, name: &str) -> io::Result<(Patient, String)> {
    let mut patient = Patient::registered(clinic, n).await;
    let mut person = people::person(n);
    person["name"] = name.into();
    let added = patient.post("patient_service/member", &person).await?.data();
    Ok((patient, added["memberId"].as_str().expect("an id").to_owned()))
}

async fn book(patient: &mut Patient, schedule: u64, serial: u16, member: &str) -> io::Result<[String; 2]> {
    let data = patient.submit(schedule, serial, member).await?.data();
    let id = data["bookId"].as_str().expect("an id").to_owned();
    let code = patient.book(&id).await?.data()["bookCode"].as_str().expect("digits").to_owned();
    Ok([id, code])
}

async fn download(staff: &mut Patient, target: &str) -> io::Result<Reply> {
    let token = staff.token().to_owned();
    let request = wire::get(&format!("/pati_service/manager_service/{target}"), &[("token", &token)]);
    staff.raw(&request).await
}

fn masked(n: usize) -> String {
    let number = people::id_number(n);
    format!("{}***********{}", &number[..3], &number[14..])
}

/// Seen to catch: a file without its byte order mark; a name that a spreadsheet takes for a formula.
#[tokio::test]
async fn the_days_list_is_a_file_that_a_spreadsheet_may_open() -> io::Result<()> {
    let (folder, clinic) = open();
    let mut desk = staff::logged_in(&clinic, "desk").await;
    let mut codes = Vec::new();
    let names = ["=1+1", "@SUM(A1,A2)", "张\"三\"", "+86"];
    for (n, name) in names.iter().enumerate() {
        let (mut patient, member) = named(&clinic, n, name).await?;
        let serial = u16::try_from(n).expect("few") + 1;
        let [id, code] = book(&mut patient, MORNING, serial, &member).await?;
        if n == 1 {
            patient.cancel(&id).await?.done();
        }
        codes.push(code);
        if n == 3 {
            book(&mut patient, OTHERS_LATER, 1, &member).await?;
        }
    }
    let reply = download(&mut desk, &format!("bookings/csv?date={}", day(2))).await?;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("text/csv; charset=utf-8"));
    let disposition = format!("attachment; filename=\"bookings-{}.csv\"", day(2));
    assert_eq!(reply.header("content-disposition"), Some(disposition.as_str()));

    let line = |n: usize, name: &str, status: &str| {
        let (serial, code, phone, number) = (n + 1, &codes[n], people::phone(n), masked(n));
        let date = day(2);
        format!(
            "{date},上午,07:0{n},{serial},{code},眼科,医生2001,{name},{phone},{number},{status},未收费,50.00,,账号\r\n"
        )
    };
    let expected = [
        "\u{feff}日期,午别,时间,序号,预约码,科室,医生,姓名,手机号,证件号码,状态,收费,费用,签到时间,来源\r\n"
            .to_owned(),
        line(0, "'=1+1", "已预约"),
        line(1, "\"'@SUM(A1,A2)\"", "已取消"),
        line(2, "\"张\"\"三\"\"\"", "已预约"),
        line(3, "'+86", "已预约"),
    ];
    assert_eq!(String::from_utf8_lossy(&reply.body), expected.concat());

    let none = download(&mut desk, &format!("bookings/csv?date={}&doctor_id=2002", day(2))).await?;
    assert_eq!(String::from_utf8_lossy(&none.body), expected[0]);
    Answer::of(download(&mut desk, "bookings/csv?date=x").await?)?.refused(400, "0001");
    clinic.stop();
    assert_eq!(exports(&folder), 2);
    Ok(())
}

fn exports(folder: &Folder) -> usize {
    store::edit(folder, |storage, _| {
        let rows = storage.scan(&keys::audits(store::tenant()), Scan::ALL).expect("readable");
        rows.iter().filter(|(_, row)| row.record.action == Action::BookingsExported).count()
    })
}

/// Seen to catch: a name that is markup; a page under the policy of data, which would lose its style.
#[tokio::test]
async fn the_days_list_is_printed_by_doctor_and_half_day() -> io::Result<()> {
    let (folder, clinic) = open();
    let mut desk = staff::logged_in(&clinic, "desk").await;
    let (mut hostile, member) = named(&clinic, 1, "<script>alert('1')</script>").await?;
    book(&mut hostile, MORNING, 2, &member).await?;
    let [gone, gone_code] = book(&mut hostile, AFTERNOON, 1, &member).await?;
    hostile.cancel(&gone).await?.done();
    let (mut plain, member) = named(&clinic, 2, "张三").await?;
    book(&mut plain, AFTERNOON, 3, &member).await?;
    book(&mut plain, OTHERS, 1, &member).await?;

    let reply = download(&mut desk, &format!("bookings/print?date={}", day(2))).await?;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = reply.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let page = String::from_utf8(reply.body).expect("UTF-8");
    assert!(
        !page.contains("<script") && page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"),
        "{page}"
    );
    assert!(page.contains(&masked(1)) && !page.contains(&people::id_number(1)));
    assert!(!page.contains(&format!("<td>{gone_code}</td>")), "who does not come is not on paper");
    let heads: Vec<_> = page.split("<h2>").skip(1).filter_map(|rest| rest.split("</h2>").next()).collect();
    assert_eq!(
        heads,
        ["眼科 医生2001 上午（1人）", "眼科 医生2001 下午（1人）", "眼科 医生2002 上午（1人）"]
    );

    let others = download(&mut desk, &format!("bookings/print?date={}&doctor_id=2002", day(2))).await?;
    assert_eq!(String::from_utf8_lossy(&others.body).matches("<h2>").count(), 1);
    let today = download(&mut desk, "bookings/print").await?;
    assert!(String::from_utf8_lossy(&today.body).contains("没有预约"));
    clinic.stop();
    assert_eq!(exports(&folder), 3);
    Ok(())
}

/// The figures of a row: offered, stopped, booked, cancelled, visited, missed, revenue.
fn figures(row: &Value) -> [f64; 7] {
    ["offered", "stopped", "booked", "cancelled", "visited", "no_show", "revenue"]
        .map(|name| row[name].as_f64().expect("a number"))
}

/// Seen to catch: cancelled bookings that were not counted as booked, and money that was to be paid back as revenue.
#[tokio::test]
async fn the_figures_add_up_to_what_was_done() -> io::Result<()> {
    let (_folder, clinic) = open();
    let mut desk = staff::logged_in(&clinic, "desk").await;
    let mut doctor = staff::logged_in(&clinic, "doctor").await;
    let act = async |desk: &mut Patient, what: &str, booking: &str| {
        desk.post(&format!("manager_service/booking/{what}"), &json!({"book_id": booking})).await
    };
    for n in 1..=3 {
        let (mut patient, member) = named(&clinic, n, "张三").await?;
        let serial = u16::try_from(n).expect("few");
        let [id, _] = book(&mut patient, MORNING, serial, &member).await?;
        act(&mut desk, "cash_paid", &id).await?.done();
        match n {
            1 => act(&mut desk, "check_in", &id).await?.done(),
            2 => act(&mut desk, "cancel", &id).await?.done(),
            _ => {}
        }
        let [later, _] = book(&mut patient, OTHERS_LATER, serial, &member).await?;
        if n == 1 {
            act(&mut desk, "check_in", &later).await?.done();
        }
    }
    let days = format!("from={}&to={}", day(2), day(4));
    let of_first = [5.0 + 3.0 + 4.0, 0.0, 3.0, 1.0, 1.0, 0.0, 100.0];
    let of_last = [6.0, 0.0, 3.0, 0.0, 1.0, 0.0, 0.0];
    let total = [18.0, 0.0, 6.0, 1.0, 2.0, 0.0, 100.0];

    let by_day = desk.get(&format!("manager_service/statistics?{days}")).await?.data();
    let rows = by_day["list"].as_array().expect("a list");
    let dates: Vec<_> = rows.iter().map(|row| row["date"].as_str().expect("a date").to_owned()).collect();
    assert_eq!(dates, [2, 3, 4].map(|days| day(days).to_string()));
    assert_eq!(rows.iter().map(figures).collect::<Vec<_>>(), [of_first, [0.0; 7], of_last]);
    assert_eq!(figures(&by_day["total"]), total);

    let by_doctor = desk.get(&format!("manager_service/statistics?{days}&group_by=doctor")).await?.data();
    let rows = by_doctor["list"].as_array().expect("a list");
    assert_eq!([&rows[0]["doctor_id"], &rows[0]["doctor_name"]], ["2001", "医生2001"]);
    assert_eq!(
        [figures(&rows[0]), figures(&rows[1])],
        [[8.0, 0.0, 3.0, 1.0, 1.0, 0.0, 100.0], [10.0, 0.0, 3.0, 0.0, 1.0, 0.0, 0.0]]
    );
    assert_eq!(figures(&by_doctor["total"]), total);

    let by_department =
        desk.get(&format!("manager_service/statistics?{days}&group_by=department")).await?.data();
    let row = &by_department["list"][0];
    let department = DEPARTMENT.to_string();
    assert_eq!([&row["department_id"], &row["department_name"]], [department.as_str(), "眼科"]);
    assert_eq!(figures(row), total);

    let own = doctor.get(&format!("manager_service/statistics?{days}&group_by=doctor")).await?.data();
    assert_eq!(own["list"].as_array().map(Vec::len), Some(1));
    assert_eq!(figures(&own["total"]), figures(&rows[0]), "a doctor's own");

    for query in [format!("from={}&to={}", day(0), day(92)), "group_by=year".to_owned()] {
        desk.get(&format!("manager_service/statistics?{query}")).await?.refused(400, "0001");
    }
    let quarter = desk.get(&format!("manager_service/statistics?from={}&to={}", day(0), day(91))).await?;
    assert_eq!(figures(&quarter.data()["total"]), total);
    Ok(())
}
