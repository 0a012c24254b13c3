//! The store: a journal that is the truth, an index in sled, and the records kept in them.

mod keys;
mod record;
mod sequences;
mod table;
mod vault;

pub mod records;

pub use keys::{Key, KeyRange, MAX_KEY_BYTES, RawKey};
pub use record::{Record, RecordError};
pub use table::Table;
