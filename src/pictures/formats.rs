//! The formats of pictures: how clients name them, and whether bytes are what they are said to be.

use std::io::Cursor;

use image::{ImageFormat, ImageReader, Limits};
use storage::PictureKind;

/// The largest width and height of a picture, in pixels.
const MAX_SIDE: u32 = 8192;

/// The memory that the decoding of one picture may take, in bytes: 16 million pixels of four bytes.
const MAX_DECODED_BYTES: u64 = 64 * 1024 * 1024;

/// The content type of a format.
pub fn content_type(kind: PictureKind) -> &'static str {
    match kind {
        PictureKind::Jpeg => "image/jpeg",
        PictureKind::Png => "image/png",
        PictureKind::Gif => "image/gif",
        PictureKind::WebP => "image/webp",
    }
}

/// The format that both the extension (without a dot) and the content type name, in any case of letters.
pub fn kind_of(extension: &str, named_type: &str) -> Option<PictureKind> {
    let kind = match extension.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => PictureKind::Jpeg,
        "png" => PictureKind::Png,
        "gif" => PictureKind::Gif,
        "webp" => PictureKind::WebP,
        _ => return None,
    };
    content_type(kind).eq_ignore_ascii_case(named_type).then_some(kind)
}

/// Whether the bytes are a picture of this format, found out by decoding it. Takes up to a second of a core.
pub fn is_picture(bytes: &[u8], kind: PictureKind) -> bool {
    let format = match kind {
        PictureKind::Jpeg => ImageFormat::Jpeg,
        PictureKind::Png => ImageFormat::Png,
        PictureKind::Gif => ImageFormat::Gif,
        PictureKind::WebP => ImageFormat::WebP,
    };
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    reader.decode().is_ok()
}
