//! Texts that the clinic writes about itself, in an import file or by hand: how long they may be, and what they may
//! contain.

use thiserror::Error;

/// Characters of a name, a title or a telephone number.
pub const NAME_LIMIT: usize = 50;
/// Characters of a place.
pub const LINE_LIMIT: usize = 200;
/// Characters of a description or the URL of a picture.
pub const TEXT_LIMIT: usize = 5_000;

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TextError {
    /// It has more characters than it may.
    #[error("longer than allowed")]
    TooLong,
    /// It has control characters other than line ends and tabs.
    #[error("contains control characters")]
    ControlCharacters,
    /// It is no absolute URL.
    #[error("not a URL that begins with https:// or http://")]
    NotAUrl,
}

/// A text of at most so many characters, trimmed; it may have several lines.
///
/// # Errors
/// [`TextError`]
pub fn text(text: &str, limit: usize) -> Result<String, TextError> {
    let text = text.trim();
    if text.chars().count() > limit {
        return Err(TextError::TooLong);
    }
    let is_layout = |letter| matches!(letter, '\n' | '\r' | '\t');
    if text.chars().any(|letter| letter.is_control() && !is_layout(letter)) {
        return Err(TextError::ControlCharacters);
    }
    Ok(text.to_owned())
}

/// The URL of a picture, or nothing.
///
/// # Errors
/// [`TextError`]
pub fn url(given: &str) -> Result<String, TextError> {
    let url = text(given, TEXT_LIMIT)?;
    let is_absolute = url.starts_with("https://") || url.starts_with("http://");
    if url.is_empty() || is_absolute { Ok(url) } else { Err(TextError::NotAUrl) }
}
