//! Invented people: phones and ID numbers that pass every check and belong to nobody.

use serde_json::{Value, json};

/// The `n`th person, as a member is entered.
pub fn person(n: usize) -> Value {
    let id = id_number(n);
    json!({
        "name": format!("患者{n}"), "gender": gender(&id), "birthday": birthday(&id), "IDNo": id, "phone": phone(n)
    })
}

/// The `n`th person, as the desk enters one.
pub fn patient(n: usize) -> Value {
    let id = id_number(n);
    json!({
        "pati_name": format!("患者{n}"), "pati_gender": gender(&id).to_string(), "pati_birthday": birthday(&id),
        "pati_phone": phone(n), "pati_id_type": "99", "pati_id_number": id
    })
}

/// The `n`th phone.
pub fn phone(n: usize) -> String {
    format!("139{n:08}")
}

/// The `n`th ID number: a woman or man born in 1980 or later, with a valid checksum (GB 11643).
pub fn id_number(n: usize) -> String {
    let (year, rest) = (1980 + n / 280_000, n % 280_000);
    let (day, order) = (1 + rest / 1000 % 28, rest % 1000);
    let month = 1 + rest / 28_000;
    let first17 = format!("110101{year:04}{month:02}{day:02}{order:03}");
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = first17.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let check = char::from(b"10X98765432"[(sum % 11) as usize]);
    format!("{first17}{check}")
}

/// The birthday in an ID number, as `yyyy-MM-dd`.
pub fn birthday(id_number: &str) -> String {
    format!("{}-{}-{}", &id_number[6..10], &id_number[10..12], &id_number[12..14])
}

/// The gender code in an ID number: 1 for men, 2 for women.
pub fn gender(id_number: &str) -> u8 {
    if (id_number.as_bytes()[16] - b'0') % 2 == 1 { 1 } else { 2 }
}
