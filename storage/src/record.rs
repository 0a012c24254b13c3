//! What a stored record is: a type with a table and a versioned encoding.

use crate::table::Table;

/// A value that is kept in one table.
pub trait Record: Sized {
    /// The table that holds records of this type.
    const TABLE: Table;

    /// The bytes to store.
    fn encode(&self) -> Vec<u8>;

    /// Reads what [`Record::encode`] wrote, in this or an older version.
    ///
    /// # Errors
    /// [`RecordError`] when the bytes are of a newer version or not a record at all.
    fn decode(bytes: &[u8]) -> Result<Self, RecordError>;
}

/// Why stored bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A newer version of the program wrote the record.
    #[error("a record of table {} was written by a newer version of the program", .0.name())]
    NewerVersion(Table),
    /// The bytes do not decode.
    #[error("a record of table {} cannot be decoded", .0.name())]
    Malformed(Table),
}
