//! Bar codes: a patient's number as a picture that the scanner of the front desk reads.
//!
//! Code 128, drawn anew each time: the same number is always the same bytes, and drawing costs less than keeping.

use barcoders::sym::code128::Code128;
use domain::PatientId;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageError};
use thiserror::Error;

/// Digits that a number has in a bar code at least.
const DIGITS: usize = 9;
/// Width of the narrowest bar, in pixels.
const MODULE_PX: usize = 2;
/// Width of the white on either side, in narrowest bars: what the standard demands.
const QUIET_MODULES: usize = 10;
/// Height of the picture, in pixels.
const HEIGHT_PX: usize = 80;

/// How the encoder is told to go on with pairs of digits, and with single characters.
const SET_C: char = '\u{106}';
const SET_B: char = '\u{181}';

const WHITE: u8 = 255;
const BLACK: u8 = 0;

/// Why no bar code could be drawn; cannot happen with digits.
#[derive(Debug, Error)]
pub enum BarcodeError {
    /// The number has no symbols.
    #[error("the number cannot be a bar code: {0}")]
    Symbols(barcoders::error::Error),
    /// The picture could not be written.
    #[error("the picture of a bar code cannot be written: {0}")]
    Picture(#[from] ImageError),
}

/// The bar code of a patient's number: a PNG in shades of grey, 80 pixels high and 2 pixels a module.
///
/// # Errors
/// [`BarcodeError`]
pub fn png(patient: PatientId) -> Result<Vec<u8>, BarcodeError> {
    let code = Code128::new(symbols(patient)).map_err(BarcodeError::Symbols)?;
    let row = row(&code.encode());
    let mut png = Vec::with_capacity(512);
    // All rows are alike, so that each is nothing but "as above".
    let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Up);
    let (width, height) = (row.len() as u32, HEIGHT_PX as u32);
    encoder.write_image(&row.repeat(HEIGHT_PX), width, height, ExtendedColorType::L8)?;
    Ok(png)
}

/// The digits in pairs (set C), and the last of an odd number of them by itself.
fn symbols(patient: PatientId) -> String {
    let digits = format!("{:0DIGITS$}", patient.get());
    let (pairs, single) = digits.split_at(digits.len() / 2 * 2);
    let mut symbols = format!("{SET_C}{pairs}");
    if !single.is_empty() {
        symbols.push(SET_B);
        symbols.push_str(single);
    }
    symbols
}

/// One row of pixels: the modules between the white of both sides.
fn row(modules: &[u8]) -> Vec<u8> {
    let quiet = QUIET_MODULES * MODULE_PX;
    let mut row = vec![WHITE; 2 * quiet + modules.len() * MODULE_PX];
    let bars = row[quiet..].chunks_exact_mut(MODULE_PX);
    for (pixels, _) in bars.zip(modules).filter(|(_, module)| **module == 1) {
        pixels.fill(BLACK);
    }
    row
}

#[cfg(test)]
mod tests {
    use rxing::BarcodeFormat;
    use rxing::helpers::detect_in_luma;

    use super::*;

    fn drawn(number: u64) -> Vec<u8> {
        png(PatientId::new(number).expect("an id")).expect("drawn")
    }

    /// Seen to fail when the digits were not padded, when the last digit stayed in set C, and when black and white
    /// were exchanged.
    #[test]
    fn what_is_drawn_reads_back_as_the_nine_digits() {
        for (number, text) in [
            (1, "000000001"),
            (42, "000000042"),
            (123_456_789, "123456789"),
            (999_999_999, "999999999"),
            // Beyond nine digits nothing is cut off.
            (1_000_000_000, "1000000000"),
            (domain::MAX_ID, "9007199254740991"),
        ] {
            let picture = image::load_from_memory(&drawn(number)).expect("a picture").into_luma8();
            let (width, height) = picture.dimensions();
            let read = detect_in_luma(picture.into_raw(), width, height, None).expect("a bar code");
            assert_eq!((read.getText(), read.getBarcodeFormat()), (text, &BarcodeFormat::CODE_128));
        }
    }

    /// Seen to fail with a quiet zone of 9 modules, and with modules of 1 pixel.
    #[test]
    fn ten_white_modules_stand_on_either_side() {
        for number in [1, 999_999_999] {
            let picture = image::load_from_memory(&drawn(number)).expect("a picture");
            assert_eq!(picture.color(), image::ColorType::L8);
            let picture = picture.into_luma8();
            // Start, four pairs, the change of set, a digit and the check symbol of 11 modules, the stop of 13.
            assert_eq!(picture.dimensions(), ((10 + 8 * 11 + 13 + 10) * 2, 80));
            for row in picture.rows() {
                let row: Vec<_> = row.map(|pixel| pixel.0[0]).collect();
                assert_eq!(row.iter().position(|pixel| *pixel == BLACK), Some(20));
                assert_eq!(row.iter().rposition(|pixel| *pixel == BLACK), Some(row.len() - 21));
                assert!(row.iter().all(|pixel| [BLACK, WHITE].contains(pixel)));
            }
        }
    }

    /// Seen to fail when the number was left out of the picture.
    #[test]
    fn the_same_number_is_the_same_picture_and_another_is_not() {
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }
}
