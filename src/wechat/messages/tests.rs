use domain::{Date, Fen, TimeOfDay};
use proptest::prelude::*;

use super::*;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn facts() -> Facts {
    let date = Date::parse("2026-12-01").expect("a date");
    let time = TimeOfDay::parse("08:30").expect("a time");
    Facts::from([
        (Topic::Headline, text("预约成功")),
        (Topic::Note, text("请准时到达")),
        (Topic::Status, text("已预约")),
        (Topic::ClinicPhone, text("0571-87654321")),
        (Topic::Location, text("")),
        (Topic::BookingCode, text("100023")),
        (Topic::Serial, Value::Number(4)),
        (Topic::VisitTime, Value::Moment(date, time)),
        (Topic::HappenedAt, Value::Moment(date, TimeOfDay::MIDNIGHT)),
        (Topic::Fee, Value::Amount(Fen::new(5_000).expect("an amount"))),
        (Topic::Doctor, text("王医生")),
        (Topic::Department, text("眼科")),
        (Topic::Clinic, text("明眸眼科诊所")),
        (Topic::Patient, text("张三")),
    ])
}

fn filled(content: &str) -> Result<Vec<(String, String)>, Unfilled> {
    Content::parse(content).fill(&facts(), &[])
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Seen to fail when the words for a person stood before those for a doctor.
#[test]
fn a_place_holds_what_its_label_says() {
    let content = "就诊人:{{name1.DATA}}\n科室：{{thing2.DATA}}\n医生姓名:{{name3.DATA}}\n就诊时间:{{time4.DATA}}\n\
                   医院地址:{{thing5.DATA}}\n就诊序号:{{number6.DATA}}\n预约状态\n{{phrase7.DATA}}\n\
                   挂号费:{{amount8.DATA}}\n医院电话: {{phone_number9.DATA}}\n预约编号:{{ character_string10.DATA }}\n\
                   取消时间:{{date11.DATA}} 医院名称:{{thing12.DATA}}\n";
    let expected = pairs(&[
        ("name1", "张三"),
        ("thing2", "眼科"),
        ("name3", "王医生"),
        ("time4", "2026年12月1日 08:30"),
        ("thing5", "无"),
        ("number6", "4"),
        ("phrase7", "已预约"),
        ("amount8", "¥50.00"),
        ("phone_number9", "0571-87654321"),
        ("character_string10", "100023"),
        ("date11", "2026年12月1日 00:00"),
        ("thing12", "明眸眼科诊所"),
    ]);
    assert_eq!(filled(content), Ok(expected));
}

#[test]
fn templates_of_old_are_filled_too() {
    let content =
        "{{first.DATA}}\n\n患者姓名：{{keyword1.DATA}}\n就诊日期：{{keyword2.DATA}}\n{{remark.DATA}}";
    let expected = pairs(&[
        ("first", "预约成功"),
        ("keyword1", "张三"),
        ("keyword2", "2026-12-01 08:30"),
        ("remark", "请准时到达"),
    ]);
    assert_eq!(filled(content), Ok(expected));
}

/// Seen to fail when a place that nothing is known of was filled with a dash.
#[test]
fn a_place_that_cannot_be_filled_is_named() {
    for (content, reason) in [
        ("", "the template has no places to fill"),
        ("{{name1}} {{.DATA}} {{a b.DATA}} {{", "the template has no places to fill"),
        ("陪护:{{character_string9.DATA}}", "template place character_string9 (陪护) has no value"),
        ("{{thing9.DATA}}", "template place thing9 has no value"),
        ("原因:{{thing9.DATA}}", "template place thing9 (原因) has no value"),
        ("医生:{{character_string2.DATA}}", "template place character_string2 (医生) cannot hold its value"),
        ("就诊时间:{{phrase2.DATA}}", "template place phrase2 (就诊时间) cannot hold its value"),
    ] {
        assert_eq!(filled(content).expect_err(content).to_string(), reason);
    }
}

/// Seen to fail when a given value did not go before the fact.
#[test]
fn given_values_go_by_place_or_label() {
    let content = Content::parse("就诊人:{{name1.DATA}}\n复诊时间:{{time2.DATA}}\n建议:{{thing3.DATA}}");
    let given = pairs(&[("time2", "2026-12-24 09:00"), ("建议", "复查\n视力")]);
    let expected = pairs(&[("name1", "张三"), ("time2", "2026-12-24 09:00"), ("thing3", "复查 视力")]);
    assert_eq!(content.fill(&facts(), &given), Ok(expected));
    for (given, reason) in [
        (pairs(&[("建议", "无"), ("thing4", "x")]), Unfilled::UnknownPlace("thing4".to_owned())),
        (pairs(&[("建议", "无"), ("time2", "明天")]), Unfilled::WrongType("time2 (复诊时间)".to_owned())),
    ] {
        assert_eq!(content.fill(&facts(), &given), Err(reason));
    }
}

#[test]
fn values_are_cut_where_that_does_no_harm() {
    for (name, value, shown) in [
        (
            "thing1",
            "二十个字正好二十个字正好二十个字正好二十",
            Some("二十个字正好二十个字正好二十个字正好二十"),
        ),
        (
            "thing1",
            "二十个字正好二十个字正好二十个字正好二十一",
            Some("二十个字正好二十个字正好二十个字正好二…"),
        ),
        ("thing1", "两\r\n行", Some("两 行")),
        ("short_thing1", "六个字的短语", Some("六个字的…")),
        ("keyword1", " ", Some("无")),
        ("character_string1", "", Some("-")),
        ("character_string1", "A-1", Some("A-1")),
        ("character_string1", "甲", None),
        ("number1", "12.5", Some("12.5")),
        ("number1", "1.2.3", None),
        ("letter1", "abc", Some("abc")),
        ("letter1", "", None),
        ("symbol1", "", Some("-")),
        ("time1", "15:01~16:00", Some("15:01~16:00")),
        ("time1", "", None),
        ("amount1", "12.50元", Some("12.50元")),
        ("amount1", "12345678901", None),
        ("phone_number1", "138****0001", Some("138****0001")),
        ("phone_number1", "电话1", None),
        ("car_number1", "浙A12345", Some("浙A12345")),
        ("name1", "阿卜杜拉·买买提·艾合买提江", Some("阿卜杜拉·买买提·艾")),
        ("name1", "Li Lei 2", Some("Li Lei")),
        ("name1", "2", None),
        ("phrase1", "已经挂上号了", Some("已经挂上号")),
        ("phrase1", "ok", None),
        ("const1", "二十个字正好二十个字正好二十个字正好二十一", None),
    ] {
        assert_eq!(FieldKind::of(name).show(&text(value)).as_deref(), shown, "{name} {value}");
    }
}

/// WeChat's limits, written down a second time.
fn is_within_limits(name: &str, shown: &str) -> bool {
    let (count, digits) = (shown.chars().count(), shown.chars().filter(char::is_ascii_digit).count());
    let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_right = match kind {
        "short_thing" | "symbol" => count <= 5,
        "character_string" => count <= 32 && shown.bytes().all(|byte| (0x20..0x7F).contains(&byte)),
        "number" => count <= 32 && shown.chars().all(|c| c.is_ascii_digit() || c == '.'),
        "letter" => count <= 32 && shown.chars().all(|c| c.is_ascii_alphabetic()),
        "time" | "date" => (1..=40).contains(&count) && digits > 0,
        "amount" => (1..=10).contains(&digits),
        "phone_number" => count <= 17 && digits > 0 && !shown.chars().any(char::is_alphabetic),
        "car_number" => count <= 8,
        "name" => count <= 10 || (shown.is_ascii() && count <= 20),
        "phrase" => count <= 5 && shown.chars().all(|c| ('\u{4E00}'..='\u{9FFF}').contains(&c)),
        _ => count <= 20,
    };
    is_right && !shown.trim().is_empty() && !shown.chars().any(char::is_control)
}

const NAMES: [&str; 16] = [
    "thing1",
    "short_thing2",
    "character_string3",
    "number4",
    "letter5",
    "symbol6",
    "time7",
    "date8",
    "amount9",
    "phone_number10",
    "car_number11",
    "name12",
    "phrase13",
    "const14",
    "enum15",
    "keyword16",
];

proptest! {
    /// Seen to fail when a thing was cut after twenty characters and the dots were added.
    #[test]
    fn nothing_is_shown_beyond_the_limits_of_its_place(
        words in prop_oneof![".{0,60}", "[0-9a-zA-Z ¥.:~-]{0,45}", "\\PC{0,45}", "[一-龥·\n\t]{0,30}", "[0-9]{1,14}"],
        number in any::<u64>(),
        fen in 0_u32..=10_000_000,
        minutes in 0_u16..1440,
        days in 0_i32..40_000,
    ) {
        let date = Date::parse("1999-12-31").expect("a date").saturating_add_days(days);
        let values = [
            Value::Text(words),
            Value::Number(number),
            Value::Amount(Fen::new(fen).expect("an amount")),
            Value::Moment(date, TimeOfDay::from_minutes(minutes).expect("a time")),
        ];
        for name in NAMES {
            for value in &values {
                if let Some(shown) = FieldKind::of(name).show(value) {
                    prop_assert!(is_within_limits(name, &shown), "{} {:?}", name, shown);
                }
            }
        }
    }

    #[test]
    fn any_content_can_be_read(content in "(\\{\\{|\\}\\}|\\.DATA|thing1|:|.|\n){0,40}") {
        let content = Content::parse(&content);
        prop_assert!(content.fill(&facts(), &[]).is_err() || !content.0.is_empty());
    }
}
