//! The list in a backup of what it has, by which it is checked.
//!
//! ```text
//! pati-service backup 1
//! taken_at 1790000000000
//! seq 60
//! digest 5f0c4a0e7d1a3b9c5f0c4a0e7d1a3b9c
//! picture 20480 9a1be00c6f0d4c1f9a1be00c6f0d4c1f 1-00112233445566778899aabbccddeeff.jpg
//! checksum 89abcdef
//! ```
//!
//! The digest is that of all records at that commit; journal files are not listed, because they check themselves. The
//! checksum is the CRC-32C of the lines above.

use std::io;
use std::path::{Path, PathBuf};

use domain::Timestamp;

use crate::commit::Seq;
use crate::digest::ContentDigest;

/// The name of the file.
const NAME: &str = "BACKUP";
const FIRST_LINE: &str = "pati-service backup 1";

/// One picture of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PictureLine {
    pub(super) name: String,
    pub(super) bytes: u64,
    /// XXH3 (128 bits) of its bytes.
    pub(super) hash: u128,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) taken_at: Timestamp,
    pub(super) seq: Seq,
    pub(super) digest: ContentDigest,
    pub(super) pictures: Vec<PictureLine>,
}

pub(super) fn path_in(backup: &Path) -> PathBuf {
    backup.join(NAME)
}

/// Whether a folder was made by a backup.
#[must_use]
pub fn is_backup(folder: &Path) -> bool {
    path_in(folder).is_file()
}

impl Manifest {
    pub(super) fn to_text(&self) -> String {
        let mut text = format!(
            "{FIRST_LINE}\ntaken_at {}\nseq {}\ndigest {}\n",
            self.taken_at.as_millis(),
            self.seq.get(),
            self.digest
        );
        for PictureLine { name, bytes, hash } in &self.pictures {
            text.push_str(&format!("picture {bytes} {hash:032x} {name}\n"));
        }
        let checksum = crc32c::crc32c(text.as_bytes());
        text.push_str(&format!("checksum {checksum:08x}\n"));
        text
    }

    /// Reads what [`Manifest::to_text`] wrote; `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let body_end = text.strip_suffix('\n')?.rfind('\n')? + 1;
        let (body, last) = text.split_at(body_end);
        let checksum = u32::from_str_radix(last.trim_end().strip_prefix("checksum ")?, 16).ok()?;
        if crc32c::crc32c(body.as_bytes()) != checksum {
            return None;
        }
        let mut lines = body.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let taken_at = lines.next()?.strip_prefix("taken_at ")?.parse().ok()?;
        let seq = lines.next()?.strip_prefix("seq ")?.parse().ok()?;
        let digest = ContentDigest::parse(lines.next()?.strip_prefix("digest ")?)?;
        let pictures = lines.map(parse_picture).collect::<Option<_>>()?;
        Some(Self { taken_at: Timestamp::from_millis(taken_at), seq: Seq::new(seq), digest, pictures })
    }

    /// Reads the list of a backup; `None` when it is damaged or a newer one.
    pub(super) fn read(backup: &Path) -> io::Result<Option<Self>> {
        let bytes = std::fs::read(path_in(backup))?;
        Ok(std::str::from_utf8(&bytes).ok().and_then(Self::parse))
    }
}

fn parse_picture(line: &str) -> Option<PictureLine> {
    let mut words = line.strip_prefix("picture ")?.splitn(3, ' ');
    let bytes = words.next()?.parse().ok()?;
    let hash = u128::from_str_radix(words.next()?, 16).ok()?;
    let name = words.next()?.to_owned();
    // What is restored must not leave its folder.
    let plain = !name.is_empty() && !name.contains('/') && !name.starts_with('.');
    plain.then_some(PictureLine { name, bytes, hash })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digests;

    /// Seen to fail when the checksum was not compared, and when a name could lead out of the folder.
    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        let picture = PictureLine { name: "1-aa.jpg".to_owned(), bytes: 5, hash: 7 };
        let manifest = Manifest {
            taken_at: Timestamp::from_millis(-3),
            seq: Seq::new(60),
            digest: Digests::default().content(),
            pictures: vec![picture.clone(), picture.clone()],
        };
        let text = manifest.to_text();
        assert_eq!(Manifest::parse(&text), Some(manifest.clone()));
        for position in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[position] ^= 1;
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert_eq!(Manifest::parse(&changed), None, "{changed}");
            assert_eq!(Manifest::parse(&text[..position]), None);
        }
        for name in ["../LOCK", "a/b", "", ".."] {
            let name = name.to_owned();
            let led_out =
                Manifest { pictures: vec![PictureLine { name, ..picture.clone() }], ..manifest.clone() };
            assert_eq!(Manifest::parse(&led_out.to_text()), None);
        }
    }
}
