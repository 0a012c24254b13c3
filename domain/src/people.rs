//! What a person is known by: phone, ID number, name, gender and age. Each shows itself masked
//! in `Debug`, so that a stray log line cannot give it away.

use std::fmt;

use thiserror::Error;

use crate::time::Date;

/// Why a text is not what a person is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PersonError {
    /// Not a mainland mobile number.
    #[error("not a mobile number")]
    Phone,
    /// Not 17 digits followed by a digit or X.
    #[error("not an ID number of 18 characters")]
    IdNumberShape,
    /// The digits 7 to 14 are not a day of the calendar.
    #[error("no such birthday in the ID number")]
    IdNumberBirthday,
    /// The last character does not fit the others.
    #[error("wrong check character in the ID number")]
    IdNumberChecksum,
    /// Empty, longer than 50 characters, or with control characters.
    #[error("not a name")]
    Name,
}

/// A mainland mobile number (手机号): eleven digits, `1`, then `3` to `9`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(Box<str>);

impl Phone {
    /// Reads a number; white space around it is ignored.
    pub fn parse(text: &str) -> Result<Self, PersonError> {
        let text = text.trim();
        let [b'1', b'3'..=b'9', rest @ ..] = text.as_bytes() else {
            return Err(PersonError::Phone);
        };
        if rest.len() != 9 || !rest.iter().all(u8::is_ascii_digit) {
            return Err(PersonError::Phone);
        }
        Ok(Self(text.into()))
    }

    /// The eleven digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Three digits, four stars, four digits: enough for its owner to know it again.
    pub fn masked(&self) -> String {
        format!("{}****{}", &self.0[..3], &self.0[7..])
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// Gender as the contract numbers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Gender {
    /// Not known (未知).
    #[default]
    Unknown,
    /// Male (男).
    Male,
    /// Female (女).
    Female,
}

impl Gender {
    /// 0 unknown, 1 male, 2 female.
    pub const fn code(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Male => 1,
            Self::Female => 2,
        }
    }

    /// The gender of a code, if there is one.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Unknown),
            1 => Some(Self::Male),
            2 => Some(Self::Female),
            _ => None,
        }
    }
}

/// A citizen's ID number (身份证号) of 18 characters by GB 11643-1999: six digits of the place, the
/// birthday, a running number that is odd for males, and a check character (ISO 7064 MOD 11-2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdNumber {
    text: Box<str>,
    birthday: Date,
}

const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECK_CHARACTERS: [u8; 11] = *b"10X98765432";

impl IdNumber {
    /// Reads a number; white space around it is ignored and a small `x` counts as `X`.
    pub fn parse(text: &str) -> Result<Self, PersonError> {
        let text = text.trim().to_ascii_uppercase();
        let Some((body, [check])) = text.as_bytes().split_last_chunk::<1>() else {
            return Err(PersonError::IdNumberShape);
        };
        let digits = body.iter().all(u8::is_ascii_digit);
        if body.len() != WEIGHTS.len() || !digits || !(check.is_ascii_digit() || *check == b'X') {
            return Err(PersonError::IdNumberShape);
        }
        // Only ASCII so far, so the bytes 6 to 13 are the birthday's characters.
        let birthday = format!("{}-{}-{}", &text[6..10], &text[10..12], &text[12..14]);
        let birthday = Date::parse(&birthday).map_err(|_| PersonError::IdNumberBirthday)?;
        let mut sum = 0;
        for (byte, weight) in body.iter().zip(WEIGHTS) {
            sum += u32::from(byte - b'0') * weight;
        }
        if CHECK_CHARACTERS[sum as usize % CHECK_CHARACTERS.len()] != *check {
            return Err(PersonError::IdNumberChecksum);
        }
        Ok(Self { text: text.into(), birthday })
    }

    /// The eighteen characters, with a capital X if there is one.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The birthday that the number names.
    pub fn birthday(&self) -> Date {
        self.birthday
    }

    /// The gender that the number names; never unknown.
    pub fn gender(&self) -> Gender {
        if self.text.as_bytes()[16] % 2 == 1 { Gender::Male } else { Gender::Female }
    }

    /// Three characters, eleven stars, four characters.
    pub fn masked(&self) -> String {
        format!("{}***********{}", &self.text[..3], &self.text[14..])
    }
}

impl fmt::Debug for IdNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdNumber(masked)")
    }
}

/// A person's name: 1 to 50 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonName(Box<str>);

impl PersonName {
    /// The greatest length, in characters.
    pub const MAX_CHARS: usize = 50;

    /// Reads a name; white space around it is ignored, control characters are refused.
    pub fn parse(text: &str) -> Result<Self, PersonError> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > Self::MAX_CHARS {
            return Err(PersonError::Name);
        }
        if text.chars().any(char::is_control) {
            return Err(PersonError::Name);
        }
        Ok(Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonName(masked)")
    }
}

/// An age in whole years, months and days. Whoever is born on a day that a month does not have
/// (a 29 February, a 31st) completes the month on the first of the next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Age {
    /// Whole years.
    pub years: i32,
    /// Whole months of the year begun.
    pub months: i32,
    /// Days since birth.
    pub days_lived: i32,
}

impl Age {
    /// The age on a day; nothing before birth.
    pub fn between(birthday: Date, today: Date) -> Self {
        if today <= birthday {
            return Self { years: 0, months: 0, days_lived: 0 };
        }
        let years_apart = i32::from(today.year()) - i32::from(birthday.year());
        let months_apart = i32::from(today.month()) - i32::from(birthday.month());
        let mut months = years_apart * 12 + months_apart;
        if today.day() < birthday.day() {
            months -= 1;
        }
        Self { years: months / 12, months: months % 12, days_lived: birthday.days_until(today) }
    }
}

/// From three years `36岁`, from one year `2岁3个月`, from one month `5个月`, else `12天`.
impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.years, self.months) {
            (3.., _) => write!(f, "{}岁", self.years),
            (1.., months) => write!(f, "{}岁{months}个月", self.years),
            (_, 1..) => write!(f, "{}个月", self.months),
            (_, _) => write!(f, "{}天", self.days_lived),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_are_mainland_mobile_numbers() {
        for good in ["13800138000", "19999999999", " 15912345678\t"] {
            assert_eq!(Phone::parse(good).unwrap().as_str(), good.trim());
        }
        let wrong = [
            "",
            "12800138000",
            "10800138000",
            "1380013800",
            "138001380000",
            "23800138000",
            "+8613800138000",
            "138-0013-8000",
            "1380013800x",
            "１3800138000",
            "1380013800０",
        ];
        for text in wrong {
            assert_eq!(Phone::parse(text), Err(PersonError::Phone), "{text:?}");
        }
    }

    #[test]
    fn id_numbers_of_the_standard_are_read() {
        let cases = [
            ("11010519491231002X", "1949-12-31", Gender::Female),
            (" 11010519491231002x ", "1949-12-31", Gender::Female),
            ("440524188001010014", "1880-01-01", Gender::Male),
            ("110101202311012176", "2023-11-01", Gender::Male),
        ];
        for (text, birthday, gender) in cases {
            let number = IdNumber::parse(text).unwrap();
            assert_eq!(number.as_str(), text.trim().to_uppercase());
            assert_eq!(number.birthday().to_string(), birthday);
            assert_eq!(number.gender(), gender);
        }
    }

    #[test]
    fn id_numbers_that_do_not_add_up_are_refused() {
        let shape = PersonError::IdNumberShape;
        let birthday = PersonError::IdNumberBirthday;
        let checksum = PersonError::IdNumberChecksum;
        let cases = [
            ("110101202311012171", checksum),
            ("110105194912310021", checksum),
            ("", shape),
            ("X", shape),
            ("11010519491231002", shape),
            ("1101051949123100211", shape),
            ("110105491231002", shape),
            ("1101051949123100X2", shape),
            ("11010519491231002Y", shape),
            ("11010519491231002Ｘ", shape),
            ("１１０105194912310", shape),
            ("身份证身份证", shape),
            ("🪪1010519491231", shape),
            ("11010519490229002X", birthday),
            ("11010519491301002X", birthday),
            ("11010519491200002X", birthday),
            ("11010500001231002X", birthday),
        ];
        for (text, error) in cases {
            assert_eq!(IdNumber::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn one_wrong_digit_or_two_swapped_are_always_found() {
        let good = "11010519491231002X";
        for place in 0..17 {
            for digit in b'0'..=b'9' {
                let mut bytes = good.as_bytes().to_vec();
                if bytes[place] == digit {
                    continue;
                }
                bytes[place] = digit;
                let text = String::from_utf8(bytes).unwrap();
                assert!(IdNumber::parse(&text).is_err(), "{text}");
            }
        }
        for place in 0..16 {
            let mut bytes = good.as_bytes().to_vec();
            if bytes[place] == bytes[place + 1] {
                continue;
            }
            bytes.swap(place, place + 1);
            let text = String::from_utf8(bytes).unwrap();
            assert!(IdNumber::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_have_a_length_and_no_control_characters() {
        assert_eq!(PersonName::parse(" 张三 ").unwrap().as_str(), "张三");
        assert!(PersonName::parse(&"张".repeat(50)).is_ok());
        for wrong in ["", "  ", "张\n三", "a\u{0}b", "a\u{85}b", &"张".repeat(51)] {
            assert_eq!(PersonName::parse(wrong), Err(PersonError::Name), "{wrong:?}");
        }
    }

    #[test]
    fn debug_gives_nobody_away() {
        let phone = Phone::parse("13812345678").unwrap();
        assert_eq!(format!("{phone:?}"), "138****5678");
        let number = IdNumber::parse("11010519491231002X").unwrap();
        assert_eq!(format!("{number:?}"), "IdNumber(masked)");
        assert_eq!(number.masked(), "110***********002X");
        let name = PersonName::parse("张三").unwrap();
        assert_eq!(format!("{name:?}"), "PersonName(masked)");
    }

    #[test]
    fn ages_are_worded_by_their_size() {
        let cases = [
            ("1990-05-01", "2026-05-01", "36岁"),
            ("1990-05-02", "2026-05-01", "35岁"),
            ("2023-05-01", "2026-05-01", "3岁"),
            ("2023-05-02", "2026-05-01", "2岁11个月"),
            ("2024-02-01", "2026-05-01", "2岁3个月"),
            ("2025-05-01", "2026-05-01", "1岁0个月"),
            ("2025-05-02", "2026-05-01", "11个月"),
            ("2025-12-01", "2026-05-01", "5个月"),
            ("2026-04-01", "2026-05-01", "1个月"),
            ("2026-04-02", "2026-05-01", "29天"),
            ("2026-04-19", "2026-05-01", "12天"),
            ("2026-05-01", "2026-05-01", "0天"),
            ("2026-05-02", "2026-05-01", "0天"),
            ("2026-01-31", "2026-02-28", "28天"),
            ("2026-01-31", "2026-03-01", "1个月"),
        ];
        for (birthday, today, text) in cases {
            let age = Age::between(Date::parse(birthday).unwrap(), Date::parse(today).unwrap());
            assert_eq!(age.to_string(), text, "{birthday} on {today}");
        }
    }

    #[test]
    fn born_on_a_leap_day() {
        let cases = [
            ("2023-02-28", "2岁11个月"),
            ("2023-03-01", "3岁"),
            ("2024-02-28", "3岁"),
            ("2024-02-29", "4岁"),
        ];
        for (today, text) in cases {
            let birthday = Date::parse("2020-02-29").unwrap();
            let age = Age::between(birthday, Date::parse(today).unwrap());
            assert_eq!(age.to_string(), text, "{today}");
        }
    }
}
