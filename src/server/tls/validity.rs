//! Until when a certificate is valid: the one field of X.509 (RFC 5280, 4.1) that the operator has to be told.

use domain::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, constructed: the version.
const VERSION: u8 = 0xa0;

/// The end of validity (`notAfter`) of a certificate in DER; none if it cannot be found.
pub(super) fn end(certificate: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (signed, _) = element(certificate, SEQUENCE)?;
    let after_version = element(signed, VERSION).map_or(signed, |(_, rest)| rest);
    let (_, after_serial) = element(after_version, INTEGER)?;
    let (_, after_algorithm) = element(after_serial, SEQUENCE)?;
    let (_, after_issuer) = element(after_algorithm, SEQUENCE)?;
    let (validity, _) = element(after_issuer, SEQUENCE)?;
    let (_, after_begin) = time(validity)?;
    time(after_begin).map(|(end, _)| end)
}

/// The content of the element that `der` begins with, and what follows it; none if it has another tag.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = length(rest)?;
    rest.split_at_checked(length)
}

fn length(der: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = der.split_first()?;
    if *first < 0x80 {
        return Some((usize::from(*first), rest));
    }
    // So many bytes of length follow. A certificate of 16 MiB is none.
    let (bytes, rest) =
        rest.split_at_checked(usize::from(*first & 0x7f)).filter(|(bytes, _)| bytes.len() <= 3)?;
    Some((bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest))
}

/// RFC 5280 permits two forms, both in UTC with seconds: two digits of the year until 2049, four from then on.
fn time(der: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (text, rest, century) = match (element(der, UTC_TIME), element(der, GENERALIZED_TIME)) {
        (Some((text, rest)), _) => {
            let is_last_century = text.first().is_some_and(|digit| *digit >= b'5');
            (text, rest, if is_last_century { "19" } else { "20" })
        }
        (None, Some((text, rest))) => (text, rest, ""),
        (None, None) => return None,
    };
    let text = format!("{century}{}", std::str::from_utf8(text).ok()?);
    let at = DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    let at = Offset::UTC.to_timestamp(at).ok()?;
    Some((Timestamp::from_millis(at.as_millisecond()), rest))
}
