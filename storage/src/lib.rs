//! The store: a journal that is the truth, an index in sled, and the records kept in them.
//!
//! [`Storage`] is narrow: get, scan, commit. A [`Commit`] lists puts, deletes and preconditions, and
//! is made as a whole or not at all. Success means that it is on disk: one thread appends all waiting
//! commits to the journal, syncs once, applies them to the index, and only then answers. The
//! preconditions are the last line against double booking; they hold whoever calls.
//!
//! Nothing that sled does is relied on after a restart. The start compares the index with the
//! digests that the journal carries, and makes it anew where it differs. A journal that has lost
//! something acknowledged is refused, in words.
//!
//! This crate is the only one that knows sled and the files of the data folder. It must not know
//! HTTP, actors or the rules of booking: it stores what it is given.

mod backup;
mod catch_up;
mod commit;
mod committer;
mod damage;
mod digest;
mod expiry;
mod export;
mod files;
mod group;
mod index;
mod journal;
pub mod keys;
mod lock;
mod open;
mod options;
mod pictures;
mod priority;
mod record;
pub mod records;
mod resident;
pub mod sabotage;
mod sequences;
mod shared;
mod space;
mod status;
mod storage;
mod table;
mod value;
mod vault;
mod verify;
mod view;

pub use backup::{
    Backup, BackupError, BackupReport, Checked, Occupied, Restore, RestoreError, RestoreReport, Shelved,
    check_backup, is_backup, remove_backup, remove_drafts, shelved_backups,
};
pub use commit::{Commit, CommitError, CommitTicket, NotCommitted, Seq, Version};
pub use damage::{Damage, DamageReason, JournalError};
pub use digest::ContentDigest;
pub use export::{LiveRecord, LiveRecordsError, live_records};
pub use files::{DiskFiles, Files, WritableFile};
pub use journal::fold::{FoldError, FoldReport};
pub use journal::frozen::ViewError;
pub use keys::{Key, KeyRange, MAX_KEY_BYTES, RawKey};
pub use open::OpenError;
pub use options::StorageOptions;
pub use pictures::{Picture, PictureFiles, PictureId, PictureKind};
pub use record::{Record, RecordError};
pub use sequences::{Sequence, SequenceError, Sequences};
pub use space::{DiskSpace, SpaceProbe};
pub use status::{Fatal, Observer, Progress, Silent, Status, Step, Writable};
pub use storage::{CloseError, CompactError, Order, ReadError, Scan, Storage, Stored};
pub use table::Table;
pub use vault::{
    Blind, Existing, Fingerprint, NoRandomness, OsRandom, Random, SECRET_LEN, SealError, Sealed, SecretKey,
    UnlockError, Vault, VaultError,
};
pub use verify::{IndexReport, Snapshot, Tail, VerifyError, VerifyReport, verify};
pub use view::JournalView;
