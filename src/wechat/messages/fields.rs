//! The types of a template's places (字段类型), and what each can hold. A value longer than its place is cut where that
//! does no harm; one of the wrong sort is refused, because WeChat would refuse the whole message (47003).
//!
//! Source: parameter limits of template and subscription messages at <https://developers.weixin.qq.com/doc/service/>.

use domain::{Date, Fen, TimeOfDay};

/// What stands in an empty place that can hold Chinese, and in one that cannot: WeChat refuses empty ones.
const NONE: &str = "无";
const NONE_ASCII: &str = "-";

/// Characters that may stand in a time beside digits.
const OF_TIMES: &str = "年月日号时点分秒:：-/.~至 T";

/// Something that is to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Words, perhaps none.
    Text(String),
    /// On the clinic's clocks.
    Moment(Date, TimeOfDay),
    /// Money.
    Amount(Fen),
    /// A running number.
    Number(u64),
}

impl Value {
    /// On one line, as WeChat wants it.
    fn line(&self) -> String {
        match self {
            Self::Text(text) => one_line(text),
            Self::Moment(date, time) => format!("{date} {time}"),
            Self::Amount(fen) => format!("{fen}元"),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// The type of a place: its name without the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldKind {
    /// 事物
    Thing,
    /// A short thing, whose limit WeChat does not tell; five characters are safe.
    ShortThing,
    /// 字符串, without Chinese
    CharacterString,
    /// 数字
    Number,
    /// 字母
    Letter,
    /// 符号
    Symbol,
    /// 时间 or 日期, each of which takes both
    Time,
    /// 金额
    Amount,
    /// 电话
    PhoneNumber,
    /// 车牌
    CarNumber,
    /// 姓名
    Name,
    /// 汉字
    Phrase,
    /// One of the values that WeChat has approved for the template
    Const,
    /// A place of the templates of old: `first`, `keyword1`, `remark`, or named by whoever made it
    Legacy,
}

impl FieldKind {
    /// The type of a place of this name.
    pub(super) fn of(name: &str) -> Self {
        match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
            "thing" => Self::Thing,
            "short_thing" => Self::ShortThing,
            "character_string" => Self::CharacterString,
            "number" => Self::Number,
            "letter" => Self::Letter,
            "symbol" => Self::Symbol,
            "time" | "date" => Self::Time,
            "amount" => Self::Amount,
            "phone_number" => Self::PhoneNumber,
            "car_number" => Self::CarNumber,
            "name" => Self::Name,
            "phrase" => Self::Phrase,
            "const" | "enum" => Self::Const,
            _ => Self::Legacy,
        }
    }

    /// The value as a place of this type can hold it; `None` when it cannot.
    pub(super) fn show(self, value: &Value) -> Option<String> {
        match self {
            Self::Thing | Self::Legacy => Some(shortened(&value.line(), 20)),
            Self::ShortThing => Some(shortened(&value.line(), 5)),
            Self::CharacterString => character_string(value),
            Self::Number => number(value),
            Self::Letter => text_where(value, 32, |c| c.is_ascii_alphabetic()),
            Self::Symbol => symbol(value),
            Self::Time => time(value),
            Self::Amount => amount(value),
            Self::PhoneNumber => {
                let shown =
                    text_where(value, 17, |c| c.is_ascii_digit() || matches!(c, '+' | '-' | '*' | ' '))?;
                has_digit(&shown).then_some(shown)
            }
            Self::CarNumber => text_where(value, 8, |_| true),
            Self::Name => name(value),
            Self::Phrase => phrase(value),
            // A part of an approved value is not approved.
            Self::Const => text_where(value, 20, |_| true),
        }
    }
}

fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most so many characters, the last of which says that there was more.
fn shortened(text: &str, most: usize) -> String {
    if text.is_empty() {
        return NONE.to_owned();
    }
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// A text that can be shown as it is, or not at all.
fn text_where(value: &Value, most: usize, fits: impl Fn(char) -> bool) -> Option<String> {
    let text = value.line();
    let is_right = !text.is_empty() && text.chars().count() <= most && text.chars().all(fits);
    is_right.then_some(text)
}

fn character_string(value: &Value) -> Option<String> {
    let text = match value {
        Value::Amount(fen) => fen.to_string(),
        Value::Text(_) | Value::Moment(..) | Value::Number(_) => value.line(),
    };
    if text.is_empty() {
        return Some(NONE_ASCII.to_owned());
    }
    let is_right = text.len() <= 32 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    is_right.then_some(text)
}

fn number(value: &Value) -> Option<String> {
    let text = match value {
        Value::Amount(fen) => fen.to_string(),
        Value::Text(_) | Value::Number(_) => value.line(),
        Value::Moment(..) => return None,
    };
    (text.len() <= 32 && is_decimal(&text)).then_some(text)
}

fn symbol(value: &Value) -> Option<String> {
    let text = value.line();
    if text.is_empty() {
        return Some(NONE_ASCII.to_owned());
    }
    (text.chars().count() <= 5 && !text.chars().any(char::is_alphanumeric)).then_some(text)
}

fn time(value: &Value) -> Option<String> {
    match value {
        Value::Moment(date, time) => {
            Some(format!("{}年{}月{}日 {time}", date.year(), date.month(), date.day()))
        }
        Value::Text(_) => {
            let text = text_where(value, 40, |c| c.is_ascii_digit() || OF_TIMES.contains(c))?;
            has_digit(&text).then_some(text)
        }
        Value::Amount(_) | Value::Number(_) => None,
    }
}

fn amount(value: &Value) -> Option<String> {
    let text = match value {
        Value::Amount(fen) => format!("¥{fen}"),
        Value::Text(_) | Value::Number(_) => value.line(),
        Value::Moment(..) => return None,
    };
    let bare = text.strip_prefix(['¥', '￥', '$', '€', '£']).unwrap_or(&text);
    let bare = bare.strip_suffix('元').unwrap_or(bare);
    let digits = bare.bytes().filter(u8::is_ascii_digit).count();
    (digits <= 10 && is_decimal(bare)).then_some(text)
}

/// Ten characters, or twenty letters. What can be no part of a name is left out.
fn name(value: &Value) -> Option<String> {
    let Value::Text(text) = value else { return None };
    let of_names = |c: &char| c.is_alphabetic() || matches!(c, '·' | ' ');
    let kept: String = one_line(text).chars().filter(of_names).collect();
    let kept = kept.trim();
    if kept.is_empty() {
        // A text without any letter is no name.
        return one_line(text).is_empty().then(|| NONE.to_owned());
    }
    let most = if kept.is_ascii() { 20 } else { 10 };
    Some(kept.chars().take(most).collect::<String>().trim_end().to_owned())
}

/// Five Chinese characters.
fn phrase(value: &Value) -> Option<String> {
    let Value::Text(text) = value else { return None };
    let text = one_line(text);
    if text.is_empty() {
        return Some(NONE.to_owned());
    }
    let kept: String = text.chars().filter(|c| ('\u{4E00}'..='\u{9FFF}').contains(c)).take(5).collect();
    (!kept.is_empty()).then_some(kept)
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Digits, with a point and more digits perhaps.
fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        Some((whole, rest)) => digits(whole) && digits(rest),
        None => digits(text),
    }
}
