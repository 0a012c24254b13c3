//! The numbers of payment: ours, which WeChat takes over, and WeChat's, which we take over.

use std::fmt;

use thiserror::Error;

use crate::ids::{BookingId, TenantId};
use crate::time::Timestamp;

/// Why a text or number is not one of the numbers of payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PayIdError {
    /// Empty, too long, with characters that WeChat does not use, or not written as we write it.
    #[error("not a number of this kind")]
    Shape,
    /// Zero, or above the greatest number.
    #[error("number out of range")]
    OutOfRange,
}

/// The greatest running number of an order or refund: with the longest tenant and a hyphen the text
/// still has the 32 characters that WeChat allows.
pub const MAX_PAY_NUMBER: u64 = 999_999_999_999_999;

/// Takes `<tenant>-<number>` apart. Each number has one text only, so that what WeChat tells of
/// leads to the one order that was named to it so.
fn parse_numbered(text: &str) -> Result<(TenantId, u64), PayIdError> {
    let (tenant, number) = text.split_once('-').ok_or(PayIdError::Shape)?;
    let tenant = TenantId::parse(tenant).map_err(|_| PayIdError::Shape)?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PayIdError::Shape);
    }
    let number = number.parse().map_err(|_| PayIdError::OutOfRange)?;
    Ok((tenant, number))
}

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            tenant: TenantId,
            number: u64,
        }

        impl $name {
            /// Takes a tenant and a running number of that tenant, from 1 to [`MAX_PAY_NUMBER`].
            pub const fn new(tenant: TenantId, number: u64) -> Result<Self, PayIdError> {
                if number == 0 || number > MAX_PAY_NUMBER {
                    return Err(PayIdError::OutOfRange);
                }
                Ok(Self { tenant, number })
            }

            /// Reads exactly what [`Display`](fmt::Display) writes.
            pub fn parse(text: &str) -> Result<Self, PayIdError> {
                let (tenant, number) =
                    parse_numbered(text.strip_prefix($prefix).ok_or(PayIdError::Shape)?)?;
                let parsed = Self::new(tenant, number)?;
                if parsed.to_string() == text { Ok(parsed) } else { Err(PayIdError::Shape) }
            }

            /// The clinic.
            pub const fn tenant(self) -> TenantId {
                self.tenant
            }

            /// The running number within the clinic.
            pub const fn number(self) -> u64 {
                self.number
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}-{:010}"), self.tenant, self.number)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

numbered! {
    /// Our number of an order (`out_trade_no`, 商户订单号). WeChat allows 6 to 32 characters of
    /// `[0-9A-Za-z_-|*]` and wants it unique per merchant; two clinics may share a merchant, so the
    /// tenant stands in front.
    OutTradeNo, ""
}
numbered! {
    /// Our number of a refund (`out_refund_no`, 商户退款单号), at most 64 characters.
    RefundNo, "R"
}

fn text_of(text: &str, most: usize, also: &[u8]) -> Result<Box<str>, PayIdError> {
    let fits = (1..=most).contains(&text.len());
    if fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || also.contains(&byte)) {
        Ok(text.into())
    } else {
        Err(PayIdError::Shape)
    }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $most:literal, $also:literal, $debug:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The greatest length, in bytes.
            pub const MAX_BYTES: usize = $most;

            /// Reads it: ASCII letters, digits and what else WeChat uses here.
            pub fn parse(text: &str) -> Result<Self, PayIdError> {
                text_of(text, Self::MAX_BYTES, $also).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let shown: fn(&str) -> &str = $debug;
                write!(f, "{}({})", stringify!($name), shown(&self.0))
            }
        }
    };
}

text! {
    /// WeChat's number of a payment (`transaction_id`, 微信支付订单号).
    TransactionId, 32, b"_-", |text| text
}
text! {
    /// WeChat's number of a refund (`refund_id`, 微信支付退款单号).
    WechatRefundId, 32, b"_-", |text| text
}
text! {
    /// The session in which a patient pays (`prepay_id`). It starts a payment only together with the
    /// merchant's signature; no log needs it all the same, so `Debug` hides it.
    PrepayId, 64, b"_", |_| "masked"
}
text! {
    /// Who somebody is to a clinic's official account (`openid`). It is personal, so `Debug` hides it.
    OpenId, 128, b"_-", |_| "masked"
}

/// What an order says of itself to WeChat (`attach`), which says it back with everything it tells: whose it is. A number
/// alone does not say it: a store that was restored from a backup counts on from where the backup was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrderMark {
    /// What is paid for.
    pub booking: BookingId,
    /// When the order was made, since numbers of bookings are counted too.
    pub made_at: Timestamp,
}

impl OrderMark {
    /// Reads what was written by `Display`, and nothing else.
    ///
    /// # Errors
    /// [`PayIdError`]
    pub fn parse(text: &str) -> Result<Self, PayIdError> {
        let (booking, made_at) = text.split_once('/').ok_or(PayIdError::Shape)?;
        let booking = BookingId::parse(booking).map_err(|_| PayIdError::Shape)?;
        let made_at = made_at.parse().map_err(|_| PayIdError::Shape)?;
        let parsed = Self { booking, made_at: Timestamp::from_millis(made_at) };
        if parsed.to_string() == text { Ok(parsed) } else { Err(PayIdError::Shape) }
    }
}

impl fmt::Display for OrderMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.booking, self.made_at.as_millis())
    }
}

/// A currency by its three letters (ISO 4217). We charge in [`Currency::CNY`] only.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// 人民币.
    pub const CNY: Self = Self(*b"CNY");

    /// Reads three capital letters.
    pub fn parse(text: &str) -> Result<Self, PayIdError> {
        match text.as_bytes() {
            letters @ [a, b, c] if letters.iter().all(u8::is_ascii_uppercase) => Ok(Self([*a, *b, *c])),
            _ => Err(PayIdError::Shape),
        }
    }

    /// The letters.
    pub const fn letters(self) -> [u8; 3] {
        self.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Currency({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MAX_ID;

    fn tenant(id: u64) -> TenantId {
        TenantId::new(id).unwrap()
    }

    #[test]
    fn order_numbers_are_what_wechat_allows() {
        for (tenant_id, number) in [(1, 1), (1, 1_000_000_000), (MAX_ID, MAX_PAY_NUMBER)] {
            let no = OutTradeNo::new(tenant(tenant_id), number).unwrap();
            let text = no.to_string();
            assert!((6..=32).contains(&text.len()), "{text}");
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{text}");
            assert_eq!(OutTradeNo::parse(&text), Ok(no));
            assert_eq!((no.tenant().get(), no.number()), (tenant_id, number));
        }
        let no = OutTradeNo::new(tenant(1), 1_000_000_007).unwrap();
        assert_eq!(no.to_string(), "1-1000000007");
        assert_eq!(format!("{no:?}"), "OutTradeNo(1-1000000007)");
        assert_eq!(OutTradeNo::new(tenant(1), 0), Err(PayIdError::OutOfRange));
        assert_eq!(OutTradeNo::new(tenant(1), MAX_PAY_NUMBER + 1), Err(PayIdError::OutOfRange));
    }

    /// Two texts for one order would be two keys for one payment.
    #[test]
    fn a_number_has_one_text_only() {
        assert_eq!(OutTradeNo::parse("1-0000000007").map(OutTradeNo::number), Ok(7));
        for wrong in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "1-7",
            "01-0000000007",
            "1-00000000007",
            "0-0000000007",
            "1-0000000000",
            "+1-0000000007",
            "1-+000000007",
            " 1-0000000007",
            "1-0000000007 ",
            "R1-0000000007",
            "1-1-000000007",
            "1-99999999999999999999",
            "１-0000000007",
        ] {
            assert!(OutTradeNo::parse(wrong).is_err(), "{wrong:?}");
        }
        let refund = RefundNo::new(tenant(3), 12).unwrap();
        assert_eq!(refund.to_string(), "R3-0000000012");
        assert_eq!(RefundNo::parse("R3-0000000012"), Ok(refund));
        assert!(RefundNo::parse("3-0000000012").is_err());
    }

    #[test]
    fn a_mark_has_one_text_only() {
        let booking = BookingId::new(1_000_000_001).unwrap();
        let mark = OrderMark { booking, made_at: Timestamp::from_millis(1_800_000_000_123) };
        assert_eq!(mark.to_string(), "1000000001/1800000000123");
        assert_eq!(OrderMark::parse("1000000001/1800000000123"), Ok(mark));
        for wrong in
            ["", "1000000001", "/", "1000000001/", "/1", "01/1", "1/01", "1/+1", "1/1/1", "a/1", "1/a"]
        {
            assert!(OrderMark::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_wechat_numbers_is_read_and_hidden_where_it_is_personal() {
        let transaction = TransactionId::parse("4200001234202611241234567890").unwrap();
        assert_eq!(format!("{transaction:?}"), "TransactionId(4200001234202611241234567890)");
        let prepay = PrepayId::parse("wx201410272009395522657a690389285100").unwrap();
        assert_eq!(format!("{prepay:?}"), "PrepayId(masked)");
        let open_id = OpenId::parse("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o-").unwrap();
        assert_eq!(format!("{open_id:?}"), "OpenId(masked)");
        assert!(TransactionId::parse(&"4".repeat(32)).is_ok());
        assert!(TransactionId::parse(&"4".repeat(33)).is_err());
        for wrong in ["", "a\nb", "a b", "a&b=c", "字"] {
            assert!(TransactionId::parse(wrong).is_err(), "{wrong:?}");
            assert!(PrepayId::parse(wrong).is_err(), "{wrong:?}");
            assert!(OpenId::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(PrepayId::parse("wx-1").is_err());
    }

    #[test]
    fn currencies_have_three_capital_letters() {
        assert_eq!(Currency::parse("CNY"), Ok(Currency::CNY));
        assert_eq!(Currency::parse("USD").unwrap().to_string(), "USD");
        assert_ne!(Currency::parse("USD"), Ok(Currency::CNY));
        for wrong in ["", "CN", "CNYY", "cny", "C1Y", "元元"] {
            assert!(Currency::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
