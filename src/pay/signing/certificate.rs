//! The little of an X.509 certificate (RFC 5280) that is needed here: its serial number and its key.
//!
//! That it is WeChat's is not told by who issued it: it came encrypted under the key that only WeChat and the merchant have.

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
/// The version, which certificates of version 1 leave out.
const VERSION: u8 = 0xA0;

/// The serial number in capital hexadecimal digits, and the public key with its algorithm (SubjectPublicKeyInfo).
pub(super) fn key(certificate: &[u8]) -> Option<(String, &[u8])> {
    let mut outer = Elements(certificate);
    let mut signed = Elements(Elements(outer.next(SEQUENCE)?.content).next(SEQUENCE)?.content);
    if signed.0.first() == Some(&VERSION) {
        signed.next(VERSION)?;
    }
    let serial = signed.next(INTEGER)?.content;
    // Algorithm, issuer, validity, subject.
    for _ in 0..4 {
        signed.next(SEQUENCE)?;
    }
    let key = signed.next(SEQUENCE)?.whole;
    let digits = serial.iter().skip_while(|byte| **byte == 0).map(|byte| format!("{byte:02X}")).collect();
    outer.0.is_empty().then_some((digits, key))
}

/// One element of DER.
struct Element<'d> {
    content: &'d [u8],
    /// With its tag and length.
    whole: &'d [u8],
}

/// Elements of DER, one after the other.
struct Elements<'d>(&'d [u8]);

impl<'d> Elements<'d> {
    /// The next one, if it has this tag and is all there.
    fn next(&mut self, wanted: u8) -> Option<Element<'d>> {
        let (&[tag, first], rest) = self.0.split_first_chunk::<2>()?;
        if tag != wanted {
            return None;
        }
        let (length, rest) = match first {
            0..=0x7F => (usize::from(first), rest),
            0x81 => {
                let (length, rest) = rest.split_first()?;
                (usize::from(*length), rest)
            }
            0x82 => {
                let (length, rest) = rest.split_first_chunk::<2>()?;
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            // No certificate has parts of 64 KiB.
            _ => return None,
        };
        let content = rest.get(..length)?;
        let end = self.0.len() - rest.len() + length;
        let (whole, after) = self.0.split_at_checked(end)?;
        self.0 = after;
        Some(Element { content, whole })
    }
}

#[cfg(test)]
mod tests;
