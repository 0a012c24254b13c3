//! The keys of pictures in the object store: `avatar/{tenant}/{32 hex digits}.{extension}`.

use domain::TenantId;
use storage::{Picture, PictureId, PictureKind};

/// The key of a picture.
pub fn text_of(picture: &Picture) -> String {
    format!("avatar/{}/{}.{}", picture.tenant, picture.id, picture.kind.extension())
}

/// Reads a key; `None` for everything that [`text_of`] did not write.
pub fn parse(key: &str) -> Option<Picture> {
    let (tenant, file) = key.strip_prefix("avatar/")?.split_once('/')?;
    let (id, extension) = file.split_once('.')?;
    let picture = Picture {
        tenant: TenantId::parse(tenant).ok()?,
        id: PictureId::parse(id)?,
        kind: PictureKind::ALL.into_iter().find(|kind| kind.extension() == extension)?,
    };
    // A second text for the same picture, such as one with a leading zero, is none of its key.
    (text_of(&picture) == key).then_some(picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen to fail when a key was not compared with the one of the picture that it was read as.
    #[test]
    fn a_picture_has_one_key() {
        let tenant = TenantId::new(12).expect("an id");
        for kind in PictureKind::ALL {
            let picture = Picture { tenant, id: PictureId::from_bytes([0xa5; 16]), kind };
            assert_eq!(parse(&text_of(&picture)), Some(picture));
        }
        let id = "a5".repeat(16);
        assert!(parse(&format!("avatar/12/{id}.png")).is_some());
        for key in [
            String::new(),
            format!("avatar/012/{id}.png"),
            format!("avatar/ 12/{id}.png"),
            format!("avatar/0/{id}.png"),
            format!("avatar/12/{id}.jpeg"),
            format!("avatar/12/{id}.PNG"),
            format!("avatar/12/{id}.png.png"),
            format!("avatar/12/../12/{id}.png"),
            format!("/avatar/12/{id}.png"),
            format!("avatar/12/{id}.png/"),
            format!("avatar/12/{id}.svg"),
            "avatar/12/../../../keys/seal-1.key".to_owned(),
            "avatar/12/..%2f..%2fkeys%2fjwt.key".to_owned(),
        ] {
            assert_eq!(parse(&key), None, "{key}");
        }
    }
}
