//! The store: a journal that is the truth, an index in sled, and the records kept in them.

pub mod keys;
mod record;
mod sequences;
mod table;
mod vault;

pub mod records;

pub use keys::{Key, KeyRange, MAX_KEY_BYTES, RawKey};
pub use record::{Record, RecordError};
pub use sequences::{Sequence, Sequences};
pub use table::Table;
pub use vault::{
    Blind, Existing, Fingerprint, NoRandomness, OsRandom, Random, SECRET_LEN, SealError, Sealed,
    SecretKey, Vault, VaultError,
};
