//! A data folder and a backup as the first version wrote them. Every later version opens both.
//!
//! The files are kept as text, since a folder of data has no place among sources. A version that writes other bytes keeps
//! these, and adds its own.

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use domain::{Gender, IdNumber, PersonName, Phone};
use storage::records::{
    Certificate, DepartmentRecord, PatientPersonal, PatientRecord, SequenceRecord, TenantRecord,
};
use storage::{
    Backup, Commit, DiskFiles, DiskSpace, Key, NoRandomness, Occupied, Random, Restore, Sequence, Silent,
    Vault, check_backup, keys, verify,
};
use support::*;

const SNAPSHOT: (&str, &str) = ("00000000000000000005.snap", include_str!("first_release/snapshot.hex"));
const SEGMENT: (&str, &str) = ("00000000000000000006.seg", include_str!("first_release/segment.hex"));
const LIST: &str = include_str!("first_release/BACKUP");
/// Keys of this test alone.
const KEYS: [(&str, [u8; 32]); 2] = [("seal-1.key", [7; 32]), ("blind.key", [9; 32])];

/// Counts, so that the same nonces come each time.
#[derive(Debug, Default)]
struct Counting(AtomicU8);

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        bytes.fill(self.0.fetch_add(1, Ordering::SeqCst));
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    let lines =
        bytes.chunks(60).map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n");
    lines.collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
    digits.chunks(2).map(byte).collect()
}

fn write_keys(data: &Path) {
    fs::create_dir_all(data.join("keys")).expect("made");
    for (name, secret) in KEYS {
        let path = data.join("keys").join(name);
        fs::write(&path, hex(&secret)).expect("written");
        let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(path, owner_only).expect("it is ours");
    }
}

fn write_journal(folder: &Path) {
    fs::create_dir_all(folder.join("journal")).expect("made");
    for (name, text) in [SNAPSHOT, SEGMENT] {
        fs::write(folder.join("journal").join(name), bytes(text)).expect("written");
    }
}

fn patient() -> Key<PatientRecord> {
    keys::patient(tenant(), patient_id(0))
}

fn personal() -> PatientPersonal {
    PatientPersonal {
        name: PersonName::parse("王小明").expect("a name"),
        gender: Gender::Female,
        birthday: domain::Date::parse("1949-12-31").expect("a date"),
        certificate: Some(Certificate::IdCard(IdNumber::parse("11010519491231002X").expect("a number"))),
        phone: Phone::parse("13800000001").expect("a phone"),
    }
}

fn clinic() -> TenantRecord {
    TenantRecord { name: "春和诊所".to_owned(), appo_notice: String::new(), phone: "010-1".to_owned() }
}

fn department() -> DepartmentRecord {
    DepartmentRecord {
        name: "眼科".to_owned(),
        avatar: String::new(),
        description: String::new(),
        location: "一楼东".to_owned(),
        enabled: true,
    }
}

/// What the first version was made to write.
fn write(data: &Path) {
    write_keys(data);
    let storage = open(data);
    let vault = Vault::unlock(&storage, &data.join("keys"), Arc::new(Counting::default())).expect("new keys");
    let department_key = keys::department(tenant(), domain::DepartmentId::new(101).expect("an id"));
    let mut commit = Commit::new();
    commit.put(&keys::tenant(tenant()), &clinic()).put(&department_key, &department());
    storage.commit(commit).wait().expect("nothing is required");
    let mut commit = Commit::new();
    let record = PatientRecord::seal(&vault, &patient(), &personal(), NOW).expect("sealed");
    commit
        .put(&patient(), &record)
        .put(&keys::sequence(tenant(), Sequence::Booking), &SequenceRecord { next: 1_000_001_000 });
    storage.commit(commit).wait().expect("nothing is required");
    storage.commit(book(1)).wait().expect("the slot is free");
    storage.commit(book(2)).wait().expect("the slot is free");
    storage.fold(NOW).expect("it folds");
    storage.commit(book(3)).wait().expect("the slot is free");
    storage.commit(unbook(2)).wait().expect("nothing is required");
    storage.close().expect("it closes");
}

fn check(data: &Path) {
    let storage = open(data);
    let vault = Vault::unlock(&storage, &data.join("keys"), Arc::new(Counting::default())).expect("they fit");
    assert_eq!(get(&storage, &keys::tenant(tenant())), Some(clinic()));
    let patients = get(&storage, &patient()).expect("it is there");
    assert_eq!(patients.open(&vault, &patient()).expect("it opens"), personal());
    assert_booked(&storage, 1);
    assert_not_booked(&storage, 2);
    assert_booked(&storage, 3);
    storage.commit(book(4)).wait().expect("it goes on");
}

/// Seen to fail when a table got another tag.
#[test]
fn a_folder_of_the_first_version_opens() {
    let folder = folder();
    write_journal(folder.path());
    write_keys(folder.path());
    let report = verify(folder.path(), &Silent).expect("sound");
    assert!(LIST.contains(&format!("digest {}\n", report.digest)));
    check(folder.path());
    check_again(folder.path());
}

fn check_again(data: &Path) {
    assert_booked(&open(data), 4);
    verify(data, &Silent).expect("sound");
}

#[test]
fn a_backup_of_the_first_version_comes_back() {
    let folder = folder();
    let (from, data) = (folder.path().join("backup"), folder.path().join("data"));
    write_journal(&from);
    fs::create_dir(from.join("files")).expect("made");
    fs::write(from.join("BACKUP"), LIST).expect("written");
    check_backup(&from, &Silent).expect("sound");
    write_keys(&data);
    let restore = Restore {
        from,
        data: data.clone(),
        occupied: Occupied::Refuse,
        files: Arc::new(DiskFiles),
        space: Arc::new(DiskSpace::of(folder.path().to_owned())),
        progress: Arc::new(Silent),
        random: Arc::new(Counting::default()),
        now: NOW,
    };
    restore.run().expect("it is restored");
    check(&data);
}

/// While nothing has changed, this version writes the same. When it does not any more, this test goes, and the files stay.
#[test]
fn this_version_writes_what_the_first_one_did() {
    let folder = folder();
    let data = folder.path().join("data");
    write(&data);
    check_written(&data.join("journal"), folder.path(), &data);
}

fn check_written(journal: &Path, parent: &Path, data: &Path) {
    let backup = Backup {
        data: data.to_owned(),
        target: parent.join("backup"),
        files: Arc::new(DiskFiles),
        space: Arc::new(DiskSpace::of(parent.to_owned())),
        min_free_bytes: 0,
        progress: Arc::new(Silent),
        now: NOW,
    };
    backup.write().expect("written");
    let list = fs::read_to_string(parent.join("backup/BACKUP")).expect("text");
    let found = [SNAPSHOT, SEGMENT].map(|(name, _)| hex(&fs::read(journal.join(name)).expect("it is there")));
    let known = [SNAPSHOT.1, SEGMENT.1].map(str::to_owned);
    assert!(found == known && list == LIST, "\n--\n{}--\n{}--\n{list}--", found[0], found[1]);
}
