//! Reading the journal beside a server that writes to it.

mod support;

use storage::{JournalView, OsRandom, Silent, Storage, StorageOptions, Table, Vault, ViewError, keys};
use support::booking::Booking;
use support::*;

const BOOKED: [Table; 4] = [Table::Slot, Table::Visit, Table::Booking, Table::Active];

/// Seen to fail when a segment was read on behind where it had ended, and when damage was told from bytes that were
/// read later than those before them.
#[test]
fn a_view_beside_a_writer_is_one_moment() {
    let folder = folder();
    let options = StorageOptions { segment_bytes: 64 * 1024, ..options(folder.path()) };
    let storage = Storage::open(options).expect("the folder opens");
    let booking = Booking::start(&storage);
    let mut seen = 0;
    for round in 0..20 {
        if round % 8 == 5 {
            storage.fold(NOW).expect("it folds");
        }
        let before = booking.acknowledged_after(seen);
        let view = JournalView::read(folder.path(), &BOOKED, &Silent).expect("sound");
        let count = view.scan(&keys::bookings(tenant())).expect("readable").len() as u64;
        assert!(count >= before, "{count} of {before}");
        assert_eq!(view.seq().get(), count, "a booking is one commit");
        for number in 0..count {
            let stored = view.get(&slot(number)).expect("readable").map(|stored| stored.record);
            assert_eq!(stored, Some(slot_record(number)));
            assert!(view.get(&active(number)).expect("readable").is_some());
            assert!(view.get(&visit(number)).expect("readable").is_some());
        }
        seen = count;
    }
    let booked = booking.stop();
    drop(storage);
    let view = JournalView::read(folder.path(), &BOOKED, &Silent).expect("no server is needed");
    assert_eq!(view.seq().get(), booked);
}

#[test]
fn only_the_tables_that_were_asked_for_are_kept() {
    let folder = folder();
    let storage = open(folder.path());
    book_all(&storage, 0..5);
    storage.commit(unbook(2)).wait().expect("nothing is required");
    let view = JournalView::read(folder.path(), &[Table::Booking], &Silent).expect("sound");
    assert_eq!(view.scan(&keys::bookings(tenant())).expect("readable").len(), 4);
    let nowhere = tempfile::tempdir().expect("there is room");
    let refused = JournalView::read(nowhere.path(), &[Table::Booking], &Silent);
    assert!(matches!(refused, Err(ViewError::NoJournal(_))));
}

/// Seen to fail when the fingerprint was not compared.
#[test]
fn a_view_opens_with_its_own_keys_only() {
    let folder = folder();
    let storage = open(folder.path());
    let read = || JournalView::read(folder.path(), &[Table::Meta], &Silent).expect("sound");
    let random = || std::sync::Arc::new(OsRandom::default());
    let keys = folder.path().join("keys");
    let unlocked = Vault::unlock_view(&read(), &keys, random()).expect("nothing is sealed");
    assert!(unlocked.is_none());
    let vault = Vault::unlock(&storage, &keys, random()).expect("new keys are made");
    let seen = Vault::unlock_view(&read(), &keys, random()).expect("the keys fit").expect("there are keys");
    assert_eq!(seen.fingerprint(), vault.fingerprint());
    std::fs::remove_file(keys.join("blind.key")).expect("it is there");
    assert!(Vault::unlock_view(&read(), &keys, random()).is_err());
    let other = tempfile::tempdir().expect("there is room");
    Vault::open(other.path(), storage::Existing::CreateIfMissing, random()).expect("made");
    assert!(Vault::unlock_view(&read(), other.path(), random()).is_err());
}
