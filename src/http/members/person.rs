//! A person as somebody entered them.

use domain::{Date, Gender, IdNumber, PersonName, Phone};
use storage::records::{Certificate, PatientPersonal};

use super::super::error::{ApiError, ErrorCode};
use super::super::params::Params;

/// A person as somebody entered them: the parts fit together.
pub(super) struct Person {
    pub(super) name: PersonName,
    pub(super) id_number: IdNumber,
    pub(super) phone: Phone,
}

impl Person {
    /// Reads all parameters, then compares them: a malformed one is told before a mismatch.
    pub(super) fn read(params: &Params) -> Result<Self, ApiError> {
        let name = params.required("name", "姓名")?.parse(PersonName::parse)?;
        let gender = params.required("gender", "性别")?.parse(parse_gender)?;
        let birthday = params.required("birthday", "出生日期")?.parse(Date::parse_lenient)?;
        let id_number = params.required("IDNo", "身份证号码")?.parse(IdNumber::parse)?;
        let phone = params.required("phone", "手机号")?.parse(Phone::parse)?;
        // Who says 未知 contradicts nothing; the ID number knows.
        let gender_fits = gender == Gender::Unknown || gender == id_number.gender();
        if birthday != id_number.birthday() || !gender_fits {
            return Err(ErrorCode::PatientMismatch.into());
        }
        Ok(Self { name, id_number, phone })
    }

    /// What a new file says of this person.
    pub(super) fn personal(&self) -> PatientPersonal {
        PatientPersonal {
            name: self.name.clone(),
            gender: self.id_number.gender(),
            birthday: self.id_number.birthday(),
            certificate: Some(self.certificate()),
            phone: self.phone.clone(),
        }
    }

    /// What a file says once it is corrected to this person; the rest of it stays.
    pub(super) fn corrected(&self, on_file: &PatientPersonal) -> PatientPersonal {
        PatientPersonal {
            name: self.name.clone(),
            gender: self.id_number.gender(),
            birthday: self.id_number.birthday(),
            certificate: Some(self.certificate()),
            ..on_file.clone()
        }
    }

    /// Whether the file is this person's.
    pub(super) fn is(&self, on_file: &PatientPersonal) -> bool {
        on_file.name == self.name && on_file.certificate == Some(self.certificate())
    }

    fn certificate(&self) -> Certificate {
        Certificate::IdCard(self.id_number.clone())
    }
}

/// Reads 0 未知, 1 男, 2 女.
///
/// # Errors
/// Anything else.
pub(in crate::http) fn parse_gender(text: &str) -> Result<Gender, ErrorCode> {
    let code = text.parse().map_err(|_| ErrorCode::ParameterMalformed)?;
    Gender::from_code(code).ok_or(ErrorCode::ParameterMalformed)
}
