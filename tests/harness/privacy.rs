//! T19 over the whole suite: what was entered about the invented people stands in no log and in no file of a store.
//!
//! Every server that a test ends has its log looked through, and every data folder is, before it is removed.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use regex::bytes::Regex;

/// The phones, ID numbers and names of [`people`](super::people), everybody's password, and tokens.
static PERSONAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?-u)1390000[0-9]{4}|110101(?:19|20)[0-9]{9}[0-9X]|(?:\xe6\x82\xa3\xe8\x80\x85)[0-9]|correct horse 9|eyJ0eXAi",
    )
    .expect("a pattern")
});

/// What is personal in these bytes, with what stands around it.
pub fn found_in(bytes: &[u8]) -> Option<String> {
    let found = PERSONAL.find(bytes)?;
    let around = found.start().saturating_sub(60)..(found.end() + 60).min(bytes.len());
    Some(String::from_utf8_lossy(&bytes[around]).into_owned())
}

/// Fails the test if a line of a log says something personal.
#[track_caller]
pub fn check_log(lines: &[String]) {
    for line in lines {
        assert!(found_in(line.as_bytes()).is_none(), "a log line says something personal: {line}");
    }
}

/// Fails the test if a file below `folder` holds something personal.
#[track_caller]
pub fn check_files(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            check_files(&path);
        } else {
            let bytes = fs::read(&path).expect("readable");
            let found = found_in(&bytes);
            assert!(found.is_none(), "{} holds something personal: {found:?}", path.display());
        }
    }
}

/// Fails the test if a backup below `folder` holds something personal. Answers how many there are.
#[track_caller]
pub fn check_backups(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let mut backups = 0;
    for entry in entries {
        let path = entry.expect("readable").path();
        if path.join("BACKUP").exists() {
            check_files(&path);
            backups += 1;
        } else if path.is_dir() {
            backups += check_backups(&path);
        }
    }
    backups
}

/// Whether a file below `folder` holds these bytes.
pub fn holds(folder: &Path, bytes: &[u8]) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.into_iter().any(|entry| {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        let file = fs::read(&path).expect("readable");
        file.windows(bytes.len()).any(|window| window == bytes)
    })
}
