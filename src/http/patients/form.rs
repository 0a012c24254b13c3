//! A patient's file as the desk entered it.

use domain::{Date, Gender, LabelId, PatientId, PersonName, Phone};
use storage::records::{Certificate, MAX_LABELS_OF_PATIENT, PatientNotes, PatientPersonal};

use super::certificates::{parse_kind, parse_number};
use crate::http::error::{ApiError, ErrorCode};
use crate::http::members::person::parse_gender;
use crate::http::params::{Element, Param, Params};

const LIST_LABEL: &str = "标签列表";

/// The longest address, in characters; other parts of it are shorter.
const MAX_ADDRESS_CHARS: usize = 200;
const MAX_PLACE_CHARS: usize = 50;
const MAX_PHONE_CHARS: usize = 20;

/// A patient's file as the desk entered it: the parts fit together.
pub(super) struct PatientForm {
    /// Whose file is changed; `None` opens one.
    pub(super) patient: Option<PatientId>,
    /// Who it is.
    pub(super) person: PatientPersonal,
    notes: GivenNotes,
    /// The group; `None` for none.
    pub(super) group: Option<LabelId>,
    /// The labels, each once; `None` leaves them as they are.
    pub(super) labels: Option<Vec<LabelId>>,
}

/// The notes as far as they are given.
struct GivenNotes {
    province: Option<String>,
    city: Option<String>,
    county: Option<String>,
    address: Option<String>,
    contact_name: Option<String>,
    contact_relation: Option<u8>,
    contact_phone: Option<String>,
}

impl PatientForm {
    /// Reads all parameters, then compares them: a malformed one is told before a mismatch.
    ///
    /// # Errors
    /// 0001; 403001 when birthday or gender does not fit the ID number.
    pub(super) fn read(params: &Params, today: Date) -> Result<Self, ApiError> {
        let patient = params.optional("pati_id", "患者ID");
        let patient = patient.map(|param| param.parse(PatientId::parse)).transpose()?;
        let name = params.required("pati_name", "姓名")?.parse(PersonName::parse)?;
        let gender = params.required("pati_gender", "性别")?.parse(parse_gender)?;
        let birthday = params.required("pati_birthday", "出生年月")?;
        let birthday = match birthday.parse(Date::parse_lenient)? {
            date if date > today => return Err(birthday.malformed()),
            date => date,
        };
        let phone = params.required("pati_phone", "手机号码")?.parse(Phone::parse)?;
        let certificate = certificate(params)?;
        let notes = GivenNotes::read(params)?;
        let group = params.optional("pati_group_id", "分组");
        let group = group.map(|param| param.parse(LabelId::parse)).transpose()?;
        let labels = labels(params)?;
        let mut person = PatientPersonal { name, gender, birthday, certificate, phone };
        if let Some(Certificate::IdCard(number)) = &person.certificate {
            // Who says 未知 contradicts nothing; the ID number knows.
            let gender_fits = gender == Gender::Unknown || gender == number.gender();
            if birthday != number.birthday() || !gender_fits {
                return Err(ErrorCode::PatientMismatch.into());
            }
            person.gender = number.gender();
        }
        Ok(Self { patient, person, notes, group, labels })
    }

    /// The notes with everything replaced.
    pub(super) fn all_notes(&self) -> PatientNotes {
        self.given_notes(&PatientNotes::default())
    }

    /// Those on file with what is given replaced.
    pub(super) fn given_notes(&self, on_file: &PatientNotes) -> PatientNotes {
        let text = |given: &Option<String>, before: &str| given.clone().unwrap_or_else(|| before.to_owned());
        let given = &self.notes;
        PatientNotes {
            province: text(&given.province, &on_file.province),
            city: text(&given.city, &on_file.city),
            county: text(&given.county, &on_file.county),
            address: text(&given.address, &on_file.address),
            contact_name: text(&given.contact_name, &on_file.contact_name),
            contact_relation: given.contact_relation.or(on_file.contact_relation),
            contact_phone: text(&given.contact_phone, &on_file.contact_phone),
        }
    }
}

impl GivenNotes {
    fn read(params: &Params) -> Result<Self, ApiError> {
        let place = |name, label| text(params.optional(name, label), MAX_PLACE_CHARS);
        let relation = match params.optional("cont_relation", "关系") {
            Some(param) => {
                let code = param.integer(0..=99)?;
                Some(u8::try_from(code).map_err(|_| param.malformed())?)
            }
            None => None,
        };
        let province = place("pati_province", "省")?;
        let city = place("pati_city", "市")?;
        let county = place("pati_county", "区县")?;
        let address = text(params.optional("pati_address", "详细地址"), MAX_ADDRESS_CHARS)?;
        let contact_name = text(params.optional("cont_name", "联系人"), PersonName::MAX_CHARS)?;
        let contact_phone = contact_phone(params.optional("cont_phone", "联系人电话"))?;
        Ok(Self { province, city, county, address, contact_name, contact_relation: relation, contact_phone })
    }
}

/// A type without a number says nothing.
fn certificate(params: &Params) -> Result<Option<Certificate>, ApiError> {
    let kind = match params.optional("pati_id_type", "证件类型") {
        Some(param) => param.parse(parse_kind)?,
        None => parse_kind("99")?,
    };
    let number = params.optional("pati_id_number", "证件号码");
    number.map(|param| param.parse(|text| parse_number(kind, text))).transpose()
}

fn labels(params: &Params) -> Result<Option<Vec<LabelId>>, ApiError> {
    let Some(elements) = params.list("list", LIST_LABEL)? else { return Ok(None) };
    let id = |element: Element<'_>| {
        let id = element.member("label_id", LIST_LABEL).or_else(|| element.itself(LIST_LABEL));
        id.ok_or_else(|| ApiError::malformed(LIST_LABEL))?.parse(LabelId::parse)
    };
    let mut labels = elements.into_iter().map(id).collect::<Result<Vec<_>, _>>()?;
    labels.sort_unstable();
    labels.dedup();
    if labels.len() > MAX_LABELS_OF_PATIENT {
        return Err(ApiError::malformed(LIST_LABEL));
    }
    Ok(Some(labels))
}

fn text(param: Option<Param<'_>>, max_chars: usize) -> Result<Option<String>, ApiError> {
    let Some(param) = param else { return Ok(None) };
    let text = param.text()?;
    if text.chars().count() > max_chars || text.chars().any(char::is_control) {
        return Err(param.malformed());
    }
    Ok(Some(text.to_owned()))
}

/// Also a landline, which no code is ever sent to.
fn contact_phone(param: Option<Param<'_>>) -> Result<Option<String>, ApiError> {
    let Some(param) = param else { return Ok(None) };
    let is_phone = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || b"+- ()".contains(&byte));
    match text(Some(param), MAX_PHONE_CHARS)? {
        Some(text) if !is_phone(&text) => Err(param.malformed()),
        text => Ok(text),
    }
}
