//! T4: one damage at a time, to every kind of file, in a folder that was closed and in one whose
//! process was killed. A start either has everything that was acknowledged, or refuses in words.

mod support;

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use storage::{OpenError, Silent, Storage, StorageOptions, VerifyError, verify};
use support::*;
use tempfile::TempDir;

const SEED: u64 = 0x5EED_2026_0731;
/// Bookings made in each folder; every third is cancelled again.
const BOOKINGS: u64 = 180;

/// xorshift64*: a fixed sequence, so that a failure can be looked at again.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % limit
    }

    fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }
}

/// How the folder was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Closed,
    Killed,
}

/// Small segments and a small snapshot, so that every kind of file is there.
fn small(path: &Path) -> StorageOptions {
    StorageOptions { segment_bytes: 12_000, ..options(path) }
}

/// A folder with a snapshot, closed segments and an active one.
fn make(left: Left) -> TempDir {
    let folder = folder();
    let live = folder.path().join("live");
    let storage = Storage::open(small(&live)).expect("the folder opens");
    for number in 0..BOOKINGS {
        storage.commit(book(number)).wait().expect("the slot is free");
        if number % 3 == 0 {
            storage.commit(unbook(number)).wait().expect("nothing is required");
        }
        if number == BOOKINGS / 2 {
            storage.fold(NOW).expect("it folds");
        }
    }
    if left == Left::Closed {
        storage.close().expect("it closes");
        drop(storage);
    }
    copy(&live, &folder.path().join("base"));
    folder
}

/// Asserts that everything acknowledged is there, and nothing else.
fn check(storage: &Storage, context: &str) {
    assert_eq!(storage.status().live_records, 4 * (BOOKINGS - BOOKINGS / 3), "{context}");
    for number in 0..BOOKINGS {
        if number % 3 == 0 {
            assert_not_booked(storage, number);
        } else {
            assert_booked(storage, number);
        }
    }
}

/// What became of the damaged folders.
#[derive(Debug, Default)]
struct Outcome {
    opened: u64,
    /// So many of the opened ones had their index made anew.
    rebuilt: u64,
    refused: u64,
}

impl Outcome {
    /// Opens the folder, which must have everything or refuse in words.
    fn open(&mut self, path: &Path, context: &str) {
        match Storage::open(small(path)) {
            Ok(storage) => {
                self.opened += 1;
                self.rebuilt += u64::from(path.join("index.damaged-1").exists());
                check(&storage, context);
                storage.commit(book(1_000)).wait().expect("the storage works");
            }
            Err(error) => {
                self.refused += 1;
                assert_refused_in_words(&error, context);
            }
        }
    }
}

fn assert_refused_in_words(error: &OpenError, context: &str) {
    let text = error.to_string();
    match error {
        OpenError::Damaged(damage) => {
            assert!(text.contains(&damage.file.display().to_string()), "{context}: {text}");
            assert!(text.contains(&format!("at byte {}", damage.offset)), "{context}: {text}");
            for advice in ["`pati-service verify`", "a copy of the data folder"] {
                assert!(text.contains(advice), "{context}: {text}");
            }
        }
        OpenError::Newer(_) => assert!(text.contains("newer"), "{context}: {text}"),
        OpenError::InUse { .. } | OpenError::Index(_) | OpenError::Io { .. } => {
            panic!("{context}: {text}")
        }
    }
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        if path.is_dir() {
            files.extend(files_of(&path));
        } else if fs::metadata(&path).expect("it is there").len() > 0 {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Each journal file as often as the whole index, which is one large file beside small ones.
fn victims(path: &Path) -> Vec<PathBuf> {
    [files_of(&path.join("journal")), files_of(&path.join("index"))].concat()
}

/// Changes one file's bytes.
fn edit(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).expect("it is readable");
    change(&mut bytes);
    fs::write(file, bytes).expect("it can be written");
}

/// Applies one damage to a fresh copy and opens it. `verify` looks at every fourth copy first.
fn try_each(base: &Path, count: u64, outcome: &mut Outcome, damage: impl Fn(&Path, u64) -> String) {
    for number in 0..count {
        let copied = folder();
        copy(base, copied.path());
        let context = damage(copied.path(), number);
        let sound = (number % 4 == 0).then(|| verify(copied.path(), &Silent));
        let refused_before = outcome.refused;
        outcome.open(copied.path(), &context);
        match sound {
            Some(Ok(_)) => assert_eq!(outcome.refused, refused_before, "{context}: verified"),
            Some(Err(VerifyError::Journal(_) | VerifyError::NoJournal(_))) | None => {}
            Some(Err(error)) => panic!("{context}: {error}"),
        }
    }
}

/// Flips in files of the journal and of the index.
///
/// Seen to fail when an index that sled could not open kept the storage from starting.
#[test]
fn a_flipped_bit_is_repaired_or_refused() {
    let mut outcome = Outcome::default();
    for left in [Left::Closed, Left::Killed] {
        let base = make(left);
        let base = base.path().join("base");
        try_each(&base, 120, &mut outcome, |path, number| {
            let chance = &mut Chance(SEED + number * 7919);
            chance.below(2);
            let file = chance.of(&victims(path)).clone();
            let mut at = 0;
            edit(&file, |bytes| {
                at = chance.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << chance.below(8);
            });
            format!("{left:?}: flip {number} in {} at {at}", file.display())
        });
    }
    println!("{outcome:?}");
    assert_eq!(outcome.opened + outcome.refused, 240);
    assert!(outcome.opened >= 50 && outcome.refused >= 20, "{outcome:?}");
}

/// Seen to fail when a journal shorter than what had been acknowledged was accepted.
#[test]
fn a_shortened_file_is_repaired_or_refused() {
    let mut outcome = Outcome::default();
    for left in [Left::Closed, Left::Killed] {
        let base = make(left);
        let base = base.path().join("base");
        try_each(&base, 60, &mut outcome, |path, number| {
            let chance = &mut Chance(SEED + number * 104_729);
            chance.below(2);
            let file = chance.of(&victims(path)).clone();
            let mut length = 0;
            edit(&file, |bytes| {
                length = chance.below(bytes.len() as u64) as usize;
                bytes.truncate(length);
            });
            format!("{left:?}: {} cut to {length}", file.display())
        });
    }
    println!("{outcome:?}");
    assert_eq!(outcome.opened + outcome.refused, 120);
    assert!(outcome.opened >= 10 && outcome.refused >= 20, "{outcome:?}");
}

/// Seen to fail when zeros counted as the end of the journal whatever had been acknowledged.
#[test]
fn a_zeroed_page_is_repaired_or_refused() {
    let mut outcome = Outcome::default();
    for left in [Left::Closed, Left::Killed] {
        let base = make(left);
        let base = base.path().join("base");
        try_each(&base, 50, &mut outcome, |path, number| {
            let chance = &mut Chance(SEED + number * 1_299_709);
            chance.below(2);
            let file = chance.of(&victims(path)).clone();
            let mut page = 0;
            edit(&file, |bytes| {
                page = chance.below(bytes.len().div_ceil(4096) as u64) as usize;
                let end = bytes.len().min((page + 1) * 4096);
                bytes[page * 4096..end].fill(0);
            });
            format!("{left:?}: page {page} of {} zeroed", file.display())
        });
    }
    println!("{outcome:?}");
    assert_eq!(outcome.opened + outcome.refused, 100);
    assert!(outcome.opened >= 20 && outcome.refused >= 10, "{outcome:?}");
}

/// Every file is missing once. Seen to fail when a lost journal beside an index was taken for a new
/// data folder.
#[test]
fn a_missing_file_is_repaired_or_refused() {
    let mut outcome = Outcome::default();
    for left in [Left::Closed, Left::Killed] {
        let base = make(left);
        let base = base.path().join("base");
        let count = victims(&base).len() as u64;
        try_each(&base, count, &mut outcome, |path, number| {
            let file = victims(path)[number as usize].clone();
            fs::remove_file(&file).expect("it is there");
            format!("{left:?}: {} removed", file.display())
        });
        for missing in ["index", "journal"] {
            try_each(&base, 1, &mut outcome, |path, _| {
                fs::remove_dir_all(path.join(missing)).expect("it is there");
                format!("{left:?}: {missing} removed")
            });
        }
    }
    println!("{outcome:?}");
    assert!(outcome.opened >= 6 && outcome.refused >= 10, "{outcome:?}");
}

/// Leftovers of sled and files of others change nothing. Seen to fail when a half-written snapshot
/// of sled was left where it was.
#[test]
fn stale_and_foreign_files_are_no_damage() {
    let mut outcome = Outcome::default();
    let extra: [(&str, &[u8]); 9] = [
        ("index/snap.0000000000000001.generating", b""),
        ("index/snap.00000000FFFFFFFF.generating", &[0xA5; 5000]),
        ("journal/00000000000000000001.seg.tmp", b"half a header"),
        ("journal/00000000000000000400.snap.tmp", &[7; 300]),
        ("journal/acknowledged.tmp", b"?"),
        ("journal/notes.txt", b"do not touch"),
        ("journal/1.seg", b"not ours"),
        ("index/notes.txt", b"do not touch"),
        ("notes.txt", b"do not touch"),
    ];
    for left in [Left::Closed, Left::Killed] {
        let base = make(left);
        let base = base.path().join("base");
        try_each(&base, extra.len() as u64, &mut outcome, |path, number| {
            let (name, bytes) = extra[number as usize];
            fs::write(path.join(name), bytes).expect("it can be written");
            format!("{left:?}: {name} added")
        });
    }
    assert_eq!(outcome.opened, 18, "{outcome:?}");
    assert_eq!(outcome.rebuilt, 0, "the index was sound");
}

/// Where the frames of a segment end, and the checksum of the last one.
fn end_of_frames(segment: &Path) -> (usize, u32) {
    let bytes = fs::read(segment).expect("it is readable");
    let number = |at: usize| {
        let four = bytes[at..at + 4].try_into().expect("these are four bytes");
        u32::from_le_bytes(four)
    };
    let mut end = 20 + number(16) as usize + 4;
    let mut frames = 0;
    while end + 25 < bytes.len() && bytes[end + 4] != 0 {
        end += 25 + number(end) as usize;
        frames += 1;
    }
    assert!(frames > 0, "the segment has a frame");
    (end, number(end - 4))
}

/// A frame that deletes a record that does not exist.
fn frame(place: u32, seq: u64, previous: u32) -> Vec<u8> {
    let key = slot(5_000);
    let key = key.raw().as_bytes();
    let payload = [&[2, key.len() as u8][..], key, &[0; 12]].concat();
    let mut bytes = (payload.len() as u32).to_le_bytes().to_vec();
    bytes.push(1);
    bytes.extend(place.to_le_bytes());
    bytes.extend(seq.to_le_bytes());
    bytes.extend(previous.to_le_bytes());
    bytes.extend(payload);
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

/// A group that was never acknowledged, because the process died while it was written, is cut off,
/// whatever part of it has reached the disk.
///
/// Seen to fail when a sound frame of the torn group itself passed for a proof of damage.
#[test]
fn a_torn_tail_is_cut_off() {
    let base = make(Left::Killed);
    let base = base.path().join("base");
    let segment = journal_files(&base, ".seg").pop().expect("there is one");
    let (end, checksum) = end_of_frames(&segment);
    let seq = BOOKINGS + BOOKINGS / 3;
    let first = frame(0, seq + 1, checksum);
    let previous = crc32c::crc32c(&first[..first.len() - 4]);
    let group = [&first[..], &frame(1, seq + 2, previous)].concat();
    let write = |path: &Path, from: usize, to: usize| {
        let segment = path.join("journal").join(segment.file_name().expect("it has a name"));
        edit(&segment, |bytes| {
            bytes.resize(bytes.len().max(end + to), 0);
            bytes[end + from..end + to].copy_from_slice(&group[from..to]);
        });
        format!("bytes {from} to {to} of a group of {}", group.len())
    };
    let mut outcome = Outcome::default();
    let whole = group.len() as u64;
    try_each(&base, whole, &mut outcome, |path, number| write(path, 0, number as usize + 1));
    // A disk may write the pages of one sync in any order.
    let cut = first.len();
    try_each(&base, 1, &mut outcome, |path, _| write(path, cut, group.len()));
    assert_eq!((outcome.opened, outcome.refused), (whole + 1, 0));
    // A later group could only follow when the one before it was durable.
    let later = folder();
    copy(&base, later.path());
    let segment = later.path().join("journal").join(segment.file_name().expect("it has a name"));
    edit(&segment, |bytes| {
        bytes.truncate(end);
        bytes.extend([0; 64]);
        bytes.extend(frame(0, seq + 2, previous));
    });
    let refused = try_open(later.path()).expect_err("a commit is missing");
    assert!(matches!(refused, OpenError::Damaged(_)), "{refused}");
}

/// The index can always be made anew, and whatever sled says to its damage is not shown.
///
/// Seen to fail when an index that sled could not open kept the storage from starting.
#[test]
fn a_broken_index_is_always_made_anew() {
    static SHOWN: AtomicU64 = AtomicU64::new(0);
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.location().is_some_and(|at| at.file().contains("sled")) {
            SHOWN.fetch_add(1, Ordering::SeqCst);
        }
        before(info);
    }));
    let mut outcome = Outcome::default();
    for left in [Left::Closed, Left::Killed] {
        let base = make(left);
        let base = base.path().join("base");
        try_each(&base, 40, &mut outcome, |path, number| {
            let chance = &mut Chance(SEED + number * 31_337);
            chance.below(2);
            let file = chance.of(&files_of(&path.join("index"))).clone();
            edit(&file, |bytes| {
                // The first pages are the busiest ones.
                let used = bytes.len().min(64 * 1024) as u64;
                for _ in 0..64 {
                    let at = chance.below(used) as usize;
                    bytes[at] ^= 1 << chance.below(8);
                }
            });
            format!("{left:?}: 64 flips in {}", file.display())
        });
    }
    println!("{outcome:?}");
    assert_eq!((outcome.opened, outcome.refused), (80, 0), "an index can always be made anew");
    assert!(outcome.rebuilt >= 40, "{outcome:?}");
    assert_eq!(SHOWN.load(Ordering::SeqCst), 0);
}

/// The end of the journal could be a torn tail by its looks; but it was acknowledged.
///
/// Seen to fail when the mark of the last acknowledged commit was not compared.
#[test]
fn the_last_acknowledged_commit_is_missed() {
    let base = make(Left::Killed);
    let base = base.path().join("base");
    let segment = journal_files(&base, ".seg").pop().expect("there is one");
    let name = segment.file_name().expect("it has a name");
    let (end, _) = end_of_frames(&segment);
    let mut outcome = Outcome::default();
    try_each(&base, 24, &mut outcome, |path, number| {
        edit(&path.join("journal").join(name), |bytes| bytes[end - 1 - number as usize] ^= 1);
        format!("flip {number} bytes before the end")
    });
    try_each(&base, 24, &mut outcome, |path, number| {
        edit(&path.join("journal").join(name), |bytes| bytes[end - 1 - number as usize..].fill(0));
        format!("zeros from {number} bytes before the end")
    });
    assert_eq!((outcome.opened, outcome.refused), (0, 48));
    // After a close the index knows as well: where the mark is gone, it is missed all the same.
    let base = make(Left::Closed);
    let base = base.path().join("base");
    let segment = journal_files(&base, ".seg").pop().expect("there is one");
    let name = segment.file_name().expect("it has a name");
    let header = fs::read(&segment).expect("it is readable")[16..20].to_vec();
    let header = 24 + u32::from_le_bytes(header.try_into().expect("these are four bytes")) as usize;
    let mut outcome = Outcome::default();
    try_each(&base, 1, &mut outcome, |path, _| {
        fs::remove_file(path.join("journal/acknowledged")).expect("it is there");
        edit(&path.join("journal").join(name), |bytes| bytes.truncate(header));
        "no mark, and no commit in the last segment".to_owned()
    });
    assert_eq!((outcome.opened, outcome.refused), (0, 1));
}
