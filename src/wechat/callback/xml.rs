//! The XML of a message: one element with elements of text in it. Whatever declares a document type is refused, so that
//! no entity of the sender's is ever looked at.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

use super::Refused;

/// The fields that are read; messages have some twenty.
const MAX_FIELDS: usize = 64;

/// Names and texts of the fields, in order.
pub(super) type Fields = Vec<(String, String)>;

/// The text of the first field with this name.
pub(super) fn field<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    fields.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
}

/// Reads the fields of a message. What lies deeper belongs to the field it lies in and is passed over.
///
/// # Errors
/// [`Refused::Malformed`]
pub(super) fn flat(xml: &[u8]) -> Result<Fields, Refused> {
    let text = std::str::from_utf8(xml).map_err(|_| Refused::Malformed)?;
    let mut reader = Reader::from_str(text);
    let mut fields: Fields = Vec::new();
    let mut depth = 0_usize;
    let mut ended = false;
    loop {
        match reader.read_event().map_err(|_| Refused::Malformed)? {
            Event::Start(start) if !ended => {
                depth += 1;
                let name = start.name().0.to_owned();
                match depth {
                    1 if name != "xml" => return Err(Refused::Malformed),
                    2 if fields.len() == MAX_FIELDS => return Err(Refused::Malformed),
                    2 => fields.push((name, String::new())),
                    _ => {}
                }
            }
            Event::End(_) => {
                depth = depth.checked_sub(1).ok_or(Refused::Malformed)?;
                ended = depth == 0;
            }
            Event::CData(data) => add(&mut fields, depth, &data)?,
            Event::Text(data) => add(&mut fields, depth, &data)?,
            Event::GeneralRef(reference) => {
                let known = resolve_predefined_entity(&reference).ok_or(Refused::Malformed)?;
                add(&mut fields, depth, known)?;
            }
            Event::Empty(_) if depth > 0 => {}
            Event::Decl(_) if depth == 0 && !ended => {}
            Event::Eof if ended => return Ok(fields),
            Event::Start(_)
            | Event::Empty(_)
            | Event::Decl(_)
            | Event::DocType(_)
            | Event::PI(_)
            | Event::Comment(_)
            | Event::Eof => return Err(Refused::Malformed),
        }
    }
}

/// Text counts within a field; between fields there are only blanks.
fn add(fields: &mut Fields, depth: usize, text: &str) -> Result<(), Refused> {
    match (depth, fields.last_mut()) {
        (2, Some((_, value))) => value.push_str(text),
        (0 | 1, _) if !text.trim().is_empty() => return Err(Refused::Malformed),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_with_and_without_cdata() {
        let xml = "<?xml version=\"1.0\"?>\n<xml>\n <A><![CDATA[<b>&amp;]]></A><B>1 &amp; 2</B>\n<C><D>no</D></C><E/></xml>\n";
        let fields = flat(xml.as_bytes()).expect("read");
        assert_eq!(field(&fields, "A"), Some("<b>&amp;"));
        assert_eq!(field(&fields, "B"), Some("1 & 2"));
        assert_eq!(field(&fields, "C"), Some(""));
        assert_eq!(field(&fields, "D"), None);
    }

    /// Seen to fail when a document type was passed over.
    #[test]
    fn what_declares_entities_or_is_no_message_is_refused() {
        for wrong in [
            "<!DOCTYPE xml [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><xml><A>&a;</A></xml>",
            "<!DOCTYPE xml><xml><A>1</A></xml>",
            "<xml><!DOCTYPE a><A>1</A></xml>",
            "<xml><A>&a;</A></xml>",
            "<xml><A>1</A>",
            "<xml><A>1</B></xml>",
            "<xml><A>1</A></xml><xml></xml>",
            "<xml>x</xml>",
            "<xml></xml>x",
            "<root><A>1</A></root>",
            "{}",
            "",
        ] {
            assert_eq!(flat(wrong.as_bytes()), Err(Refused::Malformed), "{wrong}");
        }
        assert_eq!(flat(b"<xml><A>\xff</A></xml>"), Err(Refused::Malformed));
        let many = format!("<xml>{}</xml>", "<A>1</A>".repeat(65));
        assert_eq!(flat(many.as_bytes()), Err(Refused::Malformed));
    }
}
