//! Money: whole fen inside, yuan with two decimals at the edge.

use std::fmt;

use thiserror::Error;

/// Why a text or number is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// Not digits with at most two decimals after a point.
    #[error("not an amount in yuan with at most two decimals")]
    NotAnAmount,
    /// More than [`Fen::MAX`].
    #[error("amount above 100000.00 yuan")]
    TooMuch,
}

/// An amount of money in fen (分), a hundredth of a yuan; never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fen(u32);

impl Fen {
    /// Nothing to pay.
    pub const ZERO: Self = Self(0);

    /// The greatest amount, in fen: 100,000 yuan. No fee of a clinic comes near it, so a larger
    /// one is a slip of the hand.
    pub const MAX: u32 = 10_000_000;

    /// Takes an amount in fen.
    pub const fn new(fen: u32) -> Result<Self, MoneyError> {
        if fen > Self::MAX {
            return Err(MoneyError::TooMuch);
        }
        Ok(Self(fen))
    }

    /// Reads an amount in yuan, such as `50`, `50.5` or `50.00`. A third decimal is refused rather
    /// than rounded: nobody is charged what nobody has written.
    pub fn parse_yuan(text: &str) -> Result<Self, MoneyError> {
        let (whole, decimals) = match text.split_once('.') {
            Some((_, "")) => return Err(MoneyError::NotAnAmount),
            Some((whole, decimals)) => (whole, decimals),
            None => (text, ""),
        };
        if whole.is_empty() || decimals.len() > 2 {
            return Err(MoneyError::NotAnAmount);
        }
        if !whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit()) {
            return Err(MoneyError::NotAnAmount);
        }
        let padding = "00".bytes().skip(decimals.len());
        let mut fen: u32 = 0;
        for byte in whole.bytes().chain(decimals.bytes()).chain(padding) {
            let digit = u32::from(byte - b'0');
            fen = fen.saturating_mul(10).saturating_add(digit);
        }
        Self::new(fen)
    }

    /// The amount in fen.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The amount in yuan: the double next to the two-decimal number, which therefore prints
    /// with at most two decimals.
    pub fn to_yuan(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// Whether there is nothing to pay.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// Yuan with two decimals, such as `50.00`.
impl fmt::Display for Fen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yuan_are_read_to_the_fen() {
        let cases = [
            ("0", 0),
            ("0.00", 0),
            ("0.01", 1),
            ("0.1", 10),
            ("50", 5_000),
            ("50.00", 5_000),
            ("50.5", 5_050),
            ("19.99", 1_999),
            ("007.50", 750),
            ("100000.00", 10_000_000),
        ];
        for (text, fen) in cases {
            assert_eq!(Fen::parse_yuan(text).map(Fen::get), Ok(fen), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused_not_rounded() {
        for text in ["", ".", ".5", "5.", "1.005", "0.999", "-1", "+1", "1,00", "1e2", " 1", "５", "1.٠"] {
            assert_eq!(Fen::parse_yuan(text), Err(MoneyError::NotAnAmount), "{text:?}");
        }
        for text in ["100000.01", "100001", "42949672.96", "99999999999999999999.99"] {
            assert_eq!(Fen::parse_yuan(text), Err(MoneyError::TooMuch), "{text}");
        }
    }

    /// 1.005 is the classic: `1.005 * 100.0` is 100.49999999999999. Integer fen never see it.
    #[test]
    fn every_amount_survives_the_way_out_and_back() {
        for fen in (0..=200_000).chain(9_990_000..=10_000_000) {
            let amount = Fen::new(fen).unwrap();
            assert_eq!(Fen::parse_yuan(&amount.to_string()), Ok(amount));
            let shown = amount.to_yuan().to_string();
            assert_eq!(Fen::parse_yuan(&shown), Ok(amount), "{shown}");
        }
    }

    #[test]
    fn limits_hold() {
        assert_eq!(Fen::new(10_000_001), Err(MoneyError::TooMuch));
        assert_eq!(Fen::new(10_000_000).unwrap().to_string(), "100000.00");
        assert_eq!(Fen::new(5).unwrap().to_string(), "0.05");
        assert!(Fen::ZERO.is_zero());
        assert!(!Fen::new(1).unwrap().is_zero());
    }
}
