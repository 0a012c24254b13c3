//! Certificates (证件): which there are, how they find a patient, and how they are shown masked.

use domain::{IdNumber, TenantId};
use storage::records::{Certificate, IdnoRecord, PatientPersonal};
use storage::{Key, Vault, keys};

use crate::http::error::ErrorCode;

/// 身份证 as it is written, and the other code that means the same.
const ID_CARD: u8 = 99;
const ID_CARD_TOO: u8 = 1;

/// The longest number of a certificate that follows no rule we check, in characters.
const MAX_NUMBER_CHARS: usize = 50;

/// Reads the type of a certificate by the contract's list; empty, 1 and 99 are the identity card.
///
/// # Errors
/// Anything that is not in the list.
pub(super) fn parse_kind(text: &str) -> Result<u8, ErrorCode> {
    match text.parse() {
        Ok(ID_CARD_TOO | ID_CARD) => Ok(ID_CARD),
        Ok(kind @ (2..=12 | 20 | 21 | 98)) => Ok(kind),
        Ok(_) | Err(_) => Err(ErrorCode::ParameterMalformed),
    }
}

/// Reads the number of a certificate of this type.
///
/// # Errors
/// No ID number by GB 11643; of another certificate, a number that is too long or has control characters.
pub(super) fn parse_number(kind: u8, text: &str) -> Result<Certificate, ErrorCode> {
    if kind == ID_CARD {
        let number = IdNumber::parse(text).map_err(|_| ErrorCode::ParameterMalformed)?;
        return Ok(Certificate::IdCard(number));
    }
    if text.chars().count() > MAX_NUMBER_CHARS || text.chars().any(char::is_control) {
        return Err(ErrorCode::ParameterMalformed);
    }
    Ok(Certificate::Other { kind, number: text.to_owned() })
}

/// The type and the whole number.
pub(super) fn kind_and_number(certificate: &Certificate) -> (u8, &str) {
    match certificate {
        Certificate::IdCard(number) => (ID_CARD, number.as_str()),
        Certificate::Other { kind, number } => (*kind, number),
    }
}

/// The number with its middle hidden: of an ID number the first three and the last four characters stay, of a shorter
/// one less.
pub(in crate::http) fn masked_number(certificate: &Certificate) -> String {
    match certificate {
        Certificate::IdCard(number) => number.masked(),
        Certificate::Other { number, .. } => {
            let count = number.chars().count();
            let (first, last) = ((count / 4).min(3), (count / 4).min(4));
            let shown = |at: usize| at < first || at >= count - last;
            number.chars().enumerate().map(|(at, c)| if shown(at) { c } else { '*' }).collect()
        }
    }
}

/// Where the patient is found who is to be this person: under the ID number, which is one patient's alone. Without one,
/// under name, birthday, phone and whatever other certificate there is: who is entered twice with all of them alike is
/// one person, while a family's 户口簿 has one number for all.
pub(super) fn key_of(vault: &Vault, tenant: TenantId, person: &PatientPersonal) -> Key<IdnoRecord> {
    let (kind, number) = match &person.certificate {
        Some(Certificate::IdCard(number)) => {
            return keys::idno(tenant, &vault.blind_id_number(tenant, number));
        }
        Some(certificate) => kind_and_number(certificate),
        None => (0, ""),
    };
    let PatientPersonal { name, birthday, phone, .. } = person;
    // None of the parts has a control character.
    let all = format!("{}\n{birthday}\n{}\n{kind}\n{number}", name.as_str(), phone.as_str());
    keys::idno(tenant, &vault.blind(&format!("person/{tenant}"), &all))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen to fail when a number of eight characters showed seven of them.
    #[test]
    fn the_middle_of_a_number_is_hidden() {
        let id_card = parse_number(99, "11010119900307803X").expect("valid");
        assert_eq!(masked_number(&id_card), "110***********803X");
        for (number, masked) in [
            ("E12345678", "E1*****78"),
            ("123", "***"),
            ("1234", "1**4"),
            ("12345678901234567890", "123*************7890"),
            ("军字第123号", "军*****号"),
        ] {
            let other = parse_number(5, number).expect("any number");
            assert_eq!(masked_number(&other), masked);
        }
    }

    #[test]
    fn types_are_those_of_the_list() {
        assert_eq!((parse_kind("1"), parse_kind("99"), parse_kind("5")), (Ok(99), Ok(99), Ok(5)));
        for text in ["0", "13", "100", "x", "256", "-1"] {
            assert_eq!(parse_kind(text), Err(ErrorCode::ParameterMalformed), "{text}");
        }
    }
}
