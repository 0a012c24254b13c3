use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::files::{DiskFiles, WritableFile};

fn picture(id: u8) -> Picture {
    let tenant = TenantId::new(7).expect("an id");
    Picture { tenant, id: PictureId::from_bytes([id; 16]), kind: PictureKind::Png }
}

fn open(data: &Path) -> PictureFiles {
    PictureFiles::open(data, Arc::new(DiskFiles)).expect("opened")
}

/// Seen to fail when `put` left out the rename.
#[test]
fn a_picture_is_read_as_it_was_stored_until_it_is_removed() {
    let data = tempfile::tempdir().expect("a folder");
    let files = open(data.path());
    assert_eq!(files.read(&picture(1)).expect("read"), None);
    files.put(&picture(1), b"one").expect("stored");
    files.put(&picture(2), b"two").expect("stored");
    let files = open(data.path());
    assert!(files.contains(&picture(1)).expect("looked"));
    assert_eq!(files.read(&picture(1)).expect("read").as_deref(), Some(&b"one"[..]));
    files.remove(&picture(1)).expect("removed");
    files.remove(&picture(1)).expect("removed before");
    assert_eq!(files.read(&picture(1)).expect("read"), None);
    assert_eq!(files.read(&picture(2)).expect("read").as_deref(), Some(&b"two"[..]));
}

/// Seen to fail when the start removed nothing.
#[test]
fn a_start_removes_what_was_half_written_and_nothing_else() {
    let data = tempfile::tempdir().expect("a folder");
    let files = open(data.path());
    files.put(&picture(1), b"one").expect("stored");
    let draft = data.path().join("files").join(picture(2).file_name() + DRAFT_SUFFIX);
    fs::write(&draft, b"tw").expect("written");
    let files = open(data.path());
    assert!(!draft.exists());
    assert!(files.contains(&picture(1)).expect("looked"));
}

/// Files whose every sync fails.
#[derive(Debug, Default)]
struct Unsyncable {
    renamed: AtomicBool,
}

#[derive(Debug)]
struct UnsyncableFile(Box<dyn WritableFile>);

impl Files for Unsyncable {
    fn create(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        Ok(Box::new(UnsyncableFile(DiskFiles.create(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        DiskFiles.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.renamed.store(true, Ordering::Relaxed);
        DiskFiles.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        DiskFiles.remove(path)
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        DiskFiles.sync_dir(folder)
    }
}

impl WritableFile for UnsyncableFile {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Err(io::Error::other("the disk is on fire"))
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }
}

/// Seen to fail when `put` did not sync before the rename.
#[test]
fn a_picture_that_cannot_be_synced_is_not_there() {
    let data = tempfile::tempdir().expect("a folder");
    let disk = Arc::new(Unsyncable::default());
    let files = PictureFiles::open(data.path(), Arc::<Unsyncable>::clone(&disk)).expect("opened");
    files.put(&picture(1), b"one").expect_err("not synced");
    assert!(!disk.renamed.load(Ordering::Relaxed));
    assert_eq!(fs::read_dir(data.path().join("files")).expect("a folder").count(), 0);
}

/// Seen to fail when capital digits were taken: a second name of the same picture.
#[test]
fn an_id_has_one_text() {
    let id = PictureId::from_bytes([0x0f, 0xa1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff]);
    assert_eq!(id.to_string(), "0fa102030405060708090a0b0c0d0eff");
    assert_eq!(PictureId::parse(&id.to_string()), Some(id));
    for text in [
        "",
        "0FA102030405060708090a0b0c0d0eff",
        "0fa102030405060708090a0b0c0d0ef",
        "../../../../../../../etc/passwd",
    ] {
        assert_eq!(PictureId::parse(text), None, "{text}");
    }
}
